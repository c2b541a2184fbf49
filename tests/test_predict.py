"""`ftkit predict` as people need it: a table beside the inputs' own columns, what cannot be read
told and skipped, notes on what is unlike the training data, thresholds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from ftkit import Data, Predictor
from ftkit.models.artifact import load_model
from ftkit.models.classical import Classical

RATE = 16000


def ftkit(*words, cwd, given=None):
    env = os.environ | {"FTKIT_RUNS": str(cwd / "runs")}
    command = [sys.executable, "-m", "ftkit", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, input=given, env=env)


def spoken(i: int, rng) -> np.ndarray:
    "A sound with pitch and pauses, low for even numbers, and some noise."
    t = np.arange(RATE) / RATE
    pitch = (150, 450)[i % 2] * rng.uniform(0.9, 1.1)
    wave = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 6)) * (
        np.sin(2 * np.pi * 3 * t) > -0.3
    )
    return 0.2 * rng.uniform(0.5, 1) * wave + rng.normal(0, 0.003, RATE)


def save_model(kind: str, folder: Path) -> Path:
    "A model of that kind, learned in seconds."
    if kind == "image":
        data, body = Data.image("sample:digits", limit=700), "efficientnet_lite0"
    elif kind == "text":
        data, body = Data.text("sample:movie", limit=1000), "static:all-MiniLM-L6-v2"
    elif kind == "speech":
        sounds, rng = folder.parent / "train", np.random.default_rng(1)
        sounds.mkdir()
        for i in range(120):
            soundfile.write(sounds / f"{i}.wav", spoken(i, rng), RATE)
        paths = [str(sounds / f"{i}.wav") for i in range(120)]
        data = Data.speech((paths, ["low", "high"] * 60), task="classify", split_by="random")
        body = "log_mel"
    else:
        data, body = Data.tabular("sample:breast_cancer"), None
    return Classical("ridge", data.task, body).fit(data).save(folder)


def write_inputs(kind: str, folder: Path, n: int, bad: int) -> Path:
    "So many inputs, of which some cannot be read; a folder or a table."
    folder.mkdir()
    rng = np.random.default_rng(0)
    if kind == "image":
        data = Data.image("sample:digits")
        for i in range(n - bad):
            (folder / f"{i % 3}").mkdir(exist_ok=True)
            Image.fromarray(data.items[1000 + i % 700]).save(folder / f"{i % 3}" / f"{i:03}.png")
        whole = (folder / "0" / "000.png").read_bytes()
        for i in range(bad):
            (folder / f"broken {i}.png").write_bytes((whole[:60], b"", b"<html>")[i % 3])
        (folder / "list.txt").write_text("names")
        return folder
    if kind == "speech":
        for i in range(n - bad):
            soundfile.write(folder / f"{i:03}.wav", spoken(i, rng), RATE)
        for i in range(bad):
            (folder / f"broken {i}.wav").write_bytes((b"", b"RIFFxxxx", b"<html>")[i % 3])
        return folder
    if kind == "text":
        texts = Data.text("sample:movie").items[-n:]
        texts[:bad] = ["", "  "] * (bad // 2)
        pd.DataFrame({"nr": [f"{i:04}" for i in range(n)], "text": texts, "Ort": "Köln"}).to_csv(
            folder / "new.csv", index=False
        )
        return folder / "new.csv"
    frame = (
        Data.tabular("sample:breast_cancer")
        .items.frame.tail(n)
        .astype(object)
        .reset_index(drop=True)
    )
    frame.insert(0, "id", [f"{i:04}" for i in range(n)])
    frame.iloc[:bad, 1:] = ""
    frame.to_csv(folder / "new.csv", index=False)
    return folder / "new.csv"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    home, made = tmp_path_factory.mktemp("models"), {}

    def model(kind):
        if kind not in made:
            (home / kind).mkdir()
            made[kind] = save_model(kind, home / kind / "model")
        return made[kind]

    return model


@pytest.mark.parametrize("kind", ["image", "text", "speech", "tabular"])
def test_a_table_of_predictions_in_which_what_cannot_be_read_has_a_note(kind, models, tmp_path):
    model, inputs = models(kind), write_inputs(kind, tmp_path / "in", 40, 4)
    r = ftkit("predict", model, inputs, "--out", "out/p.csv", cwd=tmp_path)
    assert (r.returncode, r.stdout) == (0, "out/p.csv\n"), r.stderr
    assert "predicted 36 of 40; 4 could not be read: " in r.stderr
    table = pd.read_csv(tmp_path / "out" / "p.csv", dtype=str, keep_default_na=False)
    lost = table["predicted"] == ""
    assert (len(table), lost.sum(), (table["note"][lost] > "").all()) == (40, 4, True)
    shares = [c for c in table if c.startswith("p(")]
    assert np.allclose(table.loc[~lost, shares].astype(float).sum(axis=1), 1, atol=1e-3) and (
        table.loc[lost, shares] == ""
    ).all(axis=None)
    assert table["note"][~lost].str.contains("unlike").mean() < 0.1
    if kind in ("text", "tabular"):
        given = pd.read_csv(inputs, dtype=str, keep_default_na=False)
        assert table[given.columns].equals(given)
    else:
        # all files of the kind are counted
        assert "36 " not in r.stderr.splitlines()[0] and "40 " in r.stderr.splitlines()[0]
        assert table["input"].map(lambda p: (tmp_path / p).is_file()).all()
    if kind == "image":
        assert "40 pictures in 4 folders; left out: 1 other files (.txt 1)" in r.stderr
    strict = ftkit("predict", model, inputs, "--strict", "--out", "q.csv", cwd=tmp_path)
    assert (strict.returncode, (tmp_path / "q.csv").exists()) == (
        (0, True) if kind == "tabular" else (2, False)
    ), strict.stderr


def test_all_that_cannot_be_read_is_a_failure(models, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(b"<html>")
    r = ftkit("predict", models("image"), "a.png", "b.png", "nowhere.png", cwd=tmp_path)
    assert (
        r.returncode == 1
        and "none of the 3 inputs could be read: a.png cannot be read as a picture" in r.stderr
    )
    assert r.stdout == "a.png\t\nb.png\t\nnowhere.png\t\n"
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        Predictor(models("image"))(tmp_path / "a.png")
    one = Predictor(models("image"))(tmp_path / "a.png", strict=False)[0]
    assert (one.label, one.probability, one.probabilities) == (
        None,
        None,
        {},
    ) and "cannot be read" in one.note


def test_what_is_unlike_the_training_data_gets_a_note(models):
    rng = np.random.default_rng(0)

    def noted(kind, inputs):
        return [
            one.note.count("unlike the training data: ") for one in Predictor(models(kind))(inputs)
        ]

    blank = [np.full((32, 32), grey, np.uint8) for grey in (0, 128, 255)]
    assert noted("image", blank + [rng.integers(0, 256, (32, 32), np.uint8)]) == [1] * 4
    silence, noise = np.zeros(RATE, np.float32), rng.normal(0, 0.1, RATE).astype(np.float32)
    assert noted("speech", [(silence, RATE), (noise, RATE)]) == [1] * 2
    texts = [
        "asdf qwer zxcv",
        "Der Film war leider sehr langweilig und viel zu lang.",
        "a fine film, and a sad one",
    ]
    assert noted("text", texts) == [1, 1, 0]
    row = Data.tabular("sample:breast_cancer").items[0]
    assert noted("tabular", [row, row | {"mean radius": 1400.0}]) == [0, 1]
    note = Predictor(models("tabular"))(row | {"mean radius": 1400.0})[0].note
    assert "unlike the training data: mean radius is 1400, its mean there 14." in note


def test_notes_survive_a_second_save_and_old_folders_load(models, tmp_path):
    model = load_model(models("text"))
    again = Predictor(model.save(tmp_path / "again"))
    assert "unlike" in again("asdf qwer zxcv")[0].note
    config = json.loads((tmp_path / "again" / "config.json").read_text())
    del config["ftkit"]["familiar"]
    (tmp_path / "again" / "config.json").write_text(json.dumps(config))
    (tmp_path / "again" / "familiar.safetensors").unlink()
    manifest = json.loads((tmp_path / "again" / "manifest.json").read_text())
    assert "familiar.safetensors" in manifest
    old = Predictor(tmp_path / "again", verify=False)
    assert (
        old("asdf qwer zxcv")[0].note == ""
        and old("asdf qwer zxcv")[0].probability == again("asdf qwer zxcv")[0].probability
    )


def test_columns_that_are_missing_named_alike_or_dangerous(models, tmp_path):
    frame = Data.tabular("sample:breast_cancer").items.frame.head(5)
    wide = frame.drop(columns=["mean area", "worst area"]).assign(note="=1+1", predicted="Müller")
    wide.to_csv(tmp_path / "in.csv", index=False, sep=";")
    r = ftkit("predict", models("tabular"), "in.csv", "--out", "out.csv", cwd=tmp_path)
    assert (
        r.returncode == 0
        and r.stderr.count(
            "in.csv has no column 'mean area', 'worst area', which the model was trained with (2"
            " of 30)"
        )
        == 1
    )
    assert "the inputs have a column 'note' already; ours is called 'note (ftkit)'" in r.stderr
    assert "5 cells begin with =, +, - or @" in r.stderr
    table = pd.read_csv(tmp_path / "out.csv", sep=";")
    assert list(table.columns) == [
        *wide.columns,
        "predicted (ftkit)",
        "p(benign)",
        "p(malignant)",
        "note (ftkit)",
    ]
    assert table["predicted"].tolist() == ["Müller"] * 5
    for words, said in (
        (["in.csv", "--out", "in.csv"], "which is one of the inputs"),
        (["in.csv", "--out", "out.doc"], "must end in .csv, .tsv"),
    ):
        r = ftkit("predict", models("tabular"), *words, cwd=tmp_path)
        assert r.returncode == 2 and said in r.stderr
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    r = ftkit("predict", models("tabular"), "in.csv", "--out", "mine.csv", cwd=tmp_path)
    assert (
        r.returncode == 2
        and "replace it: --force" in r.stderr
        and (tmp_path / "mine.csv").read_text() == "a,b\n1,2\n"
    )
    frame[["mean area"]].rename(columns={"mean area": "x"}).to_csv(tmp_path / "other.csv")
    r = ftkit("predict", models("tabular"), "other.csv", cwd=tmp_path)
    assert r.returncode == 2 and "which the model was trained with" in r.stderr


def test_a_threshold_for_stated_costs_is_kept_and_used(tmp_path):
    costs = [
        "run",
        "tabular",
        "-p",
        "models",
        '["ridge"]',
        "-p",
        "folds",
        "3",
        "-p",
        "baselines",
        "false",
        "-p",
        "miss_cost",
        "20",
    ]
    r = ftkit(*costs, cwd=tmp_path)
    assert (
        r.returncode == 2
        and (
            "'benign' or 'malignant'; name the one that is to be found: -p positive benign, or -p"
            " positive malignant"
        )
        in r.stderr
    )
    r = ftkit(*costs, "-p", "positive", "malignant", "--json", cwd=tmp_path)
    assert r.returncode == 0, r.stderr
    model = Path(json.loads(r.stdout)["model"])
    name, least = load_model(model).threshold
    assert name == "malignant" and least < 0.5
    assert (
        f"| threshold | malignant from a probability of {least:.4g}, by the costs stated |"
        in (model / "README.md").read_text()
    )
    data = Data.tabular("sample:breast_cancer")
    said = Predictor(model)(data.items.frame)
    for one in said:
        assert one.label == ("malignant" if one.probabilities["malignant"] >= least else "benign")
        assert one.probability == one.probabilities[one.label]
    assert any(one.probability < 0.5 for one in said)
