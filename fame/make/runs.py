"""A recipe's runs: what is learned under each seed, kept under runs/ and gone on with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric

from fame.bundle import check_writable
from fame.errors import FameError
from fame.make.card import comparison, kind_name, metric_row
from fame.make.checkpoint import CHECKPOINT, Epoch, locked
from fame.make.configs import GuidanceConfig, PlantedConfig
from fame.make.evaluate import popularity_ranks, ranks
from fame.make.guidance import Guidance
from fame.make.logs import Curves
from fame.make.prepare import Prepared, prepare
from fame.make.recipe import Recipe
from fame.make.start import start_from_log
from fame.make.train import Step, launched, stopped, train
from fame.make.watch import COURSE, Watch, watched
from fame.model import FAME

__all__ = [
    "SILENT",
    "Callbacks",
    "baseline_of",
    "compare",
    "learn",
    "other_seeds",
    "run_folder",
    "untrained",
    "watch_of",
]


@dataclass(frozen=True)
class Callbacks:
    """What training tells on its way; under `fabric run` the first process alone tells."""

    stage: Callable[[str], None] = lambda text: None
    prepared: Callable[[Prepared], None] = lambda data: None
    begin: Callable[[Recipe], None] = lambda recipe: None  # each training, by its recipe
    step: Callable[[Step], None] = lambda step: None
    epoch: Callable[[Epoch], None] = lambda epoch: None
    warn: Callable[[str], None] = lambda text: None

    def with_curves(self, curves: Curves) -> Callbacks:
        """The same, which write each step and epoch to `curves` too."""

        def step(at: Step) -> None:
            self.step(at)
            curves.step(at)

        def epoch(e: Epoch) -> None:
            self.epoch(e)
            curves.epoch(e)

        return replace(self, step=step, epoch=epoch)

    def watched_by(self, watch: Watch) -> Callbacks:
        """The same, which have `watch` look at the network now and after each epoch."""
        watch.look(0)

        def epoch(e: Epoch) -> None:
            self.epoch(e)
            watch.look(e.epoch)

        return replace(self, epoch=epoch)


SILENT = Callbacks()


def baseline_of(recipe: Recipe) -> Recipe:
    """The recipe of the model that this one is compared with."""
    assert recipe.comparison is not None
    model, training = recipe.comparison.model, recipe.comparison.training
    return replace(recipe, model=model, training=training, guidance=GuidanceConfig(), watch=0)


def run_folder(recipe: Recipe, runs: Path) -> Path:
    """Where a recipe's checkpoint is kept: by variant and seed, so that `compare` and `train_recipe` share it."""
    return runs / recipe.name / f"{recipe.model.variant}-{recipe.training.seed}"


def learn(
    recipe: Recipe,
    data: Prepared,
    fabric: Fabric,
    runs: Path,
    fresh: bool,
    tell: Callbacks,
    finish: bool = False,
    curves: Curves | None = None,
) -> tuple[FAME, list[Epoch]]:
    """The trained model and its epochs, from a checkpoint where there is one."""
    folder = check_writable(run_folder(recipe, runs))
    mine = locked(folder, "another --name or --runs") if fabric.is_global_zero else nullcontext()
    with mine:
        if fresh and fabric.is_global_zero:
            shutil.rmtree(folder, ignore_errors=True)
        fabric.barrier()
        model, guidance = untrained(recipe, data, tell)
        tell.begin(recipe)
        told = tell.with_curves(curves) if curves and fabric.is_global_zero else tell
        if recipe.watch and recipe.model.variant == "fame" and fabric.is_global_zero:
            told = told.watched_by(watch_of(recipe, data, model, runs))
        epochs = train(
            model,
            data.split,
            recipe.training,
            guidance=guidance,
            fabric=fabric,
            folder=folder,
            finish=finish,
            on_step=told.step,
            on_epoch=told.epoch,
            on_note=told.warn,
        )
        if curves and fabric.is_global_zero:
            curves.close()
    if model.config.variant == "fame" and model.config.facet_mlp:
        centre(model)
    return model, epochs


