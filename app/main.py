"""The app: one bar, then one screen. `streamlit run app/serve.py`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

from app import bar, present, screens, session, sources, state, widgets
from app.logs import visitor
from app.screen import NothingToShow, Screen
from app.sources import Source
from app.what_if_links import what_if_links
from fame.errors import FameError
from fame.plots.style import Theme

EXAMPLES = 4  # offered where the history is empty


def main() -> None:
    st.set_page_config(page_icon=Path(__file__).with_name("icon.svg"), layout="wide")
    widgets.style()
    titles = {name: entry.declaration.title for name, entry in screens.discover().items()}
    pages = {name: st.Page(lambda: None, title=title, url_path=name) for name, title in titles.items()}
    # A default page answers at the bare address only, so that the first screen is two; links lead to the one shown.
    first = next(iter(titles))
    opening = st.Page(lambda: None, title=titles[first], url_path="opening", default=True)
    here = st.navigation([opening, *pages.values()], position="hidden")
    if here is not pages[first]:
        pages[first] = opening
    if (asked := session.asked_screen()) and pages[asked] is not here:
        st.switch_page(pages[asked])
    # Not by here.run(): what a page draws is taken away before the next page stands, the bar too.
    draw(next(name for name, page in pages.items() if page is here), pages)


def draw(name: str, pages: dict[str, Page]) -> None:
    """One screen, whole: the bar, then the screen, or a plain sentence where there is nothing to show."""
    entry = screens.discover()[name]
    st.set_page_config(f"{entry.declaration.title} – FAME")
    top = st.container(key="frame")
    offer: dict[str, Source] = {}
    try:
        offer |= sources.offered()
        offer |= {name: source for name, source in visitor.models().items() if name not in offer}
        screen, unused = prepare(offer, name, entry, pages)
        present.follow(screen)
        if not screen.state.present:
            with top:
                bar.render(screen, pages, offer, unused)
        with screen.header:
            widgets.heading(entry.declaration.title, screen.question)
            if screen.state.history and not screen.state.present:
                what_if_links(screen)
            present.presenter(screen)
        if screen.state.history or not entry.declaration.needs_history:
            entry.render(screen)
            widgets.explanation(screen)
        else:
            empty(screen)
    except NothingToShow as nothing:
        widgets.full_page(*nothing.args)
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
            st.button(example.title, key=f"empty_{i}", on_click=session.open_example, args=(screen.bundle, i))


def prepare(
    offer: dict[str, Source], name: str, entry: screens.Entry, pages: dict[str, Page]
) -> tuple[Screen, tuple[str, ...]]:
    """This run's screen, in step with the URL, and plain sentences on what in the link could not be used."""
    model, wrong = session.choose_model(list(offer))
    source = offer[model]
    bundle = sources.load(source)
    opening = state.first(bundle, model)
    here = session.open_session(bundle, opening, source.version)
    theme: Theme = "dark" if st.context.theme.type == "dark" else "light"
    header = st.container(horizontal=True, key=f"{name}_top", vertical_alignment="center")
    draft = Screen(name, entry.declaration, header, source, bundle, here.state, opening, theme, {}, pages)
    session.check_options(draft)
    links = session.write_url(bundle, opening, named=model != next(iter(offer)))
    return replace(draft, state=present.drawn_state(here.state), links=links), (*wrong, *here.unused)


main()
