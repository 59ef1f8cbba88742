"""What the visitor has chosen, as one frozen State. Pure: app.url writes it as a link, app.session keeps a visitor's.

The URL holds the whole state, and an empty one the state a first visit opens with. Session state holds the same
State again as an object, so that a click changes it in a callback before the page is drawn:

    st.button("Head 2", on_click=session.update, kwargs={"head": 1})
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fame.bundle import Bundle
from fame.explain import Change
from fame.trace import NOTHING, Intervention

__all__ = [
    "DEFAULT_K",
    "MAX_HISTORY",
    "MAX_K",
    "MAX_OPTIONS",
    "MAX_VALUE",
    "OPTION",
    "State",
    "changed",
    "first",
    "surprise",
]

MAX_HISTORY = 200  # items; more than any model here reads
MAX_K = 50
MAX_OPTIONS = 24
MAX_VALUE = 200  # letters of an option's value
OPTION = re.compile(r"[a-z]{1,20}_[a-z0-9_]{1,30}")  # a screen's own choice, such as atlas_colour
DEFAULT_K = 10


@dataclass(frozen=True)
class State:
    """Everything that decides what is on the screen, besides which screen it is.

    model: name of the bundle.   history: rows of its catalogue, oldest first, at most MAX_HISTORY.
    k: items per list.   hide_seen: leave items of the history out of the lists.
    head: the head that a screen looks at, from 0, or None for the one with most say.
    item: the row that is looked at, or None for the first one.
    b: the changes that make What if's B of all this.
    present: without the bar and its controls, in large type, for a room.
    options: a screen's own choices as text, under names like `atlas_colour`.
    """

    model: str
    history: tuple[int, ...] = ()
    intervention: Intervention = NOTHING
    k: int = DEFAULT_K
    hide_seen: bool = True
    head: int | None = None
    item: int | None = None
    b: tuple[Change, ...] = ()
    present: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    def changed(self, **changes: Any) -> State:
        """The state with these fields changed; names with an underscore that are no field are options (None drops)."""
        own = {name: value for name, value in changes.items() if name in FIELDS}
        others = {name: value for name, value in changes.items() if name not in FIELDS}
        if wrong := [name for name in others if not OPTION.fullmatch(name)]:
            raise KeyError(f"{wrong[0]!r} is no field of State and no option; options are named like atlas_colour")
        if others:
            merged = {**self.options, **others}
            own["options"] = {name: str(value) for name, value in merged.items() if value is not None}
        if "history" in own:
            own["history"] = tuple(int(row) for row in own["history"])[-MAX_HISTORY:]
        # JSON's true is a whole number to Python, and a mask to NumPy.
        own |= {name: int(own[name]) for name in ("k", "head", "item") if own.get(name) is not None}
        return replace(self, **own)


FIELDS = frozenset(State.__dataclass_fields__)


def changed(change: Intervention) -> str:
    """What an intervention changes, in a few words."""
    words = ["the gate is set by hand"] if change.gate else []
    words += [f"head {h + 1} is off" for h in change.heads_off]
    words += [f"expert {n + 1} of head {h + 1} is off" for h, n in change.experts_off]
    words += [f"the router of head {h + 1} is set by hand" for h, _ in change.router]
    if len(words) > 4:
        words = [*words[:3], f"{len(words) - 3} more changes"]
    return ", ".join(words) + (", with the gate held" if change.hold_gate else "")


def first(bundle: Bundle, model: str) -> State:
    """The state that a first visit opens with: the bundle's first example, or a few items where it has none."""
    if bundle.examples:
        history = tuple(bundle.rows(bundle.examples[0].items))
    else:
        history = tuple(range(1, min(6, bundle.catalogue.n_items) + 1))
    return State(model, history)


def surprise(bundle: Bundle, rng: random.Random, count: int = 5) -> tuple[int, ...]:
    """A history by chance: items that share a value of one attribute, such as a director, or any where none can."""
    catalogue = bundle.catalogue
    for name in rng.sample(catalogue.attributes, len(catalogue.attributes)):
        matrix, _ = catalogue.attribute(name)
        if shared := np.flatnonzero(matrix.sum(axis=0) >= count).tolist():
            rows = np.flatnonzero(matrix[:, rng.choice(shared)]).tolist()
            return tuple(rng.sample(rows, count))
    return tuple(rng.sample(range(1, len(catalogue)), min(count, catalogue.n_items)))
