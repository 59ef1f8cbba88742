"""The whole catalogue as a map, with one history and what is recommended drawn in."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from fame.atlas import Atlas
from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.plots.style import MARGIN, Theme, alpha, finish, head_name, look, text
from fame.text import listing, plural

__all__ = ["VALUE_COLOURS", "atlas_map"]

HEIGHT = 560  # pixels
LEAST = 640
FILLED = 0.9  # of a plotting area its points take, at least: the rest is Plotly's own margin around them
MOST_SVG = 2_000  # items drawn as SVG, which exports as shapes; more are drawn with WebGL
MOST_NUMBERS = 20  # steps of a history that are numbered
MOST_VALUES = 8
USUAL_VALUES = 5
# Tol's muted scheme (2021), safe under colour blindness and apart from the heads' palette: values of an attribute
# are no heads. Each also has a shape of its own.
VALUE_COLOURS: dict[Theme, tuple[str, ...]] = {
    "light": ("#332288", "#CC6677", "#117733", "#AA4499", "#0F8BA8", "#882255", "#8A8A1F", "#B5651D"),
    "dark": ("#9C8CF0", "#F08A9B", "#5DC97F", "#D98BCB", "#88CCEE", "#E0679F", "#D6D65C", "#E3A468"),
}
# None of them marks a history or what is recommended: those have diamonds, rings and an x.
SHAPES = ("circle", "square", "triangle-up", "cross", "triangle-down", "pentagon", "star", "bowtie")
LEGEND = 24  # pixels of a legend's line
MARKS = "legend2"  # of the marks, under the map; that of the values stands over it


def atlas_map(
    atlas: Atlas,
    catalogue: Catalogue,
    space: str | int = 0,
    kind: str = "umap",
    attribute: str | None = None,
    values: Sequence[str] | None = None,
    highlight: Sequence[int] = (),
    history: Sequence[int] = (),
    recommendations: Sequence[int] = (),
    state: tuple[float, float] | None = None,
    regions: pd.DataFrame | None = None,
    theme: Theme = "light",
    highlighted: str = "highlighted",
) -> go.Figure:
    """All items on one map; each point carries its row as `customdata`. Big catalogues are drawn with WebGL.

    attribute: colour the items that have one of a few `values` (the most frequent where None); an item with
        several of them takes the rarest, which says most about it; items with none stay grey.
    highlight: rows ringed and named, for instance an item and its neighbours in the space itself; the legend under
        the map calls them `highlighted`.
    history, recommendations: rows drawn as a numbered path and as ranked marks.
    state: where the history's own F^h falls on this map.
    regions: a table with the columns x, y and label, written on the map where there is room.
    No label lies on another; hovering tells what has none.

    Raises:
        FameError: atlas and catalogue differ in size, there is no such space, kind of map, attribute or value,
            more values than can be told apart, or a row that is not in the catalogue.
    """
    if len(atlas) != len(catalogue):
        raise FameError(f"the atlas maps {len(atlas) - 1} items and the catalogue has {catalogue.n_items}")
    xy = atlas.map(space, kind)
    drawn = (*highlight, *history, *recommendations)
    for row in drawn:
        if not 0 < row < len(catalogue):
            raise FameError(f"row {row} is not in the catalogue; rows are 1 to {catalogue.n_items}")
    shown, groups = _groups(catalogue, attribute, values)
    # WebGL lies above everything that is not, so that what is drawn on the points must be of their kind.
    points = go.Scatter if len(catalogue) <= MOST_SVG else go.Scattergl
    size = float(np.clip(220 / np.sqrt(len(catalogue)), 3, 8))
    hover = _hover(catalogue, attribute)
    fig = go.Figure()
    for k, name in enumerate(["other", *shown]):
        rows = np.flatnonzero(groups == k)
        rows = rows[rows > 0]
        if k == 0:
            marker = {"color": look(theme).soft, "opacity": 0.35 if shown or drawn else 0.7, "size": size}
        else:
            marker = {
                "color": VALUE_COLOURS[theme][k - 1],
                "opacity": 0.5 if drawn else 0.85,
                "size": size + 1,
                "symbol": SHAPES[k - 1],
            }
        trace = points(
            x=xy[rows, 0],
            y=xy[rows, 1],
            mode="markers",
            name=text(name, 24),
            marker=marker,
            customdata=rows.astype(np.int32),
            hovertext=hover[rows],
            hoverinfo="text",
            showlegend=bool(shown) and len(rows) > 0,
        )
        fig.add_trace(trace)
    labels = _Labels(fig, xy, theme)
    for row in (*recommendations, *highlight):
        labels.mark(xy[row], size + 4)
    _history(fig, points, xy, list(history), hover, labels, theme)
    if state is not None:
        at = np.array([state], np.float32)
        mark = _mark(points, at, ["where the history's own state falls"], theme, symbol="x", size=12)
        fig.add_trace(mark.update(name="where the history points"))
        labels.add(at[0], "<b>the history</b>", 12)
    _recommended(fig, points, xy, list(recommendations), hover, labels, theme, size)
    _ringed(fig, points, xy, catalogue, list(highlight), labels, theme, size, text(highlighted, 60))
    if regions is not None:
        for x, y, label in regions[["x", "y", "label"]].itertuples(index=False):
            labels.add(np.array([x, y]), text(str(label), 28))
    fig.update_xaxes(visible=False, fixedrange=False)
    fig.update_yaxes(visible=False, fixedrange=False, scaleanchor="x", scaleratio=1)

    title = space_name(atlas.spaces[atlas.index(space)]) + (f", coloured by {attribute}" if shown else "")
    trust = f"{atlas.trust(space, kind):.2f}"
    items = plural(catalogue.n_items, catalogue.noun)
    note = f"{kind.upper()} of {items}. Trustworthiness {trust}: at 1, near here is near in the space."
    alt = f"Map of {items}. {title}. Trustworthiness {trust} of 1."
    if shown:
        alt += f" Coloured: {listing([f'{v} ({int((groups == k).sum())})' for k, v in enumerate(shown, start=1)])}."
    for what, chosen in (("History", history), ("Recommended", recommendations), ("Highlighted", highlight)):
        if len(chosen):
            alt += f" {what}: {'; '.join(catalogue.label(row) for row in chosen)}."
    top, bottom = (_legend_height(fig, legend) for legend in (None, MARKS))
    fig = finish(
        fig, theme=theme, title=text(title), note=note, alt=alt, height=HEIGHT, least=LEAST, top=top, bottom=bottom
    )
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "itemsizing": "constant"}
    return fig.update_layout(
        dragmode="pan",
        uirevision=f"{space} {kind}",  # a redraw of the same map keeps pan and zoom
        showlegend=bool(shown or bottom),
        legend={**legend, "y": 1, "yanchor": "bottom"},
        # Not to be switched off: the numbers beside the marks would stay.
        legend2={**legend, "y": 0, "yanchor": "top", "itemclick": False, "itemdoubleclick": False},
    )


def _legend_height(fig: go.Figure, legend: str | None) -> int:
    """Pixels that the entries of one of the two legends take in the narrowest picture."""
    widths = [44 + 7 * len(html.unescape(t.name)) for t in fig.data if t.showlegend and t.legend == legend]
    room = LEAST - 2 * MARGIN
    if sum(widths) <= room:
        return LEGEND * bool(widths)
    return LEGEND * -(-len(widths) // max(1, room // max(widths)))  # in columns, all as wide as the widest entry


def space_name(space: str) -> str:
    """What people call a space of the atlas: 'Head 1's space', 'The full embedding'."""
    if space.startswith("head_"):
        return f"{head_name(int(space[5:]) - 1)}'s space"
    return "The full embedding" if space == "full" else space


