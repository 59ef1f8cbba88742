"""A catalogue with hostile, long and equal titles, and traces of random networks, for the tests of the pictures."""

from __future__ import annotations

import pandas as pd
import torch

from fame import explain
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.model import FAME
from fame.trace import Intervention, Trace

__all__ = ["HOSTILE", "LONG", "catalogue", "make"]

HOSTILE = '<b>bold</b> & <a href="javascript:alert(1)">link</a> $x^2$ </script><img src=x onerror=alert(2)>'
LONG = "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb"


def catalogue() -> Catalogue:
    titles = [HOSTILE, LONG, "Twin", "Twin", *(f"Film {i}" for i in range(5, 81))]
    return Catalogue.from_frame(
        pd.DataFrame(
            {
                "item_id": [f"i{n}" for n in range(1, 81)],
                "title": titles,
                "year": [1950 + n // 2 for n in range(80)],
                "genres": [("<i>Noir</i>", "Drama|Comedy", "Drama")[n % 3] for n in range(80)],
            }
        )
    )


def make(H: int = 4, N: int = 4, T: int = 6, intervention: Intervention | None = None) -> Trace:
    """A trace of a network at random, with a history that starts with the hostile, long and equal titles."""
    torch.manual_seed(H * 100 + N)
    items = catalogue()
    config = FAMEConfig(n_items=items.n_items, d_model=16 if H != 3 else 24, n_heads=H, n_experts=N)
    model = FAME(config).eval()
    with torch.no_grad():
        model.items.weight.mul_(20)
        model.facets.W_exp.mul_(50)
        model.facets.gate.weight.mul_(20)
    return explain.trace(model, items, list(range(1, T + 1)), intervention or Intervention())
