"""Measuring a population: one pass over up to 5,000 held-out histories, and what it says of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.data.sequences import Sequences, Task
from fame.make.evaluate import batches
from fame.make.private import SHORTEST, private
from fame.model import FAME
from fame.population.record import MOST_HISTORIES, MOST_VALUES, Population

__all__ = ["measure_population", "some_of"]

FIRST = 10  # of the lists whose overlap is kept
SHOWN = 20  # of the final list, whose items count as moved
KEPT = 20  # items that a head moves most
LEAST_SHOWN = 5  # histories that must show an item for its mean to count


def some_of(task: Task, seed: int = 0, most: int = MOST_HISTORIES, shortest: int = 1) -> Task:
    """At most `most` histories of at least `shortest` items (SHORTEST for a private log), by chance.

    They come in a random order, so that none can be told by its place.
    """
    histories = task.histories
    chosen = np.random.default_rng(seed).permutation(len(task))
    chosen = chosen[histories.lengths[chosen] >= shortest][:most]
    return Task(histories.first(chosen, histories.lengths[chosen]), task.targets[chosen])


def measure_population(
    model: FAME,
    catalogue: Catalogue,
    task: Task,
    counts: np.ndarray,
    baselines: Mapping[str, Callable[[Task], np.ndarray]],
    *,
    keep_histories: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Population:
    """The population of a task's histories, at most MOST_HISTORIES of them: see `some_of`.

    counts: int [V], how often each item is in the training log.   baselines: by name, what gives the ranks of a task.
    keep_histories: whether the histories themselves may go into the bundle; if not, `private` says what may.

    Raises:
        FameError: the task is empty or too large, has a history too short for a private log, or the model has no heads.
    """
    if not 1 <= len(task) <= MOST_HISTORIES:
        raise FameError(f"{len(task):,} histories to measure; expected 1 to {MOST_HISTORIES:,}")
    if model.config.variant != "fame":
        raise FameError(f"a {model.config.variant} has no heads; expected a model with heads to measure")
    if not keep_histories and task.histories.lengths.min() < SHORTEST:
        raise FameError(f"a private history of fewer than {SHORTEST} items can be guessed; expected longer ones alone")
    parts = _passes(model, task, progress)
    sums, shown = parts.pop("sums"), parts.pop("shown")
    moved, gain = _most_moved(sums, shown)
    attributes = _attributes(catalogue)
    named = [(name, matrix[:, :MOST_VALUES], values[:MOST_VALUES]) for name, matrix, values in attributes]
    histories = task.histories
    last = histories.items[histories.offsets[1:] - 1]
    found = Population(
        **parts,
        baselines=tuple(baselines),
        baseline_rank=np.array([rank(task) for rank in baselines.values()], np.int32).reshape(-1, len(task)),
        length=histories.lengths.astype(np.int32),
        popularity=counts[task.targets].astype(np.int32),
        attributes=tuple(name for name, _, _ in named),
        values=tuple(tuple(values) for _, _, values in named),
        target=tuple(matrix[task.targets] for _, matrix, _ in named),
        last=tuple(matrix[last] for _, matrix, _ in named),
        taste=tuple(_by_history(task, matrix) for _, matrix, _ in named),
        moved=moved,
        moved_gain=gain,
        alike=0,
        items=histories.items.astype(np.int32),
        offsets=histories.offsets,
    )
    return found if keep_histories else private(found, attributes, task, counts)


def _attributes(catalogue: Catalogue) -> list[tuple[str, np.ndarray, tuple[str, ...]]]:
    """Name, matrix and values of each attribute; one with too many values for a matrix cuts no slices."""
    found = []
    for name in catalogue.attributes:
        with suppress(FameError):
            found.append((name, *catalogue.attribute(name)))
    return found


def _by_history(task: Task, matrix: np.ndarray) -> np.ndarray:
    """Percent of each history's items that have each value, rounded up to tens: uint8 [n,m], 0 only where none has."""
    histories: Sequences = task.histories
    owner = np.repeat(np.arange(len(task)), histories.lengths)
    count = np.zeros((len(task), matrix.shape[1]))
    np.add.at(count, owner, matrix[histories.items])
    return (10 * np.ceil(10 * count / histories.lengths[:, None])).astype(np.uint8)


