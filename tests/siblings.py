"""Random tables, folders and files whose truth is known: is each read right, told, or refused?

    python tests/siblings.py --cases 2000 --seed 0

A case is *right* when every value is the true one, *told* when it is not and a note says so,
*refused* when a UsageError names what to do, *silent* when a value is wrong without a word. Rows
that came in are counted against rows that came out and rows that were named. `clear` refusals
are those of data that can be read in one way only: they are faults too.
"""

import argparse
import contextlib
import datetime
import io
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

WORDS = (
    "amber bridge copper dune ember fern glacier harbor island jungle kettle lantern meadow nectar"
).split()
MONTHS = {
    "en": (
        "January February March April May June July August September October November December".split()
    ),
    "de": (
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()
    ),
    "fr": (
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()
    ),
    "es": (
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()
    ),
}
MISSING = ["", "NA", "nan", "-", "n/a", "?", "NULL", "--", "None", "#N/A"]


# ---- numbers ----


def grouped(whole: str, sign: str) -> str:
    "1234567 as 1,234,567."
    parts = []
    while len(whole) > 3:
        parts, whole = [whole[-3:], *parts], whole[:-3]
    return sign.join([whole, *parts])


STYLES = {
    "point": (".", ""),
    "comma": (",", ""),
    "point, commas": (".", ","),
    "comma, points": (",", "."),
    "comma, spaces": (",", " "),
    "comma, narrow spaces": (",", "\u202f"),
    "point, apostrophes": (".", "'"),
    "point, spaces": (".", " "),
}


def written(value: float, style: str, digits: int, dress: str) -> str:
    "A number as a table of some country writes it."
    decimal, thousands = STYLES[style]
    whole, _, rest = f"{abs(value):.{digits}f}".partition(".")
    text = (grouped(whole, thousands) if thousands else whole) + (decimal + rest if rest else "")
    if value < 0 and dress != "brackets":
        text = (
            {"minus": "−", "behind": ""}.get(dress, "-") + text + ("-" if dress == "behind" else "")
        )
    if value < 0 and dress == "brackets":
        text = f"({text})"
    return {
        "euro": f"{text} €",
        "dollar": f"${text}".replace("$-", "-$"),
        "percent": f"{text}%",
        "code": f"EUR {text}",
    }.get(dress, text)


def is_open(texts: list[str]) -> bool:
    "Whether no cell proves what comma and point mean."
    import pandas as pd

    from ftkit.reading.cells import bare_numbers, signs_of

    found = signs_of(bare_numbers(pd.Series(texts, dtype=str)))
    return bool(found.unclear) and not found.comma and not found.point


# ---- dates ----


def spelled(day: datetime.date, form: str) -> str:
    "A date in one of many forms."
    d, m, y = day.day, day.month, day.year
    named = {lang: names[m - 1] for lang, names in MONTHS.items()}
    return {
        "iso": f"{day}",
        "slashes": f"{y}/{m:02}/{d:02}",
        "dmy": f"{d:02}/{m:02}/{y}",
        "mdy": f"{m:02}/{d:02}/{y}",
        "dmy-": f"{d:02}-{m:02}-{y}",
        "points": f"{d:02}.{m:02}.{y}",
        "short points": f"{d}.{m}.{y % 100:02}",
        "compact": f"{y}{m:02}{d:02}",
        "compact dmy": f"{d:02}{m:02}{y}",
        "en": f"{d} {named['en']} {y}",
        "en us": f"{named['en']} {d}, {y}",
        "en short": f"{d:02}-{named['en'][:3]}-{y}",
        "de": f"{d}. {named['de']} {y}",
        "fr": f"{d} {named['fr']} {y}",
        "es": f"{d} de {named['es']} de {y}",
        "time": f"{day} 13:45:00",
        "time first": f"13:45 {d:02}.{m:02}.{y}",
        "zone": f"{day}T13:45:00Z",
        "weekday": f"{day:%a}, {d:02} {named['en'][:3]} {y}",
        "chinese": f"{y}年{m}月{d}日",
    }[form]


