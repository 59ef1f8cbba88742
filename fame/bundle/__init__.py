"""One directory in, one directory out: a model with its catalogue and everything the screens show of it.

The layout is the Hugging Face Hub's, so that `FAME.from_pretrained` works on it too. `manifest.json` names each
file with its size and SHA-256; nothing is read that it does not name, and nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from safetensors import SafetensorError

from fame import explain
from fame.atlas import Atlas, spaces_of
from fame.bundle.files import (
    AGAIN,
    FILES,
    FORMAT,
    MANIFEST,
    OPTIONAL,
    SAVING,
    Example,
    _atlas,
    _config,
    _csv,
    _evidence,
    _examples,
    _json,
    _manifest,
    _network,
    _read,
    _training,
)
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.evidence import Findings
from fame.model import FAME
from fame.text import plural
from fame.trace import NOTHING, Intervention, Trace

__all__ = ["ARTIFACTS", "Bundle", "check_target", "check_writable", "glance", "load"]

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"  # the bundles that come with the project


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model and all that belongs to it. Nothing in it changes, so threads may share it.

    A loaded model is in evaluation mode and asks for no gradients; one that comes from training is left as it is.
    atlas, examples, evidence and training are None or empty in a bundle fresh from training.
    evidence: what `fame.make.probes.gather` measured, as plain JSON values.   training: the curve, one row per epoch.
    card: the model card, Markdown.   simulated: whether the model learned from a simulated audience.
    k_core: how often each user and item was there at least in the log that it learned from; None where not known.

    Raises:
        FameError: the parts do not belong together.
    """

    name: str
    model: FAME = field(repr=False)
    catalogue: Catalogue = field(repr=False)
    atlas: Atlas | None = field(default=None, repr=False)
    examples: tuple[Example, ...] = field(default=(), repr=False)
    evidence: Mapping[str, Any] = field(default_factory=dict, repr=False)
    training: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    card: str = field(default="", repr=False)
    simulated: bool = False
    k_core: int | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]{0,99}", self.name):
            raise FameError(f"bundle: the name is {self.name[:100]!r}; expected letters, digits, '.', '-' and '_'")
        V = self.model.config.n_rows
        if len(self.catalogue) != V:
            raise FameError(
                f"items.csv has {self.catalogue.n_items} items and config.json says {V - 1}; "
                f"the two do not belong together: {AGAIN}"
            )
        if self.atlas is not None and len(self.atlas) != V:
            raise FameError(f"atlas.npz maps {len(self.atlas) - 1} items and the catalogue has {V - 1}; {AGAIN}")
        if self.atlas is not None and self.atlas.spaces != (spaces := spaces_of(self.model)):
            raise FameError(
                f"atlas.npz maps the spaces {', '.join(self.atlas.spaces)[:200]}; "
                f"the model has {', '.join(spaces)}; {AGAIN}"
            )
        for example in self.examples:
            if unknown := [item for item in example.items if item not in self.catalogue]:
                raise FameError(f"examples.json: {example.title!r} holds {unknown[0]!r}, no item_id of items.csv")

    @property
    def config(self) -> FAMEConfig:
        return self.model.config

    @property
    def summary(self) -> str:
        """What the model is: the first paragraph of its card, one line of at most 400 letters; '' where it has none."""
        text = re.sub(r"\A---\n.*?\n---\n", "", self.card, flags=re.DOTALL)  # what the Hub reads
        found = re.search(r"^# .*\n\s*((?:[^\s#].*\n?)+)", text, re.MULTILINE)
        return " ".join(found[1].split())[:400] if found else ""

    def rows(self, history: Iterable[str | int]) -> list[int]:
        """The rows of a history of ids and titles, for what takes rows: `fame.explain`, and `rows=` of a trace.

        Raises:
            FameError: the history is no list, an item is unknown or its title is shared by several; the message
                offers the nearest.
        """
        return self.catalogue.rows(history).tolist()

    def trace(
        self,
        history: Iterable[str | int] | None = None,
        intervention: Intervention = NOTHING,
        *,
        rows: Iterable[int] | None = None,
    ) -> Trace:
        """What the model does with a history, oldest first.

        history: ids and titles, as text or numbers; or else `rows` of the catalogue.

        Raises:
            FameError: an item is unknown, the history is empty, not one of `history` and `rows` is given, the model
                has no heads, or the intervention does not fit.
        """
        return explain.trace(self.model, self.catalogue, self.catalogue.rows(history, rows), intervention)

    def findings(self) -> Findings:
        """What was measured of the heads when the bundle was made, for `fame.plots.probes` and its tables.

        Raises:
            FameError: nothing was, or it is of another form.
        """
        if not self.evidence:
            raise FameError("evidence is gathered once, when a model is saved, and this one was saved without")
        return Findings.read(self.evidence, self.config)

    def save(self, directory: str | Path) -> Path:
        """Write the bundle into a directory, over any bundle that is there, and return the directory.

        All files are written aside first. The old manifest then goes first and the new one comes last, so that a
        bundle is the old one, the new one, or refused: never a mixture.

        Raises:
            FameError: evidence is not plain JSON, the directory cannot be written, or it holds something and is no
                bundle.
        """
        folder = check_target(directory)
        contents: dict[str, bytes] = {
            "README.md": (self.card or _plain_card(self)).encode(),
            "items.csv": _csv(self.catalogue.to_frame()),
        }
        if self.atlas is not None:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, allow_pickle=False, **self.atlas.to_arrays())
            contents["atlas.npz"] = buffer.getvalue()
        if self.examples:
            contents["examples.json"] = _json([asdict(example) for example in self.examples], "examples")
        if self.evidence:
            contents["evidence.json"] = _json(dict(self.evidence), "evidence")
        if len(self.training.columns):
            contents["training.csv"] = _csv(self.training)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=SAVING, dir=folder) as aside:
                fresh = Path(aside)
                for name, content in contents.items():
                    (fresh / name).write_bytes(content)
                self.model.save_pretrained(fresh)  # config.json and model.safetensors; leaves README.md alone
                (fresh / "model.safetensors").chmod(0o644)  # safetensors makes it private, unlike its neighbours
                files = {name: (fresh / name).read_bytes() for name in FILES if (fresh / name).exists()}
                manifest = {
                    "format": FORMAT,
                    "name": self.name,
                    "simulated": self.simulated,
                    "noun": self.catalogue.noun,
                    "k_core": self.k_core,
                    "files": {n: {"sha256": hashlib.sha256(b).hexdigest(), "size": len(b)} for n, b in files.items()},
                }
                (fresh / MANIFEST).write_bytes(_json(manifest, "manifest"))
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

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """The bundle in a directory, checked file by file before anything is built from it.

        Raises:
            FameError: the directory is no bundle, or a file is missing, altered, too large, unreadable, or does
                not fit the others. The message names the file and what to do.
        """
        folder = Path(directory)
        manifest = _manifest(folder)
        contents = {name: _read(folder, name, entry) for name, entry in manifest["files"].items()}
        config = _config(folder / "config.json", contents["config.json"])
        try:
            items = Catalogue.from_csv(folder / "items.csv", contents["items.csv"])
            catalogue = replace(items, noun=manifest.get("noun", "item"))
            return cls(
                name=manifest["name"],
                model=_network(folder / "model.safetensors", contents.pop("model.safetensors"), config),
                catalogue=catalogue,
                atlas=_atlas(folder / "atlas.npz", contents.get("atlas.npz")),
                examples=_examples(folder / "examples.json", contents.get("examples.json")),
                evidence=_evidence(folder / "evidence.json", contents.get("evidence.json")),
                training=_training(folder / "training.csv", contents.get("training.csv")),
                card=contents["README.md"].decode("utf-8", "replace"),
                simulated=manifest["simulated"],
                k_core=manifest.get("k_core"),
            )
        except FameError as error:
            text = str(error)
            raise FameError(text if text.startswith(str(folder)) else f"{folder}: {text}") from None


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
            _manifest(folder)
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


