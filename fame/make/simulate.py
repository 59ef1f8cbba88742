"""A simulated audience whose choices follow FAME's hypothesis, and the observer who knows how it chooses.

Every viewer has one to three preferred values in each facet (within genres, say, horror and western). One facet is
in force at a time and stays so for a while; within it one of the preferred values is. The next film is drawn by
popularity among the unseen films that have this value; now and then, by noise, among all unseen films. Nothing here
is taken from a real log, popularity included.

Letters: u viewer, t step, a facet, w one of its W values, k preference slot, m hypothesis about the preferences.
A *state* is a facet and a slot of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.configs import PlantedConfig
from fame.make.data.sequences import Sequences

__all__ = ["Beliefs", "Planted", "PlantedConfig", "World", "bayes_filter", "countable", "simulate"]

CELLS_AT_ONCE = 4_000_000  # viewers x items, or viewers x hypotheses x states, in one block: 32 MB of float64
MAX_HYPOTHESES = 50_000


@dataclass(frozen=True, eq=False)
class World:
    """What all viewers share: float64 popularity [V] (0 for padding, sums to 1), and which films have which value.

    member: boolean [A,W,V]; facets with fewer than W values have rows of False.   n_values: int64 [A].
    columns: int64 [A,W]. Value w of facet a is column columns[a,w] of `catalogue.attribute(facets[a])`, -1 where none.
    """

    popularity: np.ndarray
    member: np.ndarray
    n_values: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, catalogue: Catalogue, config: PlantedConfig) -> World:
        """The world of a catalogue; what is random in it depends on the seed alone.

        Raises:
            FameError: the catalogue lacks a facet, a facet has no common enough value, or there are too few films.
        """
        V, A = len(catalogue), len(config.facets)
        if config.longest > catalogue.n_items:
            raise FameError(
                f"planted: longest is {config.longest} and there are {catalogue.n_items} films; each is seen once"
            )
        member = np.zeros((A, config.values, V), bool)
        n_values = np.zeros(A, np.int64)
        columns = np.full((A, config.values), -1, np.int64)
        for a, name in enumerate(config.facets):
            matrix, _ = catalogue.attribute(name)  # most frequent value first
            common = np.flatnonzero(matrix.sum(0) >= config.least_items)
            if not len(common):
                raise FameError(f"planted: no value of {name!r} has {config.least_items} films; lower least_items")
            if config.choice == "random":
                common = np.random.default_rng([config.seed, 2, a]).permutation(common)
            n_values[a] = n = min(config.values, len(common))
            columns[a, :n] = common[:n]
            member[a, :n] = matrix.T[common[:n]]
        rank = np.random.default_rng([config.seed, 0]).permutation(catalogue.n_items)
        weight = (1.0 + rank) ** -config.popularity
        popularity = np.concatenate([[0], weight / weight.sum()])
        W = n_values.max()
        return cls(popularity, member[:, :W], n_values, columns[:, :W])


@dataclass(frozen=True, eq=False)
class Planted:
    """The audience and the truth about each of its n steps; arrays are read-only and aligned with `sequences.items`.

    facet: int8 [n], the facet in force, an index into `config.facets`.   slot: int8 [n], which preference of it.
    value: int32 [n], the preferred value in force, an index into the facet's values as in `World`.
    noisy: boolean [n], whether the film was drawn among all unseen ones.
    preferences: int32 [U,A,K], each viewer's preferred values by slot, -1 where a viewer has fewer than K.
    """

    config: PlantedConfig
    sequences: Sequences
    facet: np.ndarray
    value: np.ndarray
    slot: np.ndarray
    noisy: np.ndarray
    preferences: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.facet, self.value, self.slot, self.noisy, self.preferences):
            array.flags.writeable = False


def simulate(catalogue: Catalogue, config: PlantedConfig, audience: int = 0) -> Planted:
    """The audience; the same arguments give the same one. 20,000 viewers of 1,000 films take some ten seconds.

    audience: other numbers give other viewers of the same world, to test on.

    Raises:
        FameError: the catalogue does not have what the config asks for.
    """
    world = World.of(catalogue, config)
    rng = np.random.default_rng([config.seed, 1, audience])
    U, T = config.n_viewers, config.longest
    lengths = rng.integers(config.shortest, T + 1, U)
    preferences = draw_preferences(world, config, rng)
    facet, slot = draw_states(preferences, config, rng)  # [T U]
    value = preferences[np.arange(U), facet, slot]
    noisy = rng.random((T, U)) < config.noise
    items = draw_items(world, facet, value, noisy, rng)
    kept = np.arange(T) < lengths[:, None]  # [U T]

    def flat(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array.T[kept])

    users = np.array([f"{audience}-{u}" for u in range(U)], object)
    sequences = Sequences(users, flat(items), np.concatenate([[0], np.cumsum(lengths)]))
    return Planted(config, sequences, flat(facet), flat(value), flat(slot), flat(noisy), preferences)


def draw_preferences(world: World, config: PlantedConfig, rng: np.random.Generator) -> np.ndarray:
    """Each viewer's preferred values, equally likely and without repetition: int32 [U,A,K], -1 where none."""
    U, (A, W, _) = config.n_viewers, world.member.shape
    K = min(config.preferences, W)
    key = np.where(np.arange(W) < world.n_values[:, None], rng.random((U, A, W)), 2)  # values that are not there: last
    order = key.argsort(-1)[..., :K]
    most = np.minimum(K, world.n_values)
    count = 1 + (rng.random((U, A)) * most).astype(np.int64)
    return np.where(np.arange(K) < count[..., None], order, -1).astype(np.int32)


