"""The whole catalogue as each head sees it: maps, neighbours, and how far the maps can be trusted.

A *space* holds one vector per item: `full` is x_v, `head_1` … `head_H` are the facet sub-embeddings W_f[h] x_v.
Nearness in a space is the cosine. Built once, with the bundle: no screen computes a map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
import torch

from fame.catalogue import Attribute, Catalogue
from fame.errors import FameError
from fame.model import FAME
from fame.trace import Trace

__all__ = [
    "KINDS",
    "Agreement",
    "Atlas",
    "agreement",
    "agreements",
    "build_atlas",
    "history_vectors",
    "label_regions",
    "most_gathered",
    "neighbour_table",
    "place",
    "say_agreement",
    "say_trust",
    "space_vectors",
    "spaces_of",
]

KINDS = ("umap", "pca")
TRUST_NEIGHBOURS = 15
TRUST_SAMPLE = 5_000  # trustworthiness compares all pairs
LEAST_FOR_UMAP = 10  # with fewer items there is no neighbourhood graph to lay out
SIGNIFICANCE = 0.01  # of a region's label, after Bonferroni over all regions and values


@dataclass(frozen=True, eq=False)
class Atlas:
    """Maps of the catalogue in S spaces; every array is read-only, and row 0 is padding.

    spaces: S names.   umap, pca: float32 [S,V,2], row 0 NaN.
    neighbours: int32 [S,V,K], the K nearest rows by cosine in the space itself (not on a map), nearest first;
        row 0 is 0.
    trustworthiness: float32 [2,S], of each map of each space, in the order of `KINDS`: 1 where an item's
        neighbours on the map are its neighbours in the space, about .5 for a map at random.
    seed: what the maps were drawn with.

    Raises:
        FameError: the arrays do not fit each other.
    """

    spaces: tuple[str, ...]
    umap: np.ndarray
    pca: np.ndarray
    neighbours: np.ndarray
    trustworthiness: np.ndarray
    seed: int = 0

    def __post_init__(self) -> None:
        S, V = len(self.spaces), self.umap.shape[1] if self.umap.ndim == 3 else 0
        expected = {
            "umap": ((S, V, 2), "f"),
            "pca": ((S, V, 2), "f"),
            "neighbours": ((S, V, self.neighbours.shape[-1] if self.neighbours.ndim == 3 else -1), "i"),
            "trustworthiness": ((len(KINDS), S), "f"),
        }
        for name, (shape, kind) in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype.kind != kind:
                raise FameError(
                    f"atlas: {name} is {array.dtype} {list(array.shape)}; expected {list(shape)} "
                    f"of {'floats' if kind == 'f' else 'integers'} for the spaces {', '.join(self.spaces)}"
                )
            array.flags.writeable = False
        if not all(np.isfinite(xy[:, 1:]).all() for xy in (self.umap, self.pca)):
            raise FameError("atlas: a map has positions that are not finite; build the atlas again")
        if self.neighbours.size and not 0 <= self.neighbours.min() <= self.neighbours.max() < V:
            raise FameError(f"atlas: neighbours name rows outside 0 to {V - 1}; build the atlas again")

    def __len__(self) -> int:
        """V: the items and the padding row."""
        return self.umap.shape[1]

    def index(self, space: str | int) -> int:
        """The place of a space among `spaces`, by name or place.

        Raises:
            FameError: there is no such space.
        """
        if isinstance(space, str) and space in self.spaces:
            return self.spaces.index(space)
        if isinstance(space, int) and 0 <= space < len(self.spaces):
            return space
        raise FameError(f"the atlas has no space {space!r}; it has {', '.join(self.spaces)}")

    def map(self, space: str | int, kind: str = "umap") -> np.ndarray:
        """The positions of all items on one map: float32 [V,2].

        Raises:
            FameError: there is no such space or kind of map.
        """
        if kind not in KINDS:
            raise FameError(f"there is no map {kind!r}; maps are {' and '.join(KINDS)}")
        return getattr(self, kind)[self.index(space)]

    def trust(self, space: str | int, kind: str = "umap") -> float:
        """The trustworthiness of one map.

        Raises:
            FameError: there is no such space or kind of map.
        """
        self.map(space, kind)
        return float(self.trustworthiness[KINDS.index(kind), self.index(space)])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything as plain arrays, as they stand in atlas.npz."""
        # Rows rarely need 32 bits, and most of the file is neighbours.
        rows = self.neighbours.astype(np.uint16) if len(self) <= 2**16 else self.neighbours
        return {
            "spaces": np.array(self.spaces, dtype=np.str_),
            "umap": self.umap,
            "pca": self.pca,
            "neighbours": rows,
            "trustworthiness": self.trustworthiness,
            "seed": np.array(self.seed),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The atlas that `to_arrays` took apart.

        Raises:
            FameError: an array is missing, of another type, or does not fit the others.
        """
        names = [f.name for f in fields(cls)]
        if missing := [name for name in names if name not in arrays]:
            raise FameError(f"atlas: {missing[0]} is missing; expected the arrays {', '.join(names)}")
        spaces, seed = arrays["spaces"], arrays["seed"]
        if spaces.ndim != 1 or spaces.dtype.kind != "U" or seed.ndim or seed.dtype.kind not in "iu":
            raise FameError("atlas: spaces is not a list of names or seed not a whole number; build the atlas again")
        if arrays["neighbours"].dtype.kind not in "iu":
            raise FameError(f"atlas: neighbours is {arrays['neighbours'].dtype}; expected whole rows")
        return cls(
            spaces=tuple(spaces.tolist()),
            umap=arrays["umap"],
            pca=arrays["pca"],
            neighbours=arrays["neighbours"].astype(np.int32),
            trustworthiness=arrays["trustworthiness"],
            seed=int(seed),
        )


def spaces_of(model: FAME) -> tuple[str, ...]:
    """The names of a model's spaces: 'full', and 'head_1' … 'head_H' where it has facets."""
    heads = model.config.n_heads if model.config.variant == "fame" else 0
    return ("full", *(f"head_{h + 1}" for h in range(heads)))


def space_vectors(model: FAME, space: str) -> np.ndarray:
    """One vector per row of the catalogue: x_v [V,d] for 'full', W_f[h] x_v [V,d'] for a head. Row 0 is padding.

    Raises:
        FameError: the model has no such space.
    """
    h = _head(model, space)
    with torch.inference_mode():
        x = model.items.weight
        return (x if h is None else x @ model.facets.W_f[h].T).float().cpu().numpy()


def history_vectors(model: FAME, trace: Trace, space: str) -> np.ndarray:
    """Where a history stands in a space after each of its items: F^h [T,d'], or the query q [T,d] for 'full'.

    Raises:
        FameError: the model has no such space.
    """
    h = _head(model, space)
    if h is not None:
        return trace.F[:, h]
    return np.einsum("th,thk,hkd->td", trace.gate, trace.F, model.facets.W_f.detach().float().cpu().numpy())


def _head(model: FAME, space: str) -> int | None:
    """The head whose space it is, None for 'full'."""
    names = spaces_of(model)
    if space not in names:
        raise FameError(f"the model has no space {space!r}; it has {', '.join(names)}")
    return names.index(space) - 1 if space != "full" else None


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
        x = _unit(space_vectors(model, name)[1:])
        maps["pca"][i, 1:] = _pca(x)
        maps["umap"][i, 1:] = _umap(x, seed) if len(x) >= LEAST_FOR_UMAP else maps["pca"][i, 1:]
        neighbours[i, 1:] = 1 + _nearest(x, neighbours.shape[-1])
        trust[:, i] = [_trust(x, maps[kind][i, 1:], seed) for kind in KINDS]
    return Atlas(names, maps["umap"], maps["pca"], neighbours, trust, seed)


def _unit(x: np.ndarray) -> np.ndarray:
    """Rows of length 1, so that cosines are inner products and distances follow them; a zero row stays."""
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(length > 0, length, 1)


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


def place(
    atlas: Atlas, space: str | int, vectors: np.ndarray, new: np.ndarray, kind: str = "umap", k: int = 5
) -> np.ndarray:
    """Where new vectors of a space (a history's, from `history_vectors`) fall on its map: [2], or [m,2] for [m,·].

    A map has no formula for a new vector. Each is put at the mean position of its k nearest items by cosine in
    the space itself, weighted by the cosine: a point between two islands means that its neighbours lie on both.

    vectors: the space's own, from `space_vectors`.

    Raises:
        FameError: there is no such space or kind of map, or the vectors are not of that space.
    """
    xy = atlas.map(space, kind)
    if vectors.shape[0] != len(xy) or new.shape[-1] != vectors.shape[-1] or new.ndim > 2:
        raise FameError(
            f"vectors {list(vectors.shape)} and new {list(new.shape)} do not fit; expected [{len(xy)}, width] and width"
        )
    near = _unit(np.atleast_2d(new)) @ _unit(vectors[1:]).T  # [m items]
    best = np.argsort(-near, axis=1, kind="stable")[:, :k]
    weight = np.clip(np.take_along_axis(near, best, axis=1), 1e-6, None)
    placed = np.einsum("mk,mkx->mx", weight / weight.sum(axis=1, keepdims=True), xy[1:][best])
    return placed[0] if new.ndim == 1 else placed


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


def neighbour_table(
    model: FAME,
    atlas: Atlas,
    catalogue: Catalogue,
    space: str | int,
    row: int,
    k: int = 10,
    attribute: str | None = None,
) -> pd.DataFrame:
    """The k items nearest to one in a space, nearest first: rank (from 1), item_id, title, year, cosine, row.

    attribute: adds the column in_common, the values of it that item and neighbour share, joined by ', '.

    Raises:
        FameError: there is no such space, or the row is not in the catalogue.
    """
    if not 0 < row < len(atlas):
        raise FameError(f"row {row} is not in the catalogue; rows are 1 to {len(atlas) - 1}")
    place = atlas.index(space)
    rows = atlas.neighbours[place, row, : max(0, k)]
    x = _unit(space_vectors(model, atlas.spaces[place])[[row, *rows]])
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1),
            "item_id": catalogue.item_id[rows],
            "title": catalogue.title[rows],
            "year": catalogue.year[rows],
            "cosine": x[1:] @ x[0],
            "row": rows,
        }
    )
    if attribute is not None and attribute in catalogue.facts:
        values = catalogue.facts[attribute]
        table.insert(5, "in_common", [", ".join(v for v in values[row] if v in values[near]) for near in rows])
    return table


