"""What one pass says of many held-out histories: when each head wins, and for whom the model fails.

`record` is what a bundle keeps; `slices` cuts it into groups of histories, `tables` measures each, `sentences` says the
rest in words. `fame.make.population` measures it.
"""

from fame.population.record import Population
from fame.population.sentences import say_leaders, say_length_and_rank, say_population, say_private, say_unused
from fame.population.slices import Slice, leaders_of, slices_of
from fame.population.tables import THIN, gate_by_slice, head_table, nearest, overall, slice_table, standing, usage

__all__ = [
    "THIN",
    "Population",
    "Slice",
    "gate_by_slice",
    "head_table",
    "leaders_of",
    "nearest",
    "overall",
    "say_leaders",
    "say_length_and_rank",
    "say_population",
    "say_private",
    "say_unused",
    "slice_table",
    "slices_of",
    "standing",
    "usage",
]
