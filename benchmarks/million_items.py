"""Training on a catalogue of 1,000,000 items with sampled softmax: seconds per step, peak memory, and that it learns.

    python benchmarks/million_items.py [--items 1000000] [--negatives 4096] [--epochs 1] [--preferences]

--preferences: heads half as wide as the model, an item MLP, anchors, and competition over the drawn items.

The log is drawn by a seeded script: a viewer follows one of 1,000 topics, whose items differ in popularity as much
as topics do, and one step in ten goes anywhere. What is learnt is measured by the full softmax over all items: the
cross-entropy of each sampled viewer's held-out next item, beside that of the item's popularity in training. Prints a
row an epoch; ends with status 1 if the model does not get clearly below popularity or if it took 8 GB or more.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np
import torch
from read_20m import peak_bytes

from fame.config import FAMEConfig
from fame.make.checkpoint import Epoch
from fame.make.data.sequences import Sequences, Split, Task, leave_one_out
from fame.make.evaluate import batches
from fame.make.train import Step, TrainConfig, train
from fame.model import FAME

TOPICS, USERS, LENGTH, SAMPLE, SEED = 1000, 10_000, 30, 300, 1
CLEARLY = 1.0  # nats below popularity
MOST_BYTES = 8e9


def draw(weights: np.ndarray, size: int | tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Indices by weight."""
    cumulative = np.cumsum(weights)
    return np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")


def make_log(n_items: int, rng: np.random.Generator) -> Sequences:
    """USERS histories of LENGTH items."""
    in_topic, topics = 1 / np.arange(1, n_items // TOPICS + 1), 1 / np.arange(10, 10 + TOPICS)
    topic = np.repeat(draw(topics, (USERS, 1), rng), LENGTH, axis=1)
    astray = rng.random(topic.shape) < 0.1
    topic[astray] = draw(topics, int(astray.sum()), rng)
    place = rng.permutation(len(topics) * len(in_topic)) + 1  # an item's row tells nothing of its topic
    items = place[topic * len(in_topic) + draw(in_topic, topic.shape, rng)]
    return Sequences(np.arange(USERS).astype(str), items.ravel(), np.arange(0, items.size + 1, LENGTH))


def sample(task: Task, rng: np.random.Generator) -> Task:
    """SAMPLE users of the task."""
    users = np.sort(rng.choice(len(task), SAMPLE, replace=False))
    histories = [task.histories.history(int(u)) for u in users]
    offsets = np.concatenate([[0], np.cumsum([len(h) for h in histories])])
    return Task(Sequences(task.histories.users[users], np.concatenate(histories), offsets), task.targets[users])


@torch.inference_mode()
def cross_entropy(model: FAME, task: Task) -> float:
    """Mean -log softmax(s)[target] over all items, nats."""
    model.eval()
    total = 0.0
    for users, items in batches(task.histories, model.config.max_len, 30):
        query = model(items).query[torch.arange(len(users)), (items > 0).sum(1) - 1]
        log_p = model.score(query).log_softmax(-1)
        total -= float(log_p[torch.arange(len(users)), torch.from_numpy(task.targets[users].astype(np.int64))].sum())
    return total / len(task)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--negatives", type=int, default=4096)
    parser.add_argument("--preferences", action="store_true")
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()

    rng = np.random.default_rng(SEED)
    torch.manual_seed(SEED)
    whole = leave_one_out(make_log(options.items, rng))
    split = Split(whole.train, sample(whole.valid, rng), sample(whole.test, rng))
    counts = np.bincount(split.train.items, minlength=options.items + 1)[1:].clip(min=1)
    popularity = float(-np.log(counts / counts.sum())[split.test.targets - 1].mean())
    form: dict[str, Any] = {"head_width": 32, "facet_mlp": 1, "anchors": 1.0} if options.preferences else {}
    model = FAME(FAMEConfig(n_items=options.items, d_model=64, **form))
    config = TrainConfig(
        epochs=options.epochs,
        batch_size=64,
        learning_rate=5e-3,
        negatives=options.negatives,
        compete=0.1 if options.preferences else 0.0,
        seed=SEED,
    )
    print(
        f"{options.items:,} items, {len(split.train.items):,} training interactions, {options.negatives:,} negatives, "
        f"{torch.get_num_threads()} threads; cross-entropy by popularity {popularity:.2f}, "
        f"untrained {cross_entropy(model, split.test):.2f} nats"
    )
    print(
        "| epoch | steps | s a step | CPU s a step | sampled loss | held-out cross-entropy | HR@20 | peak memory, GB |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    held_out: list[float] = []
    clocks: list[tuple[float, float]] = []  # of the wall and of the processor, after each step of the epoch

    def on_epoch(epoch: Epoch) -> None:
        held_out.append(cross_entropy(model, split.test))
        wall, cpu = (np.array(clocks[-1]) - clocks[0]) / (len(clocks) - 1)
        print(
            f"| {epoch.epoch} | {len(clocks)} | {wall:.2f} | {cpu:.2f} | {epoch.loss:.2f} | "
            f"{held_out[-1]:.2f} | {epoch.valid['HR@20']:.3f} | {peak_bytes() / 1e9:.2f} |",
            flush=True,
        )
        clocks.clear()

    def on_step(step: Step) -> None:
        clocks.append((time.perf_counter(), time.process_time()))

    train(model, split, config, on_epoch=on_epoch, on_step=on_step)
    if min(held_out) > popularity - CLEARLY:
        sys.exit(f"held-out cross-entropy {min(held_out):.2f} is not {CLEARLY} nats below popularity {popularity:.2f}")
    if peak_bytes() >= MOST_BYTES:
        sys.exit(f"peak memory {peak_bytes() / 1e9:.2f} GB; expected less than {MOST_BYTES / 1e9:.0f} GB")


if __name__ == "__main__":
    main()
