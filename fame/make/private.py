"""What a table may tell of a private log: no user, no history, and of an item only what others are told to have too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from fame.make.data.sequences import Task
from fame.population.record import MOST_VALUES, Population

__all__ = ["ALIKE", "SHORTEST", "private", "told"]

ALIKE = 5  # items that are told alike at least; with 10 a quarter of what is told of ml-1m would not be
SHORTEST = 5  # items of a history: who has the model can try all shorter ones until gate and routers fit
STEPS = 20  # of gate and routers: they are told in 5%
EXACT = 10  # ranks up to which HR@10 and NDCG@10 need each
MOST_KINDS = 4000  # different items that are compared pair by pair
ROUNDS = 20  # of second thoughts; a few are enough

Named = Sequence[tuple[str, np.ndarray, Sequence[str]]]  # attributes: name, matrix [V,values], all their values


def private(p: Population, attributes: Named, task: Task, counts: np.ndarray) -> Population:
    """The same population, in which what is told of items names none of a history, nor the next one.

    Told of the last item are the values by which at least ALIKE items are told alike; of the next item the same among
    those of its third by popularity; of the other items, whether none has anything that the next one has, an attribute
    at a time, where this leaves as many that may be the last one, and the next. Attributes of more than MOST_VALUES
    values are left out where there are others. Length and popularity are told as thirds: the most of the first and the
    second, and one more than that. Gate and routers are rounded to steps of 5%, ranks beyond ten up to 20, 50, 100, …

    This holds against whoever has the catalogue. Gate and routers still speak of the history to whoever runs the model:
    of 120 rows of ml-1m 40% of the last films are guessed right among those told alike, where the most popular one is
    right in 18% (rounding hardly matters: 42% without). And who knows how often each item is in the log, which no
    bundle tells, can narrow some next items by their exact rank among the first ten of the most popular.

    p: with all it knows.   counts: int [V], how often each item is in the training log.
    """
    kept = [one for one in attributes if len(one[2]) <= MOST_VALUES] or list(attributes)
    names = [name for name, _, _ in kept]
    matrices = [matrix[:, :MOST_VALUES] for _, matrix, _ in kept]
    has = np.concatenate([np.zeros((len(counts), 0), bool), *matrices], 1)
    ends = np.cumsum([0, *(matrix.shape[1] for matrix in matrices)])
    weight = 1 / np.maximum(has.sum(0), 1)  # a slice's loss is the share of its items, whether it is large or small
    items, targets = task.histories.items, task.targets
    part = _thirds(counts, counts[targets])
    if np.unique(part[1:], return_counts=True)[1].min() < ALIKE:
        part = np.zeros_like(part)
    before, after = told(has, weight, np.zeros_like(part)), told(has, weight, part)
    last, target = before[items[task.histories.offsets[1:] - 1]], after[targets]
    of = np.repeat(np.arange(len(kept)), [matrix.shape[1] for matrix in matrices])  # the attribute of each value
    new = _new(p, names, target, of)
    for row in np.flatnonzero(new.any(1)):  # that the last and the next item share nothing is told of both
        lasts = has[1:][(before[1:] == last[row]).all(1)]
        nexts = has[1:][((after == target[row]).all(1) & (part == part[targets[row]]))[1:]]
        apart = ~(lasts[:, new[row]].astype(int) @ nexts[:, new[row]].T.astype(int)).astype(bool)
        if min(apart.any(1).sum(), apart.any(0).sum()) < ALIKE:
            new[row] = False
    taste = np.where(target & ~new, 100, 0).astype(np.uint8)

    def columns(told_of: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(told_of[:, a:b].copy() for a, b in pairwise(ends.tolist()))

    return replace(
        p,
        alike=ALIKE,
        gate=_stepped(p.gate),
        router=_stepped(p.router),
        rank=_rounded(p.rank),
        head_rank=_rounded(p.head_rank),
        baseline_rank=_rounded(p.baseline_rank),
        length=_thirds(p.length, p.length).astype(np.int32),
        popularity=part[targets].astype(np.int32),
        attributes=tuple(names),
        values=tuple(tuple(values[:MOST_VALUES]) for _, _, values in kept),
        target=columns(target),
        last=columns(last),
        taste=columns(taste),
        items=None,
        offsets=None,
    )


def _new(p: Population, names: Sequence[str], target: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Which values are of an attribute of which something is told, and no item of the history has anything: [n,m]."""
    new = np.zeros(target.shape, bool)
    for a, name in enumerate(names):
        i = p.attributes.index(name)
        held = (p.target[i] & (p.taste[i] > 0)).any(1)
        fresh = np.asarray(p.target[i].any(1) & ~held & target[:, of == a].any(1))
        new[:, of == a] = fresh[:, None]
    return new


