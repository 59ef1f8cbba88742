"""The losses against PyTorch's own, in value and gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fame.make import losses


@given(m=st.integers(1, 40), items=st.integers(1, 30), at_once=st.integers(1, 300), scale=st.floats(0.1, 200))
def test_full_softmax_is_cross_entropy(m: int, items: int, at_once: int, scale: float) -> None:
    torch.manual_seed(m)
    query = torch.randn(m, 5, dtype=torch.float64) * scale
    table, wanted = torch.randn(items, 5, dtype=torch.float64), torch.randint(items, (m,))
    inputs = [x.requires_grad_() for x in (query, table)]
    expected = torch.nn.functional.cross_entropy(query @ table.T, wanted, reduction="sum")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(losses.LOGITS_AT_ONCE, "cpu", at_once)
        found = losses.full_softmax(query, table, wanted)
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
    sampled = losses.sampled_softmax(query, table, wanted, drawn, q[drawn])
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
        estimates.append(float(positive * losses.sampled_softmax(query, table, wanted, drawn, q[drawn]).exp()))
    Z = float((query @ table.T).exp().sum())
    assert abs(np.mean(estimates) - Z) < 4 * np.std(estimates) / len(estimates) ** 0.5
    only_wanted = losses.sampled_softmax(query, table, wanted, wanted, q[wanted])
    assert float(only_wanted) == pytest.approx(0, abs=1e-12), "drawn by chance, the target does not count twice"
