"""Facet atlas: is this head's space about genre?"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from app import item_picker, session, sources, widgets
from app.components import component
from app.screen import Declaration, NothingToShow, Option, Screen
from app.sources import Source, shared
from fame import atlas as atlases
from fame import plots
from fame.atlas import KINDS, Atlas
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.explain import sentences
from fame.plots.atlas import MOST_VALUES, AtlasMap, Ground, ground, head_of

__all__ = ["SCREEN", "maps", "render"]

_points = component("atlas_points")

FIRST_VALUES = 5  # coloured before any are chosen

HELP = """
**One point is one {one}.** Each head sees the {many} in a space of its own; a map lays such a space out in two
dimensions, so that {many} that are near in the space come near on the map. Both maps show the same {many}.

**A map is a drawing, the space is the model.** The lists under the maps, the rings and the sentence above them come
from the spaces themselves, by cosine. Where rings lie far from their {one}, the map has torn a neighbourhood apart; the
*trustworthiness* says how much of that there is. UMAP keeps neighbourhoods, PCA keeps the directions in which {many}
differ most. Distances between far groups, and left or right, mean nothing.

**Colours** are values of one attribute: at first those that crowd most in the full embedding, then those you choose.
What has several of the coloured values is split into their colours. A label stands where its value crowds beyond
chance; colours alone would show patterns everywhere.

**Click {a}** to see its neighbours in both spaces. Drag to move, the wheel (after a click) or + and − to zoom; with
the keyboard, arrow keys move the map, H goes to the history and Enter chooses the {one} in the middle. Filled discs are
the history in order, diamonds the recommendations; the target is where the history itself points in that space: at the
mean of the {many} nearest to it.

That neighbours share a value more than chance does not make a head *about* that attribute: compare the heads, and
compare the full embedding.
"""


def _question(screen: Screen) -> str:
    attribute = screen.option("atlas_colour")
    return f"Is this head's space about {attribute}?" if attribute else f"Which {screen.noun}s are near each other?"


def _is_space(screen: Screen, space: str) -> bool:
    return screen.bundle.atlas is not None and space in screen.bundle.atlas.spaces


def _is_attribute(screen: Screen, name: str) -> bool:
    return name in _attributes(screen.source)


def _first_attribute(screen: Screen) -> str:
    return next(iter(_attributes(screen.source)), "")


def _are_values(screen: Screen, text: str) -> bool:
    """Whether a text names values of the attribute that colours the maps, by their place, or none."""
    attribute = screen.option("atlas_colour")
    count = len(screen.bundle.catalogue.attribute(attribute).values) if attribute else 0
    return text == "none" or set(text.split("-")) <= set(map(str, range(count)))


SCREEN = Declaration(
    title="Facet atlas",
    question=_question,
    order=5,
    help=HELP,
    options={
        "atlas_left": Option(("full",), lambda screen: f"head_{screen.head + 1}"),
        "atlas_right": Option(_is_space, "full"),
        "atlas_kind": Option(KINDS, "umap"),
        "atlas_colour": Option(_is_attribute, _first_attribute),
        "atlas_values": Option(_are_values),
    },
    needs_history=False,
)


class View(NamedTuple):
    """What the maps show, besides the history: the visitor's choices, checked."""

    spaces: tuple[str, str]
    kind: str
    attribute: str | None
    values: tuple[int, ...]  # columns of the attribute's matrix


def render(screen: Screen) -> None:
    bundle = screen.bundle
    if bundle.atlas is None:
        raise NothingToShow(
            "This model has no maps",
            "Maps are drawn once, when a model is saved, and this one was saved without.",
            "Build it again with maps (fame train RECIPE draws them), or choose another model or screen above.",
        )
    item, view, picture = maps(screen)
    _neighbours(screen, picture, item)
    with st.container(horizontal=True, key="atlas_save"):
        if item:
            traced, chosen = "trace" if screen.state.history else "None", (view.spaces, view.kind, view.attribute)
            what = f"{', '.join(map(repr, chosen))}, {_shown_values(screen, view)!r}, {item}, {traced}"
            code = f"fame.plots.atlas_map(bundle, {what}, k, hide_seen, names)"
            widgets.save(screen, picture, "atlas_picture", "Maps as HTML", "Neighbours as CSV", code=code)
        positions = partial(_positions, screen.source, view)
        widgets.download_table("Positions as CSV", positions, screen.file("positions.csv"), "atlas_csv")
    _compare(screen, _agreed(screen.source), bundle.atlas.spaces)
    with st.container(horizontal=True, key="atlas_on", vertical_alignment="center", gap="small"):
        st.page_link(screen.pages["evidence"], label="Go on to Evidence", query_params=screen.links, width="content")
        widgets.styled("It tests which head is about what, and why it may name others than these counts.", "fame-note")


