"""FAME in one sitting: item ids in, one query per position out, and everything between on request.

Liu, Zhang, Long: "Facet-Aware Multi-Head Mixture-of-Experts Model for Sequential Recommendation", WSDM 2025. With X
what L-1 ordinary blocks make of a history, the last block is, for head h and its experts n:

    Q_n     = X W_Q[h,n]        K = X W_K[h]        U = X W_V[h]
    A_n     = causal-softmax(Q_n Kᵀ / sqrt(d'))
    O_n     = A_n U
    β       = softmax([O_1 ‖ … ‖ O_N] W_exp[h])
    f       = Σ_n β_n O_n
    F       = FFN'(f)
    g       = softmax(W_g [F^1 ‖ … ‖ F^H] + b_g)
    x_v^(h) = W_f[h] x_v
    s_h(v)  = <F^h, x_v^(h)>
    s(v)    = Σ_h g_h s_h(v)

Each line stands again beside the code that computes it, in this order, in `Facets`. `tests/reference.py` computes the
same in plain loops, to be read beside the paper. Three settings go beyond the paper; where they are off, the lines are
as above:

    head_width      d' is no longer d / H: a head may be as wide as the model
    facet_mlp       x_v^(h) = W_f[h] x_v + MLP_h(x_v)
    anchors         F = FFN'(f) + Σ_n β_n b_n, where b_n is a preference of expert n, whatever the history

    b  batch          t  position (query)     s  position (key)      v  row of the item table, 0 = padding
    h  head, facet    n  expert of a head     d  model width         k  width of one head, d'
    m  expert whose output the router reads                          q  width of a query: d, or H·d' with facet_mlp

Histories are left-aligned: position 0 is the oldest kept item, padding fills up on the right. Attention is
causal, so no real position ever sees padding and no padding mask is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Never

import torch
import torch.nn.functional as fn
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.intervene import fuse, route
from fame.trace import NOTHING, Intervention

__all__ = ["FAME", "Pass"]

INIT_STD = 0.02


@dataclass(frozen=True)
class Pass:
    """What one forward pass computed. Only `query` is there for every variant; the rest is FAME's last block.

    Attention is kept only when recording.
    """

    query: Tensor  # s(v) = <query, table row v>             [b t q]
    gate: Tensor | None = None  # g                          [b t h]
    router: Tensor | None = None  # β                        [b t h n]
    f: Tensor | None = None  # Σ_n β_n O_n                   [b t h k]
    state: Tensor | None = None  # FFN'(f)                   [b t h k]
    F: Tensor | None = None  # the state and, where experts have them, their anchors: FFN'(f) + Σ_n β_n b_n [b t h k]
    expert_out: Tensor | None = None  # O                    [b t h n k]
    attention: Tensor | None = None  # A                     [b h n t s]
    backbone_attention: tuple[Tensor, ...] = ()  # one       [b heads t s] per ordinary block
    residual: Tensor | None = None  # x by head              [b t h k], what FFN' starts from beside f


def attend(q: Tensor, k: Tensor, v: Tensor, record: bool, dropout: float) -> tuple[Tensor, Tensor | None]:
    """softmax(q kᵀ / sqrt(width)) v over the past, by the fused kernel or, recording, with the weights kept.

    q [b h n t k], k and v [b h s k]: all n queries of an h share its keys and values; the t are the last of the s.
    -> [b h n t k], [b h n t s].
    """
    if record:
        weights = causal_weights(q, k.unsqueeze(2))
        return torch.einsum("bhnts,bhsk->bhntk", weights, v), weights
    whole = q.shape[3] == k.shape[2]
    out = fn.scaled_dot_product_attention(
        q.flatten(1, 2), k, v, None if whole else ~future(q, k), dropout, is_causal=whole, enable_gqa=q.shape[2] > 1
    )
    return out.unflatten(1, q.shape[1:3]), None


def causal_weights(q: Tensor, k: Tensor) -> Tensor:
    """The attention weights themselves, [… t s]: what the fused kernel uses and does not keep."""
    logits = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return logits.masked_fill(future(q, k), -torch.inf).softmax(-1)


def future(q: Tensor, k: Tensor) -> Tensor:
    """Which keys a query may not see, bool [t s]: the queries are the last t of the s positions."""
    t, s = q.shape[-2], k.shape[-2]
    return torch.ones(t, s, dtype=torch.bool, device=q.device).triu(1 + s - t)


def after(past: Tensor, now: Tensor) -> Tensor:
    """The positions of `past` and then those of `now`, [… s k] and [… t k]; `past` may be one for all of the batch."""
    return torch.cat([past.expand(now.shape[0], -1, -1, -1), now], dim=-2)


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

    def forward(self, x: Tensor, record: bool, past: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each [b heads t k]
        if past is not None:  # the positions before x, the same in every history: [1 s-t d]
            _, old_k, old_v = self.qkv(past).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            k, v = after(old_k, k), after(old_v, v)
        seen, weights = attend(q.unsqueeze(2), k, v, record, self.attention_dropout if self.training else 0.0)
        x = self.norm_attention(x + self.dropout(self.out(seen.squeeze(2).transpose(1, 2).flatten(2))))
        return self.norm_out(x + self.feed_forward(x)), None if weights is None else weights.squeeze(2)


class ItemMLP(nn.Module):
    """MLP_1 … MLP_H of all heads side by side, [v d] -> [v hk], on one hidden layer that they share.

    With it scores are no longer a matrix of rank d, to which SASRec's and the paper's are bound.
    """

    def __init__(self, d: int, hidden: int, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.up = nn.Linear(d, hidden)
        self.down = nn.Linear(hidden, width)
        self.apply(initialise)
        nn.init.normal_(self.up.weight, std=d**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(fn.gelu(self.up(self.norm(x))))


class Facets(nn.Module):
    """FAME's last block: a facet per head, experts inside it, a router over them, a gate over the heads."""

    def __init__(self, c: FAMEConfig):
        super().__init__()
        H, N, d, k = c.n_heads, c.n_experts, c.d_model, c.d_head
        self.windows = [h * (d - k) // max(1, H - 1) for h in range(H)]  # where each head's part of x begins
        self.W_Q = nn.Parameter(torch.randn(H, N, d, k) * d**-0.5)
        self.W_K = nn.Parameter(torch.randn(H, d, k) * d**-0.5)
        self.W_V = nn.Parameter(torch.randn(H, d, k) * d**-0.5)
        self.W_exp = nn.Parameter(torch.randn(H, N * k, N) * INIT_STD)
        # Starting as SASRec: each head's part of x meets the same part of x_v, so that under an even gate heads of
        # width d / H have the score <[F^1 ‖ … ‖ F^H], x_v>. Without this the gate collapses on one head within a
        # few epochs.
        parts = torch.stack([torch.eye(d)[at : at + k] for at in self.windows])  # [h k d]
        self.W_f = nn.Parameter(d / k * parts + torch.randn(H, k, d) * INIT_STD)
        self.gate = nn.Linear(H * k, H)
        self.norm_attention = nn.LayerNorm(k)
        self.feed_forward = FeedForward(k, c.dropout)  # FFN', shared by the heads
        self.norm_out = nn.LayerNorm(k)
        self.dropout = nn.Dropout(c.dropout)
        self.attention_dropout = c.attention_dropout
        self.apply(initialise)
        self.anchors = nn.Parameter(torch.randn(H, N, k) * c.anchors) if c.anchors else None
        self.item_mlp = ItemMLP(d, c.facet_mlp * d, H * k) if c.facet_mlp else None

    def forward(self, x: Tensor, what_if: Intervention, record: bool, past: Sequence[Tensor] = ()) -> Pass:
        # Q_n = X W_Q[h,n]        K = X W_K[h]        U = X W_V[h]
        Q = torch.einsum("btd,hndk->bhntk", x, self.W_Q)
        K = torch.einsum("btd,hdk->bhtk", x, self.W_K)
        U = torch.einsum("btd,hdk->bhtk", x, self.W_V)
        for before in past[::-1]:  # the positions before x, the nearest last: [b s-t d], or [1 s-t d] if all alike
            K = after(torch.einsum("btd,hdk->bhtk", before, self.W_K), K)
            U = after(torch.einsum("btd,hdk->bhtk", before, self.W_V), U)
        # A_n = causal-softmax(Q_n Kᵀ / sqrt(d'))
        # O_n = A_n U
        O, A = attend(Q, K, U, record, self.attention_dropout if self.training else 0.0)
        O = O.permute(0, 3, 1, 2, 4)  # [b t h n k]
        # β = softmax([O_1 ‖ … ‖ O_N] W_exp[h])
        router = route(self.router_logits(O), what_if)
        # f = Σ_n β_n O_n
        f = mix(router, O)
        # F = FFN'(f)                          with anchors: F = FFN'(f) + Σ_n β_n b_n
        residual = self.residual(x)
        state = self.state(f, residual)
        F = self.prefer(state, router)
        # g = softmax(W_g [F^1 ‖ … ‖ F^H] + b_g)
        gate = fuse(self.gate_logits(F), what_if, lambda: self.natural_gate(O, residual))
        return Pass(self.query(gate, F), gate, router, f, state, F, O, A, residual=residual)

    def residual(self, x: Tensor) -> Tensor:
        """What each head has of x beside its attention: a part of width d', all of it where d' = d.  -> [b t h k]"""
        k = self.W_f.shape[1]
        return torch.stack([x[..., at : at + k] for at in self.windows], dim=-2)

    def router_logits(self, O: Tensor) -> Tensor:
        """[… h n k] -> [… h n]"""
        by_expert = self.W_exp.unflatten(1, O.shape[-2:])  # O's experts need not lie side by side: one copy less
        return torch.einsum("...hmk,hmkn->...hn", O, by_expert)

    def state(self, f: Tensor, residual: Tensor) -> Tensor:
        """FFN'(f), with residual and norms: e = LN(residual + f), then LN(e + FFN'(e)).  [… k] -> [… k]"""
        e = self.norm_attention(residual + self.dropout(f))
        return self.norm_out(e + self.feed_forward(e))

    def prefer(self, state: Tensor, router: Tensor) -> Tensor:
        """F: the state and, where experts have preferences of their own, Σ_n β_n b_n.  [… h k], [… h n] -> [… h k]"""
        return state if self.anchors is None else state + torch.einsum("...hn,hnk->...hk", router, self.anchors)

    def gate_logits(self, F: Tensor) -> Tensor:
        """[… h k] -> [… h]"""
        return self.gate(F.flatten(-2))

    def natural_gate(self, O: Tensor, residual: Tensor) -> Tensor:
        """The gate of the untouched model, from the same experts' outputs."""
        router = self.router_logits(O).softmax(-1)
        return self.gate_logits(self.prefer(self.state(mix(router, O), residual), router)).softmax(-1)

    def sub_embeddings(self, x: Tensor) -> Tensor:
        """The facet sub-embeddings of items, all heads' side by side: [v d] -> [v hk]."""
        # x_v^(h) = W_f[h] x_v                 with facet_mlp: x_v^(h) = W_f[h] x_v + MLP_h(x_v)
        linear = x @ self.W_f.flatten(0, 1).T
        return linear if self.item_mlp is None else linear + self.item_mlp(x)

    def head_queries(self, F: Tensor) -> Tensor:
        """Each head's own query on the table of `FAME.table`: [… h k] -> [… h q]."""
        # s_h(v) = <F^h, x_v^(h)>              = <W_f[h]ᵀ F^h, x_v>
        if self.item_mlp is None:
            return torch.einsum("...hk,hkd->...hd", F, self.W_f)
        own = torch.eye(F.shape[-2], dtype=F.dtype, device=F.device).unsqueeze(-1)  # a head meets its own part alone
        return (F.unsqueeze(-2) * own).flatten(-2)

    def query(self, g: Tensor, F: Tensor) -> Tensor:
        """The one query of all heads: [… h], [… h k] -> [… q]."""
        # s(v) = Σ_h g_h s_h(v)                = <Σ_h g_h W_f[h]ᵀ F^h, x_v>
        #                                      with facet_mlp: = <[g_1 F^1 ‖ … ‖ g_H F^H], [x_v^(1) ‖ … ‖ x_v^(H)]>
        weighed = g.unsqueeze(-1) * F
        if self.item_mlp is None:
            return torch.einsum("...hk,hkd->...d", weighed, self.W_f)
        return weighed.flatten(-2)


def mix(router: Tensor, O: Tensor) -> Tensor:
    """f = Σ_n β_n O_n: [… h n], [… h n k] -> [… h k]."""
    return (router.unsqueeze(-1) * O).sum(-2)


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
        self._kept: tuple[object, Tensor] | None = None  # the table, and of which weights it is

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

    def last_query(self, items: Tensor, intervention: Intervention = NOTHING, alike: int = 0) -> Tensor:
        """`forward(items, intervention).query[:, -1]`, [b q], at less cost; no padding, t ≥ 1.

        alike: how many of the first items, fewer than t, are the same in every history: they are run once. In the
            last block only the last position asks, and all are looked at.
        """
        if intervention:
            intervention.check(self.config)
        x = self.dropout(self.norm_in(self.items(items) + self.positions.weight[: items.shape[1]]))
        past, x = (x[:1, :alike] if alike else None), x[:, alike:]
        *early, final = self.blocks if self.config.variant == "sasrec" else [*self.blocks, None]
        for block in early:
            x, past = block(x, False, past)[0], None if past is None else block(past, False)[0]
        if final is None:
            before = [x[:, :-1]] if past is None else [past, x[:, :-1]]
            return self.facets(x[:, -1:], intervention, False, before).query[:, -1]
        return final(x, False, past)[0][:, -1]

    def score(self, query: Tensor) -> Tensor:
        """s(v) of every row: [… q] -> [… V]. Row 0, padding, is -inf."""
        scores = query @ self.table().T
        scores[..., 0] = -torch.inf
        return scores

    def table(self, rows: Tensor | None = None) -> Tensor:
        """What queries meet, a row per item: x_v [v d], or with facet_mlp [x_v^(1) ‖ … ‖ x_v^(H)] [v hk].

        rows: int64 [m], the rows that are wanted; None is all of them. Without gradients the whole table is computed
            once per state of the weights.
        """
        x = self.items.weight
        self._forget()
        if self.config.variant == "sasrec" or self.facets.item_mlp is None:
            return x if rows is None else fn.embedding(rows, x)
        return self._facets_of(rows)

    def facet_items(self) -> Tensor:
        """x_v^(h), the facet sub-embeddings of all items: [h v k]; kept as `table` is."""
        return self._facets_of(None).unflatten(1, self.facets.W_f.shape[:2]).transpose(0, 1)

    def _facets_of(self, rows: Tensor | None) -> Tensor:
        """All heads' sub-embeddings of items, side by side: [v hk]."""
        x = self.items.weight
        self._forget()
        if rows is not None or torch.is_grad_enabled() or x.is_inference():
            return self.facets.sub_embeddings(x if rows is None else fn.embedding(rows, x))
        mlp = self.facets.item_mlp
        weights = (x, self.facets.W_f, *(() if mlp is None else mlp.parameters()))
        state = [(w.data_ptr(), w._version, w.dtype, w.device) for w in weights]
        kept = self._kept  # read once: another thread may replace it
        if kept is None or kept[0] != state:
            with torch.inference_mode(False), torch.no_grad():  # for later use in any mode
                kept = self._kept = state, self.facets.sub_embeddings(x)
        return kept[1]

    def _forget(self) -> None:
        """Keep nothing where the weights may be about to change: a fused optimizer counts no version."""
        if torch.is_grad_enabled():
            self._kept = None

    def head_scores(self, F: Tensor) -> Tensor:
        """s_h(v) of every row from heads' F, or parts of it: [… h k] -> [… h V]. Row 0, padding, is -inf."""
        return self.score(self.facets.head_queries(F))

    @classmethod
    def _decode_arg(cls, expected_type: Any, value: Any) -> Any:
        """The config in `from_pretrained`, which would pass over fields that it does not know."""
        return FAMEConfig.from_dict(value) if expected_type is FAMEConfig else super()._decode_arg(expected_type, value)

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
