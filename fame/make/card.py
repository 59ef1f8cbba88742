"""The model card: what a bundle says of itself, in the Hugging Face form (YAML front matter, then Markdown)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from huggingface_hub import EvalResult, ModelCardData

from fame.cite import PAPER
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.checkpoint import Epoch
from fame.make.configs import CardText, GuidanceConfig, TrainConfig
from fame.make.data.sequences import Sequences, Split
from fame.make.evaluate import METRICS, batches, interval, metric_values, paired_bootstrap
from fame.model import FAME
from fame.statistics import relative_entropy
from fame.text import ordinal, plural

__all__ = ["CardText", "Facts", "Usage", "comparison", "model_card", "read_comparison", "usage"]

SHOWN = ("HR@10", "NDCG@10", "HR@20", "NDCG@20", "MRR")  # the columns of the card's tables, of all METRICS

PROTOCOL = """\
Leave-one-out: of each user with at least three items the last is the test item, the one before it the validation
item, and the rest is learnt from; a test history includes the validation item. Full ranking: the test item is ranked
among all items, with no sampled negatives. Items of the history are no candidates, but for
the test item itself where the user had it before. Ties count against the model.
The epoch with the best validation NDCG@10 is kept. ± is the half width of a 95% interval over users."""

OVER_SEEDS = """\
Over several seeds, on the same data and by the same protocol; seeds are averaged per user, and a difference has the
interval of a paired bootstrap over users:"""

WEIGHING = """\
How it weighs its heads and experts at the last step of the test histories; entropies are parts of their maximum (1: all
alike, 0: one alone):"""

CAUTION = """\
Recommendations repeat what is frequent in the log and what it lacks: rare items and unusual users are served worse."""

OF_HEADS = """\
A head is a facet only where the bundle's evidence says so, and attention is not an explanation."""


@dataclass(frozen=True)
class Facts:
    """How large the log is, validation and test included.

    filters: in words what was left out.   read: how it was read, a line each.
    """

    form: str
    users: int
    items: int
    interactions: int
    median_length: float
    tested: int
    filters: str
    read: tuple[str, ...] = ()

    @classmethod
    def of(cls, sequences: Sequences, split: Split, items: int, form: str, filters: str) -> Facts:
        """The facts of the sequences whose `split` a model of `items` items learns from."""
        n = len(sequences.items)
        return cls(form, len(sequences), items, n, float(np.median(sequences.lengths)), len(split.test), filters)


@dataclass(frozen=True)
class Usage:
    """Gate and routers at the last step of many histories; entropies are parts of their maximum.

    gate_mean, gate_std: [H], over histories.   router_entropy: [H].   gate_entropy: mean over histories.
    """

    gate_entropy: float
    gate_mean: np.ndarray
    gate_std: np.ndarray
    router_entropy: np.ndarray


@torch.inference_mode()
def usage(model: FAME, histories: Sequences) -> Usage | None:
    """How the model weighs its heads and experts over `histories`; None for a model without heads."""
    if model.config.variant != "fame":
        return None
    model.eval()
    gates, routers = [], []
    for users, items in batches(histories, model.config.max_len, 512):
        out = model(items.to(model.items.weight.device))
        assert out.gate is not None and out.router is not None
        last = torch.arange(len(users)), (items > 0).sum(1) - 1
        gates.append(out.gate[last].cpu())
        routers.append(out.router[last].cpu())
    gate, router = torch.cat(gates).numpy(), torch.cat(routers).numpy()  # [users H], [users H N]
    return Usage(
        float(relative_entropy(gate).mean()),
        gate.mean(0),
        gate.std(0),
        relative_entropy(router).mean(0),
    )


def metric_row(name: str, ranks: np.ndarray) -> dict[str, Any]:
    """A model's row of `comparison`, from its ranks [seeds, users]."""
    row: dict[str, Any] = {"model": name, "seeds": len(ranks)}
    for metric in METRICS:
        values = metric_values(ranks, metric).mean(0)
        row |= {metric: float(values.mean()), f"{metric} ±": interval(values)}
    return row


