"""Watching training: the gate and routers of a few simulated histories after each epoch, for lessons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fame.bundle.parts import course_of
from fame.catalogue import Catalogue
from fame.course import Course
from fame.errors import FameError
from fame.make.configs import PlantedConfig
from fame.make.simulate import Planted, simulate
from fame.model import FAME

__all__ = ["COURSE", "Watch", "watched"]

COURSE = "course.npz"  # in the folder of a run
STEPS = 20  # of a history that are kept
VIEWERS = 400  # among whom some are chosen …
AUDIENCE = 3  # … that the model has not learned from, nor is measured on
TURNS = 2  # changes of facet that a chosen history comes nearest to


def watched(catalogue: Catalogue, config: PlantedConfig, count: int) -> Planted:
    """The audience of `count` viewers who change the facet they follow about TURNS times in their first steps."""
    steps = min(STEPS, config.longest - 1)
    long = max(config.shortest, steps + 1)
    everyone = simulate(catalogue, replace(config, n_viewers=VIEWERS, shortest=long), AUDIENCE)
    starts = everyone.sequences.offsets[:-1]
    facet = everyone.facet[starts[:, None] + np.arange(steps + 1)]
    turns = (np.diff(facet, axis=1) != 0).sum(axis=1)
    chosen = np.argsort(np.abs(turns - TURNS), kind="stable")[:count]
    sequences = everyone.sequences.first(chosen, np.full(len(chosen), steps + 1))
    at = (starts[chosen][:, None] + np.arange(steps + 1)).ravel()
    parts = {name: getattr(everyone, name)[at] for name in ("facet", "value", "slot", "noisy")}
    return Planted(everyone.config, sequences, preferences=everyone.preferences[chosen].copy(), **parts)


class Watch:
    """Looks at a network while it trains: `look(epoch)` after each, 0 before the first; `file` keeps what was seen.

    told: the attribute that training tells each of the first heads, '' for none.
    """

    def __init__(self, model: FAME, audience: Planted, told: tuple[str, ...], file: Path):
        n = len(audience.sequences)
        self.model, self.file, self.facets = model, file, tuple(audience.config.facets)
        self.items = audience.sequences.items.reshape(n, -1)[:, :-1]
        self.truth = audience.facet.reshape(n, -1)[:, 1:]
        self.told = np.array([told.index(name) if name in told else -1 for name in self.facets], np.int8)
        self.seen: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        before = course_of(str(file), file.read_bytes()) if file.is_file() else None
        if before is not None and np.array_equal(before.items, self.items):  # a run that broke off goes on
            self.seen = {int(e): (before.gate[i], before.router[i]) for i, e in enumerate(before.epochs)}

    def look(self, epoch: int) -> None:
        """Keep what gate and routers are now."""
        was = self.model.training
        self.model.eval()
        with torch.inference_mode():
            items = torch.from_numpy(self.items.astype(np.int64)).to(self.model.items.weight.device)
            p = self.model(items)
        self.model.train(was)
        if p.gate is None or p.router is None:
            raise FameError("watch: this network has no heads to watch; give [model] variant = 'fame', or watch = 0")
        gate, router = (x.float().cpu().numpy().astype(np.float16) for x in (p.gate, p.router))
        self.seen[epoch] = gate, router
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("wb") as out:
            np.savez_compressed(out, allow_pickle=False, **self.course().to_arrays())

    def course(self, last: int | None = None) -> Course:
        """What was seen, up to the epoch `last`."""
        epochs = [epoch for epoch in sorted(self.seen) if last is None or epoch <= last]
        gate, router = (np.stack([self.seen[epoch][i] for epoch in epochs]) for i in (0, 1))
        return Course(np.array(epochs, np.int32), gate, router, self.items, self.facets, self.truth, self.told)
