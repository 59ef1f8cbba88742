"""What a bundle's evidence.json says, as one typed record and as tables. `fame.make.probes.gather` writes it.

A bundle may come from anywhere: every figure that a screen or a picture shows has passed through `Evidence.of`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from fame.config import FAMEConfig
from fame.evidence.answer import answer, guidance, summary
from fame.evidence.checked import LARGEST, Part
from fame.evidence.rule import SIGNIFICANCE
from fame.statistics import benjamini_hochberg

__all__ = ["SLICES", "Again", "Apart", "Evidence", "Interval", "Lift", "Recovered", "Verdict"]

SLICES = "slices of a SASRec"  # its interval is the range over slices


class Interval(NamedTuple):
    """Average precision with the two ends of its interval, each of one shape."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Verdict(NamedTuple):
    """What a head is called, None where that is unclear, and why."""

    attribute: str | None
    why: str


class Lift(NamedTuple):
    """How many times as much an expert attends to items with a value as the same history has of them."""

    attribute: str
    value: str
    lift: float
    low: float
    high: float
    q: float


class Apart(NamedTuple):
    """How far heads are about one attribute each, and attributes in one head (Eastwood and Williams): 0 to 1."""

    disentanglement: float
    random_disentanglement: float  # of random spaces
    completeness: float
    random_completeness: float


class Again(NamedTuple):
    """How far other trainings find each expert's preference again: `fame.make.again.found_again`."""

    seeds: int
    items: int
    shared: np.ndarray  # [H,N]
    usual: np.ndarray  # [H], of random directions
    q: np.ndarray  # [H,N], corrected over all experts

    def of(self, head: int, expert: int) -> dict[str, Any]:
        """That of one expert: the fields of `fame.explain.Again`."""
        at = head, expert
        return {
            "seeds": self.seeds,
            "items": self.items,
            "shared": float(self.shared[at]),
            "usual": float(self.usual[head]),
            "q": float(self.q[at]),
        }


class Recovered(NamedTuple):
    """How often a choice agrees with what is in force at a simulated viewer's next step, beside what others would have.

    Of a router: the router of the head that is in force with the facet, where the facet is.
    """

    facet: str | None  # None: the gate
    head: int | None  # from 0, of a router
    accuracy: float
    margin: float  # half of its 95% interval
    constant: float  # the best answer that never changes
    shuffled: float  # the best of controls that are held against other viewers' truth
    observer: float  # who knows the simulator