def _groups(
    catalogue: Catalogue, attribute: str | None, values: Sequence[str] | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """The values that get a colour, and for each row which of them it takes, from 1; 0 for none."""
    groups = np.zeros(len(catalogue), np.int64)
    if attribute is None:
        return (), groups
    known = catalogue.attribute(attribute)
    shown = known.values[:USUAL_VALUES] if values is None else tuple(dict.fromkeys(values))
    if len(shown) > MOST_VALUES:
        raise FameError(f"{plural(len(shown), 'value')} to colour; choose at most {MOST_VALUES}, so that they differ")
    for value in shown:
        if value not in known.values:
            raise FameError(f"no item has the {attribute} {value!r}; try {', '.join(known.values[:5]) or 'another'}")
    columns = [known.values.index(value) for value in shown]
    for k in np.argsort(-known.matrix[:, columns].sum(axis=0), kind="stable"):  # the rarest last, so that it wins
        groups[known.matrix[:, columns[k]]] = k + 1
    return shown, groups


def _hover(catalogue: Catalogue, attribute: str | None) -> np.ndarray:
    """One text per row: its label, and its values of the attribute."""
    facts = catalogue.facts.get(attribute or "", ((),) * len(catalogue))
    texts = [
        f"<b>{text(catalogue.label(row))}</b>" + (f"<br>{text(', '.join(values), 80)}" if values else "")
        for row, values in enumerate(facts)
    ]
    return np.array(texts, dtype=object)


def _mark(
    points: type[go.Scatter] | type[go.Scattergl],
    xy: np.ndarray,
    hover: list[str],
    theme: Theme,
    rows: list[int] | None = None,
    **marker: Any,
) -> go.Scatter | go.Scattergl:
    """Marks in ink at `xy` [marks, 2]."""
    return points(
        x=xy[:, 0],
        y=xy[:, 1],
        mode="markers",
        marker={"color": look(theme).ink, **marker},
        customdata=None if rows is None else np.array(rows, np.int32),
        hovertext=hover,
        hoverinfo="text",
        showlegend=True,
        legend=MARKS,
    )


class _Labels:
    """Labels on a map [V,2] that do not lie on each other, nor on marks that were told: what comes first stays.

    How far apart they fall is reckoned for the narrowest picture; a wider one, or zooming in, only spreads them.
    """

    def __init__(self, fig: go.Figure, xy: np.ndarray, theme: Theme) -> None:
        extent = np.maximum(np.ptp(xy[1:], axis=0), 1e-9)
        self.fig, self.colours = fig, look(theme)
        self.scale = FILLED * float(min((LEAST - 2 * MARGIN) / extent[0], HEIGHT / extent[1]))  # pixels per unit
        self.taken: list[np.ndarray] = []  # boxes [left, bottom, right, top], in pixels

    def mark(self, at: np.ndarray, size: float) -> None:
        """Keep labels off a mark of this size in pixels."""
        self.taken.append(self._box(at, size, size))

    def add(self, at: np.ndarray, label: str, off: float = 0) -> None:
        """Write a label (HTML) `off` pixels away from a place, on the first side that is free, or not at all."""
        width, height = 8 + 6.6 * len(html.unescape(label.removeprefix("<b>").removesuffix("</b>"))), 18
        beside, above = (off + width / 2, 0), (0, off + height / 2)
        sides = [beside, above, *((-x, -y) for x, y in (above, beside))] if off else [(0, 0), (0, height), (0, -height)]
        for shift in sides:
            box = self._box(at, width, height, shift)
            if not self._covered(box):
                self.taken.append(box)
                self.fig.add_annotation(
                    x=float(at[0]), y=float(at[1]), xshift=shift[0], yshift=shift[1], text=label, borderpad=1,
                    bgcolor=alpha(self.colours.page, 0.75), font={"size": 12, "color": self.colours.ink},
                )  # fmt: skip
                return

    def numbers(self, places: np.ndarray, inks: Sequence[str], size: float) -> None:
        """Number marks [m,2] inside, the last first; a number that would touch another is left away."""
        inside: list[np.ndarray] = []
        for i in reversed(range(len(places))):
            box = self._box(places[i], 14, 12)
            if not self._covered(box, inside):
                inside.append(box)
                self.fig.add_annotation(
                    x=float(places[i, 0]), y=float(places[i, 1]), text=str(i + 1), font={"size": 10, "color": inks[i]}
                )
            self.mark(places[i], size)

    def _box(self, at: np.ndarray, width: float, height: float, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
        x, y = np.asarray(at, float) * self.scale + shift
        return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])

    def _covered(self, box: np.ndarray, by: Sequence[np.ndarray] | None = None) -> bool:
        others = np.array(self.taken if by is None else by).reshape(-1, 4)
        return bool(((box[:2] < others[:, 2:]) & (others[:, :2] < box[2:])).all(axis=1).any())


