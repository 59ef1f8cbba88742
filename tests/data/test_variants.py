"""Forms beside those of `tests.data.logs`: other spellings of times, nestings, parts, lists and files of items.

The rows stand in no order in their files, so that an order that is not understood shows.
"""

from __future__ import annotations

import gzip
import json
import lzma
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from fame.errors import FameError
from fame.make.data import read
from tests.data.logs import Files, Histories, histories, parquet, put, zipped

DRAW = random.Random(11)
ORDERED = [
    (f"u{u}", f"b{DRAW.randint(1, 12)}", 1_600_000_000 + 977 * u + 3 * 86_400 * k + DRAW.randint(1, 3000))
    for u in range(1, 11)
    for k in range(8)
]
ROWS = DRAW.sample(ORDERED, len(ORDERED))
HEAD = "user_id,item_id,timestamp"
FIRST, REST = ROWS[:40], ROWS[40:]


def by_user(rows: Iterable[tuple[str, str, Any]]) -> dict[str, list[tuple[str, Any]]]:
    found: dict[str, list[tuple[str, Any]]] = {}
    for user, item, value in rows:
        found.setdefault(user, []).append((item, value))
    return found


GIVES: Histories = {u: [i for i, _ in pairs] for u, pairs in by_user(ORDERED).items()}
NUMBERED = {u[1:]: [i[1:] for i in items] for u, items in GIVES.items()}
UNTIMED: Histories = {u: [i for i, _ in pairs] for u, pairs in by_user(ROWS).items()}
PLACES = [(u, i, k) for u, items in GIVES.items() for k, i in enumerate(items)]
DRAW.shuffle(PLACES)


def lines(form: str, head: str = "", rows: Iterable[tuple[str, str, int]] = ROWS) -> str:
    """A line per row: {u} {i} {t}, {U} {I} their numbers, {d} the datetime, {n} the row's number, {r} a rating."""
    made = [
        form.format(u=u, i=i, t=t, U=u[1:], I=i[1:], d=datetime.fromtimestamp(t, UTC), n=n, r=n % 5 + 1)
        for n, (u, i, t) in enumerate(rows)
    ]
    return "\n".join([head, *made] if head else made) + "\n"


OK = lines("{u},{i},{t}", HEAD)
FRAME = pd.DataFrame(ROWS, columns=["user_id", "item_id", "timestamp"])
RECORDS = [{"user": u, "item": i, "time": t} for u, i, t in ROWS]

TIMES = [
    "{d:%Y-%m-%d %H:%M:%S},123", "{d:%Y-%m-%dT%H:%M:%S}Z[Europe/Paris]", "{d:%Y-%m-%d}_{d:%H:%M:%S}", "{d:%Y-%m-%d %H}",
    "{d:%Y-%m-%d %H-%M-%S}", "{d:%Y%m%dT%H%M%SZ}", "{d:%Y%m%d-%H%M%S}", "{d:%Y%m%d}", "{d:%Y%m%d%H%M}", "{d:%Y%m%d%H%M%S}",
    "{d:%d.%m.%y}", "{d:%d/%m/%y %H:%M}", "{d:%m/%d/%y %I:%M %p}", "{d:%B} {d.day}th, {d:%Y}", "{d:%d%b%Y}",
    "{d:%d%b%Y:%H:%M:%S}", "{d:%d-%b-%y %I.%M.%S.%f %p}", "{d:%a %b %d %H:%M:%S} UTC {d:%Y}",
    "{d:%a %b %d %Y %H:%M:%S} GMT+0000 (Coordinated Universal Time)", "[{d:%d/%b/%Y:%H:%M:%S} +0000]", "{d:%G-W%V-%u}",
    "{d:%Y-%j}", "{d:%Y年%m月%d日}", "{d:%Y年%m月%d日 %H时%M分}", "{d:%Y}년 {d.month}월 {d.day}일", "/Date({t}123)/", "{d.day}. {d:%b}. {d:%Y}",
]  # fmt: skip


@pytest.mark.parametrize("form", TIMES)
def test_times(tmp_path: Path, form: str) -> None:
    log = read("auto", put(tmp_path, {"l.csv": lines('{u},{i},"' + form + '"', HEAD)}))
    assert histories(log) == GIVES
    assert log.report.span == ("2020-09-13", "2020-10-04")


@pytest.mark.parametrize(("form", "first"), [("{d:%G-W%V}", "2020-09-07"), ("{d:%b %Y}", "2020-09-01")])
def test_a_week_or_a_month_is_a_time(tmp_path: Path, form: str, first: str) -> None:
    log = read("auto", put(tmp_path, {"l.csv": lines("{u},{i}," + form, HEAD, ROWS)}))
    assert log.report.span and log.report.span[0] == first


