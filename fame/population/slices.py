"""Groups of histories, and what the model does for each: use of heads and experts, accuracy with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from fame.population.record import Population
from fame.statistics import benjamini_hochberg, mean_interval, share_interval, two_sided

__all__ = ["THIN", "Slice", "gate_by_slice", "nearest", "overall", "slice_table", "slices_of", "usage"]

K = 10  # of HR@K and NDCG@K
THIN = 50  # histories below which a slice says little
HARDLY = 0.03  # share of histories that an expert leads, below which it is hardly used


class Slice(NamedTuple):
    """Some of a population's histories: bool [n]."""

    kind: str
    name: str
    mask: np.ndarray


def slices_of(p: Population) -> list[Slice]:
    """Every slice of a population: length and popularity in thirds, each attribute's values of the item that came
    next, and *new taste*, where no item of the history has any value of the next one's."""
    found = [*_thirds("history", p.length, ("short", "middling", "long"), "items")]
    found += _thirds("next item", p.popularity, ("rare", "middling", "popular"), "times in the training log")
    for name, values, target, taste in zip(p.attributes, p.values, p.target, p.taste, strict=True):
        found += [Slice(name, value, target[:, m]) for m, value in enumerate(values)]
        some = target.any(1)
        known = (target & (taste > 0)).any(1)
        found.append(Slice("new taste", f"{name} not in the history", some & ~known))
    return [piece for piece in found if piece.mask.any()]


def _thirds(kind: str, number: np.ndarray, names: Sequence[str], unit: str) -> list[Slice]:
    """A count in three about equal parts; equal counts stay together."""
    low, high = np.quantile(number, [1 / 3, 2 / 3], method="lower")
    parts: list[np.ndarray] = [number <= low, (number > low) & (number <= high), number > high]
    return [
        Slice(kind, f"{name}, {number[part].min():,}–{number[part].max():,} {unit}", np.asarray(part))
        for name, part in zip(names, parts, strict=True)
        if part.any()
    ]


def gains(rank: np.ndarray) -> np.ndarray:
    """NDCG@10 of each rank, one relevant item: 1 / log2(rank + 1) where rank is at most 10."""
    return np.where(rank <= K, 1 / np.log2(rank + 1.0), 0.0)


def overall(p: Population, where: np.ndarray | None = None) -> pd.DataFrame:
    """HR@10 and NDCG@10 with their 95% intervals, of the model and each baseline: a row each."""
    chosen = np.ones(len(p), bool) if where is None else where
    ranks = {"FAME": p.rank, **dict(zip(p.baselines, p.baseline_rank, strict=True))}
    return pd.DataFrame([{"model": name} | _accuracy(rank[chosen]) for name, rank in ranks.items()])


def _accuracy(rank: np.ndarray) -> dict[str, float]:
    hits, (low, high) = int((rank <= K).sum()), share_interval(int((rank <= K).sum()), len(rank))
    mean, half = mean_interval(gains(rank))
    return {
        "histories": len(rank),
        f"HR@{K}": hits / len(rank) if len(rank) else math.nan,
        f"HR@{K} low": low,
        f"HR@{K} high": high,
        f"NDCG@{K}": mean,
        f"NDCG@{K} ±": half,
    }


