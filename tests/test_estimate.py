"""Estimates before a training, and the ranking of backbones: counts that can be checked, nothing
changed, nothing left behind."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ftkit import Augment, Data, Model, Trainer, estimate, table_backbone
from ftkit.core import UsageError
from ftkit.evaluation.ranking import rank_backbones
from ftkit.training import loop
from ftkit.training.losses import LOSSES
from ftkit.training.rate_finder import find_rate

QUICK = ["-p", "limit", "120", "-p", "epochs", "2", "-p", "head_epochs", "3"]
STATIC = "static:all-MiniLM-L6-v2"


def ftkit(*args, cwd):
    return subprocess.run(
        [sys.executable, "-m", "ftkit", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"FTKIT_RUNS": str(Path(cwd, "runs"))},
        timeout=600,
    )


@pytest.fixture
def own_samples(tmp_path, monkeypatch):
    "A cache with the fetched samples and nothing else."
    from ftkit.core import cache_folder

    (tmp_path / "cache").mkdir()
    os.symlink(cache_folder("samples"), tmp_path / "cache" / "samples")
    monkeypatch.setenv("FTKIT_CACHE", str(tmp_path / "cache"))
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.mark.parametrize(
    "template,parameters,stages",
    [
        (
            "image",
            ["-p", "size", "32"],
            {
                "features",
                "head",
                "its validation",
                "tune",
                "checkpoints",
                "validation",
                "evaluation",
                "baselines",
            },
        ),
        (
            "text",
            ["-p", "backbone", STATIC],
            {"features", "head", "tune", "checkpoints", "evaluation", "explained texts"},
        ),
        (
            "speech",
            [
                "-p",
                "data",
                "sample:sentences-en",
                "-p",
                "backbone",
                "log_mel",
                "-p",
                "train_layers",
                "0",
                "-p",
                "baselines",
                "false",
            ],
            {"frames", "head", "evaluation", "white noise"},
        ),
        (
            "tabular",
            [
                "-p",
                "data",
                "sample:penguins",
                "-p",
                "models",
                '["dummy", "ridge", "mlp"]',
                "-p",
                "folds",
                "3",
            ],
            {"dummy", "ridge", "mlp"},
        ),
    ],
)
def test_every_template_has_a_dry_run(template, parameters, stages, own_samples):
    quick = [x for x in QUICK if template != "tabular"]
    if template == "speech":
        quick = ["-p", "epochs", "0", "-p", "head_epochs", "3"]
    r = ftkit("run", template, *quick, *parameters, "--dry-run", "--json", cwd=own_samples)
    assert r.returncode == 0, r.stderr
    said = json.loads(r.stdout)
    found = {row["stage"]: row for row in said["rows"]}
    assert stages <= set(found), found
    assert (
        said["seconds"] > 0
        and said["memory"] > 1e8
        and said["rows"][0]["stage"] == "before the training"
    )
    if template in ("image", "text"):
        train = int(said["shapes"]["data"].partition("train ")[2].partition(",")[0])
        assert found["tune"]["times"] == 2 * (train // 32) and found["head"]["times"] == 3 * (
            train // 32
        )
    assert list(own_samples.iterdir()) == []  # no runs folder, no run
    if template == "tabular":
        r = ftkit("run", template, *parameters, "--dry-run", cwd=own_samples)
        assert (
            r.returncode == 0 and "ridge" in r.stdout and "about " in r.stdout.splitlines()[-1]
        ), r.stderr


def test_a_dry_run_knows_the_cache_and_leaves_runs_alone(own_samples):
    assert ftkit("run", "text", *QUICK, "-p", "backbone", STATIC, cwd=own_samples).returncode == 0
    before = sorted(p.name for p in (own_samples / "runs").iterdir())
    r = ftkit("run", "text", *QUICK, "-p", "backbone", STATIC, "--dry-run", cwd=own_samples)
    assert (
        r.returncode == 0
        and "in the cache" in r.stdout
        and "parameters:" in r.stdout
        and "about " in r.stdout.splitlines()[-1]
    ), r.stderr
    assert sorted(p.name for p in (own_samples / "runs").iterdir()) == before


def test_what_has_no_dry_run_is_refused(own_samples):
    cell = {
        "cell_type": "code",
        "source": ["n: int = 3  # how many"],
        "metadata": {"tags": ["parameters"]},
        "outputs": [],
        "execution_count": None,
    }
    (own_samples / "mine.ipynb").write_text(
        json.dumps(
            {
                "cells": [cell, cell | {"source": ["print(n)"], "metadata": {}}],
                "metadata": {},
                "nbformat": 4,
                "nbformat_minor": 5,
            }
        )
    )
    late = cell | {"source": ["import ftkit\nif n > 5: ftkit.Trainer(None, None)"], "metadata": {}}
    (own_samples / "late.ipynb").write_text(
        json.dumps({"cells": [cell, late], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    for args, said in (
        (["mine.ipynb"], "mine.ipynb has no Trainer, fit_model or compare_models of ftkit"),
        (["late.ipynb"], "came to its end without training anything"),
        (["image", "--then", "mine.ipynb"], "--dry-run was given with --then"),
        (["image", "-p", "epoch", "3"], "perhaps epochs was meant"),
        (["image", "-p", "data", "nowhere"], "nowhere: no such file or folder"),
    ):
        r = ftkit("run", args[0], "--dry-run", *args[1:], cwd=own_samples)
        assert r.returncode == 2 and said in r.stderr, (args, r.stderr)
    assert sorted(p.name for p in own_samples.iterdir()) == ["late.ipynb", "mine.ipynb"]
    broken = cell | {"source": ["import ftkit\n1 / 0\nftkit.Trainer()"], "metadata": {}}
    (own_samples / "broken.ipynb").write_text(
        json.dumps({"cells": [cell, broken], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    r = ftkit("run", "broken.ipynb", "--dry-run", cwd=own_samples)
    assert (
        r.returncode == 1
        and "cell 2: ZeroDivisionError" in r.stderr
        and "Traceback" not in r.stderr
    ), r.stderr


@pytest.mark.parametrize(
    "fields,augment",
    [
        ({}, None),
        ({"mixup": 0.3, "accumulate": 2, "batch_size": 16}, Augment(rotate=10)),
        pytest.param(
            {"freeze": "gradual", "epochs": 2, "class_weights": "auto", "optimizer": "sgd"},
            None,
            marks=pytest.mark.slow,
        ),
        pytest.param({"batch_size": 500, "blend": 1.0}, None, marks=pytest.mark.slow),
        pytest.param({"freeze": "backbone"}, None, marks=pytest.mark.slow),
        ({"lora": 4, "ema": 0.9, "l1": 1e-4}, None),
        pytest.param(
            {"contrast_epochs": 1, "sampler": "balanced", "swa": 0.5}, None, marks=pytest.mark.slow
        ),
        (
            {"views": 2, "cutmix": 0.5, "progressive": 0.5, "budget_seconds": 100.0},
            Augment(rotate=10),
        ),
    ],
)
def test_a_fit_after_an_estimate_has_the_same_bits(fields, augment, session_cache):
    data, hashes = Data.image("sample:digits", limit=90), []
    for ask in (False, True):
        trainer = Trainer(
            Model("resnet10t", data.task, pretrained=False, size=64, dropout=0.2),
            data,
            augment,
            record=False,
            **{"epochs": 1, "head_epochs": 2, "precision": "float32"} | fields,
        )
        before = trainer.model.weights_hash()
        if ask:
            said = estimate(trainer)
            assert (
                trainer.model.weights_hash() == before
                and not trainer.history
                and trainer.setup is None
            )
            steps = max(1, len(data.train) // trainer.config.batch_size)
            assert {r["stage"]: r["times"] for r in said.rows}["head"] == 2 * steps
            if fields.get("lora"):
                assert said.parameters["tune_stage"] < said.parameters["body"] / 10
            elif fields.get("freeze") == "backbone":
                assert "tune_stage" not in said.parameters
            else:
                assert said.parameters["tune_stage"] == sum(
                    p.numel() for p in trainer.model.parameters()
                )
        hashes.append(trainer.fit().model.weights_hash())
    assert hashes[0] == hashes[1]


def test_tables_and_numbers_are_estimated(session_cache):
    for source, options in (
        ("sample:penguins", {"patience": None}),
        ("sample:diabetes", {"patience": 3}),
    ):
        data = Data.tabular(source)
        said = estimate(
            Trainer(
                Model(table_backbone("mlp", data), data.task),
                data,
                record=False,
                epochs=5,
                **options,
            )
        )
        tune = next(r for r in said.rows if r["stage"] == "tune")
        assert tune["times"] == 5 * (len(data.train) // 64) and (
            "or fewer" in tune["note"]
        ) == bool(options["patience"])
        assert "about" in repr(said) and "<table" in said._repr_html_()


def test_backbones_are_ranked(own_samples):
    r = ftkit(
        "backbones",
        "--for",
        "sample:movie",
        "--backbones",
        f"{STATIC},all-MiniLM-L6-v2",
        "--rows",
        "100",
        "--limit",
        "240",
        "--json",
        cwd=own_samples,
    )
    assert r.returncode == 0, r.stderr
    found = json.loads(r.stdout)
    assert found["n"] == 100 and [x["error"] for x in found["rows"]] == sorted(
        x["error"] for x in found["rows"]
    )
    for row in found["rows"]:
        assert (
            row["parameters"] > 1e6
            and row["bytes"] > 1e6
            and 0 <= row["unknown"] < 0.1
            and row["training"] > 0
            and 0 < row["value"] < 1
        )
    again = ftkit(
        "backbones",
        "--for",
        "sample:movie",
        "--backbones",
        f"{STATIC},all-MiniLM-L6-v2",
        "--rows",
        "100",
        "--limit",
        "240",
        "--json",
        cwd=own_samples,
    )
    assert json.loads(again.stdout)["rows"] == found["rows"]  # from the cache, times too
    for args, said in (
        (["--for", "sample:penguins"], "tables have no pretrained backbones"),
        (
            ["--for", "sample:movie", "--backbones", "efficientnet_lite0"],
            "reads pictures and the data are texts",
        ),
        (
            ["--for", "sample:movie", "--backbones", "no-such-body"],
            "there is no backbone 'no-such-body'",
        ),
        (["--rows", "50"], "--rows belongs to --for DATA"),
        (["--for", "nowhere.csv"], "no such file or folder"),
        (
            ["--for", "sample:movie", "--size", "64", "--backbones", STATIC],
            "not prepared by 'size'",
        ),
    ):
        r = ftkit("backbones", *args, cwd=own_samples)
        assert r.returncode == 2 and said in r.stderr and "Traceback" not in r.stderr, (
            args,
            r.stderr,
        )


def test_a_body_that_knows_something_is_ranked_before_one_that_does_not(session_cache):
    from ftkit.models.backbone import load_backbone

    data = Data.image("sample:digits", limit=250)
    found = rank_backbones(
        data,
        ["efficientnet_lite0", load_backbone("resnet10t", pretrained=False)],
        rows=150,
        size=64,
    )
    assert found.best == "efficientnet_lite0" and "training" in repr(found)
    shuffled = Data.image("sample:digits", limit=250)
    shuffled.labels = np.random.default_rng(0).permutation(shuffled.labels)
    assert (
        rank_backbones(shuffled, ["efficientnet_lite0"], rows=150, size=64).rows[0]["error"]
        > 0.95
        > found.rows[0]["error"]
    )
    with pytest.raises(UsageError, match="only .* rows are no test rows"):
        rank_backbones(Data.image("sample:digits", limit=20, test=0.7), ["efficientnet_lite0"])


def test_backbones_for_recordings(session_cache):
    classes = Data.speech("sample:sentences-en", "transcribe")
    said = (
        rank_backbones(classes, ["log_mel"])
        if len(classes.train) + len(classes.valid) >= 10
        else None
    )
    if said:
        assert said.metric == "character_error" and said.rows[0]["value"] > 0


COUNTED = """
from pathlib import Path