class Agreement(NamedTuple):
    """How far the neighbours in a space have values of an attribute in common with their item.

    shared: of the k nearest items, how many have at least one value in common with the item; the mean over items.
    chance: how many of k other items drawn at random would.
    k: neighbours counted.   items: those averaged over, which are all that have a value.
    """

    shared: float
    chance: float
    k: int
    items: int


def agreement(atlas: Atlas, space: str | int, attribute: Attribute, k: int = 20) -> Agreement:
    """Whether a space gathers items by an attribute: see `Agreement`. Uses the space itself, no map.

    k: at most the neighbours that the atlas holds.

    Raises:
        FameError: there is no such space, the attribute is of another catalogue, or no item has a value of it.
    """
    near = atlas.neighbours[atlas.index(space), :, :k]
    if len(attribute.matrix) != len(atlas):
        raise FameError(f"the attribute is of {len(attribute.matrix)} rows and the atlas of {len(atlas)}")
    from scipy.sparse import csr_array  # a third of a second, which the start of the app does without

    has = np.flatnonzero(attribute.matrix.any(axis=1))
    if not len(has):
        raise FameError("no item has a value of this attribute; nothing can be counted")
    # Items with the same values are alike here, so that only their kinds are compared, and not all pairs of items.
    packed = np.packbits(attribute.matrix, axis=1)
    _, first, kind, count = np.unique(packed, axis=0, return_index=True, return_inverse=True, return_counts=True)
    values = csr_array(attribute.matrix[first].astype(np.float32))
    common = (values @ values.T) > 0  # [kinds kinds]
    partners = (common @ count)[kind[has]] - 1  # other items that have a value in common, one number per item
    shared = common[np.repeat(kind[has], near.shape[1]), kind[near[has]].ravel()].sum() / len(has)
    chance = near.shape[1] * partners.mean() / max(len(atlas) - 2, 1)
    return Agreement(float(shared), float(chance), near.shape[1], len(has))


