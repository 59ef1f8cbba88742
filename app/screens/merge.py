"""Merge: why does this film stand where it stands?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import item_picker, session, state, widgets
from app.components import component
from app.screen import Declaration, NothingToShow, Option, Screen
from fame import explain, plots
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.text import digits_for, number
from fame.trace import NOTHING, Intervention, Trace

__all__ = ["SCREEN", "read_gate", "render"]

_desk = component("merge", "shared")
_beats = component("beats", "shared")

MANY = 5  # heads above which the table takes the page's whole width
VALUES = {"score": "Score", "lead": "Against the average {one}"}
HELP = """
Each head scores every {one}. The **gate** says how much each head counts for this history, and the score of {a} is the
sum over the heads of **gate × score**. The table shows those numbers, so that each row adds up; the badge gives the
largest difference, over all {many}, between that sum and the score of the model's own pass.

The fader over a column is the head's weight in the gate; the small mark is where the model put it. Weights are scaled
to shares that add up to 1, the percentage over the fader. *Solo* keeps one head, *mute* takes one out. The list is then
merged again from the same head scores, which is exact, and arrows show the places won or lost against the model's own.

A number that a head adds to all {many} alike moves no rank. *Against the average {one}* takes it away: what is left
says how much the head prefers this {one} to the average candidate.
"""
SCREEN = Declaration(
    title="Merge",
    question="Why does this {one} stand where it stands?",
    order=2,
    help=HELP,
    options={
        "merge_values": Option(VALUES, "score"),
        "merge_a": Option(lambda screen, item: item in screen.bundle.catalogue, of_history=True),
        "merge_b": Option(lambda screen, item: item in screen.bundle.catalogue, of_history=True),
    },
    tells=("gate", "heads_off"),
)


def render(screen: Screen) -> None:
    change = screen.state.intervention
    base = screen.trace_of(intervention=replace(change, gate=None, heads_off=()))
    # What is compared and looked at stays while a fader is dragged.
    settled = explain.regate(base, change.gate, change.heads_off)
    ranking = settled.ranking(exclude_history=screen.state.hide_seen).tolist()
    if not len(ranking):
        raise NothingToShow(f"Every {screen.noun} of this catalogue is in the history", "There is none left to rank.")
    with screen.controls:
        _controls(screen, ranking)
    _panel(screen, base, ranking)


def _controls(screen: Screen, ranking: Sequence[int]) -> None:
    one, many, now = screen.words["one"], screen.words["many"], screen.state
    with st.container(width=370):
        item_picker.choose(screen, f"{one.capitalize()} to explain", "merge_film", "item", screen.item, ranking)
    st.segmented_control(
        "Numbers", list(VALUES), format_func=lambda name: VALUES[name].format(one=one), required=True,
        label_visibility="collapsed",
        **widgets.controlled("merge_values", screen.option("merge_values"), "merge_values"),
    )  # fmt: skip
    st.toggle(f"Hide {many} already seen", **widgets.controlled("merge_seen", now.hide_seen, "hide_seen"))
    st.number_input(
        f"{many.capitalize()} per list, 1–{state.MAX_K}", 1, state.MAX_K, width=250,
        **widgets.controlled("merge_k", now.k, "k"),
    )  # fmt: skip


@st.fragment
def _panel(screen: Screen, base: Trace, ranking: Sequence[int]) -> None:
    """Everything that the gate moves. In a fragment, so that dragging a fader redraws nothing else."""
    if session.touched():
        st.rerun()
    now, film = screen.state, screen.item
    natural = screen.trace_of(intervention=NOTHING)
    dragged = _asked(screen, done=False)
    change = dragged or now.intervention
    shown = explain.regate(base, change.gate, change.heads_off)
    relative = screen.option("merge_values") == "lead"
    sentence = explain.say_rank(shown, film, now.hide_seen, screen.names)
    widgets.write(*widgets.with_badges(sentence, str(shown.catalogue.title[film])))
    table = explain.merge_table(natural, shown, now.k, film, now.hide_seen, relative)
    wide = len(shown.head_scores) > MANY
    with st.container(key="merge_two"):
        left, right = (st.container(), st.container()) if wide else st.columns([3, 2], gap="large")
    with left:
        proof = None if dragged else explain.additivity(shown, screen.trace_of(intervention=change))
        _desk(
            key="merge_desk",
            data=_desk_data(base, shown, change, table, film, relative, proof)
            | {"names": screen.names, "noun": screen.words},
            on_gate_change=lambda: _set_gate(screen),
            on_film_change=lambda: _set_film(screen),
        )
        with st.container(horizontal=True):
            widgets.download_table("Table as CSV", table.drop(columns="part"), "fame-merge.csv", "merge_csv")
            widgets.download_picture(
                screen, lambda: _picture(screen, shown, table, relative), "fame-merge", "merge_html"
            )
    with right:
        _why(screen, shown, ranking, _pair(screen, natural.ranking(exclude_history=now.hide_seen).tolist()))


def _picture(screen: Screen, shown: Trace, table: pd.DataFrame, relative: bool) -> go.Figure:
    """The table as a picture of its own, arrows included."""
    return plots.merge(
        screen.bundle, shown, rows=table["row"].tolist(), exclude_history=screen.state.hide_seen, relative=relative,
        theme=screen.theme, highlight=screen.item,
    )  # fmt: skip


# ---- the desk


def _desk_data(
    base: Trace, shown: Trace, change: Intervention, table: pd.DataFrame, film: int, relative: bool, proof: float | None
) -> dict[str, Any]:
    """What the desk shows, as JSON values."""
    H = len(shown.head_scores)
    own, shares = base.gate[-1].tolist(), shown.gate[-1].tolist()
    # A link may hold weights above 1, where faders end: a part of each is the same gate.
    weights = own if change.gate is None else [w / max(1, *change.gate) for w in change.gate]
    off = set(change.heads_off)
    columns = table[[f"head_{h + 1}" for h in range(H)]].to_numpy()
    changed = change.gate is not None or bool(off)
    return {
        "heads": [
            {
                "weight": float(weights[h]),
                "own": own[h],
                "share": shares[h],
                "off": h in off,
                "solo": H > 1 and len(off) == H - 1 and h not in off,
            }
            for h in range(H)
        ],
        "forced": change.gate is not None,
        "changed": changed,
        "note": _note(H, changed, bool(change)),
        "proof": _proof(proof, changed, shown.catalogue),
        "rows": [
            {
                "row": int(line["row"]),
                "part": line["part"],
                "title": line["title"],
                "year": int(line["year"]),
                "rank": None if pd.isna(line["rank"]) else int(line["rank"]),
                "old": None if pd.isna(line["old_rank"]) else int(line["old_rank"]),
                "move": 0 if pd.isna(line["move"]) or not change else int(line["move"]),
                "shares": columns[i].tolist(),
                "scores": shown.head_scores[:, line["row"]].tolist(),
                "sum": float(line["sum"]),
            }
            for i, line in enumerate(table.to_dict("records"))
        ],
        "parts": {"left": "No longer on the list", "chosen": f"The {shown.catalogue.noun} looked at"},
        "film": film,
        "relative": relative,
        "largest": float(abs(columns).max()) or 1.0,
        "digits": min(2, digits_for(columns)),
    }


def _note(H: int, by_hand: bool, changed: bool) -> str:
    if changed and not by_hand:
        return "Experts or routers are changed. Arrows: places against the model's own list."
    if H == 1:
        return "This model has one head, so that its gate is always 1."
    if by_hand:
        return "Set by hand: thumbs are weights, numbers shares. Arrows: places won or lost."
    return "The gate is as the model set it. Move a fader to merge again. Numbers are rounded."


def _proof(difference: float | None, changed: bool, catalogue: Catalogue) -> dict[str, Any]:
    """The badge: whether the sums are the scores of the model's pass."""
    if difference is None:
        return {"ok": True, "text": "merged again", "about": "Checked against a pass of the model when you let go."}
    what = "merged = run again" if changed else "sum = score"
    ok = difference <= explain.ADDS_UP
    return {
        "ok": ok,
        "text": f"{what if ok else what.replace('=', '≠')}, largest difference {difference:.0e}",
        "about": f"Over all {catalogue.n_items:,} {catalogue.noun}s, against a forward pass; "
        f"up to {explain.ADDS_UP:.0e} is rounding.",
    }


