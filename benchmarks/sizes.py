"""What each size changes on a log: FAME and SASRec with one changed at a time, judged on validation, one seed.

    python benchmarks/sizes.py [RECIPE] [--epochs 10] [--dropout P] [--jobs 2] [--only NAME …]

RECIPE is recipes/ml-1m.toml unless given; the base is d = 64, L = 2, H = N = 4, the rest as the recipe has it. Prints a
table. A run is one thread; its checkpoint is kept in runs/sizes, so that what is done is not repeated. The seconds are
those of runs beside each other.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from rich.progress import track

from fame.make.prepare import prepare
from fame.make.recipe import load_recipe
from fame.make.runs import SILENT, learn
from fame.make.train import launched

RECIPE = Path(__file__).parents[1] / "recipes/ml-1m.toml"
BASE = {"d_model": 64, "n_layers": 2, "n_heads": 4, "n_experts": 4}
CHANGES: dict[str, dict[str, float]] = {
    "base": {},
    "d 32": {"d_model": 32},
    "d 128": {"d_model": 128},
    "L 1": {"n_layers": 1},
    "L 3": {"n_layers": 3},
    "d 128, L 3": {"d_model": 128, "n_layers": 3},
    "H 1, N 1": {"n_heads": 1, "n_experts": 1},
    "H 2": {"n_heads": 2},
    "H 8": {"n_heads": 8},
    "N 1": {"n_experts": 1},
    "N 2": {"n_experts": 2},
    "N 8": {"n_experts": 8},
    "max len 25": {"max_len": 25},
    "max len 100": {"max_len": 100},
    "dropout .05": {"dropout": 0.05},
    "dropout .2": {"dropout": 0.2},
    "dropout .3": {"dropout": 0.3},
    "d 128, dropout .6": {"d_model": 128, "dropout": 0.6},
}
VARIANTS = ("fame", "sasrec")


def run(path: Path, name: str, variant: str, epochs: int, dropout: float | None) -> tuple[float, float]:
    """Best validation NDCG@10, and seconds of an epoch, of a setting."""
    torch.set_num_threads(1)
    base = BASE if dropout is None else BASE | {"dropout": dropout}
    model = base | CHANGES[name] | {"variant": variant}
    label = re.sub(r"[^\w.]+", "-", f"{name}-{epochs}" + f"-{dropout}" * (dropout is not None))
    recipe = load_recipe(path, {"name": label, "model": model, "training": {"epochs": epochs}})
    _, curve = learn(recipe, prepare(recipe), launched(), Path("runs/sizes", path.stem), False, SILENT)
    return max(e.valid["NDCG@10"] for e in curve), sum(e.seconds for e in curve) / len(curve)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", type=Path, default=RECIPE)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--dropout", type=float, help="of the base, if not the recipe's")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument("--only", nargs="+", choices=CHANGES, default=list(CHANGES), metavar="NAME", help="settings")
    a = parser.parse_args()
    # A SASRec has no experts; its heads are its slices and change nothing here.
    runs = [(n, v) for n in a.only for v in VARIANTS if v == "fame" or not re.match("[HN] ", n)]
    with ProcessPoolExecutor(a.jobs, multiprocessing.get_context("spawn")) as pool:
        waiting = {key: pool.submit(run, a.recipe, *key, a.epochs, a.dropout) for key in runs}
        found = {key: job.result() for key, job in track(waiting.items(), "training")}
    print("| setting | FAME, NDCG@10 | s/epoch | SASRec, NDCG@10 | s/epoch |\n|---|---:|---:|---:|---:|")
    for name in a.only:
        cells = [f"{found[name, v][0]:.4f} | {found[name, v][1]:.1f}" if (name, v) in found else "– | –"
                 for v in VARIANTS]  # fmt: skip
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
