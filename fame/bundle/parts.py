"""What each file of a bundle holds, checked: sizes, weights, maps, examples, evidence, the curve."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from safetensors import SafetensorError

from fame.atlas import Atlas
from fame.bundle.examples import EXPECTED, Example
from fame.bundle.files import AGAIN, LIMITS, MB, parse
from fame.config import FAMEConfig
from fame.course import Course
from fame.errors import FameError
from fame.model import FAME
from fame.population import Population

__all__ = [
    "atlas_of",
    "config_of",
    "course_of",
    "evidence_of",
    "examples_of",
    "network_of",
    "population_of",
    "training_of",
]

T = TypeVar("T")


def config_of(path: str, content: bytes) -> FAMEConfig:
    values = parse(path, content)
    if not isinstance(values, dict):
        raise FameError(f"{path}: expected an object with the sizes of the network; {AGAIN}")
    try:
        return FAMEConfig.from_dict(values)
    except FameError as error:
        raise FameError(f"{path}: {error}") from None


def network_of(path: str, content: bytes, config: FAMEConfig) -> FAME:
    """The network of the config with the weights of the file; no network is built that the file could not fill."""
    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError, TypeError):
        if content.startswith((b"PK", b"\x80")):  # asked only now: safetensors may begin with any byte
            raise FameError(
                f"{path}: a pickle, which is never read; expected safetensors: save the weights as such"
            ) from None
        raise FameError(f"{path}: no readable safetensors; {AGAIN}") from None
    apart = f"model.safetensors and config.json do not belong together: {AGAIN}"
    if config.n_layers > len(tensors) or _least_weights(config) > sum(t.numel() for t in tensors.values()):
        raise FameError(f"{path}: too small for the network of config.json; {apart}")
    with torch.random.fork_rng(devices=[]):  # whoever loads a bundle keeps the random numbers to come
        model = FAME(config)
    expected = {name: list(t.shape) for name, t in model.state_dict().items()}
    for name in dict.fromkeys([*expected, *tensors]):
        if name not in tensors:
            raise FameError(f"{path}: {name} is missing; {apart}")
        if name not in expected:
            raise FameError(f"{path}: {name[:80]!r} is no part of the network; {apart}")
        tensor = tensors[name]
        if list(tensor.shape) != expected[name]:
            raise FameError(f"{path}: {name} is {list(tensor.shape)}; the network has {expected[name]}; {apart}")
        if tensor.dtype != torch.float32:
            raise FameError(f"{path}: {name} is {tensor.dtype}; expected torch.float32")
        if not torch.isfinite(tensor).all():
            raise FameError(f"{path}: {name} holds NaN or infinite weights; train again, or {AGAIN}")
    model.load_state_dict(tensors, assign=True)
    return model.eval().requires_grad_(False)


def _least_weights(c: FAMEConfig) -> int:
    """Weights that the network has at the very least, without building it: its largest tables."""
    sizes = [c.n_rows * c.d_model, c.max_len * c.d_model, c.d_model**2]
    if c.variant == "fame":
        width = c.n_heads * c.d_head  # of all heads
        sizes += [c.n_experts * c.d_model * width, c.n_experts**2 * width, c.facet_mlp * c.d_model * width]
    return max(sizes)


def atlas_of(path: str, content: bytes | None) -> Atlas | None:
    return None if content is None else arrays_of(path, content, "atlas.npz", Atlas.from_arrays)


def population_of(path: str, content: bytes | None) -> Population | None:
    return None if content is None else arrays_of(path, content, "population.npz", Population.from_arrays)


def course_of(path: str, content: bytes | None) -> Course | None:
    return None if content is None else arrays_of(path, content, "course.npz", Course.from_arrays)


def arrays_of(path: str, content: bytes, name: str, build: Callable[[Mapping[str, np.ndarray]], T]) -> T:
    """What `build` makes of the plain arrays in an .npz that unpacks to no more than a file of this name may have."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > LIMITS[name]:
            raise FameError(f"{path}: unpacks to {unpacked // MB:,} MB, more than such a file may; {AGAIN}")
        with np.load(io.BytesIO(content), allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):  # other members come as bytes
            raise ValueError
        return build(arrays)
    except FameError as error:
        text = str(error)
        raise FameError(text if text.startswith(path) else f"{path}: {text}") from None
    # A crafted archive may also claim a shape beyond any memory, be encrypted, or be packed in an unknown way.
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, KeyError, EOFError, MemoryError, RuntimeError):
        raise FameError(f"{path}: no readable archive of plain arrays; {AGAIN}") from None


def examples_of(path: str, content: bytes | None) -> tuple[Example, ...]:
    if content is None:
        return ()
    values = parse(path, content)
    if not isinstance(values, list):
        raise FameError(f"{path}: expected a list of objects with {EXPECTED}; {AGAIN}")
    try:
        return tuple(map(Example.of, values))
    except FameError as error:
        raise FameError(f"{path}: {error}; {AGAIN}") from None


def evidence_of(path: str, content: bytes | None) -> dict[str, Any]:
    values = {} if content is None else parse(path, content)
    if not isinstance(values, dict):
        raise FameError(f"{path}: expected an object of measurements; {AGAIN}")
    return values


def training_of(path: str, content: bytes | None) -> pd.DataFrame:
    if content is None:
        return pd.DataFrame()
    try:
        return pd.read_csv(io.BytesIO(content))
    except (ValueError, pd.errors.ParserError):  # wrong UTF-8 and no columns are ValueErrors
        raise FameError(f"{path}: no readable CSV; {AGAIN}") from None