@dataclass(frozen=True, eq=False)
class Evidence:
    """A bundle's evidence. Letters: H heads, N experts, A attributes, M values of one.

    spaces: by what an attribute is read from, its figures by attribute, each [A]: 'full embedding' (95%, items
        resampled), 'random spaces' and 'chance' (95% of draws), and where they were measured 'popularity' (items
        resampled) and SLICES.
    above: boolean [H,A], better than random spaces (q < .05).   by_value: for each attribute [H+2,M]: heads, the full
    embedding, and chance, which for a single value is the share of items that have it.
    apart: None where it was not measured.   gate_mean: [H], over histories.
    alike: [H,H] linear CKA of item spaces, `alike_random` that of two random ones.   overlap: [H+1,H+1] rank-biased
    overlap of the first `depth` of two lists, the final list last.
    lifts: [H][N], those with q < .05; first those that are most surely above 1.
    recovered: of simulated viewers, else empty; `observer_told` whether the observer it is held against knows the
    viewers' preferences.
    guided: the attribute that each of the first heads was guided by in training, '' for one that was left free.
    again: None where no other seed was trained, or experts have no preferences of their own.
    """

    attributes: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    heads: Interval  # [H,A]
    above: np.ndarray
    spaces: dict[str, Interval]
    by_value: tuple[np.ndarray, ...]
    apart: Apart | None
    verdicts: tuple[Verdict, ...]
    rule: str
    alike: np.ndarray
    alike_random: float
    overlap: np.ndarray
    depth: int
    histories: int
    gate_mean: np.ndarray
    gate_entropy: float  # as router_entropy, mean over histories
    router_mean: np.ndarray  # [H,N]
    router_first: np.ndarray  # [H,N], share of histories
    router_entropy: np.ndarray  # [H], of its maximum: 1 undecided, 0 always certain
    dead: np.ndarray  # boolean [H,N]
    lifts: tuple[tuple[tuple[Lift, ...], ...], ...]
    recovered: tuple[Recovered, ...]
    observer_told: bool
    guided: tuple[str, ...]
    again: Again | None = None

    @classmethod
    def of(cls, evidence: Mapping[str, Any], config: FAMEConfig) -> Self:
        """The evidence of a model of this shape, as `fame.make.probes` and `fame.make.recovery` wrote it.

        Raises:
            FameError: a part is missing or of another form.
        """
        H, N, file = config.n_heads, config.n_experts, Part("evidence.json", evidence)
        attributes = file.parts("attributes") if file.known("probes") else []
        names = tuple(a.text("name") for a in attributes)
        values = tuple(tuple(a.texts("values")) for a in attributes)
        if len(set(names)) < len(names):
            raise file.fault("attributes", "each name once")
        redundancy, lists, experts = file.part("redundancy"), file.part("lists"), file.part("experts")
        source = next((name for name in ("recovery", "recovery_told") if file.known(name)), None)
        heads, above, spaces, by_value = _probes(file, attributes, [len(v) for v in values], H)
        return cls(
            attributes=names,
            values=values,
            heads=heads,
            above=above,
            spaces=spaces,
            by_value=by_value,
            apart=Apart(*(float(file.part("dci").numbers(name)) for name in Apart._fields))
            if file.known("dci")
            else None,
            verdicts=_verdicts(file, names, H),
            rule=file.text("rule"),
            alike=redundancy.numbers("cka", H, H),
            alike_random=float(redundancy.numbers("cka_random")),
            overlap=lists.numbers("rbo", H + 1, H + 1),
            depth=lists.count("depth"),
            histories=file.part("histories").count("count"),
            gate_mean=file.part("gate").numbers("mean", H),
            gate_entropy=float(file.part("gate").numbers("entropy")),
            router_mean=experts.numbers("router_mean", H, N),
            router_first=experts.numbers("router_first", H, N),
            router_entropy=experts.numbers("router_entropy", H),
            dead=experts.numbers("dead", H, N) > 0,
            lifts=_lifts(experts, names, values, H, N),
            recovered=_recovered(file.part(source), H) if source else (),
            observer_told=source == "recovery_told",
            guided=_guided(file, H),
            again=_again(file.part("again"), H, N) if file.known("again") else None,
        )

    def probe_table(self) -> pd.DataFrame:
        """What is read from each space: space, attribute, average_precision, and low and high, the ends of its
        interval: of a SASRec's slices their range, of random spaces and chance 95% of draws, else 95%, items resampled.
        """
        rows = [
            {"space": f"head {h + 1}", "attribute": name, "average_precision": self.heads.mean[h, a],
             "low": self.heads.low[h, a], "high": self.heads.high[h, a], "above_random": bool(self.above[h, a])}
            for h in range(len(self.verdicts)) for a, name in enumerate(self.attributes)
        ]  # fmt: skip
        rows += [
            {"space": space, "attribute": name, "average_precision": x.mean[a], "low": x.low[a], "high": x.high[a]}
            for space, x in self.spaces.items() for a, name in enumerate(self.attributes)
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def value_table(self) -> pd.DataFrame:
        """Average precision of each value: attribute, value, head_1 …, full_embedding, frequency."""
        H = len(self.verdicts)
        columns = [*(f"head_{h + 1}" for h in range(H)), "full_embedding", "frequency"]
        tables = [
            pd.DataFrame(x.T, columns=columns).assign(attribute=name, value=list(values))
            for name, values, x in zip(self.attributes, self.values, self.by_value, strict=True)
        ]
        return pd.concat(tables)[["attribute", "value", *columns]] if tables else pd.DataFrame()

    def expert_table(self) -> pd.DataFrame:
        """How experts are used: head, expert, router_mean, router_first (share of histories), dead."""
        H, N = self.router_mean.shape
        head, expert = np.indices((H, N)) + 1
        return pd.DataFrame(
            {"head": head.ravel(), "expert": expert.ravel(), "router_mean": self.router_mean.ravel(),
             "router_first": self.router_first.ravel(), "dead": self.dead.ravel()}
        )  # fmt: skip

    def likeness_table(self) -> pd.DataFrame:
        """Pairs of heads, and each with the final list: one, other, item_spaces_cka, lists_rbo."""
        H = len(self.verdicts)
        names = [*(f"head {h + 1}" for h in range(H)), "final list"]
        rows = [
            {"one": names[a], "other": names[b], "item_spaces_cka": self.alike[a, b] if b < H else None,
             "lists_rbo": self.overlap[a, b]}
            for a in range(H) for b in range(a + 1, H + 1)
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def lift_table(self) -> pd.DataFrame:
        """What experts attend to more, or less, than chance would: head, expert and the fields of `Lift`."""
        rows = [
            {"head": h + 1, "expert": n + 1} | lift._asdict()
            for h, experts in enumerate(self.lifts) for n, lifts in enumerate(experts) for lift in lifts
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["head", "expert", *Lift._fields])

    def answer(self, agreements: pd.DataFrame | None = None) -> list[str]:
        """What the heads are about, in plain sentences made of the numbers: see `fame.evidence.answer`."""
        return answer(self, agreements)

    def summary(self) -> str:
        """One sentence: what the tests call the heads."""
        return summary(self)

    def guidance(self, many: str) -> str:
        """One sentence: which heads were guided in training; nothing where none was. many: the plural of the noun."""
        return guidance(self, many)


def _probes(
    file: Part, attributes: Sequence[Part], sizes: Sequence[int], H: int
) -> tuple[Interval, np.ndarray, dict[str, Interval], tuple[np.ndarray, ...]]:
    """`heads`, `above`, `spaces` and `by_value`; empty where nothing was probed."""
    A = len(attributes)
    if not A:
        return Interval(*np.zeros((3, H, 0))), np.zeros((H, 0), bool), {}, ()
    probes = file.part("probes")
    spaces = {"full embedding": _interval(probes, "full", A)}
    if probes.known("baseline"):
        slices = probes.numbers("baseline", H, A)
        spaces[SLICES] = Interval(slices.mean(0), slices.min(0), slices.max(0))
    spaces["random spaces"] = _interval(probes, "random", A)
    if probes.known("popularity"):
        spaces["popularity"] = _interval(probes, "popularity", A)
    spaces["chance"] = _interval(probes, "null", A)
    full, own = probes.ragged("full_values", (A,), sizes, 1.0), probes.ragged("values", (H, A), sizes, 1.0)
    items = file.count("items")
    by_value = tuple(
        np.stack([*(own[h][a] for h in range(H)), full[a], attribute.numbers("items", size, most=LARGEST) / items])
        for a, (attribute, size) in enumerate(zip(attributes, sizes, strict=True))
    )
    above = probes.numbers("q_random", H, A) < SIGNIFICANCE
    return _interval(probes, "ap", H, A), above, spaces, by_value


def _verdicts(file: Part, names: Sequence[str], H: int) -> tuple[Verdict, ...]:
    tables = file.parts("verdicts")
    if [v.value.get("head") for v in tables] != list(range(1, H + 1)):
        raise file.fault("verdicts", f"{H} tables, one per head in order")
    found = tuple(Verdict(v.text("attribute") if v.known("attribute") else None, v.text("why")) for v in tables)
    if any(v.attribute not in (None, *names) for v in found):
        raise file.fault("verdicts", "attributes that were probed, or null")
    return found


def _lifts(
    experts: Part, names: Sequence[str], values: Sequence[Sequence[str]], H: int, N: int
) -> tuple[tuple[tuple[Lift, ...], ...], ...]:
    """The lifts that are beyond chance, those most surely above 1 first; where nothing was probed there are none."""
    if not names:
        return ((((),) * N),) * H
    sizes = [len(v) for v in values]
    parts = [experts.ragged(f"lift{end}", (H, N, len(names)), sizes) for end in ("", "_low", "_high", "_q")]

    def of(h: int, n: int) -> tuple[Lift, ...]:
        found = [
            Lift(name, value, *(float(part[h][n][a][m]) for part in parts))
            for a, name in enumerate(names)
            for m, value in enumerate(values[a])
        ]
        return tuple(sorted((x for x in found if x.q < SIGNIFICANCE), key=lambda x: -x.low))

    return tuple(tuple(of(h, n) for n in range(N)) for h in range(H))


def _guided(file: Part, H: int) -> tuple[str, ...]:
    attributes = file.texts("guided") if file.known("guided") else []
    if len(attributes) > H:
        raise file.fault("guided", f"at most {H} attributes, one per head")
    return tuple(attributes)


def _again(part: Part, H: int, N: int) -> Again:
    return Again(
        seeds=part.count("seeds"),
        items=part.count("items"),
        shared=part.numbers("shared", H, N),
        usual=part.numbers("usual", H),
        q=benjamini_hochberg(part.numbers("p", H, N)),
    )


def _recovered(recovery: Part, H: int) -> tuple[Recovered, ...]:
    """The gate, and where heads have several experts the routers."""

    def one(part: Part, facet: str | None = None) -> Recovered:
        head = None if facet is None else part.count("head", H) - 1
        keys = ("accuracy", "margin", "constant", "control_high", "ceiling")
        return Recovered(facet, head, *(float(part.numbers(key)) for key in keys))

    found = [one(recovery.part("gate"))]
    if recovery.known("router"):
        router = recovery.part("router")
        found += [one(router.part(name), name) for name in router.names()]
    return tuple(found)


def _interval(part: Part, key: str, *shape: int) -> Interval:
    return Interval(*(part.numbers(f"{key}{end}", *shape) for end in ("", "_low", "_high")))
