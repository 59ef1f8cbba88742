"""The losses against PyTorch's own, in value and gradient."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fame import losses


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
