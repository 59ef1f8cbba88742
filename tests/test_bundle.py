"""A bundle comes back as it was saved, is refused when it is not, and is shared safely."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError

import fame
from fame.atlas import Atlas
from fame.bundle import ARTIFACTS, Bundle, Example, check_target
from fame.bundle.files import CARD, FILES, LIMITS, REQUIRED
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.explain import ADDS_UP
from fame.model import FAME
from fame.trace import Intervention

SMALL = FAMEConfig(n_items=12, max_len=6, d_model=12, n_heads=3, n_experts=2, backbone_heads=2)


def make(config: FAMEConfig = SMALL) -> Bundle:
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    spaces = ("full", *(f"head_{h + 1}" for h in range(config.n_heads)))
    V, S = config.n_rows, len(spaces)
    catalogue = Catalogue.from_frame(
        pd.DataFrame(
            {
                "item_id": [f"i{row}" for row in range(1, V)],
                "title": [f'Film "{row}", ‘the’ <b>best</b>' for row in range(1, V)],
                "year": [1990 + row for row in range(1, V)],
                "genres": ["Action|Musical" if row % 2 else "" for row in range(1, V)],
            }
        )
    )
    maps = rng.normal(size=(2, S, V, 2)).astype(np.float32)
    maps[:, :, 0] = np.nan
    neighbours = rng.integers(1, V, size=(S, V, 3), dtype=np.int32)
    atlas = Atlas(spaces, maps[0], maps[1], neighbours, np.full((2, S), 0.9, np.float32), seed=7)
    return Bundle(
        name="small",
        model=FAME(config).eval(),
        catalogue=replace(catalogue, noun="book"),
        atlas=atlas,
        examples=(Example("Two films", "Watch head 2.", ("i3", "i1")),),
        evidence_json={"probe": {"head_1": 0.25, "films": ["Amélie", None]}},
        training=pd.DataFrame({"epoch": [1, 2], "loss": [6.9, 0.1 + 0.2]}),
        card="# Small\n\nA model card.\n",
        simulated=True,
        k_core=3,
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return make().save(tmp_path / "small")


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Replace a file and make the manifest agree: what someone would do who builds a bundle by hand."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def edit_json(folder: Path, file: str, /, **changes: Any) -> None:
    values = json.loads((folder / file).read_text()) | changes
    if file == "manifest.json":
        (folder / file).write_text(json.dumps(values))
    else:
        rewrite(folder, file, json.dumps(values).encode())


def weights(folder: Path, **changes: torch.Tensor | None) -> None:
    tensors = safetensors.torch.load_file(folder / "model.safetensors") | changes
    rewrite(folder, "model.safetensors", safetensors.torch.save({k: t for k, t in tensors.items() if t is not None}))


def test_round_trip_bit_for_bit(saved: Path, tmp_path: Path) -> None:
    before, after = make(), fame.load(saved)
    assert after.config == SMALL
    assert (after.name, after.simulated, after.card) == ("small", True, before.card)
    assert (after.catalogue.noun, after.k_core) == ("book", 3)
    assert (after.examples, after.evidence_json) == (before.examples, before.evidence_json)
    pd.testing.assert_frame_equal(after.training, before.training, check_exact=True)
    pd.testing.assert_frame_equal(after.catalogue.to_frame(), before.catalogue.to_frame())
    for name, tensor in before.model.state_dict().items():
        assert torch.equal(tensor, after.model.state_dict()[name]), name
    assert before.atlas is not None and after.atlas is not None
    for name, array in before.atlas.to_arrays().items():
        np.testing.assert_array_equal(after.atlas.to_arrays()[name], array, err_msg=name)
    a, b = before.trace(["i3", "i1"]), after.trace(["i3", "i1"])
    for name in ("scores", "head_scores", "expert_scores", "attention", "gate"):
        # The weights are the same bits; where they lie in memory may move a sum's last bit.
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-5, atol=1e-6, err_msg=name)

    again = after.save(tmp_path / "again")
    assert {p.name for p in again.iterdir()} == {p.name for p in saved.iterdir()}
    # Round trips of population and course are in test_population.py and test_course.py.
    assert {p.name for p in again.iterdir()} == {"manifest.json", *FILES} - {"population.npz", "course.npz"}
    for path in again.iterdir():
        assert path.read_bytes() == (saved / path.name).read_bytes(), path.name


def test_loaded_model_is_for_looking_only(saved: Path) -> None:
    model = Bundle.load(saved).model
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())


def test_hub_mixin_reads_the_same_directory(saved: Path) -> None:
    model = FAME.from_pretrained(saved).eval()
    assert model.config == SMALL
    items = torch.tensor([[3, 1, 4]])
    assert torch.equal(model(items).query, Bundle.load(saved).model(items).query)
    assert (saved / "README.md").read_text(encoding="utf-8") == make().card


def test_fresh_from_training_has_no_extras(tmp_path: Path) -> None:
    full = make()
    folder = full.save(tmp_path / "b")
    Bundle("fresh", full.model, full.catalogue).save(folder)
    fresh = Bundle.load(folder)
    assert fresh.atlas is None
    assert (fresh.examples, fresh.evidence_json, len(fresh.training), fresh.simulated) == ((), {}, 0, False)
    assert {p.name for p in folder.iterdir()} == {"manifest.json", CARD, *REQUIRED}
    assert "# fresh" in fresh.card


@pytest.mark.parametrize(
    ("card", "summary"),
    [
        ("---\nlicense: mit\n# no heading\n---\n\n# FAME on toys\n\nTwo\nlines.\n\nNot this.\n", "Two lines."),
        ("# A\n\n## B\n\ntext\n", ""),
        ("# A\n" + "long " * 200, ("long " * 200)[:400]),
        ("no heading\n\ntext", ""),
        ("", ""),
    ],
)
def test_the_card_says_in_a_line_what_the_model_is(card: str, summary: str) -> None:
    assert replace(make(), card=card).summary == summary


def test_a_history_is_ids_and_titles_and_rows_only_by_name(saved: Path) -> None:
    b = Bundle.load(saved)
    assert b.rows([b.catalogue.title[5], "i2"]) == [5, 2]
    assert b.trace([b.catalogue.title[5], "i2"]).items.tolist() == b.trace(rows=[5, 2]).items.tolist() == [5, 2]
    with pytest.raises(FameError, match="no item is called '5'; nearest: Film"):
        b.trace([5, "i2"])  # no item has this id, and a whole number is never a row
    with pytest.raises(FameError, match="no item is called 'i99'"):
        b.trace(["i99"])
    with pytest.raises(FameError, match="history is empty"):
        b.trace([])
    with pytest.raises(FameError, match="the items are 5; expected a list of ids or titles"):
        b.trace(5)  # type: ignore[arg-type]
    for both in ({}, {"history": ["i2"], "rows": [2]}):
        with pytest.raises(FameError, match="give either items, by id or title, or rows=, whole numbers from 1"):
            b.trace(**both)  # type: ignore[arg-type]
    for row in (0, 13, -1, "2", 2.0, True):
        with pytest.raises(FameError, match="is not in the catalogue; rows are 1 to 12"):
            b.trace(rows=[row])  # type: ignore[list-item]
    for asked in ({"k": 2.0}, {"head": 2.0}, {"head": 0, "expert": 2.0}):
        with pytest.raises(FameError, match=r"(k|head|expert) is '2\.0'; expected a whole number"):
            b.trace(rows=[1]).top(**asked)
    with pytest.raises(FameError, match=r"there is no head 3; this model's heads are 0 to 2"):
        b.trace(rows=[1], intervention=Intervention(heads_off=(3,)))


def test_threads_share_one_bundle(saved: Path) -> None:
    b = Bundle.load(saved)
    asks = [
        ([f"i{1 + i % 12}", f"i{1 + i % 5}", "i7"], Intervention(heads_off=(i % 3,)) if i % 2 else Intervention())
        for i in range(64)
    ]
    alone = [b.trace(*ask) for ask in asks]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda ask: b.trace(*ask), asks))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_array_equal(one.attention, other.attention)


def arrays(**changes: Any) -> bytes:
    atlas = make().atlas
    assert atlas is not None
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **(atlas.to_arrays() | changes))
    return buffer.getvalue()


def members(files: dict[str, bytes], spoil: bool = False) -> bytes:
    """A zip archive with these members; `spoil` breaks the packed bytes of the first."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    content = bytearray(buffer.getvalue())
    if spoil:
        start = 30 + len(next(iter(files)))  # past the local header and the name
        content[start : start + 4] = b"\xff" * 4
    return bytes(content)


