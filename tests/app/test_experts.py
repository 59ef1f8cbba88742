"""Experts: attention, routers, lists and effects on the page are the model's, and what hardly chooses is said to."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from fame import explain, plots
from fame.bundle import Bundle
from fame.plots.attention import late_maximum, levels
from fame.plots.last_step import say_signs
from fame.text import digits_for, number, ordinal, percent
from tests.app.conftest import Open, OpenApp
from tests.app.small import NASTY, make_bundle
from tests.app.test_story import page_text


def drawn(app: AppTest, name: str) -> dict[str, Any]:
    """What a picture of `fame.plots` was given to draw."""
    [found] = [x.proto for x in app.get("bidi_component") if x.proto.component_name == f"fame_{name}"]
    return json.loads(found.json)


def check(
    app: AppTest, bundle: Bundle, rows: list[int], head: int | None = None, film: int | None = None,
    column: str = "effect",
) -> dict[str, Any]:  # fmt: skip
    """Every component shows what the trace holds, and the effects are those of running without each film."""
    assert not app.exception
    trace = bundle.trace(rows=rows)
    H, N, T, _ = trace.attention.shape
    head = int(trace.gate[-1].argmax()) if head is None else head  # it opens on the head with most say
    titles = bundle.catalogue.title[trace.items].tolist()
    target = int(trace.ranking()[0]) if film is None else film
    strip, tiles, whole = (drawn(app, name) for name in ("last_step", "attention_grid", "attention_map"))

    assert strip["head"] == head and [item["title"] for item in strip["items"]] == titles
    told = N if N > 1 else 0  # the only expert is the mix
    np.testing.assert_allclose(strip["experts"], trace.attention[head, :told, -1].tolist(), rtol=1e-5)
    np.testing.assert_allclose(strip["mix"], trace.router[-1, head] @ trace.attention[head, :, -1], atol=1e-5)
    np.testing.assert_allclose(strip["router"], trace.router[-1, head], rtol=1e-5)
    if N > 1:
        assert strip["entropy"] == pytest.approx(explain.router_entropy(trace)[-1, head])
    if T > 1:
        for i, effect in enumerate(strip["effects"]):
            without = bundle.trace(rows=[row for j, row in enumerate(trace.items.tolist()) if j != i])
            if column == "effect":
                wanted = trace.scores[target] - without.scores[target]
            else:
                wanted = trace.head_scores[head, target] - without.head_scores[head, target]
            assert effect == pytest.approx(wanted, abs=1e-3)
    else:
        assert strip["effects"] is None and "cannot be left out" in page_text(app)

    assert (tiles["H"], tiles["N"], tiles["T"]) == (H, told, T)
    shown = np.frombuffer(b64decode(tiles["tiles"]), np.uint8).reshape(H, told + 1, T, T)
    largest = trace.attention[:, :, T // 2 :].max()
    np.testing.assert_allclose(shown[:, :told] / 255, np.minimum(trace.attention[:, :told] / largest, 1), atol=0.003)
    np.testing.assert_allclose(shown[:, told] / 255, np.minimum(trace.mixed_attention / largest, 1), atol=0.003)
    np.testing.assert_allclose(tiles["router"], trace.router[-1], rtol=1e-5)
    assert tiles["flags"] == [explain.router_flag(trace, h) if told else "" for h in range(H)]

    expert = tiles["chosen"][1]
    wanted = trace.mixed_attention[head] if expert is None else trace.attention[head, expert]
    np.testing.assert_array_equal(np.frombuffer(b64decode(whole["weights"]), np.float32).reshape(T, T), wanted)
    assert whole["titles"] == titles and tiles["chosen"][0] == head
    return strip


def lists(app: AppTest) -> list[dict[str, Any]]:
    return drawn(app, "expert_lists")["lists"]


@pytest.mark.parametrize("example", range(4))
def test_every_example(example: int, open_app: OpenApp, small: Bundle) -> None:
    ids = small.examples[example].items
    app = open_app({"h": "-".join(i.replace("-", "%2D") for i in ids)}, screen="experts")
    check(app, small, small.rows(ids))
    assert "Attention is not an explanation" in page_text(app)


def test_another_head_film_and_measure(open_app: OpenApp, small: Bundle) -> None:
    rows, film = [4, 9, 2, 17], 12
    app = open_app({"h": "f4-f9-f2-f17"}, screen="experts")
    app.segmented_control(key="experts_head").set_value(2).run()
    check(app, small, rows, head=2)
    app.selectbox(key="experts_film").set_value(film).run()
    check(app, small, rows, head=2, film=film)
    app.selectbox(key="experts_measure").set_value("head").run()
    strip = check(app, small, rows, head=2, film=film, column="head")
    assert strip["effectOf"] == f"head 3's own score of {small.catalogue.title[film]}"
    assert app.query_params == {"h": "f4-f9-f2-f17", "head": "3", "film": "f12", "experts_measure": "head"}
    app.selectbox(key="experts_map").set_value("2").run()
    check(app, small, rows, head=2, film=film, column="head")
    assert drawn(app, "attention_grid")["chosen"] == [2, 1] and drawn(app, "attention_map")["colour"] == "--h3"


@pytest.mark.parametrize("head", [1, 2, 3])
def test_a_link_to_a_head_opens_that_head(head: int, open_app: OpenApp, small: Bundle) -> None:
    """Also the first one, and the one that it would open on without a link."""
    app = open_app({"h": "f4-f9-f2", "head": str(head)}, screen="experts")
    check(app, small, [4, 9, 2], head=head - 1)
    app.segmented_control(key="experts_head").set_value(0).run()
    check(app, small, [4, 9, 2], head=0)


def test_effects_that_differ_in_sign_are_told(open_app: OpenApp, small: Bundle) -> None:
    trace = small.trace(rows=[4, 9, 2])
    left_out = pd.DataFrame({"effect": [0.2, -0.29, 0.1], "s_2": [0.3, 0.47, -0.02], "lead_effect": 0.0})
    assert say_signs(trace, 1, left_out) == (
        f"The two differ in sign for {small.catalogue.label(9)}: it adds +0.470 to head 2's own score and takes 0.290 "
        "off the final score."
    )
    picture = plots.last_step(trace, 1, left_out.assign(position=0, row=0, item_id="", title=""), measure="head")
    assert picture.data["signs"] == [
        "", "but it takes 0.290 off the final score", "but it adds +0.100 to the final score"
    ]  # fmt: skip
    assert say_signs(trace, 1, left_out.assign(s_2=left_out["effect"])) == ""
    app = open_app({"h": "f4-f9-f2-f17"}, screen="experts")
    head = int(small.trace(rows=[4, 9, 2, 17]).gate[-1].argmax())
    data = drawn(app, "last_step")
    target = int(drawn(app, "expert_lists")["chosen"])
    effects = explain.leave_one_out(small.model, small.catalogue, [4, 9, 2, 17], target)
    differ = (effects["effect"] * effects[f"s_{head + 1}"] < 0).to_numpy()
    assert [bool(sign) for sign in data["signs"]] == differ.tolist()
    assert ("The two differ in sign" in page_text(app)) is bool(differ.any())


@pytest.mark.parametrize("gate", ["held", "recomputed"])
def test_each_experts_list_and_effects(gate: str, open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f4-f9-f2", "head": "2", "k": "4", "experts_gate": gate}, screen="experts")
    trace, [own, *experts] = small.trace(rows=[4, 9, 2]), lists(app)
    film = int(trace.ranking()[0])
    assert [entry["row"] for entry in own["items"]] == trace.top(4, head=1)["row"].tolist()
    assert own["facts"][1][1] == ordinal(int(explain.head_ranks(trace, [film])[1, 0]))
    assert own["facts"][2][1] == "first"
    effects = explain.expert_effects(small.model, small.catalogue, [4, 9, 2], film)
    for n, shown in enumerate(experts):
        assert [entry["row"] for entry in shown["items"]] == trace.top(4, head=1, expert=n)["row"].tolist()
        assert shown["weight"] == f"router {percent(float(trace.router[-1, 1, n]))}"
        cases = effects[(effects["head"] == 2) & (effects["expert"] == n + 1) & (effects["gate"] == gate)]
        own_list = trace.ranking(head=1, expert=n).tolist()
        assert shown["facts"][1][:2] == ["in this list", ordinal(own_list.index(film) + 1)]
        assert all(about for _, value, about in shown["facts"] if value), "each number says what it is"
        for (place, adds), run in zip((shown["facts"][3:5], shown["facts"][5:]), ("alone", "without"), strict=True):
            one = cases.set_index("run").loc[run]
            assert place[1] == ordinal(int(one["rank"]))
            assert float(adds[1].replace("−", "-")) == pytest.approx(one["effect"], abs=0.006)


def test_places_count_what_the_lists_hold(open_app: OpenApp, small: Bundle) -> None:
    trace, film = small.trace(rows=[4, 9, 2]), 20
    [own, *experts] = lists(open_app({"h": "f4-f9-f2", "film": "f20", "seen": "1", "head": "1"}, screen="experts"))
    final, here = (trace.ranking(head=head, exclude_history=False).tolist().index(film) + 1 for head in (None, 0))
    assert [place for _, place, _ in own["facts"][1:]] == [ordinal(here), ordinal(final)]
    effects = explain.expert_effects(small.model, small.catalogue, [4, 9, 2], film, exclude_history=False)
    cases = effects[(effects["head"] == 1) & (effects["gate"] == "held")].set_index(["expert", "run"])
    for n, shown in enumerate(experts, 1):
        assert shown["facts"][3][1] == ordinal(int(cases.loc[(n, "alone"), "rank"]))
    [own, *experts] = lists(open_app({"h": "f4-f9-f2", "film": "f9"}, screen="experts"))
    assert {place for _, place, _ in own["facts"][1:]} == {experts[0]["facts"][1][1]} == {"seen"}


def test_the_journey_is_told_and_drawn(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f4-f9-f2-f17"}, screen="experts")
    trace, text = small.trace(rows=[4, 9, 2, 17]), page_text(app)
    turn = explain.journey(trace).gate_turn
    assert turn is not None
    assert f"{small.catalogue.label(trace.items[turn - 1])}, step {turn}, moved the gate most" in text
    assert "moved the router of head" in text
    assert len(app.get("plotly_chart")) == 1


def test_a_router_that_hardly_chooses_is_said_to(open_app: OpenApp, tmp_path: Path) -> None:
    bundle = make_bundle()
    with torch.no_grad():
        bundle.model.facets.W_exp[0] = 0  # no weight, no choice
        bundle.model.facets.W_exp[1] *= 1e4
    app = open_app({"head": "1"}, at=bundle.save(tmp_path / "flat"), screen="experts")
    check(app, bundle, [1, 2, 3], head=0)
    flags = drawn(app, "attention_grid")["flags"]
    assert flags[0] == "near uniform" and flags[1].startswith("all to expert")
    said = re.sub("<[^>]*>", "", page_text(app))
    assert "is near uniform (entropy 1.00 of 1): it hardly chooses" in said
    app.segmented_control(key="experts_head").set_value(1).run()
    assert "gives nearly everything to" in page_text(app)


@pytest.mark.parametrize("heads, experts, films", [(1, 1, 1), (8, 8, 50), (2, 1, 3), (1, 3, 2)])
def test_other_shapes(heads: int, experts: int, films: int, open_app: OpenApp, tmp_path: Path) -> None:
    bundle = make_bundle(heads, experts, max_len=50)
    rows = [1 + i % 20 for i in range(films)]
    app = open_app({"h": "-".join(f"f{row}" for row in rows)}, at=bundle.save(tmp_path / "other"), screen="experts")
    check(app, bundle, rows)
    shown = [x.proto.component_name for x in app.get("bidi_component")]
    assert ("fame_expert_lists" in shown) is (experts > 1) and (experts == 1 or len(lists(app)) == 1 + experts)
    control = [info.value for info in app.info]
    assert (len(control) == 1 and "every head has one expert" in control[0]) is (experts == 1)


def test_a_history_longer_than_the_model_reads(open_app: OpenApp, small: Bundle) -> None:
    rows = list(range(1, 10))
    check(open_app({"h": "-".join(f"f{row}" for row in rows)}, screen="experts"), small, rows)


def test_hostile_titles_and_choices(open_app: OpenApp, small: Bundle) -> None:
    broken = {"experts_map": "9", "experts_gate": "<b>", "experts_measure": "no", "head": "7"}
    app = open_app({"h": "f4-a%2Db%2Cc-f2", "film": "a-b,c", **broken}, screen="experts")
    check(app, small, [4, 30, 2], film=30)
    assert NASTY in [film["title"] for film in drawn(app, "last_step")["items"]]
    assert "<img" not in page_text(app) and "&lt;img" in page_text(app)


def test_a_changed_model_is_measured_changed(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f4-f9-f2", "off": "1.2-3"}, screen="experts")
    assert not app.exception
    strip = drawn(app, "last_step")
    assert strip["router"] == [1.0, 0.0] and strip["flag"] == "all to expert 1"
    assert "measured on the untouched model" in app.caption[0].value


def test_colour_scales_end_where_later_steps_do() -> None:
    weights = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.2, 0.2, 0.6, 0], [0.1, 0.2, 0.3, 0.4]], np.float32)
    assert late_maximum(weights) == pytest.approx(0.6)
    shown = np.frombuffer(b64decode(levels(weights, 0.6)), np.uint8).reshape(4, 4)
    assert shown[0, 0] == shown[2, 2] == 255 and shown[3, 2] == 128 and shown[0, 1] == 0


def test_a_saved_map_has_names(small: Bundle) -> None:
    trace = small.trace(rows=[4, 9])
    table = plots.attention_map(trace, 0).table
    labels = [small.catalogue.label(row) for row in (4, 9)]
    assert list(table) == ["step", "item_id", "title", f"1: {labels[0]}", f"2: {labels[1]}"]
    assert table["item_id"].tolist() == ["f4", "f9"] and table["step"].tolist() == [1, 2]


# --- in a browser


@pytest.mark.browser
def test_a_tile_opens_its_map_by_keyboard(open_page: Open, small_address: str, small: Bundle) -> None:
    page = open_page(f"{small_address}/experts?h=f4-f9-f2-f17&head=1")
    marked = page.locator(".st-key-experts_tiles button[aria-pressed=true]")
    expect(marked).to_have_accessible_name(re.compile("Head 1, its experts mixed"))
    marked.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "experts_map=2" in url and "head=2" in url)
    trace, last = small.trace(rows=[4, 9, 2, 17]), small.catalogue.label(17)
    expect(page.get_by_role("group", name="Attention of head 2, expert 2")).to_be_visible(timeout=20_000)
    expect(marked).to_be_focused()
    page.get_by_role("group", name="Attention of head 2, expert 2").focus()
    heard = page.locator(".st-key-experts_full [role=status]")
    page.keyboard.press("ArrowLeft")
    expect(heard).to_have_text(
        f"{trace.attention[1, 1, 3, 0]:.1%} at {small.catalogue.label(4)}: by step 4, after {last}"
    )
    page.keyboard.press("End")
    expect(heard).to_have_text(f"{trace.attention[1, 1, 3, 3]:.1%} at {last}: by step 4, after {last}")
    marked.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="Attention of head 2, its experts mixed")).to_be_visible()
    page.wait_for_url(lambda url: "experts_map" not in url)


@pytest.mark.browser
def test_pointing_at_a_cell_says_both_films(open_page: Open, small_address: str, small: Bundle) -> None:
    page = open_page(f"{small_address}/experts?h=f4-f9-f2-f17&head=1")
    trace = small.trace(rows=[4, 9, 2, 17])
    canvas = page.locator(".st-key-experts_full canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 3 / 8, box["y"] + box["height"] * 5 / 8)  # step 3, second film
    tip = page.locator(".st-key-experts_full .tip")
    expect(tip).to_contain_text(f"{trace.mixed_attention[0, 2, 1]:.1%} at {small.catalogue.label(9)}")
    expect(tip).to_contain_text(f"by step 3, after {small.catalogue.label(2)}")
    strip = page.get_by_role("group", name="Head 1, attention at the last step")
    numbers = page.locator(".st-key-experts_strip .bar span")
    film = int(trace.ranking()[0])
    effects = explain.leave_one_out(small.model, small.catalogue, [4, 9, 2, 17], film)["effect"].to_numpy()
    assert numbers.all_inner_texts() == [number(x, digits_for(effects), plus=True) for x in effects]
    strip.focus()
    for _ in range(4):
        strip.press("ArrowUp")
    expect(page.locator(".st-key-experts_strip [role=status]")).to_have_text(
        f"{small.catalogue.label(4)}: Expert 1: {trace.attention[0, 0, 3, 0]:.1%} of its attention"
    )


@pytest.mark.browser
def test_a_hostile_title_runs_nothing(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/experts?h=f4-a%252Db%252Cc-f2&film=a-b,c")
    page.locator(".st-key-experts_strip [data-c='1']").last.hover()
    expect(page.locator(".st-key-experts_strip .tip")).to_contain_text(NASTY)
    assert page.title() != "owned" and page.locator("img[src=x]").count() == 0
