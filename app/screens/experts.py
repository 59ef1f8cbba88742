"""Experts: which expert looked where?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import encode, item_picker, session, sources, widgets
from app.components import component
from app.screen import Declaration, Option, Screen
from app.sources import Source, shared
from app.state import State
from fame import explain, plots
from fame.plots.style import Theme
from fame.text import digits_for, number, ordinal, percent
from fame.trace import Intervention, Trace

__all__ = ["SCREEN", "render"]

_strip = component("last_step", "shared")
_tiles = component("attention_grid", "shared")
_map = component("attention_map", "shared")
_lists = component("expert_lists", "shared")

LONG = 36  # items above which a map takes the page's whole width
MANY = 5  # heads or experts above which they are told by their numbers only
GATES = {"held": "Gate held", "recomputed": "Gate computed again"}
# Of an expert: what is run, and what the natural score has beyond that.
CASES = (
    ("alone", "with this expert alone", "the others add to its score"),
    ("without", "without this expert", "this expert adds to its score"),
)
HELP = """
Inside a head, several **experts** look back over the history, each with its own attention: the rows of the first
picture, for the last step. The **router** weighs the experts, the bar at the row's end; with these weights their rows
mix into the one attention of the head, in ink below. The router's entropy says how evenly it spreads: 1 is the same
for all, 0 is one expert alone.

*Attention is not an explanation.* What is looked at a lot can matter little. So under the attention stands what
was measured: the model is run again without each {one}, and the bar is what the {one} adds to the chosen one.

The same holds for experts. Their shares of a score do not add up, so that an expert's effect is shown by running the
head again with this expert alone, and with all its experts but this one; with the gate *held* as it was, or *computed
again* from the changed head.

The last picture is the journey: each step holds exactly what the model would say of the {many} up to there.
"""
MEASURES = {  # what an effect is measured on
    "score": "its score",
    "lead": "its lead over the average {one}",
    "head": "head {head}'s own score of it",
}
SCREEN = Declaration(
    title="Experts",
    question="Which expert looked where?",
    order=3,
    help=HELP,
    options={
        "experts_map": Option(lambda screen, which: which in _which(screen.bundle.config.n_experts), "mix"),
        "experts_measure": Option(MEASURES, "head"),
        "experts_gate": Option(GATES, "held"),
    },
)


def _told(N: int) -> int:
    """How many experts are shown beside a head's mix: none where the only one is the mix."""
    return N if N > 1 else 0


def _which(N: int) -> list[str]:
    """The maps of a head."""
    return ["mix", *map(str, range(1, _told(N) + 1))]


def render(screen: Screen) -> None:
    trace, now = screen.trace, screen.state
    H, N = trace.router.shape[1:]
    head = min(now.head, H - 1)
    ranking = trace.ranking(exclude_history=now.hide_seen)
    if len(ranking):
        film = screen.item
    else:
        ranking = trace.ranking(exclude_history=False)
        film = now.item or int(ranking[0])
    one, many = screen.words["one"], screen.words["many"]
    measure = screen.option("experts_measure")
    with screen.controls:
        if H > 1:
            st.segmented_control(
                "Head", list(range(H)), format_func=lambda h: screen.head_name(h) if H <= MANY else f"{h + 1}",
                required=True, label_visibility="collapsed", **widgets.controlled("experts_head", head, "head"),
            )  # fmt: skip
        with st.container(width=370):
            item_picker.choose(screen, f"{one.capitalize()} to explain", "experts_film", "item", film, ranking.tolist())
        with st.container(width=330):
            st.selectbox(
                "measured on", list(MEASURES), format_func=lambda name: MEASURES[name].format(one=one, head=head + 1),
                **widgets.controlled("experts_measure", measure, "experts_measure"),
            )  # fmt: skip
    if N == 1:
        st.info(
            "In this model every head has one expert: there is no router to choose, and what it looks at is the "
            "head's attention. That makes it the control for the models with several experts.",
            icon=":material/info:",
        )
    _last_step(screen, trace, head, film, measure)
    widgets.subheading(
        "All heads and experts" if N > 1 else "All heads", f"Steps down, {many} across. Choose one to see its map."
    )
    _maps(screen, trace, head)
    if N > 1:
        widgets.subheading(
            "What each expert alone would recommend",
            f"The head run with one expert alone. Above each list: where the {one} to explain stands in it, and in the "
            "final list that follows.",
        )
        _own_lists(screen, trace, head, film)
    widgets.subheading("The journey", f"How {'gate and routers' if N > 1 else 'the gate'} moved as the history grew.")
    _journey(screen, trace, head)


