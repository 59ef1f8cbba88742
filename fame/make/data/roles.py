"""Which column holds the user, the item, the order: by what it is called, then by what it holds."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fame.errors import FameError, Undecided
from fame.make.data.content import (
    Roles,
    are_clocks,
    are_lists,
    bracketed,
    by_content,
    find_kinds,
    find_mind,
    is_filled,
    is_pair,
    number_lists,
    set_role,
)
from fame.make.data.lists import is_missing, values_of
from fame.make.data.names import TIERS, plain_name, plain_tail
from fame.make.data.options import ReadOptions
from fame.make.data.report import names_shown
from fame.make.data.times import find_numbers, looks_like_time, number_unit

__all__ = ["find_roles"]

Rows = Sequence[Sequence[str]]
MOST_ASKED = 9  # columns to choose from


def find_roles(name: str, names: Sequence[str], header: bool, rows: Rows, options: ReadOptions) -> Roles:
    """The roles of a table's columns; `rows` are the first of it, as text.

    Raises:
        FameError: a name given is not there or there twice; no user or item; two columns that could be one role.
    """
    roles = Roles()
    columns = [[row[k] for row in rows] for k in range(len(names))]
    taken: set[int] = set()
    for role in ("user", "item", "order", "rating", "event"):
        if (given := getattr(options, role)) is not None:
            set_role(roles, role, _given(name, names, given, role), "given", taken)
    if header:
        _by_name(name, names, columns, roles, taken, options)
    _lists(names, columns, roles, taken, header)
    if not header:
        find_kinds(names, columns, roles, taken, header)
    by_content(name, names, columns, roles, taken, header)
    if header:
        find_kinds(names, columns, roles, taken, header)
    _check(name, names, columns, roles, header, options.ask)
    return roles


def _given(name: str, names: Sequence[str], given: str, role: str) -> tuple[int, ...]:
    if role == "order" and given == "file" and "file" not in names:
        return ()
    parts = [given] if given in names or role != "order" else given.split("+")
    found = []
    for part in parts:
        part = part.strip()
        if names.count(part) == 1 if isinstance(names, list) else list(names).count(part) == 1:
            found.append(list(names).index(part))
            continue
        same = [k for k, n in enumerate(names) if plain_name(n) == plain_name(part) != ""]
        if part not in names and len(same) == 1:
            found.append(same[0])
        elif part not in names and re.fullmatch(r"[1-9]\d{0,3}", part) and int(part) <= len(names):
            found.append(int(part) - 1)
        else:
            raise FameError(
                f"{name}: found the columns {names_shown(names)}; expected one column {part!r} for the {role} "
                "(a name, or a number from 1)"
            )
    return tuple(found)


def _by_name(
    name: str,
    names: Sequence[str],
    columns: Sequence[Sequence[str]],
    roles: Roles,
    taken: set[int],
    options: ReadOptions,
) -> None:
    plain = [plain_name(n) for n in names]
    ends = [plain_tail(n) for n in names]
    for role in ("user", "item", "order", "rating", "event"):
        if role not in roles.how and not _named(role, name, names, plain, columns, roles, taken) and ends != plain:
            _named(role, name, names, ends, columns, roles, taken)
    if not roles.order and "order" not in roles.how and (parts := _date_parts(plain, taken)):
        set_role(roles, "order", parts, "name", taken)
    elif len(roles.order) == 1 and roles.how.get("order") == "name":
        _second_key(plain, names, columns, roles, taken)


def _named(
    role: str,
    name: str,
    names: Sequence[str],
    plain: Sequence[str],
    columns: Sequence[Sequence[str]],
    roles: Roles,
    taken: set[int],
) -> bool:
    """Whether a column is known by its name to have the role, which it then gets."""
    filled = [is_filled(column) for column in columns]
    tiers = TIERS["time" if role == "order" else role]
    parts = _date_parts(plain, taken) if role == "order" else ()
    for tier in tiers:
        known = tier.split()
        found = [
            k
            for k, n in enumerate(plain)
            if n in known and k not in taken and k not in parts and (filled[k] or not columns[k])
        ]
        if role == "order" and tier == tiers[-1]:
            found = [k for k in found if find_numbers([v for v in columns[k] if not is_missing(v)])]
        if (
            role == "user"
            and len(found) == 1
            and _mostly_missing(columns[found[0]])
            and _has_later(plain, tiers, tier, taken)
        ):
            roles.notes.append(f"{names[found[0]]} is mostly missing and not taken for the user")
            continue
        if not found:
            continue
        if len(found) > 1 and role == "order":
            found = _order_pair(plain, columns, found) or found
        pair = role == "order" and len(found) == 2 and _are_two(plain, columns, found)
        if len(found) > 1 and role in ("user", "item", "order") and not pair:
            found = [_the_one(role, name, names, plain, columns, found, known)]
        set_role(roles, role, tuple(found[:1] if role in ("rating", "event") else found), "name", taken)
        return True
    return False


def _the_one(
    role: str,
    name: str,
    names: Sequence[str],
    plain: Sequence[str],
    columns: Sequence[Sequence[str]],
    found: Sequence[int],
    known: Sequence[str],
) -> int:
    """Raises Undecided: several columns could have the role."""
    best = _one_of(plain, found, known, role, columns)
    if best is None:
        what = "time" if role == "order" else role
        raise Undecided(
            f"{name}: {' and '.join(_place(names, k) for k in found)} could both be the {what}; "
            f"say which with --{role} (in Python or a recipe: {role}=)",
            f"which column is the {what}", _choices(role, found, names, columns),
        )  # fmt: skip
    return best


def _choices(
    role: str, found: Sequence[int], names: Sequence[str], columns: Sequence[Sequence[str]]
) -> dict[str, dict[str, object]]:
    """Columns to choose from: each by its name and its first values."""
    shown = {k: ", ".join(dict.fromkeys(v.strip()[:30] for v in columns[k][:50] if v.strip())) for k in found}
    return {f"{_place(names, k)}: {shown[k][:60]} …": {role: f"{k + 1}"} for k in found}


def _place(names: Sequence[str], k: int) -> str:
    """A column's name in a message, with its number where the name alone does not tell."""
    return repr(names[k]) + (f" (column {k + 1})" if list(names).count(names[k]) > 1 else "")