DATE_FORMS = [
    "iso",
    "slashes",
    "dmy",
    "mdy",
    "dmy-",
    "points",
    "short points",
    "compact",
    "compact dmy",
    "en",
    "en us",
    "en short",
    "de",
    "fr",
    "es",
    "time",
    "time first",
    "zone",
    "weekday",
    "chinese",
]


# ---- tables ----


def table_case(rng: random.Random, folder: Path) -> tuple[str, str, bool]:
    "Outcome, what it was, and whether its reading was clear."
    import pandas as pd

    n = rng.choice([40, 60, 90])
    style, digits = rng.choice(list(STYLES)), rng.choice([0, 1, 2, 2, 3])
    dress = rng.choice(
        ["", "", "", "minus", "brackets", "behind", "euro", "dollar", "percent", "code"]
    )
    scale = rng.choice([1, 20, 1000, 30000, 2_000_000])
    values = np.round(np.array([rng.gauss(0, 1) * scale for _ in range(n)]), digits)
    form = rng.choice(DATE_FORMS)
    first = datetime.date(rng.randint(1995, 2025), rng.randint(1, 12), rng.randint(1, 28))
    days = [first + datetime.timedelta(days=i * rng.choice([1, 3])) for i in range(n)]
    order = list(range(n))
    rng.shuffle(order)
    days = [days[i] for i in order]
    separator = rng.choice([",", ";", "\t", "|"])
    kind = rng.choice(["feature", "target", "text target", "where", "time", "second", "rows"])
    numbers = [written(v, style, digits, dress) for v in values]
    marks = {}
    if rng.random() < 0.5:
        mark = rng.choice(MISSING)
        marks = {i: mark for i in rng.sample(range(n), 3)}
    cells = [marks.get(i, t) for i, t in enumerate(numbers)]
    label = ["ab"[int(v > np.median(values))] for v in values]
    if kind == "where":
        label = ["ab"[i % 2] for i in range(n)]
    plain = [f"{rng.choice(WORDS)}{i % 7}" for i in range(n)]
    frame = pd.DataFrame(
        {
            "x": cells,
            "when": [spelled(d, form) for d in days],
            "text": [" ".join(rng.choices(WORDS, k=6)) + f" {i}" for i in range(n)],
            "word": plain,
            "label": label,
        }
    )
    path = folder / f"t{rng.randrange(10**9)}.{'tsv' if separator == chr(9) else 'csv'}"
    frame.to_csv(path, sep=separator, index=False)
    what = (
        f"{kind}: {style} {digits} digits, {dress or 'plain'}, times {scale}; {form};"
        f" {separator!r}; missing {next(iter(marks.values()), None)!r}"
    )
    clear = not is_open(numbers)
    truth = np.array([np.nan if i in marks else v for i, v in enumerate(values)])
    how = dict(style=style, digits=digits, dress=dress, separator=separator, rng=rng, folder=folder)
    try:
        outcome = TABLE_KINDS[kind](path, frame, truth, days, marks, how)
    except Exception as e:
        outcome = of_error(e)
    clear = clear and how.get("clear", True)
    if outcome.startswith("refused") and kind == "time":
        clear = form not in ("dmy", "mdy", "dmy-") or max(d.day for d in days) > 12
    return outcome, what, clear


def of_error(e: Exception) -> str:
    from ftkit.core import UsageError

    return f"refused: {e}" if isinstance(e, UsageError) else f"traceback: {type(e).__name__}: {e}"


def judged(found: np.ndarray, truth: np.ndarray, notes) -> str:
    "Right, told or silent."
    found = np.asarray(found, float)
    same = len(found) == len(truth) and bool(
        np.all(np.isclose(found, truth, rtol=1e-5, atol=1e-6, equal_nan=True))
    )
    if same:
        return "right"
    return (
        "told: " + "; ".join(notes)[:200]
        if any("x" in str(note).split(":")[0].split() for note in notes)
        else f"silent: {found[:5]} for {truth[:5]}"
    )


def as_feature(path, frame, truth, days, marks, how) -> str:
    from ftkit import Data

    data = Data.tabular(path, label="label")
    kind = next(c.kind for c in data.items.columns if c.name == "x")
    if kind != "number":
        return (
            f"silent: x is {kind}"
            if not any("x" in note for note in data.notes)
            else f"told: x is {kind}"
        )
    return judged(data.items.frame["x"], truth, data.notes)


