"""What if: changes as data, two runs beside each other, and the smallest change, held against brute force."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fame import explain
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.explain import Add, Change, ExpertOff, Gate, HeadOff, Model, Move, Remove, Replace, Router, Wish
from fame.model import FAME
from fame.trace import NOTHING, Intervention, Trace

CONFIG = FAMEConfig(n_items=14, max_len=6, d_model=12, n_heads=3, n_experts=2, n_layers=2)
IDS = [f"i{n}" for n in range(1, 14)] + ["a-b~c, ~"]
CATALOGUE = Catalogue.from_frame(pd.DataFrame({"item_id": IDS, "title": [f"T{n}" for n in range(1, 15)]}))
CLOSE = {"atol": 2e-5, "rtol": 1e-4}


def network(config: FAMEConfig = CONFIG, seed: int = 3) -> FAME:
    """Weights at random, large enough that heads disagree and gate and router are far from even."""
    torch.manual_seed(seed)
    model = FAME(config).eval().requires_grad_(False)
    model.items.weight.mul_(12)
    if config.variant == "fame":
        model.facets.gate.weight.mul_(30)
        model.facets.W_exp.mul_(30)
    return model


MODEL, PLAIN = network(), network(replace(CONFIG, variant="sasrec"))


def run(rows: list[int], change: Intervention = NOTHING) -> Trace:
    return explain.trace(MODEL, CATALOGUE, rows, change)


rows = st.lists(st.integers(1, 14), min_size=1, max_size=6)
item, at = st.sampled_from(IDS), st.integers(0, 8)
head, weight = st.integers(0, 2), st.floats(0, 1e300) | st.floats(0, 1)
edit = (
    st.builds(Remove, at, item) | st.builds(Replace, at, item, item) | st.builds(Move, at, item, at)
    | st.builds(Add, at, item)
)  # fmt: skip
inner = (
    st.builds(HeadOff, head) | st.builds(ExpertOff, head, st.integers(0, 1))
    | st.builds(Gate, st.tuples(weight, weight, weight).filter(any))
    | st.builds(Router, head, st.tuples(weight, weight).filter(any))
)  # fmt: skip
changes = st.lists(edit | inner | st.builds(Model, st.sampled_from(["ml-1m", "a~b-c", "ü"])), max_size=6)


def applied(
    made: list[Change] | tuple[Change, ...], history: list[int], change: Intervention = NOTHING
) -> explain.Applied:
    return explain.apply_changes(made, [IDS[row - 1] for row in history], change, CATALOGUE, CONFIG, "mine")


# --- changes


@given(changes)
def test_changes_survive_the_link(made: list[Change]) -> None:
    text = explain.changes_text(made)
    assert explain.read_changes(text) == (tuple(made), ())
    assert all(letter.isalnum() or letter in "-_.~%" for letter in text)


@pytest.mark.parametrize(
    "part",
    ["drop", "drop-0-i1", "drop-x-i1", "drop-1-", "fly-1", "gate-", "gate-0_0", "gate-nan", "router-1-1e999", "<b>"],
)
def test_a_broken_part_of_a_link_is_said_and_the_rest_kept(part: str) -> None:
    read, said = explain.read_changes(f"headoff-2~{part}~drop-1-i3")
    assert read == (HeadOff(1), Remove(0, "i3"))
    assert said == (f"The link's change “{part}” is not understood and left out.",)


def test_a_link_of_too_many_changes_keeps_the_first() -> None:
    read, said = explain.read_changes("~".join(f"add-1-i{n}" for n in range(1, 61)))
    assert len(read) == explain.MAX_CHANGES and said == ("The link holds 60 changes; the first 40 are kept.",)


def test_edits_by_hand() -> None:
    for made, expected in (
        ([Remove(1, "i1")], [3, 8]),
        ([Replace(0, "i3", "i9")], [9, 1, 8]),
        ([Move(0, "i3", 2)], [1, 8, 3]),
        ([Move(2, "i8", 0)], [8, 3, 1]),
        ([Add(1, "i5")], [3, 5, 1, 8]),
        ([Add(99, "i5"), Remove(0, "i3")], [1, 8, 5]),
        ([Replace(0, "i3", "i9"), Move(0, "i9", 1)], [1, 9, 8]),
    ):
        assert [CATALOGUE.row(i) for i in applied(made, [3, 1, 8]).history] == expected
    assert applied([Remove(2, "i3")], [3, 1, 3]).history == ("i3", "i1"), "of two the nearer one"


@given(changes, rows)
def test_b_always_stands_and_each_change_can_be_undone(made: list[Change], history: list[int]) -> None:
    b = applied(made, history)
    b.intervention.check(CONFIG)
    assert len(b.said) == len(b.idle)
    assert set(b.history) <= set(IDS)
    for i in range(len(made)):
        applied(made[:i] + made[i + 1 :], history).intervention.check(CONFIG)


@given(rows, st.lists(edit | inner, max_size=6))
def test_adding_a_change_does_what_making_it_does(history: list[int], more: list[Change]) -> None:
    made: tuple[Change, ...] = ()
    for new in more:
        was = applied(made, history)
        if isinstance(new, (Remove, Replace, Move)) and was.history:
            new = replace(new, at=new.at % len(was.history), item=was.history[new.at % len(was.history)])
        if isinstance(new, (Add, Move)):
            new = replace(new, **{"at" if isinstance(new, Add) else "to": len(was.history) - isinstance(new, Move)})
        once = explain.apply_changes([new], was.history, was.intervention, CATALOGUE, CONFIG)
        made = explain.added(made, new)
        now = applied(made, history)
        assert now.history == once.history
        if not isinstance(new, (Gate, Router, HeadOff, ExpertOff)):
            assert now.intervention == once.intervention
        assert len(set(made)) == len(made) or any(isinstance(c, (Add, Remove, Replace, Move)) for c in made)


def test_what_is_made_and_unmade_is_gone() -> None:
    assert explain.added([Add(1, "i5")], Remove(1, "i5")) == ()
    assert explain.added([Replace(1, "i5", "i6")], Replace(1, "i6", "i5")) == ()
    assert explain.added([Replace(1, "i5", "i6")], Remove(1, "i6")) == (Remove(1, "i5"),)
    assert explain.added([HeadOff(1), Gate((1.0, 0.0))], Gate((0.5, 0.5))) == (HeadOff(1), Gate((0.5, 0.5)))
    with pytest.raises(FameError, match="B has 40 changes already; undo one first"):
        explain.added([Add(n, "i1") for n in range(40)], HeadOff(0))


@pytest.mark.parametrize(
    "made, said",
    [
        ([Remove(0, "i9")], "“without T9” changes nothing: it is not in B's history."),
        ([Replace(0, "i3", "zz")], "“the unknown item 'zz' in place of T3” changes nothing: "
         "no item of this catalogue has that id."),
        ([HeadOff(5)], "“head 6 off” changes nothing: the heads of this model are 1 to 3."),
        ([ExpertOff(0, 4)], "“head 1, expert 5 off” changes nothing: the experts of head 1 are 1 to 2."),
        ([Gate((1.0,))], "“gate set to 100%” changes nothing: it has 1 weights and 3 are needed."),
        ([HeadOff(0), HeadOff(1), HeadOff(2)], "“head 3 off” changes nothing: "
         "nothing with any weight would be left on."),
        ([Model("mine")], "“model: mine” changes nothing: it is A's own."),
        ([Move(1, "i1", 1)], "“T1 at place 2” changes nothing: it is there already."),
    ],
)  # fmt: skip
def test_what_a_change_cannot_do_is_said(made: list[Change], said: str) -> None:
    b = applied(made, [3, 1, 8])
    assert b.said == (said,) and b.idle == (made[-1],)


def test_another_model_takes_the_items_that_it_knows() -> None:
    there = Catalogue.from_frame(pd.DataFrame({"item_id": ["i8", "i1"], "title": ["Eight", "One"]}))
    assert explain.carried(["i3", "i1", "i8"], CATALOGUE, there, "other") == (
        [2, 1],
        "other does not know T3; B goes on without it.",
    )
    with pytest.raises(FameError, match="other knows no item of this history; choose another model"):
        explain.carried(["i3"], CATALOGUE, there, "other")
    b = explain.apply_changes(
        [Model("other"), HeadOff(0)], ["i1"], Intervention(heads_off=(1,)), CATALOGUE, PLAIN.config, "mine"
    )
    assert b.model == "other" and not b.intervention
    assert b.said == (
        "Heads of other are other heads: what is changed inside mine is not carried over.",
        "“head 1 off” changes nothing: other has no heads.",
    )


# --- A beside B


@given(rows, st.integers(1, 14), st.booleans())
def test_b_like_a_changes_nothing(history: list[int], row: int, hide: bool) -> None:
    a = run(history)
    table = explain.rank_changes(a, run(history), 5, hide)
    assert (table["part"] == "list").all() and (table["move"] == 0).all()
    assert explain.list_overlap(a, a, 5, hide) == pytest.approx(1)
    again = explain.score_change(a, run(history), run(history, explain.held(a, a)), row)
    np.testing.assert_allclose(again[["direct", "indirect", "total"]], 0, atol=2e-5)
    assert explain.say_changes(a, a, row, 5, hide).endswith("; the list is the same.")


@given(rows, rows, st.lists(inner, max_size=3), st.lists(inner, max_size=2), st.integers(1, 14))
def test_direct_and_indirect_add_up_to_the_change_of_the_score(
    one: list[int], two: list[int], before: list[Change], more: list[Change], row: int
) -> None:
    a = run(one, applied(before, one).intervention)
    b = run(two, applied([*before, *more], two).intervention)
    table = explain.score_change(a, b, run(two, explain.held(a, b)), row)
    np.testing.assert_allclose(table["direct"] + table["indirect"], table["total"], atol=1e-9)
    np.testing.assert_allclose(table["total"].sum(), b.scores[row] - a.scores[row], atol=2e-4)


def test_the_direct_effect_by_hand() -> None:
    """B's own expert outputs, mixed and weighed as A mixed and weighed its own."""
    a, b = run([3, 1, 8]), run([3, 1, 8, 5])
    facets = MODEL.facets
    with torch.inference_mode():
        p = MODEL(torch.tensor([[3, 1, 8, 5]]))
        f = (
            torch.einsum("hn,hnk->hk", torch.tensor(a.router[-1]), p.expert_out[0, -1])
            if p.expert_out is not None
            else 0
        )
        F = facets.state(f, p.residual[0, -1])
        held = (torch.tensor(a.gate[-1]) * (F * (facets.W_f @ MODEL.items.weight[7])).sum(-1)).numpy()
    table = explain.score_change(a, b, run([3, 1, 8, 5], explain.held(a, b)), 7)
    np.testing.assert_allclose(table["direct"], held - a.shares(np.array([7]))[:, 0], **CLOSE)


