"""The files of a bundle at the door: each is read once, within limits, and held against the manifest."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fame.errors import FameError

__all__ = ["AGAIN", "CARD", "FILES", "FORMAT", "LIMITS", "MANIFEST", "MB", "Folder", "Place", "parse"]

FORMAT = 1
MANIFEST = "manifest.json"
CARD = "README.md"  # people edit it, in the Hub's own editor too: it is read as it is, and may be missing
REQUIRED = ("config.json", "model.safetensors", "items.csv")
OPTIONAL = ("atlas.npz", "population.npz", "course.npz", "examples.json", "evidence.json", "training.csv")
FILES = (*REQUIRED, CARD, *OPTIONAL)
SAVING = ".saving-"  # how the folder of a save begins while that lasts
MB = 2**20
LIMITS = {  # bytes a file may have: far above any real one, far below what fills a memory
    MANIFEST: MB,
    "config.json": MB,
    CARD: MB,
    "examples.json": 10 * MB,
    "evidence.json": 100 * MB,
    "training.csv": 100 * MB,
    "population.npz": 50 * MB,
    "course.npz": 50 * MB,
    "items.csv": 2_000 * MB,
    "atlas.npz": 2_000 * MB,
    "model.safetensors": 16_000 * MB,
}
PICKLES = ("pytorch_model.bin", "model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl")
POINTER = b"version https://git-lfs.github.com/spec/"  # how what Git LFS leaves in a file's place begins
AGAIN = "get the bundle again, or save it again"


class Place(Protocol):
    """Where the files of a bundle lie: a `Folder`, or an archive. As text it is its path."""

    def at(self, name: str) -> str:
        """The file as messages name it."""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    def content(self, name: str) -> bytes:
        """The bytes of a file of LIMITS.

        Raises:
            FameError: it is larger than its limit, or cannot be read.
        """


@dataclass(frozen=True)
class Folder:
    """The files of a directory."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def at(self, name: str) -> str:
        return str(self.path / name)

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def content(self, name: str) -> bytes:
        path = self.path / name
        try:
            check_size(str(path), name, path.stat().st_size)
            return path.read_bytes()
        except OSError as error:
            raise FameError(f"{path}: cannot be read ({error.strerror or error}); {AGAIN}") from None


def check_size(where: str, name: str, size: int) -> None:
    """Refuse a file of more bytes than LIMITS lets it have."""
    if size > LIMITS[name]:
        raise FameError(f"{where}: larger than the {LIMITS[name] // MB:,} MB that such a file may have; {AGAIN}")


def manifest_of(place: Place) -> dict[str, Any]:
    """manifest.json, checked: every file it names is one a bundle may have, and every file that is there is named.

    Raises:
        FameError: there is none, so that the place is no bundle, or it is of another form.
    """
    where = place.at(MANIFEST)
    if not place.has(MANIFEST):
        raise _no_bundle(place)
    manifest = parse(where, _unpointed(place, MANIFEST))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise FameError(
            f"{where}: the bundle's format is {str(found)[:40]!r}; this version of FAME reads {FORMAT}: "
            "update the package, or save the bundle again with this one"
        )
    files = manifest.get("files", {})
    well_formed = (
        isinstance(manifest.get("name"), str)
        and isinstance(manifest.get("simulated"), bool)
        and isinstance(files, dict)
        and all(isinstance(e, dict) and {"sha256", "size"} <= e.keys() for e in files.values())
    )
    if not well_formed:
        raise FameError(f"{where}: expected name, simulated, and files with their sha256 and size; {AGAIN}")
    k_core = manifest.get("k_core")
    if k_core is not None and (type(k_core) is not int or k_core < 0):
        raise FameError(f"{where}: k_core is {str(k_core)[:40]!r}; expected a whole number, or null; {AGAIN}")
    if unknown := [name for name in files if name not in FILES]:
        raise FameError(f"{where}: names the file {unknown[0][:80]!r}; a bundle has only {', '.join(FILES)}")
    for name in REQUIRED:
        if name not in files:
            raise FameError(f"{where}: does not name {name}, which every bundle has; {AGAIN}")
    for name in OPTIONAL:
        if name not in files and place.has(name):
            raise FameError(f"{place.at(name)}: {MANIFEST} does not name it, so that it is no part of the bundle")
    return manifest


def _no_bundle(place: Place) -> FameError:
    """What is to be said of a place without a manifest. What was not recognised is never to be deleted."""
    if there := [name for name in REQUIRED if place.has(name)]:
        return FameError(
            f"{place.at(MANIFEST)}: missing beside {there[0]}; a bundle that was copied or saved by half, or a folder "
            f"that is no bundle: {AGAIN}"
        )
    return FameError(
        f"{place}: no bundle; expected {MANIFEST} there beside {', '.join(REQUIRED)}, as `fame train` writes them: "
        "give the directory of a bundle"
    )


def read(place: Place, name: str, entry: Mapping[str, Any]) -> bytes:
    """The bytes of a file, as the manifest promises them.

    Raises:
        FameError: the file is missing or altered; a Git LFS pointer and changed line ends are called so.
    """
    where = place.at(name)
    if not place.has(name):
        there = [pickle for pickle in PICKLES if place.has(pickle)]
        if name == "model.safetensors" and there:
            raise FameError(f"{where}: missing; {there[0]} is a pickle and never read: save the weights as safetensors")
        raise FameError(f"{where}: missing; {AGAIN}")
    content = _unpointed(place, name)
    if _promised(content, entry):
        return content
    if b"\r\n" in content and _promised(content.replace(b"\r\n", b"\n"), entry):
        raise FameError(
            f"{where}: its line ends were changed, as git does by core.autocrlf; write the line `* -text` into "
            f".gitattributes and check the file out again, or {AGAIN}"
        )
    raise FameError(f"{where}: altered since the bundle was saved (its SHA-256 differs); {AGAIN}")


def read_card(place: Place) -> str:
    """The model card; '' where there is none."""
    return _unpointed(place, CARD).decode("utf-8", "replace") if place.has(CARD) else ""


def _promised(content: bytes, entry: Mapping[str, Any]) -> bool:
    return len(content) == entry["size"] and hashlib.sha256(content).hexdigest() == entry["sha256"]


def _unpointed(place: Place, name: str) -> bytes:
    """The bytes of a file that is there itself, and not by a pointer alone."""
    content = place.content(name)
    if content.startswith(POINTER):
        raise FameError(
            f"{place.at(name)}: a Git LFS pointer and not the file itself; fetch the file with `git lfs pull`, "
            f"or {AGAIN}"
        )
    return content


def parse(where: str, content: bytes) -> Any:
    """JSON with finite numbers.

    Raises:
        FameError: it is none.
    """

    def finite(text: str) -> float:
        if math.isfinite(number := float(text)):
            return number
        raise FameError(f"{where}: holds {text[:20]}; expected finite numbers; {AGAIN}")

    try:
        return json.loads(content.decode("utf-8"), parse_float=finite, parse_constant=finite)
    except FameError:
        raise
    except (ValueError, RecursionError):  # ValueError: no UTF-8, no JSON, or a number of thousands of digits
        raise FameError(f"{where}: no readable JSON; {AGAIN}") from None
