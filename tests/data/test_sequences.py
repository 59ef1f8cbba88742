"""Histories as catalogue rows, and leave-one-out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.data import Interactions, Sequences, Task, leave_one_out


def sequences(histories: list[list[int]]) -> Sequences:
    offsets = np.cumsum([0, *map(len, histories)])
    return Sequences([f"u{k}" for k in range(len(histories))], [v for h in histories for v in h], offsets)


def histories(found: Sequences) -> dict[str, list[int]]:
    return {found.users[u]: found.history(u).tolist() for u in range(len(found))}


def test_items_become_catalogue_rows_and_unknown_ones_go() -> None:
    frame = pd.DataFrame(
        [("z", "c", 3), ("y", "gone", 1), ("z", "a", 1), ("x", "b", 1), ("z", "gone", 2), ("x", "b", 2)],
        columns=["user", "item", "order"],
    )
    catalogue = Catalogue.from_frame(pd.DataFrame({"item_id": ["a", "b", "never", "c"]}))
    found = Sequences.from_interactions(Interactions.from_frame(frame), catalogue)
    assert histories(found) == {"z": [1, 4], "x": [2, 2]}, "user y had nothing else"
    assert found.lengths.tolist() == [2, 2]
    assert (found.items.dtype, found.offsets.dtype) == (np.int32, np.int64)
    other = Catalogue.from_frame(pd.DataFrame({"item_id": ["tt01"]}))
    with pytest.raises(FameError, match="no item of the log is in the catalogue"):
        Sequences.from_interactions(Interactions.from_frame(frame), other)


def test_arrays_are_read_only_and_histories_are_views() -> None:
    found = sequences([[1, 2], [3]])
    for array in (found.users, found.items, found.offsets, found.history(1)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[0]
    assert np.shares_memory(found.history(0), found.items)
    with pytest.raises(IndexError, match="user 2 of 2"):
        found.history(2)


@pytest.mark.parametrize(
    ("users", "items", "offsets", "message"),
    [
        (["u"], [1], [0, 1, 1], "one more than users"),
        (["u"], [1, 2], [0, 1], "do not rise"),
        (["u", "v"], [1, 2], [0, 3, 2], "do not rise"),
        (["u"], [1, 0], [0, 2], "0 is padding"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(users, items, offsets, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(FameError, match=message):
        Sequences(users, items, offsets)
    with pytest.raises(FameError, match="2 targets for 1 histories"):
        Task(sequences([[1]]), np.array([1, 2]))


def test_leave_one_out_by_hand() -> None:
    split = leave_one_out(sequences([[1, 2, 3, 4], [5, 6], [7, 8, 9], [4]]))
    assert histories(split.train) == {"u0": [1, 2], "u1": [5, 6], "u2": [7], "u3": [4]}
    assert histories(split.valid.histories) == {"u0": [1, 2], "u2": [7]}
    assert split.valid.targets.tolist() == [3, 8]
    assert histories(split.test.histories) == {"u0": [1, 2, 3], "u2": [7, 8]}
    assert split.test.targets.tolist() == [4, 9]


def test_nobody_may_be_left_to_test() -> None:
    split = leave_one_out(sequences([[1, 2], [3]]))
    assert len(split.train) == 2
    assert len(split.valid) == len(split.test) == len(split.test.histories) == 0


@given(st.lists(st.lists(st.integers(1, 9), max_size=6), max_size=8))
def test_history_and_target_together_are_the_sequence(given_histories: list[list[int]]) -> None:
    whole = sequences(given_histories)
    split = leave_one_out(whole)
    long = {user: history for user, history in histories(whole).items() if len(history) >= 3}
    assert list(split.train.users) == list(whole.users)
    for task, held_out in ((split.test, 1), (split.valid, 2)):
        found = histories(task.histories)
        assert list(found) == list(long)
        for (user, history), target in zip(found.items(), task.targets.tolist(), strict=True):
            cut = len(long[user]) - held_out
            assert (history, target) == (long[user][:cut], long[user][cut])
    for user, history in histories(split.train).items():
        assert history == (long[user][:-2] if user in long else histories(whole)[user])
