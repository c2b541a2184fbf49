"""Mutated records through every reader: python tests/records.py FOLDER COUNT [SEED]. Exit code 1 if
any of them ends in another error than wrong use, or prints what a terminal obeys."""

import collections
import contextlib
import hashlib
import io
import json
import os
import random
import sys
import time
import traceback
from pathlib import Path

ROOT, COUNT, SEED = Path(sys.argv[1]), int(sys.argv[2]), int((sys.argv[3:] or [0])[0])
os.environ["FTKIT_RUNS"] = str(ROOT / "runs")
os.environ.setdefault("XDG_STATE_HOME", str(ROOT / "state"))

from tornado import web

from ftkit import runfolder
from ftkit.batch import queue as runqueue
from ftkit.batch.batch import Batch, list_batches
from ftkit.cli import main as cli
from ftkit.core import UsageError
from ftkit.lab import (
    server,
    widgets,
)
from ftkit.runs import compare, listing, report, resume
from ftkit.runs import launch as run

R = random.Random(SEED)
DEEP = "@@deep@@"
LEAVES = [
    None,
    0,
    -1,
    "x",
    "<script>alert(1)</script>",
    [],
    {},
    [1],
    {"a": 1},
    True,
    1e308,
    -1e308,
    "9" * 50,
    "\x1b[2J\x07",
    "\ud800",
    "\u202e",
    "$$",
    "a" * 5000,
    "nan",
    "inf",
    2**70,
    10**400,
    float("nan"),
    float("inf"),
    -0.0,
    "../../x",
    "/etc/passwd",
    "\0",
    ["\ud800"],
    {"value": "nan"},
    {"value": 10**400, "low": [], "high": {}},
    [[[[]]]],
    1e12,
    -5.5,
    DEEP,
]
DEPTHS = [
    "[" * 3000 + "]" * 3000,
    "[" * 100_000,
    '{"a":' * 500 + "1" + "}" * 500,
    "1" * 5000,
    "1e999",
    "[" * 99 + "]" * 99,
]


def change(root) -> None:
    "One place of a JSON value becomes something else, or goes."
    here = root
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            return
        key = R.choice(keys)
        if not isinstance(here[key], (dict, list)) or R.random() < 0.3:
            break
        here = here[key]
    if isinstance(here, dict) and R.random() < 0.2:
        del here[key]
    else:
        here[key] = R.choice(LEAVES)


def mutate(path: Path) -> None:
    data = path.read_bytes()
    if R.random() < 0.3 or not data:
        at = R.randrange(len(data) + 1)
        data = R.choice(
            [
                data[:at],
                data[:at] + R.randbytes(3) + data[at + 3 :],
                data + R.randbytes(9),
                b"",
                data[:at] + b"\n" + data[at:],
                b"[" * 200_000,
                b"\xff\xfe" + data,
                b"null",
                b"[]",
                b'"x"',
                b"1",
            ]
        )
    else:
        lines = data.decode().splitlines() if path.suffix == ".jsonl" else [data.decode()]
        i = R.randrange(len(lines))
        with contextlib.suppress(ValueError):
            root = json.loads(lines[i])
            for _ in range(R.randrange(1, 4)):
                if isinstance(root, (dict, list)):
                    change(root)
            lines[i] = json.dumps(root).replace(f'"{DEEP}"', R.choice(DEPTHS))
        data = "\n".join(lines).encode("utf-8", "surrogatepass")
    path.write_bytes(data)


FIGURE = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50}
VERDICT = {
    "sentence": "accuracy 0.9",
    "doubts": [{"name": "few rows", "text": "few", "remedy": "more", "voids": False}],
    "voided": False,
    "figure": FIGURE,
}
PARAMETERS = {
    "cell_type": "code",
    "id": "p",
    "metadata": {"tags": ["parameters"]},
    "source": "epochs: int = 3\ndata: str = 'x'",
    "outputs": [],
    "execution_count": None,
}
CELL = {
    "cell_type": "code",
    "id": "a",
    "metadata": {"papermill": {"status": "completed", "duration": 1.0}},
    "source": "1",
    "outputs": [
        {"output_type": "stream", "name": "stdout", "text": "x"},
        {
            "output_type": "display_data",
            "data": {"text/html": "<b>x</b>", "image/png": "aGk="},
            "metadata": {},
        },
    ],
    "execution_count": 1,
}


