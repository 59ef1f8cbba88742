"""What a visitor brings and gets: logs, trainings and models, in a folder that only who has its token finds.

    ROOT/boxes/<hash of the token>/<log>/     log and items as they were dropped, under plain names
                                              log.json, what is known of them and what was chosen
                                              recipe.toml, progress.json, training.txt, runs/, bundle/
    ROOT/boxes/<hash>/<log>/bundle.zip        a bundle that was opened, in place of one that was trained

Sizes, number and age of all this are bounded. Nothing here knows Streamlit.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO, Any

from fame.errors import FameError
from fame.text import plural

__all__ = ["KEEP_DAYS", "MOST_UPLOAD", "Box", "Entry", "entries", "new_token", "root", "sweep", "write_json"]

MB = 2**20
MOST_UPLOAD = 200  # MB of one file; .streamlit/config.toml says the same to the browser
MOST_OF_BOX = 2_000  # MB of one visitor
MOST_ENTRIES = 12  # logs and models of one visitor
MOST_OF_ALL = 20_000  # MB of all visitors
LEAST_FREE = 500  # MB that stay free on the disk
KEEP_DAYS = 30  # a box that nobody opened for so long is removed
TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
STATE, PROGRESS, BUNDLE, ZIP = "log.json", "progress.json", "bundle", "bundle.zip"
HISTORIES = "histories.json"  # some of the log, to open the model on; in no bundle
AGAIN = "try again when there is space"
FINISH = "finish"  # a file of this name asks a training to take the best so far
RESERVED = {
    STATE, PROGRESS, BUNDLE, ZIP, HISTORIES, FINISH, "cancel", "errors.txt", "training", "tmp", "recipe.toml",
    "training.txt", "runs", "read",
}  # fmt: skip

_naming = Lock()  # two files of one name may be dropped at once


def root() -> Path:
    """The folder of all boxes' folders: FAME_STORE, or one in the user's cache."""
    if told := os.environ.get("FAME_STORE"):
        return Path(told).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "fame" / "logs"


def new_token() -> str:
    """A name for a box that nobody can guess: 128 random bits."""
    return secrets.token_urlsafe(16)


def write_json(path: Path, values: Any) -> None:
    """Values in a file, which is the old one or the new one, never half.

    Raises:
        OSError: it cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        fresh.write_text(json.dumps(values, ensure_ascii=False), "utf-8")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """The values of a file; empty where there is none, or none that can be read."""
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder; what goes away meanwhile counts nothing."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total


@dataclass(frozen=True)
class Entry:
    """One log of a box, with its training and model; or one model that was opened."""

    folder: Path

    @property
    def key(self) -> str:
        return self.folder.name

    @property
    def state(self) -> dict[str, Any]:
        """What is known of it; empty once it was deleted."""
        return read_json(self.folder / STATE)

    @property
    def progress(self) -> dict[str, Any]:
        """What its training tells; empty before it began."""
        return read_json(self.folder / PROGRESS)

    def update(self, **changes: Any) -> None:
        """Change what is known of it; nothing where it was deleted."""
        if self.folder.is_dir():
            write_json(self.folder / STATE, {**self.state, **changes})

    @property
    def log(self) -> Path:
        return self.folder / str(self.state.get("log", ""))

    @property
    def items(self) -> Path | None:
        name = self.state.get("items")
        return self.folder / str(name) if name else None

    @property
    def model(self) -> Path | None:
        """Where its bundle is, a directory or a zip; None before there is one."""
        if (self.folder / ZIP).is_file():
            return self.folder / ZIP
        found = self.folder / BUNDLE
        return found if (found / "manifest.json").is_file() else None

    @property
    def histories(self) -> list[list[str]]:
        """Some histories of its log, as ids; empty before it was trained."""
        try:
            found = json.loads((self.folder / HISTORIES).read_text("utf-8"))
        except (OSError, ValueError):
            return []
        return found if isinstance(found, list) else []

    def put(self, role: str, name: str, content: IO[bytes]) -> None:
        """Keep a file as the entry's 'log' or 'items', in place of an earlier one.

        Raises:
            FameError: it does not fit.
        """
        plain = plain_name(name, role)
        if plain == self.state.get("items" if role == "log" else "log"):
            plain = f"{role}-{plain}"
        if (before := self.state.get(role)) and before != plain:
            (self.folder / before).unlink(missing_ok=True)
        save(content, self.folder / plain)
        self.update(**{role: plain})

    def put_bundle(self, content: IO[bytes]) -> None:
        """Keep a zip as the entry's bundle.

        Raises:
            FameError: it does not fit.
        """
        save(content, self.folder / ZIP)

    def delete(self) -> None:
        """Remove all of it."""
        (self.folder / STATE).unlink(missing_ok=True)  # what looks for it meanwhile finds nothing
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Box:
    """One visitor's folder; it is made with the first file."""

    token: str

    def __post_init__(self) -> None:
        if not TOKEN.fullmatch(self.token):
            raise FameError("this link to a box of models is not whole; copy it again")

    @property
    def folder(self) -> Path:
        # Paths stand in messages: they must not tell the token.
        return root() / "boxes" / hashlib.sha256(self.token.encode()).hexdigest()[:32]

    def entries(self) -> list[Entry]:
        """Its logs and models, the newest first."""
        return entries(self.folder)

    def entry(self, key: str) -> Entry | None:
        """The entry of a key; None where there is none."""
        found = Entry(self.folder / key) if re.fullmatch(r"[0-9a-f]{8}", key) else None
        return found if found and found.state else None

    def touch(self) -> None:
        """Say that the box was opened, from which its time counts."""
        if self.folder.is_dir():
            os.utime(self.folder)

    def add(self, name: str, kind: str, taken: Collection[str] = ()) -> Entry:
        """A new entry, 'log' or 'bundle', named after a file; other than what is taken.

        Raises:
            FameError: the box or the disk is full.
        """
        if len(self.entries()) >= MOST_ENTRIES:
            raise FameError(f"your box is full: it holds {plural(MOST_ENTRIES, 'log')} and models; delete one first")
        if size_of(self.folder) > MOST_OF_BOX * MB:
            raise FameError(f"your box is full: it holds {MOST_OF_BOX:,} MB; delete a log or model first")
        check_space()
        folder = self.folder / secrets.token_hex(4)
        try:
            folder.mkdir(parents=True, mode=0o700)
            entry = Entry(folder)
            with _naming:
                names = {*taken} | {str(other.state.get("name")) for other in self.entries()}
                state = {"name": free_name(name, names), "kind": kind, "made": time.time(), "stage": "read"}
                write_json(folder / STATE, state)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise unkept(name[:80], error) from None
        self.touch()
        return entry


