"""A bundle's evidence is read as it was written, and whatever else is refused in one sentence."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.evidence import Findings, Recovered
from fame.make.probes.gather import evidence
from fame.model import FAME
from tests.test_probes import QUICK, small_world

Evidence = dict[str, Any]


@pytest.fixture(scope="module")
def measured() -> tuple[Evidence, FAMEConfig]:
    model, catalogue, histories = small_world()
    sasrec = FAME(replace(model.config, variant="sasrec"))
    found = evidence(model, catalogue, histories, np.arange(241), baseline=sasrec, config=QUICK)
    gate = {"accuracy": 0.7, "margin": 0.02, "constant": 0.5, "control_high": 0.55, "ceiling": 0.9}
    router = {"accuracy": 0.6, "margin": 0.03, "constant": 0.2, "control_high": 0.3, "ceiling": 0.8, "head": 2}
    found["recovery"] = {"gate": gate, "router": {"genres": router}}
    return json.loads(json.dumps(found)), model.config


def test_figures_are_the_files(measured: tuple[Evidence, FAMEConfig]) -> None:
    found, config = measured
    read, probes = Findings.read(found, config), found["probes"]
    assert read.attributes == ("genres", "decade") and read.values[0] == tuple(found["attributes"][0]["values"])
    np.testing.assert_array_equal(read.heads.mean, probes["ap"])
    np.testing.assert_array_equal(read.heads.high, probes["ap_high"])
    np.testing.assert_array_equal(read.above, np.array(probes["q_random"]) < 0.05)
    assert list(read.spaces) == ["full embedding", "slices of a SASRec", "random spaces", "popularity", "chance"]
    np.testing.assert_array_equal(read.spaces["chance"].low, probes["null_low"])
    np.testing.assert_array_equal(read.spaces["slices of a SASRec"].high, np.max(probes["baseline"], 0))
    np.testing.assert_array_equal(read.by_value[1][:2], [probes["values"][h][1] for h in range(2)])
    np.testing.assert_array_equal(read.by_value[1][2], probes["full_values"][1])
    np.testing.assert_array_equal(read.by_value[1][3], np.array(found["attributes"][1]["items"]) / 240)
    np.testing.assert_array_equal(read.gate_mean, found["gate"]["mean"])
    assert read.gate_entropy == found["gate"]["entropy"]
    np.testing.assert_array_equal(read.router_entropy, found["experts"]["router_entropy"])
    np.testing.assert_array_equal(read.overlap, found["lists"]["rbo"])
    assert read.say() == "Probes call head 1 genres and head 2 decade."
    assert read.guided == () and read.say_guided("films") == ""
    assert read.recovered == (
        Recovered(None, None, 0.7, 0.02, 0.5, 0.55, 0.9),
        Recovered("genres", 1, 0.6, 0.03, 0.2, 0.3, 0.8),
    )
    assert not read.told


def test_simulated_viewers_without_routers_or_a_learning_observer(measured: tuple[Evidence, FAMEConfig]) -> None:
    found = copy.deepcopy(measured[0])
    del found["recovery"]["router"]  # as of a model with one expert a head
    found["recovery_told"] = found.pop("recovery")  # as where an observer's preferences cannot be counted out
    read = Findings.read(found, measured[1])
    assert [r.facet for r in read.recovered] == [None] and read.told


def test_lifts_are_those_beyond_chance(measured: tuple[Evidence, FAMEConfig]) -> None:
    found, config = measured
    changed = copy.deepcopy(found)
    experts = changed["experts"]
    for h, n, a, m in np.ndindex(2, 3, 2, 4):
        experts["lift_q"][h][n][a][m] = 1.0
    for a, m, low, lift, q in ((0, 1, 1.1, 3, 0.04), (0, 2, 3, 4, 0.06), (1, 0, 0.2, 0.5, 0.01), (1, 2, 1.4, 1.5, 0.0)):
        experts["lift_low"][1][2][a][m], experts["lift"][1][2][a][m], experts["lift_q"][1][2][a][m] = low, lift, q
    experts["lift"][1][2][1][3] = experts["lift_q"][1][2][1][3] = None
    read = Findings.read(changed, config)
    assert [(x.attribute, x.value, x.lift) for x in read.lifts[1][2]] == [
        ("decade", read.values[1][2], 1.5),
        ("genres", read.values[0][1], 3.0),
        ("decade", read.values[1][0], 0.5),
    ], "the surest first"
    assert sum(len(x) for head in read.lifts for x in head) == 3
    assert read.lift_table()[["head", "expert"]].drop_duplicates().to_numpy().tolist() == [[2, 3]]


def test_tables_have_every_figure(measured: tuple[Evidence, FAMEConfig]) -> None:
    read = Findings.read(*measured)
    probes = read.probe_table().set_index(["space", "attribute"])
    assert len(probes) == (2 + 5) * 2
    assert probes.loc[("head 2", "decade"), "average_precision"] == read.heads.mean[1, 1]
    values = read.value_table()
    assert len(values) == 8 and values["head_2"].tolist() == [*read.by_value[0][1], *read.by_value[1][1]]
    pairs = read.likeness_table().set_index(["one", "other"])
    assert len(pairs) == 3 and pairs.loc[("head 1", "head 2"), "item_spaces_cka"] == read.alike[0, 1]
    assert pairs.loc[("head 2", "final list"), "lists_rbo"] == read.overlap[1, 2]
    used = read.expert_table().set_index(["head", "expert"])
    assert len(used) == 6 and used.loc[(2, 3), "router_mean"] == read.router_mean[1, 2]


def test_names_that_were_asked_for_are_said_to_be(measured: tuple[Evidence, FAMEConfig]) -> None:
    one, two = (Findings.read(measured[0] | {"guided": told}, measured[1]) for told in (["", "decade"], ["x", "y"]))
    assert one.say_guided("films") == (
        "In training head 2 was told the decade of these very films, so that this name was asked for, not found."
    )
    assert two.say_guided("items") == (
        "In training head 1 was told the x and head 2 was told the y of these very items, so that these names were "
        "asked for, not found."
    )
    part = Findings.read(measured[0] | {"guided": ["x"], "guided_part": 0.8}, measured[1])
    assert "was told the x of 80% of these films, so that" in part.say_guided("films")


def test_the_head_that_comes_closest_to_a_name(measured: tuple[Evidence, FAMEConfig]) -> None:
    found = copy.deepcopy(measured[0])
    for verdict in found["verdicts"]:
        verdict["attribute"] = None
    found["probes"]["q_random"] = [[0.5, 0.01], [0.9, 0.01]]
    found["probes"]["ap"], found["probes"]["random"] = [[0.9, 0.7], [0.5, 0.49]], [0.4, 0.1]
    for end in ("low", "high"):
        found["probes"][f"ap_{end}"] = found["probes"]["ap"]
    closest = "Closest comes head 1 to decade (0.70 where random spaces have 0.10), without earning the name."
    assert Findings.read(found, measured[1]).say().endswith(closest)
    found["probes"]["q_random"][0][1] = 0.5  # the other is hardly read at all
    assert "Closest" not in Findings.read(found, measured[1]).say()


def test_without_attributes_nothing_is_probed(measured: tuple[Evidence, FAMEConfig]) -> None:
    found = measured[0] | {"probes": None, "dci": None, "attributes": []}
    found["verdicts"] = [{"head": h + 1, "verdict": "unclear", "attribute": None, "why": "nothing"} for h in range(2)]
    read = Findings.read(found, measured[1])
    assert read.attributes == () and read.spaces == {} and read.apart is None
    assert read.say() == "Probes name no head: what each is about is unclear."
    assert read.probe_table().empty and read.value_table().empty and read.lift_table().empty


def change(path: str, value: Any) -> Callable[[Evidence], None]:
    def apply(found: Evidence) -> None:
        *way, last = path.split("/")
        at: Any = found
        for key in way:
            at = at[int(key) if key.isdecimal() else key]
        if value is KeyError:
            del at[last]
        else:
            at[int(last) if last.isdecimal() else last] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("probes/ap", KeyError, "evidence.json: probes: ap is missing; expected 2 × 2 numbers"),
        ("probes/ap", [[1, 2], [3]], r"ap is \[\[1, 2\], \[3\]\]; expected 2 × 2 numbers"),
        ("probes/ap", [["a", 1], [1, 1]], "2 numbers from 0 to 1; the evidence is of another version or model: gather"),
        ("probes/ap_low", [[1e999, 1], [1, 1]], "ap_low is .* expected 2 × 2 numbers"),
        ("probes/ap_low", [[10**400, 1], [1, 1]], "ap_low is .* expected 2 × 2 numbers"),
        ("probes/values", [[[0.5] * 4] * 2], "values is .* expected 2 × 2 lists of numbers"),
        ("probes/values/1/0", [0.5] * 3, "values is .*expected 4 numbers"),
        ("probes", [1], r"probes is \[1\]; expected a table with names"),
        ("attributes", {"name": "x"}, "attributes is .* expected a list of at most 100 tables"),
        ("attributes", [{"name": "x", "values": ["a"] * 101}] * 2, "values is .* expected a list of at most 100 texts"),
        ("attributes/0/name", 5, "name is 5; expected a text"),
        ("probes/ap/1/1", 1.5, "ap is .* expected 2 × 2 numbers from 0 to 1;"),
        ("probes/ap/1/1", None, "ap is .* expected 2 × 2 numbers"),
        ("histories/count", -1, "count is -1; expected a whole number from 1"),
        ("items", 0, "items is 0; expected a whole number from 1"),
        ("probes/values/1/0", [1.5] * 4, "values is .*expected 4 numbers from 0 to 1"),
        ("guided", ["genres", "", "decade"], "guided is .* expected at most 2 attributes"),
        ("recovery/router/genres/head", 0.5, "head is 0.5; expected a whole number from 1 to 2"),
        ("attributes/1/name", "genres", "attributes is .* expected each name once"),
        ("attributes/1/name", "a" * 2001, "name is .* expected a text of at most 2,000 letters"),
        ("verdicts", [], r"verdicts is \[\]; expected 2 tables, one per head in order"),
        ("verdicts/0/head", 2, "verdicts is .* one per head in order"),
        ("verdicts/0/attribute", "mood", "verdicts is .* expected attributes that were probed, or null"),
        ("verdicts/0/why", "half a letter: \ud800", "why is .* expected a text"),
        ("rule", None, "rule is None; expected a text"),
        ("redundancy/cka_random", [], r"cka_random is \[\]; expected a number"),
        ("experts/dead", "yes", "dead is 'yes'; expected 2 × 3 numbers"),
        ("recovery/gate", [], r"gate is \[\]; expected a table"),
        ("recovery/router/genres", {}, "recovery: router: genres: head is missing; expected a whole number"),
    ],
)
def test_what_is_of_another_form_is_refused(
    path: str, value: Any, message: str, measured: tuple[Evidence, FAMEConfig]
) -> None:
    found = copy.deepcopy(measured[0])
    change(path, value)(found)
    with pytest.raises(FameError, match=message):
        Findings.read(found, measured[1])


def test_evidence_of_a_model_of_another_shape_is_refused(measured: tuple[Evidence, FAMEConfig]) -> None:
    with pytest.raises(FameError, match=r"expected 4 × 2 numbers"):
        Findings.read(measured[0], replace(measured[1], n_heads=4))
