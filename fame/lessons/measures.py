"""The answers that a card may ask for: each computed from the model, with a sentence on why it is so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fame import explain
from fame.errors import FameError
from fame.lessons.facts import say_course, say_recovered
from fame.lessons.scene import Scene
from fame.text import listing, number, ordinal, percent

__all__ = ["Answer", "answer"]

MOST_ITEMS = 6  # to choose from


@dataclass(frozen=True)
class Answer:
    """choices: what the learner chooses from, in order; empty where a number is asked.   low, high: its limits.

    value: the place of the right choice, or the number.   why: a sentence.
    choices that name heads are 'Head 1' and so on, in the heads' order.
    """

    value: int
    why: str
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 100
    unit: str = ""


def answer(scene: Scene, asked: str, choices: tuple[str, ...] = ()) -> Answer:
    """The answer to what a card asks.   choices: the words of yes and no.

    Raises:
        FameError: this model or history cannot answer it.
    """
    name, _, about = asked.partition(" ")
    if name in OF_ATTRIBUTE:
        return _precision(scene, name, about.strip())
    found = ANSWERS[name](scene)
    return found if not choices else Answer(found.value, found.why, choices)


# ---- heads


def _heads(scene: Scene, value: int, why: str) -> Answer:
    return Answer(value, why, tuple(f"Head {h + 1}" for h in range(scene.bundle.config.n_heads)))


def _most_like_final(scene: Scene) -> Answer:
    trace, k = scene.trace, scene.k
    final = set(trace.ranking()[:k].tolist())
    common = [len(final & set(trace.ranking(head=h)[:k].tolist())) for h in range(len(trace.head_scores))]
    best = max(range(len(common)), key=lambda h: (common[h], trace.gate[-1, h]))
    told = listing([f"head {h + 1} {n}" for h, n in enumerate(common)])
    return _heads(
        scene, best,
        f"Of the {len(final)} {scene.bundle.catalogue.noun}s of the final list each head's own first {k} hold: {told}. "
        f"Head {best + 1} has {percent(float(trace.gate[-1, best]))} of the gate.",
    )  # fmt: skip


def _most_say(scene: Scene) -> Answer:
    gate = scene.trace.gate[-1]
    told = listing([f"head {h + 1} {percent(float(g))}" for h, g in enumerate(gate)])
    return _heads(scene, int(gate.argmax()), f"The gate is {told}.")


def _moved(scene: Scene, sign: int) -> Answer:
    old, new = scene.trace.gate[-1], scene.after.gate[-1]
    h = int((sign * (new - old)).argmax())
    other = int((-sign * (new - old)).argmax())
    told = [f"head {i + 1} goes from {percent(float(old[i]))} to {percent(float(new[i]))}" for i in (h, other)]
    why = f"With {scene.label(scene.next)} {told[0]}"
    return _heads(scene, h, f"{why}, and {told[1]}." if other != h else f"{why}.")


def _pulls_down(scene: Scene) -> Answer:
    leads = explain.relative_shares(scene.trace, [scene.row])[:, 0]
    told = listing([f"head {h + 1} {number(float(x), plus=True)}" for h, x in enumerate(leads)])
    return _heads(
        scene, int(leads.argmin()), f"Against the average candidate the heads' shares of {scene.title} are: {told}."
    )


# ---- numbers


def _percent(share: float, why: str) -> Answer:
    return Answer(round(100 * share), why, unit="%")


def _router_first(scene: Scene) -> Answer:
    return _percent(float(scene.trace.router[-1, scene.at_head].max()), explain.say_router(scene.trace, scene.at_head))


def _gate_first(scene: Scene) -> Answer:
    return _percent(float(scene.trace.gate[-1].max()), _most_say(scene).why)


def _rank_without(scene: Scene) -> Answer:
    at = scene.missed
    without = int(scene.left_out["rank_without"].iloc[at])
    before = int(scene.left_out["rank"].iloc[at])
    gone = scene.label(int(scene.trace.items[at]))
    why = f"Run again without {gone}, the model puts {scene.title} {ordinal(without)}; with it, {ordinal(before)}."
    return Answer(without, why, low=1, high=max(50, 10 * -(-without // 10)))


def _named(scene: Scene) -> Answer:
    verdicts = scene.bundle.evidence.verdicts
    count = sum(verdict.attribute is not None for verdict in verdicts)
    options = tuple(map(str, range(len(verdicts) + 1)))
    return Answer(count, scene.bundle.evidence.summary(), options)


OF_ATTRIBUTE = ("best-head", "random-spaces", "chance")


def _precision(scene: Scene, name: str, attribute: str) -> Answer:
    evidence = scene.bundle.evidence
    if attribute not in evidence.attributes:
        known = ", ".join(evidence.attributes) or "none"
        raise FameError(f"{attribute[:40]!r} was not probed in this model; there is {known}")
    a = evidence.attributes.index(attribute)
    best = int(evidence.heads.mean[:, a].argmax())
    own, low, high = (float(x[best, a]) for x in evidence.heads)
    random, chance = (float(evidence.spaces[space].mean[a]) for space in ("random spaces", "chance"))
    value = {"best-head": own, "random-spaces": random, "chance": chance}[name]
    why = (
        f"Average precision on {attribute}: chance {number(chance)}, random spaces of a head's width {number(random)}, "
        f"head {best + 1}, the best, {number(own)} ({number(low)} to {number(high)})."
    )
    return Answer(round(100 * value), why, unit=" of 100")


def _follows(scene: Scene) -> Answer:
    why = say_recovered(scene.bundle.evidence)
    return _percent(scene.bundle.evidence.recovered[0].accuracy, why)


def _follows_at_first(scene: Scene) -> Answer:
    course = scene.bundle.course
    if course is None or not np.isfinite(course.followed(0)):
        raise FameError("no training was watched in which heads were told facets")
    return _percent(course.followed(0), say_course(Scene(scene.bundle, (), (), scene.run, epoch=0)))


# ---- items, and yes or no


def _items(scene: Scene, at: int) -> tuple[tuple[str, ...], int]:
    """Items to choose from, in the history's order: those looked at most and those that add most among them."""
    T = len(scene.trace.items)
    order = [i for pair in zip(np.argsort(-scene.effects), np.argsort(-scene.looked), strict=True) for i in pair]
    some = sorted({at, *list(dict.fromkeys(int(i) for i in order))[: min(MOST_ITEMS, T) - 1]})
    return tuple(scene.label(int(scene.trace.items[i])) for i in some), some.index(at)


