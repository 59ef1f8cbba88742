"""Runs the experiments of docs/evidence.md and writes its tables anew.

    python docs/evidence.py [--jobs 2] [--only TEXT] [--fresh | --tables]

What each run came to is kept in docs/evidence.jsonl, and a run that is there is not repeated; --fresh repeats it. A run
is one process with one thread; its checkpoint is kept in runs/evidence.
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

from rich.progress import Progress

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "evidence.jsonl", HERE / "evidence.md"
RECIPES = HERE.parent / "recipes"
RUNS = Path("runs/evidence")

SHORT = {"evidence": False, "maps": False}
SIMULATED: dict[str, Any] = {
    "model": {"dropout": 0.2},
    "training": {"epochs": 10},
    "data": {"planted": {"n_viewers": 6_000}},
}
# Three difficulties: how long a facet stays in force, how many films are noise, how many values a viewer prefers.
AUDIENCES: dict[str, dict[str, Any]] = {
    "easy": {"stickiness": 0.95, "noise": 0.0, "preferences": 1},
    "medium": {"stickiness": 0.9, "noise": 0.1, "preferences": 3},
    "hard": {"stickiness": 0.8, "noise": 0.3, "preferences": 3},
}
AUDIENCES |= {f"{a}, 10,000 viewers": AUDIENCES[a] | {"n_viewers": 10_000} for a in ("medium", "hard")}
SMALL = {"d_model": 64, "n_layers": 2, "dropout": 0.1}
DATA: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: ("planted-plain", SIMULATED | {"data": {"planted": SIMULATED["data"]["planted"] | a}})
       for name, a in AUDIENCES.items()},
    "ml-1m": ("ml-1m", {"model": SMALL, "training": {"epochs": 10}}),
    "beauty": ("beauty", {}),
}  # fmt: skip

BOTH = ["genres", "decade"]
SUP, EXCL, MOS, MI, TIE = {"sup": 0.1}, {"excl": 0.05}, {"mos": 0.05}, {"mi": 0.03}, {"tie": 1.0}
NOISE, BALANCE, CON = {"noise": 0.3}, {"balance": 1.0}, {"con": 0.1}
TIED = {"heads": BOTH} | SUP | EXCL | TIE | MI
GUIDED = TIED | NOISE | BALANCE  # the recipe of artifacts/planted
REAL = TIED | {"tie": 0.3}  # the recipe of artifacts/ml-1m-guided
IDEAS: dict[str, dict[str, Any]] = {
    "SASRec": {"model": {"variant": "sasrec"}},
    "plain": {},
    "sup": {"guidance": {"heads": BOTH} | SUP},
    "sup, excl": {"guidance": {"heads": BOTH} | SUP | EXCL},
    "sup, excl, mos, mi": {"guidance": {"heads": BOTH} | SUP | EXCL | MOS | MI},
    "tie": {"guidance": {"heads": BOTH} | TIE},
    "sup, excl, tie": {"guidance": {"heads": BOTH} | SUP | EXCL | TIE},
    "sup, excl, tie, mi": {"guidance": TIED},
    "sup, excl, tie, mi, noise": {"guidance": TIED | NOISE},
    "con, excl, tie, mi": {"guidance": {"heads": BOTH} | CON | EXCL | TIE | MI},
    "guided": {"guidance": GUIDED},
    "guided, two free heads": {"guidance": GUIDED, "model": {"n_heads": 4}},
    "real": {"guidance": REAL},
    "real, balance": {"guidance": REAL | BALANCE},
    "real, four attributes": {"guidance": REAL | {"heads": ["genres", "decade", "director", "cast"], "least_items": 8}},
    "real, all attributes": {"guidance": REAL | {"heads": ["attributes"], "sup": 0.02, "excl": 0.0}},
}
BUNDLES = ("ml-1m", "ml-1m-guided", "planted", "planted-plain")
FIVE, THREE = range(5), range(3)
SHOWN = ("SASRec", "plain", "sup, excl, tie, mi", "guided")
STUDIES: dict[str, list[tuple[str, str, int]]] = {
    "difficulties": [(a, i, s) for a in ("easy", "medium", "hard") for i in SHOWN for s in FIVE],
    "viewers": [(a, "guided", s) for a in AUDIENCES if "viewers" in a for s in THREE],
    "planted": [("medium", i, s) for i in IDEAS if not i.startswith("real") for s in THREE],
    "ml-1m": [
        *[("ml-1m", i, s) for i in ("plain", "real") for s in THREE],
        *[
            ("ml-1m", i, 0)
            for i in ("sup, excl, mos, mi", "sup, excl, tie, mi", "real, balance", "real, four attributes")
        ],
    ],
    "beauty": [("beauty", i, 0) for i in ("SASRec", "plain", "real, all attributes")],
}


def run_name(data: str, idea: str) -> str:
    return re.sub(r"[^\w-]+", "-", f"{data}-{idea}")


# --- one run ------------------------------------------------------------------------------------------


def run(data: str, idea: str, seed: int) -> dict[str, Any]:
    """Train under an idea and measure: metrics, entropies, probes of the heads' spaces, and recovery where there is
    a truth."""
    import torch

    from fame.card import usage
    from fame.evaluate import ranks, summarise
    from fame.probes import ProbeConfig, evidence
    from fame.recipe import SILENT, Recipe, learn, load_recipe, merged, prepare
    from fame.train import launched

    torch.set_num_threads(1)
    name, changes = DATA[data]
    changes = merged(merged(SHORT, changes), IDEAS[idea])
    changes = merged(changes, {"name": run_name(data, idea), "training": {"seed": seed}})
    if data in AUDIENCES:
        changes = merged(changes, {"data": {"planted": {"seed": seed}}})
    recipe: Recipe = load_recipe(RECIPES / f"{name}.toml", changes)
    prepared = prepare(recipe)
    began = time.perf_counter()
    model, epochs = learn(recipe, prepared, launched(), RUNS, False, SILENT)
    row: dict[str, Any] = {"data": data, "idea": idea, "seed": seed, "seconds": sum(e.seconds for e in epochs)}
    best = max(e.valid["NDCG@10"] for e in epochs)
    rank = ranks(model, prepared.split.test)
    row |= {"epochs": len(epochs), "valid NDCG@10": best} | summarise(rank)
    if recipe.model.variant == "fame":
        used = usage(model, prepared.split.test.histories)
        assert used is not None
        row |= {"gate entropy": used.gate_entropy, "gate mean": used.gate_mean.tolist()}
        row |= {"gate std": used.gate_std.tolist(), "router entropy": used.router_entropy.tolist()}
    if recipe.model.variant == "fame" and (data, idea, seed) in STUDIES[data if data in STUDIES else "planted"]:
        # Coarser than a bundle's: means are told here, and no p-value.
        config = ProbeConfig(permutations=2, projections=40, bootstraps=2)
        histories = prepared.split.test.histories
        found = evidence(model, prepared.catalogue, histories, prepared.counts, seed, config=config)
        row["router std"] = found["experts"]["router_entropy_std"]
        row["dead"] = int(sum(map(sum, found["experts"]["dead"])))
        if found["probes"]:
            row["attributes"] = [a["name"] for a in found["attributes"]]
            row |= {f"probe {k}": found["probes"][k] for k in ("ap", "null", "random", "full")}
    if data in AUDIENCES:
        row |= recovered(recipe, prepared.catalogue, model, seed)
    return row | {"measured in": time.perf_counter() - began - row["seconds"]}


def recovered(recipe: Any, catalogue: Any, model: Any, seed: int) -> dict[str, Any]:
    """What gate and router tell of the truth about viewers that the model has not met, beside both observers."""
    from fame.planted import bayes_filter, simulate
    from fame.recovery import recovery

    viewers = replace(recipe.data.planted, n_viewers=500)
    audience = simulate(catalogue, viewers, audience=1)
    told = recovery(model, catalogue, audience, seed=seed)
    fair = recovery(model, catalogue, audience, bayes_filter(catalogue, viewers, audience.sequences), seed=seed)
    kept = ("accuracy", "margin", "constant", "control", "control_high", "information", "probe", "probe_states")
    row: dict[str, Any] = {}
    for name in ("gate", "gate_relative"):
        row |= {f"{name} {k}": fair[name][k] for k in kept}
        row |= {f"{name} ceiling": fair[name]["ceiling"], f"{name} ceiling told": told[name]["ceiling"]}
    for name in ("router", "router_relative"):
        if f"{name}_accuracy" in fair:
            row |= {f"{name} accuracy": fair[f"{name}_accuracy"], f"{name} ceiling": fair[f"{name}_ceiling"]}
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
    """The same with four decimals."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return round(value, 4) if isinstance(value, float) else value


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


