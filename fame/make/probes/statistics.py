"""The statistics that probes rest on: a ridge logistic regression, average precision, nulls, p-values, likeness."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from fame.statistics import relative_entropy

__all__ = [
    "average_precision",
    "jensen_shannon",
    "linear_cka",
    "logistic",
    "out_of_fold",
    "random_spaces",
    "standardise",
    "stratified_folds",
]


MAX_NEWTON = 50

MAX_HALVINGS = 10

NEAR = 1e-2  # a Newton step so short is the last; the next would be of its square


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
    deviation = X.std(0)
    return (X - X.mean(0)) / np.where(deviation > 1e-12, deviation, 1)


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
    by_head, by_attribute = 1 - relative_entropy(share, 1), 1 - relative_entropy(share, 0)
    weight = share.sum(1) / max(share.sum(), 1e-300)
    return DCI(float(weight @ by_head), by_head, float(by_attribute.mean()), by_attribute)


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence over the last axis in bits: 0 for the same distributions, 1 for disjoint ones."""

    def bits(x: np.ndarray) -> np.ndarray:
        return -(x * np.log2(np.where(x > 0, x, 1))).sum(-1)

    return np.maximum(bits((p + q) / 2) - (bits(p) + bits(q)) / 2, 0)


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


def linear_cka(x: Tensor, y: Tensor) -> Tensor:
    """Linear centred kernel alignment (Kornblith et al. 2019) between rows of x [m k] and y [m c]: in [0, 1]."""
    x, y = x - x.mean(0), y - y.mean(0)
    cross = (x.T @ y).square().sum()
    return cross / ((x.T @ x).norm() * (y.T @ y).norm()).clamp(min=1e-12)
