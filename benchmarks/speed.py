"""Ratios inside FAME, in one run: a full trace against a plain pass, and the collapsed query against per-head scores.

python benchmarks/speed.py [--items 12101]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from fame.config import FAMEConfig
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


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=12_101)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    model = FAME(FAMEConfig(n_items=arguments.items)).eval()
    one = torch.randint(1, arguments.items + 1, (1, model.config.max_len))
    many = torch.randint(1, arguments.items + 1, (512, model.config.max_len))
    last = model(many)
    facet_items = model.facet_items()

    def naive() -> torch.Tensor:
        scores = torch.einsum("bhk,hvk->bhv", last.F[:, -1], facet_items)
        return torch.einsum("bh,bhv->bv", last.gate[:, -1], scores)

    gap = (naive()[:, 1:] - model.score(last.query[:, -1])[:, 1:]).abs().max()
    rows = {
        "one history of 50: plain pass": median_ms(lambda: model(one)),
        "one history of 50: everything recorded": median_ms(lambda: model(one, record=True)),
        "512 histories, all items: one query": median_ms(lambda: model.score(last.query[:, -1])),
        "512 histories, all items: per head, then gate": median_ms(naive, 10),
    }
    print(f"{arguments.items:,} items, {arguments.threads} threads, largest difference {gap:.1e}\n")
    print("| what | ms |\n|---|---|")
    for name, ms in rows.items():
        print(f"| {name} | {ms:.2f} |")
    plain, recorded, collapsed, per_head = rows.values()
    print(f"\ntrace / plain = {recorded / plain:.2f}; per head / one query = {per_head / collapsed:.1f}")


if __name__ == "__main__":
    main()
