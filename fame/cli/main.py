"""The `fame` command. Results go to standard output, progress and errors to standard error.

Nothing heavy is imported before a command runs, so that `fame --help` answers at once.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import shlex
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fame import __version__
from fame.errors import FameError

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from fame.bundle import Bundle
    from fame.catalogue import Catalogue
    from fame.make.pipeline import Callbacks
    from fame.make.recipe import Recipe
    from fame.plots import Picture
    from fame.trace import Trace

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="FAME: a sequential recommender whose every decision can be opened up and looked at.",
)

PLAIN_WIDTH = 120  # of tables that go to a file or another program
INTERRUPTED = 130  # the shell's status for Ctrl-C

FORM_HELP = "The log; FORM is sequences, movielens, amazon, recbole, csv or parquet."
COLUMNS_HELP = "The columns of a csv, parquet or recbole log, where their names do not tell."
K_CORE_HELP = "Each user and item is there at least K times; 0 keeps all"
MODEL, TRAINING, DATA = "Model", "Training", "Data"

BundleName = Annotated[
    str, typer.Argument(metavar="BUNDLE", help="A name under artifacts/, a directory, or a Hub id.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
Runs = Annotated[Path, typer.Option(metavar="DIR", help="Where checkpoints are kept.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget the checkpoints of earlier runs.")]


class Interrupted(Exception):
    """Ctrl-C, with what is worth saying about it."""


def say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"fame {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=say_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """What goes before a command."""


# --- train --------------------------------------------------------------------------------------------


@app.command()
def train(
    recipe: Annotated[Path | None, typer.Argument(metavar="[RECIPE.toml]", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the bundle goes; with a recipe, RUNS/NAME/bundle.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the bundle; without a recipe, as DIR is called.")] = None,
    data: Annotated[str | None, typer.Option(metavar="FORM:PATH", help=FORM_HELP, rich_help_panel=DATA)] = None,
    items: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="item_id, title, year and attributes, values separated by '|'. Other items are left out.",
            rich_help_panel=DATA,
        ),
    ] = None,
    attributes: Annotated[
        Path | None, typer.Option(metavar="JSON", help="From item to a list of attributes.", rich_help_panel=DATA)
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="USER,ITEM,ORDER", help=COLUMNS_HELP, rich_help_panel=DATA)
    ] = None,
    k_core: Annotated[
        int | None, typer.Option(metavar="K", help=f"{K_CORE_HELP}; else 5.", rich_help_panel=DATA)
    ] = None,
    noun: Annotated[
        str | None, typer.Option(metavar="WORD", help="What sentences call an item: film, book.", rich_help_panel=DATA)
    ] = None,
    variant: Annotated[
        str | None, typer.Option(metavar="NAME", help="fame or sasrec; else fame.", rich_help_panel=MODEL)
    ] = None,
    heads: Annotated[
        int | None, typer.Option(metavar="H", help="Heads, or facets; else 4.", rich_help_panel=MODEL)
    ] = None,
    experts: Annotated[
        int | None, typer.Option(metavar="N", help="Experts per head; else 4.", rich_help_panel=MODEL)
    ] = None,
    width: Annotated[
        int | None, typer.Option(metavar="D", help="A multiple of the heads; else 64.", rich_help_panel=MODEL)
    ] = None,
    layers: Annotated[
        int | None, typer.Option(metavar="L", help="The last one included; else 2.", rich_help_panel=MODEL)
    ] = None,
    max_len: Annotated[
        int | None, typer.Option(metavar="T", help="Longest history; else 50.", rich_help_panel=MODEL)
    ] = None,
    dropout: Annotated[float | None, typer.Option(metavar="P", help="Else 0.2.", rich_help_panel=MODEL)] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="E", help="At most; else 100.", rich_help_panel=TRAINING)
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(metavar="E", help="Epochs without a better NDCG@10; else 10.", rich_help_panel=TRAINING),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="B", help="Else 128.", rich_help_panel=TRAINING)] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="Else 0.001.", rich_help_panel=TRAINING)
    ] = None,
    negatives: Annotated[
        int | None,
        typer.Option(metavar="K", help="For huge catalogues: sampled items a step.", rich_help_panel=TRAINING),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="S", help="Else 0.", rich_help_panel=TRAINING)] = None,
    maps: Annotated[
        bool | None, typer.Option("--maps/--no-maps", help="Build the facet atlas, or not.", show_default=False)
    ] = None,
    evidence: Annotated[
        bool | None,
        typer.Option("--evidence/--no-evidence", help="Probe what heads are about, or not.", show_default=False),
    ] = None,
    runs: Runs = Path("runs"),
    fresh: Fresh = False,
) -> None:
    """Train a bundle from a recipe, or from a log.

    What is given here goes before what the recipe says. A run that was stopped goes on where it was when the same
    command is given again.
    """
    from fame.make.pipeline import run_folder, train_recipe

    changes = given(
        name=name,
        maps=maps,
        evidence=evidence,
        data=data_table(data, columns)
        | given(
            items=items and items.absolute(), attributes=attributes and attributes.absolute(), k_core=k_core, noun=noun
        ),
        model=given(
            variant=variant,
            n_heads=heads,
            n_experts=experts,
            d_model=width,
            n_layers=layers,
            max_len=max_len,
            dropout=dropout,
        ),
        training=given(
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            learning_rate=learning_rate,
            negatives=negatives,
            seed=seed,
        ),
    )
    plan = planned(recipe, changes, out)
    if out and recipe is None and name is None:  # a/mine and b/mine are two runs
        runs /= f"{zlib.crc32(os.fsencode(out.resolve())):08x}"
    target = out or runs / plan.name / "bundle"
    with watched(run_folder(plan, runs)) as callbacks:
        bundle = train_recipe(plan, target, runs=runs, fresh=fresh, callbacks=callbacks)
    if bundle is not None:
        # A name alone might be one that ships.
        where = shlex.quote(str(target) if len(target.parts) > 1 else f"./{target}")
        typer.echo(
            f"{section(bundle.card, 'Metrics')}\n\nThe bundle is in {target}; look into it with: fame info {where}"
        )


@app.command()
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
    from fame.make.card import markdown
    from fame.make.pipeline import compare
    from fame.make.recipe import load_recipe

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


def planned(recipe: Path | None, changes: dict[str, Any], out: Path | None) -> Recipe:
    """The recipe of the command line: a file's with changes, or changes alone."""
    from fame.make.recipe import Recipe, load_recipe

    if recipe is not None:
        return load_recipe(recipe, changes)
    if "path" not in changes["data"] or out is None:
        raise FameError("nothing to train: give a RECIPE.toml, or --data FORM:PATH and --out DIR")
    changes.setdefault("name", re.sub(r"[^\w.-]+", "-", out.resolve().name).lstrip("-.") or "bundle")
    return Recipe.from_tables(changes)


