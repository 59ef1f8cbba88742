"""Each form on small files written here, on the real files where they are, and hostile input to all."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fame.make.data import Interactions, Log, Sequences, engine, leave_one_out, read
from fame.make.data.titles import parse_title

# user 7 first, and out of time; films 1193 and 661 in the same second.
RATINGS = [("7", "1193", 978300760), ("7", "661", 978300760), ("7", "914", 978300100), ("2", "661", 978300001)]
SORTED = [RATINGS[2], RATINGS[0], RATINGS[1], RATINGS[3]]


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows_of(log: Log) -> list[tuple[str, str, float]]:
    return list(log.interactions.frame.itertuples(index=False, name=None))


def facts_of(log: Log) -> list[tuple[object, ...]]:
    return list(log.catalogue.to_frame().itertuples(index=False, name=None))


# --- each form ----------------------------------------------------------------------------------------

FILMS = [
    ("661", "James and the Giant Peach", "1996", "Animation|Children's|Musical"),
    ("914", "My Fair Lady", "1964", "Musical|Romance"),
    ("1193", "La Cité: One", "1975", "Drama"),
]


def movielens_100k(folder: Path) -> None:
    flags = {
        "661": "0001100000001000000",
        "914": "0000000000001010000",
        "1193": "0000000010000000000",
        "5": "1" + 18 * "0",
    }
    titles = {
        "661": "James and the Giant Peach (1996)",
        "914": "My Fair Lady (1964)",
        "1193": "Cité: One, La (1975)",
        "5": "X",
    }
    write(folder / "u.data", "".join(f"{u}\t{i}\t5\t{t}\n" for u, i, t in RATINGS))
    lines = (f"{i}|{titles[i]}|01-Jan-1995||http://x|{'|'.join(flags[i])}\n" for i in flags)
    write(folder / "u.item", "".join(lines).encode("latin-1"))


def movielens_1m(folder: Path) -> None:
    write(folder / "ratings.dat", "".join(f"{u}::{i}::5::{t}\n" for u, i, t in RATINGS))
    films = (
        "661::James and the Giant Peach (1996)::Animation|Children's|Musical\n"
        "914::My Fair Lady (1964)::Musical|Romance\n"
        "1193::Cité: One, La (1975)::Drama\n"
        "5::Never rated (2000)::(no genres listed)\n"
    )
    write(folder / "movies.dat", films.encode("latin-1"))


def movielens_csv(folder: Path) -> None:
    write(
        folder / "ratings.csv",
        "userId,movieId,rating,timestamp\n" + "".join(f"{u},{i},3.5,{t}\n" for u, i, t in RATINGS),
    )
    write(
        folder / "movies.csv",
        "movieId,title,genres\r\n661,James and the Giant Peach (1996),Animation|Children's|Musical\r\n"
        '914,My Fair Lady (1964),Musical|Romance\r\n1193,"Cité: One, La (1975) ",Drama\r\n5,X,(no genres listed)\r\n',
    )


@pytest.mark.parametrize(
    ("make", "log_file"),
    [(movielens_100k, "u.data"), (movielens_1m, "ratings.dat"), (movielens_csv, "ratings.csv")],
    ids=["100k", "1m", "csv"],
)
def test_movielens(tmp_path: Path, make, log_file: str) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path)
    for path in (tmp_path, tmp_path / log_file):
        log = read("movielens", path)
        assert rows_of(log) == SORTED
        assert facts_of(log) == FILMS
    for item_file in ("u.item", "movies.dat", "movies.csv"):
        (tmp_path / item_file).unlink(missing_ok=True)
    assert facts_of(read("movielens", tmp_path)) == [(i, i) for i in ("1193", "661", "914")], "ids for titles"


def test_amazon(tmp_path: Path) -> None:
    reviews = [
        {"reviewerID": f"A{u}", "asin": i, "unixReviewTime": t, "overall": 5.0, "reviewText": 'said "é"\n'}
        for u, i, t in RATINGS
    ]
    text = "\n".join(map(json.dumps, reviews)).encode()
    expected = [(f"A{u}", i, t) for u, i, t in SORTED]
    assert rows_of(read("amazon", write(tmp_path / "reviews_5.json.gz", gzip.compress(text)))) == expected
    assert rows_of(read("amazon", write(tmp_path / "reviews_5.json", text))) == expected


def test_sequences(tmp_path: Path) -> None:
    path = write(tmp_path / "log.txt", "u2 b a b\r\n\nu1 c\n \t\nu2 d\n")
    attributes = write(tmp_path / "attributes.json", '{"a": [3, 17], "b": [], "z": [1], "c": ["new"]}')
    log = read("sequences", path, attributes=attributes)
    assert [(u, i) for u, i, _ in rows_of(log)] == [("u2", "b"), ("u2", "a"), ("u2", "b"), ("u2", "d"), ("u1", "c")]
    assert facts_of(log) == [("b", "b", ""), ("a", "a", "3|17"), ("c", "c", "new"), ("d", "d", "")]


def test_recbole(tmp_path: Path) -> None:
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    inter = write(tmp_path / "ml.inter", header + "".join(f"{u}\t{i}\t5\t{t}.0\n" for u, i, t in RATINGS))
    items = (
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tstudio:token\tprice:float\n"
        '661\tJames and the "Giant" Peach\t1996\tAnimation Musical\tDisney\t9.5\n'
        "1193\tFlew Over, The\t\tDrama\t\t8\n"
    )
    write(tmp_path / "ml.item", items)
    for path in (tmp_path, inter):
        log = read("recbole", path)
        assert rows_of(log) == SORTED
        assert facts_of(log) == [
            ("661", 'James and the "Giant" Peach', "1996", "Animation|Musical", "Disney"),
            ("1193", "The Flew Over", "", "Drama", ""),
            ("914", "914", "", "", ""),
        ]


@pytest.mark.parametrize(
    "header", ["user,item,rating,order", "userId,movieId,rating,timestamp", "user_id,product_id,Rating,event_time"]
)
def test_csv_guesses_common_names(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "log.csv", header + "\n" + "".join(f'{u},"{i}",2,{t}\n' for u, i, t in RATINGS))
    assert rows_of(read("csv", path)) == SORTED


def test_csv_takes_names_other_delimiters_dates_blank_lines_bom_and_gzip(tmp_path: Path) -> None:
    text = "\ufeffwhen;who;what;note\r\n2020-01-02;Ann; tea ;x\r\n\r\n2020-01-01 10:30:00;Ann;milk;\r\n;;;\r\n"
    path = write(tmp_path / "log.csv.gz", gzip.compress(text.encode()))
    log = read("csv", path, user="who", item="what", order="when")
    microseconds = [pd.Timestamp(t).value // 1000 for t in ("2020-01-01 10:30", "2020-01-02")]
    assert rows_of(log) == [("Ann", "milk", microseconds[0]), ("Ann", "tea", microseconds[1])]


def test_csv_takes_nanoseconds_and_keeps_microseconds(tmp_path: Path) -> None:
    times = ("2020-01-02 10:00:00.123456789", "2020-01-01", "2020-01-02T10:00:00.123455999", "3020-01-01")
    for zone, spaced in (("", times), ("Z", [f"{t} 00:00:00" if len(t) == 10 else t for t in times])):
        text = "user,item,time\n" + "".join(f"u,{i},{t}{zone}\n" for i, t in enumerate(spaced))
        log = read("csv", write(tmp_path / "log.csv", text))
        assert [item for _, item, _ in rows_of(log)] == ["1", "2", "0", "3"]
        assert rows_of(log)[2][2] == 1_577_959_200_123_456


def test_ids_are_spelt_as_the_catalogue_spells_them(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "user,item,time\nu,a  b,1\nu,a\u00a0b,2\nu,e\u0301,3\n")
    items = write(tmp_path / "items.csv", "item_id,title\na   b,AB\ne\u0301,E\n")
    for log in (read("csv", path), read("csv", path, items=items)):
        assert [item for _, item, _ in rows_of(log)] == ["a b", "a b", "é"], "no row is lost"


def test_spaces_after_commas_are_no_part_of_anything(tmp_path: Path) -> None:
    log = read("csv", write(tmp_path / "log.csv", "user,item,time\nu, a, 5\nu, b,4 \n"))
    assert rows_of(log) == [("u", "b", 4), ("u", "a", 5)]


def test_csv_order_may_turn_decimal_late(tmp_path: Path) -> None:
    log = read("csv", write(tmp_path / "log.csv", "user,item,time\nu,a,2\nu,b,1.5\n"))
    assert rows_of(log) == [("u", "b", 1.5), ("u", "a", 2.0)]


def test_csv_in_many_blocks_is_one_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 7 rows: codes must agree across them, and a fault far down must be told with its line."""
    monkeypatch.setattr(engine, "BATCH_ROWS", 7)
    random = np.random.default_rng(1)
    rows = [(f"u{a}", f"i{b}", int(t)) for a, b, t in random.integers(0, 9, (200, 3))]
    rows = list(dict.fromkeys(rows))
    last = len(rows) + 1
    text = "user,item,order\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows)
    whole = Interactions.from_frame(pd.DataFrame(rows, columns=["user", "item", "order"]))
    found = read("csv", write(tmp_path / "log.csv", text)).interactions
    pd.testing.assert_frame_equal(found.frame, whole.frame, check_dtype=False)
    assert found.items.tolist() == whole.items.tolist()
    for fault, why, example in (
        ("u1,i1\n", "fields do not fit the columns", f"line {last + 1}, missing columns: 'u1,i1'"),
        ("u1,i1,x\n", "a time of another form", f"row {last} (u1, i1): 'x'"),
    ):
        found = read("csv", write(tmp_path / "bad.csv", text + fault))
        assert len(found.interactions) == len(rows)
        assert [(d.why, d.count, d.example) for d in found.report.dropped] == [(why, 1, example)]


