"""How gate and routers moved as the history grew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fame import explain
from fame.plots.attention import check_head
from fame.plots.picture import Chart, Origin, chart
from fame.plots.sheet import Sheet
from fame.plots.style import Scale, Theme, blend, finish, head_colour, head_name, ink_on, look, text, texts
from fame.text import listing, percent, plural
from fame.trace import Trace

__all__ = ["journey"]

GATE = 180  # pixels
ROUTER = 130
ENTROPY = 26  # of one head's row
BETWEEN = 24
MARK = 20
LETTER = 13  # pixels that a label at the end of the bars needs
NUMBERS = 16  # up to this many steps numbers fit into their cells
FEWEST = 6  # columns that a picture has room for at least, so that a single item is not drawn as a wall
NAME = 22  # letters of an item's title along the axis
DENSE = 30  # more items than this have smaller titles


def journey(trace: Trace, theme: Theme = "light", head: int = 0, routers: bool = True) -> Chart:
    """The gate after each item as a bar cut by head; below, one head's router cut by expert, and how evenly each
    head's router spreads its weight.

    A step holds exactly what its items alone would give. The items that moved gate and router most are marked.
    With one expert per head, or without `routers`, there is no router to show.

    Raises:
        FameError: there is no such head.
    """
    check_head(trace, head)
    T, H, N = trace.router.shape
    N = N if routers else 1
    moved = explain.journey(trace)
    heights = [GATE + MARK] + ([ROUTER + MARK, ENTROPY * H] if N > 1 else [])  # of the parts, from the top
    height = sum(heights) + BETWEEN * (len(heights) - 1)
    ends = [height - sum(heights[:i]) - BETWEEN * i for i in range(len(heights))]
    domains = [[(end - own) / height, end / height] for own, end in zip(heights, ends, strict=True)]
    sheet = Sheet(
        barmode="stack", bargap=0.06, barcornerradius=0, margin={"r": 76},
        xaxis={**_item_axis(trace), "anchor": "y3" if N > 1 else "y"},
    )  # fmt: skip
    after = [f"after <b>{text(trace.catalogue.label(r))}</b>" for r in trace.items]
    heads = [head_colour(h, theme) for h in range(H)]
    _stack(sheet, trace.gate, "y", heads, [head_name(h) for h in range(H)], "gate", after, moved.gate_turn, theme)
    sheet.update_layout(
        yaxis={"domain": domains[0], "range": [0, 1 + MARK / GATE], "tickvals": [0.5], "ticktext": ["gate"]}
    )
    if N > 1:
        _routers(sheet, trace, head, after, moved, domains[1:], theme)
    title, note = _sentence(trace, moved, head, N > 1)
    alt = f"The gate along {plural(T, trace.catalogue.noun)}. {_say(trace, moved, head, N > 1)}"
    least = max(480, 200 + T * (16 if T <= DENSE else 12), 200 + 32 * T if T <= NUMBERS else 0)
    finish(
        sheet,
        theme=theme,
        title=text(title),
        note=note,
        alt=alt,
        height=height,
        least=least,
        bottom=_axis_height(trace),
    )
    return chart("journey", sheet, lambda: moved.table, Origin.of(trace))


def _routers(
    sheet: Sheet,
    trace: Trace,
    head: int,
    after: Sequence[str],
    moved: explain.Journey,
    domains: Sequence[Sequence[float]],
    theme: Theme,
) -> None:
    """One head's router as a bar per step, and all routers' entropies, in the two parts of these domains."""
    H, N = trace.router.shape[1:]
    # The strongest at the end is the darkest; the steps between neighbours are even.
    shades = np.linspace(1, 0.35, N)[np.argsort(np.argsort(-trace.router[-1, head], kind="stable"))]
    fills = [blend(look(theme).page, head_colour(head, theme), float(shade)) for shade in shades]
    names = [f"{head_name(head)}, expert {n + 1}" for n in range(N)]
    _stack(sheet, trace.router[:, head], "y2", fills, names, "router", after, moved.router_turns[head], theme)
    _entropies(sheet, trace, after, theme)
    sheet.update_layout(
        yaxis2={
            "domain": domains[0], "range": [0, 1 + MARK / ROUTER], "anchor": "x", "tickvals": [0.5],
            "ticktext": [f"router of<br>head {head + 1}"],
        },
        yaxis3={
            "domain": domains[1], "range": [H - 0.5, -0.5], "anchor": "x", "tickvals": list(range(H)),
            "ticktext": [f"entropy, head {h + 1}" for h in range(H)],
        },
    )  # fmt: skip


def _sentence(trace: Trace, moved: explain.Journey, head: int, routers: bool) -> tuple[str, str]:
    """The title, and the line under it."""
    title, note = explain.say_gate_turn(trace).removesuffix("."), "The gate"
    if moved.gate_turn is not None:
        title = f"{trace.catalogue.label(trace.items[moved.gate_turn - 1])} moved the gate most"
    if routers:
        note += f", head {head + 1}'s router, and all routers' entropies (0: one expert, 1: all the same)"
    note += f" after each {trace.catalogue.noun}."
    if moved.gate_turn is not None or (routers and moved.router_turns[head] is not None):
        note += " ▼ moved it most."
    return title, note


def _item_axis(trace: Trace) -> dict[str, Any]:
    """An axis of the history's positions, told by their items' titles."""
    T = len(trace.items)
    return {
        "range": [-0.5, max(T, FEWEST) - 0.5],
        "tickvals": list(range(T)),
        "ticktext": texts(trace.catalogue.title[trace.items], NAME),
        "tickangle": -90,
        "tickfont": {"size": 12 if T <= DENSE else 10},
    }


def _axis_height(trace: Trace) -> int:
    """Pixels that the titles along `_item_axis` take."""
    longest = min(NAME, max(len(str(trace.catalogue.title[r])) for r in trace.items))
    return 16 + round(longest * (6.5 if len(trace.items) <= DENSE else 5.5))


def _heads_scale(H: int, theme: Theme) -> Scale:
    """One scale for all: z from h to h+1 runs from panel to head h's colour; z ends at H."""
    stops: Scale = []
    for h in range(H):
        stops += [(h / H, look(theme).panel), ((h + 1) / H, head_colour(h, theme))]
    return stops


