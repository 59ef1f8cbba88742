"""One drawing per picture: what a page of its own draws and what the app draws hold the same numbers."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

from fame import explain, plots
from fame.bundle import Bundle
from fame.make import maps
from fame.make.maps import build_atlas
from fame.plots import Picture
from fame.trace import Intervention, Trace
from tests.app import browser as real
from tests.app.conftest import Open
from tests.app.small import make_bundle, measured
from tests.app.test_population_screen import with_population

HISTORY = ["f4", "f9", "a-b,c", "f17"]  # one title is hostile
LINK = "h=f4-f9-a%252Db%252Cc-f17&head=2"
B = "b=headoff-3"  # on What if
# Where the app shows a picture: the screen, its key there, and whether Plotly draws it.
PLACES = {
    "story": ("story", "story", False),
    "merge": ("merge", "merge_table", False),
    "beats": ("merge", "merge_beats", False),
    "expert_preferences": ("experts", "experts_preferences", False),
    "last_step": ("experts", "experts_strip", False),
    "attention_grid": ("experts", "experts_tiles", False),
    "attention_map": ("experts", "experts_full", False),
    "expert_lists": ("experts", "experts_lists", False),
    "journey": ("experts", "experts_journey", True),
    "atlas_map": ("atlas", "atlas_maps", False),
    "probes": ("evidence", "evidence_probes", True),
    "values": ("evidence", "evidence_values", True),
    "likeness": ("evidence", "evidence_likeness", True),
    "what_if": ("what_if", "what_if_lists", False),
    "what_if_inside": ("what_if", "what_if_inside", False),
    "population_use": ("population", "population_use_0", True),
    "population_slices": ("population", "population_slices_0", True),
    "population_gate": ("population", "population_gate", True),
}


@pytest.fixture(scope="module")
def whole() -> Bundle:
    """The small bundle with all that a bundle may hold; PCA stands in UMAP's place, which takes its time to import."""
    bundle = with_population(make_bundle(anchors=1.0), keep=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "_umap", lambda x, seed: maps._pca(x)[:, ::-1])
        atlas = build_atlas(bundle.model)
    return replace(bundle, atlas=atlas, evidence_json=measured(bundle.model, bundle.catalogue))


@pytest.fixture(scope="module")
def whole_address(whole: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real.served(whole.save(tmp_path_factory.mktemp("whole") / whole.name)) as url:
        yield url


def from_python(bundle: Bundle, name: str) -> Picture:
    """The picture as a notebook would ask for it, of what the app shows under LINK."""
    trace = bundle.trace(HISTORY)
    target, now = int(trace.ranking()[0]), (bundle.model, bundle.catalogue, trace.items)
    if name == "story":
        return plots.story(bundle, trace)
    if name == "merge":
        return plots.merge(bundle, trace)
    if name == "beats":
        return plots.beats(trace, rows=tuple(trace.ranking()[:2].tolist()))
    if name.startswith("what_if"):
        return of_what_if(bundle, trace, target, name)
    if name.startswith("population"):
        return getattr(plots, name)(bundle.population, **({} if name == "population_use" else {"noun": "film"}))
    if name == "expert_preferences":
        return plots.expert_preferences(trace, 1, bundle.preferences, target)
    if name == "last_step":
        return plots.last_step(trace, 1, explain.leave_one_out(*now, target), target)
    if name == "attention_grid":
        return plots.attention_grid(trace, 1)
    if name == "attention_map":
        return plots.attention_map(trace, 1)
    if name == "expert_lists":
        return plots.expert_lists(trace, 1, explain.expert_effects(*now, target), target)
    if name == "journey":
        return plots.journey(trace, head=1)
    if name == "atlas_map":
        return plots.atlas_map(bundle, ("head_2", "full"), attribute="genres", item=target, trace=trace)
    found = bundle.evidence
    return plots.values(found, found.attributes[0]) if name == "values" else getattr(plots, name)(found)


def of_what_if(bundle: Bundle, trace: Trace, target: int, name: str) -> Picture:
    other = bundle.trace(HISTORY, Intervention(heads_off=(2,)))
    if name == "what_if":
        named = f"{bundle.name}, after {len(HISTORY)} items"
        return plots.what_if(trace, other, target, names=(named, named))
    held = bundle.trace(HISTORY, explain.held(trace, other))
    return plots.what_if_inside(trace, other, explain.score_change(trace, other, held, target), target, 1)


def drawn(page: Page, selector: str, plotly: bool) -> Any:
    """The numbers that a picture draws: those of Plotly's traces, or those in the text of its SVG."""
    if plotly:
        page.locator(f"{selector} .js-plotly-plot .main-svg").first.wait_for()
        read = (
            "node => node.querySelector('.js-plotly-plot').data.map(t => [t.type, t.x, t.y, t.z, t.text, t.customdata])"
        )
        return json.loads(page.locator(selector).evaluate(f"node => JSON.stringify(({read})(node))"))
    root = page.locator(f"{selector} .root:not(.files)").first
    expect(root).to_be_attached()
    page.wait_for_function("node => node.svg", arg=root.element_handle(), timeout=60_000)
    svg = ElementTree.fromstring(root.evaluate("node => node.svg()"))
    texts = ["".join(node.itertext()) for node in svg.iter() if node.tag.endswith("}text")]
    marks = Counter(node.tag.rpartition("}")[2] for node in svg.iter())
    assert not marks["image"], "nothing is drawn as pixels"
    numbers = Counter(number for text in texts for number in re.findall(r"[−+]?\d+(?:\.\d+)?%?", text))
    return numbers, any("<img src=x" in text for text in texts)


@pytest.mark.browser
@pytest.mark.parametrize("screen", sorted({screen for screen, *_ in PLACES.values()}))
def test_a_page_and_the_app_draw_the_same_numbers(
    screen: str, whole: Bundle, whole_address: str, open_page: Open, tmp_path: Path
) -> None:
    """One page with all pictures of a screen beside the screen itself."""
    places = {name: place[1:] for name, place in PLACES.items() if place[0] == screen}
    pictures = [from_python(whole, name) for name in places]
    assert all(len(picture.table) and picture.alt.endswith(".") for picture in pictures)
    file = tmp_path / "pictures.html"
    file.write_text(plots.page(pictures, "Pictures"), "utf-8")
    alone = open_page(file.as_uri(), app=False)
    app = open_page(f"{whole_address}/{'' if screen == 'story' else screen}?{LINK}&{B * (screen == 'what_if')}")
    for i, (name, (key, plotly)) in enumerate(places.items(), start=1):
        here = drawn(alone, f"body > figure:nth-of-type({i})", plotly)
        there = drawn(app, f".st-key-{key}", plotly)
        if name == "atlas_map":  # names are placed where there is room, in a wider window others than in a narrow one
            here, there = ({n: c for n, c in of[0].items() if re.fullmatch(r"0\.\d\d|\d+", n)} for of in (here, there))
            assert set(here) and set(here) ^ set(there) <= {n for n in {*here, *there} if len(n) == 4}
        else:
            assert here == there, name
    for page in (alone, app):
        assert page.title() != "owned" and page.locator("img[src=x]").count() == 0
