"""One visitor's state in Streamlit's session: what callbacks change, undo and redo, and its way into the URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from app import screens
from app.screen import Screen
from app.state import State
from app.url import parse, query, quoted
from fame.bundle import Bundle
from fame.trace import NOTHING, Intervention

__all__ = [
    "Session",
    "can_redo",
    "can_undo",
    "check_options",
    "choose_model",
    "current",
    "open_session",
    "redo",
    "start",
    "stay",
    "switch_model",
    "touched",
    "undo",
    "update",
    "write_url",
]

MAX_UNDO = 100


@dataclass
class Session:
    """A visitor's place in session state."""

    state: State
    url: dict[str, str]  # the parameters that `state` was last written as or read from
    unused: tuple[str, ...] = ()  # what was wrong with the link
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
    here.unused = ()


def start(history: Sequence[int]) -> None:
    """Begin afresh with another history, for callbacks: what was looked at and compared belongs to the last one."""
    declared = (entry.declaration.options.items() for entry in screens.discover().values())
    forgotten = {name: None for options in declared for name, option in options if option.of_history}
    update(history=history, item=None, **forgotten)


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
        state, unused = parse(carried, bundle, opening)
        here = st.session_state["fame"] = Session(state, url, unused, touched=True, version=version)
    elif here is None or (here.state.model, here.version) != (opening.model, version):
        state, unused = parse(url, bundle, opening)
        here = st.session_state["fame"] = Session(state, url, unused, version=version)
    elif not here.touched and url != here.url:
        state, unused = parse(url, bundle, opening)
        before, here.state, here.url, here.unused = here.state, state, url, unused
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


def check_options(screen: Screen) -> None:
    """Drop those of a screen's own choices that it cannot use, and say so."""
    here = _session()
    for name, value in screen.state.options.items():
        if name.startswith(f"{screen.name}_") and not screen.fits(name, value):
            here.state = here.state.changed(**{name: None})
            known = name in screen.declaration.options
            what = f"{quoted(value)} is none of its choices" if known else "there is no such choice"
            here.unused = (*here.unused, f"The link's {name} could not be used: {what}.")
