"""The paper's studies: what heads, experts and prediction by head are worth, in the paper's form and in ours.

    python benchmarks/paper.py [--log toys …] [--form ours …] [--only "H 1" …] [--seeds 0 …] [--jobs 1] [--list]
    python benchmarks/paper.py --tables

Trains what is not done yet, in the order of the schedule, and keeps a line a run in benchmarks/paper.jsonl: validation
after each epoch, the test items at the best one, and differences over the same users. It may be stopped at any time: a
run that broke off goes on from its checkpoint in runs/paper, where the ranks are kept too. `--tables` trains nothing:
it writes tables and plots of what is done into docs/paper.md, which says what the studies are. `--change
training.epochs=12` tries another size; such a trial is validated, not tested, and stands in no table.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import paper_report
import torch
from filelock import FileLock

from fame.errors import FameError
from fame.make.checkpoint import locked
from fame.make.evaluate import interval, metric_values, ranks, summarise
from fame.make.population import some_of
from fame.make.prepare import Prepared, prepare
from fame.make.recipe import Recipe, Tables, load_recipe, merged, overrides
from fame.make.runs import SILENT, untrained
from fame.make.train import launched, train
from fame.model import FAME

HERE = Path(__file__).parent
RESULTS, RECIPES, RUNS = HERE / "paper.jsonl", HERE.parent / "recipes", Path("runs/paper")

# Reduced, so that all of the studies are hours and not days of a processor; the same for every run of a form on a log.
# An epoch of our form takes two to eight times as long, and its start from the log is far ahead of a random one.
SIZES = {"d_model": 32, "n_layers": 2, "n_heads": 4, "n_experts": 4, "max_len": 50}
AMAZON: Tables = {
    "model": {"dropout": 0.2},
    "training": {"batch_size": 64, "learning_rate": 0.004, "compete_positions": 64},
}
LOGS: dict[str, Tables] = {
    "ml-1m": {"model": {"dropout": 0.1}, "training": {"batch_size": 32, "learning_rate": 0.004}},
    "toys": AMAZON,
    "beauty": AMAZON,
}
EPOCHS = {
    "ml-1m": {"paper": 3, "ours": 3},
    "toys": {"paper": 8, "ours": 3},
    "beauty": {"paper": 8, "ours": 3},
}
VALIDATED = 5_000  # users, by chance, at most: they choose the epoch

FORMS: dict[str, Tables] = {
    "paper": {
        "model": {"head_width": 0, "facet_mlp": 0, "anchors": 0.0},
        "training": {"start": "random", "compete": 0.0, "mask_seen": False},
    },
    "ours": {
        "model": {"head_width": SIZES["d_model"], "facet_mlp": 1, "anchors": 1.0},
        "training": {"start": "log", "compete": 0.1, "mask_seen": True},
    },
}
ONE, CALM = "one prediction", "no competition"
# A loss on each head's own recommendations is prediction by head: it goes with it. A SASRec has nothing to compete.
ALONE: Tables = {"training": {"compete": 0.0}}
SETTINGS: dict[str, Tables] = {
    "SASRec": {"model": {"variant": "sasrec", **FORMS["paper"]["model"]}} | ALONE,
    "H 4, N 4": {},
    "N 1": {"model": {"n_experts": 1}},
    ONE: ALONE,
    CALM: ALONE,  # what ONE is to be held against in our form; in the paper's it is the whole
    "H 1": {"model": {"n_heads": 1}},
    "H 8": {"model": {"n_heads": 8}},
    "N 2": {"model": {"n_experts": 2}},
    "N 8": {"model": {"n_experts": 8}},
    "H 2": {"model": {"n_heads": 2}},
}
STAGES = (("SASRec", "H 4, N 4"), ("N 1", ONE), ("H 1", "H 8", "N 8", "H 2", "N 2"))
COMPARED = ("NDCG@20", "HR@20", "NDCG@10", "HR@10")

Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One run. changes: settings other than the schedule's, as `--change` takes them."""

    log: str
    form: str
    setting: str
    seed: int = 0
    changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Row) -> Cell:
        """The run that a line of the results is of."""
        return cls(row["log"], row["form"], row["setting"], row["seed"], tuple(row["changes"]))

    @property
    def name(self) -> str:
        return re.sub(r"[^\w.]+", "-", "-".join([self.form, self.setting, *self.changes]))

    @property
    def ranks(self) -> Path:
        """Where each user's rank of the test item is kept."""
        return RUNS / self.log / f"{self.name}-{self.seed}.npz"

    def other(self, form: str, setting: str) -> Cell:
        """The run to hold this one against: another form or setting, all else alike."""
        return Cell(self.log, form, setting, self.seed, self.changes)

    def recipe(self) -> Recipe:
        """The log's recipe at the studies' sizes."""
        always = {"seed": self.seed, "epochs": EPOCHS[self.log][self.form], "patience": 1000, "schedule": "cosine"}
        tables: Tables = {"model": SIZES, "training": always}
        for more in (LOGS[self.log], FORMS[self.form], SETTINGS[self.setting], overrides(self.changes)):
            tables = merged(tables, more)
        return load_recipe(RECIPES / f"{self.log}.toml", merged(tables, {"name": self.name}))


