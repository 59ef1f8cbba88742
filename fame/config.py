"""The sizes of a FAME network."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from fame.errors import FameError
from fame.settings import Count, Number, Share, Whole, settings

__all__ = ["FAMEConfig"]

FORMER = {"active_experts": 0, "spread": 1.0}  # options of earlier versions, and what they were where they were off


@settings("config")
class FAMEConfig:
    """Everything that fixes the shape of the network, in the paper's letters.

    Raises:
        FameError: a size is not positive, `d_model` does not divide by the heads, `head_width` is out of range, or the
            variant is unknown.
    """

    n_items: Count = Field(description="Real items; the item table has one row more, V = n_items + 1, row 0 = padding.")
    max_len: Count = Field(default=50, description="T, the longest history that is read; of a longer one, its end.")
    d_model: Count = Field(default=64, description="d, the width of the network; a multiple of the heads.")
    n_heads: Count = Field(default=4, description="H, heads of the last block, its facets.")
    n_experts: Count = Field(default=4, description="N, experts per head.")
    head_width: Whole = Field(
        default=0,
        description="d', the width of one head, from d / H to d; 0: d / H, as in the paper. Heads of width d have the "
        "whole of x each.",
    )
    facet_mlp: Whole = Field(
        default=0,
        description="Hidden width, in units of d, of the MLP that item facets have beside W_f x_v; 0: none, as in the "
        "paper.",
    )
    anchors: Number = Field(
        default=0.0,
        ge=0,
        le=100,
        description="Standard deviation, at the start, of a preference vector of each expert's own; 0: none, as "
        "in the paper.",
    )
    n_layers: Count = Field(default=2, description="L, layers, the last block included.")
    backbone_heads: Count = Field(default=2, description="Heads of the L - 1 ordinary blocks.")
    dropout: Share = Field(default=0.2, description="Part of the activations that training drops at random.")
    attention_dropout: Share = Field(
        default=0.0,
        description="The same for attention weights; above 0 the fused attention kernel is lost and a CPU takes twice "
        "the time.",
    )
    variant: Literal["fame", "sasrec"] = Field(default="fame", description="The paper's model, or a plain SASRec.")

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.head_width and not self.d_model / self.n_heads <= self.head_width <= self.d_model:
            raise ValueError(
                f"head_width is {self.head_width}; expected 0, or from d_model / n_heads, "
                f"{self.d_model / self.n_heads:g}, to d_model, {self.d_model}"
            )
        if self.variant == "fame" and not self.head_width and self.d_model % self.n_heads:
            raise ValueError(
                f"d_model {self.d_model} does not divide by n_heads {self.n_heads}; "
                "choose a width that is a multiple of the number of heads, or a head_width"
            )
        if self.d_model % self.backbone_heads:
            raise ValueError(
                f"d_model {self.d_model} does not divide by backbone_heads {self.backbone_heads}; "
                "choose a width that does, or another backbone_heads"
            )
        return self

    @property
    def d_head(self) -> int:
        """d', the width of one head: d / H unless `head_width` says otherwise."""
        return self.head_width or self.d_model // self.n_heads

    @property
    def n_rows(self) -> int:
        """V, rows of the item table: the items and, at row 0, padding."""
        return self.n_items + 1

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The config in `values`. Options of earlier versions are passed over where they were off.

        Raises:
            FameError: a field is missing, unknown or out of range, or an option that is gone was on.
        """
        for name, off in FORMER.items():
            if name in values and values[name] != off:
                raise FameError(f"config: {name} is {values[name]!r}; that option is gone, only {off!r} is still read")
        values = {name: value for name, value in values.items() if name not in FORMER}
        if "n_items" not in values:
            raise FameError("config: n_items is missing; it is the number of items in the catalogue")
        return cls(**values)
