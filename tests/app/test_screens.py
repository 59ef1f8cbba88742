"""A screen is one file: a file more in app/screens is a screen more, with its heading, help and options."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app import screens
from app.screen import Declaration, Option
from fame.bundle import Bundle
from tests.app.browser import ROOT

ADDED = """
from app import widgets
from app.screen import Declaration, Option, Screen

SCREEN = Declaration(
    title="Echo", question="Which {many} are read?", order=99, help="**This** lists {many}.",
    options={
        "echo_case": Option(("upper", "lower"), lambda screen: "lower"),
        "echo_of": Option(lambda screen, item: item in screen.bundle.catalogue, of_history=True),
    },
)


def render(screen: Screen) -> None:
    titles = ", ".join(map(screen.bundle.catalogue.label, screen.state.history))
    widgets.write(getattr(titles, screen.option("echo_case"))())
"""
# In a process of its own, whose `app` is the copy.
OPEN = """
import sys
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
import app
assert app.__file__.startswith(sys.argv[1])
page = AppTest.from_file("app/main.py", default_timeout=60)
page._page_hash = calc_hash("echo")
for pair in sys.argv[2:]:
    name, _, value = pair.partition("=")
    page.query_params[name] = value
page.run()
print(*(x.proto.body for x in page.get("html") if not x.proto.body.startswith("<style>")), sep="\\n")
print(*(x.proto.json for x in page.get("bidi_component")), sep="\\n")
print(*(x.value for x in page.warning), page.exception, sep="\\n")
"""


@pytest.fixture
def opened(tmp_path: Path, folder: Path):  # type: ignore[no-untyped-def]
    """What the added screen shows in a copy of the app, opened by a link with these parameters."""
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "app" / "screens" / "echo.py").write_text(ADDED)

    def run(*params: str) -> str:
        paths = os.pathsep.join([str(tmp_path), str(ROOT)])
        environment = os.environ | {"PYTHONPATH": paths, "FAME_BUNDLE": str(folder)}
        command = [sys.executable, "-c", OPEN, str(tmp_path), *params]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run


def test_a_file_more_is_a_screen_more(opened, small: Bundle) -> None:  # type: ignore[no-untyped-def]
    page = opened("h=f1-f2", "echo_case=upper", "echo_of=f9")
    assert "Echo <small>Which items are read?</small>" in page and "**This** lists items." in page
    assert "TOY STORY (1970), ALADDIN (1971)" in page and "could not be used" not in page and "ElementList()" in page
    page = opened("h=f1-f2", "echo_case=title", "echo_of=zz", "echo_more=1")
    assert "toy story (1970), aladdin (1971)" in page, "the default takes the place of what does not fit"
    assert "The link's echo_case could not be used: “title” is none of its choices." in page
    assert "The link's echo_of could not be used: “zz” is none of its choices." in page
    assert "The link's echo_more could not be used: there is no such choice." in page
    assert "The history is empty" in opened("h=none")


def test_screens_stand_in_the_order_they_declare() -> None:
    order = ["story", "merge", "experts", "what_if", "atlas", "evidence", "population", "lesson", "your_log"]
    assert list(screens.discover()) == order
    assert all(entry.declaration.title and entry.declaration.help for entry in screens.discover().values())


@pytest.mark.parametrize("name", ["colour", "merge_colour", "story_Colour", "story_"])
def test_an_option_is_named_after_its_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Declaration(title="Story", question="?", order=1, help="", options={name: Option(("a",), "a")})
    monkeypatch.setattr("app.screens.story.SCREEN", wrong)
    with pytest.raises(TypeError, match=rf"app/screens/story\.py: option '{name}', expected story_…"):
        screens.discover.__wrapped__()
    monkeypatch.setattr("app.screens.story.SCREEN", None)
    with pytest.raises(TypeError, match=r"app/screens/story\.py: expected SCREEN"):
        screens.discover.__wrapped__()


def test_every_file_that_is_saved_is_called_by_its_model() -> None:
    """Its name comes from the screen or from a picture's origin, so that two models' files stand apart."""
    found = 0
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("download_table"):
                name = ast.unparse(node.args[2])
                assert "screen.file(" in name or "picture.file" in name, f"{path.name}: {name}"
                found += 1
    assert found >= 12
