"""Tables and plots of docs/paper.md from the lines of benchmarks/paper.jsonl: see benchmarks/paper.py."""

from __future__ import annotations

import html
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fame.plots.style import FONT, LOOKS

PAGE = Path(__file__).parents[1] / "docs" / "paper.md"
PLOTS = PAGE.with_suffix("")  # docs/paper/
LOGS = {"ml-1m": "ML-1M", "toys": "Toys", "beauty": "Beauty"}
FORMS = {"paper": "the paper's", "ours": "ours"}
METRICS = ("NDCG@20", "HR@20")
WHOLE, CALM = "H 4, N 4", "no competition"
PARTS = {"N 1": "without the experts", "one prediction": "without prediction by head"}
SWEEPS = {
    "heads": {1: "H 1", 2: "H 2", 4: WHOLE, 8: "H 8"},
    "experts": {1: "N 1", 2: "N 2", 4: WHOLE, 8: "N 8"},
}
BASE = {"paper": "SASRec", "ours": "SASRec, ours"}  # the SASRec that starts as the form does, as `less` names it
CLAIMS = (  # the claim, the run that tells, and what it is held against
    ("FAME is ahead of SASRec", WHOLE, "SASRec"),
    ("experts help: four ahead of one", "N 1", "FAME"),
    ("prediction by head helps", "one prediction", "FAME"),
    ("heads help: four ahead of one", "H 1", "FAME"),
    ("more heads help: eight ahead of four", "H 8", "FAME"),
    ("more experts help: eight ahead of four", "N 8", "FAME"),
)
NONE = "–"

Row = dict[str, Any]


class Runs:
    """The lines of the results, by log, form and setting; seeds are averaged."""

    def __init__(self, rows: Iterable[Row]):
        self.by: dict[tuple[str, str, str], list[Row]] = {}
        for row in rows:
            self.by.setdefault((row["log"], row["form"], row["setting"]), []).append(row)

    def rows(self, log: str, form: str, setting: str) -> list[Row]:
        return self.by.get((log, form, setting), [])

    def mean(self, log: str, form: str, setting: str, name: str) -> float | None:
        found = [row[name] for row in self.rows(log, form, setting) if row.get(name) is not None]
        return statistics.mean(found) if found else None

    def less(self, log: str, form: str, setting: str, other: str, metric: str) -> tuple[float, float] | None:
        """The mean difference to another run, and half its 95% interval over users, of several seeds their mean."""
        found = [row["less"][other][metric] for row in self.rows(log, form, setting) if other in row.get("less", {})]
        return (statistics.mean(d for d, _ in found), statistics.mean(i for _, i in found)) if found else None


def figure(value: float | None, digits: int = 4) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def difference(found: tuple[float, float] | None) -> str:
    """A difference with its interval, bold where the interval leaves 0 out."""
    if found is None:
        return NONE
    text = f"{found[0]:+.4f} ± {found[1]:.4f}".replace("-", "−")
    return f"**{text}**" if abs(found[0]) > found[1] else text


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> str:
    """Markdown; the first `words` columns hold words, the others numbers."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * words + "---:|" * (len(head) - words)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


# --- tables -------------------------------------------------------------------------------------------


def parts(runs: Runs) -> str:
    """Each form whole and without a part, beside the SASRecs."""
    head = ["log", "form", "model", *METRICS, "NDCG@20 less the whole's", "NDCG@20 less SASRec's"]
    rows = []
    for log, log_name in LOGS.items():
        for form, form_name in FORMS.items():
            names = {"SASRec": "SASRec", WHOLE: "FAME, whole", **PARTS}
            names |= {CALM: "without experts' own loss"} if form == "ours" else {}
            for setting, name in names.items():
                figures = [figure(runs.mean(log, form, setting, m)) for m in METRICS]
                apart = [runs.less(log, form, setting, of, "NDCG@20") for of in ("FAME", BASE[form])]
                shown = ["" if setting == "SASRec" or (setting == WHOLE and not i) else difference(d)
                         for i, d in enumerate(apart)]  # fmt: skip
                rows.append([log_name, form_name, name, *figures, *shown])
    return table(head, rows, 3)


def claims(runs: Runs) -> str:
    """What the paper claims, a column a log and form: by how much, and yes, no, or a tie within the interval."""
    head = ["NDCG@20", *(f"{log}, {form}" for log in LOGS.values() for form in FORMS.values())]
    rows = []
    for claim, setting, other in CLAIMS:
        cells = []
        for log in LOGS:
            for form in FORMS:
                calm = "FAME, no competition" if form == "ours" and setting == "one prediction" else other
                found = runs.less(log, form, setting, BASE[form] if other == "SASRec" else calm, "NDCG@20")
                if found and other != "SASRec" and setting not in ("H 8", "N 8"):
                    found = -found[0], found[1]  # what the whole is ahead by
                cells.append(NONE if found is None else f"{verdict(*found)}: {difference(found)}")
        rows.append([claim, *cells])
    return table(head, rows, 1)


def verdict(apart: float, half: float) -> str:
    return "tie" if abs(apart) <= half else "yes" if apart > 0 else "no"


def sweep(runs: Runs, study: str) -> str:
    """A metric for each number of heads or experts, and SASRec's of the same start."""
    settings = SWEEPS[study]
    head = ["log", "form", "metric", *map(str, settings), "SASRec"]
    rows = []
    for log, log_name in LOGS.items():
        for form, form_name in FORMS.items():
            for metric in METRICS:
                found = [runs.mean(log, form, setting, metric) for setting in settings.values()]
                base = runs.mean(log, form, "SASRec", metric)
                rows.append([log_name, form_name, metric, *map(figure, found), figure(base)])
    return table(head, rows, 3)


