"""What the visitor has chosen: one frozen State, its way into the URL and back, and undo.

The URL holds the whole state, and an empty one the state a first visit opens with. Session state holds the same
State again as an object, so that a click changes it in a callback before the page is drawn:

    st.button("Head 2", on_click=state.update, kwargs={"head": 1})

Everything above "the session" is pure.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import streamlit as st

from fame.bundle import Bundle
from fame.errors import FameError
from fame.trace import NOTHING, Intervention

__all__ = [
    "MAX_FILMS",
    "MAX_K",
    "State",
    "changed",
    "current",
    "first",
    "parse",
    "query",
    "redo",
    "start",
    "undo",
    "update",
]

MAX_FILMS = 200  # of a history; more than any model here reads
MAX_K = 50
MAX_UNDO = 100
MAX_OPTIONS = 24
MAX_VALUE = 200  # letters of an option's value
OPTION = re.compile(r"[a-z]{1,20}_[a-z0-9_]{1,30}")  # a screen's own choice, such as atlas_colour
DEFAULT_K = 10


@dataclass(frozen=True)
class State:
    """Everything that decides what is on the screen, besides which screen it is.

    model: name of the bundle.   history: rows of its catalogue, oldest first, at most MAX_FILMS.
    k: films per list.   hide_seen: leave films of the history out of the lists.
    head: the head that a screen looks at, from 0.   film: the row that is looked at, or None for the first one.
    options: a screen's own choices as text, under names like `atlas_colour`.
    """

    model: str
    history: tuple[int, ...] = ()
    intervention: Intervention = NOTHING
    k: int = DEFAULT_K
    hide_seen: bool = True
    head: int = 0
    film: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def option(self, name: str, choices: Iterable[str], default: str) -> str:
        """A screen's own choice, or the default where none was made or it is not among the choices."""
        value = self.options.get(name, default)
        return value if value in set(choices) else default

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
            own["history"] = tuple(int(row) for row in own["history"])[-MAX_FILMS:]
        # JSON's true is a whole number to Python, and a mask to NumPy.
        own |= {name: int(own[name]) for name in ("k", "head", "film") if own.get(name) is not None}
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
    """The state that a first visit opens with: the bundle's first example, or a few films where it has none."""
    if bundle.examples:
        history = tuple(bundle.rows(bundle.examples[0].items))
    else:
        history = tuple(range(1, min(6, bundle.catalogue.n_items) + 1))
    return State(model, history)


def surprise(bundle: Bundle, rng: random.Random, films: int = 5) -> tuple[int, ...]:
    """A history by chance: films that share a value of one attribute, such as a director, or any where none can."""
    catalogue = bundle.catalogue
    for name in rng.sample(catalogue.attributes, len(catalogue.attributes)):
        matrix, _ = catalogue.attribute(name)
        if shared := np.flatnonzero(matrix.sum(axis=0) >= films).tolist():
            rows = np.flatnonzero(matrix[:, rng.choice(shared)]).tolist()
            return tuple(rng.sample(rows, films))
    return tuple(rng.sample(range(1, len(catalogue)), min(films, catalogue.n_items)))


# ---- the URL ---------------------------------------------------------------------------------------------------


def _join(parts: Iterable[Any]) -> str:
    """Parts as one value that a URL shows as it is: joined by '-', with what is special in a part escaped."""
    return "-".join(quote(str(part), safe="").replace("-", "%2D") for part in parts)


def _split(text: str) -> list[str]:
    return [unquote(part) for part in text.split("-")] if text else []


def _weights(weights: Iterable[float]) -> str:
    # The shortest text that reads back as the same number; never negative, so that '-' is free.
    return "-".join(format(w, "f").rstrip("0").rstrip(".") if float(format(w, "f")) == w else repr(w) for w in weights)


def ids(state: State, bundle: Bundle) -> str:
    """The history as one URL value of item ids."""
    return _join(bundle.catalogue.item_id[row] for row in state.history) or "none"


def query(state: State, bundle: Bundle, opening: State | None, named: bool = True) -> dict[str, str]:
    """The state as URL parameters: the model if it is to be `named`, the history unless it is the `opening` one."""
    change = state.intervention
    pairs = [f"{h + 1}.{n + 1}" for h, n in change.experts_off]
    params = {
        "m": state.model if named else "",
        "h": "" if opening and state.history == opening.history else ids(state, bundle),
        "k": str(state.k) if state.k != DEFAULT_K else "",
        "seen": "" if state.hide_seen else "1",
        "head": str(state.head + 1) if state.head else "",
        "film": str(bundle.catalogue.item_id[state.film]) if state.film else "",
        "gate": _weights(change.gate) if change.gate else "",
        "off": "-".join([*(str(h + 1) for h in change.heads_off), *pairs]),
        "router": "_".join(f"{h + 1}-{_weights(w)}" for h, w in change.router),
        "hold": "1" if change.hold_gate else "",
    }
    return {**{name: value for name, value in params.items() if value}, **dict(sorted(state.options.items()))}


