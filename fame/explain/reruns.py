"""Measured by running the model: the trace of a pass, and what changes when something is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.explain.compare import Listing, rank_changes
from fame.explain.tables import candidates, checked, facts, rank_of
from fame.model import FAME, Pass, mix
from fame.trace import NOTHING, Intervention, Trace

__all__ = ["Effect", "effect", "expert_effects", "final_list", "leave_one_out", "trace"]

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
            head_scores=_array(model.head_scores(p.F[0, -1])),
            scores=_array(model.score(p.query[0, -1])),
            expert_queries=_queries(model, _alone(model, p.expert_out[0, -1], p.residual[0, -1])),
            table=model.table().detach().cpu().numpy(),
            older=history[:-T].astype(np.int32),
            part_queries=_parts(model, p),
        )


def _alone(model: FAME, O: Tensor, residual: Tensor) -> Tensor:
    """F with the router on each expert alone: O [h n k], residual [h k] -> [h n k]."""
    H, N, _ = O.shape
    one = torch.eye(N, dtype=O.dtype, device=O.device).unsqueeze(1).expand(N, H, N)  # [case h n]
    states = model.facets.state(O.transpose(0, 1), residual)  # [case h k]
    return model.facets.prefer(states, one).transpose(0, 1)


def _parts(model: FAME, p: Pass) -> np.ndarray | None:
    """The queries of what F is the sum of at the last position, [h 1+n q], or None where experts have no anchors.

    Router weights sum to 1, so that what the anchors of a head share, their mean, adds the same whatever the router:
    it goes to the state. Of expert n is left β_n (b_n − mean), what sets it apart.
    """
    anchors = model.facets.anchors
    if anchors is None:
        return None
    assert p.state is not None and p.router is not None
    shared = anchors.mean(1)
    apart = p.router[0, -1].unsqueeze(-1) * (anchors - shared.unsqueeze(1))
    return _queries(model, torch.cat([(p.state[0, -1] + shared).unsqueeze(1), apart], 1))


def _queries(model: FAME, F: Tensor) -> np.ndarray:
    """The heads' queries in m cases, in the model's precision: [h m k] -> [h m q]."""
    return model.facets.head_queries(F.transpose(0, 1)).transpose(0, 1).cpu().numpy()


def leave_one_out(
    model: FAME,
    catalogue: Catalogue,
    rows: History,
    target: int,
    intervention: Intervention = NOTHING,
    hold_gate: bool = False,
    exclude_history: bool = True,
) -> pd.DataFrame:
    """What each item of the history does for `target`, a row: the natural run minus the run without the item.

    One batched pass of T variants of T-1 items; the items after the missing one move up by one position, and no
    older item comes in for it. Held, the gate of the whole history weighs the heads; else each variant's own does.

    One row per kept item: position, row, item_id, title; `effect` on the target's score; `lead_effect` on its
    lead; `s_1 … s_H` on each head's score; `share_1 … share_H` on each head's share g_h·s_h, which sum to
    `effect`; `rank` in the natural run and `rank_without`. The candidates, all items or all but the history's, are the
    same in all runs. The only item of a history cannot be left out: its effects and `rank_without` are missing.

    Raises:
        FameError: as `trace`, or the target is not in the catalogue.
    """
    history = _history(model, catalogue, rows)
    kept = history[-model.config.max_len :]
    [target] = checked([target], len(catalogue))
    T, H = len(kept), model.config.n_heads
    candidate = candidates(len(catalogue), history if exclude_history else [])
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
            **facts(catalogue, kept),
            "effect": whole.score - without.score,
            "lead_effect": whole.lead - without.lead,
            **{f"s_{h + 1}": (whole.heads - without.heads)[:, h] for h in range(H)},
            **{f"share_{h + 1}": (whole.shares - without.shares)[:, h] for h in range(H)},
            "rank": np.repeat(whole.rank, T),
            "rank_without": pd.array(without.rank, dtype="Int64"),
        }
    )


def expert_effects(
    model: FAME, catalogue: Catalogue, rows: History, target: int, exclude_history: bool = True
) -> pd.DataFrame:
    """Where `target`, a row, would stand with each expert alone in its head, and with all the head's others.

    Experts' shares do not add up (FFN' is not linear), so that each case is a run of its own: the head's state is
    computed again from the recorded expert outputs, the other heads' states stay, and the gate is held or
    computed again. The numbers are those of `Intervention(router=…)` and `Intervention(experts_off=…)`.

    Four rows per expert: head, expert; `router`, the expert's natural weight β; `run` ('alone' or 'without');
    `gate` ('held' or 'recomputed'); `head_score`, the head's s_h(target); `score`; `lead` and `rank` among all items,
    or all but the history's; and `effect`, the natural score minus this one. With one expert per head nothing is left
    without it: those rows are missing.

    Raises:
        FameError: as `trace`, or the target is not in the catalogue.
    """
    history = _history(model, catalogue, rows)
    kept = history[-model.config.max_len :]
    [target] = checked([target], len(catalogue))
    H, N = model.config.n_heads, model.config.n_experts
    candidate = candidates(len(catalogue), history if exclude_history else [])
    with torch.inference_mode():
        p = model(torch.from_numpy(kept).to(model.items.weight.device)[None], record=True)
        O, residual, F, g = (x[0, -1] for x in (p.expert_out, p.residual, p.F, p.gate))  # [h n k] [h k] [h k] [h]
        logits = model.facets.router_logits(O)
        one = torch.eye(N, dtype=torch.bool, device=O.device)
        kinds = {"alone": one, "without": ~one} if N > 1 else {"alone": one}
        on = torch.stack(list(kinds.values()))  # [kind expert n]
        router = logits.masked_fill(~on.unsqueeze(2), -torch.inf).softmax(-1)  # [kind expert h n]
        states = model.facets.prefer(model.facets.state(mix(router, O), residual), router)  # [kind expert h k]
        changed = F.expand(H, len(kinds), N, H, -1).clone()  # [h kind expert head k]: head h's F replaced
        changed[range(H), :, :, range(H)] = states.permute(2, 0, 1, 3)
        changed = changed.flatten(0, 2)  # [m head k]
        own = model.facets.gate_logits(changed).softmax(-1)  # [m head]
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


class Standing(NamedTuple):
    """How one item stands in each of M runs."""

    score: np.ndarray  # [m]
    lead: np.ndarray  # score − mean score of the candidates, NaN where there are none [m]
    heads: np.ndarray  # s_h [m h]
    shares: np.ndarray  # g_h·s_h [m h]
    rank: np.ndarray  # [m]


def _standing(model: FAME, gate: Tensor, F: Tensor, target: int, candidate: np.ndarray) -> Standing:
    """How `target` stands under M gates [m h] and states [m h k]."""
    heads = _array(model.facets.head_queries(F) @ model.table()[target])
    scores = _array(model.score(model.facets.query(gate, F)))
    score = scores[:, target]
    mean = scores[:, candidate].mean(axis=1, dtype=np.float64) if candidate.any() else np.nan
    lead = score - mean
    return Standing(score, lead, heads, _array(gate) * heads, rank_of(scores, target, candidate))


def final_list(model: FAME, catalogue: Catalogue, rows: History) -> Listing:
    """What a model recommends after a history, one without heads too: the final scores and nothing inside.

    Raises:
        FameError: as `trace`, but for a model that has no heads.
    """
    history = _history(model, catalogue, rows, heads=False)
    kept = history[-model.config.max_len :]
    with torch.inference_mode():
        query = model(torch.from_numpy(kept).to(model.items.weight.device)[None]).query[0, -1]
        return Listing(catalogue, history.astype(np.int32), _array(model.score(query)))


def _history(model: FAME, catalogue: Catalogue, rows: History, heads: bool = True) -> np.ndarray:
    """The history as int64 [T], checked against the model, which is to have heads, and the catalogue."""
    if heads and model.config.variant != "fame":
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
    return checked(history, len(catalogue))


def _array(x: Tensor) -> np.ndarray:
    return x.float().cpu().numpy()
