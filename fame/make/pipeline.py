"""What becomes of a recipe: data read, a model trained, tested, mapped, probed, and saved as a bundle."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric

from fame.bundle import Bundle, Example, check_target, check_writable
from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.card import Facts, comparison, kind_name, metric_row, model_card, read_comparison, usage
from fame.make.checkpoint import Epoch
from fame.make.configs import DataConfig, GuidanceConfig, PlantedConfig
from fame.make.data import Interactions, Log, Sequences, Split, k_core, keep_items, leave_one_out, read
from fame.make.data.files import check_file
from fame.make.data.items import coverage_of
from fame.make.data.report import ReadReport, Tested
from fame.make.data.sequences import Task
from fame.make.evaluate import metric_values, popularity_ranks, ranks
from fame.make.guidance import Guidance
from fame.make.maps import build_atlas
from fame.make.probes.gather import evidence
from fame.make.recipe import Recipe
from fame.make.recovery import recovery
from fame.make.simulate import bayes_filter, countable, simulate
from fame.make.start import start_from_log
from fame.make.train import Step, curve, launched, train
from fame.model import FAME

__all__ = [
    "SILENT",
    "Callbacks",
    "compare",
    "for_catalogue",
    "learn",
    "prepare",
    "read_examples",
    "run_folder",
    "split_for",
    "tested",
    "train_recipe",
]


MAX_EXAMPLES_BYTES = 10 << 20

HELD_OUT = 500  # simulated viewers that the model has not learned from …

BUNDLE_AUDIENCE = 2  # … nor was chosen on: docs/evidence.py tries recipes on audience 1


@dataclass(frozen=True)
class Callbacks:
    """What training tells on its way; under `fabric run` the first process alone tells."""

    stage: Callable[[str], None] = lambda text: None
    begin: Callable[[Recipe], None] = lambda recipe: None  # each training, by its recipe
    step: Callable[[Step], None] = lambda step: None
    epoch: Callable[[Epoch], None] = lambda epoch: None
    warn: Callable[[str], None] = lambda text: None


SILENT = Callbacks()


@dataclass(frozen=True, eq=False)
class Prepared:
    """A recipe's data, read and split."""

    catalogue: Catalogue
    split: Split
    facts: Facts
    report: ReadReport | None = None  # None for a simulated audience

    @property
    def counts(self) -> np.ndarray:
        """int64 [V]: how often each item is in the training histories."""
        return np.bincount(self.split.train.items, minlength=len(self.catalogue))


def prepare(recipe: Recipe) -> Prepared:
    """Read, limit to the items named, k-core, split.

    Raises:
        FameError: see `read`, `k_core`; or no user has the three items that leave-one-out needs.
    """
    d = recipe.data
    if d.form == "planted":
        return prepare_planted(d)
    assert d.path is not None
    log = read(d.form, d.path, d.reading)
    if d.k_core:
        log = log.core(d.k_core)
    sequences = Sequences.from_interactions(log.interactions, log.catalogue)
    split = leave_one_out(sequences)
    if not len(split.test):
        raise FameError(f"{d.path}: no user has 3 items, which leave-one-out needs; give a larger log")
    said = []
    if d.only_items:
        said.append("Only items of the item file are kept.")
    if d.k_core:
        said.append(f"Every user and item is there at least {d.k_core} times ({d.k_core}-core).")
    noun = "film" if log.report.form == "movielens" and not d.noun else d.called
    report = replace(log.report, tested=Tested(len(split.test), int(split.test.repeated.sum())))
    facts = Facts.of(sequences, split, log.catalogue.n_items, log.report.form, " ".join(said))
    return Prepared(replace(log.catalogue, noun=noun), split, facts, report)


def tested(ranks: np.ndarray, task: Task) -> Tested:
    """How many test items the history already holds, and the figures with and without them.

    ranks: int [users] of the task's targets.
    """
    again = task.repeated
    figures = {
        name: (float(metric_values(ranks, name).mean()), float(metric_values(ranks[~again], name).mean()))
        for name in ("HR@10", "NDCG@10")
        if again.any() and not again.all()
    }
    return Tested(len(task), int(again.sum()), figures)


