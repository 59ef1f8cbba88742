"""What must be told of a log that is read, and what is asked of it on a terminal."""

from __future__ import annotations

import os
import pty
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fame.errors import FameError, Undecided
from fame.make.data import read
from fame.make.data.report import strange_times
from tests.data.logs import HEAD, HISTORIES, OK, ROWS, Files, histories, lines, put

DRAW = random.Random(3)
EITHER = "user,item,date\n" + "".join(f"{u},{i},{DRAW.randint(1, 12)}/{DRAW.randint(1, 12)}/2020\n" for u, i, _ in ROWS)
STEAM = "".join(
    f'{u},"The Game {i}",purchase,1.0,0\n' + (f'{u},"The Game {i}",play,{n}.5,0\n' if n % 2 else "")
    for n, (u, i, _) in enumerate(ROWS)
)

TOLD: list[tuple[str, Files, tuple[str, ...], tuple[str, ...]]] = [
    ("GBK", {"l.csv": lines("{u},霸王别姬第{i}部,{t}", HEAD).encode("gbk")}, ("GBK, by its bytes",), ("Latin-1",)),
    ("EUC-KR", {"l.csv": lines("{u},기생충과 괴물 {i},{t}", HEAD).encode("euc-kr")}, ("EUC-KR, by its bytes",), ()),
    ("EUC-JP", {"l.csv": lines("{u},となりのトトロ{i},{t}", HEAD).encode("euc-jp")}, ("EUC-JP, by its bytes",), ()),
    ("Latin-1", {"l.csv": lines("{u},Café Señor {i},{t}", HEAD).encode("latin-1")}, ("Latin-1",), ("GBK", "EUC")),
    ("Cyrillic", {"l.csv": lines("{u},Сталкер и Зеркало {i},{t}", HEAD).encode("cp1251")}, (), ("GBK", "EUC")),
    ("all the same", {"l.csv": lines("{u},{i},0", HEAD)}, ("every row has the time 0: the order of the file",), ()),
    ("the far future", {"l.csv": lines("{u},{i},99{n:08d}", HEAD)}, ("no time from 1990 to 2050 (in seconds 22",), ()),
    ("one in the future", {"l.csv": OK + "u1,b1,2500000000\n"}, ("1 row after today, the last of 2049-03-22",), ()),
    ("some without", {"l.csv": OK + "u1,b1,0\nu2,b1,0\n"}, ("2 rows with the time 0, 1970-01-01",), ()),
    ("Excel's days", {"l.csv": lines("{u},{i},44197.{n:02d}", "user,item,date")}, ("Excel's day numbers", "2021-01-01"), ()),
    ("a place is no day", {"l.csv": lines("{u},{i},{n}", "user,item,position")}, ("order = position",), ("Excel", "1970")),
    ("Steam", {"steam.csv": STEAM}, ("column 3 tells kinds of event, purchase, play; every row counts", "3 = 'play'"), ()),
    ("named kinds", {"l.csv": lines("{u},{i},{t},view", f"{HEAD},event") + "u1,b1,1600000000,buy\n"},
     ("event tells kinds of event, view, buy", "event = 'buy'"), ()),
]  # fmt: skip


@pytest.mark.parametrize(("files", "says", "not_said"), [t[1:] for t in TOLD], ids=[t[0] for t in TOLD])
def test_told(tmp_path: Path, files: Files, says: tuple[str, ...], not_said: tuple[str, ...]) -> None:
    said = "\n".join(read("auto", put(tmp_path, files)).report.lines())
    for words in says:
        assert words in said
    for words in not_said:
        assert words not in said


def test_what_one_kind_of_event_is_kept_by_is_what_is_told(tmp_path: Path) -> None:
    log = read("auto", put(tmp_path, {"steam.csv": STEAM}), where=("3 = 'play'",))
    assert len(log.interactions) == len(ROWS) // 2


def test_times_as_they_should_be_are_not_remarked_on() -> None:
    order = np.array([1_600_000_000, 1_600_000_100])
    assert strange_times(order, "s", "t", True, 1.7e9) == []
    assert strange_times(order, "s", "t", True, 1.6e9 - 86_400) == ["2 rows after today, the last of 2020-09-13"]
    assert strange_times(np.arange(5), "", "time", True, 1.7e9) == [], "a count"
    assert strange_times(np.arange(5) + 10**10, "", "position", False, 1.7e9) == []


def items_of(folder: Path, name: str, content: str) -> list[tuple[Any, ...]]:
    log = read("auto", put(folder, {"log.csv": OK}), items=put(folder / "i", {name: content}))
    return list(log.catalogue.to_frame().itertuples(index=False, name=None))


ITEMS = [f"b{k}" for k in range(1, 13)]


