"""Population: what is shown is what was measured, a choice narrows it, and a model without it says how to get it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from app.screens.population import picked
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.make.data.sequences import Sequences, Task
from fame.make.evaluate import popularity_ranks
from fame.make.population import measure_population, some_of
from fame.make.private import SHORTEST
from fame.population import leaders_of, overall, say_leaders, slices_of
from fame.text import percent
from tests.app import browser as real
from tests.app.conftest import Open
from tests.app.small import NASTY

OpenApp = Callable[..., AppTest]
U = 300


def with_population(bundle: Bundle, keep: bool) -> Bundle:
    """The bundle with what its model does with 300 random histories."""
    rng, n = np.random.default_rng(0), bundle.catalogue.n_items
    lengths = rng.integers(2, 7, U)
    taken = [rng.permutation(n)[: length + 1] + 1 for length in lengths]
    items = np.concatenate([row[:-1] for row in taken])
    histories = Sequences(np.arange(U).astype(str), items, np.concatenate([[0], np.cumsum(lengths)]))
    task = Task(histories, np.array([row[-1] for row in taken]))
    task = task if keep else some_of(task, shortest=SHORTEST)
    counts = np.concatenate([[0], 1 + np.arange(n)])
    baselines = {"the most popular": lambda some: popularity_ranks(counts, some)}
    found = measure_population(bundle.model, bundle.catalogue, task, counts, baselines, keep_histories=keep)
    return replace(bundle, population=found)


@pytest.fixture(scope="module")
def populous(small: Bundle, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path]:
    bundle = with_population(small, keep=True)
    return bundle, bundle.save(tmp_path_factory.mktemp("populous") / "tiny")


def words(app: AppTest) -> str:
    """All text of the page, without markup."""
    assert not app.exception
    bodies = [x.proto.body for x in app.get("html") if not x.proto.body.startswith("<style>")]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", " ".join(bodies))).split())


def charts(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def test_it_shows_what_was_measured(populous: tuple[Bundle, Path], open_app: OpenApp) -> None:
    bundle, folder = populous
    p = bundle.population
    assert p is not None
    app = open_app({"h": "f1-f2"}, at=folder, screen="population")
    text = words(app)
    assert re.sub(r"\s", "", say_leaders(p, bundle.catalogue.noun))[1:] in re.sub(r"\s", "", text)
    for row in overall(p).to_dict("records"):
        assert f"{row['model']} {percent(row['HR@10'])} ({percent(row['HR@10 low'])} to" in text
    use, slices, gate = charts(app)
    keys = {piece.key for piece in (*slices_of(p, bundle.catalogue.noun), *leaders_of(p))}
    clicked = [key for figure in (use, slices) for trace in figure["data"] for key in trace.get("customdata", [])]
    assert set(clicked) <= keys and len(clicked) > 9 and gate["data"]
    assert "in the order" not in text and text.count("Open history") == 0, "buttons, no words"
    [moved] = [row for row in re.findall(r"moves up most (.*?) Moves up most:", text)]
    assert bundle.catalogue.label(int(p.moved[0, 0])) in moved
    app.button(key="population_open_0").click().run()
    opened = app.session_state["fame"].state.history
    assert opened in {p.history(i) for i in range(len(p))}


def test_a_choice_narrows_the_rest_and_is_taken_away_by_its_chip(
    populous: tuple[Bundle, Path], open_app: OpenApp
) -> None:
    bundle, folder = populous
    p = bundle.population
    assert p is not None
    piece = next(piece for piece in slices_of(p, bundle.catalogue.noun) if piece.key == "last.1.1")
    leader = next(piece for piece in leaders_of(p) if (piece.mask & piece.mask).sum() > 30)
    app = open_app({"population_slice": piece.key}, at=folder, screen="population")
    count = int(piece.mask.sum())
    assert f"Shown: {count:,} histories, those where" in words(app)
    use, slices, _ = charts(app)
    whole = charts(open_app(at=folder, screen="population"))
    assert slices == whole[1], "the picture that is clicked stays as it is"
    assert use != whole[0]
    app.selectbox(key="population_lead").set_value(leader.key).run()
    assert f"Shown: {int((piece.mask & leader.mask).sum()):,} histories" in words(app)
    assert app.session_state["fame"].state.options["population_lead"] == leader.key
    app.button(key="population_slice_chip").click().run()
    assert f"Shown: {int(leader.mask.sum()):,} histories" in words(app)
    assert "population_slice" not in app.session_state["fame"].state.options
    assert charts(app)[0] == whole[0], "a leader's choice leaves the picture of leaders as it is"


def test_two_choices_without_a_common_history_say_so(small: Bundle, open_app: OpenApp, tmp_path: Path) -> None:
    bundle = with_population(small, keep=False)
    p = bundle.population
    assert p is not None
    p = replace(p, gate=np.where(p.last[0][:, :1], [[1, 0, 0]], [[0, 1, 0]]).astype(np.float16))
    folder = replace(bundle, population=p).save(tmp_path / "tiny")
    app = open_app({"population_slice": "last.1.1", "population_lead": "head.2"}, at=folder, screen="population")
    assert "No history is in both" in words(app) and not charts(app)
    app = open_app({"h": "none"}, at=folder, screen="population")
    assert "The history is empty. Add" in words(app)


def test_a_private_log_and_a_model_without_any(small: Bundle, folder: Path, open_app: OpenApp, tmp_path: Path) -> None:
    private = with_population(small, keep=False).save(tmp_path / "tiny")
    app = open_app({"h": "f1-f2"}, at=private, screen="population")
    assert "treats most alike" in words(app) and "this log may not be passed on" in words(app)
    assert not [button for button in app.button if str(button.key).startswith("population_open")]
    text = words(open_app(screen="population"))
    assert "No population was measured for this model" in text and "fame population" in text


def test_links_that_do_not_fit_and_names_that_are_attacks(small: Bundle, open_app: OpenApp, tmp_path: Path) -> None:
    frame = small.catalogue.to_frame()
    frame["genres"] = [f"{NASTY}{n % 2}|</script><b>{n % 3}" for n in range(len(frame))]
    frame["title"] = [f"{NASTY} {n}" for n in range(len(frame))]
    bundle = replace(small, catalogue=Catalogue.from_frame(pd.DataFrame(frame)), examples=())
    folder = with_population(bundle, keep=True).save(tmp_path / "tiny")
    app = open_app({"population_slice": NASTY, "population_lead": "head.99"}, at=folder, screen="population")
    assert len(app.warning) == 2 and NASTY in words(app)
    app = open_app({"population_slice": "last.1.1"}, at=folder, screen="population")
    raw = [x.proto.body for x in app.get("html") if not x.proto.body.startswith("<style>")]
    assert not any("<img" in body or "<script" in body for body in raw)
    assert not any("<img" in chart.proto.spec for chart in app.get("plotly_chart"))
    assert NASTY not in app.button(key="population_slice_chip").label, "a chip's words are no Markdown"


@pytest.mark.parametrize(
    ("event", "key"),
    [
        ({"selection": {"points": [{"customdata": "head.1"}]}}, "head.1"),
        ({"selection": {"points": [{"customdata": ["head.1"]}]}}, "head.1"),
        *((event, "") for event in (None, {}, {"selection": {"points": []}}, {"selection": {"points": [{}]}}, 7)),
        ({"selection": {"points": [{"customdata": 3}]}}, ""),
    ],
)
def test_what_a_click_tells(event: object, key: str) -> None:
    assert picked(event) == key


@pytest.fixture(scope="module")
def address(populous: tuple[Bundle, Path]) -> Iterator[str]:
    with real.served(populous[1]) as url:
        yield url


@pytest.mark.browser
def test_a_click_on_a_slice_and_on_a_head(address: str, open_page: Open, populous: tuple[Bundle, Path]) -> None:
    page = open_page(f"{address}/population?h=f1-f2")
    disc = ".st-key-population_{}_wide .scatterlayer .trace:has(.errorbars, .point) .point"
    page.locator(disc.format("slices_0")).last.click(force=True)
    chip = page.locator(".st-key-population_slice_chip button").first  # a tip doubles it, for phones
    expect(chip).to_be_visible()
    page.wait_for_url(re.compile("population_slice="))
    expect(page.get_by_text("histories, those where")).to_be_visible()
    real.settle(page)
    page.locator(disc.format("use_1")).last.click(force=True)  # the first ones mark an equal share
    page.wait_for_url(re.compile("population_lead="))
    expect(page.locator(".st-key-population_lead_chip button").first).to_be_visible()
    chip.focus()
    page.keyboard.press("Enter")
    expect(chip).to_have_count(0)
    expect(page.locator(".st-key-population_lead_chip button").first).to_be_visible()
