"""Story under AppTest: what is on the page is what the trace says, and bad input gets a plain sentence."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.widgets import KEYS
from fame import explain
from fame.bundle import Bundle
from tests.app.conftest import OpenApp
from tests.app.small import NASTY, make_bundle, measured


def component(app: AppTest, name: str) -> dict[str, Any]:
    """What a browser component was given to draw."""
    [found] = [x.proto for x in app.get("bidi_component") if x.proto.component_name == f"fame_{name}"]
    return json.loads(found.json)


def page_text(app: AppTest) -> str:
    return " ".join(x.proto.body for x in app.get("html") if not x.proto.body.startswith("<style>"))


def check(app: AppTest, bundle: Bundle, rows: list[int], k: int = 10, seen: bool = True) -> dict[str, Any]:
    """The picture shows this history's lists, shares and ranks."""
    assert not app.exception
    trace, data = bundle.trace(rows=rows), component(app, "story")
    H = bundle.config.n_heads
    for head in (*range(H), None):
        wanted = trace.ranking(head=head, exclude_history=seen)[:k]
        assert data["lists"][H if head is None else head] == wanted.tolist()
    np.testing.assert_allclose(data["gate"], trace.gate[-1], rtol=1e-6)
    for text, film in data["items"].items():
        row = int(text)
        assert film["title"] == bundle.catalogue.title[row]
        np.testing.assert_allclose(sum(film["shares"]), film["score"], atol=1e-4)
        np.testing.assert_allclose(film["score"], trace.scores[row], rtol=1e-6)
        if seen and row in trace.items:
            assert film["ranks"] == [None] * (H + 1)
        else:
            assert film["ranks"][:H] == explain.head_ranks(trace, [row], seen)[:, 0].tolist()
    assert [film["title"] for film in data["history"]] == bundle.catalogue.title[trace.items].tolist()
    np.testing.assert_allclose(np.sum([film["attention"] for film in data["history"]], axis=0), 1, atol=1e-5)
    return data


def test_a_first_visit_opens_with_the_first_example(open_app: OpenApp, small: Bundle) -> None:
    app = open_app()
    data = check(app, small, [1, 2, 3])
    winner = int(small.trace(rows=[1, 2, 3]).ranking()[0])
    assert data["chosen"] == winner
    assert f"<b>{small.catalogue.title[winner]}</b> is first" in page_text(app)
    bar = component(app, "bar")
    assert bar["link"] == "m=tiny&h=f1-f2-f3"
    assert not bar["undo"] and not bar["redo"]
    assert not app.query_params, "an untouched first visit leaves the address alone"


@pytest.mark.parametrize("example", range(4))
def test_every_example(open_app: OpenApp, small: Bundle, example: int) -> None:
    items = small.examples[example].items
    link = "-".join(item.replace("-", "%2D").replace(",", "%2C") for item in items)
    app = open_app({"h": link})
    check(app, small, small.rows(items))
    assert not app.warning


