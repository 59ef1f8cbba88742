"""Logs as people have them: each small file of `tests.data.logs` gives what it must, and what is no log is named."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fame.errors import FameError
from fame.make.data import read
from tests.data.logs import CASES, FRAME, HEAD, HISTORIES, OK, ROWS, Case, Files, histories, lines, parquet, put, zipped


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(tmp_path: Path, case: Case) -> None:
    log = read("auto", put(tmp_path, case.files), **case.options)
    said = "\n".join(log.report.lines())
    assert histories(log) == case.gives, said
    for words in case.says:
        assert words in said
    dropped = sum(d.count for d in log.report.dropped)
    if not any(words in said for words in ("list", "sequences", "read once", "Netflix")):
        assert log.report.rows == log.report.interactions + dropped, "each row is kept or counted"
    json.dumps(log.report.to_dict())


Refused = tuple[str, Callable[[], Files], str, dict[str, Any]]
REFUSED: list[Refused] = [
    ("two users", lambda: {"l.csv": lines("{u},{u}x{n},{i},{t}", "user_id,customer_id,item_id,timestamp")}, "'user_id' and 'customer_id' could both be the user; say which with --user", {}),
    ("two items", lambda: {"l.csv": lines("{u},{i},{i}x{n},{t}", "user_id,item_id,product_id,timestamp")}, "could both be the item", {}),
    ("two times", lambda: {"l.csv": lines("{u},{i},{t},1600{n:06d}", "user_id,item_id,created_at,viewed_at")}, "could both be the time; say which with --order", {}),
    ("no item", lambda: {"l.csv": lines("{u},{t}", "user_id,timestamp")}, "none looks like the item; name it with --item", {}),
    ("no user", lambda: {"l.csv": lines("{i},{t}", "item_id,timestamp")}, "none looks like the user", {}),
    ("day or month", lambda: {"l.csv": "user,item,date\nu1,b1,01/02/2020\nu1,b2,02/01/2020\nu1,b3,01/05/2020\nu2,b1,03/04/2020\nu2,b2,01/02/2020\n"}, "either number may be the day; say --day-first or --month-first", {}),
    ("no form of date", lambda: {"l.csv": lines("{u},{i},once upon {r}", HEAD)}, "no number and no known form of date", {}),
    ("items alone", lambda: {"s.txt": "".join(f"{' '.join(i[: 3 + n % 5])}\n" for n, i in enumerate(list(HISTORIES.values()) * 2))}, "20 lines, .* different first fields.*--no-user", {}),
    ("strict", lambda: {"l.csv": OK + "u1,b1,\n"}, r"1 rows: no time, such as row 81 \(u1, b1\); leave out --strict", {"strict": True}),
    ("a condition of no column", lambda: {"l.csv": OK}, "none is called 'rating'", {"where": ("rating > 3",)}),
    ("a condition that is none", lambda: {"l.csv": OK}, "expected like", {"where": ("drop table",)}),
    ("SQL in a condition", lambda: {"l.csv": OK}, "is not understood", {"where": ("user_id = 'x' OR 1",)}),
    ("an unknown encoding", lambda: {"l.csv": OK}, "encoding 'nope' is unknown", {"encoding": "nope"}),
    ("HTML", lambda: {"l.csv": "<!DOCTYPE html><html><head><title>Sign in</title>"}, "an HTML page, 'Sign in'", {}),
    ("XML", lambda: {"l.csv": '<?xml version="1.0"?><Error><Code>AccessDenied'}, "this is XML", {}),
    ("Git LFS", lambda: {"l.csv": "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n"}, "Git LFS pointer", {}),
    ("PNG", lambda: {"l.csv": b"\x89PNG\r\n\x1a\n\0\0"}, "a PNG image", {}),
    ("PDF", lambda: {"l.csv": b"%PDF-1.7 x"}, "a PDF", {}),
    ("Excel", lambda: {"l.xlsx": zipped({"[Content_Types].xml": "<x/>", "xl/workbook.xml": "<x/>"})}, "an Excel or Office file; save the sheet as CSV", {}),
    ("pickle", lambda: {"l.pkl": b"\x80\x04\x95x"}, "a Python pickle, which is never read", {}),
    ("HDF5", lambda: {"l.h5": b"\x89HDF\r\n\x1a\n"}, "an HDF5 file", {}),
    ("SQLite", lambda: {"l.db": b"SQLite format 3\0"}, "an SQLite database", {}),
    ("7-Zip", lambda: {"l.7z": b"7z\xbc\xaf\x27\x1c"}, "a 7-Zip archive", {}),
    ("gzip cut off", lambda: {"l.csv.gz": gzip.compress(OK.encode())[:-20]}, "damaged or cut-off gzip", {}),
    ("bzip2 cut off", lambda: {"l.bz2": bz2.compress(OK.encode())[:-20]}, "damaged or cut-off bzip2", {}),
    ("xz cut off", lambda: {"l.xz": lzma.compress(OK.encode())[:-20]}, "damaged or cut-off xz", {}),
    ("zstd cut off", lambda: {"l.zst": bytes(pa.compress(OK.encode(), "zstd", asbytes=True))[:-20]}, "damaged or cut-off zstd", {}),
    ("zip cut off", lambda: {"l.zip": zipped({"l.csv": OK})[:-20]}, "damaged or cut-off zip", {}),
    ("Parquet cut off", lambda: {"l.parquet": parquet(FRAME)[:-20]}, "not readable as a table", {}),
    ("JSON cut off", lambda: {"l.json": json.dumps(FRAME.to_dict("records"), indent=1)[:-40]}, "JSON", {}),
    ("blank space", lambda: {"l.csv": " \n\n \t\n"}, "nothing but blank space", {}),
    ("binary", lambda: {"l.csv": OK.encode() + b"u1,\0,5\n"}, "line 82 holds binary data", {}),
    ("control characters", lambda: {"l.csv": OK + "u\x07x,b1,5\n"}, "row 81 has the id 'u\\\\x07x' for the user", {}),
    ("different tables in a folder", lambda: {"d/a.csv": "user,item\n1,2\n", "d/b.csv": "x,y\n1,2\n"}, "give the file itself, or a pattern", {}),
    ("parts of different tables", lambda: {"d/part-1.csv": OK, "d/part-2.csv": lines("{u},{i},{t}", "user_id,thing,timestamp")}, "expected parts of one table", {}),
    ("an empty folder", lambda: {"d/README.md": "x"}, "holds no data", {}),
]  # fmt: skip


@pytest.mark.parametrize(("files", "message", "options"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused_in_one_line(tmp_path: Path, files: Callable[[], Files], message: str, options: dict[str, Any]) -> None:
    with pytest.raises(FameError, match=message) as caught:
        read("auto", put(tmp_path, files()), **options)
    assert "\n" not in str(caught.value)


def test_an_encrypted_zip_is_named(tmp_path: Path) -> None:
    data = bytearray(zipped({"l.csv": OK}))
    data[6] |= 1  # the flag in the member's own header, and below in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(FameError, match="an encrypted zip file"):
        read("auto", put(tmp_path, {"l.zip": bytes(data)}))


def test_an_archive_cannot_write_elsewhere_nor_grow_without_end(tmp_path: Path) -> None:
    log = read("auto", put(tmp_path, {"l.zip": zipped({"../../evil.csv": OK})}))
    assert histories(log) == HISTORIES
    assert not list(tmp_path.parent.glob("evil.csv"))
    bomb = zipped({})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("l.csv", b"\0" * (1 << 26))
    bomb = out.getvalue()
    with pytest.raises(FameError, match="unpacks to far more than a log would"):
        read("auto", put(tmp_path / "b", {"b.zip": bomb}))


def test_a_pattern_names_files_and_a_name_with_brackets_is_a_name(tmp_path: Path) -> None:
    put(
        tmp_path,
        {"a1.csv": lines("{u},{i},{t}", HEAD, rows=ROWS[:40]), "a2.csv": lines("{u},{i},{t}", HEAD, rows=ROWS[40:])},
    )
    assert histories(read("auto", tmp_path / "a*.csv")) == HISTORIES
    assert histories(read("auto", put(tmp_path / "x", {"log[1]*.csv": OK}))) == HISTORIES
    with pytest.raises(FameError, match="no file has a name like this"):
        read("auto", tmp_path / "z*.csv")
