"""Wide heads, an item MLP and anchors: experts' parts add up, and a bundle is made and opened like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from test_identities import DOUBLE, SINGLE, TWO_BY_TWO, Setting, cases, close

import fame
from fame.atlas import space_vectors
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.pipeline import train_recipe
from fame.make.recipe import Recipe
from fame.make.runs import centre
from fame.model import FAME
from fame.trace import Intervention

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
    np.testing.assert_allclose(trace.head_scores[:, 1:].mean(1), 0, atol=1e-4)  # the average item scores 0
    items = trace.top(5).item_id
    shares = trace.contributions(items).filter(regex=r"^head_\d+$").to_numpy()
    parts = trace.contributions(items, experts=True).filter(like="head_").to_numpy().reshape(5, 2, 3)
    np.testing.assert_allclose(parts.sum(2), shares, atol=1e-5)
    for h in (0, 1):
        scores = space_vectors(bundle.model, f"head_{h + 1}") @ trace.F[-1, h]
        np.testing.assert_allclose(trace.head_scores[h, 1:], scores[1:], atol=1e-4)


def test_centring_moves_no_rank_and_no_probability() -> None:
    torch.manual_seed(0)
    model = FAME(FAMEConfig(20, 6, d_model=8, n_heads=2, n_experts=2, head_width=8, facet_mlp=2)).eval()
    items = torch.tensor([[3, 9, 4]])
    with torch.no_grad():
        before, heads = model.score(model(items).query[0, -1]), model.head_scores(model(items).F[0, -1])
        centre(model)
        after, centred = model.score(model(items).query[0, -1]), model.head_scores(model(items).F[0, -1])
    torch.testing.assert_close(after[1:].softmax(-1), before[1:].softmax(-1))
    torch.testing.assert_close(centred[:, 1:], heads[:, 1:] - heads[:, 1:].mean(1, keepdim=True))
    assert heads[:, 1:].mean(1).abs().min() > 0.01, "there was something to take away"


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=["double", "single"])
@given(case=cases())
def test_experts_parts_add_up(dtype: torch.dtype, case: tuple[Setting, list[int], Intervention]) -> None:
    """With anchors s_h(v) = <state^h + b̄, x_v^(h)> + Σ_n β_n <b_n − b̄, x_v^(h)>, whatever the intervention."""
    setting, history, what_if = case
    setting = replace(setting, config=replace(setting.config, anchors=1.0))
    H, N, V = setting.config.n_heads, setting.config.n_experts, setting.config.n_rows
    t = setting.trace(history, what_if, dtype)
    rows, items = np.arange(1, V), [f"i{row}" for row in range(1, V)]
    split = t.parts(rows)
    assert split.shape == (H, 1 + N, V - 1)
    scale = np.abs(split).sum((0, 1))
    close(split.sum(1), t.shares(rows), scale)
    model = setting.model(dtype)
    with torch.no_grad():
        spaces = model.facet_items().numpy()
    anchors = model.facets.anchors.detach().numpy()
    by_hand = np.einsum("hn,hnk,hvk->hnv", t.router[-1], anchors - anchors.mean(1, keepdims=True), spaces)
    close(t.anchor_scores[..., 1:], by_hand[..., 1:], np.abs(by_hand).max())
    close(t.gate[-1][:, None, None] * t.anchor_scores[..., 1:], split[:, 1:], scale.max())
    table = t.contributions(items, experts=True)
    parts = table.filter(regex=r"^head_\d+_(state|expert_\d+)$")
    assert parts.shape[1] == H * (1 + N)
    close(parts.sum(axis=1).to_numpy(), table.score.to_numpy(), scale.max())
    close(parts["head_1_expert_1"].to_numpy(), split[0, 1], scale.max())


def test_without_anchors_experts_have_no_parts() -> None:
    t = TWO_BY_TWO.trace([1, 2])
    assert t.anchor_scores is None
    with pytest.raises(FameError, match="no anchors, so that a head's share does not split into theirs; run it with"):
        t.contributions(["i1"], experts=True)
