"""A path of any supported form, read to one log: who took what, what the items are, and how that was read."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pandas as pd

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.data.builder import Builder, clean_id
from fame.make.data.dialect import SPACES, WORDS, Dialect, find_dialect
from fame.make.data.engine import Engine, Table, engine, parquet_table, renamed, text_table
from fame.make.data.extract import extract, find_order, shown_name
from fame.make.data.files import MAX_FACTS_BYTES, check_file, kind_of, read_text, unpacked
from fame.make.data.histories import add_histories, check_user, is_table
from fame.make.data.interactions import Interactions, first_times, k_core, keep_items, without_copies
from fame.make.data.items import coverage_of, item_table
from fame.make.data.movielens import film_file, film_table
from fame.make.data.objects import is_objects, objects_table
from fame.make.data.options import FORMS, ReadOptions
from fame.make.data.plain import Plain, plain_text
from fame.make.data.report import Dropped, KCore, ReadReport, span_of
from fame.make.data.roles import find_roles
from fame.make.data.sources import Source, expanded, find_sources

__all__ = ["Log", "parse_spec", "read"]

ATTRIBUTES = "attributes"
FIRST_ROWS = 5
NA_WORDS = ("NA", "N/A", "na", "n/a", "unknown", "-", "?")


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
        took = KCore(
            k,
            len(before.users) - len(interactions.users),
            len(before.items) - len(interactions.items),
            len(before) - len(interactions),
        )
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


def read(form: str, path: str | Path, options: ReadOptions | None = None, **settings: Any) -> Log:
    """The log at `path`: a file, packed or not, a folder or a glob of parts, an archive.

    form: one of `FORMS`. 'auto' finds it; the others say what to expect:
        sequences: a line per user, `user item item …`, oldest first.
        movielens: the folder or ratings file of any edition, with its titles and genres where they lie beside.
        recbole: atomic files, the folder or the `.inter` file, with the `.item` file where there is one.
        csv, json, parquet, amazon: a row or an object per interaction, or per user with lists.
    options: a `ReadOptions`; or its fields as keywords.

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
    with tempfile.TemporaryDirectory(prefix="fame-read-") as folder, engine(Path(folder)) as run:
        return _Reading(run, form, path, options).log()


