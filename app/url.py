"""The state as URL parameters, and back. Pure: nothing here knows a session."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from app.state import DEFAULT_K, MAX_HISTORY, MAX_K, MAX_OPTIONS, MAX_VALUE, OPTION, State
from fame.bundle import Bundle
from fame.errors import FameError
from fame.explain import changes_text, read_changes

__all__ = ["joined", "parse", "query", "quoted", "unknown_items"]


def joined(parts: Iterable[Any]) -> str:
    """Parts as one value that a URL shows as it is: joined by '-', with what is special in a part escaped."""
    return "-".join(quote(str(part), safe="").replace("-", "%2D") for part in parts)


def _split(text: str) -> list[str]:
    return [unquote(part) for part in text.split("-")] if text else []


def _weights(weights: Iterable[float]) -> str:
    # The shortest text that reads back as the same number; never negative, so that '-' is free.
    return "-".join(format(w, "f").rstrip("0").rstrip(".") if float(format(w, "f")) == w else repr(w) for w in weights)


def ids(state: State, bundle: Bundle) -> str:
    """The history as one URL value of item ids."""
    return joined(bundle.catalogue.item_id[row] for row in state.history) or "none"


def query(state: State, bundle: Bundle, opening: State | None, named: bool = True) -> dict[str, str]:
    """The state as URL parameters: the model if it is to be `named`, the history unless it is the `opening` one."""
    change = state.intervention
    pairs = [f"{h + 1}.{n + 1}" for h, n in change.experts_off]
    params = {
        "m": state.model if named else "",
        "h": "" if opening and state.history == opening.history else ids(state, bundle),
        "k": str(state.k) if state.k != DEFAULT_K else "",
        "seen": "" if state.hide_seen else "1",
        "head": "" if state.head is None else str(state.head + 1),
        "film": str(bundle.catalogue.item_id[state.item]) if state.item else "",
        "gate": _weights(change.gate) if change.gate else "",
        "off": "-".join([*(str(h + 1) for h in change.heads_off), *pairs]),
        "router": "_".join(f"{h + 1}-{_weights(w)}" for h, w in change.router),
        "hold": "1" if change.hold_gate else "",
        "b": changes_text(state.b),
        "show": "1" if state.present else "",
    }
    return {**{name: value for name, value in params.items() if value}, **dict(sorted(state.options.items()))}


def parse(params: Mapping[str, str], bundle: Bundle, opening: State) -> tuple[State, tuple[str, ...]]:
    """The state that URL parameters hold, and a plain sentence for each part of them that could not be used.

    What is broken is left out and the rest kept; parameters that mean nothing here are passed over.
    """
    link = _Link(params, bundle, opening)
    heads = bundle.config.n_heads
    link.take("h", link.history)
    link.take("k", lambda v: link.state.changed(k=_whole(v, 1, MAX_K)))
    link.take("seen", lambda v: link.state.changed(hide_seen=not _whole(v, 0, 1)))
    link.take("head", lambda v: link.state.changed(head=_whole(v, 1, heads) - 1))
    link.take("film", lambda v: link.state.changed(item=bundle.catalogue.row(v[:MAX_VALUE])))
    link.take("gate", lambda v: link.change(gate=_numbers(v)))
    link.take("off", link.off)
    link.take("router", link.router)
    link.take("hold", lambda v: link.change(hold_gate=bool(_whole(v, 0, 1))))
    link.take("show", lambda v: link.state.changed(present=bool(_whole(v, 0, 1))))
    b, broken = read_changes(params.get("b", ""))
    options = {name: value for name, value in params.items() if OPTION.fullmatch(name) and len(value) <= MAX_VALUE}
    return link.state.changed(b=b, **dict(list(options.items())[:MAX_OPTIONS])), (*link.unused, *broken)


class _Link:
    """A link whose parameters are taken into a state one by one; what cannot be used is put down in `unused`."""

    def __init__(self, params: Mapping[str, str], bundle: Bundle, opening: State):
        self.params, self.bundle, self.state = params, bundle, opening
        self.noun = bundle.catalogue.noun
        self.unused: list[str] = []

    def take(self, name: str, state: Callable[[str], State]) -> None:
        """The state with a parameter's value, if there is one; as it was, if that is broken."""
        what = WORDS[name].format(many=f"{self.noun}s", one=self.noun)
        if value := self.params.get(name, ""):
            try:
                self.state = state(value)
            except FameError as error:
                self.unused.append(f"The link's {what} could not be used: {str(error)[:200]}.")
            except (ValueError, OverflowError):
                self.unused.append(f"The link's {what} could not be used: {quoted(value)} is not understood.")

    def history(self, value: str) -> State:
        catalogue = self.bundle.catalogue
        ids = [] if value == "none" else _split(value)
        rows = [catalogue.row(item) for item in ids if item in catalogue]
        self.unused.extend(unknown_items([item for item in ids if item not in catalogue], self.noun))
        if len(rows) > MAX_HISTORY:
            self.unused.append(f"The link holds {len(rows)} {self.noun}s; the last {MAX_HISTORY} are kept.")
        return self.state.changed(history=rows)

    def change(self, **changes: Any) -> State:
        intervention = replace(self.state.intervention, **changes)
        try:
            intervention.check(self.bundle.config)
        except FameError as error:  # Python counts heads from 0, the screen and its links from 1
            raise FameError(re.sub(r"(?<=\bhead )[0-9]+", lambda n: str(int(n[0]) + 1), str(error))) from None
        return self.state.changed(intervention=intervention)

    def off(self, value: str) -> State:
        sizes = self.bundle.config.n_heads, self.bundle.config.n_experts
        asked = [part.split(".") for part in value.split("-")[:400]]
        if any(len(part) > 2 for part in asked):
            raise ValueError
        parts = [tuple(_whole(x, 1, sizes[i]) - 1 for i, x in enumerate(part)) for part in asked]
        return self.change(heads_off=[p[0] for p in parts if len(p) == 1], experts_off=[p for p in parts if len(p) > 1])

    def router(self, value: str) -> State:
        forced = [part.partition("-") for part in value.split("_")[:100]]
        heads = self.bundle.config.n_heads
        return self.change(router=tuple((_whole(h, 1, heads) - 1, _numbers(w)) for h, _, w in forced))


