"""One history explained: the trace of a pass, and the measurements that a trace alone does not hold.

Letters as in `fame.model`: b batch, m variant, t and s positions, h head, n expert, d and k widths, v item row.
Arguments and arrays count heads, experts and positions from 0; tables and sentences, which people read, from 1.

A rank is an item's place, from 1, among the candidates and itself: all items but those of the history. Ties
stand in catalogue order. A *lead* is a score minus the mean score of the candidates: a constant added to all
scores moves no rank, so that only the lead, not the bare score, says how well an item stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.model import FAME, largest
from fame.trace import NOTHING, Intervention, Trace

__all__ = [
    "ADDS_UP",
    "Beats",
    "Effect",
    "Journey",
    "additivity",
    "attention_table",
    "beats",
    "effect",
    "expert_effects",
    "facet_scores",
    "head_ranks",
    "journey",
    "leave_one_out",
    "merge_table",
    "ordinal",
    "rank_changes",
    "regate",
    "relative_shares",
    "router_entropy",
    "router_flag",
    "say_attention",
    "say_gate_turn",
    "say_rank",
    "say_router",
    "say_router_turn",
    "trace",
]

History = Sequence[int] | np.ndarray


def trace(model: FAME, catalogue: Catalogue, rows: History, intervention: Intervention = NOTHING) -> Trace:
    """What the model does with one history, everything recorded, in one pass on the model's device.

    rows: rows of the catalogue, oldest first; only the last `max_len` are read, `Trace.older` are the rest.

    Raises:
        FameError: the history is empty or names no item, the model has no heads (`sasrec`) or is in training
            mode, the catalogue is not the model's, or the intervention does not fit.
    """
    history = _history(model, catalogue, rows)
    kept = history[-model.config.max_len :]
    with torch.inference_mode():
        p = model(torch.from_numpy(kept).to(model.items.weight.device)[None], intervention, record=True)
        alone = model.facets.state(p.expert_out[0, -1], p.residual[0, -1].unsqueeze(1))  # [h n k]
        T = len(kept)
        backbone = torch.cat(p.backbone_attention or (p.attention.new_empty(0, model.config.backbone_heads, T, T),))
        return Trace(
            catalogue=catalogue,
            intervention=intervention,
            items=kept.astype(np.int32),
            gate=_array(p.gate[0]),
            router=_array(p.router[0]),
            attention=_array(p.attention[0]),
            backbone_attention=_array(backbone),
            expert_out=_array(p.expert_out[0]),
            f=_array(p.f[0]),
            F=_array(p.F[0]),
            head_scores=_array(facet_scores(model, p.F[0, -1])),
            scores=_array(model.score(p.query[0, -1])),
            expert_queries=torch.einsum("hnk,hkd->hnd", alone, model.facets.W_f).cpu().numpy(),
            table=model.items.weight.detach().cpu().numpy(),
            older=history[:-T].astype(np.int32),
        )


def facet_scores(model: FAME, states: Tensor) -> Tensor:
    """s_h(v) = <F^h, W_f[h] x_v> of every row from states F: [… h k] -> [… h v]. Row 0, padding, is -inf.

    Computed as <W_f[h]ᵀ F^h, x_v>, so that no facet sub-embedding of the whole catalogue is ever built.
    """
    return model.score(torch.einsum("...hk,hkd->...hd", states, model.facets.W_f))


# --- measured by running the model again


def leave_one_out(
    model: FAME,
    catalogue: Catalogue,
    rows: History,
    target: int,
    intervention: Intervention = NOTHING,
    hold_gate: bool = False,
) -> pd.DataFrame:
    """What each item of the history does for `target`, a row: the natural run minus the run without the item.

    One batched pass of T variants of T-1 items; the items after the missing one move up by one position, and no
    older item comes in for it. Held, the gate of the whole history weighs the heads; else each variant's own does.

    One row per kept item: position, row, item_id, title; `effect` on the target's score; `lead_effect` on its
    lead; `s_1 … s_H` on each head's score; `share_1 … share_H` on each head's share g_h·s_h, which sum to
    `effect`; `rank` in the natural run and `rank_without`. The candidates are the same in all runs. The only
    item of a history cannot be left out: its effects and `rank_without` are missing.

    Raises:
        FameError: as `trace`, or the target is not in the catalogue.
    """
    history = _history(model, catalogue, rows)
    kept = history[-model.config.max_len :]
    [target] = _rows([target], len(catalogue))
    T, H = len(kept), model.config.n_heads
    candidate = _candidates(len(catalogue), history)
    with torch.inference_mode():
        items = torch.from_numpy(kept).to(model.items.weight.device)
        p = model(items[None], intervention)
        whole = _standing(model, p.gate[:, -1], p.F[:, -1], target, candidate)
        without = Standing(*(np.full((T, *x.shape[1:]), np.nan) for x in whole))
        if T > 1:
            others = ~torch.eye(T, dtype=torch.bool, device=items.device)
            v = model(items.expand(T, T)[others].view(T, T - 1), intervention)
            gate = p.gate[:, -1].expand(T, H) if hold_gate else v.gate[:, -1]
            without = _standing(model, gate, v.F[:, -1], target, candidate)
    return pd.DataFrame(
        {
            "position": np.arange(1, T + 1),
            **_facts(catalogue, kept),
            "effect": whole.score - without.score,
            "lead_effect": whole.lead - without.lead,
            **{f"s_{h + 1}": (whole.heads - without.heads)[:, h] for h in range(H)},
            **{f"share_{h + 1}": (whole.shares - without.shares)[:, h] for h in range(H)},
            "rank": np.repeat(whole.rank, T),
            "rank_without": pd.array(without.rank, dtype="Int64"),
        }
    )


def expert_effects(model: FAME, catalogue: Catalogue, rows: History, target: int) -> pd.DataFrame:
    """Where `target`, a row, would stand with each expert alone in its head, and with all the head's others.

    Experts' shares do not add up (FFN' is not linear), so that each case is a run of its own: the head's state is
    computed again from the recorded expert outputs, the other heads' states stay, and the gate is held or
    computed again. The numbers are those of `Intervention(router=…)` and `Intervention(experts_off=…)`.

    Four rows per expert: head, expert; `router`, the expert's natural weight β; `run` ('alone' or 'without');
    `gate` ('held' or 'recomputed'); `head_score`, the head's s_h(target); `score`; `lead`; `rank`; and `effect`,
    the natural score minus this one. With one expert per head nothing is left without it: those rows are missing.

    Raises:
        FameError: as `trace`, or the target is not in the catalogue.
    """
    history = _history(model, catalogue, rows)
    kept = history[-model.config.max_len :]
    [target] = _rows([target], len(catalogue))
    H, N = model.config.n_heads, model.config.n_experts
    candidate = _candidates(len(catalogue), history)
    with torch.inference_mode():
        p = model(torch.from_numpy(kept).to(model.items.weight.device)[None], record=True)
        O, residual, F, g = (x[0, -1] for x in (p.expert_out, p.residual, p.F, p.gate))  # [h n k] [h k] [h k] [h]
        logits = torch.einsum("he,hen->hn", O.flatten(1), model.facets.W_exp)
        one = torch.eye(N, dtype=torch.bool, device=O.device)
        kinds = {"alone": one, "without": ~one} if N > 1 else {"alone": one}
        on = torch.stack(list(kinds.values()))  # [kind expert n]
        left = logits[:, None, None].masked_fill(~on, -torch.inf)
        router = largest(left, model.facets.active).softmax(-1)  # [h kind expert n]
        states = model.facets.state(torch.einsum("hcen,hnk->hcek", router, O), residual[:, None, None])
        changed = F.expand(H, len(kinds), N, H, -1).clone()  # [h kind expert head k]: head h's state replaced
        changed[range(H), :, :, range(H)] = states
        changed = changed.flatten(0, 2)  # [m head k]
        own = model.facets.gate(changed.flatten(1)).softmax(-1)  # [m head]
        natural = _standing(model, g[None], F[None], target, candidate)
        runs = {
            "held": _standing(model, g.expand_as(own), changed, target, candidate),
            "recomputed": _standing(model, own, changed, target, candidate),
        }
    head, kind, expert = (i.ravel() for i in np.indices((H, len(kinds), N)))
    table = pd.concat(
        pd.DataFrame(
            {
                "head": head + 1,
                "expert": expert + 1,
                "router": _array(p.router[0, -1])[head, expert],
                "run": np.array(list(kinds))[kind],
                "gate": gate,
                "head_score": run.heads[np.arange(len(head)), head],
                "score": run.score,
                "lead": run.lead,
                "rank": run.rank,
                "effect": natural.score - run.score,
            }
        )
        for gate, run in runs.items()
    )
    return table.sort_values(["head", "expert", "run", "gate"], ignore_index=True)


@dataclass(frozen=True, eq=False)
class Effect:
    """One history with and without an intervention.

    natural: untouched.   held: the gate kept as the untouched model computes it (direct effect).
    recomputed: the gate computed from the changed heads (total effect).
    """

    natural: Trace
    held: Trace
    recomputed: Trace

    def changes(self, hold_gate: bool = False, k: int = 10) -> pd.DataFrame:
        """`rank_changes` from the natural trace to the held or the recomputed one."""
        return rank_changes(self.natural, self.held if hold_gate else self.recomputed, k)

    def overlap(self, hold_gate: bool = False, k: int = 10) -> int:
        """How many of the natural top k are still in the top k."""
        after = self.held if hold_gate else self.recomputed
        return len(np.intersect1d(self.natural.ranking()[:k], after.ranking()[:k]))

    def gates(self) -> pd.DataFrame:
        """The gate at the last step, one row per head: head, natural, held, recomputed."""
        return pd.DataFrame(
            {
                "head": np.arange(1, self.natural.gate.shape[1] + 1),
                "natural": self.natural.gate[-1],
                "held": self.held.gate[-1],
                "recomputed": self.recomputed.gate[-1],
            }
        )


def effect(model: FAME, catalogue: Catalogue, rows: History, intervention: Intervention) -> Effect:
    """What an intervention does to one history, with the gate held and recomputed.

    Raises:
        FameError: as `trace`.
    """
    return Effect(
        natural=trace(model, catalogue, rows),
        held=trace(model, catalogue, rows, replace(intervention, hold_gate=True)),
        recomputed=trace(model, catalogue, rows, replace(intervention, hold_gate=False)),
    )


# --- read from a trace


def rank_changes(before: Trace, after: Trace, k: int = 10) -> pd.DataFrame:
    """How the top k moved from one trace to another, of the same catalogue but maybe of another history.

    One row per item in the top k of either, by its new rank: row, item_id, title, rank, old_rank, move (places
    won), score, old_score. A rank is missing where the item stands in that trace's own history.
    """
    old, new = before.ranking(), after.ranking()
    rows = np.array(list(dict.fromkeys([*new[:k].tolist(), *old[:k].tolist()])), dtype=np.int64)
    table = pd.DataFrame(
        {
            **_facts(after.catalogue, rows),
            "rank": pd.array(_places(new, rows, len(after.scores)), dtype="Int64"),
            "old_rank": pd.array(_places(old, rows, len(before.scores)), dtype="Int64"),
            "score": after.scores[rows],
            "old_score": before.scores[rows],
        }
    )
    table.insert(5, "move", table["old_rank"] - table["rank"])
    return table.sort_values("rank", ignore_index=True, kind="stable")


def relative_shares(trace: Trace, rows: Iterable[int], exclude_history: bool = True) -> np.ndarray:
    """What each head gives to the lead of these rows: c_h = g_h (s_h(v) − mean of s_h over the candidates) [H,rows].

    Σ_h c_h is the lead of v. The bare shares g_h·s_h also carry a constant per head, which moves no rank and may
    be far larger than what does; c_h has none. Above 0, head h prefers v to the average candidate.

    Raises:
        FameError: a row is not in the catalogue.
    """
    s = trace.head_scores.astype(np.float64)
    mean = s[:, _candidates(s.shape[1], trace.seen if exclude_history else [])].mean(axis=1, keepdims=True)
    return trace.gate[-1][:, None] * (s[:, _rows(rows, s.shape[1])] - mean)


def head_ranks(trace: Trace, rows: Iterable[int], exclude_history: bool = True) -> np.ndarray:
    """The ranks of these rows by each head alone, among the items not seen yet or all: int64 [H,rows].

    Raises:
        FameError: a row is not in the catalogue.
    """
    V = len(trace.scores)
    wanted, candidate = _rows(rows, V), _candidates(V, trace.seen if exclude_history else [])
    ranks = [_rank(trace.head_scores, row, candidate) for row in wanted]
    return np.stack(ranks, axis=1) if ranks else np.zeros((len(trace.head_scores), 0), np.int64)


def router_entropy(trace: Trace) -> np.ndarray:
    """How evenly each head's router spreads over its experts at each step: [T,H], from 0 (one expert) to 1 (even).

    Entropy in units of log N; 0 where there is one expert.
    """
    N = trace.router.shape[-1]
    if N == 1:
        return np.zeros(trace.router.shape[:2], np.float32)
    beta = trace.router
    surprise = np.log(np.where(beta > 0, beta, 1))
    return np.clip(-(beta * surprise).sum(axis=-1) / np.log(N), 0, 1)


@dataclass(frozen=True, eq=False)
class Journey:
    """How gate and router moved as the history grew.

    table: one row per step: step, row, item_id, title; gate_1 … gate_H; router_1_1 … router_H_N, head by head;
        router_entropy_1 … router_entropy_H (as `router_entropy`); gate_move; router_move_1 … router_move_H. A move
        is the total variation from the step before, ½ Σ |change|: 0 where nothing moved, 1 where all weight went
        elsewhere; missing at step 1.
    gate_turn: the step (from 1) that moved the gate most, None where nothing moved.
    router_turns: the same for each head's router.
    """

    table: pd.DataFrame
    gate_turn: int | None
    router_turns: tuple[int | None, ...]


def journey(trace: Trace) -> Journey:
    """How gate and router moved as the history grew; position t holds what the first t+1 items end with."""
    T, H, N = trace.router.shape
    entropy = router_entropy(trace)
    nothing = np.full((1, H), np.nan)
    gate = np.concatenate([nothing[:, 0], np.abs(np.diff(trace.gate, axis=0)).sum(axis=-1) / 2])  # [t]
    router = np.concatenate([nothing, np.abs(np.diff(trace.router, axis=0)).sum(axis=-1) / 2])  # [t h]
    table = pd.DataFrame(
        {
            "step": np.arange(1, T + 1),
            **_facts(trace.catalogue, trace.items),
            **{f"gate_{h + 1}": trace.gate[:, h] for h in range(H)},
            **{f"router_{h + 1}_{n + 1}": trace.router[:, h, n] for h in range(H) for n in range(N)},
            **{f"router_entropy_{h + 1}": entropy[:, h] for h in range(H)},
            "gate_move": gate,
            **{f"router_move_{h + 1}": router[:, h] for h in range(H)},
        }
    )
    return Journey(table, _turn(gate), tuple(_turn(router[:, h]) for h in range(H)))


def _turn(moves: np.ndarray) -> int | None:
    """The step, from 1, of the largest move."""
    return int(np.nanargmax(moves)) + 1 if np.nanmax(moves, initial=0.0) > 0 else None


@dataclass(frozen=True, eq=False)
class Beats:
    """Why item a stands above item b, or does not.

    a, b: their rows.   margin: s(a) − s(b).
    table: one row per head: item_a, title_a, item_b, title_b, the same in all; head; gate g_h; difference
        s_h(a) − s_h(b); share g_h (s_h(a) − s_h(b)), which sum to margin; margin_without, the margin that the other
        heads leave; winner_without, who would stand higher without this head: 'A', 'B', or 'level'. To scale the
        other heads' weights up to 1 changes no sign, so that it does not matter whether the gate is held.
    sentence: all that in words.
    """

    a: int
    b: int
    margin: float
    table: pd.DataFrame
    sentence: str


def beats(trace: Trace, a: int, b: int) -> Beats:
    """Why the item of row a stands above that of row b, or does not.

    Raises:
        FameError: a row is not in the catalogue.
    """
    a, b = _rows([a, b], len(trace.scores))
    gate = trace.gate[-1].astype(np.float64)
    difference = trace.head_scores[:, a].astype(np.float64) - trace.head_scores[:, b]
    share = gate * difference
    margin = float(share.sum())
    without = np.array([np.delete(share, h).sum() for h in range(len(share))])
    items, titles = trace.catalogue.item_id, trace.catalogue.title
    table = pd.DataFrame(
        {
            **{"item_a": items[a], "title_a": titles[a], "item_b": items[b], "title_b": titles[b]},
            "head": np.arange(1, len(share) + 1),
            "gate": gate,
            "difference": difference,
            "share": share,
            "margin_without": without,
            "winner_without": np.select([without > 0, without < 0], ["A", "B"], "level"),
        }
    )
    return Beats(int(a), int(b), margin, table, _say_beats(trace.catalogue, int(a), int(b), share, without))


def _say_beats(catalogue: Catalogue, a: int, b: int, share: np.ndarray, without: np.ndarray) -> str:
    margin = share.sum()
    if margin < 0:
        return _say_beats(catalogue, b, a, -share, -without)
    same = catalogue.title[a] == catalogue.title[b]
    name_a, name_b = (catalogue.label(row) if same else str(catalogue.title[row]) for row in (a, b))
    if margin == 0:
        return f"{name_a} and {name_b} have the same score."
    if len(share) == 1:
        return f"{name_a} beats {name_b} by {_number(margin)}, by the only head."
    order = np.argsort(-share, kind="stable")
    told = {sign: [f"head {h + 1} ({_signed(share[h])})" for h in order if sign * share[h] > 0] for sign in (1, -1)}
    text = f"{name_a} beats {name_b} by {_number(margin)}: {_listed(told[1])} for it"
    text += f", {_listed(told[-1][::-1])} against it" if told[-1] else ""
    turned, level = ([f"head {h + 1}" for h in order if test[h]] for test in (without < 0, without == 0))
    if not turned and not level:
        return f"{text}. It would win whichever head were left out."
    text += f". Without {_listed(turned, 'or')} {name_b} would win" if turned else ""
    return f"{text}." if not level else f"{text}. Without {_listed(level, 'or')} the two would stand level."


def say_rank(trace: Trace, row: int, exclude_history: bool = True) -> str:
    """One sentence on why an item stands where it stands: which heads carry its lead, and which would not.

    Every number is `relative_shares` or `head_ranks`. The heads named are the fewest that give at least 60% of
    what speaks for the item, Σ of the c_h above 0: of its whole lead where no head speaks against it.

    Raises:
        FameError: the row is not in the catalogue.
    """
    [row] = _rows([row], len(trace.scores))
    title = str(trace.catalogue.title[row])
    candidate = _candidates(len(trace.scores), trace.seen if exclude_history else [])
    if not candidate[row]:
        return f"{title} is in the history, and what has been seen is not recommended again."
    if candidate.sum() == 1:
        return f"{title} is first: no other is left to recommend."
    rank = int(_rank(trace.scores, row, candidate))
    c = relative_shares(trace, [row], exclude_history)[:, 0]
    ranks = head_ranks(trace, [row], exclude_history)[:, 0]
    text = f"{title} is {ordinal(rank)}"
    if len(c) == 1:
        return f"{text}: the only head puts it {_signed(c[0])} {'above' if c[0] > 0 else 'from'} the average candidate."
    order = np.argsort(-c, kind="stable")
    support, against = c[c > 0].sum(), [h for h in order[::-1] if c[h] < 0]
    if c.sum() <= 0:
        reason = (
            f"{_heads(against[:1])} holds it down most ({_signed(c[against[0]])})" if against else "no head wants it"
        )
        best = int(np.argmin(ranks))
        return (
            f"{text}, {abs(c.sum()):.2f} below the average candidate: {reason}; "
            f"{_heads([best])} alone would put it {ordinal(int(ranks[best]))}."
        )
    wanting = order[c[order] > 0]
    carrying = wanting[: int(np.searchsorted(np.cumsum(c[wanting]), 0.6 * support)) + 1]
    verb = "carries" if len(carrying) == 1 else "carry"
    of = "what speaks for it" if against else "its lead over the average candidate"
    text += f": {_heads(carrying)} {verb} {c[carrying].sum() / support:.0%} of {of}"
    text += f", {_heads(against)} {'speaks' if len(against) == 1 else 'speak'} against it" if against else ""
    worst = int(np.argmax(ranks))
    if ranks[worst] > rank:
        return f"{text}; {_heads([worst])} alone would put it {ordinal(int(ranks[worst]))}."
    return f"{text}; {'every head alone would put it there or higher' if rank > 1 else 'every head alone agrees'}."


def ordinal(n: int) -> str:
    """'first' to 'tenth', then '11th', '42nd', '1,003rd'."""
    words = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
    if 1 <= n <= len(words):
        return words[n - 1]
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"


def _heads(heads: Sequence[int] | np.ndarray) -> str:
    """'head 2', 'heads 2 and 4', in their own order."""
    numbers = [str(h + 1) for h in sorted(heads)]
    return f"head{'s' if len(numbers) > 1 else ''} {_listed(numbers)}"


def _listed(parts: Sequence[str], last: str = "and") -> str:
    return f" {last} ".join([*([", ".join(parts[:-1])] if len(parts) > 1 else []), *parts[-1:]])


def _signed(x: float) -> str:
    return _number(x, "+").replace("-", "−")


def _number(x: float, sign: str = "") -> str:
    """Two decimals, or one figure where those would say nothing."""
    shown = f"{x:{sign}.2f}"
    return shown if float(shown) or not x else f"{x:{sign}.1g}"


# --- shared


class Standing(NamedTuple):
    """How one item stands in each of M runs."""

    score: np.ndarray  # [m]
    lead: np.ndarray  # score − mean score of the candidates, NaN where there are none [m]
    heads: np.ndarray  # s_h [m h]
    shares: np.ndarray  # g_h·s_h [m h]
    rank: np.ndarray  # [m]


def _standing(model: FAME, gate: Tensor, F: Tensor, target: int, candidate: np.ndarray) -> Standing:
    """How `target` stands under M gates [m h] and states [m h k]."""
    by_head = torch.einsum("mhk,hkd->mhd", F, model.facets.W_f)
    heads = _array(by_head @ model.items.weight[target])
    scores = _array(model.score(torch.einsum("mh,mhd->md", gate, by_head)))
    score = scores[:, target]
    mean = scores[:, candidate].mean(axis=1, dtype=np.float64) if candidate.any() else np.nan
    lead = score - mean
    return Standing(score, lead, heads, _array(gate) * heads, _rank(scores, target, candidate))


def _rank(scores: np.ndarray, row: int, candidate: np.ndarray) -> np.ndarray:
    """The rank of one row among the candidates and itself, in each of [… v] scores."""
    own = scores[..., row, None]
    better = (scores > own) | ((scores == own) & (np.arange(scores.shape[-1]) < row))
    return 1 + (better & candidate).sum(axis=-1)


def _candidates(V: int, history: np.ndarray | Sequence[int]) -> np.ndarray:
    """Which rows may be recommended: bool [V], all but padding and the history."""
    candidate = np.ones(V, bool)
    candidate[0] = False
    candidate[np.asarray(history, np.int64)] = False
    return candidate


def _places(ranking: np.ndarray, rows: np.ndarray, V: int) -> np.ndarray:
    """The ranks of `rows` in a ranking, NaN where they are not in it."""
    place = np.full(V, np.nan)
    place[ranking] = np.arange(1, len(ranking) + 1)
    return place[rows]


def _facts(catalogue: Catalogue, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {"row": rows, "item_id": catalogue.item_id[rows], "title": catalogue.title[rows]}


def _rows(rows: Iterable[int], V: int) -> np.ndarray:
    """The rows as int64, checked to be in the catalogue."""
    wanted = np.asarray(list(rows))
    if wanted.size and wanted.dtype.kind not in "iu":
        raise FameError(f"rows are {wanted.dtype}; expected whole numbers")
    if (bad := wanted[(wanted < 1) | (wanted >= V)]).size:
        raise FameError(f"row {bad[0]} is not in the catalogue; rows are 1 to {V - 1}")
    return wanted.astype(np.int64)


def _history(model: FAME, catalogue: Catalogue, rows: History) -> np.ndarray:
    """The history as int64 [T], checked against the model and the catalogue."""
    if model.config.variant != "fame":
        raise FameError(f"this model is a plain {model.config.variant}; it has no heads to trace")
    if model.training:
        raise FameError("the model is in training mode, where dropout is random; call model.eval() first")
    if len(catalogue) != model.config.n_rows:
        raise FameError(
            f"the catalogue has {catalogue.n_items} items and the model {model.config.n_items}; "
            "give the catalogue that the model was trained on"
        )
    history = np.asarray(rows)
    if not history.size:
        raise FameError("the history is empty; give at least one item")
    if history.ndim != 1:
        raise FameError(f"the history is an array {list(history.shape)}; expected a plain list of rows")
    return _rows(history, len(catalogue))


def _array(x: Tensor) -> np.ndarray:
    return x.float().cpu().numpy()


# --- the merge under another gate


ADDS_UP = 1e-4  # how far float32 rounding may take Σ_h g_h·s_h(v) from s(v); scores are of the order of 10


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
    film: int | None = None,
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
    extra = _rows([] if film is None else [film], V)
    parts = {"list": top, "left": left, "chosen": extra[~np.isin(extra, [*top, *left])]}
    rows = np.concatenate(list(parts.values()))
    shares = relative_shares(after, rows, exclude_history) if relative else after.shares(rows).astype(np.float64)
    table = pd.DataFrame(
        {
            "part": np.repeat(list(parts), [len(part) for part in parts.values()]),
            **_facts(after.catalogue, rows),
            "year": after.catalogue.year[rows],
            "rank": pd.array(_places(new, rows, V), dtype="Int64"),
            "old_rank": pd.array(_places(old, rows, V), dtype="Int64"),
            **{f"head_{h + 1}": share for h, share in enumerate(shares)},
            "sum": shares.sum(axis=0),
        }
    )
    table.insert(7, "move", table["old_rank"] - table["rank"])
    return table


# --- experts in words


NEAR_UNIFORM = 0.95  # relative entropy above which a router hardly chooses
ALL_TO_ONE = 0.95  # weight above which one expert has it all


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
            **_facts(trace.catalogue, trace.items),
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


def say_router(trace: Trace, head: int) -> str:
    """One sentence on how the router of a head, from 0, weighs its experts at the last step."""
    beta, even = trace.router[-1, head], float(router_entropy(trace)[-1, head])
    who, best, flag = f"The router of head {head + 1}", int(beta.argmax()), router_flag(trace, head)
    if flag == "one expert":
        return f"In this model head {head + 1} has one expert, so that its router has nothing to choose."
    if flag == "near uniform":
        return f"{who} is near uniform (entropy {even:.2f} of 1): it hardly chooses between its {len(beta)} experts."
    if flag:
        return f"{who} gives all but everything to expert {best + 1} ({beta[best]:.0%}, entropy {even:.2f} of 1)."
    order = np.argsort(-beta, kind="stable")
    fewest = order[: 1 + int((np.cumsum(beta[order]) < 0.6).sum())]
    named = _listed([f"expert {n + 1} ({beta[n]:.0%})" for n in fewest if n == best or beta[n] > 1 / len(beta)])
    return f"{who} leans on {named}; its entropy is {even:.2f} of 1."


def say_attention(trace: Trace, head: int, target: int, effects: Sequence[float] | np.ndarray, of: str) -> str:
    """One sentence on where a head, from 0, looked at the last step, beside what the items of the history add.

    effects: [T], what each item adds to something of the item of row `target`: how far that falls without it, as
        measured by `leave_one_out`; missing where there is one item.   of: what was measured, as in 'the score'.
    """
    noun, label = trace.catalogue.noun, trace.catalogue.label
    names = [label(row) for row in trace.items]
    mix, added = trace.mixed_attention[head, -1], np.asarray(effects, np.float64)
    looked = int(mix.argmax())
    if len(names) == 1:
        return f"With one {noun}, {names[0]}, there is nowhere else to look, and the only {noun} cannot be left out."
    text = f"At the last step head {head + 1} gave {mix[looked]:.0%} of its attention to {names[looked]}"
    if not np.isfinite(added).all() or not added.any():
        return f"{text}."
    most = int(np.abs(added).argmax())
    who = f"and that same {noun}" if most == looked else f"but {names[most]}"
    does = "adds most to" if added[most] > 0 else "takes most from"
    return f"{text}, {who} {does} {of} of {label(target)} ({_signed(float(added[most]))}), measured by leaving it out."


def say_gate_turn(trace: Trace) -> str:
    """One sentence on the item that moved the gate most along the history, or on why none did."""
    turn, (T, H), change = journey(trace).gate_turn, trace.gate.shape, trace.intervention
    if T == 1:
        return f"With one {trace.catalogue.noun} there is only one step, so that nothing has moved yet."
    if turn is None:
        if H == 1:
            return "With one head the gate has nothing to weigh: it is 100% at every step."
        if change.gate is not None:
            return "The gate was set by hand, the same at every step."
        if len(change.heads_off) == H - 1:
            return "Only one head is switched on, so that the gate is the same at every step."
        return "The gate stayed the same at every step."
    old, new = trace.gate[turn - 2], trace.gate[turn - 1]
    h = int(np.abs(new - old).argmax())
    name = trace.catalogue.label(trace.items[turn - 1])
    return f"{name}, step {turn}, moved the gate most: head {h + 1} went from {old[h]:.0%} to {new[h]:.0%}."


def say_router_turn(trace: Trace, head: int) -> str:
    """One sentence on the item that moved the router of a head, from 0, most; empty where nothing could move."""
    turn = journey(trace).router_turns[head]
    if turn is None:
        return ""
    old, new = trace.router[turn - 2, head], trace.router[turn - 1, head]
    n = int(np.abs(new - old).argmax())
    name = trace.catalogue.label(trace.items[turn - 1])
    return (
        f"{name}, step {turn}, moved the router of head {head + 1} most: expert {n + 1} went "
        f"from {old[n]:.0%} to {new[n]:.0%}."
    )
