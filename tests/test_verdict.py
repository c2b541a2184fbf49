"""The first line: what a person reads of a run, wherever it is shown; six planted faults, and the
same words everywhere."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ftkit.data.dataset import Data as Pictures
from ftkit.metrics.scores import Figure, share_interval
from ftkit.runfolder import verdict_lines
from ftkit.runs.compare import compare_runs


def ftkit(*words, cwd):
    "Output of the command line; it must succeed."
    environment = os.environ | {"FTKIT_RUNS": str(cwd / "runs")}
    command = [sys.executable, "-m", "ftkit", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def customers(n=400, seed=0, noise=1.0):
    "A table in which age tells something of who left."
    rng = np.random.default_rng(seed)
    age, visits = rng.integers(18, 80, n), rng.poisson(5, n)
    left = age + 10 * noise * rng.normal(size=n) > 60
    return pd.DataFrame({"age": age, "visits": visits, "left": np.where(left, "yes", "no")})


def leak(folder):
    table = customers()
    days = pd.date_range("2026-01-01", periods=len(table)).strftime("%Y-%m-%d")
    table["cancelled_on"] = np.where(table["left"] == "yes", days, None)
    table.to_csv(folder / "data.csv", index=False)
    return "tabular", ["-p", "label_column", "left"]


def copies(folder):
    table = customers()
    for k in range(5):
        table[f"price {k}"] = np.random.default_rng(k).normal(size=len(table)).round(4)
    table["part"] = np.where(np.arange(400) < 280, "train", "test")
    again = table.iloc[:40].assign(part="test")
    pd.concat([table, again]).to_csv(folder / "data.csv", index=False)
    return "tabular", ["-p", "label_column", "left", "-p", "split_column", "part"]


def never_predicted(folder):
    table = customers()
    table.loc[::40, "left"] = "perhaps"
    table.to_csv(folder / "data.csv", index=False)
    return "tabular", ["-p", "label_column", "left", "-p", "test", "0.3"]


def better_simple_model(folder):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 3))
    y = np.where(x @ [1, -2, 1] > 0, "up", "down")
    pd.DataFrame(x, columns=list("abc")).assign(way=y).to_csv(folder / "data.csv", index=False)
    return "tabular", [
        "-p",
        "label_column",
        "way",
        "-p",
        "model",
        "decision_tree",
        "-p",
        "test",
        "0.3",
    ]


def few_rows(folder):
    customers(300, noise=0.3).to_csv(folder / "data.csv", index=False)
    return "tabular", ["-p", "label_column", "left"]


def personal(folder):
    "Letters, some with an address."
    good = ["thank you so much", "what a lovely film", "great and kind"]
    bad = ["a dull film", "never again", "rude and slow"]
    rows = [
        (f"{t}, number {k}" + f", write to ann{k}@example.org" * (k % 3 == 0), v)
        for k in range(50)
        for v, ts in (("good", good), ("bad", bad))
        for t in ts
    ]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(folder / "data.csv", index=False)
    return "text", [
        "-p",
        "backbone",
        "static:all-MiniLM-L6-v2",
        "-p",
        "freeze",
        "backbone",
        "-p",
        "near_duplicates",
        "as_is",
    ]


CASES = {
    leak: (
        "leak",
        (
            "the accuracy says nothing about new rows: the column 'cancelled_on' alone tells 100%"
            " of left"
        ),
    ),
    copies: ("copies", " on 120 test rows that are no copies of training rows"),
    never_predicted: ("class never predicted", "accuracy 0."),
    better_simple_model: ("simpler model", "worse than ridge (0.99)"),
    few_rows: ("few rows", " on 45 test rows, "),
    personal: ("personal data", "accuracy "),
}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_the_first_line_is_the_same_everywhere(tmp_path, make):
    template, choices = make(tmp_path)
    if template == "tabular":
        choices += ["-p", "models", '["dummy", "ridge", "decision_tree"]', "-p", "folds", "2"]
    console = ftkit("run", template, "-p", "data", "data.csv", *choices, cwd=tmp_path)
    run = next((tmp_path / "runs").glob("2*"))
    metrics = json.loads((run / "metrics.json").read_text())
    first, *doubts = verdict_lines(metrics["verdict"])
    name, within = CASES[make]
    assert within in first and first == metrics["verdict"]["sentence"]
    assert name in [d["name"] for d in metrics["verdict"]["doubts"]]
    assert list(metrics)[0] == "verdict"

    # console and show: the line under the status, then the doubts
    for said in (console, ftkit("show", "last", cwd=tmp_path)):
        lines = [line.strip() for line in said.splitlines()]
        assert lines[1] == first and lines[2 : 2 + len(doubts)] == doubts
    shown = json.loads(ftkit("show", "last", "--json", cwd=tmp_path))
    assert shown["verdict"]["sentence"] == first

    # report, model card, notebook, comparison
    page = (run / "report.html").read_text()
    assert html.unescape(re.search(r"<p class='big'><strong>(.*?)</strong>", page)[1]) == first
    assert page.index("class='big'") < page.index("<nav")
    card = (run / "model" / "README.md").read_text().split("\n\n")
    assert card[2] == first and card[3 : 3 + len(doubts)] == doubts
    notebook = json.loads((run / "notebook.ipynb").read_text())
    outputs = [o for c in notebook["cells"] if c["cell_type"] == "code" for o in c["outputs"]]
    texts = ["".join(o["data"].get("text/plain", "")) for o in outputs if "data" in o]
    assert any(text.startswith(first) for text in texts)
    assert compare_runs([run, run]).table()[0][run.name] == first

    # a table of runs names the doubts, and shows no figure that says nothing
    row = ftkit("runs", cwd=tmp_path).splitlines()[1]
    assert name in row
    if metrics["verdict"]["voided"]:
        assert not re.search(r"[01]\.\d", first) and not re.search(r" [01]\.\d+ ", row)


def test_intervals_of_shares_hold_by_simulation():
    rng = np.random.default_rng(0)
    for n in (5, 8, 12, 20, 30, 50, 100, 200, 300):
        low, high = share_interval(np.arange(n + 1), n)
        held = []
        for true in np.linspace(0.5, 0.99, 50):
            k = rng.binomial(n, true, 20_000)
            held.append(((low[k] <= true) & (true <= high[k])).mean())
        assert min(held) > 0.90 and 0.94 <= np.mean(held) <= 0.98, (n, min(held), np.mean(held))


def test_a_perfect_score_on_few_rows_has_a_width():
    low, high = share_interval(5, 5)
    assert str(Figure(1.0, float(low), float(high), 5)) == "1.00 (0.55–1.00)"


def test_a_figure_without_a_verdict_is_still_shown(tmp_path):
    "A notebook of one's own gives a dict of metrics and no verdict."
    cells = [
        {
            "cell_type": "code",
            "id": "a",
            "metadata": {"tags": ["parameters"]},
            "source": "n: int = 3",
            "outputs": [],
            "execution_count": None,
        },
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {"tags": ["metrics"]},
            "source": "{'score': n / 4}",
            "outputs": [],
            "execution_count": None,
        },
    ]
    Path(tmp_path / "own.ipynb").write_text(
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
    said = ftkit("run", "own.ipynb", cwd=tmp_path)
    assert said.splitlines()[1].strip() == "score 0.75"


def test_a_split_of_ones_own_without_test_rows_says_nothing(tmp_path):
    "Figures of rows that the model has seen stand in no headline."
    rng = np.random.default_rng(0)
    for k in range(60):
        folder = tmp_path / "pictures" / ("a" if k % 2 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        picture = rng.integers(0, 120, (16, 16, 3), np.uint8) + (120 if k % 2 else 0)
        from PIL import Image

        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{k}.png")
    from ftkit import Model, Trainer, evaluate

    data = Pictures.image(str(tmp_path / "pictures"), test=0, valid=0.3)
    model = Trainer(Model("small:cnn", data.task), data, epochs=1, head_epochs=0).fit().model
    report = evaluate(model, data.held_out, with_baselines=False)
    assert report.verdict.voided and "there are no test rows" in report.verdict.sentence
    assert not re.search(r"\d\.\d", report.verdict.sentence)
