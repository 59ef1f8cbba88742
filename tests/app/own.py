"""A tiny log that trains in seconds, and what the tests of a visitor's own logs share."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from io import BytesIO

from app.logs.box import Box, Entry, new_token

CHOICES = {"length": "quick", "heads": 2, "experts": 2}


def log(users: int = 40) -> str:
    """Two tastes over nine items: so few that maps need no UMAP, whose import takes longer than all the rest."""
    rng = random.Random(0)
    lines = ["user_id,item_id,timestamp"]
    for u in range(users):
        items = [*rng.sample([i for i in range(9) if i % 2 == u % 2], 4), *rng.sample(range(9), 2)]
        lines += [f"u{u},i{item},{1_600_000_000 + 1000 * u + 60 * k}" for k, item in enumerate(items)]
    return "\n".join(lines) + "\n"


ITEMS = "item_id,title,year,colour\n" + "".join(
    f"i{i},Thing {i},{1980 + i},{('Red', 'Blue')[i % 2]}\n" for i in range(9)
)


def dropped(box: Box | None = None, **choices: object) -> Entry:
    """An entry with the tiny log, as a visitor leaves it before Train."""
    entry = (box or Box(new_token())).add("mine.csv", "log")
    entry.put("log", "mine.csv", BytesIO(log().encode()))
    entry.put("items", "items.csv", BytesIO(ITEMS.encode()))
    entry.update(choices=CHOICES | choices, left=9)
    return entry


def wait(until: Callable[[], bool], seconds: float = 240) -> None:
    """Wait for what another process does."""
    ends = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.1)
