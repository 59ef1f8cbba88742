"""Each file here is a screen: SCREEN, what it declares of itself, and `render(screen)`, its layout."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import NamedTuple

from app.screen import Declaration, Screen
from app.state import OPTION

__all__ = ["Entry", "discover"]


class Entry(NamedTuple):
    """A screen's file: what it declares, and what draws it."""

    declaration: Declaration
    render: Callable[[Screen], None]


@cache
def discover() -> dict[str, Entry]:
    """The screens by the name of their file, in the order that they declare.

    Raises:
        TypeError: a file declares no screen, or an option whose name is not of its own.
    """
    found: dict[str, Entry] = {}
    for module in iter_modules(__path__):
        file = import_module(f"{__name__}.{module.name}")
        declaration, render = getattr(file, "SCREEN", None), getattr(file, "render", None)
        if not (isinstance(declaration, Declaration) and callable(render)):
            raise TypeError(f"app/screens/{module.name}.py: expected SCREEN = Declaration(…) and render(screen)")
        for option in declaration.options:
            if not (OPTION.fullmatch(option) and option.startswith(f"{module.name}_")):
                raise TypeError(f"app/screens/{module.name}.py: option {option!r}, expected {module.name}_…")
        found[module.name] = Entry(declaration, render)
    return dict(sorted(found.items(), key=lambda item: item[1].declaration.order))