def test_a_head_that_is_off_directly_takes_its_share_and_no_more() -> None:
    a, b = run([3, 1, 8]), run([3, 1, 8], Intervention(heads_off=(1,)))
    table = explain.score_change(a, b, run([3, 1, 8], explain.held(a, b)), 5)
    np.testing.assert_allclose(table["direct"], [0, -a.shares(np.array([5]))[1, 0], 0], **CLOSE)
    held = run([3, 1, 8], Intervention(heads_off=(1,), hold_gate=True))
    assert table["direct"].sum() == pytest.approx(held.scores[5] - a.scores[5], abs=1e-5)


def test_lists_of_two_models_are_compared_by_id() -> None:
    turned = Catalogue.from_frame(CATALOGUE.to_frame().iloc[::-1])
    a, b = run([3, 1]), explain.final_list(PLAIN, turned, [turned.row("i3"), turned.row("i1")])
    assert set(b.seen) == {turned.row("i3"), turned.row("i1")}
    table = explain.rank_changes(a, b, 4)
    for line in table.itertuples():
        assert line.rank == b.ranking().tolist().index(turned.row(line.item_id)) + 1
        assert line.old_rank == a.ranking().tolist().index(CATALOGUE.row(line.item_id)) + 1
        assert line.part == ("left" if line.rank > 4 else "entered" if line.old_rank > 4 else "list")
    with pytest.raises(FameError, match="the two traces have other heads or other items"):
        explain.score_change(a, replace(a, head_scores=a.head_scores[:2]), a, 5)


