"""The examples of a bundle: candidates from a file, of which those are kept whose promise holds on the model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from fame.bundle import Example
from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.explain.promises import ANY, LEAD, Measured
from fame.make.data.files import check_file
from fame.model import FAME

__all__ = ["choose_examples", "read_examples"]

MAX_BYTES = 10 << 20
EXPECTED = 'expected a list of {"title": …, "look_for": …, "items": [titles or ids]}, and screen, head, item, promise'
FOUND = "found"  # a head that is known once the first claim has been measured


def read_examples(path: Path, catalogue: Catalogue) -> tuple[Example, ...]:
    """Candidates from a JSON file, as in `Example.of`, but that items may be titles too.

    `"head": "found"` and `{head}` in a line stand for the head that the first claim is measured on. Several of one
    title are tries, best first.

    Raises:
        FameError: the file is missing or of another form, or an item is unknown.
    """
    checked = check_file(path, MAX_BYTES)
    try:
        values = json.loads(checked.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise FameError(f"{path}: not JSON; {EXPECTED}") from None
    if not isinstance(values, list):
        raise FameError(f"{path}: {EXPECTED}")
    found = []
    for number, value in enumerate(values, 1):
        try:
            example = Example.of(
                {**value, "head": None} if isinstance(value, dict) and value.get("head") == FOUND else value
            )
        except FameError as error:
            raise FameError(f"{path}: example {number} is not as it should be ({error}); {EXPECTED}") from None
        try:
            found.append(_by_id(example, catalogue))
        except FameError as error:
            raise FameError(f"{path}: {error}") from None
    return tuple(found)


def _by_id(example: Example, catalogue: Catalogue) -> Example:
    """The example with ids in the place of titles."""

    def item(text: str) -> str:
        return str(catalogue.item_id[catalogue.resolve(text)])

    return replace(
        example,
        items=tuple(map(item, example.items)),
        item=None if example.item is None else item(example.item),
        promise=tuple(c if c.item is None else replace(c, item=item(c.item)) for c in example.promise),
    )


def choose_examples(
    candidates: Iterable[Example], model: FAME, catalogue: Catalogue
) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    """Of each title the first candidate whose promise holds on the model, and a sentence for each title that has none.

    A candidate without a promise holds. Claims about 'any' head keep the one that was found.
    """
    kept: dict[str, Example] = {}
    broken: dict[str, str] = {}
    for example in candidates:
        if example.title in kept:
            continue
        try:
            found = example.measured(model, catalogue)
        except FameError as error:  # a head or a value that this model has not
            broken.setdefault(example.title, str(error))
            continue
        if missed := [m for m in found if not m.holds]:
            broken.setdefault(example.title, "; ".join(map(str, missed)))
        else:
            kept[example.title] = _fixed(example, found)
    return tuple(kept.values()), tuple(
        f"the example {title!r} is left out, since its promise does not hold: {why}"
        for title, why in broken.items() if title not in kept
    )  # fmt: skip


def _fixed(example: Example, found: tuple[Measured, ...]) -> Example:
    """The example with the heads that were found by number."""
    promise = tuple(
        replace(m.claim, head=m.head + 1) if m.claim.head == ANY and m.head is not None else m.claim for m in found
    )
    first = found[0].head if found else None
    if first is None:
        return replace(example, promise=promise)
    shown = first + 1 if found[0].claim.head in (ANY, LEAD) and "{head}" in example.look_for else example.head
    return replace(example, promise=promise, head=shown, look_for=example.look_for.replace("{head}", f"{first + 1}"))
