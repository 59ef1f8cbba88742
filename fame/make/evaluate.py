"""Full-ranking metrics: where does the next item stand among all items?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from fame.errors import FameError
from fame.make.data.sequences import Sequences, Task
from fame.model import FAME

__all__ = [
    "KS",
    "METRICS",
    "evaluate",
    "interval",
    "metric_values",
    "pad",
    "paired_bootstrap",
    "popularity_ranks",
    "ranks",
    "summarise",
]

KS = (5, 10, 20)
METRICS = (*(f"{name}@{k}" for name in ("HR", "NDCG") for k in KS), "MRR")
SCORES_AT_ONCE = 1 << 25  # histories x items in one block of scores: 128 MB of float32


def pad(histories: list[np.ndarray], max_len: int) -> Tensor:
    """The last `max_len` items of each history, left-aligned, zeros on the right: int64 [b t]."""
    kept = [h[-max_len:] for h in histories]
    rows = np.zeros((len(kept), max(map(len, kept))), np.int64)
    for row, history in zip(rows, kept, strict=True):
        row[: len(history)] = history
    return torch.from_numpy(rows)


def batches(histories: Sequences, max_len: int, size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Users in order of length, so that little is padded: (user indices, padded items [b t])."""
    order = np.argsort(np.minimum(histories.lengths, max_len), kind="stable")
    for start in range(0, len(order), size):
        users = order[start : start + size]
        yield users, pad([histories.history(int(u)) for u in users], max_len)


@torch.inference_mode()
def ranks(
    model: FAME, task: Task, *, exclude_seen: bool = True, progress: Callable[[int], None] | None = None
) -> np.ndarray:
    """The rank of each target among all items, from 1: int64 [len(task)].

    Ties count against the model: every other item that does not score below the target stands before it, so
    a constant scorer, or one that answers NaN, comes last. No full sort; blocks of at most SCORES_AT_ONCE.

    exclude_seen: items of the history are no candidates (the target itself always is).
    progress: called with the number of histories done so far.

    Raises:
        FameError: the task is empty.
    """
    if not len(task):
        raise FameError("nothing to evaluate: no user has the 3 interactions that leave-one-out needs")
    model.eval()
    device = model.items.weight.device
    result = np.zeros(len(task), np.int64)
    done = 0
    size = max(1, min(512, SCORES_AT_ONCE // model.config.n_rows))
    for users, items in batches(task.histories, model.config.max_len, size):
        lengths = (items > 0).sum(1)
        query = model(items.to(device)).query[torch.arange(len(users)), lengths - 1]
        scores = model.score(query)
        target = torch.from_numpy(task.targets[users].astype(np.int64)).to(device).unsqueeze(1)
        before = ~(scores < scores.gather(1, target))
        if exclude_seen:
            before[seen(task.histories, users, device)] = False
        before[:, 0] = False
        before.scatter_(1, target, True)
        result[users] = before.sum(1).cpu().numpy()
        done += len(users)
        if progress:
            progress(done)
    return result


def seen(histories: Sequences, users: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where the items of these users' histories stand in a table [users, rows]: all at once, one trip to a device."""
    taken = [histories.history(int(u)) for u in users]
    row = np.repeat(np.arange(len(users)), [len(t) for t in taken])
    at = torch.from_numpy(np.stack([row, np.concatenate(taken).astype(np.int64)])).to(device)
    return at[0], at[1]


def popularity_ranks(counts: np.ndarray, task: Task) -> np.ndarray:
    """`ranks` of the baseline that scores every item by how often it was taken, the same for everyone.

    counts: [V], how often each item is in the training histories. Seen items are no candidates, ties count against.
    """
    result = np.zeros(len(task), np.int64)
    for u, target in enumerate(task.targets):
        before = counts >= counts[target]
        before[task.histories.history(u)] = False
        before[0] = False
        before[target] = True
        result[u] = before.sum()
    return result


def metric_values(rank: np.ndarray, name: str) -> np.ndarray:
    """One metric for each rank: float64 of the same shape; its mean is the metric.

    HR@k: 1 where rank <= k. NDCG@k: 1 / log2(rank + 1) where rank <= k (one relevant item). MRR: 1 / rank.

    Raises:
        FameError: no such metric.
    """
    if name == "MRR":
        return 1 / rank
    kind, _, k = name.partition("@")
    if kind not in ("HR", "NDCG") or not k.isdecimal():
        raise FameError(f"no metric is called {name!r}; expected HR@k, NDCG@k or MRR")
    hit = rank <= int(k)
    return hit.astype(np.float64) if kind == "HR" else np.where(hit, 1 / np.log2(rank + 1.0), 0.0)


def interval(values: np.ndarray) -> float:
    """Half the width of the 95% interval of a mean over users: 1.96 standard errors."""
    return float(1.96 * values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("nan")


def summarise(rank: np.ndarray) -> dict[str, float]:
    """Every metric of METRICS and, under '<metric> ±', the half width of its 95% interval over users."""
    summary = {}
    for name in METRICS:
        values = metric_values(rank, name)
        summary[name] = float(values.mean())
        summary[f"{name} ±"] = interval(values)
    return summary


def evaluate(model: FAME, task: Task, *, exclude_seen: bool = True) -> dict[str, float]:
    """`summarise` of `ranks`."""
    return summarise(ranks(model, task, exclude_seen=exclude_seen))


def paired_bootstrap(
    a: np.ndarray, b: np.ndarray, name: str, draws: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """The mean difference a − b of a metric over the same users, and its 95% percentile interval.

    a, b: ranks of the same targets, [users] or [seeds, users] (seeds are averaged per user first).
    Users are drawn with replacement, both models together (Efron & Tibshirani 1993, ch. 13).

    Raises:
        FameError: the shapes differ, or no such metric.
    """
    if a.shape[-1] != b.shape[-1]:
        raise FameError(f"paired bootstrap: {a.shape[-1]} users against {b.shape[-1]}; expected the same users")
    difference = np.atleast_2d(metric_values(a, name)).mean(0) - np.atleast_2d(metric_values(b, name)).mean(0)
    rng = np.random.default_rng(seed)
    means = [difference[rng.integers(len(difference), size=len(difference))].mean() for _ in range(draws)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(difference.mean()), float(low), float(high)
