"""A beside B: two final lists, and what is behind the change: gates, a router, and one score by head."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from fame import explain
from fame.explain import Listing
from fame.plots.picture import Component, Origin
from fame.plots.style import Theme
from fame.text import digits_for, number, percent
from fame.trace import Trace

__all__ = ["what_if", "what_if_inside"]


def what_if(
    a: Trace | Listing,
    b: Trace | Listing,
    row: int,
    k: int = 10,
    exclude_history: bool = True,
    names: tuple[str, str] = ("A", "B"),
    theme: Theme = "light",
    origin: Origin | None = None,
) -> Component:
    """The two final lists side by side, with the places that each item won or lost, what entered and what left.

    row: the item looked at, of A's catalogue, told below where neither list holds it.   names: what each side is.
    A click on an item of A's catalogue triggers `pick` with its row.

    Raises:
        FameError: the row is not in the catalogue.
    """
    said = explain.say_changes(a, b, row, k, exclude_history)
    told = explain.moves(a, b, k, exclude_history, also=row)
    chosen = str(a.catalogue.item_id[row])
    items = {m.item_id: {"row": m.row, "title": m.title, "year": m.year, "a": m.old_rank, "b": m.rank} for m in told}
    lists = [
        x.catalogue.item_id[x.ranking(exclude_history=exclude_history)[: max(0, k)]].tolist() for x in (a, b)
    ]  # fmt: skip
    data = {"names": list(names), "lists": lists, "items": items, "chosen": chosen, "k": k, "noun": a.catalogue.noun}
    return Component(
        name="what_if", title="A beside B", note=said, alt=said, theme=theme,
        numbers=lambda: explain.moves_table([m for m in told if m.part != "other"]),
        origin=origin or Origin(), data=data, height=460,
    )  # fmt: skip


def what_if_inside(
    a: Trace,
    b: Trace,
    change: pd.DataFrame | None,
    row: int,
    head: int = 0,
    theme: Theme = "light",
    origin: Origin | None = None,
) -> Component:
    """Gates and one head's routers as two bars each, and where the change of one item's score comes from.

    change: `explain.score_change` of the item; None where A and B ask different models, whose scores have no common
    scale.
    """
    H, N = a.router.shape[1:]
    gates = [x.gate[-1].tolist() for x in (a, b)]
    title = str(a.catalogue.title[row])
    data: dict[str, Any] = {"gates": gates, "head": head, "title": title, "change": None, "routers": None}
    h = min(head, H - 1, b.router.shape[1] - 1)
    if N > 1 or b.router.shape[2] > 1:
        data |= {"head": h, "routers": [x.router[-1, h].tolist() for x in (a, b)]}
    said = "Gate: " + ", ".join(
        f"head {i + 1} {percent(x)} in A and {percent(y)} in B" for i, (x, y) in enumerate(zip(*gates, strict=False))
    )
    if change is not None:
        parts = change[["direct", "indirect", "total"]].to_numpy()
        digits = min(3, max(2, digits_for(parts)))
        data["change"] = {
            "heads": parts.tolist(),
            "sum": parts.sum(axis=0).tolist(),
            "scores": [float(a.scores[row]), float(b.scores[row])],
            "digits": digits,
        }
        said = f"{explain.say_score(change, title)} {said}"
        said += f". By head: {', '.join(f'head {i + 1} {number(x, digits, True)}' for i, x in enumerate(parts[:, 2]))}"
    return Component(
        name="what_if_inside", title="What is behind it", alt=f"{said}.", theme=theme,
        numbers=partial(_numbers, a, b, change), origin=origin or Origin(), data=data, height=520,
    )  # fmt: skip


def _numbers(a: Trace, b: Trace, change: pd.DataFrame | None) -> pd.DataFrame:
    """Gates and routers of both, one row per head: head, gate_a, gate_b, router_a_1 …, router_b_1 …; and the change."""
    H = max(a.gate.shape[1], b.gate.shape[1])
    table: dict[str, np.ndarray] = {"head": np.arange(1, H + 1)}
    for side, x in (("a", a), ("b", b)):
        padding = ((0, H - x.gate.shape[1]), (0, 0))
        table[f"gate_{side}"] = np.pad(x.gate[-1][:, None], padding, constant_values=np.nan)[:, 0]
        for n, weights in enumerate(np.pad(x.router[-1], padding, constant_values=np.nan).T, 1):
            table[f"router_{side}_{n}"] = weights
    numbers = pd.DataFrame(table)
    if change is None:
        return numbers
    return numbers.merge(change[["head", "old_share", "share", "direct", "indirect", "total"]], on="head", how="left")
