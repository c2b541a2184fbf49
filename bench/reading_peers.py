"""What is read right of folders and tables that are not as one expects: ftkit beside pandas +
fastai, AutoGluon, datasets.

    python bench/reading_peers.py CASES ftkit                         # CASES: a folder of case folders
    PEERS/bin/python bench/reading_peers.py CASES fastai datasets     # each side where it is installed
    AG/bin/python bench/reading_peers.py CASES autogluon

Each side is asked what its guide says: the usual call with its defaults, and what it makes of
rows, target and values is compared with the truth. *right*: the true rows and values. *told*:
others, and a note, warning or error says so (an error counts as `refused`). *silent*: others,
without a word. A side that has no such call is asked nothing (n/a).
"""

import argparse
import contextlib
import io
import json
import math
import sys
import warnings
from collections import Counter
from pathlib import Path

N_A = ("n/a", "")


def near(a, b, share=0.01) -> bool:
    "Whether a value is the true one; a text such as 7,407 is not."
    try:
        return a is not None and math.isclose(float(a), b, rel_tol=share, abs_tol=1e-6)
    except ValueError:
        return False


def checks(root: Path) -> list[tuple]:
    "(folder, name, what is asked, arguments, truth)."
    out = []

    def add(folder, name, ask, truth, **given):
        out.append((folder, name, ask, given, truth))

    two = {"cats", "dogs"}
    for name, rows, classes in (
        ("dogsvscats", 40, two),
        ("twice", 34, two),
        ("extra", 32, two),
        ("mvtec", 22, {"good", "broken"}),
        ("nfd", 34, {"café", "thé"}),
        ("case", 34, two),
        ("kaggle", 30, two),
        ("ws", 34, two),
        ("mac", 24, two),
        ("wrapmac", 24, two),
        ("wrap", 24, two),
        ("ckpt", 24, two),
        ("unknown", 30, two),
    ):
        add("01-nested-archive", name, "pictures", {"rows": rows, "classes": classes})
    add("02-unknown-suffixes", "phone", "pictures", {"rows": 40, "classes": two})
    add("02-unknown-suffixes", "noext", "pictures", {"rows": 24, "classes": two})
    add("02-unknown-suffixes", "snd", "recordings", {"rows": 20, "classes": {"high", "low"}})
    add("02-unknown-suffixes", "news", "texts", {"rows": 24, "classes": {"a", "b"}})
    for name, mean, rows in (
        ("comma", 51.08, 80),
        ("euro", 51.08, 80),
        ("thousands", 5108.26, 80),
        ("nan", 51.28, 77),
        ("na", 51.28, 77),
        ("dash", 51.28, 77),
        ("ages", 54.92, 120),
    ):
        add("03-number-labels", f"{name}.csv", "text target", {"rows": rows, "mean": mean})
    for name, n, rows in (("ws", 2, 90), ("homo", 2, 60), ("lists", 3, 90)):
        add("03-number-labels", f"{name}.csv", "text target", {"rows": rows, "n": n})
    for name, mean, rows in (
        ("c1", -5.10, 299),
        ("c", -5.10, 300),
        ("euro", -5.10, 300),
        ("pct", -5.10, 300),
        ("sw", 14903.73, 300),
        ("question", -5.11, 297),
        ("ids", 12.35, 300),
    ):
        add("04-tabular-targets", f"{name}.csv", "table target", {"rows": rows, "mean": mean})
    add("04-tabular-targets", "codes.csv", "table target", {"rows": 300, "n": 39})
    add("04-tabular-targets", "bool.csv", "table target", {"rows": 300, "n": 2})
    for name in ("iso", "dmy", "mdy", "dashes", "points", "dmyc", "long", "words", "t"):
        add("05-time-split-day-first", f"{name}.csv", "time", {})
    for name in ("2028.jsonl", "2029.jsonl", "rs.jsonl", "array.jsonl"):
        add(
            "06-lines-and-quotes",
            name,
            "text target",
            {"rows": 20 if "array" in name else 30, "n": 2},
        )
    for name in (
        "q5.tsv",
        "q.csv",
        "q2.tsv",
        "q7.tsv",
        "bs.csv",
        "cat.csv",
        "title.csv",
        "comment.csv",
        "blank.csv",
        "semi.csv",
        "pipe.csv",
        "sq.csv",
        "spq.csv",
        "tilde.csv",
    ):
        add("06-lines-and-quotes", name, "text target", {"rows": 40, "n": 2})
    for name in ("dictlabel.jsonl", "nested.jsonl"):
        add("06-lines-and-quotes", name, "text target", {"refused": True})
    for name in ("a/train.csv", "a/name.csv", "a/win.csv", "a/space.csv", "a/upper.csv"):
        add("07-picture-tables", name, "picture table", {"wrong": 0})
    add("07-picture-tables", "seg/train.csv", "picture table", {"refused": True})
    add("07-picture-tables", "nf/t.csv", "picture table", {"rows": 20})
    for name in ("12in16.png", "12in16.tif", "8in16.tif", "f102.tif", "16.png", "la16.png"):
        if (root / "08-picture-files" / name).exists():
            add("08-picture-files", name, "light", {"mean": 112})
    for name in ("pages.tif", "anim.gif"):
        add("08-picture-files", name, "light", {"told": True})
    for name, seconds in (
        ("vbr_noinfo.mp3", 6.0),
        ("cat.mp3", 6.0),
        ("size0.wav", None),
        ("ref.wav", None),
        ("vbr.mp3", None),
    ):
        add("09-sound-files", name, "sound", {"seconds": seconds})
    add("09-sound-files", "phase.wav", "sound", {"rms": True})
    for name in ("comma.csv", "points.csv", "points_semicolon.csv", "same.csv"):
        add("15-other-decimals", name, "later table", {"first": [0.126, 7.407]})
    import pandas as pd

    shop = pd.read_csv(
        root / "16-where-decimal-comma" / "shop.csv", sep=";", decimal=",", thousands="."
    )
    add("16-where-decimal-comma", "shop.csv", "where", {"rows": int((shop["price"] < 20).sum())})
    return out


