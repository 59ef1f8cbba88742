"""What examples promise: each measure by plain loops, claims in and out of JSON, and every promise that ships."""

from __future__ import annotations

import json
import re
import statistics
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import fame
from fame.bundle import ARTIFACTS, Bundle, Example
from fame.cli.main import app
from fame.errors import FameError
from fame.explain.promises import MEASURES, Claim, measure
from fame.make.examples import choose_examples, read_examples
from fame.trace import Trace
from tests.app.small import make_bundle

SMALL = make_bundle()
HISTORY = ("f7", "f2", "f11", "f5")
ROWS = SMALL.rows(HISTORY)
TRACE = SMALL.trace(HISTORY)
H, N = TRACE.router.shape[1:]
SHIPPED = [
    (path.parent.name, i)
    for path in sorted(ARTIFACTS.glob("*/manifest.json"))
    for i in range(len(fame.load(path.parent).examples))
]


def top(trace: Trace, k: int, head: int | None = None) -> list[int]:
    scores = trace.scores if head is None else trace.head_scores[head]
    left = [row for row in range(1, len(scores)) if row not in ROWS]
    return sorted(left, key=lambda row: (-scores[row], row))[:k]


def asked(**values: Any) -> float:
    [found] = measure(SMALL.model, SMALL.catalogue, ROWS, [Claim(**values, most=1e9)])
    assert found.holds
    return found.value


def without(step: int, target: int) -> float:
    left = [item for i, item in enumerate(HISTORY, 1) if i != step]
    return float(TRACE.scores[target] - SMALL.trace(left).scores[target])


def test_each_measure_is_what_it_says() -> None:
    first = top(TRACE, 1)[0]
    lead = max(range(H), key=lambda h: TRACE.gate[-1, h])
    drama = [row for row in range(1, 31) if "Drama" in SMALL.catalogue.facts["genres"][row]]
    moves = [sum(abs(TRACE.gate[t] - TRACE.gate[t - 1])) for t in range(1, 4)]
    effects = [without(step, first) for step in range(1, 5)]
    for h in range(H):
        head = h + 1
        assert asked(measure="gate", head=head) == pytest.approx(TRACE.gate[-1, h])
        assert asked(measure="gate", head=head, step=2) == pytest.approx(TRACE.gate[1, h])
        assert asked(measure="gained", head=head, step=1) == pytest.approx(TRACE.gate[-1, h] - TRACE.gate[0, h])
        own = top(TRACE, 5, h)
        assert asked(measure="count", head=head, k=5, attribute="genres", value="Drama") == len({*own} & {*drama})
        assert asked(measure="kept", head=head, k=5) == len({*own} & {*top(TRACE, 5)})
        assert asked(measure="year", head=head, k=5) == statistics.median(SMALL.catalogue.year[own])
        assert asked(measure="rank", head=head, item="f20") == top(TRACE, 30, h).index(20) + 1
        router = TRACE.router[:, h]
        assert asked(measure="router", head=head) == pytest.approx(max(router[-1]))
        assert asked(measure="rerouted", head=head, step=1) == pytest.approx(sum(abs(router[-1] - router[0])) / 2)
        mixed = sum(router[-1, n] * TRACE.attention[h, n, -1] for n in range(N))
        assert asked(measure="attention", head=head, step=3) == pytest.approx(mixed[2])
        most = max(range(4), key=lambda t: abs(effects[t]))
        assert asked(measure="look place", head=head) == 1 + sum(mixed > mixed[most])
        lists = [[r for r in TRACE.ranking(h, n)][:5] for n in range(N)]
        shared = [len({*a} & {*b}) for a, b in combinations(lists, 2)]
        assert asked(measure="expert overlap", head=head, k=5) == np.mean(shared)
    assert asked(measure="gate", head="lead") == asked(measure="gate", head=lead + 1) == asked(measure="gate")
    assert asked(measure="turn") == 2 + int(np.argmax(moves))
    assert asked(measure="rank", item="f20") == top(TRACE, 30).index(20) + 1
    assert asked(measure="count", k=5, attribute="genres", value="Drama") == len({*top(TRACE, 5)} & {*drama})
    middles = [statistics.median(SMALL.catalogue.year[top(TRACE, 5, h)]) for h in range(H)]
    assert asked(measure="year gap", k=5) == max(middles) - min(middles)
    assert asked(measure="common", k=9) == len(set.intersection(*({*top(TRACE, 9, h)} for h in range(H))))
    assert asked(measure="effect", step=2) == pytest.approx(effects[1], abs=1e-5)
    assert asked(measure="effect", step=2, item="f20") == pytest.approx(without(2, 20), abs=1e-5)
    assert asked(measure="unread") == 0
    assert measure(SMALL.model, SMALL.catalogue, [*range(1, 10)], [Claim("unread", most=9)])[0].value == 3
    told = {"gate", "gained", "count", "kept", "year", "rank", "router", "rerouted", "attention", "look place"}
    told |= {"expert overlap", "turn", "year gap", "common", "effect", "unread"}
    assert told == set(MEASURES), "every measure is held against a loop here"


