"""Searches for the smallest change, in the background: a visitor goes on while one runs, and may stop it."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

import torch

from app import sources
from app.sources import Source
from fame import explain
from fame.errors import FameError
from fame.explain import Search, Wish
from fame.trace import Intervention

__all__ = ["Asked", "Job", "start"]

THREADS = 2  # passes at a time, each on one core


@dataclass(frozen=True)
class Asked:
    """What is searched: the wish, and A, after which it is to come true."""

    source: Source
    history: tuple[int, ...]
    intervention: Intervention
    wish: Wish
    k: int


@dataclass
class Job:
    """One search. `latest` is how far it has come, `error` why it could not go on; both are only ever read here.

    waiting: another visitor's search goes first.
    """

    asked: Asked
    latest: Search | None = None
    error: str = ""
    stopped: bool = False
    future: Future[None] = field(default_factory=Future)

    @property
    def done(self) -> bool:
        return self.future.done()

    @property
    def waiting(self) -> bool:
        return not self.done and self.latest is None

    def stop(self) -> None:
        """End it; what it has found stays."""
        self.stopped = True
        self.future.cancel()


@cache
def pool() -> ThreadPoolExecutor:
    """One search at a time for all visitors, so that clicks are answered while one runs."""
    return ThreadPoolExecutor(1, thread_name_prefix="search")


def start(asked: Asked) -> Job:
    """Begin a search."""
    job = Job(asked)
    job.future = pool().submit(_run, job)
    return job


def _run(job: Job) -> None:
    asked = job.asked
    torch.set_num_threads(1)
    try:
        bundle = sources.load(asked.source)
        steps = explain.search_changes(
            bundle.model, bundle.catalogue, asked.history, asked.wish, asked.intervention, k=asked.k, threads=THREADS
        )
        for step in steps:
            job.latest = step
            if job.stopped:
                return
    except FameError as error:
        job.error = f"{error}."
