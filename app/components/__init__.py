"""Small browser components: `name.css` and `name.js` beside this file, mounted as one v2 component.

`base.css` comes before each: the heads' colours as --h1 … --h8 with their inks --on1 … --on8, and the inks of the page
as --ink, --soft, --line, --panel, --page, in whichever theme the page has.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from fame.plots.style import LOOKS, ink_on

__all__ = ["component", "palette"]

HERE = Path(__file__).parent


@cache
def palette() -> str:
    """The colours of both themes as CSS variables."""
    light, dark = LOOKS["light"], LOOKS["dark"]
    both = {name: (getattr(light, name), getattr(dark, name)) for name in ("ink", "soft", "line", "panel", "page")}
    for h, pair in enumerate(zip(light.heads, dark.heads, strict=True), 1):
        both[f"h{h}"] = pair
        both[f"on{h}"] = (ink_on(pair[0]), ink_on(pair[1]))
    return "".join(f"--{name}:light-dark({a},{b});" for name, (a, b) in both.items())


def component(name: str, *before: str) -> Any:
    """The function that mounts a component: call it with `key=`, `data=` and `on_<trigger>_change=`.

    before: other files beside this one, without `.js` and `.css`, that come before the component's own.
    """
    css = f".root{{{palette()}}}\n" + "".join(_read(f"{part}.css") for part in ("base", *before, name))
    js = "".join(_read(f"{part}.js") for part in (*before, name))
    return st.components.v2.component(f"fame_{name}", html='<div class="root"></div>', css=css, js=js)


def _read(file: str) -> str:
    return (HERE / file).read_text("utf-8")
