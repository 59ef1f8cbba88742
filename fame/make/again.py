"""Whether trainings of one recipe that differ in chance alone find the same preferences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fame.explain.preferences import DIRECTIONS
from fame.model import FAME

__all__ = ["ITEMS", "firsts", "found_again", "own"]

ITEMS = 50  # that an anchor recommends most, by which two are held against each other


@torch.no_grad()
def found_again(model: FAME, others: Sequence[FAME], seed: int = 0) -> dict[str, Any]:
    """For each expert, how much of its preference the experts of other trainings share, and what chance comes to.

    An expert is read as `fame.explain.preferences` reads it: by the items for which its anchor, less the mean of its
    head's, is largest. `shared` [h n] is the part of its first ITEMS that are also among the first ITEMS of that expert
    of another training, of whichever head, that shares most; the mean over the trainings. Any direction of its head's
    space meets some expert by chance: `usual` [h] is the mean of the same over DIRECTIONS random ones, and `p` [h n]
    the part of them that reach the expert's. What the trainings have in common besides, such as a start from the log,
    counts for `shared`.

    others: with anchors, of the same catalogue.
    """
    known = [firsts(other, own(other)).flatten(0, 1) for other in others]
    mine = firsts(model, own(model))  # [h n items]
    H, _, k = own(model).shape
    random = torch.stack(
        [torch.randn(DIRECTIONS, k, generator=torch.Generator().manual_seed(seed + h)) for h in range(H)]
    )
    shared, chance = best(mine, known), best(firsts(model, random), known)
    p = (1 + (chance[:, None] >= shared[..., None]).sum(-1)) / (1 + DIRECTIONS)
    return {
        "seeds": len(others),
        "items": mine.shape[-1],
        "shared": shared.round(4).tolist(),
        "usual": chance.mean(-1).round(4).tolist(),
        "p": p.round(4).tolist(),
    }


@torch.no_grad()
def own(model: FAME) -> Tensor:
    """What sets each expert apart from the others of its head: [h n k]."""
    anchors = model.facets.anchors
    assert anchors is not None
    return anchors - anchors.mean(1, keepdim=True)


@torch.no_grad()
def firsts(model: FAME, directions: Tensor) -> Tensor:
    """The items that each direction [h m k] of its head's space recommends most, as indices [h m items]."""
    space = model.facet_items()[:, 1:]  # [h items k]
    size = min(ITEMS, space.shape[1] - 1)
    return torch.stack(
        [
            torch.cat([(some @ x.T).topk(size).indices for some in d.split(32)])
            for d, x in zip(directions, space, strict=True)
        ]
    )


def best(lists: Tensor, known: Sequence[Tensor]) -> np.ndarray:
    """The most that one of another model's lists [m items] has of each list [h m items]; mean over `known`: [h m]."""
    parts = []
    for other in known:
        inside = torch.zeros(len(other), int(max(lists.max(), other.max())) + 1, dtype=torch.bool)
        inside.scatter_(1, other, True)
        parts.append(inside[:, lists].float().mean(-1).amax(0).numpy())
    return np.asarray(np.mean(parts, axis=0, dtype=np.float64))
