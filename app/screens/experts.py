"""Experts: which expert looked where?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import item_picker, notes, session, sources, widgets
from app.screen import Declaration, Option, Screen
from app.sources import Source, shared
from app.state import State
from fame import explain, plots
from fame.plots.last_step import measured, say_signs
from fame.plots.picture import Chart
from fame.plots.style import Theme
from fame.trace import Intervention, Trace

__all__ = ["SCREEN", "render"]

LONG = 36  # items above which a map takes the page's whole width
MANY = 5  # heads or experts above which they are told by their numbers only
GATES = {"held": "Gate held", "recomputed": "Gate computed again"}
HELP = """
Inside a head, several **experts** look back over the history, each with its own attention: the rows of the first
picture, for the last step. The **router** weighs the experts, the bar at the row's end; with these weights their rows
mix into the one attention of the head, in ink below. The router's entropy says how evenly it spreads: 1 is the same
for all, 0 is one expert alone.

*Attention is not an explanation.* What is looked at a lot can matter little. So under the attention stands what
was measured: the model is run again without each {one}, and the bar is what the {one} adds to the chosen one.

The same holds for experts. Their shares of a score do not add up, so that an expert's effect is shown by running the
head again with this expert alone, and with all its experts but this one; with the gate *held* as it was, or *computed
again* from the changed head.

Where experts have **preferences of their own** (an anchor each), the first picture shows them: what an expert
recommends whatever the history, and what that adds to the chosen {one}. These parts *do* add up: the head's state,
which holds what the history says and what all its experts share, plus what sets each expert apart times its router
weight. An expert has a name where one
value of an attribute gathers among its first 40 {many} as it does for few random directions of the same space. Another
training may cut the same tastes in another way: where the recipe was trained anew, each list says how much of it was
found again.

