"""What if: A beside B is what running both says, every change can be undone, and a found change does it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from fame import explain
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.explain import Wish
from fame.model import FAME
from fame.trace import NOTHING, Intervention
from tests.app import browser as real
from tests.app.conftest import Open, OpenApp
from tests.app.small import NASTY, make_bundle
from tests.app.test_story import page_text

SECONDS = 60  # that a search of the small bundle may take on a busy machine


@pytest.fixture(scope="session")
def beside(tmp_path_factory: pytest.TempPathFactory, folder: Path, small: Bundle) -> str:
    """Three bundles: the small one, a SASRec that lacks its second item, and a model of other items."""
    place = tmp_path_factory.mktemp("others")
    known = small.catalogue.to_frame().drop(index=1)
    torch.manual_seed(1)
    plain = FAME(replace(small.config, n_items=len(known), variant="sasrec")).eval()
    Bundle("plain", plain, Catalogue.from_frame(known)).save(place / "plain")
    other = make_bundle(heads=2)
    foreign = other.catalogue.to_frame().assign(item_id=[f"x{n}" for n in range(other.catalogue.n_items)])
    Bundle("foreign", other.model, Catalogue.from_frame(foreign)).save(place / "foreign")
    return os.pathsep.join([str(folder), str(place / "plain"), str(place / "foreign")])


def given(app: AppTest, name: str) -> dict[str, Any]:
    [found] = [x.proto for x in app.get("bidi_component") if x.proto.component_name == f"fame_{name}"]
    return json.loads(found.json)


def check(app: AppTest, a: Any, b: Any, k: int = 10) -> dict[str, Any]:
    """The lists are those of the two runs, the places too."""
    assert not app.exception
    data = given(app, "what_if")
    ids = [x.catalogue.item_id[x.ranking()].tolist() for x in (a, b)]
    assert data["lists"] == [side[:k] for side in ids]
    for item, line in data["items"].items():
        for side, name in zip(ids, ("a", "b"), strict=True):
            assert line[name] == (side.index(item) + 1 if item in side else None)
    return data


def undo_chips(app: AppTest) -> list[str]:
    return [button.label for button in app.button if re.fullmatch(r"what_if_undo_\d+", button.key or "")]


@pytest.mark.parametrize("example", range(4))
def test_every_example_opens_with_b_like_a(example: int, open_app: OpenApp, small: Bundle) -> None:
    ids = small.examples[example].items
    app = open_app({"h": "-".join(i.replace("-", "%2D") for i in ids)}, screen="what_if")
    a = small.trace(rows=small.rows(ids))
    data = check(app, a, a)
    assert all(line["a"] == line["b"] for line in data["items"].values())
    assert "B is A so far" in page_text(app) and "the list is the same" in page_text(app)
    assert undo_chips(app) == [] and given(app, "what_if_inside")["change"] is None


def test_b_in_a_link_is_what_running_it_says(open_app: OpenApp, small: Bundle) -> None:
    link = {"h": "f1-f2-f3-f4", "b": "drop-2-f2~swap-1-f1-f9~headoff-2~router-1-0.2_0.8"}
    link |= {"k": "5", "film": "f20", "head": "1"}
    app = open_app(link, screen="what_if")
    change = Intervention(heads_off=(1,), router=((0, (0.2, 0.8)),))
    a, b = small.trace(rows=[1, 2, 3, 4]), small.trace(rows=[9, 3, 4], intervention=change)
    check(app, a, b, 5)
    assert len(undo_chips(app)) == 4 and app.query_params["b"] == link["b"]
    inside = given(app, "what_if_inside")
    np.testing.assert_allclose(inside["gates"], [a.gate[-1], b.gate[-1]], atol=1e-6)
    np.testing.assert_allclose(inside["routers"], [a.router[-1, 0], b.router[-1, 0]], atol=1e-6)
    parts = np.array(inside["change"]["heads"])
    np.testing.assert_allclose(parts[:, 0] + parts[:, 1], parts[:, 2], atol=1e-6)
    assert inside["change"]["sum"][2] == pytest.approx(b.scores[20] - a.scores[20], abs=1e-4)
    app.button(key="what_if_undo_1").click().run()
    check(app, a, small.trace(rows=[1, 3, 4], intervention=change), 5)
    assert app.query_params["b"] == "drop-2-f2~headoff-2~router-1-0.2_0.8"
    app.button(key="what_if_clear").click().run()
    check(app, a, a, 5)
    assert "b" not in app.query_params


def test_changes_by_the_screens_own_ways(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f1-f2-f3"}, screen="what_if")
    a = small.trace(rows=[1, 2, 3])
    app.selectbox(key="what_if_put").set_value(9).run()
    check(app, a, small.trace(rows=[1, 2, 3, 9]))
    app = open_app({"h": "f1-f2-f3", "what_if_at": "1"}, screen="what_if")
    app.button(key="what_if_earlier").click().run()
    check(app, a, small.trace(rows=[2, 1, 3]))
    app = open_app({"h": "f1-f2-f3", "what_if_at": "1"}, screen="what_if")
    app.selectbox(key="what_if_put").set_value(9).run()
    check(app, a, small.trace(rows=[1, 9, 3]))
    app = open_app({"h": "f1-f2-f3"}, screen="what_if")
    assert not app.slider, "they are built when their menu is opened"
    app.session_state["what_if_sliders"] = True
    app.run()
    app.slider(key="what_if_gate_0").set_value(0).run()
    weights = app.query_params["b"].removeprefix("gate-").split("_")
    gate = tuple(map(float, weights))
    assert gate[0] == 0
    check(app, a, small.trace(rows=[1, 2, 3], intervention=Intervention(gate=gate)))


def test_a_model_without_heads_stands_beside(open_app: OpenApp, small: Bundle, beside: str, monkeypatch: Any) -> None:
    app = open_app({"h": "f1-f2-f3", "b": "model-plain~headoff-1"}, at=beside, screen="what_if")  # type: ignore[arg-type]
    plain = Bundle.load(beside.split(os.pathsep)[1])
    rows = plain.rows(["f1", "f3"])
    check(app, small.trace(rows=[1, 2, 3]), explain.final_list(plain.model, plain.catalogue, rows))
    text = page_text(app)
    assert "plain does not know Aladdin (1971); B goes on without it." in text
    assert "“head 1 off” changes nothing: plain has no heads." in text
    assert "plain is a SASRec" in text
    assert sorted(app.selectbox(key="bar_choice").options) == sorted(
        option for option in app.selectbox(key="bar_choice").options if not option.startswith("plain")
    ), "other screens need heads"


@pytest.mark.parametrize(
    "b, said",
    [
        ("model-foreign", "foreign knows no item of this history; choose another model, or undo that change."),
        ("model-nothing", "there is no model 'nothing' here."),
        ("drop-1-f1~drop-1-f2~drop-1-f3", "Nothing is left of B's history."),
    ],
)
def test_what_cannot_be_shown_says_so_and_the_way_on(b: str, said: str, open_app: OpenApp, beside: str) -> None:
    app = open_app({"h": "f1-f2-f3", "b": b}, at=beside, screen="what_if")  # type: ignore[arg-type]
    assert not app.exception and undo_chips(app)
    warned = " ".join(re.sub(r"\\(.)", r"\1", warning.value) for warning in app.warning)
    assert said in warned
    app.button(key="what_if_undo_0").click().run()
    assert not app.exception


@pytest.mark.parametrize("b", ["%%%", "drop", "~~~", "gate-nan_1_1~x", "drop-1-" + "y" * 500, "headoff-9"])
def test_a_broken_b_is_said_and_left_out(b: str, open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f1-f2-f3", "b": b}, screen="what_if")
    a = small.trace(rows=[1, 2, 3])
    check(app, a, a)
    told = " ".join(warning.value for warning in app.warning) + page_text(app)
    assert b == "~~~" or "not understood" in told or "changes nothing" in told


def test_a_hostile_title_is_text(open_app: OpenApp) -> None:
    app = open_app({"h": "f7-a%2Db%2Cc", "b": "drop-2-a%2Db%2Cc", "film": "f1"}, screen="what_if")
    assert not app.exception and "<img" not in page_text(app)
    [chip] = undo_chips(app)
    assert re.sub(r"\\(.)", r"\1", chip) == f"without {NASTY} (1999)" and "**" not in chip.replace(r"\*", "")


def answered(app: AppTest) -> AppTest:
    """The app once its search has ended."""
    ends = time.monotonic() + SECONDS
    while not app.session_state["fame_search"].done:
        assert time.monotonic() < ends, "the search does not end"
        time.sleep(0.05)
    return app.run()


def test_a_found_change_does_it_when_applied(open_app: OpenApp, small: Bundle) -> None:
    a = small.trace(rows=[1, 2, 3])
    wished = int(a.ranking()[3])
    item = str(small.catalogue.item_id[wished])
    app = answered(open_app({"h": "f1-f2-f3", "film": item}, screen="what_if").button(key="what_if_find").click().run())
    expected = explain.smallest_change(small.model, small.catalogue, [1, 2, 3], Wish("first", wished))
    assert explain.say_search(expected, small.catalogue) in page_text(app)
    assert [b for b in app.button if b.key == "what_if_apply_0"], "something does it here"
    app.button(key="what_if_apply_0").click().run()
    data = check(app, a, small.trace(rows=expected.found[0].history))
    assert data["lists"][1][0] == item
    assert [b for b in app.button if b.key == "what_if_apply_0"], "what was found stays"


def test_a_wish_about_the_history_or_true_already(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f1-f2-f3", "film": "f2"}, screen="what_if")
    assert "what is there is not recommended" in " ".join(info.value for info in app.info)
    assert not [b for b in app.button if b.key == "what_if_find"]
    app = open_app({"h": "f1-f2-f3", "what_if_wish": "first"}, screen="what_if")
    app = answered(app.button(key="what_if_find").click().run())
    assert "it is so already" in page_text(app)


def test_two_undone_steps_come_back(open_app: OpenApp, small: Bundle) -> None:
    from app import session

    app = open_app({"h": "f1-f2-f3", "what_if_at": "0"}, screen="what_if")
    app.button(key="what_if_remove").click().run()
    assert app.query_params["b"] == "drop-1-f1"
    here = app.session_state["fame"]
    assert here.past[-1] == ((1, 2, 3), NOTHING, ()) and session.MAX_UNDO


# --- in Chromium


@pytest.fixture(scope="module")
def pair(beside: str) -> Iterator[str]:
    with real.served(beside) as url:  # type: ignore[arg-type]
        yield url


def rows(page: Page, side: str) -> list[str]:
    return page.locator(f".side.{side} > .item .title").all_inner_texts()


@pytest.mark.browser
def test_the_gestures(open_page: Open, pair: str) -> None:
    page = open_page(f"{pair}/what_if?h=f1-f2-f3")
    assert rows(page, "a") == rows(page, "b") != []
    page.locator(".st-key-what_if_history").get_by_role("radio", name="Aladdin").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_role("button", name="without Aladdin")).to_be_visible()
    expect(page).to_have_url(re.compile(r"b=drop-2-f2"))
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_role("button", name="without Aladdin")).to_have_count(0)
    page.get_by_role("button", name="Redo").click()
    expect(page.get_by_role("button", name="without Aladdin")).to_be_visible()
    expect(page.locator(".side.b > .item").nth(2)).to_be_visible()
    third = rows(page, "b")[2]
    page.locator(".side.b > .item").nth(2).click()
    expect(page.locator(".side.b .chosen .title")).to_have_text(third)
    page.get_by_role("button", name="Find the smallest change").click()
    expect(page.locator(".st-key-what_if_found_csv, .st-key-what_if_find").first).to_be_visible()
    page.goto(page.url)
    real.settle(page)
    expect(page.get_by_role("button", name="without Aladdin")).to_be_visible()


@pytest.mark.browser
def test_story_leads_to_what_if_without_a_head(open_page: Open, pair: str) -> None:
    page = open_page(f"{pair}/?h=f1-f2-f3")
    page.get_by_role("button", name="What if without").click()
    page.get_by_role("link", name="Head 2").click()
    expect(page.get_by_role("button", name="head 2 off")).to_be_visible()
