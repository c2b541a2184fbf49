"""The command line as a person uses it: real processes, real kernels, real messages."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

QUICK = ["-p", "limit", "200", "-p", "epochs", "1", "-p", "head_epochs", "10", "-p", "size", "32"]


def ftkit(*args, cwd, **env):
    return subprocess.run(
        [sys.executable, "-m", "ftkit", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {k: str(v) for k, v in env.items()},
        timeout=600,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "A folder of its own, with its own runs."
    return tmp_path_factory.mktemp("a person's folder")


@pytest.fixture(scope="module")
def run(home, request):
    """One real run of the image template, shared by the tests that look at it; its cache has the
    fetched samples and nothing else."""
    from ftkit.core import cache_folder

    (home / "cache").mkdir()
    os.symlink(cache_folder("samples"), home / "cache" / "samples")
    os.environ["FTKIT_CACHE"] = str(home / "cache")
    request.addfinalizer(lambda: os.environ.pop("FTKIT_CACHE"))
    r = ftkit("run", "image", *QUICK, "--json", cwd=home)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


def test_a_run_leaves_everything_a_person_needs(run, home):
    folder = Path(run["report"]).parent
    assert folder.parent == home / "runs"
    for name in (
        "input.ipynb",
        "notebook.ipynb",
        "report.html",
        "metrics.json",
        "predictions.csv",
        "events.jsonl",
        "run.json",
        "model/model.safetensors",
        "model/README.md",
    ):
        assert (folder / name).is_file(), name
    assert run["status"] == "completed" and {c["status"] for c in run["cells"]} == {"completed"}
    assert {"features", "head", "tune", "evaluate"} <= set(run["seconds_by_stage"])
    assert run["value"]["value"] > 0.5
    assert run["facts"]["device"] and run["facts"]["precision_tune"] and run["facts"]["data"]
    record = json.loads((folder / "run.json").read_text())
    assert (
        record["parameters"]["limit"] == 200
        and record["parameters"]["backbone"] == "efficientnet_lite0"
    )
    assert not any(c in folder.name for c in ':\\/ *?"<>|')


def test_the_executed_notebook_keeps_its_parameters_cell(run):
    cells = json.loads(Path(run["notebook"]).read_text())["cells"]
    assert sum("parameters" in c["metadata"].get("tags", []) for c in cells) == 1
    injected = next(
        "".join(c["source"])
        for c in cells
        if "injected-parameters" in c["metadata"].get("tags", [])
    )
    assert "limit = 200" in injected
    assert Path(run["notebook"]).stat().st_size < 1_500_000


def test_predict_equals_the_notebook_to_the_last_bit_alone_and_among_fifty(run, home):
    import csv

    from ftkit import Data

    rows = list(csv.DictReader(open(Path(run["report"]).parent / "predictions.csv")))
    digits = Data.image("sample:digits", limit=200)
    pictures = home / "pictures"
    pictures.mkdir(exist_ok=True)
    for i in range(50):
        Image.fromarray(digits.items[i]).save(pictures / f"{i:03}.png")
    for r in rows:
        Image.fromarray(digits.items[int(r["row"])]).save(pictures / f"{int(r['row']):03}.png")
    many = {
        Path(p["input"]).stem: p
        for p in json.loads(ftkit("predict", "last", pictures, "--json", cwd=home).stdout)
    }
    assert len(many) >= 50
    for r in rows:
        want = [float(r[f"p({c})"]) for c in digits.task.classes]
        assert list(many[f"{int(r['row']):03}"]["probabilities"].values()) == want
    row = f"{int(rows[0]['row']):03}"
    alone = json.loads(
        ftkit("predict", run["id"][-6:], pictures / f"{row}.png", "--json", cwd=home).stdout
    )[0]
    assert alone["probabilities"] == many[row]["probabilities"]


def test_the_model_folder_holds_no_pickle(run):
    folder = Path(run["model"])
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "config.json",
        "familiar.safetensors",
        "labels.json",
        "manifest.json",
        "model.safetensors",
        "preprocess.json",
    ]
    for p in folder.iterdir():
        assert not p.read_bytes().startswith((b"\x80", b"PK")), p


def test_a_second_run_takes_features_from_the_cache(run, home):
    again = json.loads(
        ftkit(
            "run",
            "image",
            *QUICK,
            "-p",
            "head",
            "mlp",
            "-p",
            "freeze",
            "backbone",
            "-p",
            "baselines",
            "false",
            "--json",
            cwd=home,
        ).stdout
    )
    assert again["status"] == "completed" and "features" not in again["seconds_by_stage"]


def test_more_ways_to_train_from_the_command_line(run, home):
    """Adapters, an average, patches, growing pictures and the first run as teacher, at once; what
    is saved needs no peft."""
    more = {
        "lora": 2,
        "dora": True,
        "ema": 0.9,
        "cutmix": 1.0,
        "mixup": 0.2,
        "progressive": 0.6,
        "sampler": "balanced",
        "stochastic_depth": 0.1,
        "augment": "rand",
        "views": 2,
        "tta": 2,
        "schedule": "plateau",
        "teacher": Path(run["report"]).parent / "model",
        "blend": 1.0,
    }
    r = ftkit(
        "run",
        "image",
        *QUICK,
        "-p",
        "size",
        "64",
        *[w for k, v in more.items() for w in ("-p", k, v)],
        "--json",
        cwd=home,
    )
    assert r.returncode == 0, r.stderr
    done = json.loads(r.stdout)
    assert "DoRA of rank 2" in done["facts"]["adapters"]
    from safetensors import safe_open

    with safe_open(Path(done["report"]).parent / "model" / "model.safetensors", "pt") as f:
        assert not [k for k in f.keys() if "lora" in k]
    assert "mean of 2 more views" in Path(done["report"]).read_text()


def test_runs_show_report(run, home):
    assert run["id"] in [r["id"] for r in json.loads(ftkit("runs", "--json", cwd=home).stdout)]
    shown = ftkit("show", run["id"], cwd=home).stdout
    assert (
        "completed" in shown
        and run["report"] in shown
        and "limit" in shown
        and "parameters at their defaults" in shown
    )
    report = Path(run["report"])
    before = report.read_text()
    assert ftkit("report", run["id"], cwd=home).stdout.strip() == str(report)
    assert report.read_text().count("<img") == before.count("<img") > 5


@pytest.mark.parametrize(
    "args, says",
    [
        (["-p", "learning_rate", "oops"], "learning_rate"),
        (["-p", "learning_rat", "0.1"], "learning_rate"),
        (["-p", "epochs", "0"], "[1..1000]"),
        (["-p", "epochs", "0.5"], "epochs"),
        (["-p", "batch_size", "0"], "[1..4096]"),
        (["-p", "augment", "heavy"], "trivial"),
        (["-p", "epochs"], "needs a value"),
    ],
)
def test_wrong_parameters_start_no_kernel(args, says, tmp_path):
    r = ftkit("run", "image", *args, cwd=tmp_path)
    assert (
        r.returncode == 2
        and says in r.stderr
        and len(r.stderr.strip().splitlines()) <= 2
        and "Traceback" not in r.stderr
    )
    assert not (tmp_path / "runs").exists()


def notebook(path, *sources, tag=True):
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {"tags": ["parameters"]} if tag and i == 0 else {},
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


def test_an_untagged_notebook_runs_as_it_is(tmp_path):
    r = ftkit("run", notebook(tmp_path / "mine.ipynb", "n = 1", tag=False), cwd=tmp_path)
    assert r.returncode == 0 and "not typed" not in r.stderr and "is tagged" not in r.stderr


def test_a_foreign_notebook_runs_and_a_failing_one_says_where(tmp_path):
    r = ftkit(
        "run",
        notebook(tmp_path / "mine.ipynb", "n: int = 2  # how many", "print('x' * n)"),
        "-p",
        "n",
        "5",
        "--json",
        cwd=tmp_path,
    )
    assert r.returncode == 0
    assert "xxxxx" in Path(json.loads(r.stdout)["notebook"]).read_text()
    r = ftkit(
        "run",
        notebook(tmp_path / "bad.ipynb", "n: int = 2", "1 / (n - 2)", "print('never')"),
        cwd=tmp_path,
    )
    assert r.returncode == 1 and "ZeroDivisionError" in r.stderr and "cell 3" in r.stderr
    shown = json.loads(ftkit("show", "last", "--json", cwd=tmp_path).stdout)
    assert [c["status"] for c in shown["cells"]] == ["completed", "completed", "failed", "pending"]


def folder_of(path, **classes):
    rng = np.random.default_rng(0)
    for name, n in classes.items():
        (path / name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(
                path / name / f"{i}.jpg"
            )
    return path


def test_bad_data_ends_with_one_sentence_and_exit_code_2(tmp_path):
    data = folder_of(tmp_path / "pictures", cat=8)
    r = ftkit("run", "image", "-p", "data", data, cwd=tmp_path)
    assert r.returncode == 2 and "at least two classes" in r.stderr
    folder_of(data, dog=8)
    for i in range(3):
        (data / "dog" / f"{i}.jpg").write_bytes((data / "dog" / f"{i}.jpg").read_bytes()[:600])
    r = ftkit("run", "image", "-p", "data", data, cwd=tmp_path)
    assert (
        r.returncode == 2
        and "3 of 16 pictures cannot be read" in r.stderr
        and all(f"{i}.jpg" in r.stderr for i in range(3))
    )
    assert json.loads(ftkit("show", "last", "--json", cwd=tmp_path).stdout)["status"] == "failed"


def test_light_verbs_import_nothing_heavy(tmp_path):
    code = (
        "import sys, contextlib\nwith contextlib.suppress(SystemExit):\n    from ftkit.cli.main"
        " import main; sys.argv = ['ftkit', *sys.argv[1:]]; main()\nprint('LOADED',"
        " *sorted({'torch', 'pandas', 'nbformat', 'papermill', 'numpy'} & set(sys.modules)))"
    )
    for args in (
        ["--help"],
        ["templates"],
        ["params", "image"],
        ["runs"],
        ["settings"],
        ["samples"],
    ):
        r = subprocess.run(
            [sys.executable, "-c", code, *args], capture_output=True, text=True, cwd=tmp_path
        )
        assert r.stdout.splitlines()[-1] == "LOADED", (args, r.stdout[-200:], r.stderr)


def test_plain_papermill_gains_from_the_engine(tmp_path):
    bad = notebook(tmp_path / "bad.ipynb", "n: int = 2", "import os; os._exit(3)", "print('never')")
    r = subprocess.run(
        [
            sys.executable,
            "-m",
            "papermill",
            "--engine",
            "ftkit",
            str(bad),
            str(tmp_path / "out.ipynb"),
            "--no-progress-bar",
        ],
        capture_output=True,
        text=True,
    )
    assert r.returncode != 0
    cells = [
        c
        for c in json.loads((tmp_path / "out.ipynb").read_text())["cells"]
        if c["cell_type"] == "code"
    ]
    assert [c["metadata"]["papermill"]["status"] for c in cells] == [
        "completed",
        "failed",
        "pending",
    ]


def test_ctrl_c_stops_the_run_and_says_so(tmp_path):
    import signal
    import time

    slow = notebook(
        tmp_path / "slow.ipynb", "n: int = 2", "import time; time.sleep(60)", "print('never')"
    )
    # as in a terminal; a background job ignores it
    p = subprocess.Popen(
        [sys.executable, "-m", "ftkit", "run", str(slow)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for _ in range(300):
        time.sleep(0.1)
        if (
            list(tmp_path.glob("runs/*/events.jsonl"))
            and '"step": 3' in next(tmp_path.glob("runs/*/events.jsonl")).read_text()
        ):
            break
    p.send_signal(signal.SIGINT)
    out, _ = p.communicate(timeout=60)
    assert p.returncode == 130 and "stopped" in out
