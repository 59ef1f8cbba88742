"""A recipe, a TOML file of settings, and what becomes of it: a trained bundle.

    name = "mine"                       # of the bundle; letters, digits, '.', '-' and '_'
    examples = "mine.examples.json"     # optional: [{"title": …, "look_for": …, "items": [titles or ids]}, …]
    metrics = "mine.metrics.csv"        # optional: what `fame compare` wrote, for the model card
    maps = true                         # build the atlas
    evidence = true                     # probe heads and experts: minutes for 1,000 items

    [data]                              # form, path, items, attributes, user, item, order as in `fame.data.read`;
                                        # noun, what sentences call an item: "film", "item", "book"
    form = "csv"
    path = "log.csv"
    k_core = 5                          # each user and item at least so often; 0 keeps all
                                        # or form = "planted", an audience simulated over `items`, and in the
    [data.planted]                      # place of path and k_core the fields of PlantedConfig

    [model]                             # the fields of FAMEConfig but n_items, which the data tell
    [training]                          # the fields of TrainConfig
    [guidance]                          # the fields of GuidanceConfig
    [card]                              # the fields of CardText
    [comparison]                        # for `fame compare`: seeds = [0, 1, 2], and the settings that the
    [comparison.model]                  # baseline has of its own; otherwise it is a SASRec of the same sizes;
    [comparison.training]               # probe = true trains it for the bundle too: its slices stand beside the heads

Paths are relative to the folder that holds the recipe.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import shutil
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric

from fame.atlas import build_atlas
from fame.bundle import Bundle, Example, check_target, check_writable
from fame.card import CardText, Facts, comparison, kind_name, metric_row, model_card, read_comparison, usage
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.data import Interactions, Sequences, Split, k_core, keep_items, leave_one_out, read
from fame.data.door import check_file
from fame.errors import FameError
from fame.evaluate import popularity_ranks, ranks
from fame.guidance import Guidance, GuidanceConfig
from fame.model import FAME
from fame.planted import PlantedConfig, bayes_filter, countable, simulate
from fame.probes import evidence
from fame.recovery import recovery
from fame.train import Epoch, Step, TrainConfig, curve, launched, train

__all__ = ["Callbacks", "Comparison", "DataConfig", "Recipe", "compare", "load_recipe", "split_for", "train_recipe"]

TABLES = ("data", "model", "training", "guidance", "card", "comparison")
MAX_RECIPE_BYTES = 1 << 20
MAX_EXAMPLES_BYTES = 10 << 20
HELD_OUT = 500  # simulated viewers that the model has not learned from …
BUNDLE_AUDIENCE = 2  # … nor was chosen on: docs/evidence.py tries recipes on audience 1

Tables = dict[str, Any]


@dataclass(frozen=True)
class DataConfig:
    """The log: `fame.data.read`'s arguments, and the k-core; or, with form 'planted', a simulated audience.

    Raises:
        FameError: a path is missing, or what belongs to one form is given with the other.
    """

    form: str
    path: Path | None = None
    items: Path | None = None
    attributes: Path | None = None
    user: str | None = None
    item: str | None = None
    order: str | None = None
    k_core: int = 5  # 0 keeps every user and item
    noun: str = ""  # what sentences call an item; else film where the form is movielens or planted, elsewhere item
    planted: PlantedConfig | None = None

    def __post_init__(self) -> None:
        simulated = self.form == "planted"
        if simulated and (self.path or not self.items):
            raise FameError("[data] the form 'planted' needs items, a catalogue to simulate over, and no path")
        if not simulated and not self.path:
            raise FameError("[data] path is missing")
        if not simulated and self.planted:
            raise FameError(f"[data] planted is for the form 'planted', and the form is {self.form!r}")
        if not self.noun:
            object.__setattr__(self, "noun", "film" if self.form in ("movielens", "planted") else "item")
        if self.k_core < 0:
            raise FameError(f"k_core is {self.k_core}; expected 0, which keeps all, or more")


@dataclass(frozen=True)
class Comparison:
    """The baseline that the card compares the model with, and under which seeds.

    Raises:
        FameError: a seed is there twice.
    """

    model: FAMEConfig  # n_items is a placeholder
    training: TrainConfig
    seeds: tuple[int, ...] = (0, 1, 2)
    probe: bool = False  # a bundle's evidence has the baseline's slices beside the heads

    def __post_init__(self) -> None:
        if len(set(self.seeds)) < len(self.seeds):
            raise FameError(f"[comparison] seeds are {list(self.seeds)}; expected each seed once")


@dataclass(frozen=True)
class Recipe:
    """All that a bundle is made from.

    model: its `n_items` is a placeholder until the data have been read.

    Raises:
        FameError: the name is no name for a bundle, or a baseline that is to be probed is of other widths.
    """

    name: str
    data: DataConfig
    model: FAMEConfig = field(default_factory=lambda: FAMEConfig(n_items=1))
    training: TrainConfig = field(default_factory=TrainConfig)
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    card: CardText = field(default_factory=CardText)
    comparison: Comparison | None = None
    examples: Path | None = None
    metrics: Path | None = None
    maps: bool = True
    evidence: bool = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]{0,99}", self.name):
            raise FameError(f"name is {self.name[:100]!r}; expected letters, digits, '.', '-' and '_'")
        if self.comparison and self.comparison.probe and self.model.variant == "fame":
            other = self.comparison.model
            alike = (other.d_model, other.n_heads) == (self.model.d_model, self.model.n_heads)
            if other.variant != "sasrec" or not alike:
                raise FameError(
                    f"[comparison] probe is for a sasrec of the model's d_model, {self.model.d_model}, and n_heads, "
                    f"{self.model.n_heads}; it is a {other.variant} of {other.d_model} and {other.n_heads}"
                )

    @classmethod
    def from_tables(cls, tables: Tables, folder: Path = Path()) -> Self:
        """The recipe in parsed TOML; paths are relative to `folder`.

        Raises:
            FameError: a setting is unknown, missing, of another type or out of range.
        """
        tables = {key: _table(value, key) if key in TABLES else value for key, value in tables.items()}
        model, training, contrast = (tables.get(key, {}) for key in ("model", "training", "comparison"))
        if "n_items" in model:
            raise FameError("[model] n_items: leave it out, the data tell how many items there are")
        tables["model"] = {"n_items": 1} | model
        if model.get("variant") == "sasrec":  # has no heads to guide
            tables.pop("guidance", None)
        if "comparison" in tables:
            own = {key: _table(contrast.get(key, {}), f"comparison.{key}") for key in ("model", "training")}
            tables["comparison"] = contrast | {
                "model": tables["model"] | {"variant": "sasrec"} | own["model"],
                "training": training | own["training"],
            }
        return _build(cls, tables, "", folder)


@dataclass(frozen=True)
class Callbacks:
    """What training tells on its way; under `fabric run` the first process alone tells."""

    stage: Callable[[str], None] = lambda text: None
    begin: Callable[[Recipe], None] = lambda recipe: None  # each training, by its recipe
    step: Callable[[Step], None] = lambda step: None
    epoch: Callable[[Epoch], None] = lambda epoch: None
    warn: Callable[[str], None] = lambda text: None


SILENT = Callbacks()


# --- reading a recipe ---------------------------------------------------------------------------------


def load_recipe(path: str | Path, changes: Tables | None = None) -> Recipe:
    """The recipe in a TOML file.

    changes: settings that go before the file's, in tables as in the file; paths in them are as they are. The file's
        metrics, which are of other settings then, are left out, and under another variant the card's title and summary.

    Raises:
        FameError: the file is missing or no TOML, or a setting is unknown, missing, of another type or out of range.
    """
    path = check_file(path, MAX_RECIPE_BYTES)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # endless digits are a plain ValueError
        raise FameError(f"{path}: not TOML ({error}); see recipes/ for how one looks") from None
    changes = changes or {}
    if any(changes.get(name) for name in ("data", "model", "training", "guidance")):
        tables.pop("metrics", None)  # they are of the recipe as it is
    if "variant" in changes.get("model", {}) and isinstance(card := tables.get("card"), dict):
        tables["card"] = {k: v for k, v in card.items() if k not in ("title", "summary")}
    try:
        return Recipe.from_tables(merged(tables, changes), path.parent)
    except FameError as error:
        raise FameError(f"{path}: {error}") from None


def merged(tables: Tables, changes: Tables) -> Tables:
    """`tables` with the settings of `changes`, table by table."""
    result = dict(tables)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


FITS: Mapping[Any, tuple[Callable[[Any], bool], str]] = {
    int: (lambda v: type(v) is int, "a whole number"),
    float: (lambda v: type(v) in (int, float) and math.isfinite(v), "a number"),
    bool: (lambda v: type(v) is bool, "true or false"),
    str: (lambda v: isinstance(v, str), "text in quotes"),
    Path: (lambda v: isinstance(v, str | Path) and v != "", "a path in quotes"),
    tuple[int, ...]: (
        lambda v: isinstance(v, list) and len(v) > 0 and all(type(x) is int and x >= 0 for x in v),
        "whole numbers in brackets, like [0, 1, 2]",
    ),
    tuple[str, ...]: (
        lambda v: isinstance(v, list) and all(isinstance(x, str) for x in v),
        "texts in brackets, like ['genres', '']",
    ),
}


def _table(value: Any, name: str) -> Tables:
    if not isinstance(value, dict):
        raise FameError(f"{name} is {str(value)[:50]!r}; expected a table, [{name}]")
    return value


def _build(cls: Any, values: Tables, table: str, folder: Path) -> Any:
    """The dataclass `cls` from a table of a recipe, every key and type checked."""
    hints = get_type_hints(cls)
    where = f"[{table}] " if table else ""
    for key in values:
        if key not in hints:
            near = difflib.get_close_matches(key, hints, 1, 0.5)
            offer = (
                f"did you mean {near[0]!r}?" if near else f"known are {', '.join(k for k in hints if k != 'n_items')}"
            )
            raise FameError(f"{where}there is no setting {key!r}; {offer}")
    for f in fields(cls):
        if f.name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise FameError(f"{where}{f.name} is missing")
    return cls(**{key: _setting(value, hints[key], table, key, folder) for key, value in values.items()})


def _setting(value: Any, hint: Any, table: str, key: str, folder: Path) -> Any:
    """One setting as its type."""
    name = f"{table}.{key}".lstrip(".")
    kind = next((k for k in get_args(hint) if k is not NoneType), hint) if NoneType in get_args(hint) else hint
    if is_dataclass(kind):
        return _build(kind, _table(value, name), name, folder)
    if get_origin(kind) is Literal:
        fits, expected = value in get_args(kind), " or ".join(map(repr, get_args(kind)))
    else:
        check, expected = FITS[kind]
        fits = check(value)
    if not fits:
        raise FameError(f"{f'[{table}] ' if table else ''}{key} is {str(value)[:50]!r}; expected {expected}")
    return folder / value if kind is Path else tuple(value) if isinstance(value, list) else value


# --- making a bundle ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Prepared:
    """A recipe's data, read and split."""

    catalogue: Catalogue
    split: Split
    facts: Facts

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
    log = read(d.form, d.path, items=d.items, attributes=d.attributes, user=d.user, item=d.item, order=d.order)
    if d.k_core:
        log = log.core(d.k_core)
    sequences = Sequences.from_interactions(log.interactions, log.catalogue)
    split = leave_one_out(sequences)
    if not len(split.test):
        raise FameError(f"{d.path}: no user has 3 items, which leave-one-out needs; give a larger log")
    said = []
    if d.items:
        said.append("Only items of the catalogue are kept.")
    if d.k_core:
        said.append(f"Every user and item is there at least {d.k_core} times ({d.k_core}-core).")
    catalogue = replace(log.catalogue, noun=d.noun)
    return Prepared(catalogue, split, Facts.of(sequences, split, log.catalogue.n_items, d.form, " ".join(said)))


def prepare_planted(d: DataConfig) -> Prepared:
    """The simulated audience, split."""
    assert d.items is not None
    config = d.planted or PlantedConfig()
    catalogue = replace(Catalogue.from_csv(d.items), noun=d.noun)
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
        facts=data.facts,
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
        evidence=found,
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


# --- the comparison -----------------------------------------------------------------------------------


def compare(
    recipe: Recipe, *, runs: Path = Path("runs"), fresh: bool = False, callbacks: Callbacks = SILENT
) -> pd.DataFrame | None:
    """The recipe's model and its baseline under each of the comparison's seeds, as `fame.card.comparison`.

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
