"""What a head's item space knows of the attributes, beside random spaces of its width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from fame.evidence import LEAST_KNOWN, RULE
from fame.make.probes.config import ProbeConfig
from fame.make.probes.labels import Labels
from fame.make.probes.statistics import (
    average_precision,
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
from fame.make.probes.verdicts import lead_over, unclear, verdict, verdict_table
from fame.model import FAME
from fame.statistics import benjamini_hochberg

__all__ = ["head_spaces", "item_evidence"]


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
    """The part of `gather.evidence` that is about items: probes, dci, verdicts, rule, redundancy.

    rows: int [i], the items that are probed.   popularity: [V], or None.   tell: called before each stage.
    """
    x, spaces = head_spaces(model)
    x, spaces = x[rows], spaces[:, rows]
    tell("comparing heads")
    width = spaces.shape[-1]
    redundancy = {
        "cka": [[cka(a, b) for b in spaces] for a in spaces],
        "cka_random": float(np.mean([cka(*random_spaces(x, 2, width, rng)) for _ in range(20)])),
    }
    if not labels.attributes:
        verdicts = unclear(len(spaces), "no attribute of the catalogue has two values common enough to probe")
        return {"probes": None, "dci": None, "verdicts": verdicts, "rule": RULE, "redundancy": redundancy}
    probe = Probe.of(labels, rows, config, rng)
    tell("probing heads")
    heads = probe.all_of(spaces)
    full = probe.with_interval(x)
    famous = probe.with_interval(fame_features(popularity[rows])) if popularity is not None else None
    sliced = probe.all_of(head_spaces(baseline)[1][:, rows]) if baseline is not None else None
    draws = drawn(probe, x, spaces, config, rng, tell)
    tests = tested(heads, full, draws)
    tell("disentangling")
    apart = disentangled(probe, x, spaces, tests.known, rng)
    return {
        "probes": {
            **_ends(heads, "ap"),
            **tests._asdict(),
            "values": [labels.split(v) for v in heads.values],
            **_band(draws.null, "null"),
            **_band(draws.random, "random"),
            **_ends(full, "full"),
            "full_values": labels.split(full.values),
            **_ends(famous, "popularity"),
            **_ends(sliced, "baseline"),
        },
        "dci": apart,
        "verdicts": _verdicts(labels, heads, full, famous, draws, tests),
        "rule": RULE,
        "redundancy": redundancy,
    }


def head_spaces(model: FAME) -> tuple[np.ndarray, np.ndarray]:
    """x_v [V,d] and each head's x_v^(h) [H,V,d'], float64; a plain SASRec's are the H slices of x_v."""
    with torch.inference_mode():
        x = model.items.weight.double().cpu().numpy()
        if model.config.variant == "fame":
            return x, model.facet_items().double().cpu().numpy()
    return x, np.stack(np.split(x, model.config.n_heads, axis=1))


def fame_features(popularity: np.ndarray) -> np.ndarray:
    """Popularity as a space of its own [i,2]: its logarithm and the square, since fame may be an attribute's middle."""
    log = standardise(np.log1p(popularity)[:, None])
    return np.column_stack([log, log**2])


class Figures(NamedTuple):
    """How well a space, or each of several, is read: average precision by attribute and its 95% interval, and by value.

    ap, low, high: [A], or [H,A].   values: [M], or [H,M].
    """

    ap: np.ndarray
    low: np.ndarray
    high: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Probe:
    """Reads attributes from spaces of the same items, with the same folds and resamples for all.

    Y: boolean [i,M].   fold: [M,i].   weights: [B,i], how often each item counts in each of B resamples.
    """

    labels: Labels
    Y: np.ndarray
    fold: np.ndarray
    weights: np.ndarray
    ridge: float

    @classmethod
    def of(cls, labels: Labels, rows: np.ndarray, config: ProbeConfig, rng: np.random.Generator) -> Probe:
        Y, n = labels.has[rows], len(rows)
        fold = stratified_folds(Y, config.folds, rng)
        weights = rng.multinomial(n, np.full(n, 1 / n), config.bootstraps).astype(float)
        return cls(labels, Y, fold, weights, config.ridge)

    def ap(self, X: np.ndarray) -> np.ndarray:
        """Average precision by attribute [A] of a space [i,k]."""
        scores = out_of_fold(X, self.Y, self.fold, self.ridge)
        return self.labels.by_attribute(average_precision(scores, self.Y))

    def with_interval(self, X: np.ndarray) -> Figures:
        """The figures of a space [i,k]."""
        scores = out_of_fold(X, self.Y, self.fold, self.ridge)
        values = average_precision(scores, self.Y)
        ap = self.labels.by_attribute(values)
        resampled = self.labels.by_attribute(average_precision(scores, self.Y, self.weights))
        return Figures(ap, *interval_around(ap, resampled), values)

    def all_of(self, spaces: np.ndarray) -> Figures:
        """The figures of spaces [H,i,k]."""
        return Figures(*(np.stack(z) for z in zip(*map(self.with_interval, spaces), strict=True)))


class Draws(NamedTuple):
    """Average precision by attribute where there is nothing to find: [D,A] each.

    null: of items permuted; it depends on labels and width alone, so that all heads share it.   random: of random
    projections of x_v to the heads' width.
    """

    null: np.ndarray
    random: np.ndarray


