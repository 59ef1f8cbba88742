"""The paper's studies: what "without prediction by head" is, that runs of a log are alike, and that tables say it."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from fame.config import FAMEConfig
from fame.make.configs import TrainConfig
from fame.make.data.sequences import Sequences, leave_one_out
from fame.make.train import train
from fame.model import FAME

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import paper
import paper_report

FORMS = [{}, {"head_width": 8, "facet_mlp": 1, "anchors": 1.0}]


def small(**form: float) -> FAME:
    torch.manual_seed(0)
    return FAME(FAMEConfig(n_items=30, max_len=6, d_model=8, n_heads=4, n_experts=2, dropout=0.0, **form)).eval()


@pytest.mark.parametrize("form", FORMS)
def test_an_even_gate_is_a_concatenation_with_one_prediction(form: dict[str, float]) -> None:
    """And stays it when the rest is trained: heads side by side, one output projection, one score."""
    model = small(**form)
    paper.even_gate(model)
    rng = np.random.default_rng(0)
    users, items = np.arange(40).astype(str), rng.integers(1, 31, 240)
    histories = Sequences(users, items, np.arange(0, 241, 6))
    before = model.facets.W_f.detach().clone()
    train(model, leave_one_out(histories), TrainConfig(epochs=2, batch_size=8, learning_rate=0.05))
    assert not torch.equal(before, model.facets.W_f)
    with torch.no_grad():
        out = model(torch.tensor([[3, 1, 4, 1, 5, 9]]))
        concatenated = out.F[0, -1].flatten()  # [F^1 ‖ … ‖ F^H]
        H, k, d = model.facets.W_f.shape
        assert torch.equal(out.gate, torch.full_like(out.gate, 1 / H))
        x = model.items.weight
        projection = model.facets.W_f.reshape(H * k, d) / H  # W', H·d' -> d
        expected = x @ (concatenated @ projection)
        if model.facets.item_mlp is not None:  # W' and a term of the items that is no projection, beside it
            expected = expected + model.facets.item_mlp(x) @ concatenated / H
        torch.testing.assert_close(model.score(out.query)[0, -1, 1:], expected[1:], atol=1e-5, rtol=1e-4)


def test_a_natural_gate_is_none() -> None:
    model = small()
    out = model(torch.tensor([[3, 1, 4, 1, 5, 9]]))
    assert not torch.equal(out.gate, torch.full_like(out.gate, 1 / 4))


def test_runs_of_a_form_on_a_log_differ_in_what_they_study_alone() -> None:
    cells = [paper.Cell(*run) for run in paper.schedule()]
    assert len(cells) == len(set(cells)) == len(paper.LOGS) * (len(paper.FORMS) * len(paper.SETTINGS) - 1)
    assert {cell.setting for cell in cells[:4]} == {"SASRec", "H 4, N 4"}
    sizes: dict[tuple[str, str], set[str]] = {}
    for cell in cells:
        recipe = cell.recipe()
        model, training = asdict(recipe.model), asdict(recipe.training)
        for studied in ("n_heads", "n_experts", "variant", "head_width", "facet_mlp", "anchors"):
            del model[studied]
        for studied in ("start", "compete", "mask_seen"):
            del training[studied]
        sizes.setdefault((cell.log, cell.form), set()).add(json.dumps([model, training]))
        learns_alone = cell.form == "ours" and cell.setting not in ("SASRec", paper.ONE, paper.CALM)
        assert (recipe.training.compete > 0) == learns_alone
        assert (recipe.training.start == "log") == recipe.training.mask_seen == (cell.form == "ours")
    assert [len(found) for found in sizes.values()] == [1] * len(paper.LOGS) * len(paper.FORMS)


def line(setting: str, ndcg: float, **more: object) -> dict[str, object]:
    return {
        "log": "toys", "form": "paper", "setting": setting, "seed": 0, "changes": [], "epochs": 2, "best epoch": 2,
        "valid NDCG@10": [0.01, 0.02], "NDCG@20": ndcg, "HR@20": 2 * ndcg, "parameters": 1234,
        "processor seconds an epoch": 5.0, "less": {}, **more,
    }  # fmt: skip


def test_tables_and_plots_of_two_runs(tmp_path: Path) -> None:
    """What is there stands in its cell, what is missing is a dash, and what stands around the marks stays."""
    page = tmp_path / "page.md"
    names = ("parts", "start", "heads", "heads apart", "experts", "experts apart", "course", "trials", "claims")
    page.write_text("before\n" + "".join(f"<!-- {n} -->\nold\n<!-- end {n} -->\nbetween\n" for n in names), "utf-8")
    apart, behind = ({"NDCG@20": [d, 0.003], "HR@20": [-0.02, 0.03]} for d in (0.0125, -0.004))
    trial = line("H 4, N 4", 0.9) | {"changes": ["model.dropout=0.5"]}
    rows = [line("SASRec", 0.0321), line("H 4, N 4", 0.0446, less={"SASRec": apart}), trial]
    rows += [line(s, 0.04, less={"FAME": behind}) for s in ("H 1", "H 8")]
    paper_report.write(rows, page)
    text = page.read_text("utf-8")
    assert "old" not in text and text.startswith("before\n") and text.count("between\n") == len(names)
    assert "| Toys | the paper's | FAME, whole | 0.0446 | 0.0892 |  | **+0.0125 ± 0.0030** |" in text
    claims = {row.split(" | ")[0]: row.split(" | ") for row in text.splitlines() if " help" in row or "ahead" in row}
    column = 3  # Toys, the paper's
    assert claims["| FAME is ahead of SASRec"][column] == "yes: **+0.0125 ± 0.0030**"
    assert claims["| heads help: four ahead of one"][column] == "yes: **+0.0040 ± 0.0030**"
    assert claims["| more heads help: eight ahead of four"][column] == "no: **−0.0040 ± 0.0030**"
    assert claims["| experts help: four ahead of one"][column] == "–"
    assert "| Toys | the paper's | without the experts | – | – | – | – |" in text
    assert "| Toys | the paper's | NDCG@20 | 0.0400 | – | 0.0446 | 0.0400 | 0.0321 |" in text
    assert "| Toys | the paper's | H 4, N 4 | 1 | .0100 .0200 | 2 | 1,234 | 5 |" in text
    assert "| Toys | 0.0321 | – | – | – | – |" in text
    assert "| Toys | the paper's | H 4, N 4 | model.dropout=0.5 | .0100 .0200 |" in text
    for study in ("parts", "heads", "experts"):
        drawing = (tmp_path / "page" / f"{study}.svg").read_text("utf-8")
        ET.fromstring(drawing)
        assert "not run yet" in drawing and "prefers-color-scheme: dark" in drawing
    paper_report.write(rows, page)
    assert page.read_text("utf-8") == text


def test_a_difference_is_paired_over_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "RUNS", tmp_path)
    monkeypatch.setattr(paper, "RESULTS", tmp_path / "paper.jsonl")
    fame, sasrec = paper.Cell("toys", "paper", "H 4, N 4"), paper.Cell("toys", "paper", "SASRec")
    fame.ranks.parent.mkdir(parents=True)
    np.savez(fame.ranks, ranks=np.array([1, 30, 3]))
    paper.keep(line("H 4, N 4", 0.5))
    assert paper.known()[fame]["less"] == {}
    np.savez(sasrec.ranks, ranks=np.array([30, 30, 1]))
    paper.keep(line("SASRec", 0.4))
    gain = np.array([1, 0, 0.5 - 1])  # NDCG of rank 1 is 1, of rank 3 a half
    mean, half = paper.known()[fame]["less"]["SASRec"]["NDCG@20"]
    assert mean == pytest.approx(gain.mean(), abs=1e-5)
    assert half == pytest.approx(1.96 * gain.std(ddof=1) / 3**0.5, abs=1e-5)
    assert paper.known()[fame]["less"]["SASRec"]["HR@20"][0] == pytest.approx(1 / 3, abs=1e-5)
    assert set(paper.known()[sasrec]["less"]) == {"FAME"}
