"""What follows from the method's definition, on random models, histories and interventions.

Models run in float64 and traces hold float32, so that what is compared is the method and not how rounding grows
through LayerNorms only two wide. The merge, which every picture shows, is also checked in float32 throughout.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from reference import softmax

from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.explain import trace
from fame.make.evaluate import pad
from fame.model import FAME
from fame.trace import NOTHING, Intervention, Trace

DOUBLE, SINGLE = torch.float64, torch.float32


@dataclass(frozen=True)
class Setting:
    """A model and its catalogue. Weights are large, so that gates and routers are far from even."""

    config: FAMEConfig
    seed: int = 0

    @lru_cache(maxsize=16)  # noqa: B019 (settings are small and few)
    def model(self, dtype: torch.dtype = DOUBLE) -> FAME:
        model = FAME(self.config).to(dtype).eval()
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                is_norm = "norm" in name and name.endswith("weight")
                weight.copy_(is_norm + 0.5 * torch.randn(weight.shape, generator=generator))
        return model

    @cached_property
    def catalogue(self) -> Catalogue:
        return Catalogue.from_frame(pd.DataFrame({"item_id": [f"i{row}" for row in range(1, self.config.n_rows)]}))

    def trace(self, history: list[int], intervention: Intervention = NOTHING, dtype: torch.dtype = DOUBLE) -> Trace:
        return trace(self.model(dtype), self.catalogue, history, intervention)


@st.composite
def settings(draw: st.DrawFn) -> Setting:
    H, width = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    config = FAMEConfig(
        n_items=draw(st.integers(2, 9)),
        max_len=draw(st.integers(1, 6)),
        d_model=H * width,
        n_heads=H,
        n_experts=draw(st.integers(1, 4)),
        head_width=draw(st.just(0) | st.integers(width, H * width)),
        facet_mlp=draw(st.integers(0, 2)),
        anchors=draw(st.sampled_from([0.0, 1.0])),
        n_layers=draw(st.integers(1, 3)),
        backbone_heads=draw(st.sampled_from([h for h in range(1, H * width + 1) if H * width % h == 0])),
    )
    return Setting(config, draw(st.integers(0, 99)))


def histories(config: FAMEConfig) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, config.n_items), min_size=1, max_size=config.max_len)


def weights(size: int) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*[st.floats(0, 1, width=16)] * size).filter(any)


@st.composite
def interventions(draw: st.DrawFn, config: FAMEConfig) -> Intervention:
    """Any that fits the model."""
    H, N = config.n_heads, config.n_experts
    what_if = Intervention(
        gate=draw(st.none() | weights(H)),
        heads_off=tuple(draw(st.sets(st.integers(0, H - 1), max_size=H - 1))),
        experts_off=tuple(draw(st.sets(st.tuples(st.integers(0, H - 1), st.integers(0, N - 1)), max_size=H * N))),
        router=tuple(draw(st.dictionaries(st.integers(0, H - 1), weights(N))).items()),
        hold_gate=draw(st.booleans()),
    )
    try:
        what_if.check(config)
    except FameError:
        assume(False)
    return what_if


@st.composite
def cases(draw: st.DrawFn) -> tuple[Setting, list[int], Intervention]:
    setting = draw(settings())
    return setting, draw(histories(setting.config)), draw(interventions(setting.config))


def close(a: np.ndarray, b: np.ndarray, scale: float | np.ndarray = 1.0) -> None:
    """Equal to float32 rounding at this scale."""
    assert_allclose(a / np.maximum(1, scale), b / np.maximum(1, scale), rtol=0, atol=2e-6)


def same(a: Trace, b: Trace, *names: str) -> None:
    for name in names:
        x, y = (
            np.nan_to_num(getattr(a, name)),
            np.nan_to_num(getattr(b, name)),
        )  # -inf, at padding, is as large as can be
        assert_allclose(x, y, rtol=2e-6, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=["double", "single"])
@given(case=cases())
def test_the_merge_adds_up(dtype: torch.dtype, case: tuple[Setting, list[int], Intervention]) -> None:
    """s(v) = Σ_h g_h s_h(v), whatever the intervention."""
    setting, history, what_if = case
    t = setting.trace(history, what_if, dtype)
    rows = np.arange(1, setting.config.n_rows)
    shares = t.shares(rows)
    assert shares.shape == (setting.config.n_heads, len(rows))
    close(shares.sum(0), t.scores[rows], np.abs(shares).sum(0))
    table = t.contributions(t.top(len(rows), exclude_history=False).item_id)
    close(table.filter(regex=r"^head_\d+$").sum(axis=1).to_numpy(), table.score.to_numpy(), np.abs(shares).sum(0).max())


@given(case=cases())
def test_one_query_scores_as_the_heads_do(case: tuple[Setting, list[int], Intervention]) -> None:
    """<q, table row v> = Σ_h g_h <F^h, x_v^(h)>, at every position, in each form of the network."""
    setting, history, what_if = case
    model = setting.model()
    with torch.no_grad():
        p = model(pad([np.array(history)], setting.config.max_len), what_if)
        by_head = torch.einsum("bthk,hvk->bthv", p.F, model.facet_items())
        merged = (p.gate.unsqueeze(-1) * by_head).sum(2)
        scores = model.score(p.query)
    assert_allclose(scores[..., 1:], merged[..., 1:], rtol=0, atol=1e-9)
    t = trace(model, setting.catalogue, history, what_if)
    assert_allclose(t.head_scores[:, 1:], by_head[0, -1, :, 1:], rtol=1e-6, atol=1e-6)
    assert_allclose(t.scores[1:], scores[0, -1, 1:], rtol=1e-6, atol=1e-6)


@given(case=cases())
def test_a_head_has_one_attention(case: tuple[Setting, list[int], Intervention]) -> None:
    """f = (Σ_n β_n A_n) U, since the experts of a head share the values U; and f = Σ_n β_n O_n."""
    setting, history, what_if = case
    model = setting.model()
    with torch.no_grad():
        p = model(pad([np.array(history)], setting.config.max_len), what_if, record=True)
        X = torch.empty(len(history), setting.config.d_model, dtype=DOUBLE)
        for h, at in enumerate(model.facets.windows):
            X[:, at : at + setting.config.d_head] = p.residual[0, : len(history), h]
        U = torch.einsum("td,hdk->htk", X, model.facets.W_V).numpy()
    t = trace(model, setting.catalogue, history, what_if)
    scale = np.abs(U).max()
    close(np.einsum("hts,hsk->thk", t.mixed_attention, U), t.f, scale)
    close(np.einsum("thn,thnk->thk", t.router, t.expert_out), t.f, scale)


@given(case=cases(), data=st.data())
def test_position_t_is_the_trace_of_the_first_items(
    case: tuple[Setting, list[int], Intervention], data: st.DataObject
) -> None:
    setting, history, what_if = case
    at = data.draw(st.integers(0, len(history) - 1))
    whole, part = setting.trace(history, what_if), setting.trace(history[: at + 1], what_if)
    for name in ("gate", "router", "expert_out", "f", "F"):
        close(getattr(whole, name)[: at + 1], getattr(part, name), np.abs(getattr(part, name)).max())
    for name in ("attention", "backbone_attention"):
        close(getattr(whole, name)[..., : at + 1, : at + 1], getattr(part, name))


@given(case=cases())
def test_weights_sum_to_one_and_never_look_ahead(case: tuple[Setting, list[int], Intervention]) -> None:
    setting, history, what_if = case
    t = setting.trace(history, what_if)
    T = len(history)
    assert t.attention.shape == (setting.config.n_heads, setting.config.n_experts, T, T)
    assert t.backbone_attention.shape == (setting.config.n_layers - 1, setting.config.backbone_heads, T, T)
    for attention in (t.attention, t.backbone_attention, t.mixed_attention):
        close(attention.sum(-1), np.ones(attention.shape[:-1]))
        assert (attention >= 0).all() and not np.triu(attention, 1).any()
    close(t.router.sum(-1), np.ones(t.router.shape[:-1]))
    if not (what_if.hold_gate and what_if.heads_off):  # a held gate keeps the other heads' weights as they were
        close(t.gate.sum(-1), np.ones(T))


@given(setting=settings(), data=st.data())
def test_one_in_a_batch_equals_alone(setting: Setting, data: st.DataObject) -> None:
    """Neither the other histories nor padding on the right is seen, on either path."""
    batch = data.draw(st.lists(histories(setting.config), min_size=1, max_size=4))
    what_if = data.draw(interventions(setting.config))
    record = data.draw(st.booleans())
    model, max_len = setting.model(), setting.config.max_len
    items = torch.nn.functional.pad(pad([np.array(h) for h in batch], max_len), (0, 1))[:, :max_len]
    with torch.no_grad():
        together = model(items, what_if, record)
        for b, history in enumerate(batch):
            T = len(history)
            alone = model(torch.tensor([history]), what_if, not record)
            for name in ("query", "gate", "router", "f", "F"):
                assert_allclose(getattr(together, name)[b, :T], getattr(alone, name)[0], rtol=0, atol=1e-9)
            if record:
                assert not together.attention[b, ..., :T, T:].any(), "a real position looks at padding"


@given(case=cases())
def test_the_natural_gate_and_routers_as_an_intervention_change_nothing(
    case: tuple[Setting, list[int], Intervention],
) -> None:
    setting, history, _ = case
    t = setting.trace(history)
    outcome = ("head_scores", "scores", "expert_scores")
    as_is = tuple(map(float, t.gate[-1]))
    routers = tuple((h, tuple(map(float, beta))) for h, beta in enumerate(t.router[-1]))
    for what_if in (
        Intervention(hold_gate=True),
        Intervention(gate=as_is),
        Intervention(router=routers),
        Intervention(router=routers, hold_gate=True),
        Intervention(gate=as_is, router=routers),
    ):
        same(setting.trace(history, what_if), t, *outcome)


@given(setting=settings(), data=st.data())
def test_switched_off_is_minus_infinity_before_the_softmax(setting: Setting, data: st.DataObject) -> None:
    H, N = setting.config.n_heads, setting.config.n_experts
    history = data.draw(histories(setting.config))
    heads = data.draw(st.sets(st.integers(0, H - 1), max_size=H - 1))
    experts = {(h, n) for h in range(H) for n in data.draw(st.sets(st.integers(0, N - 1), max_size=N - 1))}
    model = setting.model()
    w = {name: weight.numpy() for name, weight in model.state_dict().items()}
    t = trace(model, setting.catalogue, history, Intervention(heads_off=tuple(heads), experts_off=tuple(experts)))
    for at in range(len(history)):
        gate = w["facets.gate.weight"] @ t.F[at].ravel() + w["facets.gate.bias"]
        gate[list(heads)] = -np.inf
        close(t.gate[at], softmax(gate))
        for h in range(H):
            router = t.expert_out[at, h].ravel() @ w["facets.W_exp"][h]
            router[[n for g, n in experts if g == h]] = -np.inf
            assert_allclose(t.router[at, h], softmax(router), atol=1e-5)


@given(case=cases())
def test_a_held_gate_measures_the_direct_effect(case: tuple[Setting, list[int], Intervention]) -> None:
    """The gate stays the untouched model's; a head that is off only loses its share of the score."""
    setting, history, what_if = case
    what_if = replace(what_if, gate=None, hold_gate=True)
    natural, held = setting.trace(history), setting.trace(history, what_if)
    off = list(what_if.heads_off)
    expected = natural.gate.copy()
    expected[:, off] = 0
    close(held.gate, expected)
    changed = {h for h, _ in (*what_if.experts_off, *what_if.router)}
    untouched = [h for h in range(setting.config.n_heads) if h not in changed]
    close(held.F[:, untouched], natural.F[:, untouched], 10)
    if not changed:
        rows = np.arange(1, setting.config.n_rows)
        shares = natural.shares(rows)
        close(natural.scores[rows] - held.scores[rows], shares[off].sum(0), np.abs(shares).sum(0))


