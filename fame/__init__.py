"""FAME: a sequential recommender whose every decision can be opened up and looked at.

    import fame
    bundle = fame.load("ml-1m")
    trace = bundle.trace(["Toy Story", "Aladdin", "The Lion King"])
    fame.plots.merge(bundle, trace)

Names are loaded when first used, so that `import fame` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fame import plots as plots
    from fame.atlas import Atlas
    from fame.bundle import Bundle, Example, load
    from fame.catalogue import Catalogue
    from fame.config import FAMEConfig
    from fame.errors import FameError
    from fame.model import FAME
    from fame.trace import Intervention, Trace

__version__ = "0.1.0"
__all__ = [
    "FAME",
    "Atlas",
    "Bundle",
    "Catalogue",
    "Example",
    "FAMEConfig",
    "FameError",
    "Intervention",
    "Trace",
    "load",
    "plots",
]

HOME = {
    "Atlas": "atlas",
    "Bundle": "bundle",
    "Catalogue": "catalogue",
    "Example": "bundle",
    "FAME": "model",
    "FAMEConfig": "config",
    "FameError": "errors",
    "Intervention": "trace",
    "Trace": "trace",
    "load": "bundle",
}


def __getattr__(name: str) -> Any:
    if name == "plots":
        return import_module("fame.plots")
    if name not in HOME:
        raise AttributeError(f"module 'fame' has no attribute {name!r}")
    return getattr(import_module(f"fame.{HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
