"""Pictures as files: one HTML page that needs nothing else, or SVG, PNG and PDF."""

from __future__ import annotations

import html
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Literal

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from fame.errors import FameError
from fame.plots.style import CONFIG, FONT, LOOKS, alt_text, least_width

__all__ = ["page", "to_html", "to_image"]

FORMATS = ("svg", "png", "pdf")
WIDTH = 960  # pixels of an image whose figure leaves its width open


def to_html(fig: go.Figure, title: str = "FAME", note: str = "") -> str:
    """One picture as a page of its own; opens offline. With a `note` on what it was computed from, under its title."""
    return page([fig], title, heading=bool(note), note=note)


def page(figures: Iterable[go.Figure], title: str, heading: bool = True, note: str = "") -> str:
    """Several pictures under one heading as a standalone HTML page: Plotly's script is in it, once.

    note: a plain line under the heading.

    Raises:
        FameError: there is no figure, or one not made by `fame.plots` (it has no alternative text).
    """
    figs = list(figures)
    if not figs:
        raise FameError("there is no picture to put on the page; give at least one figure")
    name = html.escape(title)
    look = next((x for x in LOOKS.values() if x.page == figs[0].layout.template.layout.paper_bgcolor), LOOKS["light"])
    widest = max(1200, *(least_width(fig) + 32 for fig in figs))
    drawn = [
        f'<figure role="img" aria-label="{html.escape(alt_text(fig))}"><div style="min-width:{least_width(fig)}px">'
        + fig.to_html(full_html=False, include_plotlyjs=False, config=dict(CONFIG), div_id=f"picture-{i}")
        + "</div></figure>"
        for i, fig in enumerate(figs, start=1)
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="{"light" if look is LOOKS["light"] else "dark"}">
<title>{name}</title>
<style>
body {{ margin: 0 auto; max-width: {widest}px; padding: 16px; background: {look.page}; color: {look.ink};
       font: 14px/1.45 {FONT}; }}
h1 {{ font-size: 22px; margin: 8px 16px 0; }}
h1 + p {{ margin: 2px 16px 12px; color: {look.soft}; }}
figure {{ margin: 0 0 16px; overflow-x: auto; }}
</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
{f"<h1>{name}</h1>" if heading else ""}{f"<p>{html.escape(note)}</p>" if heading and note else ""}
{"".join(drawn)}
</body>
</html>
"""


def to_image(fig: go.Figure, form: Literal["svg", "png", "pdf"] = "svg", scale: float = 2) -> bytes:
    """One picture as an image file's bytes; `scale` sharpens a PNG. Needs the package kaleido and Chrome.

    Raises:
        FameError: another form is asked for, or kaleido or Chrome is not installed.
    """
    if form not in FORMATS:
        raise FameError(f"there is no image form {form!r}; expected {', '.join(FORMATS)}")
    instead = "write HTML instead, whose toolbar saves SVG"
    if find_spec("kaleido") is None:
        raise FameError(f"images need the package kaleido; run 'pip install kaleido', or {instead}")
    try:
        return fig.to_image(
            format=form, scale=scale, width=fig.layout.width or max(WIDTH, least_width(fig)), height=fig.layout.height
        )
    except (RuntimeError, ValueError, OSError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise FameError(f"no image could be made ({why}); images need Chrome: install it, or {instead}") from None
