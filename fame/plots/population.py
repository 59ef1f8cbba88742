"""A population: how heads and experts are used, for which histories the model fails, and which head has more there."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fame.plots.picture import Chart, chart
from fame.plots.sheet import Sheet
from fame.plots.style import (
    Theme,
    alpha,
    blend,
    finish,
    head_colour,
    head_name,
    ink_on,
    look,
    signed_scale,
    text,
    texts,
)
from fame.population import Population, gate_by_slice, slice_table, usage
from fame.text import number, percent, plural

__all__ = ["population_gate", "population_slices", "population_use", "worth_drawing"]

Row = dict[Hashable, Any]  # of a slice table
ROW = 26  # pixels
BINS = 40  # of a weight from 0 to 1
STEPS = 20  # in which a private log's weights are told: a bin about each
TALL = 0.86  # of a row, the height of its highest bin
SHOWN = 10  # slices from either end of the table
NAME = 40  # letters of a slice
BESIDE = ("diamond-open", "square-open", "triangle-up-open")  # marks of other models


def population_use(p: Population, where: np.ndarray | None = None, theme: Theme = "light") -> Chart:
    """How often each head and expert has how much say within `where`: a row each, its histogram in its head's colour.

    A disc at the mean weight stands for the row and carries its key, 'head.2' or 'expert.2.1', as customdata.
    """
    table = usage(p, where)
    chosen = np.ones(len(p), bool) if where is None else where
    sheet, colours = Sheet(), look(theme)
    edges = np.linspace(0, 1, BINS + 1) if not p.alike else (np.arange(STEPS + 2) - 0.5) / STEPS
    weights = {(h + 1, 0): p.gate[chosen, h] for h in range(p.head_count)}
    weights |= {
        (h + 1, n + 1): p.router[chosen, h, n] for h in range(p.head_count) for n in range(p.expert_count)
    }  # fmt: skip
    rows = table.to_dict("records")
    names = [head_name(r["head"] - 1) if not r["expert"] else f"expert {r['expert']}" for r in rows]
    hills: dict[tuple[int, bool], list[np.ndarray]] = {}
    for y, row in enumerate(rows):
        hill = _hill(weights[row["head"], row["expert"]], y, edges)
        hills.setdefault((row["head"], bool(row["expert"])), []).append(hill)
    for (head, expert), outlines in hills.items():
        x, up = np.concatenate(outlines, 1).astype(np.float32)
        sheet.add_scatter(
            x=x, y=up, mode="lines", fill="toself", line={"width": 0}, hoverinfo="skip",
            fillcolor=alpha(head_colour(head - 1, theme), 0.38 if expert else 0.7),
        )  # fmt: skip
    even = np.array([1 / (p.expert_count if r["expert"] else p.head_count) for r in rows], np.float32)
    sheet.add_scatter(
        x=even, y=np.arange(len(rows), dtype=np.float32) + 0.1, mode="markers", hoverinfo="skip",
        marker={"symbol": "line-ns-open", "size": ROW - 8, "color": colours.soft, "line": {"width": 1}},
        unselected={"marker": {"opacity": 0.6}}, opacity=0.6,
    )  # fmt: skip
    who = [n if not r["expert"] else f"{head_name(r['head'] - 1)}, {n}" for n, r in zip(names, rows, strict=True)]
    sheet.add_scatter(
        x=table["mean"].to_numpy(np.float32), y=np.arange(len(rows), dtype=np.float32) + 0.22, mode="markers",
        marker={
            "size": 13, "color": [head_colour(r["head"] - 1, theme) for r in rows],
            "line": {"color": colours.page, "width": 2}, "opacity": 1,
        },
        customdata=[f"expert.{r['head']}.{r['expert']}" if r["expert"] else f"head.{r['head']}" for r in rows],
        hovertext=[
            f"<b>{w}</b><br>mean {percent(r['mean'])}, half of histories from {percent(r['low'])} to "
            f"{percent(r['high'])}<br>leads in {percent(r['leads'])}: click for those"
            for w, r in zip(who, rows, strict=True)
        ],
        hoverinfo="text", unselected={"marker": {"opacity": 0.35}},
    )  # fmt: skip
    said = [f"leads in {percent(r['leads'])}" + ", hardly used" * r["unused"] for r in rows]
    _words(sheet, 1.03, np.arange(len(rows)), said, [colours.soft if r["expert"] else colours.ink for r in rows])
    labels = [n if r["expert"] else f"<b>{n}</b>" for n, r in zip(names, rows, strict=True)]
    sheet.update_yaxes(range=[len(rows) - 0.4, -1], tickvals=list(range(len(rows))), ticktext=labels)
    sheet.update_xaxes(range=[0, 1.5], tickvals=[0, 0.25, 0.5, 0.75, 1], ticktext=["0", "25%", "50%", "75%", "100%"])
    figures = "; ".join(
        f"{w}: mean {percent(r['mean'])}, leads in {percent(r['leads'])}" for w, r in zip(who, rows, strict=True)
    )
    note = "Hills: how many histories give it that weight; disc: the mean; line: an equal share."
    finish(
        sheet, theme=theme, title=f"How heads and experts are used in {int(chosen.sum()):,} histories", note=note,
        alt=f"Gate and router weights. {figures}.", height=ROW * (len(rows) + 0.6), least=460, bottom=22,
    )  # fmt: skip
    return chart("population_use", sheet, table)


def _hill(weight: np.ndarray, y: int, edges: np.ndarray) -> np.ndarray:
    """A histogram over 0 to 1 as an outline that stands on its row, ended by a gap: [2, points]."""
    count, edges = np.histogram(weight.astype(np.float32).clip(0, 1), edges)
    edges = edges.clip(0, 1)
    tall = np.repeat(count / max(1, count.max()) * TALL, 2)
    x = np.concatenate([[0], np.repeat(edges, 2)[1:-1], [1, np.nan]])
    return np.stack([x, np.concatenate([[0], -tall, [0, np.nan]]) + y + 0.4])


def _words(sheet: Sheet, x: float, y: np.ndarray, said: Sequence[str], inks: Sequence[str]) -> None:
    """Words beside rows, which stay as they are when a point is chosen."""
    sheet.add_scatter(
        x=np.full(len(y), x, np.float32), y=y.astype(np.float32), mode="text", text=list(said),
        textposition="middle right", textfont={"color": list(inks), "size": 12}, hoverinfo="skip", cliponaxis=False,
        unselected={"textfont": {"color": inks[-1]}},
    )  # fmt: skip


def worth_drawing(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a slice table that a picture has room for: of those that are not thin, the first and last ones."""
    solid = table[~table["thin"]]
    return solid if len(solid) <= 2 * SHOWN else pd.concat([solid.head(SHOWN), solid.tail(SHOWN)])


