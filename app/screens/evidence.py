"""Evidence: is the facet real?"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import sources, widgets
from app.screen import Declaration, NothingToShow, Option, Screen
from app.sources import Source, shared
from app.widgets import Badge, Bold, Cell
from fame import plots
from fame.evidence import SLICES, Evidence, Lift
from fame.plots.style import Theme
from fame.text import number, percent

__all__ = ["SCREEN", "render"]

MOST_LIFTS = 3  # told of an expert, more and less

HELP = """
This screen is about the model, whatever the history. Everything on it was measured when the model was saved.

**A probe** asks whether a value of an attribute (horror, the 1980s) can be read off a head's space of {many} by a
straight cut. *Average precision* says how well: 1 is perfect. An attribute's figure is the mean over its values; its
line is a 95% interval.

**What it is held against.** *Random spaces* are random projections of the full embedding to the head's width: what any
space so wide knows. *The full embedding* holds all there is, in more dimensions, so that a probe may even read it a
little worse than a head.{slices} *Popularity* is how often {a} was taken. *Chance* is the same with the {many}
shuffled.

**A head is called by an attribute** that is read from it better than by chance and from popularity, no worse than from
random spaces, and clearly more so than every other attribute; otherwise it is unclear. A name says what a head's
space is about, not that the gate follows it.

**Heads beside each other**: CKA says how alike two heads lay out all {many}, RBO how alike their lists for the same
history are, the first ranks counting most; 1 is the same.