def maps(screen: Screen) -> tuple[int | None, View, AtlasMap]:
    """The maps with all that they follow; the item looked at, what they show, and the picture. There is an atlas."""
    st.html(f"<style>{STYLE}</style>")
    item = _item(screen)
    with screen.controls:
        _pickers(screen, item)
    view = _choose(screen)
    _answer(_agreed(screen.source), view, screen.noun)
    under = _ground(screen.source, view)
    picture = _picture(screen, under, item)
    widgets.mount(picture, "atlas_maps", pick=lambda: _pick(len(screen.bundle.catalogue)))
    _points(key="atlas_points", data=under.packed)
    return item, view, picture


def _item(screen: Screen) -> int | None:
    """The row that is looked at; None where none is chosen and there is no history that one would follow from."""
    return screen.item if screen.state.history else screen.state.item


def _shown_values(screen: Screen, view: View) -> list[str] | None:
    """The names of the values that are coloured."""
    by = view.attribute
    return [str(screen.bundle.catalogue.attribute(by).values[v]) for v in view.values] if by else None


def _picture(screen: Screen, under: Ground, item: int | None) -> AtlasMap:
    now = screen.state
    return plots.atlas_map(
        screen.bundle, item=item, trace=screen.trace if now.history else None, k=now.k, exclude_history=now.hide_seen,
        names=screen.names, theme=screen.theme, under=under,
    )  # fmt: skip


# ---- choices


def _pickers(screen: Screen, item: int | None) -> None:
    """The item to look at, the model's own list first, and the layout."""
    one, ranking = screen.words["one"], screen.trace.ranking().tolist() if screen.state.history else []
    with st.container(width=370):
        item_picker.choose(screen, f"{one.capitalize()} to look at", "atlas_item", "item", item, ranking)
    kind = screen.option("atlas_kind")
    st.segmented_control(
        "Layout", KINDS, format_func=str.upper, required=True, width="content", label_visibility="collapsed",
        **widgets.controlled("atlas_layout", kind, "atlas_kind"),
    )  # fmt: skip


def _choose(screen: Screen) -> View:
    """The row of choices, and what they come to."""
    kind, attribute = screen.option("atlas_kind"), screen.option("atlas_colour") or None
    left, right = _spaces(screen)
    values: tuple[int, ...] = ()
    with st.container(horizontal=True, key="atlas_choices_controls", vertical_alignment="center"):
        for label, space, side in (("Left", left, 0), ("Right", right, 1)):
            _space(screen, label, space, side)
        if attribute is not None:
            with st.container(width=230):
                st.selectbox(
                    "Colour by", _attributes(screen.source),
                    **widgets.controlled("atlas_by", attribute, "atlas_colour", _recolour),
                )  # fmt: skip
            values = _choose_values(screen, attribute)
    return View((left, right), kind, attribute, values)


def _space(screen: Screen, label: str, space: str, side: int) -> None:
    assert screen.bundle.atlas is not None
    spaces = sorted(screen.bundle.atlas.spaces, key=lambda name: (name == "full", name))
    other = _spaces(screen)[1 - side]

    def show(chosen: str) -> None:
        """Choosing the other map's space swaps the two."""
        pair = [chosen, space if chosen == other else other]
        _show(*(pair if side == 0 else pair[::-1]))

    st.segmented_control(
        f"{label} map", spaces, format_func=lambda name: "All" if name == "full" else f"{(head_of(name) or 0) + 1}",
        required=True, width="content", help="The number of a head, or the full embedding.",
        **widgets.tied(f"atlas_{label.lower()}_space", space, show),
    )  # fmt: skip


