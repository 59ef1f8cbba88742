"""Visitors of the app who check all that they are shown against a trace of their own: the soak of app_speed.py."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

from fame.bundle import Bundle
from fame.trace import Intervention, Trace
from tests.app.visitor import Visitor, Wrong, visit

PAUSE = (0.5, 1.5)  # seconds that a visitor looks before the next click
KEPT = 128  # traces that the app keeps for all visitors (app/sources.py)
FILMS = 10  # per list


def own_history(bundle: Bundle, rng: random.Random) -> list[int]:
    return rng.sample(range(1, len(bundle.catalogue)), rng.randint(1, min(12, bundle.catalogue.n_items)))


def link(bundle: Bundle, rows: list[int]) -> str:
    return "-".join(str(bundle.catalogue.item_id[row]) for row in rows)


def megabytes(server: psutil.Process) -> float:
    return server.memory_info().rss / 2**20


async def fill(address: str, bundle: Bundle) -> None:
    """Have the app keep as many traces as it will ever keep."""
    rng = random.Random(-1)
    async with visit(address, f"h={link(bundle, own_history(bundle, rng))}") as visitor:
        for _ in range(KEPT + 10):
            visitor.query = f"h={link(bundle, own_history(bundle, rng))}"
            await visitor.run()


def spread(seconds: list[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return statistics.median(seconds), float(np.percentile(seconds, 95))


def ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


@dataclass
class Checked:
    """A visitor beside what it should be shown: every click is followed by a comparison with a trace of our own."""

    visitor: Visitor
    bundle: Bundle
    rng: random.Random
    films: list[int]
    off: list[int] = field(default_factory=list)  # heads that are muted
    past: list[tuple[list[int], list[int]]] = field(default_factory=list)  # what undo goes back to
    took: list[float] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    async def step(self) -> None:
        """One click, or a few that belong together, on a visitor who stands on Story."""
        acts = [self.pick, self.add, self.remove, self.move, self.undo, self.merge, self.look_around]
        act = self.rng.choice(acts)
        if await act():
            self.done[act.__name__] += 1
            self.check_story()

    async def pick(self) -> bool:
        row = self.rng.choice(self.visitor.data("story")["lists"][-1])
        await self.click("story", "pick", row)
        if (shown := self.visitor.data("story")["chosen"]) != row:
            raise Wrong(f"film {shown} is chosen, expected {row}")
        return True

    async def add(self) -> bool:
        row = self.rng.randrange(1, len(self.bundle.catalogue))
        self.change([*self.chips, row], self.off)
        await self.click("bar", "act", {"do": "add", "row": row})
        return True

    async def remove(self) -> bool:
        if len(self.chips) == 1:
            return False
        at = self.rng.randrange(len(self.chips))
        self.change(self.chips[:at] + self.chips[at + 1 :], self.off)
        await self.click("bar", "act", {"do": "remove", "at": at})
        return True

    async def move(self) -> bool:
        if len(self.chips) == 1:
            return False
        self.change([self.chips[-1], *self.chips[:-1]], self.off)
        await self.click("bar", "act", {"do": "move", "at": len(self.chips) - 1, "to": 0})
        return True

    async def undo(self) -> bool:
        if not self.past:
            return False
        self.chips, self.off = self.past.pop()
        await self.click("bar", "act", {"do": "undo"})
        return True

    async def merge(self) -> bool:
        if self.bundle.config.n_heads == 1:
            return False
        self.took.append(await self.visitor.go("merge"))
        self.check_merge()
        self.change(self.chips, [] if self.off else [self.rng.randrange(self.bundle.config.n_heads)])
        await self.click("merge_table", "gate", {"weights": None, "off": self.off, "done": True})
        self.check_merge()
        self.took.append(await self.visitor.go(""))
        return True

    async def look_around(self) -> bool:
        for screen in ("experts", "atlas", "evidence", ""):
            self.took.append(await self.visitor.go(screen))
            self.check_bar()
        return True

    async def click(self, key: str, event: str, value: Any) -> None:
        self.took.append(await self.visitor.run((key, event, value)))

    def change(self, films: list[int], off: list[int]) -> None:
        if films != self.chips or off != self.off:
            self.past.append((self.chips, self.off))
        self.chips, self.off = films, off

    # what is shown, against a trace

    def check_bar(self) -> None:
        shown = [film["row"] for film in self.visitor.data("bar")["history"]]
        if shown != self.chips:
            raise Wrong(f"the bar shows the films {shown}, expected {self.chips}")

    def check_story(self) -> None:
        self.check_bar()
        trace, data = self.trace(), self.visitor.data("story")
        for head, rows in enumerate(data["lists"]):
            own = head if head < len(trace.head_scores) else None
            self.same(f"list {head + 1}", rows, trace.ranking(head=own)[:FILMS].tolist())
        rows = data["lists"][-1]
        self.near("scores", [data["films"][str(row)]["score"] for row in rows], trace.scores[rows])
        self.near("gate", data["gate"], trace.gate[-1])

    def check_merge(self) -> None:
        self.check_bar()
        trace = self.trace()
        lines = [line for line in self.visitor.data("merge_table")["rows"] if line["part"] == "list"]
        rows = trace.ranking()[:FILMS]
        self.same("Merge's list", [line["row"] for line in lines], rows.tolist())
        self.near("Merge's sums", [line["sum"] for line in lines], trace.scores[rows])

    def trace(self) -> Trace:
        return self.bundle.trace(rows=self.chips, intervention=Intervention(heads_off=tuple(self.off)))

    def same(self, what: str, shown: list[int], expected: list[int]) -> None:
        if shown != expected:
            raise Wrong(f"{what} of the films {self.chips} without heads {self.off}: {shown}, expected {expected}")

    def near(self, what: str, shown: list[float], expected: np.ndarray) -> None:
        if not np.allclose(shown, expected, atol=1e-4):
            raise Wrong(f"{what} of the films {self.chips} without heads {self.off}: {shown}, expected {expected}")


async def soak(address: str, bundle: Bundle, server: psutil.Process, visitors: int, minutes: float) -> dict[str, str]:
    """Let visitors click until the time is over; what came of it."""
    await fill(address, bundle)
    weights = [megabytes(server)]
    ends = time.monotonic() + 60 * minutes

    async def one(number: int) -> Checked:
        rng = random.Random(2000 + number)
        films = own_history(bundle, rng)
        async with visit(address, f"h={link(bundle, films)}") as visitor:
            checked = Checked(visitor, bundle, rng, films)
            checked.check_story()
            while time.monotonic() < ends:
                await asyncio.sleep(rng.uniform(*PAUSE))
                await checked.step()
        return checked

    async def weigh() -> None:
        while (left := ends - time.monotonic()) > 0:
            await asyncio.sleep(min(left, max(1, 6 * minutes)))
            weights.append(megabytes(server))

    async with asyncio.TaskGroup() as group:
        scales = group.create_task(weigh())
        tasks = [group.create_task(one(number)) for number in range(visitors)]
    del scales
    took = sorted(seconds for task in tasks for seconds in task.result().took)
    counts = sum((task.result().done for task in tasks), Counter())
    return {
        "clicks and screens, each with its numbers checked": f"{len(took):,} ({counts.total():,} steps)",
        "differences, errors": "0",
        "server done: median, 95 %, longest": " / ".join(ms(x) for x in (*spread(took), took[-1])),
        "server's memory, MB: at the start, then every tenth of the time": ", ".join(f"{x:.0f}" for x in weights),
    }
