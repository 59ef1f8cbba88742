"""Which expert looked where: attention over the history, the router that weighs the experts, the head's mix."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from fame import explain
from fame.errors import FameError
from fame.plots.style import (
    Scale,
    Theme,
    blend,
    digits_for,
    finish,
    head_colour,
    head_name,
    head_scale,
    ink_on,
    ink_scale,
    listing,
    look,
    number,
    percent,
    plural,
    text,
    texts,
)
from fame.trace import Trace

__all__ = ["attention_map", "attention_overview", "expert_attention", "router"]

ROW = 34  # pixels
EFFECT = 64
FEWEST = 6  # columns that a picture has room for at least, so that a single film is not drawn as a wall
LABEL = 22  # letters of a film's title along an axis
DENSE = 30  # more films than this have smaller titles


def film_axis(trace: Trace, side: str = "bottom", room: bool = True) -> dict[str, Any]:
    """An axis of the history's positions, told by their films' titles; `room` leaves space for at least FEWEST."""
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
    """Pixels that the titles along `film_axis` take."""
    longest = min(LABEL, max(len(str(trace.catalogue.title[r])) for r in trace.items))
    return 16 + round(longest * (6.5 if len(trace.items) <= DENSE else 5.5))


def axis_width(trace: Trace) -> int:
    """Pixels that `film_axis` needs for its titles not to overlap."""
    T = len(trace.items)
    return T * (16 if T <= DENSE else 12)


def _step(trace: Trace, step: int) -> int:
    T = len(trace.items)
    if not -T <= step < T:
        raise FameError(f"there is no step {step}; this history has the steps 0 to {T - 1}")
    return step % T


def _head(trace: Trace, head: int, expert: int | None = None) -> None:
    H, N = trace.attention.shape[:2]
    if not 0 <= head < H:
        raise FameError(f"there is no head {head}; this model's heads are 0 to {H - 1}")
    if expert is not None and not 0 <= expert < N:
        raise FameError(f"there is no expert {expert}; each head's experts are 0 to {N - 1}")


def _films(trace: Trace) -> list[str]:
    return [text(trace.catalogue.label(r)) for r in trace.items]


def expert_attention(
    trace: Trace,
    head: int,
    effects: np.ndarray | None = None,
    effect_of: str = "the score",
    step: int = -1,
    theme: Theme = "light",
) -> go.Figure:
    """One head's experts as rows over the history's films, the router's weight at the end of each row.

    Below them the head's mixed attention Σ_n β_n A_n and, where measured, the effect of leaving each film out.

    effects: [T], by how much something fell (above 0) or rose (below 0) without each film, as the column `effect`
        of `explain.leave_one_out`; `effect_of` names it. Left away where nothing could be measured (T = 1).

    Raises:
        FameError: no such head or step, or not one effect per film.
    """
    _head(trace, head)
    t = _step(trace, step)
    _, N, T, _ = trace.attention.shape
    if effects is not None and np.shape(effects) != (T,):
        raise FameError(f"effects has the shape {np.shape(effects)}; expected {T} numbers, one per film")
    if effects is not None:
        effects = np.asarray(effects, np.float32)
        effects = effects if np.isfinite(effects).all() else None
    colours, colour = look(theme), head_colour(head, theme)
    films, beta = _films(trace), trace.router[t, head]
    experts, mix = trace.attention[head, :, t, :], trace.mixed_attention[head, t]
    height = ROW * (N + 1) + (EFFECT if effects is not None else 0)
    floor = (EFFECT / height) if effects is not None else 0.0

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
                [f"<b>{film}</b><br>{name}: {w:.1%} of its attention" for film, w in zip(films, row, strict=True)]
                for name, row in zip(names, rows, strict=True)
            ],
            hoverinfo="text",
        )
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
        fig.add_annotation(x=1.06, xref="x2", y=n, text=percent(w), xanchor="left", font={"color": colours.ink})
    even = float(explain.router_entropy(trace)[t, head])
    if N > 1:
        fig.add_annotation(x=0, xref="x2", y=N, text=f"entropy {even:.2f} of 1", xanchor="left")
    fig.add_annotation(x=0, xref="x2", y=-0.62, text="router", xanchor="left", yanchor="bottom")
    labels = [f"expert {n + 1}" for n in range(N)] + ["<b>head mix</b>"]
    fig.update_layout(
        barmode="overlay",
        xaxis={**film_axis(trace, "top"), "domain": [0, 0.82], "anchor": "y"},
        xaxis2={"range": [0, 1.4], "domain": [0.85, 1], "visible": False, "anchor": "y"},
        yaxis={"range": [N + 0.55, -0.55], "tickvals": list(range(N + 1)), "ticktext": labels, "domain": [floor, 1]},
    )
    if effects is not None:
        _effects(fig, effects, effect_of, films, floor, theme)

    leader = int(mix.argmax())
    title = f"{head_name(head)} looked most at {text(trace.catalogue.label(trace.items[leader]), 34)}"
    shown = "" if T == 1 else f" The strongest cell is {percent(float(experts.max()))} of an expert's attention."
    note = _router_note(beta, even) + shown
    weights = listing([f"expert {n + 1} {percent(w)}" for n, w in enumerate(beta)])
    looks = "; ".join(
        f"expert {n + 1} most at {trace.catalogue.label(trace.items[int(row.argmax())])} ({percent(float(row.max()))})"
        for n, row in enumerate(experts)
    )
    alt = f"{head_name(head)} at step {t + 1} of {T}. Router: {weights}. Attention: {looks}."
    least = max(480, (100 + axis_width(trace)) / 0.82)
    if effects is not None:
        worst = int(np.abs(effects).argmax())
        alt += f" Leaving out {trace.catalogue.label(trace.items[worst])} changes {effect_of} most."
    return finish(fig, theme=theme, title=title, note=note, alt=alt, height=height, least=least, top=axis_height(trace))


def _router_note(beta: np.ndarray, even: float) -> str:
    if len(beta) == 1:
        return "This head has one expert, so the router has nothing to choose."
    if even > explain.NEAR_UNIFORM:
        return "The router is nearly even: it hardly chooses between the experts."
    if beta.max() > explain.ALL_TO_ONE:
        return "The router leaves nearly everything to one expert."
    return "The router mixes the experts with the weights at the right."


def _effects(fig: go.Figure, effects: np.ndarray, effect_of: str, films: list[str], floor: float, theme: Theme) -> None:
    """A row of bars under the grid, around their own zero line."""
    colours = look(theme)
    digits = digits_for(effects)
    fig.add_bar(
        x=np.arange(len(effects), dtype=np.float32),
        y=effects,
        xaxis="x",
        yaxis="y2",
        width=0.86,
        name="left out",
        marker={"color": colours.soft, "line": {"width": 0}},
        hovertext=[
            f"<b>{film}</b><br>without it {text(effect_of)} changes by {number(-e, digits, plus=True)}"
            for film, e in zip(films, effects, strict=True)
        ],
        hoverinfo="text",
    )
    low, high = min(0.0, float(effects.min())), max(0.0, float(effects.max()))
    reach = max(high - low, 1e-12)
    fig.add_shape(
        type="line", xref="x domain", x0=0, x1=len(effects) / max(len(effects), FEWEST), y0=0, y1=0, yref="y2",
        line={"color": colours.soft, "width": 1},
    )  # fmt: skip
    fig.update_layout(
        yaxis2={
            "range": [low - 0.08 * reach, high + 0.08 * reach],
            "domain": [0, max(0.0, floor - 0.02)],
            "anchor": "x",
            "tickvals": [(low + high) / 2],
            "ticktext": ["<b>left out</b>"],
        }
    )
    strongest = float(effects[np.abs(effects).argmax()])
    fig.add_annotation(
        x=0, xref="x2", y=0.5, yref="y2 domain", xanchor="left", align="left",
        text=f"measured, up to<br>{number(-strongest, digits, plus=True)}",
    )  # fmt: skip


def attention_map(trace: Trace, head: int, expert: int | None = None, theme: Theme = "light") -> go.Figure:
    """The full attention [T,T] of one expert, or of the head's mix: after the film of a row, what it looked at.

    Raises:
        FameError: no such head or expert.
    """
    _head(trace, head, expert)
    weights = trace.mixed_attention[head] if expert is None else trace.attention[head, expert]
    T = len(weights)
    films = _films(trace)
    future = np.triu(np.ones((T, T), bool), 1)
    largest = _late_max(weights)
    hover = [
        [f"after <b>{films[t]}</b><br>{weights[t, s]:.1%} at <b>{films[s]}</b>" if s <= t else "" for s in range(T)]
        for t in range(T)
    ]
    cell = 26 if T <= 20 else 18 if T <= 35 else 15
    fig = go.Figure(
        go.Heatmap(
            x=np.arange(T, dtype=np.float32),
            y=np.arange(T, dtype=np.float32),
            z=np.where(future, np.float32(np.nan), weights),
            zmin=0,
            zmax=largest,
            colorscale=ink_scale(theme) if expert is None else head_scale(head, theme),
            showscale=False,
            xgap=1,
            ygap=1,
            hovertext=hover,
            hoverinfo="text",
            hoverongaps=False,
        )
    )
    axis = film_axis(trace)
    fig.update_layout(
        xaxis={**axis, "side": "top"}, yaxis={**axis, "range": [T - 0.5, -0.5], "side": "left", "tickangle": 0}
    )
    who = f"{head_name(head)}, its experts mixed" if expert is None else f"{head_name(head)}, expert {expert + 1}"
    note = f"Rows: after this film. Columns: what that step looked at; a row adds up to 100%. {_strongest(largest)}"
    last = int(weights[-1].argmax())
    alt = (
        f"{who}: attention of {T} steps over the films up to each. The last step looks most at "
        f"{trace.catalogue.label(trace.items[last])}, {percent(float(weights[-1, last]))}."
    )
    title = f"{who}: where each step looked"
    least = max(480, 200 + axis_width(trace))
    return finish(
        fig, theme=theme, title=title, note=note, alt=alt, height=cell * T, least=least, top=axis_height(trace)
    )


def _late_max(weights: np.ndarray) -> float:
    """The largest weight [… T,T] of the later half of the steps. The first steps have next to no films to choose
    from, and on a scale that reaches their 100% everything else would be pale."""
    return float(weights[..., weights.shape[-1] // 2 :, :].max())


def _strongest(largest: float) -> str:
    return f"Strongest: {percent(largest)}{' or more' if largest < 0.995 else ''}."


def attention_overview(trace: Trace, full: bool = False, theme: Theme = "light") -> go.Figure:
    """All heads' experts at one glance, in one heatmap on one scale.

    full: a tile [T,T] for each (one row of tiles per head) instead of the last step's row over the films.
    The heatmap's `customdata` holds the attention itself; its z adds the head, to give each its colour.
    An unseen marker on every tile or row carries (head, expert) as `customdata`, for clicks.
    """
    H, N = trace.attention.shape[:2]
    largest = _late_max(trace.attention) if full else float(trace.attention[:, :, -1].max())
    fig = _tiles(trace, largest, theme) if full else _rows(trace, largest, theme)
    mixes = trace.mixed_attention[:, -1]
    looks = "; ".join(f"head {h + 1} at {trace.catalogue.label(trace.items[int(mixes[h].argmax())])}" for h in range(H))
    what = "over the films, step by step" if full else "at the last step"
    title = f"Where {plural(H, 'head')} with {plural(N, 'expert')} each looked"
    note = (
        f"Each tile: steps down, films across. {_strongest(largest)}"
        if full
        else f"At the last step. The strongest cell is {percent(largest)} of an expert's attention."
    )
    alt = f"Attention {what} of {title[6:-7]}. Mixed, at the last step, most: {looks}."
    top = 24 if full else axis_height(trace)
    least = max(480, 68 + N * 72) if full else max(480, 100 + axis_width(trace))
    return finish(fig, theme=theme, title=title, note=note, alt=alt, height=fig.layout.height, least=least, top=top)


def heads_scale(H: int, theme: Theme) -> Scale:
    """One scale holding every head's: z from h to h+1 runs from panel to head h's colour."""
    stops: Scale = []
    for h in range(H):
        stops += [(h / H, look(theme).panel), ((h + 1) / H, head_colour(h, theme))]
    return stops


def _coloured(weights: np.ndarray, head: np.ndarray | int, largest: float) -> np.ndarray:
    """z for `heads_scale`; a hair below h+1 at most, which is where the next head begins."""
    return (head + 0.999 * np.minimum(weights / max(largest, 1e-12), 1)).astype(np.float32)


def _rows(trace: Trace, largest: float, theme: Theme) -> go.Figure:
    H, N, T, _ = trace.attention.shape
    weights = trace.attention[:, :, -1]  # [H, N, T]
    films = _films(trace)
    gap = 0.5
    y = (np.arange(H)[:, None] * (N + gap) + np.arange(N)).ravel().astype(np.float32)
    z = _coloured(weights, np.arange(H)[:, None, None], largest).reshape(H * N, T)
    spaced = np.full((H * N + H - 1, T), np.nan, np.float32)  # an empty row between heads, half as high
    places = (np.arange(H)[:, None] * (N + 1) + np.arange(N)).ravel()
    spaced[places] = z
    values = np.full_like(spaced, np.nan)
    values[places] = weights.reshape(H * N, T)
    hover = [[""] * T for _ in spaced]
    for h in range(H):
        for n in range(N):
            hover[h * (N + 1) + n] = [
                f"<b>{film}</b><br>{head_name(h)}, expert {n + 1}: {w:.1%}"
                for film, w in zip(films, weights[h, n], strict=True)
            ]
    edges = np.concatenate([[y[h * N] - 0.5 + n for n in range(N + 1)] for h in range(H)]).astype(np.float32)
    fig = go.Figure(
        go.Heatmap(
            x=np.arange(T, dtype=np.float32), y=edges, z=spaced, customdata=values, zmin=0, zmax=H,
            colorscale=heads_scale(H, theme), showscale=False, xgap=1, ygap=1, hovertext=hover, hoverinfo="text",
            hoverongaps=False,
        )
    )  # fmt: skip
    _clicks(fig, np.full(H * N, -0.5, np.float32), y, H, N)
    height = 22 if H * N <= 20 else 16
    ticks = [f"{n + 1}" for _ in range(H) for n in range(N)]
    fig.update_layout(
        xaxis={**film_axis(trace, "top")},
        yaxis={"range": [float(y[-1]) + 0.5, -0.5], "tickvals": y.tolist(), "ticktext": ticks},
        margin={"l": 84},
        height=round(height * (H * N + gap * (H - 1))),
    )
    for h in range(H):
        _badge(fig, h, x=0, xref="paper", xshift=-52, y=float(y[h * N : (h + 1) * N].mean()), theme=theme)
    return fig


def _tiles(trace: Trace, largest: float, theme: Theme) -> go.Figure:
    H, N, T, _ = trace.attention.shape
    space = max(1, round(T * 0.12))
    pitch = T + space
    z = np.full((H * pitch - space, N * pitch - space), np.nan, np.float32)
    values = z.copy()
    past = np.tril(np.ones((T, T), bool))
    for h in range(H):
        for n in range(N):
            tile = np.s_[h * pitch : h * pitch + T, n * pitch : n * pitch + T]
            weights = np.where(past, trace.attention[h, n], np.float32(np.nan))
            z[tile], values[tile] = _coloured(weights, h, largest), weights
    fig = go.Figure(
        go.Heatmap(
            x=np.arange(z.shape[1], dtype=np.float32), y=np.arange(z.shape[0], dtype=np.float32), z=z,
            customdata=values, zmin=0, zmax=H, colorscale=heads_scale(H, theme), showscale=False,
            hovertemplate="%{customdata:.1%}<extra></extra>", hoverongaps=False,
        )
    )  # fmt: skip
    middle = np.arange(max(H, N)) * pitch + (T - 1) / 2
    x, y = np.tile(middle[:N], H).astype(np.float32), np.repeat(middle[:H], N).astype(np.float32)
    _clicks(fig, x, y, H, N)
    side = 150 if max(H, N) <= 4 else 96
    fig.update_layout(
        xaxis={
            "range": [-0.5, max(z.shape[1], 3 * pitch) - 0.5],
            "tickvals": middle[:N].tolist(),
            "ticktext": [f"expert {n + 1}" for n in range(N)],
            "side": "top",
        },
        yaxis={"range": [z.shape[0] - 0.5, -0.5], "visible": False},
        margin={"l": 52},
        height=side * H,
    )
    for h in range(H):
        _badge(fig, h, x=0, xref="paper", xshift=-22, y=float(middle[h]), theme=theme)
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
    return finish(fig, theme=theme, title=title, note=note, alt=f"{alt}.", height=ROW * (H + 0.55))


def _router_label(expert: int, weight: float) -> str:
    if weight >= 0.13:
        return f"{expert + 1} · {percent(weight)}"
    return str(expert + 1) if weight >= 0.035 else ""
