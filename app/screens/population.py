"""Population: when does each head win, and for whom does the model fail?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import notes, session, sources, widgets
from app.notebook import of_population
from app.notes import ACCURACY, HEADS, header
from app.screen import Declaration, NothingToShow, Option, Screen
from app.sources import Source, shared
from app.widgets import Badge, Bold, Cell
from fame import plots
from fame.plots.picture import Chart, Origin
from fame.plots.style import Theme, look
from fame.population import (
    THIN,
    Population,
    Slice,
    head_table,
    leaders_of,
    nearest,
    overall,
    say_length_and_rank,
    say_population,
    say_private,
    slice_table,
    slices_of,
    standing,
)
from fame.text import number, percent
from fame.trace import NOTHING

__all__ = ["SCREEN", "render"]

ALL = ""  # the choice of every history
TURNS = 8  # keys that a picture takes in turn
MOVED = 6  # items told of a head
SHOWN = 4  # last items told of a kept history

HELP = """
This screen is about many histories at once: for up to 5,000 of them, held out from training, what the model does at
the last step and where it ranks the {one} that did come next.

**HR@10** is the share of histories whose next {one} is among the first ten of the list, **NDCG@10** the same with more
for a better rank. *±* and lines are 95% intervals.

**A slice** is some of the histories: by length, by how popular the next {one} is, by what the last or the next {one}
has, or *new taste*, where the next {one} has nothing that any {one} of the history has. Its *gap* is its NDCG@10 less
that of all other histories. *q* corrects for how many slices were looked at (Benjamini and Hochberg): of the slices
with q below .05, one in twenty is expected to be chance. Slices with fewer than 50 histories are grey.

**A private log** tells of {a} only what five or more {many} are told to have. A slice such as
a genre then holds those of its histories whose {one} is told to have it: fewer, and not chosen by chance.

**Choosing** a slice, or a head that leads, by a click or in a box, narrows all else on the screen to those histories.
Each of the two pictures that are clicked follows the other's choice, not its own, so that one can choose again.

