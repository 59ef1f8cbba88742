"""The smallest change of a history that does what is wished, beside a greedy search and random edits.

python benchmarks/smallest_change.py [--histories 500] [--length 10] [--threads 2]

The histories are of viewers that no model has seen, of the audience that artifacts/planted learned from: simulated
again, other viewers of the same world. Two wishes: that the item which stands fifth come first, and that the first one
leave the top ten. A pass is one history through the model.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fame.bundle import Bundle, load
from fame.explain import Wish, final_list, search_changes
from fame.explain.tables import candidates
from fame.make.recipe import load_recipe
from fame.make.simulate import PlantedConfig, simulate

ROOT = Path(__file__).resolve().parents[1]
RANDOM_PASSES = 2000  # that random edits have for one history


@dataclass(frozen=True)
class Outcome:
    """What a method came to: items changed, 0 where nothing was found; passes; those up to its first answer."""

    size: int
    passes: int
    first: int
    seconds: float


def histories(bundle: Bundle, n: int, length: int) -> list[np.ndarray]:
    """The last `length` items of viewers of another audience."""
    recipe = load_recipe(ROOT / "recipes" / "planted.toml")
    config = recipe.data.planted or PlantedConfig()
    sequences = simulate(bundle.catalogue, config, audience=2).sequences
    return [
        sequences.items[a:b][-length:].astype(np.int64)
        for a, b in zip(sequences.offsets[:n], sequences.offsets[1 : n + 1], strict=True)
    ]


def scores(bundle: Bundle, variants: np.ndarray, wish: Wish) -> tuple[np.ndarray, np.ndarray]:
    """Whether each history [m,T] fulfils the wish, and the gap it leaves."""
    with torch.inference_mode():
        found = bundle.model.score(bundle.model.last_query(torch.from_numpy(variants))).numpy()
    candidate = np.repeat(candidates(found.shape[1], [])[None], len(variants), axis=0)
    candidate[np.arange(len(variants))[:, None], variants] = False
    return wish.met(found, candidate), wish.gap(found, candidate)


def every(bundle: Bundle, history: np.ndarray, wish: Wish, threads: int) -> Outcome:
    """All single changes, then pairs of the best."""
    began, first, last = time.perf_counter(), 0, None
    for last in search_changes(bundle.model, bundle.catalogue, history, wish, threads=threads):
        if last.found and not first:
            first = last.tried + last.pairs_tried
    assert last is not None
    size = len(last.found[0].changes) if last.found else 0
    return Outcome(size, last.tried + last.pairs_tried, first, time.perf_counter() - began)


def greedy(bundle: Bundle, history: np.ndarray, wish: Wish) -> Outcome:
    """Leave out the item without which the wish is nearest, again and again, while two are left."""
    began, passes, left = time.perf_counter(), 0, history
    while len(left) > 1:
        variants = np.array([np.delete(left, i) for i in range(len(left))])
        met, gap = scores(bundle, variants, wish)
        passes += len(variants)
        best = int(np.where(met, np.inf, gap).argmax())
        left = variants[best]
        if met[best]:
            return Outcome(len(history) - len(left), passes, passes, time.perf_counter() - began)
    return Outcome(0, passes, 0, time.perf_counter() - began)


def at_random(bundle: Bundle, history: np.ndarray, wish: Wish, rng: np.random.Generator) -> Outcome:
    """Replace one item, or two, at random places by random others, until one does it."""
    began, passes = time.perf_counter(), 0
    others = np.flatnonzero(candidates(len(bundle.catalogue), [*history, *wish.rows]))
    for size in (1, 2):
        for _ in range(RANDOM_PASSES // 2 // 250):
            variants = np.repeat(history[None], 250, axis=0)
            for variant in variants:
                variant[rng.permutation(len(history))[:size]] = rng.choice(others, size, replace=False)
            met, _ = scores(bundle, variants, wish)
            if met.any():
                passes += int(met.argmax()) + 1
                return Outcome(size, passes, passes, time.perf_counter() - began)
            passes += 250
    return Outcome(0, passes, 0, time.perf_counter() - began)


def wishes(bundle: Bundle, history: np.ndarray) -> dict[str, Wish]:
    ranking = final_list(bundle.model, bundle.catalogue, history).ranking()
    return {
        "the fifth first": Wish("first", int(ranking[4])),
        "the first out of the top 10": Wish("out", int(ranking[0])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=500)
    parser.add_argument("--length", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bundle, rng = load(ROOT / "artifacts" / "planted"), np.random.default_rng(0)
    methods: dict[str, Callable[[np.ndarray, Wish], Outcome]] = {
        "every change, then pairs": lambda h, w: every(bundle, h, w, arguments.threads),
        "greedy removal": lambda h, w: greedy(bundle, h, w),
        "random edits": lambda h, w: at_random(bundle, h, w, rng),
    }
    began = time.perf_counter()
    outcomes: dict[tuple[str, str], list[Outcome]] = {}
    chosen = histories(bundle, arguments.histories, arguments.length)
    for done, history in enumerate(chosen):
        if done and done % 25 == 0:
            print(f"{done} of {len(chosen)} histories after {time.perf_counter() - began:.0f} s", file=sys.stderr)
        for name, wish in wishes(bundle, history).items():
            for method, search in methods.items():
                outcomes.setdefault((name, method), []).append(search(history, wish))
    print(f"{len(chosen)} histories of {arguments.length}, {arguments.threads} threads\n")
    print("| wish | method | success | mean size | passes | passes to the first answer | median seconds |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for (name, method), results in outcomes.items():
        found = [result for result in results if result.size]
        size = f"{np.mean([r.size for r in found]):.2f}" if found else "–"
        first = f"{np.mean([r.first for r in found]):,.0f}" if found else "–"
        print(
            f"| {name} | {method} | {len(found) / len(results):.1%} | {size} | "
            f"{np.mean([r.passes for r in results]):,.0f} | {first} | {np.median([r.seconds for r in results]):.2f} |"
        )


if __name__ == "__main__":
    main()