def apart(runs: Runs, study: str) -> str:
    """NDCG@20 of each number of heads or experts less that of four."""
    settings = {n: s for n, s in SWEEPS[study].items() if s != WHOLE}
    rows = [
        [log_name, form_name, *(difference(runs.less(log, form, s, "FAME", "NDCG@20")) for s in settings.values())]
        for log, log_name in LOGS.items()
        for form, form_name in FORMS.items()
    ]
    return table(["log", "form", *(f"{n} less 4" for n in settings)], rows, 2)


def start(runs: Runs) -> str:
    """What the start from the log brings a SASRec, and what FAME in our form has beyond it."""
    head = ["log", "SASRec, random start", "SASRec, log's start", "its gain", "FAME, ours", "less that SASRec"]
    rows = []
    for log, name in LOGS.items():
        figures = [runs.mean(log, form, setting, "NDCG@20") for form, setting in
                   (("paper", "SASRec"), ("ours", "SASRec"), ("ours", WHOLE))]  # fmt: skip
        gain = difference(runs.less(log, "ours", "SASRec", "SASRec", "NDCG@20"))
        beyond = difference(runs.less(log, "ours", WHOLE, "SASRec, ours", "NDCG@20"))
        rows.append([name, figure(figures[0]), figure(figures[1]), gain, figure(figures[2]), beyond])
    return table(head, rows, 1)


def course(runs: Runs) -> str:
    """How far each run came: validation after each epoch, the weights it has, and what an epoch takes."""
    head = ["log", "form", "setting", "seeds", "validation NDCG@10, epoch by epoch", "best", "parameters", "s/epoch"]
    rows = []
    names = dict.fromkeys(["SASRec", *(s for study in SWEEPS.values() for s in study.values()), *PARTS, CALM])
    for log, log_name in LOGS.items():
        for form, form_name in FORMS.items():
            for setting in names:
                for row in runs.rows(log, form, setting)[:1]:
                    seconds = figure(row["processor seconds an epoch"], 0)
                    seeds = str(len(runs.rows(log, form, setting)))
                    best, weights = str(row["best epoch"]), f"{row['parameters']:,}"
                    rows.append([log_name, form_name, setting, seeds, by_epoch(row), best, weights, seconds])
    return table(head, rows, 3)


def trials(rows: Iterable[Row]) -> str:
    """Validation of what was tried at other settings."""
    head = ["log", "form", "setting", "changed", "validation NDCG@10, epoch by epoch"]
    return table(head, [
        [LOGS[row["log"]], FORMS[row["form"]], row["setting"], ", ".join(row["changes"]), by_epoch(row)] for row in rows
    ], 5)  # fmt: skip


