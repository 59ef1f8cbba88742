"""The bundles on offer, loaded once, and the traces of their models, kept for all visitors."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import streamlit as st
import torch

from fame.bundle import ARTIFACTS, MANIFEST, Bundle
from fame.errors import FameError
from fame.trace import Intervention, Trace

__all__ = ["Source", "load", "sources", "trace"]

KEPT = 128  # traces; one of 50 films, 1,000 items and 4 x 4 experts takes about 0.3 MB


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
    shipped = sorted(path.parent for path in ARTIFACTS.glob(f"*/{MANIFEST}"))
    found: dict[str, Source] = {}
    for folder in [*named, *shipped]:
        manifest = folder / MANIFEST
        version = manifest.stat().st_mtime_ns if manifest.is_file() else 0
        found.setdefault(folder.resolve().name, Source(folder.resolve().name, str(folder), version))
    if not found:
        raise FameError(
            "there is no model to show: artifacts/ holds no bundle; train one with `fame train RECIPE`, "
            "or set FAME_BUNDLE to the directory of one"
        )
    return list(found.values())


@st.cache_resource(show_spinner=False, max_entries=8)
def load(source: Source) -> Bundle:
    """The bundle of a source, shared by all visitors.

    Raises:
        FameError: the bundle is missing, altered, or has no heads to look at.
    """
    torch.set_num_threads(1)  # visitors run in threads of their own
    bundle = Bundle.load(source.path)
    if bundle.config.variant != "fame":
        raise FameError(f"{source.path}: a plain {bundle.config.variant}; the app looks at heads, and it has none")
    bundle.catalogue.search("a")  # builds the index that searching needs
    gc.collect()
    gc.freeze()
    return bundle


@lru_cache(maxsize=KEPT)
def trace(source: Source, history: tuple[int, ...], intervention: Intervention) -> Trace:
    """The trace of a history of rows; its arrays are read-only, so visitors share it.

    Raises:
        FameError: the history is empty or the intervention does not fit.
    """
    return load(source).trace(history, intervention)
