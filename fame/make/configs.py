"""The tables of a recipe, but [model]: each setting with its type, limits, default and what it does."""

from __future__ import annotations

from dataclasses import fields
from typing import Literal, Self

from pydantic import Field, model_validator

from fame.config import FAMEConfig
from fame.make.data.options import ReadOptions
from fame.settings import Count, Flag, Location, Number, Probability, Share, Whole, settings

__all__ = ["CardText", "Comparison", "DataConfig", "GuidanceConfig", "PlantedConfig", "TrainConfig"]

# The terms of guidance that need heads with names; `pretrain` counts steps, the others are weights.
BY_HEAD = ("pretrain", "sup", "excl", "tie", "balance")
WEIGHTS = (*BY_HEAD[1:], "mi")


@settings("planted")
class PlantedConfig:
    """How the simulated viewers choose.

    Raises:
        FameError: a number is out of range, or no facet is named or one twice.
    """

    n_viewers: Count = Field(default=20_000, description="Viewers to simulate.")
    shortest: Count = Field(
        default=20, description="A viewer's number of films is one of shortest to longest, equally likely."
    )
    longest: Count = Field(default=50, description="See shortest.")
    facets: tuple[str, ...] = Field(
        default=("genres", "director", "cast", "decade"), description="Attributes of the catalogue that viewers follow."
    )
    values: Count = Field(default=8, description="W: at most so many values of a facet are ever preferred.")
    least_items: Count = Field(default=8, description="Values with fewer films are never preferred.")
    choice: Literal["frequent", "random"] = Field(
        default="frequent", description="Which of the common values are preferred: the most frequent ones, or any."
    )
    preferences: Count = Field(
        default=3, description="A viewer has one to so many preferred values per facet, equally likely."
    )
    stickiness: Probability = Field(
        default=0.9, description="Chance that the facet stays in force; else another one, equally likely."
    )
    value_stickiness: Probability = Field(
        default=0.8, description="Chance that the value stays while the facet does; else another preferred one."
    )
    noise: Probability = Field(default=0.1, description="Chance that a film is drawn among all unseen ones.")
    popularity: Number = Field(
        default=0.8, ge=0, le=3, description="Zipf exponent over a random order of the films; 0: all alike."
    )
    seed: Whole = Field(default=0, description="Fixes all that is random in the audience.")

    @model_validator(mode="after")
    def _can_be_simulated(self) -> Self:
        if self.shortest > self.longest:
            raise ValueError(f"shortest is {self.shortest} and longest {self.longest}; swap them")
        if not self.facets or len(set(self.facets)) < len(self.facets) or len(self.facets) > 100:
            raise ValueError(f"facets are {self.facets}; expected attributes, each once")
        return self


