"""Story: what is recommended, and which head says so?"""

from __future__ import annotations

import streamlit as st

from app import widgets
from app.screen import Screen

__all__ = ["render"]


def render(screen: Screen) -> None:
    widgets.heading("Story", "What is recommended, and which head says so?")
    st.dataframe(screen.trace.top(screen.state.k, exclude_history=screen.state.hide_seen))