def test_any_head_is_the_best_and_every_head_the_worst() -> None:
    gate = TRACE.gate[-1]
    for bound in ({"least": 0.5}, {"most": 0.5}):
        best, worst = (np.argmax, np.argmin) if "least" in bound else (np.argmin, np.argmax)
        found = measure(
            SMALL.model, SMALL.catalogue, ROWS, [Claim("gate", head, **bound) for head in ("any", "every")]
        )  # fmt: skip
        assert [m.head for m in found] == [best(gate), worst(gate)]
        holds = gate >= 0.5 if "least" in bound else gate <= 0.5
        assert [m.holds for m in found] == [holds.any(), holds.all()]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"measure": "fame", "least": 1}, "no measure 'fame'; expected one of gate"),
        ({"measure": "gate"}, "the claim 'gate' has no bound"),
        ({"measure": "gate", "least": "much"}, "has no bound"),
        ({"measure": "gate", "least": True}, "has no bound"),
        ({"measure": "gate", "head": 0, "least": 1}, "expected as head 1, 2"),
        ({"measure": "gate", "head": "boss", "least": 1}, "expected as head 1, 2"),
        ({"measure": "gate", "step": 0, "least": 1}, "expected as head 1, 2"),
        ({"measure": "count", "attribute": "genres", "least": 1}, "says no value; it needs attribute and value"),
        ({"measure": "rank", "item": 5, "most": 1}, "a claim holds '5'; expected text"),
        ({"measure": "gate", "least": 1, "code": "x"}, "expected an object of attribute, head"),
        ("gate", "expected an object of attribute, head"),
        ({"least": 1}, "expected an object of attribute, head"),
    ],
)
def test_what_is_no_claim_is_told(values: Any, message: str) -> None:
    with pytest.raises(FameError, match=message):
        Claim.of(values)


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (Claim("gate", 9, least=0), "about head 9; the heads are 1 to 3"),
        (Claim("gate", step=5, least=0), "about step 5; the history has 4"),
        (Claim("count", attribute="genres", value="Opera", least=0), "no genres is called 'Opera'"),
        (Claim("rank", item="f7", least=0), "'f7', which the history holds"),
    ],
)
def test_a_claim_about_what_is_not_there_is_told(claim: Claim, message: str) -> None:
    with pytest.raises(FameError, match=message):
        measure(SMALL.model, SMALL.catalogue, ROWS, [claim])


def test_an_example_comes_back_from_json() -> None:
    claims = (Claim("gate", "lead", least=0.5), Claim("rank", item="f3", k=4, most=2), Claim("gate", 2, step=1, most=1))
    for example in (
        Example("A", "B", ("f1",)),
        Example("A", "B", ("f1", "f2"), "merge", 2, "f3", claims),
    ):
        assert Example.of(json.loads(json.dumps(example.to_dict()))) == example


def candidates(tmp_path: Path, *examples: dict[str, Any]) -> Path:
    path = tmp_path / "candidates.json"
    path.write_text(json.dumps([{"items": list(HISTORY), **example} for example in examples]))
    return path


