"""Many runs three ways: python bench/batch.py [RUNS]

The first RUNS (default 60, all) of a grid of 3 rates × 4 label smoothings × 5 seeds of the image
template on `digits`, the body frozen, its features in the cache, one thread a run: `ftkit batch`
with 2 jobs, one `ftkit run` after the other, and a plain loop of papermill over the same
notebook, in rounds: the 12 runs of a seed each way. The share of a kernel's start is what
notebooks that do nothing take.
"""

import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ftkit.core import write_json
from ftkit.runs.launch import template_path

home = Path(tempfile.mkdtemp())
env = (
    os.environ
    | {n: "1" for n in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    | {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
)
grid = {
    "head_rate": [1e-3, 3e-3, 1e-2],
    "label_smoothing": [0.0, 0.05, 0.1, 0.2],
    "seed": list(range(5)),
}
fixed = {
    "freeze": "backbone",
    "size": 64,
    "head_epochs": 20,
    "baselines": False,
    "precision": "float32",
}
rows = [dict(zip(grid, v)) | fixed for v in itertools.product(*grid.values())][
    : int(sys.argv[1]) if len(sys.argv) > 1 else None
]


def words(row):
    return [
        w
        for k, v in row.items()
        for w in ("-p", k, str(v).lower() if isinstance(v, bool) else str(v))
    ]


def execute(command, runs):
    """Seconds that a command takes with a runs folder of its own, and seconds of CPU of all its
    processes."""
    began, spent = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *command],
        env=env | {"FTKIT_RUNS": str(home / runs)},
        cwd=home,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        time.perf_counter() - began,
        now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime,
    )


singly = (
    "import json, subprocess, sys\nfor words in json.loads(sys.argv[1]):"
    " subprocess.run([sys.executable, '-m', 'ftkit', 'run', 'image', '--threads', '1', *words],"
    " check=True, capture_output=True)"
)
papermill = (
    "import json, sys, papermill\nfor i, row in enumerate(open(sys.argv[1])):"
    " papermill.execute_notebook(sys.argv[2], f'{sys.argv[3]}/{i}.ipynb', json.loads(row),"
    " progress_bar=False)"
)
for seed in grid["seed"]:
    execute(["-c", singly, json.dumps([words(rows[0] | {"seed": seed})])], "before")
print(
    f"{len(rows)} runs with their features in the cache, {len(grid['seed'])} rounds of the three"
    " ways; seconds (CPU seconds)",
    flush=True,
)
ways = ("ftkit batch, 2 at a time", "one ftkit run after the other", "a plain loop of papermill")
rounds = []
for seed in grid["seed"]:
    some, table = [r for r in rows if r["seed"] == seed], home / f"{seed}.jsonl"
    if not some:
        continue
    table.write_text("".join(json.dumps(r) + "\n" for r in some))
    took = [
        execute(
            [
                "-m",
                "ftkit",
                "batch",
                "image",
                "--table",
                str(table),
                "--jobs",
                "2",
                "--threads",
                "1",
            ],
            "pool",
        ),
        execute(["-c", singly, json.dumps([words(r) for r in some])], "single"),
        execute(["-c", papermill, str(table), str(template_path("image")), str(home)], "plain"),
    ]
    rounds.append(took)
    print(
        f"{len(some)} runs: "
        + "; ".join(f"{way} {wall:.1f} ({cpu:.1f})" for way, (wall, cpu) in zip(ways, took))
        + f"; load {os.getloadavg()[1]:.1f}",
        flush=True,
    )
pool, single, plain = (sum(r[k][0] for r in rounds) for k in range(3))
for k, way in enumerate(ways):
    print(
        f"{way}: {sum(r[k][0] for r in rounds):.1f} s,"
        f" {sum(r[k][0] for r in rounds) / len(rows):.2f} s a run,"
        f" {sum(r[k][1] for r in rounds) / len(rows):.2f} s of CPU"
    )
print(
    f"the batch is {single / pool:.2f} times as fast as single runs (rounds:"
    f" {', '.join(f'{r[1][0] / r[0][0]:.2f}' for r in rounds)}), and {plain / pool:.2f} times as"
    f" fast as papermill's loop ({', '.join(f'{r[2][0] / r[0][0]:.2f}' for r in rounds)})"
)

cell = {
    "cell_type": "code",
    "id": "a",
    "metadata": {"tags": ["parameters"]},
    "source": "n: int = 1",
    "outputs": [],
    "execution_count": None,
}
write_json(
    home / "nothing.ipynb",
    {
        "cells": [cell],
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    },
)
nothing = execute(
    [
        "-m",
        "ftkit",
        "batch",
        str(home / "nothing.ipynb"),
        "-g",
        "n",
        ",".join(map(str, range(len(rows)))),
        "--jobs",
        "2",
    ],
    "nothing",
)[0]
runs = [json.loads(p.read_text()) for p in (home / "pool").glob("2*/run.json")]
print(
    f"a run takes {statistics.median(r['ended'] - r['started'] for r in runs):.2f} s (median)"
    f" beside another; notebooks that do nothing take {nothing / len(rows):.2f} s each,"
    f" {nothing / pool:.0%} of the batch"
)