def _stack(
    sheet: Sheet,
    weights: np.ndarray,
    axis: str,
    fills: Sequence[str],
    names: Sequence[str],
    of: str,
    after: Sequence[str],
    turn: int | None,
    theme: Theme,
) -> None:
    """Weights [T, parts] that sum to 1 as a bar per step, numbers at their ends, and a mark over the step `turn`."""
    T = len(weights)
    for k, (share, fill, name) in enumerate(zip(weights.T, fills, names, strict=True)):
        sheet.add_bar(
            x=np.arange(T, dtype=np.float32),
            y=share,
            yaxis=axis,
            name=name,
            marker={"color": fill, "line": {"width": 1 if T <= NUMBERS else 0, "color": look(theme).page}},
            text=[str(k + 1) if T <= NUMBERS and w >= 0.12 else "" for w in share],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"size": 12, "color": ink_on(fill)},
            hovertext=[f"{step}<br>{name}: {w:.1%} of the {of}" for step, w in zip(after, share, strict=True)],
            hoverinfo="text",
        )
    last, taken = weights[-1], GATE if axis == "y" else ROUTER
    middles = np.cumsum(last) - last / 2
    for k in np.flatnonzero(last * taken >= LETTER).tolist():
        sheet.add_annotation(
            x=T - 0.5, y=float(middles[k]), yref=axis, xanchor="left", xshift=4,
            text=f"{k + 1} · {percent(float(last[k]))}", font={"color": look(theme).ink},
        )  # fmt: skip
    if turn is not None:
        sheet.add_annotation(
            x=turn - 1, y=1, yref=axis, yanchor="bottom", text="▼", font={"color": look(theme).ink},
            hovertext=f"{after[turn - 1]}<br>moved the {of} most",
        )  # fmt: skip


def _entropies(sheet: Sheet, trace: Trace, after: Sequence[str], theme: Theme) -> None:
    """A row per head: the darker, the more even the router."""
    T, H = trace.gate.shape
    entropy = explain.router_entropy(trace).T.astype(np.float32)  # [H, T]
    sheet.add_heatmap(
        x=np.arange(T, dtype=np.float32),
        y=np.arange(H, dtype=np.float32),
        z=(np.arange(H)[:, None] + 0.999 * entropy).astype(np.float32),
        customdata=entropy,
        zmin=0,
        zmax=H,
        yaxis="y3",
        colorscale=_heads_scale(H, theme),
        showscale=False,
        xgap=2,
        ygap=2,
        hovertext=[
            [f"{step}<br>{head_name(h)}: router entropy {e:.2f}" for step, e in zip(after, row, strict=True)]
            for h, row in enumerate(entropy)
        ],
        hoverinfo="text",
    )
    if T <= NUMBERS:
        cells = [
            blend(look(theme).panel, head_colour(h, theme), float(e)) for h, row in enumerate(entropy) for e in row
        ]
        sheet.add_scatter(
            x=np.tile(np.arange(T, dtype=np.float32), H),
            y=np.repeat(np.arange(H, dtype=np.float32), T),
            yaxis="y3",
            mode="text",
            text=[f"{e:.2f}" for e in entropy.ravel()],
            textfont={"size": 11, "color": [ink_on(cell) for cell in cells]},
            hoverinfo="skip",
        )


def _say(trace: Trace, moved: explain.Journey, head: int, routers: bool) -> str:
    """From where to where gate and router went, what moved them most, and the entropies at the end."""

    def went(word: str, weights: np.ndarray) -> str:
        return listing([f"{word} {k + 1} from {percent(a)} to {percent(b)}" for k, (a, b) in enumerate(weights.T)])

    said = [f"From the first to the last: {went('head', trace.gate[[0, -1]])}."]
    if moved.gate_turn is not None:
        said.append(
            f"{trace.catalogue.label(trace.items[moved.gate_turn - 1])}, step {moved.gate_turn}, moved it most."
        )
    if routers:
        said.append(f"The router of head {head + 1}: {went('expert', trace.router[[0, -1], head])}.")
        said.append(explain.say_router_turn(trace, head))
        entropy = explain.router_entropy(trace)[-1]
        said.append(
            f"Entropy of the routers at the end: {listing([f'head {h + 1} {e:.2f}' for h, e in enumerate(entropy)])}."
        )
    return " ".join(filter(None, said))
