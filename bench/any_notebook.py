"""Any notebook that papermill takes: each notebook of a folder with papermill and with `ftkit run`,
and why they differ.

python bench/any_notebook.py FOLDER      (papermill's own: papermill/tests/notebooks of its repository)
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 120


def with_papermill(notebook: Path, folder: Path, kernel: str) -> tuple[bool, str]:
    "Whether papermill completes, and its last word."
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(notebook),
        str(folder / "out.ipynb"),
        "-k",
        kernel,
    ]
    command += ["--no-progress-bar", "--execution-timeout", str(SECONDS)]
    return _ran(command, folder)


def with_ftkit(notebook: Path, folder: Path, kernel: str) -> tuple[bool, str]:
    "Whether ftkit completes, and its last word."
    command = [
        sys.executable,
        "-m",
        "ftkit",
        "run",
        str(notebook),
        "--kernel",
        kernel,
        "--timeout",
        str(SECONDS),
    ]
    return _ran(command, folder)


def _ran(command: list[str], folder: Path) -> tuple[bool, str]:
    environment = os.environ | {"FTKIT_RUNS": str(folder / "runs")}
    try:
        r = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=3 * SECONDS,
        )
    except subprocess.TimeoutExpired:
        return False, f"no end within {3 * SECONDS} s"
    lines = [line.strip() for line in r.stderr.splitlines() if line.strip()]
    return r.returncode == 0, "" if r.returncode == 0 else (lines or ["no message"])[-1][:110]


def why_they_differ(notebook: Path, papermill: bool, ftkit: bool) -> str:
    "The reason for a difference, where it is known."
    if papermill == ftkit:
        return ""
    text = notebook.read_text(encoding="utf-8", errors="replace")
    if papermill and ("sys.exit" in text or "SystemExit" in text):
        return (
            "a cell ends the program by itself: papermill counts the exit code 0 as a good end,"
            " here the cells after it never ran, which is a failure"
        )
    return "unexplained"


def main() -> None:
    source = Path(sys.argv[1]).resolve()
    kernel = sys.argv[2] if len(sys.argv) > 2 else "python3"
    rows = []
    for notebook in sorted(source.rglob("*.ipynb")):
        folder = Path(tempfile.mkdtemp(prefix="any-"))
        copy = folder / notebook.name
        shutil.copy2(notebook, copy)
        (theirs, their_word), (ours, our_word) = (
            with_papermill(copy, folder, kernel),
            with_ftkit(copy, folder, kernel),
        )
        rows.append(
            {
                "notebook": str(notebook.relative_to(source)),
                "papermill": theirs,
                "ftkit": ours,
                "why": why_they_differ(copy, theirs, ours),
                "papermill said": their_word,
                "ftkit said": our_word,
            }
        )
        shutil.rmtree(folder, ignore_errors=True)
        print(
            f"{rows[-1]['notebook']:<40} papermill {'completes' if theirs else 'fails':<10} ftkit"
            f" {'completes' if ours else 'fails':<10} {rows[-1]['why']}",
            flush=True,
        )
        if not theirs or not ours:
            print(f"    papermill: {their_word}\n    ftkit:     {our_word}", flush=True)
    counts = {name: sum(r[name] for r in rows) for name in ("papermill", "ftkit")}
    unexplained = [r["notebook"] for r in rows if r["why"] == "unexplained"]
    print(
        f"{len(rows)} notebooks: {counts['papermill']} complete with papermill, {counts['ftkit']}"
        f" with ftkit; differences without a reason: {', '.join(unexplained) or 'none'}"
    )
    if "--json" in sys.argv:
        print(json.dumps(rows, indent=1))
    raise SystemExit(bool(unexplained))


main()
