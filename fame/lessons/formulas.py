"""The model's formulas with the numbers of one history in them, taken from its trace."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fame.errors import FameError
from fame.evidence import LEAST_KNOWN, LEAST_LEAD, LEAST_PRECISION, SIGNIFICANCE
from fame.lessons.scene import Scene
from fame.text import number, percent

__all__ = ["Line", "formula"]

MOST = 3  # terms of a long sum that are written out

Line = list[str | int]  # words, and heads from 0, which are drawn as badges


def formula(scene: Scene, name: str) -> list[Line]:
    """The formula in letters, then with numbers, a line each.

    Raises:
        FameError: this history or model has nothing to put in.
    """
    return FORMULAS[name](scene)


def _score(scene: Scene) -> list[Line]:
    h, row = scene.at_head, scene.row
    table = scene.bundle.model.facet_items()
    F, x = scene.trace.F[-1, h], table[h, row].detach().cpu().numpy()
    products = F * x
    some = np.argsort(-np.abs(products))[:MOST]
    terms = " ".join(f"{'−' if products[i] < 0 else '+'} {_size(F[i])}·{_size(x[i])}" for i in some).removeprefix("+ ")
    return [
        [
            f"s_{h + 1}(v) = ⟨F, x_v⟩: {len(F)} numbers of the history times {len(F)} of the "
            + scene.bundle.catalogue.noun
        ],
        [h, f" {number(float(scene.trace.head_scores[h, row]))} = {terms} + … (the {MOST} largest of {len(F)})"],
    ]


def _size(x: float) -> str:
    return number(abs(float(x)))


def _gate(scene: Scene) -> list[Line]:
    line: Line = []
    for h, g in enumerate(scene.trace.gate[-1]):
        line += [" + " * bool(h), h, f" {100 * float(g):.1f}%"]
    return [["g = softmax(W [F of head 1 ‖ F of head 2 ‖ …] + b)"], [*line, " = 100%"]]


def _sum(scene: Scene) -> list[Line]:
    trace, row = scene.trace, scene.row
    line: Line = [f"{number(float(trace.scores[row]))} = "]
    for h, (g, s) in enumerate(zip(trace.gate[-1], trace.head_scores[:, row], strict=True)):
        line += [" + " * bool(h), h, f" {float(g):.2f} × {number(float(s))}"]
    return [["s(v) = Σ g_h · s_h(v)"], line]


def _expert(scene: Scene) -> list[Line]:
    trace, h = scene.trace, scene.at_head
    n = int(trace.router[-1, h].argmax())
    looked = trace.attention[h, n, -1]
    some = np.argsort(-looked)[:MOST]
    terms = " + ".join(f"{percent(float(looked[i]))} of {trace.catalogue.title[trace.items[i]]}" for i in some)
    rest = f" + … ({len(looked)} in all)" if len(looked) > MOST else ""
    return [[f"O_{n + 1} = A_{n + 1} U: what expert {n + 1} takes from each {trace.catalogue.noun}"],
            [h, f" O_{n + 1} = {terms}{rest}"]]  # fmt: skip


def _router(scene: Scene) -> list[Line]:
    h = scene.at_head
    terms = " + ".join(f"{float(b):.2f}·O_{n + 1}" for n, b in enumerate(scene.trace.router[-1, h]))
    return [["f = Σ β_n O_n,  β = softmax([O_1 ‖ O_2 ‖ …] W)"], [h, f" f = {terms}"]]


def _effect(scene: Scene) -> list[Line]:
    at = int(scene.effects.argmax())
    gone, own = scene.label(int(scene.trace.items[at])), float(scene.trace.scores[scene.row])
    effect = float(scene.effects[at])
    return [
        ["effect of an item = s(v) − s(v) run again without it"],
        [f"{gone}: {number(own)} − {number(own - effect)} = {number(effect, plus=True)}"],
    ]


def _precision(scene: Scene) -> list[Line]:
    if not scene.bundle.evidence.attributes:
        raise FameError("nothing was probed in this model")
    return [
        [
            f"a name stands where average precision ≥ {LEAST_PRECISION}, "
            f"its lead over every other attribute ≥ {LEAST_LEAD}"
        ],
        [f"better than chance with q < {SIGNIFICANCE}, and the full embedding knows it by ≥ {LEAST_KNOWN}"],
    ]


FORMULAS: dict[str, Callable[[Scene], list[Line]]] = {
    "score": _score,
    "gate": _gate,
    "sum": _sum,
    "expert": _expert,
    "router": _router,
    "effect": _effect,
    "precision": _precision,
}
