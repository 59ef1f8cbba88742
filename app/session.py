"""One visitor's state in Streamlit's session: what callbacks change, undo and redo, and its way into the URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from app import screens
from app.carry import Carried, Moment, pack
from app.screen import Screen
from app.state import DEFAULT_K, State
from app.url import parse, query, quoted
from fame.bundle import Bundle
from fame.trace import NOTHING

__all__ = [
    "Session",
    "asked_screen",
    "can_redo",
    "can_undo",
    "check_options",
    "choose_model",
    "current",
    "dismiss_example",
    "follow",
    "has_line",
    "open_example",
    "open_session",
    "redo",
    "shown_example",
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
    past: list[Moment] = field(default_factory=list)
    future: list[Moment] = field(default_factory=list)
    example: int | None = None  # the one that was opened last
    dismissed: set[int] = field(default_factory=set)  # examples whose line was put away
    go: str | None = None  # the screen that is to be shown next
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
    """Whether there is a change of history, intervention or B to take back."""
    return bool(_session().past)


def can_redo() -> bool:
    """Whether a change of history, intervention or B was taken back."""
    return bool(_session().future)


def update(**changes: Any) -> None:
    """Change fields or options of this visitor's state, for callbacks. All that decides A and B can be undone."""
    here = _session()
    before, here.state = here.state, here.state.changed(**changes)
    _remember(here, before)
    here.touched = True
    here.unused = ()


def start(history: Sequence[int], **changes: Any) -> None:
    """Begin afresh with another history, for callbacks: what was looked at and compared belongs to the last one."""
    declared = (entry.declaration.options.items() for entry in screens.discover().values())
    forgotten = {name: None for options in declared for name, option in options if option.of_history}
    update(**{"history": history, "item": None, "b": (), **forgotten, **changes})


def follow(link: Mapping[str, str]) -> None:
    """Go to where a link's parameters lead on the same screen, for callbacks; it may name another model."""
    st.session_state.pop("fame_carried", None)
    st.query_params.from_dict(dict(link))
    _session().touched = False


def open_example(bundle: Bundle, example: int) -> None:
    """Begin afresh with an example, for callbacks, where what it promises is to be seen; its line stands over it.

    It promises something of the untouched model and of lists of ten without what was seen.
    """
    here, opened = _session(), bundle.examples[example]
    here.example = example
    here.dismissed.discard(example)
    if opened.screen in screens.discover():
        here.go = opened.screen
    start(
        bundle.rows(opened.items), intervention=NOTHING, hide_seen=True, k=max(here.state.k, DEFAULT_K),
        head=None if opened.head is None else opened.head - 1,
        item=None if opened.item is None else bundle.catalogue.row(opened.item),
    )  # fmt: skip


def asked_screen() -> str | None:
    """The screen that a callback asks to go to, once."""
    here: Session | None = st.session_state.get("fame")
    if here is None:
        return None
    go, here.go = here.go, None
    return go


def dismiss_example(example: int) -> None:
    """Put an example's line away."""
    _session().dismissed.add(example)


def shown_example(bundle: Bundle) -> int | None:
    """The example whose history is shown: the one that was opened, else the first that has it."""
    here = _session()
    same = [i for i, e in enumerate(bundle.examples) if tuple(bundle.rows(e.items)) == here.state.history]
    return here.example if here.example in same else next(iter(same), None)


def has_line(example: int, opening: State) -> bool:
    """Whether an example's line stands over the screen: not on a first visit, nor once it was put away."""
    here = _session()
    asked = here.example == example or here.state.history != opening.history
    return asked and example not in here.dismissed


def undo() -> None:
    """Take back the last change of history, intervention or B."""
    _step("past", "future")


def redo() -> None:
    """Make the change again that was taken back last."""
    _step("future", "past")


def _step(source: str, target: str) -> None:
    here = _session()
    if stack := getattr(here, source):
        getattr(here, target).append(_moment(here.state))
        history, intervention, b = stack.pop()
        here.state = here.state.changed(history=history, intervention=intervention, b=b)
        here.touched = True


def _moment(state: State) -> Moment:
    return state.history, state.intervention, state.b


def _remember(here: Session, before: State) -> None:
    """Keep what undo goes back to, where a change can be undone."""
    if _moment(here.state) != _moment(before):
        here.past = [*here.past, _moment(before)][-MAX_UNDO:]
        here.future = []


def choose_model(names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Which of the models this run shows, and what is wrong with the link's; the first one where none is asked for."""
    here: Session | None = st.session_state.get("fame")
    carried: Carried | None = st.session_state.get("fame_carried")
    if carried:
        asked = carried.state.model
    else:
        asked = here.state.model if here and here.touched else st.query_params.get("m", names[0])
    if asked in names:
        return asked, ()
    return names[0], (f"The link asks for the model {asked[:40]!r}, which is not here; this is {names[0]}.",)


def switch_model(bundle: Bundle, name: str) -> None:
    """Go to another model with all of this one's state and undo that fits it, for callbacks."""
    here = _session()
    st.session_state["fame_carried"] = pack(here.state, here.past, here.future, bundle, name)


def stay() -> None:
    """Forget what was carried to another model, which cannot be opened."""
    st.session_state.pop("fame_carried", None)


def open_session(bundle: Bundle, opening: State, version: int) -> Session:
    """This visitor's session at the start of a run, in step with the URL.

    version: of the bundle. Where it was saved again its rows may be other items, and the URL's ids alone still count.

    Where a callback changed the state, the state wins (the browser may not have the last URL yet). Otherwise
    another URL than the last one means a link, or the browser's back and forward: then the URL wins.
    """
    url = st.query_params.to_dict()
    here: Session | None = st.session_state.get("fame")
    carried: Carried | None = st.session_state.pop("fame_carried", None)
    if carried:
        state, past, future, unused = carried.unpack(bundle)
        here = st.session_state["fame"] = Session(state, url, unused, past, future, touched=True, version=version)
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
    if box := st.session_state.get("fame_visited"):  # another's box stays open as long as its link does
        url["box"] = box
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
