"""What the pictures of attention share: where a colour scale ends, and how weights travel to the browser."""

from __future__ import annotations

from base64 import b64encode

import numpy as np

from fame.errors import FameError
from fame.trace import Trace

__all__ = ["check_head", "floats", "late_maximum", "levels", "shown_experts"]


def check_head(trace: Trace, head: int, expert: int | None = None) -> None:
    """Refuse a head, or an expert of it, that the trace does not hold.

    Raises:
        FameError: there is no such head or expert.
    """
    H, N = trace.attention.shape[:2]
    if not 0 <= head < H:
        raise FameError(f"there is no head {head}; this model's heads are 0 to {H - 1}")
    if expert is not None and not 0 <= expert < N:
        raise FameError(f"there is no expert {expert}; each head's experts are 0 to {N - 1}")


def shown_experts(trace: Trace) -> int:
    """How many experts are shown beside a head's mix: none where the only one is the mix."""
    N = trace.attention.shape[1]
    return N if N > 1 else 0


def late_maximum(weights: np.ndarray) -> float:
    """The largest weight of attention [… T,T] in the later half of the steps: where a colour scale ends.

    The first steps have next to no items to choose from, and beside their 100% everything else would be pale.
    """
    return float(weights[..., weights.shape[-1] // 2 :, :].max())


def levels(weights: np.ndarray, largest: float) -> str:
    """Weights as bytes, 255 at `largest` or above, in base64."""
    return b64encode(np.clip(np.round(weights * (255 / largest)), 0, 255).astype(np.uint8).tobytes()).decode()


def floats(values: np.ndarray) -> str:
    """Numbers as float32, in base64."""
    return b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()
