"""Seconds and peak memory to read, 5-core and split a log of MovieLens-20M's form and size.

    python benchmarks/read_20m.py [--rows 20000000]

The log is made by a seeded script in a temporary folder (about 0.5 GB) and removed afterwards. Ratings come in
MovieLens-20M's own order: by user, and within a user by film, so that sorting by time is part of the work.
Prints a row for the table in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

ROWS_PER_USER, FILMS, SEED = 144, 26_744, 20


def write_log(folder: Path, rows: int) -> None:
    """`ratings.csv` and `movies.csv` with popularity and activity as skewed as the real ones."""
    random = np.random.default_rng(SEED)
    users = rows // ROWS_PER_USER
    activity = random.lognormal(0, 1.1, users)
    per_user = 1 + random.multinomial(rows - users, activity / activity.sum())
    popularity = 1 / (np.arange(FILMS) + 20.0)
    film = random.choice(FILMS, rows, p=popularity / popularity.sum()).astype(np.int32)
    user = np.repeat(np.arange(users, dtype=np.int32), per_user)
    film = film[np.lexsort((film, user))]
    pyarrow.csv.write_csv(
        pa.table(
            {
                "userId": user + 1,
                "movieId": film + 1,
                "rating": random.integers(1, 11, rows) / 2,
                "timestamp": random.integers(789_652_009, 1_427_784_002, rows),
            }
        ),
        folder / "ratings.csv",
    )
    pd.DataFrame(
        {
            "movieId": np.arange(1, FILMS + 1),
            "title": [f"Film {k}, The ({1950 + k % 70})" for k in range(1, FILMS + 1)],
            "genres": "Comedy|Drama",
        }
    ).to_csv(folder / "movies.csv", index=False)


def peak_bytes() -> int:
    """The most memory that this process ever held."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike ru_maxrss, it does not count the process that started this one
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(folder: Path) -> None:
    """Read, core and split in this process, and print the row."""
    from fame.make.data import Sequences, leave_one_out, read

    start = time.perf_counter()
    log = read("auto", folder)
    read_seconds = time.perf_counter() - start
    core = log.core(5)
    split = leave_one_out(Sequences.from_interactions(core.interactions, core.catalogue))
    seconds = time.perf_counter() - start
    processor = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    head = "interactions | users | items | after 5-core | test users | read, s | in all, s | processor, s | memory, GB"
    print(f"| {head} |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    sizes = (len(log.interactions), len(log.interactions.users), log.catalogue.n_items, len(core.interactions))
    counts = " | ".join(f"{n:,}" for n in (*sizes, len(split.test)))
    print(f"| {counts} | {read_seconds:.1f} | {seconds:.1f} | {processor:.1f} | {peak_bytes() / 1e9:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        measure(options.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_log(Path(folder), options.rows)
        # In a process of its own, so that making the file does not count as memory of reading it.
        subprocess.run([sys.executable, __file__, "--folder", folder], check=True)


if __name__ == "__main__":
    main()
