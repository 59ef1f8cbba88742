"""What a recipe's training starts from: its log read, limited and split."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.card import Facts
from fame.make.configs import DataConfig, PlantedConfig
from fame.make.data import Log, Sequences, Split, k_core, keep_items, leave_one_out, read
from fame.make.data.items import coverage_of
from fame.make.data.report import KCore, ReadReport, Tested
from fame.make.data.sequences import Task
from fame.make.evaluate import metric_values
from fame.make.recipe import Recipe
from fame.make.simulate import simulate
from fame.text import plural

__all__ = ["Prepared", "for_catalogue", "prepare", "tested"]


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
        try:
            log = log.core(d.k_core)
        except FameError as error:
            if not d.only_items:
                raise
            few = plural(len(log.interactions), "interaction")
            raise FameError(f"{d.items}: its items leave {few} of the log, too few for the k-core; {error}") from None
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


def for_catalogue(log: Log, catalogue: Catalogue, least: int) -> tuple[Split, ReadReport]:
    """A log split for testing a model of this catalogue: as `prepare` splits it, other items left out; how they meet.

    least: the k of the k-core; 0 keeps every user.

    Raises:
        FameError: no item of the log is in the catalogue, or no user is left.
    """
    listed = frozenset(catalogue.item_id[1:])
    coverage = coverage_of("the model's catalogue", log.interactions, listed, only=True)
    kept = keep_items(log.interactions, catalogue.item_id[1:])
    usable = int((np.bincount(kept.user_codes) >= 3).sum())
    cored = k_core(kept, least) if least else kept
    core = KCore.between(least, kept, cored) if least else None
    split = leave_one_out(Sequences.from_interactions(cored, catalogue))
    return split, replace(log.report, coverage=(*log.report.coverage, coverage), usable=usable, core=core)
