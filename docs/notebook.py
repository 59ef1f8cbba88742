"""Runs docs/read_a_trace.ipynb anew and keeps its outputs, each picture as a PNG. `make notebook`.

python docs/notebook.py [--bundle PATH] [--out FILE]
"""

from __future__ import annotations

import argparse
import base64
import html
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK = Path(__file__).with_name("read_a_trace.ipynb")
SHIPPED = 'fame.load("ml-1m")'
PLOTLY = "application/vnd.plotly.v1+json"
WIDTH = 960  # pixels of a picture whose figure leaves its width open
LARGEST = 1_500_000  # bytes of the notebook


def executed(bundle: Path | None = None) -> nbformat.NotebookNode:
    """The notebook with fresh outputs, on the bundle that ships or on another."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    sources = [cell.source for cell in notebook.cells]
    if bundle is not None:
        for cell in notebook.cells:
            cell.source = cell.source.replace(SHIPPED, f"fame.load({str(bundle.absolute())!r})")
    os.environ["PLOTLY_RENDERER"] = "plotly_mimetype"  # figures as data, without Plotly's script in every cell
    os.environ["PYTHONWARNINGS"] = "ignore"  # warnings name paths of this machine
    NotebookClient(notebook, timeout=300, kernel_name="python3", record_timing=False).execute()
    for cell, source in zip(notebook.cells, sources, strict=True):
        cell.source = source
    return notebook


def figures(notebook: nbformat.NotebookNode) -> Iterator[dict[str, Any]]:
    """The outputs that hold a picture, by MIME type: a figure of Plotly, or a page in a frame."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if PLOTLY in data or "".join(data.get("text/html", "")).startswith("<iframe srcdoc"):
                yield data


def photographed(figures: list[dict[str, Any]]) -> list[bytes]:
    """Each figure as a PNG of at most 256 colours, drawn in Chromium."""
    from plotly.offline import get_plotlyjs

    from tests.app.browser import launched

    pictures = []
    with launched() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": 600})
        page.set_content("<body style='margin:0'><div id='figure'></div></body>")
        page.add_script_tag(content=get_plotlyjs())
        framed = browser.new_page(viewport={"width": WIDTH, "height": 600})
        for data in figures:
            if PLOTLY not in data:
                source = "".join(data["text/html"]).split('srcdoc="', 1)[1].split('"', 1)[0]
                framed.set_content(html.unescape(source))
                framed.locator(".root.files").evaluate("node => { node.hidden = true }")
                pictures.append(small_png(framed.locator("body > figure").screenshot()))
                continue
            figure = data[PLOTLY]
            layout = {"width": WIDTH} | figure["layout"] | {"autosize": False}
            page.set_viewport_size({"width": round(layout["width"]), "height": round(layout["height"])})
            page.evaluate(
                "([data, layout]) => Plotly.newPlot('figure', data, layout, {displayModeBar: false})",
                [figure["data"], layout],
            )
            page.evaluate("document.fonts.ready.then(() => new Promise(r => requestAnimationFrame(r)))")
            pictures.append(small_png(page.locator("#figure").screenshot()))
    return pictures


def small_png(picture: bytes) -> bytes:
    """A PNG with at most 256 colours."""
    small = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        small, "PNG", optimize=True
    )
    return small.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="instead of the one that ships")
    parser.add_argument("--out", type=Path, default=NOTEBOOK)
    arguments = parser.parse_args()
    notebook = executed(arguments.bundle)
    drawn = list(figures(notebook))
    for data, picture in zip(drawn, photographed(drawn), strict=True):
        data.pop(PLOTLY, None)
        data.pop("text/html", None)
        data["image/png"] = base64.b64encode(picture).decode()
    text = nbformat.writes(notebook) + "\n"
    if len(text) > LARGEST:
        raise SystemExit(f"the notebook takes {len(text):,} bytes, more than {LARGEST:,}")
    arguments.out.write_text(text, encoding="utf-8")
    print(f"{arguments.out.name}: {len(drawn)} pictures, {len(text) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
