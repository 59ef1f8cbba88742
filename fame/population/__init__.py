"""What one pass says of many held-out histories: when each head wins, and for whom the model fails.

`record` is what a bundle keeps; `slices` cuts it into groups of histories and measures each; `sentences` says the rest
in words. `fame.make.population` measures it.
"""

from fame.population.record import Population
from fame.population.sentences import say_leaders, say_unused
from fame.population.slices import Slice, gate_by_slice, nearest, overall, slice_table, slices_of, usage

__all__ = [
    "Population",
    "Slice",
    "gate_by_slice",
    "nearest",
    "overall",
    "say_leaders",
    "say_unused",
    "slice_table",
    "slices_of",
    "usage",
]