def giant_array() -> bytes:
    """A .npy file that claims 800 TB and holds nothing."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": (10**7, 10**7, 2)})
    return buffer.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4665a5\nsize 2632072\n"
Spoil = Callable[[Path], object]
REFUSALS: dict[str, tuple[Spoil, str]] = {
    "missing manifest": (
        lambda b: (b / "manifest.json").unlink(),
        r"manifest\.json: missing beside config\.json; a bundle that was copied or saved by half",
    ),
    "missing weights": (lambda b: (b / "model.safetensors").unlink(), r"model\.safetensors: missing; get the bundle"),
    "missing atlas": (lambda b: (b / "atlas.npz").unlink(), r"atlas\.npz: missing"),
    "flipped byte": (
        lambda b: (b / "items.csv").write_bytes((b / "items.csv").read_bytes().replace(b"1991", b"1992", 1)),
        r"items\.csv: altered since the bundle was saved",
    ),
    "cut short": (
        lambda b: (b / "model.safetensors").write_bytes((b / "model.safetensors").read_bytes()[:-4]),
        r"model\.safetensors: altered",
    ),
    "wrong shape": (
        lambda b: weights(b, **{"facets.gate.bias": torch.zeros(4)}),
        r"facets\.gate\.bias is \[4\]; the network has \[3\]",
    ),
    "lacking weight": (lambda b: weights(b, **{"facets.W_f": None}), r"facets\.W_f is missing"),
    "foreign weight": (lambda b: weights(b, extra=torch.zeros(1)), "'extra' is no part of the network"),
    "NaN weight": (
        lambda b: weights(b, **{"facets.gate.bias": torch.tensor([0, torch.nan, 0])}),
        r"model\.safetensors: facets\.gate\.bias holds NaN",
    ),
    "half precision": (
        lambda b: weights(b, **{"facets.gate.bias": torch.zeros(3).half()}),
        r"torch\.float16; expected torch\.float32",
    ),
    "pickle by protocol": (
        lambda b: rewrite(b, "model.safetensors", pickle.dumps({"a": 1})),
        r"model\.safetensors: a pickle, which is never read",
    ),
    "pickle in a zip": (
        lambda b: (torch.save({}, b / "x"), rewrite(b, "model.safetensors", (b / "x").read_bytes())),
        r"model\.safetensors: a pickle, which is never read",
    ),
    "pickle beside": (
        lambda b: (b / "model.safetensors").rename(b / "pytorch_model.bin"),
        r"pytorch_model\.bin is a pickle and never read",
    ),
    "no safetensors": (lambda b: rewrite(b, "model.safetensors", b"?" * 99), "no readable safetensors"),
    "giant network": (
        lambda b: edit_json(b, "config.json", d_model=3 * 10**9, n_layers=2),
        r"model\.safetensors: too small for the network of config\.json",
    ),
    "endless layers": (lambda b: edit_json(b, "config.json", n_layers=10**9), "too small for the network"),
    "config of another size": (
        lambda b: edit_json(b, "config.json", n_items=11),
        r"items\.weight is \[13, 12\]; the network has \[12, 12\]",
    ),
    "config refused": (lambda b: edit_json(b, "config.json", n_heads=5), r"config\.json: config: d_model 12 does not"),
    "config unknown": (
        lambda b: edit_json(b, "config.json", n_faces=5),
        "there is no setting 'n_faces'",
    ),
    "config no object": (lambda b: rewrite(b, "config.json", b"[]"), r"config\.json: expected an object"),
    "catalogue too short": (
        lambda b: rewrite(b, "items.csv", b"item_id,title\na,A\n"),
        r"items\.csv has 1 items and config\.json says 12",
    ),
    "catalogue without ids": (lambda b: rewrite(b, "items.csv", b"title\nA\n"), "expected one named 'item_id'"),
    "no bundle at all": (
        lambda b: [path.unlink() for path in b.iterdir()],
        r"small: no bundle; expected manifest\.json there beside config\.json, .* give the directory of a bundle",
    ),
    "Git LFS pointer": (
        lambda b: (b / "model.safetensors").write_bytes(POINTER),
        r"model\.safetensors: a Git LFS pointer and not the file itself; fetch the file with `git lfs pull`",
    ),
    "manifest by pointer": (lambda b: (b / "manifest.json").write_bytes(POINTER), r"manifest\.json: a Git LFS pointer"),
    "line ends of Windows": (
        lambda b: (b / "items.csv").write_bytes((b / "items.csv").read_bytes().replace(b"\n", b"\r\n")),
        r"items\.csv: its line ends were changed, as git does by core\.autocrlf; write the line `\* -text` into",
    ),
    "other format": (lambda b: edit_json(b, "manifest.json", format=2), "format is '2'; this version of FAME reads 1"),
    "path traversal": (
        lambda b: edit_json(b, "manifest.json", files={"../../etc/passwd": {"sha256": "", "size": 1}}),
        r"manifest\.json: names the file '\.\./\.\./etc/passwd'; a bundle has only",
    ),
    "no files named": (lambda b: edit_json(b, "manifest.json", files={}), r"does not name config\.json"),
    "files no object": (lambda b: edit_json(b, "manifest.json", files=[1]), "expected name, simulated, and files"),
    "noun of markup": (lambda b: edit_json(b, "manifest.json", noun="<b>"), "the noun is '<b>'; expected what an item"),
    "noun no text": (lambda b: edit_json(b, "manifest.json", noun=7), "the noun is .7.; expected what an item"),
    "k-core no number": (lambda b: edit_json(b, "manifest.json", k_core="5"), "k_core is '5'; expected a whole number"),
    "k-core below 0": (lambda b: edit_json(b, "manifest.json", k_core=-1), "k_core is '-1'; expected a whole number"),
    "name of a path": (lambda b: edit_json(b, "manifest.json", name="../x"), r"the name is '\.\./x'"),
    "manifest no JSON": (lambda b: (b / "manifest.json").write_bytes(b"\xff"), r"manifest\.json: no readable JSON"),
    "manifest of endless digits": (
        lambda b: (b / "manifest.json").write_text('{"format": ' + "1" * 5000 + "}"),
        r"manifest\.json: no readable JSON",
    ),
    "manifest nested": (lambda b: (b / "manifest.json").write_text("[" * 100_000), "no readable JSON"),
    "oversized": (lambda b: (b / "manifest.json").write_bytes(b" " * (2**20 + 1)), "larger than the 1 MB"),
    "pickled atlas": (
        lambda b: rewrite(b, "atlas.npz", arrays(spaces=np.array([{"a": 1}, None], dtype=object))),
        r"atlas\.npz: no readable archive of plain arrays",
    ),
    "atlas larger than any memory": (
        lambda b: rewrite(b, "atlas.npz", members({"umap.npy": giant_array()})),
        r"atlas\.npz: no readable archive",
    ),
    "atlas of other members": (
        lambda b: rewrite(b, "atlas.npz", members({"spaces": b"full"})),
        r"atlas\.npz: no readable archive",
    ),
    "atlas damaged within": (
        lambda b: rewrite(b, "atlas.npz", members({"umap.npy": b"umap" * 99}, spoil=True)),
        r"atlas\.npz: no readable archive",
    ),
    "atlas of other spaces": (
        lambda b: rewrite(b, "atlas.npz", arrays(spaces=np.array(["full", "head_1", "head_2", "head_4"]))),
        r"atlas\.npz maps the spaces full, head_1, head_2, head_4; the model has full, head_1, head_2, head_3",
    ),
    "atlas no archive": (lambda b: rewrite(b, "atlas.npz", b"PK"), r"atlas\.npz: no readable archive"),
    "atlas of other shape": (
        lambda b: rewrite(b, "atlas.npz", arrays(pca=np.zeros((4, 9, 2), np.float32))),
        r"atlas\.npz: atlas: pca is float32 \[4, 9, 2\]; expected \[4, 13, 2\]",
    ),
    "atlas out of range": (
        lambda b: rewrite(b, "atlas.npz", arrays(neighbours=np.full((4, 13, 3), 13, np.uint16))),
        "neighbours name rows outside 0 to 12",
    ),
    "examples of unknown items": (
        lambda b: rewrite(b, "examples.json", b'[{"title": "x", "look_for": "y", "items": ["i1", "zz"]}]'),
        r"examples\.json: 'x' holds 'zz', no item_id",
    ),
    "examples of another form": (
        lambda b: rewrite(b, "examples.json", b'[{"title": "x", "items": []}]'),
        r"examples\.json: expected objects with title, look_for and items",
    ),
    "evidence not a number": (
        lambda b: rewrite(b, "evidence.json", b'{"probe": NaN}'),
        r"evidence\.json: holds NaN; expected finite numbers",
    ),
    "evidence endless": (
        lambda b: rewrite(b, "evidence.json", b'{"probe": [-Infinity]}'),
        r"evidence\.json: holds -Infinity; expected finite numbers",
    ),
    "evidence beyond any float": (
        lambda b: rewrite(b, "evidence.json", b'{"probe": 1e999}'),
        r"evidence\.json: holds 1e999; expected finite numbers",
    ),
    "evidence no object": (lambda b: rewrite(b, "evidence.json", b"[1]"), r"evidence\.json: expected an object"),
    "training no CSV": (lambda b: rewrite(b, "training.csv", b""), r"training\.csv: no readable CSV"),
    "unnamed file": (
        lambda b: edit_json(
            b,
            "manifest.json",
            files={k: v for k, v in json.loads((b / "manifest.json").read_text())["files"].items() if k != "atlas.npz"},
        ),
        r"atlas\.npz: manifest\.json does not name it",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_refused_with_one_clear_line(saved: Path, what: str) -> None:
    spoil, message = REFUSALS[what]
    Bundle.load(saved)
    spoil(saved)
    with pytest.raises(FameError, match=message) as refusal:
        Bundle.load(saved)
    text = str(refusal.value)
    assert text.startswith(str(saved)), "the message names the place"
    assert text.count(str(saved)) == 1 and "\n" not in text
    assert not re.search("delete|remove", text), "what was not recognised is nobody's to delete"


def test_a_card_may_be_edited_and_may_go(saved: Path) -> None:
    assert CARD not in json.loads((saved / "manifest.json").read_text())["files"]
    (saved / CARD).write_text("# Small\n\nEdited.\r\n")
    assert Bundle.load(saved).summary == "Edited."
    (saved / CARD).unlink()
    assert Bundle.load(saved).card == ""
    edit_json(saved, "manifest.json", files=json.loads((saved / "manifest.json").read_text())["files"] | {CARD: OLD})
    assert Bundle.load(saved).card == ""


OLD = {"sha256": "0" * 64, "size": 7}  # of a card, as manifests named it before people edited one


def zipped(folder: Path, to: Path, top: str = "", more: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.iterdir():
            archive.write(path, top + path.name)
        for name, content in (more or {}).items():
            archive.writestr(name, content)
    return to


class TestZip:
    @pytest.mark.parametrize("top", ["", "small/"])
    def test_opens_as_its_directory_does(self, saved: Path, tmp_path: Path, top: str) -> None:
        more = {"__MACOSX/._items.csv": b"x", "../outside.txt": b"x", "/etc/passwd": b"x", f"{top}notes.txt": b"x"}
        before = sorted(path for path in tmp_path.rglob("*"))
        file = zipped(saved, tmp_path / "small.zip", top, more)
        one, other = fame.load(file), Bundle.load(saved)
        np.testing.assert_array_equal(one.trace(["i3", "i1"]).scores, other.trace(["i3", "i1"]).scores)
        assert (one.name, one.card, one.examples) == (other.name, other.card, other.examples)
        assert sorted(tmp_path.rglob("*")) == sorted([*before, file]), "nothing is unpacked"

    def test_a_file_of_another_kind(self, saved: Path, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "x.zip").write_bytes(b"PK no zip")
        for file in (tmp_path / "x.zip", saved / "model.safetensors"):
            with pytest.raises(FameError, match="a file, and no readable zip; expected the directory of a bundle, or"):
                fame.load(file)
        with pytest.raises(FameError, match=r"y\.zip: no bundle; expected manifest\.json there"):
            fame.load(zipped(tmp_path / "empty", tmp_path / "y.zip"))

    def test_is_refused_by_what_it_claims(self, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        two = zipped(saved, tmp_path / "two.zip", "a/", {"b/manifest.json": b"{}"})
        with pytest.raises(FameError, match=r"two\.zip: holds 2 bundles; unpack it, and give the directory of one"):
            fame.load(two)
        with pytest.warns(UserWarning, match="Duplicate name"):
            twice = zipped(saved, tmp_path / "twice.zip", "", {"items.csv": b"x"})
        with pytest.raises(FameError, match=r"twice\.zip: items\.csv: stands twice"):
            fame.load(twice)
        link = zipfile.ZipInfo("items.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        (saved / "items.csv").rename(tmp_path / "items.csv")
        with zipfile.ZipFile(zipped(saved, tmp_path / "link.zip"), "a") as archive:
            archive.writestr(link, "/etc/passwd")
        with pytest.raises(FameError, match=r"link\.zip: items\.csv: a link; expected the file itself"):
            fame.load(tmp_path / "link.zip")
        monkeypatch.setitem(LIMITS, "config.json", 10)
        with pytest.raises(FameError, match=r"link\.zip: config\.json: larger than the"):
            fame.load(tmp_path / "link.zip")
        monkeypatch.setattr("fame.bundle.archive.MOST_ENTRIES", 3)
        with pytest.raises(FameError, match=r"link\.zip: \d files; expected the zip of one bundle, at most 3"):
            fame.load(tmp_path / "link.zip")

    def test_a_member_that_lies_about_its_size_or_is_damaged(self, saved: Path, tmp_path: Path) -> None:
        whole = zipped(saved, tmp_path / "small.zip").read_bytes()
        at = whole.rindex(b"PK\x01\x02", 0, whole.rindex(b"items.csv"))
        lie = whole[: at + 24] + (20).to_bytes(4, "little") + whole[at + 28 :]  # the size in the central directory
        (tmp_path / "lie.zip").write_bytes(lie)
        with pytest.raises(FameError, match=r"lie\.zip: items\.csv: (holds more than it says|damaged)"):
            fame.load(tmp_path / "lie.zip")
        broken = bytearray(whole)
        start = whole.index(b"model.safetensors") + 60
        broken[start : start + 200] = b"\xff" * 200
        (tmp_path / "broken.zip").write_bytes(broken)
        with pytest.raises(FameError, match=r"broken\.zip: model\.safetensors: (damaged|altered)"):
            fame.load(tmp_path / "broken.zip")


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), SafetensorError("I/O error: No space left on device")]
)
def test_a_save_that_fails_leaves_the_old_bundle(
    saved: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: Any) -> None:
        raise error

    b = make()
    before = {path: path.read_bytes() for path in saved.iterdir()}
    monkeypatch.setattr(FAME, "save_pretrained", full)
    with pytest.raises(FameError, match=r"cannot write the bundle there \(.*No space left on device\); check space"):
        Bundle("other", b.model, b.catalogue).save(saved)
    assert {path: path.read_bytes() for path in saved.iterdir()} == before


def test_save_spares_what_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(FameError, match=r"holds README\.md and is no bundle; choose a new or empty directory"):
        make().save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("evidence.json", "mine"),
        ("training.csv", "mine"),
        ("notes.txt", "mine"),
        ("manifest.json", '{"name": "app", "icons": []}'),
        ("manifest.json", "mine"),
    ],
)
def test_save_spares_every_file_of_another(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FameError, match=f"holds {name} and is no bundle; choose a new or empty directory") as refusal:
        make().save(tmp_path)
    assert "\n" not in str(refusal.value)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {name: text}


def test_a_save_that_was_killed_does_not_stand_in_the_way_of_the_next(tmp_path: Path) -> None:
    (tmp_path / ".saving-abc").mkdir()
    (tmp_path / ".saving-abc/README.md").write_text("half")
    make().save(tmp_path)
    assert Bundle.load(tmp_path).name == "small" and not list(tmp_path.glob(".saving-*"))


def test_save_goes_over_a_bundle_and_spares_what_is_beside_it(saved: Path) -> None:
    (saved / "notes.txt").write_text("mine")
    full = make()
    Bundle("again", full.model, full.catalogue).save(saved)
    assert (Bundle.load(saved).name, (saved / "notes.txt").read_text()) == ("again", "mine")
    (saved / "evidence.json").write_text("mine")
    with pytest.raises(FameError, match="is no bundle; choose a new"):
        full.save(saved)
    assert (saved / "evidence.json").read_text() == "mine", "of that name, yet not of the bundle"


def test_where_a_bundle_cannot_be_saved_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log.csv").write_text("mine")
    with pytest.raises(FameError, match=r"log\.csv: a file; a bundle is a directory"):
        check_target(tmp_path / "log.csv")
    with pytest.raises(FameError, match=r"x: .*/log\.csv is a file; expected a directory, give another path"):
        check_target(tmp_path / "log.csv/deep/x")
    assert check_target(tmp_path / "new/x") == tmp_path / "new/x" and not (tmp_path / "new").exists()
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)  # root may write everywhere
    with pytest.raises(FameError, match=f"x: cannot be written \\(no permission to write to {tmp_path}\\)"):
        check_target(tmp_path / "new/x")


def test_evidence_must_be_plain_json(tmp_path: Path) -> None:
    b = make()
    odd = Bundle("odd", b.model, b.catalogue, evidence_json={"probe": float("nan")})
    with pytest.raises(FameError, match="evidence is not plain JSON"):
        odd.save(tmp_path)


def test_load_by_name_path_or_hub_id(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fame.bundle.find.ARTIFACTS", saved.parent)
    monkeypatch.chdir(saved.parent)
    assert fame.load("small").name == fame.load("./small").name == fame.load(saved).name == "small"
    with pytest.raises(FameError, match=r"there is no bundle 'tiny'; give a name \(small\), the path"):
        fame.load("tiny")
    for nowhere in ("x" * 5000, "~nobody-of-this-name/small/x"):
        with pytest.raises(FameError, match=f"there is no bundle '{nowhere[:80]}'; give a name"):
            fame.load(nowhere)
    for nothing in ("", None, 5):
        monkeypatch.chdir(saved)  # as a path, "" would be this bundle
        with pytest.raises(FameError, match=f"there is no bundle '{nothing}'; give a name"):
            fame.load(nothing)  # type: ignore[arg-type]

    asked: dict[str, Any] = {}

    def snapshot(repo: str, allow_patterns: list[str]) -> str:
        asked.update(repo=repo, patterns=allow_patterns)
        return str(saved)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert fame.load("someone/small").name == "small"
    assert asked == {"repo": "someone/small", "patterns": ["manifest.json", *FILES]}


def test_the_hub_out_of_reach_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FameError, match=r"no directory 'someone/nothing' is here, and .* cannot be reached") as refusal:
        fame.load("someone/nothing")
    assert "\n" not in str(refusal.value)


def test_safetensors_may_begin_with_any_byte(tmp_path: Path) -> None:
    """The header's length comes first: of these sizes its first byte is that of a pickle."""
    n = 1000
    model = FAME(FAMEConfig(n_items=n, d_model=64, n_heads=8, n_experts=4, n_layers=3, max_len=50))
    catalogue = Catalogue.from_frame(pd.DataFrame({"item_id": [str(i) for i in range(n)]}))
    Bundle("big", model, catalogue).save(tmp_path / "big")
    assert (tmp_path / "big/model.safetensors").read_bytes()[:1] == b"\x80", "other sizes are needed here"
    assert fame.load(tmp_path / "big").config == model.config


