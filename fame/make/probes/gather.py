"""What a model's heads and experts are about, measured beside what chance, size and popularity would give.

A *probe* asks whether a value of an attribute (horror, the 1980s) can be read from a space of items: a ridge
logistic regression, cross-validated over items, scored by average precision. An attribute's figure is the mean over
its values. Beside each head's figure stand: the same with items permuted (what chance gives), random projections of
x_v to the head's width (what any space so wide gives), x_v itself (what there is to know), popularity alone (what
fame explains), and, where one is given, the slices of a plain SASRec.

Letters: h head, n expert, a attribute, m value, i item, u history.

What `evidence` returns (figures by head are lists of H, by attribute of A, by expert of N):
    version, seconds, seed, settings (ProbeConfig), items (probed)
    histories: count, source, median_length
    attributes: one {name, values, items, base_rate} each; of probed items, `items` counts per value
    probes: average precision by head and attribute: ap, ap_low, ap_high (95%, items resampled), p_null, q_null,
        p_random, q_random, gain, lead, p_lead, q_lead (see RULE; null where not `known`), values (by head,
        attribute, value); by attribute: null and random with _low and _high (95% of draws), full and popularity
        with _low and _high, full_values, known (whether there is something to be about); baseline, baseline_low,
        baseline_high by slice and attribute. popularity and baseline may be null; all of it may be
    dci: over the known attributes: disentanglement, by_head, completeness, by_attribute, random_disentanglement and
        random_completeness (means over random projections); importance (head, attribute). May be null
    verdicts: one {head (from 1), verdict, attribute (or null), why} each;  rule
    redundancy: cka (head, head) between the heads' item spaces, cka_random (mean of two random projections)
    lists: depth, persistence, rbo (H+1 × H+1, the final list last)
    gate: mean, std, first (share of histories where the head has the largest weight), relative_first (… the
        largest weight relative to its mean), entropy, entropy_std (of its maximum)
    experts: router_mean, router_first, router_most, dead (all head, expert), router_entropy, router_entropy_std
        (head), divergence (head, expert, expert; bits, of attention), lift, lift_low, lift_high, lift_q (head,
        expert, then attribute, value)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.data.sequences import Sequences
from fame.make.probes.config import ProbeConfig
from fame.make.probes.histories import history_evidence
from fame.make.probes.items import item_evidence
from fame.make.probes.labels import Labels, labels_of
from fame.model import FAME

__all__ = ["VERSION", "evidence"]

VERSION = 1


def evidence(
    model: FAME,
    catalogue: Catalogue,
    histories: Sequences,
    popularity: np.ndarray | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    *,
    baseline: FAME | None = None,
    source: str = "",
    config: ProbeConfig | None = None,
) -> dict[str, Any]:
    """Everything measured, as plain JSON values: what a bundle keeps as evidence.json. One to six minutes on one core.

    histories: what the heads' lists, the gate and the experts are read on; real, simulated or curated. Only means
        over them are kept, none of them.   source: in words, where they come from.
    popularity: [V], how often each item was taken; the confounder is left out without it.
    baseline: a plain SASRec over the same catalogue, probed slice by slice.

    The keys are those at the top of this module.

    Raises:
        FameError: the model has no heads, the baseline is none, or catalogue, histories or popularity do not fit.
    """
    began = time.perf_counter()
    config, tell = config or ProbeConfig(), progress or (lambda text: None)
    check(model, catalogue, histories, popularity, baseline)
    model.eval()
    rng = np.random.default_rng(seed)
    rows = 1 + np.sort(rng.permutation(catalogue.n_items)[: config.most_items])
    labels = labels_of(catalogue, rows, config)
    config = config.with_draws(model.config.n_heads, len(labels.attributes))
    result: dict[str, Any] = {
        "version": VERSION,
        "seed": seed,
        "settings": asdict(config),
        "items": len(rows),
        "attributes": attributes(labels, rows),
        **item_evidence(model, labels, rows, popularity, baseline, config, rng, tell),
        **history_evidence(model, histories, labels, source, config, rng, tell),
        "seconds": time.perf_counter() - began,
    }
    return plain(result)


def attributes(labels: Labels, rows: np.ndarray) -> list[dict[str, Any]]:
    """The attributes that are probed, each with its values and how many of the probed items have them."""
    counts, values = labels.split(labels.has[rows].sum(0)), np.array(labels.values, object)
    return [
        {"name": name, "values": list(of), "items": count, "base_rate": (count / len(rows)).mean()}
        for name, of, count in zip(labels.attributes, labels.split(values), counts, strict=True)
    ]


def check(
    model: FAME, catalogue: Catalogue, histories: Sequences, popularity: np.ndarray | None, baseline: FAME | None
) -> None:
    V = len(catalogue)
    if model.config.variant != "fame":
        raise FameError("probes: a plain SASRec has no heads to probe; give it as the baseline of a FAME")
    if model.config.n_rows != V:
        raise FameError(f"probes: the model has {model.config.n_items} items and the catalogue {V - 1}")
    if not len(histories.items) or histories.items.max() >= V:
        raise FameError(f"probes: expected histories of the catalogue's rows, 1 to {V - 1}, and at least one")
    if popularity is not None and (
        popularity.shape != (V,) or not np.isfinite(popularity).all() or popularity.min() < 0
    ):
        raise FameError(f"probes: popularity is {list(popularity.shape)}; expected [{V}] counts of at least 0")
    if baseline is not None:
        other = baseline.config
        if other.variant != "sasrec" or other.n_rows != V or other.d_model % other.n_heads:
            raise FameError(
                "probes: the baseline must be a plain SASRec over the same catalogue, of a width that its heads divide"
            )


def plain(value: Any) -> Any:
    """Arrays as lists, floats to 5 digits after the point, what is not finite as None: JSON values."""
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value