def as_target(path, frame, truth, days, marks, how) -> str:
    from ftkit import Data

    data = Data.tabular(path, label="x", skip_bad=bool(marks), leave_out=("label",))
    return target_outcome(data, truth, len(frame))


def as_text_target(path, frame, truth, days, marks, how) -> str:
    from ftkit import Data

    data = Data.text(path, text="text", label="x", near="as_is", skip_bad=bool(marks))
    return target_outcome(data, truth, len(frame))


def target_outcome(data, truth, n: int) -> str:
    there = truth[~np.isnan(truth)]
    if len(data) != len(there):
        return f"silent: {len(data)} of {len(there)} rows"
    if len(data) + sum("no x" in why for _, why in data.skipped) != n:
        return "silent: rows are missing that nobody named"
    if data.task.kind != "regression":
        few = len({float(v) for v in there}) <= 20
        return (
            "told: classes"
            if any("classes" in note for note in data.notes) or few and len(set(there)) <= 2
            else f"silent: {data.task.kind} of {len(set(there))} numbers"
        )
    return judged(data.labels, there, data.notes)


def as_where(path, frame, truth, days, marks, how) -> str:
    from ftkit import Data

    bound = float(np.nanmedian(truth))
    data = Data.tabular(path, label="label", where=f"x <= {bound!r}")
    right = int(np.sum(truth <= bound))
    return "right" if len(data) == right else f"silent: {len(data)} rows for {right}"


def as_time(path, frame, truth, days, marks, how) -> str:
    from ftkit import Data

    data = Data.text(path, text="text", label="label", time="when", near="as_is")
    parts = {p: [days[i] for i in data.part(p).ids] for p in ("train", "valid", "test")}
    in_order = max(parts["train"]) <= min(parts["valid"]) and max(parts["valid"]) <= min(
        parts["test"]
    )
    return "right" if in_order and len(data) == len(frame) else "silent: not by time"


def other_way(how, truth, folder, separator) -> tuple[list[str], str]:
    "The same numbers in another style."
    style = how["rng"].choice(list(STYLES))
    return ["" if np.isnan(v) else written(v, style, how["digits"], "") for v in truth], style


def as_second(path, frame, truth, days, marks, how) -> str:
    from ftkit import Data

    cells, _ = other_way(how, truth, how["folder"], how["separator"])
    how["clear"] = not is_open(cells)
    second = path.with_name("second-" + path.name)
    frame.assign(x=cells).to_csv(second, sep=how["separator"], index=False)
    data = Data.tabular(path, label="label", test_source=second)
    if next(c.kind for c in data.items.columns if c.name == "x") != "number":
        return (
            "told: x is no number"
            if any("x" in n for n in data.notes)
            else "silent: x is no number"
        )
    return judged(data.items.frame["x"], np.r_[truth, truth], data.notes)


def as_rows(path, frame, truth, days, marks, how) -> str:
    from ftkit import Data
    from ftkit.models.tables import fit_prep

    data = Data.tabular(path, label="label")
    if next(c.kind for c in data.items.columns if c.name == "x") != "number":
        return (
            "told: x is no number"
            if any("x" in n for n in data.notes)
            else "silent: x is no number"
        )
    cells, _ = other_way(how, truth, how["folder"], how["separator"])
    how["clear"] = not is_open(cells[:5])
    prep = fit_prep(data)
    rows = frame.assign(x=cells).drop(columns="label").head(5).to_dict("records")
    read = prep.read(rows)
    f = next(f for f in prep.numbers if f.name == "x")
    found = read.x[:, prep.names.index("x")] * f.spread + f.mean
    # float32
    held = np.where(np.abs(found - truth[:5]) < 1e-6 * max(1.0, f.spread), truth[:5], found)
    notes = [f"x: {message}" for message in read.messages if "x" in message] + [
        n for n in data.notes if "by default" in n
    ]
    return judged(held, truth[:5], notes)


TABLE_KINDS = {
    "feature": as_feature,
    "target": as_target,
    "text target": as_text_target,
    "where": as_where,
    "time": as_time,
    "second": as_second,
    "rows": as_rows,
}


