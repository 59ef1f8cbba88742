"""Pictures as pages and files: they stand alone, say where they are from, and let no title become markup."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fame import plots
from fame.errors import FameError
from fame.plots import export
from fame.plots.export import BROWSERS
from tests.plots.made import HOSTILE, make

needs_browser = pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no Chromium is installed")
SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_a_page_stands_alone_and_executes_no_title() -> None:
    trace = make()
    shown = [plots.story(None, trace, exclude_history=False), plots.journey(trace)]
    text = plots.page(shown, HOSTILE)
    parsed = Page()
    parsed.feed(text)
    tags = [tag for tag, _ in parsed.tags]
    assert [a["aria-label"] for tag, a in parsed.tags if tag == "figure"] == [picture.alt for picture in shown]
    assert "img" not in tags and "a" not in tags, "a title became markup"
    assert tags.count("h1") == 1
    assert not [a for tag, a in parsed.tags if tag in ("script", "link") and (a.get("src") or a.get("href"))]
    assert text.count("Plotly.newPlot(") - export.get_plotlyjs().count("Plotly.newPlot(") == 1
    assert 4_000_000 < len(text) < 7_000_000, "Plotly's script is in the page once"


def test_a_page_of_components_needs_no_plotly_and_says_its_origin() -> None:
    origin = plots.Origin("ml <b>", "Heat (1995)", "head 2 is off")
    text = plots.story(None, make(), theme="dark").with_origin(origin).html()
    assert len(text) < 200_000 and "newPlot" not in text and "color-scheme: dark" in text
    assert "<h1>ml &lt;b&gt;</h1>" in text and "<p>After Heat (1995). Changed by you: head 2 is off.</p>" in text


def test_a_chart_has_no_button_but_its_control_for_files() -> None:
    picture = plots.journey(make()).with_origin(plots.Origin("Ml 1m/guided"))
    page = picture.html()
    assert '"displayModeBar": false' in page and "Share chart" not in page[page.index('id="picture-1"') :]
    assert picture.control("#x").payload["picture"]["file"] == picture.file == "fame-ml-1m-guided-journey"


def test_a_page_without_pictures_is_refused() -> None:
    with pytest.raises(FameError, match="there is no picture"):
        plots.page([], "Nothing")


def test_a_picture_is_saved_by_its_ending(tmp_path: Path) -> None:
    picture = plots.merge(None, make(), 3)
    assert picture.save(tmp_path / "merge.html").read_text("utf-8") == picture.html()
    table = pd.read_csv(picture.save(tmp_path / "merge.csv"))
    assert table["title"].tolist() == picture.table["title"].tolist() and "row" not in table
    with pytest.raises(FameError, match=r"merge.gif: a picture is saved as .html, .csv, .svg, .png; the ending is"):
        picture.save(tmp_path / "merge.gif")
    with pytest.raises(FameError, match=r"cannot be written \(No such file or directory\)"):
        picture.save(tmp_path / "none" / "merge.csv")


def test_rows_may_be_numbers_of_numpy() -> None:
    """`trace.ranking()[0]` is one, and the way to name the first item of a list."""
    trace = make()
    first = trace.ranking()[0]
    assert isinstance(first, np.integer)
    for picture in (
        plots.story(None, trace, 3, highlight=first),
        plots.merge(None, trace, 3, highlight=first),
        plots.last_step(trace, 0, None, first),
    ):
        assert "<script" in picture.html()


def test_a_notebook_frames_the_page() -> None:
    picture = plots.story(None, make(), exclude_history=False)
    parsed = Page()
    parsed.feed(picture._repr_html_())
    [(tag, attributes)] = parsed.tags
    assert tag == "iframe" and attributes["title"] == picture.alt and "height:580px" in str(attributes["style"])
    assert attributes["srcdoc"] == picture.html(picture.title)


@needs_browser
def test_a_component_is_an_svg_whose_text_is_text_and_a_png(tmp_path: Path) -> None:
    origin = plots.Origin("tiny", HOSTILE, "head 2 is off")
    for picture in (
        plots.story(None, make(), 8, exclude_history=False, highlight=1).with_origin(origin),
        plots.merge(None, make(), 8, exclude_history=False, highlight=1).with_origin(origin),
    ):
        root = ET.fromstring(picture.save(tmp_path / "picture.svg").read_text("utf-8"))
        assert not root.findall(f".//{SVG}script") and not root.findall(f".//{SVG}image")
        said = [node.text or "" for node in root.iter(f"{SVG}text")]
        for title in picture.table["title"][-3:]:
            assert any(title.startswith(text.rstrip("…")) for text in said if len(text) > 3), title
        assert any(text.startswith("<b>bold") for text in said), "the hostile title is no text"
        assert (root.findtext(f"{SVG}metadata") or "").splitlines()[1:] == [
            "Model: tiny", f"History: {HOSTILE}", "What if: head 2 is off",
        ]  # fmt: skip
    size = [int(float(root.attrib[name])) for name in ("width", "height")]
    with Image.open(picture.save(tmp_path / "picture.png")) as png:
        png.load()  # each chunk's sum is checked
        assert list(png.size) == [2 * side for side in size]
        assert png.info["Description"] == root.findtext(f"{SVG}metadata"), "its origin"


@needs_browser
def test_a_chart_is_an_svg_of_its_lines_and_bars_that_says_its_origin(tmp_path: Path) -> None:
    picture = plots.journey(make()).with_origin(plots.Origin("tiny", HOSTILE, "head 2 is off"))
    root = ET.fromstring(picture.save(tmp_path / "picture.svg").read_text("utf-8"))
    assert not root.findall(f".//{SVG}script")
    assert all(node.get("href", "data:").startswith("data:") for node in root.iter(f"{SVG}image"))
    said = ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]
    assert "gate" in said and any(picture.title in text and picture.note in text for text in said)
    (note,) = [node for node in root.iter(f"{SVG}tspan") if node.text == picture.note]
    assert note.get("font-weight") == "400" and note.get("font-size") == "13", "smaller than the title it stands in"
    colours = {node.get("fill") for node in root.iter(f"{SVG}path")}
    assert plots.style.LOOKS["light"].heads[0].lower() in colours
    assert (root.findtext(f"{SVG}metadata") or "").splitlines() == [
        picture.title, "Model: tiny", f"History: {HOSTILE}", "What if: head 2 is off",
    ]  # fmt: skip


def test_images_name_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fame.plots.export.shutil.which", lambda name: None)
    for picture in (plots.story(None, make()), plots.journey(make())):
        with pytest.raises(FameError, match="images need Chrome or Chromium, and none is on the PATH"):
            picture.image("png")
