"""What one pass of the model did, as plain read-only arrays, and what-if as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from operator import index
from typing import Any

import numpy as np
import pandas as pd

from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError

__all__ = ["NOTHING", "Intervention", "Trace"]

Weights = tuple[float, ...]


def _weights(values: Iterable[float], what: str) -> Weights:
    weights = tuple(float(w) for w in values)
    if not weights or not all(np.isfinite(w) and w >= 0 for w in weights) or sum(weights) <= 0:
        raise FameError(f"{what} is {weights}; expected weights of at least 0 with one above 0")
    return weights


def _whole(value: Any, what: str) -> int:
    try:
        return index(value)
    except TypeError:
        raise FameError(f"{what} is {str(value)[:50]!r}; expected a whole number") from None


@dataclass(frozen=True)
class Intervention:
    """What-if, as an argument of a pure forward pass. Hashable; the empty one changes nothing.

    gate: H weights in place of the gate, at every step; scaled to sum to 1.
    heads_off: heads (0-based) whose gate logit is -inf before the softmax.
    experts_off: (head, expert) pairs whose router logit is -inf before the softmax.
    router: (head, N weights) pairs in place of that head's router; a mapping is taken too.
    hold_gate: keep the gate that the untouched model computes (the direct effect); otherwise the gate is
        recomputed from the changed heads (the total effect). A head that is switched off under a held gate
        leaves the other heads' weights as they were.

    Raises:
        FameError: weights are negative, all zero or not finite, or a part is of another form.
    """

    gate: Weights | None = None
    heads_off: tuple[int, ...] = ()
    experts_off: tuple[tuple[int, int], ...] = ()
    router: tuple[tuple[int, Weights], ...] = ()
    hold_gate: bool = False

    def __post_init__(self) -> None:
        put = object.__setattr__  # the one way to normalise a frozen dataclass, so that equal means hash alike
        try:
            router = self.router.items() if isinstance(self.router, Mapping) else self.router
            put(self, "gate", None if self.gate is None else _weights(self.gate, "gate"))
            put(self, "heads_off", tuple(sorted({index(h) for h in self.heads_off})))
            put(self, "experts_off", tuple(sorted({(index(h), index(n)) for h, n in self.experts_off})))
            put(self, "router", tuple(sorted((index(h), _weights(w, f"router of head {h}")) for h, w in router)))
        except FameError:
            raise
        except (TypeError, ValueError) as error:
            raise FameError(
                f"intervention: {error}; expected gate=(weight, …), heads_off=(head, …), "
                "experts_off=((head, expert), …), router=((head, (weight, …)), …)"
            ) from None

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return self.gate is not None or bool(self.heads_off or self.experts_off or self.router)

    def check(self, config: FAMEConfig) -> None:
        """Refuse what does not fit the model.

        Raises:
            FameError: a head or expert that is not there, weights of another number, or nothing left on.
        """
        H, N = config.n_heads, config.n_experts
        if self and config.variant != "fame":
            raise FameError("this model is a plain SASRec; it has no heads, experts or gate to change")
        if self.gate is not None and len(self.gate) != H:
            raise FameError(f"gate has {len(self.gate)} weights; this model has {H} heads")
        off = [*self.heads_off, *(h for h, _ in self.experts_off), *(h for h, _ in self.router)]
        if bad := [h for h in off if not 0 <= h < H]:
            raise FameError(f"there is no head {bad[0]}; this model's heads are 0 to {H - 1}")
        if bad := [n for _, n in self.experts_off if not 0 <= n < N]:
            raise FameError(f"there is no expert {bad[0]}; each head's experts are 0 to {N - 1}")
        if len(self.heads_off) == H:
            raise FameError(f"all {H} heads are switched off; leave one on")
        if self.gate is not None and not any(w for h, w in enumerate(self.gate) if h not in self.heads_off):
            raise FameError("every head with weight is switched off; leave one on")
        forced = dict(self.router)
        if len(forced) < len(self.router):
            raise FameError("a head's router is given twice; give one set of weights per head")
        for h in range(H):
            on = [n for n in range(N) if (h, n) not in self.experts_off]
            if not on or (h in forced and len(forced[h]) == N and not any(forced[h][n] for n in on)):
                raise FameError(f"all experts of head {h} are switched off; switch the head off instead")
            if h in forced and len(forced[h]) != N:
                raise FameError(f"router of head {h} has {len(forced[h])} weights; expected {N}, one per expert")


NOTHING = Intervention()


@dataclass(frozen=True, eq=False)
class Trace:
    """One history under one intervention; every array is read-only float32 unless said otherwise.

    Position t holds exactly what a trace of the first t+1 items would end with (attention is causal).

    items: int32 [T], rows of the catalogue, oldest first.
    older: int32 [dropped], the rows before them that did not fit: not read, yet seen, so never recommended.
    gate: [T,H].   router β: [T,H,N].   attention: [H,N,T,T].   backbone_attention: [L-1,heads,T,T].
    expert_out O: [T,H,N,d'].   f = Σ_n β_n O_n: [T,H,d'].   F: [T,H,d'].
    head_scores s_h(v): [H,V].   scores s(v) = Σ_h g_h s_h(v): [V].
    expert_queries: [H,N,q], head h's query as it would be with the router on that expert alone; table: [V,q], what
        queries meet, which is the model's own memory. Both are in the model's precision, for `expert_scores`.
    part_queries: [H,1+N,q], what head h's query is the sum of where experts have anchors: that of its state, FFN'(f),
        with what its anchors share, their mean, and of each β_n (b_n − mean). None where they have none.
    Scores are at the last position; column 0 (padding) is -inf.
    """

    catalogue: Catalogue = field(repr=False)
    intervention: Intervention
    items: np.ndarray
    gate: np.ndarray
    router: np.ndarray
    attention: np.ndarray
    backbone_attention: np.ndarray
    expert_out: np.ndarray
    f: np.ndarray
    F: np.ndarray
    head_scores: np.ndarray
    scores: np.ndarray
    expert_queries: np.ndarray = field(repr=False)
    table: np.ndarray = field(repr=False)
    older: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    part_queries: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __repr__(self) -> str:
        T, H, N = self.router.shape
        return f"Trace(T={T}, H={H}, N={N}, {self.intervention})"

    @property
    def dropped(self) -> int:
        """How many of the oldest items did not fit."""
        return len(self.older)

    @property
    def seen(self) -> np.ndarray:
        """int32: every item of the history, read or not."""
        return np.concatenate([self.older, self.items])

    @cached_property
    def expert_scores(self) -> np.ndarray:
        """[H,N,V], what s_h(v) would be with the router on that expert alone.

        Computed when first asked for: it costs as much as all the rest of a trace of a large catalogue.
        """
        return self._every_row(self.expert_queries)

    @cached_property
    def anchor_scores(self) -> np.ndarray | None:
        """[H,N,V], β_n <b_n − mean, x_v^(h)>: what sets experts apart adds to s_h(v), exactly. None without anchors.

        mean: of the head's anchors, which adds the same whatever the router. A head's score is the sum of these and of
        the score of its state with that mean.
        """
        return None if self.part_queries is None else self._every_row(self.part_queries[:, 1:])

    def _every_row(self, queries: np.ndarray) -> np.ndarray:
        """Scores of queries [… q] on the table: [… V]."""
        scores = (queries @ self.table.T).astype(np.float32)
        scores[..., 0] = -np.inf
        scores.flags.writeable = False
        return scores

    @property
    def mixed_attention(self) -> np.ndarray:
        """Σ_n β_n A_n [H,T,T]: the one attention of each head, since its experts share the values U."""
        return np.einsum("thn,hnts->hts", self.router, self.attention)

    def ranking(self, head: int | None = None, expert: int | None = None, exclude_history: bool = True) -> np.ndarray:
        """All candidate rows, best first, by the final score, a head's, or one expert's alone.

        Ties stand in catalogue order.
        """
        scores = self._scores(head, expert).astype(np.float64)
        candidate = np.arange(len(scores)) > 0
        if exclude_history:
            candidate[self.seen] = False
        rows = np.flatnonzero(candidate)
        return rows[np.argsort(-scores[rows], kind="stable")]

    def top(
        self, k: int = 10, head: int | None = None, expert: int | None = None, exclude_history: bool = True
    ) -> pd.DataFrame:
        """The k best items: rank (from 1), item_id, title, year, score, row.

        Raises:
            FameError: no such head or expert, an expert without its head, or a number that is not whole.
        """
        rows = self.ranking(head, expert, exclude_history)[: max(0, _whole(k, "k"))]
        return pd.DataFrame(
            {
                "rank": np.arange(1, len(rows) + 1),
                "item_id": self.catalogue.item_id[rows],
                "title": self.catalogue.title[rows],
                "year": self.catalogue.year[rows],
                "score": self._scores(head, expert)[rows],
                "row": rows,
            }
        )

    def contributions(
        self, items: Iterable[str | int] | None = None, experts: bool = False, *, rows: Iterable[int] | None = None
    ) -> pd.DataFrame:
        """How the heads' shares add up: item_id, title, head_1 … head_H (g_h·s_h), sum, score, difference, row.

        items: ids or titles; or else `rows` of the catalogue. `difference` is sum − score: rounding, by identity.

        experts: split each head's share into the parts that it is the sum of, head_1_state, head_1_expert_1 …
            head_1_expert_N, head_2_state …: what the head's state and all its experts alike say, and what sets each
            expert apart.

        Raises:
            FameError: an item or row is unknown, not one of `items` and `rows` is given, or the experts of this model
                have no anchors.
        """
        wanted = self.catalogue.rows(items, rows)
        if experts:
            split = self.parts(wanted)
            H, N = self.router.shape[1:]
            kinds = ["state", *(f"expert_{n + 1}" for n in range(N))]
            columns = {f"head_{h + 1}_{kind}": split[h, i] for h in range(H) for i, kind in enumerate(kinds)}
            total = split.sum(axis=(0, 1))
        else:
            shares = self.shares(wanted)
            columns = {f"head_{h + 1}": share for h, share in enumerate(shares)}
            total = shares.sum(axis=0)
        return pd.DataFrame(
            {
                "item_id": self.catalogue.item_id[wanted],
                "title": self.catalogue.title[wanted],
                **columns,
                "sum": total,
                "score": self.scores[wanted],
                "difference": total - self.scores[wanted],
                "row": wanted,
            }
        )

    def shares(self, rows: np.ndarray) -> np.ndarray:
        """g_h·s_h(v) of these rows: [H, rows]."""
        return self.gate[-1][:, None] * self.head_scores[:, rows]

    def parts(self, rows: np.ndarray) -> np.ndarray:
        """What the shares of these rows are the sums of, [H, 1+N, rows]: g_h <state^h + mean, x_v^(h)> and then, expert
        by expert, g_h β_n <b_n − mean, x_v^(h)>, the mean being that of the head's anchors.

        Raises:
            FameError: the experts of this model have no anchors, so that their shares do not add up.
        """
        if self.part_queries is None:
            raise FameError(
                "the experts of this model have no anchors, so that a head's share does not split into theirs; "
                "run it with and without an expert instead (fame.explain.expert_effects)"
            )
        return (self.gate[-1][:, None, None] * (self.part_queries @ self.table[rows].T)).astype(np.float32)

    def _scores(self, head: int | None, expert: int | None) -> np.ndarray:
        H, N = self.router.shape[1:]
        if head is None:
            if expert is not None:
                raise FameError(f"expert {expert} of which head? give head, 0 to {H - 1}")
            return self.scores
        if not 0 <= _whole(head, "head") < H:
            raise FameError(f"there is no head {head}; this model's heads are 0 to {H - 1}")
        if expert is None:
            return self.head_scores[head]
        if not 0 <= _whole(expert, "expert") < N:
            raise FameError(f"there is no expert {expert}; each head's experts are 0 to {N - 1}")
        return self.expert_scores[head, expert]
