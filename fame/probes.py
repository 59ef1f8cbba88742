"""What a model's heads and experts are about, measured beside what chance, size and popularity would give.

A *probe* asks whether a value of an attribute (horror, the 1980s) can be read from a space of items: a ridge
logistic regression, cross-validated over items, scored by average precision. An attribute's figure is the mean over
its values. Beside each head's figure stand: the same with items permuted (what chance gives), random projections of
x_v to the head's width (what any space so wide gives), x_v itself (what there is to know), popularity alone (what
fame explains), and, where one is given, the slices of a plain SASRec.

Letters: h head, n expert, a attribute, m value, i item, u history.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import softplus

from fame.catalogue import Catalogue
from fame.data.sequences import Sequences
from fame.errors import FameError
from fame.evaluate import pad
from fame.explain import facet_scores
from fame.guidance import linear_cka
from fame.model import FAME
from fame.words import number

__all__ = [
    "DCI",
    "RULE",
    "VERSION",
    "Labels",
    "ProbeConfig",
    "average_precision",
    "benjamini_hochberg",
    "dci",
    "evidence",
    "jensen_shannon",
    "labels_of",
    "logistic",
    "out_of_fold",
    "p_values",
    "rank_biased_overlap",
    "verdict",
]

VERSION = 1
SIGNIFICANCE = 0.05  # of q, the p-value after Benjamini-Hochberg over all heads and attributes
LEAST_KNOWN = 0.1  # average precision beyond chance in the full embedding; less is nothing to be about
LEAST_PRECISION = 0.5  # average precision of a verdict; a name that can hardly be read off would mislead
LEAST_GAIN = -0.05  # of a verdict, as a part of what the full embedding knows beyond chance: at random spaces' level …
LEAST_LEAD = 0.1  # … and so much more than for every other attribute
RULE = (
    f"Of the attributes that the full embedding knows (average precision at least {LEAST_KNOWN} above chance), a head "
    "is called by the one with the largest gain. A gain is the average precision less the mean of random spaces of the "
    "head's width, as a part of what the full embedding knows beyond chance. The name stands where the attribute is "
    f"read from the head better than chance (q < {SIGNIFICANCE}), better than from popularity (by its whole interval) "
    f"with an average precision of at least {LEAST_PRECISION}, and no worse than from random spaces (gain at least "
    f"{number(LEAST_GAIN)}), and where the gain leads that of every other attribute by at least {LEAST_LEAD} and by "
    f"more than in random spaces (q < {SIGNIFICANCE}); q is p after Benjamini-Hochberg over all heads and attributes. "
    "Otherwise the head is unclear."
)
UNCLEAR = "unclear"
MAX_NEWTON = 50
MAX_HALVINGS = 10
LEAST_PERMUTATIONS = 100  # for each head
LEAST_PROJECTIONS = 400
NEAR = 1e-2  # a Newton step so short is the last; the next would be of its square


@dataclass(frozen=True)
class ProbeConfig:
    """How much is measured, and how finely.

    Raises:
        FameError: a number is out of range.
    """

    least_items: int = 8  # values of an attribute with fewer items are left out
    most_values: int = 18  # of an attribute, the most frequent
    most_items: int = 2_000  # of a larger catalogue so many, at random, are probed
    folds: int = 5
    ridge: float = 1.0  # on standardised features; 1 / C of scikit-learn
    permutations: int = 0  # for each head; 0: as many as `with_draws` says
    projections: int = 0  # the same; fewer tell means, but no p-value that stays small when corrected
    bootstraps: int = 200
    histories: int = 500  # of more so many, at random, are read
    depth: int = 50  # of the lists that are compared
    persistence: float = 0.9  # of rank-biased overlap; the first 10 of a list bear 86% of its weight

    def __post_init__(self) -> None:
        least = {"least_items": 2, "folds": 2, "permutations": 0, "projections": 0, "bootstraps": 2}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name not in ("ridge", "persistence") and (type(value) is not int or value < least.get(f.name, 1)):
                raise FameError(f"probes: {f.name} is {value!r}; expected a whole number of {least.get(f.name, 1)} up")
        if self.ridge <= 0 or not 0 < self.persistence < 1:
            raise FameError("probes: ridge must be above 0 and persistence between 0 and 1")
        if self.least_items < self.folds:
            raise FameError(f"probes: values with {self.least_items} items do not fill {self.folds} folds")

    def with_draws(self, n_heads: int, n_attributes: int) -> ProbeConfig:
        """The same with numbers of draws: where none is given, enough to find a single head about one attribute.

        The least p-value is 1 / (1 + draws), and Benjamini-Hochberg makes a lone finding's q so many times as large as
        there are heads times attributes; draws are so many that this is at most half of SIGNIFICANCE.
        """
        enough = math.ceil(2 * n_heads * n_attributes / SIGNIFICANCE)
        permutations = self.permutations or max(LEAST_PERMUTATIONS, math.ceil(enough / n_heads))
        return replace(self, permutations=permutations, projections=self.projections or max(LEAST_PROJECTIONS, enough))


class Labels(NamedTuple):
    """The values that are probed: M of them, of A attributes.

    attributes: A names.   values: M names, attribute by attribute.   owner: int64 [M], the attribute of each.
    has: boolean [V,M], row 0 (padding) False.
    """

    attributes: tuple[str, ...]
    values: tuple[str, ...]
    owner: np.ndarray
    has: np.ndarray

    def by_attribute(self, per_value: np.ndarray) -> np.ndarray:
        """Means over each attribute's values, missing ones left out: [… M] -> [… A]."""
        known = ~np.isnan(per_value)
        belongs = (self.owner[:, None] == np.arange(len(self.attributes))).astype(float)  # [M A]
        with np.errstate(invalid="ignore"):
            return np.where(known, per_value, 0) @ belongs / (known @ belongs)


