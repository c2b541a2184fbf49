"""Notebooks that work while nobody looks: folders of their own, changed code, logs, removal, cron,
and what is said when something failed."""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ftkit.batch.batch import Batch, plan_batch
from ftkit.runfolder import read_run
from ftkit.runs.launch import create_run, run_files
from ftkit.runs.listing import list_runs


def ftkit(*args, cwd, **env):
    return subprocess.run(
        [sys.executable, "-m", "ftkit", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | env,
        timeout=180,
    )


def notebook(path, *sources, metrics=None):
    def cell(i, source):
        return {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {"tags": ["parameters"] if i == 0 else ["metrics"] if i == metrics else []},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }

    path.write_text(
        json.dumps(
            {
                "cells": [cell(*c) for c in enumerate(sources)],
                "metadata": {
                    "kernelspec": {"name": "python3", "display_name": "p", "language": "python"}
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


def done(r):
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


# where a notebook works

WRITES = (
    "open('out.csv', 'w').write(str(n)); open('metrics.json', 'w').write('{}'); import os;"
    " os.makedirs('model', exist_ok=True)"
)


def test_a_batch_leaves_a_file_for_each_run(here):
    notebook(here / "mine.ipynb", "n: int = 0", WRITES)
    r = ftkit("batch", "mine.ipynb", "-g", "n", "1,2,3,4", "--name", "b", "--jobs", "2", cwd=here)
    assert r.returncode == 0 and "a folder of its own" in r.stderr.splitlines()[0], r.stderr
    assert {
        (Path("runs") / row["run"] / "files" / "out.csv").read_text()
        for row in Batch("b").results()
    } == {"1", "2", "3", "4"}
    assert not (here / "out.csv").exists()
    shown = ftkit("show", "last", cwd=here).stdout
    assert "file      files/out.csv  1 bytes" in shown and "files/metrics.json" in shown
    assert {
        f["name"] for f in json.loads(ftkit("show", "last", "--json", cwd=here).stdout)["files"]
    } == {"files/metrics.json", "files/out.csv"}
    runs = [row["run"] for row in Batch("b").results()]
    table = ftkit("compare", *runs[:2], cwd=here).stdout
    assert "differs, 1 bytes" in next(
        line for line in table.splitlines() if line.startswith("files/out.csv")
    )
    assert "the same" in next(
        line for line in table.splitlines() if line.startswith("files/metrics.json")
    )


def test_a_run_works_where_it_is_told_and_finds_its_inputs(here):
    (here / "nb").mkdir()
    (here / "in.txt").write_text("caller")
    (here / "label").mkdir()
    notebook(
        here / "nb" / "mine.ipynb",
        "data: str = 'in.txt'\nkind: str = 'label'\nmore: list = ['in.txt', 'label']",
        "import os\nprint(os.getcwd(), open(data).read(), kind, [os.path.basename(m) for m in"
        " more], sep='|')",
    )

    def ran(*options):
        made = done(ftkit("run", "nb/mine.ipynb", "--json", *options, cwd=here))
        assert made["parameters"] == {
            "data": "in.txt",
            "kind": "label",
            "more": ["in.txt", "label"],
        }
        return (
            "".join(
                json.loads(Path(made["notebook"]).read_text())["cells"][-1]["outputs"][0]["text"]
            ).strip(),
            Path(made["notebook"]).parent,
        )

    said, folder = ran()
    assert said == f"{here}|caller|label|['in.txt', 'label']"
    said, folder = ran("--cwd", "run")
    assert said == f"{folder}/files|caller|label|['in.txt', 'label']"
    assert ran("--cwd", "notebook")[0].startswith(f"{here}/nb|caller|label|")
    assert ran("--cwd", here / "label")[0].startswith(f"{here}/label|caller|label|")
    refused = ftkit("run", "nb/mine.ipynb", "--cwd", "nowhere", cwd=here)
    assert (
        refused.returncode == 2
        and "allowed are run, notebook, or the path of a folder" in refused.stderr
    )
    # in the same kind of folder, with the same values
    assert ftkit("verify", folder.name, cwd=here).returncode == 0


def test_a_cell_with_code_finds_its_input_too(here):
    (here / "in.txt").write_text("here")
    notebook(
        here / "mine.ipynb",
        "import os\ndata = 'in.txt'\nother = str('in.txt')",
        "print(open(data).read())",
    )
    made = done(ftkit("run", "mine.ipynb", "--json", "--cwd", "run", cwd=here))
    assert made["parameters"] == {} and "here\\n" in Path(made["notebook"]).read_text()
    missed = ftkit(
        "run",
        notebook(here / "other.ipynb", "import os\nother = str('in.txt')", "open(other)"),
        "--cwd",
        "run",
        cwd=here,
    )
    assert (
        missed.returncode == 1
        and "in.txt is in the notebook's folder: --cwd notebook" in missed.stderr
    )


def test_resume_goes_on_in_the_same_folder(here):
    notebook(
        here / "mine.ipynb",
        "n: int = 0",
        "import os\nprint(os.listdir('.'))\nfirst = not os.path.exists('seen')\nopen('seen',"
        " 'a').close()\nassert not first",
    )
    assert ftkit("run", "mine.ipynb", "--cwd", "run", cwd=here).returncode == 1
    done(ftkit("resume", "last", "--json", cwd=here))


def test_a_file_that_is_elsewhere_is_told_with_what_to_type(here):
    (here / "nb").mkdir()
    (here / "nb" / "table.csv").write_text("x")
    (here / "other.csv").write_text("x")
    notebook(
        here / "nb" / "mine.ipynb",
        "n: int = 0\nname: str = 'table.csv'",
        "open(name[:])",
    )
    r = ftkit("run", "nb/mine.ipynb", cwd=here)
    assert r.returncode == 1 and "table.csv is in the notebook's folder: --cwd notebook" in r.stderr
    assert ftkit("run", "nb/mine.ipynb", "--cwd", "notebook", cwd=here).returncode == 0
    notebook(here / "nb" / "fixed.ipynb", "n: int = 0", "open('other.csv')")
    r = ftkit("batch", "nb/fixed.ipynb", "-g", "n", "1", "--name", "b", "--retries", "0", cwd=here)
    assert r.returncode == 1 and "--cwd . lets the notebook work there" in r.stderr
    r = ftkit(
        "batch",
        "nb/fixed.ipynb",
        "-g",
        "n",
        "1",
        "--name",
        "b",
        "--cwd",
        ".",
        "--only-failed",
        cwd=here,
    )
    assert r.returncode == 0, r.stderr


def test_settings_beside_the_command_hold_in_every_folder(here):
    (here / "settings.ini").write_text("[ftkit]\nworkers = 3\n")
    notebook(
        here / "mine.ipynb",
        "n: int = 0",
        "from ftkit.core import settings\nprint(settings()['workers'].value)",
    )
    made = done(
        ftkit(
            "run",
            "mine.ipynb",
            "--json",
            "--cwd",
            "run",
            cwd=here,
            FTKIT_RUNS=str(here / "elsewhere"),
        )
    )
    assert "3\\n" in Path(made["notebook"]).read_text()


@pytest.mark.parametrize("cwd", ["run", "notebook", "."])
def test_modules_beside_the_notebook_and_the_command_are_imported(here, cwd):
    (here / "nb").mkdir()
    (here / "nb" / "beside_notebook.py").write_text("x = 1")
    (here / "beside_command.py").write_text("y = 2")
    notebook(here / "nb" / "mine.ipynb", "n: int = 0", "import beside_notebook, beside_command")
    assert ftkit("run", "nb/mine.ipynb", "--cwd", cwd, cwd=here).returncode == 0


def test_what_is_no_file_is_not_listed(here):
    folder = create_run(str(notebook(here / "mine.ipynb", "n: int = 0")), cwd="run")
    (folder / "files" / "deep").mkdir(parents=True)
    (folder / "files" / "deep" / "a.txt").write_text("abc")
    os.mkfifo(folder / "files" / "pipe")
    os.symlink("/etc/hostname", folder / "files" / "link")
    assert run_files(folder) == [{"name": "files/deep/a.txt", "bytes": 3}]


# another version of the notebook

COUNTS = (
    "import os\nopen(os.path.join(os.environ['FTKIT_RUNS'], '..', 'executed.txt'),"
    " 'a').write(f'{n}:%s ')\nassert n < %d\n{'score': n + %d}"
)


def executed(here):
    return sorted((here / "executed.txt").read_text().split())


def test_new_code_runs_what_is_not_done_and_both_are_kept(here):
    batch = (
        "batch",
        "mine.ipynb",
        "-g",
        "n",
        "1,2,3",
        "--name",
        "b",
        "--jobs",
        "2",
        "--retries",
        "0",
    )
    notebook(here / "mine.ipynb", "n: int = 0", COUNTS % ("a", 3, 0), metrics=1)
    assert ftkit(*batch, cwd=here).returncode == 1  # 3 fails
    notebook(here / "mine.ipynb", "n: int = 0\nmore: int = 7", COUNTS % ("b", 9, 100), metrics=1)
    r = ftkit(*batch, cwd=here)
    assert r.returncode == 2 and "--continue-with-new-code" in r.stderr
    r = ftkit(*batch, "--continue-with-new-code", cwd=here)
    assert r.returncode == 0, r.stderr
    assert executed(here) == ["1:a", "2:a", "3:a", "3:b"]
    rows = {r["number"]: r for r in Batch("b").results()}
    assert {k: (r["score"], r["code"], r["status"]) for k, r in rows.items()} == {
        1: (1, 1, "completed"),
        2: (2, 1, "completed"),
        3: (103, 2, "completed"),
    }
    info = json.loads((here / "runs/batches/b/batch.json").read_text())
    assert len({c["notebook"] for c in info["codes"]}) == 2 and all(
        (here / "runs/batches/b" / c["file"]).is_file() and c["since"] for c in info["codes"]
    )
    lines = Batch("b").ledger.read()
    assert [e["number"] for e in lines if e["what"] == "code"] == [2] and {
        e["run"]: e["code"] for e in lines if e["what"] == "made"
    }[rows[3]["run"]] == 2
    assert "code" in ftkit("compare", "--batch", "b", cwd=here).stdout.splitlines()[0].split()
    for again in (
        batch,
        (*batch, "--continue-with-new-code"),
    ):  # nothing is left, with the option or without
        assert ftkit(*again, cwd=here).returncode == 0 and len(executed(here)) == 4
    more = ftkit("batch", "mine.ipynb", "-g", "n", "1,2,3,4", "--name", "b", cwd=here)
    assert more.returncode == 0 and executed(here) == ["1:a", "2:a", "3:a", "3:b", "4:b"]


def test_new_code_waits_for_what_still_executes_with_the_old(here):
    notebook(
        here / "mine.ipynb",
        "n: int = 0",
        "import os, time\nwhile not os.path.exists(os.environ['FTKIT_RUNS'] + '/go'):"
        " time.sleep(0.05)",
    )
    driver = subprocess.Popen(
        [sys.executable, "-m", "ftkit", "batch", "mine.ipynb", "-g", "n", "1", "--name", "b"],
        cwd=here,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while not list_runs(status="running") and time.monotonic() < until:
            time.sleep(0.1)
        notebook(here / "mine.ipynb", "n: int = 0", "pass")
        r = ftkit(
            "batch",
            "mine.ipynb",
            "-g",
            "n",
            "1",
            "--name",
            "b",
            "--continue-with-new-code",
            cwd=here,
        )
        assert r.returncode == 2 and "is worked on by process" in r.stderr
        (here / "runs" / "go").touch()
        assert driver.wait(60) == 0
    finally:
        driver.kill()


def test_a_planted_batch_executes_nothing_of_its_own(here):
    notebook(here / "mine.ipynb", "n: int = 0", "pass")
    ran = f"open({str(here / 'planted')!r}, 'w')"
    plan_batch("mine.ipynb", {"n": [1]}, name="b")
    assert ftkit("batch", "mine.ipynb", "-g", "n", "1", "--name", "b", cwd=here).returncode == 0
    folder = here / "runs" / "batches" / "b"
    before = (folder / "input.ipynb").read_bytes()
    notebook(folder / "input.ipynb", "n: int = 0", ran)  # the notebook beside the right batch.json
    r = ftkit("batch", "mine.ipynb", "-g", "n", "1,2", "--name", "b", cwd=here)
    assert r.returncode == 2 and "is not the notebook that batch b was begun with" in r.stderr
    (folder / "input.ipynb").write_bytes(before)
    # a claim's run that would execute something else
    row = plan_batch("mine.ipynb", {"n": [2]}, name="b")[1][0]
    theirs = create_run(
        str(notebook(here / "theirs.ipynb", "n: int = 2", ran)),
        {"n": 2},
        record={"batch": "b", "key": row.key},
    )
    record = json.loads((theirs / "run.json").read_text())
    (theirs / "run.json").write_text(
        json.dumps(record | {"status": "failed", "process": {}, "template": record["template"]})
    )
    (folder / "claims" / f"{row.key}.0001").write_text(
        json.dumps(
            {"key": row.key, "number": 1, "by": "x", "process": {}, "run": theirs.name, "made": 0}
        )
    )
    r = ftkit("batch", "mine.ipynb", "-g", "n", "2", "--name", "b", cwd=here)
    assert r.returncode == 0, r.stderr
    assert not (here / "planted").exists() and read_run(theirs)["status"] == "failed"
    assert next(r for r in Batch("b").results() if r["number"] == 2)["run"] != theirs.name


# the log


def test_a_log_is_followed_until_the_run_ends_and_is_harmless(here):
    notebook(
        here / "mine.ipynb",
        "n: int = 0",
        "import os, time\nwhile not os.path.exists(os.environ['FTKIT_RUNS'] + '/go'):"
        " time.sleep(0.05)",
    )
    run = subprocess.Popen(
        [sys.executable, "-m", "ftkit", "run", "mine.ipynb"],
        cwd=here,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while not list_runs(status="running") and time.monotonic() < until:
        time.sleep(0.1)
    folder = here / "runs" / list_runs()[0]["id"]
    with open(folder / "log.txt", "ab") as f:
        f.write(b"one\r\ntwo \x1b[2J\n")
    log = subprocess.Popen(
        [sys.executable, "-m", "ftkit", "log", "last", "-f"],
        cwd=here,
        stdout=subprocess.PIPE,
        text=True,
    )
    while (line := log.stdout.readline()) != "one\n":
        assert line  # before the run's end
    assert log.stdout.readline() == "two \ufffd[2J\n"
    with open(folder / "log.txt", "ab") as f:
        f.write("drei: ä\n".encode())
    while (line := log.stdout.readline()) != "drei: ä\n":
        assert line
    (here / "runs" / "go").touch()
    assert run.wait(60) == 0 and log.wait(30) == 0
    assert ftkit("log", folder.name, "--lines", "1", cwd=here).stdout.count("\n") == 1


# what a script asks


def test_the_status_of_a_batch_is_an_exit_code(here):
    notebook(here / "mine.ipynb", "n: int = 0", "assert n < 3")
    assert (
        ftkit("batch", "mine.ipynb", "-g", "n", "1,2", "--name", "good-{date}", cwd=here).returncode
        == 0
    )
    assert [p.name for p in (here / "runs/batches").iterdir()] == [time.strftime("good-%Y-%m-%d")]
    assert ftkit("batch", "--status", "good-{date}", cwd=here).returncode == 0
    assert (
        ftkit(
            "batch", "mine.ipynb", "-g", "n", "2,3", "--name", "bad", "--retries", "0", cwd=here
        ).returncode
        == 1
    )
    assert ftkit("batch", "--status", "bad", cwd=here).returncode == 1
    assert (
        json.loads(ftkit("batch", "--status", "bad", "--json", cwd=here).stdout)["exit_code"] == 1
    )
    assert (
        ftkit(
            "batch",
            "mine.ipynb",
            "-g",
            "n",
            "3,1,2",
            "--name",
            "half",
            "--retries",
            "0",
            "--jobs",
            "1",
            "--stop-on-failure",
            cwd=here,
        ).returncode
        == 1
    )
    # one failed, and nobody goes on
    assert ftkit("batch", "--status", "half", cwd=here).returncode == 1
    assert ftkit("batch", "mine.ipynb", "-g", "n", "1", "--name", "{day}", cwd=here).returncode == 2
    r = ftkit("runs", "--status", "running", cwd=here)
    assert r.returncode == 0 and r.stderr.strip() == "no run is running"


def test_a_batch_that_executes_is_not_at_its_end(here):
    notebook(
        here / "mine.ipynb",
        "n: int = 0",
        "import os, time\nassert n\nwhile not os.path.exists(os.environ['FTKIT_RUNS'] + '/go'):"
        " time.sleep(0.05)",
    )
    driver = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ftkit",
            "batch",
            "mine.ipynb",
            "-g",
            "n",
            "0,1",
            "--name",
            "b",
            "--retries",
            "0",
        ],
        cwd=here,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while (
        not (list_runs(status="failed") and list_runs(status="running"))
        and time.monotonic() < until
    ):
        time.sleep(0.1)
    assert ftkit("batch", "--status", "b", cwd=here).returncode == 3
    (here / "runs" / "go").touch()
    assert driver.wait(60) == 1 and ftkit("batch", "--status", "b", cwd=here).returncode == 1


def test_a_failure_is_told_once_and_never_through_a_shell(here):
    evil = "`touch ran` $(touch ran); touch ran"
    notebook(here / "mine.ipynb", "n: int = 0", f"if n: raise KeyError({evil!r})")
    command = (
        "cat >> told.jsonl; echo >> told.jsonl; printf '%s|%s|%s|%s\\n' \"$FTKIT_RUN\""
        ' "$FTKIT_STATUS" "$FTKIT_ERROR" "$FTKIT_BATCH" >> told.txt'
    )

    def told():
        return (
            [json.loads(line) for line in (here / "told.jsonl").read_text().splitlines()]
            if (here / "told.jsonl").exists()
            else []
        )

    assert (
        ftkit("run", "mine.ipynb", "--on-failure", command, cwd=here).returncode == 0
        and told() == []
    )
    assert (
        ftkit("run", "mine.ipynb", "-p", "n", "1", "--on-failure", command, cwd=here).returncode
        == 1
    )
    assert [(t["what"], t["status"], t["cell"]) for t in told()] == [
        ("run", "failed", 3)
    ] and evil in told()[0]["error"]
    assert (
        ftkit("resume", "last", "--on-failure", command, cwd=here).returncode == 1
        and len(told()) == 2
    )
    assert (
        ftkit(
            "batch",
            "mine.ipynb",
            "-g",
            "n",
            "0,1,2",
            "--name",
            "b",
            "--on-failure",
            command,
            cwd=here,
        ).returncode
        == 1
    )
    assert (
        len(told()) == 3
        and told()[2]["what"] == "batch"
        and len(told()[2]["runs"]) == 2
        and told()[2]["batch"] == "b"
    )
    assert (
        ftkit("run", "mine.ipynb", "-p", "n", "x", "--on-failure", command, cwd=here).returncode
        == 2
        and told()[3]["status"] == "refused"
    )
    assert (here / "told.txt").read_text().splitlines()[2].endswith("|b") and not (
        here / "ran"
    ).exists()
    r = ftkit(
        "run", "mine.ipynb", "-p", "n", "1", "--on-failure", "echo no mail >&2; exit 7", cwd=here
    )
    assert (
        r.returncode == 1
        and r.stderr.count("--on-failure") == 1
        and "ended with 7: no mail" in r.stderr
    )
    # a file beside the data names no command
    (here / "settings.ini").write_text(
        "[ftkit]\non_failure = touch ran\nwebhook = http://127.0.0.1:9/\n"
    )
    ftkit("run", "mine.ipynb", "-p", "n", "1", cwd=here)
    assert not (here / "ran").exists()


# room


def test_runs_are_removed_by_age_status_batch_and_figure(here):
    notebook(here / "mine.ipynb", "n: int = 0", "{'accuracy': n / 10}", metrics=1)
    assert (
        ftkit(
            "batch", "mine.ipynb", "-g", "n", "1,2,3,4,5,6", "--name", "b", "--jobs", "2", cwd=here
        ).returncode
        == 0
    )
    waiting = create_run(
        str(notebook(here / "next.ipynb", "data: str = ''", "pass")),
        {"data": f"run:{list_runs(where={'n': 1})[0]['id']}/notebook.ipynb"},
    )

    def left():
        return sorted(r["parameters"]["n"] for r in list_runs(template="mine"))

    def rm(*options):
        return ftkit("rm", *options, cwd=here)

    assert (
        "nothing to remove" in rm("--older-than", "30d", "--yes").stderr
        and rm("--older-than", "30 months").returncode == 2
    )
    for r in list_runs():  # a month later
        record = json.loads((here / "runs" / r["id"] / "run.json").read_text())
        if r["id"] != waiting.name:
            (here / "runs" / r["id"] / "run.json").write_text(
                json.dumps(record | {"ended": record["ended"] - 31 * 86_400})
            )
    r = rm("--older-than", "30d", "--status", "completed", "--keep-best", "3", "--dry-run")
    assert (
        r.returncode == 0
        and "2 runs would be removed" in r.stderr
        and f"{waiting.name} needs it" in r.stderr
        and len(left()) == 6
    )
    # nobody to ask
    assert (
        rm("--older-than", "30d", "--status", "completed", "--keep-best", "3").returncode == 2
        and len(left()) == 6
    )
    assert (
        rm("--older-than", "30d", "--status", "completed", "--keep-best", "3", "--yes").returncode
        == 0
    )
    assert left() == [1, 4, 5, 6] and waiting.is_dir()
    assert (
        rm("--status", "running").returncode == 2
        and rm().returncode == 2
        and rm("last", "--batch", "b").returncode == 2
    )
    # one of them is needed
    assert (
        rm("--batch", "b", "--yes").returncode == 0
        and left() == [1]
        and (here / "runs/batches/b").is_dir()
    )
    assert rm(waiting.name, "--yes").returncode == 2  # it waits; stop it first
    (waiting / "run.json").write_text(json.dumps(read_run(waiting) | {"status": "stopped"}))
    assert rm(waiting.name, "--yes").returncode == 0
    assert (
        rm("--batch", "b", "--yes").returncode == 0
        and left() == []
        and not (here / "runs/batches/b").exists()
    )


# to look at


def test_the_page_of_a_batch_leads_to_its_reports(here):
    notebook(
        here / "mine.ipynb",
        "n: int = 0\nt: str = ''",
        "assert n, '<script>alert(1)</script>'\n{'accuracy': n / 10}",
        metrics=1,
    )
    assert (
        ftkit(
            "batch",
            "mine.ipynb",
            "-g",
            "n",
            "0,1,2",
            "-p",
            "t",
            "<img src=x>",
            "--name",
            "b",
            "--retries",
            "0",
            cwd=here,
        ).returncode
        == 1
    )
    page = Path(ftkit("report", "--batch", "b", cwd=here).stdout.strip())
    text = page.read_text()
    assert (
        page == here / "runs/batches/b/index.html"
        and "<script" not in text
        and "<img" not in text
        and "3 runs of mine: 2 completed, 1 failed" in text
    )
    links = [part.split("'")[0] for part in text.split("<a href='")[1:] if part.startswith("..")]
    assert len(links) == 6 and all(
        (page.parent / link.split("#")[0]).resolve().is_file() for link in links
    )
    assert "accuracy 0.2" in text and "AssertionError" not in text.split("<table>")[0]


def test_a_table_fits_the_terminal_and_ids_stay_whole(here):
    pty = pytest.importorskip("pty")
    folder = create_run(str(notebook(here / "mine.ipynb", "n: int = 0")))
    (folder / "run.json").write_text(
        json.dumps(
            json.loads((folder / "run.json").read_text())
            | {
                "status": "completed",
                "result": {"metric": "accuracy " * 9, "value": {"value": 1.0}},
            }
        )
    )
    ours, theirs = pty.openpty()
    env = os.environ | {"COLUMNS": "80", "TERM": "xterm"}
    subprocess.run(
        [sys.executable, "-m", "ftkit", "runs"],
        cwd=here,
        env=env,
        stdout=theirs,
        stderr=theirs,
        timeout=60,
    )
    lines = os.read(ours, 10_000).decode().replace("\r", "").splitlines()
    assert all(len(line) <= 80 for line in lines) and any(
        line.startswith(folder.name) and "…" in line for line in lines
    )
    assert "accuracy " * 8 in ftkit("runs", cwd=here).stdout  # in a pipe nothing is cut


def test_every_command_has_a_short_help_and_shells_complete(here):
    import typer.main

    app = importlib.import_module("ftkit.cli.main").app  # with all verbs

    commands = typer.main.get_command(app).commands
    assert (
        "-h, --help" in ftkit("-h", cwd=here).stdout or "--help, -h" in ftkit("-h", cwd=here).stdout
    )
    for name in ("run", "rm", "log", "settings"):
        assert ftkit(name, "-h", cwd=here).returncode == 0
    # all take the app's
    assert all(c.context_settings.get("help_option_names") is None for c in commands.values())
    for shell in ("bash", "zsh", "fish", "powershell"):
        assert "_FTKIT_COMPLETE" in ftkit("completion", shell, cwd=here).stdout

    def offered(line, **env):
        words = line.split(" ")
        r = subprocess.run(
            [
                sys.executable,
                "-X",
                "importtime",
                "-c",
                "import sys; sys.argv[0] = 'ftkit'; from ftkit.cli.main import main; main()",
            ],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ
            | {
                "_FTKIT_COMPLETE": "complete_bash",
                "COMP_WORDS": line,
                "COMP_CWORD": str(len(words) - 1),
            },
        )
        imported = {x.split("|")[-1].strip().split(".")[0] for x in r.stderr.splitlines()}
        assert not imported & {"torch", "numpy", "pandas", "nbformat", "papermill"}, imported
        return r.stdout.split()

    create_run(str(notebook(here / "mine.ipynb", "epochs_of_mine: int = 0\nimport os")))
    assert (
        offered("ftkit run im") == ["image"]
        and offered("ftkit run mi") == ["mine.ipynb"]
        and "epochs" in offered("ftkit run image -p ep")
    )
    assert (
        offered("ftkit run mine.ipynb -p ") == ["epochs_of_mine", "os"]
        and len(offered("ftkit show 20")) == 1
        and "--status" in offered("ftkit batch --st")
    )


# the recipes of the README, as they stand there

README = (Path(__file__).parents[1] / "README.md").read_text()
ROWS = "n\n1\n2\n3\n4\n5\n6\n"
ONE_FAILS_TWICE = '''import os, sys
tries = os.environ["FTKIT_RUNS"] + f"/tries-{n}"
open(tries, "a").write("x")
print("this is try", len(open(tries).read()), "of", n)
open("out.csv", "w").write(str(n))
assert n != 3 or len(open(tries).read()) > 2, f"try {len(open(tries).read())} fails"'''


def recipe(text, here):
    "A recipe with the folders of this test."
    return text.replace("/srv/work", str(here)).replace(
        "/srv/venv/bin/ftkit", f"{sys.executable} -m ftkit"
    )


def bare(here):
    """What cron gives a command, and, where ftkit is not installed but lies in a folder, that
    folder."""
    kept = {k: os.environ[k] for k in ("PYTHONPATH", "FTKIT_CACHE") if k in os.environ}
    return {"HOME": str(here), "LOGNAME": "me", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"} | kept


def test_the_line_for_cron_works_in_its_bare_environment(here):
    notebook(
        here / "mine.ipynb", "n: int = 0", "import os\nassert n != 2\nprint(sorted(os.environ))"
    )
    (here / "params.csv").write_text("n\n1\n2\n")
    line = next(
        line for line in README.splitlines() if line.startswith("30 2 * * * ")
    ).removeprefix("30 2 * * * ")
    assert "%" not in line  # a line break to cron
    bin = here / "bin"
    bin.mkdir()
    (bin / "mail").write_text(f'#!/bin/sh\necho "$2" > {here}/mail.txt\n')
    (bin / "mail").chmod(0o755)
    r = subprocess.run(
        ["/bin/sh", "-c", recipe(line, here)],
        env=bare(here) | {"PATH": f"{bin}:/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert r.returncode == 1 and r.stdout == r.stderr == "", r.stderr  # all of it is in nightly.log
    name = time.strftime("nightly-%Y-%m-%d")
    assert (
        f"{name}: 2 of 2 runs to do" in (here / "nightly.log").read_text()
        and (here / "mail.txt").read_text() == f"{name} failed\n"
    )


def test_the_units_for_systemd_are_valid_and_start(here):
    units = here / "units"
    units.mkdir()
    service, timer = (
        next(b for b in README.split("```ini\n")[1:] if b.startswith(start)).split("```")[0]
        for start in ("[Unit]", "[Timer]")
    )
    (units / "nightly.service").write_text(recipe(service, here))
    (units / "nightly.timer").write_text(recipe(timer, here))
    import shutil

    if shutil.which("systemd-analyze"):
        r = subprocess.run(
            [
                "systemd-analyze",
                "verify",
                str(units / "nightly.service"),
                str(units / "nightly.timer"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        ours = [line for line in r.stderr.splitlines() if "nightly" in line]
        assert not ours, ours
    notebook(here / "mine.ipynb", "n: int = 0", "pass")
    (here / "params.csv").write_text("n\n1\n")
    fields = dict(line.split("=", 1) for line in recipe(service, here).splitlines() if "=" in line)
    import shlex

    name, value = fields["Environment"].split("=", 1)
    r = subprocess.run(
        shlex.split(fields["ExecStart"]),
        env=bare(here) | {name: value},
        cwd=fields["WorkingDirectory"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert r.returncode == 0, r.stderr


def test_papermills_default_engine_can_be_ours_as_the_recipe_for_airflow_has_it(here):
    notebook(here / "mine.ipynb", "n: int = 3", "print(n)\n1 / (n - 5)", "print('never')")
    lines = [
        line
        for line in (
            next(b for b in README.split("```python\n")[1:] if "PapermillOperator(" in b)
            .split("```")[0]
            .splitlines()
        )
        if "papermill_engines" in line
    ]
    script = "\n".join(
        [
            *lines,
            "import papermill",
            (
                "papermill.execute_notebook('mine.ipynb', 'out.ipynb', parameters={'n': 5},"
                " progress_bar=False, report_mode=True, log_output=False, kernel_name=None,"
                " language=None, engine_name=None)"
            ),
        ]
    )
    r = subprocess.run(
        [sys.executable, "-c", script], cwd=here, capture_output=True, text=True, timeout=120
    )
    assert r.returncode == 1 and "ZeroDivisionError" in r.stderr
    cells = json.loads((here / "out.ipynb").read_text())["cells"]
    assert [c["metadata"]["papermill"]["status"] for c in cells if c["cell_type"] == "code"] == [
        "completed",
        "completed",
        "failed",
        "pending",
    ]


def test_runs_that_write_files_of_which_one_fails_twice(here):
    notebook(here / "mine.ipynb", "n: int = 0", ONE_FAILS_TWICE)
    (here / "t.csv").write_text(ROWS)
    r = ftkit(
        "batch",
        "mine.ipynb",
        "--table",
        "t.csv",
        "--name",
        "b",
        "--retries",
        "2",
        "--jobs",
        "2",
        cwd=here,
    )
    assert r.returncode == 0, r.stderr
    rows = {r["n"]: here / "runs" / r["run"] for r in Batch("b").results()}
    assert {n: (f / "files" / "out.csv").read_text() for n, f in rows.items()} == {
        n: str(n) for n in range(1, 7)
    }
    ends = [
        e["status"]
        for e in Batch("b").ledger.read()
        if e["what"] == "ended" and e["run"] == rows[3].name
    ]
    assert ends == ["failed", "failed", "completed"] and len(read_run(rows[3])["resumed"]) == 2
    assert (
        r.stderr.count("AssertionError")
        + r.stderr.count("try 1 fails")
        + r.stderr.count("try 2 fails")
        >= 2
        and r.stderr.count("tried again") == 2
    )
    log = (rows[3] / "log.txt").read_text()
    for word in (
        "this is try 1 of 3",
        "this is try 2 of 3",
        "this is try 3 of 3",
        "try 1 fails",
        "try 2 fails",
    ):
        assert word in log, log
