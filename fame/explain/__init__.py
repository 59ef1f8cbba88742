"""One history explained: the trace of a pass, and the measurements that a trace alone does not hold.

`measure` runs the model, `read` makes tables of a trace, `say` makes sentences of both.

Letters as in `fame.model`: b batch, m variant, t and s positions, h head, n expert, d and k widths, v item row.
Arguments and arrays count heads, experts and positions from 0; tables and sentences, which people read, from 1.

A rank is an item's place, from 1, among the candidates and itself: all items but those of the history. Ties
stand in catalogue order. A *lead* is a score minus the mean score of the candidates: a constant added to all
scores moves no rank, so that only the lead, not the bare score, says how well an item stands.
"""

from fame.explain.reruns import Effect, effect, expert_effects, leave_one_out, trace
from fame.explain.sentences import Beats, beats, say_attention, say_gate_turn, say_rank, say_router, say_router_turn
from fame.explain.tables import (
    ADDS_UP,
    Journey,
    additivity,
    attention_table,
    head_ranks,
    journey,
    merge_table,
    rank_changes,
    regate,
    relative_shares,
    router_entropy,
    router_flag,
)

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
    "head_ranks",
    "journey",
    "leave_one_out",
    "merge_table",
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
