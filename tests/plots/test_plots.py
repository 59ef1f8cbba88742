"""The pictures: their numbers are the trace's, titles stay text, and everybody can read them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import torch

from fame import explain, plots
from fame.atlas import Atlas
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.model import FAME
from fame.plots import style
from fame.trace import Intervention, Trace

HOSTILE = '<b>bold</b> & <a href="javascript:alert(1)">link</a> $x^2$ </script><img src=x onerror=alert(2)>'
LONG = "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb"
ROOT = Path(__file__).resolve().parents[2]
SIZES = [(1, 1, 1), (1, 4, 3), (3, 1, 2), (4, 4, 6), (8, 8, 50)]  # H, N, T


def catalogue() -> Catalogue:
    titles = [HOSTILE, LONG, "Twin", "Twin", *(f"Film {i}" for i in range(5, 81))]
    return Catalogue.from_frame(
        pd.DataFrame(
            {
                "item_id": [f"i{n}" for n in range(1, 81)],
                "title": titles,
                "year": [1950 + n // 2 for n in range(80)],
                "genres": [("<i>Noir</i>", "Drama|Comedy", "Drama")[n % 3] for n in range(80)],
            }
        )
    )


def make(H: int = 4, N: int = 4, T: int = 6, intervention: Intervention | None = None) -> Trace:
    """A trace of a network at random, with a history that starts with the hostile, long and equal titles."""
    torch.manual_seed(H * 100 + N)
    items = catalogue()
    config = FAMEConfig(n_items=items.n_items, d_model=16 if H != 3 else 24, n_heads=H, n_experts=N)
    model = FAME(config).eval()
    with torch.no_grad():
        model.items.weight.mul_(20)
        model.facets.W_exp.mul_(50)
        model.facets.gate.weight.mul_(20)
    return explain.trace(model, items, list(range(1, T + 1)), intervention or Intervention())


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


FIGURES: dict[str, Callable[[Trace, style.Theme], go.Figure]] = {
    "gate": lambda t, theme: plots.gate(t, np.full(t.gate.shape[1], 1 / t.gate.shape[1]), theme=theme),
    "head_lists": lambda t, theme: plots.head_lists(t, 5, exclude_history=False, highlight=1, theme=theme),
    "merge": lambda t, theme: plots.merge(None, t, items=[1, 2, 3, 4, 60], theme=theme),
    "merge_relative": lambda t, theme: plots.merge(None, t, items=[1, 60], relative=True, theme=theme),
    "beats": lambda t, theme: plots.beats(t, 1, 2, theme=theme),
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
    if name not in ("gate", "router", "attention_overview_full"):
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
    fig = plots.merge(None, make(), 5)
    bare = plots.untitled(fig)
    assert bare.layout.title.text is None and fig.layout.title.text
    assert bare.layout.height < fig.layout.height and plots.alt_text(bare) == plots.alt_text(fig)
    space = [f.layout.height - f.layout.margin.t - f.layout.margin.b for f in (fig, bare)]
    assert space[0] == space[1], "the picture itself keeps its size"


# --- numbers


def test_gate_is_the_traces() -> None:
    trace = make(4, 2)
    widths = np.concatenate([w for w in bars(plots.gate(trace))])
    np.testing.assert_array_equal(widths, trace.gate[-1])
    with pytest.raises(FameError, match=r"usual has the shape \(2,\); expected 4 weights"):
        plots.gate(trace, np.ones(2))


def test_head_lists_bars_add_up_to_the_score() -> None:
    trace = make()
    fig = plots.head_lists(trace, 7)
    shares = np.stack(bars(fig))
    rows = trace.ranking()[:7]
    np.testing.assert_array_equal(shares, trace.shares(rows))
    np.testing.assert_allclose(shares.sum(0), trace.scores[rows], rtol=1e-5)
    lists = [np.asarray(t.customdata) for t in fig.data if t.customdata is not None]
    for h in range(4):
        np.testing.assert_array_equal(lists[h], trace.ranking(head=h)[:7])
    np.testing.assert_array_equal(lists[4], rows)


def test_links_are_as_wide_as_the_share() -> None:
    """With one head both lists are the same: each link goes straight, its width is the film's score."""
    trace = make(1, 1, 2)
    fig = plots.head_lists(trace, 4)
    rows = trace.ranking()[:4]
    ribbons = []
    for data in fig.data:
        if data.type == "scatter" and data.fill == "toself":
            xy = np.stack([data.x, data.y], 1)
            cuts = np.flatnonzero(np.isnan(xy[:, 0]))
            ribbons += [part[~np.isnan(part[:, 0])] for part in np.split(xy, cuts)]
    thick = {round(float(r[:, 1].mean())): float(np.ptp(r[:, 1])) for r in ribbons}
    scores = np.abs(trace.scores[rows])
    np.testing.assert_allclose([thick[i + 1] / thick[1] for i in range(4)], scores / scores[0], rtol=0.02)


