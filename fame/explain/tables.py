"""Read from a trace, without another pass: merges under other gates, ranks, experts and the journey, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.statistics import relative_entropy
from fame.trace import Trace

__all__ = [
    "ADDS_UP",
    "Journey",
    "additivity",
    "attention_table",
    "head_ranks",
    "journey",
    "merge_table",
    "regate",
    "relative_parts",
    "relative_shares",
    "router_entropy",
    "router_flag",
]

ADDS_UP = 1e-4  # how far float32 rounding may take Σ_h g_h·s_h(v) from s(v); scores are of the order of 10
NEAR_UNIFORM = 0.95  # relative entropy above which a router hardly chooses
ALL_TO_ONE = 0.95  # weight above which one expert has it all


def additivity(trace: Trace, run: Trace | None = None) -> float:
    """The largest |Σ_h g_h·s_h(v) − s(v)| over all items, s(v) as `run` computed it (the trace itself if None)."""
    total = trace.gate[-1].astype(np.float64) @ trace.head_scores[:, 1:]
    return float(np.abs(total - (run or trace).scores[1:]).max())


def regate(trace: Trace, gate: Sequence[float] | None = None, heads_off: Iterable[int] = ()) -> Trace:
    """The trace under another gate at every step, or with heads switched off. No pass is needed: s is linear in g.

    gate: H weights, scaled to sum to 1; None leaves the trace's own. The numbers are those of running the model
        under `Intervention(gate, heads_off)` beside what the trace was already run under.

    Raises:
        FameError: the intervention does not fit, or the trace's gate is changed already.
    """
    if trace.intervention.gate is not None or trace.intervention.heads_off:
        raise FameError("the gate of this trace is changed already; give the trace without that")
    change = replace(trace.intervention, gate=None if gate is None else tuple(gate), heads_off=tuple(heads_off))
    (H, V), (N, k) = trace.head_scores.shape, trace.expert_out.shape[-2:]
    change.check(FAMEConfig(n_items=V - 1, d_model=H * k, n_heads=H, n_experts=N, backbone_heads=1))
    if change == trace.intervention:
        return trace
    on = np.ones(H)
    on[list(change.heads_off)] = 0
    weights = on * (trace.gate.astype(np.float64) if change.gate is None else np.array(change.gate))
    if change.gate is not None or not change.hold_gate:  # a held gate leaves the other heads' weights as they were
        weights = weights / weights.max(axis=-1, keepdims=True)  # first: the sum may be too large for a float
        weights = weights / weights.sum(axis=-1, keepdims=True)
    g = np.broadcast_to(weights, trace.gate.shape).astype(np.float32)
    scores = np.full(V, -np.inf, np.float32)
    scores[1:] = g[-1].astype(np.float64) @ trace.head_scores[:, 1:]
    return replace(trace, intervention=change, gate=g, scores=scores)


def merge_table(
    before: Trace,
    after: Trace,
    k: int = 10,
    row: int | None = None,
    exclude_history: bool = True,
    relative: bool = False,
) -> pd.DataFrame:
    """The final list of `after`, cut by head, with its moves since `before`: two traces of one history.

    One row per item, in three parts: 'list', the top k; 'left', what was in the top k before and is no more; and
    'chosen', the item looked at, where it is in neither. Columns: part, row, item_id, title, year; rank and old_rank
    (missing where the item is no candidate); move, the places won; head_1 … head_H, the shares g_h·s_h, or
    `relative_shares` where `relative`; sum, their sum: the score, or the lead.

    Raises:
        FameError: the item looked at is not in the catalogue.
    """
    V = len(after.scores)
    new, old = after.ranking(exclude_history=exclude_history), before.ranking(exclude_history=exclude_history)
    top = new[: max(0, k)]
    left = old[: max(0, k)][~np.isin(old[: max(0, k)], top)]
    extra = checked([] if row is None else [row], V)
    parts = {"list": top, "left": left, "chosen": extra[~np.isin(extra, [*top, *left])]}
    rows = np.concatenate(list(parts.values()))
    shares = relative_shares(after, rows, exclude_history) if relative else after.shares(rows).astype(np.float64)
    table = pd.DataFrame(
        {
            "part": np.repeat(list(parts), [len(part) for part in parts.values()]),
            **facts(after.catalogue, rows),
            "year": after.catalogue.year[rows],
            "rank": pd.array(places(new, rows, V), dtype="Int64"),
            "old_rank": pd.array(places(old, rows, V), dtype="Int64"),
            **{f"head_{h + 1}": share for h, share in enumerate(shares)},
            "sum": shares.sum(axis=0),
        }
    )
    table.insert(7, "move", table["old_rank"] - table["rank"])
    return table


def relative_shares(trace: Trace, rows: Iterable[int], exclude_history: bool = True) -> np.ndarray:
    """What each head gives to the lead of these rows: c_h = g_h (s_h(v) − mean of s_h over the candidates) [H,rows].

    Σ_h c_h is the lead of v. The bare shares g_h·s_h also carry a constant per head, which moves no rank and may
    be far larger than what does; c_h has none. Above 0, head h prefers v to the average candidate.

    Raises:
        FameError: a row is not in the catalogue.
    """
    s = trace.head_scores.astype(np.float64)
    mean = s[:, candidates(s.shape[1], trace.seen if exclude_history else [])].mean(axis=1, keepdims=True)
    return trace.gate[-1][:, None] * (s[:, checked(rows, s.shape[1])] - mean)


def relative_parts(trace: Trace, rows: Iterable[int], exclude_history: bool = True) -> np.ndarray:
    """What `relative_shares` are the sums of where experts have anchors: [H,1+N,rows], each less its candidates' mean.

    First what the head's state says of the history, then what each expert's preference adds: both are exact.

    Raises:
        FameError: a row is not in the catalogue, or the experts have no anchors.
    """
    V = len(trace.scores)
    parts = trace.parts(checked(rows, V)).astype(np.float64)
    average = trace.table[candidates(V, trace.seen if exclude_history else [])].mean(axis=0, dtype=np.float64)
    assert trace.part_queries is not None
    return parts - trace.gate[-1][:, None, None] * (trace.part_queries @ average)[..., None]  # parts are linear in x_v


def head_ranks(trace: Trace, rows: Iterable[int], exclude_history: bool = True) -> np.ndarray:
    """The ranks of these rows by each head alone, among the items not seen yet or all: int64 [H,rows].

    Raises:
        FameError: a row is not in the catalogue.
    """
    V = len(trace.scores)
    wanted, candidate = checked(rows, V), candidates(V, trace.seen if exclude_history else [])
    ranks = [rank_of(trace.head_scores, row, candidate) for row in wanted]
    return np.stack(ranks, axis=1) if ranks else np.zeros((len(trace.head_scores), 0), np.int64)


def attention_table(trace: Trace, head: int) -> pd.DataFrame:
    """Where the experts of a head, from 0, looked at the last step.

    One row per item: position, row, item_id, title; expert_1 … expert_N, their attention; mixed, the head's.

    Raises:
        FameError: there is no such head.
    """
    H, N = trace.attention.shape[:2]
    if not 0 <= head < H:
        raise FameError(f"there is no head {head}; this model's heads are 0 to {H - 1}")
    return pd.DataFrame(
        {
            "position": np.arange(1, len(trace.items) + 1),
            **facts(trace.catalogue, trace.items),
            **{f"expert_{n + 1}": trace.attention[head, n, -1] for n in range(N)},
            "mixed": trace.mixed_attention[head, -1],
        }
    )


def router_flag(trace: Trace, head: int) -> str:
    """What is to be said of the router of a head, from 0, at the last step; empty where it mixes its experts.

    'one expert', 'near uniform' (relative entropy above 0.95) or 'all to expert 2' (a weight above 0.95).
    """
    beta = trace.router[-1, head]
    if len(beta) == 1:
        return "one expert"
    if float(router_entropy(trace)[-1, head]) > NEAR_UNIFORM:
        return "near uniform"
    return f"all to expert {int(beta.argmax()) + 1}" if float(beta.max()) > ALL_TO_ONE else ""


def router_entropy(trace: Trace) -> np.ndarray:
    """How evenly each head's router spreads over its experts at each step: [T,H], from 0 (one expert) to 1 (even)."""
    return relative_entropy(trace.router)