WORDS = {
    "h": "history",
    "k": "number of {many}",
    "seen": "choice to show {many} already seen",
    "head": "head",
    "film": "{one}",
    "gate": "gate",
    "off": "switches",
    "router": "router",
    "hold": "choice of a held gate",
    "show": "choice to present",
}


def unknown_items(ids: Sequence[str], noun: str) -> tuple[str, ...]:
    """A sentence on ids that a catalogue does not have, if there are any."""
    if not ids:
        return ()
    count = f"{len(ids)} {noun}s are" if len(ids) > 1 else f"One {noun} is"
    return (f"{count} not in this catalogue and left out: {' '.join(', '.join(ids[:3])[:60].split())}.",)


def _whole(text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        shown = text[:20] if text.isdecimal() else quoted(text)
        raise FameError(f"{shown} is not a whole number from {low} to {high}")
    return int(text)


def _numbers(text: str) -> tuple[float, ...]:
    if len(text) > 2000 or not re.fullmatch(r"[0-9.e-]*", text):
        raise ValueError
    # A '-' parts two numbers unless it stands in an exponent.
    numbers = tuple(float(part) for part in re.split(r"(?<!e)-", text))
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ValueError
    if not any(numbers):
        raise FameError("none of its weights is above 0")
    return numbers


def quoted(text: str) -> str:
    """The beginning of a text that came from outside, in quotation marks and on one line."""
    return f"“{' '.join(text[:40].split())}”"
