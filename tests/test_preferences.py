"""Anchors read by what they recommend: a planted preference is named, random ones are not, parts add up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from fame import explain, plots
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.explain.preferences import LEAST, NEAREST
from fame.model import FAME

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
