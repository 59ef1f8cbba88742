"""Maps of a catalogue keep neighbours together, say how far to trust them, and are labelled only beyond chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import hypergeom
from sklearn.manifold import trustworthiness

from fame import atlas as atlases
from fame import regions
from fame.atlas import Atlas, agreement, agreements, history_vectors, neighbour_table, place, space_vectors
from fame.catalogue import Attribute, Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.explain import trace
from fame.explain.sentences import say_agreement, say_trust
from fame.make import maps
from fame.make.maps import _umap, build_atlas
from fame.model import FAME
from fame.regions import label_regions

ITEMS, GROUPS = 120, 6
CONFIG = FAMEConfig(n_items=ITEMS, max_len=6, d_model=12, n_heads=2, n_experts=2)
GROUP = np.r_[-1, np.arange(ITEMS) % GROUPS]  # [V]; row 0 belongs to none


def grouped_model(config: FAMEConfig = CONFIG) -> FAME:
    """Items in six well-separated groups, which both heads see."""
    torch.manual_seed(5)
    model = FAME(config).eval()
    centres = torch.randn(GROUPS, config.d_model)
    with torch.no_grad():
        model.items.weight[1:] = centres[GROUP[1 : config.n_rows]] + 0.15 * torch.randn(config.n_items, config.d_model)
    return model


def by_group(values: np.ndarray) -> Attribute:
    matrix = values[:, None] == np.arange(GROUPS)
    return Attribute(matrix, tuple(f"group {g}" for g in range(GROUPS)))


@pytest.fixture(scope="module")
def model() -> FAME:
    return grouped_model()


@pytest.fixture(scope="module")
def fast(model: FAME) -> Atlas:
    """An atlas with PCA in UMAP's place: all but the layout is the real thing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "_umap", lambda x, seed: maps._pca(x))
        return build_atlas(model, seed=4)


def test_an_atlas_of_every_space(model: FAME, fast: Atlas) -> None:
    assert fast.spaces == ("full", "head_1", "head_2") and fast.seed == 4
    assert fast.umap.shape == fast.pca.shape == (3, ITEMS + 1, 2) and fast.umap.dtype == np.float32
    assert np.isnan(fast.pca[:, 0]).all() and np.isfinite(fast.pca[:, 1:]).all()
    assert not fast.neighbours.flags.writeable
    np.testing.assert_array_equal(space_vectors(model, "full"), model.items.weight.detach())
    np.testing.assert_allclose(space_vectors(model, "head_2"), model.facet_items()[1].detach(), atol=1e-5)


def test_neighbours_are_nearest_by_cosine(model: FAME, fast: Atlas) -> None:
    for space in fast.spaces:
        x = space_vectors(model, space)[1:].astype(np.float64)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        cosine = x @ x.T
        np.fill_diagonal(cosine, -2)
        expected = 1 + np.argsort(-cosine, axis=1)[:, :20]
        assert fast.neighbours.shape[-1] == 20
        np.testing.assert_array_equal(fast.neighbours[fast.index(space), 1:], expected)
        assert (fast.neighbours[fast.index(space), 0] == 0).all()


def test_neighbours_in_chunks_are_the_same() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    np.testing.assert_array_equal(maps._nearest(x, 7), maps._nearest(x, 7, products=8 * len(x)))


def test_trust_is_sklearns_and_falls_for_a_map_at_random(model: FAME, fast: Atlas) -> None:
    x = space_vectors(model, "head_1")[1:]
    expected = trustworthiness(x, fast.map("head_1", "pca")[1:], n_neighbors=15, metric="cosine")
    assert fast.trust("head_1", "pca") == pytest.approx(expected, abs=1e-6)
    shuffled = np.random.default_rng(0).permutation(fast.map("head_1", "pca")[1:])
    assert maps._trust(x, shuffled, 0) < 0.6 < 0.8 < expected


def test_pca_keeps_distances_of_a_plane() -> None:
    rng = np.random.default_rng(1)
    plane = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 9))
    xy = maps._pca(plane)
    for i in range(1, 40):
        assert np.linalg.norm(xy[i] - xy[0]) == pytest.approx(np.linalg.norm(plane[i] - plane[0]))
    assert (maps._pca(plane[:, :1])[:, 1] == 0).all()


