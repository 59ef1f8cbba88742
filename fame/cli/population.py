"""`fame population`: what a model does with many histories of a log, and for which of them it fails."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fame.cli.choose import answered
from fame.cli.options import READING, core_of, data_config, with_options
from fame.cli.terminal import COLUMNS_HELP, FORM_HELP, AsJson, BundleName, counting, grid, printable, stdout
from fame.errors import FameError

if TYPE_CHECKING:
    import pandas as pd

    from fame.population import Population

SHOWN = 12  # slices printed from either end; the file has them all


def population(
    bundle: BundleName,
    data: Annotated[str, typer.Option(metavar="[FORM:]PATH", help=FORM_HELP, show_default=False)],
    columns: Annotated[str | None, typer.Option(metavar="USER,ITEM,ORDER", help=COLUMNS_HELP)] = None,
    beside: Annotated[
        str | None, typer.Option(metavar="BUNDLE", help="Another model of the same items, such as a SASRec.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="All slices as CSV.")] = None,
    save: Annotated[Path | None, typer.Option(metavar="DIR", help="Save the bundle there, with this in it.")] = None,
    as_json: AsJson = False,
    **typed: Any,
) -> None:
    """Measure a bundle on up to 5,000 histories of a log: use of heads, and accuracy slice by slice.

    Items that the bundle does not know are left out. The k-core is that of the bundle's own log, unless another is
    given. With --save the log counts as private: what is told of an item in it is told of five or more, and a
    slice by an attribute holds only those of its histories of whose item the value may be told.
    """
    import numpy as np

    from fame.bundle import load
    from fame.make.data import read
    from fame.make.evaluate import popularity_ranks, ranks
    from fame.make.population import measure_population, some_of
    from fame.make.prepare import for_catalogue
    from fame.make.private import SHORTEST
    from fame.population import say_private, slice_table

    loaded, other = load(bundle), load(beside) if beside else None
    if other is not None and other.catalogue.item_id.tolist() != loaded.catalogue.item_id.tolist():
        raise FameError(f"{other.name} knows other items than {loaded.name}; expected a model of the same items")
    d = data_config(data, columns, typed)
    log = answered(d, lambda asked: read(asked.form, asked.path or "", asked.reading))
    split, report = for_catalogue(log, loaded.catalogue, core_of(loaded, d, typed))
    if not len(split.test):
        raise FameError(f"{data}: no user has 3 items of {loaded.name}'s catalogue; expected a log of its items")
    task = some_of(split.test, shortest=SHORTEST if save else 1)
    if not len(task):
        raise FameError(f"{data}: no history has {SHORTEST} items of {loaded.name}'s catalogue; expected longer ones")
    counts = np.bincount(split.train.items, minlength=len(loaded.catalogue))
    baselines = {other.name: partial(ranks, other.model)} if other else {}
    with counting(f"reading {len(task):,} histories", len(task)) as progress:
        found = measure_population(
            loaded.model, loaded.catalogue, task, counts,
            baselines | {"the most popular": partial(popularity_ranks, counts)}, progress=progress,
            keep_histories=save is None,
        )  # fmt: skip
    slices = slice_table(found, noun=loaded.catalogue.noun)
    if csv:
        slices.to_csv(csv, index=False)
    if save:
        replace(loaded, population=found).save(save)
    if as_json:
        typer.echo(json.dumps(json.loads(slices.to_json(orient="records")), indent=1, ensure_ascii=False))
        return
    for line in report.lines():
        stdout().print(printable(line), soft_wrap=True)
    show(found, slices, loaded.catalogue.noun)
    if found.alike:
        stdout().print(printable(say_private(found, loaded.catalogue)), soft_wrap=True)


population = with_options(population, READING)


def show(found: Population, slices: pd.DataFrame, noun: str) -> None:
    """The sentence, accuracy overall, and the slices furthest from the rest."""
    from fame.population import overall, say_leaders, say_unused

    out = stdout()
    out.print(printable(f"{len(found):,} histories. {say_leaders(found, noun)} {say_unused(found)}".strip()))
    table = grid("", "HR@10", "NDCG@10", "±", right=(1, 2, 3))
    for row in overall(found).to_dict("records"):
        table.add_row(printable(row["model"]), *(or_dash(row[c], 4) for c in ("HR@10", "NDCG@10", "NDCG@10 ±")))
    out.print(table)
    table = grid("kind", "slice", "histories", "NDCG@10", "beyond the rest", "±", "q", right=range(2, 7))
    solid = slices[~slices["thin"]]
    for row in solid[solid["q"] < 0.05].head(SHOWN).to_dict("records"):
        numbers = (
            or_dash(row["NDCG@10"], 3),
            or_dash(row["gap"], 3, plus=True),
            or_dash(row["gap ±"], 3),
            f"{row['q']:.2g}",
        )
        table.add_row(printable(row["kind"]), printable(row["slice"]), f"{row['histories']:,}", *numbers)
    out.print(table)


def or_dash(value: float, digits: int, plus: bool = False) -> str:
    """A number; a dash where there is none."""
    from fame.text import number

    return "–" if math.isnan(value) else number(value, digits, plus)
