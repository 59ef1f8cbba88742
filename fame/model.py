"""FAME in one sitting: item ids in, one query per position out, and everything between on request.

Liu, Zhang, Long: "Facet-Aware Multi-Head Mixture-of-Experts Model for Sequential Recommendation", WSDM 2025.

    b  batch          t  position (query)     s  position (key)      v  row of the item table, 0 = padding
    h  head, facet    n  expert of a head     d  model width         k  width of one head, d' = d / H
    e  a head's expert outputs side by side, N·d'

Histories are left-aligned: position 0 is the oldest kept item, padding fills up on the right. Attention is
causal, so no real position ever sees padding and no padding mask is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Never

import torch
import torch.nn.functional as fn
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.trace import NOTHING, Intervention

__all__ = ["FAME", "Pass"]

INIT_STD = 0.02


@dataclass(frozen=True)
class Pass:
    """What one forward pass computed. Only `query` is there for every variant; the rest is FAME's last block.

    Attention is kept only when recording.
    """

    query: Tensor  # q = Σ_h g_h W_f[h]ᵀ F^h    [b t d]; s(v) = <q, x_v>
    gate: Tensor | None = None  # g             [b t h]
    router: Tensor | None = None  # β           [b t h n]
    f: Tensor | None = None  # Σ_n β_n O_n      [b t h k]
    F: Tensor | None = None  #                  [b t h k]
    expert_out: Tensor | None = None  # O       [b t h n k]
    attention: Tensor | None = None  # A        [b h n t s]
    backbone_attention: tuple[Tensor, ...] = ()  # one [b heads t s] per ordinary block
    residual: Tensor | None = None  # x by head [b t h k], what FFN' starts from beside f


def causal_attention(q: Tensor, k: Tensor, v: Tensor, dropout: float) -> Tensor:
    """Softmax(q kᵀ / sqrt(width)) v over the past: q [b m t k] on k, v [b h s k], m a multiple of h."""
    grouped = q.shape[1] != k.shape[1]
    return fn.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, enable_gqa=grouped)


def causal_weights(q: Tensor, k: Tensor) -> Tensor:
    """The attention weights themselves, [… t s]: what `causal_attention` uses and does not keep."""
    logits = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    future = torch.ones(logits.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
    return logits.masked_fill(future, -torch.inf).softmax(-1)


class FeedForward(nn.Module):
    """The position-wise network of a block: width -> 4 width -> width."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.down(fn.gelu(self.up(x))))


class Block(nn.Module):
    """An ordinary causal self-attention block, post-norm (SASRec, Kang & McAuley 2018)."""

    def __init__(self, c: FAMEConfig):
        super().__init__()
        self.heads = c.backbone_heads
        self.qkv = nn.Linear(c.d_model, 3 * c.d_model)
        self.out = nn.Linear(c.d_model, c.d_model)
        self.dropout = nn.Dropout(c.dropout)
        self.attention_dropout = c.attention_dropout
        self.norm_attention = nn.LayerNorm(c.d_model)
        self.feed_forward = FeedForward(c.d_model, c.dropout)
        self.norm_out = nn.LayerNorm(c.d_model)

    def forward(self, x: Tensor, record: bool) -> tuple[Tensor, Tensor | None]:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each [b heads t k]
        weights = causal_weights(q, k) if record else None
        dropout = self.attention_dropout if self.training else 0.0
        seen = causal_attention(q, k, v, dropout) if weights is None else weights @ v
        x = self.norm_attention(x + self.dropout(self.out(seen.transpose(1, 2).flatten(2))))
        return self.norm_out(x + self.feed_forward(x)), weights


