"""A file or folder of any supported form, read to one log: who took what, and what the items are."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.data.files import MAX_FACTS_BYTES, check_file, lines, read_text
from fame.make.data.interactions import Columns, Interactions, k_core, keep_items
from fame.make.data.tables import (
    Layout,
    clean_id,
    header_of,
    listed,
    pick_columns,
    read_delimited,
    read_parquet,
    read_rows,
)
from fame.make.data.titles import parse_title

__all__ = ["FORMS", "Log", "parse_spec", "read"]

FORMS = ("sequences", "movielens", "amazon", "recbole", "csv", "parquet")
ATTRIBUTES = "attributes"

# The flags at the end of each line of MovieLens-100K's u.item, in its order.
_GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
_NO_GENRES = ("(no genres listed)", "unknown")
_RATING = (Columns.USER, Columns.ITEM, "rating", Columns.ORDER)

Facts = dict[str, list[Any]]


@dataclass(frozen=True, eq=False)
class Log:
    """A log as read: every interaction is with an item of the catalogue."""

    interactions: Interactions
    catalogue: Catalogue

    def core(self, k: int = 5) -> Self:
        """The k-core of the log, and the catalogue of the items that it still has, in the same order.

        Raises:
            FameError: see `k_core`.
        """
        interactions = k_core(self.interactions, k)
        table = self.catalogue.to_frame()
        return type(self)(interactions, Catalogue.from_frame(table[table["item_id"].isin(interactions.items)]))


def parse_spec(spec: str) -> tuple[str, Path]:
    """'FORM:PATH' as form and path.

    Raises:
        FameError: no colon, no path, or a form that is not in `FORMS`.
    """
    form, colon, path = spec.partition(":")
    if not colon or not path or form not in FORMS:
        raise FameError(f"data {spec!r}: expected FORM:PATH, where FORM is one of {', '.join(FORMS)}")
    return form, Path(path)


def read(
    form: str,
    path: str | Path,
    *,
    items: str | Path | None = None,
    attributes: str | Path | None = None,
    user: str | None = None,
    item: str | None = None,
    order: str | None = None,
) -> Log:
    """The log at `path`, of one of the `FORMS`.

    sequences: a line per user, `user item item …`, oldest first.
    movielens: the folder or ratings file of MovieLens 100K (`u.data`), 1M and 10M (`ratings.dat`), or 20M,
        25M, 32M and latest (`ratings.csv`), with its titles and genres where the item file lies beside.
    amazon: 5-core reviews, a JSON object per line with reviewerID, asin and unixReviewTime; `.gz` or plain.
    recbole: atomic files, the folder or the `.inter` file, with the `.item` file where it lies beside.
    csv, parquet: a row per interaction, in columns named by `user`, `item` and `order` or guessed from common
        names (user_id, movieId, timestamp, …). `order` may be numbers or ISO dates. A `.csv.gz` is unpacked.

    items: a CSV with item_id, title, year and attributes, one row per item. It is then the catalogue, and
        interactions with other items are dropped. Otherwise the catalogue has the items of the log.
    attributes: a JSON object from item id to a list of attribute ids, added as the attribute `attributes`.

    Ratings are not used: having rated is the interaction. The same item may come twice.

    Raises:
        FameError: a file is missing, empty, too large, damaged, in another encoding or of another form.
    """
    if form not in FORMS:
        raise FameError(f"unknown form {form!r}; expected one of {', '.join(FORMS)}")
    named = (user, item, order)
    if any(named) and form not in ("recbole", "csv", "parquet"):
        raise FameError(f"the form {form} has no named columns; leave out user, item and order (--columns)")
    path = Path(path)
    facts: Facts = {}
    if form == "sequences":
        interactions = read_rows(path, _sequence_rows(check_file(path)))
    elif form == "movielens":
        interactions, facts = _movielens(path)
    elif form == "amazon":
        interactions = read_rows(path, _review_rows(check_file(path)))
    elif form == "recbole":
        interactions, facts = _recbole(path, named)
    elif form == "csv":
        names, delimiter = header_of(check_file(path), ",\t;")
        picked = pick_columns(path, names, named)
        interactions = read_delimited(path, Layout(names, *picked, delimiter=delimiter))
    else:
        interactions = read_parquet(check_file(path), named)

    if items is not None:
        catalogue = Catalogue.from_csv(check_file(items, MAX_FACTS_BYTES))
    else:
        catalogue = Catalogue.from_frame(_table(facts, interactions.items))
    if attributes is not None:
        values = _read_attributes(check_file(attributes))
        table = catalogue.to_frame()
        if not values.keys() & set(table["item_id"]):
            ours, theirs = table["item_id"].iloc[0], next(iter(values), "")
            raise FameError(
                f"{attributes}: none of its items, such as {theirs[:50]!r}, is in the log; expected ids like {ours!r}"
            )
        table[ATTRIBUTES] = [values.get(item_id, []) for item_id in table["item_id"]]
        catalogue = Catalogue.from_frame(table)
    return Log(keep_items(interactions, catalogue.item_id[1:]), catalogue)


def _table(facts: Facts, seen: pd.Index[str]) -> pd.DataFrame:
    """One row for each item seen: in the order of the item file, then those that it lacks."""
    known = pd.DataFrame(facts or {"item_id": []}, dtype=object).set_index("item_id")
    rest = seen.difference(known.index, sort=False)
    return known.reindex(known.index[known.index.isin(seen)].append(rest)).rename_axis("item_id").reset_index()


# --- sequences and reviews ----------------------------------------------------------------------------


def _sequence_rows(path: Path) -> Iterator[tuple[int, str, str, float]]:
    position = 0  # over the whole file, so that a user's second line follows the first
    for number, line in lines(path):
        if "\r" in line:
            raise FameError(f"{path}: line {number} holds a carriage return; expected lines that end in a line feed")
        user, *items = line.split()
        if not items:
            raise FameError(f"{path}: line {number} has 1 field; expected: user item item …")
        for item in items:
            yield number, user, item, position
            position += 1


def _review_rows(path: Path) -> Iterator[tuple[int, str, str, float]]:
    for number, line in lines(path):
        try:
            review = json.loads(line)
        except (ValueError, RecursionError):
            raise FameError(f"{path}: line {number} is not JSON; expected one review per line") from None
        try:
            user, item, time = review["reviewerID"], review["asin"], review["unixReviewTime"]
        except (TypeError, KeyError):
            raise FameError(
                f"{path}: line {number} lacks a field; expected reviewerID, asin and unixReviewTime"
            ) from None
        if not (isinstance(user, str) and user.strip() and isinstance(item, str) and item.strip()):
            raise FameError(f"{path}: line {number}: reviewerID and asin must be text that is not empty")
        if type(time) not in (int, float) or not abs(time) < 2**63:  # the comparison refuses NaN too
            raise FameError(f"{path}: line {number}: unixReviewTime is {repr(time)[:50]}; expected a number")
        yield number, user, item, time


def _read_attributes(path: Path) -> dict[str, list[str]]:
    expected = 'expected {"item": [attribute, …], …}'
    text = read_text(path)
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError itself: a number of thousands of digits
        raise FameError(f"{path}: not JSON ({error}); {expected}") from None
    if not isinstance(table, dict):
        raise FameError(f"{path}: holds a {type(table).__name__}; {expected}")
    for item, values in table.items():
        if not isinstance(values, list) or not all(type(v) in (int, str) for v in values):
            raise FameError(f"{path}: item {item[:50]!r} has {str(values)[:50]}; {expected}")
    return {clean_id(item): list(map(str, values)) for item, values in table.items()}


# --- MovieLens ----------------------------------------------------------------------------------------


def _movielens(path: Path) -> tuple[Interactions, Facts]:
    if path.is_dir():
        logs = ("u.data", "ratings.dat", "ratings.csv")
        found = next((path / name for name in logs if (path / name).is_file()), None)
        if found is None:
            raise FameError(f"{path}: holds no MovieLens log; expected {', '.join(logs[:-1])} or {logs[-1]}")
        path = found
    check_file(path)
    if path.suffix == ".data":
        layout = Layout(_RATING, *Columns.ALL, delimiter="\t", header=False, quoted=False)
        item_file, item_facts = path.with_name("u.item"), _facts_100k
    elif path.suffix == ".dat":
        layout = Layout(_RATING, *Columns.ALL, delimiter="::", header=False, quoted=False)
        item_file, item_facts = path.with_name("movies.dat"), _facts_dat
    elif path.suffix == ".csv":
        names, _ = header_of(path, ",")
        picked = pick_columns(path, names, ("userId", "movieId", "timestamp"))
        layout = Layout(names, *picked)
        item_file, item_facts = path.with_name("movies.csv"), _facts_csv
    else:
        raise FameError(f"{path}: not a MovieLens log; expected u.data, ratings.dat or ratings.csv")
    facts = item_facts(check_file(item_file)) if item_file.exists() else {}
    return read_delimited(path, layout), facts


def _facts_100k(path: Path) -> Facts:
    rows = []
    for number, line in lines(path, latin1=True):
        fields = line.split("|")
        _check_fields(path, number, fields, 5 + len(_GENRES_100K))
        genres = [g for g, flag in zip(_GENRES_100K, fields[5:], strict=True) if flag == "1"]
        rows.append((number, fields[0], fields[1], genres))
    return _films(path, rows)


def _facts_dat(path: Path) -> Facts:
    rows = []
    for number, line in lines(path, latin1=True):
        fields = line.split("::")
        # A title may hold '::' itself; id and genres never do.
        if len(fields) < 3:
            _check_fields(path, number, fields, 3)
        rows.append((number, fields[0], "::".join(fields[1:-1]), fields[-1].split("|")))
    return _films(path, rows)


def _facts_csv(path: Path) -> Facts:
    header, *rows = _csv_rows(path, ",")
    names = header[1]
    if missing := [name for name in ("movieId", "title", "genres") if name not in names]:
        raise FameError(f"{path}: found the columns {listed(names)}; {', '.join(missing)} missing")
    item, title, genres = (names.index(name) for name in ("movieId", "title", "genres"))
    return _films(path, ((n, row[item], row[title], row[genres].split("|")) for n, row in rows))


def _films(path: Path, rows: Iterable[tuple[int, str, str, list[str]]]) -> Facts:
    """Facts from rows of line number, id, title with year, genres."""
    facts: Facts = {"item_id": [], "title": [], "year": [], "genres": []}
    for _, item, text, genres in _each_once(path, rows):
        title, year = parse_title(text)
        facts["item_id"].append(item)
        facts["title"].append(title)
        facts["year"].append(year)
        facts["genres"].append([g for g in genres if g and g not in _NO_GENRES])
    return facts


# --- RecBole ------------------------------------------------------------------------------------------


def _recbole(path: Path, named: Sequence[str | None]) -> tuple[Interactions, Facts]:
    if path.is_dir():
        found = sorted(path.glob("*.inter"))
        if len(found) != 1:
            said = listed(f.name for f in found) or "none"
            raise FameError(f"{path}: found .inter files: {said}; expected one, or give the file itself")
        path = found[0]
    if path.suffix != ".inter":
        raise FameError(f"{path}: not a RecBole log; expected a folder or a file ending in .inter")
    typed, _ = header_of(check_file(path), "\t")
    columns = _typed(path, typed)
    picked = pick_columns(path, list(columns), named)
    interactions = read_delimited(path, Layout(list(columns), *picked, delimiter="\t", quoted=False))
    item_file = path.with_suffix(".item")
    return interactions, _facts_recbole(check_file(item_file), picked[1]) if item_file.exists() else {}


def _typed(path: Path, header: Sequence[str]) -> dict[str, str]:
    """Column names and types from a header of `name:type`."""
    types = ("token", "token_seq", "float", "float_seq")
    columns = {}
    for field in header:
        name, _, type_ = field.rpartition(":")
        if not name or type_ not in types:
            raise FameError(f"{path}: line 1 has {field[:50]!r}; expected name:type, a type of {', '.join(types)}")
        columns[name] = type_
    if len(columns) < len(header):
        raise FameError(f"{path}: line 1 names a column twice: {listed(header)}")
    return columns


def _facts_recbole(path: Path, id_column: str) -> Facts:
    """Titles, years, and every token column as an attribute; decimals are nothing that people group by."""
    header, *rows = _csv_rows(path, "\t")
    columns = _typed(path, header[1])
    names = list(columns)
    if id_column not in columns:
        raise FameError(f"{path}: found the columns {listed(names)}; expected one {id_column!r}")
    k = names.index(id_column)
    table = [(item, row) for _, item, row in _each_once(path, ((n, row[k], row) for n, row in rows))]
    cells = {name: [row[k] for _, row in table] for k, name in enumerate(names) if name != id_column}
    facts: Facts = {"item_id": [item for item, _ in table]}
    title = next((n for n in ("movie_title", "title", "item_title", "name") if n in cells), None)
    if title:
        facts["title"], facts["year"] = map(list, zip(*map(parse_title, cells.pop(title)), strict=True))
    if year := next((n for n in ("release_year", "movie_year", "year") if n in cells), None):
        facts["year"] = [int(cell[:4]) if re.match(r"\d{4}", cell) else None for cell in cells.pop(year)]
    for name, column in cells.items():
        # RecBole's MovieLens files call the genres 'class' or 'genre'.
        attribute = "genres" if name in ("class", "genre") and title == "movie_title" else name
        if columns[name] == "token":
            facts[attribute] = [[cell] for cell in column]
        elif columns[name] == "token_seq":
            facts[attribute] = [cell.split() for cell in column]
    return facts


# --- item files ---------------------------------------------------------------------------------------


def _csv_rows(path: Path, delimiter: str) -> list[tuple[int, list[str]]]:
    """Line number and fields of each row of a file with a header line, all of one width."""
    text = io.StringIO(read_text(path), newline="")
    if delimiter == ",":
        reader = csv.reader(text, strict=True)
    else:
        reader = csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    rows = []
    try:
        for row in reader:
            if row:
                rows.append((reader.line_num, row))
                _check_fields(path, reader.line_num, row, len(rows[0][1]))
    except csv.Error as error:
        raise FameError(f"{path}: line {reader.line_num} is not readable as a table ({error})") from None
    if not rows:
        raise FameError(f"{path}: the file has no rows; expected a header and one row per item")
    return rows


def _check_fields(path: Path, number: int, fields: Sequence[str], expected: int) -> None:
    if len(fields) != expected:
        raise FameError(f"{path}: line {number} has {len(fields)} fields; expected {expected}")


def _each_once(path: Path, rows: Iterable[Any]) -> Iterator[Any]:
    """`rows` of line number, item id, …, with each id clean, present and new."""
    line_of: dict[str, int] = {}
    for number, item, *rest in rows:
        item = clean_id(item)
        if not item:
            raise FameError(f"{path}: line {number} has no item id; every item needs one")
        if item in line_of:
            raise FameError(f"{path}: item {item[:50]!r} stands in lines {line_of[item]} and {number}; keep one")
        line_of[item] = number
        yield number, item, *rest
