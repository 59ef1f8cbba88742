"""What if's B under the visitor's hands: its changes as chips, and the ways to make another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from app import item_picker, session, sources, widgets
from app.screen import Screen
from app.sources import Source
from fame import explain
from fame.errors import FameError
from fame.explain import Add, Applied, Change, ExpertOff, Gate, HeadOff, Listing, Model, Move, Remove, Replace, Router
from fame.trace import Trace

__all__ = ["change_b", "chips", "make"]


def make(change: Change) -> None:
    """Make one more change of B, for callbacks."""
    try:
        session.update(b=explain.added(session.current().b, change), what_if_at=None)
    except FameError as error:
        st.toast(f"{error}.", icon=":material/block:")


def unmake(*changes: Change) -> None:
    """Undo these changes of B, for callbacks."""
    session.update(b=tuple(change for change in session.current().b if change not in changes))


def chips(screen: Screen, applied: Applied) -> None:
    """The changes that make B of A, each undone by a click."""
    catalogue = screen.bundle.catalogue

    def label(item: str) -> str:
        return catalogue.label(catalogue.row(item)) if item in catalogue else item

    if not screen.state.b:
        return
    with st.container(horizontal=True, key="what_if_b", vertical_alignment="center", gap="small"):
        widgets.styled("B is A, but:", "fame-model")
        for i, change in enumerate(screen.state.b):
            words = change.words(label)
            idle = change in applied.idle
            st.button(
                widgets.literal(words) + " :gray[(changes nothing)]" * idle, key=f"what_if_undo_{i}",
                icon=":material/close:", on_click=unmake, args=(change,), help=widgets.literal(f"Undo “{words}”"),
            )  # fmt: skip
        if len(screen.state.b) > 1:
            st.button("Undo all", key="what_if_clear", type="tertiary", on_click=session.update, kwargs={"b": ()})


def change_b(screen: Screen, applied: Applied, source: Source, result: Trace | Listing | None) -> None:
    """The ways to change B: its history by chips, heads and experts, gate and router, and the model."""
    _history(screen, applied)
    with st.container(horizontal=True, key="what_if_ways_controls", vertical_alignment="center", gap="small"):
        with st.container(width=370):
            _another(screen, applied)
        if isinstance(result, Trace):
            H, N = result.router.shape[1:]
            # Filled when they are opened: two dozen controls that most visits never see.
            switches = st.popover("Heads and experts", key="what_if_switches", on_change="rerun")
            if switches.open:
                with switches:
                    _switches(screen, applied, H, N)
            sliders = st.popover("Gate and router", key="what_if_sliders", on_change="rerun")
            if sliders.open:
                with sliders:
                    _sliders(screen, result)
        with st.container(width=330):
            _model(screen, source)


# ---- the history


def _chosen(screen: Screen, applied: Applied) -> int | None:
    """The place in B's history that was clicked."""
    text = screen.option("what_if_at")
    return int(text) if text and int(text) < len(applied.history) else None


def _history(screen: Screen, applied: Applied) -> None:
    """B's history as chips: the one that is clicked can be replaced, removed or moved."""
    catalogue, at = screen.bundle.catalogue, _chosen(screen, applied)
    labels = [catalogue.label(catalogue.row(item)) for item in applied.history]
    if not labels:
        return

    def choose(place: int | None) -> None:
        session.update(what_if_at=None if place is None else str(place))

    with st.container(horizontal=True, key="what_if_history", vertical_alignment="center", gap="small"):
        widgets.styled("B's history:", "fame-model", "Click one to replace, remove or move it")
        st.pills(
            "B's history: click one to replace, remove or move it", list(range(len(labels))),
            format_func=lambda i: widgets.literal(labels[i]), label_visibility="collapsed",
            **widgets.tied("what_if_at", at, choose),
        )  # fmt: skip
    if at is None:
        return
    item, last = applied.history[at], len(labels) - 1
    with st.container(horizontal=True, key="what_if_edit", vertical_alignment="center", gap="small"):
        widgets.styled(f"{labels[at]}:", "fame-model")
        _button("Remove", "remove", Remove(at, item), ":material/delete:")
        _button("Earlier", "earlier", Move(at, item, at - 1), ":material/arrow_back:", at == 0)
        _button("Later", "later", Move(at, item, at + 1), ":material/arrow_forward:", at == last)
        _button("To the end", "last", Move(at, item, last), ":material/last_page:", at == last)


def _button(label: str, key: str, change: Change, icon: str, disabled: bool = False) -> None:
    st.button(label, key=f"what_if_{key}", icon=icon, on_click=make, args=(change,), disabled=disabled)


