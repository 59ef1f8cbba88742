"""What a visitor drops: kept within bounds, read by a process of its own, and refused in one plain sentence."""

from __future__ import annotations

import errno
import io
import os
import re
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from app.logs import box as boxes
from app.logs import reading, recipe
from app.logs.box import Box, Entry, new_token
from app.logs.reading import Read
from fame.bundle import Bundle, pack
from fame.errors import FameError
from fame.make.recipe import load_recipe

Drop = Callable[..., tuple[Entry, Read]]
LOG = "user,item,time\n" + "".join(
    f"u{u},i{(u + k) % 9},{1_600_000_000 + 60 * k}\n" for u in range(12) for k in range(6)
)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAME_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def drop() -> Drop:
    """Drops a file into a new box, and reads it."""

    def drop(name: str, content: bytes | str, **state: object) -> tuple[Entry, Read]:
        entry = Box(new_token()).add(name, "log")
        entry.put("log", name, io.BytesIO(content.encode() if isinstance(content, str) else content))
        entry.update(**state)
        return entry, reading.look(entry)

    return drop


def nested_parquet() -> bytes:
    file = io.BytesIO()
    pd.DataFrame({"who": [{"id": 1, "name": "a"}] * 9, "what": [{"id": 2}] * 9}).to_parquet(file)
    return file.getvalue()


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("log.csv", "w") as out:
        for _ in range(600):
            out.write(b"0" * 1_000_000)
    return file.getvalue()


MIXED = "user,item,date\n" + "".join(
    f"u{u},i{k},{'03/04/2020' if k % 2 else '2020-04-03'}\n" for u in range(9) for k in range(6)
)
ALONE = "user,item,time\n" + "".join(f"u,i{k},{k}\n" for k in range(50))
HOSTILE = {
    "empty": ("log.csv", b"", {}, "log.csv: the file is empty"),
    "blank": ("log.csv", b" \n\n", {}, "log.csv: the file holds nothing but blank space"),
    "one user": ("log.csv", ALONE, {}, "k-core: no users and items with 5"),
    "image": ("log.csv", b"\x89PNG\r\n\x1a\n" + bytes(64), {}, "log.csv: this is a PNG image; expected a log"),
    "bomb": ("log.zip", bomb(), {}, "log.zip: unpacks to far more than a log would; refused"),
    "nested": ("log.parquet", nested_parquet(), {}, "log.parquet: found the columns who.id, who.name, what.id; none"),
    "wrong columns": ("log.csv", LOG, {"user": "item", "item": "item"}, "the column 'item' is both user and item"),
    "no such column": ("log.csv", LOG, {"user": "who"}, "log.csv: .*'who'"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_what_cannot_be_read_is_said_in_a_sentence(case: str, drop: Drop) -> None:
    name, content, how, expected = HOSTILE[case]
    _, read = drop(name, content, reading=how)
    assert read.trouble, "it is refused"
    assert re.search(expected, read.trouble), read.trouble
    assert "\n" not in read.trouble and str(boxes.root()) not in read.trouble, "one line, without the server's folders"


def test_a_log_without_a_header_and_one_of_two_kinds_of_date(drop: Drop) -> None:
    _, read = drop("log.csv", LOG.partition("\n")[2])
    assert not read.trouble and read.told["users"] == 12 and read.columns == ["1", "2", "3"]
    _, read = drop("log.csv", MIXED)
    assert read.trouble.startswith("k-core: no users and items with 5"), "no date is guessed, and too little is left"
    assert any(
        line == "dropped 27 rows: a time of another form, such as row 2 (u0, i1): '03/04/2020'"
        for line in read.told["lines"]
    )


def test_files_of_one_name_that_are_dropped_at_once_are_all_kept() -> None:
    box, began = Box(new_token()), threading.Barrier(6)

    def drop(_: int) -> str:
        began.wait()
        entry = box.add("mine.csv", "log")
        entry.put("log", "mine.csv", io.BytesIO(LOG.encode()))
        return reading.look(entry).trouble

    with ThreadPoolExecutor(6) as visitors:
        assert list(visitors.map(drop, range(6))) == [""] * 6
    names = [entry.state["name"] for entry in box.entries()]
    assert len(names) == 6 == len(set(names)), "each model has a name of its own"


def test_the_columns_are_told_of_a_log_that_is_not_understood(drop: Drop) -> None:
    entry, read = drop("log.csv", "a,b,c\n" + "".join(f"{k}.5,{k}.25,x\n" for k in range(9)))
    assert read.error and read.columns == ["a", "b", "c"], "so that the visitor can say which is which"
    entry.put("log", "log.csv", io.BytesIO(LOG.replace("user,item,time", "a,b,c").encode()))
    entry.update(reading={"user": "a", "item": "b", "order": "c"})
    read = reading.look(entry)
    assert not read.trouble and read.told["columns"] == {"user": "a", "item": "b"}


def test_a_large_file_is_refused_and_nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return bytes(size)

    entry, endless = Box(new_token()).add("log.csv", "log"), Endless()
    monkeypatch.setattr(boxes, "MOST_UPLOAD", 3)
    with pytest.raises(FameError, match=r"log\.csv: larger than 3 MB, the most that is taken here; pack it"):
        entry.put("log", "log.csv", endless)  # type: ignore[arg-type]
    assert endless.given <= 5 << 20 and not (entry.folder / "log.csv").exists()
    assert entry.state["stage"] == "read" and "log" not in entry.state


def test_a_full_disk_and_a_full_box_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(new_token())
    entry = box.add("log.csv", "log")
    monkeypatch.setattr(boxes, "MOST_ENTRIES", 1)
    with pytest.raises(FameError, match="your box is full: it holds 1 log"):
        box.add("log.csv", "log")
    monkeypatch.setattr(boxes, "LEAST_FREE", 1 << 40)
    with pytest.raises(FameError, match="there is no space left for uploads on this server"):
        entry.put("log", "log.csv", io.BytesIO(b"user,item\n"))
    assert not (entry.folder / "log.csv").exists()


def test_a_store_that_cannot_be_written_is_said_to_who_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(FameError, match=r"log.csv: cannot be kept \(Permission denied\); whoever serves .*FAME_STORE"):
        Box(new_token()).add("log.csv", "log")


def test_names_lead_nowhere() -> None:
    for name in ("../../etc/passwd", "..\\..\\x.csv", "/abs/log.csv", ".hidden", "a\nb.csv", "log.json", "bundle", "…"):
        plain = boxes.plain_name(name, "log")
        assert plain and "/" not in plain and "\\" not in plain and not plain.startswith((".", "-")), plain
        assert plain not in ("log.json", "bundle") and "\n" not in plain
    entry = Box(new_token()).add("../../x.csv", "log")
    entry.put("log", "../../x.csv", io.BytesIO(b"a"))
    entry.put("items", "x.csv", io.BytesIO(b"b"))
    assert entry.log.parent == entry.folder and entry.log.read_bytes() == b"a"
    assert entry.items is not None and entry.items.read_bytes() == b"b", "two files of one name are two files"


def test_boxes_are_apart_and_cannot_be_guessed(store: Path) -> None:
    mine, other = Box(new_token()), Box(new_token())
    entry = mine.add("log.csv", "log")
    assert mine.entry(entry.key) and other.entry(entry.key) is None and other.entries() == []
    assert mine.token not in str(entry.folder), "a path tells no token"
    assert entry.folder.stat().st_mode & 0o077 == 0 or os.name != "posix"
    for key in ("../" + entry.key, f"../{mine.folder.name}/{entry.key}", "", ".", "*"):
        assert other.entry(key) is None
    with pytest.raises(FameError, match="this link to a box of models is not whole"):
        Box("../../etc")


def test_old_boxes_are_removed_but_not_one_that_trains() -> None:
    old, busy, fresh = (Box(new_token()) for _ in range(3))
    for box in (old, busy, fresh):
        box.add("log.csv", "log")
    busy.entries()[0].update(stage="queued")
    now = time.time() + (boxes.KEEP_DAYS + 1) * 86_400
    os.utime(fresh.folder, (now, now))
    assert boxes.sweep(now) == 1
    assert not old.folder.exists() and busy.folder.exists() and fresh.folder.exists()


def test_a_bundle_is_checked_at_the_door(tmp_path: Path, small: Bundle, folder: Path) -> None:
    whole = tmp_path / "tiny.zip"
    whole.write_bytes(pack(folder, "tiny"))
    assert reading.check_bundle(whole) == ""
    assert Bundle.load(whole).trace(["f1"]).scores.tolist() == small.trace(["f1"]).scores.tolist()
    climbing, linked, wrong = (tmp_path / f"{name}.zip" for name in ("climbing", "linked", "wrong"))
    with zipfile.ZipFile(whole) as source:
        members = {info.filename: source.read(info) for info in source.infolist()}
    with zipfile.ZipFile(climbing, "w") as out:
        for name, content in members.items():
            out.writestr(name.replace("tiny/", "../../tiny/"), content)
    assert reading.check_bundle(climbing).startswith("climbing.zip: no bundle; expected manifest.json")
    with zipfile.ZipFile(linked, "w") as out:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name.endswith("items.csv") else 0o100644) << 16
            out.writestr(info, content)
    assert "items.csv: a link; expected the file itself" in reading.check_bundle(linked)
    wrong.write_bytes(b"no zip")
    assert reading.check_bundle(wrong).startswith("wrong.zip: no readable zip; expected the zip of a bundle")
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".zip") == [], "nothing was unpacked"