def test_arrays_there_and_back(fast: Atlas) -> None:
    again = Atlas.from_arrays(fast.to_arrays())
    assert (again.spaces, again.seed) == (fast.spaces, fast.seed)
    for name in ("umap", "pca", "neighbours", "trustworthiness"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fast, name))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"umap": np.zeros((3, 7, 2), np.float32)}, r"pca is float32 \[3, 121, 2\]; expected \[3, 7, 2\]"),
        ({"umap": np.full((3, 121, 2), np.nan)}, "positions that are not finite"),
        ({"neighbours": np.full((3, 121, 4), 121)}, "neighbours name rows outside 0 to 120"),
        ({"neighbours": np.zeros((3, 121, 4))}, "neighbours is float64; expected whole rows"),
        ({"spaces": np.array(["full"])}, r"umap is float32 \[3, 121, 2\]; expected \[1, 121, 2\]"),
        ({"spaces": np.array([1, 2, 3])}, "spaces is not a list of names"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(fast: Atlas, change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(FameError, match=message):
        Atlas.from_arrays(fast.to_arrays() | change)


def test_unknown_names_are_refused(model: FAME, fast: Atlas) -> None:
    arrays = fast.to_arrays()
    del arrays["seed"]
    with pytest.raises(FameError, match="seed is missing"):
        Atlas.from_arrays(arrays)
    with pytest.raises(FameError, match="no space 'head_3'; it has full, head_1, head_2"):
        fast.map("head_3")
    with pytest.raises(FameError, match="no map 'tsne'; maps are umap and pca"):
        fast.trust("full", "tsne")
    with pytest.raises(FameError, match="the model has no space 'head_9'"):
        space_vectors(model, "head_9")


def test_small_and_plain_models_have_an_atlas() -> None:
    for n_items in (1, 2, 5):
        small = build_atlas(grouped_model(replace(CONFIG, n_items=n_items)))
        assert small.neighbours.shape == (3, n_items + 1, n_items - 1)
    sasrec = build_atlas(FAME(replace(CONFIG, n_items=5, variant="sasrec")).eval())
    assert sasrec.spaces == ("full",)


def test_an_item_is_placed_among_its_own(model: FAME, fast: Atlas) -> None:
    vectors = space_vectors(model, "head_1")
    xy = fast.map("head_1", "pca")
    np.testing.assert_allclose(place(fast, "head_1", vectors, vectors[7] * 3, "pca", k=1), xy[7], atol=1e-6)
    placed = place(fast, "head_1", vectors, vectors[1:], "pca")
    centres = np.stack([xy[1:][GROUP[1:] == g].mean(axis=0) for g in range(GROUPS)])
    nearest = np.linalg.norm(placed[:, None] - centres, axis=-1).argmin(axis=1)
    assert (nearest == GROUP[1:]).mean() > 0.9
    with pytest.raises(FameError, match=r"vectors \[121, 6\] and new \[5\] do not fit"):
        place(fast, "head_1", vectors, np.ones(5))


def test_a_history_is_a_vector_of_each_space(model: FAME) -> None:
    """Its inner products with the items are the scores, so that it may be drawn among them."""
    catalogue = Catalogue.from_frame(pd.DataFrame({"item_id": [f"i{n}" for n in range(1, ITEMS + 1)]}))
    t = trace(model, catalogue, [3, 9, 4])
    for space, scores in (("full", t.scores), ("head_1", t.head_scores[0]), ("head_2", t.head_scores[1])):
        vector = history_vectors(model, t, space)
        assert len(vector) == 3
        np.testing.assert_allclose(space_vectors(model, space)[1:] @ vector[-1], scores[1:], atol=1e-4)


def test_regions_are_labelled_by_what_crowds_there(fast: Atlas) -> None:
    attribute = by_group(GROUP)
    table = label_regions(fast, "full", attribute, "pca")
    assert 3 <= len(table) <= 12 and (table["p"] < 0.01).all() and (table["lift"] > 1.5).all()
    assert table["p"].is_monotonic_increasing
    xy = fast.map("full", "pca")
    for case in table.itertuples():
        near = np.argsort(np.linalg.norm(xy[1:] - [case.x, case.y], axis=1))[:3] + 1
        assert f"group {pd.Series(GROUP[near]).mode()[0]}" == case.label
    extent = np.ptp(xy[1:], axis=0)
    for i, j in zip(*np.triu_indices(len(table), 1), strict=True):
        dx, dy = np.abs(table.loc[i, ["x", "y"]] - table.loc[j, ["x", "y"]]) / extent
        assert dx > 0.12 or dy > 0.05
    assert len(label_regions(fast, "full", attribute, "pca", n=2)) == 2


def test_lift_and_p_by_hand() -> None:
    """One far corner holds 5 of the 5 horrors among 20 items: lift 4, p = 1 / C(20,5) for each of 2 × 1 tests."""
    xy = np.full((1, 21, 2), np.nan, np.float32)
    xy[0, 1:] = np.random.default_rng(0).normal(scale=0.01, size=(20, 2))
    xy[0, 1:6] += 9
    atlas = Atlas(("full",), xy, xy, np.zeros((1, 21, 1), np.int32), np.ones((2, 1), np.float32))
    horror = Attribute(np.isin(np.arange(21), range(1, 6))[:, None], ("Horror",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions, "_regions", lambda xy, seed: (xy[:, 0] > 5).astype(int))
        [row] = label_regions(atlas, "full", horror).to_dict("records")
    assert (row["label"], row["count"], row["size"]) == ("Horror", 5, 5)
    assert row["lift"] == pytest.approx(4) and row["p"] == pytest.approx(2 / 15504)
    assert (row["x"], row["y"]) == pytest.approx(tuple(np.median(xy[0, 1:6], axis=0)))


def test_the_tail_is_scipys() -> None:
    rng = np.random.default_rng(1)
    for n in (20, 5_000):
        marked, drawn = rng.integers(1, n, (2, 300))
        count = rng.integers(np.maximum(0, drawn + marked - n), np.minimum(marked, drawn) + 1)
        wanted = hypergeom.sf(count - 1, n, marked, drawn)
        np.testing.assert_allclose(regions._as_many_by_chance(count, n, marked, drawn), wanted, rtol=1e-8, atol=1e-300)


def test_chance_has_no_labels(fast: Atlas) -> None:
    """Bonferroni at .01: in 40 shuffles a label may slip through, but hardly two."""
    rng = np.random.default_rng(2)
    labels = [
        len(label_regions(fast, "full", by_group(np.r_[-1, rng.permutation(GROUP[1:])]), "pca")) for _ in range(40)
    ]
    assert sum(labels) <= 2
    nothing = Attribute(np.zeros((ITEMS + 1, 0), bool), ())
    assert label_regions(fast, "full", nothing).columns.tolist() == ["x", "y", "label", "lift", "count", "size", "p"]


@pytest.mark.slow
def test_umap_is_seeded_and_keeps_groups_apart(model: FAME) -> None:
    first, again = build_atlas(model, seed=1), build_atlas(model, seed=1)
    np.testing.assert_array_equal(first.umap, again.umap)
    assert (build_atlas(model, seed=2).umap[:, 1:] != first.umap[:, 1:]).any()
    near = np.argsort(np.linalg.norm(first.map("full")[1:, None] - first.map("full")[None, 1:], axis=-1), axis=1)
    assert (GROUP[1:][near[:, 1:6]] == GROUP[1:, None]).mean() > 0.9
    assert first.trust("full") > 0.85


@pytest.mark.filterwarnings("ignore:A few of your vertices were disconnected")
def test_an_item_opposite_to_all_others_has_a_place_too() -> None:
    x = np.ones((30, 1), np.float32)
    x[7] = -1
    xy = _umap(x, 0)
    assert np.isfinite(xy).all() and xy[7] == pytest.approx(np.delete(xy, 7, 0).mean(0), rel=1e-4)


def test_neighbours_come_with_their_cosines(model: FAME, fast: Atlas) -> None:
    tags = ["odd|x" if r % 2 else "even" for r in range(1, ITEMS + 1)]
    catalogue = Catalogue.from_frame(pd.DataFrame({"item_id": [f"i{r}" for r in range(1, ITEMS + 1)], "tag": tags}))
    table = neighbour_table(model, fast, catalogue, "head_1", 7, k=5, attribute="tag")
    assert table["in_common"].tolist() == ["odd, x" if row % 2 else "" for row in table["row"]]
    x = space_vectors(model, "head_1").astype(np.float64)
    cosine = x[1:] @ x[7] / np.linalg.norm(x[1:], axis=1) / np.linalg.norm(x[7])
    np.testing.assert_allclose(table["cosine"], np.sort(cosine)[::-1][1:6], rtol=1e-5)
    assert table["item_id"].tolist() == [f"i{row}" for row in table["row"]]
    assert table["rank"].tolist() == list(range(1, 6))
    for row in (0, ITEMS + 1):
        with pytest.raises(FameError, match=f"row {row} is not in the catalogue; rows are 1 to {ITEMS}"):
            neighbour_table(model, fast, catalogue, "head_1", row)


@pytest.mark.parametrize("shape", [(3, 0.2), (40, 0.03)])
def test_agreement_counts_common_values(fast: Atlas, shape: tuple[int, float]) -> None:
    values, share = shape
    matrix = np.random.default_rng(values).random((ITEMS + 1, values)) < share
    matrix[0] = False
    found = agreement(fast, "head_2", Attribute(matrix, tuple(map(str, range(values)))), k=8)
    items = [row for row in range(1, ITEMS + 1) if matrix[row].any()]
    common = [[(matrix[i] & matrix[j]).any() for j in fast.neighbours[2, i, :8]] for i in items]
    at_random = [[(matrix[i] & matrix[j]).any() for j in range(1, ITEMS + 1) if j != i] for i in items]
    assert (found.k, found.items) == (8, len(items)) and len(items) < ITEMS
    assert found.shared == pytest.approx(np.sum(common) / len(items))
    assert found.chance == pytest.approx(8 * np.mean(at_random))


def test_agreement_tells_meaning_from_chance(fast: Atlas) -> None:
    real, shuffled = by_group(GROUP), by_group(np.r_[-1, np.random.default_rng(1).permutation(GROUP[1:])])
    assert agreement(fast, "full", real, k=10).shared > 9.5
    lost = agreement(fast, "full", shuffled, k=10)
    assert abs(lost.shared - lost.chance) < 0.5


def test_most_gathered_values_are_those_that_crowd(fast: Atlas) -> None:
    anywhere = np.random.default_rng(2).random(ITEMS + 1) < 0.6
    anywhere[0] = False
    groups = by_group(GROUP).matrix
    rare = np.arange(ITEMS + 1) == 5
    matrix = np.column_stack([anywhere, groups, rare])
    found = atlases.most_gathered(fast, "full", Attribute(matrix, tuple(map(str, range(matrix.shape[1])))), 99)
    assert set(found) == set(range(matrix.shape[1] - 1)), "a value of one item is left out"
    assert found[-1] == 0, "frequent, and nowhere in particular"
    assert atlases.most_gathered(fast, "full", Attribute(matrix[:, :0], ()), 5) == ()


def test_agreement_refuses(fast: Atlas) -> None:
    with pytest.raises(FameError, match=r"the attribute is of 4 rows and the atlas of 121"):
        agreement(fast, "full", Attribute(np.ones((4, 1), bool), ("a",)))
    with pytest.raises(FameError, match="no item has a value"):
        agreement(fast, "full", Attribute(np.zeros((ITEMS + 1, 1), bool), ("a",)))


def test_agreements_of_a_catalogue_in_words(fast: Atlas) -> None:
    frame = pd.DataFrame({"item_id": range(ITEMS), "group": [f"g{g}" for g in GROUP[1:]], "empty": [""] * ITEMS})
    table = agreements(fast, Catalogue.from_frame(frame), k=10)
    assert table["attribute"].unique().tolist() == ["group"] and table["space"].tolist() == list(fast.spaces)
    table["shared"] = [9.0, 8.0, 6.04]
    table["chance"] = 1.58
    assert say_agreement(table, "group", "head_1") == (
        "8.0 of each item's 10 nearest in head 1's space have the same group; 1.6 expected at random. "
        "That is more than in any other head's (6.0). In the full embedding: 9.0."
    )
    other = say_agreement(table, "group", "head_2")
    assert other.startswith("6.0 of") and other.endswith(
        "The most is 8.0, in head 1's space. In the full embedding: 9.0."
    )
    table["shared"] = [9.0, 6.01, 6.04]
    assert "No other head's has more." in say_agreement(table, "group", "head_1"), "a difference that is not shown"
    assert say_agreement(table, "group", "full").endswith("1.6 expected at random.")
    assert say_agreement(table, "group", "full", "film").startswith("9.0 of each film's 10 nearest in the full")
    for attribute, words in (
        ("genres", "have at least one genre in common;"),
        ("categories", "have at least one category in common;"),
        ("cast", "have a cast member in common;"),
        ("director", "have the same director;"),
    ):
        assert words in say_agreement(table.assign(attribute=attribute), attribute, "head_1")
    with pytest.raises(FameError, match="no agreement of 'head_1' on 'year'"):
        say_agreement(table, "year", "head_1")


def test_trust_in_words() -> None:
    said = [say_trust(trust) for trust in (0.97, 0.9, 0.6)]
    assert said[0] == "Trustworthiness 0.97: near on this map means near in the space."
    assert "mostly means" in said[1] and "often does not" in said[2] and say_trust(np.nan) == ""