# ---- the last step


def _last_step(screen: Screen, trace: Trace, head: int, film: int, measure: str) -> None:
    left_out = _left_out(screen.source, screen.state, film)
    column, of = _measured(measure, head)
    effects = left_out[column].to_numpy()
    looked = explain.say_attention(trace, head, film, effects, of)
    widgets.write(*widgets.with_badges(looked, ""))
    N = trace.router.shape[-1]
    if N > 1:
        widgets.write(*widgets.with_badges(explain.say_router(trace, head), ""))
    widgets.write(
        widgets.Bold("Attention is not an explanation: "),
        f"what {screen.words['a']} adds is measured, by leaving it out.",
    )
    table = explain.attention_table(trace, head)
    known = bool(np.isfinite(effects).all())
    catalogue = trace.catalogue
    _strip(
        key="experts_strip",
        data={
            "noun": screen.words,
            "head": head,
            "films": [{"title": str(catalogue.title[r]), "label": catalogue.label(r)} for r in trace.items],
            "experts": [table[f"expert_{n + 1}"].tolist() for n in range(_told(N))],
            "mix": table["mixed"].tolist(),
            "router": trace.router[-1, head].tolist(),
            "entropy": float(explain.router_entropy(trace)[-1, head]) if N > 1 else None,
            "flag": explain.router_flag(trace, head),
            "effects": effects.tolist() if known else None,
            "effectOf": f"{of} of {catalogue.title[film]}",
            "digits": digits_for(effects) if known else 2,
            "largest": float(trace.attention[head, :, -1].max()),
            "alt": f"Head {head + 1}, attention at the last step. {looked}",
            "theme": screen.theme,
        },
    )
    kept = pd.concat([table, left_out.drop(columns=["position", "row", "item_id", "title"])], axis=1)

    def picture() -> go.Figure:
        of_film = f"{of} of {catalogue.title[film]}"
        return plots.expert_attention(trace, head, effects, of_film, theme=screen.theme)

    with st.container(horizontal=True):
        widgets.download_table("Attention and effects as CSV", kept, f"fame-head-{head + 1}.csv", "experts_csv")
        widgets.download_picture(screen, picture, f"fame-head-{head + 1}", "experts_html")


def _measured(measure: str, head: int) -> tuple[str, str]:
    """The column of `explain.leave_one_out` and its words."""
    return {
        "score": ("effect", "the score"),
        "lead": ("lead_effect", "the lead"),
        "head": (f"s_{head + 1}", f"head {head + 1}'s score"),
    }[measure]


def _left_out(source: Source, now: State, film: int) -> pd.DataFrame:
    return _without_each(source, now.history, now.intervention, film, now.hide_seen)


@shared(128)
def _without_each(
    source: Source, history: tuple[int, ...], change: Intervention, film: int, hide_seen: bool
) -> pd.DataFrame:
    bundle = sources.load(source)
    return explain.leave_one_out(bundle.model, bundle.catalogue, history, film, change, exclude_history=hide_seen)


# ---- all maps, and one