def prepare_planted(d: DataConfig) -> Prepared:
    """The simulated audience, split."""
    assert d.items is not None
    config = d.planted or PlantedConfig()
    catalogue = replace(Catalogue.from_csv(d.items), noun=d.called)
    sequences = simulate(catalogue, config).sequences
    split = leave_one_out(sequences)
    if not len(split.test):
        raise FameError("[data.planted] no viewer has 3 films, which leave-one-out needs; give a larger longest")
    settings = ", ".join(f"{f.name} {getattr(config, f.name)}" for f in fields(config))
    said = f"The audience is simulated, by no real viewer's choices: {settings}."
    return Prepared(catalogue, split, Facts.of(sequences, split, catalogue.n_items, d.form, said))


def gather(
    recipe: Recipe, model: FAME, data: Prepared, tell: Callbacks, baseline: FAME | None = None
) -> dict[str, Any]:
    """The evidence of a bundle; of a simulated audience with what is recovered on HELD_OUT viewers of it.

    Beside the observer who is told the viewers' preferences and, where that can be computed, the one who learns them.
    `guided` is what the first heads were told in training, '' for a head that was left free, `guided_part` of how
    many items.
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
    found |= {"guided": list(recipe.guidance.taught), "guided_part": 1 - recipe.guidance.held_out}
    found["seconds"] = time.perf_counter() - began
    return found


def split_for(interactions: Interactions, catalogue: Catalogue, least: int) -> Split:
    """A log split for testing a model of this catalogue: as `prepare` splits it, other items left out.

    least: the k of the k-core; 0 keeps every user.
    """
    kept = keep_items(interactions, catalogue.item_id[1:])
    return leave_one_out(Sequences.from_interactions(k_core(kept, least) if least else kept, catalogue))


def for_catalogue(log: Log, catalogue: Catalogue, least: int) -> tuple[Task, ReadReport]:
    """The test of a model of this catalogue on a log, split as `split_for` does, and how the two meet.

    Raises:
        FameError: no item of the log is in the catalogue, or no user is left.
    """
    listed = frozenset(catalogue.item_id[1:])
    coverage = coverage_of("the model's catalogue", log.interactions, listed, only=True)
    kept = keep_items(log.interactions, catalogue.item_id[1:])
    usable = int((np.bincount(kept.user_codes) >= 3).sum())
    report = replace(log.report, coverage=(*log.report.coverage, coverage), usable=usable)
    return split_for(log.interactions, catalogue, least).test, report


def train_recipe(
    recipe: Recipe,
    out: str | Path,
    *,
    runs: Path = Path("runs"),
    fresh: bool = False,
    callbacks: Callbacks = SILENT,
) -> Bundle | None:
    """Train, test, map, probe, write the card, and save the bundle in the directory `out`.

    runs: checkpoints are kept under `runs/<name>/`; a run that broke off goes on from its last epoch, and one that
        is done is not trained again. `fresh` forgets them first.

    Under `fabric run` every process trains; the first alone goes on and has a bundle, the others get None.

    Raises:
        FameError: anything in the recipe, its files or `out` is not as it should be, most of it told before training.
    """
    out = check_target(out)
    fabric = launched()
    tell = callbacks if fabric.is_global_zero else SILENT
    tell.stage("reading the log")
    data = prepare(recipe)
    for line in data.report.lines() if data.report else ():
        tell.warn(line)
    examples = read_examples(recipe.examples, data.catalogue) if recipe.examples else ()
    compared = read_comparison(recipe.metrics) if recipe.metrics else None
    model, epochs = learn(recipe, data, fabric, runs, fresh, tell)
    probed = recipe.evidence and model.config.variant == "fame"
    baseline = None
    if probed and recipe.comparison and recipe.comparison.probe:
        baseline = learn(baseline_of(recipe), data, fabric, runs, fresh, tell)[0].cpu()
    if not fabric.is_global_zero:
        return None
    tell.stage(f"testing on {len(data.split.test):,} users")
    rank, popular = ranks(model, data.split.test), popularity_ranks(data.counts, data.split.test)
    facts = data.facts
    if data.report:
        facts = replace(facts, read=tuple(replace(data.report, tested=tested(rank, data.split.test)).lines()))
    used = usage(model, data.split.test.histories)
    model.cpu()
    atlas = None
    if recipe.maps and model.config.variant == "fame":
        atlas = build_atlas(
            model, seed=recipe.training.seed, progress=lambda space: tell.stage(f"drawing the map {space}")
        )
    found = {}
    if probed:
        try:
            found = gather(recipe, model, data, tell, baseline)
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
    bundle = Bundle(
        recipe.name,
        model,
        data.catalogue,
        atlas=atlas,
        examples=examples,
        evidence_json=found,
        training=curve(epochs),
        card=card,
        simulated=recipe.data.form == "planted",
        k_core=None if recipe.data.form == "planted" else recipe.data.k_core,
    )
    tell.stage(f"saving {out}")
    bundle.save(out)
    return bundle


def baseline_of(recipe: Recipe) -> Recipe:
    """The recipe of the model that this one is compared with."""
    assert recipe.comparison is not None
    model, training = recipe.comparison.model, recipe.comparison.training
    return replace(recipe, model=model, training=training, guidance=GuidanceConfig())


def run_folder(recipe: Recipe, runs: Path) -> Path:
    """Where a recipe's checkpoint is kept: by variant and seed, so that `compare` and `train_recipe` share it."""
    return runs / recipe.name / f"{recipe.model.variant}-{recipe.training.seed}"


