"""Which expert looked where: attention over the history, the router that weighs the experts, the head's mix."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from fame import explain
from fame.errors import FameError
from fame.explain.tables import ALL_TO_ONE, NEAR_UNIFORM
from fame.plots.style import (
    KEY,
    Scale,
    Theme,
    blend,
    finish,
    head_colour,
    head_name,
    head_scale,
    ink_on,
    ink_scale,
    label,
    look,
    ramp_key,
    text,
    texts,
)
from fame.text import digits_for, listing, number, percent, plural
from fame.trace import Trace

__all__ = ["attention_map", "attention_overview", "expert_attention", "router"]

ROW = 34  # pixels
EFFECT = 56  # of the bars of what items add
NUMBERED = 12  # up to this many columns cells hold their numbers, and those of the bars stand level
CELL = 46  # pixels such a column has at least
GRID, TRACK = 0.85, 0.12  # of the width: a head's attention, its router; a grid of fewer than FEWEST columns has less
FEWEST = 6  # columns that a picture has room for at least, so that a single item is not drawn as a wall
LABEL = 22  # letters of an item's title along an axis
DENSE = 30  # more items than this have smaller titles


def item_axis(trace: Trace, side: str = "bottom", room: bool = True) -> dict[str, Any]:
    """An axis of the history's positions, told by their items' titles; `room` leaves space for at least FEWEST."""
    T = len(trace.items)
    return {
        "range": [-0.5, max(T, FEWEST if room else 0) - 0.5],
        "tickvals": list(range(T)),
        "ticktext": texts(trace.catalogue.title[trace.items], LABEL),
        "tickangle": -90,
        "tickfont": {"size": 12 if T <= DENSE else 10},
        "side": side,
    }


def axis_height(trace: Trace) -> int:
    """Pixels that the titles along `item_axis` take."""
    longest = min(LABEL, max(len(str(trace.catalogue.title[r])) for r in trace.items))
    return 16 + round(longest * (6.5 if len(trace.items) <= DENSE else 5.5))


def axis_width(trace: Trace) -> int:
    """Pixels that `item_axis` needs for its titles not to overlap."""
    T = len(trace.items)
    return T * (16 if T <= DENSE else 12)


def _cells_width(trace: Trace) -> int:
    """Pixels that `item_axis` needs for its titles and for `_percents`."""
    return max(axis_width(trace), CELL * len(trace.items) if len(trace.items) <= NUMBERED else 0)


def _percents(fig: go.Figure, weights: np.ndarray, y: np.ndarray, scale: Scale, largest: float) -> None:
    """Weights [rows,T] written into their cells, where these have room: a future step, which is NaN, has none.

    y: where the rows stand [rows].
    """
    if weights.shape[1] > NUMBERED:
        return
    at = np.argwhere(~np.isnan(weights))
    shown = weights[tuple(at.T)]
    cells = [blend(scale[0][1], scale[-1][1], float(w) / max(largest, 1e-12)) for w in shown]
    fig.add_scatter(
        x=at[:, 1].astype(np.float32), y=y[at[:, 0]].astype(np.float32), mode="text", hoverinfo="skip",
        text=[percent(w) for w in shown], textfont={"size": 11, "color": [ink_on(cell) for cell in cells]},
    )  # fmt: skip


def _step(trace: Trace, step: int) -> int:
    T = len(trace.items)
    if not -T <= step < T:
        raise FameError(f"there is no step {step}; this history has the steps 0 to {T - 1}")
    return step % T


def check_head(trace: Trace, head: int, expert: int | None = None) -> None:
    H, N = trace.attention.shape[:2]
    if not 0 <= head < H:
        raise FameError(f"there is no head {head}; this model's heads are 0 to {H - 1}")
    if expert is not None and not 0 <= expert < N:
        raise FameError(f"there is no expert {expert}; each head's experts are 0 to {N - 1}")


def _labels(trace: Trace) -> list[str]:
    return [text(trace.catalogue.label(r)) for r in trace.items]


def expert_attention(
    trace: Trace,
    head: int,
    effects: np.ndarray | None = None,
    effect_of: str = "the score",
    step: int = -1,
    theme: Theme = "light",
) -> go.Figure:
    """One head's experts as rows over the history's items, the router's weight at the end of each row.

    Below them the head's mixed attention Σ_n β_n A_n and, where measured, what each item adds.

    effects: [T], what each item adds to something: how far that falls without it, as the column `effect` of
        `explain.leave_one_out`; `effect_of` names it. Left away where nothing could be measured (T = 1).

    Raises:
        FameError: no such head or step, or not one effect per item.
    """
    check_head(trace, head)
    t = _step(trace, step)
    _, N, T, _ = trace.attention.shape
    if effects is not None and np.shape(effects) != (T,):
        raise FameError(
            f"effects has the shape {np.shape(effects)}; expected {T} numbers, one per {trace.catalogue.noun}"
        )
    if effects is not None:
        effects = np.asarray(effects, np.float32)
        effects = effects if np.isfinite(effects).all() else None
    colours, colour = look(theme), head_colour(head, theme)
    items, beta = _labels(trace), trace.router[t, head]
    experts, mix = trace.attention[head, :, t, :], trace.mixed_attention[head, t]
    pads, below = (0.0, 0.0), 0.0  # pixels of the bars' numbers, and of bars and numbers
    if effects is not None:
        pad = 16 if T <= NUMBERED else 40
        pads = (pad * float(effects.min() < 0), pad * float(effects.max() > 0))
        below = EFFECT + sum(pads) + 10
    height = ROW * (N + 1) + below

    fig = go.Figure()
    for rows, scale, y in (
        (experts, head_scale(head, theme), np.arange(N)),
        (mix[None], ink_scale(theme), np.array([N])),
    ):
        names = [f"{head_name(head)}, expert {n + 1}" if n < N else f"{head_name(head)}, mixed" for n in y]
        fig.add_heatmap(
            x=np.arange(T, dtype=np.float32),
            y=y.astype(np.float32),
            z=rows,
            zmin=0,
            zmax=float(experts.max()),
            colorscale=scale,
            showscale=False,
            xgap=2,
            ygap=3,
            hovertext=[
                [f"<b>{item}</b><br>{name}: {w:.1%} of its attention" for item, w in zip(items, row, strict=True)]
                for name, row in zip(names, rows, strict=True)
            ],
            hoverinfo="text",
        )
        _percents(fig, rows, y, scale, float(experts.max()))
    track = {"orientation": "h", "xaxis": "x2", "y": np.arange(N, dtype=np.float32), "width": 0.34}
    fig.add_bar(x=np.ones(N, np.float32), marker={"color": colours.line}, hoverinfo="skip", **track)
    fig.add_bar(
        x=beta,
        name="router",
        marker={"color": colour, "line": {"width": 0}},
        hovertext=[f"{head_name(head)}, expert {n + 1}: router {w:.1%}" for n, w in enumerate(beta)],
        hoverinfo="text",
        **track,
    )
    for n, w in enumerate(beta):
        fig.add_annotation(
            x=1, xref="x2 domain", xshift=5, y=n, text=percent(w), xanchor="left", font={"color": colours.ink}
        )
    even = float(explain.router_entropy(trace)[t, head])
    if N > 1:
        fig.add_annotation(x=0, xref="x2", y=N, text=f"entropy {even:.2f} of 1", xanchor="left")
    fig.add_annotation(x=0, xref="x2", y=1, yref="y domain", text="router", xanchor="left", yanchor="bottom")
    labels = [f"expert {n + 1}" for n in range(N)] + ["<b>head mix</b>"]
    share = GRID * min(1, T / FEWEST)
    fig.update_layout(
        barmode="overlay",
        margin={"r": 66},  # for the router's numbers
        xaxis={**item_axis(trace, "top", room=False), "domain": [0, share], "anchor": "y"},
        xaxis2={
            "range": [0, 1], "domain": [share + 1 - GRID - TRACK, share + 1 - GRID], "visible": False, "anchor": "y"
        },
        yaxis={
            "range": [N + 0.55, -0.55],
            "tickvals": list(range(N + 1)),
            "ticktext": labels,
            "domain": [below / height, 1],
        },
    )  # fmt: skip
    largest = float(experts.max())
    key = ramp_key(fig, head_scale(head, theme), f"{percent(largest)} of an expert's attention", theme)
    if effects is not None:
        said = f"What each {trace.catalogue.noun} adds to {text(effect_of)}, measured by leaving it out"
        fig.add_annotation(
            text=said, xref="paper", yref="paper", x=0, y=0, xanchor="left", yanchor="middle", yshift=-14 - KEY
        )
        _effects(fig, effects, effect_of, items, trace.catalogue.noun, pads, below / height, theme)

    leader = int(mix.argmax())
    title = f"{head_name(head)} looked most at {label(trace.catalogue, trace.items[leader], 34)}"
    weights = listing([f"expert {n + 1} {percent(w)}" for n, w in enumerate(beta)])
    looks = "; ".join(
        f"expert {n + 1} most at {trace.catalogue.label(trace.items[int(row.argmax())])} ({percent(float(row.max()))})"
        for n, row in enumerate(experts)
    )
    alt = f"{head_name(head)} at step {t + 1} of {T}. Router: {weights}. Attention: {looks}."
    least, bottom = max(520, 150 + _cells_width(trace) / GRID, 100 + key), KEY
    if effects is not None:
        least, bottom = max(least, 130 + 6.2 * len(said)), 2 * KEY
        most = int(np.abs(effects).argmax())
        added = number(float(effects[most]), digits_for(effects), plus=True)
        alt += f" Measured, {trace.catalogue.label(trace.items[most])} moves {effect_of} most: it adds {added}."
    return finish(
        fig, theme=theme, title=title, note=_router_note(beta, even), alt=alt, height=height, least=least,
        top=axis_height(trace), bottom=bottom,
    )  # fmt: skip


def _router_note(beta: np.ndarray, even: float) -> str:
    if len(beta) == 1:
        return "This head has one expert, so the router has nothing to choose."
    if even > NEAR_UNIFORM:
        return "The router is nearly even: it hardly chooses between the experts."
    if beta.max() > ALL_TO_ONE:
        return "The router leaves nearly everything to one expert."
    return "The router mixes the experts with the weights at the right."


def _effects(
    fig: go.Figure,
    effects: np.ndarray,
    effect_of: str,
    items: list[str],
    noun: str,
    pads: tuple[float, float],
    ceiling: float,
    theme: Theme,
) -> None:
    """A row of bars with their numbers under the grid, up to `ceiling` of the height, around their own zero line.

    pads: pixels for the numbers under the lowest bar and over the highest.
    """
    colours = look(theme)
    numbers = [number(float(e), digits_for(effects), plus=True) for e in effects]
    level = len(effects) <= NUMBERED
    fig.add_bar(
        x=np.arange(len(effects), dtype=np.float32),
        y=effects,
        xaxis="x",
        yaxis="y2",
        width=0.86,
        name="adds",
        marker={"color": colours.soft, "line": {"width": 0}},
        text=numbers,
        textposition="outside",
        textangle=0 if level else -90,
        textfont={"size": 12 if level else 10, "color": colours.ink},
        constraintext="none",
        cliponaxis=False,
        hovertext=[
            f"<b>{item}</b><br>adds {added} to {text(effect_of)}, measured by leaving it out"
            for item, added in zip(items, numbers, strict=True)
        ],
        hoverinfo="text",
    )
    low, high = min(0.0, float(effects.min())), max(0.0, float(effects.max()))
    pixel = max(high - low, 1e-12) / EFFECT
    fig.add_shape(
        type="line", xref="x domain", x0=0, x1=1, y0=0, y1=0, yref="y2",
        line={"color": colours.soft, "width": 1},
    )  # fmt: skip
    fig.update_layout(
        yaxis2={
            "range": [low - pads[0] * pixel, high + pads[1] * pixel],
            "domain": [0, ceiling * (EFFECT + sum(pads)) / (EFFECT + sum(pads) + 10)],
            "anchor": "x",
            "tickvals": [(low + high) / 2],
            "ticktext": [f"<b>{noun} adds</b>"],
        }
    )


def attention_map(trace: Trace, head: int, expert: int | None = None, theme: Theme = "light") -> go.Figure:
    """The full attention [T,T] of one expert, or of the head's mix: after the item of a row, what it looked at.

    Raises:
        FameError: no such head or expert.
    """
    check_head(trace, head, expert)
    weights = trace.mixed_attention[head] if expert is None else trace.attention[head, expert]
    T = len(weights)
    items = _labels(trace)
    future = np.triu(np.ones((T, T), bool), 1)
    largest = _late_max(weights)
    hover = [
        [f"after <b>{items[t]}</b><br>{weights[t, s]:.1%} at <b>{items[s]}</b>" if s <= t else "" for s in range(T)]
        for t in range(T)
    ]
    cell = 26 if T <= 20 else 18 if T <= 35 else 15
    scale = ink_scale(theme) if expert is None else head_scale(head, theme)
    fig = go.Figure(
        go.Heatmap(
            x=np.arange(T, dtype=np.float32),
            y=np.arange(T, dtype=np.float32),
            z=np.where(future, np.float32(np.nan), weights),
            zmin=0,
            zmax=largest,
            colorscale=scale,
            showscale=False,
            xgap=1,
            ygap=1,
            hovertext=hover,
            hoverinfo="text",
            hoverongaps=False,
        )
    )
    _percents(fig, np.where(future, np.nan, weights), np.arange(T), scale, largest)
    axis = item_axis(trace)
    fig.update_layout(
        xaxis={**axis, "side": "top"}, yaxis={**axis, "range": [T - 0.5, -0.5], "side": "left", "tickangle": 0}
    )
    whole = "its experts mixed" if trace.router.shape[-1] > 1 else "its only expert"
    who = f"{head_name(head)}, {whole if expert is None else f'expert {expert + 1}'}"
    note = f"Rows: after this {trace.catalogue.noun}. Columns: what that step looked at; a row adds up to 100%."
    key = ramp_key(fig, scale, f"{_or_more(largest)} of a step's attention", theme)
    last = int(weights[-1].argmax())
    alt = (
        f"{who}: attention of {plural(T, 'step')} over the {trace.catalogue.noun}s up to each. "
        f"The last step looks most at {trace.catalogue.label(trace.items[last])}, {percent(float(weights[-1, last]))}."
    )
    title = f"{who}: where each step looked"
    least = max(480, 200 + max(_cells_width(trace), key))
    return finish(
        fig, theme=theme, title=title, note=note, alt=alt, height=cell * T, least=least, top=axis_height(trace),
        bottom=KEY,
    )  # fmt: skip


def _late_max(weights: np.ndarray) -> float:
    """The largest weight [… T,T] of the later half of the steps. The first steps have next to no items to choose
    from, and on a scale that reaches their 100% everything else would be pale."""
    return float(weights[..., weights.shape[-1] // 2 :, :].max())


def _or_more(largest: float) -> str:
    return f"{percent(largest)}{' or more' if largest < 0.995 else ''}"


def attention_overview(trace: Trace, full: bool = False, theme: Theme = "light") -> go.Figure:
    """All heads' experts, then their mix, at one glance: one heatmap on one scale; and the routers' weights.

    full: a tile [T,T] for each (one row of tiles per head) instead of the last step's row over the items.
    The heatmap's `customdata` holds the attention itself; its z adds the head (H for a mix), to give each its colour.
    An unseen marker on every tile or row of an expert carries (head, expert) as `customdata`, for clicks.
    With one expert per head the mix is that expert, and left away.
    """
    H, N, noun = *trace.router.shape[1:], trace.catalogue.noun
    mixed = trace.mixed_attention  # [H, T, T]
    weights = np.concatenate([trace.attention, mixed[:, None]], axis=1) if N > 1 else trace.attention
    weights = weights if full else weights[:, :, -1]
    largest = _late_max(trace.attention) if full else float(trace.attention[:, :, -1].max())
    fig = (_tiles if full else _rows)(trace, weights, largest, theme)
    said = f"{_or_more(largest) if full else percent(largest)} of a step's attention, in each head's colour"
    key = ramp_key(fig, ink_scale(theme), f"{said}; mixed as here" if N > 1 else said, theme)
    looks = "; ".join(
        f"head {h + 1} at {trace.catalogue.label(trace.items[int(row[-1].argmax())])}" for h, row in enumerate(mixed)
    )
    title = f"Where {plural(H, 'head')} with {plural(N, 'expert')} each looked"
    note = f"Each tile: steps down, {noun}s across." if full else "At the last step."
    what = f"over the {noun}s, step by step" if full else "at the last step"
    alt = f"Attention {what} of {title[6:-7]}. Mixed, at the last step, most: {looks}."
    if N > 1:
        note += f" {'Under' if full else 'Beside'} each expert: its router's weight at the last step."
        leaders = trace.router[-1].argmax(axis=1)
        alt += " Routers, most: " + "; ".join(
            f"head {h + 1} expert {n + 1} ({percent(trace.router[-1, h, n])})" for h, n in enumerate(leaders)
        )
        alt += "."
    top = 24 if full else axis_height(trace)
    columns = weights.shape[1]
    least = max(480, 68 + max(columns * 76, key)) if full else max(480, 84 + max(64 + axis_width(trace), key))
    return finish(
        fig, theme=theme, title=title, note=note, alt=alt, height=fig.layout.height, least=least, top=top, bottom=KEY
    )


def heads_scale(H: int, theme: Theme) -> Scale:
    """One scale for all: z from h to h+1 runs from panel to head h's colour, from H to H+1 to ink."""
    stops: Scale = []
    for h, colour in enumerate([*(head_colour(h, theme) for h in range(H)), look(theme).ink]):
        stops += [(h / (H + 1), look(theme).panel), ((h + 1) / (H + 1), colour)]
    return stops


