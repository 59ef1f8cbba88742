"""Sizes and settings are checked when they are made, and each refusal says what came and what was expected."""

from __future__ import annotations

import json
import re
from dataclasses import FrozenInstanceError, asdict

import pytest

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.train import TrainConfig

WIDTHS = ("head_width", "facet_mlp")


def test_derived_sizes() -> None:
    config = FAMEConfig(n_items=10, d_model=24, n_heads=3)
    assert (config.d_head, config.n_rows) == (8, 11)
    with pytest.raises(FrozenInstanceError):
        config.n_items = 11  # type: ignore[misc]


def test_both_survive_json() -> None:
    config = FAMEConfig(n_items=10, n_heads=1, n_experts=1, dropout=0, variant="sasrec")
    assert FAMEConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    training = TrainConfig(epochs=3, schedule="cosine", learning_rate=1, negatives=7)
    assert TrainConfig(**json.loads(json.dumps(asdict(training)))) == training


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        *((field, 0, "a whole number of at least 1") for field in ("n_items", "max_len", "d_model", "n_layers")),
        *((field, -2, "a whole number of at least 1") for field in ("n_heads", "n_experts", "backbone_heads")),
        *(("n_items", value, "a whole number of at least 1") for value in (2.0, True, "12", None)),
        *(("dropout", value, "a number from 0 up to, not including, 1") for value in (1, -0.1, "0.2", True)),
        *((field, value, "a whole number of at least 0") for field in WIDTHS for value in (-1, 1.0, True)),
        *(("anchors", value, "a number from 0 to 100") for value in (-1, float("inf"), "1")),
        ("attention_dropout", float("nan"), "a number from 0 up to, not including, 1"),
        ("variant", "gru", "'fame' or 'sasrec'"),
        ("variant", ["fame"], "'fame' or 'sasrec'"),
    ],
)
def test_a_bad_size_is_refused(field: str, value: object, expected: str) -> None:
    message = re.escape(f"config: {field} is {value!r}; expected {expected}")
    with pytest.raises(FameError, match=message):
        FAMEConfig.from_dict({"n_items": 10, field: value})


@pytest.mark.parametrize("heads", ["n_heads", "backbone_heads"])
def test_a_width_that_does_not_divide_by_the_heads_is_refused(heads: str) -> None:
    with pytest.raises(FameError, match=f"d_model 64 does not divide by {heads} 3; choose a width that"):
        FAMEConfig.from_dict({"n_items": 10, heads: 3})


def test_a_sasrec_has_no_heads_to_divide_by() -> None:
    assert FAMEConfig(n_items=10, d_model=30, variant="sasrec").d_model == 30


@pytest.mark.parametrize(("width", "fits"), [(7, False), (8, True), (11, True), (24, True), (25, False)])
def test_a_head_is_at_least_a_slice_and_at_most_the_whole_of_x(width: int, fits: bool) -> None:
    sizes = {"n_items": 10, "d_model": 24, "n_heads": 3, "head_width": width}
    if fits:
        assert FAMEConfig.from_dict(sizes).d_head == width
    else:
        message = f"config: head_width is {width}; expected 0, or from d_model / n_heads, 8, to d_model, 24"
        with pytest.raises(FameError, match=message):
            FAMEConfig.from_dict(sizes)


def test_a_width_need_not_divide_by_heads_that_have_their_own() -> None:
    assert FAMEConfig(n_items=10, d_model=10, n_heads=3, head_width=4).d_head == 4


def test_options_that_are_gone_are_read_where_they_were_off() -> None:
    old = {"n_items": 10, "active_experts": 0, "spread": 1.0}
    assert FAMEConfig.from_dict(old) == FAMEConfig(n_items=10)
    for name, value in (("active_experts", 2), ("spread", 4.0)):
        with pytest.raises(FameError, match=f"config: {name} is {value}; that option is gone, only"):
            FAMEConfig.from_dict(old | {name: value})


def test_missing_and_unknown_sizes_are_refused() -> None:
    with pytest.raises(FameError, match="config: n_items is missing"):
        FAMEConfig.from_dict({})
    with pytest.raises(FameError, match=r"config: there is no setting 'heads'; did you mean 'n_heads'\?"):
        FAMEConfig.from_dict({"n_items": 10, "heads": 4})


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        *((field, 0, "a whole number of at least 1") for field in ("epochs", "patience", "batch_size")),
        *((field, -1, "a whole number of at least 0") for field in ("warmup_steps", "negatives", "seed")),
        ("seed", 2**32, "a whole number of at least 0, below 2³²"),
        *(("epochs", value, "a whole number of at least 1") for value in (1.5, True, "10", None)),
        *(("learning_rate", value, "a number above 0 and below 10") for value in (0, 10, "1e-3", float("nan"))),
        *(("weight_decay", value, "a number of at least 0") for value in (-1e-9, float("inf"), None)),
        *(("label_smoothing", value, "a number from 0 up to, not including, 1") for value in (1, -0.1, False)),
        ("schedule", "linear", "'constant' or 'cosine'"),
    ],
)
def test_a_bad_setting_is_refused(field: str, value: object, expected: str) -> None:
    message = re.escape(f"training: {field} is {value!r}; expected {expected}")
    with pytest.raises(FameError, match=message):
        TrainConfig(**{field: value})


def test_settings_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(FameError, match="label_smoothing spreads over all items"):
        TrainConfig(label_smoothing=0.1, negatives=100)
    for other in ({"negatives": 100}, {"label_smoothing": 0.1}):
        with pytest.raises(FameError, match="mask_seen is for the full softmax; it goes with neither"):
            TrainConfig(mask_seen=True, **other)
