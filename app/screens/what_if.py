"""What if: what would change it? A beside B, which is A with changes, and the smallest change that would do it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app import item_picker, notes, session, sources, state, widgets
from app.change_b import change_b, chips
from app.screen import Declaration, Option, Screen
from app.smallest import KINDS, find
from app.sources import Source
from fame import explain, plots
from fame.errors import FameError
from fame.explain import Applied, Listing
from fame.plots import Origin
from fame.trace import Trace

__all__ = ["SCREEN", "other_side", "render"]

HELP = """
**A** is what the bar above shows: its history, its model, and what is changed inside. **B** is A with the changes that
stand as chips: take one off by its cross, undo and redo as everywhere, and copy the link, which holds them all.

**The two lists** are the final ones. An arrow says how many places {a} won (▲) or lost (▼) on its way from A to B, and
→ where it goes. *Alike* is rank-biased overlap: 100% for equal lists, the first places count most.

**Two bars**: the outlined one is A, the filled one B, for the gate and for the router of one head.

**The change of a score** adds up, head by head. *Held*: B's own experts, weighed by the gate and routers of A (the
direct effect). *Recomputed adds*: what follows from gate and routers changing too (the indirect effect). Scores of two
different models have no common scale, so that only their places are compared.

**The smallest change** tries every removal of one {one}, and every replacement by any other {one} of the catalogue that
is not in the history; each is a run of the model, none is estimated. Removals come first, then the replacements most
alike to what was replaced, in the model's own item space. Where none does it, pairs of the best are tried.
"""


def _wish(screen: Screen) -> str:
    """The wish that the form opens with: to be first, unless it is."""
    ranking = screen.trace.ranking()
    return "out" if len(ranking) and ranking[0] == screen.item else "first"


SCREEN = Declaration(
    title="What if",
    question="What would change it?",
    order=4,
    help=HELP,
    options={
        "what_if_wish": Option(KINDS, _wish),
        "what_if_within": Option(
            lambda screen, value: value.isascii() and value.isdigit() and 0 < int(value) <= state.MAX_K, "10"
        ),
        "what_if_other": Option(lambda screen, value: value in screen.bundle.catalogue),
        "what_if_at": Option(
            lambda screen, value: value.isascii() and value.isdigit() and len(value) < 4, of_history=True
        ),
    },
)


@dataclass(frozen=True)
class B:
    """The other side: what it is, and what it recommends; or why it recommends nothing."""

    applied: Applied
    source: Source
    rows: tuple[int, ...] = ()
    result: Trace | Listing | None = None
    said: tuple[str, ...] = ()
    wrong: str = ""


def other_side(screen: Screen) -> B:
    """B, run."""
    now, catalogue = screen.state, screen.bundle.catalogue
    history = [str(catalogue.item_id[row]) for row in now.history]
    source, everything = screen.source, {each.name: each for each in sources.sources()}
    asked = [change.name for change in now.b if isinstance(change, explain.Model)][-1:]
    wrong = f"there is no model {asked[0][:40]!r} here" if asked and asked[0] not in everything else ""
    if asked and not wrong:
        source = everything[asked[0]]
    try:
        bundle = sources.load(source)
        b = explain.apply_changes(now.b, history, now.intervention, catalogue, bundle.config, screen.source.name)
    except FameError as error:  # a bundle that cannot be opened
        source, bundle, wrong = screen.source, screen.bundle, str(error)
        b = explain.apply_changes(now.b, history, now.intervention, catalogue, bundle.config, screen.source.name)
    if wrong:
        return B(b, source, wrong=f"B cannot be shown: {wrong}. Undo that change, or choose another model.")
    if not b.history:
        return B(b, source, said=b.said, wrong="Nothing is left of B's history. Undo a change, or add something to it.")
    try:
        rows, lacking = explain.carried(b.history, catalogue, bundle.catalogue, source.name)
        if bundle.config.variant == "fame":
            result: Trace | Listing = sources.trace(source, tuple(rows), b.intervention)
        else:
            result = sources.final_list(source, tuple(rows))
    except FameError as error:
        return B(b, source, said=b.said, wrong=f"{error}.")
    return B(b, source, tuple(rows), result, (*b.said, *([lacking] if lacking else [])))


def render(screen: Screen) -> None:
    now, one, many = screen.state, screen.words["one"], screen.words["many"]
    a, b = screen.trace, other_side(screen)
    item = _item(screen, a)
    with screen.controls:
        with st.container(width=370):
            item_picker.choose(
                screen, f"{one.capitalize()} looked at", "what_if_item", "item", item, a.ranking().tolist()
            )
        st.toggle(f"Hide {many} already seen", **widgets.controlled("what_if_seen", now.hide_seen, "hide_seen"))
        st.number_input(
            f"{many.capitalize()} per list, 1–{state.MAX_K}", 1, state.MAX_K, width=250,
            **widgets.controlled("what_if_k", now.k, "k"),
        )  # fmt: skip
    change_b(screen, b.applied, b.source, b.result)
    chips(screen, b.applied)
    for sentence in b.said:
        widgets.styled(sentence, "fame-note")
    if b.result is None:
        st.warning(widgets.literal(b.wrong), icon=":material/info:")
        find(screen, item)
    else:
        _beside(screen, a, b, b.result, item)


def _item(screen: Screen, a: Trace) -> int:
    """The chosen item; where nothing is left to recommend, the best of all."""
    if screen.state.item or len(a.ranking(exclude_history=screen.state.hide_seen)):
        return screen.item
    return int(a.ranking(exclude_history=False)[0])


def _beside(screen: Screen, a: Trace, b: B, result: Trace | Listing, item: int) -> None:
    now, title = screen.state, str(a.catalogue.title[item])
    said = explain.say_changes(a, result, item, now.k, now.hide_seen)
    if not now.b:
        said = f"B is A so far: change something, or look for the smallest change. {said}"
    widgets.write(*widgets.with_badges(said, title, notes.CHANGE))
    origin = Origin(screen.model, screen.origin.history, "; ".join(_words(screen)), "")
    names = tuple(
        f"{side.name}, {_count(len(rows), screen.noun)}"
        for side, rows in ((screen.source, now.history), (b.source, b.rows))
    )
    lists = plots.what_if(a, result, item, now.k, now.hide_seen, (names[0], names[1]), screen.theme, origin)
    with st.container(key="what_if_two"):
        left, right = st.columns([1, 1], gap="large")
    with left:
        widgets.mount(lists, "what_if_lists", pick=lambda: _pick(len(screen.bundle.catalogue)))
        with st.container(horizontal=True):
            code = f"fame.plots.what_if(trace, other, {item}, k, hide_seen, {(names[0], names[1])!r})"
            widgets.save(screen, lists, "what_if_lists_save", table="Lists as CSV", caption=origin.line, code=code)
        find(screen, item)
    with right:
        if isinstance(result, Listing):
            widgets.write(
                f"{b.source.name} is a SASRec: it has no heads, gate or experts; only its list stands beside A's."
            )
            return
        change = _score_change(screen, a, b, result, item)
        if change is not None and now.b:
            widgets.write(*widgets.with_badges(explain.say_score(change, title), title, notes.CHANGE))
        elif change is None:
            widgets.write("Scores of two models have no common scale; heads of one number are different heads in each.")
        inside = plots.what_if_inside(a, result, change if now.b else None, item, screen.head, screen.theme, origin)
        widgets.mount(inside, "what_if_inside", head=lambda: _choose_head(screen.bundle.config.n_heads))
        with st.container(horizontal=True):
            code = _code(change is not None and bool(now.b), item)
            widgets.save(screen, inside, "what_if_inside_save", caption=origin.line, code=code)


def _code(one_model: bool, item: int) -> str:
    """The Python of what is inside; scores of two models have no common scale."""
    if not one_model:
        return f"fame.plots.what_if_inside(trace, other, None, {item}, head)"
    return (
        "held = bundle.trace(list(b.history), explain.held(trace, other))\n"
        f"picture = fame.plots.what_if_inside(trace, other, explain.score_change(trace, other, held, {item}), {item}, "
        "head)"
    )


def _score_change(screen: Screen, a: Trace, b: B, result: Trace, item: int) -> pd.DataFrame | None:
    """Where the item's score changes, head by head; None where another model is asked."""
    if b.source != screen.source:
        return None
    held = sources.trace(b.source, b.rows, explain.held(a, result))
    return explain.score_change(a, result, held, item)


def _words(screen: Screen) -> list[str]:
    catalogue = screen.bundle.catalogue
    return [
        change.words(lambda i: catalogue.label(catalogue.row(i)) if i in catalogue else i) for change in screen.state.b
    ]


def _count(n: int, noun: str) -> str:
    return f"after {n} {noun}{'' if n == 1 else 's'}"


def _pick(V: int) -> None:
    row = st.session_state["what_if_lists"].get("pick")
    if isinstance(row, int) and 0 < row < V:
        session.update(item=row)


def _choose_head(H: int) -> None:
    head = st.session_state["what_if_inside"].get("head")
    if isinstance(head, int) and 0 <= head < H:
        session.update(head=head)
