"""The sizes of a FAME network."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from fame.errors import FameError
from fame.settings import Count, Number, Share, Whole, settings

__all__ = ["FAMEConfig"]


@settings("config")
class FAMEConfig:
    """Everything that fixes the shape of the network, in the paper's letters.

    Raises:
        FameError: a size is not positive, `d_model` does not divide by the heads, more experts are active than there
            are, or the variant is unknown.
    """

    n_items: Count = Field(description="Real items; the item table has one row more, V = n_items + 1, row 0 = padding.")
    max_len: Count = Field(default=50, description="T, the longest history that is read; of a longer one, its end.")
    d_model: Count = Field(default=64, description="d, the width of the network; a multiple of the heads.")
    n_heads: Count = Field(default=4, description="H, heads of the last block, its facets.")
    n_experts: Count = Field(default=4, description="N, experts per head.")
    active_experts: Whole = Field(
        default=0,
        description="Experts of a head that take part at each step, those with the largest router logits; "
        "0: all, as in the paper.",
    )
    spread: Number = Field(
        default=1.0, gt=0, le=100, description="Scale of the experts' queries and the router at the start of training."
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
        if self.active_experts > self.n_experts:
            raise ValueError(f"active_experts is {self.active_experts}, but a head has {self.n_experts} experts")
        if self.variant == "fame" and self.d_model % self.n_heads:
            raise ValueError(
                f"d_model {self.d_model} does not divide by n_heads {self.n_heads}; "
                "choose a width that is a multiple of the number of heads"
            )
        if self.d_model % self.backbone_heads:
            raise ValueError(
                f"d_model {self.d_model} does not divide by backbone_heads {self.backbone_heads}; "
                "choose a width that does, or another backbone_heads"
            )
        return self

    @property
    def d_head(self) -> int:
        """d' = d / H, the width of one head."""
        return self.d_model // self.n_heads

    @property
    def n_rows(self) -> int:
        """V, rows of the item table: the items and, at row 0, padding."""
        return self.n_items + 1

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The config in `values`.

        Raises:
            FameError: a field is missing, unknown or out of range.
        """
        if "n_items" not in values:
            raise FameError("config: n_items is missing; it is the number of items in the catalogue")
        return cls(**values)
