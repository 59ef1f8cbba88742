"""Small pieces that the screens share: styles, badges, sentences, downloads, the folded explanation."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import leaving, session
from app.components import component, drawn
from app.screen import Screen
from fame.plots.export import csv
from fame.plots.picture import Chart, Component, Origin, Picture, palette
from fame.plots.sheet import Sheet
from fame.plots.style import CONFIG, least_width

__all__ = [
    "Badge",
    "Bold",
    "Cell",
    "Noted",
    "badge",
    "controlled",
    "download",
    "download_table",
    "explanation",
    "formula",
    "full_page",
    "heading",
    "literal",
    "markup",
    "mount",
    "on_paper",
    "save",
    "stamped",
    "style",
    "styled",
    "subheading",
    "table",
    "tied",
    "with_badges",
    "write",
]


P = TypeVar("P", bound=Picture)
_about = component("about")
# Pictures are drawn in the theme's colours; on paper dark ones are turned to light, their ground to white.
PAPER = (
    "@media print{:is(.stBidiComponent,.stPlotlyChart,.fame-badge){color-scheme:only dark;"
    "filter:invert(1) hue-rotate(180deg) brightness(1.15)}}"
)
RULES = Path(__file__).with_name("page.css").read_text("utf-8")


STUCK = re.compile(r'(<span class="fame-badge[^>]*>[0-9]+</span>[:;,.)])')  # no line ends before a mark
INDEX = re.compile(r"(?<=[A-Za-zβ])_(\w)")  # of a letter in a formula


class Badge(int):
    """A head in a sentence, from 0: drawn as its number on its colour."""


class Noted(NamedTuple):
    """A number or word with the sentence that explains it, shown on hover, focus and tap."""

    text: str
    note: str


class Bold(str):
    """Words that stand out in a sentence."""


Part = str | Badge | Noted
Cell = Part | tuple[str | Badge, ...]


def badge(head: int) -> str:
    """The markup of a head's badge: its number on its colour, in whichever theme the page has."""
    return f'<span class="fame-badge fame-h{head % 8}" role="img" aria-label="head {head + 1}">{head + 1}</span>'


def markup(part: Part) -> str:
    """A head's badge, Bold text, or plain text, which is never markup itself."""
    if isinstance(part, Badge):
        return badge(part)
    if isinstance(part, Noted):
        said, note = html.escape(part.text), html.escape(part.note)
        spoken = f'role="note" aria-label="{said}: {note}"'
        return f'<span class="fame-noted" tabindex="0" {spoken} data-note="{note}">{said}</span>'
    return f"<b>{html.escape(part)}</b>" if isinstance(part, Bold) else html.escape(part)


def write(*parts: Part) -> None:
    """A sentence of plain text, Bold text and heads' badges. Text is never markup."""
    said = STUCK.sub(r'<span class="fame-stuck">\1</span>', "".join(map(markup, parts)))
    st.html(f'<p class="fame-say">{said}</p>')


def formula(parts: Sequence[str | int]) -> None:
    """A line of a formula: words, and heads from 0 as badges."""
    drawn = (
        markup(Badge(part)) if isinstance(part, int) else INDEX.sub(r"<sub>\1</sub>", markup(part)) for part in parts
    )
    st.html(f'<p class="fame-formula">{"".join(drawn)}</p>')


def table(label: str, head: Sequence[Cell], rows: Iterable[Sequence[Cell]], words: Sequence[int] = ()) -> None:
    """A table that scrolls where there is no room; the first column names the rows.

    label: what a screen reader calls it.   words: the columns that hold words, not numbers.
    """

    def cell(i: int, content: Cell, tag: str, scope: str = "") -> str:
        inner = "".join(map(markup, (content,) if isinstance(content, (str, Badge, Noted)) else content))
        return f"<{tag}{scope}{' class=words' * (i in words)}>{inner}</{tag}>"

    top = "".join(cell(i, part, "th", " scope=col") for i, part in enumerate(head))
    body = "".join(
        f"<tr>{cell(0, row[0], 'th', ' scope=row')}{''.join(cell(i, row[i], 'td') for i in range(1, len(row)))}</tr>"
        for row in rows
    )
    name = html.escape(label)
    st.html(
        f"""<div class="fame-scroll" tabindex="0" role="group" aria-label="{name}"><table class="fame-table"
        aria-label="{name}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"""
    )