@torch.no_grad()
def centre(model: FAME) -> None:
    """Let each head score the average item 0, by the bias of the item MLP.

    What a head adds to all items alike moves no rank and no probability, so that training leaves it where it happens to
    be. Taken away, a share g_h·s_h(v) says how far head h is for item v or against it.
    """
    assert model.facets.item_mlp is not None
    model.facets.item_mlp.down.bias.sub_(model.facet_items()[:, 1:].mean(1).flatten())


def watch_of(recipe: Recipe, data: Prepared, model: FAME, runs: Path) -> Watch:
    """What watches the recipe's training, with all that it has seen so far."""
    audience = watched(data.catalogue, recipe.data.planted or PlantedConfig(), recipe.watch)
    return Watch(model, audience, recipe.guidance.taught, run_folder(recipe, runs) / COURSE)


def untrained(recipe: Recipe, data: Prepared, tell: Callbacks) -> tuple[FAME, Guidance | None]:
    """The network as training finds it, and what is to guide it."""
    torch.manual_seed(recipe.training.seed)
    model = FAME(replace(recipe.model, n_items=data.catalogue.n_items))
    if recipe.training.start == "log":
        tell.stage("reading what is taken together")
        start_from_log(model, data.split.train)
    guidance = Guidance(recipe.guidance, model, data.catalogue, data.split.train) if recipe.guidance else None
    if guidance and recipe.guidance.pretrain:
        tell.stage("pretraining the heads' spaces")
        guidance.pretrain(model)
    return model, guidance


def other_seeds(recipe: Recipe, data: Prepared, fabric: Fabric, runs: Path, tell: Callbacks) -> list[FAME]:
    """The recipe's models of the comparison's other seeds, of those that are trained to the end under `runs`."""
    found = []
    for seed in recipe.comparison.seeds if recipe.comparison else ():
        other = replace(recipe, training=replace(recipe.training, seed=seed), watch=0)
        if seed == recipe.training.seed or not (run_folder(other, runs) / CHECKPOINT).exists():
            continue
        try:
            model, epochs = learn(other, data, fabric, runs, False, SILENT, finish=True)
        except FameError as error:
            tell.warn(f"seed {seed} is not held beside this one: {error}")
            continue
        if len(epochs) >= other.training.epochs or stopped(epochs, other.training):
            found.append(model.cpu().eval())
    return found


def compare(
    recipe: Recipe, *, runs: Path = Path("runs"), fresh: bool = False, callbacks: Callbacks = SILENT
) -> pd.DataFrame | None:
    """The recipe's model and its baseline under each of the comparison's seeds, as `fame.make.card.comparison`.

    Each run is kept under `runs/<name>/`, so that a comparison that broke off goes on; `train_recipe` finds its own
    seed's there. Under `fabric run` the first process alone has the table, the others None.

    Raises:
        FameError: the recipe names no comparison; else see `train_recipe`.
    """
    if recipe.comparison is None:
        raise FameError("the recipe compares nothing; add a table [comparison] with seeds = [0, 1, 2]")
    if recipe.comparison.model.variant == recipe.model.variant:
        raise FameError(f"both models are {recipe.model.variant}; give [comparison.model] another variant")
    fabric = launched()
    tell = callbacks if fabric.is_global_zero else SILENT
    tell.stage("reading the log")
    data = prepare(recipe)
    found: dict[str, np.ndarray] = {}
    for kind in (recipe, baseline_of(recipe)):
        rank = []
        for seed in recipe.comparison.seeds:
            seeded = replace(kind, training=replace(kind.training, seed=seed))
            rank.append(ranks(learn(seeded, data, fabric, runs, fresh, tell)[0], data.split.test))
        found[kind_name(kind.model)] = np.stack(rank)
    if not fabric.is_global_zero:
        return None
    popular = popularity_ranks(data.counts, data.split.test)[None]
    return pd.concat([comparison(found), pd.DataFrame([metric_row("the most popular", popular)])], ignore_index=True)
