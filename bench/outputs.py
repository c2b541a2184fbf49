"""What cells print, beside papermill: seconds, size of the notebook, age of the heartbeat, and
whether --timeout holds.

python bench/outputs.py [NAME …]
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import nbformat

CELLS = {
    "nothing": "pass",
    "a list of 40,000": "print(list(range(40000)))",
    "5 MB in one line": "print('x' * 5_000_000)",
    "100,000 carriage returns": (
        "import sys\nfor i in range(100_000):\n    sys.stdout.write(f'\\r{i} of 100000');"
        " sys.stdout.flush() if i % 50 == 0 else None"
    ),
    "20,000 flushed lines": "for i in range(20_000): print(i, flush=True)",
    "1 GB of lines": "line = 'x' * 999\nfor i in range(1_000_000): print(line)",
    "1 GB in one line": "print('x' * 1_000_000_000)",
}
HOLD = (
    "\nimport time\nuntil = time.time() + 60\nwhile time.time() < until:\n    try: time.sleep(60)\n"
    "    except KeyboardInterrupt: pass"
)


def notebook(folder: pathlib.Path, source: str) -> pathlib.Path:
    cells = [
        nbformat.v4.new_code_cell("n: int = 1", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(source),
    ]
    path = folder / "cell.ipynb"
    nbformat.write(
        nbformat.v4.new_notebook(
            cells=cells,
            metadata={
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
            },
        ),
        path,
    )
    return path


def timed(words: list[str], **more) -> tuple[float, int]:
    began = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, **more)
    return time.monotonic() - began, done.returncode


def with_papermill(source: str, limit: float = 300) -> tuple[float, int, float]:
    with tempfile.TemporaryDirectory() as d:
        path = notebook(pathlib.Path(d), source)
        try:
            seconds, code = timed(
                ["papermill", "--no-progress-bar", str(path), f"{d}/out.ipynb"], timeout=limit
            )
        except subprocess.TimeoutExpired:
            return limit, -1, 0
        return seconds, code, os.path.getsize(f"{d}/out.ipynb") / 1e6


def with_ftkit(source: str, *options: str) -> tuple[float, int, float, float, str]:
    "Seconds, exit code, MB of the notebook, oldest heartbeat, error."
    with tempfile.TemporaryDirectory() as d:
        path, ages, over = notebook(pathlib.Path(d), source), [], threading.Event()

        def look():
            while not over.wait(0.1):
                for record in pathlib.Path(d).glob("runs/*/run.json"):
                    try:
                        if '"running"' in record.read_text():
                            ages.append(time.time() - record.stat().st_mtime)
                    except OSError:
                        pass

        thread = threading.Thread(target=look)
        thread.start()
        seconds, code = timed(
            ["ftkit", "run", str(path), *options], env=os.environ | {"FTKIT_RUNS": f"{d}/runs"}
        )
        over.set()
        thread.join()
        run = next(pathlib.Path(d).glob("runs/*/run.json"))
        size = (run.parent / "notebook.ipynb").stat().st_size / 1e6
        error = json.loads(run.read_text()).get("error") or {}
        return seconds, code, size, max(ages, default=0), error.get("name", "")


def main(names: list[str]) -> None:
    print(
        f"{'cell':<26}{'papermill':>12}{'ftkit':>9}{'ratio':>7}{'MB':>9}{'MB':>7}{'heartbeat':>11}"
        f"{'--timeout 5 ends after':>24}"
    )
    for name in names or CELLS:
        rounds = 1 if "GB" in name else 3
        theirs, mine = [], []
        for _ in range(rounds):
            theirs.append(with_papermill(CELLS[name]))
            mine.append(with_ftkit(CELLS[name]))
        a, b = statistics.median(t[0] for t in theirs), statistics.median(m[0] for m in mine)
        held = with_ftkit(CELLS[name] + HOLD, "--timeout", "5")
        beat = max(m[3] for m in [*mine, held])
        codes = f"  codes {theirs[-1][1]} {mine[-1][1]} {mine[-1][4]} {held[1]} {held[4]}"
        print(
            f"{name:<26}{a:>12.1f}{b:>9.1f}{b / a:>7.2f}{theirs[-1][2]:>9.1f}{mine[-1][2]:>7.1f}"
            f"{beat:>11.1f}{held[0]:>24.1f}{codes}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