class _Reading:
    """One call of `read`."""

    def __init__(self, run: Engine, form: str, path: Path, options: ReadOptions) -> None:
        self.run, self.form, self.path, self.options = run, form, path, options
        self.notes: list[str] = []
        self.taken: list[str] = []
        self.columns: dict[str, str] = {}
        self.time, self.unit = "", ""
        missing = frozenset(w.strip().lower() for w in options.missing)
        self.builder = Builder(path, missing, options.strict)
        self.item_name: str | None = None

    def log(self) -> Log:
        source = find_sources(self.path, self.run.folder, self.form)
        known = source.form if self.form == "auto" else self.form if self.form in ("movielens", "recbole") else ""
        if known == "recbole" and not re.search(r"\.inter(\.\w+)?$", source.files[0][0]):
            raise FameError(f"{self.path}: not a RecBole log; expected a folder or a file ending in .inter")
        self.taken += source.told
        what = self._rows(source, known)
        interactions = self.builder.build()
        dropped = list(self.builder.dropped)
        if self.time and not self.time.startswith("no time") and what != "sequences":
            interactions, copies, example = without_copies(interactions)
            self._count(dropped, "the same user, item and time as another row", copies, example)
        if not self.options.repeats:
            interactions, again, example = first_times(interactions)
            self._count(dropped, "a repeat of an item that the user had before (--no-repeats)", again, example)
        self._note_ids(interactions)
        catalogue, interactions, coverage = self._catalogue(source, known, interactions)
        order = interactions.order
        report = ReadReport(
            str(self.path), known or what, tuple(self.taken), self.columns, self.time, self.builder.rows, tuple(dropped),
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
            folder = self.run.folder / f"text-{number}"
            folder.mkdir()
            plains.append((name, plain_text(path, name, folder, self.options.encoding)))
        self._encoding(plains)
        if is_objects(plains[0][1]):
            self.taken = [*self.taken]
            self._table(objects_table(self.run, str(self.path), plains))
            return "json"
        if self.form in ("json", "amazon"):
            raise FameError(f"{self.path}: not JSON; expected objects with user, item and time, one a line")
        if netflix := _netflix(plains[0][1]):
            plains = [
                (name, _netflix_rows(plain, self.run.folder / f"netflix-{k}.csv"))
                for k, (name, plain) in enumerate(plains)
            ]
            self.taken.append(netflix)
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
            parts.append((part, plain, self._like(part, plain, first, dialect)))
        self.taken.append(f"{'CSV' if dialect.separator == ',' else 'text'}; {_word(dialect)}")
        made = text_table(self.run, str(self.path), parts)
        if known == "movielens" and not dialect.header and options.user is None:
            self.options = replace(options, user="1", item=options.item or "2", order=options.order or "4")
        if known == "recbole":
            made = renamed(made, [_untyped(self.path, n) for n in made.names])
        self._table(made)
        return "csv"

    def _like(self, name: str, plain: Plain, first: Plain, dialect: Dialect) -> Dialect:
        """The dialect of a further part: as the first, its header skipped where it has one."""
        mine = find_dialect(
            name, plain.head, plain.whole, self.options.separator or _given(dialect.separator), self.options.header
        )
        if mine.header and dialect.header and mine.names != dialect.names:
            if sorted(mine.names) != sorted(dialect.names):
                raise FameError(
                    f"{name}: the columns {', '.join(mine.names)[:200]}, and another part has {', '.join(dialect.names)[:200]}; expected parts of one table"
                )
            raise FameError(f"{name}: the columns stand in another order than in the first part; bring them to one")
        return replace(mine, names=dialect.names if len(mine.names) == len(dialect.names) else mine.names)

    def _sequences(self, plains: Sequence[tuple[str, Plain]], dialect: Dialect, separator: str | None) -> None:
        named = (self.options.user, self.options.item, self.options.order)
        if any(named):
            raise FameError(f"{self.path}: lines of sequences have no named columns; leave out user, item and order")
        name, first = plains[0]
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
        roles = find_roles(str(self.path), table.names, table.header, rows, self.options)
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
                        f"a {what} is called {word!r} ({count:,} rows) and is kept; if that means missing, say --missing {word}"
                    )

    # --- items ---

    def _catalogue(
        self, source: Source, known: str, interactions: Interactions
    ) -> tuple[Catalogue, Interactions, tuple[Any, ...]]:
        options = self.options
        given = options.items is not None
        file = expanded(options.items) if options.items is not None else None
        if file is None and known == "movielens":
            file = film_file(source.folder)
        elif file is None and known == "recbole":
            stem = re.sub(r"\.inter(\.\w+)?$", "", source.files[0][0])
            found = [Path(f"{stem}.item")] if Path(f"{stem}.item").is_file() else sorted(source.folder.glob("*.item"))
            file = found[0] if len(found) == 1 else None
        coverage: tuple[Any, ...] = ()
        if file is None:
            table = pd.DataFrame({"item_id": list(interactions.items)})
        else:
            table = self._items(file, known, interactions)
            listed = frozenset(table["item_id"])
            met = coverage_of(file.name, interactions, listed, given and options.only_items)
            if met.missing == met.items and given:
                raise FameError(
                    f"{file}: no item of the log is in it: the log has ids like {interactions.items[0]!r}, the file ids like {next(iter(table['item_id']))!r}{f' ({met.hint})' if met.hint else ''}"
                )
            coverage = (met,)
            if given and options.only_items:
                interactions = keep_items(interactions, table["item_id"])
            else:
                table = _with_rest(table, interactions.items, seen_only=not given)
        if options.attributes is not None:
            _add_attributes(table, expanded(options.attributes))
        catalogue = Catalogue.from_frame(table)
        return catalogue, keep_items(interactions, catalogue.item_id[1:]), coverage

    def _items(self, path: Path, known: str, interactions: Interactions) -> pd.DataFrame:
        check_file(path, MAX_FACTS_BYTES)
        folder = self.run.folder / "items"
        folder.mkdir()
        kind, shown = kind_of(path), path
        if kind not in ("text", "parquet"):
            members = unpacked(path, kind, folder / "unpacked")
            if len(members) > 1:
                raise FameError(f"{path}: an archive of {len(members):,} files; unpack it and give the item file")
            shown, kind = members[0], kind_of(members[0])
        given = self.options.item or self.item_name
        if kind == "parquet":
            table = parquet_table(self.run, path.name, [(path.name, shown)])
        else:
            plain = plain_text(shown, str(path), folder)
            if known == "movielens" and (films := film_table(path, plain)) is not None:
                return films
            if is_objects(plain):
                table = objects_table(self.run, path.name, [(path.name, plain)])
            else:
                dialect = find_dialect(str(path), plain.head, plain.whole)
                if not dialect.uniform:
                    raise FameError(
                        f"{path}: not a table: its lines differ in their fields; expected a row per item with an id and a title"
                    )
                table = text_table(self.run, path.name, [(path.name, plain, dialect)])
            if plain.told:
                self.notes.append(f"{path.name}: read as {', '.join(plain.told)}")
        if known == "recbole" and table.header and all(":" in n for n in table.names):
            table = _without_decimals(self.run, table, path)
        rows = self.run.sample(table, 10_000_000)
        count, example = self.run.rejects()
        if count:
            self.notes.append(f"{path.name}: {count:,} rows do not fit the columns and are left out, such as {example}")
        if not rows:
            raise FameError(f"{path}: the file has no rows; expected a header and one row per item")
        made, notes = item_table(path.name, table.names, rows, frozenset(interactions.items), given)
        self.notes += notes
        return made


