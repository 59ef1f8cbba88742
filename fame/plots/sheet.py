"""What a Plotly picture is written on before `style.finish` makes a figure of it.

`go.Figure` checks and copies each value as it is set, which takes tens of milliseconds a picture, at each click. A test
has Plotly check every picture once instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Sheet"]

Spec = dict[str, Any]


class Sheet:
    """Traces and layout as Plotly names them; its methods are those of `go.Figure`, for one x and one y axis."""

    def __init__(self, **layout: Any) -> None:
        self.data: list[Spec] = []
        self.layout: Spec = layout

    def add_bar(self, **trace: Any) -> None:
        """A trace of bars."""
        self.data.append({"type": "bar", **trace})

    def add_scatter(self, **trace: Any) -> None:
        """A trace of points, lines or words."""
        self.data.append({"type": "scatter", **trace})

    def add_heatmap(self, **trace: Any) -> None:
        """A trace of cells."""
        self.data.append({"type": "heatmap", **trace})

    def add_annotation(self, **annotation: Any) -> None:
        """Words at a place."""
        self.layout.setdefault("annotations", []).append(annotation)

    def add_shape(self, **shape: Any) -> None:
        """A line or a rectangle."""
        self.layout.setdefault("shapes", []).append(shape)

    def update_layout(self, **layout: Any) -> None:
        """Set what is named; groups in groups keep what is not named."""
        merge(self.layout, layout)

    def update_xaxes(self, **axis: Any) -> None:
        """Set what is named of the x axis."""
        self.update_layout(xaxis=axis)

    def update_yaxes(self, **axis: Any) -> None:
        """Set what is named of the y axis."""
        self.update_layout(yaxis=axis)


def merge(into: Spec, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = value
