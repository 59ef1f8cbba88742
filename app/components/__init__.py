"""Browser components: a picture of `fame.plots`, or NAME.js and NAME.css beside this file, as a v2 component."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from fame.plots import picture

__all__ = ["component", "drawn"]

HERE = Path(__file__).parent


def component(name: str, *parts: str) -> Any:
    """The function that mounts a component: call it with `key=`, `data=` and `on_<trigger>_change=`.

    parts: files beside the component's own, without `.js`, that come before it; of `fame.plots` with their `.css`.
    """
    own = (HERE / f"{name}.js").exists()
    more = "".join((HERE / f"{part}.js").read_text("utf-8") for part in parts) if own else ""
    shared, folder = ((), HERE) if own else (parts, picture.HERE)
    return st.components.v2.component(
        f"fame_{name}", html='<div class="root"></div>', css=picture.styles(name, *shared, folder=folder),
        js=more + picture.script(name, *shared, folder=folder),
    )  # fmt: skip


@cache
def drawn(name: str, *parts: str) -> Any:
    """The function that mounts a `Component` of `fame.plots`, with its control for files: call it as `component`'s."""
    return st.components.v2.component(
        f"fame_{name}", html='<div class="root"></div>', css=picture.styles(name, *parts),
        js=picture.module(name, *parts),
    )  # fmt: skip
