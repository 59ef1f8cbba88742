"""A visitor's training is a process of its own: one at a time, stopped, gone on with after a kill, the recipe's own."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import fame
from app.logs import queue, reading
from app.logs.box import Box, new_token
from fame.bundle import pack
from tests.app.browser import ROOT
from tests.app.own import dropped, wait

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="processes are ended otherwise there")]
# A server, as far as trainings go: it looks after the queue until it is killed.
SERVER = "import time\nfrom app.logs import queue\nqueue.kick()\ntime.sleep(600)"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAME_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("FAME_NICE", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path / "store"


def weights(place: Path) -> str:
    return hashlib.sha256((place / "model.safetensors").read_bytes()).hexdigest()


def test_a_killed_server_s_training_goes_on_and_is_the_recipe_s_own(tmp_path: Path) -> None:
    entry = dropped(guide=["colour"])
    reading.write_recipe(entry)
    recipe = (entry.folder / "recipe.toml").read_text("utf-8").replace("epochs = 3", "epochs = 12")
    (entry.folder / "recipe.toml").write_text(recipe, "utf-8")
    entry.update(stage="queued", queued=1.0)

    def epochs() -> list[int]:
        return [e["epoch"] for run in entry.progress.get("runs", []) for e in run["epochs"]]

    server = subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT)
    try:
        wait(lambda: len(epochs()) >= 2 or entry.state["stage"] == "failed")
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
    done = epochs()
    assert entry.state["stage"] == "running", entry.state
    assert 2 <= len(done) < 12 and entry.model is None
    queue.kick()  # as the next server does when it starts
    wait(lambda: entry.state["stage"] not in ("queued", "running"))
    assert entry.state["stage"] == "done", entry.state
    assert (entry.folder / "training.txt").read_text().count("epoch 1:") == 1, "it went on, it did not begin anew"
    model, histories = entry.model, entry.histories
    assert model is not None and len(histories) > 5
    bundle = fame.load(model)
    assert bundle.name == "mine" and bundle.trace(histories[0]).top(3)["title"].str.startswith("Thing").all()
    packed = tmp_path / "mine.zip"
    packed.write_bytes(pack(model, "mine"))
    assert fame.load(packed).digest == bundle.digest and reading.check_bundle(packed) == ""
    assert all(name.startswith("mine/") and ".." not in name for name in zipfile.ZipFile(packed).namelist())
    for name in ("mine.csv", "items.csv"):  # what a visitor has at home, beside the recipe
        (tmp_path / name).write_bytes((entry.folder / name).read_bytes())
    (tmp_path / "mine.toml").write_text(recipe, "utf-8")
    command = [sys.executable, "-m", "fame", "train", "mine.toml", "--out", "again"]
    environment = reading.environment(tmp_path)
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
    assert said.returncode == 0, said.stderr
    assert weights(tmp_path / "again") == weights(model)
    assert str(tmp_path) not in recipe, "the recipe names no folder of the server"


def test_one_at_a_time_a_stop_and_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAME_LARGEST_FILE", "20000")  # a checkpoint does not fit
    first, second = dropped(), dropped(Box(new_token()))
    queue.ask(first)
    queue.ask(second)
    assert queue.place(second) == 1 and queue.place(first) == 0
    wait(lambda: first.state["stage"] == "running")
    assert second.state["stage"] == "queued", "one at a time"
    queue.cancel(first)
    wait(lambda: first.state["stage"] == "stopped")
    wait(lambda: second.state["stage"] == "failed")
    error = second.state["error"]
    assert "cannot be written" in error and "check space and rights, the epochs before are kept" in error
    assert str(second.folder) not in error and second.model is None
    monkeypatch.delenv("FAME_LARGEST_FILE")
    queue.ask(second)  # there is space again
    wait(lambda: second.state["stage"] not in ("queued", "running"))
    assert second.state["stage"] == "done" and second.model is not None
    second.delete()
    assert not second.folder.exists() and second.state == {}
