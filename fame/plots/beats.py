"""By which heads one item stands above another."""

from __future__ import annotations

from typing import Any

import numpy as np

from fame import explain
from fame.explain import Beats
from fame.plots.picture import Component, Origin
from fame.plots.style import Theme
from fame.text import digits_for, figure
from fame.trace import Trace

__all__ = ["beats"]

ROW = 36  # pixels


def beats(
    trace: Trace, a: Any = None, b: Any = None, theme: Theme = "light", rows: tuple[int, int] | None = None
) -> Component:
    """Why one item stands above another: the winner's g_h·s_h less the other's as bars from one zero line, their sum,
    and what would become of the winner without each head.

    a, b: ids or titles; or else `rows` of the catalogue, two of them.

    Raises:
        FameError: an item is unknown, or not one of both ways is used.
    """
    pair = trace.catalogue.rows(None if rows is not None else [a, b], rows).tolist()
    told = explain.beats(trace, *pair)
    named = [trace.catalogue.label(row) for row in (told.winner, told.loser)]
    digits, H = _digits(told), len(told.table)
    title = (
        f"{named[0]} beats {named[1]} by {figure(told.margin, digits)}" if told.margin else " ties with ".join(named)
    )
    note = f"Gate × score of the first less the second, head by head: + speaks for {named[0]}."
    ranked = np.array([told.winner, told.loser])
    each = [[figure(float(x), digits) for x in share] for share in trace.shares(ranked)]
    scores = [figure(float(x), digits) for x in trace.shares(ranked).sum(axis=0)]
    shares = told.table["share"].tolist()
    return Component(
        name="beats",
        title=title,
        note=note,
        alt=told.sentence,
        numbers=told.table,
        theme=theme,
        origin=Origin.of(trace),
        height=ROW * (H + 3),
        data={
            "heads": [
                {"share": shares[h], "said": _signed(shares[h], digits), "each": each[h], "verdict": _without(told, h)}
                for h in range(H)
            ],
            "sum": {"share": told.margin, "said": _signed(told.margin, digits), "each": scores},
            "verdicts": H > 1,
            "pair": named,
            "title": title,
            "note": note,
        },
    )


def _digits(told: Beats) -> int:
    return min(3, max(2, digits_for(told.table["share"].to_numpy())))


def _signed(value: float, digits: int) -> str:
    return figure(value, digits, plus=True)


def _without(told: Beats, h: int) -> str:
    """What becomes of the winner without a head; nothing where the head has no say, or all of it."""
    line = told.table.iloc[h]
    if line["gate"] in (0, 1):
        return "–"
    if line["without"] == "level":
        return "level"
    verb = "still wins" if line["without"] == "wins" else "loses"
    return f"{verb} by {figure(abs(line['margin_without']), _digits(told))}"
