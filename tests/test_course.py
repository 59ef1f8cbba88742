"""What is kept of a training: checked at the door, round trips, and watched without changing what is learned."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fame
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.course import Course
from fame.errors import FameError
from fame.make.configs import PlantedConfig
from fame.make.pipeline import train_recipe
from fame.make.recipe import Recipe
from fame.make.runs import SILENT
from fame.make.watch import watched
from fame.plots import course as draw
from tests.app.small import make_bundle


def course(**changes: np.ndarray) -> Course:
    """Two epochs of two histories of three steps, two heads of two experts."""
    gate = np.array([[[[0.5, 0.5]] * 3] * 2, [[[0.9, 0.1]] * 3, [[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]]]], np.float16)
    arrays = {
        "epochs": np.array([0, 4], np.int32),
        "gate": gate,
        "router": np.full((2, 2, 3, 2, 2), 0.5, np.float16),
        "items": np.array([[1, 2, 3], [4, 5, 6]], np.int32),
        "facets": ("genres", "decade"),
        "truth": np.array([[0, 0, 1], [0, 1, 1]], np.int8),
        "told": np.array([0, 1], np.int8),
    }
    return Course(**{**arrays, **changes})  # type: ignore[arg-type]


def test_numbers_by_hand() -> None:
    found = course()
    assert found.followed(0) == 0.5, "argmax of an even gate is head 1, right in three of six steps"
    assert found.followed(1) == pytest.approx(5 / 6)
    assert found.decided(0) == (1, 1)
    assert found.decided(1)[0] == pytest.approx(np.mean([0.469] * 5 + [0.7219]), abs=2e-3)
    assert np.isnan(course(told=np.array([-1, -1], np.int8)).followed(1))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("epochs", np.array([4, 0], np.int32), "epochs do not rise"),
        ("gate", np.full((2, 2, 3, 3), 0.5, np.float16), "gate is [2, 2, 3, 3]; expected [2, 2, 3, 2]"),
        ("gate", np.full((2, 2, 3, 2), np.nan, np.float16), "gate goes beyond 0 to 1"),
        ("router", np.zeros((0, 2, 3, 2, 2), np.float16), "router is [0, 2, 3, 2, 2]"),
        ("items", np.zeros((2, 3), np.int32), "items goes beyond 1"),
        ("truth", np.full((2, 3), 2, np.int8), "truth goes beyond 0 to 1"),
        ("told", np.array([0, 2], np.int8), "told goes beyond -1 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: np.ndarray, reason: str) -> None:
    with pytest.raises(FameError, match=re.escape(reason)):
        course(**{name: value})


def test_arrays_from_anywhere() -> None:
    arrays = course().to_arrays()
    again = Course.from_arrays(arrays)
    assert again.facets == ("genres", "decade") and np.array_equal(again.gate, course().gate)
    assert not again.gate.flags.writeable
    for name in arrays:
        with pytest.raises(FameError, match=f"course: {name} is missing"):
            Course.from_arrays({n: a for n, a in arrays.items() if n != name})
    for name, bad in (("facets", np.zeros(2)), ("gate", np.array("x")), ("facets", np.array(["x" * 999]))):
        with pytest.raises(FameError, match="arrays of another kind or form"):
            Course.from_arrays({**arrays, name: bad})


def test_a_bundle_keeps_it_and_refuses_that_of_another(tmp_path: Path) -> None:
    bundle = make_bundle(heads=2)
    saved = Bundle.load(replace(bundle, course=course()).save(tmp_path / "tiny"))
    assert saved.course is not None and np.array_equal(saved.course.router, course().router)
    with pytest.raises(FameError, match=r"course\.npz: course: of 2 × 2 experts; the model has 3 × 2"):
        replace(make_bundle(heads=3), course=course())
    (tmp_path / "tiny" / "course.npz").write_bytes(b"PK")
    with pytest.raises(FameError, match=r"course\.npz: altered"):
        Bundle.load(tmp_path / "tiny")


def test_the_picture_shows_those_numbers() -> None:
    bundle = make_bundle(heads=2)
    picture = draw(course(), bundle.catalogue, 1, 1)
    assert picture.table["chooses_next"].tolist() == ["genres", "decade", "decade"]
    assert np.allclose(picture.table["gate_2"], [0.1, 0.8, 0.9], atol=1e-3)
    assert picture.title.startswith("After epoch 4") and "83% of all steps" in picture.alt
    assert len(draw(course(), bundle.catalogue, 0, 0, routers=False).figure.data) < len(picture.figure.data)
    with pytest.raises(FameError, match="no epoch 2"):
        draw(course(), bundle.catalogue, 2)


def recipe(toy: Path, watch: int) -> Recipe:
    return Recipe.from_tables(
        {
            "name": f"w{watch}", "maps": False, "evidence": False, "population": False, "watch": watch,
            "data": {
                "form": "planted", "items": str(toy / "items.csv"),
                "planted": {"n_viewers": 40, "shortest": 4, "longest": 7, "facets": ["genres"], "least_items": 2},
            },
            "model": {"d_model": 16, "n_heads": 2, "n_experts": 2, "max_len": 8},
            "training": {"epochs": 2},
        }
    )  # fmt: skip


def test_watching_changes_nothing_and_keeps_every_epoch(toy_log: Path, tmp_path: Path) -> None:
    plain = train_recipe(recipe(toy_log, 0), tmp_path / "a", runs=tmp_path / "runs", callbacks=SILENT)
    seen = train_recipe(recipe(toy_log, 3), tmp_path / "b", runs=tmp_path / "runs", callbacks=SILENT)
    assert plain is not None and seen is not None and plain.course is None and seen.course is not None
    for name, tensor in plain.model.state_dict().items():
        assert tensor.equal(seen.model.state_dict()[name]), name
    kept = seen.course
    assert kept.epochs.tolist() == [0, 1, 2] and kept.items.shape == (3, 6)
    best = int(seen.training["epoch"][seen.training["best"]].iloc[-1])
    trace = seen.trace(rows=kept.items[1])
    assert np.allclose(trace.gate, kept.gate[best, 1], atol=1e-3)
    assert np.allclose(trace.router, kept.router[best, 1], atol=1e-3)
    again = train_recipe(recipe(toy_log, 3), tmp_path / "c", runs=tmp_path / "runs", callbacks=SILENT)
    assert again is not None and again.course is not None and np.array_equal(again.course.gate, kept.gate)


def test_watched_viewers_change_their_mind(toy_log: Path) -> None:
    catalogue = fame.load("planted").catalogue
    assert isinstance(catalogue, Catalogue)
    config = PlantedConfig(n_viewers=5, facets=("genres", "decade"), values=4)
    found = watched(catalogue, config, 4)
    facet = found.facet.reshape(4, 21)
    assert ((np.diff(facet, axis=1) != 0).sum(axis=1) == 2).all()
    assert len(found.sequences.items) == 4 * 21


def test_only_simulated_users_are_watched() -> None:
    with pytest.raises(FameError, match="watch is for a fame that learns from simulated users"):
        Recipe.from_tables({"name": "x", "watch": 2, "data": {"form": "csv", "path": "log.csv"}})


def test_the_shipped_course_goes_from_even_to_decided() -> None:
    kept = fame.load("planted").course
    assert kept is not None and kept.epochs.tolist() == list(range(11))
    first, last = kept.decided(0), kept.decided(-1)
    assert min(first) > 0.9 and last[0] < 0.7 and last[1] < 0.3
    assert kept.followed(0) < 0.6 and kept.followed(len(kept) - 1) > 0.7
