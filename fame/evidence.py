"""What a bundle's evidence.json says, checked once and as tables. `fame.make.probes.gather` measures and writes it.

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
from fame.text import listing, number, percent

__all__ = [
    "LEAST_GAIN",
    "LEAST_KNOWN",
    "LEAST_LEAD",
    "LEAST_PRECISION",
    "RULE",
    "SIGNIFICANCE",
    "SLICES",
    "Apart",
    "Findings",
    "Interval",
    "Lift",
    "Recovered",
    "Verdict",
]

SIGNIFICANCE = 0.05  # of q, the p-value after Benjamini-Hochberg over all heads and attributes
LEAST_KNOWN = 0.1  # average precision beyond chance in the full embedding; less is nothing to be about
LEAST_PRECISION = 0.5  # average precision of a verdict; a name that can hardly be read off would mislead
LEAST_GAIN = -0.05  # of a verdict, as a part of what the full embedding knows beyond chance: at random spaces' level …
LEAST_LEAD = 0.1  # … and so much more than for every other attribute
RULE = (
    f"Of the attributes that the full embedding knows (average precision at least {LEAST_KNOWN} above chance), a head "
    "is called by the one with the largest gain. A gain is the average precision less the mean of random spaces of the "
    "head's width, as a part of what the full embedding knows beyond chance. The name stands where the attribute is "
    f"read from the head better than chance (q < {SIGNIFICANCE}), better than from popularity (by its whole interval) "
    f"with an average precision of at least {LEAST_PRECISION}, and no worse than from random spaces (gain at least "
    f"{number(LEAST_GAIN)}), and where the gain leads that of every other attribute by at least {LEAST_LEAD} and by "
    f"more than in random spaces (q < {SIGNIFICANCE}); q is p after Benjamini-Hochberg over all heads and attributes. "
    "Otherwise the head is unclear."
)
MOST = 100  # attributes, and values of one, that are read; `fame.make.probes.gather` writes fewer
SLICES = "slices of a SASRec"  # its interval is the range over slices
LONGEST = 2_000  # letters of a sentence
LARGEST = 1e9  # count or lift


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
class Findings:
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
    recovered: of simulated viewers, else empty; `told` whether its observer is told the viewers' preferences.
    guided: the attribute that each of the first heads was told in training, '' for one that was left free; of
    `guided_part` of the items.
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
    told: bool
    guided: tuple[str, ...]
    guided_part: float = 1.0

    @classmethod
    def read(cls, evidence: Mapping[str, Any], config: FAMEConfig) -> Self:
        """The evidence of a model of this shape, as `fame.make.probes` and `fame.make.recovery` wrote it.

        Raises:
            FameError: a part is missing or of another form.
        """
        H, N, of = config.n_heads, config.n_experts, Part("evidence.json", evidence)
        attributes = of.parts("attributes") if of.known("probes") else []
        names = tuple(a.text("name") for a in attributes)
        values = tuple(tuple(a.texts("values")) for a in attributes)
        if len(set(names)) < len(names):
            raise of.fault("attributes", "each name once")
        redundancy, lists, experts = of.part("redundancy"), of.part("lists"), of.part("experts")
        source = next((name for name in ("recovery", "recovery_told") if of.known(name)), None)
        heads, above, spaces, by_value = _probes(of, attributes, [len(v) for v in values], H)
        return cls(
            attributes=names,
            values=values,
            heads=heads,
            above=above,
            spaces=spaces,
            by_value=by_value,
            apart=Apart(*(float(of.part("dci").numbers(name)) for name in Apart._fields)) if of.known("dci") else None,
            verdicts=_verdicts(of, names, H),
            rule=of.text("rule"),
            alike=redundancy.numbers("cka", H, H),
            alike_random=float(redundancy.numbers("cka_random")),
            overlap=lists.numbers("rbo", H + 1, H + 1),
            depth=lists.count("depth"),
            histories=of.part("histories").count("count"),
            gate_mean=of.part("gate").numbers("mean", H),
            gate_entropy=float(of.part("gate").numbers("entropy")),
            router_mean=experts.numbers("router_mean", H, N),
            router_first=experts.numbers("router_first", H, N),
            router_entropy=experts.numbers("router_entropy", H),
            dead=experts.numbers("dead", H, N) > 0,
            lifts=_lifts(experts, names, values, H, N),
            recovered=_recovered(of.part(source), H) if source else (),
            told=source == "recovery_told",
            guided=_guided(of, H),
            guided_part=float(of.numbers("guided_part")) if of.known("guided_part") else 1.0,
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
        """Average precision of each value: attribute, value, head_1 …, full_embedding, chance."""
        H = len(self.verdicts)
        columns = [*(f"head_{h + 1}" for h in range(H)), "full_embedding", "chance"]
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

    def say(self) -> str:
        """One sentence: what probes call the heads."""
        named = [f"head {h + 1} {v.attribute}" for h, v in enumerate(self.verdicts) if v.attribute]
        unclear = [str(h + 1) for h, v in enumerate(self.verdicts) if not v.attribute]
        if not named:
            return "Probes name no head: what each is about is unclear." + self._closest()
        left = f", and leave head{'s' * (len(unclear) > 1)} {listing(unclear)} unclear" if unclear else ""
        return f"Probes call {listing(named)}{left}."

    def say_guided(self, many: str) -> str:
        """One sentence: which heads were told their attribute in training; nothing where none was.

        many: the catalogue's word for items.
        """
        heads = [f"head {h + 1} was told the {name}" for h, name in enumerate(self.guided) if name]
        if not heads:
            return ""
        asked = "this name was" if len(heads) == 1 else "these names were"
        these = f"these very {many}" if self.guided_part == 1 else f"{percent(self.guided_part)} of these {many}"
        return f"In training {listing(heads)} of {these}, so that {asked} asked for, not found."

    def _closest(self) -> str:
        """The head that comes closest to a name, by what it has beyond random spaces; nothing where none comes near."""
        if not (near := self.above & (self.heads.mean >= LEAST_PRECISION)).any():
            return ""
        random = self.spaces["random spaces"].mean
        gain = np.where(near, self.heads.mean - random, -np.inf)
        h, a = np.unravel_index(gain.argmax(), gain.shape)
        held = f"{number(self.heads.mean[h, a])} where random spaces have {number(random[a])}"
        return f" Closest comes head {h + 1} to {self.attributes[a]} ({held}), without earning the name."


def _probes(
    of: Part, attributes: Sequence[Part], sizes: Sequence[int], H: int
) -> tuple[Interval, np.ndarray, dict[str, Interval], tuple[np.ndarray, ...]]:
    """`heads`, `above`, `spaces` and `by_value`; empty where nothing was probed."""
    A = len(attributes)
    if not A:
        return Interval(*np.zeros((3, H, 0))), np.zeros((H, 0), bool), {}, ()
    probes = of.part("probes")
    spaces = {"full embedding": probes.interval("full", A)}
    if probes.known("baseline"):
        slices = probes.numbers("baseline", H, A)
        spaces[SLICES] = Interval(slices.mean(0), slices.min(0), slices.max(0))
    spaces["random spaces"] = probes.interval("random", A)
    if probes.known("popularity"):
        spaces["popularity"] = probes.interval("popularity", A)
    spaces["chance"] = probes.interval("null", A)
    full, own = probes.ragged("full_values", (A,), sizes, 1.0), probes.ragged("values", (H, A), sizes, 1.0)
    items = of.count("items")
    by_value = tuple(
        np.stack([*(own[h][a] for h in range(H)), full[a], attribute.numbers("items", size, most=LARGEST) / items])
        for a, (attribute, size) in enumerate(zip(attributes, sizes, strict=True))
    )
    above = probes.numbers("q_random", H, A) < SIGNIFICANCE
    return probes.interval("ap", H, A), above, spaces, by_value


def _verdicts(of: Part, names: Sequence[str], H: int) -> tuple[Verdict, ...]:
    told = of.parts("verdicts")
    if [v.value.get("head") for v in told] != list(range(1, H + 1)):
        raise of.fault("verdicts", f"{H} tables, one per head in order")
    found = tuple(Verdict(v.text("attribute") if v.known("attribute") else None, v.text("why")) for v in told)
    if any(v.attribute not in (None, *names) for v in found):
        raise of.fault("verdicts", "attributes that were probed, or null")
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


def _guided(of: Part, H: int) -> tuple[str, ...]:
    told = of.texts("guided") if of.known("guided") else []
    if len(told) > H:
        raise of.fault("guided", f"at most {H} attributes, one per head")
    return tuple(told)


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


def fit(value: Any) -> bool:
    """Whether it is a text that is not endless and can be sent: JSON may hold halves of letters."""
    return isinstance(value, str) and len(value) <= LONGEST and not any("\ud800" <= c <= "\udfff" for c in value)


class Part:
    """A part of the file, which says where it is when something is not as it should be."""

    def __init__(self, name: str, value: Any):
        if not isinstance(value, Mapping):
            raise FameError(f"{name} is {ascii(value)[:50]}; expected a table with names")
        self.name, self.value = name, value

    def fault(self, key: str, expected: str) -> FameError:
        found = f"is {ascii(self.value[key])[:50]}" if key in self.value else "is missing"
        again = "the evidence is of another version or model: gather it again, with fame train RECIPE"
        return FameError(f"{self.name}: {key} {found}; expected {expected}; {again}")

    def known(self, key: str) -> bool:
        return self.value.get(key) is not None

    def names(self) -> list[str]:
        """The names of at most MOST parts."""
        found = [name for name in self.value if fit(name)][:MOST]
        if len(found) < len(self.value):
            raise FameError(f"{self.name} has names that cannot be read; expected at most {MOST} short ones")
        return found

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
        if not fit(self.value.get(key)):
            raise self.fault(key, f"a text of at most {LONGEST:,} letters")
        return str(self.value[key])

    def texts(self, key: str) -> list[str]:
        found = self.value.get(key)
        if not isinstance(found, list) or len(found) > MOST or not all(map(fit, found)):
            raise self.fault(key, f"a list of at most {MOST} texts")
        return found

    def count(self, key: str, most: float = LARGEST) -> int:
        """A whole number from 1 to `most`."""
        found = self.value.get(key)
        if type(found) is not int or not 1 <= found <= most:
            raise self.fault(key, f"a whole number from 1 to {most:g}")
        return found

    def numbers(self, key: str, *shape: int, most: float = 1.0, gaps: bool = False) -> np.ndarray:
        """float64 of this shape from 0 to `most`; what is null is NaN, where there may be gaps."""
        try:
            found = np.array(self.value.get(key, ""), np.float64)
        except (TypeError, ValueError, OverflowError):
            found = np.full(1, np.inf)
        inside = (found >= 0) & (found <= most) | (gaps & np.isnan(found))
        if found.shape != shape or not inside.all():
            size = " × ".join(map(str, shape)) + " numbers" if shape else "a number"
            raise self.fault(key, f"{size} from 0 to {most:g}")
        return found

    def interval(self, key: str, *shape: int) -> Interval:
        return Interval(*(self.numbers(f"{key}{end}", *shape) for end in ("", "_low", "_high")))

    def ragged(self, key: str, shape: tuple[int, ...], sizes: Sequence[int], most: float = LARGEST) -> Any:
        """Lists in lists of this shape, whose innermost, one per attribute, have these sizes: arrays there."""

        def read(value: Any, left: tuple[int, ...], size: int) -> Any:
            if not left:
                return Part(self.name, {key: value}).numbers(key, size, most=most, gaps=True)
            if not isinstance(value, list) or len(value) != left[0]:
                raise self.fault(key, " × ".join(map(str, shape)) + " lists of numbers")
            return [read(v, left[1:], sizes[i] if len(left) == 1 else 0) for i, v in enumerate(value)]

        return read(self.value.get(key), shape, 0)
