"""What runs cost their reader: python bench/runs.py

Delay of an event from a silent cell until a follower has it (100 events); size of a notebook
after 3,000 progress steps; `ftkit runs --json` over 5,000 runs.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

home = Path(tempfile.mkdtemp())
os.environ["FTKIT_RUNS"] = str(home / "runs")

from ftkit.core import write_json
from ftkit.runs.launch import create_run, follow, launch, settle


def notebook(name, *sources):
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {"tags": ["parameters"] if i == 0 else []},
            "source": s,
            "outputs": [],
            "execution_count": None,
        }
        for i, s in enumerate(("n: int = 1", *sources))
    ]
    return str(
        write_json(
            home / f"{name}.ipynb",
            {
                "cells": cells,
                "metadata": {
                    "kernelspec": {"name": "python3", "display_name": "p", "language": "python"}
                },
                "nbformat": 4,
                "nbformat_minor": 5,
            },
        )
    )


folder = create_run(
    notebook(
        "silent",
        "import time\nfrom ftkit.runfolder import emit\nfor i in range(100): emit('tick', i=i,"
        " at=time.time()); time.sleep(0.05)",
    )
)
process, delays = launch(folder), []
for e in follow(folder, process):
    if e["stage"] == "tick":
        delays.append(time.time() - e["at"])
settle(folder, process)
print(
    f"events from a silent cell: {len(delays)}, seen after {statistics.median(delays) * 1000:.0f}"
    f" ms (median), {max(delays) * 1000:.0f} ms (slowest)"
)

steps = (
    "import time\nfrom ftkit.runfolder import Progress\nbar = Progress('tune', 3000)\nfor i in"
    " range(3000): bar.update(i + 1, loss=1 / (i + 1)); time.sleep(0.002)"
)
folder = create_run(notebook("steps", steps))
settle(folder, launch(folder))
print(
    f"after 3,000 steps: notebook {(folder / 'notebook.ipynb').stat().st_size / 1000:.1f} kB,"
    f" events {(folder / 'events.jsonl').stat().st_size / 1000:.1f} kB"
)

record = json.loads((folder / "run.json").read_text())
for i in range(5000 - 2):
    new = folder.with_name(f"20260101T{i // 3600:02}{i // 60 % 60:02}{i % 60:02}Z-steps-{i:06x}")
    new.mkdir()
    (new / "run.json").write_text(
        json.dumps(record | {"created": float(i), "parameters": {"n": i}})
    )
    (new / "input.ipynb").write_text("{}")
code = """import sys, time, resource
before = set(sys.modules); started = time.perf_counter()
sys.argv = ['ftkit', 'runs', '--limit', '0', '--json']
try:
    from ftkit.cli.main import main; main()
except SystemExit: pass
large = {'torch', 'pandas', 'numpy', 'nbformat', 'papermill', 'jupyter_client'}
heavy = sorted(large & set(sys.modules))
seconds, modules = time.perf_counter() - started, len(set(sys.modules) - before)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(f"{seconds:.2f} s, {memory:.0f} MB, {modules} modules, heavy: {heavy or 'none'}", file=sys.stderr)"""
for _ in range(3):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    print("ftkit runs --json over", len(json.loads(done.stdout)), "runs:", done.stderr.strip())
