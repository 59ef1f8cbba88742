"""`fame push`: a bundle goes up to a Hub on loopback, with its card, and comes back by its id."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

import fame
from tests.app.small import make_bundle

SHA = "a" * 40


class Hub(BaseHTTPRequestHandler):
    """As much of the Hugging Face Hub as a commit of plain files and a snapshot need."""

    files: ClassVar[dict[str, bytes]] = {}
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def tell(self, values: object, status: int = 200) -> None:
        self.answer(json.dumps(values).encode(), status, Content_Type="application/json")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != "Bearer right":
            return self.tell({"error": "Unauthorized"}, 401)
        if self.path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(body)["files"]]
            told = [{"path": n, "uploadMode": "regular", "shouldIgnore": False, "oid": None} for n in names]
            return self.tell({"files": told})
        if self.path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    type(self).files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return self.tell({"commitUrl": f"{self.url()}/me/tiny/commit/{SHA}", "commitOid": SHA, "hookOutput": ""})
        return self.tell({"url": f"{self.url()}/me/tiny", "name": "me/tiny", "errors": [], "warnings": []})

    def do_GET(self) -> None:
        name = self.path.partition(f"/me/tiny/resolve/{SHA}/")[2]
        if name in self.files:
            content = self.files[name]
            mark = hashlib.sha1(content).hexdigest()
            return self.answer(content, ETag=f'"{mark}"', X_Repo_Commit=SHA)
        if "/tree/" in self.path:
            return self.tell([{"type": "file", "path": n, "size": len(c), "oid": SHA} for n, c in self.files.items()])
        if self.path.startswith("/api/models/me/tiny"):
            known = [{"rfilename": name} for name in self.files]
            return self.tell({"id": "me/tiny", "sha": SHA, "siblings": known, "private": False, "tags": []})
        return self.tell({"error": "not found"}, 404)

    do_HEAD = do_GET

    def url(self) -> str:
        return f"http://{self.headers['Host']}"


@pytest.fixture
def hub() -> Iterator[str]:
    Hub.files = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run(hub: str, home: Path, token: str, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HF_ENDPOINT": hub, "HF_HOME": str(home), "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_bundle_goes_up_and_comes_back(hub: str, tmp_path: Path) -> None:
    place = make_bundle().save(tmp_path / "tiny")
    (place / "notes.txt").write_text("mine alone")
    said = run(hub, tmp_path / "home", "right", "-m", "fame", "push", str(place), "me/tiny")
    assert said.returncode == 0, said.stderr
    assert said.stdout == f'tiny is at {hub}/me/tiny; open it with fame.load("me/tiny")\n'
    assert set(Hub.files) == {path.name for path in place.iterdir()} - {"notes.txt"}
    for name in set(Hub.files) - {"README.md"}:
        assert Hub.files[name] == (place / name).read_bytes(), name
    ask = "import fame; b = fame.load('me/tiny'); print(b.trace(['f1', 'f2']).top(5).to_json())"
    back = run(hub, tmp_path / "home", "", "-c", ask)
    assert back.returncode == 0, back.stderr
    assert back.stdout.strip() == fame.load(place).trace(["f1", "f2"]).top(5).to_json()


def test_the_card_tells_the_hub_what_it_reads(hub: str, tmp_path: Path) -> None:
    place = fame.load("ml-1m").save(tmp_path / "mine")
    said = run(hub, tmp_path / "home", "right", "-m", "fame", "push", str(place), "me/tiny", "--private")
    assert said.returncode == 0, said.stderr
    _, header, text = Hub.files["README.md"].decode().split("---\n", 2)
    told = yaml.safe_load(header)
    assert told["license"] == "mit" and told["library_name"] == "fame" and told["pipeline_tag"] == "other"
    assert "sequential-recommendation" in told["tags"]
    metrics = {m["name"]: m["value"] for m in told["model-index"][0]["results"][0]["metrics"]}
    assert metrics == fame.load("ml-1m").metrics
    assert 'fame.load("me/tiny")\n' in text and 'fame.load("ml-1m")' not in text


def test_what_the_hub_refuses_is_one_line(hub: str, tmp_path: Path) -> None:
    place = str(make_bundle().save(tmp_path / "tiny"))
    wrong = run(hub, tmp_path / "home", "wrong", "-m", "fame", "push", place, "me/tiny")
    assert wrong.returncode == 2 and wrong.stdout == "" and Hub.files == {}
    assert wrong.stderr.startswith("error: me/tiny: the Hugging Face Hub refuses (401); log in with `hf auth login`")
    assert wrong.stderr.count("\n") == 1
    named = run(hub, tmp_path / "home", "right", "-m", "fame", "push", place, "tiny")
    assert named.stderr == "error: 'tiny' is no id of the Hugging Face Hub; expected owner/name\n"
    Path(place, "items.csv").write_text("item_id\n")
    broken = run(hub, tmp_path / "home", "right", "-m", "fame", "push", place, "me/tiny")
    assert broken.returncode == 2 and "items.csv" in broken.stderr and Hub.files == {}, "nothing altered goes up"
