"""How the heads' shares g_h·s_h add up to a score, under the model's own gate and under any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from fame import explain
from fame.bundle import Bundle
from fame.errors import FameError
from fame.plots.picture import Component, Origin
from fame.plots.story import names_of
from fame.plots.style import Theme
from fame.text import digits_for, number, plural, words
from fame.trace import NOTHING, Intervention, Trace

__all__ = ["merge"]


def merge(
    bundle: Bundle | None,
    trace: Trace,
    k: int = 10,
    exclude_history: bool = True,
    relative: bool = False,
    highlight: int | None = None,
    theme: Theme = "light",
    names: Sequence[str] | None = None,
    untouched: tuple[Trace, Trace] | None = None,
    run: Trace | None = None,
    checked: bool = True,
) -> Component:
    """One row per item, one column per head holding g_h·s_h, then their sum: the item's score.

    A cell is tinted in the head's colour where its number raises the score and grey where it lowers it, on one scale
    for all. Over each column stands the head's weight in the gate; arrows tell the places won or lost against the
    model's own list.

    bundle: tells the model's name and what the heads are called, and runs what a changed trace is compared with; None
        does as well for a trace that nothing was changed in.
    relative: against the average candidate, as `explain.relative_shares`; the sum is then the item's lead.
    highlight: row of the item that is looked at, added below where it is not on the list; the first one where None.
    names: what each head is about, '' where that is not known; the bundle's own evidence where None.
    untouched: traces of the same history, of the model's own and of all that is changed but the gate, where they are
        at hand.   run: a pass under the trace's own change, which the sums are checked against; `checked` False puts
        that off, while a slider still moves.

    Raises:
        FameError: k is below 1, the highlighted row is not in the catalogue, there is nothing to show, or a changed
            trace comes without its bundle.
    """
    if k < 1:
        raise FameError(f"k is {k}; expected at least 1")
    change, catalogue, H = trace.intervention, trace.catalogue, len(trace.head_scores)
    natural, base = untouched or _untouched(bundle, trace)
    ranking = trace.ranking(exclude_history=exclude_history)
    if highlight is None and not len(ranking):
        raise FameError(f"there is no {catalogue.noun} to show; give a history that leaves some to rank")
    chosen = int(ranking[0]) if highlight is None else int(highlight)
    table = explain.merge_table(natural, trace, k, chosen, exclude_history, relative)
    if run is None and change and bundle is not None and checked:
        run = bundle.trace(rows=trace.seen, intervention=change)
    proof = explain.additivity(trace, run) if checked else None
    called = names_of(bundle, H) if names is None else list(names)
    sentence = explain.say_rank(trace, chosen, exclude_history, called)
    data = _drawn(base, trace, table, chosen, relative, proof) | {"names": called, "noun": words(catalogue.noun)}
    data["rows"] = _split(bundle, trace, data["rows"], relative, exclude_history)
    return Component(
        name="merge",
        title="How the heads' shares add up",
        note=sentence,
        alt=f"Scores cut by head. {sentence} {_spoken(table, H)}.",
        numbers=table.drop(columns="part"),
        theme=theme,
        origin=Origin.of(trace, "" if bundle is None else bundle.name),
        height=220 + 36 * len(table),
        data=data,
    )


def _untouched(bundle: Bundle | None, trace: Trace) -> tuple[Trace, Trace]:
    """The model's own trace, and the one with all that is changed but the gate."""
    change = trace.intervention
    if not change:
        return trace, trace
    if bundle is None:
        raise FameError("this trace is of a changed model; give its bundle, which tells the model's own list")
    but_the_gate = replace(change, gate=None, heads_off=())
    return bundle.trace(rows=trace.seen), bundle.trace(rows=trace.seen, intervention=but_the_gate)


def _spoken(table: pd.DataFrame, H: int) -> str:
    """The table as a screen reader says it."""
    digits = digits_for(table[[f"head_{h}" for h in range(1, H + 1)]].to_numpy())
    return "; ".join(
        f"{line['title']} {number(line['sum'], digits)} = "
        + " ".join(f"{number(line[f'head_{h}'], digits, plus=True)} (head {h})" for h in range(1, H + 1))
        for line in table.to_dict("records")
    )


