"""A random log in a random dialect is read back as it was."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fame.make.data import read

names = st.text("abcxyz019 é", min_size=1, max_size=6).map(lambda s: "n" + " ".join(s.split()))
TIMES = {
    "s": str,
    "ms": lambda t: f"{t}000",
    "iso": lambda t: datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M:%S"),
    "zone": lambda t: datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "words": lambda t: datetime.fromtimestamp(t, UTC).strftime("%d %b %Y %H:%M:%S"),
}
PACK = {"": lambda b: b, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[str, str, int]]:
    users = draw(st.lists(names, min_size=2, max_size=5, unique=True))
    items = draw(st.lists(names, min_size=3, max_size=8, unique=True))
    seconds = st.integers(1_000_000_000, 1_700_000_000)
    row = st.tuples(st.sampled_from(users), st.sampled_from(items), seconds)
    return draw(st.lists(row, min_size=12, max_size=60, unique=True))


@settings(max_examples=60, deadline=None)
@given(
    rows=logs(),
    separator=st.sampled_from(",;\t|"),
    quoting=st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
    end=st.sampled_from(("\n", "\r\n", "\r")),
    encoding=st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "cp1252")),
    time=st.sampled_from(sorted(TIMES)),
    pack=st.sampled_from(sorted(PACK)),
    order=st.permutations(["user_id", "item_id", "timestamp", "note"]),
    note=st.sampled_from(("x", 'said "no"', "a, b; c", "")),
)
def test_a_log_in_any_dialect_is_read_back(
    rows: list[tuple[str, str, int]], separator: str, quoting: int, end: str, encoding: str, time: str, pack: str,
    order: list[str], note: str,
) -> None:  # fmt: skip
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerow(order)
    for user, item, when in rows:
        cells = {"user_id": user, "item_id": item, "timestamp": TIMES[time](when), "note": note}
        writer.writerow([cells[name] for name in order])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(PACK[pack](text.getvalue().encode(encoding)))
        log = read("auto", path)
    seen = list(dict.fromkeys(user for user, _, _ in rows))
    expected = [(u, i) for u, i, _ in sorted(rows, key=lambda row: (seen.index(row[0]), row[2]))]
    found = list(log.interactions.frame[["user", "item"]].itertuples(index=False, name=None))
    assert found == expected, log.report.lines()
    assert log.report.rows == len(rows) and not log.report.dropped
