"""One head at the last step: where its experts looked, how its router weighs them, and what each item adds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fame import explain
from fame.errors import FameError
from fame.plots.attention import check_head, shown_experts
from fame.plots.picture import Component, Origin
from fame.plots.style import Theme, head_name
from fame.text import digits_for, number
from fame.trace import Trace

__all__ = ["last_step", "measured", "say_signs"]


def last_step(
    trace: Trace,
    head: int,
    left_out: pd.DataFrame | None = None,
    target: int | None = None,
    measure: str = "score",
    theme: Theme = "light",
) -> Component:
    """A head's experts as rows over the history's items, its router, its mix, and what each item adds to a target.

    left_out: `explain.leave_one_out` of this trace and `target`; None where nothing was measured.
    target: the row that the effects are on; None for the first of the trace's own final list.
    measure: what falls without an item: the target's final 'score', its 'lead', or this 'head''s own score of it.

    Raises:
        FameError: there is no such head or measure, or not one effect per item.
    """
    check_head(trace, head)
    row = int(trace.ranking()[0]) if target is None else int(target)
    column, of = measured(measure, head)
    title = str(trace.catalogue.title[row])
    effects = _effects(trace, left_out, column)
    known = bool(np.isfinite(effects).all())
    table = explain.attention_table(trace, head)
    N, shown = trace.router.shape[-1], shown_experts(trace)
    looked = explain.say_attention(trace, head, row, effects, of)
    if left_out is not None:
        table = pd.concat([table, left_out.drop(columns=["position", "row", "item_id", "title"])], axis=1)
    return Component(
        name="last_step",
        title=f"{head_name(head)} at the last step",
        note=f"Attention of its experts; below, what each {trace.catalogue.noun} adds to {of} of {title}, "
        "measured by leaving it out. Attention is not an explanation.",
        alt=f"{head_name(head)}, attention at the last step. {looked}",
        numbers=table,
        theme=theme,
        origin=Origin.of(trace),
        data={
            "noun": trace.catalogue.noun,
            "head": head,
            "items": [{"title": str(trace.catalogue.title[r]), "label": trace.catalogue.label(r)} for r in trace.items],
            "experts": [table[f"expert_{n + 1}"].tolist() for n in range(shown)],
            "mix": table["mixed"].tolist(),
            "router": trace.router[-1, head].tolist(),
            "entropy": float(explain.router_entropy(trace)[-1, head]) if N > 1 else None,
            "flag": explain.router_flag(trace, head),
            "effects": effects.tolist() if known else None,
            "effectOf": f"{of} of {title}",
            "signs": _signs(trace, head, left_out, measure) if known and left_out is not None else [],
            "measured": left_out is not None,
            "digits": digits_for(effects) if known else 2,
            "largest": float(trace.attention[head, :, -1].max()),
            "alt": f"{head_name(head)}, attention at the last step. {looked}",
            "theme": theme,
        },
    )


def measured(measure: str, head: int) -> tuple[str, str]:
    """The column of `explain.leave_one_out` that holds a measure, and its words.

    Raises:
        FameError: there is no such measure.
    """
    known = {
        "score": ("effect", "the final score"),
        "lead": ("lead_effect", "the lead"),
        "head": (f"s_{head + 1}", f"head {head + 1}'s own score"),
    }
    if measure not in known:
        raise FameError(f"there is no measure {measure!r}; expected {', '.join(known)}")
    return known[measure]


def say_signs(trace: Trace, head: int, left_out: pd.DataFrame, measure: str = "score") -> str:
    """One sentence on the item whose effects on this head's own score and on the final score differ most in sign.

    Nothing where an item that adds to the one adds to the other.
    """
    own, final = (left_out[measured(name, head)[0]].to_numpy(float) for name in ("head", "score"))
    parts = _signs(trace, head, left_out, measure)
    if not any(parts):
        return ""
    size = np.where([bool(part) for part in parts], np.minimum(np.abs(own), np.abs(final)), -1)
    i = int(size.argmax())
    digits = min(3, max(2, digits_for(final)))
    return (
        f"The two differ in sign for {trace.catalogue.label(trace.items[i])}: it {_does(own[i], digits)} head "
        f"{head + 1}'s own score and {_does(final[i], digits)} the final score."
    )


def _signs(trace: Trace, head: int, left_out: pd.DataFrame, measure: str) -> list[str]:
    """For each item, where its effects on head and final score differ in sign: what it does to the other one."""
    other = "score" if measure == "head" else "head"
    here, there = (left_out[measured(name, head)[0]].to_numpy(float) for name in (measure, other))
    if not np.isfinite(there).all():  # the only item cannot be left out
        return [""] * len(there)
    digits = min(3, max(2, digits_for(there)))
    words = measured(other, head)[1]
    return [
        f"but it {_does(b, digits)} {words}" if a * b < 0 and float(f"{b:.{digits}f}") else ""
        for a, b in zip(here, there, strict=True)
    ]


def _does(effect: float, digits: int) -> str:
    """'adds +0.47 to', 'takes 0.29 off'."""
    return f"adds {number(effect, digits, plus=True)} to" if effect > 0 else f"takes {number(-effect, digits)} off"


def _effects(trace: Trace, left_out: pd.DataFrame | None, column: str) -> np.ndarray:
    T = len(trace.items)
    if left_out is None:
        return np.full(T, np.nan)
    if len(left_out) != T:
        raise FameError(f"left_out has {len(left_out)} rows; expected {T}, one per {trace.catalogue.noun}")
    return left_out[column].to_numpy(float)
