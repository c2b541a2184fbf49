"""What the walls cost: this checkout beside another one (say, the commit before them), in turns.

    python bench/walls.py /path/to/another/checkout [ROUNDS]

Seconds (and CPU seconds of all processes) of `ftkit run` of a trivial notebook, of a batch of 60
runs, and of `ftkit runs` over 5,000 runs.
"""

import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import nbformat

HERE = pathlib.Path(__file__).resolve().parents[1]


def ftkit(checkout: pathlib.Path, words: list[str], folder: pathlib.Path) -> tuple[float, float]:
    "Seconds and CPU seconds of a command of that checkout."
    env = os.environ | {
        "PYTHONPATH": str(checkout),
        "FTKIT_RUNS": str(folder / "runs"),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    code = "import sys; from ftkit.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=env, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        time.monotonic() - began,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    )


def prepared(folder: pathlib.Path, checkout: pathlib.Path, n_runs: int) -> None:
    "A notebook, and a runs folder with so many runs of it."
    cells = [
        nbformat.v4.new_code_cell("n: int = 1", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("print(n)"),
    ]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec}),
        folder / "trivial.ipynb",
    )
    if n_runs:
        ftkit(checkout, ["run", "trivial.ipynb"], folder)
        run = next((folder / "runs").glob("*/run.json"))
        record = json.loads(run.read_text())
        for i in range(n_runs - 1):
            new = run.parent.with_name(
                f"20260101T{i // 3600:02}{i // 60 % 60:02}{i % 60:02}Z-trivial-{i:06x}"
            )
            new.mkdir()
            (new / "run.json").write_text(json.dumps(record | {"created": float(i)}))
            (new / "input.ipynb").write_text("{}")


def measured(what: str, checkout: pathlib.Path) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as d:
        folder = pathlib.Path(d)
        prepared(folder, checkout, 5000 if what == "runs" else 0)
        words = {
            "run": ["run", "trivial.ipynb"],
            "batch": ["batch", "trivial.ipynb", "-g", "n", ",".join(map(str, range(60)))],
            "runs": ["runs", "--limit", "0"],
        }[what]
        return ftkit(checkout, words, folder)


def main() -> None:
    other, rounds = pathlib.Path(sys.argv[1]).resolve(), int((sys.argv[2:] or [5])[0])
    for what in ("run", "runs", "batch"):
        n = 2 if what == "batch" else rounds
        found = {other: [], HERE: []}
        for _ in range(n):
            for checkout in (other, HERE):
                found[checkout].append(measured(what, checkout))
        before, after = ([statistics.median(t) for t in zip(*found[c])] for c in (other, HERE))
        spread = max(t for t, _ in found[other]) / min(t for t, _ in found[other])
        print(
            f"{what:<6} before {before[0]:6.2f} s ({before[1]:6.2f} CPU)  after {after[0]:6.2f} s"
            f" ({after[1]:6.2f} CPU)  ratio {after[0] / before[0]:.2f} (CPU"
            f" {after[1] / before[1]:.2f}); slowest/fastest before {spread:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
