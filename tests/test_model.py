"""The network against the plain loops of `reference`, its contract with saved weights, and that it can learn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
import torch
import torch.nn.functional as fn
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.evaluate import pad
from fame.model import FAME
from fame.trace import Intervention

# Sizes that meet in one tensor all differ, so that no pair of axes can be swapped unseen.
ODD = FAMEConfig(n_items=12, max_len=9, d_model=30, n_heads=5, n_experts=4, n_layers=3, backbone_heads=10)
LENGTHS = (7, 1, 3, 7, 2, 5, 4, 6)
VARIANTS = ("fame", "sasrec")


def scrambled(config: FAMEConfig, seed: int = 0) -> FAME:
    """A float64 model in which every weight matters: none is at its start, gate and routers are far from even."""
    model = FAME(config).double().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            is_norm = "norm" in name and name.endswith("weight")
            weight.copy_(is_norm + 0.4 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
    return model


def histories(config: FAMEConfig, lengths: tuple[int, ...] = LENGTHS) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(1, config.n_rows, length) for length in lengths]


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=["f64", "f32"])
@pytest.mark.parametrize("record", [False, True], ids=["fused", "recorded"])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"n_layers": 1},
        {"n_heads": 1},
        {"n_experts": 1},
        {"head_width": 30},
        {"head_width": 11, "facet_mlp": 2},
        {"anchors": 1.0},
        {"head_width": 30, "facet_mlp": 1, "anchors": 0.3},
    ],
    ids=["odd", "L=1", "H=1", "N=1", "wide", "wider, MLP", "anchors", "all three"],
)
def test_agrees_with_the_plain_loops(
    sizes: dict[str, float], variant: str, record: bool, dtype: torch.dtype, near: float
) -> None:
    config = replace(ODD, variant=variant, **sizes)  # type: ignore[arg-type]
    model = scrambled(config).to(dtype)
    w = {name: weight.double().numpy() for name, weight in model.state_dict().items()}
    batch = histories(config)
    with torch.no_grad():
        out = model(pad(batch, config.max_len), record=record)
        scores = model.score(out.query)
    names = ["query"]
    if variant == "fame":
        names += ["gate", "router", "f", "state", "F", "expert_out", "residual"]
    for b, history in enumerate(batch):
        expected, T = reference.run(w, config, history.tolist()), len(history)
        for name in names:
            wanted = getattr(expected, name)
            assert_allclose(
                getattr(out, name)[b, :T], wanted, rtol=near, atol=near * max(1, np.abs(wanted).max()), err_msg=name
            )
        assert_allclose(scores[b, :T, 1:], expected.scores[:, 1:], rtol=near, atol=10 * near)
        assert (scores[b, :, 0] == -torch.inf).all()
        if record:
            assert len(out.backbone_attention) == len(expected.backbone_attention)
            for block, attention in enumerate(out.backbone_attention):
                assert_allclose(attention[b, :, :T, :T], expected.backbone_attention[block], rtol=near, atol=near)
        if variant == "fame":
            assert_allclose(model.facet_items().detach(), expected.facet_items, rtol=near, atol=10 * near)
        if record and variant == "fame":
            assert_allclose(out.attention[b, :, :, :T, :T], expected.attention, rtol=near, atol=near)


def test_names_and_shapes_of_the_saved_weights() -> None:
    V, d, H, N, k = 13, 30, 5, 4, 6
    shapes = {name: tuple(weight.shape) for name, weight in FAME(ODD).state_dict().items()}
    facets = {name: shape for name, shape in shapes.items() if name in {"items.weight"} or name.startswith("facets.")}
    norms = {f"facets.{norm}.{part}": (k,) for norm in ("norm_attention", "norm_out") for part in ("weight", "bias")}
    assert facets == {
        "items.weight": (V, d),
        "facets.W_Q": (H, N, d, k),
        "facets.W_K": (H, d, k),
        "facets.W_V": (H, d, k),
        "facets.W_exp": (H, N * k, N),
        "facets.W_f": (H, k, d),
        "facets.gate.weight": (H, H * k),
        "facets.gate.bias": (H,),
        "facets.feed_forward.up.weight": (4 * k, k),
        "facets.feed_forward.up.bias": (4 * k,),
        "facets.feed_forward.down.weight": (k, 4 * k),
        "facets.feed_forward.down.bias": (k,),
        **norms,
    }
    assert not [name for name in FAME(replace(ODD, variant="sasrec")).state_dict() if name.startswith("facets")]
    more = FAME(replace(ODD, head_width=30, facet_mlp=2, anchors=0.5)).state_dict()
    assert {name: tuple(more[name].shape) for name in more.keys() - shapes.keys()} == {
        "facets.anchors": (H, N, d),
        "facets.item_mlp.norm.weight": (d,),
        "facets.item_mlp.norm.bias": (d,),
        "facets.item_mlp.up.weight": (2 * d, d),
        "facets.item_mlp.up.bias": (2 * d,),
        "facets.item_mlp.down.weight": (H * d, 2 * d),
        "facets.item_mlp.down.bias": (H * d,),
    }


def test_from_pretrained_reads_a_config_as_a_bundle_does(tmp_path: Path) -> None:
    FAME(ODD).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"active_experts": 0, "spread": 1.0}))
    assert FAME.from_pretrained(tmp_path).config == ODD
    (tmp_path / "config.json").write_text(json.dumps(config | {"active_experts": 1}))
    with pytest.raises(FameError, match="active_experts is 1; that option is gone"):
        FAME.from_pretrained(tmp_path)


def test_starts_as_sasrec_under_an_even_gate() -> None:
    """At the start the query is [F^1 ‖ … ‖ F^H], up to the small noise in W_f; without that noise, exactly."""
    torch.manual_seed(0)
    config = FAMEConfig(n_items=50, d_model=64, n_heads=4, n_experts=3)
    model = FAME(config).eval()
    items = pad(histories(config, (20, 20, 20)), config.max_len)
    even = Intervention(gate=(1,) * config.n_heads)
    with torch.no_grad():
        start = model(items, even)
        wanted = start.F.flatten(2)
        assert fn.cosine_similarity(start.query, wanted, dim=-1).min() > 0.99
        assert (start.gate - 1 / config.n_heads).abs().max() < 1e-6
        noise = model.facets.W_f - config.n_heads * torch.eye(64).unflatten(0, (4, 16))
        assert 0.015 < noise.std() < 0.025
        model.facets.W_f -= noise
        assert_allclose(model(items, even).query, wanted, atol=1e-5)
        assert model(items).gate.max() < 0.5, "the gate itself starts near even"


def test_heads_as_wide_as_the_model_start_with_the_whole_of_x_and_from_the_identity() -> None:
    torch.manual_seed(0)
    model = FAME(FAMEConfig(n_items=5, d_model=24, n_heads=3, head_width=24, backbone_heads=2))
    x = torch.randn(2, 4, 24)
    assert torch.equal(model.facets.residual(x), x.unsqueeze(2).expand(-1, -1, 3, -1))
    noise = model.facets.W_f - torch.eye(24)
    assert 0.015 < noise.std() < 0.025 and noise.mean().abs() < 0.002


@given(d=st.integers(1, 40), H=st.integers(1, 8), data=st.data())
def test_heads_together_have_all_of_x_however_wide(d: int, H: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(-(-d // H), d))
    config = FAMEConfig(n_items=2, d_model=d, n_heads=H, n_experts=1, head_width=k, backbone_heads=1)
    x = torch.arange(d, dtype=torch.float32)
    parts = FAME(config).facets.residual(x)
    assert parts.shape == (H, k) and set(parts.flatten().tolist()) == set(range(d))
    assert (parts.diff(dim=-1) == 1).all(), "a head's part is of neighbours"


def test_the_facets_of_items_are_kept_until_a_weight_changes() -> None:
    """In the paper's form too, where the table is x_v itself."""
    model = scrambled(ODD).float()
    with torch.no_grad():
        first = model.facet_items()
        assert model.facet_items().data_ptr() == first.data_ptr()
        model.facets.W_f.mul_(2)
        assert_allclose(model.facet_items(), 2 * first, rtol=1e-6, atol=1e-6)
    optimizer = torch.optim.AdamW(model.parameters(), 0.1, fused=True)  # it counts no version
    (model(pad(histories(ODD), ODD.max_len)).query @ model.table()[1:].T).sum().backward()
    optimizer.step()
    with torch.no_grad():
        fresh = model.facets.sub_embeddings(model.items.weight).unflatten(1, model.facets.W_f.shape[:2])
        assert_allclose(model.facet_items(), fresh.transpose(0, 1), rtol=1e-6, atol=1e-6)


