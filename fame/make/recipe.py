"""A recipe, a TOML file of settings, and what becomes of it: a trained bundle.

    name = "mine"                       # of the bundle; letters, digits, '.', '-' and '_'
    examples = "mine.examples.json"     # optional: [{"title": …, "look_for": …, "items": [titles or ids]}, …]
    metrics = "mine.metrics.csv"        # optional: what `fame compare` wrote, for the model card
    maps = true                         # build the atlas
    evidence = true                     # probe heads and experts: minutes for 1,000 items

    [data]                              # form, path, items, attributes, user, item, order as in `fame.make.data.read`;
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
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.card import CardText
from fame.make.data.files import check_file
from fame.make.guidance import GuidanceConfig
from fame.make.simulate import PlantedConfig
from fame.make.train import TrainConfig

__all__ = ["Comparison", "DataConfig", "Recipe", "load_recipe", "merged"]

TABLES = ("data", "model", "training", "guidance", "card", "comparison")
MAX_RECIPE_BYTES = 1 << 20

Tables = dict[str, Any]


@dataclass(frozen=True)
class DataConfig:
    """The log: `fame.make.data.read`'s arguments, and the k-core; or, with form 'planted', a simulated audience.

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


# --- the comparison -----------------------------------------------------------------------------------
