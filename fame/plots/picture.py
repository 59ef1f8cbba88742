"""A picture: numbers, one sentence, and the one piece of code that draws them wherever they are shown.

The app mounts a picture, a notebook shows it, `html()` writes it as a page that needs nothing else: the same code, the
same numbers. Where a click answers, `NAME.js` beside this file draws it (`Component`); elsewhere Plotly does (`Chart`).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, Self

import pandas as pd
import plotly.graph_objects as go

from fame import __version__
from fame.errors import FameError
from fame.plots.export import csv, page, page_image
from fame.plots.sheet import Sheet
from fame.plots.style import CONFIG, LOOKS, Theme, ink_on, least_width, sentence, untitled
from fame.trace import Trace

__all__ = ["Chart", "Component", "Origin", "Picture", "chart", "module", "palette", "script", "styles"]

HERE = Path(__file__).parent
Numbers = pd.DataFrame | Callable[[], pd.DataFrame]


@dataclass(frozen=True)
class Origin:
    """What a picture was computed from, in plain words; '' where that does not apply.

    model: its name.   history: the items, oldest first.   change: what is changed in the model.   link: to the screen.
    bundle: how the digest of the model's bundle begins.
    """

    model: str = ""
    history: str = ""
    change: str = ""
    link: str = ""
    bundle: str = ""

    @classmethod
    def of(cls, trace: Trace, model: str = "", change: str = "") -> Self:
        """The origin of a picture of one trace."""
        return cls(model, ", ".join(map(trace.catalogue.label, trace.seen.tolist())), change)

    @property
    def line(self) -> str:
        """The history and the change as a line under a heading, which is the model's name."""
        parts = [f"After {self.history}." * bool(self.history), f"Changed by you: {self.change}." * bool(self.change)]
        return " ".join(filter(None, [*parts, self.trail]))

    @property
    def trail(self) -> str:
        """The bundle, the version and the link: what leads back to the same numbers."""
        made = f"Bundle {self.bundle}, FAME {__version__}." if self.bundle else ""
        return " ".join(filter(None, [made, self.link]))

    @property
    def columns(self) -> dict[str, str]:
        """The same as columns of a table; empty where nothing is known."""
        known = {f"origin_{f.name}": getattr(self, f.name) for f in fields(self) if getattr(self, f.name)}
        return {**known, "origin_fame": __version__} if known else {}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What every picture has.

    name: of its files, such as 'story'.   title, note: what it shows, a line each, plain text.
    alt: the sentence that a screen reader speaks.   numbers: its table, or what makes it.   theme: 'light' or 'dark'.
    origin: what it was computed from.   height: pixels that it takes in a window of common width, for a notebook.
    """

    name: str
    title: str
    note: str = ""
    alt: str
    numbers: Numbers = field(repr=False)
    theme: Theme = "light"
    origin: Origin = field(default=Origin(), repr=False)
    height: int = 620

    @cached_property
    def table(self) -> pd.DataFrame:
        """Its numbers, made when they are asked for."""
        return self.numbers() if callable(self.numbers) else self.numbers

    @property
    def file(self) -> str:
        """The name of its files, without the ending: 'fame-MODEL-NAME'."""
        model = re.sub(r"[^\w.]+", "-", self.origin.model).strip("-.").lower()
        return "-".join(filter(None, ["fame", model, self.name.replace("_", "-")]))

    def with_origin(self, origin: Origin) -> Self:
        """The same picture, said to be computed from something else."""
        return replace(self, origin=origin)

    def body(self, place: str) -> str:
        """The picture as a part of a page, in an element with the id `place`."""
        raise NotImplementedError

    def html(self, heading: str = "", note: str = "") -> str:
        """The picture as a page of its own that opens offline.

        heading: over it; the model's name, where the origin has it, else its title.   note: in place of the origin.
        """
        return page([self], heading or self.origin.model or self.title, note)

    def image(self, form: Literal["svg", "png"] = "svg", scale: float = 2) -> bytes:
        """The picture as an image file's bytes; `scale` sharpens a PNG.

        Raises:
            FameError: no Chrome or Chromium is found, which draws it.
        """
        return page_image(self.html(), form, scale)

    def save(self, path: str | Path) -> Path:
        """Write the picture, or its numbers, by the ending of the path: .html, .csv, .svg or .png.

        Raises:
            FameError: another ending, no place to write to, or no Chrome or Chromium that draws images.
        """
        target = Path(path).expanduser()
        writers: dict[str, Callable[[], bytes]] = {
            ".html": lambda: self.html().encode(),
            ".csv": lambda: csv(self.table, self.origin.columns),
            ".svg": lambda: self.image("svg"),
            ".png": lambda: self.image("png"),
        }
        if (ending := target.suffix.lower()) not in writers:
            raise FameError(f"{target.name}: a picture is saved as {', '.join(writers)}; the ending is {ending!r}")
        content = writers[ending]()
        try:
            target.write_bytes(content)
        except OSError as error:
            raise FameError(f"{target}: cannot be written ({error.strerror}); give another file") from None
        return target

    def _repr_html_(self) -> str:
        """For notebooks: the page in a frame, which takes the page's height where the notebook lets it."""
        return (
            f'<iframe srcdoc="{html.escape(self.html(self.title))}" title="{html.escape(self.alt)}" '
            f'style="width:100%;height:{self.height}px;border:0"></iframe>'
        )


