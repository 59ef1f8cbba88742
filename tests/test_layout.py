"""The house: which module may import which, what lies at the top, and what the container copies."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = sorted((ROOT / "fame").rglob("*.py"))
FLOORS = {
    **dict.fromkeys(["errors", "text"], 0),
    **dict.fromkeys(["settings", "config", "catalogue", "search"], 1),
    "trace": 2,
    "model": 3,
    **dict.fromkeys(["explain", "atlas", "regions", "evidence", "population"], 4),
    "bundle": 5,
    "plots": 6,
    "make": 7,
    "cli": 8,
}
FACADE = 9  # fame/__init__.py shows every floor, so that nothing below may import from it
TOP_LEVEL = """
    app fame artifacts tests recipes benchmarks docs .ci .streamlit .github/workflows README.md CHANGELOG.md
    CITATION.cff LICENSE Makefile Dockerfile pyproject.toml requirements.txt requirements-dev.txt
"""


def imports(source: str, module: tuple[str, ...]) -> list[str]:
    """Dotted names that a module's source imports, at any depth; `from fame import x` counts as fame.x."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = module[: len(module) - node.level] if node.level else ()
            base = ".".join([*package, *([node.module] if node.module else [])])
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names


def floor(dotted: str) -> int:
    """The floor that a name stands on: 0 outside the package."""
    package, _, rest = dotted.partition(".")
    if package != "fame" or rest == "__version__":
        return 0
    return FLOORS.get(rest.split(".")[0], FACADE)


def test_every_form_of_import_is_read() -> None:
    source = """
import fame.cli, numpy
from fame import bundle, load
from ... import make
from ...model import FAME
from . import movielens
def late():
    import streamlit.testing as st
"""
    names = imports(source, ("fame", "make", "data", "amazon"))
    assert dict(zip(names, map(floor, names), strict=True)) == {
        "fame.cli": 8,
        "numpy": 0,
        "fame.bundle": 5,
        "fame.load": FACADE,
        "fame.make.train": 2,
        "fame.model.FAME": 3,
        "fame.make.data.movielens": 1,
        "streamlit.testing": 0,
    }


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_down_only(path: Path) -> None:
    module = path.relative_to(ROOT).with_suffix("").parts
    names = imports(path.read_text(encoding="utf-8"), module)
    screens = [name for name in names if name.split(".")[0] in {"streamlit", "app"}]
    assert not screens, f"fame/ knows no screen, yet imports {screens}"
    if module[1] in {"__init__", "__main__"}:
        return
    assert module[1] in FLOORS, f"fame/{module[1]} has no floor: give it one here"
    here = FLOORS[module[1]]
    above = [name for name in names if floor(name) > here]
    assert not above, f"floor {here} imports from above: {above}"


@pytest.mark.parametrize("name", TOP_LEVEL.split())
def test_top_level_has(name: str) -> None:
    assert (ROOT / name).exists(), f"{name} is missing at the top of the project"


def test_the_container_copies_what_exists_and_is_sent() -> None:
    """Docker sees only what .dockerignore lets through; each path a COPY names must be there and among it."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.findall(r"^COPY (.+)", dockerfile, re.MULTILINE)
    copied = {source.rstrip("/") for line in lines for source in line.split()[:-1]}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert ignored[0] == "*", "everything is left out first, then let in by name"
    sent = {line[1:] for line in ignored if line.startswith("!")}
    assert copied == sent
    for source in copied:
        assert (ROOT / source).exists(), f"COPY {source}: no such path"