# ---- lines of a CSV ----


def _spoiled_text(text: str, odd: str) -> str:
    "A text with what readers of tables trip over."
    if odd == "open":
        return '"' + text
    inserted = {"inside": ' 5" ', "two lines": "\n", "backslash": ' "so" '}.get(odd)
    return text.replace(" ", inserted, 1) if inserted else text


def _odd_lines(head: str, rows: list[str], odd: str, separator: str) -> list[str]:
    "The lines of a table with others among them."
    lines, half = [head, *rows], len(rows) // 2
    return {
        "title": ["Answers of spring", *lines],
        "comment": ["# exported by a tool", "# version 2", *lines],
        "sep": [f"sep={separator}", *lines],
        "again": [head, *rows[:half], head, *rows[half:]],
        "blank": [*lines[:5], "", *lines[5:], "", ""],
    }.get(odd, lines)


def lines_case(rng: random.Random, folder: Path) -> tuple[str, str, bool]:
    "A table of texts with quotation marks, titles, comments, joined files."
    from ftkit import Data

    n, separator = rng.choice([20, 40]), rng.choice([",", ";", "\t", "|"])
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(4, 8))) + f" {i}" for i in range(n)]
    style = rng.choice(["minimal", "all", "none"])
    odd = rng.choice(
        [
            "",
            "",
            "open",
            "inside",
            "two lines",
            "backslash",
            "title",
            "comment",
            "sep",
            "again",
            "blank",
            "nbsp label",
        ]
    )
    spoiled = rng.sample(range(n), 2)
    for i in spoiled:
        texts[i] = _spoiled_text(texts[i], odd)
    labels = ["good" if i % 2 else "bad" for i in range(n)]
    rows = []
    for i, (text, label) in enumerate(zip(texts, labels)):
        raw = odd in ("open", "inside") and i in spoiled
        quoted = (
            '"'
            + (text.replace('"', '\\"') if odd == "backslash" else text.replace('"', '""'))
            + '"'
        )
        needs = not raw and ("\n" in text or '"' in text or style == "all")
        rows.append(
            separator.join(
                [
                    quoted if needs else text,
                    (
                        f'"{label}"'
                        if style == "all" and not raw
                        else label + (" " if odd == "nbsp label" and i in spoiled else "")
                    ),
                ]
            )
        )
    head = separator.join(["text", "label"])
    lines = _odd_lines(head, rows, odd, separator)
    ending = rng.choice(["\n", "\r\n"])
    path = folder / f"l{rng.randrange(10**9)}.{'tsv' if separator == chr(9) else 'csv'}"
    path.write_text(
        ending.join(lines) + rng.choice(["", ending]),
        encoding=rng.choice(["utf-8", "utf-8-sig"]),
        newline="",
    )
    what = f"lines: {odd or 'ordinary'}, quotes {style}, {separator!r}, {ending!r}"
    try:
        data = Data.text(path, near="as_is", label="label", text="text")
    except Exception as e:
        return of_error(e), what, True
    told = "; ".join(data.notes)
    if len(data) != n:
        return (
            (
                f"{'told' if 'lines' in told or 'rows' in told else 'silent'}: {len(data)} of {n}"
                f" rows; {told[:150]}"
            ),
            what,
            True,
        )
    same = [a.replace("\r\n", "\n") == b for a, b in zip(data.items, texts)]
    if data.task.classes != ("bad", "good"):
        return f"silent: classes {data.task.classes}", what, True
    if all(same):
        return "right", what, True
    return (
        (
            f"{'told' if 'quotation' in told else 'silent'}:"
            f" {[t for t, s in zip(data.items, same) if not s][:1]}"
        ),
        what,
        True,
    )


# ---- labels ----