def schedule() -> Iterator[tuple[str, str, str]]:
    """Log, form and setting of every run, what matters most first: it can be cut anywhere.

    Whole models on all logs, then what lacks a part, then the paper's form with other numbers of heads and experts,
    then ours.
    """
    for settings in STAGES[:2]:
        for log in LOGS:
            yield from ((log, form, setting) for form in FORMS for setting in settings)
    yield from ((log, "ours", CALM) for log in LOGS)
    yield from ((log, form, setting) for form in FORMS for log in LOGS for setting in STAGES[2])


def even_gate(model: FAME) -> None:
    """Takes prediction by head away: the gate is even and stays so.

    Then s(v) = Σ_h 1/H <F^h, W_f[h] x_v> = <[F^1 ‖ … ‖ F^H] W', x_v>, where W' [H·d' d] is W_f[1] to W_f[H] on top of
    each other, over H: heads are concatenated, go through an output projection and make one prediction, as in any other
    attention layer. With an item MLP it is <[F^1 ‖ … ‖ F^H], y_v>, one query for one table of items,
    y_v = [x_v^(1) ‖ … ‖ x_v^(H)] / H.
    """
    for weight in model.facets.gate.parameters():
        weight.requires_grad_(False).zero_()


def started(recipe: Recipe, data: Prepared, setting: str) -> FAME:
    """The network as training finds it."""
    model, _ = untrained(recipe, data, SILENT)
    if setting == ONE:
        even_gate(model)
    return model


@cache
def read(log: str) -> Prepared:
    """A log as its recipe reads it, once in a process."""
    return prepare(load_recipe(RECIPES / f"{log}.toml"))


def run(cell: Cell) -> Row:
    """Train on one thread, test at the epoch that validation chose, keep the ranks; a trial is not tested."""
    torch.set_num_threads(1)
    recipe, data = cell.recipe(), read(cell.log)
    model = started(recipe, data, cell.setting)
    folder = RUNS / cell.log / f"{cell.name}-{cell.seed}"
    trained: list[float] = []
    began = time.process_time()
    with locked(folder, "another folder to start from"):
        epochs = train(
            model, replace(data.split, valid=some_of(data.split.valid, most=VALIDATED)), recipe.training,
            fabric=launched(), folder=folder,
            on_epoch=lambda e: trained.append(time.process_time()),
        )  # fmt: skip
    tested: Row = {}
    if not cell.changes:
        rank = ranks(model, data.split.test)
        np.savez_compressed(cell.ranks, ranks=rank)
        tested = summarise(rank)
    best = max((e for e in epochs if e.best), key=lambda e: e.epoch)
    return {
        "log": cell.log, "form": cell.form, "setting": cell.setting, "seed": cell.seed, "changes": cell.changes,
        "epochs": len(epochs), "best epoch": best.epoch, "valid NDCG@10": [e.valid["NDCG@10"] for e in epochs],
        "valid NDCG@20": [e.valid["NDCG@20"] for e in epochs], **tested,
        "gate entropy": epochs[-1].gate_entropy, "router entropy": epochs[-1].router_entropy,
        "dropout": recipe.model.dropout,
        "batch size": recipe.training.batch_size,
        "learning rate": recipe.training.learning_rate,
        "parameters": sum(w.numel() for w in model.parameters() if w.requires_grad),
        "processor seconds an epoch": (trained[-1] - began) / len(trained) if trained else None,
    }  # fmt: skip


