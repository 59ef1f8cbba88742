"""Tables of settings that check themselves: pydantic does the checking, an error is one plain `FameError`.

A table is a frozen dataclass. Each setting carries its type, limits, default and a sentence on what it does, once:
the checks, the messages, `fame train --help` and docs/settings.md are all made from them.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo
from pydantic.dataclasses import dataclass as checked
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from fame.errors import FameError

__all__ = [
    "Count",
    "Flag",
    "Location",
    "Number",
    "Probability",
    "Setting",
    "Share",
    "Whole",
    "listing",
    "settings",
    "validated",
]

T = TypeVar("T")
SHOWN = 50  # characters of a refused value
LARGEST = 2**32  # whole numbers are below


def placed(value: Any, info: ValidationInfo) -> Any:
    """A path as written: `~` is the home folder, and what is relative lies in the folder of the recipe."""
    if isinstance(value, str) and not value:
        raise PydanticCustomError("path", "empty")
    if not isinstance(value, str | Path):
        return value
    folder: Path = (info.context or {}).get("folder", Path())
    try:
        return folder / Path(value).expanduser()
    except RuntimeError:  # no such user
        raise PydanticCustomError("path", "no such user") from None


Count = Annotated[int, Field(strict=True, ge=1, lt=LARGEST)]
Whole = Annotated[int, Field(strict=True, ge=0, lt=LARGEST)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # any number; fields add their limits
Share = Annotated[float, Field(strict=True, ge=0, lt=1, allow_inf_nan=False)]
Probability = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Location = Annotated[Path, BeforeValidator(placed)]


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def settings(name: str) -> Callable[[type[T]], type[T]]:
    """Makes a class a table of settings: a frozen dataclass whose `__init__` raises one `FameError`.

    name: what messages call the table when it is made by itself; within a recipe they say [table].
    """

    def decorate(cls: type[T]) -> type[T]:
        made: Any = checked(cls, frozen=True, config=ConfigDict(extra="forbid"))
        init = made.__init__

        @functools.wraps(init)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            try:
                init(self, *args, **kwargs)
            except ValidationError as error:
                raise FameError(message(made, error, f"{name}: ")) from None

        made.__init__ = __init__
        return made

    return decorate


def validated(cls: type[T], values: dict[str, Any], folder: Path = Path()) -> T:
    """The table `cls` in parsed TOML, tables within it included; paths are relative to `folder`.

    Raises:
        FameError: a setting is unknown, missing, of another type or out of range.
    """
    try:
        return TypeAdapter(cls).validate_python(values, context={"folder": folder})
    except ValidationError as error:
        raise FameError(message(cls, error, "")) from None


# --- what a setting says of itself --------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """One setting as help and docs list it."""

    name: str
    kind: Any  # its type, without limits and None
    expected: str  # "a whole number of at least 1"
    default: Any  # MISSING where it must be given
    description: str


def own(cls: Any) -> Iterator[Setting]:
    """The settings of a table itself, in order; those that are tables too."""
    hints = get_type_hints(cls, include_extras=True)
    for f in fields(cls):
        info: FieldInfo = cls.__pydantic_fields__[f.name]
        kind = plain(hints[f.name])
        default = MISSING if info.is_required() else info.get_default(call_default_factory=True, validated_data={})
        yield Setting(f.name, kind, expectation(kind, info.metadata), default, info.description or "")


def plain(hint: Any) -> Any:
    """A type without limits and without None."""
    while True:
        if get_origin(hint) is Annotated:
            hint = hint.__origin__
        elif NoneType in get_args(hint):
            hint = next(part for part in get_args(hint) if part is not NoneType)
        else:
            return hint


def expectation(kind: Any, limits: list[Any]) -> str:
    """In words what a setting takes."""
    if is_dataclass(kind):
        return "a table"
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if get_origin(kind) is tuple:
        texts = plain(get_args(kind)[0]) is str
        return "texts in brackets, like ['genres', '']" if texts else "whole numbers in brackets, like [0, 1, 2]"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text in quotes"}
    return words.get(kind, "a path in quotes") + bounds(kind, limits)


def bounds(kind: Any, limits: list[Any]) -> str:
    """' from 0 to 1' and the like; '' where there are no limits."""
    ge, gt = (max((getattr(x, n) for x in limits if hasattr(x, n)), default=None) for n in ("ge", "gt"))
    le, lt = (min((getattr(x, n) for x in limits if hasattr(x, n)), default=None) for n in ("le", "lt"))
    if kind is int:
        below = "" if lt is None else ", below 2³²" if lt == LARGEST else f", below {lt}"
        return f" of at least {ge}" + below if ge is not None else ""
    if ge is not None and le is not None:
        return f" from {ge:g} to {le:g}"
    if ge is not None and lt is not None:
        return f" from {ge:g} up to, not including, {lt:g}"
    low = f" of at least {ge:g}" if ge is not None else f" above {gt:g}" if gt is not None else ""
    high = f" and below {lt:g}" if lt is not None else f", at most {le:g}" if le is not None else ""
    return low + high


def listing(cls: Any, prefix: str = "") -> Iterator[Setting]:
    """Every setting of a table and of the tables within it, in order, with dotted names."""
    for setting in own(cls):
        if is_dataclass(setting.kind):
            yield from listing(setting.kind, f"{prefix}{setting.name}.")
        else:
            yield replace(setting, name=f"{prefix}{setting.name}")


# --- what is wrong with a table -----------------------------------------------------------------------


def message(cls: Any, error: ValidationError, prefix: str) -> str:
    """One line for the first thing wrong: what came, what was expected. Names that do not exist go first."""
    order = {"unexpected_keyword_argument": 0, "missing": 1}
    first = min(error.errors(), key=lambda e: order.get(e["type"], 2))
    path = [part for part in first["loc"] if isinstance(part, str)]
    tables: list[str] = []
    for part in path:
        kind = next((setting.kind for setting in own(cls) if setting.name == part), None)
        if not is_dataclass(kind) or (part is path[-1] and first["type"] in ("dataclass_type", "missing")):
            break
        tables, cls = [*tables, part], kind
    where = f"[{'.'.join(tables)}] " if tables else prefix
    if told := first.get("ctx", {}).get("error"):  # a sentence of a check that the table has of its own
        return where + str(told)
    name = path[-1]
    if first["type"] == "unexpected_keyword_argument":
        return where + unknown(name, [setting.name for setting in own(cls) if setting.name != "n_items"])
    if first["type"] == "missing":
        return f"{where}{name} is missing"
    setting = next(setting for setting in own(cls) if setting.name == name)
    expected = f"{setting.expected}, [{'.'.join(path)}]" if is_dataclass(setting.kind) else setting.expected
    shown = repr(first["input"])
    among = "has " if isinstance(first["loc"][-1], int) else "is "
    return f"{where}{name} {among}{shown if len(shown) <= SHOWN else shown[:SHOWN] + '…'}; expected {expected}"


def unknown(name: str, known: list[str]) -> str:
    """What to say of a setting that does not exist."""
    near = difflib.get_close_matches(name, known, 1, 0.5)
    offer = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"there is no setting {name!r}; {offer}"
