"""The training loop: what it learns from, that it can be repeated, interrupted and spread over processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric import Fabric
from numpy.testing import assert_allclose
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.checkpoint import CHECKPOINT, Epoch, difference
from fame.make.data.sequences import Sequences, Split, Task, leave_one_out
from fame.make.guidance import Guidance, GuidanceConfig
from fame.make.train import (
    Objective,
    Step,
    TrainConfig,
    curve,
    epoch_batches,
    fingerprint,
    rate,
    relative_entropy,
    train,
    validate,
    windows,
)
from fame.model import FAME

MODEL = FAMEConfig(n_items=20, max_len=8, d_model=16, n_heads=2, n_experts=2, dropout=0.2)
# An odd size, and with these seeds some epochs hold a batch of a single window.
CONFIG = TrainConfig(epochs=4, batch_size=7, learning_rate=0.01)


def sequences(*histories: list[int]) -> Sequences:
    offsets = np.cumsum([0, *map(len, histories)])
    items = np.array([item for history in histories for item in history], np.int32)
    return Sequences(np.arange(len(histories)).astype(str), items, offsets)


def log(users: int = 51, seed: int = 0) -> Split:
    """Most steps go from an item to the next one of the circle 1, 2, …, 20, 1; one in five goes anywhere."""
    rng = np.random.default_rng(seed)
    histories = []
    for _ in range(users):
        history = [int(rng.integers(1, 21))]
        for _ in range(int(rng.integers(1, 20))):
            history.append(history[-1] % 20 + 1 if rng.random() < 0.8 else int(rng.integers(1, 21)))
        histories.append(history)
    return leave_one_out(sequences(*histories))


def fresh(config: FAMEConfig = MODEL, seed: int = 0) -> FAME:
    torch.manual_seed(seed)
    return FAME(config)


def same_weights(a: FAME, b: FAME) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def told(history: list[Epoch]) -> list[dict]:
    """Epochs without their time."""
    return [{key: value for key, value in asdict(epoch).items() if key != "seconds"} for epoch in history]


# --- learning


@pytest.mark.parametrize("negatives", [0, 10], ids=["full", "sampled"])
@pytest.mark.parametrize(
    "form",
    [{"variant": "fame"}, {"variant": "sasrec"}, {"head_width": 16, "facet_mlp": 2, "anchors": 0.3}],
    ids=["fame", "sasrec", "all three"],
)
def test_learns_a_circle(form: dict[str, Any], negatives: int) -> None:
    model = fresh(replace(MODEL, **form))
    steps: list[Step] = []
    split = log(200)
    history = train(model, split, TrainConfig(6, 6, 16, 0.02, negatives=negatives), on_step=steps.append)
    assert abs(steps[0].loss - np.log(20)) < 0.3, "at the start all 20 items are as good"
    assert history[-1].loss < 1.9, "with one step in five at random, 1.1 can be reached"
    best = [epoch for epoch in history if epoch.best][-1]
    assert best.valid["HR@5"] > 0.7, "a random guess is right 5 times in 20"
    assert not model.training
    assert validate(model, split.valid, Fabric(devices=1, accelerator="cpu")) == best.valid, "the best epoch is kept"
    ends = [(step.epoch, step.of) for step in steps if step.done == step.of]
    assert [(step.epoch, step.done) for step in steps] == [(e, i) for e, of in ends for i in range(1, of + 1)]
    table = curve(history)
    assert table.epoch.tolist() == list(range(1, 7)) and table["NDCG@10"].max() == best.valid["NDCG@10"]
    entropies = table[["gate_entropy", "router_entropy"]].to_numpy()
    assert (entropies == 0).all() if "sasrec" in form.values() else ((entropies > 0) & (entropies <= 1)).all()


def test_the_loss_is_the_cross_entropy_of_real_targets_alone() -> None:
    model, counts = fresh().eval(), torch.ones(20)
    items, targets = torch.tensor([[3, 4, 5], [7, 0, 0]]), torch.tensor([[4, 5, 9], [8, 0, 0]])
    loss, _ = Objective(model, CONFIG, counts)(items, targets)
    by_hand = 0.0
    for row, column in ((0, 0), (0, 1), (0, 2), (1, 0)):
        scores = model.score(model(items).query[row, column])
        by_hand -= float(scores.log_softmax(0)[targets[row, column]].detach())
    assert_allclose(float(loss.detach()), by_hand, rtol=1e-5)


def test_items_of_the_window_are_no_candidates_where_they_are_masked() -> None:
    """But the target itself, should it come again."""
    model, config = fresh().eval(), replace(CONFIG, mask_seen=True)
    items, targets = torch.tensor([[3, 4, 5], [7, 0, 0]]), torch.tensor([[4, 5, 3], [8, 0, 0]])
    loss, _ = Objective(model, config, torch.ones(20))(items, targets)
    by_hand = 0.0
    for row, column, out in ((0, 0, [3]), (0, 1, [3, 4]), (0, 2, [4, 5]), (1, 0, [7])):
        scores = model.score(model(items).query[row, column])
        scores[out] = -torch.inf
        by_hand -= float(scores.log_softmax(0)[targets[row, column]].detach())
    assert_allclose(float(loss.detach()), by_hand, rtol=1e-5)


def test_competition_is_added_per_target_and_makes_routers_decide() -> None:
    form = replace(MODEL, head_width=16, facet_mlp=1, anchors=1.0, dropout=0.0)
    model = fresh(form).eval()
    items, targets = torch.tensor([[3, 4, 5], [7, 0, 0]]), torch.tensor([[4, 5, 9], [8, 0, 0]])
    plain, _ = Objective(model, CONFIG, torch.ones(20))(items, targets)
    more, _ = Objective(model, replace(CONFIG, compete=0.5), torch.ones(20))(items, targets)
    out, real = model(items), targets > 0
    alone = torch.einsum("mhnk,hvk->mhnv", (out.state.unsqueeze(3) + model.facets.anchors)[real], model.facet_items())
    p = torch.einsum("mh,mhn,mhnv->mv", out.gate[real], out.router[real], alone[..., 1:].softmax(-1))
    by_hand = -0.5 * p[torch.arange(4), targets[real] - 1].log().sum()
    assert_allclose(float((more - plain).detach()), float(by_hand.detach()), rtol=1e-4)
    decided = []
    for weight in (0.0, 1.0):
        history = train(fresh(form), log(100), replace(CONFIG, compete=weight, compete_positions=20))
        decided.append(history[-1].router_entropy)
    assert decided[1] < decided[0] - 0.05


@pytest.mark.parametrize("facet_mlp", [0, 1])
def test_experts_compete_over_drawn_items_as_over_all(facet_mlp: int) -> None:
    """What competition adds, where so many items are drawn that the estimate is near."""
    model = fresh(replace(MODEL, head_width=16, facet_mlp=facet_mlp, anchors=1.0, dropout=0.0)).eval()
    items, targets = torch.tensor([[3, 4, 5], [7, 0, 0]]), torch.tensor([[4, 5, 9], [8, 0, 0]])
    added = []
    for negatives in (0, 200_000):
        losses = []
        for compete in (0.0, 0.5):
            torch.manual_seed(0)  # the same items are drawn
            config = replace(CONFIG, negatives=negatives, compete=compete)
            losses.append(float(Objective(model, config, torch.arange(1.0, 21))(items, targets)[0].detach()))
        added.append(losses[1] - losses[0])
    assert added[0] > 1 and added[1] == pytest.approx(added[0], rel=5e-3)


def test_experts_without_anchors_cannot_compete() -> None:
    with pytest.raises(FameError, match=r"compete is for experts with anchors; give \[model\] anchors"):
        train(fresh(), log(), replace(CONFIG, compete=0.1))


def test_entropy_is_told_as_a_part_of_its_maximum() -> None:
    p = torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0], [0, 1, 0, 0]])
    assert_allclose(relative_entropy(p), [1, 0.5, 0], atol=1e-7)
    assert relative_entropy(torch.ones(3, 1)).tolist() == [0, 0, 0]


def test_the_learning_rate_warms_up_and_follows_its_schedule() -> None:
    warm = TrainConfig(epochs=2, warmup_steps=4)
    assert [rate(warm, step, 10) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    cosine = replace(warm, schedule="cosine")  # 20 steps, 16 of them after the warm-up
    assert_allclose([rate(cosine, step, 10) for step in (0, 3, 4, 12, 20, 30)], [0.25, 1, 1, 0.5, 0, 0], atol=1e-12)


def test_stops_early_and_keeps_the_best_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = iter([0.1, 0.3, 0.2, 0.3, 0.25, 0.9])
    monkeypatch.setattr("fame.make.train.validate", lambda *_: {"NDCG@10": next(scripted)})
    model, weights = fresh(), {}

    def remember(epoch: Epoch) -> None:
        weights[epoch.epoch] = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    history = train(model, log(), replace(CONFIG, epochs=50, patience=3), on_epoch=remember)
    assert [epoch.best for epoch in history] == [True, True, False, False, False], "as good as the best is no better"
    assert all(torch.equal(tensor, weights[2][name]) for name, tensor in model.state_dict().items())


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(FameError, match="nothing to learn from: no user has two training items"):
        train(fresh(), leave_one_out(sequences([1, 2, 3], [4])), CONFIG)


def test_a_gradient_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    model = fresh()
    with torch.no_grad():
        model.items.weight[1] = torch.inf
    with pytest.raises(
        FameError, match=r"in epoch 1 the loss is nan .*; lower learning_rate \(0\.01\) or raise warmup_steps"
    ):
        train(model, log(), CONFIG, folder=tmp_path)
    assert not list(tmp_path.iterdir()), "nothing is kept of it"


def test_a_log_without_validation_users_still_trains() -> None:
    history = train(fresh(), leave_one_out(sequences([1, 2], [2, 3], [3, 4])), replace(CONFIG, epochs=2))
    assert [epoch.valid["NDCG@10"] for epoch in history] == [0, 0]


# --- batches


@given(
    lengths=st.lists(st.integers(0, 40), max_size=12),
    max_len=st.integers(1, 12),
    size=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_every_item_but_the_first_is_a_target_once(lengths: list[int], max_len: int, size: int, seed: int) -> None:
    ends = np.cumsum([0, *lengths])
    histories = [list(range(1 + begin, 1 + end)) for begin, end in pairwise(ends.tolist())]  # each item stands once
    log = sequences(*histories)
    _, inputs = windows(log, max_len, np.random.default_rng(seed))
    assert ((inputs >= 1) & (inputs <= max_len)).all()
    met: Counter[tuple[int, int]] = Counter()
    for items, targets in epoch_batches(log, max_len, size, np.random.default_rng(seed)):
        assert 1 <= len(items) <= size and items.shape == targets.shape and items.shape[1] <= max_len
        real = targets > 0
        assert ((items > 0) == real).all() and (real[:, :-1] >= real[:, 1:]).all(), "padding is on the right"
        assert real[:, 0].all() and real[:, -1].any(), "no batch is wider than its longest window"
        assert (items[:, 1:] == targets[:, :-1])[real[:, 1:]].all(), "a window is a stretch of one history"
        met.update(zip(items[real].tolist(), targets[real].tolist(), strict=True))
    expected = [pair for history in histories for pair in pairwise(history)]
    assert met == Counter(expected)


def test_epochs_cut_and_shuffle_anew() -> None:
    rng = np.random.default_rng(0)
    one = sequences(list(range(1, 41)))
    assert len({windows(one, 8, rng)[0][1] for _ in range(50)}) == 8, "a long history is cut at every phase"
    many = sequences(*([k, 100 + k] for k in range(1, 41)))
    first, second = ({frozenset(items[:, 0].tolist()) for items, _ in epoch_batches(many, 8, 4, rng)} for _ in "ab")
    assert not first & second, "batches are of other windows each time"


def test_batches_of_like_length_pad_little() -> None:
    rng = np.random.default_rng(0)
    lengths = np.minimum(1 + rng.lognormal(2, 1, 3000).astype(int), 200)  # as skewed as real logs
    log = sequences(*([1] * n for n in lengths))
    batches = list(epoch_batches(log, 50, 64, rng))
    cells, real = sum(t.numel() for _, t in batches), sum(int((t > 0).sum()) for _, t in batches)
    random_cells = 50 * len(windows(log, 50, rng)[0])  # what batches drawn without a look at lengths come to
    assert cells < 1.6 * real and random_cells > 3 * real
    widths = [t.shape[1] for _, t in batches]
    assert widths != sorted(widths), "short and long batches come in random order"


# --- repeat, interrupt, spread


def test_a_guided_run_goes_on_only_with_the_attributes_it_began_with() -> None:
    settings, prints = GuidanceConfig(heads=("genre",), sup=0.1, least_items=1), []
    for genres in ("ab", "ab", "ba"):
        frame = pd.DataFrame({"item_id": range(20), "genre": list(genres * 10)})
        model = FAME(MODEL)
        guidance = Guidance(settings, model, Catalogue.from_frame(frame))
        prints.append(fingerprint(model, CONFIG, guidance, log().train))
    assert difference(prints[0], prints[1]) == ""
    assert difference(prints[0], prints[2]) == "on other attributes of the items"


@pytest.mark.parametrize("changes", [{"schedule": "cosine", "warmup_steps": 9}, {"negatives": 5}], ids=str)
def test_a_killed_run_ends_with_the_weights_it_would_have_had(tmp_path: Path, changes: dict) -> None:
    config = replace(CONFIG, **changes)
    whole = fresh()
    expected = train(whole, log(), config)

    def kill(step: Step) -> None:
        if (step.epoch, step.done) == (3, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(fresh(), log(), config, folder=tmp_path, on_step=kill)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    resumed, seen = fresh(seed=99), []
    history = train(resumed, log(), config, folder=tmp_path, on_epoch=seen.append)
    assert [epoch.epoch for epoch in seen] == [3, 4]
    assert told(history) == told(expected)
    assert same_weights(resumed, whole)

    again = fresh(seed=98)
    assert train(again, log(), config, folder=tmp_path, on_epoch=lambda _: pytest.fail("the run was over")) == history
    assert same_weights(again, whole)


def test_the_seed_decides() -> None:
    runs = [(fresh(), replace(CONFIG, epochs=2, seed=seed)) for seed in (1, 1, 2)]
    histories = [told(train(model, log(), config)) for model, config in runs]
    (a, _), (b, _), (c, _) = runs
    assert same_weights(a, b) and histories[0] == histories[1]
    assert not same_weights(a, c)


@pytest.mark.parametrize(
    ("model", "config", "split", "other"),
    [
        (
            MODEL,
            replace(CONFIG, learning_rate=0.02),
            log(),
            "with training.learning_rate 0.01, where this one has 0.02",
        ),
        (replace(MODEL, dropout=0.3), CONFIG, log(), "with model.dropout 0.2, where this one has 0.3"),
        (MODEL, CONFIG, log(seed=1), "on another log"),
    ],
    ids=["settings", "model", "data"],
)
def test_a_checkpoint_of_another_run_is_refused(
    tmp_path: Path, model: FAMEConfig, config: TrainConfig, split: Split, other: str
) -> None:
    train(fresh(), log(), replace(CONFIG, epochs=1), folder=tmp_path)
    with pytest.raises(FameError, match=f"is of a run {other}; --fresh forgets it, another --name or --runs keeps"):
        train(fresh(model), split, config, folder=tmp_path)


def test_a_run_of_other_epochs_and_patience_goes_on_to_the_weights_of_a_straight_one(tmp_path: Path) -> None:
    whole = fresh()
    expected = train(whole, log(), CONFIG)
    notes: list[str] = []
    train(fresh(), log(), replace(CONFIG, epochs=1, patience=1), folder=tmp_path, on_note=notes.append)
    resumed = fresh(seed=99)
    assert told(train(resumed, log(), CONFIG, folder=tmp_path, on_note=notes.append)) == told(expected)
    assert same_weights(resumed, whole) and not notes
    again = fresh(seed=98)
    train(again, log(), replace(CONFIG, epochs=2), folder=tmp_path, on_note=notes.append)
    assert same_weights(again, whole)
    assert notes == ["4 epochs are done, more than the 2 asked for now; the best of them all is kept"]


def test_a_cosine_says_what_other_epochs_do_to_it(tmp_path: Path) -> None:
    config = replace(CONFIG, schedule="cosine", epochs=1)
    notes: list[str] = []
    train(fresh(), log(), config, folder=tmp_path)
    steps: list[Step] = []
    longer = replace(config, epochs=2)
    train(fresh(), log(), longer, folder=tmp_path, on_note=notes.append, on_step=steps.append)
    [note] = notes
    assert (
        "ends at epoch 2, not 1: the learning rate goes on at 50% of its highest, where the run had come to 0%" in note
    )
    assert steps[0].learning_rate == pytest.approx(0.5 * config.learning_rate, rel=0.2)


def test_a_stopped_run_is_finished_with_its_best_epoch(tmp_path: Path) -> None:
    with pytest.raises(FameError, match="no epoch is done, so that there is nothing to finish"):
        train(fresh(), log(), CONFIG, folder=tmp_path, finish=True)

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(fresh(), log(), CONFIG, folder=tmp_path, on_epoch=stop)
    short, finished = fresh(), fresh(seed=9)
    expected = train(short, log(), replace(CONFIG, epochs=2))
    assert told(train(finished, log(), CONFIG, folder=tmp_path, finish=True)) == told(expected)
    assert same_weights(finished, short)


@pytest.mark.parametrize("kind", ["garbage", "empty", "cut", "pickle"])
def test_an_unreadable_checkpoint_is_refused(tmp_path: Path, kind: str) -> None:
    train(fresh(), log(), replace(CONFIG, epochs=1), folder=tmp_path)
    path = tmp_path / CHECKPOINT
    match kind:
        case "garbage":
            path.write_bytes(b"no weights here" * 9)
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(path.read_bytes()[:-1])
        case "pickle":
            torch.save(fresh().state_dict(), path)
    with pytest.raises(FameError, match=r"not a readable checkpoint .*; --fresh starts without it, another --name"):
        train(fresh(), log(), CONFIG, folder=tmp_path)


def test_a_full_disk_keeps_the_epochs_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def once(tensors: dict, path: Path, metadata: dict) -> None:
        if (tmp_path / CHECKPOINT).exists():
            path.write_bytes(b"half of it")
            raise SafetensorError("I/O error: No space left on device")
        save_file(tensors, path, metadata)

    monkeypatch.setattr("fame.make.checkpoint.save_file", once)
    with pytest.raises(FameError, match=r"cannot be written \(.*No space left.*\); check space and rights"):
        train(fresh(), log(), CONFIG, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    monkeypatch.undo()
    epochs: list[int] = []
    train(fresh(), log(), CONFIG, folder=tmp_path, on_epoch=lambda e: epochs.append(e.epoch))
    assert epochs[0] == 2


PROCESS = """
import json, sys
from pathlib import Path
from safetensors.torch import save_file
import test_train as t