def draw_states(
    preferences: np.ndarray, config: PlantedConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The facet and the slot in force at each step: int8 [T,U] each."""
    U, A, _ = preferences.shape
    count = (preferences >= 0).sum(-1)
    facets, slots = np.zeros((2, config.longest, U), np.int8)
    everyone = np.arange(U)
    facet = (rng.random(U) * A).astype(np.int64)
    slot = (rng.random(U) * count[everyone, facet]).astype(np.int64)
    for t in range(config.longest):
        if t:
            other = (facet + 1 + (rng.random(U) * (A - 1)).astype(np.int64)) % A
            switch = (rng.random(U) >= config.stickiness) & (A > 1)
            facet = np.where(switch, other, facet)
            n = count[everyone, facet]
            fresh = (rng.random(U) * n).astype(np.int64)
            another = (slot + 1 + (rng.random(U) * (n - 1)).astype(np.int64)) % n
            move = rng.random(U) >= config.value_stickiness
            slot = np.where(switch, fresh, np.where(move, another, slot))
        facets[t], slots[t] = facet, slot
    return facets, slots


def draw_items(
    world: World, facet: np.ndarray, value: np.ndarray, noisy: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A film for each step, by popularity among the unseen that match: int32 [T,U].

    Where noise rules, or no unseen film matches any more, among all unseen.
    """
    T, U = facet.shape
    V = len(world.popularity)
    where = rng.random((T, U))
    items = np.zeros((T, U), np.int32)
    size = max(1, CELLS_AT_ONCE // V)
    for start in range(0, U, size):
        block = slice(start, min(start + size, U))
        unseen = np.tile(world.popularity, (block.stop - start, 1))
        for t in range(T):
            weight = unseen * world.member[facet[t, block], value[t, block]]
            anything = noisy[t, block] | ~weight.any(1)
            weight[anything] = unseen[anything]
            rising = weight.cumsum(1)
            items[t, block] = (rising > where[t, block, None] * rising[:, -1:]).argmax(1)
            unseen[np.arange(len(unseen)), items[t, block]] = 0
    return items


# --- the observer -------------------------------------------------------------------------------------


class Beliefs(NamedTuple):
    """What an observer knows after each of n films: float32 [n,A,W], probabilities that sum to 1 over A and W.

    now: P(facet, value in force at this step | films up to this one).
    next: P(facet, value in force at the next step | films up to this one), what a recommender needs.
    Summed over W either is the belief about the facet.
    """

    now: np.ndarray
    next: np.ndarray


def bayes_filter(
    catalogue: Catalogue, config: PlantedConfig, sequences: Sequences, preferences: np.ndarray | None = None
) -> Beliefs:
    """The exact forward filter under the simulator's own parameters: no observer can know more.

    With `preferences` [U,A,K], as in `Planted`, the observer is told what each viewer prefers and infers which
    of it is in force: the upper bound. Without, the observer starts from the simulator's prior over preferences, as
    a recommender must, and learns them on the way: the ceiling for a recommender. That is exact too, by going through
    all sets of preferences, so that it is only there for small worlds (with up to 3 of 8 values in each of 2 facets,
    8,464 sets, 100 viewers take some 10 s).

    Raises:
        FameError: too many sets of preferences, arrays that do not fit, or a film that nothing explains.
    """
    world = World.of(catalogue, config)
    if len(sequences.items) and sequences.items.max() >= len(catalogue):
        raise FameError(f"planted: film {sequences.items.max()} of a catalogue with {catalogue.n_items}")
    if preferences is None:
        hypotheses, prior = all_preferences(world, config)
        hypotheses = hypotheses[None]  # [1 m A K]
    else:
        if preferences.shape[:2] != (len(sequences), len(config.facets)):
            raise FameError(f"planted: preferences {list(preferences.shape)} for {len(sequences)} viewers")
        hypotheses, prior = preferences[:, None], np.ones(1)  # [U 1 A K]
    n, (A, W, _) = len(sequences.items), world.member.shape
    beliefs = Beliefs(np.zeros((n, A, W), np.float32), np.zeros((n, A, W), np.float32))
    states = hypotheses[0].size + A * W
    order = np.argsort(sequences.lengths, kind="stable")  # viewers of like length together
    for some in np.array_split(order, -(-len(order) * states // CELLS_AT_ONCE)) if len(order) else ():
        told = hypotheses if preferences is None else hypotheses[some]
        filter_block(world, config, sequences, some, told, prior, beliefs)
    return beliefs


def countable(catalogue: Catalogue, config: PlantedConfig) -> bool:
    """Whether `bayes_filter` can go through all sets of preferences that a viewer may have."""
    return n_hypotheses(World.of(catalogue, config), config) <= MAX_HYPOTHESES


def n_hypotheses(world: World, config: PlantedConfig) -> int:
    """How many sets of preferences a viewer may have."""
    K = config.preferences
    return math.prod(sum(math.comb(n, c) for c in range(1, min(K, n) + 1)) for n in world.n_values.tolist())


def all_preferences(world: World, config: PlantedConfig) -> tuple[np.ndarray, np.ndarray]:
    """Every set of preferences that a viewer may have and its prior probability: int [m,A,K], float64 [m]."""
    if (total := n_hypotheses(world, config)) > MAX_HYPOTHESES:
        raise FameError(
            f"planted: {total:,} sets of preferences are too many to go through (at most {MAX_HYPOTHESES:,}); "
            "tell the observer the preferences, or take fewer facets, values or preferences"
        )
    K = min(config.preferences, world.member.shape[1])
    per_facet = []
    for n in world.n_values.tolist():
        sizes = [list(combinations(range(n), c)) for c in range(1, min(K, n) + 1)]
        per_facet.append([(s + (-1,) * (K - len(s)), 1 / len(sizes) / len(sets)) for sets in sizes for s in sets])
    chosen = list(product(*per_facet))
    sets = np.array([[s for s, _ in one] for one in chosen])
    return sets, np.array([np.prod([p for _, p in one]) for one in chosen])


def filter_block(
    world: World,
    config: PlantedConfig,
    sequences: Sequences,
    viewers: np.ndarray,
    hypotheses: np.ndarray,
    prior: np.ndarray,
    beliefs: Beliefs,
) -> None:
    """The filter for some viewers, written into `beliefs`. hypotheses: [u or 1,m,A,K]; prior: [m]."""
    A, W, _ = world.member.shape
    lengths, starts = sequences.lengths[viewers], sequences.offsets[viewers]
    there = hypotheses >= 0
    count = there.sum(-1, keepdims=True)  # [u|1 m A 1]
    # Slots back to values: [u|1 A mK W]
    columns = hypotheses.transpose(0, 2, 1, 3).reshape(len(hypotheses), A, -1)
    to_value = (columns[..., None] == np.arange(W)).astype(np.float64)
    u_index = np.arange(len(viewers))
    stay = config.stickiness if A > 1 else 1.0
    mass = np.tile(world.member @ world.popularity, (len(viewers), 1, 1))  # of unseen films with a value, [u A W]
    left = np.tile(world.member.sum(-1), (len(viewers), 1, 1))
    all_mass = np.ones(len(viewers))
    expected = np.where(there, prior[:, None, None] / (A * count), 0.0)  # before the film, [u m A K]
    expected = np.broadcast_to(expected, (len(viewers), *expected.shape[1:]))

    def by_value(state: np.ndarray) -> np.ndarray:
        flat = state.transpose(0, 2, 1, 3).reshape(len(state), A, 1, -1)
        return (flat @ to_value)[:, :, 0]

    for t in range(int(lengths.max(initial=0))):
        on = t < lengths
        item = np.where(on, sequences.items[np.where(on, starts + t, 0)], 0)
        has = world.member[:, :, item].transpose(2, 0, 1)  # [u A W]
        # Likelihood of the film given a value in force, without the film's own popularity, which all share.
        anything = (1 / np.maximum(all_mass, 1e-300))[:, None, None]
        matching = np.divide(has, mass, out=np.zeros_like(mass), where=left > 0)
        likelihood = np.where(left > 0, config.noise * anything + (1 - config.noise) * matching, anything)
        now = expected * likelihood[u_index[:, None, None, None], np.arange(A)[:, None], hypotheses] * there
        total = now.sum((1, 2, 3), keepdims=True)
        if (total[on] <= 0).any():
            raise FameError("planted: a viewer chose a film that no state explains; give the config of these viewers")
        now = now / np.where(total > 0, total, 1)

        in_facet = now.sum(-1, keepdims=True)  # [u m A 1]
        elsewhere = in_facet.sum(2, keepdims=True) - in_facet
        moved = np.where(count > 1, (in_facet - now) / np.maximum(count - 1, 1), now)
        kept = config.value_stickiness * now + (1 - config.value_stickiness) * moved
        expected = np.where(there, stay * kept + (1 - stay) * elsewhere / (max(A - 1, 1) * count), 0.0)

        at = starts[on] + t
        beliefs.now[at], beliefs.next[at] = by_value(now)[on], by_value(expected)[on]
        seen = world.popularity[item]
        mass -= has * seen[:, None, None]
        left -= has
        all_mass = np.where(on, all_mass - seen, all_mass)
