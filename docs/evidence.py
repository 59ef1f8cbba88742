"""Runs the experiments of docs/evidence.md and writes its tables anew.

    python docs/evidence.py [--jobs 2] [--only TEXT] [--fresh | --tables]

What each run came to is kept in docs/evidence.jsonl, and a run that is there is not repeated; --fresh repeats it. A run
is one process with one thread; its checkpoint is kept in runs/evidence.

The figures are of version 0.1.0 as it stood at commit 2ac15ac, when the last of the runs was made. Since then the terms
and settings that no recipe uses have left `fame.make.guidance`: con, mos, div, start and held_out. The ideas of GONE
rest on them, so that they cannot be run again; their tables are written from docs/evidence.jsonl.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress

from fame.catalogue import Catalogue

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "evidence.jsonl", HERE / "evidence.md"
RECIPES = HERE.parent / "recipes"
RUNS = Path("runs/evidence")

SHORT = {"evidence": False, "maps": False}
SIMULATED: dict[str, Any] = {
    "model": {"dropout": 0.2},
    # No early stop: the cosine would not come down, and the gate is learnt after accuracy has stopped rising.
    "training": {"epochs": 10, "patience": 10},
    "data": {"planted": {"n_viewers": 6_000}},
}
# Three difficulties: how long a facet stays in force, how many films are noise, how many values a viewer prefers.
AUDIENCES: dict[str, dict[str, Any]] = {
    "easy": {"stickiness": 0.95, "noise": 0.0, "preferences": 1},
    "medium": {"stickiness": 0.9, "noise": 0.1, "preferences": 3},
    "hard": {"stickiness": 0.8, "noise": 0.3, "preferences": 3},
}
DIFFICULTIES = tuple(AUDIENCES)
AUDIENCES |= {f"{a}, 10,000 viewers": AUDIENCES[a] | {"n_viewers": 10_000} for a in ("medium", "hard")}
AUDIENCES["medium, other values"] = AUDIENCES["medium"] | {"choice": "random"}
# Few films have one director or actor, so that histories are short.
AUDIENCES["director and cast"] = AUDIENCES["medium"] | {
    "facets": ["director", "cast"], "shortest": 10, "longest": 20, "n_viewers": 12_000
}  # fmt: skip
AUDIENCES["four facets"] = AUDIENCES["director and cast"] | {"facets": ["genres", "director", "cast", "decade"]}
AUDIENCES["medium, eight values"] = AUDIENCES["medium"] | {"values": 8}
SMALL = {"d_model": 64, "n_layers": 2, "dropout": 0.1}
DATA: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: ("planted-plain", SIMULATED | {"data": {"planted": SIMULATED["data"]["planted"] | a}})
       for name, a in AUDIENCES.items()},
    "ml-1m": ("ml-1m-paper", {"model": SMALL, "training": {"epochs": 10}}),
    "beauty": ("beauty", {"model": {"d_model": 64, "dropout": 0.5}}),
}  # fmt: skip

BOTH = ["genres", "decade"]
SUP, EXCL, MI, TIE = {"sup": 0.1}, {"excl": 0.05}, {"mi": 0.03}, {"tie": 1.0}
NOISE, BALANCE = {"noise": 0.3}, {"balance": 1.0}
PRETRAINED = {"pretrain": 100}
TIED = {"heads": BOTH} | SUP | EXCL | TIE | MI
GUIDED = TIED | NOISE | BALANCE
BEST = GUIDED | PRETRAINED | {"sup": 0.5}  # the recipe of artifacts/planted
REAL = TIED | {"tie": 0.3}  # the recipe of artifacts/ml-1m-guided
OTHER_WEIGHTS = {
    "sup": (0.02, 0.5),
    "excl": (0.0, 0.3),
    "tie": (0.3, 3.0),
    "mi": (0.0, 0.1),
    "noise": (0.1, 0.5),
    "balance": (0.3, 3.0),
}
RARE = {"heads": ["director", "cast"], "least_items": 8}
FOUR = {"heads": ["genres", "director", "cast", "decade"], "least_items": 8}
WEIGHED = {f"{name} {w:g}": {"guidance": GUIDED | {name: w}} for name, ws in OTHER_WEIGHTS.items() for w in ws}
# Experts that are preferences: what recipes/ml-1m.toml sets beside the paper's form.
WIDE = {"head_width": 64, "facet_mlp": 1, "anchors": 1.0}
APART = {"start": "log", "compete": 0.1, "mask_seen": True}
# Ideas of an earlier version: see above.
GONE = (
    "sup, excl, mos, mi", "con, excl, tie, mi", "con 0.03, excl, tie, mi", "con 0.3, excl, tie, mi", "mos 0.05",
    "mos 0.2", "start 1", "start 6", "guided, undecided start", "plain, div 0.1", "guided, a fifth held out",
    "guided, a fifth held out, dealt at random", "real, a fifth held out",
)  # fmt: skip
IDEAS: dict[str, dict[str, Any]] = {
    "SASRec": {"model": {"variant": "sasrec"}},
    "plain": {},
    "sup": {"guidance": {"heads": BOTH} | SUP},
    "sup, excl": {"guidance": {"heads": BOTH} | SUP | EXCL},
    "tie": {"guidance": {"heads": BOTH} | TIE},
    "sup, excl, tie": {"guidance": {"heads": BOTH} | SUP | EXCL | TIE},
    "sup, excl, tie, mi": {"guidance": TIED},
    "sup, excl, tie, mi, noise": {"guidance": TIED | NOISE},
    "guided": {"guidance": GUIDED},
    "guided, two free heads": {"guidance": GUIDED, "model": {"n_heads": 4}},
    "pretrained": {"guidance": {"heads": BOTH} | PRETRAINED},
    "pretrained, tie": {"guidance": {"heads": BOTH} | PRETRAINED | TIE},
    "guided, pretrained": {"guidance": GUIDED | PRETRAINED},
    "guided, pretrained, sup 0.5": {"guidance": BEST},
    "guided by director and cast": {"guidance": GUIDED | RARE},
    "real": {"guidance": REAL},
    "real, balance": {"guidance": REAL | BALANCE},
    "real, four attributes": {"guidance": REAL | FOUR | {"heads": [*BOTH, "director", "cast"]}},
    "plain, four heads": {"model": {"n_heads": 4}},
    "guided by all four": {"guidance": GUIDED | FOUR, "model": {"n_heads": 4}},
    "plain, eight experts": {"model": {"n_experts": 8}},
    "guided, eight experts": {"guidance": GUIDED, "model": {"n_experts": 8}},
    "real, director and cast": {"guidance": REAL | RARE},
    "real, all attributes": {"guidance": REAL | {"heads": ["attributes"], "sup": 0.02, "excl": 0.0}},
    "plain, mi 0.03": {"guidance": MI},
    **WEIGHED,
    "sup, excl, tie, mi, balance": {"guidance": TIED | BALANCE},
    "anchors": {"model": WIDE, "training": APART},
    "anchors, compete 0.3": {"model": WIDE, "training": APART | {"compete": 0.3}},
    "anchors, compete 1": {"model": WIDE, "training": APART | {"compete": 1.0}},
    "anchors, compete 1, random start": {"model": WIDE, "training": APART | {"compete": 1.0, "start": "random"}},
    "anchors, guided": {"model": WIDE, "training": APART, "guidance": BEST},
}
PLAIN = ("plain", "plain, four heads", "plain, eight experts")
BUNDLES = ("ml-1m", "ml-1m-paper", "ml-1m-guided", "planted", "planted-plain")
FIVE, THREE, LATE = range(5), range(3), range(5, 8)
BY_TERM = (
    "SASRec", "plain", "sup", "sup, excl", "sup, excl, mos, mi", "tie", "sup, excl, tie", "sup, excl, tie, mi",
    "sup, excl, tie, mi, noise", "con, excl, tie, mi", "guided", "guided, two free heads",
    "guided, undecided start", "pretrained", "pretrained, tie", "guided, pretrained",
    "guided, pretrained, sup 0.5", "guided by director and cast",
    "plain, div 0.1", "plain, mi 0.03",
)  # fmt: skip
OTHER_AUDIENCES = {
    "medium, other values": ("plain", "guided"),
    "medium, eight values": ("plain, eight experts", "guided", "guided, eight experts"),
    "director and cast": ("plain", "guided by director and cast"),
    "four facets": ("plain, four heads", "guided by all four"),
}
BY_WEIGHT = (
    "guided", "sup 0.02", "sup 0.5", "excl 0", "excl 0.3", "tie 0.3", "tie 3", "mi 0", "mi 0.1", "noise 0.1",
    "noise 0.5", "mos 0.05", "mos 0.2", "balance 0.3", "balance 3", "start 1", "start 6", "con 0.03, excl, tie, mi",
    "con 0.3, excl, tie, mi", "con, excl, tie, mi",
)  # fmt: skip
HELD_OUT = ("guided, a fifth held out", "guided, a fifth held out, dealt at random")
STUDIES: dict[str, list[tuple[str, str, int]]] = {
    "difficulties": [(a, i, s) for a in DIFFICULTIES for i in ("SASRec", "plain", "guided") for s in FIVE],
    "late": [(a, i, s) for a in DIFFICULTIES for i in ("guided", "guided, pretrained, sup 0.5") for s in LATE],
    "audiences": [(a, i, s) for a, ideas in OTHER_AUDIENCES.items() for i in ideas for s in THREE],
    "noise": [
        ("hard", f"sup, excl, tie, mi{more}", s) for more in ("", ", noise", ", balance") for s in THREE
    ] + [("hard", "guided", s) for s in THREE],
    "held out": [("medium", i, s) for i in HELD_OUT for s in THREE] + [("ml-1m", "real, a fifth held out", 0)],
    "planted": [("medium", i, s) for i in BY_TERM for s in THREE],
    "ml-1m": [("ml-1m", i, s) for i in ("SASRec", "plain", "real") for s in THREE]
    + [
        ("ml-1m", i, 0)
        for i in (
            "sup, excl, mos, mi", "sup, excl, tie, mi", "real, balance", "real, four attributes",
            "real, director and cast", "plain, div 0.1",
        )
    ],
    "beauty": [("beauty", i, s) for i in ("SASRec", "plain", "real, all attributes") for s in THREE],
    "viewers": [(a, "guided, pretrained, sup 0.5", s) for a in AUDIENCES if "viewers" in a for s in THREE],
    "weights": [("medium", i, s) for i in BY_WEIGHT for s in THREE],
    "anchors": [(a, i, 0) for a in ("easy", "medium") for i in IDEAS if i == "plain" or "anchors" in i],
}  # fmt: skip
PROBED = {key for study in ("held out", "planted", "weights", "ml-1m", "beauty") for key in STUDIES[study]}


def run_name(data: str, idea: str) -> str:
    return re.sub(r"[^\w-]+", "-", f"{data}-{idea}")


# --- one run ------------------------------------------------------------------------------------------


def run(data: str, idea: str, seed: int) -> dict[str, Any]:
    """Train under an idea and measure: metrics, entropies, probes of the heads' spaces, and recovery where there is
    a truth."""
    from fame.make.card import usage
    from fame.make.evaluate import ranks, summarise
    from fame.make.prepare import prepare
    from fame.make.probes.config import ProbeConfig
    from fame.make.probes.gather import evidence
    from fame.make.probes.items import head_spaces
    from fame.make.recipe import Recipe, load_recipe, merged
    from fame.make.runs import SILENT, learn
    from fame.make.train import launched

    torch.set_num_threads(1)
    name, changes = DATA[data]
    changes = merged(merged(SHORT, changes), IDEAS[idea])
    changes = merged(changes, {"name": run_name(data, idea), "training": {"seed": seed}})
    if data in AUDIENCES:
        changes = merged(changes, {"data": {"planted": {"seed": seed}}})
    recipe: Recipe = load_recipe(RECIPES / f"{name}.toml", changes)
    prepared = prepare(recipe)
    catalogue = prepared.catalogue
    model, epochs = learn(recipe, prepared, launched(), RUNS, False, SILENT)
    began = time.perf_counter()
    row: dict[str, Any] = {"data": data, "idea": idea, "seed": seed, "seconds": sum(e.seconds for e in epochs)}
    best = max(e.valid["NDCG@10"] for e in epochs)
    rank = ranks(model, prepared.split.test)
    row |= {"epochs": len(epochs), "valid NDCG@10": best} | summarise(rank)
    if recipe.model.variant == "fame":
        used = usage(model, prepared.split.test.histories)
        assert used is not None
        row |= {"gate entropy": used.gate_entropy, "gate mean": used.gate_mean.tolist()}
        row |= {"gate std": used.gate_std.tolist(), "router entropy": used.router_entropy.tolist()}
    if (data, idea, seed) in PROBED and recipe.model.variant == "sasrec":
        row["attributes"] = list(catalogue.attributes)
        row["probe ap"] = precision(head_spaces(model)[1], catalogue, row["attributes"], seed)
    elif (data, idea, seed) in PROBED:
        # Coarser than a bundle's: means are told here, and no p-value.
        config = ProbeConfig(permutations=2, projections=40, bootstraps=2)
        histories = prepared.split.test.histories
        found = evidence(model, catalogue, histories, prepared.counts, seed, config=config)
        row["router std"] = found["experts"]["router_entropy_std"]
        row["dead"] = int(sum(map(sum, found["experts"]["dead"])))
        if found["probes"]:
            row["attributes"] = [a["name"] for a in found["attributes"]]
            row |= {f"probe {k}": found["probes"][k] for k in ("ap", "null", "random", "full")}
    if data in AUDIENCES:
        row |= recovered(recipe, catalogue, model, seed)
    return row | {"measured in": time.perf_counter() - began}


def precision(spaces: np.ndarray, catalogue: Catalogue, attributes: Sequence[str], seed: int) -> list[list[float]]:
    """Average precision of a probe out of fold, mean over an attribute's common values, of spaces [S,V,k]: [S][A]."""
    from fame.make.probes.statistics import average_precision, out_of_fold, stratified_folds

    table = []
    for space in spaces:
        line = []
        for name in attributes:
            has = catalogue.attribute(name).matrix
            has = has[1:, has.sum(0) >= 8][:, :18]
            scores = out_of_fold(space[1:], has, stratified_folds(has, 5, np.random.default_rng(seed)), 1.0)
            line.append(float(np.mean(average_precision(scores, has))))
        table.append(line)
    return table