def test_the_sentence_tells_the_table() -> None:
    a, b = run([3, 1, 8]), run([3, 8])
    for row in range(1, 15):
        old, new = (x.ranking().tolist() for x in (a, b))
        text = explain.say_changes(a, b, row, 5)
        if row in old and row in new:
            verb = (
                "stays" if old.index(row) == new.index(row) else "rises" if new.index(row) < old.index(row) else "falls"
            )
            assert text.startswith(f"T{row} {verb} ")
        entered = len(set(new[:5]) - set(old[:5]))
        assert (f"{entered} of the 5 items " in text) or ("the same 5 items" in text and not entered)


# --- the smallest change


def brute(model: FAME, history: list[int], wish: Wish, size: int) -> list[tuple[object, ...]]:
    """Every change of one or two places that does it, run one by one: removals first, then most alike."""
    x = torch.nn.functional.normalize(model.items.weight, dim=1).numpy()
    free = [row for row in range(1, 15) if row not in history and row not in wish.rows]
    found = []
    for places in combinations(range(len(history)), size):
        for by in product([0, *free], repeat=size):
            put = [row for row in by if row]
            if len(set(put)) < len(put):
                continue
            new = [dict(zip(places, by, strict=True)).get(i, row) for i, row in enumerate(history)]
            new = [row for row in new if row]
            if not new:
                continue
            ranking = explain.final_list(model, CATALOGUE, new).ranking().tolist()
            rank = {row: i for i, row in enumerate(ranking, 1)}
            if {
                "first": rank[wish.row] == 1, "in": rank[wish.row] <= wish.k, "out": rank[wish.row] > wish.k,
                "above": rank[wish.row] < rank.get(wish.other or 0, 0),
            }[wish.kind]:  # fmt: skip
                alike = sum(float(x[history[i]] @ x[row]) for i, row in zip(places, by, strict=True) if row)
                key = tuple(row or history[i] for i, row in zip(places, by, strict=True))
                found.append((len(put), -round(alike, 4), key, places, tuple(new)))
    return sorted(found)