def labels_of(catalogue: Catalogue, rows: np.ndarray, config: ProbeConfig) -> Labels:
    """The values that are common enough, with and without, among the rows that are probed; most frequent there first.

    Attributes with one such value or none are left out. rows: int [i], each once.
    """
    names: list[str] = []
    values: list[str] = []
    owner: list[int] = []
    columns = [np.zeros((len(catalogue), 0), bool)]
    for name, cells in catalogue.facts.items():
        everywhere = Counter(value for cell in cells for value in cell)
        count = Counter(value for row in rows for value in cells[row])
        order = sorted(count, key=lambda v: (-count[v], -everywhere[v], v))
        fit = [v for v in order if min(count[v], len(rows) - count[v]) >= config.least_items]
        common = fit[: config.most_values]
        if len(common) > 1:
            owner += [len(names)] * len(common)
            names.append(name)
            values += common
            columns.append(catalogue.holders(name, common))  # of all values it might fill the memory
    return Labels(tuple(names), tuple(values), np.array(owner, np.int64), np.concatenate(columns, 1))


# --- probes -------------------------------------------------------------------------------------------


def logistic(X: np.ndarray, Y: np.ndarray, on: np.ndarray, ridge: float) -> np.ndarray:
    """P ridge logistic regressions on the same items at once: weights [P,k+1], the free intercept last.

    Minimises the summed loss + ridge/2 |w|², as scikit-learn's LogisticRegression(C=1/ridge) does, by Newton steps
    that share their matrix products, so that a null of a hundred thousand probes takes a minute.

    X: [i,k]; its precision is that of the work.   Y: [P,i], 0 or 1.   on: [P,i], which items each learns from.
    """
    x = torch.from_numpy(np.column_stack([X, np.ones(len(X), X.dtype)]))
    y, used = torch.tensor(Y, dtype=x.dtype), torch.tensor(on, dtype=x.dtype)
    P, k = len(y), x.shape[1]
    wrong = 1 - 2 * y  # the sign that a logit of the wrong answer has
    first, second = torch.triu_indices(k, k)
    products = (x.T[first] * x.T[second]).T
    place = torch.empty(k, k, dtype=torch.long)
    place[first, second] = place[second, first] = torch.arange(len(first))
    penalty = torch.full((k,), ridge, dtype=x.dtype)
    penalty[-1] = 1e-6
    w = x.new_zeros(P, k)
    w[:, -1] = ((y * used).sum(1) / used.sum(1).clamp(min=1)).logit(1e-3)  # most of the way for rare values
    left = torch.arange(P)  # that have not converged
    v, logits = w, wrong * w[:, -1:]  # logits of the wrong answer [P i]
    loss = (softplus(logits) * used).sum(1) + (penalty * v**2).sum(1) / 2
    for _ in range(MAX_NEWTON):
        p = logits.sigmoid()
        weight = p * used
        gradient = (weight * wrong) @ x + penalty * v
        curvature = (weight * (1 - p) @ products).index_select(1, place.flatten()).unflatten(1, (k, k))
        curvature.diagonal(dim1=1, dim2=2).add_(penalty)
        step = solve(curvature, gradient)
        length, slope = x.new_ones(len(left), 1), wrong * (step @ x.T)
        for halvings in range(MAX_HALVINGS + 1):  # where classes are apart a whole step may overshoot
            nearer, there = v - length * step, logits - length * slope
            after = (softplus(there) * used).sum(1) + (penalty * nearer**2).sum(1) / 2
            worse = after > loss * (1 + 1e-5)  # more than rounding
            if halvings == MAX_HALVINGS or not worse.any():
                break
            length[worse] /= 2
        v, logits, loss = nearer, there, after
        w[left] = v
        far = step.abs().amax(1) >= NEAR
        if not far.any():
            break
        if not far.all():
            left, v, logits, loss, wrong, used = (z[far] for z in (left, v, logits, loss, wrong, used))
    return w.numpy()


