"""What heads are about: probes of their spaces beside what anything would give, value by value; how alike heads are."""

from __future__ import annotations

import numpy as np

from fame.errors import FameError
from fame.evidence import SLICES, Evidence, Interval
from fame.plots.picture import Chart, chart
from fame.plots.sheet import Sheet
from fame.plots.style import (
    Theme,
    blend,
    finish,
    head_colour,
    head_name,
    head_scale,
    ink_on,
    ink_scale,
    look,
    text,
    texts,
)
from fame.text import number

__all__ = ["likeness", "probes", "values"]

ROW = 30  # pixels
PITCH = 1.42  # from one attribute's scale, which runs from 0 to 1, to the next
COLUMN = 190  # pixels of one
NAME = 24  # letters of an attribute or a value; beside a head there is room for fewer
CALLED = 13


def probes(found: Evidence, theme: Theme = "light") -> Chart:
    """Heads as rows, attributes as columns: the average precision with which each is read from a head's item space.

    Lines are 95% intervals, of a SASRec's slices their range; the band is that of random spaces of the head's width,
    and a head's disc is filled where it is above them (q < .05). Diamonds are what anything else would give.

    Raises:
        FameError: nothing was probed.
    """
    H, A = _probed(found)
    references = list(found.spaces)
    y = {name: H + 0.7 + i for i, name in enumerate(references)}
    bottom = H + 0.2 + len(references)
    sheet = Sheet()
    _scales(sheet, found, bottom, theme)
    for h in range(H):
        one = Interval(*(x[h] for x in found.heads))
        _dots(sheet, one, float(h), head_colour(h, theme), found.above[h], head_name(h), found.attributes, theme)
    for name in references:
        _dots(sheet, found.spaces[name], y[name], look(theme).soft, None, name, found.attributes, theme)
    _names(sheet, found, y, theme)
    ticks = (0.0, 0.5, 1.0)
    right = A * PITCH - 0.02
    sheet.update_xaxes(
        range=[-0.86, right], tickvals=[a * PITCH + t for a in range(A) for t in ticks],
        ticktext=["0", ".5", "1"] * A, side="bottom",
    )  # fmt: skip
    sheet.update_yaxes(range=[bottom, -1.4], visible=False)
    lines = {head_name(h): row for h, row in enumerate(found.heads.mean)}
    lines |= {name.capitalize(): space.mean for name, space in found.spaces.items()}
    figures = "; ".join(
        f"{who}: " + ", ".join(f"{n} {number(x)}" for n, x in zip(found.attributes, row, strict=True))
        for who, row in lines.items()
    )
    alt = f"{found.summary()} Average precision: {figures}."
    title = text(found.summary().partition(". ")[0].removesuffix("."), 90)
    note = (
        f"Average precision of a linear probe. Lines: 95% intervals{', of slices the range' * (SLICES in references)}. "
        "Grey: random spaces of that width. Disc filled: above them (q < .05)."
    )
    width = COLUMN / PITCH * (right + 0.86)
    finish(sheet, theme=theme, title=title, note=note, alt=alt, height=ROW * (bottom + 1.4), least=width, bottom=20)
    return chart("probes", sheet, found.probe_table)


def _scales(sheet: Sheet, found: Evidence, bottom: float, theme: Theme) -> None:
    """For each attribute a scale from 0 to 1 down to `bottom`, and the band of random spaces behind the heads."""
    H, A = _probed(found)
    line, random = look(theme).line, found.spaces["random spaces"]
    for a in range(A):
        left = a * PITCH
        sheet.add_shape(
            type="rect", x0=left + random.low[a], x1=left + random.high[a], y0=-0.5, y1=H - 0.5, layer="below",
            fillcolor=line, line={"width": 0},
        )  # fmt: skip
        for at in (0.0, 0.5, 1.0):
            sheet.add_shape(
                type="line", x0=left + at, x1=left + at, y0=-0.5, y1=bottom, layer="below",
                line={"color": line, "width": 1},
            )  # fmt: skip


