"""Where bundles are: under artifacts/, in a directory or zip, on the Hub."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from fame.bundle.bundle import Bundle, place_of
from fame.bundle.files import MANIFEST, manifest_of, read
from fame.bundle.hub import download
from fame.bundle.parts import evidence_of
from fame.errors import FameError
from fame.home import ARTIFACTS

__all__ = ["glance", "load", "locate"]


def load(source: str | Path, digest: str = "") -> Bundle:
    """A bundle by its name under artifacts/, by the path of its directory or zip, or by its Hub id `owner/name`.

    A name under artifacts/ goes before a directory that is called so too, which is `./name` then.

    digest: how the bundle's `digest` is to begin, so that what is computed from it is what it was.

    Raises:
        FameError: there is no such bundle, the Hub cannot be reached, the bundle is refused, or it is another one.
    """
    bundle = Bundle.load(locate(source))
    if not bundle.digest.startswith(digest):
        raise FameError(
            f"{str(source)[:80]}: another bundle than the one asked for: its digest is {bundle.digest[:12]}…, expected "
            f"{digest[:12]}…; give the bundle itself, or leave digest out"
        )
    return bundle


def locate(source: str | Path) -> Path:
    """Where the bundle is that `load` would open; one on the Hub is fetched.

    Raises:
        FameError: there is no such bundle, or the Hub cannot be reached.
    """
    text = str(source)
    named = isinstance(source, str) and re.fullmatch(r"\w[\w.-]*", text)
    there = False
    # No path at all, longer than a name may be, or the home of nobody: not there.
    with contextlib.suppress(TypeError, OSError, RuntimeError):
        folder = ARTIFACTS / text if named and (ARTIFACTS / text).is_dir() else Path(source).expanduser()
        there = text != "" and folder.exists()  # as a path, no text is the current directory
    if there:
        return folder
    if isinstance(source, str) and re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", text):
        return download(text)
    names = sorted(path.parent.name for path in ARTIFACTS.glob(f"*/{MANIFEST}"))
    raise FameError(
        f"there is no bundle {text[:80]!r}; give a name ({', '.join(names) or 'none is installed'}), "
        "the path of a bundle's directory or zip, or a Hub id like owner/name"
    )


def glance(directory: str | Path) -> tuple[bool, tuple[str, ...] | None]:
    """Whether a bundle's users are simulated, and what guided its heads in training, None where that is not kept.

    From its manifest and evidence alone: to name a bundle, its weights need not be read.

    Raises:
        FameError: the directory is no bundle, or its evidence is missing, altered, too large or unreadable.
    """
    place, name = place_of(directory), "evidence.json"
    manifest = manifest_of(place)
    entry = manifest["files"].get(name)
    guided = evidence_of(place.at(name), entry and read(place, name, entry)).get("guided")
    return manifest["simulated"], tuple(str(head) for head in guided if head) if isinstance(guided, list) else None