@dataclass(frozen=True, eq=False)
class Journey:
    """How gate and router moved as the history grew.

    gate_move [T], router_move [T,H]: the total variation from the step before, ½ Σ |change|: 0 where nothing moved, 1
        where all weight went elsewhere; missing at step 1.
    """

    trace: Trace
    gate_move: np.ndarray
    router_move: np.ndarray

    @property
    def gate_turn(self) -> int | None:
        """The step (from 1) that moved the gate most, None where nothing moved."""
        return _turn(self.gate_move)

    @property
    def router_turns(self) -> tuple[int | None, ...]:
        """The same for each head's router."""
        return tuple(map(_turn, self.router_move.T))

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per step: step, row, item_id, title; gate_1 … gate_H; router_1_1 … router_H_N, head by head;
        router_entropy_1 … router_entropy_H (as `router_entropy`); gate_move; router_move_1 … router_move_H.
        """
        trace, (T, H, N) = self.trace, self.trace.router.shape
        entropy = router_entropy(trace)
        return pd.DataFrame(
            {
                "step": np.arange(1, T + 1),
                **facts(trace.catalogue, trace.items),
                **{f"gate_{h + 1}": trace.gate[:, h] for h in range(H)},
                **{f"router_{h + 1}_{n + 1}": trace.router[:, h, n] for h in range(H) for n in range(N)},
                **{f"router_entropy_{h + 1}": entropy[:, h] for h in range(H)},
                "gate_move": self.gate_move,
                **{f"router_move_{h + 1}": self.router_move[:, h] for h in range(H)},
            }
        )


def journey(trace: Trace) -> Journey:
    """How gate and router moved as the history grew; position t holds what the first t+1 items end with."""
    gate, router = (
        np.concatenate([np.full((1, *weights.shape[1:-1]), np.nan), np.abs(np.diff(weights, axis=0)).sum(axis=-1) / 2])
        for weights in (trace.gate, trace.router)
    )
    return Journey(trace, gate, router)


def _turn(moves: np.ndarray) -> int | None:
    """The step, from 1, of the largest move."""
    return int(np.nanargmax(moves)) + 1 if np.nanmax(moves, initial=0.0) > 0 else None


def rank_of(scores: np.ndarray, row: int, candidate: np.ndarray) -> np.ndarray:
    """The rank of one row among the candidates and itself, in each of [… v] scores."""
    own = scores[..., row, None]
    better = (scores > own) | ((scores == own) & (np.arange(scores.shape[-1]) < row))
    return 1 + (better & candidate).sum(axis=-1)


def candidates(V: int, history: np.ndarray | Sequence[int]) -> np.ndarray:
    """Which rows may be recommended: bool [V], all but padding and the history."""
    candidate = np.ones(V, bool)
    candidate[0] = False
    candidate[np.asarray(history, np.int64)] = False
    return candidate


def places(ranking: np.ndarray, rows: np.ndarray, V: int) -> np.ndarray:
    """The ranks of `rows` in a ranking, NaN where they are not in it."""
    place = np.full(V, np.nan)
    place[ranking] = np.arange(1, len(ranking) + 1)
    return place[rows]


def facts(catalogue: Catalogue, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {"row": rows, "item_id": catalogue.item_id[rows], "title": catalogue.title[rows]}


def checked(rows: Iterable[int], V: int) -> np.ndarray:
    """The rows as int64, checked to be in the catalogue."""
    wanted = np.asarray(list(rows))
    if wanted.size and wanted.dtype.kind not in "iu":
        raise FameError(f"rows are {wanted.dtype}; expected whole numbers")
    if (bad := wanted[(wanted < 1) | (wanted >= V)]).size:
        raise FameError(f"row {bad[0]} is not in the catalogue; rows are 1 to {V - 1}")
    return wanted.astype(np.int64)
