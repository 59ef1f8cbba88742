"""A box to choose one film in, with the likeliest films to pick from and any other by typing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import state
from app.screen import Screen
from fame.catalogue import Catalogue

__all__ = ["choose", "row_of"]

OFFERED = 300  # films in the box; the others are found by typing, so that a page stays small with any catalogue


def choose(
    screen: Screen, label: str, key: str, field: str, row: int, ranking: Sequence[int], by_id: bool = False
) -> None:
    """A select box that shows the film of `row`; a choice goes to a field or option of the state.

    ranking: the rows offered, best first.   by_id: store the film's id, as options are text, and not its row.
    """
    catalogue = screen.bundle.catalogue
    offered = list(dict.fromkeys([*map(int, ranking[:OFFERED]), row]))

    def take() -> None:
        if chosen := _found(catalogue, st.session_state[key]):
            state.update(**{field: catalogue.item_id[chosen] if by_id else chosen})

    st.session_state[key] = row
    st.selectbox(
        label, offered, key=key, on_change=take, accept_new_options=True, format_func=lambda r: _named(catalogue, r),
        help="Type to search; any title of the catalogue will do.",
    )  # fmt: skip


def _named(catalogue: Catalogue, row: Any) -> str:
    return catalogue.label(row) if isinstance(row, int) else str(row)


def _found(catalogue: Catalogue, value: Any) -> int | None:
    """The row of what was chosen or typed; None, and a word about it, where no film is called so."""
    if isinstance(value, int):
        return value
    found = catalogue.search(str(value), 1)
    if not found:
        st.toast("No film of this catalogue has a title like that.", icon=":material/search_off:")
    return found[0] if found else None


def row_of(catalogue: Catalogue, item_id: str | None, default: int) -> int:
    """The row of an id, or the default where it is none of the catalogue's."""
    return catalogue.row(item_id) if item_id is not None and item_id in catalogue else default
