"""The table of a population, as population.npz keeps it, and its checks at the door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from fame.config import FAMEConfig
from fame.errors import FameError

__all__ = ["MOST_HISTORIES", "Population"]

MOST_HISTORIES = 5000
MOST_VALUES = 60  # of one attribute
LONGEST = 200  # letters of a name
AGAIN = "measure the population again, with fame population BUNDLE --data PATH --save DIR"


@dataclass(frozen=True, eq=False)
class Population:
    """What the model does at the last step of n held-out histories, read-only. No user's id is in it.

    Where histories are not kept, what is told of an item is told of others too: see `alike`, and
    `fame.make.private.private`, which made it. Whoever runs the model can guess at the last item by gate and routers; a
    log that must not tell even that is trained on with `population = false`.

    Where `alike`, `target` and `last` hold only some of an item's values: a value's histories are those of which it is
    told, fewer than those that have it, and not chosen by chance: their items are like enough others.

    gate: float16 [n,H].   router: float16 [n,H,N].
    rank: int32 [n], of the item that did come next, among all items that the history does not hold, from 1.
    head_rank: int32 [n,H], its rank in each head's own list.
    overlap: float16 [n,H], the part of the final list's ten first that is among the head's ten first.
    baselines: names of other models;   baseline_rank: int32 [baselines,n], their ranks of the same items.
    length: int32 [n], items of the history.   popularity: int32 [n], how often the next item is in the training log.
    attributes: their names;   values: of each, the names of its values, most frequent first.
    target: bool [n,m] per attribute, the values of the next item.   last: the same of the history's last item.
    taste: uint8 [n,m] per attribute, percent of the history's items that have the value, rounded up to tens, so that
        it counts no items; 0 only where none has. Where `alike`: 100 at the values told of the next item, or
        0 at all of an attribute's where no item of the history has anything that the next one has.
    moved, moved_gain: int32 and float32 [H,k], rows of the items that a head moves up most, and by how many doublings
        of their rank on average, over the histories that have them among the final list's first twenty.
    items, offsets: the histories as rows, one after the other, where the log may be passed on; else None.
    alike: 0 where all is told as it is. Else each combination of values in `last`, or of values and popularity in
        `target`, is told of at least so many items of the catalogue; length and popularity are thirds, told as the most
        of the first, the most of the second, or one more than that (popularity 0: not told); gate and router are
        rounded to 5%, and ranks beyond ten up to 20, 50, 100, 200, ….

    Raises:
        FameError: the arrays do not fit together.
    """

    gate: np.ndarray
    router: np.ndarray
    rank: np.ndarray
    head_rank: np.ndarray
    overlap: np.ndarray
    baselines: tuple[str, ...]
    baseline_rank: np.ndarray
    length: np.ndarray
    popularity: np.ndarray
    attributes: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    target: tuple[np.ndarray, ...]
    last: tuple[np.ndarray, ...]
    taste: tuple[np.ndarray, ...]
    moved: np.ndarray
    moved_gain: np.ndarray
    items: np.ndarray | None = None
    offsets: np.ndarray | None = None
    alike: int = 0

    def __post_init__(self) -> None:
        n, H = len(self), self.head_count
        if not 1 <= n <= MOST_HISTORIES:
            raise FameError(f"population: {n:,} histories; expected 1 to {MOST_HISTORIES:,}; {AGAIN}")
        for name, shape, low, high in (
            ("gate", (n, H), 0, 1.01),
            ("router", (n, H, self.expert_count), 0, 1.01),
            ("rank", (n,), 1, np.inf),
            ("head_rank", (n, H), 1, np.inf),
            ("overlap", (n, H), 0, 1.01),
            ("baseline_rank", (len(self.baselines), n), 1, np.inf),
            ("length", (n,), 1, np.inf),
            ("popularity", (n,), 0, np.inf),
            ("moved", (H, self.moved.shape[-1]), 1, np.inf),
            ("moved_gain", self.moved.shape, -np.inf, np.inf),
        ):
            self._check(name, getattr(self, name), shape, low, high)
        if not len(self.attributes) == len(self.values) == len(self.target) == len(self.last) == len(self.taste):
            raise FameError(f"population: attributes, values, target, last and taste are not as many; {AGAIN}")
        for name, values, target, last, taste in zip(
            self.attributes, self.values, self.target, self.last, self.taste, strict=True
        ):
            if len(values) > MOST_VALUES:
                raise FameError(f"population: {name} has {len(values)} values; expected at most {MOST_VALUES}; {AGAIN}")
            self._check(f"target of {name}", target, (n, len(values)), 0, 1)
            self._check(f"last of {name}", last, (n, len(values)), 0, 1)
            self._check(f"taste of {name}", taste, (n, len(values)), 0, 100)
        if not 0 <= self.alike <= MOST_HISTORIES:
            raise FameError(f"population: alike is {self.alike}; expected a count of items; {AGAIN}")
        if (self.items is None) != (self.offsets is None):
            raise FameError(f"population: histories need both items and offsets; {AGAIN}")
        if self.items is not None and self.offsets is not None:
            rising = len(self.offsets) == n + 1 and self.offsets[0] == 0 and bool((np.diff(self.offsets) > 0).all())
            if not rising or self.offsets[-1] != len(self.items) or self.items.min() < 1:
                raise FameError(f"population: offsets and items of the histories do not fit together; {AGAIN}")
        for array in (*(getattr(self, f.name) for f in fields(self)), *self.target, *self.last, *self.taste):
            if isinstance(array, np.ndarray):
                array.flags.writeable = False

    @staticmethod
    def _check(name: str, array: np.ndarray, shape: tuple[int, ...], low: float, high: float) -> None:
        if array.shape != shape:
            raise FameError(f"population: {name} is {list(array.shape)}; expected {list(shape)}; {AGAIN}")
        if array.size and not (np.isfinite(array).all() and array.min() >= low and array.max() <= high):
            raise FameError(f"population: {name} goes beyond {low:g} to {high:g}; {AGAIN}")

    def __len__(self) -> int:
        """n, the number of histories."""
        return len(self.rank)

    @property
    def head_count(self) -> int:
        return self.gate.shape[-1]

    @property
    def expert_count(self) -> int:
        return self.router.shape[-1]

    def history(self, i: int) -> tuple[int, ...]:
        """The rows of history i, oldest first.

        Raises:
            FameError: the log's histories are not kept with this model.
        """
        if self.items is None or self.offsets is None:
            raise FameError("the histories of this log are private; only what the model does with them is kept")
        return tuple(self.items[self.offsets[i] : self.offsets[i + 1]].tolist())

    def check(self, config: FAMEConfig) -> None:
        """Hold it against the model that it is to be of.

        Raises:
            FameError: it is of another one.
        """
        own, wanted = (self.head_count, self.expert_count), (config.n_heads, config.n_experts)
        if own != wanted:
            raise FameError(f"population: of {own[0]} × {own[1]} experts; the model has {wanted[0]} × {wanted[1]}")
        rows = [self.moved, *([] if self.items is None else [self.items])]
        if any(array.size and array.max() > config.n_items for array in rows):
            raise FameError(f"population: names rows beyond the model's {config.n_items:,} items; {AGAIN}")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As plain arrays, for an .npz."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        kept = {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
        kept |= {"alike": np.array(self.alike, np.int32)} if self.alike else {}
        kept |= {"baselines": np.array(self.baselines, "U"), "attributes": np.array(self.attributes, "U")}
        for a, values in enumerate(self.values):
            kept |= {
                f"values_{a}": np.array(values, "U"),
                f"target_{a}": np.packbits(self.target[a], axis=0),
                f"last_{a}": np.packbits(self.last[a], axis=0),
                f"taste_{a}": self.taste[a],
            }
        return kept

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The population of an .npz, whatever it holds.

        Raises:
            FameError: an array is missing, of another kind, or does not fit the others.
        """
        try:
            n = len(arrays["rank"])
            names = texts(arrays["attributes"])
            numbers: dict[str, Any] = {
                name: np.array(arrays[name], dtype)
                for name, dtype in NUMBERS.items()
                if name in arrays or name not in ("items", "offsets")
            }
            return cls(
                **numbers,
                alike=int(arrays["alike"]) if "alike" in arrays else 0,  # tables of old bundles have none
                baselines=texts(arrays["baselines"]),
                attributes=names,
                values=tuple(texts(arrays[f"values_{a}"]) for a in range(len(names))),
                target=tuple(bits(arrays[f"target_{a}"], n) for a in range(len(names))),
                last=tuple(bits(arrays[f"last_{a}"], n) for a in range(len(names))),
                taste=tuple(np.array(arrays[f"taste_{a}"], np.uint8) for a in range(len(names))),
            )
        except FameError:
            raise
        except KeyError as error:
            raise FameError(f"population: {error.args[0]} is missing; {AGAIN}") from None
        except (TypeError, ValueError, IndexError, AttributeError, OverflowError):
            raise FameError(f"population: arrays of another kind or form; {AGAIN}") from None


NUMBERS = {
    **dict.fromkeys(("gate", "router", "overlap"), np.float16),
    **dict.fromkeys(("rank", "head_rank", "baseline_rank", "length", "popularity", "moved", "items"), np.int32),
    "moved_gain": np.float32,
    "offsets": np.int64,
}


def bits(packed: np.ndarray, n: int) -> np.ndarray:
    """bool [n,m] of what `numpy.packbits` packed along n."""
    return np.unpackbits(np.array(packed, np.uint8), axis=0, count=n).astype(bool)


def texts(array: np.ndarray) -> tuple[str, ...]:
    """Short texts of an array of them."""
    if array.ndim != 1 or array.dtype.kind != "U" or any(len(text) > LONGEST for text in array.tolist()):
        raise ValueError
    return tuple(array.tolist())
