"""A recipe is checked at the door, and makes the bundle, card and comparison that it promises."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from huggingface_hub import ModelCard

import fame
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.card import SHOWN, comparison, read_comparison, usage
from fame.make.checkpoint import Epoch
from fame.make.configs import Comparison
from fame.make.data import read
from fame.make.evaluate import METRICS, evaluate, ranks
from fame.make.examples import read_examples
from fame.make.logs import logger
from fame.make.pipeline import train_recipe
from fame.make.population import some_of
from fame.make.prepare import for_catalogue, prepare
from fame.make.recipe import Recipe, load_recipe
from fame.make.runs import SILENT, Callbacks, baseline_of, compare, learn, other_seeds, run_folder
from fame.make.train import launched
from fame.model import FAME

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
SMALL: dict[str, Any] = {
    "model": {"d_model": 8, "n_heads": 2, "n_experts": 3, "max_len": 6},
    "training": {"epochs": 2, "batch_size": 16, "learning_rate": 0.01},
}


@pytest.fixture
def recipe(toy_log: Path) -> Recipe:
    data = {"form": "csv", "path": toy_log / "log.csv", "items": toy_log / "items.csv"}
    return Recipe.from_tables({"name": "toy", "data": data, **SMALL})


class Watch:
    """Counts what training tells."""

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        self.callbacks = Callbacks(epoch=self.epochs.append)


# --- at the door --------------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


GOOD = 'name = "mine"\n[data]\nform = "csv"\npath = "logs/log.csv"\n'


def test_a_recipe_is_read_with_its_paths_beside_it(tmp_path: Path) -> None:
    text = GOOD + "k_core = 0\n[model]\nd_model = 32\n[training]\nlearning_rate = 1\n[comparison.model]\ndropout = 0.5"
    recipe = load_recipe(written(tmp_path, text))
    assert recipe.data.path == tmp_path / "logs/log.csv"
    assert (recipe.data.k_core, recipe.model.d_model, recipe.training.learning_rate) == (0, 32, 1)
    assert recipe.comparison is not None
    assert recipe.comparison.model == replace(recipe.model, variant="sasrec", dropout=0.5), "otherwise the same sizes"
    assert recipe.comparison.training == recipe.training


def test_changes_go_before_the_file(tmp_path: Path) -> None:
    changes = {"name": "other", "data": {"path": Path("/log.csv")}, "model": {"variant": "sasrec"}}
    recipe = load_recipe(written(tmp_path, GOOD + "[guidance]\nmi = 0.1\n[model]\nd_model = 32"), changes)
    assert (recipe.name, recipe.data.path, recipe.data.form) == ("other", Path("/log.csv"), "csv")
    assert (recipe.model.variant, recipe.model.d_model) == ("sasrec", 32)
    assert not recipe.guidance, "a SASRec has no heads to guide"


def test_a_changed_recipe_claims_nothing_of_the_one_it_was(tmp_path: Path) -> None:
    text = 'metrics = "m.csv"\n' + GOOD + '[card]\ntitle = "FAME"\nsummary = "Heads."\nlicense = "mit"'
    path = written(tmp_path, text)
    assert load_recipe(path, {"name": "other", "model": {}}).metrics == tmp_path / "m.csv"
    longer = load_recipe(path, {"training": {"epochs": 3}})
    assert longer.metrics is None and longer.card.title == "FAME"
    plain = load_recipe(path, {"model": {"variant": "sasrec"}})
    assert (plain.metrics, plain.card.title, plain.card.summary, plain.card.license) == (None, "", "", "mit")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "[training]\nepoch = 5", r"\[training\] there is no setting 'epoch'; did you mean 'epochs'\?"),
        (GOOD + "[modle]\nd_model = 5", r"no setting 'modle'; did you mean 'model'\?"),
        (GOOD + "[model]\nxyz = 5", r"\[model\] there is no setting 'xyz'; known are max_len, d_model"),
        (GOOD + "[model]\nn_items = 5", "leave it out"),
        (GOOD + "[model]\nd_model = 64.0", r"\[model\] d_model is 64.0; expected a whole number"),
        (GOOD + "[model]\nd_model = true", "expected a whole number"),
        (GOOD + "[model]\nn_heads = 5", "d_model 64 does not divide by n_heads 5"),
        (GOOD + "[model]\nvariant = 'gru'", "variant is 'gru'; expected 'fame' or 'sasrec'"),
        (GOOD + "[training]\nlearning_rate = 'fast'", r"\[training\] learning_rate is 'fast'; expected a number"),
        (GOOD + "[training]\nlearning_rate = nan", "learning_rate is nan; expected a number"),
        (GOOD + "[guidance]\nheads = 'genres'", r"\[guidance\] heads is 'genres'; expected texts in brackets"),
        (GOOD + "[comparison]\nseeds = [0, 1, 0]", r"seeds are \[0, 1, 0\]; expected each seed once"),
        (GOOD + "[comparison]\nseeds = []", r"\[comparison\] seeds is \[\]; expected whole numbers"),
        (
            GOOD + "[comparison]\nprobe = true\n[comparison.model]\nn_heads = 2",
            "probe is for a sasrec of the model's d_model, 64, and n_heads, 4; it is a sasrec of 64 and 2",
        ),
        (GOOD + '[comparison]\nprobe = true\n[comparison.model]\nvariant = "fame"', "probe is for .* is a fame of 64"),
        (GOOD + "[comparison.model]\nheads = 2", r"model\] there is no setting 'heads'; did you mean 'n_heads'"),
        ("training = 5\n" + GOOD, r"training is '5'; expected a table, \[training\]"),
        (GOOD.replace("mine", "a/b"), "name is 'a/b'; expected letters"),
        ('name = "mine"', "data is missing"),
        (GOOD + "k_core = -1", r"\[data\] k_core is -1; expected a whole number of at least 0"),
        (GOOD.replace("path", "items"), r"\[data\] path is missing"),
        (GOOD.replace("csv", "planted"), "the form 'planted' needs items, a catalogue to simulate over, and no path"),
        (GOOD + "[data.planted]\nnoise = 0.2", "planted is for the form 'planted', and the form is 'csv'"),
        (GOOD + "[data.planted]\nnoise = 2", "noise is 2; expected a number from 0 to 1"),
        ("name = mine", r"not TOML \(.*line 1"),
        ("", "the file is empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_recipe_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FameError, match=message) as told:
        load_recipe(written(tmp_path, text))
    assert str(told.value).startswith(str(tmp_path / "mine.toml"))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("folder", sorted(RECIPES.parent.glob("artifacts/*")), ids=lambda path: path.name)
def test_what_ships_is_of_its_recipe(folder: Path) -> None:
    """Its sizes, and the settings that its card tells."""
    name = folder.name.removesuffix("-sasrec")  # the baseline of that recipe
    recipe, bundle = load_recipe(RECIPES / f"{name}.toml"), fame.load(folder)
    if name != folder.name:
        recipe = baseline_of(recipe)
    assert replace(recipe.model, n_items=bundle.config.n_items) == bundle.config
    line = next(
        line for line in ModelCard.load(folder / "README.md").text.splitlines() if line.startswith("| training")
    )
    told = dict(pair.split(" ") for pair in line.split("|")[2].strip().split(", "))
    assert told == {name: str(getattr(recipe.training, name)) for name in told}


@pytest.mark.parametrize("name", ["ml-1m", "ml-1m-paper", "beauty", "toys", "planted", "planted-plain"])
def test_the_recipes_of_the_project_are_sound(name: str) -> None:
    recipe = load_recipe(RECIPES / f"{name}.toml")
    assert recipe.name == name
    assert recipe.comparison is not None and len(recipe.comparison.seeds) == 3
    if recipe.metrics:
        read_comparison(recipe.metrics)
    if recipe.examples:
        assert recipe.data.items is not None
        examples = read_examples(recipe.examples, Catalogue.from_csv(recipe.data.items))
        assert len({example.title for example in examples}) >= 7
        assert {3, 60} <= {len(example.items) for example in examples}
        assert all(example.promise for example in examples)


# --- the bundle ---------------------------------------------------------------------------------------


def test_a_recipe_makes_a_bundle(recipe: Recipe, tmp_path: Path) -> None:
    examples = [{"title": "Two", "look_for": "Head 2.", "items": ["[bold]Film 3[/bold] <b> (1983)", "f4"]}]
    (tmp_path / "examples.json").write_text(json.dumps(examples))
    recipe = replace(recipe, examples=tmp_path / "examples.json")
    watch = Watch()
    made = train_recipe(recipe, tmp_path / "out", runs=tmp_path / "runs", callbacks=watch.callbacks)
    bundle = fame.load(tmp_path / "out")
    assert made is not None and made.config == bundle.config
    assert (bundle.name, bundle.config.n_items, bundle.config.n_experts) == ("toy", 9, 3)
    assert bundle.examples[0].items == ("f3", "f4"), "kept as ids"
    assert bundle.atlas is not None and bundle.atlas.spaces == ("full", "head_1", "head_2")
    assert bundle.training["epoch"].tolist() == [1, 2] == [e.epoch for e in watch.epochs]
    assert (tmp_path / "runs/toy/fame-0").is_dir()
    assert bundle.trace(["f1", "f2"]).gate.shape == (2, 2)

    # The card says what an evaluation of the bundle says, to people and to the Hub.
    log = read("csv", recipe.data.path)
    found = evaluate(bundle.model, for_catalogue(log, bundle.catalogue, 5)[0].test)
    cells = " | ".join(f"{found[m]:.4f} ± {found[f'{m} ±']:.4f}" for m in SHOWN)
    assert f"| this model | 1 | {cells} |" in bundle.card
    results = ModelCard(bundle.card).data.eval_results
    assert results is not None
    assert {r.metric_name: r.metric_value for r in results} == {m: pytest.approx(found[m], abs=1e-5) for m in SHOWN}
    for said in (
        "40 users with 9 items",
        "5-core",
        "Full ranking",
        "no sampled negatives",
        "arXiv:2411.01457",
        "seed 0",
    ):
        assert said in bundle.card, said


def test_a_broken_off_run_goes_on_to_the_same_weights(recipe: Recipe, tmp_path: Path) -> None:
    recipe = replace(recipe, maps=False, training=replace(recipe.training, epochs=3))
    straight = train_recipe(recipe, tmp_path / "a", runs=tmp_path / "runs-a")

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_recipe(recipe, tmp_path / "b", runs=tmp_path / "runs-b", callbacks=Callbacks(epoch=stop))
    watch = Watch()
    resumed = train_recipe(recipe, tmp_path / "b", runs=tmp_path / "runs-b", callbacks=watch.callbacks)
    assert [e.epoch for e in watch.epochs] == [3]
    assert straight is not None and resumed is not None
    for name, tensor in straight.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name

    again = Watch()
    train_recipe(recipe, tmp_path / "b", runs=tmp_path / "runs-b", fresh=True, callbacks=again.callbacks)
    assert [e.epoch for e in again.epochs] == [1, 2, 3], "fresh forgets the checkpoint"


def test_a_stopped_run_is_finished_and_a_second_one_is_kept_out(recipe: Recipe, tmp_path: Path) -> None:
    recipe = replace(recipe, maps=False, evidence=False, training=replace(recipe.training, epochs=9))
    out, runs = tmp_path / "out", tmp_path / "runs"
    with pytest.raises(FameError, match="no epoch is done, so that there is nothing to finish"):
        train_recipe(recipe, out, runs=runs, finish=True)
    with pytest.raises(FameError, match="--fresh forgets the run that --finish is to finish"):
        train_recipe(recipe, out, runs=runs, finish=True, fresh=True)

    def stop(epoch: Epoch) -> None:
        with pytest.raises(FameError, match=r"out: another run writes there now; .* give another --out"):
            train_recipe(replace(recipe, name="other"), out, runs=runs)
        with pytest.raises(FameError, match=r"toy/fame-0: another run writes there now; .* another --name or --runs"):
            train_recipe(recipe, tmp_path / "elsewhere", runs=runs)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_recipe(recipe, out, runs=runs, callbacks=Callbacks(epoch=stop))
    assert not out.exists() and not list(tmp_path.rglob("*.lock"))
    made = train_recipe(recipe, out, runs=runs, finish=True)
    assert made is not None and made.training["epoch"].tolist() == [1]
    assert "1 epoch, the best is the first" in made.card


def test_curves_are_written_by_step_and_epoch(recipe: Recipe, tmp_path: Path) -> None:
    recipe = replace(recipe, maps=False, evidence=False)
    made = train_recipe(recipe, tmp_path / "out", runs=tmp_path / "runs", log="csv")
    assert made is not None
    [path] = (tmp_path / "runs").rglob("metrics.csv")
    curves = pd.read_csv(path)
    steps, epochs = curves.dropna(subset="step/loss"), curves.dropna(subset="epoch/epoch")
    assert steps["step"].tolist() == list(range(1, len(steps) + 1)) and (steps["step/learning_rate"] == 0.01).all()
    assert epochs["epoch/epoch"].tolist() == [1, 2] and epochs["step"].iloc[-1] == len(steps)
    assert epochs["valid/NDCG@10"].tolist() == pytest.approx(made.training["NDCG@10"].tolist())
    with pytest.raises(FameError, match="log is 'xml'; expected csv, tensorboard, wandb"):
        train_recipe(recipe, tmp_path / "out", runs=tmp_path / "runs", log="xml")


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
def test_a_logger_that_is_not_installed_is_named(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fame.make.logs.find_spec", lambda name: None)
    with pytest.raises(FameError, match=f"log {kind}: {kind} is not installed; pip install it, or take --log csv"):
        logger(kind, tmp_path, "a")


def test_a_card_of_one_user_is_right(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,time\n" + "\n".join(f"u,i{k},{k}" for k in range(5)))
    data = {"form": "csv", "path": tmp_path / "log.csv", "k_core": 0}
    tables = {"name": "one", "data": data, "maps": False, "evidence": False, **SMALL}
    made = train_recipe(Recipe.from_tables(tables), tmp_path / "out", runs=tmp_path / "runs")
    assert made is not None and "nan" not in made.card and "1 users" not in made.card
    assert "5 interactions of 1 user with 5 items" in made.card and "test items of 1 user; this" in made.card


def test_an_item_file_that_leaves_too_little_is_blamed_for_it(toy_log: Path, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("item_id,title\nf1,One\nf2,Two\n")
    data = {"form": "csv", "path": toy_log / "log.csv", "items": tmp_path / "few.csv", "only_items": True}
    data["k_core"] = 5
    with pytest.raises(
        FameError, match=r"few.csv: its items leave \d+ interactions of the log, too few for the k-core"
    ):
        prepare(Recipe.from_tables({"name": "few", "data": data}))


def test_what_cannot_be_measured_is_no_reason_to_lose_what_was_learned(tmp_path: Path) -> None:
    seen = [f"u{u},i{(u + k) % 6},{k}" for u in range(20) for k in range(8)]  # everybody saw everything
    (tmp_path / "log.csv").write_text("\n".join(["user,item,time", *seen]))
    data = {"form": "csv", "path": tmp_path / "log.csv"}
    recipe = Recipe.from_tables({"name": "class", "data": data, "maps": False, **SMALL})
    said: list[str] = []
    made = train_recipe(recipe, tmp_path / "out", runs=tmp_path / "runs", callbacks=Callbacks(warn=said.append))
    assert made is not None and not fame.load(tmp_path / "out").evidence_json
    assert "kept 160 interactions, 20 users and 6 items" in said, "what was read is told first"
    assert said[-1:] == [
        "the bundle is saved without evidence: probes: expected a history with at least one item and one item left to "
        "recommend"
    ]


def test_what_is_wrong_is_told_before_training(recipe: Recipe, tmp_path: Path) -> None:
    examples = tmp_path / "examples.json"
    examples.write_text('[{"title": "A", "look_for": "B", "items": ["Film 99"]}]')
    (tmp_path / "own").mkdir()
    (tmp_path / "own/README.md").write_text("somebody's")
    cases = [
        (replace(recipe, examples=examples), tmp_path / "out", "examples.json: no item is called 'Film 99'; nearest"),
        (
            replace(recipe, metrics=tmp_path / "m.csv"),
            tmp_path / "out",
            "m.csv: no such file; `fame compare` writes it",
        ),
        (replace(recipe, data=replace(recipe.data, path=Path("gone.csv"))), tmp_path / "out", "gone.csv: no such file"),
        (recipe, tmp_path / "own", "holds README.md and is no bundle"),
        (recipe, examples, "a file; a bundle is a directory"),
        (recipe, examples / "x", "examples.json is a file; expected a directory"),
    ]
    watch = Watch()
    for plan, out, message in cases:
        with pytest.raises(FameError, match=message):
            train_recipe(plan, out, runs=tmp_path / "runs", callbacks=watch.callbacks)
    with pytest.raises(FameError, match=r"examples\.json is a file; expected a directory"):
        train_recipe(recipe, tmp_path / "out", runs=examples, callbacks=watch.callbacks)
    assert not watch.epochs and not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["{", "5", '{"title": 1}', "[3]", '[{"title": "A", "look_for": "B", "items": []}]'])
def test_examples_of_another_form_are_refused(recipe: Recipe, tmp_path: Path, content: str) -> None:
    path = tmp_path / "examples.json"
    path.write_text(content)
    with pytest.raises(FameError, match="expected a list of"):
        read_examples(path, prepare(recipe).catalogue)


def test_a_log_with_more_items_is_split_as_for_training(recipe: Recipe, tmp_path: Path) -> None:
    text = recipe.data.path.read_text() + "".join(f"\nu{u},other,99" for u in range(10))
    (tmp_path / "more.csv").write_text(text)
    data = prepare(recipe)
    task = for_catalogue(read("csv", tmp_path / "more.csv"), data.catalogue, 5)[0].test
    np.testing.assert_array_equal(task.targets, data.split.test.targets)
    np.testing.assert_array_equal(task.histories.items, data.split.test.histories.items)


def test_a_simulated_audience_makes_a_bundle_that_says_so(toy_log: Path, tmp_path: Path) -> None:
    audience = {"n_viewers": 60, "shortest": 4, "longest": 6, "facets": ["genres"], "values": 2, "least_items": 2}
    data = {"form": "planted", "items": toy_log / "items.csv", "planted": audience}
    recipe = Recipe.from_tables({"name": "toy", "data": data, "maps": False, **SMALL})
    train_recipe(recipe, tmp_path / "out", runs=tmp_path / "runs")
    bundle = fame.load(tmp_path / "out")
    assert bundle.simulated
    assert "The audience is simulated" in bundle.card and "publisher's terms" not in bundle.card
    told, learning = bundle.evidence_json["recovery_told"], bundle.evidence_json["recovery"]
    assert told["facets"] == learning["facets"] == ["genres"] and told["viewers"] == learning["viewers"] == 500
    assert told["gate"]["accuracy"] == learning["gate"]["accuracy"]
    assert told["gate"]["ceiling"] >= learning["gate"]["ceiling"]
    assert bundle.evidence_json["histories"]["source"] == "planted, test"
    split = prepare(recipe).split
    assert len(split.test) == 60 and split.train.items.max() <= 9


def test_a_bundle_of_a_private_log_holds_no_user_and_no_history(tmp_path: Path) -> None:
    """In no file of it, neither as text nor as numbers in whichever form: no id, no four items in a row."""
    rng = np.random.default_rng(7)
    items = [f"i{rng.integers(10**6):06d}" for _ in range(60)]
    told = "\n".join(f"{item},Item {k},{1950 + k},{'Drama' if k % 2 else 'War'}" for k, item in enumerate(items))
    (tmp_path / "items.csv").write_text("item_id,title,year,genres\n" + told)
    log = {f"somebody-{u:04d}": [items[i] for i in rng.permutation(60)[: rng.integers(8, 20)]] for u in range(60)}
    rows = [f"{user},{item},{at}" for user, history in log.items() for at, item in enumerate(history)]
    (tmp_path / "log.csv").write_text("user,item,time\n" + "\n".join(rows))
    data = {"form": "csv", "path": tmp_path / "log.csv", "items": tmp_path / "items.csv", "k_core": 0}
    bundle = train_recipe(
        Recipe.from_tables({"name": "toy", "data": data, "maps": False, **SMALL}), tmp_path / "out", runs=tmp_path
    )
    assert bundle is not None and bundle.population is not None and bundle.population.items is None
    inside = b""
    for path in (tmp_path / "out").iterdir():
        inside += path.read_bytes()
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                inside += b"".join(archive.read(name) for name in archive.namelist())
    for user, history in log.items():
        assert user.encode() not in inside and user.encode("utf-32-le") not in inside
        known = [bundle.catalogue.row(item) for item in history]
        for at in range(len(history) - 3):
            for between in (" ", ",", "-", '", "', "|", "\n"):
                assert between.join(history[at : at + 4]).encode() not in inside
            for dtype in (np.uint8, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64):
                assert np.array(known[at : at + 4], dtype).tobytes() not in inside


def planted_tables(folder: Path) -> dict[str, Any]:
    """A recipe of 40 simulated viewers of 40 films."""
    rows = [f"{v},Film {v},{1950 + v},{'Drama' if v % 2 else 'Comedy'}" for v in range(1, 41)]
    (folder / "items.csv").write_text("\n".join(["item_id,title,year,genres", *rows]))
    audience = {"n_viewers": 40, "shortest": 4, "longest": 6, "facets": ["genres"], "values": 2}
    data = {"form": "planted", "items": folder / "items.csv", "planted": audience}
    return {"name": "toy", "data": data, "maps": False, **SMALL}


def test_the_population_has_the_baselines_ranks(tmp_path: Path) -> None:
    tables = {**planted_tables(tmp_path), "evidence": False}
    recipe = Recipe.from_tables({**tables, "comparison": {}})
    bundle = train_recipe(recipe, tmp_path / "out", runs=tmp_path / "runs")
    assert bundle is not None and bundle.population is not None
    assert bundle.population.baselines == ("SASRec", "the most popular")
    data = prepare(recipe)
    baseline, _ = learn(baseline_of(recipe), data, launched(), tmp_path / "runs", False, SILENT)
    some = some_of(data.split.test, recipe.training.seed)
    np.testing.assert_array_equal(bundle.population.baseline_rank[0], ranks(baseline, some))
    alone = train_recipe(Recipe.from_tables(tables), tmp_path / "alone", runs=tmp_path / "others")
    assert alone is not None and alone.population is not None
    assert alone.population.baselines == ("the most popular",)
    for name, weight in alone.model.state_dict().items():
        assert torch.equal(weight, bundle.model.state_dict()[name]), "the baseline changes nothing of the model"


def test_the_baselines_slices_stand_beside_the_heads(tmp_path: Path) -> None:
    tables = planted_tables(tmp_path) | {"comparison": {"probe": True}}
    bundle = train_recipe(Recipe.from_tables(tables), tmp_path / "out", runs=tmp_path / "runs")
    assert bundle is not None
    names, probes = [a["name"] for a in bundle.evidence_json["attributes"]], bundle.evidence_json["probes"]
    assert np.shape(probes["baseline"]) == np.shape(probes["ap"]) == (2, len(names))
    assert probes["baseline"] != probes["ap"]

    tables["model"] = {**SMALL["model"], "variant": "sasrec"}
    watch = Watch()
    alone = Recipe.from_tables(tables)
    train_recipe(alone, tmp_path / "alone", runs=tmp_path / "alone runs", callbacks=watch.callbacks)
    assert len(watch.epochs) == alone.training.epochs, "a SASRec is not probed, so that no other is trained beside it"


# --- the card -----------------------------------------------------------------------------------------


def test_the_comparison_is_kept_and_goes_into_the_card(recipe: Recipe, tmp_path: Path) -> None:
    tables = {
        "name": "toy",
        "data": {"form": "csv", "path": recipe.data.path},
        **SMALL,
        "comparison": {"seeds": [0, 1]},
    }
    recipe = replace(Recipe.from_tables(tables), maps=False)
    table = compare(recipe, runs=tmp_path / "runs")
    assert table is not None
    assert table["model"].tolist() == ["FAME", "SASRec", "FAME − SASRec", "the most popular"]
    assert table["seeds"].tolist() == [2, 2, 2, 1]
    by_model = table.set_index("model")
    for metric in METRICS:
        expected = by_model.loc["FAME", metric] - by_model.loc["SASRec", metric]
        assert by_model.loc["FAME − SASRec", metric] == pytest.approx(expected, abs=1e-12)

    table.to_csv(tmp_path / "metrics.csv", index=False)
    watch = Watch()
    recipe = replace(recipe, metrics=tmp_path / "metrics.csv")
    bundle = train_recipe(recipe, tmp_path / "out", runs=tmp_path / "runs", callbacks=watch.callbacks)
    assert bundle is not None and not watch.epochs, "the run of this seed was there"
    assert f"| FAME − SASRec | 2 | {by_model.loc['FAME − SASRec', 'HR@10']:.4f} ±" in bundle.card
    assert (tmp_path / "runs/toy/sasrec-1").is_dir() and run_folder(recipe, tmp_path / "runs").name == "fame-0"


def test_a_bundle_says_how_far_other_seeds_find_its_preferences(recipe: Recipe, tmp_path: Path) -> None:
    """Of those alone that are trained to the end, and by the same recipe."""
    recipe = replace(recipe, maps=False, population=False, model=replace(recipe.model, anchors=1.0))
    baseline = replace(recipe.model, variant="sasrec", anchors=0.0)
    recipe = replace(recipe, comparison=Comparison(model=baseline, training=recipe.training))
    data, fabric, runs, warned = prepare(recipe), launched(), tmp_path / "runs", list[str]()

    def of_seed(seed: int, **changes: Any) -> Recipe:
        return replace(recipe, training=replace(recipe.training, seed=seed, **changes))

    def others(one: Recipe) -> int:
        return len(other_seeds(one, data, fabric, runs, Callbacks(warn=warned.append)))

    learn(of_seed(1), data, fabric, runs, False, SILENT)
    learn(of_seed(2, epochs=1), data, fabric, runs, False, SILENT)
    assert others(of_seed(0)) == 1 and others(of_seed(1)) == 0 and not warned
    bundle = train_recipe(of_seed(0), tmp_path / "out", runs=runs)
    assert bundle is not None and bundle.evidence_json["again"]["seeds"] == 1
    assert [p.again.seeds for p in bundle.preferences if p.again] == [1] * 6
    assert others(of_seed(1, learning_rate=0.02)) == 0
    assert warned[0].startswith("seed 0 is not held beside this one: ")
    assert "training.learning_rate 0.01, where this one has 0.02" in warned[0]


def test_a_comparison_of_one_model_with_itself_says_so() -> None:
    ranks = np.array([[1, 4, 30], [2, 2, 11]])
    table = comparison({"A": ranks, "B": ranks}).set_index("model")
    assert (table.loc["A − B", list(METRICS)] == 0).all()
    assert table.loc["A", "HR@10"] == pytest.approx(2 / 3)
    assert table.loc["A", "MRR"] == pytest.approx(np.mean([1, 1 / 4, 1 / 30, 1 / 2, 1 / 2, 1 / 11]))


def test_a_comparison_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"model": ["A"], "seeds": [1]}).to_csv(tmp_path / "m.csv", index=False)
    with pytest.raises(FameError, match=r"m.csv: the column 'HR@10' is missing"):
        read_comparison(tmp_path / "m.csv")


def test_the_readme_says_what_was_measured() -> None:
    readme = (RECIPES.parent / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("| model | HR@10") :].partition("\n\n")[0]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    shown = {name.partition(",")[0]: cells for name, *cells in rows}

    def printed(value: float) -> str:
        return f"{value:.4f}".replace("0.", ".", 1).replace("-", "−")

    measured = read_comparison(RECIPES / "ml-1m-paper.metrics.csv").set_index("model")
    assert header == ["model", *SHOWN]
    assert shown == {
        str(name): [f"{printed(row[m])} ± {printed(row[f'{m} ±'])}" for m in SHOWN] for name, row in measured.iterrows()
    }


def test_usage_of_an_even_gate_and_a_decided_router(recipe: Recipe) -> None:
    histories = prepare(recipe).split.test.histories
    model = FAME(FAMEConfig(n_items=9, d_model=8, n_heads=2, n_experts=3, max_len=6))
    with torch.no_grad():
        model.facets.gate.weight.zero_()
        model.facets.gate.bias.zero_()
        model.facets.W_exp.zero_()
    used = usage(model, histories)
    assert used is not None
    np.testing.assert_allclose(used.gate_mean, [0.5, 0.5])
    np.testing.assert_allclose(used.router_entropy, [1, 1], rtol=1e-6)
    assert (used.gate_entropy, used.gate_std.tolist()) == (pytest.approx(1), [0, 0])
    with torch.no_grad():
        model.facets.gate.bias.copy_(torch.tensor([100.0, 0.0]))
    used = usage(model, histories)
    assert used is not None
    np.testing.assert_allclose(used.gate_mean, [1, 0], atol=1e-6)
    assert used.gate_entropy == pytest.approx(0, abs=1e-6)
    assert usage(FAME(FAMEConfig(n_items=9, d_model=8, variant="sasrec")), histories) is None
