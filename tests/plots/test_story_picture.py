"""Story: lists, shares and ranks are the trace's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fame import explain, plots
from fame.errors import FameError
from fame.plots import Picture
from fame.trace import Trace
from tests.plots.made import HOSTILE, make


@pytest.mark.parametrize(("H", "N", "T"), [(1, 1, 1), (1, 4, 3), (3, 1, 2), (4, 4, 6), (8, 8, 50)])
@pytest.mark.parametrize("exclude", [True, False])
def test_lists_shares_and_ranks_are_the_traces(H: int, N: int, T: int, exclude: bool) -> None:
    trace = make(H, N, T)
    picture = plots.story(None, trace, 7, exclude)
    data = picture.data
    wanted = [trace.ranking(head=h, exclude_history=exclude)[:7].tolist() for h in (*range(H), None)]
    assert data["lists"] == wanted
    for row, item in data["items"].items():
        np.testing.assert_allclose(sum(item["shares"]), item["score"], atol=1e-4)
        np.testing.assert_allclose(item["scores"], trace.head_scores[:, int(row)])
        if not (exclude and int(row) in trace.seen):
            assert item["ranks"][:H] == explain.head_ranks(trace, [int(row)], exclude)[:, 0].tolist()
    np.testing.assert_allclose(np.sum([item["attention"] for item in data["history"]], axis=0), 1, atol=1e-5)
    table = picture.table
    assert [group["row"].tolist() for _, group in table.groupby("list", sort=False)] == wanted
    final = table[table["list"] == "final"]
    np.testing.assert_allclose(final[[f"share_{h + 1}" for h in range(H)]].sum(axis=1), final["score"], atol=1e-4)


def test_what_is_spoken_says_it_all() -> None:
    trace = make(3, 1, 2)
    picture = plots.story(None, trace, 4, exclude_history=False, highlight=1, names=["genres", "", HOSTILE])
    assert picture.note == explain.say_rank(trace, 1, False, ["genres", "", HOSTILE])
    assert f"Heads are about: head 1 genres and head 3 {HOSTILE}" in picture.alt and picture.note in picture.alt
    assert picture.data["called"] == ["Head 1 · genres", "Head 2", f"Head 3 · {HOSTILE}"]
    assert picture.origin.history == ", ".join(map(trace.catalogue.label, trace.seen))


def test_a_usual_gate_of_one_head_says_nothing() -> None:
    assert plots.story(None, make(1, 1, 2), usual=[1.0]).data["usual"] is None
    assert plots.story(None, make(3, 1, 2), usual=[0.5, 0.25, 0.25]).data["usual"] == [0.5, 0.25, 0.25]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda t: plots.story(None, t, 0), r"k is 0; expected at least 1"),
        (lambda t: plots.story(None, t, highlight=81), r"row 81 is not in the catalogue; rows are 1 to 80"),
        (lambda t: plots.story(None, t, names=["genres"]), r"1 name for 4 heads; expected one per head, or none"),
        (lambda t: plots.story(None, t, usual=[1, 0]), r"usual has the shape \(2,\); expected 4 weights"),
        (lambda t: plots.story(None, make(T=80)), r"nothing is left to rank: the history holds every item"),
    ],
)
def test_what_does_not_fit_is_refused(draw: Callable[[Trace], Picture], message: str) -> None:
    with pytest.raises(FameError, match=message):
        draw(make())