@torch.inference_mode()
def _passes(model: FAME, task: Task, progress: Callable[[int], None]) -> dict[str, np.ndarray]:
    """What the passes say, in the order of the task; and, by head and item, the sum of gains and how often shown."""
    model.eval()
    n, H, N, V = len(task), model.config.n_heads, model.config.n_experts, model.config.n_rows
    found: dict[str, np.ndarray] = {
        "gate": np.zeros((n, H), np.float16),
        "router": np.zeros((n, H, N), np.float16),
        "rank": np.zeros(n, np.int32),
        "head_rank": np.zeros((n, H), np.int32),
        "overlap": np.zeros((n, H), np.float16),
        "sums": np.zeros((H, V)),
        "shown": np.zeros(V),
    }
    done = 0
    for users, items in batches(task.histories, model.config.max_len, 64):
        p = model(items)
        at, last = torch.arange(len(users)), (items > 0).sum(1) - 1
        assert p.gate is not None and p.router is not None and p.F is not None
        gate = p.gate[at, last]
        heads = model.head_scores(p.F[at, last])  # [b h v]
        final = model.score(p.query[at, last])
        target = torch.from_numpy(task.targets[users].astype(np.int64))
        hidden = torch.zeros(len(users), V, dtype=torch.bool)
        hidden[:, 0] = True
        for row, u in zip(hidden, users, strict=True):
            row[torch.from_numpy(task.histories.history(int(u)).astype(np.int64))] = True
        hidden[at, target] = False
        lists = torch.cat([heads, final.unsqueeze(1)], 1).masked_fill(hidden.unsqueeze(1), -torch.inf)
        ranks = _rank(lists, target)
        top = lists.topk(min(SHOWN, V - 1), -1).indices
        found["gate"][users] = gate.numpy()
        found["router"][users] = p.router[at, last].numpy()
        found["rank"][users], found["head_rank"][users] = ranks[:, -1].numpy(), ranks[:, :-1].numpy()
        shown = lists[:, -1].gather(1, top[:, -1]) > -torch.inf  # a long history may leave fewer candidates
        found["overlap"][users] = _overlap(top[..., :FIRST], shown[:, :FIRST]).numpy()
        gains = _gains(lists[:, -1], heads * gate.unsqueeze(-1), top[:, -1])
        for h in range(H):
            np.add.at(found["sums"][h], top[:, -1][shown].numpy(), gains[:, h][shown].numpy())
        np.add.at(found["shown"], top[:, -1][shown].numpy(), 1)
        done += len(users)
        progress(done)
    return found


def _rank(lists: Tensor, target: Tensor) -> Tensor:
    """The target's rank in each list, ties counted against it, as `evaluate.ranks` has it: [b l v], [b] -> [b l]."""
    own = lists.gather(2, target[:, None, None].expand(-1, lists.shape[1], 1))
    return (~(lists < own)).sum(-1)


def _overlap(first: Tensor, shown: Tensor) -> Tensor:
    """The part of the last list's items that each other list has too: [b l k], [b k] -> [b l-1].

    shown: which places of the lists hold a candidate.
    """
    same = first[:, :-1, :, None] == first[:, -1:, None, :]
    return (same.any(2) & shown.unsqueeze(1)).sum(-1) / shown.sum(-1, keepdim=True)


def _gains(final: Tensor, shares: Tensor, rows: Tensor) -> Tensor:
    """Doublings of rank that each shown item loses when a head's share is taken away and all else stays: [b h k].

    final [b v], -inf at what is no candidate; shares g_h s_h(v) [b h v]; rows [b k].
    """
    final = final.unsqueeze(1)
    without = torch.where(final == -torch.inf, final, final - shares)  # row 0 is -inf in both
    left = without.gather(2, rows.unsqueeze(1).expand(-1, shares.shape[1], -1))
    # Ascending: of V scores those beyond the last place where one could stand are larger.
    after = without.shape[-1] - torch.searchsorted(without.sort(-1).values, left.contiguous(), right=True) + 1
    before = torch.arange(1, rows.shape[1] + 1)
    return after.log2() - before.log2()


def _most_moved(sums: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and mean gains of the KEPT items that each head moves up most: [H,k] each."""
    often = np.flatnonzero(shown >= min(LEAST_SHOWN, shown.max()))
    mean = sums[:, often] / shown[often]
    order = np.argsort(-mean, axis=1, kind="stable")[:, :KEPT]
    return often[order].astype(np.int32), np.take_along_axis(mean, order, 1).astype(np.float32)