def _names(sheet: Sheet, found: Evidence, y: dict[str, float], theme: Theme) -> None:
    """What rows and columns are: heads with what they are called, the other spaces at `y`, attributes."""
    (H, A), colours = _probed(found), look(theme)
    for h in range(H):
        badge = head_colour(h, theme)
        sheet.add_annotation(
            x=-0.76, y=h, text=f"<b>{h + 1}</b>", bgcolor=badge, borderpad=3, width=14, font={"color": ink_on(badge)}
        )
    inks = [colours.ink if verdict.attribute else colours.soft for verdict in found.verdicts]
    called = [text(verdict.attribute or "unclear", CALLED) for verdict in found.verdicts]
    # As points with words: an annotation is placed by the width its words have in another font.
    for x, at, words, ink in (
        (np.full(H, -0.66), np.arange(H), called, inks),
        (np.full(len(y), -0.85), np.array(list(y.values())), list(y), colours.soft),
        (
            np.arange(A) * PITCH - 0.02,
            np.full(A, -1),
            [f"<b>{n}</b>" for n in texts(found.attributes, NAME)],
            colours.ink,
        ),
    ):
        sheet.add_scatter(
            x=x.astype(np.float32), y=at.astype(np.float32), mode="text", text=words, textposition="middle right",
            textfont={"color": ink}, hoverinfo="skip",
        )  # fmt: skip


def _dots(
    sheet: Sheet,
    of: Interval,
    y: float,
    colour: str,
    filled: np.ndarray | None,
    who: str,
    attributes: tuple[str, ...],
    theme: Theme,
) -> None:
    """One row: a mark for each attribute with its interval, and its number at the right. Heads are discs, filled or
    not; what has no `filled` is a diamond."""
    A = len(attributes)
    left = np.arange(A) * PITCH
    at = np.full(A, y, np.float32)
    page = look(theme).page
    sheet.add_scatter(
        x=(left + of.mean).astype(np.float32), y=at, mode="markers", name=who, customdata=of.mean,
        marker={
            "size": 11, "opacity": 1, "line": {"color": colour, "width": 2},
            "symbol": "circle" if filled is not None else "diamond-tall",
            "color": [colour if f else page for f in (np.ones(A, bool) if filled is None else filled)],
        },
        error_x={
            "type": "data", "array": of.high - of.mean, "arrayminus": of.mean - of.low, "color": colour,
            "thickness": 2, "width": 0,
        },
        hovertext=[
            f"<b>{who.capitalize()}</b>, {text(name)}<br>average precision {number(m, 3)} ({number(low, 3)} to "
            f"{number(high, 3)})"
            for name, m, low, high in zip(attributes, *of, strict=True)
        ],
        hoverinfo="text",
    )  # fmt: skip
    sheet.add_scatter(
        x=(left + 1.07).astype(np.float32), y=at, mode="text", text=[number(m) for m in of.mean],
        textposition="middle right", textfont={"color": look(theme).ink, "size": 12}, hoverinfo="skip",
    )  # fmt: skip


def values(found: Evidence, attribute: str, theme: Theme = "light") -> Chart:
    """One attribute's values as columns, most frequent first, and how well each is read from each head's space.

    Below stand the full embedding and how frequent a value is, which guessing at random would reach.

    Raises:
        FameError: the attribute was not probed.
    """
    H, _ = _probed(found)
    if attribute not in found.attributes:
        raise FameError(f"{attribute!r} was not probed; known are {', '.join(found.attributes)}")
    a = found.attributes.index(attribute)
    table, names = found.by_value[a].astype(np.float32), found.values[a]
    M = len(names)
    sheet = Sheet()
    labels = [*(f"head {h + 1}" for h in range(H)), "full embedding", "frequency"]
    for row, label in enumerate(labels):
        scale = head_scale(row, theme) if row < H else ink_scale(theme)
        who = label.capitalize()
        _cells(sheet, np.arange(M), row, table[row], scale, [f"<b>{text(n)}</b><br>{who}: " for n in names])
    sheet.update_xaxes(
        range=[-0.5, M - 0.5], tickvals=list(range(M)), ticktext=texts(names, NAME), side="top",
        tickangle=-90 if M > 4 else 0,
    )  # fmt: skip
    sheet.update_yaxes(range=[H + 1.5, -0.5], tickvals=list(range(H + 2)), ticktext=labels)
    title = f"{text(attribute.capitalize(), 40)}, value by value"
    note = "Average precision with which each value is read from a head's space; frequent values first."
    read = "; ".join(
        f"{n}: " + ", ".join(f"{label} {number(float(x))}" for label, x in zip(labels, column, strict=True) if x == x)
        for n, column in zip(names, table.T, strict=True)
    )
    top = 16 + (6.5 * min(NAME, max(map(len, names))) if M > 4 else 0)
    alt = f"Average precision by value of {attribute}. {read}."
    finish(
        sheet, theme=theme, title=title, note=note, alt=alt, height=ROW * (H + 2), least=max(480, 130 + 46 * M), top=top
    )
    return chart("values", sheet, lambda: found.value_table().loc[lambda table: table["attribute"] == attribute])


