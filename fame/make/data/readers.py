"""A path of any supported form, read to one log: who took what, what the items are, and how that was read."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.data.builder import Builder
from fame.make.data.catalogues import catalogue_of, untyped
from fame.make.data.dialect import SPACES, WORDS, Dialect, find_dialect
from fame.make.data.engine import Engine, Table, engine, renamed, text_table
from fame.make.data.extract import extract
from fame.make.data.histories import add_histories, check_user, is_table
from fame.make.data.interactions import Interactions, first_times, k_core, without_copies
from fame.make.data.movielens import is_netflix, netflix_rows
from fame.make.data.names import plain_name
from fame.make.data.nested import parquet_table
from fame.make.data.objects import is_objects, objects_table
from fame.make.data.options import FORMS, ReadOptions
from fame.make.data.order import DATES, find_order, shown_name
from fame.make.data.plain import Plain, plain_text
from fame.make.data.report import Dropped, KCore, ReadReport, span_of, strange_times
from fame.make.data.roles import find_roles
from fame.make.data.sources import Source, expanded, find_sources

__all__ = ["Log", "parse_spec", "read"]

ATTRIBUTES = "attributes"
FIRST_ROWS = 5
SEEN_ROWS = 8
SEEN_LETTERS = 80  # of a cell

See = Callable[[Sequence[str], Sequence[Sequence[str]]], None]
NA_WORDS = ("NA", "N/A", "na", "n/a", "#N/A", "unknown", "undefined", "anonymous", "(not set)", "-", "?")


@dataclass(frozen=True, eq=False)
class Log:
    """A log as read: every interaction is with an item of the catalogue."""

    interactions: Interactions
    catalogue: Catalogue
    report: ReadReport

    def core(self, k: int = 5) -> Self:
        """The k-core of the log, and the catalogue of the items that it still has, in the same order.

        Raises:
            FameError: see `k_core`.
        """
        before, interactions = self.interactions, k_core(self.interactions, k)
        table = self.catalogue.to_frame()
        took = KCore.between(k, before, interactions)
        catalogue = Catalogue.from_frame(table[table["item_id"].isin(interactions.items)])
        return type(self)(interactions, catalogue, replace(self.report, core=took))


def parse_spec(spec: str) -> tuple[str, Path]:
    """'FORM:PATH' or 'PATH' as form ('auto' where none is given) and path, `~` expanded.

    Raises:
        FameError: no path, or a form that is not in `FORMS` before a path that is not there.
    """
    form, colon, path = spec.partition(":")
    if colon and form in FORMS:
        if not path:
            raise FameError(f"data {spec!r}: a path is missing after {form}:")
        return form, expanded(path)
    if not spec.strip():
        raise FameError(f"data {spec!r}: expected PATH or FORM:PATH, where FORM is one of {', '.join(FORMS)}")
    if colon and re.fullmatch(r"[a-z]{2,15}", form) and not expanded(spec).exists():
        raise FameError(f"data {spec!r}: expected PATH or FORM:PATH, where FORM is one of {', '.join(FORMS)}")
    return "auto", expanded(spec)


def read(
    form: str, path: str | Path, options: ReadOptions | None = None, *, see: See | None = None, **settings: Any
) -> Log:
    """The log at `path`: a file, packed or not, a folder or a glob of parts, an archive.

    form: one of `FORMS`. 'auto' finds it; the others say what to expect:
        sequences: a line per user, `user item item …`, oldest first.
        movielens: the folder or ratings file of any edition, with its titles and genres where they lie beside.
        recbole: atomic files, the folder or the `.inter` file, with the `.item` file where there is one.
        csv, json, parquet, amazon: a row or an object per interaction, or per user with lists.
    options: a `ReadOptions`; or its fields as keywords.
    see: told the columns and first rows as the file has them, before it is asked which is the user.

    Ratings are not used: having rated is the interaction. The same item may come twice; rows of the same user,
    item and time are one.

    Raises:
        FameError: a file is missing, empty, too large, damaged or something else than a log; a column is missing or
            two could be it; a guess would be too bold.
    """
    if form not in FORMS:
        raise FameError(f"unknown form {form!r}; expected one of {', '.join(FORMS)}")
    options = options or ReadOptions(**settings)
    path = expanded(path)
    with tempfile.TemporaryDirectory(prefix="fame-read-") as folder:
        return _Reading(Path(folder), form, path, options, see).log()


class _Reading:
    """One call of `read`."""

    run: Engine

    def __init__(self, folder: Path, form: str, path: Path, options: ReadOptions, see: See | None) -> None:
        self.folder, self.form, self.path, self.options = folder, form, path, options
        self.see = see
        self.notes: list[str] = []
        self.taken: list[str] = []
        self.columns: dict[str, str] = {}
        self.time, self.unit = "", ""
        self.ordered_by = ""  # the one column of the order
        self.timed = False  # rows of one user, item and time are copies
        missing = frozenset(w.strip().lower() for w in options.missing)
        self.builder = Builder(path, missing, options.strict)
        self.item_name: str | None = None

    def log(self) -> Log:
        source = find_sources(self.path, self.folder, self.form)
        known = source.form if self.form == "auto" else self.form if self.form in ("movielens", "recbole") else ""
        if known == "recbole" and not re.search(r"\.inter(\.\w+)?$", source.files[0][0], re.IGNORECASE):
            raise FameError(f"{self.path}: not a RecBole log; expected a folder or a file ending in .inter")
        self.taken += source.told
        self.notes += source.notes
        with engine(self.folder) as self.run:  # closed before the log is sorted, which needs its memory
            what = self._rows(source, known)
        interactions = self.builder.build()
        self.notes += self.builder.notes
        dropped = list(self.builder.dropped)
        if self.timed:
            interactions, copies, example = without_copies(interactions)
            self._count(dropped, "the same user, item and time as another row", copies, example)
        if not self.options.repeats:
            interactions, again, example = first_times(interactions)
            self._count(dropped, "a repeat of an item that the user had before (--no-repeats)", again, example)
        self._note_ids(interactions)
        if self.ordered_by:
            dated = plain_name(self.ordered_by) in DATES
            self.notes += strange_times(interactions.order, self.unit, self.ordered_by, dated, time.time())
        with engine(self.folder) as run:
            catalogue, interactions, coverage = catalogue_of(
                run, source, known, interactions, self.options, self.item_name, self.notes
            )
        order = interactions.order
        report = ReadReport(
            str(self.path), known or what, tuple(self.taken), self.columns, self.time, self.builder.rows,
            tuple(dropped),
            tuple(self.notes), len(interactions.users), len(interactions.items), len(interactions),
            span_of(float(order.min()), float(order.max()), self.unit), _first(interactions), None, coverage,
        )  # fmt: skip
        return Log(interactions, catalogue, report)

    def _count(self, dropped: list[Dropped], why: str, count: int, example: str) -> None:
        if count:
            dropped.append(Dropped(why, count, example))

    # --- rows ---

    def _rows(self, source: Source, known: str) -> str:
        """All rows into the builder; the form that the files have."""
        if source.files[0][2] == "parquet":
            self._table(parquet_table(self.run, str(self.path), [(n, p) for n, p, _ in source.files]))
            return "parquet"
        plains = []
        for number, (name, path, _) in enumerate(source.files):
            folder = self.folder / f"text-{number}"
            folder.mkdir()
            plains.append((name, plain_text(path, name, folder, self.options.encoding)))
        self._encoding(plains)
        if is_objects(plains[0][1]):
            self._table(objects_table(self.run, str(self.path), plains))
            return "json"
        if self.form in ("json", "amazon"):
            raise FameError(f"{self.path}: not JSON; expected objects with user, item and time, one a line")
        if is_netflix(plains[0][1]):
            folder = self.folder
            plains = [(n, netflix_rows(plain, folder / f"netflix-{k}.csv")) for k, (n, plain) in enumerate(plains)]
            self.taken.append("the Netflix Prize's, a line per film above its ratings")
        return self._text(plains, known)

    def _encoding(self, plains: Sequence[tuple[str, Plain]]) -> None:
        for told in dict.fromkeys(told for _, plain in plains for told in plain.told):
            self.taken.append(told)

    def _text(self, plains: Sequence[tuple[str, Plain]], known: str) -> str:
        name, first = plains[0]
        options = self.options
        header = options.header
        separator = options.separator
        if known == "movielens" and name.lower().split(".gz")[0].endswith((".data", ".dat")):
            header = False if header is None else header
            separator = separator or ("::" if "::" in first.head.split("\n")[0] else None)
        dialect = find_dialect(name, first.head, first.whole, separator, header)
        table = (dialect.uniform and self.form != "sequences") or self.form in ("csv", "recbole", "movielens")
        shaped = is_table(first.head, dialect)
        if (
            self.form == "sequences"
            and shaped
            and dialect.uniform
            and len(dialect.names) <= 6
            and len(dialect.names) > 2
        ):
            self.notes.append("given as sequences, but the lines are rows of a table; read as that")
            table = True
        elif self.form == "auto" and not known and dialect.uniform and not shaped:
            table = False
        if self.form in ("csv", "movielens", "recbole") and not dialect.uniform and not dialect.names:
            raise FameError(
                f"{self.path}: the lines are no table: their fields differ in number; expected a row per interaction"
            )
        if not table:
            self._sequences(plains, dialect, separator)
            return "sequences"
        parts = [(name, first, dialect)]
        for part, plain in plains[1:]:
            parts.append((part, plain, self._like(part, plain, dialect)))
        self.taken.append(f"{'CSV' if dialect.separator == ',' else 'text'}; {_word(dialect)}")
        made = text_table(self.run, str(self.path), parts)
        if known == "movielens" and not dialect.header and options.user is None:
            self.options = replace(options, user="1", item=options.item or "2", order=options.order or "4")
        if known == "recbole":
            made = renamed(made, [untyped(self.path, n) for n in made.names])
        self._table(made)
        return "csv"

    def _like(self, name: str, plain: Plain, dialect: Dialect) -> Dialect:
        """The dialect of a further part: as the first where that fits, its header skipped where it has one."""
        given, header = self.options.separator, self.options.header
        mine = find_dialect(name, plain.head, plain.whole, given or _given(dialect.separator), header)
        if len(mine.names) != len(dialect.names) and not given:
            mine = max(mine, find_dialect(name, plain.head, plain.whole, None, header), key=lambda d: len(d.names))
        if mine.header or len(mine.names) != len(dialect.names):
            return mine
        return replace(mine, names=dialect.names)

    def _sequences(self, plains: Sequence[tuple[str, Plain]], dialect: Dialect, separator: str | None) -> None:
        named = (self.options.user, self.options.item, self.options.order)
        if any(named):
            raise FameError(f"{self.path}: lines of sequences have no named columns; leave out user, item and order")
        name, first = plains[0]
        if self.see:
            self.see(["line"], [[line[:SEEN_LETTERS]] for line in first.head.splitlines()[:SEEN_ROWS]])
        no_user = check_user(name, first.head, dialect, first.whole, self.options.no_user)
        for part, plain in plains:
            mine = find_dialect(
                part, plain.head, plain.whole, separator or _given(dialect.separator), self.options.header
            )
            add_histories(part, plain, mine, no_user, self.builder)
        self.taken += ["sequences", _word(dialect), *dialect.told]
        self.columns = {
            "user": "the line" if no_user else "first field",
            "item": "each field" if no_user else "each other field",
        }
        self.time = "order within the line"

    def _table(self, table: Table) -> None:
        rows = self.run.sample(table)
        if not rows:
            raise FameError(f"{self.path}: the log is empty; expected at least one interaction")
        if self.see:
            self.see(table.names, [[cell[:SEEN_LETTERS] for cell in row] for row in rows[:SEEN_ROWS]])
        roles = find_roles(str(self.path), table.names, table.header, rows, self.options)
        for role, k in (("user", roles.user), ("item", None if roles.item_list else roles.item)):
            if k is not None and (kind := table.columns[k].type).startswith(("STRUCT", "MAP")):
                raise FameError(
                    f"{self.path}: the column {table.names[k]!r} of the {role} is nested ({kind[:60]}); "
                    "expected plain ids: bring its field to a column of its own"
                )
        order = find_order(self.run, table, roles, rows, self.options)
        self.run.rejects()
        self.taken += table.told
        self.notes += [*table.notes, *roles.notes, *order.notes]
        for role in ("user", "item", "rating", "event"):
            if (k := getattr(roles, role)) is not None:
                self.columns[role] = shown_name(table, k)
        if roles.item_list:
            self.columns["item"] += ", a list a row"
        self.time, self.unit = order.words, order.unit
        self.timed = bool(order.sql) and not roles.item_list
        if self.timed and len(roles.order) == 1:
            self.ordered_by = shown_name(table, roles.order[0])
        self.item_name = table.names[roles.item] if roles.item is not None and table.header else None
        self.notes += extract(self.run, table, roles, order, rows, self.options, self.builder)

    def _note_ids(self, interactions: Interactions) -> None:
        for what, ids, codes in (
            ("user", interactions.users, interactions.user_codes),
            ("item", interactions.items, interactions.item_codes),
        ):
            for word in NA_WORDS:
                if word in ids:
                    count = int((codes == ids.get_loc(word)).sum())
                    self.notes.append(
                        f"a {what} is called {word!r} ({count:,} rows) and is kept; "
                        f"if that means missing, say --missing {word}"
                    )


def _given(separator: str) -> str:
    return "space" if separator == SPACES else separator


def _word(dialect: Dialect) -> str:
    word = WORDS.get(dialect.separator, f"'{dialect.separator}'")
    return f"parted by {word}"


def _first(interactions: Interactions) -> tuple[tuple[str, str, str], ...]:
    head = interactions.frame.head(FIRST_ROWS)
    return tuple((str(u), str(i), str(o)) for u, i, o in head.itertuples(index=False, name=None))
