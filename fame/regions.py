"""Where a value of an attribute crowds on a map: labels for its regions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fame.atlas import Atlas
from fame.catalogue import Attribute
from fame.errors import FameError

__all__ = ["label_regions"]


SIGNIFICANCE = 0.01  # of a region's label, after Bonferroni over all regions and values


def label_regions(
    atlas: Atlas, space: str | int, attribute: Attribute, kind: str = "umap", n: int = 12, least: int = 4
) -> pd.DataFrame:
    """Labels for the regions of a map: the values of an attribute that crowd there beyond chance.

    The map alone is cut into regions of some 25 items (k-means), so that under chance a value falls into a region
    as into a random handful of items. A value labels a region where at least `least` items of it lie there and
    that is improbable: a hypergeometric p below .01 after Bonferroni over all regions and values. A region takes
    its least probable value; of labels that would lie on each other, the less probable one stays. A region where
    nothing is over-represented has no label, and a map may have none at all.

    At most n rows, least probable first: x, y (the middle of the region's items with that value), label, lift
    (its share in the region over its share in the catalogue), count (such items in the region), size (items in
    the region), p (after Bonferroni).

    Raises:
        FameError: there is no such space or kind of map, or the attribute is of another catalogue.
    """
    xy = atlas.map(space, kind)[1:]
    if len(attribute.matrix) != len(atlas):
        raise FameError(f"the attribute is of {len(attribute.matrix)} rows and the atlas of {len(atlas)}")
    has = attribute.matrix[1:]
    region = _regions(xy, atlas.seed)
    inside = np.eye(region.max() + 1, dtype=np.int64)[region]  # [items regions]
    size, total = inside.sum(axis=0)[:, None], has.sum(axis=0)[None]
    count = inside.T @ has  # [regions values]
    p = np.ones(count.shape)
    some = np.nonzero(count >= least)
    found, of, among = count[some], total[0][some[1]], size[some[0], 0]
    p[some] = np.minimum(1, _as_many_by_chance(found, len(xy), of, among) * count.size)
    extent = np.ptp(xy, axis=0)
    rows: list[dict[str, float | int | str]] = []
    for r in np.argsort(p.min(axis=1, initial=1), kind="stable"):
        v = int(p[r].argmin()) if p.shape[1] else 0
        if len(rows) == n or not p.shape[1] or p[r, v] >= SIGNIFICANCE:
            break
        x, y = np.median(xy[(region == r) & has[:, v]], axis=0)
        label = attribute.values[v]
        # Labels are wider than high, and a value that covers several regions is told once there.
        apart = [(abs(x - q["x"]) / extent[0], abs(y - q["y"]) / extent[1], q["label"] == label) for q in rows]
        if all(dx > 0.12 or dy > 0.05 for dx, dy, _ in apart) and all(max(dx, dy) > 0.3 for dx, dy, s in apart if s):
            lift = count[r, v] / size[r, 0] / (total[0, v] / len(xy))
            rows.append(
                {
                    "x": float(x),
                    "y": float(y),
                    "label": label,
                    "lift": float(lift),
                    "count": int(count[r, v]),
                    "size": int(size[r, 0]),
                    "p": float(p[r, v]),
                }
            )
    return pd.DataFrame(rows, columns=["x", "y", "label", "lift", "count", "size", "p"])


def _regions(xy: np.ndarray, seed: int) -> np.ndarray:
    """A map cut into regions of some 25 items, at most 60: the region of each item."""
    from scipy.cluster.vq import kmeans2  # a fifth of a second to import, for this function alone

    k, rng = int(np.clip(len(xy) // 25, 1, 60)), np.random.default_rng(seed)
    tries = [kmeans2(xy, k, iter=30, minit="++", missing="warn", rng=rng) for _ in range(3)]
    return min(tries, key=lambda found: float(((xy - found[0][found[1]]) ** 2).sum()))[1]


def _as_many_by_chance(count: np.ndarray, n: int, marked: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """How likely at least `count` of `drawn` items of n at random are among the `marked` ones: the hypergeometric tail.

    In NumPy, since scipy.stats takes longer to import than all labels of a map to compute.
    """
    factorial = np.concatenate([[0], np.cumsum(np.log(np.arange(1, n + 1)))])  # logarithms

    def ways(of: np.ndarray, take: np.ndarray) -> np.ndarray:
        return factorial[of] - factorial[take] - factorial[of - take]

    tail, most = np.zeros(len(count)), np.minimum(marked, drawn)
    for more in range(int((most - count).max(initial=-1)) + 1):
        few = count + more <= most
        hits, m, d = (count + more)[few], marked[few], drawn[few]
        tail[few] += np.exp(ways(m, hits) + ways(n - m, d - hits) - ways(np.full(len(d), n), d))
    return tail