@given(setting=settings(), data=st.data())
def test_a_router_on_one_expert_is_that_expert_alone(setting: Setting, data: st.DataObject) -> None:
    history = data.draw(histories(setting.config))
    h = data.draw(st.integers(0, setting.config.n_heads - 1))
    n = data.draw(st.integers(0, setting.config.n_experts - 1))
    one_hot = tuple(float(m == n) for m in range(setting.config.n_experts))
    others = tuple((h, m) for m in range(setting.config.n_experts) if m != n)
    t = setting.trace(history)
    for what_if in (Intervention(router=((h, one_hot),)), Intervention(experts_off=others)):
        forced = setting.trace(history, what_if)
        assert_allclose(forced.head_scores[h], t.expert_scores[h, n], rtol=1e-5, atol=1e-5)
        assert_array_equal(forced.router[:, h], np.tile(one_hot, (len(history), 1)))
        same(forced, t, "expert_scores", "attention", "expert_out")
        assert_array_equal(forced.ranking(head=h), t.ranking(head=h, expert=n))


@pytest.mark.parametrize("factor", [5e-324, 1e-45, 1.0, 1e40, 5e307])
def test_weights_count_by_their_ratios_however_small_or_large(factor: float) -> None:
    t = TWO_BY_TWO.trace([1, 2], Intervention(gate=(3 * factor, factor), router=((1, (factor, 3 * factor)),)), SINGLE)
    assert_allclose(t.gate, [[0.75, 0.25]] * 2)
    assert_allclose(t.router[:, 1], [[0.25, 0.75]] * 2)
    left = Intervention(gate=(1.0, factor * 1e-30 or factor), heads_off=(0,))
    assert_array_equal(TWO_BY_TWO.trace([1, 2], left, SINGLE).gate, [[0, 1]] * 2)