class Facets(nn.Module):
    """FAME's last block: a facet per head, experts inside it, a router over them, a gate over the heads."""

    def __init__(self, c: FAMEConfig):
        super().__init__()
        H, N, d, k = c.n_heads, c.n_experts, c.d_model, c.d_head
        self.active = c.active_experts or N
        self.W_Q = nn.Parameter(torch.randn(H, N, d, k) * (c.spread * d**-0.5))
        self.W_K = nn.Parameter(torch.randn(H, d, k) * d**-0.5)
        self.W_V = nn.Parameter(torch.randn(H, d, k) * d**-0.5)
        self.W_exp = nn.Parameter(torch.randn(H, N * k, N) * (c.spread * INIT_STD))
        # Starting as SASRec: under an even gate the score is <[F^1 ‖ … ‖ F^H], x_v>. Without this the gate
        # collapses on one head within a few epochs.
        slices = torch.eye(d).unflatten(0, (H, k))
        self.W_f = nn.Parameter(H * slices + torch.randn(H, k, d) * INIT_STD)
        self.gate = nn.Linear(H * k, H)
        self.norm_attention = nn.LayerNorm(k)
        self.feed_forward = FeedForward(k, c.dropout)  # FFN', shared by the heads
        self.norm_out = nn.LayerNorm(k)
        self.dropout = nn.Dropout(c.dropout)
        self.attention_dropout = c.attention_dropout

    def forward(self, x: Tensor, intervention: Intervention, record: bool) -> Pass:
        H, N, _, _ = self.W_Q.shape
        Q = torch.einsum("btd,hndk->bhntk", x, self.W_Q).flatten(1, 2)  # [b hn t k]
        K = torch.einsum("btd,hdk->bhtk", x, self.W_K)
        U = torch.einsum("btd,hdk->bhtk", x, self.W_V)
        if record:
            A = causal_weights(Q.unflatten(1, (H, N)), K.unsqueeze(2))  # [b h n t s]
            O = torch.einsum("bhnts,bhsk->bthnk", A, U)
        else:
            A = None
            dropout = self.attention_dropout if self.training else 0.0
            O = causal_attention(Q, K, U, dropout).unflatten(1, (H, N)).permute(0, 3, 1, 2, 4)  # [b t h n k]

        logits = torch.einsum("bthe,hen->bthn", O.flatten(3), self.W_exp)
        router = route(logits, intervention, self.active)
        residual = x.unflatten(-1, (H, -1))  # [b t h k]
        f = torch.einsum("bthn,bthnk->bthk", router, O)
        F = self.state(f, residual)
        gate_logits = self.gate(F.flatten(2))
        if intervention.hold_gate and intervention:
            natural = torch.einsum("bthn,bthnk->bthk", route(logits, NOTHING, self.active), O)
            held = self.gate(self.state(natural, residual).flatten(2)).softmax(-1)
        else:
            held = None
        gate = fuse(gate_logits, intervention, held)
        query = torch.einsum("bthk,hkd->btd", gate.unsqueeze(-1) * F, self.W_f)
        return Pass(query, gate, router, f, F, O, A, residual=residual)

    def state(self, f: Tensor, residual: Tensor) -> Tensor:
        """F from f: e = LN(x + f), F = LN(e + FFN'(e)), each head on its own slice of x.  [… k] -> [… k]"""
        e = self.norm_attention(residual + self.dropout(f))
        return self.norm_out(e + self.feed_forward(e))


def route(logits: Tensor, intervention: Intervention, active: int) -> Tensor:
    """β [b t h n] from the router's logits under an intervention; `active` experts have weight, or more where
    logits tie. One alone always has the weight 1, which would teach the router nothing: its gradient is that of the
    weights it would have among all (a straight-through estimate, Bengio et al. 2013)."""
    logits = off(logits, intervention.experts_off)
    router = largest(logits, active).softmax(-1)
    if active == 1:
        among_all = logits.softmax(-1)
        router = router + (among_all - among_all.detach())
    if intervention.router:
        router = router.clone()
        for h, weights in intervention.router:
            router[:, :, h] = forced(weights, [n for g, n in intervention.experts_off if g == h], logits)
    return router