def recovered(recipe: Any, catalogue: Any, model: Any, seed: int) -> dict[str, Any]:
    """What gate and router tell of the truth about viewers that the model has not met, beside both observers."""
    from fame.make.recovery import recovery
    from fame.make.simulate import bayes_filter, simulate

    viewers = replace(recipe.data.planted, n_viewers=500)
    audience = simulate(catalogue, viewers, audience=1)
    told = recovery(model, catalogue, audience, seed=seed)
    learning = bayes_filter(catalogue, viewers, audience.sequences)
    named = {name: h for h, name in enumerate(recipe.guidance.heads) if name in viewers.facets}
    fair = recovery(model, catalogue, audience, learning, seed=seed, named=named)
    kept: tuple[str, ...] = ("accuracy", "margin", "constant", "control", "control_high", "probe", "probe_states")
    kept += ("information", "control_information", "ceiling_information")
    row: dict[str, Any] = {}
    for name in ("gate", "gate_relative"):
        row |= {f"{name} {k}": fair[name][k] for k in kept}
        row |= {f"{name} ceiling": fair[name]["ceiling"], f"{name} ceiling told": told[name]["ceiling"]}
    for name in ("router", "router_relative", "router_named"):
        if f"{name}_accuracy" in fair:
            row |= {f"{name} accuracy": fair[f"{name}_accuracy"], f"{name} ceiling": fair[f"{name}_ceiling"]}
            if name in told:
                row |= {f"{name} ceiling told": told[f"{name}_ceiling"]}
            row |= {f"{name} {facet}": score for facet, score in fair[name].items()}
    return row