def _maps(screen: Screen, trace: Trace, head: int) -> None:
    H, N, T, _ = trace.attention.shape
    which, shown = _which(N), _told(N)
    chosen = screen.option("experts_map")
    expert = None if chosen == "mix" else int(chosen) - 1
    mixed, largest = trace.mixed_attention, encode.late_maximum(trace.attention)
    weights = mixed[head] if expert is None else trace.attention[head, expert]
    with st.container(key="experts_two"):
        apart = N > MANY or T > LONG
        left, right = (st.container(), st.container()) if apart else st.columns([2, 3], gap="large")
    with left:
        _tiles(
            key="experts_tiles",
            data={
                "H": H,
                "N": shown,
                "T": T,
                "tiles": encode.levels(np.concatenate([trace.attention[:, :shown], mixed[:, None]], axis=1), largest),
                "router": trace.router[-1].tolist(),
                "words": [[_looks(trace, h, n) for n in (*range(shown), None)] for h in range(H)],
                "flags": [explain.router_flag(trace, h) if shown else "" for h in range(H)],
                "chosen": [head, expert],
                "largest": largest,
                "most": float(trace.attention.max()),
                "theme": screen.theme,
            },
            on_pick_change=lambda: _pick(H, shown),
        )
        widgets.download_picture(
            screen, lambda: plots.attention_overview(trace, full=True, theme=screen.theme),
            "fame-experts", "experts_tiles_html",
        )  # fmt: skip
    with right:
        named = {"mix": "its experts mixed" if shown else "its only expert"}
        named |= {str(n + 1): f"expert {n + 1}" for n in range(shown)}
        if shown:
            st.selectbox(
                f"Map of head {head + 1}", which, format_func=named.__getitem__, width=260,
                **widgets.controlled("experts_map", chosen, "experts_map"),
            )  # fmt: skip
        else:
            widgets.styled(f"Map of head {head + 1}", "fame-shape")
        catalogue = trace.catalogue
        _map(
            key="experts_full",
            data={
                "titles": [str(catalogue.title[r]) for r in trace.items],
                "films": [catalogue.label(r) for r in trace.items],
                "weights": encode.floats(weights),
                "largest": encode.late_maximum(weights),
                "colour": "--ink" if expert is None and shown else f"--h{head % 8 + 1}",
                "alt": f"Attention of head {head + 1}, {named[chosen]}: {T} steps over the {screen.noun}s up to each.",
                "theme": screen.theme,
            },
        )
        file = f"fame-map-{head + 1}-{chosen}"
        with st.container(horizontal=True):
            widgets.download_table("Map as CSV", lambda: _map_table(trace, weights), f"{file}.csv", "experts_map_csv")
            widgets.download_picture(
                screen, lambda: plots.attention_map(trace, head, expert, screen.theme), file, "experts_map_html"
            )


def _map_table(trace: Trace, weights: np.ndarray) -> pd.DataFrame:
    """A map with names: a row per step, a column per item looked at."""
    names = [f"{s}: {trace.catalogue.label(row)}" for s, row in enumerate(trace.items, 1)]
    steps = explain.journey(trace).table[["step", "item_id", "title"]]
    return pd.concat([steps, pd.DataFrame(weights, columns=names)], axis=1)


def _looks(trace: Trace, head: int, expert: int | None) -> list[str]:
    """What hovering a tile says: an expert's, or that of the experts mixed."""
    row = trace.mixed_attention[head, -1] if expert is None else trace.attention[head, expert, -1]
    looked = int(row.argmax())
    who = [f"Head {head + 1}" + ", its experts mixed" * (trace.router.shape[-1] > 1)]
    if expert is not None:
        who = [f"Head {head + 1}, expert {expert + 1}", f"router {percent(float(trace.router[-1, head, expert]))}"]
    return [*who, f"looks most at {trace.catalogue.label(trace.items[looked])} ({percent(float(row[looked]))})"]


def _pick(H: int, N: int) -> None:
    """The tile that was clicked. It comes from outside and may be anything."""
    asked = st.session_state["experts_tiles"].get("pick")
    if isinstance(asked, dict):
        h, n = asked.get("head"), asked.get("expert")
        if isinstance(h, int) and 0 <= h < H and (n is None or (isinstance(n, int) and 0 <= n < N)):
            session.update(head=h, experts_map=None if n is None else str(n + 1))


# ---- lists