@settings("data")
class DataConfig:
    """The log: `fame.make.data.read`'s arguments, and the k-core; or, with form 'planted', a simulated audience.

    Raises:
        FameError: a path is missing, or what belongs to one form is given with the other.
    """

    form: str = Field(
        default="auto",
        description="Form of the log: auto finds it; else sequences, movielens, amazon, recbole, csv, json or parquet; "
        "or planted, an audience simulated over the items.",
    )
    path: Location | None = Field(
        default=None, description="The log: a file, packed or not, or a folder or a pattern of parts."
    )
    items: Location | None = Field(
        default=None,
        description="Table of the items: an id, a title, a year, and whatever else as attributes.",
    )
    attributes: Location | None = Field(default=None, description="JSON from item to a list of attributes.")
    user: str | None = Field(default=None, description="Column of the user, by name or by number from 1.")
    item: str | None = Field(default=None, description="Column of the item, by name or by number from 1.")
    order: str | None = Field(
        default=None, description="Column of the time; 'date+time' joins two, 'file' takes the order of the file."
    )
    rating: str | None = Field(default=None, description="Column of the rating, for where.")
    event: str | None = Field(default=None, description="Column of the kind of event, for where.")
    separator: str | None = Field(default=None, description="What parts the fields of a text; tab and space are words.")
    encoding: str | None = Field(default=None, description="Of a text, like cp1252; else found.")
    header: Flag | None = Field(default=None, description="The first line names the columns, or not; else found.")
    time_form: str | None = Field(
        default=None, description="Of the time: the unit s, ms, us or ns, or a pattern like %d.%m.%Y %H:%M."
    )
    day_first: Flag | None = Field(default=None, description="In dates like 03/04/2020 the day comes first, or not.")
    where: tuple[str, ...] = Field(
        default=(), description="Conditions on rows, like \"rating >= 4\" or \"event in ('view','buy')\"."
    )
    missing: tuple[str, ...] = Field(default=(), description="Words that mean no value, like NA.")
    repeats: Flag = Field(default=True, description="A user's second time with an item is kept.")
    no_user: Flag | None = Field(default=None, description="Lines of sequences hold items alone, or not.")
    only_items: Flag = Field(default=False, description="Leave out rows with items that the item file lacks.")
    strict: Flag = Field(default=False, description="Refuse a log of which a row would be dropped.")
    ask: Flag = Field(
        default=False, description="Take no column by its content alone; on a terminal the commands ask instead."
    )
    k_core: Whole = Field(default=5, description="Each user and item is there at least so often; 0 keeps all.")
    noun: str = Field(
        default="",
        description="What sentences call an item, like film or book; else film for movielens and planted, else item.",
    )
    histories: Literal["private", "kept"] = Field(
        default="private",
        description="Whether test histories, without users' ids, go into the bundle; kept: the log may be passed on. "
        "Private tells of the last and the next item only what five or more items are told to have; "
        "by gate and routers the last one can still be guessed at, unless population is false.",
    )
    planted: PlantedConfig | None = Field(default=None, description="How simulated viewers choose.")

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        simulated = self.form == "planted"
        if simulated and (self.path or not self.items):
            raise ValueError("the form 'planted' needs items, a catalogue to simulate over, and no path")
        if not simulated and not self.path:
            raise ValueError("path is missing")
        if not simulated and self.planted:
            raise ValueError(f"planted is for the form 'planted', and the form is {self.form!r}")
        return self

    @property
    def reading(self) -> ReadOptions:
        """What `fame.make.data.read` is told beside form and path."""
        return ReadOptions(**{f.name: getattr(self, f.name) for f in fields(ReadOptions)})

    @property
    def called(self) -> str:
        """What sentences call an item."""
        return self.noun or ("film" if self.form in ("movielens", "planted") else "item")


@settings("training")
class TrainConfig:
    """How to learn.

    Raises:
        FameError: a number is out of range.
    """

    epochs: Count = Field(default=100, description="At most so many passes over the log.")
    patience: Count = Field(
        default=10, description="Epochs without a better validation NDCG@10 before training stops early."
    )
    batch_size: Count = Field(default=128, description="Windows of at most max_len items a step, over all devices.")
    learning_rate: Number = Field(default=1e-3, gt=0, lt=10, description="Of AdamW.")
    schedule: Literal["constant", "cosine"] = Field(
        default="constant", description="The learning rate over the epochs; cosine: down to 0 at the last."
    )
    warmup_steps: Whole = Field(default=0, description="Steps over which the learning rate rises from 0.")
    weight_decay: Number = Field(default=0.0, ge=0, description="Of AdamW.")
    negatives: Whole = Field(
        default=0,
        description="For huge catalogues: so many sampled items a step, with logQ correction; 0: full softmax.",
    )
    label_smoothing: Share = Field(default=0.0, description="Part of the target that is spread over all items.")
    start: Literal["random", "log"] = Field(
        default="random",
        description="log: items, and experts' anchors, start from what is taken together in the log.",
    )
    mask_seen: Flag = Field(default=False, description="Leave items that the window already holds out of the softmax.")
    compete: Number = Field(default=0.0, ge=0, description="Weight of each expert's own likelihood.")
    compete_positions: Count = Field(default=256, description="See compete: on so many targets a step.")
    seed: Whole = Field(default=0, description="Fixes first weights, order of batches, dropout and all other chance.")

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.label_smoothing and self.negatives:
            raise ValueError("label_smoothing spreads over all items; it does not go with sampled negatives")
        if self.mask_seen and (self.negatives or self.label_smoothing):
            raise ValueError("mask_seen is for the full softmax; it goes with neither negatives nor label_smoothing")
        return self