@pytest.mark.parametrize("exclude", [True, False])
def test_merge_cells_sum_to_the_score(exclude: bool) -> None:
    trace = make()
    fig = plots.merge(None, trace, 9, exclude_history=exclude)
    cells = np.concatenate([t.z for t in fig.data if t.type == "heatmap"], axis=1)
    rows = trace.ranking(exclude_history=exclude)[:9]
    assert cells.shape == (9, 4) and (cells < 0).any(), "the case holds shares that pull down"
    np.testing.assert_allclose(cells.sum(1), trace.scores[rows], atol=1e-5)
    np.testing.assert_array_equal(cells, trace.shares(rows).T)


def test_merge_relative_sums_to_the_lead() -> None:
    trace = make()
    fig = plots.merge(None, trace, 5, relative=True)
    cells = np.concatenate([t.z for t in fig.data if t.type == "heatmap"], axis=1)
    candidates = trace.scores[trace.ranking()]
    np.testing.assert_allclose(cells.sum(1), candidates[:5] - candidates.mean(dtype=np.float64), atol=1e-5)


def test_merge_numbers_read_on_their_cells() -> None:
    """The ink of each number reaches AA on the colour that the scale gives its cell."""
    for theme in ("light", "dark"):
        fig = plots.merge(None, make(), 9, theme=cast(style.Theme, theme))
        maps = [t for t in fig.data if t.type == "heatmap"]
        numbers = [t for t in fig.data if getattr(t, "mode", "") == "text"][: len(maps)]
        for cells, text in zip(maps, numbers, strict=True):
            for z, ink in zip(np.ravel(cells.z), text.textfont.color, strict=True):
                at = (z - cells.zmin) / (cells.zmax - cells.zmin)
                (_, low), (_, mid), (_, high) = cells.colorscale
                fill = style.blend(mid, high, 2 * at - 1) if at > 0.5 else style.blend(mid, low, 1 - 2 * at)
                assert style.contrast(ink, fill) >= 4.49


def test_merge_says_how_far_films_moved() -> None:
    natural, changed = make(), make(intervention=Intervention(gate=(0, 0, 0, 1)))
    bundle = cast(Any, SimpleNamespace(trace=lambda rows: natural if rows == natural.items.tolist() else None))
    fig = plots.merge(bundle, changed, 5)
    before = {row: i for i, row in enumerate(natural.ranking())}
    expected = [before[row] - i for i, row in enumerate(changed.ranking()[:5])]
    arrows = [f"{'↑' if m > 0 else '↓'} {abs(m)}" if m else "" for m in expected]
    assert any(expected) and arrows in [list(t.text) for t in fig.data if getattr(t, "mode", "") == "text"]


def test_beats_bars_are_differences_and_their_sum() -> None:
    trace = make()
    [values] = bars(plots.beats(trace, 10, 20))
    shares = trace.shares(np.array([10, 20]))
    np.testing.assert_allclose(values[:4], shares[:, 0] - shares[:, 1], atol=1e-6)
    assert values[4] == pytest.approx(trace.scores[10] - trace.scores[20], abs=1e-5)
    assert "stands below" in plots.beats(trace, *trace.ranking()[[5, 0]].tolist()).layout.title.text


def test_expert_attention_is_the_traces() -> None:
    trace = make()
    effects = np.array([0.5, -0.2, 0, 0.1, 0.2, 0.9], np.float32)
    fig = plots.expert_attention(trace, 2, effects)
    experts, mix = [t for t in fig.data if t.type == "heatmap"]
    np.testing.assert_array_equal(experts.z, trace.attention[2, :, -1])
    np.testing.assert_allclose(mix.z[0], trace.router[-1, 2] @ trace.attention[2, :, -1], atol=1e-6)
    by_name = {t.name: t for t in fig.data if t.type == "bar"}
    np.testing.assert_array_equal(by_name["router"].x, trace.router[-1, 2])
    np.testing.assert_array_equal(by_name["left out"].y, effects)
    unmeasured = plots.expert_attention(trace, 2, np.full(6, np.nan))
    assert "left out" not in {t.name for t in unmeasured.data}


def test_attention_maps_are_the_traces_and_never_show_the_future() -> None:
    trace = make()
    past = np.tril(np.ones((6, 6), bool))
    for expert, weights in ((None, trace.mixed_attention[1]), (3, trace.attention[1, 3])):
        z = plots.attention_map(trace, 1, expert).data[0].z
        np.testing.assert_array_equal(z[past], weights[past])
        assert np.isnan(z[~past]).all()


def test_overview_holds_every_weight_once() -> None:
    trace = make(3, 2, 4)
    last, tiles = plots.attention_overview(trace).data[0], plots.attention_overview(trace, full=True).data[0]
    shown = last.customdata[~np.isnan(last.customdata[:, 0])]
    np.testing.assert_array_equal(shown, trace.attention[:, :, -1].reshape(6, 4))
    kept = tiles.customdata[~np.isnan(tiles.customdata)]
    assert len(kept) == 3 * 2 * 10, "each tile holds the 10 weights of 4 causal steps"
    assert float(kept.sum()) == pytest.approx(3 * 2 * 4, rel=1e-5)
    for heatmap in (last, tiles):  # each cell's colour lies within its head's part of the scale
        heads = np.floor(heatmap.z[~np.isnan(heatmap.z)])
        assert set(heads) == {0.0, 1.0, 2.0}
    clicks = plots.attention_overview(trace).data[1].customdata
    assert clicks.tolist() == [[h, n] for h in range(3) for n in range(2)]


