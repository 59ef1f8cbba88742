"""The `fame` command: from a log to pictures, and one line with status 2 for whatever goes wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import fame
from fame import explain
from fame.cli import main as cli
from fame.cli.options import READING
from fame.make import runs
from fame.make.evaluate import METRICS
from fame.trace import NOTHING

MAIN = str(Path(fame.__file__).with_name("__main__.py"))
SMALL = ["--epochs", "2", "--heads", "3", "--experts", "2", "--width", "12", "--max-len", "12", "--batch-size", "16"]


class Said(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`fame …` in this process."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["fame", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        code = end.value.code
        assert code is None or isinstance(code, int)
        return Said(code or 0, *capsys.readouterr())

    return run


def refused(said: Said, message: str, told: str | None = None) -> None:
    """One line says why; where a log was read by then, the lines before it say how it was (the first: `told`)."""
    assert said.status == 2, said
    *before, error = said.err.splitlines()
    assert said.out == "" and said.err.endswith("\n"), said
    assert not before if told is None else before[0].startswith(told), said.err
    assert error.startswith("error: ") and re.search(message, error), said.err


@pytest.fixture(scope="module")
def bundle(toy_log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle made by the command in a process of its own, as a shell has it."""
    folder = tmp_path_factory.mktemp("cli")
    command = [
        "train",
        "--data",
        f"csv:{toy_log}/log.csv",
        "--items",
        f"{toy_log}/items.csv",
        "--out",
        "my toy",
        *SMALL,
    ]
    done = subprocess.run([sys.executable, "-m", "fame", *command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "epoch   2  loss" in done.stderr and "gate entropy" in done.stderr
    assert done.stdout.endswith("look into it with: fame info './my toy'\n")
    assert "| this model | 1 |" in done.stdout
    assert len(list(folder.glob("runs/*/my-toy/fame-0"))) == 1
    return folder / "my toy"


# --- what it does -------------------------------------------------------------------------------------


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = "import sys\nfrom fame.cli.main import main\ntry: main()\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    for command in ("app", "train", "compare", "evaluate", "download", "explain", "info"):
        assert re.search(rf"^\W*{command} ", done.stdout, re.MULTILINE), command
    assert not {"torch", "pandas", "numpy", "plotly"} & set(done.stdout.split())


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"fame {fame.__version__}\n", "")


def test_two_runs_whose_folders_are_named_alike(toy_log: Path, tmp_path: Path, run: Run) -> None:
    def command(out: str, width: int) -> list[object]:
        data = ["train", "--data", f"csv:{toy_log}/log.csv", "--out", tmp_path / out, "--runs", tmp_path / "runs"]
        return [*data, "--no-maps", "--variant", "sasrec", "--epochs", 1, "--width", width]

    for out, width in (("a/mine", 8), ("b/mine", 12)):
        said = run(*command(out, width))
        assert said.status == 0, said.err
        assert (fame.load(tmp_path / out).name, fame.load(tmp_path / out).config.d_model) == ("mine", width)
    refused(
        run(*command("a/mine", 12)),
        "model.d_model 8, where this one has 12; --fresh forgets it, another --name or",
        told="read 260 rows as CSV",
    )
    assert run(*command("a/mine", 12), "--name", "wider").status == 0
    assert run(*command("b/mine", 8), "--fresh").status == 0


def test_evaluate_says_what_the_card_says(bundle: Path, toy_log: Path, run: Run) -> None:
    said = run("evaluate", bundle, "--data", f"csv:{toy_log}/log.csv", "--json")
    found = json.loads(said.out)
    assert (said.status, found["users"], set(METRICS) <= set(found["metrics"])) == (0, 40, True)
    hr, ndcg = found["metrics"]["HR@10"], found["metrics"]["NDCG@10"]
    assert re.search(rf"\| this model \| 1 \| {hr:.4f} ± .* \| {ndcg:.4f} ±", fame.load(bundle).card)
    table = run("evaluate", bundle, "--data", f"csv:{toy_log}/log.csv")
    assert f"{ndcg:.4f} ±" in table.out and "40 users of the 5-core" in table.out


def test_evaluate_takes_the_k_core_that_the_bundle_was_trained_with(toy_log: Path, tmp_path: Path, run: Run) -> None:
    data = ["--data", f"csv:{toy_log}/log.csv"]
    made = run("train", *data, "--out", tmp_path / "x", "--runs", tmp_path, "--k-core", 7, "--no-maps", *SMALL)
    assert made.status == 0, made.err
    found = json.loads(run("evaluate", tmp_path / "x", *data, "--json").out)
    assert (found["users"], found["k_core"]) == (20, 7), "those who have 7 films"
    every = run("evaluate", tmp_path / "x", *data, "--k-core", 0)
    assert "of 40 users; all" in every.out


def test_population_reads_what_train_reads(bundle: Path, toy_log: Path, tmp_path: Path, run: Run) -> None:
    plain = run("population", bundle, "--data", f"csv:{toy_log}/log.csv", "--json")
    assert plain.status == 0 and len(json.loads(plain.out)) > 3, plain.err
    rows = [line.split(",") for line in (toy_log / "log.csv").read_text().splitlines()[1:]]
    lines = [f"{time};5;{item};{user}" for user, item, time in rows]
    lines += [f"{time};1;f{1 + i % 9};{user}" for i, (user, _, time) in enumerate(rows)]  # disliked, so to be left out
    (tmp_path / "odd.txt").write_text("\n".join(["a;stars;b;c", *lines]))
    odd = ["population", bundle, "--data", f"csv:{tmp_path}/odd.txt", "--user", "c", "--item", "b", "--order", "a"]
    said = run(*odd, "--rating", "stars", "--where", "stars >= 3", "--separator", ";", "--json")
    assert (said.status, said.out) == (0, plain.out)
    assert run(*odd, "--rating", "stars", "--json").out != plain.out, "the condition matters"
    told = run(*odd, "--where", "stars >= 3", "--csv", tmp_path / "slices.csv")
    assert told.status == 0 and "read 520 rows as text" in told.out and "40 histories." in told.out
    assert (tmp_path / "slices.csv").read_text().startswith("key,kind,slice,histories")
    helps = [run(command, "--help").out for command in ("inspect", "population", "evaluate", "train")]
    for option in READING:
        assert all(option.flag.partition("/")[0] in text for text in helps), option.flag


def test_explain_prints_titles_as_text(bundle: Path, run: Run) -> None:
    said = run("explain", bundle, "f1", "[bold]Film 2[/bold] <b>", "-k", 3)
    assert said.status == 0 and said.err == ""
    history, gate, *lists, together, note = re.split(r"\n\s*\n|\n(?=A head)", said.out.strip())
    assert "[bold]Film 1[/bold] <b> (1981)" in history and "[bold]Film 2[/bold] <b> (1982)" in history
    assert sum(float(share) for share in re.findall(r"([\d.]+)%\s+█", gate)) == pytest.approx(100, abs=0.2)
    trace = fame.load(bundle).trace(["f1", "f2"])
    for h in range(3):
        assert f"Head {h + 1} alone" in lists[0]
        assert trace.catalogue.label(int(trace.ranking(head=h)[0])) in lists[0].splitlines()[1]
    rows = together.splitlines()[1:]
    assert len(rows) == 3 and "gate times its score" in note
    for row, best in zip(rows, trace.ranking()[:3], strict=True):
        assert trace.catalogue.label(int(best)) in row
        *shares, score = map(float, re.findall(r"[+-]\d+\.\d{3}", row))
        assert sum(shares) == pytest.approx(score, abs=0.0021), "three shares and a sum, each rounded"


def test_explain_json_holds_the_trace(bundle: Path, run: Run) -> None:
    found = json.loads(run("explain", bundle, "f1", "f2", "--json", "-k", 4).out)
    loaded = fame.load(bundle)
    trace = loaded.trace(["f1", "f2"])
    assert [item["item_id"] for item in found["history"]] == ["f1", "f2"]
    assert found["gate"] == pytest.approx(trace.gate[-1].tolist())
    np.testing.assert_allclose([head["router"] for head in found["heads"]], trace.router[-1], rtol=1e-6)
    for h, head in enumerate(found["heads"]):
        assert [entry["item_id"] for entry in head["top"]] == trace.top(4, head=h)["item_id"].tolist()
    assert [entry["item_id"] for entry in found["merge"]] == trace.top(4)["item_id"].tolist()
    for entry in found["merge"]:
        assert sum(entry["shares"]) == pytest.approx(entry["score"], abs=1e-5)
    best = trace.ranking()[0]
    effect = trace.scores[best] - loaded.trace(["f2"]).scores[best]
    assert found["history"][0]["effect"] == pytest.approx(float(effect), abs=1e-5)
    alone = json.loads(run("explain", bundle, "f1", "--json").out)
    assert alone["history"][0]["effect"] is None, "the only item cannot be left out"


def test_a_wish_is_answered_by_changes_that_do_it(bundle: Path, run: Run) -> None:
    loaded = fame.load(bundle)
    first, second = loaded.trace(["f1", "f2"]).top(2).item_id
    found = json.loads(run("explain", bundle, "f1", "f2", "--json", "--wish", f"first: {second}").out)
    assert found["rank"] == 2 and found["single_changes"] == 2 + 2 * (loaded.catalogue.n_items - 3)
    for change in found["found"]:
        made, _ = explain.read_changes(change["link"])
        b = explain.apply_changes(made, ["f1", "f2"], NOTHING, loaded.catalogue, loaded.config)
        assert loaded.trace(list(b.history)).top(1).item_id[0] == second
    assert len(found["found"]) == min(10, found["works"])
    assert "it is so already" in run("explain", bundle, "f1", "f2", "--wish", f"first: {first}").out
    refused(run("explain", bundle, "f1", "--wish", "best: f2"), "the wish is 'best: f2'; expected 'first: TITLE'")
    refused(run("explain", bundle, "f1", "--wish", "first: f1"), "in the history, and what is there is not recommended")


def test_explain_html_stands_alone(bundle: Path, tmp_path: Path, run: Run) -> None:
    said = run("explain", bundle, "f1", "f2", "--html", tmp_path / "page.html")
    assert (said.status, "open it in a browser" in said.out) == (0, True)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and page.count("<figure") == 8, (
        "story, merge, 3 heads, grid, journey, map"
    )
    tags = " ".join(re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page))
    assert not re.search(r"\b(?:src|href)=", tags), "nothing is fetched"
    assert "Film 2[/bold] <b>" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL), "titles are escaped"


