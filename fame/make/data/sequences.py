"""Every user's history as catalogue rows, and the split that training and evaluation share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.data.interactions import Interactions

__all__ = ["Sequences", "Split", "Task", "leave_one_out"]


@dataclass(frozen=True, eq=False)
class Sequences:
    """The histories of U users, one after the other (n items in all), oldest item first.

    users: str [U], user ids.
    items: int32 [n], catalogue rows, 1 to V-1.
    offsets: int64 [U+1]; user u's history is items[offsets[u]:offsets[u+1]].

    The arrays are read-only.

    Raises:
        FameError: the arrays do not fit together, or a row below 1.
    """

    users: np.ndarray
    items: np.ndarray
    offsets: np.ndarray

    def __post_init__(self) -> None:
        for name, dtype in (("users", object), ("items", np.int32), ("offsets", np.int64)):
            array = np.asarray(getattr(self, name), dtype).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if len(self.offsets) != len(self.users) + 1:
            raise FameError(
                f"sequences: {len(self.users)} users with {len(self.offsets)} offsets; expected one more than users"
            )
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.items) or np.any(np.diff(self.offsets) < 0):
            raise FameError(f"sequences: offsets do not rise from 0 to the number of items, {len(self.items)}")
        if len(self.items) and self.items.min() < 1:
            raise FameError(f"sequences: catalogue row {self.items.min()}; expected 1 or more (0 is padding)")

    def first(self, users: np.ndarray, lengths: np.ndarray) -> Sequences:
        """The first lengths[i] items of users[i], their places here, for each i."""
        offsets = _offsets(lengths)
        shift = np.repeat(self.offsets[users] - offsets[:-1], lengths)
        return Sequences(self.users[users], self.items[np.arange(offsets[-1]) + shift], offsets)

    @classmethod
    def from_interactions(cls, interactions: Interactions, catalogue: Catalogue) -> Self:
        """Each user's items in order. Items that the catalogue lacks are dropped, and users with none left.

        Raises:
            FameError: no item of the log is in the catalogue.
        """
        row_of = {item: row for row, item in enumerate(catalogue.item_id.tolist()) if row}
        rows = np.array([row_of.get(item, 0) for item in interactions.items], np.int32)
        items, user = rows[interactions.item_codes], interactions.user_codes
        if not rows.all():
            user, items = user[items > 0], items[items > 0]
        if not len(items):
            raise FameError(
                f"no item of the log is in the catalogue: the log has ids like {interactions.items[0]!r}, "
                f"the catalogue ids like {catalogue.item_id[-1]!r}"
            )
        lengths = np.bincount(user, minlength=len(interactions.users))
        users = interactions.users.to_numpy(dtype=object)[lengths > 0]
        return cls(users, items, _offsets(lengths[lengths > 0]))

    def __len__(self) -> int:
        """U, the number of users."""
        return len(self.users)

    def history(self, u: int) -> np.ndarray:
        """int32 view: the items of the u-th user, oldest first."""
        if not 0 <= u < len(self):
            raise IndexError(f"user {u} of {len(self)}")
        return self.items[self.offsets[u] : self.offsets[u + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """int64 [U]: how many items each user has."""
        return np.diff(self.offsets)


@dataclass(frozen=True, eq=False)
class Task:
    """Histories and, for each, the next item to be found: targets int32 [len(histories)], read-only."""

    histories: Sequences
    targets: np.ndarray

    def __post_init__(self) -> None:
        targets = np.asarray(self.targets, np.int32).view()
        targets.flags.writeable = False
        object.__setattr__(self, "targets", targets)
        if len(targets) != len(self.histories):
            raise FameError(f"task: {len(targets)} targets for {len(self.histories)} histories")

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def repeated(self) -> np.ndarray:
        """bool [len(self)]: whether the history already holds the target."""
        again = np.zeros(len(self), bool)
        of = np.repeat(np.arange(len(self)), self.histories.lengths)
        again[of[self.histories.items == self.targets[of]]] = True
        return again


@dataclass(frozen=True, eq=False)
class Split:
    """What is learnt from, what settings are chosen on, and what is reported."""

    train: Sequences
    valid: Task
    test: Task


def leave_one_out(sequences: Sequences) -> Split:
    """Last item for the test, the one before for validation, the rest for training.

    A test history includes the validation item. Users with fewer than 3 items are only in `train`, whole.
    """
    lengths = sequences.lengths
    enough = np.flatnonzero(lengths >= 3)
    last = sequences.offsets[enough + 1] - 1
    train = sequences.first(np.arange(len(sequences)), np.where(lengths >= 3, lengths - 2, lengths))
    valid = Task(sequences.first(enough, lengths[enough] - 2), sequences.items[last - 1])
    test = Task(sequences.first(enough, lengths[enough] - 1), sequences.items[last])
    return Split(train, valid, test)


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
