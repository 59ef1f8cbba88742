"""The live pictures beside a lesson's cards: the screens' own, with one part lit."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import streamlit as st

from app import session, sources, widgets
from app.change_b import change_b, chips
from app.lesson_deeds import without_most_missed
from app.lesson_path import Place
from app.screen import Screen
from app.screens import atlas, merge, what_if
from app.sources import Source, shared
from fame import explain, plots
from fame.errors import FameError
from fame.lessons import PICTURES, Scene
from fame.plots import Chart, Component, Origin, Picture, look
from fame.trace import NOTHING, Trace

__all__ = ["draw"]

NEXT = ("head-that-falls", "head-that-rises")  # answers that the picture shows with the next item added
OF_HEAD = ("attention", "effects", "journey")  # pictures of one head, which is chosen over them
OF_MODEL = ("probes", "course")  # that follow no history


def draw(screen: Screen, here: Place, done: bool) -> None:
    """The picture of a card, as it is before or after the card is done."""
    card = here.card
    name = card.show if done or not card.before else card.before
    if name == "nothing":
        widgets.full_page("Predict first", "The picture follows your answer.")
        return
    if name not in OF_MODEL and not screen.state.history:
        widgets.full_page("The history is empty", "Go back to this card's beginning, or add something to it above.")
        return
    after = done and card.question and card.answer in NEXT
    trace = None if name in OF_MODEL else here.scene.after if after else here.scene.trace
    light = card.light if name == card.show and card.light else ""
    if name in OF_HEAD and screen.bundle.config.n_heads > 1:
        _heads(screen)
    DRAWN[name](screen, here, trace, light)


def _heads(screen: Screen) -> None:
    st.segmented_control(
        "Head", list(range(screen.bundle.config.n_heads)), format_func=screen.head_name, required=True,
        label_visibility="collapsed", **widgets.controlled("lesson_head", screen.head, "head"),
    )  # fmt: skip


def _mount(picture: Picture, screen: Screen, name: str, light: str, **triggers: Callable[[], None]) -> None:
    """A picture with a part of it lit; what its triggers send is found under its key, `lesson_` and the name."""
    part = PICTURES[name][light] if light else ""
    if part and isinstance(picture, Component):
        picture = replace(picture, data={**picture.data, "light": part})
    elif part and isinstance(picture, Chart):
        picture = _framed(picture, part, screen)
    key = f"lesson_{name.replace('-', '_')}"
    widgets.mount(picture if picture.origin.model else picture.with_origin(screen.origin), key, **triggers)


def _framed(picture: Chart, part: str, screen: Screen) -> Chart:
    """A chart with a frame around one of its axes, or its rows of heads or of references."""
    sheet, H = deepcopy(picture.sheet), screen.bundle.config.n_heads
    rows = {"heads": (-0.5, H - 0.5), "references": (H - 0.3, sheet.layout["yaxis"]["range"][0])}
    low, high = rows[part] if part in rows else sheet.layout[part]["domain"]
    sheet.add_shape(
        type="rect", xref="paper", yref="y" if part in rows else "paper", x0=0, x1=1, y0=low, y1=high,
        line={"color": look(screen.theme).ink, "width": 3},
    )  # fmt: skip
    return replace(picture, sheet=sheet)


def _picked(key: str, V: int) -> Callable[[], None]:
    def pick() -> None:
        row = st.session_state[key].get("pick")
        if isinstance(row, int) and 0 < row < V:
            session.update(item=row)

    return pick


# ---- one a picture


def _story(screen: Screen, here: Place, trace: Trace, light: str) -> None:
    now = screen.state
    picture = plots.story(
        screen.bundle, trace, now.k, now.hide_seen, _looked_at(here.scene, trace), screen.theme, screen.names
    )
    _mount(picture, screen, "story", light, pick=_picked("lesson_story", len(screen.bundle.catalogue)))


def _looked_at(scene: Scene, trace: Trace) -> int:
    return scene.item or int(trace.ranking()[0])


def _merge(screen: Screen, here: Place, trace: Trace, light: str) -> None:
    now = screen.state
    change = now.intervention
    base = screen.trace_of(intervention=replace(change, gate=None, heads_off=()))
    shown = explain.regate(base, change.gate, change.heads_off)
    picture = plots.merge(
        screen.bundle, shown, merge.listed(screen), now.hide_seen, False, _looked_at(here.scene, base),
        screen.theme, screen.names, (screen.trace_of(intervention=NOTHING), base), screen.trace_of(intervention=change),
    )  # fmt: skip

    def gate() -> None:
        asked = st.session_state["lesson_merge"].get("gate")
        now = session.current().intervention
        if (wanted := merge.read_gate(asked, True, now, screen.bundle.config)) is not None:
            session.update(intervention=wanted)

    def item() -> None:
        row = st.session_state["lesson_merge"].get("item")
        if isinstance(row, int) and 0 < row < len(screen.bundle.catalogue):
            session.update(item=row)

    _mount(picture, screen, "merge", light, gate=gate, item=item)


def _attention(screen: Screen, here: Place, trace: Trace, light: str) -> None:
    _mount(plots.last_step(trace, screen.head, None, here.scene.row, theme=screen.theme), screen, "attention", light)


def _effects(screen: Screen, here: Place, trace: Trace, light: str) -> None:
    left_out = here.scene.left_out
    picture = plots.last_step(trace, screen.head, left_out, here.scene.row, theme=screen.theme)
    _mount(picture, screen, "effects", light)


def _journey(screen: Screen, here: Place, trace: Trace, light: str) -> None:
    _mount(plots.journey(trace, screen.theme, screen.head), screen, "journey", light)


def _gate(screen: Screen, here: Place, trace: Trace, light: str) -> None:
    _mount(plots.journey(trace, screen.theme, screen.head, routers=False), screen, "gate", light)


def _maps(screen: Screen, here: Place, trace: Trace, light: str) -> None:
    if screen.bundle.atlas is None:
        raise FameError("this model has no maps; choose one that was saved with its atlas")
    top = st.container(horizontal=True, key="lesson_atlas_top")
    atlas.maps(replace(screen, name="atlas", declaration=atlas.SCREEN, header=top))


def _probes(screen: Screen, here: Place, trace: None, light: str) -> None:
    found = sources.findings(screen.source)
    if isinstance(found, str) or not found.attributes:
        raise FameError("nothing was probed in this model; choose one that was saved with evidence")
    _mount(plots.probes(found, screen.theme).with_origin(Origin(screen.model)), screen, "probes", light)


def _what_if(screen: Screen, here: Place, trace: Trace, light: str) -> None:
    screen = replace(screen, name="what_if", declaration=what_if.SCREEN)
    if here.card.answer == "rank-without-it":  # asked, so that there is nothing to change by hand
        screen = replace(screen, state=screen.state.changed(b=(without_most_missed(here.scene),)))
    now, a, b = screen.state, screen.trace, what_if.other_side(screen)
    if b.result is None:
        st.warning(widgets.literal(b.wrong), icon=":material/info:")
    else:
        names = (f"{screen.source.name}, A", f"{b.source.name}, B")
        row = here.scene.row
        lists = plots.what_if(a, b.result, row, now.k, now.hide_seen, names, screen.theme, screen.origin)
        said = explain.say_changes(a, b.result, row, now.k, now.hide_seen)
        widgets.write(*widgets.with_badges(said, here.scene.title))
        _mount(lists, screen, "what-if", light, pick=_picked("lesson_what_if", len(screen.bundle.catalogue)))
    if here.card.do:
        chips(screen, b.applied)
        change_b(screen, b.applied, b.source, b.result)


def _course(screen: Screen, here: Place, trace: None, light: str) -> None:
    course = screen.bundle.course
    if course is None:
        raise FameError("the training of this model was not watched; choose one that was trained with watch")
    _epochs(screen, course.epochs.tolist(), here.scene.epoch)
    viewer = min(int(screen.option("lesson_viewer")), len(course.items)) - 1
    st.segmented_control(
        "Simulated viewer", [str(i + 1) for i in range(len(course.items))], required=True,
        **widgets.controlled("lesson_viewer_box", str(viewer + 1), "lesson_viewer"),
    )  # fmt: skip
    picture = _at_epoch(screen.source, here.scene.epoch, viewer, screen.theme, not screen.state.present)
    _mount(picture.with_origin(Origin(screen.model)), screen, "course", light)


@shared(64)
def _at_epoch(source: Source, at: int, viewer: int, theme: plots.Theme, routers: bool) -> Chart:
    bundle = sources.load(source)
    assert bundle.course is not None
    return plots.course(bundle.course, bundle.catalogue, at, viewer, theme, routers)


def _epochs(screen: Screen, epochs: list[int], at: int) -> None:
    st.select_slider(
        "Epoch of training", epochs,
        **widgets.controlled("lesson_epoch_box", epochs[at], "lesson_epoch", lambda epoch: str(epochs.index(epoch))),
    )  # fmt: skip


DRAWN: dict[str, Callable[[Screen, Place, Any, str], None]] = {
    "story": _story,
    "merge": _merge,
    "attention": _attention,
    "effects": _effects,
    "journey": _journey,
    "gate": _gate,
    "maps": _maps,
    "probes": _probes,
    "what-if": _what_if,
    "course": _course,
}
