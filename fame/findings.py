"""What a bundle's evidence.json says, checked once and as tables. `fame.probes` measures and writes it.

A bundle may come from anywhere: every figure that a screen or a picture shows has passed through `Findings.read`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.probes import SIGNIFICANCE

__all__ = ["Apart", "Findings", "Interval", "Lift", "Recovered", "Verdict"]

MOST = 100  # attributes, and values of one, that are read; `fame.probes` writes fewer
LONGEST = 2_000  # letters of a sentence


class Interval(NamedTuple):
    """Average precision with its 95% interval, each of one shape."""

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


class Recovered(NamedTuple):
    """How often a choice agrees with what a simulated viewer follows, beside what others would have."""

    what: str  # 'gate', or 'router in genres'
    accuracy: float
    constant: float  # the best answer that never changes
    shuffled: float  # the best of controls that are held against other viewers' truth
    observer: float  # who knows the simulator


@dataclass(frozen=True, eq=False)
class Findings:
    """A bundle's evidence. Letters: H heads, N experts, A attributes, M values of one.

    spaces: by what an attribute is read from, its figures by attribute: 'full embedding', 'random spaces', 'chance' and
        where they were measured 'popularity' and 'slices of a SASRec' (mean and range over slices), each [A].
    above: boolean [H,A], better than random spaces (q < .05).   by_value: for each attribute [H+1,M], the full
    embedding last.   apart: None where it was not measured.
    alike: [H,H] linear CKA of item spaces, `alike_random` that of two random ones.   overlap: [H+1,H+1] rank-biased
    overlap of the first `depth` of two lists, the final list last.   lifts: [H][N], those with q < .05.
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
    router_mean: np.ndarray  # [H,N]
    router_first: np.ndarray  # [H,N], share of histories
    router_entropy: np.ndarray  # [H], of its maximum
    dead: np.ndarray  # boolean [H,N]
    lifts: tuple[tuple[tuple[Lift, ...], ...], ...]
    recovered: tuple[Recovered, ...]

    @classmethod
    def read(cls, evidence: Mapping[str, Any], config: FAMEConfig) -> Self:
        """The evidence of a model of this shape, as `fame.probes.evidence` and `fame.recovery` wrote it.

        Raises:
            FameError: a part is missing or of another form.
        """
        H, N, of = config.n_heads, config.n_experts, Part("evidence.json", evidence)
        probed = of.known("probes")
        told = of.parts("attributes") if probed else []
        names = tuple(a.text("name") for a in told)
        values = tuple(tuple(a.texts("values")) for a in told)
        A, sizes = len(names), [len(v) for v in values]
        heads = Interval(*np.full((3, H, A), np.nan))
        above = np.zeros((H, A), bool)
        spaces: dict[str, Interval] = {}
        by_value: tuple[np.ndarray, ...] = ()
        if probed:
            probes = of.part("probes")
            heads = probes.interval("ap", H, A)
            above = probes.numbers("q_random", H, A) < SIGNIFICANCE
            spaces["full embedding"] = probes.interval("full", A)
            if probes.known("baseline"):
                slices = probes.numbers("baseline", H, A)
                spaces["slices of a SASRec"] = Interval(slices.mean(0), slices.min(0), slices.max(0))
            spaces["random spaces"] = probes.interval("random", A)
            if probes.known("popularity"):
                spaces["popularity"] = probes.interval("popularity", A)
            spaces["chance"] = probes.interval("null", A)
            full = probes.ragged("full_values", (A,), sizes)
            own = probes.ragged("values", (H, A), sizes)
            by_value = tuple(np.stack([*(own[h][a] for h in range(H)), full[a]]) for a in range(A))
        apart = None
        if of.known("dci"):
            apart = Apart(*(float(of.part("dci").numbers(name)) for name in Apart._fields))
        verdicts = of.parts("verdicts")
        if len(verdicts) != H:
            raise of.fault("verdicts", f"{H} tables, one per head")
        redundancy, lists, experts = of.part("redundancy"), of.part("lists"), of.part("experts")
        return cls(
            names,
            values,
            heads,
            above,
            spaces,
            by_value,
            apart,
            tuple(Verdict(v.text("attribute") if v.known("attribute") else None, v.text("why")) for v in verdicts),
            of.text("rule"),
            redundancy.numbers("cka", H, H),
            float(redundancy.numbers("cka_random")),
            lists.numbers("rbo", H + 1, H + 1),
            int(np.nan_to_num(lists.numbers("depth"))),
            int(np.nan_to_num(of.part("histories").numbers("count"))),
            experts.numbers("router_mean", H, N),
            experts.numbers("router_first", H, N),
            experts.numbers("router_entropy", H),
            experts.numbers("dead", H, N) > 0,
            _lifts(experts, names, values, H, N),
            _recovered(of),
        )

    def probe_table(self) -> pd.DataFrame:
        """What is read from each space: space, attribute, average_precision, low, high."""
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
        """Average precision of each value: attribute, value, head_1 …, full_embedding."""
        H = len(self.verdicts)
        columns = [*(f"head_{h + 1}" for h in range(H)), "full_embedding"]
        tables = [
            pd.DataFrame(x.T, columns=columns).assign(attribute=name, value=list(values))
            for name, values, x in zip(self.attributes, self.values, self.by_value, strict=True)
        ]
        return pd.concat(tables)[["attribute", "value", *columns]] if tables else pd.DataFrame()

    def lift_table(self) -> pd.DataFrame:
        """What experts attend to more, or less, than chance would: head, expert and the fields of `Lift`."""
        rows = [
            {"head": h + 1, "expert": n + 1} | lift._asdict()
            for h, experts in enumerate(self.lifts) for n, lifts in enumerate(experts) for lift in lifts
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["head", "expert", *Lift._fields])

    def say(self) -> str:
        """One sentence: what probes call the heads."""
        named = [f"head {h + 1} {v.attribute}" for h, v in enumerate(self.verdicts) if v.attribute]
        unclear = [str(h + 1) for h, v in enumerate(self.verdicts) if not v.attribute]
        if not named:
            return "Probes name no head: what each is about is unclear."
        left = f", and leave head{'s' * (len(unclear) > 1)} {_listed(unclear)} unclear" if unclear else ""
        return f"Probes call {_listed(named)}{left}."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _lifts(
    experts: Part, names: Sequence[str], values: Sequence[Sequence[str]], H: int, N: int
) -> tuple[tuple[tuple[Lift, ...], ...], ...]:
    """The lifts that are more than chance, largest first; where nothing was probed there are none."""
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
        return tuple(sorted((x for x in found if x.q < SIGNIFICANCE), key=lambda x: -x.lift))

    return tuple(tuple(of(h, n) for n in range(N)) for h in range(H))


