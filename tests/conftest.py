"""What every test shares: one thread per process, repeatable examples, and the way to the real logs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)

# The machine's speed decides nothing; in CI the examples are the same in every run.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real logs beside the checkout; skips the test where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real logs: ../shared/data is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def toy_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with log.csv, 40 users who go round and round 9 films, and items.csv, which says what those are."""
    folder = tmp_path_factory.mktemp("toy")
    rows = [f"u{u},f{1 + (u + t) % 9},{t}" for u in range(40) for t in range(5 + u % 4)]
    (folder / "log.csv").write_text("\n".join(["user,item,time", *rows]))
    films = [
        f'f{i},"[bold]Film {i}[/bold] <b>",{1980 + i},{"Action|Musical" if i % 2 else "Drama"}' for i in range(1, 10)
    ]
    (folder / "items.csv").write_text("\n".join(["item_id,title,year,genres", *films]))
    return folder
