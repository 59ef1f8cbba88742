"""What a head's item space knows of the attributes, beside random spaces of its width."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from fame.catalogue import Catalogue
from fame.evidence import LEAST_GAIN, LEAST_KNOWN, LEAST_LEAD, LEAST_PRECISION, RULE, SIGNIFICANCE
from fame.make.probes.config import ProbeConfig
from fame.make.probes.statistics import (
    average_precision,
    benjamini_hochberg,
    cka,
    dci,
    interval_around,
    logistic,
    out_of_fold,
    p_values,
    random_spaces,
    standardise,
    stratified_folds,
)
from fame.model import FAME
from fame.text import number

__all__ = ["by_owner", "head_spaces", "item_evidence", "labels_of", "lead_over", "verdict"]


UNCLEAR = "unclear"


class Labels(NamedTuple):
    """The values that are probed: M of them, of A attributes.

    attributes: A names.   values: M names, attribute by attribute.   owner: int64 [M], the attribute of each.
    has: boolean [V,M], row 0 (padding) False.
    """

    attributes: tuple[str, ...]
    values: tuple[str, ...]
    owner: np.ndarray
    has: np.ndarray

    def by_attribute(self, per_value: np.ndarray) -> np.ndarray:
        """Means over each attribute's values, missing ones left out: [… M] -> [… A]."""
        known = ~np.isnan(per_value)
        belongs = (self.owner[:, None] == np.arange(len(self.attributes))).astype(float)  # [M A]
        with np.errstate(invalid="ignore"):
            return np.where(known, per_value, 0) @ belongs / (known @ belongs)


def labels_of(catalogue: Catalogue, rows: np.ndarray, config: ProbeConfig) -> Labels:
    """The values that are common enough, with and without, among the rows that are probed; most frequent there first.

    Attributes with one such value or none are left out. rows: int [i], each once.
    """
    names: list[str] = []
    values: list[str] = []
    owner: list[int] = []
    columns = [np.zeros((len(catalogue), 0), bool)]
    for name, cells in catalogue.facts.items():
        everywhere = Counter(value for cell in cells for value in cell)
        count = Counter(value for row in rows for value in cells[row])
        order = sorted(count, key=lambda v: (-count[v], -everywhere[v], v))
        fit = [v for v in order if min(count[v], len(rows) - count[v]) >= config.least_items]
        common = fit[: config.most_values]
        if len(common) > 1:
            owner += [len(names)] * len(common)
            names.append(name)
            values += common
            columns.append(catalogue.holders(name, common))  # of all values it might fill the memory
    return Labels(tuple(names), tuple(values), np.array(owner, np.int64), np.concatenate(columns, 1))


def head_importance(spaces: np.ndarray, Y: np.ndarray, labels: Labels, ridge: float) -> np.ndarray:
    """How much each head matters for each attribute in a probe that reads all heads at once: [H,A].

    The deviation over items of the head's part of the logit, mean over values. spaces [H,i,k], Y [i,M].

    The probe learns from the items that it is read on. With H·k features and few items the parts hold some
    overfitting, which spreads over all heads alike and so makes DCI too small rather than too large; random
    projections, with which `evidence` compares, share it. Out of fold it would take as many fits as folds.
    """
    H, _, k = spaces.shape
    X = np.stack([standardise(space) for space in spaces]).astype(np.float32)
    w = logistic(np.concatenate(X, 1), Y.T, np.ones(Y.T.shape), ridge)[:, :-1]
    parts = np.einsum("hik,mhk->him", X, w.reshape(-1, H, k))
    return labels.by_attribute(parts.std(1))


def lead_over(gain: np.ndarray) -> np.ndarray:
    """How far each attribute's gain is above the largest of the others': [… A] -> [… A]. NaN stays out of it.

    Of a single attribute it is the gain itself.
    """
    open_ = np.where(np.isnan(gain), -np.inf, gain)
    if gain.shape[-1] < 2:
        return gain
    second, first = np.moveaxis(np.sort(open_, -1)[..., -2:], -1, 0)[..., None]
    rival = np.where(open_ == first, second, first)
    return gain - np.where(np.isinf(rival), 0, rival)