def notebook(*cells, **metadata) -> str:
    return json.dumps(
        {
            "cells": cells,
            "metadata": (
                {"kernelspec": {"name": "python3", "language": "python", "display_name": "p"}}
                | metadata
            ),
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def make_run(name: str) -> Path:
    folder = ROOT / "runs" / name
    (folder / "files").mkdir(parents=True)
    (folder / "input.ipynb").write_text(notebook(PARAMETERS))
    record = {
        "schema": 1,
        "status": "completed",
        "template": {
            "name": "image",
            "path": "x",
            "sha256": hashlib.sha256((folder / "input.ipynb").read_bytes()).hexdigest(),
        },
        "parameters": {"epochs": 3, "data": "sample:digits"},
        "options": {"threads": 2, "timeout": 5.0, "cwd": "run"},
        "process": {"host": "h", "pid": 1, "boot_id": "b", "process_start": "1"},
        "created": 1.0,
        "started": 2.0,
        "ended": 9.0,
        "heartbeat": 9.0,
        "error": None,
        "resumed": [3.0],
        "settings": {"device": ["cpu", "default"]},
        "result": {"metric": "accuracy", "part": "test", "value": FIGURE, "verdict": VERDICT},
        "parent": {"run": "20261123T000001Z-image-aaaaaa", "at": 6, "fit": 1},
        "bytes": 1000,
        "code": {"torch": "2.15"},
        "working_folder": str(ROOT),
        "system": "x",
        "facts": {"device": "cpu"},
        "after": ["20261123T000001Z-image-aaaaaa"],
    }
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "metrics.json").write_text(
        json.dumps(
            {
                "verdict": VERDICT,
                "headline": "accuracy",
                "rows": 50,
                "figures": {"test": {"accuracy": FIGURE}},
                "baselines": {"m": {"accuracy": FIGURE}},
                "notes": ["n"],
                "per_class": [
                    {
                        "class": "a",
                        "support": 5,
                        "precision": FIGURE,
                        "recall": FIGURE,
                        "f1": FIGURE,
                    }
                ],
                "confusion": [[1, 2], [3, 4]],
            }
        )
    )
    events = [
        ("made", {"record": record}),
        ("cell", {"step": 1, "of": 3}),
        ("tune", {"step": 3, "of": 9, "seconds": 2.0, "epoch": 1, "loss": 0.5}),
        ("tune", {"epoch": 1, "train_loss": 0.4, "valid_loss": 0.3}),
        ("broken", {"checkpoint": "c", "why": "w"}),
        ("fetch", {"sample": "s", "megabytes": 1}),
        ("resume", {"of_stage": "tune", "epoch": 1, "step_in_epoch": 3}),
        ("note", {"text": "t"}),
        (
            "facts",
            {
                "data": "d",
                "split": "s",
                "threads": 2,
                "needed": {"a": "b"},
                "read x": {"data": "d"},
            },
        ),
    ]
    (folder / "events.jsonl").write_text(
        "".join(
            json.dumps({"time": float(i), "stage": stage} | more) + "\n"
            for i, (stage, more) in enumerate(events)
        )
    )
    (folder / "predictions.csv").write_text(
        "row,item,label,predicted,p(a),p(b)\n0,,a,a,0.9,0.1\n1,,b,b,0.2,0.8\n"
    )
    (folder / "notebook.ipynb").write_text(
        notebook(
            CELL,
            {"cell_type": "markdown", "id": "b", "metadata": {}, "source": "# T"},
            papermill={"parameters": {}},
        )
    )
    (folder / "log.txt").write_text("hello\n")
    (folder / "files" / "out.csv").write_text("a\n1\n")
    return folder


def make_batch(a: Path, b: Path) -> Path:
    folder = ROOT / "runs" / "batches" / "wave"
    (folder / "ledger").mkdir(parents=True)
    (folder / "claims").mkdir()
    (folder / "input.ipynb").write_bytes((a / "input.ipynb").read_bytes())
    sha = hashlib.sha256((folder / "input.ipynb").read_bytes()).hexdigest()
    info = {
        "schema": 1,
        "template": {"name": "image", "path": "x", "sha256": sha},
        "working_folder": "/tmp",
        "created": 1.0,
        "process": {"host": "h", "pid": 1},
        "data": {'"x"': "f"},
        "code": {"torch": "1"},
        "cwd": "run",
        "codes": [{"file": "input.ipynb", "notebook": sha, "code": {}, "since": 1.0}],
    }
    (folder / "batch.json").write_text(json.dumps(info))
    (folder / "plan.jsonl").write_text(
        "".join(
            json.dumps({"number": i, "key": f"k{i}", "parameters": {"epochs": i + 2}}) + "\n"
            for i in (1, 2)
        )
    )
    entries = [
        ("begun", {"process": {"host": "h", "pid": 1}, "jobs": 1}),
        ("claimed", {"key": "k1"}),
        ("made", {"key": "k1", "run": a.name, "try": 1}),
        ("ended", {"key": "k1", "run": a.name, "status": "completed", "try": 1, "excused": False}),
        ("made", {"key": "k2", "run": b.name, "try": 1}),
    ]
    (folder / "ledger" / "h-1-1-aa.jsonl").write_text(
        "".join(
            json.dumps({"time": float(i), "what": what} | more) + "\n"
            for i, (what, more) in enumerate(entries)
        )
    )
    (folder / "claims" / "k1.0001").write_text(
        json.dumps(
            {
                "key": "k1",
                "number": 1,
                "by": "h-1-1-aa",
                "process": {"host": "h", "pid": 1},
                "run": a.name,
                "made": 1.0,
            }
        )
    )
    return folder


def typed(*words) -> str:
    "What the command prints."
    sys.argv, out = ["ftkit", *words], io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        contextlib.suppress(SystemExit),
    ):
        cli.main()
    out.flush()
    text = out.buffer.getvalue().decode()
    obeyed = [
        c for c in text if ord(c) < 32 and c not in "\n\t" or 0x7F <= ord(c) < 0xA0 or c == "\u202e"
    ]
    assert not obeyed, (words, obeyed[:3])
    return text


