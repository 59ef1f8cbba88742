"""Forms of films that no other data set has: MovieLens' u.item and movies.dat, the Netflix Prize's ratings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fame.errors import FameError
from fame.make.data.builder import clean_id
from fame.make.data.plain import Plain
from fame.make.data.titles import parse_title

__all__ = ["film_file", "film_table", "is_netflix", "netflix_rows"]

# The flags at the end of each line of MovieLens-100K's u.item, in its order.
_GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
_NO_GENRES = ("(no genres listed)", "unknown")


def film_file(folder: Path) -> Path | None:
    """The item file of MovieLens in a folder."""
    names = ("u.item", "movies.dat", "movies.csv")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def film_table(path: Path, plain: Plain) -> pd.DataFrame | None:
    """Ids, titles, years and genres of u.item or movies.dat; None for a file that is a table like others.

    Raises:
        FameError: a line of another form, or an item twice.
    """
    if path.name == "u.item":
        rows: Iterable[tuple[int, str, str, list[str]]] = _rows_100k(path, plain)
    elif path.name == "movies.dat" and "::" in plain.head.split("\n")[0]:
        rows = _rows_dat(path, plain)
    else:
        return None
    facts: dict[str, list[Any]] = {"item_id": [], "title": [], "year": [], "genres": []}
    for _, item, text, genres in _each_once(path, rows):
        title, year = parse_title(text)
        facts["item_id"].append(item)
        facts["title"].append(title)
        facts["year"].append(year)
        facts["genres"].append([g for g in genres if g and g not in _NO_GENRES])
    return pd.DataFrame(facts)


def _lines(plain: Plain) -> Iterator[tuple[int, str]]:
    with plain.path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line.rstrip("\r\n")


def _rows_100k(path: Path, plain: Plain) -> Iterator[tuple[int, str, str, list[str]]]:
    for number, line in _lines(plain):
        fields = line.split("|")
        _check_fields(path, number, fields, 5 + len(_GENRES_100K))
        yield number, fields[0], fields[1], [g for g, flag in zip(_GENRES_100K, fields[5:], strict=True) if flag == "1"]


def _rows_dat(path: Path, plain: Plain) -> Iterator[tuple[int, str, str, list[str]]]:
    for number, line in _lines(plain):
        fields = line.split("::")
        # A title may hold '::' itself; id and genres never do.
        if len(fields) < 3:
            _check_fields(path, number, fields, 3)
        yield number, fields[0], "::".join(fields[1:-1]), fields[-1].split("|")


def _check_fields(path: Path, number: int, fields: Sequence[str], expected: int) -> None:
    if len(fields) != expected:
        raise FameError(f"{path}: line {number} has {len(fields)} fields; expected {expected}")


def _each_once(
    path: Path, rows: Iterable[tuple[int, str, str, list[str]]]
) -> Iterator[tuple[int, str, str, list[str]]]:
    """`rows` of line number, item id, …, with each id clean, present and new."""
    line_of: dict[str, int] = {}
    for number, text, title, genres in rows:
        item = clean_id(text)
        if not item:
            raise FameError(f"{path}: line {number} has no item id; every item needs one")
        if item in line_of:
            raise FameError(f"{path}: item {item[:50]!r} stands in lines {line_of[item]} and {number}; keep one")
        line_of[item] = number
        yield number, item, title, genres


def is_netflix(plain: Plain) -> bool:
    """Whether a text is the Netflix Prize's: a line `film:` above its lines `user,rating,date`."""
    lines = plain.head.split("\n", 3)
    fits = (
        len(lines) > 1
        and re.fullmatch(r"\d+:", lines[0].strip())
        and re.fullmatch(r"\d+,\d,\d{4}-\d\d-\d\d", lines[1].strip())
    )
    return bool(fits)


def netflix_rows(plain: Plain, target: Path) -> Plain:
    film, lines = "", 1
    with plain.path.open(encoding="utf-8") as source, target.open("w", encoding="utf-8") as out:
        out.write("user,item,rating,date\n")
        for line in source:
            text = line.strip()
            if text.endswith(":"):
                film = text[:-1]
            elif text:
                user, _, rest = text.partition(",")
                out.write(f"{user},{film},{rest}\n")
                lines += 1
    with target.open(encoding="utf-8") as file:
        head = "".join(line for _, line in zip(range(3000), file, strict=False))
    return Plain(target, head, lines <= 3000, lines, False, plain.told)
