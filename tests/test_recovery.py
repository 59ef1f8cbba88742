"""Routing that follows the truth is seen as such, routing that does not is not, and the observer is the ceiling."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.data.sequences import Sequences
from fame.make.recovery import (
    Routing,
    clustered_margin,
    contingency,
    information,
    judge,
    linear_probe,
    match,
    recovery,
    routing,
    standing_for,
)
from fame.make.simulate import Planted, PlantedConfig, bayes_filter, simulate
from fame.model import FAME

CONFIG = PlantedConfig(n_viewers=60, shortest=2, longest=14, facets=("genres", "decade"), values=4, least_items=5)


@pytest.fixture(scope="module")
def films() -> Catalogue:
    rng = np.random.default_rng(0)
    genres = np.array(["horror", "western", "war", "comedy"])
    return Catalogue.from_frame(
        pd.DataFrame(
            {
                "item_id": [f"f{i}" for i in range(120)],
                "year": 1960 + 10 * rng.integers(4, size=120),
                "genres": genres[rng.integers(4, size=120)],
            }
        )
    )


def network(films: Catalogue, **sizes: object) -> FAME:
    torch.manual_seed(0)
    shape = {"max_len": 10, "d_model": 16, "n_heads": 2, "n_experts": 4}
    return FAME(FAMEConfig.from_dict({"n_items": films.n_items} | shape | sizes)).eval()


def steps(n_viewers: int = 40, length: int = 50, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sticky truths below 3, the observer's beliefs (right at .8 of the steps), and the viewer of each step."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((n_viewers, length), np.int64)
    truth[:, 0] = rng.integers(3, size=n_viewers)
    for t in range(1, length):
        truth[:, t] = np.where(rng.random(n_viewers) < 0.1, rng.integers(3, size=n_viewers), truth[:, t - 1])
    flat = truth.ravel()
    told = np.where(rng.random(flat.size) < 0.2, (flat + 1) % 3, flat)
    return flat, 0.6 * np.eye(3)[told] + 0.4 / 3, np.repeat(np.arange(n_viewers), length)


# --- measures by hand


def test_match_by_hand() -> None:
    greedy_is_wrong = np.array([[10, 9, 0], [9, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(match(greedy_is_wrong), [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    two_for_four = np.array([[5, 6, 7, 1], [1, 1, 6, 9]])  # each label for two truths
    np.testing.assert_array_equal(match(two_for_four), [[1, 1, 0, 0], [0, 0, 1, 1]])
    np.testing.assert_array_equal(match(two_for_four.T), match(two_for_four).T)
    constant = np.array([[9, 8, 7, 6], [0, 0, 0, 0]])  # one label for everything stands for half of it
    assert match(constant)[0].tolist() == [True, True, False, False]


def test_match_is_the_best_of_all_permutations() -> None:
    table = np.random.default_rng(1).integers(0, 50, (4, 4))
    best = max(sum(table[i, p[i]] for i in range(4)) for p in permutations(range(4)))
    assert table[match(table)].sum() == best


def test_information_by_hand() -> None:
    assert information(np.array([[0, 7], [3, 0]])) == pytest.approx(1)
    assert information(np.array([[2, 4], [3, 6]])) == pytest.approx(0, abs=1e-12)
    # Truth is even, 1 bit; the label is right 3 times of 4.
    assert information(np.array([[3, 1], [1, 3]])) == pytest.approx(1 + 0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert information(np.array([[5], [0]])) == 0
    table = contingency(np.array([0, 1, 1]), np.array([2, 0, 2]), 2, 3)
    np.testing.assert_array_equal(table, [[0, 0, 1], [1, 0, 1]])


def test_the_margin_takes_viewers_not_steps_as_independent() -> None:
    right = np.random.default_rng(2).random(1000) < 0.5
    alone = clustered_margin(right, np.arange(1000))
    assert alone == pytest.approx(1.96 * right.std() / 1000**0.5)
    assert clustered_margin(np.repeat(right, 9), np.repeat(np.arange(1000), 9)) == pytest.approx(alone)


def test_a_probe_reads_what_is_linear_and_is_judged_on_others() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(3, size=600)
    half = np.arange(600) % 2
    assert linear_probe(np.eye(3)[truth] + 0.1 * rng.normal(size=(600, 3)), truth, half) > 0.99
    assert linear_probe(rng.normal(size=(600, 100)), truth, half) < 0.45
    assert linear_probe(np.ones((600, 1)), np.zeros(600, int), half) == 1


# --- what a choice recovers


def test_a_choice_that_follows_the_truth_is_recovered_whatever_its_labels() -> None:
    truth, belief, viewer = steps()
    gate = 0.9 * np.eye(3)[(truth + 2) % 3] + 0.1 / 3
    found = judge(gate, gate, truth, belief, viewer)
    assert (found.accuracy, found.information, found.matching) == (1, pytest.approx(1), ((1,), (2,), (0,)))
    assert found.probe == 1
    assert found.control_high < 0.6 and found.control_information < 0.05
    assert found.constant < 0.5


def test_the_observer_recovers_exactly_the_ceiling() -> None:
    truth, belief, viewer = steps()
    found = judge(belief, belief, truth, belief, viewer)
    assert found.accuracy == found.ceiling == pytest.approx(0.8, abs=0.03)
    assert found.of_ceiling == 1 and found.information == pytest.approx(found.ceiling_information)


def test_shuffled_truth_is_not_recovered() -> None:
    truth, belief, viewer = steps()
    gate = 0.9 * np.eye(3)[truth] + 0.1 / 3
    others, _, _ = steps(seed=9)
    found = judge(gate, gate, others, belief, viewer)
    assert found.accuracy < found.control_high + 0.05 and found.information < 0.02


def test_a_constant_choice_recovers_what_a_constant_answer_does() -> None:
    truth, belief, viewer = steps()
    found = judge(np.tile([0.5, 0.3, 0.2], (len(truth), 1)), np.zeros((len(truth), 2)), truth, belief, viewer)
    assert found.accuracy <= found.constant < 0.45 and found.information == 0
    assert found.accuracy < found.control_high + 0.05


def test_with_fewer_labels_than_truths_the_observer_too_tells_groups() -> None:
    truth, belief, viewer = steps()
    two = np.eye(2)[truth // 2]  # label 0 for the truths 0 and 1, label 1 for 2
    found = judge(two, two, truth, belief, viewer)
    assert found.accuracy == 1 and found.matching == ((0, 1), (2,))
    assert found.ceiling > 0.85  # confusing 0 with 1 costs nothing


def test_labels_are_matched_to_truths_on_other_viewers_than_they_are_judged_on() -> None:
    rng = np.random.default_rng(4)
    truth, label, viewer = np.repeat([*rng.integers(40, size=(2, 120)), np.arange(120)], 6, axis=1)
    belief = rng.dirichlet(np.ones(40), 720)
    found = judge(np.eye(40)[label], belief, truth, belief, viewer)
    table = contingency(label, truth, 40, 40)
    assert table[match(table)].sum() / 720 > 0.3  # what a match to the same viewers makes of nothing
    assert found.accuracy < 0.1 and found.control < 0.1


# --- models


@pytest.mark.parametrize("variant", ["fame", "sasrec"])
def test_routing_is_the_models_own_at_each_step(films: Catalogue, variant: str) -> None:
    model = network(films, variant=variant)
    histories = [[5, 9, 2], [7], list(range(20, 33)), [3, 1]]  # the third is longer than max_len
    sequences = Sequences(list("abcd"), np.concatenate(histories), np.cumsum([0, 3, 1, 13, 2]))
    found = routing(model, sequences)
    assert found.at.tolist() == [0, 1, *range(6, 16), 17]
    last = model(torch.tensor([histories[2][2:12]]))
    if variant == "sasrec":
        assert found.router is None and found.gate.shape == (13, 2)
        np.testing.assert_allclose(found.gate.sum(1), 1, rtol=1e-5)
        np.testing.assert_allclose(found.states[-2], last.query[0, -1].detach(), rtol=1e-4, atol=1e-5)
    else:
        np.testing.assert_allclose(found.gate[-2], last.gate[0, -1].detach(), rtol=1e-4)
        np.testing.assert_allclose(found.router[-2], last.router[0, -1].detach(), rtol=1e-4)
        np.testing.assert_allclose(found.states[-2], last.F[0, -1].flatten().detach(), rtol=1e-4, atol=1e-5)
    with pytest.raises(FameError, match="no viewer has two films"):
        routing(model, Sequences(["a"], [3], [0, 1]))


def test_an_untrained_model_recovers_nothing_and_the_report_is_plain_json(films: Catalogue) -> None:
    planted = simulate(films, CONFIG)
    beliefs = bayes_filter(films, CONFIG, planted.sequences)
    found = recovery(network(films), films, planted, beliefs)
    assert json.loads(json.dumps(found, allow_nan=False))["facets"] == ["genres", "decade"]
    gate = found["gate"]
    assert gate["accuracy"] < max(gate["control_high"], gate["constant"]) + 0.06
    assert gate["ceiling"] > gate["accuracy"] + 0.1
    assert set(found["router"]) == {"genres", "decade"}
    assert {row["head"] for row in found["router"].values()} == {1, 2}
    assert 0 < found["router_of_ceiling"] < 1
    for kind in ({"variant": "sasrec"}, {"n_experts": 1}):
        assert set(recovery(network(films, **kind), films, planted)) == {"facets", "viewers", "gate", "gate_relative"}


def told(
    films: Catalogue,
    planted: Planted,
    monkeypatch: pytest.MonkeyPatch,
    gate: np.ndarray,
    router: np.ndarray,
    named: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Recovery of a model that chooses so after each film: gate [n,2] and, in the head of the next facet, router [n,4].

    The other head's router tells nothing.
    """
    sequences = planted.sequences
    at = np.setdiff1d(np.arange(len(sequences.items)), sequences.offsets[1:] - 1)  # steps that have a next one
    gate, its = gate[at], np.eye(2, dtype=bool)[planted.facet[at + 1]]
    router = np.where(its[:, :, None], router[at, None], 1 / 4)
    monkeypatch.setattr("fame.make.recovery.routing", lambda *_: Routing(at, gate, router, gate))
    return recovery(network(films), films, planted, named=named)


