"""Bad input on every screen: a plain sentence and a way on, never a traceback, never a title that becomes markup.

What Story and the bar do with broken links is in test_story.py and test_state.py.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from fame.bundle import Bundle, Example
from fame.catalogue import Catalogue
from fame.make import maps
from tests.app import browser as real
from tests.app.conftest import Open
from tests.app.small import NASTY, make_bundle, measured
from tests.app.visitor import Wrong, visit

OpenScreen = Callable[..., AppTest]
OTHERS = ["merge", "experts", "atlas", "evidence"]


def hostile(heads: int = 3, experts: int = 2, max_len: int = 6) -> Bundle:
    """A bundle with maps in which every text is an attack: titles, attributes and examples."""
    bundle = make_bundle(heads, experts, max_len)
    frame = bundle.catalogue.to_frame()
    frame["title"] = [f"{NASTY} {n}" for n in range(len(frame) - 1)] + ["\u202e" + "W" * 400]
    for name in ("genres", "director"):
        frame[name] = [f"{NASTY}{n % 2}|</script><b>{n % 3}" for n in range(len(frame))]
    examples = (Example(NASTY, NASTY, ("f1", "f2", "f3")),)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "_umap", lambda x, seed: maps._pca(x)[:, ::-1])  # UMAP takes its time to import
        atlas = maps.build_atlas(bundle.model)
    catalogue = Catalogue.from_frame(pd.DataFrame(frame))
    evidence = measured(bundle.model, catalogue)
    for a, attribute in enumerate(evidence["attributes"]):
        attribute["name"] = f"{NASTY}{a}"
    told = [{"head": h + 1, "attribute": f"{NASTY}0", "why": NASTY} for h in range(heads)]
    gate = dict.fromkeys(("accuracy", "margin", "constant", "control_high", "ceiling"), 0.5)
    evidence |= {"verdicts": told, "rule": NASTY}
    evidence["recovery"] = {"gate": gate, "router": {NASTY: gate | {"head": 1}}}
    evidence["experts"]["lift_q"] = zeros(evidence["experts"]["lift_q"])
    return replace(bundle, catalogue=catalogue, atlas=atlas, examples=examples, evidence_json=evidence)


def zeros(nested: Any) -> Any:
    return [zeros(x) for x in nested] if isinstance(nested, list) else 0.0


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile().save(tmp_path_factory.mktemp("hostile") / "tiny")


@pytest.fixture(scope="session")
def hostile_address(hostile_folder: Path) -> Iterator[str]:
    with real.served(hostile_folder) as url:
        yield url


@pytest.fixture
def open_screen(hostile_folder: Path, monkeypatch: pytest.MonkeyPatch) -> OpenScreen:
    """A screen under AppTest, opened by a link with these parameters."""

    def run(screen: str, params: dict[str, str] | None = None, at: Path = hostile_folder) -> AppTest:
        monkeypatch.setenv("FAME_BUNDLE", str(at))
        app = AppTest.from_file(str(real.ROOT / "app" / "main.py"), default_timeout=60)
        app._page_hash = calc_hash(screen)  # AppTest.switch_page knows pages that are files only
        for name, value in (params or {}).items():
            app.query_params[name] = value
        return app.run()

    return run


def said(app: AppTest) -> str:
    """All that is said on the page, once it is sure that there is no traceback and no markup of others on it."""
    assert not app.exception
    words = [x.proto.body for x in app.get("html") if not x.proto.body.startswith("<style>")]
    assert not any("<img" in text or "<script" in text for text in words)
    assert not any(NASTY in x.value for x in app.markdown)
    return " ".join([*words, *(x.value for x in app.warning)])


@pytest.mark.parametrize("screen", ["merge", "experts"])
def test_an_empty_history(open_screen: OpenScreen, screen: str) -> None:
    assert "Add an item above, or open an example" in said(open_screen(screen, {"h": "none"}))


@pytest.mark.parametrize("history", ["f1", "f1-f1-f1-f1-f1-f1-f1-f1", "-".join(["f2", "f3"] * 200)])
@pytest.mark.parametrize("screen", OTHERS)
def test_histories_too_short_and_too_long(open_screen: OpenScreen, screen: str, history: str) -> None:
    text = said(open_screen(screen, {"h": history, "film": "f1"}))
    assert ("400 items; the last 200 are kept" in text) == (len(history) > 100)


@pytest.mark.parametrize("screen", OTHERS)
def test_a_link_with_nothing_right_in_it(open_screen: OpenScreen, screen: str) -> None:
    wrong = dict.fromkeys(["k", "seen", "head", "film", "gate", "off", "router", "hold"], NASTY)
    own = dict.fromkeys(
        ["merge_values", "merge_a", "merge_b", "experts_map", "experts_measure", "experts_gate", "atlas_left",
         "atlas_right", "atlas_kind", "atlas_colour", "atlas_values", "atlas_layers", "evidence_by"], NASTY,
    )  # fmt: skip
    app = open_screen(screen, {"h": f"f1-{NASTY}", "m": NASTY, **wrong, **own})
    assert said(app) and len(app.warning) == 2 + len(wrong) + sum(name.startswith(screen) for name in own)
    assert not any(name.startswith(screen) for name in app.session_state["fame"].state.options)


@pytest.mark.parametrize("screen", OTHERS)
def test_nothing_left_to_recommend(open_screen: OpenScreen, screen: str, tmp_path: Path) -> None:
    folder = hostile(max_len=40).save(tmp_path / "tiny")
    everything = "-".join([*(f"f{n}" for n in range(1, 30)), "a%2Db%2Cc"])
    said(open_screen(screen, {"h": everything, "k": "50"}, at=folder))
    said(open_screen(screen, {"h": everything, "k": "50", "seen": "1"}, at=folder))


@pytest.mark.parametrize(("heads", "experts"), [(1, 1), (1, 3), (8, 1), (12, 2)])
@pytest.mark.parametrize("screen", OTHERS)
def test_models_of_other_shapes(open_screen: OpenScreen, screen: str, heads: int, experts: int, tmp_path: Path) -> None:
    folder = hostile(heads, experts).save(tmp_path / "tiny")
    said(open_screen(screen, {"h": "f1-f2", "head": str(heads), "off": "1" if heads > 1 else ""}, at=folder))


@pytest.mark.parametrize("screen", OTHERS)
def test_a_damaged_bundle(open_screen: OpenScreen, screen: str, tmp_path: Path) -> None:
    folder = hostile().save(tmp_path / "tiny")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-1])
    text = said(open_screen(screen, at=folder))
    assert "model.safetensors" in text and "again" in text


def test_a_model_that_cannot_be_opened_is_left_again(open_screen: OpenScreen, tmp_path: Path) -> None:
    whole, broken = (hostile().save(tmp_path / name) for name in ("whole", "broken"))
    (broken / "model.safetensors").write_bytes(b"")
    app = open_screen("", {"h": "f3-f1"}, at=f"{whole}{os.pathsep}{broken}")
    app.selectbox(key="bar_choice").set_value("broken").run()
    assert "model.safetensors" in said(app)
    app.query_params["m"] = "whole"  # as the page's own link does
    app.run()
    assert "cannot be shown" not in said(app)


def test_a_bundle_that_is_saved_again_goes_on_with_the_ids_of_the_link(open_screen: OpenScreen, tmp_path: Path) -> None:
    folder = hostile().save(tmp_path / "tiny")
    app = open_screen("", {"h": "f3-f1"}, at=folder)
    bundle = Bundle.load(folder)
    backwards = Catalogue.from_frame(bundle.catalogue.to_frame()[::-1])
    replace(bundle, catalogue=backwards).save(folder)
    app.run()
    assert not app.exception
    [bar] = [json.loads(x.proto.json) for x in app.get("bidi_component") if x.proto.component_name == "fame_bar"]
    assert [film["row"] for film in bar["history"]] == [backwards.row("f3"), backwards.row("f1")]


# ---- from outside the browser

GARBAGE = [
    None, True, -1, 0, 10**400, 1.5, "", NASTY, [], [[]], {}, {"do": "add"}, {"do": "add", "row": True},
    {"do": "move", "at": -1, "to": 10**9}, {"do": "search", "text": "\x00" * 5000}, {"do": [], "at": {}},
    {"done": True}, {"done": True, "weights": ["x"], "off": []}, {"done": True, "weights": None, "off": [99]},
    {"done": True, "weights": [1e308] * 3, "off": [0, 1, 2]}, {"done": False, "weights": [-1, 0, 0], "off": "x"},
    {"head": True, "expert": 10**9}, {"film": [1]}, {"row": "1"},
]  # fmt: skip
SENT_BY = {
    "": [("bar", "act"), ("story", "pick")],
    "merge": [("merge_table", "gate"), ("merge_table", "item")],
    "experts": [("experts_tiles", "pick"), ("experts_lists", "film")],
    "atlas": [("atlas_maps", "pick")],
}


@pytest.mark.browser
@pytest.mark.parametrize("screen", SENT_BY)
def test_whatever_a_component_is_made_to_send(screen: str, hostile_address: str) -> None:
    """Clicks that no browser of ours sends: the screen is drawn after each, and the history is as it was."""

    async def attack() -> None:
        async with visit(hostile_address, "h=f1-f2-f3") as visitor:
            await visitor.go(screen)
            for key, event in SENT_BY[screen]:
                for value in GARBAGE:
                    try:
                        await visitor.run((key, event, value))
                    except Wrong as error:
                        raise AssertionError(f"{key}, {event}: {str(value)[:60]}") from error
            await visitor.go("")
            history = [film["row"] for film in visitor.data("bar")["history"]]
            assert history[:3] == [1, 2, 3] and set(history[3:]) <= {1}, "true may be taken for 1"

    with ThreadPoolExecutor(1) as apart:  # in this thread Playwright's own loop may run
        apart.submit(asyncio.run, attack()).result()


# ---- in the browser

ATTACKS = """() => {
    const found = []
    const look = root => root.querySelectorAll('*').forEach(e => {
        if (e.matches('img[src=x], [onerror]')) found.push(e.outerHTML)
        if (e.shadowRoot) look(e.shadowRoot)
    })
    look(document)
    return found
}"""


@pytest.mark.browser
@pytest.mark.parametrize("screen", real.SCREENS)
def test_titles_never_become_markup(screen: str, hostile_address: str, open_page: Open) -> None:
    page = open_page(f"{hostile_address}{real.SCREENS[screen]}?h=f1-f2-f3&film=f4&k=30&seen=1&atlas_colour=genres")
    page.get_by_role("button", name="Examples").click()
    expect(page.get_by_role("menuitem").first).to_contain_text(NASTY)
    page.keyboard.press("Escape")
    page.get_by_role("combobox", name="Add an item to the history").fill("img src")
    expect(page.get_by_role("option").first).to_contain_text("<img src=x")
    page.keyboard.press("Escape")
    for summary in page.locator("details:not([open]) > summary").all():
        summary.click()
    for chart in page.locator(".stPlotlyChart").all():
        expect(chart.locator(".main-svg").first).to_be_visible()
        chart.hover()
    for css in (".item", ".chip", "[data-at]", "td.cell", "td.share", ".field", ".stage"):
        if page.locator(css).count():
            page.locator(css).last.hover(force=True)
    for box in page.get_by_role("combobox").filter(visible=True).all():
        box.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Escape")
    assert page.evaluate(ATTACKS) == []
    assert "owned" not in page.title()
