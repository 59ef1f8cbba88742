"""The values of attributes that probes ask for."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from fame.catalogue import Catalogue
from fame.make.probes.config import ProbeConfig

__all__ = ["Labels", "labels_of"]


class Labels(NamedTuple):
    """The values that are probed: M of them, of A attributes.

    attributes: A names.   values: M names, attribute by attribute.   owner: int64 [M], the attribute of each.
    has: boolean [V,M], row 0 (padding) False.
    """

    attributes: tuple[str, ...]
    values: tuple[str, ...]
    owner: np.ndarray
    has: np.ndarray

    def by_attribute(self, per_value: np.ndarray) -> np.ndarray:
        """Means over each attribute's values, missing ones left out: [… M] -> [… A]."""
        known = ~np.isnan(per_value)
        belongs = (self.owner[:, None] == np.arange(len(self.attributes))).astype(float)  # [M A]
        with np.errstate(invalid="ignore"):
            return np.where(known, per_value, 0) @ belongs / (known @ belongs)

    def split(self, per_value: np.ndarray) -> list[np.ndarray]:
        """[M] as one array for each attribute."""
        return [per_value[self.owner == a] for a in range(len(self.attributes))]


def labels_of(catalogue: Catalogue, rows: np.ndarray, config: ProbeConfig) -> Labels:
    """The values that are common enough, with and without, among the rows that are probed; most frequent there first.

    Attributes with one such value or none are left out. rows: int [i], each once.
    """
    names: list[str] = []
    values: list[str] = []
    owner: list[int] = []
    columns = [np.zeros((len(catalogue), 0), bool)]
    for name, cells in catalogue.facts.items():
        everywhere = Counter(value for cell in cells for value in cell)
        count = Counter(value for row in rows for value in cells[row])
        order = sorted(count, key=lambda v: (-count[v], -everywhere[v], v))
        fit = [v for v in order if min(count[v], len(rows) - count[v]) >= config.least_items]
        common = fit[: config.most_values]
        if len(common) > 1:
            owner += [len(names)] * len(common)
            names.append(name)
            values += common
            columns.append(catalogue.holders(name, common))  # of all values it might fill the memory
    return Labels(tuple(names), tuple(values), np.array(owner, np.int64), np.concatenate(columns, 1))