def learn(
    recipe: Recipe, data: Prepared, fabric: Fabric, runs: Path, fresh: bool, tell: Callbacks
) -> tuple[FAME, list[Epoch]]:
    """The trained model and its epochs, from a checkpoint where there is one."""
    folder = check_writable(run_folder(recipe, runs))
    if fresh and fabric.is_global_zero:
        shutil.rmtree(folder, ignore_errors=True)
    fabric.barrier()
    torch.manual_seed(recipe.training.seed)
    model = FAME(replace(recipe.model, n_items=data.catalogue.n_items))
    if recipe.training.start == "log":
        tell.stage("reading what is taken together")
        start_from_log(model, data.split.train)
    guidance = Guidance(recipe.guidance, model, data.catalogue, data.split.train) if recipe.guidance else None
    if guidance and recipe.guidance.pretrain:
        tell.stage("pretraining the heads' spaces")
        guidance.pretrain(model)
    tell.begin(recipe)
    epochs = train(
        model,
        data.split,
        recipe.training,
        guidance=guidance,
        fabric=fabric,
        folder=folder,
        on_step=tell.step,
        on_epoch=tell.epoch,
    )
    return model, epochs


def read_examples(path: Path, catalogue: Catalogue) -> tuple[Example, ...]:
    """Curated histories from a JSON file; their items are titles or ids.

    Raises:
        FameError: the file is missing or of another form, or an item is unknown.
    """
    expected = 'expected a list of {"title": …, "look_for": …, "items": [titles or ids]}'
    checked = check_file(path, MAX_EXAMPLES_BYTES)
    try:
        values = json.loads(checked.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise FameError(f"{path}: not JSON; {expected}") from None
    examples = []
    try:
        for value in values:
            title, look_for, items = value["title"], value["look_for"], value["items"]
            if not all(isinstance(text, str) for text in (title, look_for, *items)) or not items:
                raise TypeError
            examples.append((title, look_for, items))
    except (TypeError, KeyError):
        raise FameError(f"{path}: example {len(examples) + 1} is not as it should be; {expected}") from None
    try:
        return tuple(
            Example(title, look_for, tuple(str(catalogue.item_id[catalogue.resolve(item)]) for item in items))
            for title, look_for, items in examples
        )
    except FameError as error:
        raise FameError(f"{path}: {error}") from None


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