def verdict(
    ap: np.ndarray,
    gain: np.ndarray,
    lead: np.ndarray,
    q_null: np.ndarray,
    q_lead: np.ndarray,
    low: np.ndarray,
    popularity: np.ndarray,
) -> tuple[int | None, tuple[str, ...]]:
    """The attribute that a head is most about, and what speaks against calling the head by it. See RULE.

    All arguments are [A]; a gain is NaN for an attribute that the full embedding does not know. None where none is.
    """
    if np.isnan(gain).all():
        return None, ("the full embedding knows none of the attributes",)
    best = int(np.nanargmax(gain))
    against = {
        "hard to read": not ap[best] >= LEAST_PRECISION,
        "no better than chance": not q_null[best] < SIGNIFICANCE,
        "no better than popularity": not low[best] > popularity[best],
        "worse than random spaces": not gain[best] >= LEAST_GAIN,
        "hardly more than for another attribute": not lead[best] >= LEAST_LEAD,
        "its lead is no larger than random spaces have": not q_lead[best] < SIGNIFICANCE,
    }
    return best, tuple(reason for reason, holds in against.items() if holds)


def head_spaces(model: FAME) -> tuple[np.ndarray, np.ndarray]:
    """x_v [V,d] and each head's x_v^(h) [H,V,d'], float64; a plain SASRec's are the H slices of x_v."""
    with torch.inference_mode():
        x = model.items.weight.double().cpu().numpy()
        if model.config.variant == "fame":
            return x, model.facet_items().double().cpu().numpy()
    return x, np.stack(np.split(x, model.config.n_heads, axis=1))


