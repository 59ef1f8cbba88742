"""`fame inspect`: what would be read of a log, before anything is learned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fame.cli.choose import answered
from fame.cli.options import READING, data_config, with_options
from fame.cli.terminal import COLUMNS_HELP, FORM_HELP, AsJson, grid, printable, stdout
from fame.errors import FameError

if TYPE_CHECKING:
    from fame.catalogue import Catalogue
    from fame.make.configs import DataConfig
    from fame.make.data import Log, ReadReport


def inspect(
    data: Annotated[str, typer.Argument(metavar="[FORM:]PATH", help=FORM_HELP, show_default=False)],
    columns: Annotated[str | None, typer.Option(metavar="USER,ITEM,ORDER", help=COLUMNS_HELP)] = None,
    as_json: AsJson = False,
    **typed: Any,
) -> None:
    """What would be read of a log: form, columns, first rows, what is dropped and why. Writes nothing."""
    from fame.make.data import read

    d = data_config(data, columns, typed)
    table: dict[str, Any] = {}

    def seen(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        table.update(columns=names, rows=rows)

    def opened(asked: DataConfig) -> Log:
        return read(asked.form, asked.path or "", asked.reading, see=seen)

    try:
        log = opened(d) if as_json else answered(d, opened)
    except FameError as error:
        if as_json and table:  # so that who asks can name the columns
            typer.echo(json.dumps({"error": str(error), "table": table}, indent=1, ensure_ascii=False))
        raise
    report, trouble = judged(log, d)
    if as_json:
        told = {"trouble": trouble, "table": table, "attributes": valued(log.catalogue)}
        typer.echo(json.dumps(report.to_dict() | told, indent=1, ensure_ascii=False))
        return
    out = stdout()
    for line in report.lines():
        out.print(printable(line), soft_wrap=True)
    if trouble:
        out.print(printable(f"cannot be learned from: {trouble}"), soft_wrap=True)
    rows = grid("user", "item", "order")
    for row in report.first:
        rows.add_row(*map(printable, row))
    out.print()
    out.print(rows)
    titles = grid("item", "title", "year", *log.catalogue.attributes[:4])
    for item in list(log.interactions.items[: len(report.first)]):
        at = log.catalogue.row(item)
        facts = (", ".join(log.catalogue.facts[name][at]) for name in log.catalogue.attributes[:4])
        year = str(log.catalogue.year[at] or "")
        titles.add_row(*map(printable, (item, str(log.catalogue.title[at]), year, *facts)))
    out.print()
    out.print(titles)


inspect = with_options(inspect, READING)


def valued(catalogue: Catalogue) -> dict[str, int]:
    """The attributes of the items, each with how many values it has."""
    return {name: len({v for cell in catalogue.facts[name] for v in cell}) for name in catalogue.attributes}


def judged(log: Log, d: DataConfig) -> tuple[ReadReport, str]:
    """The report with what the k-core takes and the test holds, and why nothing could be learned, '' where it can."""
    from fame.make.data import Sequences, leave_one_out
    from fame.make.data.report import Tested

    try:
        cored = log.core(d.k_core) if d.k_core else log
    except FameError as error:
        return log.report, str(error)
    task = leave_one_out(Sequences.from_interactions(cored.interactions, cored.catalogue)).test
    if not len(task):
        return cored.report, "no user has 3 items, which leave-one-out needs; give a larger log"
    return replace(cored.report, tested=Tested(len(task), int(task.repeated.sum()))), ""
