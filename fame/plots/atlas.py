"""The whole catalogue as maps side by side, with one history, what is recommended and an item's nearest drawn in."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd

from fame import atlas as atlases
from fame import regions
from fame.atlas import Atlas
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.explain.sentences import say_trust
from fame.plots.picture import Component, Origin
from fame.plots.style import Theme, head_name, look
from fame.text import listing, plural, words
from fame.trace import Trace

__all__ = ["MOST_VALUES", "VALUE_COLOURS", "AtlasMap", "Ground", "atlas_map", "ground", "head_of"]

NEAREST = 10  # neighbours drawn and listed
FACTS = 80  # letters of an item's values under its title
USUAL_VALUES = 5
# Values of an attribute are no heads: these colours stay apart from the heads' palette and from each other, also under
# colour blindness. Seven are of Tol's muted scheme (2021), whose green would pass for head 3.
VALUE_COLOURS: dict[Theme, tuple[str, ...]] = {
    "light": ("#332288", "#CC6677", "#6B4226", "#AA4499", "#0F8BA8", "#882255", "#8A8A1F", "#B5651D"),
    "dark": ("#9C8CF0", "#F08A9B", "#7A5F1F", "#D98BCB", "#88CCEE", "#E0679F", "#D6D65C", "#E3A468"),
}
MOST_VALUES = len(VALUE_COLOURS["light"])


@dataclass(frozen=True, eq=False)
class Ground:
    """What lies under the marks and changes rarely: the points of one or two maps, their colours and their regions.

    values: (name, count) of each coloured value, at most MOST_VALUES.   several: whether an item has more than one.
    regions: per map, a table as `regions.label_regions` gives it.
    packed: titles, positions and colours as the bytes that atlas.js unpacks; `version` names their content.
    """

    spaces: tuple[str, ...]
    kind: str
    attribute: str | None
    values: tuple[tuple[str, int], ...]
    several: bool
    regions: tuple[pd.DataFrame, ...]
    packed: bytes = field(repr=False)
    version: str


@dataclass(frozen=True, kw_only=True)
class AtlasMap(Component):
    """The picture; a page of its own holds the points too, the app sends them apart, as they change rarely."""

    points: bytes = field(repr=False)

    def body(self, place: str) -> str:
        whole = {**self.data, "points": b64encode(self.points).decode()}
        return Component.body(replace(self, data=whole, points=b""), place) if self.points else super().body(place)


def ground(
    atlas: Atlas,
    catalogue: Catalogue,
    spaces: Sequence[str | int] = (0,),
    kind: str = "umap",
    attribute: str | None = None,
    values: Sequence[str] | None = None,
) -> Ground:
    """What lies under the marks of `atlas_map`, to be kept where many maps of the same items are drawn.

    attribute: colour the items that have one of a few `values` (the most frequent where None); an item with several of
        them is split into their colours.

    Raises:
        FameError: atlas and catalogue differ in size, there is no such space, kind of map, attribute or value, not
            one or two spaces, or more values than can be told apart.
    """
    if len(atlas) != len(catalogue):
        raise FameError(f"the atlas maps {len(atlas) - 1} items and the catalogue has {catalogue.n_items}")
    if not 1 <= len(spaces) <= 2:
        raise FameError(f"{plural(len(spaces), 'space')} to draw; give one or two")
    names = tuple(atlas.spaces[atlas.index(space)] for space in spaces)
    maps = [np.ascontiguousarray(atlas.map(space, kind), "<f4") for space in names]
    V = len(catalogue)
    shown: tuple[str, ...] = ()
    coloured, facts = np.zeros((V, 0), bool), [""] * V
    labels = [pd.DataFrame(columns=["x", "y", "label"])] * len(names)
    if attribute is not None:
        known = catalogue.attribute(attribute)
        shown = _values(known.values, attribute, values)
        coloured = known.matrix[:, [known.values.index(value) for value in shown]]
        facts = [", ".join(own)[:FACTS] for own in catalogue.facts[attribute]]
        labels = [regions.label_regions(atlas, space, known, kind) for space in names]
    mask = np.packbits(coloured, axis=1, bitorder="little")[:, 0] if shown else np.zeros(V, np.uint8)
    head = {
        "catalogue": sha256("\n".join(map(str, catalogue.item_id)).encode()).hexdigest()[:16],
        "titles": [catalogue.label(row) for row in range(V)],
        "facts": facts,
        "spaces": names,
        "kind": kind,
        "colouring": [attribute, shown],
    }
    packed, version = _pack(head, [*maps, mask])
    counts = zip(shown, coloured.sum(axis=0).tolist(), strict=True)
    several = bool((coloured.sum(axis=1) > 1).any())
    return Ground(names, kind, attribute, tuple(counts), several, tuple(labels), packed, version)


def _values(known: Sequence[str], attribute: str, values: Sequence[str] | None) -> tuple[str, ...]:
    shown = tuple(known[:USUAL_VALUES]) if values is None else tuple(dict.fromkeys(values))
    if len(shown) > MOST_VALUES:
        raise FameError(f"{plural(len(shown), 'value')} to colour; choose at most {MOST_VALUES}, so that they differ")
    for value in shown:
        if value not in known:
            raise FameError(f"no item has the {attribute} {value!r}; try {', '.join(known[:5]) or 'another'}")
    return shown


def _pack(head: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> tuple[bytes, str]:
    """A header of JSON, then arrays: float32 [V,2] for each map and a byte per item, bit k: has the k-th value."""
    content = [array.tobytes() for array in arrays]
    version = sha256(b"".join([json.dumps(head).encode(), *content])).hexdigest()[:16]
    text = json.dumps({**head, "version": version}).encode()
    text += b" " * (-len(text) % 4)  # what follows is read in place as float32
    return b"".join([np.array(len(text), "<u4").tobytes(), text, *content]), version


def atlas_map(
    bundle: Bundle,
    spaces: Sequence[str | int] = ("head_1", "full"),
    kind: str = "umap",
    attribute: str | None = None,
    values: Sequence[str] | None = None,
    item: int | None = None,
    trace: Trace | None = None,
    k: int = 10,
    exclude_history: bool = True,
    names: Sequence[str] = (),
    theme: Theme = "light",
    under: Ground | None = None,
) -> AtlasMap:
    """All items on one or two maps, with an item's nearest, a history and its k recommendations drawn in.

    item: a row; its nearest by cosine in each space are ringed, and are the table.   trace: its history is drawn as a
        numbered path, with the first k of its list and the place where the history itself points.
    names: what each head is called, '' where it has no name.   under: a `ground` kept from before, which then holds
        spaces, kind, attribute and values.

    Raises:
        FameError: as `ground`; the bundle has no maps, or the item is not in the catalogue.
    """
    if bundle.atlas is None:
        raise FameError("this bundle has no maps; train it again with maps, which `fame train` draws")
    if item is not None and not 0 < item < len(bundle.catalogue):
        raise FameError(f"row {item} is not in the catalogue; rows are 1 to {bundle.catalogue.n_items}")
    under = under or ground(bundle.atlas, bundle.catalogue, spaces, kind, attribute, values)
    near = [_near(bundle, space, item, under.attribute) for space in under.spaces]
    history = [] if trace is None else trace.items.tolist()
    top = [] if trace is None else trace.ranking(exclude_history=exclude_history)[:k].tolist()
    title = " and ".join(_called(space, names) for space in under.spaces)
    title += f", coloured by {under.attribute}" * bool(under.values)
    alt = _say(bundle, under, title, item, history, top)
    look(theme)  # refuses another theme
    return AtlasMap(
        name="atlas",
        title=title,
        note=f"{under.kind.upper()} of {plural(bundle.catalogue.n_items, bundle.catalogue.noun)}.",
        alt=alt,
        numbers=lambda: pd.concat(near, ignore_index=True),
        theme=theme,
        origin=Origin() if trace is None else Origin.of(trace, bundle.name),
        height=760,
        parts=("shared", "atlas_points", "atlas_pen", "atlas_marks", "atlas_stage"),
        points=under.packed,
        data={
            "version": under.version,
            "noun": words(bundle.catalogue.noun),
            "item": int(item or 0),
            "kind": under.kind.upper(),
            "attribute": under.attribute,
            "several": under.several,
            "values": _coloured(under),
            "history": history,
            "recommended": top,
            "maps": [_map(bundle, under, m, near[m], trace, names) for m in range(len(under.spaces))],
        },
    )


def _coloured(under: Ground) -> list[dict[str, Any]]:
    """The values that have a colour, with it in both themes."""
    colours = zip(VALUE_COLOURS["light"], VALUE_COLOURS["dark"], strict=True)
    return [
        {"name": name, "count": count, "light": light, "dark": dark}
        for (name, count), (light, dark) in zip(under.values, colours, strict=False)
    ]


def _near(bundle: Bundle, space: str, item: int | None, attribute: str | None) -> pd.DataFrame:
    """The nearest to an item in one space: space, nearest_to, and the columns of `neighbour_table`."""
    if item is None or bundle.atlas is None:
        return pd.DataFrame({"space": [], "nearest_to": [], "row": [], "cosine": []})
    table = atlases.neighbour_table(bundle.model, bundle.atlas, bundle.catalogue, space, item, NEAREST, attribute)
    table.insert(0, "nearest_to", bundle.catalogue.label(item))
    table.insert(0, "space", space)
    return table


def _map(
    bundle: Bundle, under: Ground, m: int, near: pd.DataFrame, trace: Trace | None, names: Sequence[str]
) -> dict[str, Any]:
    """What atlas.js draws over the points of one map."""
    assert bundle.atlas is not None
    space, shown = under.spaces[m], [name for name, _ in under.values]
    head, trust = head_of(space), bundle.atlas.trust(space, under.kind)
    return {
        "space": space,
        "head": head,
        "name": _called(space, names),
        "trust": say_trust(trust),
        "place": _place(bundle, space, under.kind, trace),
        "points": "the model points here" if head is None else f"head {head + 1} points here",
        "regions": [
            {"x": x, "y": y, "label": label, "value": shown.index(label) if label in shown else None}
            for x, y, label in under.regions[m][["x", "y", "label"]].itertuples(index=False)
        ],
        "neighbours": [
            {"row": int(row), "cosine": float(c)} for row, c in zip(near["row"], near["cosine"], strict=True)
        ],
    }


def _place(bundle: Bundle, space: str, kind: str, trace: Trace | None) -> list[float] | None:
    """Where a history itself falls on a map, if there is one."""
    if trace is None or bundle.atlas is None:
        return None
    new = atlases.history_vectors(bundle.model, trace, space)[-1]
    return atlases.place(bundle.atlas, space, atlases.space_vectors(bundle.model, space), new, kind).tolist()


def head_of(space: str) -> int | None:
    """The head of a space, from 0; None for the full embedding."""
    return None if space == "full" else int(space.removeprefix("head_")) - 1


def _called(space: str, names: Sequence[str]) -> str:
    """What people call a space: 'Head 1's space (genres)', 'The full embedding'."""
    head = head_of(space)
    if head is None:
        return "The full embedding"
    return f"{head_name(head)}'s space" + (f" ({names[head]})" if head < len(names) and names[head] else "")


def _say(
    bundle: Bundle, under: Ground, title: str, item: int | None, history: Sequence[int], top: Sequence[int]
) -> str:
    assert bundle.atlas is not None
    label = bundle.catalogue.label
    trust = listing([f"{bundle.atlas.trust(space, under.kind):.2f}" for space in under.spaces])
    alt = f"Map of {plural(bundle.catalogue.n_items, bundle.catalogue.noun)}. {title}. Trustworthiness {trust} of 1."
    if under.values:
        alt += f" Coloured: {listing([f'{name} ({count})' for name, count in under.values])}."
    for what, rows in (("History", history), ("Recommended", top), ("Chosen", [item] if item else [])):
        if len(rows):
            alt += f" {what}: {'; '.join(map(label, rows))}."
    return alt
