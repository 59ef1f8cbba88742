"""Examples: curated histories, each with a line on what to look for, where it is seen, and the promise that it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.explain.promises import Claim, Measured, measure
from fame.model import FAME

__all__ = ["EXPECTED", "Example"]

EXPECTED = "title, look_for and items (ids), and where to look: screen, head (from 1), item (id), promise (claims)"


@dataclass(frozen=True)
class Example:
    """A curated history: a title, one line on what to look for, and item ids, oldest first.

    screen: where that is to be seen, such as 'experts'; '' for wherever one is.   head: from 1, as screens count; None
    for the one with most say.   item: the id of the item to look at; None for the first of the list.
    promise: what the line says, as claims that hold on this model.
    """

    title: str
    look_for: str
    items: tuple[str, ...]
    screen: str = ""
    head: int | None = None
    item: str | None = None
    promise: tuple[Claim, ...] = ()

    @classmethod
    def of(cls, values: Any) -> Self:
        """The example in a JSON object.

        Raises:
            FameError: it is of another form, or a claim is.
        """
        if not isinstance(values, Mapping) or not {"title", "look_for", "items"} <= set(values) <= FIELDS:
            raise FameError(f"expected objects with {EXPECTED}")
        items, claims = values["items"], values.get("promise", [])
        texts = [values["title"], values["look_for"], values.get("screen", ""), values.get("item") or ""]
        head = values.get("head")
        sound = (
            isinstance(items, list) and isinstance(claims, list) and len(items) > 0
            and all(isinstance(text, str) for text in (*texts, *items))
            and (head is None or (type(head) is int and head > 0))
        )  # fmt: skip
        if not sound:
            raise FameError(f"expected objects with {EXPECTED}")
        return cls(
            title=texts[0], look_for=texts[1], items=tuple(items), screen=texts[2], head=head,
            item=values.get("item") or None, promise=tuple(Claim.of(c) for c in claims),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The example as a JSON object, without what it does not say."""
        values: dict[str, Any] = {"title": self.title, "look_for": self.look_for, "items": list(self.items)}
        values |= {name: getattr(self, name) for name in ("screen", "head", "item") if getattr(self, name)}
        return values | ({"promise": [claim.to_dict() for claim in self.promise]} if self.promise else {})

    def measured(self, model: FAME, catalogue: Catalogue) -> tuple[Measured, ...]:
        """What becomes of the promise on a model of this catalogue.

        Raises:
            FameError: an item is unknown, or see `fame.explain.promises.measure`.
        """
        looked_at = None if self.item is None else catalogue.row(self.item)
        return measure(model, catalogue, catalogue.rows(self.items).tolist(), self.promise, looked_at)


FIELDS = {"title", "look_for", "items", "screen", "head", "item", "promise"}
