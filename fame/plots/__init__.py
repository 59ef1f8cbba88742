"""Tables and traces in, Plotly figures out: the same pictures for the app, a notebook and a file.

Every figure takes `theme` 'light' or 'dark', says in one sentence what it shows, carries a text for screen
readers (`alt`), and treats titles as text, never as markup.
"""

from fame.plots.atlas import atlas_map
from fame.plots.attention_grid import attention_grid
from fame.plots.attention_map import attention_map
from fame.plots.beats import beats
from fame.plots.course import course
from fame.plots.evidence import likeness, probes, values
from fame.plots.expert_lists import expert_lists
from fame.plots.expert_preferences import expert_preferences
from fame.plots.export import page
from fame.plots.journey import journey
from fame.plots.last_step import last_step
from fame.plots.merge import merge
from fame.plots.picture import Chart, Component, Origin, Picture, chart
from fame.plots.population import population_gate, population_slices, population_use
from fame.plots.story import story
from fame.plots.style import CONFIG, Theme, head_colour, ink_on, look, template, text
from fame.plots.what_if import what_if, what_if_inside

__all__ = [
    "CONFIG",
    "Chart",
    "Component",
    "Origin",
    "Picture",
    "Theme",
    "atlas_map",
    "attention_grid",
    "attention_map",
    "beats",
    "chart",
    "course",
    "expert_lists",
    "expert_preferences",
    "head_colour",
    "ink_on",
    "journey",
    "last_step",
    "likeness",
    "look",
    "merge",
    "page",
    "population_gate",
    "population_slices",
    "population_use",
    "probes",
    "story",
    "template",
    "text",
    "values",
    "what_if",
    "what_if_inside",
]
