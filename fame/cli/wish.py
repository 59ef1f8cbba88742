"""`fame explain … --wish`: the smallest change of the history that makes a wish come true."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import typer

from fame.cli.terminal import grid, stdout

if TYPE_CHECKING:
    from fame.bundle import Bundle
    from fame.explain import Found, Search


def answer(bundle: Bundle, items: list[str], wish: str, k: int, as_json: bool) -> None:
    """Search, telling on standard error how far it has come, and print what was found.

    Raises:
        FameError: an item is unknown, the wish is of no known form, or it is about an item of the history.
    """
    from rich.console import Console

    from fame.explain import read_wish, say_search, search_changes

    asked = read_wish(wish, bundle.catalogue)
    steps = search_changes(bundle.model, bundle.catalogue, bundle.rows(items), asked, k=k)
    last = next(steps)
    with Console(stderr=True, highlight=False, markup=False).status("") as status:
        for last in steps:
            status.update(say_search(last, bundle.catalogue))
    if as_json:
        typer.echo(json.dumps(_plain(bundle, wish, last), indent=1, ensure_ascii=False))
        return
    out = stdout()
    out.print(say_search(last, bundle.catalogue), soft_wrap=True)
    if last.found:
        table = grid("", "Change", "Rank", "Alike", "Lists alike", "Leave the list", right=(0, 2, 3, 4))
        for i, found in enumerate(last.found, 1):
            alike = "" if math.isnan(found.alike) else f"{found.alike:.2f}"
            gone = ", ".join(str(bundle.catalogue.title[row]) for row in found.left)
            table.add_row(str(i), _words(bundle, found), str(found.rank), alike, f"{found.cost:.0%}", gone)
        out.print(table)


def _words(bundle: Bundle, found: Found) -> str:
    c = bundle.catalogue
    return "; ".join(change.words(lambda item: c.label(c.row(item))) for change in found.changes[::-1])


def _plain(bundle: Bundle, wish: str, last: Search) -> dict[str, Any]:
    """What `--json` prints: plain values, ranks and places from 1."""
    from fame.explain import changes_text

    ids = bundle.catalogue.item_id
    return {
        "bundle": bundle.name,
        "wish": wish,
        "rank": last.rank,
        "already": last.already,
        "single_changes": last.tried,
        "pairs": last.pairs_tried,
        "works": last.works,
        "found": [
            {
                "change": _words(bundle, found),
                "link": changes_text(found.changes),
                "rank": found.rank,
                "alike": None if math.isnan(found.alike) else found.alike,
                "list_overlap": found.cost,
                "left": [str(ids[row]) for row in found.left],
                "entered": [str(ids[row]) for row in found.entered],
            }
            for found in last.found
        ],
    }
