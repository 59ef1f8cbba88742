"""Do experts and gate earn their place? Measured on the validation items of a recipe's log.

    python benchmarks/experts.py [BUNDLE …] [--recipe recipes/ml-1m.toml] [--preferences]

BUNDLE is artifacts/ml-1m unless given. Prints a row a bundle:

- *overlap*: the part of their first 20 items that two experts of a head have in common, each alone in the head: the
  mean over pairs, heads and 500 histories.
- *router*, *gate*: NDCG@10 that is lost when the last step's routers, or gates, are dealt to other users.
- *leads least*: for how many users the least used expert of all heads has the largest weight in its head.
- entropies of gate and router at the last step, as parts of their maximum.

--preferences: for each expert with an anchor the value of an attribute that gathers most among the items which it
recommends, and how often random directions of the same space gather a value as much (`fame.explain.preferences`); for
several bundles, how far they find the same preferences.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

import fame
from fame import explain
from fame.bundle import Bundle
from fame.make.again import ITEMS, firsts, own
from fame.make.data.sequences import Task
from fame.make.evaluate import batches, metric_values, ranks
from fame.make.prepare import prepare
from fame.make.recipe import load_recipe
from fame.make.train import relative_entropy
from fame.model import FAME, mix

LISTED, ASKED = 20, 500  # items of a list, histories whose lists are compared


class Dealt:
    """A model whose routers or gates belong to other users, for `ranks`."""

    def __init__(self, model: FAME, part: str):
        self.model, self.part = model, part
        self.items, self.config, self.score = model.items, model.config, model.score
        self.chance = torch.Generator().manual_seed(0)

    def eval(self) -> None:
        self.model.eval()

    def __call__(self, items: Tensor) -> Any:
        last = last_step(self.model, items)
        other = torch.randperm(len(items), generator=self.chance)
        facets, F, gate = self.model.facets, last.F, last.gate
        if self.part == "gate":
            gate = gate[other]
        else:
            router = last.router[other]
            F = facets.prefer(facets.state(mix(router, last.expert_out), last.residual), router)
            gate = facets.gate_logits(F).softmax(-1)
        query = facets.query(gate, F)
        return SimpleNamespace(query=query.unsqueeze(1).expand(-1, items.shape[1], -1))


def last_step(model: FAME, items: Tensor) -> Any:
    """The parts of a pass at each history's last item: items [b t] -> gate [b h], router [b h n] and so on."""
    out, rows, last = model(items), torch.arange(len(items)), (items > 0).sum(1) - 1
    names = ("gate", "router", "F", "expert_out", "residual")
    return SimpleNamespace(**{name: getattr(out, name)[rows, last] for name in names})


def alone(model: FAME, last: Any) -> Tensor:
    """Scores of each expert alone in its head: [n b h V]."""
    H, N = last.router.shape[1:]
    one = torch.eye(N).view(N, 1, 1, N).expand(N, len(last.router), H, N)
    states = model.facets.state(last.expert_out.permute(2, 0, 1, 3), last.residual)
    return model.head_scores(model.facets.prefer(states, one))


@torch.inference_mode()
def measure(model: FAME, task: Task) -> dict[str, float]:
    """The row of a bundle."""
    H, N = model.config.n_heads, model.config.n_experts
    asked = np.random.default_rng(0).choice(len(task), min(ASKED, len(task)), replace=False)
    gates, routers, shared = [], [], []
    for users, items in batches(task.histories, model.config.max_len, 256):
        last = last_step(model, items)
        gates.append(last.gate)
        routers.append(last.router)
        some = np.flatnonzero(np.isin(users, asked))
        if N == 1 or not len(some):
            continue
        scores = alone(model, SimpleNamespace(**{k: v[some] for k, v in vars(last).items()}))
        for i, user in enumerate(users[some]):
            scores[:, i][..., torch.from_numpy(task.histories.history(int(user)).astype(np.int64))] = -torch.inf
        lists = scores.topk(LISTED).indices.numpy()  # [n b h listed]
        for a, b in combinations(lists, 2):
            pairs = zip(a.reshape(-1, LISTED), b.reshape(-1, LISTED), strict=True)
            shared += [len(np.intersect1d(x, y)) / LISTED for x, y in pairs]
    gate, router = torch.cat(gates), torch.cat(routers)
    leads = [(router[:, h].argmax(-1) == n).float().mean() for h in range(H) for n in range(N)]

    def ndcg(of: Any) -> float:
        return float(metric_values(ranks(of, task), "NDCG@10").mean())

    natural = ndcg(model)
    return {
        "NDCG@10": natural,
        "overlap": float(np.mean(shared)) if shared else np.nan,
        "router": natural - ndcg(Dealt(model, "router")),
        "gate": natural - ndcg(Dealt(model, "gate")),
        "leads least": float(min(leads)),
        "gate entropy": float(relative_entropy(gate).mean()),
        "router entropy": float(relative_entropy(router).mean()),
    }


def agreement(bundles: list[Bundle]) -> tuple[float, float]:
    """How far seeds find the same preferences, and how far random directions of their spaces would.

    Of each pair of bundles, experts are matched one to one so that their first 50 items have most in common: the mean
    part in common over pairs and matches.
    """
    found: list[float] = []
    chance: list[float] = []
    for one, other in combinations(bundles, 2):
        for parts, random in ((found, False), (chance, True)):
            a, b = (lists(bundle, random, seed) for seed, bundle in enumerate((one, other)))
            shared = np.array([[len(np.intersect1d(x, y)) / ITEMS for y in b] for x in a])
            parts.append(float(shared[linear_sum_assignment(-shared)].mean()))
    return float(np.mean(found)), float(np.mean(chance))


def lists(bundle: Bundle, random: bool, seed: int) -> np.ndarray:
    """The items that what sets each expert apart, or a random direction in its place, recommends most: [hn items]."""
    apart = own(bundle.model)
    if random:
        apart = torch.randn(apart.shape, generator=torch.Generator().manual_seed(seed))
    return firsts(bundle.model, apart).flatten(0, 1).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="*", default=["ml-1m"])
    parser.add_argument("--recipe", type=Path, default=Path(__file__).parents[1] / "recipes/ml-1m.toml")
    parser.add_argument("--preferences", action="store_true")
    options = parser.parse_args()
    task = prepare(load_recipe(options.recipe)).split.valid
    opened: list[Bundle] = []
    for i, name in enumerate(options.bundles):
        bundle: Bundle = fame.load(name)
        row = measure(bundle.model, task)
        if not i:
            print(f"| bundle | {' | '.join(row)} |\n|---|{'---:|' * len(row)}")
        print(f"| {bundle.name} | {' | '.join(f'{value:.4f}' for value in row.values())} |", flush=True)
        known = bundle.preferences if options.preferences else []
        for preference in known:
            first = ", ".join(bundle.catalogue.title[preference.rows[:5]])
            print(f"    {explain.say_preference(preference)} {first}")
        opened.append(bundle)
    if options.preferences and len(opened) > 1:
        found, chance = agreement(opened)
        print(
            f"The same preferences in {len(opened)} bundles: {found:.2f} of the lists, random directions {chance:.2f}."
        )


if __name__ == "__main__":
    main()
