"""Labels that are formulas, markup or commands elsewhere are text in figures, reports, cards and
tables."""

import json
import re
import warnings

import matplotlib
import matplotlib.pyplot
import numpy as np
import pytest

matplotlib.use("agg")

LABELS = [
    "$$",
    "$",
    r"$\frac{",
    "$x_1$ and $",
    "_x_{",
    "_",
    "two\nlines",
    "<b>bold</b>",
    "<script>alert(1)</script>",
    "%s",
    "%(x)d",
    "a" * 10_000,
    "\u202egnp.exe",
    "nul\x00",
    "\x1b[2J\x1b]0;title\x07",
    "",
    "🙂👩‍👩‍👧",
    "half \ud800",
    "{0}",
    "\\",
    "\\n",
    "%",
    "&amp;",
    "]]>",
    "-->",
    "'\"`",
    "\r",
    "́" * 50,
    "漢字",
    "العربية",
]
KNOWN = [x for x in LABELS if x.strip() and "\ud800" not in x]  # what can be a class at all


def drawn(figure) -> None:
    "Drawn, as PNG and SVG, with every text of it."
    import io

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glyphs that no font has
        for kind in ("png", "svg"):
            figure.savefig(io.BytesIO(), format=kind, dpi=40)
    matplotlib.pyplot.close(figure)
    for text in figure.findobj(matplotlib.text.Text):
        assert not any(
            ord(c) < 32 and c != "\n" or c in "\u202e\x7f" or 0xD800 <= ord(c) < 0xE000
            for c in text.get_text()
        ), text.get_text()


def pictures(labels):
    from ftkit import Data

    r = np.random.default_rng(0)
    return Data.image(
        (
            list(r.integers(0, 255, (6 * len(labels), 8, 8), np.uint8)),
            [x for x in labels for _ in range(6)],
        )
    )


@pytest.mark.parametrize("label", LABELS)
def test_each_label_is_text_in_figures_of_figures(label):
    from ftkit.data.images import show_pictures
    from ftkit.evaluation.figures import confusion_matrix
    from ftkit.metrics.scores import Figure
    from ftkit.metrics.transcripts import show_error_by

    drawn(confusion_matrix(np.array([[3, 1], [0, 2]]), (label, "other")))
    drawn(show_pictures([np.zeros((4, 4), np.uint8)] * 2, [label, f"{label} → x"]))
    figure = Figure(0.5, 0.4, 0.6, 10)
    drawn(show_error_by({label: {label: figure, "b": figure}, "x": {label: figure}}, label))


def test_all_labels_together(tmp_path, monkeypatch):
    from ftkit import evaluate
    from ftkit.models.artifact import Predictor
    from ftkit.models.model import Model

    monkeypatch.setenv("FTKIT_CACHE", str(tmp_path / "cache"))
    data = pictures(KNOWN)
    drawn(data.show_counts())
    model = Model("small:cnn:8", data.task, size=16).bind(data)
    report = evaluate(model, data.test)
    for figure in (report.confusion(), report.calibration(), report.worst(4)):
        if figure is not None and hasattr(figure, "savefig"):
            drawn(figure)
    page = report._repr_html_()
    assert "<script>alert" not in page and "<b>bold" not in page
    assert not re.search("[\x00\x07\x1b]", page)
    folder = model.save(tmp_path / "m", report)
    card = (folder / "README.md").read_text()
    assert "\x1b" not in card and "<script>alert" not in card
    assert len(Predictor(folder)([data.items[0]])) == 1


def test_columns_and_levels_of_a_table(tmp_path, monkeypatch):
    import pandas as pd

    from ftkit import Classical, Data, evaluate
    from ftkit.evaluation.tables import show_dependence, show_importance, show_tree

    monkeypatch.setenv("FTKIT_CACHE", str(tmp_path / "cache"))
    r = np.random.default_rng(0)
    names = [n for n in dict.fromkeys(" ".join(x.split()) for x in KNOWN) if len(n) < 100][:12]
    frame = pd.DataFrame({n: r.normal(size=120) for n in names[:6]})
    for n in names[6:]:
        frame[n] = r.choice(["$\\frac{", "_x_{", "<b>", "two\nlines", "\x1b[2J"], 120)
    frame["$target_{"] = np.where(frame.iloc[:, 0] > 0, "$$", "_no_{")
    data = Data.tabular(frame, label="$target_{")
    model = Classical("decision_tree", data.task).fit(data)
    drawn(show_dependence(model, data.test))
    drawn(show_tree(model, data.test))
    drawn(
        show_importance(pd.DataFrame({"column": names, "importance": 0.1, "spread": 0.01}), "$x_{")
    )
    report = evaluate(model, data.test)
    drawn(report.confusion())


def test_reports_of_runs(tmp_path):
    from ftkit.runs.report import curves, write_report

    folder = tmp_path / "20261123T000000Z-image-abcdef"
    folder.mkdir()
    figure = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50}
    (folder / "run.json").write_text(
        json.dumps(
            {
                "schema": 1,
                "status": "completed",
                "template": {"name": "image"},
                "parameters": {"data": "\x1b[2J$$"},
                "created": 1.0,
            }
        )
    )
    rows = [
        {"class": x, "support": 5, "precision": figure, "recall": figure, "f1": figure}
        for x in LABELS
    ]
    (folder / "metrics.json").write_text(
        json.dumps(
            {
                "headline": "accuracy",
                "rows": 50,
                "figures": {"test": {"accuracy": figure}},
                "notes": LABELS,
                "per_class": rows,
            }
        )
    )
    events = [
        {
            "time": 3.0,
            "stage": "tune",
            "epoch": e,
            "train_loss": 0.4,
            "valid_loss": 0.3,
            "valid_$\\frac{": 0.9,
        }
        for e in (1, 2)
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    assert curves([folder]).startswith(b"\x89PNG")
    page = write_report(folder).read_text()
    assert "<script" not in page and "<b>bold" not in page
    assert not re.search("[\x00\x07\x1b]", page)
