"""Pictures of every screen, light and dark, wide and narrow, into docs/screens/. `make screenshots`.

The app is started on the bundle that ships, or on FAME_BUNDLE, and photographed in Chromium.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from fame.plots.style import Theme
from tests.app.browser import ROOT, SCREENS, bundle_path, chromium, launched, served, settle

OUT = ROOT / "docs" / "screens"
SCHEMES: tuple[Theme, ...] = ("light", "dark")
WIDTHS = {"": 1400, "-narrow": 700}
LONGEST = 5000  # pixels; what lies further down is not shown
LARGEST = 400_000  # bytes of one picture
HEIGHT = """Math.max(...[...document.querySelectorAll('.stMainBlockContainer')].map(e => e.scrollHeight))"""


def picture(browser: Browser, url: str, scheme: Theme, width: int) -> Image.Image:
    """A whole screen as a new visitor sees it."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.goto(url)
    settle(page)
    # The page scrolls inside itself: the window grows until all of it is in sight.
    page.set_viewport_size({"width": width, "height": min(page.evaluate(HEIGHT), LONGEST)})
    settle(page)
    content = page.screenshot(animations="disabled")
    page.close()
    return Image.open(io.BytesIO(content)).convert("RGB")


def save(image: Image.Image, path: Path) -> int:
    """Write as a PNG of 256 colours, a third as large; its size in bytes."""
    # Covering the whole range of colours keeps small patches, such as the heads' badges, in their own.
    few = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    if (size := path.stat().st_size) > LARGEST:
        raise SystemExit(f"{path.name} takes {size:,} bytes, more than {LARGEST:,}")
    return size


def main() -> None:
    if chromium() is None:
        raise SystemExit("no Chromium found: install Debian's package `chromium`")
    if not (bundle_path() / "manifest.json").is_file():
        raise SystemExit("no bundle under artifacts/ml-1m: train one, or set FAME_BUNDLE to the directory of one")
    OUT.mkdir(exist_ok=True)
    with served(bundle_path()) as address, launched() as browser:
        for name, path in SCREENS.items():
            for scheme in SCHEMES:
                for suffix, width in WIDTHS.items():
                    file = OUT / f"{name}-{scheme}{suffix}.png"
                    image = picture(browser, address + path, scheme, width)
                    size = save(image, file)
                    print(f"{file.relative_to(ROOT)}: {image.width} × {image.height}, {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