ALIKE: list[tuple[str, Files, Histories, tuple[str, ...]]] = [
    ("epochs with a decimal comma", {"l.csv": lines("{u};{i};{t},5", "userid;artist;ts").encode("latin-1")}, GIVES, ("seconds",)),
    ("a date and a clock without marks", {"l.csv": lines("{u},{i},{d:%Y%m%d},{d:%H%M%S}", "user,item,date,time")}, GIVES, ("date + time",)),
    ("year, month and day", {"l.csv": lines("{u},{i},{d.year},{d.month},{d.day}", "user,item,year,month,day")}, GIVES, ("year + month + day",)),
    ("a date and an hour", {"l.csv": lines("{u},{i},{d:%Y-%m-%d},{d.hour}", "user,item,date,hour")}, GIVES, ("date + hour",)),
    *((f"place as {name}", {"l.csv": lines("{u},{i},{t}", f"user,item,{name}", PLACES)}, GIVES, (f"order = {name}",))
      for name in ("seq_no", "item_order", "order_in_session", "line_number")),
    ("ratings without names", {"l.csv": lines("{U},{I},{r}")}, {u[1:]: [i[1:] for i in x] for u, x in UNTIMED.items()}, ("order of the file",)),
    ("a bar of its own", {"l.txt": lines("{u}^{i}^{t}", HEAD.replace(",", "^"))}, GIVES, ("'^'",)),
    ("users called #", {"l.csv": lines("#{u}\t{i}\t{t}")}, {f"#{u}": x for u, x in GIVES.items()}, ()),
    ("lzma", {"l.lzma": lzma.compress(OK.encode(), lzma.FORMAT_ALONE)}, GIVES, ("lzma",)),
    ("Tianchi", {"l.csv": lines("{u},{i},1,x,56,{d:%Y-%m-%d %H}", "user_id,item_id,behavior_type,user_geohash,item_category,time")}, GIVES, ()),
    ("MyAnimeList", {"l.csv": lines("{u},{i},0000-00-00,2009-01-01,{t}", "username,anime_id,my_start_date,my_finish_date,my_last_updated")}, GIVES, ("time = my_last_updated",)),
    ("decimals in ids far down", {"l.csv": lines("{U},{I},{t}", HEAD, ROWS * 300) + lines("{U},{I}.0,{t}")}, NUMBERED, ("are read as",)),
    # objects
    ("objects in objects", {"l.json": lines('{{"event": {{"user": {{"id": "{u}"}}, "item": {{"id": "{i}"}}}}, "ts": {t}}}')}, GIVES, ("user = event.user.id",)),
    ("Elastic's lines", {"l.json": "".join(json.dumps({"_index": "x", "_id": n, "_source": r}) + "\n" for n, r in enumerate(RECORDS))}, GIVES, ("user = _source.user",)),
    ("Elastic's answer", {"l.json": json.dumps({"took": 1, "hits": {"total": 9, "hits": [{"_source": r} for r in RECORDS]}})}, GIVES, ()),
    ("an answer around it", {"l.json": json.dumps({"status": "ok", "data": {"events": RECORDS}})}, GIVES, ()),
    ("pandas split", {"l.json": FRAME.to_json(orient="split")}, GIVES, ()),
    ("pandas index", {"l.json": FRAME.to_json(orient="index")}, GIVES, ()),
    ("times by user and item", {"l.json": json.dumps({u: dict(pairs) for u, pairs in by_user((u, f"{i}x{t}", t) for u, i, t in ROWS).items()})},
     {u: [f"{i}x{t}" for i, t in pairs] for u, pairs in by_user(ORDERED).items()}, ("seconds",)),
    ("events with objects", {"l.json": "".join(json.dumps({"user": u, "history": [{"article": {"id": i}, "time": t} for i, t in pairs]}) + "\n" for u, pairs in by_user(ROWS).items())},
     GIVES, ("item = article.id",)),
    ("playlists", {"l.json": json.dumps({"info": {"version": 1}, "playlists": [{"pid": u, "name": "mine", "tracks": [{"pos": k, "track_uri": i, "track_name": "x"} for k, i in enumerate(items)]} for u, items in GIVES.items()]})},
     GIVES, ("user = pid, item = track_uri", "order = pos")),
    ("a list of Python's", {"l.txt": str(RECORDS)}, GIVES, ("Python literals",)),
    ("a comment above objects", {"l.jsonl": "# made\n" + lines('{{"user": "{u}", "item": "{i}", "time": {t}}}')}, GIVES, ("dropped 1 row",)),
    # Parquet
    ("Parquet, objects in objects", {"l.parquet": parquet(pa.table({"ts": FRAME["timestamp"].tolist(), "payload": [{"user": {"id": u}, "item_id": i} for u, i, _ in ROWS]}))},
     GIVES, ("user = payload.user.id, item = payload.item_id",)),
    ("Parquet, decimals", {"l.parquet": parquet(pa.table({"user": pa.array([int(u[1:]) for u, _, _ in ROWS]).cast(pa.decimal128(30, 2)), "item": FRAME["item_id"].tolist(), "time": FRAME["timestamp"].tolist()}))},
     {u[1:]: x for u, x in GIVES.items()}, ()),
    ("Parquet, bytes of a UUID", {"l.parquet": parquet(pa.table({"user": pa.array([bytes([int(u[1:])]) * 16 for u, _, _ in ROWS], pa.binary(16)), "item": FRAME["item_id"].tolist(), "time": FRAME["timestamp"].tolist()}))},
     {f"{int(u[1:]):02X}" * 16: x for u, x in GIVES.items()}, ()),
    ("Parquet, lists of datetimes", {"l.parquet": parquet(pa.table({"user_id": list(by_user(ROWS)), "item_ids": [[i for i, _ in p] for p in by_user(ROWS).values()],
      "timestamps": [[datetime.fromtimestamp(t, UTC) for _, t in p] for p in by_user(ROWS).values()]}))}, GIVES, ("2020-09-13 to 2020-10-04",)),
    ("Parquet, a list called seq", {"l.parquet": parquet(pa.table({"uid": list(GIVES), "seq": list(GIVES.values())}))}, GIVES, ("item = seq, a list a row",)),
    # lists
    ("arrows", {"l.csv": "user,items\n" + "".join(f"{u},{' -> '.join(x)}\n" for u, x in GIVES.items())}, GIVES, ()),
    ("bare lists of items and times", {"l.csv": "user_id;item_ids;timestamps\n" + "".join(f"{u};{','.join(i for i, _ in p)};{','.join(str(t) for _, t in p)}\n" for u, p in by_user(ROWS).items())},
     GIVES, ("2020-09-13 to 2020-10-04",)),
    ("lists of ISO dates", {"l.jsonl": "".join(json.dumps({"user": u, "items": [i for i, _ in p], "timestamps": [datetime.fromtimestamp(t, UTC).isoformat() for _, t in p]}) + "\n" for u, p in by_user(ROWS).items())},
     GIVES, ("2020-09-13 to 2020-10-04",)),
    ("lists without names", {"l.tsv": "".join(f"{u}\t{','.join(x)}\n" for u, x in GIVES.items())}, GIVES, ("a list a row",)),
    ("a colon behind the user", {"l.txt": "".join(f"{u}: {' '.join(x[: 3 + n % 5])}\n" for n, (u, x) in enumerate(GIVES.items()))},
     {u: x[: 3 + n % 5] for n, (u, x) in enumerate(GIVES.items())}, ()),
    # parts
    ("parts, the columns in another order", {"d/p-0.csv": lines("{u},{i},{t}", HEAD, FIRST), "d/p-1.csv": lines("{t},{u},{i}", "Timestamp,User_ID,Item_ID", REST)}, GIVES, ("2 parts",)),
    ("parts, a column more", {"d/p-0.csv": lines("{u},{i},{t}", HEAD, FIRST), "d/p-1.csv": lines("{u},x,{i},{t}", "user_id,note,item_id,timestamp", REST)}, GIVES, ("not in all parts, and left aside: note",)),
    ("parts, a column less", {"d/p-0.csv": lines("{u},x,{i},{t}", "user_id,note,item_id,timestamp", FIRST), "d/p-1.csv": lines("{u},{i},{t}", HEAD, REST)}, GIVES, ("left aside: note",)),
    ("parts, other separators", {"d/p-0.csv": lines("{u},{i},{t}", HEAD, FIRST), "d/p-1.csv": lines("{u};{i};{t}", HEAD.replace(",", ";"), REST)}, GIVES, ()),
    ("parts, one packed, in capitals", {"d/p-0.csv.gz": gzip.compress(lines("{u},{i},{t}", HEAD, FIRST).encode()), "d/P-1.CSV": lines("{u},{i},{t}", HEAD, REST)}, GIVES, ("2 parts; gzip",)),
    ("RecBole's split", {f"d/ds.{name}.inter": lines("{u}\t{i}\t{t}", "user_id:token\titem_id:token\ttimestamp:float", rows) for name, rows in (("test", REST[30:]), ("train", FIRST), ("valid", REST[:30]))}, GIVES, ()),
    ("RecBole, in capitals", {"d/DS.INTER": lines("{u}\t{i}\t{t}", "user_id:token\titem_id:token\ttimestamp:float")}, GIVES, ()),
    *((f"a folder with {log}", {f"d/{log}": lines(*form), "d/Books.csv": "ISBN,Title\nb1,A\n", "d/other_users.csv": "id,age\n1,2\n"}, gives, (f"note: of 3 files {log} is read",)) for log, form, gives in (
        ("BX-Book-Ratings.csv", ("{u};{i};{r}", "User-ID;ISBN;Book-Rating"), UNTIMED),
        ("user_ratedmovies.dat", ("{u}\t{i}\t{d.day}\t{d.month}\t{d.year}", "userID\tmovieID\tdate_day\tdate_month\tdate_year"), GIVES),
        ("RAW_interactions.csv", ("{u},{i},{d:%Y-%m-%d},{r}", "user_id,recipe_id,date,rating"), GIVES),
        ("big_matrix.csv", ("{u},{i},{t}.5", "user_id,video_id,timestamp"), GIVES),
        ("order_products__prior.csv", ("{u},{i},{t}", "order_id,product_id,add_to_cart_order"), GIVES),
    )),
]  # fmt: skip


