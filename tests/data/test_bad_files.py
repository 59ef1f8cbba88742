"""What is no log, or a damaged one: refused in one line, or dropped and told; and the limits that hold."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fame.errors import FameError
from fame.make.data import FORMS, builder, parse_spec, plain, read
from fame.make.data import files as door
from tests.data.test_readers import HEAD, write


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        *[(form, b"", "file is empty") for form in ("auto", "sequences", "amazon", "csv", "parquet")],
        ("csv", HEAD, "the log is empty"),
        ("csv", HEAD + "\n\n", "the log is empty"),
        (
            "csv",
            "a,b,t\n1,2,3\n",
            "found the columns a, b, t; none looks like the user; name it with --user COLUMN "
            r"\(a name, or a number from 1; in Python or a recipe: user=\)",
        ),
        ("csv", "a\x1b[31m,b,t\n1,2,3\n", r"found the columns a\?\[31m, b, t;"),
        (
            "csv",
            "user,user,item,time\n1,4,2,3\n",
            r"'user' \(column 1\) and 'user' \(column 2\) could both be the user",
        ),
        ("csv", HEAD + "1,2,soon\n", "column 'time' has 'soon', no number and no known form of date"),
        ("csv", HEAD + '1,"2,3\n4,5",6\n', r"row 1 has the id '2,3\\n4,5' for the item; expected .* printable"),
        ("csv", HEAD + "1,2,3\n1,a\0b,3\n", "line 3 holds binary data"),
        ("csv", HEAD + "1,2,3\n\n\x1b[31m,2,3\n", r"row 2 has the id '\\x1b\[31m' for the user; expected .* printable"),
        ("csv", HEAD + "1," + "x" * 501 + ",3\n", "row 1 has an id of 501 characters"),
        ("parquet", b"PAR1 nothing PAR1", "not readable as a table"),
        ("sequences", "u1 a\nu2 \0\n", "line 2 holds binary data"),
        ("sequences", "u1 a\nu2 " + "x" * 501, "row 2 has an id of 501 characters"),
        ("sequences", "\n \t\n", "nothing but blank space"),
        ("sequences", "u1\nu2\n", "the log is empty.*dropped 2 rows: a user and no item"),
        ("amazon", "{'reviewerID': 'A'}\n", "none looks like the item"),
        ("amazon", "user,item\n1,2\n", "not JSON"),
        ("amazon", "[" * 100_000, "not JSON"),
        ("amazon", '{"reviewerID": "A", "unixReviewTime": 3}', "none looks like the item"),
        ("amazon", "[1]", "holds no objects"),
        (
            "amazon",
            r'{"reviewerID": "A", "asin": "B\u0001", "unixReviewTime": 1}',
            r"row 1 has the id 'B\\x01' for the it",
        ),
        ("amazon", '{"reviewerID": "A", "asin": "B", "unixReviewTime": "soon"}', "has 'soon', no number"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, form: str, text: str | bytes, message: str) -> None:
    with pytest.raises(FameError, match=message) as caught:
        read(form, write(tmp_path / "log", text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "dropped"),
    [
        (HEAD + "1,2,3\n1,2\n", [("fields do not fit the columns", "line 3, missing columns: '1,2'")]),
        (HEAD + "1,2,3\n\n1,2,3,4\n", [("fields do not fit the columns", "line 4, too many columns: '1,2,3,4'")]),
        (HEAD + "1,2,3\n1,2,nan\n", [("no time", "row 2 (1, 2)")]),
        (HEAD + "1,2,2020-01-01\n1,2,17\n", [("a time of another form", "row 2 (1, 2): '17'")]),
        (HEAD + "1,2,3\n1, ,3\n", [("no item", "row 2")]),
    ],
)
def test_bad_rows_are_dropped_and_told(tmp_path: Path, text: str, dropped: list[tuple[str, str]]) -> None:
    path = write(tmp_path / "log.csv", text)
    report = read("csv", path).report
    assert [(d.why, d.example) for d in report.dropped] == dropped
    assert report.rows == report.interactions + sum(d.count for d in report.dropped)
    with pytest.raises(FameError, match="leave out --strict"):
        read("csv", path, strict=True)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("movies.dat", "1::Toy Story\n", "line 1 has 2 fields; expected 3"),
        ("movies.dat", "1::A (1990)::X\n1::B (1991)::Y\n", "item '1' stands in lines 1 and 2"),
    ],
)
def test_bad_movielens_files_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    write(tmp_path / "ratings.dat", "1::1::5::1\n")
    write(tmp_path / name, text)
    with pytest.raises(FameError, match=message):
        read("movielens", tmp_path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user_id\titem_id\ttimestamp", "line 1 has 'user_id'; expected name:type"),
        ("user_id:token\titem_id:token\ttimestamp:date", "'timestamp:date'"),
        (
            "user_id:token\titem_id:token\titem_id:token",
            r"'item_id' \(column 2\) and 'item_id' \(column 3\) could both be the item",
        ),
    ],
)
def test_bad_recbole_headers_are_refused(tmp_path: Path, header: str, message: str) -> None:
    write(tmp_path / "log.inter", header + "\n1\t2\t3\n")
    with pytest.raises(FameError, match=message):
        read("recbole", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "holds a list"),
        ('{"a": 3}', "item 'a' has 3"),
        ('{"a": [[1]]}', "item 'a' has"),
        ('{"b": ["x"]}', "none of its items, such as 'b', is in the log; expected ids like 'a'"),
        (b'{\n"a": ["\xe9"]}', "line 2 is not UTF-8"),
        ('{"a": [' + "1" * 5000 + "]}", "not JSON"),
    ],
)
def test_bad_attributes_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    log = write(tmp_path / "log.txt", "u a\n")
    with pytest.raises(FameError, match=message):
        read("sequences", log, attributes=write(tmp_path / "attributes.json", text))


def test_empty_cells_in_parquet_are_dropped_and_unfit_types_refused(tmp_path: Path) -> None:
    good = {"user": ["u", "v"], "item": ["a", "b"], "order": [1.0, 2.0]}
    for change, why in (({"item": ["a", None]}, "no item"), ({"order": [1.0, np.inf]}, "no time")):
        pd.DataFrame(good | change).to_parquet(tmp_path / "log.parquet")
        report = read("parquet", tmp_path / "log.parquet").report
        assert [(d.why, d.count) for d in report.dropped] == [(why, 1)]
    pd.DataFrame(good | {"order": [True, False]}).to_parquet(tmp_path / "log.parquet")
    with pytest.raises(FameError, match="column 'order' has 'true', no number"):
        read("parquet", tmp_path / "log.parquet")


def test_damaged_and_exploding_gzip_files_are_refused(tmp_path: Path) -> None:
    review = b'{"reviewerID": "A", "asin": "B", "unixReviewTime": 1}\n'
    whole = gzip.compress(review * 1000)
    for form, name, data, message in (
        ("amazon", "a.json.gz", whole[:-20], "damaged or cut-off"),
        ("amazon", "c.json.gz", gzip.compress(b"\n" * (1 << 22)), "far more than a log would"),
        ("csv", "d.csv.gz", gzip.compress(HEAD.encode() + b"1,2,3\n" * (1 << 20)), "far more than a log would"),
    ):
        with pytest.raises(FameError, match=message):
            read(form, write(tmp_path / name, data))


def test_limits_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "log.txt", "u1 a b c\nu2 a\n")
    for module, limit, value, message in (
        (builder, "MAX_INTERACTIONS", 3, "more than 3 interactions"),
        (builder, "MAX_NAMES", 2, "more than 2 different items"),
    ):
        with monkeypatch.context() as patch, pytest.raises(FameError, match=message):
            patch.setattr(module, limit, value)
            read("sequences", path)
    monkeypatch.setattr(plain, "MAX_LINE_BYTES", 1 << 21)
    with pytest.raises(FameError, match="line 2 is longer than 2,097,152 bytes"):
        read("sequences", write(tmp_path / "long.txt", "u1 a b c\nu2" + " a" * (1 << 21)))
    with pytest.raises(FameError, match="14 bytes; the limit is 5"):
        door.check_file(path, limit=5)


def test_paths_and_forms_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for form in FORMS:
        with pytest.raises(FameError, match=r"no such file|not a RecBole log"):
            read(form, tmp_path / "absent")
    with pytest.raises(FameError, match="holds no data"):
        read("csv", tmp_path)
    with pytest.raises(FameError, match=r"expected u\.data, ratings\.dat or ratings\.csv"):
        read("movielens", tmp_path)
    with pytest.raises(FameError, match=r"found \.inter files: none"):
        read("recbole", tmp_path)
    with pytest.raises(FameError, match="unknown form 'xml'; expected one of auto, sequences"):
        read("xml", tmp_path)
    log = write(tmp_path / "log.txt", "u a b\n")
    with pytest.raises(FameError, match="lines of sequences have no named columns; leave out user"):
        read("sequences", log, user="user")
    with pytest.raises(FameError, match="ids like 'a', the file ids like 'tt01'"):
        read("sequences", log, items=write(tmp_path / "items.csv", "item_id\ntt01\n"))


def test_parse_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_spec("csv:logs/mine.csv") == ("csv", Path("logs/mine.csv"))
    assert parse_spec("ratings.csv") == ("auto", Path("ratings.csv"))
    assert parse_spec("csv:~/log.csv") == ("csv", tmp_path / "log.csv")
    assert parse_spec("~/log.csv") == ("auto", tmp_path / "log.csv")
    assert parse_spec("C:\\log.parquet") == ("auto", Path("C:\\log.parquet"))
    for spec in ("xml:log.xml", ""):
        with pytest.raises(FameError, match=r"expected PATH or FORM:PATH, where FORM is one of auto, sequences"):
            parse_spec(spec)
    with pytest.raises(FameError, match="a path is missing after csv:"):
        parse_spec("csv:")
