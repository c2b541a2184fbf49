"""Many runs that cannot be lost: drivers and runs are killed, crowded, stopped and out of room;
nothing runs twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from ftkit.core import file_sha256, read_json
from ftkit.runfolder import read_events, read_run
from ftkit.runs.launch import create_run, launch, run_template
from ftkit.runs.listing import run_folders

WAVE = (
    "rate: float = 0.1  # step size (0..1]\ndepth: int = 2  # layers [1..9]",
    "1 / (depth - 3)",
    (
        "import numpy as np\n{'accuracy': np.float64(1 - (rate - 0.3) ** 2 - 0.01 * depth), 'loss':"
        " rate}"
    ),
)
# each execution leaves a line; from `hold` on they wait for a file
COUNTED = (
    "n: int = 1\nhold: int = 99",
    (
        "import os, time\nwith open(os.environ['SAID'], 'a') as f: f.write(f'{n}\\n')\nwhile n >="
        " hold and not os.path.exists(os.environ['SAID'] + '.go'): time.sleep(0.05)"
    ),
    "{'n': n}",
)


def notebook(path, *sources):
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {
                "tags": ["parameters"] if i == 0 else ["metrics"] if i == len(sources) - 1 else []
            },
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
                    "kernelspec": {"name": "python3", "display_name": "p", "language": "python"}
                },
                "nbformat": 4,
                "nbformat_minor": 5,
            }
        )
    )
    return path


pytestmark = pytest.mark.usefixtures("own_folders")


def command(*args):
    return [sys.executable, "-m", "ftkit", *map(str, args)]


def ftkit(*args):
    return subprocess.run(command(*args), capture_output=True, text=True, timeout=300)


def machine(folder, name, hours):
    """Environment of another machine: all Python processes in it have its name and a clock that is
    `hours` wrong; files have the true time, as on a file server."""
    (folder / name).mkdir()
    (folder / name / "sitecustomize.py").write_text(
        f"import socket, time\ntime.time = lambda now=time.time: now() + {hours} *"
        f" 3600\nsocket.gethostname = lambda: {name!r}\n"
    )
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(
            filter(None, (str(folder / name), os.environ.get("PYTHONPATH")))
        )
    }


def start(*args, env=None):
    "A driver in the background; SIGINT reaches it as in a terminal."
    return subprocess.Popen(
        command("batch", *args),
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def until(happened, process=None, seconds=90):
    "Wait until `happened()` is true."
    end = time.time() + seconds
    while not (found := happened()):
        assert time.time() < end, "it never happened"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)
    return found


def said():
    return Path(os.environ["SAID"]).read_text().split() if Path(os.environ["SAID"]).exists() else []


def go():
    Path(os.environ["SAID"] + ".go").touch()


def ledger(what=None):
    lines = [
        json.loads(line)
        for p in Path(os.environ["FTKIT_RUNS"]).glob("batches/*/ledger/*.jsonl")
        for line in p.read_text().splitlines()
    ]
    return [e for e in lines if what is None or e["what"] == what]


def statuses():
    return Counter(read_run(f)["status"] for f in run_folders())


def finish(process, code=0):
    out, err = process.communicate(timeout=200)
    assert process.returncode == code, (process.returncode, out, err)
    return out, err


def test_plans_are_shown_without_writing_anything(tmp_path):
    wave = notebook(tmp_path / "wave.ipynb", *WAVE)
    (tmp_path / "t.csv").write_text("depth\n1\n2\n")
    rows = json.loads(
        ftkit(
            "batch", wave, "-g", "rate", "0.1,0.2,0.3", "--table", "t.csv", "--dry-run", "--json"
        ).stdout
    )["rows"]
    assert [r["parameters"] for r in rows] == [
        {"depth": d, "rate": r} for d in (1, 2) for r in (0.1, 0.2, 0.3)
    ] and {r["what"] for r in rows} == {"to do"}
    some = [
        json.loads(
            ftkit(
                "batch",
                wave,
                "-g",
                "rate",
                "0.1,0.2,0.3",
                "-g",
                "depth",
                "[1, 2, 4]",
                "--sample",
                n,
                "--sample-seed",
                seed,
                "--dry-run",
                "--json",
            ).stdout
        )["rows"]
        for n, seed in ((3, 0), (5, 0), (5, 1))
    ]
    assert [r["parameters"] for r in some[0]] == [r["parameters"] for r in some[1]][:3] and some[
        1
    ] != some[2]
    (tmp_path / "t.jsonl").write_text('{"depth": 1}\n{"depth": null, "rate": 0.5}\n{"depth": 1}\n')
    r = ftkit("batch", wave, "--table", "t.jsonl", "-p", "rate", "0.5", "--dry-run")
    assert r.returncode == 2 and "set by -p and by t.jsonl" in r.stderr
    r = ftkit("batch", wave, "--table", "t.jsonl", "--dry-run", "--json")
    assert "1 of 3 rows say the same" in r.stderr and [
        x["parameters"] for x in json.loads(r.stdout)["rows"]
    ] == [{"depth": 1}, {"rate": 0.5}]
    import pandas as pd

    pd.DataFrame({"depth": [1, None], "rate": [0.1, 0.2]}).to_parquet("t.parquet")
    assert [
        x["parameters"]
        for x in json.loads(
            ftkit("batch", wave, "--table", "t.parquet", "--dry-run", "--json").stdout
        )["rows"]
    ] == [{"depth": 1, "rate": 0.1}, {"rate": 0.2}]
    (tmp_path / "p.yaml").write_text("depth: 4\n")
    assert [
        x["parameters"]
        for x in json.loads(
            ftkit("batch", wave, "-f", "p.yaml", "-g", "rate", "0.1", "--dry-run", "--json").stdout
        )["rows"]
    ] == [{"depth": 4, "rate": 0.1}]
    assert not (tmp_path / "runs").exists()


def test_bad_rows_are_all_told_and_nothing_starts(tmp_path):
    wave = notebook(tmp_path / "wave.ipynb", *WAVE)
    rows = [f"{(i % 9) + 1},0.{i % 9 + 1}" for i in range(500)]
    rows[41], rows[249], rows[499] = "12,0.5", "x,0.5", "3,0"
    (tmp_path / "t.csv").write_text("depth,rate\n" + "\n".join(rows) + "\n")
    r = ftkit("batch", wave, "--table", "t.csv")
    assert r.returncode == 2 and not (tmp_path / "runs").exists() and "Traceback" not in r.stderr
    assert (
        "3 of 500 rows" in r.stderr
        and all(f"row {n}: " in r.stderr for n in (42, 250, 500))
        and "[1..9]" in r.stderr
        and "(0..1]" in r.stderr
    )
    (tmp_path / "t.csv").write_text("dept,rate\n" + "\n".join(rows[:3]) + "\n")
    r = ftkit("batch", wave, "--table", "t.csv", "-g", "rte", "1,2")
    assert r.returncode == 2 and "perhaps depth" in r.stderr and "perhaps rate" in r.stderr


def test_results_of_a_foreign_notebook_its_failure_and_again(tmp_path):
    wave = notebook(tmp_path / "wave.ipynb", *WAVE)
    args = (
        "batch",
        wave,
        "-g",
        "rate",
        "0.1,0.3",
        "-g",
        "depth",
        "1,3",
        "--retries",
        0,
        "--json",
        "--name",
        "wave",
    )
    r = ftkit(*args)
    assert r.returncode == 1, r.stderr
    # a line for each, in a pipe
    assert (
        sum(line.startswith(("1/", "2/", "3/", "4/")) for line in r.stderr.splitlines()) == 4
        and "\033" not in r.stderr
    )
    rows = json.loads(r.stdout)["rows"]
    assert [(x["rate"], x["depth"], x["status"]) for x in rows] == [
        (0.3, 1, "completed"),
        (0.1, 1, "completed"),
        (0.1, 3, "failed"),
        (0.3, 3, "failed"),
    ]
    assert (
        rows[0]["accuracy"] == 0.99
        and "division by zero" in rows[2]["error"]
        and rows[2]["accuracy"] is None
    )
    records = [read_run(f) for f in run_folders()]
    assert {x["options"]["threads"] for x in records} == {
        max(
            1,
            len(os.sched_getaffinity(0))
            // max(min(2, len(os.sched_getaffinity(0))), len(os.sched_getaffinity(0)) // 2),
        )
    } and {x["template"]["path"] for x in records} == {str(wave)}
    before = ledger()
    # begun and left
    assert (
        ftkit(*args).returncode == 1
        and len(ledger()) == len(before) + 2
        and len(run_folders()) == 4
    )
    assert [
        x["rate"]
        for x in json.loads(
            ftkit(
                "compare",
                "--batch",
                "wave",
                "--by",
                "loss",
                "--out",
                "t.csv",
                "--html",
                "t.html",
                "--json",
            ).stdout
        )
    ][:2] == [0.1, 0.3]
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0].startswith("rate,depth,loss,accuracy,seconds,status,run") and len(lines) == 5
    page = (tmp_path / "t.html").read_text()
    assert (
        page.count("notebook.ipynb'>") == page.count("notebook.ipynb#papermill-error-cell'>") == 2
        and "data:image/png" in page
        and "division by zero" in page
    )
    assert all(
        (tmp_path / href).exists()
        for href in (x.split("'")[0].split("#")[0] for x in page.split("href='")[1:])
        if href.startswith("runs/")
    )
    r = ftkit("compare", "--batch", "wave", "--by", "acuracy")
    assert r.returncode == 2 and "did you mean 'accuracy'" in r.stderr
    s = json.loads(ftkit("batch", "--status", "wave", "--json").stdout)
    assert (
        s["counts"] == {"completed": 2, "failed": 2} and s["drivers"] == [] and len(s["rows"]) == 4
    )


@pytest.mark.parametrize("whom", ["the driver", "all"])
def test_killed_in_the_middle_and_started_again(whom, tmp_path):
    args = (
        notebook(tmp_path / "counted.ipynb", *COUNTED),
        "-g",
        "n",
        "1,2,3,4,5,6",
        "-p",
        "hold",
        3,
        "--jobs",
        2,
    )
    first = start(*args)
    until(lambda: len(said()) == 4, first)
    first.kill()
    first.wait()
    if whom == "all":
        for folder in run_folders():
            run = read_run(folder)
            for p in (run["process"], run.get("kernel")) if run["status"] == "running" else ():
                if p:
                    os.kill(p["pid"], signal.SIGKILL)
        until(lambda: statuses() == {"completed": 2, "lost": 2})
    second = start(*args)
    if whom == "the driver":
        until(lambda: len(ledger("adopted")) == 2, second)  # its runs lived on, and are waited for
    go()
    finish(second)
    assert statuses() == {"completed": 6}
    assert Counter(said()) == {
        str(n): 1 if whom == "the driver" or n not in (3, 4) else 2 for n in range(1, 7)
    }
    assert len(ledger("made")) == 6 and len(ledger("resumed")) == (2 if whom == "all" else 0)


def test_a_run_that_is_killed_is_gone_on_with_and_one_told_to_end_waits_for_its_turn(tmp_path):
    driver = start(
        notebook(tmp_path / "counted.ipynb", *COUNTED),
        "-g",
        "n",
        "1,2",
        "-p",
        "hold",
        1,
        "--jobs",
        2,
        "--retries",
        1,
    )
    until(lambda: len(said()) == 2, driver)
    runs = {read_run(f)["parameters"]["n"]: read_run(f)["process"]["pid"] for f in run_folders()}
    os.kill(runs[1], signal.SIGKILL)
    os.kill(runs[2], signal.SIGTERM)
    until(lambda: len(said()) == 4, driver)
    go()
    out, err = finish(driver)
    assert Counter(said()) == {"1": 2, "2": 2} and statuses() == {"completed": 2}
    assert sorted((e["status"], e["excused"]) for e in ledger("ended")) == [
        ("completed", False)
    ] * 2 + [("lost", False), ("stopped", True)]
    assert "lost" in err and "tried again" in err


def test_machines_whose_clocks_differ_share_a_batch(tmp_path):
    """An hour fast and an hour slow: neither takes the other for dead, and each run is executed
    once."""
    args = (
        notebook(tmp_path / "c.ipynb", *COUNTED),
        "-g",
        "n",
        "1,2,3,4,5,6",
        "-p",
        "hold",
        3,
        "--jobs",
        1,
        "--name",
        "c",
    )
    both = [
        start(*args, env=machine(tmp_path, name, hours))
        for name, hours in (("east", 1), ("west", -1))
    ]
    until(lambda: {"1", "2", "3", "4"} <= set(said()), both[0])
    time.sleep(3)
    go()
    for p in both:
        finish(p)
    runs = [read_run(f) for f in run_folders()]
    assert (
        Counter(said()) == Counter("123456")
        and statuses() == {"completed": 6}
        and {r["process"]["host"] for r in runs} == {"east", "west"}
    )
    # by their own clocks
    assert max(r["ended"] for r in runs) - min(r["ended"] for r in runs) > 7000
    # by the file system's
    assert (
        len(ledger("claimed")) == 6
        and max(e["time"] for e in ledger()) - min(e["time"] for e in ledger()) < 600
    )


def test_two_drivers_share_a_batch(tmp_path):
    args = (notebook(tmp_path / "counted.ipynb", *COUNTED), "-g", "n", "1,2,3,4,5,6", "--jobs", 1)
    both = [start(*args), start(*args)]
    for p in both:
        finish(p)
    assert Counter(said()) == {str(n): 1 for n in range(1, 7)} and statuses() == {"completed": 6}
    made = Counter(
        p.stem
        for p in Path("runs").glob("batches/*/ledger/*.jsonl")
        for line in p.read_text().splitlines()
        if json.loads(line)["what"] == "made"
    )
    assert sum(made.values()) == 6 and len(made) == 2  # both did some


@pytest.mark.parametrize("how", ["SIGINT", "cancel"])
def test_stopped_it_goes_on(how, tmp_path):
    args = (
        notebook(tmp_path / "counted.ipynb", *COUNTED),
        "-g",
        "n",
        "1,2,3",
        "-p",
        "hold",
        2,
        "--jobs",
        2,
        "--name",
        "three",
    )
    driver = start(*args)
    until(lambda: len(said()) == 3, driver)
    s = json.loads(ftkit("batch", "--status", "three", "--json").stdout)
    assert (
        len(s["drivers"]) == 1
        and s["drivers"][0]["pid"] == driver.pid
        and len(s["running"]) == 2
        and "cell 3 of 4" in s["running"][0]["progress"]
    )
    if how == "cancel":
        assert "2 runs were asked to stop" in ftkit("batch", "--cancel", "three").stdout
    else:
        driver.send_signal(signal.SIGINT)
    out, err = finish(driver, 130)
    assert (
        "1 of 3 runs are completed, 2 are left; continue with the same command" in err
        and statuses() == {"completed": 1, "stopped": 2}
    )
    go()
    finish(start(*args))
    assert Counter(said()) == {"1": 1, "2": 2, "3": 2} and statuses() == {"completed": 3}


def test_failures_once_more_and_none_after_the_first(tmp_path):
    flaky = notebook(
        tmp_path / "flaky.ipynb",
        "n: int = 1",
        "import os\nassert n != 1 or os.path.exists(os.environ['SAID'] + '.go')",
        "{'n': n}",
    )
    args = ("batch", flaky, "-g", "n", "1,2", "--jobs", 1, "--retries", 0)
    r = ftkit(*args, "--stop-on-failure")
    assert (
        r.returncode == 1
        and "nothing is started after a failure" in r.stderr
        and statuses() == {"failed": 1}
    )
    r = ftkit(*args)
    assert (
        r.returncode == 1
        and "--only-failed" in r.stderr
        and statuses() == {"failed": 1, "completed": 1}
    )
    go()
    r = ftkit(*args, "--only-failed")
    assert r.returncode == 0 and statuses() == {"completed": 2}, r.stderr


def test_wrong_use_inside_a_run_is_not_tried_again(tmp_path):
    wrong = notebook(
        tmp_path / "wrong.ipynb",
        "n: int = 1",
        "class DataError(ValueError): pass\nraise DataError('no such column')",
        "{'n': n}",
    )
    r = ftkit("batch", wrong, "-g", "n", "1", "--retries", 3)
    assert r.returncode == 1 and len(ledger("ended")) == 1 and "no such column" in r.stdout


@pytest.mark.skipif(
    os.name == "nt"
    or os.geteuid() != 0
    or subprocess.run(
        ["sh", "-c", "d=$(mktemp -d) && mount -t tmpfs none $d && umount $d; rmdir $d"],
        capture_output=True,
    ).returncode
    != 0,
    reason="needs the right to mount a small file system",
)
def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(small)], check=True)
    try:
        monkeypatch.setenv("FTKIT_RUNS", str(small / "runs"))
        large = notebook(
            tmp_path / "large.ipynb",
            "n: int = 1",
            "import os\nopen(os.environ['FTKIT_RUN_DIR'] + '/large',"
            " 'wb').write(bytes(4_000_000))\nwith open(os.environ['SAID'], 'a') as f:"
            " f.write(f'{n}\\n')",
            "{'n': n}",
        )
        args = ("batch", large, "-g", "n", "1,2,3,4", "--jobs", 1)
        r = ftkit(*args)
        assert (
            r.returncode == 1
            and "the disk is full" in r.stderr
            and "continue with the same command" in r.stderr
            and "Traceback" not in r.stderr
        ), r.stderr
        assert statuses()["completed"] == 2
        for pages in range(5):  # no room for a line, for a claim, for a record …
            with pytest.raises(OSError), open(small / "filler", "ab", buffering=0) as f:
                while f.write(bytes(4096)):
                    pass
            os.truncate(small / "filler", max(0, (small / "filler").stat().st_size - 4096 * pages))
            r = ftkit(*args)
            assert (
                r.returncode == 1
                and "the disk is full" in r.stderr
                and "Traceback" not in r.stderr
                and statuses()["completed"] == 2
            ), (pages, r.stderr)
        (small / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=100m", str(small)], check=True)
        r = ftkit(*args)
        assert (
            r.returncode == 0 and said() == ["1", "2", "3", "4"] and statuses() == {"completed": 4}
        ), r.stderr
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_from_python(tmp_path):
    from ftkit import Batch, run_batch

    wave = notebook(tmp_path / "wave.ipynb", *WAVE)
    one = run_template(str(wave), rate=0.3, depth=1)
    assert one.metrics["accuracy"] == 0.99 and one.folder.is_dir() and one["status"] == "completed"
    batch = run_batch(
        str(wave), table=[{"rate": 0.2}, {"rate": 0.3}], parameters={"depth": 1}, show=False
    )
    found = Batch(batch.name).table()
    assert (
        list(found["accuracy"]) == sorted(found["accuracy"], reverse=True)
        and list(found.columns[:3]) == ["rate", "accuracy", "loss"]
        and set(found["status"]) == {"completed"}
    )


def test_a_batch_of_2000_is_looked_at_in_seconds(tmp_path):
    from ftkit.batch.batch import Batch, plan_batch, write_plan

    wave = notebook(tmp_path / "wave.ipynb", *WAVE)
    batch, rows, _ = plan_batch(
        str(wave),
        grid={"rate": [i / 500 for i in range(1, 501)], "depth": [1, 2, 4, 5]},
        name="many",
    )
    write_plan(batch)
    record = {
        "schema": 1,
        "status": "completed",
        "template": batch.info["template"],
        "created": 1.0,
        "started": 1.0,
        "ended": 3.0,
        "result": {"metric": "accuracy", "value": {"value": 0.5}},
    }
    for r in rows:
        folder = (
            tmp_path
            / "runs"
            / f"20260101T{r.number // 3600:02}{r.number // 60 % 60:02}{r.number % 60:02}Z-wave-{r.number:06x}"
        )
        folder.mkdir()
        (folder / "run.json").write_text(
            json.dumps(record | {"parameters": r.values, "batch": "many", "key": r.key})
        )
        (folder / "input.ipynb").write_text("{}")
        (folder / "metrics.json").write_text(json.dumps({"accuracy": 1 - r.values["rate"] ** 2}))
        batch.ledger.write("made", key=r.key, run=folder.name)
    heavy = (
        "import sys, contextlib\nwith contextlib.suppress(SystemExit):\n    from ftkit.cli.main"
        " import main; sys.argv = ['ftkit', *sys.argv[1:]]; main()\nprint('LOADED',"
        " *sorted({'torch', 'pandas', 'nbformat', 'papermill', 'numpy', 'pyarrow'} &"
        " set(sys.modules)))"
    )
    (tmp_path / "t.csv").write_text("depth\n1\n")
    for args in (
        ["batch", "--status", "many", "--json"],
        ["runs", "--limit", "0", "--json"],
        ["compare", "--batch", "many", "--json"],
        ["batch", str(wave), "--table", "t.csv", "-g", "rate", "0.1,0.2", "--dry-run"],
    ):
        began = time.monotonic()
        r = subprocess.run([sys.executable, "-c", heavy, *args], capture_output=True, text=True)
        assert time.monotonic() - began < 10, args
        assert r.stdout.splitlines()[-1] == "LOADED", (args, r.stdout[-200:], r.stderr)
    r = ftkit("batch", "--status", "many")
    assert "2000 completed of 2000 runs" in r.stdout
    assert Batch("many").results()[0]["rate"] == 0.002
    assert read_json(tmp_path / "runs" / "batches" / "many" / "batch.json")["schema"] == 1


def test_of_two_processes_for_one_run_one_executes_it(tmp_path):
    """As after a driver that was killed the moment it had started a run, when the next one goes on
    with it."""
    folder = create_run(str(notebook(tmp_path / "counted.ipynb", *COUNTED)))
    both = [launch(folder), launch(folder)]
    assert (
        sorted(p.wait() for p in both) == [0, 2]
        and said() == ["1"]
        and statuses() == {"completed": 1}
    )


def test_a_failure_that_no_driver_saw_counts(tmp_path):
    args = (
        notebook(tmp_path / "counted.ipynb", COUNTED[0], COUNTED[1] + "\n1 / 0", COUNTED[2]),
        "-g",
        "n",
        "1",
        "-p",
        "hold",
        1,
        "--retries",
        0,
    )
    first = start(*args)
    until(said, first)
    first.kill()
    first.wait()
    go()
    until(lambda: statuses()["failed"])
    finish(start(*args), 1)
    assert said() == ["1"]


@pytest.mark.slow
def test_a_training_killed_in_the_middle_comes_to_the_same_bits():
    tiny = [
        w
        for k, v in {
            "limit": 300,
            "epochs": 2,
            "head_epochs": 10,
            "size": 64,
            "precision": "float32",
            "dropout": 0.2,
            "baselines": "false",
        }.items()
        for w in ("-p", k, v)
    ]
    driver = start("image", "-g", "seed", "3", *tiny, "--jobs", 1, "--threads", 1)
    folder = until(run_folders, driver)[0]
    until(
        lambda: any(e["stage"] == "tune" and e.get("step", 0) >= 8 for e in read_events(folder)[0]),
        driver,
    )
    os.kill(read_run(folder)["process"]["pid"], signal.SIGKILL)
    finish(driver)
    assert len(ledger("resumed")) == 1 and any(
        e["stage"] == "resume" for e in read_events(folder)[0]
    )
    whole = json.loads(
        ftkit("run", "image", "-p", "seed", 3, *tiny, "--threads", 1, "--json").stdout
    )
    assert file_sha256(folder / "model" / "model.safetensors") == file_sha256(
        Path(whole["model"]) / "model.safetensors"
    )


def test_what_two_runs_need_is_computed_once(tmp_path, monkeypatch):
    """Both begin at the same time with an empty cache; what one computes the other waits for. Who
    is first may change from one thing to the next."""
    from ftkit.core import cache_folder

    samples = cache_folder("samples")
    monkeypatch.setenv("FTKIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "samples").symlink_to(samples)
    done = ftkit(
        "batch",
        "image",
        "-g",
        "head_rate",
        "0.001,0.003",
        "-p",
        "limit",
        200,
        "-p",
        "size",
        128,
        "-p",
        "freeze",
        "backbone",
        "-p",
        "head_epochs",
        3,
        "-p",
        "baselines",
        "false",
        "--jobs",
        2,
        "--threads",
        1,
    )
    assert done.returncode == 0, done.stderr
    made = [
        (e["stage"], e.get("pixels"))
        for folder in run_folders()
        for e in read_events(folder)[0]
        if e["stage"] in ("decode", "features") and e.get("step") == e["of"]
    ]
    # at 32 pixels copies are looked for
    assert len(run_folders()) == 2 and sorted(made) == [
        ("decode", "128"),
        ("decode", "32"),
        ("decode", "64"),
        ("features", None),
    ], made
