"""Tables of other tools and countries: each is read right, told, or refused with both readings
named."""

import datetime
import json

import numpy as np
import pandas as pd
import pytest
import siblings

from ftkit import Data
from ftkit.core import UsageError

N = 90
RNG = np.random.default_rng(0)
VALUES = RNG.normal(0, 3, N).round(2)
WORDS = [" ".join(RNG.choice(siblings.WORDS, 6)) + f" {i}" for i in range(N)]
CLASSES = ["ab"[i % 2] for i in range(N)]


def text_table(path, labels, separator=",", **columns):
    pd.DataFrame({"text": WORDS[: len(labels)], "label": labels} | columns).to_csv(
        path, index=False, sep=separator
    )
    return path


def refused(*parts, of=Data.text, **given) -> str:
    with pytest.raises(UsageError) as e:
        of(**given)
    for part in parts:
        assert part in str(e.value), str(e.value)
    return str(e.value)


# ---- numbers ----

STYLED = {
    "comma": lambda v: f"{v:.2f}".replace(".", ","),
    "euro": lambda v: f"€{v:.2f}",
    "euro behind": lambda v: f"{v:.2f} €".replace(".", ","),
    "percent": lambda v: f"{v:.2f}%",
    "minus": lambda v: f"{v:.2f}".replace("-", "−"),
    "brackets": lambda v: f"({-v:.2f})" if v < 0 else f"{v:.2f}",
    "apostrophes": lambda v: f"{v * 1000:,.2f}".replace(",", "'"),
    "spaces": lambda v: f"{v * 1000:,.2f}".replace(",", "\u202f").replace(".", ","),
    "thousands": lambda v: f"{v * 1000:,.2f}",
    "behind": lambda v: f"{abs(v):.2f}-" if v < 0 else f"{v:.2f}",
}


@pytest.mark.parametrize("style", STYLED)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_number_is_a_number_as_a_feature_and_as_a_target_of_texts_and_of_tables(
    tmp_path, style, separator
):
    cells = [STYLED[style](v) for v in VALUES]
    times = 1000 if style in ("apostrophes", "spaces", "thousands") else 1
    path = tmp_path / ("t.tsv" if separator == "\t" else "t.csv")
    text_table(path, cells, separator, x=cells, y=RNG.normal(size=N).round(1))
    as_text, as_table = Data.text(path, near="as_is"), Data.tabular(path, leave_out=("text",))
    assert as_text.task.kind == as_table.task.kind == "regression"
    assert np.allclose(as_text.labels, VALUES * times, atol=0.01) and np.allclose(
        as_table.labels, VALUES * times, atol=0.01
    )
    assert np.allclose(as_table.items.frame["x"], VALUES * times, atol=0.01)


@pytest.mark.parametrize("mark", ["", "nan", "NA", "-", "?", "n/a", "NULL", "unknown", "k.A."])
def test_a_target_with_a_few_cells_that_are_none_is_a_number_with_missing_ones(tmp_path, mark):
    cells = [mark if i in (3, 40, 77) else str(v) for i, v in enumerate(VALUES)]
    path = text_table(tmp_path / "t.csv", cells, x=VALUES)
    for of in (Data.text, Data.tabular):
        refused(
            "3 of 90 rows have no label", "first: row 4", "-p skip_bad true", of=of, source=path
        )
        data = of(path, skip_bad=True)
        assert (data.task.kind, len(data)) == ("regression", 87) and any(
            "3 rows have no label" in note for note in data.notes
        )
        assert [row for row, _ in data.skipped] == ["row 4", "row 41", "row 78"]


