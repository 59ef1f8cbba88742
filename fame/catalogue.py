"""The items: their ids, titles, years and attributes, in the order of the model's item table."""

from __future__ import annotations

import csv
import difflib
import heapq
import io
import re
import unicodedata
from collections import Counter, defaultdict
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
MAX_CELLS = 2_000_000_000  # of one attribute's matrix
MAX_NEAR = 60  # titles that are compared letter by letter with a mistyped one
FACTS = ("item_id", "title", "year")
SEPARATOR = "|"
NOUN = re.compile(r"[^\W\d_][\w '-]{0,29}")
WITH_YEAR = re.compile(r"(.+?)[\s,]*\(?\b(1[89]\d\d|20\d\d)\)?")
ARTICLE_LAST = re.compile(r"(.*\S),\s*(the|an?)", re.IGNORECASE)
ARTICLE_FIRST = re.compile(r"^(the|an?)\s+(?=\w)", re.IGNORECASE)
UNDECOMPOSED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "'": "", "’": ""}
    | {fraction: " " + unicodedata.normalize("NFKD", fraction) for fraction in "¼½¾⅓⅔⅛⅜⅝⅞"}
)


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
    return " ".join(re.sub(r"[^\w\s]|_", " ", plain).split())


def _natural(text: str) -> str:
    """A title in natural order: 'Matrix, The' is 'The Matrix'."""
    text = text.strip()
    return f"{found[2]} {found[1]}" if (found := ARTICLE_LAST.fullmatch(text)) else text


def _key(text: str) -> str:
    """`text` folded for searching: in natural order, without the article that it starts with."""
    return fold(ARTICLE_FIRST.sub("", _natural(text)))


def _pairs(key: str) -> set[str]:
    """The pairs of neighbouring letters of `key`, the spaces around its words included."""
    padded = f" {key} "
    return {padded[i : i + 2] for i in range(len(key) + 1)} if key else set()


def _text(cell: Any) -> str:
    """One cell as clean text: control characters and runs of space become one space, cut at MAX_TEXT."""
    if pd.api.types.is_scalar(cell) and pd.isna(cell):
        return ""
    text = unicodedata.normalize("NFC", str(cell))
    clean = "".join(" " if unicodedata.category(c).startswith("C") else c for c in text)
    return " ".join(clean.split())[:MAX_TEXT].rstrip()


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
    def _folded(self) -> tuple[str, ...]:
        return tuple(map(fold, self.title.tolist()))

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        return tuple(map(_key, self.title.tolist()))

    @cached_property
    def _solid(self) -> tuple[str, ...]:
        return tuple(key.replace(" ", "") for key in self._keys)

    @cached_property
    def _rows_of_pair(self) -> dict[str, np.ndarray]:
        """Each pair of neighbouring letters -> the rows whose keys have it."""
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for row, key in enumerate(self._keys):
            for pair in _pairs(key):
                rows[pair].append(row)
        return {pair: np.array(having, np.int32) for pair, having in rows.items()}

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
        """Rows of the items whose titles fit `text` best, best first, at most `k`.

        Accents, case, punctuation and articles do not matter; part of a title, its words in any order, a year
        after it, and small typing errors are all found.
        """
        text = text.strip()[:MAX_TEXT]
        wanted, year = _key(text), 0
        if (found := WITH_YEAR.fullmatch(text)) and wanted not in self._keys:
            wanted, year = _key(found[1]), int(found[2])
        if not wanted:
            return []
        words, solid = wanted.split(), wanted.replace(" ", "")
        hits: list[tuple[float, int]] = []
        for row, (key, run) in enumerate(zip(self._keys, self._solid, strict=True)):
            if run.startswith(solid):  # 'mash' finds M*A*S*H
                hits.append((4.0 if key == wanted else 3.5 if run == solid else 3.0, row))
            elif words[0] in key and all(word in key for word in words):
                hits.append((2.5 if all(f" {word}" in f" {key}" for word in words) else 2.0, row))
        if len(hits) < k:
            taken = {row for _, row in hits}
            hits += [(ratio, row) for ratio, row in self._near(wanted) if row not in taken]
        ranked = (
            (-score - 1.2 * (year > 0 and int(self.year[row]) == year), len(self._keys[row]), row)
            for score, row in hits
        )
        return [row for *_, row in heapq.nsmallest(max(k, 0), ranked)]

    def _near(self, wanted: str, least: float = 0.7) -> list[tuple[float, int]]:
        """Resemblance in [least, 1] and row, of titles that in whole or in some words resemble `wanted`.

        The titles that share most pairs of letters with `wanted` are compared with it letter by letter.
        """
        shared = np.zeros(len(self), np.int32)
        for pair in _pairs(wanted) & self._rows_of_pair.keys():
            shared[self._rows_of_pair[pair]] += 1
        length = np.array([len(key) for key in self._keys])
        likely = [row for row in np.lexsort((length, -shared))[:MAX_NEAR].tolist() if shared[row]]
        n_words = len(wanted.split())
        matcher = difflib.SequenceMatcher(autojunk=False)
        matcher.set_seq2(wanted)
        near = []
        for row in likely:
            tokens = self._keys[row].split()
            best = 0.0
            for size in {len(tokens), n_words}:
                for start in range(max(1, len(tokens) - size + 1)):
                    matcher.set_seq1(" ".join(tokens[start : start + size]))
                    bound = max(best, least)
                    if matcher.real_quick_ratio() >= bound and matcher.quick_ratio() >= bound:
                        best = max(best, matcher.ratio())
            if best >= least:
                near.append((best, row))
        return near

    def resolve(self, text: str) -> int:
        """The row of the one item that `text` names: an id, a title, or a title with its year.

        Accents, case and punctuation do not matter, nor does the article, unless two titles differ by it.

        Raises:
            FameError: nothing is named so, or several items are; the message offers the nearest titles.
        """
        text = text.strip()
        if text in self._row:
            return self._row[text]
        named = [(text[:MAX_TEXT], 0)]
        if found := WITH_YEAR.fullmatch(text[:MAX_TEXT]):
            named.append((found[1], int(found[2])))
        for titles, form in ((self._folded, lambda name: fold(_natural(name))), (self._keys, _key)):
            for name, year in named:
                wanted = form(name)
                same = [row for row, title in enumerate(titles) if title == wanted != ""]
                same = [row for row in same if year in (0, int(self.year[row]))]
                if len(same) == 1:
                    return same[0]
                if same:
                    labels = "; ".join(f"{self.label(row)} with the id {self.item_id[row]}" for row in same[:5])
                    raise FameError(f"{text[:80]!r} names {len(same)} items: {labels}; add the year or give the id")
        nearest = self.search(text, 3)
        offer = f"nearest: {'; '.join(map(self.label, nearest))}" if nearest else "nothing resembles it"
        raise FameError(f"no item is called {text[:80]!r}; {offer}")
