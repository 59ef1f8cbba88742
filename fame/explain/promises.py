"""What an example promises of its history, as data: claims that are measured on any model.

A claim is a measure, what it is asked of, and a bound or two that its value keeps, both included:

    {"measure": "gate", "head": "lead", "least": 0.6}
    {"measure": "count", "attribute": "cast", "value": "Tom Hanks", "head": "any", "least": 2}

`head` is a number from 1; 'lead', the head with most say after the history; 'any', the head whose value keeps the
bounds best; or 'every', the one that keeps them worst, so that all do. A list without a `head` is the final one. Items
of the history are left out of every list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property, partial
from itertools import combinations
from typing import Any, Self

import numpy as np

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.explain.reruns import leave_one_out, trace
from fame.explain.tables import journey
from fame.model import FAME
from fame.text import listing, number
from fame.trace import Trace

__all__ = ["ANY", "EVERY", "LEAD", "MEASURES", "Claim", "Measured", "measure"]

LEAD, ANY, EVERY = "lead", "any", "every"
FIRST = 10  # of a list, where a claim says nothing else


@dataclass(frozen=True)
class Claim:
    """One claim of a promise: see the head of this file, and MEASURES for what each is measured by.

    head: a number from 1, 'lead', 'any' or 'every'.   item: an id.   step: a place in the history, from 1.
    k: how much of a list counts.   least, most: the bounds.

    Raises:
        FameError: there is no such measure, it needs what is not given, or no bound is.
    """

    measure: str
    head: int | str | None = None
    item: str | None = None
    attribute: str | None = None
    value: str | None = None
    step: int | None = None
    k: int = FIRST
    least: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise FameError(f"there is no measure {str(self.measure)[:40]!r}; expected one of {', '.join(MEASURES)}")
        needs, headed = MEASURES[self.measure].needs, self.head in (None, LEAD, ANY, EVERY) or _whole(self.head)
        if missing := [name for name in needs if getattr(self, name) is None]:
            raise FameError(f"the claim {self.measure!r} says no {missing[0]}; it needs {listing(needs)}")
        if not headed or not _whole(self.k) or not (self.step is None or _whole(self.step)):
            raise FameError(
                f"the claim {self.measure!r}: expected as head 1, 2 …, 'lead', 'any' or 'every', as step and k 1, 2 …"
            )
        bounds = [x for x in (self.least, self.most) if x is not None]
        if not bounds or not all(type(x) in (int, float) for x in bounds):
            raise FameError(f"the claim {self.measure!r} has no bound; give it numbers as least, most or both")

    @classmethod
    def of(cls, values: Any) -> Self:
        """The claim in a JSON object.

        Raises:
            FameError: it is of another form.
        """
        known = {f.name for f in fields(cls)}
        if not isinstance(values, Mapping) or "measure" not in values or not known >= set(values):
            raise FameError(f"a claim is {str(values)[:60]!r}; expected an object of {', '.join(sorted(known))}")
        if wrong := [v for n, v in values.items() if n in TEXTS and not isinstance(v, str)]:
            raise FameError(f"a claim holds {str(wrong[0])[:40]!r}; expected text there")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The claim as a JSON object, without what it does not say."""
        return {n: v for n, v in asdict(self).items() if v is not None and (n, v) != ("k", FIRST)}

    def slack(self, value: float) -> float:
        """How far inside its bounds a value is; below 0 it breaks one."""
        above = np.inf if self.least is None else value - self.least
        below = np.inf if self.most is None else self.most - value
        return float(min(above, below))


TEXTS = ("measure", "item", "attribute", "value")


def _whole(value: Any) -> bool:
    return type(value) is int and value > 0


@dataclass(frozen=True)
class Measured:
    """A claim on a model: its value, the head that it was measured on (from 0; None where on none), and whether it
    holds."""

    claim: Claim
    value: float
    head: int | None
    holds: bool

    def __str__(self) -> str:
        c = self.claim
        of = [f"head {self.head + 1}"] if self.head is not None else []
        of += [f"{c.attribute}: {c.value}" if c.value else ""] if c.attribute else []
        of += [f"step {c.step}"] if c.step else []
        bounds = [f"at {name} {x:g}" for name, x in (("least", c.least), ("most", c.most)) if x is not None]
        what = c.measure + f" ({', '.join(of)})" * bool(of)
        return f"{what} is {number(self.value)}, promised {' and '.join(bounds)}"