def test_where_nothing_tells_both_readings_are_named(tmp_path):
    path = tmp_path / "t.csv"
    pd.DataFrame({"x": ["1.234", "345", "7.125", "3.500"] * 20, "label": ["a", "b"] * 40}).to_csv(
        path, index=False
    )
    assert """-p columns '{"x": "decimal point"}', or 'decimal comma'""" in refused(
        "may be 1.234 or 1234", of=Data.tabular, source=path
    )
    for say, first in (("decimal point", 1.234), ("decimal comma", 1234.0)):
        assert Data.tabular(path, columns={"x": say}).items.frame["x"][0] == first
    pd.DataFrame(
        {
            "x": ["1.234", "345", "7.125", "3.500"] * 20,
            "y": ["0,5"] * 79 + ["1,5"],
            "label": ["a", "b"] * 40,
        }
    ).to_csv(path, index=False, sep=";")
    # the column beside it has a decimal comma
    assert Data.tabular(path).items.frame["x"][0] == 1234


def test_a_second_table_in_another_style_is_read_by_its_own_evidence_or_refused(tmp_path):
    first = pd.DataFrame({"a": [f"{v:.2f}".replace(".", ",") for v in VALUES], "label": CLASSES})
    first.to_csv(tmp_path / "first.csv", index=False, sep=";")
    first.assign(a=[f"{v:.2f}" for v in VALUES]).to_csv(tmp_path / "points.csv", index=False)
    data = Data.tabular(tmp_path / "first.csv", test_source=tmp_path / "points.csv")
    assert np.allclose(data.items.frame["a"], np.r_[VALUES, VALUES]) and any(
        "a: written with decimal point here, with decimal comma before" in n for n in data.notes
    )
    first.assign(a="20.126").to_csv(tmp_path / "unclear.csv", index=False)
    refused(
        "'20.126', which may be 20.126 or 20126",
        of=Data.tabular,
        source=tmp_path / "first.csv",
        test_source=tmp_path / "unclear.csv",
    )


def test_targets_of_two_tables_in_two_styles_are_the_same_numbers(tmp_path):
    text_table(tmp_path / "a.csv", [f"{v:.2f}".replace(".", ",") for v in VALUES], ";")
    text_table(tmp_path / "b.csv", [f"{v:.2f}" for v in VALUES])
    data = Data.text(tmp_path / "a.csv", test_source=tmp_path / "b.csv", near="as_is")
    assert np.allclose(data.labels, np.r_[VALUES, VALUES], atol=1e-5)


