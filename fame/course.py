"""How training went for a few histories: their gate and routers after some epochs, as course.npz keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.statistics import relative_entropy

__all__ = ["Course"]

MOST = 200  # epochs, histories, or steps of one
LONGEST = 200  # letters of a facet's name
AGAIN = "train the bundle again, with watch in its recipe"


@dataclass(frozen=True, eq=False)
class Course:
    """Gate and routers of n simulated histories of T steps after E epochs of one training; read-only.

    epochs: int32 [E], rising; 0 is before the first one.
    gate: float16 [E,n,T,H].   router: float16 [E,n,T,H,N].   items: int32 [n,T], the histories as rows.
    facets: names of what viewers follow.   truth: int8 [n,T], which of them chooses the item after each step.
    told: int8 [A], the head that training was told each facet for, -1 where none was.

    Raises:
        FameError: the arrays do not fit together.
    """

    epochs: np.ndarray
    gate: np.ndarray
    router: np.ndarray
    items: np.ndarray
    facets: tuple[str, ...]
    truth: np.ndarray
    told: np.ndarray

    def __post_init__(self) -> None:
        if self.router.ndim != 5 or not all(0 < size <= MOST for size in self.router.shape):
            raise FameError(f"course: router is {list(self.router.shape)}; expected [E,n,T,H,N] of at most {MOST}")
        E, n, T, H, _ = self.router.shape
        A = len(self.facets)
        for name, array, shape, low, high in (
            ("epochs", self.epochs, (E,), 0, np.inf),
            ("gate", self.gate, (E, n, T, H), 0, 1.01),
            ("router", self.router, self.router.shape, 0, 1.01),
            ("items", self.items, (n, T), 1, np.inf),
            ("truth", self.truth, (n, T), 0, A - 1),
            ("told", self.told, (A,), -1, H - 1),
        ):
            if array.shape != shape:
                raise FameError(f"course: {name} is {list(array.shape)}; expected {list(shape)}; {AGAIN}")
            if not (np.isfinite(array).all() and array.min(initial=low) >= low and array.max(initial=low) <= high):
                raise FameError(f"course: {name} goes beyond {low:g} to {high:g}; {AGAIN}")
        if not (np.diff(self.epochs) > 0).all():
            raise FameError(f"course: epochs do not rise; {AGAIN}")
        for array in (self.epochs, self.gate, self.router, self.items, self.truth, self.told):
            array.flags.writeable = False

    def __len__(self) -> int:
        """E, the number of epochs that are kept."""
        return len(self.epochs)

    def followed(self, at: int) -> float:
        """The share of steps, of all histories, in which the head with most say is the one told of the facet that
        chooses next; NaN where training told no facet. at: a place in `epochs`."""
        head = self.told[self.truth]
        known = head >= 0
        return float((self.gate[at].argmax(axis=-1) == head)[known].mean()) if known.any() else float("nan")

    def decided(self, at: int) -> tuple[float, float]:
        """How even gate and routers are, mean over all steps: from 0, one has all, to 1, all have the same."""
        gate, router = (relative_entropy(x[at].astype(np.float64)) for x in (self.gate, self.router))
        return float(gate.mean()), float(router.mean())

    def check(self, config: FAMEConfig) -> None:
        """Hold it against the model that it is to be of.

        Raises:
            FameError: it is of another one.
        """
        own, wanted = self.router.shape[-2:], (config.n_heads, config.n_experts)
        if own != wanted:
            raise FameError(f"course: of {own[0]} × {own[1]} experts; the model has {wanted[0]} × {wanted[1]}")
        if self.items.max() > config.n_items:
            raise FameError(f"course: names rows beyond the model's {config.n_items:,} items; {AGAIN}")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As plain arrays, for an .npz."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        return arrays | {"facets": np.array(self.facets, "U")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The course of an .npz, whatever it holds.

        Raises:
            FameError: an array is missing, of another kind, or does not fit the others.
        """
        try:
            names = arrays["facets"]
            if names.ndim != 1 or names.dtype.kind != "U" or any(len(name) > LONGEST for name in names.tolist()):
                raise ValueError
            numbers = {name: np.array(arrays[name], dtype) for name, dtype in NUMBERS.items()}
        except KeyError as error:
            raise FameError(f"course: {error.args[0]} is missing; {AGAIN}") from None
        except (TypeError, ValueError, AttributeError, OverflowError):
            raise FameError(f"course: arrays of another kind or form; {AGAIN}") from None
        return cls(facets=tuple(names.tolist()), **numbers)


NUMBERS = {
    "epochs": np.int32,
    "gate": np.float16,
    "router": np.float16,
    "items": np.int32,
    "truth": np.int8,
    "told": np.int8,
}