**What a head moves up** is what it *recommends*: the {many} of the final lists whose rank gains most from its share.
*Evidence* says what its space *knows*; the two need not agree.
"""


def _pieces(screen: Screen) -> dict[str, Slice]:
    """The slices by key."""
    p = screen.bundle.population
    return {} if p is None else {piece.key: piece for piece in slices_of(p, screen.noun)}


def _leaders(screen: Screen) -> dict[str, Slice]:
    """The histories that each head or expert leads, by key."""
    p = screen.bundle.population
    return {} if p is None else {piece.key: piece for piece in leaders_of(p)}


SCREEN = Declaration(
    title="Population",
    question="When does each head win, and for whom does the model fail?",
    order=7,
    help=HELP,
    options={
        "population_slice": Option(lambda screen, key: key in _pieces(screen)),
        "population_lead": Option(lambda screen, key: key in _leaders(screen)),
    },
    needs_history=False,
    of_the_model=True,
)


@dataclass(frozen=True, eq=False)
class View:
    """A population within a choice of slice and leader.

    within: bool [n].
    """

    within: np.ndarray
    accuracy: pd.DataFrame
    heads: pd.DataFrame
    slices: pd.DataFrame

    @property
    def count(self) -> int:
        return int(self.within.sum())


def render(screen: Screen) -> None:
    p = screen.bundle.population
    if p is None:
        raise NothingToShow(
            "No population was measured for this model",
            "What it does with many histories, and for which of them it fails, is measured on a log of its "
            f"{screen.words['many']}.",
            f"Measure it: fame population {screen.source.path} --data FORM:PATH --save {screen.source.path} "
            "(fame train measures it for new models).",
        )
    widgets.write(*widgets.with_badges(_said(screen.source), "", notes.LEADS))
    if p.alike:
        widgets.styled(say_private(p, screen.bundle.catalogue), "fame-note")
    both = screen.option("population_slice"), screen.option("population_lead")
    view = _view(screen.source, *both)
    _choices(screen, view)
    if view is None:
        widgets.write("No history is in both. Take one of the two choices away.")
        return
    _accuracy(view)
    with st.container(key="population_two"):
        left, right = st.columns(2, gap="medium")
        with left:
            _use(screen, *both)
        with right:
            _failures(screen, *both)
    _table(screen, view)
    _gate(screen, *both)
    _heads(screen, p, view)
    _like_this(screen, p)


# ---- what is computed, once for all visitors


@shared(16)
def _said(source: Source) -> str:
    """Which heads lead, and what is hardly used."""
    bundle = sources.load(source)
    assert bundle.population is not None
    return say_population(bundle.population, bundle.catalogue.noun, bundle.simulated)


@shared(64)
def _view(source: Source, chosen: str, leader: str) -> View | None:
    """None where no history is in both."""
    bundle = sources.load(source)
    p, noun = bundle.population, bundle.catalogue.noun
    assert p is not None
    within = np.ones(len(p), bool)
    for piece in (*slices_of(p, noun), *leaders_of(p)):
        if piece.key in (chosen, leader):
            within &= piece.mask
    if not within.any():
        return None
    return View(within, overall(p, within), head_table(p, within), slice_table(p, within, noun))


@shared(64)
def _picture(source: Source, name: str, chosen: str, leader: str, theme: Theme) -> Chart:
    """A picture within a choice."""
    bundle, view = sources.load(source), _view(source, chosen, leader)
    p, noun = bundle.population, bundle.catalogue.noun
    assert p is not None and view is not None
    if name == "use":
        return plots.population_use(p, view.within, theme)
    if name == "slices":
        return plots.population_slices(p, view.within, theme, noun, view.slices)
    return plots.population_gate(p, view.within, theme, noun)


# ---- what is chosen


def _choices(screen: Screen, view: View | None) -> None:
    """The two boxes, and what is chosen as chips that are taken away by a click."""
    with st.container(horizontal=True, key="population_choose", vertical_alignment="bottom"):
        for name, label, every, pieces in (
            ("population_slice", "Only histories where", "Every history", _pieces(screen)),
            ("population_lead", "Only where this leads", "Any head or expert", _leaders(screen)),
        ):
            told = {key: f"{p.where if name == 'population_slice' else p.name}" for key, p in pieces.items()}
            st.selectbox(
                label, [ALL, *pieces], width=340 if name == "population_slice" else 240,
                format_func=lambda key, told=told, every=every: told.get(key, every),
                **widgets.controlled(name, screen.option(name), name, lambda key: key or None),
            )  # fmt: skip
    held = {"population_slice": _pieces(screen), "population_lead": _leaders(screen)}
    chips = {name: pieces[screen.option(name)] for name, pieces in held.items() if screen.option(name)}
    if chips:
        with st.container(horizontal=True, key="population_chips", vertical_alignment="center"):
            count = 0 if view is None else view.count
            widgets.styled(f"Shown: {count:,} histories, those where", "fame-say")
            for name, piece in chips.items():
                st.button(
                    widgets.literal(piece.where), key=f"{name}_chip", icon=":material/close:",
                    help="Take this choice away", on_click=session.update, kwargs={name: None},
                )  # fmt: skip


def _mount(screen: Screen, name: str, option: str, other: str) -> None:
    """A picture whose points are clicked to choose an option's value.

    It keeps its key, and so its selection, only while its choice is the one that was clicked in it.
    """
    chosen, leader = screen.option("population_slice"), screen.option("population_lead")
    value = screen.option(option)
    shown: dict[str, tuple[str, str, int]] = st.session_state.setdefault("population_shown", {})
    clicked: dict[str, str] = st.session_state.setdefault("population_clicked", {})
    before, beside, turn = shown.get(name, (value, other, 0))
    if other != beside or value not in (before, clicked.get(name)):
        turn += 1
    shown[name] = value, other, turn
    own, theirs = ("", leader) if name == "slices" else (chosen, "")
    picture = _picture(screen.source, name, own, theirs, screen.theme)
    key = f"population_{name}_{turn % TURNS}"

    def take() -> None:
        clicked[name] = picked(st.session_state.get(key))
        session.update(**{option: clicked[name] or None})

    widgets.mount(picture, key, on_select=take, selection_mode="points")
    _save(screen, picture, name)


def picked(event: Any) -> str:
    """The key that the first selected point of a picture carries; '' where none is selected."""
    try:
        point = event["selection"]["points"][0]["customdata"]
    except (KeyError, IndexError, TypeError):
        return ""
    point = point[0] if isinstance(point, list) and point else point
    return point if isinstance(point, str) else ""


def _save(screen: Screen, picture: Chart, name: str) -> None:
    with st.container(horizontal=True, key=f"population_{name}_save"):
        picture = picture.with_origin(Origin(screen.model))
        code = of_population(screen, name)
        widgets.save(screen, picture, f"population_{name}", caption=_within(screen), code=code)


def _within(screen: Screen) -> str:
    """What is chosen, in words, for what leaves the screen."""
    held = ((_pieces(screen), "population_slice"), (_leaders(screen), "population_lead"))
    chosen = [pieces[screen.option(name)].where for pieces, name in held if screen.option(name)]
    return f"Chosen: histories where {' and '.join(chosen)}." if chosen else "Every held-out history measured."


# ---- the parts


def _accuracy(view: View) -> None:
    widgets.subheading("How well it ranks the next one", f"{view.count:,} histories, 95% intervals.")
    rows: list[list[Cell]] = [
        [Bold(r["model"]) if r["model"] == "FAME" else r["model"],
         f"{percent(r['HR@10'])} ({percent(r['HR@10 low'])} to {percent(r['HR@10 high'])})",
         f"{number(r['NDCG@10'], 3)} ± {_or_dash(r['NDCG@10 ±'])}"]
        for r in view.accuracy.to_dict("records")
    ]  # fmt: skip
    widgets.table("Accuracy", header({"": "", **ACCURACY}), rows)


def _or_dash(value: float, digits: int = 3, plus: bool = False) -> str:
    return "–" if np.isnan(value) else number(value, digits, plus)


def _use(screen: Screen, chosen: str, leader: str) -> None:
    widgets.subheading("How heads and experts are used", "Hills: histories by weight. Disc: the mean. Click one.")
    _mount(screen, "use", "population_lead", chosen)


def _failures(screen: Screen, chosen: str, leader: str) -> None:
    beside = screen.bundle.population.baselines if screen.bundle.population else ()
    diamond = f" Diamond: {beside[0]}." if beside else ""
    widgets.subheading(
        "For whom it fails", f"NDCG@10; filled: q < .05.{diamond} Right: gap to the rest · histories. Click one."
    )
    _mount(screen, "slices", "population_slice", leader)


def _table(screen: Screen, view: View) -> None:
    table = view.slices
    thin = int(table["thin"].sum())
    box = st.expander(f"All {len(table):,} slices as a table", on_change="rerun", key="population_slices_box")
    if box.open:  # a styled table takes its time, so that it is made for who asks
        with box:
            _all_slices(screen, table, thin)
    with st.container(horizontal=True, key="population_table_save"):
        widgets.download_table("All slices as CSV", table, screen.file("slices.csv"), "population_csv")


def _all_slices(screen: Screen, table: pd.DataFrame, thin: int) -> None:
    widgets.write(
        f"The furthest below the rest first; q is corrected for all {len(table):,} looked at. "
        f"Grey: {thin:,} with fewer than {THIN} histories, or as few beside them."
    )
    shown = table.drop(columns=["key", "thin"])
    grey, thin_rows = f"color: {look(screen.theme).soft}", table["thin"].to_numpy()
    styled = shown.style.apply(lambda row: [grey * bool(thin_rows[row.name])] * len(row), axis=1)
    digits = {str(c): st.column_config.NumberColumn(format="%.3f") for c in shown.select_dtypes("number")}
    digits |= {"histories": st.column_config.NumberColumn(format="localized")}
    st.dataframe(styled, hide_index=True, column_config=digits, height=420, key="population_all")


def _gate(screen: Screen, chosen: str, leader: str) -> None:
    widgets.subheading(
        "Where each head has more say",
        "Its mean gate in a slice over its mean in all shown; coloured: more than usual, grey: less.",
    )
    picture = _picture(screen.source, "gate", chosen, leader, screen.theme)
    widgets.mount(picture, "population_gate", width="content")
    _save(screen, picture, "gate")


def _heads(screen: Screen, p: Population, view: View) -> None:
    widgets.subheading(
        "What each head does",
        "Overlap: the part of the final list's first ten that is among the head's own. HR@10: of its own list alone.",
    )
    rows: list[list[Cell]] = []
    for r in view.heads.to_dict("records"):
        h = int(r["head"]) - 1
        name = f" {screen.names[h]}" if screen.names[h] else ""
        rows.append([
            (Badge(h), name), percent(r["leads"]), percent(r["gate"]),
            f"{percent(r['overlap'])}\u00a0±\u00a0{'–' if np.isnan(r['overlap ±']) else percent(r['overlap ±'])}",
            percent(r["own HR@10"]), _moves(screen, p, h),
        ])  # fmt: skip
    widgets.table("What each head does", header(HEADS), rows, (5,))
    widgets.write(
        f"Moves up most: the {screen.words['many']} of the final lists whose rank would fall furthest without the "
        "head's share, on average over all histories, whatever is chosen. It says what a head recommends, not what its "
        "space knows."
    )
    moved = pd.DataFrame([
        {"head": h + 1, "item_id": str(screen.bundle.catalogue.item_id[row]),
         "title": screen.bundle.catalogue.label(int(row)), "doublings of rank": float(gain)}
        for h in range(p.head_count) for row, gain in zip(p.moved[h], p.moved_gain[h], strict=True)
    ])  # fmt: skip
    with st.container(horizontal=True, key="population_heads_save"):
        widgets.download_table("Heads as CSV", view.heads, screen.file("heads.csv"), "population_heads_csv")
        widgets.download_table("What they move as CSV", moved, screen.file("moved.csv"), "population_moved_csv")


def _moves(screen: Screen, p: Population, head: int) -> str:
    rows = [int(row) for row, gain in zip(p.moved[head], p.moved_gain[head], strict=True) if gain > 0]
    return ", ".join(map(screen.bundle.catalogue.label, rows[:MOVED])) or "nothing"


def _like_this(screen: Screen, p: Population) -> None:
    widgets.subheading("Like this one", "Where the history in the bar stands among these, by its gate and routers.")
    if not screen.state.history:
        widgets.write(f"The history is empty. Add {screen.words['a']} above to see where it stands.")
        return
    trace = screen.trace_of(intervention=NOTHING)
    gate, router = trace.gate[-1], trace.router[-1]
    rows: list[list[Cell]] = [
        [(Badge(h), ""), percent(gate[h]), percent(below),
         f"expert {router[h].argmax() + 1}, {percent(router[h].max())}" if p.expert_count > 1 else "–"]
        for h, below in enumerate(standing(p, gate))
    ]  # fmt: skip
    widgets.table(
        "Where this history stands", ["head", "gate here", "more than in … of histories", "expert with most say"], rows
    )
    found = nearest(p, gate, router)
    widgets.write(
        "The histories that the model treats most alike (0: the same gate and routers, 1: nothing in common)."
        + " The histories themselves are not kept: this log may not be passed on." * (p.items is None)
    )
    if p.items is None:
        widgets.table("The nearest histories", *_near(found, p, screen.noun))
        return
    for i, row in enumerate(found.to_dict("records")):
        history = p.history(int(row["index"]))
        last = ", ".join(screen.bundle.catalogue.label(item) for item in history[-SHOWN:])
        with st.container(horizontal=True, key=f"population_near_{i}", vertical_alignment="center"):
            st.button(f"Open history {i + 1}", key=f"population_open_{i}", on_click=session.start, args=(history,))
            place = f"{int(row['length'])} {screen.words['many']}, next one at rank {int(row['rank']):,}"
            with st.container(width="stretch"):
                widgets.write(f"Distance {number(row['distance'])}, {place}. Last: {last}")


def _near(found: pd.DataFrame, p: Population, noun: str) -> tuple[list[Cell], list[list[Cell]]]:
    rows: list[list[Cell]] = [
        [f"{i}", number(r["distance"]), *say_length_and_rank(p, int(r["index"]), noun)]
        for i, r in enumerate(found.to_dict("records"), 1)
    ]
    return ["", "distance", "length", "rank of the next one"], rows
