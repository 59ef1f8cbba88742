"""The app, `fame inspect`, `fame train`, the card and `fame evaluate` say the same of the same log."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

import fame
from app.logs import reading
from app.logs.box import Box, new_token

DRAW = random.Random(5)
HISTORIES = {f"u{u}": [f"i{DRAW.randint(0, 11)}" for _ in range(8)] for u in range(30)}
ROWS = [(u, i, 1_600_000_000 + 3600 * k + n) for n, (u, x) in enumerate(HISTORIES.items()) for k, i in enumerate(x)]
TITLES = "item_id;title;kind\n" + "".join(f"i{k};Café {k};Home > Pans\n" for k in range(9))
SMALL = [
    "--epochs=1",
    "--heads=2",
    "--experts=2",
    "--width=8",
    "--max-len=8",
    "--batch-size=8",
    "--no-maps",
    "--no-evidence",
]
CASES = {
    "untidy.csv": (
        "user;item;note;time\n"
        + "".join(f"{u};{i};né;{t}\n" for u, i, t in [*ROWS, *ROWS[:9]])
        + "u1;i1;x;\nrare;i99;x;1600000000\n;i2;x;5\n"
    ).encode("latin-1"),
    "histories.txt": "".join(f"{u} {' '.join(x)}\n" for u, x in HISTORIES.items()).encode(),
}  # fmt: skip


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "fame", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def in_order(lines: list[str], text: str) -> None:
    """Each line stands in the text as it is, one after the other."""
    at = 0
    for line in lines:
        found = text.find(f"{line}\n", at)
        assert found >= 0, f"{line!r} is not in what follows:\n{text[at:]}"
        at = found + len(line)


@pytest.mark.parametrize("name", CASES)
def test_all_say_the_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAME_STORE", str(tmp_path / "store"))
    entry = Box(new_token()).add(name, "log")
    entry.put("log", name, BytesIO(CASES[name]))
    entry.put("items", "items.csv", BytesIO(TITLES.encode()))
    seen = reading.look(entry)
    assert not seen.trouble
    lines = list(seen.told["lines"])

    (tmp_path / name).write_bytes(CASES[name])
    (tmp_path / "items.csv").write_text(TITLES)
    log = [name, "--items", "items.csv"]
    assert json.loads(run(tmp_path, "inspect", *log, "--json").stdout)["lines"] == lines
    assert run(tmp_path, "inspect", *log).stdout.splitlines()[: len(lines)] == lines
    trained = run(tmp_path, "train", "--data", *log, "--out", "made", "--runs", "runs", *SMALL).stderr
    in_order(lines, trained)

    *same, held = lines
    for start in ("read ", "kept ", r"[34] of 1[23] items ", "5-core: "):
        assert any(re.match(start, line) for line in same), start
    both = re.search(re.escape(held) + r"; HR@10 [\d.]+ over all, [\d.]+ without them, NDCG@10 .*", trained)
    assert both, "how they are ranked, in both figures"
    card = fame.load(tmp_path / "made").card
    in_order([*same, both[0]], card)

    said = run(tmp_path, "evaluate", "made", "--data", *log).stdout
    core = next(line for line in same if line.startswith("5-core: "))
    in_order([line for line in same if line != core], said)
    assert "the model's catalogue" in said and both[0] in said
    assert re.search(r"(?m)^\d+ of \d+ users have three items of this model's catalogue\n5-core: takes ", said)


def test_an_untidy_log_is_told_in_full(tmp_path: Path) -> None:
    (tmp_path / "untidy.csv").write_bytes(CASES["untidy.csv"])
    said = run(tmp_path, "inspect", "untidy.csv").stdout
    in_order(
        [
            "read 252 rows as Latin-1; text; parted by ';'; a header; user = user, item = item; time = time, seconds",
            "dropped 1 row: no user, such as row 252",
            "dropped 1 row: no time, such as row 250 (u1, i1)",
            f"dropped 9 rows: the same user, item and time as another row, such as user u0, item {ROWS[0][1]}",
            "kept 241 interactions, 31 users and 13 items, 2020-09-13 to 2020-09-13",
            "5-core: takes 1 interaction, 1 user and 1 item; leaves 240 interactions of 30 users with 12 items",
        ],
        said,
    )
