"""Sorting, the k-core and limiting a log to some items."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.errors import FameError
from fame.make.data import Columns, Interactions, k_core, keep_items

Row = tuple[str, str, int]


def log(rows: list[Row]) -> Interactions:
    return Interactions.from_frame(pd.DataFrame(rows, columns=list(Columns.ALL)))


def rows_of(interactions: Interactions) -> list[Row]:
    return list(interactions.frame.itertuples(index=False, name=None))


logs = st.lists(
    st.tuples(st.sampled_from("zyxwv"), st.sampled_from("abcdef"), st.integers(-3, 3)), min_size=1, max_size=60
)


def test_rows_are_sorted_by_first_appearance_then_order_and_ties_keep_the_order_of_the_file() -> None:
    rows = [("z", "late", 9), ("a", "x", 5), ("z", "tie2", 1), ("z", "tie1", 1), ("a", "w", 5), ("z", "tie3", 1)]
    assert rows_of(log(rows)) == [
        ("z", "tie2", 1),
        ("z", "tie1", 1),
        ("z", "tie3", 1),
        ("z", "late", 9),
        ("a", "x", 5),
        ("a", "w", 5),
    ]


@given(logs)
def test_sorting_is_pythons_stable_sort(rows: list[Row]) -> None:
    seen = list(dict.fromkeys(user for user, _, _ in rows))
    assert rows_of(log(rows)) == sorted(rows, key=lambda row: (seen.index(row[0]), row[2]))


def test_columns_are_categories_of_text_with_numbers_for_order() -> None:
    frame = pd.DataFrame({"order": [2.5, 1.0], "item": [7, 8], "user": [3, 3]})
    found = Interactions.from_frame(frame).frame
    assert list(found.columns) == ["user", "item", "order"]
    assert found["item"].tolist() == ["8", "7"]
    assert isinstance(found["user"].dtype, pd.CategoricalDtype)
    assert found["user"].cat.categories.tolist() == ["3"]
    assert found["order"].dtype == np.float64


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"user": ["u"], "item": ["i"]}, "order missing"),
        ({"user": ["u"], "item": [None], "order": [1]}, "empty cells"),
        ({"user": ["u"], "item": ["i"], "order": ["now"]}, "expected numbers"),
        ({"user": ["u"], "item": ["i"], "order": [np.inf]}, "not finite or has no room in 64 bits"),
        ({"user": ["u"], "item": ["i"], "order": np.array([2**63 + 5], np.uint64)}, "has no room in 64 bits"),
        ({"user": [], "item": [], "order": np.array([], int)}, "log is empty"),
    ],
)
def test_a_table_that_is_no_log_is_refused(frame: dict[str, list[object]], message: str) -> None:
    with pytest.raises(FameError, match=message):
        Interactions.from_frame(pd.DataFrame(frame))


def test_rows_out_of_order_are_refused() -> None:
    frame = log([("u", "a", 1), ("u", "b", 2)]).frame
    with pytest.raises(FameError, match="out of order"):
        Interactions(frame.iloc[::-1])


def test_k_core_by_hand() -> None:
    """Item d is rare; without it user w is rare; without w item c is rare. The 2-core is u, v on a, b."""
    rows = [(u, i, t) for u in "uv" for t, i in enumerate("ab")] + [("w", "c", 0), ("w", "d", 1), ("v", "c", 5)]
    core = k_core(log(rows), 2)
    assert rows_of(core) == [("u", "a", 0), ("u", "b", 1), ("v", "a", 0), ("v", "b", 1)]
    assert core.items.tolist() == ["a", "b"], "items that are gone leave the categories too"


def test_k_core_counts_repeats_and_may_leave_nothing() -> None:
    rows = [("u", "a", t) for t in range(3)]
    assert rows_of(k_core(log(rows), 3)) == rows
    with pytest.raises(FameError, match="no users and items with 4 interactions"):
        k_core(log(rows), 4)
    with pytest.raises(FameError, match="k = 0"):
        k_core(log(rows), 0)


@given(logs, st.integers(1, 4))
def test_k_core_is_what_peeling_one_user_or_item_at_a_time_leaves(rows: list[Row], k: int) -> None:
    left = rows_of(log(rows))
    while True:
        counts = [Counter(row[side] for row in left) for side in (0, 1)]
        rare = next(((s, name) for s in (0, 1) for name, n in counts[s].items() if n < k), None)
        if rare is None:
            break
        left = [row for row in left if row[rare[0]] != rare[1]]
    if left:
        assert rows_of(k_core(log(rows), k)) == left
    else:
        with pytest.raises(FameError, match="smaller k"):
            k_core(log(rows), k)


def test_keep_items_drops_users_without_any() -> None:
    kept = keep_items(log([("u", "a", 1), ("v", "b", 1), ("w", "a", 2), ("w", "b", 1)]), ["a", "unknown"])
    assert rows_of(kept) == [("u", "a", 1), ("w", "a", 2)]
    assert kept.users.tolist() == ["u", "w"]
    with pytest.raises(FameError, match="ids like 'a', the catalogue ids like 'tt01'"):
        keep_items(log([("u", "a", 1)]), ["tt01"])
