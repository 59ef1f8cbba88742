"""A beside B: how two final lists differ, and where the change of one score comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.explain.tables import candidates, checked, places
from fame.text import number, ordinal, percent, plural
from fame.trace import Intervention, Trace

__all__ = [
    "PERSISTENCE",
    "Listing",
    "Moved",
    "held",
    "list_overlap",
    "most_moved",
    "moves",
    "moves_table",
    "rank_biased_overlap",
    "rank_changes",
    "say_changes",
    "say_score",
    "score_change",
]

PERSISTENCE = 0.9  # of rank-biased overlap: the first ten ranks carry 86% of it


@dataclass(frozen=True, eq=False)
class Listing:
    """What a model recommends after a history, without how: all there is of a model that has no heads.

    seen: int32, rows of the whole history.   scores: float32 [V], column 0 (padding) -inf.
    """

    catalogue: Catalogue
    seen: np.ndarray
    scores: np.ndarray

    def __post_init__(self) -> None:
        self.seen.flags.writeable = self.scores.flags.writeable = False

    def ranking(self, exclude_history: bool = True) -> np.ndarray:
        """All candidate rows, best first; ties stand in catalogue order."""
        rows = np.flatnonzero(candidates(len(self.scores), self.seen if exclude_history else []))
        return rows[np.argsort(-self.scores[rows].astype(np.float64), kind="stable")]


@dataclass(frozen=True)
class Moved:
    """One item of `moves`: row (of `before`'s catalogue), rank, old_rank and their scores, None where it has none.

    part: 'list', 'entered' or 'left'; 'other', where it is in neither top k.
    """

    row: int | None
    item_id: str
    title: str
    year: int
    part: str
    rank: int | None
    old_rank: int | None
    score: float | None
    old_score: float | None

    @property
    def move(self) -> int | None:
        """Places won."""
        return None if self.rank is None or self.old_rank is None else self.old_rank - self.rank


def moves(
    before: Trace | Listing, after: Trace | Listing, k: int = 10, exclude_history: bool = True, also: int = 0
) -> list[Moved]:
    """How the top k moved from one list to another, maybe of another history or another model of the same items.

    Each item in the top k of either, by its new rank, those without one last.   also: a row (of `before`'s catalogue)
    that is told too, wherever it stands.
    """
    k = max(0, k)
    old, new = (x.ranking(exclude_history=exclude_history) for x in (before, after))
    known, held = (x.catalogue.item_id[top[:k]].tolist() for x, top in ((before, old), (after, new)))
    ids = dict.fromkeys([*held, *known, *([str(before.catalogue.item_id[also])] if also else [])])
    was, now = _standing(before, old, ids), _standing(after, new, ids)
    kept, fresh = set(known), set(held)
    told = []
    for item in ids:
        old_row, old_rank, old_score = was[item]
        row, rank, score = now[item]
        catalogue, at = (before.catalogue, old_row) if old_row else (after.catalogue, row)
        part = ("list" if item in kept else "entered") if item in fresh else "left" if item in kept else "other"
        title, year = str(catalogue.title[at]), int(catalogue.year[at])
        told.append(Moved(old_row or None, item, title, year, part, rank, old_rank, score, old_score))
    return sorted(told, key=lambda m: math.inf if m.rank is None else m.rank)


def _standing(
    x: Trace | Listing, ranking: np.ndarray, ids: Iterable[str]
) -> dict[str, tuple[int, int | None, float | None]]:
    """Row, rank and score of items; row 0 where the catalogue lacks it, and no rank where it is no candidate."""
    rows = {item: x.catalogue.row(item) if item in x.catalogue else 0 for item in ids}
    rank = places(ranking, np.array(list(rows.values()), np.int64), len(x.scores)).tolist()
    return {
        item: (row, None if math.isnan(place) else int(place), float(x.scores[row]) if row else None)
        for (item, row), place in zip(rows.items(), rank, strict=True)
    }


def rank_changes(
    before: Trace | Listing, after: Trace | Listing, k: int = 10, exclude_history: bool = True
) -> pd.DataFrame:
    """`moves` as a table: row (of `before`'s catalogue), item_id, title, year; part: 'list', 'entered', or 'left';
    rank, old_rank, move (places won); score, old_score.

    A rank is missing where the item is no candidate there: it stands in that history, or that model does not know it.
    """
    return moves_table(moves(before, after, k, exclude_history))


def moves_table(told: Sequence[Moved]) -> pd.DataFrame:
    """What `moves` tells as the table of `rank_changes`."""
    whole = {"row", "rank", "old_rank", "move"}
    names = ("row", "item_id", "title", "year", "part", "rank", "old_rank", "move", "score", "old_score")
    columns = {name: [getattr(m, name) for m in told] for name in names}
    return pd.DataFrame(
        {
            name: pd.array(values, dtype="Int64") if name in whole else np.array(values, float) if "score" in name
            else values
            for name, values in columns.items()
        }
    )  # fmt: skip


def most_moved(told: Sequence[Moved]) -> Moved | None:
    """Which item of `moves` won or lost most places, the one higher in the new list where several did."""
    return max((m for m in told if m.move), key=lambda m: abs(m.move or 0), default=None)


def list_overlap(before: Trace | Listing, after: Trace | Listing, k: int = 10, exclude_history: bool = True) -> float:
    """How alike the two top k are, from 0 to 1: rank-biased overlap; missing where one is empty."""
    lists = [x.catalogue.item_id[x.ranking(exclude_history=exclude_history)[: max(0, k)]] for x in (before, after)]
    depth = min(map(len, lists))
    return float(rank_biased_overlap(lists[0][:depth], lists[1][:depth], PERSISTENCE)) if depth else float("nan")


def rank_biased_overlap(a: np.ndarray, b: np.ndarray, p: float) -> np.ndarray:
    """Rank-biased overlap of lists of the same length, extrapolated: [… k] -> […].

    Webber, Moffat & Zobel 2010, equation 23: 1 for equal lists, 0 for lists that share nothing; the agreement at
    the last depth is taken to go on below. A list holds nothing twice.
    """
    k = a.shape[-1]
    same = a[..., :, None] == b[..., None, :]
    depth = np.maximum(np.arange(k)[:, None], np.arange(k))  # at which both lists have shown the item
    found = np.stack([(same & (depth == t)).sum((-2, -1)) for t in range(k)], -1).cumsum(-1)
    agreement = found / np.arange(1, k + 1)
    return agreement[..., -1] * p**k + (1 - p) / p * (agreement * p ** np.arange(1, k + 1)).sum(-1)


# ---- one score


def held(before: Trace, after: Trace) -> Intervention:
    """Under what to run the history of `after` so that each head's router is as it was in `before` at the last step.

    What `after` switches off or sets by hand stays so: it is the change itself, not what follows from it. An expert
    that is off leaves the others in their old proportion; where none of those had any weight the router is its own.
    """
    change = after.intervention
    routers = dict(change.router)
    for h, weights in enumerate(before.router[-1].tolist()):
        on = [w for n, w in enumerate(weights) if (h, n) not in change.experts_off]
        if h not in routers and any(on):
            routers[h] = tuple(weights)
    return replace(change, gate=None, heads_off=(), hold_gate=False, router=tuple(routers.items()))


def score_change(before: Trace, after: Trace, run: Trace, row: int) -> pd.DataFrame:
    """Where the change of one item's final score comes from, head by head: two traces of one model.

    run: the trace of `after`'s history under `held(before, after)`.

    One row per head: head; gate, old_gate; share, old_share, g_h·s_h; `direct`, how far the share changes where gate
    and router are held as they were in `before` (a head that is off has no share, the others keep their weight);
    `indirect`, what the recomputed gate and router add to that; `total` = direct + indirect. The totals sum to the
    change of the score.

    Raises:
        FameError: the row is not in the catalogue, or the traces are of models of another shape.
    """
    if not before.head_scores.shape == after.head_scores.shape == run.head_scores.shape:
        raise FameError("the two traces have other heads or other items; compare two runs of one model")
    [row] = checked([row], len(before.scores))
    gate, old_gate = (x.gate[-1].astype(np.float64) for x in (after, before))
    kept = gate if after.intervention.gate is not None else old_gate.copy()
    if after.intervention.gate is None:
        kept[list(after.intervention.heads_off)] = 0
    share, old = gate * after.head_scores[:, row], old_gate * before.head_scores[:, row]
    direct = kept * run.head_scores[:, row] - old
    total = share - old
    return pd.DataFrame(
        {
            "head": np.arange(1, len(gate) + 1),
            "old_gate": old_gate,
            "gate": gate,
            "old_share": old,
            "share": share,
            "direct": direct,
            "indirect": total - direct,
            "total": total,
        }
    )


# ---- in words


def say_changes(before: Trace | Listing, after: Trace | Listing, row: int, k: int, exclude_history: bool = True) -> str:
    """One sentence on what B changes: the item of `row` (of `before`'s catalogue), the list, and what moved most.

    Raises:
        FameError: the row is not in the catalogue.
    """
    [row] = checked([row], len(before.scores))
    catalogue, told = before.catalogue, moves(before, after, k, exclude_history, also=row)
    item = str(catalogue.item_id[row])
    chosen = next(m for m in told if m.item_id == item)
    listed = [m for m in told if m.part != "other"]
    entered, shown = sum(m.part == "entered" for m in listed), sum(m.part != "left" for m in listed)
    text = _moved(chosen.title, chosen.old_rank, chosen.rank)
    if not entered and not any(m.move for m in listed):
        return f"{text}; the list is the same."
    likeness = list_overlap(before, after, k, exclude_history)
    fresh = f"{entered} of the {plural(shown, catalogue.noun)} {'is' if entered == 1 else 'are'} new"
    text += f"; {fresh if entered else f'the same {plural(shown, catalogue.noun)} in another order'}"
    most = most_moved(listed)
    if most is not None and most.item_id != item:
        text += f"; {most.title} moved most, from {ordinal(most.old_rank or 0)} to {ordinal(most.rank or 0)}"
    elif most is not None:
        text += ", and no other moved further"
    return f"{text}. The lists are {percent(likeness)} alike."


def _moved(title: str, old: int | None, new: int | None) -> str:
    if old is None and new is None:
        return f"{title} is in neither list"
    if new is None:
        return f"{title} was {ordinal(old or 0)} and is no longer to be recommended"
    if old is None:
        return f"{title} can be recommended now and is {ordinal(new)}"
    if old == new:
        return f"{title} stays {ordinal(new)}"
    return f"{title} {'rises' if new < old else 'falls'} from {ordinal(old)} to {ordinal(new)}"


def say_score(table: pd.DataFrame, title: str) -> str:
    """One sentence on the sums of `score_change`."""
    direct, indirect, total = (float(table[name].sum()) for name in ("direct", "indirect", "total"))
    return (
        f"{title}'s score changes by {number(total, 2, True)}: {number(direct, 2, True)} with gate and routers held "
        f"as in A, {number(indirect, 2, True)} more as they are computed again."
    )