def comparison(ranks: dict[str, np.ndarray]) -> pd.DataFrame:
    """Models beside each other: a row per model, then the first minus each other one.

    ranks: name -> ranks of the same test items, [seeds, users]. Columns: model, seeds, and of each metric its value
    and '<metric> ±'. A model's interval is over users, seeds averaged per user first; a difference's is half
    the width of the paired bootstrap's 95% interval.

    Raises:
        FameError: the models were not tested on the same users.
    """
    rows = [metric_row(name, rank) for name, rank in ranks.items()]
    first, *others = ranks
    for name in others:
        row: dict[str, Any] = {"model": f"{first} − {name}", "seeds": min(len(ranks[first]), len(ranks[name]))}
        for metric in METRICS:
            mean, low, high = paired_bootstrap(ranks[first], ranks[name], metric)
            row |= {metric: mean, f"{metric} ±": (high - low) / 2}
        rows.append(row)
    return pd.DataFrame(rows)


def read_comparison(path: Path) -> pd.DataFrame:
    """The table that `comparison` made, from a CSV file.

    Raises:
        FameError: the file is missing, is no CSV, or lacks a column.
    """
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise FameError(f"{path}: no such file; `fame compare` writes it, or leave `metrics` out") from None
    except (ValueError, OSError) as error:
        raise FameError(f"{path}: not a readable CSV ({str(error).splitlines()[0]})") from None
    needed = ["model", "seeds", *(column for metric in SHOWN for column in (metric, f"{metric} ±"))]
    if missing := [column for column in needed if column not in table.columns]:
        raise FameError(f"{path}: the column {missing[0]!r} is missing; expected {', '.join(needed)}")
    numbers = table[needed[1:]].apply(pd.to_numeric, errors="coerce")
    if table.empty or numbers["seeds"].isna().any() or numbers[list(SHOWN)].isna().any().any():
        raise FameError(f"{path}: expected a row per model, with numbers in every column but 'model'")
    return table.assign(**numbers)