@settings("guidance")
class GuidanceConfig:
    """Which head is to be which attribute, and the weight of each term, relative to the cross-entropy per target.

    Raises:
        FameError: a weight is out of range, or heads are named and no term uses them, or the other way round.
    """

    heads: tuple[str, ...] = Field(
        default=(), description="An attribute of the catalogue for each of the first heads; '' leaves a head free."
    )
    sup: Number = Field(
        default=0.0, ge=0, lt=100, description="Weight of a linear read-out of the head's attribute from x_v^(h)."
    )
    excl: Number = Field(
        default=0.0,
        ge=0,
        lt=100,
        description="Weight of the linear CKA between that head's space and the other guided heads' attributes.",
    )
    tie: Number = Field(
        default=0.0,
        ge=0,
        lt=100,
        description="Weight of -log Σ_h g_h Σ_n β_hn p(target | expert n of head h), an expert being a mixture of "
        "values.",
    )
    balance: Number = Field(
        default=0.0,
        ge=0,
        lt=100,
        description="Weight of the KL divergence of the guided heads' mean gate from an even one.",
    )
    mi: Number = Field(
        default=0.0,
        ge=0,
        lt=100,
        description="Weight of: gate and routers have low entropy at each step, and high entropy of their mean.",
    )
    noise: Number = Field(
        default=0.05, gt=0, lt=1, description="The part of choices that tie leaves to no value at all."
    )
    pretrain: Whole = Field(
        default=0,
        description="Steps before training in which items that share a value of a head's attribute move together in "
        "its space, and others apart.",
    )
    least_items: Count = Field(default=15, description="Values of an attribute with fewer items are not read out.")

    @model_validator(mode="after")
    def _terms_fit_the_heads(self) -> Self:
        by_head = any(getattr(self, name) for name in BY_HEAD)
        if by_head and not any(self.heads):
            raise ValueError(f"{', '.join(BY_HEAD)} need heads, an attribute per head, like ['genres']")
        if any(self.heads) and not by_head:
            raise ValueError(f"heads are named, but {', '.join(BY_HEAD)} are 0; give one, or leave heads out")
        return self

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in (*WEIGHTS, "pretrain"))

    @property
    def taught(self) -> tuple[str, ...]:
        """`heads`, where a term tells a head its own attribute; `excl` and `balance` do not."""
        return self.heads if any((self.sup, self.tie, self.pretrain)) else ()


@settings("card")
class CardText:
    """What only the author of a recipe can say; Markdown, each a line or a few."""

    title: str = Field(default="", description="Heading of the model card.")
    summary: str = Field(default="", description="What the model is.")
    data: str = Field(default="", description="Where the log comes from.")
    terms: str = Field(default="", description="Terms of the log.")
    use: str = Field(default="", description="What the model is for.")
    limits: str = Field(default="", description="What it is not good for.")
    license: str = Field(default="", description="Of the weights, as the Hugging Face Hub spells it.")
    datasets: tuple[str, ...] = Field(
        default=(), description="Data sets of the Hugging Face Hub that the log comes from, like owner/name."
    )


@settings("comparison")
class Comparison:
    """The baseline that the card compares the model with, and under which seeds.

    Raises:
        FameError: a seed is there twice.
    """

    model: FAMEConfig = Field(description="Sizes of the baseline; what is not given is the model's.")
    training: TrainConfig = Field(description="Its training; what is not given is the model's.")
    seeds: tuple[Whole, ...] = Field(default=(0, 1, 2), min_length=1, description="Each model is trained under each.")
    probe: Flag = Field(default=False, description="A bundle's evidence has the baseline's slices beside the heads.")

    @model_validator(mode="after")
    def _each_seed_once(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds are {list(self.seeds)}; expected each seed once")
        return self
