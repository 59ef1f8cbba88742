"""Merge, and why one item beats another: every number is the trace's, and sentence, table and bars agree."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fame import explain, plots
from fame.errors import FameError
from fame.plots import Picture
from fame.text import percent
from fame.trace import NOTHING, Intervention, Trace
from tests.plots.made import HOSTILE, make

weights = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=4, max_size=4).filter(any)
changes = st.one_of(
    st.builds(lambda off: Intervention(heads_off=tuple(off)), st.sets(st.integers(0, 3), max_size=3)),
    st.builds(lambda gate: Intervention(gate=tuple(gate)), weights),
)
natural = make()


def changed(change: Intervention) -> Trace:
    return explain.regate(natural, change.gate, change.heads_off)


@settings(max_examples=40, deadline=None)
@given(changes, st.integers(1, 80), st.integers(1, 80))
def test_sentence_table_and_bars_have_one_sign(change: Intervention, a: int, b: int) -> None:
    """Above 0 speaks for the item that stands higher, in the sentence, in the table and in the picture."""
    trace = changed(change)
    told, picture = explain.beats(trace, a, b), plots.beats(trace, rows=(a, b))
    one, other = trace.scores[told.winner].astype(np.float64), trace.scores[told.loser].astype(np.float64)
    assert {told.winner, told.loser} == {a, b} and told.margin >= 0 and one >= other - 1e-5
    shares = trace.shares(np.array([told.winner, told.loser]))
    np.testing.assert_allclose(told.table["share"], shares[:, 0] - shares[:, 1], atol=1e-5)
    drawn = [*picture.data["heads"], picture.data["sum"]]
    np.testing.assert_allclose([bar["share"] for bar in drawn], [*told.table["share"], told.margin], atol=1e-5)
    for bar in drawn:
        assert float(bar["said"].replace("−", "-")) == pytest.approx(bar["share"], rel=0.11, abs=6e-3)
    assert picture.table.equals(told.table) and picture.alt == told.sentence
    for head, sign in re.findall(r"head (\d) \(([+−])", told.sentence):
        assert bool(told.table["share"][int(head) - 1] > 0) is (sign == "+")
    for head, line in told.table.iterrows():
        if line["without"] == "loses":
            assert re.search(rf"Without .*head {int(head) + 1}\b", told.sentence)  # type: ignore[call-overload]


@settings(max_examples=40, deadline=None)
@given(changes, st.booleans(), st.booleans(), st.integers(1, 80))
def test_the_picture_is_the_table(change: Intervention, relative: bool, exclude: bool, row: int) -> None:
    trace = changed(change)
    picture = plots.merge(None, trace, 6, exclude, relative, row, untouched=(natural, natural))
    table = explain.merge_table(natural, trace, 6, row, exclude, relative)
    assert picture.table.equals(table.drop(columns="part"))
    drawn = picture.data["rows"]
    assert [line["row"] for line in drawn] == table["row"].tolist()
    for line, (_, wanted) in zip(drawn, table.iterrows(), strict=True):
        assert sum(line["shares"]) == pytest.approx(line["sum"], abs=1e-5) == pytest.approx(wanted["sum"])
    assert [head["share"] for head in picture.data["heads"]] == pytest.approx(trace.gate[-1].tolist())
    assert picture.note == explain.say_rank(trace, row, exclude, [""] * 4)
    assert picture.data["proof"]["ok"]


def test_arrows_are_places_against_the_models_own_list() -> None:
    change = Intervention(gate=(0, 0, 0, 1))
    trace = make(intervention=change)
    runs = {NOTHING: natural, change: trace}
    bundle = SimpleNamespace(
        name="tiny", evidence=SimpleNamespace(verdicts=[SimpleNamespace(attribute=None)] * 4),
        trace=lambda rows, intervention=NOTHING: runs[intervention],
    )  # fmt: skip
    data = plots.merge(cast(Any, bundle), trace, 5).data
    before = {row: i for i, row in enumerate(natural.ranking())}
    expected = [before[row] - i for i, row in enumerate(trace.ranking()[:5])]
    assert [line["move"] for line in data["rows"] if line["part"] == "list"] == expected and any(expected)
    assert data["proof"]["text"].startswith("merged = run again")
    assert data["note"].startswith("Sliders set raw weights; percentages are the resulting shares.")


def test_bars_say_what_becomes_of_the_winner_without_a_head() -> None:
    told, picture = explain.beats(natural, 10, 20), plots.beats(natural, rows=(10, 20))
    said = [head["verdict"] for head in picture.data["heads"]]
    verbs = {"wins": "still wins", "loses": "loses", "level": "level"}
    assert [verbs[word] in text for word, text in zip(told.table["without"], said, strict=True)] == [True] * 4
    assert picture.title.startswith(f"Film {told.winner} ") and " beats " in picture.title
    assert f"+ speaks for Film {told.winner}" in picture.note


def test_titles_are_text_in_what_is_spoken() -> None:
    picture = plots.merge(None, natural, 3, highlight=1, exclude_history=False)
    assert HOSTILE in picture.alt and HOSTILE in [line["title"] for line in picture.data["rows"]]
    assert picture.data["heads"][0]["share"] == pytest.approx(float(natural.gate[-1, 0])) and percent(0.5) == "50%"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda t: plots.merge(None, t, 0), r"k is 0; expected at least 1"),
        (lambda t: plots.merge(None, t, highlight=81), r"row 81 is not in the catalogue; rows are 1 to 80"),
        (lambda t: plots.merge(None, changed(Intervention(heads_off=(1,)))), r"of a changed model; give its bundle"),
        (lambda t: plots.beats(t, rows=(1, 99)), r"row 99 is not in the catalogue"),
        (lambda t: plots.beats(t, "Twin", "Film 9"), r"'Twin' names 2 items"),
    ],
)
def test_what_does_not_fit_is_refused(draw: Callable[[Trace], Picture], message: str) -> None:
    with pytest.raises(FameError, match=message):
        draw(natural)
