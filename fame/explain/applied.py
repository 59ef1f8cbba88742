"""Changes applied to A: what B's history is and what is changed inside its model, before anything has run.

What a change cannot do is said and passed over, so that B always stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.explain.changes import Change, Edit, ExpertOff, Gate, Inner, Model, Router
from fame.text import listing
from fame.trace import NOTHING, Intervention

__all__ = ["Applied", "apply_changes", "carried"]


@dataclass(frozen=True)
class Applied:
    """B, before any model has run.

    history: item ids, oldest first.   model: the name of another model, or None.   said: a sentence for each change
    that could do nothing.   idle: those changes.
    """

    history: tuple[str, ...]
    intervention: Intervention
    model: str | None
    said: tuple[str, ...]
    idle: tuple[Change, ...]


def apply_changes(
    changes: Iterable[Change],
    history: Sequence[str],
    intervention: Intervention,
    catalogue: Catalogue,
    config: FAMEConfig,
    model: str = "",
) -> Applied:
    """A with changes: its history of item ids, its intervention, and which model is asked.

    catalogue: A's.   config: of the model that B asks.   model: the name of A's; a `Model` of that name is none.
    Another model's heads are other heads, so that A's own intervention is not carried over to it.
    """
    changes = tuple(changes)
    names = [change.name for change in changes if isinstance(change, Model)]
    other = names[-1] if names and names[-1] != model else None
    who = other or "this model"
    said: list[str] = []
    idle: list[Change] = []
    if other and intervention:
        said.append(f"Heads of {other} are other heads: what is changed inside {model or 'A'} is not carried over.")
    items, inside = list(history), NOTHING if other else intervention

    def label(item: str) -> str:
        return catalogue.label(catalogue.row(item)) if item in catalogue else f"the unknown {catalogue.noun} {item!r}"

    for change in changes:
        why = ""
        if isinstance(change, Model):
            if change.name != other:
                why = "it is A's own" if change.name == model else "a later change names another one"
        elif isinstance(change, Inner):
            inside, why = _altered(change, inside, config, who)
        else:
            items, why = _edited(change, items, catalogue)
        if why:
            idle.append(change)
            said.append(f"“{change.words(label)}” changes nothing: {why}.")
    return Applied(tuple(items), inside, other, tuple(said), tuple(idle))


def _edited(change: Edit, items: list[str], catalogue: Catalogue) -> tuple[list[str], str]:
    """The history after an edit, or as it was and why."""
    new = getattr(change, "by", change.item)
    if new not in catalogue:
        return items, f"no {catalogue.noun} of this catalogue has that id"
    after = change.edit(items)
    if after is not None and after != items:
        return after, ""
    return items, "it is there already" if change.item in items else "it is not in B's history"


def _altered(change: Inner, inside: Intervention, config: FAMEConfig, who: str) -> tuple[Intervention, str]:
    """The intervention with a change, or as it was and why."""
    H, N = config.n_heads, config.n_experts
    if config.variant != "fame":
        return inside, f"{who} has no heads"
    if (head := getattr(change, "head", 0)) >= H:
        return inside, f"the heads of {who} are 1 to {H}"
    if isinstance(change, ExpertOff) and change.expert >= N:
        return inside, f"the experts of head {head + 1} are 1 to {N}"
    if isinstance(change, (Gate, Router)) and len(change.weights) != (n := H if isinstance(change, Gate) else N):
        return inside, f"it has {len(change.weights)} weights and {n} are needed"
    after = change.alter(inside)
    if after == inside:
        return inside, "it is so already"
    try:
        after.check(config)
    except FameError:
        return inside, "nothing with any weight would be left on"
    return after, ""


def carried(history: Sequence[str], catalogue: Catalogue, there: Catalogue, who: str) -> tuple[list[int], str]:
    """A history of item ids as rows of another model's catalogue, and a sentence on the items that it lacks.

    Raises:
        FameError: the other model has none of them.
    """
    rows = [there.row(item) for item in history if item in there]
    lacking = [catalogue.label(catalogue.row(item)) for item in history if item not in there and item in catalogue]
    if history and not rows:
        raise FameError(f"{who} knows no {catalogue.noun} of this history; choose another model, or undo that change")
    if not lacking:
        return rows, ""
    named = listing([*lacking[:3], f"{len(lacking) - 3} more"] if len(lacking) > 3 else lacking)
    return rows, f"{who} does not know {named}; B goes on without {'it' if len(lacking) == 1 else 'them'}."