def _given(separator: str) -> str:
    return "space" if separator == SPACES else separator


def _word(dialect: Dialect) -> str:
    word = WORDS.get(dialect.separator, f"'{dialect.separator}'")
    return f"parted by {word}"


def _untyped(path: Path, field: str) -> str:
    types = ("token", "token_seq", "float", "float_seq")
    name, _, type_ = field.rpartition(":")
    if not name or type_ not in types:
        raise FameError(f"{path}: line 1 has {field[:50]!r}; expected name:type, a type of {', '.join(types)}")
    return name


def _without_decimals(run: Engine, table: Table, path: Path) -> Table:
    """RecBole's item table with plain names; lists of tokens stand between blanks, and decimals group nothing."""
    keep = [k for k, n in enumerate(table.names) if n.endswith((":token", ":token_seq"))]
    names = [_untyped(path, table.names[k]) for k in keep]
    titles = ("movie_title", "title", "item_title", "name")
    shown = [
        f"replace(c{k}, ' ', '|') AS c{j}"
        if table.names[k].endswith(":token_seq") and n not in titles
        else f"c{k} AS c{j}"
        for j, (k, n) in enumerate(zip(keep, names, strict=True))
    ]
    parts = tuple(replace(p, sql=f"SELECT {', '.join(shown)} FROM ({p.sql})") for p in table.parts)
    return renamed(replace(table, columns=tuple(table.columns[k] for k in keep), parts=parts), names)


def _netflix(plain: Plain) -> str:
    """Whether a text is the Netflix Prize's: a line `film:` above its lines `user,rating,date`."""
    lines = plain.head.split("\n", 3)
    fits = (
        len(lines) > 1
        and re.fullmatch(r"\d+:", lines[0].strip())
        and re.fullmatch(r"\d+,\d,\d{4}-\d\d-\d\d", lines[1].strip())
    )
    return "Netflix Prize, a line per film above its ratings" if fits else ""


def _netflix_rows(plain: Plain, target: Path) -> Plain:
    film, lines = "", 1
    with plain.path.open(encoding="utf-8") as source, target.open("w", encoding="utf-8") as out:
        out.write("user,item,rating,date\n")
        for line in source:
            text = line.strip()
            if text.endswith(":"):
                film = text[:-1]
            elif text:
                user, _, rest = text.partition(",")
                out.write(f"{user},{film},{rest}\n")
                lines += 1
    with target.open(encoding="utf-8") as file:
        head = "".join(line for _, line in zip(range(3000), file, strict=False))
    return Plain(target, head, lines <= 3000, lines, False, plain.told)


def _with_rest(table: pd.DataFrame, seen: pd.Index[str], seen_only: bool) -> pd.DataFrame:
    """The item file's rows in its order, then items of the log that it lacks."""
    if seen_only:
        table = table[table["item_id"].isin(seen)]
    rest = (
        [item for item in seen if item not in set(table["item_id"])]
        if len(table) < 1
        else list(seen[~seen.isin(table["item_id"])])
    )
    if not rest:
        return table.reset_index(drop=True)
    return pd.concat([table, pd.DataFrame({"item_id": rest}, dtype=object)], ignore_index=True).astype(object)


def _add_attributes(table: pd.DataFrame, path: Path) -> None:
    values = _read_attributes(check_file(path))
    if not values.keys() & set(table["item_id"]):
        ours, theirs = table["item_id"].iloc[0], next(iter(values), "")
        raise FameError(
            f"{path}: none of its items, such as {theirs[:50]!r}, is in the log; expected ids like {ours!r}"
        )
    table[ATTRIBUTES] = [values.get(item_id, []) for item_id in table["item_id"]]


def _read_attributes(path: Path) -> dict[str, list[str]]:
    expected = 'expected {"item": [attribute, …], …}'
    text = read_text(path)
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError itself: a number of thousands of digits
        raise FameError(f"{path}: not JSON ({error}); {expected}") from None
    if not isinstance(table, dict):
        raise FameError(f"{path}: holds a {type(table).__name__}; {expected}")
    for item, values in table.items():
        if not isinstance(values, list) or not all(type(v) in (int, str) for v in values):
            raise FameError(f"{path}: item {item[:50]!r} has {str(values)[:50]}; {expected}")
    return {clean_id(item): list(map(str, values)) for item, values in table.items()}


def _first(interactions: Interactions) -> tuple[tuple[str, str, str], ...]:
    head = interactions.frame.head(FIRST_ROWS)
    return tuple((str(u), str(i), str(o)) for u, i, o in head.itertuples(index=False, name=None))
