"""What training does to gate and routers: one simulated history after one epoch, beside the truth about it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd

from fame.catalogue import Catalogue
from fame.course import Course
from fame.errors import FameError
from fame.plots.picture import Chart, chart
from fame.plots.sheet import Sheet
from fame.plots.style import Theme, blend, finish, head_colour, head_name, ink_on, look, text, texts
from fame.text import percent

__all__ = ["course"]

GATE, TRUTH, ROUTER = 150, 30, 90  # pixels of the parts, from the top
BETWEEN = 22
NAME = 20  # letters of a title along the axis
SHADES = (1.0, 0.3)  # of a router's first and last expert


def course(
    found: Course, catalogue: Catalogue, at: int = -1, history: int = 0, theme: Theme = "light", routers: bool = True
) -> Chart:
    """After each item of a simulated history: the gate as a bar cut by head, the facet that really chooses the next
    item, in the colour of the head that training told it, and, with `routers`, each head's router cut by expert.

    at: a place in `found.epochs`.   history: a place in `found.items`.

    Raises:
        FameError: there is no such epoch or history.
    """
    if not -len(found) <= at < len(found) or not 0 <= history < len(found.items):
        raise FameError(f"there is no epoch {at} or history {history}; there are {len(found)} and {len(found.items)}")
    gate, router = (x[at, history].astype(np.float32) for x in (found.gate, found.router))
    T, H, N = router.shape
    N = N if routers else 1
    heights = [GATE, TRUTH, *[ROUTER] * (H if N > 1 else 0)]
    height = sum(heights) + BETWEEN * (len(heights) - 1)
    ends = [height - sum(heights[:i]) - BETWEEN * i for i in range(len(heights))]
    sheet = Sheet(barmode="stack", bargap=0.06, barcornerradius=0, margin={"r": 70})
    titles = [catalogue.label(int(row)) for row in found.items[history]]
    colours = [head_colour(h, theme) for h in range(H)]
    _stack(sheet, gate, "y", colours, [head_name(h) for h in range(H)], titles, theme)
    _truth(sheet, found, history, titles, theme)
    for h in range(H if N > 1 else 0):
        shades = [blend(look(theme).page, colours[h], float(s)) for s in np.linspace(*SHADES, N)]
        names = [f"Expert {n + 1} of head {h + 1}" for n in range(N)]
        _stack(sheet, router[:, h], f"y{h + 3}", shades, names, titles, theme)
    called = ["gate", "chosen by", *(f"router of<br>head {h + 1}" for h in range(H))]
    for i, (end, own) in enumerate(zip(ends, heights, strict=True)):
        name = "yaxis" if not i else f"yaxis{i + 1}"
        sheet.update_layout(**{name: {
            "domain": [(end - own) / height, end / height], "range": [0, 1], "tickvals": [0.5],
            "ticktext": [called[i]], "anchor": "x",
        }})  # fmt: skip
    sheet.update_xaxes(
        range=[-0.5, T - 0.5], tickvals=list(range(T)), tickangle=-90, anchor=f"y{len(heights)}",
        ticktext=texts(catalogue.title[found.items[history]], NAME),
    )  # fmt: skip
    title, note, alt = _said(found, at, history)
    finish(
        sheet, theme=theme, title=text(title), note=note, alt=alt, height=height, least=max(480, 120 + 22 * T),
        bottom=16 + round(6.5 * NAME),
    )  # fmt: skip
    return chart("course", sheet, partial(_table, found, catalogue, at, history))


def _stack(
    sheet: Sheet, weights: np.ndarray, axis: str, fills: Sequence[str], names: Sequence[str], titles: Sequence[str],
    theme: Theme,
) -> None:  # fmt: skip
    """Weights [T, parts] that sum to 1 as a bar per step, and their names at the end."""
    for share, fill, name in zip(weights.T, fills, names, strict=True):
        sheet.add_bar(
            x=np.arange(len(share), dtype=np.float32), y=share, yaxis=axis, name=name, marker={"color": fill},
            hovertext=[f"after <b>{text(t)}</b><br>{name}: {w:.1%}" for t, w in zip(titles, share, strict=True)],
            hoverinfo="text",
        )  # fmt: skip
    last = weights[-1]
    middles = np.cumsum(last) - last / 2
    for k in np.flatnonzero(last >= 0.15).tolist():
        sheet.add_annotation(
            x=len(weights) - 0.5, y=float(middles[k]), yref=axis, xanchor="left", xshift=4, showarrow=False,
            text=f"{k + 1} · {percent(float(last[k]))}", font={"color": look(theme).ink},
        )  # fmt: skip


def _truth(sheet: Sheet, found: Course, history: int, titles: Sequence[str], theme: Theme) -> None:
    """The facet that chooses next, a block for each run of steps; grey where training told no head of it."""
    truth = found.truth[history]
    starts = [0, *(np.flatnonzero(np.diff(truth)) + 1).tolist(), len(truth)]
    told = [head_colour(int(h), theme) if h >= 0 else look(theme).line for h in found.told]
    for start, end in pairwise(starts):
        a = int(truth[start])
        sheet.add_shape(
            type="rect", x0=start - 0.48, x1=end - 0.52, y0=0, y1=1, yref="y2", fillcolor=told[a], line={"width": 0}
        )
        sheet.add_annotation(
            x=(start + end - 1) / 2, y=0.5, yref="y2", showarrow=False, font={"color": ink_on(told[a])},
            text=text(found.facets[a], max(1, 4 * (end - start))),
        )  # fmt: skip
    sheet.add_bar(
        x=np.arange(len(truth), dtype=np.float32), y=np.ones(len(truth), np.float32), yaxis="y2",
        marker={"color": "rgba(0,0,0,0)"}, hoverinfo="text",
        hovertext=[f"after <b>{text(t)}</b> {found.facets[a]} chooses" for t, a in zip(titles, truth, strict=True)],
    )  # fmt: skip


def _said(found: Course, at: int, history: int) -> tuple[str, str, str]:
    """Title, the line under it, and what a screen reader says."""
    epoch, (gate, router) = int(found.epochs[at]), found.decided(at)
    when = "Before training" if not epoch else f"After epoch {epoch}"
    followed = found.followed(at)
    title = f"{when}: entropy of the gate {gate:.2f}, of the routers {router:.2f} (1: even, 0: decided)"
    note = "Bars after each film of one simulated viewer; the strip is the truth: which facet chooses next."
    told = f" The leading head is that of the facet in {percent(followed)} of all steps." * bool(np.isfinite(followed))
    last = ", ".join(f"head {h + 1} {percent(float(x))}" for h, x in enumerate(found.gate[at, history, -1]))
    return title, note, f"{title}.{told} At the end of history {history + 1}: {last}."


def _table(found: Course, catalogue: Catalogue, at: int, history: int) -> pd.DataFrame:
    """A row a step: item_id, title, the facet that chooses next, gate_1 …, router_1_1 …"""
    rows, (H, N) = found.items[history], found.router.shape[-2:]
    gate, router = found.gate[at, history].astype(np.float64), found.router[at, history].astype(np.float64)
    return pd.DataFrame(
        {
            "epoch": int(found.epochs[at]),
            "step": np.arange(1, len(rows) + 1),
            "item_id": catalogue.item_id[rows],
            "title": catalogue.title[rows],
            "chooses_next": [found.facets[a] for a in found.truth[history]],
            **{f"gate_{h + 1}": gate[:, h] for h in range(H)},
            **{f"router_{h + 1}_{n + 1}": router[:, h, n] for h in range(H) for n in range(N)},
        }
    )
