"""What is recommended, and which head says so: the gate, and the heads' lists beside the final one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from fame import explain
from fame.errors import FameError
from fame.plots.style import KEY, Theme, alpha, blend, finish, head_colour, head_name, ink_on, look, text, texts
from fame.text import digits_for, listing, number, ordinal, percent, plural
from fame.trace import Trace

__all__ = ["gate", "head_lists"]

# head_lists, in units of one head's column
COLUMN = 0.82  # of it the list takes this, the links between lists the rest
FINAL = 2.0  # the final list: titles, then bars, then sums
FINAL_BARS = (1.0, 1.72)
UNIT = 205  # pixels
ROW = 28
LETTERS = 17, 24  # of a title in a head's column, in the final list
LINK = 0.45  # rows that the widest link is thick
FAINT: dict[Theme, float] = {"light": 0.22, "dark": 0.36}  # opacity of a link that is not highlighted
BELOW = 1.4  # rows from a list's last item to the box of an item further down


def gate(trace: Trace, usual: np.ndarray | None = None, theme: Theme = "light") -> go.Figure:
    """How much say each head has at the last step: one bar, as wide as the whole, cut by head.

    usual: the gate [H] to compare with, for instance its mean over many histories; a thinner bar below.

    Raises:
        FameError: `usual` has not one weight per head.
    """
    g = trace.gate[-1]
    H = len(g)
    if usual is not None and np.shape(usual) != (H,):
        raise FameError(f"usual has the shape {np.shape(usual)}; expected {H} weights, one per head")
    weights = g[:, None] if usual is None else np.stack([g, np.asarray(usual, np.float32)], axis=1)
    names = ["here", "usually"][: weights.shape[1]]
    fig = go.Figure()
    for h in range(H):
        colour = head_colour(h, theme)
        fig.add_bar(
            x=weights[h],
            y=np.arange(len(names), dtype=np.float32),
            width=np.array([0.8, 0.5], np.float32)[: len(names)],
            orientation="h",
            name=head_name(h),
            marker={"color": colour, "line": {"color": look(theme).page, "width": 1}},
            text=[_gate_label(h, w) for w in weights[h]],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            constraintext="none",
            textfont={"color": ink_on(colour), "weight": 600, "size": [14, 12][: len(names)]},
            hovertext=[
                f"{head_name(h)}, {name}: {w:.1%} of the gate" for name, w in zip(names, weights[h], strict=True)
            ],
            hoverinfo="text",
        )
    fig.update_layout(barmode="stack", barcornerradius=6, bargap=0)
    fig.update_xaxes(range=[0, max(1.0, float(weights.sum(axis=0).max()))], visible=False)
    fig.update_yaxes(
        range=[len(names) - 0.5, -0.5], tickvals=list(range(len(names))), ticktext=names, visible=len(names) > 1
    )
    shares = listing([f"{head_name(h)} {percent(w)}" for h, w in enumerate(g)])
    best = int(g.argmax())
    title = f"{head_name(best)} has the most say, {percent(g[best])} of the gate"
    if H == 1:
        title = "One head, so the gate has nothing to weigh"
    elif float(g.max() - g.min()) < 0.02:
        title = f"The {H} heads have equal say"
    note = "How much each head's scores count at the last step."
    return finish(
        fig, theme=theme, title=title, note=note, alt=f"Gate at the last step: {shares}.", height=44 * len(names),
        least=720,
    )  # fmt: skip


def _gate_label(head: int, weight: float) -> str:
    """As much as fits into that part of the narrowest bar."""
    if weight >= 0.09:
        return f"{head + 1} · {percent(weight)}"
    return str(head + 1) if weight >= 0.022 else ""


def head_lists(
    trace: Trace,
    k: int = 10,
    exclude_history: bool = True,
    highlight: int | None = None,
    theme: Theme = "light",
    names: Sequence[str] = (),
) -> go.Figure:
    """The heads' lists as columns under their gates, the final list last; a link joins an item's places side by side.

    A link takes the colour of the head it leaves, its width is that head's share |g_h·s_h| of the item's score;
    grey means that the share pulls the item down. An item below rank k enters and leaves through the bottom; the
    highlighted one has a box there with its rank.
    Items that reach the final list stand in full ink. The bars at the right are g_h·s_h, their sum is the score.

    highlight: row of the item whose way is drawn strongly; the first of the final list where None.
    names: what each head is about, or '' where that is not known, beside its number; none at all where empty.

    Raises:
        FameError: k is below 1, nothing is left to rank, the highlighted row is not in the catalogue, or there is
            not one name per head.
    """
    if k < 1:
        raise FameError(f"k is {k}; expected at least 1")
    final = trace.ranking(exclude_history=exclude_history)[:k]
    if not len(final):
        raise FameError("nothing is left to rank: the history holds every item")
    lit = int(final[0]) if highlight is None else highlight
    if not 0 < lit < len(trace.catalogue):
        raise FameError(f"row {lit} is not in the catalogue; rows are 1 to {trace.catalogue.n_items}")
    H = len(trace.head_scores)
    if len(names) not in (0, H):
        raise FameError(f"{plural(len(names), 'name')} for {plural(H, 'head')}; expected one per head, or none")
    lists = [trace.ranking(head=h, exclude_history=exclude_history)[:k] for h in range(H)] + [final]
    shares = trace.shares(final)  # [H, k]

    rows = len(final)
    down = _further_down(trace, lists, lit, exclude_history)

    fig = go.Figure()
    _lists(fig, trace, lists, lit, theme)
    _headings(fig, trace, names or [""] * H, theme)
    _links(fig, trace, lists, lit, dict.fromkeys(down, rows + BELOW), theme)
    _final_bars(fig, trace, final, shares, theme)
    for c, rank in down.items():
        _box(fig, c, c + (COLUMN if c < H else FINAL), rows + BELOW, look(theme).soft, dashed=True)
        fig.add_annotation(x=c + 0.03, y=rows + BELOW, text=f"further down: {ordinal(rank)}", xanchor="left")
    fig.update_layout(barmode="relative", barcornerradius=0, bargap=0.62, hoverdistance=UNIT // 2)
    width = H + FINAL
    fig.update_xaxes(visible=False)
    fig.update_layout(
        xaxis={"range": [0, width]},
        xaxis2={"domain": [(H + FINAL_BARS[0]) / width, (H + FINAL_BARS[1]) / width], "anchor": "y", "visible": False},
        yaxis={"range": [rows + 0.75 + BELOW * bool(down), -1.6], "visible": False},
    )
    fig.add_annotation(
        text="Link: a head's share of the score, grey where it pulls down. Grey title: not on the final list.",
        xref="paper", yref="paper", x=0, y=0, xanchor="left", yanchor="middle", yshift=-14,
    )  # fmt: skip
    sentence = explain.say_rank(trace, lit, exclude_history, names)
    titles = "; ".join(f"{i + 1} {trace.catalogue.label(r)}" for i, r in enumerate(final))
    called = listing([f"head {h + 1} {name}" for h, name in enumerate(names) if name] or [""])
    about = f" Heads are about: {called}." if called else ""
    return finish(
        fig,
        theme=theme,
        title="What comes next, and which head says so",
        note=text(sentence),
        alt=f"{plural(H, 'head')} and their lists beside the final one.{about} {sentence} Final list: {titles}.",
        height=ROW * (rows + 2.35 + BELOW * bool(down)),
        width=UNIT * width + 32,
        bottom=KEY,
    )


def _further_down(trace: Trace, lists: list[np.ndarray], lit: int, exclude_history: bool) -> dict[int, int]:
    """The rank of an item by column, where it is a candidate and the column is too short for it."""
    if exclude_history and lit in trace.seen:
        return {}
    ranks = explain.head_ranks(trace, [lit], exclude_history)[:, 0].tolist()
    ranks.append(1 + int(np.flatnonzero(trace.ranking(exclude_history=exclude_history) == lit)[0]))
    return {c: rank for c, rank in enumerate(ranks) if rank > len(lists[c])}


def _lists(fig: go.Figure, trace: Trace, lists: list[np.ndarray], lit: int, theme: Theme) -> None:
    """Ranks and titles of the columns."""
    H = len(lists) - 1
    colours = look(theme)
    final = set(lists[-1].tolist())
    # One name for one item in all heads' columns, and another for every other item.
    listed = list(dict.fromkeys(np.concatenate(lists).tolist()))
    short = dict(zip(listed, texts(trace.catalogue.title[listed], LETTERS[0]), strict=True))
    for c, rows in enumerate(lists):
        span = COLUMN if c < H else FINAL
        y = np.arange(1, len(rows) + 1, dtype=np.float32)
        for place in np.flatnonzero(rows == lit).tolist():
            _box(fig, c, c + span, place + 1, blend(colours.page, colours.ink, 0.08))
        ink = [colours.ink if r in final else colours.soft for r in rows.tolist()]
        weight = [600 if r == lit else 400 for r in rows.tolist()]
        fig.add_scatter(
            x=np.full(len(rows), c + 0.1, np.float32),
            y=y,
            mode="text",
            text=[str(i + 1) for i in range(len(rows))],
            textposition="middle left",
            textfont={"color": colours.soft, "size": 12},
            hoverinfo="skip",
        )
        fig.add_scatter(
            x=np.full(len(rows), c + 0.12, np.float32),
            y=y,
            mode="text",
            text=[short[r] for r in rows.tolist()] if c < H else texts(trace.catalogue.title[rows], LETTERS[1]),
            textposition="middle right",
            textfont={"color": ink, "weight": weight},
            hoverinfo="skip",
        )
        fig.add_scatter(  # unseen, in the middle of each row: what a pointer finds
            x=np.full(len(rows), c + COLUMN / 2, np.float32),
            y=y,
            mode="markers",
            marker={"opacity": 0, "size": ROW},
            customdata=rows.astype(np.int32),
            hovertext=[_hover(trace, int(r), c if c < H else None, i + 1) for i, r in enumerate(rows)],
            hoverinfo="text",
        )


def _headings(fig: go.Figure, trace: Trace, names: Sequence[str], theme: Theme) -> None:
    """Over each column its head and the gate's share for it; over the last what its bars are."""
    colours, H = look(theme), len(names)
    strong = {"xanchor": "left", "y": -0.95, "font": {"color": colours.ink, "size": 13}}
    for c, name in enumerate(names):
        colour, g = head_colour(c, theme), float(trace.gate[-1, c])
        fig.add_annotation(
            x=c + 0.055, y=-0.95, text=f"<b>{c + 1}</b>", bgcolor=colour, borderpad=4, width=12,
            font={"color": ink_on(colour), "size": 12},
        )  # fmt: skip
        called = f" · {text(name, 13)}" if name else ""
        fig.add_annotation(x=c + 0.12, text=f"<b>{head_name(c)}</b>{called}", **strong)
        fig.add_annotation(x=c + COLUMN, y=-0.05, text=f"gate {percent(g)}", xanchor="right")
        for share, fill in ((1.0, colours.line), (g, colour)):
            _box(fig, c + 0.02, c + 0.02 + 0.45 * share, -0.05, fill, 0.12)
    fig.add_annotation(x=H + 0.03, text="<b>Final list</b>", **strong)
    fig.add_annotation(x=H + FINAL, y=-0.05, text="gate × score, by head", xanchor="right")


