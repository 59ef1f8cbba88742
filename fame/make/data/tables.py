"""Logs as delimited text or Parquet, read block by block so that memory holds codes and not text."""

from __future__ import annotations

import contextlib
import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from fame.errors import FameError
from fame.make.data.files import MAX_LINE_BYTES, MAX_UNPACKED_BYTES, lines, open_bytes
from fame.make.data.interactions import Columns, Interactions

__all__ = ["Layout", "clean_id", "header_of", "listed", "pick_columns", "read_delimited", "read_parquet", "read_rows"]

MAX_INTERACTIONS = 500_000_000
MAX_NAMES = 50_000_000  # users, and items
MAX_NAME_CHARS = 500

_TEXT_CODES = pa.dictionary(pa.int32(), pa.string())
_TIMES = (pa.timestamp("us"), pa.timestamp("us", "UTC"))
_GUESSES = {
    Columns.USER: "user userid uid useridx reviewerid customer customerid client clientid visitorid memberid "
    "accountid sessionid session",
    Columns.ITEM: "item itemid iid itemidx movieid filmid movie film asin parentasin product productid sku "
    "trackid songid artistid bookid isbn articleid newsid videoid gameid",
    Columns.ORDER: "order timestamp time unixreviewtime unixtime ts datetime date eventtime createdat "
    "reviewtime ratedat position",
}


@dataclass(frozen=True)
class Layout:
    """Where a delimited text file keeps what a log needs.

    columns: all column names, left to right.   header: the first line holds them.
    user, item, order: which columns those are.   quoted: fields may stand in double quotes.
    """

    columns: Sequence[str]
    user: str
    item: str
    order: str
    delimiter: str = ","
    header: bool = True
    quoted: bool = True


class Builder:
    """Collects a log block by block: names become codes at once, so that text is never kept twice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._users: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.n = 0

    def add(self, user: pa.Array, item: pa.Array, order: np.ndarray, line: Sequence[int]) -> None:
        """A block: text or dictionary arrays without nulls, int64 or float64 order, and each row's line.

        Raises:
            FameError: an id that is empty, overlong or not printable, or more of anything than the limits allow.
        """
        user_codes = self._codes(user, Columns.USER, self._users, line)
        item_codes = self._codes(item, Columns.ITEM, self._items, line)
        self._blocks.append((user_codes, item_codes, order))
        self.n += len(order)
        if self.n > MAX_INTERACTIONS:
            raise FameError(f"{self.path}: more than {MAX_INTERACTIONS:,} interactions; use a part of the log")

    def build(self) -> Interactions:
        """All blocks as one sorted log.

        Raises:
            FameError: there were no rows.
        """
        if not self.n:
            raise FameError(f"{self.path}: the log is empty; expected at least one interaction")
        user, item, order = (np.concatenate(parts) for parts in zip(*self._blocks, strict=True))
        self._blocks.clear()
        return Interactions.from_codes(user, self._users, item, self._items, order)

    def _codes(self, values: pa.Array, what: str, known: dict[str, int], line: Sequence[int]) -> np.ndarray:
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        indices = values.indices.to_numpy()
        texts = values.dictionary.to_pylist()
        names = list(map(clean_id, texts))
        for k, (text, name) in enumerate(zip(texts, names, strict=True)):
            # A line break or a tab inside is what a stray quote makes of two rows.
            whole = name.isprintable() and not re.search(r"[\t\r\n]", text.strip())
            if not name or len(name) > MAX_NAME_CHARS or not whole:
                raise unfit_id(self.path, line[int(np.argmax(indices == k))], name if whole else text.strip(), what)
        table = np.fromiter((known.setdefault(name, len(known)) for name in names), np.int32, len(names))
        if len(known) > MAX_NAMES:
            raise FameError(f"{self.path}: more than {MAX_NAMES:,} different {what}s; use a part of the log")
        return table[indices]


def clean_id(text: str) -> str:
    """An id as the catalogue spells it, so that the two meet: composed, with single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def unfit_id(path: Path, line: int, name: str, what: str) -> FameError:
    if not name:
        said = "no id"
    elif len(name) > MAX_NAME_CHARS:
        said = f"an id of {len(name):,} characters"
    else:
        said = f"the id {name[:50]!r}"
    return FameError(
        f"{path}: line {line} has {said} for the {what}; expected 1 to {MAX_NAME_CHARS} printable characters"
    )


