"""The trainings of all visitors, one at a time, each in a process of its own; old boxes are swept away.

    stage of an entry: read → queued → running → done, or failed, or stopped by the visitor

A training that was running when the server ended is queued again by the next one and goes on from its checkpoint.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from app.logs.box import FINISH, Entry, every_entry, root, sweep
from app.logs.reading import command, environment, plain, write_recipe
from fame.errors import FameError

__all__ = ["ask", "cancel", "finish", "kick", "place"]

LOOK = 0.3  # seconds between two looks at a training
REST = 30.0  # seconds between two looks for work that another server may have left
SWEEP = 3600.0
CANCEL = "cancel"  # a file of this name asks the server that trains the entry to stop

_woken = threading.Event()
_started = threading.Lock()
_thread: threading.Thread | None = None


def ask(entry: Entry) -> None:
    """Put an entry at the end of the queue.

    Raises:
        FameError: its recipe cannot be written.
    """
    try:
        write_recipe(entry)
        for name in (CANCEL, FINISH):
            (entry.folder / name).unlink(missing_ok=True)
        entry.update(stage="queued", queued=time.time(), error="")
    except OSError as error:
        raise FameError(
            f"the training cannot begin ({error.strerror or error}); try again when there is space"
        ) from None
    kick()


def cancel(entry: Entry) -> None:
    """Stop an entry's training, or take it out of the queue; its checkpoint stays."""
    with suppress(OSError):
        (entry.folder / CANCEL).touch()
        if entry.state.get("stage") == "queued":
            entry.update(stage="stopped")


def finish(entry: Entry) -> None:
    """End an entry's training after the epoch that runs, with the best one so far."""
    with suppress(OSError):
        (entry.folder / FINISH).touch()


def place(entry: Entry) -> int:
    """How many trainings come before a queued entry."""
    asked = entry.state.get("queued", 0)
    return sum(
        other.get("stage") == "running" or (other.get("stage") == "queued" and other.get("queued", 0) < asked)
        for other in (e.state for e in every_entry() if e.folder != entry.folder)
    )


def kick() -> None:
    """Have the queue looked at, by a thread of this server that is started with the first call."""
    global _thread
    with _started:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_work, name="fame-trainings", daemon=True)
            _thread.start()
    _woken.set()


def _work() -> None:
    swept = -SWEEP
    while True:
        _woken.wait(REST)
        _woken.clear()
        if not root().is_dir():
            continue
        if time.monotonic() - swept > SWEEP:
            swept = time.monotonic()
            sweep()
        with suppress(Timeout, OSError), FileLock(root() / ".training.lock", timeout=0):
            for entry in every_entry():
                if entry.state.get("stage") == "running":  # by a server that is gone: nobody else holds the lock
                    with suppress(OSError):
                        entry.update(stage="queued")
            while (waiting := _next()) is not None:
                _train(waiting)


def _next() -> Entry | None:
    waiting = [
        (state.get("queued", 0), entry) for entry in every_entry() if (state := entry.state).get("stage") == "queued"
    ]
    return min(waiting, key=lambda pair: pair[0])[1] if waiting else None


def _train(entry: Entry) -> None:
    """Train one entry, as far as it goes; its state says how it ended."""
    try:
        entry.update(stage="running")
        error = _run(entry)
    except OSError as problem:  # a full disk
        error = f"{problem.strerror or problem}"
    if error is None:
        outcome: dict[str, str | float] = {"stage": "stopped", "error": ""}
    elif error:
        outcome = {"stage": "failed", "error": error}
    else:
        outcome = {"stage": "done", "error": "", "trained": time.time()}
    with suppress(OSError):
        entry.update(**outcome)


def _run(entry: Entry) -> str | None:
    """Train until it ends: '' where it is done, the line of why it failed, None where it was cancelled."""
    folder = entry.folder
    log, errors, spill = folder / "training.txt", folder / "errors.txt", folder / "tmp"
    spill.mkdir(exist_ok=True)
    with log.open("ab") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            command("train", str(folder)), cwd=folder, env=environment(spill), stdout=out, stderr=err,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None:
            if (folder / CANCEL).exists() or not entry.state:  # or deleted
                process.kill()
                process.wait()
                return None
            time.sleep(LOOK)
    shutil.rmtree(spill, ignore_errors=True)
    if process.returncode == 0:
        return "" if entry.model else "no bundle was written; train it again"
    return plain(last_line(errors) or f"the training ended without a word (status {process.returncode})", folder)


def last_line(path: Path) -> str:
    """The last line of a small file that says something."""
    with suppress(OSError):
        lines = path.read_text("utf-8", errors="replace").strip().splitlines()
        return lines[-1][:500] if lines else ""
    return ""