def population_slices(
    p: Population,
    where: np.ndarray | None = None,
    theme: Theme = "light",
    noun: str = "item",
    table: pd.DataFrame | None = None,
) -> Chart:
    """NDCG@10 of the slices furthest below and above the rest, each with its 95% interval, beside the baselines.

    A slice's disc carries its key as customdata, and is filled where its gap is beyond chance (q < .05).

    table: `slice_table` of the same, where it is at hand.
    """
    table = slice_table(p, where, noun) if table is None else table
    rows = worth_drawing(table).to_dict("records")
    sheet, colours = Sheet(), look(theme)
    y = np.arange(len(rows))
    mean, half = (np.array([r[column] for r in rows], np.float64) for column in ("NDCG@10", "NDCG@10 ±"))
    for i, name in enumerate(p.baselines):
        _beside(sheet, rows, name, BESIDE[i % len(BESIDE)], theme)
    _discs(sheet, rows, theme)
    chosen = np.ones(len(p), bool) if where is None else where
    usual = float(np.where(p.rank <= 10, 1 / np.log2(p.rank + 1.0), 0)[chosen].mean())
    sheet.add_shape(
        type="line",
        x0=usual,
        x1=usual,
        y0=-0.6,
        y1=len(rows) - 0.4,
        layer="below",
        line={"color": colours.line, "width": 2},
    )
    high = max([usual, *(mean + np.nan_to_num(half)).tolist(), *(r[f"{b} NDCG@10"] for r in rows for b in p.baselines)])
    said = [f"{number(r['gap'], 3, plus=True)} · {r['histories']:,}" for r in rows]
    _words(sheet, high * 1.05, y, said, [colours.soft] * len(rows))
    sheet.update_yaxes(
        range=[len(rows) - 0.4, -0.6], tickvals=list(range(len(rows))), ticktext=texts(map(_named, rows), NAME)
    )
    step = next((s for s in (0.05, 0.1, 0.2) if high <= 4 * s), 0.25)
    sheet.update_xaxes(
        range=[-0.03 * high, high * 1.45], tickvals=np.arange(0, high + 1e-6, step), tickfont={"size": 11}
    )
    low, best = (rows[0], rows[-1]) if rows else ({}, {})
    title = f"Fails most at {text(_named(low), NAME)}" if rows else "No slice has histories enough"
    beside = "".join(f" Diamond: {text(p.baselines[0], 24)}." for _ in p.baselines[:1])
    note = f"NDCG@10, 95% interval; filled: q < .05.{beside} Right: gap to the rest · histories."
    alt = f"NDCG@10 of {plural(len(rows), 'slice')}, all histories {number(usual, 3)}."
    if rows:
        alt += f" Lowest: {_told(low)}. Highest: {_told(best)}."
    finish(
        sheet, theme=theme, title=title, note=note, alt=alt, height=ROW * max(2, len(rows)), least=560, bottom=22
    )  # fmt: skip
    return chart("population_slices", sheet, table)


