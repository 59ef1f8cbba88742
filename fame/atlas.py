"""The whole catalogue as each head sees it: maps, neighbours, and how far the maps can be trusted.

A *space* holds one vector per item: `full` is x_v, `head_1` … `head_H` are the facet sub-embeddings x_v^(h).
Nearness in a space is the cosine. Built once, with the bundle: no screen computes a map.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    "TRUST_NEIGHBOURS",
    "Agreement",
    "Atlas",
    "agreement",
    "agreements",
    "history_vectors",
    "most_gathered",
    "neighbour_table",
    "place",
    "space_vectors",
    "spaces_of",
]

KINDS = ("umap", "pca")
TRUST_NEIGHBOURS = 15


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
    """One vector per row of the catalogue: x_v [V,d] for 'full', x_v^(h) [V,d'] for a head. Row 0 is padding.

    Raises:
        FameError: the model has no such space.
    """
    h = _head(model, space)
    with torch.inference_mode():
        return (model.items.weight if h is None else model.facet_items()[h]).float().cpu().numpy()


def history_vectors(model: FAME, trace: Trace, space: str) -> np.ndarray:
    """Where a history stands in a space after each of its items: F^h [T,d'], or Σ_h g_h W_f[h]ᵀ F^h [T,d] for 'full'.

    The latter is the whole query, but where the model has a facet MLP: there it is the part that meets x_v itself.

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
    near = unit(np.atleast_2d(new)) @ unit(vectors[1:]).T  # [m items]
    best = np.argsort(-near, axis=1, kind="stable")[:, :k]
    weight = np.clip(np.take_along_axis(near, best, axis=1), 1e-6, None)
    placed = np.einsum("mk,mkx->mx", weight / weight.sum(axis=1, keepdims=True), xy[1:][best])
    return placed[0] if new.ndim == 1 else placed


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
    x = unit(space_vectors(model, atlas.spaces[place])[[row, *rows]])
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


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of length 1, so that cosines are inner products and distances follow them; a zero row stays."""
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(length > 0, length, 1)
