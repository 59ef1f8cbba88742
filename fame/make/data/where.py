"""Conditions on rows, in a small language of their own: never the user's text as SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from fame.errors import FameError
from fame.make.data.names import plain_name
from fame.make.data.report import names_shown

__all__ = ["conditions"]

_TEST = re.compile(
    r"""\s*(?P<column>"[^"]+"|[^\s=<>!"]+?)\s*(?P<op>>=|<=|!=|<>|==|=|>|<|\s+not\s+in\b|\s+in\b)\s*(?P<value>.+?)\s*""",
    re.I | re.S,
)
_VALUE = re.compile(r"""\s*(?:'(?P<a>(?:[^']|'')*)'|"(?P<b>[^"]*)"|(?P<c>[^\s,'"()]+))\s*""")
_AND = re.compile(r"\s+and\s+(?=(?:[^']*'[^']*')*[^']*$)", re.I)


def conditions(
    source: str, where: Sequence[str], names: Sequence[str], roles: dict[str, int | None], text: Callable[[int], str]
) -> str:
    """The conditions as one SQL expression, '' where there are none.

    roles: words that stand for a column beside its name, such as rating.   text: a column's place as SQL text.

    Raises:
        FameError: a condition that is no `COLUMN OP VALUE`, or a column that is not there.
    """
    made = [_condition(source, part, names, roles, text) for line in where for part in _AND.split(line)]
    return " AND ".join(made)


def _condition(
    source: str, part: str, names: Sequence[str], roles: dict[str, int | None], text: Callable[[int], str]
) -> str:
    found = _TEST.fullmatch(part)
    if not found:
        raise FameError(f"condition {part[:60]!r}: expected like \"rating >= 4\" or \"event in ('view','buy')\"")
    column, op = found["column"].strip('"'), " ".join(found["op"].lower().split())
    place = _place(column, names, roles)
    if place is None:
        raise FameError(
            f"{source}: condition {part[:60]!r}: found the columns {names_shown(names)}; none is called {column!r}"
        )
    cell = f"trim(coalesce({text(place)}, ''))"
    values = _values(found["value"], part, "in" in op)
    if op in ("in", "not in"):
        return (
            "("
            + f" {'OR' if op == 'in' else 'AND'} ".join(
                _compare(cell, "=" if op == "in" else "!=", v, part) for v in values
            )
            + ")"
        )
    return _compare(cell, {"==": "=", "<>": "!="}.get(op, op), values[0], part)


def _place(column: str, names: Sequence[str], roles: dict[str, int | None]) -> int | None:
    if column in names:
        return list(names).index(column)
    same = [k for k, n in enumerate(names) if plain_name(n) == plain_name(column) != ""]
    if len(same) == 1:
        return same[0]
    if roles.get(column.lower()) is not None:
        return roles[column.lower()]
    return int(column) - 1 if re.fullmatch(r"[1-9]\d{0,3}", column) and int(column) <= len(names) else None


def _values(text: str, part: str, several: bool) -> list[str]:
    if several:
        if not (text.startswith("(") and text.endswith(")")):
            raise FameError(f"condition {part[:60]!r}: expected a list in brackets, like ('view','buy')")
        text = text[1:-1]
    found, at = [], 0
    while match := _VALUE.match(text, at):
        found.append(
            match["a"].replace("''", "'")
            if match["a"] is not None
            else match["b"]
            if match["b"] is not None
            else match["c"]
        )
        at = match.end()
        if not several or at >= len(text) or text[at] != ",":
            break
        at += 1
    if not found or at != len(text):
        raise FameError(
            f"condition {part[:60]!r}: {text[at:][:20]!r} is not understood; expected a number or a text in quotes"
        )
    return found


def _compare(cell: str, op: str, value: str, part: str) -> str:
    quoted = "'" + value.replace("'", "''") + "'"
    try:
        number = repr(float(value))
    except ValueError:
        number = ""
    if number in ("inf", "-inf", "nan"):
        number = ""
    of = f"try_cast(replace({cell}, ',', '.') AS DOUBLE)"
    if op in ("=", "!="):
        same = f"{cell} = {quoted}" + (f" OR coalesce({of} = {number}, false)" if number else "")
        if value.lower() in ("true", "false"):  # True, TRUE and true are one
            same = f"lower({cell}) = {quoted.lower()}"
        return f"({same})" if op == "=" else f"NOT ({same})"
    if not number:
        return f"({cell} {op} {quoted})"  # dates as text
    return f"coalesce({of} {op} {number}, false)"
