"""How the heads' shares g_h·s_h add up to a score, and by which of them one item stands above another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from fame import explain
from fame.bundle import Bundle
from fame.errors import FameError
from fame.plots.style import (
    Theme,
    blend,
    finish,
    head_colour,
    head_name,
    ink_on,
    label,
    look,
    signed_scale,
    text,
    texts,
)
from fame.text import digits_for, number
from fame.trace import Trace

__all__ = ["beats", "merge"]

ROW = 32  # pixels


def merge(
    bundle: Bundle | None,
    trace: Trace,
    k: int = 10,
    items: Iterable[Any] | None = None,
    exclude_history: bool = True,
    relative: bool = False,
    theme: Theme = "light",
    highlight: int | None = None,
    rows: Sequence[int] | np.ndarray | None = None,
) -> go.Figure:
    """One row per item, one column per head holding g_h·s_h, then their sum: the item's score.

    A cell's colour is the head's where it lifts the item and grey where it pulls it down, on one scale for all.

    bundle: only for a trace under an intervention, where it tells the ranks before it, shown as arrows; else None
        does as well.
    k: the k best, or give `items` (ids or titles) or `rows` of the catalogue.
    relative: against the average candidate, as `explain.relative_shares`; the sum is then the item's lead. The
        ranks are the same: what is taken away is one constant per head.
    highlight: row of the item that the title tells of and whose line is marked, added at the end where it is not
        among those shown; the first one where None.

    Raises:
        FameError: k is below 1, an item is unknown, the highlighted row is not in the catalogue, or there is nothing
            to show.
    """
    if k < 1:
        raise FameError(f"k is {k}; expected at least 1")
    ranking = trace.ranking(exclude_history=exclude_history)
    rows = ranking[:k] if items is None and rows is None else trace.catalogue.rows(items, rows)
    if highlight is not None and not 0 < highlight < len(trace.catalogue):
        raise FameError(f"row {highlight} is not in the catalogue; rows are 1 to {trace.catalogue.n_items}")
    if highlight is not None and highlight not in rows:
        rows = np.append(rows, highlight)
    if not len(rows):
        raise FameError(
            f"there is no {trace.catalogue.noun} to show; give items, or a history that leaves some to rank"
        )
    before = None
    if bundle is not None and trace.intervention:
        before = bundle.trace(rows=trace.seen).ranking(exclude_history=exclude_history)
    lit = 0 if highlight is None else rows.tolist().index(highlight)
    shares = explain.relative_shares(trace, rows, exclude_history) if relative else trace.shares(rows)  # [H, rows]
    shares = shares.astype(np.float32)
    total, whole = shares.sum(axis=0), "lead" if relative else "score"
    H = len(shares)
    colours = look(theme)
    digits = digits_for(shares)
    largest = max(float(np.abs(shares).max()), 1e-12)
    labels = [text(trace.catalogue.label(r)) for r in rows]
    y = np.arange(len(rows), dtype=np.float32)

    fig = go.Figure()
    for h in range(H):
        scale = signed_scale(h, theme)
        g, s, of = trace.gate[-1, h], trace.head_scores[h, rows], ""
        if relative:
            s, of = s - trace.head_scores[h, ranking].mean(dtype=np.float64), " over the average candidate"
        fig.add_heatmap(
            x=np.array([h], np.float32),
            y=y,
            z=shares[h][:, None],
            zmin=-largest,
            zmax=largest,
            colorscale=scale,
            showscale=False,
            xgap=3,
            ygap=3,
            name=head_name(h),
            hovertext=[
                [f"<b>{film}</b><br>{head_name(h)}: {g:.3f} × {number(v, digits)}{of} = {number(g * v, digits)}"]
                for film, v in zip(labels, s, strict=True)
            ],
            hoverinfo="text",
        )
        cells = [blend(scale[1][1], scale[2 if w > 0 else 0][1], abs(float(w)) / largest) for w in shares[h]]
        _texts(fig, h, y, [number(w, digits) for w in shares[h]], "middle center", [ink_on(cell) for cell in cells])
        fig.add_annotation(
            x=h, y=-0.95, text=f"<b>{h + 1}</b>", bgcolor=head_colour(h, theme), borderpad=4, width=12,
            font={"color": ink_on(head_colour(h, theme))}, hovertext=f"{head_name(h)}, gate {g:.3f}",
        )  # fmt: skip
    names = 1.4 + 0.55 * H  # the width of the titles, in cells
    left = -0.6 - names
    cut, label_width = (34, 285) if H < 7 else (26, 230)
    _texts(fig, H, y, [f"<b>{number(w, digits)}</b>" for w in total], "middle center", [colours.ink] * len(rows))
    ranks = _places(ranking)
    shown = [str(ranks.get(r, "–")) for r in rows.tolist()]
    _texts(fig, left + 0.25, y, shown, "middle left", [colours.soft] * len(rows))
    years = trace.catalogue.year[rows]
    titles = texts(trace.catalogue.title[rows], cut - len(" (1999)") * bool(years.any()))  # a long one keeps its year
    titles = [f"{title} ({year})" if year else title for title, year in zip(titles, years, strict=True)]
    titles[lit] = f"<b>{titles[lit]}</b>"
    _texts(fig, left + 0.3, y, titles, "middle right", [colours.ink] * len(rows), labels)
    fig.add_annotation(x=H, y=-0.95, text=whole)
    if before is not None:
        _texts(fig, H + 0.95, y, _moves(rows, ranks, _places(before)), "middle center", [colours.ink] * len(rows))
        fig.add_annotation(x=H + 0.95, y=-0.95, text="moved")
    fig.update_layout(hoverdistance=40)
    right = H + (0.55 if before is None else 1.4)
    fig.add_shape(
        type="rect", x0=left, x1=right, y0=lit - 0.5, y1=lit + 0.5, layer="below", line={"width": 0},
        fillcolor=blend(colours.page, colours.ink, 0.08),
    )  # fmt: skip
    fig.update_xaxes(range=[left, right], visible=False)
    fig.update_yaxes(range=[len(rows) - 0.4, -1.5], visible=False)

    named = label(trace.catalogue, rows[lit], 40)
    best = int(shares[:, lit].argmax())
    title = f"{named}: head {best + 1} gives {number(shares[best, lit], digits)} of {number(total[lit], digits)}"
    if shares[best, lit] <= 0:
        title = f"{named}: no head lifts it, its {whole} is {number(total[lit], digits)}"
    if relative:
        note = "Gate × score against the average candidate, head by head. Each row adds up to the lead."
    else:
        gap = float(np.abs(total - trace.scores[rows]).max())
        note = f"Gate × score, head by head. Each row adds up to the score (largest difference {gap:.0e})."
    if (shares < 0).any():
        note += " Grey pulls down."
    if before is not None:
        note += " Arrows: places against the model's own list."
    table = "; ".join(
        f"{trace.catalogue.label(r)} {number(t, digits)} = "
        + " ".join(f"{number(w, digits, plus=True)} (head {h + 1})" for h, w in enumerate(column))
        for r, t, column in zip(rows, total, shares.T, strict=True)
    )
    alt = f"Scores cut by head. {table}."
    least = label_width * (right - left) / names
    return finish(fig, theme=theme, title=title, note=note, alt=alt, height=ROW * (len(rows) + 1.1), least=least)


def _texts(
    fig: go.Figure,
    x: float,
    y: np.ndarray,
    texts: list[str],
    where: str,
    colours: list[str],
    hover: list[str] | None = None,
) -> None:
    fig.add_scatter(
        x=np.full(len(y), x, np.float32), y=y, mode="text", text=texts, textposition=where,
        textfont={"color": colours}, hovertext=hover, hoverinfo="text" if hover else "skip",
    )  # fmt: skip


def _places(ranking: np.ndarray) -> dict[int, int]:
    return {row: i + 1 for i, row in enumerate(ranking.tolist())}


def _moves(rows: np.ndarray, ranks: dict[int, int], before: dict[int, int]) -> list[str]:
    """How many places each item rose or fell; nothing where it is in one list only, or stayed."""
    moved = [before.get(row, 0) - ranks.get(row, 0) if row in ranks and row in before else 0 for row in rows.tolist()]
    return [f"{'↑' if m > 0 else '↓'} {abs(m)}" if m else "" for m in moved]


def beats(
    trace: Trace,
    a: Any = None,
    b: Any = None,
    theme: Theme = "light",
    *,
    rows: Sequence[int] | np.ndarray | None = None,
) -> go.Figure:
    """Why one item stands above another: g_h·(s_h(a) − s_h(b)) as bars from one zero line, and their sum.

    a, b: ids or titles; or else the two `rows` of the catalogue.

    Raises:
        FameError: an item is unknown.
    """
    rows = trace.catalogue.rows([a, b] if rows is None else None, rows)
    shares = trace.shares(rows)
    told = explain.beats(trace, *rows.tolist())
    H = len(shares)
    bars = np.append(told.table["share"], told.margin).astype(np.float32)
    digits = digits_for(bars)
    colours = look(theme)
    fills = [*(head_colour(h, theme) for h in range(H)), colours.ink]
    labels = [*(head_name(h) for h in range(H)), "together"]
    names = [text(trace.catalogue.label(r)) for r in rows]
    fig = go.Figure(
        go.Bar(
            x=bars,
            y=np.arange(H + 1, dtype=np.float32),
            orientation="h",
            marker={"color": fills, "line": {"width": 0}},
            text=[number(float(w), digits, plus=True) for w in bars],
            textposition="outside",
            cliponaxis=False,
            textfont={"color": colours.ink},
            hovertext=[
                f"<b>{head_name(h)}</b>"
                + "".join(f"<br>{name}: {number(w, digits)}" for name, w in zip(names, shares[h], strict=True))
                for h in range(H)
            ]
            + ["".join(f"{name}: {number(w, digits)}<br>" for name, w in zip(names, shares.sum(axis=0), strict=True))],
            hoverinfo="text",
        )
    )
    reach = max(float(np.abs(bars).max()), 1e-12)
    low, high = min(0.0, float(bars.min())), max(0.0, float(bars.max()))
    fig.add_shape(type="line", x0=0, x1=0, y0=-0.5, y1=H + 0.5, line={"color": colours.soft, "width": 1})
    fig.update_xaxes(range=[low - 0.2 * reach * (low < 0), high + 0.2 * reach], visible=False)
    fig.update_yaxes(
        range=[H + 0.5, -0.5], tickvals=list(range(H + 1)), ticktext=labels, tickfont={"color": colours.ink, "size": 13}
    )
    fig.update_layout(bargap=0.45)
    one, other = (label(trace.catalogue, r, 32) for r in rows)
    verb = "beats" if told.margin > 0 else "stands below" if told.margin < 0 else "ties with"
    by = f" by {number(abs(told.margin), digits)}" if told.margin else ""
    note = "Difference of gate × score, head by head, from one zero line."
    return finish(
        fig, theme=theme, title=f"{one} {verb} {other}{by}", note=note, alt=told.sentence, height=ROW * (H + 1) + 8
    )
