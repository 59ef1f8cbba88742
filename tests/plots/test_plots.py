"""The pictures: their numbers are the trace's, titles stay text, and everybody can read them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from fame import explain, plots
from fame.atlas import Atlas
from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.evidence import Apart, Evidence, Interval, Verdict
from fame.plots import style
from fame.plots.atlas import MOST_VALUES, SHAPES
from fame.plots.evidence import PITCH
from fame.text import percent
from fame.trace import Intervention, Trace
from tests.plots.made import HOSTILE, LONG, catalogue, make

ROOT = Path(__file__).resolve().parents[2]
SIZES = [(1, 1, 1), (1, 4, 3), (3, 1, 2), (4, 4, 6), (8, 8, 50)]  # H, N, T


def atlas(V: int, H: int = 2) -> Atlas:
    xy = np.random.default_rng(0).normal(size=(H + 1, V, 2)).astype(np.float32)
    xy[:, 0] = np.nan
    near = np.ones((H + 1, V, 3), np.int32)
    spaces = ("full", *(f"head_{h + 1}" for h in range(H)))
    return Atlas(spaces, xy, xy * 2, near, np.full((2, H + 1), 0.9, np.float32))


def map_of(trace: Trace, theme: style.Theme = "light", **choices: Any) -> go.Figure:
    V = len(trace.catalogue)
    return plots.atlas_map(
        atlas(V), trace.catalogue, "head_1", attribute="genres", highlight=[1, 7], history=trace.items.tolist(),
        recommendations=trace.ranking()[:5].tolist(), state=(0.0, 0.0), theme=theme,
        regions=pd.DataFrame({"x": [0.0], "y": [0.0], "label": [HOSTILE]}), **choices,
    )  # fmt: skip


def findings(H: int) -> Evidence:
    """Probes of two attributes, the first with a hostile name and a hostile value."""
    rng = np.random.default_rng(H)

    def interval(*shape: int) -> Interval:
        return Interval(*np.sort(rng.random((3, *shape)), axis=0)[[1, 0, 2]])

    names = ("full embedding", "slices of a SASRec", "random spaces", "popularity", "chance")
    heads, by_value = interval(H, 2), (rng.random((H + 2, 5)), rng.random((H + 2, 2)))
    by_value[0][0, 0] = np.nan
    verdicts = tuple(Verdict(HOSTILE if h == 1 else None, "because") for h in range(H))
    return Evidence(
        attributes=(HOSTILE, "decade"), values=((HOSTILE, "b", "c", "d", LONG), ("1980s", "1990s")), heads=heads,
        above=heads.mean > 0.5, spaces={name: interval(2) for name in names}, by_value=by_value,
        apart=Apart(0.1, 0.0, 0.2, 0.0), verdicts=verdicts, rule="rule", alike=rng.random((H, H)), alike_random=0.4,
        overlap=rng.random((H + 1, H + 1)), depth=50, histories=100, gate_mean=rng.random(H), gate_entropy=0.5,
        router_mean=rng.random((H, 2)), router_first=rng.random((H, 2)), router_entropy=rng.random(H),
        dead=np.zeros((H, 2), bool), lifts=((((),) * 2),) * H, recovered=(), observer_told=False, guided=(),
    )  # fmt: skip


FIGURES: dict[str, Callable[[Trace, style.Theme], go.Figure]] = {
    "beats": lambda t, theme: plots.beats(t, rows=(1, 2), theme=theme).figure,
    "expert_attention": lambda t, theme: plots.expert_attention(
        t, 0, np.linspace(-1, 2, len(t.items)), f"the score of {HOSTILE}", theme=theme
    ),
    "attention_map": lambda t, theme: plots.attention_map(t, 0, theme=theme),
    "attention_map_expert": lambda t, theme: plots.attention_map(t, 0, 0, theme=theme),
    "attention_overview": lambda t, theme: plots.attention_overview(t, theme=theme),
    "attention_overview_full": lambda t, theme: plots.attention_overview(t, full=True, theme=theme),
    "router": lambda t, theme: plots.router(t, theme=theme),
    "journey": lambda t, theme: plots.journey(t, theme=theme),
    "atlas_map": map_of,
    "probes": lambda t, theme: plots.probes(findings(len(t.head_scores)), theme),
    "values": lambda t, theme: plots.values(findings(len(t.head_scores)), HOSTILE, theme),
    "likeness": lambda t, theme: plots.likeness(findings(len(t.head_scores)), theme),
}


def drawn_texts(fig: go.Figure) -> list[str]:
    """Every string of a figure but the alternative text, which is spoken and never drawn."""
    found: list[str] = []

    def walk(value: Any, key: str = "") -> None:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            for k, v in value.items():
                if k not in ("meta", "template", "bdata"):
                    walk(v, k)
        elif isinstance(value, (list, tuple)):
            for v in value:
                walk(v, key)

    walk(json.loads(fig.to_json()))
    return found


def bars(fig: go.Figure) -> list[np.ndarray]:
    return [np.asarray(trace.x) for trace in fig.data if trace.type == "bar"]


# --- every picture


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(("H", "N", "T"), SIZES)
def test_every_size_is_drawn(name: str, H: int, N: int, T: int) -> None:
    fig = FIGURES[name](make(H, N, T), "light")
    assert len(fig.data) and fig.layout.height > 60
    assert "nan" not in plots.alt_text(fig).lower().split()
    assert 200 < plots.least_width(fig) < 2500


@pytest.mark.parametrize("name", FIGURES)
def test_titles_are_text(name: str) -> None:
    """Plotly draws b, i, a, br, span … in labels and hovers, and TeX between dollars."""
    texts = drawn_texts(FIGURES[name](make(), "light"))
    assert not [t for t in texts if re.search(r"<(a|img|i|/script)\b", t) or "$" in t], "markup of a title got through"
    assert not [t for t in texts if "<b>bold" in t]
    if name not in ("router", "attention_overview_full", "likeness"):
        assert any("&lt;b&gt;bold" in t for t in texts), "the hostile title is not in the picture at all"


@pytest.mark.parametrize("name", FIGURES)
def test_themes(name: str) -> None:
    trace = make()
    for theme in ("light", "dark"):
        fig = FIGURES[name](trace, cast(style.Theme, theme))
        assert fig.layout.template.layout.paper_bgcolor == plots.look(cast(style.Theme, theme)).page
    with pytest.raises(FameError, match=r"theme is 'sepia'; expected 'light' or 'dark'"):
        FIGURES[name](trace, cast(style.Theme, "sepia"))


@pytest.mark.parametrize("name", FIGURES)
def test_alternative_text_is_a_plain_sentence(name: str) -> None:
    said = plots.alt_text(FIGURES[name](make(), "light"))
    assert len(said) > 40 and said.endswith(".") and "&lt;" not in said


def test_alternative_text_of_another_figure() -> None:
    with pytest.raises(FameError, match="no alternative text; expected one made by fame"):
        plots.alt_text(go.Figure())


def test_untitled_takes_only_the_sentence_away() -> None:
    fig = plots.router(make())
    bare = plots.untitled(fig)
    assert bare.layout.title.text is None and fig.layout.title.text
    assert bare.layout.height < fig.layout.height and plots.alt_text(bare) == plots.alt_text(fig)
    space = [f.layout.height - f.layout.margin.t - f.layout.margin.b for f in (fig, bare)]
    assert space[0] == space[1], "the picture itself keeps its size"


# --- numbers


def test_probes_are_the_findings() -> None:
    found = findings(4)
    rows = {t.name: t for t in plots.probes(found).data if t.mode == "markers"}
    for h in range(4):
        disc = rows[f"Head {h + 1}"]
        np.testing.assert_array_equal(disc.customdata, found.heads.mean[h])
        np.testing.assert_allclose(np.diff(disc.x), PITCH + np.diff(found.heads.mean[h]), atol=1e-5)
        np.testing.assert_allclose(disc.error_x.array, found.heads.high[h] - found.heads.mean[h])
        np.testing.assert_allclose(disc.error_x.arrayminus, found.heads.mean[h] - found.heads.low[h])
        page = style.look("light").page
        assert [colour != page for colour in disc.marker.color] == found.above[h].tolist(), "filled where above"
    np.testing.assert_array_equal(rows["chance"].customdata, found.spaces["chance"].mean)
    bands = [s for s in plots.probes(found).layout.shapes if s.type == "rect"]
    np.testing.assert_allclose([b.x1 - b.x0 for b in bands], np.subtract(*found.spaces["random spaces"][:0:-1]))


def test_values_and_likeness_are_the_findings() -> None:
    found = findings(4)
    cells = [t.z[0] for t in plots.values(found, "decade").data if t.type == "heatmap"]
    np.testing.assert_allclose(cells, found.by_value[1], rtol=1e-6)
    squares = [t.z[0] for t in plots.likeness(found).data if t.type == "heatmap"]
    np.testing.assert_allclose(squares[:4], found.alike, rtol=1e-6)
    np.testing.assert_allclose(squares[4:], found.overlap, rtol=1e-6)
    gap = plots.values(found, HOSTILE)
    assert next(t.text[0] for t in gap.data if t.type == "scatter") == "–", "what was not measured has no number"
    with pytest.raises(FameError, match=r"'mood' was not probed; known are"):
        plots.values(found, "mood")
    with pytest.raises(FameError, match="nothing was probed"):
        plots.probes(replace(found, attributes=(), values=(), by_value=()))


def test_expert_attention_is_the_traces() -> None:
    trace = make()
    effects = np.array([0.5, -0.2, 0, 0.1, 0.2, 0.9], np.float32)
    fig = plots.expert_attention(trace, 2, effects)
    experts, mix = [t for t in fig.data if t.type == "heatmap"]
    np.testing.assert_array_equal(experts.z, trace.attention[2, :, -1])
    np.testing.assert_allclose(mix.z[0], trace.router[-1, 2] @ trace.attention[2, :, -1], atol=1e-6)
    by_name = {t.name: t for t in fig.data if t.type == "bar"}
    np.testing.assert_array_equal(by_name["router"].x, trace.router[-1, 2])
    np.testing.assert_array_equal(by_name["adds"].y, effects)
    unmeasured = plots.expert_attention(trace, 2, np.full(6, np.nan))
    assert "adds" not in {t.name for t in unmeasured.data}


@pytest.mark.parametrize("T", [1, 3, 12, 13])
def test_experts_stay_beside_their_router(T: int) -> None:
    """However short the history is: the grid has no empty columns, the router stands next to it under its name."""
    trace = make(4, 3, T)
    fig = plots.expert_attention(trace, 1, np.ones(T))
    across, track = fig.layout.xaxis, fig.layout.xaxis2
    assert list(across.range) == [-0.5, T - 0.5] and 0 < track.domain[0] - across.domain[1] < 0.05
    assert track.domain[1] <= 1 and (T >= 6) == (across.domain[1] > 0.8)
    [name] = [a for a in fig.layout.annotations if a.text == "router"]
    assert (name.yref, name.y, name.yanchor) == ("y domain", 1, "bottom"), "outside an axis's range it is not drawn"
    written = [t.text for t in fig.data if t.type == "scatter"]
    if T > 12:
        assert not written, "the cells are too narrow"
    else:
        weights = [*trace.attention[1, :, -1].ravel(), *trace.mixed_attention[1, -1]]
        assert [x for part in written for x in part] == [percent(float(w)) for w in weights]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_percentages_read_on_their_cells(theme: style.Theme) -> None:
    trace = make()
    for fig in (plots.expert_attention(trace, 0, theme=theme), plots.attention_map(trace, 2, theme=theme)):
        maps = [t for t in fig.data if t.type == "heatmap"]
        for cells, text in zip(maps, (t for t in fig.data if t.type == "scatter"), strict=True):
            weights = cells.z[~np.isnan(cells.z)]
            assert list(text.text) == [percent(float(w)) for w in weights]
            (_, low), (_, high) = cells.colorscale
            for w, ink in zip(weights, text.textfont.color, strict=True):
                assert style.contrast(ink, style.blend(low, high, float(w) / cells.zmax)) >= 4.49


def test_what_an_item_adds_has_one_sign() -> None:
    """Row, bars, numbers, hovers and alternative text: all say the natural run minus the run without the item."""
    trace = make(T=3)
    fig = plots.expert_attention(trace, 0, np.array([0.5, -0.25, 0.1]), "the score of X")
    [adds] = [t for t in fig.data if t.name == "adds"]
    assert list(adds.text) == ["+0.500", "−0.250", "+0.100"]
    assert adds.hovertext[1].endswith("<br>adds −0.250 to the score of X, measured by leaving it out")
    assert fig.layout.yaxis2.ticktext == ("<b>item adds</b>",)
    assert "What each item adds to the score of X, measured by leaving it out" in drawn_texts(fig)
    assert plots.alt_text(fig).endswith("moves the score of X most: it adds +0.500.")


def test_attention_maps_are_the_traces_and_never_show_the_future() -> None:
    trace = make()
    past = np.tril(np.ones((6, 6), bool))
    for expert, weights in ((None, trace.mixed_attention[1]), (3, trace.attention[1, 3])):
        z = plots.attention_map(trace, 1, expert).data[0].z
        np.testing.assert_array_equal(z[past], weights[past])
        assert np.isnan(z[~past]).all()


def test_overview_holds_every_weight_once() -> None:
    trace = make(3, 2, 4)
    last, tiles = (plots.attention_overview(trace, full=full) for full in (False, True))
    mixed = trace.mixed_attention
    weights = np.concatenate([trace.attention, mixed[:, None]], axis=1)  # [H, experts and mix, T, T]
    shown = last.data[0].customdata[~np.isnan(last.data[0].customdata[:, 0])]
    np.testing.assert_array_equal(shown, weights[:, :, -1].reshape(9, 4))
    past = np.tril(np.ones((4, 4), bool))
    drawn = tiles.data[0].customdata
    for h, n in np.ndindex(3, 3):
        tile = drawn[h * 5 : h * 5 + 4, n * 5 : n * 5 + 4]
        np.testing.assert_array_equal(tile[past], weights[h, n][past])
        assert np.isnan(tile[~past]).all()
    assert np.count_nonzero(~np.isnan(drawn)) == 3 * 3 * 10, "each tile holds the 10 weights of 4 causal steps"
    for fig in (last, tiles):  # each cell's colour lies within its head's part of the scale, the mix's after them
        z = fig.data[0].z
        assert set(np.floor(z[~np.isnan(z)])) == {0.0, 1.0, 2.0, 3.0}
        assert fig.data[1].customdata.tolist() == [[h, n] for h in range(3) for n in range(2)]
        said = [percent(w) for w in trace.router[-1].ravel()]
        written = [*(a.text for a in fig.layout.annotations), *(t for d in fig.data[2:] for t in d.text or [])]
        assert [t for t in written if t in said] == said, "the routers' weights"


def test_with_one_expert_there_is_no_mix_and_no_router() -> None:
    trace = make(3, 1, 4)
    for full in (False, True):
        fig = plots.attention_overview(trace, full=full)
        assert "mixed" not in drawn_texts(fig) and "router" not in plots.alt_text(fig).lower()
        assert len(fig.data) == 2
    assert {t.yaxis for t in plots.journey(trace).data} == {"y"}


@pytest.mark.parametrize("name", ["expert_attention", "attention_map", "attention_overview", "attention_overview_full"])
def test_a_ramp_tells_what_the_colours_mean(name: str) -> None:
    fig = FIGURES[name](make(4, 4, 20), "dark")
    [key] = [a.text for a in fig.layout.annotations if "attention" in (a.text or "")]
    assert re.match(r"\d+%( or more)? of an? (expert|step)'s attention", key)
    ramp = [s.fillcolor for s in fig.layout.shapes if s.xsizemode == "pixel" and s.fillcolor]
    assert ramp[0] == plots.look("dark").panel and len(set(ramp)) == len(ramp) > 4
    assert ramp[-1] in {plots.look("dark").ink, plots.head_colour(0, "dark").lower()}
    assert fig.layout.margin.b >= 2 * style.MARGIN, "the key has room"


def test_router_and_journey_are_the_traces() -> None:
    trace = make()
    np.testing.assert_array_equal(np.stack(bars(plots.router(trace, 2)), axis=1), trace.router[2])
    fig = plots.journey(trace, head=1)
    parts = {axis: [t.y for t in fig.data if t.type == "bar" and t.yaxis == axis] for axis in ("y", "y2")}
    np.testing.assert_array_equal(np.stack(parts["y"], axis=1), trace.gate)
    np.testing.assert_array_equal(np.stack(parts["y2"], axis=1), trace.router[:, 1])
    entropy = next(t for t in fig.data if t.type == "heatmap").customdata
    np.testing.assert_allclose(entropy.T, explain.router_entropy(trace), atol=1e-6)
    moved = explain.journey(trace)
    assert moved.gate_turn is not None and moved.router_turns[1] is not None
    marks = {a.yref: a.x for a in fig.layout.annotations if a.text == "▼"}
    assert marks == {"y": moved.gate_turn - 1, "y2": moved.router_turns[1] - 1}
    assert explain.say_router_turn(trace, 1) in plots.alt_text(fig)


@pytest.mark.parametrize(
    ("change", "title"),
    [
        (Intervention(gate=(1, 2, 3, 4)), "The gate was set by hand, the same at every step"),
        (Intervention(heads_off=(0, 1, 3)), "Only one head is switched on, so that the gate is the same at every step"),
    ],
)
def test_the_journey_says_why_the_gate_stood_still(change: Intervention, title: str) -> None:
    fig = plots.journey(make(intervention=change))
    assert fig.layout.title.text.startswith(f"{title}<br>")
    assert [a.yref for a in fig.layout.annotations if a.text == "▼"] == ["y2"]


@pytest.mark.parametrize("name", FIGURES)
def test_pictures_use_the_catalogues_noun(name: str) -> None:
    """With items that are no films, nothing that is drawn or spoken says film."""
    trace = make()
    titles = np.array(["", *(f"Thing {i}" for i in range(1, 81))], dtype=object)
    things = replace(trace.catalogue, title=titles)
    assert things.noun == "item"
    for items in (trace.items, trace.items[:1]):
        part = replace(trace, catalogue=things, items=items) if len(items) > 1 else _first_step(trace, things)
        assert "film" not in FIGURES[name](part, "light").to_json().lower()


def _first_step(trace: Trace, items: Catalogue) -> Trace:
    arrays = {key: getattr(trace, key)[:1] for key in ("items", "gate", "router", "expert_out", "f", "F")}
    return replace(trace, catalogue=items, attention=trace.attention[:, :, :1, :1], **arrays)


def test_labels_of_a_map_do_not_lie_on_each_other() -> None:
    items = catalogue()
    V, rng = len(items), np.random.default_rng(1)
    places = atlas(V).map("head_1")
    regions = pd.DataFrame({"x": rng.normal(size=40), "y": rng.normal(size=40), "label": "Film-Noir"})
    fig = plots.atlas_map(
        atlas(V), items, "head_1", highlight=range(40, 60), history=range(1, 16), recommendations=range(20, 40),
        state=tuple(places[1:].max(axis=0)), regions=regions,
    )  # fmt: skip
    extent = np.ptp(places[1:], axis=0)
    scale = 0.9 * min((plots.least_width(fig) - 2 * style.MARGIN) / extent[0], 560 / extent[1])
    boxes = []
    for note in fig.layout.annotations:
        letters = re.sub(r"<.*?>|&\w+;", "x", note.text)
        width, height = (6 * len(letters), 14) if note.bgcolor else (10, 10)
        x, y = note.x * scale + (note.xshift or 0), note.y * scale + (note.yshift or 0)
        boxes.append([x - width / 2, x + width / 2, y - height / 2, y + height / 2])
    left, right, low, high = np.array(boxes).T
    over = (left[:, None] < right) & (left < right[:, None]) & (low[:, None] < high) & (low < high[:, None])
    assert over.sum() == len(boxes), "every label lies on itself alone"
    assert 20 < len(boxes) < 15 + 20 + 20 + 1 + 40, "some have room, and not all"
    assert "<b>the history</b>" in {a.text for a in fig.layout.annotations}


def test_map_points_and_groups() -> None:
    trace = make()
    items = trace.catalogue
    with_both = map_of(trace, values=["Drama", "Comedy"])
    assert [len(t.x) for t in with_both.data[1:3]] == [26, 27], "of two values the rarer wins"
    fig = map_of(trace, values=["Comedy", "<i>Noir</i>"])
    base = {t.name: np.asarray(t.customdata) for t in fig.data[:3]}
    matrix, values = items.attribute("genres")
    np.testing.assert_array_equal(base["Comedy"], np.flatnonzero(matrix[:, values.index("Comedy")]))
    assert sorted(np.concatenate(list(base.values()))) == list(range(1, len(items))), "each item once, no padding"
    paths = {t.name: list(t.customdata) for t in fig.data if t.customdata is not None}
    assert paths["history, in order"] == trace.items.tolist() and paths["highlighted"] == [1, 7]
    assert paths["recommended, with ranks"] == trace.ranking()[:5].tolist()
    np.testing.assert_array_equal(fig.data[0].x, atlas(len(items)).map("head_1")[base["other"], 0])


def test_a_map_explains_its_marks() -> None:
    """Every mark is in the legend under the map, and no class of items looks like one."""
    trace = make()
    fig = map_of(trace, highlighted=f"{HOSTILE} and its nearest")
    values, marks = ([t for t in fig.data if t.legend == legend] for legend in (None, "legend2"))
    assert all(t.showlegend for t in marks) and fig.layout.showlegend
    assert [t.name for t in marks] == [
        "history, in order", "where the history points", "recommended, with ranks",
        plots.text(f"{HOSTILE} and its nearest", 60),
    ]  # fmt: skip
    assert fig.layout.margin.b > style.MARGIN and fig.layout.legend2.y == 0
    taken = {str(t.marker.symbol or "circle").removesuffix("-open") for t in marks} - {"circle"}
    assert taken == {"x", "diamond"} and not taken & set(SHAPES) and len(set(SHAPES)) == MOST_VALUES
    assert len(values) == 4
    plain = plots.atlas_map(atlas(81), trace.catalogue)
    assert not plain.layout.showlegend and plain.layout.margin.b == style.MARGIN


def test_big_catalogues_are_drawn_with_webgl() -> None:
    items = Catalogue.from_frame(pd.DataFrame({"item_id": [str(i) for i in range(3000)]}))
    assert {t.type for t in plots.atlas_map(atlas(3001), items, history=[1, 2], recommendations=[3]).data} == {
        "scattergl"
    }
    assert {t.type for t in map_of(make()).data} == {"scatter"}


@pytest.mark.parametrize("name", ["attention_overview_full", "expert_attention", "atlas_map"])
def test_arrays_travel_as_float32(name: str) -> None:
    """Lists of numbers, or doubles, would make a picture several times as heavy."""
    wide = [
        key
        for trace in json.loads(FIGURES[name](make(), "light").to_json())["data"]
        for key in ("x", "y", "z", "customdata")
        if (value := trace.get(key)) and not (isinstance(value, dict) and np.dtype(value["dtype"]).itemsize <= 4)
    ]
    assert not wide


# --- refusals


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda t: plots.journey(t, head=4), r"there is no head 4; this model's heads are 0 to 3"),
        (lambda t: plots.expert_attention(t, 4), r"there is no head 4; this model's heads are 0 to 3"),
        (lambda t: plots.expert_attention(t, 0, step=6), r"there is no step 6; this history has the steps 0 to 5"),
        (lambda t: plots.expert_attention(t, 0, np.ones(5)), r"expected 6 numbers, one per item"),
        (lambda t: plots.attention_map(t, 0, 7), r"there is no expert 7; each head's experts are 0 to 3"),
        (lambda t: map_of(t, values=["Drama", "Opera"]), r"no item has the genres 'Opera'; try Drama"),
        (lambda t: map_of(t, kind="tsne"), r"there is no map 'tsne'"),
        (lambda t: plots.atlas_map(atlas(9), t.catalogue), r"the atlas maps 8 items and the catalogue has 80"),
        (lambda t: plots.atlas_map(atlas(81), t.catalogue, history=[0]), r"row 0 is not in the catalogue"),
    ],
)
def test_what_does_not_fit_is_refused(draw: Callable[[Trace], go.Figure], message: str) -> None:
    with pytest.raises(FameError, match=message):
        draw(make())


# --- colours and text


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_ink_reads_on_every_head(theme: style.Theme) -> None:
    colours = plots.look(theme)
    for h in range(len(colours.heads)):
        assert style.contrast(plots.ink_on(plots.head_colour(h, theme)), plots.head_colour(h, theme)) >= 4.5
    for behind in (colours.page, colours.panel):
        assert style.contrast(colours.ink, behind) >= 7 and style.contrast(colours.soft, behind) >= 4.5
    assert plots.head_colour(8, theme) == plots.head_colour(0, theme)


def test_ink_reads_on_any_colour() -> None:
    rng = np.random.default_rng(0)
    for r, g, b in rng.integers(0, 256, (500, 3)):
        colour = f"#{r:02x}{g:02x}{b:02x}"
        assert style.contrast(plots.ink_on(colour), colour) >= 4.5


def test_contrast_of_known_pairs() -> None:
    assert style.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert style.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the well-known grey just below AA


def simulate(colour: str, deficiency: str) -> np.ndarray:
    """CIELAB of a colour as somebody without one kind of cone sees it (Machado, Oliveira and Fernandes 2009)."""
    matrices = {
        "none": np.eye(3),
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    }
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(matrices[deficiency]) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
    f = np.cbrt(np.maximum(xyz / (0.9505, 1, 1.089), 1e-4))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("deficiency", ["none", "protan", "deutan", "tritan"])
def test_heads_are_told_apart(theme: style.Theme, deficiency: str) -> None:
    seen = [simulate(colour, deficiency) for colour in plots.look(theme).heads]
    apart = min(float(np.linalg.norm(a - b)) for i, a in enumerate(seen) for b in seen[:i])
    assert apart > 12, "about five times a just noticeable difference"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_app_uses_the_same_palette(theme: style.Theme) -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    colours = config["theme"][theme]["chartCategoricalColors"]
    heads = list(plots.look(theme).heads)
    assert [c.lower() for c in colours[: len(heads)]] == [c.lower() for c in heads]
    assert config["theme"][theme]["backgroundColor"] == plots.look(theme).page


@pytest.mark.parametrize(
    ("title", "width", "drawn"),
    [
        ("Heat", None, "Heat"),
        ("<b>x</b> & y", None, "&lt;b&gt;x&lt;/b&gt; &amp; y"),
        ("$a$", None, "&#36;a&#36;"),
        (LONG, 18, "Dr. Strangelove o…"),
        ("A <b>", 4, "A &lt;…"),
    ],
)
def test_text(title: str, width: int | None, drawn: str) -> None:
    assert plots.text(title, width) == drawn


def test_cut_titles_stay_apart() -> None:
    empire, return_of = "Star Wars: Episode V - The Empire", "Star Wars: Episode VI - Return"
    cut = style.texts([empire, "Heat", return_of, empire], 18)
    assert cut[0] == cut[3] != cut[2] and cut[1] == "Heat"
    assert all(len(c) <= 18 for c in cut) and cut[0].startswith("Star Wars") and cut[0].endswith("Empire")
