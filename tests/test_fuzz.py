"""Random values, mutated cells, mutated run folders: refused or read, never executed, never a
crash. FTKIT_FUZZ multiplies the counts: 100 gives 10⁵ values, 10³ cells and 10³ folders."""

import ast
import contextlib
import json
import math
import os
import random
from pathlib import Path

import nbformat
import pytest

from ftkit.core import UsageError
from ftkit.params import Param, ParamError, check_params, parse_params, read_params
from ftkit.runfolder import noted, read_events, read_run
from ftkit.runs.compare import compare_runs
from ftkit.runs.launch import list_templates
from ftkit.runs.listing import cell_statuses, stage_seconds, summary
from ftkit.runs.report import write_report

TIMES = int(os.environ.get("FTKIT_FUZZ", 10))
TEXTS = [
    "",
    "a",
    "'",
    '"',
    "\\",
    "\n",
    "\r",
    "{b}",
    "%s",
    "é漢🙂",
    "\x00",
    "\u2028",
    "'); __import__('os').system('touch EXECUTED') #",
    '"""',
    "None",
    "True",
    "1e-3",
    "no",
    "!!python/object:os.system",
    "\\N{BULLET}",
    "${HOME}",
    "\ud800",
]


def anything(r, depth=0):
    "A random value of a kind that people, files or attackers give."
    kind = r.randrange(9 if depth < 3 else 6)
    if kind == 0:
        return None
    if kind == 1:
        return r.choice([True, False])
    if kind == 2:
        return r.choice([0, 1, -1, 2**63, -(2**70), r.randrange(-1000, 1000)])
    if kind == 3:
        return r.choice([0.0, -0.0, 1e-3, 1e308, math.inf, -math.inf, math.nan, r.random()])
    if kind in (4, 5):
        return "".join(r.choice(TEXTS) for _ in range(r.randrange(4)))
    if kind == 6:
        return [anything(r, depth + 1) for _ in range(r.randrange(4))]
    if kind == 7:
        return {r.choice(TEXTS): anything(r, depth + 1) for _ in range(r.randrange(3))}
    return r.choice(
        [(1, 2), {1, 2}, b"bytes", Path("'; touch EXECUTED"), object(), 1j, {1: 2}, range(3)]
    )


def same(a, b):
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b):
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return a == b


@pytest.fixture
def nothing_executes(monkeypatch, tmp_path):
    "No shell is called and no file EXECUTED appears."
    monkeypatch.chdir(tmp_path)

    def refuse(*a, **k):
        raise AssertionError(f"executed: {a}")

    monkeypatch.setattr(os, "system", refuse)
    yield
    assert not (tmp_path / "EXECUTED").exists()


def test_values_through_the_check_into_a_notebook_and_back(nothing_executes):
    from papermill.parameterize import parameterize_notebook

    types = {
        "bool": True,
        "int": 1,
        "float": 1.0,
        "str": "",
        "dict": {},
        "list[bool]": [],
        "list[int]": [],
        "list[float]": [],
        "list[str]": [],
    }
    r, taken, refused = random.Random(0), 0, 0
    for _ in range(10 * TIMES):
        params, values = [], {}
        for i in range(100):
            type_, value = r.choice(list(types)), anything(r)
            p = Param(f"p{i}", type_, types[type_], optional=r.random() < 0.3)
            try:
                values |= {k: v for k, v in check_params([p], {p.name: value}).items()}
            except ParamError:
                refused += 1
            else:
                params.append(p)
                taken += 1
        nb = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell("p0 = 1", metadata={"tags": ["parameters"]})],
            metadata={
                "papermill": {},
                "kernelspec": {"name": "python3", "language": "python", "display_name": "p"},
            },
        )
        done = parameterize_notebook(nb, values, kernel_name="python3", language="python")
        source = next(c.source for c in done.cells if "injected-parameters" in c.metadata.tags)
        floats = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
        for node in ast.parse(source).body:
            name, text = node.targets[0].id, ast.unparse(node.value)
            if "float(" not in text:
                back = ast.literal_eval(node.value)
            elif isinstance(values[name], (list, dict)):
                back = values[name]
            else:
                back = floats[ast.literal_eval(node.value.args[0])]
            assert same(values[name], back), (values[name], back)
    assert taken > 100 * TIMES and refused > 100 * TIMES and taken + refused == 1000 * TIMES
    print(f"{taken} values taken and read back, {refused} refused")


def test_mutated_parameters_cells(nothing_executes):
    source = "".join(
        next(
            c["source"]
            for c in json.loads(list_templates()["image"].read_text())["cells"]
            if "parameters" in c["metadata"].get("tags", [])
        )
    )
    r, read, refused = random.Random(0), 0, 0
    for _ in range(10 * TIMES):
        text = source
        for _ in range(r.randrange(1, 4)):
            at, n = r.randrange(len(text)), r.randrange(12)
            text = (
                text[:at]
                + r.choice([*TEXTS, "# x {a", "[1..", "import os", " = ", ":", "\t", "'''"])
                + text[at + n :]
            )
        try:
            parse_params(text)
            read += 1
        except ParamError:
            refused += 1
    assert read + refused == 10 * TIMES and refused
    print(f"{read} read, {refused} refused")


