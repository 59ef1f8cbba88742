"""The method as plain loops over NumPy float64, one function per line of its definition in `fame.model`.

Slow on purpose and written without looking for speed, so that it can be read beside the paper. `w` maps the names
of the state dict to arrays; one history at a time, no batch, no padding.

    t position (query)   s position (key)   v item row   h head   n expert   k width of one head
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np

from fame.config import FAMEConfig

Weights = Mapping[str, np.ndarray]


def layer_norm(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    """One vector with mean 0 and variance 1, then scaled and shifted."""
    centred = x - x.mean()
    return centred / math.sqrt((centred**2).mean() + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return w[f"{name}.weight"] @ x + w[f"{name}.bias"]


def gelu(x: np.ndarray) -> np.ndarray:
    return np.array([0.5 * z * (1 + math.erf(z / math.sqrt(2))) for z in x])


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()


def feed_forward(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return linear(w, f"{name}.down", gelu(linear(w, f"{name}.up", x)))


def embed(w: Weights, items: list[int]) -> np.ndarray:
    """LayerNorm(x_v + p_t)  [T d]"""
    return np.stack(
        [layer_norm(w, "norm_in", w["items.weight"][v] + w["positions.weight"][t]) for t, v in enumerate(items)]
    )


def causal_softmax(Q: np.ndarray, K: np.ndarray) -> np.ndarray:
    """A = causal-softmax(Q Kᵀ / sqrt(width))  [T T]"""
    A = np.zeros((len(Q), len(Q)))
    for t in range(len(Q)):
        A[t, : t + 1] = softmax(np.array([Q[t] @ K[s] / math.sqrt(len(Q[t])) for s in range(t + 1)]))
    return A


def attend(A: np.ndarray, U: np.ndarray) -> np.ndarray:
    """O = A U  [T width]"""
    return np.stack([sum(A[t, s] * U[s] for s in range(len(U))) for t in range(len(A))])


def ordinary_block(w: Weights, name: str, X: np.ndarray, heads: int) -> tuple[np.ndarray, np.ndarray]:
    """SASRec's block, norm after each residual: [T d] -> [T d] and its attention [heads T T]."""
    d = X.shape[1]
    QKV = np.stack([linear(w, f"{name}.qkv", x) for x in X])  # queries of all heads, then keys, then values
    width = d // heads
    attention, seen = [], []
    for h in range(heads):
        q, k, v = (QKV[:, part * d + h * width : part * d + (h + 1) * width] for part in range(3))
        attention.append(causal_softmax(q, k))
        seen.append(attend(attention[h], v))
    rows = []
    for t, x in enumerate(X):
        x = layer_norm(w, f"{name}.norm_attention", x + linear(w, f"{name}.out", np.concatenate([o[t] for o in seen])))
        rows.append(layer_norm(w, f"{name}.norm_out", x + feed_forward(w, f"{name}.feed_forward", x)))
    return np.stack(rows), np.stack(attention)


def queries(w: Weights, X: np.ndarray, h: int, n: int) -> np.ndarray:
    """Q_n = X W_Q[h,n]  [T k]"""
    return np.stack([x @ w["facets.W_Q"][h, n] for x in X])


def keys(w: Weights, X: np.ndarray, h: int) -> np.ndarray:
    """K = X W_K[h]  [T k]"""
    return np.stack([x @ w["facets.W_K"][h] for x in X])


def values(w: Weights, X: np.ndarray, h: int) -> np.ndarray:
    """U = X W_V[h]  [T k]"""
    return np.stack([x @ w["facets.W_V"][h] for x in X])


def router(w: Weights, O: list[np.ndarray], h: int) -> np.ndarray:
    """β = softmax([O_1 ‖ … ‖ O_N] W_exp[h]) at one position  [N]"""
    return softmax(np.concatenate(O) @ w["facets.W_exp"][h])


def mix(beta: np.ndarray, O: list[np.ndarray]) -> np.ndarray:
    """f = Σ_n β_n O_n  [k]"""
    return sum(beta[n] * O[n] for n in range(len(O)))  # type: ignore[return-value]


def part(x: np.ndarray, h: int, heads: int, k: int) -> np.ndarray:
    """Head h's part of x: the first head's is the first k numbers, the last head's the last k  [k]

    Heads of width d / H so have a slice each, heads of width d the whole."""
    first = h * (len(x) - k) // max(1, heads - 1)
    return x[first : first + k]


def state(w: Weights, f: np.ndarray, x_part: np.ndarray) -> np.ndarray:
    """e = LayerNorm(x[part h] + f), FFN'(f) = LayerNorm(e + FFN'(e))  [k]"""
    e = layer_norm(w, "facets.norm_attention", x_part + f)
    return layer_norm(w, "facets.norm_out", e + feed_forward(w, "facets.feed_forward", e))


def prefer(w: Weights, state_h: np.ndarray, beta: np.ndarray, h: int) -> np.ndarray:
    """F = FFN'(f) + Σ_n β_n b_n  [k]"""
    return state_h + sum(beta[n] * w["facets.anchors"][h, n] for n in range(len(beta)))


