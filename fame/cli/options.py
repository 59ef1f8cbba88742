"""Options that stand for settings of a recipe: their types, defaults and sentences are the recipe's own."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_origin

import typer

from fame.cli.terminal import data_table
from fame.make.configs import DataConfig
from fame.make.recipe import every_setting, merged, nested
from fame.settings import validated

if TYPE_CHECKING:
    from fame.bundle import Bundle

__all__ = ["READING", "Short", "changed", "core_of", "data_config", "with_options"]

PANELS = {"data": "Data", "model": "Model", "training": "Training"}


class Short(NamedTuple):
    """An option that stands for a setting."""

    flag: str
    setting: str
    metavar: str

    @property
    def name(self) -> str:
        """Its name as an argument in Python."""
        return self.flag.partition("/")[0].lstrip("-").replace("-", "_")


READING = [
    Short("--items", "data.items", "FILE"),
    Short("--attributes", "data.attributes", "JSON"),
    Short("--only-items/--all-items", "data.only_items", ""),
    Short("--k-core", "data.k_core", "K"),
    Short("--user", "data.user", "COLUMN"),
    Short("--item", "data.item", "COLUMN"),
    Short("--order", "data.order", "COLUMN"),
    Short("--rating", "data.rating", "COLUMN"),
    Short("--event", "data.event", "COLUMN"),
    Short("--where", "data.where", "CONDITION"),
    Short("--repeats/--no-repeats", "data.repeats", ""),
    Short("--strict/--not-strict", "data.strict", ""),
    Short("--missing", "data.missing", "WORD"),
    Short("--no-user/--with-user", "data.no_user", ""),
    Short("--separator", "data.separator", "TEXT"),
    Short("--encoding", "data.encoding", "NAME"),
    Short("--header/--no-header", "data.header", ""),
    Short("--time-form", "data.time_form", "FORM"),
    Short("--day-first/--month-first", "data.day_first", ""),
]


def with_options(command: Any, shorts: Sequence[Short]) -> Any:
    """The command with an option for each of `shorts`, which it gets as keyword arguments; None where not typed."""
    known, signature = every_setting(), inspect.signature(command, eval_str=True)
    parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    for short in shorts:
        setting = known[short.setting]
        kind: Any = setting.kind if setting.kind in (int, float, bool, Path) else str
        if get_origin(setting.kind) is tuple:
            kind = list[str]  # given several times
        option: Any = typer.Option(
            short.flag,
            metavar=short.metavar or None,
            help=f"{setting.description} {default_of(setting.default)}".strip(),
            rich_help_panel=PANELS.get(short.setting.partition(".")[0]),
            show_default=False,
        )
        annotation = Annotated[kind | None, option]
        parameters.append(
            inspect.Parameter(short.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        )
    command.__signature__ = signature.replace(parameters=parameters)
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def default_of(value: Any) -> str:
    """What a setting is without being told, for its help; '' where that says nothing."""
    if isinstance(value, bool):
        return f"Else {'yes' if value else 'no'}."
    return f"Else {value}." if isinstance(value, int | float | str) and value != "" else ""


def changed(changes: dict[str, Any], shorts: Sequence[Short], typed: dict[str, Any]) -> dict[str, Any]:
    """`changes`, as tables of a recipe, with what was typed of `shorts`."""
    for option in shorts:
        value = typed[option.name]
        if value is not None and value != []:
            value = value.expanduser().absolute() if isinstance(value, Path) else value
            changes = merged(changes, nested(option.setting, value))
    return changes


def data_config(spec: str, columns: str | None, typed: dict[str, Any]) -> DataConfig:
    """The table [data] of a command that reads a log."""
    return validated(DataConfig, merged(data_table(spec, columns), changed({}, READING, typed).get("data", {})))


def core_of(bundle: Bundle, data: DataConfig, typed: dict[str, Any]) -> int:
    """The k of the k-core of a log that a bundle is tested on: what was typed, else that of the bundle's own log."""
    return data.k_core if typed["k_core"] is not None or bundle.k_core is None else bundle.k_core
