"""Merge: why does this item stand where it stands?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from app import item_picker, notes, session, state, widgets
from app.screen import Declaration, NothingToShow, Option, Screen
from fame import explain, plots
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.trace import NOTHING, Intervention, Trace

__all__ = ["SCREEN", "listed", "read_gate", "render"]

MANY = 5  # heads above which the table takes the page's whole width
FEWER = 4  # of the list while presenting: as many as have left it may stand below
VALUES = {"score": "Score", "lead": "Against the average candidate"}
HELP = """
Each head scores every {one}. The **gate** says how much each head counts for this history, and the score of {a} is the
sum over the heads of **gate × score**. The table shows those numbers, so that each row adds up; the badge gives the
largest difference, over all {many}, between that sum and the score of the model's own pass.

The slider over a column is the head's weight in the gate; the small mark is where the model put it. Sliders set raw
weights; the percentages over them are the resulting shares, which add up to 1. *Solo* keeps one head, *mute* takes one
out. The list is then merged again from the same head scores, which is exact, and arrows show the places won or lost
against the model's own.

A number that a head adds to all {many} alike moves no rank. *Against the average candidate* takes it away: what is left
says how much the head prefers this {one} to the mean over all {many} that may be recommended.

Everywhere on this screen **+ raises** the score of what it stands beside and **− lowers** it; where two are compared, +
speaks for the one that stands higher.
"""
SCREEN = Declaration(
    title="Merge",
    question="Why does this {one} stand where it stands?",
    order=2,
    help=HELP,
    options={
        "merge_values": Option(VALUES, "score"),
        "merge_a": Option(lambda screen, item: item in screen.bundle.catalogue, of_history=True),
        "merge_b": Option(lambda screen, item: item in screen.bundle.catalogue, of_history=True),
    },
    tells=("gate", "heads_off"),
)


def render(screen: Screen) -> None:
    change = screen.state.intervention
    base = screen.trace_of(intervention=replace(change, gate=None, heads_off=()))
    # What is compared and looked at stays while a slider is dragged.
    settled = explain.regate(base, change.gate, change.heads_off)
    ranking = settled.ranking(exclude_history=screen.state.hide_seen).tolist()
    if not len(ranking):
        raise NothingToShow(f"Every {screen.noun} of this catalogue is in the history", "There is none left to rank.")
    with screen.controls:
        _controls(screen, ranking)
    _panel(screen, base, ranking)


def listed(screen: Screen) -> int:
    """How many of the list are shown."""
    return min(screen.state.k, FEWER) if screen.state.present else screen.state.k


def _controls(screen: Screen, ranking: Sequence[int]) -> None:
    one, many, now = screen.words["one"], screen.words["many"], screen.state
    with st.container(width=370):
        item_picker.choose(screen, f"{one.capitalize()} to explain", "merge_film", "item", screen.item, ranking)
    st.segmented_control(
        "Numbers", list(VALUES), format_func=lambda name: VALUES[name].format(one=one), required=True,
        label_visibility="collapsed",
        **widgets.controlled("merge_values", screen.option("merge_values"), "merge_values"),
    )  # fmt: skip
    st.toggle(f"Hide {many} already seen", **widgets.controlled("merge_seen", now.hide_seen, "hide_seen"))
    st.number_input(
        f"{many.capitalize()} per list, 1–{state.MAX_K}", 1, state.MAX_K, width=250,
        **widgets.controlled("merge_k", now.k, "k"),
    )  # fmt: skip


@st.fragment
def _panel(screen: Screen, base: Trace, ranking: Sequence[int]) -> None:
    """Everything that the gate moves. In a fragment, so that dragging a slider redraws nothing else."""
    if session.touched():
        st.rerun()
    now, film = screen.state, screen.item
    natural = screen.trace_of(intervention=NOTHING)
    dragged = _asked(screen, done=False)
    change = dragged or now.intervention
    shown = explain.regate(base, change.gate, change.heads_off)
    sentence = explain.say_rank(shown, film, now.hide_seen, screen.names)
    widgets.write(*widgets.with_badges(sentence, str(shown.catalogue.title[film]), notes.RANK))
    wide = len(shown.head_scores) > MANY
    with st.container(key="merge_two"):
        left, right = (st.container(), st.container()) if wide else st.columns([3, 2], gap="large")
    with left:
        picture = plots.merge(
            screen.bundle, shown, listed(screen), now.hide_seen, screen.option("merge_values") == "lead", film,
            screen.theme, screen.names, (natural, base), None if dragged else screen.trace_of(intervention=change),
            not dragged,
        ).with_origin(screen.origin_of(change))  # fmt: skip
        widgets.mount(picture, "merge_table", gate=lambda: _set_gate(screen), item=lambda: _set_item(screen))
        with st.container(horizontal=True):
            widgets.save(screen, picture, "merge", code=_code(screen, film))
    with right:
        _why(screen, shown, ranking, _pair(screen, natural.ranking(exclude_history=now.hide_seen).tolist()))


def _code(screen: Screen, film: int) -> str:
    relative = screen.option("merge_values") == "lead"
    return (
        "base = bundle.trace(history, replace(change, gate=None, heads_off=()))\n"
        "shown = explain.regate(base, change.gate, change.heads_off)\n"
        f"picture = fame.plots.merge(bundle, shown, k, hide_seen, {relative}, {film}, names=names, "
        "untouched=(bundle.trace(history), base), run=trace)"
    )


def read_gate(asked: Any, done: bool, now: Intervention, config: FAMEConfig) -> Intervention | None:
    """What the sliders ask for, while dragging or when `done`, beside what is changed `now`; None if it asks nothing.

    It comes from outside and may be anything.
    """
    if not isinstance(asked, dict) or asked.get("done") is not done:
        return None
    try:
        weights, off = asked.get("weights"), tuple(int(h) for h in asked.get("off", ()))
        gate = None if weights is None else tuple(round(float(w), 4) for w in weights)
        change = replace(now, gate=gate, heads_off=off)
        change.check(config)
    except (FameError, TypeError, ValueError, OverflowError):
        return None
    return change


def _asked(screen: Screen, done: bool) -> Intervention | None:
    asked = st.session_state.get("merge_table", {}).get("gate")
    return read_gate(asked, done, session.current().intervention, screen.bundle.config)


def _set_gate(screen: Screen) -> None:
    if (change := _asked(screen, done=True)) is not None:
        session.update(intervention=change)


def _set_item(screen: Screen) -> None:
    row = st.session_state["merge_table"].get("item")
    if isinstance(row, int) and 0 < row < len(screen.bundle.catalogue):
        session.update(item=row)


# ---- A beats B


def _pair(screen: Screen, natural: Sequence[int]) -> tuple[int, int]:
    """The two items that are compared: the chosen ones, or the one looked at and the one that the model has just
    above it; below the first one, the second. A changed gate moves neither."""
    film = screen.item
    place = natural.index(film) if film in natural else 1
    a, b = (natural[place - 1], film) if place else (film, natural[min(1, len(natural) - 1)])
    catalogue = screen.bundle.catalogue
    chosen = screen.option("merge_a"), screen.option("merge_b")
    return item_picker.row_of(catalogue, chosen[0], a), item_picker.row_of(catalogue, chosen[1], b)


def _why(screen: Screen, shown: Trace, ranking: Sequence[int], pair: tuple[int, int]) -> None:
    a, b = pair
    picture = plots.beats(shown, rows=pair, theme=screen.theme).with_origin(screen.origin_of(shown.intervention))
    told = explain.beats(shown, a, b)
    first, second = ("A", "B") if told.winner == a else ("B", "A")
    widgets.subheading(f"{first} beats {second} because…" if told.margin else "A and B")
    with st.container(horizontal=True, key="merge_ab"):
        item_picker.choose(screen, "A", "merge_box_a", "merge_a", a, ranking, by_id=True)
        item_picker.choose(screen, "B", "merge_box_b", "merge_b", b, ranking, by_id=True)
    if a == b:
        widgets.write(f"A and B are the same {screen.noun}. Choose another one to compare.")
        return
    widgets.write(*widgets.with_badges(told.sentence, str(shown.catalogue.title[told.winner]), notes.BEATS))
    widgets.styled(f"Bars: gate × score of {first} less that of {second}; + speaks for {first}.", "fame-what")
    widgets.mount(picture, "merge_beats")
    with st.container(horizontal=True):
        code = f"fame.plots.beats(trace, rows=({a}, {b}))"
        widgets.save(screen, picture, "merge_beats", table="Differences as CSV", code=code)