def test_info_tells_what_is_in_a_bundle(bundle: Path, run: Run) -> None:
    facts = json.loads(run("info", bundle, "--json").out)
    assert (facts["name"], facts["items"], facts["sizes"]["n_heads"]) == ("my-toy", 9, 3)
    assert facts["attributes"] == {"genres": "(3 values)", "decade": "(1 value)"}
    assert facts["maps"] == ["full", "head_1", "head_2", "head_3"]
    table = run("info", bundle).out
    assert "my-toy" in table and "2 epochs; the best is" in table
    assert run("info", bundle, "--card").out.strip() == fame.load(bundle).card.strip()


def test_nothing_that_is_printed_commands_a_terminal(bundle: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = replace(
        fame.load(bundle), card="# A card\x1b]0;title\x07\nof \x9b2Jtwo lines", evidence_json={"a\x1b[31m": 1}
    )
    monkeypatch.setattr("fame.bundle.load", lambda name: loaded)
    assert run("info", bundle, "--card").out == "# A card ]0;title \nof  2Jtwo lines\n"
    assert "\x1b" not in run("info", bundle).out
    monkeypatch.undo()
    assert "\x1b" not in run("info", "no\x1b[31msuch").err


def test_a_recipe_is_trained_with_what_the_command_line_changes(
    toy_log: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.toml").write_text(
        f'name = "plain"\nmaps = false\n[data]\nform = "csv"\npath = "{toy_log}/log.csv"'
    )
    said = run("train", "plain.toml", "--variant", "sasrec", "--width", 8, "--epochs", 1, "--seed", 3)
    assert said.status == 0 and "entropy" not in said.err, said.err
    bundle = fame.load("runs/plain/bundle")
    assert (bundle.config.variant, bundle.config.d_model, len(bundle.training)) == ("sasrec", 8, 1)
    assert "seed 3" in bundle.card and (tmp_path / "runs/plain/sasrec-3").is_dir()
    refused(run("explain", "runs/plain/bundle", "f1"), "plain sasrec; it has no heads")
    assert "plain" in run("info", "runs/plain/bundle").out


def test_settings_are_given_beside_a_recipe_or_alone(
    toy_log: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(toy_log))
    quick = ["maps=false", "evidence=false", "model.d_model=63", "--heads", 3, "model.n_experts=1", "--epochs", 1]
    said = run("train", "--data", "csv:~/log.csv", "--items", "~/items.csv", "--out", "mine", *quick, "--log", "csv")
    assert said.status == 0, said.err
    config = fame.load("./mine").config
    assert (config.d_model, config.n_heads, config.n_experts, config.backbone_heads) == (63, 3, 1, 1)
    assert list(tmp_path.rglob("metrics.csv"))
    lines = said.err.splitlines()
    assert lines[0].startswith("read 260 rows as CSV; parted by ','; a header; user = user, item = item"), said.err
    training = lines.index("training FAME, seed 0")
    assert re.fullmatch(r"reading the log: \d+\.\d s", lines[training - 1]), said.err
    assert any(line.startswith("saving mine: ") for line in lines), "where there is no terminal each stage is a line"
    longer = run("train", "--data", "csv:~/log.csv", "--items", "~/items.csv", "--out", "mine", *quick[:-1], 2)
    assert longer.status == 0 and "epoch   1" not in longer.err and "epoch   2" in longer.err
    other = run("train", "--data", "csv:~/log.csv", "--out", "mine", *quick, "training.batch_size=7")
    refused(
        other,
        "is of a run with training.batch_size 128, where this one has 7; --fresh forgets it",
        told="read 260 rows",
    )
    refused(run("train", "a.toml", "b.toml"), "two recipes, 'a.toml' and 'b.toml'")
    refused(run("train", "a.toml", "model.head=2"), "there is no setting 'model.head'; did you mean 'model.n_heads'")


def test_a_title_that_several_films_share_is_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(run("explain", "ml-1m", "Star Wars"), "'Star Wars' may be several; .*A New Hope.*id 260.*Phantom Menace")
    asked: list[str] = []

    def answer(text: str, **options: object) -> int:
        asked.append(text)
        return 2

    monkeypatch.setattr("fame.cli.choose.terminal", lambda: True)
    monkeypatch.setattr("typer.prompt", answer)
    said = run("explain", "ml-1m", "Star Wars", "Toy Story", "--json")
    offered = [line for line in said.err.splitlines() if line.startswith("  2 ")]
    history = json.loads(said.out)["history"]
    assert len(offered) == len(asked) == 1 and offered[0].startswith(f"  2 {history[0]['title']}")
    assert history[1]["title"] == "Toy Story" and history[0]["title"].startswith("Star Wars")


def test_compare_writes_the_table_that_the_recipe_names(toy_log: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "mine.toml").write_text(
        f'name = "mine"\nmetrics = "mine.csv"\n[data]\nform = "csv"\npath = "{toy_log}/log.csv"\n'
        "[model]\nd_model = 8\n[training]\nepochs = 1\n[comparison]\nseeds = [4]"
    )
    command = ["compare", tmp_path / "mine.toml", "--runs", tmp_path / "runs"]
    refused(run(*command, "--out", tmp_path / "mine.toml/x.csv"), "mine.toml is a file; expected a directory")
    refused(run(*command, "--out", tmp_path), "a directory; expected the name of a CSV file")
    assert not (tmp_path / "runs").exists(), "nothing was trained for it"
    said = run(*command)
    assert said.status == 0, said.err
    header, *rows = (tmp_path / "mine.csv").read_text().splitlines()
    assert header.startswith("model,seeds,HR@5,HR@5 ±") and [r.split(",")[0] for r in rows][:2] == ["FAME", "SASRec"]
    assert "| FAME − SASRec | 1 |" in said.out
    assert (tmp_path / "runs/mine/sasrec-4").is_dir()
    assert run(*command, "--out", tmp_path / "new/x.csv").status == 0
    assert (tmp_path / "new/x.csv").read_text() == (tmp_path / "mine.csv").read_text()


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[str]:
    """The address of a server that has ml-latest-small.zip."""
    folder = tmp_path / "served"
    folder.mkdir()
    with zipfile.ZipFile(folder / "ml-latest-small.zip", "w") as archive:
        archive.writestr("ml-latest-small/ratings.csv", "userId,movieId,rating,timestamp\n1,2,3,4\n")
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_download_says_what_to_do_next(publisher: str, tmp_path: Path, run: Run) -> None:
    said = run("download", "ml-latest-small", "--to", tmp_path / "logs", "--from", publisher)
    folder = tmp_path / "logs/ml-latest-small"
    assert said.status == 0 and f"--data {folder}\n" in said.out
    assert (folder / "ratings.csv").read_text().startswith("userId")
    refused(run("download", "ml-1m", "--to", tmp_path / "logs", "--from", publisher), "the server answered 404")


@pytest.mark.slow
def test_fabric_run_trains_on_two_processes(toy_log: Path, tmp_path: Path) -> None:
    fabric = [sys.executable, "-m", "lightning_fabric.cli", "--accelerator", "cpu", "--devices", "2", MAIN]
    command = ["train", "--data", f"csv:{toy_log}/log.csv", "--out", "two", "--no-maps", *SMALL]
    done = subprocess.run([*fabric, *command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch   2  loss") == 1, "one process tells"
    assert len(fame.load(tmp_path / "two").training) == 2


# --- what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'"),
        (["train"], "give a RECIPE.toml, or --data PATH and --out DIR"),
        (["train", "--data", "csv:{log}/log.csv"], "give a RECIPE.toml, or --data PATH and --out DIR"),
        (["train", "gone.toml"], "gone.toml: no such file"),
        (["train", "--data", "cvs:x", "--out", "{tmp}/x"], "data 'cvs:x': expected PATH or FORM:PATH"),
        (["train", "--data", "csv:gone.csv", "--out", "{tmp}/x"], "gone.csv: no such file"),
        (["train", "--data", "csv:{log}/log.csv", "--out", "{tmp}/x", "--heads", "3"], "does not divide by n_heads 3"),
        (["train", "--data", "csv:{log}/log.csv", "--out", "{tmp}/x", "--epochs", "two"], "'--epochs'.*train --help"),
        (["train", "--data", "csv:{log}/log.csv", "--out", "{tmp}/x", "--seed", "5000000000"], "seed is 5000000000"),
        (["train", "--data", "csv:{log}/log.csv", "--out", "{tmp}/x", "--columns", "a"], "expected USER,ITEM,ORDER"),
        (["train", "--data", "csv:{log}/log.csv", "--out", "{log}"], "holds items.csv and is no bundle"),
        (["train", "--data", "csv:{log}/log.csv", "--out", "{tmp}/x", "--k-core", "99"], "no users and items with 99"),
        (["train", "--data", "csv:{log}/log.csv", "--out", "{log}/log.csv/x"], "log.csv is a file; expected a dir"),
        (["train", "--data", "csv:{log}/log.csv", "--out", "{tmp}/x", "--k-core", "-1"], "k_core is -1; expected"),
        (["evaluate", "{bundle}", "--data", "csv:{log}/log.csv", "--k-core", "-1"], "k_core is -1; expected"),
        (["evaluate", "{bundle}"], "Missing option '--data'"),
        (["evaluate", "{bundle}", "--data", "csv:{log}/items.csv"], "none looks like the user; .*--user COLUMN"),
        (["evaluate", "nobody/knows this", "--data", "csv:{log}/log.csv"], "there is no bundle"),
        (["explain", "{bundle}"], "Missing argument 'ITEM"),
        (["explain", "{bundle}", "Flim 3"], "no item is called 'Flim 3'; nearest"),
        (["explain", "{bundle}", "f1", "-k", "0"], "greater than or equal to 1"),
        (["explain", "{bundle}", "f1", "--html", "{tmp}/gone/x.html"], "cannot be written"),
        (["explain", "{bundle}", *(f"f{i}" for i in range(1, 10))], "the history holds every item"),
        (["info", ""], "there is no bundle ''; give a name"),
        (["info", "{tmp}"], "no bundle; expected manifest.json"),
        (["download", "ml-3m"], "unknown data set 'ml-3m'; expected one of ml-1m"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_and_status_2(
    arguments: list[str], message: str, bundle: Path, toy_log: Path, tmp_path: Path, run: Run
) -> None:
    refused(run(*(a.format(log=toy_log, tmp=tmp_path, bundle=bundle) for a in arguments)), message)
    assert not (tmp_path / "x").exists()


def test_a_stopped_training_says_how_to_go_on(
    toy_log: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [
        "train",
        "--data",
        f"csv:{toy_log}/log.csv",
        "--out",
        tmp_path / "x",
        "--runs",
        tmp_path,
        "--no-maps",
        *SMALL,
    ]
    learn, done = runs.train, []

    def interrupted(*arguments: object, on_epoch: Callable[..., None], **options: object) -> None:
        def once(epoch: object) -> None:
            on_epoch(epoch)
            done.append(epoch)
            raise KeyboardInterrupt

        learn(*arguments, on_epoch=once, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "train", interrupted)
    said = run(*command)
    assert said.status == 130 and len(done) == 1
    assert said.err.splitlines()[-1].startswith("stopped; the same command without --fresh goes on after the last full")
    monkeypatch.setattr(runs, "train", learn)
    said = run(*command)
    assert said.status == 0 and "epoch   1" not in said.err and "epoch   2" in said.err


def test_a_bug_is_one_line_too_unless_asked(bundle: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("fame.cli.explain.print_explanation", broken)
    refused(run("explain", bundle, "f1"), "RuntimeError: first second .*FAME_TRACEBACK=1")
    monkeypatch.setenv("FAME_TRACEBACK", "1")
    monkeypatch.setattr(sys, "argv", ["fame", "explain", str(bundle), "f1"])
    with pytest.raises(RuntimeError, match="first"):
        cli.main()
