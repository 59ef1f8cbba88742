"""A small bundle with random weights, so that the tests of the app need no trained one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from fame.bundle import Bundle, Example
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.explain.promises import Claim
from fame.make.data.sequences import Sequences
from fame.make.probes.config import ProbeConfig
from fame.make.probes.gather import evidence
from fame.model import FAME

NASTY = "<img src=x onerror=\"document.title='owned'\"> & **Bold** $x$"
TITLES = (
    "Toy Story", "Aladdin", "The Lion King", "Amélie", "Alien", "Aliens", "Blade Runner", "The Terminator",
    "Total Recall", "Psycho", "Vertigo", "Rear Window", "Fargo", "Heat", "Casino", "Se7en", "Gattaca", "Brazil",
    "Dark City", "The Matrix", "Crocodile Dundee", "When Harry Met Sally", "Annie Hall", "Manhattan",
    "Raiders of the Lost Ark", "Jaws", "E.T. the Extra-Terrestrial", "Jurassic Park", "Star Wars", NASTY,
)  # fmt: skip


def make_bundle(heads: int = 3, experts: int = 2, max_len: int = 6, anchors: float = 0.0) -> Bundle:
    """Weights large enough that gates and ranks differ; the last film's title is hostile, and so is its id."""
    torch.manual_seed(heads)
    n = len(TITLES)
    catalogue = Catalogue.from_frame(
        pd.DataFrame(
            {
                "item_id": [*(f"f{row}" for row in range(1, n)), "a-b,c"],
                "title": TITLES,
                "year": [1970 + row for row in range(n)],
                "genres": [("Drama", "Crime|Drama", "Comedy")[row % 3] for row in range(n)],
            }
        )
    )
    config = FAMEConfig(n, max_len, d_model=24, n_heads=heads, n_experts=experts, backbone_heads=2, anchors=anchors)
    model = FAME(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.mul_(6)
    examples = (
        Example("Three to begin with", "Do the heads agree?", ("f1", "f2", "f3")),
        Example("One film", "What follows from one film?", ("f5",)),
        Example("Longer than it reads", "The oldest are dropped.", tuple(f"f{row}" for row in range(1, 10))),
        Example("Hostile", "A title is text.", ("f7", "a-b,c")),
    )
    if heads > 1:
        examples += (
            Example(
                "Where experts look", "Head 2 has some say.", ("f9", "f4"), "experts", 2, "f12",
                (Claim("gate", 2, least=0),),
            ),
        )  # fmt: skip
    return Bundle("tiny", model, catalogue, examples=examples)


def measured(model: FAME, catalogue: Catalogue) -> dict[str, Any]:
    """Evidence of a model, gathered coarsely, so that it takes no time."""
    lengths = np.full(20, 4)
    items = np.concatenate([1 + np.random.default_rng(u).permutation(catalogue.n_items)[:4] for u in range(20)])
    histories = Sequences(np.arange(20).astype(str), items, np.concatenate([[0], np.cumsum(lengths)]))
    coarse = ProbeConfig(
        least_items=5, permutations=4, projections=4, bootstraps=4, folds=2, histories=20, depth=5
    )  # fmt: skip
    return evidence(model, catalogue, histories, np.arange(len(catalogue)), config=coarse)