def gate(w: Weights, F: list[np.ndarray]) -> np.ndarray:
    """g = softmax(W_g [F^1 ‖ … ‖ F^H] + b_g)  [H]"""
    return softmax(linear(w, "facets.gate", np.concatenate(F)))


def item_facet(w: Weights, h: int, v: int) -> np.ndarray:
    """x_v^(h) = W_f[h] x_v  [k]"""
    return w["facets.W_f"][h] @ w["items.weight"][v]


def item_facet_mlp(w: Weights, h: int, v: int) -> np.ndarray:
    """MLP_h(x_v), what x_v^(h) has besides; the hidden layer is all heads'  [k]"""
    k = w["facets.W_f"].shape[1]
    x = layer_norm(w, "facets.item_mlp.norm", w["items.weight"][v])
    return feed_forward(w, "facets.item_mlp", x)[h * k : (h + 1) * k]


def head_score(F_h: np.ndarray, facet: np.ndarray) -> float:
    """s_h(v) = <F^h, x_v^(h)>"""
    return float(F_h @ facet)


def final_score(g: np.ndarray, s: np.ndarray) -> float:
    """s(v) = Σ_h g_h s_h(v)"""
    return sum(g[h] * s[h] for h in range(len(g)))


def collapsed_query(w: Weights, g: np.ndarray, F: list[np.ndarray]) -> np.ndarray:
    """q = Σ_h g_h W_f[h]ᵀ F^h, so that s(v) = <q, x_v>  [d]"""
    return sum(g[h] * w["facets.W_f"][h].T @ F[h] for h in range(len(g)))  # type: ignore[return-value]


def heads_side_by_side(w: Weights, g: np.ndarray, F: list[np.ndarray]) -> np.ndarray:
    """q = [g_1 F^1 ‖ … ‖ g_H F^H], so that s(v) = <q, [x_v^(1) ‖ … ‖ x_v^(H)]>  [H·k]"""
    return np.concatenate([g[h] * F[h] for h in range(len(g))])


def run(w: Weights, c: FAMEConfig, items: list[int]) -> SimpleNamespace:
    """Everything that the model computes for one history, at every position.

    query [T d], or [T H·k] with a facet MLP, scores [T V] (column 0, padding, is 0), backbone_attention
    [blocks heads T T] and for FAME attention [H N T T], expert_out [T H N k], router [T H N], f, state, F and residual
    [T H k], gate [T H], facet_items [H V k], head_scores [T H V].
    """
    X = embed(w, items)
    backbone = []
    for block in range(c.n_layers - (c.variant == "fame")):
        X, A = ordinary_block(w, f"blocks.{block}", X, c.backbone_heads)
        backbone.append(A)
    T, H, N, V, k = len(items), c.n_heads, c.n_experts, c.n_rows, c.d_head
    out = SimpleNamespace(query=X, scores=np.zeros((T, V)), backbone_attention=np.array(backbone))
    if c.variant == "sasrec":
        for t in range(T):
            for v in range(1, V):
                out.scores[t, v] = X[t] @ w["items.weight"][v]
        return out

    out.attention = np.array([[causal_softmax(queries(w, X, h, n), keys(w, X, h)) for n in range(N)] for h in range(H)])
    out.expert_out = np.zeros((T, H, N, k))
    for h in range(H):
        for n in range(N):
            out.expert_out[:, h, n] = attend(out.attention[h, n], values(w, X, h))
    out.facet_items = np.array([[item_facet(w, h, v) for v in range(V)] for h in range(H)])
    if c.facet_mlp:
        out.facet_items += np.array([[item_facet_mlp(w, h, v) for v in range(V)] for h in range(H)])
    out.gate, out.router, out.head_scores = np.zeros((T, H)), np.zeros((T, H, N)), np.zeros((T, H, V))
    out.f, out.state, out.F, out.residual = (np.zeros((T, H, k)) for _ in range(4))
    queries_of_all_heads = []
    for t in range(T):
        for h in range(H):
            O = list(out.expert_out[t, h])
            out.residual[t, h] = part(X[t], h, H, k)
            out.router[t, h] = router(w, O, h)
            out.f[t, h] = mix(out.router[t, h], O)
            out.state[t, h] = out.F[t, h] = state(w, out.f[t, h], out.residual[t, h])
            if c.anchors:
                out.F[t, h] = prefer(w, out.state[t, h], out.router[t, h], h)
        out.gate[t] = gate(w, list(out.F[t]))
        collapse = heads_side_by_side if c.facet_mlp else collapsed_query
        queries_of_all_heads.append(collapse(w, out.gate[t], list(out.F[t])))
        for v in range(1, V):
            out.head_scores[t, :, v] = [head_score(out.F[t, h], out.facet_items[h, v]) for h in range(H)]
            out.scores[t, v] = final_score(out.gate[t], out.head_scores[t, :, v])
    out.query = np.stack(queries_of_all_heads)
    return out