# ---- ftkit ----


def ask_ftkit(root: Path, folder: str, name: str, ask: str, truth: dict) -> tuple[str, str]:
    from ftkit import Data
    from ftkit.core import UsageError

    path = root / folder / name
    try:
        return FTKIT[ask](Data, path, truth)
    except UsageError as e:
        return ("right" if truth.get("refused") else "refused"), str(e)[:90]


def verdict(fine: bool, notes, what: str) -> tuple[str, str]:
    return ("right" if fine else "told" if notes else "silent"), what


def compared(data, truth: dict) -> tuple[str, str]:
    labels = data.task.classes
    what = f"{len(data)} rows, {labels[:4] if labels else f'mean {data.labels.mean():.2f}'}"
    if truth.get("refused"):
        return verdict(False, data.notes, what)
    fine = len(data) == truth["rows"] if "rows" in truth else True
    if "classes" in truth:
        fine &= set(labels) == truth["classes"]
    if "n" in truth:
        fine &= len(labels) == truth["n"]
    if "mean" in truth:
        fine &= not labels and near(data.labels.mean(), truth["mean"])
    return verdict(fine, data.notes, what)


def ftkit_text(Data, path, truth):
    more = {"separator": ","} if path.stem == "lists" else {}
    if path.suffix == ".tsv":
        more["text"] = "sentence"
    return compared(Data.text(path, near="as_is", skip_bad="mean" in truth, **more), truth)


def ftkit_time(Data, path, truth):
    import pandas as pd

    data = Data.text(path, time="when", near="as_is")
    no = pd.read_csv(path)["no"].to_numpy()
    return verdict(
        sorted(no[data.test.ids]) == list(range(102, 120)),
        data.notes,
        f"test {sorted(no[data.test.ids])[:3]} …",
    )


def ftkit_pictures_of_table(Data, path, truth):
    data = Data.image(path, near="as_is")
    if "wrong" in truth:
        wrong = sum(
            (int(Path(i).stem) % 2 == 0) != (data.label_text(k) == "round")
            for k, i in enumerate(data.items)
        )
        return verdict(wrong == 0, data.notes, f"{wrong} wrong of {len(data)}")
    return compared(data, truth)


def ftkit_light(Data, path, truth):
    import numpy as np

    data_notes = []
    if truth.get("told"):
        import shutil
        import tempfile

        with tempfile.TemporaryDirectory() as d:
            for c in "ab":
                for i in range(3):
                    (Path(d) / c).mkdir(exist_ok=True)
                    shutil.copy(path, Path(d) / c / f"{i}{path.suffix}")
            data_notes = [n for n in Data.image(d, near="as_is").notes if "first" in n]
        return ("right" if data_notes else "silent"), "; ".join(data_notes)[:80]
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as d:
        for c in "ab":
            for i in range(3):
                (Path(d) / c).mkdir(exist_ok=True)
                shutil.copy(path, Path(d) / c / f"{i}{path.suffix}")
        data = Data.image(d, near="as_is")
        mean = float(np.asarray(data.pixels(64)).mean())
        return verdict(
            abs(mean - truth["mean"]) < 12,
            [n for n in data.notes if "bit" in n or "scale" in n or "light" in n],
            f"mean {mean:.0f}",
        )