def labels_case(rng: random.Random, folder: Path) -> tuple[str, str, bool]:
    "Classes whose names are spelled in several ways."
    import pandas as pd

    from ftkit import Data

    n = 60
    odd = rng.choice(
        [
            "blank",
            "unseen",
            "form",
            "truth",
            "case",
            "codes",
            "few numbers",
            "joined",
            "lists",
            "missing",
            "NA",
        ]
    )
    names = {
        "truth": ["true", "false"],
        "form": ["café", "thé"],
        "codes": [f"{i:03}" for i in range(1, 13)],
        "few numbers": [str(i) for i in range(1, rng.randint(4, 15))],
        "joined": ["red|blue", "red", "blue"],
        "lists": ["['red', 'blue']", "['red']", "[]"],
        "NA": ["EU", "NA"],
    }.get(odd, ["good", "bad"])
    labels = [names[i % len(names)] for i in range(n)]
    change = {
        "blank": lambda t: f" {t} ",
        "unseen": lambda t: f"{t}\u200b",
        "form": lambda t: __import__("unicodedata").normalize("NFD", t),
        "truth": lambda t: rng.choice([t.upper(), t.title()]),
        "case": str.title,
        "missing": lambda t: rng.choice(["", "nan", "NULL"]),
    }.get(odd, lambda t: t)
    spoiled = rng.sample(range(n), 9)
    for i in spoiled:
        labels[i] = change(labels[i])
    kind = rng.choice(["text", "tabular"])
    frame = pd.DataFrame(
        {
            "text": [" ".join(rng.choices(WORDS, k=6)) + f" {i}" for i in range(n)],
            "x": np.random.default_rng(rng.randrange(99)).normal(size=n).round(3),
            "label": labels,
        }
    )
    path = folder / f"n{rng.randrange(10**9)}.csv"
    frame.to_csv(path, index=False)
    what = f"labels: {odd}, {kind}"
    more = {"skip_bad": True} if odd == "missing" else {}
    try:
        data = (
            Data.text(path, near="as_is", **more) if kind == "text" else Data.tabular(path, **more)
        )
    except Exception as e:
        return of_error(e), what, odd not in ("lists",)
    told = "; ".join(data.notes)
    expected = {"truth": 2, "codes": 12, "few numbers": len(names), "lists": 2}.get(odd, 2)
    if odd == "case":
        return (
            ("told" if "differ only in case" in told else f"silent: {data.task.classes}"),
            what,
            True,
        )
    if odd == "joined":
        return ("told" if "label_separator" in told else f"silent: {data.task.classes}"), what, True
    if odd == "NA":
        return ("told" if "'NA'" in told else f"silent: {data.task.classes}"), what, True
    if odd == "missing":
        return (
            ("right" if len(data) == n - 9 and "left out" in told else f"silent: {len(data)} rows"),
            what,
            True,
        )
    return (
        (
            "right"
            if len(data.task.classes) == expected and len(data) == n
            else f"silent: {data.task.classes}, {len(data)} rows"
        ),
        what,
        True,
    )


# ---- folders and files ----

PART_NAMES = {
    "train": [
        "train",
        "Train",
        "training",
        "training_set",
        "train_data",
        "TRAIN",
        "x_train",
        "train-set",
        "train_images",
    ],
    "valid": ["val", "valid", "validation", "dev", "validation_set", "val_data", "Val"],
    "test": ["test", "Test", "testing", "test_set", "test_data", "test-images"],
}
CLASS_NAMES = [
    ["cats", "dogs"],
    ["0", "1", "2"],
    ["café", "thé"],
    ["New York", "Los Angeles"],
    ["n01440764", "n02102040"],
    ["good", "bad", "so-so"],
    ["漢字", "かな"],
    ["A", "B", "C"],
    ["class_1", "class_2"],
]
EXTRAS = [
    ".DS_Store",
    "Thumbs.db",
    "__MACOSX/._a.png",
    "@eaDir/thumb.png",
    ".ipynb_checkpoints/0.png",
    "README.md",
    "notes.pdf",
    "labels.csv",
]


def counted(notes) -> int:
    "How many files the notes say are not read."
    import re

    return sum(
        int(found[1])
        for note in notes
        if "not read" in note and (found := re.match(r"(\d+) ", note))
    )


def noise_picture(path: Path, rng: random.Random, **how):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(rng.randrange(2**31)).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(array).convert(how.pop("mode", "RGB")).save(path, **how)
    return array