def test_the_table_is_kept_until_a_weight_changes() -> None:
    """Every way in which weights change is followed, and what is kept may be used for training."""
    model = scrambled(replace(ODD, facet_mlp=1)).float()
    fresh = lambda: model.facets.sub_embeddings(model.items.weight)  # noqa: E731
    with torch.inference_mode():
        first = model.table()
        assert model.table() is first and not first.is_inference()
    optimizer = torch.optim.AdamW(model.parameters(), 0.1, fused=True)
    other = scrambled(replace(ODD, facet_mlp=1), seed=1).float().state_dict()

    def learn() -> None:
        (model.table()[1:] @ torch.randn(ODD.d_model)).sum().backward()
        optimizer.step()

    changes = (
        learn,
        lambda: model.load_state_dict(other),
        lambda: model.load_state_dict({k: 2 * v for k, v in other.items()}, assign=True),
        model.double,
    )
    for change in changes:
        change()
        with torch.no_grad():
            assert_allclose(model.table(), fresh(), rtol=1e-6, atol=1e-6)
            assert model.table() is not first
            assert_allclose(model.table(torch.tensor([3, 1])), fresh()[[3, 1]], rtol=1e-5, atol=1e-5)
            first = model.table()


def test_the_paper_s_form_is_what_is_left_when_all_is_off() -> None:
    """The table is x_v itself, and F is the state."""
    model = scrambled(ODD)
    with torch.no_grad():
        assert model.table() is model.items.weight
        out = model(pad(histories(ODD), ODD.max_len))
    assert torch.equal(out.F, out.state) and out.query.shape[-1] == ODD.d_model


