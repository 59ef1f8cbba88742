"""What if, as data: B is A with changes. A change edits the history, the inside of the model, or names another model.

Changes apply one after another, each undone alone: an edit names its item and the place where it stood, and finds the
item again where others have moved it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, get_args
from urllib.parse import quote, unquote

from fame.errors import FameError
from fame.text import percent
from fame.trace import Intervention, Weights

__all__ = [
    "MAX_CHANGES",
    "Add",
    "Change",
    "ExpertOff",
    "Gate",
    "HeadOff",
    "Model",
    "Move",
    "Remove",
    "Replace",
    "Router",
    "added",
    "changes_text",
    "read_changes",
]

MAX_CHANGES = 40  # of one B
MAX_TEXT = 200  # letters of an item id or a model's name
Label = Callable[[str], str]


@dataclass(frozen=True)
class Remove:
    """Leave an item out of the history.   at: its place, from 0.   item: its item_id."""

    kind: ClassVar[str] = "drop"
    at: int
    item: str

    def edit(self, history: list[str]) -> list[str] | None:
        i = place(history, self.item, self.at)
        return None if i is None else history[:i] + history[i + 1 :]

    def words(self, label: Label) -> str:
        return f"without {label(self.item)}"


@dataclass(frozen=True)
class Replace:
    """Put another item in an item's place."""

    kind: ClassVar[str] = "swap"
    at: int
    item: str
    by: str

    def edit(self, history: list[str]) -> list[str] | None:
        i = place(history, self.item, self.at)
        return None if i is None or self.by == self.item else [*history[:i], self.by, *history[i + 1 :]]

    def words(self, label: Label) -> str:
        return f"{label(self.by)} in place of {label(self.item)}"


@dataclass(frozen=True)
class Move:
    """Take an item to another place.   to: where it then stands, from 0; the end where that is further."""

    kind: ClassVar[str] = "move"
    at: int
    item: str
    to: int

    def edit(self, history: list[str]) -> list[str] | None:
        i = place(history, self.item, self.at)
        if i is None or i == min(self.to, len(history) - 1):
            return None
        rest = history[:i] + history[i + 1 :]
        return [*rest[: self.to], self.item, *rest[self.to :]]

    def words(self, label: Label) -> str:
        return f"{label(self.item)} at place {self.to + 1}"


@dataclass(frozen=True)
class Add:
    """Put an item into the history.   at: where it then stands, from 0; the end where that is further."""

    kind: ClassVar[str] = "add"
    at: int
    item: str

    def edit(self, history: list[str]) -> list[str] | None:
        return [*history[: self.at], self.item, *history[self.at :]]

    def words(self, label: Label) -> str:
        return f"with {label(self.item)} as well"


@dataclass(frozen=True)
class HeadOff:
    """Switch a head off.   head: from 0."""

    kind: ClassVar[str] = "headoff"
    head: int

    def alter(self, change: Intervention) -> Intervention:
        return replace(change, heads_off=(*change.heads_off, self.head))

    def words(self, label: Label) -> str:
        return f"head {self.head + 1} off"


@dataclass(frozen=True)
class ExpertOff:
    """Switch an expert of a head off; both from 0."""

    kind: ClassVar[str] = "expertoff"
    head: int
    expert: int

    def alter(self, change: Intervention) -> Intervention:
        return replace(change, experts_off=(*change.experts_off, (self.head, self.expert)))

    def words(self, label: Label) -> str:
        return f"head {self.head + 1}, expert {self.expert + 1} off"


@dataclass(frozen=True)
class Gate:
    """Set the gate by hand.   weights: one per head, scaled to sum to 1."""

    kind: ClassVar[str] = "gate"
    weights: Weights

    def alter(self, change: Intervention) -> Intervention:
        return replace(change, gate=self.weights)

    def words(self, label: Label) -> str:
        return f"gate set to {_shares(self.weights)}"


@dataclass(frozen=True)
class Router:
    """Set a head's router by hand.   weights: one per expert, scaled to sum to 1."""

    kind: ClassVar[str] = "router"
    head: int
    weights: Weights

    def alter(self, change: Intervention) -> Intervention:
        return replace(change, router=tuple({**dict(change.router), self.head: self.weights}.items()))

    def words(self, label: Label) -> str:
        return f"router of head {self.head + 1} set to {_shares(self.weights)}"


@dataclass(frozen=True)
class Model:
    """Ask another model.   name: of its bundle."""

    kind: ClassVar[str] = "model"
    name: str

    def words(self, label: Label) -> str:
        return f"model: {self.name}"


