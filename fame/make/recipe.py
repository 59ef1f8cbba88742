"""A recipe, a TOML file of settings, and what becomes of it: a trained bundle.

    name = "mine"                       # of the bundle; letters, digits, '.', '-' and '_'
    examples = "mine.examples.json"     # optional: [{"title": …, "look_for": …, "items": [titles or ids]}, …]
    metrics = "mine.metrics.csv"        # optional: what `fame compare` wrote, for the model card
    maps = true                         # build the atlas
    evidence = true                     # probe heads and experts: minutes for 1,000 items
    population = true                   # what the model, and its baseline, do with up to 5,000 test histories
    watch = 0                           # simulated histories whose gate and routers are kept epoch by epoch

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
    [comparison]                        # the baseline of the population and of `fame compare`: seeds = [0, 1, 2], and
    [comparison.model]                  # the settings that it has of its own; otherwise it is a SASRec of the same
    [comparison.training]               # sizes; probe = true: its slices stand beside the heads in the evidence too

Paths are relative to the folder that holds the recipe.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Self, get_args, get_origin

from pydantic import Field, field_validator, model_validator

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.configs import CardText, Comparison, DataConfig, GuidanceConfig, TrainConfig
from fame.settings import Flag, Location, Setting, Whole, listing, plain, settings, validated

__all__ = [
    "Comparison",
    "DataConfig",
    "Recipe",
    "every_setting",
    "load_recipe",
    "merged",
    "nested",
    "overrides",
    "to_toml",
]

TABLES = ("data", "model", "training", "guidance", "card", "comparison")
MAX_RECIPE_BYTES = 1 << 20
MOST_WATCHED = 50  # histories

Tables = dict[str, Any]


@settings("recipe")
class Recipe:
    """All that a bundle is made from.

    model: its `n_items` is a placeholder until the data have been read.

    Raises:
        FameError: the name is no name for a bundle, or a baseline that is to be probed is of other widths.
    """

    name: str = Field(description="Of the bundle; letters, digits, '.', '-' and '_'.")
    data: DataConfig = Field(description="The log.")
    model: FAMEConfig = Field(default_factory=lambda: FAMEConfig(n_items=1))
    training: TrainConfig = Field(default_factory=TrainConfig)
    guidance: GuidanceConfig = Field(default_factory=GuidanceConfig)
    card: CardText = Field(default_factory=CardText)
    comparison: Comparison | None = None
    examples: Location | None = Field(
        default=None,
        description='JSON, [{"title": …, "look_for": …, "items": [titles or ids], "promise": [claims]}, …].',
    )
    metrics: Location | None = Field(default=None, description="What `fame compare` wrote, for the model card.")
    maps: Flag = Field(default=True, description="Build the atlas.")
    evidence: Flag = Field(default=True, description="Probe heads and experts: minutes for 1,000 items.")
    population: Flag = Field(
        default=True, description="Keep what model and baseline do with up to 5,000 test histories."
    )
    watch: Whole = Field(
        default=0, le=MOST_WATCHED, description="Simulated histories whose gate and routers are kept after each epoch."
    )

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"\w[\w.-]{0,99}", name):
            raise ValueError(f"name is {name[:100]!r}; expected letters, digits, '.', '-' and '_'")
        return name

    @model_validator(mode="after")
    def _watches_simulated_users(self) -> Self:
        if self.watch and (self.data.form != "planted" or self.model.variant != "fame"):
            raise ValueError("watch is for a fame that learns from simulated users; give [data] form = 'planted'")
        return self

    @model_validator(mode="after")
    def _slices_can_stand_beside_heads(self) -> Self:
        if self.comparison and self.comparison.probe and self.model.variant == "fame":
            other = self.comparison.model
            alike = (other.d_model, other.n_heads) == (self.model.d_model, self.model.n_heads)
            if other.variant != "sasrec" or not alike:
                raise ValueError(
                    f"[comparison] probe is for a sasrec of the model's d_model, {self.model.d_model}, and n_heads, "
                    f"{self.model.n_heads}; it is a {other.variant} of {other.d_model} and {other.n_heads}"
                )
        return self

    @classmethod
    def from_tables(cls, tables: Tables, folder: Path = Path()) -> Self:
        """The recipe in parsed TOML; paths are relative to `folder`.

        A comparison's model and training have what the recipe's own have, but for what they say themselves. Where no
        backbone_heads are given, an odd width gets 1, which every width divides by.

        Raises:
            FameError: a setting is unknown, missing, of another type or out of range.
        """
        tables = {key: _table(value, key) if key in TABLES else value for key, value in tables.items()}
        model, training, contrast = (tables.get(key, {}) for key in ("model", "training", "comparison"))
        if "n_items" in model:
            raise FameError("[model] n_items: leave it out, the data tell how many items there are")
        tables["model"] = _fitting({"n_items": 1} | model)
        if model.get("variant") == "sasrec":  # has no heads to guide
            tables.pop("guidance", None)
        if "comparison" in tables:
            own = {key: _table(contrast.get(key, {}), f"comparison.{key}") for key in ("model", "training")}
            tables["comparison"] = contrast | {
                "model": _fitting({"n_items": 1} | model | {"variant": "sasrec"} | own["model"]),
                "training": training | own["training"],
            }
        return validated(cls, tables, folder)


def _table(value: Any, name: str) -> Tables:
    if not isinstance(value, dict):
        raise FameError(f"{name} is {str(value)[:50]!r}; expected a table, [{name}]")
    return value


def _fitting(model: Tables) -> Tables:
    odd = isinstance(width := model.get("d_model"), int) and width % 2
    return {"backbone_heads": 1} | model if odd else model


# --- reading and writing ------------------------------------------------------------------------------


def load_recipe(path: str | Path, changes: Tables | None = None) -> Recipe:
    """The recipe in a TOML file.

    changes: settings that go before the file's, in tables as in the file; paths in them are as they are. The file's
        metrics, which are of other settings then, are left out, and under another variant the card's title and summary.

    Raises:
        FameError: the file is missing or no TOML, or a setting is unknown, missing, of another type or out of range.
    """
    from fame.make.data.files import check_file  # here, since `fame train --help` needs no readers of logs

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


def to_toml(recipe: Recipe) -> str:
    """The recipe as a TOML file that `load_recipe` reads as the same one: every setting, paths absolute."""
    return "\n".join(_lines(recipe, "")) + "\n"


def _lines(table: Any, name: str) -> list[str]:
    values = {f.name: getattr(table, f.name) for f in fields(table) if f.name != "n_items"}
    lines = [f"\n[{name}]"] if name else []
    lines += [f"{key} = {_literal(v)}" for key, v in values.items() if v is not None and not is_dataclass(v)]
    for key, value in values.items():
        if is_dataclass(value):
            lines += _lines(value, f"{name}.{key}".lstrip("."))
    return lines


def _literal(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, str | Path):
        text = str(value.absolute()) if isinstance(value, Path) else value
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


# --- the command line ---------------------------------------------------------------------------------


def every_setting() -> dict[str, Setting]:
    """What a recipe can say, by dotted name; the number of items is the data's."""
    return {setting.name: setting for setting in listing(Recipe) if not setting.name.endswith(".n_items")}


