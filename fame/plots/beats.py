"""By which heads one item stands above another."""

from __future__ import annotations

from typing import Any

import numpy as np

from fame import explain
from fame.explain import Beats
from fame.plots.picture import Chart, Origin, chart
from fame.plots.sheet import Sheet
from fame.plots.style import Theme, finish, head_colour, head_name, label, look, text
from fame.text import digits_for, figure
from fame.trace import Trace

__all__ = ["beats"]

ROW = 32  # pixels


def beats(
    trace: Trace, a: Any = None, b: Any = None, theme: Theme = "light", rows: tuple[int, int] | None = None
) -> Chart:
    """Why one item stands above another: the winner's g_h·s_h less the other's as bars from one zero line, their sum,
    and what would become of the winner without each head.

    a, b: ids or titles; or else `rows` of the catalogue, two of them.

    Raises:
        FameError: an item is unknown, or not one of both ways is used.
    """
    pair = trace.catalogue.rows(None if rows is not None else [a, b], rows).tolist()
    told = explain.beats(trace, *pair)
    named = [label(trace.catalogue, row, 32) for row in (told.winner, told.loser)]
    title = f"{named[0]} beats {named[1]} by {figure(told.margin, _digits(told))}"
    if not told.margin:
        title = f"{named[0]} ties with {named[1]}"
    note = f"Gate × score of the first less the second, head by head: + speaks for {named[0]}."
    sheet = _bars(trace, told, theme)
    height = ROW * (len(told.table) + 1.7)
    finish(sheet, theme=theme, title=title, note=note, alt=told.sentence, height=height)
    return chart("beats", sheet, told.table, Origin.of(trace))


def _digits(told: Beats) -> int:
    return min(3, max(2, digits_for(told.table["share"].to_numpy())))


def _bars(trace: Trace, told: Beats, theme: Theme) -> Sheet:
    digits, colours, H = _digits(told), look(theme), len(told.table)
    bars = np.append(told.table["share"], told.margin).astype(np.float32)
    pair = np.array([told.winner, told.loser])
    shares = trace.shares(pair)
    names = [text(trace.catalogue.label(row)) for row in pair]
    said = [[figure(float(w), digits) for w in share] for share in (*shares, shares.sum(axis=0))]
    who = [*(head_name(h) for h in range(H)), "sum"]
    sheet = Sheet(bargap=0.45)
    sheet.add_bar(
        x=bars,
        y=np.arange(H + 1, dtype=np.float32),
        orientation="h",
        marker={"color": [*(head_colour(h, theme) for h in range(H)), colours.ink], "line": {"width": 0}},
        text=[figure(float(w), digits, plus=True) for w in bars],
        textposition="outside",
        cliponaxis=False,
        textfont={"color": colours.ink},
        hovertext=[
            f"<b>{name}</b>" + "".join(f"<br>{item}: {value}" for item, value in zip(names, values, strict=True))
            for name, values in zip(who, said, strict=True)
        ],
        hoverinfo="text",
    )
    reach = max(float(np.abs(bars).max()), 1e-12)
    low, high = min(0.0, float(bars.min())), max(0.0, float(bars.max()))
    sheet.add_shape(type="line", x0=0, x1=0, y0=-0.5, y1=H + 0.5, line={"color": colours.soft, "width": 1})
    left, right = low - 0.36 * reach * (low < 0), high + 0.4 * reach
    share = 0.72 if H > 1 else 1  # of the width; what is left says what becomes of the winner
    sheet.update_xaxes(range=[left, right], visible=False, domain=[0, share])
    top = -1.2 if H > 1 else -0.5
    sheet.update_yaxes(
        range=[H + 0.5, top], tickvals=list(range(H + 1)), ticktext=who, tickfont={"color": colours.ink, "size": 13}
    )
    for h in range(H if H > 1 else 0):
        sheet.add_annotation(x=1, xref="paper", xanchor="right", y=h, text=_without(told, h, digits))
    if H > 1:
        sheet.add_annotation(x=1, xref="paper", xanchor="right", y=-0.85, text="without this head, the winner")
    return sheet


def _without(told: Beats, h: int, digits: int) -> str:
    """What becomes of the winner without a head; nothing where the head has no say, or all of it."""
    line = told.table.iloc[h]
    if line["gate"] in (0, 1):
        return "–"
    if line["without"] == "level":
        return "level"
    verb = "still wins" if line["without"] == "wins" else "<b>loses</b>"
    return f"{verb} by {figure(abs(line['margin_without']), digits)}"
