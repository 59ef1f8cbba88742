"""What an intervention does where the model weighs: to the routers' weights, and to the gate's.

`fame.model` calls these at its lines for β and g, so that a what-if is an argument and the lines stand undisturbed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fame.trace import Intervention

__all__ = ["fuse", "route"]


def route(logits: Tensor, what_if: Intervention) -> Tensor:
    """β [b t h n] from the router's logits under an intervention."""
    router = off(logits, what_if.experts_off).softmax(-1)
    if what_if.router:
        router = router.clone()
        for h, weights in what_if.router:
            router[:, :, h] = forced(weights, [n for g, n in what_if.experts_off if g == h], logits)
    return router


def fuse(logits: Tensor, what_if: Intervention, natural: Callable[[], Tensor]) -> Tensor:
    """g [b t h] from the gate's logits under an intervention; `natural` gives the untouched model's gate, to hold."""
    if what_if.gate is not None:
        return forced(what_if.gate, what_if.heads_off, logits).expand_as(logits)
    if what_if.hold_gate and what_if:
        gate = natural().clone()
        gate[..., list(what_if.heads_off)] = 0
        return gate
    return off(logits, [(h,) for h in what_if.heads_off]).softmax(-1)


def forced(weights: Sequence[float], without: Sequence[int], like: Tensor) -> Tensor:
    """The weights with these at 0, scaled to sum to 1, as a tensor of the kind of `like`: [len(weights)]."""
    left = [0.0 if i in without else w for i, w in enumerate(weights)]
    most = max(left)  # by the largest first: weights that float32 cannot hold count by their ratios too
    parts = like.new_tensor([w / most for w in left])
    return parts / parts.sum()


def off(logits: Tensor, where: Sequence[tuple[int, ...]]) -> Tensor:
    """The logits with -inf at these indices of the last axes."""
    if where:
        logits = logits.clone()
        for index in where:
            logits[(..., *index)] = -torch.inf  # type: ignore[index]
    return logits
