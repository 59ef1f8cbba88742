"""DuckDB as the reader of tables: text, JSON and Parquet as columns c0, c1, …, in the order of the file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from fame.errors import FameError
from fame.make.data.dialect import SPACES, Dialect, fields_of
from fame.make.data.names import TIERS, plain_name
from fame.make.data.plain import Plain
from fame.make.data.report import names_shown

__all__ = ["Column", "Engine", "Part", "Table", "engine", "json_table", "parquet_table", "text_table"]

MEMORY = "512MB"
SAMPLE_ROWS = 20_000
BATCH_ROWS = 1 << 20
MAX_DEPTH = 4  # of objects in objects
MAX_JSON_OBJECT = 16 << 20
MAX_REJECTS = 1_000_000
NO_NULL = "\x02"  # a text that stands for null and is in no file, so that an empty cell stays one


@dataclass(frozen=True)
class Column:
    """name: the file's.   type: DuckDB's, VARCHAR for text."""

    name: str
    type: str = "VARCHAR"


@dataclass(frozen=True)
class Part:
    """A file of a table.   sql: a SELECT of its columns c0, c1, …."""

    name: str
    sql: str


@dataclass(frozen=True)
class Table:
    """Parts with the same columns.   header: the names are the file's own.   told: the dialect in words."""

    name: str
    columns: tuple[Column, ...]
    parts: tuple[Part, ...]
    header: bool
    told: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)


@dataclass
class Engine:
    """A DuckDB connection of its own, which reads no other files than named and fetches no extensions."""

    db: duckdb.DuckDBPyConnection
    folder: Path
    _samples: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)

    def rows(self, sql: str, name: str) -> list[tuple[Any, ...]]:
        try:
            return self.db.sql(sql).fetchall()
        except duckdb.Error as error:
            raise _refusal(name, error) from None

    def batches(self, sql: str, name: str) -> Iterator[pa.RecordBatch]:
        try:
            yield from self.db.sql(sql).to_arrow_reader(BATCH_ROWS)
        except (duckdb.Error, pa.ArrowException) as error:
            raise _refusal(name, error) from None

    def rejects(self) -> tuple[int, str]:
        """How many lines of text did not fit the table since the last call, and the first of them."""
        if not self.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'", "rejects"):
            return 0, ""
        count, line, kind, text = self.rows(
            "SELECT count(DISTINCT line), min(line), arg_min(error_type::VARCHAR, line), arg_min(csv_line, line) "
            "FROM reject_errors",
            "rejects",
        )[0]
        self.db.execute("DROP TABLE reject_errors")
        self.db.execute("DROP TABLE IF EXISTS reject_scans")
        if not count:
            return 0, ""
        return count, f"line {line}, {str(kind).lower()}: {' '.join(str(text).split())[:60]!r}"

    def sample(self, table: Table, limit: int = SAMPLE_ROWS) -> list[tuple[str, ...]]:
        """The first rows as text, '' for null."""
        shown = ", ".join(f"coalesce(CAST({as_text(k, c)} AS VARCHAR), '')" for k, c in enumerate(table.columns))
        found: list[tuple[str, ...]] = []
        for part in table.parts:
            found += self.rows(f"SELECT {shown} FROM ({part.sql}) LIMIT {limit - len(found)}", part.name)
            if len(found) >= limit:
                break
        return found


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """An engine whose spill files go into `folder`."""
    db = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "threads": str(min(8, os.cpu_count() or 2)),
        }
    )
    try:
        db.execute(f"SET memory_limit = '{MEMORY}'")
        db.execute(f"SET temp_directory = {quoted(str(folder / 'spill'))}")
        db.execute("SET TimeZone = 'UTC'")
        db.execute("SET enable_progress_bar = false")
        yield Engine(db, folder)
    finally:
        db.close()