@pytest.mark.parametrize(("files", "gives", "says"), [a[1:] for a in ALIKE], ids=[a[0] for a in ALIKE])
def test_gives_the_log(tmp_path: Path, files: Files, gives: Histories, says: tuple[str, ...]) -> None:
    log = read("auto", put(tmp_path, files))
    said = "\n".join(log.report.lines())
    assert histories(log) == gives, said
    for words in says:
        assert words in said


def test_places_in_orders_come_after_the_orders(tmp_path: Path) -> None:
    rows = [f"{u},{k // 4},{k % 4},{i}" for u, i, k in PLACES]
    text = "\n".join(["user_id,order_number,add_to_cart_order,product_id", *rows])
    assert histories(read("auto", put(tmp_path, {"l.csv": text}))) == GIVES


@pytest.mark.parametrize(
    ("condition", "column"),
    [("rating >= 4", "4,5"), ("liked = true", "True"), ("liked = TRUE", "true"), ("liked != False", "TRUE")],
)
def test_conditions_meet_values_as_they_are_written(tmp_path: Path, condition: str, column: str) -> None:
    name = condition.partition(" ")[0]
    text = (
        lines("{u};{i};{t};" + column, f"user;item;time;{name}") + f"u1;b1;5;{'1,5' if name == 'rating' else 'False'}\n"
    )
    log = read("auto", put(tmp_path, {"l.csv": text}), where=(condition,))
    assert histories(log) == GIVES and "dropped 1 row: does not meet" in "\n".join(log.report.lines())


