"""How long data take to be read: a CSV of 100,000 rows, a folder of 20,000 pictures; beside another
checkout of ftkit.

    python bench/reading.py --other ../ftkit-before            # A B A B, medians, CPU seconds
    python bench/reading.py table --rows 100000

Each reading is a process of its own, with imports made before its clock starts and an empty
cache.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent.parent

ONE = """
import json, resource, sys, time
import pandas, torch, PIL.Image
from ftkit import Data
what, path = sys.argv[1:]
def cpu(): return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
began, cpu_began = time.perf_counter(), cpu()
data = Data.tabular(path, label="label", test=.2) if what == "table" else Data.image(path, near="as_is")
print(json.dumps({"wall": time.perf_counter() - began, "CPU": cpu() - cpu_began, "rows": len(data)}))
"""


def make_table(path: Path, rows: int) -> None:
    "Numbers, dates, categories, quoted texts, missing cells."
    import pandas as pd

    rng = np.random.default_rng(0)
    columns = {f"number {k}": rng.normal(0, 10**k, rows).round(3) for k in range(5)} | {
        f"count {k}": rng.integers(0, 50, rows) for k in range(2)
    }
    columns["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 2000, rows), "D")
    columns |= {f"town {k}": rng.choice([f"town {i}" for i in range(40)], rows) for k in range(2)}
    columns["remark"] = [f"well, {a} and {b}" for a, b in rng.integers(0, 9, (rows, 2))]
    frame = pd.DataFrame(columns)
    frame.loc[rng.random(rows) < 0.05, "number 1"] = None
    frame["label"] = rng.choice(["yes", "no"], rows)
    frame.to_csv(path, index=False)


def make_pictures(folder: Path, rows: int) -> None:
    "Small PNG pictures in ten class folders."
    from PIL import Image

    rng = np.random.default_rng(0)
    for k in range(10):
        (folder / f"class {k}").mkdir(parents=True)
    for i in range(rows):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(
            folder / f"class {i % 10}" / f"{i}.png", compress_level=1
        )


def read(checkout: Path, what: str, path: Path) -> dict:
    "One reading in a process of its own."
    with tempfile.TemporaryDirectory() as cache:
        env = os.environ | {
            "PYTHONPATH": str(checkout),
            "FTKIT_CACHE": cache,
            "OMP_WAIT_POLICY": "PASSIVE",
            "OPENBLAS_NUM_THREADS": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", ONE, what, str(path)],
            env=env,
            cwd=cache,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what", nargs="*", default=["table", "pictures"], choices=["table", "pictures"]
    )
    parser.add_argument(
        "--other", type=Path, help="another checkout, for example of the commit before"
    )
    parser.add_argument("--rows", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as d:
        for what in a.what:
            path = Path(d) / ("t.csv" if what == "table" else "pictures")
            (make_table if what == "table" else make_pictures)(
                path, a.rows or {"table": 100_000, "pictures": 20_000}[what]
            )
            sides = {"here": HERE} | ({"other": a.other.resolve()} if a.other else {})
            held: dict[str, list[dict]] = {name: [] for name in sides}
            for _ in range(a.rounds):
                for name, checkout in sides.items():
                    held[name].append(read(checkout, what, path))
            for name, found in held.items():
                middle = {
                    k: round(statistics.median(f[k] for f in found), 2) for k in ("wall", "CPU")
                }
                print(
                    what,
                    name,
                    found[0]["rows"],
                    "rows",
                    middle,
                    "all CPU",
                    [round(f["CPU"], 2) for f in found],
                )
            if a.other:
                print(
                    what,
                    "CPU ratio",
                    round(
                        statistics.median(h["CPU"] for h in held["here"])
                        / statistics.median(o["CPU"] for o in held["other"]),
                        3,
                    ),
                )


if __name__ == "__main__":
    main()
