"""Which column holds the user, the item, the order: by what it is called, then by what it holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from fame.errors import FameError
from fame.make.data.lists import is_missing, values_of
from fame.make.data.names import TIERS, plain_name
from fame.make.data.options import ReadOptions
from fame.make.data.report import names_shown
from fame.make.data.times import find_numbers, looks_like_time, number_unit

__all__ = ["Roles", "find_roles", "pick_item_columns"]

Rows = Sequence[Sequence[str]]
_AMAZON_USER = re.compile(r"A[0-9A-Z]{9,20}")
_AMAZON_ITEM = re.compile(r"B[0-9A-Z]{9}|\d{9}[\dX]")


@dataclass
class Roles:
    """Places of columns from 0.

    order: none for the order of the file; two are date and time, or a first and a second key; more are parts of a date.
    item_list, order_list: the cells are lists.   how: role -> 'name', 'content' or 'given'.   notes: what to know.
    """

    user: int | None = None
    item: int | None = None
    order: tuple[int, ...] = ()
    rating: int | None = None
    event: int | None = None
    item_list: bool = False
    order_list: bool = False
    how: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


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
            _set(roles, role, _given(name, names, given, role), "given", taken)
    if header:
        _by_name(name, names, columns, roles, taken, options)
    _lists(names, columns, roles, taken, header)
    _by_content(name, names, columns, roles, taken, header, options)
    _check(name, names, columns, roles, header)
    return roles


def _set(roles: Roles, role: str, found: tuple[int, ...], how: str, taken: set[int]) -> None:
    if role == "order":
        roles.order = found
    elif found:
        setattr(roles, role, found[0])
    roles.how[role] = how
    taken.update(found)


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
    filled = [_filled(column) for column in columns]
    for role in ("user", "item", "order", "rating", "event"):
        if role in roles.how:
            continue
        tiers = TIERS["time" if role == "order" else role]
        for tier in tiers:
            known = tier.split()
            found = [k for k, n in enumerate(plain) if n in known and k not in taken and (filled[k] or not columns[k])]
            if (
                role == "user"
                and len(found) == 1
                and _mostly_missing(columns[found[0]])
                and _has_later(plain, tiers, tier, taken)
            ):
                roles.notes.append(f"{names[found[0]]} is mostly missing and not taken for the user")
                continue
            if role == "item" and not any(n in known for n in plain):
                continue
            if not found:
                continue
            if len(found) > 1 and role == "order":
                found = _order_pair(plain, columns, found, known) or found
            if (
                len(found) > 1
                and role in ("user", "item", "order")
                and not (role == "order" and len(found) == 2 and _is_pair(columns, found))
            ):
                best = _one_of(plain, found, known, role, columns)
                if best is None:
                    raise FameError(
                        f"{name}: {' and '.join(repr(names[k]) for k in found)} could both be the {'time' if role == 'order' else role}; "
                        f"say which with --{role} (in Python or a recipe: {role}=)"
                    )
                found = [best]
            if role in ("rating", "event"):
                found = found[:1]
            _set(roles, role, tuple(found), "name", taken)
            break
    if not roles.order and "order" not in roles.how:
        _date_parts(plain, columns, roles, taken)
    elif len(roles.order) == 1 and roles.how.get("order") == "name":
        _second_key(plain, names, columns, roles, taken)


def _filled(column: Sequence[str]) -> bool:
    return any(not is_missing(v) for v in column)


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
    if len({plain[k] for k in found}) == 1:
        return None
    # An id and its index are one column twice.
    if all(
        len(set(columns[k])) == len(set(columns[found[0]])) == len(set(zip(columns[k], columns[found[0]], strict=True)))
        for k in found
    ):
        return found[0] if len(columns[found[0]]) > 1 else None
    return None


def _clock(values: Sequence[str]) -> bool:
    kept = [v.strip() for v in values if not is_missing(v)]
    return bool(kept) and all(re.match(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[AaPp][Mm])?$", v) for v in kept)


def _is_pair(columns: Sequence[Sequence[str]], found: Sequence[int]) -> bool:
    return _clock(columns[found[1]]) and not _clock(columns[found[0]])


def _order_pair(
    plain: Sequence[str], columns: Sequence[Sequence[str]], found: list[int], known: Sequence[str]
) -> list[int]:
    clocks = [k for k in found if _clock(columns[k])]
    dates = [k for k in found if k not in clocks]
    return [dates[0], clocks[0]] if len(clocks) == 1 and len(dates) == 1 else []


def _second_key(
    plain: Sequence[str], names: Sequence[str], columns: Sequence[Sequence[str]], roles: Roles, taken: set[int]
) -> None:
    """The time beside a date, or the date beside a time; Diginetica's timeframe within a date."""
    (first,) = roles.order
    others = {n: k for k, n in enumerate(plain) if k not in taken}
    if _clock(columns[first]):
        dates = [k for n, k in others.items() if "date" in n or n in ("day", "datum")]
        if len(dates) == 1:
            roles.order = (dates[0], first)
    elif not any(":" in v for v in columns[first][:50]) and not number_unit(
        [v for v in columns[first][:200] if not is_missing(v)]
    ):
        clocks = [k for n, k in others.items() if _clock(columns[k])]
        if len(clocks) == 1:
            roles.order = (first, clocks[0])
        elif (k := others.get("timeframe")) is not None and find_numbers([v for v in columns[k] if not is_missing(v)]):
            roles.order = (first, k)
            roles.notes.append(f"{names[k]} orders the rows of one {names[first]}")
    if plain[first] == "addtocartorder" or plain[first] == "ordernumber":
        pass
    taken.update(roles.order)