class _Numbers:
    """Turns the text of an order column into numbers: whole, decimal, or ISO dates (whole microseconds).

    What the first value of the file is decides: a number is never mixed with dates.
    """

    def __init__(self, path: Path, column: str) -> None:
        self.path, self.column = path, column
        self._types: tuple[pa.DataType, ...] = ()

    def __call__(self, texts: pa.Array, line: Sequence[int]) -> np.ndarray:
        """int64 or float64 [n], finite.

        Raises:
            FameError: a value is no number (or date), with its line.
        """
        texts = pc.utf8_trim_whitespace(texts)
        first = not self._types
        if first:
            self._types = next(((t,) for t in _TIMES if _fits(texts[0], t)), (pa.int64(), pa.float64()))
        for type_ in self._types:
            try:
                values = _cast(texts, type_)
            except pa.ArrowInvalid:
                continue
            numbers = values.cast(pa.int64()) if pa.types.is_timestamp(type_) else values
            array: np.ndarray = numbers.to_numpy(zero_copy_only=False)
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                break
            return array
        row = next(i for i, text in enumerate(texts) if not _fits(text, self._types[-1]))
        if self._types[0] in _TIMES:
            expected = "a date written like the first one"
        elif first and row == 0:
            expected = "a number or an ISO date like 2020-01-31"
        else:
            expected = "a number like the first one"
        raise FameError(
            f"{self.path}: line {line[row]} has {texts[row].as_py()[:50]!r} in column "
            f"{self.column!r}; expected {expected}"
        )


