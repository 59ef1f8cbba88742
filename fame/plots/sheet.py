"""What a Plotly picture is written on.

`go.Figure` checks and copies each value as it is set and again as it is sent, which takes tens of milliseconds a
picture, at each click. A test has Plotly check every picture once instead; notebooks and files are given a figure.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

__all__ = ["Sheet"]

Spec = dict[str, Any]


class Sheet:
    """Traces and layout as Plotly names them; its methods are those of `go.Figure`, for one x and one y axis."""

    def __init__(self, **layout: Any) -> None:
        self.data: list[Spec] = []
        self.layout: Spec = layout

    def spec(self) -> Spec:
        """What plotly.js is given: arrays as the bytes that it reads."""
        return {"data": [_packed(trace) for trace in self.data], "layout": _packed(self.layout)}

    def figure(self) -> go.Figure:
        """The same as Plotly's own figure, unchecked."""
        return go.Figure({"data": self.data, "layout": self.layout}, _validate=False)

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


TYPES = {"float32": "f4", "float64": "f8", "int8": "i1", "int16": "i2", "int32": "i4", "uint8": "u1", "uint16": "u2"}


def _packed(value: Any) -> Any:
    """Arrays of numbers as plotly.js reads them: base64 of their bytes, a type, and the shape where it is a table."""
    if isinstance(value, Mapping):
        return {name: _packed(inner) for name, inner in value.items()}
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.name not in TYPES:  # no numbers, or wider than JavaScript's
        return value.tolist()
    packed = {"dtype": TYPES[value.dtype.name], "bdata": base64.b64encode(value.tobytes()).decode()}
    return packed | ({"shape": ", ".join(map(str, value.shape))} if value.ndim > 1 else {})


def merge(into: Spec, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = value