ITEMS = [f"b{k}" for k in range(1, 13)]
TABLES: list[tuple[str, str, str | bytes, dict[str, str], str]] = [
    ("an object by id", "i.json", json.dumps({i: {"title": f"The {i}", "genres": ["Drama"]} for i in ITEMS}), {"title": "The b1", "genres": "Drama"}, "attributes genres"),
    ("titles by id", "i.json", json.dumps({i: f"The {i}" for i in ITEMS}), {"title": "The b1"}, ""),
    ("objects inside", "i.json", json.dumps([{"id": i, "info": {"title": f"The {i}", "kind": "Drama"}} for i in ITEMS]), {"title": "The b1", "info.kind": "Drama"}, ""),
    ("an archive with a README", "i.zip", zipped({"README.md": "x", "items.csv": "item_id,title\n" + "".join(f"{i},The {i}\n" for i in ITEMS)}), {"title": "The b1"}, ""),
    ("a title of another name", "i.csv", "Artikelnummer;Warengruppe;Was\n" + "".join(f"{i};X;The {i}\n" for i in ITEMS), {"title": "The b1"}, "the title by content"),
    ("title of a track", "i.csv", "track_id,artist_name,track_title\n" + "".join(f"{i},X,The {i}\n" for i in ITEMS), {"title": "The b1", "artist_name": "X"}, ""),
    ("PostgreSQL's lists", "i.csv", "item_id,title,genres\n" + "".join(f'{i},The {i},"{{Drama,""Film noir""}}"\n' for i in ITEMS), {"genres": "Drama|Film noir"}, ""),
    ("slashes", "i.csv", "item_id,title,kind\n" + "".join(f"{i},The {i},Home/Kitchen/{'Pans' if n % 2 else 'Pots'}\n" for n, i in enumerate(ITEMS)), {"kind": "Home|Kitchen|Pots"}, "between '/'"),
    *((f"a gap as {gap!r}", "i.csv", "item_id,title,year,genres\n" + "".join(f"{i},The {i},{'1990' if n else gap},{'Drama|War' if n else gap}\n" for n, i in enumerate(ITEMS)), {"genres": "", "year": ""}, "")
      for gap in ("N/A", "#N/A", "-", "unknown", "[]", "['']", "NaT")),
    *((f"a year in {date}", "i.csv", "item_id,title,release_date\n" + "".join(f"{i},The {i},{date}\n" for i in ITEMS), {"year": "1995"}, "year = release_date")
      for date in ("19951030", "815011200", "30-Oct-1995", "1995-10")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "gives", "says"), [t[1:] for t in TABLES], ids=[t[0] for t in TABLES])
