"""JSON values from anywhere, each checked as it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fame.errors import FameError

__all__ = ["LARGEST", "Part"]

MOST = 100  # attributes, and values of one, that are read; `fame.make.probes.gather` writes fewer
LONGEST = 2_000  # letters of a sentence
LARGEST = 1e9  # count or lift


def fit(value: Any) -> bool:
    """Whether it is a text that has an end and can be sent: JSON may hold halves of letters."""
    return isinstance(value, str) and len(value) <= LONGEST and not any("\ud800" <= c <= "\udfff" for c in value)


class Part:
    """A table of a JSON file, which says where it stands when something in it is not as it should be.

    Raises:
        FameError: on reading, what is asked for is missing or of another form.
    """

    def __init__(self, name: str, value: Any):
        if not isinstance(value, Mapping):
            raise FameError(f"{name} is {ascii(value)[:50]}; expected a table with names")
        self.name, self.value = name, value

    def fault(self, key: str, expected: str) -> FameError:
        found = f"is {ascii(self.value[key])[:50]}" if key in self.value else "is missing"
        again = "the evidence is of another version or model: gather it again, with fame train RECIPE"
        return FameError(f"{self.name}: {key} {found}; expected {expected}; {again}")

    def known(self, key: str) -> bool:
        return self.value.get(key) is not None

    def names(self) -> list[str]:
        """The names of at most MOST parts."""
        found = [name for name in self.value if fit(name)][:MOST]
        if len(found) < len(self.value):
            raise FameError(f"{self.name} has names that cannot be read; expected at most {MOST} short ones")
        return found

    def part(self, key: str) -> Part:
        if not isinstance(self.value.get(key), Mapping):
            raise self.fault(key, "a table with names")
        return Part(f"{self.name}: {key}", self.value[key])

    def parts(self, key: str) -> list[Part]:
        found = self.value.get(key)
        if not isinstance(found, list) or len(found) > MOST or not all(isinstance(x, Mapping) for x in found):
            raise self.fault(key, f"a list of at most {MOST} tables")
        return [Part(f"{self.name}: {key}", x) for x in found]

    def text(self, key: str) -> str:
        if not fit(self.value.get(key)):
            raise self.fault(key, f"a text of at most {LONGEST:,} letters")
        return str(self.value[key])

    def texts(self, key: str) -> list[str]:
        found = self.value.get(key)
        if not isinstance(found, list) or len(found) > MOST or not all(map(fit, found)):
            raise self.fault(key, f"a list of at most {MOST} texts")
        return found

    def count(self, key: str, most: float = LARGEST) -> int:
        """A whole number from 1 to `most`."""
        found = self.value.get(key)
        if type(found) is not int or not 1 <= found <= most:
            raise self.fault(key, f"a whole number from 1 to {most:g}")
        return found

    def numbers(self, key: str, *shape: int, most: float = 1.0, gaps: bool = False) -> np.ndarray:
        """float64 of this shape from 0 to `most`; what is null is NaN, where there may be gaps."""
        try:
            found = np.array(self.value.get(key, ""), np.float64)
        except (TypeError, ValueError, OverflowError):
            found = np.full(1, np.inf)
        inside = (found >= 0) & (found <= most) | (gaps & np.isnan(found))
        if found.shape != shape or not inside.all():
            size = " × ".join(map(str, shape)) + " numbers" if shape else "a number"
            raise self.fault(key, f"{size} from 0 to {most:g}")
        return found

    def ragged(self, key: str, shape: tuple[int, ...], sizes: Sequence[int], most: float = LARGEST) -> Any:
        """Lists in lists of this shape, whose innermost, one per attribute, have these sizes: arrays there."""

        def inner(value: Any, left: tuple[int, ...], size: int) -> Any:
            if not left:
                return Part(self.name, {key: value}).numbers(key, size, most=most, gaps=True)
            if not isinstance(value, list) or len(value) != left[0]:
                raise self.fault(key, " × ".join(map(str, shape)) + " lists of numbers")
            return [inner(v, left[1:], sizes[i] if len(left) == 1 else 0) for i, v in enumerate(value)]

        return inner(self.value.get(key), shape, 0)
