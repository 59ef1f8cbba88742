"""Facet atlas: is this head's space about genre?"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import session, sources, widgets
from app.components import component
from app.screen import Declaration, NothingToShow, Option, Screen, words
from app.sources import Source, shared
from fame import atlas as atlases
from fame import regions
from fame.atlas import KINDS, Atlas
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.explain import sentences
from fame.plots import atlas_map
from fame.plots.atlas import VALUE_COLOURS

__all__ = ["SCREEN", "render"]

_atlas = component("atlas")

MOST_VALUES = 8  # that can be told apart
FIRST_VALUES = 5  # coloured before any are chosen
NEAREST = 10  # neighbours listed
FOUND = 8  # titles that resemble what is typed
FACTS = 80  # letters of a film's values under its title

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
    order=4,
    help=HELP,
    options={
        "atlas_left": Option(("full",), lambda screen: f"head_{screen.state.head + 1}"),
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
            "Build it again with maps (fame train RECIPE draws them), choose another model above, or go on to another "
            "screen: Story, Merge and Experts need no maps.",
        )
    sentence = st.container()
    view = _choose(screen)
    film = _film(screen)
    tables = [
        atlases.neighbour_table(bundle.model, bundle.atlas, bundle.catalogue, space, film, NEAREST, view.attribute)
        if film
        else pd.DataFrame({"row": [], "cosine": []})
        for space in view.spaces
    ]
    agreed = _agreed(screen.source)
    with sentence:
        _answer(agreed, view, screen.noun)
    points, version = _points(screen.source, view)
    _atlas(
        key="atlas_maps", data=_marks(screen, bundle.atlas, view, tables, version), on_act_change=lambda: _act(screen)
    )
    _downloads(screen, bundle.atlas, view, tables)
    _compare(agreed, bundle.atlas.spaces, screen.noun)
    _atlas(key="atlas_points", data=points)


def _film(screen: Screen) -> int:
    """The row that is looked at; 0 where none is chosen and there is no history that one would follow from."""
    return screen.item if screen.state.history else screen.state.item or 0


# ---- choices


def _choose(screen: Screen) -> View:
    """The row of choices, and what they come to."""
    st.html(f"<style>{STYLE}</style>")
    kind, attribute = screen.option("atlas_kind"), screen.option("atlas_colour") or None
    with st.container(horizontal=True, key="atlas_choices", vertical_alignment="bottom"):
        if attribute is not None:
            st.selectbox(
                "Colour by", _attributes(screen.source), width=180,
                **widgets.controlled("atlas_by", attribute, "atlas_colour", _recolour),
            )  # fmt: skip
        names = screen.bundle.catalogue.attribute(attribute).values if attribute else ()
        values = _read_values(screen.option("atlas_values"), len(names))
        if values is None:
            values = _first_values(screen.source, attribute) if attribute else ()
        if attribute is not None:
            shown = widgets.controlled(
                "atlas_shown", [names[v] for v in values], "atlas_values",
                lambda chosen: "-".join(str(names.index(name)) for name in chosen) or "none",
            )  # fmt: skip
            with st.container(key="atlas_values"):
                st.multiselect(
                    f"Values (up to {MOST_VALUES})", names, max_selections=MOST_VALUES,
                    placeholder="Choose values to colour", **shown,
                )  # fmt: skip
        st.segmented_control(
            "Layout", KINDS, format_func=str.upper, required=True, width="content",
            **widgets.controlled("atlas_layout", kind, "atlas_kind"),
        )  # fmt: skip
        _find(screen.bundle.catalogue)
    return View(_spaces(screen), kind, attribute, values)


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


def _act(screen: Screen) -> None:
    """What the browser asks for. It comes from outside: whatever does not fit is passed over."""
    asked, bundle = st.session_state["atlas_maps"].get("act"), screen.bundle
    if not isinstance(asked, dict) or bundle.atlas is None:
        return
    row, space = asked.get("row"), asked.get("space")
    match asked.get("do"):
        case "film" if isinstance(row, int) and 0 < row < len(bundle.catalogue):
            session.update(item=row)
        case "space" if space in bundle.atlas.spaces:
            left, right = _spaces(replace(screen, state=session.current()))
            if asked.get("side") == 0:
                _show(left=space, right=left if space == right else right)
            elif asked.get("side") == 1:
                _show(left=right if space == left else left, right=space)


@st.fragment
def _find(catalogue: Catalogue) -> None:
    """The search. The browser knows all titles; what resembles a mistyped one it asks for."""

    def seek() -> None:
        text = st.session_state["atlas_find"].get("act")
        st.session_state["atlas_search"] = text[:100] if isinstance(text, str) else ""

    text = st.session_state.get("atlas_search", "")
    similar = catalogue.search(text, FOUND) if text else []
    data = {"find": True, "noun": words(catalogue.noun), "text": text, "similar": similar}
    _atlas(key="atlas_find", data=data, width=240, on_act_change=seek)


def _show(left: str, right: str) -> None:
    """Two spaces side by side. A head on the left is the one that every screen looks at."""
    choice: dict[str, Any] = {"atlas_left": "full"}
    if left != "full":
        choice = {"atlas_left": None, "head": int(left.removeprefix("head_")) - 1}
    session.update(**choice, atlas_right=None if right == "full" else right)


# ---- numbers, kept for all visitors


def _bundle(source: Source) -> tuple[Bundle, Atlas, Catalogue]:
    bundle = sources.load(source)
    assert bundle.atlas is not None
    return bundle, bundle.atlas, bundle.catalogue


@shared(8)
def _attributes(source: Source) -> tuple[str, ...]:
    """The attributes that can colour a map."""
    catalogue = sources.load(source).catalogue
    usable = []
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


@shared(64)
def _regions(source: Source, space: str, attribute: str, kind: str) -> pd.DataFrame:
    _, atlas, catalogue = _bundle(source)
    return regions.label_regions(atlas, space, catalogue.attribute(attribute), kind)


@shared(8)  # 2 MB each where there are 30,000 films
def _points(source: Source, view: View) -> tuple[bytes, str]:
    """Titles, positions and colours as the bytes that atlas.js unpacks, and the version that they carry."""
    _, atlas, catalogue = _bundle(source)
    V = len(catalogue)
    facts, mask = [""] * V, np.zeros(V, np.uint8)
    if view.attribute is not None:
        facts = [", ".join(values)[:FACTS] for values in catalogue.facts[view.attribute]]
        if view.values:
            coloured = catalogue.attribute(view.attribute).matrix[:, list(view.values)]
            mask = np.packbits(coloured, axis=1, bitorder="little")[:, 0]  # bit k: has the k-th chosen value
    version = sha256(repr((source, view)).encode()).hexdigest()[:16]
    head = json.dumps(
        {
            "version": version,
            "catalogue": f"{source.path} {source.version}",
            "titles": [catalogue.label(row) for row in range(V)],
            "facts": facts,
            "spaces": view.spaces,
            "kind": view.kind,
            "colouring": [view.attribute, view.values],
        }
    ).encode()
    head += b" " * (-len(head) % 4)  # what follows is read in place as float32
    maps = [np.ascontiguousarray(atlas.map(space, view.kind), "<f4").tobytes() for space in view.spaces]
    return b"".join([np.array(len(head), "<u4").tobytes(), head, *maps, mask.tobytes()]), version


def _place(screen: Screen, atlas: Atlas, space: str, kind: str) -> tuple[float, float] | None:
    """Where the history itself falls on a map, if there is one."""
    if not screen.state.history:
        return None
    model = screen.bundle.model
    new = atlases.history_vectors(model, screen.trace, space)[-1]
    x, y = atlases.place(atlas, space, atlases.space_vectors(model, space), new, kind).tolist()
    return x, y


# ---- what is drawn


def _answer(agreed: pd.DataFrame, view: View, noun: str) -> None:
    """One sentence from the spaces, about the head that is looked at."""
    if view.attribute in set(agreed["attribute"]):
        head = next(space for space in view.spaces if space != "full")
        sentence = sentences.say_agreement(agreed, str(view.attribute), head, noun)
        widgets.write(*widgets.with_badges(sentence, sentence.partition(" in ")[0]))


def _marks(screen: Screen, atlas: Atlas, view: View, tables: list[pd.DataFrame], version: str) -> dict[str, Any]:
    """Everything that a click changes: neighbours, history, recommendations, words."""
    catalogue = screen.bundle.catalogue
    names: tuple[str, ...] = ()
    counts, several = np.zeros(0, np.int64), False
    if view.attribute is not None:
        attribute = catalogue.attribute(view.attribute)
        coloured = attribute.matrix[:, list(view.values)]
        names = tuple(attribute.values[v] for v in view.values)
        counts, several = coloured.sum(axis=0), bool((coloured.sum(axis=1) > 1).any())
    both = set(tables[0]["row"]) & set(tables[1]["row"])
    maps = []
    for space, table in zip(view.spaces, tables, strict=True):
        head = _head(space)
        regions = _regions(screen.source, space, view.attribute, view.kind) if view.attribute else pd.DataFrame()
        maps.append(
            {
                "space": space,
                "head": head,
                "name": _name(screen, space),
                "trust": sentences.say_trust(atlas.trust(space, view.kind)),
                "place": _place(screen, atlas, space, view.kind),
                "points": "the model points here" if head is None else f"head {head + 1} points here",
                "regions": [
                    {"x": r.x, "y": r.y, "label": r.label, "value": names.index(r.label) if r.label in names else None}
                    for r in regions.itertuples()
                ],
                "neighbours": [
                    {"row": n.row, "cosine": n.cosine, "common": getattr(n, "in_common", ""), "both": n.row in both}
                    for n in table.itertuples()
                ],
            }
        )
    light, dark = VALUE_COLOURS["light"], VALUE_COLOURS["dark"]
    return {
        "version": version,
        "noun": screen.words,
        "film": _film(screen),
        "kind": view.kind.upper(),
        "attribute": view.attribute,
        "several": several,
        "spaces": [{"space": space, "head": _head(space)} for space in atlas.spaces],
        "values": [
            {"name": name, "count": int(count), "light": light[i], "dark": dark[i]}
            for i, (name, count) in enumerate(zip(names, counts, strict=True))
        ],
        "history": _read(screen),
        "recommended": _recommended(screen),
        "maps": maps,
    }


def _read(screen: Screen) -> list[int]:
    """The part of the history that the model reads."""
    return screen.trace.items.tolist() if screen.state.history else []


def _recommended(screen: Screen) -> list[int]:
    if not screen.state.history:
        return []
    return screen.trace.ranking(exclude_history=screen.state.hide_seen)[: screen.state.k].tolist()


def _head(space: str) -> int | None:
    return None if space == "full" else int(space.removeprefix("head_")) - 1


def _name(screen: Screen, space: str) -> str:
    head = _head(space)
    if head is None:
        return "The full embedding"
    return f"Head {head + 1}'s space" + f" ({screen.names[head]})" * bool(screen.names[head])


def _downloads(screen: Screen, atlas: Atlas, view: View, tables: list[pd.DataFrame]) -> None:
    catalogue = screen.bundle.catalogue
    names = catalogue.attribute(view.attribute).values if view.attribute else ()

    def neighbours() -> pd.DataFrame:
        of = {"nearest_to": catalogue.label(_film(screen))}
        return pd.concat([table.assign(**of, space=space) for space, table in zip(view.spaces, tables, strict=True)])

    def positions() -> pd.DataFrame:
        table = catalogue.to_frame()
        for space in view.spaces:
            table[[f"{space}_x", f"{space}_y"]] = atlas.map(space, view.kind)[1:]
        return table

    def figure(space: str, table: pd.DataFrame) -> go.Figure:
        film = _film(screen)
        return atlas_map(
            atlas, catalogue, space, view.kind, view.attribute, [names[v] for v in view.values],
            highlight=[film, *table["row"]] if film else [], history=_read(screen),
            recommendations=_recommended(screen), state=_place(screen, atlas, space, view.kind),
            regions=_regions(screen.source, space, view.attribute, view.kind) if view.attribute else None,
            theme=screen.theme, highlighted=f"{catalogue.title[film]} and its nearest in this space",
        )  # fmt: skip

    with st.container(horizontal=True, key="atlas_save"):
        if _film(screen):
            widgets.download_table("Neighbours as CSV", neighbours, "neighbours.csv", "atlas_csv_near")
        widgets.download_table("Positions as CSV", positions, "positions.csv", "atlas_csv_positions")
        for space, table in zip(view.spaces, tables, strict=True):
            widgets.download_picture(
                screen, partial(figure, space, table), f"atlas-{space}-{view.kind}", f"atlas_html_{space}",
                f"{_name(screen, space)} as HTML",
            )  # fmt: skip


def _compare(agreed: pd.DataFrame, spaces: tuple[str, ...], noun: str) -> None:
    """Every space on every attribute, so that a head can be told from the others."""
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
    widgets.download_table("What each space gathers as CSV", agreed, "agreement.csv", "atlas_csv_agreement")


STYLE = """
[class*="st-key-atlas_shown"] [data-tag] { background: var(--panel); color: var(--ink); border: 1px solid var(--line); }
:has(> .st-key-atlas_values) { flex: 1 1 16rem; min-width: min(16rem, 100%); }
"""
