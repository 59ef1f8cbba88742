"""What becomes of a recipe: data read, a model trained, tested, mapped, probed, and saved as a bundle."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric

from fame.bundle import Bundle, Example, check_target, check_writable
from fame.errors import FameError
from fame.make.card import comparison, kind_name, metric_row, model_card, read_comparison, usage
from fame.make.checkpoint import Epoch, locked
from fame.make.configs import GuidanceConfig, PlantedConfig
from fame.make.evaluate import popularity_ranks, ranks
from fame.make.examples import choose_examples, read_examples
from fame.make.guidance import Guidance
from fame.make.logs import Curves, logger
from fame.make.maps import build_atlas
from fame.make.population import measure_population, some_of
from fame.make.prepare import Prepared, prepare, tested
from fame.make.private import SHORTEST
from fame.make.probes.gather import evidence
from fame.make.recipe import Recipe
from fame.make.recovery import recovery
from fame.make.simulate import bayes_filter, countable, simulate
from fame.make.start import start_from_log
from fame.make.train import Step, curve, launched, train
from fame.make.watch import COURSE, Watch, watched
from fame.model import FAME
from fame.population import Population
from fame.text import plural

__all__ = [
    "SILENT",
    "Callbacks",
    "compare",
    "learn",
    "run_folder",
    "train_recipe",
]


HELD_OUT = 500  # simulated viewers that the model has not learned from …

BUNDLE_AUDIENCE = 2  # … nor was chosen on: docs/evidence.py tries recipes on audience 1


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


def gather(
    recipe: Recipe, model: FAME, data: Prepared, tell: Callbacks, baseline: FAME | None = None
) -> dict[str, Any]:
    """The evidence of a bundle; of a simulated audience with what is recovered on HELD_OUT viewers of it.

    Beside the observer who is told the viewers' preferences and, where that can be computed, the one who learns them.
    `guided` is what the first heads were told in training, '' for a head that was left free.
    """
    tell.stage("gathering evidence")
    began = time.perf_counter()
    histories, seed = data.split.test.histories, recipe.training.seed
    source = f"{data.facts.form}, test"
    found = evidence(model, data.catalogue, histories, data.counts, seed, tell.stage, baseline=baseline, source=source)
    if recipe.data.form == "planted":
        tell.stage("comparing routing with the truth")
        config = replace(recipe.data.planted or PlantedConfig(), n_viewers=HELD_OUT)
        audience = simulate(data.catalogue, config, audience=BUNDLE_AUDIENCE)
        found["recovery_told"] = recovery(model, data.catalogue, audience, seed=seed)
        if countable(data.catalogue, config):
            learning = bayes_filter(data.catalogue, config, audience.sequences)
            found["recovery"] = recovery(model, data.catalogue, audience, learning, seed=seed)
    found["guided"] = list(recipe.guidance.taught)
    found["seconds"] = time.perf_counter() - began
    return found


def train_recipe(
    recipe: Recipe,
    out: str | Path,
    *,
    runs: Path = Path("runs"),
    fresh: bool = False,
    finish: bool = False,
    log: str | None = None,
    callbacks: Callbacks = SILENT,
) -> Bundle | None:
    """Train, test, map, probe, write the card, and save the bundle in the directory `out`.

    runs: checkpoints are kept under `runs/<name>/`; a run that broke off goes on from its last epoch, and one that
        is done is not trained again. `fresh` forgets them first; `finish` trains no more and takes the best of the
        epochs that are done.
    log: csv, tensorboard or wandb: where the training's curves go, beside the checkpoint.

    Under `fabric run` every process trains; the first alone goes on and has a bundle, the others get None.

    Raises:
        FameError: anything in the recipe, its files or `out` is not as it should be, most of it told before training;
            or another process writes to `out` or trains a run of this name.
    """
    if fresh and finish:
        raise FameError("--fresh forgets the run that --finish is to finish; give one of them")
    out = check_target(out)
    fabric = launched()
    tell = callbacks if fabric.is_global_zero else SILENT
    curves = Curves(logger(log, run_folder(recipe, runs), recipe.name)) if log else None
    with locked(out, "another --out") if fabric.is_global_zero else nullcontext():
        tell.stage("reading the log")
        data = prepare(recipe)
        tell.prepared(data)
        for line in data.report.lines() if data.report else ():
            tell.warn(line)
        examples = read_examples(recipe.examples, data.catalogue) if recipe.examples else ()
        compared = read_comparison(recipe.metrics) if recipe.metrics else None
        model, epochs = learn(recipe, data, fabric, runs, fresh, tell, finish, curves)
        baseline = trained_baseline(recipe, data, fabric, runs, fresh, tell)
        if not fabric.is_global_zero:
            return None
        bundle = described(recipe, data, model, baseline, epochs, examples, compared, tell)
        if recipe.watch:
            bundle = replace(bundle, course=watch_of(recipe, data, model, runs).course(epochs[-1].epoch))
        tell.stage(f"saving {out}")
        bundle.save(out)
    return bundle


def trained_baseline(
    recipe: Recipe, data: Prepared, fabric: Fabric, runs: Path, fresh: bool, tell: Callbacks
) -> FAME | None:
    """The model that stands beside this one in the bundle; None where nothing is measured, or it is compared with none.

    The population has its ranks; its slices stand beside the heads in the evidence where the recipe probes it.
    """
    other = recipe.comparison
    if other is None or recipe.model.variant != "fame" or other.model.variant == "fame":
        return None
    if not recipe.population and not (recipe.evidence and other.probe):
        return None
    return learn(baseline_of(recipe), data, fabric, runs, fresh, tell)[0].cpu()


def read_lines(data: Prepared, rank: np.ndarray, tell: Callbacks) -> tuple[str, ...]:
    """How the log was read, for the card; told again is how test items that the history holds are ranked.

    rank: int [users] of the test items.
    """
    if not data.report:
        return ()
    held = tested(rank, data.split.test)
    if held.figures:
        tell.warn(held.line())
    return tuple(replace(data.report, tested=held).lines())


def described(
    recipe: Recipe,
    data: Prepared,
    model: FAME,
    baseline: FAME | None,
    epochs: list[Epoch],
    examples: tuple[Example, ...],
    compared: pd.DataFrame | None,
    tell: Callbacks,
) -> Bundle:
    """The bundle of a trained model: tested, mapped, probed, with its card."""
    tell.stage(f"testing on {plural(len(data.split.test), 'user')}")
    rank, popular = ranks(model, data.split.test), popularity_ranks(data.counts, data.split.test)
    facts = replace(data.facts, read=read_lines(data, rank, tell))
    used = usage(model, data.split.test.histories)
    model.cpu()
    atlas, found = None, {}
    if recipe.maps and model.config.variant == "fame":
        atlas = build_atlas(
            model, seed=recipe.training.seed, progress=lambda space: tell.stage(f"drawing the map {space}")
        )
    if recipe.evidence and model.config.variant == "fame":
        try:
            probed = baseline if recipe.comparison and recipe.comparison.probe else None
            found = gather(recipe, model, data, tell, probed)
        except FameError as error:  # what cannot be measured is no reason to lose what was learned
            tell.warn(f"the bundle is saved without evidence: {error}")
    card = model_card(
        name=recipe.name,
        text=recipe.card,
        model=model,
        training=recipe.training,
        guidance=recipe.guidance,
        facts=facts,
        epochs=epochs,
        metrics=pd.DataFrame([metric_row("this model", rank[None]), metric_row("the most popular", popular[None])]),
        used=used,
        compared=compared,
    )
    simulated = recipe.data.form == "planted"
    if model.config.variant == "fame":
        examples, broken = choose_examples(examples, model.eval(), data.catalogue)
        for line in broken:
            tell.warn(line)
    seen = population_of(recipe, data, model, baseline, tell) if recipe.population else None
    return Bundle(
        recipe.name,
        model,
        data.catalogue,
        atlas=atlas,
        examples=examples,
        evidence_json=found,
        training=curve(epochs),
        card=card,
        simulated=simulated,
        k_core=None if simulated else recipe.data.k_core,
        population=seen,
    )


def population_of(
    recipe: Recipe, data: Prepared, model: FAME, baseline: FAME | None, tell: Callbacks
) -> Population | None:
    """What the model does with test histories, beside popularity and, where there is one, the baseline."""
    if model.config.variant != "fame":
        return None
    tell.stage("measuring the population")
    others = {"the most popular": partial(popularity_ranks, data.counts)}
    if baseline is not None:
        others = {kind_name(baseline.config): partial(ranks, baseline), **others}
    kept = recipe.data.form == "planted" or recipe.data.histories == "kept"
    some = some_of(data.split.test, recipe.training.seed, shortest=1 if kept else SHORTEST)
    if not len(some):
        tell.warn(f"no test history has {SHORTEST} items: of shorter ones a private log keeps no population")
        return None
    return measure_population(model, data.catalogue, some, data.counts, others, keep_histories=kept)


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
