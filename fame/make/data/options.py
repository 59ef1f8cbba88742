"""What a reader is told about a log; what is left out is guessed, and the guess is said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["FORMS", "ReadOptions"]

FORMS = ("auto", "sequences", "movielens", "amazon", "recbole", "csv", "json", "parquet")


@dataclass(frozen=True)
class ReadOptions:
    """The settings of `fame.make.data.read`.

    items: the item file: a table with an id, a title and attributes.
    attributes: a JSON object from item id to a list of attribute ids, added as the attribute `attributes`.
    user, item, order, rating, event: the columns of these roles, by name or by number from 1.
        order may be two columns, 'date+time', or 'file', the order of the file.
    separator: what parts the fields; 'tab' and 'space' are words for theirs.
    encoding: of the text, as Python spells it.
    header: the first line holds the column names, or does not.
    time_form: the unit of numbers, 's', 'ms', 'us' or 'ns', or a pattern like '%d.%m.%Y %H:%M'.
    day_first: 03/04/2020 is the third of April, or is not.
    where: conditions that a row must meet, like "rating >= 4" or "event in ('view','buy')".
    missing: words that stand for no value, beside the empty cell, NULL, NaN, None and \\N.
    repeats: a user's second time with an item is kept.
    no_user: lines of a sequence file are items alone; False says that the first field is the user.
    only_items: rows with items that the item file lacks are left out.
    strict: a row that would be dropped is an error.
    ask: columns that are known by their content alone are an error that can be answered (`fame.errors.Undecided`).
    """

    items: Path | None = None
    attributes: Path | None = None
    user: str | None = None
    item: str | None = None
    order: str | None = None
    rating: str | None = None
    event: str | None = None
    separator: str | None = None
    encoding: str | None = None
    header: bool | None = None
    time_form: str | None = None
    day_first: bool | None = None
    where: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    repeats: bool = True
    no_user: bool | None = None
    only_items: bool = False
    strict: bool = False
    ask: bool = False
