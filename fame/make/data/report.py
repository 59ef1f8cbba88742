"""What was read, dropped and kept: said before anything is learned, and again in the model card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import numpy as np

from fame.make.data.interactions import Interactions
from fame.text import listing, percent, plural

__all__ = ["Coverage", "Dropped", "KCore", "ReadReport", "Tested", "strange_times"]

SMALL = 10**7  # numbers below it are no times
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class Dropped:
    """Rows that were left out.   why: in words.   count: of rows.   example: one of them, '' where there is none."""

    why: str
    count: int
    example: str = ""

    def line(self) -> str:
        like = f", such as {self.example}" if self.example else ""
        return f"dropped {plural(self.count, 'row')}: {self.why}{like}"


@dataclass(frozen=True)
class KCore:
    """What a k-core took: users, items, interactions; left: how many of each it leaves."""

    k: int
    users: int
    items: int
    interactions: int
    left: tuple[int, int, int]

    @classmethod
    def between(cls, k: int, before: Interactions, after: Interactions) -> Self:
        left = (len(after.users), len(after.items), len(after))
        return cls(k, len(before.users) - left[0], len(before.items) - left[1], len(before) - left[2], left)

    def line(self) -> str:
        if not self.interactions:
            return f"{self.k}-core: takes nothing"
        took = [plural(self.interactions, "interaction"), plural(self.users, "user"), plural(self.items, "item")]
        users, items, interactions = self.left
        return (
            f"{self.k}-core: takes {listing(took)}; leaves {interactions:,} interactions of {users:,} users with "
            f"{items:,} items"
        )


@dataclass(frozen=True)
class Coverage:
    """How a log and a list of items meet.

    what: the list: a file's name, or 'the model's catalogue'.   items: of the log.   missing: of these, not listed.
    missing_rows: interactions with them.   rows: all.   examples: of their ids.
    hint: what differs, as far as that is seen.   only: interactions with them are left out.
    """

    what: str
    items: int
    missing: int
    rows: int
    missing_rows: int
    examples: tuple[str, ...] = ()
    hint: str = ""
    only: bool = False

    def line(self) -> str:
        if not self.missing:
            return f"{self.what}: has all {plural(self.items, 'item')} of the log"
        such = f", such as {', '.join(map(repr, self.examples))}," if self.examples else ""
        then = "left out" if self.only else "their ids stand for titles"
        hint = f"; {self.hint}" if self.hint else ""
        return (
            f"{self.missing:,} of {plural(self.items, 'item')} "
            f"({percent(self.missing_rows / max(1, self.rows))} of rows){such} are not in {self.what}{hint}; {then}"
        )


@dataclass(frozen=True)
class Tested:
    """Test items that the history already holds.   tested: users.   seen: of them, whose test item is one.

    figures: metric -> (over all users, over users whose test item is new to them).
    """

    tested: int
    seen: int
    figures: dict[str, tuple[float, float]] = field(default_factory=dict)

    def line(self) -> str:
        if not self.seen:
            return f"test items: none of {self.tested:,} is in the user's history"
        said = (
            f"test items: {self.seen:,} of {self.tested:,} ({percent(self.seen / self.tested)}) are already in the "
            "user's history; each stays a candidate, while other items of the history are left out"
        )
        shown = [f"{name} {both[0]:.4f} over all, {both[1]:.4f} without them" for name, both in self.figures.items()]
        return f"{said}; {', '.join(shown)}" if shown else said


@dataclass(frozen=True)
class ReadReport:
    """How a log was read.

    source: what was given.   form: what it is: csv, json, parquet, sequences, movielens, recbole.
    taken: the dialect in words.   columns: role -> column.   time: what the order is.
    rows: read.   dropped, notes: what to know.   users, items, interactions: kept.
    usable: users with three items of a model's catalogue, where the log was read for that model.
    span: first and last time as ISO text where the order is a time.   first: some rows (user, item, order).
    """

    source: str
    form: str
    taken: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    time: str = ""
    rows: int = 0
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()
    users: int = 0
    items: int = 0
    interactions: int = 0
    span: tuple[str, str] | None = None
    first: tuple[tuple[str, str, str], ...] = ()
    core: KCore | None = None
    coverage: tuple[Coverage, ...] = ()
    tested: Tested | None = None
    usable: int | None = None

    def taken_line(self) -> str:
        """The one line of what was taken."""
        roles = ", ".join(f"{role} = {column}" for role, column in self.columns.items())
        parts = [*self.taken, roles, self.time]
        unit = "line" if self.form == "sequences" else "row"
        return f"read {plural(self.rows, unit)} as {'; '.join(filter(None, parts))}"

    def lines(self) -> list[str]:
        """The block for people, a line each."""
        said = [self.taken_line()]
        said += [f"note: {note}" for note in self.notes]
        said += [d.line() for d in self.dropped]
        kept = [plural(self.interactions, "interaction"), plural(self.users, "user"), plural(self.items, "item")]
        span = f", {self.span[0]} to {self.span[1]}" if self.span else ""
        said.append(f"kept {listing(kept)}{span}")
        said += [c.line() for c in self.coverage]
        if self.usable is not None:
            said.append(f"{self.usable:,} of {plural(self.users, 'user')} have three items of this model's catalogue")
        if self.core:
            said.append(self.core.line())
        if self.tested:
            said.append(self.tested.line())
        return said

    def to_dict(self) -> dict[str, Any]:
        """For machines: JSON's types alone."""
        return {**asdict(self), "lines": self.lines()}