def model_card(
    *,
    name: str,
    text: CardText,
    model: FAME,
    training: TrainConfig,
    guidance: GuidanceConfig,
    facts: Facts,
    epochs: Sequence[Epoch],
    metrics: pd.DataFrame,
    used: Usage | None,
    compared: pd.DataFrame | None = None,
) -> str:
    """The README.md of a bundle.

    metrics: rows as of `comparison`, the bundle's own model first.   compared: the same of more seeds and models.
    """
    config = model.config
    best = max((e for e in epochs if e.best), key=lambda e: e.epoch)
    parts = [
        front_matter(name, text, facts, metrics),
        f"# {text.title or name}",
        text.summary or f"A {kind_name(config)} recommender of {facts.items:,} items.",
        loading(name),
        section("What it is for", text.use),
        section("Data", text.data, amounts(facts), listed(facts.read), text.terms),
        section("Protocol", PROTOCOL),
        section(
            "Metrics",
            f"On the test items of {plural(facts.tested, 'user')}; this model is of seed {training.seed}.",
            markdown(metrics),
            *((OVER_SEEDS, markdown(compared)) if compared is not None else ()),
        ),
        section(
            "Model",
            sizes(config, training, guidance, model, best, len(epochs)),
            *((WEIGHING, usage_table(used)) if used is not None else ()),
        ),
        section("Limits", text.limits, OF_HEADS if config.variant == "fame" else "", CAUTION),
        section(
            "Licence",
            f"Weights: {text.license}." if text.license else "",
            "The log has its publisher's terms." if facts.form != "planted" else "",
        ),
        section("To cite", f"The method:\n\n```bibtex\n{PAPER}\n```"),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def loading(name: str) -> str:
    """The lines of Python that open the bundle."""
    return f"""\
```python
import fame

bundle = fame.load("{name}")  # its name under artifacts/, or the path of this directory
```"""


def amounts(facts: Facts) -> str:
    """How much the log holds, and what of it is learned from."""
    return (
        f"{plural(facts.interactions, 'interaction')} of {plural(facts.users, 'user')} with "
        f"{plural(facts.items, 'item')} "
        f"({facts.median_length:g} a user in the median), in time order; the last two of each user are for validation "
        f"and test. {facts.filters}"
    )


def section(title: str, *paragraphs: str) -> str:
    """A heading and what is under it; nothing where there is nothing."""
    filled = [p.strip() for p in paragraphs if p.strip()]
    return "\n\n".join([f"## {title}", *filled]) if filled else ""


def listed(lines: Sequence[str]) -> str:
    """Lines as they are, so that names from a file are no markup."""
    return "\n".join(["```text", *(line.replace("`", "'") for line in lines), "```"]) if lines else ""


def front_matter(name: str, text: CardText, facts: Facts, metrics: pd.DataFrame) -> str:
    """The YAML that the Hugging Face Hub reads."""
    own = metrics.iloc[0]
    data = ModelCardData(
        library_name="fame",
        license=text.license or None,
        pipeline_tag="other",  # the Hub has no task of its own for recommenders
        datasets=list(text.datasets) or None,
        tags=["sequential-recommendation", "recommender-system", "mixture-of-experts", "explainability"],
        model_name=name,
        eval_results=[
            EvalResult(
                task_type="sequential-recommendation",
                dataset_type=facts.form,
                dataset_name=f"{text.title or name}, leave-one-out, full ranking",
                metric_type=metric.lower().replace("@", "_at_"),
                metric_name=metric,
                metric_value=round(float(own[metric]), 5),
            )
            for metric in SHOWN
        ],
    )
    return f"---\n{data.to_yaml()}\n---"


def kind_name(config: FAMEConfig) -> str:
    return "SASRec" if config.variant == "sasrec" else "FAME"


def sizes(
    config: FAMEConfig, training: TrainConfig, guidance: GuidanceConfig, model: FAME, best: Epoch, epochs: int
) -> str:
    weights = sum(p.numel() for p in model.parameters())
    rows: list[tuple[str, object]] = [
        ("kind", kind_name(config)),
        ("weights", f"{weights:,}"),
        ("width d, layers L", f"{config.d_model}, {config.n_layers}"),
    ]
    if config.variant == "fame":
        rows.append(("heads H, experts per head N", f"{config.n_heads}, {config.n_experts}"))
        if beyond := beyond_the_paper(config):
            rows.append(("beyond the paper's form", beyond))
    rows += [
        ("longest history", config.max_len),
        ("dropout, attention dropout", f"{config.dropout:g}, {config.attention_dropout:g}"),
        ("trained for", f"{plural(epochs, 'epoch')}, the best is the {ordinal(best.epoch)}"),
    ]
    changed = [f for f in fields(training) if f.name not in ("epochs", "seed")]
    rows.append(("training", ", ".join(f"{f.name} {getattr(training, f.name)}" for f in changed)))
    if guidance:
        rows.append(("guidance", ", ".join(f"{f.name} {getattr(guidance, f.name)}" for f in fields(guidance))))
    rows.append(("seed", training.seed))
    return table(["", ""], [[str(cell) for cell in row] for row in rows])


def beyond_the_paper(config: FAMEConfig) -> str:
    """What of the network the paper does not have; '' in the paper's form."""
    parts = {
        f"heads of width {config.d_head}": config.head_width,
        f"an item MLP of hidden width {config.facet_mlp * config.d_model}": config.facet_mlp,
        f"a preference of each expert's own, at the start of standard deviation {config.anchors:g}": config.anchors,
    }
    return ", ".join(text for text, on in parts.items() if on)


def usage_table(used: Usage) -> str:
    rows = [
        [str(h + 1), f"{used.gate_mean[h]:.2f}", f"{used.gate_std[h]:.2f}", f"{used.router_entropy[h]:.2f}"]
        for h in range(len(used.gate_mean))
    ]
    rows.append(["all", f"entropy {used.gate_entropy:.2f}", "", f"{used.router_entropy.mean():.2f}"])
    return table(["head", "gate, mean", "gate, std over users", "router entropy"], rows)


def markdown(metrics: pd.DataFrame) -> str:
    """The SHOWN columns of a table of metrics."""
    rows = []
    for _, row in metrics.iterrows():
        cells = [with_interval(row[metric], row[f"{metric} ±"]) for metric in SHOWN]
        rows.append([str(row["model"]).replace("|", "\\|"), str(int(row["seeds"])), *cells])
    return table(["model", "seeds", *SHOWN], rows)


def with_interval(value: float, half: float) -> str:
    """'0.1234 ± 0.0100'; the value alone where there is no interval, as of one user."""
    return f"{value:.4f} ± {half:.4f}" if half == half else f"{value:.4f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
