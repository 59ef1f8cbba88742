"""The items: their ids, titles, years and attributes, in the order of the model's item table."""

from __future__ import annotations

import csv
import difflib
import heapq
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from fame.errors import FameError
from fame.search import MAX_TEXT, TitleIndex

__all__ = ["Attribute", "Catalogue"]

MAX_ITEMS = 5_000_000
MAX_OFFERED = 100_000  # ids that are compared with an unknown one
MAX_CELLS = 2_000_000_000  # of one attribute's matrix
FACTS = ("item_id", "title", "year")
SEPARATOR = "|"
NOUN = re.compile(r"[^\W\d_][\w '-]{0,29}")


class Attribute(NamedTuple):
    """A multi-valued attribute of all items.

    matrix: boolean [V, values]; row 0 (padding) is all False.
    values: the value names, in column order, most frequent first.
    """

    matrix: np.ndarray
    values: tuple[str, ...]


def _text(cell: Any) -> str:
    """One cell as clean text: control characters and runs of space become one space, cut at MAX_TEXT."""
    if pd.api.types.is_scalar(cell) and pd.isna(cell):
        return ""
    text = unicodedata.normalize("NFC", str(cell))
    clean = "".join(" " if unicodedata.category(c).startswith("C") else c for c in text)
    return " ".join(clean.split())[:MAX_TEXT].rstrip()


def _name(item: Any) -> str:
    """What a person gave for an item, as text: a whole number is written without a point."""
    if isinstance(item, str):
        return item.strip()
    whole = isinstance(item, (int, np.integer)) or (isinstance(item, (float, np.floating)) and float(item).is_integer())
    if not whole or isinstance(item, bool):
        raise FameError(f"an item is {str(item)[:50]} ({type(item).__name__}); expected an id or a title")
    return str(int(item))


def _values(cell: Any) -> tuple[str, ...]:
    """A cell of an attribute column as its values, in order, each once."""
    parts: Iterable[Any]
    if isinstance(cell, (set, frozenset)):
        parts = sorted(cell, key=str)
    elif isinstance(cell, (list, tuple, np.ndarray)):
        parts = cell
    else:
        parts = (cell,)
    pieces = (piece for part in parts for piece in (part.split(SEPARATOR) if isinstance(part, str) else [part]))
    return tuple(dict.fromkeys(t for t in map(_text, pieces) if t))


def _years(cells: Iterable[Any], ids: list[str]) -> np.ndarray:
    """A column of years as int16 [V], 0 at row 0 and where none is given."""
    text = pd.Series(map(_text, cells), dtype=object)
    number = pd.to_numeric(text, errors="coerce").to_numpy(float)
    given = (text != "").to_numpy()
    bad = given & ~((number >= 1) & (number <= 9999) & (number == np.floor(number)))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise FameError(f"catalogue: item {ids[row]!r} has the year {text[row]!r}; expected a number like 1999")
    return np.concatenate([[0], np.where(given, number, 0)]).astype(np.int16)


def _decades(year: np.ndarray) -> tuple[tuple[str, ...], ...]:
    """The attribute `decade` of items with these years."""
    return tuple((f"{y // 10 * 10}s",) if y else () for y in year.tolist())


