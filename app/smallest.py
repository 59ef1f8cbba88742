"""What if's search: the wish, how far it has come, what was found, and its way into B."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from app import item_picker, searching, session, state, widgets
from app.screen import Screen
from app.searching import Asked, Job
from fame import explain
from fame.explain import Found, Wish
from fame.text import percent

__all__ = ["KINDS", "find"]

KINDS = {"first": "first", "in": "in the top", "out": "out of the top", "above": "above another"}
OFTEN = 0.5  # seconds between looks at a search that runs


def find(screen: Screen, item: int) -> None:
    """The form and what came of it; while a search runs it looks again by itself."""
    with st.container(key="what_if_smallest"):
        _find(screen, item)


def _find(screen: Screen, item: int) -> None:
    widgets.subheading(
        "The smallest change",
        f"Which change of A's history would put {screen.bundle.catalogue.title[item]} where you want it?",
    )
    with st.container(horizontal=True, key="what_if_form_controls", vertical_alignment="center"):
        asked = _form(screen, item)
        place = st.container(width="content")
    job: Job | None = st.session_state.get("fame_search")
    if job is not None and job.asked != asked:  # another history, model or wish: what was found is not about it
        job.stop()
        job = None
    running = job is not None and not job.done
    with place:
        if running:
            st.button("Stop", key="what_if_stop", icon=":material/stop:", on_click=_stop)
        elif asked is not None:
            st.button("Find the smallest change", key="what_if_find", type="primary", on_click=_start, args=(asked,))
    if running:
        st.fragment(_progress, run_every=OFTEN)(screen)
    elif job is not None:
        _answer(screen, job)


def _start(asked: Asked) -> None:
    st.session_state["fame_search"] = searching.start(asked)


def _stop() -> None:
    if job := st.session_state.get("fame_search"):
        job.stop()


def _form(screen: Screen, item: int) -> Asked | None:
    """The wish; None where it cannot be wished."""
    now, catalogue, kind = screen.state, screen.bundle.catalogue, screen.option("what_if_wish")
    if item in now.history:
        st.info(
            f"{catalogue.title[item]} is in A's history, and what is there is not recommended. "
            f"Choose another {screen.noun} to look at."
        )
        return None
    k, other = int(screen.option("what_if_within")), None
    st.selectbox(
        "It is to be", list(KINDS), format_func=KINDS.__getitem__, width=270,
        **widgets.controlled("what_if_wish", kind, "what_if_wish"),
    )  # fmt: skip
    if kind in ("in", "out"):
        st.number_input(
            f"how many, 1–{state.MAX_K}", 1, state.MAX_K, width=240,
            **widgets.controlled("what_if_within", k, "what_if_within", str),
        )  # fmt: skip
    elif kind == "above":
        ranking = [row for row in screen.trace.ranking().tolist() if row != item]
        chosen = item_picker.row_of(catalogue, screen.option("what_if_other"), 0)
        other = chosen if chosen not in (0, item, *now.history) else next(iter(ranking), None)
        if other is None:
            return None
        with st.container(width=370):
            item_picker.choose(screen, "which one", "what_if_other", "what_if_other", other, ranking, by_id=True)
    wish = Wish(kind, item, k if kind in ("in", "out") else 10, other)  # type: ignore[arg-type]
    return Asked(screen.source, now.history, now.intervention, wish, now.k)


def _progress(screen: Screen) -> None:
    """A search that runs. Drawn again by itself, and the whole page once it has ended."""
    job: Job | None = st.session_state.get("fame_search")
    if job is None or job.done or session.touched():
        st.rerun()
    if job.waiting:
        st.progress(0.0, "Another search is running; this one is next.")
        return
    latest = job.latest
    assert latest is not None
    done, of = (latest.pairs_tried, latest.pairs) if latest.pairs else (latest.tried, latest.singles)
    st.progress(done / of if of else 0.0, widgets.literal(explain.say_search(latest, screen.bundle.catalogue)))
    _list(screen, latest.found)


def _answer(screen: Screen, job: Job) -> None:
    """What a search that has ended found."""
    if job.error:
        st.warning(widgets.literal(job.error), icon=":material/info:")
        return
    if job.latest is None:
        widgets.write("Stopped before anything was tried.")
        return
    said = explain.say_search(job.latest, screen.bundle.catalogue)
    widgets.write(f"Stopped. {said}" if not job.latest.done else said)
    _list(screen, job.latest.found)
    if job.latest.found:
        table = _table(screen, job.latest.found)
        widgets.download_table("Changes as CSV", table, screen.file("smallest-change.csv"), "what_if_found_csv")


def _list(screen: Screen, found: tuple[Found, ...]) -> None:
    for i, each in enumerate(found):
        with st.container(horizontal=True, key=f"what_if_found_{i}", vertical_alignment="center"):
            st.button(
                "Apply", key=f"what_if_apply_{i}", on_click=session.update,
                kwargs={"b": each.changes, "what_if_at": None}, help="Make this B", width="content",
            )  # fmt: skip
            widgets.write(f"{explain.say_found(each, screen.bundle.catalogue)} {_more(each)}")


def _more(found: Found) -> str:
    alike = "" if math.isnan(found.alike) else f", cosine to what was replaced {found.alike:.2f}"
    return f"Lists {percent(found.cost)} alike{alike}."


def _table(screen: Screen, found: tuple[Found, ...]) -> pd.DataFrame:
    """What was found, one change a row."""
    c = screen.bundle.catalogue

    def label(item: str) -> str:
        return c.label(c.row(item))

    return pd.DataFrame(
        {
            "change": ["; ".join(change.words(label) for change in f.changes[::-1]) for f in found],
            "rank": [f.rank for f in found],
            "alike": [f.alike for f in found],
            "list_overlap": [f.cost for f in found],
            "left": ["|".join(c.label(row) for row in f.left) for f in found],
            "entered": ["|".join(c.label(row) for row in f.entered) for f in found],
        }
    )
