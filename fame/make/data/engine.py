"""DuckDB as the reader of tables: text, JSON and Parquet as columns c0, c1, …, in the order of the file."""

from __future__ import annotations

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
from fame.make.data.names import plain_name
from fame.make.data.plain import Plain
from fame.make.data.report import names_shown

__all__ = ["Column", "Engine", "Part", "Table", "engine", "text_table"]

MEMORY = "512MB"
SAMPLE_ROWS = 20_000
BATCH_ROWS = 1 << 20
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


def file_sql(path: Path) -> str:
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
        if rows >= lines - 1:
            break
    assert best is not None
    return best[1]


def _csv(path: Path, dialect: Dialect, quote: str, escape: str) -> str:
    names = ", ".join(f"'c{k}': 'VARCHAR'" for k in range(len(dialect.names)))
    separator, skip = ("\t", 0) if dialect.separator == SPACES else (dialect.separator, dialect.skip)
    source = (
        f"read_csv({file_sql(path)}, auto_detect = false, header = false, skip = {skip}, "
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


def renamed(table: Table, names: Sequence[str]) -> Table:
    """The table with other names for its columns."""
    return replace(table, columns=tuple(replace(c, name=n) for c, n in zip(table.columns, names, strict=True)))
