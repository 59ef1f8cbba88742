"""JSON in its layouts, and lines of Python literals: what the table engine can read, or a copy that it can."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fame.errors import FameError
from fame.make.data.engine import Engine, Table
from fame.make.data.files import MAX_FACTS_BYTES
from fame.make.data.lists import literal
from fame.make.data.names import KNOWN, plain_name
from fame.make.data.nested import json_table, parse_json_lines
from fame.make.data.plain import MAX_LINE_BYTES, Plain
from fame.make.data.times import number_unit

__all__ = ["is_objects", "objects_table"]

SAMPLE = 2_000


def is_objects(plain: Plain) -> bool:
    """Whether a text holds JSON or Python literals, and no table whose first cell begins with a bracket."""
    head = _start(plain.head)
    if head[:1] not in ("{", "["):
        return False
    first = head.split("\n", 1)[0].strip()
    if head[0] == "[" and first.endswith("]") and plain.lines > 1 and "{" not in first:
        return _reads(first)
    return head[0] == "[" or len(first) == 1 or _reads(first) or ":" in head[:2000]


def _start(head: str) -> str:
    """A text from its first line that is no comment."""
    return re.sub(r"\A(\s*(#|//)[^\n]*\n)*\s*", "", head)


def _reads(text: str) -> bool:
    try:
        literal(text)
    except ValueError:
        return False
    return True


def objects_table(run: Engine, name: str, files: list[tuple[str, Plain]], items: bool = False) -> Table:
    """The table of objects in plain files.

    items: they tell of items, whose ids may be the keys of one object.

    Raises:
        FameError: the text is neither JSON nor Python literals, or holds no objects.
    """
    made: list[tuple[str, Path, str]] = []
    sample: list[dict[str, Any]] = []
    told = ""
    for number, (part, plain) in enumerate(files):
        path, layout, some, said = _layout(part, plain, run.folder / f"objects-{number}.jsonl", items)
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


def _layout(name: str, plain: Plain, target: Path, items: bool) -> tuple[Path, str, list[dict[str, Any]], str]:
    """Where the objects lie, how, some of them, and what they were where that is not JSON Lines."""
    head = _start(plain.head)
    first = head.split("\n", 1)[0].strip()
    if head[0] == "{":
        objects = parse_json_lines(head, SAMPLE)
        many = sum(bool(line.strip()) for line in head.split("\n")[:SAMPLE])
        if objects and (many > 1 or not plain.whole) and len(objects) > 0.5 * many:
            return plain.path, "newline_delimited", objects, ""
        if not objects and first.endswith("}") and _reads(first):
            return _python_lines(name, plain, target)
    elif first.endswith("]") and plain.lines > 1 and _reads(first) and not first.startswith("[{"):
        return _rewritten(
            name, (literal_row(line) for line in plain.path.open(encoding="utf-8")), target, "JSON Lines of lists"
        )
    if plain.path.stat().st_size <= MAX_FACTS_BYTES:
        return _whole(name, plain, target, items)
    layout = "array" if head[0] == "[" else "unstructured"
    return plain.path, layout, _sampled(plain.head), ""


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


def _whole(name: str, plain: Plain, target: Path, items: bool) -> tuple[Path, str, list[dict[str, Any]], str]:
    """A document that is read whole: an array, objects one after the other, or a mapping from user to items."""
    text = _start(plain.path.read_text(encoding="utf-8")).rstrip()
    values: list[Any] = []
    decoder, at = json.JSONDecoder(), 0
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            while at < len(text) and text[at] in " \t\r\n,":
                at += 1
    except (ValueError, RecursionError):
        if at == 0 and isinstance(listed := _literal(text), list):
            return _rewritten(name, _rows(listed), target, "a list of Python literals")
        where = _where(text)
        if at == 0 and not where.endswith(f"(char {len(text)})") and "Unterminated" not in where:
            raise FameError(f"{name}: not JSON ({where}); expected objects, one a line or in an array") from None
        raise FameError(
            f"{name}: the JSON breaks off or is damaged after {len(values):,} values; fetch it again"
        ) from None
    said = "JSON objects" if len(values) > 1 else "a JSON array" if isinstance(values[0], list) else "a JSON object"
    if len(values) == 1:
        values = _unwrapped(values[0], items)
    return _rewritten(name, _rows(values), target, said)


def _rows(values: Sequence[Any]) -> list[dict[str, Any] | None]:
    """Records as they are, lists with their places from 1 as names."""
    return [
        v if isinstance(v, dict) else {str(k): x for k, x in enumerate(v, 1)} if isinstance(v, list) else None
        for v in values
    ]


def _literal(text: str) -> Any:
    try:
        return literal(text)
    except ValueError:
        return None


def _where(text: str) -> str:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        return str(error)[:100]
    return ""


def _unwrapped(value: Any, items: bool) -> list[Any]:
    """The records of a document: a list, columns, a mapping, or the one list of records somewhere inside."""
    if isinstance(value, list):
        return value
    inner = list(value.values()) if isinstance(value, dict) else []
    if not inner or _is_record(value):
        return [value]
    names, rows = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(rows, list) and all(isinstance(row, list) for row in rows):
        return [dict(zip(map(str, names), row, strict=False)) for row in rows]  # pandas' orient "split"
    if len(inner) > 1 and all(isinstance(v, dict) for v in inner):
        return _of_mapping(value, items)
    if items and len(inner) > 2 and all(isinstance(v, str) for v in inner):
        return [{"item_id": key, "title": title} for key, title in value.items()]
    tables = list(_tables(value)) if len(inner) < 10 else []
    if len(tables) == 1:
        return list(tables[0])
    if all(isinstance(v, list) for v in inner):
        return _of_lists(value)
    return [value]


def _is_record(value: dict[str, Any]) -> bool:
    """Whether an object is one record, with a user or a session of its own, and no wrapper."""
    return any(KNOWN.get(plain_name(k)) == "user" and isinstance(v, str | int) for k, v in value.items())


def _tables(value: Any, depth: int = 0) -> Iterator[list[dict[str, Any]]]:
    """The lists of objects in a document, without those inside of such."""
    if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
        yield value
    elif isinstance(value, dict) and depth < 4:
        for inner in value.values():
            yield from _tables(inner, depth + 1)


def _of_mapping(value: dict[str, Any], items: bool) -> list[Any]:
    """Objects by their keys: columns, records, or numbers by item."""
    inner = list(value.values())
    if len({tuple(v) for v in inner}) == 1 and set(inner[0]) >= {str(k) for k in range(min(2, len(inner[0])))}:
        cells = zip(*(v.values() for v in inner), strict=True)
        return [dict(zip(value, row, strict=True)) for row in cells]  # pandas' columns
    if not items and all(isinstance(x, int | float) for v in inner for x in v.values()):
        numbers = [(user, item, x) for user, v in value.items() for item, x in v.items()]
        what = "time" if number_unit([str(x) for _, _, x in numbers[:SAMPLE]]) else "rating"
        return [{"user": user, "item": item, what: x} for user, item, x in numbers]
    if not set(inner[0]).intersection(*map(set, inner[1:])):
        return [value]
    roles = {KNOWN.get(plain_name(name)) for v in inner[:SAMPLE] for name in v}
    if {"user", "item"} <= roles:
        return inner  # pandas' orient "index"
    return [{"item_id" if items else "user": key, **v} for key, v in value.items()]


def _of_lists(value: dict[str, list[Any]]) -> list[Any]:
    """Lists by their keys: columns, or a user's items or events."""
    inner = list(value.values())
    columns = len({len(v) for v in inner}) == 1 and len(inner) < 30 and len(inner[0]) > 1
    if columns and not isinstance(inner[0][0], dict) and _column_names(value):
        return [dict(zip(value, cells, strict=True)) for cells in zip(*inner, strict=True)]
    filled = [v for v in inner if v]
    if filled and all(isinstance(x, dict) for v in filled for x in v):
        return [{"user": user, **event} for user, events in value.items() for event in events]
    return [{"user": user, "items": items} for user, items in value.items()]


def _column_names(value: dict[str, Any]) -> bool:
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
