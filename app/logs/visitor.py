"""Which box is this visitor's: the one of the browser's cookie, or the one that a link opens."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any

import streamlit as st

from app.logs.box import TOKEN, Box, new_token
from app.sources import Source, sources
from fame.bundle import MANIFEST

__all__ = [
    "allowed",
    "allowed_here",
    "box",
    "fresh_cookie",
    "leave",
    "models",
    "own_link",
    "served_to_many",
    "shipped",
    "visiting",
]

COOKIE = "fame_box"
OWN, VISITED = "fame_own", "fame_visited"  # in session state
LOCAL = {"localhost", "127.0.0.1", "::1", "[::1]"}
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded")
TOUCH = 600.0  # seconds between two notes that a box was opened


def served_to_many() -> bool:
    """Whether uploads are let in for whoever can open the app: FAME_UPLOADS=1."""
    return os.environ.get("FAME_UPLOADS") == "1"


def allowed_here() -> bool:
    """Whether the server answers this machine alone, and uploads are not switched off by FAME_UPLOADS=0."""
    places = {st.get_option("server.address"), st.get_option("browser.serverAddress")}
    return os.environ.get("FAME_UPLOADS") != "0" and places <= LOCAL


def allowed() -> bool:
    """Whether this visitor may bring files: the app answers this machine alone, or FAME_UPLOADS=1."""
    if served_to_many():
        return True
    headers = st.context.headers
    host = str(headers.get("Host", "localhost")).rpartition(":")[0] or str(headers.get("Host", "localhost"))
    return allowed_here() and host in LOCAL and not any(headers.get(name) for name in FORWARDED)


def fresh_cookie(headers: Iterable[tuple[bytes, bytes]], secure: bool) -> str:
    """A cookie with a token for a browser that has none; '' where it has one, or uploads are off."""
    if not (served_to_many() or allowed_here()):
        return ""
    sent = "; ".join(value.decode("latin-1") for name, value in headers if name == b"cookie")
    if TOKEN.fullmatch(cookie_of(sent)):
        return ""
    more = "; Secure" if secure else ""
    return f"{COOKIE}={new_token()}; Path=/; Max-Age={400 * 86_400}; HttpOnly; SameSite=Lax{more}"


def cookie_of(text: str) -> str:
    try:
        found = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def own() -> str:
    """The token of this browser; of this session alone where the browser keeps no cookie."""
    state: Any = st.session_state
    if OWN not in state:
        token = st.context.cookies.get(COOKIE)
        state[OWN] = token if isinstance(token, str) and TOKEN.fullmatch(token) else new_token()
    return state[OWN]


def box() -> Box:
    """The box that is open: this browser's own, or the one of a link with `box=`."""
    asked = st.query_params.get("box", "")
    if TOKEN.fullmatch(asked) and asked != own():
        st.session_state[VISITED] = asked
    return Box(st.session_state.get(VISITED) or own())


def visiting() -> bool:
    """Whether the open box is another one than this browser's own."""
    box()
    return VISITED in st.session_state


def leave() -> None:
    """Go back to this browser's own box, for callbacks."""
    st.session_state.pop(VISITED, None)
    st.query_params.pop("box", None)


def own_link() -> str:
    """The address that opens this box in another browser."""
    address = url.partition("?")[0] if isinstance(url := st.context.url, str) else ""
    return f"{address}?box={box().token}"


def shipped() -> list[str]:
    """The names that the server's own bundles have."""
    return [source.name for source in sources()]


def models() -> dict[str, Source]:
    """The models of the open box, by name, the newest first; none where uploads are off."""
    if not allowed():
        return {}
    here = box()
    if time.monotonic() - st.session_state.get("fame_touched", -TOUCH) > TOUCH:
        st.session_state["fame_touched"] = time.monotonic()
        here.touch()
    found: dict[str, Source] = {}
    for entry in here.entries():
        if (place := entry.model) is not None and (name := entry.state.get("name")):
            kept = place if place.is_file() else place / MANIFEST
            found[name] = Source(name, str(place), kept.stat().st_mtime_ns)
    return found
