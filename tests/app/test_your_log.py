"""Your log: from a dropped file to the picture of an own history; off where the app is served to others."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.logs.box import Box, new_token
from fame.bundle import pack
from tests.app import browser as real
from tests.app.conftest import Open, OpenApp
from tests.app.own import ITEMS, dropped, log


@pytest.fixture(autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("FAME_STORE", str(place))
    monkeypatch.setenv("FAME_UPLOADS", "1")  # AppTest has no browser that says where it is
    return place


@pytest.fixture
def address(folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An app of its own, with a store of its own."""
    monkeypatch.delenv("FAME_UPLOADS")
    monkeypatch.setenv("FAME_NICE", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with real.served(folder) as url:
        yield url


def said(app) -> str:  # type: ignore[no-untyped-def]
    return "\n".join(element.proto.body for element in app.get("html"))


def test_uploads_are_off_where_the_app_is_served_to_others(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAME_UPLOADS", "0")
    app = open_app(screen="your_log")
    assert "Uploading is off here" in said(app) and not app.file_uploader and not app.exception
    monkeypatch.setenv("FAME_UPLOADS", "1")
    app = open_app(screen="your_log")
    assert "Nothing is here yet" in said(app) and len(app.file_uploader) == 2 and not app.exception


def test_what_is_dropped_is_read_and_told(open_app: OpenApp, store: Path) -> None:
    app = open_app(screen="your_log")
    app.file_uploader[0].set_value(("my <b>log</b>.csv", log().encode(), "text/csv")).run(timeout=240)
    assert not app.exception
    page = said(app)
    assert "40" in page and "240" in page and "kept 240 interactions, 40 users and 9 items" in page
    assert "user_id (user)" in page and "timestamp (time)" in page and "<b>log" not in page
    app.file_uploader[0].set_value(("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(64), "text/csv")).run(timeout=240)
    assert [e.value for e in app.error] and "this is a PNG image" in app.error[0].value.replace("\\", "")
    assert len(list(store.glob("boxes/*/*/log.json"))) == 2, "both are in one box"


def test_a_link_opens_a_box_and_says_so(open_app: OpenApp) -> None:
    box = Box(new_token())
    entry = dropped(box)
    app = open_app({"box": box.token}, screen="your_log")
    assert "This box was opened by a link" in app.warning[0].value
    assert app.selectbox(key="your_log_choice").value == entry.key
    assert "Nothing is here yet" in said(open_app(screen="your_log")), "without the link nobody sees it"
    assert "Nothing is here yet" in said(open_app({"box": "../../x"}, screen="your_log"))


def test_a_bundle_is_opened_and_one_that_climbs_is_refused(open_app: OpenApp, folder: Path, store: Path) -> None:
    app = open_app(screen="your_log")
    app.file_uploader[1].set_value(("tiny.zip", pack(folder, "tiny"), "application/zip")).run(timeout=240)
    assert not app.exception and not app.error
    (state,) = [path.parent for path in store.glob("boxes/*/*/bundle.zip")]
    assert state.is_dir() and "tiny-2" in said(app), "tiny is the name of the server's own"
    climbing = io.BytesIO()
    with zipfile.ZipFile(climbing, "w") as out:
        out.writestr("../../../manifest.json", "{}")
    app.file_uploader[1].set_value(("evil.zip", climbing.getvalue(), "application/zip")).run(timeout=240)
    assert "evil.zip: " in app.error[0].value.replace("\\", "") and len(list(store.glob("boxes/*/*/bundle.zip"))) == 1


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_a_dropped_file_to_the_picture_of_an_own_history(open_page: Open, address: str, tmp_path: Path) -> None:
    expect.set_options(timeout=240_000)
    mine = open_page(f"{address}/your_log")
    other = open_page(f"{address}/your_log")
    (tmp_path / "items.csv").write_text(ITEMS)
    drop(mine, "mine.csv", log())
    drop(other, "theirs.csv", log(20))  # two visitors at once
    expect(mine.get_by_text("kept 240 interactions, 40 users and 9 items")).to_be_visible()
    expect(other.get_by_text("kept 120 interactions, 20 users and 9 items")).to_be_visible()
    mine.get_by_text("How it was read: change it").click()
    mine.locator(".stExpander input[type=file]").set_input_files(tmp_path / "items.csv")
    expect(mine.get_by_text("Now: items.csv")).to_be_visible()
    expect(mine.get_by_text(re.compile("On this machine training takes about"))).to_be_visible()
    mine.get_by_role("button", name="Train", exact=True).click()
    expect(mine.get_by_text("training on your log")).to_be_visible()
    browser = mine.context
    mine.close()  # half-way: the training goes on, and the cookie finds the box again
    mine = browser.new_page()
    mine.goto(f"{address}/your_log")
    expect(mine.get_by_text("trained on your log")).to_be_visible()
    expect(mine.get_by_role("table", name="Epochs of the training")).to_contain_text("the most popular")
    mine.get_by_role("link", name="Open it on a history of your log").click()
    story = mine.locator(".st-key-story")
    expect(story).to_contain_text("Thing")
    assert "m=mine" in mine.url and "box=" not in mine.url, "the address gives no box away"
    other.goto(mine.url)
    expect(other.get_by_text("The link asks for the model 'mine', which is not here")).to_be_visible()
    assert "Thing" not in other.locator(".stMain").inner_text(), "nothing of one visitor is seen by another"


@pytest.mark.browser
def test_what_is_told_of_a_log_stands_line_below_line(open_page: Open, address: str) -> None:
    page = open_page(f"{address}/your_log")
    drop(page, "mine.csv", log())
    told = page.locator(".fame-told")
    expect(told.first).to_be_visible(timeout=120_000)
    page.set_viewport_size({"width": 420, "height": 900})
    tops = told.evaluate_all("all => all.map(p => p.offsetTop)")
    ends = told.evaluate_all("all => all.map(p => p.offsetTop + p.scrollHeight)")
    assert told.first.evaluate("p => p.offsetHeight > 1.5 * parseFloat(getComputedStyle(p).lineHeight)"), "in two lines"
    assert all(end <= top for end, top in zip(ends, tops[1:], strict=False)), "none over another"


def drop(page: Page, name: str, content: str) -> None:
    page.locator("input[type=file]").first.set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    )


@pytest.mark.browser
def test_a_file_that_is_too_large_is_refused_at_the_door(open_page: Open, address: str, tmp_path: Path) -> None:
    page = open_page(f"{address}/your_log")
    large = tmp_path / "large.csv"
    with large.open("wb") as out:
        out.truncate(2 << 30)  # 2 GB, of which the disk holds nothing
    page.locator("input[type=file]").first.set_input_files(large)
    expect(page.get_by_text(re.compile("must be 200(.0)? ?MB or smaller"))).to_be_visible()
    assert os.path.getsize(large) == 2 << 30
