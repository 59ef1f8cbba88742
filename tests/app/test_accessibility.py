"""axe-core finds nothing serious on any screen, and the keyboard alone reaches and fires each screen's main gesture."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.app.browser import SCREENS
from tests.app.conftest import Open

pytestmark = pytest.mark.browser

# A shadow at the side says that there is more to scroll to; axe does not judge text that stands on a gradient.
PLAIN = """() => [...document.querySelectorAll('*')].filter(e => e.shadowRoot).forEach(e => {
    const plain = new CSSStyleSheet()
    plain.replaceSync('.scroll { background-image: none !important }')
    e.shadowRoot.adoptedStyleSheets.push(plain)
})"""
# The element that has the focus, inside components too; each new one is counted and the box that it fills is told.
STOP = """() => {
    let stop = document.activeElement
    while (stop.shadowRoot?.activeElement) stop = stop.shadowRoot.activeElement
    if (stop === document.body) return null
    const met = stop.met === true
    stop.met = true
    const { width, height } = stop.getBoundingClientRect()
    return { met, seen: width > 0 && height > 0, html: stop.outerHTML.slice(0, 120) }
}"""


def findings(page: Page) -> list[str]:
    """What axe-core calls serious or critical, one line per element."""
    page.evaluate(PLAIN)
    page.evaluate(Axe().axe_script)
    found = page.evaluate("options => axe.run(document, options)", {"resultTypes": ["violations"]})["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing_serious(screen: str, scheme: str, address: str, open_page: Open) -> None:
    assert not findings(open_page(address + SCREENS[screen], scheme))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", ["merge", "experts", "atlas"])
def test_a_chosen_segment_can_be_read_under_the_pointer(
    screen: str, scheme: str, address: str, open_page: Open
) -> None:
    page = open_page(address + SCREENS[screen], scheme)
    chosen = page.locator(".stButtonGroup button[aria-checked=true]").first
    chosen.hover()
    page.wait_for_timeout(400)  # what changes under the pointer changes slowly
    assert not findings(page)


def test_axe_finds_nothing_serious_in_menus_messages_and_the_empty_page(address: str, open_page: Open) -> None:
    page = open_page(f"{address}/?h=unknown&k=-1&gate=0.1")
    assert page.get_by_role("alert").count() > 1 and not findings(page)
    page = open_page(f"{address}/?h=none", width=700)
    page.get_by_role("button", name="Examples").click()
    expect(page.get_by_role("menuitem").first).to_be_visible()
    assert not findings(page)
    page.keyboard.press("Escape")
    page.get_by_role("combobox", name="Add a film").fill("a")
    expect(page.get_by_role("option").first).to_be_visible()
    assert not findings(page)
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_role("button", name="History as CSV")).to_be_visible()
    assert not findings(page)


def test_axe_sees_into_components(address: str, open_page: Open) -> None:
    page = open_page(address)
    page.locator(".columns").evaluate("""node => {
        const pale = document.createElement('p')
        pale.textContent = 'Hardly to be read'
        pale.style.cssText = 'color: #999; background: #888'
        node.after(pale)
    }""")
    [finding] = findings(page)
    assert finding.startswith("color-contrast")


def reach(page: Page, target: Locator, most: int = 150) -> None:
    """Press Tab until the target has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if target.count() and target.evaluate("e => e === e.getRootNode().activeElement"):
            return
    raise AssertionError(f"{target} is not reached by pressing Tab {most} times")


@pytest.mark.parametrize("screen", SCREENS)
def test_tab_goes_through_everything_once_and_out(screen: str, address: str, open_page: Open) -> None:
    page = open_page(address + SCREENS[screen])
    stops = []
    for _ in range(300):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None or stop["met"]:
            break
        stops.append(stop)
    else:
        raise AssertionError("300 stops and no end")
    hidden = [stop["html"] for stop in stops if not stop["seen"]]
    assert len(stops) > 15 and not hidden, f"the focus goes where nothing is to be seen: {hidden}"
    assert stop is None or stop["html"] == stops[0]["html"], f"Tab is caught at {stop['html']}"


def test_story_by_keyboard(address: str, open_page: Open) -> None:
    page = open_page(address)
    reach(page, page.locator("ol[aria-label='Final list'] .item").first)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".fame-say").first).to_contain_text("is third")


def test_merge_by_keyboard(address: str, open_page: Open) -> None:
    page = open_page(address)
    reach(page, page.get_by_role("link", name="Merge"))
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Merge")
    slider = page.get_by_role("slider", name="Gate weight of head 1")
    reach(page, slider)
    before = slider.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(slider).not_to_have_attribute("aria-valuetext", before or "")
    expect(page).to_have_url(re.compile("gate="))
    mute = page.get_by_role("button", name="Mute head 1")
    reach(page, mute)
    page.keyboard.press("Enter")
    expect(mute).to_have_attribute("aria-pressed", "true")
    expect(page).to_have_url(re.compile("off=1"))


def test_experts_by_keyboard(address: str, open_page: Open) -> None:
    page = open_page(address + SCREENS["experts"])
    maps = page.get_by_role("group", name="All heads and experts")
    reach(page, maps.locator("button[aria-pressed=true]"))
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp" if maps.locator("button:focus[data-at^='3.']").count() else "ArrowDown")
    said = re.match("Head ([1-4]), expert 4", maps.locator("button:focus").get_attribute("aria-label") or "")
    assert said
    page.keyboard.press("Enter")
    expect(maps.locator("button[aria-pressed=true]")).to_have_attribute("aria-label", re.compile(said[0]))
    reach(page, page.get_by_role("group", name=f"Attention of head {said[1]}, expert 4"))
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("status").filter(has_text=re.compile("step [0-9]"))).to_have_count(1)


def test_atlas_by_keyboard(address: str, open_page: Open) -> None:
    page = open_page(address + SCREENS["atlas"])
    maps = page.get_by_role("application")
    expect(maps.first).to_have_attribute("aria-label", re.compile("is chosen"))
    before = maps.first.get_attribute("aria-label") or ""
    reach(page, maps.first)
    tip = maps.first.locator(".tip b")
    for key in ("+", "+", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown") * 4:
        page.keyboard.press(key)
        if tip.is_visible() and f"{tip.inner_text()} is chosen" not in before:
            break
    meant = tip.inner_text()
    page.keyboard.press("Enter")
    expect(maps.first).to_have_attribute("aria-label", re.compile(re.escape(f"{meant} is chosen")))
