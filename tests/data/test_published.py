"""From a file as it was published to a bundle: an epoch of a tiny model on each form that is named for a data set."""

from __future__ import annotations

from pathlib import Path

import pytest

import fame
from fame.make.pipeline import train_recipe
from fame.make.recipe import Recipe
from tests.data.logs import HEADLESS, LISTS, NAMES, OBJECTS, SEQUENCES, Case, put

PUBLISHED = [case for case in (*NAMES, *HEADLESS, *OBJECTS[11:], *LISTS[:1], *SEQUENCES[:1])]
TINY = {
    "model": {"d_model": 8, "n_heads": 2, "n_experts": 2, "n_layers": 1, "max_len": 8, "backbone_heads": 1},
    "training": {"epochs": 1, "batch_size": 8},
    "maps": False, "evidence": False, "population": False,
}  # fmt: skip


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case.name)
def test_a_bundle_comes_of_it(tmp_path: Path, case: Case) -> None:
    path = put(tmp_path / "log", case.files)
    plan = Recipe.from_tables({"name": "tiny", "data": {"path": str(path), "k_core": 0, **case.options}, **TINY})
    train_recipe(plan, tmp_path / "out", runs=tmp_path / "runs")
    bundle = fame.load(tmp_path / "out")
    items = {item for items in case.gives.values() for item in items}
    if case.name != "Netflix":  # its histories are filled in where its ties are settled
        assert set(bundle.catalogue.item_id[1:]) == items
    assert len(bundle.trace(rows=[1, 2]).top(3)) == 3
    assert "read " in bundle.card, "the card says how the log was read"
