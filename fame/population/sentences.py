"""What a population says in one sentence."""

from __future__ import annotations

import numpy as np

from fame.population.record import Population
from fame.population.slices import THIN, slices_of, usage
from fame.text import listing, percent

__all__ = ["say_leaders", "say_unused"]


def say_leaders(p: Population, noun: str = "item") -> str:
    """Which head leads most often, and where each other one does most: 'Head 2 leads in 27% of histories, …'."""
    first = p.gate.argmax(1)
    share = np.bincount(first, minlength=p.head_count) / len(p)
    if p.head_count == 1:
        return "One head has all the say in every history."
    said = []
    pieces = [s for s in slices_of(p) if s.mask.sum() >= THIN]
    for h in np.argsort(-share, kind="stable").tolist():
        text = f"head {h + 1} leads in {percent(share[h])} of histories"
        there = [(float((first[s.mask] == h).mean()), s) for s in pieces]
        if there and (best := max(there, key=lambda pair: pair[0]))[0] > share[h]:
            text += f", most where {_where(best[1].kind, best[1].name, noun)}: {percent(best[0])}"
        said.append(text)
    sentence = "; ".join(said) + "."
    return sentence[0].upper() + sentence[1:]


def _where(kind: str, name: str, noun: str) -> str:
    if kind == "history":
        return f"the history is {name.replace(', ', ' (', 1)})"
    if kind == "next item":
        return f"the next {noun} is {name.replace(', ', ' (', 1)})"
    if kind == "new taste":
        return f"the next {noun} has {name}"
    return f"the next {noun}'s {kind} is {name}"


def say_unused(p: Population) -> str:
    """Which heads and experts hardly ever lead; '' where all do."""
    table = usage(p)
    named = [
        f"head {h}" if not n else f"expert {n} of head {h}"
        for h, n in table.loc[table["unused"], ["head", "expert"]].to_numpy().tolist()
    ]
    return f"Hardly used (leads in fewer than 3% of histories): {listing(named)}." if named else ""
