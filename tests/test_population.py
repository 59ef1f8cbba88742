"""A population: its numbers by another way, its slices by hand, its intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.data.sequences import Sequences, Task
from fame.make.evaluate import popularity_ranks
from fame.make.population import measure_population
from fame.model import FAME
from fame.population import Population, gate_by_slice, nearest, overall, say_leaders, slice_table, slices_of, usage
from fame.statistics import benjamini_hochberg, mean_interval, share_interval, two_sided
from tests.sharp import sharp

V, H, N, U = 31, 3, 2, 40


def catalogue() -> Catalogue:
    rows = range(1, V)
    return Catalogue.from_frame(
        pd.DataFrame(
            {
                "item_id": [f"secret-{i:03d}" for i in rows],
                "title": [f"Title {i}" for i in rows],
                "genres": ["|".join(("drama", "war", "crime")[m] for m in range(3) if i >> m & 1) for i in rows],
            }
        )
    )


def model() -> FAME:
    return sharp(n_items=V - 1, max_len=6, d_model=12, n_heads=H, n_experts=N, n_layers=2)


def task() -> Task:
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 9, U)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    items = np.concatenate([rng.choice(np.arange(1, V), n, replace=False) for n in lengths])
    users = np.array([f"user-{u}" for u in range(U)], object)
    histories = Sequences(users, items, offsets)
    targets = [rng.choice(np.setdiff1d(np.arange(1, V), histories.history(u))) for u in range(U)]
    return Task(histories, np.array(targets))


COUNTS = np.concatenate([[0], np.arange(1, V)[::-1]])


def measured() -> Population:
    baselines = {"the most popular": lambda some: popularity_ranks(COUNTS, some)}
    return measure_population(model(), catalogue(), task(), COUNTS, baselines, keep_histories=True)


def test_its_numbers_are_those_of_single_traces(tmp_path: Path) -> None:
    p, todo = measured(), task()
    bundle = Bundle("small", model(), catalogue())
    matrix, values = bundle.catalogue.attribute("genres")
    assert p.values[0] == values
    for u in range(U):
        history, target = todo.histories.history(u), int(todo.targets[u])
        trace = bundle.trace(rows=history)
        np.testing.assert_allclose(p.gate[u], trace.gate[-1], atol=2e-3)
        np.testing.assert_allclose(p.router[u], trace.router[-1], atol=2e-3)
        lists = [trace.ranking(head=h).tolist() for h in (*range(H), None)]
        assert p.rank[u] == 1 + lists[-1].index(target)
        assert p.head_rank[u].tolist() == [1 + own.index(target) for own in lists[:-1]]
        shared = [len(set(own[:10]) & set(lists[-1][:10])) / 10 for own in lists[:-1]]
        np.testing.assert_allclose(p.overlap[u], shared, atol=1e-3)
        assert p.length[u] == len(history) and p.popularity[u] == COUNTS[target]
        assert p.last[0][u].tolist() == matrix[history[-1]].tolist()
        assert p.target[0][u].tolist() == matrix[target].tolist()
        np.testing.assert_allclose(p.taste[0][u], 10 * np.ceil(10 * matrix[history].mean(0)), atol=1e-6)
    np.testing.assert_array_equal(p.baseline_rank[0], popularity_ranks(COUNTS, todo))


def test_the_items_a_head_moves_most_are_those_whose_rank_falls_most_without_its_share() -> None:
    p, todo = measured(), task()
    bundle = Bundle("small", model(), catalogue())
    sums, shown = np.zeros((H, V)), np.zeros(V)
    for u in range(U):
        trace = bundle.trace(rows=todo.histories.history(u))
        ranking = trace.ranking()
        for place, row in enumerate(ranking[:20].tolist(), 1):
            shown[row] += 1
            for h in range(H):
                left = trace.scores[ranking] - trace.gate[-1, h] * trace.head_scores[h, ranking]
                after = 1 + int((left > left[place - 1]).sum())
                sums[h, row] += np.log2(after / place)
    often = np.flatnonzero(shown >= 5)
    for h in range(H):
        best = np.sort(sums[h, often] / shown[often])[::-1][:20]
        np.testing.assert_allclose(p.moved_gain[h], best, atol=1e-3)


def by_hand() -> Population:
    """Four histories of two heads and two experts: genre drama comes next in the first two, war in the others."""
    flat = np.full((4, 2), 0.5, np.float16)
    return Population(
        gate=np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]], np.float16),
        router=np.tile(np.array([0.9, 0.1], np.float16), (4, 2, 1)),
        rank=np.array([1, 11, 3, 50], np.int32),
        head_rank=np.ones((4, 2), np.int32),
        overlap=flat,
        baselines=("SASRec",),
        baseline_rank=np.array([[2, 2, 3, 50]], np.int32),
        length=np.array([2, 2, 9, 9], np.int32),
        popularity=np.array([5, 5, 5, 5], np.int32),
        attributes=("genre",),
        values=(("drama", "war"),),
        target=(np.array([[1, 0], [1, 0], [0, 1], [0, 1]], bool),),
        last=(np.array([[0, 1], [0, 1], [1, 0], [1, 0]], bool),),
        taste=(np.array([[50, 50], [0, 100], [50, 50], [100, 0]], np.uint8),),
        moved=np.ones((2, 1), np.int32),
        moved_gain=np.ones((2, 1), np.float32),
    )


def test_slices_by_hand() -> None:
    p = by_hand()
    found = {(s.kind, s.name): s.mask.tolist() for s in slices_of(p)}
    assert found["next item's genre", "drama"] == [True, True, False, False]
    assert found["last item's genre", "drama"] == [False, False, True, True]
    assert found["new taste", "genre not in the history"] == [False, True, False, True]
    lengths = [name for kind, name in found if kind == "history"]
    assert lengths == ["short (2 items)", "middling (9 items)"]
    told = {s.key: s.where for s in slices_of(p, "film")}
    assert told["last.1.1"] == "the last film's genre is drama" and told["length.1"] == "the history is short (2 films)"
    table = slice_table(p).set_index("key")
    drama = table.loc["next.1.1"]
    assert drama["histories"] == 2 and drama["HR@10"] == 0.5
    assert drama["NDCG@10"] == pytest.approx(0.5)  # 1 / log2(2) and nothing
    assert drama["SASRec NDCG@10"] == pytest.approx(1 / np.log2(3))
    assert drama["less SASRec"] == pytest.approx(0.5 - 1 / np.log2(3))
    assert drama["gap"] == pytest.approx(0.5 - 0.25)  # war: 1 / log2(4) and nothing
    assert drama["SASRec HR@10"] == 1 and drama["gap ±"] == pytest.approx(1.959964 * np.sqrt(0.3125))
    assert bool(drama["thin"])
    whole = overall(p).set_index("model")
    assert whole.loc["FAME", "HR@10"] == 0.5 and whole.loc["SASRec", "HR@10"] == 0.75
    over = gate_by_slice(p).set_index("key")
    assert over.loc["next.1.2", "head_2"] == pytest.approx(0.65 / 0.4, abs=1e-3)


def test_usage_names_what_is_hardly_used() -> None:
    table = usage(by_hand()).set_index(["head", "expert"])
    assert table.loc[(1, 0), "leads"] == 0.5 and table.loc[(1, 1), "leads"] == 1
    assert table["unused"].to_dict()[1, 2] and not table["unused"].to_dict()[1, 1]
    assert usage(by_hand(), np.array([1, 1, 0, 0], bool)).set_index(["head", "expert"]).loc[(2, 0), "unused"]
    assert say_leaders(by_hand()).startswith("Head 1 leads in 50% of histories")


def test_the_nearest_history_to_one_of_them_is_itself() -> None:
    p = measured()
    found = nearest(p, p.gate[7], p.router[7], 5)
    assert found["index"].tolist()[0] == 7 and found["distance"].tolist()[0] == pytest.approx(0, abs=0.05)
    assert found["distance"].is_monotonic_increasing and found["distance"].max() <= 1


def test_intervals_hold_at_their_rate() -> None:
    rng = np.random.default_rng(1)
    share, mean = [], []
    for _ in range(2000):
        hits = rng.random(80) < 0.15
        low, high = share_interval(int(hits.sum()), len(hits))
        share.append(low <= 0.15 <= high)
        values = np.where(hits, rng.random(80), 0.0)
        middle, half = mean_interval(values)
        mean.append(abs(middle - 0.075) <= half)
    assert 0.93 < np.mean(share) < 0.98
    assert 0.90 < np.mean(mean) < 0.97  # skewed: a little less than 95%


def test_small_statistics_by_hand() -> None:
    np.testing.assert_allclose(benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5])), [0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert two_sided(1.959964) == pytest.approx(0.05, abs=1e-6)
    assert share_interval(0, 0) != share_interval(1, 1)
    middle, half = mean_interval(np.array([0.0, 1.0]))
    assert middle == 0.5 and half == pytest.approx(1.959964 * np.sqrt(0.5 / 2))
    for same in ([0.0] * 5, [0.3]):  # five misses do not make the sixth certain
        assert mean_interval(np.array(same))[0] == same[0] and np.isnan(mean_interval(np.array(same))[1])


def test_it_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    p = measured()
    Bundle("small", model(), catalogue(), population=p).save(tmp_path / "small")
    back = Bundle.load(tmp_path / "small").population
    assert back is not None and back.history(3) == tuple(task().histories.history(3).tolist())
    for name, array in p.to_arrays().items():
        np.testing.assert_array_equal(array, back.to_arrays()[name])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rank": np.zeros(4, np.int32)}, "rank goes beyond 1"),
        ({"gate": np.full((4, 2), np.nan)}, "gate goes beyond"),
        ({"head_rank": np.ones((3, 2), np.int32)}, r"head_rank is \[3, 2\]; expected \[4, 2\]"),
        ({"values_0": np.array([["a"]])}, "another kind or form"),
        ({"rank": np.array(["a"] * 4)}, "another kind or form"),
        ({"offsets": np.array([0, 1, 2, 3, 4])}, "both items and offsets"),
        ({"attributes": None}, "attributes is missing"),
        ({"alike": np.array(-1)}, "alike is -1; expected a count"),
        ({"alike": np.array([1, 2])}, "another kind or form"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, np.ndarray | None], said: str) -> None:
    arrays = {name: array for name, array in (by_hand().to_arrays() | change).items() if array is not None}
    with pytest.raises(FameError, match=said):
        Population.from_arrays(arrays)


def test_a_population_of_another_model_is_refused() -> None:
    with pytest.raises(FameError, match=r"of 2 × 2 experts; the model has 3 × 2"):
        Bundle("small", model(), catalogue(), population=by_hand())