def parse(params: Mapping[str, str], bundle: Bundle, opening: State) -> tuple[State, tuple[str, ...]]:
    """The state that URL parameters hold, and a plain sentence for each part of them that could not be used.

    What is broken is left out and the rest kept; parameters that mean nothing here are passed over.
    """
    said: list[str] = []
    state = opening
    noun = bundle.catalogue.noun
    names = {name: words.format(many=f"{noun}s", one=noun) for name, words in WORDS.items()}

    def take(name: str, read: Callable[[str], State]) -> None:
        nonlocal state
        if value := params.get(name, ""):
            try:
                state = read(value)
            except FameError as error:
                said.append(f"The link's {names[name]} could not be used: {str(error)[:200]}.")
            except (ValueError, OverflowError):
                said.append(f"The link's {names[name]} could not be used: {_quoted(value)} is not understood.")

    def history(value: str) -> State:
        ids = [] if value == "none" else _split(value)
        rows = [bundle.catalogue.row(item) for item in ids if item in bundle.catalogue]
        if unknown := [item for item in ids if item not in bundle.catalogue]:
            count = f"{len(unknown)} {noun}s are" if len(unknown) > 1 else f"One {noun} is"
            said.append(f"{count} not in this catalogue and left out: {' '.join(', '.join(unknown[:3])[:60].split())}.")
        if len(rows) > MAX_FILMS:
            said.append(f"The link holds {len(rows)} {noun}s; the last {MAX_FILMS} are kept.")
        return state.changed(history=rows)

    def change(**changes: Any) -> State:
        intervention = replace(state.intervention, **changes)
        try:
            intervention.check(bundle.config)
        except FameError as error:  # Python counts heads from 0, the screen and its links from 1
            raise FameError(re.sub(r"(?<=\bhead )[0-9]+", lambda n: str(int(n[0]) + 1), str(error))) from None
        return state.changed(intervention=intervention)

    def off(value: str) -> State:
        asked = [part.split(".") for part in value.split("-")[:400]]
        if any(len(part) > 2 for part in asked):
            raise ValueError
        parts = [tuple(_whole(x, 1, (heads, experts)[i]) - 1 for i, x in enumerate(part)) for part in asked]
        return change(heads_off=[p[0] for p in parts if len(p) == 1], experts_off=[p for p in parts if len(p) == 2])

    def router(value: str) -> State:
        forced = [part.partition("-") for part in value.split("_")[:100]]
        return change(router=tuple((_whole(h, 1, heads) - 1, _numbers(w)) for h, _, w in forced))

    heads, experts = bundle.config.n_heads, bundle.config.n_experts
    take("h", history)
    take("k", lambda v: state.changed(k=_whole(v, 1, MAX_K)))
    take("seen", lambda v: state.changed(hide_seen=not _whole(v, 0, 1)))
    take("head", lambda v: state.changed(head=_whole(v, 1, heads) - 1))
    take("film", lambda v: state.changed(film=bundle.catalogue.row(v[:MAX_VALUE])))
    take("gate", lambda v: change(gate=_numbers(v)))
    take("off", off)
    take("router", router)
    take("hold", lambda v: change(hold_gate=bool(_whole(v, 0, 1))))
    options = {name: value for name, value in params.items() if OPTION.fullmatch(name) and len(value) <= MAX_VALUE}
    return state.changed(**dict(list(options.items())[:MAX_OPTIONS])), tuple(said)


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
}