def _box(
    fig: go.Figure, x0: float, x1: float, row: float, colour: str, half: float = 0.46, dashed: bool = False
) -> None:
    """A box filled with a colour, or outlined with it."""
    line = {"width": 1, "color": colour, "dash": "dot"} if dashed else {"width": 0}
    fill = None if dashed else colour
    fig.add_shape(type="rect", x0=x0, x1=x1, y0=row - half, y1=row + half, fillcolor=fill, line=line, layer="below")


def _hover(trace: Trace, row: int, head: int | None, rank: int) -> str:
    name = f"<b>{text(trace.catalogue.label(row))}</b>"
    share = trace.shares(np.array([row]))[:, 0]
    digits = digits_for(share)
    if head is not None:
        g, s = float(trace.gate[-1, head]), float(trace.head_scores[head, row])
        return (
            f"{name}<br>{head_name(head)}: rank {rank}, score {number(s, digits)}"
            f"<br>gate {g:.2f} × score = {number(share[head], digits)}"
        )
    parts = "".join(f"<br>{head_name(h)}: {number(w, digits, plus=True)}" for h, w in enumerate(share))
    return f"{name}<br>rank {rank}, score {number(float(trace.scores[row]), digits)}{parts}"


def _links(
    fig: go.Figure, trace: Trace, lists: list[np.ndarray], lit: int, down: dict[int, float], theme: Theme
) -> None:
    """Ribbons between neighbouring columns, of every item of the final list: one trace per gap and tone.

    down: where the highlighted item stands in the columns that do not list it.
    """
    H = len(lists) - 1
    colours = look(theme)
    drawn = list(dict.fromkeys([*lists[-1].tolist(), lit]))
    shares = trace.shares(np.array(drawn))
    widest = max(float(np.abs(shares).max()), 1e-12)
    bottom = max(map(len, lists)) + 0.7
    for c in range(H):
        place = [{int(r): i + 1.0 for i, r in enumerate(lists[side])} for side in (c, c + 1)]
        for side in (0, 1):
            if c + side in down:
                place[side][lit] = down[c + side]
        ribbons: dict[tuple[bool, bool], list[np.ndarray]] = {}
        for row, share in zip(drawn, shares[c], strict=True):
            here, there = place[0].get(row), place[1].get(row)
            thick = LINK * abs(float(share)) / widest
            left, right = c + COLUMN + 0.01, c + 0.99
            nest = 0.46 * (right - left) * (1 - ((here or there or 1) - 1) / bottom)  # so that none crosses another
            if here and there:
                ribbon = _ribbon((left, here), (right, there), False, thick)
            elif here:
                ribbon = _ribbon((left, here), (left + nest, bottom), True, thick)
            elif there:
                ribbon = _ribbon((right, there), (right - nest, bottom), True, thick)
            else:
                continue
            ribbons.setdefault((row == lit, share < 0), []).append(ribbon)
        for (strong, negative), shapes in sorted(ribbons.items()):
            xy = np.concatenate(shapes)[:-1]
            fig.add_scatter(
                x=xy[:, 0],
                y=xy[:, 1],
                mode="lines",
                line={"width": 0},
                fill="toself",
                fillcolor=alpha(colours.soft if negative else head_colour(c, theme), 0.85 if strong else FAINT[theme]),
                hoverinfo="skip",
            )


