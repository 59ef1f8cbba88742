"""Cross-entropy over a catalogue: of all its items without a table of all logits, or of a sample."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as fn
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["full_softmax", "sampled_softmax"]

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


def sampled_softmax(query: Tensor, table: Tensor, wanted: Tensor, drawn: Tensor, probability: Tensor) -> Tensor:
    """Summed cross-entropy with the partition function estimated from drawn items.

    Z ≈ exp(s_wanted) + Σ_j exp(s_j) / (K q_j) over the K drawn items j other than the wanted one: unbiased for
    Z, so negatives' logits lose log(K q_j) (logQ correction, Bengio & Senécal 2008) and the wanted one's stays.

    query [m d], table [items d], wanted [m], drawn [K] with their probabilities q [K].
    """
    rows = fn.embedding(torch.cat([wanted, drawn]), table)  # in one go: each look-up has a gradient of the table's size
    positive = (query * rows[: len(wanted)]).sum(-1, keepdim=True)  # [m 1]
    negative = query @ rows[len(wanted) :].T - (probability * len(drawn)).log()  # [m K]
    negative = negative.masked_fill(wanted.unsqueeze(1) == drawn, -torch.inf)
    return (torch.cat([positive, negative], 1).logsumexp(1) - positive.squeeze(1)).sum()