def test_choices_become_a_recipe(tmp_path: Path) -> None:
    state = {
        "name": "mine", "log": 'a "b".csv', "items": "items.csv",
        "reading": {"user": "who", "k_core": 3, "header": True, "no_user": False, "missing": ["NA", "-x"]},
        "choices": {"length": "thorough", "heads": 2, "experts": 3, "guide": ["genre"], "sasrec": True, "noun": "book"},
    }  # fmt: skip
    path = tmp_path / "mine.toml"
    path.write_text(recipe.to_toml(recipe.tables(state), "a\nb"))
    made = load_recipe(path)
    assert made.data.path == tmp_path / 'a "b".csv' and made.data.items == tmp_path / "items.csv"
    assert (made.data.user, made.data.k_core, made.data.header, made.data.noun) == ("who", 3, True, "book")
    assert (made.data.no_user, made.data.missing) == (False, ("NA", "-x"))
    assert recipe.flags(state["reading"])[-3:] == ["--with-user", "--missing=NA", "--missing=-x"]
    assert (made.model.n_heads, made.model.n_experts, made.guidance.heads) == (2, 3, ("genre",))
    assert made.evidence and made.comparison is not None and made.comparison.probe
    assert made.comparison.model.variant == "sasrec" and made.comparison.training.compete == 0
    for heads in range(1, 9):
        for length in recipe.LENGTHS:
            path.write_text(recipe.to_toml(recipe.tables({**state, "choices": {"length": length, "heads": heads}})))
            assert load_recipe(path).model.n_heads == heads
