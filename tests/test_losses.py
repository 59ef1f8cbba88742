"""The losses against PyTorch's own, in value and gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fame.make import losses


@given(
    m=st.integers(1, 40),
    items=st.integers(1, 30),
    at_once=st.integers(1, 300),
    scale=st.floats(0.1, 200),
    masked=st.integers(0, 6),
)
def test_full_softmax_is_cross_entropy(m: int, items: int, at_once: int, scale: float, masked: int) -> None:
    torch.manual_seed(m)
    query = torch.randn(m, 5, dtype=torch.float64) * scale
    table, wanted = torch.randn(items, 5, dtype=torch.float64), torch.randint(items, (m,))
    inputs = [x.requires_grad_() for x in (query, table)]
    seen = torch.cat([wanted[:, None], torch.randint(items, (m, masked))], 1)  # the target is a candidate all the same
    out = torch.zeros(m, items, dtype=torch.bool).scatter(1, seen, True).scatter(1, wanted[:, None], False)
    logits = (query @ table.T).masked_fill(out, -torch.inf)
    expected = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(losses.LOGITS_AT_ONCE, "cpu", at_once)
        found = losses.full_softmax(query, table, wanted, seen if masked else None)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(
        torch.autograd.grad(3 * found, inputs), torch.autograd.grad(3 * expected, inputs), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_no_targets_cost_nothing() -> None:
    query, table = torch.zeros(0, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    loss = losses.full_softmax(query, table, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0
    assert query.grad is not None and not table.grad.any()


@given(m=st.integers(1, 6), H=st.integers(1, 3), N=st.integers(1, 3), scale=st.floats(0.1, 10))
def test_competition_is_the_likelihood_of_each_expert_alone(m: int, H: int, N: int, scale: float) -> None:
    """By the experts' scores themselves, which the loss never builds; in value and gradient."""
    torch.manual_seed(m)
    state, anchors = torch.randn(m, H, 4).double() * scale, torch.randn(H, N, 4).double() * scale
    spaces, wanted = torch.randn(H, 7, 4).double(), torch.randint(7, (m,))
    gate, router = torch.randn(m, H).double().softmax(-1), torch.randn(m, H, N).double().softmax(-1)
    inputs = [x.requires_grad_() for x in (state, anchors, spaces, gate, router)]
    alone = torch.einsum("mhnk,hvk->mhnv", state.unsqueeze(2) + anchors, spaces).softmax(-1)
    p = torch.einsum("mh,mhn,mhnv->mv", gate, router, alone)
    expected = -p[torch.arange(m), wanted].log().mean()
    found = losses.competition(state, anchors, spaces, gate, router, wanted)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_competition_over_a_sample_of_each_item_once_is_that_over_all() -> None:
    torch.manual_seed(0)
    m, H, N, V = 5, 2, 3, 9
    state, anchors, spaces = (torch.randn(*of, 4).double() for of in ((m, H), (H, N), (H, V)))
    gate, router = torch.randn(m, H).double().softmax(-1), torch.randn(m, H, N).double().softmax(-1)
    inputs = [x.requires_grad_() for x in (state, anchors, spaces, gate, router)]
    wanted, drawn = torch.tensor([0, 4, 4, 8, 1]), torch.randperm(V)
    expected = losses.competition(*inputs, wanted)
    estimate = losses.of_a_sample(wanted, drawn, torch.full((V,), 1 / V).double())
    sampled = spaces[:, torch.cat([wanted, drawn])]
    found = losses.competition(state, anchors, sampled, gate, router, torch.arange(m), estimate)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_competition_is_finite_where_experts_are_sure() -> None:
    """Scores a thousand apart, experts that are never chosen."""
    state, anchors = torch.full((2, 1, 3), 300.0), torch.tensor([[[400.0, 0, 0], [0, -400, 0]]])
    inputs = [x.requires_grad_() for x in (state, anchors, torch.eye(3)[None] * torch.tensor([1.0, 2, -1]))]
    loss = losses.competition(*inputs, torch.ones(2, 1), torch.tensor([[[1.0, 0.0]]] * 2), torch.tensor([0, 2]))
    assert loss.isfinite() and all(g.isfinite().all() for g in torch.autograd.grad(loss, inputs))


def test_sampled_softmax_comes_to_the_full_one() -> None:
    torch.manual_seed(0)
    table = torch.randn(30, 6, dtype=torch.float64, requires_grad=True)
    query = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    wanted = torch.tensor([0, 3, 3, 17, 29])
    q = torch.rand(30, dtype=torch.float64) + 0.1
    q /= q.sum()

    def gradients(loss: torch.Tensor) -> torch.Tensor:
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, (query, table))])

    full = torch.nn.functional.cross_entropy(query @ table.T, wanted, reduction="sum")
    drawn = torch.multinomial(q, 400_000, replacement=True)
    sampled = losses.sampled_softmax(query, table[torch.cat([wanted, drawn])], wanted, drawn, q[drawn])
    assert float(sampled.detach()) == pytest.approx(float(full.detach()), rel=2e-3)
    a, b = gradients(full), gradients(sampled)
    assert (a - b).norm() < 0.02 * a.norm()


def test_the_estimate_of_the_partition_function_is_unbiased() -> None:
    """Over many draws of four items the mean of Z's estimate is Z, to within its own standard error."""
    torch.manual_seed(0)
    table, query, wanted = torch.randn(12, 3).double(), torch.randn(1, 3).double(), torch.tensor([5])
    q = (torch.rand(12) + 0.2).double()
    q /= q.sum()
    positive = (query @ table[5]).exp()
    estimates = []
    for _ in range(4000):
        drawn = torch.multinomial(q, 4, replacement=True)
        rows = table[torch.cat([wanted, drawn])]
        estimates.append(float(positive * losses.sampled_softmax(query, rows, wanted, drawn, q[drawn]).exp()))
    Z = float((query @ table.T).exp().sum())
    assert abs(np.mean(estimates) - Z) < 4 * np.std(estimates) / len(estimates) ** 0.5
    only_wanted = losses.sampled_softmax(query, table[[5, 5]], wanted, wanted, q[wanted])
    assert float(only_wanted) == pytest.approx(0, abs=1e-12), "drawn by chance, the target does not count twice"
