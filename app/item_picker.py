"""A box to choose one film in, with the likeliest films to pick from and any other by typing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from typing import Any

import streamlit as st

from app import session, sources, widgets
from app.screen import Screen
from app.sources import Source, shared
from fame.catalogue import Catalogue

__all__ = ["choose", "found", "row_of", "take"]

WHOLE = 2000  # items up to which the box holds the whole catalogue
OFFERED = 300  # in the box of a larger one; the others are found by typing, so that the page stays small


def choose(
    screen: Screen, label: str, key: str, field: str, row: int | None, ranking: Sequence[int], by_id: bool = False
) -> None:
    """A select box that shows the item of `row`, if any; a choice goes to a field or option of the state.

    ranking: the rows offered first, best first.   by_id: store the film's id, as options are text, and not its row.
    """
    catalogue, names = screen.bundle.catalogue, _names(screen.source)
    whole = catalogue.n_items <= WHOLE
    rest = range(1, len(catalogue)) if whole else [row] * (row is not None)
    offered = list(dict.fromkeys([*map(int, ranking if whole else ranking[:OFFERED]), *rest]))

    def store(value: Any) -> None:
        if chosen := found(catalogue, value):
            session.update(**{field: catalogue.item_id[chosen] if by_id else chosen})

    st.selectbox(
        label, offered, **widgets.tied(key, row, store), accept_new_options=not whole,
        index=None if row is None else 0, placeholder=f"Choose {screen.words['a']}",
        format_func=lambda r: names[r] if isinstance(r, int) else str(r),
        help="Type to search; any title of the catalogue will do.",
    )  # fmt: skip


def take(screen: Screen, label: str, key: str, done: Callable[[int], None], without: Container[int] = ()) -> None:
    """A select box that shows no item; the row of the one that is chosen goes to `done`, and it shows none again."""
    catalogue, names = screen.bundle.catalogue, _names(screen.source)
    whole = catalogue.n_items <= WHOLE
    ranking = screen.trace.ranking(exclude_history=False)
    rows = range(1, len(catalogue)) if whole else ranking[:OFFERED].tolist()

    def chosen(value: Any) -> None:
        if value is not None and (row := found(catalogue, value)):
            done(row)

    st.selectbox(
        label, [row for row in rows if row not in without], **widgets.tied(key, None, chosen),
        accept_new_options=not whole, format_func=lambda r: names[r] if isinstance(r, int) else str(r), index=None,
        placeholder="Type to search", help="Any title of the catalogue will do.",
    )  # fmt: skip


@shared(8)
def _names(source: Source) -> list[str]:
    """Title and year of each row, and the id where another has both too."""
    catalogue = sources.load(source).catalogue
    labels = [catalogue.label(row) for row in range(len(catalogue))]
    several = {label for label, n in Counter(labels).items() if n > 1}
    return [f"{x} · {catalogue.item_id[row]}" if x in several else x for row, x in enumerate(labels)]


def found(catalogue: Catalogue, value: Any) -> int | None:
    """The row of what was chosen or typed; None, and a word about it, where no film is called so."""
    if isinstance(value, int):
        return value
    nearest = catalogue.search(str(value), 1)
    if not nearest:
        st.toast(f"No {catalogue.noun} of this catalogue has a title like that.", icon=":material/search_off:")
    return nearest[0] if nearest else None


def row_of(catalogue: Catalogue, item_id: str | None, default: int) -> int:
    """The row of an id, or the default where it is none of the catalogue's."""
    return catalogue.row(item_id) if item_id is not None and item_id in catalogue else default