def _history(
    fig: go.Figure, points: Any, xy: np.ndarray, rows: list[int], hover: np.ndarray, labels: _Labels, theme: Theme
) -> None:
    """The history as a path of steps, numbered where they are few; the last one is filled."""
    if not rows:
        return
    colours = look(theme)
    few = len(rows) <= MOST_NUMBERS
    texts = [f"{hover[row]}<br>step {i + 1} of the history" for i, row in enumerate(rows)]
    fill = [colours.page] * (len(rows) - 1) + [colours.ink]
    size = 18 if few else 9
    name = "history" + (", in order" if few else ", the last one filled") * (len(rows) > 1)
    path = _mark(points, xy[rows], texts, theme, rows, color=fill, size=size, line={"color": colours.ink, "width": 1.2})
    fig.add_trace(path.update(mode="lines+markers", name=name, line={"color": alpha(colours.ink, 0.6), "width": 1.2}))
    if few:
        labels.numbers(xy[rows], [colours.ink] * (len(rows) - 1) + [colours.page], size)
    else:
        for row in rows:
            labels.mark(xy[row], size)


def _recommended(
    fig: go.Figure,
    points: Any,
    xy: np.ndarray,
    rows: list[int],
    hover: np.ndarray,
    labels: _Labels,
    theme: Theme,
    size: float,
) -> None:
    """The recommendations as diamonds with their ranks."""
    if not rows:
        return
    texts = [f"{hover[row]}<br>recommended, rank {i + 1}" for i, row in enumerate(rows)]
    marks = _mark(
        points, xy[rows], texts, theme, rows, symbol="diamond-open", size=size + 8, line={"width": 2}
    )  # fmt: skip
    fig.add_trace(marks.update(name="recommended, with ranks"))
    for i, row in enumerate(rows):
        labels.add(xy[row], f"<b>{i + 1}</b>", size / 2 + 4)


def _ringed(
    fig: go.Figure,
    points: Any,
    xy: np.ndarray,
    catalogue: Catalogue,
    rows: list[int],
    labels: _Labels,
    theme: Theme,
    size: float,
    called: str,
) -> None:
    """Rows with a ring and their titles."""
    if not rows:
        return
    texts = [f"<b>{text(catalogue.label(row))}</b>" for row in rows]
    marks = _mark(points, xy[rows], texts, theme, rows, symbol="circle-open", size=size + 7, line={"width": 2})
    fig.add_trace(marks.update(name=called))
    for row in rows:
        labels.add(xy[row], text(catalogue.title[row], 24), size / 2 + 4)
