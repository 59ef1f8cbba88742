"""How training is watched: a bar, a line an epoch, and what to do after Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fame.cli.terminal import Interrupted

if TYPE_CHECKING:
    from fame.make.pipeline import Callbacks
    from fame.make.recipe import Recipe


@contextmanager
def watched(folder: Path) -> Iterator[Callbacks]:
    """Callbacks that draw a progress bar, print a line an epoch, and say on Ctrl-C how to go on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from fame.make.card import kind_name
    from fame.make.checkpoint import CHECKPOINT, Epoch
    from fame.make.pipeline import Callbacks
    from fame.make.train import Step

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
    task = bar.add_task("", total=None, note="")
    epochs, best, title, H, N = 0, 0.0, "", 1, 1

    def stage(text: str) -> None:
        bar.reset(task, description=text, note="")
        bar.tasks[0].total = None  # which `reset` would leave

    def begin(recipe: Recipe) -> None:
        nonlocal epochs, best, title, H, N
        H, N = (recipe.model.n_heads, recipe.model.n_experts) if recipe.model.variant == "fame" else (1, 1)
        title = f"training {kind_name(recipe.model)}, seed {recipe.training.seed}"
        epochs, best = recipe.training.epochs, 0.0
        stage(title)

    def step(at: Step) -> None:
        done = (at.epoch - 1) * at.of + at.done
        if bar.tasks[0].total is None:  # the first step here, in whichever epoch: what was done before took no time
            bar.reset(task, total=epochs * at.of, completed=done)
        note = f"loss {at.loss:.3f}" + (f"  best NDCG@10 {best:.4f}" if best else "")
        bar.update(task, completed=done, description=f"epoch {at.epoch} of at most {epochs}", note=note)

    def epoch(e: Epoch) -> None:
        nonlocal best, title
        if title:  # said only now, so that an error before it stands alone
            console.print(title, soft_wrap=True)
            title = ""
        best = max(best, e.valid["NDCG@10"])
        said = f"gate entropy {e.gate_entropy:.2f}  " * (H > 1) + f"router entropy {e.router_entropy:.2f}  " * (N > 1)
        console.print(
            f"epoch {e.epoch:3d}  loss {e.loss:.4f}  NDCG@10 {e.valid['NDCG@10']:.4f}{'*' if e.best else ' '} "
            f"HR@10 {e.valid['HR@10']:.4f}  {said}{e.seconds:.1f} s",
            soft_wrap=True,
        )

    def warn(text: str) -> None:
        console.print(text, soft_wrap=True)

    try:
        with bar:
            yield Callbacks(stage, begin, step, epoch, warn)
    except KeyboardInterrupt:
        kept = any(folder.rglob(CHECKPOINT))
        how = (
            "the same command without --fresh goes on after the last full epoch"
            if kept
            else "no epoch was full, nothing is kept"
        )
        raise Interrupted(f"stopped; {how}") from None
