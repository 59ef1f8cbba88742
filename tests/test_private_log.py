"""A private log: what whoever has the bundle can read back from its population. The attacks are written out here."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fame.bundle import Bundle, load
from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.data.sequences import Sequences, Task
from fame.make.evaluate import popularity_ranks
from fame.make.population import measure_population, some_of
from fame.make.private import ALIKE, SHORTEST, told
from fame.model import FAME
from fame.population import Population, slice_table, slices_of
from tests.sharp import sharp

V, H, N, U = 71, 3, 2, 90
GENRES = ("drama", "war", "crime", "comedy")
COUNTS = np.concatenate([[0], 3 * np.arange(1, V)[::-1]])
ARTIFACTS = sorted(path.parent for path in (Path(__file__).parents[1] / "artifacts").glob("*/population.npz"))


def catalogue() -> Catalogue:
    rows = range(1, V)
    return Catalogue.from_frame(
        pd.DataFrame(
            {
                "item_id": [f"secret-{i:03d}" for i in rows],
                "title": [f"Title {i}" for i in rows],
                "genres": ["|".join(GENRES[m] for m in range(4) if i >> m & 1) for i in rows],
                "year": [1950 + 10 * (i % 5) for i in rows],
                "director": [f"Director {i}" for i in range(V - 1)],
            }
        )
    )


def model() -> FAME:
    return sharp(n_items=V - 1, max_len=9, d_model=12, n_heads=H, n_experts=N, n_layers=1)


def task() -> Task:
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 12, U)
    taken = [rng.choice(np.arange(1, V), n + 1, replace=False) for n in lengths]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    users = np.array([f"user-{u}" for u in range(U)], object)
    histories = Sequences(users, np.concatenate([row[:-1] for row in taken]), offsets)
    return Task(histories, np.array([row[-1] for row in taken]))


def measured(todo: Task, keep: bool = False) -> Population:
    baselines = {"the most popular": lambda some: popularity_ranks(COUNTS, some)}
    return measure_population(model(), catalogue(), todo, COUNTS, baselines, keep_histories=keep)


def signatures(p: Population, of: Catalogue, part: np.ndarray) -> np.ndarray:
    """What the method, which is public, tells of each item: bool [V,m]."""
    has = np.concatenate([of.holders(name, values) for name, values in zip(p.attributes, p.values, strict=True)], 1)
    return told(has, 1 / np.maximum(has.sum(0), 1), part)


def fitting(row: np.ndarray, items: np.ndarray) -> int:
    """How many items of the catalogue are told exactly as a row is."""
    return int((items[1:] == row).all(1).sum())


def fewest(p: Population, of: Catalogue, part: np.ndarray | None = None) -> tuple[int, int]:
    """The least number of items that may be a row's last one, and its next one, by all that is told beside each.

    part: the thirds of the items' counts, where the attacker has them. Who has not takes every item that has what is
    told of the next one. Where it is told that a history has nothing that the next one has, both may share nothing.
    """
    has = np.concatenate([of.holders(name, values) for name, values in zip(p.attributes, p.values, strict=True)], 1)[1:]
    before = signatures(p, of, np.zeros(len(of), int))[1:]
    after = signatures(p, of, part)[1:] if part is not None else None
    last, target = np.concatenate(p.last, 1), np.concatenate(p.target, 1)
    new = [
        np.broadcast_to((t.any(1) & ~(t & (held > 0)).any(1))[:, None], t.shape)
        for t, held in zip(p.target, p.taste, strict=True)
    ]
    m, least = last.shape[1], (len(of), len(of))
    for row in np.unique(np.concatenate([last, target, *new, p.popularity[:, None]], 1), axis=0):
        told_last, told_next, fresh = row[:m].astype(bool), row[m : 2 * m].astype(bool), row[2 * m : -1].astype(bool)
        lasts = has[(before == told_last).all(1)]
        if after is None:
            nexts = has[(has | ~told_next).all(1)]
        else:
            assert part is not None
            nexts = has[(after == told_next).all(1) & (part[1:] == row[-1])]
        apart = (lasts[:, fresh].astype(int) @ nexts[:, fresh].T.astype(int)) == 0
        least = min(least[0], int(apart.any(1).sum())), min(least[1], int(apart.any(0).sum()))
    return least


def test_each_last_and_next_item_of_a_small_log_could_be_five_others() -> None:
    """The attacker has the catalogue, the method, and even the counts of the log."""
    todo, of = some_of(task(), shortest=SHORTEST), catalogue()
    p = measured(todo)
    assert p.attributes == ("genres", "decade") and p.alike == ALIKE, "seventy directors are too many"
    low, high = np.quantile(COUNTS[todo.targets], [1 / 3, 2 / 3], method="lower")
    part = np.where(low >= COUNTS, low, np.where(high >= COUNTS, high, high + 1)).astype(int)
    assert min(fewest(p, of, part)) >= ALIKE
    last, target = np.concatenate(p.last, 1), np.concatenate(p.target, 1)
    assert last.sum() > 30 and target.sum() > 30 and len(np.unique(p.popularity)) == 3, "something is left to tell"
    exact = measured(todo, keep=True)
    whole = np.concatenate([of.holders(n, v) for n, v in zip(exact.attributes, exact.values, strict=True)], 1)
    assert min(fitting(row, whole) for row in np.concatenate(exact.last, 1)) == 1, "else the attack finds nothing"


@pytest.mark.parametrize("folder", ARTIFACTS, ids=lambda path: path.name)
def test_each_item_told_of_in_a_published_table_could_be_five_others(folder: Path) -> None:
    bundle = load(folder)
    p = bundle.population
    assert p is not None
    if p.items is not None:
        assert bundle.simulated, "the histories of nobody"
        return
    assert p.alike >= 5
    assert min(fewest(p, bundle.catalogue)) >= 5
    target = np.concatenate(p.target, 1)
    beside = np.concatenate([target, p.popularity[:, None]], 1)
    assert len(np.unique(p.popularity)) <= 3 and len(np.unique(p.length)) <= 3
    kinds, rows = np.unique(beside, axis=0, return_counts=True)
    assert len(kinds) <= len(bundle.catalogue) // 5 and rows.sum() == len(p), "as many kinds as groups of five"
    for ranks in (p.rank, p.head_rank, p.baseline_rank):
        assert set(np.unique(ranks[ranks > 10]).tolist()) <= {20, 50, 100, 200, 500, 1000}
    for weight in (p.gate, p.router):
        off = np.abs(weight * 20.0 - np.round(weight * 20.0)).max(initial=0)
        assert off < 0.25, "5% steps, one percent more where two would lead"
    for found, next_one in zip(p.taste, p.target, strict=True):
        assert set(np.unique(found).tolist()) <= {0, 100} and not (found[~next_one]).any()


def test_the_numbers_of_the_screen_stay_but_for_rounding() -> None:
    todo = some_of(task(), shortest=SHORTEST)
    exact, p = measured(todo, keep=True), measured(todo)
    for ours, theirs in ((p.rank, exact.rank), (p.head_rank, exact.head_rank), (p.baseline_rank, exact.baseline_rank)):
        assert ours[theirs <= 10].tolist() == theirs[theirs <= 10].tolist() and (ours >= theirs).all()
    for weight, whole in ((p.gate, exact.gate), (p.router, exact.router)):
        assert (weight.argmax(-1) == whole.argmax(-1)).all()
        assert np.abs(weight.astype(float) - whole).max() < 0.036
    own, whole_table = (slice_table(q).set_index("key") for q in (p, exact))
    for key in ("length.1", "length.3", "popularity.1", "popularity.2"):
        assert (
            own.loc[key, ["histories", "NDCG@10"]].tolist() == whole_table.loc[key, ["histories", "NDCG@10"]].tolist()
        )
    names = [piece.name for piece in slices_of(p, "film")]
    low, high = np.quantile(todo.histories.lengths, [1 / 3, 2 / 3], method="lower")
    assert f"short (up to {low} films)" in names and f"long (more than {high} films)" in names
    told_new = 0
    for a, name in enumerate(p.attributes):
        i = exact.attributes.index(name)
        new, true = (~(q.target[j] & (q.taste[j] > 0)).any(1) & p.target[a].any(1) for q, j in ((p, a), (exact, i)))
        assert not (new & ~true).any(), "what is called new is new"
        told_new += int(new.sum())
    assert told_new
    for name, mine in zip(p.attributes, p.last, strict=True):
        theirs = exact.last[exact.attributes.index(name)]
        assert mine.any() and not (mine & ~theirs).any(), "nothing is told that is not so"


def test_what_is_told_by_hand() -> None:
    """Five dramas, five of war, two of both, one of drama and crime: nothing but drama and war can be told."""
    kinds = [(1, 0, 0)] * 5 + [(0, 1, 0)] * 5 + [(1, 1, 0)] * 2 + [(1, 0, 1)]
    has = np.array([(0, 0, 0), *kinds], bool)
    found = told(has, np.array([1.0, 2.0, 3.0]), np.zeros(14, int), 5)
    assert found[1:].tolist() == [[True, False, False]] * 5 + [[False, True, False]] * 7 + [[True, False, False]]
    assert not told(has, np.ones(3), np.arange(14) // 12, 5)[12:].any(), "two items are too few to tell anything"


def test_whatever_the_catalogue_no_combination_is_of_fewer() -> None:
    rng = np.random.default_rng(2)
    for n in (1, 4, 5, 23, 200):
        has = rng.random((n + 1, 12)) < rng.random(12) * 0.6
        has[0] = False
        part = rng.integers(0, 3, n + 1)
        found = told(has, rng.random(12), part)
        assert not (found & ~has).any()
        for item in range(1, n + 1):
            alike = ((found == found[item]).all(1) & (part == part[item]))[1:].sum()
            assert alike >= ALIKE or not found[item].any()


def test_short_histories_of_a_private_log_are_left_out() -> None:
    assert task().histories.lengths.min() < SHORTEST <= some_of(task(), shortest=SHORTEST).histories.lengths.min()
    assert len(some_of(task())) == U
    with pytest.raises(FameError, match=r"a private history of fewer than 5 items can be guessed"):
        measured(task())


def test_no_id_and_no_history_is_in_the_file(tmp_path: Path) -> None:
    """Neither an id of a user or item, nor a history, in whole or in part; the order of users is gone too."""
    todo = some_of(task(), 5, shortest=SHORTEST)
    assert todo.histories.users.tolist() != sorted(todo.histories.users.tolist(), key=lambda name: int(name[5:]))
    Bundle("small", model(), catalogue(), population=measured(todo)).save(tmp_path / "small")
    content = (tmp_path / "small" / "population.npz").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        inside = b"".join(archive.read(name) for name in archive.namelist())
        assert not {"items.npy", "offsets.npy"} & set(archive.namelist())
    for text in ("user-", "secret-"):
        assert text.encode() not in inside and text.encode("utf-32-le") not in inside
    for u in range(len(todo)):
        for dtype in (np.uint8, np.int16, np.int32, np.int64, np.float16, np.float32):
            assert todo.histories.history(u)[:4].astype(dtype).tobytes() not in inside
    back = Bundle.load(tmp_path / "small").population
    assert back is not None and back.alike == ALIKE
    with pytest.raises(FameError, match="the histories of this log are private"):
        back.history(0)
