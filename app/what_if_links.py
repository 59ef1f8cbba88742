"""'What if without it?': from any screen that follows a history, a link for each item, head and expert into What if."""

from __future__ import annotations

import streamlit as st

from app import widgets
from app.screen import Screen
from fame import explain
from fame.explain import Change, ExpertOff, HeadOff, Remove

__all__ = ["what_if_links"]

TARGET = "what_if"  # the screen they lead to
LONG = 20  # items of a history that have a link each; the last ones count most


def what_if_links(screen: Screen) -> None:
    """A menu that is filled when it is opened; nothing on What if itself, and where no history is followed."""
    if screen.name == TARGET or TARGET not in screen.pages or not screen.declaration.needs_history:
        return
    menu = st.popover("What if without…", type="tertiary", key="what_if_without", on_change="rerun")
    if not menu.open:
        return
    c, now = screen.bundle.config, screen.state
    with menu:
        if len(now.history) > 1:
            st.caption(f"{screen.noun.capitalize()}s of the history")
            for at in range(max(0, len(now.history) - LONG), len(now.history)):
                row = now.history[at]
                _link(screen, Remove(at, str(screen.bundle.catalogue.item_id[row])), screen.bundle.catalogue.label(row))
        if c.n_heads * c.n_experts > 1:
            st.caption("Heads" + " and their experts" * (c.n_experts > 1))
        for h in range(c.n_heads):
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
                if c.n_heads > 1:
                    _link(screen, HeadOff(h), screen.head_name(h))
                for n in range(c.n_experts if c.n_experts > 1 else 0):
                    _link(screen, ExpertOff(h, n), f"expert {n + 1}")


def _link(screen: Screen, change: Change, label: str) -> None:
    st.page_link(
        screen.pages[TARGET], label=widgets.literal(label),
        query_params={**screen.links, "b": explain.changes_text([change])},
    )  # fmt: skip
