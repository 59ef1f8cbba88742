"""The app served and seen through a real Chromium: for the browser tests, docs/screenshots.py and benchmarks/."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

from app import screens

ROOT = Path(__file__).resolve().parents[2]
SCREENS = {name: f"/{name}" for name in screens.discover()}  # name → address
QUIET = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update"

# Every film or map is drawn, nothing is left of the page before, and Plotly has laid out what it shows.
DRAWN = """() =>
    document.querySelector('.stApp[data-test-script-state=notRunning]')
    && !document.querySelector('[data-stale=true], [data-testid=stSkeleton]')
    && document.querySelector('.stMainBlockContainer h1, .stMainBlockContainer h2')
    && [...document.querySelectorAll('.stPlotlyChart')].every(chart => chart.querySelector('.main-svg'))
"""


def chromium() -> str | None:
    """The path of an installed Chromium, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def bundle_path() -> Path:
    """The bundle to show: the first of FAME_BUNDLE, or the one that ships. It may not be there."""
    named = os.environ.get("FAME_BUNDLE", "").split(os.pathsep)[0]
    return Path(named or ROOT / "artifacts" / "ml-1m").absolute()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@contextmanager
def start(bundle: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The app's server on localhost, ended on leaving. It need not answer yet."""
    command = [sys.executable, "-m", "streamlit", "run", "app/serve.py"]
    command += ["--server.headless", "true", "--server.address", "localhost", "--server.port", str(port)]
    environment = os.environ | {"FAME_BUNDLE": str(bundle), "MALLOC_ARENA_MAX": "2"}  # as `make app` does
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield server
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-4000:])
            raise
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@contextmanager
def served(bundle: Path) -> Iterator[str]:
    """The address of the app, showing a bundle and ready to answer."""
    port = free_port()
    with start(bundle, port) as server:
        yield await_answer(server, port)


def await_answer(server: subprocess.Popen[bytes], port: int, seconds: float = 90) -> str:
    """Wait until a server that was started answers; its address."""
    address = f"http://localhost:{port}"
    ends = time.monotonic() + seconds
    while not answers(address):
        if server.poll() is not None or time.monotonic() > ends:
            raise RuntimeError("the app does not answer")
        time.sleep(0.05)
    return address


def answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/_stcore/health", timeout=5) as response:
            return response.status == 200
    except (URLError, OSError):
        return False


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=QUIET.split())
        yield browser
        browser.close()


def settle(page: Page) -> None:
    """Wait until the first run of the page is over and drawn. After a click, wait for what the click changes."""
    page.wait_for_function(DRAWN, timeout=60_000)
    page.evaluate("document.fonts.ready.then(() => new Promise(r => setTimeout(() => requestAnimationFrame(r), 150)))")