def _mostly_missing(column: Sequence[str]) -> bool:
    lacking = sum(is_missing(v) or v.strip().lower() in ("na", "n/a", "-") for v in column)
    return lacking > 0.5 * max(1, len(column))


def _has_later(plain: Sequence[str], tiers: Sequence[str], tier: str, taken: set[int]) -> bool:
    later = {n for t in tiers[tiers.index(tier) + 1 :] for n in t.split()}
    return any(n in later for k, n in enumerate(plain) if k not in taken)


def _one_of(
    plain: Sequence[str], found: Sequence[int], known: Sequence[str], role: str, columns: Sequence[Sequence[str]]
) -> int | None:
    """The one of several candidates: of a plain word and its id the id; of times those that are times."""
    if role == "order":
        real = [k for k in found if looks_like_time([v for v in columns[k] if not is_missing(v)])]
        if len(real) == 1:
            return real[0]
        if len(real) > 1 and all(columns[k] == columns[real[0]] for k in real):
            return real[0]
        return None
    ids = [k for k in found if plain[k].endswith(("id", "idx", "asin", "code", "number", "isbn"))]
    if len(ids) == 1:
        return ids[0]
    if all(columns[k] == columns[found[0]] for k in found) and columns[found[0]]:
        return found[0]
    if len({plain[k] for k in found}) == 1:
        return None
    # An id and its index are one column twice.
    if all(
        len(set(columns[k])) == len(set(columns[found[0]])) == len(set(zip(columns[k], columns[found[0]], strict=True)))
        for k in found
    ):
        return found[0] if len(columns[found[0]]) > 1 else None
    return None


def _are_two(plain: Sequence[str], columns: Sequence[Sequence[str]], found: Sequence[int]) -> bool:
    """Whether two columns of an order are its parts: a date and a clock, or an order's number and a place in it."""
    return is_pair(columns, found) or plain[found[0]] == "ordernumber"


def _order_pair(plain: Sequence[str], columns: Sequence[Sequence[str]], found: list[int]) -> list[int]:
    if len(found) == 2 and "ordernumber" in (plain[k] for k in found):
        return sorted(found, key=lambda k: plain[k] != "ordernumber")
    clocks = [k for k in found if are_clocks(columns[k])]
    dates = [k for k in found if k not in clocks]
    return [dates[0], clocks[0]] if len(clocks) == 1 and len(dates) == 1 else []


def _second_key(
    plain: Sequence[str], names: Sequence[str], columns: Sequence[Sequence[str]], roles: Roles, taken: set[int]
) -> None:
    """The time beside a date, or the date beside a time; Diginetica's timeframe within a date."""
    (first,) = roles.order
    others = {n: k for k, n in enumerate(plain) if k not in taken}
    if are_clocks(columns[first]) or are_clocks(columns[first], compact=True):
        dates = [k for n, k in others.items() if "date" in n or n in ("day", "datum")]
        if len(dates) == 1:
            roles.order = (dates[0], first)
    elif not any(":" in v for v in columns[first][:50]) and not number_unit(
        [v for v in columns[first][:200] if not is_missing(v)]
    ):
        clocks = [k for n, k in others.items() if are_clocks(columns[k], compact="time" in n and "stamp" not in n)]
        clocks = clocks or [k for k in others.values() if are_clocks(columns[k])]
        if len(clocks) == 1:
            roles.order = (first, clocks[0])
        elif (k := others.get("timeframe", others.get("hour"))) is not None and find_numbers(
            [v for v in columns[k] if not is_missing(v)]
        ):
            roles.order = (first, k)
            roles.notes.append(f"{names[k]} orders the rows of one {names[first]}")
    taken.update(roles.order)


