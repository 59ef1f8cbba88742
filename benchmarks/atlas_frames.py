"""How smoothly the facet atlas pans, zooms and hovers in headless Chromium: a Markdown table on standard output.

python benchmarks/atlas_frames.py [--items 1000 30000] [--seconds 4] [--scale 1]

Each row serves the app with a bundle of random weights and so many items, whose maps are 40 clouds, coloured by an
attribute of which an item has one to three values. A script in the page moves the pointer once a frame, as a hand
does, and notes when each frame comes. On a busy machine frames come late through no fault of the page, so the
processor time that the page's process takes for a frame, all included, stands beside it: below 16.7 ms a core that is
free draws every frame. Headless Chromium draws without a graphics card. Needs requirements-dev.txt and Chromium.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, Page, ViewportSize

from fame.atlas import Atlas, spaces_of
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.model import FAME
from tests.app.browser import launched, served

CLOUDS = 40
GENRES = ("Comedy", "Drama", "Thriller", "Action", "Romance", "Horror", "Western", "Musical")
LATE = 1.5  # a frame that takes so many usual ones was missed

# One gesture: called once a frame with how far it is, 0 … 1, until `seconds` are over.
DRIVE = """
async ([gesture, seconds]) => {
  const hosts = [...document.querySelectorAll('*')].filter(node => node.shadowRoot?.querySelector('.stage'))
  const stage = hosts[0].shadowRoot.querySelector('.stage')
  const box = stage.getBoundingClientRect()
  const at = (x, y) => ({ clientX: box.left + x * box.width, clientY: box.top + y * box.height })
  const send = (type, x, y) =>
    stage.dispatchEvent(new PointerEvent(type, { ...at(x, y), bubbles: true, pointerId: 1, button: 0 }))
  stage.setPointerCapture = () => {}
  const steps = {
    pan: t => send('pointermove', .5 + .3 * Math.cos(9 * t), .5 + .3 * Math.sin(9 * t)),
    zoom: t => stage.dispatchEvent(new WheelEvent('wheel', {
      ...at(.5, .5), bubbles: true, cancelable: true, ctrlKey: true, deltaY: t % .5 < .25 ? -8 : 8 })),
    hover: t => send('pointermove', .5 + .4 * Math.cos(5 * t), .5 + .4 * Math.sin(7 * t)),
  }
  if (gesture === 'pan') send('pointerdown', .8, .5)
  const frames = []
  await new Promise(done => {
    let last = null, began = null
    const step = now => {
      began ??= now
      if (last !== null) frames.push(now - last)
      last = now
      const t = (now - began) / 1000
      if (t > seconds) return done()
      steps[gesture](t)
      requestAnimationFrame(step)
    }
    requestAnimationFrame(step)
  })
  if (gesture === 'pan') send('pointerup', .5, .5)
  return frames
}
"""


def make_bundle(items: int, seed: int = 0) -> Bundle:
    """Random weights, made-up titles, and maps of clouds; neighbours are random items."""
    rng = np.random.default_rng(seed)
    config = FAMEConfig(items, 50, d_model=32, n_heads=4, n_experts=2, backbone_heads=2)
    cloud = rng.integers(CLOUDS, size=items)
    own = [GENRES[c % len(GENRES)] for c in cloud]
    extra = rng.choice(GENRES, (items, 2))
    count = rng.integers(1, 4, items)
    catalogue = Catalogue.from_frame(
        pd.DataFrame(
            {
                "item_id": np.arange(1, items + 1),
                "title": [f"The Film of Number {i:,}" for i in range(1, items + 1)],
                "year": rng.integers(1930, 2010, items),
                "genres": ["|".join([g, *e][:n]) for g, e, n in zip(own, extra, count, strict=True)],
            }
        )
    )
    model = FAME(config).eval().requires_grad_(False)
    spaces = spaces_of(model)
    centres = rng.uniform(-10, 10, (len(spaces), CLOUDS, 2))
    maps = np.full((len(spaces), items + 1, 2), np.nan, np.float32)
    maps[:, 1:] = centres[:, cloud] + rng.normal(0, 0.8, (len(spaces), items, 2))
    neighbours = rng.integers(1, items + 1, (len(spaces), items + 1, 20)).astype(np.int32)
    neighbours[:, 0] = 0
    return Bundle("clouds", model, catalogue, Atlas(spaces, maps, maps.copy(), neighbours, np.full((2, 5), 0.5, "f4")))


def measure(page: Page, cpu: Callable[[], float], gesture: str, seconds: float) -> str:
    """One gesture's cells: the usual and the slow frame, missed frames, and processor time per frame."""
    before = cpu()
    frames = np.array(page.evaluate(DRIVE, [gesture, seconds]))
    spent = 1000 * (cpu() - before) / len(frames)
    late = float((frames > LATE * 1000 / 60).mean())
    return f"{np.median(frames):.1f} / {np.percentile(frames, 95):.1f} | {late:.0%} | {spent:.1f}"


def page_cpu(browser: Browser) -> Callable[[], float]:
    """A clock of the seconds of processor time that the browser's pages have taken."""
    session = browser.new_browser_cdp_session()

    def read() -> float:
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        return sum(process["cpuTime"] for process in processes if process["type"] == "renderer")

    return read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[1_000, 30_000])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--scale", type=float, default=1, help="device pixels per CSS pixel; 2 on a sharp screen")
    arguments = parser.parse_args()
    print("| items | gesture | frame p50 / p95, ms | frames missed | processor time per frame, ms |")
    print("|---|---|---|---|---|")
    for items in arguments.items:
        with tempfile.TemporaryDirectory() as folder, launched() as browser:
            bundle = make_bundle(items).save(Path(folder) / "clouds")
            view = ViewportSize(width=1400, height=1000)
            page = browser.new_context(viewport=view, device_scale_factor=arguments.scale).new_page()
            cpu = page_cpu(browser)
            with served(bundle) as address:
                page.goto(f"{address}/atlas")
                page.locator(".stage canvas").first.wait_for(timeout=120_000)
                page.wait_for_timeout(2000)
                for gesture in ("pan", "zoom", "hover"):
                    print(f"| {items:,} | {gesture} | {measure(page, cpu, gesture, arguments.seconds)} |", flush=True)


if __name__ == "__main__":
    main()