def _thirds(number: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Which third of `among` each number falls in, as the most of the first or second, or one more than that."""
    low, high = np.quantile(among, [1 / 3, 2 / 3], method="lower")
    return np.where(number <= low, low, np.where(number <= high, high, high + 1)).astype(np.int64)


def _stepped(weight: np.ndarray) -> np.ndarray:
    """Weights in steps; who has most alone keeps it, by one percent where others are rounded to the same."""
    first = weight.argmax(-1)[..., None]
    steps = np.round(weight.astype(np.float64) * STEPS) / STEPS
    ties = (steps == steps.max(-1, keepdims=True)).sum(-1, keepdims=True) > 1
    np.put_along_axis(steps, first, np.take_along_axis(steps, first, -1) + 0.01 * ties, -1)
    return steps.astype(np.float16)


def _rounded(rank: np.ndarray) -> np.ndarray:
    """Ranks beyond EXACT, up to the next of 20, 50, 100, 200, …"""
    marks = np.array([d * 10**k for k in range(1, 10) for d in (1, 2, 5)])
    return np.where(rank <= EXACT, rank, marks[np.searchsorted(marks, rank)]).astype(np.int32)


def told(has: np.ndarray, weight: np.ndarray, part: np.ndarray, least: int = ALIKE) -> np.ndarray:
    """Some of each item's values, so that every combination in a part is told of at least `least` items.

    The method is public: who has the catalogue finds the items that fit what is told, and finds no fewer. Groups of
    items are told what all of them have. The smallest group joins the one with which the least is lost, until none is
    too small; then each item may leave its group for one in which more is told of it, where enough stay behind.

    has: bool [V,m], what each item has; row 0 is padding.   weight: float [m], what it is worth to tell a value.
    part: int [V], what is told beside the values; of items of a part of fewer than `least` no value is told.

    Returns bool [V,m], never true where `has` is not. It depends on nothing but its arguments.
    """
    found = np.zeros_like(has)
    for one in np.unique(part[1:]):
        items = 1 + np.flatnonzero(part[1:] == one)
        if len(items) >= least:
            found[items] = _moved(_joined(has[items], weight, least), has[items], weight, least)
    return found


def _kinds(has: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows of a matrix, and which of them each row is."""
    packed, which = np.unique(np.packbits(has, axis=1), axis=0, return_inverse=True)
    return np.unpackbits(packed, axis=1, count=has.shape[1]).astype(bool), which.ravel()


def _joined(has: np.ndarray, weight: np.ndarray, least: int) -> np.ndarray:
    """What is told of items whose groups have joined until each has `least` members: bool [items,m]."""
    has = has.copy()
    kinds, which = _kinds(has)
    for value in np.argsort(weight, kind="stable"):
        if len(kinds) <= MOST_KINDS:
            break
        has[:, value] = False
        kinds, which = _kinds(has)
    size = np.bincount(which).astype(float)
    group = np.arange(len(kinds))  # of each kind
    open_, worth = np.ones(len(kinds), bool), kinds @ weight
    while (small := np.flatnonzero(open_ & (size < least))).size and open_.sum() > 1:
        a = small[np.lexsort((worth[small], size[small]))[0]]
        common = kinds & kinds[a]
        kept = common @ weight
        lost = size[a] * (worth[a] - kept) + size * (worth - kept)
        lost[~open_] = lost[a] = np.inf
        b = int(lost.argmin())
        kinds[b], worth[b] = common[b], kept[b]
        same = np.flatnonzero(open_ & (kinds == kinds[b]).all(1))
        joining = np.union1d(same, [a, b])
        size[b] = size[joining].sum()
        group[np.isin(group, joining)] = b
        open_[joining] = False
        open_[b] = True
    return kinds[group[which]]


def _moved(now: np.ndarray, has: np.ndarray, weight: np.ndarray, least: int) -> np.ndarray:
    """What is told of items once each has gone to the best group that it fits, where its own can spare it."""
    kinds, which = _kinds(now)
    size, worth = np.bincount(which, minlength=len(kinds)), kinds @ weight
    fits = has.astype(np.float32) @ kinds.T.astype(np.float32) == kinds.sum(1)
    ordered = np.argsort(-worth, kind="stable")
    for _ in range(ROUNDS):
        moved = False
        for item, own in enumerate(which.tolist()):
            best = next(k for k in ordered if fits[item, k] and size[k])
            if worth[best] > worth[own] + 1e-9 and size[own] > least:
                size[own] -= 1
                size[best] += 1
                which[item], moved = best, True
        if not moved:
            break
    return kinds[which]