def page(text: str) -> None:
    assert "<script" not in text


def sent(value) -> None:
    "As a route answers."
    json.dumps(server._exact(server.jsonable(value)), allow_nan=False).encode()


def compared(a: Path, b: Path) -> None:
    found = compare.compare_runs([a, b])
    found.table()
    sent(found.to_json())
    page(found.save_html(ROOT / "compared.html").read_text())


def batch() -> None:
    found = Batch("wave")
    found.counts()
    sent(found.status())
    sent(found.results())
    found.save_table(ROOT / "table.csv")
    page(found.save_html(ROOT / "batch.html").read_text())
    page(found.save_index().read_text())


def main() -> int:
    a, b = make_run("20261123T000000Z-image-abcdef"), make_run("20261123T000001Z-image-aaaaaa")
    files = [p for p in [*a.rglob("*"), *make_batch(a, b).rglob("*")] if p.is_file()]
    first = {p: p.read_bytes() for p in files}
    always = {
        "read_run": lambda: runfolder.read_run(a),
        "summary": lambda: sent(listing.summary(a)),
        "list_runs": lambda: sent(listing.list_runs()),
        "figures": lambda: sent(run.figures(a)),
        "cells": lambda: sent(listing.cell_statuses(a)),
        "stages": lambda: sent(listing.stage_seconds(a)),
        "noted": lambda: sent(runfolder.noted(a)),
        "chosen": lambda: sent(listing.chosen_parameters(a)),
        "run_state": lambda: sent(server.run_state(ROOT, a.name)),
        "new_events": lambda: sent(server.new_events(a.name, 0)),
        "index": lambda: sent(runqueue.RunIndex().rows()),
        "live": lambda: page(widgets._Seen(a).html()),
        "run_table": lambda: page(widgets.run_table().data),
        "ftkit runs": lambda: typed("runs"),
        "ftkit runs --json": lambda: json.loads(typed("runs", "--json")),
        "ftkit show": lambda: typed("show", a.name),
        "ftkit show --json": lambda: typed("show", a.name, "--json"),
        "ftkit log": lambda: typed("log", a.name),
        "batches": list_batches,
        "resume": lambda: resume.requeue_run(a),
        "ftkit params": lambda: typed("params", str(a / "input.ipynb")),
        "queue": lambda: runqueue.RunQueue().turn(),
    }
    at_times = {
        "compare": lambda: compared(a, b),
        "report": lambda: page(report.write_report(a).read_text()),
        "batch": batch,
        "ftkit batch --status": lambda: typed("batch", "--status", "wave"),
        "ftkit compare": lambda: typed("compare", a.name, b.name),
        "ftkit compare --batch": lambda: typed("compare", "--batch", "wave"),
    }
    wrong, began = collections.Counter(), time.monotonic()
    for i in range(COUNT):
        for p, data in first.items():
            p.write_bytes(data)
        for p in R.sample(files, R.randrange(1, 3)):
            mutate(p)
        for name, read in (always | (at_times if i % 3 == 0 else {})).items():
            try:
                read()
            except (UsageError, web.HTTPError):
                pass
            except Exception as e:
                place = [t for t in traceback.extract_tb(e.__traceback__) if "ftkit" in t.filename][
                    -1
                ]
                wrong[
                    f"{name}: {type(e).__name__} at {Path(place.filename).name}:{place.lineno}:"
                    f" {str(e)[:100]}"
                ] += 1
    print(
        f"{COUNT:,} mutated records, {len(always) + len(at_times)} readers,"
        f" {time.monotonic() - began:.0f} s, {sum(wrong.values())} other errors"
    )
    for what, n in wrong.most_common(40):
        print(f"{n:>6}  {what}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