def test_router_and_journey_are_the_traces() -> None:
    trace = make()
    np.testing.assert_array_equal(np.stack(bars(plots.router(trace, 2)), axis=1), trace.router[2])
    fig = plots.journey(trace)
    np.testing.assert_array_equal(np.stack([t.y for t in fig.data if t.type == "bar"], axis=1), trace.gate)
    entropy = next(t for t in fig.data if t.type == "heatmap").customdata
    np.testing.assert_allclose(entropy.T, explain.router_entropy(trace), atol=1e-6)
    turn = explain.journey(trace).gate_turn
    [mark] = [a for a in fig.layout.annotations if a.text == "▼"]
    assert turn is not None and mark.x == turn - 1


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
    paths = {t.name: list(t.customdata) for t in fig.data if t.name in ("history", "recommended", "highlighted")}
    assert paths["history"] == trace.items.tolist() and paths["recommended"] == trace.ranking()[:5].tolist()
    np.testing.assert_array_equal(fig.data[0].x, atlas(len(items)).map("head_1")[base["other"], 0])


def test_big_catalogues_are_drawn_with_webgl() -> None:
    items = Catalogue.from_frame(pd.DataFrame({"item_id": [str(i) for i in range(3000)]}))
    assert {t.type for t in plots.atlas_map(atlas(3001), items, history=[1, 2], recommendations=[3]).data} == {
        "scattergl"
    }
    assert {t.type for t in map_of(make()).data} == {"scatter"}


@pytest.mark.parametrize("name", ["attention_overview_full", "merge", "expert_attention", "atlas_map"])
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
        (lambda t: plots.head_lists(t, 0), r"k is 0; expected at least 1"),
        (lambda t: plots.head_lists(t, highlight=81), r"row 81 is not in the catalogue; rows are 1 to 80"),
        (lambda t: plots.merge(None, t, items=[]), r"there is no film to show"),
        (lambda t: plots.merge(None, t, items=["Twin"]), r"'Twin' names 2 items"),
        (lambda t: plots.beats(t, 1, 99), r"row 99 is not in the catalogue"),
        (lambda t: plots.expert_attention(t, 4), r"there is no head 4; this model's heads are 0 to 3"),
        (lambda t: plots.expert_attention(t, 0, step=6), r"there is no step 6; this history has the steps 0 to 5"),
        (lambda t: plots.expert_attention(t, 0, np.ones(5)), r"expected 6 numbers, one per film"),
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


@pytest.mark.parametrize(
    ("value", "shown"), [(1.234, "+1.23"), (-0.5, "−0.50"), (-0.001, "0.00"), (0, "0.00"), (12.0, "+12.00")]
)
def test_number(value: float, shown: str) -> None:
    assert style.number(value, plus=True) == shown


# --- files


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_page_stands_alone_and_executes_no_title() -> None:
    trace = make()
    figs = [draw(trace, "dark") for draw in FIGURES.values()]
    text = plots.page(figs, HOSTILE)
    parsed = Page()
    parsed.feed(text)
    tags = [tag for tag, _ in parsed.tags]
    labels = [attrs["aria-label"] for tag, attrs in parsed.tags if tag == "figure"]
    assert labels == [plots.alt_text(fig) for fig in figs]
    assert "img" not in tags and "a" not in tags, "a title became markup"
    assert tags.count("h1") == 1 and plots.look("dark").page in text
    assert not [
        attrs for tag, attrs in parsed.tags if tag in ("script", "link") and (attrs.get("src") or attrs.get("href"))
    ]
    assert text.count("Plotly.newPlot(") - plots.to_html(figs[0]).count("Plotly.newPlot(") == len(figs) - 1
    assert len(text) < 7_000_000, "Plotly's script is in the page once"


def test_page_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(FameError, match="there is no picture"):
        plots.page([], "Nothing")
    with pytest.raises(FameError, match="no alternative text"):
        plots.page([go.Figure()], "Strange")


def test_images_need_kaleido_and_chrome(monkeypatch: pytest.MonkeyPatch) -> None:
    fig = plots.gate(make())
    with pytest.raises(FameError, match="there is no image form 'gif'; expected svg, png, pdf"):
        plots.to_image(fig, cast(Any, "gif"))
    monkeypatch.setattr("fame.plots.export.find_spec", lambda name: None)
    with pytest.raises(FameError, match="pip install kaleido"):
        plots.to_image(fig)
    monkeypatch.setattr("fame.plots.export.find_spec", lambda name: object())

    def no_chrome(*_: Any, **__: Any) -> bytes:
        raise RuntimeError("\nKaleido requires Google Chrome\n to be installed.")

    monkeypatch.setattr(go.Figure, "to_image", no_chrome)
    with pytest.raises(FameError, match=r"no image could be made \(Kaleido requires Google Chrome\)"):
        plots.to_image(fig)
