"""Cells that hold several values, however they are spelled."""

from __future__ import annotations

import ast
import csv
import json
import re
import warnings
from typing import Any

__all__ = ["MISSING", "is_missing", "literal", "values_of"]

MISSING = frozenset({"", "\\n", "null", "nan", "none", "<na>", "nil", "nat"})  # in lower case
MAX_CELL = 1 << 22
_NAMES = ("name", "title", "label", "value", "text", "id")
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")


def is_missing(text: str) -> bool:
    """Whether a cell says that there is no value: empty, \\N, NULL, NaN, None."""
    return text.strip().lower() in MISSING


def literal(text: str) -> Any:
    """The value of a JSON or Python literal.

    Raises:
        ValueError: it is neither.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes inside
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError("neither JSON nor a Python literal") from None


def values_of(text: str) -> list[str] | None:
    """The values of a cell in brackets, in order; None for a cell that is no list.

    JSON, Python's and NumPy's way of printing, bare words in brackets, and objects of which the name counts.
    """
    text = text.strip()
    if len(text) < 2 or len(text) > MAX_CELL or (text[0], text[-1]) not in (("[", "]"), ("(", ")"), ("{", "}")):
        return None
    inside = text[1:-1].strip()
    # NumPy parts words by blanks, which Python would join to one.
    blanks = re.search(r"['\"]\s+['\"]", inside) and not re.search(r"['\"]\s*,", inside)
    if not blanks:
        try:
            return list(flat(literal(text)))
        except ValueError:
            pass
    if text[0] == "(":
        return None
    quoted = _QUOTED.findall(inside)
    if quoted and text[0] == "{" and _QUOTED.sub("", inside).strip(", "):  # PostgreSQL quotes where it must
        return [part.strip() for part in next(csv.reader([inside], escapechar="\\")) if part.strip()]
    if quoted:
        return [a or b for a, b in quoted if a or b]
    parts = inside.split(",") if "," in inside else inside.split()
    return [part.strip() for part in parts if part.strip()]


def flat(value: Any, depth: int = 0) -> list[str]:
    """The texts in a nested value."""
    if value is None or depth > 20:
        return []
    if isinstance(value, dict):
        if (key := next((k for k in _NAMES if k in value), None)) is not None:
            return flat(value[key], depth + 1)
        return [str(key) for key in value]
    if isinstance(value, list | tuple | set | frozenset):
        return [text for part in value for text in flat(part, depth + 1)]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return [] if is_missing(text) else [text]
