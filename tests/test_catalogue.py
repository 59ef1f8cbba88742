"""The table of items: what may come in, what comes back, and how an item is found by what people type."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.search import MAX_TEXT, fold

FILMS = [
    ("a", "The Matrix", 1999, "Action|Sci-Fi", "Lana Wachowski|Lilly Wachowski"),
    ("b", "Psycho", 1960, "Horror|Thriller", "Alfred Hitchcock"),
    ("c", "Psycho", 1998, "Horror", "Gus Van Sant"),
    ("d", "Léon: The Professional", 1994, "Crime", "Luc Besson"),
    ("e", "M*A*S*H", 1970, "Comedy|War", "Robert Altman"),
    ("f", "Raiders of the Lost Ark", 1981, "Action", "Steven Spielberg"),
    ("g", "2001: A Space Odyssey", 1968, "Sci-Fi", "Stanley Kubrick"),
    ("h", "The Godfather", 1972, "Crime", "Francis Ford Coppola"),
    ("i", "The Godfather Part II", 1974, "Crime", "Francis Ford Coppola"),
    ("j", "The Naked Gun 2½: The Smell of Fear", 1991, "Comedy", "David Zucker"),
    ("k", "A.I. Artificial Intelligence", 2001, "Sci-Fi", "Steven Spielberg"),
    ("l", "Amélie", 2001, "Romance", "Jean-Pierre Jeunet"),
    ("m", "Amelie's Travels", 0, "", ""),
]


@pytest.fixture(scope="module")
def films() -> Catalogue:
    table = pd.DataFrame(FILMS, columns=["item_id", "title", "year", "genres", "director"])
    return Catalogue.from_frame(table.astype(object).replace({"year": {0: None}}))


def found(films: Catalogue, text: str, k: int = 10) -> list[str]:
    return films.item_id[films.search(text, k)].tolist()


class TestComingIn:
    def test_rows_follow_the_table_and_row_0_is_padding(self, films: Catalogue) -> None:
        assert len(films) == films.n_items + 1 == len(FILMS) + 1
        assert films.item_id.tolist() == ["", *(film[0] for film in FILMS)]
        assert films.year.tolist() == [0, *(film[2] for film in FILMS)] and films.year.dtype == np.int16
        assert (films.title[0], films.facts["genres"][0]) == ("", ())
        assert all(films.item_id[films.row(film[0])] == film[0] for film in FILMS)
        assert "a" in films and "" not in films and "z" not in films

    def test_arrays_are_read_only(self, films: Catalogue) -> None:
        for array in (films.item_id, films.title, films.year, films.attribute("genres").matrix):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = array[0]

    def test_ids_are_enough(self) -> None:
        plain = Catalogue.from_frame(pd.DataFrame({"item_id": [7, 3]}))
        assert plain.item_id.tolist() == plain.title.tolist() == ["", "7", "3"]
        assert plain.attributes == () and not plain.year.any()
        assert plain.label(1) == "7"

    @pytest.mark.parametrize(
        "cell, values",
        [
            ("x|y|x", ("x", "y")),
            (" x | |y ", ("x", "y")),
            (["x", "y|z", None, ""], ("x", "y", "z")),
            (("x",), ("x",)),
            ({"y", "x"}, ("x", "y")),
            (np.array(["x", "y"]), ("x", "y")),
            (3, ("3",)),
            (None, ()),
            (float("nan"), ()),
            (np.float32("nan"), ()),
            (pd.NaT, ()),
            (pd.NA, ()),
        ],
    )
    def test_an_attribute_may_be_text_or_a_list(self, cell: Any, values: tuple[str, ...]) -> None:
        table = pd.DataFrame({"item_id": ["1"], "tags": pd.Series([cell], dtype=object)})
        assert Catalogue.from_frame(table).facts["tags"][1] == values

    def test_text_is_cleaned_but_never_read_as_anything_else(self) -> None:
        titles = ["<b>Bold</b> & **Star**", "Tab\there\nand\x00there\u202e", "=1+1", "x" * 10_000, "Ame\u0301lie", " "]
        table = pd.DataFrame({"item_id": list("123456"), "title": titles})
        assert Catalogue.from_frame(table).title.tolist()[1:] == [
            "<b>Bold</b> & **Star**",
            "Tab here and there",
            "=1+1",
            "x" * MAX_TEXT,
            "Amélie",
            "6",
        ]

    @pytest.mark.parametrize("year", [1999, 1999.0, "1999", " 1999 ", "1999.0", np.int64(1999)])
    def test_a_year_may_be_any_whole_number(self, year: Any) -> None:
        table = pd.DataFrame({"item_id": ["1", "2"], "year": pd.Series([year, None], dtype=object)})
        films = Catalogue.from_frame(table)
        assert films.year.tolist() == [0, 1999, 0]
        assert films.facts["decade"] == ((), ("1990s",), ())

    @pytest.mark.parametrize(
        "columns, message",
        [
            ({"id": [1]}, "found the columns id; expected one named 'item_id'"),
            ({"item_id": []}, "0 items; expected 1 to"),
            ({"item_id": ["1", " "]}, "row 2 has no item_id"),
            ({"item_id": ["1", None]}, "row 2 has no item_id"),
            ({"item_id": ["1", "2", "1 "]}, "item_id '1' stands twice"),
            ({"item_id": ["1"], "year": ["soon"]}, "item '1' has the year 'soon'; expected a number like 1999"),
            ({"item_id": ["1"], "year": [1999.5]}, "the year '1999.5'"),
            ({"item_id": ["1"], "year": [-4]}, "the year '-4'"),
            ({"item_id": ["1"], "year": [70_000]}, "the year '70000'"),
            ({"item_id": ["1"], "year": ["inf"]}, "the year 'inf'"),
            ({"item_id": ["1"], "year": [[1999]]}, "the year '\\[1999\\]'"),
            ({"item_id": ["1"], "tag": ["x"], "tag ": ["y"]}, "two columns are named 'tag'"),
        ],
    )
    def test_refuses(self, columns: dict[str, list[Any]], message: str) -> None:
        with pytest.raises(FameError, match=message) as refusal:
            Catalogue.from_frame(pd.DataFrame(columns))
        assert "\n" not in str(refusal.value)


class TestCsv:
    @pytest.mark.parametrize(
        "content, message",
        [
            (b"", "not a readable UTF-8 CSV"),
            (b"item_id,title\n1,L\xe9on\n", "not a readable UTF-8 CSV"),
            (b'item_id,title\n1,"open\n', "not a readable UTF-8 CSV"),
            (b"item_id,title\n1,a\n2,b,c\n", "not a readable UTF-8 CSV"),
            (b"item_id,title\n1,Matrix, The\n2,Ref, The\n", "more fields than the header; put text that has a comma"),
            (b"title\nx\n", "expected one named 'item_id'"),
            (b"item_id,title\n", "0 items"),
            (b"item_id,tag,tag\n1,x,y\n", "two columns are named 'tag'"),
        ],
    )
    def test_refuses(self, tmp_path: Path, content: bytes, message: str) -> None:
        (tmp_path / "items.csv").write_bytes(content)
        with pytest.raises(FameError, match=message) as refusal:
            Catalogue.from_csv(tmp_path / "items.csv")
        assert "\n" not in str(refusal.value)

    def test_refuses_what_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(FameError, match="no such file; expected a CSV with a column item_id"):
            Catalogue.from_csv(tmp_path / "none.csv")
        with pytest.raises(FameError, match="not a readable"):
            Catalogue.from_csv(tmp_path)

    def test_reads_what_a_spreadsheet_saves(self, tmp_path: Path) -> None:
        content = ',item_id,title,year\r\n0,007,"Matrix, The",1999\r\n1,NA,None,\r\n'
        (tmp_path / "items.csv").write_text("\ufeff" + content, encoding="utf-8", newline="")
        films = Catalogue.from_csv(tmp_path / "items.csv")
        assert films.item_id.tolist() == ["", "007", "NA"] and films.title.tolist() == ["", "Matrix, The", "None"]
        assert films.attributes == ("decade",)


TEXT = st.text(max_size=8)
TABLES = st.lists(
    st.fixed_dictionaries(
        {
            "title": TEXT,
            "year": st.none() | st.integers(1, 9999),
            "tags": TEXT | st.lists(TEXT, max_size=3),
            "decade": TEXT,
        }
    ),
    min_size=1,
    max_size=5,
)


class TestGivingBack:
    @given(TABLES, st.booleans())
    def test_the_same_catalogue_comes_back(
        self, tmp_path_factory: pytest.TempPathFactory, table: list[dict[str, Any]], own_decade: bool
    ) -> None:
        frame = pd.DataFrame(table, dtype=object).assign(item_id=range(len(table)))
        first = Catalogue.from_frame(frame if own_decade else frame.drop(columns="decade"))
        file = tmp_path_factory.getbasetemp() / "items.csv"
        first.to_frame().to_csv(file, index=False)
        for again in (Catalogue.from_frame(first.to_frame()), Catalogue.from_csv(file)):
            assert again.item_id.tolist() == first.item_id.tolist()
            assert again.title.tolist() == first.title.tolist()
            assert again.year.tolist() == first.year.tolist()
            assert again.facts == first.facts


class TestAttribute:
    def test_the_matrix_says_who_has_what(self, films: Catalogue) -> None:
        matrix, values = films.attribute("genres")
        assert matrix.shape == (len(films), len(values)) and matrix.dtype == bool
        for row, cell in enumerate(films.facts["genres"]):
            assert {values[k] for k in np.flatnonzero(matrix[row])} == set(cell)
        assert not matrix[0].any() and matrix.any(axis=0).all()

    def test_most_frequent_first_then_by_name(self, films: Catalogue) -> None:
        matrix, values = films.attribute("genres")
        assert values[:3] == ("Crime", "Sci-Fi", "Action") and matrix.sum(axis=0).tolist()[:3] == [3, 3, 2]
        assert films.attribute("decade").values[0] == "1990s"

    def test_refuses(self, films: Catalogue) -> None:
        with pytest.raises(FameError, match="no attribute 'mood'; it has genres, director, decade"):
            films.attribute("mood")
        with pytest.raises(FameError, match="no item has the id 'z'; 13 items are known"):
            films.row("z")

    def test_refuses_a_matrix_that_fits_no_memory(self, monkeypatch: pytest.MonkeyPatch, films: Catalogue) -> None:
        many = Catalogue.from_frame(films.to_frame())
        monkeypatch.setattr("fame.catalogue.MAX_CELLS", 100)
        with pytest.raises(FameError, match="the attribute 'director' has 11 values for 13 items; too many"):
            many.attribute("director")


@pytest.mark.parametrize(
    "text, plain",
    [
        ("Léon", "leon"),
        ("AMÉLIE", "amelie"),
        ("Krzysztof Kieślowski", "krzysztof kieslowski"),
        ("Bjørn & Łucja Đặng", "bjorn and lucja dang"),
        ("Ocean's Eleven", "oceans eleven"),
        ("WALL·E_2 -- (1)", "wall e 2 1"),
        ("Straße", "strasse"),
        ("Naked Gun 2½", "naked gun 2 1 2"),
        ("七人の侍", "七人の侍"),
        ("!?", ""),
    ],
)
def test_fold(text: str, plain: str) -> None:
    assert fold(text) == plain


class TestSearch:
    @pytest.mark.parametrize(
        "text, first",
        [
            ("matrix", "a"),
            ("THE MATRIX", "a"),
            ("Matrix, The (1999)", "a"),
            ("matr", "a"),
            ("psycho 1998", "c"),
            ("Psycho (1960)", "b"),
            ("leon", "d"),
            ("professional leon", "d"),
            ("profession", "d"),
            ("mash", "e"),
            ("m.a.s.h.", "e"),
            ("raidrs of the lost arc", "f"),
            ("lost ark", "f"),
            ("the lsot ark", "f"),
            ("spaceodyssey", "g"),
            ("2001", "g"),
            ("odissey", "g"),
            ("godfather", "h"),
            ("godfather 1974", "i"),
            ("godfather ii", "i"),
            ("naked gun 2 1/2", "j"),
            ("AI", "k"),
            ("ame\u0301lie", "l"),
        ],
    )
    def test_finds_first(self, films: Catalogue, text: str, first: str) -> None:
        assert found(films, text)[0] == first

    def test_better_fits_stand_first(self, films: Catalogue) -> None:
        assert found(films, "amelie") == ["l", "m"]
        assert found(films, "the godfather") == ["h", "i"]
        assert found(films, "psycho") == ["b", "c"]
        assert found(films, "psycho", k=1) == ["b"]

    @pytest.mark.parametrize("text", ["", "   ", "?!", "\x00", "zzzzqqq", "<script>alert(1)</script>", "x" * 100_000])
    def test_finds_nothing(self, films: Catalogue, text: str) -> None:
        assert found(films, text) == []

    @pytest.mark.parametrize("k", [0, -1])
    def test_gives_no_more_than_asked_for(self, films: Catalogue, k: int) -> None:
        assert found(films, "the", k) == []

    @given(st.text(max_size=30))
    def test_any_text_is_a_search(self, text: str) -> None:
        table = pd.DataFrame(FILMS, columns=["item_id", "title", "year", "genres", "director"]).drop(columns="year")
        rows = Catalogue.from_frame(table).search(text)
        assert len(set(rows)) == len(rows) <= 10 and all(0 < row <= len(FILMS) for row in rows)

    def test_is_quick_with_many_titles(self) -> None:
        """About 20 ms on a laptop; the limit leaves room for a busy machine, not for comparing every title."""
        rng = np.random.default_rng(0)
        words = np.array(["".join(letters) for letters in rng.choice(list("abcdeilmnorst"), (4000, 6))])
        titles = [" ".join(words[rng.integers(4000, size=n)]) for n in rng.integers(1, 7, 30_000)]
        many = Catalogue.from_frame(pd.DataFrame({"item_id": range(30_000), "title": titles}))
        many.search("first")  # builds the index
        mistyped = [title[:3] + title[4:] for title in many.title[1:6]]
        for text in [*mistyped, "a", "no such title at all"]:
            seconds = []
            for _ in range(3):
                start = time.process_time()
                rows = many.search(text)
                seconds.append(time.process_time() - start)
            assert min(seconds) < 0.15
            assert text not in mistyped or mistyped.index(text) + 1 in rows


class TestResolve:
    @pytest.mark.parametrize(
        "text, item",
        [
            ("a", "a"),
            (" a ", "a"),
            ("The Matrix", "a"),
            ("the matrix (1999)", "a"),
            ("Matrix, The (1999)", "a"),
            ("Matrix", "a"),
            ("psycho 1998", "c"),
            ("Psycho (1960)", "b"),
            ("Psycho, 1960", "b"),
            ("Leon the professional", "d"),
            ("2001: a space odyssey", "g"),
            ("AMELIE", "l"),
        ],
    )
    def test_names_one_item(self, films: Catalogue, text: str, item: str) -> None:
        assert films.item_id[films.resolve(text)] == item

    def test_every_label_and_id_names_its_own_item(self, films: Catalogue) -> None:
        for row in range(1, len(films)):
            assert films.resolve(films.label(row)) == films.resolve(films.item_id[row]) == row

    def test_a_title_as_written_wins_over_one_without_its_article(self) -> None:
        films = Catalogue.from_frame(pd.DataFrame({"item_id": [1, 2], "title": ["The Thing", "Thing"]}))
        assert (films.resolve("the thing"), films.resolve("thing")) == (1, 2)
        with pytest.raises(FameError, match="names 2 items: The Thing with the id 1; Thing with the id 2"):
            films.resolve("a thing")

    @pytest.mark.parametrize(
        "text, message",
        [
            (
                "psycho",
                r"'psycho' names 2 items: Psycho \(1960\) with the id b; Psycho \(1998\) with the id c; add the",
            ),
            ("Psycho (1970)", r"no item is called 'Psycho \(1970\)'; nearest: Psycho \(1960\); Psycho \(1998\)"),
            ("Matricks", r"no item is called 'Matricks'; nearest: The Matrix \(1999\)"),
            ("god father", r"nearest: The Godfather \(1972\); The Godfather Part II \(1974\)"),
            ("zzzzqqq", "no item is called 'zzzzqqq'; nothing resembles it"),
            ("1984", "no item is called '1984'"),
            ("", "no item is called ''; nothing resembles it"),
        ],
    )
    def test_refuses_and_offers(self, films: Catalogue, text: str, message: str) -> None:
        with pytest.raises(FameError, match=message):
            films.resolve(text)

    @pytest.mark.parametrize("item", [34, 34.0, "34", np.int64(34), np.float32(34), np.str_("34"), pd.Series([34])[0]])
    def test_a_number_is_an_id_and_never_a_row(self, item: Any) -> None:
        films = Catalogue.from_frame(pd.DataFrame({"item_id": [*range(100, 134), 34], "title": "Same"}))
        assert films.resolve(item) == 35

    def test_a_number_may_be_a_title(self) -> None:
        films = Catalogue.from_frame(pd.DataFrame({"item_id": ["a", "b"], "title": ["1984", "2012"]}))
        assert films.resolve(1984) == 1

    @pytest.mark.parametrize(
        "item, message",
        [
            (12, "no item is called '12'; nearest: Ten with the id 10; Twenty with the id 20; Nine hundred"),
            (-1, "no item is called '-1'; nothing resembles it"),
            (10**400, "nothing resembles it|nearest: Nine hundred with the id 900"),
            ("B000AA", "nearest: Soap with the id B000AB"),
            (None, r"an item is None \(NoneType\); expected an id or a title"),
            (True, r"an item is True \(bool\)"),
            (10.5, r"an item is 10.5 \(float\)"),
            (float("nan"), r"an item is nan \(float\)"),
            (["Ten"], r"an item is \['Ten'\] \(list\)"),
            (b"10", r"an item is b'10' \(bytes\)"),
        ],
    )
    def test_what_names_no_item_is_refused_with_the_nearest(self, item: Any, message: str) -> None:
        table = {"item_id": ["10", "20", "900", "B000AB"], "title": ["Ten", "Twenty", "Nine hundred", "Soap"]}
        with pytest.raises(FameError, match=message):
            Catalogue.from_frame(pd.DataFrame(table)).resolve(item)

    def test_a_long_text_makes_a_short_message(self, films: Catalogue) -> None:
        with pytest.raises(FameError, match="nothing resembles it") as refusal:
            films.resolve("q\n" * 50_000)
        assert len(str(refusal.value)) < 300 and not re.search(r"\n", str(refusal.value))
