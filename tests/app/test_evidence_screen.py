"""Evidence: what was measured is shown as it was measured, and a model without it says so."""

from __future__ import annotations

import copy
import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from fame.bundle import Bundle, load
from fame.evidence import SLICES, Interval, Verdict, why
from tests.app import browser as real
from tests.app.conftest import Open
from tests.app.small import measured

OpenApp = Callable[..., AppTest]
SHIPPED = ["ml-1m", "ml-1m-paper", "ml-1m-guided", "planted", "planted-plain"]


@pytest.fixture(scope="module")
def evident(small: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The small bundle with evidence."""
    bundle = replace(small, evidence_json=measured(small.model, small.catalogue))
    bundle.save(tmp_path_factory.mktemp("evident") / bundle.name)
    return bundle


def words(app: AppTest) -> str:
    """All text of the page, without markup."""
    assert not app.exception
    bodies = [x.proto.body for x in app.get("html") if not x.proto.body.startswith("<style>")]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)) for body in bodies)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_bundle_that_ships(name: str, open_app: OpenApp) -> None:
    folder = real.ROOT / "artifacts" / name
    if not (folder / "manifest.json").is_file():
        pytest.skip(f"no bundle artifacts/{name}")
    bundle = load(folder)
    found = bundle.evidence
    app = open_app(at=folder, screen="evidence")
    text = words(app)
    assert bundle.summary and bundle.summary in text
    assert ("asked for, not found" in text) is bool(found.guided)
    [told] = [x.proto.json for x in app.get("bidi_component") if x.proto.component_name == "fame_about"]
    assert ("Slices of a SASRec" in told) is (SLICES in found.spaces)
    for verdict in found.verdicts:
        assert verdict.why in text
    for name in ("HR@10", "NDCG@10"):
        assert re.search(rf"{name}\s+{bundle.metrics[name]:.3f}", text), "how well it recommends, as its card says"
    said = re.sub(r"\s+(?=[.,])", "", re.sub(r"\s+", " ", text))  # badges stand in tags of their own
    assert found.answer()[0].split(" (")[0] in said
    assert ("What gate and routers follow" in text) == bundle.simulated
    if bundle.simulated:
        gate = found.recovered[0]
        shown = rf"gate\s+{gate.accuracy:.0%} ± {gate.margin:.0%}\s+{gate.observer:.0%}\s+{gate.constant:.0%}"
        assert re.search(shown, text)
    pictures = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    assert len(pictures) == 3
    [box] = [b for b in app.selectbox if b.label == "Attribute"]
    assert box.options == list(found.attributes)
    box.select("decade").run()
    assert app.query_params["evidence_by"] in ("decade", ["decade"])
    values = json.loads(app.get("plotly_chart")[1].proto.spec)
    assert values["layout"]["xaxis"]["ticktext"] == list(found.values[found.attributes.index("decade")])


def test_what_experts_look_at(evident: Bundle, open_app: OpenApp, tmp_path: Path) -> None:
    evidence = copy.deepcopy(evident.evidence_json)
    experts, values = evidence["experts"], evidence["attributes"][0]["values"]
    experts["lift_q"] = [[[[1.0] * 3] * 2] * 2 for _ in range(3)]
    experts["lift"][1][0][0], experts["lift_low"][1][0][0] = [2.5, 0.4, 1.0], [2.0, 0.3, 0.9]
    experts["lift_q"][1] = [[[0.01, 0.02, 0.9], [1.0] * 3], [[1.0] * 3] * 2]
    experts["router_mean"][1], experts["router_first"][1] = [0.25, 0.75], [0.1, 0.9]
    experts["dead"][1] = [False, True]
    evidence["gate"]["entropy"], experts["router_entropy"] = 0.5, [0.1, 0.2, 1.0]
    evidence["dci"] = dict.fromkeys(("disentanglement", "random_disentanglement"), 0.25)
    evidence["dci"] |= dict.fromkeys(("completeness", "random_completeness"), 0.75)
    text = words(open_app(at=replace(evident, evidence_json=evidence).save(tmp_path / "x"), screen="evidence"))
    assert re.search(rf"2\s+expert 1\s+25%\s+10%\s+{values[0]} ×2.50\s+{values[1]} ×0.40\s", text)
    assert re.search(r"2\s+expert 2 \(dead\)\s+75%\s+90%\s+–\s+–", text) and "1 of 6 experts are dead" in text
    assert re.search(r"the gate\s+0.50\s*, the routers\s+1\s+0.10\s+2\s+0.20\s+3\s+1.00\s*\.", text)
    assert re.search(
        r"Disentanglement\s+0.25\s+\(random spaces 0.25\), completeness\s+0.75\s+\(random spaces 0.75\)", text
    )


def test_an_unclear_head_is_told_by_what_it_reads_best(evident: Bundle) -> None:
    """Not by an attribute that hardly any space reads, of which a little more is a large part."""
    found = evident.evidence
    verdicts = tuple(Verdict(None, "director: average precision 0.11; but hard to read") for _ in found.verdicts)
    heads = Interval(*(np.tile([0.3, 0.59], (len(verdicts), 1)) for _ in range(3)))
    full = Interval(*(np.array([0.9, 0.95]),) * 3)
    spaces = {**found.spaces, "full embedding": full, "random spaces": Interval(*(np.array([0.5, 0.66]),) * 3)}
    told = replace(found, verdicts=verdicts, heads=heads, spaces=spaces)
    assert why(told, 0).startswith(f"It reads {found.attributes[1]} best: average precision 0.59")
    assert "where even random spaces of its width have 0.66. Held against random spaces, what leads is director" in why(
        told, 0
    )
    named = replace(told, verdicts=(Verdict(found.attributes[0], "because"), *verdicts[1:]))
    assert why(named, 0) == "because."


def test_each_column_of_numbers_has_its_sentence(evident: Bundle, open_app: OpenApp, tmp_path: Path) -> None:
    """The first column names the rows; a head's own column is told by its badge."""
    app = open_app(at=evident.save(tmp_path / evident.name), screen="evidence")
    tables = [x.proto.body for x in app.get("html") if "<table" in x.proto.body]
    assert tables
    for body in tables:
        for cell in re.findall(r"<th scope=col[^>]*>(.*?)</th>", body)[1:]:
            assert "fame-noted" in cell or "fame-badge" in cell, cell


def test_a_model_without_evidence_says_so(open_app: OpenApp) -> None:
    text = words(open_app(screen="evidence"))
    assert "this one was saved without" in text and "fame train RECIPE" in text


def test_it_is_about_the_model_and_needs_no_history(evident: Bundle, open_app: OpenApp, tmp_path: Path) -> None:
    folder = evident.save(tmp_path / "small")
    text = words(open_app({"h": "none"}, at=folder, screen="evidence"))
    assert "What each head's space knows" in text and "The history is empty" not in text


@pytest.mark.parametrize("broken", [{"probes": 5}, {"verdicts": [{"why": 1}]}, {"lists": {"rbo": [[1]]}}])
def test_evidence_of_another_form_is_a_sentence(
    broken: dict[str, object], evident: Bundle, open_app: OpenApp, tmp_path: Path
) -> None:
    folder = replace(evident, evidence_json={**evident.evidence_json, **broken}).save(tmp_path / "small")
    text = words(open_app(at=folder, screen="evidence"))
    assert "There is no evidence to show" in text and "gather it again" in text
    assert "3 heads × 2 experts" in text, "the bar is there, and leads to the other screens"


@pytest.mark.browser
def test_a_link_opens_with_its_attribute_and_the_numbers_download(address: str, open_page: Open) -> None:
    page = open_page(f"{address}/evidence?evidence_by=decade")
    expect(page.locator(".st-key-evidence_values_wide")).to_contain_text("1950s")
    with page.expect_download() as download:
        page.get_by_role("button", name="Numbers as CSV").first.click()
    lines = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    assert lines[0].startswith("space,attribute,average_precision") and lines[1].startswith("head 1,genres,")
