"""The smallest change of a history that makes a wish come true: every single one is run, then pairs of the best.

Counterfactual explanation by exhaustion. Only the query of the last position is needed, so that a change costs one
short pass, and histories that begin alike share the work of their beginning.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, islice, product
from operator import itemgetter
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.explain.changes import Remove, Replace
from fame.explain.compare import PERSISTENCE, rank_biased_overlap
from fame.explain.reruns import History, _history
from fame.explain.tables import candidates, checked, rank_of
from fame.explain.wishes import Wish
from fame.model import FAME
from fame.text import listing, ordinal, plural
from fame.trace import NOTHING, Intervention

__all__ = ["BEAM", "Found", "Search", "say_found", "say_search", "search_changes", "smallest_change"]

BEAM = 200  # single changes that pairs are made of: some 20,000 pairs
CHUNK = 256  # histories of one pass
CELLS = 2_000_000  # scores held at once by a thread


@dataclass(frozen=True)
class Found:
    """A change that does it, run and not estimated.

    changes: one edit or two, to be applied one after the other.   history: the rows that it leaves.
    rank: the wished item's.   alike: the mean cosine, in the item space x_v, between what was replaced and what stands
    there now; missing where nothing was replaced.   cost: rank-biased overlap of the two top k, 1 where nothing else
    changed.   left, entered: rows that leave and enter the top k.
    """

    changes: tuple[Remove | Replace, ...]
    history: tuple[int, ...]
    rank: int
    alike: float
    cost: float
    left: tuple[int, ...]
    entered: tuple[int, ...]


@dataclass(frozen=True)
class Search:
    """How far a search has come.

    rank: the wished item's, before any change.   already: whether the wish is true without one.
    found: the smallest changes that do it, at most as many as were asked for; works: how many do in all, so far.
    tried of singles, and pairs_tried of pairs: changes that were run, of all that are to be; `pairs` is 0 where none
    were needed.   done: whether it has ended.
    """

    wish: Wish
    rank: int
    already: bool = False
    found: tuple[Found, ...] = ()
    works: int = 0
    tried: int = 0
    singles: int = 0
    pairs_tried: int = 0
    pairs: int = 0
    done: bool = False


class Single(NamedTuple):
    """One edit: the place, from 0, and the row that takes it, 0 where it is left out; how near it comes."""

    at: int
    by: int
    gap: float
    alike: float


def smallest_change(
    model: FAME,
    catalogue: Catalogue,
    rows: History,
    wish: Wish,
    intervention: Intervention = NOTHING,
    *,
    answers: int = 10,
    k: int = 10,
    beam: int = BEAM,
    threads: int = 1,
) -> Search:
    """The last of `search_changes`: all single changes tried and, where none does it, pairs of the best."""
    *_, last = search_changes(
        model, catalogue, rows, wish, intervention, answers=answers, k=k, beam=beam, threads=threads
    )
    return last


def search_changes(
    model: FAME,
    catalogue: Catalogue,
    rows: History,
    wish: Wish,
    intervention: Intervention = NOTHING,
    *,
    answers: int = 10,
    k: int = 10,
    beam: int = BEAM,
    threads: int = 1,
) -> Iterator[Search]:
    """Try every removal of one item that is read, and every replacement by an item that is not in the history.

    What has been found so far comes after each few hundred changes; who stops asking stops the search. Smallest:
    removals before replacements, then those by what is most alike to what was replaced (cosine in x_v), ties in
    catalogue order. No item of the wish is put into the history: what is there is not recommended. Where no single
    change does it, pairs at two places are tried, of the `beam` single changes that come nearest, shared out evenly
    over the places; there may be other pairs.

    rows: the history, oldest first.   answers: how many changes are kept.   k: of the list whose cost is told.
    beam: 0 for no pairs.   threads: passes at a time.   Memory: some bytes for each place and item, and the scores
    of a few hundred histories.

    Raises:
        FameError: as `trace`, but for a model without heads; or an item of the wish is in the history, or unknown.
    """
    history = _history(model, catalogue, rows, heads=False)
    checked(wish.rows, len(catalogue))
    if inside := [row for row in wish.rows if row in history]:
        raise FameError(
            f"{catalogue.label(inside[0])} is in the history, and what is there is not recommended; "
            f"wish for another {catalogue.noun}, or remove it first"
        )
    if intervention:
        intervention.check(model.config)
    return _Searcher(model, catalogue, history, wish, intervention, answers, k, beam, threads).run()


Job = tuple[tuple[Single, ...], ...]
T = TypeVar("T")


def batches(values: Iterable[T], n: int) -> Iterator[tuple[T, ...]]:
    """The values by n at a time, fewer at the end."""
    left = iter(values)
    while batch := tuple(islice(left, n)):
        yield batch


@dataclass
class _Searcher:
    """One search."""

    model: FAME
    catalogue: Catalogue
    history: np.ndarray
    wish: Wish
    intervention: Intervention
    answers: int
    k: int
    beam: int
    threads: int
    kept: list[tuple[tuple[Any, ...], Found]] = field(default_factory=list)
    works: int = 0
    lock: Lock = field(default_factory=Lock)
    old: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # the top k without a change

    def run(self) -> Iterator[Search]:
        scores = self.scores(self.history[None])
        candidate = candidates(len(self.catalogue), self.history)
        state = Search(self.wish, int(rank_of(scores[0], self.wish.row, candidate)))
        if self.wish.met(scores, candidate[None])[0]:
            yield replace(state, already=True, done=True)
            return
        self.old = self.top(scores[0], candidate)
        state = replace(state, singles=self.removals() + len(self.places) * len(self.others))
        near: dict[int, list[Single]] = {}
        for part in self.tried(self.singles()):
            self.keep_nearest(near, [single._replace(gap=gap) for [single], gap in part])
            state = self.now(replace(state, tried=state.tried + len(part)))
            yield state
        if not self.works and self.beam:
            jobs = self.pairs(near)
            state = replace(state, pairs=sum(map(len, jobs)))
            for part in self.tried(iter(jobs)):
                state = self.now(replace(state, pairs_tried=state.pairs_tried + len(part)))
                yield state
        yield replace(state, done=True)

    def now(self, state: Search) -> Search:
        return replace(state, found=tuple(found for _, found in self.kept), works=self.works)

    # ---- what is tried

    @cached_property
    def places(self) -> range:
        """The places that the model reads."""
        return range(max(0, len(self.history) - self.model.config.max_len), len(self.history))

    @cached_property
    def others(self) -> np.ndarray:
        """The rows that may come in."""
        return np.flatnonzero(candidates(len(self.catalogue), [*self.history, *self.wish.rows]))

    @cached_property
    def chunk(self) -> int:
        return max(1, min(CHUNK, CELLS // len(self.catalogue)))

    def removals(self) -> int:
        return len(self.places) if len(self.history) > 1 else 0

    def singles(self) -> Iterator[Job]:
        """Removals, then replacements, at each place by what is most alike first: jobs that begin alike."""
        yield from batches([(Single(at, 0, 0.0, math.nan),) for at in self.places][: self.removals()], self.chunk)
        x = self.model.items.weight.detach().float().cpu().numpy()
        x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        alike = x[self.history[self.places]] @ x[self.others].T  # [place, other]
        order = np.argsort(-alike, axis=1, kind="stable")
        for start in range(0, len(self.others), self.chunk):
            for i, at in enumerate(self.places):
                best = order[i, start : start + self.chunk]
                yield tuple(
                    (Single(at, by, 0.0, likeness),)
                    for by, likeness in zip(self.others[best].tolist(), alike[i, best].tolist(), strict=True)
                )

    def keep_nearest(self, near: dict[int, list[Single]], tried: Sequence[Single]) -> None:
        """Of each place the single changes that come nearest: the beam is shared out evenly."""
        quota = max(1, self.beam // len(self.places))
        for single in tried:
            near.setdefault(single.at, []).append(single)
        for at in {single.at for single in tried}:
            near[at] = sorted(near[at], key=lambda single: -single.gap)[:quota]

    def pairs(self, near: dict[int, list[Single]]) -> list[Job]:
        """Two of them at two places, grouped by what shares a beginning and has one length."""
        groups: dict[tuple[int, int], list[tuple[Single, ...]]] = {}
        for a, b in combinations(sorted(near), 2):
            for one, two in product(near[a], near[b]):
                removed = (not one.by) + (not two.by)
                if (one.by != two.by or removed) and removed < len(self.history):
                    groups.setdefault((a, removed), []).append((one, two))
        return [job for group in groups.values() for job in batches(group, self.chunk)]

    # ---- trying

    def tried(self, jobs: Iterator[Job]) -> Iterator[list[tuple[tuple[Single, ...], float]]]:
        """Each job's changes with the gap they leave. What does it is kept."""
        with ThreadPoolExecutor(self.threads) as pool:
            for group in batches(jobs, self.threads):
                yield [each for part in pool.map(self.attempt, group) for each in part]

    def attempt(self, job: Job) -> list[tuple[tuple[Single, ...], float]]:
        variants = np.array([self.edited(singles) for singles in job])
        scores = self.scores(variants)
        candidate = np.ones(scores.shape, bool)
        candidate[:, 0] = False
        candidate[np.arange(len(variants))[:, None], variants] = False
        for i in np.flatnonzero(self.wish.met(scores, candidate)):
            self.keep(job[i], variants[i], scores[i], candidate[i])
        return list(zip(job, self.wish.gap(scores, candidate).tolist(), strict=True))

    def edited(self, singles: Sequence[Single]) -> list[int]:
        items = self.history.tolist()
        for single in singles[::-1]:  # the later place first, so that the earlier one stays where it is
            items[single.at : single.at + 1] = [single.by] if single.by else []
        return items

    def scores(self, variants: np.ndarray) -> np.ndarray:
        """The final scores after histories of one length [m,T]: [m,V]."""
        kept = variants[:, -self.model.config.max_len :]
        same = (kept == kept[0]).all(axis=0)[:-1]
        alike = int(same.cumprod().sum())
        with torch.inference_mode():
            items = torch.from_numpy(kept).to(self.model.items.weight.device)
            return self.model.score(self.model.last_query(items, self.intervention, alike)).float().cpu().numpy()

    def top(self, scores: np.ndarray, candidate: np.ndarray) -> np.ndarray:
        rows = np.flatnonzero(candidate)
        return rows[np.argsort(-scores[rows], kind="stable")[: self.k]]

    def keep(self, singles: tuple[Single, ...], variant: np.ndarray, scores: np.ndarray, candidate: np.ndarray) -> None:
        """Keep a change that does it, if it is among the smallest."""
        replaced = [single for single in singles if single.by]
        rows = tuple(single.by or int(self.history[single.at]) for single in singles)
        alike = sum(single.alike for single in replaced)
        key = (len(replaced), -alike, rows, tuple(single.at for single in singles))
        with self.lock:
            self.works += 1
            if len(self.kept) == self.answers and key > self.kept[-1][0]:
                return
            new = self.top(scores, candidate)
            depth = min(len(new), len(self.old))
            found = Found(
                tuple(self.change(single) for single in singles[::-1]),
                tuple(variant.tolist()),
                int(rank_of(scores, self.wish.row, candidate)),
                alike / len(replaced) if replaced else math.nan,
                float(rank_biased_overlap(self.old[:depth], new[:depth], PERSISTENCE)) if depth else math.nan,
                tuple(self.old[~np.isin(self.old, new)].tolist()),
                tuple(new[~np.isin(new, self.old)].tolist()),
            )
            insort(self.kept, (key, found), key=itemgetter(0))
            del self.kept[self.answers :]

    def change(self, single: Single) -> Remove | Replace:
        ids = self.catalogue.item_id
        old = str(ids[self.history[single.at]])
        return Replace(single.at, old, str(ids[single.by])) if single.by else Remove(single.at, old)


