"""Every message names something to do. Here all of it is collected, checked as it would be typed,
and tried."""

import json
import re
import shlex
import wave

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from remedies import collected, unwritten, wrong

from ftkit.core import UsageError
from ftkit.evaluation.verdict import INSTEAD
from ftkit.params import params_from_text, read_params
from ftkit.runs.launch import list_templates


def test_all_that_is_told_can_be_typed():
    remedies = collected()
    assert len(remedies) > 150  # the collector finds them
    assert not [f"{r}: {problem}" for r in remedies if (problem := wrong(r))]


def test_no_choice_is_named_in_a_way_that_nobody_can_type():
    assert not unwritten()


def test_a_simpler_model_is_named_with_parameters_of_its_own_template():
    for (template, _), words in INSTEAD.items():
        parameters = read_params(list_templates()[template])
        given = dict(re.findall(r"-p (\S+) (\S+)", words))
        assert given and params_from_text(parameters, given)


# ---- tried: the template's own cell reads the data, fails, and reads them with the remedy


def read(template, **values):
    "What the template's cells read, up to the data; `values` as they are typed."
    cells = json.loads(list_templates()[template].read_text())["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    parameters = read_params(list_templates()[template])
    scope = {}
    exec(code[0], scope)
    scope.update({k: v for k, v in params_from_text(parameters, values).items() if k in values})
    exec(code[1], scope)
    lines = code[2].rstrip().splitlines()
    exec("\n".join(lines[:-1]), scope)
    return scope[lines[-1].strip()]


def picture(path, shade=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((16, 16, 3), shade, np.uint8)).save(path)


def tone(path, hertz=300, seconds=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    x = np.sin(np.arange(int(16000 * seconds)) * hertz * 2 * np.pi / 16000) * 9000
    with wave.open(str(path), "wb") as f:
        f.setparams((1, 2, 16000, 0, "NONE", ""))
        f.writeframes(x.astype(np.int16).tobytes())


def broken_picture(d):
    for k in range(20):
        picture(d / "data" / "ab"[k % 2] / f"{k}.png", k * 12)
    (d / "data/a/0.png").write_bytes(b"\x89PNG broken")
    return "image", {"data": d / "data"}


def two_columns_of_files(d):
    for k in range(8):
        picture(d / f"one{k}.png", k * 30)
        picture(d / f"two{k}.png", 255 - k * 30)
    pd.DataFrame(
        {
            "first": [f"one{k}.png" for k in range(8)],
            "second": [f"two{k}.png" for k in range(8)],
            "label": list("abababab"),
        }
    ).to_csv(d / "t.csv", index=False)
    return "image", {"data": d / "t.csv"}


def pictures_elsewhere(d):
    for k in range(12):
        picture(d / "images" / f"{k}.png", k * 20)
    (d / "meta").mkdir()
    pd.DataFrame({"file": [f"{k}.png" for k in range(12)], "label": list("ab") * 6}).to_csv(
        d / "meta/t.csv", index=False
    )
    return "image", {"data": d / "meta/t.csv"}


def folders_in_folders(d):
    for outer in "xy":
        for inner in "ab":
            for k in range(6):
                picture(d / "data" / outer / inner / f"{k}.png", k * 40)
    return "image", {"data": d / "data"}


def pictures_without_labels(d):
    for k in range(20):
        picture(d / f"{k}.png", k * 12)
    pd.DataFrame(
        {"file": [f"{k}.png" for k in range(20)], "label": ["a", "b"] * 9 + [None, "a"]}
    ).to_csv(d / "t.csv", index=False)
    return "image", {"data": d / "t.csv"}


def empty_texts(d):
    pd.DataFrame({"text": ["good", "", "bad", " "] * 10, "label": list("xxyy") * 10}).to_csv(
        d / "t.csv", index=False
    )
    return "text", {"data": d / "t.csv"}


def unusual_text_column(d):
    pd.DataFrame(
        {
            "what they wrote": [f"word {k}" for k in range(40)],
            "and": [f"more {k}" for k in range(40)],
            "label": ["x", "y"] * 20,
        }
    ).to_csv(d / "t.csv", index=False)
    return "text", {"data": d / "t.csv"}


def long_lines(d):
    rows = ["text,label", *(f"word {k},{'xy'[k % 2]}" for k in range(30)), "one, two, three,x"]
    (d / "t.csv").write_text("\n".join(rows) + "\n")
    return "text", {"data": d / "t.csv"}


def labels_with_a_separator(d):
    pd.DataFrame(
        {"text": [f"word {k}" for k in range(40)], "label": ["a|b", "b", "a", "c|a"] * 10}
    ).to_csv(d / "t.csv", index=False)
    return "text", {"data": d / "t.csv", "kind": "multi_label"}


def unclear_numbers(d):
    pd.DataFrame({"x": ["1.234", "345", "7.125", "3.500"] * 20, "label": ["a", "b"] * 40}).to_csv(
        d / "t.csv", index=False
    )
    return "tabular", {"data": d / "t.csv"}


def unclear_dates(d):
    days = [f"{1 + k % 12:02}/{1 + (k // 12 + k) % 12:02}/{2015 + k // 12}" for k in range(96)]
    pd.DataFrame({"when": days, "x": range(96), "label": ["a", "b"] * 48}).to_csv(
        d / "t.csv", index=False
    )
    return "tabular", {"data": d / "t.csv", "time_column": "when"}


def endless_numbers(d):
    pd.DataFrame({"x": [1.5, float("inf"), 2.5, 3.5] * 20, "label": ["a", "b"] * 40}).to_csv(
        d / "t.csv", index=False
    )
    return "tabular", {"data": d / "t.csv"}


def rows_without_labels(d):
    pd.DataFrame({"x": np.arange(80) / 3, "label": ["a", "b", None, "a"] * 20}).to_csv(
        d / "t.csv", index=False
    )
    return "tabular", {"data": d / "t.csv"}


def words_among_numbers(d):
    pd.DataFrame(
        {"x": np.arange(80) / 3, "price": [f"{k}.5" for k in range(60)] + ["high"] * 20}
    ).to_csv(d / "t.csv", index=False)
    return "tabular", {"data": d / "t.csv", "label_column": "price", "kind": "regression"}


def broken_recording(d):
    for k in range(20):
        tone(d / "data" / "ab"[k % 2] / f"{k}.wav", 200 + 30 * k)
    (d / "data/a/0.wav").write_bytes(b"RIFFbroken")
    return "speech", {"data": d / "data", "task": "classify"}


def recordings_without_text(d):
    for k in range(20):
        tone(d / f"{k}.wav", 200 + 30 * k)
    pd.DataFrame(
        {"path": [f"{k}.wav" for k in range(20)], "text": ["one", "two", "three", ""] * 5}
    ).to_csv(d / "t.csv", index=False)
    return "speech", {"data": d / "t.csv"}


def few_voices(d):
    for k in range(20):
        tone(d / f"{k}.wav", 200 + 30 * k)
    pd.DataFrame(
        {
            "path": [f"{k}.wav" for k in range(20)],
            "text": [f"number {k}" for k in range(20)],
            "speaker": ["ann", "bob"] * 10,
        }
    ).to_csv(d / "t.csv", index=False)
    return "speech", {"data": d / "t.csv", "split_by": "speaker"}


FAULTS = [
    broken_picture,
    two_columns_of_files,
    pictures_elsewhere,
    folders_in_folders,
    pictures_without_labels,
    empty_texts,
    unusual_text_column,
    long_lines,
    labels_with_a_separator,
    unclear_numbers,
    unclear_dates,
    endless_numbers,
    rows_without_labels,
    words_among_numbers,
    broken_recording,
    recordings_without_text,
    few_voices,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_what_is_told_helps(tmp_path, fault):
    "The data are refused; each thing that the message says to type makes them readable."
    template, values = fault(tmp_path)
    values = {k: str(v) for k, v in values.items()}
    with pytest.raises((UsageError, ValueError)) as error:
        read(template, **values)
    message = str(error.value)
    ways = re.split(r", or (?=-p )", message)
    found = [re.findall(r"-p (\w+) ('[^']*'|\S+?)(?=[\s;,)(]|$)", way) for way in ways]
    found = [way for way in found if way]
    assert found, message
    for way in found:
        typed = {name: shlex.split(value)[0] for name, value in way}
        if "NAME" in typed.values():  # the message lists the columns
            columns = re.search(r"its columns are ([^;]*);", message)[1].split(", ")
            typed = {
                name: columns[0] if value == "NAME" else value for name, value in typed.items()
            }
        data = read(template, **values | typed)
        assert len(data) >= 10 or fault in (two_columns_of_files, folders_in_folders), (
            way,
            message,
        )
