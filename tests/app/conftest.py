"""The app under AppTest, served once per worker, and pages of it in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from fame.bundle import Bundle
from tests.app import browser as real
from tests.app.small import make_bundle

expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong

Open = Callable[..., Page]
OpenApp = Callable[..., AppTest]


@pytest.fixture(scope="session")
def small() -> Bundle:
    """A bundle of 30 films with random weights."""
    return make_bundle()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, small: Bundle) -> Path:
    """Where the small bundle lies."""
    return small.save(tmp_path_factory.mktemp("bundles") / small.name)


@pytest.fixture
def open_app(folder: Path, monkeypatch: pytest.MonkeyPatch) -> OpenApp:
    """A screen under AppTest with these URL parameters, on the small bundle or the one in another folder."""

    def run(params: Mapping[str, str] | None = None, at: Path = folder, screen: str = "") -> AppTest:
        monkeypatch.setenv("FAME_BUNDLE", str(at))
        app = AppTest.from_file(str(real.ROOT / "app" / "main.py"), default_timeout=60)
        for name, value in (params or {}).items():
            app.query_params[name] = value
        if screen:
            app._page_hash = calc_hash(screen)  # what `switch_page` sets, which knows only pages that are files
        return app.run()

    return run


@pytest.fixture(scope="session")
def small_address(folder: Path) -> Iterator[str]:
    """The address of the app, showing the small bundle."""
    with real.served(folder) as url:
        yield url


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The bundle that ships, or the first of FAME_BUNDLE; skips the test where there is none."""
    path = real.bundle_path()
    if not (path / "manifest.json").is_file():
        pytest.skip(f"no bundle at {path.name}: train one, or set FAME_BUNDLE to the directory of one")
    return path


@pytest.fixture(scope="session")
def address(shipped: Path) -> Iterator[str]:
    """The address of the app, showing the bundle that ships."""
    with real.served(shipped) as url:
        yield url


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium; skips the test where none is installed."""
    if real.chromium() is None:
        pytest.skip("no Chromium: install Debian's package `chromium`")
    with real.launched() as browser:
        yield browser


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """Opens an address in a fresh profile: `open_page(url, scheme="dark", width=700)`, drawn on return.

    An error in the page's own scripts fails the test.
    """
    contexts, errors = [], []

    def open_page(url: str, scheme: str = "light", width: int = 1400, height: int = 900, app: bool = True) -> Page:
        context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)  # a busy machine is slow, not wrong
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        if app:
            real.settle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors, f"errors in the browser: {errors}"
