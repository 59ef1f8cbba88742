"""A training run on disk, so that it can be gone on with."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fame.errors import FameError

__all__ = ["CHECKPOINT", "Epoch", "load_checkpoint", "save_checkpoint"]


CHECKPOINT = "checkpoint.safetensors"


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


def save_checkpoint(
    folder: Path,
    learner: nn.Module,
    optimizer: Any,
    best: dict[str, Tensor],
    history: list[Epoch],
    run: str,
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
        "run": run,
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


def load_checkpoint(
    folder: Path | None, learner: nn.Module, optimizer: Any, run: str
) -> tuple[list[Epoch], dict[str, Tensor], int]:
    """The epochs done, the best weights and the steps done; sets learner and optimizer. Nothing there: a fresh start.

    Raises:
        FameError: the checkpoint is unreadable, or of another model or other settings.
    """
    path = folder and folder / CHECKPOINT
    if not path or not path.exists():
        return [], {}, 0
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    except (SafetensorError, OSError) as error:
        raise FameError(f"{path}: not a readable checkpoint ({error}); delete it to start afresh") from None
    if metadata.get("run") != run:
        raise FameError(
            f"{path}: is of a run with other settings or data; "
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
    return [Epoch(**e) for e in json.loads(metadata["history"])], parts["best"], int(metadata["steps"])