def span_of(low: float, high: float, unit: str) -> tuple[str, str] | None:
    """First and last time as ISO text in UTC; None where they are no times of this unit."""
    shown = [day_of(value, unit) for value in (low, high)]
    return (shown[0], shown[1]) if all(shown) else None


def day_of(value: float, unit: str) -> str:
    """A time as the ISO text of its day in UTC; '' where it is none of this unit, which may be Excel's day, 'd'."""
    try:
        if unit == "d":
            when = datetime(1899, 12, 30, tzinfo=UTC) + timedelta(days=float(value))
        else:
            when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(value) / _UNITS[unit])
    except (KeyError, OverflowError, ValueError):
        return ""
    return when.strftime("%Y-%m-%d")


def strange_times(order: np.ndarray, unit: str, column: str, dated: bool, now: float) -> list[str]:
    """What is to be said of times that can hardly be meant.

    order: of all rows.   column: its name, which is one of a time where `dated`.   now: seconds since 1970.
    """
    low, high = float(order.min()), float(order.max())
    if low == high and len(order) > 1:
        what = f"the time {day_of(low, unit) or order[0]}" if dated or unit else f"{column} = {order[0]}"
        return [f"every row has {what}: the order of the file is taken"]
    if not unit:
        if not dated or high < SMALL:  # a count of its own
            return []
        years = span_of(low, high, "s")
        like = f" (in seconds {years[0]} to {years[1]})" if years else ""
        what = f"{column} from {order.min()} to {order.max()} is no time from 1990 to 2050{like}"
        return [f"{what}; taken as an order alone"]
    notes = []
    if zeros := int((order == 0).sum()):
        without = f'--where "{column} > 0"'
        notes.append(f"{plural(zeros, 'row')} with the time 0, {day_of(0, unit)}; {without} leaves them out")
    today = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
    if not (last := day_of(high, unit)):
        notes.append(f"{column} reaches {high:g}, which is no date")
    elif last > today:
        late = int((order > now * _UNITS.get(unit, 1)).sum()) if unit != "d" else 0
        many = f"{plural(late, 'row')} after today, the last of" if late else "the last time is after today:"
        notes.append(f"{many} {last}")
    return notes


def names_shown(names: Sequence[str]) -> str:
    """Names from a file as one line of a message."""
    return "".join(c if c.isprintable() else "?" for c in ", ".join(names)[:300])