def solve(A: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """A^-1 b for symmetric A [P,k,k] and b [P,k], in half the time of a general solver where all A are definite."""
    factor, failed = torch.linalg.cholesky_ex(A)
    if failed.any():  # by rounding
        return torch.linalg.solve(A, b)
    return torch.cholesky_solve(b[:, :, None], factor)[:, :, 0]


def standardise(X: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and deviation 1; a constant one becomes 0."""
    spread = X.std(0)
    return (X - X.mean(0)) / np.where(spread > 1e-12, spread, 1)


def stratified_folds(Y: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """For each of the M columns of Y [i,M] a fold of each item, positives and negatives dealt out evenly: [M,i]."""
    order = np.lexsort((rng.random(Y.T.shape), Y.T), axis=-1)
    fold = np.empty(Y.T.shape, np.int64)
    np.put_along_axis(fold, order, np.broadcast_to(np.arange(len(Y)) % folds, Y.T.shape), -1)
    return fold


def out_of_fold(X: np.ndarray, Y: np.ndarray, fold: np.ndarray, ridge: float) -> np.ndarray:
    """The logit of each item for each value by the probe that has not seen the item: float32 [i,M].

    X: [i,k], standardised here.   Y: boolean [i,M].   fold: [M,i].
    """
    X = standardise(X).astype(np.float32)
    folds = int(fold.max()) + 1
    on = fold != np.arange(folds)[:, None, None]  # [f M i]
    w = logistic(X, np.tile(Y.T, (folds, 1)), on.reshape(-1, len(X)), ridge)
    logits = (w[:, :-1] @ X.T + w[:, -1:]).reshape(on.shape)
    return np.take_along_axis(logits, fold[None], 0)[0].T


def average_precision(scores: np.ndarray, Y: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean precision at the positives, for each column: [M]; NaN where there is none.

    scores, Y: [i,M]. Ties stand in the order of the items.
    weights: [B,i], how often each item counts in each of B resamples; then the result is [B,M].
    """
    order = np.argsort(-scores, axis=0, kind="stable")
    hit = np.take_along_axis(Y, order, 0)
    with np.errstate(invalid="ignore"):
        if weights is None:
            return (hit.cumsum(0) / np.arange(1, len(Y) + 1)[:, None] * hit).sum(0) / hit.sum(0)
        result = np.zeros((len(weights), Y.shape[1]))
        for m in range(Y.shape[1]):
            all_ = weights[:, order[:, m]]
            positive = all_ * hit[:, m]
            precision = positive.cumsum(1) / np.maximum(all_.cumsum(1), 1)
            result[:, m] = (precision * positive).sum(1) / positive.sum(1)
    return result


def p_values(observed: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """How often chance does as well: (1 + draws at least as large) / (1 + draws). observed [… A], draws [D,A]."""
    return (1 + (draws >= observed[..., None, :]).sum(-2)) / (1 + len(draws))


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """q-values over all entries of p (Benjamini & Hochberg 1995): the false discovery rate at which each is found."""
    flat = p.ravel()
    order = np.argsort(-flat, kind="stable")  # largest first
    q = np.empty_like(flat)
    q[order] = np.minimum.accumulate(flat[order] * len(flat) / np.arange(len(flat), 0, -1))
    return np.minimum(q, 1).reshape(p.shape)


class DCI(NamedTuple):
    """Disentanglement and completeness (Eastwood & Williams 2018), from 0 to 1.

    disentanglement: how far each head matters for one attribute alone, over heads [H] and as their mean weighted by
        how much they matter.   completeness: how far each attribute is in one head alone, [A] and mean.
    """

    disentanglement: float
    by_head: np.ndarray
    completeness: float
    by_attribute: np.ndarray


def dci(importance: np.ndarray) -> DCI:
    """DCI of importances [H,A], at least 0: how much each head matters for each attribute.

    Attributes count alike: each column is first scaled to sum 1. With one attribute (or head) there is nothing to
    disentangle (complete): 1.
    """
    share = importance / np.maximum(importance.sum(0), 1e-300)
    by_head, by_attribute = 1 - spread(share, 1), 1 - spread(share, 0)
    weight = share.sum(1) / max(share.sum(), 1e-300)
    return DCI(float(weight @ by_head), by_head, float(by_attribute.mean()), by_attribute)


def spread(weights: np.ndarray, axis: int) -> np.ndarray:
    """Entropy along an axis after scaling to sum 1, over its maximum: 0 for a single one, 1 for all alike or none."""
    n, total = weights.shape[axis], weights.sum(axis, keepdims=True)
    if n < 2:
        return np.zeros(weights.sum(axis).shape)
    p = np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / n)
    return -(p * np.log(np.where(p > 0, p, 1))).sum(axis) / math.log(n)


def head_importance(spaces: np.ndarray, Y: np.ndarray, labels: Labels, ridge: float) -> np.ndarray:
    """How much each head matters for each attribute in a probe that reads all heads at once: [H,A].

    The deviation over items of the head's part of the logit, mean over values. spaces [H,i,k], Y [i,M].

    The probe learns from the items that it is read on. With H·k features and few items the parts hold some
    overfitting, which spreads over all heads alike and so makes DCI too small rather than too large; random
    projections, with which `evidence` compares, share it. Out of fold it would take as many fits as folds.
    """
    H, _, k = spaces.shape
    X = np.stack([standardise(space) for space in spaces]).astype(np.float32)
    w = logistic(np.concatenate(X, 1), Y.T, np.ones(Y.T.shape), ridge)[:, :-1]
    parts = np.einsum("hik,mhk->him", X, w.reshape(-1, H, k))
    return labels.by_attribute(parts.std(1))


def lead_over(gain: np.ndarray) -> np.ndarray:
    """How far each attribute's gain is above the largest of the others': [… A] -> [… A]. NaN stays out of it.

    Of a single attribute it is the gain itself.
    """
    open_ = np.where(np.isnan(gain), -np.inf, gain)
    if gain.shape[-1] < 2:
        return gain
    second, first = np.moveaxis(np.sort(open_, -1)[..., -2:], -1, 0)[..., None]
    rival = np.where(open_ == first, second, first)
    return gain - np.where(np.isinf(rival), 0, rival)


def verdict(
    ap: np.ndarray,
    gain: np.ndarray,
    lead: np.ndarray,
    q_null: np.ndarray,
    q_lead: np.ndarray,
    low: np.ndarray,
    popularity: np.ndarray,
) -> tuple[int | None, tuple[str, ...]]:
    """The attribute that a head is most about, and what speaks against calling the head by it. See RULE.

    All arguments are [A]; a gain is NaN for an attribute that the full embedding does not know. None where none is.
    """
    if np.isnan(gain).all():
        return None, ("the full embedding knows none of the attributes",)
    best = int(np.nanargmax(gain))
    against = {
        "hard to read": not ap[best] >= LEAST_PRECISION,
        "no better than chance": not q_null[best] < SIGNIFICANCE,
        "no better than popularity": not low[best] > popularity[best],
        "worse than random spaces": not gain[best] >= LEAST_GAIN,
        "hardly more than for another attribute": not lead[best] >= LEAST_LEAD,
        "its lead is no larger than random spaces have": not q_lead[best] < SIGNIFICANCE,
    }
    return best, tuple(reason for reason, holds in against.items() if holds)


# --- lists, gate and experts --------------------------------------------------------------------------


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


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence over the last axis in bits: 0 for the same distributions, 1 for disjoint ones."""

    def bits(x: np.ndarray) -> np.ndarray:
        return -(x * np.log2(np.where(x > 0, x, 1))).sum(-1)

    return np.maximum(bits((p + q) / 2) - (bits(p) + bits(q)) / 2, 0)


class Readings(NamedTuple):
    """The model's last step over U histories, float64.

    items: int64 [U,T], 0 where a history has ended.   gate: [U,H].   router: [U,H,N].   attention: [U,H,N,T].
    router_most: [H,N], the largest weight at any step.   lists: int64 [U,H+1,k], each head's and the final one.
    """

    items: np.ndarray
    gate: np.ndarray
    router: np.ndarray
    attention: np.ndarray
    router_most: np.ndarray
    lists: np.ndarray


@torch.inference_mode()
def read_histories(model: FAME, histories: list[np.ndarray], depth: int, size: int = 32) -> Readings:
    device, max_len = model.items.weight.device, model.config.max_len
    items = pad(histories, max_len)
    depth = min(depth, model.config.n_items - max(len(np.unique(h)) for h in histories))
    parts: list[tuple[np.ndarray, ...]] = []
    for start in range(0, len(items), size):
        some = items[start : start + size].to(device)
        out = model(some, record=True)
        assert out.gate is not None and out.router is not None and out.F is not None and out.attention is not None
        rows, last = torch.arange(len(some), device=device), (some > 0).sum(1) - 1
        scores = facet_scores(model, out.F[rows, last])  # [u h v]
        scores = torch.cat([scores, model.score(out.query[rows, last]).unsqueeze(1)], 1)
        for row, history in zip(scores, histories[start : start + size], strict=True):
            row[:, torch.from_numpy(history.astype(np.int64)).to(device)] = -torch.inf
        most = torch.where((some > 0)[:, :, None, None], out.router, 0).amax((0, 1))
        kept = (
            out.gate[rows, last],
            out.router[rows, last],
            out.attention[rows, :, :, last],
            most[None],
            scores.topk(depth, -1).indices,
        )
        parts.append(tuple(x.cpu().numpy() for x in kept))
    gate, router, attention, peak, lists = (np.concatenate(x) for x in zip(*parts, strict=True))
    return Readings(
        items.numpy(), gate.astype(float), router.astype(float), attention.astype(float), peak.max(0), lists
    )


def list_overlap(lists: np.ndarray, p: float) -> np.ndarray:
    """Mean rank-biased overlap of each two lists over histories: lists [U,L,k] -> [L,L]."""
    L = lists.shape[1]
    overlap = np.eye(L)
    for i in range(L):
        for j in range(i):
            overlap[i, j] = overlap[j, i] = rank_biased_overlap(lists[:, i], lists[:, j], p).mean()
    return overlap


class Lift(NamedTuple):
    """Share of attention on items with a value, over the value's share of the same histories' items: [H,N,M] each.

    low, high: 95% interval, histories resampled.   q: of attention being blind to the value (see `blind_p`), after
    Benjamini-Hochberg over all experts and values. NaN, and q 1, where no history has items both with and without it.
    """

    lift: np.ndarray
    low: np.ndarray
    high: np.ndarray
    q: np.ndarray


def attended_lift(readings: Readings, has: np.ndarray, draws: int, rng: np.random.Generator) -> Lift:
    """What experts look at beyond what is there to look at. has: boolean [V,M]."""
    value = has[readings.items]  # [u t m]
    there = (readings.items > 0).sum(1)
    base = value.sum(1) / there[:, None]  # [u m]
    seen = np.einsum("uhnt,utm->uhnm", readings.attention, value, optimize=True)
    mixed = (base > 0) & (base < 1)  # elsewhere attention cannot choose
    base, seen = base * mixed, seen * mixed[:, None, None]
    flat = seen.reshape(len(seen), -1)  # [u hnm]
    with np.errstate(invalid="ignore", divide="ignore"):
        lift = seen.sum(0) / base.sum(0)
        weights = rng.multinomial(len(base), np.full(len(base), 1 / len(base)), draws).astype(float)
        resampled = (weights @ flat).reshape(draws, *lift.shape) / (weights @ base)[:, None, None]
    known = np.isfinite(lift)
    low, high = np.full((2, *lift.shape), np.nan)
    if lift.size:  # nanquantile of nothing has another shape
        ends = np.nanquantile(np.where(known, resampled, 0), [0.025, 0.975], axis=0)
        low, high = np.where(known, ends, np.nan)
    return Lift(lift, low, high, benjamini_hochberg(blind_p(readings.attention, value, there)))


def blind_p(attention: np.ndarray, value: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Two-sided p-values of attention being blind to values: [H,N,M]; 1 where it cannot choose.

    Blind: each history's attention might as well be turned round by any number of places. Unlike shuffling this keeps
    that neighbours share values and that attention falls on neighbours. It takes a value to be as frequent early in
    histories as late; where people turn to newer films, an expert of the latest items is not blind to the year.

    Summed over histories, attention beyond the base rate has mean 0 under turning, and its exact second and third
    moments give the tail, of a Pearson type III curve (as Josse, Pagès & Husson 2008 do for permutations); a normal
    curve finds far too much where values are rare and attention is on few items. Two things err towards blindness:
    the thinner tail is taken to be a normal's, and the variance that which is seen between histories where this is
    the larger one, as it is where attention always stays at one end.

    attention: [U,H,N,T].   value: boolean [U,T,M].   there: int [U], how many of the T places are items.
    """
    from scipy.stats import pearson3

    shape = (*attention.shape[1:3], value.shape[2])
    total, apart, turned, skewed = np.zeros((4, shape[0] * shape[1], shape[2]))
    for a, v, T in zip(attention, value, there.tolist(), strict=True):
        turns = (np.arange(T)[:, None] + np.arange(T)) % T
        excess = a[..., :T].reshape(-1, T)[:, turns] @ (v[:T] - v[:T].mean(0))  # [hn turn m]
        total += excess[:, 0]
        apart += excess[:, 0] ** 2
        turned += (excess**2).mean(1)
        skewed += (excess**3).mean(1)
    chooses = turned > 1e-12
    deviation = np.sqrt(np.where(chooses, np.maximum(turned, apart), 1))
    z, skewness = total / deviation, skewed / deviation**3
    p = 2 * pearson3.sf(np.abs(z), np.maximum(np.sign(z) * skewness, 0))
    return np.where(chooses, np.minimum(p, 1), 1).reshape(shape)


# --- all of it ----------------------------------------------------------------------------------------


def head_spaces(model: FAME) -> tuple[np.ndarray, np.ndarray]:
    """x_v [V,d] and each head's W_f[h] x_v [H,V,d'], float64; a plain SASRec's are the H slices of x_v."""
    with torch.inference_mode():
        x = model.items.weight.double().cpu().numpy()
        if model.config.variant == "fame":
            return x, model.facet_items().double().cpu().numpy()
    return x, np.stack(np.split(x, model.config.n_heads, axis=1))


def evidence(
    model: FAME,
    catalogue: Catalogue,
    histories: Sequences,
    popularity: np.ndarray | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    *,
    baseline: FAME | None = None,
    source: str = "",
    config: ProbeConfig | None = None,
) -> dict[str, Any]:
    """Everything measured, as plain JSON values: what a bundle keeps as evidence.json. One to six minutes on one core.

    histories: what the heads' lists, the gate and the experts are read on; real, simulated or curated. Only means
        over them are kept, none of them.   source: in words, where they come from.
    popularity: [V], how often each item was taken; the confounder is left out without it.
    baseline: a plain SASRec over the same catalogue, probed slice by slice.

    Keys (figures by head are lists of H, by attribute of A, by expert of N):
        version, seconds, seed, settings (ProbeConfig), items (probed)
        histories: count, source, median_length
        attributes: one {name, values, items, base_rate} each; of probed items, `items` counts per value
        probes: average precision by head and attribute: ap, ap_low, ap_high (95%, items resampled), p_null, q_null,
            p_random, q_random, gain, lead, p_lead, q_lead (see RULE; null where not `known`), values (by head,
            attribute, value); by attribute: null and random with _low and _high (95% of draws), full and popularity
            with _low and _high, full_values, known (whether there is something to be about); baseline, baseline_low,
            baseline_high by slice and attribute. popularity and baseline may be null; all of it may be
        dci: over the known attributes: disentanglement, by_head, completeness, by_attribute, random_disentanglement and
            random_completeness (means over random projections); importance (head, attribute). May be null
        verdicts: one {head (from 1), verdict, attribute (or null), why} each;  rule
        redundancy: cka (head, head) between the heads' item spaces, cka_random (mean of two random projections)
        lists: depth, persistence, rbo (H+1 × H+1, the final list last)
        gate: mean, std, first (share of histories where the head has the largest weight), relative_first (… the
            largest weight relative to its mean), entropy, entropy_std (of its maximum)
        experts: router_mean, router_first, router_most, dead (all head, expert), router_entropy, router_entropy_std
            (head), divergence (head, expert, expert; bits, of attention), lift, lift_low, lift_high, lift_q (head,
            expert, then attribute, value)

    Raises:
        FameError: the model has no heads, the baseline is none, or catalogue, histories or popularity do not fit.
    """
    began = time.perf_counter()
    config, tell = config or ProbeConfig(), progress or (lambda text: None)
    check(model, catalogue, histories, popularity, baseline)
    model.eval()
    H, N = model.config.n_heads, model.config.n_experts
    rng = np.random.default_rng(seed)
    rows = 1 + np.sort(rng.permutation(catalogue.n_items)[: config.most_items])
    labels = labels_of(catalogue, rows, config)
    config = config.with_draws(H, len(labels.attributes))
    counts = labels.has[rows].sum(0)
    result: dict[str, Any] = {
        "version": VERSION,
        "seed": seed,
        "settings": asdict(config),
        "items": len(rows),
        "attributes": [
            {
                "name": name,
                "values": [v for v, o in zip(labels.values, labels.owner, strict=True) if o == a],
                "items": counts[labels.owner == a],
                "base_rate": (counts[labels.owner == a] / len(rows)).mean(),
            }
            for a, name in enumerate(labels.attributes)
        ],
    }
    result |= item_evidence(model, labels, rows, popularity, baseline, config, rng, tell)

    tell("reading histories")
    read = [h for h in map(histories.history, range(len(histories))) if 0 < len(np.unique(h)) < catalogue.n_items]
    if not read:
        raise FameError("probes: expected a history with at least one item and one item left to recommend")
    read = [read[u] for u in np.sort(rng.permutation(len(read))[: config.histories])]
    readings = read_histories(model, read, config.depth)
    lift = attended_lift(readings, labels.has, config.bootstraps, rng)
    relative = readings.gate / readings.gate.mean(0)
    entropy, router_entropy = spread(readings.gate, 1), spread(readings.router, 2)
    result |= {
        "histories": {"count": len(read), "source": source, "median_length": float(np.median([len(h) for h in read]))},
        "lists": {
            "depth": readings.lists.shape[-1],
            "persistence": config.persistence,
            "rbo": list_overlap(readings.lists, config.persistence),
        },
        "gate": {
            "mean": readings.gate.mean(0),
            "std": readings.gate.std(0),
            "first": shares(readings.gate.argmax(1), H),
            "relative_first": shares(relative.argmax(1), H),
            "entropy": entropy.mean(),
            "entropy_std": entropy.std(),
        },
        "experts": {
            "router_mean": readings.router.mean(0),
            "router_first": np.stack([shares(readings.router[:, h].argmax(1), N) for h in range(H)]),
            "router_most": readings.router_most,
            "dead": readings.router_most < 0.99 / N,  # never has even an equal share
            "router_entropy": router_entropy.mean(0),
            "router_entropy_std": router_entropy.std(0),
            "divergence": divergence(readings.attention),
            **{
                f"lift{name}": [[by_owner(x[h, n], labels) for n in range(N)] for h in range(H)]
                for name, x in (("", lift.lift), ("_low", lift.low), ("_high", lift.high), ("_q", lift.q))
            },
        },
    }
    result["seconds"] = time.perf_counter() - began
    return plain(result)


def check(
    model: FAME, catalogue: Catalogue, histories: Sequences, popularity: np.ndarray | None, baseline: FAME | None
) -> None:
    V = len(catalogue)
    if model.config.variant != "fame":
        raise FameError("probes: a plain SASRec has no heads to probe; give it as the baseline of a FAME")
    if model.config.n_rows != V:
        raise FameError(f"probes: the model has {model.config.n_items} items and the catalogue {V - 1}")
    if not len(histories.items) or histories.items.max() >= V:
        raise FameError(f"probes: expected histories of the catalogue's rows, 1 to {V - 1}, and at least one")
    if popularity is not None and (
        popularity.shape != (V,) or not np.isfinite(popularity).all() or popularity.min() < 0
    ):
        raise FameError(f"probes: popularity is {list(popularity.shape)}; expected [{V}] counts of at least 0")
    if baseline is not None:
        other = baseline.config
        if other.variant != "sasrec" or other.n_rows != V or other.d_model % other.n_heads:
            raise FameError(
                "probes: the baseline must be a plain SASRec over the same catalogue, of a width that its heads divide"
            )


def item_evidence(
    model: FAME,
    labels: Labels,
    rows: np.ndarray,
    popularity: np.ndarray | None,
    baseline: FAME | None,
    config: ProbeConfig,
    rng: np.random.Generator,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """The part of `evidence` that is about items: probes, dci, verdicts, rule, redundancy."""
    x, spaces = head_spaces(model)
    x, spaces = x[rows], spaces[:, rows]
    H, _, width = spaces.shape
    tell("comparing heads")
    redundancy = {
        "cka": [[cka(a, b) for b in spaces] for a in spaces],
        "cka_random": float(np.mean([cka(*random_spaces(x, 2, width, rng)) for _ in range(20)])),
    }
    if not labels.attributes:
        none = "no attribute of the catalogue has two values common enough to probe"
        verdicts = [{"head": h + 1, "verdict": UNCLEAR, "attribute": None, "why": none} for h in range(H)]
        return {"probes": None, "dci": None, "verdicts": verdicts, "rule": RULE, "redundancy": redundancy}

    Y = labels.has[rows]
    fold = stratified_folds(Y, config.folds, rng)
    weights = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), config.bootstraps).astype(float)

    def figure(X: np.ndarray) -> np.ndarray:
        return labels.by_attribute(average_precision(out_of_fold(X, Y, fold, config.ridge), Y))

    def figures(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """By attribute the figure and its interval, and by value."""
        scores = out_of_fold(X, Y, fold, config.ridge)
        values = average_precision(scores, Y)
        ap = labels.by_attribute(values)
        return ap, *interval_around(ap, labels.by_attribute(average_precision(scores, Y, weights))), values

    tell("probing heads")
    ap, low, high, values = (np.stack(z) for z in zip(*map(figures, spaces), strict=True))
    full = figures(x)
    famous = None
    if popularity is not None:
        log = standardise(np.log1p(popularity[rows])[:, None])
        famous = figures(np.column_stack([log, log**2]))  # fame may be an attribute's middle
    sliced = None
    if baseline is not None:
        sliced = [np.stack(z) for z in zip(*map(figures, head_spaces(baseline)[1][:, rows]), strict=True)]

    tell(f"permuting items, {config.permutations} times for each head")
    # The null depends on the labels and the width, so that all heads share it.
    null = np.stack([figure(space[rng.permutation(len(rows))]) for space in spaces for _ in range(config.permutations)])
    tell(f"projecting at random, {config.projections} times")
    random = np.stack([figure(random_spaces(x, 1, width, rng)[0]) for _ in range(config.projections)])
    q_null, q_random = (benjamini_hochberg(p_values(ap, draws)) for draws in (null, random))
    chance, known = null.mean(0), full[0] - null.mean(0)
    there = known >= LEAST_KNOWN
    scale = np.where(there, known, np.nan)
    gain = (ap - random.mean(0)) / scale
    lead = lead_over(gain)
    p_lead = np.full(gain.shape, np.nan)
    p_lead[:, there] = p_values(lead, lead_over((random - random.mean(0)) / scale))[:, there]
    q_lead = np.full(gain.shape, np.nan)
    q_lead[:, there] = benjamini_hochberg(p_lead[:, there])

    tell("disentangling")
    apart = None
    if there.any():
        importance = head_importance(spaces, Y, labels, config.ridge)
        others = [head_importance(random_spaces(x, H, width, rng), Y, labels, config.ridge) for _ in range(10)]
        by_chance = [dci(z[:, there]) for z in others]
        measured = dci(importance[:, there])
        by_attribute = np.full(len(there), np.nan)
        by_attribute[there] = measured.by_attribute
        apart = {
            **measured._asdict(),
            "by_attribute": by_attribute,
            "importance": importance,
            "random_disentanglement": float(np.mean([z.disentanglement for z in by_chance])),
            "random_completeness": float(np.mean([z.completeness for z in by_chance])),
        }

    beaten = famous[0] if famous else np.zeros(len(labels.attributes))
    verdicts = []
    for h in range(H):
        best, against = verdict(ap[h], gain[h], lead[h], q_null[h], q_lead[h], low[h], beaten)
        attribute = labels.attributes[best] if best is not None and not against else None
        why = ""
        if best is not None:
            own, spaces, whole = ap[h, best], random[:, best].mean(), full[0][best]
            why = (
                f"{labels.attributes[best]}: average precision {own:.2f} (chance {chance[best]:.2f}, random spaces "
                f"{spaces:.2f}, full embedding {whole:.2f}), gain {number(gain[h, best], plus=True)}, "
                f"lead {number(lead[h, best])}"
            )
        why += "; but " * bool(why and against) + ", ".join(against)
        verdicts.append({"head": h + 1, "verdict": attribute or UNCLEAR, "attribute": attribute, "why": why})

    def band(draws: np.ndarray, name: str) -> dict[str, np.ndarray]:
        ends = np.quantile(draws, [0.025, 0.975], axis=0)
        return {name: draws.mean(0), f"{name}_low": ends[0], f"{name}_high": ends[1]}

    def ends(z: Any, name: str) -> dict[str, Any]:
        return {f"{name}{end}": z[i] if z else None for i, end in enumerate(("", "_low", "_high"))}

    return {
        "probes": {
            **ends((ap, low, high), "ap"),
            "p_null": p_values(ap, null),
            "q_null": q_null,
            "p_random": p_values(ap, random),
            "q_random": q_random,
            "gain": gain,
            "lead": lead,
            "p_lead": p_lead,
            "q_lead": q_lead,
            "known": there,
            "values": [by_owner(v, labels) for v in values],
            **band(null, "null"),
            **band(random, "random"),
            **ends(full, "full"),
            "full_values": by_owner(full[3], labels),
            **ends(famous, "popularity"),
            **ends(sliced, "baseline"),
        },
        "dci": apart,
        "verdicts": verdicts,
        "rule": RULE,
        "redundancy": redundancy,
    }


def interval_around(ap: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the 95% interval of average precisions [A], from those of resampled items [draws,A].

    An item that is drawn twice stands beside its copy, which raises precision: so the draws are moved until their mean
    is the average precision itself.
    """
    low, high = ap + np.nanquantile(draws - np.nanmean(draws, 0), [0.025, 0.975], axis=0)
    return low.clip(0, 1), high.clip(0, 1)


def random_spaces(x: np.ndarray, n: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """N random projections of x [i,d] to a width: [n,i,width]."""
    return x @ (rng.standard_normal((n, x.shape[1], width)) / x.shape[1] ** 0.5)


def cka(a: np.ndarray, b: np.ndarray) -> float:
    """Linear CKA between two spaces of the same items, [i,·] each."""
    return float(linear_cka(torch.from_numpy(a), torch.from_numpy(b)))


def divergence(attention: np.ndarray) -> np.ndarray:
    """Mean Jensen-Shannon divergence between the attention of each two experts of a head: [U,H,N,T] -> [H,N,N]."""
    N = attention.shape[2]
    pairs = [[jensen_shannon(attention[:, :, n], attention[:, :, m]).mean(0) for m in range(N)] for n in range(N)]
    return np.moveaxis(np.array(pairs), -1, 0)


def shares(chosen: np.ndarray, n: int) -> np.ndarray:
    """How often each of n was chosen: [n], sums to 1."""
    return np.bincount(chosen, minlength=n) / len(chosen)


def by_owner(per_value: np.ndarray, labels: Labels) -> list[np.ndarray]:
    """[M] as one array for each attribute."""
    return [per_value[labels.owner == a] for a in range(len(labels.attributes))]


def plain(value: Any) -> Any:
    """Arrays as lists, floats to 5 digits after the point, what is not finite as None: JSON values."""
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value