def given(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def data_table(spec: str | None, columns: str | None) -> dict[str, Any]:
    """FORM:PATH and USER,ITEM,ORDER as a recipe's data table; empty where there is neither."""
    table: dict[str, Any] = {}
    if spec is not None:
        from fame.make.data import parse_spec

        form, path = parse_spec(spec)
        table |= {"form": form, "path": path.absolute()}
    if columns is not None:
        names = [name.strip() for name in columns.split(",")]
        if len(names) != 3 or not all(names):
            raise FameError(f"columns {columns!r}: expected three names, USER,ITEM,ORDER")
        table |= dict(zip(("user", "item", "order"), names, strict=True))
    return table


@contextmanager
def watched(folder: Path) -> Iterator[Callbacks]:
    """Callbacks that draw a progress bar, print a line an epoch, and say on Ctrl-C how to go on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from fame.make.card import kind_name
    from fame.make.checkpoint import CHECKPOINT, Epoch
    from fame.make.pipeline import Callbacks
    from fame.make.train import Step

    console = Console(stderr=True, highlight=False, markup=False)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    task = bar.add_task("", total=None, note="")
    epochs, best, title, H, N = 0, 0.0, "", 1, 1

    def stage(text: str) -> None:
        bar.reset(task, description=text, note="")
        bar.tasks[0].total = None  # which `reset` would leave

    def begin(recipe: Recipe) -> None:
        nonlocal epochs, best, title, H, N
        H, N = (recipe.model.n_heads, recipe.model.n_experts) if recipe.model.variant == "fame" else (1, 1)
        title = f"training {kind_name(recipe.model)}, seed {recipe.training.seed}"
        epochs, best = recipe.training.epochs, 0.0
        stage(title)

    def step(at: Step) -> None:
        done = (at.epoch - 1) * at.of + at.done
        if bar.tasks[0].total is None:  # the first step here, in whichever epoch: what was done before took no time
            bar.reset(task, total=epochs * at.of, completed=done)
        note = f"loss {at.loss:.3f}" + (f"  best NDCG@10 {best:.4f}" if best else "")
        bar.update(task, completed=done, description=f"epoch {at.epoch} of at most {epochs}", note=note)

    def epoch(e: Epoch) -> None:
        nonlocal best, title
        if title:  # said only now, so that an error before it stands alone
            console.print(title, soft_wrap=True)
            title = ""
        best = max(best, e.valid["NDCG@10"])
        said = f"gate entropy {e.gate_entropy:.2f}  " * (H > 1) + f"router entropy {e.router_entropy:.2f}  " * (N > 1)
        console.print(
            f"epoch {e.epoch:3d}  loss {e.loss:.4f}  NDCG@10 {e.valid['NDCG@10']:.4f}{'*' if e.best else ' '} "
            f"HR@10 {e.valid['HR@10']:.4f}  {said}{e.seconds:.1f} s",
            soft_wrap=True,
        )

    def warn(text: str) -> None:
        console.print(text, soft_wrap=True)

    try:
        with bar:
            yield Callbacks(stage, begin, step, epoch, warn)
    except KeyboardInterrupt:
        kept = any(folder.rglob(CHECKPOINT))
        how = (
            "the same command without --fresh goes on after the last full epoch"
            if kept
            else "no epoch was full, nothing is kept"
        )
        raise Interrupted(f"stopped; {how}") from None


# --- evaluate, download -------------------------------------------------------------------------------


@app.command()
def evaluate(
    bundle: BundleName,
    data: Annotated[str, typer.Option(metavar="FORM:PATH", help=FORM_HELP, show_default=False)],
    columns: Annotated[str | None, typer.Option(metavar="USER,ITEM,ORDER", help=COLUMNS_HELP)] = None,
    k_core: Annotated[
        int | None,
        typer.Option(metavar="K", min=0, help=f"{K_CORE_HELP}; else as the bundle's own log.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Test a bundle on the last item of each user of a log.

    It is ranked among all items that the user has not had. Items that the bundle does not know are left out.
    """
    from fame.bundle import load
    from fame.make.data import read
    from fame.make.evaluate import KS, ranks, summarise
    from fame.make.pipeline import split_for
    from fame.make.recipe import DataConfig

    loaded = load(bundle)
    table = data_table(data, columns)
    if k_core is None:
        k_core = DataConfig.k_core if loaded.k_core is None else loaded.k_core
    task = split_for(read(**table).interactions, loaded.catalogue, k_core).test
    with counting(f"ranking for {len(task):,} users", len(task)) as progress:
        metrics = summarise(ranks(loaded.model, task, progress=progress))
    if as_json:
        known = {name: value if math.isfinite(value) else None for name, value in metrics.items()}  # JSON has no NaN
        typer.echo(
            json.dumps({"bundle": loaded.name, "users": len(task), "k_core": k_core, "metrics": known}, indent=1)
        )
        return
    shown = grid("", *(f"@{k}" for k in KS), right=range(1, 1 + len(KS)))
    for kind in ("HR", "NDCG"):
        shown.add_row(kind, *(f"{metrics[f'{kind}@{k}']:.4f} ± {metrics[f'{kind}@{k} ±']:.4f}" for k in KS))
    shown.add_row("MRR", f"{metrics['MRR']:.4f} ± {metrics['MRR ±']:.4f}")
    out = stdout()
    core = f" of the {k_core}-core" if k_core else ""
    out.print(f"{loaded.name} on the last items of {len(task):,} users{core}; all items ranked, ± 95% over users")
    out.print(shown)


@app.command()
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
    typer.echo(f"{folder}: ready; train on it with --data {shlex.quote(f'movielens:{folder}')}")


@contextmanager
def counting(text: str, total: int | None, file: bool = False) -> Iterator[Any]:
    """A progress bar, as a function that takes how much is done and, where known by then, of how much."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        DownloadColumn() if file else MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    task = bar.add_task(text, total=total)
    with bar:
        yield lambda done, of=total: bar.update(task, completed=done, total=of)


# --- explain ------------------------------------------------------------------------------------------


@app.command()
def explain(
    bundle: BundleName,
    items: Annotated[
        list[str], typer.Argument(metavar="ITEM…", help="Titles or ids, oldest first.", show_default=False)
    ],
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="Length of the lists.")] = 10,
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="A page with the pictures, that opens offline.")
    ] = None,
) -> None:
    """What comes next, which head wants it, and how the heads' lists merge."""
    from fame.bundle import load
    from fame.explain import leave_one_out

    loaded = load(bundle)
    trace = loaded.trace(items)
    ranking = trace.ranking()[:k]
    if not len(ranking):
        raise FameError(f"nothing is left to recommend: the history holds every {loaded.catalogue.noun}")
    effects = leave_one_out(loaded.model, loaded.catalogue, trace.items, int(ranking[0]))["effect"].to_numpy()
    if html is not None:
        from fame.plots.export import page

        try:
            name = loaded.name + " · simulated audience" * loaded.simulated
            after = f"After {', '.join(map(loaded.catalogue.label, trace.seen))}."
            html.write_text(page(pictures(loaded, trace, effects, k), name, after), encoding="utf-8")
        except OSError as error:
            raise FameError(f"{html}: cannot be written ({error.strerror}); give another file") from None
    if as_json:
        typer.echo(json.dumps(explanation(loaded, trace, effects, k), indent=1, ensure_ascii=False))
    elif html is not None:
        typer.echo(f"{html}: written; open it in a browser")
    else:
        print_explanation(loaded, trace, effects, k)


def pictures(bundle: Bundle, trace: Trace, effects: np.ndarray, k: int) -> list[Picture]:
    import pandas as pd

    from fame import plots

    top = trace.ranking()[:k].tolist()
    first = bundle.catalogue.label(top[0])
    figures = [plots.gate(trace), plots.head_lists(trace, k), plots.merge(bundle, trace, k)]
    figures += [
        plots.expert_attention(trace, h, effects, f"the score of {first}") for h in range(bundle.config.n_heads)
    ]
    figures += [plots.router(trace), plots.journey(trace)]
    if bundle.atlas is not None:
        attribute = next(colourings(bundle.catalogue), None)
        figures.append(
            plots.atlas_map(
                bundle.atlas,
                bundle.catalogue,
                attribute=attribute,
                history=trace.items.tolist(),
                recommendations=top,
            )
        )
    return [plots.chart(f"figure-{i}", figure, pd.DataFrame()) for i, figure in enumerate(figures, 1)]


def colourings(catalogue: Catalogue) -> Iterator[str]:
    """The attributes that have few enough values to be drawn."""
    for name in catalogue.attributes:
        with suppress(FameError):
            catalogue.attribute(name)
            yield name


def explanation(bundle: Bundle, trace: Trace, effects: np.ndarray, k: int) -> dict[str, Any]:
    """What `explain --json` prints: plain values, heads and experts in order, ranks from 1."""

    def item(row: int) -> dict[str, Any]:
        c = bundle.catalogue
        return {"item_id": str(c.item_id[row]), "title": str(c.title[row]), "year": int(c.year[row]) or None}

    def listed(head: int | None = None) -> list[dict[str, Any]]:
        top = trace.top(k, head)
        return [
            {"rank": rank, **item(row), "score": float(score)}
            for rank, row, score in zip(top["rank"].tolist(), top["row"].tolist(), top["score"], strict=True)
        ]

    final = listed()
    shares = trace.shares(trace.ranking()[:k])  # [H, k]
    return {
        "bundle": bundle.name,
        "simulated": bundle.simulated,
        "history": [
            {**item(row), "effect": None if effect != effect else float(effect)}  # NaN where there is no other item
            for row, effect in zip(trace.items.tolist(), effects, strict=True)
        ],
        "dropped": trace.dropped,
        "gate": trace.gate[-1].tolist(),
        "heads": [
            {"head": h + 1, "gate": float(trace.gate[-1, h]), "router": trace.router[-1, h].tolist(), "top": listed(h)}
            for h in range(bundle.config.n_heads)
        ],
        "merge": [entry | {"shares": shares[:, i].tolist()} for i, entry in enumerate(final)],
    }


def print_explanation(bundle: Bundle, trace: Trace, effects: np.ndarray, k: int) -> None:
    from fame.text import plural

    out, label = stdout(), bundle.catalogue.label
    H, top = bundle.config.n_heads, trace.ranking()[:k]
    if bundle.simulated:
        out.print("The audience of this bundle is simulated.")
    if trace.dropped:
        oldest = plural(trace.dropped, bundle.catalogue.noun)
        out.print(f"The oldest {oldest} did not fit; the model reads the last {bundle.config.max_len}.")

    history = grid("", "History", f"What it adds to the score of {label(int(top[0]))}", right=(0, 2))
    for i, (row, effect) in enumerate(zip(trace.items.tolist(), effects, strict=True), start=1):
        history.add_row(str(i), label(row), "" if effect != effect else signed(effect))
    out.print(history)
    out.print()

    gate = grid("Head", "Gate", "", "Router, expert by expert", right=(0, 1))
    for h, weight in enumerate(trace.gate[-1].tolist()):
        router = "  ".join(f"{w:4.0%}" for w in trace.router[-1, h].tolist())
        gate.add_row(str(h + 1), f"{weight:.1%}", "█" * round(24 * weight), router)
    out.print(gate)
    out.print()

    columns = max(1, (out.width - 6) // 26)  # as many heads beside each other as there is room for
    for first in range(0, H, columns):
        heads = range(first, min(first + columns, H))
        lists = grid("", *(f"Head {h + 1} alone" for h in heads), right=(0,))
        tops = [trace.ranking(head=h)[:k].tolist() for h in heads]
        for rank in range(len(top)):
            lists.add_row(str(rank + 1), *(label(rows[rank]) for rows in tops))
        out.print(lists)
        out.print()

    merge = grid("", "All heads", *(f"Head {h + 1}" for h in range(H)), "Sum", right=(0, *range(2, H + 3)))
    for row, share in zip(top.tolist(), trace.shares(top).T, strict=True):
        merge.add_row(str(merge.row_count + 1), label(row), *map(signed, share), signed(float(trace.scores[row])))
    out.print(merge)
    out.print("A head's number is its gate times its score; their sum is the score that ranks.")


def signed(value: float) -> str:
    return f"{value:+.3f}"


# --- info ---------------------------------------------------------------------------------------------


@app.command()
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
        "evidence": sorted(bundle.evidence),
    }
    if {"epoch", "NDCG@10"} <= set(curve.select_dtypes("number").dropna(axis=1).columns) and len(curve):
        best = curve.iloc[int(curve["NDCG@10"].argmax())]
        count = plural(len(curve), "epoch")
        facts["training"] = f"{count}; the best is {int(best['epoch'])}, validation NDCG@10 {best['NDCG@10']:.4f}"
    return facts


def section(card: str, title: str) -> str:
    """One section of a model card, without its heading."""
    return card.partition(f"\n## {title}\n")[2].partition("\n## ")[0].strip()


# --- the terminal -------------------------------------------------------------------------------------


def stdout() -> Console:
    """Where results go: titles are text, so nothing is markup."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, PLAIN_WIDTH)
    return console


def grid(*header: str, right: Any = ()) -> Table:
    """An empty table whose cells are text; the columns `right` hold numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for i, name in enumerate(header):
        table.add_column(name, justify="right" if i in right else "left", overflow="ellipsis", no_wrap=i in right)
    return table


def main() -> None:
    """Run the command; every error is one line on standard error and exit status 2."""
    if not sys.warnoptions:
        warnings.filterwarnings("ignore")  # libraries' advice to programmers, not to who types a command
    for stream in (sys.stdout, sys.stderr):  # a terminal or a pipe that knows fewer letters
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        status = app(sys.argv[1:] or ["--help"], prog_name="fame", standalone_mode=False)
        message = "stopped" if status == INTERRUPTED else ""
    except Interrupted as error:
        status, message = INTERRUPTED, str(error)
    except FameError as error:
        status, message = 2, f"error: {error}"
    except typer.Abort:
        status, message = INTERRUPTED, "stopped"
    except Exception as error:
        if os.environ.get("FAME_TRACEBACK"):
            raise
        status, message = 2, f"error: {explained(error)}"
    if message:
        print(" ".join(printable(message).split()), file=sys.stderr)
    sys.exit(status)


def printable(text: str) -> str:
    """The text without what would command a terminal; its lines stay."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def explained(error: Exception) -> str:
    """One line for an error that is no FameError: a wrong command line, the machine, or a bug."""
    if hasattr(error, "format_message"):  # every usage error of typer has it, whichever its class
        command = getattr(getattr(error, "ctx", None), "command_path", "fame")
        return f"{error.format_message()} (see `{command} --help`)"
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}"
    if isinstance(error, MemoryError) or re.search("allocate memory|out of memory", str(error)):
        return "out of memory; use a smaller model, batch or log"
    return f"{type(error).__name__}: {error} (unexpected; FAME_TRACEBACK=1 shows where)"


if __name__ == "__main__":
    # As a script, `fabric run fame/cli.py train …`, this folder is on the path, where trace.py hides Python's own.
    here = Path(__file__).resolve().parent
    sys.path = [p for p in sys.path if Path(p or ".").resolve() != here]
    main()
