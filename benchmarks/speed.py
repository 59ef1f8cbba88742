"""Ratios inside FAME, in one run: a full trace against plain scoring, and the collapsed query against per-head scores.

python benchmarks/speed.py [--items 12101] [--head-width 64 --facet-mlp 4 --anchors 1]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.explain import trace
from fame.model import FAME


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
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--head-width", type=int, default=0)
    parser.add_argument("--facet-mlp", type=int, default=0)
    parser.add_argument("--anchors", type=float, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    form = {name: getattr(arguments, name) for name in ("head_width", "facet_mlp", "anchors")}
    model = FAME(FAMEConfig(n_items=arguments.items, **form)).eval()
    with torch.inference_mode():  # the model is made before: what it keeps is known to be of these weights
        measure(model, arguments)


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


if __name__ == "__main__":
    main()