import torch

from ftkit.training.losses import register_loss


@register_loss("counted")
def counted(outputs, targets, smoothing):
    "Cross-entropy that tells a file of each batch whose gradient it begins."
    if torch.is_grad_enabled():
        with open(Path(__file__).with_name("counts.txt"), "a") as f:
            f.write(".")
    return torch.nn.functional.cross_entropy(outputs, targets, reduction="none")
"""


@pytest.fixture
def counts(tmp_path, monkeypatch):
    "A file that has a dot for each batch of the loss `counted`, while the test lasts."
    (tmp_path / "counted.py").write_text(COUNTED)
    (tmp_path / "counts.txt").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "counted", raising=False)
    importlib.import_module("counted")
    yield tmp_path / "counts.txt"
    LOSSES.pop("counted")


def small_trainer(**fields):
    data = Data.tabular("sample:titanic", limit=160)
    model = Model(table_backbone("mlp", data, width=16), data.task)
    return Trainer(model, data, epochs=2, head_epochs=1, record=False, **fields)


READERS = {"fit": Trainer.fit, "find_rate": lambda t: find_rate(t, steps=10), "estimate": estimate}


@pytest.mark.parametrize("reader", READERS)
def test_a_new_loss_is_in_all_that_trains(reader, counts, session_cache):
    READERS[reader](small_trainer(loss="counted"))
    assert len(counts.read_text()) >= 4, "no batch was trained with it"


@pytest.mark.parametrize("reader", READERS)
def test_what_is_new_in_a_step_is_in_all_that_trains(reader, monkeypatch, session_cache):
    """An option that changes the step is one line of the loop: `find_rate` and `estimate` have it
    as `fit` has it, without a line of theirs."""
    stages, change_weights = [], loop.change_weights

    def with_option(setup, stage, state):
        stages.append(stage.name)
        change_weights(setup, stage, state)

    monkeypatch.setattr(loop, "change_weights", with_option)
    READERS[reader](small_trainer())
    assert set(stages) == {"head", "tune"}


def test_one_place_computes_gradients():
    "A second loop would have them too."
    folder = Path(loop.__file__).parents[1]
    steps = {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*.py")
        if "optimizer.step()" in p.read_text(encoding="utf-8")
    }
    assert steps == {"training/loop.py"}


def test_a_dry_run_has_what_is_new(counts, own_samples):
    cells = [
        ("parameters", "n: int = 160  # rows"),
        ("", f"import sys\nsys.path.insert(0, {str(counts.parent)!r})\nimport counted"),
        (
            "",
            "from ftkit import Data, Model, Trainer, table_backbone\n"
            "data = Data.tabular('sample:titanic', limit=n)\n"
            "model = Model(table_backbone('mlp', data, width=16), data.task)\n"
            "Trainer(model, data, epochs=2, head_epochs=1, loss='counted').fit()",
        ),
    ]
    cells = [
        {
            "cell_type": "code",
            "source": source,
            "metadata": {"tags": [tag]} if tag else {},
            "outputs": [],
            "execution_count": None,
        }
        for tag, source in cells
    ]
    (own_samples / "own.ipynb").write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    r = ftkit("run", "own.ipynb", "--dry-run", cwd=own_samples)
    assert r.returncode == 0, r.stderr
    assert len(counts.read_text()) >= 4
