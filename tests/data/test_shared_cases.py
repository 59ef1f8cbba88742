"""The files of ../shared/cases, each with what its README says that it must give."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fame.errors import FameError
from fame.make.data import Log, read

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"

SAME = [
    "pipe.csv", "space.csv", "utf16.csv", "cr.csv", "ts_us2.csv", "ts_foursq.csv", "ts_iso_utcword.csv",
    "events.jsonl", "am_pydict.json", "humancols.csv", "sep_line.csv", "comment.csv", "log.csv.GZ", "log.csv.bz2",
    "log.zip", "pq_bytes.parquet", "orderid.csv", "dup_rows.csv", "list.csv", "semi_quoted.csv", "ts_months.csv",
    "seq_header.txt", "seq_comma.txt", "seq_trip.txt",
]  # fmt: skip


@pytest.fixture
def cases() -> Path:
    if not CASES.is_dir():
        pytest.skip("no cases: ../shared/cases is not beside this checkout")
    return CASES


def histories(log: Log) -> dict[str, list[str]]:
    frame = log.interactions.frame
    return {u: list(g["item"].astype(str)) for u, g in frame.groupby("user", observed=True)}


def said(log: Log) -> str:
    return "\n".join(log.report.lines())


@pytest.mark.parametrize("name", SAME)
def test_gives_the_log(cases: Path, name: str) -> None:
    form = "sequences" if name.startswith("seq_") else "auto"
    log = read(form, cases / name)
    assert histories(log) == histories(read("auto", cases / "ok.csv")), said(log)


@pytest.mark.parametrize(
    ("name", "users", "items", "rows", "words"),
    [
        ("nohead.csv", 40, 24, 360, ("guessed by content: user = column 1, item = column 2", "time = column 5")),
        ("lastfm1k.tsv", 40, 24, 360, ("user = column 1, item = column 3", "time = column 2")),
        (
            "shop.csv",
            40,
            24,
            360,
            ("user = CustomerID, item = StockCode", "time = InvoiceDate, dates, the month first"),
        ),
        ("hm.csv", 40, 24, 360, ("user = customer_id, item = article_id", "time = t_dat")),
        ("instacart.csv", 40, 24, 360, ("user = order_id, item = product_id", "order = add_to_cart_order")),
        ("mind.tsv", 40, 48, 720, ("a list a row", "column 4 is the history")),
        ("id_floatid.csv", 40, 24, 360, ("item ids written like 19.0 are read as 19",)),
        ("ts_empty1.csv", 40, 24, 359, ("dropped 1 row: no time, such as row 51",)),
        ("ts_null1.csv", 40, 24, 359, ("dropped 1 row: no time, such as row 51",)),
        ("na_user.csv", 11, 24, 360, ("a user is called 'NA' (270 rows) and is kept", "--missing NA")),
        ("tsv_quotes.tsv", 200, 24, 4000, ("read 4,000 rows",)),
        ("ml_semi", 40, 24, 360, ("movies.csv: has all 24 items of the log",)),
        ("dup_rows.csv", 40, 24, 360, ("dropped 360 rows: the same user, item and time",)),
        ("semi_quoted.csv", 40, 24, 360, ("no time: order of the file",)),
    ],
)
def test_is_told(cases: Path, name: str, users: int, items: int, rows: int, words: tuple[str, ...]) -> None:
    log = read("auto", cases / name)
    report = log.report
    assert (report.users, report.items, report.interactions) == (users, items, rows), said(log)
    for word in words:
        assert word in said(log)


def test_every_file_stands_in_a_table_here(cases: Path) -> None:
    told = Path(__file__).read_text(encoding="utf-8")
    assert [p.name for p in cases.iterdir() if p.name != "README.md" and f'"{p.name}"' not in told] == []


@pytest.mark.parametrize("name", [n for n in SAME if not n.startswith(("list", "seq_", "semi", "dup"))])
def test_says_what_was_taken_in_one_line(cases: Path, name: str) -> None:
    line = read("auto", cases / name).report.taken_line()
    assert re.match(r"read 360 rows as .*(parted by|JSON|Python|Parquet).*; user = .*, item = .*; time = ", line), line


@pytest.mark.parametrize("name", ["ts_empty1.csv", "ts_null1.csv"])
def test_strict_refuses(cases: Path, name: str) -> None:
    with pytest.raises(FameError, match="no time, such as row 51"):
        read("auto", cases / name, strict=True)


def test_lines_of_items_alone_are_not_taken_for_users(cases: Path) -> None:
    for form in ("auto", "sequences"):
        with pytest.raises(FameError, match=r"40 lines, 20 different first fields.*--no-user"):
            read(form, cases / "seq_nouser.txt")
    log = read("auto", cases / "seq_nouser.txt", no_user=True)
    lines = (cases / "seq_nouser.txt").read_text().splitlines()
    assert list(histories(log).values()) == [line.split() for line in lines]


ITEMS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("it_movieId.csv", {"title": "The Kite", "year": "1980", "genres": "Action|Drama"}, ("id = movieId",)),
    ("it_semi.csv", {"title": "Kite 0", "year": "1980"}, ()),
    ("it_latin1.csv", {"title": "Café 0"}, ("Latin-1",)),
    ("it_yearnan.csv", {"title": "Kite 0", "year": ""}, ()),
    ("it_yeardate.csv", {"title": "Kite 0", "year": "1980"}, ()),
    ("it_dupe.csv", {"title": "Kite 0"}, ("1 item with rows that differ, such as 'b3'; the first is kept",)),
    ("it_exactdupe.csv", {"title": "Kite 0"}, ("1 copy of a row left out",)),
    ("it_nested.csv", {"category": "Home|Garden"}, ("levels",)),
    ("it_pylist.csv", {"genres": "Drama"}, ()),
    ("it_json.csv", {"genres": "Drama"}, ()),
]


@pytest.mark.parametrize(("name", "first", "words"), ITEMS, ids=[i[0] for i in ITEMS])
def test_items(cases: Path, name: str, first: dict[str, Any], words: tuple[str, ...]) -> None:
    log = read("auto", cases / "ok.csv", items=cases / name)
    table = log.catalogue.to_frame()
    assert len(table) == 24
    row = table.set_index("item_id").loc["b1"].to_dict()
    assert {key: row[key] for key in first} == first
    assert (table["title"] != table["item_id"]).all()
    for word in words:
        assert word in said(log)


def test_zeros_that_ids_lost_are_told(cases: Path) -> None:
    log = read("auto", cases / "isbn_log.csv", items=cases / "isbn_items.csv")
    assert "12 of 24 items (49% of rows), such as" in said(log)
    assert "are not in isbn_items.csv; 12 differ by leading zeros alone" in said(log)
    assert log.report.interactions == 4000, "nothing is dropped without a word"
