"""What becomes of a recipe: data read, a model trained, tested, mapped, probed, and saved as a bundle."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightning_fabric import Fabric

from fame.bundle import Bundle, Example, check_target
from fame.errors import FameError
from fame.make.again import found_again
from fame.make.card import kind_name, metric_row, model_card, read_comparison, usage
from fame.make.checkpoint import Epoch, locked
from fame.make.configs import PlantedConfig
from fame.make.evaluate import popularity_ranks, ranks
from fame.make.examples import choose_examples, read_examples
from fame.make.logs import Curves, logger
from fame.make.maps import build_atlas
from fame.make.population import measure_population, some_of
from fame.make.prepare import Prepared, prepare, tested
from fame.make.private import SHORTEST
from fame.make.probes.gather import evidence
from fame.make.recipe import Recipe
from fame.make.recovery import recovery
from fame.make.runs import SILENT, Callbacks, baseline_of, learn, other_seeds, run_folder, watch_of
from fame.make.simulate import bayes_filter, countable, simulate
from fame.make.train import curve, launched
from fame.model import FAME
from fame.population import Population
from fame.text import plural

__all__ = ["train_recipe"]

HELD_OUT = 500  # simulated viewers that the model has not learned from …

BUNDLE_AUDIENCE = 2  # … nor was chosen on: docs/evidence.py tries recipes on audience 1


def gather(
    recipe: Recipe,
    model: FAME,
    data: Prepared,
    tell: Callbacks,
    baseline: FAME | None = None,
    others: Sequence[FAME] = (),
) -> dict[str, Any]:
    """The evidence of a bundle; of a simulated audience with what is recovered on HELD_OUT viewers of it.

    Beside the observer who is told the viewers' preferences and, where that can be computed, the one who learns them.
    `guided` is what the first heads were told in training, '' for a head that was left free.
    others: the same recipe's models of other seeds: how far they find the same preferences is told where there are any.
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
    if others and model.facets.anchors is not None and model.config.n_experts > 1:
        found["again"] = found_again(model, others, seed)
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
        others = other_seeds(recipe, data, fabric, runs, tell) if recipe.evidence else []
        bundle = described(recipe, data, model, baseline, epochs, examples, compared, tell, others)
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
    others: Sequence[FAME] = (),
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
            found = gather(recipe, model, data, tell, probed, others)
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
