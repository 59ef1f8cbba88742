"""What `import fame` and opening the bundle that ships cost, in a fresh interpreter each time.

python benchmarks/opening.py [TREE …] [--runs 5]    each TREE a checkout of this project; runs alternate between them
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

CODE = """
import json, resource, sys, time
start = time.process_time()
import fame
imported = time.process_time()
bundle = fame.load("ml-1m")
opened = time.process_time()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([imported - start, opened - imported, peak, len(sys.modules)]))
"""


def measured(tree: Path) -> list[float]:
    """Processor seconds of the import and of the load, peak memory in MB, modules."""
    environment = {**os.environ, "PYTHONPATH": str(tree.resolve())}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, cwd=tree, capture_output=True, text=True, check=True
    )
    return [float(x) for x in json.loads(done.stdout)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trees", nargs="*", type=Path, default=[Path(__file__).resolve().parents[1]])
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    for tree in arguments.trees:
        measured(tree)  # fills the caches of files and of bytecode
    runs = [[measured(tree) for tree in arguments.trees] for _ in range(arguments.runs)]
    print("| tree | import fame, processor s | fame.load, processor s | peak memory, MB | modules |")
    print("|---|---|---|---|---|")
    for tree, found in zip(arguments.trees, zip(*runs, strict=True), strict=True):
        imported, loaded, peak, modules = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"| {tree.resolve().name} | {imported:.3f} | {loaded:.2f} | {peak:.0f} | {modules:.0f} |")


if __name__ == "__main__":
    main()