@pytest.fixture
def a_run(tmp_path):
    "A folder as a run leaves it, without the waiting."
    folder = tmp_path / "runs" / "20261123T000000Z-image-abcdef"
    folder.mkdir(parents=True)
    figure = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50}
    made = {
        "schema": 1,
        "status": "completed",
        "template": {"name": "image", "path": "x", "sha256": "0"},
        "parameters": {"epochs": 3, "data": "sample:digits"},
        "options": {"threads": 2},
        "process": {"host": "h", "pid": 1},
        "created": 1.0,
        "started": 2.0,
        "ended": 9.0,
        "heartbeat": 9.0,
        "error": None,
        "result": {"metric": "accuracy", "value": figure},
        "parent": {"run": "r", "at": 6},
        "bytes": 1000,
        "code": {"torch": "2.15"},
    }
    (folder / "run.json").write_text(json.dumps(made))
    (folder / "metrics.json").write_text(
        json.dumps(
            {
                "headline": "accuracy",
                "rows": 50,
                "figures": {"test": {"accuracy": figure}},
                "baselines": {"m": {"accuracy": figure}},
                "notes": ["n"],
                "per_class": [
                    {
                        "class": "a",
                        "support": 5,
                        "precision": figure,
                        "recall": figure,
                        "f1": figure,
                    }
                ],
            }
        )
    )
    events = [
        {"time": 1.0, "stage": "made", "record": made},
        {"time": 2.0, "stage": "tune", "step": 3, "of": 9, "seconds": 2.0, "epoch": 1, "loss": 0.5},
        {
            "time": 3.0,
            "stage": "tune",
            "epoch": 1,
            "train_loss": 0.4,
            "valid_loss": 0.3,
            "valid_accuracy": 0.9,
        },
        {"time": 4.0, "stage": "facts", "data": "d", "split": "s"},
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    (folder / "predictions.csv").write_text(
        "row,item,label,p(a),p(b)\n0,,a,0.9,0.1\n1,,b,0.2,0.8\n"
    )
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {"papermill": {"status": "completed", "duration": 1.0}},
        "source": "1",
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}],
        "execution_count": 1,
    }
    (folder / "notebook.ipynb").write_text(
        json.dumps(
            {
                "cells": [
                    cell,
                    {"cell_type": "markdown", "id": "b", "metadata": {}, "source": "# T"},
                ],
                "metadata": {"papermill": {"parameters": {}}},
                "nbformat": 4,
                "nbformat_minor": 5,
            }
        )
    )
    (folder / "input.ipynb").write_text("{}")
    return folder


def mutate(r, path):
    "Bytes cut, changed or added; or one value of the JSON replaced by anything JSON can hold."
    data = path.read_bytes()
    if r.random() < 0.4 or not data:
        at = r.randrange(len(data) + 1)
        data = r.choice(
            [
                data[:at],
                data[:at] + r.randbytes(3) + data[at + 3 :],
                data + r.randbytes(9),
                b"",
                data[:at] + b"\n" + data[at:],
            ]
        )
    else:
        lines = data.decode().splitlines() if path.suffix == ".jsonl" else [data.decode()]
        i = r.randrange(len(lines))
        with contextlib.suppress(ValueError):
            root = parent = json.loads(lines[i])
            while True:
                keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
                if not keys:
                    break
                key = r.choice(keys)
                if not isinstance(parent[key], (dict, list)) or r.random() < 0.3:
                    parent[key] = r.choice(
                        [None, 0, -1, "x", "<script>", [], {}, [1], {"a": 1}, True, 1e400, "9" * 50]
                    )
                    break
                parent = parent[key]
            lines[i] = json.dumps(root)
        data = "\n".join(lines).encode()
    path.write_bytes(data)


def test_mutated_run_folders(nothing_executes, a_run):
    r, first = random.Random(0), {p: p.read_bytes() for p in a_run.iterdir()}
    told = 0
    for _ in range(10 * TIMES):
        for p, data in first.items():
            p.write_bytes(data)
        for p in r.sample(sorted(first), r.randrange(1, 3)):
            mutate(r, p)
        run = read_run(a_run)
        assert run["status"] in ("queued", "running", "completed", "failed", "stopped", "lost")
        assert summary(a_run)["id"] == a_run.name
        cell_statuses(a_run), stage_seconds(a_run), noted(a_run), read_events(a_run)
        page = write_report(a_run).read_text()
        assert "<script" not in page
        try:
            compare_runs([a_run, a_run]).table()
        except UsageError:
            told += 1
        with contextlib.suppress(ParamError):
            read_params(a_run / "input.ipynb")