@pytest.mark.parametrize("times", ["int", "date", "text", "float", "clock"])
@pytest.mark.parametrize("ids", ["int", "category", "float"])
def test_parquet(tmp_path: Path, times: str, ids: str) -> None:
    frame = pd.DataFrame(RATINGS, columns=["user_id", "item_id", "timestamp"])
    if ids == "category":
        frame = frame.astype({"user_id": "category", "item_id": "category"})
    else:
        frame = frame.astype({"user_id": ids, "item_id": ids})
    if times == "date":
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="s")
    elif times == "clock":
        frame["timestamp"] = pd.array(
            (frame["timestamp"] % 86_400).astype("int32"), dtype=pd.ArrowDtype(pa.time32("s"))
        )
    else:
        frame["timestamp"] = frame["timestamp"].astype("str" if times == "text" else times)
    frame.assign(rating=1).to_parquet(tmp_path / "log.parquet")
    found = read("parquet", tmp_path / "log.parquet")
    assert [row[:2] for row in rows_of(found)] == [row[:2] for row in SORTED]


# --- the catalogue ------------------------------------------------------------------------------------


def test_items_give_and_limit_the_catalogue(tmp_path: Path) -> None:
    movielens_1m(tmp_path)
    items = write(tmp_path / "items.csv", "item_id,title,year,cast\n661,A Peach,1996,A. B.|C. D.\n5,Unrated,,\n")
    log = read("movielens", tmp_path, items=items, only_items=True)
    assert facts_of(log) == [("661", "A Peach", "1996", "A. B.|C. D."), ("5", "Unrated", "", "")]
    assert rows_of(log) == [RATINGS[1], RATINGS[3]]