wishes = st.sampled_from(["first", "in", "out", "above"])


@settings(max_examples=15)
@given(st.lists(st.integers(1, 14), min_size=1, max_size=4, unique=True), wishes, st.integers(1, 4), st.data())
def test_every_single_change_is_tried(history: list[int], kind: str, k: int, data: st.DataObject) -> None:
    model = data.draw(st.sampled_from([MODEL, PLAIN]))
    free = [row for row in range(1, 15) if row not in history]
    row, other = data.draw(st.permutations(free))[:2]
    wish = Wish(kind, row, k, other if kind == "above" else None)  # type: ignore[arg-type]
    result = explain.smallest_change(model, CATALOGUE, history, wish, answers=99, beam=0)
    expected = brute(model, history, wish, 1)
    if result.already:
        assert not result.found and result.done
        return
    assert (
        result.singles
        == result.tried
        == len(history) * (14 - len(history) - len(wish.rows)) + (len(history) if len(history) > 1 else 0)
    )
    assert result.works == len(expected)
    assert sorted(found.history for found in result.found) == sorted(case[-1] for case in expected)
    assert [len([c for c in f.changes if isinstance(c, Replace)]) for f in result.found] == [c[0] for c in expected]
    alike = [f.alike for f in result.found if not np.isnan(f.alike)]
    assert alike == sorted(alike, reverse=True)
    for found in result.found:
        b = explain.apply_changes(found.changes, [IDS[r - 1] for r in history], NOTHING, CATALOGUE, CONFIG)
        assert [CATALOGUE.row(i) for i in b.history] == list(found.history), "applying it gives its history"
        fresh = explain.final_list(model, CATALOGUE, found.history).ranking().tolist()
        old = explain.final_list(model, CATALOGUE, history)
        assert fresh.index(row) + 1 == found.rank, "and running that afresh gives its rank"
        assert set(found.left) == set(old.ranking()[:10]) - set(fresh[:10])
        assert set(found.entered) == set(fresh[:10]) - set(old.ranking()[:10])


