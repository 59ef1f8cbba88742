"""The bar and Story in a real Chromium: add, choose, reorder, undo, links, back and forward."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from tests.app.conftest import Open

pytestmark = pytest.mark.browser


def final_list(page: Page) -> list[str]:
    """What the final list reads, scores and shares included."""
    return [row.get_attribute("aria-label") or "" for row in page.locator("ol[aria-label='Final list'] .item").all()]


def chips(page: Page) -> list[str]:
    return page.locator(".chips .name span").all_inner_texts()


def gone_from(page: Page, before: list[str]) -> None:
    """Wait until the final list is another one."""
    first = page.locator("ol[aria-label='Final list'] .item").first
    expect(first).not_to_have_attribute("aria-label", before[0])


def drawn_as(page: Page, wanted: list[str]) -> None:
    """Wait until the final list reads as wanted: the bar may be drawn before the screen under it."""
    rows = page.locator("ol[aria-label='Final list'] .item")
    expect(rows).to_have_count(len(wanted))
    for row, name in zip(rows.all(), wanted, strict=True):
        expect(row).to_have_attribute("aria-label", name)


def add(page: Page, text: str, title: str) -> None:
    box, before = page.get_by_role("combobox", name="Add an item"), page.url
    box.fill(text)
    expect(page.get_by_role("option").first).to_contain_text(title)
    box.press("Enter")
    expect(page.locator(".chips .name span").last).to_have_text(title)
    expect(page).not_to_have_url(before)  # the chip is there at once, the address follows what is drawn


def test_search_add_undo_redo_by_keyboard(open_page: Open, small_address: str) -> None:
    page = open_page(small_address)
    assert chips(page) == ["Toy Story", "Aladdin", "The Lion King"]
    before = final_list(page)
    add(page, "amelie", "Amélie")  # no accent
    add(page, "lost ark", "Raiders of the Lost Ark")  # a part
    box = page.get_by_role("combobox", name="Add an item")
    box.fill("crocdile")  # a letter missing: offered, and added only when it is chosen
    expect(page.get_by_role("option").nth(0)).to_have_text("No item called “crocdile”. Nearest:")
    expect(page.get_by_role("option").nth(1)).to_contain_text("Crocodile Dundee")
    box.press("Enter")
    box.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_contain_text("Crocodile Dundee")
    assert len(chips(page)) == 5
    box.press("Enter")
    expect(page.locator(".chips .name span").last).to_have_text("Crocodile Dundee")
    box.fill("al")
    expect(page.get_by_role("option").first).to_be_visible()
    box.press("Escape")
    expect(box).to_have_value("")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(page.get_by_role("combobox", name="Add an item")).to_be_focused()
    gone_from(page, before)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".chip")).to_have_count(5)
    page.get_by_role("button", name="Redo").click()
    expect(page.locator(".chip")).to_have_count(6)
    for left in (5, 4, 3):
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".chip")).to_have_count(left)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    drawn_as(page, before)


def test_reorder_and_remove_keep_the_focus(open_page: Open, small_address: str) -> None:
    page = open_page(small_address)
    page.locator(".name").nth(0).focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".chips .name span").first).to_have_text("Aladdin")
    assert chips(page) == ["Aladdin", "Toy Story", "The Lion King"]
    expect(page.locator(".name").nth(1)).to_be_focused()
    expect(page).to_have_url(re.compile(r"[?&]h=f2-f1-f3(&|$)"))
    page.locator(".chip").nth(2).drag_to(page.locator(".chip").nth(0), target_position={"x": 4, "y": 10})
    expect(page.locator(".chips .name span").first).to_have_text("The Lion King")
    page.locator(".name").nth(1).press("Delete")
    expect(page.locator(".chip")).to_have_count(2)
    assert chips(page) == ["The Lion King", "Toy Story"]
    expect(page.locator(".name").nth(1)).to_be_focused()
    page.get_by_role("button", name="Remove The Lion King").click()
    expect(page.locator(".chip")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"[?&]h=f1(&|$)"))


def test_an_answer_does_not_take_away_a_chip_that_is_dragged(open_page: Open, small_address: str) -> None:
    page = open_page(small_address)
    first, last = (page.locator(".chip").nth(at).bounding_box() for at in (0, 2))
    assert first and last
    page.mouse.move(last["x"] + 20, last["y"] + 10)
    page.locator(".name").nth(0).focus()
    page.keyboard.press("Shift+ArrowRight")
    page.mouse.down()  # before the answer to the key
    page.mouse.move(first["x"] + 9, first["y"] + 10)
    expect(page).to_have_url(re.compile(r"[?&]h=f2-f1-f3(&|$)"))
    page.wait_for_timeout(500)
    page.mouse.move(first["x"] + 4, first["y"] + 10)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"[?&]h=f3-f2-f1(&|$)"))


def test_quick_changes_all_count(open_page: Open, small_address: str) -> None:
    page = open_page(small_address)
    page.locator(".name").nth(0).focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert chips(page) == ["Aladdin", "The Lion King", "Toy Story"], "shown before the answer"
    page.keyboard.press("Home")
    page.keyboard.press("Delete")
    expect(page).to_have_url(re.compile(r"[?&]h=f3-f1(&|$)"))
    assert chips(page) == ["The Lion King", "Toy Story"]


def test_a_broken_link_takes_one_step_back(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/?k=0&film=zz")
    assert page.get_by_role("alert").count() == 2
    page.go_back()
    expect(page).to_have_url("about:blank")


def test_choosing_a_film_says_why_and_hover_lights_it_everywhere(open_page: Open, small_address: str) -> None:
    page = open_page(small_address)
    row = page.locator("ol[aria-label='Final list'] .item").nth(3)
    title = row.locator(".title").inner_text()
    row.hover()
    assert {lit.inner_text() for lit in page.locator(".item.lit .title").all()} == {title}
    row.click()
    expect(page.locator(".fame-say").filter(has_text=f"{title} is fourth")).to_be_visible()
    expect(row).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator(".fame-say").filter(has_text="is third")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.locator('ol[aria-label="Head 3\'s own list"] .item').nth(2)).to_be_focused()


def test_a_copied_link_opens_the_same_numbers(open_page: Open, small_address: str) -> None:
    page = open_page(small_address)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=small_address)
    add(page, "matrix", "The Matrix")
    page.get_by_role("toolbar").get_by_role("button", name="Examples").click()
    page.wait_for_timeout(400)  # the search has lost the keyboard and closed; the menu stays
    expect(page.get_by_role("menuitem").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(1)
    add(page, "heat", "Heat")
    page.locator("ol[aria-label='Final list'] .item").nth(2).click()
    expect(page.locator(".fame-say").filter(has_text="is third")).to_be_visible()
    page.wait_for_url("**film=*")  # the address follows what is drawn
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url.replace("?", "?m=tiny&")
    other = open_page(link)
    drawn_as(other, final_list(page))
    assert chips(other) == ["Alien", "Heat"]
    assert other.locator(".fame-say").inner_text() == page.locator(".fame-say").inner_text()


def test_back_and_forward_walk_through_changes_and_screens(open_page: Open, small_address: str) -> None:
    page = open_page(small_address)
    start = final_list(page)
    add(page, "psycho", "Psycho")
    page.wait_for_url("**h=*")  # the address follows what is drawn
    second = page.url
    page.get_by_role("link", name="Merge").click()
    expect(page.locator("h1")).to_contain_text("Merge")
    expect(page).to_have_url(second.replace("/?", "/merge?"))
    page.get_by_role("link", name="Story").click()
    expect(page.locator("h1")).to_contain_text("Story")
    add(page, "vertigo", "Vertigo")
    page.go_back()
    expect(page.locator(".chip")).to_have_count(4)
    expect(page).to_have_url(second)
    page.go_back()
    expect(page.locator("h1")).to_contain_text("Merge")
    page.go_back()
    expect(page.locator("h1")).to_contain_text("Story")
    page.go_back()
    expect(page.locator(".chip")).to_have_count(3)
    expect(page.locator(".chips .name span").last).to_have_text("The Lion King")
    drawn_as(page, start)
    expect(page).to_have_url(f"{small_address}/")
    page.go_forward()
    expect(page.locator(".chip")).to_have_count(4)
    expect(page).to_have_url(second)


def test_each_screen_has_its_name_as_address(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/story?h=f4-f5")
    expect(page.locator("h1")).to_contain_text("Story")
    assert chips(page) == ["Amélie", "Alien"] and page.get_by_role("dialog").count() == 0
    page.get_by_role("link", name="Merge").click()
    expect(page.locator("h1")).to_contain_text("Merge")
    page.get_by_role("link", name="Story").click()
    expect(page.locator("h1")).to_contain_text("Story")
    expect(page).to_have_url(f"{small_address}/?h=f4-f5")


def test_a_head_that_is_off_says_nothing(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/?off=1")
    expect(page.locator(".column.off")).to_have_count(1)
    expect(page.locator(".column.off header")).to_contain_text("off")
    drawn = page.locator("svg.pipes path.full")
    expect(drawn.first).to_be_attached()
    assert {path.get_attribute("data-head") for path in drawn.all()} == {"2", "3"}


def test_a_phone_shows_the_bar_in_rows_and_scrolls_its_films(open_page: Open, small_address: str) -> None:
    films = "-".join(f"f{row}" for row in range(1, 12))
    page = open_page(f"{small_address}/merge?h={films}", width=390)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".chips").evaluate("e => e.clientHeight < 45 && e.scrollLeft > 0"), (
        "one row, the newest in sight"
    )
    assert page.locator("tbody .total").first.bounding_box()["x"] < 390, "the score is in sight without scrolling"


def test_hostile_titles_stay_text(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/?h=f7-a%252Db%252Cc&film=a-b%2Cc&k=50&seen=1")
    expect(page.locator(".chips .name span").last).to_contain_text("<img src=x onerror")
    expect(page.locator(".fame-say b")).to_contain_text("<img src=x onerror")
    page.locator(".item.chosen").first.hover()
    assert "owned" not in page.title()
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("![...document.querySelectorAll('*')].some(e => e.shadowRoot?.querySelector('img'))")


@pytest.mark.parametrize("width", [1400, 700])
def test_nothing_runs_over_the_side(open_page: Open, small_address: str, width: int) -> None:
    films = "-".join(f"f{row}" for row in range(1, 30))
    page = open_page(f"{small_address}/?h={films}&k=30", width=width)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".chips").evaluate("e => e.clientHeight") < 130
    boxes = [row.bounding_box() for row in page.locator("ol[aria-label='Final list'] .item").all()]
    assert all(a["y"] + a["height"] <= b["y"] + 1 for a, b in pairwise(boxes) if a and b)
