"""What each expert of a head prefers whatever the history, and what that adds to an item."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from fame import explain
from fame.errors import FameError
from fame.explain import Preference
from fame.plots.attention import check_head
from fame.plots.expert_lists import Fact, listed
from fame.plots.picture import Component, Origin
from fame.plots.style import Theme, head_name
from fame.text import number, percent
from fame.trace import Trace

__all__ = ["expert_preferences"]

SHOWN = 8  # items of a list
ADDS = "A part of the head's gate × score, less its mean over the candidates. The parts add up to what the head gives"


def expert_preferences(
    trace: Trace,
    head: int,
    known: Sequence[Preference],
    target: int | None = None,
    exclude_history: bool = True,
    theme: Theme = "light",
) -> Component:
    """A list for the head's state, the history and what its experts share, and one for each expert's own preference.

    Over each list stands what it adds to the target's lead, `explain.relative_parts`: the numbers add up to what the
    head gives it. An expert has a name where more gathers among its items than among those of random directions.

    known: `explain.preferences` of this model.   target: a row; None for the first of the final list.

    Raises:
        FameError: there is no such head, or the experts of this model have no anchors.
    """
    check_head(trace, head)
    own = [preference for preference in known if preference.head == head]
    if not own:
        raise FameError(f"head {head + 1} has no preferences to show: the experts of this model have no anchors")
    row = int(trace.ranking(exclude_history=exclude_history)[0]) if target is None else int(target)
    sentence = explain.say_parts(trace, head, row, own, exclude_history)
    adds = explain.relative_parts(trace, [row], exclude_history)[head, :, 0]
    assert trace.part_queries is not None
    state = 1 + np.argsort(-(trace.table[1:] @ trace.part_queries[head, 0]), kind="stable")
    if exclude_history:
        state = state[~np.isin(state, trace.seen)]
    lists = [rows[:SHOWN] for rows in (state, *(p.rows for p in own))]
    return Component(
        name="expert_preferences",
        drawn_by="expert_lists",
        title=f"What each expert of head {head + 1} prefers, whatever the history",
        note=sentence,
        alt=f"What {head_name(head)} adds, split into its state and its experts. {sentence} "
        + " ".join(map(explain.say_preference, own)),
        numbers=partial(_table, trace, head, own, adds),
        theme=theme,
        origin=Origin.of(trace),
        data={
            "head": head,
            "chosen": row,
            "lists": [
                _list(trace, row, head, None if not i else own[i - 1], adds[i], rows) for i, rows in enumerate(lists)
            ],
        },
    )


def _list(
    trace: Trace, target: int, head: int, expert: Preference | None, adds: float, rows: np.ndarray
) -> dict[str, Any]:
    """One list as it is drawn; that of the head's state where there is no expert."""
    name = (
        "its state" if expert is None else f"expert {expert.expert + 1}" + f" · {expert.called}" * bool(expert.called)
    )
    return {
        "name": name,
        "weight": None if expert is None else f"router {percent(float(trace.router[-1, head, expert.expert]))}",
        "facts": [
            (f"adds to {trace.catalogue.title[target]}", None, ""),
            ("against the average candidate", number(float(adds), 2, plus=True), ADDS),
            *([("the history, and what its experts share", None, "")] if expert is None else _found(expert)),
        ],
        "items": listed(trace.catalogue, rows),
    }


def _found(preference: Preference) -> list[Fact]:
    """What gathers among an expert's items."""
    if preference.value is None:
        return _again(preference)
    much = f"{preference.count} of {len(preference.rows)}, usual {preference.usual:.0f}"
    count = f"Of the {len(preference.rows)} that it prefers most, how many have this value; and of as many at random"
    chance = "Of random directions of this space, how many gather a value as far beyond its share"
    return [
        (preference.value, much, count),
        ("chance gathers as much", percent(preference.p), chance),
        *_again(preference),
    ]


def _again(preference: Preference) -> list[Fact]:
    """How far other trainings find it; nothing where that was not measured."""
    again = preference.again
    if again is None:
        return []
    meaning = (
        f"Of its first {again.items}, how many the most alike expert of another training has too, and how many of a "
        "random direction's. The trainings differ in chance alone"
    )
    return [("trained anew, found again", f"{percent(again.shared)}, chance {percent(again.usual)}", meaning)]


def _table(trace: Trace, head: int, own: Sequence[Preference], adds: np.ndarray) -> pd.DataFrame:
    """One row per item that an expert recommends: head, expert, name, router, adds, rank, item_id, title, …"""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "head": head + 1,
                    "expert": p.expert + 1,
                    "name": p.called,
                    "router": trace.router[-1, head, p.expert],
                    "adds": adds[1 + p.expert],
                    "attribute": p.attribute or "",
                    "value": p.value or "",
                    "count": p.count,
                    "usual": p.usual,
                    "p": p.p,
                    "q": p.q,
                    **(
                        {}
                        if p.again is None
                        else {"again": p.again.shared, "again_usual": p.again.usual, "again_q": p.again.q}
                    ),
                    "rank": np.arange(1, len(p.rows) + 1),
                    "item_id": trace.catalogue.item_id[p.rows],
                    "title": trace.catalogue.title[p.rows],
                }
            )
            for p in own
        ],
        ignore_index=True,
    )
