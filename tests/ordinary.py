"""Well-formed data sets and layouts, rebuilt small: none is refused, and nothing false is said of
any.

python tests/ordinary.py            # each set with its notes, and the counts
python tests/ordinary.py --samples  # the samples that are there, too
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

SETS: dict[str, Callable] = {}
WORDS = (
    "amber bridge copper dune ember fern glacier harbor island jungle kettle lantern meadow nectar"
    " orchid pebble quarry ribbon".split()
)

# what may be said of any set: how it was split, how few rows it has, which columns are no features
USUAL = (
    "fewer than 10 examples",
    "unbalanced",
    "split by",
    "split at random",
    "not learned from",
    "near-duplicates",
    "nearly the same",
    "are learned from only through",
    "classes have no training row",
    "has no row of",
    "hold no row",
    "are taken as a number; kind=",
    "classes; kind='regression'",
    "holds dates from",
    "day first",
    "count as missing",
    "characters of the held-out texts",
    "and test were",
    "no rows for",
)


def layout(function: Callable) -> Callable:
    """Decorator: the function below makes a set in a folder and reads it; it returns the data,
    rows, classes."""
    SETS[function.__name__] = function
    return function


def picture(path: Path, k: int) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(abs(hash((path.name, k))) % 2**32)
    a = rng.integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(a).resize((24, 24)).save(path)


def sound(path: Path, k: int) -> None:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(k)
    t = np.arange(8000) / 16000
    wave = 0.3 * np.sin(2 * np.pi * rng.uniform(200, 2000) * t) + 0.05 * rng.normal(size=len(t))
    soundfile.write(path, wave.astype(np.float32), 16000)


def text(k: int) -> str:
    rng = np.random.default_rng(k)
    return " ".join(rng.choice(WORDS, 8)) + f", number {k}"


def written(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def pictures(folder: Path, classes, n: int = 6, suffix: str = ".png", start: int = 0) -> None:
    for c in classes:
        for i in range(n):
            picture(folder / c / f"{c}_{start + i}{suffix}", i)


# ---- pictures ----


@layout
def torchvision_image_folder(d):
    for part in ("train", "val"):
        pictures(d / part, ["ants", "bees"], start=100 * (part == "val"))
    return {"image": d}, 24, 2


@layout
def class_folders(d):
    pictures(d, ["cat", "dog", "wild cat"])
    return {"image": d}, 18, 3


@layout
def class_folders_of_numbers(d):
    pictures(d, [str(i) for i in range(10)])
    return {"image": d}, 60, 10


@layout
def fastai_imagenette(d):
    for part in ("train", "val"):
        pictures(
            d / "imagenette2-160" / part,
            ["n01440764", "n02102040"],
            suffix=".JPEG",
            start=100 * (part == "val"),
        )
    written(d / "imagenette2-160" / "noisy_imagenette.csv", "path,noisy_labels_0,is_valid\n")
    return {"image": d / "imagenette2-160"}, 24, 2


@layout
def fastai_mnist_sample(d):
    for part in ("train", "valid"):
        pictures(d / part, ["3", "7"], start=100 * (part == "valid"))
    written(d / "labels.csv", "name,label\ntrain/3/3_0.png,0\n")
    return {"image": d}, 24, 2


@layout
def fastai_pascal_2007(d):
    for i in range(20):
        picture(d / "train" / f"{i:06}.jpg", i)
    written(
        d / "train.csv",
        "fname,labels,is_valid\n"
        + "".join(
            f"{i:06}.jpg,{['chair', 'car person', 'person'][i % 3]},{i % 5 == 0}\n"
            for i in range(20)
        ),
    )
    return {"image": d / "train.csv", "folder": str(d / "train"), "separator": " "}, 20, 3


@layout
def fastai_planet(d):
    for i in range(20):
        picture(d / "train" / f"train_{i}.jpg", i)
    written(
        d / "train_classes.csv",
        "image_name,tags\n"
        + "".join(
            f"train_{i},{['haze primary', 'agriculture clear primary', 'clear primary'][i % 3]}\n"
            for i in range(20)
        ),
    )
    return (
        {
            "image": d / "train_classes.csv",
            "folder": str(d / "train"),
            "label": "tags",
            "separator": " ",
        },
        20,
        4,
    )


@layout
def datasets_image_folder_with_metadata(d):
    for part in ("train", "test"):
        for i in range(10):
            picture(d / part / f"{part}_{i}.png", i)
    rows = "".join(
        f"{part}/{part}_{i}.png,{'ab'[i % 2]},{part}\n"
        for part in ("train", "test")
        for i in range(10)
    )
    return (
        {"image": written(d / "metadata.csv", "file_name,label,split\n" + rows), "split": "split"},
        20,
        2,
    )


@layout
def datasets_metadata_jsonl(d):
    for i in range(10):
        picture(d / f"{i:04}.png", i)
    return (
        {
            "image": written(
                d / "metadata.jsonl",
                "\n".join(
                    json.dumps({"file_name": f"{i:04}.png", "label": "ab"[i % 2]})
                    for i in range(10)
                ),
            )
        },
        10,
        2,
    )


@layout
def kaggle_labels_beside_a_flat_folder(d):
    for i in range(20):
        picture(d / "train" / f"img{i:03}.jpg", i)
    for i in range(5):
        picture(d / "test" / f"img{100 + i:03}.jpg", i)
    written(d / "sample_submission.csv", "id,breed\nimg100,pug\n")
    return (
        {
            "image": written(
                d / "labels.csv",
                "id,breed\n" + "".join(f"img{i:03},{['pug', 'boxer'][i % 2]}\n" for i in range(20)),
            ),
            "folder": str(d / "train"),
            "label": "breed",
        },
        20,
        2,
    )


@layout
def kaggle_intel_scenes(d):
    for part in ("train", "test"):
        pictures(
            d / f"seg_{part}" / f"seg_{part}",
            ["forest", "sea"],
            suffix=".jpg",
            start=100 * (part == "test"),
        )
    return {"image": d}, 24, 2


@layout
def kaggle_chest_x_ray(d):
    for part in ("train", "val", "test"):
        pictures(
            d / "chest_xray" / part, ["NORMAL", "PNEUMONIA"], suffix=".jpeg", start=10 * len(part)
        )
    return {"image": d / "chest_xray"}, 36, 2


@layout
def tiny_imagenet_train(d):
    for c in ("n01", "n02"):
        for i in range(6):
            picture(d / "train" / c / "images" / f"{c}_{i}.JPEG", i)
    return {"image": d / "train"}, 12, 2


@layout
def mvtec_test_side(d):
    pictures(d / "test", ["good", "broken_large", "contamination"])
    return {"image": d / "test"}, 18, 3


@layout
def one_hot_columns(d):
    for i in range(12):
        picture(d / f"{i}.png", i)
    return (
        {
            "image": written(
                d / "t.csv",
                "file,red,big\n" + "".join(f"{i}.png,{i % 2},{i % 3 == 0:d}\n" for i in range(12)),
            ),
            "label": ["red", "big"],
        },
        12,
        2,
    )


@layout
def ages_of_faces(d):
    rng = np.random.default_rng(0)
    for i in range(30):
        picture(d / "faces" / f"{i}.jpg", i)
    return (
        {
            "image": written(
                d / "faces.csv",
                "path,age\n"
                + "".join(f"faces/{i}.jpg,{rng.uniform(1, 90):.1f}\n" for i in range(30)),
            ),
            "label": "age",
        },
        30,
        0,
    )


@layout
def arrays(d):
    return (
        {
            "image": (
                np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8),
                np.arange(40) % 10,
            )
        },
        40,
        10,
    )


@layout
def npz(d):
    np.savez(
        d / "a.npz",
        x=np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8),
        y=np.arange(40) % 4,
    )
    return {"image": d / "a.npz"}, 40, 4


@layout
def torch_set(d):
    import torch

    g = torch.Generator().manual_seed(0)
    return (
        {
            "image": torch.utils.data.TensorDataset(
                torch.rand(40, 3, 8, 8, generator=g), torch.arange(40) % 3
            )
        },
        40,
        3,
    )


@layout
def phones(d):
    for c in ("left", "right"):
        for i in range(6):
            picture(d / "photos" / c / f"IMG_{i:04}.JPG", i + 100 * (c == "left"))
    return {"image": d / "photos"}, 12, 2


# ---- texts ----


@layout
def text_csv(d):
    return (
        {
            "text": written(
                d / "t.csv",
                "text,label\n"
                + "".join(f'"{text(i)}",{"good" if i % 2 else "bad"}\n' for i in range(40)),
            )
        },
        40,
        2,
    )


@layout
def imdb_folders(d):
    for part in ("train", "test"):
        for c in ("pos", "neg"):
            for i in range(8):
                written(d / "aclImdb" / part / c / f"{i}_7.txt", text(i + 100 * len(part + c)))
    written(d / "aclImdb" / "README", "about")
    written(d / "aclImdb" / "imdb.vocab", "the\nand\n")
    return {"text": d / "aclImdb"}, 32, 2


@layout
def twenty_newsgroups(d):
    for c in ("sci.space", "rec.autos"):
        for i in range(8):
            written(d / c / f"{10000 + i}", f"From: a@b.c\n\n{text(i + 50 * len(c))}")
    return {"text": d}, 16, 2


@layout
def ag_news(d):
    return (
        {
            "text": written(
                d / "train.csv",
                "Class Index,Title,Description\n"
                + "".join(f'{1 + i % 4},"Head {i}","{text(i)}"\n' for i in range(40)),
            ),
            "text_": "Description",
            "label": "Class Index",
        },
        40,
        4,
    )


@layout
def sms_spam_tsv(d):
    return (
        {
            "text": written(
                d / "sms.tsv",
                "label\ttext\n"
                + "".join(
                    f'{"ham" if i % 3 else "spam"}\t{text(i)}; ok "so" it\'s £{i}\n'
                    for i in range(40)
                ),
            )
        },
        40,
        2,
    )


@layout
def amazon_stars_jsonl(d):
    return (
        {
            "text": written(
                d / "r.jsonl",
                "\n".join(json.dumps({"text": text(i), "label": i % 5 + 1}) for i in range(50)),
            )
        },
        50,
        5,
    )


@layout
def german_csv(d):
    return (
        {
            "text": written(
                d / "t.csv",
                "text;label\n"
                + "".join(f"{text(i)}, ja;{'gut' if i % 2 else 'schlecht'}\n" for i in range(40)),
            )
        },
        40,
        2,
    )


@layout
def several_lines_in_a_cell(d):
    return (
        {
            "text": written(
                d / "t.csv",
                "id,text,label\n"
                + "".join(
                    f'{i},"{text(i)}\nsecond ""line"" of it",{"ab"[i % 2]}\n' for i in range(40)
                ),
            )
        },
        40,
        2,
    )


@layout
def toxic_comments(d):
    return (
        {
            "text": written(
                d / "t.csv",
                "id,comment_text,toxic,insult\n"
                + "".join(f'{i:05x},"{text(i)}",{i % 2},{i % 3 == 0:d}\n' for i in range(40)),
            ),
            "text_": "comment_text",
            "label": ["toxic", "insult"],
        },
        40,
        2,
    )


@layout
def essay_scores(d):
    rng = np.random.default_rng(0)
    return (
        {
            "text": written(
                d / "t.csv",
                "text,score\n"
                + "".join(f'"{text(i)}",{rng.uniform(1, 6):.2f}\n' for i in range(40)),
            ),
            "label": "score",
        },
        40,
        0,
    )


@layout
def pairs(d):
    return (
        {
            "text": written(
                d / "t.csv",
                "question,sentence,label\n"
                + "".join(
                    f'"{text(i)}?","{text(i + 99)}",{"entailment" if i % 2 else "not_entailment"}\n'
                    for i in range(40)
                ),
            ),
            "text_": "question",
            "second": "sentence",
        },
        40,
        2,
    )


@layout
def lists_in_python(d):
    return {"text": ([text(i) for i in range(40)], ["a", "b"] * 20)}, 40, 2


@layout
def chinese(d):
    return (
        {
            "text": written(
                d / "t.csv",
                "text,label\n"
                + "".join(
                    f"这部电影很好看{i}，我喜欢{WORDS[i % 9]}。,{'好' if i % 2 else '差'}\n"
                    for i in range(40)
                ),
            )
        },
        40,
        2,
    )


@layout
def frame_with_categories(d):
    import pandas as pd

    return (
        {
            "text": pd.DataFrame(
                {"text": [text(i) for i in range(40)], "label": pd.Categorical(["a", "b"] * 20)}
            )
        },
        40,
        2,
    )


@layout
def texts_by_time(d):
    import pandas as pd

    return (
        {
            "text": pd.DataFrame(
                {
                    "text": [text(i) for i in range(40)],
                    "label": ["a", "b"] * 20,
                    "date": pd.date_range("2024-01-01", periods=40),
                }
            ),
            "time": "date",
        },
        40,
        2,
    )


# ---- recordings ----


@layout
def speech_commands(d):
    for c in ("yes", "no", "up"):
        for i in range(6):
            sound(d / c / f"{i:04x}_nohash_0.wav", i + 10 * len(c))
    sound(d / "_background_noise_" / "pink.wav", 99)
    written(
        d / "testing_list.txt",
        "yes/0001_nohash_0.wav\nno/0001_nohash_0.wav\nup/0001_nohash_0.wav\n",
    )
    written(d / "validation_list.txt", "yes/0002_nohash_0.wav\nno/0002_nohash_0.wav\n")
    return {"speech": d}, 18, 3


@layout
def esc_50(d):
    for i in range(20):
        sound(d / "audio" / f"1-{i}-A-{i % 4}.wav", i)
    return (
        {
            "speech": written(
                d / "meta" / "esc50.csv",
                "filename,fold,target,category,esc10\n"
                + "".join(
                    f"1-{i}-A-{i % 4}.wav,{1 + i % 5},{i % 4},{['dog', 'rain', 'sea', 'clock'][i % 4]},True\n"
                    for i in range(20)
                ),
            ),
            "folder": str(d / "audio"),
            "label": "category",
        },
        20,
        4,
    )


@layout
def common_voice(d):
    for i in range(20):
        sound(d / "clips" / f"common_voice_en_{i}.mp3", i)
    return (
        {
            "speech": written(
                d / "train.tsv",
                "client_id\tpath\tsentence\tup_votes\n"
                + "".join(
                    (
                        f'speaker{i % 7}\tcommon_voice_en_{i}.mp3\t"{text(i)}\t2\n'
                        if i == 3
                        else f"speaker{i % 7}\tcommon_voice_en_{i}.mp3\t{text(i)}\t2\n"
                    )
                    for i in range(20)
                ),
            ),
            "folder": str(d / "clips"),
            "task": "transcribe",
        },
        20,
        None,
    )


@layout
def lj_speech(d):
    for i in range(20):
        sound(d / "wavs" / f"LJ001-{i:04}.wav", i)
    return (
        {
            "speech": written(
                d / "metadata.csv",
                "id|raw_text|normalized_text\n"
                + "".join(f"LJ001-{i:04}|{text(i)}|{text(i)}\n" for i in range(20)),
            ),
            "folder": str(d / "wavs"),
            "item": "id",
            "text": "normalized_text",
            "task": "transcribe",
        },
        20,
        None,
    )


@layout
def nemo_manifest(d):
    for i in range(20):
        sound(d / f"{i}.wav", i)
    return (
        {
            "speech": written(
                d / "manifest.jsonl",
                "\n".join(
                    json.dumps({"audio_filepath": f"{i}.wav", "duration": 0.5, "text": text(i)})
                    for i in range(20)
                ),
            ),
            "task": "transcribe",
        },
        20,
        None,
    )


# ---- tables ----


def sklearn_set(name: str, rows: int, classes: int):
    def read(d):
        import sklearn.datasets

        return {"tabular": getattr(sklearn.datasets, f"load_{name}")(as_frame=True)}, rows, classes

    SETS[f"scikit_learn_{name}"] = read


for given in (("iris", 150, 3), ("wine", 178, 3), ("breast_cancer", 569, 2), ("diabetes", 442, 0)):
    sklearn_set(*given)


def frame_of(n: int = 120):
    import pandas as pd

    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "income": rng.normal(3e4, 9e3, n).round(2),
            "town": rng.choice(["Rome", "Oslo", "Lima"], n),
            "since": pd.date_range("2020-01-01", periods=n).astype(str),
            "member": rng.choice([True, False], n),
            "spent": rng.gamma(2, 50, n).round(2),
            "label": rng.choice(["stays", "leaves"], n),
        }
    )


@layout
def csv_of_pandas(d):
    frame_of().to_csv(d / "t.csv", index=False)
    return {"tabular": d / "t.csv"}, 120, 2


@layout
def csv_with_a_saved_index(d):
    frame_of().to_csv(d / "t.csv")
    return {"tabular": d / "t.csv"}, 120, 2


@layout
def csv_of_excel_in_germany(d):
    frame_of().to_csv(d / "t.csv", index=False, sep=";", decimal=",", encoding="utf-8-sig")
    return {"tabular": d / "t.csv"}, 120, 2


@layout
def parquet(d):
    frame_of().to_parquet(d / "t.parquet")
    return {"tabular": d / "t.parquet"}, 120, 2


@layout
def json_lines(d):
    frame_of().to_json(d / "t.jsonl", orient="records", lines=True)
    return {"tabular": d / "t.jsonl"}, 120, 2


@layout
def sqlite(d):
    import sqlite3

    with contextlib.closing(sqlite3.connect(d / "t.sqlite")) as db:
        frame_of().to_sql("people", db, index=False)
    return {"tabular": d / "t.sqlite"}, 120, 2


@layout
def with_missing_cells(d):
    frame = frame_of()
    frame.loc[::7, "income"], frame.loc[::11, "town"] = None, None
    frame.to_csv(d / "t.csv", index=False)
    return {"tabular": d / "t.csv"}, 120, 2


@layout
def house_prices(d):
    frame_of().drop(columns="label").to_csv(d / "t.csv", index=False)
    return {"tabular": d / "t.csv", "label": "spent"}, 120, 0


@layout
def two_tables(d):
    frame_of().to_csv(d / "train.csv", index=False)
    frame_of().head(30).to_csv(d / "test.csv", index=False)
    return {"tabular": d / "train.csv", "test_source": d / "test.csv"}, 150, 2


@layout
def by_time(d):
    frame_of().to_csv(d / "t.csv", index=False)
    return {"tabular": d / "t.csv", "time": "since"}, 120, 2


@layout
def condition(d):
    frame_of().to_csv(d / "t.csv", index=False)
    return (
        {"tabular": d / "t.csv", "where": "age >= 18 and town in ['Rome', 'Oslo', 'Lima']"},
        120,
        2,
    )


@layout
def thousands_in_quotes(d):
    frame = frame_of().assign(income=lambda f: f["income"].map("{:,.2f}".format))
    frame.to_csv(d / "t.csv", index=False)
    return {"tabular": d / "t.csv"}, 120, 2


@layout
def uci_with_question_marks(d):
    frame = frame_of().astype(str)
    frame.loc[::9, "town"] = "?"
    frame.to_csv(d / "adult.data", index=False, sep=",")
    return {"tabular": d / "adult.data"}, 120, 2


def read(name: str, folder: Path):
    "The data of a set; and what was expected of it."
    from ftkit import Data

    given, rows, classes = SETS[name](folder)
    kind, source = next(iter(given.items()))
    options = {k.removesuffix("_") if k == "text_" else k: v for k, v in list(given.items())[1:]}
    with contextlib.redirect_stderr(io.StringIO()):
        return getattr(Data, kind)(source, **options), rows, classes


def outcome(name: str, folder: Path) -> tuple[str, list[str]]:
    "right, wrong or refused; and the notes that are none of the usual ones."
    from ftkit.core import UsageError

    try:
        data, rows, classes = read(name, folder)
    except UsageError as e:
        return f"refused: {e}", []
    found = len(data.task.classes)
    if len(data) != rows or classes is not None and found != classes:
        return f"wrong: {len(data)} rows, {data.task.classes[:6]}", list(data.notes)
    return "right", [n for n in data.notes if not any(u in n for u in USUAL)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", action="store_true")
    a = parser.parse_args()
    counts = {"right": 0, "wrong": 0, "refused": 0, "noted": 0}

    def told(name: str, what: str, notes: list[str]) -> None:
        counts[what.partition(":")[0]] += 1
        counts["noted"] += bool(notes)
        print(
            f"{name:42} {what[:200]}", *[f"{'':10}· {n[:230]}" for n in notes], sep="\n", flush=True
        )

    for name in SETS:
        with tempfile.TemporaryDirectory() as d:
            told(name, *outcome(name, Path(d)))
    if a.samples:
        samples(told)
    print(sum(counts[k] for k in ("right", "wrong", "refused")), "sets:", counts)
    return counts["wrong"] + counts["refused"]


def samples(told) -> None:
    "Every sample of data that can be had."
    from ftkit import Data
    from ftkit.samples.catalogue import SAMPLES

    for name, sample in SAMPLES.items():
        if sample.holds != "data":
            continue
        more = {"task": "transcribe"} if sample.kind == "speech" else {}
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                data = getattr(Data, sample.kind)(f"sample:{name}", **more)
        except Exception as e:
            told(name, f"refused: {e}", [])
            continue
        told(name, "right", [n for n in data.notes if not any(u in n for u in USUAL)])


if __name__ == "__main__":
    sys.exit(main())
