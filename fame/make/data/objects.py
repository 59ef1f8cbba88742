"""JSON in its layouts, and lines of Python literals: what the table engine can read, or a copy that it can."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fame.errors import FameError
from fame.make.data.engine import Engine, Table, json_table, parse_json_lines
from fame.make.data.files import MAX_FACTS_BYTES
from fame.make.data.lists import literal
from fame.make.data.plain import MAX_LINE_BYTES, Plain

__all__ = ["is_objects", "objects_table"]

SAMPLE = 2_000


def is_objects(plain: Plain) -> bool:
    """Whether a text holds JSON or Python literals, and no table whose first cell begins with a bracket."""
    head = plain.head.lstrip()
    if head[:1] not in ("{", "["):
        return False
    first = head.split("\n", 1)[0].strip()
    if head[0] == "[" and first.endswith("]") and plain.lines > 1 and "{" not in first:
        return _reads(first)
    return head[0] == "[" or len(first) == 1 or _reads(first) or ":" in head[:2000]


def _reads(text: str) -> bool:
    try:
        literal(text)
    except ValueError:
        return False
    return True


def objects_table(run: Engine, name: str, files: list[tuple[str, Plain]]) -> Table:
    """The table of objects in plain files.

    Raises:
        FameError: the text is neither JSON nor Python literals, or holds no objects.
    """
    made: list[tuple[str, Path, str]] = []
    sample: list[dict[str, Any]] = []
    told = ""
    for number, (part, plain) in enumerate(files):
        path, layout, some, said = _layout(part, plain, run.folder / f"objects-{number}.jsonl")
        made.append((part, path, layout))
        sample += some[: max(0, SAMPLE - len(sample))]
        told = told or said
    if not sample:
        raise FameError(
            f'{name}: holds no objects; expected one per interaction, like {{"user": …, "item": …, "time": …}}'
        )
    table = json_table(run, name, made, sample)
    if told:
        table = Table(table.name, table.columns, table.parts, table.header, (told, *table.told[1:]), table.notes)
    return table


def _layout(name: str, plain: Plain, target: Path) -> tuple[Path, str, list[dict[str, Any]], str]:
    """Where the objects lie, how, some of them, and what they were where that is not JSON Lines."""
    head = plain.head.strip()
    first = head.split("\n", 1)[0].strip()
    if head[0] == "{":
        objects = parse_json_lines(plain.head, SAMPLE)
        many = sum(bool(line.strip()) for line in plain.head.split("\n")[:SAMPLE])
        if objects and (many > 1 or not _mapping(objects[0])) and len(objects) > 0.5 * many:
            return plain.path, "newline_delimited", objects, ""
        if not objects and first.endswith("}") and _reads(first):
            return _python_lines(name, plain, target)
    elif first.endswith("]") and plain.lines > 1 and _reads(first) and not first.startswith("[{"):
        return _rewritten(
            name, (literal_row(line) for line in plain.path.open(encoding="utf-8")), target, "JSON Lines of lists"
        )
    if plain.path.stat().st_size <= MAX_FACTS_BYTES:
        return _whole(name, plain, target)
    layout = "array" if head[0] == "[" else "unstructured"
    return plain.path, layout, _sampled(plain.head), ""


def _mapping(value: dict[str, Any]) -> bool:
    """Whether an object is a user -> items mapping, or a wrapper, and not a record."""
    values = list(value.values())
    return bool(values) and all(isinstance(v, list | dict) for v in values)


def literal_row(line: str) -> dict[str, Any] | None:
    """A line of a list as an object; its columns are numbered."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return {str(k): v for k, v in enumerate(value, 1)} if isinstance(value, list) else None


def _python_lines(name: str, plain: Plain, target: Path) -> tuple[Path, str, list[dict[str, Any]], str]:
    sample: list[dict[str, Any]] = []
    bad = 0
    with plain.path.open(encoding="utf-8", newline="\n") as source, target.open("w", encoding="utf-8") as out:
        for line in source:
            if not line.strip():
                continue
            try:
                value = literal(line.strip()) if len(line) <= MAX_LINE_BYTES else None
            except ValueError:
                value = None
            if not isinstance(value, dict):
                bad += 1
                out.write("null\n")
                continue
            out.write(json.dumps(value, default=str) + "\n")
            if len(sample) < SAMPLE:
                sample.append(value)
    return target, "newline_delimited", sample, "lines of Python literals"


def _whole(name: str, plain: Plain, target: Path) -> tuple[Path, str, list[dict[str, Any]], str]:
    """A document that is read whole: an array, objects one after the other, or a mapping from user to items."""
    text = plain.path.read_text(encoding="utf-8").strip()
    values: list[Any] = []
    decoder, at = json.JSONDecoder(), 0
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            while at < len(text) and text[at] in " \t\r\n,":
                at += 1
    except (ValueError, RecursionError):
        if at == 0:
            raise FameError(f"{name}: not JSON ({_where(text)}); expected objects, one a line or in an array") from None
        raise FameError(
            f"{name}: the JSON breaks off or is damaged after {len(values):,} values; fetch it again"
        ) from None
    said = "JSON objects" if len(values) > 1 else "a JSON array" if isinstance(values[0], list) else "a JSON object"
    if len(values) == 1:
        values = _unwrapped(values[0])
    rows = [
        v if isinstance(v, dict) else {str(k): x for k, x in enumerate(v, 1)} if isinstance(v, list) else None
        for v in values
    ]
    return _rewritten(name, rows, target, said)


def _where(text: str) -> str:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        return str(error)[:100]
    return ""


def _unwrapped(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    inner = list(value.values()) if isinstance(value, dict) else []
    if not inner:
        return [value]
    if (
        len(inner) > 1
        and all(isinstance(v, dict) for v in inner)
        and len({tuple(v) for v in inner}) == 1
        and set(inner[0]) >= {str(k) for k in range(min(2, len(inner[0])))}
    ):
        return [
            dict(zip(value, cells, strict=True)) for cells in zip(*(v.values() for v in inner), strict=True)
        ]  # pandas' columns
    tables = [v for v in inner if isinstance(v, list) and v and all(isinstance(x, dict) for x in v)]
    if len(tables) == 1 and len(inner) < 10:
        return list(tables[0])
    if all(isinstance(v, list) for v in inner):
        if (
            len({len(v) for v in inner}) == 1
            and len(inner) < 30
            and len(inner[0]) > 1
            and not isinstance(inner[0][0], dict)
            and _column_names(value)
        ):
            return [dict(zip(value, cells, strict=True)) for cells in zip(*inner, strict=True)]  # columns
        if tables and len(tables) == len([v for v in inner if v]):
            return [{"user": user, **event} for user, events in value.items() for event in events]
        return [{"user": user, "items": items} for user, items in value.items()]
    return [value]


def _column_names(value: dict[str, Any]) -> bool:
    from fame.make.data.names import KNOWN, plain_name

    return sum(plain_name(key) in KNOWN for key in value) >= 2


def _rewritten(
    name: str, rows: Iterable[dict[str, Any] | None], target: Path, said: str
) -> tuple[Path, str, list[dict[str, Any]], str]:
    sample: list[dict[str, Any]] = []
    with target.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")
            if row is not None and len(sample) < SAMPLE:
                sample.append(row)
    return target, "newline_delimited", sample, said


def _sampled(text: str) -> list[dict[str, Any]]:
    """Objects from the beginning of a document that is too large to be read whole."""
    found: list[dict[str, Any]] = []
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0 and len(found) < SAMPLE:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        found.append(value)
        at = text.find("{", end)
    return found
