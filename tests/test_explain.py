"""What is said of one history is what running the model says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fame import explain, plots
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.cli import main as cli
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.model import FAME
from fame.text import ordinal
from fame.trace import Intervention, Trace

CONFIG = FAMEConfig(n_items=20, max_len=6, d_model=12, n_heads=3, n_experts=4, n_layers=2)
CATALOGUE = Catalogue.from_frame(pd.DataFrame({"item_id": [f"i{n}" for n in range(1, 21)]}))
CLOSE = {"atol": 2e-5, "rtol": 1e-4}
history = st.lists(st.integers(1, 20), min_size=1, max_size=9)


def network(config: FAMEConfig = CONFIG, scale: float = 12) -> FAME:
    """Weights at random, large enough that heads disagree and gate and router are far from even."""
    torch.manual_seed(3)
    model = FAME(config).eval()
    with torch.no_grad():
        model.items.weight.mul_(scale)
        model.facets.gate.weight.mul_(30)
        model.facets.W_exp.mul_(30)
    return model


MODEL = network()
ALL_THREE = network(replace(CONFIG, head_width=12, facet_mlp=2, anchors=1.0))  # wide heads, facet MLP, anchors
FORMS = pytest.mark.parametrize("model", [MODEL, ALL_THREE], ids=["paper", "all three"])
ONE = network(replace(CONFIG, n_heads=1, n_experts=1, n_layers=1))


def run(rows: list[int], model: FAME = MODEL, **intervention: object) -> Trace:
    return explain.trace(model, CATALOGUE, rows, Intervention(**intervention))  # type: ignore[arg-type]


def rank(trace: Trace, row: int) -> int:
    return trace.ranking().tolist().index(row) + 1


# --- trace


@given(history)
def test_a_trace_adds_up(rows: list[int]) -> None:
    t = run(rows)
    assert t.items.tolist() == rows[-6:]
    assert t.dropped == max(0, len(rows) - 6)
    np.testing.assert_allclose(t.shares(np.arange(1, 21)).sum(axis=0), t.scores[1:], **CLOSE)
    np.testing.assert_allclose(np.einsum("thn,thnk->thk", t.router, t.expert_out), t.f, **CLOSE)
    for scores in (t.scores, t.head_scores, t.expert_scores):
        assert (scores[..., 0] == -np.inf).all() and np.isfinite(scores[..., 1:]).all()


@given(history, st.integers(0, 2), st.integers(0, 3))
def test_an_experts_scores_are_its_heads_under_it_alone(rows: list[int], h: int, n: int) -> None:
    alone = run(rows, router=((h, tuple(np.eye(4)[n])),))
    np.testing.assert_allclose(run(rows).expert_scores[h, n, 1:], alone.head_scores[h, 1:], **CLOSE)


@pytest.mark.parametrize(
    "rows, message",
    [
        ([], "the history is empty"),
        ([0], "row 0 is not in the catalogue; rows are 1 to 20"),
        ([3, 21], "row 21 is not in the catalogue"),
        ([[1, 2]], "expected a plain list of rows"),
        ([1.5], "expected whole numbers"),
    ],
)
def test_a_history_is_checked(rows: list[int], message: str) -> None:
    with pytest.raises(FameError, match=message):
        explain.trace(MODEL, CATALOGUE, rows)


def test_only_a_fame_model_at_rest_is_traced() -> None:
    with pytest.raises(FameError, match="plain sasrec; it has no heads to trace"):
        explain.trace(FAME(replace(CONFIG, variant="sasrec")).eval(), CATALOGUE, [1])
    with pytest.raises(FameError, match=r"training mode, .* call model\.eval"):
        explain.trace(FAME(CONFIG), CATALOGUE, [1])
    with pytest.raises(FameError, match="catalogue has 20 items and the model 19"):
        explain.trace(FAME(replace(CONFIG, n_items=19)).eval(), CATALOGUE, [1])


# --- leave one out


@FORMS
@pytest.mark.parametrize("held", [False, True])
@given(rows=st.lists(st.integers(1, 20), min_size=2, max_size=8), target=st.integers(1, 20))
def test_leaving_out_is_running_without(model: FAME, rows: list[int], target: int, held: bool) -> None:
    table = explain.leave_one_out(model, CATALOGUE, rows, target, hold_gate=held)
    kept, t = rows[-6:], run(rows, model)
    assert table["row"].tolist() == kept
    candidate = np.isin(np.arange(21), [0, *rows], invert=True)
    for i in range(len(kept)):
        without = run(kept[:i] + kept[i + 1 :], model)
        gate = t.gate[-1] if held else without.gate[-1]
        scores = np.r_[-np.inf, gate @ without.head_scores[:, 1:]]
        np.testing.assert_allclose(table["effect"][i], t.scores[target] - scores[target], **CLOSE)
        np.testing.assert_allclose(
            table["lead_effect"][i],
            t.scores[target] - t.scores[candidate].mean() - (scores[target] - scores[candidate].mean()),
            **CLOSE,
        )
        for h in range(3):
            s, s_without = t.head_scores[h, target], without.head_scores[h, target]
            np.testing.assert_allclose(table[f"s_{h + 1}"][i], s - s_without, **CLOSE)
            np.testing.assert_allclose(table[f"share_{h + 1}"][i], t.gate[-1, h] * s - gate[h] * s_without, **CLOSE)
        assert table["rank_without"][i] == 1 + (scores[candidate] > scores[target]).sum()
    np.testing.assert_allclose(table.filter(like="share_").sum(axis=1), table["effect"], **CLOSE)


def test_the_only_item_cannot_be_left_out() -> None:
    table = explain.leave_one_out(MODEL, CATALOGUE, [4], target=7)
    assert len(table) == 1
    assert table["rank"][0] == rank(run([4]), 7)
    assert table.drop(columns=["position", "row", "item_id", "title", "rank"]).isna().all(axis=None)


def test_leaving_out_under_an_intervention() -> None:
    off = Intervention(heads_off=(1,))
    table = explain.leave_one_out(MODEL, CATALOGUE, [4, 9, 2], 7, off)
    expected = explain.trace(MODEL, CATALOGUE, [4, 9, 2], off).scores[7]
    expected -= explain.trace(MODEL, CATALOGUE, [4, 2], off).scores[7]
    np.testing.assert_allclose(table["effect"][1], expected, **CLOSE)
    assert (table["share_2"] == 0).all()


# --- experts


@FORMS
@given(rows=history, target=st.integers(1, 20))
def test_expert_effects_are_intervention_runs(model: FAME, rows: list[int], target: int) -> None:
    table = explain.expert_effects(model, CATALOGUE, rows, target)
    assert len(table) == 3 * 4 * 4 and not table.isna().any(axis=None)
    natural = run(rows, model)
    candidate = np.isin(np.arange(21), [0, *natural.seen], invert=True)
    for case in table.sample(8, random_state=len(rows)).itertuples():
        h, n = case.head - 1, case.expert - 1
        changed = run(
            rows,
            model,
            hold_gate=case.gate == "held",
            **({"router": ((h, tuple(np.eye(4)[n])),)} if case.run == "alone" else {"experts_off": ((h, n),)}),
        )
        np.testing.assert_allclose(case.score, changed.scores[target], **CLOSE)
        np.testing.assert_allclose(case.effect, natural.scores[target] - changed.scores[target], **CLOSE)
        np.testing.assert_allclose(case.lead, case.score - changed.scores[candidate].mean(), **CLOSE)
        np.testing.assert_allclose(case.head_score, changed.head_scores[h, target], **CLOSE)
        np.testing.assert_allclose(case.router, natural.router[-1, h, n], **CLOSE)
        assert case.rank == 1 + (changed.scores[candidate] > changed.scores[target]).sum()


def test_one_expert_alone_is_the_head_itself() -> None:
    table = explain.expert_effects(ONE, CATALOGUE, [3, 1], 5)
    assert table["run"].tolist() == ["alone", "alone"]
    np.testing.assert_allclose(table["effect"], 0, atol=1e-6)


# --- what if


def test_an_effect_holds_both_gates() -> None:
    e = explain.effect(MODEL, CATALOGUE, [3, 1, 8], Intervention(experts_off=((0, 1),)))
    np.testing.assert_array_equal(e.held.gate, e.natural.gate)
    assert np.abs(e.recomputed.gate[-1] - e.natural.gate[-1]).max() > 1e-4
    assert e.gates()["held"].tolist() == e.natural.gate[-1].tolist()
    assert e.gates()["recomputed"].tolist() == e.recomputed.gate[-1].tolist()
    for held, after in ((True, e.held), (False, e.recomputed)):
        assert e.overlap(held, k=5) == len(set(e.natural.top(5).row) & set(after.top(5).row))
        moved = e.changes(held, k=5)
        assert set(moved["row"]) == set(e.natural.top(5).row) | set(after.top(5).row)
        for case in moved.itertuples():
            assert (case.rank, case.old_rank) == (rank(after, case.row), rank(e.natural, case.row))
            assert case.move == case.old_rank - case.rank


def test_nothing_changed_moves_nothing() -> None:
    e = explain.effect(MODEL, CATALOGUE, [3, 1, 8], Intervention())
    assert (e.changes()["move"] == 0).all() and e.overlap() == 10


def test_ranks_between_two_histories() -> None:
    """An item of a history is no candidate there: it has no rank, and no arrow."""
    before, after = run([3, 1]), run([3, 1, run([3, 1]).ranking()[0]])
    table = explain.rank_changes(before, after, k=3).set_index("row")
    gone = before.ranking()[0]
    assert pd.isna(table.loc[gone, "rank"]) and table.loc[gone, "old_rank"] == 1 and pd.isna(table.loc[gone, "move"])


# --- read from a trace


@given(history)
def test_relative_shares_add_up_to_the_lead(rows: list[int]) -> None:
    t = run(rows)
    candidates = t.ranking()
    c = explain.relative_shares(t, candidates)
    np.testing.assert_allclose(c.sum(axis=0), t.scores[candidates] - t.scores[candidates].mean(), **CLOSE)
    np.testing.assert_allclose(c.mean(axis=1), 0, atol=1e-6)
    shifted = replace(t, head_scores=t.head_scores + np.array([[5], [-3], [0]], np.float32))
    np.testing.assert_allclose(explain.relative_shares(shifted, candidates), c, atol=1e-4)


@given(history)
def test_head_ranks_are_each_heads_ranking(rows: list[int]) -> None:
    t = run(rows)
    candidates = t.ranking()
    ranks = explain.head_ranks(t, candidates)
    for h in range(3):
        assert candidates[np.argsort(ranks[h])].tolist() == t.ranking(head=h).tolist()
    assert explain.head_ranks(t, t.items).min() >= 1
    everything = explain.head_ranks(t, range(1, 21), exclude_history=False)
    for h in range(3):
        assert (1 + np.argsort(everything[h])).tolist() == t.ranking(head=h, exclude_history=False).tolist()


def test_ranks_break_ties_in_catalogue_order() -> None:
    level = replace(run([3]), head_scores=np.zeros((3, 21), np.float32), scores=np.zeros(21, np.float32))
    assert explain.head_ranks(level, [1, 2, 4, 20]).tolist() == [[1, 2, 3, 19]] * 3


def test_router_entropy_by_hand() -> None:
    t = run([3, 1])
    router = np.zeros((2, 3, 4), np.float32)
    router[0] = [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4]
    router[1] = router[0]
    entropy = explain.router_entropy(replace(t, router=router))
    np.testing.assert_allclose(entropy, [[0, 0.5, 1]] * 2, atol=1e-6)
    assert not np.signbit(entropy).any()
    assert explain.router_entropy(explain.trace(ONE, CATALOGUE, [3, 1])).tolist() == [[0], [0]]


def test_the_journey_by_hand() -> None:
    gate = np.array([[0.5, 0.3, 0.2], [0.1, 0.7, 0.2], [0.2, 0.6, 0.2]], np.float32)
    router = np.tile(np.eye(4, dtype=np.float32)[0], (3, 3, 1))
    router[2, 1] = [0, 0.5, 0.5, 0]
    j = explain.journey(replace(run([3, 1, 8]), gate=gate, router=router))
    np.testing.assert_allclose(j.table["gate_move"], [np.nan, 0.4, 0.1], atol=1e-6)
    np.testing.assert_allclose(j.table["router_move_2"], [np.nan, 0, 1], atol=1e-6)
    np.testing.assert_allclose(j.table["router_entropy_2"], [0, 0, 0.5], atol=1e-6)
    np.testing.assert_array_equal(j.table[[f"router_2_{n}" for n in range(1, 5)]], router[:, 1])
    assert j.table["item_id"].tolist() == ["i3", "i1", "i8"]
    assert (j.gate_turn, j.router_turns) == (2, (None, 3, None))
    assert explain.journey(run([3])).gate_turn is None


@given(st.lists(st.integers(1, 20), min_size=2, max_size=8))
def test_the_journey_is_the_traces_of_the_prefixes(rows: list[int]) -> None:
    table = explain.journey(run(rows)).table
    kept = rows[-6:]
    for t in range(len(kept)):
        prefix = run(kept[: t + 1])
        np.testing.assert_allclose([table[f"gate_{h + 1}"][t] for h in range(3)], prefix.gate[-1], **CLOSE)
        entropy = explain.router_entropy(prefix)[-1]
        np.testing.assert_allclose([table[f"router_entropy_{h + 1}"][t] for h in range(3)], entropy, atol=1e-4)


# --- sentences


def spoken(gate: list[float], head_scores: list[list[float]]) -> Trace:
    """A trace of history [20] with these scores of items 1, 2, …; all others get 0."""
    s = np.zeros((len(gate), 21), np.float32)
    s[:, 1 : len(head_scores[0]) + 1] = head_scores
    g = np.array([gate], np.float32)
    return replace(run([20]), gate=g, head_scores=s, scores=(g @ s)[0], items=np.array([20], np.int32))


def test_beats_is_the_margin_by_head() -> None:
    t = spoken([0.5, 0.25, 0.25], [[2, 1], [1, 3], [3, 0]])
    b = explain.beats(t, 1, 2)
    assert b.margin == pytest.approx(t.scores[1] - t.scores[2]) == pytest.approx(0.75)
    assert b.table["share"].tolist() == pytest.approx([0.5, -0.5, 0.75])
    assert b.table["margin_without"].tolist() == pytest.approx([0.25, 1.25, 0.0])
    assert b.table["without"].tolist() == ["wins", "wins", "level"]
    names = b.table[["winner_id", "winner_title", "loser_id", "loser_title"]].drop_duplicates()
    assert names.to_numpy().tolist() == [["i1", "i1", "i2", "i2"]]
    assert b.sentence == (
        "i1 beats i2 by 0.75: head 3 (+0.75) and head 1 (+0.50) for it, head 2 (−0.50) against it. "
        "Without head 3 the two would stand level."
    )
    other_way = explain.beats(t, 2, 1)
    assert other_way.sentence == b.sentence and other_way.margin == b.margin
    pd.testing.assert_frame_equal(other_way.table, b.table)
    assert explain.beats(spoken([0.8, 0.2, 0], [[2, 1], [1, 3], [0, 0]]), 1, 2).sentence == (
        "i1 beats i2 by 0.40: head 1 (+0.80) for it, head 2 (−0.40) against it. Without head 1 i2 would win."
    )
    assert explain.beats(spoken([0.5, 0.5, 0], [[2, 1], [3, 1], [0, 0]]), 1, 2).sentence == (
        "i1 beats i2 by 1.50: head 2 (+1.00) and head 1 (+0.50) for it. It would win whichever head were left out."
    )
    assert explain.beats(t, 3, 4).sentence == "i3 and i4 have the same score."


def test_sentence_and_bar_show_one_number_however_small() -> None:
    t = spoken([0.5, 0.5, 0], [[2, 1], [1, 1.0008], [0, 0]])
    told = explain.beats(t, 1, 2)
    assert "head 2 (−0.0004) against it" in told.sentence
    data = plots.beats(t, rows=(1, 2)).data
    assert [bar["said"] for bar in (*data["heads"], data["sum"])] == ["+0.500", "−0.0004", "0.000", "+0.500"]


def test_a_small_difference_is_not_said_to_be_none() -> None:
    told = explain.beats(spoken([0.5, 0.25, 0.25], [[1.006, 1], [1, 1], [1, 1.004]]), 1, 2).sentence
    assert told.startswith("i1 beats i2 by 0.002: head 1 (+0.003) for it, head 3 (−0.001) against it.")


@given(history, st.integers(1, 20), st.integers(1, 20))
def test_who_wins_without_a_head_is_who_wins_without_it(rows: list[int], a: int, b: int) -> None:
    told = explain.beats(run(rows), a, b)
    table, a, b = told.table, told.winner, told.loser
    for h in range(3):
        without = run(rows, heads_off=(h,), hold_gate=False)
        gate = np.delete(run(rows).gate[-1], h)
        margin = gate @ np.delete(without.head_scores[:, a] - without.head_scores[:, b], h)
        np.testing.assert_allclose(table["margin_without"][h], margin, atol=1e-5)
        recomputed = float(without.scores[a] - without.scores[b])
        if abs(recomputed) > 1e-3:
            assert table["without"][h] == ("wins" if recomputed > 0 else "loses")


def test_a_sentence_on_the_rank_by_hand() -> None:
    # Item 1 is first; heads 1 and 2 want it, head 3 wants items 2 and 3 more.
    t = spoken([0.4, 0.4, 0.2], [[4, 0, 0], [3, 0, 0], [1, 5, 4]])
    assert explain.say_rank(t, 1) == (
        "i1 is first: head 1 (gate 40%) and head 2 (gate 40%) account for 97% of its lead over the average candidate; "
        "head 3 alone would put it third."
    )
    named = explain.say_rank(t, 1, names=["genres", "", ""])
    assert named.startswith("i1 is first: head 1 (genres, gate 40%) and head 2 (gate 40%) account for 97% of ")
    assert explain.say_rank(t, 20) == "i20 is in the history, and what has been seen is not recommended again."
    assert explain.say_rank(t, 20, exclude_history=False).startswith("i20 is 20th, ")
    with pytest.raises(FameError, match="row 21 is not in the catalogue"):
        explain.say_rank(t, 21)


def test_a_sentence_names_who_speaks_against() -> None:
    t = spoken([0.5, 0.25, 0.25], [[4, 0], [-2, 0], [0, 0]])
    assert explain.say_rank(t, 1) == (
        "i1 is first: head 1 (gate 50%) accounts for 100% of its support, head 2 speaks against it; "
        "head 2 alone would put it 19th."
    )
    assert explain.say_rank(spoken([0.5, 0.5, 0], [[-4], [0], [0]]), 1) == (
        "i1 is 19th, 1.89 below the average candidate: head 1 holds it down most (−1.89); "
        "head 2 alone would put it first."
    )


def test_a_sentence_leaves_out_heads_without_a_say() -> None:
    # Head 3 alone would put item 1 last, and is off.
    scores = [[4, 0], [3, 0], [-9, 0]]
    assert explain.say_rank(spoken([0.5, 0.5, 0], scores), 1) == (
        "i1 is first: head 1 (gate 50%) and head 2 (gate 50%) account for 100% of its lead over the average candidate; "
        "alone, every head with a say agrees."
    )
    assert explain.say_rank(spoken([1, 0, 0], scores), 1) == (
        "i1 is first: head 1, the only one with a say, puts it +3.79 above the average candidate."
    )
    assert explain.say_rank(spoken([0, 0, 1], scores), 1) == (
        "i1 is 19th: head 3, the only one with a say, puts it −8.53 from the average candidate."
    )


def test_a_sentence_on_the_only_candidate() -> None:
    t = run([*range(1, 20)])
    assert t.ranking().tolist() == [20]
    assert explain.say_rank(t, 20) == "i20 is first: no other is left to recommend."


@given(history)
def test_every_item_gets_a_true_sentence(rows: list[int]) -> None:
    t = run(rows)
    for row in t.ranking()[[0, 1, -1]].tolist():
        text = explain.say_rank(t, row)
        assert text.startswith(f"i{row} is {ordinal(rank(t, row))}") and text.endswith(".")
        c = explain.relative_shares(t, [row])[:, 0]
        if found := re.search(r"(heads? [^;]+) carr(?:y|ies) (\d+)%", text):
            heads = [int(n) - 1 for n in re.findall(r"\d+", re.sub(r"\(.*?\)", "", found[1]))]
            assert (c[heads] > 0).all()
            assert round(100 * c[heads].sum() / c[c > 0].sum()) == int(found[2]) >= 60
        if found := re.search(r"head (\d) alone would put it (\w+)", text):
            assert ordinal(int(explain.head_ranks(t, [row])[int(found[1]) - 1, 0])) == found[2]
        assert explain.say_rank(explain.trace(ONE, CATALOGUE, rows), row).count("the only head") == 1


# --- the merge under another gate


some_gate = st.none() | st.lists(st.floats(0.01, 1), min_size=3, max_size=3)


@given(history, some_gate, st.sets(st.integers(0, 2), max_size=2))
def test_another_gate_needs_no_run(rows: list[int], gate: list[float] | None, off: set[int]) -> None:
    changed = run(rows, gate=None if gate is None else tuple(gate), heads_off=tuple(off))
    merged = explain.regate(run(rows), gate, off)
    np.testing.assert_allclose(merged.gate, changed.gate, **CLOSE)
    np.testing.assert_allclose(merged.scores, changed.scores, **CLOSE)
    assert merged.intervention == changed.intervention
    assert explain.additivity(merged, changed) < explain.ADDS_UP


def test_another_gate_beside_what_is_changed_already() -> None:
    change: dict[str, object] = {"experts_off": ((0, 1), (2, 3)), "hold_gate": True}
    for more in ({"heads_off": (1,)}, {"gate": (1.0, 2.0, 0.0)}):
        changed = run([3, 1, 8], **change, **more)
        merged = explain.regate(run([3, 1, 8], **change), **more)  # type: ignore[arg-type]
        np.testing.assert_allclose(merged.gate, changed.gate, **CLOSE)
        np.testing.assert_allclose(merged.scores, changed.scores, **CLOSE)


def test_another_gate_counts_by_its_ratios_however_large() -> None:
    np.testing.assert_allclose(
        explain.regate(run([3, 1]), [1e308, 5e307, 1e308]).gate, [[0.4, 0.2, 0.4]] * 2, rtol=1e-6
    )


def test_another_gate_is_checked() -> None:
    t = run([3, 1])
    assert explain.regate(t) is t
    with pytest.raises(FameError, match="gate has 2 weights; this model has 3 heads"):
        explain.regate(t, [1, 1])
    with pytest.raises(FameError, match="expected weights of at least 0"):
        explain.regate(t, [0, 0, 0])
    with pytest.raises(FameError, match="all 3 heads are switched off"):
        explain.regate(t, heads_off=[0, 1, 2])
    with pytest.raises(FameError, match="the gate of this trace is changed already"):
        explain.regate(run([3, 1], heads_off=(0,)), [1, 1, 1])


@given(history)
def test_every_score_is_the_sum_of_its_heads_shares(rows: list[int]) -> None:
    t = run(rows)
    assert explain.additivity(t) < explain.ADDS_UP
    wrong = t.scores.copy()
    wrong[7] += 0.5
    assert explain.additivity(replace(t, scores=wrong)) == pytest.approx(0.5, abs=1e-3)


@given(history, st.lists(st.floats(0.01, 1), min_size=3, max_size=3), st.integers(1, 20), st.booleans())
def test_the_merge_table_is_the_list_with_its_moves(rows: list[int], gate: list[float], film: int, hide: bool) -> None:
    before, after = run(rows), explain.regate(run(rows), gate)
    table = explain.merge_table(before, after, 4, film, exclude_history=hide)
    new, old = (t.ranking(exclude_history=hide).tolist() for t in (after, before))
    assert table["row"].is_unique and film in table["row"].tolist()
    assert table.query("part == 'list'")["row"].tolist() == new[:4]
    assert table.query("part == 'left'")["row"].tolist() == [r for r in old[:4] if r not in new[:4]]
    np.testing.assert_allclose(table["sum"], after.scores[table["row"]], **CLOSE)
    np.testing.assert_allclose(table[["head_1", "head_2", "head_3"]].sum(axis=1), table["sum"], **CLOSE)
    for line in table.to_dict("records"):
        if hide and line["row"] in rows:
            assert pd.isna(line["rank"]) and pd.isna(line["move"])
        else:
            assert (line["rank"], line["old_rank"]) == (new.index(line["row"]) + 1, old.index(line["row"]) + 1)
            assert line["move"] == line["old_rank"] - line["rank"]


def test_the_merge_table_against_the_average_film() -> None:
    t = run([3, 1, 8])
    table = explain.merge_table(t, t, 5, relative=True)
    np.testing.assert_allclose(table["sum"], t.scores[table["row"]] - t.scores[t.ranking()].mean(), **CLOSE)
    assert (table["move"] == 0).all()
    with pytest.raises(FameError, match="row 21 is not in the catalogue"):
        explain.merge_table(t, t, 5, row=21)


# --- experts in words


def routed(weights: list[float], steps: int = 1) -> Trace:
    """A trace of the history [3, 1, 8, …], its first head routed like this at the last step, to expert 1 before."""
    t = run([3, 1, 8][:steps])
    router = t.router.copy()
    router[:, 0] = [1, 0, 0, 0]
    router[-1, 0] = weights
    return replace(t, router=router)


@pytest.mark.parametrize(
    "weights, words",
    [
        ([0.26, 0.24, 0.25, 0.25], "is near uniform (entropy 1.00 of 1): it hardly chooses between its 4 experts."),
        ([0.01, 0.97, 0.01, 0.01], "gives nearly everything to expert 2 (97%, entropy 0.12 of 1)."),
        ([0.1, 0.7, 0.1, 0.1], "leans on expert 2 (70%); its entropy is 0.68 of 1."),
        ([0.4, 0.1, 0.45, 0.05], "leans on expert 3 (45%) and expert 1 (40%); its entropy is 0.80 of 1."),
        ([0.13, 0.16, 0.58, 0.13], "leans on expert 3 (58%); its entropy is 0.82 of 1."),
    ],
)
def test_a_sentence_on_the_router(weights: list[float], words: str) -> None:
    assert explain.say_router(routed(weights), 0) == f"The router of head 1 {words}"


def test_routers_are_flagged_where_they_hardly_choose() -> None:
    for weights, flag in (
        ([0.25] * 4, "near uniform"),
        ([0, 0, 0.96, 0.04], "all to expert 3"),
        ([0, 0.1, 0.85, 0.05], ""),
    ):
        assert explain.router_flag(routed(weights), 0) == flag


def test_the_attention_table_is_the_last_step() -> None:
    t = run([3, 1, 8])
    table = explain.attention_table(t, 2)
    assert table["title"].tolist() == ["i3", "i1", "i8"]
    np.testing.assert_allclose(table[[f"expert_{n}" for n in range(1, 5)]].T, t.attention[2, :, -1])
    np.testing.assert_allclose(table["mixed"], t.router[-1, 2] @ t.attention[2, :, -1], **CLOSE)
    with pytest.raises(FameError, match="there is no head 3; this model's heads are 0 to 2"):
        explain.attention_table(t, 3)


def test_one_expert_is_said_to_be_one() -> None:
    t = explain.trace(ONE, CATALOGUE, [3, 1])
    assert explain.router_flag(t, 0) == "one expert"
    assert explain.say_router(t, 0) == "In this model head 1 has one expert, so that its router has nothing to choose."
    assert explain.say_router_turn(t, 0) == ""
    assert explain.say_gate_turn(t) == "With one head the gate has nothing to weigh: it is 100% at every step."


def test_a_gate_that_could_not_move_is_said_to_be_so() -> None:
    assert explain.say_gate_turn(run([3, 1, 8], gate=(1.0, 2.0, 3.0))) == (
        "The gate was set by hand, the same at every step."
    )
    assert explain.say_gate_turn(run([3, 1, 8], heads_off=(0, 2))) == (
        "Only one head is switched on, so that the gate is the same at every step."
    )
    still = replace(run([3, 1]), gate=np.full((2, 3), 1 / 3, np.float32))
    assert explain.say_gate_turn(still) == "The gate stayed the same at every step."


def test_a_sentence_on_attention_beside_what_was_measured() -> None:
    t = run([3, 1, 8])
    attention = np.zeros_like(t.attention)
    attention[1, :, -1] = [0.2, 0.7, 0.1]
    t = replace(t, attention=attention)
    looked = "At the last step head 2 gave 70% of its attention to i1"
    assert explain.say_attention(t, 1, 5, [0.1, 0.3, -0.8], "the score") == (
        f"{looked}, but i8 takes most from the score of i5 (−0.80), measured by leaving it out."
    )
    assert explain.say_attention(t, 1, 5, [0.1, 0.9, 0.2], "the score") == (
        f"{looked}, and that same item adds most to the score of i5 (+0.90), measured by leaving it out."
    )
    assert explain.say_attention(t, 1, 5, [0, 0, 0], "the score") == f"{looked}."
    assert "the only item cannot be left out" in explain.say_attention(run([3]), 1, 5, [np.nan], "the score")


def test_sentences_on_what_moved_gate_and_router() -> None:
    t = routed([0, 0.75, 0.25, 0], steps=3)
    gate = np.array([[0.5, 0.3, 0.2], [0.1, 0.7, 0.2], [0.2, 0.6, 0.2]], np.float32)
    t = replace(t, gate=gate)
    assert explain.say_gate_turn(t) == "i1, step 2, moved the gate most: head 1 went from 50% to 10%."
    assert explain.say_router_turn(t, 0) == (
        "i8, step 3, moved the router of head 1 most: expert 1 went from 100% to 0%."
    )
    assert explain.say_gate_turn(run([3])) == "With one item there is only one step, so that nothing has moved yet."


def test_the_attention_sentence_says_what_leaving_one_out_measured() -> None:
    """An item whose absence lowers the score adds to it: one sign in the table, the sentence and the pictures."""
    t = run([3, 1, 8])
    effects = explain.leave_one_out(MODEL, CATALOGUE, [3, 1, 8], 5)["effect"].to_numpy()
    kept = [[1, 8], [3, 8], [3, 1]]
    fallen = [float(t.scores[5] - run(rows).scores[5]) for rows in kept]
    np.testing.assert_allclose(effects, fallen, **CLOSE)
    most = int(np.abs(effects).argmax())
    said = explain.say_attention(t, 0, 5, effects, "the score")
    assert f"{'adds most to' if fallen[most] > 0 else 'takes most from'} the score of i5" in said


@pytest.mark.parametrize("noun", ["item", "film"])
def test_sentences_use_the_catalogues_noun(noun: str) -> None:
    t = replace(run([3, 1, 8]), catalogue=replace(CATALOGUE, noun=noun))
    one = replace(run([3]), catalogue=t.catalogue)
    attention = np.zeros_like(t.attention)
    attention[..., 0] = 1
    said = [
        explain.say_attention(replace(t, attention=attention), 0, 5, [1, 0, 0], "the score"),
        explain.say_attention(one, 0, 5, [np.nan], "the score"),
        explain.say_gate_turn(one),
    ]
    assert all(re.search(rf"\b{noun}\b", sentence) for sentence in said)
    said += [explain.say_rank(t, 5), explain.say_router(t, 0), explain.say_router_turn(t, 0), explain.say_gate_turn(t)]
    said += [explain.beats(t, 1, 2).sentence]
    assert noun == "film" or not [sentence for sentence in said if "film" in sentence]


def test_the_command_says_no_film_where_items_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Bundle("small", MODEL, CATALOGUE).save(tmp_path / "small")
    items = [f"i{n}" for n in range(1, 21)]
    cli.app(["explain", str(tmp_path / "small"), *items[:8], "-k", "3"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "The oldest 2 items did not fit; the model reads the last 6." in said and "film" not in said.lower()
    with pytest.raises(FameError, match="the history holds every item"):
        cli.app(["explain", str(tmp_path / "small"), *items], standalone_mode=False)
