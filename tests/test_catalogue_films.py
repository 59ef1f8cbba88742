"""The catalogue of films that ships: complete, in one spelling, and in the form that the bundle needs."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from fame.catalogue import SEPARATOR, Catalogue
from fame.search import fold

FILE = Path(__file__).resolve().parents[1] / "artifacts" / "ml-1m" / "items.csv"
IDS = (Path(__file__).parent / "ml-1m-ids.txt").read_text(encoding="ascii").split()
COLUMNS = ["item_id", "title", "year", "genres", "director", "cast"]
GENRES = set(
    "Action|Adventure|Animation|Children|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|Musical|Mystery|"
    "Romance|Sci-Fi|Thriller|War|Western".split(SEPARATOR)
)
ONE_VOICE = {"1148", "1223"}  # in The Wrong Trousers and A Grand Day Out nobody but Wallace speaks

Row = dict[str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(csv.DictReader(io.StringIO(FILE.read_text(encoding="utf-8"), newline=""), strict=True))


@pytest.fixture(scope="module")
def films() -> Catalogue:
    return Catalogue.from_csv(FILE)


def names(row: Row, *columns: str) -> list[str]:
    return [name for column in columns if row[column] for name in row[column].split(SEPARATOR)]


def same_letters(spellings: set[str]) -> list[list[str]]:
    """The spellings that differ by no more than case, accents, punctuation or spaces."""
    groups = defaultdict(list)
    for spelling in sorted(spellings):
        groups[fold(spelling).replace(" ", "")].append(spelling)
    return [group for group in groups.values() if len(group) > 1]


def test_the_file_is_plain_utf8_csv() -> None:
    content = FILE.read_bytes()
    assert not content.startswith(b"\xef\xbb\xbf") and b"\r" not in content and content.endswith(b"\n")
    text = content.decode("utf-8")
    assert text == unicodedata.normalize("NFC", text)
    assert text.splitlines()[0] == ",".join(COLUMNS)


def test_exactly_the_films_of_the_log_in_order_of_id(rows: list[Row]) -> None:
    assert len(IDS) == len(set(IDS)) == 1000
    assert [row["item_id"] for row in rows] == IDS == sorted(IDS, key=int)


def test_every_field_parses(rows: list[Row]) -> None:
    for row in rows:
        assert list(row) == COLUMNS and None not in row.values(), row
        assert row["title"], row
        assert re.fullmatch(r"\d{4}", row["year"]) and 1915 <= int(row["year"]) <= 2000, row
        for column in COLUMNS:
            assert row[column] == " ".join(row[column].split()), f"stray space: {row}"
            assert not re.search(r"[<>\[\](){}_]", row[column]), f"not plain text: {row}"
        for column in ("genres", "director", "cast"):
            parts = names(row, column)
            assert len(set(parts)) == len(parts) and all(p and p == p.strip() for p in parts), row


def test_one_to_four_genres_of_the_list(rows: list[Row]) -> None:
    for row in rows:
        assert set(names(row, "genres")) <= GENRES and 1 <= len(names(row, "genres")) <= 4, row
    assert {genre for row in rows for genre in names(row, "genres")} == GENRES


def test_two_to_four_leads(rows: list[Row]) -> None:
    few = {row["item_id"] for row in rows if len(names(row, "cast")) == 1}
    assert few == ONE_VOICE
    assert all(len(names(row, "cast")) <= 4 for row in rows)


def test_titles_stand_in_natural_order_and_without_their_year(rows: list[Row]) -> None:
    for row in rows:
        assert not re.search(r", (The|An?|Les?|La|Das|Der|Die|El|Il)$", row["title"]), row
        assert not re.search(r"a\.k\.a|\baka\b", row["title"], re.IGNORECASE), row


def test_films_of_one_title_are_told_apart_by_year(rows: list[Row]) -> None:
    count = Counter((fold(row["title"]), row["year"]) for row in rows)
    assert max(count.values()) == 1, count.most_common(3)
    assert {"Sabrina", "Cape Fear", "The Fly"} <= {t for t, n in Counter(r["title"] for r in rows).items() if n > 1}


def test_nobody_and_no_title_is_spelled_two_ways(rows: list[Row]) -> None:
    assert same_letters({"Penélope Cruz", "Penelope Cruz", "Tom Cruise"}) == [["Penelope Cruz", "Penélope Cruz"]]
    assert same_letters({name for row in rows for name in names(row, "director", "cast")}) == []
    assert same_letters({row["title"] for row in rows}) == []


@pytest.mark.parametrize("column, least", [("director", 40), ("cast", 120)])
def test_enough_people_made_four_films(rows: list[Row], column: str, least: int) -> None:
    films = Counter(name for row in rows for name in names(row, column))
    assert sum(n >= 4 for n in films.values()) >= least


def test_the_catalogue_reads_it_and_gives_it_back(films: Catalogue, rows: list[Row]) -> None:
    assert films.n_items == 1000
    assert films.attributes == ("genres", "director", "cast", "decade")
    assert films.to_frame().to_dict("records") == rows


@pytest.mark.parametrize(
    "name, director, leads",
    [
        ("Cape Fear (1962)", "J. Lee Thompson", {"Gregory Peck", "Robert Mitchum"}),
        ("Cape Fear (1991)", "Martin Scorsese", {"Robert De Niro", "Nick Nolte"}),
        ("The Fly (1958)", "Kurt Neumann", {"David Hedison", "Patricia Owens"}),
        ("The Fly (1986)", "David Cronenberg", {"Jeff Goldblum", "Geena Davis"}),
        ("Alien", "Ridley Scott", {"Sigourney Weaver", "Tom Skerritt"}),
        ("Aliens", "James Cameron", {"Sigourney Weaver", "Michael Biehn"}),
        ("The Godfather Part II", "Francis Ford Coppola", {"Al Pacino", "Robert De Niro"}),
        ("Fargo", "Joel Coen", {"Frances McDormand", "William H. Macy"}),
        ("Le\u0301on: the professional", "Luc Besson", {"Jean Reno", "Natalie Portman"}),
    ],
)
def test_a_film_is_found_with_its_own_director_and_leads(
    films: Catalogue, name: str, director: str, leads: set[str]
) -> None:
    row = films.resolve(name)
    assert films.facts["director"][row] == (director,)
    assert set(films.facts["cast"][row][:2]) == leads
