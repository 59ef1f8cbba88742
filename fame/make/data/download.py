"""MovieLens from its publisher: resumed where it broke off, checked, and unpacked with care."""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
import stat
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath

from fame.errors import FameError

__all__ = ["DATASETS", "download"]

BASE_URL = "https://files.grouplens.org/datasets/movielens"

# Name -> the published MD5, or None where the file changes in place and its MD5 lies beside it.
DATASETS: dict[str, str | None] = {
    "ml-1m": "c4d9eecfca2ab87c1945afe126590906",
    "ml-20m": "cd245b17a1ae2cc31bb14903e1204af3",
    "ml-25m": "6b51fb2759a8657d3bfcbfc42b592ada",
    "ml-latest-small": None,
}

MAX_ARCHIVE_BYTES = 2 << 30
MAX_UNPACKED_BYTES = 8 << 30
MAX_MEMBERS = 1000
TIMEOUT_SECONDS = 30
CHUNK_BYTES = 1 << 18

Progress = Callable[[int, int | None], None]


def download(name: str, target: str | Path, *, base_url: str | None = None, progress: Progress | None = None) -> Path:
    """Fetch one of `DATASETS` and unpack it to the folder `target/name`, which is returned.

    A folder that is there already, and not empty, is returned as it is. A download that broke off goes on where it
    stopped.

    base_url: where `name.zip` lies, instead of the publisher's address. The MD5 that lies beside it
        (`name.zip.md5`) is then the one to match; without one, the archive's own checksums have to do.
    progress: called with the bytes there so far and the bytes in all (None where the server does not say).

    Raises:
        FameError: an unknown name, no connection, a refusal by the server, a checksum that differs, or an
            archive that is damaged, too large, or would write outside its folder.
    """
    if name not in DATASETS:
        raise FameError(f"unknown data set {name!r}; expected one of {', '.join(DATASETS)}")
    target = Path(target)
    folder = target / name
    if folder.is_dir() and any(folder.iterdir()):
        return folder
    base = (base_url or BASE_URL).rstrip("/")
    try:
        parts = urllib.parse.urlsplit(base)
    except ValueError as error:
        raise FameError(f"address {base!r}: {error}; expected one like https://host/folder") from None
    if parts.scheme not in ("https", "http"):
        raise FameError(f"address {base!r}; expected one that begins with https:// or http://")
    url = f"{base}/{name}.zip"
    try:
        target.mkdir(parents=True, exist_ok=True)
        part = target / f"{name}.zip.part"
        expected = (None if base_url else DATASETS[name]) or _published_md5(url)
        _fetch(url, part, progress or (lambda done, total: None))
        try:
            if expected and (found := _md5(part)) != expected:
                raise FameError(f"{url}: MD5 {found}, expected {expected}; the file was removed, try again")
            _unpack(part, folder)
        finally:
            part.unlink()
    except OSError as error:
        raise FameError(f"{target}: cannot be written ({error.strerror or error}); check space and rights") from None
    return folder


def _fetch(url: str, part: Path, progress: Progress) -> None:
    """Complete the file `part` from `url`, going on from the bytes that it holds."""
    have = part.stat().st_size if part.exists() else 0
    with _open(url, have) as response:
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else None
        if response.status == 206:
            start, size = _content_range(response)
            if start != have:
                raise FameError(f"{url}: the server sent bytes from {start}, asked were those from {have}; retry")
            total = size or total
        if (total or 0) > MAX_ARCHIVE_BYTES:
            raise FameError(f"{url}: {total:,} bytes; expected at most {MAX_ARCHIVE_BYTES:,}")
        progress(have, total)
        with part.open("ab" if have else "wb") as file:
            while chunk := _next(response, url):
                file.write(chunk)
                have += len(chunk)
                if have > MAX_ARCHIVE_BYTES:
                    raise FameError(f"{url}: more than {MAX_ARCHIVE_BYTES:,} bytes; stopped")
                progress(have, total)
    if total is not None and have < total:
        raise FameError(f"{url}: broke off after {have:,} of {total:,} bytes; run the same again to go on")


def _open(url: str, start: int) -> HTTPResponse:
    """The answer to a request for the bytes from `start` on; all of them where the server cannot do that."""
    headers = {"User-Agent": "fame-rec", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response: HTTPResponse = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS
        )
        return response
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:  # nothing beyond `start`: whole already, or another file by now
            return _open(url, 0)
        raise FameError(f"{url}: the server answered {error.code} {error.reason}; check name and address") from None
    except (urllib.error.URLError, HTTPException, OSError, UnicodeError) as error:
        raise FameError(f"{url}: no connection ({getattr(error, 'reason', error)}); check the network") from None


def _content_range(response: HTTPResponse) -> tuple[int, int | None]:
    """First byte and whole size of a partial answer; -1 where the header is not understood."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if not found:
        return -1, None
    return int(found[1]), int(found[2]) if found[2] != "*" else None


def _next(response: HTTPResponse, url: str) -> bytes:
    try:
        return response.read1(CHUNK_BYTES)
    except (HTTPException, OSError) as error:
        raise FameError(f"{url}: the connection broke off ({error}); run the same again to go on") from None


def _published_md5(url: str) -> str | None:
    """The MD5 in the file beside the archive; None where there is none."""
    try:
        with urllib.request.urlopen(f"{url}.md5", timeout=TIMEOUT_SECONDS) as response:
            text = response.read(4096).decode("ascii", "replace")
    except urllib.error.HTTPError as error:
        if error.code in (403, 404):
            return None
        raise FameError(f"{url}.md5: the server answered {error.code} {error.reason}; try again later") from None
    except (HTTPException, OSError, UnicodeError) as error:
        raise FameError(f"{url}.md5: no connection ({getattr(error, 'reason', error)}); check the network") from None
    found = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if not found:
        raise FameError(f"{url}.md5: holds {text[:50]!r}; expected an MD5 checksum")
    return found.group().lower()


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack beside `folder`, then move into place, so that a folder under its own name is always whole.

    An archive whose members all lie in one folder of the same name is unpacked without doubling it.
    """
    try:
        with (
            zipfile.ZipFile(archive) as file,
            tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as staging,
        ):
            members = file.infolist()
            _check_members(archive, members)
            root = Path(staging) / "unpacked"
            root.mkdir()
            for member in members:
                _extract(file, member, root)
            inner = root / folder.name
            os.rename(inner if inner.is_dir() else root, folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise FameError(f"{archive}: not a sound zip file ({error}); it was removed, try again") from None


def _check_members(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise FameError(f"{archive}: {len(members):,} files; expected at most {MAX_MEMBERS:,}")
    if (size := sum(m.file_size for m in members)) > MAX_UNPACKED_BYTES:
        raise FameError(f"{archive}: unpacks to {size:,} bytes; expected at most {MAX_UNPACKED_BYTES:,}")
    seen: set[PurePosixPath] = set()
    for member in members:
        name = member.filename
        path = PurePosixPath(name)
        link = stat.S_ISLNK(member.external_attr >> 16)
        if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or link:
            raise FameError(f"{archive}: the member {name[:80]!r} points outside the archive; refused")
        if path in seen or seen & set(path.parents):
            raise FameError(f"{archive}: the member {name[:80]!r} stands twice, or in a file; refused")
        if not member.is_dir():
            seen.add(path)


def _extract(file: zipfile.ZipFile, member: zipfile.ZipInfo, root: Path) -> None:
    path = root / member.filename
    if member.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with file.open(member) as source, path.open("xb") as target:  # reads no more than the size checked above
        shutil.copyfileobj(source, target, CHUNK_BYTES)
