"""Cross-entropy over a catalogue, without a table of all its logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["full_softmax"]

# Logits held at a time. On a CPU a few megabytes stay in its cache, and memory that is asked for and given back at each
# step, page by page, would cost more than the arithmetic; a GPU wants large pieces.
LOGITS_AT_ONCE = {"cpu": 1 << 20, "cuda": 1 << 27}


def full_softmax(query: Tensor, table: Tensor, wanted: Tensor) -> Tensor:
    """Summed cross-entropy -Σ_m log softmax(query table^T)[m, wanted_m], a scalar.

    query [m d], table [items d], wanted int64 [m]. The gradient is computed with the loss, some targets at a time, so
    that never more than a few of the m × items logits are held: for 12,000 items half the time and a fraction of the
    memory of `torch.nn.functional.cross_entropy`. It can be differentiated once.
    """
    loss: Tensor = _FullSoftmax.apply(query, table, wanted)
    return loss


class _FullSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, table: Tensor, wanted: Tensor) -> Tensor:
        size = max(1, LOGITS_AT_ONCE.get(query.device.type, LOGITS_AT_ONCE["cuda"]) // len(table))
        loss = query.new_zeros(())
        to_query, to_table = torch.empty_like(query), torch.zeros_like(table)
        for q, target, gradient in zip(
            query.split(size), wanted.unsqueeze(1).split(size), to_query.split(size), strict=True
        ):
            p = q @ table.T
            highest, at_target = p.amax(1, keepdim=True), p.gather(1, target)
            total = p.sub_(highest).exp_().sum(1, keepdim=True)
            loss += (total.log() + highest - at_target).sum()
            p.div_(total).scatter_add_(1, target, -torch.ones_like(at_target))  # d loss / d logits
            torch.mm(p, table, out=gradient)
            to_table.addmm_(p.T, q)
        ctx.save_for_backward(to_query, to_table)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        to_query, to_table = ctx.saved_tensors
        return gradient * to_query, gradient * to_table, None