def most_gathered(atlas: Atlas, space: str | int, attribute: Attribute, count: int) -> tuple[int, ...]:
    """The values that a space gathers most: columns of the attribute's matrix, the most gathered first.

    A value is gathered by how many more of an item's nearest neighbours have it, where the item has it, than of all
    items. Values with fewer than 15 items, or in a small catalogue with less than a fiftieth of them, are left out.

    Raises:
        FameError: there is no such space.
    """
    near, has = atlas.neighbours[atlas.index(space)], attribute.matrix
    items = has.sum(0)
    together = np.array([has[near[mine], v].mean() if items[v] else 0.0 for v, mine in enumerate(has.T)])
    excess = together - items / max(len(atlas) - 1, 1)
    excess[items < max(1, min(15, len(atlas) // 50))] = -np.inf
    best = np.argsort(-excess, kind="stable")[:count]
    return tuple(int(v) for v in best if excess[v] > -np.inf)


def agreements(atlas: Atlas, catalogue: Catalogue, k: int = 20) -> pd.DataFrame:
    """The agreement of every space on every attribute: attribute, space, shared, chance, k, items.

    Attributes that no item has, or with too many values to be counted, are left out.
    """
    rows = []
    for name in catalogue.attributes:
        try:
            attribute = catalogue.attribute(name)
            rows += [(name, space, *agreement(atlas, space, attribute, k)) for space in atlas.spaces]
        except FameError:
            continue
    return pd.DataFrame(rows, columns=["attribute", "space", *Agreement._fields])


def say_agreement(table: pd.DataFrame, attribute: str, space: str, noun: str = "item") -> str:
    """What the agreement of one head's space on an attribute amounts to, from `agreements`, in plain words.

    noun: the catalogue's word for an item.

    Raises:
        FameError: the table has no such attribute or space.
    """
    here = table[table["attribute"] == attribute]
    found = dict(zip(here["space"], here["shared"].astype(float), strict=True))
    if space not in found:
        raise FameError(f"no agreement of {space!r} on {attribute!r} has been counted")
    shared, chance, k = found[space], float(here["chance"].iloc[0]), int(here["k"].iloc[0])
    digits = 1 if shared >= 1 else 2
    said = (
        f"{shared:.{digits}f} of each {noun}'s {k} nearest in {_name(space)} have {_alike(attribute)}; "
        f"of {k} at random {chance:.{digits}f} would."
    )
    if space == "full":
        return said
    others = {name: value for name, value in found.items() if name not in (space, "full")}
    if others:
        best = max(others, key=others.__getitem__)
        mine, low, high = (f"{x:.{digits}f}" for x in (shared, min(others.values()), others[best]))
        if mine == high:
            said += " No other head's has more."
        elif shared > others[best]:
            said += f" That is more than in any other head's ({low if low == high else f'{low} to {high}'})."
        else:
            said += f" The most is {high}, in {_name(best)}."
    if "full" in found:
        said += f" In the full embedding: {found['full']:.{digits}f}."
    return said


def _alike(attribute: str) -> str:
    """What items have that share a value of an attribute: 'the same director', 'at least one genre in common'."""
    if attribute in (special := {"cast": "a cast member in common", "series": "the same series"}):
        return special[attribute]
    if attribute.endswith("s"):
        one = f"{attribute[:-3]}y" if attribute.endswith("ies") else attribute[:-1]
        return f"at least one {one} in common"
    return f"the same {attribute}"


def _name(space: str) -> str:
    return "the full embedding" if space == "full" else f"{space.replace('_', ' ')}'s space"


def say_trust(trust: float) -> str:
    """What a map's trustworthiness means for its reader, in plain words; nothing where none was measured."""
    if np.isnan(trust):
        return ""
    if trust >= 0.95:
        words = "near on this map means near in the space"
    elif trust >= 0.85:
        words = "near on this map mostly means near in the space"
    else:
        words = "near on this map often does not mean near in the space"
    return f"Trustworthiness {trust:.2f}: {words}."
