"""The bundles on offer, loaded once, and the traces of their models, kept for all visitors."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from pathlib import Path
from threading import Lock
from typing import Any, ParamSpec, TypeVar

import streamlit as st
import torch

from fame import explain
from fame.bundle import ARTIFACTS, MANIFEST, Bundle, glance
from fame.errors import FameError
from fame.evidence import Evidence
from fame.explain import Listing
from fame.trace import Intervention, Trace

__all__ = ["Source", "final_list", "findings", "has_heads", "kind", "load", "offered", "shared", "sources", "trace"]

KEPT = 128  # traces; one of 50 films, 1,000 items and 4 x 4 experts takes about 0.3 MB
P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Cell:
    """The place of one value, computed by who comes first."""

    lock: Lock = field(default_factory=Lock)
    value: list[Any] = field(default_factory=list)


def shared(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep a function's last `most` values for all visitors; who asks for one that is being computed waits for it."""

    def keep(compute: Callable[P, T]) -> Callable[P, T]:
        cells: Callable[..., Cell] = lru_cache(maxsize=most)(lambda *args, **kwargs: Cell())
        lock = Lock()

        @wraps(compute)
        def kept(*args: P.args, **kwargs: P.kwargs) -> T:
            with lock:
                cell = cells(*args, **kwargs)
            with cell.lock:
                if not cell.value:
                    cell.value.append(compute(*args, **kwargs))
            return cell.value[0]

        return kept

    return keep


@dataclass(frozen=True)
class Source:
    """One bundle on disk; `version` changes when it is saved again."""

    name: str
    path: str
    version: int


def sources() -> list[Source]:
    """The bundles of FAME_BUNDLE (paths, as in PATH), then those under artifacts/.

    Raises:
        FameError: there is none.
    """
    named = [Path(p).expanduser() for p in os.environ.get("FAME_BUNDLE", "").split(os.pathsep) if p]
    shipped = sorted(ARTIFACTS.iterdir()) if ARTIFACTS.is_dir() else []
    found: dict[str, Source] = {}
    for folder in [*named, *shipped]:
        try:
            version = os.stat(folder / MANIFEST).st_mtime_ns
        except OSError:
            if folder not in named:
                continue
            version = 0
        found.setdefault(_name(folder), Source(_name(folder), str(folder), version))
    if not found:
        raise FameError(
            "there is no model to show: artifacts/ holds no bundle; train one with `fame train RECIPE`, "
            "or set FAME_BUNDLE to the directory of one"
        )
    return list(found.values())


@lru_cache(maxsize=256)
def _name(folder: Path) -> str:
    """The name of a folder, of that which a link leads to; asked at each click, so that it is kept."""
    return folder.resolve().name


def offered() -> dict[str, Source]:
    """The bundles whose models can be looked into, by name.

    Raises:
        FameError: there is none.
    """
    found = sources()
    if offer := {source.name: source for source in found if has_heads(source)}:
        return offer
    raise FameError(f"{found[0].path}: a plain sasrec; the app looks at heads, and it has none")


@st.cache_resource(show_spinner=False, max_entries=12)
def load(source: Source) -> Bundle:
    """The bundle of a source, shared by all visitors.

    Raises:
        FameError: the bundle is missing or altered.
    """
    torch.set_num_threads(1)  # visitors run in threads of their own
    bundle = Bundle.load(source.path)
    bundle.catalogue.search("a")  # builds the index that searching needs
    gc.collect()
    gc.freeze()
    return bundle


@shared(64)
def has_heads(source: Source) -> bool:
    """Whether a bundle's model can be looked into, or cannot be read, which opening it tells; from its config alone."""
    try:
        return bool(json.loads((Path(source.path) / "config.json").read_bytes()).get("variant") != "sasrec")
    except (OSError, ValueError, AttributeError):
        return True


@shared(64)
def kind(source: Source) -> str:
    """Whose choices a bundle learned from, and whether its heads were guided; '' where it cannot be read."""
    try:
        simulated, told = glance(source.path)
    except FameError:  # opening the bundle tells what is wrong with it
        return ""
    guided = f"guided by {', '.join(told)}" if told else "no guidance"
    return ("simulated users" if simulated else "real users") + f", {guided}" * (told is not None)


@shared(8)
def findings(source: Source) -> Evidence | str:
    """What was measured of a bundle, or why there is nothing to show: the other screens go on without."""
    try:
        return load(source).evidence
    except FameError as error:
        return f"{error}."


@shared(KEPT)
def final_list(source: Source, history: tuple[int, ...]) -> Listing:
    """What a model that may have no heads recommends after a history of rows.

    Raises:
        FameError: the history is empty.
    """
    bundle = load(source)
    return explain.final_list(bundle.model, bundle.catalogue, history)


@shared(KEPT)
def trace(source: Source, history: tuple[int, ...], intervention: Intervention) -> Trace:
    """The trace of a history of rows; its arrays are read-only, so visitors share it.

    Raises:
        FameError: the history is empty or the intervention does not fit.
    """
    return load(source).trace(rows=history, intervention=intervention)