@dataclass(frozen=True)
class Seen:
    """One history on one model, and what claims are measured on."""

    model: FAME
    catalogue: Catalogue
    rows: tuple[int, ...]
    looked_at: int | None  # row of the item that the example shows

    @cached_property
    def trace(self) -> Trace:
        return trace(self.model, self.catalogue, self.rows)

    def top(self, k: int, head: int | None = None) -> np.ndarray:
        return self.trace.ranking(head)[:k]

    def target(self, claim: Claim) -> int:
        """The row that a claim is about: its own, the one that is shown, or the first of the final list."""
        if claim.item is not None:
            return self.catalogue.row(claim.item)
        return self.looked_at or int(self.trace.ranking()[0])

    @cached_property
    def effects(self) -> dict[int, np.ndarray]:
        return {}

    def effect(self, target: int) -> np.ndarray:
        """What each read item of the history adds to a row's score: [T]."""
        if target not in self.effects:
            found = leave_one_out(self.model, self.catalogue, self.rows, target)
            self.effects[target] = found["effect"].to_numpy(np.float64)
        return self.effects[target]


Value = Callable[[Seen, Claim, int], float]


@dataclass(frozen=True)
class Measure:
    """What a claim can be measured by.

    says: what its value is.   needs: fields that its claims have to have.   by_head: it is asked of a head; otherwise
    of the final list where a claim names none.
    """

    says: str
    value: Value
    needs: tuple[str, ...] = ()
    by_head: bool = False


def _lists(head: int) -> int | None:
    return None if head < 0 else head


def _at(seen: Seen, claim: Claim) -> int:
    """The step of a claim, from 0; the last one where it names none."""
    T = len(seen.trace.items)
    step = claim.step or T
    if step > T:
        raise FameError(f"the claim {claim.measure!r} is about step {step}; the history has {T}")
    return step - 1


def _gate(seen: Seen, claim: Claim, head: int) -> float:
    return float(seen.trace.gate[_at(seen, claim), head])


def _gained(seen: Seen, claim: Claim, head: int) -> float:
    return float(seen.trace.gate[-1, head] - seen.trace.gate[_at(seen, claim), head])


def _turn(seen: Seen, claim: Claim, head: int) -> float:
    return float(journey(seen.trace).gate_turn or 0)


def _rank(seen: Seen, claim: Claim, head: int) -> float:
    place = np.flatnonzero(seen.trace.ranking(_lists(head)) == seen.target(claim))
    if not place.size:
        raise FameError(f"the claim 'rank' is about {claim.item!r}, which the history holds")
    return float(place[0] + 1)


def _count(seen: Seen, claim: Claim, head: int) -> float:
    matrix, names = seen.catalogue.attribute(str(claim.attribute))
    if claim.value not in names:
        raise FameError(f"the claim 'count': no {claim.attribute} is called {str(claim.value)[:40]!r}")
    return float(matrix[seen.top(claim.k, _lists(head)), names.index(claim.value)].sum())


def _years(seen: Seen, claim: Claim, head: int) -> float:
    years = seen.catalogue.year[seen.top(claim.k, _lists(head))]
    return float(np.median(years[years > 0])) if (years > 0).any() else 0.0


def _year_gap(seen: Seen, claim: Claim, head: int) -> float:
    middle = [_years(seen, claim, h) for h in range(len(seen.trace.head_scores))]
    return max(middle) - min(middle)


def _kept(seen: Seen, claim: Claim, head: int) -> float:
    return float(np.isin(seen.top(claim.k, head), seen.top(claim.k)).sum())


def _common(seen: Seen, claim: Claim, head: int) -> float:
    tops = [set(seen.top(claim.k, h).tolist()) for h in range(len(seen.trace.head_scores))]
    return float(len(set.intersection(*tops)))


def _router(seen: Seen, claim: Claim, head: int) -> float:
    return float(seen.trace.router[_at(seen, claim), head].max())


