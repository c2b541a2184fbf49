"""The gate before training: what is planted is found, the original stays as it was, and the cleaned
copy is what the next run reads."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted import measured, plant

from ftkit.data.dataset import Data
from ftkit.reading.rows import DataError

BARS = {
    "stamps": {
        "exact": (1, 1),
        "near": (0.95, 0.95),
        "broken": (1, 1),
        "flipped": (0.7, 0.5),
        "outlier": (0.95, 0.95),
    },
    "digits": {"exact": (1, 1), "near": (0.95, 0.95), "broken": (1, 1), "flipped": (0.7, 0.5)},
    "movie": {"exact": (1, 1), "near": (0.95, 0.95), "personal": (0.95, 0.9)},
    "prompts-en": {"exact": (1, 1), "near": (0.95, 0.95), "broken": (1, 1)},
}


def told(*words, cwd, code=0):
    r = subprocess.run(
        [sys.executable, "-m", "ftkit", "check", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    assert r.returncode == code, r.stderr
    return r.stdout if not code else r.stderr


@pytest.mark.parametrize(
    "sample, limit, deep",
    [("movie", 1500, False), ("digits", None, True), ("prompts-en", None, False)],
)
def test_planted_faults_are_found(sample, limit, deep):
    found = measured(sample, 5, limit, deep)
    for fault, bars in BARS[sample].items():
        if fault in found and (deep or fault != "flipped"):
            assert found[fault][0] >= bars[0] and found[fault][1] >= bars[1], (fault, found[fault])


@pytest.mark.slow
@pytest.mark.parametrize("sample", BARS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planted_faults_are_found_in_whole_samples(sample, seed):
    found = measured(sample, seed)
    for fault, bars in BARS[sample].items():
        assert found[fault][0] >= bars[0] and found[fault][1] >= bars[1], (fault, found[fault])


def test_the_command_cleans_a_copy_and_leaves_the_original(tmp_path):
    (tmp_path / "in").mkdir()
    table, truth = plant("digits", tmp_path / "in", 3, 300)
    before = {
        p: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((tmp_path / "in").iterdir())
    }
    out = json.loads(
        told(
            table,
            "--fast",
            "--json",
            "--page",
            "found.html",
            "--fix",
            "drop,keep_one",
            "--out",
            "clean",
            cwd=tmp_path,
        )
    )
    assert out["counts"]["exact copies"]["findings"] >= len(truth["exact"]) and out["counts"][
        "unreadable"
    ]["findings"] == len(truth["broken"])
    assert {
        p: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((tmp_path / "in").iterdir())
    } == before
    page = (tmp_path / "found.html").read_text(encoding="utf-8")
    assert "exact copies" in page and "<script" not in page and "data:image" in page
    again = Data.image(tmp_path / "clean" / "labels.csv", near="as_is")
    changes = pd.read_csv(tmp_path / "clean" / "changes.csv")
    assert len(again) + (changes["what"] == "drop").sum() + len(truth["broken"]) == len(
        pd.read_csv(table)
    ) and len(set(again.hashes)) == len(again)
    left = json.loads(told(tmp_path / "clean" / "labels.csv", "--fast", "--json", cwd=tmp_path))[
        "counts"
    ]
    assert not left.keys() & {"exact copies", "unreadable", "near-duplicates"}
    assert "there already" in told(
        table, "--fast", "--fix", "drop", "--out", "clean", cwd=tmp_path, code=2
    )


def test_decisions_of_the_gate_are_applied_by_the_next_run(tmp_path):
    texts = [
        " ".join(
            "".join("aeioubdgklmnprst"[j] for j in np.random.default_rng([i, k]).integers(0, 16, 5))
            for k in range(9)
        )
        for i in range(36)
    ]
    pd.DataFrame(
        {"text": [*texts, texts[0].upper() + "!"], "label": ["a", "b"] * 18 + ["a"]}
    ).to_csv(tmp_path / "t.csv", index=False)
    told("t.csv", "--fast", "--fix", "keep_one", "--out", "decisions.csv", cwd=tmp_path)
    assert Path(tmp_path / "decisions.csv").read_text().count("drop") == len(texts) + 1 - len(
        Data.text(tmp_path / "t.csv", decisions=tmp_path / "decisions.csv")
    )


def test_wrong_use_is_told(tmp_path):
    assert "belong together" in told("sample:digits", "--fix", "drop", cwd=tmp_path, code=2)
    assert "there is no fix 'dorp'" in told(
        "sample:digits", "--fix", "dorp", "--out", "x", cwd=tmp_path, code=2
    )
    (tmp_path / "empty").mkdir()
    assert "say --kind" in told("empty", cwd=tmp_path, code=2)
    with pytest.raises(DataError, match="together, as_is"):
        Data.text((["a b c", "d e f"], ["x", "y"]), near="apart")


def test_a_condition_chooses_rows_of_the_table(tmp_path):
    texts = [
        " ".join(
            "".join("aeioubdgklmnprst"[j] for j in np.random.default_rng([i, k]).integers(0, 16, 5))
            for k in range(9)
        )
        for i in range(40)
    ]
    pd.DataFrame(
        {"text": texts, "label": ["a", "b"] * 20, "stars": list(range(39)) + ["?"]}
    ).to_csv(tmp_path / "t.csv", index=False)
    data = Data.text(tmp_path / "t.csv", where="stars >= 9 and label in ['a', 'b']")
    assert (
        len(data) == 30
        and data.notes[0] == "30 of 40 rows of t.csv are kept: stars >= 9 and label in ['a', 'b']"
        and data.fingerprint != Data.text(tmp_path / "t.csv").fingerprint
    )
    assert (
        json.loads(told("t.csv", "--fast", "--json", "--where", "stars >= 9", cwd=tmp_path))["rows"]
        == 30
    )
    assert "did you mean 'stars'" in told("t.csv", "--where", "star > 1", cwd=tmp_path, code=2)
    assert len(Data.speech("sample:prompts-en", "transcribe", where="text >= 'm'")) < len(
        Data.speech("sample:prompts-en", "transcribe")
    )
    with pytest.raises(DataError, match="chooses rows of a table"):
        Data.text((texts, ["a", "b"] * 20), where="stars > 1")