@dataclass(frozen=True, eq=False)
class Catalogue:
    """A table of V-1 items in model order, with padding at row 0.

    item_id: str [V], '' at row 0.   title: str [V].   year: int16 [V], 0 where unknown.
    facts: attribute name -> V tuples of values.
    noun: what sentences call one item, in the singular of one that takes an s: "film", or "item".

    Build one with `from_frame` or `from_csv`; both check what comes in.

    Raises:
        FameError: the noun is no word.
    """

    item_id: np.ndarray
    title: np.ndarray
    year: np.ndarray
    facts: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    noun: str = "item"

    def __post_init__(self) -> None:
        if not isinstance(self.noun, str) or not NOUN.fullmatch(self.noun):
            raise FameError(f"the noun is {str(self.noun)[:40]!r}; expected what an item is called, a word like film")

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Self:
        """A catalogue from a table with one row per item.

        Columns: `item_id` (required), `title` (the id where missing or empty), `year`, and any number of
        attribute columns whose cells are '|'-separated text or lists of text. Where years are known the
        attribute `decade` is added.

        Raises:
            FameError: no `item_id` column, two columns of one name, an empty or repeated id, a year that is
                no whole number, no items.
        """
        columns = [_text(name) for name in frame.columns]
        if "item_id" not in columns:
            raise FameError(f"catalogue: found the columns {', '.join(columns)}; expected one named 'item_id'")
        if len(set(columns)) < len(columns):
            twice = next(c for c, n in Counter(columns).items() if n > 1)
            raise FameError(f"catalogue: two columns are named {twice!r}; give each a name of its own")
        frame = frame.set_axis(columns, axis=1)
        if not 0 < len(frame) <= MAX_ITEMS:
            raise FameError(f"catalogue: {len(frame)} items; expected 1 to {MAX_ITEMS:,}")
        ids = [_text(x) for x in frame["item_id"]]
        if "" in ids:
            raise FameError(f"catalogue: row {ids.index('') + 1} has no item_id; every item needs one")
        if len(set(ids)) < len(ids):
            twice = next(i for i, n in Counter(ids).items() if n > 1)
            raise FameError(f"catalogue: item_id {twice!r} stands twice; every item needs an id of its own")
        titles = [_text(x) for x in frame["title"]] if "title" in columns else [""] * len(ids)
        year = _years(frame["year"], ids) if "year" in columns else np.zeros(len(ids) + 1, np.int16)
        facts = {name: ((), *map(_values, frame[name])) for name in columns if name not in FACTS}
        if year.any():
            facts.setdefault("decade", _decades(year))
        item_id = np.array(["", *ids], dtype=object)
        title = np.array(["", *(t or i for t, i in zip(titles, ids, strict=True))], dtype=object)
        for array in (item_id, title, year):
            array.flags.writeable = False
        return cls(item_id, title, year, facts)

    @classmethod
    def from_csv(cls, path: str | Path, content: bytes | None = None) -> Self:
        """The catalogue in a UTF-8 CSV file; see `from_frame` for its columns.

        content: what the file holds, where it has been read.

        Raises:
            FameError: the file is missing, is no CSV, or `from_frame` refuses it.
        """
        try:
            held = Path(path).read_bytes() if content is None else content
            frame = pd.read_csv(io.BytesIO(held), dtype=str, keep_default_na=False, encoding="utf-8-sig")
            rows = csv.reader(io.StringIO(held.decode("utf-8-sig"), newline=""))
            header = next((row for row in rows if row), [])
        except FileNotFoundError:
            raise FameError(f"{path}: no such file; expected a CSV with a column item_id") from None
        except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error, OSError) as error:
            raise FameError(f"{path}: not a readable UTF-8 CSV ({str(error).splitlines()[0]})") from None
        if not isinstance(frame.index, pd.RangeIndex):  # what pandas makes of rows longer than the header
            raise FameError(f"{path}: rows have more fields than the header; put text that has a comma in quotes")
        nameless = frame.columns.str.fullmatch(r"Unnamed: \d+")  # pandas' word for no name: an index saved along
        if twice := [name for name, n in Counter(header).items() if name and n > 1]:  # pandas would number them
            raise FameError(f"{path}: two columns are named {twice[0]!r}; give each a name of its own")
        try:
            return cls.from_frame(frame.loc[:, ~nameless])
        except FameError as error:
            raise FameError(f"{path}: {error}") from None

    def to_frame(self) -> pd.DataFrame:
        """One row per item (no padding), attributes joined by '|'; `from_frame` gives the same catalogue back."""
        columns: dict[str, Any] = {"item_id": self.item_id[1:], "title": self.title[1:]}
        if self.year.any():
            columns["year"] = [str(y) if y else "" for y in self.year[1:].tolist()]
        for name, values in self.facts.items():
            if not (name == "decade" and self.year.any() and values == _decades(self.year)):
                columns[name] = [SEPARATOR.join(v) for v in values[1:]]
        return pd.DataFrame(columns)

    def __len__(self) -> int:
        """V: the items and the padding row."""
        return len(self.item_id)

    @property
    def n_items(self) -> int:
        return len(self) - 1

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names that `attribute` takes."""
        return tuple(self.facts)

    @cached_property
    def _row(self) -> dict[str, int]:
        return {item: row for row, item in enumerate(self.item_id.tolist()) if row}

    @cached_property
    def _titles(self) -> TitleIndex:
        return TitleIndex(self.title.tolist(), self.year.tolist())

    @cached_property
    def _cache(self) -> dict[str, Attribute]:
        return {}

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._row

    def row(self, item_id: str) -> int:
        """The row, 1 to V-1, of the item with this id.

        Raises:
            FameError: no item has it.
        """
        try:
            return self._row[item_id]
        except KeyError:
            raise FameError(f"no item has the id {item_id!r}; {self.n_items:,} items are known") from None

    def label(self, row: int) -> str:
        """Title and year of an item, as people tell remakes apart: 'Psycho (1960)'."""
        return f"{self.title[row]} ({self.year[row]})" if self.year[row] else str(self.title[row])

    def attribute(self, name: str) -> Attribute:
        """The boolean matrix [V, values] of an attribute and its value names, most frequent first.

        Raises:
            FameError: the catalogue has no such attribute, or it has too many values for a matrix.
        """
        if name not in self.facts:
            raise FameError(f"the catalogue has no attribute {name!r}; it has {', '.join(self.facts) or 'none'}")
        if name not in self._cache:
            cells = self.facts[name]
            counts = Counter(value for cell in cells for value in cell)
            values = tuple(sorted(counts, key=lambda v: (-counts[v], v)))
            if len(self) * len(values) > MAX_CELLS:
                raise FameError(
                    f"the attribute {name!r} has {len(values):,} values for {self.n_items:,} items; too many"
                )
            matrix = self.holders(name, values)
            matrix.flags.writeable = False
            self._cache[name] = Attribute(matrix, values)
        return self._cache[name]

    def holders(self, name: str, values: Sequence[str]) -> np.ndarray:
        """Which items have these values of an attribute: boolean [V, values]."""
        column = {value: k for k, value in enumerate(values)}
        matrix = np.zeros((len(self), len(values)), bool)
        for row, cell in enumerate(self.facts[name]):
            for value in cell:
                if value in column:
                    matrix[row, column[value]] = True
        return matrix

    def search(self, text: str, k: int = 10) -> list[int]:
        """Rows of the items whose titles fit `text` best, best first, at most `k`: see `TitleIndex.search`."""
        return self._titles.search(text, k)

    def resolve(self, item: str | int) -> int:
        """The row of the one item that `item` names: its id, its title, or its title with its year.

        A number, of Python, NumPy or pandas, is an id or a title like any text: never a row. Accents, case and
        punctuation do not matter, nor does the article, unless two titles differ by it.

        Raises:
            FameError: nothing is named so, or several items are; the message offers the nearest.
        """
        text = _name(item)
        if text in self._row:
            return self._row[text]
        same = self._titles.named(text)
        if len(same) == 1:
            return same[0]
        if same:
            labels = "; ".join(f"{self.label(row)} with the id {self.item_id[row]}" for row in same[:5])
            raise FameError(f"{text[:80]!r} names {len(same)} items: {labels}; add the year or give the id")
        offer = "; ".join(self._offers(text))
        raise FameError(f"no item is called {text[:80]!r}; {f'nearest: {offer}' if offer else 'nothing resembles it'}")

    def rows(self, items: Iterable[str | int] | None = None, rows: Iterable[int] | None = None) -> np.ndarray:
        """The rows of items that are given by id or title, or as rows themselves: int64 [items].

        Raises:
            FameError: not one of both is given, what is given is no list, or an item or row is unknown.
        """
        if (items is None) == (rows is None):
            raise FameError("give either items, by id or title, or rows=, whole numbers from 1")
        given: Any = items if rows is None else rows
        try:
            listed: list[Any] = [given] if isinstance(given, str) else list(given)
        except TypeError:
            raise FameError(f"the items are {str(given)[:80]}; expected a list of ids or titles") from None
        if rows is None:
            return np.array([self.resolve(item) for item in listed], np.int64)
        wrong = [row for row in listed if not isinstance(row, (int, np.integer)) or isinstance(row, bool)]
        if wrong := wrong or [row for row in listed if not 0 < row < len(self)]:
            shown = repr(wrong[0][:50]) if isinstance(wrong[0], str) else str(wrong[0])[:50]
            raise FameError(f"row {shown} is not in the catalogue; rows are 1 to {self.n_items}")
        return np.array(listed, np.int64)

    def _offers(self, text: str, k: int = 3) -> list[str]:
        """What may have been meant by a text that names no item: titles like it, or else ids like it."""
        if titles := self.search(text, k):
            return [self.label(row) for row in titles]
        if len(self) > MAX_OFFERED or len(text) > MAX_TEXT:
            return []
        if text.isdecimal():
            ids = (item for item in self._row if item.isdecimal())
            near = heapq.nsmallest(k, ids, key=lambda item: abs(int(item) - int(text)))
        else:
            near = difflib.get_close_matches(text, self._row, k)
        return [f"{self.label(self._row[item])} with the id {item}" for item in near]
