"""An item file of any form: ids, titles, years, and whatever else as attributes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from fame.errors import FameError
from fame.make.data.builder import clean_id
from fame.make.data.interactions import Interactions
from fame.make.data.lists import is_missing, values_of
from fame.make.data.names import TIERS, plain_name
from fame.make.data.report import Coverage, day_of, names_shown
from fame.make.data.times import are_compact, number_unit
from fame.make.data.titles import parse_title
from fame.text import plural

__all__ = ["coverage_of", "item_table"]

_TITLES = (
    "title itemname itemtitle movietitle booktitle producttitle productname name originaltitle tracktitle trackname "
    "songtitle songname articletitle newstitle videotitle gametitle gamename appname showtitle showname coursetitle "
    "coursename recipename beername animename hotelname venuename placename businessname bookname articlename "
    "productdisplayname prodname description productdescription itemdescription moviename filmtitle headline "
    "primarytitle artistname titel titulo título titre titolo bezeichnung produktname nombre 标题 名称"
)
_YEARS = (
    "year releaseyear movieyear yearofpublication originalpublicationyear publicationyear startyear releasedate "
    "publishdate publicationdate date"
)
TITLES, YEARS = _TITLES.split(), _YEARS.split()
_YEAR_IN_TITLE = re.compile(r"\(\d{4}(\s*[-–]\s*(\d{4})?)?\)\s*$")
_LEVELS = re.compile(r"\s+(?:>|»|→|::)\s+|\s*>\s*(?=[A-Z])")
GAPS = frozenset(["na", "n/a", "#n/a", "-", "--", "?", "unknown", "(no genres listed)"])  # in lower case
MAX_VALUE_CHARS = 100  # in the mean: above it a column is prose


def item_table(
    name: str, names: Sequence[str], rows: Sequence[Sequence[str]], log_ids: frozenset[str], given: str | None
) -> tuple[pd.DataFrame, list[str]]:
    """Rows of text as a table for `Catalogue.from_frame`, and what there is to know.

    given: the log's item column, where it was named.

    Raises:
        FameError: no id column, or an item without an id.
    """
    columns = [[row[k] for row in rows] for k in range(len(names))]
    notes: list[str] = []
    at = pick_item_columns(name, names, columns, log_ids, given)
    plain = [plain_name(n) for n in names]
    unnamed = list(names) == [str(k) for k in range(1, len(names) + 1)]
    title, year = _called(names, TITLES, at), _called(names, YEARS, at)
    by_content = title is None
    if by_content:
        title = _title_by_content(columns, at)
    ids = [clean_id(cell) for cell in columns[at]]
    if all(re.fullmatch(r"\d+\.0+|\d+", i) for i in ids) and any("." in i for i in ids):
        ids = [i.partition(".")[0] for i in ids]
    keep = _each_once(name, ids, rows, notes)
    table: dict[str, list[Any]] = {"item_id": [ids[k] for k in keep]}
    if title is not None:
        cells = [columns[title][k] for k in keep]
        _titles(table, cells, "film" if plain[title] == "movietitle" else "year" if year is None else "")
    if year is not None:
        table["year"] = [year_of(columns[year][k]) for k in keep]
    said = []
    for k, label in enumerate(names):
        if k in (at, title, year) or not label.strip():
            continue
        cells = ["" if _is_gap(columns[k][n]) else columns[k][n] for n in keep]
        if why := _no_attribute(cells):
            if why != "empty":
                said.append(f"{label} ({why})")
            continue
        label = f"column {label}" if unnamed else label
        attribute = "genres" if plain[k] in ("class", "genre") and "movietitle" in plain else " ".join(label.split())
        if attribute in table:
            attribute = f"{attribute} 2"
        table[attribute] = attribute_values(label, cells, notes)
    if said:
        notes.append(f"{name}: no attributes are {', '.join(said[:6])}{' …' if len(said) > 6 else ''}")
    roles = {"id": at, "title": title, "year": year}
    column = "column " if unnamed else ""
    chosen = ", ".join(f"{role} = {column}{names[k]}" for role, k in roles.items() if k is not None)
    if unnamed:
        chosen += ", by content: it has no header"
    elif by_content and title is not None:
        chosen += "; the title by content"
    if others := [n for n in table if n not in ("item_id", "title", "year")]:
        chosen += f"; attributes {names_shown(others)}"
    notes.insert(0, f"{name}: {plural(len(keep), 'item')}; {chosen}")
    return pd.DataFrame(table), notes


def _called(names: Sequence[str], known: Sequence[str], at: int) -> int | None:
    """The column of the first known name; of nested names the last part counts."""
    for plain in ([plain_name(n) for n in names], [plain_name(n.rpartition(".")[2]) for n in names]):
        for word in known:
            if word in plain and plain.index(word) != at:
                return plain.index(word)
    return None


def _is_gap(cell: str) -> bool:
    """Whether an attribute has no value: missing, an empty list, or one of the ways in which tools write that."""
    return is_missing(cell) or cell.strip().lower() in GAPS or values_of(cell) == []


def _title_by_content(columns: Sequence[Sequence[str]], at: int) -> int | None:
    """The column of titles in a table without names: the first of words that are nearly all different."""
    for k, column in enumerate(columns):
        filled = [cell for cell in column if not is_missing(cell)]
        worded = sum(bool(re.search(r"[^\W\d_]{2}", cell)) for cell in filled)
        if k == at or not filled or worded < 0.8 * len(filled) or _no_attribute(filled) in ("addresses", "text"):
            continue
        if len(set(filled)) > 0.9 * len(column) and not any("|" in cell for cell in filled):
            return k
    return None


def _each_once(name: str, ids: Sequence[str], rows: Sequence[Sequence[str]], notes: list[str]) -> list[int]:
    """Rows to keep: the first of each id."""
    first: dict[str, int] = {}
    differ, same, lacking = [], 0, 0
    for k, item in enumerate(ids):
        if is_missing(item):
            lacking += 1
        elif item not in first:
            first[item] = k
        elif tuple(rows[k]) == tuple(rows[first[item]]):
            same += 1
        else:
            differ.append(item)
    if lacking:
        notes.append(f"{name}: {plural(lacking, 'row')} without an id left out")
    if same:
        notes.append(f"{name}: {plural(same, 'copy' if same == 1 else 'copie')} of a row left out")
    if differ:
        notes.append(
            f"{name}: {plural(len(set(differ)), 'item')} with rows that differ, such as {differ[0]!r}; "
            "the first is kept"
        )
    if not first:
        raise FameError(f"{name}: no row has an item id; every item needs one")
    return list(first.values())


def _titles(table: dict[str, list[Any]], cells: list[str], form: str) -> None:
    """Titles, and years where they stand behind them.

    form: 'film' for titles as MovieLens writes them, 'year' where a year may stand behind, '' for titles as they are.
    """
    cells = ["" if is_missing(cell) and cell.strip().lower() != "none" else cell for cell in cells]
    behind = sum(bool(_YEAR_IN_TITLE.search(cell)) for cell in cells) > 0.5 * len(cells)
    if form == "film" or (form == "year" and behind):
        titles, years = zip(*map(parse_title, cells), strict=True)
        table["title"], table["year"] = list(titles), list(years)
    else:
        table["title"] = cells


def year_of(cell: str) -> int | None:
    """The year in a cell: a number, a decimal, or a date in any order; None where there is none."""
    text = cell.strip()
    if re.fullmatch(r"\d{4}(\.0*)?", text):
        return int(text[:4]) or None
    if are_compact([text]):
        return int(text[:4])
    if unit := number_unit([text]):
        return int(day_of(float(text), unit)[:4])
    found = re.match(r"(\d{4})[-/.]\d", text) or re.search(r"(?:^|\D)(1[5-9]\d\d|20\d\d)(?:\D|$)", text)
    return int(found[1]) or None if found else None


def _no_attribute(cells: Sequence[str]) -> str:
    """Why a column is nothing to group items by; '' where it may be."""
    filled = [c.strip() for c in cells if c.strip()]
    if not filled:
        return "empty"
    if sum(bool(re.match(r"https?://|www\.|\[?['\"]?https?:", c)) for c in filled) > 0.5 * len(filled):
        return "addresses"
    if any(values_of(c) is not None for c in filled[:20]):
        return ""
    if sum(map(len, filled)) > MAX_VALUE_CHARS * len(filled) and not any("|" in c for c in filled[:50]):
        return "text"
    if all(re.fullmatch(r"[+-]?\d*\.\d+([eE][+-]?\d+)?", c) for c in filled) and any(float(c) % 1 for c in filled):
        return "decimals"
    if len(filled) >= 50 and len(set(filled)) == len(filled) and not any(m in c for c in filled for m in "|;>"):
        return "one of its own for each item"
    return ""


def attribute_values(label: str, cells: Sequence[str], notes: list[str]) -> list[list[str] | str]:
    """Cells as values: lists however they are spelled, levels of A > B, and words between commas that recur."""
    filled = [c for c in cells if c.strip()]
    if sum(values_of(c) is not None for c in filled) > 0.5 * len(filled):
        return [
            [v for v in (values_of(c) if values_of(c) is not None else [c]) or [] if not is_missing(v)] for c in cells
        ]
    if any("|" in c for c in filled):
        return [
            [v.strip() for v in c.split("|") if not is_missing(v) and v.strip() != "(no genres listed)"] for c in cells
        ]
    if sum(bool(_LEVELS.search(c)) for c in filled) > 0.3 * len(filled):
        notes.append(f"{label}: the levels of {filled[0][:40]!r} become values")
        return [[v.strip() for v in re.split(r"\s*(?:>|»|→|::)\s*", c) if v.strip()] for c in cells]
    for mark in (";", ",", "/"):
        if mark == "/" and any(re.search(r"\d/\d", c) for c in filled):  # dates and fractions
            break
        pieces = [[p.strip() for p in c.split(mark) if p.strip()] for c in cells]
        counts = Counter(p for cell in pieces for p in cell)
        many = sum(len(cell) > 1 for cell in pieces)
        short = sum(map(len, counts)) <= 25 * max(1, len(counts))
        if many > 0.3 * len(filled) and short and sum(counts.values()) >= 3 * len(counts):
            notes.append(f"{label}: values between {mark!r} are taken one by one, such as {next(iter(counts))!r}")
            return list(pieces)
    return ["" if c.strip() == "(no genres listed)" else c for c in cells]


def coverage_of(what: str, interactions: Interactions, listed: frozenset[str], only: bool) -> Coverage:
    """How the items of a log meet a list of ids."""
    items = list(interactions.items)
    missing = [k for k, item in enumerate(items) if item not in listed]
    if not missing:
        return Coverage(what, len(items), 0, len(interactions), 0, only=only)
    counts = pd.Series(interactions.item_codes).value_counts()
    rows = int(counts.reindex(missing, fill_value=0).sum())
    examples = tuple(items[k] for k in missing[:3])
    return Coverage(
        what,
        len(items),
        len(missing),
        len(interactions),
        rows,
        examples,
        _hint([items[k] for k in missing], listed),
        only,
    )


def _hint(missing: Sequence[str], listed: frozenset[str]) -> str:
    """What differs between ids that do not meet and those that they would meet."""
    ways = (
        ("leading zeros", lambda t: t.lstrip("0")),
        ("upper and lower case", str.casefold),
        ("a decimal point", lambda t: re.sub(r"\.0+$", "", t)),
        ("dashes and spaces", lambda t: re.sub(r"[\s_-]+", "", t)),
        ("letters before the number", lambda t: re.sub(r"^\D+", "", t)),
    )
    for what, form in ways:
        theirs = {form(i): i for i in listed}
        met = [(m, theirs[form(m)]) for m in missing if form(m) and form(m) in theirs]
        if len(met) > 0.1 * len(missing):
            ours, other = met[0]
            return f"{len(met):,} differ by {what} alone ({ours!r} here, {other!r} there)"
    return ""


def pick_item_columns(
    name: str, names: Sequence[str], columns: Sequence[Sequence[str]], known: frozenset[str], given: str | None
) -> int:
    """Which column of an item file holds the ids: by name; of several the one that meets the log's ids best.

    Raises:
        FameError: none does.
    """
    plain = [plain_name(n) for n in names]
    ids = {*TIERS["item"][0].split(), *TIERS["item"][1].split(), "id"}
    found = [k for k, n in enumerate(plain) if n in ids]
    if given and plain_name(given) in plain:
        found = [plain.index(plain_name(given))]
    meets = {k: sum(" ".join(v.split()) in known for v in columns[k]) for k in range(len(names))}
    if not found:
        best = max(meets, key=lambda k: meets[k], default=None)
        if best is None or not meets[best]:
            raise FameError(
                f"{name}: found the columns {names_shown(names)}; none looks like the item's id; call it item_id"
            )
        return best
    return max(found, key=lambda k: (meets[k], -found.index(k)))
