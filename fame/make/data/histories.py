"""Files of sequences: a line per user, `user item item …`, oldest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pyarrow as pa

from fame.errors import FameError
from fame.make.data.builder import Builder
from fame.make.data.dialect import SPACES, Dialect, fields_of
from fame.make.data.plain import Plain
from fame.make.data.times import find_numbers, number_unit

__all__ = ["add_histories", "check_user", "is_table"]

BLOCK = 1 << 18
CERTAIN = 0.9
FEWEST_RATED = 20
FEWEST = 3  # rows below which words tell nothing


def is_table(head: str, dialect: Dialect) -> bool:
    """Whether lines of one width are rows of a table, and not histories that happen to be of one length.

    A table's last column holds times, or its columns hold different things; a history's hold the same items.
    """
    rows = [
        fields_of(line, dialect.separator, dialect.quote) for line in head.split("\n")[dialect.skip :] if line.strip()
    ]
    rows = [row for row in rows[:2000] if len(row) == len(dialect.names)]
    if not dialect.uniform or len(dialect.names) < 3 or not rows:
        return dialect.uniform and len(dialect.names) >= 2
    columns = list(zip(*rows, strict=True))
    if any((number_unit(column) and len(set(column)) > 1) or dialect.header for column in columns[1:]):
        return True
    if _rated(columns):
        return True
    if len(rows) < FEWEST:  # too few to share words
        return dialect.separator != SPACES
    if len(set(columns[0])) < len(rows):
        return not _alike(columns[1:]) or (len(set(columns[0])) < 0.7 * len(rows) and not _alike(columns[1:]))
    return not _alike(columns[1:])


def _rated(columns: Sequence[Sequence[str]]) -> bool:
    """Whether the columns are user, item and a rating: users come again, and a later column has few numbers."""
    users, items, *rest = columns
    if len(users) < FEWEST_RATED or len(set(users)) > 0.7 * len(users):
        return False
    few = [set(c) for c in rest if len(set(c)) <= min(11, 0.5 * len(set(items)))]
    return any(find_numbers(list(values)) for values in few)


def _alike(columns: Sequence[Sequence[str]]) -> bool:
    """Whether neighbouring columns share their words, as the places of histories do."""
    if len(columns) < 2:
        return False
    shared = []
    for a, b in pairwise(columns):
        left, right = set(a), set(b)
        shared.append(len(left & right) / min(len(left), len(right)))
    return sum(shared) / len(shared) > 0.3


def check_user(name: str, head: str, dialect: Dialect, whole: bool, no_user: bool | None) -> bool:
    """Whether the lines hold items alone.

    Raises:
        FameError: the first fields look like items, and nothing was said.
    """
    if no_user is not None:
        return no_user
    rows = [
        fields_of(line, dialect.separator, dialect.quote) for line in head.split("\n")[dialect.skip :] if line.strip()
    ]
    rows = [row for row in rows if row]
    firsts = [row[0] for row in rows]
    items = Counter(item for row in rows for item in row[1:])
    different = set(firsts)
    within = sum(first in items for first in different)
    if len(rows) < 5 or within < CERTAIN * len(different):
        return False
    if len(different) == len(firsts):
        # Numbered users may be called as items are; names are not.
        if all(first.isdigit() for first in firsts):
            numbers = list(map(int, firsts))
            if numbers == sorted(numbers) or max(numbers) - min(numbers) < 2 * len(numbers):
                return False
    elif (
        firsts == sorted(firsts)
        or len(different) == 1
        or (all(f.isdigit() for f in firsts) and sorted(map(int, firsts)) == list(map(int, firsts)))
    ):
        return False
    lines = f"{len(rows):,} {'' if whole else 'first '}lines"
    raise FameError(
        f"{name}: {lines}, {len(different):,} different first fields, and {within:,} of these are items elsewhere: no "
        "user seems to stand first; say --no-user where lines hold items alone, --with-user where not (in Python or a "
        "recipe: no_user = true or false)"
    )


def _with_colon(head: str, dialect: Dialect) -> bool:
    """Whether the user is parted from the items by a colon."""
    rows = [fields_of(line, dialect.separator, dialect.quote) for line in head.split("\n")[dialect.skip :]]
    return all(row[0].endswith(":") for row in rows if row and row[0])


def add_histories(name: str, plain: Plain, dialect: Dialect, no_user: bool, builder: Builder) -> None:
    """All lines into `builder`; a user's second line follows the first.

    Raises:
        FameError: a line has a user and no item; see `Builder.add`.
    """
    for users, items, lines in _blocks(name, plain, dialect, no_user, builder):
        builder.add(pa.array(users, pa.string()), pa.array(items, pa.string()), None, rows=lines)


def _blocks(
    name: str, plain: Plain, dialect: Dialect, no_user: bool, builder: Builder
) -> Iterator[tuple[list[str], list[str], int]]:
    users: list[str] = []
    items: list[str] = []
    lines = 0
    colon = not no_user and _with_colon(plain.head, dialect)
    with plain.path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if number <= dialect.skip or not line.strip():
                continue
            fields = [f.strip() for f in fields_of(line, dialect.separator, dialect.quote)]
            user, *rest = [str(number), *fields] if no_user else fields
            user = user.removesuffix(":").rstrip() if colon else user
            rest = [item for item in rest if item]
            lines += 1
            if not rest:
                builder.drop("a user and no item", 1, f"line {number}: {line.strip()[:40]!r}")
                continue
            users += [user] * len(rest)
            items += rest
            if len(items) >= BLOCK:
                yield users, items, lines
                users, items, lines = [], [], 0
    if items or lines:
        yield users, items, lines
