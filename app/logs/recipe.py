"""What a visitor chooses, as the recipe of `fame train`: the same file trains here and at a command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["LENGTHS", "Tables", "flags", "tables", "to_toml"]

Tables = dict[str, dict[str, Any]]

# Sizes and training by length. Wide heads with an MLP of their own, an anchor for each expert and a start from what is
# taken together did best in three short epochs on MovieLens-1M (docs and benchmarks say how each was measured).
SHARED = {"n_layers": 3, "max_len": 50, "facet_mlp": 1, "anchors": 1.0, "dropout": 0.1}
LENGTHS: dict[str, Tables] = {
    "quick": {
        "model": {"d_model": 32, "head_width": 32, **SHARED},
        "training": {"epochs": 3, "patience": 3, "batch_size": 32, "learning_rate": 0.004, "schedule": "cosine"},
    },
    "thorough": {
        "model": {"d_model": 64, "head_width": 64, **SHARED},
        "training": {"epochs": 20, "patience": 4, "batch_size": 64, "learning_rate": 0.003, "schedule": "cosine"},
    },
}
GUIDED = {"sup": 0.1, "excl": 0.05, "tie": 0.3, "least_items": 5}  # weights as recipes/ml-1m-guided.toml


def tables(state: Mapping[str, Any]) -> Tables:
    """The recipe of an entry's state: its files by name, how they are read, and what was chosen."""
    chosen = {"length": "quick", "heads": 4, "experts": 4, "guide": [], "sasrec": False, **state.get("choices", {})}
    data = {"path": state["log"], **{k: v for k, v in state.get("reading", {}).items() if v not in (None, "", [])}}
    if state.get("items"):
        data["items"] = state["items"]
    if noun := chosen.get("noun"):
        data["noun"] = noun
    preset = LENGTHS[chosen["length"]]
    # A start from the log needs more items than anchors: an item that is alone in its cluster is no preference.
    room = state.get("left") is None or state["left"] >= 2 * chosen["heads"] * chosen["experts"]
    made: Tables = {
        "": {"name": state["name"], "evidence": chosen["length"] == "thorough"},
        "data": data,
        "model": {"n_heads": chosen["heads"], "n_experts": chosen["experts"], **preset["model"]},
        "training": {
            **preset["training"],
            "start": "log" if room else "random",
            "compete": 0.1 if chosen["experts"] > 1 else 0.0,
        },
    }
    if chosen["guide"]:
        made["guidance"] = {"heads": chosen["guide"], **GUIDED}
    if chosen["sasrec"]:
        made["comparison"] = {"seeds": [0], "probe": True}
        made["comparison.training"] = {"compete": 0.0}  # a SASRec has no experts
    return made


def to_toml(made: Tables, comment: str = "") -> str:
    """The recipe as TOML; JSON's text, numbers and lists are TOML's too."""
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    for name, values in made.items():
        lines += [f"\n[{name}]"] if name else [""] if lines else []
        lines += [f"{key} = {literal(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def literal(value: Any) -> str:
    """A value as TOML writes it."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


# How a recipe's setting of [data] is told to `fame inspect`.
OPTIONS = {
    "user": "--user", "item": "--item", "order": "--order", "separator": "--separator", "encoding": "--encoding",
    "time_form": "--time-form", "k_core": "--k-core",
}  # fmt: skip
SWITCHES = {
    "header": ("--header", "--no-header"),
    "day_first": ("--day-first", "--month-first"),
    "no_user": ("--no-user", "--with-user"),
    "repeats": ("--repeats", "--no-repeats"),
    "only_items": ("--only-items", "--all-items"),
}


def flags(reading: Mapping[str, Any]) -> list[str]:
    """The settings of how a log is read as options of `fame inspect`."""
    told = []
    for name, value in reading.items():
        if value in (None, "", []):
            continue
        if name in SWITCHES:
            told.append(SWITCHES[name][not value])
        elif name in ("where", "missing"):
            told += [f"--{name}={part}" for part in value]
        elif name in OPTIONS:
            told.append(f"{OPTIONS[name]}={value}")
    return told
