"""The frame in a real Chromium: undo by keys, examples, the copied link, embedding, printing, a quiet console."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.app.browser import settle
from tests.app.conftest import Open

pytestmark = pytest.mark.browser

# Elements of the page, outside of pictures, whose text is too pale for white paper.
PALE = """() => [...document.querySelectorAll('.stMainBlockContainer *')].filter(e =>
    [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
    && e.checkVisibility({ visibilityProperty: true }) && !e.closest('.fame-badge')
    && getComputedStyle(e).color.match(/[0-9.]+/g).slice(0, 3).every(part => part > 170)
).map(e => e.outerHTML.slice(0, 120))"""


def titles(page: Page) -> list[str]:
    return page.locator(".chips .name span").all_inner_texts()


def test_undo_and_redo_by_keys_but_not_in_a_box(open_page: Open, small_address: str) -> None:
    page = open_page(small_address)
    for left in (2, 1):
        page.get_by_role("button", name="Remove Toy Story" if left == 2 else "Remove Aladdin").click()
        expect(page.locator(".chip")).to_have_count(left)
        expect(page).to_have_url(re.compile(r"h=f2-f3$" if left == 2 else r"h=f3$"))
    page.locator("h1").click()
    page.keyboard.press("Control+z")
    expect(page).to_have_url(re.compile(r"h=f2-f3$"))
    page.keyboard.press("Meta+z")
    expect(page).to_have_url(f"{small_address}/")
    page.keyboard.press("Control+Shift+Z")
    expect(page).to_have_url(re.compile(r"h=f2-f3$"))
    box = page.get_by_role("combobox", name="Add an item")
    box.fill("al")
    box.press("Control+z")
    page.wait_for_timeout(700)
    assert titles(page) == ["Aladdin", "The Lion King"], "in a box the keys undo what was typed"


def test_an_example_stays_marked_and_its_line_can_be_put_away(open_page: Open, small_address: str) -> None:
    page = open_page(small_address, width=1280, height=720)
    menu = page.get_by_role("button", name="Examples")
    menu.click()
    page.get_by_role("menuitem", name="One film").click()
    expect(page.locator("p.line")).to_contain_text("What follows from one film?")
    menu.click()
    expect(page.locator(".menu [aria-current]")).to_contain_text("One film")
    assert page.locator(".menu").evaluate("e => e.scrollHeight <= e.clientHeight + 1"), "all of them can be seen"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Put away what to look for in “One film”").click()
    expect(page.locator("p.line")).to_contain_text("heads each recommend by themselves")


def test_an_example_opens_where_its_promise_is_shown(open_page: Open, small_address: str) -> None:
    """On its screen, with its head and item, on the untouched model; from another screen its line leads back."""
    page = open_page(f"{small_address}/merge?h=f4-f5&off=1&k=3&seen=1&film=f9&head=1")
    page.get_by_role("button", name="Examples").click()
    page.get_by_role("menuitem", name="Where experts look").click()
    page.wait_for_url(re.compile(r"/experts\?h=f9-f4&head=2&film=f12$"))
    expect(page.locator("h1")).to_contain_text("Experts")
    expect(page.locator("p.line")).to_contain_text("Head 2 has some say.")
    page.get_by_role("link", name="Merge", exact=True).click()
    expect(page.locator("h1")).to_contain_text("Merge")
    expect(page.locator("p.line")).to_contain_text("Head 2 has some say.")
    page.get_by_role("button", name="See it on Experts").click()
    page.wait_for_url(re.compile(r"/experts\?h=f9-f4&head=2&film=f12$"))
    expect(page.get_by_role("button", name="See it on")).to_have_count(0)


def test_the_copied_link_has_the_address_that_the_browser_shows(open_page: Open, small_address: str) -> None:
    other = small_address.replace("localhost", "127.0.0.1")
    page = open_page(f"{other}/merge?h=f4-f5")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=other)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{other}/merge?m=tiny&h=f4-f5"


def test_embedded_there_is_only_the_screen(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/merge?embed=true&off=3.1")
    expect(page.locator("h1")).to_be_visible()
    assert not page.locator(".st-key-bar_top, .st-key-bar").filter(visible=True).count()
    expect(page.locator(".fame-changed")).to_be_visible()  # what was changed is said all the same


CONTROLS = """.st-key-bar_top, .st-key-bar, .stSelectbox, .stNumberInput, .stButtonGroup, .stDownloadButton, .stPopover,
    .stPageLink, .stFileUploader, .st-key-present"""


@pytest.mark.parametrize("screen", ["what_if", "lesson", "your_log"])
def test_no_control_and_no_dark_ground_are_printed(screen: str, open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/{screen}?h=f4-f5&b=drop-1-f5", scheme="dark", width=1280)
    printed(page)
    assert "FAME · tiny" in (footer := page.locator("footer").inner_text())
    assert f"{small_address}/{screen}?m=tiny" in footer
    if screen == "what_if":
        expect(page.get_by_role("button", name="without Alien (1974)")).to_be_visible()  # what B is


@pytest.mark.parametrize("screen", ["atlas", "evidence", "population"])
def test_what_was_measured_is_printed_so_too(screen: str, open_page: Open, address: str) -> None:
    page = open_page(f"{address}/{screen}", scheme="dark", width=1280)
    maps = "() => [...document.querySelectorAll('.stage')].map(e => e.clientWidth / e.clientHeight)"
    shape = page.evaluate(maps)
    printed(page)
    assert page.evaluate(maps) == pytest.approx(shape, rel=0.01), "maps are not stretched"
    assert f"{address}/{screen}?m=" in page.locator("footer").inner_text()


def printed(page: Page) -> None:
    """On paper: no control, and words that white paper shows."""
    page.emulate_media(media="print")
    assert page.locator(CONTROLS).filter(visible=True).count() == 0
    assert page.evaluate(PALE) == []


def test_columns_stand_beside_each_other_on_paper_and_no_chart_is_shrunk(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/merge?h=f4-f5", width=1280)
    page.emulate_media(media="print")
    table, chart = (page.locator(f".st-key-merge_{name}").bounding_box() for name in ("table", "beats"))
    assert table is not None and chart is not None
    assert table["x"] + table["width"] <= chart["x"]
    zoom = "e => { let z = 1; for (; e; e = e.parentElement) z *= getComputedStyle(e).zoom; return z }"
    charts, page_zoom = (page.locator(x).first.evaluate(zoom) for x in (".st-key-merge_beats", ".stMainBlockContainer"))
    assert charts == page_zoom


def test_a_phone_shows_every_screens_name_and_says_what_scrolls(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/?h=f4-f5", width=390, height=844)
    for link in page.locator(".st-key-bar_screens a").all():
        box = link.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
    expect(page.locator(".sideways").filter(visible=True)).to_have_text("Scroll sideways to see all of it ↔")
    page.set_viewport_size({"width": 1400, "height": 900})
    expect(page.locator(".sideways").filter(visible=True)).to_have_count(0)


def test_numbers_say_what_they_are(open_page: Open, small_address: str) -> None:
    """On hover, on focus by keyboard, and by a tap."""
    page = open_page(f"{small_address}/experts?h=f4-f5")
    tip = page.locator(".tip").filter(visible=True)
    fact = page.locator(".fact").last
    fact.hover()
    expect(tip).to_contain_text("less that of the head run without this expert")
    page.mouse.move(1, 1)
    expect(tip).to_have_count(0)
    facts = page.locator(".facts").last
    facts.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    expect(tip).to_contain_text("The weight that the router gives this expert")
    page.keyboard.press("ArrowDown")
    expect(tip).to_contain_text("in this list")
    page.keyboard.press("Escape")
    expect(tip).to_have_count(0)
    page.locator("td.end[data-c]").first.hover()
    expect(tip).to_contain_text("% of the router")
    page.goto(f"{small_address}/what_if?h=f4-f5&b=drop-1-f5")
    settle(page)
    page.locator(".rows .row").first.click()
    expect(tip).to_contain_text("of the gate: so much its scores count")
    page.locator(".changes .with").first.hover()
    expect(tip).to_contain_text("Direct effect")
    page.goto(f"{small_address}/?h=f4-f5")
    settle(page)
    page.locator(".columns header em").first.focus()
    expect(tip).to_contain_text("How much say it has")
    noted = page.locator(".fame-noted", has_text="gate ").first
    noted.focus()
    assert "How much say the head has" in noted.evaluate("e => getComputedStyle(e, '::after').content")


@pytest.mark.parametrize("screen", ["", "merge", "experts"])
def test_a_screen_prints_light_with_its_origin(screen: str, open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/{screen}?h=f4-f5&off=1", scheme="dark", width=1280)
    page.emulate_media(media="print")
    assert (
        not page.locator(".st-key-bar_top, .st-key-bar, .stSelectbox, .stDownloadButton").filter(visible=True).count()
    )
    assert page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(PALE) == []
    footer = page.locator("footer").inner_text()
    assert "FAME · tiny · After Amélie (1973), Alien (1974). Changed by you: head 1 is off." in footer
    assert f"{small_address}/{screen}?m=tiny&h=f4-f5&off=1" in footer
    [size, *_] = re.findall(rb"/MediaBox ?\[0 0 ([0-9.]+) ([0-9.]+)\]", page.pdf(prefer_css_page_size=True))
    assert [round(float(side) / 72 * 25.4) for side in size] == [297, 210], "A4 on its side"


def test_deep_links_leave_nothing_in_the_console(open_page: Open, small_address: str) -> None:
    page = open_page(small_address)
    heard: list[str] = []
    page.on("response", lambda answer: heard.append(f"{answer.status} {answer.url}") if answer.status > 399 else None)
    page.on("console", lambda line: heard.append(line.text) if line.type == "error" else None)
    for path in ("/merge?h=f4", "/story", "/evidence/"):
        page.goto(small_address + path)
        settle(page)
    assert not heard


def test_focus_does_not_look_like_the_open_screen(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/merge")
    merge, story = page.get_by_role("link", name="Merge"), page.get_by_role("link", name="Story")
    page.keyboard.press("Tab")  # a keyboard is used: the browser shows where the focus is
    story.focus()
    style = "e => (({ outlineStyle, boxShadow }) => [outlineStyle, boxShadow])(getComputedStyle(e))"
    assert story.evaluate(style) == ["solid", "none"]
    outline, mark = merge.evaluate(style)
    assert outline == "none" and mark != "none"
