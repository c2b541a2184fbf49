"""Texts as a person has them: odd files, odd labels, a run of the template, predictions from the
command line."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ftkit import Data
from ftkit.reading.rows import DataError
from ftkit.runfolder import read_events

GOOD = [
    f"Film number {i} was {'a joy from start to end' if i % 2 else 'a waste of an evening'}"
    for i in range(40)
]
LABELS = [["bad", "good"][i % 2] for i in range(40)]
QUICK = [
    "-p",
    "limit",
    "240",
    "-p",
    "epochs",
    "1",
    "-p",
    "head_epochs",
    "10",
    "-p",
    "max_length",
    "48",
]


def ftkit(*args, cwd, given=None, **env):
    return subprocess.run(
        [sys.executable, "-m", "ftkit", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        input=given,
        env=os.environ | {k: str(v) for k, v in env.items()},
        timeout=600,
    )


def table(path, texts=GOOD, labels=LABELS, encoding="utf-8", **more):
    pd.DataFrame({"text": texts, "label": labels} | more).to_csv(
        path, index=False, encoding=encoding
    )
    return path


def refused(*parts, **given) -> str:
    "The one-line message of the refusal, which must hold all of `parts`."
    with pytest.raises(DataError) as e:
        Data.text(**given)
    said = str(e.value)
    assert "\n" not in said and all(p in said for p in parts), said
    return said


# ---------------------------------------------------------------- data that cannot be used, or only
# with a word about it


def test_missing_columns(tmp_path):
    t = table(tmp_path / "t.csv")
    refused("no column 'review'; its columns are text, label", source=t, text="review")
    refused("no column 'labl'", "did you mean 'label'", source=t, label="labl")
    t.write_text("a,b\n1,2\n")
    refused(
        "has no column called text, sentence, review, comment", "its columns are a, b", source=t
    )


def test_one_class(tmp_path):
    refused(
        "all 40 rows have the same label 'good'; there must be at least two classes",
        source=table(tmp_path / "t.csv", labels=["good"] * 40),
    )


def test_many_empty_texts(tmp_path):
    t = table(tmp_path / "t.csv", ["" if i % 10 < 3 else x for i, x in enumerate(GOOD)])
    refused("12 of 40 texts are empty (first: row 1)", "-p skip_bad true", source=t)
    data = Data.text(t, skip_bad=True)
    assert len(data) == 28 and "12 empty texts were left out" in data.notes
    refused("all 40 texts are empty", source=table(tmp_path / "e.csv", [" "] * 40))


def test_a_label_with_one_example_is_told_and_stays_in_training(tmp_path):
    data = Data.text(table(tmp_path / "t.csv", labels=["lonely", *LABELS[1:]]))
    assert any("fewer than 10 examples: lonely (1)" in n for n in data.notes)
    assert data.parts[0] == "train"


def test_mixed_encodings(tmp_path):
    lines = ["text,label"] + [f"schöner Film Nummer {i},{'ab'[i % 2]}" for i in range(30)]
    raw = [line.encode("latin-1" if i in (5, 9) else "utf-8") for i, line in enumerate(lines)]
    (tmp_path / "t.csv").write_bytes(b"\n".join(raw))
    refused("t.csv", "6", "10", "skip_bad", source=tmp_path / "t.csv")
    data = Data.text(tmp_path / "t.csv", skip_bad=True)
    assert len(data) == 28 and any("left out" in n for n in data.notes)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_encodings_are_found_out(encoding, tmp_path):
    texts = [f"第{i}部电影真的很好看，演员的表演也非常好，我会推荐给朋友们" for i in range(40)]
    data = Data.text(table(tmp_path / "t.csv", texts, encoding=encoding))
    assert data.items == texts and data.chinese
    assert encoding == "utf-8-sig" or any("was read as" in n for n in data.notes)


def test_a_text_of_200000_characters(tmp_path):
    from ftkit import Model

    data = Data.text(table(tmp_path / "t.csv", ["endless words " * 14_300, *GOOD[1:]]))
    model = Model("static:all-MiniLM-L6-v2", data.task).bind(data)
    assert any("1 of 40 texts are longer than 256 tokens and were cut" in n for n in model.notes)
    assert model.predict(data.rows([0])).shape == (1, 2)
    windows = Model("static:all-MiniLM-L6-v2", data.task, windows=8).bind(data)
    assert windows.backbone.inputs(data).units([0]) == 8


def test_whole_numbers_with_a_point_are_classes(tmp_path):
    data = Data.text(table(tmp_path / "t.csv", labels=[f"{1 + i % 3}.0" for i in range(40)]))
    assert data.task.classes == ("1", "2", "3") and any(
        "-p kind regression" in note for note in data.notes
    )
    assert Data.text(tmp_path / "t.csv", kind="regression").task.kind == "regression"
    (
        pd.DataFrame({"text": GOOD, "label": [1.0 + i % 2 for i in range(40)]}).to_excel(
            tmp_path / "t.xlsx", index=False
        )
        if _writes_excel()
        else None
    )
    if (tmp_path / "t.xlsx").exists():
        assert Data.text(tmp_path / "t.xlsx").task.classes == ("1", "2")


def _writes_excel():
    import importlib.util

    return any(importlib.util.find_spec(n) for n in ("openpyxl", "xlsxwriter"))


def test_the_same_text_in_test_and_training_is_told():
    data = Data.text((GOOD * 2, LABELS * 2))
    assert (
        any("are the same as a training or validation row, or nearly so" in n for n in data.notes)
        and data.leaked(data.test).any()
    )
    different = [
        " ".join(
            "".join("aeioubdgklmnprst"[j] for j in np.random.default_rng([i, k]).integers(0, 16, 5))
            for k in range(9)
        )
        for i in range(40)
    ]
    once = Data.text(
        (different + [different[0].upper() + "!"], LABELS[:1] * 20 + LABELS[1:2] * 20 + LABELS[:1]),
        test=0.4,
    )
    assert not once.leaked(once.test).any() and once.parts[0] == once.parts[-1], (
        "a few copies are moved to where their twins are"
    )


# ---------------------------------------------------------------- the template


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("a person's folder")


@pytest.fixture(scope="module")
def run(home, request):
    "One run with everything on: cleaning, facts, augmentation with neighbours."
    from ftkit.core import cache_folder

    (home / "cache").mkdir()
    os.symlink(cache_folder("samples"), home / "cache" / "samples")
    os.environ["FTKIT_CACHE"] = str(home / "cache")
    request.addfinalizer(lambda: os.environ.pop("FTKIT_CACHE"))
    (home / "facts.csv").write_text("term,fact\nhollywood,where American films are made\n")
    r = ftkit(
        "run",
        "text",
        *QUICK,
        "-p",
        "augment",
        "strong",
        "-p",
        "knowledge",
        home / "facts.csv",
        "-p",
        "clean",
        '["html", "lower", "whitespace"]',
        "--json",
        cwd=home,
    )
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


def test_a_run_leaves_everything_a_person_needs(run):
    folder = Path(run["report"]).parent
    for name in (
        "notebook.ipynb",
        "report.html",
        "metrics.json",
        "predictions.csv",
        "model/model.safetensors",
        "model/tokenizer.json",
        "model/README.md",
    ):
        assert (folder / name).is_file(), name
    m = json.loads((folder / "metrics.json").read_text())
    assert {
        "majority",
        "tf-idf + linear",
        "frozen backbone + linear",
        "frozen backbone + linear, without facts",
    } == set(m["baselines"])
    assert (
        m["worst"]
        and m["examples"]
        and "better than" in m["verdict"]["sentence"]
        and any("facts put behind the texts" in n for n in m["notes"])
    )
    assert (
        "of the tokens in batches of like length" in run["facts"]["padding"]
        and run["facts"]["peak_memory"]
    )
    page = (folder / "report.html").read_text()
    assert "<mark " in page and "Orange speaks for the predicted class" in page
    assert json.loads((folder / "model" / "preprocess.json").read_text())["knowledge"] == [
        ["hollywood", "where American films are made"]
    ]


def test_the_model_folder_loads_with_transformers_and_holds_no_pickle(run):
    from transformers import AutoModel, AutoTokenizer

    folder = Path(run["model"])
    assert not [p for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pkl", ".joblib")]
    assert (
        AutoModel.from_pretrained(folder).config.hidden_size == 384
        and AutoTokenizer.from_pretrained(folder).is_fast
    )


def test_predict_equals_the_notebook_to_the_last_bit_alone_and_among_others(run, home):
    rows = list(csv.DictReader(open(Path(run["report"]).parent / "predictions.csv")))
    names = [k for k in rows[0] if k.startswith("p(")]
    said = json.loads(
        ftkit("predict", run["id"], *[r["item"] for r in rows[:30]], "--json", cwd=home).stdout
    )
    for r, s in zip(rows, said):
        assert list(s["probabilities"].values()) == [float(r[n]) for n in names]
    alone = json.loads(ftkit("predict", run["id"], rows[7]["item"], "--json", cwd=home).stdout)[0]
    assert alone["probabilities"] == said[7]["probabilities"]


def test_predict_reads_files_tables_and_standard_input(run, home):
    (home / "one.txt").write_text("a fine film")
    table(home / "many.csv", GOOD[:3], LABELS[:3])
    out = ftkit("predict", run["id"], "one.txt", "many.csv", "a fine film", cwd=home)
    lines = out.stdout.splitlines()
    assert out.returncode == 0 and len(lines) == 5, out.stderr
    assert lines[0].split("\t")[1:] == lines[4].split("\t")[1:] and lines[1].startswith(
        "many.csv:1\t"
    )
    assert (
        len(ftkit("predict", run["id"], "-", cwd=home, given="one\ntwo\n").stdout.splitlines()) == 2
    )


def told_before_training(home, words):
    """Whether the newest run's notes say so before its training begins, also where features come
    from the cache."""
    run = json.loads(ftkit("show", "last", "--json", cwd=home).stdout)
    events = read_events(Path(run["notebook"]).parent)[0]
    fit = next(k for k, e in enumerate(events) if e["stage"] == "fit")
    return any(e["stage"] == "note" and words in e["text"] for e in events[:fit])


def test_a_body_that_does_not_know_the_language_is_told_first(home, tmp_path):
    t = table(
        tmp_path / "t.csv", [f"第{i}部电影真的很{'好看' if i % 2 else '难看'}" for i in range(40)]
    )
    r = ftkit("run", "text", "-p", "data", t, *QUICK, "-p", "freeze", "backbone", cwd=home)
    assert r.returncode == 0 and "multilingual-e5-small" in r.stderr
    assert told_before_training(home, "does not know")


def test_german_on_an_english_backbone_is_told_first_and_in_the_report(home, tmp_path):
    verbs = "gehen bleiben arbeiten schlafen lachen singen warten reden".split()
    texts = [
        f"Ich kann heute {'nicht' if i % 2 else 'sehr gut'} {verbs[i % 8]}, und das ist Nummer {i}."
        for i in range(40)
    ]
    t = table(tmp_path / "t.csv", texts)
    r = ftkit("run", "text", "-p", "data", t, *QUICK, "-p", "freeze", "backbone", cwd=home)
    assert r.returncode == 0
    assert told_before_training(home, "in another language than English, most of them in German")
    assert "-p backbone multilingual-e5-small" in r.stderr
    report = json.loads(ftkit("show", "last", "--json", cwd=home).stdout)
    assert "most of them in German" in json.dumps(report)


@pytest.mark.parametrize(
    "given, says",
    [
        (
            ["-p", "backbone", "efficientnet_lite0"],
            "reads pictures and the data are texts; choose all-MiniLM-L6-v2",
        ),
        (["-p", "clean", '["htlm"]'], "clean was given"),
        (
            ["-p", "knowledge", "nowhere.csv"],
            "no such file; knowledge is a CSV with the columns term and fact",
        ),
        (["-p", "data", "sample:movies"], "there is no sample 'movies'"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(given, says, home):
    r = ftkit("run", "text", *QUICK, *given, cwd=home)
    assert r.returncode == 2 and says in r.stderr and "Traceback" not in r.stderr, r.stderr


def test_the_static_body_and_windows_run(home):
    r = ftkit(
        "run",
        "text",
        *QUICK,
        "-p",
        "backbone",
        "static:all-MiniLM-L6-v2",
        "-p",
        "windows",
        "2",
        "-p",
        "max_length",
        "16",
        "-p",
        "label_column",
        "rating",
        "--json",
        cwd=home,
    )
    assert r.returncode == 0, r.stderr
    assert json.loads(r.stdout)["metric"] and np.isfinite(json.loads(r.stdout)["value"]["value"])
