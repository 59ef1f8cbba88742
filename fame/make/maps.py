"""Making an atlas: UMAP and PCA of every item space, neighbours, trustworthiness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fame.atlas import KINDS, TRUST_NEIGHBOURS, Atlas, space_vectors, spaces_of, unit
from fame.model import FAME

__all__ = ["build_atlas"]


TRUST_SAMPLE = 5_000  # trustworthiness compares all pairs

LEAST_FOR_UMAP = 10  # with fewer items there is no neighbourhood graph to lay out


def build_atlas(
    model: FAME, seed: int = 0, n_neighbours: int = 20, progress: Callable[[str], None] | None = None
) -> Atlas:
    """Maps, neighbours and trustworthiness of every space of a model.

    Takes a few seconds per space of 1,000 items, and on one thread, so that the same seed draws the same maps.
    With fewer than 10 items the UMAP is the PCA. Trustworthiness is over 15 neighbours, and over 5,000 items at
    random where there are more.

    progress: called with the name of each space before its turn.
    """
    names, V = spaces_of(model), model.config.n_rows
    maps = {kind: np.full((len(names), V, 2), np.nan, np.float32) for kind in KINDS}
    neighbours = np.zeros((len(names), V, min(n_neighbours, V - 2)), np.int32)
    trust = np.zeros((len(KINDS), len(names)), np.float32)
    for i, name in enumerate(names):
        if progress is not None:
            progress(name)
        x = unit(space_vectors(model, name)[1:])
        maps["pca"][i, 1:] = _pca(x)
        maps["umap"][i, 1:] = _umap(x, seed) if len(x) >= LEAST_FOR_UMAP else maps["pca"][i, 1:]
        neighbours[i, 1:] = 1 + _nearest(x, neighbours.shape[-1])
        trust[:, i] = [_trust(x, maps[kind][i, 1:], seed) for kind in KINDS]
    return Atlas(names, maps["umap"], maps["pca"], neighbours, trust, seed)


def _pca(x: np.ndarray) -> np.ndarray:
    """The two directions in which the rows vary most: [rows, 2], each turned so that its largest weight is above 0."""
    centred = x - x.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    return np.pad(centred @ axes, ((0, 0), (0, 2 - axes.shape[1])))


def _umap(x: np.ndarray, seed: int) -> np.ndarray:
    import umap  # here alone: it takes seconds to import, and nothing but the building of an atlas needs it

    xy = umap.UMAP(n_neighbors=min(15, len(x) - 1), metric="cosine", random_state=seed, n_jobs=1).fit_transform(x)
    alone = ~np.isfinite(xy).all(1)  # an item opposite to all others has no neighbours, and so no place
    xy[alone] = 0 if alone.all() else xy[~alone].mean(axis=0)
    return xy


def _nearest(x: np.ndarray, k: int, products: int = 20_000_000) -> np.ndarray:
    """The k nearest other rows of each row by inner product, nearest first: [rows, k]; so many products at a time."""
    chunk = max(1, products // len(x))
    nearest = np.zeros((len(x), k), np.int32)
    for start in range(0, len(x), chunk):
        near = x[start : start + chunk] @ x.T
        near[range(len(near)), range(start, start + len(near))] = -np.inf
        best = np.argpartition(-near, min(k, len(x) - 1), axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(near, best, axis=1), axis=1, kind="stable")
        nearest[start : start + chunk] = np.take_along_axis(best, order, axis=1)
    return nearest


def _trust(x: np.ndarray, xy: np.ndarray, seed: int) -> float:
    from sklearn.manifold import trustworthiness

    if len(x) > TRUST_SAMPLE:
        sample = np.random.default_rng(seed).choice(len(x), TRUST_SAMPLE, replace=False)
        x, xy = x[sample], xy[sample]
    k = min(TRUST_NEIGHBOURS, (len(x) - 1) // 2)
    return float(trustworthiness(x, xy, n_neighbors=k)) if k else np.nan
