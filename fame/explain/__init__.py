"""One history explained: the trace of a pass, and the measurements that a trace alone does not hold.

`measure` runs the model, `read` makes tables of a trace, `say` makes sentences of both.

Letters as in `fame.model`: b batch, m variant, t and s positions, h head, n expert, d and k widths, v item row.
Arguments and arrays count heads, experts and positions from 0; tables and sentences, which people read, from 1.

A rank is an item's place, from 1, among the candidates and itself: all items but those of the history. Ties
stand in catalogue order. A *lead* is a score minus the mean score of the candidates: a constant added to all
scores moves no rank, so that only the lead, not the bare score, says how well an item stands.
"""

from fame.explain.applied import Applied, apply_changes, carried
from fame.explain.changes import (
    MAX_CHANGES,
    Add,
    Change,
    ExpertOff,
    Gate,
    HeadOff,
    Model,
    Move,
    Remove,
    Replace,
    Router,
    added,
    changes_text,
    read_changes,
)
from fame.explain.compare import (
    Listing,
    held,
    list_overlap,
    most_moved,
    moves,
    moves_table,
    rank_biased_overlap,
    rank_changes,
    say_changes,
    say_score,
    score_change,
)
from fame.explain.preferences import Again, Preference, preferences, say_parts, say_preference, say_recurring, say_split
from fame.explain.reruns import Effect, effect, expert_effects, final_list, leave_one_out, trace
from fame.explain.sentences import Beats, beats, say_attention, say_gate_turn, say_rank, say_router, say_router_turn
from fame.explain.smallest import Found, Search, say_found, say_search, search_changes, smallest_change
from fame.explain.tables import (
    ADDS_UP,
    Journey,
    additivity,
    attention_table,
    head_ranks,
    journey,
    merge_table,
    regate,
    relative_parts,
    relative_shares,
    router_entropy,
    router_flag,
)
from fame.explain.wishes import Wish, read_wish

__all__ = [
    "ADDS_UP",
    "MAX_CHANGES",
    "Add",
    "Again",
    "Applied",
    "Beats",
    "Change",
    "Effect",
    "ExpertOff",
    "Found",
    "Gate",
    "HeadOff",
    "Journey",
    "Listing",
    "Model",
    "Move",
    "Preference",
    "Remove",
    "Replace",
    "Router",
    "Search",
    "Wish",
    "added",
    "additivity",
    "apply_changes",
    "attention_table",
    "beats",
    "carried",
    "changes_text",
    "effect",
    "expert_effects",
    "final_list",
    "head_ranks",
    "held",
    "journey",
    "leave_one_out",
    "list_overlap",
    "merge_table",
    "most_moved",
    "moves",
    "moves_table",
    "preferences",
    "rank_biased_overlap",
    "rank_changes",
    "read_changes",
    "read_wish",
    "regate",
    "relative_parts",
    "relative_shares",
    "router_entropy",
    "router_flag",
    "say_attention",
    "say_changes",
    "say_found",
    "say_gate_turn",
    "say_parts",
    "say_preference",
    "say_rank",
    "say_recurring",
    "say_router",
    "say_router_turn",
    "say_score",
    "say_search",
    "say_split",
    "score_change",
    "search_changes",
    "smallest_change",
    "trace",
]
