"""The state goes into the URL and comes back; whatever a URL holds, what comes out is a state that can be shown."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl, urlencode

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import state, url
from app.sources import shared
from app.state import MAX_HISTORY, MAX_K, State
from fame.trace import Intervention
from tests.app.small import make_bundle

BUNDLE = make_bundle()
H, N, V = BUNDLE.config.n_heads, BUNDLE.config.n_experts, len(BUNDLE.catalogue)
OPENING = state.first(BUNDLE, "tiny")

rows = st.integers(1, V - 1)
weights = st.floats(0, 1e9, allow_subnormal=False) | st.sampled_from([0.0, 0.1, 1 / 3, 1e-12, 2.5e20])


def _some(n: int) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*[weights] * n).filter(lambda w: sum(w) > 0)


interventions = st.builds(
    Intervention,
    gate=st.none() | st.tuples(*[st.floats(1e-9, 1e9)] * H),
    heads_off=st.sets(st.integers(0, H - 1), max_size=H - 1),
    experts_off=st.sets(st.tuples(st.integers(0, H - 1), st.just(0))),
    router=st.dictionaries(st.integers(0, H - 1), st.tuples(weights, st.floats(1e-9, 1e9))),
    hold_gate=st.booleans(),
)
states = st.builds(
    State,
    model=st.just("tiny"),
    history=st.lists(rows, max_size=12).map(tuple),
    intervention=interventions,
    k=st.integers(1, MAX_K),
    hide_seen=st.booleans(),
    head=st.none() | st.integers(0, H - 1),
    item=st.none() | rows,
    options=st.dictionaries(
        st.from_regex(r"[a-z]{1,8}_[a-z0-9_]{1,8}", fullmatch=True), st.text(max_size=20), max_size=5
    ),
)


@given(states)
def test_round_trip_through_a_real_url(there: State) -> None:
    text = urlencode(url.query(there, BUNDLE, OPENING))
    back, said = url.parse(dict(parse_qsl(text, keep_blank_values=True)), BUNDLE, OPENING)
    assert back == there
    assert not said


def test_an_empty_url_is_the_opening_state_and_the_other_way_round() -> None:
    assert url.parse({}, BUNDLE, OPENING) == (OPENING, ())
    assert url.query(OPENING, BUNDLE, OPENING, named=False) == {}
    spelled_out = url.query(OPENING, BUNDLE, None)
    assert spelled_out == {"m": "tiny", "h": "f1-f2-f3"}, "a copied link holds the history itself"


def test_urls_read_well() -> None:
    change = Intervention(
        gate=(0.2, 0.3, 0.5), heads_off=(0,), experts_off=((1, 0),), router={2: (0.25, 1)}, hold_gate=True
    )
    there = State("tiny", (1, V - 1), change, k=5, hide_seen=False, head=1, item=7, options={"atlas_colour": "genres"})
    assert urlencode(url.query(there, BUNDLE, OPENING, named=False)) == (
        "h=f1-a%252Db%252Cc&k=5&seen=1&head=2&film=f7&gate=0.2-0.3-0.5&off=1-2.1&router=3-0.25-1&hold=1&atlas_colour=genres"
    )


@given(
    st.dictionaries(
        st.sampled_from(["h", "k", "seen", "head", "film", "gate", "off", "router", "hold", "m", "atlas_x", "x", ""]),
        st.text(max_size=60)
        | st.text("0123456789.-_e,f%", max_size=30)
        | st.sampled_from(
            ["none", "nan", "inf", "-1", "0", "1e999", "9" * 5000, "1-" * 500, "f1-" * 300, "<script>", "1.1.1"]
        ),
    )
)
def test_any_url_gives_a_state_that_can_be_shown(params: dict[str, str]) -> None:
    there, said = url.parse(params, BUNDLE, OPENING)
    assert 1 <= there.k <= MAX_K and (there.head is None or 0 <= there.head < H) and len(there.history) <= MAX_HISTORY
    assert all(sentence.endswith(".") and "\n" not in sentence and len(sentence) < 300 for sentence in said)
    if there.history:
        assert np.isfinite(BUNDLE.trace(rows=there.history, intervention=there.intervention).scores[1:]).all()
    assert url.parse(url.query(there, BUNDLE, OPENING), BUNDLE, OPENING) == (there, ()), "what is kept is sound"


BROKEN = {
    "h=f1-zz": "One item is not in this catalogue and left out: zz.",
    "h=zz-yy-f1": "2 items are not in this catalogue and left out: zz, yy.",
    f"h={'f1-' * 250}f2": f"The link holds 251 items; the last {MAX_HISTORY} are kept.",
    "k=0": "The link's number of items could not be used: 0 is not a whole number from 1 to 50.",
    "k=many": "The link's number of items could not be used: “many” is not a whole number from 1 to 50.",
    "head=9": "The link's head could not be used: 9 is not a whole number from 1 to 3.",
    "film=zz": "The link's item could not be used: no item has the id 'zz'; 30 items are known.",
    "gate=1-2": "The link's gate could not be used: gate has 2 weights; this model has 3 heads.",
    "gate=x": "The link's gate could not be used: “x” is not understood.",
    "gate=0-0-0": "The link's gate could not be used: none of its weights is above 0.",
    "off=4": "The link's switches could not be used: 4 is not a whole number from 1 to 3.",
    "off=2.3": "The link's switches could not be used: 3 is not a whole number from 1 to 2.",
    "off=2.1-2.2": "The link's switches could not be used: all experts of head 2 are switched off; switch the head "
    "off instead.",
    "off=1-2-3": "The link's switches could not be used: all 3 heads are switched off; leave one on.",
    "router=2-1": "The link's router could not be used: router of head 2 has 1 weights; expected 2, one per expert.",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda text: text[:12])
def test_what_is_broken_is_said_and_the_rest_kept(broken: str) -> None:
    there, said = url.parse(dict(parse_qsl(f"{broken}&seen=1")), BUNDLE, OPENING)
    assert said == (BROKEN[broken],)
    assert not there.hide_seen


def test_options_are_named_after_their_screen() -> None:
    there = OPENING.changed(atlas_colour="genres")
    assert there.options == {"atlas_colour": "genres"} and there.changed(atlas_colour=None) == OPENING
    with pytest.raises(KeyError, match=r"colour. is no field of State and no option"):
        OPENING.changed(colour="genres")


@given(st.randoms(use_true_random=False))
def test_a_history_by_chance_has_something_in_common(rng) -> None:  # type: ignore[no-untyped-def]
    rows = state.surprise(BUNDLE, rng)
    assert len(set(rows)) == 5
    assert any(BUNDLE.catalogue.attribute(name).matrix[list(rows)].all(axis=0).any() for name in ("genres", "decade"))


def test_visitors_who_ask_for_the_same_wait_for_one_computation() -> None:
    began, asked = threading.Barrier(4), []

    @shared(2)
    def slow(number: int) -> list[int]:
        asked.append(number)
        time.sleep(0.05)
        if len(asked) == 1:
            raise ValueError("once")
        return [number]

    def visitor(number: int) -> list[int] | None:
        began.wait()
        try:
            return slow(number)
        except ValueError:
            return None

    with ThreadPoolExecutor(4) as visitors:
        found = list(visitors.map(visitor, [7, 7, 7, 7]))
    assert asked == [7, 7] and found.count(None) == 1, "one fails, the next computes, the others are given that"
    [one] = {id(value) for value in found if value}
    assert one == id(slow(7)) and slow(8) == [8] and slow(9) == [9] and asked == [7, 7, 8, 9]
    slow(7)
    assert asked[-1] == 7, "only the last two are kept"
