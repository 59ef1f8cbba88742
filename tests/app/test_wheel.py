"""The wheel alone, without the checkout: its command, its bundles and its app."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect

from app import screens
from tests.app.browser import await_answer, free_port
from tests.app.conftest import Open
from tests.app.own import log

ROOT = Path(__file__).resolve().parents[2]
MOST = 25 * 2**20  # bytes of a wheel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="environments lie elsewhere on Windows"),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def fame(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `fame` of an environment of its own, which sees this one's libraries but not the checkout."""
    folder = tmp_path_factory.mktemp("fresh") / "env"
    venv.create(folder)
    install = ["install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
    subprocess.run([*pip, *install], check=True, cwd=folder)
    (site,) = folder.glob("lib/python*/site-packages")
    # A line of a .pth file is put on the path after the environment's own; .pth files there are not followed.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin" / "fame"


def environment() -> dict[str, str]:
    apart = {"PYTHONPATH", "PYTHONSAFEPATH", "FAME_BUNDLE", "FAME_UPLOADS"}
    return {name: value for name, value in os.environ.items() if name not in apart}


@contextmanager
def served(fame: Path, folder: Path, *arguments: str) -> Iterator[str]:
    """The address of `fame app …`, run in a folder, once it answers; ended on leaving."""
    port = free_port()
    command = [str(fame), "app", *arguments, "--port", str(port)]
    quiet = environment() | {"STREAMLIT_SERVER_HEADLESS": "true"}
    with subprocess.Popen(command, cwd=folder, env=quiet) as server:
        try:
            yield await_answer(server, port, 240)
        finally:
            server.terminate()


def test_the_wheel_is_small_and_has_the_app_inside_the_package(wheel: Path) -> None:
    assert wheel.stat().st_size < MOST
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"fame"}
    tracked = subprocess.run(
        ["git", "ls-files", "app", "artifacts", "lessons", ".streamlit"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    assert {f"fame/shipped/{name}" for name in tracked} <= set(names)


def test_the_command_knows_the_bundles_that_ship(fame: Path, tmp_path: Path) -> None:
    said = subprocess.run([fame, "info", "ml-1m"], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert said.returncode == 0 and "1,000" in said.stdout, said


def test_the_app_is_served(fame: Path, tmp_path: Path) -> None:
    with served(fame, tmp_path, "planted") as address:
        # Of app/serve.py: the page is told where its server is, below the screens' names.
        page = urlopen(f"{address}/merge", timeout=30).read().decode()
        assert all(f'"{name}"' in page for name in screens.discover())
        port = address.rpartition(":")[2]
        said = subprocess.run(
            [fame, "app", "--port", port], cwd=tmp_path, env=environment(), capture_output=True, text=True
        )
        assert said.returncode == 2 and said.stdout == ""
        assert said.stderr == f"error: port {port} of localhost is taken; give another with --port\n"
    assert list(tmp_path.iterdir()) == [], "it leaves nothing where it was started"


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_a_log_is_trained_and_opened(
    fame: Path, tmp_path: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAME_STORE", str(tmp_path / "store"))
    file = {"name": "mine.csv", "mimeType": "text/csv", "buffer": log().encode()}
    with served(fame, tmp_path, "planted") as address:
        page = open_page(f"{address}/your_log")
        page.locator("input[type=file]").first.set_input_files(file, timeout=60_000)
        expect(page.get_by_text("kept 240 interactions, 40 users and 9 items")).to_be_visible(timeout=120_000)
        page.get_by_role("button", name="Train", exact=True).click()
        expect(page.get_by_text("trained on your log")).to_be_visible(timeout=240_000)
        page.get_by_role("link", name="Open it on a history of your log").click()
        best = page.locator(".st-key-story .column").last.locator(".item").first
        expect(best).to_contain_text(re.compile(r"i\d"), timeout=60_000)
        assert "m=mine" in page.url
    assert [path.name for path in tmp_path.iterdir()] == ["store"], "it leaves nothing where it was started"