def _recovered(of: Part) -> tuple[Recovered, ...]:
    """Gate and routers of a simulated audience; empty for a real one."""
    if not of.known("recovery"):
        return ()
    recovery = of.part("recovery")
    router = recovery.part("router")
    parts = {"gate": recovery.part("gate")} | {f"router in {name}": router.part(name) for name in router.names()}
    return tuple(
        Recovered(what, *(float(x.numbers(key)) for key in ("accuracy", "constant", "control_high", "ceiling")))
        for what, x in parts.items()
    )


class Part:
    """A part of the file, which says where it is when something is not as it should be."""

    def __init__(self, name: str, value: Any):
        if not isinstance(value, Mapping):
            raise FameError(f"{name} is {str(value)[:50]!r}; expected a table with names")
        self.name, self.value = name, value

    def fault(self, key: str, expected: str) -> FameError:
        found = f"is {str(self.value[key])[:50]!r}" if key in self.value else "is missing"
        again = "the evidence is of another version or model: gather it again, with fame train RECIPE"
        return FameError(f"{self.name}: {key} {found}; expected {expected}; {again}")

    def known(self, key: str) -> bool:
        return self.value.get(key) is not None

    def names(self) -> list[str]:
        return [str(name)[:LONGEST] for name in self.value][:MOST]

    def part(self, key: str) -> Part:
        if not isinstance(self.value.get(key), Mapping):
            raise self.fault(key, "a table with names")
        return Part(f"{self.name}: {key}", self.value[key])

    def parts(self, key: str) -> list[Part]:
        found = self.value.get(key)
        if not isinstance(found, list) or len(found) > MOST or not all(isinstance(x, Mapping) for x in found):
            raise self.fault(key, f"a list of at most {MOST} tables")
        return [Part(f"{self.name}: {key}", x) for x in found]

    def text(self, key: str) -> str:
        if not isinstance(self.value.get(key), str):
            raise self.fault(key, "a text")
        return str(self.value[key])[:LONGEST]

    def texts(self, key: str) -> list[str]:
        found = self.value.get(key)
        if not isinstance(found, list) or len(found) > MOST or not all(isinstance(x, str) for x in found):
            raise self.fault(key, f"a list of at most {MOST} texts")
        return [x[:LONGEST] for x in found]

    def numbers(self, key: str, *shape: int) -> np.ndarray:
        """float64 of this shape; what is null is NaN."""
        try:
            found = np.array(self.value.get(key, ""), np.float64)
        except (TypeError, ValueError, OverflowError):
            found = np.full(1, np.inf)
        if found.shape != shape or np.isinf(found).any():
            raise self.fault(key, " × ".join(map(str, shape)) + " numbers" if shape else "a number")
        return found

    def interval(self, key: str, *shape: int) -> Interval:
        return Interval(*(self.numbers(f"{key}{end}", *shape) for end in ("", "_low", "_high")))

    def ragged(self, key: str, shape: tuple[int, ...], sizes: Sequence[int]) -> Any:
        """Lists in lists of this shape, whose innermost, one per attribute, have these sizes: arrays there."""

        def read(value: Any, left: tuple[int, ...], size: int) -> Any:
            if not left:
                return Part(self.name, {key: value}).numbers(key, size)
            if not isinstance(value, list) or len(value) != left[0]:
                raise self.fault(key, " × ".join(map(str, shape)) + " lists of numbers")
            return [read(v, left[1:], sizes[i] if len(left) == 1 else 0) for i, v in enumerate(value)]

        return read(self.value.get(key), shape, 0)