def _coloured(weights: np.ndarray, N: int, largest: float) -> np.ndarray:
    """z for `heads_scale` of weights [H, experts and mix, …]; a hair below h+1 at most, where the next one begins."""
    H, M = weights.shape[:2]
    part = np.where(np.arange(M) < N, np.arange(H)[:, None], H).reshape(H, M, *(1,) * (weights.ndim - 2))
    return (part + 0.999 * np.minimum(weights / max(largest, 1e-12), 1)).astype(np.float32)


def _names(N: int, M: int, word: str = "expert ") -> list[str]:
    return [f"{word}{n + 1}" for n in range(N)] + ["mixed"] * (M - N)


def _rows(trace: Trace, weights: np.ndarray, largest: float, theme: Theme) -> go.Figure:
    """A row for each of `weights` [H, experts and mix, T]."""
    (H, M, T), N = weights.shape, trace.router.shape[-1]
    items = _labels(trace)
    gap = 0.5
    y = (np.arange(H)[:, None] * (M + gap) + np.arange(M)).astype(np.float32)  # [H, M]
    z, values = (np.full((H * M + H - 1, T), np.nan, np.float32) for _ in range(2))  # an empty row between heads
    places = (np.arange(H)[:, None] * (M + 1) + np.arange(M)).ravel()
    z[places] = _coloured(weights, N, largest).reshape(H * M, T)
    values[places] = weights.reshape(H * M, T)
    hover = [[""] * T for _ in z]
    for place, (h, n) in zip(places, np.ndindex(H, M), strict=True):
        hover[place] = [
            f"<b>{item}</b><br>{head_name(h)}, {_names(N, M)[n]}: {w:.1%}"
            for item, w in zip(items, weights[h, n], strict=True)
        ]
    edges = (y[:, :1] - 0.5 + np.arange(M + 1)).ravel().astype(np.float32)
    fig = go.Figure(
        go.Heatmap(
            x=np.arange(T, dtype=np.float32), y=edges, z=z, customdata=values, zmin=0, zmax=H + 1,
            colorscale=heads_scale(H, theme), showscale=False, xgap=1, ygap=1, hovertext=hover, hoverinfo="text",
            hoverongaps=False,
        )
    )  # fmt: skip
    _clicks(fig, np.full(H * N, -0.5, np.float32), y[:, :N].ravel(), H, N)
    height = 22 if H * M <= 24 else 16
    fig.update_layout(
        xaxis={**item_axis(trace, "top")},
        yaxis={
            "range": [float(y[-1, -1]) + 0.5, -0.5],
            "tickvals": y.ravel().tolist(),
            "ticktext": _names(N, M, "") * H,
        },
        margin={"l": 84, "r": 64},
        height=round(height * (H * M + gap * (H - 1))),
    )
    for h in range(H):
        _badge(fig, h, x=0, xref="paper", xshift=-64, y=float(y[h].mean()), theme=theme)
        for n in range(N if N > 1 else 0):
            fig.add_annotation(
                x=T - 0.5, xanchor="left", xshift=6, y=float(y[h, n]), text=percent(trace.router[-1, h, n])
            )
    if N > 1:
        fig.add_annotation(x=T - 0.5, xanchor="left", xshift=6, y=1, yref="y domain", yanchor="bottom", text="router")
    return fig