def by_epoch(row: Row) -> str:
    return " ".join(f"{v:.4f}".lstrip("0") for v in row["valid NDCG@10"])


# --- plots --------------------------------------------------------------------------------------------

PANEL_WIDTH, PANEL_HEIGHT, LEFT, TOP, GAP = 210, 150, 64, 76, 58


@dataclass
class Line:
    """A form's figures: (place along x, value, half an interval or None), and where its SASRec stands."""

    form: str
    points: list[tuple[int, float, float | None]] = field(default_factory=list)
    base: float | None = None


def style() -> str:
    """Colours for a light and a dark page: the picture brings its own ground, so that it reads on either."""

    def colours(name: str) -> str:
        look = LOOKS["dark" if name == "dark" else "light"]
        paper, ours = look.heads[0], look.heads[5]
        return (
            f".page{{fill:{look.page}}}.ink{{fill:{look.ink}}}.soft{{fill:{look.soft}}}.rule{{stroke:{look.line}}}"
            f".zero{{stroke:{look.soft}}}.paper{{stroke:{paper}}}.ours{{stroke:{ours}}}"
            f".dot.paper{{fill:{paper}}}.dot.ours{{fill:{ours}}}"
        )

    return (
        f"<style>text{{font:12px {html.escape(FONT)}}}.title{{font-size:14px;font-weight:600}}"
        ".line{fill:none;stroke-width:2}.base{stroke-width:1.5;stroke-dasharray:5 4}.bar{stroke-width:1.2}"
        f"{colours('light')}@media (prefers-color-scheme: dark){{{colours('dark')}}}</style>"
    )


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from below `low` to above `high`, some `about` of them."""
    step = 10 ** math.floor(math.log10((high - low) / about))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= about)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [i * step for i in range(first, last + 1)]


def word(x: float, y: float, text: str, kind: str = "soft", anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{html.escape(text)}</text>'


def stroke(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def panel(x: float, y: float, title: str, labels: Sequence[str], lines: Sequence[Line], joined: bool) -> list[str]:
    """One set of axes with its upper left corner at (x, y). joined: points of a form are one line."""
    drawn = [word(x, y - 8, title, "ink", "start")]
    values = [v + s * (i or 0) for line in lines for _, v, i in line.points for s in (-1, 1)]
    values += [line.base for line in lines if line.base is not None] + ([] if joined else [0.0])
    if not any(line.points for line in lines):
        return [*drawn, word(x + PANEL_WIDTH / 2, y + PANEL_HEIGHT / 2, "not run yet")]
    marks = ticks(min(values), max(values)) if min(values) < max(values) else [values[0] - 0.01, values[0] + 0.01]

    def up(value: float) -> float:
        return y + PANEL_HEIGHT * (marks[-1] - value) / (marks[-1] - marks[0])

    def along(place: float) -> float:
        return x + PANEL_WIDTH * (place + 0.5) / len(labels)

    digits = max(2, -math.floor(math.log10(marks[1] - marks[0]) + 1e-9))
    for mark in marks:
        kind = "zero" if not joined and abs(mark) < 1e-12 else "rule"
        drawn += [stroke(x, up(mark), x + PANEL_WIDTH, up(mark), kind)]
        drawn += [word(x - 6, up(mark) + 4, f"{mark:.{digits}f}".replace("-", "−"), anchor="end")]
    drawn += [word(along(i), y + PANEL_HEIGHT + 16, label) for i, label in enumerate(labels)]
    for k, line in enumerate(lines):
        aside = 0.12 * (k - (len(lines) - 1) / 2)  # bars of two forms stand beside each other
        if line.base is not None:
            drawn.append(stroke(x, up(line.base), x + PANEL_WIDTH, up(line.base), f"base {line.form}"))
        if joined and line.points:
            way = " ".join(f"{along(i + aside):.1f},{up(v):.1f}" for i, v, _ in line.points)
            drawn.append(f'<polyline points="{way}" class="line {line.form}"/>')
        for i, value, half in line.points:
            at = along(i + aside)
            if half is not None:
                drawn.append(stroke(at, up(value - half), at, up(value + half), f"bar {line.form}"))
            drawn.append(f'<circle cx="{at:.1f}" cy="{up(value):.1f}" r="3.5" class="dot {line.form}"/>')
    return drawn


def picture(title: str, note: str, rows: Sequence[Sequence[list[str]]], alt: str) -> str:
    """An SVG of panels in rows, with what its colours mean."""
    width = LEFT + max(map(len, rows)) * (PANEL_WIDTH + GAP) - GAP + 20
    height = TOP + len(rows) * (PANEL_HEIGHT + GAP) - 10
    legend = []
    for i, (form, name) in enumerate({"paper": "the paper's form", "ours": "ours"}.items()):
        at = width - 20 - 130 * (2 - i)
        legend += [f'<circle cx="{at}" cy="20" r="4" class="dot {form}"/>', word(at + 10, 24, name, "ink", "start")]
    body = "\n".join(part for row in rows for cell in row for part in cell)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{html.escape(alt)}">\n{style()}\n'
        f'<rect width="{width}" height="{height}" class="page"/>\n'
        f'{word(16, 24, title, "ink title", "start")}\n{word(16, 41, note, "soft", "start")}\n'
        + "\n".join(legend) + f"\n{body}\n</svg>\n"
    )  # fmt: skip


def place(row: int, column: int) -> tuple[float, float]:
    return LEFT + column * (PANEL_WIDTH + GAP), TOP + row * (PANEL_HEIGHT + GAP)


def sweep_plot(runs: Runs, study: str) -> str:
    """A metric over the number of heads or experts, a column a log."""
    settings = SWEEPS[study]
    rows = []
    for r, metric in enumerate(METRICS):
        cells = []
        for c, (log, name) in enumerate(LOGS.items()):
            lines = []
            for form in FORMS:
                line = Line(form, base=runs.mean(log, form, "SASRec", metric))
                for i, setting in enumerate(settings.values()):
                    if (value := runs.mean(log, form, setting, metric)) is not None:
                        apart = runs.less(log, form, setting, BASE[form], metric)
                        line.points.append((i, value, apart and apart[1]))
                lines.append(line)
            cells.append(panel(*place(r, c), f"{name}, {metric}", [str(n) for n in settings], lines, True))
        rows.append(cells)
    note = f"by the number of {study}; dashed: SASRec of the same start; bars: 95% interval of the difference to it"
    return picture(study.capitalize(), note, rows, f"NDCG@20 and HR@20 {note}: the figures stand in the table")


def parts_plot(runs: Runs) -> str:
    """What FAME without a part, and SASRec, have less or more than the whole, a column a log."""
    rows = []
    names = {"N 1": "no experts", "one prediction": "not by head", "SASRec": "SASRec"}
    for r, metric in enumerate(METRICS):
        cells = []
        for c, (log, name) in enumerate(LOGS.items()):
            lines = []
            for form in FORMS:
                found = [(i, runs.less(log, form, s, "FAME", metric)) for i, s in enumerate(names)]
                lines.append(Line(form, [(i, d[0], d[1]) for i, d in found if d]))
            cells.append(panel(*place(r, c), f"{name}, {metric}", list(names.values()), lines, False))
        rows.append(cells)
    note = "without experts, without prediction by head, and SASRec, each less the whole FAME; bars: 95% interval"
    return picture("Without a part", note, rows, f"NDCG@20 and HR@20 {note}: the figures stand in the table")


def write(rows: Iterable[Row], page: Path = PAGE) -> None:
    """Every table of the page between its two marks, every plot beside it; trials have a table of their own."""
    rows = list(rows)
    runs = Runs(row for row in rows if not row["changes"])
    tables = {
        "trials": trials(row for row in rows if row["changes"]),
        "parts": parts(runs),
        "claims": claims(runs),
        "start": start(runs),
        "course": course(runs),
    }
    plots = {"parts": parts_plot(runs)}
    for study in SWEEPS:
        tables |= {study: sweep(runs, study), f"{study} apart": apart(runs, study)}
        plots[study] = sweep_plot(runs, study)
    text = page.read_text(encoding="utf-8")
    for name, found in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end {name} -->"
        before, mark, rest = text.partition(begin)
        if mark:
            text = before + begin + found + "\n" + end + rest.partition(end)[2]
    page.write_text(text, encoding="utf-8")
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    for name, drawing in plots.items():
        (folder / f"{name}.svg").write_text(drawing, encoding="utf-8")
