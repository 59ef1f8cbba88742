"""What a model does with groups of histories: accuracy with its interval, use of heads and experts, likeness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fame.population.record import Population
from fame.population.slices import Slice, slices_of
from fame.statistics import Z, benjamini_hochberg, mean_interval, share_interval, two_sided

__all__ = ["THIN", "gate_by_slice", "head_table", "nearest", "overall", "slice_table", "standing", "usage"]

K = 10  # of HR@K and NDCG@K
THIN = 50  # histories below which a slice says little
HARDLY = 0.03  # share of histories that an expert leads, below which it is hardly used


def gains(rank: np.ndarray) -> np.ndarray:
    """NDCG@10 of each rank, one relevant item: 1 / log2(rank + 1) where rank is at most 10."""
    return np.where(rank <= K, 1 / np.log2(rank + 1.0), 0.0)


def _chosen(p: Population, where: np.ndarray | None) -> np.ndarray:
    return np.ones(len(p), bool) if where is None else where


def overall(p: Population, where: np.ndarray | None = None) -> pd.DataFrame:
    """HR@10 and NDCG@10 with their 95% intervals within `where`, of the model and each baseline: a row each."""
    chosen = _chosen(p, where)
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


class _Sums:
    """Sums of several quantities over the histories of many slices within `chosen`, in one product.

    inside: float64 [S], histories of each slice.   Quantities are [n].
    """

    def __init__(self, pieces: Sequence[Slice], chosen: np.ndarray, quantities: Mapping[str, np.ndarray]) -> None:
        held = np.array([piece.mask[chosen] for piece in pieces], np.float64).reshape(len(pieces), -1)
        columns = np.stack([np.ones(held.shape[1]), *(x[chosen] for x in quantities.values())], 1)
        squares = columns**2
        self._names = {name: i for i, name in enumerate(quantities, 1)}
        self._sum, self._square = held @ columns, held @ squares
        self._all, self._all_square = columns.sum(0), squares.sum(0)
        self.inside = self._sum[:, 0]
        self.outside = self._all[0] - self.inside

    def mean(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean inside each slice and its standard error, NaN where there are too few or all are the same: [S] each."""
        i = self._names[name]
        return _moments(self.inside, self._sum[:, i], self._square[:, i])

    def rest(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The same outside each slice."""
        i = self._names[name]
        return _moments(self.outside, self._all[i] - self._sum[:, i], self._all_square[i] - self._square[:, i])


def _moments(n: np.ndarray, total: np.ndarray, square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / n
        variance = np.maximum(square - n * mean**2, 0) / (n - 1)
        return mean, np.where((n > 1) & (variance > 1e-12), np.sqrt(variance / n), np.nan)


def slice_table(p: Population, where: np.ndarray | None = None, noun: str = "item") -> pd.DataFrame:
    """Each slice within `where`, those furthest below the rest first.

    Columns: key, kind, slice, histories, HR@10 with low and high, NDCG@10 with ±, each baseline's HR@10 and NDCG@10 and
    what the model's NDCG@10 has beyond it (paired, with ±), gap (the slice's NDCG@10 less that of the histories outside
    it), gap ±, thin (fewer than THIN histories, or as few outside), q (of no gap, two-sided, under the variance of all
    histories, Benjamini-Hochberg over all slices of the table). A half width is NaN where all values are the same.
    """
    chosen = _chosen(p, where)
    pieces = [piece for piece in slices_of(p, noun) if (piece.mask & chosen).any()]
    gain, others = gains(p.rank), dict(zip(p.baselines, p.baseline_rank, strict=True))
    quantities = {"gain": gain, "hit": (p.rank <= K) * 1.0}
    for name, rank in others.items():
        own = gains(rank)
        quantities |= {f"gain {name}": own, f"hit {name}": (rank <= K) * 1.0, f"less {name}": gain - own}
    sums = _Sums(pieces, chosen, quantities)
    n, (hit, _), (mean, error) = sums.inside, sums.mean("hit"), sums.mean("gain")
    low, high = np.array([share_interval(round(h * k), int(k)) for h, k in zip(hit, n, strict=True)]).reshape(-1, 2).T
    columns: dict[str, object] = {
        "key": [piece.key for piece in pieces],
        "kind": [piece.kind for piece in pieces],
        "slice": [piece.name for piece in pieces],
        "histories": n.astype(int),
        f"HR@{K}": hit,
        f"HR@{K} low": low,
        f"HR@{K} high": high,
        f"NDCG@{K}": mean,
        f"NDCG@{K} ±": Z * error,
    }
    for name in others:
        lead, half = sums.mean(f"less {name}")
        columns |= {f"{name} HR@{K}": sums.mean(f"hit {name}")[0], f"{name} NDCG@{K}": sums.mean(f"gain {name}")[0]}
        columns |= {f"less {name}": lead, f"less {name} ±": Z * half}
    rest, rest_error = sums.rest("gain")
    gap = mean - rest
    # A slice whose values are all 0 has no spread of its own: what chance would do is told by that of all histories.
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = gain[chosen].std() * np.sqrt(1 / n + 1 / sums.outside)
    p_values = np.array([two_sided(g / s) if 0 < s < np.inf else 1.0 for g, s in zip(gap, chance, strict=True)])
    thin = np.minimum(n, sums.outside) < THIN
    columns |= {"gap": gap, "gap ±": Z * np.hypot(error, rest_error), "thin": thin, "q": benjamini_hochberg(p_values)}
    return pd.DataFrame(columns).sort_values("gap", kind="stable").reset_index(drop=True)


def usage(p: Population, where: np.ndarray | None = None) -> pd.DataFrame:
    """How heads and experts are used within `where`: a row for each head and then each of its experts.

    Columns: head, expert (0 for the head itself), mean and the quartiles low, middle, high of its weight, leads (share
    of histories in which it has the most), unused (leads in fewer than 3% of them).
    """
    chosen = _chosen(p, where)
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


def head_table(p: Population, where: np.ndarray | None = None) -> pd.DataFrame:
    """Each head within `where`: head, leads, mean gate, overlap ± (with the final list's first ten), own HR@10."""
    chosen = _chosen(p, where)
    gate = p.gate[chosen].astype(np.float64)
    first, rows = gate.argmax(1), []
    for h in range(p.head_count):
        overlap, half = mean_interval(p.overlap[chosen, h].astype(np.float64))
        own = float((p.head_rank[chosen, h] <= K).mean())
        rows.append(
            {"head": h + 1, "leads": float((first == h).mean()), "gate": float(gate[:, h].mean()), "overlap": overlap,
             "overlap ±": half, f"own HR@{K}": own}
        )  # fmt: skip
    return pd.DataFrame(rows)


def gate_by_slice(p: Population, where: np.ndarray | None = None, noun: str = "item") -> pd.DataFrame:
    """The mean gate of each slice over the mean of all within `where`.

    Columns: key, kind, slice, histories, head_1 … head_H; NaN where a head never has any.
    """
    chosen = _chosen(p, where)
    pieces = [piece for piece in slices_of(p, noun) if (piece.mask & chosen).any()]
    gate = p.gate.astype(np.float64)
    sums = _Sums(pieces, chosen, {f"head_{h + 1}": gate[:, h] for h in range(p.head_count)})
    usual = gate[chosen].mean(0)
    usual[usual == 0] = np.nan
    columns: dict[str, object] = {
        "key": [piece.key for piece in pieces],
        "kind": [piece.kind for piece in pieces],
        "slice": [piece.name for piece in pieces],
        "histories": sums.inside.astype(int),
    }
    heads = {f"head_{h + 1}": sums.mean(f"head_{h + 1}")[0] / usual[h] for h in range(p.head_count)}
    return pd.DataFrame(columns | heads)


def standing(p: Population, gate: np.ndarray) -> np.ndarray:
    """The share of histories in which each head has less say than here: gate [H] -> [H]."""
    return (p.gate.astype(np.float32) < np.asarray(gate, np.float16).astype(np.float32)).mean(0)


def nearest(p: Population, gate: np.ndarray, router: np.ndarray, k: int = 8) -> pd.DataFrame:
    """The histories that the model treats most alike: index, distance, rank, length.

    gate [H], router [H,N]. The distance is Hellinger's between the products gate × router, from 0 to 1.
    """
    own = np.sqrt(np.asarray(gate, np.float64)[:, None] * np.asarray(router, np.float64)).ravel()
    others = np.sqrt(p.gate.astype(np.float64)[:, :, None] * p.router.astype(np.float64)).reshape(len(p), -1)
    distance = np.sqrt(((others - own) ** 2).sum(1) / 2)
    order = np.argsort(distance, kind="stable")[:k]
    return pd.DataFrame({"index": order, "distance": distance[order], "rank": p.rank[order], "length": p.length[order]})