# ---- in words


def say_found(found: Found, catalogue: Catalogue) -> str:
    """A change and what it costs: 'Without Speed: second. Alien and Heat leave the list for Fargo and Brazil.'"""
    label = lambda item: catalogue.label(catalogue.row(item))  # noqa: E731
    what = listing([change.words(label) for change in found.changes[::-1]])
    text = f"{what[0].upper()}{what[1:]}: {ordinal(found.rank)}"
    if not found.left and not found.entered:
        return f"{text}. The list keeps its {catalogue.noun}s."
    titles = [str(catalogue.title[row]) for row in found.left]
    gone = listing([*titles[:3], f"{len(titles) - 3} more"] if len(titles) > 3 else titles) if titles else "nothing"
    return f"{text}. {gone} {'leaves' if len(titles) < 2 else 'leave'} the list."


def say_search(search: Search, catalogue: Catalogue) -> str:
    """What a search has found so far, or that it found nothing, in one or two sentences."""
    wish = search.wish.words(catalogue)
    if search.already:
        return f"{wish}: it is so already; nothing need change."
    singles = f"{search.tried:,} of {plural(search.singles, 'single change')}"
    if search.done and search.tried == search.singles:
        singles = f"All {plural(search.singles, 'single change')}"
    if not search.pairs:
        found = (
            f"{search.works:,} {'puts' if search.works == 1 else 'put'} {wish}" if search.works else "none does it yet"
        )
        if search.done and not search.works:
            return f"No single change does it: {plural(search.singles, 'change')} tried."
        return f"{singles} tried: {found}."
    text = f"No single change of {search.singles:,} does it."
    pairs = f"{search.pairs_tried:,} of {plural(search.pairs, 'pair')} of the best single changes"
    if search.works:
        return (
            f"{text} {pairs} tried: {search.works:,} {'does' if search.works == 1 else 'do'} it; there may be others."
        )
    if not search.done:
        return f"{text} {pairs} tried: none does it yet."
    return f"{text} Nothing was found in {plural(search.pairs, 'pair')} of the best of them; there may be other pairs."
