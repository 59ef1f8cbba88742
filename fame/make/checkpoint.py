"""A training run on disk, so that it can be gone on with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fame.errors import FameError

__all__ = ["CHECKPOINT", "Epoch", "Progress", "load_checkpoint", "locked", "save_checkpoint"]

CHECKPOINT = "checkpoint.safetensors"
MAY_CHANGE = ("training.epochs", "training.patience")  # they say when to stop, and nothing of what was done
HASHES = {"data": "another log", "values": "other attributes of the items"}


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Entropies are means over real positions (and heads), as parts of the maximum."""

    epoch: int
    loss: float  # what is minimised, per target, nats: cross-entropy, and the terms of guidance
    gate_entropy: float
    router_entropy: float
    seconds: float  # of training, without validation
    valid: dict[str, float] = field(default_factory=dict)  # the METRICS on the validation items
    best: bool = False


@dataclass(frozen=True)
class Progress:
    """A run as far as it came.

    best: the weights of the best epoch.   run: what it was made with, by table: what must be the same to go on.
    """

    history: list[Epoch]
    best: dict[str, Tensor]
    steps: int
    run: dict[str, Any]


def save_checkpoint(
    folder: Path,
    learner: nn.Module,
    optimizer: Any,
    best: dict[str, Tensor],
    history: list[Epoch],
    run: dict[str, Any],
    steps_done: int,
) -> None:
    """Everything a killed run needs, as safetensors (no pickle), replaced in one move.

    Raises:
        FameError: it cannot be written.
    """
    tensors = {f"learner.{k}": v for k, v in learner.state_dict().items()} | {f"best.{k}": v for k, v in best.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in state.items()}
    metadata = {
        "run": json.dumps(run, sort_keys=True),
        "history": json.dumps([asdict(e) for e in history]),
        "steps": str(steps_done),
    }
    new = folder / f"{CHECKPOINT}.{os.getpid()}.new"  # two runs may share a folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, new, metadata)
        new.replace(folder / CHECKPOINT)
    except (OSError, SafetensorError) as error:  # a full disk is either
        new.unlink(missing_ok=True)
        raise FameError(
            f"{new}: cannot be written ({error}); check space and rights, the epochs before are kept"
        ) from None


def load_checkpoint(folder: Path | None, learner: nn.Module, optimizer: Any, run: dict[str, Any]) -> Progress:
    """How far a run came; sets learner and optimizer. Nothing there: a fresh start.

    Raises:
        FameError: the checkpoint is unreadable, or of another model, other data or other settings than may change.
    """
    path = folder and folder / CHECKPOINT
    if not path or not path.exists():
        return Progress([], {}, 0, run)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
        before = json.loads(metadata["run"])
        history = [Epoch(**e) for e in json.loads(metadata["history"])]
        steps = int(metadata["steps"])
    except (SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
        raise FameError(
            f"{path}: not a readable checkpoint ({error}); --fresh starts without it, another --name or --runs keeps it"
        ) from None
    if other := difference(before, run):
        raise FameError(
            f"{path}: is of a run {other}; "
            "--fresh forgets it, another --name or --runs keeps it (from Python: delete it, or give another folder)"
        )
    parts: dict[str, dict[str, Tensor]] = {"learner": {}, "best": {}}
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, key = rest.partition(".")
            states.setdefault(int(index), {})[key] = tensor
        else:
            parts[kind][rest] = tensor
    learner.load_state_dict(parts["learner"])
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
    return Progress(history, parts["best"], steps, before)


def difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """In words the first thing in which two runs differ and may not: 'with model.n_heads 4, where …'; '' where none."""
    old, new = flat(before), flat(now)
    for name in dict.fromkeys([*new, *old]):
        if name in MAY_CHANGE or (name in old and name in new and old[name] == new[name]):
            continue
        if name in HASHES:
            return f"on {HASHES[name]}"
        was, is_now = (repr(values[name]) if name in values else "nothing" for values in (old, new))
        return f"with {name} {was}, where this one has {is_now}"
    return ""


def flat(run: dict[str, Any]) -> dict[str, Any]:
    """Settings by dotted name, as JSON keeps their values."""
    tables: dict[str, Any] = json.loads(json.dumps(run))
    named: dict[str, Any] = {}
    for table, values in tables.items():
        named |= {f"{table}.{key}": v for key, v in values.items()} if isinstance(values, dict) else {table: values}
    return named


@contextmanager
def locked(target: Path, instead: str) -> Iterator[None]:
    """Keeps other processes from `target`, a file or folder that this one writes, by a lock file beside it.

    Raises:
        FameError: another process holds it; the message says what to give `instead`.
    """
    path = target.resolve()
    path = path.with_name(f".{path.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FameError(f"{target}: another run writes there now; wait until it is done, or give {instead}") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()
