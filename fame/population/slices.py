"""Groups of a population's histories: by length, by what came last and next, by what is new, by who leads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fame.population.record import Population

__all__ = ["Slice", "leaders_of", "slices_of"]


class Slice(NamedTuple):
    """Some of a population's histories.

    key: tells it from others of this population, such as 'last.1.4', the fourth value of the first attribute.
    kind, name: what it is cut by and which piece it is, such as 'last film's genres' and 'Horror'.
    where: the same as part of a sentence, 'the last film's genres include Horror'.   mask: bool [n], its histories.
    """

    key: str
    kind: str
    name: str
    where: str
    mask: np.ndarray


@lru_cache(8)
def slices_of(p: Population, noun: str = "item") -> tuple[Slice, ...]:
    """Every slice of a population that holds a history.

    Length and popularity in thirds, each attribute's values of the last item and of the one that came next, and *new
    taste*, where no item of the history has any value of the next one's. Of a private log, those that are told: see
    `Population`.
    """
    told = bool(p.alike)
    found = _thirds("length", "history", p.length, ("short", "middling", "long"), f"{{}} {noun}s", told)
    if p.popularity.any():
        words = ("rare", "middling", "popular")
        found += _thirds("popularity", f"next {noun}", p.popularity, words, "taken {} times", told)
    for a, attribute in enumerate(p.attributes):
        several = bool((p.target[a].sum(1) > 1).any() or (p.last[a].sum(1) > 1).any())
        many = attribute.endswith("s")
        verb = ("include" if many else "includes") if several else "are" if many else "is"
        for when, held in (("last", p.last[a]), ("next", p.target[a])):
            of = f"{when} {noun}'s {attribute}"
            found += [
                Slice(f"{when}.{a + 1}.{m + 1}", of, value, f"the {of} {verb} {value}", held[:, m])
                for m, value in enumerate(p.values[a])
            ]
        new = np.asarray(p.target[a].any(1) & ~(p.target[a] & (p.taste[a] > 0)).any(1))
        name = f"{attribute} not in the history"
        where = f"the next {noun}'s {attribute} {'are' if many else 'is'} not in the history"
        found.append(Slice(f"new.{a + 1}", "new taste", name, where, new))
    return tuple(piece for piece in found if piece.mask.any())


def _thirds(
    key: str, kind: str, number: np.ndarray, names: Sequence[str], unit: str, told: bool = False
) -> list[Slice]:
    """A count in three about equal parts; equal counts stay together. `unit` says what is counted, {} its range.

    told: the counts are told as thirds already, each by its end.
    """
    low, high = np.quantile(number, [1 / 3, 2 / 3], method="lower").tolist()
    parts: list[np.ndarray] = [number <= low, (number > low) & (number <= high), number > high]
    ends = (f"up to {low:,}", f"{low + 1:,}" + f"–{high:,}" * (low + 1 < high), f"more than {high:,}")
    found = []
    for i, (word, part, end) in enumerate(zip(names, parts, ends, strict=True), 1):
        if part.any():
            least, most = int(number[part].min()), int(number[part].max())
            name = f"{word} ({unit.format(end if told else f'{least:,}' + f'–{most:,}' * (least < most))})"
            found.append(Slice(f"{key}.{i}", kind, name, f"the {kind} is {name}", part))
    return found


@lru_cache(8)
def leaders_of(p: Population) -> tuple[Slice, ...]:
    """The histories in which each head has the most say, and each expert the most within its head; without empty ones.

    Keys are 'head.2' and 'expert.2.1'.
    """
    found = []
    first, within = p.gate.argmax(1), p.router.argmax(2)
    for h in range(p.head_count):
        who = f"head {h + 1}"
        found.append(Slice(f"head.{h + 1}", "leads", who, f"{who} leads", first == h))
        for n in range(p.expert_count if p.expert_count > 1 else 0):
            who = f"expert {n + 1} of head {h + 1}"
            found.append(Slice(f"expert.{h + 1}.{n + 1}", "leads", who, f"{who} leads", within[:, h] == n))
    return tuple(piece for piece in found if piece.mask.any())