def part(a: str, b: str) -> Callable[[dict[str, Any]], float | None]:
    """The ratio of two figures of a row."""
    return lambda r: r[a] / r[b] if a in r else None


def mean_of(name: str) -> Callable[[dict[str, Any]], float | None]:
    return lambda r: statistics.mean(r[name]) if name in r else None


def guided(r: dict[str, Any]) -> list[tuple[int, int]]:
    """The guided heads of a run and their attributes, as places in its probes; of a plain run those that guided ones of
    the same data have."""
    known = r["attributes"] if "probe ap" in r else []
    heads = IDEAS[r["idea"]].get("guidance", {"heads": BOTH if "genres" in known else known})["heads"]
    return [(h, known.index(a)) for h, a in enumerate(heads) if a in known]


def own(r: dict[str, Any]) -> float | None:
    """Average precision of the guided heads' own attributes."""
    return statistics.mean(r["probe ap"][h][a] for h, a in guided(r)) if guided(r) else None


def gain(r: dict[str, Any]) -> float | None:
    """… less that of random spaces of the same model."""
    return statistics.mean(r["probe ap"][h][a] - r["probe random"][a] for h, a in guided(r)) if guided(r) else None


def others(r: dict[str, Any]) -> float | None:
    """Average precision of the other guided heads' attributes in a guided head's space."""
    found = [r["probe ap"][h][b] for h, a in guided(r) for _, b in guided(r) if a != b]
    return statistics.mean(found) if found else None