def _put_example(path: Path, seed: int, kind: str, rng: random.Random) -> None:
    "A picture, a text or a recording of noise."
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "image":
        noise_picture(path.with_suffix(rng.choice([".png", ".PNG", ".bmp"])), rng)
    elif kind == "text":
        path.with_suffix(".txt").write_text(" ".join(rng.choices(WORDS, k=9)) + f" {seed}")
    else:
        import soundfile

        wave = np.random.default_rng(seed).normal(0, 0.1, 1600)
        soundfile.write(path.with_suffix(".wav"), wave, 8000)


def _odd_name(name: str, odd: str) -> str:
    "The same class as another tool writes it."
    import unicodedata

    if odd == "form":
        return unicodedata.normalize("NFD", name)
    if odd == "case":
        return name.upper()
    return name + " " if odd == "blank" else name


def _counts(data, parts, odd: str) -> Counter:
    "Rows by part and class; a part that was not there was taken from the training rows."
    counts: Counter = Counter()
    for i in range(len(data)):
        name, part = data.label_text(i), str(data.parts[i]) if parts else "-"
        if parts and part not in parts:
            part = "train"
        counts[part, name.casefold() if odd == "case" else name] += 1
    return counts


def folders_case(rng: random.Random, folder: Path) -> tuple[str, str, bool]:
    "Class folders below wrappers and parts, with other files among them."
    from ftkit import Data

    root = folder / f"f{rng.randrange(10**9)}"
    kind = rng.choice(["image", "text", "speech"])
    names = rng.choice(CLASS_NAMES)
    wrapper = rng.choice(["", "", "my-data", "archive/data", "a/b/c", "dataset (1)"])
    parts = rng.choice([(), (), ("train", "test"), ("train", "valid"), ("train", "valid", "test")])
    spelled = {p: rng.choice(PART_NAMES[p]) for p in parts}
    if "x_train" in spelled.values():
        spelled = {p: f"x_{p}" for p in parts}
    twice = rng.random() < 0.2
    odd = rng.choice(["", "", "form", "case", "blank", "empty", "loose", "deep"])
    truth: Counter = Counter()

    def put(path: Path, seed: int) -> None:
        _put_example(path, seed, kind, rng)

    for p in parts or ("",):
        base = (
            root / wrapper / (f"{spelled[p]}/{spelled[p]}" if p and twice else spelled.get(p, ""))
        )
        for c in names:
            written = _odd_name(c, odd) if p == "test" else c
            for i in range(rng.randint(3, 6)):
                put(
                    base / written / ("deep" if odd == "deep" and i == 0 else "") / f"{c}_{p}_{i}",
                    rng.randrange(10**6),
                )
                truth[p or "-", c.casefold() if odd == "case" else c] += 1
    base = root / wrapper / spelled.get("train", "")
    base = base / spelled["train"] if parts and twice else base
    loose = 0
    if odd == "empty":
        (base / "nothing here").mkdir(parents=True)
    if odd == "loose":
        put(base / "loose", 1)
        loose = 1
    extra = rng.choice([*EXTRAS, None, None])
    if extra:
        path = base / names[0] / extra
        path.parent.mkdir(parents=True, exist_ok=True)
        (
            path.write_bytes(b"\0\1\2")
            if not extra.endswith((".csv", ".md"))
            else path.write_text("a,b\n")
        )
    what = (
        f"{kind} folders: {wrapper!r}, {list(spelled.values())}, twice {twice}, {names},"
        f" {odd or 'ordinary'}, {extra}"
    )
    try:
        data = getattr(Data, kind)(root, near="as_is", valid=0.2, test=0.2)
    except Exception as e:
        return of_error(e), what, True
    found = _counts(data, parts, odd)
    if found != truth:
        return f"silent: {dict(found)} for {dict(truth)}; {data.notes}", what, True
    if loose != counted([n for n in data.notes if "class folder" in n and "files in" not in n]):
        return f"silent: loose file not named; {data.notes}", what, True
    return (
        ("told" if data.notes and (loose or odd in ("case", "empty", "deep")) else "right"),
        what,
        True,
    )


