"""A log collected block by block: names become codes at once, so that memory holds no text twice."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.errors import FameError
from fame.make.data.interactions import Columns, Interactions
from fame.make.data.lists import is_missing
from fame.make.data.report import Dropped

__all__ = ["Builder", "clean_id"]

_JOINERS = re.compile("[\u200c\u200d]")  # of emoji and of Persian and Indian scripts
_WHOLE = re.compile(r"\d+(\.0+)?")
MAX_INTERACTIONS = 500_000_000
MAX_NAMES = 50_000_000  # users, and items
MAX_NAME_CHARS = 500
UNMET = "does not meet the conditions (--where)"


class Builder:
    """Collects rows of user, item and order.

    missing: words, in lower case, that stand for no value beside the usual ones.
    """

    def __init__(self, source: str | Path, missing: frozenset[str] = frozenset(), strict: bool = False) -> None:
        self.source, self.missing, self.strict = source, missing, strict
        self._users: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._parts: tuple[list[np.ndarray], ...] = ([], [], [])
        self._dropped: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self.notes: list[str] = []
        self.rows = 0
        self.n = 0
        self._position = 0

    def drop(self, why: str, count: int, example: str = "") -> None:
        """Counts rows that are left out.

        Raises:
            FameError: under `strict`.
        """
        if not count:
            return
        if self.strict and why != UNMET:
            raise FameError(f"{self.source}: {count:,} rows: {why}, such as {example}; leave out --strict to drop them")
        self._dropped[why] += count
        self._examples.setdefault(why, example)

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        return tuple(Dropped(why, n, self._examples[why]) for why, n in self._dropped.items())

    def add(
        self,
        user: pa.Array,
        item: pa.Array,
        order: np.ndarray | None,
        fits: np.ndarray | None = None,
        raw: pa.Array | None = None,
        rows: int | None = None,
    ) -> None:
        """A block of text arrays (null where missing), and int64 or float64 [n] order; None: the order of adding.

        fits: bool [n], False where the order is missing or no time.   raw: the order as text, for what is said of it.
        rows: of the file that these are, where not one each.

        Raises:
            FameError: an id that is overlong or not printable, or more of anything than the limits allow.
        """
        first, n = self.rows, len(user)
        self.rows += n if rows is None else rows
        user_codes, user_bad = self._codes(user, Columns.USER, self._users, first)
        item_codes, item_bad = self._codes(item, Columns.ITEM, self._items, first)
        for what, bad in ((Columns.USER, user_bad), (Columns.ITEM, item_bad & ~user_bad)):
            if bad.any():
                self.drop(f"no {what}", int(bad.sum()), f"row {first + int(np.argmax(bad)) + 1:,}")
        keep = ~(user_bad | item_bad)
        if fits is not None and not fits.all():
            self._untimed(np.flatnonzero(keep & ~fits), raw, user, item, first)
            keep &= fits
        if order is None:
            order = np.arange(self._position, self._position + n, dtype=np.int64)
        self._position += n
        if not keep.all():
            user_codes, item_codes, order = user_codes[keep], item_codes[keep], order[keep]
        for part, block in zip(self._parts, (user_codes, item_codes, order), strict=True):
            part.append(block)
        self.n += len(order)
        if self.n > MAX_INTERACTIONS:
            raise FameError(f"{self.source}: more than {MAX_INTERACTIONS:,} interactions; use a part of the log")

    def _untimed(self, bad: np.ndarray, raw: pa.Array | None, user: pa.Array, item: pa.Array, first: int) -> None:
        """Counts rows without a time, and with one that is not understood."""
        lacking: list[int] = []
        strange: list[int] = []
        for k in map(int, bad):
            text = raw[k].as_py() if raw is not None else None
            missing = text is None or is_missing(text) or text.strip().lower() in self.missing
            (lacking if missing else strange).append(k)
        for why, rows in (("no time", lacking), ("a time of another form", strange)):
            if rows:
                k = rows[0]
                shown = f"row {first + k + 1:,} ({str(user[k].as_py())[:40]}, {str(item[k].as_py())[:40]})"
                if why != "no time" and raw is not None:
                    shown += f": {str(raw[k].as_py())[:40]!r}"
                self.drop(why, len(rows), shown)

    def build(self) -> Interactions:
        """All blocks as one sorted log, users and items numbered as they first appear.

        Raises:
            FameError: there were no rows.
        """
        if not self.n:
            said = "; ".join(d.line() for d in self.dropped)
            raise FameError(
                f"{self.source}: the log is empty; expected at least one interaction{f' ({said})' if said else ''}"
            )
        arrays = []
        for part in self._parts:
            arrays.append(np.concatenate(part))
            part.clear()
        user, item, order = arrays
        del arrays
        users, items = list(self._users), list(self._items)
        if self.n < self._position:  # else every name has a row, and they stand as they first appeared
            user, users = _used(user, users)
            item, items = _used(item, items)
        user, users = self._whole(user, users, Columns.USER)
        item, items = self._whole(item, items, Columns.ITEM)
        return Interactions.from_codes(user, users, item, items, order)

    def _whole(self, codes: np.ndarray, names: list[str], what: str) -> tuple[np.ndarray, list[str]]:
        """Ids that are all whole numbers without the decimals which some of them have, as 12.0."""
        if not all(_WHOLE.fullmatch(n) for n in names) or not (long := next((n for n in names if "." in n), "")):
            return codes, names
        self.notes.append(f"{what} ids written like {long} are read as {long.partition('.')[0]}")
        short: dict[str, int] = {}
        table = [short.setdefault(n.partition(".")[0], len(short)) for n in names]
        return np.array(table, np.int32)[codes], list(short)

    def _codes(self, values: pa.Array, what: str, known: dict[str, int], first: int) -> tuple[np.ndarray, np.ndarray]:
        """int32 [n], -1 where missing, and where that is."""
        encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        indices = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy()
        texts = encoded.dictionary.to_pylist()
        table = np.full(len(texts) + 1, -1, np.int32)
        for k, text in enumerate(texts):
            if text is None:
                continue
            code = known.get(text)
            if code is None:
                code = self._new(text, what, known, first, indices, k)
            table[k] = code
        if len(known) > MAX_NAMES:
            raise FameError(f"{self.source}: more than {MAX_NAMES:,} different {what}s; use a part of the log")
        codes = table[indices]
        return codes, codes < 0

    def _new(self, text: str, what: str, known: dict[str, int], first: int, indices: np.ndarray, k: int) -> int:
        name = clean_id(text)
        if is_missing(name) or name.lower() in self.missing:
            return -1
        if name in known:
            return known[name]
        # A line break or a tab inside is what a stray quote makes of two rows.
        whole = _JOINERS.sub("", name).isprintable() and not re.search(r"[\t\r\n]", text.strip())
        if len(name) > MAX_NAME_CHARS or not whole:
            row = first + int(np.argmax(indices == k)) + 1
            said = f"an id of {len(name):,} characters" if whole else f"the id {text.strip()[:50]!r}"
            raise FameError(
                f"{self.source}: row {row} has {said} for the {what}; "
                f"expected 1 to {MAX_NAME_CHARS} printable characters"
            )
        return known.setdefault(name, len(known))


def _used(codes: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
    """Codes and names as those first appear among the rows kept, without names that no row has."""
    present = np.unique(codes)
    firsts = np.zeros(len(names), np.int64)
    firsts[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    order = present[np.argsort(firsts[present], kind="stable")]
    if len(order) == len(names) and np.array_equal(order, np.arange(len(names))):
        return codes, names
    table = np.zeros(len(names), np.int32)
    table[order] = np.arange(len(order), dtype=np.int32)
    return table[codes], [names[k] for k in order]


def clean_id(text: str) -> str:
    """An id as the catalogue spells it, so that the two meet: composed, with single spaces."""
    if text.isascii() and text.isalnum():
        return text
    return " ".join(unicodedata.normalize("NFC", text).split())


def numbers_of(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Text as numbers, int64 where all are whole, else float64; and where there is one that is finite."""
    texts = pc.utf8_trim_whitespace(texts)
    for kind in (pa.int64(), pa.float64()):
        try:
            values = pc.cast(texts, kind)
        except pa.ArrowInvalid:
            continue
        if values.null_count:
            fits = pc.is_valid(values).to_numpy(zero_copy_only=False)
            numbers = values.fill_null(0).to_numpy(zero_copy_only=False)
        else:
            numbers = values.to_numpy(zero_copy_only=False)
            fits = np.ones(len(numbers), bool)
        return numbers, fits & np.isfinite(numbers)
    return _one_by_one(texts.to_pylist())


def _one_by_one(texts: list[str | None]) -> tuple[np.ndarray, np.ndarray]:
    values: list[int | float | None] = []
    for text in texts:
        value: int | float | None = None
        plain = (text or "").strip()
        if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", plain):
            plain = plain.replace(",", "")
        elif re.fullmatch(r"[+-]?\d+,\d+", plain):
            plain = plain.replace(",", ".")
        try:
            value = int(plain) if re.fullmatch(r"[+-]?\d{1,18}", plain) else float(plain)
        except ValueError:
            value = None
        values.append(value if value is not None and np.isfinite(value) and "_" not in plain else None)
    fits = np.array([v is not None for v in values], bool)
    whole = all(isinstance(v, int) for v in values if v is not None)
    return np.array([0 if v is None else v for v in values], np.int64 if whole else np.float64), fits
