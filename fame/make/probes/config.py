"""The settings of the probes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Self

from pydantic import Field, model_validator

from fame.evidence import SIGNIFICANCE
from fame.settings import LARGEST, Count, Number, Whole, settings

__all__ = ["ProbeConfig"]

LEAST_PERMUTATIONS = 100  # for each head

LEAST_PROJECTIONS = 400


Several = Annotated[int, Field(strict=True, ge=2, lt=LARGEST)]


@settings("probes")
class ProbeConfig:
    """How much is measured, and how finely.

    Raises:
        FameError: a number is out of range.
    """

    least_items: Several = Field(default=8, description="Values of an attribute with fewer items are left out.")
    most_values: Count = Field(default=18, description="Of an attribute, the most frequent.")
    most_items: Count = Field(default=2_000, description="Of a larger catalogue so many, at random, are probed.")
    folds: Several = Field(default=5, description="Parts of the cross-validation.")
    ridge: Number = Field(default=1.0, gt=0, description="On standardised features; 1 / C of scikit-learn.")
    permutations: Whole = Field(default=0, description="For each head; 0: as many as `with_draws` says.")
    projections: Whole = Field(
        default=0, description="The same; fewer tell means, but no p-value that stays small when corrected."
    )
    bootstraps: Several = Field(default=200, description="Draws of each interval.")
    histories: Count = Field(default=500, description="Of more so many, at random, are read.")
    depth: Count = Field(default=50, description="Of the lists that are compared.")
    persistence: Number = Field(
        default=0.9, gt=0, lt=1, description="Of rank-biased overlap; the first 10 of a list bear 86% of its weight."
    )

    @model_validator(mode="after")
    def _values_fill_the_folds(self) -> Self:
        if self.least_items < self.folds:
            raise ValueError(f"values with {self.least_items} items do not fill {self.folds} folds")
        return self

    def with_draws(self, n_heads: int, n_attributes: int) -> ProbeConfig:
        """The same with numbers of draws: where none is given, enough to find a single head about one attribute.

        The least p-value is 1 / (1 + draws), and Benjamini-Hochberg makes a lone finding's q so many times as large as
        there are heads times attributes; draws are so many that this is at most half of SIGNIFICANCE.
        """
        enough = math.ceil(2 * n_heads * n_attributes / SIGNIFICANCE)
        permutations = self.permutations or max(LEAST_PERMUTATIONS, math.ceil(enough / n_heads))
        return replace(self, permutations=permutations, projections=self.projections or max(LEAST_PROJECTIONS, enough))
