"""The whole catalogue as each head sees it: maps, neighbours, and how far the maps can be trusted.

A *space* holds one vector per item: `full` is x_v, `head_1` … `head_H` are the facet sub-embeddings W_f[h] x_v.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from fame.errors import FameError

__all__ = ["KINDS", "Atlas"]

KINDS = ("umap", "pca")


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