def test_the_hub_falls_back_on_no_pickle() -> None:
    with pytest.raises(FameError, match=r"no model\.safetensors; weights in a pickle are never read"):
        FAME._load_as_pickle(None, "pytorch_model.bin")


SHIPPED = {"ml-1m", "ml-1m-paper", "ml-1m-guided", "planted", "planted-plain"}


# Those that must be there are named, so that a missing one fails.
@pytest.mark.parametrize("name", sorted(SHIPPED | {path.parent.name for path in ARTIFACTS.glob("*/manifest.json")}))
def test_what_ships_is_sound(name: str) -> None:
    folder = ARTIFACTS / name
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 10 * 10**6
    b = fame.load(folder)
    assert b.name == name and (b.examples or name not in SHIPPED)
    for example in b.examples:
        trace = b.trace(example.items)
        assert abs(trace.contributions(rows=trace.ranking())["difference"]).max() < ADDS_UP, example.title


def test_importing_fame_is_cheap() -> None:
    code = "import fame, sys; assert not {'torch', 'pandas', 'numpy'} & sys.modules.keys(); print(fame.load.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "load"


def test_opening_a_model_loads_nothing_of_its_making(saved: Path) -> None:
    """A fresh interpreter opens a bundle, traces and reads it, and then says which of these it has loaded."""
    heavy = ["sklearn", "umap", "numba", "lightning", "scipy", "plotly", "streamlit", "fame.make", "fame.cli"]
    code = f"""
import json, sys
import fame
bundle = fame.load({str(saved)!r})
bundle.trace(["i3", "i1"]).top(3)
print(json.dumps([name for name in {heavy} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
