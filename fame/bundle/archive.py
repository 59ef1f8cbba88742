"""A bundle in a zip archive, read in memory: nothing is unpacked to disk, and only a bundle's own files are read."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from pathlib import Path

from fame.bundle.files import FILES, LIMITS, MANIFEST, MB, check_size
from fame.errors import FameError

__all__ = ["Archive", "pack"]

MOST_ENTRIES = 1_000
MOST_BYTES = 1_000 * MB  # unpacked, of all files that are read
AGAIN = "zip the directory of the bundle again"


class Archive:
    """The files of a zip of a bundle, or of a directory that holds one bundle.

    Raises:
        FameError: the file is no zip, holds no bundle or several, a file of it stands twice, is a link, is encrypted
            or too large.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            raise FameError(
                f"{path}: a file, and no readable zip; expected the directory of a bundle, or a .zip of it"
            ) from None
        if len(entries) > MOST_ENTRIES:
            raise FameError(f"{path}: {len(entries):,} files; expected the zip of one bundle, at most {MOST_ENTRIES:,}")
        tops = sorted({e.filename.removesuffix(MANIFEST) for e in entries if _depth(e) < 2 and _base(e) == MANIFEST})
        if len(tops) > 1:
            raise FameError(f"{path}: holds {len(tops)} bundles; unpack it, and give the directory of one")
        top = tops[0] if tops else ""
        self.entries: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            name = entry.filename.removeprefix(top)
            if not entry.filename.startswith(top) or name not in (MANIFEST, *FILES):
                continue  # what is no file of the bundle is not looked at, wherever its name points
            if name in self.entries:
                raise FameError(f"{self.at(name)}: stands twice; {AGAIN}")
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise FameError(f"{self.at(name)}: a link; expected the file itself: {AGAIN}")
            if entry.flag_bits & 1:
                raise FameError(f"{self.at(name)}: encrypted; expected a plain zip: {AGAIN}")
            check_size(self.at(name), name, entry.file_size)
            self.entries[name] = entry
        if (size := sum(entry.file_size for entry in self.entries.values())) > MOST_BYTES:
            raise FameError(f"{path}: unpacks to {size // MB:,} MB, more than {MOST_BYTES // MB:,}: unpack it yourself")

    def __str__(self) -> str:
        return str(self.path)

    def at(self, name: str) -> str:
        return f"{self.path}: {name}"

    def has(self, name: str) -> bool:
        return name in self.entries

    def content(self, name: str) -> bytes:
        entry = self.entries[name]
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(entry) as file:
                content = file.read(min(LIMITS[name], entry.file_size) + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError):
            raise FameError(f"{self.at(name)}: damaged, or packed in an unknown way; {AGAIN}") from None
        if len(content) != entry.file_size:
            raise FameError(f"{self.at(name)}: holds more than it says; {AGAIN}")
        return content


def pack(folder: Path, name: str) -> bytes:
    """The bundle of a directory as a zip that `Archive` reads, its files under a folder of this name.

    Raises:
        FameError: a file cannot be read.
    """
    packed = io.BytesIO()
    try:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in (MANIFEST, *FILES):
                if (folder / file).is_file():
                    archive.write(folder / file, f"{name}/{file}")
    except OSError as error:
        raise FameError(f"{folder}: cannot be read ({error.strerror or error})") from None
    return packed.getvalue()


def _depth(entry: zipfile.ZipInfo) -> int:
    return entry.filename.count("/")


def _base(entry: zipfile.ZipInfo) -> str:
    return entry.filename.rpartition("/")[2]
