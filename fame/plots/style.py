"""The look every picture shares: the heads' palette, colour scales, type, and how titles become text.

Colour belongs to the heads and nothing else; what is not a head is drawn in ink, soft ink or line.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import plotly.graph_objects as go

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.plots.sheet import Sheet

__all__ = [
    "CONFIG",
    "FONT",
    "LOOKS",
    "Look",
    "Scale",
    "Sentence",
    "Theme",
    "alpha",
    "blend",
    "contrast",
    "finish",
    "head_colour",
    "head_name",
    "head_scale",
    "ink_on",
    "ink_scale",
    "label",
    "least_width",
    "look",
    "sentence",
    "signed_scale",
    "template",
    "text",
    "texts",
    "untitled",
]

Theme = Literal["light", "dark"]
Scale = list[tuple[float, str]]

FONT = 'Inter, "Liberation Sans", system-ui, sans-serif'
AA = 4.5  # WCAG 2.2, contrast of text at level AA


@dataclass(frozen=True)
class Look:
    """The colours of one theme, as #rrggbb. `heads`: eight, told apart under every common colour blindness."""

    page: str
    panel: str
    line: str
    soft: str  # secondary text
    ink: str
    heads: tuple[str, ...]
    down: str  # the two ends of a difference that belongs to no head
    up: str


# The first six are Okabe and Ito's (2008), on dark in lighter variants; the last two were chosen to stay apart
# from them under protanopia, deuteranopia and tritanopia. The heads' numbers stand beside them everywhere.
LOOKS: Mapping[Theme, Look] = {
    "light": Look(
        page="#ffffff",
        panel="#f4f5f8",
        line="#e4e7ec",
        soft="#5f697d",
        ink="#1d2330",
        heads=("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#773333", "#22229A"),
        down="#8C510A",
        up="#01665E",
    ),
    "dark": Look(
        page="#11151d",
        panel="#1b212c",
        line="#2b3240",
        soft="#98a2b3",
        ink="#e8eaf0",
        heads=("#4AA3DF", "#F0B53C", "#35C29A", "#E29BC4", "#A6DBF7", "#E8703A", "#A8503A", "#7766EE"),
        down="#D8A15A",
        up="#5FC7BB",
    ),
}

# Plotly's own toolbar has nothing to add: axes are fixed, and what it saves does not say where it is from, as a
# picture's own control for files does. Give this to `Figure.show`, `to_html` or Streamlit's `config`.
CONFIG: Mapping[str, Any] = {"displayModeBar": False, "responsive": True}


def look(theme: Theme) -> Look:
    """The colours of a theme.

    Raises:
        FameError: it is neither 'light' nor 'dark'.
    """
    if theme not in LOOKS:
        raise FameError(f"theme is {theme!r}; expected 'light' or 'dark'")
    return LOOKS[theme]


def head_colour(head: int, theme: Theme = "light") -> str:
    """The colour of head 0, 1, …; from the ninth on they repeat and the number tells them apart."""
    heads = look(theme).heads
    return heads[head % len(heads)]


def head_name(head: int) -> str:
    """What people call head 0: 'Head 1'."""
    return f"Head {head + 1}"


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def alpha(colour: str, opacity: float) -> str:
    """#rrggbb at an opacity in [0, 1], as CSS."""
    r, g, b = _rgb(colour)
    return f"rgba({r},{g},{b},{opacity:.3g})"


def blend(low: str, high: str, share: float) -> str:
    """The colour `share` of the way from `low` to `high`, as a colour scale draws it."""
    mixed = (round(a + (b - a) * min(1.0, max(0.0, share))) for a, b in zip(_rgb(low), _rgb(high), strict=True))
    return "#" + "".join(f"{c:02x}" for c in mixed)


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in _rgb(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG 2.2, from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@lru_cache(4096)
def ink_on(colour: str) -> str:
    """White or dark text that reads on `colour`, with a contrast of at least 4.5 (WCAG AA)."""
    # Black or white always reaches it; the page's softer dark goes before black where that is enough.
    return next(ink for ink in ("#ffffff", LOOKS["dark"].page, "#000000") if contrast(ink, colour) >= AA)


def head_scale(head: int, theme: Theme = "light") -> Scale:
    """Nothing to much of one head: panel to the head's colour."""
    return [(0.0, look(theme).panel), (1.0, head_colour(head, theme))]


def signed_scale(head: int, theme: Theme = "light") -> Scale:
    """A head's share around zero: grey where it pulls down, the head's colour where it lifts."""
    return [(0.0, look(theme).soft), (0.5, look(theme).panel), (1.0, head_colour(head, theme))]


def ink_scale(theme: Theme = "light") -> Scale:
    """Nothing to much of what belongs to no head: panel to ink."""
    return [(0.0, look(theme).panel), (1.0, look(theme).ink)]


def text(title: str, width: int | None = None) -> str:
    """A title as text for Plotly, which draws some HTML and TeX in labels: escaped, and cut to `width` letters."""
    if width is not None and len(title) > width:
        title = title[: max(1, width - 1)].rstrip(" ,.:;-(") + "…"
    return html.escape(title, quote=False).replace("$", "&#36;")


def label(catalogue: Catalogue, row: int, width: int) -> str:
    """Title and year of an item as `text`; where that is longer than `width` letters the title is cut, not the year."""
    year = f" ({catalogue.year[row]})" if catalogue.year[row] else ""
    return text(str(catalogue.title[row]), width - len(year)) + year


def texts(titles: Iterable[str], width: int) -> list[str]:
    """`text` of each; where two different titles would look the same, they lose their middles instead."""
    names = [str(title) for title in titles]
    cut = [text(name, width) for name in names]
    full: dict[str, set[str]] = {}
    for name, short in zip(names, cut, strict=True):
        full.setdefault(short, set()).add(name)
    tail = (width - 1) // 2
    return [
        short if len(full[short]) == 1 else text(f"{name[: width - 1 - tail].rstrip()}…{name[-tail:].lstrip()}")
        for name, short in zip(names, cut, strict=True)
    ]


@cache
def _template(theme: Theme) -> go.layout.Template:
    colours = look(theme)
    axis = {
        "showgrid": False,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "automargin": True,
        "fixedrange": True,
        "ticklabelstandoff": 6,
        "tickfont": {"color": colours.soft, "size": 12},
        "title": {"font": {"color": colours.soft, "size": 12}, "standoff": 8},
        "gridcolor": colours.line,
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": colours.ink},
            "paper_bgcolor": colours.page,
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(colours.heads),
            "xaxis": axis,
            "yaxis": axis,
            "showlegend": False,
            "hovermode": "closest",
            "dragmode": False,
            "barcornerradius": 3,
            "hoverlabel": {
                "bgcolor": colours.panel,
                "bordercolor": colours.soft,
                "align": "left",
                "font": {"family": FONT, "size": 13, "color": colours.ink},
            },
            "title": {
                "x": 0,
                "xref": "container",
                "xanchor": "left",
                "y": 1,
                "yref": "container",
                "yanchor": "top",
                "pad": {"l": MARGIN, "t": MARGIN + 10},
                "font": {"size": 16, "weight": 600, "color": colours.ink},
            },
            "annotationdefaults": {"showarrow": False, "font": {"size": 12, "color": colours.soft}},
            "margin": {"l": MARGIN, "r": MARGIN, "t": MARGIN, "b": MARGIN},
        }
    )


