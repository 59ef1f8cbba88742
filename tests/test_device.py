"""What trains on a CPU trains on another device, and comes to the same: nothing is left behind or mixed up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from card import CARD, fabric

from fame.config import FAMEConfig
from fame.make.pipeline import train_recipe
from fame.make.recipe import Recipe
from fame.make.runs import Callbacks, compare
from fame.make.train import Step
from fame.model import FAME

SMALL: dict[str, Any] = {
    "model": {"d_model": 8, "n_heads": 2, "n_experts": 3, "max_len": 6, "dropout": 0.1},
    "training": {"epochs": 3, "batch_size": 16, "learning_rate": 0.01},
}
EVERY_TERM = {name: 0.1 for name in ("sup", "excl", "tie", "balance", "mi")}
CHANGES: dict[str, dict[str, Any]] = {
    "plain": {},
    "sasrec": {"model": {"variant": "sasrec"}},
    "wide, MLP, anchors": {
        "model": {"head_width": 8, "facet_mlp": 2, "anchors": 1.0},
        "training": {"compete": 0.1, "mask_seen": True},
    },
    "anchors alone": {"model": {"anchors": 1.0}},
    "sampled softmax": {"training": {"negatives": 4}},
    "label smoothing": {"training": {"label_smoothing": 0.1}},
    "guided": {"guidance": EVERY_TERM | {"heads": ["genres", "decade"], "least_items": 2, "pretrain": 2}},
}


@pytest.fixture
def exact() -> Iterator[None]:
    """float64, by which a fault is told from rounding: Adam moves a weight by a whole step however small the gradient,
    and with anchors some gradients are rounding alone, like that of what moves all items' scores by the same.
    """
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def on_card(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Training finds a card, as it finds a GPU where there is one."""

    def launched() -> Any:
        ready = fabric()
        ready.launch()
        return ready

    # On a graphics card a weight keeps its identity when it moves; on this card it does so by this switch.
    torch.__future__.set_swap_module_params_on_conversion(True)
    for place in ("pipeline", "runs"):
        monkeypatch.setattr(f"fame.make.{place}.launched", launched)
    yield
    torch.__future__.set_swap_module_params_on_conversion(False)


def recipe(toy_log: Path, changes: dict[str, Any]) -> Recipe:
    data = {"form": "csv", "path": toy_log / "log.csv", "items": toy_log / "items.csv"}
    tables = {name: SMALL.get(name, {}) | changes.get(name, {}) for name in {*SMALL, *changes}}
    return Recipe.from_tables({"name": "toy", "data": data, "evidence": False, "maps": False, **tables})


def test_the_card_does_not_mix_with_the_cpu() -> None:
    here, there = torch.ones(3), torch.ones(3, device=CARD)
    for mixed in (lambda: here + there, lambda: there @ here, lambda: torch.cat([here, there])):
        with pytest.raises(RuntimeError, match="on the card and, of shape"):
            mixed()
    assert (there + here.to(CARD)).cpu().tolist() == [2, 2, 2]
    model = FAME(FAMEConfig(n_items=5, max_len=4, d_model=8))
    with pytest.raises(RuntimeError, match="on the card and, of shape"):
        model(torch.ones(1, 2, dtype=torch.int64, device=CARD))


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_a_bundle_trained_on_a_card_is_that_of_the_cpu(
    toy_log: Path, tmp_path: Path, request: pytest.FixtureRequest, changes: dict[str, Any]
) -> None:
    wanted = recipe(toy_log, changes)
    if "anchors" in changes.get("model", {}):
        request.getfixturevalue("exact")
    cpu = train_recipe(wanted, tmp_path / "cpu", runs=tmp_path / "runs-cpu")
    request.getfixturevalue("on_card")

    def kill(step: Step) -> None:
        if (step.epoch, step.done) == (3, 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # and goes on from the checkpoint of the second epoch
        train_recipe(wanted, tmp_path / "card", runs=tmp_path / "runs-card", callbacks=Callbacks(step=kill))
    card = train_recipe(wanted, tmp_path / "card", runs=tmp_path / "runs-card")
    assert cpu and card and cpu.training is not None and card.training is not None
    for name, weights in cpu.model.state_dict().items():
        torch.testing.assert_close(card.model.state_dict()[name], weights, rtol=1e-4, atol=1e-5, msg=name)
    assert card.training["NDCG@10"].tolist() == pytest.approx(cpu.training["NDCG@10"].tolist(), abs=1e-9)


def test_a_comparison_runs_on_a_card(toy_log: Path, tmp_path: Path, on_card: None) -> None:
    compared = compare(recipe(toy_log, {"comparison": {"seeds": [0]}}), runs=tmp_path)
    assert compared is not None and len(compared) >= 3