def test_predicting_reads_each_table_by_itself(tmp_path):
    from ftkit import Predictor
    from ftkit.evaluation.comparison import fit_model

    frame = pd.DataFrame(
        {
            "a": [f"{v:.2f}".replace(".", ",") for v in VALUES],
            "label": (VALUES > 0).astype(int).astype(str),
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False, sep=";")
    fit_model("decision_tree", Data.tabular(tmp_path / "t.csv")).save(tmp_path / "model")
    frame.assign(a=[f"{v:.2f}" for v in VALUES]).to_csv(tmp_path / "points.csv", index=False)
    said = Predictor(tmp_path / "model")(
        [tmp_path / "t.csv", tmp_path / "points.csv", '{"a": "2.5"}', {"a": "2,5"}, {"a": 2.5}]
    )
    assert [s.label for s in said[:N]] == [s.label for s in said[N : 2 * N]] and len(
        {s.label for s in said[2 * N :]}
    ) == 1


@pytest.mark.parametrize(
    "where, n",
    [
        ("price < 20", 60),
        ("price < 20 and size == 2", 30),
        ("day < '2026-02-01'", 31),
        ("day >= '01.03.2026'", 31),
        ("kind == 'a'", 45),
    ],
)
def test_conditions_read_numbers_dates_and_words_as_the_columns_do(tmp_path, where, n):
    days = [datetime.date(2026, 1, 1) + datetime.timedelta(days=i) for i in range(N)]
    frame = pd.DataFrame(
        {
            "price": ["19,5", "12", "1.024,5"] * 30,
            "size": ["2", "1", "2"] * 30,
            "day": [f"{d:%d/%m/%Y}" for d in days],
            "kind": ["a ", "b"] * 45,
            "label": CLASSES,
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False, sep=";")
    if where.startswith("kind"):
        frame.loc[::2, "label"] = ["x", "y", "z"] * 15
        frame.to_csv(tmp_path / "t.csv", index=False, sep=";")
    assert len(Data.tabular(tmp_path / "t.csv", where=where)) == n


# ---- dates ----


@pytest.mark.parametrize("form", siblings.DATE_FORMS)
def test_rows_are_split_by_true_time_however_dates_are_written(tmp_path, form):
    order = np.random.default_rng(1).permutation(N)
    days = [datetime.date(2023, 1, 1) + datetime.timedelta(days=3 * int(i)) for i in order]
    data = Data.text(
        text_table(tmp_path / "t.csv", CLASSES, when=[siblings.spelled(d, form) for d in days]),
        time="when",
        near="as_is",
    )
    last = np.sort(order)[-len(data.test) :]
    assert (
        sorted(order[data.test.ids]) == list(last)
        and max(order[data.train.ids]) < min(order[data.valid.ids])
        and any("when holds dates from 2023-01-01" in n for n in data.notes)
    )


def test_dates_that_may_be_either_are_refused_and_times_that_are_missing_named(tmp_path):
    path = text_table(
        tmp_path / "t.csv", CLASSES, when=[f"{1 + i % 9:02}/{1 + i % 12:02}/2023" for i in range(N)]
    )
    refused("which may be the", "and no cell tells which", source=path, time="when")
    path = text_table(tmp_path / "t.csv", CLASSES, when=["2023-01-01"] * 80 + [""] * 10)
    refused("10 of 90 rows have no time in 'when' (first: row 81)", source=path, time="when")
    path = text_table(tmp_path / "t.csv", CLASSES, who=["p", ""] * 45)
    refused("45 of 90 rows have no who", "where \"who != ''\"", source=path, group="who")


# ---- lines ----


def test_json_lines_end_at_line_feeds_only(tmp_path):
    rows = [
        {"text": f"{w}\u2028and\u2029more\u0085so\x0b", "label": c} for w, c in zip(WORDS, CLASSES)
    ]
    (tmp_path / "t.jsonl").write_text(
        "\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8"
    )
    (tmp_path / "t.json").write_text(json.dumps(rows), encoding="utf-8")
    (tmp_path / "crlf.jsonl").write_bytes(
        "\r\n".join("\x1e" + json.dumps(r, ensure_ascii=False) for r in rows).encode()
    )
    for name in ("t.jsonl", "t.json", "crlf.jsonl"):
        assert Data.text(tmp_path / name, near="as_is").items == [r["text"] for r in rows]
    (tmp_path / "o.jsonl").write_text(
        "\n".join(json.dumps({"text": w, "label": {"name": c}}) for w, c in zip(WORDS, CLASSES))
    )
    refused("90 of 90 rows have an object for label", source=tmp_path / "o.jsonl")
    (tmp_path / "o.jsonl").write_text(
        "\n".join(json.dumps({"text": {"de": w}, "label": c}) for w, c in zip(WORDS, CLASSES))
    )
    refused("90 cells of 'text' are objects or lists", source=tmp_path / "o.jsonl")


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "~"])
def test_every_line_of_a_csv_is_a_row_or_named(tmp_path, separator):
    def held(lines, name="t.csv"):
        (tmp_path / name).write_text("\n".join(lines))
        return Data.text(tmp_path / name, near="as_is", text="text", label="label")

    head, rows = f"text{separator}label", [f"{w}{separator}{c}" for w, c in zip(WORDS, CLASSES)]
    opened = [f'"{r}' if i in (5, 20) else r for i, r in enumerate(rows)]
    data = held([head, *opened])
    assert (
        data.items[5] == '"' + WORDS[5]
        and len(data) == N
        and any(
            "2 lines have a quotation mark that is a part of the text" in n and "first: line 7" in n
            for n in data.notes
        )
    )
    assert (
        len(held(["A survey of spring", head, *rows])) == N
        and len(held(["# made by a tool", head, *rows])) == N
        and len(held([f"sep={separator}", head, *rows])) == N
    )
    data = held([head, *rows[:40], head, *rows[40:]])
    assert len(data) == N and any(
        "the names stand again in 1 rows (first: row 41)" in n for n in data.notes
    )
    data = held([head, *rows[:3], f'"two\nlines"{separator}a', *rows[3:]])
    assert len(data) == N + 1 and data.items[3] == "two\nlines"
    refused(
        "line 4 has 3 cells and there are 2 names",
        of=lambda source: held([head, *rows[:2], f"one{separator}two{separator}a", *rows]),
        source="",
    )
    data = Data.text(tmp_path / "t.csv", near="as_is", skip_bad=True, text="text", label="label")
    assert len(data) == N + 2 and any(
        "1 lines with too many cells were left out (first: line 4)" in n for n in data.notes
    )


