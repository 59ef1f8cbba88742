"""What each expert alone would recommend, beside the head's own list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from fame import explain
from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.plots.attention import check_head
from fame.plots.picture import Component, Origin
from fame.plots.style import Theme, head_name
from fame.text import digits_for, number, ordinal, percent
from fame.trace import Trace

__all__ = ["expert_lists", "listed"]

Fact = tuple[str, str | None, str]  # words, their number, and what that is; where there is no number, a line of words
# Of an expert: what is run, and what the natural score has beyond that.
CASES = (
    ("alone", "with this expert alone", "effect of restoring the other experts"),
    ("without", "without this expert", "effect of restoring this expert"),
)
HERE = "Its rank in the list below, of all that may be recommended"
FINAL = "Its rank in the final list of all heads"


def expert_lists(
    trace: Trace,
    head: int,
    effects: pd.DataFrame,
    target: int | None = None,
    k: int = 10,
    exclude_history: bool = True,
    hold_gate: bool = True,
    theme: Theme = "light",
) -> Component:
    """A head's own list and each expert's alone; above each, where the target stands in it and in the final list.

    effects: `explain.expert_effects` of this history and `target`.   target: a row; None for the first of the final
        list.   hold_gate: show the effects with the gate as it was, or computed again from the changed head.

    Raises:
        FameError: there is no such head, or k is below 1.
    """
    check_head(trace, head)
    if k < 1:
        raise FameError(f"k is {k}; expected at least 1")
    ranking = trace.ranking(exclude_history=exclude_history)
    row = int(ranking[0]) if target is None else int(target)
    N = trace.router.shape[-1]
    gate = "held" if hold_gate else "recomputed"
    runs = effects[(effects["head"] == head + 1) & (effects["gate"] == gate)]
    tops = {n: trace.ranking(head, n, exclude_history)[:k] for n in (None, *range(N))}
    facts = _Facts(trace, head, row, runs, exclude_history)
    firsts = [
        f"expert {n + 1} {trace.catalogue.title[top[0]]}" for n, top in tops.items() if n is not None and len(top)
    ]
    return Component(
        name="expert_lists",
        title=f"What each expert of head {head + 1} alone would recommend",
        note="The head run with one expert alone, beside its own list.",
        alt=f"Lists of {head_name(head)} and of each of its experts alone. First: {'; '.join(firsts) or 'nothing'}.",
        numbers=lambda: pd.concat(
            [
                trace.top(k, head, n, exclude_history).assign(head=head + 1, expert=0 if n is None else n + 1)
                for n in tops
            ]
        ),
        theme=theme,
        origin=Origin.of(trace),
        data={
            "head": head,
            "chosen": row,
            "lists": [
                {
                    "name": "own list" if n is None else f"expert {n + 1}",
                    "weight": None if n is None else f"router {percent(float(trace.router[-1, head, n]))}",
                    "facts": facts.own() if n is None else facts.of(n),
                    "items": listed(trace.catalogue, top),
                }
                for n, top in tops.items()
            ],
        },
    )


def listed(catalogue: Catalogue, rows: Iterable[int]) -> list[dict[str, Any]]:
    """Items as `expert_lists.js` draws them."""
    return [{"row": int(r), "title": str(catalogue.title[r]), "label": catalogue.label(r)} for r in rows]


class _Facts:
    """Where the target stands in the lists of a head; a fact without a value is a heading."""

    def __init__(self, trace: Trace, head: int, row: int, runs: pd.DataFrame, exclude_history: bool) -> None:
        self.trace, self.head, self.row, self.exclude = trace, head, row, exclude_history
        self.cases = runs.set_index(["expert", "run"]).to_dict("index")
        self.digits = min(3, max(2, digits_for(runs["effect"].to_numpy())))
        self.seen = exclude_history and row in trace.seen
        self.heading: Fact = (f"{trace.catalogue.title[row]}:", None, "")

    def _place(self, rank: int) -> str:
        return "seen" if self.seen else ordinal(rank)

    def own(self) -> list[Fact]:
        here = int(explain.head_ranks(self.trace, [self.row], self.exclude)[self.head, 0])
        ranking = self.trace.ranking(exclude_history=self.exclude).tolist()
        final = "seen" if self.seen else ordinal(ranking.index(self.row) + 1)
        return [self.heading, ("in this list", self._place(here), HERE), ("in the final list", final, FINAL)]

    def of(self, expert: int) -> list[Fact]:
        own = self.trace.ranking(self.head, expert, self.exclude).tolist()
        lines: list[Fact] = [
            self.heading,
            ("in this list", "seen" if self.seen else ordinal(own.index(self.row) + 1), HERE),
            ("In the final list:", None, ""),
        ]
        for run, who, rest in CASES:
            case = self.cases[expert + 1, run]
            lines.append((who, self._place(int(case["rank"])), f"{FINAL}, with the head run {who}"))
            effect = f"Its final score less that of the head run {who}; + raises the score"
            lines.append((rest, number(case["effect"], self.digits, plus=True), effect))
        return lines
