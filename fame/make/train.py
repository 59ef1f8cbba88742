"""The training loop: one for a CPU, a GPU or many machines, on Lightning Fabric."""

from __future__ import annotations

import atexit
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as fn
from lightning_fabric import Fabric
from torch import Tensor, nn

from fame.errors import FameError
from fame.make.checkpoint import Epoch, Progress, load_checkpoint, save_checkpoint
from fame.make.configs import TrainConfig
from fame.make.data.sequences import Sequences, Split, Task
from fame.make.evaluate import METRICS, metric_values, ranks
from fame.make.guidance import Guidance
from fame.make.losses import competition, full_softmax, of_a_sample, sampled_softmax
from fame.model import FAME, Pass

__all__ = ["Objective", "Step", "TrainConfig", "curve", "launched", "relative_entropy", "train"]

BETAS = (0.9, 0.98)  # of Adam, as in the code of SASRec
MAX_NORM = 5.0  # of the gradient


@dataclass(frozen=True)
class Step:
    """Where training is within an epoch."""

    epoch: int
    done: int
    of: int
    loss: float
    steps: int  # in all epochs
    learning_rate: float


class Objective(nn.Module):
    """The network with its loss: what Fabric wraps, so that gradients meet across devices."""

    def __init__(self, model: FAME, config: TrainConfig, counts: Tensor, guidance: Guidance | None = None):
        super().__init__()
        self.model = model
        self.guidance = guidance
        self.config = config
        self.register_buffer("popularity", counts.clamp(min=1) / counts.clamp(min=1).sum(), persistent=False)
        self.popularity: Tensor  # [items], without the padding row

    def forward(self, items: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """items, targets [b t] -> summed cross-entropy over the real targets (and what competition and guidance add),
        and the sums of gate entropy and router entropy over them: (scalar, [2])."""
        out = self.model(items)
        real = targets > 0
        wanted = targets[real] - 1  # only real targets are scored: the big saving
        query = out.query[real]
        if self.config.negatives:
            drawn = torch.multinomial(self.popularity, self.config.negatives, replacement=True)
            # The whole table, not what is left without padding: a slice's gradient is one more copy of the table.
            rows = self.model.table(torch.cat([wanted, drawn]) + 1)
            loss = sampled_softmax(query, rows, wanted, drawn, self.popularity[drawn])
        else:
            drawn, rows = None, self.model.table()[1:]
            loss = self.cross_entropy(query, rows, wanted, seen(items, real, wanted) if self.config.mask_seen else None)
        if self.config.compete:
            loss = loss + self.config.compete * len(wanted) * self.competition(out, real, wanted, rows, drawn)
        if self.guidance:
            loss = loss + len(wanted) * self.guidance(self.model, out, real, wanted)
        return loss, entropies(out, real)

    def cross_entropy(self, query: Tensor, table: Tensor, wanted: Tensor, seen: Tensor | None) -> Tensor:
        """Summed over targets: query [m q], table [items q], wanted [m] and seen [m t] item indices."""
        if smoothing := self.config.label_smoothing:
            return fn.cross_entropy(query @ table.T, wanted, reduction="sum", label_smoothing=smoothing)
        return full_softmax(query, table, wanted, seen)

    def competition(self, out: Pass, real: Tensor, wanted: Tensor, rows: Tensor, drawn: Tensor | None) -> Tensor:
        """`losses.competition` of at most `compete_positions` random targets.

        rows: the table at all items; or at the wanted and then the drawn ones, where some are drawn.
        """
        facets = self.model.facets
        assert out.state is not None and out.gate is not None and out.router is not None and facets.anchors is not None
        chosen = torch.randperm(len(wanted), device=wanted.device)[: self.config.compete_positions]
        state, gate, router = (x[real][chosen] for x in (out.state, out.gate, out.router))
        at, estimate = wanted[chosen], None
        if drawn is not None:
            estimate = of_a_sample(at, drawn, self.popularity[drawn])
            at, rows = torch.arange(len(at), device=at.device), torch.cat([rows[chosen], rows[len(wanted) :]])
        # With an item MLP the table is made of the heads' spaces.
        side_by_side = rows if facets.item_mlp is not None else facets.sub_embeddings(rows)
        spaces = side_by_side.unflatten(1, facets.W_f.shape[:2]).transpose(0, 1)
        return competition(state, facets.anchors, spaces, gate, router, at, estimate)


def seen(items: Tensor, real: Tensor, wanted: Tensor) -> Tensor:
    """The items of each target's window up to its step, as item indices [m t]; the target's own where there is none.

    items [b t], rows; real [b t] marks targets, wanted [m] are their item indices.
    """
    until = torch.ones(items.shape[1], items.shape[1], dtype=torch.bool, device=items.device).tril()
    rows = (items.unsqueeze(1) * until)[real]
    return torch.where(rows > 0, rows - 1, wanted.unsqueeze(1))


@torch.no_grad()
def entropies(out: Pass, real: Tensor) -> Tensor:
    """Sums over real positions of the gate's and the routers' entropy, each over its maximum: [2]."""
    if out.gate is None or out.router is None:
        return torch.zeros(2, device=real.device)
    gate, router = out.gate[real], out.router[real]  # [m h], [m h n]
    return torch.stack([relative_entropy(gate).sum(), relative_entropy(router).mean(-1).sum()])


def relative_entropy(p: Tensor) -> Tensor:
    """Entropy over the last axis, divided by its maximum, the logarithm of the width; 0 where the width is 1."""
    entropy = -torch.special.xlogy(p, p).sum(-1)
    return entropy / np.log(p.shape[-1]) if p.shape[-1] > 1 else torch.zeros_like(entropy)


def windows(sequences: Sequences, max_len: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cuts every history into stretches of at most max_len inputs, each item but the first a target once.

    Long histories are cut at a random phase, so that over the epochs every item is met with long contexts.
    Returns starts and lengths (inputs) into `sequences.items`; the targets are the items one further on.
    """
    starts, lengths = [], []
    for start, length in zip(sequences.offsets[:-1].tolist(), sequences.lengths.tolist(), strict=True):
        inputs = length - 1
        if inputs < 1:
            continue
        at = 0 if inputs <= max_len else -int(rng.integers(max_len))
        while at < inputs:
            begin, end = max(at, 0), min(at + max_len, inputs)
            starts.append(start + begin)
            lengths.append(end - begin)
            at += max_len
    return np.array(starts, np.int64), np.array(lengths, np.int64)


def epoch_batches(
    sequences: Sequences, max_len: int, size: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled batches (items, targets), each [b t] and of windows of like length, so that little is padded."""
    starts, lengths = windows(sequences, max_len, rng)
    bucket = np.ceil(np.log2(np.maximum(lengths, 8))).astype(np.int64)
    order = rng.permutation(len(starts))
    order = order[np.argsort(bucket[order], kind="stable")]
    cuts = [
        part[i : i + size]
        for part in np.split(order, np.flatnonzero(np.diff(bucket[order])) + 1)
        for i in range(0, len(part), size)
    ]
    for i in rng.permutation(len(cuts)):
        chosen = cuts[i]
        width = np.arange(lengths[chosen].max())
        at = starts[chosen, None] + width
        inside = width < lengths[chosen, None]
        at = np.where(inside, at, 0)
        items = np.where(inside, sequences.items[at], 0).astype(np.int64)
        targets = np.where(inside, sequences.items[at + 1], 0).astype(np.int64)
        yield torch.from_numpy(items), torch.from_numpy(targets)


def launched(fabric: Fabric | None = None) -> Fabric:
    """`fabric`, or one on a GPU when there is one, ready to go; under `fabric run` where the environment says."""
    started = os.environ.get("LT_CLI_USED") == "1"  # the processes are there, and launching again is refused
    fabric = fabric or (Fabric() if started else Fabric(devices=1))
    if not started:
        fabric.launch()
    if fabric.world_size > 1:
        atexit.register(leave)
    return fabric


def leave() -> None:
    """Ends the process group before the interpreter goes: one that is left to its threads may abort at exit."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def train(
    model: FAME,
    split: Split,
    config: TrainConfig,
    *,
    guidance: Guidance | None = None,
    fabric: Fabric | None = None,
    folder: Path | None = None,
    finish: bool = False,
    on_step: Callable[[Step], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> list[Epoch]:
    """Trains `model` in place and leaves it with the weights of its best epoch by validation NDCG@10.

    folder: a checkpoint is kept there after each epoch, and a run that finds one goes on from it and ends
        with the weights it would have had: every epoch draws its randomness from (seed, epoch) alone. Epochs and
        patience may be others than before. Several machines need a folder that all of them see.
    finish: train no more, and take the best of the epochs that are done.
    fabric: where to run; the default takes a GPU when there is one. Under `fabric run` every process works on
        its share of each batch.
    on_note: told what changed epochs mean.

    Raises:
        FameError: no history is long enough to learn from, the gradient is no longer finite, the checkpoint
            is of another run, or there is nothing to finish.
    """
    fabric = launched(fabric)
    learner, optimizer = learner_of(model, split, config, guidance)
    objective, optimizer = fabric.setup(learner, optimizer)
    run = fingerprint(model, config, guidance, split.train)
    before = load_checkpoint(folder, learner, optimizer, run)
    history, best, steps = before.history, before.best, before.steps
    if finish and not history:
        raise FameError(f"{folder}: no epoch is done, so that there is nothing to finish; train it without --finish")
    if on_note and not finish and (note := changed_epochs(before, config)):
        on_note(note)

    for epoch in range(len(history) + 1, 0 if finish else config.epochs + 1):
        if stopped(history, config):
            break
        began = time.perf_counter()
        sums, steps = learn(objective, optimizer, fabric, split.train, config, epoch, steps, on_step)
        seconds = time.perf_counter() - began
        valid = validate(model, split.valid, fabric)
        better = not history or valid["NDCG@10"] > max(e.valid["NDCG@10"] for e in history)
        if better:
            best = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        loss, gate_entropy, router_entropy = (sums[:3] / sums[3]).tolist()
        history.append(Epoch(epoch, loss, gate_entropy, router_entropy, seconds, valid, better))
        if folder and fabric.is_global_zero:
            save_checkpoint(folder, learner, optimizer, best, history, run, steps)
        fabric.barrier()
        if on_epoch:
            on_epoch(history[-1])
    model.load_state_dict(best)
    model.eval()
    return history


def learner_of(model: FAME, split: Split, config: TrainConfig, guidance: Guidance | None) -> tuple[Objective, Any]:
    """The network with its loss, and the optimizer that is to move its weights.

    Raises:
        FameError: no history is long enough to learn from, or the loss does not fit the network.
    """
    if config.compete and not model.config.anchors:
        raise FameError("training: compete is for experts with anchors; give [model] anchors, like 1.0, or compete = 0")
    if not (split.train.lengths > 1).any():
        raise FameError("nothing to learn from: no user has two training items; the log may be too short")
    items = np.bincount(split.train.items, minlength=model.config.n_rows)[1:]
    learner = Objective(model, config, torch.from_numpy(items.astype(np.float32)), guidance)
    return learner, torch.optim.AdamW(
        learner.parameters(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        betas=BETAS,
        fused=True,  # one pass over the weights: on a million items an eighth of the time
    )


def learn(
    objective: Any,
    optimizer: Any,
    fabric: Fabric,
    sequences: Sequences,
    config: TrainConfig,
    epoch: int,
    steps: int,
    on_step: Callable[[Step], None] | None,
) -> tuple[np.ndarray, int]:
    """One epoch. Sums over all processes of loss, gate entropy, router entropy and targets; and the steps done."""
    rng = np.random.default_rng([config.seed, epoch])
    torch.manual_seed(int(rng.integers(2**31)) + fabric.global_rank)
    max_len = objective.model.config.max_len
    batches = list(epoch_batches(sequences, max_len, config.batch_size, rng))
    sums = np.zeros(4)
    objective.train()
    for done, (items, targets) in enumerate(batches, start=1):
        now = config.learning_rate * rate(config, steps, len(batches))
        for group in optimizer.param_groups:
            group["lr"] = now
        share = slice(fabric.global_rank, None, fabric.world_size)
        count = int((targets > 0).sum())
        loss, entropy = objective(items[share].to(fabric.device), targets[share].to(fabric.device))
        fabric.backward(loss * (fabric.world_size / count))  # devices' gradients are averaged, so × their number
        norm = fabric.clip_gradients(objective, optimizer, max_norm=MAX_NORM, error_if_nonfinite=False)
        if norm is not None and not norm.isfinite():
            raise FameError(
                f"training: in epoch {epoch} the loss is {float(loss.detach()):g} and its gradient not finite; "
                f"lower learning_rate ({config.learning_rate:g}) or raise warmup_steps ({config.warmup_steps})"
            )
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
        mine = np.array([float(loss.detach()), *entropy.tolist(), float((targets[share] > 0).sum())])
        sums += mine
        if on_step:
            on_step(Step(epoch, done, len(batches), mine[0] / max(1.0, mine[3]), steps, now))
    return total(fabric, torch.from_numpy(sums)).numpy(), steps


def changed_epochs(before: Progress, config: TrainConfig) -> str:
    """What it means that a run which goes on is to have other epochs than before; '' where it means nothing."""
    done, planned = len(before.history), before.run["training"]["epochs"]
    if config.epochs < done:
        return f"{done} epochs are done, more than the {config.epochs} asked for now; the best of them all is kept"
    if not done or config.schedule == "constant" or planned == config.epochs or stopped(before.history, config):
        return ""
    per_epoch = before.steps // done
    was, now = (rate(replace(config, epochs=e), before.steps, per_epoch) for e in (planned, config.epochs))
    return (
        f"the cosine now ends at epoch {config.epochs}, not {planned}: the learning rate goes on at {now:.0%} of its "
        f"highest, where the run had come to {was:.0%}; a run of {config.epochs} from the start learns otherwise"
    )


def stopped(history: list[Epoch], config: TrainConfig) -> bool:
    """Whether the best epoch lies `patience` epochs back."""
    last_best = max((e.epoch for e in history if e.best), default=0)
    return len(history) - last_best >= config.patience


def rate(config: TrainConfig, step: int, steps_per_epoch: int) -> float:
    """The learning rate at a step, as a part of the configured one."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return 1.0
    whole = max(1, config.epochs * steps_per_epoch - config.warmup_steps)
    return 0.5 * (1 + np.cos(np.pi * min(1.0, (step - config.warmup_steps) / whole)))


def validate(model: FAME, task: Task, fabric: Fabric) -> dict[str, float]:
    """The METRICS of `task`, every process ranking its share of the users."""
    mine = np.arange(fabric.global_rank, len(task), fabric.world_size)
    part = Task(task.histories.first(mine, task.histories.lengths[mine]), task.targets[mine])
    rank = ranks(model, part) if len(part) else np.zeros(0, np.int64)
    sums = torch.tensor([metric_values(rank, name).sum() for name in METRICS] + [len(rank)], dtype=torch.float64)
    sums = total(fabric, sums)
    return dict(zip(METRICS, (sums[:-1] / sums[-1].clamp(min=1)).tolist(), strict=True))


def total(fabric: Fabric, values: Tensor) -> Tensor:
    """The sum of every process's `values`."""
    if fabric.world_size == 1:
        return values  # nothing to add, and no trip to a device that may not hold float64
    summed = fabric.all_reduce(values, reduce_op="sum")
    assert isinstance(summed, Tensor)
    return summed.cpu()


def curve(history: list[Epoch]) -> pd.DataFrame:
    """The training curve as a table, a row an epoch: what a bundle keeps as training.csv."""
    return pd.DataFrame(
        [
            {k: v for k, v in asdict(e).items() if k not in ("valid", "best")} | e.valid | {"best": e.best}
            for e in history
        ]
    )


def fingerprint(model: FAME, config: TrainConfig, guidance: Guidance | None, sequences: Sequences) -> dict[str, Any]:
    """What must be the same for a run to be gone on with."""
    data = hashlib.sha256(sequences.offsets.tobytes() + sequences.items.tobytes()).hexdigest()
    settings: dict[str, Any] = {"model": model.config.to_dict(), "training": asdict(config), "data": data}
    if guidance:
        values = hashlib.sha256(b"".join(guidance.values(h).cpu().numpy().tobytes() for h in guidance.heads))
        settings |= {"guidance": asdict(guidance.config), "values": values.hexdigest()}
    return settings
