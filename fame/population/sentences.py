"""What a population says in one sentence."""

from __future__ import annotations

import numpy as np

from fame.catalogue import Catalogue
from fame.population.record import Population
from fame.population.slices import slices_of
from fame.population.tables import HARDLY, THIN, K, usage
from fame.statistics import share_interval
from fame.text import listing, percent, words

__all__ = ["say_leaders", "say_length_and_rank", "say_population", "say_private", "say_unused"]

TOLD = 4  # heads, those that lead most often


def say_leaders(p: Population, noun: str = "item") -> str:
    """Which head leads most often, and after which histories each does most: 'Head 2 leads in 27% of histories, …'.

    Told is the slice, of those known before the next item, in which the head's share of histories is surely high: whose
    95% interval ends highest at its lower end, and beyond the head's share in all.
    """
    if p.head_count == 1:
        return "One head has all the say in every history."
    first = p.gate.argmax(1)
    share = np.bincount(first, minlength=p.head_count) / len(p)
    pieces = [s for s in slices_of(p, noun) if s.key.startswith(("length", "last")) and s.mask.sum() >= THIN]
    said: list[str] = []
    for h in np.argsort(-share, kind="stable").tolist()[:TOLD]:
        text = f"head {h + 1} leads in {percent(share[h])}" + " of histories" * (not said)
        counts = [(int((first[s.mask] == h).sum()), int(s.mask.sum()), s) for s in pieces]
        sure = [(share_interval(hits, n)[0], hits / n, s.where) for hits, n, s in counts]
        if sure and (best := max(sure, key=lambda one: one[0]))[0] > share[h]:
            text += f", most often where {best[2]} ({percent(best[1])})"
        said.append(text)
    if p.head_count > TOLD:
        most = np.sort(share)[-TOLD - 1]
        said.append(f"no other leads in more than {percent(most)}" if most else "no other ever leads")
    sentence = "; ".join(said) + "."
    return sentence[0].upper() + sentence[1:]


def say_population(p: Population, noun: str = "item", simulated: bool = False) -> str:
    """How many histories, which head leads them most often, and what is hardly used."""
    leaders = say_leaders(p, noun)
    of = "simulated histories" if simulated else "held-out histories"
    return f"{len(p):,} {of}: {leaders[0].lower()}{leaders[1:]} {say_unused(p)}".strip()


def say_unused(p: Population) -> str:
    """Which heads and experts hardly ever lead; '' where all do."""
    table = usage(p)
    named = [
        f"head {h}" if not n else f"expert {n} of head {h}"
        for h, n in table.loc[table["unused"], ["head", "expert"]].to_numpy().tolist()
    ]
    return f"Hardly used (leads in fewer than {percent(HARDLY)} of histories): {listing(named)}." if named else ""


def say_private(p: Population, catalogue: Catalogue) -> str:
    """What a slice of a private log does not hold; '' where all is told."""
    if not p.alike:
        return ""
    noun = words(catalogue.noun)
    said = f"The log is private: of the last and the next {noun['one']} only what at least {p.alike} {noun['many']} "
    said += "share is told."
    if p.attributes:
        said += f" A slice by {listing(p.attributes, 'or')} holds only the histories of which it is told."
    hidden = [name for name in catalogue.attributes if name not in p.attributes]
    return said + (f" Nothing is told of {listing(hidden, 'or')}." if hidden else "")


def say_length_and_rank(p: Population, i: int, noun: str = "item") -> tuple[str, str]:
    """The length of history i and the rank of its next item, as far as they are told."""
    if not p.alike:
        return f"{p.length[i]:,}", f"{p.rank[i]:,}"
    third = next(piece.name for piece in slices_of(p, noun) if piece.key.startswith("length") and piece.mask[i])
    return third, "up to " * bool(p.rank[i] > K) + f"{p.rank[i]:,}"