def test_quotation_marks_behind_a_backslash(tmp_path):
    (tmp_path / "t.csv").write_text(
        "text,label\n"
        + "".join(f'"She said \\"no\\" {i}, and left.",{c}\n' for i, c in enumerate(CLASSES))
    )
    data = Data.text(tmp_path / "t.csv", near="as_is")
    assert data.items[7] == 'She said "no" 7, and left.' and any(
        "quotation marks within a text" in n for n in data.notes
    )


def test_na_without_quotation_marks_is_missing_where_the_texts_have_them(tmp_path):
    votes = ["NA" if i % 3 == 0 else '"yes"' if i % 3 == 1 else '"no"' for i in range(N)]
    # as R writes it
    (tmp_path / "r.csv").write_text(
        '"text","label","n"\n'
        + "".join(f'"{w}",{v},{i}\n' for i, (w, v) in enumerate(zip(WORDS, votes)))
    )
    for of in (Data.text, Data.tabular):
        refused("30 of 90 rows have no label", of=of, source=tmp_path / "r.csv")
        assert of(tmp_path / "r.csv", skip_bad=True).task.classes == ("no", "yes")
    data = Data.text(text_table(tmp_path / "t.csv", ["EU", "NA"] * 45), near="as_is")
    assert data.task.classes == ("EU", "NA") and any(
        "45 rows have the label 'NA', which is taken as a class" in n for n in data.notes
    )


# ---- labels: one rule for the four kinds ----

SPELLED = {
    "blanks": (["yes", " yes ", "no"], ("no", "yes"), "are written in several ways"),
    "unseen": (["yes", "yes\u200b", "no"], ("no", "yes"), "are written in several ways"),
    "forms": (["café", "cafe\u0301", "thé"], ("café", "thé"), "are written in several ways"),
    "truth": (["True", "TRUE", "false"], ("TRUE", "false"), "are written in several ways"),
    "case": (["Cats", "cats", "dogs"], ("Cats", "cats", "dogs"), "differ only in case"),
    "codes": (["001", "002", "010"], ("001", "002", "010"), "are codes"),
    "stars": (["1", "2", "3"], ("1", "2", "3"), "-p kind regression takes them as a number"),
    "joined": (["red|blue", "red", "blue"], ("blue", "red", "red|blue"), "label_separator"),
    "lists": (["['red', 'blue']", "[]", "['red']"], ("blue", "red"), "lists written as texts"),
    "script": (["A", "А", "B"], ("A", "B", "А"), "look the same"),
}


@pytest.mark.parametrize("how", SPELLED)
def test_labels_of_every_kind_of_data(tmp_path, how):
    from PIL import Image

    labels, classes, told = SPELLED[how]
    labels = [labels[i % 3] for i in range(30)]
    for i in range(30):
        Image.fromarray(RNG.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / f"{i}.png")
    pd.DataFrame({"file": [f"{i}.png" for i in range(30)], "label": labels}).to_csv(
        tmp_path / "pictures.csv", index=False
    )
    datas = [
        Data.image(tmp_path / "pictures.csv", near="as_is"),
        Data.text(text_table(tmp_path / "t.csv", labels), near="as_is"),
        Data.text((WORDS[:30], labels), near="as_is"),
    ]
    if how != "lists":
        datas.append(Data.tabular(text_table(tmp_path / "x.csv", labels, x=VALUES[:30])))
    for data in datas:
        found = data.task.classes if how != "truth" else tuple(c.lower() for c in data.task.classes)
        assert sorted(found) == sorted(c.lower() if how == "truth" else c for c in classes) and any(
            told in n for n in data.notes
        ), data.notes