def test_pairs_are_those_of_brute_force_where_the_beam_holds_all() -> None:
    seen = 0
    for row in range(1, 15):
        history = [h for h in (3, 1, 8) if h != row]
        wish = Wish("first", row)
        result = explain.smallest_change(MODEL, CATALOGUE, history, wish, answers=9999, beam=9999)
        if result.already or (result.works and not result.pairs):
            continue
        seen += 1
        expected = brute(MODEL, history, wish, 2)
        assert sorted(f.history for f in result.found) == sorted(case[-1] for case in expected)
        assert result.works == len(expected) and result.pairs_tried == result.pairs
        few = explain.smallest_change(MODEL, CATALOGUE, history, wish, beam=8)
        assert few.pairs < result.pairs and {f.history for f in few.found} <= {f.history for f in result.found}
    assert seen, "some wish needs two changes"


def test_an_intervention_and_threads_and_stopping() -> None:
    change = Intervention(heads_off=(0,), experts_off=((1, 0),))
    first = run([3, 1, 8, 5], change).ranking()
    wish = Wish("first", int(first[3]))
    alone = explain.smallest_change(MODEL, CATALOGUE, [3, 1, 8, 5], wish, change)
    assert explain.smallest_change(MODEL, CATALOGUE, [3, 1, 8, 5], wish, change, threads=3) == alone
    assert alone.rank == 4 and alone.works
    for found in alone.found:
        assert run(list(found.history), change).ranking()[0] == wish.row
    steps = explain.search_changes(MODEL, CATALOGUE, [3, 1, 8, 5], wish, change)
    assert next(steps).tried == 4 and not next(steps).done, "removals come first"


def test_a_history_longer_than_the_model_reads() -> None:
    history = [3, 1, 8, 5, 9, 2, 7, 4]
    wish = Wish("out", int(run(history).ranking()[0]), 1)
    result = explain.smallest_change(MODEL, CATALOGUE, history, wish)
    assert result.singles == 6 + 6 * (14 - 8 - 1)
    for found in result.found:
        assert run(list(found.history)).ranking()[0] != wish.row
        assert found.history[:2] == (3, 1), "what is not read stays"


def test_wishes_as_people_write_them() -> None:
    assert explain.read_wish(" First:  T3", CATALOGUE) == Wish("first", 3)
    assert explain.read_wish("top 5: T3", CATALOGUE) == Wish("in", 3, 5)
    assert explain.read_wish("not top 5: i3", CATALOGUE) == Wish("out", 3, 5)
    assert explain.read_wish("out of the top 5: i3", CATALOGUE) == Wish("out", 3, 5)
    assert explain.read_wish("above T9: T3", CATALOGUE) == Wish("above", 3, other=9)
    for text, said in (
        ("T3", "expected 'first: TITLE'"), ("top x: T3", "expected 'first: TITLE'"), ("first: ", "expected 'first"),
        ("first: nothing", "no item is called"), ("top 0: T3", "expected a whole number from 1"),
        ("above T3: T3", "not the same one"),
    ):  # fmt: skip
        with pytest.raises(FameError, match=said):
            explain.read_wish(text, CATALOGUE)


def test_what_cannot_be_wished_for() -> None:
    with pytest.raises(FameError, match="T3 is in the history, and what is there is not recommended"):
        explain.smallest_change(MODEL, CATALOGUE, [3, 1], Wish("first", 3))
    with pytest.raises(FameError, match="row 15 is not in the catalogue"):
        explain.smallest_change(MODEL, CATALOGUE, [3, 1], Wish("first", 15))
    with pytest.raises(FameError, match="the history is empty"):
        explain.smallest_change(MODEL, CATALOGUE, [], Wish("first", 3))


def test_a_search_in_words() -> None:
    base = explain.Search(Wish("first", 3), 4, singles=2000)
    for change, said in (
        ({"already": True, "done": True}, "T3 first: it is so already; nothing need change."),
        ({"tried": 500}, "500 of 2,000 single changes tried: none does it yet."),
        ({"tried": 2000, "works": 12, "done": True}, "All 2,000 single changes tried: 12 put T3 first."),
        ({"tried": 2000, "done": True}, "No single change does it: 2,000 changes tried."),
        ({"tried": 2000, "pairs": 900, "pairs_tried": 900, "done": True},
         "No single change of 2,000 does it. Nothing was found in 900 pairs of the best of them; "
         "there may be other pairs."),
    ):  # fmt: skip
        assert explain.say_search(replace(base, **change), CATALOGUE) == said  # type: ignore[arg-type]
