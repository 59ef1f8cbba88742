"""The simulated audience does what its parameters say, and the observer's filter is Bayes' rule."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.data.sequences import Sequences
from fame.make.simulate import Planted, PlantedConfig, World, bayes_filter, simulate

FILMS = Path(__file__).resolve().parents[1] / "artifacts" / "ml-1m" / "items.csv"
CONFIG = PlantedConfig(
    n_viewers=2_000, shortest=10, longest=20, facets=("genres", "decade"), stickiness=0.85, value_stickiness=0.7
)


@pytest.fixture(scope="module")
def films() -> Catalogue:
    return Catalogue.from_csv(FILMS)


@pytest.fixture(scope="module")
def planted(films: Catalogue) -> Planted:
    return simulate(films, CONFIG)


def pairs(planted: Planted) -> tuple[np.ndarray, np.ndarray]:
    """Every step that has a next one by the same viewer, and the viewer of each."""
    viewer = np.repeat(np.arange(len(planted.sequences)), planted.sequences.lengths)
    before = np.flatnonzero(viewer[:-1] == viewer[1:])
    return before, viewer[before]


def close(share: np.ndarray, expected: float) -> bool:
    """Whether a mean of independent events is within four standard errors of its expectation."""
    return abs(share.mean() - expected) < 4 * (expected * (1 - expected) / share.size) ** 0.5


def test_viewers_see_each_film_once_and_as_many_as_asked(planted: Planted) -> None:
    lengths = planted.sequences.lengths
    assert (lengths.min(), lengths.max()) == (10, 20)
    assert close(lengths == 10, 1 / 11)
    for u in range(0, len(lengths), 50):
        assert len(set(planted.sequences.history(u).tolist())) == lengths[u]


def test_states_move_as_often_as_the_parameters_say(planted: Planted) -> None:
    before, viewer = pairs(planted)
    stays = planted.facet[before] == planted.facet[before + 1]
    assert close(stays, CONFIG.stickiness)
    several = (planted.preferences[viewer, planted.facet[before]] >= 0).sum(1) > 1
    keeps = planted.value[before] == planted.value[before + 1]
    assert close(keeps[stays & several], CONFIG.value_stickiness)
    assert keeps[stays & ~several].all()
    first = planted.sequences.offsets[:-1]
    assert close(planted.facet[first] == 0, 1 / 2)
    assert close(planted.noisy, CONFIG.noise)


def test_preferences_are_one_to_three_different_values_equally_likely(planted: Planted, films: Catalogue) -> None:
    preferences = planted.preferences
    count = (preferences >= 0).sum(-1)
    for n in (1, 2, 3):
        assert close(count == n, 1 / 3)
    assert (preferences[..., 1] != preferences[..., 0]).all()
    world = World.of(films, CONFIG)
    for a, n in enumerate(world.n_values.tolist()):
        assert preferences[:, a].max() == n - 1
        assert all(close(preferences[:, a, 0] == w, 1 / n) for w in range(n))
    viewer = np.repeat(np.arange(len(preferences)), planted.sequences.lengths)
    assert (preferences[viewer, planted.facet, planted.slot] == planted.value).all()


def test_preferred_values_are_the_most_frequent_or_any_common_ones(films: Catalogue) -> None:
    frequent, other, again = (
        World.of(films, replace(CONFIG, choice=choice, seed=seed))
        for choice, seed in (("frequent", 0), ("random", 0), ("random", 1))
    )
    for a, name in enumerate(CONFIG.facets):
        matrix = films.attribute(name).matrix
        n = frequent.n_values[a]
        assert frequent.columns[a, :n].tolist() == list(range(n))
        for world in (frequent, other, again):
            assert (world.member[a, :n] == matrix.T[world.columns[a, :n]]).all()
            assert (world.member[a, :n].sum(-1) >= CONFIG.least_items).all()
    assert (other.columns != frequent.columns).any() and (other.columns != again.columns).any()


def test_films_match_the_value_in_force_unless_noise_rules_or_none_is_left(planted: Planted, films: Catalogue) -> None:
    world, items, offsets = World.of(films, CONFIG), planted.sequences.items, planted.sequences.offsets
    matches = world.member[planted.facet, planted.value, items]
    assert matches[~planted.noisy].mean() > 0.99
    assert 0.1 < matches[planted.noisy].mean() < 0.6
    for at in np.flatnonzero(~planted.noisy & ~matches):
        left = world.member[planted.facet[at], planted.value[at]].copy()
        left[items[offsets[offsets <= at].max() : at]] = False
        assert not left.any()


def test_popularity_is_zipfs_and_the_seeds_alone(films: Catalogue) -> None:
    config = PlantedConfig(n_viewers=20_000, shortest=1, longest=1, noise=1.0, popularity=1.0, seed=3)
    world = World.of(films, config)
    np.testing.assert_allclose(sorted(1 / world.popularity[1:]), np.arange(1, 1001) / world.popularity.max(), rtol=1e-9)
    taken = np.bincount(simulate(films, config).sequences.items, minlength=1001)
    for row in np.argsort(-world.popularity)[:5]:
        assert close(np.arange(20_000) < taken[row], world.popularity[row])
    other = World.of(films, replace(config, n_viewers=7, noise=0.0))
    assert (other.popularity == world.popularity).all()


def test_the_same_seed_gives_the_same_viewers_and_another_audience_gives_others(films: Catalogue) -> None:
    config = replace(CONFIG, n_viewers=50)
    a, again, other = simulate(films, config), simulate(films, config), simulate(films, config, audience=1)
    assert (a.sequences.items == again.sequences.items).all() and (a.value == again.value).all()
    assert a.sequences.items.tolist() != other.sequences.items.tolist()
    assert not set(a.sequences.users) & set(other.sequences.users)


# --- the observer -------------------------------------------------------------------------------------

TINY = Catalogue.from_frame(
    pd.DataFrame(
        {
            "item_id": list("pqrstuv"),
            "genres": ["horror|war", "horror", "war|western", "western", "horror", "war", "western|horror"],
            "decade": ["1980s", "1990s", "1980s", "1990s", "1970s", "1970s", "1990s"],
        }
    )
)
TINY_CONFIG = PlantedConfig(
    n_viewers=3,
    shortest=3,
    longest=5,
    facets=("genres", "decade"),
    values=3,
    least_items=2,
    preferences=2,
    stickiness=0.7,
    value_stickiness=0.6,
    noise=0.2,
    seed=5,
)


def enumerated(config: PlantedConfig, items: list[int], preferences: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """P(films so far, state at the last of them) and the same with the state one step on: [A,W] each, by summing over
    all paths of states."""
    world = World.of(TINY, config)
    states = [(a, w) for a in (0, 1) for w in preferences[a]]

    def emission(seen: list[int], item: int, state: tuple[int, int]) -> float:
        unseen = np.array([v not in seen for v in range(len(TINY))]) * world.popularity
        match = unseen * world.member[state]
        if not match.any():
            return float(unseen[item] / unseen.sum())
        return float(config.noise * unseen[item] / unseen.sum() + (1 - config.noise) * match[item] / match.sum())

    def transition(a: tuple[int, int], b: tuple[int, int]) -> float:
        n = len(preferences[b[0]])
        if a[0] != b[0]:
            return (1 - config.stickiness) / n
        if n == 1:
            return config.stickiness
        return config.stickiness * (config.value_stickiness if a == b else (1 - config.value_stickiness) / (n - 1))

    now, after = np.zeros((2, 2, 3))
    for path in product(states, repeat=len(items)):
        p = 1 / 2 / len(preferences[path[0][0]])
        for t, state in enumerate(path):
            p *= transition(path[t - 1], state) if t else 1
            p *= emission(items[:t], items[t], state)
        now[path[-1]] += p
        for state in states:
            after[state] += p * transition(path[-1], state)
    return now, after


def test_the_observer_who_knows_the_preferences_equals_enumeration() -> None:
    planted = simulate(TINY, TINY_CONFIG)
    beliefs = bayes_filter(TINY, TINY_CONFIG, planted.sequences, planted.preferences)
    for u in range(3):
        told = [[w for w in facet if w >= 0] for facet in planted.preferences[u].tolist()]
        items = planted.sequences.history(u).tolist()
        for t in range(len(items)):
            now, after = enumerated(TINY_CONFIG, items[: t + 1], told)
            at = planted.sequences.offsets[u] + t
            np.testing.assert_allclose(beliefs.now[at], now / now.sum(), atol=1e-6)
            np.testing.assert_allclose(beliefs.next[at], after / after.sum(), atol=1e-6)


def test_the_observer_who_learns_the_preferences_equals_enumeration() -> None:
    sequences = Sequences(["u", "v"], [1, 7, 4, 3, 2], [0, 3, 5])
    beliefs = bayes_filter(TINY, TINY_CONFIG, sequences)
    sets = [(1 / 2 / n, c) for k, n in ((1, 3), (2, 3)) for c in combinations(range(3), k)]  # 1 of 3, or 2 of 3
    for items, at in (([1, 7, 4], 2), ([1, 7], 1), ([3], 3), ([3, 2], 4)):
        now, after = np.zeros((2, 2, 3))
        for (p, genres), (q, decades) in product(sets, sets):
            one = enumerated(TINY_CONFIG, items, [list(genres), list(decades)])
            now, after = now + p * q * one[0], after + p * q * one[1]
        np.testing.assert_allclose(beliefs.now[at], now / now.sum(), atol=1e-6)
        np.testing.assert_allclose(beliefs.next[at], after / after.sum(), atol=1e-6)


def test_the_observer_is_calibrated_and_telling_helps(films: Catalogue) -> None:
    config = replace(CONFIG, n_viewers=300, values=3, preferences=2)
    planted = simulate(films, config, audience=1)
    accuracy = []
    for told in (planted.preferences, None):
        beliefs = bayes_filter(films, config, planted.sequences, told)
        facet = beliefs.now.sum(-1)
        right = facet.argmax(1) == planted.facet
        assert abs(right.mean() - facet.max(1).mean()) < 0.02
        accuracy.append(right.mean())
    assert accuracy[0] > accuracy[1] > 0.6


def test_one_facet_never_switches() -> None:
    config = replace(TINY_CONFIG, facets=("genres",), stickiness=0.1)
    planted = simulate(TINY, config)
    assert not planted.facet.any()
    np.testing.assert_allclose(bayes_filter(TINY, config, planted.sequences).next.sum((1, 2)), 1, atol=1e-6)


def test_what_does_not_fit_is_refused(films: Catalogue) -> None:
    with pytest.raises(FameError, match=r"planted: noise is 1\.5; expected a number from 0 to 1"):
        PlantedConfig(noise=1.5)
    with pytest.raises(FameError, match="planted: n_viewers is 0; expected a whole number of at least 1"):
        PlantedConfig(n_viewers=0)
    with pytest.raises(FameError, match="shortest is 20 and longest 10"):
        PlantedConfig(longest=10)
    with pytest.raises(FameError, match="expected attributes, each once"):
        PlantedConfig(facets=("genres", "genres"))
    with pytest.raises(FameError, match="no value of 'director' has 500 films"):
        simulate(films, PlantedConfig(facets=("director",), least_items=500))
    with pytest.raises(FameError, match="there are 7 films"):
        simulate(TINY, PlantedConfig())
    with pytest.raises(FameError, match="has no attribute 'mood'"):
        simulate(films, PlantedConfig(facets=("mood",)))
    one = simulate(films, PlantedConfig(n_viewers=2))
    with pytest.raises(FameError, match="71,639,296 sets of preferences are too many"):
        bayes_filter(films, one.config, one.sequences)
    with pytest.raises(FameError, match="for 2 viewers"):
        bayes_filter(films, one.config, one.sequences, one.preferences[:1])
    silent = replace(TINY_CONFIG, noise=0.0, preferences=1)
    with pytest.raises(FameError, match="no state explains"):
        bayes_filter(TINY, silent, Sequences(["u"], [6], [0, 1]), np.array([[[0], [0]]]))
