"""A picture: numbers, one sentence, and the one piece of code that draws them wherever they are shown.

The app mounts a picture, a notebook shows it, `html()` writes it as a page that needs nothing else: the same code, the
same numbers. Where a click answers, `NAME.js` beside this file draws it (`Component`); elsewhere Plotly does (`Chart`).
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from fame.plots.export import page
from fame.plots.style import LOOKS, Theme, ink_on

__all__ = ["Chart", "Component", "Picture", "palette", "script", "styles"]

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What every picture has.

    name: of its file, such as 'story'.   title, note: what it shows, a line each, plain text.
    alt: the sentence that a screen reader speaks.   table: its numbers.   theme: 'light' or 'dark'.
    """

    name: str
    title: str
    note: str = ""
    alt: str
    table: pd.DataFrame = field(repr=False)
    theme: Theme = "light"

    def body(self) -> str:
        """The picture as a part of a page, which has Plotly's script where it is a `Chart`."""
        raise NotImplementedError

    def html(self, heading: str = "", note: str = "") -> str:
        """The picture as a page of its own that opens offline; over it a heading, and a note on where it is from."""
        return page([self], heading or self.title, note=note)

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.html())}" title="{html.escape(self.alt)}" '
            'style="width:100%;height:620px;border:0"></iframe>'
        )


@dataclass(frozen=True, kw_only=True)
class Component(Picture):
    """A picture that NAME.js draws from `data`, plain JSON.

    parts: files that come before NAME.js and NAME.css, without their endings.
    """

    data: Mapping[str, Any] = field(repr=False)
    parts: tuple[str, ...] = ("shared",)

    def body(self) -> str:
        """A shadow tree, so that its styles touch nothing else, and the module that draws into it."""
        data = json.dumps(self.data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
        code = script(self.name, *self.parts).replace("export default function", "const mount = function", 1)
        return f"""<div class="fame-picture" id="{self.name}"></div>
<script type="application/json" id="{self.name}-data">{data}</script>
<script type="module">
{code}
const host = document.getElementById("{self.name}")
const tree = host.attachShadow({{ mode: "open" }})
const style = document.createElement("style")
style.textContent = {json.dumps(styles(self.name, *self.parts)).replace("<", chr(92) + "u003c")}
const root = document.createElement("div")
root.className = "root"
tree.append(style, root)
const data = JSON.parse(document.getElementById("{self.name}-data").textContent)
mount({{ data, parentElement: tree, setTriggerValue() {{}}, setStateValue() {{}} }})
</script>"""


@dataclass(frozen=True, kw_only=True)
class Chart(Picture):
    """A picture that Plotly draws."""

    figure: go.Figure = field(repr=False)

    def body(self) -> str:
        raise NotImplementedError("drawn by fame.plots.export")


@cache
def palette() -> str:
    """The colours of both themes as CSS variables: --h1 … --h8 with their inks --on1 … --on8, and the page's inks."""
    light, dark = LOOKS["light"], LOOKS["dark"]
    both = {name: (getattr(light, name), getattr(dark, name)) for name in ("ink", "soft", "line", "panel", "page")}
    for h, pair in enumerate(zip(light.heads, dark.heads, strict=True), 1):
        both[f"h{h}"] = pair
        both[f"on{h}"] = (ink_on(pair[0]), ink_on(pair[1]))
    return "".join(f"--{name}:light-dark({a},{b});" for name, (a, b) in both.items())


def styles(name: str, *parts: str, folder: Path = HERE) -> str:
    """The rules of a component: the palette, base.css, those of its parts, its own."""
    own = "".join((folder / f"{name}.css").read_text("utf-8"))
    return f".root{{{palette()}}}\n" + "".join(_read(f"{part}.css") for part in ("base", *parts)) + own


def script(name: str, *parts: str, folder: Path = HERE) -> str:
    """The module of a component: its parts, then NAME.js of the folder."""
    return "".join(_read(f"{part}.js") for part in parts) + (folder / f"{name}.js").read_text("utf-8")


@cache
def _read(file: str) -> str:
    return (HERE / file).read_text("utf-8")