def read_gate(asked: Any, done: bool, now: Intervention, config: FAMEConfig) -> Intervention | None:
    """What the desk asks for, while dragging or when `done`, beside what is changed `now`; None if it asks nothing.

    It comes from outside and may be anything.
    """
    if not isinstance(asked, dict) or asked.get("done") is not done:
        return None
    try:
        weights, off = asked.get("weights"), tuple(int(h) for h in asked.get("off", ()))
        gate = None if weights is None else tuple(round(float(w), 4) for w in weights)
        change = replace(now, gate=gate, heads_off=off)
        change.check(config)
    except (FameError, TypeError, ValueError, OverflowError):
        return None
    return change


def _asked(screen: Screen, done: bool) -> Intervention | None:
    asked = st.session_state.get("merge_desk", {}).get("gate")
    return read_gate(asked, done, session.current().intervention, screen.bundle.config)


def _set_gate(screen: Screen) -> None:
    if (change := _asked(screen, done=True)) is not None:
        session.update(intervention=change)


def _set_film(screen: Screen) -> None:
    row = st.session_state["merge_desk"].get("film")
    if isinstance(row, int) and 0 < row < len(screen.bundle.catalogue):
        session.update(item=row)


# ---- A beats B


def _pair(screen: Screen, natural: Sequence[int]) -> tuple[int, int]:
    """The two films that are compared: the chosen ones, or the film looked at and the one that the model has just
    above it; below the first one, the second. A changed gate moves neither."""
    film = screen.item
    place = natural.index(film) if film in natural else 1
    a, b = (natural[place - 1], film) if place else (film, natural[min(1, len(natural) - 1)])
    catalogue = screen.bundle.catalogue
    chosen = screen.option("merge_a"), screen.option("merge_b")
    return item_picker.row_of(catalogue, chosen[0], a), item_picker.row_of(catalogue, chosen[1], b)


