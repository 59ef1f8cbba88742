"""A wish for one item of the final list: to be first, in the top k, out of it, or above another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.explain.tables import rank_of

__all__ = ["Wish", "read_wish"]

FORMS = "'first: TITLE', 'top 10: TITLE', 'not top 10: TITLE' or 'above OTHER: TITLE'"


@dataclass(frozen=True)
class Wish:
    """What is to become true of one item in the final list.

    kind: 'first', 'in' (the top k), 'out' (of the top k), or 'above' (the item of row `other`).
    row: the item's row.   k: from 1; counts for 'in' and 'out' alone.
    """

    kind: Literal["first", "in", "out", "above"]
    row: int
    k: int = 10
    other: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("first", "in", "out", "above"):
            raise FameError(f"the wish is {str(self.kind)[:20]!r}; expected first, in, out or above")
        if self.k < 1:
            raise FameError(f"the wish is for a top {self.k}; expected a whole number from 1")
        if (self.other is None) == (self.kind == "above") or self.other == self.row:
            raise FameError("only the wish 'above' names another item, and not the same one")

    @property
    def rows(self) -> tuple[int, ...]:
        """The items it is about, which no change may put into the history."""
        return (self.row,) if self.other is None else (self.row, self.other)

    def met(self, scores: np.ndarray, candidate: np.ndarray) -> np.ndarray:
        """Whether scores [m,V] fulfil it among these candidates, bool [m,V], with ties in catalogue order: bool [m]."""
        if self.other is not None:
            mine, theirs = scores[:, self.row], scores[:, self.other]
            return (mine > theirs) | ((mine == theirs) & (self.row < self.other))
        rank = rank_of(scores, self.row, candidate)
        return rank > self.k if self.kind == "out" else rank <= (1 if self.kind == "first" else self.k)

    def gap(self, scores: np.ndarray, candidate: np.ndarray) -> np.ndarray:
        """How far scores [m,V] are from fulfilling it, below 0 where they are not: float [m], in units of the score."""
        mine = scores[:, self.row]
        if self.other is not None:
            return mine - scores[:, self.other]
        k = 1 if self.kind == "first" else self.k
        others = np.where(candidate, scores, -np.inf)
        others[:, self.row] = -np.inf
        if k >= others.shape[1]:
            edge = np.full(len(mine), -np.inf)
        else:
            edge = np.partition(others, -k, axis=1)[:, -k]
        return edge - mine if self.kind == "out" else mine - edge

    def words(self, catalogue: Catalogue) -> str:
        """As the end of 'What would put …': 'Heat first', 'Heat in the top 10', 'Heat above Casino'."""
        title = catalogue.label(self.row)
        if self.other is not None:
            return f"{title} above {catalogue.label(self.other)}"
        return title + {"first": " first", "in": f" in the top {self.k}", "out": f" out of the top {self.k}"}[self.kind]


def read_wish(text: str, catalogue: Catalogue) -> Wish:
    """A wish as people write it: 'first: Heat', 'top 10: Heat', 'not top 10: Heat', 'above Casino: Heat'.

    Raises:
        FameError: it is of no such form, or an item is unknown.
    """
    form, _, title = text.partition(":")
    if found := re.fullmatch(r"\s*above\s+(.+)", text, re.IGNORECASE):
        # A title may hold a colon itself: the first one that leaves two titles counts.
        for cut in [i for i, letter in enumerate(found[1]) if letter == ":"]:
            other, item = found[1][:cut], found[1][cut + 1 :]
            try:
                return Wish("above", catalogue.resolve(item), other=catalogue.resolve(other))
            except FameError:
                if found[1].count(":") == 1:
                    raise
    if title.strip():
        form = " ".join(form.lower().split())
        if form == "first":
            return Wish("first", catalogue.resolve(title))
        if numbered := re.fullmatch(r"(not )?(?:in |out of )?(?:the )?top ([0-9]{1,6})", form):
            return Wish("out" if numbered[1] or "out" in form else "in", catalogue.resolve(title), int(numbered[2]))
    raise FameError(f"the wish is {text[:80]!r}; expected {FORMS}")