**An expert looks more at** a value where, at the last step, it attends to it more often than the same history has it.
Only what is beyond chance is told, the surest first. The test takes a value to be as frequent early in histories as
late: an expert of the latest {many} may look more at recent years for that reason alone.
"""
SLICED = " *Slices of a SASRec* are the same cut of an ordinary model without heads; the line is their range."


def _attributes(screen: Screen) -> tuple[str, ...]:
    """The attributes that were probed."""
    found = sources.findings(screen.source)
    return tuple(found.attributes) if isinstance(found, Evidence) else ()


def _help(screen: Screen) -> str:
    found = sources.findings(screen.source)
    sliced = isinstance(found, Evidence) and SLICES in found.spaces
    return HELP.format(slices=SLICED * sliced, **screen.words)


SCREEN = Declaration(
    title="Evidence",
    question="Is the facet real?",
    order=5,
    help=_help,
    options={
        "evidence_by": Option(
            lambda screen, name: name in _attributes(screen), lambda screen: next(iter(_attributes(screen)), "")
        )
    },
    needs_history=False,
    of_the_model=True,
)


def render(screen: Screen) -> None:
    if summary := screen.bundle.summary:
        widgets.styled(summary, "fame-what")
    found = sources.findings(screen.source)
    if isinstance(found, str):
        raise NothingToShow(
            "There is no evidence to show",
            found[0].upper() + found[1:],
            "Train the model again with evidence (fame train RECIPE gathers it), choose another model above, or go on "
            "to another screen.",
        )
    widgets.write(*widgets.with_badges(found.summary(), ""))
    if guided := found.guidance(screen.words["many"]):
        widgets.write(*widgets.with_badges(guided, ""))
    if found.attributes:
        _probes(screen, found)
        _values(screen, found)
    widgets.subheading(
        "Heads beside each other",
        f"1 is the same. Two random item spaces of that width have {number(found.alike_random)}.",
    )
    _draw(screen, "likeness", found.likeness_table)
    if screen.bundle.config.n_experts > 1:
        _experts(found, screen.words["many"])
    if found.recovered:
        _recovered(found)


def _draw(screen: Screen, name: str, table: Callable[[], pd.DataFrame], attribute: str = "") -> None:
    """A picture, which its toolbar saves as SVG, and buttons for it as HTML and for its numbers."""
    figure, bare = _pictures(screen.source, name, attribute, screen.theme)
    width = "stretch" if figure.layout.width is None else "content"
    widgets.picture(bare, f"evidence_{name}", f"fame-{name}", width=width)
    with st.container(horizontal=True, key=f"evidence_{name}_save"):
        widgets.download_picture(
            screen, lambda: figure, f"fame-{name}", f"evidence_{name}_html", caption="Measured when it was saved."
        )
        widgets.download_table("Numbers as CSV", table, f"fame-{name}.csv", f"evidence_{name}_csv")


@shared(64)
def _pictures(source: Source, name: str, attribute: str, theme: Theme) -> tuple[go.Figure, go.Figure]:
    """A picture as it is saved, and as the page has it under a heading of its own."""
    found = sources.findings(source)
    assert isinstance(found, Evidence)
    if name == "values":
        figure = plots.values(found, attribute, theme)
    else:
        figure = {"probes": plots.probes, "likeness": plots.likeness}[name](found, theme)
    return figure, plots.untitled(figure)


def _probes(screen: Screen, found: Evidence) -> None:
    widgets.subheading(
        "What each head's space knows",
        "Average precision of a probe. Grey band: random spaces of that width. Disc filled: above them (q < .05).",
    )
    _draw(screen, "probes", found.probe_table)
    if found.apart:
        here, random, complete, random_complete = map(number, found.apart)
        widgets.write(
            f"Disentanglement {here} (random spaces {random}): 1 where every head is about one attribute. "
            f"Completeness {complete} ({random_complete}): 1 where every attribute is in one head."
        )
    with st.expander("Why each head is called what it is"):
        for h, verdict in enumerate(found.verdicts):
            widgets.write(Badge(h), " ", Bold(verdict.attribute or "unclear"), f". {verdict.why}.")
        widgets.write(found.rule)


def _values(screen: Screen, found: Evidence) -> None:
    widgets.subheading(
        "Value by value",
        "Which values of an attribute does each head know? Frequent values first; chance is how frequent they are.",
    )
    attribute = screen.option("evidence_by")
    st.selectbox(
        "Attribute", found.attributes, width=220, **widgets.controlled("evidence_by", attribute, "evidence_by")
    )
    _draw(screen, "values", found.value_table, attribute)


def _experts(found: Evidence, many: str) -> None:
    H, N = found.router_mean.shape
    widgets.subheading(
        "What experts look at", f"At the last step of {found.histories:,} histories, each against what it holds."
    )
    widgets.write(
        "Router, mean: the weight that the router gives an expert. Leads in: the share of histories in which no other "
        "expert of its head has more. ×1.5: it attends to such ",
        f"{many} half as much again as the history has of them; ×0.5: half as much.",
    )
    rows: list[list[Cell]] = []
    for h in range(H):
        for n in range(N):
            more = [lift for lift in found.lifts[h][n] if lift.lift > 1]
            less = sorted((lift for lift in found.lifts[h][n] if lift.lift < 1), key=lambda lift: lift.high)
            rows.append([
                (Badge(h), f" expert {n + 1}" + " (dead)" * bool(found.dead[h, n])), percent(found.router_mean[h, n]),
                percent(found.router_first[h, n]), _told(more), _told(less),
            ])  # fmt: skip
    top = ["head, expert", "router, mean", "leads in", "looks more at", "looks less at"]
    widgets.table("What experts look at", top, rows, words=(3, 4))
    routers = [part for h, x in enumerate(found.router_entropy) for part in (" ", Badge(h), f" {number(x)}")]
    widgets.write(
        "How undecided they are, 1 where all count alike and 0 where one alone does (entropy, mean over histories): "
        f"the gate {number(found.gate_entropy)}, the routers",
        *routers,
        ".",
    )
    if found.dead.any():
        dead = f"{int(found.dead.sum())} of {H * N}"
        widgets.write(f"{dead} experts are dead: the router never gives them an equal share.")
    with st.container(horizontal=True, key="evidence_experts_save"):
        widgets.download_table(
            "How experts are used as CSV", found.expert_table, "fame-experts.csv", "evidence_experts_csv"
        )
        widgets.download_table("All they look at as CSV", found.lift_table, "fame-lifts.csv", "evidence_lifts_csv")


def _told(lifts: list[Lift]) -> str:
    return ", ".join(f"{lift.value} ×{number(lift.lift)}" for lift in lifts[:MOST_LIFTS]) or "–"


def _recovered(found: Evidence) -> None:
    widgets.subheading(
        "What gate and routers follow",
        "These viewers are simulated: which facet is in force at the next step, and which value of it, is known.",
    )
    rows: list[list[Cell]] = [
        [
            "gate" if r.head is None else ("router of head ", Badge(r.head), f" where {r.facet} is in force"),
            Bold(f"{percent(r.accuracy)} ± {percent(r.margin)}"), percent(r.observer), percent(r.constant),
            percent(r.shuffled),
        ]
        for r in found.recovered
    ]  # fmt: skip
    top = ["agrees with the truth", "this model", "an observer", "a constant answer", "shuffled truth, best of 20"]
    widgets.table("What gate and routers follow", top, rows)
    knows = "the rules and every viewer's preferences" if found.observer_told else "the rules that the viewers follow"
    widgets.write(
        f"Measured on simulated viewers that the model has not learned from. The observer knows {knows}, and is the "
        "ceiling; a constant answer always names the same."
    )
    widgets.download_table(
        "Agreement as CSV", lambda: pd.DataFrame(found.recovered), "fame-agreement.csv", "evidence_recovered_csv"
    )