def test_core_limits_the_catalogue_to_what_is_left(tmp_path: Path) -> None:
    movielens_1m(tmp_path)
    log = read("movielens", tmp_path).core(1)
    assert facts_of(log) == FILMS
    core = read("sequences", write(tmp_path / "log.txt", "u a b a c\nv b a\n")).core(2)
    assert core.catalogue.item_id.tolist() == ["", "a", "b"]
    assert len(core.interactions) == 5


@pytest.mark.parametrize(
    ("text", "title", "year"),
    [
        ("Matrix, The (1999)", "The Matrix", 1999),
        ("Seven (a.k.a. Se7en) (1995)", "Seven (a.k.a. Se7en)", 1995),
        ("Crazies, The (a.k.a. Virus, The) (1973) ", "The Crazies (a.k.a. The Virus)", 1973),
        ("City of Lost Children, The (Cité des enfants perdus, La) (1995)",
         "The City of Lost Children (La Cité des enfants perdus)", 1995),
        ("Avventura, L' (Adventure, The) (1960)", "L'Avventura (The Adventure)", 1960),
        ("Yesterday, Today and Tomorrow (1963)", "Yesterday, Today and Tomorrow", 1963),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", 2009),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", 1968),
        ("Death Note (2006–2007)", "Death Note", 2006),
        ("1984", "1984", None),
        ("Babylon 5", "Babylon 5", None),
    ],
)  # fmt: skip
def test_titles(text: str, title: str, year: int | None) -> None:
    assert parse_title(text) == (title, year)


