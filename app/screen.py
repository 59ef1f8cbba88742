"""What a screen is given to draw from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from app import sources
from app.sources import Source
from app.state import State, changed
from fame.bundle import Bundle
from fame.errors import FameError
from fame.plots.picture import Origin
from fame.plots.style import Theme
from fame.text import forms
from fame.trace import NOTHING, Intervention, Trace

__all__ = ["Screen"]


@dataclass(frozen=True)
class Screen:
    """One run of one screen: the bundle, what the visitor has chosen, and the way to traces.

    opening: the state that a first visit opens with.   theme: what the browser shows, light or dark.
    links: the URL parameters that hold `state`.
    """

    source: Source
    bundle: Bundle
    state: State
    opening: State
    theme: Theme
    links: dict[str, str]

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
        return forms(self.noun)

    @property
    def model(self) -> str:
        """The model's name, and whether its audience is simulated."""
        return self.source.name + " · simulated audience" * self.bundle.simulated

    @property
    def origin(self) -> Origin:
        """What a picture of `trace` was computed from; give it to `Picture.with_origin`."""
        change = self.state.intervention
        titles = ", ".join(map(self.bundle.catalogue.label, self.state.history))
        return Origin(self.model, titles, changed(change) if change else "")

    @property
    def caption(self) -> str:
        """What is shown was computed from, for a picture that leaves the screen."""
        return self.origin.line or "After no history."

    @cached_property
    def names(self) -> list[str]:
        """What the bundle's evidence calls each head, such as 'genres'; '' where it is unclear or not measured."""
        found = sources.findings(self.source)
        if isinstance(found, str):
            return [""] * self.bundle.config.n_heads
        return [verdict.attribute or "" for verdict in found.verdicts]

    def called(self, head: int) -> str:
        """'Head 1 · genres', or 'Head 1'."""
        return f"Head {head + 1} · {self.names[head]}" if self.names[head] else f"Head {head + 1}"

    @cached_property
    def head(self) -> int:
        """The head that is looked at, from 0: the chosen one, or the one with most say after the history."""
        if self.state.head is not None:
            return min(self.state.head, self.bundle.config.n_heads - 1)
        return int(self.trace.gate[-1].argmax()) if self.state.history else 0

    @cached_property
    def film(self) -> int:
        """The row that is looked at: the chosen film, or the first of the model's own final list, whatever is changed.

        Raises:
            FameError: no film is chosen and none is left to recommend.
        """
        if self.state.film:
            return self.state.film
        ranking = self.trace_of(intervention=NOTHING).ranking(exclude_history=self.state.hide_seen)
        if not len(ranking):
            raise FameError(
                "the history holds every {one} of the catalogue; switch off 'Hide {many} already seen'".format(
                    **self.words
                )
            )
        return int(ranking[0])