def ftkit_sound(Data, path, truth):
    import numpy as np

    from ftkit.reading.sounds import look_at_sounds, open_sound

    if truth.get("rms"):
        rms = float(np.sqrt((open_sound(path) ** 2).mean()))
        return verdict(rms > 0.05, [], f"rms {rms:.3f}")
    _, seconds, _, _, wrong, *_ = look_at_sounds([str(path)])[0]
    if wrong:
        return "refused", wrong[:80]
    return verdict(
        truth["seconds"] is None or near(seconds, truth["seconds"], 0.05), [], f"{seconds:.2f} s"
    )


def ftkit_later(Data, path, truth):
    from ftkit.models.tables import fit_prep
    from ftkit.reading.cleaning import decode
    from ftkit.reading.rows import read_table

    prep = fit_prep(Data.tabular(path.parent / "train_comma.csv"))
    found = prep.decode(prep.read(read_table(path, decode)).x).iloc[0].tolist()
    return verdict(all(map(near, found, truth["first"])), [], str(found))


FTKIT = {
    "pictures": lambda Data, path, truth: compared(Data.image(path, near="as_is"), truth),
    "texts": lambda Data, path, truth: compared(Data.text(path, near="as_is"), truth),
    "recordings": lambda Data, path, truth: compared(Data.speech(path, near="as_is"), truth),
    "text target": ftkit_text,
    "table target": lambda Data, path, truth: compared(
        Data.tabular(path, skip_bad="mean" in truth), truth
    ),
    "time": ftkit_time,
    "picture table": ftkit_pictures_of_table,
    "light": ftkit_light,
    "sound": ftkit_sound,
    "later table": ftkit_later,
    "where": lambda Data, path, truth: verdict(
        len(Data.tabular(path, label="label", where="price < 20")) == truth["rows"],
        [],
        "rows where price < 20",
    ),
}


# ---- pandas, as fastai, AutoGluon and datasets read tables ----


def of_column(y, truth: dict, kind: str) -> tuple[str, str]:
    "What a column of a target is, rows without one left out as their guides do."
    y = y.dropna()
    what = f"{len(y)} rows, {kind}, " + (
        f"mean {y.astype(float).mean():.2f}"
        if kind == "number"
        else str(list(dict.fromkeys(map(str, y)))[:4])
    )
    if truth.get("refused"):
        return "silent", what
    fine = len(y) == truth["rows"]
    fine &= (
        (kind == "number" and near(y.astype(float).mean(), truth["mean"]))
        if "mean" in truth
        else kind == "classes" and y.map(str).nunique() == truth["n"]
    )
    return ("right" if fine else "silent"), what


def pandas_table(path: Path):
    import pandas as pd

    if path.suffix == ".jsonl":
        return pd.read_json(path, lines=True)
    return pd.read_csv(path, sep="\t") if path.suffix == ".tsv" else pd.read_csv(path)


def label_of(table):
    return table["label"] if "label" in table else table["target"]


def ask_fastai(root: Path, folder: str, name: str, ask: str, truth: dict) -> tuple[str, str]:
    import numpy as np

    path = root / folder / name
    if ask == "pictures":
        from fastai.vision.all import ImageDataLoaders

        inner = {p.name.lower(): p.name for p in path.iterdir() if p.is_dir()}
        valid = next((inner[v] for v in ("val", "valid", "test", "test_set") if v in inner), None)
        train = next((inner[t] for t in ("train", "training_set") if t in inner), None)
        dls = (
            ImageDataLoaders.from_folder(path, train=train, valid=valid, bs=4)
            if train and valid
            else ImageDataLoaders.from_folder(path, valid_pct=0.2, bs=4)
        )
        rows, classes = len(dls.train_ds) + len(dls.valid_ds), set(dls.vocab)
        return (
            "right" if rows == truth["rows"] and classes == truth["classes"] else "silent"
        ), f"{rows} rows, {sorted(classes)[:4]}"
    if ask in ("text target", "table target"):
        import pandas as pd

        y = label_of(pandas_table(path))
        return of_column(
            y,
            truth,
            (
                "number"
                if pd.api.types.is_numeric_dtype(y) and not pd.api.types.is_bool_dtype(y)
                else "classes"
            ),
        )
    if ask == "time":
        import pandas as pd

        table = pd.read_csv(path)
        last = table.assign(when=pd.to_datetime(table["when"])).sort_values("when")["no"].tail(18)
        return (
            "right" if sorted(last) == list(range(102, 120)) else "silent"
        ), f"last {sorted(last)[:3]}"
    if ask == "picture table":
        from fastai.vision.all import ImageDataLoaders

        dls = ImageDataLoaders.from_csv(path.parent, csv_fname=path.name, bs=4)
        for ds in (dls.train_ds, dls.valid_ds):
            ds[0]
        items = [
            *dls.train_ds.items.itertuples(index=False),
            *dls.valid_ds.items.itertuples(index=False),
        ]
        wrong = sum(
            str(r[-1]) in ("round", "square")
            and (int(Path(str(r[0])).stem or -1) % 2 == 0) != (str(r[1]) == "round")
            for r in items
        )
        return (
            "right"
            if not wrong and len(items) == truth.get("rows", 40) and not truth.get("refused")
            else "silent"
        ), f"{len(items)} rows, {wrong} wrong"
    if ask == "light":
        if truth.get("told"):
            return N_A
        from fastai.vision.all import PILImage

        mean = float(np.asarray(PILImage.create(path)).mean())
        return ("right" if abs(mean - truth["mean"]) < 12 else "silent"), f"mean {mean:.0f}"
    if ask == "where":
        import pandas as pd

        n = len(pd.read_csv(path).query("price < 20"))
        return ("right" if n == truth["rows"] else "silent"), f"{n} rows"
    if ask == "later table":
        import pandas as pd

        train = pd.read_csv(path.parent / "train_comma.csv", sep=";")
        later = pd.read_csv(path, sep=";" if "semicolon" in name or name == "same.csv" else ",")
        return (
            "right"
            if near(later["b"].iloc[0], 7.407) and near(train["b"].iloc[0], 7.407)
            else "silent"
        ), f"{train['b'].iloc[0]!r} and {later['b'].iloc[0]!r}"
    return N_A


