"""The gate on plain and on odd data: what is merely plain is no copy, and nothing ends in a
traceback."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import plain
import pytest
import soundfile
from PIL import Image

from ftkit.core import fingerprint
from ftkit.data.dataset import Data
from ftkit.evaluation.comparison import compare_models
from ftkit.metrics.scores import multilabel_metrics
from ftkit.quality.checks import Seen
from ftkit.quality.gate import check
from ftkit.reading.near_duplicates import alike_sounds


def told(*words, cwd, code=0):
    line = [sys.executable, "-m", "ftkit", *map(str, words)]
    r = subprocess.run(line, cwd=cwd, capture_output=True, text=True)
    assert r.returncode == code, r.stderr[-2000:]
    assert "Traceback" not in r.stderr
    return r.stdout if not code else r.stderr


PLAIN = ["shapes", "letters", "icons", "charts", "takes", "tones", "words", "sentences", "rows"]


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_plain_is_no_copy(name):
    found = plain.measured(name, 5)
    assert found["a row"] <= 0.01 and found["dropped"] <= 0.01 * found["rows"], found


@pytest.mark.parametrize(
    "name", ["shapes", "letters", "icons", "charts", "takes", "tones", "sentences"]
)
def test_copies_among_what_is_plain_are_found(name):
    found = plain.measured(name, 6, 0.1)
    assert found["precision"] >= 0.95 and found["recall"] >= 0.7, found


def test_words_of_made_up_voices_are_no_copies():
    rng = np.random.default_rng(0)
    takes = [plain._formants(w, rng) for w in ("left", "right", "stop", "go") for _ in range(10)]
    sounds = [(t, 16000) for t in [*takes, 0.5 * takes[0], takes[7][400:]]]
    pairs = alike_sounds(sounds, [fingerprint(s[0].tolist()) for s in sounds])[0]
    assert {(0, 40), (7, 41)} <= {tuple(p) for p in pairs.tolist()} and len(pairs) <= 3


def test_where_many_rows_are_alike_no_fix_takes_them(tmp_path):
    first = Image.effect_noise((64, 64), 60)
    for k in range(30):  # the frames of a film
        at = (k % 5, k % 3)
        frame = first.crop((*at, at[0] + 58, at[1] + 58)).resize((64, 64))
        (tmp_path / "in" / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        frame.point(lambda v, k=k: min(255, v + k // 3)).save(
            tmp_path / "in" / "ab"[k % 2] / f"{k}.png"
        )
    found = check(Data.image(tmp_path / "in", near="as_is"), deep=False)
    near = [f for f in found.findings if f.what in ("near-duplicates", "copies that disagree")]
    assert near and {f.fix for f in near} == {"flag"} and not found.decisions(("keep_one",))


def _pictures(folder: Path, how: str) -> Path:
    rng = np.random.default_rng(0)
    for k in range(24):
        level = {"dark": k % 2, "white": 255, "grey": 128}.get(how)
        a = np.full((40, 40, 3), level or 0, np.uint8)
        if level is None:
            a = rng.integers(
                0, 256, (1, 1 + k, 3) if how == "lines" else (40, 40, 3), dtype=np.uint8
            )
        (folder / "in" / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(a).save(folder / "in" / "ab"[k % 2] / f"{k}.png")
    return folder / "in"


@pytest.mark.parametrize("how", ["dark", "white", "grey", "lines", "noise"])
def test_odd_pictures_are_checked(how, tmp_path, monkeypatch):
    values = np.zeros if how in ("dark", "white") else np.random.default_rng(0).random
    monkeypatch.setattr(
        Seen, "features", lambda self: values((len(self.data), 8)).astype(np.float32)
    )
    found = check(Data.image(_pictures(tmp_path, how), near="as_is"))
    assert how != "dark" or "near-duplicates" not in found.counts()  # they are told to be empty
    assert how not in ("dark", "white") or len(found.of("empty picture")) == 24
    assert not any("Error" in n for n in found.notes) and found._repr_html_()


LABELS = {
    "halves": lambda n: ["a"] * (n // 2) + ["b"] * (n - n // 2),
    "one": lambda n: ["a"] * (n - 1) + ["b"],
    "each": lambda n: [f"c{i}" for i in range(n)],
    "numbers": lambda n: [i + 0.5 for i in range(n)],
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("texts", ["same", "block", "marks", "words"])
def test_odd_texts_are_checked(texts, labels, tmp_path, monkeypatch):
    n = 28
    rows = {
        "same": ["thank you very much for your help today"] * n,
        "block": (
            ["thank you very much for your help today"] * 14
            + [f"w{i} x{i * 7} y" for i in range(14)]
        ),
        "marks": ["?!"] * n,
        "words": [f"w{i}" for i in range(n)],
    }[texts]
    monkeypatch.setattr(Seen, "features", lambda self: np.eye(len(self.data), 40, dtype=np.float32))
    data = Data.text((rows, LABELS[labels](n)), near="as_is")
    found = check(data)
    assert not any("Error" in note for note in found.notes) and found._repr_html_()


@pytest.mark.parametrize("labels", LABELS)
def test_odd_tables_are_checked(labels, tmp_path):
    n = 28
    table = pd.DataFrame(
        {"x": [1.5] * 14 + list(range(14)), "same": 1, "none": None, "mark": ["u", None] * 14}
    )
    table.assign(label=LABELS[labels](n)).to_csv(tmp_path / "t.csv", index=False)
    from ftkit.data.dataset import Data as Tables

    found = check(Tables.tabular(tmp_path / "t.csv", label="label"))
    assert not any("Error" in note for note in found.notes) and found._repr_html_()


def test_a_missing_category_stays_missing(tmp_path):
    rng = np.random.default_rng(0)
    country = ["ZA"] * 20 + ["DE"] * 12 + [""] * 8
    age = [str(v) if i % 5 else "" for i, v in enumerate(rng.integers(20, 60, 40))]
    table = pd.DataFrame({"country": country, "age": age, "weight": rng.normal(70, 9, 40).round(1)})
    table.assign(label=["y", "n"] * 20).to_csv(tmp_path / "t.csv", index=False)
    out = told("check", "t.csv", "--fast", "--fix", "impute", "--out", "clean", cwd=tmp_path)
    clean = pd.read_csv(tmp_path / "clean" / "table.csv", keep_default_na=False)
    assert clean["country"].tolist() == country and "" not in set(clean["age"].astype(str))
    assert set(pd.read_csv(tmp_path / "clean" / "changes.csv")["what"]) == {"impute"}
    assert (
        "ftkit run tabular -p data clean/table.csv -p label_column label -p split_column split"
        in out
    )


def _next(out: str) -> list[str]:
    "The words of the command that a check names as the next one."
    return next(line for line in out.splitlines() if "next:" in line).partition("ftkit ")[2].split()


@pytest.mark.parametrize("kind", ["image", "speech", "text", "tabular"])
def test_from_check_to_run(kind, tmp_path):
    rng = np.random.default_rng(0)
    for k in range(30):
        folder = tmp_path / "in" / "ab"[k % 2]
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "image":
            small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            small.resize((48, 48)).save(folder / f"{k}.png")
        if kind == "speech":
            soundfile.write(folder / f"{k}.wav", rng.normal(0, 0.1, 8000), 16000)
    if kind in ("image", "speech"):
        first = next((tmp_path / "in" / "a").iterdir())
        (first.parent / f"copy{first.suffix}").write_bytes(first.read_bytes())
    texts = [" ".join(rng.choice(list("abcdefghijklmnop"), 9)) for _ in range(30)]
    if kind == "text":
        rows = {"text": texts + texts[:1], "label": ["a", "b"] * 15 + ["a"]}
        pd.DataFrame(rows).to_csv(tmp_path / "in.csv", index=False)
    if kind == "tabular":
        rows = {f"x{k}": rng.normal(size=30) for k in range(4)} | {"label": ["a", "b"] * 15}
        table = pd.DataFrame(rows)
        pd.concat([table, table.iloc[:1]]).to_csv(tmp_path / "in.csv", index=False)
    source = "in" if kind in ("image", "speech") else "in.csv"
    out = told("check", source, "--fast", "--fix", "keep_one", "--out", "clean", cwd=tmp_path)
    command = _next(out)
    assert command[:2] == ["run", kind] and ("clean" in command or kind in ("text", "tabular"))
    assert kind != "image" or command == ["run", "image", "-p", "data", "clean"]
    given = {command[i + 1]: command[i + 2] for i, w in enumerate(command) if w == "-p"}
    from ftkit.data.dataset import Data as Tables

    named = {"label_column": "label", "split_column": "split", "task": "task"}
    more = {named[k]: v for k, v in given.items() if k != "data"}
    reader = Tables.tabular if kind == "tabular" else getattr(Data, kind)
    again = reader(str(tmp_path / given["data"]), **more)
    assert len(again) == 30 and again.task.classes == ("a", "b")


def test_labels_that_the_test_lacks_are_named_and_left_out():
    texts = [f"w{i} x{i * i} y{i % 7}" for i in range(83)]
    labels = ["late", "wrong"] * 40 + ["urgent"] * 3
    parts = ["train"] * 60 + ["test"] * 20 + ["train"] * 3
    data = Data.text(pd.DataFrame({"text": texts, "label": labels, "part": parts}), split="part")
    assert any("1 class has no test row (urgent)" in n for n in data.notes)
    y = np.tile([[1, 0, 0, 0], [0, 1, 0, 0]], (20, 1))
    assert multilabel_metrics(y, y * 0.9, list("abcd"))["f1_macro"].value == 1


def test_few_groups_make_fewer_folds(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 2)).round(3)
    table = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "ill": np.where(x[:, 0] > 0, "yes", "no")})
    table["site"] = [f"S{i % 4}" for i in range(90)]
    table.to_csv(tmp_path / "t.csv", index=False)
    from ftkit.data.dataset import Data as Tables

    data = Tables.tabular(tmp_path / "t.csv", label="ill", group="site")
    found = compare_models(data, ["dummy", "decision_tree"])
    assert found.k < 5 and "not 5: there are" in found.summary
    for row in found.rows:
        assert row["interval"].low <= row["score"] <= row["interval"].high
    table["site"] = "S0"
    table.to_csv(tmp_path / "one.csv", index=False)
    words = ["-p", "data", "one.csv", "-p", "label_column", "ill", "-p", "group_column", "site"]
    assert "all 90 rows are of one group" in told(
        "run", "tabular", *words, "--dry-run", cwd=tmp_path, code=2
    )


def test_an_estimate_lies_inside_its_interval():
    rng = np.random.default_rng(3)
    groups = ["large"] * 45 + ["b"] * 9 + ["c"] * 6
    frame = pd.DataFrame(
        {"x": rng.normal(size=60), "group": groups, "label": rng.choice(["p", "n"], 60)}
    )
    data = Data.tabular(frame, group="group")
    folds = data.folds(3)
    assert all(len(f.test) and len(f.train) for f in folds)
    found = compare_models(data, ["dummy", "decision_tree", "ridge"], k=3)
    for row in found.rows:
        assert row["interval"].low <= row["score"] <= row["interval"].high, row


@pytest.mark.parametrize("kind", ["text", "tabular"])
def test_a_cleaned_folder_is_data_of_the_next_run(tmp_path, kind):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefgh"), 9)) + f" {i}" for i in range(60)]
    frame = pd.DataFrame(
        {"text": texts, "x": rng.normal(size=60).round(3), "label": ["p", "n"] * 30}
    )
    pd.concat([frame, frame.head(3)]).to_csv(tmp_path / "t.csv", index=False)
    read = {"text": Data.text, "tabular": lambda source: Data.tabular(source, leave_out=("text",))}[
        kind
    ]
    data = read(tmp_path / "t.csv")
    check(data, deep=False).clean(tmp_path / "clean", ("drop", "keep_one"))
    again = read(tmp_path / "clean")
    stay = np.isin(data.hashes, again.hashes) if kind == "tabular" else np.arange(63) < 60
    assert (
        again.task.classes == ("n", "p")
        and len(again) == stay.sum() == {"text": 60, "tabular": 63}[kind]
    )
    assert (again.parts == data.parts[stay]).mean() > 0.9  # of equal rows a test row is kept


def test_the_gate_says_json_of_odd_data(tmp_path):
    pd.DataFrame({"text": ["same"] * 12, "label": ["a", "b"] * 6}).to_csv(
        tmp_path / "t.csv", index=False
    )
    out = json.loads(told("check", "t.csv", "--fast", "--json", cwd=tmp_path))
    assert out["counts"]["copies that disagree"]["fix"] == "flag"
