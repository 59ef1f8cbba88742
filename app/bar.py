"""The bar on top of every screen: model, screens, history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.navigation.page import Page

from app.screen import Screen

__all__ = ["render"]


def render(screen: Screen, pages: Mapping[str, Page], here: str, said: Sequence[str]) -> None:
    with st.container(horizontal=True, key="screens"):
        for page in pages.values():
            st.page_link(page, query_params=screen.links)
    for sentence in said:
        st.warning(sentence)
    st.caption(" · ".join(screen.bundle.catalogue.label(row) for row in screen.state.history))
