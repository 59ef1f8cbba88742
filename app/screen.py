"""What a screen declares of itself, and what it is given to draw from."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple
from urllib.parse import urlencode

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import Page

from app import sources
from app.sources import Source
from app.state import State, changed
from app.url import query
from fame.bundle import Bundle
from fame.errors import FameError
from fame.plots.picture import Origin
from fame.plots.style import Theme
from fame.text import words
from fame.trace import NOTHING, Intervention, Trace

__all__ = ["Declaration", "NothingToShow", "Option", "Screen", "Turns", "words"]


class NothingToShow(Exception):
    """A screen has nothing to draw: what is the matter, then sentences on the way on, take its place."""


@dataclass(frozen=True)
class Option:
    """A choice of a screen's own: text in the state and in the URL, under the screen's name, such as `atlas_colour`.

    fits: the values that the screen can use, or whether it can use one.
    default: the value where none was chosen, or none that fits.
    of_history: it belongs to what the history recommends, so that another history begins without it.
    """

    fits: Container[str] | Callable[[Screen, str], bool]
    default: str | Callable[[Screen], str] = ""
    of_history: bool = False


class Turns(NamedTuple):
    """Where the arrows lead while presenting. said: the place, in words.   step: goes on (+1) or back (−1)."""

    first: bool
    last: bool
    said: str
    step: Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """All that the app knows of a screen, besides its `render(screen)`.

    title: its name in the bar.   question: what it answers.   order: its place in the bar, the first one opens the app.
    help: 'What am I looking at?', paragraphs with **bold** and *emphasis*.
    options: its own choices; their names begin with the name of its file and an underscore.
    needs_history: it shows nothing where the history is empty.
    of_the_model: it is about the model alone, so that no what-if changes it.
    turns: its own pages while presenting; otherwise each picture is one, and then comes the next screen.
    tells: fields of an Intervention that the screen itself shows as changed, so that the bar need not say it.

    Question and help are texts with the noun's {one}, {many} and {a}, or functions that give the text as it is shown.
    """

    title: str
    question: str | Callable[[Screen], str]
    order: int
    help: str | Callable[[Screen], str]
    options: Mapping[str, Option] = field(default_factory=dict)
    needs_history: bool = True
    of_the_model: bool = False
    tells: tuple[str, ...] = ()
    turns: Callable[[Screen], Turns] | None = None


@dataclass(frozen=True)
class Screen:
    """One run of one screen: the bundle, what the visitor has chosen, and the way to traces.

    name: of its file.   header: the row that holds its heading.   opening: the state that a first visit opens with.
    theme: what the browser shows, light or dark.   links: the URL parameters that hold `state`.
    pages: of all screens, by name, for links to another.
    """

    name: str
    declaration: Declaration
    header: DeltaGenerator
    source: Source
    bundle: Bundle
    state: State
    opening: State
    theme: Theme
    links: dict[str, str]
    pages: Mapping[str, Page]

    # ---- what it declares

    @property
    def question(self) -> str:
        """What it answers."""
        return self._text(self.declaration.question)

    @property
    def help(self) -> str:
        """Its explanation."""
        return self._text(self.declaration.help)

    def _text(self, text: str | Callable[[Screen], str]) -> str:
        return text(self) if callable(text) else text.format(**self.words)

    def fits(self, name: str, value: str) -> bool:
        """Whether the screen has an option of this name and can use the value."""
        if (option := self.declaration.options.get(name)) is None:
            return False
        return option.fits(self, value) if callable(option.fits) else value in option.fits

    def option(self, name: str) -> str:
        """An option's value: the chosen one where it fits, otherwise the default.

        Raises:
            KeyError: the screen declares no such option.
        """
        default = self.declaration.options[name].default
        value = self.state.options.get(name)
        if value is not None and self.fits(name, value):
            return value
        return default(self) if callable(default) else default

    # ---- what it draws with

    @cached_property
    def controls(self) -> DeltaGenerator:
        """The place beside the heading, for what the whole screen follows."""
        return self.header.container(
            horizontal=True, key=f"{self.name}_controls", width="content", vertical_alignment="center"
        )

    @cached_property
    def trace(self) -> Trace:
        """The trace of the visitor's history under the visitor's intervention. The history is never empty here."""
        return self.trace_of()

    def trace_of(self, history: Sequence[int] | None = None, intervention: Intervention | None = None) -> Trace:
        """A trace of another history (rows) or under another intervention; kept, so asking again is free.

        Raises:
            FameError: the history is empty or the intervention does not fit.
        """
        rows = self.state.history if history is None else tuple(int(row) for row in history)
        change = self.state.intervention if intervention is None else intervention
        return sources.trace(self.source, rows, change)

    @property
    def noun(self) -> str:
        """What one item is called: 'film', or 'item'."""
        return self.bundle.catalogue.noun

    @property
    def words(self) -> dict[str, str]:
        """The noun as sentences need it."""
        return words(self.noun)

    @property
    def model(self) -> str:
        """The model's name, and whether its audience is simulated."""
        return self.source.name + " · simulated audience" * self.bundle.simulated

    def file(self, name: str) -> str:
        """What a file that is saved is called: the model's name is in it, so that two models' files stand apart."""
        return f"fame-{self.source.name}-{name}"

    @property
    def link(self) -> str:
        """All of what is shown as the parameters of an address, the model and the history by name."""
        return urlencode(query(self.state, self.bundle, None))

    @property
    def origin(self) -> Origin:
        """What a picture of `trace` was computed from; give it to `Picture.with_origin`."""
        return self.origin_of(self.state.intervention)

    def origin_of(self, change: Intervention) -> Origin:
        """The origin of a picture of the visitor's history under a change."""
        titles = ", ".join(map(self.bundle.catalogue.label, self.state.history))
        return Origin(self.model, titles, changed(change) if change else "", self.address, self.bundle.digest[:12])

    @cached_property
    def address(self) -> str:
        """The link to what is shown, whole where the app knows where it is served."""
        served = url if isinstance(url := st.context.url, str) else ""
        place, slash, _ = served.partition("?")[0].rpartition("/")
        return f"{place}{slash}{self.name}?{self.link}"

    @property
    def caption(self) -> str:
        """What is shown was computed from, for a picture that leaves the screen."""
        told = self.origin
        return replace(told, link="", bundle="").line or "After no history."

    @cached_property
    def names(self) -> list[str]:
        """What the bundle's evidence calls each head, such as 'genres'; '' where it is unclear or not measured."""
        found = sources.findings(self.source)
        if isinstance(found, str):
            return [""] * self.bundle.config.n_heads
        return [verdict.attribute or "" for verdict in found.verdicts]

    def head_name(self, head: int) -> str:
        """'Head 1 · genres', or 'Head 1'."""
        return f"Head {head + 1} · {self.names[head]}" if self.names[head] else f"Head {head + 1}"

    @cached_property
    def head(self) -> int:
        """The head that is looked at, from 0: the chosen one, or the one with most say after the history."""
        if self.state.head is not None:
            return min(self.state.head, self.bundle.config.n_heads - 1)
        return int(self.trace.gate[-1].argmax()) if self.state.history else 0

    @cached_property
    def item(self) -> int:
        """The row that is looked at: the chosen item, or the first of the model's own final list, whatever is changed.

        Raises:
            FameError: no item is chosen and none is left to recommend.
        """
        if self.state.item:
            return self.state.item
        ranking = self.trace_of(intervention=NOTHING).ranking(exclude_history=self.state.hide_seen)
        if not len(ranking):
            raise FameError(
                "the history holds every {one} of the catalogue; switch off 'Hide {many} already seen'".format(
                    **self.words
                )
            )
        return int(ranking[0])