def quoted(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A column's name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def _path(path: Path) -> str:
    """A path as SQL, its brackets and stars taken as they are."""
    text = str(path)
    if not path.exists() or any(c in text for c in "[*?{"):
        text = "".join(f"[{c}]" if c in "[*?" else c for c in text)
    return quoted(text)


def _refusal(name: str, error: Exception) -> FameError:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "maximum_object_size" in first:
        return FameError(
            f"{name}: holds an object of more than {MAX_JSON_OBJECT >> 20} MiB; expected one per interaction or user"
        )
    return FameError(f"{name}: not readable as a table ({first[:200]})")


def as_text(k: int, column: Column) -> str:
    """Column k as text in SQL: lists as JSON, bytes as UTF-8, whole decimals without a point."""
    kind = column.type
    if kind == "BLOB":
        text = f"try(decode(c{k}))"  # bytes of a UUID may happen to be text of control characters
        return f"CASE WHEN regexp_matches({text}, '^[^[:cntrl:]]*$') THEN {text} ELSE hex(c{k}) END"
    if kind in ("FLOAT", "DOUBLE"):
        # pandas turns whole numbers into decimals where a column once had gaps.
        whole = f"CASE WHEN c{k} = floor(c{k}) THEN try_cast(c{k} AS BIGINT)::VARCHAR END"
        return f"CASE WHEN isfinite(c{k}) THEN coalesce({whole}, c{k}::VARCHAR) END"
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP")):
        return f"to_json(c{k})::VARCHAR"
    return f"c{k}" if kind == "VARCHAR" else f"c{k}::VARCHAR"


# --- text ---------------------------------------------------------------------------------------------


def text_table(run: Engine, name: str, files: Sequence[tuple[str, Plain, Dialect]]) -> Table:
    """The table in plain files; each comes with its own dialect, and has the columns of the first in any order.

    Raises:
        FameError: a part has other columns than the first.
    """
    first = files[0][2]
    kept, notes = _shared_columns(files)
    parts = []
    for part_name, plain, dialect in files:
        path = _single_spaced(plain, dialect, run.folder) if dialect.separator == SPACES else plain.path
        lines = plain.lines + (not plain.head.endswith("\n") if plain.whole else 1) - dialect.skip
        sql = _best_reading(run, part_name, path, dialect, lines, plain.quotes)
        own = _places(dialect, first)
        if (wanted := [own[k] for k in kept]) != list(range(len(dialect.names))):
            sql = f"SELECT {', '.join(f'c{k} AS c{n}' for n, k in enumerate(wanted))} FROM ({sql})"
        parts.append(Part(part_name, sql))
    columns = tuple(Column(first.names[k]) for k in kept)
    return Table(name, columns, tuple(parts), first.header, first.told, notes)


def _places(dialect: Dialect, first: Dialect) -> dict[int, int]:
    """Of the first part's columns those that a part has, each with its place there."""
    if not (dialect.header and first.header):
        return {k: k for k in range(len(first.names))} if len(dialect.names) == len(first.names) else {}
    if dialect.names == first.names:
        return {k: k for k in range(len(first.names))}
    theirs = [plain_name(n) for n in dialect.names]
    ours = [plain_name(n) for n in first.names]
    return {k: theirs.index(n) for k, n in enumerate(ours) if theirs.count(n) == ours.count(n) == 1}


def _shared_columns(files: Sequence[tuple[str, Plain, Dialect]]) -> tuple[list[int], tuple[str, ...]]:
    """The columns of the first part that all have, and a word on others.

    Raises:
        FameError: a part lacks a column of the first and has another in its place.
    """
    name, _, first = files[0]
    kept = list(range(len(first.names)))
    aside: dict[str, None] = {}
    for part, _, dialect in files[1:]:
        own = _places(dialect, first)
        lacking = [n for k, n in enumerate(first.names) if k not in own]
        further = [n for k, n in enumerate(dialect.names) if k not in own.values()]
        if lacking and (further or not own):
            raise FameError(
                f"{part}: has the columns {names_shown(dialect.names)}, and {name} {names_shown(first.names)}; "
                "expected parts of one table"
            )
        aside |= dict.fromkeys([*lacking, *further])
        kept = [k for k in kept if k in own]
    return kept, (f"not in all parts, and left aside: {names_shown(list(aside))}",) if aside else ()


def _best_reading(run: Engine, name: str, path: Path, dialect: Dialect, lines: int, quotes: bool) -> str:
    """The SELECT that finds most rows: with quotes as they seem, with the other escape, without quotes."""
    if dialect.separator == SPACES:
        return _csv(path, dialect, "", "")
    if dialect.quote == "'" or not quotes:
        return _csv(path, dialect, dialect.quote, dialect.escape)
    other = "\\" if dialect.escape != "\\" else '"'
    best: tuple[int, str] | None = None
    for quote, escape in (('"', dialect.escape or '"'), ('"', other), ("", "")):
        sql = _csv(path, dialect, quote, escape)
        rows = run.rows(f"SELECT count(*) FROM ({sql})", name)[0][0]
        if best is None or rows > best[0]:
            best = rows, sql
        if rows >= lines:
            break
    assert best is not None
    return best[1]


def _csv(path: Path, dialect: Dialect, quote: str, escape: str) -> str:
    names = ", ".join(f"'c{k}': 'VARCHAR'" for k in range(len(dialect.names)))
    separator, skip = ("\t", 0) if dialect.separator == SPACES else (dialect.separator, dialect.skip)
    source = (
        f"read_csv({_path(path)}, auto_detect = false, header = false, skip = {skip}, "
        f"delim = {quoted(separator)}, quote = {quoted(quote)}, escape = {quoted(escape)}, columns = {{{names}}}, "
        f"nullstr = '{NO_NULL}', compression = 'none', ignore_errors = true, "
        f"store_rejects = true, rejects_limit = {MAX_REJECTS})"
    )
    if dialect.quote == '"' and not quote:  # fields wholly in quotes lose them all the same
        shown = ", ".join(
            f"regexp_replace(c{k}, '^\\s*\"([^\"]*)\"\\s*$', '\\1') AS c{k}" for k in range(len(dialect.names))
        )
        return f"SELECT {shown} FROM {source}"
    return f"SELECT * FROM {source}"


def _single_spaced(plain: Plain, dialect: Dialect, folder: Path) -> Path:
    """The rows with a tab in place of each run of blanks."""
    target = folder / f"spaced-{plain.path.stat().st_ino}-{len(list(folder.iterdir()))}.tsv"
    with (
        plain.path.open(encoding="utf-8", newline="\n") as source,
        target.open("w", encoding="utf-8", newline="\n") as out,
    ):
        for number, line in enumerate(source):
            if number >= dialect.skip and line.strip():
                out.write("\t".join(fields_of(line, SPACES, dialect.quote)) + "\n")
    return target


# --- JSON ---------------------------------------------------------------------------------------------


def json_table(
    run: Engine, name: str, files: Sequence[tuple[str, Path, str]], sample: Sequence[dict[str, Any]]
) -> Table:
    """The table in files of JSON objects: `layout` of each is newline_delimited, array or unstructured.

    sample: some of the objects, which tell the columns; objects inside are flattened once, and a list of objects
    becomes a row for each.
    """
    paths: dict[tuple[str, ...], None] = {}
    events: dict[str, dict[tuple[str, ...], None]] = {}
    for record in sample:
        for key, value in record.items():
            if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
                inner_paths = (path for v in value for k, x in v.items() for path in _leaves((k,), x))
                events.setdefault(key, {}).update(dict.fromkeys(inner_paths))
            else:
                paths |= dict.fromkeys(_leaves((key,), value))
    for key in [k for k in events if (k,) in paths]:
        paths.pop((key,))  # empty lists of the same key
    single = next(iter(events)) if len(events) == 1 else max(events, key=lambda k: len(events[k]), default=None)
    columns: list[Column] = []
    shown = []
    for keys in paths:
        if pointer := _pointer(keys):
            shown.append(f"json ->> {pointer} AS c{len(columns)}")
            columns.append(Column(".".join(keys)))
    inner = ""
    if single is not None and _is_history(single, [keys[-1] for keys in events[single]], sample):
        pointer = quoted(f'$."{single}"[*]')
        inner = f", unnest(json_extract(json, {pointer})) AS event"
        for keys in events[single]:
            if pointer := _pointer(keys):
                shown.append(f"event ->> {pointer} AS c{len(columns)}")
                key = ".".join(keys)
                columns.append(Column(key if key not in {c.name for c in columns} else f"{single}.{key}"))
    if not columns:
        raise FameError(f"{name}: the objects have no fields; expected one object per interaction")
    parts = []
    for part_name, path, layout in files:
        lines = "true" if layout == "newline_delimited" else "false"
        source = (
            f"(SELECT json FROM read_json_objects({_path(path)}, format = '{layout}', ignore_errors = {lines}, "
            f"maximum_object_size = {MAX_JSON_OBJECT}, compression = 'none'))"
        )
        sql = f"SELECT {', '.join(shown)} FROM " + (f"(SELECT json{inner} FROM {source})" if inner else source)
        parts.append(Part(part_name, sql))
    told = {"newline_delimited": "JSON Lines", "array": "a JSON array", "unstructured": "JSON objects"}[files[0][2]]
    says = (f"the list {single!r} a row for each",) if inner else ()
    return Table(name, tuple(columns), tuple(parts), True, (told, *says))


def _leaves(path: tuple[str, ...], value: Any) -> Iterator[tuple[str, ...]]:
    """The paths in a value of JSON; what holds nothing but lists is one."""
    deeper = isinstance(value, dict) and value and not all(isinstance(v, list) for v in value.values())
    if not deeper or len(path) > MAX_DEPTH:
        yield path
        return
    for key, inner in value.items():
        yield from _leaves((*path, key), inner)


def _pointer(keys: Sequence[str]) -> str:
    """A path as DuckDB writes it, as SQL; '' where it cannot be written."""
    written = all('"' not in key and "'" not in key for key in keys)
    return quoted("$" + "".join(f'."{key}"' for key in keys)) if written else ""


def _is_history(key: str, inner: Sequence[str], sample: Sequence[dict[str, Any]]) -> bool:
    """Whether a list of objects is a history, and not an attribute of the one item that a record names better."""
    tiers = {n: place for place, tier in enumerate(TIERS["item"]) for n in tier.split()}
    own = {k for record in sample[:20] for k in record if k != key and not isinstance(record[k], list)}
    nearest, outside = (
        min((tiers.get(plain_name(k), len(tiers)) for k in names), default=len(tiers)) for names in (inner, own)
    )
    return outside == len(tiers) or nearest < outside


# --- Parquet ------------------------------------------------------------------------------------------


def parquet_table(run: Engine, name: str, files: Sequence[tuple[str, Path]]) -> Table:
    """The table in Parquet files; a list of objects becomes a row for each."""
    sources = [f"SELECT * FROM read_parquet({_path(path)}, hive_partitioning = false)" for _, path in files]
    fields = _fields(run, files[0][0], sources[0])
    struct = next((k for k, f in enumerate(fields) if f[2].startswith("STRUCT")), None)
    shown = [f"{sql} AS c{k}" for k, (sql, _, _) in enumerate(fields)]
    inner: list[tuple[str, str, str]] = []
    if struct is not None:
        inner = _fields(run, files[0][0], f"SELECT unnest({fields.pop(struct)[0]}) AS event FROM ({sources[0]})")
    parts = []
    for (part_name, _), source in zip(files, sources, strict=True):
        sql = f"SELECT {', '.join(shown)} FROM ({source})"
        if struct is not None:
            outer = [f"c{k}" for k in range(len(shown)) if k != struct]
            listed = ", ".join(f"{e} AS c{k}" for k, e in enumerate([*outer, *(sql for sql, _, _ in inner)]))
            sql = f"SELECT {listed} FROM (SELECT *, unnest(c{struct}) AS event FROM ({sql}))"
        parts.append(Part(part_name, sql))
    columns = [Column(name, kind) for _, name, kind in fields]
    columns += [Column(name.removeprefix("event."), kind) for _, name, kind in inner]
    return Table(name, tuple(columns), tuple(parts), True, ("Parquet",))


def _fields(run: Engine, name: str, source: str) -> list[tuple[str, str, str]]:
    """The columns of a query, those inside of others too: SQL, name and type of each."""
    found = []
    left = [(identifier(str(n)), str(n), str(kind)) for n, kind, *_ in run.rows(f"DESCRIBE {source}", name)]
    while left:
        sql, label, kind = left.pop(0)
        if not kind.startswith("STRUCT") or kind.endswith("]") or label.count(".") > MAX_DEPTH:
            found.append((sql, label, kind))
            continue
        inside = run.rows(f"DESCRIBE SELECT unnest({sql}) FROM ({source})", name)
        left = [(f"struct_extract({sql}, {quoted(n)})", f"{label}.{n}", str(kind)) for n, kind, *_ in inside] + left
    return found


def renamed(table: Table, names: Sequence[str]) -> Table:
    """The table with other names for its columns."""
    return replace(table, columns=tuple(replace(c, name=n) for c, n in zip(table.columns, names, strict=True)))


def parse_json_lines(text: str, limit: int) -> list[dict[str, Any]]:
    """The objects among the first lines of JSON Lines."""
    found = []
    for line in text.split("\n")[:limit]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found