CONTAINERS = {
    "JPEG": [".jpg", ".jpeg", ".JPG", ".jpe", ".jfif", ".png", "", ".dat"],
    "PNG": [".png", ".PNG", ".jpg", "", ".img"],
    "WEBP": [".webp", ".jpg", ""],
    "GIF": [".gif", ".png", ""],
    "BMP": [".bmp", ".dib", ""],
    "TIFF": [".tif", ".tiff", ".TIF", ""],
    "PPM": [".ppm", ".pnm", ""],
}
SOUNDS = {
    "WAV": [".wav", ".WAV", ".wave", "", ".mp3", ".dat"],
    "FLAC": [".flac", ".wav", ""],
    "OGG": [".ogg", ".oga", "", ".wav"],
    "AIFF": [".aiff", ".aif", ""],
    "CAF": [".caf", ""],
    "MP3": [".mp3", ".wav", ""],
    "W64": [".w64", ""],
}


def files_case(rng: random.Random, folder: Path) -> tuple[str, str, bool]:
    "Files whose names say another format, or none."
    from ftkit import Data

    root = folder / f"k{rng.randrange(10**9)}"
    kind = rng.choice(["image", "image", "speech"])
    container, n, truth = rng.choice(list(CONTAINERS if kind == "image" else SOUNDS)), 0, {}
    suffix = rng.choice((CONTAINERS if kind == "image" else SOUNDS)[container])
    mode = rng.choice(["RGB", "RGB", "L", "P"]) if kind == "image" else ""
    for c in ("a", "b"):
        for i in range(6):
            path = root / c / f"{i}{suffix if i % 2 else {'image': '.png', 'speech': '.wav'}[kind]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            form = container if i % 2 else {"image": "PNG", "speech": "WAV"}[kind]
            if kind == "image":
                noise_picture(
                    path,
                    rng,
                    format=form,
                    mode=mode if form in ("PNG", "GIF", "BMP", "TIFF") or mode != "P" else "RGB",
                )
                from PIL import Image

                truth[str(path)] = float(np.asarray(Image.open(path).convert("RGB")).mean())
            else:
                import soundfile

                wave = np.random.default_rng(i).normal(0, 0.1, 16000 + 1600 * i).clip(-1, 1)
                soundfile.write(path, wave, 16000, format=form)
                truth[str(path)] = len(wave) / 16000
            n += 1
    what = f"{kind} files: {container} as {suffix!r}, {mode}"
    try:
        data = getattr(Data, kind)(root, near="as_is")
    except Exception as e:
        return of_error(e), what, True
    if len(data) + counted(data.notes) != n:
        return f"silent: {len(data)} of {n}; {data.notes}", what, True
    for i, item in enumerate(data.items):
        from ftkit.reading.pictures import open_picture

        found = (
            float(np.asarray(open_picture(item)).mean())
            if kind == "image"
            else float(data.seconds[i])
        )
        if abs(found - truth[item]) > (1.5 if kind == "image" else 0.12):
            return f"silent: {item} {found} for {truth[item]}", what, True
    return ("right" if len(data) == n else "told"), what, True


MAKERS = {
    "table": table_case,
    "lines": lines_case,
    "labels": labels_case,
    "folders": folders_case,
    "files": files_case,
}


def run(cases: int, seed: int, makers=None, show: bool = False) -> dict[str, Counter]:
    "Counts of outcomes by kind of case; what was wrong is printed."
    makers = makers or list(MAKERS)
    found: dict[str, Counter] = {m: Counter() for m in makers}
    with tempfile.TemporaryDirectory() as d:
        for i in range(cases):
            maker = makers[i % len(makers)]
            rng = random.Random(f"{seed} {i}")
            folder = Path(d) / str(i % 50)
            folder.mkdir(exist_ok=True)
            with contextlib.redirect_stderr(io.StringIO()):
                outcome, what, clear = MAKERS[maker](rng, folder)
            word = outcome.partition(":")[0]
            if word == "refused" and clear:
                word = "refused though clear"
            found[maker][word] += 1
            if show and word in ("silent", "traceback", "refused though clear"):
                print(f"{i}: {what}\n    {outcome}", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=list(MAKERS))
    a = parser.parse_args()
    found = run(a.cases, a.seed, a.kinds, show=True)
    for name, counts in found.items():
        print(f"{name:10}", dict(counts.most_common()))
    total = sum(found.values(), Counter())
    print(f"{'all':10}", dict(total.most_common()))
    sys.exit(bool(total["silent"] + total["traceback"]))
