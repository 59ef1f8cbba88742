"""Curves where people look for them: a training's numbers, by step and by epoch, through Fabric's loggers."""

from __future__ import annotations

from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fame.errors import FameError
from fame.make.checkpoint import Epoch
from fame.make.train import Step

__all__ = ["LOGGERS", "Curves", "logger"]

LOGGERS = {  # what each needs, one of these
    "csv": ("lightning_fabric",),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "wandb": ("wandb",),
}


def logger(kind: str, folder: Path, name: str) -> Any:
    """A logger of that kind that writes under `folder`; wandb sends to its service, as the user has set it up.

    Raises:
        FameError: there is no such kind, or it is not installed.
    """
    if kind not in LOGGERS:
        raise FameError(f"log is {kind!r}; expected {', '.join(LOGGERS)}")
    if not any(find_spec(package) for package in LOGGERS[kind]):
        raise FameError(f"log {kind}: {LOGGERS[kind][0]} is not installed; pip install it, or take --log csv")
    if kind == "csv":
        from lightning_fabric.loggers.csv_logs import CSVLogger

        return CSVLogger(folder, name="log")
    if kind == "tensorboard":
        from lightning_fabric.loggers.tensorboard import TensorBoardLogger

        return TensorBoardLogger(folder, name="log")
    if not find_spec("pytorch_lightning"):
        raise FameError("log wandb: its logger comes with pytorch-lightning, which is not installed; pip install it")
    from pytorch_lightning.loggers import WandbLogger

    return WandbLogger(project="fame", name=name, save_dir=folder)


class Curves:
    """Writes what training tells to a logger; an epoch's numbers stand at its last step."""

    def __init__(self, logger: Any):
        self.logger = logger
        self.steps = 0

    def step(self, at: Step) -> None:
        self.steps = at.steps
        self.logger.log_metrics({"step/loss": at.loss, "step/learning_rate": at.learning_rate}, at.steps)

    def epoch(self, e: Epoch) -> None:
        told = {key: float(value) for key, value in asdict(e).items() if key not in ("valid", "best")}
        valid = {f"valid/{name}": value for name, value in e.valid.items()}
        self.logger.log_metrics({f"epoch/{key}": value for key, value in told.items()} | valid, self.steps)
        self.logger.save()

    def close(self) -> None:
        self.logger.finalize("success")
