"""Items by what a person types: where several fit, a terminal asks which, and anything else is told all of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from fame.errors import FameError

if TYPE_CHECKING:
    from fame.catalogue import Catalogue

OFFERED = 9


def chosen(catalogue: Catalogue, texts: Iterable[str]) -> list[str]:
    """The ids of the items that are meant, in order.

    Raises:
        FameError: a text names no item, or several and nobody can be asked.
    """
    return [str(catalogue.item_id[one(catalogue, text)]) for text in texts]


def one(catalogue: Catalogue, text: str) -> int:
    try:
        return catalogue.resolve(text)
    except FameError:
        offers = catalogue.search(text, OFFERED)
        if len(offers) < 2:
            raise
        labels = [f"{i} {catalogue.label(row)}" for i, row in enumerate(offers, start=1)]
        if not terminal():
            named = "; ".join(f"{catalogue.label(row)} (id {catalogue.item_id[row]})" for row in offers)
            raise FameError(f"{text[:80]!r} may be several; give the full title or the id: {named}") from None
    typer.echo("\n".join([f"{text[:80]!r} may be:", *(f"  {label}" for label in labels)]), err=True)
    number = typer.prompt("which number", type=int, err=True)
    if not 1 <= number <= len(offers):
        raise FameError(f"{number} is none of 1 to {len(offers)}")
    return offers[number - 1]


def terminal() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()
