"""A model with its catalogue, its maps, its examples and its evidence."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pandas as pd

from fame import explain
from fame.atlas import Atlas, spaces_of
from fame.bundle.archive import Archive
from fame.bundle.examples import Example
from fame.bundle.files import AGAIN, CARD, MANIFEST, Folder, Place, manifest_of, read, read_card
from fame.bundle.parts import (
    atlas_of,
    config_of,
    course_of,
    evidence_of,
    examples_of,
    network_of,
    population_of,
    training_of,
)
from fame.bundle.save import write
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.course import Course
from fame.errors import FameError
from fame.evidence import Evidence
from fame.model import FAME
from fame.population import Population
from fame.trace import NOTHING, Intervention, Trace

__all__ = ["Bundle", "place_of"]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model and all that belongs to it. Nothing in it changes, so threads may share it.

    A loaded model is in evaluation mode and asks for no gradients; one that comes from training is left as it is.
    atlas, examples, evidence_json and training are None or empty in a bundle fresh from training.
    evidence_json: what was measured of the heads, as it stands in evidence.json; read it as `evidence`.
    training: the curve, one row per epoch.
    card: the model card, Markdown.   simulated: whether the model learned from a simulated audience.
    k_core: how often each user and item was there at least in the log that it learned from; None where not known.
    population: what the model does with many held-out histories; None where that was not measured.
    digest: SHA-256 of its manifest, which holds that of every file but the card; '' before it was loaded.
    course: how gate and routers of a few simulated histories moved in training; None where that was not watched.

    Raises:
        FameError: the parts do not belong together.
    """

    name: str
    model: FAME = field(repr=False)
    catalogue: Catalogue = field(repr=False)
    atlas: Atlas | None = field(default=None, repr=False)
    examples: tuple[Example, ...] = field(default=(), repr=False)
    evidence_json: Mapping[str, Any] = field(default_factory=dict, repr=False)
    training: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    card: str = field(default="", repr=False)
    simulated: bool = False
    k_core: int | None = None
    population: Population | None = field(default=None, repr=False)
    digest: str = field(default="", repr=False)
    course: Course | None = field(default=None, repr=False)

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
        for name, part in (("population.npz", self.population), ("course.npz", self.course)):
            if part is not None:
                try:
                    part.check(self.config)
                except FameError as error:
                    raise FameError(f"{name}: {error}; {AGAIN}") from None
        for example in self.examples:
            shown = [example.item] if example.item is not None else []
            if unknown := [item for item in (*example.items, *shown) if item not in self.catalogue]:
                raise FameError(f"examples.json: {example.title!r} holds {unknown[0]!r}, no item_id of items.csv")
            if example.head is not None and example.head > max(1, self.config.n_heads):
                raise FameError(f"examples.json: {example.title!r} shows head {example.head}; {AGAIN}")

    @property
    def config(self) -> FAMEConfig:
        return self.model.config

    @property
    def summary(self) -> str:
        """What the model is: the first paragraph of its card, one line of at most 400 letters; '' where it has none."""
        text = re.sub(r"\A---\n.*?\n---\n", "", self.card, flags=re.DOTALL)  # what the Hub reads
        found = re.search(r"^# .*\n\s*((?:[^\s#].*\n?)+)", text, re.MULTILINE)
        return " ".join(found[1].split())[:400] if found else ""

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics on test items that the card's header holds, by names such as 'HR@10'; empty where it has none."""
        header = re.match(r"---\n(.*?)\n---\n", self.card, flags=re.DOTALL)
        found = re.findall(r"value: ([0-9.]{1,12})\n\s*name: ([\w@]{1,20})", header[1]) if header else []
        return {name: float(value) for value, name in found if value.count(".") < 2 and value != "."}

    @property
    def validation(self) -> dict[str, float]:
        """The metrics on validation items in the epoch that was kept; empty where no curve was kept."""
        curve = self.training
        if not {"epoch", "best"} <= set(curve.columns) or not (kept := curve[curve["best"] == True]).shape[0]:  # noqa: E712
            return {}
        return {str(name): float(x) for name, x in kept.iloc[-1].items() if "@" in str(name) or name == "MRR"}

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

    @cached_property
    def evidence(self) -> Evidence:
        """What was measured of the heads when the bundle was made, checked when it is first asked for.

        Raises:
            FameError: nothing was, or it is of another form.
        """
        if not self.evidence_json:
            raise FameError("evidence is gathered once, when a model is saved, and this one was saved without")
        return Evidence.of(self.evidence_json, self.config)

    @cached_property
    def preferences(self) -> list[explain.Preference]:
        """What each expert prefers whatever the history, computed when first asked for.

        Empty where experts have no anchors, or no other expert beside them. Where the evidence can be read and says how
        far other trainings find them again, each has that too.
        """
        model = self.model
        if model.config.variant != "fame" or model.config.n_experts < 2 or model.facets.anchors is None:
            return []
        known = explain.preferences(model, self.catalogue)
        try:
            again = self.evidence.again
        except FameError:
            return known
        return (
            known if again is None else [replace(p, again=explain.Again(**again.of(p.head, p.expert))) for p in known]
        )

    def save(self, directory: str | Path) -> Path:
        """Write the bundle into a directory, over any bundle that is there, and return the directory.

        All files are written aside first. The old manifest then goes first and the new one comes last, so that a
        bundle is the old one, the new one, or refused: never a mixture.

        Raises:
            FameError: evidence is not plain JSON, the directory cannot be written, or it holds something and is no
                bundle.
        """
        return write(self, directory)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The bundle in a directory, or in a zip of one, checked file by file before anything is built from it.

        Raises:
            FameError: there is no bundle, or a file is missing, altered, too large, unreadable, or does not fit the
                others. The message names the file and what to do.
        """
        place = place_of(path)
        manifest = manifest_of(place)
        contents = {name: read(place, name, entry) for name, entry in manifest["files"].items() if name != CARD}
        config = config_of(place.at("config.json"), contents["config.json"])
        try:
            items = Catalogue.from_csv(place.at("items.csv"), contents["items.csv"])
            return cls(
                name=manifest["name"],
                model=network_of(place.at("model.safetensors"), contents.pop("model.safetensors"), config),
                catalogue=replace(items, noun=manifest.get("noun", "item")),
                atlas=atlas_of(place.at("atlas.npz"), contents.get("atlas.npz")),
                examples=examples_of(place.at("examples.json"), contents.get("examples.json")),
                evidence_json=evidence_of(place.at("evidence.json"), contents.get("evidence.json")),
                training=training_of(place.at("training.csv"), contents.get("training.csv")),
                card=read_card(place),
                simulated=manifest["simulated"],
                k_core=manifest.get("k_core"),
                population=population_of(place.at("population.npz"), contents.get("population.npz")),
                digest=hashlib.sha256(place.content(MANIFEST)).hexdigest(),
                course=course_of(place.at("course.npz"), contents.get("course.npz")),
            )
        except FameError as error:
            text = str(error)
            raise FameError(text if text.startswith(str(place)) else f"{place}: {text}") from None


def place_of(path: str | Path) -> Place:
    """A directory or a zip as the place of a bundle's files.

    Raises:
        FameError: there is nothing, or a file of another kind.
    """
    path = Path(path)
    if path.is_file():
        return Archive(path)
    if not path.is_dir():
        raise FameError(f"{path}: no such directory; expected the directory of a bundle, or a .zip of it")
    return Folder(path)