def test_the_truth_that_is_to_be_told_is_the_next_steps(films: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = simulate(films, CONFIG)
    gate, router = np.eye(2)[planted.facet], np.eye(4)[planted.value]
    now = told(films, planted, monkeypatch, gate, router)
    assert now["gate"]["accuracy"] < 0.97 and now["router_accuracy"] < 0.97
    then = told(films, planted, monkeypatch, np.roll(gate, -1, 0), np.roll(router, -1, 0))
    for name in ("gate", "gate_relative"):
        assert then[name]["accuracy"] == 1 and then[name]["matching"] == ((0,), (1,))
    for name in ("router", "router_relative"):
        assert then[f"{name}_accuracy"] == 1
        assert [then[name][facet]["head"] for facet in ("genres", "decade")] == [1, 2]


def test_the_ceiling_is_what_the_observer_expects_of_the_next_step(
    films: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = simulate(films, replace(CONFIG, stickiness=0.1, value_stickiness=0.1))  # hardly ever twice the same
    beliefs = bayes_filter(films, planted.config, planted.sequences, planted.preferences)
    facet = beliefs.next.sum(-1)
    value = np.take_along_axis(beliefs.next, np.roll(planted.facet, -1)[:, None, None].astype(int), 1)[:, 0]
    found = told(films, planted, monkeypatch, facet, value)
    assert found["gate"]["of_ceiling"] == 1 and found["gate"]["accuracy"] > 0.7
    assert found["router_of_ceiling"] == pytest.approx(1, abs=0.03) and found["router_accuracy"] > 0.3
    late = told(films, planted, monkeypatch, beliefs.now.sum(-1), value)["gate"]
    assert late["matching"] == ((1,), (0,))  # a label for the facet that is over comes to mean the other one


def test_a_gate_relative_to_its_mean_does_not_mind_that_a_head_or_an_expert_is_always_weak(
    films: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = simulate(films, CONFIG)
    gate, router = 0.6 * np.eye(2)[planted.facet] + 0.2, 0.6 * np.eye(4)[planted.value] + 0.1
    often = np.bincount(planted.facet).argmax()
    weak = np.roll(gate, -1, 0) * np.where(np.arange(2) == often, 0.2, 1), np.roll(router, -1, 0) * [1, 0.1, 1, 1]
    found = told(films, planted, monkeypatch, *(w / w.sum(1, keepdims=True) for w in weak))
    assert found["gate"]["accuracy"] < 0.7 and found["gate_relative"]["accuracy"] == 1
    assert found["router_accuracy"] < 0.9 and found["router_relative_accuracy"] == 1
    for name, heads in (("router", [2, 1]), ("router_relative", [1, 2])):  # always the other head: it gets the most
        assert [found[name][facet]["head"] for facet in ("genres", "decade")] == heads


def test_a_named_head_is_judged_though_another_is_chosen(films: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = simulate(films, CONFIG)
    other, router = np.roll(np.eye(2)[1 - planted.facet], -1, 0), np.roll(np.eye(4)[planted.value], -1, 0)
    found = told(films, planted, monkeypatch, other, router, named={"genres": 0, "decade": 1})
    assert found["gate"]["matching"] == ((1,), (0,)), "the gate tells the facet by the other head"
    assert found["router_accuracy"] < 0.6 and found["router_named_accuracy"] == 1
    assert [found["router_named"][facet]["head"] for facet in ("genres", "decade")] == [1, 2]
    assert "router_named" not in told(films, planted, monkeypatch, other, router)


def test_each_router_is_judged_on_the_facet_that_its_head_stands_for(films: Catalogue) -> None:
    assert standing_for(1, ((0,), (1,)), np.array([0, 0, 1])) == 1
    assert standing_for(0, ((0,), (0,), (1,)), np.array([1, 1, 0, 2])) == 1  # of two the one chosen more often
    assert standing_for(2, ((0,), (1,)), np.array([0, 1])) is None


def test_what_does_not_fit_is_refused(films: Catalogue) -> None:
    planted = simulate(films, CONFIG)
    beliefs = bayes_filter(films, CONFIG, planted.sequences, planted.preferences)
    other = Catalogue.from_frame(pd.DataFrame({"item_id": range(9)}))
    with pytest.raises(FameError, match="the model has 120 items, the catalogue 9"):
        recovery(network(films), other, planted)
    fewer = simulate(films, replace(CONFIG, n_viewers=9))
    with pytest.raises(FameError, match="beliefs about"):
        recovery(network(films), films, fewer, beliefs)
    truth, belief, viewer = steps(n_viewers=1)
    with pytest.raises(FameError, match="fewer than two viewers"):
        judge(belief, belief, truth, belief, viewer)
