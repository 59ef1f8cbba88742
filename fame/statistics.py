"""The small statistics that both wings rest on: intervals, entropy, and what remains of many tests."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["Z", "benjamini_hochberg", "mean_interval", "relative_entropy", "share_interval", "two_sided"]

Z = 1.959964  # 97.5% of a standard normal


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """A mean and the half width of its 95% interval, 1.96 standard errors; NaN for fewer than two, or all the same."""
    if not len(values):
        return math.nan, math.nan
    half = Z * values.std(ddof=1) / math.sqrt(len(values)) if np.ptp(values) > 0 else math.nan
    return float(values.mean()), float(half)


def share_interval(hits: int, n: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927), which holds for few and for extreme shares too."""
    if not n:
        return math.nan, math.nan
    share, spread = hits / n, Z * Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / n + spread / n / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def relative_entropy(weights: np.ndarray, axis: int = -1) -> np.ndarray:
    """Entropy along an axis after scaling to sum 1, over its maximum: 0 for a single one, 1 for all alike or none.

    The maximum is the logarithm of the width; where the width is 1, the entropy is 0. weights: at least 0.
    """
    n, total = weights.shape[axis], weights.sum(axis, keepdims=True)
    if n < 2:
        return np.zeros_like(weights.sum(axis))
    p = np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / n)
    surprise = np.log(np.where(p > 0, p, 1))
    return np.clip(np.abs((p * surprise).sum(axis)) / math.log(n), 0, 1)  # a minus would leave −0 for certainty


def two_sided(z: float) -> float:
    """How often a standard normal is as far from 0 as z, on either side."""
    return math.erfc(abs(z) / math.sqrt(2))


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """q-values over all entries of p (Benjamini & Hochberg 1995): the false discovery rate at which each is found."""
    flat = p.ravel()
    order = np.argsort(-flat, kind="stable")  # largest first
    q = np.empty_like(flat)
    q[order] = np.minimum.accumulate(flat[order] * len(flat) / np.arange(len(flat), 0, -1))
    return np.minimum(q, 1).reshape(p.shape)
