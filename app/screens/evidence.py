"""Evidence: is the facet real?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import notes, sources, widgets
from app.screen import Declaration, NothingToShow, Option, Screen
from app.sources import Source, shared
from app.widgets import Badge, Bold, Cell, Noted
from fame import plots
from fame.atlas import agreements
from fame.evidence import SLICES, Evidence, Lift, why
from fame.plots.picture import Chart, Origin
from fame.plots.style import Theme
from fame.text import number, percent

__all__ = ["SCREEN", "render"]

EVEN = "Entropy over its largest, mean over histories: 1 where all count alike, 0 where one alone does."
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
    order=6,
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
    widgets.write(*widgets.with_badges(" ".join(_answer(screen.source)), "", notes.FOUND))
    if guided := found.guidance(screen.words["many"]):
        widgets.write(*widgets.with_badges(guided, ""))
    _accuracy(screen)
    if found.attributes:
        _probes(screen, found)
        _values(screen, found)
    widgets.subheading(
        "Heads beside each other",
        f"1 is the same. Two random item spaces of that width have {number(found.alike_random)}.",
    )
    _draw(screen, "likeness")
    if screen.bundle.config.n_experts > 1:
        _experts(screen, found)
    if found.recovered:
        _recovered(screen, found)


@shared(8)
def _answer(source: Source) -> list[str]:
    """What the heads are about, reconciled with what the Atlas counts."""
    bundle, found = sources.load(source), sources.findings(source)
    assert isinstance(found, Evidence)
    return found.answer(agreements(bundle.atlas, bundle.catalogue) if bundle.atlas else None)


def _accuracy(screen: Screen) -> None:
    """How well the model recommends, as its card says or, where that says nothing, its training."""
    bundle, one = screen.bundle, screen.words["one"]
    figures, where = bundle.metrics, f"the last {one} of each user's history, kept apart for the test"
    if not figures:
        figures, where = bundle.validation, f"the validation {one}s, in the epoch that was kept"
    about = {
        "HR@10": f"HR@10, the hit rate: the part of users for whom the {one} that really came next is among the first "
        f"ten, of all {bundle.catalogue.n_items:,}. 1 is every user.",
        "NDCG@10": f"NDCG@10: as HR@10, but a {one} counts less the further down it stands: 1 in first place, "
        "0.63 in second, 0.29 in tenth.",
    }
    told = [(name, figures[name]) for name in about if name in figures]
    if told:
        parts = [part for name, x in told for part in (f" {name} ", Noted(number(x, 3), about[name]), ",")]
        widgets.write(Bold("How well it recommends:"), *parts[:-1], f". Measured on {where}, ranked among all {one}s.")


def _draw(screen: Screen, name: str, attribute: str = "") -> None:
    """A picture, and buttons for it as HTML and for its numbers."""
    picture = _picture(screen.source, name, attribute, screen.theme)  # kept, and what it is without its sentence too
    width = "stretch" if picture.sheet.layout.get("width") is None else "content"
    widgets.mount(picture, f"evidence_{name}", width=width)
    picture = picture.with_origin(Origin(screen.model))
    with st.container(horizontal=True, key=f"evidence_{name}_save"):
        widgets.save(
            screen, picture, f"evidence_{name}_file", table="Numbers as CSV",
            caption="Measured when the model was saved.",
            code=f"fame.plots.{name}(bundle.evidence{f', {attribute!r}' if name == 'values' else ''})",
        )  # fmt: skip


@shared(64)
def _picture(source: Source, name: str, attribute: str, theme: Theme) -> Chart:
    found = sources.findings(source)
    assert isinstance(found, Evidence)
    if name == "values":
        return plots.values(found, attribute, theme)
    return {"probes": plots.probes, "likeness": plots.likeness}[name](found, theme)


def _probes(screen: Screen, found: Evidence) -> None:
    widgets.subheading(
        "What each head's space knows",
        "Average precision of a probe. Grey band: random spaces of that width. Disc filled: above them (q < .05).",
    )
    _draw(screen, "probes")
    with st.container(key="evidence_phone"):  # in the picture's place where that is too wide
        _probe_table(screen, found)
    if found.apart:
        _apart(found)
    with st.expander("Why each head is called what it is"):
        for h, verdict in enumerate(found.verdicts):
            widgets.write(Badge(h), " ", Bold(verdict.attribute or "unclear"), f". {why(found, h)}")
        widgets.write(found.rule)


def _probe_table(screen: Screen, found: Evidence) -> None:
    """The probes' numbers, attributes down, so that a phone shows all of them."""
    H = len(found.verdicts)
    top: list[Cell] = [
        Noted("average precision", "How well a straight cut through a head's space finds a value's "
              f"{screen.words['many']}: 1 is perfect. The mean over the attribute's values."),
        *map(Badge, range(H)),
        Noted("random", "The same, read from random projections of the full embedding to a head's width."),
        Noted("chance", f"The same, with the {screen.words['many']} shuffled: what guessing reaches."),
    ]  # fmt: skip
    others = [found.spaces[name] for name in ("random spaces", "chance")]
    rows: list[list[Cell]] = [
        [name, *(number(x) for x in found.heads.mean[:, a]), *(number(space.mean[a]) for space in others)]
        for a, name in enumerate(found.attributes)
    ]
    widgets.table("Average precision of probes", top, rows)