Column = tuple[str, Callable[[dict[str, Any]], float | None], int]
RECOVERED: list[Column] = [
    ("gate", lambda r: r.get("gate accuracy"), 2),
    ("… of ceiling", part("gate accuracy", "gate ceiling"), 2),
    ("relative gate", lambda r: r.get("gate_relative accuracy"), 2),
    ("… of ceiling", part("gate_relative accuracy", "gate_relative ceiling"), 2),
    ("probe of gate", lambda r: r.get("gate probe"), 2),
    ("… of states", lambda r: r.get("gate probe_states"), 2),
    ("shuffled", lambda r: r.get("gate control_high"), 2),
    ("ceiling", lambda r: r.get("gate ceiling"), 2),
    ("router", lambda r: r.get("router accuracy"), 2),
    ("… of ceiling", part("router accuracy", "router ceiling"), 2),
]
SHARES: list[Column] = [
    ("gate, of ceiling", part("gate accuracy", "gate ceiling"), 2),
    ("relative", part("gate_relative accuracy", "gate_relative ceiling"), 2),
    ("router, of ceiling", part("router accuracy", "router ceiling"), 2),
]
QUALITY: list[Column] = [
    ("NDCG@20", lambda r: r["NDCG@20"], 4),
    ("HR@10", lambda r: r["HR@10"], 4),
    ("gate entropy", lambda r: r.get("gate entropy"), 2),
    ("router entropy", mean_of("router entropy"), 2),
    ("… its sd", mean_of("router std"), 2),
]
PROBED: list[Column] = [
    ("own AP", own, 2),
    ("gain", gain, 2),
    ("other's AP", others, 2),
]


def table(rows: Rows, by: Sequence[str], columns: Sequence[Column]) -> str:
    """Markdown: a line for each value of `by`, in the order of the rows."""
    groups: dict[tuple[str, ...], Rows] = {}
    for r in rows:
        groups.setdefault(tuple(r[b] for b in by), []).append(r)
    head = [*by, "seeds", *(name for name, _, _ in columns)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(by) + "---:|" * (len(head) - len(by))]
    for group, of in groups.items():
        cells = [*group, str(len(of)), *(over_seeds(of, value, digits) for _, value, digits in columns)]
        lines.append("| " + " | ".join(cells) + " |")
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
        ("popularity", "popularity"),
        ("full embedding", "full"),
    ):
        if probes[key]:
            lines.append(f"| {label} | " + " | ".join(f"{x:.2f}" for x in probes[key]) + " | |")
    return "\n".join(lines)


def write_tables(rows: dict[Key, dict[str, Any]]) -> None:
    """Every table of the page between its two marks."""
    page = PAGE.read_text(encoding="utf-8")

    def those(study: str) -> Rows:
        return [rows[k] for k in STUDIES[study] if k in rows]

    tables = {
        "difficulties": table(those("difficulties"), ["data", "idea"], [*RECOVERED, *QUALITY[:1]]),
        "viewers": table(those("viewers"), ["data"], [*SHARES, *QUALITY[:1]]),
        "planted": table(those("planted"), ["idea"], [*SHARES, *QUALITY, *PROBED]),
        "ml-1m": table(those("ml-1m"), ["idea"], [*QUALITY, *PROBED]),
        "beauty": table(those("beauty"), ["idea"], [*QUALITY, *PROBED]),
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
    todo = [k for k in wanted if (a.fresh or k not in rows) and not a.tables]
    if a.fresh:
        for data, idea, _ in todo:
            shutil.rmtree(RUNS / run_name(data, idea), ignore_errors=True)
    with ThreadPoolExecutor(a.jobs) as pool, Progress() as bar:
        task = bar.add_task("runs", total=len(todo))
        futures = {pool.submit(child, k): k for k in todo}
        for future in as_completed(futures):
            rows[futures[future]] = future.result()
            keep(rows)
            bar.advance(task)
    write_tables(rows)


if __name__ == "__main__":
    main()
