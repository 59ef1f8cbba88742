"""Logs of any supported form, brought to sequences that a model learns from.

From a folder to a split:

    log = read("auto", "ml-latest-small").core(5)
    split = leave_one_out(Sequences.from_interactions(log.interactions, log.catalogue))

`fame.make.data.download` fetches MovieLens from its publisher.
"""

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