@pytest.mark.parametrize("sizes", [{}, {"head_width": 30, "facet_mlp": 1, "anchors": 1.0}], ids=["paper", "all three"])
def test_gradients_reach_every_head_and_expert(sizes: dict[str, float]) -> None:
    model = scrambled(replace(ODD, **sizes)).train()  # type: ignore[arg-type]
    items = pad(histories(ODD), ODD.max_len)
    real = items[:, 1:] > 0
    queries, targets = model(items[:, :-1]).query[real], items[:, 1:][real]
    fn.cross_entropy(queries @ model.table()[1:].T, targets - 1).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        # Each slice over the leading axes of the last block's weights is a head, an expert or both.
        axes = 2 if name in ("facets.W_Q", "facets.anchors") else int(name.startswith("facets.W_"))
        size = weight.grad.abs().flatten(axes).sum(-1)
        assert (size > 0).all(), f"{name}: no gradient at {(size == 0).nonzero().tolist()}"
    assert (model.items.weight.grad[0] == 0).all(), "padding, on the right of most histories, is never learnt from"


@pytest.mark.parametrize(
    "form",
    [{"variant": "fame"}, {"variant": "sasrec"}, {"head_width": 32, "facet_mlp": 2, "anchors": 1.0}],
    ids=["fame", "sasrec", "all three"],
)
def test_learns_eight_sequences_by_heart(form: dict[str, Any]) -> None:
    """Each begins with an item of its own; after that the next item depends on which one that was."""
    torch.manual_seed(0)
    config = FAMEConfig(n_items=20, max_len=8, d_model=32, n_heads=2, n_experts=2, dropout=0, **form)
    model = FAME(config)
    rng = np.random.default_rng(0)
    items = torch.from_numpy(np.stack([[1 + b, *rng.integers(9, 21, 7)] for b in range(8)]))
    inputs, targets = items[:, :-1], items[:, 1:]
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    loss = torch.tensor(torch.inf)
    for _ in range(100):
        loss = fn.cross_entropy((model(inputs).query @ model.table().T).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.02
    assert (model.score(model(inputs).query).argmax(-1) == targets).all()


def test_dropout_is_of_training_only() -> None:
    config = replace(ODD, dropout=0.5, attention_dropout=0.5)
    model = FAME(config)
    items = pad(histories(config), config.max_len)
    noisy = [model(items).query for _ in range(2)]
    calm = [model.eval()(items).query for _ in range(2)]
    assert not torch.equal(*noisy) and torch.equal(*calm)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("sizes", [{}, {"n_layers": 1}, {"head_width": 30, "facet_mlp": 1, "anchors": 0.3}])
@pytest.mark.parametrize("alike", [0, 1, 4])
def test_the_last_query_is_the_last_one_of_a_whole_pass(variant: str, sizes: dict[str, float], alike: int) -> None:
    config = replace(ODD, variant=variant, **sizes)  # type: ignore[arg-type]
    model, change = scrambled(config), Intervention(experts_off=((0, 1),), heads_off=(2,), hold_gate=True)
    items = torch.from_numpy(np.random.default_rng(1).integers(1, config.n_rows, (6, 5)))
    items[:, :alike] = items[0, :alike]
    with torch.no_grad():
        for what_if in (Intervention(), change)[: 1 + (variant == "fame")]:
            assert_allclose(model.last_query(items, what_if, alike), model(items, what_if).query[:, -1], atol=1e-10)