# --- the real logs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "path", "attributes", "counts"),
    [
        ("sequences", "ml-1m/sequences.txt", None, (999_611, 6_040, 3_416)),
        ("sequences", "amazon/Beauty.txt", "amazon/Beauty{}", (198_502, 22_363, 12_101)),
        ("sequences", "amazon/Toys_and_Games.txt", "amazon/Toys_and_Games{}", (167_597, 19_412, 11_924)),
        ("recbole", "ml-100k", None, (100_000, 943, 1_682)),
        ("movielens", "ml-latest-small", None, (100_836, 610, 9_724)),
    ],
    ids=["ml-1m", "beauty", "toys", "ml-100k", "ml-latest-small"],
)  # fmt: skip
def test_real_logs(
    shared_data: Path, form: str, path: str, attributes: str | None, counts: tuple[int, int, int]
) -> None:
    if attributes:
        attributes = str(shared_data / attributes.format("_item2attributes.json"))
    log = read(form, shared_data / path, attributes=attributes)
    assert (len(log.interactions), len(log.interactions.users), log.catalogue.n_items) == counts
    core = log.core(5)
    if form == "sequences":
        assert len(core.interactions) == len(log.interactions), "published as a 5-core"
    else:
        assert "Toy Story" in log.catalogue.title
        assert log.catalogue.year[log.catalogue.row("1")] == 1995
        assert "genres" in log.catalogue.attributes
    if attributes:
        assert log.catalogue.attribute("attributes").matrix.any(1)[1:].mean() > 0.9
    split = leave_one_out(Sequences.from_interactions(core.interactions, core.catalogue))
    assert len(split.test) == len(core.interactions.users), "in a 5-core everyone has 3 items"
    assert split.train.items.size == len(core.interactions) - 2 * len(split.test)


def test_real_sequences_keep_their_order(shared_data: Path) -> None:
    path = shared_data / "ml-1m" / "sequences.txt"
    log = read("sequences", path)
    found = Sequences.from_interactions(log.interactions, log.catalogue)
    first, *_, last = path.read_text().splitlines()
    for u, line in ((0, first), (len(found) - 1, last)):
        assert [found.users[u], *log.catalogue.item_id[found.history(u)]] == line.split()


# --- hostile input ------------------------------------------------------------------------------------

HEAD = "user,item,time\n"