def _tiles(trace: Trace, weights: np.ndarray, largest: float, theme: Theme) -> go.Figure:
    """A tile, one unit wide and high, for each of `weights` [H, experts and mix, T, T]."""
    (H, M, T, _), N = weights.shape, trace.router.shape[-1]
    side = 150 if max(H, M) <= 5 else 96  # pixels
    across, down = 1.12, 1 + (26 if N > 1 else 14) / side  # from one tile to the next
    z, values = (np.full((H * (T + 1) - 1, M * (T + 1) - 1), np.nan, np.float32) for _ in range(2))
    past = np.tril(np.ones((T, T), bool))
    coloured = _coloured(weights, N, largest)
    for h, n in np.ndindex(H, M):
        tile = np.s_[h * (T + 1) : h * (T + 1) + T, n * (T + 1) : n * (T + 1) + T]
        z[tile], values[tile] = (np.where(past, x[h, n], np.float32(np.nan)) for x in (coloured, weights))
    edges = [
        (np.arange(count)[:, None] * pitch + np.linspace(0, 1, T + 1)).ravel().astype(np.float32)
        for count, pitch in ((M, across), (H, down))
    ]
    fig = go.Figure(
        go.Heatmap(
            x=edges[0], y=edges[1], z=z, customdata=values, zmin=0, zmax=H + 1, colorscale=heads_scale(H, theme),
            showscale=False, hovertemplate="%{customdata:.1%}<extra></extra>", hoverongaps=False,
        )
    )  # fmt: skip
    left, top = np.arange(M) * across, np.arange(H) * down
    x, y = np.tile(left[:N], H).astype(np.float32), np.repeat(top, N).astype(np.float32)  # of the experts' tiles
    _clicks(fig, x + 0.5, y + 0.5, H, N)
    width = max(M * across, 3.36)
    fig.update_layout(
        barmode="overlay",
        xaxis={"range": [0, width], "tickvals": (left + 0.5).tolist(), "ticktext": _names(N, M), "side": "top"},
        yaxis={"range": [(H - 1) * down + 1 + (16 / side if N > 1 else 0), 0], "visible": False},
        margin={"l": 52},
        height=round(side * ((H - 1) * down + 1) + (16 if N > 1 else 0)),
    )
    for h in range(H):
        _badge(fig, h, x=0, xref="paper", xshift=-22, y=float(top[h]) + 0.5, theme=theme)
    if N > 1:
        beta = trace.router[-1].ravel()
        colour = [head_colour(h, theme) for h in range(H) for _ in range(N)]
        for part, fill in ((np.ones_like(beta), look(theme).line), (beta, colour)):
            fig.add_bar(
                x=0.55 * part, base=x, y=y + 1 + 10 / side, width=6 / side, orientation="h", hoverinfo="skip",
                marker={"color": fill, "line": {"width": 0}, "cornerradius": 0},
            )  # fmt: skip
        fig.add_scatter(
            x=x + 0.58, y=y + 1 + 10 / side, mode="text", text=[percent(w) for w in beta], hoverinfo="skip",
            textposition="middle right", textfont={"size": 11, "color": look(theme).soft}, cliponaxis=False,
        )  # fmt: skip
    return fig