# --- all of them --------------------------------------------------------------------------------------

Key = tuple[str, str, int]


def child(key: Key) -> dict[str, Any]:
    """A run in a process of its own, with one thread."""
    one = [sys.executable, __file__, "--one", *map(str, key)]
    done = subprocess.run(one, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, key))}: {done.stderr[-2000:]}")
    return rounded(json.loads(done.stdout.strip().splitlines()[-1]))


def rounded(value: Any) -> Any:
    """The same with four decimals; what is not a number is null, as JSON has none."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return value


def known() -> dict[Key, dict[str, Any]]:
    """The runs that are done."""
    if not RESULTS.exists():
        return {}
    rows = map(json.loads, RESULTS.read_text(encoding="utf-8").splitlines())
    return {(r["data"], r["idea"], r["seed"]): r for r in rows}


def keep(rows: dict[Key, dict[str, Any]]) -> None:
    RESULTS.write_text("".join(json.dumps(rows[k]) + "\n" for k in sorted(rows)), encoding="utf-8")


# --- tables -------------------------------------------------------------------------------------------

Rows = list[dict[str, Any]]


def over_seeds(rows: Rows, value: Callable[[dict[str, Any]], float | None], digits: int = 2) -> str:
    """Mean and, of several seeds, standard deviation, as text; a dash where there is nothing."""
    found = [v for v in map(value, rows) if v is not None]
    if not found:
        return "–"
    mean = f"{statistics.mean(found):.{digits}f}"
    return f"{mean} ± {statistics.stdev(found):.{digits}f}" if len(found) > 1 else mean


Value = Callable[[dict[str, Any]], float | None]


def plain(name: str) -> Value:
    return lambda r: r.get(name)


def part(a: str, b: str) -> Value:
    """The ratio of two figures of a row."""
    return lambda r: r[a] / r[b] if a in r and b in r else None


def above(name: str) -> Value:
    """Which part of what the observer has beyond the best constant answer, the gate or router has too."""
    return lambda r: (
        (r[f"{name} accuracy"] - r[f"{name} constant"]) / (r[f"{name} ceiling"] - r[f"{name} constant"])
        if f"{name} accuracy" in r
        else None
    )


def mean_of(name: str) -> Value:
    return lambda r: statistics.mean(r[name]) if name in r else None


def by_facet(r: dict[str, Any]) -> dict[str, float]:
    """Means over a run's facets of what is known of its routers, weighted by their steps, as 'router …'."""
    facets = [v for k, v in r.items() if k.startswith("router ") and isinstance(v, dict)]
    steps = sum(f["steps"] for f in facets)
    names = ("constant", "control_high", "information", "ceiling_information")
    return {f"router {n}": sum(f[n] * f["steps"] for f in facets) / steps for n in names} if steps else {}


