"""The processes of their own: a log is read, a training's time is measured, a model is trained. The app starts them.

    python -m app.logs.training inspect ARGUMENTS…     `fame inspect`, within limits
    python -m app.logs.training info ZIP               `fame info`, within limits
    python -m app.logs.training estimate FOLDER        how long FOLDER/recipe.toml takes on this machine, as JSON
    python -m app.logs.training train FOLDER           trains it; FOLDER/progress.json tells how far it is

A training ends when the server that started it ends; it goes on from its checkpoint when it is started again.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from app.logs.box import BUNDLE, FINISH, HISTORIES, PROGRESS, read_json, write_json
from fame.errors import FameError

SHOWN = 12  # items of a history that the model is opened on
EVERY = 0.5  # seconds between two lines of progress
MOST_MEMORY = 6 << 30  # bytes of address space for reading what came from outside
MOST_FILE = 4 << 30  # bytes of any file that is written
MOST_SECONDS = float(os.environ.get("FAME_TRAINING_HOURS", "6")) * 3600

MEASURED = 3.0  # seconds of steps that an estimate is made from
MAP_START, MAP_RATE = 30.0, 0.0025  # seconds of a core (of 2026, in the cloud) for UMAP itself, and a space's item


class Enough(Exception):
    """Training is to end with the best epoch so far."""


def main() -> int:
    task, *arguments = sys.argv[1:]
    waited_for = task in ("inspect", "info")
    limits(MOST_MEMORY if waited_for else None)
    end_with_parent()
    if not waited_for:
        os.nice(int(os.environ.get("FAME_NICE", "10")))
    else:
        from fame.cli.main import main as fame

        sys.argv = ["fame", task, *arguments]
        fame()
    try:
        if task == "estimate":
            print(json.dumps(estimate(Path(arguments[0]))))
        else:
            train(Path(arguments[0]))
    except FameError as error:
        print(error, file=sys.stderr)
        return 2
    except MemoryError:
        print("this log needs more memory than there is; train on a part of it", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, first of all
        print(f"{error.filename or 'the disk'}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


def limits(memory: int | None) -> None:
    """Bound what this process may take, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    most = min(MOST_FILE, int(os.environ.get("FAME_LARGEST_FILE", MOST_FILE)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def end_with_parent() -> None:
    """End this process when the one that started it is gone: nobody would see what it does."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()


# --- an estimate --------------------------------------------------------------------------------------


def estimate(folder: Path) -> dict[str, Any]:
    """Seconds of what Train does on this machine: see `app.logs.choices.said`.

    epoch, epochs: of the model.   sasrec: of the one beside it.   test: with the population, measured on a part as all
    before.   maps: by MAP_START and MAP_RATE, since loading UMAP takes longer than most logs' training.
    seconds: of all but the evidence, of which `evidence` says whether it is to be measured.
    """
    from fame.atlas import spaces_of
    from fame.make.maps import LEAST_FOR_UMAP
    from fame.make.population import some_of
    from fame.make.prepare import prepare
    from fame.make.recipe import load_recipe
    from fame.make.runs import SILENT, baseline_of, untrained

    recipe = load_recipe(folder / "recipe.toml")
    began = time.perf_counter()
    data = prepare(recipe)
    model, guidance = untrained(recipe, data, SILENT)
    start = time.perf_counter() - began
    epoch, test = epoch_seconds(recipe, data, model, guidance)
    sasrec = 0.0
    if recipe.comparison and recipe.comparison.probe:
        beside = baseline_of(recipe)
        other, _ = untrained(beside, data, SILENT)
        sasrec = beside.training.epochs * epoch_seconds(beside, data, other, None)[0]
    test += population_seconds(model, data) * len(some_of(data.split.test))
    items = data.catalogue.n_items
    maps = MAP_START + MAP_RATE * len(spaces_of(model)) * items if items >= LEAST_FOR_UMAP else 0.0
    epochs = recipe.training.epochs
    return {
        "epoch": epoch, "epochs": epochs, "sasrec": sasrec, "test": test, "maps": maps, "evidence": recipe.evidence,
        "seconds": start + epochs * epoch + sasrec + test + maps,
    }  # fmt: skip


def epoch_seconds(recipe: Any, data: Any, model: Any, guidance: Any) -> tuple[float, float]:
    """Seconds of an epoch, from some steps of it, and the part that is ranking all validation items."""
    import numpy as np

    from fame.make.evaluate import ranks
    from fame.make.population import some_of
    from fame.make.train import epoch_batches, learner_of

    learner, optimizer = learner_of(model, data.split, recipe.training, guidance)
    rng = np.random.default_rng(0)
    batches = list(epoch_batches(data.split.train, recipe.model.max_len, recipe.training.batch_size, rng))
    taken: list[float] = []
    while not taken or (sum(taken) < MEASURED and len(taken) < len(batches)):
        items, targets = batches[len(taken)]
        began = time.perf_counter()
        loss, _ = learner(items, targets)
        (loss / max(1, int((targets > 0).sum()))).backward()
        optimizer.step()
        optimizer.zero_grad()
        taken.append(time.perf_counter() - began)
    step = sum(taken[1:] or taken) / len(taken[1:] or taken)  # the first one warms up
    some = some_of(data.split.valid, 0, 512)
    began = time.perf_counter()
    ranks(model, some)
    valid = (time.perf_counter() - began) * len(data.split.valid) / len(some)
    return step * len(batches) + valid, valid


def population_seconds(model: Any, data: Any) -> float:
    """Seconds of a history of the population, from some."""
    from fame.make.population import measure_population, some_of

    some = some_of(data.split.test, 0, 128)
    began = time.perf_counter()
    measure_population(model, data.catalogue, some, data.counts, {}, keep_histories=True)  # none is kept here
    return (time.perf_counter() - began) / len(some)


# --- a training ---------------------------------------------------------------------------------------


class Teller:
    """Writes how far a training is, for the screen; what an earlier process of the same training wrote stays."""

    def __init__(self, folder: Path):
        self.path, self.folder = folder / PROGRESS, folder
        self.told: dict[str, Any] = {"runs": [], "lines": [], **read_json(self.path)}
        self.told |= {"began": time.time(), "stage": "starting", "left": None}
        self.before = float(self.told.get("spent", 0.0))
        self.began = self.said = self.since = time.monotonic()
        self.epochs_here = 0

    @property
    def spent(self) -> float:
        """Seconds of all processes of this training."""
        return self.before + time.monotonic() - self.began

    def write(self) -> None:
        self.said = time.monotonic()
        self.told |= {"spent": self.spent, "at": time.time()}
        write_json(self.path, self.told)

    def stage(self, text: str) -> None:
        self.told |= {"stage": text, "left": None, "step": None}
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
        self.write()

    def prepared(self, data: Any) -> None:
        from fame.make.evaluate import metric_values, popularity_ranks
        from fame.make.population import some_of

        rank = popularity_ranks(data.counts, some_of(data.split.valid, 0, 5_000))
        write_json(self.folder / HISTORIES, own_histories(data))
        self.told["popular"] = {name: float(metric_values(rank, name).mean()) for name in ("NDCG@10", "HR@10")}
        self.write()

    def begin(self, recipe: Any) -> None:
        from fame.make.card import kind_name

        title = kind_name(recipe.model)
        runs = self.told["runs"]
        if not any(run["title"] == title for run in runs):
            runs.append({"title": title, "variant": recipe.model.variant, "epochs": []})
        self.run = next(run for run in runs if run["title"] == title)
        self.run["of"] = recipe.training.epochs
        self.epochs_here, self.since = 0, time.monotonic()
        self.stage(f"training {title}")

    def step(self, at: Any) -> None:
        if time.monotonic() - self.said < EVERY:
            return
        done = self.epochs_here + at.done / at.of
        rate = (time.monotonic() - self.since) / max(done, 1e-9)
        left = self.run["of"] - (at.epoch - 1) - at.done / at.of
        self.told |= {"step": {"epoch": at.epoch, "done": at.done, "of": at.of, "loss": at.loss}, "left": left * rate}
        self.write()

    def epoch(self, e: Any) -> None:
        self.epochs_here += 1
        self.run["epochs"] = [known for known in self.run["epochs"] if known["epoch"] < e.epoch] + [asdict(e)]
        print(f"epoch {e.epoch}: loss {e.loss:.4f}, validation NDCG@10 {e.valid['NDCG@10']:.4f}", flush=True)
        self.write()
        if (self.folder / FINISH).exists() or self.spent > MOST_SECONDS:
            raise Enough

    def warn(self, text: str) -> None:
        self.told["lines"] = [*(line for line in self.told["lines"] if line != text), text]
        print(text, flush=True)


def own_histories(data: Any, most: int = 100) -> list[list[str]]:
    """Some histories of the log, as ids, oldest first and at most SHOWN long: to open the model on."""
    from fame.make.population import some_of

    histories, ids = some_of(data.split.test, 1, most).histories, data.catalogue.item_id
    return [[str(ids[row]) for row in histories.history(u)[-SHOWN:]] for u in range(len(histories))]


def train(folder: Path) -> None:
    """Train FOLDER/recipe.toml into FOLDER/bundle, from its checkpoint where there is one.

    Raises:
        FameError: the log cannot be learned from, or the disk is full; the epochs before are kept.
    """
    import torch

    from fame.make.checkpoint import locked
    from fame.make.pipeline import train_recipe
    from fame.make.recipe import load_recipe
    from fame.make.runs import Callbacks

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    recipe, teller = load_recipe(folder / "recipe.toml"), Teller(folder)
    tell = Callbacks(
        stage=teller.stage, prepared=teller.prepared, begin=teller.begin, step=teller.step, epoch=teller.epoch,
        warn=teller.warn,
    )  # fmt: skip
    with patient(lambda: locked(folder / "training", "another log")):
        out, runs = folder / BUNDLE, folder / "runs"
        finish = (folder / FINISH).exists()
        try:
            if not finish:
                train_recipe(recipe, out, runs=runs, callbacks=tell)
        except Enough:
            finish = True
            if teller.spent > MOST_SECONDS:
                teller.warn(f"stopped after {MOST_SECONDS / 3600:g} hours, the most that a training takes here")
        if finish:
            train_recipe(replace(recipe, comparison=None), out, runs=runs, finish=True, callbacks=tell)
    teller.stage("done")


def patient(lock: Any, seconds: float = 10) -> Any:
    """A lock that an earlier process of the same training may hold until it has noticed that its server is gone."""
    from contextlib import contextmanager

    @contextmanager
    def held() -> Any:
        ends = time.monotonic() + seconds
        while True:
            manager = lock()
            try:
                manager.__enter__()
                break
            except FameError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)
        try:
            yield
        finally:
            manager.__exit__(None, None, None)

    return held()


if __name__ == "__main__":
    sys.exit(main())