def load(source: str | Path) -> Bundle:
    """A bundle by its name under artifacts/, by the path of its directory, or by its Hub id `owner/name`.

    A name under artifacts/ goes before a directory that is called so too, which is `./name` then.

    Raises:
        FameError: there is no such bundle, the Hub cannot be reached, or the bundle is refused.
    """
    text = str(source)
    named = isinstance(source, str) and re.fullmatch(r"\w[\w.-]*", text)
    there = False
    # No path at all, longer than a name may be, or the home of nobody: not there.
    with contextlib.suppress(TypeError, OSError, RuntimeError):
        folder = ARTIFACTS / text if named and (ARTIFACTS / text).is_dir() else Path(source).expanduser()
        there = text != "" and folder.exists()  # as a path, no text is the current directory
    if there:
        return Bundle.load(folder)
    if isinstance(source, str) and re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", text):
        return Bundle.load(_from_hub(text))
    names = sorted(path.parent.name for path in ARTIFACTS.glob(f"*/{MANIFEST}"))
    raise FameError(
        f"there is no bundle {text[:80]!r}; give a name ({', '.join(names) or 'none is installed'}), "
        "the path of a bundle's directory, or a Hub id like owner/name"
    )


def glance(directory: str | Path) -> tuple[bool, tuple[str, ...] | None]:
    """Whether a bundle's users are simulated, and what its heads were told in training, None where that is not kept.

    From its manifest and evidence alone: to name a bundle, its weights need not be read.

    Raises:
        FameError: the directory is no bundle, or its evidence is missing, altered, too large or unreadable.
    """
    folder, name = Path(directory), "evidence.json"
    manifest = _manifest(folder)
    entry = manifest["files"].get(name)
    told = _evidence(folder / name, entry and _read(folder, name, entry)).get("guided")
    return manifest["simulated"], tuple(str(head) for head in told if head) if isinstance(told, list) else None


def _from_hub(repo: str) -> str:
    """The local copy of a bundle on the Hub: its known files alone."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return snapshot_download(repo, allow_patterns=[MANIFEST, *FILES])
    except RepositoryNotFoundError:
        raise FameError(
            f"no directory {repo!r} is here, and the Hugging Face Hub has no public model of that name; "
            "check the spelling, or log in where it is private"
        ) from None
    except LocalEntryNotFoundError:
        raise FameError(
            f"no directory {repo!r} is here, and the Hugging Face Hub cannot be reached; "
            "connect to the network once, or give the path of a bundle's directory"
        ) from None
    except Exception as error:  # the Hub's errors share no class of their own
        reason = (str(error).splitlines() or [""])[0]
        raise FameError(f"{repo}: the Hugging Face Hub did not answer ({type(error).__name__}: {reason})") from None


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
