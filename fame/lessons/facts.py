"""The numbers and names that a lesson's text may hold, each computed from what the card is about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fame import explain
from fame.errors import FameError
from fame.evidence import RULE, Evidence
from fame.lessons.scene import Scene
from fame.text import number, ordinal, percent, plural, words

__all__ = ["fact", "say_course", "say_recovered"]


def fact(scene: Scene, name: str) -> str:
    """What a fact's name stands for, as plain text.

    Raises:
        FameError: this model or history does not have it.
    """
    return FACTS[name](scene)


def _score(scene: Scene) -> str:
    return number(float(scene.trace.scores[scene.row]))


def _rank(scene: Scene) -> str:
    return ordinal(int(np.flatnonzero(scene.trace.ranking(exclude_history=False) == scene.row)[0]) + 1)


def _listed_rank(scene: Scene) -> str:
    place = np.flatnonzero(scene.trace.ranking() == scene.row)
    return ordinal(int(place[0]) + 1) if len(place) else _rank(scene)


def _looked(scene: Scene) -> str:
    return explain.say_attention(scene.trace, scene.at_head, scene.row, scene.effects, "the final score")


def say_recovered(evidence: Evidence) -> str:
    """One sentence on how often the gate's first head is that of the facet in force.

    Raises:
        FameError: the audience is not simulated, so that there is no truth to hold it against.
    """
    if not evidence.recovered:
        raise FameError("this model's audience is not simulated, so that there is no truth to hold its gate against")
    gate = evidence.recovered[0]
    return (
        f"For viewers it has never seen, the head with most say is that of the facet that chooses next in "
        f"{percent(gate.accuracy)} of steps (± {100 * gate.margin:.1f} points); the best constant answer has "
        f"{percent(gate.constant)}, the gate of another viewer {percent(gate.shuffled)}, and an observer who knows the "
        f"simulator {percent(gate.observer)}."
    )


def say_course(scene: Scene) -> str:
    """One sentence on gate and routers in the epoch that is shown.

    Raises:
        FameError: training was not watched.
    """
    course = scene.bundle.course
    if course is None:
        raise FameError("the training of this model was not watched; give its recipe watch = 8 and train it again")
    epoch = int(course.epochs[scene.epoch])
    gate, router = course.decided(scene.epoch)
    when = "Before training" if not epoch else f"After epoch {epoch}"
    said = f"{when} the gate's entropy is {gate:.2f} of 1 and the routers' {router:.2f}"
    followed = course.followed(scene.epoch)
    if np.isfinite(followed):
        said += f"; the head with most say is that of the facet that chooses next in {percent(followed)} of steps"
    return f"{said}."


FACTS: dict[str, Callable[[Scene], str]] = {
    **{name: lambda s, name=name: words(s.bundle.catalogue.noun)[name] for name in ("one", "many", "a")},  # type: ignore[misc]
    "heads": lambda s: plural(s.bundle.config.n_heads, "head"),
    "experts": lambda s: plural(s.bundle.config.n_experts, "expert"),
    "catalogue": lambda s: plural(s.bundle.catalogue.n_items, s.bundle.catalogue.noun),
    "count": lambda s: plural(len(s.history), s.bundle.catalogue.noun),
    "first": lambda s: s.label(s.history[0]),
    "last": lambda s: s.label(s.history[-1]),
    "next": lambda s: s.label(s.next),
    "item": lambda s: s.title,
    "rank": _listed_rank,
    "score": _score,
    "why": lambda s: explain.say_rank(s.trace, s.row),
    "head": lambda s: f"head {s.at_head + 1}",
    "leader": lambda s: f"head {int(s.trace.gate[-1].argmax()) + 1}",
    "say": lambda s: percent(float(s.trace.gate[-1].max())),
    "turn": lambda s: explain.say_gate_turn(s.trace),
    "router": lambda s: explain.say_router(s.trace, s.at_head),
    "looked": _looked,
    "most-added": lambda s: s.label(int(s.trace.items[int(s.effects.argmax())])),
    "most-missed": lambda s: s.label(int(s.trace.items[s.missed])),
    "evidence": lambda s: s.bundle.evidence.summary(),
    "named": lambda s: plural(sum(v.attribute is not None for v in s.bundle.evidence.verdicts), "head"),
    "rule": lambda s: RULE,
    "recovered": lambda s: say_recovered(s.bundle.evidence),
    "course": say_course,
}
