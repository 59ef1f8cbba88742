"""Writing a bundle, so that what lies there is the old one, the new one, or refused: never a mixture."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError

from fame.bundle.files import CARD, FILES, FORMAT, MANIFEST, OPTIONAL, SAVING, Folder, manifest_of
from fame.errors import FameError
from fame.text import plural

if TYPE_CHECKING:
    from fame.bundle.bundle import Bundle

__all__ = ["check_target", "check_writable", "write"]


def write(bundle: Bundle, directory: str | Path) -> Path:
    """See `Bundle.save`."""
    folder, contents = check_target(directory), _contents(bundle)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=SAVING, dir=folder) as aside:
            fresh = Path(aside)
            for name, content in contents.items():
                (fresh / name).write_bytes(content)
            bundle.model.save_pretrained(fresh)  # config.json and model.safetensors; leaves the card alone
            (fresh / "model.safetensors").chmod(0o644)  # safetensors makes it private, unlike its neighbours
            files = [name for name in FILES if (fresh / name).exists()]
            (fresh / MANIFEST).write_bytes(_json(_manifest(bundle, fresh, files), "manifest"))
            (folder / MANIFEST).unlink(missing_ok=True)
            for name in OPTIONAL:
                (folder / name).unlink(missing_ok=True)
            for name in (*files, MANIFEST):
                (fresh / name).replace(folder / name)
            for left in set(folder.glob(f"{SAVING}*")) - {fresh}:  # by a save that was killed
                shutil.rmtree(left, ignore_errors=True)
    except (OSError, SafetensorError) as error:  # a full disk is either
        reason = getattr(error, "strerror", None) or error
        raise FameError(f"{folder}: cannot write the bundle there ({reason}); check space and rights") from None
    return folder


def _contents(bundle: Bundle) -> dict[str, bytes]:
    """The files that the model does not write itself."""
    contents = {CARD: (bundle.card or _plain_card(bundle)).encode(), "items.csv": _csv(bundle.catalogue.to_frame())}
    for name, part in (
        ("atlas.npz", bundle.atlas),
        ("population.npz", bundle.population),
        ("course.npz", bundle.course),
    ):
        if part is not None:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, allow_pickle=False, **part.to_arrays())
            contents[name] = buffer.getvalue()
    if bundle.examples:
        contents["examples.json"] = _json([example.to_dict() for example in bundle.examples], "examples")
    if bundle.evidence_json:
        contents["evidence.json"] = _json(dict(bundle.evidence_json), "evidence")
    if len(bundle.training.columns):
        contents["training.csv"] = _csv(bundle.training)
    return contents


def _manifest(bundle: Bundle, folder: Path, files: list[str]) -> dict[str, Any]:
    """manifest.json of these files: all but the card, which people edit, with size and SHA-256."""
    held = {name: (folder / name).read_bytes() for name in files if name != CARD}
    return {
        "format": FORMAT,
        "name": bundle.name,
        "simulated": bundle.simulated,
        "noun": bundle.catalogue.noun,
        "k_core": bundle.k_core,
        "files": {n: {"sha256": hashlib.sha256(b).hexdigest(), "size": len(b)} for n, b in held.items()},
    }


def check_target(directory: str | Path) -> Path:
    """The directory, if a bundle may be saved there: it is new, empty or a bundle, and may be written.

    Raises:
        FameError: it holds something and is no bundle, is a file, or may not be written.
    """
    folder = check_writable(directory)
    if not os.path.isdir(folder):
        if os.path.lexists(folder):
            raise FameError(f"{folder}: a file; a bundle is a directory, give another name")
    elif held := sorted(name for name in os.listdir(folder) if not name.startswith(SAVING)):
        try:
            manifest_of(Folder(folder))
        except FameError:
            raise FameError(
                f"{folder}: holds {held[0][:80]} and is no bundle; choose a new or empty directory"
            ) from None
    return folder


def check_writable(path: str | Path) -> Path:
    """`path`, if it may be written, or else made: of what leads there, all that exists is a directory.

    Raises:
        FameError: it may not.
    """
    path = Path(path)
    there = next(p for p in (path, *path.absolute().parents) if os.path.lexists(p))
    folder = os.path.isdir(there)
    if there != path and not folder:
        raise FameError(f"{path}: {there} is a file; expected a directory, give another path")
    if not os.access(there, os.W_OK | (os.X_OK if folder else 0)):
        raise FameError(f"{path}: cannot be written (no permission to write to {there}); give another path")
    return path


def _plain_card(bundle: Bundle) -> str:
    """A model card where the bundle has none: what can be said from the bundle alone."""
    c = bundle.config
    audience = " Its audience is simulated." if bundle.simulated else ""
    what = f"a {c.variant.upper()}: width {c.d_model}, {plural(c.n_layers, 'layer')}, histories of {c.max_len}"
    if c.variant == "fame":
        what += f", {plural(c.n_heads, 'head')} of {plural(c.n_experts, 'expert')} each"
    return f"""---
library_name: fame
tags:
- sequential-recommendation
---

# {bundle.name}

A sequential recommender of {c.n_items:,} items, {what}.{audience}

No metrics have been written down for this model.
"""


def _json(values: Any, what: str) -> bytes:
    try:
        return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise FameError(
            f"bundle: {what} is not plain JSON ({error}); give text, finite numbers, lists, objects"
        ) from None


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()