def _badge(fig: go.Figure, head: int, theme: Theme, **where: object) -> None:
    colour = head_colour(head, theme)
    fig.add_annotation(
        text=f"<b>{head + 1}</b>", bgcolor=colour, borderpad=4, width=12, font={"color": ink_on(colour)}, **where
    )


def _clicks(fig: go.Figure, x: np.ndarray, y: np.ndarray, H: int, N: int) -> None:
    fig.add_scatter(
        x=x, y=y, mode="markers", marker={"opacity": 0, "size": 18, "symbol": "square"}, hoverinfo="none",
        customdata=np.stack(np.divmod(np.arange(H * N), N), axis=1).astype(np.int32),
    )  # fmt: skip


def router(trace: Trace, step: int = -1, theme: Theme = "light") -> go.Figure:
    """How each head's router weighs its experts at a step: one bar per head, cut by expert, and its entropy.

    Raises:
        FameError: there is no such step.
    """
    t = _step(trace, step)
    beta = trace.router[t]  # [H, N]
    H, N = beta.shape
    colours = look(theme)
    largest = beta.max(axis=1, keepdims=True)
    fig = go.Figure()
    for n in range(N):
        fills = [
            blend(colours.page, head_colour(h, theme), 0.3 + 0.7 * float(beta[h, n] / largest[h, 0])) for h in range(H)
        ]
        fig.add_bar(
            x=beta[:, n],
            y=np.arange(H, dtype=np.float32),
            orientation="h",
            name=f"expert {n + 1}",
            marker={"color": fills, "line": {"color": colours.page, "width": 2}},
            text=[_router_label(n, w) for w in beta[:, n]],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            constraintext="none",
            textfont={"color": [ink_on(fill) for fill in fills], "size": 12},
            hovertext=[f"{head_name(h)}, expert {n + 1}: router {w:.1%}" for h, w in enumerate(beta[:, n])],
            hoverinfo="text",
        )
    even = explain.router_entropy(trace)[t]
    for h in range(H):
        said = f"{even[h]:.2f}" if N > 1 else "–"
        fig.add_annotation(x=1.012, y=h, text=said, xanchor="left", font={"color": colours.ink})
    fig.add_annotation(x=1.012, y=-0.55, text="entropy", xanchor="left", yanchor="bottom")
    fig.update_layout(
        barmode="stack",
        barcornerradius=4,
        bargap=0.3,
        xaxis={"range": [0, 1.1], "visible": False},
        yaxis={
            "range": [H - 0.5, -1.05],
            "tickvals": list(range(H)),
            "ticktext": [head_name(h) for h in range(H)],
            "tickfont": {"color": colours.ink, "size": 13},
        },
    )
    if N == 1:
        title, note = "One expert per head, so the routers have nothing to choose", "Router weights by head."
    else:
        sharp = int(even.argmin())
        title = f"{head_name(sharp)}'s router chooses most firmly"
        if float(even.min()) > 0.95:
            title = "All routers are nearly even: they hardly choose between the experts"
        note = "Number of the expert and its weight. Entropy: 0 = one expert has all, 1 = all the same."
    alt = "Router weights: " + "; ".join(
        f"head {h + 1}: {listing([f'expert {n + 1} {percent(w)}' for n, w in enumerate(beta[h])])}"
        + (f", entropy {even[h]:.2f}" if N > 1 else "")
        for h in range(H)
    )
    return finish(fig, theme=theme, title=title, note=note, alt=f"{alt}.", height=ROW * (H + 0.55), least=720)


def _router_label(expert: int, weight: float) -> str:
    """As much as fits into that part of the narrowest bar."""
    if weight >= 0.085:
        return f"{expert + 1} · {percent(weight)}"
    return str(expert + 1) if weight >= 0.022 else ""
