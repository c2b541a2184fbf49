"""Notebooks that work while nobody looks: folders of their own, changed code, logs, removal, cron, and what is said when something failed."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ftkit.batch import Batch, plan_batch
from ftkit.run import create_run, list_runs, read_run, run_files


def ftkit(*args, cwd, **env):
    return subprocess.run([sys.executable, "-m", "ftkit", *map(str, args)], capture_output=True, text=True, cwd=cwd, env=os.environ | env, timeout=180)


def notebook(path, *sources, metrics=None):
    def cell(i, source): return {"cell_type": "code", "id": f"c{i}", "metadata": {"tags": ["parameters"] if i == 0 else ["metrics"] if i == metrics else []}, "source": source, "outputs": [], "execution_count": None}
    path.write_text(json.dumps({"cells": [cell(*c) for c in enumerate(sources)], "metadata": {"kernelspec": {"name": "python3", "display_name": "p", "language": "python"}}, "nbformat": 4, "nbformat_minor": 5}))
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

WRITES = "open('out.csv', 'w').write(str(n)); open('metrics.json', 'w').write('{}'); import os; os.makedirs('model', exist_ok=True)"


def test_a_batch_leaves_a_file_for_each_run(here):
    notebook(here / "mine.ipynb", "n: int = 0", WRITES)
    r = ftkit("batch", "mine.ipynb", "-g", "n", "1,2,3,4", "--name", "b", "--jobs", "2", cwd=here)
    assert r.returncode == 0 and "a folder of its own" in r.stderr.splitlines()[0], r.stderr
    assert {(Path("runs") / row["run"] / "files" / "out.csv").read_text() for row in Batch("b").results()} == {"1", "2", "3", "4"}
    assert not (here / "out.csv").exists()
    shown = ftkit("show", "last", cwd=here).stdout
    assert "file      files/out.csv  1 bytes" in shown and "files/metrics.json" in shown
    assert {f["name"] for f in json.loads(ftkit("show", "last", "--json", cwd=here).stdout)["files"]} == {"files/metrics.json", "files/out.csv"}
    runs = [row["run"] for row in Batch("b").results()]
    table = ftkit("compare", *runs[:2], cwd=here).stdout
    assert "differs, 1 bytes" in next(line for line in table.splitlines() if line.startswith("files/out.csv"))
    assert "the same" in next(line for line in table.splitlines() if line.startswith("files/metrics.json"))


def test_a_run_works_where_it_is_told_and_finds_its_inputs(here):
    (here / "nb").mkdir()
    (here / "in.txt").write_text("caller")
    (here / "label").mkdir()
    notebook(here / "nb" / "mine.ipynb", "data: str = 'in.txt'\nkind: str = 'label'\nmore: list = ['in.txt', 'label']", "import os\nprint(os.getcwd(), open(data).read(), kind, [os.path.basename(m) for m in more], sep='|')")
    def ran(*options):
        made = done(ftkit("run", "nb/mine.ipynb", "--json", *options, cwd=here))
        assert made["parameters"] == {"data": "in.txt", "kind": "label", "more": ["in.txt", "label"]}
        return "".join(json.loads(Path(made["notebook"]).read_text())["cells"][-1]["outputs"][0]["text"]).strip(), Path(made["notebook"]).parent
    said, folder = ran()
    assert said == f"{here}|caller|label|['in.txt', 'label']"
    said, folder = ran("--cwd", "run")
    assert said == f"{folder}/files|caller|label|['in.txt', 'label']"
    assert ran("--cwd", "notebook")[0].startswith(f"{here}/nb|caller|label|")
    assert ran("--cwd", here / "label")[0].startswith(f"{here}/label|caller|label|")
    refused = ftkit("run", "nb/mine.ipynb", "--cwd", "nowhere", cwd=here)
    assert refused.returncode == 2 and "allowed are run, notebook, or the path of a folder" in refused.stderr
    assert ftkit("verify", folder.name, cwd=here).returncode == 0  # in the same kind of folder, with the same values


def test_resume_goes_on_in_the_same_folder(here):
    notebook(here / "mine.ipynb", "n: int = 0", "import os\nprint(os.listdir('.'))\nfirst = not os.path.exists('seen')\nopen('seen', 'a').close()\nassert not first")
    assert ftkit("run", "mine.ipynb", "--cwd", "run", cwd=here).returncode == 1
    done(ftkit("resume", "last", "--json", cwd=here))


def test_a_file_that_is_elsewhere_is_told_with_what_to_type(here):
    (here / "nb").mkdir()
    (here / "nb" / "table.csv").write_text("x")
    (here / "other.csv").write_text("x")
    notebook(here / "nb" / "mine.ipynb", "n: int = 0\nname: str = 'table.csv'", "open(name[:])", )
    r = ftkit("run", "nb/mine.ipynb", cwd=here)
    assert r.returncode == 1 and "table.csv is in the notebook's folder: --cwd notebook" in r.stderr
    assert ftkit("run", "nb/mine.ipynb", "--cwd", "notebook", cwd=here).returncode == 0
    notebook(here / "nb" / "fixed.ipynb", "n: int = 0", "open('other.csv')")
    r = ftkit("batch", "nb/fixed.ipynb", "-g", "n", "1", "--name", "b", "--retries", "0", cwd=here)
    assert r.returncode == 1 and "--cwd . lets the notebook work there" in r.stderr
    r = ftkit("batch", "nb/fixed.ipynb", "-g", "n", "1", "--name", "b", "--cwd", ".", "--only-failed", cwd=here)
    assert r.returncode == 0, r.stderr


def test_settings_beside_the_command_hold_in_every_folder(here):
    (here / "settings.ini").write_text("[ftkit]\nworkers = 3\n")
    notebook(here / "mine.ipynb", "n: int = 0", "from ftkit.core import settings\nprint(settings()['workers'].value)")
    made = done(ftkit("run", "mine.ipynb", "--json", "--cwd", "run", cwd=here, FTKIT_RUNS=str(here / "elsewhere")))
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

COUNTS = "import os\nopen(os.path.join(os.environ['FTKIT_RUNS'], '..', 'executed.txt'), 'a').write(f'{n}:%s ')\nassert n < %d\n{'score': n + %d}"


def executed(here): return sorted((here / "executed.txt").read_text().split())


def test_new_code_runs_what_is_not_done_and_both_are_kept(here):
    batch = ("batch", "mine.ipynb", "-g", "n", "1,2,3", "--name", "b", "--jobs", "2", "--retries", "0")
    notebook(here / "mine.ipynb", "n: int = 0", COUNTS % ("a", 3, 0), metrics=1)
    assert ftkit(*batch, cwd=here).returncode == 1  # 3 fails
    notebook(here / "mine.ipynb", "n: int = 0\nmore: int = 7", COUNTS % ("b", 9, 100), metrics=1)
    r = ftkit(*batch, cwd=here)
    assert r.returncode == 2 and "--continue-with-new-code" in r.stderr
    r = ftkit(*batch, "--continue-with-new-code", cwd=here)
    assert r.returncode == 0, r.stderr
    assert executed(here) == ["1:a", "2:a", "3:a", "3:b"]
    rows = {r["number"]: r for r in Batch("b").results()}
    assert {k: (r["score"], r["code"], r["status"]) for k, r in rows.items()} == {1: (1, 1, "completed"), 2: (2, 1, "completed"), 3: (103, 2, "completed")}
    info = json.loads((here / "runs/batches/b/batch.json").read_text())
    assert len({c["notebook"] for c in info["codes"]}) == 2 and all((here / "runs/batches/b" / c["file"]).is_file() and c["since"] for c in info["codes"])
    lines = Batch("b").ledger.read()
    assert [e["number"] for e in lines if e["what"] == "code"] == [2] and {e["run"]: e["code"] for e in lines if e["what"] == "made"}[rows[3]["run"]] == 2
    assert "code" in ftkit("compare", "--batch", "b", cwd=here).stdout.splitlines()[0].split()
    for again in (batch, (*batch, "--continue-with-new-code")):  # nothing is left, with the option or without
        assert ftkit(*again, cwd=here).returncode == 0 and len(executed(here)) == 4
    more = ftkit("batch", "mine.ipynb", "-g", "n", "1,2,3,4", "--name", "b", cwd=here)
    assert more.returncode == 0 and executed(here) == ["1:a", "2:a", "3:a", "3:b", "4:b"]


def test_new_code_waits_for_what_still_executes_with_the_old(here):
    notebook(here / "mine.ipynb", "n: int = 0", "import os, time\nwhile not os.path.exists(os.environ['FTKIT_RUNS'] + '/go'): time.sleep(0.05)")
    driver = subprocess.Popen([sys.executable, "-m", "ftkit", "batch", "mine.ipynb", "-g", "n", "1", "--name", "b"], cwd=here, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not list_runs(status="running") and time.monotonic() < until: time.sleep(0.1)
        notebook(here / "mine.ipynb", "n: int = 0", "pass")
        r = ftkit("batch", "mine.ipynb", "-g", "n", "1", "--name", "b", "--continue-with-new-code", cwd=here)
        assert r.returncode == 2 and "is worked on by process" in r.stderr
        (here / "runs" / "go").touch()
        assert driver.wait(60) == 0
    finally: driver.kill()


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
    theirs = create_run(str(notebook(here / "theirs.ipynb", "n: int = 2", ran)), {"n": 2}, record={"batch": "b", "key": row.key})
    record = json.loads((theirs / "run.json").read_text())
    (theirs / "run.json").write_text(json.dumps(record | {"status": "failed", "process": {}, "template": record["template"]}))
    (folder / "claims" / f"{row.key}.0001").write_text(json.dumps({"key": row.key, "number": 1, "by": "x", "process": {}, "run": theirs.name, "made": 0}))
    r = ftkit("batch", "mine.ipynb", "-g", "n", "2", "--name", "b", cwd=here)
    assert r.returncode == 0, r.stderr
    assert not (here / "planted").exists() and read_run(theirs)["status"] == "failed"
    assert next(r for r in Batch("b").results() if r["number"] == 2)["run"] != theirs.name