def test_items(tmp_path: Path, name: str, content: str | bytes, gives: dict[str, str], says: str) -> None:
    log = read("auto", put(tmp_path, {"l.csv": OK}), items=put(tmp_path / "i", {name: content}))
    row = log.catalogue.to_frame().set_index("item_id").loc["b1"].to_dict()
    assert {key: row[key] for key in gives} == gives
    assert says in "\n".join(log.report.lines())


STRANGE: list[tuple[str, bytes, str]] = [
    ("HTML in UTF-16", "<!DOCTYPE html><html>".encode("utf-16"), "an HTML page"),
    ("a table of HTML", b"<table><tr><td>u1</td></tr></table>", "an HTML page"),
    ("XML", b"<ListBucketResult xmlns='x'><Name>a</Name></ListBucketResult>", "this is XML"),
    ("OpenDocument", zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<x/>"}), "an OpenDocument file; save"),
    ("PyTorch", zipped({"archive/data.pkl": b"\x80\x02", "archive/version": "3"}), "a PyTorch file"),
    ("a part of a zip", b"PK\x07\x08" + b"x" * 50, "a part of a zip archive"),
    ("R", gzip.compress(b"X\n\0\0\0\2"), "an R data file"),
    ("Matrix Market", b"%%MatrixMarket matrix coordinate real general\n3 3 1\n1 1 5\n", "a Matrix Market file"),
    ("ARFF", b"@relation r\n@attribute u numeric\n@data\n1,2\n", "an ARFF file"),
    ("SQL", b"-- MySQL dump 10.13\nCREATE TABLE `r` (`u` int);\n", "a dump of a database"),
    ("git-annex", b"/annex/objects/SHA256E-s1--a.csv\n", "a git-annex pointer"),
    ("a film", b"\0\0\0\x18ftypmp42\0\0\0\0", "a picture or a film"),
    ("JSON cut off", json.dumps(RECORDS)[:-200].encode(), "the JSON breaks off or is damaged"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), [s[1:] for s in STRANGE], ids=[s[0] for s in STRANGE])
def test_a_wrong_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(FameError, match=message) as caught:
        read("auto", put(tmp_path, {"l.csv": content}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r"])
def test_a_western_guess_for_other_letters_is_told_as_one(tmp_path: Path, encoding: str) -> None:
    text = lines("{u};{i};Сталкер;{t}", "user;item;title;time").encode(encoding)
    assert "if names look wrong, say --encoding" in read("auto", put(tmp_path, {"l.csv": text})).report.taken_line()
    western = lines("{u};{i};Café {i};{t}", "user;item;title;time").encode("latin-1")
    assert "names look wrong" not in read("auto", put(tmp_path / "w", {"l.csv": western})).report.taken_line()


def test_two_candidates_and_tables_that_differ_are_refused(tmp_path: Path) -> None:
    both = lines("{u},{i},{t},16{n:08d}", "user,item,click_time,purchase_time")
    with pytest.raises(FameError, match="'click_time' and 'purchase_time' could both be the time"):
        read("auto", put(tmp_path, {"l.csv": both}))
    parts: Files = {
        "d/p-0.csv": lines("{u},{i},{t}", HEAD),
        "d/p-1.csv": lines("{u},{i},{t}", "user_id,what,timestamp"),
    }
    with pytest.raises(FameError, match=r"p-1.csv: has the columns user_id, what, timestamp.*expected parts of one"):
        read("auto", put(tmp_path, parts))
