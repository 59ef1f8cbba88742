"""`fame explain`: one history opened up, as tables, JSON or a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fame.cli.choose import chosen
from fame.cli.terminal import AsJson, BundleName, grid, stdout
from fame.cli.wish import answer
from fame.errors import FameError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fame.bundle import Bundle
    from fame.catalogue import Catalogue
    from fame.plots import Picture
    from fame.trace import Trace


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
    wish: Annotated[
        str | None,
        typer.Option(
            metavar="WISH",
            help="The smallest change that does it: 'first: TITLE', 'top 10: TITLE', 'not top 10: TITLE', "
            "'above OTHER: TITLE'.",
        ),
    ] = None,
) -> None:
    """What comes next, which head wants it, and how the heads' lists merge."""
    from fame.bundle import load
    from fame.explain import leave_one_out

    loaded = load(bundle)
    if wish is not None:
        if html is not None:
            raise FameError("--wish answers as text or with --json; leave --html out")
        answer(loaded, items, wish, k, as_json)
        return
    trace = loaded.trace(chosen(loaded.catalogue, items))
    ranking = trace.ranking()[:k]
    if not len(ranking):
        raise FameError(f"nothing is left to recommend: the history holds every {loaded.catalogue.noun}")
    left_out = leave_one_out(loaded.model, loaded.catalogue, trace.items, int(ranking[0]))
    effects = left_out["effect"].to_numpy()
    if html is not None:
        from fame.plots.export import page

        try:
            name = loaded.name + " · simulated audience" * loaded.simulated
            after = f"After {', '.join(map(loaded.catalogue.label, trace.seen))}."
            html.write_text(page(pictures(loaded, trace, left_out, k), name, after), encoding="utf-8")
        except OSError as error:
            raise FameError(f"{html}: cannot be written ({error.strerror}); give another file") from None
    if as_json:
        typer.echo(json.dumps(explanation(loaded, trace, effects, k), indent=1, ensure_ascii=False))
    elif html is not None:
        typer.echo(f"{html}: written; open it in a browser")
    else:
        print_explanation(loaded, trace, effects, k)


def pictures(bundle: Bundle, trace: Trace, left_out: pd.DataFrame, k: int) -> list[Picture]:
    from fame import plots

    leading = int(trace.gate[-1].argmax())
    shown: list[Picture] = [plots.story(bundle, trace, k), plots.merge(bundle, trace, k)]
    shown += [plots.last_step(trace, h, left_out) for h in range(bundle.config.n_heads)]
    shown += [plots.attention_grid(trace), plots.journey(trace, head=leading)]
    if bundle.atlas is not None:
        attribute = next(colourings(bundle.catalogue), None)
        shown.append(plots.atlas_map(bundle, (f"head_{leading + 1}", "full"), attribute=attribute, trace=trace, k=k))
    return shown


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
