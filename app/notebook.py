"""What a screen shows, as a notebook: the bundle by its digest, the same trace and pictures, and their numbers checked.

Each picture that a screen saves comes with the Python that makes it, in the names that `START` gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from app import sources
from app.sources import Source
from fame.explain import Model, changes_text
from fame.home import ARTIFACTS
from fame.plots.export import csv
from fame.plots.picture import Picture

if TYPE_CHECKING:
    from app.screen import Screen

__all__ = ["Shown", "cells", "notebook", "of_population"]

Shown = Mapping[str, tuple[Picture, str]]  # button's key -> a picture, and the Python that makes it
FORMAT = {"nbformat": 4, "nbformat_minor": 5}
LARGEST = 2_000_000  # bytes of a table that is checked number by number

CHECK = '''
def check(picture, text):
    """The numbers of a picture are those that the screen showed, up to float precision."""
    shown, table = (pd.read_csv(io.BytesIO(t.encode())) for t in (text, csv(picture.table).decode("utf-8-sig")))
    assert list(table) == list(shown) and len(table) == len(shown), "another table than the screen showed"
    for name in table:
        if pd.api.types.is_numeric_dtype(shown[name]):
            np.testing.assert_allclose(table[name].astype(float), shown[name].astype(float), 1e-3, 1e-4, err_msg=name)
        else:
            assert table[name].fillna("").equals(shown[name].fillna("")), name
    print(f"{len(table)} rows of {len(table.columns)} columns are what the screen showed")
'''.strip()

OF_B = """
asked, _ = explain.read_changes({changes!r})
b = explain.apply_changes(asked, history, change, bundle.catalogue, bundle.config, {model!r})
other = bundle.trace(list(b.history), b.intervention)
""".strip()
OF_ANOTHER_MODEL = """
second = fame.load({place!r}, digest={digest!r})
asked, _ = explain.read_changes({changes!r})
b = explain.apply_changes(asked, history, change, bundle.catalogue, second.config, {model!r})
known, _ = explain.carried(b.history, bundle.catalogue, second.catalogue, {name!r})
""".strip()


def notebook(screen: Screen, shown: Shown) -> bytes:
    """The notebook of a screen and the pictures on it."""
    made: list[dict[str, Any]] = [
        {"id": f"cell-{i}", "metadata": {}, "cell_type": kind, "source": text.splitlines(keepends=True)}
        | ({"execution_count": None, "outputs": []} if kind == "code" else {})
        for i, (kind, text) in enumerate(cells(screen, shown))
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    values = {"cells": made, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}}, **FORMAT}
    return (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode()


def cells(screen: Screen, shown: Shown) -> Iterable[tuple[str, str]]:
    """('markdown' or 'code', text) in turn."""
    told = screen.origin
    title = f"# {screen.declaration.title} of {screen.source.name}\n\n{plain(screen.question)}"
    yield (
        "markdown",
        f"{title}\n\n{plain(told.line)}\n\nInstall: `pip install fame-rec`, or from the project's checkout.",
    )
    yield "code", start(screen)
    yield "code", CHECK
    if screen.state.history:
        top = csv(screen.trace.top(screen.state.k, exclude_history=screen.state.hide_seen))
        yield "markdown", "## What is recommended"
        yield "code", "top = trace.top(k, exclude_history=hide_seen)\ntop"
        yield "code", f"class Listed:\n    table = top\n\n\ncheck(Listed, {text(top)})"
    for picture, code in list(shown.values()):
        if not code:
            continue
        yield "markdown", f"## {plain(picture.title)}\n\n{plain(picture.note)}".strip()
        yield "code", f"picture = {code}\npicture" if "\n" not in code else f"{code}\npicture"
        table = csv(picture.table)
        if len(table) <= LARGEST:
            yield "code", f"check(picture, {text(table)})"


def start(screen: Screen) -> str:
    """The cell that loads the bundle and makes the trace."""
    now, catalogue = screen.state, screen.bundle.catalogue
    history = [str(catalogue.item_id[row]) for row in now.history]
    lines = [
        "import io",
        "from dataclasses import replace",
        "",
        "import numpy as np",
        "import pandas as pd",
        "",
        "import fame",
        "import fame.plots",
        "from fame import explain",
        "from fame.plots.export import csv",
        "",
        f"bundle = fame.load({place(screen.source)!r}, digest={screen.bundle.digest!r})",
        f"k, hide_seen, names = {now.k}, {now.hide_seen}, {screen.names!r}",
        f"change = fame.{now.intervention!r}",
        f"history = {history!r}",
    ]
    if history:
        lines += [
            "rows = bundle.rows(history)",
            "trace = bundle.trace(history, change)",
            f"head = {screen.head}",
        ]
        if now.b or screen.name == "what_if":
            lines += side_b(screen)
    return "\n".join(lines)


def side_b(screen: Screen) -> list[str]:
    """The lines that make B of What if, `other`: of this model, or of another one that was chosen."""
    asked = [change.name for change in screen.state.b if isinstance(change, Model)][-1:]
    told = {"changes": changes_text(screen.state.b), "model": screen.source.name}
    if not asked or asked[0] == screen.source.name:
        return [OF_B.format(**told)]
    source = next((each for each in sources.sources() if each.name == asked[0]), None)
    if source is None:  # then the screen shows no B either
        return []
    second = sources.load(source)
    lines = OF_ANOTHER_MODEL.format(**told, place=place(source), digest=second.digest, name=source.name)
    if second.config.variant == "fame":
        return [lines, "other = second.trace(rows=known, intervention=b.intervention)"]
    return [lines, "other = explain.final_list(second.model, second.catalogue, known)"]


def of_population(screen: Screen, name: str) -> str:
    """The Python of a picture of Population, within what is chosen; none follows its own choice."""
    noun, more = screen.noun, "" if name == "use" else f", noun={screen.noun!r}"
    own = {"slices": "population_slice", "use": "population_lead"}.get(name)
    chosen = [screen.option(each) for each in ("population_slice", "population_lead") if each != own]
    keys = tuple(filter(None, chosen))
    return (
        "from fame.population import leaders_of, slices_of\n\n"
        f"pieces = [*slices_of(bundle.population, {noun!r}), *leaders_of(bundle.population)]\n"
        f"masks = [piece.mask for piece in pieces if piece.key in {keys!r}]\n"
        "within = np.logical_and.reduce([np.ones(len(bundle.population), bool), *masks])\n"
        f"picture = fame.plots.population_{name}(bundle.population, within{more})"
    )


def place(source: Source) -> str:
    """How a notebook names a bundle: one that ships by name, another as the zip that the app gives."""
    return source.name if (ARTIFACTS / source.name).is_dir() else f"{source.name}.zip"


def text(table: Any) -> str:
    """A table as a text of Python."""
    content = (table if isinstance(table, bytes) else csv(table)).decode("utf-8-sig")
    return repr(content)


def plain(words: str) -> str:
    """Words that Markdown shows letter by letter."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|$~" else c for c in words)
