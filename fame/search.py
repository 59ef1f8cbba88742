"""Find items by what people type: titles in any case, without accents, in part, misspelt, with or without a year."""

from __future__ import annotations

import difflib
import heapq
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["MAX_TEXT", "TitleIndex", "fold"]

MAX_TEXT = 500  # letters of a title, and of what is searched for
MAX_NEAR = 60  # titles that are compared letter by letter with a mistyped one
LEAST_RESEMBLANCE = 0.7  # difflib's ratio, from 0 to 1, of a title that is offered for a mistyped one
# How well a title fits, above every mistyped one, whose fit is its resemblance; the year that was asked for adds to it.
WHOLE, WHOLE_SOLID, BEGINS, WORDS_BEGIN, WORDS_WITHIN = 4.0, 3.5, 3.0, 2.5, 2.0
RIGHT_YEAR = 1.2
WITH_YEAR = re.compile(r"(.+?)[\s,]*\(?\b(1[89]\d\d|20\d\d)\)?")
ARTICLE_LAST = re.compile(r"(.*\S),\s*(the|an?)", re.IGNORECASE)
ARTICLE_FIRST = re.compile(r"^(the|an?)\s+(?=\w)", re.IGNORECASE)
UNDECOMPOSED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "'": "", "’": ""}
    | {fraction: " " + unicodedata.normalize("NFKD", fraction) for fraction in "¼½¾⅓⅔⅛⅜⅝⅞"}
)


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


@dataclass(frozen=True, eq=False)
class TitleIndex:
    """The titles of a catalogue, folded once for searching.

    title: str [V], '' at row 0 (padding), which is never found.   year: int [V], 0 where unknown.
    """

    title: Sequence[str]
    year: Sequence[int]

    @cached_property
    def _folded(self) -> tuple[str, ...]:
        return tuple(map(fold, self.title))

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        return tuple(map(_key, self.title))

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

    def search(self, text: str, k: int = 10) -> list[int]:
        """Rows of the titles that fit `text` best, best first, at most `k`.

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
                hits.append((WHOLE if key == wanted else WHOLE_SOLID if run == solid else BEGINS, row))
            elif words[0] in key and all(word in key for word in words):
                hits.append((WORDS_BEGIN if all(f" {word}" in f" {key}" for word in words) else WORDS_WITHIN, row))
        if len(hits) < k:
            taken = {row for _, row in hits}
            hits += [(ratio, row) for ratio, row in self._near(wanted) if row not in taken]
        ranked = (
            (-score - RIGHT_YEAR * (year > 0 and int(self.year[row]) == year), len(self._keys[row]), row)
            for score, row in hits
        )
        return [row for *_, row in heapq.nsmallest(max(k, 0), ranked)]

    def named(self, text: str) -> list[int]:
        """Rows of all items with this very title, or this title and year; [] where there is none.

        Accents, case and punctuation do not matter, nor does the article, unless two titles differ by it.
        """
        text = text.strip()[:MAX_TEXT]
        readings = [(text, 0)]
        if found := WITH_YEAR.fullmatch(text):
            readings.append((found[1], int(found[2])))
        for titles, form in ((self._folded, lambda name: fold(_natural(name))), (self._keys, _key)):
            for name, year in readings:
                wanted = form(name)
                same = [row for row, title in enumerate(titles) if title == wanted != ""]
                if same := [row for row in same if year in (0, int(self.year[row]))]:
                    return same
        return []

    def _near(self, wanted: str) -> list[tuple[float, int]]:
        """Resemblance and row of titles that in whole or in some words resemble `wanted`.

        The titles that share most pairs of letters with `wanted` are compared with it letter by letter.
        """
        shared = np.zeros(len(self._keys), np.int32)
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
                    bound = max(best, LEAST_RESEMBLANCE)
                    if matcher.real_quick_ratio() >= bound and matcher.quick_ratio() >= bound:
                        best = max(best, matcher.ratio())
            if best >= LEAST_RESEMBLANCE:
                near.append((best, row))
        return near