def _choose_values(screen: Screen, attribute: str) -> tuple[int, ...]:
    """The values that are coloured, by their columns; those that crowd most where none were chosen."""
    names = screen.bundle.catalogue.attribute(attribute).values
    values = _read_values(screen.option("atlas_values"), len(names))
    if values is None:
        values = _first_values(screen.source, attribute)
    with st.popover(f"Values ({len(values)})", width="content"):
        st.multiselect(
            f"Values (up to {MOST_VALUES})", names, max_selections=MOST_VALUES, placeholder="Choose values to colour",
            **widgets.controlled(
                "atlas_shown", [names[v] for v in values], "atlas_values",
                lambda chosen: "-".join(str(names.index(name)) for name in chosen) or "none",
            ),
        )  # fmt: skip
    return values


def _spaces(screen: Screen) -> tuple[str, str]:
    """The spaces that are shown, left and right; where both are chosen to be the same, another one is right."""
    left, right = screen.option("atlas_left"), screen.option("atlas_right")
    return left, right if right != left else "full" if left != "full" else "head_1"


def _recolour(attribute: str) -> str:
    """Another attribute starts with the values of its own that crowd most."""
    session.update(atlas_values=None)
    return attribute


def _read_values(text: str, count: int) -> tuple[int, ...] | None:
    """The values that a link names by their place, most frequent first; None where it names none that there is."""
    if text == "none":
        return ()
    asked = [int(part) for part in text.split("-") if part.isdecimal() and len(part) < 9]
    known = tuple(dict.fromkeys(v for v in asked if v < count))[:MOST_VALUES]
    return known or None


@shared(64)
def _first_values(source: Source, attribute: str) -> tuple[int, ...]:
    """The values that crowd in the full embedding, since frequent ones are everywhere; those where all are rare."""
    _, atlas, catalogue = _bundle(source)
    values = catalogue.attribute(attribute)
    crowding = atlases.most_gathered(atlas, "full", values, FIRST_VALUES)
    return tuple(sorted(crowding)) or tuple(range(len(values.values)))[:FIRST_VALUES]


def _pick(V: int) -> None:
    """The item that was clicked. It comes from outside and may be anything."""
    row = st.session_state["atlas_maps"].get("pick")
    if isinstance(row, int) and 0 < row < V:
        session.update(item=row)


def _show(left: str, right: str) -> None:
    """Two spaces side by side. A head on the left is the one that every screen looks at."""
    choice: dict[str, Any] = {"atlas_left": "full"}
    if left != "full":
        choice = {"atlas_left": None, "head": head_of(left)}
    session.update(**choice, atlas_right=None if right == "full" else right)


# ---- numbers, kept for all visitors


def _bundle(source: Source) -> tuple[Bundle, Atlas, Catalogue]:
    bundle = sources.load(source)
    assert bundle.atlas is not None
    return bundle, bundle.atlas, bundle.catalogue


@shared(8)
def _attributes(source: Source) -> tuple[str, ...]:
    """The attributes that can colour a map; none where there is no map."""
    bundle, usable = sources.load(source), []
    if bundle.atlas is None:
        return ()
    catalogue = bundle.catalogue
    for name in catalogue.attributes:
        try:
            usable += [name] if catalogue.attribute(name).values else []
        except FameError:  # too many values to choose from
            continue
    return tuple(usable)


@shared(8)
def _agreed(source: Source) -> pd.DataFrame:
    _, atlas, catalogue = _bundle(source)
    return atlases.agreements(atlas, catalogue)


@shared(8)  # 2 MB each where there are 30,000 items
def _ground(source: Source, view: View) -> Ground:
    _, atlas, catalogue = _bundle(source)
    values = None
    if view.attribute is not None:
        names = catalogue.attribute(view.attribute).values
        values = [names[v] for v in view.values]
    return ground(atlas, catalogue, view.spaces, view.kind, view.attribute, values)


def _positions(source: Source, view: View) -> pd.DataFrame:
    """Every item with its place on both maps."""
    _, atlas, catalogue = _bundle(source)
    table = catalogue.to_frame()
    for space in view.spaces:
        table[[f"{space}_x", f"{space}_y"]] = atlas.map(space, view.kind)[1:]
    return table


