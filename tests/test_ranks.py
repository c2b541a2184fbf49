"""One run that several processes train: the figures are those of one process, and a rank that dies
is named and costs nothing."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file
from test_batch import until

from ftkit.core import cache_folder
from ftkit.runfolder import noted, read_events, read_run
from ftkit.runs.compare import verify_run
from ftkit.runs.launch import figures
from ftkit.runs.listing import list_runs, run_folders

PARAMETERS = (
    "dropout: float = 0.0  # of the head [0..1)\nbatch: int = 16  # rows a step [1..]\npause: bool"
    " = False  # slow enough to be killed in time\nlower: int = 5  # layers that are not trained"
    " [0..]\nshard: bool = False  # each rank holds a part of the network"
)
TRAIN = """import time
from ftkit import Data, Model, Trainer, evaluate
text = ["a joy to see", "a bore", "well made", "much too long for what it says", "I laughed"]
text.append("I slept")
texts = [f"film {i}: {text[i % 6]}{', and again' * (i % 4)}" for i in range(120)]
films = Data.text((texts, [["good", "bad"][i % 2] for i in range(120)]))
model = Model("all-MiniLM-L6-v2", films.task, dropout=dropout, max_length=24)
slowly = [lambda record: time.sleep(pause and record["stage"] == "tune")]
fit = Trainer(
    model, films, epochs=3, head_epochs=3, batch_size=batch, frozen_layers=lower, watch=slowly,
    backbone_dropout=dropout, precision="float32", keep="last", shard=shard,
).fit()
report = evaluate(model, films.test, (), with_baselines=False, n_boot=2)"""
FIGURES = '{k: float(v.value) for k, v in report.figures["test"].items()}'


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "A folder with the notebook, runs, and caches of its own but for fetched samples and the probe."
    home = tmp_path_factory.mktemp("ranks")
    shared = {part: cache_folder(part) for part in ("samples", "precision")}
    (home / "cache").mkdir()
    for part, folder in shared.items():
        os.symlink(folder, home / "cache" / part)
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {"tags": tags},
            "source": s,
            "outputs": [],
            "execution_count": None,
        }
        for i, (s, *tags) in enumerate(((PARAMETERS, "parameters"), (TRAIN,), (FIGURES, "metrics")))
    ]
    (home / "films.ipynb").write_text(
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
    with pytest.MonkeyPatch.context() as m:
        m.delenv("FTKIT_RUN_DIR", raising=False)
        m.setenv("FTKIT_RUNS", str(home / "runs"))
        m.setenv("FTKIT_CACHE", str(home / "cache"))
        yield home


def command(ranks, *args):
    "ftkit as one process, or as several that torchrun starts."
    begin = (
        [sys.executable, "-m"]
        if ranks == 1
        else [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            ranks,
            "-m",
        ]
    )
    return [*map(str, begin), "ftkit", *map(str, args)]


def ftkit(ranks, *args, home):
    return subprocess.run(
        command(ranks, *args), capture_output=True, text=True, timeout=300, cwd=home
    )


def run(ranks, *args, home):
    "The folder of a run that came to its end."
    before = set(run_folders())
    done = ftkit(ranks, "run", *args, "--threads", 1, home=home)
    assert done.returncode == 0, done.stderr
    made = set(run_folders()) - before
    assert len(made) == 1, made
    return made.pop()


def weights(folder):
    return read_run(folder)["facts"]["weights"]  # their SHA-256


def losses(folder):
    return [
        (e["stage"], e["epoch"], e["train_loss"], e["valid_loss"])
        for e in read_events(folder)[0]
        if "train_loss" in e
    ]


def assert_close(
    one, two, tolerance=1e-4
):  # AdamW makes whole steps of the smallest gradients, so the last digits of a sum grow
    assert [x[:2] for x in one] == [x[:2] for x in two] and one
    for a, b in zip(one, two):
        assert a[2:] == pytest.approx(b[2:], rel=tolerance), (a, b)


def assert_alike(one, two, tolerance=1e-4):
    assert_close(losses(one), losses(two), tolerance)
    a, b = (
        {k: v["value"] if isinstance(v, dict) else v for k, v in figures(f).items()}
        for f in (one, two)
    )
    assert a == pytest.approx(b, rel=10 * tolerance)


@pytest.fixture(scope="module")
def two(home):
    "A run of two ranks that nobody disturbed."
    return run(2, "films.ipynb", home=home)


def kill(folder, whom):
    "SIGKILL to the kernel of a rank, or to the process that executes it."
    process = read_run(folder)["process"]["pid"]
    kernels = subprocess.run(
        ["pgrep", "-P", str(process)], capture_output=True, text=True
    ).stdout.split()
    for pid in {"kernel": kernels, "driver": [process]}[whom]:
        os.kill(int(pid), signal.SIGKILL)


def killed(home, rank, whom, *args, ranks=2):
    """A run of two or more ranks of which one was killed in mid-tune: its folder, what torchrun's
    processes said, and how long it took them."""
    before = set(run_folders())
    process = subprocess.Popen(
        command(ranks, "run", "films.ipynb", "-p", "pause", "true", *args, "--threads", 1),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
    )
    folder = until(lambda: set(run_folders()) - before, process).pop()
    until(
        lambda: any(e["stage"] == "tune" and e.get("epoch") == 2 for e in read_events(folder)[0]),
        process,
    )
    kill(folder / "ranks" / str(rank) if rank else folder, whom)
    began = time.time()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, (out, err)
    return folder, out + err, time.time() - began


def test_two_ranks_train_as_one_process_does(two, home):
    tell = (
        "import json; print(json.dumps([[[h['stage'], h['epoch'], h['train_loss'],"
        f" h['valid_loss']] for h in fit.history], {FIGURES}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join((PARAMETERS, TRAIN, tell))],
        capture_output=True,
        text=True,
        cwd=home,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    one = json.loads(done.stdout.splitlines()[-1])
    assert_close([tuple(x) for x in one[0]], losses(two))
    assert one[1] == pytest.approx(figures(two), rel=1e-4)
    assert (
        read_run(two)["ranks"] == 2
        and read_run(two)["status"] == "completed"
        and "2 ranks" in read_run(two)["facts"]["device"]
    )
    assert (
        (two / "report.html").exists()
        and (two / "ranks" / "1" / "notebook.ipynb").exists()
        and not (two / "ranks" / "1" / "report.html").exists()
    )
    assert (
        [r["id"] for r in list_runs()] == [two.name]
        and len(list((home / "runs" / ".tested").glob("*/*"))) == 1
        and not (two / ".tested").exists()
    )


def test_a_rank_that_dies_is_named(home):
    folder, said, seconds = killed(home, 1, "kernel")
    error = read_run(folder)["error"]
    assert read_run(folder)["status"] == "failed" and error["name"] == "RankLost" and seconds < 60
    assert (
        error["message"].startswith("rank 1 of 2 is gone (the kernel died")
        and f"torchrun --nproc-per-node 2 -m ftkit resume {folder.name}" in error["message"]
        and error["message"] in said
    )


def test_what_is_refused_is_said_once_and_leaves_nothing(home):
    before = run_folders()
    r = ftkit(2, "run", "films.ipynb", "-p", "batch", 0, home=home)
    assert (
        r.returncode == 1
        and r.stderr.count("ftkit: batch was given 0") == 1
        and run_folders() == before
    ), r.stderr
    r = subprocess.run(
        command(1, "run", "films.ipynb"),
        capture_output=True,
        text=True,
        cwd=home,
        env=os.environ | {"WORLD_SIZE": "2", "RANK": "0"},
    )
    assert (
        r.returncode == 2
        and "start all ranks with: torchrun" in r.stderr
        and run_folders() == before
    )


def test_each_rank_holds_a_part_of_the_network(two, home):
    """FSDP: the same course as with whole networks, the moments in the files of both ranks, and one
    process goes on from there."""
    folder, *_ = killed(home, 1, "kernel", "-p", "shard", "true")
    error, saved = read_run(folder)["error"], sorted(folder.glob("checkpoints/*/1-tune-*"))[-1]
    assert error["name"] == "RankLost" and error["message"].startswith("rank 1 of 2 is gone"), error
    parts = {
        f.name.split("-")[-3:][0] if "-of-" in f.name else "state": set(load_file(f))
        for f in saved.glob("*.safetensors")
    }
    assert (
        len(parts) == 2
        and not set.intersection(*parts.values())
        and all(sum("exp_avg" in k for k in names) > 9 for names in parts.values())
    ), parts
    done = ftkit(1, "resume", folder.name, home=home)
    assert done.returncode == 0, done.stderr
    assert_alike(two, folder)


@pytest.fixture(scope="module")
def shards(home):
    return run(2, "films.ipynb", "-p", "dropout", 0.2, "-p", "shard", "true", home=home)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_shards_go_on_to_the_same_bits(rank, shards, two_with_dropout, home):
    assert_alike(two_with_dropout, shards)
    folder, *_ = killed(home, rank, "kernel", "-p", "dropout", 0.2, "-p", "shard", "true")
    done = ftkit(2, "resume", folder.name, home=home)
    assert done.returncode == 0, done.stderr
    assert weights(folder) == weights(shards)


@pytest.mark.slow
@pytest.mark.parametrize("shard", ["false", "true"])
def test_four_ranks_go_on_to_the_same_bits(shard, two, home):
    args = ("-p", "shard", shard)
    four = run(4, "films.ipynb", *args, home=home)
    assert_alike(two, four)
    folder, *_ = killed(home, 3, "kernel", *args, ranks=4)
    done = ftkit(4, "resume", folder.name, home=home)
    assert done.returncode == 0, done.stderr
    assert weights(folder) == weights(four)


@pytest.mark.slow
def test_one_process_went_on_and_two_end_it(two, home):
    folder, *_ = killed(home, 1, "kernel", "-p", "shard", "true")
    process = subprocess.Popen(
        command(1, "resume", folder.name), cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    n = len([e for e in read_events(folder)[0] if e["stage"] == "tune"])
    until(lambda: len([e for e in read_events(folder)[0] if e["stage"] == "tune"]) > n, process)
    kill(folder, "kernel")
    process.communicate(timeout=120)
    done = ftkit(2, "resume", folder.name, home=home)
    assert done.returncode == 0, done.stderr
    assert_alike(two, folder)
    assert read_run(folder)["ranks"] == 2


@pytest.mark.slow
def test_a_rank_that_dies_costs_nothing(two, home):
    folder, *_ = killed(home, 1, "kernel")
    done = ftkit(2, "resume", folder.name, home=home)
    assert done.returncode == 0 and done.stderr.count("continuing in stage tune") == 1, done.stderr
    assert (
        weights(folder) == weights(two)
        and read_run(folder)["status"] == "completed"
        and read_run(folder)["ranks"] == 2
    )


@pytest.fixture(scope="module")
def two_with_dropout(home):
    return run(2, "films.ipynb", "-p", "dropout", 0.2, home=home)


@pytest.mark.slow
@pytest.mark.parametrize("rank, whom", [(0, "kernel"), (0, "driver"), (1, "kernel"), (1, "driver")])
def test_with_dropout_they_go_on_to_the_same_bits(rank, whom, two_with_dropout, home):
    folder, said, seconds = killed(home, rank, whom, "-p", "dropout", 0.2)
    assert seconds < 60 and read_run(folder)["status"] == (
        "lost" if (rank, whom) == (0, "driver") else "failed"
    ), read_run(folder)["error"]
    if rank:
        assert read_run(folder)["error"]["message"].startswith("rank 1 of 2 is gone")
    else:
        assert read_run(folder / "ranks" / "1")["error"]["message"].startswith(
            "rank 0 of 2 is gone"
        )
    done = ftkit(2, "resume", folder.name, home=home)
    assert done.returncode == 0, done.stderr
    assert weights(folder) == weights(two_with_dropout)


@pytest.mark.slow
def test_a_run_of_two_ranks_is_verified(two):
    said = verify_run(two)
    assert said.first is None, said.rows


@pytest.mark.slow
def test_what_two_ranks_began_one_process_ends(two, home):
    folder, *_ = killed(home, 1, "kernel")
    done = ftkit(1, "resume", folder.name, home=home)
    assert done.returncode == 0, done.stderr
    assert_alike(two, folder)
    assert "ranks" not in read_run(folder)


@pytest.mark.slow
def test_torchrun_may_try_again_by_itself(two, home):
    before = set(run_folders())
    words = command(2, "run", "films.ipynb", "-p", "pause", "true", "--threads", 1)
    process = subprocess.Popen(
        [*words[:4], "--max-restarts", "1", *words[4:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
    )
    folder = until(lambda: set(run_folders()) - before, process).pop()
    until(
        lambda: any(e["stage"] == "tune" and e.get("epoch") == 2 for e in read_events(folder)[0]),
        process,
    )
    kill(folder / "ranks" / "1", "kernel")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert (
        set(run_folders()) - before == {folder}
        and len(read_run(folder)["resumed"]) == 1
        and weights(folder) == weights(two)
    )


@pytest.mark.slow
def test_ranks_may_have_no_rows_of_a_batch(home):
    assert_alike(*(run(n, "films.ipynb", "-p", "batch", 2, home=home) for n in (1, 3)))


@pytest.mark.slow
def test_pictures_with_frozen_statistics_and_mixup(home):
    tiny = [
        w
        for k, v in {
            "limit": 200,
            "epochs": 2,
            "head_epochs": 4,
            "size": 64,
            "precision": "float32",
            "mixup": 0.2,
            "accumulate": 2,
            "baselines": "false",
        }.items()
        for w in ("-p", k, v)
    ]
    made = run(2, "image", *tiny, home=home)
    assert_alike(run(1, "image", *tiny, home=home), made, 1e-3)
    assert not (made / "ranks" / "1" / "model").exists() and (made / "model").is_dir()
    r = ftkit(2, "run", "image", *tiny, "-p", "batch_norm", "trained", home=home)
    assert (
        r.returncode == 1
        and 'choose batch_norm = "frozen"' in r.stderr
        and read_run(run_folders()[0])["error"]["usage"]
    )


@pytest.mark.slow
def test_devices_start_the_ranks_and_go_on(home):
    """`--devices 2` is one command, from its start and after a kill; the result is that of two
    ranks that torchrun started."""

    def devices(*args):
        return subprocess.run(
            [sys.executable, "-m", "ftkit", *args],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=home,
        )

    by_hand = run(2, "films.ipynb", home=home)
    before = set(run_folders())
    done = devices("run", "films.ipynb", "--devices", "2", "--threads", "1")
    assert done.returncode == 0, done.stderr
    (made,) = set(run_folders()) - before
    assert (read_run(made)["ranks"], read_run(made)["options"]["devices"]) == (2, 2) and (
        made / "ranks"
    ).is_dir()
    assert read_run(made)["status"] == "completed" and figures(made) == figures(by_hand)
    assert noted(made)["weights"] == noted(by_hand)["weights"]
    started = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ftkit",
            "run",
            "films.ipynb",
            "-p",
            "pause",
            "true",
            "--devices",
            "2",
            "--threads",
            "1",
        ],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until(
        lambda: (
            (new := set(run_folders()) - before - {made})
            and any(e.get("stage") == "tune" for e in read_events(next(iter(new)))[0])
        ),
        started,
        120,
    )
    (killed,) = set(run_folders()) - before - {made}
    os.kill(read_run(killed)["process"]["pid"], signal.SIGKILL)
    started.wait(120)
    assert read_run(killed)["status"] in ("failed", "lost")
    again = devices("resume", killed.name)
    assert again.returncode == 0, again.stderr
    assert read_run(killed)["ranks"] == 2 and noted(killed)["weights"] == noted(by_hand)["weights"]
