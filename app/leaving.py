"""What leaves the app: every file that a screen offers, as one zip; and how to cite what is shown."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from fame import __version__, cite
from fame.errors import FameError
from fame.plots.picture import Origin, Picture

if TYPE_CHECKING:
    from app.screen import Screen

__all__ = ["begin", "citation", "everything", "offer", "origin", "python", "show", "shown"]

Files = dict[str, tuple[str, Callable[[], bytes]]]  # button's key -> the file's name, and what makes it
OFFERED, PICTURES, ORIGIN = "fame_offered", "fame_pictures", "fame_origin"  # in session state


def begin(screen: Screen) -> Files:
    """The files of the screen that is drawn now; its buttons, also those drawn later, put theirs into it."""
    files: Files = {}
    told = screen.origin
    st.session_state[ORIGIN] = replace(told, history="", change="") if screen.declaration.of_the_model else told
    st.session_state[OFFERED], st.session_state[PICTURES] = files, {}
    return files


def show(picture: Picture, code: str, key: str) -> None:
    """Put down a picture of the screen, and the Python that makes it in a notebook: see `app.notebook`."""
    st.session_state.setdefault(PICTURES, {})[key] = picture, code


def shown() -> dict[str, tuple[Picture, str]]:
    """The pictures of the screen that is drawn now; those drawn later come into it."""
    return st.session_state.setdefault(PICTURES, {})


def origin() -> Origin:
    """The origin of what the screen shows."""
    return st.session_state.get(ORIGIN, Origin())


def offer(file: str, make: Callable[[], bytes], key: str) -> None:
    """Put down a file that a button of the screen gives."""
    st.session_state.setdefault(OFFERED, {})[key] = file, make


def everything(files: Mapping[str, tuple[str, Callable[[], bytes]]], about: str) -> bytes:
    """All files as one zip, with a README of what they are."""
    packed, lines = io.BytesIO(), list[str]()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        taken: set[str] = set()
        for file, make in list(files.values()):
            stem, dot, ending = file.rpartition(".")
            name, number = file, 1
            while name in taken:
                number += 1
                name = f"{stem}-{number}{dot}{ending}"
            try:
                content = make()
            except FameError as error:
                lines.append(f"- {name}: left out, {error}")
                continue
            taken.add(name)
            archive.writestr(name, content)
            lines.append(f"- {name}")
        archive.writestr("README.md", f"{about}\n\n## Files\n\n" + "\n".join(lines) + "\n")
    return packed.getvalue()


def about(screen: Screen) -> str:
    """What is shown, in a README's words."""
    told = screen.origin
    parts: dict[str, Any] = {
        "Screen": f"{screen.declaration.title}: {screen.question}",
        "Model": told.model,
        "Bundle": told.bundle,
        "History": told.history,
        "What if": told.change,
        "Link": told.link,
        "FAME": __version__,
    }
    lines = "\n".join(f"- {name}: {value}" for name, value in parts.items() if value)
    return f"# {screen.declaration.title} of {screen.source.name}\n\n{lines}\n\n```python\n{python(screen)}\n```"


def python(screen: Screen) -> str:
    """The Python that gives what is shown: the bundle by its digest, the history, the what-if."""
    catalogue, change = screen.bundle.catalogue, screen.state.intervention
    history = [str(catalogue.item_id[row]) for row in screen.state.history]
    lines = ["import fame", "", f"bundle = fame.load({screen.source.name!r}, digest={screen.bundle.digest[:12]!r})"]
    if history:
        changed = f", fame.{change!r}" if change else ""
        lines.append(f"trace = bundle.trace({history!r}{changed})")
        lines.append(f"trace.top({screen.state.k}, exclude_history={screen.state.hide_seen})")
    return "\n".join(lines)


def citation(screen: Screen) -> str:
    """The formula of the numbers, the paper and this software, for a text that uses what is shown."""
    return "\n\n".join([cite.FORMULA, cite.PAPER, cite.software(screen.address)])
