"""Runs under faults: killed, stopped, crowded, out of room; they tell the truth, and go on to the
same bits."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ftkit.core import cache_folder, read_json
from ftkit.runfolder import read_events, read_run
from ftkit.runs.launch import create_run, launch, settle
from ftkit.runs.listing import cell_statuses
from ftkit.runs.resume import resume_run

TINY = {
    "limit": 300,
    "epochs": 2,
    "head_epochs": 10,
    "size": 64,
    "precision": "float32",
    "dropout": 0.2,
    "mixup": 0.2,
    "baselines": False,
}
TEXTS = {
    "limit": 300,
    "epochs": 2,
    "head_epochs": 10,
    "max_length": 48,
    "precision": "float32",
    "dropout": 0.2,
    "backbone_dropout": 0.1,
    "augment": "strong",
    "baselines": False,
}

SPEECH = {
    "limit": 40,
    "longest": 3,
    "batch_size": 4,
    "epochs": 2,
    "head_epochs": 6,
    "precision": "float32",
    "augment": "strong",
    "baselines": False,
    "noise": "none",
}


def ftkit(*args, cwd):
    return subprocess.run(
        [sys.executable, "-m", "ftkit", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=600,
    )


def notebook(path, *sources, tags=()):
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {
                "tags": ["parameters"] if i == 0 else [tags[i]] if i < len(tags) and tags[i] else []
            },
            "source": s,
            "outputs": [],
            "execution_count": None,
        }
        for i, s in enumerate(("n: int = 1", *sources))
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
    return str(path)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def own_folders(home, tmp_path, monkeypatch):
    """Runs of the module in one folder; caches of its own, but for fetched samples and the probe,
    so that features are computed."""
    monkeypatch.setenv("FTKIT_RUNS", str(home / "runs"))
    # which way of computing is fastest is measured once a machine: two measurements may choose two
    # ways, which round differently
    shared = {part: cache_folder(part) for part in ("samples", "precision")}
    monkeypatch.setenv("FTKIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    for part, folder in shared.items():
        folder.mkdir(parents=True, exist_ok=True)
        os.symlink(folder, tmp_path / "cache" / part)


def weights(folder):
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def whole(home):
    "A run that nobody disturbed; it keeps its checkpoints."
    os.environ["FTKIT_RUNS"] = str(home / "runs")
    folder = create_run("image", TINY, threads=2, keep="all")
    assert settle(folder, launch(folder)) == 0
    return folder


def wait_for(folder, process, happens, seconds=120):
    """Until an event of which `happens` is true; the events are looked at a thousand times a
    second, as some moments are short."""
    until, offset = time.time() + seconds, 0
    while time.time() < until:
        events, offset = read_events(folder, offset)
        if any(map(happens, events)):
            return
        assert process.poll() is None, (folder / "log.txt").read_text()[-2000:]
        time.sleep(0.001)
    raise AssertionError("it never happened")


MOMENTS = {
    "features": lambda e: e["stage"] == "features",
    "head": lambda e: e["stage"] == "head" and e.get("epoch") == 4 and "train_loss" in e,
    "tune": lambda e: e["stage"] == "tune" and e.get("step", 0) >= 8,
    "evaluate": lambda e: e["stage"] == "evaluate",
    "report": lambda e: e["stage"] == "report",
}


def kill(folder, process, whom):
    "SIGKILL to the process that executes the run, to its kernel, or to both."
    kernels = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True
    ).stdout.split()
    for pid in {"driver": [process.pid], "kernel": kernels, "both": [process.pid, *kernels]}[whom]:
        os.kill(int(pid), signal.SIGKILL)


@pytest.fixture(scope="module")
def whole_text(home):
    "The same with texts."
    os.environ["FTKIT_RUNS"] = str(home / "runs")
    folder = create_run("text", TEXTS, threads=2)
    assert settle(folder, launch(folder)) == 0
    return folder


def killed_and_resumed(moment, whom, workers, template="image", values=TINY):
    "The folder of a run that was killed once and gone on with, and what it said in between."
    folder = create_run(template, values, threads=2)
    os.environ["FTKIT_WORKERS"] = str(workers)
    process = launch(folder)
    wait_for(folder, process, MOMENTS[moment])
    kill(folder, process, whom)
    code, between = settle(folder, process), read_run(folder)["status"]
    assert (code, between) == (1, "failed" if whom == "kernel" else "lost"), (code, between)
    assert settle(folder, resume_run(folder)) == 0
    assert read_run(folder)["status"] == "completed" and {
        c["status"] for c in cell_statuses(folder)
    } == {"completed"}
    del os.environ["FTKIT_WORKERS"]
    return folder


QUICK = [("tune", "both", 1)]
# no kernel is left by then
ALL = [
    (m, w, n)
    for m in MOMENTS
    for w in ("driver", "kernel", "both")
    for n in (1, 2)
    if not (m == "report" and w == "kernel")
]


@pytest.mark.parametrize(
    "moment, whom, workers",
    [pytest.param(*c, marks=[] if c in QUICK else pytest.mark.slow) for c in ALL],
)
def test_killed_and_resumed_it_comes_to_the_same_bits(moment, whom, workers, whole):
    assert weights(killed_and_resumed(moment, whom, workers)) == weights(whole)


@pytest.mark.slow  # as of pictures above, and longer
@pytest.mark.parametrize(
    "moment, whom",
    [
        ("tune", "both"),
        ("head", "both"),
        ("head", "kernel"),
        ("tune", "driver"),
        ("tune", "kernel"),
    ],
)
def test_texts_killed_and_resumed_come_to_the_same_bits(moment, whom, whole_text):
    assert weights(killed_and_resumed(moment, whom, 1, "text", TEXTS)) == weights(whole_text)


@pytest.mark.slow
@pytest.mark.parametrize("moment, whom", [("head", "both"), ("tune", "both"), ("tune", "kernel")])
def test_texts_whose_frozen_layers_are_computed_once_do_so_too(moment, whom, home):
    os.environ["FTKIT_RUNS"] = str(home / "runs")
    # what changes from epoch to epoch is computed from its words each time
    values = TEXTS | {"augment": "none"}
    folder = create_run("text", values, threads=2)
    assert settle(folder, launch(folder)) == 0
    assert weights(killed_and_resumed(moment, whom, 1, "text", values)) == weights(folder)


@pytest.fixture(scope="module")
def whole_speech(home):
    "The same with recordings, each changed anew in each epoch."
    from ftkit.samples.catalogue import SampleError, fetch_sample

    try:
        fetch_sample("prompts-en")
    except SampleError as e:
        pytest.skip(str(e))  # needs apt
    os.environ["FTKIT_RUNS"] = str(home / "runs")
    folder = create_run("speech", SPEECH, threads=2)
    assert settle(folder, launch(folder)) == 0
    return folder


@pytest.mark.slow  # as of pictures above, and longer
@pytest.mark.parametrize(
    "moment, whom",
    [
        ("tune", "both"),
        ("features", "both"),
        ("head", "both"),
        ("head", "kernel"),
        ("tune", "driver"),
        ("tune", "kernel"),
        ("evaluate", "both"),
    ],
)
def test_recordings_killed_and_resumed_come_to_the_same_bits(moment, whom, whole_speech):
    assert weights(killed_and_resumed(moment, whom, 1, "speech", SPEECH)) == weights(whole_speech)


def test_sigterm_in_mid_epoch_saves_and_can_go_on(whole, home):
    command = [sys.executable, "-m", "ftkit", "run", "image", "--threads", "2"]
    for k, v in TINY.items():
        command += ["-p", k, str(v)]
    before = set((home / "runs").iterdir())
    p = subprocess.Popen(
        command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (
        folders := [f for f in set((home / "runs").iterdir()) - before if (f / "run.json").exists()]
    ):
        assert p.poll() is None, p.stderr.read()
        time.sleep(0.1)
    wait_for(folders[0], p, MOMENTS["tune"])
    p.send_signal(signal.SIGTERM)
    out, err = p.communicate(timeout=120)
    assert p.returncode == 130 and f"ftkit resume {folders[0].name}" in out and "stopping" in err
    assert "RunStopped" in (folders[0] / "notebook.ipynb").read_text()
    r = ftkit("resume", folders[0].name, cwd=home)
    assert r.returncode == 0 and "continuing in stage tune, epoch 2" in r.stderr
    assert weights(folders[0]) == weights(whole)


def test_a_fork_without_changes_ends_with_its_parents_bits_and_verify_agrees(whole, home):
    r = ftkit("fork", whole.name, "--at", 6, "--json", cwd=home)
    fork = Path(json.loads(r.stdout)["report"]).parent
    assert weights(fork) == weights(whole) and read_run(fork)["parent"] == {
        "run": whole.name,
        "at": 6,
        "fit": 1,
    }
    assert "forked at step 6" in (fork / "report.html").read_text()
    r = ftkit("fork", whole.name, "--at", 7, cwd=home)
    assert r.returncode == 2 and "it can be forked at steps 6, 12" in r.stderr
    for change, says in (
        (("seed", 9), "changes the"),
        (("size", 32), "changes the input"),
        (("epochs", 1), "nothing is left to train"),
    ):
        # else test rows would have been trained on, or nothing would be
        r = ftkit("fork", whole.name, "--at", 6, "-p", *change, cwd=home)
        assert r.returncode == 2 and says in r.stderr, r.stderr
    compared = json.loads(
        ftkit(
            "compare", whole.name, fork.name, "--html", home / "compared.html", "--json", cwd=home
        ).stdout
    )
    assert compared["parameters"] == {} and compared["differences"][1]["value"] == 0
    r = ftkit("verify", whole.name, cwd=home)
    assert r.returncode == 0 and "all the same" in r.stdout


def planted(folder, change):
    "A copy of a run in which one thing was changed afterwards."
    new = folder.with_name(folder.name + "-" + change)
    shutil.copytree(folder, new, symlinks=True)
    record, weights = read_json(new / "run.json"), new / "model" / "model.safetensors"
    facts = [e for e in map(json.loads, (new / "events.jsonl").read_text().splitlines())]
    in_record = {
        "code": ("code", "ftkit", "0.0.9 0000000000000000"),
        "versions": ("code", "torch", "2.14.0"),
        "threads": ("options", "threads", 1),
        "parameters": ("parameters", "dropout", 0.3),
        "seed": ("parameters", "seed", 1),
    }
    if change in in_record:
        part, name, value = in_record[change]
        record[part][name] = value
    elif change in ("data", "labels", "split"):
        read = [v for e in facts for name, v in e.items() if name.startswith("read ")]
        for value in read:
            if change in value:
                value[change] = "0" * 16
    elif change == "metrics":
        figures = (new / "metrics.json").read_text()
        (new / "metrics.json").write_text(figures.replace('"value": 0.', '"value": 0.9', 1))
    elif change == "weights":
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
    (new / "run.json").write_text(json.dumps(record))
    (new / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in facts))
    return new


CHANGES = [
    "parameters",
    "seed",
    "code",
    "versions",
    "threads",
    "data",
    "labels",
    "split",
    "weights",
    "metrics",
]


@pytest.mark.parametrize(
    "change",
    [pytest.param(c, marks=[] if c in ("weights",) else pytest.mark.slow) for c in CHANGES],
)
def test_verify_names_what_was_changed(change, whole, home):
    changed = planted(whole, change)
    try:
        r = ftkit("verify", changed.name, "--trust", "--json", cwd=home)
        assert r.returncode == 1 and json.loads(r.stdout)["first"] == change, r.stderr[-2000:]
    finally:
        shutil.rmtree(changed)


ENDS = {  # what a cell does: exit code, status, name of the error
    "raises": ("1 / 0", 1, "failed", "ZeroDivisionError"),
    "SystemExit": ("raise SystemExit(0)", 1, "failed", "SystemExit"),
    "takes too long and ignores interrupts": (
        "import time\nwhile True:\n    try: time.sleep(9)\n    except KeyboardInterrupt: pass",
        1,
        "failed",
        "TimeLimit",
    ),
    "os._exit": ("import os; os._exit(0)", 1, "failed", "DeadKernelError"),
    "SIGKILL": (
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        1,
        "failed",
        "DeadKernelError",
    ),
}


@pytest.mark.parametrize("how", ENDS)
def test_cells_and_runs_tell_the_truth(how, tmp_path):
    source, code, status, name = ENDS[how]
    folder = create_run(
        notebook(tmp_path / "bad.ipynb", "'before'", source, "'never'"),
        timeout=3 if "long" in how else None,
    )
    assert settle(folder, launch(folder)) == code
    run = read_run(folder)
    assert (run["status"], run["error"]["name"]) == (status, name)
    assert [c["status"] for c in cell_statuses(folder)] == [
        "completed",
        "completed",
        "completed",
        "failed",
        "pending",
    ]
    # it opens with a link to the cell
    assert "papermill-error-cell" in (folder / "notebook.ipynb").read_text()


def test_a_kernel_that_never_starts(tmp_path, monkeypatch):
    spec = tmp_path / "kernels" / "broken"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps(
            {
                "argv": [sys.executable, "-c", "raise SystemExit(5)"],
                "display_name": "broken",
                "language": "python",
            }
        )
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    folder = create_run(notebook(tmp_path / "good.ipynb", "'a'"), kernel="broken")
    assert settle(folder, launch(folder)) == 1
    assert (
        read_run(folder)["status"] == "failed"
        and "Kernel died" in read_run(folder)["error"]["message"]
    )
    assert {c["status"] for c in cell_statuses(folder)} == {"pending"}
    r = ftkit("run", tmp_path / "good.ipynb", "--kernel", "julia-1.11", cwd=tmp_path)
    assert (
        r.returncode == 2 and "'julia-1.11' is not installed; there are broken, python3" in r.stderr
    )


def test_eight_runs_at_once_are_not_mixed_and_leave_nothing_behind(tmp_path, monkeypatch):
    temp = Path("/tmp") if Path("/tmp").is_dir() else tmp_path
    temp = Path(
        subprocess.run(
            ["mktemp", "-d", "-p", str(temp)], capture_output=True, text=True
        ).stdout.strip()
    )
    monkeypatch.setenv("TMPDIR", str(temp))
    path = notebook(
        tmp_path / "many.ipynb",
        "import os, time; time.sleep(1); mine = os.environ['FTKIT_RUN_DIR']; open(f'{mine}/said',"
        " 'w').write(str(n))",
        "{'n': n}",
        tags=(None, None, "metrics"),
    )
    started = [
        (n, folder, launch(folder)) for n in range(8) for folder in [create_run(path, {"n": n})]
    ]
    for n, folder, process in started:
        assert settle(folder, process) == 0
        assert (folder / "said").read_text() == str(n) and read_json(folder / "metrics.json") == {
            "n": n
        }
        assert sorted(p.name for p in folder.iterdir() if p.name.startswith(".")) == [".lock"]
    assert list(temp.iterdir()) == []
    shutil.rmtree(temp)
    assert not list(Path.cwd().glob("kernel-ipc*"))


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
def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path, monkeypatch, whole):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=70m", "none", str(small)], check=True)
    try:
        monkeypatch.setenv("FTKIT_RUNS", str(small / "runs"))
        folder = create_run("image", TINY, threads=2)
        assert settle(folder, launch(folder)) == 1
        run = read_run(folder)
        assert (
            run["status"] == "failed"
            and "the disk is full" in run["error"]["message"]
            and f"ftkit resume {folder.name}" in run["error"]["message"]
        )
        assert [c["status"] for c in cell_statuses(folder)].count("failed") == 1
        assert not list(folder.rglob("*.part"))
        subprocess.run(["mount", "-o", "remount,size=400m", str(small)], check=True)
        assert settle(folder, resume_run(folder)) == 0
        assert weights(folder) == weights(whole)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_broken_files(whole, home):
    copy = whole.with_name(whole.name + "-broken")
    shutil.copytree(whole, copy)
    (copy / "run.json").write_bytes((copy / "run.json").read_bytes()[:200])
    with open(copy / "events.jsonl", "ab") as f:
        f.write(b'{"time": 1, "sta')
    shown = ftkit("show", copy.name, cwd=home)
    assert (
        shown.returncode == 0
        and "lost" in shown.stdout
        and "cannot be read" in shown.stderr
        and "ftkit resume" in shown.stdout
    )
    (copy / "notebook.ipynb").write_bytes(b'{"cells": [')
    (copy / "metrics.json").write_bytes(b"")
    assert (
        ftkit("show", copy.name, cwd=home).returncode == 0
        and ftkit("report", copy.name, cwd=home).returncode == 0
    )
    newest = sorted(copy.glob("checkpoints/*/1-tune-*/state.safetensors"))[-1]
    os.truncate(newest, 1000)
    r = ftkit("resume", copy.name, "--trust", cwd=home)
    assert r.returncode == 0 and "cannot be read" in r.stderr, r.stderr
    assert weights(copy) == weights(whole)
    (copy / "input.ipynb").unlink()
    record = read_json(copy / "run.json")
    (copy / "run.json").write_text(json.dumps(record | {"status": "stopped"}))
    r = ftkit("resume", copy.name, "--trust", cwd=home)
    assert r.returncode == 2 and "is gone" in r.stderr
    shutil.rmtree(copy)


def test_resume_refuses_changed_data_and_goes_on_when_forced(tmp_path, home):
    from PIL import Image

    from ftkit import Data

    digits = Data.image("sample:digits", limit=60)
    for i, (picture, label) in enumerate(zip(digits.items, digits.labels)):
        (tmp_path / "pictures" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "pictures" / str(label) / f"{i:03}.png")
    folder = create_run(
        "image",
        {
            "data": str(tmp_path / "pictures"),
            "epochs": 1,
            "head_epochs": 5,
            "size": 32,
            "baselines": False,
        },
    )
    process = launch(folder)
    wait_for(folder, process, lambda e: e["stage"] == "head")
    kill(folder, process, "both")
    settle(folder, process)
    shutil.copy(
        tmp_path / "pictures" / "1" / os.listdir(tmp_path / "pictures" / "1")[0],
        tmp_path / "pictures" / "7" / "other.png",
    )
    r = ftkit("resume", folder.name, cwd=home)
    assert (
        r.returncode == 2 and "changed since this run began" in r.stderr and "--force" in r.stderr
    )
    r = ftkit("resume", folder.name, "--force", cwd=home)
    assert r.returncode == 0, r.stderr


def test_stop_rm_and_runs(tmp_path, home):
    folder = create_run(notebook(tmp_path / "slow.ipynb", "import time; time.sleep(100)"))
    process = launch(folder)
    wait_for(folder, process, lambda e: e["stage"] == "cell" and e["step"] == 3)
    r = ftkit("rm", folder.name, "--yes", cwd=home)
    assert r.returncode == 2 and "stop it first" in r.stderr
    r = ftkit("stop", folder.name, cwd=home)
    assert r.returncode == 0 and "stopped" in r.stdout and process.wait() == 130
    rows = json.loads(ftkit("runs", "--status", "stopped", "-w", "n", 1, "--json", cwd=home).stdout)
    assert folder.name in [row["id"] for row in rows]
    assert ftkit("rm", folder.name, cwd=home).returncode == 2  # nobody to ask
    assert ftkit("rm", folder.name, "--yes", cwd=home).returncode == 0 and not folder.exists()


def test_a_run_that_is_removed_while_it_runs_ends(tmp_path):
    folder = create_run(notebook(tmp_path / "slow.ipynb", "import time; time.sleep(100)"))
    process = launch(folder)
    wait_for(folder, process, lambda e: e["stage"] == "cell" and e["step"] == 3)
    shutil.rmtree(folder)
    assert process.wait(30) == 1


def test_of_two_that_resume_one_run_one_does(tmp_path, home):
    folder = create_run(notebook(tmp_path / "short.ipynb", "import time; time.sleep(5)"))
    (folder / "run.json").write_text(
        json.dumps(read_json(folder / "run.json") | {"status": "stopped"})
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "ftkit", "resume", folder.name],
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [p.communicate(timeout=60) for p in both]
    assert sorted(p.returncode for p in both) == [0, 2], said
    assert read_run(folder)["status"] == "completed" and len(read_run(folder)["resumed"]) == 1


def test_what_is_no_run_is_not_listed(home, whole):
    (home / "runs" / "zz").mkdir()
    (home / "runs" / "zz" / "run.json").write_text("{")
    assert "zz" not in [r["id"] for r in json.loads(ftkit("runs", "--json", cwd=home).stdout)]
    r = ftkit("rm", "zz", "--yes", cwd=home)
    assert r.returncode == 2 and (home / "runs" / "zz").exists()
    r = ftkit("compare", whole.name, whole.name, cwd=home)
    assert r.returncode == 2 and "at least two" in r.stderr
    r = ftkit("compare", whole.name, "last", "--html", home, cwd=home)
    assert r.returncode == 2 and "Traceback" not in r.stderr


def test_keep_report_keeps_no_model(home):
    r = ftkit(
        "run",
        "image",
        "-p",
        "limit",
        100,
        "-p",
        "freeze",
        "backbone",
        "-p",
        "size",
        32,
        "-p",
        "baselines",
        "false",
        "--keep",
        "report",
        "--json",
        cwd=home,
    )
    folder = Path(json.loads(r.stdout)["report"]).parent
    assert (
        not (folder / "model").exists()
        and not (folder / "checkpoints").exists()
        and (folder / "report.html").exists()
    )
    shutil.rmtree(folder)


@pytest.mark.parametrize("thread", [False, True])
def test_a_kernel_that_ends_at_once_loses_nothing(thread, tmp_path):
    left = (
        f"import atexit, threading, time  # with ftkit\nleft = open({str(tmp_path / 'left.txt')!r},"
        " 'w'); _ = left.write('open')\n_ = atexit.register(lambda:"
        f" open({str(tmp_path / 'exit.txt')!r}, 'w').write('exit'))"
    )
    waits = (
        f"def late():\n    time.sleep(1.5)\n    open({str(tmp_path / 'late.txt')!r},"
        " 'w').write('late')\nthreading.Thread(target=late).start()"
        if thread
        else "1"
    )
    folder = create_run(notebook(tmp_path / "a.ipynb", left, waits))
    assert settle(folder, launch(folder)) == 0
    said = [
        (tmp_path / f"{name}.txt").read_text() for name in ("left", "exit", "late")[: 2 + thread]
    ]
    assert said == ["open", "exit", "late"][: 2 + thread]
