"""What came from outside, read by a process of its own: a hostile file takes nothing of the server's memory."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Semaphore, Thread
from typing import Any

import fame
from app.logs import recipe
from app.logs.box import MB, Entry, read_json, write_json
from fame.home import HOME

__all__ = ["Read", "check_bundle", "command", "environment", "estimate", "look", "recipe_text", "write_recipe"]

PATIENCE = 300  # seconds that reading may take
MOST_OF_MODEL = 300 * MB  # of an opened bundle, unpacked: it is kept in the server's memory
AT_ONCE = Semaphore(2)  # readings, for which a visitor waits
MEASURED_AT_ONCE = Semaphore(1)  # estimates: they take longer, and nobody waits for them
READ = "read"  # the folder of what was read, by how


@dataclass(frozen=True)
class Read:
    """What a log holds, as `fame inspect --json` tells, or why it cannot be read.

    told: its report, with `table`, the columns and first rows as the file has them.
    """

    told: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def trouble(self) -> str:
        """Why nothing can be learned; '' where it can."""
        return self.error or str(self.told.get("trouble", ""))

    @property
    def columns(self) -> list[str]:
        return list(self.told.get("table", {}).get("columns", []))


def command(task: str, *arguments: str) -> list[str]:
    """The command of a process of `app.logs.training`."""
    return [sys.executable, "-m", "app.logs.training", task, *arguments]


def environment(spill: Path) -> dict[str, str]:
    """The environment of such a process: this very code, one thread fewer than cores, its passing files in `spill`."""
    code = [str(HOME), str(Path(fame.__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    threads = str(max(1, (os.cpu_count() or 2) - 1))
    return {
        **os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, code))), "TMPDIR": str(spill),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads), "PYTHONUTF8": "1", "TERM": "dumb",
    }  # fmt: skip


def run(folder: Path, task: str, *arguments: str) -> tuple[str, str]:
    """What a process says, and the one line of why it failed, '' where it did not; paths are the folder's own."""
    with MEASURED_AT_ONCE if task == "estimate" else AT_ONCE:
        try:
            with TemporaryDirectory(prefix=".reading-", dir=folder, ignore_cleanup_errors=True) as spill:
                done = subprocess.run(
                    command(task, *arguments), cwd=folder, env=environment(Path(spill)), capture_output=True,
                    text=True, errors="replace", timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL,
                )  # fmt: skip
        except subprocess.TimeoutExpired:
            return "", f"reading took more than {PATIENCE // 60} minutes and was stopped; give a part of the log"
        except OSError as error:
            return "", f"the log cannot be read now ({error.strerror or error}); try again"
    if done.returncode == 0:
        return done.stdout, ""
    lines = done.stderr.strip().splitlines() or [f"reading ended without a word (status {done.returncode})"]
    return done.stdout, plain(lines[-1], folder)


def plain(line: str, folder: Path) -> str:
    """An error's line as the screen shows it: file names without the server's folders, settings without dashes."""
    return line.removeprefix("error: ").replace(f"{folder}{os.sep}", "").replace(f"{folder}: ", "")


def look(entry: Entry) -> Read:
    """What the entry's log holds, read as its state says; kept, so that asking again is free."""
    state = entry.state
    files = [path for path in (entry.log, entry.items) if path]
    if missing := [path.name for path in files if not path.is_file()]:
        return Read(error=f"{missing[0]}: is gone; drop it again")
    reading = state.get("reading", {})
    told = [reading, state["log"], state.get("items"), *(p.stat().st_mtime_ns for p in files)]
    kept = entry.folder / READ / f"{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}.json"
    if not (found := read_json(kept)):
        arguments = ["--json", *recipe.flags(reading)]
        if entry.items:
            arguments.append(f"--items={entry.items.name}")
        form = reading.get("form") or "auto"
        spec = str(entry.log) if form == "auto" else f"{form}:{entry.log}"
        out, error = run(entry.folder, "inspect", *arguments, "--", spec)
        try:
            values = json.loads(out) if out else {}
        except ValueError:
            values = {}
        found = {"told": values, "error": error if error or values else "nothing could be read of it"}
        with suppress(OSError):  # it is read again next time
            kept.parent.mkdir(exist_ok=True)
            write_json(kept, found)
    return Read(found["told"], found["error"])


def check_bundle(path: Path) -> str:
    """Why a zip is no bundle that can be opened here; '' where it is one."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return f"{path.name}: no readable zip; expected the zip of a bundle, as it is downloaded here"
    if size > MOST_OF_MODEL:
        return f"{path.name}: unpacks to {size // MB:,} MB, more than the {MOST_OF_MODEL // MB} MB that are opened here"
    out, error = run(path.parent, "info", "--json", "--", str(path))
    if not error and '"variant": "sasrec"' in out:
        return f"{path.name}: a plain SASRec; the app looks at heads, and it has none"
    return error


def write_recipe(entry: Entry) -> Path:
    """The recipe of what is chosen, beside the log.

    Raises:
        OSError: it cannot be written.
    """
    path = entry.folder / "recipe.toml"
    path.write_text(recipe_text(entry), "utf-8")
    return path


def recipe_text(entry: Entry) -> str:
    """The recipe of what is chosen, as it is downloaded and trained."""
    state = entry.state
    comment = (
        f"FAME {fame.__version__}. Beside {state['log']}{' and ' + state['items'] if state.get('items') else ''}:\n"
        f"    fame train {state['name']}.toml\n"
        "gives the bundle that the app trains, where as many threads work (OMP_NUM_THREADS: one fewer than cores)."
    )
    return recipe.to_toml(recipe.tables(state), comment)


def estimate(entry: Entry) -> dict[str, Any] | None:
    """How long the chosen training takes here, see `app.logs.training.estimate`; None while that is measured.

    {'error': …} where it cannot be told.
    """
    kept = entry.folder / READ / f"estimate-{hashlib.sha256(recipe_text(entry).encode()).hexdigest()[:16]}.json"
    if found := read_json(kept):
        return found
    with _guard:
        if kept not in _measured:
            _measured.add(kept)
            Thread(target=_measure, args=(entry, kept), daemon=True).start()
    return None


_measured: set[Path] = set()  # what is being measured
_guard = Lock()


def _measure(entry: Entry, kept: Path) -> None:
    found: dict[str, Any]
    try:
        write_recipe(entry)
        out, error = run(entry.folder, "estimate", str(entry.folder))
        found = {"error": error} if error else json.loads(out.strip().splitlines()[-1])
    except (OSError, ValueError, LookupError) as problem:
        found = {"error": f"no estimate ({getattr(problem, 'strerror', None) or problem})"}
    with suppress(OSError):
        kept.parent.mkdir(exist_ok=True)
        write_json(kept, found)
    with _guard:
        _measured.discard(kept)
