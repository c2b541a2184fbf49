"""Notebooks that need what others made: chained, killed in the middle, and gone on with as one."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from test_batch import (
    command,
    ftkit,
    go,
    notebook,
    said,
    until,
)

from ftkit import run_template
from ftkit.runfolder import read_events, read_run
from ftkit.runs.listing import run_folders

pytestmark = pytest.mark.usefixtures("own_folders")
SAY = "import os, time\nwith open(os.environ['SAID'], 'a') as f: f.write('{}\\n')\n"
MAKE = (
    "n: int = 3  # numbers [1..]",
    SAY.format("make")
    + "here = os.environ['FTKIT_RUN_DIR']\nopen(here + '/numbers.txt', 'w').write(' '.join(map(str,"
    " range(n))))",
    "{'n': n}",
)
SQUARE = (
    "data: str = ''  # a file of numbers",
    SAY.format("square")
    + "open(os.environ['FTKIT_RUN_DIR'] + '/squares.txt', 'w').write(' '.join(str(int(x) ** 2) for"
    " x in open(data).read().split()))\nwhile not os.path.exists(os.environ['SAID'] + '.go'):"
    " time.sleep(0.05)",
    "{'squared': 1}",
)
TOTAL = (
    "data: str = ''",
    SAY.format("total") + "found = sum(map(int, open(data).read().split()))",
    "{'total': found}",
)


@pytest.fixture
def steps(tmp_path):
    for name, cells in (("make", MAKE), ("square", SQUARE), ("total", TOTAL)):
        notebook(tmp_path / f"{name}.ipynb", *cells)
    return (
        "make.ipynb",
        "-p",
        "n",
        4,
        "--then",
        "square.ipynb",
        "-p",
        "data",
        "run:make/numbers.txt",
        "--then",
        "total.ipynb",
        "-p",
        "data",
        "run:square/squares.txt",
    )


def statuses():
    return {f.name.split("-")[1]: read_run(f)["status"] for f in run_folders()}


def kill(process: dict):
    "A process and its group, as a machine that goes down takes them."
    os.killpg(os.getpgid(process["pid"]), signal.SIGKILL)


def test_three_notebooks_are_killed_in_the_middle_and_go_on_as_one(steps):
    driver = subprocess.Popen(
        command("run", *steps),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(lambda: said() == ["make", "square"], driver)
    last = next(f for f in run_folders() if "total" in f.name)
    os.killpg(driver.pid, signal.SIGKILL)
    for f in run_folders():
        run = read_run(f)
        for p in (run["process"], run.get("kernel")):
            if run["status"] == "running" and p:
                kill(p)
    until(lambda: statuses() == {"make": "completed", "square": "lost", "total": "lost"})
    go()
    done = ftkit("resume", last.name, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["value"] == {"value": 14} and statuses() == {
        k: "completed" for k in ("make", "square", "total")
    }
    # what was finished was not executed again
    assert said() == ["make", "square", "square", "total"] and len(run_folders()) == 3
    shown = ftkit("show", last.name).stdout
    assert all(f"needs     {f.name}" in shown for f in run_folders() if f != last)


def test_a_chain_goes_on_when_its_terminal_is_gone(steps):
    "Only the command is killed: the last run's process does the rest."
    driver = subprocess.Popen(
        command("run", *steps), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until(lambda: said() == ["make", "square"], driver)
    driver.kill()
    driver.wait()
    go()
    until(lambda: statuses() == {k: "completed" for k in ("make", "square", "total")})
    assert said() == ["make", "square", "total"]


def test_a_chain_stops_and_fails_as_one(steps, tmp_path):
    driver = subprocess.Popen(
        command("run", *steps),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    until(lambda: said() == ["make", "square"], driver)
    driver.send_signal(signal.SIGINT)
    out, err = driver.communicate(timeout=60)
    assert driver.returncode == 130 and statuses() == {
        "make": "completed",
        "square": "stopped",
        "total": "stopped",
    }, err
    # somebody spoils what the second one reads
    (run_folders()[-1] / "numbers.txt").write_text("1 two")
    r = ftkit("resume", "total")
    assert (
        r.returncode != 0
        and "changed since this run began" in r.stderr
        and "total.ipynb" not in r.stderr
    ), r.stderr
    assert statuses()["total"] == "failed"
    r = ftkit("resume", "total", "--force")
    assert r.returncode == 1 and "square" in r.stderr and "invalid literal" in r.stderr
    (run_folders()[-1] / "numbers.txt").write_text("1 2")
    go()
    assert ftkit("resume", "total", "--force").returncode == 0 and json.loads(
        (next(f for f in run_folders() if "total" in f.name) / "metrics.json").read_text()
    ) == {"total": 5}


def test_what_cannot_be_chained_is_refused_and_leaves_nothing(steps):
    for args, why in (
        (
            (*steps[:3], 4, "--then", "square.ipynb", "-p", "data", "run:nobody/numbers.txt"),
            "no run",
        ),
        ((*steps, "-p", "dat", "x"), "dat"),
        ((*steps, "--then"), "--then needs"),
        (("make.ipynb", "--then", "gone.ipynb"), "no such notebook"),
    ):
        r = ftkit("run", *args)
        assert (
            r.returncode == 2
            and why in r.stderr
            and "Traceback" not in r.stderr
            and not run_folders()
        ), (args, r.stderr)


def test_a_notebook_is_a_function_and_a_batch_takes_what_it_made(steps):
    go()
    made = run_template("make.ipynb", n=5)
    squares = run_template("square.ipynb", data=made.file("numbers.txt"))
    assert run_template("total.ipynb", data=squares.file("squares.txt")).metrics == {"total": 30}
    r = ftkit(
        "batch",
        "total.ipynb",
        "-g",
        "data",
        f"run:make/numbers.txt,run:{squares['id'][-6:]}/squares.txt",
        "--json",
    )
    assert r.returncode == 0, r.stderr
    rows = json.loads(r.stdout)["rows"]
    assert {x["data"]: x["total"] for x in rows} == {
        f"run:{made['id']}/numbers.txt": 10,
        f"run:{squares['id']}/squares.txt": 30,
    }


def test_what_goes_on_is_said_as_json_lines(steps, monkeypatch):
    monkeypatch.setenv("FTKIT_LOG", "json")
    go()
    for r in (
        ftkit("run", *steps),
        ftkit("batch", "make.ipynb", "-g", "n", "1,2"),
        ftkit("run", "make.ipynb", "-p", "n", "0"),
    ):
        lines = [json.loads(line) for line in r.stderr.splitlines()]
        assert lines and all({"time", "level", "message"} <= set(x) for x in lines)
        assert any(x["level"] == "error" for x in lines) == (r.returncode != 0)
        if "batch" in lines[0]:
            assert [x["status"] for x in lines if "status" in x] == ["completed"] * 2 and lines[-1][
                "done"
            ] == 2


def test_a_run_that_waits_takes_over_and_a_file_that_changed_is_seen(steps, tmp_path):
    """Two runs need one that was not finished: whoever began it is killed, and the other goes on
    with it."""
    Path("my square.ipynb").write_text(Path("square.ipynb").read_text())
    made = run_template("make.ipynb", n=3)
    # by a process that is gone
    code = (
        "import sys; from ftkit.runs.launch import create_run; print(create_run('my square.ipynb',"
        " {'data': sys.argv[1]}))"
    )
    square = Path(
        subprocess.run(
            [sys.executable, "-c", code, made.file("numbers.txt")],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    both = [
        subprocess.Popen(
            command("run", "total.ipynb", "-p", "data", f"run:{square.name}/squares.txt"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    until(
        lambda: (
            said() == ["make", "square"]
            and sum("executed elsewhere" in str(read_events(f)[0]) for f in run_folders()) == 1
        )
    )
    waits = next(f for f in run_folders() if "executed elsewhere" in str(read_events(f)[0]))
    begun = next(f for f in run_folders() if "runs first" in str(read_events(f)[0]))
    kill(read_run(begun)["process"])
    until(lambda: read_run(square).get("kernel"))
    for p in ("process", "kernel"):
        kill(read_run(square)[p])
    go()
    until(lambda: read_run(waits)["status"] == "completed")
    for p in both:
        p.communicate(timeout=60)
    assert Counter(said()) == {"make": 1, "square": 2, "total": 1}
    grid = ("batch", "total.ipynb", "-p", "data", f"run:{square.name}/squares.txt", "--name", "b")
    assert ftkit(*grid).returncode == 0
    v = ftkit("verify", waits.name)
    assert v.returncode == 0, v.stdout
    (square / "squares.txt").write_text("7")
    r = ftkit(*grid)
    assert r.returncode == 2 and "changed" in r.stderr
    r = ftkit(
        "batch",
        "total.ipynb",
        "-g",
        "data",
        f"run:last/x,run:nobody/x,run:{made['id']}/x",
        "--dry-run",
    )
    assert r.returncode == 2 and "name the run by its id" in r.stderr


def test_a_chain_with_a_limit_goes_on_with_a_higher_one(steps):
    r = ftkit("run", *steps, "--timeout", 5)
    assert r.returncode == 1 and "longer than the 5 s" in r.stderr, r.stderr
    go()
    assert ftkit("resume", "last", "--timeout", 60).returncode == 0
    Path("nan.ipynb").write_text(
        Path("make.ipynb")
        .read_text()
        .replace(
            "{'n': n}", "{'n': n, 'x': float('nan'), 'y': {'value': 1.5, 'low': 1.0, 'high': 2.0}}"
        )
    )
    assert run_template("nan.ipynb").metrics == {"n": 3, "y": 1.5}


@pytest.mark.slow  # three fine-tunes; models.earlier and evaluation.report show each step
def test_a_model_goes_on_with_data_that_have_grown(tmp_path):
    "Its rows stay in their parts, it stands beside the new model, and one that is worse is named."
    import pandas as pd

    from ftkit.data.dataset import Data

    films = Data.text("sample:movie", leave_out=("neutral",), limit=450, near="as_is")
    rows = pd.DataFrame(
        {"text": films.items, "label": [films.label_text(i) for i in range(len(films))]}
    )
    rows[:260].to_csv(tmp_path / "films.csv", index=False)
    # one layer of seven is trained; what those below make of a text is cached
    quick = dict(epochs=1, head_epochs=5, frozen_layers=6, baselines=False, max_length=32)
    quick["precision"] = "float32"
    first = run_template("text", data=str(tmp_path / "films.csv"), test=0.3, **quick)
    rows.to_csv(tmp_path / "films.csv", index=False)
    second = run_template(
        "text", data=str(tmp_path / "films.csv"), earlier="run:last/model", **quick
    )
    before, now = (pd.read_csv(r.folder / "predictions.csv") for r in (first, second))
    beside = json.loads((second.folder / "metrics.json").read_text())["succession"]
    assert (
        set(before["item"]) < set(now["item"])
        and beside["rows"] == len(before)
        and beside["old_rows"]
    )
    right = (before["p(positive)"] > 0.5) == (before["label"] == "positive")
    # a text of few rows may round otherwise
    assert beside["before"] == pytest.approx(right.mean(), abs=0.01)
    assert "of its test rows: accuracy" in (second.folder / "report.html").read_text(
        encoding="utf-8"
    )
    wrong = rows.assign(
        label=rows["label"]
        .map({"positive": "negative", "negative": "positive"})
        .where(~rows["text"].isin(set(before["item"])), rows["label"])
    )
    wrong.to_csv(tmp_path / "films.csv", index=False)  # all but the old test rows say the opposite
    third = run_template(
        "text", data=str(tmp_path / "films.csv"), earlier=str(first.folder), **quick | {"epochs": 3}
    )
    assert json.loads((third.folder / "metrics.json").read_text())["succession"]["worse"]
    assert "it is worse: keep the earlier one" in (third.folder / "report.html").read_text(
        encoding="utf-8"
    )