def test_of_each_title_the_first_that_keeps_its_word_is_kept(tmp_path: Path) -> None:
    lead = int(TRACE.gate[-1].argmax()) + 1
    path = candidates(
        tmp_path,
        {"title": "A", "look_for": "Too much.", "promise": [{"measure": "gate", "least": 1.1}]},
        {"title": "A", "look_for": "Of no head.", "promise": [{"measure": "gate", "head": 9, "least": 0}]},
        {"title": "A", "look_for": "Head {head} leads.", "head": "found", "item": "Fargo", "screen": "merge",
         "promise": [{"measure": "gate", "head": "any", "least": 0.3}]},
        {"title": "A", "look_for": "Too late.", "promise": [{"measure": "gate", "least": 0}]},
        {"title": "B", "look_for": "Never.", "promise": [{"measure": "unread", "least": 1}]},
        {"title": "C", "look_for": "Promises nothing."},
    )  # fmt: skip
    kept, said = choose_examples(read_examples(path, SMALL.catalogue), SMALL.model, SMALL.catalogue)
    claim = Claim("gate", lead, least=0.3)
    assert kept == (
        Example("A", f"Head {lead} leads.", HISTORY, "merge", lead, "f13", (claim,)),
        Example("C", "Promises nothing.", HISTORY),
    )
    assert said == (
        "the example 'B' is left out, since its promise does not hold: unread is 0.00, promised at least 1",
    )


def test_the_command_measures_and_chooses(tmp_path: Path) -> None:
    folder = SMALL.save(tmp_path / "tiny")
    path = candidates(
        tmp_path, {"title": "A", "look_for": "B", "screen": "merge", "promise": [{"measure": "gate", "least": 0.1}]}
    )
    run = CliRunner().invoke
    found = run(app, ["examples", str(folder), "--from", str(path), "--save", str(tmp_path / "new"), "--json"])
    assert found.exit_code == 0, found.output
    [told] = json.loads(found.stdout)
    assert told["measured"] == [{"value": pytest.approx(TRACE.gate[-1].max()), "holds": True}]
    assert [e.title for e in fame.load(tmp_path / "new").examples] == ["A"]
    broken = Bundle("tiny", SMALL.model, SMALL.catalogue, examples=(
        Example("A", "B", HISTORY, promise=(Claim("gate", least=1.1),)),))  # fmt: skip
    told = run(app, ["examples", str(broken.save(tmp_path / "broken"))])
    assert told.exit_code == 1 and "promised at least 1.1" in told.output


@pytest.mark.parametrize(("name", "at"), SHIPPED)
def test_what_ships_keeps_its_word(name: str, at: int) -> None:
    bundle = fame.load(ARTIFACTS / name)
    example = bundle.examples[at]
    screens = {path.stem for path in (ARTIFACTS.parent / "app" / "screens").glob("*.py")}
    assert example.promise, f"{example.title!r} promises nothing"
    assert example.screen in screens, f"{example.title!r} is shown on no screen"
    found = example.measured(bundle.model, bundle.catalogue)
    assert not [str(m) for m in found if not m.holds]
    named = {int(number) for number in re.findall(r"[Hh]ead (\d+)", example.look_for)}
    assert "{" not in example.look_for and named <= {found[0].head + 1 if found[0].head is not None else 0}


@pytest.mark.parametrize("name", sorted({name for name, _ in SHIPPED}))
def test_a_first_visit_opens_where_the_first_example_is_shown(name: str) -> None:
    first = fame.load(ARTIFACTS / name).examples[0]
    assert (first.screen, first.head, first.item) == ("story", None, None)


def test_the_page_on_examples_names_every_measure() -> None:
    page = (ARTIFACTS.parent / "docs" / "examples.md").read_text(encoding="utf-8")
    for name, kind in MEASURES.items():
        assert f"| `{name}` | {kind.says} | {', '.join(f'`{needed}`' for needed in kind.needs)} |" in page