def ask_autogluon(root: Path, folder: str, name: str, ask: str, truth: dict) -> tuple[str, str]:
    path = root / folder / name
    if ask not in ("text target", "table target", "later table"):
        return N_A
    from autogluon.core.utils import infer_problem_type
    from autogluon.tabular import TabularDataset

    if ask == "later table":
        return ask_fastai(root, folder, name, ask, truth)
    table = pandas_table(path) if path.suffix != ".csv" else TabularDataset(str(path))
    y = label_of(table).dropna()
    kind = infer_problem_type(y, silent=True)
    return of_column(y, truth, "number" if kind == "regression" else "classes")


def ask_datasets(root: Path, folder: str, name: str, ask: str, truth: dict) -> tuple[str, str]:
    import datasets

    datasets.disable_progress_bars()
    path = root / folder / name
    if ask in ("pictures", "recordings"):
        parts = datasets.load_dataset(
            "imagefolder" if ask == "pictures" else "audiofolder", data_dir=str(path)
        )
        rows, names = sum(len(p) for p in parts.values()), set()
        for p in parts.values():
            names |= set(getattr(p.features.get("label"), "names", None) or [])
        return (
            "right" if rows == truth["rows"] and names == truth["classes"] else "silent"
        ), f"{rows} rows, {sorted(names)[:4]}"
    if ask in ("text target", "table target"):
        kind = "json" if path.suffix == ".jsonl" else "csv"
        data = datasets.load_dataset(
            kind, data_files=str(path), **({"sep": "\t"} if path.suffix == ".tsv" else {})
        )["train"]
        column = "label" if "label" in data.features else "target"
        dtype = getattr(data.features[column], "dtype", "object")
        return of_column(
            data.to_pandas()[column],
            truth,
            "number" if dtype.startswith(("float", "int")) else "classes",
        )
    return N_A


SIDES = {
    "ftkit": ask_ftkit,
    "fastai": ask_fastai,
    "autogluon": ask_autogluon,
    "datasets": ask_datasets,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path)
    parser.add_argument("sides", nargs="+", choices=list(SIDES))
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    warnings.simplefilter("ignore")
    held: dict[str, dict[str, Counter]] = {s: {} for s in a.sides}
    for folder, name, ask, _, truth in checks(a.cases):
        for side in a.sides:
            try:
                with (
                    contextlib.redirect_stderr(io.StringIO()),
                    contextlib.redirect_stdout(io.StringIO()),
                ):
                    word, what = SIDES[side](a.cases, folder, name, ask, truth)
            except Exception as e:
                word = "right" if truth.get("refused") else "refused"
                what = f"{type(e).__name__}: {str(e).splitlines()[0][:90] if str(e) else ''}"
            held[side].setdefault(folder, Counter())[word] += 1
            print(f"{side:10} {folder[:24]:24} {name:22} {word:8} {what[:110]}", flush=True)
    print()
    for side, folders in held.items():
        for folder, counts in folders.items():
            print(f"{side:10} {folder:26}", dict(counts))
        asked = {f: c for f, c in folders.items() if c.total() > c["n/a"]}
        whole = sum(c["right"] == c.total() - c["n/a"] for c in asked.values())
        total = sum(folders.values(), Counter())
        print(
            f"{side:10} folders read wholly right: {whole} of {len(asked)} asked; checks:"
            f" {dict(total)}"
        )
        if a.json:
            a.json.write_text(json.dumps({side: {f: dict(c) for f, c in folders.items()}}))


if __name__ == "__main__":
    sys.exit(main())
