"""What experts prefer whatever the history: their anchors, read by the items they recommend, and a test of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.explain.tables import relative_parts
from fame.model import FAME
from fame.statistics import benjamini_hochberg
from fame.text import listing, number, percent, plural
from fame.trace import Trace

__all__ = ["NEAREST", "Again", "Preference", "preferences", "say_parts", "say_preference", "say_recurring", "say_split"]

NEAREST = 40  # items that an anchor recommends most, which are read
LEAST = 15  # items of a value: fewer cannot gather
DIRECTIONS = 999  # random ones, so that the least p is .001
AT_ONCE = 32  # directions, which bounds the memory that a huge catalogue takes
SMALL = 0.005  # a part of a lead that rounds to nothing
WORTH = 0.05  # of the largest part: a sentence tells no smaller ones
SIGNIFICANCE = 0.05  # of a name, the false discovery rate over all experts


@dataclass(frozen=True)
class Again:
    """How far other trainings, which differ in chance alone, find an expert's preference again.

    seeds: how many trainings.   items: of a list.   shared: the part of the expert's first items that the most alike
    expert of another training has among its own, the mean over trainings.   usual: the same of random directions.
    q: the part of random directions that reach it, corrected over all experts.
    """

    seeds: int
    items: int
    shared: float
    usual: float
    q: float


@dataclass(frozen=True)
class Preference:
    """One expert's anchor, read: what sets it apart from the other experts of its head.

    head, expert: from 0.   rows: int32, the items that it recommends most, the most first.
    attribute, value: what gathers most among them beyond its share; None where no value has enough items.
    count, usual: how many of the rows have that value, and how many of as many random items would.
    p: the part of random directions that gather a value as far beyond its share.   q: p, corrected over all experts.
    again: where the same recipe was trained under other seeds.
    """

    head: int
    expert: int
    rows: np.ndarray
    attribute: str | None
    value: str | None
    count: int
    usual: float
    p: float
    q: float
    again: Again | None = None

    @property
    def name(self) -> str | None:
        """What the expert can be called: the value, where random directions do not gather as much."""
        return self.value if self.q < SIGNIFICANCE else None

    @property
    def mostly(self) -> str | None:
        """What most of its items are, a description of the list alone, where that is twice the usual or more."""
        most = self.value is not None and 2 * self.count >= len(self.rows) and self.count >= 2 * self.usual
        return self.value if most else None

    @property
    def called(self) -> str:
        """Its name, else 'mostly …', else ''."""
        return self.name or (f"mostly {self.mostly}" if self.mostly else "")


def preferences(model: FAME, catalogue: Catalogue, seed: int = 0) -> list[Preference]:
    """What each expert's anchor b_hn prefers: a list in the order of heads, then experts.

    What the anchors of a head share adds the same whatever the router; what sets expert n apart is b_hn less their
    mean, and adds β_n <b_hn − mean, x_v^(h)> to head h's score of item v, whatever the history. So an expert is read by
    the items for which that is largest. Among the first NEAREST of them each value of each attribute is counted; how
    far a count lies beyond its share is a z-score of the hypergeometric distribution, and the value with the largest
    is the expert's. Any direction of such a space gathers something: the same largest z of DIRECTIONS random
    directions of the same head is what chance comes to, and p is the part of them that reach the expert's. Corrected
    over all experts by Benjamini and Hochberg (1995).

    seed: of the random directions.

    Raises:
        FameError: the experts of this model have no anchors.
    """
    anchors = None if model.config.variant == "sasrec" else model.facets.anchors
    if anchors is None:
        raise FameError("the experts of this model have no anchors; train it with model.anchors above 0")
    owner, values, matrix = _values(catalogue)
    N = model.config.n_experts
    read: list[tuple[np.ndarray, np.ndarray, int, float]] = []
    for h, space in enumerate(model.facet_items().detach()):
        random = torch.randn(DIRECTIONS, space.shape[1], generator=torch.Generator().manual_seed(seed + h))
        own = (anchors[h] - anchors[h].mean(0)).detach().cpu()
        rows, counts = _near(torch.cat([own, random]), space, matrix)
        top, z = _gathers(counts, rows.shape[1], matrix)
        p = [(1 + np.count_nonzero(z[N:] >= reached)) / (1 + DIRECTIONS) for reached in z[:N]]
        read += zip(rows[:N], counts[:N], top[:N].tolist(), p, strict=True)
    q = benjamini_hochberg(np.array([p for *_, p in read]))
    return [
        Preference(
            head=i // N, expert=i % N, rows=rows, attribute=owner[top] if owner else None,
            value=values[top] if owner else None, count=int(counts[top]) if owner else 0,
            usual=float(matrix[:, top].mean() * len(rows)) if owner else 0.0, p=p, q=float(q[i]),
        )
        for i, (rows, counts, top, p) in enumerate(read)
    ]  # fmt: skip


def say_preference(preference: Preference) -> str:
    """One sentence: what gathers among the items, and what chance comes to."""
    who = f"Expert {preference.expert + 1} of head {preference.head + 1}"
    if preference.value is None:
        return f"{who}: no attribute has a value that {LEAST} items share, so that its preference has no name."
    size, p = len(preference.rows), percent(preference.p)
    often = f"of {preference.attribute} {preference.value} {preference.count}, where {preference.usual:.1f} are usual"
    found = f"{who}, of the {size} that it recommends most: {often}; {p} of random directions gather a value as much"
    found = f"{found}." if preference.name else f"{found}, so that this is no name."
    return found if preference.again is None else f"{found} {say_again(preference.again)}"


def say_again(again: Again) -> str:
    """One sentence: how far other trainings find a preference again."""
    return (
        f"{_trainings(again.seeds)} {percent(again.shared)} of its first {again.items} again, "
        f"of those of random directions {percent(again.usual)}."
    )


def say_recurring(known: Sequence[Preference]) -> str:
    """One sentence on all experts: how many preferences other trainings find; '' where that was not measured."""
    found = [p.again for p in known if p.again]
    if not found:
        return ""
    sure = sum(a.q < SIGNIFICANCE for a in found)
    shared, usual = (float(np.mean([getattr(a, of) for a in found])) for of in ("shared", "usual"))
    which = f"{_trainings(found[0].seeds)} {sure} of the {len(found)} preferences again"
    parts = f"{percent(shared)} of the first {found[0].items}, random ones {percent(usual)}"
    return f"{which} more surely than random directions: they share {parts}."


def _trainings(seeds: int) -> str:
    """'2 more trainings, which differ in chance alone, find'."""
    one = seeds == 1
    verbs = ("differs", "finds") if one else ("differ", "find")
    return f"{plural(seeds, 'more training')}, which {verbs[0]} in chance alone, {verbs[1]}"


def say_parts(trace: Trace, head: int, row: int, known: Sequence[Preference], exclude_history: bool = True) -> str:
    """One sentence on what a head, from 0, gives to an item's lead: by its state, and by each expert's preference.

    The state holds what the history says, and what all experts of the head share.
    The numbers are `relative_parts`, so that they add up to the head's share of the lead.

    Raises:
        FameError: the row is not in the catalogue, or the experts have no anchors.
    """
    state, *experts = relative_parts(trace, [row], exclude_history)[head, :, 0]
    names = {p.expert: p.called for p in known if p.head == head}
    order = np.argsort(-np.abs(experts), kind="stable")
    told = [n for n in order if abs(experts[n]) >= max(SMALL, WORTH * np.abs(experts).max())] or list(order[:1])
    parts = [f"expert {n + 1}{f' ({names[n]})' if names.get(n) else ''} {_signed(experts[n])}" for n in told]
    return (
        f"Head {head + 1} gives {trace.catalogue.label(row)} {_signed(state + sum(experts))} against the average "
        f"candidate: {_signed(state)} by its state, and by what its experts prefer "
        f"{listing(parts)}."
    )


def say_split(parts: np.ndarray, known: Sequence[Preference]) -> list[list[str]]:
    """What heads' shares of items are the sums of, in short, by item and head: 'state +0.41, expert 2 (Horror) +0.83'.

    parts: [H,1+N,rows], such as `trace.parts` or `relative_parts`. Parts that round to nothing are not told.
    """
    names = {(p.head, p.expert): f" ({p.called})" for p in known if p.called}
    called = [
        ["state", *(f"expert {n + 1}{names.get((h, n), '')}" for n in range(len(parts[h]) - 1))]
        for h in range(len(parts))
    ]
    return [
        [
            ", ".join(
                f"{who} {_signed(x)}" for who, x in zip(called[h], parts[h, :, i], strict=True) if abs(x) >= SMALL
            )
            for h in range(len(parts))
        ]
        for i in range(parts.shape[2])
    ]


def _values(catalogue: Catalogue) -> tuple[list[str], list[str], np.ndarray]:
    """Attributes and values, pair by pair, that enough items have and lack, and bool [items values]."""
    owner, values, columns = [], [], [np.zeros((len(catalogue) - 1, 0), bool)]
    for name in catalogue.attributes:
        matrix, called = catalogue.attribute(name)
        total = matrix.sum(0)
        kept = np.flatnonzero((total >= LEAST) & (total <= len(matrix) - 1 - LEAST))
        owner += [name] * len(kept)
        values += [called[v] for v in kept]
        columns.append(matrix[1:, kept])
    return owner, values, np.concatenate(columns, 1)


def _near(directions: Tensor, space: Tensor, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows that each direction [m k] recommends most in a head's space [V k], and how many have each value.

    -> int32 [m nearest], int [m values].
    """
    size = min(NEAREST, len(space) - 1)
    rows = torch.cat([(some.to(space) @ space[1:].T).topk(size).indices for some in directions.split(AT_ONCE)])
    found = rows.cpu().numpy()
    return (1 + found).astype(np.int32), matrix[found].sum(1)


def _gathers(counts: np.ndarray, size: int, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each direction, counts [m values]: which value gathers most beyond its share, and its z-score [m]."""
    if not counts.shape[1]:
        return np.zeros(len(counts), int), np.zeros(len(counts))
    items, share = len(matrix), matrix.mean(0)
    spread = np.sqrt(size * share * (1 - share) * max(items - size, 1) / max(items - 1, 1))
    z = (counts - size * share) / spread
    return z.argmax(1), z.max(1)


def _signed(x: float) -> str:
    return number(x, 2, plus=True)
