"""Probes find what is there and nothing else; every measure equals a case worked out by hand."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import false_discovery_control, norm, pearson3
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.explain.compare import rank_biased_overlap
from fame.make.data.sequences import Sequences
from fame.make.probes.config import ProbeConfig
from fame.make.probes.gather import evidence
from fame.make.probes.histories import Readings, attended_lift, blind_p, divergence, list_overlap
from fame.make.probes.labels import labels_of
from fame.make.probes.statistics import (
    average_precision,
    cka,
    dci,
    interval_around,
    jensen_shannon,
    logistic,
    out_of_fold,
    p_values,
    solve,
    standardise,
    stratified_folds,
)
from fame.make.probes.verdicts import lead_over, verdict
from fame.model import FAME
from fame.statistics import benjamini_hochberg, relative_entropy

QUICK = ProbeConfig(permutations=30, projections=60, bootstraps=20, folds=3, histories=20, depth=10)


# --- probes


def test_logistic_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    X = standardise(rng.normal(size=(120, 6)))
    Y = X @ rng.normal(size=(6, 3)) + rng.normal(size=(120, 3)) > 1
    on = rng.random((3, 120)) < 0.8
    found = logistic(X, Y.T.astype(float), on, ridge=0.5)
    for m in range(3):
        probe = LogisticRegression(C=2.0, tol=1e-9, max_iter=1000).fit(X[on[m]], Y[on[m], m])
        np.testing.assert_allclose(found[m], [*probe.coef_[0], probe.intercept_[0]], atol=1e-4)


def test_logistic_is_scikit_learns_where_plain_newton_steps_overshoot() -> None:
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(8), 40)  # far apart, so that nearly every value is read without a fault
    X = standardise(6 * np.eye(8)[group] + 0.2 * rng.normal(size=(320, 8)))
    Y = np.stack([group == 0, (group == 1) & (rng.random(320) < 0.15), np.arange(320) < 8])
    found = logistic(X.astype(np.float32), Y, np.ones(Y.shape, bool), ridge=0.01)
    for m in range(3):
        probe = LogisticRegression(C=100, tol=1e-8, max_iter=10_000).fit(X, Y[m])
        np.testing.assert_allclose(found[m], [*probe.coef_[0], probe.intercept_[0]], atol=0.02, rtol=0.01)


def test_logistic_stays_finite_where_classes_are_apart_or_features_are_many() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 60))
    Y = np.zeros((2, 40))
    Y[0, :3] = 1
    Y[1] = X[:, 0] > 0
    w = logistic(X, Y, np.ones((2, 40)), ridge=1.0)
    logits = w[:, :-1] @ X.T + w[:, -1:]
    assert np.isfinite(w).all() and ((logits > 0) == (Y > 0)).mean() > 0.95


def test_a_curvature_that_rounding_makes_indefinite_is_solved_all_the_same() -> None:
    A, b = torch.stack([torch.diag(torch.tensor([2.0, 4.0])), torch.diag(torch.tensor([2.0, -1.0]))]), torch.ones(2, 2)
    np.testing.assert_allclose(solve(A[:1], b[:1]), [[0.5, 0.25]])
    np.testing.assert_allclose(solve(A, b), [[0.5, 0.25], [0.5, -1]])


def test_average_precision_is_scikit_learns_and_weights_repeat_items() -> None:
    assert average_precision(np.array([[4.0], [3], [2], [1]]), np.array([[1], [0], [1], [0]])) == pytest.approx(5 / 6)
    rng = np.random.default_rng(2)
    scores, Y = rng.normal(size=(50, 3)), rng.random((50, 3)) < 0.2
    expected = [average_precision_score(Y[:, m], scores[:, m]) for m in range(3)]
    np.testing.assert_allclose(average_precision(scores, Y), expected)
    weights = rng.integers(0, 2, (4, 50)).astype(float)
    for b, found in enumerate(average_precision(scores, Y, weights)):
        kept = weights[b] > 0
        np.testing.assert_allclose(found, average_precision(scores[kept], Y[kept]))
    weights = rng.integers(0, 4, (2, 50)).astype(float)
    expected = [[average_precision_score(Y[:, m], scores[:, m], sample_weight=w) for m in range(3)] for w in weights]
    np.testing.assert_allclose(average_precision(scores, Y, weights), expected)
    assert np.isnan(average_precision(scores, np.zeros((50, 3), bool))).all()


def test_folds_share_out_the_positives_of_every_value() -> None:
    Y = np.random.default_rng(3).random((103, 4)) < 0.3
    fold = stratified_folds(Y, 5, np.random.default_rng(0))
    for m in range(4):
        for kind in (True, False):
            counts = np.bincount(fold[m, Y[:, m] == kind], minlength=5)
            assert counts.max() - counts.min() <= 1


def test_a_planted_linear_facet_is_found_and_a_shuffled_one_is_not() -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(400, 8))
    Y = (X @ rng.normal(size=(8, 2)) + rng.normal(size=(400, 2))) > 3
    fold = stratified_folds(Y, 5, rng)
    found = average_precision(out_of_fold(X, Y, fold, 1.0), Y)
    shuffled = average_precision(out_of_fold(X[rng.permutation(400)], Y, fold, 1.0), Y)
    assert (found > 0.7).all() and (shuffled < 2 * Y.mean(0) + 0.05).all()


def test_no_item_is_judged_by_a_probe_that_has_seen_it() -> None:
    rng = np.random.default_rng(5)
    X = np.eye(60)  # every item has a feature of its own: a probe that saw it would know it
    Y = rng.random((60, 1)) < 0.5
    scores = out_of_fold(X, Y, stratified_folds(Y, 5, rng), ridge=1e-3)
    assert average_precision(scores, Y)[0] < 0.7


def test_p_values_are_uniform_where_nothing_is_to_be_found() -> None:
    rng = np.random.default_rng(6)
    p = []
    for _ in range(100):
        X, Y = rng.normal(size=(60, 2)), rng.random((60, 1)) < 0.3
        fold = stratified_folds(Y, 3, rng)
        observed = average_precision(out_of_fold(X, Y, fold, 1.0), Y)
        draws = [average_precision(out_of_fold(X[rng.permutation(60)], Y, fold, 1.0), Y) for _ in range(19)]
        p.append(p_values(observed, np.array(draws))[0])
    counts = np.histogram(p, bins=np.arange(0, 1.01, 0.2) + 0.01)[0]  # p is one of .05, .10, … 1
    assert counts.sum() == 100
    assert ((counts - 20) ** 2 / 20).sum() < 13.3  # chi-square, 4 degrees of freedom, 1%


def test_p_values_of_heads_that_share_their_draws_are_uniform_where_nothing_is_to_be_found() -> None:
    rng = np.random.default_rng(10)
    config = ProbeConfig(least_items=4, folds=2, permutations=12, projections=1, bootstraps=2)  # 24 draws
    p = []
    for _ in range(60):
        letters = {name: rng.choice(["x", "y", "z"], 40) for name in ("one", "two")}
        catalogue = Catalogue.from_frame(pd.DataFrame({"item_id": range(40)} | letters))
        model = FAME(FAMEConfig(n_items=40, max_len=4, d_model=6, n_heads=2, n_experts=2, n_layers=1))
        with torch.no_grad():
            model.items.weight[1:] = torch.from_numpy(rng.standard_t(2, (40, 6)))
            model.facets.W_f.copy_(torch.from_numpy(rng.normal(size=(2, 3, 6))))
        p.append(evidence(model, catalogue, Sequences(["u"], [1, 2], [0, 2]), config=config)["probes"]["p_null"])
    assert np.shape(p) == (60, 2, 2)
    for level in (0.04, 0.08, 0.2, 0.4, 0.6, 0.8, 0.92):  # 240 values, of which those of one model hang together
        assert np.mean(np.array(p) <= level + 1e-6) == pytest.approx(
            level, abs=3.5 * (level * (1 - level) / 120) ** 0.5
        )


@pytest.mark.parametrize(("heads", "attributes"), [(1, 1), (4, 4), (8, 4), (8, 12)])
def test_draws_suffice_to_name_one_head_alone(heads: int, attributes: int) -> None:
    config = ProbeConfig().with_draws(heads, attributes)
    assert config.permutations >= 100 and config.projections >= 400
    for draws in (heads * config.permutations, config.projections):
        p = np.ones((heads, attributes))
        p[0, 0] = 1 / (1 + draws)
        assert benjamini_hochberg(p).min() < 0.025 + 1e-9
    assert QUICK.with_draws(heads, attributes) == QUICK


def test_p_values_and_their_correction_by_hand() -> None:
    observed = np.array([[3.0], [2.0], [0.0]])  # the second as large as a draw
    np.testing.assert_allclose(p_values(observed, np.array([[1.0], [2], [4]])), [[0.5], [0.75], [1.0]])
    np.testing.assert_allclose(
        benjamini_hochberg(np.array([[0.01, 0.04], [0.03, 0.005]])), [[0.02, 0.04], [0.04, 0.02]]
    )
    p = np.random.default_rng(7).random((5, 6)) ** 2
    np.testing.assert_allclose(benjamini_hochberg(p).ravel(), false_discovery_control(p.ravel()))


# --- measures by hand


def test_dci_by_hand() -> None:
    apart = dci(np.array([[2.0, 0], [0, 5]]))
    assert (apart.disentanglement, apart.completeness) == pytest.approx((1, 1))
    even = dci(np.ones((3, 2)))
    assert (even.disentanglement, even.completeness) == pytest.approx((0, 0))
    mixed = dci(np.array([[3.0, 1], [1, 3]]))
    entropy = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert (mixed.disentanglement, mixed.completeness) == pytest.approx((1 - entropy, 1 - entropy))
    # Head 1 is about one attribute alone; head 2, which has 3/4 of all weight, about both by 2 to 1.
    uneven = dci(np.array([[1.0, 0], [1, 1]]))
    np.testing.assert_allclose(uneven.by_head, [1, 1 - relative_entropy(np.array([1 / 3, 2 / 3]), 0)])
    assert uneven.disentanglement == pytest.approx(0.25 * uneven.by_head[0] + 0.75 * uneven.by_head[1])
    np.testing.assert_allclose(uneven.by_attribute, [0, 1], atol=1e-12)


def test_cka_by_hand() -> None:
    x, y = np.array([[1.0], [-1], [0], [0]]), np.array([[1.0], [-1], [1], [-1]])
    assert cka(x, y) == pytest.approx(0.5)
    rng = np.random.default_rng(8)
    z = rng.normal(size=(30, 4))
    turned = z @ np.linalg.qr(rng.normal(size=(4, 4)))[0]
    assert cka(z, 3 * turned + 1) == pytest.approx(1)


def test_rank_biased_overlap_by_hand() -> None:
    a, b = np.array([1, 2, 3]), np.array([1, 3, 4])
    # Agreement 1, 1/2, 2/3 at depths 1, 2, 3; p = 1/2.
    assert rank_biased_overlap(a, b, 0.5) == pytest.approx(2 / 3 / 8 + 1 / 2 + 1 / 2 / 4 + 2 / 3 / 8)
    assert rank_biased_overlap(a, a, 0.9) == pytest.approx(1)
    assert rank_biased_overlap(a, np.array([7, 8, 9]), 0.9) == 0
    both = list_overlap(np.array([[a, b], [a, a]]), 0.5)
    np.testing.assert_allclose(both, [[1, (0.791667 + 1) / 2], [(0.791667 + 1) / 2, 1]], atol=1e-6)


def test_jensen_shannon_by_hand() -> None:
    p, q = np.array([1.0, 0]), np.array([0.5, 0.5])
    assert jensen_shannon(p, q) == pytest.approx(-(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25)) - 0.5)
    assert jensen_shannon(p, 1 - p) == pytest.approx(1)
    assert jensen_shannon(q, q) == 0
    attention = np.array([[[p, q, p]]])  # one history, one head, three experts
    np.testing.assert_allclose(divergence(attention)[0] > 0, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])


def test_lift_by_hand() -> None:
    has = np.array([[0, 0], [1, 0], [0, 0], [1, 0]], bool)  # items 1 and 3 have the first value, none the second
    items = np.array([[1, 2, 0], [2, 3, 2], [1, 3, 0]])  # base rates 1/2, 1/3 and 1, where nothing can be chosen
    first = [[0.9, 0.1, 0], [0.4, 0.6, 0], [0.5, 0.5, 0]]  # the expert of value 1
    blind = [[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3], [0.1, 0.9, 0]]
    attention = np.array([first, blind]).transpose(1, 0, 2)[:, None]
    readings = Readings(items, np.ones((3, 1)), np.ones((3, 1, 2)), attention, np.ones((1, 2)), np.ones((3, 2, 1)))
    found = attended_lift(readings, has, 50, np.random.default_rng(0))
    np.testing.assert_allclose(found.lift[0, :, 0], [(0.9 + 0.6) / (1 / 2 + 1 / 3), 1])
    assert found.low[0, 0, 0] >= min(0.9 / 0.5, 0.6 * 3) - 1e-9
    assert np.isnan(found.lift[0, :, 1]).all() and (found.q[0, :, 1] == 1).all()


def blind(rng: np.random.Generator, kind: str, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Attention of 16 experts that know nothing of 20 values, most of them rare, over n histories of 5 to 40 items."""
    there, rate = rng.integers(5, 41, n), np.geomspace(0.01, 0.5, 20)
    value = rng.random((n, 40, 20)) < rate
    if kind == "latest":
        for t in range(1, 40):  # neighbours share values
            value[:, t] = np.where(rng.random((n, 20)) < 0.85, value[:, t - 1], value[:, t])
    attention = np.zeros((n, 2, 8, 40))
    for u, T in enumerate(there):
        sparse = rng.dirichlet(np.full(T, 0.1), (2, 8))
        latest = rng.dirichlet(np.ones(T), (2, 8)) * 0.8 ** np.arange(T)[::-1]
        attention[u, ..., :T] = latest / latest.sum(-1, keepdims=True) if kind == "latest" else sparse
        value[u, T:] = False
    return attention, value, there


