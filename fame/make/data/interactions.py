"""Who took what, and when: the one table that every reader produces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pandas as pd

from fame.errors import FameError

__all__ = ["Columns", "Interactions", "first_times", "k_core", "keep_items", "without_copies"]


class Columns:
    """The column names of an interactions table."""

    USER: Final = "user"
    ITEM: Final = "item"
    ORDER: Final = "order"
    ALL: Final = (USER, ITEM, ORDER)


@dataclass(frozen=True, eq=False)
class Interactions:
    """A log of n interactions, in the order in which they are learnt from.

    frame: the columns `user` and `item` (Categorical, categories are text) and `order` (int64 or float64,
    a time or a position). Rows are sorted by user, as users first appeared in the file, then by `order`;
    rows with equal order keep the order of the file. The same user may take the same item again.

    Build one with `from_frame` or `from_codes`, which sort; the constructor only checks.

    Raises:
        FameError: other columns or types, no rows, or rows out of order.
    """

    frame: pd.DataFrame

    def __post_init__(self) -> None:
        found = tuple(map(str, self.frame.columns))
        if found != Columns.ALL:
            raise FameError(f"interactions: found the columns {found}; expected exactly {Columns.ALL}")
        if self.frame.empty:
            raise FameError("interactions: the log is empty; expected at least one interaction")
        for name in (Columns.USER, Columns.ITEM):
            if not isinstance(self.frame[name].dtype, pd.CategoricalDtype):
                raise FameError(f"interactions: column {name!r} is {self.frame[name].dtype}; expected category")
        if self.frame[Columns.ORDER].dtype not in (np.int64, np.float64):
            raise FameError(
                f"interactions: column 'order' is {self.frame[Columns.ORDER].dtype}; expected int64 or float64"
            )
        user, order = self.user_codes, self.order
        same = user[1:] == user[:-1]
        if not np.all((user[1:] > user[:-1]) | (same & (order[1:] >= order[:-1]))):
            raise FameError("interactions: rows are out of order; build the table with Interactions.from_frame")

    @classmethod
    def from_codes(
        cls, user: np.ndarray, users: Iterable[str], item: np.ndarray, items: Iterable[str], order: np.ndarray
    ) -> Self:
        """A log from codes into names, rows as in the file.

        user, item: int [n], codes into `users` and `items`; users numbered as they first appear.
        order: int64 or float64 [n].
        """
        same_user = user[1:] == user[:-1]
        if not np.all((user[1:] > user[:-1]) | (same_user & (order[1:] >= order[:-1]))):
            rows = _sorted_rows(user, order)
            user, item, order = user[rows], item[rows], order[rows]
            del rows
        return cls(
            pd.DataFrame(
                {
                    Columns.USER: pd.Categorical.from_codes(user, pd.Index(list(users), dtype="str")),
                    Columns.ITEM: pd.Categorical.from_codes(item, pd.Index(list(items), dtype="str")),
                    Columns.ORDER: order,
                },
                copy=False,
            )
        )

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Self:
        """A log from a table with the columns `user`, `item` and `order`, one row per interaction, in any order.

        Ids become text. For tables at hand; files go through `fame.make.data.read`, which checks more.

        Raises:
            FameError: a column or a value is missing, or `order` is not numeric.
        """
        if missing := [c for c in Columns.ALL if c not in frame.columns]:
            raise FameError(f"interactions: found the columns {list(frame.columns)}; {', '.join(missing)} missing")
        if frame[list(Columns.ALL)].isna().to_numpy().any():
            raise FameError("interactions: the table has empty cells; every row needs user, item and order")
        order = frame[Columns.ORDER].to_numpy()
        if order.dtype.kind not in "iuf":
            raise FameError(f"interactions: column 'order' is {order.dtype}; expected numbers")
        if not (np.isfinite(order) & (np.abs(order.astype(np.float64)) < 2**63)).all():
            raise FameError("interactions: column 'order' holds a number that is not finite or has no room in 64 bits")
        user, users = pd.factorize(frame[Columns.USER].astype("str"))
        item, items = pd.factorize(frame[Columns.ITEM].astype("str"))
        return cls.from_codes(
            user, users, item, items, order.astype(np.float64 if order.dtype.kind == "f" else np.int64)
        )

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def user_codes(self) -> np.ndarray:
        """int [n], non-decreasing: each row's position in `users`."""
        return self.frame[Columns.USER].cat.codes.to_numpy()

    @property
    def item_codes(self) -> np.ndarray:
        """int [n]: each row's position in `items`."""
        return self.frame[Columns.ITEM].cat.codes.to_numpy()

    @property
    def order(self) -> np.ndarray:
        """int64 or float64 [n]: time or position, non-decreasing within a user."""
        return self.frame[Columns.ORDER].to_numpy()

    @property
    def users(self) -> pd.Index[str]:
        """User ids, in order of first appearance."""
        return self.frame[Columns.USER].cat.categories

    @property
    def items(self) -> pd.Index[str]:
        """Item ids, in order of first appearance."""
        return self.frame[Columns.ITEM].cat.categories


