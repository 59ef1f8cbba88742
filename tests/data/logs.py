"""Logs as people have them: a table of small files, what each must give, and what must be said of it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fame.make.data import Log

Histories = dict[str, list[str]]
Files = dict[str, str | bytes]

DRAW = random.Random(7)
ROWS = [
    (f"u{u}", f"b{DRAW.randint(1, 12)}", 1_600_000_000 + 86_400 * u + 3_600 * k + DRAW.randint(1, 3000))
    for u in range(1, 11)
    for k in range(8)
]


def plain(user: str = "", item: str = "") -> Histories:
    """The histories of ROWS, with other letters before the numbers."""
    found: Histories = {}
    for u, i, _ in ROWS:
        found.setdefault(user + u[1:] if user != "" else u, []).append(item + i[1:] if item != "" else i)
    return found


HISTORIES = plain()
NUMBERED = {u[1:]: [i[1:] for i in items] for u, items in HISTORIES.items()}


def lines(form: str, header: str = "", end: str = "\n", rows: list[tuple[str, str, int]] = ROWS) -> str:
    """A line per row. {u} {i} {t}: as in ROWS; {U} {I}: numbers; {d}: a datetime; {n}: the row's number."""
    made = [
        form.format(u=u, i=i, t=t, U=u[1:], I=i[1:], d=datetime.fromtimestamp(t, UTC), n=n, r=n % 5 + 1)
        for n, (u, i, t) in enumerate(rows)
    ]
    return (header + end if header else "") + end.join(made) + end


def histories(log: Log) -> Histories:
    frame = log.interactions.frame
    return {u: list(g["item"].astype(str)) for u, g in frame.groupby("user", observed=True, sort=False)}


