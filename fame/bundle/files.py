"""The files of a bundle at the door: each is read once, within limits, against the manifest, and checked."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from safetensors import SafetensorError

from fame.atlas import Atlas
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.model import FAME

__all__ = ["MANIFEST", "Example"]


FORMAT = 1

MANIFEST = "manifest.json"

SAVING = ".saving-"  # how the folder of a save begins while that lasts

REQUIRED = ("config.json", "model.safetensors", "README.md", "items.csv")

OPTIONAL = ("atlas.npz", "examples.json", "evidence.json", "training.csv")

FILES = REQUIRED + OPTIONAL

MB = 2**20

LIMITS = {  # bytes a file may have: far above any real one, far below what fills a memory
    MANIFEST: MB,
    "config.json": MB,
    "README.md": MB,
    "examples.json": 10 * MB,
    "evidence.json": 100 * MB,
    "training.csv": 100 * MB,
    "items.csv": 2_000 * MB,
    "atlas.npz": 2_000 * MB,
    "model.safetensors": 16_000 * MB,
}

PICKLES = ("pytorch_model.bin", "model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl")

AGAIN = "get the bundle again, or save it again"


@dataclass(frozen=True)
class Example:
    """A curated history: a title, one line on what to look for, and item ids, oldest first."""

    title: str
    look_for: str
    items: tuple[str, ...]


def _manifest(folder: Path) -> dict[str, Any]:
    """manifest.json, checked: every file it names is one a bundle may have."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise FameError(f"{folder}: no such directory; expected the directory of a bundle")
    if not path.is_file():
        raise FameError(f"{path}: missing; {folder.name} is no bundle, or one only half written: delete it and {AGAIN}")
    manifest = _parse(path, _bounded(path))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise FameError(
            f"{path}: the bundle's format is {str(found)[:40]!r}; this version of FAME reads {FORMAT}: "
            "update the package, or save the bundle again with this one"
        )
    files = manifest.get("files", {})
    well_formed = (
        isinstance(manifest.get("name"), str)
        and isinstance(manifest.get("simulated"), bool)
        and isinstance(files, dict)
        and all(isinstance(e, dict) and {"sha256", "size"} <= e.keys() for e in files.values())
    )
    if not well_formed:
        raise FameError(f"{path}: expected name, simulated, and files with their sha256 and size; {AGAIN}")
    k_core = manifest.get("k_core")
    if k_core is not None and (type(k_core) is not int or k_core < 0):
        raise FameError(f"{path}: k_core is {str(k_core)[:40]!r}; expected a whole number, or null; {AGAIN}")
    if unknown := [name for name in files if name not in FILES]:
        raise FameError(f"{path}: names the file {unknown[0][:80]!r}; a bundle has only {', '.join(FILES)}")
    for name in REQUIRED:
        if name not in files:
            raise FameError(f"{path}: does not name {name}, which every bundle has; {AGAIN}")
    for name in OPTIONAL:
        if name not in files and (folder / name).exists():
            raise FameError(f"{folder / name}: {MANIFEST} does not name it; remove it, it is no part of the bundle")
    return manifest


def _bounded(path: Path) -> bytes:
    """The bytes of a file that is not too large."""
    limit = LIMITS[path.name]
    try:
        if path.stat().st_size > limit:
            raise FameError(f"{path}: larger than the {limit // MB:,} MB that such a file may have; {AGAIN}")
        return path.read_bytes()
    except OSError as error:
        raise FameError(f"{path}: cannot be read ({error.strerror or error}); {AGAIN}") from None


def _read(folder: Path, name: str, entry: Mapping[str, Any]) -> bytes:
    """The bytes of a file, as the manifest promises them."""
    path = folder / name
    if not path.is_file():
        there = [pickle for pickle in PICKLES if (folder / pickle).exists()]
        if name == "model.safetensors" and there:
            raise FameError(f"{path}: missing; {there[0]} is a pickle and never read: save the weights as safetensors")
        raise FameError(f"{path}: missing; {AGAIN}")
    content = _bounded(path)
    if len(content) != entry["size"] or hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise FameError(f"{path}: altered since the bundle was saved (its SHA-256 differs); {AGAIN}")
    return content


