"""The app: one bar, then one screen. `streamlit run app/main.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

from app import bar, session, sources, state, widgets
from app.screen import Screen
from app.sources import Source
from app.state import State
from fame.bundle import Bundle
from fame.errors import FameError
from fame.plots.style import Theme

SCREENS = {"story": "Story", "merge": "Merge", "experts": "Experts", "atlas": "Facet atlas", "evidence": "Evidence"}
OF_THE_MODEL = {"evidence"}  # screens that no history and no what-if changes
WITHOUT_HISTORY = {"atlas", *OF_THE_MODEL}  # screens that show something where the history is empty
Choices = Callable[[Source, Bundle, State], Mapping[str, Callable[[str], bool]]]
EXAMPLES = 4  # offered where the history is empty


def main() -> None:
    st.set_page_config(page_icon=Path(__file__).with_name("icon.svg"), layout="wide")
    widgets.style()
    pages = {name: st.Page(lambda: None, title=title, url_path=name) for name, title in SCREENS.items()}
    # A default page answers at the bare address only, so that Story is two; links lead to the one that is shown.
    opening = st.Page(lambda: None, title=SCREENS["story"], url_path="opening", default=True)
    here = st.navigation([opening, *pages.values()], position="hidden")
    if here is not pages["story"]:
        pages["story"] = opening
    # Not by here.run(): what a page draws is taken away before the next page stands, the bar too.
    draw(next(name for name, page in pages.items() if page is here), pages)


def draw(name: str, pages: dict[str, Page]) -> None:
    """One screen, whole: the bar, then the view, or a plain sentence where there is nothing to show."""
    st.set_page_config(f"{SCREENS[name]} – FAME")
    offer: dict[str, Source] = {}
    try:
        offer |= {source.name: source for source in sources.sources()}
        view = import_module(f"app.screens.{name}")
        screen, said = prepare(offer, name, view.choices)
        bar.render(screen, pages, name, offer, said, name in OF_THE_MODEL)
        if screen.state.history or name in WITHOUT_HISTORY:
            view.render(screen)
        else:
            empty(screen)
    except FameError as error:
        session.stay()
        widgets.full_page("This cannot be shown", f"{error}.")
        for other in offer:
            st.page_link(
                pages[name],
                label=f"Open {other} afresh",
                query_params={"m": other},
                width="stretch",
            )


def empty(screen: Screen) -> None:
    """What stands in a screen's place where there is no history."""
    examples = screen.bundle.examples[:EXAMPLES]
    ways = f"Add {screen.words['a']} above" + (", or open an example:" if examples else ".")
    widgets.full_page("The history is empty", f"Recommendations follow from a history. {ways}")
    with st.container(horizontal=True, horizontal_alignment="center", key="empty_examples"):
        for i, example in enumerate(examples):
            rows = screen.bundle.rows(example.items)
            st.button(example.title, key=f"empty_{i}", on_click=session.start, args=(rows,))


def prepare(offer: dict[str, Source], name: str, choices: Choices) -> tuple[Screen, tuple[str, ...]]:
    """This run's screen, in step with the URL, and plain sentences on what in the link could not be used."""
    model, wrong = session.choose_model(list(offer))
    source = offer[model]
    bundle = sources.load(source)
    opening = state.first(bundle, model)
    here = session.open_session(bundle, opening, source.version)
    session.check_options(name, choices(source, bundle, here.state))
    links = session.write_url(bundle, opening, named=model != next(iter(offer)))
    theme: Theme = "dark" if st.context.theme.type == "dark" else "light"
    screen = Screen(source, bundle, here.state, opening, theme, links)
    return screen, (*wrong, *here.said)


main()