def _date_parts(plain: Sequence[str], columns: Sequence[Sequence[str]], roles: Roles, taken: set[int]) -> None:
    """Year, month and day in columns of their own, as in HetRec's files."""
    for prefix in ("", "date"):
        at = {n.removeprefix(prefix): k for k, n in enumerate(plain) if n.startswith(prefix) and k not in taken}
        if {"year", "month", "day"} <= at.keys():
            parts = [at[p] for p in ("year", "month", "day", "hour", "minute", "second") if p in at]
            _set(roles, "order", tuple(parts), "name", taken)
            return


def _lists(names: Sequence[str], columns: Sequence[Sequence[str]], roles: Roles, taken: set[int], header: bool) -> None:
    """Whether the item column, or another, holds lists."""
    if "item" in roles.how and roles.item is not None:
        roles.item_list = listed(columns[roles.item], names[roles.item] if header else "", roles, columns, names)
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
                roles.item_list = listed(columns[k], n, roles, columns, names)
                _set(roles, "item", (k,), "name", taken)
                break
    if roles.item is None and "item" not in roles.how:
        _mind(columns, roles, taken)
    if roles.item_list and len(roles.order) == 1:
        roles.order_list = sum(values_of(v) is not None for v in columns[roles.order[0]][:100]) > 50 or _bracketed(
            columns[roles.order[0]]
        )


def _bracketed(column: Sequence[str]) -> bool:
    kept = [v for v in column[:200] if not is_missing(v)]
    return bool(kept) and sum(values_of(v) is not None for v in kept) > 0.9 * len(kept)


def listed(
    column: Sequence[str], name: str, roles: Roles, columns: Sequence[Sequence[str]], names: Sequence[str]
) -> bool:
    """Whether cells are lists: in brackets, or a row a user whose cells share their words."""
    kept = [v for v in column if not is_missing(v)]
    if _bracketed(column):
        return True
    if roles.user is None or len(kept) < 2:
        return False
    users = columns[roles.user]
    once = len(set(users)) == len(users)
    plural = plain_name(name).endswith(("s", "list", "history", "sequence", "seq"))
    if not once and not plural:
        return False
    separator = list_separator(kept)
    if separator is None:
        return False
    cells = [[p.strip() for p in re.split(separator, v.strip()) if p.strip()] for v in kept]
    pieces = [p for cell in cells for p in cell]
    return len(pieces) > 1.5 * len(kept) and (plural or len(set(pieces)) < 0.7 * len(pieces))


def list_separator(cells: Sequence[str]) -> str | None:
    """The pattern that parts bare lists in text."""
    for mark, pattern in (("|", r"\|"), (";", ";"), (",", ","), (" ", r"\s+")):
        if sum(mark in cell.strip() for cell in cells) > 0.3 * len(cells):
            return pattern
    return None


def _mind(columns: Sequence[Sequence[str]], roles: Roles, taken: set[int]) -> None:
    """MIND's behaviors.tsv: impressions, each with 0 or 1 behind a dash, and before them the history."""
    for k in range(1, len(columns)):
        kept = [v for v in columns[k] if not is_missing(v)]
        if k in taken or len(kept) < 2 or not all(re.fullmatch(r"\S+-[01]", p) for v in kept[:500] for p in v.split()):
            continue
        if k - 1 in taken:
            continue
        _set(roles, "item", (k - 1,), "content", taken)
        roles.item_list = True
        taken.add(k)
        roles.notes.append(
            f"column {k + 1} holds impressions and is left aside; column {k} is the history, a list a row"
        )
        return


