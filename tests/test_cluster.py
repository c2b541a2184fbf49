"""A batch on a Dask cluster of two workers in processes of their own, reached by address: the same
table, whoever is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from test_batch import (
    COUNTED,
    WAVE,
    finish,
    ftkit,
    go,
    ledger,
    machine,
    notebook,
    said,
    start,
    statuses,
    until,
)

from ftkit.runfolder import read_run
from ftkit.runs.listing import run_folders

pytest.importorskip("distributed", reason="the extra cluster is not installed")
pytestmark = pytest.mark.usefixtures("own_folders")
DASK = [sys.executable, "-m", "dask"]


@pytest.fixture
def cluster(tmp_path):
    "Address of a scheduler, its two workers, how to start another, and the scheduler."
    told, started = tmp_path / "scheduler.json", []

    def begin(*args, env=None):
        started.append(
            subprocess.Popen(
                [*DASK, *args, "--no-dashboard"],
                cwd=tmp_path,
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return started[-1]

    begin("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(told))
    address = json.loads(until(lambda: told.exists() and told.read_text(), started[0]))["address"]

    def worker(*more, env=None):
        return begin(
            "worker",
            address,
            "--host",
            "127.0.0.1",
            "--nthreads",
            "1",
            "--no-nanny",
            "--local-directory",
            str(tmp_path / "dask"),
            *more,
            env=env,
        )

    workers = [worker(), worker()]
    from distributed import Client

    with Client(address, set_as_default=False) as c:
        c.wait_for_workers(2, timeout=60)
    yield address, workers, worker, started[0]
    for p in started:
        p.kill()  # also those that a test suspended
    for p in started:
        p.wait(timeout=20)


def by_n():
    return {r["parameters"]["n"]: r for r in map(read_run, run_folders())}


@pytest.fixture
def counted(tmp_path):
    """Starts drivers on six runs, of which those from the third on wait for `go`; whatever a test
    leaves is ended."""
    drivers = []

    def begin(
        address, *more, patience=60
    ):  # seconds without a worker; starting one takes a few where the machine is busy
        code = (
            "import sys; from ftkit.batch.places import DaskCluster; DaskCluster.patience ="
            f" {patience}; from ftkit.cli.main import main; sys.exit(main())"
        )
        drivers.append(
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    code,
                    "batch",
                    *map(str, (*begin.args, "--cluster", address, *more)),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        )
        return drivers[-1]

    begin.args = (
        notebook(tmp_path / "c.ipynb", *COUNTED),
        "-g",
        "n",
        "1,2,3,4,5,6",
        "-p",
        "hold",
        3,
        "--name",
        "c",
    )
    yield begin
    go()
    for d in drivers:
        d.kill()
        d.wait(timeout=20)


def results(name):
    return {
        json.dumps([r["rate"], r["depth"]]): {
            k: v for k, v in r.items() if k not in ("seconds", "run")
        }
        for r in json.loads(ftkit("compare", "--batch", name, "--json").stdout)
    }


@pytest.mark.parametrize(
    "rates", ["0.1,0.3", pytest.param("0.1,0.2,0.3,0.4,0.5,0.6", marks=pytest.mark.slow)]
)
def test_a_cluster_gives_the_table_that_this_machine_gives(rates, cluster, tmp_path):
    wave = notebook(tmp_path / "wave.ipynb", *WAVE)
    grid = ("-g", "rate", rates, "-g", "depth", "1,3", "--threads", 1, "--retries", 0)
    n = rates.count(",") + 1
    here = ftkit("batch", wave, *grid, "--name", "here", "--jobs", 2)
    there = ftkit("batch", wave, *grid, "--name", "there", "--cluster", cluster[0])
    # depth 3 divides by zero
    assert (here.returncode, there.returncode) == (1, 1), (here.stderr, there.stderr)
    assert "2 at a time, 1 thread each, on 2 workers" in there.stderr
    found = results("there")
    assert (
        len(found) == 2 * n
        and Counter(r["status"] for r in found.values()) == {"completed": n, "failed": n}
        and found == results("here")
    )
    assert {read_run(f)["options"]["threads"] for f in run_folders()} == {1}


def test_workers_are_killed_in_the_middle(cluster, counted):
    """The first one's run outlives it and is waited for; the second one's is killed too, and goes
    on elsewhere."""
    address, workers, worker, _ = cluster
    driver = counted(address)
    until(lambda: {"3", "4"} <= set(said()), driver)
    of = by_n()
    parent = {
        n: int(
            Path(f"/proc/{of[n]['process']['pid']}/stat").read_text().rpartition(")")[2].split()[1]
        )
        for n in (3, 4)
    }
    first, second = ({w.pid: w for w in workers}[parent[n]] for n in (3, 4))
    first.kill()
    second.kill()
    os.kill(of[4]["process"]["pid"], signal.SIGKILL)
    worker()
    # its turn comes again after the fifth
    until(lambda: "lost" in [e["status"] for e in ledger("ended")], driver)
    go()
    finish(driver)
    assert Counter(said()) == Counter({"1": 1, "2": 1, "3": 1, "4": 2, "5": 1, "6": 1})
    assert statuses() == {"completed": 6}


@pytest.mark.slow  # test_batch has the same of two drivers
def test_workers_whose_clocks_differ(cluster, counted, tmp_path):
    "An hour fast and an hour slow, on machines of other names than the driver's."
    address, workers, worker, _ = cluster
    for w in workers:
        w.kill()
    for name, hours in (("east", 1), ("west", -1)):
        worker(env=machine(tmp_path, name, hours))
    from distributed import Client

    with Client(address, set_as_default=False) as c:
        until(
            lambda: (
                len(c.scheduler_info(n_workers=-1)["workers"]) == 2
                and c.run(lambda: __import__("socket").gethostname())
            )
        )
    driver = counted(address)
    until(lambda: {"3", "4"} <= set(said()), driver)
    time.sleep(15)  # longer than a run may be silent before its driver wonders
    assert statuses()["running"] == 2
    go()
    finish(driver)
    assert (
        Counter(said()) == Counter("123456")
        and statuses() == {"completed": 6}
        and {r["process"]["host"] for r in by_n().values()} == {"east", "west"}
    )
    assert not [e for e in ledger("ended") if e["status"] != "completed"]


@pytest.mark.slow
def test_the_driver_is_killed_and_another_one_comes(cluster, counted):
    first = counted(cluster[0])
    until(lambda: {"3", "4"} <= set(said()), first)
    first.kill()
    second = counted(cluster[0])
    until(lambda: len(ledger("adopted")) == 2, second)
    go()
    finish(second)
    assert Counter(said()) == Counter("123456") and statuses() == {"completed": 6}


@pytest.mark.slow
@pytest.mark.parametrize("what", ["scheduler killed", "scheduler suspended", "workers killed"])
def test_the_cluster_goes(what, cluster, counted):
    """What executes is waited for, what waits is taken back, and the command ends; elsewhere it
    goes on."""
    address, workers, _, scheduler = cluster
    driver = counted(address, "--jobs", 3, patience=2)
    # the fifth waits for a worker
    until(lambda: len(said()) == 4 and len(run_folders()) == 5, driver)
    for p in workers if what == "workers killed" else [scheduler]:
        p.send_signal(signal.SIGSTOP if "suspended" in what else signal.SIGKILL)
    # DaskCluster.patience is 300, where Dask's client does not give up before
    until(lambda: statuses() == {"completed": 2, "running": 2, "stopped": 1}, driver, seconds=400)
    go()
    out, err = finish(driver, 1)
    assert (
        "has 0 workers" if what == "workers killed" else "is gone or does not answer"
    ) in err and "4 of 6 runs are completed, 2 are left; continue with the same command" in err, err
    finish(start(*counted.args, "--jobs", 2))
    assert Counter(said()) == Counter("123456") and statuses() == {"completed": 6}


def test_stopped_on_a_cluster_it_goes_on(cluster, counted):
    driver = counted(cluster[0], "--jobs", 3)
    until(lambda: len(said()) == 4 and len(run_folders()) == 5, driver)
    driver.send_signal(signal.SIGINT)
    out, err = finish(driver, 130)
    assert (
        statuses() == {"completed": 2, "stopped": 3}
        and "2 of 6 runs are completed, 4 are left" in err
    ), err
    go()
    finish(counted(cluster[0]))
    assert len(said()) == 8 and set(said()) == set("123456") and statuses() == {"completed": 6}


def test_addresses_and_resources_that_are_not_there(cluster, tmp_path):
    wave = notebook(tmp_path / "wave.ipynb", *WAVE)
    for args, told in (
        (("--cluster", "tcp://127.0.0.1:9"), "no Dask scheduler answers at 'tcp://127.0.0.1:9'"),
        (("--cluster", cluster[0], "--resources", "GPU=1"), "none with {'GPU': 1.0}"),
        (("--resources", "GPU=1"), "there is no cluster"),
        (("--resources", "GPU"), "write them like GPU=1"),
    ):
        done = ftkit("batch", wave, "-g", "rate", "0.1", *args)
        assert done.returncode == 2 and told in done.stderr, done.stderr
    assert not run_folders()
