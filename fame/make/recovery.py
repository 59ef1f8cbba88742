"""On a simulated audience: do gate and router find the facet and the value that are truly in force?

At each step the gate is compared with the facet in force at the *next* step, which is what it has to tell, and, where
that facet is the one a head stands for, the head's router with the preferred value in force. Heads carry no names:
labels are matched to truths on one half of the viewers and judged on the other, and the other way round. Beside each
figure stand the Bayes observer's (the ceiling), the best constant answer's, and a control whose truth is shifted
along the viewers and so keeps its rhythm while it belongs to others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.data.sequences import Sequences
from fame.make.evaluate import batches
from fame.make.simulate import Beliefs, Planted, World, bayes_filter
from fame.model import FAME

__all__ = ["Judgement", "Routing", "information", "judge", "match", "recovery", "routing"]

CONTROLS = 20  # shifted truths


class Routing(NamedTuple):
    """What a model chose at each of n steps that have a next one.

    at: int64 [n], places in `sequences.items`.   gate: float32 [n,H].   router: float32 [n,H,N], None for a SASRec.
    states: float32 [n,·], all heads' F, or a SASRec's query.
    """

    at: np.ndarray
    gate: np.ndarray
    router: np.ndarray | None
    states: np.ndarray


@torch.inference_mode()
def routing(model: FAME, sequences: Sequences) -> Routing:
    """Gate and router over the last `max_len` items of every history, the last item left out.

    A plain SASRec has no gate; weights of its slices take the place: softmax over h of how far slice h's part of the
    score of the item recommended first lies above that slice's mean part over all items.

    Raises:
        FameError: no history has two items.
    """
    model.eval()
    device = model.items.weight.device
    if not (sequences.lengths > 1).any():
        raise FameError("recovery: no viewer has two films, of which one foretells the other")
    long = np.flatnonzero(sequences.lengths > 1)
    starts, inputs = sequences.offsets[long], sequences.lengths[long] - 1
    before = Sequences(
        sequences.users[long],
        np.concatenate([sequences.history(u)[:-1] for u in long.tolist()]),
        np.concatenate([[0], np.cumsum(inputs)]),
    )
    parts: list[tuple[np.ndarray, ...]] = []
    for users, items in batches(before, model.config.max_len, 64):
        real = items > 0
        out = model(items.to(device))
        first = starts[users] + np.maximum(inputs[users] - model.config.max_len, 0)
        at = (first[:, None] + np.arange(items.shape[1]))[real.numpy()]
        gate = slice_weights(model, out.query[real]) if out.gate is None else out.gate[real]
        states = out.query[real] if out.F is None else out.F[real].flatten(1)
        router = gate[:, :, None] if out.router is None else out.router[real]
        parts.append((at, *(x.float().cpu().numpy() for x in (gate, router, states))))
    at, gate, router, states = (np.concatenate(x) for x in zip(*parts, strict=True))
    order = np.argsort(at)
    fame = model.config.variant == "fame"
    return Routing(at[order], gate[order], router[order] if fame else None, states[order])


def slice_weights(model: FAME, query: torch.Tensor) -> torch.Tensor:
    """A SASRec's stand-in for a gate: query [m d] -> [m h]."""
    H, table = model.config.n_heads, model.items.weight
    best = table[model.score(query).argmax(-1)] - table[1:].mean(0)
    return (query * best).unflatten(-1, (H, -1)).sum(-1).softmax(-1)


# --- measures -----------------------------------------------------------------------------------------


def contingency(labels: np.ndarray, truth: np.ndarray, n_labels: int, n_truths: int) -> np.ndarray:
    """How often each label goes with each truth: int64 [labels,truths]."""
    return np.bincount(labels * n_truths + truth, minlength=n_labels * n_truths).reshape(n_labels, n_truths)