def _by_content(
    name: str,
    names: Sequence[str],
    columns: Sequence[Sequence[str]],
    roles: Roles,
    taken: set[int],
    header: bool,
    options: ReadOptions,
) -> None:
    free = [k for k in range(len(names)) if k not in taken and _filled(columns[k])]
    kept = {k: [v for v in columns[k] if not is_missing(v)] for k in free}
    if "order" not in roles.how:
        times = [k for k in free if looks_like_time(kept[k]) and len(kept[k]) > 0.5 * len(columns[k])]
        if len(times) == 1:
            _set(roles, "order", (times[0],), "content", taken)
        elif len(times) == 2 and _is_pair(columns, times):
            _set(roles, "order", tuple(times), "content", taken)
        elif len(times) > 1:
            shown = " and ".join(repr(names[k]) for k in times)
            raise FameError(
                f"{name}: {shown} could both be the time; say which with --order (or 'file' for the order of the file)"
            )
    if roles.user is not None and roles.item is not None:
        return
    ids = [k for k in free if k not in taken and _like_ids(kept[k], len(columns[k]))]
    if roles.user is None and roles.item is None and len(ids) >= 2:
        swapped = _amazon(kept, ids)
        if swapped:
            user, item = swapped
        else:
            user, item = _user_and_item(ids, kept)
        _set(roles, "user", (user,), "content", taken)
        _set(roles, "item", (item,), "content", taken)
        if _bracketed(columns[item]):
            roles.item_list = True
    elif roles.user is None and roles.item is not None and ids and not header:
        _set(roles, "user", (_row_number(ids, kept, columns) or ids[0],), "content", taken)
    elif roles.item is None and roles.user is not None and ids and (not header or len(ids) == 1):
        _set(roles, "item", (ids[0],), "content", taken)
        roles.item_list = listed(columns[ids[0]], names[ids[0]] if header else "", roles, columns, names)
    elif roles.user is None and roles.item is not None and len(ids) == 1:
        _set(roles, "user", (ids[0],), "content", taken)


def _row_number(ids: Sequence[int], kept: dict[int, list[str]], columns: Sequence[Sequence[str]]) -> int | None:
    """The first of `ids` that does not just number the rows; None where `ids[0]` is as good."""
    for k in ids:
        if len(ids) == 1 or len(set(kept[k])) < len(kept[k]):
            return k
    return None


def _user_and_item(ids: list[int], kept: dict[int, list[str]]) -> tuple[int, int]:
    repeating = [k for k in ids if len(set(kept[k])) < len(kept[k])]
    chosen = repeating if len(repeating) >= 2 else ids
    return chosen[0], chosen[1]


def _amazon(kept: dict[int, list[str]], ids: Sequence[int]) -> tuple[int, int] | None:
    """Amazon's ratings have the item first in some editions; its ids tell."""
    users = [k for k in ids if all(_AMAZON_USER.fullmatch(v.strip()) for v in kept[k][:500])]
    items = [
        k
        for k in ids
        if k not in users
        and sum(bool(_AMAZON_ITEM.fullmatch(v.strip())) for v in kept[k][:500]) > 0.9 * len(kept[k][:500])
    ]
    return (users[0], items[0]) if len(users) == 1 and items else None


def _like_ids(values: Sequence[str], rows: int) -> bool:
    """Ids: more than a few, not decimals, not prose, and not a rating."""
    if len(values) < 0.5 * rows:
        return False
    different = set(values)
    if _bracketed(values):
        return True
    if len(different) < 2 or (len(different) <= 12 and len(values) > 100 and len(different) < 0.05 * len(values)):
        return False
    numbers = [v for v in list(different)[:1000] if re.fullmatch(r"[+-]?\d*\.\d+", v.strip())]
    if numbers and any(float(v) % 1 for v in numbers):
        return False
    return sum(map(len, list(different)[:1000])) / min(1000, len(different)) <= 80


def _check(name: str, names: Sequence[str], columns: Sequence[Sequence[str]], roles: Roles, header: bool) -> None:
    for role in ("user", "item"):
        if getattr(roles, role) is None:
            what = (
                f"found the columns {names_shown(names)}; none looks like"
                if header
                else f"found {len(names)} columns without names; none holds what looks like"
            )
            raise FameError(
                f"{name}: {what} the {role}; name it with --{role} COLUMN (a name, or a number from 1; in Python or a recipe: {role}=)"
            )
    roles_of: dict[int, str] = {}
    for role, places in (("user", (roles.user,)), ("item", (roles.item,)), ("order", roles.order)):
        for k in places:
            assert k is not None
            if k in roles_of:
                raise FameError(f"{name}: the column {names[k]!r} is both {roles_of[k]} and {role}; expected two")
            roles_of[k] = role
    guessed = [role for role in ("user", "item") if roles.how.get(role) == "content"]
    if guessed and columns and len(columns[0]):
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


def pick_item_columns(
    name: str, names: Sequence[str], columns: Sequence[Sequence[str]], known: frozenset[str], given: str | None
) -> int:
    """Which column of an item file holds the ids: by name; of several the one that meets the log's ids best.

    Raises:
        FameError: none does.
    """
    plain = [plain_name(n) for n in names]
    ids = {*TIERS["item"][0].split(), *TIERS["item"][1].split(), "id"}
    found = [k for k, n in enumerate(plain) if n in ids]
    if given and plain_name(given) in plain:
        found = [plain.index(plain_name(given))]
    meets = {k: sum(" ".join(v.split()) in known for v in columns[k]) for k in range(len(names))}
    if not found:
        best = max(meets, key=lambda k: meets[k], default=None)
        if best is None or not meets[best]:
            raise FameError(
                f"{name}: found the columns {names_shown(names)}; none looks like the item's id; call it item_id"
            )
        return best
    return max(found, key=lambda k: (meets[k], -found.index(k)))