# ---- words and tables


def _answer(agreed: pd.DataFrame, view: View, noun: str) -> None:
    """One sentence from the spaces, about the head that is looked at."""
    if view.attribute in set(agreed["attribute"]):
        head = next(space for space in view.spaces if space != "full")
        sentence = sentences.say_agreement(agreed, str(view.attribute), head, noun)
        widgets.write(*widgets.with_badges(sentence, sentence.partition(" in ")[0]))


def _neighbours(screen: Screen, picture: AtlasMap, item: int | None) -> None:
    """What is nearest to the item in each space, side by side; 'both' where it is among them in the two."""
    if item is None:
        widgets.write(f"Choose {screen.words['a']} to see its nearest here.")
        return
    tables = [picture.table[picture.table["space"] == drawn["space"]] for drawn in picture.data["maps"]]
    both = set.intersection(*(set(table["row"]) for table in tables))
    with st.container(key="atlas_two"):
        columns = st.columns(len(tables), gap="large")
    for column, drawn, table in zip(columns, picture.data["maps"], tables, strict=True):
        name = drawn["name"][0].lower() + drawn["name"][1:]
        with column:
            _nearest(screen, f"Nearest to {screen.bundle.catalogue.label(item)} in {name}", table, both)


def _nearest(screen: Screen, label: str, table: pd.DataFrame, both: set[int]) -> None:
    before, item, after = label.partition(label.removeprefix("Nearest to ").rpartition(" in ")[0])
    widgets.write(before, widgets.Bold(item), after)
    common = "in_common" in table
    attribute = screen.option("atlas_colour")
    top = ["#", screen.words["one"], *([f"{attribute} in common"] if common else []), "cosine"]
    rows = [
        [
            str(rank), screen.bundle.catalogue.label(row) + " · both" * (row in both),
            *([shared_values or "–"] if common else []), f"{cosine:.2f}".replace("-", "−"),
        ]
        for rank, row, cosine, shared_values in zip(
            table["rank"], table["row"], table["cosine"], table["in_common"] if common else table["rank"], strict=True
        )
    ]  # fmt: skip
    widgets.table(label, top, rows, words=(1, 2) if common else (1,))


def _compare(screen: Screen, agreed: pd.DataFrame, spaces: tuple[str, ...]) -> None:
    """Every space on every attribute, so that a head can be told from the others."""
    noun = screen.noun
    if agreed.empty:
        return
    k = int(agreed["k"].iloc[0])
    heads = [space for space in spaces if space != "full"]
    attributes = agreed["attribute"].unique()
    shared = agreed.pivot(index="attribute", columns="space", values="shared").reindex(attributes)
    chance = agreed.drop_duplicates("attribute").set_index("attribute")["chance"]
    best = shared[heads].max(axis=1).round(2)
    widgets.write(
        widgets.Bold("What each space gathers"),
        f": how many of each {noun}'s {k} nearest have a value in common with it, mean over all {noun}s. Bold: the "
        f"head with the most. Every {noun} counts alike here, so that frequent values weigh most; on Evidence every "
        "value does.",
    )
    badges = map(widgets.Badge, range(len(heads)))
    rows = [
        [
            str(name), f"{chance[name]:.2f}", f"{row['full']:.2f}",
            *(widgets.Bold(f"{x:.2f}") if round(x, 2) == best[name] else f"{x:.2f}" for x in (row[s] for s in heads)),
        ]
        for name, row in zip(attributes, shared.to_dict("records"), strict=True)
    ]  # fmt: skip
    widgets.table("What each space gathers", ["in common", f"{k} at random", "full embedding", *badges], rows)
    widgets.download_table(
        "What each space gathers as CSV", agreed, screen.file("agreement.csv"), "atlas_csv_agreement"
    )


STYLE = """
[class*="st-key-atlas_shown"] [data-tag] { background: var(--panel); color: var(--ink); border: 1px solid var(--line); }
.st-key-atlas_choices_controls .stButtonGroup { display: flex; align-items: center; gap: .5rem; }
.st-key-atlas_choices_controls .stButtonGroup label { margin: 0; white-space: nowrap; }
"""