def slice_table(p: Population, where: np.ndarray | None = None) -> pd.DataFrame:
    """Each slice within `where`, those furthest below the rest first.

    Columns: kind, slice, histories, HR@10 with low and high, NDCG@10 with ±, each baseline's NDCG@10 and what the model
    has beyond it (paired, with ±), gap (the slice's NDCG@10 less that of the histories outside it), gap ±, q (of no
    gap, two-sided, Benjamini-Hochberg over all slices), thin (fewer than THIN histories, or as few outside).
    """
    chosen = np.ones(len(p), bool) if where is None else where
    gain = gains(p.rank)
    rows, p_values = [], []
    for piece in slices_of(p):
        inside, outside = piece.mask & chosen, chosen & ~piece.mask
        if not inside.any():
            continue
        row = {"kind": piece.kind, "slice": piece.name} | _accuracy(p.rank[inside])
        for name, rank in zip(p.baselines, p.baseline_rank, strict=True):
            lead, half = mean_interval(gain[inside] - gains(rank[inside]))
            row |= {f"{name} NDCG@{K}": float(gains(rank[inside]).mean()), f"less {name}": lead, f"less {name} ±": half}
        gap, error = _difference(gain[inside], gain[outside])
        row |= {"gap": gap, "gap ±": 1.96 * error, "thin": min(inside.sum(), outside.sum()) < THIN}
        rows.append(row)
        p_values.append(two_sided(gap / error) if error > 0 else 1.0)
    table = pd.DataFrame(rows).assign(q=benjamini_hochberg(np.array(p_values)))
    return table.sort_values("gap", kind="stable").reset_index(drop=True)


def _difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """The difference of two means, and its standard error; NaN where there is nothing to compare."""
    if len(a) < 2 or len(b) < 2:
        return math.nan, math.nan
    return float(a.mean() - b.mean()), math.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))


def usage(p: Population, where: np.ndarray | None = None) -> pd.DataFrame:
    """How heads and experts are used within `where`: a row for each head and then each of its experts.

    Columns: head, expert (0 for the head itself), mean and the quartiles low, middle, high of its weight, leads (share
    of histories in which it has the most), unused (leads in fewer than 3% of them).
    """
    chosen = np.ones(len(p), bool) if where is None else where
    gate, router = p.gate[chosen].astype(np.float32), p.router[chosen].astype(np.float32)
    rows = []
    for h in range(p.head_count):
        rows.append({"head": h + 1, "expert": 0} | _spread(gate[:, h], gate.argmax(1) == h))
        if p.expert_count > 1:
            first = router[:, h].argmax(1)
            rows += [
                {"head": h + 1, "expert": n + 1} | _spread(router[:, h, n], first == n) for n in range(p.expert_count)
            ]
    return pd.DataFrame(rows)


def _spread(weight: np.ndarray, leads: np.ndarray) -> dict[str, float]:
    low, middle, high = np.quantile(weight, [0.25, 0.5, 0.75])
    share = float(leads.mean())
    values = {"mean": float(weight.mean()), "low": float(low), "middle": float(middle), "high": float(high)}
    return values | {"leads": share, "unused": share < HARDLY}


def gate_by_slice(p: Population, where: np.ndarray | None = None) -> pd.DataFrame:
    """The mean gate of each slice over the mean of all within `where`: kind, slice, histories, head_1 … head_H."""
    chosen = np.ones(len(p), bool) if where is None else where
    gate = p.gate.astype(np.float64)
    usual = gate[chosen].mean(0)
    rows = []
    for piece in slices_of(p):
        if (inside := piece.mask & chosen).any():
            over = gate[inside].mean(0) / usual
            heads = {f"head_{h + 1}": float(x) for h, x in enumerate(over)}
            rows.append({"kind": piece.kind, "slice": piece.name, "histories": int(inside.sum())} | heads)
    return pd.DataFrame(rows)


def nearest(p: Population, gate: np.ndarray, router: np.ndarray, k: int = 8) -> pd.DataFrame:
    """The histories that the model treats most alike: index, distance, rank, length.

    gate [H], router [H,N]. The distance is Hellinger's between the products gate × router, from 0 to 1.
    """
    own = np.sqrt(np.asarray(gate, np.float64)[:, None] * np.asarray(router, np.float64)).ravel()
    others = np.sqrt(p.gate.astype(np.float64)[:, :, None] * p.router.astype(np.float64)).reshape(len(p), -1)
    distance = np.sqrt(((others - own) ** 2).sum(1) / 2)
    order = np.argsort(distance, kind="stable")[:k]
    return pd.DataFrame({"index": order, "distance": distance[order], "rank": p.rank[order], "length": p.length[order]})
