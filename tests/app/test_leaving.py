"""What leaves the app: every file with its origin, a screen's files as one zip, and a notebook that repeats it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml

import fame
from app import leaving
from fame import cite, explain
from tests.app.browser import ROOT
from tests.app.conftest import OpenApp

LINKS = {
    "": {"k": "5"},
    "merge": {"gate": "0.4-0.1-0.3-0.2", "merge_values": "lead"},
    "experts": {"off": "2.1", "experts_map": "2"},
    "what_if": {"b": "headoff-2"},
    "atlas": {"atlas_kind": "pca"},
    "evidence": {},
    "population": {"population_lead": "head.1"},
}


def offered(app):  # type: ignore[no-untyped-def]
    """The files that the screen's buttons give, by name, those under *Export* too, which is empty until it is open."""
    app.session_state["bar_export"] = True
    assert not app.run().exception
    return {file: make for file, make in app.session_state["fame_offered"].values()}


@pytest.mark.parametrize(
    ("screen", "link"),
    [
        *LINKS.items(),
        *(
            ("what_if", {"b": explain.changes_text([explain.Model(other)])})
            for other in ("ml-1m-guided", "ml-1m-sasrec")
        ),
    ],
)
def test_a_notebook_makes_the_same_pictures_and_checks_their_numbers(
    screen: str, link: dict[str, str], open_app: OpenApp, shipped: Path
) -> None:
    app = open_app({"h": "1-588-34", **link} if shipped.name != "ml-1m" else link, shipped, screen)
    assert not app.exception
    name = screen.replace("_", "-") or "story"
    made = json.loads(offered(app)[f"fame-ml-1m-{name}.ipynb"]())
    assert made["nbformat"] == 4
    codes = ["".join(cell["source"]) for cell in made["cells"] if cell["cell_type"] == "code"]
    pictures = [code for code in codes if "picture = " in code]
    checks = [code for code in codes if code.startswith(("check(", "class Listed"))]
    assert len(pictures) == len(app.session_state["fame_pictures"]) and len(checks) >= len(pictures) > 0
    space: dict[str, object] = {}
    for code in codes:
        exec(compile(code, f"{screen}.ipynb", "exec"), space)
    assert space["bundle"].digest == fame.load("ml-1m").digest  # type: ignore[attr-defined]
    wrong = next(code for code in checks if any(c.isdigit() for c in code))
    with pytest.raises(AssertionError):
        exec(wrong.replace("\\n", "\\nx", 1), space)


def test_another_bundle_of_the_name_is_refused() -> None:
    with pytest.raises(
        fame.FameError, match=r"ml-1m: another bundle than the one asked for: its digest is .* expected 0000"
    ):
        fame.load("ml-1m", digest="0000")


def test_all_of_a_screen_is_one_zip_and_each_table_says_where_it_is_from(open_app: OpenApp, folder: Path) -> None:
    app = open_app({"off": "2"}, folder)
    assert "fame-tiny-history.csv" in offered(app)
    files = app.session_state["fame_offered"]
    packed = zipfile.ZipFile(io.BytesIO(leaving.everything(files, "# About")))
    names = packed.namelist()
    assert {"fame-tiny-story.csv", "fame-tiny-story.html", "fame-tiny-story.ipynb", "README.md"} <= set(names)
    assert all(name.startswith("fame-tiny-") for name in names if name != "README.md"), "names say the model"
    assert (
        packed.read("README.md").decode().startswith("# About")
        and "- fame-tiny-story.csv" in packed.read("README.md").decode()
    )
    digest = fame.load(folder).digest[:12]
    for name in names:
        if name.endswith(".csv"):
            table = pd.read_csv(packed.open(name))
            assert set(table["origin_bundle"].astype(str)) == {digest} or table.empty, name
            assert set(table["origin_change"]) == {"head 2 is off"} and set(table["origin_fame"]) == {fame.__version__}
            assert (
                table["origin_history"][0].startswith("Toy Story (1970), Aladdin")
                and "off=2" in table["origin_link"][0]
            )
        elif name.endswith(".html"):
            page = packed.read(name).decode()
            assert f"Bundle {digest}, FAME {fame.__version__}." in page and "off=2" in page
            assert "Share chart" not in page and '"bundle": "' + digest in page, "the SVG that it saves says so too"


def test_what_is_cited_is_what_the_citation_file_says() -> None:
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    paper = told["preferred-citation"]
    assert paper["title"] in cite.PAPER and str(paper["year"]) in cite.PAPER
    assert all(author["family-names"] in cite.PAPER for author in paper["authors"])
    software = cite.software("http://localhost/merge?m=a")
    assert told["title"] in software and str(told["version"]) in software and "http://localhost/merge?m=a" in software
