"""How training is watched: a bar in a terminal, plain lines elsewhere, a line an epoch, and what to do after Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fame.cli.terminal import Interrupted

if TYPE_CHECKING:
    from rich.progress import Progress

    from fame.make.checkpoint import Epoch
    from fame.make.recipe import Recipe
    from fame.make.runs import Callbacks
    from fame.make.train import Step

EVERY = 30.0  # seconds between plain lines within an epoch


class Watch:
    """What training tells, as a person at a terminal or the reader of a log wants it.

    Before the first epoch is done nothing is printed, so that an error until then stands alone; unless a part of the
    work takes long.
    """

    def __init__(self, bar: Progress):
        self.bar, self.console = bar, bar.console
        self.task = bar.add_task("", total=None, note="")
        self.plain = not self.console.is_terminal
        self.waiting: list[str] = []  # lines for after the first epoch
        self.trained = False
        self.running = ""  # the stage that runs, and since when
        self.since = self.said = time.monotonic()
        self.epochs, self.best, self.heads, self.experts = 0, 0.0, 1, 1

    def print(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)

    def stage(self, text: str) -> None:
        """A part of the work begins, and so the one before is done."""
        self.ended()
        self.running, self.since = text, time.monotonic()
        self.bar.reset(self.task, description=text, note="")
        self.bar.tasks[0].total = None  # which `reset` would leave

    def ended(self) -> None:
        took = time.monotonic() - self.since if self.running else 0.0
        if self.running and self.plain:
            self.waiting.append(f"{self.running}: {took:.1f} s")
        self.running = ""
        if self.trained or took > EVERY:  # a run that was done already has no epoch to wait for
            self.flush()

    def flush(self) -> None:
        for line in self.waiting:
            self.print(line)
        self.waiting = []

    def begin(self, recipe: Recipe) -> None:
        from fame.make.card import kind_name

        model = recipe.model
        self.heads, self.experts = (model.n_heads, model.n_experts) if model.variant == "fame" else (1, 1)
        title = f"training {kind_name(model)}, seed {recipe.training.seed}"
        self.epochs, self.best = recipe.training.epochs, 0.0
        self.stage(title)
        self.running = ""  # its epochs say how long it takes
        self.waiting.append(title)

    def step(self, at: Step) -> None:
        done = (at.epoch - 1) * at.of + at.done
        if self.bar.tasks[0].total is None:  # the first step here, in whichever epoch; those before took no time
            self.bar.reset(self.task, total=self.epochs * at.of, completed=done)
            self.said = time.monotonic()
        note = f"loss {at.loss:.3f}" + (f"  best NDCG@10 {self.best:.4f}" if self.best else "")
        where = f"epoch {at.epoch} of at most {self.epochs}"
        self.bar.update(self.task, completed=done, description=where, note=note)
        if self.plain and time.monotonic() - self.said > EVERY:
            self.flush()
            self.print(f"{where}, step {at.done} of {at.of}  {note}")
            self.said = time.monotonic()

    def epoch(self, e: Epoch) -> None:
        self.trained = True
        self.flush()
        self.best = max(self.best, e.valid["NDCG@10"])
        gate = f"gate entropy {e.gate_entropy:.2f}  " if self.heads > 1 else ""
        router = f"router entropy {e.router_entropy:.2f}  " if self.experts > 1 else ""
        self.print(
            f"epoch {e.epoch:3d}  loss {e.loss:.4f}  NDCG@10 {e.valid['NDCG@10']:.4f}{'*' if e.best else ' '} "
            f"HR@10 {e.valid['HR@10']:.4f}  {gate}{router}{e.seconds:.1f} s"
        )
        self.said = time.monotonic()

    def warn(self, text: str) -> None:
        self.flush()
        self.print(text)

    def callbacks(self) -> Callbacks:
        from fame.make.runs import Callbacks

        return Callbacks(stage=self.stage, begin=self.begin, step=self.step, epoch=self.epoch, warn=self.warn)


@contextmanager
def watched(folder: Path) -> Iterator[Callbacks]:
    """Callbacks that show progress, and on Ctrl-C say how to go on. folder: where the run's checkpoints are."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from fame.make.checkpoint import CHECKPOINT

    console = Console(stderr=True, highlight=False, markup=False)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    watch = Watch(bar)
    try:
        with bar:
            yield watch.callbacks()
            watch.ended()
    except KeyboardInterrupt:
        kept = any(folder.rglob(CHECKPOINT))
        how = (
            "the same command without --fresh goes on after the last full epoch, with --finish it saves the best so far"
            if kept
            else "no epoch was full, nothing is kept"
        )
        raise Interrupted(f"stopped; {how}") from None
