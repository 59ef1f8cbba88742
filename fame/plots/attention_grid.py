"""All heads × experts at one glance: a small map of attention each, steps down and the history across."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from fame import explain
from fame.plots.attention import check_head, late_maximum, levels, shown_experts
from fame.plots.picture import Component, Origin
from fame.plots.style import Theme, head_name
from fame.text import listing, percent, plural
from fame.trace import Trace

__all__ = ["attention_grid"]


def attention_grid(
    trace: Trace, head: int | None = None, expert: int | None = None, theme: Theme = "light"
) -> Component:
    """A tile [T,T] for each expert of each head, on one scale; last in a head's row, its experts mixed.

    head, expert: the tile that is marked (expert None: the mix); None for no mark.
    With one expert per head the mix is that expert, and shown once.

    Raises:
        FameError: there is no such head or expert.
    """
    if head is not None:
        check_head(trace, head, expert)
    H, N, T, _ = trace.attention.shape
    shown, mixed = shown_experts(trace), trace.mixed_attention
    largest = late_maximum(trace.attention)
    told = [[_looks(trace, h, n) for n in (*range(shown), None)] for h in range(H)]
    title = f"Where {plural(H, 'head')} with {plural(N, 'expert')} each looked"
    return Component(
        name="attention_grid",
        title=title,
        note=f"Each tile: steps down, {trace.catalogue.noun}s across."
        + " Under each expert: its router's weight at the last step." * (N > 1),
        alt=_say(trace, title),
        numbers=partial(_table, trace),
        theme=theme,
        origin=Origin.of(trace),
        data={
            "H": H,
            "N": shown,
            "T": T,
            "tiles": levels(np.concatenate([trace.attention[:, :shown], mixed[:, None]], axis=1), largest),
            "router": trace.router[-1].tolist(),
            "words": told,
            "flags": [explain.router_flag(trace, h) if shown else "" for h in range(H)],
            "chosen": [head, expert],
            "largest": largest,
            "most": float(trace.attention.max()),
            "theme": theme,
        },
    )


def _looks(trace: Trace, head: int, expert: int | None) -> list[str]:
    """What pointing at a tile says: an expert's, or that of the experts mixed."""
    row = trace.mixed_attention[head, -1] if expert is None else trace.attention[head, expert, -1]
    looked = int(row.argmax())
    who = [head_name(head) + ", its experts mixed" * (trace.router.shape[-1] > 1)]
    if expert is not None:
        who = [f"{head_name(head)}, expert {expert + 1}", f"router {percent(float(trace.router[-1, head, expert]))}"]
    return [*who, f"looks most at {trace.catalogue.label(trace.items[looked])} ({percent(float(row[looked]))})"]


def _say(trace: Trace, title: str) -> str:
    looks = [
        f"head {h + 1} at {trace.catalogue.label(trace.items[int(row[-1].argmax())])}"
        for h, row in enumerate(trace.mixed_attention)
    ]
    alt = f"{title}, step by step. Mixed, at the last step, most: {'; '.join(looks)}."
    if trace.router.shape[-1] > 1:
        best = trace.router[-1].argmax(axis=1)
        leaders = [f"head {h + 1} expert {n + 1} ({percent(trace.router[-1, h, n])})" for h, n in enumerate(best)]
        alt += f" Routers, most: {listing(leaders)}."
    return alt


def _table(trace: Trace) -> pd.DataFrame:
    """Who looked where at which step: head, expert (0: mixed), step, looked_at (a step), attention. Past steps only."""
    shown = shown_experts(trace)
    weights = np.concatenate([trace.mixed_attention[:, None], trace.attention[:, :shown]], axis=1)
    h, n, t, s = (part.ravel() for part in np.indices(weights.shape))
    past = s <= t
    return pd.DataFrame(
        {"head": h[past] + 1, "expert": n[past], "step": t[past] + 1, "looked_at": s[past] + 1,
         "attention": weights.ravel()[past]}
    )  # fmt: skip