@given(case=cases(), data=st.data())
def test_only_the_newest_items_are_read(case: tuple[Setting, list[int], Intervention], data: st.DataObject) -> None:
    setting, history, what_if = case
    older = data.draw(st.lists(st.integers(1, setting.config.n_items), max_size=5))
    t = setting.trace(older + history, what_if)
    assert t.dropped == max(0, len(older) + len(history) - setting.config.max_len)
    assert t.items.tolist() == (older + history)[t.dropped :]
    assert t.seen.tolist() == older + history
    assert not set(t.ranking().tolist()) & set(t.seen.tolist())  # what did not fit has been seen all the same
    same(t, setting.trace(t.items.tolist(), what_if), "gate", "router", "F", "scores")


@pytest.mark.parametrize("record", [False, True], ids=["fused", "recorded"])
def test_one_head_with_one_expert_is_all_there_is(record: bool) -> None:
    setting = Setting(FAMEConfig(n_items=5, max_len=4, d_model=6, n_heads=1, n_experts=1))
    with torch.no_grad():
        p = setting.model()(torch.tensor([[3, 1, 4]]), record=record)
    assert (p.gate == 1).all() and (p.router == 1).all()
    t = setting.trace([3, 1, 4])
    assert_array_equal(t.mixed_attention, t.attention[:, 0])
    assert_array_equal(t.scores, t.head_scores[0])
    same(replace(t, scores=t.expert_scores[0, 0]), t, "scores")