def fuse(logits: Tensor, intervention: Intervention, held: Tensor | None) -> Tensor:
    """g [b t h] from the gate's logits, or from a held or forced gate, under an intervention."""
    heads_off = [(h,) for h in intervention.heads_off]
    if intervention.gate is None and held is None:
        return off(logits, heads_off).softmax(-1)
    if intervention.gate is None:
        gate = held.clone()  # type: ignore[union-attr]
        gate[..., list(intervention.heads_off)] = 0
        return gate
    return forced(intervention.gate, intervention.heads_off, logits).expand_as(logits)


def largest(logits: Tensor, k: int) -> Tensor:
    """The logits with -inf at all but the k largest of the last axis (top-k routing, Shazeer et al. 2017)."""
    if k < logits.shape[-1]:
        logits = logits.masked_fill(logits < logits.topk(k).values[..., -1:], -torch.inf)
    return logits


def forced(weights: Sequence[float], without: Sequence[int], like: Tensor) -> Tensor:
    """The weights with these at 0, scaled to sum to 1, as a tensor of the kind of `like`: [len(weights)]."""
    left = [0.0 if i in without else w for i, w in enumerate(weights)]
    most = max(left)  # by the largest first: weights that float32 cannot hold count by their ratios too
    parts = like.new_tensor([w / most for w in left])
    return parts / parts.sum()


def off(logits: Tensor, where: Sequence[tuple[int, ...]]) -> Tensor:
    """The logits with -inf at these indices of the last axes."""
    if where:
        logits = logits.clone()
        for index in where:
            logits[(..., *index)] = -torch.inf  # type: ignore[index]
    return logits


class FAME(nn.Module, PyTorchModelHubMixin, library_name="fame", tags=["sequential-recommendation"]):
    """L-1 ordinary blocks, then FAME's. `config.variant == "sasrec"` has an ordinary last block instead."""

    # `from_pretrained` reads the type of `config` from this signature, so that in this module annotations are
    # types and not, as under `from __future__ import annotations`, text.
    def __init__(self, config: FAMEConfig):
        super().__init__()
        self.config = config
        self.items = nn.Embedding(config.n_rows, config.d_model, padding_idx=0)  # x_v
        self.positions = nn.Embedding(config.max_len, config.d_model)  # p_t
        self.norm_in = nn.LayerNorm(config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        fame = config.variant == "fame"
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers - fame))
        self.apply(initialise)
        if fame:
            self.facets = Facets(config)
            self.facets.apply(initialise)

    def forward(self, items: Tensor, intervention: Intervention = NOTHING, record: bool = False) -> Pass:
        """One pass over histories.

        items: int64 [b t], t ≤ max_len: rows of the item table, oldest first, 0 on the right where a history ends.
        record: keep attention and expert outputs (the same numbers by the other attention path).

        Raises:
            FameError: the intervention does not fit this model.
        """
        if intervention:
            intervention.check(self.config)
        positions = self.positions.weight[: items.shape[1]]
        x = self.dropout(self.norm_in(self.items(items) + positions))  # [b t d]
        backbone = []
        for block in self.blocks:
            x, weights = block(x, record)
            backbone.append(weights)
        kept = tuple(backbone) if record else ()
        if self.config.variant == "sasrec":
            return Pass(x, backbone_attention=kept)
        last = self.facets(x, intervention, record)
        return Pass(**{**vars(last), "backbone_attention": kept})

    def score(self, query: Tensor) -> Tensor:
        """s(v) = <q, x_v> of every row: [… d] -> [… V]. Row 0, padding, is -inf."""
        scores = query @ self.items.weight.T
        scores[..., 0] = -torch.inf
        return scores

    def facet_items(self) -> Tensor:
        """x_v^(h) = W_f[h] x_v, the facet sub-embeddings of all items: [h v k]."""
        return torch.einsum("hkd,vd->hvk", self.facets.W_f, self.items.weight)

    @classmethod
    def _load_as_pickle(cls, *_: object) -> Never:
        """What `from_pretrained` falls back to where a model on the Hub has no safetensors."""
        raise FameError("the model has no model.safetensors; weights in a pickle are never read")


def initialise(module: nn.Module) -> None:
    """N(0, 0.02) weights, zero biases, zero padding row."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=INIT_STD)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx].zero_()
