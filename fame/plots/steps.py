"""How gate and router moved as the history grew."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from fame import explain
from fame.plots.attention import axis_height, axis_width, film_axis, heads_scale
from fame.plots.style import Theme, blend, finish, head_colour, head_name, ink_on, look, percent, plural, text
from fame.trace import Trace

__all__ = ["journey"]

GATE = 190  # pixels
ENTROPY = 26  # of one head's row
BETWEEN = 40
MARK = 20
NUMBERS = 16  # up to this many steps the entropies fit into their cells


def journey(trace: Trace, theme: Theme = "light") -> go.Figure:
    """The gate after each film as a bar cut by head; below, how evenly each head's router spreads its weight.

    A step holds exactly what its films alone would give. The film that moved the gate most is marked.
    """
    T, H = trace.gate.shape
    N = trace.router.shape[-1]
    moved = explain.journey(trace)
    colours = look(theme)
    films = [text(trace.catalogue.label(r)) for r in trace.items]
    x = np.arange(T, dtype=np.float32)
    below = (ENTROPY * H + BETWEEN) if N > 1 else 0
    height = GATE + MARK + below
    fig = go.Figure()
    for h in range(H):
        fig.add_bar(
            x=x,
            y=trace.gate[:, h],
            name=head_name(h),
            marker={"color": head_colour(h, theme), "line": {"width": 0}},
            hovertext=[
                f"after <b>{film}</b><br>{head_name(h)}: {g:.1%} of the gate"
                for film, g in zip(films, trace.gate[:, h], strict=True)
            ],
            hoverinfo="text",
        )
        middle = float(trace.gate[-1, :h].sum() + trace.gate[-1, h] / 2)
        if trace.gate[-1, h] >= 0.05:
            fig.add_annotation(
                x=T - 0.5, y=middle, xanchor="left", xshift=4, text=f"{h + 1} · {percent(trace.gate[-1, h])}",
                font={"color": colours.ink},
            )  # fmt: skip
    room = film_axis(trace)["range"]
    fig.update_layout(
        barmode="stack",
        bargap=0.06,
        barcornerradius=0,
        margin={"r": 76},
        xaxis={**film_axis(trace), "range": [-0.5, room[1]], "anchor": "y2" if N > 1 else "y"},
        yaxis={
            "domain": [below / height, 1],
            "range": [0, (GATE + MARK) / GATE],
            "tickvals": [0.5],
            "ticktext": ["gate"],
        },
    )
    note = "The gate after each film."
    title = "One film, so nothing has moved yet"
    if moved.gate_turn is not None:
        t = moved.gate_turn - 1
        change = trace.gate[t] - trace.gate[t - 1]
        h = int(np.abs(change).argmax())
        title = f"{text(trace.catalogue.label(trace.items[t]), 40)} moved the gate most"
        note = f"Head {h + 1} went from {percent(trace.gate[t - 1, h])} to {percent(trace.gate[t, h])}."
        fig.add_annotation(x=t, y=1, yanchor="bottom", text="▼", font={"color": colours.ink}, hovertext=films[t])
    elif T > 1:
        title = "The gate stayed the same from film to film" if H > 1 else "One head, so the gate cannot move"
    if N > 1:
        _entropies(fig, trace, films, below, height, theme)
        note += " Below: how evenly each router spreads (0: one expert, 1: all the same)."
    least = max(480, 180 + axis_width(trace), 180 + 32 * T if T <= NUMBERS else 0)
    alt = f"The gate along {plural(T, 'film')}. {_say(trace, moved)}"
    return finish(
        fig, theme=theme, title=title, note=note, alt=alt, height=height, least=least, bottom=axis_height(trace)
    )


def _say(trace: Trace, moved: explain.Journey) -> str:
    first, last = trace.gate[0], trace.gate[-1]
    ends = ", ".join(
        f"head {h + 1} from {percent(a)} to {percent(b)}" for h, (a, b) in enumerate(zip(first, last, strict=True))
    )
    turn = ""
    if moved.gate_turn is not None:
        turn = f" {trace.catalogue.label(trace.items[moved.gate_turn - 1])}, step {moved.gate_turn}, moved it most."
    return f"From the first to the last: {ends}.{turn}"


def _entropies(fig: go.Figure, trace: Trace, films: list[str], below: float, height: float, theme: Theme) -> None:
    """A row per head under the gate: the darker, the more even the router."""
    T, H = trace.gate.shape
    entropy = explain.router_entropy(trace).T.astype(np.float32)  # [H, T]
    z = (np.arange(H)[:, None] + 0.999 * entropy).astype(np.float32)
    fig.add_heatmap(
        x=np.arange(T, dtype=np.float32),
        y=np.arange(H, dtype=np.float32),
        z=z,
        customdata=entropy,
        zmin=0,
        zmax=H,
        yaxis="y2",
        colorscale=heads_scale(H, theme),
        showscale=False,
        xgap=2,
        ygap=2,
        hovertext=[
            [
                f"after <b>{film}</b><br>{head_name(h)}: router entropy {e:.2f}"
                for film, e in zip(films, row, strict=True)
            ]
            for h, row in enumerate(entropy)
        ],
        hoverinfo="text",
    )
    if T <= NUMBERS:
        cells = [
            [blend(look(theme).panel, head_colour(h, theme), float(e)) for e in row] for h, row in enumerate(entropy)
        ]
        fig.add_scatter(
            x=np.tile(np.arange(T, dtype=np.float32), H),
            y=np.repeat(np.arange(H, dtype=np.float32), T),
            yaxis="y2",
            mode="text",
            text=[f"{e:.2f}" for e in entropy.ravel()],
            textfont={"size": 11, "color": [ink_on(cell) for row in cells for cell in row]},
            hoverinfo="skip",
        )
    fig.update_layout(
        yaxis2={
            "domain": [0, ENTROPY * H / height],
            "range": [H - 0.5, -0.5],
            "tickvals": list(range(H)),
            "ticktext": [f"head {h + 1}, router entropy" for h in range(H)],
            "anchor": "x",
        }
    )
