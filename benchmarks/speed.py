"""Ratios in one run: a trace and plain scoring, one query and each head's scores, a training step and SASRec's.

python benchmarks/speed.py [--items 12101] [--width 64] [--head-width 64 --facet-mlp 4 --anchors 1 --compete 0.1]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.explain import trace
from fame.make.train import Objective, TrainConfig
from fame.model import FAME

STEPS = ((32, 50, 3), (128, 9, 2))  # windows, their length, and layers: as on MovieLens-1M, and as on Amazon Beauty


def median_ms(work: Callable[[], object], repeats: int = 30) -> float:
    for _ in range(3):
        work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=12_101)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--compete", type=float, default=0)
    parser.add_argument("--compete-positions", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--head-width", type=int, default=0)
    parser.add_argument("--facet-mlp", type=int, default=0)
    parser.add_argument("--anchors", type=float, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    form = {name: getattr(arguments, name) for name in ("head_width", "facet_mlp", "anchors")}
    model = FAME(FAMEConfig(n_items=arguments.items, d_model=arguments.width, **form)).eval()
    with torch.inference_mode():  # the model is made before: what it keeps is known to be of these weights
        measure(model, arguments)
    for windows, length, layers in STEPS:
        compare_steps(form, arguments, windows, length, layers)


def measure(model: FAME, arguments: argparse.Namespace) -> None:
    """Prints the table."""
    catalogue = Catalogue.from_frame(pd.DataFrame({"item_id": np.arange(arguments.items).astype(str)}))
    one = torch.randint(1, arguments.items + 1, (1, model.config.max_len))
    history = one[0].tolist()
    many = torch.randint(1, arguments.items + 1, (512, model.config.max_len))
    last = model(many)
    facet_items = model.facet_items()

    def naive() -> torch.Tensor:
        scores = torch.einsum("bhk,hvk->bhv", last.F[:, -1], facet_items)
        return torch.einsum("bh,bhv->bv", last.gate[:, -1], scores)

    gap = (naive()[:, 1:] - model.score(last.query[:, -1])[:, 1:]).abs().max()
    rows = {
        "one history of 50: all items scored": median_ms(lambda: model.score(model(one).query[:, -1])),
        "one history of 50: a trace": median_ms(lambda: trace(model, catalogue, history)),
        "… with each expert's scores": median_ms(lambda: trace(model, catalogue, history).expert_scores),
        "512 histories, all items: one query": median_ms(lambda: model.score(last.query[:, -1])),
        "512 histories, all items: per head, then gate": median_ms(naive, 10),
    }
    print(f"{arguments.items:,} items, {arguments.threads} threads, largest difference {gap:.1e}\n")
    print("| what | ms |\n|---|---|")
    for name, ms in rows.items():
        print(f"| {name} | {ms:.2f} |")
    plain, recorded, with_experts, collapsed, per_head = rows.values()
    print(f"\ntrace / plain = {recorded / plain:.2f}, with each expert's scores {with_experts / plain:.2f}")
    print(f"per head / one query = {per_head / collapsed:.1f}")


def compare_steps(form: dict[str, Any], arguments: argparse.Namespace, windows: int, length: int, layers: int) -> None:
    """Prints the seconds of the processor that a training step takes, FAME's and SASRec's in turn."""
    items, targets = torch.randint(1, arguments.items + 1, (2, windows, length))
    competing = {"compete": arguments.compete, "compete_positions": arguments.compete_positions}
    steps = {}
    plain = FAMEConfig(n_items=arguments.items, d_model=arguments.width, n_layers=layers)
    for name, config, training in (
        ("fame", replace(plain, **form), TrainConfig(**competing)),
        ("sasrec", replace(plain, variant="sasrec"), TrainConfig()),
    ):
        steps[name] = training_step(FAME(config), training, items, targets)
    took: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(8):
        for name, step in steps.items():
            began = time.process_time()
            step()
            took[name].append(time.process_time() - began)
    fame, sasrec = (statistics.median(took[name][2:]) for name in ("fame", "sasrec"))
    print(
        f"a step, {windows} × {length}, {layers} layers: "
        f"FAME {fame:.3f} s, SASRec {sasrec:.3f}, {fame / sasrec:.2f} times"
    )


def training_step(model: FAME, config: TrainConfig, items: torch.Tensor, targets: torch.Tensor) -> Callable[[], None]:
    objective = Objective(model.train(), config, torch.ones(model.config.n_items))
    optimizer = torch.optim.Adam(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        objective(items, targets)[0].backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
