"""Cross-entropy over a catalogue: of all its items without a table of all logits, of a sample, or of each expert."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["competition", "full_softmax", "of_a_sample", "sampled_softmax"]

# Logits held at a time. On a CPU a few megabytes stay in its cache, and memory that is asked for and given back at each
# step, page by page, would cost more than the arithmetic; a GPU wants large pieces.
LOGITS_AT_ONCE = {"cpu": 1 << 20, "cuda": 1 << 27}


def full_softmax(query: Tensor, table: Tensor, wanted: Tensor, seen: Tensor | None = None) -> Tensor:
    """Summed cross-entropy -Σ_m log softmax(query table^T)[m, wanted_m], a scalar.

    query [m q], table [items q], wanted int64 [m]. The gradient is computed with the loss, some targets at a time, so
    that never more than a few of the m × items logits are held: for 12,000 items half the time and a fraction of the
    memory of `torch.nn.functional.cross_entropy`. It can be differentiated once.

    seen: int64 [m s], items that are no candidates at each target. The target itself always is one, and its index is
        what fills up a row.
    """
    loss: Tensor = _FullSoftmax.apply(query, table, wanted, wanted.unsqueeze(1) if seen is None else seen)
    return loss


class _FullSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, table: Tensor, wanted: Tensor, seen: Tensor) -> Tensor:
        size = max(1, LOGITS_AT_ONCE.get(query.device.type, LOGITS_AT_ONCE["cuda"]) // len(table))
        loss = query.new_zeros(())
        to_query, to_table = torch.empty_like(query), torch.zeros_like(table)
        for q, target, out, gradient in zip(
            query.split(size), wanted.unsqueeze(1).split(size), seen.split(size), to_query.split(size), strict=True
        ):
            p = q @ table.T
            at_target = p.gather(1, target)
            p.scatter_(1, out, -torch.inf).scatter_(1, target, at_target)
            highest = p.amax(1, keepdim=True)
            total = p.sub_(highest).exp_().sum(1, keepdim=True)
            loss += (total.log() + highest - at_target).sum()
            p.div_(total).scatter_add_(1, target, -torch.ones_like(at_target))  # d loss / d logits
            torch.mm(p, table, out=gradient)
            to_table.addmm_(p.T, q)
        ctx.save_for_backward(to_query, to_table)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        to_query, to_table = ctx.saved_tensors
        return gradient * to_query, gradient * to_table, None, None


def competition(
    state: Tensor,
    anchors: Tensor,
    spaces: Tensor,
    gate: Tensor,
    router: Tensor,
    wanted: Tensor,
    estimate: Tensor | None = None,
) -> Tensor:
    """Mean over targets of -log Σ_h g_h Σ_n β_hn softmax(s_hn)[wanted], where s_hn(v) = <state^h + b_hn, x_v^(h)>.

    A loss on the mixed score asks only the mixture to recommend well; this asks it of each expert alone, and of gate
    and router to tell which of them will be right (Jacobs et al. 1991, "Adaptive Mixtures of Local Experts").

    state [m h k], FFN'(f); anchors b [h n k]; spaces x_v^(h) [h items k]; gate [m h]; router [m h n]; wanted [m].
    estimate: [m items], added to the scores where the items are a sample, see `of_a_sample`; 0 at what is wanted.

    s_hn(v) is a sum of a number of position and item and one of expert and item. So Σ_v exp s_hn(v) is a product of two
    matrices, and the scores of single experts, N times as many as the heads', are never built.
    """
    by_head = []  # log softmax(s_hn)[wanted], [m n] each
    for h, space in enumerate(spaces):
        S, B = state[:, h] @ space.T, anchors[h] @ space.T  # [m items] [n items]
        S = S if estimate is None else S + estimate
        S_high, B_high = S.detach().amax(1, keepdim=True), B.detach().amax(1, keepdim=True)
        Z = (S - S_high).exp() @ (B - B_high).exp().T  # [m n], at most the number of items
        log_Z = Z.clamp(min=torch.finfo(Z.dtype).tiny).log() + S_high + B_high.T
        by_head.append(S.gather(1, wanted.unsqueeze(1)) + B[:, wanted].T - log_Z)
    weight = gate.unsqueeze(-1) * router
    log_p = weight.clamp(min=1e-12).log() + torch.stack(by_head, 1)  # [m h n]
    return -log_p.flatten(1).logsumexp(1).mean()


def of_a_sample(wanted: Tensor, drawn: Tensor, probability: Tensor) -> Tensor:
    """What makes a sum of exp(score) over the m wanted and the K drawn items an estimate of that over all: [m m+K].

    The logQ correction of `sampled_softmax`: each target meets its own item whole, no other target's, and the drawn
    ones at exp(score) / (K q).

    wanted [m], drawn [K], item indices; probability q [K].
    """
    own = probability.new_full((len(wanted), len(wanted)), -torch.inf).fill_diagonal_(0)
    others = -(probability * len(drawn)).log().expand(len(wanted), -1)
    return torch.cat([own, others.masked_fill(wanted.unsqueeze(1) == drawn, -torch.inf)], 1)


def sampled_softmax(query: Tensor, rows: Tensor, wanted: Tensor, drawn: Tensor, probability: Tensor) -> Tensor:
    """Summed cross-entropy with the partition function estimated from drawn items.

    Z ≈ exp(s_wanted) + Σ_j exp(s_j) / (K q_j) over the K drawn items j other than the wanted one: unbiased for
    Z, so negatives' logits lose log(K q_j) (logQ correction, Bengio & Senécal 2008) and the wanted one's stays.

    query [m q], wanted [m], drawn [K] with their probabilities q [K]; rows [m+K q], the table at wanted and drawn: in
    one go, since each look-up has a gradient of the table's size.
    """
    positive = (query * rows[: len(wanted)]).sum(-1, keepdim=True)  # [m 1]
    negative = query @ rows[len(wanted) :].T - (probability * len(drawn)).log()  # [m K]
    negative = negative.masked_fill(wanted.unsqueeze(1) == drawn, -torch.inf)
    return (torch.cat([positive, negative], 1).logsumexp(1) - positive.squeeze(1)).sum()
