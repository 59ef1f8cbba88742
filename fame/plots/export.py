"""Pictures as files: one HTML page that needs nothing else, SVG, PNG, and tables as CSV."""

from __future__ import annotations

import base64
import html
import re
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
from pandas.api.types import is_integer_dtype
from plotly.offline import get_plotlyjs

from fame.errors import FameError
from fame.plots.style import FONT, least_width

if TYPE_CHECKING:
    from fame.plots.picture import Picture

__all__ = ["csv", "page", "page_image"]

WINDOW = 1280, 1600  # pixels of the window that a picture is drawn in for an image
HEAD = 33  # bytes of a PNG before its first chunk of choice
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PATIENCE = 180  # seconds that a browser may take, on a busy machine
# Plotly's dark colours are fixed in the figure: on paper they are turned to light, the ground to white.
DARK_ON_PAPER = ".js-plotly-plot { filter: invert(1) hue-rotate(180deg) brightness(1.15); }"
INSTEAD = "write HTML instead, which opens in any browser and saves both from there"


def page(pictures: Iterable[Picture], heading: str = "FAME", note: str = "") -> str:
    """Pictures under one heading as a page that opens offline; Plotly's script is in it where a picture needs it.

    note: a plain line under the heading; the origin of the first picture where it is ''.

    Raises:
        FameError: there is no picture.
    """
    from fame.plots.picture import Chart, palette

    shown = list(pictures)
    if not shown:
        raise FameError("there is no picture to put on the page; give at least one")
    said = note or shown[0].origin.line
    charts = [picture for picture in shown if isinstance(picture, Chart)]
    widest = max(1280, *(least_width(picture.sheet) + 32 for picture in charts), 0)
    drawn = [
        f'<figure role="group" aria-label="{html.escape(picture.alt)}">{picture.body(f"picture-{i}")}</figure>'
        for i, picture in enumerate(shown, start=1)
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(heading)}</title>
<style>
:root {{ color-scheme: {shown[0].theme}; {palette()} --st-font: {FONT}; --st-primary-color: var(--ink); }}
body {{ margin: 0 auto; max-width: {widest}px; padding: 16px; background: var(--page); color: var(--ink);
       font: 14px/1.45 {FONT}; }}
h1 {{ font-size: 22px; margin: 8px 0 0; }}
h1 + p {{ margin: 2px 0 12px; color: var(--soft); overflow-wrap: anywhere; }}
figure {{ margin: 0 0 16px; overflow-x: auto; }}
@page {{ size: A4 landscape; margin: 10mm; }}
@media print {{
  :root {{ color-scheme: light; }}
  body {{ max-width: none; padding: 0; }}
  figure {{ overflow: visible; break-inside: avoid; }}
  {DARK_ON_PAPER if shown[0].theme == "dark" else ""}
}}
</style>
{f"<script>{get_plotlyjs()}</script>" if charts else ""}
</head>
<body>
<h1>{html.escape(heading)}</h1>
{f"<p>{html.escape(said)}</p>" if said else ""}
{"".join(drawn)}
<script>
// In a frame of a notebook the page asks for its own height, where the notebook lets it.
try {{
  const frame = window.frameElement
  const fit = () => {{ frame.style.height = `${{document.documentElement.offsetHeight}}px` }}
  if (frame) new ResizeObserver(fit).observe(document.body)
}} catch {{}}
</script>
</body>
</html>
"""


def csv(table: pd.DataFrame, more: Mapping[str, str] | None = None) -> bytes:
    """A table as CSV for people: without the catalogue's own count of rows, an unknown year left open.

    more: columns that are the same in each row, such as `Origin.columns`.
    """
    if "row" in table and is_integer_dtype(table["row"]):  # the model's own count; no attribute, which is text
        table = table.drop(columns="row")
    if "year" in table and is_integer_dtype(table["year"]):
        table = table.assign(year=table["year"].astype("Int64").mask(table["year"] == 0))  # which is: none known
    table = table.assign(**more) if more else table
    return table.to_csv(index=False).encode("utf-8-sig")  # the mark lets spreadsheets read accents


# Run on a page for an image: the SVG that the first picture's own control saves, where the browser's dump shows it.
PUT = """<script type="module">
const node = document.createElement("pre")
const picture = document.getElementById("picture-1-files") ?? document.getElementById("picture-1") // a chart's control
const bytes = new TextEncoder().encode(picture.shadowRoot.querySelector(".root").svg())
node.id = "fame-svg"
node.textContent = btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""))
document.body.append(node)
</script>"""


def page_image(document: str, form: Literal["svg", "png"], scale: float = 2) -> bytes:
    """The first picture of a page as an image file's bytes, with its origin; `scale` sharpens a PNG.

    Raises:
        FameError: no Chrome or Chromium is found, or it draws nothing.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise FameError(f"images need Chrome or Chromium, and none is on the PATH; install it, or {INSTEAD}")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(document.replace("</body>", f"{PUT}</body>"), "utf-8")
        dump = _run(browser, folder, "--dump-dom", "--window-size={},{}".format(*WINDOW), source.as_uri())
        found = re.search(rb'<pre id="fame-svg">([\w+/=]+)</pre>', dump)
        if found is None:
            raise FameError(f"{browser} drew nothing; try a newer Chrome, or {INSTEAD}")
        svg = base64.b64decode(found[1])
        if form == "svg":
            return svg
        width, height = (round(float(x)) for x in re.findall(r' (?:width|height)="([\d.]+)"', svg[:400].decode())[:2])
        drawing, shot = Path(folder) / "picture.svg", Path(folder) / "picture.png"
        drawing.write_bytes(svg)
        _run(
            browser, folder, f"--screenshot={shot}", f"--window-size={width},{height}",
            f"--force-device-scale-factor={scale}", drawing.as_uri(),
        )  # fmt: skip
        return _noted(shot.read_bytes(), html.unescape(re.findall("<metadata>(.*?)</metadata>", svg.decode(), re.S)[0]))


def _noted(png: bytes, text: str) -> bytes:
    """A PNG that says where it is from, in a chunk right after its head."""
    body = b"iTXtDescription" + bytes(5) + text.encode()
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return png[:HEAD] + chunk + png[HEAD:]


def _run(browser: str, folder: str, *arguments: str) -> bytes:
    """What a browser without a window prints; it reads files of ours alone, so that its sandbox guards nothing."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", "--virtual-time-budget=4000"]
    try:
        return subprocess.run(
            [browser, *flags, f"--user-data-dir={folder}/profile", *arguments],
            capture_output=True, timeout=PATIENCE, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise FameError(f"{browser} could not draw the picture ({type(error).__name__}); {INSTEAD}") from None
