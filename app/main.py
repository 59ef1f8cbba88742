"""The app: one bar, then one screen. `streamlit run app/main.py`."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

from app import bar, sources, state, widgets
from app.screen import Screen
from app.sources import Source
from fame.errors import FameError
from fame.plots.style import Theme

SCREENS = {"story": "Story", "merge": "Merge", "experts": "Experts", "atlas": "Facet atlas"}


def main() -> None:
    st.set_page_config("FAME", page_icon=Path(__file__).with_name("icon.svg"), layout="wide")
    widgets.style()
    pages: dict[str, Page] = {}
    for name, title in SCREENS.items():
        pages[name] = st.Page(partial(draw, name, pages), title=title, url_path=name, default=name == "story")
    st.navigation(list(pages.values()), position="hidden").run()


def draw(name: str, pages: dict[str, Page]) -> None:
    """One screen, whole: the bar, then the view, or a plain sentence where there is nothing to show."""
    offer: list[str] = []
    try:
        offer += (found := {source.name: source for source in sources.sources()})
        screen, said = prepare(found)
        bar.render(screen, pages, name, offer, said)
        if screen.state.history:
            import_module(f"app.views.{name}").render(screen)
        else:
            widgets.full_page(
                "The history is empty", "What is recommended follows from films. Add one above, or open an example."
            )
    except FameError as error:
        widgets.full_page("This cannot be shown", f"{error}.")
        for other in offer:
            st.page_link(
                pages[name],
                label=f"Open {other} afresh",
                query_params={"m": other},
                width="stretch",
            )


def prepare(offer: dict[str, Source]) -> tuple[Screen, tuple[str, ...]]:
    """This run's screen, in step with the URL, and plain sentences on what in the link could not be used."""
    model, wrong = state.choose_model(list(offer))
    source = offer[model]
    bundle = sources.load(source)
    opening = state.first(bundle, model)
    session = state.open_session(bundle, opening)
    links = state.write_url(bundle, opening, named=model != next(iter(offer)))
    theme: Theme = "dark" if st.context.theme.type == "dark" else "light"
    screen = Screen(source, bundle, session.state, opening, theme, links)
    return screen, (*wrong, *session.said)


main()
