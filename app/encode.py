"""Arrays as text for a browser component, which takes JSON."""

from __future__ import annotations

from base64 import b64encode

import numpy as np

__all__ = ["floats", "late_maximum", "levels"]


def late_maximum(weights: np.ndarray) -> float:
    """The largest weight of attention [… T,T] in the later half of the steps: where a colour scale ends.

    The first steps have next to no films to choose from, and beside their 100% everything else would be pale.
    """
    return float(weights[..., weights.shape[-1] // 2 :, :].max())


def levels(weights: np.ndarray, largest: float) -> str:
    """Weights as bytes, 255 at `largest` or above, in base64."""
    return b64encode(np.clip(np.round(weights * (255 / largest)), 0, 255).astype(np.uint8).tobytes()).decode()


def floats(values: np.ndarray) -> str:
    """Numbers as float32, in base64."""
    return b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()
