"""The app: one bar, then one screen. `streamlit run app/main.py`."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path

import streamlit as st

from app import bar, sources, state, widgets
from app.screen import Screen
from fame.errors import FameError
from fame.plots.style import Theme

SCREENS = {"story": "Story", "merge": "Merge", "experts": "Experts", "atlas": "Facet atlas"}


def main() -> None:
    st.set_page_config(
        "FAME", page_icon=Path(__file__).with_name("icon.svg"), layout="wide", initial_sidebar_state="collapsed"
    )
    widgets.style()
    pages = {
        name: st.Page(partial(draw, name), title=title, url_path=name, default=name == "story")
        for name, title in SCREENS.items()
    }
    page = st.navigation(list(pages.values()), position="hidden")
    st.session_state["pages"] = pages
    page.run()


def draw(name: str) -> None:
    """One screen, whole: the bar, then the view, or a plain sentence where there is nothing to show."""
    try:
        screen, offer, said = prepare()
    except FameError as error:
        widgets.full_page("The model cannot be shown", f"{error}.", "Then reload this page.")
        return
    bar.render(screen, st.session_state["pages"], offer, said)
    if not screen.state.history:
        widgets.full_page(
            "The history is empty",
            "Recommendations follow from what was watched.",
            "Add a film above, or open an example.",
        )
        return
    import_module(f"app.views.{name}").render(screen)


def prepare() -> tuple[Screen, list[str], tuple[str, ...]]:
    """This run's screen, in step with the URL; the models on offer; plain sentences on what is wrong with the link."""
    offer = {source.name: source for source in sources.sources()}
    model, wrong = state.choose_model(list(offer))
    source = offer[model]
    bundle = sources.load(source)
    opening = state.first(bundle, model)
    session = state.open_session(bundle, opening)
    links = state.write_url(bundle, opening, named=model != next(iter(offer)))
    theme: Theme = "dark" if st.context.theme.type == "dark" else "light"
    screen = Screen(source, bundle, session.state, opening, theme, links)
    return screen, list(offer), (*wrong, *session.said)


main()
