"""The items: their ids, titles, years and attributes, in the order of the model's item table."""

from __future__ import annotations

import difflib
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

__all__ = ["Attribute", "Catalogue", "fold"]

MAX_ITEMS = 5_000_000
MAX_TEXT = 500
FACTS = ("item_id", "title", "year")
SEPARATOR = "|"
UNDECOMPOSED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "'": "", "’": ""})


class Attribute(NamedTuple):
    """A multi-valued attribute of all items.

    matrix: boolean [V, values]; row 0 (padding) is all False.
    values: the value names, in column order, most frequent first.
    """

    matrix: np.ndarray
    values: tuple[str, ...]


def fold(text: str) -> str:
    """`text` as people type it: lower case, without accents or punctuation, single spaces."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("&", " and ").translate(UNDECOMPOSED))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^\w\s]", " ", plain).split())


def _text(cell: Any) -> str:
    """One cell as clean text: control characters and runs of space become one space, cut at MAX_TEXT."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)) or cell is pd.NA:
        return ""
    clean = "".join(" " if unicodedata.category(c).startswith("C") else c for c in str(cell))
    return " ".join(clean.split())[:MAX_TEXT]


def _values(cell: Any) -> tuple[str, ...]:
    """A cell of an attribute column as its values, in order, each once."""
    parts: Iterable[Any]
    if isinstance(cell, str):
        parts = cell.split(SEPARATOR)
    elif isinstance(cell, (list, tuple, set, frozenset, np.ndarray)):
        parts = cell
    else:
        parts = (cell,)
    return tuple(dict.fromkeys(t for t in map(_text, parts) if t))


