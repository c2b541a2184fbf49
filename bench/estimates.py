"""`--dry-run` against the run itself: python bench/estimates.py [digits movie prompts titanic]
[--out FILE]

For each task an empty cache (but for fetched samples), the dry run, then the run with the same
parameters; both with two threads. Seconds are those of the run's record; of the training those
that it notes; memory is the most that the kernel held until the training's end (its record, or
for tables what the system counts for its processes).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TASKS = {
    "digits": ("image", dict(limit=900)),
    "movie": ("text", dict(limit=2000)),
    "prompts": ("speech", dict(data="sample:prompts-en", limit=100, longest=30.0, baselines=False)),
    "titanic": ("tabular", dict(data="sample:titanic", label_column="survived")),
    "stamps": ("image", dict(data="sample:stamps", size=96, epochs=3)),
}


def one(name: str) -> dict:
    from ftkit.core import cache_folder
    from ftkit.runs.dry_run import Forecast, end_dry_run, start_dry_run
    from ftkit.runs.launch import run_template
    from ftkit.runs.listing import cell_statuses, stage_seconds

    template, parameters = TASKS[name]
    samples = cache_folder("samples").resolve()
    with tempfile.TemporaryDirectory() as d:
        Path(d, "cache").mkdir()
        Path(d, "cache/samples").symlink_to(samples)
        os.environ |= {"FTKIT_CACHE": f"{d}/cache", "FTKIT_RUNS": f"{d}/runs"}
        started = time.perf_counter()
        said = Forecast(end_dry_run(*start_dry_run(template, parameters)))
        took = time.perf_counter() - started
        left = sorted(p.name for p in Path(d).iterdir() if p.name != "cache")
        print(f"{name}: {said}\nthe dry run took {took:.1f} s", flush=True)
        run = run_template(template, **parameters)
        if run["status"] != "completed":
            raise SystemExit(f"{name}: {run['status']}: {run.get('error')}")
        facts, stages = run["facts"], stage_seconds(Path(run["folder"]))
        held = (
            float(facts["peak_memory"].split()[0])
            if "peak_memory" in facts and template != "tabular"
            else resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
        )
        trained = [r for r in said.training.rows if r["stage"] != "evaluation"]
        fitted = [
            e
            for e in (
                json.loads(line)
                for line in (Path(run["folder"]) / "events.jsonl").read_text().splitlines()
            )
            if e["stage"] == "fitted"
        ]
        cells = {c["source"][:20]: c["seconds"] for c in cell_statuses(Path(run["folder"]))}
        true_fit = (
            sum(fitted[0]["seconds"].values())
            if template != "tabular"
            else next(s for c, s in cells.items() if c.startswith("network = dict"))
        )
        seconds = run["ended"] - run["started"]
        out = {
            "task": name,
            "dry run took": round(took, 1),
            "left behind": left,
            "seconds": [
                round(said.seconds, 1),
                round(seconds, 1),
                round(said.seconds / seconds, 2),
            ],
            "training": [
                round(sum(r["seconds"] for r in trained), 1),
                round(true_fit, 1),
                round(sum(r["seconds"] for r in trained) / true_fit, 2),
            ],
            "memory": [
                round(said.memory / 1e9, 2),
                round(held, 2),
                round(said.memory / 1e9 / held, 2),
            ],
            "stages": {r["stage"]: round(r["seconds"], 1) for r in said.whole.rows},
            "truth": {k: round(v, 1) for k, v in stages.items()},
            "cells": {k: round(v, 1) for k, v in cells.items() if v},
        }
    return out


def main() -> None:
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("tasks", nargs="*", default=["digits", "movie", "prompts", "titanic"])
    ask.add_argument("--out", type=Path)
    args = ask.parse_args()
    for name in args.tasks:
        if len(args.tasks) > 1:  # what the system counts for processes is of all that there were
            subprocess.run(
                [sys.executable, __file__, name, *(["--out", str(args.out)] if args.out else [])],
                check=True,
            )
            continue
        row = one(name)
        print(json.dumps(row, indent=1), flush=True)
        if args.out:
            with open(args.out, "a") as f:
                f.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
