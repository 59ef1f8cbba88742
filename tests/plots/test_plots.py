"""The pictures: their numbers are the trace's, titles stay text, and everybody can read them."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.io import to_json

import fame
from fame import explain, plots
from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.evidence import Apart, Evidence, Interval, Verdict
from fame.plots import style
from fame.plots.evidence import PITCH
from fame.trace import Intervention, Trace
from tests.plots.made import HOSTILE, LONG, make

ROOT = Path(__file__).resolve().parents[2]
SIZES = [(1, 1, 1), (1, 4, 3), (3, 1, 2), (4, 4, 6), (8, 8, 50)]  # H, N, T


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


CHARTS: dict[str, Callable[[Trace, style.Theme], plots.Chart]] = {
    "journey": lambda t, theme: plots.journey(t, theme=theme),
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


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize(("H", "N", "T"), SIZES)
def test_every_size_is_drawn(name: str, H: int, N: int, T: int) -> None:
    picture = CHARTS[name](make(H, N, T), "light")
    go.Figure(picture.figure.to_dict())  # where Plotly checks every name and value, as no sheet does
    assert len(picture.sheet.data) and picture.height > 60
    assert "nan" not in picture.alt.lower().split()
    assert 200 < style.least_width(picture.sheet) < 2500


def unpacked(value: Any) -> Any:
    """JSON of a figure with its packed arrays as lists."""
    if isinstance(value, list):
        return [unpacked(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if "bdata" not in value:
        return {name: unpacked(inner) for name, inner in value.items()}
    flat = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
    shape = [int(n) for n in str(value.get("shape", len(flat))).split(", ")]
    return flat.astype(float).round(5).reshape(shape).tolist()


@pytest.mark.parametrize("name", CHARTS)
def test_what_the_app_is_given_is_what_plotly_writes(name: str) -> None:
    picture = CHARTS[name](make(4, 4, 6), "dark")
    written = (to_json(picture.sheet.spec(), validate=False), picture.figure.to_json())
    own, plotlys = (json.dumps(unpacked(json.loads(text)), sort_keys=True) for text in written)  # so that NaN is NaN
    assert own == plotlys
    assert "bdata" in json.dumps(picture.sheet.spec()["data"], default=str), "nothing is packed"


def test_pictures_of_a_bundle_are_plotlys() -> None:
    bundle = fame.load("planted")
    assert bundle.population is not None and bundle.course is not None
    drawn = [plots.population_use, plots.population_slices, plots.population_gate]
    for figure in [
        *(draw(bundle.population).figure for draw in drawn),
        plots.course(bundle.course, bundle.catalogue).figure,
    ]:
        go.Figure(figure.to_dict())
    with pytest.raises(ValueError, match="widht"):
        go.Figure({"layout": {"widht": 3}})


@pytest.mark.parametrize("name", CHARTS)
def test_titles_are_text(name: str) -> None:
    """Plotly draws b, i, a, br, span … in labels and hovers, and TeX between dollars."""
    texts = drawn_texts(CHARTS[name](make(), "light").figure)
    assert not [t for t in texts if re.search(r"<(a|img|i|/script)\b", t) or "$" in t], "markup of a title got through"
    assert not [t for t in texts if "<b>bold" in t]
    if name != "likeness":
        assert any("&lt;b&gt;bold" in t for t in texts), "the hostile title is not in the picture at all"


@pytest.mark.parametrize("name", CHARTS)
def test_themes(name: str) -> None:
    trace = make()
    for theme in ("light", "dark"):
        fig = CHARTS[name](trace, cast(style.Theme, theme)).figure
        assert fig.layout.template.layout.paper_bgcolor == plots.look(cast(style.Theme, theme)).page
    with pytest.raises(FameError, match=r"theme is 'sepia'; expected 'light' or 'dark'"):
        CHARTS[name](trace, cast(style.Theme, "sepia"))


@pytest.mark.parametrize("name", CHARTS)
def test_alternative_text_is_a_plain_sentence(name: str) -> None:
    said = CHARTS[name](make(), "light").alt
    assert len(said) > 40 and said.endswith(".") and "&lt;" not in said


def test_untitled_takes_only_the_sentence_away() -> None:
    sheet = plots.journey(make()).sheet
    titled, bare = (each.figure().layout for each in (sheet, style.untitled(sheet)))
    assert bare.title.text is None and titled.title.text and bare.height < titled.height
    assert titled == sheet.figure().layout, "the sheet itself was changed"
    space = [layout.height - layout.margin.t - layout.margin.b for layout in (titled, bare)]
    assert space[0] == space[1], "the picture itself keeps its size"


# --- numbers


def test_probes_are_the_findings() -> None:
    found = findings(4)
    rows = {t.name: t for t in plots.probes(found).figure.data if t.mode == "markers"}
    for h in range(4):
        disc = rows[f"Head {h + 1}"]
        np.testing.assert_array_equal(disc.customdata, found.heads.mean[h])
        np.testing.assert_allclose(np.diff(disc.x), PITCH + np.diff(found.heads.mean[h]), atol=1e-5)
        np.testing.assert_allclose(disc.error_x.array, found.heads.high[h] - found.heads.mean[h])
        np.testing.assert_allclose(disc.error_x.arrayminus, found.heads.mean[h] - found.heads.low[h])
        page = style.look("light").page
        assert [colour != page for colour in disc.marker.color] == found.above[h].tolist(), "filled where above"
    np.testing.assert_array_equal(rows["chance"].customdata, found.spaces["chance"].mean)
    bands = [s for s in plots.probes(found).figure.layout.shapes if s.type == "rect"]
    np.testing.assert_allclose([b.x1 - b.x0 for b in bands], np.subtract(*found.spaces["random spaces"][:0:-1]))


def test_values_and_likeness_are_the_findings() -> None:
    found = findings(4)
    cells = [t.z[0] for t in plots.values(found, "decade").figure.data if t.type == "heatmap"]
    np.testing.assert_allclose(cells, found.by_value[1], rtol=1e-6)
    squares = [t.z[0] for t in plots.likeness(found).figure.data if t.type == "heatmap"]
    np.testing.assert_allclose(squares[:4], found.alike, rtol=1e-6)
    np.testing.assert_allclose(squares[4:], found.overlap, rtol=1e-6)
    gap = plots.values(found, HOSTILE).figure
    assert next(t.text[0] for t in gap.data if t.type == "scatter") == "–", "what was not measured has no number"
    with pytest.raises(FameError, match=r"'mood' was not probed; known are"):
        plots.values(found, "mood")
    with pytest.raises(FameError, match="nothing was probed"):
        plots.probes(replace(found, attributes=(), values=(), by_value=()))


def test_the_journey_is_the_traces() -> None:
    trace = make()
    picture = plots.journey(trace, head=1)
    fig = picture.figure
    parts = {axis: [t.y for t in fig.data if t.type == "bar" and t.yaxis == axis] for axis in ("y", "y2")}
    np.testing.assert_array_equal(np.stack(parts["y"], axis=1), trace.gate)
    np.testing.assert_array_equal(np.stack(parts["y2"], axis=1), trace.router[:, 1])
    entropy = next(t for t in fig.data if t.type == "heatmap").customdata
    np.testing.assert_allclose(entropy.T, explain.router_entropy(trace), atol=1e-6)
    moved = explain.journey(trace)
    assert moved.gate_turn is not None and moved.router_turns[1] is not None
    marks = {a.yref: a.x for a in fig.layout.annotations if a.text == "▼"}
    assert marks == {"y": moved.gate_turn - 1, "y2": moved.router_turns[1] - 1}
    assert explain.say_router_turn(trace, 1) in picture.alt


@pytest.mark.parametrize(
    ("change", "title"),
    [
        (Intervention(gate=(1, 2, 3, 4)), "The gate was set by hand, the same at every step"),
        (Intervention(heads_off=(0, 1, 3)), "Only one head is switched on, so that the gate is the same at every step"),
    ],
)
def test_the_journey_says_why_the_gate_stood_still(change: Intervention, title: str) -> None:
    fig = plots.journey(make(intervention=change)).figure
    assert fig.layout.title.text.startswith(f"{title}<br>")
    assert [a.yref for a in fig.layout.annotations if a.text == "▼"] == ["y2"]


@pytest.mark.parametrize("name", CHARTS)
def test_pictures_use_the_catalogues_noun(name: str) -> None:
    """With items that are no films, nothing that is drawn or spoken says film."""
    trace = make()
    titles = np.array(["", *(f"Thing {i}" for i in range(1, 81))], dtype=object)
    things = replace(trace.catalogue, title=titles)
    assert things.noun == "item"
    for items in (trace.items, trace.items[:1]):
        part = replace(trace, catalogue=things, items=items) if len(items) > 1 else _first_step(trace, things)
        assert "film" not in CHARTS[name](part, "light").figure.to_json().lower()


def _first_step(trace: Trace, items: Catalogue) -> Trace:
    arrays = {key: getattr(trace, key)[:1] for key in ("items", "gate", "router", "expert_out", "f", "F")}
    return replace(trace, catalogue=items, attention=trace.attention[:, :, :1, :1], **arrays)


def test_arrays_travel_as_float32() -> None:
    """Lists of numbers, or doubles, would make a picture several times as heavy."""
    wide = [
        key
        for trace in plots.journey(make()).sheet.spec()["data"]
        for key in ("x", "y", "z", "customdata")
        if (value := trace.get(key)) and not (isinstance(value, dict) and np.dtype(value["dtype"]).itemsize <= 4)
    ]
    assert not wide


# --- refusals


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda t: plots.journey(t, head=4), r"there is no head 4; this model's heads are 0 to 3"),
        (lambda t: plots.beats(t, rows=(1, 99)), r"row 99 is not in the catalogue"),
    ],
)
def test_what_does_not_fit_is_refused(draw: Callable[[Trace], plots.Picture], message: str) -> None:
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
