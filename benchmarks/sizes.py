"""What each size changes on MovieLens-1M: FAME and SASRec with one changed at a time, judged on validation, one seed.

    python benchmarks/sizes.py [--epochs 10] [--jobs 2] [--only TEXT]

Prints a table. A run is one thread; its checkpoint is kept in runs/sizes, so that what is
done is not repeated. The seconds are those of runs beside each other.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from fame.recipe import SILENT, learn, load_recipe, prepare
from fame.train import launched

RECIPE = Path(__file__).parents[1] / "recipes/ml-1m.toml"
BASE: dict[str, Any] = {"d_model": 64, "n_layers": 2, "n_heads": 4, "n_experts": 4, "max_len": 50, "dropout": 0.1}
OTHERS: dict[str, tuple[float, ...]] = {
    "d_model": (32, 128),
    "n_layers": (1, 3),
    "n_heads": (2, 8),
    "n_experts": (1, 2, 8),
    "max_len": (25, 100),
    "dropout": (0.05, 0.2),
}
LETTERS = {"d_model": "d", "n_layers": "L", "n_heads": "H", "n_experts": "N"}
SETTINGS = (
    {"base": BASE}
    | {
        f"{LETTERS.get(name, name.replace('_', ' '))} {value:g}": BASE | {name: value}
        for name, values in OTHERS.items()
        for value in values
    }
    | {"d 128, L 3": BASE | {"d_model": 128, "n_layers": 3}}
)


def run(name: str, variant: str, epochs: int) -> tuple[float, float]:
    """Best validation NDCG@10, and seconds of an epoch, of a setting."""
    torch.set_num_threads(1)
    label = re.sub(r"[^\w.]+", "-", f"{name}-{epochs}")
    changes = {"name": label, "model": SETTINGS[name] | {"variant": variant}, "training": {"epochs": epochs}}
    recipe = load_recipe(RECIPE, changes)
    _, curve = learn(recipe, prepare(recipe), launched(), Path("runs/sizes"), False, SILENT)
    return max(e.valid["NDCG@10"] for e in curve), sum(e.seconds for e in curve) / len(curve)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument("--only", default="", help="only settings with this text")
    a = parser.parse_args()
    names = [name for name in SETTINGS if a.only in name]
    # A SASRec has no experts; its heads are its slices and change nothing here.
    runs = [(n, v) for n in names for v in ("fame", "sasrec") if v == "fame" or not re.match("[HN] ", n)]
    with ProcessPoolExecutor(a.jobs, multiprocessing.get_context("spawn")) as pool:
        waiting = {key: pool.submit(run, *key, a.epochs) for key in runs}
        found = {key: job.result() for key, job in track(waiting.items(), "training")}
    print("| setting | FAME, NDCG@10 | s/epoch | SASRec, NDCG@10 | s/epoch |\n|---|---:|---:|---:|---:|")
    for name in names:
        cells = [f"{found[name, v][0]:.4f} | {found[name, v][1]:.1f}" if (name, v) in found else "– | –"
                 for v in ("fame", "sasrec")]  # fmt: skip
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
