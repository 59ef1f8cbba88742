"""One map of attention, T × T: after the item of a row, what that step looked at."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from fame import explain
from fame.plots.attention import check_head, floats, late_maximum, shown_experts
from fame.plots.picture import Component, Origin
from fame.plots.style import Theme, head_name
from fame.text import percent, plural
from fame.trace import Trace

__all__ = ["attention_map"]


def attention_map(trace: Trace, head: int, expert: int | None = None, theme: Theme = "light") -> Component:
    """The full attention [T,T] of one expert, or of the head's mix where `expert` is None.

    Raises:
        FameError: there is no such head or expert.
    """
    check_head(trace, head, expert)
    weights = trace.mixed_attention[head] if expert is None else trace.attention[head, expert]
    catalogue, T, shown = trace.catalogue, len(weights), shown_experts(trace)
    whole = "its experts mixed" if shown else "its only expert"
    who = f"{head_name(head)}, {whole if expert is None else f'expert {expert + 1}'}"
    last = int(weights[-1].argmax())
    alt = (
        f"Attention of {who[0].lower()}{who[1:]}: {plural(T, 'step')} over the {catalogue.noun}s up to each. The last "
        f"step looks most at {catalogue.label(trace.items[last])}, {percent(float(weights[-1, last]))}."
    )
    return Component(
        name="attention_map",
        title=f"{who}: where each step looked",
        note=f"Rows: after this {catalogue.noun}. Columns: what that step looked at; a row adds up to 100%.",
        alt=alt,
        numbers=partial(_table, trace, weights),
        theme=theme,
        origin=Origin.of(trace),
        data={
            "titles": [str(catalogue.title[r]) for r in trace.items],
            "items": [catalogue.label(r) for r in trace.items],
            "weights": floats(weights),
            "largest": late_maximum(weights),
            "colour": "--ink" if expert is None and shown else f"--h{head % 8 + 1}",
            "alt": alt,
            "theme": theme,
        },
    )


def _table(trace: Trace, weights: np.ndarray) -> pd.DataFrame:
    """The map with names: a row per step, a column per item looked at."""
    names = [f"{s}: {trace.catalogue.label(row)}" for s, row in enumerate(trace.items, 1)]
    steps = explain.journey(trace).table[["step", "item_id", "title"]]
    return pd.concat([steps, pd.DataFrame(weights, columns=names)], axis=1)