def information(table: np.ndarray) -> float:
    """Mutual information of a contingency table [labels,truths] as a part of the truth's entropy, from 0 to 1."""
    p = table / max(table.sum(), 1)
    rows, columns = p.sum(1, keepdims=True), p.sum(0)
    here = p > 0
    entropy = -(columns * np.log(np.where(columns > 0, columns, 1))).sum()
    shared = (p[here] * np.log(p[here] / (rows * columns)[here])).sum()
    return float(np.clip(shared / entropy, 0, 1)) if entropy > 0 else 0.0


def match(table: np.ndarray) -> np.ndarray:
    """Which truths each label stands for, so that most steps agree (Hungarian method): boolean [labels,truths].

    One to one where there are as many labels as truths. With fewer labels each stands for up to
    ceil(truths / labels) truths, and every truth has one label; with more, the other way round.
    """
    n, m = table.shape
    row, column = np.repeat(np.arange(n), -(-m // n)), np.repeat(np.arange(m), -(-n // m))
    chosen = linear_sum_assignment(table[np.ix_(row, column)], maximize=True)
    matched = np.zeros((n, m), bool)
    matched[row[chosen[0]], column[chosen[1]]] = True
    return matched


@dataclass(frozen=True)
class Judgement:
    """How well labels tell the truth. Accuracies are shares of steps; informations as `information`."""

    accuracy: float  # matched on other viewers
    margin: float  # half the width of its 95% interval, viewers being independent and their steps not
    information: float
    ceiling: float  # the Bayes observer's accuracy on the same steps, under the same matching
    ceiling_information: float
    constant: float  # accuracy of the best constant label under the same matching
    control: float  # accuracy with shifted truths, mean …
    control_high: float  # … and the largest of CONTROLS
    control_information: float
    of_ceiling: float  # accuracy / ceiling
    probe: float  # accuracy of a linear probe of the whole gate or router, trained on other viewers
    probe_states: float  # … of the states, which shows what the model knows and gate or router may not tell
    steps: int
    matching: tuple[tuple[int, ...], ...]  # the truths that each label stands for, over all viewers


def judge(
    choice: np.ndarray,
    states: np.ndarray,
    truth: np.ndarray,
    belief: np.ndarray,
    viewer: np.ndarray,
    seed: int = 0,
    labels: np.ndarray | None = None,
) -> Judgement:
    """How well the arg-max of `choice` tells the truth.

    choice: [n,L], a gate or a router.   states: [n,·].   truth: int [n], below M.   belief: [n,M], the Bayes
    observer's.   viewer: int [n], rising.   labels: int [n], in place of the arg-max.

    Raises:
        FameError: fewer than two viewers.
    """
    labels = choice.argmax(1) if labels is None else labels
    L, M = choice.shape[1], belief.shape[1]
    known, viewer = np.unique(viewer, return_inverse=True)
    if len(known) < 2:
        raise FameError("recovery: the steps are of fewer than two viewers; give more")
    rng = np.random.default_rng(seed)
    half = (rng.permutation(len(known)) % 2)[viewer]

    right, best, constant = agreeing(labels, truth, belief, L, half)
    shifts = rng.integers(len(truth) // 4, max(3 * len(truth) // 4, len(truth) // 4 + 1), CONTROLS)
    controls = [np.roll(truth, shift) for shift in shifts]
    chance = [agreeing(labels, wrong, belief, L, half)[0].mean() for wrong in controls]
    table = contingency(labels, truth, L, M)
    return Judgement(
        accuracy=float(right.mean()),
        margin=clustered_margin(right, viewer),
        information=information(table),
        ceiling=float(best.mean()),
        ceiling_information=information(contingency(belief.argmax(1), truth, M, M)),
        constant=constant,
        control=float(np.mean(chance)),
        control_high=float(np.max(chance)),
        control_information=float(np.mean([information(contingency(labels, wrong, L, M)) for wrong in controls])),
        of_ceiling=float(right.mean() / max(best.mean(), 1e-12)),
        probe=linear_probe(np.log(np.maximum(choice, 1e-6)), truth, half),
        probe_states=linear_probe(states, truth, half),
        steps=len(truth),
        matching=tuple(tuple(np.flatnonzero(row).tolist()) for row in match(table)),
    )


def agreeing(
    labels: np.ndarray, truth: np.ndarray, belief: np.ndarray, n_labels: int, half: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Which steps the labels have right and which the observer, [n] each; the best constant's accuracy."""
    M = belief.shape[1]
    right, best, constant = np.zeros(len(truth), bool), np.zeros(len(truth), bool), 0.0
    for h in (0, 1):
        fit, test = half != h, half == h
        matched = match(contingency(labels[fit], truth[fit], n_labels, M))
        right[test] = matched[labels[test], truth[test]]
        # With fewer labels than truths the observer too has to tell only the group.
        groups = matched if n_labels < M else np.eye(M, dtype=bool)
        best[test] = groups[(belief[test] @ groups.T).argmax(1), truth[test]]
        constant += matched[:, truth[test]].sum(1).max() / len(truth)
    return right, best, float(constant)


def clustered_margin(right: np.ndarray, viewer: np.ndarray) -> float:
    """1.96 standard errors of a mean over steps, from the viewers' sums of deviations (a ratio estimate)."""
    sums = np.bincount(viewer, right - right.mean())
    return float(1.96 * np.sqrt((sums**2).sum()) / len(right))


def linear_probe(features: np.ndarray, truth: np.ndarray, half: np.ndarray) -> float:
    """Accuracy of a multinomial logistic regression, trained on one half and judged on the other, both ways."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    right = np.zeros(len(truth), bool)
    for h in (0, 1):
        fit, test = half != h, half == h
        if len(np.unique(truth[fit])) < 2:
            right[test] = truth[test] == truth[fit][0]
            continue
        scaler = StandardScaler().fit(features[fit])
        probe = LogisticRegression(max_iter=300, tol=1e-3).fit(scaler.transform(features[fit]), truth[fit])
        right[test] = probe.predict(scaler.transform(features[test])) == truth[test]
    return float(right.mean())


# --- all of it ----------------------------------------------------------------------------------------


def recovery(
    model: FAME,
    catalogue: Catalogue,
    planted: Planted,
    beliefs: Beliefs | None = None,
    seed: int = 0,
    named: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """How well gate and router recover the truth about viewers that the model has not learned from; JSON values.

    beliefs: of `bayes_filter` on the same viewers; without them, those of the observer who is told the preferences.
    named: a facet's name -> the head, from 0, that training was told to make of it.

    Keys: facets; viewers; gate, a `Judgement`; gate_relative, the same with the arg-max of each head's gate over its
    mean, which does not mind that a head is always weak; router and router_relative, a facet's name -> `Judgement`
    and the `head` (from 1) that stands for it; router_named, the same of the `named` heads; router_accuracy,
    router_ceiling, router_of_ceiling and so on, means over steps.
    A SASRec's slices stand in for a gate. Without routers, or with one expert per head, there are only the gate's.

    Raises:
        FameError: beliefs or model do not fit the audience, or there are too few viewers.
    """
    config, sequences = planted.config, planted.sequences
    if model.config.n_rows != len(catalogue):
        raise FameError(f"recovery: the model has {model.config.n_items} items, the catalogue {catalogue.n_items}")
    beliefs = beliefs or bayes_filter(catalogue, config, sequences, planted.preferences)
    if len(beliefs.next) != len(sequences.items):
        raise FameError(
            f"recovery: beliefs about {len(beliefs.next)} steps, and the audience has {len(sequences.items)}"
        )
    found = routing(model, sequences)
    truth = Truth.at(found.at, planted, beliefs, World.of(catalogue, config).n_values)
    by_facet = truth.belief.sum(-1)
    first, relative = found.gate.argmax(1), above_mean(found.gate)
    gate = judge(found.gate, found.states, truth.facet, by_facet, truth.viewer, seed)
    gate_relative = judge(found.gate, found.states, truth.facet, by_facet, truth.viewer, seed, relative)
    result: dict[str, Any] = {
        "facets": list(config.facets),
        "viewers": len(sequences),
        "gate": asdict(gate),
        "gate_relative": asdict(gate_relative),
    }
    if found.router is None or model.config.n_experts == 1:  # one expert stands for every value, which says nothing
        return result
    facets = range(len(config.facets))
    heads: dict[str, list[int | None]] = {
        "router": [standing_for(a, gate.matching, first[truth.facet == a]) for a in facets],
        "router_relative": [standing_for(a, gate_relative.matching, relative[truth.facet == a]) for a in facets],
    }
    if named:
        heads["router_named"] = [named.get(facet) for facet in config.facets]
    for name, of in heads.items():
        judged = judge_routers(found, truth, of, seed, relative=name == "router_relative")
        result |= {name: {config.facets[a]: row for a, row in judged.items()}, **means(name, list(judged.values()))}
    return result


class Truth(NamedTuple):
    """What is in force at the next step of each of n steps, and what the observer believes of it.

    facet, value: int64 [n].   belief: float32 [n,A,W].   viewer: int64 [n], rising.   n_values: int64 [A].
    """

    facet: np.ndarray
    value: np.ndarray
    belief: np.ndarray
    viewer: np.ndarray
    n_values: np.ndarray

    @classmethod
    def at(cls, at: np.ndarray, planted: Planted, beliefs: Beliefs, n_values: np.ndarray) -> Truth:
        """The truth behind the places `at` of the audience's items."""
        viewer = np.searchsorted(planted.sequences.offsets, at, "right") - 1
        facet, value = (truth[at + 1].astype(np.int64) for truth in (planted.facet, planted.value))
        return cls(facet, value, beliefs.next[at], viewer, n_values)


def above_mean(weights: np.ndarray) -> np.ndarray:
    """Which of the weights [n,L] is largest over its own mean: int64 [n]."""
    return (weights / np.maximum(weights.mean(0), 1e-12)).argmax(1)


def judge_routers(
    found: Routing, truth: Truth, heads: Sequence[int | None], seed: int, relative: bool
) -> dict[int, dict[str, Any]]:
    """By facet, where it has a head: how well that head's router tells the value, and the `head`, from 1.

    relative: by the weight that is largest over its own mean.
    """
    assert found.router is not None
    rows: dict[int, dict[str, Any]] = {}
    for a, head in enumerate(heads):
        on = truth.facet == a
        if head is None or len(np.unique(truth.viewer[on])) < 2:
            continue
        belief = truth.belief[on, a, : truth.n_values[a]]
        belief = belief / np.maximum(belief.sum(1, keepdims=True), 1e-12)
        router = found.router[on, head]
        labels = above_mean(router) if relative else None
        judged = judge(router, found.states[on], truth.value[on], belief, truth.viewer[on], seed, labels)
        rows[a] = asdict(judged) | {"head": head + 1}
    return rows


def means(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Accuracy, ceiling and the part of the ceiling that is reached, over all steps of some facets."""
    steps = max(sum(row["steps"] for row in rows), 1)
    accuracy, ceiling = (sum(row[key] * row["steps"] for row in rows) / steps for key in ("accuracy", "ceiling"))
    return {
        f"{name}_accuracy": accuracy,
        f"{name}_ceiling": ceiling,
        f"{name}_of_ceiling": accuracy / max(ceiling, 1e-12),
    }


def standing_for(facet: int, matching: Sequence[tuple[int, ...]], heads: np.ndarray) -> int | None:
    """The head that stands for a facet, None where none does; of several the one chosen most often there."""
    count = np.bincount(heads, minlength=len(matching))
    standing = [h for h, facets in enumerate(matching) if facet in facets]
    return max(standing, key=lambda h: count[h]) if standing else None
