"""Presenting to a room: no bar, large type, one picture a page; and the address as a QR code."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlencode

import segno
import streamlit as st

from app import session
from app.components import component
from app.screen import Screen, Turns
from app.state import State
from app.url import query

__all__ = ["FEWER", "address", "drawn_state", "follow", "presenter", "qr"]

FEWER = 5  # items of a list that a room can read
RULES = Path(__file__).with_name("present.css").read_text("utf-8")
_present = component("present")


def drawn_state(state: State) -> State:
    """The state as it is drawn: shorter lists while presenting."""
    return replace(state, k=min(state.k, FEWER)) if state.present else state


def address(screen: Screen, present: bool = False) -> str:
    """The address of what is shown, as the visitor's browser reaches it."""
    state = replace(session.current(), present=present)
    return f"{st.context.url or ''}?{urlencode(query(state, screen.bundle, None))}"


def qr(screen: Screen) -> None:
    """The address of what is shown as a QR code, for telephones; they see it with the bar."""
    if code := _code(address(screen)):
        with st.container(key="fame_qr"):
            st.image(code, width=150, alt="QR code of this page's address")


@lru_cache(64)
def _code(text: str) -> str:
    """A text as a QR code: an SVG, which scales to its place; '' where it is too long for one."""
    drawn = io.BytesIO()
    try:
        segno.make(text, error="l").save(drawn, kind="svg", xmldecl=False, border=2, light="#fff", omitsize=True)
    except segno.DataOverflowError:
        return ""
    return drawn.getvalue().decode()


def presenter(screen: Screen) -> None:
    """The button that begins presenting; while it lasts its rules, and arrows in the bar's place."""
    turns = screen.declaration.turns(screen) if screen.declaration.turns else _screens(screen)
    if screen.state.present:
        st.html(f"<style>{RULES}</style>")
    data = {
        "show": screen.state.present,
        "page": f"{screen.name} {turns.said}",
        "back": st.session_state.get("present_back", False),
        **{"first": turns.first, "last": turns.last, "said": turns.said},
    }
    _present(key="present", data=data, on_show_change=_show, on_step_change=lambda: _step(turns))


def _screens(screen: Screen) -> Turns:
    """From screen to screen, for one that has no pages of its own."""
    names = list(screen.pages)
    at = names.index(screen.name)

    def step(by: int) -> None:
        st.session_state["present_go"] = names[at + by]

    return Turns(at == 0, at == len(names) - 1, "", step)


def follow(screen: Screen) -> None:
    """Go to the screen that an arrow asked for, if one did."""
    if to := st.session_state.pop("present_go", None):
        st.switch_page(screen.pages[to], query_params=screen.links)


def _show() -> None:
    asked = st.session_state["present"].get("show")
    if isinstance(asked, bool):
        session.update(present=asked)


def _step(turns: Turns) -> None:
    by = st.session_state["present"].get("step")
    if by in (1, -1) and not isinstance(by, bool) and not (turns.last if by > 0 else turns.first):
        st.session_state["present_back"] = by < 0
        turns.step(by)