def _why(screen: Screen, shown: Trace, ranking: Sequence[int], pair: tuple[int, int]) -> None:
    a, b = pair
    told = explain.beats(shown, a, b)
    widgets.subheading({"A": "A beats B because…", "B": "B beats A because…"}.get(_winner(told.margin), "A and B"))
    with st.container(horizontal=True, key="merge_ab"):
        item_picker.choose(screen, "A", "merge_box_a", "merge_a", a, ranking, by_id=True)
        item_picker.choose(screen, "B", "merge_box_b", "merge_b", b, ranking, by_id=True)
    if a == b:
        widgets.write(f"A and B are the same {screen.noun}. Choose another one to compare.")
        return
    winner = a if told.margin >= 0 else b
    widgets.write(*widgets.with_badges(told.sentence, str(shown.catalogue.title[winner])))
    digits = min(3, max(2, digits_for(told.table["share"].to_numpy())))
    _beats(
        key="merge_beats",
        data={
            "heads": [
                {"share": line["share"], **_without(line, told.margin, digits)}
                for line in told.table.to_dict("records")
            ],
            "total": told.margin,
            "digits": digits,
            "alt": told.sentence,
        },
    )
    with st.container(horizontal=True):
        widgets.download_table("Differences as CSV", told.table, "fame-beats.csv", "merge_beats_csv")
        widgets.download_picture(
            screen, lambda: plots.beats(shown, rows=(a, b), theme=screen.theme), "fame-beats", "merge_beats_html"
        )


def _winner(margin: float) -> str:
    """Who wins with a margin of A's, in letters."""
    return "A" if margin > 0 else "B" if margin < 0 else "level"


def _without(line: Mapping[Hashable, Any], natural: float, digits: int) -> dict[str, Any]:
    """Who would win without a head; nothing where it has no say, or all of it."""
    margin = line["margin_without"]
    if line["gate"] in (0, 1):
        return {"without": "–", "turned": False}
    winner, turned = _winner(margin), _winner(margin) != _winner(natural)
    if winner == "level":
        return {"without": winner, "turned": turned}
    return {"without": f"{winner if turned else f'still {winner}'}, by {number(abs(margin), digits)}", "turned": turned}
