"""The facet atlas: what reaches the browser is what the spaces say; click, search, colours and heads in Chromium."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from app.screens import atlas as view
from app.screens.atlas import _read_values
from fame import atlas as atlases
from fame.atlas import history_vectors, place, space_vectors
from fame.bundle import Bundle
from fame.explain.sentences import say_agreement
from fame.make import maps
from fame.make.maps import build_atlas
from tests.app import browser as real
from tests.app.conftest import Open, OpenApp
from tests.app.small import NASTY, make_bundle

OpenAtlas = Callable[..., AppTest]
expect.set_options(timeout=30_000)  # a busy machine takes its time


@pytest.fixture(scope="session")
def mapped() -> Bundle:
    """The small bundle with an atlas; PCA stands in UMAP's place, which takes its time to import."""
    bundle = make_bundle()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "_umap", lambda x, seed: maps._pca(x)[:, ::-1])
        return replace(bundle, atlas=build_atlas(bundle.model))


@pytest.fixture(scope="session")
def mapped_folder(tmp_path_factory: pytest.TempPathFactory, mapped: Bundle) -> Path:
    return mapped.save(tmp_path_factory.mktemp("mapped") / mapped.name)


@pytest.fixture
def open_atlas(open_app: OpenApp, mapped_folder: Path) -> OpenAtlas:
    def run(params: Mapping[str, str] | None = None, at: Path = mapped_folder) -> AppTest:
        app = open_app(params, at)
        app._page_hash = calc_hash("atlas")  # AppTest.switch_page knows pages that are files only
        return app.run()

    return run


def sent(app: AppTest) -> tuple[dict[str, Any], dict[str, Any], np.ndarray, np.ndarray]:
    """What the maps and the points get: the marks, and of the points the header, positions [2,V,2] and colours [V]."""
    assert not app.exception
    protos = {x.proto.component_name: x.proto for x in app.get("bidi_component")}
    marks, raw = json.loads(protos["fame_atlas"].json), protos["fame_atlas_points"].bytes
    size = int(np.frombuffer(raw, "<u4", 1)[0])
    head = json.loads(raw[4 : 4 + size])
    V = len(head["titles"])
    assert size % 4 == 0 and len(raw) == 4 + size + 2 * V * 8 + V
    maps = np.frombuffer(raw, "<f4", 4 * V, 4 + size).reshape(2, V, 2)
    assert marks["version"] == head["version"], "the browser draws points and marks of one version only"
    return marks, head, maps, np.frombuffer(raw, np.uint8, V, 4 + size + 16 * V)


def chooser(widgets: Any, key: str) -> Any:
    """The widget of this key; one whose value was changed elsewhere has a number after it."""
    [found] = [widget for widget in widgets if re.fullmatch(rf"{key}(-[0-9]+)?", widget.key or "")]
    return found


def page_text(app: AppTest) -> str:
    return " ".join(x.proto.body for x in app.get("html"))


@pytest.mark.parametrize("example", range(4))
def test_every_example_shows_what_the_spaces_say(open_atlas: OpenAtlas, mapped: Bundle, example: int) -> None:
    items = mapped.examples[example].items
    app = open_atlas({"h": "-".join(item.replace("-", "%2D").replace(",", "%2C") for item in items), "head": "1"})
    marks, head, maps, _ = sent(app)
    trace, atlas = mapped.trace(items), mapped.atlas
    assert atlas is not None and head["spaces"] == ["head_1", "full"]
    assert marks["history"] == trace.items.tolist() and marks["recommended"] == trace.ranking()[:10].tolist()
    film = marks["item"]
    assert film == trace.ranking()[0]
    for m, space in enumerate(head["spaces"]):
        np.testing.assert_array_equal(maps[m], atlas.map(space))
        drawn = marks["maps"][m]
        vectors = space_vectors(mapped.model, space).astype(np.float64)
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        cosines = vectors @ vectors[film]
        cosines[[0, film]] = -np.inf
        np.testing.assert_allclose([n["cosine"] for n in drawn["neighbours"]], np.sort(cosines)[::-1][:10], rtol=1e-4)
        for n in drawn["neighbours"]:
            np.testing.assert_allclose(cosines[n["row"]], n["cosine"], rtol=1e-4)
        at = place(atlas, space, space_vectors(mapped.model, space), history_vectors(mapped.model, trace, space)[-1])
        np.testing.assert_allclose(drawn["place"], at, rtol=1e-5)
        assert f"Trustworthiness {atlas.trust(space):.2f}" in drawn["trust"]
    assert marks["maps"][0]["neighbours"] != marks["maps"][1]["neighbours"]