def _adds_most(scene: Scene) -> Answer:
    at = int(scene.effects.argmax())
    choices, value = _items(scene, at)
    most = scene.label(int(scene.trace.items[at]))
    why = f"Without {most} the score of {scene.title} falls by {number(float(scene.effects[at]))}, the most of all"
    looked = int(scene.looked.argmax())
    if looked != at:
        why += (
            f"; {scene.label(int(scene.trace.items[looked]))}, which has most of head {scene.at_head + 1}'s attention "
            f"({percent(float(scene.looked[looked]))}), changes it by {number(float(scene.effects[looked]), plus=True)}"
        )
    return Answer(value, f"{why}.", choices)


def _looked_most(scene: Scene) -> Answer:
    at = int(scene.looked.argmax())
    choices, value = _items(scene, at)
    why = explain.say_attention(scene.trace, scene.at_head, scene.row, scene.effects, "the final score")
    return Answer(value, why, choices)


def _tells(scene: Scene) -> Answer:
    same = int(scene.looked.argmax()) == int(scene.effects.argmax())
    why = explain.say_attention(scene.trace, scene.at_head, scene.row, scene.effects, "the final score")
    return Answer(0 if same else 1, why, ("Yes", "No"))


ANSWERS: dict[str, Callable[[Scene], Answer]] = {
    "head-most-like-final": _most_like_final,
    "head-with-most-say": _most_say,
    "head-that-falls": lambda s: _moved(s, -1),
    "head-that-rises": lambda s: _moved(s, 1),
    "head-that-pulls-down": _pulls_down,
    "router-of-first-expert": _router_first,
    "gate-of-first-head": _gate_first,
    "item-that-adds-most": _adds_most,
    "item-looked-at-most": _looked_most,
    "attention-tells": _tells,
    "rank-without-it": _rank_without,
    "named-heads": _named,
    "gate-follows": _follows,
    "gate-follows-at-first": _follows_at_first,
}
