"""What gate, routers, experts and lists do over many histories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from fame.errors import FameError
from fame.explain.compare import rank_biased_overlap
from fame.make.data.sequences import Sequences
from fame.make.evaluate import pad
from fame.make.probes.config import ProbeConfig
from fame.make.probes.labels import Labels
from fame.make.probes.statistics import jensen_shannon
from fame.model import FAME
from fame.statistics import benjamini_hochberg, relative_entropy

__all__ = ["Readings", "attended_lift", "blind_p", "divergence", "history_evidence", "list_overlap", "read_histories"]


def history_evidence(
    model: FAME,
    histories: Sequences,
    labels: Labels,
    source: str,
    config: ProbeConfig,
    rng: np.random.Generator,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """The part of `gather.evidence` that is about histories: histories, lists, gate, experts.

    Raises:
        FameError: no history has an item and leaves one to recommend.
    """
    tell("reading histories")
    n_items = model.config.n_items
    fit = [h for h in map(histories.history, range(len(histories))) if 0 < len(np.unique(h)) < n_items]
    if not fit:
        raise FameError("probes: expected a history with at least one item and one item left to recommend")
    fit = [fit[u] for u in np.sort(rng.permutation(len(fit))[: config.histories])]
    readings = read_histories(model, fit, config.depth)
    lift = attended_lift(readings, labels.has, config.bootstraps, rng)
    return {
        "histories": {"count": len(fit), "source": source, "median_length": float(np.median([len(h) for h in fit]))},
        "lists": {
            "depth": readings.lists.shape[-1],
            "persistence": config.persistence,
            "rbo": list_overlap(readings.lists, config.persistence),
        },
        "gate": _gate(readings.gate),
        "experts": _experts(readings) | _lifts(lift, labels),
    }


class Readings(NamedTuple):
    """The model's last step over U histories, float64.

    items: int64 [U,T], 0 where a history has ended.   gate: [U,H].   router: [U,H,N].   attention: [U,H,N,T].
    router_most: [H,N], the largest weight at any step.   lists: int64 [U,H+1,k], each head's and the final one.
    """

    items: np.ndarray
    gate: np.ndarray
    router: np.ndarray
    attention: np.ndarray
    router_most: np.ndarray
    lists: np.ndarray


@torch.inference_mode()
def read_histories(model: FAME, histories: list[np.ndarray], depth: int, size: int = 32) -> Readings:
    device, max_len = model.items.weight.device, model.config.max_len
    items = pad(histories, max_len)
    depth = min(depth, model.config.n_items - max(len(np.unique(h)) for h in histories))
    parts: list[tuple[np.ndarray, ...]] = []
    for start in range(0, len(items), size):
        some = items[start : start + size].to(device)
        out = model(some, record=True)
        assert out.gate is not None and out.router is not None and out.F is not None and out.attention is not None
        rows, last = torch.arange(len(some), device=device), (some > 0).sum(1) - 1
        scores = model.head_scores(out.F[rows, last])  # [u h v]
        scores = torch.cat([scores, model.score(out.query[rows, last]).unsqueeze(1)], 1)
        for row, history in zip(scores, histories[start : start + size], strict=True):
            row[:, torch.from_numpy(history.astype(np.int64)).to(device)] = -torch.inf
        most = torch.where((some > 0)[:, :, None, None], out.router, 0).amax((0, 1))
        kept = (
            out.gate[rows, last],
            out.router[rows, last],
            out.attention[rows, :, :, last],
            most[None],
            scores.topk(depth, -1).indices,
        )
        parts.append(tuple(x.cpu().numpy() for x in kept))
    gate, router, attention, peak, lists = (np.concatenate(x) for x in zip(*parts, strict=True))
    return Readings(
        items.numpy(), gate.astype(float), router.astype(float), attention.astype(float), peak.max(0), lists
    )


def list_overlap(lists: np.ndarray, p: float) -> np.ndarray:
    """Mean rank-biased overlap of each two lists over histories: lists [U,L,k] -> [L,L]."""
    L = lists.shape[1]
    overlap = np.eye(L)
    for i in range(L):
        for j in range(i):
            overlap[i, j] = overlap[j, i] = rank_biased_overlap(lists[:, i], lists[:, j], p).mean()
    return overlap


class AttendedLift(NamedTuple):
    """Share of attention on items with a value, over the value's share of the same histories' items: [H,N,M] each.

    low, high: 95% interval, histories resampled.   q: of attention being blind to the value (see `blind_p`), after
    Benjamini-Hochberg over all experts and values. NaN, and q 1, where no history has items both with and without it.
    """

    lift: np.ndarray
    low: np.ndarray
    high: np.ndarray
    q: np.ndarray


def attended_lift(readings: Readings, has: np.ndarray, draws: int, rng: np.random.Generator) -> AttendedLift:
    """What experts look at beyond what is there to look at. has: boolean [V,M]."""
    value = has[readings.items]  # [u t m]
    there = (readings.items > 0).sum(1)
    base = value.sum(1) / there[:, None]  # [u m]
    seen = np.einsum("uhnt,utm->uhnm", readings.attention, value, optimize=True)
    mixed = (base > 0) & (base < 1)  # elsewhere attention cannot choose
    base, seen = base * mixed, seen * mixed[:, None, None]
    flat = seen.reshape(len(seen), -1)  # [u hnm]
    with np.errstate(invalid="ignore", divide="ignore"):
        lift = seen.sum(0) / base.sum(0)
        weights = rng.multinomial(len(base), np.full(len(base), 1 / len(base)), draws).astype(float)
        resampled = (weights @ flat).reshape(draws, *lift.shape) / (weights @ base)[:, None, None]
    known = np.isfinite(lift)
    low, high = np.full((2, *lift.shape), np.nan)
    if lift.size:  # nanquantile of nothing has another shape
        ends = np.nanquantile(np.where(known, resampled, 0), [0.025, 0.975], axis=0)
        low, high = np.where(known, ends, np.nan)
    return AttendedLift(lift, low, high, benjamini_hochberg(blind_p(readings.attention, value, there)))


def blind_p(attention: np.ndarray, value: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Two-sided p-values of attention being blind to values: [H,N,M]; 1 where it cannot choose.

    Blind: each history's attention might as well be turned round by any number of places. Unlike shuffling this keeps
    that neighbours share values and that attention falls on neighbours. It takes a value to be as frequent early in
    histories as late; where people turn to newer films, an expert of the latest items is not blind to the year.

    Summed over histories, attention beyond the base rate has mean 0 under turning, and its exact second and third
    moments give the tail, of a Pearson type III curve (as Josse, Pagès & Husson 2008 do for permutations); a normal
    curve finds far too much where values are rare and attention is on few items. Two things err towards blindness:
    the thinner tail is taken to be a normal's, and the variance that which is seen between histories where this is
    the larger one, as it is where attention always stays at one end.

    attention: [U,H,N,T].   value: boolean [U,T,M].   there: int [U], how many of the T places are items.
    """
    from scipy.stats import pearson3

    shape = (*attention.shape[1:3], value.shape[2])
    total, apart, turned, skewed = np.zeros((4, shape[0] * shape[1], shape[2]))
    for a, v, T in zip(attention, value, there.tolist(), strict=True):
        turns = (np.arange(T)[:, None] + np.arange(T)) % T
        excess = a[..., :T].reshape(-1, T)[:, turns] @ (v[:T] - v[:T].mean(0))  # [hn turn m]
        total += excess[:, 0]
        apart += excess[:, 0] ** 2
        turned += (excess**2).mean(1)
        skewed += (excess**3).mean(1)
    chooses = turned > 1e-12
    deviation = np.sqrt(np.where(chooses, np.maximum(turned, apart), 1))
    z, skewness = total / deviation, skewed / deviation**3
    p = 2 * pearson3.sf(np.abs(z), np.maximum(np.sign(z) * skewness, 0))
    return np.where(chooses, np.minimum(p, 1), 1).reshape(shape)


