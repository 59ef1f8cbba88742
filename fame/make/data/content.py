"""Which column holds what, by what stands in it; used where names say nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from fame.errors import FameError
from fame.make.data.lists import is_missing, values_of
from fame.make.data.names import KNOWN, plain_name
from fame.make.data.times import NUMBER, looks_like_time

__all__ = [
    "Roles",
    "are_clocks",
    "are_lists",
    "bracketed",
    "by_content",
    "find_kinds",
    "find_mind",
    "is_filled",
    "is_pair",
    "list_separator",
    "number_lists",
    "set_role",
]

KIND_WORDS = (
    "view views click clicks cart carts addtocart add_to_cart order orders buy purchase purchased play played "
    "transaction like pv fav favorite collect skip listen read watch share rate"
)
KINDS = frozenset(KIND_WORDS.split())
MOST_KINDS = 12
_AMAZON_USER = re.compile(r"A[0-9A-Z]{9,20}")
_AMAZON_ITEM = re.compile(r"B[0-9A-Z]{9}|\d{9}[\dX]")


@dataclass
class Roles:
    """Places of columns from 0.

    order: none for the order of the file; two are date and time, or a first and a second key; more are parts of a date.
    item_list, order_list: the cells are lists.   how: role -> 'name', 'content' or 'given'.   notes: what to know.
    """

    user: int | None = None
    item: int | None = None
    order: tuple[int, ...] = ()
    rating: int | None = None
    event: int | None = None
    item_list: bool = False
    order_list: bool = False
    how: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def set_role(roles: Roles, role: str, found: tuple[int, ...], how: str, taken: set[int]) -> None:
    if role == "order":
        roles.order = found
    elif found:
        setattr(roles, role, found[0])
    roles.how[role] = how
    taken.update(found)


def are_clocks(values: Sequence[str], compact: bool = False) -> bool:
    """Whether all are times of day; compact: without colons, as 94500 and 140211."""
    kept = [v.strip() for v in values if not is_missing(v)]
    if compact:
        return bool(kept) and all(re.fullmatch(r"([01]?\d|2[0-3])[0-5]\d[0-5]\d", v) for v in kept)
    return bool(kept) and all(re.match(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[AaPp][Mm])?$", v) for v in kept)


def is_pair(columns: Sequence[Sequence[str]], found: Sequence[int]) -> bool:
    return are_clocks(columns[found[1]]) and not are_clocks(columns[found[0]])


def bracketed(column: Sequence[str]) -> bool:
    kept = [v for v in column[:200] if not is_missing(v)]
    return bool(kept) and sum(values_of(v) is not None for v in kept) > 0.9 * len(kept)


def are_lists(
    column: Sequence[str], name: str, roles: Roles, columns: Sequence[Sequence[str]], names: Sequence[str]
) -> bool:
    """Whether cells are lists: in brackets, or a row a user whose cells share their words."""
    kept = [v for v in column if not is_missing(v)]
    if bracketed(column):
        return True
    if roles.user is None or len(kept) < 2:
        return False
    users = columns[roles.user]
    once = len(set(users)) == len(users)
    plural = plain_name(name).endswith(("s", "list", "history", "sequence", "seq"))
    if not once and not plural:
        return False
    separator = list_separator(kept)
    if separator is None:
        return False
    cells = [[p.strip() for p in re.split(separator, v.strip()) if p.strip()] for v in kept]
    pieces = [p for cell in cells for p in cell]
    return len(pieces) > 1.5 * len(kept) and (plural or len(set(pieces)) < 0.7 * len(pieces))


def number_lists(column: Sequence[str]) -> bool:
    """Whether cells are bare lists of numbers, such as times parted by commas."""
    kept = [v for v in column[:200] if not is_missing(v)]
    separator = list_separator(kept)
    return separator is not None and all(
        NUMBER.fullmatch(p.strip()) for v in kept for p in re.split(separator, v.strip()) if p.strip()
    )


def list_separator(cells: Sequence[str]) -> str | None:
    """The pattern that parts bare lists in text."""
    for mark, pattern in (("->", r"\s*->\s*"), ("→", r"\s*→\s*"), ("|", r"\|"), (";", ";"), (",", ","), (" ", r"\s+")):
        if sum(mark in cell.strip() for cell in cells) > 0.3 * len(cells):
            return pattern
    return None


def find_mind(columns: Sequence[Sequence[str]], roles: Roles, taken: set[int]) -> None:
    """MIND's behaviors.tsv: impressions, each with 0 or 1 behind a dash, and before them the history."""
    for k in range(1, len(columns)):
        kept = [v for v in columns[k] if not is_missing(v)]
        if k in taken or len(kept) < 2 or not all(re.fullmatch(r"\S+-[01]", p) for v in kept[:500] for p in v.split()):
            continue
        if k - 1 in taken:
            continue
        set_role(roles, "item", (k - 1,), "content", taken)
        roles.item_list = True
        taken.add(k)
        roles.notes.append(
            f"column {k + 1} holds impressions and is left aside; column {k} is the history, a list a row"
        )
        return