def completed(rows: dict[Key, dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    """The runs with what follows from them and from others: the observer's information is the same for every idea, and
    accuracy is held against the plain model's of the same seed, which is of the same audience."""
    told = {
        (r["data"], r["seed"]): r["gate ceiling_information"] for r in rows.values() if "gate ceiling_information" in r
    }
    plain = {(r["data"], r["seed"]): r["NDCG@20"] for r in rows.values() if r["idea"] in PLAIN}
    known = {}
    for key, r in rows.items():
        at = r["data"], r["seed"]
        more = by_facet(r)
        if at in told and "gate accuracy" in r:
            more["gate ceiling_information"] = told[at]
        if at in plain and r["idea"] not in PLAIN:
            more["NDCG@20 less plain's"] = r["NDCG@20"] - plain[at]
        known[key] = r | more
    return known


def guided(r: dict[str, Any]) -> list[tuple[int, int]]:
    """The guided heads of a run and their attributes, as places in its probes; of a plain run those that guided ones of
    the same data have."""
    known = r["attributes"] if "probe ap" in r else []
    heads = IDEAS.get(r["idea"], {}).get("guidance", {}).get("heads", BOTH if "genres" in known else known)
    return [(h, known.index(a)) for h, a in enumerate(heads) if a in known]


def own(r: dict[str, Any]) -> float | None:
    """Average precision of the guided heads' own attributes."""
    return statistics.mean(r["probe ap"][h][a] for h, a in guided(r)) if guided(r) else None


def gain(r: dict[str, Any]) -> float | None:
    """… less that of random spaces of the same model."""
    pairs = guided(r) if "probe random" in r else []
    return statistics.mean(r["probe ap"][h][a] - r["probe random"][a] for h, a in pairs) if pairs else None


def least_gain(r: dict[str, Any]) -> float | None:
    """The smallest gain of a guided head."""
    pairs = guided(r) if "probe random" in r else []
    return min((r["probe ap"][h][a] - r["probe random"][a] for h, a in pairs), default=None)


def others(r: dict[str, Any]) -> float | None:
    """Average precision of the other guided heads' attributes in a guided head's space."""
    found = [r["probe ap"][h][b] for h, a in guided(r) for _, b in guided(r) if a != b]
    return statistics.mean(found) if found else None


def unseen(name: str) -> Value:
    """A figure of the items whose attributes were held out, for the guided heads' own ones."""

    def value(r: dict[str, Any]) -> float | None:
        if f"unseen {name}" not in r:
            return None
        found = r[f"unseen {name}"]
        return statistics.mean((found[h][a] if name == "ap" else found[a]) for h, a in guided(r))

    return value


Column = tuple[str, Value, int]
GATE: list[Column] = [
    ("gate", plain("gate accuracy"), 2),
    ("constant", plain("gate constant"), 2),
    ("shuffled", plain("gate control_high"), 2),
    ("observer", plain("gate ceiling"), 2),
    ("of observer's", part("gate accuracy", "gate ceiling"), 2),
    ("beyond chance", above("gate"), 2),
    ("relative, beyond chance", above("gate_relative"), 2),
    ("information, of observer's", part("gate information", "gate ceiling_information"), 2),
    ("probe of gate", plain("gate probe"), 2),
    ("of states", plain("gate probe_states"), 2),
]
ROUTER: list[Column] = [
    ("router", plain("router accuracy"), 2),
    ("constant", plain("router constant"), 2),
    ("shuffled", plain("router control_high"), 2),
    ("observer", plain("router ceiling"), 2),
    ("of observer's", part("router accuracy", "router ceiling"), 2),
    ("beyond chance", above("router"), 2),
    ("information, of observer's", part("router information", "router ceiling_information"), 2),
]
SHARES: list[Column] = [
    ("gate, of observer's", part("gate accuracy", "gate ceiling"), 2),
    ("beyond chance", above("gate"), 2),
    ("relative", above("gate_relative"), 2),
    ("router, of observer's", part("router accuracy", "router ceiling"), 2),
    ("beyond chance", above("router"), 2),
]
HELD: list[Column] = [
    ("own AP, out of fold", lambda r: own(r), 2),
    ("own AP, held-out items", unseen("ap"), 2),
    ("random spaces, held-out items", unseen("random"), 2),
    ("full embedding, held-out items", unseen("full"), 2),
]
ACCURACY: list[Column] = [
    ("NDCG@20", plain("NDCG@20"), 4),
    ("less plain's", plain("NDCG@20 less plain's"), 4),
]
QUALITY: list[Column] = [
    *ACCURACY,
    ("HR@10", plain("HR@10"), 4),
    ("gate entropy", plain("gate entropy"), 2),
    ("router entropy", mean_of("router entropy"), 2),
    ("… its sd", mean_of("router std"), 2),
]
PROBES: list[Column] = [
    ("own AP", own, 2),
    ("gain", gain, 2),
    ("other's AP", others, 2),
]


def table(rows: Rows, by: Sequence[str], columns: Sequence[Column]) -> str:
    """Markdown: a line for each value of `by`, in the order of the rows."""
    if not rows:
        return "*Not run yet.*"
    groups: dict[tuple[str, ...], Rows] = {}
    for r in rows:
        groups.setdefault(tuple(r[b] for b in by), []).append(r)
    head = [*by, "seeds", *(name for name, _, _ in columns)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(by) + "---:|" * (len(head) - len(by))]
    for group, of in groups.items():
        cells = [*group, str(len(of)), *(over_seeds(of, value, digits) for _, value, digits in columns)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def targets(rows: dict[Key, dict[str, Any]]) -> str:
    """Markdown: what was aimed at, and how far each kind of model came, over all seeds."""
    of: dict[tuple[str, str], Rows] = {}
    for (data, idea, _), r in sorted(rows.items()):
        of.setdefault((data, idea), []).append(r)
    real = {"ml-1m": "real", "beauty": "real, all attributes"}
    asked: list[tuple[str, Value, int, Sequence[str]]] = [
        ("gate, of the observer's accuracy: .95", part("gate accuracy", "gate ceiling"), 2,
         ("plain", "guided", "best")),
        ("router, of the observer's accuracy: .80", part("router accuracy", "router ceiling"), 2,
         ("plain", "guided", "best")),
        ("least gain of a guided head over random spaces: +.25", least_gain, 2, ("guided", "best")),
        ("NDCG@20 less plain's, same seed: not clearly below 0", plain("NDCG@20 less plain's"), 4, ("guided", "best")),
    ]  # fmt: skip
    lines = ["| aim | model | " + " | ".join([*DIFFICULTIES, *real]) + " |", "|---|---|" + "---:|" * 5]
    for aim, value, digits, kinds in asked:
        for kind in kinds:
            simulated = "guided, pretrained, sup 0.5" if kind == "best" else kind
            found = [of.get((a, simulated), []) for a in DIFFICULTIES]
            found += [
                of.get((a, kind if kind == "plain" else idea), []) if kind != "best" else [] for a, idea in real.items()
            ]
            lines.append(f"| {aim} | {simulated} | " + " | ".join(over_seeds(f, value, digits) for f in found) + " |")
    return "\n".join(lines)


def bundles() -> str:
    """Markdown: what each bundle's evidence.json says of heads and experts as a whole."""
    lines = [
        "| bundle | disentanglement | completeness | likeness of heads (CKA) | of their lists (RBO) | gate entropy |"
        " router entropy | divergence of experts, bits | dead experts | lifts, q < .05 |",
        "|---|" + "---:|" * 9,
    ]
    for name in BUNDLES:
        found = json.loads((HERE.parent / "artifacts" / name / "evidence.json").read_text(encoding="utf-8"))
        dci, alike, used, gate = found["dci"], found["redundancy"], found["experts"], found["gate"]
        H, N = np.shape(used["dead"])
        heads, experts = ~np.eye(H, dtype=bool), ~np.eye(N, dtype=bool)
        q = np.array([x for head in used["lift_q"] for expert in head for by in expert for x in by], float)
        cells = [
            f"{dci['disentanglement']:.3f} (random {dci['random_disentanglement']:.3f})",
            f"{dci['completeness']:.3f} ({dci['random_completeness']:.3f})",
            f"{np.mean(np.array(alike['cka'])[heads]):.2f} ({alike['cka_random']:.2f})",
            f"{np.mean(np.array(found['lists']['rbo'])[:H, :H][heads]):.2f}",
            f"{gate['entropy']:.2f} ± {gate['entropy_std']:.2f}",
            f"{np.mean(used['router_entropy']):.2f} ± {np.mean(used['router_entropy_std']):.2f}",
            f"{np.mean(np.array(used['divergence'])[:, experts]):.2f}",
            f"{int(np.sum(used['dead']))} of {H * N}",
            f"{int((q < 0.05).sum())} of {int(np.isfinite(q).sum())}",
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def matrix(name: str) -> str:
    """The probes of a bundle's evidence.json: heads × attributes, beside what they are held against."""
    found = json.loads((HERE.parent / "artifacts" / name / "evidence.json").read_text(encoding="utf-8"))
    probes, names = found["probes"], [a["name"] for a in found["attributes"]]
    lines = ["| | " + " | ".join(names) + " | verdict |", "|---|" + "---:|" * len(names) + "---|"]
    for h, (ap, q) in enumerate(zip(probes["ap"], probes["q_random"], strict=True)):
        cells = [f"{x:.2f}" + ("*" if significant < 0.05 else "") for x, significant in zip(ap, q, strict=True)]
        lines.append(f"| head {h + 1} | " + " | ".join(cells) + f" | {found['verdicts'][h]['verdict']} |")
    for label, key in (
        ("chance", "null"),
        ("random space of that width", "random"),
        ("slices of a SASRec, mean", "baseline"),
        ("popularity", "popularity"),
        ("full embedding", "full"),
    ):
        if probes[key]:
            figures = np.mean(np.atleast_2d(probes[key]), 0)
            lines.append(f"| {label} | " + " | ".join(f"{x:.2f}" for x in figures) + " | |")
    return "\n".join(lines)


def write_tables(rows: dict[Key, dict[str, Any]]) -> None:
    """Every table of the page between its two marks."""
    page = PAGE.read_text(encoding="utf-8")
    rows = completed(rows)

    def those(study: str) -> Rows:
        return [rows[k] for k in STUDIES[study] if k in rows]

    by = ["data", "idea"]
    tables = {
        "targets": targets(rows),
        "bundles": bundles(),
        "gates": table(those("difficulties"), by, GATE),
        "routers": table(those("difficulties"), by, [*ROUTER, *ACCURACY]),
        "late": table(those("late"), by, [*SHARES, *ACCURACY]),
        "audiences": table(those("audiences"), by, [*SHARES, *ACCURACY]),
        "viewers": table(those("viewers"), ["data"], [*SHARES, *ACCURACY]),
        "noise": table(those("noise"), ["idea"], [*SHARES, *ACCURACY]),
        "held out": table(those("held out"), by, [*SHARES, *HELD, *ACCURACY]),
        "planted": table(those("planted"), ["idea"], [*SHARES, *QUALITY, *PROBES]),
        "anchors": table(those("anchors"), by, [*SHARES, *ACCURACY]),
        "weights": table(those("weights"), ["idea"], [*SHARES, *ACCURACY, *PROBES]),
        "ml-1m": table(those("ml-1m"), ["idea"], [*QUALITY, *PROBES]),
        "beauty": table(those("beauty"), ["idea"], [*QUALITY, *PROBES]),
    }
    for bundle in BUNDLES:
        if (HERE.parent / "artifacts" / bundle / "evidence.json").exists():
            tables[f"bundle {bundle}"] = matrix(bundle)
    for name, text in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end {name} -->"
        before, found, rest = page.partition(begin)
        if not found:
            continue
        page = before + begin + text + "\n" + end + rest.partition(end)[2]
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument("--only", default="", help="only runs whose 'data idea seed' has this text")
    parser.add_argument("--tables", action="store_true", help="run nothing, write the tables of the runs that are done")
    parser.add_argument("--fresh", action="store_true", help="repeat runs that are done")
    parser.add_argument("--one", nargs=3, metavar=("DATA", "IDEA", "SEED"), help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.one:
        print(json.dumps(run(a.one[0], a.one[1], int(a.one[2]))))
        return
    rows = known()
    wanted = [
        k for k in dict.fromkeys(k for study in STUDIES.values() for k in study) if a.only in " ".join(map(str, k))
    ]
    todo = [k for k in wanted if k[1] not in GONE and (a.fresh or k not in rows) and not a.tables]
    todo.sort(key=lambda key: key[2])  # one seed of everything first
    if a.fresh:
        for data, idea, _ in todo:
            shutil.rmtree(RUNS / run_name(data, idea), ignore_errors=True)
    failed = []
    with ThreadPoolExecutor(a.jobs) as pool, Progress() as bar:
        task = bar.add_task("runs", total=len(todo))
        futures = {pool.submit(child, k): k for k in todo}
        for future in as_completed(futures):
            try:
                rows[futures[future]] = future.result()
                keep(rows)
            except RuntimeError as error:
                failed.append(str(error))
                bar.console.print(error, style="red", markup=False)
            bar.advance(task)
    write_tables(rows)
    if failed:
        sys.exit(f"{len(failed)} of {len(todo)} runs failed: see above; the others are kept")


if __name__ == "__main__":
    main()
