"""What a card is about: a model, a history, an item and a head; and which history shows the most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from fame import explain
from fame.bundle import Bundle
from fame.errors import FameError
from fame.trace import Trace

__all__ = ["Scene", "history_of", "most_movement", "turn_of"]

LEGIBLE = (6, 24)  # items of a history that a lesson can show
FIRST = 3  # a turn before the third item is a beginning, no turn

Run = Callable[[tuple[int, ...]], Trace]


@dataclass(frozen=True, eq=False)
class Scene:
    """What facts, answers and formulas are computed from. `history` may be changed by the learner.

    history: rows that are shown.   whole: the rows of the lesson's own history.   item, head: those looked at; an
    item of 0 is the first of the final list.   run: the trace of a history, kept where it can be.
    k: items of a list.   epoch: a place in the course.
    """

    bundle: Bundle
    history: tuple[int, ...]
    whole: tuple[int, ...]
    run: Run = field(repr=False)
    item: int = 0
    head: int | None = None
    k: int = 10
    epoch: int = -1

    @cached_property
    def trace(self) -> Trace:
        """The trace of the history.

        Raises:
            FameError: it is empty.
        """
        return self.run(self.history)

    @cached_property
    def row(self) -> int:
        """The item looked at."""
        return self.item or int(self.trace.ranking()[0])

    @cached_property
    def at_head(self) -> int:
        """The head looked at: the chosen one, or the one with most say."""
        return int(self.trace.gate[-1].argmax()) if self.head is None else self.head

    @cached_property
    def title(self) -> str:
        return str(self.bundle.catalogue.title[self.row])

    @cached_property
    def next(self) -> int:
        """The row that follows this history in the lesson's own.

        Raises:
            FameError: nothing does.
        """
        follow = [row for row in self.whole[min(len(self.history), len(self.whole)) :] if row not in self.history]
        if not follow:
            turn = turn_of(self.run(self.whole))
            follow = [row for row in self.whole[turn:] if row not in self.history]
        if not follow:
            raise FameError("nothing follows this history in the lesson's own; go back to the card's beginning")
        return follow[0]

    @cached_property
    def after(self) -> Trace:
        """The trace with what follows added."""
        return self.run((*self.history, self.next))

    @cached_property
    def left_out(self) -> pd.DataFrame:
        """`explain.leave_one_out` of the item looked at."""
        return explain.leave_one_out(self.bundle.model, self.bundle.catalogue, self.history, self.row)

    @cached_property
    def effects(self) -> np.ndarray:
        """[T], what each item adds to the score of the item looked at.

        Raises:
            FameError: the history's only item cannot be left out.
        """
        effects = self.left_out["effect"].to_numpy(float)
        if not np.isfinite(effects).all():
            raise FameError(f"the only {self.bundle.catalogue.noun} of a history cannot be left out; add another one")
        return effects

    @cached_property
    def missed(self) -> int:
        """The place in the history, from 0, of the item without which the item looked at loses most places.

        Raises:
            FameError: as `effects`.
        """
        ranks = np.where(np.isfinite(self.effects), self.left_out["rank_without"].to_numpy(float), 0)
        return int(np.lexsort((self.effects, ranks))[-1])

    @cached_property
    def looked(self) -> np.ndarray:
        """[T], the attention of the head looked at, at the last step."""
        return self.trace.mixed_attention[self.at_head, -1]

    def label(self, row: int) -> str:
        return self.bundle.catalogue.label(row)


def turn_of(trace: Trace) -> int:
    """The place, from 0, of the item from the third on that moves the gate most."""
    moves = np.abs(np.diff(trace.gate, axis=0)).sum(axis=1)
    start = min(FIRST - 2, max(0, len(moves) - 1))
    return start + 1 + int(moves[start:].argmax()) if len(moves) else 0


def most_movement(bundle: Bundle, run: Run) -> tuple[int, ...]:
    """The rows of that example along which the gate moves most at one step, by total variation.

    Of legible length, where there is one; with no example the first items of the catalogue.
    """
    found = [tuple(bundle.rows(example.items)) for example in bundle.examples]
    legible = [rows for rows in found if LEGIBLE[0] <= len(rows) <= LEGIBLE[1]] or found
    if not legible:
        return tuple(range(1, min(LEGIBLE[0], bundle.catalogue.n_items) + 1))
    return max(legible, key=lambda rows: _movement(run(rows)))


def _movement(trace: Trace) -> float:
    turn = turn_of(trace)
    return float(np.abs(trace.gate[turn] - trace.gate[turn - 1]).sum()) if turn else 0.0


def history_of(bundle: Bundle, run: Run, lesson: str, card: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The rows that a card begins with, and those of the lesson's own history, of their words in the file.

    Raises:
        FameError: an item or example is not in this model's bundle.
    """
    whole = _rows(bundle, run, lesson)
    if card == "whole":
        return whole, whole
    if card == "before the turn":
        return whole[: max(1, turn_of(run(whole)))], whole
    return (_rows(bundle, run, card),) * 2


def _rows(bundle: Bundle, run: Run, words: str) -> tuple[int, ...]:
    kind, _, rest = words.partition(" ")
    if kind == "ids":
        return tuple(bundle.rows(part for part in rest.strip().split("-")))
    if kind == "example":
        by_title: dict[str, Sequence[str]] = {example.title: example.items for example in bundle.examples}
        if rest.strip() not in by_title:
            raise FameError(f"the model {bundle.name} has no example {rest.strip()[:60]!r}")
        return tuple(bundle.rows(by_title[rest.strip()]))
    return most_movement(bundle, run)