def _date_parts(plain: Sequence[str], taken: set[int]) -> tuple[int, ...]:
    """Year, month and day in columns of their own, as in HetRec's files, and what there is of the time of day."""
    for prefix in ("", "date"):
        at = {n.removeprefix(prefix): k for k, n in enumerate(plain) if n.startswith(prefix) and k not in taken}
        if {"year", "month", "day"} <= at.keys():
            return tuple(at[p] for p in ("year", "month", "day", "hour", "minute", "second") if p in at)
    return ()


def _lists(names: Sequence[str], columns: Sequence[Sequence[str]], roles: Roles, taken: set[int], header: bool) -> None:
    """Whether the item column, or another, holds lists."""
    if "item" in roles.how and roles.item is not None:
        roles.item_list = are_lists(columns[roles.item], names[roles.item] if header else "", roles, columns, names)
    elif header:
        words = (
            "history",
            "items",
            "sequence",
            "itemids",
            "itemlist",
            "products",
            "movies",
            "clicks",
            "purchases",
            "basket",
            "itemseq",
        )
        for k, n in enumerate(names):
            if k in taken:
                continue
            plain = plain_name(n)
            if plain in words or (plain.startswith("item") and plain.endswith(("list", "ids", "seq", "s"))):
                roles.item_list = are_lists(columns[k], n, roles, columns, names)
                set_role(roles, "item", (k,), "name", taken)
                break
    if roles.item is None and "item" not in roles.how:
        find_mind(columns, roles, taken)
    if roles.item_list and len(roles.order) == 1:
        cells = columns[roles.order[0]]
        roles.order_list = (
            sum(values_of(v) is not None for v in cells[:100]) > 50 or bracketed(cells) or number_lists(cells)
        )


def _guess(name: str, names: Sequence[str], columns: Sequence[Sequence[str]], roles: Roles) -> Undecided:
    """A guess by content, put as a question: first as it is, then with user and item changed over."""
    user, item = roles.user, roles.item
    assert user is not None and item is not None
    ways = [(user, item), (item, user)]
    return Undecided(
        f"{name}: its columns are known by their content alone; say --user {user + 1} --item {item + 1} if that is so "
        "(in a recipe: ask = false takes the guess)",
        "the columns have no known names; what is what",
        {
            f"user = {_place(names, u)} ({columns[u][0][:30]}), item = {_place(names, i)} ({columns[i][0][:30]})":
            {"user": f"{u + 1}", "item": f"{i + 1}"} for u, i in ways
        },
    )  # fmt: skip


def _check(
    name: str, names: Sequence[str], columns: Sequence[Sequence[str]], roles: Roles, header: bool, ask: bool
) -> None:
    for role in ("user", "item"):
        if getattr(roles, role) is None:
            what = (
                f"found the columns {names_shown(names)}; none looks like"
                if header
                else f"found {len(names)} columns without names; none holds what looks like"
            )
            used = {roles.user, roles.item, *roles.order}
            free = [k for k in range(len(names)) if k not in used][:MOST_ASKED]
            raise Undecided(
                f"{name}: {what} the {role}; name it with --{role} COLUMN "
                f"(a name, or a number from 1; in Python or a recipe: {role}=)",
                f"which column is the {role}", _choices(role, free, names, columns),
            )  # fmt: skip
    roles_of: dict[int, str] = {}
    for role, places in (("user", (roles.user,)), ("item", (roles.item,)), ("order", roles.order)):
        for k in places:
            assert k is not None
            if k in roles_of:
                raise FameError(f"{name}: the column {names[k]!r} is both {roles_of[k]} and {role}; expected two")
            roles_of[k] = role
    guessed = [role for role in ("user", "item") if roles.how.get(role) == "content"]
    if guessed and columns and len(columns[0]):
        if ask:
            raise _guess(name, names, columns, roles)
        shown = ", ".join(f"{role} = column {names[getattr(roles, role)]}" for role in guessed)
        roles.notes.append(f"guessed by content: {shown}; set it with --user and --item if it is not so")
    if len(roles.order) == 1 and roles.how.get("order") == "given":
        different = {v for v in columns[roles.order[0]] if not is_missing(v)}
        if (
            len(columns[roles.order[0]]) > 20
            and len(different) <= 12
            and find_numbers(list(different))
            and all(float(v) <= 100 for v in different if re.fullmatch(r"[\d.]+", v))
        ):
            roles.notes.append(
                f"{names[roles.order[0]]} has only {len(different)} different values, like a rating: is it the order?"
            )