def differences(cell: Cell) -> dict[str, dict[str, tuple[float, float]]]:
    """What this run's test metrics are less another's, and half the 95% interval, over the same users.

    Less a SASRec from a random start, one of our form (the log's start, seen items masked), and the whole FAME of the
    same form, with and without competition: of each whose ranks are there.
    """
    others = {
        "SASRec": cell.other("paper", "SASRec"),
        "SASRec, ours": cell.other("ours", "SASRec"),
        "FAME": cell.other(cell.form, "H 4, N 4"),
        "FAME, no competition": cell.other(cell.form, CALM),
    }
    found = {}
    for name, other in others.items():
        if other != cell and cell.ranks.exists() and other.ranks.exists():
            mine, its = (np.load(c.ranks)["ranks"] for c in (cell, other))
            apart = {m: metric_values(mine, m) - metric_values(its, m) for m in COMPARED}
            found[name] = {m: (float(d.mean()), interval(d)) for m, d in apart.items()}
    return found


def known() -> dict[Cell, Row]:
    """The runs that are done."""
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    return {Cell.of(row): row for row in map(json.loads, lines)}


def keep(row: Row) -> None:
    """Adds a run to the results, and to all of them the differences that its ranks allow."""
    RUNS.mkdir(parents=True, exist_ok=True)
    with FileLock(RUNS / ".results.lock"):
        rows = known()
        rows[Cell.of(row)] = row
        for cell, at in rows.items():
            at["less"] = at.get("less", {}) | differences(cell)
        new = RESULTS.with_suffix(".new")
        new.write_text("".join(json.dumps(rounded(at)) + "\n" for at in rows.values()), encoding="utf-8")
        new.replace(RESULTS)


def rounded(value: Any) -> Any:
    """The same with five decimals."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    return round(value, 5) if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", nargs="+", choices=LOGS, default=list(LOGS))
    parser.add_argument("--form", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS), metavar="SETTING")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, one thread each")
    parser.add_argument("--change", nargs="+", default=[], metavar="NAME=VALUE", help="another setting, for a trial")
    parser.add_argument("--list", action="store_true", help="say what is done and what is left, and train nothing")
    parser.add_argument("--tables", action="store_true", help="write tables and plots of what is done, train nothing")
    a = parser.parse_args()
    if a.tables:
        paper_report.write(known().values())
        return
    wanted = [
        Cell(log, form, setting, seed, tuple(sorted(a.change)))
        for seed in a.seeds
        for log, form, setting in schedule()
        if log in a.log and form in a.form and setting in a.only
    ]
    done = known()
    todo = [cell for cell in wanted if cell not in done]
    print(f"{len(wanted) - len(todo)} of {len(wanted)} runs are done", flush=True)
    if a.list:
        for cell in wanted:
            print("done " if cell in done else "to do", cell.log, cell.form, cell.setting, cell.seed, sep=" | ")
        return
    work(todo, a.jobs)


def work(todo: list[Cell], jobs: int) -> None:
    """Runs them, `jobs` at a time, and keeps each as it is done; what fails is told and the others go on."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; the next start goes on from the last epoch"))
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))
    waiting = {pool.submit(run, cell): cell for cell in todo}
    try:
        for i, job in enumerate(as_completed(waiting), 1):
            cell = waiting[job]
            said = (
                f"{time.strftime('%H:%M')} {i} of {len(todo)}: {cell.log} | {cell.form} | {cell.setting} {cell.changes}"
            )
            try:
                row = job.result()
            except (FameError, BrokenProcessPool) as error:
                print(f"{said}: failed, {error}", flush=True)
                continue
            keep(row)
            tested = f"test NDCG@20 {row['NDCG@20']:.4f}" if "NDCG@20" in row else "not tested"
            print(
                f"{said}: validation NDCG@10 {max(row['valid NDCG@10']):.4f} at epoch {row['best epoch']} of "
                f"{row['epochs']}, {tested}, {row['processor seconds an epoch'] or 0:.0f} s an epoch", flush=True,
            )  # fmt: skip
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()


if __name__ == "__main__":
    main()