def _ribbon(start: tuple[float, float], end: tuple[float, float], down: bool, thick: float) -> np.ndarray:
    """A band `thick` rows wide as a closed outline [points, 2], then a gap; it leaves level, and arrives level
    or, going `down`, upright and thin."""
    (x0, y0), (x1, y1) = start, end
    middle = (x0 + x1) / 2
    points = (
        [(x0, y0), (x1, y0), (x1, (y0 + y1) / 2), (x1, y1)]
        if down
        else [(x0, y0), (middle, y0), (middle, y1), (x1, y1)]
    )
    control = np.array(points) * (UNIT, ROW)  # in pixels, so that the band is equally thick all along
    t = np.linspace(0, 1, 25)[:, None]
    line = sum(
        b * p for b, p in zip(((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3), control, strict=True)
    )
    along = np.gradient(line, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.linalg.norm(along, axis=1, keepdims=True)
    side = across * np.maximum(thick * (1 - t if down else 1), 0.03) * ROW / 2
    outline = np.concatenate([line + side, (line - side)[::-1], (line + side)[:1], np.full((1, 2), np.nan)])
    return (outline / (UNIT, ROW)).astype(np.float32)


def _final_bars(fig: go.Figure, trace: Trace, rows: np.ndarray, shares: np.ndarray, theme: Theme) -> None:
    """Each item's score cut by head, around one zero line, and the score itself."""
    y = np.arange(1, len(rows) + 1, dtype=np.float32)
    for h, share in enumerate(shares):
        fig.add_bar(
            x=share, y=y, orientation="h", xaxis="x2", name=head_name(h), hoverinfo="skip",
            marker={"color": head_colour(h, theme), "line": {"width": 0}},
        )  # fmt: skip
    if (shares < 0).any():
        fig.add_shape(
            type="line", x0=0, x1=0, xref="x2", y0=0.5, y1=len(rows) + 0.5, line={"color": look(theme).soft, "width": 1}
        )
    scores = trace.scores[rows]
    digits = min(2, digits_for(scores))
    fig.add_scatter(
        x=np.full(len(rows), len(shares) + FINAL - 0.02, np.float32),
        y=y,
        mode="text",
        text=[number(s, digits) for s in scores],
        textposition="middle left",
        hoverinfo="skip",
    )
