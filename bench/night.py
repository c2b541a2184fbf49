"""A batch as somebody runs it at night: 50 runs that write files, one of which fails twice, in
cron's bare environment.

python bench/night.py [RUNS]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ftkit.batch.batch import Batch
from ftkit.runfolder import read_run
from ftkit.runs.launch import run_files

CELL = """import os
tries = os.environ["FTKIT_RUNS"] + f"/tries-{n}"
open(tries, "a").write("x")
k = len(open(tries).read())
print("this is try", k, "of run", n)
open("out.csv", "w").write(str(n) * 1000)
assert n != 7 or k > 2, f"try {k} fails\""""


def notebook(*sources: str) -> dict:
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {"tags": ["parameters"]} if i == 0 else {},
            "source": s,
            "outputs": [],
            "execution_count": None,
        }
        for i, s in enumerate(sources)
    ]
    spec = {"name": "python3", "display_name": "python3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    here = Path(tempfile.mkdtemp(prefix="night-"))
    (here / "mine.ipynb").write_text(json.dumps(notebook("n: int = 0", CELL)))
    (here / "params.csv").write_text("n\n" + "".join(f"{i}\n" for i in range(1, runs + 1)))
    bare = {"HOME": str(here), "LOGNAME": "me", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}
    bare |= {k: os.environ[k] for k in ("PYTHONPATH",) if k in os.environ}
    line = (
        f"cd {here} && FTKIT_RUNS={here}/runs {sys.executable} -m ftkit batch mine.ipynb --table"
        " params.csv --name nightly-{date} --retries 2 >> nightly.log 2>&1"
    )
    began = time.monotonic()
    code = subprocess.run(["/bin/sh", "-c", line], env=bare, cwd="/").returncode
    seconds = time.monotonic() - began
    os.environ["FTKIT_RUNS"] = str(here / "runs")
    batch = Batch("last")
    folders = {r["n"]: here / "runs" / r["run"] for r in batch.results()}
    right = sum((f / "files" / "out.csv").read_text() == str(n) * 1000 for n, f in folders.items())
    logs = sum(f"of run {n}\n" in (f / "log.txt").read_text() for n, f in folders.items())
    ends = [e for e in batch.ledger.read() if e["what"] == "ended"]
    bad = folders[7]
    log = (bad / "log.txt").read_text()
    print(
        f"exit code {code}, {seconds:.1f} s, {60 * len(ends) / seconds:.0f} runs a minute;"
        f" {batch.counts()}"
    )
    print(
        f"files: {right} of {runs} runs have their own out.csv; beside the notebook:"
        f" {(here / 'out.csv').exists()}; listed: {run_files(bad)}"
    )
    print(f"logs: {logs} of {runs} have what their cell printed")
    print(
        f"run 7: ends {[e['status'] for e in ends if e['run'] == bad.name]}, resumed"
        f" {len(read_run(bad)['resumed'])} times; its log has the tries"
        f" {[k for k in (1, 2, 3) if f'this is try {k} of' in log]} and the tracebacks of"
        f" {[k for k in (1, 2) if f'AssertionError: try {k} fails' in log]}"
    )
    print(
        f"the batch's log: {(here / 'nightly.log').read_text().count('tried again')} lines say that"
        " a run is tried again"
    )


main()