def _whole(text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        shown = text[:20] if text.isdecimal() else _quoted(text)
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


def _quoted(text: str) -> str:
    return f"“{' '.join(text[:40].split())}”"


# ---- the session -----------------------------------------------------------------------------------------------


@dataclass
class Session:
    """A visitor's place in session state."""

    state: State
    url: dict[str, str]  # the parameters that `state` was last written as or read from
    said: tuple[str, ...] = ()  # what was wrong with the link
    past: list[tuple[tuple[int, ...], Intervention]] = field(default_factory=list)
    future: list[tuple[tuple[int, ...], Intervention]] = field(default_factory=list)
    touched: bool = False  # changed by a callback since the URL was last written
    version: int = 0  # of the bundle whose rows `state` holds


def _session() -> Session:
    return st.session_state["fame"]


def current() -> State:
    """This visitor's state."""
    return _session().state


def touched() -> bool:
    """Whether a callback has changed the state since the page was last drawn whole."""
    return _session().touched


def can_undo() -> bool:
    """Whether there is a change of history or intervention to take back."""
    return bool(_session().past)


def can_redo() -> bool:
    """Whether a change of history or intervention was taken back."""
    return bool(_session().future)


def update(**changes: Any) -> None:
    """Change fields or options of this visitor's state, for callbacks. History and intervention can be undone."""
    here = _session()
    before, here.state = here.state, here.state.changed(**changes)
    _remember(here, before)
    here.touched = True
    here.said = ()


def start(history: Sequence[int]) -> None:
    """Begin afresh with another history, for callbacks: what was looked at and compared belongs to the last one."""
    update(history=history, film=None, merge_a=None, merge_b=None)


def undo() -> None:
    """Take back the last change of history or intervention."""
    _step("past", "future")


def redo() -> None:
    """Make the change again that was taken back last."""
    _step("future", "past")


def _step(source: str, target: str) -> None:
    here = _session()
    if stack := getattr(here, source):
        getattr(here, target).append((here.state.history, here.state.intervention))
        history, intervention = stack.pop()
        here.state = here.state.changed(history=history, intervention=intervention)
        here.touched = True


def _remember(here: Session, before: State) -> None:
    """Keep what undo goes back to, where a change can be undone."""
    if (here.state.history, here.state.intervention) != (before.history, before.intervention):
        here.past = [*here.past, (before.history, before.intervention)][-MAX_UNDO:]
        here.future = []


def choose_model(names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Which of the models this run shows, and what is wrong with the link's; the first one where none is asked for."""
    here: Session | None = st.session_state.get("fame")
    link = st.session_state.get("fame_carried") or st.query_params
    asked = here.state.model if here and here.touched else link.get("m", names[0])
    if asked in names:
        return asked, ()
    return names[0], (f"The link asks for the model {asked[:40]!r}, which is not here; this is {names[0]}.",)


def switch_model(bundle: Bundle, name: str) -> None:
    """Go to another model with what it knows of what is looked at here, for callbacks."""
    carried = replace(current(), model=name, intervention=NOTHING, options={})
    st.session_state["fame_carried"] = query(carried, bundle, None)
    del st.session_state["fame"]


def stay() -> None:
    """Forget what was carried to another model, which cannot be opened."""
    st.session_state.pop("fame_carried", None)


def open_session(bundle: Bundle, opening: State, version: int) -> Session:
    """This visitor's session at the start of a run, in step with the URL.

    version: of the bundle. Where it was saved again its rows may be other films, and the URL's ids alone still count.

    Where a callback changed the state, the state wins (the browser may not have the last URL yet). Otherwise
    another URL than the last one means a link, or the browser's back and forward: then the URL wins.
    """
    url = st.query_params.to_dict()
    here: Session | None = st.session_state.get("fame")
    if carried := st.session_state.pop("fame_carried", None):
        if carried.get("film") not in bundle.catalogue:
            carried.pop("film", None)
        if int(carried.get("head", 1)) > bundle.config.n_heads:
            del carried["head"]
        state, said = parse(carried, bundle, opening)
        here = st.session_state["fame"] = Session(state, url, said, touched=True, version=version)
    elif here is None or (here.state.model, here.version) != (opening.model, version):
        state, said = parse(url, bundle, opening)
        here = st.session_state["fame"] = Session(state, url, said, version=version)
    elif not here.touched and url != here.url:
        state, said = parse(url, bundle, opening)
        before, here.state, here.url, here.said = here.state, state, url, said
        _remember(here, before)
    return here


def write_url(bundle: Bundle, opening: State, named: bool) -> dict[str, str]:
    """The state as URL parameters. Where a callback changed it the address follows: one entry of the history.

    A link that says the same in other words, or something broken, keeps its address until then: to put it right
    would take an entry, and the browser's back button would first lead there.
    """
    here = _session()
    url = query(here.state, bundle, opening, named)
    if here.touched:
        if url != st.query_params.to_dict():
            st.query_params.from_dict(url)
        here.url, here.touched = url, False
    return url


def check_options(screen: str, fits: Mapping[str, Callable[[str], bool]]) -> None:
    """Drop those of a screen's own choices that it cannot use, and say so."""
    here = _session()
    for name, value in here.state.options.items():
        if name.startswith(f"{screen}_") and not (name in fits and fits[name](value)):
            here.state = here.state.changed(**{name: None})
            what = f"{_quoted(value)} is none of its choices" if name in fits else "there is no such choice"
            here.said = (*here.said, f"The link's {name} could not be used: {what}.")