def likeness(found: Evidence, theme: Theme = "light") -> Chart:
    """How alike heads are, 0 to 1: their item spaces by linear CKA, their lists by rank-biased overlap."""
    H = len(found.verdicts)
    shift = max(H + 1.4, 4.6)  # where the second square begins
    sheet = Sheet()
    colours, scale = look(theme), ink_scale(theme)
    for start, square, what in ((0.0, found.alike, "item spaces"), (shift, found.overlap, "lists")):
        names = [head_name(h) for h in range(len(square))]
        if len(square) > H:
            names[H] = "The final list"
        for row in range(len(square)):
            hover = [f"{names[row]} and {other.lower()}: {what} " for other in names]
            _cells(sheet, start + np.arange(len(square)), row, square[row].astype(np.float32), scale, hover)
        for i, other in enumerate([*map(str, range(1, H + 1)), "final"][: len(square)]):
            sheet.add_annotation(x=start + i, y=-0.75, text=other)
    said = ("<b>Item spaces</b>, CKA", f"<b>Lists</b>, the first {found.depth}, RBO")
    for start, words in zip((0.0, shift), said, strict=True):
        sheet.add_scatter(
            x=np.array([start - 0.55], np.float32), y=np.array([-1.5], np.float32), mode="text", text=[words],
            textposition="middle right", hoverinfo="skip",
        )  # fmt: skip
    sheet.update_xaxes(range=[-0.6, max(shift + H + 1, 8) - 0.4], visible=False)
    rows = [f"head {h + 1}" for h in range(H)]
    sheet.update_yaxes(range=[H + 0.5, -1.9], tickvals=list(range(H)), ticktext=rows)
    for y, row_name in enumerate([*rows, "final list"]):  # again: on a phone the second square is in sight alone
        sheet.add_annotation(x=shift - 0.55, y=y, text=row_name, xanchor="right", font={"color": colours.soft})
    pairs = [(h, g) for h in range(H) for g in range(h + 1, H)]
    told = "; ".join(
        f"heads {h + 1} and {g + 1}: spaces {number(found.alike[h, g])}, lists {number(found.overlap[h, g])}"
        for h, g in pairs
    )
    final = ", ".join(f"head {h + 1} {number(found.overlap[h, H])}" for h in range(H))
    alt = (
        f"Likeness of heads, from 0 to 1. {told or 'There is one head'}. "
        f"Two random spaces: {number(found.alike_random)}. The final list with {final}."
    )
    random = number(found.alike_random)
    note = f"CKA compares spaces, RBO lists: 1 is the same. Two random item spaces have {random}."
    width = 120 + 46 * max(shift + H + 1, 8)
    finish(sheet, theme=theme, title="How alike the heads are", note=note, alt=alt, height=ROW * (H + 2.4), width=width)
    return chart("likeness", sheet, found.likeness_table)


def _cells(
    sheet: Sheet, x: np.ndarray, row: int, z: np.ndarray, scale: list[tuple[float, str]], hover: list[str]
) -> None:
    """One row of cells from 0 to 1, a number in each; what was not measured is a gap."""
    sheet.add_heatmap(
        x=x.astype(np.float32), y=np.array([row], np.float32), z=z[None], zmin=0, zmax=1, colorscale=scale,
        showscale=False, xgap=2, ygap=2, hoverinfo="text", hoverongaps=False,
        hovertext=[[f"{words}{number(float(v), 3)}" for words, v in zip(hover, z, strict=True)]],
    )  # fmt: skip
    shown = [blend(scale[0][1], scale[1][1], float(np.nan_to_num(v))) for v in z]
    sheet.add_scatter(
        x=x.astype(np.float32), y=np.full(len(x), row, np.float32), mode="text", hoverinfo="skip",
        text=["–" if np.isnan(v) else number(float(v)) for v in z],
        textfont={"color": [ink_on(c) for c in shown], "size": 11},
    )  # fmt: skip


def _probed(found: Evidence) -> tuple[int, int]:
    """H and A."""
    if not found.attributes:
        raise FameError("nothing was probed: no attribute of the catalogue has two values common enough")
    return len(found.verdicts), len(found.attributes)