def test_the_maps_need_no_history(open_atlas: OpenAtlas, mapped: Bundle) -> None:
    marks, head, maps, _ = sent(open_atlas({"h": "none"}))
    assert mapped.atlas is not None
    np.testing.assert_array_equal(maps[0], mapped.atlas.map(head["spaces"][0]))
    assert marks["item"] == 0 and marks["history"] == marks["recommended"] == []
    assert all(drawn["place"] is None and drawn["neighbours"] == [] for drawn in marks["maps"])
    marks, *_ = sent(open_atlas({"h": "none", "film": "f9"}))
    assert marks["item"] == 9 and len(marks["maps"][0]["neighbours"]) == 10


def test_colours_are_the_values_chosen(open_atlas: OpenAtlas, mapped: Bundle) -> None:
    marks, head, _, mask = sent(open_atlas({"atlas_values": "2-0"}))
    genres = mapped.catalogue.attribute("genres")
    names = [genres.values[2], genres.values[0]]
    assert [v["name"] for v in marks["values"]] == names and marks["several"]
    for row, title in enumerate(head["titles"]):
        assert [bool(mask[row] >> bit & 1) for bit in (0, 1)] == genres.matrix[row, [2, 0]].tolist(), title
    assert NASTY in head["titles"][-1], "a hostile title travels as it is; the browser draws it as text"


def test_a_link_opens_the_same_maps(open_atlas: OpenAtlas, mapped: Bundle) -> None:
    link = {"atlas_left": "full", "atlas_right": "head_3", "atlas_kind": "pca", "atlas_colour": "decade", "film": "f9"}
    app = open_atlas({**link, "atlas_values": "none"})
    marks, head, maps, mask = sent(app)
    assert (head["spaces"], head["kind"], marks["item"]) == (["full", "head_3"], "pca", 9)
    assert not mask.any() and marks["values"] == []
    np.testing.assert_array_equal(maps[1], mapped.atlas.map("head_3", "pca"))
    assert chooser(app.selectbox, "atlas_by").value == "decade" and chooser(app.multiselect, "atlas_shown").value == []
    assert "head <span" in page_text(app), "the sentence is about the head that is shown"


def test_the_answer_is_counted(open_atlas: OpenAtlas, mapped: Bundle) -> None:
    text = page_text(open_atlas({"head": "2"}))
    said = say_agreement(atlases.agreements(mapped.atlas, mapped.catalogue), "genres", "head_2")
    first, _, rest = said.partition(" in head 2's")
    assert f"<b>{first}</b>".replace("'", "&#x27;") in text and rest.split(".")[0][-20:] in text


def test_another_attribute_starts_with_its_own_values(open_atlas: OpenAtlas) -> None:
    app = open_atlas({"atlas_values": "2"})
    chooser(app.selectbox, "atlas_by").set_value("decade").run()
    marks, *_ = sent(app)
    assert marks["attribute"] == "decade" and [v["name"] for v in marks["values"]] == ["1970s", "1980s", "1990s"]
    chooser(app.multiselect, "atlas_shown").set_value(["1990s"]).run()
    assert [v["name"] for v in sent(app)[0]["values"]] == ["1990s"] and app.query_params["atlas_values"] == "2"


@pytest.mark.parametrize(
    "broken",
    [("values", "99-x-" + "9" * 50), ("right", "head_9"), ("kind", "tsne"), ("left", "head_2"), ("colour", "mood")],
)
def test_a_broken_choice_falls_back(open_atlas: OpenAtlas, broken: tuple[str, str]) -> None:
    marks, head, *_ = sent(open_atlas({f"atlas_{broken[0]}": broken[1], "head": "1"}))
    assert (head["spaces"], head["kind"]) == (["head_1", "full"], "umap") and len(marks["values"]) > 1


def test_maps_open_with_the_values_that_crowd(open_atlas: OpenAtlas, mapped: Bundle) -> None:
    genres = mapped.catalogue.attribute("genres")
    wanted = sorted(atlases.most_gathered(mapped.atlas, "full", genres, 5))
    app = open_atlas()
    assert [v["name"] for v in sent(app)[0]["values"]] == [genres.values[v] for v in wanted]
    assert "atlas_values" not in app.query_params
    other = sent(open_atlas({"head": "2", "atlas_kind": "pca"}))[0]
    assert other["values"] == sent(app)[0]["values"], "every head and layout opens with the same colours"
    chooser(app.multiselect, "atlas_shown").set_value(list(genres.values[1:3])).run()
    assert app.query_params["atlas_values"] == "1-2", "a choice is in the link"