def by_content(
    name: str,
    names: Sequence[str],
    columns: Sequence[Sequence[str]],
    roles: Roles,
    taken: set[int],
    header: bool,
) -> None:
    free = [k for k in range(len(names)) if k not in taken and is_filled(columns[k])]
    kept = {k: [v for v in columns[k] if not is_missing(v)] for k in free}
    if "order" not in roles.how:
        times = [k for k in free if looks_like_time(kept[k]) and len(kept[k]) > 0.5 * len(columns[k])]
        if len(times) == 1:
            set_role(roles, "order", (times[0],), "content", taken)
        elif len(times) == 2 and is_pair(columns, times):
            set_role(roles, "order", tuple(times), "content", taken)
        elif len(times) > 1:
            shown = " and ".join(repr(names[k]) for k in times)
            raise FameError(
                f"{name}: {shown} could both be the time; say which with --order (or 'file' for the order of the file)"
            )
    if roles.user is not None and roles.item is not None:
        return
    ids = [k for k in free if k not in taken and _like_ids(kept[k], len(columns[k]))]
    if header and roles.user is not None:  # an order or a session is no item
        ids = [k for k in ids if KNOWN.get(plain_name(names[k])) != "user"]
    if roles.user is None and roles.item is None and len(ids) >= 2:
        swapped = _amazon(kept, ids)
        if swapped:
            user, item = swapped
        else:
            user, item = _user_and_item(ids, kept)
        set_role(roles, "user", (user,), "content", taken)
        set_role(roles, "item", (item,), "content", taken)
        roles.item_list = are_lists(columns[item], "", roles, columns, names)
    elif roles.user is None and roles.item is not None and ids and not header:
        set_role(roles, "user", (_row_number(ids, kept, columns) or ids[0],), "content", taken)
    elif roles.item is None and roles.user is not None and ids and (not header or len(ids) == 1):
        set_role(roles, "item", (ids[0],), "content", taken)
        roles.item_list = are_lists(columns[ids[0]], names[ids[0]] if header else "", roles, columns, names)
    elif roles.user is None and roles.item is not None and len(ids) == 1:
        set_role(roles, "user", (ids[0],), "content", taken)


def find_kinds(
    names: Sequence[str], columns: Sequence[Sequence[str]], roles: Roles, taken: set[int], header: bool
) -> None:
    """The column of the kinds of event, where it has no known name, and a word on the kinds that there are."""
    if roles.event is None and not header:
        for k, column in enumerate(columns):
            kinds = {v.strip().lower() for v in column if not is_missing(v)}
            if k not in taken and 1 < len(kinds) <= MOST_KINDS and len(kinds & KINDS) > 1:
                set_role(roles, "event", (k,), "content", taken)
                break
    if roles.event is None:
        return
    kinds_here = list(dict.fromkeys(v.strip() for v in columns[roles.event] if not is_missing(v)))
    if 1 < len(kinds_here) <= MOST_KINDS:
        name = names[roles.event]
        shown = ", ".join(kinds_here[:6]) + (" …" if len(kinds_here) > 6 else "")
        asked = name if re.fullmatch(r"[\w.]+", name) else "event"
        roles.notes.append(
            f"{name if header else f'column {name}'} tells kinds of event, {shown}; every row counts "
            f"(one kind alone: --where \"{asked} = '{kinds_here[-1]}'\")"
        )


def _row_number(ids: Sequence[int], kept: dict[int, list[str]], columns: Sequence[Sequence[str]]) -> int | None:
    """The first of `ids` that does not just number the rows; None where `ids[0]` is as good."""
    for k in ids:
        if len(ids) == 1 or len(set(kept[k])) < len(kept[k]):
            return k
    return None


def _user_and_item(ids: list[int], kept: dict[int, list[str]]) -> tuple[int, int]:
    repeating = [k for k in ids if len(set(kept[k])) < len(kept[k])]
    chosen = repeating if len(repeating) >= 2 else ids
    return chosen[0], chosen[1]


def _amazon(kept: dict[int, list[str]], ids: Sequence[int]) -> tuple[int, int] | None:
    """Amazon's ratings have the item first in some editions; its ids tell."""
    users = [k for k in ids if all(_AMAZON_USER.fullmatch(v.strip()) for v in kept[k][:500])]
    items = [
        k
        for k in ids
        if k not in users
        and sum(bool(_AMAZON_ITEM.fullmatch(v.strip())) for v in kept[k][:500]) > 0.9 * len(kept[k][:500])
    ]
    return (users[0], items[0]) if len(users) == 1 and items else None


def _like_ids(values: Sequence[str], rows: int) -> bool:
    """Ids: more than a few, not decimals, not prose, and not a rating."""
    if len(values) < 0.5 * rows:
        return False
    different = set(values)
    if bracketed(values):
        return True
    if len(different) < 2 or (len(different) <= 12 and len(values) > 100 and len(different) < 0.05 * len(values)):
        return False
    numbers = [v for v in list(different)[:1000] if re.fullmatch(r"[+-]?\d*\.\d+", v.strip())]
    if numbers and any(float(v) % 1 for v in numbers):
        return False
    return sum(map(len, list(different)[:1000])) / min(1000, len(different)) <= 80


def is_filled(column: Sequence[str]) -> bool:
    """Whether any cell has a value."""
    return any(not is_missing(v) for v in column)