The last picture is the journey: each step holds exactly what the model would say of the {many} up to there.
"""
MEASURES = {  # what an effect is measured on
    "score": "its final score",
    "lead": "its lead over the average candidate",
    "head": "head {head}'s own score of it",
}
SCREEN = Declaration(
    title="Experts",
    question="Which expert looked where?",
    order=3,
    help=HELP,
    options={
        "experts_map": Option(lambda screen, which: which in _which(screen.bundle.config.n_experts), "mix"),
        "experts_measure": Option(MEASURES, "score"),
        "experts_gate": Option(GATES, "held"),
    },
)


def _which(N: int) -> list[str]:
    """The maps of a head: its mix, and each of several experts."""
    return ["mix", *(map(str, range(1, N + 1)) if N > 1 else ())]


def _called(which: str) -> str:
    return "its experts mixed" if which == "mix" else f"expert {which}"


def render(screen: Screen) -> None:
    trace, now = screen.trace, screen.state
    N, head = trace.router.shape[-1], screen.head
    ranking = trace.ranking(exclude_history=now.hide_seen)
    if len(ranking):
        row = screen.item
    else:
        ranking = trace.ranking(exclude_history=False)
        row = now.item or int(ranking[0])
    one, many = screen.words["one"], screen.words["many"]
    measure = screen.option("experts_measure")
    with screen.controls:
        _controls(screen, head, row, ranking.tolist(), measure)
    if N == 1:
        st.info(
            "In this model every head has one expert: there is no router to choose, and what it looks at is the "
            "head's attention. That makes it the control for the models with several experts.",
            icon=":material/info:",
        )
    if known := screen.bundle.preferences:
        _preferences(screen, trace, head, row, known)
        widgets.subheading("Where the head looked", "Its experts' attention at the last step, and what was measured.")
    _last_step(screen, trace, head, row, measure)
    widgets.subheading(
        "All heads and experts" if N > 1 else "All heads", f"Steps down, {many} across. Choose one to see its map."
    )
    _maps(screen, trace, head)
    if N > 1:
        widgets.subheading(
            "What each expert alone would recommend",
            f"The head run with one expert alone. Above each list: where the {one} to explain stands in it, and in the "
            "final list that follows.",
        )
        _own_lists(screen, trace, head, row)
    widgets.subheading("The journey", f"How {'gate and routers' if N > 1 else 'the gate'} moved as the history grew.")
    _journey(screen, trace, head)


def _controls(screen: Screen, head: int, row: int, ranking: list[int], measure: str) -> None:
    H, one = screen.trace.router.shape[1], screen.words["one"]
    if H > 1:
        st.segmented_control(
            "Head", list(range(H)), format_func=lambda h: screen.head_name(h) if H <= MANY else f"{h + 1}",
            required=True, label_visibility="collapsed", **widgets.controlled("experts_head", head, "head"),
        )  # fmt: skip
    with st.container(width=370):
        item_picker.choose(screen, f"{one.capitalize()} to explain", "experts_film", "item", row, ranking)
    with st.container(width=330):
        st.selectbox(
            "measured on", list(MEASURES), format_func=lambda name: MEASURES[name].format(one=one, head=head + 1),
            **widgets.controlled("experts_measure", measure, "experts_measure"),
        )  # fmt: skip


# ---- what experts prefer


def _preferences(screen: Screen, trace: Trace, head: int, row: int, known: list[explain.Preference]) -> None:
    hide = screen.state.hide_seen
    widgets.subheading("What each expert prefers", "Whatever the history, and what that adds now.")
    widgets.write(*widgets.with_badges(explain.say_parts(trace, head, row, known, hide), "", notes.PARTS))
    picture = plots.expert_preferences(trace, head, known, row, hide, screen.theme)
    widgets.mount(picture, "experts_preferences", pick=lambda: _choose("experts_preferences", len(trace.scores)))
    unnamed = not all(p.name for p in known if p.head == head)
    mostly = (
        "“Mostly” describes a list and is no name: where chance gathers as much more than 1 time in 20, it is one "
        "of many ways to cut these tastes."
    )
    if said := " ".join(filter(None, [mostly if unnamed else "", explain.say_recurring(known)])):
        widgets.styled(said, "fame-note")
    with st.container(horizontal=True):
        code = f"fame.plots.expert_preferences(trace, {head}, bundle.preferences, {row}, hide_seen)"
        widgets.save(screen, picture, "experts_preferences_file", table="Preferences as CSV", code=code)


# ---- the last step


def _last_step(screen: Screen, trace: Trace, head: int, row: int, measure: str) -> None:
    left_out = _left_out(screen.source, screen.state, row)
    column, of = measured(measure, head)
    said = [explain.say_attention(trace, head, row, left_out[column].to_numpy(), of), say_signs(trace, head, left_out)]
    if trace.router.shape[-1] > 1:
        said.append(explain.say_router(trace, head))
    for sentence in filter(None, said):
        widgets.write(*widgets.with_badges(sentence, "", notes.ATTENTION))
    widgets.write(
        widgets.Bold("Attention is not an explanation: "),
        f"what {screen.words['a']} adds is measured, by leaving it out.",
    )
    picture = plots.last_step(trace, head, left_out, row, measure, screen.theme)
    widgets.mount(picture, "experts_strip")
    with st.container(horizontal=True):
        code = (
            f"left_out = explain.leave_one_out(bundle.model, bundle.catalogue, rows, {row}, change, "
            f"exclude_history=hide_seen)\npicture = fame.plots.last_step(trace, {head}, left_out, {row}, {measure!r})"
        )
        widgets.save(screen, picture, "experts_last_step", table="Attention and effects as CSV", code=code)


def _left_out(source: Source, now: State, row: int) -> pd.DataFrame:
    return _without_each(source, now.history, now.intervention, row, now.hide_seen)


@shared(128)
def _without_each(
    source: Source, history: tuple[int, ...], change: Intervention, row: int, hide_seen: bool
) -> pd.DataFrame:
    bundle = sources.load(source)
    return explain.leave_one_out(bundle.model, bundle.catalogue, history, row, change, exclude_history=hide_seen)


# ---- all maps, and one


def _maps(screen: Screen, trace: Trace, head: int) -> None:
    H, N, T, _ = trace.attention.shape
    chosen = screen.option("experts_map")
    expert = None if chosen == "mix" else int(chosen) - 1
    with st.container(key="experts_two"):
        apart = N > MANY or T > LONG
        left, right = (st.container(), st.container()) if apart else st.columns([2, 3], gap="large")
    with left:
        grid = plots.attention_grid(trace, head, expert, screen.theme)
        widgets.mount(grid, "experts_tiles", pick=lambda: _pick(H, N))
        with st.container(horizontal=True):
            code = f"fame.plots.attention_grid(trace, {head}, {expert})"
            widgets.save(screen, grid, "experts_grid", table="All attention as CSV", code=code)
    with right:
        if N > 1:
            st.selectbox(
                f"Map of head {head + 1}", _which(N), width=260, format_func=_called,
                **widgets.controlled("experts_map", chosen, "experts_map"),
            )  # fmt: skip
            widgets.on_paper(f"Map of head {head + 1}: {_called(chosen)}")
        else:
            widgets.styled(f"Map of head {head + 1}", "fame-shape")
        picture = plots.attention_map(trace, head, expert, screen.theme)
        widgets.mount(picture, "experts_full")
        with st.container(horizontal=True):
            code = f"fame.plots.attention_map(trace, {head}, {expert})"
            widgets.save(screen, picture, "experts_map_file", table="Map as CSV", code=code)


def _pick(H: int, N: int) -> None:
    """The tile that was clicked. It comes from outside and may be anything."""
    asked = st.session_state["experts_tiles"].get("pick")
    if isinstance(asked, dict):
        h, n = asked.get("head"), asked.get("expert")
        if isinstance(h, int) and 0 <= h < H and (n is None or (isinstance(n, int) and N > 1 and 0 <= n < N)):
            session.update(head=h, experts_map=None if n is None else str(n + 1))


# ---- lists


def _own_lists(screen: Screen, trace: Trace, head: int, row: int) -> None:
    now = screen.state
    gate = screen.option("experts_gate")
    st.segmented_control(
        f"Effects on the {screen.noun}", list(GATES), format_func=GATES.__getitem__, required=True,
        **widgets.controlled("experts_gate", gate, "experts_gate"),
    )  # fmt: skip
    widgets.on_paper(f"Effects on the {screen.noun}: {GATES[gate].lower()}")
    effects = _expert_effects(screen.source, now.history, row, now.hide_seen)
    picture = plots.expert_lists(trace, head, effects, row, now.k, now.hide_seen, gate == "held", screen.theme)
    widgets.mount(picture, "experts_lists", pick=lambda: _choose("experts_lists", len(screen.bundle.catalogue)))
    if now.intervention:
        st.caption("Ranks and differences of the experts in the final list are measured on the untouched model.")
    with st.container(horizontal=True):
        code = (
            f"effects = explain.expert_effects(bundle.model, bundle.catalogue, rows, {row}, hide_seen)\n"
            f"picture = fame.plots.expert_lists(trace, {head}, effects, {row}, k, hide_seen, {gate == 'held'})"
        )
        widgets.save(screen, picture, "experts_lists_file", table="Lists as CSV", code=code)
        widgets.download_table(
            "Effects of all experts as CSV", effects, screen.file("expert-effects.csv"), "experts_effects_csv"
        )  # fmt: skip


def _choose(key: str, V: int) -> None:
    """The item that was clicked in a list. It comes from outside and may be anything."""
    row = st.session_state[key].get("pick")
    if isinstance(row, int) and 0 < row < V:
        session.update(item=row)


@shared(128)
def _expert_effects(source: Source, history: tuple[int, ...], row: int, hide_seen: bool) -> pd.DataFrame:
    bundle = sources.load(source)
    return explain.expert_effects(bundle.model, bundle.catalogue, history, row, hide_seen)


# ---- the journey


def _journey(screen: Screen, trace: Trace, head: int) -> None:
    widgets.write(*widgets.with_badges(explain.say_gate_turn(trace), "", notes.TURN))
    if moved := explain.say_router_turn(trace, head):
        widgets.write(*widgets.with_badges(moved, "", notes.TURN))
    now = screen.state
    picture = _journey_picture(screen.source, now.history, now.intervention, head, screen.theme)
    widgets.mount(picture, "experts_journey")
    with st.container(horizontal=True):
        code = f"fame.plots.journey(trace, head={head})"
        widgets.save(screen, picture, "experts_journey_file", table="Journey as CSV", code=code)


@shared(64)
def _journey_picture(source: Source, history: tuple[int, ...], change: Intervention, head: int, theme: Theme) -> Chart:
    return plots.journey(sources.trace(source, history, change), theme, head)
