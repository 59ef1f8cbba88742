"""A box to choose one film in, with the likeliest films to pick from and any other by typing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import state, widgets
from app.screen import Screen
from fame.catalogue import Catalogue

__all__ = ["choose", "found", "row_of"]

OFFERED = 300  # films in the box; the others are found by typing, so that a page stays small with any catalogue


def choose(
    screen: Screen, label: str, key: str, field: str, row: int, ranking: Sequence[int], by_id: bool = False
) -> None:
    """A select box that shows the film of `row`; a choice goes to a field or option of the state.

    ranking: the rows offered, best first.   by_id: store the film's id, as options are text, and not its row.
    """
    catalogue = screen.bundle.catalogue
    offered = list(dict.fromkeys([*map(int, ranking[:OFFERED]), row]))
    shared = {label for label, n in Counter(map(catalogue.label, offered)).items() if n > 1}

    def take(value: Any) -> None:
        if chosen := found(catalogue, value):
            state.update(**{field: catalogue.item_id[chosen] if by_id else chosen})

    st.selectbox(
        label, offered, **widgets.tied(key, row, take), accept_new_options=True,
        format_func=lambda r: _named(catalogue, r, shared), help="Type to search; any title of the catalogue will do.",
    )  # fmt: skip


def _named(catalogue: Catalogue, row: Any, shared: set[str]) -> str:
    """Title and year, and the id where another film has both too; typed text as it is."""
    if not isinstance(row, int):
        return str(row)
    label = catalogue.label(row)
    return f"{label} · {catalogue.item_id[row]}" if label in shared else label


def found(catalogue: Catalogue, value: Any) -> int | None:
    """The row of what was chosen or typed; None, and a word about it, where no film is called so."""
    if isinstance(value, int):
        return value
    nearest = catalogue.search(str(value), 1)
    if not nearest:
        st.toast("No film of this catalogue has a title like that.", icon=":material/search_off:")
    return nearest[0] if nearest else None


def row_of(catalogue: Catalogue, item_id: str | None, default: int) -> int:
    """The row of an id, or the default where it is none of the catalogue's."""
    return catalogue.row(item_id) if item_id is not None and item_id in catalogue else default
