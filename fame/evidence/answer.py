"""What the evidence amounts to, in plain sentences made of its numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fame.evidence.rule import LEAST_KNOWN, LEAST_PRECISION
from fame.text import listing, number

if TYPE_CHECKING:
    from fame.evidence.record import Evidence

__all__ = ["answer", "guidance", "summary", "why"]

WELL = 0.8  # average precision from which a head is said to know a value
MOST_VALUES = 4  # of one head and attribute that a sentence names
DECADE = re.compile(r"\d{3}0s")


def answer(evidence: Evidence, agreements: pd.DataFrame | None = None) -> list[str]:
    """What the heads are about: what the tests call them, then which values each knows where none has an attribute.

    Of an attribute that no head is called by, each value is given to the head that reads it best, where its average
    precision is at least WELL; an attribute that the full embedding hardly knows is left out.

    agreements: from `fame.atlas.agreements`, how far neighbours in the heads' spaces are alike; with them a sentence
        says why the Atlas points to other heads than the tests do.
    """
    called = {verdict.attribute for verdict in evidence.verdicts}
    sentences = [s for s in (_verdicts(evidence), _closest(evidence)) if s]
    poorly = []
    for a in _known(evidence):
        if (name := evidence.attributes[a]) in called:
            continue
        if known := _known_values(evidence, a):
            sentences.append(_parts(name, known))
        else:
            poorly.append(_many(name))
    if poorly:
        sentences.append(f"No head knows {listing(poorly, 'or')} well.")
    return sentences + _reconciled(evidence, agreements)


def summary(evidence: Evidence) -> str:
    """What the tests call the heads, and where that is nothing, what comes closest."""
    return f"{_verdicts(evidence)} {_closest(evidence)}".strip()


def why(evidence: Evidence, head: int) -> str:
    """Why a head, from 0, is called what it is. An unclear one first has what it reads best, which need not be what
    leads by gain: of an attribute that hardly any space reads, a little more is a large part."""
    verdict = evidence.verdicts[head]
    if verdict.attribute or not (known := _known(evidence)):
        return f"{verdict.why}."
    best = max(known, key=lambda a: float(evidence.heads.mean[head, a]))
    name, own = evidence.attributes[best], float(evidence.heads.mean[head, best])
    if verdict.why.startswith(f"{name}:"):
        return f"{verdict.why}."
    random, chance = (float(evidence.spaces[space].mean[best]) for space in ("random spaces", "chance"))
    compared = f"random spaces of its width have {number(random)}"
    compared = f"where even {compared}" if own <= random else f"where {compared}"
    return (
        f"It reads {name} best: average precision {number(own)} (chance {number(chance)}), {compared}. "
        f"Held against random spaces, what leads is {verdict.why}."
    )


def _verdicts(evidence: Evidence) -> str:
    named = [f"head {h + 1} {v.attribute}" for h, v in enumerate(evidence.verdicts) if v.attribute]
    unclear = [str(h + 1) for h, v in enumerate(evidence.verdicts) if not v.attribute]
    if not named:
        return "The tests found no clear topic for any head."
    left = f", and find no clear topic for head{'s' * (len(unclear) > 1)} {listing(unclear)}" if unclear else ""
    return f"The tests call {listing(named)}{left}."


def guidance(evidence: Evidence, many: str) -> str:
    """One sentence: which heads were given an attribute in training; nothing where none was.

    many: the catalogue's word for items.
    """
    heads = [f"head {h + 1} was given the {name}" for h, name in enumerate(evidence.guided) if name]
    if not heads:
        return ""
    asked = "this name was" if len(heads) == 1 else "these names were"
    return f"In training {listing(heads)} of these very {many}, so that {asked} asked for, not found."


def _closest(evidence: Evidence) -> str:
    """Where no head is called by anything, the one that comes closest, by what it has beyond random spaces; else ''."""
    near = evidence.above & (evidence.heads.mean >= LEAST_PRECISION)
    if not near.any() or any(verdict.attribute for verdict in evidence.verdicts):
        return ""
    random = evidence.spaces["random spaces"].mean
    gain = np.where(near, evidence.heads.mean - random, -np.inf)
    h, a = np.unravel_index(gain.argmax(), gain.shape)
    held = f"{number(evidence.heads.mean[h, a])} where random spaces have {number(random[a])}"
    return f"Head {h + 1} comes closest to {evidence.attributes[a]} ({held}), but not clearly enough to be called that."


def _known(evidence: Evidence) -> list[int]:
    """The attributes that the full embedding knows, so that a head might be about them."""
    if not evidence.attributes:
        return []
    beyond = evidence.spaces["full embedding"].mean - evidence.spaces["chance"].mean
    return np.flatnonzero(beyond >= LEAST_KNOWN).tolist()


def _known_values(evidence: Evidence, a: int) -> dict[int, list[str]]:
    """Of one attribute, the values that each head reads best and well: head -> values, most frequent first."""
    H = len(evidence.verdicts)
    precision = evidence.by_value[a][:H]  # [H M]
    best = np.nan_to_num(precision).argmax(axis=0)
    known: dict[int, list[str]] = {}
    for h in range(H):
        mine = [v for m, v in enumerate(evidence.values[a]) if best[m] == h and precision[h, m] >= WELL]
        if mine:
            known[h] = mine
    return known


def _parts(attribute: str, known: dict[int, list[str]]) -> str:
    """'Head 4 knows the 1950s to 1970s best, head 3 the 1980s to 2000s; neither knows decades as a whole.'"""
    first, *others = sorted(known, key=lambda h: (-len(known[h]), h))
    text = f"Head {first + 1} knows {_values(known[first])} best"
    text += "".join(f", head {h + 1} {_values(known[h])}" for h in others)
    none = {1: "but it does not know", 2: "neither knows"}.get(len(known), "none knows")
    return f"{text}; {none} {_many(attribute)} as a whole."


def _values(values: Sequence[str]) -> str:
    """Values in words; decades in their order, and those that follow each other as a span."""
    if not all(map(DECADE.fullmatch, values)):
        more = len(values) - MOST_VALUES
        return listing(values) if more <= 1 else f"{', '.join(values[:MOST_VALUES])} and {more} more"
    spans: list[list[int]] = []
    for start in sorted(int(value[:-1]) for value in values):
        if spans and start == spans[-1][-1] + 10:
            spans[-1].append(start)
        else:
            spans.append([start])
    return "the " + listing([f"{s[0]}s to {s[-1]}s" if len(s) > 1 else f"{s[0]}s" for s in spans])


def _reconciled(evidence: Evidence, agreements: pd.DataFrame | None) -> list[str]:
    """Why neighbours point to other heads than the tests do, where they do and the tests can read the attribute."""
    if agreements is None:
        return []
    near, read = [], []
    for a in _known(evidence):
        name, precision = evidence.attributes[a], evidence.heads.mean[:, a]
        here = agreements[(agreements["attribute"] == name) & (agreements["space"] != "full")]
        if here.empty or precision.max() < LEAST_PRECISION:
            continue
        space = str(here["space"].iloc[int(here["shared"].to_numpy().argmax())])
        best = int(precision.argmax())
        if space != f"head_{best + 1}":
            near.append(f"{space.replace('_', ' ')} for {_many(name)}")
            read.append(f"head {best + 1}")
    if not near:
        return []
    them, heads = "them" if len(set(read)) == 1 else "these", listing(list(dict.fromkeys(read)))
    return [
        f"The Atlas points to {listing(near)}, while the tests read {them} best from {heads}"
        ": the Atlas counts neighbours, so that frequent values weigh most, and the tests count every value alike."
    ]


def _many(attribute: str) -> str:
    """An attribute's name in the plural: 'decades'; 'genres' and 'cast' stay."""
    if attribute.endswith("s") or attribute == "cast":
        return attribute
    return f"{attribute[:-1]}ies" if attribute.endswith("y") else f"{attribute}s"
