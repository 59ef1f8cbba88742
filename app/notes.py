"""The sentences behind numbers that more than one place shows: what each is."""

from __future__ import annotations

from collections.abc import Mapping

from app.widgets import Cell, Noted

__all__ = ["ACCURACY", "HEADS", "header"]

ACCURACY = {
    "HR@10": "The part of histories whose next one is among the first ten of the list. 1, or 100%, is every history.",
    "NDCG@10": "As HR@10, but it counts less the further down it stands: 1 in first place, 0.63 in second, 0.29 in "
    "tenth.",
}
HEADS = {  # columns of the table of what each head does
    "head": "",
    "leads\u00a0in": "The part of histories in which no other head has more say.",
    "gate,\u00a0mean": "How much say the head has, mean over histories.",
    "overlap": "The part of the final list's first ten that is among the head's own first ten.",
    "HR@10": ACCURACY["HR@10"] + " Here of the head's own list alone.",
    "moves up most": "What would fall furthest in the final lists without the head's share.",
}


def header(notes: Mapping[str, str]) -> list[Cell]:
    """The head of a table whose columns have these sentences; those with an empty one stand alone."""
    return [Noted(name, note) if note else name for name, note in notes.items()]