@pytest.mark.parametrize(("sep", "year"), [(",", ""), ("\t", ""), (";", ""), ("::", " (1995)")])
def test_items_without_a_header_have_their_titles_by_content(tmp_path: Path, sep: str, year: str) -> None:
    text = "".join(sep.join((i, f"Title of {i}{year}", "Action|Drama")) + "\n" for i in ITEMS)
    rows = items_of(tmp_path, "items.dat", text)
    assert [row[:2] for row in rows] == [(i, f"Title of {i}") for i in ITEMS]
    assert rows[0][2:4] == (("1995", "Action|Drama") if year else ("Action|Drama",))


def test_texts_of_several_lines_stand_in_items(tmp_path: Path) -> None:
    """H&M's articles.csv: descriptions with line ends, commas and doubled quotes in them."""
    text = "article_id,product_code,prod_name,detail_desc\n" + "".join(
        f'{i},0108775,"Top, {i}","Jersey top\nwith ""soft"" straps,\n\nand more"\n' for i in ITEMS
    )
    assert [row[:2] for row in items_of(tmp_path, "articles.csv", text)] == [(i, f"Top, {i}") for i in ITEMS]


def test_a_stray_quote_opens_no_row_of_many_lines(tmp_path: Path) -> None:
    text = "item_id,title,kind\n" + "".join(f"{i},{chr(34) * (i == 'b3')}Top {i},x\n" for i in ITEMS)
    rows = items_of(tmp_path, "items.csv", text)
    assert {row[0] for row in rows} == set(ITEMS), "none is lost"


# --- the latest date, and headers ---------------------------------------------------------------------


def test_of_several_dates_the_one_of_the_interaction_is_taken(tmp_path: Path) -> None:
    made = lines("{u},{i},{t},2030-01-01,2031-01-01", "user_id,book_id,date_added,date_updated,read_at")
    log = read("auto", put(tmp_path, {"l.csv": made}))
    assert "time = date_added" in log.report.taken_line() and histories(log) == HISTORIES


def test_the_span_ends_with_the_latest_date_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    rows = sorted(ROWS, key=lambda row: -row[2])
    report = read("auto", put(tmp_path, {"l.csv": lines("{u},{i},{d:%Y-%m-%d}", HEAD, rows=rows)})).report
    days = [datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d") for _, _, t in ROWS]
    assert report.span == (min(days), max(days))


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("", "{U},{I},{t}"),
        ("UserId,ISBN,Timestamp", "{U},{I},{t}"),
        ("a,b,c", "{U},{I},{t}"),
        ("1st,2nd,3rd", "{u},{i},{t}"),
    ],
)
def test_a_header_is_known_from_a_row(tmp_path: Path, header: str, form: str) -> None:
    log = read("auto", put(tmp_path, {"l.csv": lines(form, header)}))
    assert log.report.rows == len(ROWS)


# --- asked on a terminal ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "choices"),
    [
        (EITHER, {}, [{"day_first": True}, {"day_first": False}]),
        (lines("{u},{u}x{n},{i},{t}", "user,customer,item,time"), {}, [{"user": "1"}, {"user": "2"}]),
        (lines("{u},{t}", "user,time"), {}, []),
        (lines("{u},{i},{t}"), {"ask": True}, [{"user": "1", "item": "2"}, {"user": "2", "item": "1"}]),
    ],
)
def test_what_is_undecided_can_be_answered(
    tmp_path: Path, text: str, options: dict[str, Any], choices: list[dict[str, Any]]
) -> None:
    path = put(tmp_path, {"l.csv": text})
    with pytest.raises(Undecided) as asked:
        read("auto", path, **options)
    assert list(asked.value.choices.values()) == choices
    for answer in choices:
        assert read("auto", path, **options | answer).report.rows == len(ROWS), "an answer is all that is needed"


def talk(*command: str, answers: list[str]) -> tuple[int, str]:
    """`fame` in a terminal of its own, whose questions are answered one after the other."""
    child, terminal = pty.fork()
    if not child:
        os.execv(sys.executable, [sys.executable, "-m", "fame", *command])
    heard, waiting = b"", list(answers)
    while True:
        try:
            block = os.read(terminal, 4096)
        except OSError:  # the terminal is closed
            break
        if not block:
            break
        heard += block
        if waiting and heard.rstrip().endswith(b"which number:"):
            os.write(terminal, f"{waiting.pop(0)}\n".encode())
            heard += b"\n"
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), heard.decode()


def test_a_terminal_is_asked_and_nothing_else_is(tmp_path: Path) -> None:
    path = put(tmp_path, {"l.csv": EITHER})
    status, said = talk("inspect", str(path), answers=["2"])
    assert status == 0 and "1 the day comes first" in said and "dates, the month first" in said
    status, said = talk("inspect", str(path), answers=["9"])
    assert status == 2 and "9 is none of 1 to 2" in said
    done = subprocess.run(
        [sys.executable, "-m", "fame", "inspect", str(path)], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2 and done.stderr.startswith("error: ") and "which number" not in done.stderr
    with pytest.raises(FameError, match="say --day-first or --month-first"):
        read("auto", path)
