"""From a table and its roles to interactions: rows read once, block by block, each drop counted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.errors import FameError
from fame.make.data.builder import UNMET, Builder, numbers_of
from fame.make.data.engine import Engine, Table, as_text, quoted
from fame.make.data.lists import MISSING, is_missing, values_of
from fame.make.data.options import ReadOptions
from fame.make.data.roles import Roles, list_separator
from fame.make.data.times import TimeForm, date_styles, find_numbers, given_form, number_unit
from fame.make.data.where import conditions

__all__ = ["Order", "extract", "find_order", "shown_name"]

TIME_TYPES = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
NUMBER_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT")
MAX_UNREADABLE = 0.5  # of the rows: above it the column is no time
FLOAT_ID = re.compile(r"\d+(\.0+)?")


@dataclass(frozen=True)
class Order:
    """How rows are ordered.

    sql: of the column, BIGINT or text; '' for the order of the file.   number: the SQL gives text of numbers.
    words: for people.   unit: of the numbers, '' where they are no times.
    """

    sql: str
    number: bool
    words: str
    unit: str
    notes: tuple[str, ...] = ()


def shown_name(table: Table, k: int) -> str:
    """A column's name in a sentence."""
    return table.names[k] if table.header else f"column {table.names[k]}"


def find_order(run: Engine, table: Table, roles: Roles, rows: Sequence[Sequence[str]], options: ReadOptions) -> Order:
    """The order of a table's rows; what dates mean is decided over the whole column.

    Raises:
        FameError: a column is no time and no number, or days and months cannot be told apart.
    """
    if not roles.order:
        words = "order within the list" if roles.item_list else "no time: order of the file"
        return Order("", False, words, "")
    names = [shown_name(table, k) for k in roles.order]
    if len(roles.order) > 2:
        return _parts(table, roles)
    first = roles.order[0]
    kind = table.columns[first].type
    if roles.order_list:
        return Order(as_text(first, table.columns[first]), True, f"time = {names[0]}, a list a row", "")
    if kind in TIME_TYPES:
        source = f"CAST(c{first} AS TIMESTAMPTZ)" if kind != "TIMESTAMP_NS" else f"c{first}"
        return Order(f"epoch_us({source})", False, f"time = {names[0]}", "us")
    if kind == "TIME":
        return Order(f"epoch_us(c{first})", False, f"order = {names[0]}, a time of day", "")
    values = [v for v in (row[first] for row in rows) if not is_missing(v)]
    if len(roles.order) == 2:
        return _two(run, table, roles, rows, options)
    text = as_text(first, table.columns[first])
    if options.time_form:
        form = given_form(options.time_form)
        return Order(
            form.sql.format(text) if form.sql else text, not form.sql, f"time = {names[0]}, {form.words}", form.unit
        )
    if not values:
        note = f"{names[0]} is empty in the first {len(rows):,} rows: the order of the file is taken"
        return Order("", False, "no time: order of the file", "", (note,))
    if kind in NUMBER_TYPES or kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL") or find_numbers(values):
        unit = number_unit(values)
        if not unit and all(
            re.fullmatch(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(\d{6})?", v.strip()) for v in values
        ):
            return Order(text, True, f"time = {names[0]}, dates as YYYYMMDD", "")
        long = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
        return Order(text, True, f"time = {names[0]}, {long[unit]}" if unit else f"order = {names[0]}", unit)
    style, notes = _style(run, table, text, names[0], values, options)
    return Order(_fill(style.sql, text), False, f"time = {names[0]}, {style.words}", "us", notes)


def _fill(sql: str, text: str) -> str:
    return sql.replace("{0}", text)


def _style(
    run: Engine, table: Table, text: str, name: str, values: Sequence[str], options: ReadOptions
) -> tuple[TimeForm, tuple[str, ...]]:
    """The one style of dates that reads most of a whole column."""
    styles = date_styles()
    if options.day_first is not None:
        styles.pop("month" if options.day_first else "day")
    source = " UNION ALL ".join(f"SELECT {text} AS t FROM ({p.sql})" for p in table.parts)
    counted = ", ".join(f"count({_fill(s.sql, 't')})" for s in styles.values())
    given = run.rows(
        f"SELECT count(*), {counted} FROM (SELECT t FROM ({source}) WHERE lower(trim(coalesce(t, ''))) NOT IN ({_missing()}))",
        table.name,
    )[0]
    run.rejects()
    total, reads = given[0], dict(zip(styles, given[1:], strict=True))
    best = max(reads, key=lambda s: reads[s])
    if reads[best] < MAX_UNREADABLE * total:
        raise FameError(
            f"{table.name}: column {name!r} has {values[0][:50]!r}, which is no number and no known form of date; say it with "
            "--time-form like '%d.%m.%Y %H:%M', or --order file for the order of the file"
        )
    if {"day", "month"} <= reads.keys() and reads["day"] == reads["month"] == reads[best] and best in ("day", "month"):
        best, why = _day_or_month(run, table, source, styles, name, values)
        return styles[best], (why,)
    return styles[best], ()


def _missing() -> str:
    return ", ".join(quoted(word) for word in sorted(MISSING))


def _day_or_month(
    run: Engine, table: Table, source: str, styles: dict[str, TimeForm], name: str, values: Sequence[str]
) -> tuple[str, str]:
    """Where both are possible: the one in whose reading the file is in its order of time; dots mean the day first."""
    same = run.rows(
        f"SELECT count(*) FROM ({source}) WHERE {_fill(styles['day'].sql, 't')} IS DISTINCT FROM {_fill(styles['month'].sql, 't')}",
        table.name,
    )[0][0]
    if not same:
        return "month", f"{name}: day and month are the same in every row"
    turned = run.rows(
        "SELECT count(*) FROM (SELECT m, lag(m) OVER (ORDER BY d) AS before FROM (SELECT DISTINCT "
        f"{_fill(styles['day'].sql, 't')} AS d, {_fill(styles['month'].sql, 't')} AS m FROM ({source}))) WHERE m <= before",
        table.name,
    )[0][0]
    if not turned:
        return (
            "month",
            f"{name}: day or month first, the order is the same; the month is taken to come first (--day-first)",
        )
    if all("." in v.split()[0] for v in values[:100]):
        return (
            "day",
            f"{name}: days and months are both below 13; with dots the day is taken to come first (--month-first)",
        )
    back = run.rows(
        "SELECT "
        + ", ".join(f"count(*) FILTER (WHERE {s} < p{s})" for s in ("d", "m"))
        + " FROM (SELECT d, m, lag(d) OVER (ORDER BY n) AS pd, lag(m) OVER (ORDER BY n) AS pm FROM (SELECT row_number() OVER () AS n, "
        f"{_fill(styles['day'].sql, 't')} AS d, {_fill(styles['month'].sql, 't')} AS m FROM ({source})))",
        table.name,
    )[0]
    run.rejects()
    if min(back) == 0 < max(back):
        best = "day" if back[0] == 0 else "month"
        return (
            best,
            f"{name}: read with the {best} first, since then the file is in order of time (--day-first, --month-first)",
        )
    raise FameError(
        f"{table.name}: column {name!r} has dates like {values[0][:30]!r}, of which either number may be the day; "
        "say --day-first or --month-first (in a recipe: day_first = true or false)"
    )


def _two(run: Engine, table: Table, roles: Roles, rows: Sequence[Sequence[str]], options: ReadOptions) -> Order:
    """A date and a clock in two columns, or a key and one that orders its ties."""
    a, b = roles.order
    names = f"{shown_name(table, a)} + {shown_name(table, b)}"
    second = [r[b] for r in rows if not is_missing(r[b])]
    one = Roles(user=roles.user, item=roles.item, order=(a,))
    if (second and all(":" in v for v in second)) or table.columns[b].type == "TIME":
        text = f"concat_ws(' ', trim({as_text(a, table.columns[a])}), trim({as_text(b, table.columns[b])}))"
        joined = [f"{r[a].strip()} {r[b].strip()}" for r in rows if not is_missing(r[a])]
        if options.time_form:
            form = given_form(options.time_form)
            return Order(form.sql.format(text), not form.sql, f"time = {names}", form.unit)
        if table.columns[a].type in TIME_TYPES:
            text = f"concat_ws(' ', CAST(c{a} AS DATE)::VARCHAR, trim({as_text(b, table.columns[b])}))"
        style, notes = _style(run, table, text, names, joined, options)
        return Order(_fill(style.sql, text), False, f"time = {names}, {style.words}", "us", notes)
    first = find_order(run, table, one, rows, options)
    key = f"try_cast({first.sql} AS BIGINT)" if first.number else first.sql
    # A day has 86,400,000 ms: the second key never reaches the next value of the first.
    scale = 1 if not first.number else 10**9
    inner = f"least(greatest(coalesce(try_cast({as_text(b, table.columns[b])} AS BIGINT), 0), 0), 86399999999)"
    if not first.number:
        sql = f"({key} + {inner})"
    else:
        sql = f"({key} * {scale} + least({inner}, {scale - 1}))"
    return Order(sql, False, f"time = {names}", "us" if not first.number else "", first.notes)


def _parts(table: Table, roles: Roles) -> Order:
    """Year, month, day and perhaps hour, minute, second in columns of their own."""
    cells = [f"try_cast({as_text(k, table.columns[k])} AS BIGINT)" for k in roles.order]
    year, month, day, *clock = cells
    sql = f"epoch_us(try(make_timestamp({year}, {month}, {day}, " + ", ".join((clock + ["0", "0", "0"])[:2])
    second = clock[2] if len(clock) > 2 else "0"
    sql += f", {second}::DOUBLE)))"
    return Order(sql, False, f"time = {' + '.join(shown_name(table, k) for k in roles.order)}", "us")


def extract(
    run: Engine,
    table: Table,
    roles: Roles,
    order: Order,
    rows: Sequence[Sequence[str]],
    options: ReadOptions,
    builder: Builder,
) -> list[str]:
    """All rows of a table into `builder`; what there is to know of the ids.

    Raises:
        FameError: see `Builder.add`; or most rows have no time.
    """
    notes: list[str] = []
    shown = [_id_sql(table, k, rows, what, notes) for k, what in ((roles.user, "user"), (roles.item, "item"))]
    words = {"rating": roles.rating, "event": roles.event, "user": roles.user, "item": roles.item}
    where = conditions(table.name, options.where, table.names, words, lambda k: as_text(k, table.columns[k]))
    sql = f"SELECT {shown[0]} AS u, {shown[1]} AS i, {order.sql or 'NULL'} AS t, {where or 'true'} AS w"
    raw = as_text(roles.order[0], table.columns[roles.order[0]]) if roles.order and not order.number else "NULL"
    separator = (
        list_separator([row[roles.item] for row in rows if not is_missing(row[roles.item])])
        if roles.item_list and roles.item is not None
        else None
    )
    lists = _Lists(builder, roles, separator)
    for part in table.parts:
        for batch in run.batches(f"{sql}, {raw} AS r FROM ({part.sql})", part.name):
            if where:
                kept = batch.filter(batch.column(3).fill_null(False))
                builder.drop(UNMET, len(batch) - len(kept))
                builder.rows += len(batch) - len(kept)
                batch = kept
            if roles.item_list:
                lists.add(batch)
            elif len(batch):
                _add(batch, builder, order)
        count, example = run.rejects()
        builder.rows += count
        builder.drop("fields do not fit the columns", count, example)
    if lists.twice:
        notes.append(f"{lists.twice:,} rows repeat a list that their user has already; each is read once")
    return notes


def _id_sql(table: Table, k: int | None, rows: Sequence[Sequence[str]], what: str, notes: list[str]) -> str:
    assert k is not None
    text = as_text(k, table.columns[k])
    values = [row[k].strip() for row in rows if not is_missing(row[k])]
    if (
        values
        and table.columns[k].type == "VARCHAR"
        and any("." in v for v in values)
        and all(FLOAT_ID.fullmatch(v) for v in values)
    ):
        shown = next(v for v in values if "." in v)
        notes.append(f"{what} ids written like {shown} are read as {shown.partition('.')[0]}")
        return f"regexp_replace(trim({text}), '^(\\d+)\\.0+$', '\\1')"
    if any(re.fullmatch(r"\d(\.\d+)?E\+\d+", v) for v in values):
        notes.append(
            f"{what} ids like {next(v for v in values if 'E+' in v)} were rounded by a spreadsheet; different ids may have become one"
        )
    return text


def _add(batch: pa.RecordBatch, builder: Builder, order: Order) -> None:
    user, item, time = (batch.column(k) for k in range(3))
    if not order.sql:
        builder.add(user, item, None)
        return
    if order.number:
        raw = time
        numbers, fits = numbers_of(time)
    else:
        raw = batch.column(4)
        numbers = time.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        fits = pc.is_valid(time).to_numpy(zero_copy_only=False)
    if not fits.all():
        bad = np.flatnonzero(~fits)
        texts = [raw[int(k)].as_py() for k in bad]
        lacking = [
            k
            for k, text in zip(bad, texts, strict=True)
            if text is None or is_missing(text) or text.strip().lower() in builder.missing
        ]
        strange = len(bad) - len(lacking)
        if lacking:
            builder.drop("no time", len(lacking), _row(batch, builder, int(lacking[0])))
        if strange:
            k = next(k for k, text in zip(bad, texts, strict=True) if k not in set(lacking[:1_000_000]))
            builder.drop(
                "a time of another form", strange, _row(batch, builder, int(k)) + f": {str(raw[int(k)].as_py())[:40]!r}"
            )
    builder.add(user, item, numbers, fits)


def _row(batch: pa.RecordBatch, builder: Builder, k: int) -> str:
    user, item = (str(batch.column(c)[k].as_py())[:40] for c in (0, 1))
    return f"row {builder.rows + k + 1:,} ({user}, {item})"


class _Lists:
    """Rows whose item, and perhaps order, is a list; under a time a list that its user had already is read once."""

    def __init__(self, builder: Builder, roles: Roles, separator: str | None) -> None:
        self.builder, self.roles, self.separator = builder, roles, separator
        self.seen: set[tuple[str, str]] = set()
        self.twice = 0

    def add(self, batch: pa.RecordBatch) -> None:
        users: list[str | None] = []
        items: list[str] = []
        orders: list[str | None] = []
        empty = uneven = 0
        for user, cell, time in zip(*(batch.column(k).to_pylist() for k in range(3)), strict=True):
            if self.roles.order and not self.roles.order_list:
                if (user or "", cell or "") in self.seen:
                    self.twice += 1
                    continue
                self.seen.add((user or "", cell or ""))
            values = self._values(cell)
            stamps: Sequence[Any] = [time] * len(values)
            if self.roles.order_list:
                stamps = values_of(time or "") or re.split(r"[\s,;|]+", (time or "").strip())
                uneven += len(stamps) != len(values)
            if not values or len(stamps) != len(values):
                empty += not values
                continue
            users += [user] * len(values)
            items += values
            orders += [None if s is None else str(s) for s in stamps]
        self.builder.rows += len(batch)
        self.builder.drop("an empty list", empty)
        self.builder.drop("the lists of items and times differ in length", uneven)
        number, fits = numbers_of(pa.array(orders, pa.string())) if self.roles.order else (None, None)
        if fits is not None:
            self.builder.drop("no time", int((~fits).sum()))
        if items:
            self.builder.add(pa.array(users, pa.string()), pa.array(items, pa.string()), number, fits, rows=0)

    def _values(self, cell: str | None) -> list[str]:
        if cell is None or is_missing(cell):
            return []
        values = values_of(cell)
        if values is None:
            values = [p.strip() for p in re.split(self.separator or r"\s+", cell.strip()) if p.strip()]
        return values