def drawn(
    probe: Probe,
    x: np.ndarray,
    spaces: np.ndarray,
    config: ProbeConfig,
    rng: np.random.Generator,
    tell: Callable[[str], None],
) -> Draws:
    """What chance gives: x [i,d], spaces [H,i,d']."""
    tell(f"permuting items, {config.permutations} times for each head")
    n, width = spaces.shape[1:]
    null = np.stack([probe.ap(space[rng.permutation(n)]) for space in spaces for _ in range(config.permutations)])
    tell(f"projecting at random, {config.projections} times")
    random = np.stack([probe.ap(random_spaces(x, 1, width, rng)[0]) for _ in range(config.projections)])
    return Draws(null, random)


class Tests(NamedTuple):
    """p- and q-values, gains and leads by head and attribute [H,A], NaN where not `known`; known is boolean [A].

    See `fame.evidence.RULE` for what a gain and a lead are.
    """

    p_null: np.ndarray
    q_null: np.ndarray
    p_random: np.ndarray
    q_random: np.ndarray
    gain: np.ndarray
    lead: np.ndarray
    p_lead: np.ndarray
    q_lead: np.ndarray
    known: np.ndarray


def tested(heads: Figures, full: Figures, draws: Draws) -> Tests:
    """The heads' figures held against what chance and random spaces give."""
    p_null, p_random = (p_values(heads.ap, z) for z in draws)
    beyond_chance = full.ap - draws.null.mean(0)
    known = beyond_chance >= LEAST_KNOWN
    scale, level = np.where(known, beyond_chance, np.nan), draws.random.mean(0)
    gain = (heads.ap - level) / scale
    lead = lead_over(gain)
    p_lead, q_lead = np.full((2, *gain.shape), np.nan)
    p_lead[:, known] = p_values(lead, lead_over((draws.random - level) / scale))[:, known]
    q_lead[:, known] = benjamini_hochberg(p_lead[:, known])
    q_null, q_random = benjamini_hochberg(p_null), benjamini_hochberg(p_random)
    return Tests(p_null, q_null, p_random, q_random, gain, lead, p_lead, q_lead, known)


def head_importance(spaces: np.ndarray, Y: np.ndarray, labels: Labels, ridge: float) -> np.ndarray:
    """How much each head matters for each attribute in a probe that reads all heads at once: [H,A].

    The deviation over items of the head's part of the logit, mean over values. spaces [H,i,k], Y [i,M].

    The probe learns from the items that it is read on. With H·k features and few items the parts hold some
    overfitting, which spreads over all heads alike and so makes DCI too small rather than too large; random
    projections, with which `disentangled` compares, share it. Out of fold it would take as many fits as folds.
    """
    H, _, k = spaces.shape
    X = np.stack([standardise(space) for space in spaces]).astype(np.float32)
    w = logistic(np.concatenate(X, 1), Y.T, np.ones(Y.T.shape), ridge)[:, :-1]
    parts = np.einsum("hik,mhk->him", X, w.reshape(-1, H, k))
    return labels.by_attribute(parts.std(1))


def disentangled(
    probe: Probe, x: np.ndarray, spaces: np.ndarray, known: np.ndarray, rng: np.random.Generator
) -> dict[str, Any] | None:
    """DCI over the known attributes, beside that of random projections; None where no attribute is known."""
    if not known.any():
        return None
    H, _, width = spaces.shape
    importance = head_importance(spaces, probe.Y, probe.labels, probe.ridge)
    random = [head_importance(random_spaces(x, H, width, rng), probe.Y, probe.labels, probe.ridge) for _ in range(10)]
    by_chance, measured = [dci(z[:, known]) for z in random], dci(importance[:, known])
    by_attribute = np.full(len(known), np.nan)
    by_attribute[known] = measured.by_attribute
    return {
        **measured._asdict(),
        "by_attribute": by_attribute,
        "importance": importance,
        "random_disentanglement": float(np.mean([z.disentanglement for z in by_chance])),
        "random_completeness": float(np.mean([z.completeness for z in by_chance])),
    }


def _verdicts(
    labels: Labels, heads: Figures, full: Figures, famous: Figures | None, draws: Draws, tests: Tests
) -> list[dict[str, Any]]:
    """What each head is called, and why."""
    beaten = famous.ap if famous else np.zeros(len(labels.attributes))
    level = {"chance": draws.null.mean(0), "random": draws.random.mean(0), "full": full.ap}
    tables = []
    for h in range(len(heads.ap)):
        own = {"precision": heads.ap[h], "gain": tests.gain[h], "lead": tests.lead[h]}
        best, against = verdict(
            heads.ap[h], tests.gain[h], tests.lead[h], tests.q_null[h], tests.q_lead[h], heads.low[h], beaten
        )
        a = best or 0
        figures = {name: float(z[a]) for name, z in (own | level).items()}
        tables.append(verdict_table(h + 1, labels.attributes[a], best, against, figures))
    return tables


def _ends(figures: Figures | None, name: str) -> dict[str, Any]:
    """Average precision and the ends of its interval, under their names in the file."""
    return {f"{name}{end}": figures[i] if figures else None for i, end in enumerate(("", "_low", "_high"))}


def _band(draws: np.ndarray, name: str) -> dict[str, np.ndarray]:
    """The mean of draws [D,A] and 95% of them, under their names in the file."""
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return {name: draws.mean(0), f"{name}_low": low, f"{name}_high": high}