def overrides(texts: Iterable[str]) -> Tables:
    """Tables as of a recipe from texts like `model.n_heads=2`, each read as its setting's type.

    Paths are relative to the working folder; several texts or numbers stand with commas between them.

    Raises:
        FameError: a setting is unknown.
    """
    known, tables = every_setting(), dict[str, Any]()
    for text in texts:
        name, _, value = text.partition("=")
        if name not in known:
            alike = [] if "." in name else [full for full in known if full.endswith(f".{name}")]
            near = alike or difflib.get_close_matches(name, known, 1, 0.5)
            offer = f"did you mean {near[0]!r}?" if near else "`fame train --help` lists them"
            raise FameError(f"there is no setting {name!r}; {offer}")
        tables = merged(tables, nested(name, typed(known[name].kind, value)))
    return tables


def nested(name: str, value: Any) -> Tables:
    """A setting by its dotted name, as tables of a recipe."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def typed(kind: Any, text: str) -> Any:
    """The text as a value of the type, or itself, where the type refuses it with the better message."""
    if kind is Path:
        return Path(text).expanduser().absolute() if text else text
    if get_origin(kind) is tuple and not text.startswith("["):
        parts = [part.strip() for part in text.split(",")] if text else []
        return [typed(plain(get_args(kind)[0]), part) for part in parts]
    if kind in (int, float, bool) or get_origin(kind) is tuple:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            return text
    return text