def _beside(sheet: Sheet, rows: list[Row], name: str, symbol: str, theme: Theme) -> None:
    """A baseline's NDCG@10 of each slice."""
    values = np.array([r[f"{name} NDCG@10"] for r in rows], np.float32)
    sheet.add_scatter(
        x=values, y=np.arange(len(rows), dtype=np.float32), mode="markers", name=text(name),
        marker={"symbol": symbol, "size": 9, "color": look(theme).soft, "line": {"width": 1.5}},
        hovertext=[
            f"<b>{text(_named(r))}</b><br>{text(name)}: NDCG@10 {number(v, 3)}"
            for r, v in zip(rows, values.tolist(), strict=True)
        ],
        hoverinfo="text",
    )  # fmt: skip


def _discs(sheet: Sheet, rows: list[Row], theme: Theme) -> None:
    """The model's NDCG@10 of each slice with its interval; the discs are what is clicked."""
    colours = look(theme)
    half = np.array([r["NDCG@10 ±"] for r in rows], np.float32)
    sheet.add_scatter(
        x=np.array([r["NDCG@10"] for r in rows], np.float32), y=np.arange(len(rows), dtype=np.float32),
        mode="markers", name="FAME", customdata=[r["key"] for r in rows],
        marker={
            "size": 12, "opacity": 1, "line": {"color": colours.ink, "width": 2},
            "color": [colours.ink if r["q"] < 0.05 else colours.page for r in rows],
        },
        error_x={"type": "data", "array": half, "color": colours.ink, "thickness": 2, "width": 0},
        hovertext=[
            f"<b>{text(_named(r))}</b><br>NDCG@10 {number(r['NDCG@10'], 3)} ± {number(r['NDCG@10 ±'], 3)}, HR@10 "
            f"{percent(r['HR@10'])}<br>{r['histories']:,} histories: click for those"
            for r in rows
        ],
        hoverinfo="text", unselected={"marker": {"opacity": 0.35}},
    )  # fmt: skip


def _named(row: Row) -> str:
    return f"{row['kind']}: {row['slice']}"


def _told(row: Row) -> str:
    return f"{_named(row)}, {number(row['NDCG@10'], 3)}"


def population_gate(
    p: Population, where: np.ndarray | None = None, theme: Theme = "light", noun: str = "item", thin: int = 50
) -> Chart:
    """Slices as rows, heads as columns: the mean gate of a slice over that of all within `where`, 1 where they agree.

    Drawn are those of at least `thin` histories in which some head's share differs most; the table has all.
    """
    table = gate_by_slice(p, where, noun)
    heads = [f"head_{h + 1}" for h in range(p.head_count)]
    solid = table[table["histories"] >= thin]
    off = np.abs(np.log2(solid[heads].clip(lower=1e-3))).max(axis=1).fillna(0)
    chosen = solid.loc[off.sort_values(ascending=False, kind="stable").index[: 2 * SHOWN]].sort_index()
    over = chosen[heads].to_numpy(np.float32)
    sheet, y = Sheet(), np.arange(len(chosen), dtype=np.float32)
    named = [_named(r) for r in chosen.to_dict("records")]
    reach = max(0.1, float(np.nan_to_num(np.abs(np.log2(over.clip(1e-3)))).max(initial=0)))
    grounds: list[str] = []
    for h in range(p.head_count):
        scale = signed_scale(h, theme)
        z = np.log2(over[:, h].clip(1e-3))
        at = np.array([h], np.float32)
        sheet.add_heatmap(
            x=at, y=y, z=z[:, None], zmin=-reach, zmax=reach, colorscale=scale, showscale=False, xgap=2, ygap=2,
            hoverinfo="text", hoverongaps=False,
            hovertext=[[f"<b>{text(n)}</b><br>{head_name(h)}: ×{number(float(v))} of its usual share"]
                       for n, v in zip(named, over[:, h], strict=True)],
        )  # fmt: skip
        grounds += [blend(scale[1][1], scale[2 if v > 0 else 0][1], abs(float(v)) / reach) for v in np.nan_to_num(z)]
    sheet.add_scatter(
        x=np.repeat(np.arange(p.head_count, dtype=np.float32), len(y)), y=np.tile(y, p.head_count), mode="text",
        text=["–" if np.isnan(v) else f"×{number(float(v))}" for v in over.T.ravel()], hoverinfo="skip",
        textfont={"color": [ink_on(c) for c in grounds], "size": 11},
    )  # fmt: skip
    sheet.update_xaxes(
        range=[-0.5, p.head_count - 0.5], tickvals=list(range(p.head_count)),
        ticktext=[head_name(h) for h in range(p.head_count)], side="top",
    )  # fmt: skip
    sheet.update_yaxes(range=[len(y) - 0.5, -0.5], tickvals=list(range(len(y))), ticktext=texts(named, NAME))
    note = "Mean gate of the slice over the mean of all; coloured where the head has more say than usual, grey less."
    figures = "; ".join(
        f"{n}: " + ", ".join(f"head {h + 1} ×{number(float(v))}" for h, v in enumerate(row))
        for n, row in zip(named, over, strict=True)
    )
    finish(
        sheet, theme=theme, title="Where each head has more say", note=note, height=ROW * max(1, len(y)),
        alt=f"Mean gate of slices over the mean of all. {figures}.", width=300 + 96 * p.head_count, top=22,
    )  # fmt: skip
    return chart("population_gate", sheet, table)