def item_evidence(
    model: FAME,
    labels: Labels,
    rows: np.ndarray,
    popularity: np.ndarray | None,
    baseline: FAME | None,
    config: ProbeConfig,
    rng: np.random.Generator,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """The part of `evidence` that is about items: probes, dci, verdicts, rule, redundancy."""
    x, spaces = head_spaces(model)
    x, spaces = x[rows], spaces[:, rows]
    H, _, width = spaces.shape
    tell("comparing heads")
    redundancy = {
        "cka": [[cka(a, b) for b in spaces] for a in spaces],
        "cka_random": float(np.mean([cka(*random_spaces(x, 2, width, rng)) for _ in range(20)])),
    }
    if not labels.attributes:
        none = "no attribute of the catalogue has two values common enough to probe"
        verdicts = [{"head": h + 1, "verdict": UNCLEAR, "attribute": None, "why": none} for h in range(H)]
        return {"probes": None, "dci": None, "verdicts": verdicts, "rule": RULE, "redundancy": redundancy}

    Y = labels.has[rows]
    fold = stratified_folds(Y, config.folds, rng)
    weights = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), config.bootstraps).astype(float)

    def figure(X: np.ndarray) -> np.ndarray:
        return labels.by_attribute(average_precision(out_of_fold(X, Y, fold, config.ridge), Y))

    def figures(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """By attribute the figure and its interval, and by value."""
        scores = out_of_fold(X, Y, fold, config.ridge)
        values = average_precision(scores, Y)
        ap = labels.by_attribute(values)
        return ap, *interval_around(ap, labels.by_attribute(average_precision(scores, Y, weights))), values

    tell("probing heads")
    ap, low, high, values = (np.stack(z) for z in zip(*map(figures, spaces), strict=True))
    full = figures(x)
    famous = None
    if popularity is not None:
        log = standardise(np.log1p(popularity[rows])[:, None])
        famous = figures(np.column_stack([log, log**2]))  # fame may be an attribute's middle
    sliced = None
    if baseline is not None:
        sliced = [np.stack(z) for z in zip(*map(figures, head_spaces(baseline)[1][:, rows]), strict=True)]

    tell(f"permuting items, {config.permutations} times for each head")
    # The null depends on the labels and the width, so that all heads share it.
    null = np.stack([figure(space[rng.permutation(len(rows))]) for space in spaces for _ in range(config.permutations)])
    tell(f"projecting at random, {config.projections} times")
    random = np.stack([figure(random_spaces(x, 1, width, rng)[0]) for _ in range(config.projections)])
    q_null, q_random = (benjamini_hochberg(p_values(ap, draws)) for draws in (null, random))
    chance, known = null.mean(0), full[0] - null.mean(0)
    there = known >= LEAST_KNOWN
    scale = np.where(there, known, np.nan)
    gain = (ap - random.mean(0)) / scale
    lead = lead_over(gain)
    p_lead = np.full(gain.shape, np.nan)
    p_lead[:, there] = p_values(lead, lead_over((random - random.mean(0)) / scale))[:, there]
    q_lead = np.full(gain.shape, np.nan)
    q_lead[:, there] = benjamini_hochberg(p_lead[:, there])

    tell("disentangling")
    apart = None
    if there.any():
        importance = head_importance(spaces, Y, labels, config.ridge)
        others = [head_importance(random_spaces(x, H, width, rng), Y, labels, config.ridge) for _ in range(10)]
        by_chance = [dci(z[:, there]) for z in others]
        measured = dci(importance[:, there])
        by_attribute = np.full(len(there), np.nan)
        by_attribute[there] = measured.by_attribute
        apart = {
            **measured._asdict(),
            "by_attribute": by_attribute,
            "importance": importance,
            "random_disentanglement": float(np.mean([z.disentanglement for z in by_chance])),
            "random_completeness": float(np.mean([z.completeness for z in by_chance])),
        }

    beaten = famous[0] if famous else np.zeros(len(labels.attributes))
    verdicts = []
    for h in range(H):
        best, against = verdict(ap[h], gain[h], lead[h], q_null[h], q_lead[h], low[h], beaten)
        attribute = labels.attributes[best] if best is not None and not against else None
        why = ""
        if best is not None:
            own, spaces, whole = ap[h, best], random[:, best].mean(), full[0][best]
            why = (
                f"{labels.attributes[best]}: average precision {own:.2f} (chance {chance[best]:.2f}, random spaces "
                f"{spaces:.2f}, full embedding {whole:.2f}), gain {number(gain[h, best], plus=True)}, "
                f"lead {number(lead[h, best])}"
            )
        why += "; but " * bool(why and against) + ", ".join(against)
        verdicts.append({"head": h + 1, "verdict": attribute or UNCLEAR, "attribute": attribute, "why": why})

    def band(draws: np.ndarray, name: str) -> dict[str, np.ndarray]:
        ends = np.quantile(draws, [0.025, 0.975], axis=0)
        return {name: draws.mean(0), f"{name}_low": ends[0], f"{name}_high": ends[1]}

    def ends(z: Any, name: str) -> dict[str, Any]:
        return {f"{name}{end}": z[i] if z else None for i, end in enumerate(("", "_low", "_high"))}

    return {
        "probes": {
            **ends((ap, low, high), "ap"),
            "p_null": p_values(ap, null),
            "q_null": q_null,
            "p_random": p_values(ap, random),
            "q_random": q_random,
            "gain": gain,
            "lead": lead,
            "p_lead": p_lead,
            "q_lead": q_lead,
            "known": there,
            "values": [by_owner(v, labels) for v in values],
            **band(null, "null"),
            **band(random, "random"),
            **ends(full, "full"),
            "full_values": by_owner(full[3], labels),
            **ends(famous, "popularity"),
            **ends(sliced, "baseline"),
        },
        "dci": apart,
        "verdicts": verdicts,
        "rule": RULE,
        "redundancy": redundancy,
    }


def by_owner(per_value: np.ndarray, labels: Labels) -> list[np.ndarray]:
    """[M] as one array for each attribute."""
    return [per_value[labels.owner == a] for a in range(len(labels.attributes))]
