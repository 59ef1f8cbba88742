"""Evidence: is the facet real?"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import sources, widgets
from app.screen import Screen
from app.sources import Source, shared
from app.state import State
from app.widgets import Badge, Bold
from fame import plots
from fame.bundle import Bundle
from fame.errors import FameError
from fame.findings import Findings, Lift
from fame.plots.style import number, percent

__all__ = ["render"]

MOST_LIFTS = 3  # told of an expert, more and less

ABOUT = """
This screen is about the model, whatever the history. Everything on it was measured when the model was saved.

**A probe** asks whether a value of an attribute (horror, the 1980s) can be read off a head's space of {many} by a
straight cut. *Average precision* says how well: 1 is perfect. An attribute's figure is the mean over its values; its
line is a 95% interval.

**What it is held against**: random spaces, which are random projections of the full embedding to the head's width and
know a good deal too; the full embedding, which is all there is to know; how popular {a} is; and chance. A head is
called by an attribute only where it stands out in all of that; otherwise it is unclear. A name says what a head's space
is about, not that the gate follows it.

**An expert looks more at** a value where it attends to it more than the same history has of it. Only what is more than
chance is told, after correction for how much was tried.
"""


def choices(source: Source, bundle: Bundle, now: State) -> dict[str, Callable[[str], bool]]:
    """Which values this screen's own choices may have."""
    found = _found(source)
    return {"evidence_by": found.attributes.__contains__} if isinstance(found, Findings) else {}


@shared(8)
def _found(source: Source) -> Findings | str:
    """The evidence, or why there is none to show: the bundle is whole, so that the other screens go on."""
    bundle = sources.load(source)
    if not bundle.evidence:
        return "Evidence is gathered once, when a model is saved, and this one was saved without."
    try:
        return Findings.read(bundle.evidence, bundle.config)
    except FameError as error:
        return f"{error}."


def render(screen: Screen) -> None:
    widgets.heading("Evidence", "Is the facet real?")
    found = _found(screen.source)
    if isinstance(found, str):
        widgets.full_page(
            "There is no evidence to show",
            found,
            "Train the model again with evidence (fame train RECIPE gathers it), choose another model above, or go on "
            "to another screen.",
        )
        return
    widgets.say(*widgets.badged(found.say(), ""))
    if found.attributes:
        _probes(screen, found)
        _values(screen, found)
    widgets.subheading("Heads beside each other", "Do they hold different spaces, and recommend different lists?")
    _draw(screen, "likeness", plots.likeness(found, screen.theme))
    if screen.bundle.config.n_experts > 1:
        _experts(found)
    if found.recovered:
        _recovered(found)
    widgets.about(screen, "evidence", ABOUT)


def _draw(screen: Screen, name: str, figure: go.Figure, table: Callable[[], pd.DataFrame] | None = None) -> None:
    """A picture, which its toolbar saves as SVG, and buttons for it as HTML and for its numbers."""
    width = "stretch" if figure.layout.width is None else "content"
    widgets.picture(plots.untitled(figure), f"evidence_{name}", f"fame-{name}", width=width)
    with st.container(horizontal=True, key=f"evidence_{name}_save"):
        widgets.save(
            screen, lambda: figure, f"fame-{name}", f"evidence_{name}_html", caption="Measured when it was saved."
        )
        if table:
            widgets.download("Numbers as CSV", table, f"fame-{name}.csv", f"evidence_{name}_csv")


def _probes(screen: Screen, found: Findings) -> None:
    widgets.subheading(
        "What each head's space knows",
        "Average precision of a probe. Grey band: random spaces of that width. Filled disc: above them (q < .05).",
    )
    _draw(screen, "probes", plots.probes(found, screen.theme), found.probe_table)
    if found.apart:
        here, random, complete, random_complete = map(number, found.apart)
        widgets.say(
            f"Disentanglement {here} (random spaces {random}): 1 where every head is about one attribute. "
            f"Completeness {complete} ({random_complete}): 1 where every attribute is in one head."
        )
    with st.expander("Why each head is called what it is"):
        for h, verdict in enumerate(found.verdicts):
            widgets.say(Badge(h), " ", Bold(verdict.attribute or "unclear"), f". {verdict.why}.")
        widgets.say(found.rule)


def _values(screen: Screen, found: Findings) -> None:
    widgets.subheading("Value by value", "Which values of an attribute does each head know?")
    attribute = screen.state.option("evidence_by", found.attributes, found.attributes[0])
    st.selectbox(
        "Attribute", found.attributes, width=220, **widgets.controlled("evidence_by", attribute, "evidence_by")
    )
    _draw(screen, "values", plots.values(found, attribute, screen.theme), found.value_table)


def _experts(found: Findings) -> None:
    H, N = found.router_mean.shape
    widgets.subheading("What experts look at", f"Over {found.histories:,} histories, each against what it holds.")
    rows: list[list[str | Badge]] = []
    for h in range(H):
        for n in range(N):
            lifts = found.lifts[h][n]
            more = [lift for lift in lifts if lift.lift > 1][:MOST_LIFTS]
            less = [lift for lift in reversed(lifts) if lift.lift < 1][:MOST_LIFTS]
            rows.append([
                Badge(h), f"expert\u00a0{n + 1}" + " (dead)" * bool(found.dead[h, n]), percent(found.router_mean[h, n]),
                percent(found.router_first[h, n]), _told(more), _told(less),
            ])  # fmt: skip
    top = ["head", "expert", "router, mean", "leads in", "looks more at", "looks less at"]
    widgets.table("What experts look at", top, rows, words=(1, 4, 5))
    dead = int(found.dead.sum())
    if dead:
        widgets.say(f"{dead} of {H * N} experts are dead: the router never gives them an equal share.")
    widgets.download("What experts look at as CSV", found.lift_table, "fame-experts.csv", "evidence_experts_csv")


def _told(lifts: list[Lift]) -> str:
    return ", ".join(f"{lift.value} ×{number(lift.lift)}" for lift in lifts) or "–"


def _recovered(found: Findings) -> None:
    widgets.subheading(
        "What gate and routers follow",
        "These viewers are simulated, so that it is known which facet, and which value of it, each of them follows.",
    )
    rows = [
        [r.what, Bold(percent(r.accuracy)), percent(r.observer), percent(r.constant), percent(r.shuffled)]
        for r in found.recovered
    ]
    top = ["agrees with the truth", "this model", "an observer", "a constant answer", "shuffled truth"]
    widgets.table("What gate and routers follow", top, rows)
    widgets.say(
        "The observer knows the rules that the viewers were simulated by, and is the ceiling; a constant answer always "
        "names the same."
    )