@pytest.mark.parametrize("n", [10, 60])
@pytest.mark.parametrize("kind", ["sparse", "latest"])
def test_attention_that_is_blind_is_seldom_found_to_choose(kind: str, n: int) -> None:
    rng = np.random.default_rng(11)
    p = np.array([blind_p(*blind(rng, kind, n)) for _ in range(1200 // n)])
    for level in (0.1, 0.01, 0.001):
        assert (p < level).mean() < 1.4 * level
    if n > 10:
        assert (p < 0.1).mean() > 0.04


def test_attention_that_chooses_or_avoids_is_found() -> None:
    rng = np.random.default_rng(12)
    attention, value, there = blind(rng, "sparse", 200)
    for n, factor in ((0, 3), (1, 1 / 3)):
        attention[:, 0, n] *= np.where(value[:, :, 12], factor, 1)
        attention[:, 0, n] /= attention[:, 0, n].sum(-1, keepdims=True)
    assert (blind_p(attention, value, there)[0, :2, 12] < 1e-3).all()


def test_turned_attention_by_hand() -> None:
    value = np.zeros((3, 5, 2), bool)
    value[:2, 0, 0] = True  # the first of 4 items, the first of 2, none of 3; nothing has the second value
    attention = np.zeros((3, 3, 1, 5))
    attention[:, 0, 0, 0] = 1
    attention[0, 1, 0, 1] = attention[1:, 1, 0, 0] = 1  # beside the value once
    attention[:, 2, 0, 1] = 1  # … and twice
    p = blind_p(attention, value, np.array([4, 2, 3]))
    # Beyond the base rate are 3/4 and 1/2; turned, the first is 3/4 once and -1/4 three times, the second ±1/2.
    turned, third, apart = 3 / 16 + 1 / 4, 3 / 32, 9 / 16 + 1 / 4
    assert apart > turned
    assert p[0, 0, 0] == pytest.approx(2 * pearson3.sf(1.25 / apart**0.5, third / apart**1.5))
    assert p[1, 0, 0] == pytest.approx(2 * pearson3.sf(0.25 / turned**0.5, third / turned**1.5))
    assert p[2, 0, 0] == pytest.approx(2 * norm.sf(0.75 / turned**0.5))  # the thin tail
    assert (p[:, 0, 1] == 1).all()
    assert (blind_p(np.full((1, 1, 1, 3), 1 / 3), value[:1, :3], np.array([3])) == 1).all()  # even: no choice


def test_a_lead_is_over_the_best_of_the_others() -> None:
    np.testing.assert_allclose(
        lead_over(np.array([[0.5, 0.2, -0.1], [0.3, 0.3, 0]])), [[0.3, -0.3, -0.6], [0, 0, -0.3]]
    )
    np.testing.assert_allclose(lead_over(np.array([0.5, np.nan, 0.1])), [0.4, np.nan, -0.4])
    np.testing.assert_allclose(lead_over(np.array([np.nan, 0.2])), [np.nan, 0.2])  # nothing to lead over
    np.testing.assert_allclose(lead_over(np.array([0.2])), [0.2])


def test_a_head_is_named_only_where_nothing_speaks_against_it() -> None:
    good = {
        "ap": np.array([0.8, 0.3, 0.15]),
        "gain": np.array([0.02, -0.6, np.nan]),  # all that random spaces know of the first, and far less of the second
        "lead": np.array([0.62, -0.62, np.nan]),
        "q_null": np.array([0.01, 0.01, 0.01]),
        "q_lead": np.array([0.01, 1, np.nan]),
        "low": np.array([0.75, 0.25, 0.1]),
        "popularity": np.array([0.2, 0.2, 0.2]),
    }
    assert verdict(**good) == (0, ())
    for name, value, reason in (
        ("ap", 0.49, "hard to read"),
        ("q_null", 0.06, "no better than chance"),
        ("popularity", 0.76, "no better than popularity"),
        ("gain", -0.06, "worse than random spaces"),
        ("lead", 0.09, "hardly more than for another attribute"),
        ("q_lead", 0.06, "its lead is no larger than random spaces have"),
    ):
        broken = good[name].copy()
        broken[0] = value
        assert verdict(**(good | {name: broken})) == (0, (reason,))
    assert verdict(**(good | {"gain": np.full(3, np.nan)}))[0] is None
    assert verdict(**(good | {"gain": np.array([-0.6, 0.02, np.nan])}))[0] == 1  # not that with the larger precision


# --- all of it


def small_world(seed: int = 0) -> tuple[FAME, Catalogue, Sequences]:
    """A model whose first head's space holds genres and whose second's holds decades, and 30 histories."""
    rng = np.random.default_rng(seed)
    genre, decade = rng.integers(4, size=240), rng.integers(4, size=240)
    catalogue = Catalogue.from_frame(
        pd.DataFrame(
            {
                "item_id": [f"f{i}" for i in range(240)],
                "year": 1960 + 10 * decade,
                "genres": np.array(["horror", "western", "war", "comedy"])[genre],
                "serial": [f"s{i}" for i in range(240)],  # no value is common enough
            }
        )
    )
    torch.manual_seed(seed)
    model = FAME(FAMEConfig(n_items=240, max_len=12, d_model=16, n_heads=2, n_experts=3, n_layers=2)).eval()
    x = 0.5 * rng.normal(size=(240, 16))
    x[:, :4] += np.eye(4)[genre]
    x[:, 8:12] += np.eye(4)[decade]
    with torch.no_grad():
        model.items.weight[1:] = torch.from_numpy(x)
        model.facets.W_f.copy_(torch.eye(16).unflatten(0, (2, 8)))
    lengths = rng.integers(1, 15, 30)
    items = np.concatenate([1 + rng.permutation(240)[:n] for n in lengths])
    return model, catalogue, Sequences(np.arange(30).astype(str), items, np.concatenate([[0], np.cumsum(lengths)]))


def test_the_interval_of_an_average_precision_holds_the_truth() -> None:
    rng, cases = np.random.default_rng(0), []
    for _ in range(200):
        has = np.argsort(rng.random((200, 9)), 0) < 12
        scores = rng.standard_normal(has.shape)  # know nothing
        weights = rng.multinomial(200, np.full(200, 1 / 200), 60).astype(float)
        ap, draws = (average_precision(scores, has, *w).mean(-1, keepdims=True) for w in ((), (weights,)))
        cases.append((ap, *interval_around(ap, draws)))
    ap, low, high = np.array(cases)[..., 0].T
    truth = ap.mean()
    assert ((low <= truth) & (truth <= high)).mean() > 0.9
    assert (low > truth).mean() < 0.05, "one time in five, by the draws as they are"


def test_evidence_names_the_heads_and_is_plain_json() -> None:
    model, catalogue, histories = small_world()
    steps: list[str] = []
    sasrec = FAME(replace(model.config, variant="sasrec"))
    counts = np.arange(241)
    found = evidence(model, catalogue, histories, counts, 0, steps.append, baseline=sasrec, source="made", config=QUICK)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [v["verdict"] for v in found["verdicts"]] == ["genres", "decade"]
    assert [a["name"] for a in found["attributes"]] == ["genres", "decade"]
    assert steps and found["seconds"] > 0
    assert (found["histories"]["count"], found["histories"]["source"]) == (20, "made")
    probes = found["probes"]
    for key in ("ap", "low", "high", "p_null", "q_null", "p_random", "q_random", "gain", "lead", "q_lead", "baseline"):
        assert np.shape(probes[key if key not in ("low", "high") else f"ap_{key}"]) == (2, 2), key
    for name in ("null", "random", "lead"):
        np.testing.assert_allclose(probes[f"q_{name}"], benjamini_hochberg(np.array(probes[f"p_{name}"])), atol=1e-4)
    ap, gain = np.array(probes["ap"]), np.array(probes["gain"])
    beyond = np.array(probes["full"]) - probes["null"]
    np.testing.assert_allclose(gain, (ap - probes["random"]) / beyond, atol=1e-3)
    np.testing.assert_allclose(probes["lead"], lead_over(gain), atol=1e-4)
    assert (np.array(probes["ap_low"]) <= ap).all() and (ap <= np.array(probes["ap_high"])).all()
    assert min(ap[0, 0], ap[1, 1]) > 0.75 and max(ap[0, 1], ap[1, 0]) < 0.4
    for key in ("popularity", "null"):
        assert max(probes[key]) < 0.4, key
    assert min(probes["full"]) > 0.75 and np.max(probes["baseline"]) < 0.4
    importance = np.array(found["dci"]["importance"])
    assert importance.min() > 0 and importance[[0, 1], [0, 1]].min() > 3 * importance[[0, 1], [1, 0]].max()
    assert found["dci"]["disentanglement"] > 0.3 > 0.2 > found["dci"]["random_disentanglement"]
    assert found["redundancy"]["cka"][0][1] < 0.3
    assert np.shape(found["lists"]["rbo"]) == (3, 3)
    assert sum(found["gate"]["first"]) == pytest.approx(1, abs=1e-4)
    experts = found["experts"]
    assert np.shape(experts["divergence"]) == (2, 3, 3) and np.shape(experts["dead"]) == (2, 3)
    assert np.shape(experts["lift"]) == (2, 3, 2, 4)
    again = evidence(model, catalogue, histories, counts, 0, baseline=sasrec, source="made", config=QUICK)
    assert found | {"seconds": 0} == again | {"seconds": 0}


def test_leads_of_random_heads_are_random_where_one_attribute_is_known_far_better() -> None:
    model, catalogue, histories = small_world()
    genre, decade = (catalogue.attribute(name).matrix[1:].astype(float) for name in ("genres", "decade"))
    rng = np.random.default_rng(13)
    eight = FAME(replace(model.config, n_heads=8))
    with torch.no_grad():
        both = 2 * genre @ rng.normal(size=(4, 16)) + 0.7 * decade @ rng.normal(size=(4, 16))
        eight.items.weight[1:] = torch.from_numpy(both + rng.normal(size=(240, 16)))
        eight.facets.W_f.copy_(torch.from_numpy(rng.normal(size=(8, 2, 16))))
    probes = evidence(eight, catalogue, histories, config=QUICK)["probes"]
    assert probes["known"] == [True, True] and probes["random"][0] > probes["random"][1] + 0.1
    assert ((np.mean(probes["p_lead"], 0) > 0.25) & (np.mean(probes["p_lead"], 0) < 0.75)).all()


def test_evidence_takes_as_many_draws_as_heads_and_attributes_need(monkeypatch: pytest.MonkeyPatch) -> None:
    model, catalogue, histories = small_world()
    eight = FAME(replace(model.config, n_heads=8))
    used: list[ProbeConfig] = []
    monkeypatch.setattr("fame.make.probes.gather.item_evidence", lambda *given: used.append(given[5]) or {})
    settings = evidence(eight, catalogue, histories)["settings"]
    assert settings == asdict(used[0]) and settings["projections"] == 2 * 8 * 2 / 0.05


def test_evidence_names_no_head_where_items_are_shuffled() -> None:
    model, catalogue, histories = small_world()
    with torch.no_grad():
        model.items.weight[1:] = model.items.weight[1:][torch.randperm(240)]
    found = evidence(model, catalogue, histories, config=QUICK)
    assert [v["verdict"] for v in found["verdicts"]] == ["unclear", "unclear"]
    assert found["probes"]["popularity"] is None and found["probes"]["baseline"] is None
    assert np.min(found["probes"]["p_null"]) > 0.02
    assert found["probes"]["known"] == [False, False] and found["dci"] is None
    assert found["probes"]["gain"] == found["probes"]["q_lead"] == [[None, None], [None, None]]


def test_a_head_is_not_named_by_what_popularity_tells_as_well() -> None:
    model, catalogue, histories = small_world()
    genres = catalogue.attribute("genres").matrix  # one genre each, and no fame but its genre's
    found = evidence(model, catalogue, histories, genres @ np.array([1, 10, 100, 1000]), config=QUICK)
    assert found["probes"]["popularity"][0] > 0.99  # also of genres that are neither the most nor the least famous
    first, second = found["verdicts"]
    assert first["verdict"] == "unclear" and first["why"].endswith("no better than popularity")
    assert second["verdict"] == "decade"


def test_a_gate_that_moves_about_a_small_mean_is_first_relative_to_it() -> None:
    model, catalogue, histories = small_world()
    with torch.no_grad():
        model.facets.gate.bias.copy_(torch.tensor([5.0, 0]))
    gate = evidence(model, catalogue, histories, config=QUICK)["gate"]
    assert gate["first"] == [1, 0] and 0.1 < gate["relative_first"][0] < 0.9


def test_evidence_does_without_attributes() -> None:
    model, catalogue, histories = small_world()
    model = FAME(replace(model.config, n_heads=4)).eval()
    bare = Catalogue.from_frame(pd.DataFrame({"item_id": catalogue.item_id[1:]}))
    found = evidence(model, bare, histories, config=replace(QUICK, histories=30))
    assert found["probes"] is None and found["dci"] is None
    assert found["histories"] == {"count": 30, "source": "", "median_length": np.median(histories.lengths)}
    assert {v["verdict"] for v in found["verdicts"]} == {"unclear"}
    assert json.dumps(found, allow_nan=False)


def test_an_expert_that_never_gets_an_even_share_is_dead() -> None:
    model, catalogue, _ = small_world()
    one = Sequences(["u"], [5], [0, 1])  # one item: all experts of a head give its value
    with torch.no_grad():
        model.facets.W_exp.zero_()  # all weights 1/3
        value = model(torch.tensor([[5]])).f[0, 0, 1]
        model.facets.W_exp[1, :8, 2] = -0.2 * value / value.square().sum()  # a logit of -0.2
    experts = evidence(model, catalogue, one, config=QUICK)["experts"]
    assert experts["dead"] == [[False, False, False], [False, False, True]]
    assert experts["router_most"][1][2] == pytest.approx(np.exp(-0.2) / (2 + np.exp(-0.2)), abs=1e-4)
    assert experts["router_entropy"][0] == pytest.approx(1, abs=1e-4)


def test_values_that_are_too_rare_or_everywhere_are_not_probed() -> None:
    _, catalogue, _ = small_world()
    labels = labels_of(catalogue, np.arange(1, 241), ProbeConfig(most_values=3))
    assert labels.attributes == ("genres", "decade") and labels.owner.tolist() == [0, 0, 0, 1, 1, 1]
    assert not labels.has[0].any() and labels.has.shape == (241, 6)
    np.testing.assert_allclose(labels.by_attribute(np.array([1.0, 2, np.nan, 4, 5, 6])), [1.5, 5])


def test_an_attribute_of_more_values_than_a_matrix_holds_is_no_hindrance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fame.catalogue.MAX_CELLS", 1000)
    frame = pd.DataFrame(
        {"item_id": range(300), "url": [f"https://host/{k}" for k in range(300)], "letter": [*"abc"] * 100}
    )
    catalogue = Catalogue.from_frame(frame)
    with pytest.raises(FameError, match="too many"):
        catalogue.attribute("url")
    labels = labels_of(catalogue, np.arange(1, 301), ProbeConfig())
    assert labels.attributes == ("letter",) and labels.has.sum(0).tolist() == [100, 100, 100]


def test_values_are_counted_among_the_items_that_are_probed() -> None:
    letters = np.repeat([*"abcd"], [600, 200, 100, 100])
    colours = np.repeat(["red", "blue", "blue|pale", "blue"], [500, 300, 100, 100])
    frame = pd.DataFrame({"item_id": range(1000), "letter": letters, "colour": colours})
    catalogue = Catalogue.from_frame(frame)
    rows = np.concatenate([[1, 2, 3], np.arange(641, 651), np.arange(801, 830), np.arange(901, 908)])
    labels = labels_of(catalogue, rows, ProbeConfig())  # 3 of a, 10 of b, 29 of c, 7 of d; 3 not blue
    assert labels.attributes == ("letter",) and labels.values == ("c", "b")
    assert labels.has[rows].sum(0).tolist() == [29, 10] and labels.has.sum(0).tolist() == [100, 200]
    model = FAME(FAMEConfig(n_items=1000, max_len=4, d_model=4, n_heads=2, n_experts=2, n_layers=1))
    found = evidence(model, catalogue, Sequences(["u"], [1], [0, 1]), config=replace(QUICK, most_items=60))
    assert found["items"] == 60
    letter, colour = found["attributes"]
    assert letter["values"] == ["a", "b"] and min(letter["items"]) >= 8 and sum(letter["items"]) < 60
    assert letter["base_rate"] == pytest.approx(np.mean(letter["items"]) / 60, abs=1e-5)
    assert {*colour["values"]} == {"blue", "red"} and sum(colour["items"]) == 60 and colour["base_rate"] == 0.5


def test_what_does_not_fit_is_refused() -> None:
    model, catalogue, histories = small_world()
    sasrec = FAME(replace(model.config, variant="sasrec"))
    with pytest.raises(FameError, match="a plain SASRec has no heads to probe"):
        evidence(sasrec, catalogue, histories)
    with pytest.raises(FameError, match="the baseline must be a plain SASRec"):
        evidence(model, catalogue, histories, baseline=model)
    with pytest.raises(FameError, match=r"popularity is \[7\]; expected \[241\]"):
        evidence(model, catalogue, histories, np.ones(7))
    with pytest.raises(FameError, match="histories of the catalogue's rows, 1 to 240"):
        evidence(model, catalogue, Sequences(["u"], [241], [0, 1]))
    with pytest.raises(FameError, match="the model has 240 items and the catalogue 9"):
        evidence(model, Catalogue.from_frame(pd.DataFrame({"item_id": range(9)})), histories)
    with pytest.raises(FameError, match="values with 3 items do not fill 5 folds"):
        ProbeConfig(least_items=3)
    with pytest.raises(FameError, match=r"folds is 1; expected a whole number of at least 2"):
        ProbeConfig(folds=1)
