"""The house: which module may import which, what lies at the top, and what the container copies."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = sorted((ROOT / "fame").rglob("*.py"))
OPEN = [
    *(path for path in LIBRARY if path.relative_to(ROOT).parts[1] not in {"make", "cli"}),
    *(path for path in sorted((ROOT / "app").rglob("*.py")) if path.name != "training.py"),  # a process of its own
]
SOURCES = sorted(path for top in ("fame", "app") for end in ("py", "js") for path in (ROOT / top).rglob(f"*.{end}"))
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 60
JS_FUNCTION = re.compile(
    r"( *)(?:export (?:default )?)?(?:async )?(?:function *|(?:const|let) (?=\w+ = (?:async )?\())(\w*).*\{$"
)
FLOORS = {
    **dict.fromkeys(["cite", "errors", "home", "text", "statistics"], 0),
    **dict.fromkeys(["settings", "config", "catalogue", "search"], 1),
    "trace": 2,
    **dict.fromkeys(["intervene", "model"], 3),
    **dict.fromkeys(["explain", "atlas", "regions", "evidence", "population", "course"], 4),
    "bundle": 5,
    "lessons": 6,
    "plots": 6,
    "make": 7,
    "cli": 8,
}
FACADE = 9  # fame/__init__.py shows every floor, so that nothing below may import from it
TOP_LEVEL = """
    app fame artifacts lessons tests recipes benchmarks docs .ci .streamlit .github/workflows README.md CHANGELOG.md
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
        "fame.make": 7,
        "fame.model.FAME": 3,
        "fame.make.data.movielens": 7,
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


@pytest.mark.parametrize("path", OPEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_who_opens_a_model_does_not_import_its_making(path: Path) -> None:
    module = path.relative_to(ROOT).with_suffix("").parts
    made = [name for name in imports(path.read_text(encoding="utf-8"), module) if f"{name}.".startswith("fame.make.")]
    assert not made, f"only fame/make, fame/cli and the app's training process may import {made}"


def functions(path: Path) -> dict[str, int]:
    """The lines of each function of a .py or .js file; of JavaScript those that stand at the margin or are named."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        return {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in nodes}
    lines, found = text.splitlines(), dict[str, int]()
    for start, line in enumerate(lines):
        if opened := JS_FUNCTION.match(line):
            end = next((i for i in range(start + 1, len(lines)) if re.match(rf"{opened[1]}\}}", lines[i])), start)
            found[opened[2] or "default"] = end - start + 1
    return found


def test_functions_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    def g():\n        pass\n    return g\n")
    (tmp_path / "a.js").write_text(
        "export default function (x) {\n  const f = (y) => {\n    return y\n  }\n"
        "  const h = (y) => y\n  async function g() {\n  }\n}\n"
    )
    assert functions(tmp_path / "a.py") == {"f": 4, "g": 2}
    assert functions(tmp_path / "a.js") == {"default": 8, "f": 3, "g": 2}


def test_files_and_functions_are_short() -> None:
    """A file has at most 400 lines and a function at most 60."""
    long = set()
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES:
            long.add(name)
        long |= {f"{name}: {f}" for f, lines in functions(path).items() if lines > MOST_LINES_OF_A_FUNCTION}
    assert sorted(long) == [], "too long: split it by what it does"


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