def test_a_link_opens_the_same_screen(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f4-f5", "k": "3", "seen": "1", "film": "f9"})
    data = check(app, small, [4, 5], k=3, seen=False)
    assert data["chosen"] == 9
    assert "<b>Total Recall</b> is " in page_text(app)
    assert app.toggle(key="story_seen").value is False
    assert app.number_input(key="story_k").value == 3
    app.toggle(key="story_seen").set_value(True).run()
    check(app, small, [4, 5], k=3)
    assert app.query_params == {"h": "f4-f5", "k": "3", "film": "f9"}
    app.number_input(key="story_k").set_value(7).run()
    check(app, small, [4, 5], k=7)


def test_a_chosen_film_of_the_history_is_said_to_be_seen(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f4-f5", "film": "f5"})
    assert check(app, small, [4, 5])["chosen"] == 5
    assert "is in the history" in page_text(app)


def test_an_empty_history_says_what_to_do(open_app: OpenApp) -> None:
    app = open_app({"h": "none"})
    assert not app.exception
    assert "Add an item above, or open an example" in page_text(app)
    assert component(app, "bar")["history"] == []
    app.button(key="empty_1").click().run()
    assert [film["row"] for film in component(app, "bar")["history"]] == [5] and app.query_params == {"h": "f5"}


def test_an_over_long_history_says_what_is_dropped(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "-".join(f"f{row}" for row in range(1, 10))})
    check(app, small, list(range(1, 10)))
    bar = component(app, "bar")
    assert bar["dropped"] == 3 and len(bar["history"]) == 9
    assert bar["note"] == "This model reads the last 6 items: the 3 oldest are not read, only kept out of the lists."


def test_nothing_left_to_recommend_says_what_to_do(open_app: OpenApp, tmp_path: Path) -> None:
    bundle = make_bundle(max_len=40)
    everything = {"h": "-".join([*(f"f{row}" for row in range(1, 30)), "a%2Db%2Cc"])}
    folder = bundle.save(tmp_path / "other")
    app = open_app(everything, at=folder)
    assert not app.exception and "switch off &#x27;Hide items already seen&#x27;" in page_text(app)
    app.toggle(key="story_seen").set_value(False).run()
    check(app, bundle, list(range(1, 31)), seen=False)


def test_broken_parts_of_a_link_are_said(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f1-nothing", "k": "many", "m": "unheard-of", "gate": "1-2"})
    check(app, small, [1])
    said = [warning.value for warning in app.warning]
    assert said == [
        "The link asks for the model 'unheard-of', which is not here; this is tiny.",
        "One item is not in this catalogue and left out: nothing.",
        "The link's number of items could not be used: “many” is not a whole number from 1 to 50.",
        "The link's gate could not be used: gate has 2 weights; this model has 3 heads.",
    ]


def test_html_in_a_title_is_text(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"h": "f1-f2", "film": "a-b,c", "k": "50"})
    check(app, small, [1, 2], k=50)
    text = page_text(app)
    assert "<img" not in text and "&lt;img src=x" in text
    assert not any(NASTY in x.value for x in app.markdown)


@pytest.mark.parametrize("heads", [1, 8])
def test_one_head_and_eight(open_app: OpenApp, tmp_path: Path, heads: int) -> None:
    bundle = make_bundle(heads=heads)
    app = open_app({"h": "f1-f2-f30"}, at=bundle.save(tmp_path / "other"))
    check(app, bundle, [1, 2])


def test_a_changed_model_is_said_with_a_way_back(open_app: OpenApp, small: Bundle) -> None:
    app = open_app({"off": "2", "gate": "1-1-2"})
    data = component(app, "story")
    np.testing.assert_allclose(data["gate"], [1 / 3, 0, 2 / 3], rtol=1e-6)
    assert "Changed by you: the gate is set by hand, head 2 is off." in page_text(app)
    app.button(key="bar_own").click().run()
    check(app, small, [1, 2, 3])
    assert not app.query_params


@pytest.mark.parametrize(
    ("gate", "usual"),
    [
        ({"mean": [0.5, 0.3, 0.2], "entropy": 0.9}, [0.5, 0.3, 0.2]),
        ({"mean": [0.5, 0.5]}, None),
        ([1], None),
        ({"mean": ["<b>", None, 3]}, None),
    ],
)
def test_the_usual_gate_stands_beside_it_where_it_is_known(
    open_app: OpenApp, small: Bundle, tmp_path: Path, gate: Any, usual: list[float] | None
) -> None:
    evidence = measured(small.model, small.catalogue) | {"gate": gate}
    app = open_app(at=replace(small, evidence_json=evidence).save(tmp_path / "other"))
    assert check(app, small, [1, 2, 3])["usual"] == usual


SPOILT = {
    "missing": (shutil.rmtree, "no such directory"),
    "half written": (lambda b: (b / "manifest.json").unlink(), "manifest.json: missing"),
    "altered": (lambda b: (b / "items.csv").write_text("item_id\nx"), "items.csv: altered since the bundle was saved"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_bundle_that_cannot_be_read_is_one_plain_sentence(
    open_app: OpenApp, folder: Path, tmp_path: Path, how: str
) -> None:
    spoil, message = SPOILT[how]
    copy = shutil.copytree(folder, tmp_path / "spoilt")
    spoil(copy)
    app = open_app(at=copy)
    assert not app.exception and not app.error
    assert "This cannot be shown" in page_text(app) and message in page_text(app)


def test_items_are_called_what_the_catalogue_calls_them(open_app: OpenApp, folder: Path, shipped: Path) -> None:
    for at, one in ((folder, "item"), (shipped, "film")):
        app = open_app({"h": "none"}, at=at)
        assert component(app, "bar")["noun"]["a"] == f"a{'n' * (one == 'item')} {one}"
        app = open_app(at=at)
        assert app.toggle(key="story_seen").label == f"Hide {one}s already seen"
        assert app.selectbox(key="story_film").label == f"{one.capitalize()} to explain"


def test_the_shipped_bundle_with_every_example(open_app: OpenApp, shipped: Path) -> None:
    bundle = Bundle.load(shipped)
    for example in bundle.examples:
        app = open_app({"h": "-".join(example.items)}, at=shipped)
        check(app, bundle, bundle.rows(example.items))


def test_a_late_word_about_a_widgets_old_value_is_no_choice(open_app: OpenApp) -> None:
    """What the browser reports of a box that has since moved on, with the next click elsewhere, changes nothing."""
    app = open_app({"h": "f1-f2-f3"})
    before = app.selectbox(key="story_film").value
    app.query_params["h"] = "f4-f5"  # the browser's back button: another first film
    app.run()
    after = app.selectbox(key="story_film-1")
    assert after.value != before
    assert "film" not in app.query_params
    after.set_value(9).run()
    assert app.query_params["film"] == "f9"
    assert app.selectbox(key="story_film-1").value == 9, "the visitor's own choice keeps the box, and so the focus"


def test_a_long_visit_takes_no_more_keys_than_a_short_one(open_app: OpenApp) -> None:
    """Streamlit keeps every key of a session; a box that moves on and on must not take a new one each time."""
    app = open_app({"h": "f1-f2-f3"})
    seen = []
    for row in [5, 6, 7, 8] * KEYS:
        app.query_params["film"] = f"f{row}"
        app.run()
        [box] = [box for box in app.selectbox if box.key.startswith("story_film")]
        assert box.value == row and app.query_params["film"] == f"f{row}"
        seen.append(box.key)
    assert all(a != b for a, b in pairwise(seen)) and len(set(seen)) == KEYS


def test_heads_have_the_names_that_the_evidence_gives_them(open_app: OpenApp, small: Bundle, tmp_path: Path) -> None:
    told = [{"head": h + 1, "attribute": name, "why": ""} for h, name in enumerate((None, "genres", None))]
    evidence = measured(small.model, small.catalogue) | {"verdicts": told}
    named = replace(small, evidence_json=evidence).save(tmp_path / "named")
    assert component(open_app(at=named), "story")["called"] == ["Head 1", "Head 2 · genres", "Head 3"]
    assert component(open_app(at=named, screen="merge"), "merge")["names"] == ["", "genres", ""]
    heads = open_app(at=named, screen="experts").segmented_control(key="experts_head")
    assert heads.options == ["Head 1", "Head 2 · genres", "Head 3"]
    told[1]["attribute"] = "<b>mood"  # was not probed
    plain = replace(small, evidence_json=evidence).save(tmp_path / "plain")
    assert component(open_app(at=plain), "story")["called"] == ["Head 1", "Head 2", "Head 3"]
