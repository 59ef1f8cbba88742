"""One history explained: the trace of a pass, and the measurements that a trace alone does not hold.

Letters as in `fame.model`: b batch, t and s positions, h head, n expert, d and k widths, v item row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.model import FAME
from fame.trace import NOTHING, Intervention, Trace

__all__ = ["trace"]


def trace(
    model: FAME, catalogue: Catalogue, rows: Sequence[int] | np.ndarray, intervention: Intervention = NOTHING
) -> Trace:
    """What the model does with one history, everything recorded, in one pass on the model's device.

    rows: rows of the catalogue, oldest first; only the last `max_len` are read, `Trace.dropped` counts the rest.

    Raises:
        FameError: the history is empty or names no item, the model has no heads (`sasrec`) or is in training
            mode, the catalogue is not the model's, or the intervention does not fit.
    """
    history = _history(model, catalogue, rows)
    kept = history[-model.config.max_len :]
    with torch.inference_mode():
        p = model(torch.from_numpy(kept).to(model.items.weight.device)[None], intervention, record=True)
        alone = model.facets.state(p.expert_out[0, -1], p.residual[0, -1].unsqueeze(1))  # [h n k]
        T = len(kept)
        backbone = torch.cat(p.backbone_attention or (p.attention.new_empty(0, model.config.backbone_heads, T, T),))
        return Trace(
            catalogue=catalogue,
            intervention=intervention,
            items=kept.astype(np.int32),
            gate=_array(p.gate[0]),
            router=_array(p.router[0]),
            attention=_array(p.attention[0]),
            backbone_attention=_array(backbone),
            expert_out=_array(p.expert_out[0]),
            f=_array(p.f[0]),
            F=_array(p.F[0]),
            head_scores=_array(facet_scores(model, p.F[0, -1])),
            expert_scores=_array(facet_scores(model, alone.transpose(0, 1)).transpose(0, 1)),
            scores=_array(model.score(p.query[0, -1])),
            dropped=len(history) - T,
        )


def facet_scores(model: FAME, states: Tensor) -> Tensor:
    """s_h(v) = <F^h, W_f[h] x_v> of every row from states F: [… h k] -> [… h v]. Row 0, padding, is -inf.

    Computed as <W_f[h]ᵀ F^h, x_v>, so that no facet sub-embedding of the whole catalogue is ever built.
    """
    return model.score(torch.einsum("...hk,hkd->...hd", states, model.facets.W_f))


def _history(model: FAME, catalogue: Catalogue, rows: Sequence[int] | np.ndarray) -> np.ndarray:
    """The history as int64 [T], checked against the model and the catalogue."""
    if model.config.variant != "fame":
        raise FameError(f"this model is a plain {model.config.variant}; it has no heads to trace")
    if model.training:
        raise FameError("the model is in training mode, where dropout is random; call model.eval() first")
    if len(catalogue) != model.config.n_rows:
        raise FameError(
            f"the catalogue has {catalogue.n_items} items and the model {model.config.n_items}; "
            "give the catalogue that the model was trained on"
        )
    history = np.asarray(rows)
    if not history.size:
        raise FameError("the history is empty; give at least one item")
    if history.ndim != 1 or history.dtype.kind not in "iu":
        raise FameError(f"the history is an array {history.shape} of {history.dtype}; expected a list of whole rows")
    if (bad := history[(history < 1) | (history >= len(catalogue))]).size:
        raise FameError(f"row {bad[0]} is not in the catalogue; rows are 1 to {catalogue.n_items}")
    return history.astype(np.int64)


def _array(x: Tensor) -> np.ndarray:
    return x.float().cpu().numpy()