def _drawn(
    base: Trace, shown: Trace, table: pd.DataFrame, chosen: int, relative: bool, proof: float | None
) -> dict[str, Any]:
    """What the picture draws, as JSON values."""
    H, change = len(shown.head_scores), shown.intervention
    columns = table[[f"head_{h + 1}" for h in range(H)]].to_numpy()
    by_hand = change.gate is not None or bool(change.heads_off)
    return {
        "heads": _heads(base, shown),
        "forced": change.gate is not None,
        "changed": by_hand,
        "note": _note(H, by_hand, change),
        "proof": _proof(proof, by_hand, shown),
        "rows": [
            {
                "row": int(line["row"]),
                "part": line["part"],
                "title": line["title"],
                "year": int(line["year"]),
                "rank": None if pd.isna(line["rank"]) else int(line["rank"]),
                "old": None if pd.isna(line["old_rank"]) else int(line["old_rank"]),
                "move": 0 if pd.isna(line["move"]) or not change else int(line["move"]),
                "shares": columns[i].tolist(),
                "scores": shown.head_scores[:, line["row"]].tolist(),
                "sum": float(line["sum"]),
            }
            for i, line in enumerate(table.to_dict("records"))
        ],
        "parts": {"left": "No longer on the list", "chosen": f"The {shown.catalogue.noun} looked at"},
        "chosen": chosen,
        "relative": relative,
        "largest": float(abs(columns).max()) or 1.0,
        "digits": min(2, digits_for(columns)),
    }


def _split(
    bundle: Bundle | None, trace: Trace, lines: list[dict[str, Any]], relative: bool, exclude_history: bool
) -> list[dict[str, Any]]:
    """The rows, with what the shares are the sums of where experts have preferences of their own."""
    if trace.part_queries is None:
        return lines
    rows = np.array([line["row"] for line in lines])
    parts = explain.relative_parts(trace, rows, exclude_history) if relative else trace.parts(rows)
    told = explain.say_split(parts, bundle.preferences if bundle else [])
    return [line | {"split": split} for line, split in zip(lines, told, strict=True)]


def _heads(base: Trace, shown: Trace) -> list[dict[str, Any]]:
    """Each head's slider: where it stands, where the model put it, and the share of the gate that comes of it."""
    own, shares, change, H = base.gate[-1].tolist(), shown.gate[-1].tolist(), shown.intervention, len(base.head_scores)
    # A link may hold weights above 1, where sliders end: a part of each is the same gate.
    weights = own if change.gate is None else [w / max(1, *change.gate) for w in change.gate]
    off = set(change.heads_off)
    return [
        {
            "weight": float(weights[h]),
            "own": own[h],
            "share": shares[h],
            "off": h in off,
            "solo": H > 1 and len(off) == H - 1 and h not in off,
        }
        for h in range(H)
    ]


def _note(H: int, by_hand: bool, change: Intervention = NOTHING) -> str:
    if change and not by_hand:
        return "Experts or routers are changed. Arrows: places against the model's own list."
    if H == 1:
        return "This model has one head, so that its gate is always 1."
    if by_hand:
        return "Sliders set raw weights; percentages are the resulting shares. Arrows: places won or lost."
    return "The gate is as the model set it. Numbers are rounded; + raises the score, − lowers it."


def _proof(difference: float | None, changed: bool, shown: Trace) -> dict[str, Any]:
    """The badge: whether the sums are the scores of the model's pass."""
    if difference is None:
        return {"ok": True, "text": "merged again", "about": "Checked against a pass of the model when you let go."}
    what = "merged = run again" if changed else "sum = score"
    ok = difference <= explain.ADDS_UP
    return {
        "ok": ok,
        "text": f"{what if ok else what.replace('=', '≠')}, largest difference {difference:.0e}",
        "about": f"Over all {plural(shown.catalogue.n_items, shown.catalogue.noun)}, against a forward pass; "
        f"up to {explain.ADDS_UP:.0e} is rounding.",
    }
