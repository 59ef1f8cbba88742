"""Tables inside of nested data: JSON and Parquet with objects in objects, and lists of objects as rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fame.errors import FameError
from fame.make.data.engine import MAX_JSON_OBJECT, Column, Engine, Part, Table, file_sql, identifier, quoted
from fame.make.data.names import TIERS, plain_name

__all__ = ["json_table", "parquet_table", "parse_json_lines"]

MAX_DEPTH = 4  # of objects in objects


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
            f"(SELECT json FROM read_json_objects({file_sql(path)}, format = '{layout}', ignore_errors = {lines}, "
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


def parquet_table(run: Engine, name: str, files: Sequence[tuple[str, Path]]) -> Table:
    """The table in Parquet files; a list of objects becomes a row for each."""
    sources = [f"SELECT * FROM read_parquet({file_sql(path)}, hive_partitioning = false)" for _, path in files]
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
