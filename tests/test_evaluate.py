"""Ranks and metrics against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.data.sequences import Sequences, Task
from fame.make.evaluate import (
    METRICS,
    evaluate,
    interval,
    metric_values,
    paired_bootstrap,
    popularity_ranks,
    ranks,
    summarise,
)
from fame.model import FAME, Pass


class Fixed(FAME):
    """Scores item v as `scores[v - 1]`, whatever the history."""

    def __init__(self, scores: list[float]):
        super().__init__(FAMEConfig(len(scores), max_len=4, d_model=4, n_heads=2, backbone_heads=2))
        with torch.no_grad():
            self.items.weight.zero_()
            self.items.weight[1:, 0] = torch.tensor(scores)

    def forward(self, items: torch.Tensor, *_: object, **__: object) -> Pass:  # type: ignore[override]
        return Pass(torch.ones(*items.shape, self.config.d_model))


def task(*users: tuple[list[int], int]) -> Task:
    """A task of (history, target) pairs."""
    histories, targets = zip(*users, strict=True) if users else ((), ())
    offsets = np.cumsum([0, *map(len, histories)])
    flat = [item for history in histories for item in history]
    return Task(Sequences(np.arange(len(users)).astype(str), np.array(flat, np.int32), offsets), np.array(targets))


def test_a_rank_counts_the_candidates_at_or_above_the_target() -> None:
    model = Fixed([0.9, 0.5, 0.7, 0.1, 0.3])  # best first: 1 3 2 5 4
    users = task(([4], 1), ([4], 2), ([1, 3], 2), ([1, 3, 5], 4), ([5, 5], 3))
    assert ranks(model, users).tolist() == [1, 3, 1, 2, 2]
    assert ranks(model, users, exclude_seen=False).tolist() == [1, 3, 3, 5, 2]


def test_a_target_that_was_seen_is_still_a_candidate() -> None:
    assert ranks(Fixed([0.9, 0.5, 0.7]), task(([2, 1], 2))).tolist() == [2]


def test_ties_count_against_the_model() -> None:
    model = Fixed([1.0, 0.5, 0.5, 0.5, 0.1])
    assert ranks(model, task(([1], 2), ([1], 4), ([5], 3), ([3], 2))).tolist() == [3, 3, 4, 3]


@pytest.mark.parametrize("score", [0.0, 7.0, float("nan"), float("inf")])
def test_a_scorer_that_tells_nothing_apart_comes_last(score: float) -> None:
    model = Fixed([score] * 100)
    users = task(*(([1 + u], 100 - u) for u in range(20)))
    assert (ranks(model, users) == 99).all() and (ranks(model, users, exclude_seen=False) == 100).all()
    assert evaluate(model, users)["HR@20"] == 0


def test_nan_at_one_item_stands_before_the_target() -> None:
    assert ranks(Fixed([0.9, float("nan"), 0.7]), task(([3], 1), ([3], 2))).tolist() == [2, 2]


def test_popularity_ranks_are_those_of_a_scorer_by_counts() -> None:
    counts = np.array([99, 9, 5, 7, 1, 5])  # of padding, which is no item, and of items 1 to 5
    users = task(([4], 1), ([4], 2), ([1, 3], 5), ([2], 4), ([1], 3), ([2, 1], 2))
    assert popularity_ranks(counts, users).tolist() == [1, 4, 2, 4, 1, 3]
    assert popularity_ranks(counts, users).tolist() == ranks(Fixed(counts[1:].tolist()), users).tolist()


def test_metrics_by_hand() -> None:
    rank = np.array([1, 2, 5, 6, 11, 100])
    assert metric_values(rank, "HR@5").tolist() == [1, 1, 1, 0, 0, 0]
    assert metric_values(rank, "HR@10").tolist() == [1, 1, 1, 1, 0, 0]
    assert_allclose(metric_values(rank, "NDCG@5"), [1, 0.6309297535714575, 0.38685280723454163, 0, 0, 0])
    assert_allclose(metric_values(np.array([3, 7]), "NDCG@10"), [0.5, 1 / 3])
    assert_allclose(metric_values(rank, "MRR"), [1, 1 / 2, 1 / 5, 1 / 6, 1 / 11, 1 / 100])
    summary = summarise(rank)
    assert list(summary) == [key for name in METRICS for key in (name, f"{name} ±")]
    assert METRICS == ("HR@5", "HR@10", "HR@20", "NDCG@5", "NDCG@10", "NDCG@20", "MRR")
    assert_allclose([summary["HR@20"], summary["NDCG@5"]], [5 / 6, (1 + 0.63092975 + 0.38685281) / 6])


def test_evaluate_summarises_the_ranks() -> None:
    model, users = Fixed([0.9, 0.5, 0.7, 0.1, 0.3]), task(([4], 1), ([4], 2), ([1, 3, 5], 4))
    assert evaluate(model, users) == summarise(np.array([1, 3, 2]))
    assert evaluate(model, users, exclude_seen=False) == summarise(np.array([1, 3, 5]))


@pytest.mark.parametrize("name", ["HR", "HR@", "HR@²", "ndcg@5", "NDCG@x", "AUC"])
def test_an_unknown_metric_is_refused(name: str) -> None:
    with pytest.raises(FameError, match=f"no metric is called '{name}'; expected HR@k, NDCG@k or MRR"):
        metric_values(np.array([1]), name)


def test_nothing_to_evaluate_is_refused() -> None:
    with pytest.raises(FameError, match="nothing to evaluate: no user has the 3 interactions"):
        ranks(Fixed([1.0]), task())


def mixed(n_items: int = 30, users: int = 40) -> tuple[FAME, Task]:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = FAME(FAMEConfig(n_items, max_len=6, d_model=8, n_heads=2, n_experts=2))
    lengths = rng.integers(1, 12, users)  # some are longer than the model reads, and all of it has been seen
    return model, task(
        *((rng.integers(1, n_items + 1, n).tolist(), int(rng.integers(1, n_items + 1))) for n in lengths)
    )


def test_ranks_agree_with_one_history_at_a_time_and_a_full_sort() -> None:
    model, users = mixed()
    expected = []
    for u, target in enumerate(users.targets):
        history = users.histories.history(u)
        with torch.no_grad():
            scores = model.eval()(torch.from_numpy(history[-6:].astype(np.int64))[None])
            scores = model.score(scores.query[0, -1]).numpy()
        others = [v for v in range(1, 31) if v == target or v not in history]
        expected.append(1 + sorted(others, key=lambda v: -scores[v]).index(target))
    assert ranks(model, users).tolist() == expected


def test_the_size_of_a_block_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    model, users = mixed()
    whole = ranks(model, users)
    monkeypatch.setattr("fame.make.evaluate.SCORES_AT_ONCE", 100)
    done: list[int] = []
    assert ranks(model, users, progress=done.append).tolist() == whole.tolist()
    assert done == [*range(3, 40, 3), 40]


def test_an_interval_by_hand() -> None:
    assert_allclose(interval(np.array([1.0, 0, 0, 1])), 1.96 * np.sqrt(1 / 3) / 2)
    assert interval(np.ones(50)) == 0
    assert np.isnan(interval(np.ones(1)))


def test_a_paired_bootstrap_of_a_constant_difference_has_no_width() -> None:
    """Paired: users differ widely, yet every user gains the same."""
    a, b = np.array([1, 2, 1, 2]), np.array([50, 50, 50, 50])
    assert paired_bootstrap(a, b, "HR@5", draws=200) == (1, 1, 1)
    assert paired_bootstrap(b, b, "MRR", draws=200) == (0, 0, 0)


def test_a_paired_bootstrap_agrees_with_the_binomial() -> None:
    """30 of 100 users gain a hit: a resample's mean is binomial(100, .3) / 100, with 2.5% tails at .21 and .39."""
    a, b = np.where(np.arange(100) < 30, 1, 50), np.full(100, 50)
    mean, low, high = paired_bootstrap(a, b, "HR@10", draws=4000)
    assert mean == 0.3
    assert abs(low - 0.21) < 0.011 and abs(high - 0.39) < 0.011
    assert paired_bootstrap(a, b, "HR@10", draws=50) == paired_bootstrap(a, b, "HR@10", draws=50), "seeded"
    assert_allclose(paired_bootstrap(b, a, "HR@10", draws=4000), (-mean, -high, -low), atol=0.011)


def test_a_paired_bootstrap_averages_seeds_per_user() -> None:
    a = np.array([[1, 50], [50, 1]])  # two seeds, each of which finds one of the two users' targets
    assert paired_bootstrap(a, np.array([50, 50]), "HR@5", draws=100) == (0.5, 0.5, 0.5)
    with pytest.raises(FameError, match="2 users against 3; expected the same users"):
        paired_bootstrap(a, np.ones(3), "MRR")


@given(st.lists(st.integers(1, 1000), min_size=1))
def test_metrics_lie_in_order(rank: list[int]) -> None:
    m = {name: metric_values(np.array(rank), name) for name in METRICS}
    for kind in ("HR", "NDCG"):
        assert (m[f"{kind}@5"] <= m[f"{kind}@10"]).all() and (m[f"{kind}@10"] <= m[f"{kind}@20"]).all()
    assert (m["NDCG@20"] <= m["HR@20"]).all() and (m["MRR"] <= 1).all() and (m["MRR"] > 0).all()
