"""`fame examples`: what the examples of a bundle promise, measured; and others in their place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from fame.cli.terminal import AsJson, BundleName, grid, printable, stdout


def examples(
    bundle: BundleName,
    candidates: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="JSON as in recipes/: of each title the first that keeps its word."
        ),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Save the bundle there, with these examples.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what each example promises. The exit status is 1 where a promise is broken."""
    from fame.bundle import load
    from fame.make.examples import choose_examples, read_examples

    loaded, left_out = load(bundle), tuple[str, ...]()
    if candidates is not None:
        found, left_out = choose_examples(read_examples(candidates, loaded.catalogue), loaded.model, loaded.catalogue)
        loaded = replace(loaded, examples=found)
    told = [(e, e.measured(loaded.model, loaded.catalogue)) for e in loaded.examples]
    broken = any(not m.holds for _, measured in told for m in measured)
    if as_json:
        values = [
            example.to_dict() | {"measured": [{"value": m.value, "holds": m.holds} for m in measured]}
            for example, measured in told
        ]
        typer.echo(json.dumps(values, indent=1, ensure_ascii=False))
    else:
        table = grid("example", "screen", "holds", "measured")
        for example, measured in told:
            said = "\n".join(map(str, measured)) or "promises nothing"
            holds = "yes" if all(m.holds for m in measured) else "no"
            table.add_row(printable(example.title), printable(example.screen or "any"), holds, printable(said))
        stdout().print(table)
        for line in left_out:
            typer.echo(printable(line), err=True)
    if save is not None:
        loaded.save(save)
    if broken:
        raise typer.Exit(1)
