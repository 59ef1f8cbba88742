"""Lesson: every card of every lesson reached and done by its own gestures; a teacher's own; presenting; paper."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from app import present
from fame.bundle import Bundle
from fame.lessons import Card, find_lessons
from tests.app import browser as real
from tests.app.conftest import Open, OpenApp
from tests.app.small import NASTY

LESSONS = find_lessons()[0]
OWN = """---
title: <b>Own</b>
history: ids f1-f2-a-b,c
---
# First {one}
link: /story?k=5
question: Which head?
answer: head-with-most-say

About {last}.
"""


def bodies(app: AppTest) -> str:
    return "\n".join(x.proto.body for x in app.get("html"))


def test_a_teachers_own_lesson(
    open_app: OpenApp, small: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.md").write_text(OWN.replace("a-b,c", "f30"))
    (tmp_path / "bad.md").write_text(OWN.replace("answer:", "anwser:"))
    monkeypatch.setenv("FAME_LESSONS", str(tmp_path))
    app = open_app(screen="lesson")
    assert not app.exception and "&lt;b&gt;Own&lt;/b&gt;" in bodies(app)
    told = app.warning[0].value.replace("\\", "")
    assert "bad.md, line 8" in told and "did you mean answer?" in told
    app.button("lesson_begin_own").click().run()
    assert "f30" in app.toast[0].value, "the id of no item here"
    (tmp_path / "own.md").write_text(OWN.replace("f1-f2-a-b,c", "f1-f2"))
    app.button("lesson_reread").click().run()
    app.button("lesson_begin_own").click().run()
    assert not app.warning and "First item" in bodies(app) and app.button("lesson_end").label == "All lessons"
    gate = small.trace(["f1", "f2"]).gate[-1]
    wrong = int(gate.argmin())
    app.button(f"lesson_choice_{wrong}").click().run()
    assert f"<b>Head {wrong + 1}</b>" in bodies(app) and f"<b>Head {gate.argmax() + 1}</b>" in bodies(app)
    assert "Not as you said." in bodies(app) and app.button("lesson_again").label == "Start this card over"
    app.button("lesson_again").click().run()
    assert "Not as you said." not in bodies(app) and app.button(f"lesson_choice_{wrong}")


def test_titles_on_a_card_are_text(
    open_app: OpenApp, small: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = small.catalogue.row("a-b,c")
    (tmp_path / "own.md").write_text(OWN.replace("history: ids f1-f2-a-b,c", "history: example Hostile"))
    monkeypatch.setenv("FAME_LESSONS", str(tmp_path))
    app = open_app(screen="lesson")
    app.button("lesson_begin_own").click().run()
    assert str(small.catalogue.title[row]) == NASTY
    told = next(m.value for m in app.markdown if "About" in m.value)
    assert r"\<img" in told and r"\*\*Bold\*\*" in told and "<img src=x" not in bodies(app)


@pytest.mark.parametrize(
    ("deed", "link"),
    [("shorten", "story"), ("lengthen", "story"), ("choose", "merge"), ("mute", "merge"), ("head", "experts"),
     ("leave-out", "what_if")],
)  # fmt: skip
def test_a_deed_is_done_by_a_button_while_presenting(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str, link: str
) -> None:
    card = f"# First\nlink: /{link}?k=5\ndo: {deed}\n\nDo it.\n\n## Afterwards\nIt is done.\n"
    (tmp_path / "own.md").write_text(OWN.partition("# First")[0].replace("a-b,c", "f3-f4") + card)
    monkeypatch.setenv("FAME_LESSONS", str(tmp_path))
    app = open_app({"show": "1", "lesson_name": "own", "lesson_page": "2", "h": "f1-f2-f3-f4"}, screen="lesson")
    assert not app.exception and "lesson_deed_undo" not in [b.key for b in app.button]
    app.button("lesson_deed").click().run()
    assert not app.exception and "lesson_deed" not in [b.key for b in app.button]
    app.button("lesson_deed_undo").click().run()
    assert not app.exception and app.button("lesson_deed")
    app.button("lesson_deed").click().run()
    app.query_params["lesson_page"] = "3"
    assert "It is done." in " ".join(m.value for m in app.run().markdown)


@pytest.mark.parametrize(
    "link", ["lesson_card=99", "lesson_card=x", "lesson_said=9999999", "lesson_name=gone", "show=7"]
)
def test_a_broken_link_still_shows_a_lesson(open_app: OpenApp, link: str) -> None:
    name, _, value = link.partition("=")
    params = {"lesson_name": "fame_in_fifteen_minutes", name: value}
    app = open_app(params, screen="lesson")
    assert not app.exception


# ---- in a browser


def press(page: Page, key: str) -> None:
    page.locator(f".st-key-{key} button").first.click()


def do(page: Page, card: Card) -> None:
    """What the card asks, by its own gesture."""
    if card.question:
        if page.locator(".st-key-lesson_answer").count():
            page.get_by_role("slider").first.press("ArrowRight")
            press(page, "lesson_answer")
        else:
            press(page, "lesson_choice_0")
        return
    match card.do:
        case "shorten":
            page.locator(".st-key-bar .chip .drop").last.click()
        case "choose":
            page.locator(".st-key-lesson_merge tbody button").nth(2).click()
        case "mute":
            page.locator(".st-key-lesson_merge").get_by_role("button", name="Mute head 1").click()
        case "head":
            page.locator("[class*=st-key-lesson_head] button[aria-checked=false]").first.click()
        case "colour":
            page.get_by_text("PCA", exact=True).click()
        case "leave-out":
            page.locator("[class*=st-key-what_if_at] button").first.click()
            press(page, "what_if_remove")
        case "train":
            page.get_by_role("slider").first.press("End")
        case other:
            raise AssertionError(f"no gesture for {other}")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_every_card_is_reached_and_done(open_page: Open, address: str, lesson) -> None:  # type: ignore[no-untyped-def]
    page = open_page(f"{address}/lesson")
    press(page, f"lesson_begin_{lesson.name}")
    for i, card in enumerate(lesson.cards, 1):
        expect(page.locator(".fame-step")).to_contain_text(f"· {i} of {len(lesson.cards)}")
        expect(page.locator(".stApp")).to_have_attribute("data-test-script-state", "notRunning")
        assert not page.locator(".stAlert").count(), card.title
        on = "lesson_end" if i == len(lesson.cards) else "lesson_next"
        primary = page.locator(f".st-key-{on} [data-testid=stBaseButton-primary]")
        expect(primary).to_have_count(0)
        do(page, card)
        expect(primary).to_have_count(1)
        if card.question:
            expect(page.locator(".fame-reveal")).to_contain_text("The model")
        primary.click()
    expect(page.locator(f".st-key-lesson_begin_{lesson.name}")).to_be_visible()


SMALL_TYPE = """() => {
  const found = []
  const walk = node => {
    for (const child of node.childNodes) {
      if (child.nodeType === 3 && child.textContent.trim()) {
        const box = node.getBoundingClientRect?.(), css = node.nodeType === 1 && getComputedStyle(node)
        if (!css || css.visibility !== "visible" || !box.width || !box.height) continue
        if (node.closest(".sr, [hidden], .tip, .stTooltipIcon")) continue
        const chart = node.closest(".js-plotly-plot")
        const grown = new DOMMatrix(chart ? getComputedStyle(chart).transform : "none").a
        const size = parseFloat(css.fontSize) * (node.currentCSSZoom ?? 1) * grown
        if (size < 19.9) found.push([size.toFixed(1), child.textContent.trim().slice(0, 30)].join(" "))
      } else if (child.nodeType === 1 && !["STYLE", "SCRIPT"].includes(child.tagName)) {
        walk(child)
        if (child.shadowRoot) walk(child.shadowRoot)
      }
    }
  }
  document.querySelectorAll("[data-page], .st-key-lesson_text, [class*=st-key-lesson_deed]").forEach(walk)
  return found
}"""
BOTTOM = """() => {
  const chart = document.querySelector("[data-page] .js-plotly-plot")
  const shown = chart ? [chart] : [...document.querySelectorAll("[data-page], .st-key-lesson_text")]
  return Math.max(...shown.map(box => box.getBoundingClientRect().bottom))
}"""


def for_a_room(page: Page, where: str) -> None:
    """Whether what is shown can be read from the last row, all of it."""
    real.settle(page)
    page.wait_for_function(f"({BOTTOM})() <= innerHeight", timeout=20_000)
    page.wait_for_timeout(700)  # what is drawn late has its height late
    assert page.evaluate(BOTTOM) <= 720, where
    assert page.evaluate(SMALL_TYPE) == [], where


def do_presenting(page: Page, card: Card, at: str) -> str:
    """What the card asks, by what the page itself offers while presenting; where that leads."""
    place = page.locator(".st-key-present span")
    if card.question:
        do(page, card)
        expect(place).not_to_have_text(at)
    elif card.do and at.endswith("b"):
        steps = 0
        while not page.locator(".st-key-lesson_deed_undo").count():
            before = page.url
            press(page, "lesson_deed")
            page.wait_for_url(lambda url, before=before: url != before)
            real.settle(page)
            steps += 1
        assert steps >= 1 and (steps == 1 or card.do == "train")
    return place.inner_text()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_is_presented_and_done(open_page: Open, address: str, lesson) -> None:  # type: ignore[no-untyped-def]
    page = open_page(f"{address}/lesson", width=1280, height=720)
    press(page, f"lesson_begin_{lesson.name}")
    expect(page.locator(".fame-step")).to_contain_text("1 of")
    page.keyboard.press("p")
    place, count = page.locator(".st-key-present span"), len(lesson.cards)
    expect(place).to_have_text(f"1 of {count}a")
    expect(page.locator(".st-key-bar")).to_have_count(0)
    expect(page.locator(".st-key-fame_qr img")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["show"] == ["1"]
    seen, answered = [], False
    while True:
        at = place.inner_text()
        seen.append(at)
        for_a_room(page, at)
        card = lesson.cards[int(at.split()[0]) - 1]
        if (card.question and at.endswith("a")) or (card.do and at.endswith("b")):
            now = do_presenting(page, card, at)
            for_a_room(page, f"{at}, done")
            answered = bool(card.question)
            if now != at:
                continue
        if answered and page.locator(".st-key-lesson_text").count():
            expect(page.locator(".fame-reveal")).to_contain_text("You")
            answered = False
        if page.locator(".st-key-present button").nth(1).is_disabled():
            break
        page.keyboard.press("ArrowRight")
        expect(place).not_to_have_text(at)
    assert len(seen) == len(set(seen)) and {at.split()[0] for at in seen} == {str(i) for i in range(1, count + 1)}
    ends = seen[-1]
    page.keyboard.press("ArrowLeft")
    expect(place).to_have_text(f"{count} of {count}{chr(ord(ends[-1]) - 1)}")
    page.keyboard.press("Escape")
    expect(page.locator(".st-key-bar")).to_have_count(1)
    expect(page.locator(".fame-step")).to_contain_text(f"{count} of {count}")


@pytest.mark.browser
def test_the_qr_code_is_the_address_that_the_browser_shows(open_page: Open, small_address: str) -> None:
    other = small_address.replace("localhost", "127.0.0.1")
    page = open_page(f"{other}/lesson?h=f1-f2&show=1", width=1280, height=720)
    shown = page.locator(".st-key-fame_qr img")
    expect(shown).to_be_visible()
    drawn = page.evaluate("src => fetch(src).then(answer => answer.text())", shown.get_attribute("src"))
    shape = re.compile(r' d="([^"]+)"')
    assert shape.findall(drawn) == shape.findall(present._code(f"{other}/lesson?m=tiny&h=f1-f2"))
    assert shape.findall(drawn) != shape.findall(present._code(f"{small_address}/lesson?m=tiny&h=f1-f2"))


@pytest.mark.browser
def test_arrows_go_from_picture_to_picture_and_on_to_the_next_screen(open_page: Open, small_address: str) -> None:
    page = open_page(f"{small_address}/merge?h=f1-f2-f3&show=1", width=1280, height=720)
    place = page.locator(".st-key-present span")
    expect(place).to_have_text("1 of 2")
    page.keyboard.press("ArrowRight")
    expect(place).to_have_text("2 of 2")
    page.keyboard.press("ArrowRight")
    expect(page.locator("h1")).to_contain_text("Experts")
    expect(place).to_have_text(re.compile("^1 of"))
    page.keyboard.press("ArrowLeft")
    expect(page.locator("h1")).to_contain_text("Merge")
    expect(place).to_have_text("2 of 2")
    page.keyboard.press("p")
    expect(page.locator(".st-key-bar")).to_have_count(1)
    expect(page.locator("[data-page]")).to_have_count(0)
