"""Logs of any supported form, brought to sequences that a model learns from.

From a folder to a split:

    log = read("auto", "ml-latest-small").core(5)
    split = leave_one_out(Sequences.from_interactions(log.interactions, log.catalogue))

`fame.make.data.download` fetches MovieLens from its publisher. Names are loaded when first used: who asks for the
settings of reading, as every command does, does not wait for the readers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fame.make.data.interactions import Columns, Interactions, k_core, keep_items
    from fame.make.data.options import FORMS, ReadOptions
    from fame.make.data.readers import Log, parse_spec, read
    from fame.make.data.report import ReadReport
    from fame.make.data.sequences import Sequences, Split, Task, leave_one_out

__all__ = [
    "FORMS",
    "Columns",
    "Interactions",
    "Log",
    "ReadOptions",
    "ReadReport",
    "Sequences",
    "Split",
    "Task",
    "k_core",
    "keep_items",
    "leave_one_out",
    "parse_spec",
    "read",
]

HOME = {
    **dict.fromkeys(["Columns", "Interactions", "k_core", "keep_items"], "interactions"),
    **dict.fromkeys(["FORMS", "ReadOptions"], "options"),
    **dict.fromkeys(["Log", "parse_spec", "read"], "readers"),
    "ReadReport": "report",
    **dict.fromkeys(["Sequences", "Split", "Task", "leave_one_out"], "sequences"),
}


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module 'fame.make.data' has no attribute {name!r}")
    return getattr(import_module(f"fame.make.data.{HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
