"""Any notebook that papermill takes: what its cell may hold, and which values reach it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ftkit.batch.batch import Batch
from ftkit.params import read_params
from ftkit.runfolder import read_run
from ftkit.runs.launch import create_run, list_templates

MIXED = '''"""What to train on."""
import math
from pathlib import Path
data = Path("a.csv")
size, half = (28, 28), 14  # two names
rate: float = 1e-3  # peak learning rate (0..1]
n = 3; twice = n * 2'''


def ftkit(*args, cwd, **env):
    return subprocess.run(
        [sys.executable, "-m", "ftkit", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | env,
        timeout=120,
    )


def notebook(path, *sources, tags=("parameters",), language="python", **spec):
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {"tags": list(tags)} if i == 0 and tags else {},
            "source": s,
            "outputs": [],
            "execution_count": None,
        }
        for i, s in enumerate(sources)
    ]
    path.write_text(
        json.dumps(
            {
                "cells": cells,
                "metadata": {
                    "kernelspec": {"name": "python3", "display_name": "p", "language": language}
                    | spec
                },
                "nbformat": 4,
                "nbformat_minor": 5,
            }
        )
    )
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTKIT_RUNS", str(tmp_path / "runs"))
    return tmp_path


def printed(r):
    "What the last cell of a run printed."
    assert r.returncode == 0, r.stderr
    cells = json.loads(Path(json.loads(r.stdout)["notebook"]).read_text())["cells"]
    return "".join(cells[-1]["outputs"][0]["text"]).strip()


def test_a_cell_of_code_runs_and_what_is_given_reaches_it(here):
    notebook(here / "mine.ipynb", MIXED, "print(data, size, half, rate, n, twice)")
    assert (
        printed(r := ftkit("run", "mine.ipynb", "--json", cwd=here))
        == "a.csv (28, 28) 14 0.001 3 6"
    )
    assert (
        "6 lines of the parameters cell are not typed" in r.stderr
        and "ftkit params mine.ipynb" in r.stderr
    )
    r = ftkit(
        "run",
        "mine.ipynb",
        "-p",
        "rate",
        "0.5",
        "-p",
        "half",
        "7",
        "-p",
        "data",
        "no",
        "-p",
        "new",
        "True",
        "--json",
        cwd=here,
    )
    assert printed(r) == "no (28, 28) 7 0.5 3 6" and "does not name new" in r.stderr
    assert json.loads(r.stdout)["parameters"] == {"rate": 0.5, "half": 7, "data": "no", "new": True}
    r = ftkit("run", "mine.ipynb", "-p", "rate", "5", cwd=here)
    # typed lines keep their checks
    assert r.returncode == 2 and "rate was given 5.0; allowed is a number in (0..1]" in r.stderr
    r = ftkit("run", "mine.ipynb", "-p", "x; import os", "1", cwd=here)
    assert r.returncode == 2 and "not a name that a cell can set" in r.stderr


def test_without_a_tagged_cell_values_stand_at_the_top(here):
    notebook(here / "plain.ipynb", "print(globals().get('n', 'none'))", tags=())
    assert printed(ftkit("run", "plain.ipynb", "--json", cwd=here)) == "none"
    r = ftkit("run", "plain.ipynb", "-p", "n", "5", "--json", cwd=here)
    assert printed(r) == "5" and "no cell is tagged" in r.stderr


def test_what_is_typed_and_what_is_not_is_shown(here):
    notebook(here / "mine.ipynb", MIXED, "print(n)")
    r = ftkit("params", "mine.ipynb", cwd=here)
    assert (
        "(0..1]" in r.stdout
        and "not typed" in r.stdout
        and "shares its line" in r.stdout
        and "has a value that must be computed" in r.stdout
    )
    said = json.loads(ftkit("params", "mine.ipynb", "--json", cwd=here).stdout)
    assert list(said["properties"]) == ["rate"] and said["additionalProperties"] is True
    assert {u["name"] for u in said["untyped"]} == {
        None,
        "math",
        "Path",
        "data",
        "size",
        "half",
        "n",
        "twice",
    }


def test_another_language_passes_untyped(here):
    path = notebook(here / "r.ipynb", "msg <- 'a'\nn.rows <- 5", "print(1)", language="R")
    assert [(u.name, u.why) for u in read_params(path).untyped] == [
        ("msg", "is R"),
        ("n.rows", "is R"),
    ]
    # nothing is given, so nothing is translated
    assert (
        printed(
            ftkit(
                "run",
                notebook(here / "odd.ipynb", "msg = None", "print(1)", language="brainfuck"),
                "--json",
                cwd=here,
            )
        )
        == "1"
    )


def test_a_batch_over_names_without_a_type(here):
    notebook(here / "mine.ipynb", MIXED, "{'score': n + half}")
    (here / "t.csv").write_text("n,half\n1,2\n3,\n")
    r = ftkit(
        "batch",
        "mine.ipynb",
        "--table",
        "t.csv",
        "-g",
        "flag",
        "True,x",
        "--name",
        "b",
        "--jobs",
        "2",
        cwd=here,
    )
    assert r.returncode == 0, r.stderr
    rows = {r.number: r.values for r in Batch("b").rows}
    assert rows == {
        1: {"n": 1, "half": 2, "flag": True},
        2: {"n": 1, "half": 2, "flag": "x"},
        3: {"n": 3, "flag": True},
        4: {"n": 3, "flag": "x"},
    }
    assert {(r["n"], r["half"], r["flag"]) for r in Batch("b").results()} == {
        (1, 2, True),
        (1, 2, "x"),
        (3, None, True),
        (3, None, "x"),
    }


def test_only_plain_values_reach_a_notebook(here):
    path = notebook(here / "mine.ipynb", MIXED, "print(n)")
    for value in (Path("'; import os #"), (1, 2), {1: 2}, float("nan"), object()):
        with pytest.raises(ValueError):
            create_run(str(path), {"n": value})
    assert read_run(create_run(str(path), {"n": [1, {"a": None}]}))["parameters"] == {
        "n": [1, {"a": None}]
    }


def test_shipped_templates_stay_strict():
    for name, path in list_templates().items():
        params = read_params(path)
        assert params.untyped == () and params.cells == 1 and not params.is_free, name
