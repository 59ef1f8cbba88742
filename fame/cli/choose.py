"""What a terminal asks where several readings fit; anything else is told all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import typer

from fame.cli.terminal import printable
from fame.errors import FameError, Undecided

if TYPE_CHECKING:
    from fame.catalogue import Catalogue
    from fame.make.configs import DataConfig

T = TypeVar("T")
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
    return offers[_number(len(offers))]


def _number(count: int) -> int:
    """Which of so many a person means, from 0."""
    number = int(typer.prompt("which number", type=int, err=True))
    if not 1 <= number <= count:
        raise FameError(f"{number} is none of 1 to {count}")
    return number - 1


def answered(data: DataConfig, act: Callable[[DataConfig], T]) -> T:
    """What `act` makes of a log. What is undecided in it is asked where somebody is there to answer.

    Raises:
        FameError: as `act`; what is undecided too, where nobody can be asked.
    """
    if not terminal():
        return act(data)
    data = replace(data, ask=True)
    while True:
        try:
            return act(data)
        except Undecided as error:
            if not error.choices:
                raise
            told = [f"{i} {words}" for i, words in enumerate(error.choices, start=1)]
            typer.echo("\n".join([f"{error.question}?", *(f"  {printable(line)}" for line in told)]), err=True)
            data = replace(data, **list(error.choices.values())[_number(len(told))])


def terminal() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()