def _cast(text: pa.Array | pa.Scalar, type_: pa.DataType) -> pa.Array | pa.Scalar:
    """Text as numbers or times; what a time has beyond microseconds is cut off."""
    try:
        return pc.cast(text, type_)
    except pa.ArrowInvalid:
        if not pa.types.is_timestamp(type_):
            raise
        return pc.cast(pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1"), type_)


def _fits(text: pa.Scalar, type_: pa.DataType) -> bool:
    try:
        value = _cast(text, type_)
    except pa.ArrowInvalid:
        return False
    return not pa.types.is_floating(type_) or bool(np.isfinite(value.as_py()))


def listed(names: Iterable[str]) -> str:
    """Names from a file as one line of a message."""
    return "".join(c if c.isprintable() else "?" for c in ", ".join(names)[:300])


def pick_columns(path: Path, found: Sequence[str], given: Sequence[str | None]) -> tuple[str, str, str]:
    """Which of the columns `found` holds the user, the item and the order.

    given: for each of the three, the name the caller gave, or None to guess from common names (user_id, movieId, …).

    Raises:
        FameError: a given name is not there or there twice, or nothing looks right.
    """
    picked: list[str] = []
    plain = {"".join(c for c in name.lower() if c.isalnum()): name for name in reversed(found)}
    for role, name in zip(Columns.ALL, given, strict=True):
        if name is None:
            name = next((plain[guess] for guess in _GUESSES[role].split() if guess in plain), None)
            if name is None:
                raise FameError(
                    f"{path}: found the columns {listed(found)}; none looks like the {role}; "
                    "name all three, --columns USER,ITEM,ORDER (in Python or a recipe: user=, item=, order=)"
                )
        if list(found).count(name) != 1:
            raise FameError(f"{path}: found the columns {listed(found)}; expected one column {name!r} for the {role}")
        picked.append(name)
    if len(set(picked)) < len(picked):
        raise FameError(f"{path}: user, item and order are the columns {listed(picked)}; expected three")
    return picked[0], picked[1], picked[2]


def header_of(path: Path, delimiters: str) -> tuple[list[str], str]:
    """The column names in a file's first line, and the delimiter among `delimiters` that parts them."""
    number, text = next(lines(path), (1, ""))
    if number > 1:
        raise FameError(f"{path}: line 1 is empty; expected the column names")
    if "\r" in text:
        raise FameError(f"{path}: lines end in a carriage return alone; save it with the line ends LF or CRLF")
    delimiter = max(delimiters, key=text.count)
    return [name.strip() for name in next(csv.reader([text], delimiter=delimiter), [])], delimiter


def read_delimited(path: Path, layout: Layout) -> Interactions:
    """The log in a checked file of delimited text.

    Raises:
        FameError: a line with the wrong number of fields, an empty id, an order that is no number, text
            that is not UTF-8, or no rows.
    """
    builder = Builder(path)
    numbers = _Numbers(path, layout.order)
    start = 2 if layout.header else 1
    for batch in _batches(path, layout):
        user, item, order = batch.columns
        line: Sequence[int] = range(start, start + len(order))
        start += len(order)
        if "" in user.dictionary.to_pylist():
            # Blank lines arrive as rows of empty cells. They count as lines, and hold nothing else.
            user, item = user.cast(pa.string()), item.cast(pa.string())
            blank = pc.and_(pc.equal(user, ""), pc.and_(pc.equal(item, ""), pc.equal(order, "")))
            user, item, order = (column.filter(pc.invert(blank)) for column in (user, item, order))
            line = [n for n, empty in zip(line, blank.to_pylist(), strict=True) if not empty]
        if len(order):
            builder.add(user, item, numbers(order, line), line)
    return builder.build()


def _batches(path: Path, layout: Layout) -> Iterator[pa.RecordBatch]:
    """Blocks of the three columns user, item (dictionary of text) and order (text)."""
    # Arrow parts fields at one character: '::' is ':' with an empty column in between.
    step = len(layout.delimiter)
    columns = [f"{c}{'_' * k}" for c in layout.columns for k in range(step)][: (len(layout.columns) - 1) * step + 1]
    wrong: list[pyarrow.csv.InvalidRow] = []

    def refuse(row: pyarrow.csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    wanted = (layout.user, layout.item, layout.order)
    with open_bytes(path) as file:
        try:
            yield from pyarrow.csv.open_csv(
                file,
                read_options=pyarrow.csv.ReadOptions(
                    use_threads=False,  # so that a wrong row comes with its number
                    block_size=MAX_LINE_BYTES,
                    column_names=columns,
                    skip_rows=int(layout.header),
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=layout.delimiter[0],
                    quote_char='"' if layout.quoted else False,
                    newlines_in_values=layout.quoted,
                    ignore_empty_lines=False,
                    invalid_row_handler=refuse,
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types={
                        layout.user: _TEXT_CODES,
                        layout.item: _TEXT_CODES,
                        layout.order: pa.string(),
                    },
                    include_columns=list(wanted),
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            if wrong:
                fields, expected = (
                    (n + step - 1) // step for n in (wrong[0].actual_columns, wrong[0].expected_columns)
                )
                raise FameError(
                    f"{path}: line {wrong[0].number} has {fields} fields; expected {expected}: {listed(layout.columns)}"
                ) from None
            for _ in lines(path):  # names the line where the encoding or the length is at fault
                pass
            raise FameError(f"{path}: not readable as delimited text ({str(error)[:200]})") from None


def read_parquet(path: Path, given: Sequence[str | None]) -> Interactions:
    """The log in a checked Parquet file; see `pick_columns` for `given`.

    Raises:
        FameError: no Parquet file, missing columns, empty cells, or ids or an order of an unfit type.
    """
    builder = Builder(path)
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            meta = file.metadata
            unpacked = sum(meta.row_group(g).total_byte_size for g in range(meta.num_row_groups))
            if meta.num_rows > MAX_INTERACTIONS or unpacked > MAX_UNPACKED_BYTES:
                raise FameError(f"{path}: {meta.num_rows:,} rows, {unpacked:,} bytes unpacked; use a part of it")
            picked = pick_columns(path, file.schema_arrow.names, given)
            numbers = _Numbers(path, picked[2])
            for batch in file.iter_batches(1 << 20, columns=picked):
                user, item, order = map(batch.column, picked)
                for role, column in zip(Columns.ALL, (user, item, order), strict=True):
                    if column.null_count:
                        row = builder.n + pc.index(column.is_null(), True).as_py() + 1
                        raise FameError(f"{path}: row {row} has no {role}; every row needs one")
                line = range(builder.n + 1, builder.n + 1 + len(batch))
                builder.add(
                    _as_text(path, user, Columns.USER),
                    _as_text(path, item, Columns.ITEM),
                    _as_numbers(path, order, numbers, line),
                    line,
                )
    except (pa.ArrowException, OSError) as error:
        raise FameError(f"{path}: not a readable Parquet file ({str(error)[:200]})") from None
    return builder.build()


def _as_text(path: Path, ids: pa.Array, role: str) -> pa.Array:
    """Ids as text: whole numbers and text, or categories of them."""
    if pa.types.is_dictionary(ids.type):
        ids = ids.dictionary_decode()
    if pa.types.is_floating(ids.type):
        # pandas turns whole numbers into decimals where a column once had gaps.
        with contextlib.suppress(pa.ArrowInvalid):
            ids = ids.cast(pa.int64())
    kinds = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not any(fits(ids.type) for fits in kinds):
        raise FameError(f"{path}: the {role} column holds {ids.type}; expected text or whole numbers")
    return ids.cast(pa.string())


def _as_numbers(path: Path, order: pa.Array, numbers: _Numbers, line: Sequence[int]) -> np.ndarray:
    if pa.types.is_dictionary(order.type):
        order = order.dictionary_decode()
    kind = order.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return numbers(order.cast(pa.string()), line)
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        order = order.cast(pa.int32())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)):
        raise FameError(f"{path}: the order column holds {kind}; expected numbers or times")
    try:
        array: np.ndarray = order.cast(pa.float64() if pa.types.is_floating(kind) else pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        raise FameError(f"{path}: the order column holds {kind} with a number that has no room in 64 bits") from None
    if not np.isfinite(array).all():
        row = line[int(np.argmin(np.isfinite(array)))]
        raise FameError(f"{path}: row {row} has an order that is not finite; every row needs a number")
    return array


def read_rows(path: Path, rows: Iterable[tuple[int, str, str, float]]) -> Interactions:
    """A log from single rows: line number, user, item, order (int or finite float).

    Raises:
        FameError: an id that is overlong or not printable, or no rows.
    """
    builder = Builder(path)
    rows = iter(rows)
    while block := list(islice(rows, 1 << 18)):
        line, user, item, order = zip(*block, strict=True)
        whole = all(isinstance(x, int) for x in order)
        numbers = np.array(order, np.int64 if whole else np.float64)
        try:
            builder.add(pa.array(user, pa.string()), pa.array(item, pa.string()), numbers, line)
        except UnicodeEncodeError as error:  # half a character, which JSON can spell
            row = next(row for row in block if error.object in row[1:3])
            raise unfit_id(path, row[0], error.object, Columns.ALL[row[1:3].index(error.object)]) from None
    return builder.build()