def _another(screen: Screen, applied: Applied) -> None:
    """Another item, in the place of the one that is clicked, or at the end."""
    catalogue, at = screen.bundle.catalogue, _chosen(screen, applied)

    def put(row: int) -> None:
        new = str(catalogue.item_id[row])
        make(Add(len(applied.history), new) if at is None else Replace(at, applied.history[at], new))

    title = "" if at is None else str(catalogue.title[catalogue.row(applied.history[at])])
    label = f"Add {screen.words['a']}" if at is None else f"Instead of {widgets.literal(title)}"
    held = {catalogue.row(item) for item in applied.history}
    item_picker.take(screen, label, "what_if_put", put, held)


# ---- inside the model


def _switches(screen: Screen, applied: Applied, H: int, N: int) -> None:
    """Which heads and experts are off in B."""
    st.caption("Choose what to switch off.")
    inside = applied.intervention
    for h in range(H):
        now = [-1] * (h in inside.heads_off) + [n for g, n in inside.experts_off if g == h]
        st.pills(
            screen.head_name(h) if screen.bundle.config.n_heads == H else f"Head {h + 1}",
            [-1, *(range(N) if N > 1 else ())], selection_mode="multi",
            format_func=lambda n: "whole head" if n < 0 else f"expert {n + 1}",
            **widgets.tied(f"what_if_off_{h}", now, _switch(h, now)),
        )  # fmt: skip


def _switch(h: int, now: Sequence[int]) -> Callable[[Sequence[int]], None]:
    """What a choice in a head's switches does."""

    def off(n: int) -> Change:
        return HeadOff(h) if n < 0 else ExpertOff(h, n)

    def take(chosen: Sequence[int]) -> None:
        gone = [off(n) for n in now if n not in chosen]
        if kept := [change for change in gone if change not in session.current().b]:
            st.toast(f"{kept[0].words(str).capitalize()} in A too: switch it on there.", icon=":material/block:")
        unmake(*gone)
        for n in chosen:
            if n not in now:
                make(off(n))

    return take


def _sliders(screen: Screen, b: Trace) -> None:
    """B's gate, and its router of the head on show, set by hand."""
    H, N = b.router.shape[1:]
    h = min(screen.head, H - 1)
    by_hand = {(c.kind, getattr(c, "head", None)): c for c in screen.state.b if isinstance(c, (Gate, Router))}
    st.caption("Sliders set raw weights; shares follow from them.")
    if H > 1:
        _set("Gate", "gate", b.gate[-1].tolist(), by_hand.get(("gate", None)), "head", Gate)
    if N > 1:
        name, own = f"Router of head {h + 1}", by_hand.get(("router", h))
        _set(name, f"router_{h}", b.router[-1, h].tolist(), own, "expert", lambda weights: Router(h, weights))
    if H == N == 1:
        st.caption("One head with one expert: there is nothing to weigh.")


def _set(
    name: str, key: str, shares: Sequence[float], own: Gate | Router | None, of: str,
    change: Callable[[tuple[float, ...]], Change],
) -> None:  # fmt: skip
    """Sliders for weights: those set by hand, scaled so that they fit, or the shares that B's model computes."""
    raw = shares if own is None else [w / max(1.0, *own.weights) for w in own.weights]
    percents = [round(100 * w) for w in raw]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{name}**", width="content")
        if own is not None:
            st.button("As computed", key=f"what_if_{key}_own", type="tertiary", on_click=unmake, args=(own,))
    for i, percent in enumerate(percents):

        def take(value: int, i: int = i) -> None:
            weights = [value if j == i else p for j, p in enumerate(percents)]
            if any(weights):
                make(change(tuple(w / 100 for w in weights)))
            else:
                st.toast("One weight must stay above 0.", icon=":material/block:")

        st.slider(f"{of.capitalize()} {i + 1}", 0, 100, **widgets.tied(f"what_if_{key}_{i}", percent, take))


# ---- the model


def _model(screen: Screen, source: Source) -> None:
    """Which model B asks."""
    own = screen.source.name
    every = {each.name: each for each in sources.sources()}

    def called(name: str) -> str:
        if name == own:
            return f"{own} (as A)"
        return f"{name} · {sources.kind(every[name])}" if sources.has_heads(every[name]) else f"{name} · no heads"

    def take(name: str) -> None:
        unmake(*(change for change in session.current().b if isinstance(change, Model)))
        if name != own:
            make(Model(name))

    if len(every) > 1:
        st.selectbox(
            "Model", [own, *(name for name in every if name != own)], format_func=called,
            **widgets.tied("what_if_model", source.name, take),
        )  # fmt: skip