def literal(text: str) -> str:
    """Text for a label that Streamlit takes as Markdown, so that it shows letter by letter."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!~$:<>|^&])", r"\\\1", text)


def with_badges(sentence: str, title: str, notes: Mapping[str, str] = MappingProxyType({})) -> list[Part]:
    """A sentence of `fame.explain` as parts for `write`: the title it is about, if any, words, and heads as badges.

    notes: regular expressions of the numbers in it, without groups, each with the sentence that says what it is.
    """
    before, title, after = sentence.partition(title) if title else ("", "", sentence)
    parts: list[Part] = [*_noted(before, notes), Bold(title)]
    for word in re.split(r"((?:[Hh]eads? |(?<=[0-9])(?:, | and | or ))[0-9]+)", after):
        if found := re.fullmatch(r"([Hh]eads? |, | and | or )([0-9]+)", word):
            parts += [found[1], Badge(int(found[2]) - 1)]
        else:
            parts += _noted(word, notes)
    return parts


def _noted(text: str, notes: Mapping[str, str]) -> list[Part]:
    """Words, with the numbers that match an expression of `notes` under its sentence."""
    if not notes:
        return [text]
    parts: list[Part] = []
    told, at = list(notes.values()), 0
    for found in re.finditer("|".join(f"({number})" for number in notes), text):
        parts += [text[at : found.start()], Noted(found[0], told[(found.lastindex or 1) - 1])]
        at = found.end()
    return [*parts, text[at:]]


def styled(text: str, cls: str, more: str = "") -> None:
    """A few words in a style of the app's own; `more` is shown to who points at them."""
    st.html(f'<span class="{cls}" title="{html.escape(more)}">{html.escape(text)}</span>', width="content")


def on_paper(text: str) -> None:
    """What a control beside it says on the screen, as words: controls are not printed."""
    st.html(f'<p class="fame-paper">{html.escape(text)}</p>')


def heading(title: str, question: str) -> None:
    """A screen's name and the question that it answers."""
    st.html(f'<h1 class="fame-title">{html.escape(title)} <small>{html.escape(question)}</small></h1>')


def subheading(title: str, note: str = "") -> None:
    """The name of a part of a screen, and what it shows."""
    st.html(f'<h2 class="fame-part">{html.escape(title)} <small>{html.escape(note)}</small></h2>')


def explanation(screen: Screen) -> None:
    """'What am I looking at?': the screen's help, folded once read. On paper, what the page was printed from."""
    paragraphs = [" ".join(part.split()) for part in screen.help.strip().split("\n\n")]
    of = "" if screen.declaration.of_the_model else screen.caption
    origin = {"model": screen.model, "caption": of, "link": screen.link}
    _about(key=f"about_{screen.name}", data={"screen": screen.name, "paragraphs": paragraphs, **origin})


def controlled(key: str, value: Any, field: str, read: Callable[[Any], Any] = lambda v: v) -> dict[str, Any]:
    """Arguments that tie a widget to a field or option of the state: it shows `value`, a change updates the state."""
    return tied(key, value, lambda chosen: session.update(**{field: read(chosen)}))


KEYS = 8  # a widget takes in turn; a browser is never that many changes behind
OWN = object()  # the next value a widget shows follows from the visitor's own choice in it


def tied(key: str, value: Any, take: Callable[[Any], None]) -> dict[str, Any]:
    """Arguments that tie a widget to `value`, which it always shows; what the visitor chooses in it goes to `take`.

    A browser that has not yet heard of a new value still reports the old one with the next click anywhere, which
    would pass for a choice. So a widget whose value was changed elsewhere goes on under another key. The keys come
    round again: Streamlit keeps what it knows of each, a box's options among it, as long as the session lasts.
    A browser that goes back and forth between screens also reports what a widget opened with. That is no choice
    either, unless the visitor has just chosen something else there and now takes it back.
    """
    shown: dict[str, tuple[Any, int]] = st.session_state.setdefault("fame_shown", {})
    last, turn = shown.get(key, (value, 0))
    turn += last is not OWN and last != value
    shown[key] = value, turn
    own = f"{key}-{turn % KEYS}" if turn % KEYS else key
    st.session_state[own] = value

    def change() -> None:
        shows, latest = shown[key]
        if latest == turn and (shows is OWN or st.session_state[own] != value):
            shown[key] = OWN, turn
            take(st.session_state[own])

    return {"key": own, "on_change": change}


