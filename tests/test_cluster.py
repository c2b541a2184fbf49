"""A batch on a Dask cluster of two workers in processes of their own, reached by address: the same table, also when a worker is killed."""
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from test_batch import COUNTED, WAVE, ftkit, go, notebook, own_folders, said, start, until  # noqa: F401 own_folders is a fixture

from ftkit.core import read_json
from ftkit.run import run_folders
from ftkit.runfolder import read_run

pytest.importorskip("distributed", reason="the extra cluster is not installed")
DASK = [sys.executable, "-m", "dask"]


@pytest.fixture
def cluster(tmp_path):
    "Address of a scheduler, its two workers, and how to start another."
    told, started = tmp_path / "scheduler.json", []
    def begin(*args): started.append(subprocess.Popen([*DASK, *args, "--no-dashboard"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)); return started[-1]
    begin("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(told))
    address = json.loads(until(lambda: told.exists() and told.read_text(), started[0]))["address"]
    def worker(*more): return begin("worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path / "dask"), *more)
    workers = [worker(), worker()]
    from distributed import Client
    with Client(address, set_as_default=False) as c: c.wait_for_workers(2, timeout=60)
    yield address, workers, worker
    for p in started:
        if p.poll() is None: p.terminate()
        p.wait()


def results(name): return {json.dumps([r["rate"], r["depth"]]): {k: v for k, v in r.items() if k not in ("seconds", "run")} for r in json.loads(ftkit("compare", "--batch", name, "--json").stdout)["rows"]}


def test_a_cluster_gives_the_table_that_this_machine_gives(cluster, tmp_path):
    wave, grid = notebook(tmp_path / "wave.ipynb", *WAVE), ("-g", "rate", "0.1,0.2,0.3,0.4", "-g", "depth", "1,2,3", "--threads", 1, "--retries", 0)
    here, there = ftkit("batch", wave, *grid, "--name", "here", "--jobs", 2), ftkit("batch", wave, *grid, "--name", "there", "--cluster", cluster[0])
    assert (here.returncode, there.returncode) == (1, 1), (here.stderr, there.stderr)  # depth 3 divides by zero
    assert "2 at a time, 1 thread each, on 2 workers" in there.stderr
    found = results("there")
    assert len(found) == 12 and Counter(r["status"] for r in found.values()) == {"completed": 8, "failed": 4} and found == results("here")
    assert {read_run(f)["options"]["threads"] for f in run_folders()} == {1}


def test_a_worker_is_killed_in_the_middle(cluster, tmp_path):
    "Its run outlives it and is waited for by the other one; another run is killed with its worker, and goes on."
    address, workers, worker = cluster
    driver = start(notebook(tmp_path / "c.ipynb", *COUNTED), "-g", "n", "1,2,3,4,5,6", "-p", "hold", 3, "--cluster", address, "--name", "c")
    until(lambda: {"3", "4"} <= set(said()), driver)
    of = {read_run(f)["parameters"]["n"]: read_run(f) for f in run_folders()}
    parent = {n: int(Path(f"/proc/{of[n]['process']['pid']}/stat").read_text().rpartition(")")[2].split()[1]) for n in (3, 4)}
    first, second = ({w.pid: w for w in workers}[parent[n]] for n in (3, 4))
    first.kill()
    new = worker()
    time.sleep(2)
    os.kill(of[4]["process"]["pid"], signal.SIGKILL)
    second.kill()
    until(lambda: said().count("4") == 2, driver)
    assert new.poll() is None
    go()
    out, err = driver.communicate(timeout=120)
    assert driver.returncode == 0, err
    assert Counter(said()) == Counter({"1": 1, "2": 1, "3": 1, "4": 2, "5": 1, "6": 1})
    assert {read_json(f / "run.json")["status"] for f in run_folders()} == {"completed"} and len(run_folders()) == 6


def test_addresses_and_resources_that_are_not_there(cluster, tmp_path):
    wave = notebook(tmp_path / "wave.ipynb", *WAVE)
    for args, told in ((("--cluster", "tcp://127.0.0.1:9"), "no Dask scheduler answers at 'tcp://127.0.0.1:9'"), (("--cluster", cluster[0], "--resources", "GPU=1"), "none with {'GPU': 1.0}"), (("--resources", "GPU=1"), "there is no cluster"), (("--resources", "GPU"), "write them like GPU=1")):
        done = ftkit("batch", wave, "-g", "rate", "0.1", *args)
        assert done.returncode == 2 and told in done.stderr, done.stderr
    assert not run_folders()