Edit = Remove | Replace | Move | Add
Inner = HeadOff | ExpertOff | Gate | Router
Change = Edit | Inner | Model
KINDS: dict[str, type[Change]] = {kind.kind: kind for kind in get_args(Change)}


def place(history: Sequence[str], item: str, at: int) -> int | None:
    """Where an item stands in a history: the place nearest to where it stood; None where it is not there."""
    return min((i for i, held in enumerate(history) if held == item), key=lambda i: abs(i - at), default=None)


def _shares(weights: Weights) -> str:
    largest = max(weights)  # first: the sum may be too large for a float
    total = sum(w / largest for w in weights)
    return " / ".join(percent(w / largest / total) for w in weights)


# ---- one beside the others


def added(changes: Sequence[Change], new: Change) -> tuple[Change, ...]:
    """The changes with one more, so that none is there twice or is made and then unmade.

    Another setting of the same gate, router or model takes the place of the last one; what is added and then removed,
    or replaced and then replaced back, is gone.

    Raises:
        FameError: there are MAX_CHANGES already.
    """
    kept = [change for change in changes if _slot(change) != _slot(new)]
    last = kept[-1] if kept else None
    match last, new:
        case Add(at=at, item=item), Remove() if (new.at, new.item) == (at, item):
            return tuple(kept[:-1])
        case Add(at=at, item=item), Replace(by=by) if (new.at, new.item) == (at, item):
            kept[-1:], new = [], Add(at, by)
        case Replace(at=at, item=item, by=by), Remove() if (new.at, new.item) == (at, by):
            kept[-1:], new = [], Remove(at, item)
        case Replace(at=at, item=item, by=by), Replace(by=then) if (new.at, new.item) == (at, by):
            kept[-1:], new = [], Replace(at, item, then)
        case Move(at=at, item=item, to=passed), Move(to=to) if (new.at, new.item) == (passed, item):
            kept[-1:], new = [], Move(at, item, to)
    if (isinstance(new, Replace) and new.item == new.by) or (isinstance(new, Move) and new.at == new.to):
        return tuple(kept)
    if len(kept) >= MAX_CHANGES:
        raise FameError(f"B has {MAX_CHANGES} changes already; undo one first")
    return (*kept, new)


def _slot(change: Change) -> object:
    """What can be changed once: of two changes in the same slot the later one counts. An edit has none."""
    match change:
        case HeadOff() | ExpertOff():
            return change
        case Gate() | Model():
            return change.kind
        case Router(head=head):
            return change.kind, head
    return object()


# ---- as text


def changes_text(changes: Iterable[Change]) -> str:
    """Changes as one value of a link, such as 'drop-2-f1~expertoff-2-1'; places, heads and experts count from 1."""
    return "~".join(
        "-".join([change.kind, *(_part(getattr(change, f.name)) for f in fields(change))]) for change in changes
    )


def read_changes(text: str) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """The changes in the value of a link, and a sentence for each part of it that is none."""
    changes: list[Change] = []
    said: list[str] = []
    parts = [part for part in text.split("~") if part]
    for part in parts[:MAX_CHANGES]:
        try:
            changes.append(_read(part))
        except (FameError, ValueError, KeyError, TypeError, OverflowError):
            said.append(f"The link's change “{' '.join(part[:40].split())}” is not understood and left out.")
    if len(parts) > MAX_CHANGES:
        said.append(f"The link holds {len(parts)} changes; the first {MAX_CHANGES} are kept.")
    return tuple(changes), tuple(said)


def _part(value: int | str | Weights) -> str:
    if isinstance(value, int):
        return str(value + 1)
    if isinstance(value, tuple):
        return "_".join(map(_quoted, map(repr, value)))
    return _quoted(value)


def _quoted(text: str) -> str:
    """Text in which neither a change nor a part of one can end."""
    return quote(text, safe="").replace("-", "%2D").replace("~", "%7E")


def _read(text: str) -> Change:
    kind, *parts = text.split("-")
    names = [f.name for f in fields(KINDS[kind])]
    if len(parts) != len(names):
        raise ValueError
    values: list[Any] = [_value(name, part) for name, part in zip(names, parts, strict=True)]
    return KINDS[kind](*values)


def _value(name: str, part: str) -> int | str | Weights:
    if name in ("item", "by", "name"):
        if not (found := unquote(part)) or len(found) > MAX_TEXT:
            raise ValueError
        return found
    if name == "weights":
        weights = tuple(float(unquote(weight)) for weight in part[:2000].split("_"))
        if not all(math.isfinite(w) and w >= 0 for w in weights) or not any(weights):
            raise ValueError
        return weights
    if not re.fullmatch(r"[1-9][0-9]{0,5}", part):
        raise ValueError
    return int(part) - 1