@given(setting=settings(), data=st.data())
@example(setting=Setting(FAMEConfig(n_items=3, d_model=4, n_heads=2, n_experts=2)), data=None)
def test_an_intervention_is_equal_whatever_its_order(setting: Setting, data: st.DataObject | None) -> None:
    if data is None:
        a = Intervention(heads_off=(1, 0, 1), router={1: [1, 0], 0: (0, 2)})  # type: ignore[arg-type]
        b = Intervention(heads_off=(0, 1), router=((0, (0.0, 2.0)), (1, (1.0, 0.0))))
        assert a == b and hash(a) == hash(b) and len({a, b}) == 1
        return
    a = data.draw(interventions(setting.config))
    b = Intervention(
        gate=a.gate,
        heads_off=tuple(data.draw(st.permutations(a.heads_off))) + a.heads_off,
        experts_off=tuple(data.draw(st.permutations(a.experts_off))),
        router=dict(data.draw(st.permutations(a.router))),  # type: ignore[arg-type]
        hold_gate=a.hold_gate,
    )
    assert a == b and hash(a) == hash(b) and {a: 1}[b]
    assert bool(a) == (a not in {NOTHING, Intervention(hold_gate=True)})


TWO_BY_TWO = Setting(FAMEConfig(n_items=3, max_len=3, d_model=4, n_heads=2, n_experts=2))


@pytest.mark.parametrize(
    ("what_if", "message"),
    [
        ({"heads_off": (0, 1)}, "all 2 heads are switched off; leave one on"),
        ({"gate": (1, 0), "heads_off": (0,)}, "every head with weight is switched off"),
        ({"experts_off": ((1, 0), (1, 1))}, "all experts of head 1 are switched off; switch the head off instead"),
        ({"experts_off": ((1, 0),), "router": ((1, (1, 0)),)}, "all experts of head 1 are switched off"),
        ({"gate": (1, 1, 1)}, "gate has 3 weights; this model has 2 heads"),
        ({"router": ((0, (1,)),)}, "router of head 0 has 1 weights; expected 2"),
        ({"router": ((0, (1, 0)), (0, (0, 1)))}, "router is given twice"),
        ({"heads_off": (2,)}, "there is no head 2; this model's heads are 0 to 1"),
        ({"heads_off": (-1,)}, "there is no head -1"),
        ({"experts_off": ((0, 2),)}, "there is no expert 2; each head's experts are 0 to 1"),
        ({"gate": (0, 0)}, "expected weights of at least 0 with one above 0"),
        ({"gate": (1, -1)}, "expected weights of at least 0"),
        ({"router": ((1, (1, float("nan"))),)}, "router of head 1 is .* expected weights of at least 0"),
        ({"heads_off": 1}, "intervention: 'int' object is not iterable; expected gate="),
        ({"heads_off": (0.5,)}, "'float' object cannot be interpreted as an integer; expected gate="),
        ({"experts_off": (1,)}, r"expected .* experts_off=\(\(head, expert\), …\)"),
        ({"gate": "ab"}, "could not convert string to float: 'a'; expected gate="),
    ],
)
def test_what_leaves_nothing_on_or_does_not_fit_is_refused(what_if: dict, message: str) -> None:
    with pytest.raises(FameError, match=message):
        TWO_BY_TWO.trace([1, 2], Intervention(**what_if))


def test_a_plain_sasrec_has_nothing_to_intervene_on() -> None:
    model = FAME(replace(TWO_BY_TWO.config, variant="sasrec"))
    with pytest.raises(FameError, match="plain SASRec; it has no heads"):
        model(torch.tensor([[1]]), Intervention(heads_off=(0,)))


def test_a_trace_cannot_be_written_to() -> None:
    t = TWO_BY_TWO.trace([1, 2])
    with pytest.raises(ValueError, match="read-only"):
        t.gate[0, 0] = 1
