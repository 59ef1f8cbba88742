"""What is recommended, and which head says so: history, gate, the heads' lists, and their shares on the way to one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from fame import explain
from fame.bundle import Bundle
from fame.errors import FameError
from fame.plots.picture import Component, Origin
from fame.plots.style import Theme, head_name
from fame.text import listing, plural, words
from fame.trace import Trace

__all__ = ["names_of", "story"]


def story(
    bundle: Bundle | None,
    trace: Trace,
    k: int = 10,
    exclude_history: bool = True,
    highlight: int | None = None,
    theme: Theme = "light",
    names: Sequence[str] | None = None,
    usual: Sequence[float] | None = None,
) -> Component:
    """The history, the gate, each head's own list and the final one; pipes carry the heads' shares to the final rows.

    A pipe is as wide as the share |g_h·s_h| and goes from an item's place in a head's list straight to its final row,
    by gutters and over the lists, never through another head's list. The joined pipe ends in the bar of the score,
    whose parts are as long as the pipe is wide. What pulls an item down is hatched, left of zero.

    bundle: tells the model's name, what the heads are called and how much say they usually have; None does as well.
    highlight: row of the item whose pipes are drawn in full; the first of the final list where None.
    names: what each head is about, '' where that is not known; the bundle's own evidence where None.
    usual: [H], the gate's mean over many histories; the bundle's own where None and the trace is the model's own.

    Raises:
        FameError: k is below 1, nothing is left to rank, the highlighted row is not in the catalogue, or there is not
            one name per head or one usual weight per head.
    """
    H = len(trace.head_scores)
    if k < 1:
        raise FameError(f"k is {k}; expected at least 1")
    ranking = [trace.ranking(head=h, exclude_history=exclude_history) for h in (*range(H), None)]
    if not len(ranking[-1]):
        raise FameError("nothing is left to rank: the history holds every item")
    chosen = int(ranking[-1][0]) if highlight is None else int(highlight)
    trace.catalogue.rows(rows=[chosen])
    called, usual = _about_heads(bundle, trace, names, usual)
    sentence = explain.say_rank(trace, chosen, exclude_history, called)
    titles = "; ".join(f"{i} {trace.catalogue.label(row)}" for i, row in enumerate(ranking[-1][:k], 1))
    about = [f"head {h + 1} {name}" for h, name in enumerate(called) if name]
    told = f" Heads are about: {listing(about)}." if about else ""
    data = _drawn(trace, ranking, k, chosen, bundle.preferences if bundle else []) | {
        "called": [head_name(h) + f" · {name}" * bool(name) for h, name in enumerate(called)],
        "usual": None if usual is None or H == 1 else np.asarray(usual, np.float64).tolist(),
    }
    return Component(
        name="story",
        title="What comes next, and which head says so",
        note=sentence,
        alt=f"{plural(H, 'head')} and their lists beside the final one.{told} {sentence} Final list: {titles}.",
        numbers=partial(_table, trace, [rows[:k] for rows in ranking]),
        theme=theme,
        origin=Origin.of(trace, "" if bundle is None else bundle.name),
        height=300 + 28 * min(k, len(ranking[-1])),
        data=data,
        parts=("shared", "pipes"),
    )


def _about_heads(
    bundle: Bundle | None, trace: Trace, names: Sequence[str] | None, usual: Sequence[float] | None
) -> tuple[list[str], Sequence[float] | None]:
    """What each head is about and how much say it usually has: as given, else as the bundle knows."""
    H = len(trace.head_scores)
    called = [*(names_of(bundle, H) if names is None else names)]
    if len(called) not in (0, H):
        raise FameError(f"{plural(len(called), 'name')} for {plural(H, 'head')}; expected one per head, or none")
    if usual is None and bundle is not None and not trace.intervention:
        usual = _usual(bundle)
    if usual is not None and np.shape(usual) != (H,):
        raise FameError(f"usual has the shape {np.shape(usual)}; expected {H} weights, one per head")
    return called or [""] * H, usual


def names_of(bundle: Bundle | None, H: int) -> list[str]:
    """What the bundle's evidence calls each head, '' where that is unclear or was not measured."""
    try:
        return [""] * H if bundle is None else [verdict.attribute or "" for verdict in bundle.evidence.verdicts]
    except FameError:  # nothing was measured
        return [""] * H


def _usual(bundle: Bundle) -> Sequence[float] | None:
    try:
        return bundle.evidence.gate_mean.tolist()
    except FameError:
        return None


def _drawn(
    trace: Trace, ranking: Sequence[np.ndarray], k: int, chosen: int, known: Sequence[explain.Preference]
) -> dict[str, Any]:
    """What the picture draws: lists of rows, and of each item in them its shares, scores and ranks."""
    catalogue = trace.catalogue
    lists = [rows[:k] for rows in ranking]
    places = np.zeros((len(ranking), len(catalogue)), np.int64)  # 0: not ranked, since it was seen
    for place, rows in zip(places, ranking, strict=True):
        place[rows] = np.arange(1, len(rows) + 1)
    rows = np.unique(np.concatenate([*lists, [chosen]]))
    shares = trace.shares(rows).T
    split = [None] * len(rows) if trace.part_queries is None else explain.say_split(trace.parts(rows), known)
    attention = trace.mixed_attention[:, -1].T  # [T,H]
    return {
        "noun": words(catalogue.noun),
        "chosen": chosen,
        "gate": trace.gate[-1].tolist(),
        "history": [
            {"title": str(catalogue.title[r]), "year": int(catalogue.year[r]), "attention": attention[t].tolist()}
            for t, r in enumerate(trace.items)
        ],
        "lists": [rows.tolist() for rows in lists],
        "items": {
            str(r): {
                "title": str(catalogue.title[r]),
                "year": int(catalogue.year[r]),
                "shares": shares[i].tolist(),
                "split": split[i],
                "scores": trace.head_scores[:, r].tolist(),
                "score": float(trace.scores[r]),
                "ranks": [int(place) or None for place in places[:, r]],
            }
            for i, r in enumerate(rows.tolist())
        },
    }


def _table(trace: Trace, lists: Sequence[np.ndarray]) -> pd.DataFrame:
    """Every list under one another: list, rank, item, its score there, and each head's share of its final score."""
    H, catalogue, rows = len(lists) - 1, trace.catalogue, np.concatenate(lists)
    scores = [*trace.head_scores, trace.scores]
    return pd.DataFrame(
        {
            "list": np.repeat([*(f"head {h + 1}" for h in range(H)), "final"], [len(list_) for list_ in lists]),
            "rank": np.concatenate([np.arange(1, len(list_) + 1) for list_ in lists]),
            "item_id": catalogue.item_id[rows],
            "title": catalogue.title[rows],
            "year": catalogue.year[rows],
            "score": np.concatenate([s[list_] for s, list_ in zip(scores, lists, strict=True)]),
            "row": rows,
            **{f"share_{h + 1}": share for h, share in enumerate(trace.shares(rows))},
        }
    )
