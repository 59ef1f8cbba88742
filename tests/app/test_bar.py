"""What the browser asks of the history is done where it fits and passed over where it does not."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from app.bar import definition, edited, holds
from app.carry import fitting, pack
from app.sources import Source, kind
from app.state import State, changed
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.trace import NOTHING, Intervention
from tests.app.conftest import OpenApp
from tests.app.small import make_bundle

BUNDLE = make_bundle()


@pytest.mark.parametrize(
    ("asked", "history"),
    [
        ({"do": "add", "row": 30}, [4, 5, 6, 30]),
        ({"do": "remove", "at": 1}, [4, 6]),
        ({"do": "move", "at": 0, "to": 2}, [5, 6, 4]),
        ({"do": "move", "at": 2, "to": 0}, [6, 4, 5]),
        ({"do": "example", "example": 0}, [1, 2, 3]),
        ({"do": "clear"}, []),
    ],
)
def test_edits(asked: dict[str, Any], history: list[int]) -> None:
    assert edited(asked, (4, 5, 6), BUNDLE) == history


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@given(
    st.sampled_from(["add", "remove", "move", "example", "random", "clear", "format", None, 3]) | anything,
    st.dictionaries(st.sampled_from(["row", "at", "to", "example", "text"]), anything | st.integers(-2, 32)),
    st.lists(st.integers(1, 30), max_size=5),
)
def test_whatever_is_asked_leaves_a_history(do: object, rest: dict[str, Any], history: list[int]) -> None:
    after = edited({**rest, "do": do}, history, BUNDLE)
    assert after is None or all(type(row) is int and 1 <= row <= 30 for row in after)


def test_another_model_takes_what_fits_it(
    open_app: OpenApp, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_bundle(heads=2).save(tmp_path / "other")
    app = open_app({"h": "f4-f5", "k": "7", "head": "3", "film": "f9", "off": "1-3.2", "merge_values": "lead"})
    monkeypatch.setenv("FAME_BUNDLE", os.pathsep.join([str(folder), str(other)]))
    app.run()
    app.selectbox(key="bar_choice").set_value("other").run()
    assert not app.exception
    assert app.query_params == {"m": "other", "h": "f4-f5", "k": "7", "film": "f9", "off": "1"}, "no third head"
    [left_out] = app.warning
    assert left_out.value == "This model cannot be changed as the last one was; left out: expert 2 of head 3 is off."
    assert any("2 heads × 2 experts" in x.proto.body for x in app.get("html"))


parts = st.builds(
    Intervention,
    gate=st.none() | st.lists(st.floats(0.1, 9), min_size=1, max_size=4).map(tuple),
    heads_off=st.sets(st.integers(0, 4), max_size=4),
    experts_off=st.sets(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=4),
    router=st.dictionaries(st.integers(0, 4), st.lists(st.floats(0.1, 9), min_size=1, max_size=3), max_size=3),
    hold_gate=st.booleans(),
)


@given(parts)
def test_what_fits_another_model_is_kept_and_nothing_is_lost(change: Intervention) -> None:
    kept, dropped = fitting(change, BUNDLE.config)
    kept.check(BUNDLE.config)
    assert {*kept.heads_off, *dropped.heads_off} == set(change.heads_off)
    assert {*kept.experts_off, *dropped.experts_off} == set(change.experts_off)
    assert {*kept.router, *dropped.router} == set(change.router)
    assert (kept.gate or dropped.gate) == change.gate
    assert fitting(kept, BUNDLE.config) == (kept, NOTHING), "what fits fits again"


def test_undo_goes_along_to_another_model() -> None:
    muted = Intervention(heads_off=(2,))
    here = State("tiny", (4, 5), muted, item=9, head=2, options={"merge_a": "f1"})
    carried = pack(here, [((4,), NOTHING, ())], [((4, 5, 30), muted, ())], BUNDLE, "other")
    smaller = make_bundle(heads=2)
    backwards = replace(smaller, catalogue=Catalogue.from_frame(smaller.catalogue.to_frame()[::-1]))
    row = backwards.catalogue.row
    there, past, future, left_behind = carried.unpack(backwards)
    assert there == State("other", (row("f4"), row("f5")), item=row("f9"))
    assert past == [((row("f4"),), NOTHING, ())]
    assert future == [((row("f4"), row("f5"), row("a-b,c")), NOTHING, ())]
    assert left_behind == ("This model cannot be changed as the last one was; left out: head 3 is off.",)


def test_an_example_keeps_its_line(open_app: OpenApp) -> None:
    def line(app: AppTest) -> tuple[str, str | None, list[bool]]:
        [bar] = [json.loads(x.proto.json) for x in app.get("bidi_component") if x.proto.component_name == "fame_bar"]
        return bar["line"], bar["lineOf"] and bar["lineOf"]["title"], [e["open"] for e in bar["examples"]]

    assert line(open_app()) == (definition(3, "item"), None, [True, *[False] * 4]), "a first visit"
    shown = line(open_app({"h": "f5"}))
    assert shown == ("What follows from one film?", "One film", [False, True, False, False, False])
    assert line(open_app({"h": "f5-f6"})) == (definition(3, "item"), None, [False] * 5)


def test_the_box_of_models_says_what_each_learned_from(folder: Path, small: Bundle, tmp_path: Path) -> None:
    def kind_of(at: Path) -> str:
        return kind(Source(at.name, str(at), at.stat().st_mtime_ns))

    assert kind_of(folder) == "real users"
    guided = replace(small, simulated=True, evidence_json={"guided": ["genres", "", "decade"]})
    assert kind_of(guided.save(tmp_path / "guided")) == "simulated users, guided by genres, decade"
    free = replace(small, evidence_json={"guided": []})
    assert kind_of(free.save(tmp_path / "free")) == "real users, no guidance"
    (tmp_path / "free" / "evidence.json").write_text("[" * 100_000)
    assert kind(Source("free", str(tmp_path / "free"), 1)) == ""
    (tmp_path / "free" / "manifest.json").write_text("[")
    assert kind(Source("free", str(tmp_path / "free"), 0)) == kind(Source("gone", str(tmp_path / "gone"), 0)) == ""


@pytest.mark.parametrize(
    ("typed", "there"),
    [
        ("amelie", True),
        ("lost ark", True),
        ("et the", True),
        ("amelie 1973", True),
        ("crocdile", False),
        ("matrxi", False),
    ],
)
def test_what_is_typed_stands_in_a_title_or_only_near_it(typed: str, there: bool) -> None:
    catalogue = BUNDLE.catalogue
    [row] = catalogue.search(typed, 1)
    assert holds(catalogue, row, typed) is there


def test_a_changed_model_is_said() -> None:
    change = Intervention(gate=(1, 2, 3), heads_off=(1,), experts_off=((0, 1),), hold_gate=True)
    assert changed(change) == "the gate is set by hand, head 2 is off, expert 2 of head 1 is off, with the gate held"
    many = Intervention(experts_off=[(h, 0) for h in range(8)])
    assert changed(many).endswith("expert 1 of head 3 is off, 5 more changes")


@pytest.mark.parametrize(
    ("heads", "line"),
    [
        (1, "One head scores every item; the best of them are the list."),
        (4, "Four heads each recommend by themselves; a gate weighs them; their weighted sum ranks the items."),
        (12, "12 heads each recommend by themselves; a gate weighs them; their weighted sum ranks the items."),
    ],
)
def test_one_line_says_what_the_model_does(heads: int, line: str) -> None:
    assert definition(heads, "item") == line