def _own_lists(screen: Screen, trace: Trace, head: int, film: int) -> None:
    now, catalogue, one = screen.state, trace.catalogue, screen.noun
    N = trace.router.shape[-1]
    gate = screen.option("experts_gate")
    st.segmented_control(
        f"Effects on the {one}", list(GATES), format_func=GATES.__getitem__, required=True,
        **widgets.controlled("experts_gate", gate, "experts_gate"),
    )  # fmt: skip
    effects = _expert_effects(screen.source, now.history, film, now.hide_seen)
    runs = effects[(effects["head"] == head + 1) & (effects["gate"] == gate)]
    cases = runs.set_index(["expert", "run"]).to_dict("index")
    tops: dict[int | None, pd.DataFrame] = {None: trace.top(now.k, head, exclude_history=now.hide_seen)}
    tops |= {n: trace.top(now.k, head, n, exclude_history=now.hide_seen) for n in range(N)}
    digits = min(3, max(2, digits_for(runs["effect"].to_numpy())))
    seen = now.hide_seen and film in now.history

    def place(rank: int) -> str:
        return "seen" if seen else ordinal(rank)

    def facts(n: int | None) -> list[tuple[str, str | None]]:
        name = str(catalogue.title[film])
        if n is None:
            final = int(_left_out(screen.source, now, film)["rank"].iloc[0])
            here = int(explain.head_ranks(trace, [film], now.hide_seen)[head, 0])
            return [(f"{name}:", None), ("in this list", place(here)), ("in the final list", place(final))]
        own = trace.ranking(head, n, now.hide_seen)
        lines: list[tuple[str, str | None]] = [
            (f"{name}:", None),
            ("in this list", "seen" if seen else ordinal(own.tolist().index(film) + 1)),
            ("In the final list:", None),
        ]
        for run, who, rest in CASES:
            case = cases[n + 1, run]
            lines.append((who, place(int(case["rank"]))))
            lines.append((rest, number(case["effect"], digits, plus=True)))
        return lines

    _lists(
        key="experts_lists",
        data={
            "head": head,
            "film": film,
            "lists": [
                {
                    "name": "own list" if n is None else f"expert {n + 1}",
                    "weight": None if n is None else f"router {percent(float(trace.router[-1, head, n]))}",
                    "facts": facts(n),
                    "films": [
                        {"row": int(row), "title": str(catalogue.title[row]), "label": catalogue.label(row)}
                        for row in top["row"]
                    ],
                }
                for n, top in tops.items()
            ],
        },
        on_film_change=lambda: _set_film(screen),
    )
    if now.intervention:
        st.caption("Ranks and differences of the experts in the final list are measured on the untouched model.")
    lists = pd.concat([top.assign(head=head + 1, expert=0 if n is None else n + 1) for n, top in tops.items()])
    with st.container(horizontal=True):
        widgets.download_table("Lists as CSV", lists, f"fame-lists-{head + 1}.csv", "experts_lists_csv")
        widgets.download_table(
            "Effects of all experts as CSV", effects, "fame-expert-effects.csv", "experts_effects_csv"
        )  # fmt: skip


def _set_film(screen: Screen) -> None:
    row = st.session_state["experts_lists"].get("film")
    if isinstance(row, int) and 0 < row < len(screen.bundle.catalogue):
        session.update(item=row)


@shared(128)
def _expert_effects(source: Source, history: tuple[int, ...], film: int, hide_seen: bool) -> pd.DataFrame:
    bundle = sources.load(source)
    return explain.expert_effects(bundle.model, bundle.catalogue, history, film, hide_seen)


# ---- the journey


def _journey(screen: Screen, trace: Trace, head: int) -> None:
    widgets.write(*widgets.with_badges(explain.say_gate_turn(trace), ""))
    if moved := explain.say_router_turn(trace, head):
        widgets.write(*widgets.with_badges(moved, ""))
    now = screen.state
    figure = _journey_picture(screen.source, now.history, now.intervention, head, screen.theme)
    widgets.picture(plots.untitled(figure), "experts_journey", "fame-journey")
    with st.container(horizontal=True):
        widgets.download_table(
            "Journey as CSV", lambda: explain.journey(trace).table, "fame-journey.csv", "experts_journey_csv"
        )
        widgets.download_picture(screen, lambda: figure, "fame-journey", "experts_journey_html")


@shared(64)
def _journey_picture(
    source: Source, history: tuple[int, ...], change: Intervention, head: int, theme: Theme
) -> go.Figure:
    return plots.journey(sources.trace(source, history, change), theme, head)
