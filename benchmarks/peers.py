"""FAME beside its peers, on the same log, in one run; prints the table of benchmarks/README.md.

    python benchmarks/peers.py [--epochs 20] [--rectools-epochs 2] [--seeds 3] [--log PATH] [--only NAME …]

RecTools gets a virtual environment of its own, made on the first run (benchmarks/.venv-rectools).
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fame.config import FAMEConfig
from fame.make.data import leave_one_out, read
from fame.make.data.sequences import Sequences, Split
from fame.make.evaluate import evaluate
from fame.make.train import TrainConfig, train
from fame.model import FAME

HERE = Path(__file__).parent
BEAUTY = HERE.parents[1] / "shared/data/amazon/Beauty.txt"
WIDER: dict[str, Any] = {"n_heads": 4, "n_experts": 4, "head_width": 32, "facet_mlp": 1, "anchors": 1.0}
OURS: dict[str, dict[str, Any]] = {
    "FAME H=4 N=4": {"n_heads": 4, "n_experts": 4},
    "FAME H=2 N=2": {"n_heads": 2, "n_experts": 2},
    "FAME with preferences": WIDER,
    "fame sasrec": {"variant": "sasrec"},
}
TRAINED: dict[str, dict[str, Any]] = {
    "FAME with preferences": {"compete": 0.1, "compete_positions": 64, "mask_seen": True}
}
RECTOOLS: dict[str, list[str]] = {"RecTools 0.19 SASRecModel": [], "RecTools 0.19 fast_transformers": ["--fast"]}


def load(path: str) -> tuple[Split, int, Sequences]:
    log = read("sequences", Path(path))
    sequences = Sequences.from_interactions(log.interactions, log.catalogue)
    return leave_one_out(sequences), log.catalogue.n_items, sequences


def ours(name: str, path: str, epochs: int, seed: int) -> dict[str, object]:
    """Train one of OURS for exactly `epochs` epochs; seconds an epoch, peak memory, test metrics."""
    split, n_items, _ = load(path)
    torch.manual_seed(seed)
    model = FAME(FAMEConfig(n_items=n_items, d_model=64, n_layers=2, max_len=50, dropout=0.5, **OURS[name]))
    config = TrainConfig(epochs=epochs, patience=epochs, batch_size=128, seed=seed, **TRAINED.get(name, {}))
    curve = train(model, split, config)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    metrics = evaluate(model, split.test)
    return {"seconds": [e.seconds for e in curve], "memory": memory} | {k: metrics[k] for k in ("HR@10", "NDCG@10")}


def child(command: list[str], threads: int) -> dict[str, Any]:
    """The JSON that a process prints last: each run is a process of its own, so that its memory is its own."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    process = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(process.stdout.strip().splitlines()[-1])


def rectools_python() -> Path:
    """The interpreter of an environment with RecTools, made where it is missing."""
    home = HERE / ".venv-rectools"
    python = home / "bin/python"
    if not (home / "done").exists():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "torch==2.13.0"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "rectools[torch]==0.19.0"], check=True)
        (home / "done").touch()
    return python


def row(name: str, epochs: int, runs: list[dict[str, Any]]) -> str:
    """A line of the table, over the runs of several seeds."""
    seconds = statistics.median(s for r in runs for s in r["seconds"])
    memory = max(r["memory"] for r in runs)
    hr, ndcg = (statistics.mean(r[m] for r in runs) for m in ("HR@10", "NDCG@10"))
    return f"| {name} | {epochs} | {len(runs)} | {seconds:.1f} | {memory:.2f} | {hr:.4f} | {ndcg:.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", default=str(BEAUTY), help="a sequence file")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rectools-epochs", type=int, default=2, help="0 leaves RecTools out")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", nargs="+", choices=[*RECTOOLS, *OURS], default=[*RECTOOLS, *OURS], metavar="NAME")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        torch.set_num_threads(arguments.threads)
        print(json.dumps(ours(arguments.one[0], arguments.log, arguments.epochs, int(arguments.one[1]))))
        return

    print(
        "| model | epochs | seeds | s/epoch | peak memory GB | HR@10 | NDCG@10 |\n|---|---|---|---|---|---|---|",
        flush=True,
    )
    peers = [name for name in RECTOOLS if name in arguments.only]
    if arguments.rectools_epochs and peers:
        _, _, sequences = load(arguments.log)
        last = sequences.offsets[1:] - 1
        split = np.zeros(len(sequences.items), np.int8)
        split[last[sequences.lengths >= 3]] = 2
        split[last[sequences.lengths >= 3] - 1] = 1
        user = np.repeat(np.arange(len(sequences)), sequences.lengths)
        with tempfile.TemporaryDirectory() as folder:
            np.savez(f"{folder}/log.npz", user=user, item=sequences.items, split=split)
            script = [str(rectools_python()), str(HERE / "peer_rectools.py"), folder]
            options = ["--epochs", str(arguments.rectools_epochs), "--threads", str(arguments.threads)]
            for name in peers:
                peer = child(script + options + RECTOOLS[name], arguments.threads)
                print(row(name, arguments.rectools_epochs, [peer]), flush=True)
    common = ["--log", arguments.log, "--threads", str(arguments.threads)]
    for name in (name for name in OURS if name in arguments.only):
        for epochs, seeds in {arguments.rectools_epochs: 1, arguments.epochs: arguments.seeds}.items():
            if epochs:
                command = [sys.executable, __file__, *common, "--epochs", str(epochs), "--one", name]
                runs = [child([*command, str(seed)], arguments.threads) for seed in range(seeds)]
                print(row(name, epochs, runs), flush=True)


if __name__ == "__main__":
    main()