def entries(folder: Path) -> list[Entry]:
    """The entries of a box's folder, the newest first."""
    found = [Entry(path.parent) for path in folder.glob(f"*/{STATE}")]
    return sorted(found, key=lambda entry: -float(entry.state.get("made", 0)))


def every_entry() -> Iterator[Entry]:
    """The entries of all boxes."""
    for path in (root() / "boxes").glob(f"*/*/{STATE}"):
        yield Entry(path.parent)


def save(content: IO[bytes], target: Path) -> None:
    """Write what was dropped, block by block.

    Raises:
        FameError: it is too large, or cannot be written.
    """
    check_space()
    left = MOST_UPLOAD * MB
    try:
        with target.open("wb") as out:
            while block := content.read(MB):
                if (left := left - len(block)) < 0:
                    raise FameError(
                        f"{target.name}: larger than {MOST_UPLOAD} MB, the most that is taken here; pack it (gz, zip), "
                        "or train from the command line with `fame train --data`"
                    )
                out.write(block)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise unkept(target.name, error) from None
    except FameError:
        target.unlink(missing_ok=True)
        raise


def unkept(name: str, error: OSError) -> FameError:
    """Why a file is not there, and who can do what."""
    ours = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    advice = "whoever serves the app names a folder that it may write to (FAME_STORE)" if ours else AGAIN
    return FameError(f"{name}: cannot be kept ({error.strerror or error}); {advice}")


def check_space() -> None:
    """
    Raises:
        FameError: the disk, or what all boxes together may hold, is full.
    """
    there = next(path for path in (root(), *root().parents) if path.is_dir())
    if shutil.disk_usage(there).free < LEAST_FREE * MB or size_of(root()) > MOST_OF_ALL * MB:
        raise FameError("there is no space left for uploads on this server; delete a log or model, or try again later")


def plain_name(name: str, role: str) -> str:
    """A file's own name without anything that leads elsewhere: letters, digits, '.', '-' and '_'."""
    plain = re.sub(r"[^\w.-]+", "-", name.replace("\\", "/").rpartition("/")[2]).strip("-.")[-80:].lstrip("-.")
    return plain if plain and plain.lower() not in RESERVED else f"{role}-{plain}".rstrip("-")


def free_name(name: str, taken: set[str]) -> str:
    """A bundle's name from a file's, with a number behind it where it is taken."""
    stem = plain_name(name, "log").partition(".")[0].lstrip("-")[:60] or "log"
    number, free = 1, stem
    while free in taken:
        number += 1
        free = f"{stem}-{number}"
    return free


def sweep(now: float | None = None) -> int:
    """Remove boxes that nobody opened for KEEP_DAYS; how many."""
    removed = 0
    for folder in (root() / "boxes").glob("*"):
        busy = any(entry.state.get("stage") in ("queued", "running") for entry in entries(folder))
        try:
            old = (now or time.time()) - folder.stat().st_mtime > KEEP_DAYS * 86_400
        except OSError:
            continue
        if old and not busy:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed
