"""Story: what is recommended, and which head says so?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import item_picker, session, sources, state, widgets
from app.components import component
from app.screen import Declaration, Screen
from fame import explain, plots

__all__ = ["SCREEN", "render"]

_story = component("story")

HELP = """
**From top to bottom**: the history; the *gate*, which decides how much say each head has after it;
each head's own list; the list that is recommended.

A head scores every {one} by itself. The final score is the sum of gate × score over the heads, so the little bars of
the final list add up to the number beside them. What lowers a score is hatched, to the left of zero.

**Lines** join the same {one} in neighbouring lists. A line is as wide as the head's share, gate × score, and has the
colour of the head that it leaves; it is grey and dashed where that head pulls the {one} down. It thins out beside {a}
that the next list does not hold; of the {one} to explain, the rank further down stands in a box under the list.

**Point at {a}** to see it everywhere, **click** (or arrow keys and Enter) to choose it; the sentence above the
picture says why it stands where it stands. Percentages there compare with the average {one} not seen yet.

**A name beside a head** (*genres*) is given where probes of its item space, kept with the model, find it to be about
that attribute (*Evidence* shows them); a head without a name is unclear.

The small bars under the history show where each head looked at the last step (its experts' attention, mixed by the
router). Where a head looked is not why it decided: *Experts* measures that.
"""
SCREEN = Declaration(title="Story", question="What is recommended, and which head says so?", order=1, help=HELP)


def render(screen: Screen) -> None:
    one, many = screen.words["one"], screen.words["many"]
    with screen.controls:
        choose_item = st.container(width=370)
        seen = widgets.controlled("story_seen", screen.state.hide_seen, "hide_seen")
        st.toggle(f"Hide {many} already seen", **seen)
        st.number_input(
            f"{many.capitalize()} per list, 1–{state.MAX_K}", 1, state.MAX_K, width=250,
            **widgets.controlled("story_k", screen.state.k, "k"),
        )  # fmt: skip
    film = screen.item
    with choose_item:
        ranking = screen.trace.ranking().tolist()
        item_picker.choose(screen, f"{one.capitalize()} to explain", "story_film", "item", film, ranking)
    sentence = explain.say_rank(screen.trace, film, screen.state.hide_seen, screen.names)
    widgets.write(*widgets.with_badges(sentence, str(screen.bundle.catalogue.title[film])))
    _story(key="story", data=picture(screen, film), on_pick_change=lambda: _pick(len(screen.bundle.catalogue)))
    with st.container(horizontal=True, key="story_save"):
        widgets.download_table("Lists as CSV", lambda: lists(screen), "fame-lists.csv", "story_csv")
        widgets.download_picture(screen, lambda: _figure(screen, film), "fame-story", "story_html")


def _pick(V: int) -> None:
    row = st.session_state["story"].get("pick")
    if isinstance(row, int) and 0 < row < V:
        session.update(item=row)


def _usual(screen: Screen) -> list[float] | None:
    """The mean gate over many users, where the bundle's evidence holds it and the gate is the model's own."""
    found = sources.findings(screen.source)
    if screen.state.intervention or screen.bundle.config.n_heads == 1 or isinstance(found, str):
        return None
    return found.gate_mean.tolist()


def _figure(screen: Screen, film: int) -> go.Figure:
    return plots.head_lists(screen.trace, screen.state.k, screen.state.hide_seen, film, screen.theme, screen.names)


def lists(screen: Screen) -> pd.DataFrame:
    """Every list of the screen under one another: list, rank, item, score, and each head's share of the final score."""
    trace, H = screen.trace, len(screen.trace.head_scores)
    tables = {
        "final" if head is None else f"head {head + 1}": trace.top(screen.state.k, head, None, screen.state.hide_seen)
        for head in (*range(H), None)
    }
    table = pd.concat(tables, names=["list", None]).reset_index(level="list")
    shares = trace.contributions(rows=table["row"].astype(int))
    return table.assign(**{f"share_{h}": shares[f"head_{h}"].to_numpy() for h in range(1, H + 1)})


def picture(screen: Screen, film: int) -> dict[str, Any]:
    """What the picture draws: lists of rows, and of each film in them its shares, scores and ranks."""
    trace, catalogue, seen = screen.trace, screen.bundle.catalogue, screen.state.hide_seen
    H = len(trace.head_scores)
    ranking = [trace.ranking(head=h, exclude_history=seen) for h in (*range(H), None)]
    lists = [rows[: screen.state.k] for rows in ranking]
    places = np.zeros((H + 1, len(catalogue)), np.int64)  # 0: not ranked, since it was seen
    for place, rows in zip(places, ranking, strict=True):
        place[rows] = np.arange(1, len(rows) + 1)
    rows = np.unique(np.concatenate([*lists, [film]]))
    shares = trace.shares(rows).T
    look = trace.mixed_attention[:, -1].T  # [T,H]
    return {
        "noun": screen.words,
        "film": film,
        "gate": trace.gate[-1].tolist(),
        "usual": _usual(screen),
        "called": [screen.head_name(h) for h in range(H)],
        "history": [
            {"title": str(catalogue.title[r]), "year": int(catalogue.year[r]), "look": look[t].tolist()}
            for t, r in enumerate(trace.items)
        ],
        "lists": [rows.tolist() for rows in lists],
        "films": {
            str(r): {
                "title": str(catalogue.title[r]),
                "year": int(catalogue.year[r]),
                "shares": shares[i].tolist(),
                "scores": trace.head_scores[:, r].tolist(),
                "score": float(trace.scores[r]),
                "ranks": [int(place) or None for place in places[:, r]],
            }
            for i, r in enumerate(rows.tolist())
        },
    }
