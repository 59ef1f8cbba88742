"""`fame info`, `fame evaluate` and `fame download`: what a bundle holds, how good it is, and logs to try it on."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fame.cli.choose import answered
from fame.cli.options import READING, core_of, data_config, with_options
from fame.cli.terminal import (
    COLUMNS_HELP,
    FORM_HELP,
    AsJson,
    BundleName,
    counting,
    grid,
    printable,
    stdout,
)

if TYPE_CHECKING:
    from fame.bundle import Bundle


def info(
    bundle: BundleName,
    card: Annotated[bool, typer.Option("--card", help="Print the model card, Markdown.")] = False,
    as_json: AsJson = False,
) -> None:
    """What a bundle holds."""
    from fame.bundle import load

    loaded = load(bundle)
    if card:
        typer.echo(printable(loaded.card))
        return
    facts = about(loaded)
    if as_json:
        typer.echo(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    shown = grid("", loaded.name)
    for key, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{name} {part}" for name, part in value.items())
        elif isinstance(value, list):
            value = "; ".join(value)
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        elif isinstance(value, int):
            value = f"{value:,}"
        shown.add_row(printable(key), "none" if value in ("", None) else printable(str(value)))
    stdout().print(shown)


def about(bundle: Bundle) -> dict[str, Any]:
    """The facts of a bundle as plain values."""
    from fame.text import plural

    catalogue, curve = bundle.catalogue, bundle.training
    years = catalogue.year[catalogue.year > 0]
    facts: dict[str, Any] = {
        "name": bundle.name,
        "simulated": bundle.simulated,
        "weights": sum(p.numel() for p in bundle.model.parameters()),
        "sizes": bundle.config.to_dict(),
        "items": catalogue.n_items,
        "years": f"{years.min()} to {years.max()}" if len(years) else None,
        "attributes": {
            name: f"({plural(len({v for cell in catalogue.facts[name] for v in cell}), 'value')})"
            for name in catalogue.attributes
        },
        "maps": list(bundle.atlas.spaces) if bundle.atlas else [],
        "examples": [example.title for example in bundle.examples],
        "evidence": sorted(bundle.evidence_json),
    }
    if {"epoch", "NDCG@10"} <= set(curve.select_dtypes("number").dropna(axis=1).columns) and len(curve):
        best = curve.iloc[int(curve["NDCG@10"].argmax())]
        count = plural(len(curve), "epoch")
        facts["training"] = f"{count}; the best is {int(best['epoch'])}, validation NDCG@10 {best['NDCG@10']:.4f}"
    return facts


def evaluate(
    bundle: BundleName,
    data: Annotated[str, typer.Option(metavar="[FORM:]PATH", help=FORM_HELP, show_default=False)],
    columns: Annotated[str | None, typer.Option(metavar="USER,ITEM,ORDER", help=COLUMNS_HELP)] = None,
    as_json: AsJson = False,
    **typed: Any,
) -> None:
    """Test a bundle on the last item of each user of a log.

    It is ranked among all items that the user has not had. Items that the bundle does not know are left out. The
    k-core is that of the bundle's own log, unless another is given.
    """
    from fame.bundle import load
    from fame.make.card import with_interval
    from fame.make.data import read
    from fame.make.evaluate import KS, ranks, summarise
    from fame.make.prepare import for_catalogue, tested
    from fame.text import plural

    loaded = load(bundle)
    d = data_config(data, columns, typed)
    k_core = core_of(loaded, d, typed)
    log = answered(d, lambda asked: read(asked.form, asked.path or "", asked.reading))
    split, report = for_catalogue(log, loaded.catalogue, k_core)
    task = split.test
    with counting(f"ranking for {plural(len(task), 'user')}", len(task)) as progress:
        rank = ranks(loaded.model, task, progress=progress)
    metrics, report = summarise(rank), replace(report, tested=tested(rank, task))
    if as_json:
        known = {name: value if math.isfinite(value) else None for name, value in metrics.items()}  # JSON has no NaN
        facts = {"bundle": loaded.name, "users": len(task), "k_core": k_core, "metrics": known}
        typer.echo(json.dumps(facts | {"read": report.to_dict()}, indent=1))
        return
    shown = grid("", *(f"@{k}" for k in KS), right=range(1, 1 + len(KS)))
    for kind in ("HR", "NDCG"):
        shown.add_row(kind, *(with_interval(metrics[f"{kind}@{k}"], metrics[f"{kind}@{k} ±"]) for k in KS))
    shown.add_row("MRR", with_interval(metrics["MRR"], metrics["MRR ±"]))
    out = stdout()
    core = f" of the {k_core}-core" if k_core else ""
    for line in report.lines():
        out.print(printable(line), soft_wrap=True)
    out.print(
        f"{loaded.name} on the last items of {plural(len(task), 'user')}{core}; all items ranked, ± 95% over users"
    )
    out.print(shown)


evaluate = with_options(evaluate, READING)


def download(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="ml-1m, ml-20m, ml-25m or ml-latest-small.", show_default=False)
    ],
    to: Annotated[Path, typer.Option(metavar="DIR", help="Where the folder of that name goes.")] = Path(".data"),
    source: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="Where NAME.zip lies, if not at its publisher's.")
    ] = None,
) -> None:
    """Fetch MovieLens from its publisher.

    It is checked and unpacked; a download that broke off goes on. The data have terms of their own, in their README.
    """
    from fame.make.data.download import download

    with counting(f"fetching {name}", None, file=True) as progress:
        folder = download(name, to, base_url=source, progress=progress)
    typer.echo(f"{folder}: ready; train on it with --data {shlex.quote(str(folder))}")
