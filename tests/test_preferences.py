"""Anchors read by what they recommend: a planted preference is named, random ones are not, parts add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from fame import explain, plots
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.explain.preferences import DIRECTIONS, LEAST, NEAREST
from fame.make.again import ITEMS, found_again
from fame.model import FAME
from tests.app.small import measured

V, H, N, D = 300, 2, 3, 16


def films(genres: int = 4) -> Catalogue:
    names = ["Action", "Drama", "Horror", "Western"][:genres] or [""]
    rows = {"item_id": [f"f{i}" for i in range(V)], "title": [f"Film {i}" for i in range(V)]}
    return Catalogue.from_frame(pd.DataFrame(rows | {"genres": [names[i % len(names)] for i in range(V)]}))


def model_of(catalogue: Catalogue, seed: int = 0, planted: bool = True) -> FAME:
    """Items of a genre lie around a direction of their own; expert 2 of head 1 prefers the horror films."""
    torch.manual_seed(seed)
    config = FAMEConfig(V, 8, d_model=D, n_heads=H, n_experts=N, head_width=D, anchors=1.0, backbone_heads=2)
    model = FAME(config).eval().requires_grad_(False)
    if planted:
        centres = torch.randn(4, D)
        model.items.weight[1:] = torch.randn(V, D) + 0.6 * centres[torch.arange(V) % 4]
        model.facets.W_f[:] = torch.eye(D)
        model.facets.anchors[0, 1] = 4 * model.items.weight[1:][2::4].mean(0) - 4 * model.items.weight[1:].mean(0)
    else:
        model.items.weight[1:] = torch.randn(V, D)
    return model


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    catalogue = films()
    return Bundle("planted", model_of(catalogue), catalogue)


def test_a_planted_preference_is_named(bundle: Bundle) -> None:
    known = bundle.preferences
    assert [(p.head, p.expert) for p in known] == [(h, n) for h in range(H) for n in range(N)]
    horror = known[1]
    assert (horror.attribute, horror.value, horror.name) == ("genres", "Horror", "Horror")
    assert horror.p < 0.01 and horror.count > 35
    assert "of genres Horror" in explain.say_preference(horror)


def test_it_counts_what_a_loop_counts(bundle: Bundle) -> None:
    space, anchors = bundle.model.facet_items().numpy(), bundle.model.facets.anchors.numpy()
    anchors = anchors - anchors.mean(1, keepdims=True)
    for p in bundle.preferences:
        by_hand = sorted(range(1, V + 1), key=lambda v: -float(anchors[p.head, p.expert] @ space[p.head, v]))[:NEAREST]
        assert p.rows.tolist() == by_hand
        counts = {
            g: sum((v - 1) % 4 == i for v in by_hand) for i, g in enumerate(("Action", "Drama", "Horror", "Western"))
        }
        assert (p.count, p.value) == (max(counts.values()), max(counts, key=counts.__getitem__))
        assert p.usual == pytest.approx(NEAREST / 4)


def test_random_anchors_are_rarely_named() -> None:
    """Each of 20 models has 6 random anchors in a space that knows no genre; the rate of false names is bounded."""
    catalogue = films()
    named = [
        any(p.name for p in explain.preferences(model_of(catalogue, seed, planted=False), catalogue))
        for seed in range(20)
    ]
    assert sum(named) <= 3


def test_without_values_or_anchors(bundle: Bundle) -> None:
    nothing = films(0)
    [first, *_] = explain.preferences(model_of(nothing), nothing)
    assert first.value is None and first.name is None and len(first.rows) == NEAREST
    assert f"no attribute has a value that {LEAST} items share" in explain.say_preference(first)
    plain = FAME(FAMEConfig(V, 8, d_model=D, n_heads=H, n_experts=N, backbone_heads=2))
    with pytest.raises(FameError, match="have no anchors"):
        explain.preferences(plain, bundle.catalogue)
    assert Bundle("plain", plain.eval().requires_grad_(False), bundle.catalogue).preferences == []


def test_parts_add_up_to_the_shares(bundle: Bundle) -> None:
    trace = bundle.trace(rows=[3, 7, 11])
    parts = explain.relative_parts(trace, [5, 9])
    assert parts.shape == (H, 1 + N, 2)
    np.testing.assert_allclose(parts.sum(1), explain.relative_shares(trace, [5, 9]), atol=1e-5)
    said = explain.say_split(trace.parts(np.array([5])), bundle.preferences)
    assert "expert 2 (Horror)" in said[0][0]


def test_the_picture_says_what_adds_up(bundle: Bundle) -> None:
    trace = bundle.trace(rows=[3, 7, 11])
    picture = plots.expert_preferences(trace, 0, bundle.preferences, 7 + 4)
    lists = picture.data["lists"]
    assert [entry["name"] for entry in lists] == [
        "its state",
        *(f"expert {p.expert + 1}" + f" · {p.called}" * bool(p.called) for p in bundle.preferences[:N]),
    ]
    adds = [float(entry["facts"][1][1].replace("−", "-")) for entry in lists]
    share = explain.relative_shares(trace, [11])[0, 0]
    assert sum(adds) == pytest.approx(share, abs=0.005 * (1 + N))
    assert picture.table.groupby("expert")["adds"].first().tolist() == pytest.approx(
        explain.relative_parts(trace, [11])[0, 1:, 0]
    )
    with pytest.raises(FameError, match="no preferences to show"):
        plots.expert_preferences(trace, 0, [])


# ---- found again by other trainings


def first_items(model: FAME, directions: np.ndarray) -> list[set[int]]:
    """Of each direction [h m k] the items it recommends most, by a plain sort."""
    space = model.facet_items().numpy()[:, 1:]
    return [set(np.argsort(-(space[h] @ d), kind="stable")[:ITEMS].tolist()) for h in range(H) for d in directions[h]]


def apart(model: FAME) -> np.ndarray:
    anchors = model.facets.anchors.numpy()
    return anchors - anchors.mean(1, keepdims=True)


def test_a_preference_is_found_again_as_a_loop_finds_it() -> None:
    catalogue = films()
    model, others = model_of(catalogue), [model_of(catalogue, seed, planted=False) for seed in (1, 2)]
    found = found_again(model, others)
    mine, theirs = first_items(model, apart(model)), [first_items(o, apart(o)) for o in others]
    by_hand = [np.mean([max(len(a & b) for b in lists) / ITEMS for lists in theirs]) for a in mine]
    assert np.ravel(found["shared"]) == pytest.approx(by_hand, abs=1e-4)
    assert (found["seeds"], found["items"]) == (2, ITEMS)
    # Items of the others lie elsewhere, so that experts do no better than random directions.
    assert np.ravel(found["p"]).min() > 1 / (1 + DIRECTIONS)
    assert np.ravel(found["shared"]).mean() == pytest.approx(np.mean(found["usual"]), abs=0.1)


def test_a_model_finds_itself_again(bundle: Bundle) -> None:
    found = found_again(bundle.model, [bundle.model])
    assert np.all(np.array(found["shared"]) == 1) and np.all(np.array(found["p"]) == 1 / (1 + DIRECTIONS))
    assert max(found["usual"]) < 0.9


def told(bundle: Bundle, **changes: object) -> Bundle:
    """The bundle with evidence that says how far two more trainings find its preferences."""
    again = {"seeds": 2, "items": 50, "shared": [[0.4, 0.5, 0.2]] * H, "usual": [0.25] * H}
    p = [[0.001, 0.001, 0.9]] * H
    return replace(
        bundle, evidence_json=measured(bundle.model, bundle.catalogue) | {"again": again | {"p": p} | changes}
    )


def test_the_evidence_says_how_far_a_preference_is_found_again(bundle: Bundle) -> None:
    known = told(bundle).preferences
    assert known[1].again == explain.Again(2, 50, 0.5, 0.25, pytest.approx(0.0015))
    assert "2 more trainings, which differ in chance alone, find 50% of its first 50 again" in explain.say_preference(
        known[1]
    )
    assert "find 4 of the 6 preferences again more surely than random directions" in explain.say_recurring(known)
    assert explain.say_recurring(bundle.preferences) == ""
    picture = plots.expert_preferences(bundle.trace(rows=[3, 7]), 0, known)
    assert picture.table.groupby("expert")["again"].first().tolist() == [0.4, 0.5, 0.2]
    facts = {fact[0]: fact[1] for fact in picture.data["lists"][2]["facts"]}
    assert facts["trained anew, found again"] == "50%, chance 25%"


def test_what_the_evidence_says_of_other_trainings_is_checked(bundle: Bundle) -> None:
    broken = told(bundle, shared=[[2.0] * N] * H)
    with pytest.raises(FameError, match=r"again: shared is .*; expected 2 × 3 numbers from 0 to 1"):
        broken.evidence  # noqa: B018
    assert [p.again for p in broken.preferences] == [None] * H * N  # the lists themselves can still be read