MARGIN = 16
CLOSE = 4  # pixels above a picture whose sentence a page says right over it
TITLE_HEIGHT = 48  # of a title and the line under it


def template(theme: Theme = "light") -> go.layout.Template:
    """The Plotly template of every picture here; `go.Figure(layout_template=template('dark'))` for your own.

    Raises:
        FameError: the theme is neither 'light' nor 'dark'.
    """
    look(theme)
    return _template(theme)


@cache
def _template_spec(theme: Theme) -> dict[str, Any]:
    return dict(_template(theme).to_plotly_json())


def finish(
    sheet: Sheet,
    *,
    theme: Theme,
    title: str,
    note: str,
    alt: str,
    height: float,
    width: float | None = None,
    least: float = 480,
    top: float = 0,
    bottom: float = 0,
) -> Sheet:
    """The sheet itself, with its look, its sentence and its size: a picture that is ready to be drawn.

    title, note: one line each above the picture, already passed through `text` where they name items.
    alt: the sentence a screen reader speaks, plain.
    width: the picture's own width, more only where its sentence needs it; else it takes what it is given, and needs
        `least` to be without overlaps.
    height, top, bottom: pixels of the plotting area, of labels between it and the title, and of labels under it.
    """
    # A line of the title itself: Plotly sets its own subtitles half a line too low.
    style = f"font-size:13px;font-weight:400;color:{look(theme).soft}"
    sheet.update_layout(
        template=_template_spec(theme),
        title={"text": f'{title}<br><span style="{style}">{note}</span>'},
        height=round(height + top + bottom + TITLE_HEIGHT + 2 * MARGIN),
        margin={"t": TITLE_HEIGHT + MARGIN + round(top), "b": MARGIN + round(bottom)},
        meta={
            "alt": alt, "least": round(width or least), "sentence": round(_extent(title, note)),
            "title": html.unescape(title), "note": html.unescape(note), "theme": theme,
        },
    )  # fmt: skip
    if width is not None:
        more = max(0, round(_extent(title, note) - width))  # where the sentence is wider than the picture
        sheet.update_layout(width=round(width) + more, margin={"r": MARGIN + more}, autosize=False)
    return sheet


def _extent(title: str, note: str) -> float:
    """Pixels that the sentence above a picture takes; Plotly breaks no lines."""
    return 2 * MARGIN + max(9.8 * len(html.unescape(title)), 6.7 * len(html.unescape(note)))


def least_width(sheet: Sheet) -> int:
    """Pixels below which labels of a finished picture overlap or are cut off: let it scroll there."""
    meta = sheet.layout["meta"]
    return max(int(meta["least"]), int(meta["sentence"]) if sheet.layout["title"] else 0)


def untitled(sheet: Sheet) -> Sheet:
    """The same picture without the sentence above it and its margin, for a page that says it in its own words."""
    bare, spare = deepcopy(sheet), TITLE_HEIGHT + MARGIN - CLOSE
    bare.layout["margin"]["t"] -= spare
    bare.layout |= {"title": None, "height": sheet.layout["height"] - spare}
    return bare


@dataclass(frozen=True)
class Sentence:
    """What stands over a picture, a line each in plain text, what a screen reader says of it, and its theme."""

    title: str
    note: str
    alt: str
    theme: Theme


def sentence(sheet: Sheet) -> Sentence:
    """What `finish` was told."""
    meta = sheet.layout["meta"]
    return Sentence(meta["title"], meta["note"], meta["alt"], meta["theme"])
