"""What orders the rows of a table: a time, a position, or the order of the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fame.errors import FameError, Undecided
from fame.make.data.content import Roles, are_clocks
from fame.make.data.engine import Engine, Table, as_text, quoted
from fame.make.data.lists import MISSING, is_missing, values_of
from fame.make.data.names import TIERS, plain_name
from fame.make.data.options import ReadOptions
from fame.make.data.times import (
    TRIMMED,
    TimeForm,
    are_compact,
    date_styles,
    find_numbers,
    given_form,
    number_of,
    number_unit,
    tidied,
)

__all__ = ["Order", "find_order", "shown_name"]

TIME_TYPES = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
NUMBER_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT")
DATES = frozenset(" ".join(TIERS["time"][:4]).split()) - {"order"}  # names of a time, not of a place
SOME = 60  # values that tell the style
DOTNET = re.compile(r"\\?/Date\(-?\d+([+-]\d{4})?\)\\?/")
MAX_UNREADABLE = 0.5  # of the rows: above it the column is no time


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
        return _of_lists(table, first, names[0], [row[first] for row in rows if not is_missing(row[first])])
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
    if sum(bool(DOTNET.fullmatch(v.strip())) for v in values) > 0.9 * len(values):
        text, values = f"regexp_extract({text}, '-?\\d+')", [re.sub(r"[^\d-]", "", v.partition("+")[0]) for v in values]
    if kind in NUMBER_TYPES or kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL") or find_numbers(values):
        unit = number_unit(values)
        _check_units(table.name, names[0], unit, values)
        if not unit and are_compact(values):
            whole = f"regexp_replace(trim({text}), '\\.0*$', '')"
            sql, _, _ = _style(run, table, whole, names[0], [v.strip().partition(".")[0] for v in values], options)
            return Order(sql, False, f"time = {names[0]}, dates as YYYYMMDD", "us")
        if not unit and _are_day_numbers(table, first, values):
            return Order(text, True, f"time = {names[0]}, Excel's day numbers", "d")
        long = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
        return Order(text, True, f"time = {names[0]}, {long[unit]}" if unit else f"order = {names[0]}", unit)
    sql, words, notes = _style(run, table, text, names[0], values, options)
    return Order(sql, False, f"time = {names[0]}, {words}", "us", notes)


def _of_lists(table: Table, k: int, name: str, cells: Sequence[str]) -> Order:
    """The order of rows that have a list of times each."""
    kind, words = table.columns[k].type, f"time = {name}, a list a row"
    if kind.startswith("TIMESTAMP"):
        return Order(f"to_json(list_transform(c{k}, lambda t: epoch_us(t)))::VARCHAR", True, words, "us")
    values = [v for cell in cells[:100] for v in values_of(cell) or re.split(r"[\s,;|]+", cell.strip())]
    if find_numbers(values):
        return Order(as_text(k, table.columns[k]), True, words, number_unit(values))
    return Order(as_text(k, table.columns[k]), False, words, "us")


def _are_day_numbers(table: Table, k: int, values: Sequence[str]) -> bool:
    """Days since 1899-12-30, as Excel counts them, from 1970 to 2050, under a name of a time."""
    called = table.header and plain_name(table.names[k]) in DATES
    numbers = [number for v in values if (number := number_of(v)) is not None]
    return called and len(set(numbers)) > 1 and sum(25_569 <= n <= 54_789 for n in numbers) > 0.9 * len(values)


def _check_units(table: str, name: str, unit: str, values: Sequence[str]) -> None:
    """Raises FameError: some numbers are times in one unit, and some in another, so that no order is right."""
    counts = Counter(number_unit([v]) for v in values)
    there = [u for u in ("s", "ms", "us", "ns") if counts[u] > 0.01 * len(values)]
    if len(there) > 1 and sum(counts[u] for u in there) > 0.9 * len(values):
        shown = " and ".join(f"{counts[u]:,} in {u}" for u in there)
        raise FameError(
            f"{table}: column {name!r} mixes units: of the first {len(values):,} times {shown}; bring them to one, "
            "or say --order file for the order of the file"
        )


def _fill(sql: str, text: str) -> str:
    return sql.replace("{0}", text)


def _style(
    run: Engine, table: Table, text: str, name: str, values: Sequence[str], options: ReadOptions
) -> tuple[str, str, tuple[str, ...]]:
    """The one style of dates that reads most of a whole column: its SQL, its words and what there is to know."""
    different = list(dict.fromkeys(values[:: max(1, len(values) // SOME)]))
    styles = date_styles(different)
    if options.day_first is not None:
        styles.pop("month" if options.day_first else "day")
    styles = _likely(run, table.name, styles, different)
    text = tidied(text, values)
    source = " UNION ALL ".join(f"SELECT {text} AS t FROM ({p.sql})" for p in table.parts)
    counted = ", ".join(f"count({_fill(s.sql, 't')})" for s in styles.values())
    words = ", ".join(quoted(word) for word in sorted(MISSING))
    there = f"SELECT t FROM ({source}) WHERE lower(trim(coalesce(t, ''))) NOT IN ({words})"
    given = run.rows(f"SELECT count(*), {counted} FROM ({there})", table.name)[0]
    run.rejects()
    total, reads = given[0], dict(zip(styles, given[1:], strict=True))
    best = max(reads, key=lambda s: reads[s])
    if reads[best] < MAX_UNREADABLE * total:
        what = "no number and no known form of date"
        if reads[best]:
            what = f"and no one form reads the column: {styles[best].words} are {reads[best]:,} of {total:,} rows"
        raise FameError(
            f"{table.name}: column {name!r} has {values[0][:50]!r}, {what}; say it with "
            "--time-form like '%d.%m.%Y %H:%M', or --order file for the order of the file"
        )
    if {"day", "month"} <= reads.keys() and reads["day"] == reads["month"] == reads[best] and best in ("day", "month"):
        best, why = _day_or_month(run, table, source, styles, name, values)
        return _fill(styles[best].sql, text), styles[best].words, (why,)
    return _fill(styles[best].sql, text), styles[best].words, ()


def _likely(run: Engine, name: str, styles: dict[str, TimeForm], different: Sequence[str]) -> dict[str, TimeForm]:
    """The styles that read any of some values from all over, each with the patterns that do.

    To try every pattern on every row would take hours for a log of millions.
    """
    listed = ", ".join(f"({quoted(v)})" for v in different)
    some = f"(SELECT {tidied('v', different)} AS t FROM (VALUES {listed}) AS given(v))"
    found: dict[str, TimeForm] = {}
    for style, form in styles.items():
        read = run.rows(f"SELECT count({_fill(form.sql, 't')}) FROM {some}", name)[0][0]
        if not read:
            continue
        tried = [f"count(try_strptime({_fill(TRIMMED, 't')}, {quoted(p)}))" for p in form.patterns]
        counts = run.rows(f"SELECT {', '.join(tried)} FROM {some}", name)[0] if tried else ()
        found[style] = form.only([p for p, n in zip(form.patterns, counts, strict=True) if n])
        if style in ("iso", "year") and read == len(different):
            break
    return found or styles


def _day_or_month(
    run: Engine, table: Table, source: str, styles: dict[str, TimeForm], name: str, values: Sequence[str]
) -> tuple[str, str]:
    """Where both are possible: dots mean the day first; else the one that puts the file in its order of time.

    Raises:
        FameError: nothing tells, and the order depends on it.
    """
    if all("." in v.split()[0] for v in values[:100]):
        return "day", f"{name}: no number is above 12; with dots the day is taken to come first (--month-first)"
    day, month = (_fill(styles[s].sql, "t") for s in ("day", "month"))
    both = f"SELECT {day} AS d, {month} AS m FROM ({source})"
    ask = (
        f"SELECT count(*) FROM (SELECT m, lag(m) OVER (ORDER BY d) AS p FROM (SELECT DISTINCT d, m FROM ({both}))) "
        "WHERE m <= p"
    )
    turned = run.rows(ask, table.name)[0][0]
    if not turned:
        return "month", f"{name}: day or month first, the order is the same; read as the month first (--day-first)"
    before = "lag(d) OVER (ORDER BY n) AS pd, lag(m) OVER (ORDER BY n) AS pm"
    ask = (
        "SELECT count(*) FILTER (WHERE d < pd), count(*) FILTER (WHERE m < pm) FROM "
        f"(SELECT d, m, {before} FROM (SELECT row_number() OVER () AS n, d, m FROM ({both})))"
    )
    back = run.rows(ask, table.name)[0]
    run.rejects()
    if min(back) == 0 < max(back):
        best = "day" if back[0] == 0 else "month"
        return best, f"{name}: read as the {best} first, in which the file is in order (--day-first, --month-first)"
    raise Undecided(
        f"{table.name}: column {name!r} has dates like {values[0][:30]!r}, of which either number may be the day; "
        "say --day-first or --month-first (in a recipe: day_first = true or false)",
        f"in {name}, what is {values[0][:30]}",
        {"the day comes first": {"day_first": True}, "the month comes first": {"day_first": False}},
    )


def _two(run: Engine, table: Table, roles: Roles, rows: Sequence[Sequence[str]], options: ReadOptions) -> Order:
    """A date and a clock in two columns, or a key and one that orders its ties."""
    a, b = roles.order
    names = f"{shown_name(table, a)} + {shown_name(table, b)}"
    second = [r[b] for r in rows if not is_missing(r[b])]
    one = Roles(user=roles.user, item=roles.item, order=(a,))
    compact = are_clocks(second, compact=True)
    if (second and all(":" in v for v in second)) or compact or table.columns[b].type == "TIME":
        timed, colons = f"trim({as_text(b, table.columns[b])})", (r"(..)(..)(..)", r"\1:\2:\3")
        if compact:
            timed = f"regexp_replace(lpad({timed}, 6, '0'), '{colons[0]}', '{colons[1]}')"
            second = [re.sub(*colons, v.strip().zfill(6)) for v in second]
        text = f"concat_ws(' ', trim({as_text(a, table.columns[a])}), {timed})"
        dates = [r[a].strip() for r in rows if not is_missing(r[a])]
        joined = [f"{date} {clock.strip()}" for date, clock in zip(dates, second, strict=False)]
        if options.time_form:
            form = given_form(options.time_form)
            return Order(form.sql.format(text), not form.sql, f"time = {names}", form.unit)
        if table.columns[a].type in TIME_TYPES:
            text = f"concat_ws(' ', CAST(c{a} AS DATE)::VARCHAR, {timed})"
        sql, words, notes = _style(run, table, text, names, joined, options)
        return Order(sql, False, f"time = {names}, {words}", "us", notes)
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
    sql = f"epoch_us(try(make_timestamp({year}, {month}, {day}, " + ", ".join([*clock, "0", "0"][:2])
    second = clock[2] if len(clock) > 2 else "0"
    sql += f", {second}::DOUBLE)))"
    return Order(sql, False, f"time = {' + '.join(shown_name(table, k) for k in roles.order)}", "us")
