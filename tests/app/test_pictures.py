"""One drawing per picture: a page written from Python and the app show the same numbers, and both print whole."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page

import fame
from fame import plots
from fame.bundle import Bundle
from tests.app.conftest import Open

pytestmark = pytest.mark.browser
ROWS = [4, 9, 2]
LINK = "h=f4-f9-f2"


def story_says(page: Page) -> list[str | None]:
    rows = page.locator(".columns .item")
    rows.first.wait_for()
    parts = page.locator(".final .stack i").evaluate_all("nodes => nodes.map(n => n.style.width + n.className)")
    pipes = page.locator(".pipes .full").count()
    spoken = [row.get_attribute("aria-label") for row in rows.all()]
    return [*spoken, *parts, *page.locator(".gate").all_inner_texts(), str(pipes)]


def merge_says(page: Page) -> list[str]:
    page.locator("tbody .total").first.wait_for()
    return [re.sub(r"\s+", " ", text) for text in page.locator("tbody tr").all_inner_texts()]


def beats_says(page: Page) -> list[str]:
    page.locator(".bar").first.wait_for()
    return [re.sub(r"\s+", " ", text) for text in page.locator(".row:has(.bar)").all_inner_texts()]


@pytest.mark.parametrize("name", ["story", "merge", "beats"])
def test_python_and_the_app_draw_the_same_numbers(
    name: str, open_page: Open, small_address: str, small: Bundle, chromium: object, tmp_path: Path
) -> None:
    trace = small.trace(rows=ROWS)
    first, second = trace.ranking()[:2].tolist()
    picture = {
        "story": lambda: plots.story(small, trace, 5),
        "merge": lambda: plots.merge(small, trace, 5),
        "beats": lambda: plots.beats(trace, rows=(first, second)),
    }[name]()
    says = {"story": story_says, "merge": merge_says, "beats": beats_says}[name]
    app = open_page(f"{small_address}/{'' if name == 'story' else 'merge'}?{LINK}&k=5")
    shown = says(app)
    assert len(shown) > 3
    app.goto(picture.save(tmp_path / "picture.html").as_uri())
    assert says(app) == shown


def test_pipes_enter_no_other_heads_list(open_page: Open, small_address: str) -> None:
    """A share's way lies in gutters, over the lists and in the bars: at the height of the rows, never inside a list."""
    page = open_page(f"{small_address}/?{LINK}")
    page.locator(".pipes .full").first.wait_for()
    inside = page.locator(".columns").evaluate("""root => {
      const lists = [...root.querySelectorAll('.column:not(.final) ol')].map(list => list.getBoundingClientRect())
      const home = root.querySelector('.pipes').getBoundingClientRect()
      let hits = 0
      for (const pipe of root.querySelectorAll('.pipes path.full, .pipes path.faint'))
        for (const box of lists)
          for (let x = box.left + 4; x < box.right - 4; x += 8)
            for (let y = box.top + 2; y < box.bottom; y += 6)
              hits += pipe.isPointInFill(new DOMPoint(x - home.left, y - home.top))
      return hits
    }""")
    assert inside == 0


def test_the_joined_pipe_is_the_scores_bar(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/?{LINK}")
    page.locator(".pipes .full").first.wait_for()
    ends, parts = page.locator(".columns").evaluate("""root => {
      const home = root.querySelector('.pipes').getBoundingClientRect()
      const ends = [...root.querySelectorAll('.pipes .full')].map(path => {
        const [, right, , left] = path.getAttribute('d').match(/L([^,LQ]+),([^,LQ]+)L([^,LQ]+),\\2/)
        return [Number(left), Number(right)]
      })
      const bars = [...root.querySelectorAll('.final .item.lit .stack i')].map(bar => bar.getBoundingClientRect())
      return [ends, bars.map(bar => [bar.left - home.left, bar.right - home.left])]
    }""")
    assert len(ends) == len(parts) > 0
    for one, other in zip(sorted(ends), sorted(parts), strict=True):
        assert one == pytest.approx(other, abs=1.5)


@pytest.mark.parametrize("width", [390, 1280])
def test_numbers_say_what_they_are_to_the_keyboard(width: int, open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/?{LINK}", width=width, height=720)
    page.locator(".gate").focus()
    page.keyboard.press("ArrowRight")
    tip = page.locator(".tip.rich")
    assert "% of the gate" in tip.inner_text()
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_ten_rows_fit_a_projector(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/?{LINK}", width=1280, height=720)
    box = page.locator(".final .item").nth(9).bounding_box()
    assert box is not None and box["y"] + box["height"] <= 720


def test_a_page_prints_whole_and_light(open_page: Open, small_address: str, small: Bundle, tmp_path: Path) -> None:
    page = open_page(small_address)
    picture = plots.story(small, small.trace(rows=ROWS), theme="dark")
    page.goto(picture.save(tmp_path / "story.html").as_uri())
    page.locator(".columns .item").first.wait_for()
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".scroll").first.evaluate("node => getComputedStyle(node).overflowX") == "visible"
    assert b"/Type /Page\n" in page.pdf() or b"/Count 1" in page.pdf(), "it needs more than one sheet"
    assert page.locator(".root.files").is_hidden()


@pytest.mark.parametrize("screen", ["experts", "evidence", "population"])
def test_a_chart_leaves_with_its_origin_and_has_no_other_button(
    screen: str, open_page: Open, address: str, shipped: Path, tmp_path: Path
) -> None:
    page = open_page(f"{address}/{screen}?off=2")
    charts = page.locator(".stPlotlyChart")
    assert charts.count() and not page.locator(".modebar-btn").count(), "nothing of Plotly's own saves or sends it"
    controls = page.locator(".stVerticalBlock[class*=_wide]")
    assert controls.count() == charts.count()
    digest = f"Bundle: {Bundle.load(shipped).digest[:12]}, FAME {fame.__version__}"
    for control in controls.all():
        for form in ("SVG", "PNG"):
            with page.expect_download() as saving:
                control.get_by_role("button", name=f"Save this picture as {form}").click()
            file = tmp_path / saving.value.suggested_filename
            saving.value.save_as(file)
            assert file.name.startswith(f"fame-{shipped.name}-") and file.suffix == f".{form.lower()}"
            if form == "SVG":
                root = ET.fromstring(file.read_text("utf-8"))
                origin = root.findtext("{http://www.w3.org/2000/svg}metadata") or ""
            else:
                with Image.open(file) as png:
                    png.load()  # each chunk's sum is checked
                    origin = png.info["Description"]
            said = origin.splitlines()
            assert f"Model: {shipped.name}" in said and digest in said
            assert any(line.startswith("Link: ") and f"/{screen}?" in line for line in said)
            of_a_trace = screen == "experts"
            assert ("What if: head 2 is off" in said) == of_a_trace == ("History: " in origin), origin
