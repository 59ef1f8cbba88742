"""Numbers and words as people read them."""

from __future__ import annotations

import numpy as np
import pytest

from fame.text import digits_for, listing, number, ordinal, percent, plural


@pytest.mark.parametrize(
    ("value", "shown"), [(1.234, "+1.23"), (-0.5, "−0.50"), (-0.001, "0.00"), (0, "0.00"), (12.0, "+12.00")]
)
def test_number(value: float, shown: str) -> None:
    assert number(value, plus=True) == shown


@pytest.mark.parametrize(
    ("n", "word"),
    [(1, "first"), (3, "third"), (10, "tenth"), (11, "11th"), (13, "13th"), (21, "21st"), (42, "42nd"), (112, "112th"),
     (1003, "1,003rd")],
)  # fmt: skip
def test_ordinals(n: int, word: str) -> None:
    assert ordinal(n) == word


def test_shares_counts_and_lists() -> None:
    assert [percent(x) for x in (0, 0.004, 0.006, 0.125, 1)] == ["0%", "<1%", "1%", "13%", "100%"]
    assert [plural(n, "head") for n in (0, 1, 1000)] == ["0 heads", "1 head", "1,000 heads"]
    assert [listing(["a", "b", "c"][:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert listing(["a", "b"], "or") == "a or b"


@pytest.mark.parametrize(("largest", "digits"), [(123.0, 0), (12.3, 1), (-1.23, 2), (0.0123, 4), (1e-9, 5), (0.0, 2)])
def test_as_many_digits_as_show_three_figures(largest: float, digits: int) -> None:
    assert digits_for(np.array([largest, 0.0])) == digits
