"""Story: what is recommended, and which head says so?"""

from __future__ import annotations

import streamlit as st

from app import item_picker, notes, session, state, widgets
from app.screen import Declaration, Screen
from fame import explain, plots

__all__ = ["SCREEN", "render"]

HELP = """
**From top to bottom**: the history; the *gate*, which decides how much say each head has after it;
each head's own list; the list that is recommended.

A head scores every {one} by itself. The final score is the sum of gate × score over the heads, so the little bars of
the final list add up to the number beside them. What lowers a score is hatched, to the left of zero.

**Pipes** carry each head's share of the score, gate × score, from its own list straight to the final row; none enters
another head's list. A pipe is as wide as the share, and where the pipes have joined they are the score's bar. Of the
{one} to explain they are drawn in full, of the others faintly; its rank further down stands in a box under a list.

**Point at {a}** to see it everywhere, **click** (or arrow keys and Enter) to choose it; the sentence above the
picture says why it stands where it stands. Percentages there compare with the average candidate:
the mean over all {many} that may be recommended.

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
    widgets.write(*widgets.with_badges(sentence, str(screen.bundle.catalogue.title[film]), notes.RANK))
    picture = plots.story(
        screen.bundle, screen.trace, screen.state.k, screen.state.hide_seen, film, screen.theme, screen.names
    ).with_origin(screen.origin)
    widgets.mount(picture, "story", pick=lambda: _pick(len(screen.bundle.catalogue)))
    with st.container(horizontal=True, key="story_save"):
        code = f"fame.plots.story(bundle, trace, k, hide_seen, {film}, names=names)"
        widgets.save(screen, picture, "story", table="Lists as CSV", code=code)


def _pick(V: int) -> None:
    row = st.session_state["story"].get("pick")
    if isinstance(row, int) and 0 < row < V:
        session.update(item=row)