@dataclass(frozen=True, kw_only=True)
class Component(Picture):
    """A picture that NAME.js draws from `data`, plain JSON.

    drawn_by: NAME, where several pictures are drawn alike; else the picture's own.
    parts: files that come before NAME.js and NAME.css, without their endings.
    Where clicks reach Python, as in the app, its data says `live`.
    """

    data: Mapping[str, Any] = field(repr=False)
    parts: tuple[str, ...] = ("shared",)
    drawn_by: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The files that draw it, without their endings: NAME, then what comes before it."""
        return (self.drawn_by or self.name, *self.parts)

    @property
    def payload(self) -> dict[str, Any]:
        """What the component is given: its data, and under 'picture' what its own files are to say.

        Data may name a `light`, a CSS selector of the part that is lit.
        """
        about: dict[str, Any] = {"file": self.file, "title": self.title, "alt": self.alt}
        about["origin"] = asdict(self.origin) | {"fame": __version__}
        return {**self.data, "picture": about}

    def body(self, place: str) -> str:
        """A shadow tree, so that its styles touch nothing else, and the module that draws into it."""
        data = json.dumps(self.payload, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
        css = json.dumps(styles(*self.files)).replace("<", "\\u003c")
        code = module(*self.files).replace("export default args", "const mount = args", 1)
        return f"""<div id="{place}"></div>
<script type="application/json" id="{place}-data">{data}</script>
<script type="module">
{code}
const tree = document.getElementById("{place}").attachShadow({{ mode: "open" }})
const style = document.createElement("style")
style.textContent = {css}
const root = document.createElement("div")
root.className = "root"
tree.append(style, root)
const data = JSON.parse(document.getElementById("{place}-data").textContent)
mount({{ data, parentElement: tree, setTriggerValue() {{}}, setStateValue() {{}} }})
</script>"""


@dataclass(frozen=True, kw_only=True)
class Chart(Picture):
    """A picture that Plotly draws; its sheet was given its look by `style.finish`, the sentence above it included."""

    sheet: Sheet = field(repr=False)

    @cached_property
    def figure(self) -> go.Figure:
        """The same as Plotly's own figure, for notebooks, files and changes of your own."""
        return self.sheet.figure()

    @cached_property
    def bare(self) -> Sheet:
        """The sheet without the sentence above it, for a page that says it in its own words."""
        return untitled(self.sheet)

    def body(self, place: str) -> str:
        drawn = self.figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG, div_id=place)
        control = self.control(f"#{place} .svg-container").body(f"{place}-files")
        return f'<div style="min-width:{least_width(self.sheet)}px">{drawn}{control}</div>'

    def control(self, shown: str) -> Component:
        """Its control for files, which belongs beside it; `shown` is a CSS selector of it on the page."""
        said = {f.name: getattr(self, f.name) for f in fields(Picture)}
        return Component(**said, data={"of": shown}, drawn_by="chart_files", parts=())

    def _repr_mimebundle_(self, *args: Any, **options: Any) -> Any:
        return self.figure._repr_mimebundle_(*args, **options)


def chart(name: str, sheet: Sheet, numbers: Numbers, origin: Origin = Origin()) -> Chart:
    """A sheet that `style.finish` has finished, as a picture: title, note, alt and theme are the sheet's."""
    said = sentence(sheet)
    return Chart(
        name=name, title=said.title, note=said.note, alt=said.alt, numbers=numbers, theme=said.theme,
        origin=origin, height=int(sheet.layout["height"]), sheet=sheet,
    )  # fmt: skip


@cache
def palette() -> str:
    """The colours of both themes as CSS variables: --h1 … --h8 with their inks --on1 … --on8, and the page's inks."""
    light, dark = LOOKS["light"], LOOKS["dark"]
    both = {name: (getattr(light, name), getattr(dark, name)) for name in ("ink", "soft", "line", "panel", "page")}
    for h, pair in enumerate(zip(light.heads, dark.heads, strict=True), 1):
        both[f"h{h}"] = pair
        both[f"on{h}"] = (ink_on(pair[0]), ink_on(pair[1]))
    return "".join(f"--{name}:light-dark({a},{b});" for name, (a, b) in both.items())


def styles(name: str, *parts: str, folder: Path = HERE) -> str:
    """The rules of a component: the palette, base.css, those of its parts, its own."""
    own = (folder / f"{name}.css").read_text("utf-8")
    shared = [part for part in ("base", *parts) if (HERE / f"{part}.css").exists()]
    return f".root{{{palette()}}}\n" + "".join(_read(f"{part}.css") for part in shared) + own


def script(name: str, *parts: str, folder: Path = HERE) -> str:
    """The module of a component: its parts, then NAME.js of the folder."""
    return "".join(_read(f"{part}.js") for part in parts) + (folder / f"{name}.js").read_text("utf-8")


def module(name: str, *parts: str) -> str:
    """The module of a picture's component: its default export draws it, with its control for files and its light."""
    own = script(name, *parts).replace("export default function", "const drawPicture = function", 1)
    draw = "args => lighted(args, inner => savable(inner, drawPicture))"
    return f"{own}\n{_read('svg.js')}\n{_read('light.js')}\nexport default {draw}\n"


@cache
def _read(file: str) -> str:
    return (HERE / file).read_text("utf-8")