out = Path(sys.argv[1])
fabric = t.Fabric()
model = t.fresh(t.STEADY, seed=fabric.global_rank).double()  # each starts elsewhere; the first one's weights count
history = t.train(model, t.log(), t.CONFIG, fabric=fabric, folder=out)
one = t.validate(model, t.one_user(), fabric)
if fabric.is_global_zero:
    save_file(model.state_dict(), out / "weights.safetensors")
    (out / "told.json").write_text(json.dumps([fabric.world_size, t.told(history), one]))
"""
STEADY = replace(MODEL, dropout=0)


def one_user() -> Task:
    """Fewer users than processes."""
    return Task(sequences([1, 2, 3]), np.array([4]))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_come_to_the_result_of_one(tmp_path: Path) -> None:
    """In float64, where only the order of sums differs; batches that do not divide by two are among them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "process.py").write_text(PROCESS)
    here = Path(__file__).resolve().parent
    run = subprocess.run(
        [
            *(sys.executable, "-m", "lightning_fabric.cli", "--accelerator", "cpu", "--strategy", "ddp"),
            *("--devices", "2", "--main-port", str(port), str(tmp_path / "process.py"), str(tmp_path)),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=540,  # seconds on an idle machine; what it takes beside other work is not the point
    )
    assert run.returncode == 0, run.stderr
    world_size, told_by_two, one = json.loads((tmp_path / "told.json").read_text())
    assert world_size == 2
    single = fresh(STEADY).double()
    history = train(single, log(), CONFIG)
    for ours, theirs in zip(told(history), told_by_two, strict=True):
        assert ours.pop("valid") == pytest.approx(theirs.pop("valid"), abs=1e-12)
        assert ours == pytest.approx(theirs, abs=1e-9)
    for name, weight in load_file(tmp_path / "weights.safetensors").items():
        assert_allclose(weight, single.state_dict()[name], rtol=0, atol=1e-8, err_msg=name)
    assert one == pytest.approx(validate(single, one_user(), Fabric(devices=1, accelerator="cpu")), abs=1e-12)
    resumed = fresh(STEADY, seed=5).double()
    train(resumed, log(), CONFIG, folder=tmp_path)
    assert_allclose(resumed.items.weight.detach(), single.items.weight.detach(), atol=1e-8)
