"""`fame train` and `fame compare`: from a recipe, or a log, to a bundle.

Every setting of a recipe can be given as `table.setting=value`; those that are typed often have an option too. Both
are read from the recipe's own tables (fame/make/configs.py): their types, defaults and sentences are written there.
"""

from __future__ import annotations

import os
import re
import shlex
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fame.cli.choose import answered
from fame.cli.options import READING, Short, changed, with_options
from fame.cli.terminal import COLUMNS_HELP, FORM_HELP, data_table
from fame.errors import FameError
from fame.make.recipe import Recipe, load_recipe, merged, overrides

if TYPE_CHECKING:
    from fame.bundle import Bundle
    from fame.make.configs import DataConfig

Runs = Annotated[Path, typer.Option(metavar="DIR", help="Where checkpoints are kept.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget the checkpoints of earlier runs.")]


SHORT = [
    Short("--name", "name", "NAME"),
    *READING,
    Short("--noun", "data.noun", "WORD"),
    Short("--variant", "model.variant", "NAME"),
    Short("--heads", "model.n_heads", "H"),
    Short("--experts", "model.n_experts", "N"),
    Short("--width", "model.d_model", "D"),
    Short("--layers", "model.n_layers", "L"),
    Short("--max-len", "model.max_len", "T"),
    Short("--dropout", "model.dropout", "P"),
    Short("--epochs", "training.epochs", "E"),
    Short("--patience", "training.patience", "E"),
    Short("--batch-size", "training.batch_size", "B"),
    Short("--learning-rate", "training.learning_rate", "RATE"),
    Short("--negatives", "training.negatives", "K"),
    Short("--seed", "training.seed", "S"),
    Short("--maps/--no-maps", "maps", ""),
    Short("--evidence/--no-evidence", "evidence", ""),
]


def train(
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECIPE.toml] [TABLE.SETTING=VALUE]...",
            help="A recipe, and settings that go before it, like model.n_heads=2 guidance.sup=0.1.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the bundle goes; with a recipe, RUNS/NAME/bundle.")
    ] = None,
    data: Annotated[str | None, typer.Option(metavar="[FORM:]PATH", help=FORM_HELP, rich_help_panel="Data")] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="USER,ITEM,ORDER", help=COLUMNS_HELP, rich_help_panel="Data")
    ] = None,
    runs: Runs = Path("runs"),
    fresh: Fresh = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Train no more; save the bundle from the best epoch of a stopped run.")
    ] = False,
    log: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Write the curves, by step and epoch, to csv, tensorboard or wandb."),
    ] = None,
    **short: Any,
) -> None:
    """Train a bundle from a recipe, or from a log.

    What is given here goes before what the recipe says. A run that was stopped goes on where it was when the same
    command is given again. Every setting can be given as TABLE.SETTING=VALUE; docs/settings.md lists them.
    """
    from fame.cli.progress import watched
    from fame.make.pipeline import train_recipe
    from fame.make.runs import run_folder

    recipe, changes = told(settings or [], short)
    if table := data_table(data, columns):
        changes = merged(changes, {"data": table})
    plan = planned(recipe, changes, out)
    if out and recipe is None and short["name"] is None:  # a/mine and b/mine are two runs
        runs /= f"{zlib.crc32(os.fsencode(out.resolve())):08x}"
    target = out or runs / plan.name / "bundle"

    def act(data: DataConfig) -> Bundle | None:
        with watched(run_folder(plan, runs)) as callbacks:
            told = replace(plan, data=data)
            return train_recipe(told, target, runs=runs, fresh=fresh, finish=finish, log=log, callbacks=callbacks)

    bundle = answered(plan.data, act)
    if bundle is not None:
        # A name alone might be one that ships.
        where = shlex.quote(str(target) if len(target.parts) > 1 else f"./{target}")
        typer.echo(
            f"{section(bundle.card, 'Metrics')}\n\nThe bundle is in {target}; look into it with: fame info {where}"
        )


train = with_options(train, SHORT)


def compare(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Where the table goes. By default what the recipe calls metrics.")
    ] = None,
    runs: Runs = Path("runs"),
    fresh: Fresh = False,
) -> None:
    """Train a recipe's model and its baseline under several seeds, for its model card."""
    from fame.bundle import check_writable
    from fame.cli.progress import watched
    from fame.make.card import markdown
    from fame.make.runs import compare

    plan = load_recipe(recipe)
    target = out or plan.metrics
    if target and check_writable(target).is_dir():
        raise FameError(f"{target}: a directory; expected the name of a CSV file, like {target / 'metrics.csv'}")
    with watched(runs / plan.name) as callbacks:
        table = compare(plan, runs=runs, fresh=fresh, callbacks=callbacks)
    if table is not None:
        if target:
            target.parent.mkdir(parents=True, exist_ok=True)
            table.round(6).to_csv(target, index=False, lineterminator="\n")
        typer.echo(markdown(table))


def told(texts: list[str], short: dict[str, Any]) -> tuple[Path | None, dict[str, Any]]:
    """The recipe's file, if there is one, and the changes to it, as tables."""
    recipes = [text for text in texts if not re.match(r"[\w.]+=", text)]
    if len(recipes) > 1:
        raise FameError(f"two recipes, {recipes[0]!r} and {recipes[1]!r}; settings look like model.n_heads=2")
    changes = overrides(text for text in texts if text not in recipes)
    return Path(recipes[0]) if recipes else None, changed(changes, SHORT, short)


def planned(recipe: Path | None, changes: dict[str, Any], out: Path | None) -> Recipe:
    """The recipe of the command line: a file's with changes, or changes alone."""
    if recipe is not None:
        return load_recipe(recipe, changes)
    if "path" not in changes.get("data", {}) or out is None:
        raise FameError("nothing to train: give a RECIPE.toml, or --data PATH and --out DIR")
    changes.setdefault("name", re.sub(r"[^\w.-]+", "-", out.resolve().name).lstrip("-.") or "bundle")
    return Recipe.from_tables(changes)


def section(card: str, title: str) -> str:
    """One section of a model card, without its heading."""
    return card.partition(f"\n## {title}\n")[2].partition("\n## ")[0].strip()