def divergence(attention: np.ndarray) -> np.ndarray:
    """Mean Jensen-Shannon divergence between the attention of each two experts of a head: [U,H,N,T] -> [H,N,N]."""
    N = attention.shape[2]
    pairs = [[jensen_shannon(attention[:, :, n], attention[:, :, m]).mean(0) for m in range(N)] for n in range(N)]
    return np.moveaxis(np.array(pairs), -1, 0)


def choice_rates(chosen: np.ndarray, n: int) -> np.ndarray:
    """How often each of n was chosen: [n], sums to 1."""
    return np.bincount(chosen, minlength=n) / len(chosen)


def _gate(gate: np.ndarray) -> dict[str, Any]:
    """How gates [U,H] weigh the heads."""
    H, entropy = gate.shape[1], relative_entropy(gate, 1)
    return {
        "mean": gate.mean(0),
        "std": gate.std(0),
        "first": choice_rates(gate.argmax(1), H),
        "relative_first": choice_rates((gate / gate.mean(0)).argmax(1), H),
        "entropy": entropy.mean(),
        "entropy_std": entropy.std(),
    }


def _experts(readings: Readings) -> dict[str, Any]:
    """How routers weigh the experts, and how far the experts' attention differs."""
    router = readings.router
    _, H, N = router.shape
    entropy = relative_entropy(router, 2)
    return {
        "router_mean": router.mean(0),
        "router_first": np.stack([choice_rates(router[:, h].argmax(1), N) for h in range(H)]),
        "router_most": readings.router_most,
        "dead": readings.router_most < 0.99 / N,  # never has even an equal share
        "router_entropy": entropy.mean(0),
        "router_entropy_std": entropy.std(0),
        "divergence": divergence(readings.attention),
    }


def _lifts(lift: AttendedLift, labels: Labels) -> dict[str, Any]:
    """Lifts [H,N,M] under their names in the file, attribute by attribute."""
    named = {"lift": lift.lift, "lift_low": lift.low, "lift_high": lift.high, "lift_q": lift.q}
    return {name: [[labels.split(values) for values in head] for head in x] for name, x in named.items()}
