"""The notebook in docs/ runs from top to bottom on the bundle that ships, and is kept with its outputs."""

from __future__ import annotations

import re

import nbformat
import pytest

from docs import notebook
from fame.bundle import ARTIFACTS


@pytest.fixture(autouse=True)
def shipped() -> None:
    if not (ARTIFACTS / "ml-1m" / "manifest.json").is_file():
        pytest.skip("no bundle in artifacts/ml-1m: train it with `fame train recipes/ml-1m.toml`")


@pytest.mark.slow
def test_it_runs_and_draws() -> None:
    fresh = notebook.executed()  # raises where a cell does
    assert len(list(notebook.figures(fresh))) == 9
    said = [o.text for cell in fresh.cells for o in cell.get("outputs", []) if o.output_type == "stream"]
    assert said == [], "nothing is printed by the way"


def test_it_is_kept_as_it_ran() -> None:
    kept = nbformat.read(notebook.NOTEBOOK, as_version=4)
    nbformat.validate(kept)
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run it anew: make notebook"
    outputs = [output for cell in code for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"execute_result", "display_data"}, "no error, nothing printed"
    assert sum("image/png" in output.data for output in outputs) == 9, "pictures are kept as everyone can see them"
    text = notebook.NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < notebook.LARGEST
    assert not re.search(r"/(home|root|Users|work|tmp|usr)/", text), "a path of somebody's machine"
