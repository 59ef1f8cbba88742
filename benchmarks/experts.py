"""Do experts and gate earn their place? Measured on the validation items of a recipe's log.

    python benchmarks/experts.py [BUNDLE …] [--recipe recipes/ml-1m.toml] [--nearest ATTRIBUTE]

BUNDLE is artifacts/ml-1m unless given. Prints a row a bundle:

- *overlap*: the part of their first 20 items that two experts of a head have in common, each alone in the head: the
  mean over pairs, heads and 500 histories.
- *router*, *gate*: NDCG@10 that is lost when the last step's routers, or gates, are dealt to other users.
- *leads least*: for how many users the least used expert of all heads has the largest weight in its head.
- entropies of gate and router at the last step, as parts of their maximum.

--nearest: for each expert with an anchor the value of that attribute which its 40 nearest items in the head's space
have most beyond its share, beside what 200 random directions of the same space come to.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

import fame
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.make.data.sequences import Task
from fame.make.evaluate import batches, metric_values, ranks
from fame.make.prepare import prepare
from fame.make.recipe import load_recipe
from fame.make.train import relative_entropy
from fame.model import FAME, mix

LISTED, ASKED = 20, 500  # items of a list, histories whose lists are compared
NEAREST, RANDOM, LEAST = 40, 200, 15  # items around a direction, random directions, items of a value


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


@torch.inference_mode()
def nearest(model: FAME, catalogue: Catalogue, attribute: str) -> None:
    """Prints what lies around each anchor, and around random directions of each head's space."""
    assert model.facets.anchors is not None
    matrix, names = catalogue.attribute(attribute)
    common = np.flatnonzero(matrix.sum(0) >= LEAST)
    share = matrix[1:].mean(0)[common]
    for h, space in enumerate(model.facet_items()[:, 1:]):
        x = torch.nn.functional.normalize(space - space.mean(0), dim=-1)

        def best(direction: Tensor, x: Tensor = x) -> tuple[float, str, np.ndarray]:
            near = 1 + (x @ direction).topk(NEAREST).indices.numpy()
            lift = matrix[near][:, common].mean(0) / share
            return float(lift.max()), names[common[lift.argmax()]], near

        chance = torch.randn(RANDOM, x.shape[1], generator=torch.Generator().manual_seed(h))
        lifts = sorted(best(direction)[0] for direction in chance)
        middle, high = lifts[RANDOM // 2], lifts[-RANDOM // 20]
        print(f"\nhead {h + 1}: random directions, median lift {middle:.1f}, 95% below {high:.1f}")
        for n, anchor in enumerate(model.facets.anchors[h]):
            lift, value, near = best(anchor)
            print(f"  expert {n + 1}: {value} {lift:.1f} times; {', '.join(catalogue.title[near[:6]])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="*", default=["ml-1m"])
    parser.add_argument("--recipe", type=Path, default=Path(__file__).parents[1] / "recipes/ml-1m.toml")
    parser.add_argument("--nearest")
    options = parser.parse_args()
    task = prepare(load_recipe(options.recipe)).split.valid
    for i, name in enumerate(options.bundles):
        bundle: Bundle = fame.load(name)
        row = measure(bundle.model, task)
        if not i:
            print(f"| bundle | {' | '.join(row)} |\n|---|{'---:|' * len(row)}")
        print(f"| {bundle.name} | {' | '.join(f'{value:.4f}' for value in row.values())} |", flush=True)
        if options.nearest and bundle.model.facets.anchors is not None:
            nearest(bundle.model, bundle.catalogue, options.nearest)


if __name__ == "__main__":
    main()