@dataclass(frozen=True)
class Catalogue:
    """A table of V-1 items in model order, with padding at row 0.

    item_id: str [V], '' at row 0.   title: str [V].   year: int16 [V], 0 where unknown.
    facts: attribute name -> V tuples of values.

    Build one with `from_frame` or `from_csv`; both check what comes in.
    """

    item_id: np.ndarray
    title: np.ndarray
    year: np.ndarray
    facts: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Self:
        """A catalogue from a table with one row per item.

        Columns: `item_id` (required), `title` (the id where missing or empty), `year`, and any number of
        attribute columns whose cells are '|'-separated text or lists of text. Where years are known the
        attribute `decade` is added.

        Raises:
            FameError: no `item_id` column, an empty or repeated id, a year that is no number, no items.
        """
        if "item_id" not in frame.columns:
            raise FameError(
                f"catalogue: found the columns {', '.join(map(str, frame.columns))}; expected one named 'item_id'"
            )
        if not 0 < len(frame) <= MAX_ITEMS:
            raise FameError(f"catalogue: {len(frame)} items; expected 1 to {MAX_ITEMS:,}")
        ids = [_text(x) for x in frame["item_id"]]
        if "" in ids:
            raise FameError(f"catalogue: row {ids.index('') + 1} has no item_id; every item needs one")
        if len(set(ids)) < len(ids):
            twice = next(i for i, n in Counter(ids).items() if n > 1)
            raise FameError(f"catalogue: item_id {twice!r} stands twice; every item needs an id of its own")
        titles = [_text(x) for x in frame["title"]] if "title" in frame.columns else [""] * len(ids)
        year = np.zeros(len(ids) + 1, np.int16)
        if "year" in frame.columns:
            numbers = pd.to_numeric(frame["year"], errors="coerce")
            given = np.array([_text(x) != "" for x in frame["year"]])
            bad = given & ~(numbers.fillna(-1).between(1, 9999).to_numpy())
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                raise FameError(
                    f"catalogue: item {ids[row]!r} has the year {frame['year'].iloc[row]!r}; expected a number like 1999"
                )
            year[1:] = numbers.fillna(0).to_numpy(np.int16)
        facts = {
            _text(name): ((), *(_values(cell) for cell in frame[name])) for name in frame.columns if name not in FACTS
        }
        if year.any() and "decade" not in facts:
            facts["decade"] = tuple((f"{y // 10 * 10}s",) if y else () for y in year.tolist())
        item_id = np.array(["", *ids], dtype=object)
        title = np.array(["", *(t or i for t, i in zip(titles, ids, strict=True))], dtype=object)
        for array in (item_id, title, year):
            array.flags.writeable = False
        return cls(item_id, title, year, facts)

    @classmethod
    def from_csv(cls, path: str | Path) -> Self:
        """The catalogue in a UTF-8 CSV file; see `from_frame` for its columns.

        Raises:
            FameError: the file is missing, is no CSV, or `from_frame` refuses it.
        """
        try:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
        except FileNotFoundError:
            raise FameError(f"{path}: no such file; expected a CSV with a column item_id") from None
        except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError, OSError) as error:
            raise FameError(f"{path}: not a readable UTF-8 CSV ({str(error).splitlines()[0]})") from None
        return cls.from_frame(frame)

    def to_frame(self) -> pd.DataFrame:
        """One row per item (no padding), attributes joined by '|'; `from_frame` gives the same catalogue back."""
        columns: dict[str, Any] = {"item_id": self.item_id[1:], "title": self.title[1:]}
        if self.year.any():
            columns["year"] = [str(y) if y else "" for y in self.year[1:].tolist()]
        for name, values in self.facts.items():
            if not (name == "decade" and self.year.any()):
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
    def _folded(self) -> tuple[str, ...]:
        return tuple(map(fold, self.title.tolist()))

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
            FameError: the catalogue has no such attribute.
        """
        if name not in self.facts:
            raise FameError(f"the catalogue has no attribute {name!r}; it has {', '.join(self.facts) or 'none'}")
        if name not in self._cache:
            cells = self.facts[name]
            counts: dict[str, int] = {}
            for cell in cells:
                for value in cell:
                    counts[value] = counts.get(value, 0) + 1
            values = tuple(sorted(counts, key=lambda v: (-counts[v], v)))
            column = {value: k for k, value in enumerate(values)}
            matrix = np.zeros((len(self), len(values)), bool)
            for row, cell in enumerate(cells):
                for value in cell:
                    matrix[row, column[value]] = True
            matrix.flags.writeable = False
            self._cache[name] = Attribute(matrix, values)
        return self._cache[name]

    def search(self, text: str, k: int = 10) -> list[int]:
        """Rows of the items whose titles fit `text` best, best first.

        Accents, case and punctuation do not matter; part of a title, its words in any order, a year beside
        it, and small typing errors are all found.
        """
        wanted = fold(text[:MAX_TEXT])
        if not wanted:
            return []
        year = 0
        if (found := re.fullmatch(r"(.+) (1[89]\d\d|20\d\d)", wanted)) and wanted not in self._folded:
            wanted, year = found.group(1), int(found.group(2))
        words = wanted.split()
        scored: list[tuple[float, int, int]] = []
        for row, title in enumerate(self._folded[1:], start=1):
            bare = title.split(" ", 1)[1] if title.startswith(("the ", "a ", "an ")) and " " in title else title
            if title == wanted or bare == wanted:
                score = 4.0
            elif title.startswith(wanted) or bare.startswith(wanted):
                score = 3.0
            elif all(f" {w}" in f" {title}" for w in words):
                score = 2.5
            elif all(w in title for w in words):
                score = 2.0
            else:
                score = 0.0
            if score:
                score += 0.5 * (int(self.year[row]) == year) if year else 0.0
                scored.append((-score, len(title), row))
        if len(scored) < k:
            taken = {row for *_, row in scored}
            for row, ratio in self._near(wanted, words):
                if row not in taken:
                    bonus = 0.3 if year and int(self.year[row]) == year else 0.0
                    scored.append((-(ratio + bonus), len(self._folded[row]), row))
        return [row for *_, row in sorted(scored)[:k]]

    def _near(self, wanted: str, words: Sequence[str], least: float = 0.72) -> list[tuple[int, float]]:
        """Rows whose title, or best-matching words of it, resembles `wanted`, with the resemblance in [0, 1]."""
        matcher = difflib.SequenceMatcher(autojunk=False)
        matcher.set_seq2(wanted)
        near = []
        for row, title in enumerate(self._folded[1:], start=1):
            best = 0.0
            tokens = title.split()
            for size in {len(tokens), len(words)}:
                for start in range(max(1, len(tokens) - size + 1)):
                    matcher.set_seq1(" ".join(tokens[start : start + size]))
                    if matcher.real_quick_ratio() > max(best, least) and matcher.quick_ratio() > max(best, least):
                        best = max(best, matcher.ratio())
            if best >= least:
                near.append((row, best))
        return near

    def resolve(self, text: str) -> int:
        """The row of the one item that `text` names: an id, a title, or a title with its year.

        Raises:
            FameError: nothing is named so, or several items are; the message offers the nearest titles.
        """
        text = text.strip()
        if text in self._row:
            return self._row[text]
        year = 0
        name = text
        if found := re.fullmatch(r"(.*?)\s*\(?(1[89]\d\d|20\d\d)\)?", text):
            name, year = found.group(1), int(found.group(2))
        for wanted, when in ((fold(text), 0), (fold(name), year)):
            same = [
                row
                for row, title in enumerate(self._folded)
                if row and title == wanted and when in (0, int(self.year[row]))
            ]
            if len(same) == 1:
                return same[0]
            if len(same) > 1:
                raise FameError(
                    f"{text!r} names {len(same)} items: {'; '.join(self.label(r) for r in same[:5])}; "
                    "add the year or give the id"
                )
        nearest = self.search(text, 3)
        offer = f"nearest: {'; '.join(self.label(r) for r in nearest)}" if nearest else "nothing resembles it"
        raise FameError(f"no item is called {text[:80]!r}; {offer}")