def _apart(found: Evidence) -> None:
    assert found.apart is not None
    here, random, complete, random_complete = map(number, found.apart)
    of_all = (
        "It is computed from one probe that reads all heads at once and then asks how much each head weighs: a head "
        "can read its own attribute perfectly, and still weigh in on others, where it helps a little. Heads without a "
        "clear topic count as well. So it stays far below 1 even where single heads are clear; compare it "
        "with random spaces, which have {}."
    )
    widgets.write(
        "Disentanglement ",
        Noted(here, f"1 where every head is about one attribute alone. {of_all.format(random)}"),
        f" (random spaces {random}), completeness ",
        Noted(complete, f"1 where every attribute is read from one head alone. {of_all.format(random_complete)}"),
        f" (random spaces {random_complete}).",
    )


def _values(screen: Screen, found: Evidence) -> None:
    widgets.subheading(
        "Value by value",
        f"Which values of an attribute does each head know? Frequent values first; 'frequency' is the part of "
        f"{screen.words['many']} that have a value, which guessing at random would reach.",
    )
    attribute = screen.option("evidence_by")
    st.selectbox(
        "Attribute", found.attributes, width=220, **widgets.controlled("evidence_by", attribute, "evidence_by")
    )
    widgets.on_paper(f"Attribute: {attribute}")
    _draw(screen, "values", attribute)


def _experts(screen: Screen, found: Evidence) -> None:
    many = screen.words["many"]
    H, N = found.router_mean.shape
    widgets.subheading(
        "What experts look at", f"At the last step of {found.histories:,} histories, each against what it holds."
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
    top: list[Cell] = [
        "head, expert",
        Noted("router, mean", "The weight that the router gives an expert, mean over histories."),
        Noted("leads in", "The part of histories in which no other expert of its head has more weight."),
        Noted("looks more at", f"×1.5: at the last step it attends to such {many} half as much again as the history "
              "has of them."),
        Noted("looks less at", f"×0.5: at the last step it attends to such {many} half as much as the history has."),
    ]  # fmt: skip
    widgets.table("What experts look at", top, rows, words=(3, 4))
    routers = [
        part for h, x in enumerate(found.router_entropy) for part in (" ", Badge(h), " ", Noted(number(x), EVEN))
    ]
    widgets.write(
        "How evenly weight is spread (entropy, mean over histories): the gate ",
        Noted(number(found.gate_entropy), EVEN),
        ", the routers",
        *routers,
        ".",
    )
    if found.dead.any():
        dead = f"{int(found.dead.sum())} of {H * N}"
        widgets.write(f"{dead} experts are dead: the router never gives them an equal share.")
    with st.container(horizontal=True, key="evidence_experts_save"):
        widgets.download_table(
            "How experts are used as CSV", found.expert_table, screen.file("experts.csv"), "evidence_experts_csv"
        )
        widgets.download_table(
            "All they look at as CSV", found.lift_table, screen.file("lifts.csv"), "evidence_lifts_csv"
        )


def _told(lifts: list[Lift]) -> str:
    return ", ".join(f"{lift.value} ×{number(lift.lift)}" for lift in lifts[:MOST_LIFTS]) or "–"


def _recovered(screen: Screen, found: Evidence) -> None:
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
    knows = "the rules and every viewer's preferences" if found.observer_told else "the rules that the viewers follow"
    top: list[Cell] = [
        "agrees with the truth",
        Noted("this model", "In how many steps the head or expert with most weight is the one that the truth names, "
              "matched one to one; ± is a 95% interval over viewers."),
        Noted("an observer", f"The same of one who knows {knows}: the ceiling."),
        Noted("a constant answer", "The same of one who always names the most frequent one."),
        Noted("shuffled truth, best of 20", "The same with the truth dealt to other viewers, the best of 20 deals."),
    ]  # fmt: skip
    widgets.table("What gate and routers follow", top, rows)
    widgets.write(
        f"Measured on simulated viewers that the model has not learned from. The observer knows {knows}, and is the "
        "ceiling; a constant answer always names the same."
    )
    widgets.download_table(
        "Agreement as CSV",
        lambda: pd.DataFrame(found.recovered),
        screen.file("recovered.csv"),
        "evidence_recovered_csv",
    )