def _sorted_rows(user: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Rows by user, then by order; stable, so that ties keep the order of the file."""
    if order.dtype == np.int64 and len(order):
        low, users = int(order.min()), int(user.max()) + 1
        span = int(order.max()) - low + 1
        if users * span < 2**63:
            # One key of both: a file that has its users together is nearly sorted by it, which is far quicker.
            key = user.astype(np.int64)
            key *= span
            key += order
            key -= low
            return np.argsort(key, kind="stable")
    return np.lexsort((order, user))


def k_core(interactions: Interactions, k: int = 5) -> Interactions:
    """The largest part of the log in which every user and every item has at least `k` interactions.

    Raises:
        FameError: k < 1, or nothing is left.
    """
    if k < 1:
        raise FameError(f"k-core: k = {k}; expected 1 or more")
    user, item = interactions.user_codes, interactions.item_codes
    keep = np.arange(len(interactions))
    # Dropping a rare item can make a user rare, and the other way round: repeat until nothing drops.
    while len(keep):
        often_user = np.bincount(user[keep], minlength=len(interactions.users)) >= k
        often_item = np.bincount(item[keep], minlength=len(interactions.items)) >= k
        stay = often_user[user[keep]] & often_item[item[keep]]
        if stay.all():
            break
        keep = keep[stay]
    if not len(keep):
        raise FameError(
            f"k-core: no users and items with {k} interactions each are left of {len(interactions):,} "
            "interactions; use a smaller k (--k-core, 0 for none) or a larger log"
        )
    return _rows(interactions, keep)


def keep_items(interactions: Interactions, item_ids: Iterable[str]) -> Interactions:
    """The interactions with the items named; users with none of them are gone.

    Raises:
        FameError: none of the items is in the log.
    """
    wanted = list(item_ids)
    named = interactions.items.isin(wanted)
    keep = np.flatnonzero(named[interactions.item_codes])
    if not len(keep):
        raise FameError(
            f"no item of the log is among the {len(wanted):,} of the catalogue: the log has ids like "
            f"{interactions.items[0]!r}, the catalogue ids like {wanted[0] if wanted else ''!r}"
        )
    return _rows(interactions, keep)


def without_copies(interactions: Interactions) -> tuple[Interactions, int, str]:
    """The log with each user, item and order once; how many rows that leaves out, and one of them in words."""
    user, item, order = interactions.user_codes, interactions.item_codes, interactions.order
    tied = np.zeros(len(user), bool)
    np.logical_and(user[1:] == user[:-1], order[1:] == order[:-1], out=tied[1:])
    tied[:-1] |= tied[1:]
    rows = np.flatnonzero(tied)  # only rows of one user at one time can be copies
    if not len(rows):
        return interactions, 0, ""
    frame = pd.DataFrame({"user": user[rows], "item": item[rows], "order": order[rows]})
    return _less(interactions, rows[frame.duplicated().to_numpy()])


def first_times(interactions: Interactions) -> tuple[Interactions, int, str]:
    """The log with each user's first time with an item alone; see `without_copies`."""
    key = interactions.user_codes.astype(np.int64) * len(interactions.items) + interactions.item_codes
    return _less(interactions, np.flatnonzero(pd.Series(key).duplicated().to_numpy()))


def _less(interactions: Interactions, rows: np.ndarray) -> tuple[Interactions, int, str]:
    if not len(rows):
        return interactions, 0, ""
    user, item = (str(interactions.frame[name].iloc[rows[0]])[:40] for name in (Columns.USER, Columns.ITEM))
    keep = np.ones(len(interactions), bool)
    keep[rows] = False
    return _rows(interactions, np.flatnonzero(keep)), len(rows), f"user {user}, item {item}"


def _rows(interactions: Interactions, keep: np.ndarray) -> Interactions:
    """Some rows (increasing positions), with the users and items that still occur."""
    if len(keep) == len(interactions):
        return interactions
    user, users = _recode(interactions.user_codes[keep], interactions.users)
    item, items = _recode(interactions.item_codes[keep], interactions.items)
    return Interactions.from_codes(user, users, item, items, interactions.order[keep])


def _recode(codes: np.ndarray, names: pd.Index[str]) -> tuple[np.ndarray, pd.Index[str]]:
    """Codes and names without the names that no code uses; the order of names stays."""
    used = np.bincount(codes, minlength=len(names)) > 0
    return (np.cumsum(used, dtype=np.int32) - 1)[codes], names[used]