def download(label: str, make: Callable[[], bytes], file: str, mime: str, key: str, note: str | None = None) -> None:
    """A button that downloads a file, written when it is clicked; *All of this screen* has it too."""
    leaving.offer(file, make, key)
    st.download_button(
        label, make, file_name=file, mime=mime, key=key, on_click="ignore", type="tertiary",
        icon=":material/download:", help=note,
    )  # fmt: skip


def download_table(
    label: str, table: pd.DataFrame | Callable[[], pd.DataFrame], file: str, key: str, origin: Origin | None = None
) -> None:
    """A button that downloads a table as CSV, written when it is clicked: with its origin, else the screen's."""
    columns = (origin or leaving.origin()).columns
    download(label, lambda: csv(table() if callable(table) else table, columns), file, "text/csv", key)


class _Ready(go.Figure):
    """A sheet where Streamlit expects a figure, of which it asks only this; a real one is checked and copied anew."""

    def __init__(self, sheet: Sheet) -> None:
        object.__setattr__(self, "sheet", sheet)

    def to_dict(self) -> dict[str, Any]:
        return self.sheet.spec()


def mount(picture: Picture, key: str, **triggers: Any) -> Any:
    """A picture of `fame.plots` on the screen, under its own alternative text.

    triggers: what to call on a trigger of a `Component`, such as pick=…; on_select=… of a `Chart`.
    """
    told = stamped(picture, leaving.origin())
    if isinstance(told, Component):
        answers = {f"on_{name}_change": call for name, call in triggers.items()}
        return drawn(*told.files)(key=key, data=told.payload | {"live": True}, **answers)
    assert isinstance(picture, Chart) and isinstance(told, Chart)
    sheet = picture.bare  # which a picture that is kept has kept too
    st.html(f"<style>.st-key-{key} {{ min-width: {least_width(sheet)}px }}</style>")
    with st.container(key=f"{key}_wide", gap=None):
        answer = st.plotly_chart(_Ready(sheet), key=key, config=dict(CONFIG), theme=None, alt=picture.alt, **triggers)
        control = told.control(f".st-key-{key} .svg-container")
        drawn(*control.files)(key=f"{key}_files", data=control.payload)
    return answer


def save(
    screen: Screen, picture: Picture, key: str, label: str = "Picture as HTML", table: str = "Table as CSV",
    caption: str | None = None, code: str = "",
) -> None:  # fmt: skip
    """Buttons that download a picture's numbers as CSV and itself as one HTML file, each written when it is clicked.

    Over the picture stand the model's name and the caption: the history, where none is given.
    code: the Python that makes the picture in a notebook, in the names of `app.notebook.start`.
    """
    picture = stamped(picture, screen.origin)
    leaving.show(picture, code, key)
    said = f"{screen.caption if caption is None else caption} {picture.origin.trail}".strip()
    download_table(table, lambda: picture.table, f"{picture.file}.csv", f"{key}_csv", picture.origin)
    download(
        label, lambda: picture.html(screen.model, said).encode(), f"{picture.file}.html", "text/html", f"{key}_html",
        "Opens anywhere, offline, and saves SVG and PNG from there",
    )  # fmt: skip


def stamped(picture: P, known: Origin) -> P:
    """A picture with all of its origin: what it says itself, and what is known of the screen where it says nothing."""
    own = picture.origin
    return picture.with_origin(
        replace(known, history=own.history, change=own.change, model=own.model or known.model) if own.model else known
    )


def full_page(title: str, *sentences: str) -> None:
    """A page that has nothing else to show: what is the matter, and the way on."""
    lines = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)
    st.html(f'<section class="fame-empty" role="status"><h2>{html.escape(title)}</h2>{lines}</section>')


def style() -> None:
    """The app's own rules, once per page."""
    heads = "".join(
        f".fame-h{h}{{background:var(--h{h + 1});color:var(--on{h + 1})}}"
        f"[class*=_head] .stButtonGroup button:nth-of-type({h + 1}){{box-shadow:inset 0 -4px 0 var(--h{h + 1})}}"
        for h in range(8)
    )
    paper = PAPER if st.context.theme.type == "dark" else ""
    st.html(f"<style>.stApp{{{palette()}}}{RULES}{heads}{paper}</style>")