def put(folder: Path, files: Files) -> Path:
    """Writes the files; the first is what is read."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / next(iter(files)).split("/")[0]


def parquet(frame: pd.DataFrame | pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False), out)
    return out.getvalue()


def zipped(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


class Case(NamedTuple):
    """What is read, with which options, and what it gives: the histories, and words of the report."""

    name: str
    files: Files
    gives: Histories = HISTORIES
    says: tuple[str, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012


HEAD = "user_id,item_id,timestamp"
OK = lines("{u},{i},{t}", HEAD)
FRAME = pd.DataFrame(ROWS, columns=["user_id", "item_id", "timestamp"])


def lists_of(rows: list[tuple[str, str, int]] = ROWS) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for u, i, t in rows:
        found.setdefault(u, []).append((i, t))
    return found


ORDERED = [(u, f"b{k % 9 + 1}", 0) for u in ("o1", "o2", "o3") for k in range(5)]

SEPARATORS = [
    Case(f"parted by {name}", {"log.txt": lines(sep.join(("{u}", "{i}", "{t}")), sep.join(HEAD.split(",")))})
    for name, sep in {
        "comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "two colons": "::", "blank": " ", "blanks": "   ",
        "tilde": "~",
    }.items()
]  # fmt: skip

QUOTES = [
    Case("all quoted", {"log.csv": lines('"{u}","{i}","{t}"', '"user_id","item_id","timestamp"')}),
    Case("single quotes", {"log.csv": lines("'{u}','{i}','{t}'", "'user_id','item_id','timestamp'")}),
    Case("doubled quotes", {"log.csv": lines('{u},{i},"said ""no"", twice",{t}', "user,item,note,time")}),
    Case("slashed quotes", {"log.csv": lines('{u},{i},"said \\"no\\", twice",{t}', "user,item,note,time")}),
    Case("line ends in quotes", {"log.csv": lines('{u},{i},"two\nlines, here",{t}', "user,item,note,time")}),
    Case("a quote that never ends", {"log.tsv": lines("{u}\t{i}\tx\t{t}", "user\titem\ttitle\ttime").replace("\tx\t", '\t"Kite\t', 2)}),
    Case("two stray quotes that would swallow lines", {
        "log.csv": lines("{u},{i},x,{t}", "user,item,title,time").replace(",x,", ',"Kite,', 1)[::-1].replace(",x,", ',Kite",', 1)[::-1]
    }),
    Case("blank after the comma", {"log.csv": lines("{u}, {i}, {t}", "user, item, time")}),
]  # fmt: skip

SHAPES = [
    Case("CRLF", {"log.csv": OK.replace("\n", "\r\n")}),
    Case("CR", {"log.csv": OK.replace("\n", "\r")}, says=("line ends CR",)),
    Case("mixed line ends", {"log.csv": OK.replace("\n", "\r\n", 20)}),
    Case("no last line end", {"log.csv": OK.rstrip("\n")}),
    Case("BOM", {"log.csv": "\ufeff" + OK}),
    Case("BOM, no header", {"log.csv": "\ufeff" + lines("{u},{i},{t}")}, says=("no header",)),
    Case("UTF-16", {"log.csv": OK.encode("utf-16")}, says=("UTF-16",)),
    Case("UTF-16 big-endian", {"log.csv": "\ufeff".encode("utf-16-be") + OK.encode("utf-16-be")}),
    Case("UTF-16 without a mark", {"log.csv": OK.encode("utf-16-le")}, says=("UTF-16",)),
    Case("UTF-32", {"log.csv": OK.encode("utf-32")}, says=("UTF-32",)),
    Case("blank lines", {"log.csv": "\n\n" + OK.replace("\n", "\n\n")}),
    Case("blank lines of separators", {"log.csv": OK + ",,\n,,\n"}, says=("dropped 2 rows: no user",)),
    Case("comment lines", {"log.csv": "# exported\n# 2024\n" + OK}, says=("2 comment lines skipped",)),
    Case("comments of another kind", {"out.txt": "% bip weighted\n" + lines("{u} {i} {r} {t}")}, says=("comment",)),
    Case("header in a comment", {"log.tsv": "#user_id\titem_id\ttimestamp\n" + lines("{u}\t{i}\t{t}")}, says=("user = user_id",)),
    Case("sep=", {"log.csv": "sep=;\n" + OK.replace(",", ";")}, says=("sep= skipped",)),
    Case("a title above", {"log.csv": "Sales report\n\n" + OK}, says=("above the table skipped",)),
    Case("a separator at the end", {"log.csv": lines("{u},{i},{t},", HEAD + ",")}),
    Case("a separator at the end of rows alone", {"log.csv": lines("{u},{i},{t},", HEAD)}),
    Case("pandas' index", {"log.csv": lines("{n},{u},{i},{t}", "," + HEAD)}),
    Case("R's row names", {"log.csv": lines('"{n}","{u}","{i}",{t}', '"user_id","item_id","timestamp"')}),
    Case("numbers for names", {"log.csv": lines("{u},{i},{t}", "0,1,2")}, says=("a header",)),
    Case("rows of other widths", {"log.csv": OK + "u1,b1\nu2,b2,5,6\n"}, says=("dropped 2 rows: fields do not fit", "line 82")),
    Case("a name twice, elsewhere", {"log.csv": lines("{u},{i},x,y,{t}", "user_id,item_id,note,note,timestamp")}),
    Case("capitals and blanks", {"log.csv": lines("{u},{i},{t}", "User ID,Item Name,Date/Time")}),
    Case("Latin-1 elsewhere", {"log.csv": lines("{u},{i},caf\xe9,{t}", "user,item,note,time").encode("latin-1")}, says=("Latin-1",)),
    Case("Windows-1252", {"log.csv": lines("{u},{i},\u201cx\u201d \u20ac,{t}", "user,item,note,time").encode("cp1252")}, says=("Windows-1252",)),
    Case("Hive", {"000000_0": lines("{u}\x01{i}\x01{t}")}, says=("no header",)),
]  # fmt: skip

PACKED = [
    Case("gzip", {"LOG.CSV.GZ": gzip.compress(OK.encode())}, says=("gzip",)),
    Case("gzip by another name", {"log.csv": gzip.compress(OK.encode())}, says=("gzip",)),
    Case("bzip2", {"log.csv.bz2": bz2.compress(OK.encode())}, says=("bzip2",)),
    Case("xz", {"log.xz": lzma.compress(OK.encode())}, says=("xz",)),
    Case("zstd", {"log.csv.zst": bytes(pa.compress(OK.encode(), "zstd", asbytes=True))}, says=("zstd",)),
    Case("zip", {"log.zip": zipped({"a/log.csv": OK})}, says=("zip",)),
    Case("zip with the Mac's shadows", {"log.zip": zipped({"log.csv": OK, "__MACOSX/._log.csv": "x"})}),
    Case("zip of gzip", {"log.zip": zipped({"log.csv.gz": gzip.compress(OK.encode())})}),
    Case("plain, called gzip", {"log.csv.gz": OK}),
    Case("Spark", {
        "out/part-00000-ab.csv": lines("{u},{i},{t}", HEAD, rows=ROWS[:40]),
        "out/part-00001-ab.csv": "\ufeff" + lines("{u},{i},{t}", HEAD, rows=ROWS[40:]),
        "out/_SUCCESS": "", "out/.part-00000-ab.csv.crc": b"crc\0",
    }, says=("2 parts",)),
    Case("parts in number order", {
        "out/part-2.csv": lines("{u},{i},5", "user_id,item_id,rating", rows=ROWS[:40]),
        "out/part-10.csv": lines("{u},{i},5", "user_id,item_id,rating", rows=ROWS[40:]),
    }),
    Case("Hive's folders", {
        "out/dt=2020/a.csv": lines("{u},{i},{t}", HEAD, rows=ROWS[:40]), "out/dt=2021/b.csv": lines("{u},{i},{t}", HEAD, rows=ROWS[40:]),
    }),
    Case("parts without headers", {"out/1.csv": lines("{u},{i},{t}", rows=ROWS[:40]), "out/2.csv": lines("{u},{i},{t}", rows=ROWS[40:])}),
    Case("parts of Parquet", {"out/1.parquet": parquet(FRAME[:40]), "out/2.parquet": parquet(FRAME[40:]), "out/_SUCCESS": ""}),
    Case("a log among other tables", {
        "data/ratings.csv": lines("{u},{i},{r}", "user_id,book_id,rating"), "data/books.csv": "book_id,title\nb1,A\n", "data/README.md": "x",
    }),
]  # fmt: skip

OBJECTS = [
    Case("JSON Lines", {"log.jsonl": lines('{{"user_id": "{u}", "item_id": "{i}", "timestamp": {t}}}')}, says=("JSON Lines",)),
    Case("a JSON array", {"log.json": json.dumps(FRAME.to_dict("records"))}),
    Case("a pretty JSON array", {"log.json": json.dumps(FRAME.to_dict("records"), indent=2)}),
    Case("pretty objects", {"log.json": "\n".join(json.dumps(r, indent=1) for r in FRAME.to_dict("records"))}),
    Case("pandas' columns", {"log.json": FRAME.to_json()}),
    Case("columns", {"log.json": json.dumps(FRAME.to_dict("list"))}),
    Case("wrapped", {"log.json": json.dumps({"interactions": FRAME.to_dict("records"), "version": 1})}),
    Case("users with lists", {"log.json": json.dumps(HISTORIES)}, says=("order within the list",)),
    Case("rows as lists", {"log.json": json.dumps([list(r) for r in ROWS])}),
    Case("objects inside", {"log.jsonl": lines('{{"user": {{"id": "{u}"}}, "item": {{"id": "{i}"}}, "time": {t}}}')}),
    Case("Python literals", {"steam.json": lines("{{u'username': u'{u}', u'product_id': u'{i}', u'date': {t}, u'early': False}}")}, says=("Python",)),
    Case("Amazon 2014", {"r.json.gz": gzip.compress(lines('{{"reviewerID": "{u}", "asin": "{i}", "overall": 5.0, "unixReviewTime": {t}, "reviewTime": "09 13, 2009"}}').encode())}),
    Case("Amazon 2023", {"r.jsonl": lines('{{"rating": 5.0, "title": "x", "asin": "q", "parent_asin": "{i}", "user_id": "{u}", "timestamp": {t}123, "images": []}}')},
         says=("item = parent_asin", "milliseconds")),
    Case("Yelp", {"review.json": lines('{{"review_id": "r{n}", "user_id": "{u}", "business_id": "{i}", "stars": 4.0, "text": "a\\nb", "date": "{d:%Y-%m-%d %H:%M:%S}"}}')}),
    Case("Goodreads", {"g.json": lines('{{"user_id": "{u}", "book_id": "{i}", "review_id": "{n}", "rating": 3, "date_added": "{d:%a %b %d %H:%M:%S} +0000 {d:%Y}", "read_at": "", "started_at": ""}}')},
         says=("time = date_added",)),
    Case("OTTO", {"otto.jsonl": "\n".join(
        json.dumps({"session": u, "events": [{"aid": i, "ts": t * 1000, "type": "clicks"} for i, t in items]}) for u, items in lists_of().items())},
        says=("user = session", "item = aid", "milliseconds")),
    Case("Steam's libraries", {"items.json": "\n".join(
        str({"user_id": u, "items_count": 8, "items": [{"item_id": i, "item_name": "x", "playtime_forever": 3} for i, _ in items]}) for u, items in lists_of().items())}),
    Case("a broken line", {"log.jsonl": lines('{{"user_id": "{u}", "item_id": "{i}", "timestamp": {t}}}') + '{"user_id": \n'}, says=("dropped 1 row",)),
]  # fmt: skip

PARQUETS = [
    Case("Parquet", {"log.parquet": parquet(FRAME)}, says=("Parquet",)),
    Case("Parquet by another name", {"log.bin": parquet(FRAME)}),
    Case("bytes", {"log.parquet": parquet(FRAME.assign(user_id=FRAME["user_id"].str.encode("utf-8")))}),
    Case("categories", {"log.parquet": parquet(FRAME.astype({"user_id": "category", "item_id": "category"}))}),
    Case("dates with a zone", {"log.parquet": parquet(FRAME.assign(timestamp=pd.to_datetime(FRAME["timestamp"], unit="s", utc=True).dt.tz_convert("Asia/Tokyo")))},
         says=("2020-09-1",)),
    Case("nanoseconds", {"log.parquet": parquet(FRAME.assign(timestamp=pd.to_datetime(FRAME["timestamp"], unit="s").astype("datetime64[ns]")))}),
    Case("float ids", {"log.parquet": parquet(FRAME.assign(user_id=FRAME["user_id"].str[1:].astype(float), item_id=FRAME["item_id"].str[1:].astype(float)))}, NUMBERED),
    Case("lists", {"log.parquet": parquet(pa.table({"user_id": list(HISTORIES), "item_ids": list(HISTORIES.values())}))}),
    Case("lists with times", {"log.parquet": parquet(pa.table({
        "user_id": list(HISTORIES), "item_ids": [i[::-1] for i in HISTORIES.values()],
        "timestamps": [[t for _, t in items][::-1] for items in lists_of().values()]}))}),
    Case("lists of objects", {"log.parquet": parquet(pa.table({
        "session": list(HISTORIES), "events": [[{"aid": i, "ts": t} for i, t in items] for items in lists_of().values()]}))}),
]  # fmt: skip

LISTS = [
    Case("Python lists in text", {"l.csv": "user_id,item_id\n" + "".join(f'{u},"{i}"\n' for u, i in HISTORIES.items())}, says=("a list a row",)),
    Case("JSON lists in text", {"l.tsv": "user\thistory\n" + "".join(f"{u}\t{json.dumps(i)}\n" for u, i in HISTORIES.items())}),
    Case("NumPy's lists", {"l.tsv": "user_id\titems\n" + "".join(f"{u}\t[{' '.join(map(repr, i))}]\n" for u, i in HISTORIES.items())}),
    Case("lists between blanks", {"l.csv": "user_id,item_ids\n" + "".join(f"{u},{' '.join(i)}\n" for u, i in HISTORIES.items())}),
    Case("lists between bars", {"l.csv": "user_id,items\n" + "".join(f"{u},{'|'.join(i)}\n" for u, i in HISTORIES.items())}),
    Case("lists between commas, tab before", {"l.tsv": "user_id\titems\n" + "".join(f"{u}\t{','.join(i)}\n" for u, i in HISTORIES.items())}),
]  # fmt: skip

TIMES = [
    Case(f"time {name}", {"log.csv": lines("{u},{i}," + form, HEAD)}, says=says)
    for name, form, says in [
        ("ms", "{t}000", ("milliseconds",)), ("us", "{t}000000", ("microseconds",)), ("ns", "{t}000000000", ("nanoseconds",)),
        ("decimal", "{t}.25", ("seconds",)), ("scientific", "{t}.0e0", ()), ("YYYYMMDDHHMMSS", "{d:%Y%m%d%H%M%S}", ("YYYYMMDD",)),
        ("ISO", "{d:%Y-%m-%dT%H:%M:%S}", ("ISO",)), ("ISO, Z", "{d:%Y-%m-%dT%H:%M:%S}.123Z", ("ISO",)),
        ("ISO, offset", "{d:%Y-%m-%d %H:%M:%S}+02:00", ("ISO",)), ("ISO, offset without colon", "{d:%Y-%m-%dT%H:%M:%S}+0200", ("ISO",)),
        ("ISO, offset after a blank", "{d:%Y-%m-%d %H:%M:%S} +0200", ("ISO",)), ("ISO, the word UTC", "{d:%Y-%m-%d %H:%M:%S} UTC", ("ISO",)),
        ("slashes", "{d:%Y/%m/%d %H:%M:%S}", ()), ("day first", "{d:%d/%m/%Y %H:%M:%S}", ("day first",)),
        ("month first", "{d:%m/%d/%Y %H:%M:%S}", ("month first",)), ("month first, PM", "{d:%m/%d/%Y %I:%M:%S %p}", ("month first",)),
        ("dots", "{d:%d.%m.%Y %H:%M:%S}", ("day first",)), ("two digits", "{d:%m/%d/%y %H:%M:%S}", ("month first",)),
        ("Twitter", "{d:%a %b %d %H:%M:%S} +0000 {d:%Y}", ("names of months",)), ("Apache", "{d:%d/%b/%Y:%H:%M:%S} +0000", ("names",)),
        ("ctime", "{d:%a %b %d %H:%M:%S %Y}", ("names",)), ("mail", '"{d:%a, %d %b %Y %H:%M:%S} GMT"', ("names",)),
        ("month words", '"{d:%B %d, %Y %H:%M:%S}"', ("names",)), ("Oracle", "{d:%d-%b-%y %H:%M:%S}", ("names",)),
    ]
]  # fmt: skip
TIMES += [
    Case("thousands", {"log.csv": "".join(f'{u},{i},"{t:,}"\n' for u, i, t in [("user_id", "item_id", 0)][:0] + ROWS)}, options={"order": "3"}),
    Case("date and time apart", {"log.csv": lines("{u},{i},{d:%Y-%m-%d},{d:%H:%M:%S}", "user_id,item_id,date,time")}, says=("date + time",)),
    Case("date and time given", {"log.csv": lines("{u},{i},{d:%d.%m.%Y},{d:%H:%M:%S}", "user_id,item_id,a,b")}, options={"order": "a+b"}),
    Case("year, month, day, …", {"log.dat": lines("{u}\t{i}\t{r}\t{d.day}\t{d.month}\t{d.year}\t{d.hour}\t{d.minute}\t{d.second}", "userID\tmovieID\trating\tdate_day\tdate_month\tdate_year\tdate_hour\tdate_minute\tdate_second")}),
    Case("a position", {"log.csv": lines("{u},{i},{n}", "user_id,product_id,position")}, says=("order = position",)),
    Case("no time", {"log.csv": lines("{u},{i},{r}", "user_id,item_id,rating")}, says=("no time: order of the file",)),
    Case("a time that is always empty", {"log.csv": lines("{u},{i},", HEAD)}, says=("order of the file",)),
    Case("some without", {"log.csv": OK + "u1,b1,\nu2,b2,NULL\nu3,b3,later\n"}, says=("dropped 2 rows: no time, such as row 81 (u1, b1)", "another form", "'later'")),
    Case("a pattern given", {"log.csv": lines("{u},{i},{d:%Hh%M %S %Y-%m-%d}", HEAD)}, options={"time_form": "%Hh%M %S %Y-%m-%d"}),
    Case("file order asked for", {"log.csv": lines("{u},{i},1", HEAD)}, options={"order": "file"}),
    Case("timestamp beside order_id", {"log.csv": lines("{n},{u},{i},{t}", "order_id," + HEAD)}, says=("time = timestamp", "user = user_id")),
]  # fmt: skip

NAMES = [
    Case(f"names {header}", {"log.csv": lines(form, header)}, gives, says)
    for header, form, gives, says in [
        ("userId,movieId,rating,timestamp", "{U},{I},{r},{t}", NUMBERED, ("rating = rating",)),
        ("User-ID,ISBN,Book-Rating", "{u},{i},{r}", HISTORIES, ("user = User-ID, item = ISBN",)),
        ("t_dat,customer_id,article_id,price,sales_channel_id", "{d:%Y-%m-%d %H:%M:%S},{u},{i},0.5,2", HISTORIES, ("user = customer_id",)),
        ("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country", "{n},{i},X,6,{d:%m/%d/%Y %H:%M:%S},2.5,{U}.0,UK", plain(""), ()),
        ("timestamp,visitorid,event,itemid,transactionid", "{t}000,{u},view,{i},", HISTORIES, ("event = event",)),
        ("sessionId,userId,itemId,timeframe,eventdate", "{u},NA,{i},{n},{d:%Y-%m-%d}", HISTORIES, ("user = sessionId", "eventdate + timeframe")),
        ("order_id,product_id,add_to_cart_order,reordered", "{u},{i},{n},1", HISTORIES, ("user = order_id", "order = add_to_cart_order")),
        ("userID,artistID,weight", "{u},{i},{r}", HISTORIES, ("order of the file",)),
        ("user_id,book_id,is_read,rating,is_reviewed", "{u},{i},1,{r},0", HISTORIES, ()),
        ("uid,video_id,time,date,timestamp", "{u},{i},{d:%Y-%m-%d %H:%M:%S},{d:%Y%m%d},{t}", HISTORIES, ("time = timestamp",)),
        ("msno,song_id,ts", "{u},{i},{t}", HISTORIES, ()),
        ("reviewerID,asin,overall,unixReviewTime", "{u},{i},5.0,{t}", HISTORIES, ()),
        ("session_id,user_id,item_id,ts", "s{n},{u},{i},{t}", HISTORIES, ("user = user_id",)),
        ("user,username,item,item_name,time", "{u},x,{i},y,{t}", HISTORIES, ("user = user,",)),
    ]
]  # fmt: skip
NAMES = [c._replace(gives={u[1:]: i for u, i in HISTORIES.items()}) if "InvoiceNo" in c.name else c for c in NAMES]

AMAZON = {f"A1B2C3D4E5F{u[1:]}": [f"B00000{int(i[1:]):04d}" for i in items] for u, items in HISTORIES.items()}
HEADLESS = [
    Case("MovieLens-100K's columns", {"log.data": lines("{U}\t{I}\t{r}\t{t}")}, NUMBERED, ("guessed by content",)),
    Case("Amazon's ratings, user first", {"r.csv": "".join(f"A1B2C3D4E5F{u[1:]},B00000{int(i[1:]):04d},5.0,{t}\n" for u, i, t in ROWS)}, AMAZON),
    Case("Amazon's ratings, item first", {"r.csv": "".join(f"B00000{int(i[1:]):04d},A1B2C3D4E5F{u[1:]},5.0,{t}\n" for u, i, t in ROWS)}, AMAZON),
    Case("Taobao", {"UserBehavior.csv": lines("{U},{I},7,pv,{t}")}, NUMBERED, ("time = column 5",)),
    Case("YooChoose", {"clicks.dat": lines("{U},{d:%Y-%m-%dT%H:%M:%S}.277Z,{I},0")}, NUMBERED, ("item = column 3",)),
    Case("Gowalla", {"g.txt": lines("{U}\t{d:%Y-%m-%dT%H:%M:%SZ}\t30.23{n}\t-97.79{n}\t{I}")}, NUMBERED, ("item = column 5",)),
    Case("Foursquare", {"f.txt": lines("{U}\t{i}\tcat{r}\tBar\t40.7{n}\t-74.0{n}\t-240\t{d:%a %b %d %H:%M:%S} +0000 {d:%Y}")}, {u[1:]: i for u, i in HISTORIES.items()}),
    Case("Last.fm 1K", {"l.tsv": lines("{u}\t{d:%Y-%m-%dT%H:%M:%SZ}\t{i}\tName {i}\t\tTrack {i}")}, says=("item = column 3",)),
    Case("Netflix", {"combined_data_1.txt": "".join(
        f"{k}:\n" + "".join(f"{u[1:]},3,{datetime.fromtimestamp(t, UTC):%Y-%m-%d}\n" for u, i, t in ROWS if i == f"b{k}") for k in range(1, 13))},
        {u: sorted(i, key=lambda x: 0) for u, i in NUMBERED.items()}, ("Netflix",)),
    Case("MIND", {"behaviors.tsv": lines("{n}\t{u}\t{d:%m/%d/%Y %I:%M:%S %p}\t{i}y{n} {i}x\t{i}-1 z-0")},
         {u: [x for k, (v, i, _) in enumerate(ROWS) if v == u for x in (f"{i}y{k}", f"{i}x")] for u in HISTORIES}, ("history",)),
    Case("MIND, one history a user", {"behaviors.tsv": "".join(
        f"{n}\t{u}\t11/15/2019 9:0{n % 10}:58 AM\t{' '.join(HISTORIES[u])}\tq-1 z-0\n" for n, u in enumerate(list(HISTORIES) * 3))}, says=("read once",)),
]  # fmt: skip
NETFLIX = {u: [] for u in NUMBERED}  # ties within a day stand in the order of films
ONE_A_DAY = {(u, i, datetime.fromtimestamp(t, UTC).date()): None for u, i, t in ROWS}
for day_user, day_item, _ in sorted(ONE_A_DAY, key=lambda r: (r[2], int(r[1][1:]))):
    NETFLIX[day_user[1:]].append(day_item[1:])

SEQUENCES = [
    Case("sequences", {"s.txt": "".join(f"{u} {' '.join(i[: 3 + n % 5])}\n" for n, (u, i) in enumerate(HISTORIES.items()))},
         {u: i[: 3 + n % 5] for n, (u, i) in enumerate(HISTORIES.items())}, ("sequences",)),
    Case("sequences of one length", {"s.txt": "".join(f"{u} {' '.join(i)}\n" for u, i in HISTORIES.items())}, says=("sequences",)),
    Case("sequences with commas", {"s.txt": "".join(f"{u},{','.join(i[: 3 + n % 5])}\n" for n, (u, i) in enumerate(HISTORIES.items()))},
         {u: i[: 3 + n % 5] for n, (u, i) in enumerate(HISTORIES.items())}),
    Case("sequences under a header", {"s.txt": "user items\n" + "".join(f"{u} {' '.join(i)}\n" for u, i in HISTORIES.items())}, says=("a header",)),
    Case("lines of items", {"s.txt": "".join(f"{' '.join(i[: 3 + n % 5])}\n" for n, i in enumerate(HISTORIES.values()))},
         {str(n + 1): i[: 3 + n % 5] for n, i in enumerate(HISTORIES.values())}, ("user = the line",), {"no_user": True}),
]  # fmt: skip

RULES = [
    Case("rows twice", {"log.csv": OK + OK.partition("\n")[2]}, says=("dropped 80 rows: the same user, item and time",)),
    Case("where rating", {"log.csv": lines("{u},{i},{t},5", HEAD + ",rating") + "u1,b1,1,3\n"}, says=("dropped 1 row: does not meet",), options={"where": ("rating >= 4",)}),
    Case("where event", {"log.csv": lines("{u},{i},{t},buy", HEAD + ",event") + "u1,b1,1,view\nu1,b1,2,it's\n"}, options={"where": ("event in ('buy', 'x')",)}),
    Case("where both", {"log.csv": lines("{u},{i},{t},buy,4.0", HEAD + ",kind,stars") + "u1,b1,1,view,4\nu1,b1,2,buy,5\n"}, options={"where": ("kind = buy and stars == 4",)}),
    Case("no repeats", {"log.csv": OK}, {u: list(dict.fromkeys(i)) for u, i in HISTORIES.items()}, ("a repeat",), {"repeats": False}),
    Case("float ids", {"log.csv": lines("{U}.0,{I}.0,{t}", HEAD)}, NUMBERED, ("user ids written like 1.0 are read as 1",)),
    Case("zeros in front stay", {"log.csv": lines("00{U},0{I},{t}", HEAD)}, {f"00{u}": [f"0{i}" for i in items] for u, items in NUMBERED.items()}),
    Case("NA is an id", {"log.csv": OK.replace("u3,", "NA,")}, {("NA" if u == "u3" else u): i for u, i in HISTORIES.items()}, ("called 'NA'", "--missing NA")),
    Case("NA is missing", {"log.csv": OK.replace("u3,", "NA,")}, {u: i for u, i in HISTORIES.items() if u != "u3"}, ("dropped 8 rows: no user",), {"missing": ("NA",)}),
    Case("no user here and there", {"log.csv": OK + ",b1,5\nNULL,b2,5\n\\N,b3,5\n"}, says=("dropped 3 rows: no user, such as row 81",)),
    Case("ids with blanks", {"log.csv": lines("{u} x,The {i},{t}", HEAD)}, {f"{u} x": [f"The {i}" for i in items] for u, items in HISTORIES.items()}),
    Case("columns by number", {"log.csv": lines("{t},{i},{u}")}, options={"user": "3", "item": "2", "order": "1"}),
    Case("a separator given", {"log.csv": lines("{u}^{i}^{t}", HEAD.replace(",", "^"))}, options={"separator": "^"}),
    Case("no header, said", {"log.csv": lines("{u},{i},{t}")}, options={"header": False}),
    Case("an encoding given", {"log.csv": lines("{u},{i},\u0416,{t}", "user,item,note,time").encode("cp1251")}, options={"encoding": "cp1251"}),
]  # fmt: skip

CASES = [
    *SEPARATORS, *QUOTES, *SHAPES, *PACKED, *OBJECTS, *PARQUETS, *LISTS, *TIMES, *NAMES, *HEADLESS, *SEQUENCES, *RULES,
]  # fmt: skip
CASES = [c._replace(gives=NETFLIX) if c.name == "Netflix" else c for c in CASES]
