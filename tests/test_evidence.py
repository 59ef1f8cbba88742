"""A bundle's evidence is read as it was written, and whatever else is refused in one sentence."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.evidence import Evidence, Interval, Recovered, Verdict
from fame.make.probes.gather import evidence
from fame.model import FAME
from tests.test_probes import QUICK, small_world

Json = dict[str, Any]


@pytest.fixture(scope="module")
def measured() -> tuple[Json, FAMEConfig]:
    model, catalogue, histories = small_world()
    sasrec = FAME(replace(model.config, variant="sasrec"))
    found = evidence(model, catalogue, histories, np.arange(241), baseline=sasrec, config=QUICK)
    gate = {"accuracy": 0.7, "margin": 0.02, "constant": 0.5, "control_high": 0.55, "ceiling": 0.9}
    router = {"accuracy": 0.6, "margin": 0.03, "constant": 0.2, "control_high": 0.3, "ceiling": 0.8, "head": 2}
    found["recovery"] = {"gate": gate, "router": {"genres": router}}
    return json.loads(json.dumps(found)), model.config


def test_figures_are_the_files(measured: tuple[Json, FAMEConfig]) -> None:
    found, config = measured
    read, probes = Evidence.of(found, config), found["probes"]
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
    assert read.summary() == "The tests call head 1 genres and head 2 decade."
    assert read.guided == () and read.guidance("films") == ""
    assert read.recovered == (
        Recovered(None, None, 0.7, 0.02, 0.5, 0.55, 0.9),
        Recovered("genres", 1, 0.6, 0.03, 0.2, 0.3, 0.8),
    )
    assert not read.observer_told


def test_simulated_viewers_without_routers_or_a_learning_observer(measured: tuple[Json, FAMEConfig]) -> None:
    found = copy.deepcopy(measured[0])
    del found["recovery"]["router"]  # as of a model with one expert a head
    found["recovery_told"] = found.pop("recovery")  # as where an observer's preferences cannot be counted out
    read = Evidence.of(found, measured[1])
    assert [r.facet for r in read.recovered] == [None] and read.observer_told


def test_lifts_are_those_beyond_chance(measured: tuple[Json, FAMEConfig]) -> None:
    found, config = measured
    changed = copy.deepcopy(found)
    experts = changed["experts"]
    for h, n, a, m in np.ndindex(2, 3, 2, 4):
        experts["lift_q"][h][n][a][m] = 1.0
    for a, m, low, lift, q in ((0, 1, 1.1, 3, 0.04), (0, 2, 3, 4, 0.06), (1, 0, 0.2, 0.5, 0.01), (1, 2, 1.4, 1.5, 0.0)):
        experts["lift_low"][1][2][a][m], experts["lift"][1][2][a][m], experts["lift_q"][1][2][a][m] = low, lift, q
    experts["lift"][1][2][1][3] = experts["lift_q"][1][2][1][3] = None
    read = Evidence.of(changed, config)
    assert [(x.attribute, x.value, x.lift) for x in read.lifts[1][2]] == [
        ("decade", read.values[1][2], 1.5),
        ("genres", read.values[0][1], 3.0),
        ("decade", read.values[1][0], 0.5),
    ], "the surest first"
    assert sum(len(x) for head in read.lifts for x in head) == 3
    assert read.lift_table()[["head", "expert"]].drop_duplicates().to_numpy().tolist() == [[2, 3]]


def test_tables_have_every_figure(measured: tuple[Json, FAMEConfig]) -> None:
    read = Evidence.of(*measured)
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


def test_names_that_were_asked_for_are_said_to_be(measured: tuple[Json, FAMEConfig]) -> None:
    one, two = (Evidence.of(measured[0] | {"guided": given}, measured[1]) for given in (["", "decade"], ["x", "y"]))
    assert one.guidance("films") == (
        "In training head 2 was given the decade of these very films, so that this name was asked for, not found."
    )
    assert two.guidance("items") == (
        "In training head 1 was given the x and head 2 was given the y of these very items, so that these names were "
        "asked for, not found."
    )


def test_the_head_that_comes_closest_to_a_name(measured: tuple[Json, FAMEConfig]) -> None:
    found = copy.deepcopy(measured[0])
    for verdict in found["verdicts"]:
        verdict["attribute"] = None
    found["probes"]["q_random"] = [[0.5, 0.01], [0.9, 0.01]]
    found["probes"]["ap"], found["probes"]["random"] = [[0.9, 0.7], [0.5, 0.49]], [0.4, 0.1]
    for end in ("low", "high"):
        found["probes"][f"ap_{end}"] = found["probes"]["ap"]
    closest = (
        "Head 1 comes closest to decade (0.70 where random spaces have 0.10), but not clearly enough to be called that."
    )
    assert Evidence.of(found, measured[1]).summary().endswith(closest)
    found["probes"]["q_random"][0][1] = 0.5  # the other is hardly read at all
    assert "closest" not in Evidence.of(found, measured[1]).summary()


def by_hand(
    values: dict[str, tuple[str, ...]], precision: dict[str, list[list[float]]], called: tuple[str | None, ...]
) -> Evidence:
    """Evidence of as many heads as verdicts; the full embedding knows all but `cast`, random spaces half of it.

    precision: attribute -> of each head the average precision of each value.
    """
    H, names = len(called), tuple(values)
    mean = np.array([[np.mean(precision[name][h]) for name in names] for h in range(H)])
    full = np.array([0.12 if name == "cast" else 1.0 for name in names])
    spaces = {"full embedding": full, "random spaces": full / 2, "chance": np.full(len(names), 0.1)}
    return Evidence(
        attributes=names, values=tuple(values.values()), heads=Interval(mean, mean, mean),
        above=np.zeros(mean.shape, bool), spaces={name: Interval(x, x, x) for name, x in spaces.items()},
        by_value=tuple(np.array([*precision[n], [1.0] * len(v), [0.1] * len(v)]) for n, v in values.items()),
        apart=None, verdicts=tuple(Verdict(name, "") for name in called), rule="", alike=np.eye(H), alike_random=0.1,
        overlap=np.eye(H + 1), depth=10, histories=5, gate_mean=np.full(H, 1 / H), gate_entropy=1.0,
        router_mean=np.ones((H, 1)), router_first=np.ones((H, 1)), router_entropy=np.zeros(H),
        dead=np.zeros((H, 1), bool), lifts=(((),),) * H, recovered=(), observer_told=False, guided=(),
    )  # fmt: skip


DECADES = ("1990s", "1980s", "1970s", "1960s", "2000s", "1950s", "1930s")


class TestAnswer:
    def test_heads_that_share_an_attribute_say_which_values_each_knows(self) -> None:
        early, late = [0.5, 0.5, 1.0, 0.9, 0.5, 0.8, 0.79], [1.0, 0.9, 0.7, 0.2, 0.85, 0.3, 0.1]
        found = by_hand({"decade": DECADES}, {"decade": [early, late]}, (None, None))
        assert found.answer() == [
            "The tests found no clear topic for any head.",
            "Head 1 knows the 1950s to 1970s best, head 2 the 1980s to 2000s; neither knows decades as a whole.",
        ]

    def test_an_attribute_that_a_head_is_called_by_needs_no_more(self) -> None:
        found = by_hand({"decade": ("1990s", "1980s")}, {"decade": [[1.0, 0.9], [0.2, 0.95]]}, ("decade", None))
        assert found.answer() == ["The tests call head 1 decade, and find no clear topic for head 2."]

    def test_what_is_not_known_or_not_read_well(self) -> None:
        values = {"cast": ("x", "y"), "director": ("a", "b"), "country": ("c", "d"), "genres": tuple("uvwxyz")}
        low = [[0.7, 0.1]] * 3
        read = {"cast": [[1.0, 1.0]] * 3, "director": low, "country": low,
                "genres": [[0.9] * 6, [0.1] * 6, [0.1] * 6]}  # fmt: skip
        assert by_hand(values, read, (None, None, None)).answer()[1:] == [
            "Head 1 knows u, v, w, x and 2 more best; but it does not know genres as a whole.",
            "No head knows directors or countries well.",
        ]

    def test_decades_that_do_not_follow_each_other_are_no_span(self) -> None:
        read = [[1.0, 0.1, 1.0, 0.1, 0.1, 0.1, 1.0], [0.1] * 7, [0.1, 1.0, 0.1, 1.0, 1.0, 1.0, 0.1]]
        said = by_hand({"decade": DECADES}, {"decade": read}, (None, None, None)).answer()[1]
        assert said == (
            "Head 3 knows the 1950s to 1960s, 1980s and 2000s best, head 1 the 1930s, 1970s and 1990s; "
            "neither knows decades as a whole."
        )

    def test_it_says_why_neighbours_point_to_another_head(self) -> None:
        found = by_hand({"decade": ("1990s", "1930s")}, {"decade": [[0.8, 0.9], [1.0, 0.1]]}, ("decade", None))
        shared = {"full": 9.0, "head_1": 4.0, "head_2": 7.0}
        agreed = pd.DataFrame({"attribute": "decade", "space": list(shared), "shared": list(shared.values())})
        [_, why] = found.answer(agreed)
        assert why.startswith("The Atlas points to head 2 for decades, while the tests read them best from head 1: ")
        agreed["shared"] = [9.0, 7.0, 4.0]
        assert len(found.answer(agreed)) == 1

    def test_nothing_was_probed(self) -> None:
        assert by_hand({}, {}, (None,)).answer() == ["The tests found no clear topic for any head."]


def test_without_attributes_nothing_is_probed(measured: tuple[Json, FAMEConfig]) -> None:
    found = measured[0] | {"probes": None, "dci": None, "attributes": []}
    found["verdicts"] = [{"head": h + 1, "verdict": "unclear", "attribute": None, "why": "nothing"} for h in range(2)]
    read = Evidence.of(found, measured[1])
    assert read.attributes == () and read.spaces == {} and read.apart is None
    assert read.summary() == "The tests found no clear topic for any head."
    assert read.probe_table().empty and read.value_table().empty and read.lift_table().empty


def change(path: str, value: Any) -> Callable[[Json], None]:
    def apply(found: Json) -> None:
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
    path: str, value: Any, message: str, measured: tuple[Json, FAMEConfig]
) -> None:
    found = copy.deepcopy(measured[0])
    change(path, value)(found)
    with pytest.raises(FameError, match=message):
        Evidence.of(found, measured[1])


def test_evidence_of_a_model_of_another_shape_is_refused(measured: tuple[Json, FAMEConfig]) -> None:
    with pytest.raises(FameError, match=r"expected 4 × 2 numbers"):
        Evidence.of(measured[0], replace(measured[1], n_heads=4))
