"""From a table and its roles to interactions: rows read once, block by block, each drop counted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.make.data.builder import UNMET, Builder, numbers_of
from fame.make.data.content import Roles, list_separator
from fame.make.data.engine import Engine, Table, as_text
from fame.make.data.lists import is_missing, values_of
from fame.make.data.options import ReadOptions
from fame.make.data.order import Order
from fame.make.data.where import conditions

__all__ = ["extract"]


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
        FameError: see `Builder.add`; or a condition is not understood.
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
    lists = _Lists(builder, roles, separator, dated=bool(order.sql) and not order.number)
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
    if any(re.fullmatch(r"\d(\.\d+)?E\+\d+", v) for v in values):
        shown = next(v for v in values if "E+" in v)
        notes.append(f"{what} ids like {shown} were rounded by a spreadsheet; different ids may have become one")
    return text


def _add(batch: pa.RecordBatch, builder: Builder, order: Order) -> None:
    user, item, time = (batch.column(k) for k in range(3))
    if not order.sql:
        builder.add(user, item, None)
        return
    if order.number:
        builder.add(user, item, *numbers_of(time), raw=time)
        return
    numbers = time.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    fits = pc.is_valid(time).to_numpy(zero_copy_only=False)
    builder.add(user, item, numbers, fits, raw=batch.column(4))


class _Lists:
    """Rows whose item, and perhaps order, is a list; under a time a list that its user had already is read once."""

    def __init__(self, builder: Builder, roles: Roles, separator: str | None, dated: bool) -> None:
        self.builder, self.roles, self.separator = builder, roles, separator
        self.dated = dated and roles.order_list
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
        if self.dated:
            orders = [_microseconds(text) for text in orders]
        number, fits = numbers_of(pa.array(orders, pa.string())) if self.roles.order else (None, None)
        if items:
            self.builder.add(pa.array(users, pa.string()), pa.array(items, pa.string()), number, fits, rows=0)

    def _values(self, cell: str | None) -> list[str]:
        if cell is None or is_missing(cell):
            return []
        values = values_of(cell)
        if values is None:
            values = [p.strip() for p in re.split(self.separator or r"\s+", cell.strip()) if p.strip()]
        return values


def _microseconds(text: str | None) -> str | None:
    """An ISO date as microseconds since 1970, None where it is none; without a zone it is UTC."""
    try:
        when = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return str(round(when.replace(tzinfo=when.tzinfo or UTC).timestamp() * 10**6))
