"""Merge: what is on the page is what the model says, under its own gate and under any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from streamlit.testing.v1 import AppTest

from app import item_picker
from app.screens.merge import read_gate
from fame import explain
from fame.bundle import Bundle
from fame.trace import NOTHING, Intervention
from tests.app.conftest import Open, OpenApp
from tests.app.small import NASTY, make_bundle
from tests.app.test_story import component, page_text


def check(
    app: AppTest, bundle: Bundle, rows: list[int], change: Intervention = NOTHING, k: int = 10, seen: bool = True
) -> dict[str, Any]:
    """The desk shows what running the model says, and its moves from the untouched model."""
    assert not app.exception
    natural, run, data = (
        bundle.trace(rows=rows),
        bundle.trace(rows=rows, intervention=change),
        component(app, "merge"),
    )
    old, new = (t.ranking(exclude_history=seen).tolist() for t in (natural, run))
    assert [film["row"] for film in data["rows"] if film["part"] == "list"] == new[:k]
    assert {film["row"] for film in data["rows"] if film["part"] == "left"} == set(old[:k]) - set(new[:k])
    assert data["chosen"] in [film["row"] for film in data["rows"]]
    for film in data["rows"]:
        row = film["row"]
        assert film["title"] == bundle.catalogue.title[row]
        np.testing.assert_allclose(film["shares"], run.shares(np.array([row]))[:, 0], atol=1e-4)
        np.testing.assert_allclose(film["sum"], run.scores[row], atol=1e-4)
        if seen and row in natural.items:
            assert film["rank"] is None and film["move"] == 0
        else:
            assert film["rank"] == new.index(row) + 1
            assert film["move"] == old.index(row) - new.index(row)
    np.testing.assert_allclose([head["share"] for head in data["heads"]], run.gate[-1], atol=1e-5)
    own = bundle.trace(rows=rows, intervention=replace(change, gate=None, heads_off=())).gate[-1]
    np.testing.assert_allclose([head["own"] for head in data["heads"]], own, atol=1e-6)
    assert [h for h, head in enumerate(data["heads"]) if head["off"]] == list(change.heads_off)
    assert data["changed"] is bool(change) and data["proof"]["ok"]
    return data


def compares(app: AppTest, told: explain.Beats) -> None:
    """The bars are the winner's shares less the other's, as the sentence above them says."""
    data = component(app, "beats")
    drawn = [bar["share"] for bar in (*data["heads"], data["sum"])]
    np.testing.assert_allclose(drawn, [*told.table["share"], told.margin], atol=1e-5)
    assert told.margin >= 0 and str(told.table["winner_title"].iloc[0]) in told.sentence.split(" beats ")[0]


@pytest.mark.parametrize("example", range(4))
def test_every_example_adds_up(example: int, open_app: OpenApp, small: Bundle) -> None:
    ids = small.examples[example].items
    app = open_app({"h": "-".join(i.replace("-", "%2D") for i in ids)}, screen="merge")
    data = check(app, small, small.rows(ids))
    assert data["proof"]["text"].startswith("sum = score, largest difference")
    winner = str(small.catalogue.title[small.trace(ids).ranking()[0]])
    if winner != NASTY:
        assert f"<b>{winner}</b> is first" in page_text(app)


@pytest.mark.parametrize(
    "params, change",
    [
        ({"gate": "0.2-0.3-0.5"}, Intervention(gate=(0.2, 0.3, 0.5))),
        ({"off": "2"}, Intervention(heads_off=(1,))),
        ({"gate": "4-0-1", "off": "3"}, Intervention(gate=(4, 0, 1), heads_off=(2,))),
        ({"off": "2-3.1"}, Intervention(heads_off=(1,), experts_off=((2, 0),))),
    ],
)
def test_a_gate_in_the_link_merges_as_running_does(
    params: dict[str, str], change: Intervention, open_app: OpenApp, small: Bundle
) -> None:
    data = check(open_app({"h": "f4-f9-f2", "k": "5", **params}, screen="merge"), small, [4, 9, 2], change, k=5)
    assert data["proof"]["text"].startswith("merged = run again")
    assert all(0 <= head["weight"] <= 1 for head in data["heads"])


def test_solo_is_all_others_muted(open_app: OpenApp, small: Bundle) -> None:
    change = Intervention(heads_off=(0, 2))
    heads = check(open_app({"off": "1-3"}, screen="merge"), small, [1, 2, 3], change)["heads"]
    assert [head["solo"] for head in heads] == [False, True, False]


def test_sums_that_are_not_the_scores_are_called_so(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "additivity", lambda *_: 0.25)
    proof = component(open_app(screen="merge"), "merge")["proof"]
    assert not proof["ok"] and proof["text"] == "sum ≠ score, largest difference 2e-01"


def test_against_the_average_film(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f4-f9-f2"}, screen="merge")
    app.segmented_control(key="merge_values").set_value("lead").run()
    data, trace = component(app, "merge"), small.trace(rows=[4, 9, 2])
    assert data["relative"] and app.query_params["merge_values"] == "lead"
    for film in data["rows"]:
        np.testing.assert_allclose(film["shares"], explain.relative_shares(trace, [film["row"]])[:, 0], atol=1e-5)
        np.testing.assert_allclose(
            film["sum"], trace.scores[film["row"]] - trace.scores[trace.ranking()].mean(), atol=1e-4
        )


def test_any_film_can_be_looked_at_and_compared(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f4-f9-f2", "k": "3"}, screen="merge")
    trace = small.trace(rows=[4, 9, 2])
    last = int(trace.ranking()[-1])
    app.selectbox(key="merge_film").set_value(last).run()
    data = check(app, small, [4, 9, 2], k=3)
    assert len(app.selectbox(key="merge_film").options) == 30, "any can be searched for"
    assert data["chosen"] == last and data["rows"][-1]["part"] == "chosen" and data["rows"][-1]["rank"] == 27
    above, first = int(trace.ranking()[-2]), int(trace.ranking()[0])
    compares(app, explain.beats(trace, above, last))
    app.selectbox(key="merge_box_a-1").set_value(first).run()
    compares(app, explain.beats(trace, first, last))
    app.selectbox(key="merge_box_b-1").set_value(first).run()
    app.selectbox(key="merge_box_a-1").set_value(last).run()
    compares(app, explain.beats(trace, last, first))
    assert "B beats A because" in page_text(app)
    app.selectbox(key="merge_box_a-1").set_value(first).run()
    assert "the same item" in page_text(app)
    app.selectbox(key="merge_box_b-1").set_value(last).run()
    chosen = [app.query_params[name] for name in ("merge_a", "merge_b")]
    assert chosen == small.catalogue.item_id[[first, last]].tolist()
    app.toggle(key="merge_seen").set_value(False).run()
    check(app, small, [4, 9, 2], k=3, seen=False)


def test_typed_titles_are_found_or_said_not_to_be(small: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(item_picker.st, "toast", lambda text, icon: said.append(text))
    assert item_picker.found(small.catalogue, 7) == 7
    assert item_picker.found(small.catalogue, "amelie") == small.catalogue.resolve("Amélie")
    assert item_picker.found(small.catalogue, "qqqqqq") is None
    assert said == ["No item of this catalogue has a title like that."]


def test_broken_choices_in_a_link_are_passed_over(open_app: OpenApp, small: Bundle) -> None:
    broken = {"merge_a": "nothing", "merge_b": "<b>", "merge_values": "?", "gate": "0-0-0", "off": "1-2-3"}
    app = open_app({"h": "f4-f9-f2", **broken}, screen="merge")
    check(app, small, [4, 9, 2])
    first, second = small.trace(rows=[4, 9, 2]).ranking()[:2].tolist()
    compares(app, explain.beats(small.trace(rows=[4, 9, 2]), first, second))


def test_a_hostile_title_is_text(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f4", "film": "a-b,c", "merge_a": "a-b,c"}, screen="merge")
    assert not app.exception
    assert NASTY in [film["title"] for film in component(app, "merge")["rows"]]
    assert "<img" not in page_text(app) and "&lt;img" in page_text(app)


@pytest.mark.parametrize("heads, experts, films", [(1, 1, 1), (8, 8, 40), (2, 1, 3)])
def test_other_shapes(heads: int, experts: int, films: int, open_app: OpenApp, tmp_path: Path) -> None:
    bundle = make_bundle(heads, experts, max_len=50)
    rows = [1 + i % 20 for i in range(films)]
    app = open_app({"h": "-".join(f"f{row}" for row in rows)}, at=bundle.save(tmp_path / "other"), screen="merge")
    data = check(app, bundle, rows)
    assert len(data["heads"]) == heads
    assert ("one head" in data["note"]) is (heads == 1)


def test_nothing_left_to_rank_is_said(open_app: OpenApp, tmp_path: Path) -> None:
    folder = make_bundle(max_len=40).save(tmp_path / "other")
    everything = {"h": "-".join([*(f"f{row}" for row in range(1, 30)), "a%2Db%2Cc"])}
    app = open_app(everything, at=folder, screen="merge")
    assert not app.exception and "none left to rank" in page_text(app)


@pytest.mark.parametrize(
    "asked",
    [
        None, "gate", 3, [], {}, {"done": True, "weights": [1, 2]}, {"done": True, "weights": [0, 0, 0]},
        {"done": True, "weights": ["a", "b", "c"]}, {"done": True, "weights": [float("nan"), 1, 1]},
        {"done": True, "weights": None, "off": [0, 1, 2]}, {"done": True, "off": [7]}, {"done": True, "off": [None]},
        {"done": True, "weights": [1, 1, 1], "off": 5}, {"done": True, "weights": [-1, 1, 1]},
        {"done": False, "weights": [1, 1, 1], "off": []}, {"done": "yes", "weights": [1, 1, 1], "off": []},
        {"done": True, "weights": [1e400, 1, 1], "off": []}, {"done": True, "weights": {}, "off": []},
    ],
)  # fmt: skip
def test_what_the_desk_cannot_mean_is_passed_over(asked: object, small: Bundle) -> None:
    assert read_gate(asked, True, NOTHING, small.config) is None


def test_what_the_desk_asks_for_joins_what_is_changed(small: Bundle) -> None:
    now = Intervention(gate=(1, 2, 3), experts_off=((0, 1),))
    asked = {"done": True, "weights": [0.123456, 0, 1], "off": [1]}
    wanted = Intervention(gate=(0.1235, 0, 1), heads_off=(1,), experts_off=((0, 1),))
    assert read_gate(asked, True, now, small.config) == wanted
    assert read_gate({"done": True, "weights": None, "off": []}, True, now, small.config) == Intervention(
        experts_off=((0, 1),)
    )


# --- in a browser


def table(page: Page) -> list[str]:
    return page.locator(".st-key-merge_table tbody tr").all_inner_texts()


def proof(page: Page) -> Locator:
    return page.locator(".st-key-merge_table .proof")


@pytest.mark.browser
def test_the_sliders_merge_again_and_the_link_keeps_it(open_page: Open, small_address: str, small: Bundle) -> None:
    page = open_page(f"{small_address}/merge")
    before, own = table(page), page.url
    slider = page.get_by_role("slider", name="Gate weight of head 2")
    slider.focus()
    slider.press("End")  # the whole way up, by keyboard
    expect(proof(page)).to_contain_text("merged = run again", timeout=20_000)
    page.wait_for_url("**gate=*")
    gate = tuple(round(float(g), 4) for g in small.trace(rows=[1, 2, 3]).gate[-1])
    after = small.trace(rows=[1, 2, 3], intervention=Intervention(gate=(gate[0], 1.0, gate[2])))
    titles = page.locator(".st-key-merge_table tbody button").all_inner_texts()[:10]
    wanted = after.top(10)
    assert titles == [f"{t} {y}" for t, y in zip(wanted["title"], wanted["year"], strict=True)]
    expect(slider).to_be_focused()
    again = open_page(page.url)
    assert table(again) == table(page) != before
    page.get_by_role("button", name="Solo: only head 1").click()
    page.wait_for_url("**off=2-3*")
    expect(page.get_by_role("button", name="Solo: only head 1")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url(lambda url: "off" not in url and "gate" in url)
    page.get_by_role("button", name="model’s own gate").click()
    page.wait_for_url(own)
    expect(proof(page)).to_contain_text("sum = score", timeout=20_000)
    assert table(page) == before


@pytest.mark.browser
def test_dragging_a_slider_merges_on_the_way(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/merge")
    before, own = table(page), page.url
    box = page.get_by_role("slider", name="Gate weight of head 3").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.1 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"], y, steps=8)
    expect(proof(page)).to_contain_text("merged again", timeout=20_000)
    assert table(page) != before and page.url == own  # not a choice yet
    page.mouse.up()
    page.wait_for_url("**gate=*")
    expect(proof(page)).to_contain_text("merged = run again", timeout=20_000)


@pytest.mark.browser
def test_a_slider_that_is_dragged_back_changes_nothing(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/merge")
    sliders = page.get_by_role("slider", name="Gate weight of head ")
    sliders.first.focus()
    sliders.first.press("End")
    page.wait_for_url("**gate=*")
    expect(proof(page)).to_contain_text("merged = run again")
    chosen, by_hand = page.url, [slider.input_value() for slider in sliders.all()]
    box = sliders.nth(2).bounding_box()
    assert box is not None
    x, y = box["x"] + 7 + float(by_hand[2]) * (box["width"] - 14), box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.95 * box["width"], y, steps=8)
    expect(proof(page)).to_contain_text("merged again")
    page.mouse.move(x, y, steps=8)
    assert sliders.nth(2).input_value() == by_hand[2], "it is not back where it began"
    page.mouse.up()
    expect(proof(page)).to_contain_text("merged = run again")
    assert page.url == chosen
    page.get_by_role("button", name="Undo").click()
    expect(proof(page)).to_contain_text("sum = score")
    expect(sliders.first).not_to_have_value(by_hand[0])


@pytest.mark.browser
def test_one_head_always_counts(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/merge?gate=0-0.3-0")
    expect(page.get_by_role("button", name="Mute head 2")).to_be_disabled()
    page.get_by_role("button", name="Solo: only head 1").click()
    page.wait_for_url("**off=2-3*")
    expect(page.get_by_label("Share of head 1")).to_have_text("100%")
    page = open_page(f"{small_address}/merge?gate=4-2-2&off=1")
    page.get_by_role("button", name="Mute head 1").click()
    expect(page.get_by_label("Share of head 1")).to_have_text("50%")


@pytest.mark.browser
def test_a_click_looks_at_a_film(open_page: Open, small_address: str, small: Bundle) -> None:
    page = open_page(f"{small_address}/merge")
    third = page.locator(".st-key-merge_table tbody button").nth(2)
    title = third.inner_text().rsplit(" ", 1)[0]
    third.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**film=*")
    expect(page.locator(".fame-say b").first).to_have_text(title)
    expect(page.locator(".st-key-merge_table tbody button").nth(2)).to_be_focused()
    page.go_back()
    expect(page.locator(".fame-say b").first).not_to_have_text(title)
