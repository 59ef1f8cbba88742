"""The sizes of a FAME network."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from fame.errors import FameError

__all__ = ["FAMEConfig"]

FORMER = {"active_experts": 0, "spread": 1.0}  # options of earlier versions, with what they were left at


@dataclass(frozen=True)
class FAMEConfig:
    """Everything that fixes the shape of the network, in the paper's letters.

    Raises:
        FameError: a size is not positive, `d_model` does not divide by the heads, more experts are active than there
            are, or the variant is unknown.
    """

    n_items: int  # real items; the item table has one row more, V = n_items + 1, row 0 = padding
    max_len: int = 50  # T at most
    d_model: int = 64  # d
    n_heads: int = 4  # H, facets of the last block
    n_experts: int = 4  # N, experts per head
    head_width: int = 0  # d', of one head; 0: d / H, as in the paper; d_model: the whole of x for each head
    facet_mlp: int = 0  # hidden width, in units of d, of what x_v^(h) has beside W_f[h] x_v; 0: nothing
    anchors: float = 0.0  # each expert has a preference vector b_hn, N(0, s²) at the start: its s; 0: none
    n_layers: int = 2  # L, the last block included
    backbone_heads: int = 2  # heads of the L-1 ordinary blocks
    dropout: float = 0.2
    attention_dropout: float = 0.0  # above 0 the fused attention kernel is lost and a CPU takes twice the time
    variant: Literal["fame", "sasrec"] = "fame"

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if f.name == "variant":
                fits, expected = value in ("fame", "sasrec"), "'fame' or 'sasrec'"
            elif f.name in ("dropout", "attention_dropout"):
                fits, expected = number and 0 <= value < 1, "a number from 0 up to, not including, 1"
            elif f.name == "anchors":
                fits, expected = number and 0 <= value <= 100, "a number from 0 to 100"
            else:
                least = int(f.name not in ("head_width", "facet_mlp"))
                fits = number and isinstance(value, int) and value >= least
                expected = f"a whole number of at least {least}"
            if not fits:
                raise FameError(f"config: {f.name} is {value!r}; expected {expected}")
        if self.head_width and not self.d_model <= self.head_width * self.n_heads <= self.d_model * self.n_heads:
            raise FameError(
                f"config: head_width is {self.head_width}; expected 0 (d / H), or a width from d / H to d_model, "
                f"which is {self.d_model}"
            )
        if self.variant == "fame" and not self.head_width and self.d_model % self.n_heads:
            raise FameError(
                f"config: d_model {self.d_model} does not divide by n_heads {self.n_heads}; "
                "choose a width that is a multiple of the number of heads"
            )
        if self.d_model % self.backbone_heads:
            raise FameError(
                f"config: d_model {self.d_model} does not divide by backbone_heads {self.backbone_heads}; "
                "choose a width that does, or another backbone_heads"
            )

    @property
    def d_head(self) -> int:
        """d', the width of one head: d / H unless head_width says otherwise."""
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
        """The config in `values`.

        Raises:
            FameError: a field is missing, unknown or out of range.
        """
        values = {k: v for k, v in values.items() if k not in FORMER or v != FORMER[k]}
        if former := sorted(set(values) & set(FORMER)):
            raise FameError(
                f"config: {former[0]} is {values[former[0]]!r}, an option that is gone; only {FORMER[former[0]]!r}, "
                "which changes nothing, is still read"
            )
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise FameError(f"config: unknown field {unknown[0]!r}; expected some of {', '.join(sorted(known))}")
        if "n_items" not in values:
            raise FameError("config: n_items is missing; it is the number of items in the catalogue")
        return cls(**values)