def _parse(path: Path, content: bytes) -> Any:
    def finite(text: str) -> float:
        if math.isfinite(number := float(text)):
            return number
        raise FameError(f"{path}: holds {text[:20]}; expected finite numbers; {AGAIN}")

    try:
        return json.loads(content.decode("utf-8"), parse_float=finite, parse_constant=finite)
    except FameError:
        raise
    except (ValueError, RecursionError):  # ValueError: no UTF-8, no JSON, or a number of thousands of digits
        raise FameError(f"{path}: no readable JSON; {AGAIN}") from None


def _config(path: Path, content: bytes) -> FAMEConfig:
    values = _parse(path, content)
    if not isinstance(values, dict):
        raise FameError(f"{path}: expected an object with the sizes of the network; {AGAIN}")
    try:
        return FAMEConfig.from_dict(values)
    except FameError as error:
        raise FameError(f"{path}: {error}") from None


def _network(path: Path, content: bytes, config: FAMEConfig) -> FAME:
    """The network of the config with the weights of the file; no network is built that the file could not fill."""
    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError, TypeError):
        if content.startswith((b"PK", b"\x80")):  # asked only now: safetensors may begin with any byte
            raise FameError(
                f"{path}: a pickle, which is never read; expected safetensors: save the weights as such"
            ) from None
        raise FameError(f"{path}: no readable safetensors; {AGAIN}") from None
    apart = f"{path.name} and config.json do not belong together: {AGAIN}"
    if config.n_layers > len(tensors) or _least(config) > sum(t.numel() for t in tensors.values()):
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


def _least(c: FAMEConfig) -> int:
    """Weights that the network has at the very least, without building it: its largest tables."""
    sizes = [c.n_rows * c.d_model, c.max_len * c.d_model, c.d_model**2]
    if c.variant == "fame":
        width = c.n_heads * c.d_head  # of all heads
        sizes += [c.n_experts * c.d_model * width, c.n_experts**2 * width, c.facet_mlp * c.d_model * width]
    return max(sizes)


def _atlas(path: Path, content: bytes | None) -> Atlas | None:
    if content is None:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > LIMITS[path.name]:
            raise FameError(f"{path}: unpacks to {unpacked // MB:,} MB, more than such a file may; {AGAIN}")
        with np.load(io.BytesIO(content), allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):  # other members come as bytes
            raise ValueError
        return Atlas.from_arrays(arrays)
    except FameError as error:
        text = str(error)
        raise FameError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    # A crafted archive may also claim a shape beyond any memory, be encrypted, or be packed in an unknown way.
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, KeyError, EOFError, MemoryError, RuntimeError):
        raise FameError(f"{path}: no readable archive of plain arrays; {AGAIN}") from None


def _examples(path: Path, content: bytes | None) -> tuple[Example, ...]:
    if content is None:
        return ()
    values = _parse(path, content)
    try:
        examples = tuple(Example(e["title"], e["look_for"], tuple(e["items"])) for e in values)
        texts = [text for e in examples for text in (e.title, e.look_for, *e.items)]
        if not all(isinstance(text, str) for text in texts) or not all(e.items for e in examples):
            raise TypeError
    except (TypeError, KeyError):
        raise FameError(f"{path}: expected a list of objects with title, look_for and items (ids); {AGAIN}") from None
    return examples


def _evidence(path: Path, content: bytes | None) -> dict[str, Any]:
    values = {} if content is None else _parse(path, content)
    if not isinstance(values, dict):
        raise FameError(f"{path}: expected an object of measurements; {AGAIN}")
    return values


def _training(path: Path, content: bytes | None) -> pd.DataFrame:
    if content is None:
        return pd.DataFrame()
    try:
        return pd.read_csv(io.BytesIO(content))
    except (ValueError, pd.errors.ParserError):  # wrong UTF-8 and no columns are ValueErrors
        raise FameError(f"{path}: no readable CSV; {AGAIN}") from None


def _json(values: Any, what: str) -> bytes:
    try:
        return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise FameError(
            f"bundle: {what} is not plain JSON ({error}); give text, finite numbers, lists, objects"
        ) from None


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()