def _rerouted(seen: Seen, claim: Claim, head: int) -> float:
    router = seen.trace.router[:, head]
    return float(np.abs(router[-1] - router[_at(seen, claim)]).sum() / 2)


def _expert_overlap(seen: Seen, claim: Claim, head: int) -> float:
    N = seen.trace.router.shape[-1]
    tops = [set(seen.trace.ranking(head, n)[: claim.k].tolist()) for n in range(N)]
    return float(np.mean([len(a & b) for a, b in combinations(tops, 2)] or [claim.k]))


def _attention(seen: Seen, claim: Claim, head: int) -> float:
    return float(seen.trace.mixed_attention[head, -1, _at(seen, claim)])


def _effect(seen: Seen, claim: Claim, head: int) -> float:
    return float(seen.effect(seen.target(claim))[_at(seen, claim)])


def _look_place(seen: Seen, claim: Claim, head: int) -> float:
    looked = seen.trace.mixed_attention[head, -1]
    return float(1 + (looked > looked[np.abs(seen.effect(seen.target(claim))).argmax()]).sum())


def _unread(seen: Seen, claim: Claim, head: int) -> float:
    return float(seen.trace.dropped)


MEASURES: dict[str, Measure] = {
    "gate": Measure("the head's say, from 0 to 1, after the history, or at a step of it", _gate, by_head=True),
    "gained": Measure("how much say the head has won since a step", _gained, ("step",), True),
    "turn": Measure("the step at which the gate moves most", _turn),
    "rank": Measure("the rank of an item in a list", _rank),
    "count": Measure("how many of a list's first k have a value", _count, ("attribute", "value")),
    "year": Measure("the median year of a list's first k", _years),
    "year gap": Measure("the years between the heads' own lists, by their medians", _year_gap),
    "kept": Measure("how many of the first k of the head's own list are in the final one's", _kept, by_head=True),
    "common": Measure("how many items are in the first k of every head", _common),
    "router": Measure("the largest weight that the head's router gives", _router, by_head=True),
    "rerouted": Measure("how much of its weight the head's router has moved since a step", _rerouted, ("step",), True),
    "expert overlap": Measure("items that two experts' lists of the first k share, on average", _expert_overlap,
                              by_head=True),
    "attention": Measure("how much the head looks at the item of a step", _attention, ("step",), True),
    "effect": Measure("what the item of a step adds to the score of the item shown", _effect, ("step",)),
    "look place": Measure("the place, by the head's attention, of the item that matters most to the item shown",
                          _look_place, by_head=True),
    "unread": Measure("how many of the oldest items are not read", _unread),
}  # fmt: skip


def measure(
    model: FAME, catalogue: Catalogue, rows: Sequence[int], claims: Sequence[Claim], item: int | None = None
) -> tuple[Measured, ...]:
    """What becomes of the claims about one history.

    rows: of the catalogue, oldest first.   item: the row that the example shows; None for the first of the list.

    Raises:
        FameError: a claim is about a head, item, value or step that is not there; or as `trace`.
    """
    seen = Seen(model, catalogue, tuple(rows), item)
    return tuple(map(partial(_measured, seen), claims))


def _measured(seen: Seen, claim: Claim) -> Measured:
    kind, heads = MEASURES[claim.measure], _heads(seen, claim)
    values = {h: kind.value(seen, claim, h) for h in heads}
    slack = {h: claim.slack(value) for h, value in values.items()}
    told = (min if claim.head == EVERY else max)(slack, key=slack.__getitem__)
    return Measured(claim, values[told], None if told < 0 else told, slack[told] >= 0)


def _heads(seen: Seen, claim: Claim) -> list[int]:
    """The heads, from 0, that a claim is asked of; −1 for none."""
    H = len(seen.trace.head_scores)
    if claim.head in (ANY, EVERY):
        return list(range(H))
    if claim.head == LEAD or (claim.head is None and MEASURES[claim.measure].by_head):
        return [int(seen.trace.gate[-1].argmax())]
    if claim.head is None:
        return [-1]
    if int(claim.head) > H:
        raise FameError(f"the claim {claim.measure!r} is about head {claim.head}; the heads are 1 to {H}")
    return [int(claim.head) - 1]
