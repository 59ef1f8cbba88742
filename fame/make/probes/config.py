"""The settings of the probes."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from fame.errors import FameError
from fame.evidence import SIGNIFICANCE

__all__ = ["ProbeConfig"]


LEAST_PERMUTATIONS = 100  # for each head

LEAST_PROJECTIONS = 400


@dataclass(frozen=True)
class ProbeConfig:
    """How much is measured, and how finely.

    Raises:
        FameError: a number is out of range.
    """

    least_items: int = 8  # values of an attribute with fewer items are left out
    most_values: int = 18  # of an attribute, the most frequent
    most_items: int = 2_000  # of a larger catalogue so many, at random, are probed
    folds: int = 5
    ridge: float = 1.0  # on standardised features; 1 / C of scikit-learn
    permutations: int = 0  # for each head; 0: as many as `with_draws` says
    projections: int = 0  # the same; fewer tell means, but no p-value that stays small when corrected
    bootstraps: int = 200
    histories: int = 500  # of more so many, at random, are read
    depth: int = 50  # of the lists that are compared
    persistence: float = 0.9  # of rank-biased overlap; the first 10 of a list bear 86% of its weight

    def __post_init__(self) -> None:
        least = {"least_items": 2, "folds": 2, "permutations": 0, "projections": 0, "bootstraps": 2}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name not in ("ridge", "persistence") and (type(value) is not int or value < least.get(f.name, 1)):
                raise FameError(f"probes: {f.name} is {value!r}; expected a whole number of {least.get(f.name, 1)} up")
        if self.ridge <= 0 or not 0 < self.persistence < 1:
            raise FameError("probes: ridge must be above 0 and persistence between 0 and 1")
        if self.least_items < self.folds:
            raise FameError(f"probes: values with {self.least_items} items do not fill {self.folds} folds")

    def with_draws(self, n_heads: int, n_attributes: int) -> ProbeConfig:
        """The same with numbers of draws: where none is given, enough to find a single head about one attribute.

        The least p-value is 1 / (1 + draws), and Benjamini-Hochberg makes a lone finding's q so many times as large as
        there are heads times attributes; draws are so many that this is at most half of SIGNIFICANCE.
        """
        enough = math.ceil(2 * n_heads * n_attributes / SIGNIFICANCE)
        permutations = self.permutations or max(LEAST_PERMUTATIONS, math.ceil(enough / n_heads))
        return replace(self, permutations=permutations, projections=self.projections or max(LEAST_PROJECTIONS, enough))
