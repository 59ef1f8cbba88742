"""The start from the log: co-occurrence by hand, its factors, and the tastes that anchors begin as."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.data.sequences import Sequences
from fame.make.start import SCALE, clusters, cooccurrence, item_vectors, start_from_log
from fame.model import FAME


def log(histories: Iterable[list[int]]) -> Sequences:
    histories = list(histories)
    offsets = np.cumsum([0, *map(len, histories)])
    return Sequences(np.arange(len(histories)).astype(str), np.concatenate(histories).astype(np.int32), offsets)


def tastes(groups: int = 4, size: int = 6, n: int = 400) -> Sequences:
    """Each history keeps to one group of items; the first group is the largest audience's."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(groups, n, p=np.arange(groups, 0, -1) / np.arange(1, groups + 1).sum())
    return log([(1 + size * g + rng.permutation(size)[: rng.integers(2, size + 1)]).tolist() for g in chosen])


def test_cooccurrence_by_hand() -> None:
    """Up to five steps apart, within a history, either way round."""
    found = cooccurrence(log([[1, 2, 3, 1], [4], [5, 6, 6, 6, 6, 6, 4]]), 6).toarray()
    expected = np.zeros((6, 6))
    for a, b in ((1, 2), (1, 3), (2, 3), (2, 1), (3, 1), (1, 1)):
        expected[a - 1, b - 1] += 1
        expected[b - 1, a - 1] += 1
    expected[4, 5] = expected[5, 4] = 5  # the sixth step from 5 leads to 4, which is too far
    expected[5, 5] = 2 * 10
    expected[5, 3] = expected[3, 5] = 5
    np.testing.assert_array_equal(found, expected)


def test_item_vectors_are_the_factors_of_positive_pmi() -> None:
    histories = tastes()
    C = cooccurrence(histories, 24).toarray()
    often = C.sum(1)
    with np.errstate(divide="ignore"):
        ppmi = np.maximum(np.log(C * C.sum() / np.outer(often, often)), 0)
    vectors = item_vectors(histories, 24, 23)
    u, s, _ = np.linalg.svd(ppmi)
    exact = u[:, :23] * np.sqrt(s[:23])
    np.testing.assert_allclose(vectors @ vectors.T, exact @ exact.T / np.square(exact).mean(), atol=1e-6)


def test_a_start_from_the_log_is_the_same_for_every_seed_and_uses_no_padding() -> None:
    histories = tastes()
    config = FAMEConfig(n_items=26, d_model=8, n_heads=2, n_experts=2, head_width=8, anchors=0.5)
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before, model = FAME(config), None
        torch.manual_seed(seed)
        model = FAME(config)
        start_from_log(model, histories)
        assert torch.equal(model.items.weight[25:], before.items.weight[25:]), "without company: the random start"
        assert not model.items.weight[0].any()
        others = [n for n, w in model.state_dict().items() if not torch.equal(w, before.state_dict()[n])]
        assert others == ["items.weight", "facets.anchors"]
        models.append(model)
    a, b = (model.items.weight[1:25].detach() for model in models)
    assert torch.equal(a, b) and a.square().mean().sqrt().item() == pytest.approx(SCALE, rel=0.05)
    a, b = (model.facets.anchors.detach() for model in models)
    assert torch.nn.functional.cosine_similarity(a, b, dim=-1).min() > 0.9, "the same but for the noise in W_f"
    assert a.std(-1).numpy() == pytest.approx(np.full((2, 2), 0.5), rel=1e-5)


def test_each_anchor_starts_as_one_taste() -> None:
    """The nearest items of an expert's anchor in its head's space are one group of the log; no two the same."""
    torch.manual_seed(0)
    model = FAME(FAMEConfig(n_items=24, d_model=8, n_heads=2, n_experts=2, head_width=8, anchors=1.0))
    start_from_log(model, tastes())
    groups = set()
    with torch.no_grad():
        spaces = torch.nn.functional.normalize(model.facet_items()[:, 1:], dim=-1)  # [h items k]
        nearest = torch.einsum("hnk,hvk->hnv", model.facets.anchors, spaces).topk(6).indices // 6
    for group in nearest.flatten(0, 1):
        assert len(set(group.tolist())) == 1
        groups.add(int(group[0]))
    assert len(groups) == 4


def test_a_sasrec_and_experts_without_anchors_start_with_the_items_alone() -> None:
    for form in ({"variant": "sasrec"}, {}):
        model = FAME(FAMEConfig(n_items=24, d_model=8, n_heads=2, **form))
        kept = {n: w.clone() for n, w in model.state_dict().items()}
        start_from_log(model, tastes())
        assert [n for n, w in model.state_dict().items() if not torch.equal(w, kept[n])] == ["items.weight"]


def test_directions_that_the_log_does_not_know_stay_at_random() -> None:
    torch.manual_seed(0)
    model = FAME(FAMEConfig(n_items=3, d_model=8, n_heads=2))
    before = model.items.weight.detach().clone()
    start_from_log(model, log([[1, 2, 3], [3, 1]]))
    assert torch.equal(model.items.weight[:, 2:], before[:, 2:])
    start_from_log(model, log([[1], [2]]))  # nothing is taken together
    assert torch.equal(model.items.weight[:, 2:], before[:, 2:])


def test_clusters_come_by_size() -> None:
    x = np.array([[0, 1.0], [0, 3], [1, 0], [2, 0], [9, 0]])
    np.testing.assert_allclose(clusters(x, 2), [[4, 0], [0, 2]])


def test_more_anchors_than_items_are_refused() -> None:
    model = FAME(FAMEConfig(n_items=3, d_model=8, n_heads=2, n_experts=2, anchors=1.0))
    with pytest.raises(FameError, match="places 4 anchors, but tells only 3 items apart"):
        start_from_log(model, log([[1, 2, 3], [3, 1]]))