def test_many_whole_numbers_are_a_number_for_every_kind_and_told(tmp_path):
    labels = [str(8 + i % 25) for i in range(N)]
    for data in (
        Data.text(text_table(tmp_path / "t.csv", labels), near="as_is"),
        Data.tabular(text_table(tmp_path / "x.csv", labels, x=VALUES)),
    ):
        assert data.task.kind == "regression" and any(
            "25 different whole numbers of label are taken as a number; -p kind single_label" in n
            for n in data.notes
        )
        assert (
            len(Data.text(tmp_path / "t.csv", near="as_is", kind="single_label").task.classes) == 25
        )


def test_a_separator_that_no_label_holds(tmp_path):
    path = text_table(tmp_path / "t.csv", ["red|blue", "red", "blue"] * 30)
    refused(
        "the separator is ';', which no label holds",
        "-p label_separator '|'",
        source=path,
        separator=";",
    )
    path = text_table(tmp_path / "t.csv", ["red", "blue"] * 45)
    assert any(
        "which no label holds: each row has one label or none" in n
        for n in Data.text(path, separator=";", near="as_is").notes
    )


def test_columns_that_are_no_features(tmp_path):
    frame = pd.DataFrame(
        {
            "Unnamed: 0": range(N),
            "Unnamed: 0.1": RNG.permutation(N),
            "PassengerId": [*range(100, 100 + N - 3), 100, 101, 102],
            "zip": [f"{i % 9:05}" for i in range(N)],
            "tags": ["['a', 'b']", "['c']"] * 45,
            "gap": [-999 if i % 10 == 0 else i % 7 for i in range(N)],
            "label": CLASSES,
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = Data.tabular(tmp_path / "t.csv")
    kinds = {c.name: c.kind for c in data.items.columns}
    assert [kinds[c] for c in frame.columns[:4]] == ["identifier"] * 3 + ["category"]
    told = "\n".join(data.notes)
    assert (
        "lists or objects written as text" in told
        and "9 cells are -999, far from all others" in told
        and "codes: some begin with 0" in told
    )


def test_random_siblings_are_right_told_or_refused():
    found = siblings.run(96, seed=7)
    assert sum(c.total() for c in found.values()) == 96
    for name, counts in found.items():
        assert (
            not counts["silent"] and not counts["traceback"] and not counts["refused though clear"]
        ), (name, counts)


# ---- seen with fresh eyes ----


def test_numbers_are_no_names_of_pictures_where_a_column_of_names_is_there(tmp_path):
    from PIL import Image

    for i in range(1, 21):
        Image.fromarray(RNG.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / f"{i}.jpg")
    rows = pd.DataFrame({"photo": [f"{i + 5}.jpg" for i in range(1, 21)], "age": range(1, 21)})
    rows.assign(label=["a", "b"] * 10).to_csv(tmp_path / "t.csv", index=False)
    told = refused("'photo' are called like pictures", of=Data.image, source=tmp_path / "t.csv")
    assert "5 of them are not there (first: '21.jpg'); those of 'age'" in told


def test_dates_of_two_orders_and_days_without_end(tmp_path):
    when = ["25/12/2021", "03/28/2022"] * 45
    path = text_table(tmp_path / "t.csv", CLASSES, when=when)
    refused("'25/12/2021' has the day first, '03/28/2022' the month", source=path, time="when")
    days = ["9999-12-31" if i % 7 == 0 else f"2022-01-{i % 28 + 1:02}" for i in range(N)]
    data = Data.tabular(pd.DataFrame({"day": days, "label": CLASSES}), label="label")
    assert data.items.columns[0].kind == "date"
    assert any("13 cells are no dates (first: '9999-12-31')" in n for n in data.notes)


def test_what_a_person_said_of_a_column_holds_for_time_and_target(tmp_path):
    when = [f"{1 + i % 9:02}/{1 + i // 9:02}/2023" for i in range(N)]
    frame = pd.DataFrame({"when": when, "x": VALUES, "label": CLASSES})
    refused("no cell tells which", of=Data.tabular, source=frame, time="when")
    data = Data.tabular(frame, time="when", columns={"when": "day first"})
    assert min(when[i][3:5] for i in data.test.ids) >= max(when[i][3:5] for i in data.train.ids)
    cells = pd.DataFrame({"x": VALUES[:88], "price": ["1.234", "345", "7.125", "3.500"] * 22})
    refused("may be 1.234 or 1234", of=Data.tabular, source=cells, label="price")
    data = Data.tabular(cells, label="price", columns={"price": "decimal comma"}, kind="regression")
    assert sorted(set(data.labels)) == [345, 1234, 3500, 7125]


def test_a_line_of_names_that_is_missing_and_titles_that_excel_pads(tmp_path):
    rows = [f"{5 + i % 9 / 10:.1f},{i % 3},{['setosa', 'virginica'][i % 2]}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    refused(
        "seems to have no line of names", of=Data.tabular, source=tmp_path / "t.csv", label="setosa"
    )
    lines = [
        "Sales report;;",
        "made today;;",
        ";;",
        "nr;x;won",
        *[f"{i};{i % 7},5;{'ab'[i % 2]}" for i in range(60)],
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    data = Data.tabular(tmp_path / "t.csv", label="won")
    assert len(data) == 60 and any("3 lines above the names were left out" in n for n in data.notes)


def test_units_and_marks_are_told():
    frame = pd.DataFrame(
        {
            "share": ["7%", "8%", "9.5%"] * 30,
            "size": [f"{40 + i % 9} kg" for i in range(N)],
            "alley": ["NA", "Pave", "Grvl"] * 30,
            "label": CLASSES,
        }
    )
    second = frame.assign(share=["0.07", "0.08", "0.095"] * 30)
    told = "\n".join(Data.tabular(frame, test_source=second).notes)
    assert (
        "share: written with decimal point here, with in % before" in told or "in % before" in told
    )
    assert "numbers with a unit (first: '40 kg')" in told and "30 cells 'NA' in alley" in told


def test_another_column_with_longer_texts_is_told(tmp_path):
    frame = pd.DataFrame(
        {"title": [f"head {i}" for i in range(N)], "article": WORDS, "label": CLASSES}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = Data.text(tmp_path / "t.csv", near="as_is")
    assert data.items[0] == "head 0" and any("'article' has 7" in n for n in data.notes), data.notes
    assert Data.text(tmp_path / "t.csv", text="article", near="as_is").items[0] == WORDS[0]


def test_digits_that_are_lost_and_marks_of_a_second_table_are_told(tmp_path):
    frame = pd.DataFrame({"x": VALUES, "stamp": 1_700_000_000 + np.arange(N) * 2.5})
    assert any("digits that are not kept" in n for n in Data.tabular(frame, label="stamp").notes)
    first = pd.DataFrame({"x": VALUES.astype(str), "label": CLASSES})
    second = first.assign(x=["k.A." if i % 9 == 0 else v for i, v in enumerate(first["x"])])
    told = Data.tabular(first, test_source=second).notes
    assert any("10 cells 'k.A.' of the second table count as missing" in n for n in told)
    both = pd.DataFrame({"x": VALUES, "target": CLASSES, "label": CLASSES})
    assert any("there is 'target' too" in n for n in Data.tabular(both).notes)
    refused("is a folder; give a table in it", of=Data.tabular, source=tmp_path)