def test_values_of_a_link() -> None:
    assert _read_values("", 9) is None and _read_values("99", 9) is None
    assert _read_values("3-3-1-12", 9) == (3, 1) and _read_values("none", 9) == ()
    assert len(_read_values("-".join(map(str, range(20))), 20)) == 8


def test_the_browser_is_not_trusted(mapped: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    changes: list[dict[str, Any]] = []
    monkeypatch.setattr(view.session, "update", lambda **change: changes.append(change))
    for asked, taken in ((None, []), ("1", []), ({}, []), (0, []), (31, []), (-1, []), (30, [{"item": 30}])):
        monkeypatch.setattr(view.st, "session_state", {"atlas_maps": {"pick": asked}})
        changes.clear()
        view._pick(len(mapped.catalogue))
        assert changes == taken, asked


def test_choosing_the_other_maps_space_swaps_the_two(open_atlas: OpenAtlas) -> None:
    app = open_atlas({"head": "1"})
    chooser(app.segmented_control, "atlas_left_space").set_value("full").run()
    assert sent(app)[1]["spaces"] == ["full", "head_1"]
    chooser(app.segmented_control, "atlas_left_space").set_value("head_3").run()
    assert sent(app)[1]["spaces"] == ["head_3", "head_1"]
    chooser(app.segmented_control, "atlas_right_space").set_value("full").run()
    assert sent(app)[1]["spaces"] == ["head_3", "full"] and app.query_params["head"] in ("3", ["3"])


def test_a_bundle_without_maps_says_so(open_atlas: OpenAtlas, folder: Path) -> None:
    app = open_atlas(at=folder)
    assert not app.exception
    assert "This model has no maps" in page_text(app) and "fame train" in page_text(app)


# ---- in Chromium


@pytest.fixture(scope="session")
def mapped_address(mapped_folder: Path) -> Iterator[str]:
    with real.served(mapped_folder) as url:
        yield url


@pytest.fixture
def atlas_page(open_page: Open, mapped_address: str) -> Page:
    page = open_page(f"{mapped_address}/atlas?head=1")
    expect(chosen(page).first).to_be_visible()
    return page


def chosen(page: Page) -> Locator:
    """The chosen item's label, over the list of its nearest in each space."""
    return page.locator(".st-key-atlas_two .fame-say b")


def listed(page: Page, side: int) -> list[str]:
    """The labels of the nearest that the page lists for the left or the right map."""
    cells = page.locator(".st-key-atlas_two .fame-table").nth(side).locator("tbody td:nth-child(2)")
    return [text.removesuffix(" · both") for text in cells.all_inner_texts()]


def nearest(bundle: Bundle, space: str, title: str) -> list[str]:
    """The labels of the ten films nearest to the one with this label."""
    row = next(r for r in range(1, len(bundle.catalogue)) if bundle.catalogue.label(r) == title)
    return [bundle.catalogue.label(r) for r in bundle.atlas.neighbours[bundle.atlas.index(space), row, :10]]


def on_a_film(page: Page) -> str:
    """Move the pointer over the left map until it meets a film that is not the chosen one; its label."""
    stage = page.locator(".stage").first
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    for x in range(40, int(box["width"]) - 40, 12):
        for y in range(40, int(box["height"]) - 60, 40):
            page.mouse.move(box["x"] + x, box["y"] + y)
            tip = stage.locator(".tip b")
            if tip.is_visible() and tip.inner_text() != chosen(page).first.inner_text():
                return tip.inner_text()
    raise AssertionError("no film under the pointer anywhere on the map")


@pytest.mark.browser
def test_a_click_on_a_film_lists_its_neighbours_in_both_spaces(atlas_page: Page, mapped: Bundle) -> None:
    title = on_a_film(atlas_page)
    atlas_page.mouse.down()
    atlas_page.mouse.up()
    for side, space in enumerate(("head_1", "full")):
        expect(chosen(atlas_page).nth(side)).to_have_text(title)
        assert listed(atlas_page, side) == nearest(mapped, space, title)
    atlas_page.wait_for_url("**film=*")


@pytest.mark.browser
def test_colours_heads_and_keys(atlas_page: Page, mapped: Bundle) -> None:
    page = atlas_page
    page.locator("[class*=st-key-atlas_left_space]").get_by_role("radio", name="3").click()
    expect(page.locator("figcaption h2").first).to_have_text("Head 3's space")
    title = chosen(page).first.inner_text()
    assert listed(page, 0) == nearest(mapped, "head_3", title)
    page.wait_for_url("**head=3*")

    page.get_by_label("Colour by").click()
    page.get_by_role("option", name="decade").click()
    expect(page.locator(".legend .chip").first).to_contain_text("1970s")
    page.wait_for_url("**atlas_colour=decade*")

    # From the keyboard alone: move the map until a film is in its middle, then Enter.
    stage = page.locator(".stage").first
    stage.focus()
    for key in ("+", "ArrowRight", "ArrowRight", "ArrowDown", "-", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
        tip = stage.locator(".tip b")
        if tip.is_visible() and tip.inner_text() != title:
            break
    meant = tip.inner_text()
    page.keyboard.press("Enter")
    expect(chosen(page).first).to_have_text(meant)


@pytest.mark.browser
@pytest.mark.parametrize("key", [None, "h"])
def test_the_history_fills_the_map(atlas_page: Page, mapped: Bundle, key: str | None) -> None:
    stage = atlas_page.locator(".stage").first
    if key:
        stage.press(key)
    else:
        stage.get_by_role("button", name="Zoom to the history").click()
    atlas_page.wait_for_timeout(500)
    trace = mapped.trace(mapped.examples[0].items)
    xy = mapped.atlas.map("head_1")
    vectors = space_vectors(mapped.model, "head_1")
    at = place(mapped.atlas, "head_1", vectors, history_vectors(mapped.model, trace, "head_1")[-1])
    shown = np.vstack([xy[trace.items], at])
    low, high = shown.min(0), shown.max(0)
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    scale = ((np.array([box["width"], box["height"]]) - [160, 110]) / (high - low)).min()
    for row in trace.items:
        x, y = (xy[row] - (low + high) / 2) * scale
        atlas_page.mouse.move(box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 - y)
        expect(stage.locator(".tip b")).to_have_text(mapped.catalogue.label(row))


@pytest.mark.browser
def test_the_maps_fit_a_projector(open_page: Open, mapped_address: str) -> None:
    """At 1280 × 720 the whole of both maps is in sight, whatever stands above."""
    page = open_page(f"{mapped_address}/atlas", width=1280, height=720)
    expect(page.locator(".stage").first).to_be_visible()
    page.wait_for_timeout(500)
    for stage in page.locator(".stage").all():
        box = stage.bounding_box()
        assert box and box["y"] + box["height"] <= 720 and box["height"] >= 300


@pytest.mark.browser
def test_a_phone_scrolls_no_table_sideways(open_page: Open, mapped_address: str) -> None:
    page = open_page(f"{mapped_address}/atlas", width=390, height=844)
    expect(chosen(page).first).to_be_visible()
    wide = page.locator(".fame-scroll").evaluate_all("all => all.map(e => e.scrollWidth - e.clientWidth)")
    assert wide and max(wide) <= 1


@pytest.mark.browser
def test_maps_are_saved_as_vectors(atlas_page: Page, mapped: Bundle, tmp_path: Path) -> None:
    """Every point is a circle or its sectors, every name a text; a hostile title is text there too."""
    with atlas_page.expect_download() as saved:
        atlas_page.locator(".st-key-atlas_maps").get_by_role("button", name="Save this picture as SVG").click()
    saved.value.save_as(tmp_path / "a.svg")
    root = ElementTree.fromstring((tmp_path / "a.svg").read_text("utf-8"))
    tags = Counter(node.tag.rpartition("}")[2] for node in root.iter())
    assert tags["circle"] + tags["path"] >= 2 * mapped.catalogue.n_items and not tags["image"] and not tags["img"]
    texts = ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("}text")]
    assert "Head 1's space" in texts and any(text.startswith("head 1 points here") for text in texts)


@pytest.mark.browser
def test_a_hostile_title_is_drawn_as_text(open_page: Open, mapped_address: str, tmp_path: Path) -> None:
    page = open_page(f"{mapped_address}/atlas?film=a-b,c&head=1")
    expect(chosen(page).first).to_have_text(f"{NASTY} (1999)")
    with page.expect_download() as saved:
        page.locator(".st-key-atlas_maps").get_by_role("button", name="Save this picture as SVG").click()
    saved.value.save_as(tmp_path / "a.svg")
    root = ElementTree.fromstring((tmp_path / "a.svg").read_text("utf-8"))
    assert any("".join(node.itertext()).startswith("<img src=x") for node in root.iter() if node.tag.endswith("}text"))
    assert page.title() != "owned" and page.locator("img[src=x]").count() == 0
