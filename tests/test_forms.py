"""A bundle in the form with wide heads, an item MLP and anchors, made and opened like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import fame
from fame.atlas import space_vectors
from fame.make.pipeline import train_recipe
from fame.make.recipe import Recipe

RECIPE = {
    "name": "toy",
    "model": {
        "d_model": 8, "n_heads": 2, "n_experts": 2, "max_len": 6, "head_width": 8, "facet_mlp": 2, "anchors": 0.5,
    },
    "training": {
        "epochs": 2, "batch_size": 16, "learning_rate": 0.01, "start": "log", "compete": 0.1, "mask_seen": True,
    },
}  # fmt: skip


def test_it_trains_is_probed_mapped_saved_and_opened(toy_log: Path, tmp_path: Path) -> None:
    data = {"form": "csv", "path": toy_log / "log.csv", "items": toy_log / "items.csv"}
    made = train_recipe(Recipe.from_tables(RECIPE | {"data": data}), tmp_path / "toy", runs=tmp_path / "runs")
    bundle = fame.load(tmp_path / "toy")
    assert made is not None and bundle.atlas is not None
    assert "| beyond the paper's form | heads of width 8, an item MLP of hidden width 16, a preference" in bundle.card
    assert bundle.evidence is not None
    rows = [1, 2, 3]
    trace = bundle.trace(rows=rows)
    np.testing.assert_allclose(trace.scores, made.trace(rows=rows).scores, rtol=1e-5)
    items = trace.top(5).item_id
    shares = trace.contributions(items).filter(regex=r"^head_\d+$").to_numpy()
    parts = trace.contributions(items, experts=True).filter(like="head_").to_numpy().reshape(5, 2, 3)
    np.testing.assert_allclose(parts.sum(2), shares, atol=1e-5)
    for h in (0, 1):
        scores = space_vectors(bundle.model, f"head_{h + 1}") @ trace.F[-1, h]
        np.testing.assert_allclose(trace.head_scores[h, 1:], scores[1:], atol=1e-4)
