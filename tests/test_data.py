"""What a person with their own, and sometimes bad, pictures sees; and a pixel cache that several
processes share."""

import gzip
import json
import os
import signal
import struct
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ftkit import Data
from ftkit.reading.pictures import pixels
from ftkit.reading.rows import DataError

pytestmark = pytest.mark.usefixtures("session_cache")


def picture(path, seed=0, size=(24, 20), colour=None):
    "A picture of noise around a colour, written to `path`, which is returned."
    noise = np.random.default_rng(seed).integers(0, 40, (size[1], size[0], 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(
        (noise + np.array(colour or (100, 100, 100))).clip(0, 255).astype(np.uint8)
    ).save(path)
    return path


def class_folders(root, classes=("cat", "dog"), n=12, suffix=".png"):
    for c, name in enumerate(classes):
        for i in range(n):
            picture(
                root / name / f"{name}{i}{suffix}", seed=100 * c + i, colour=(60 + 90 * c, 80, 80)
            )
    return root


def table(root, n=24, **columns):
    "A CSV beside n pictures; columns are functions of the row number."
    rows = [
        {"file": picture(root / "pictures" / f"p{i:03}.png", seed=i).name}
        | {k: f(i) for k, f in columns.items()}
        for i in range(n)
    ]
    pd.DataFrame(rows).to_csv(root / "table.csv", index=False)
    return root / "table.csv"


def truncate(path, share=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def refused(*parts, **given) -> str:
    "The one-line message of the refusal, which must hold all of `parts`."
    with pytest.raises(DataError) as e:
        Data.image(**given)
    said = str(e.value)
    assert "\n" not in said and all(p in said for p in parts), said
    return said


def names(part):
    return sorted(os.path.basename(part.data.items[i]) for i in part.ids)


# ---------------------------------------------------------------- folders that cannot be used


def test_one_class(tmp_path):
    refused(
        "all 12 rows have the same label 'cat'",
        "at least two classes",
        source=class_folders(tmp_path / "d", ["cat"]),
    )


def test_empty_folder(tmp_path):
    refused(
        "has no class folders with pictures",
        "it is empty",
        "put each class into a folder of its own",
        source=tmp_path,
    )


def test_missing_folder(tmp_path):
    refused("no such file or folder", "give a folder of class folders", source=tmp_path / "nowhere")


def test_missing_relative_folder(tmp_path, monkeypatch):
    "OWNER/NAME of a hub looks the same; the message must name both."
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTKIT_OFFLINE", "true")
    refused("no such file or folder", source="my-pictures")
    refused("no such file or folder", source="my/pictures")


def test_loose_pictures_are_no_classes(tmp_path):
    picture(tmp_path / "a.png")
    refused("a.png", "a table", source=tmp_path)


def test_one_picture(tmp_path):
    picture(tmp_path / "cat" / "1.png")
    refused("two classes", source=tmp_path)


# ---------------------------------------------------------------- pictures that cannot be read


def test_truncated_jpegs_are_listed_and_refused(tmp_path):
    root = class_folders(tmp_path / "d", suffix=".jpg")
    broken = [truncate(root / f) for f in ("cat/cat0.jpg", "cat/cat5.jpg", "dog/dog3.jpg")]
    refused(
        "3 of 24 pictures cannot be read",
        "truncated",
        "skip_bad",
        *(os.path.join(p.parent.name, p.name) for p in broken),
        source=root,
    )
    data = Data.image(root, skip_bad=True)
    assert (
        len(data) == 21
        and {p for p, _ in data.skipped} == set(map(str, broken))
        and "3 unreadable" in repr(data)
    )
    assert not set(map(str, broken)) & set(data.items) and data.pixels(16).shape == (21, 3, 16, 16)
    with pytest.raises(DataError):
        Data.image(root)  # also when it is known from the time before


def test_a_repaired_picture_is_looked_at_again(tmp_path):
    root = class_folders(tmp_path / "d", suffix=".jpg")
    truncate(root / "cat/cat0.jpg")
    refused("1 of 24", source=root)
    picture(root / "cat/cat0.jpg", seed=7)
    assert len(Data.image(root)) == 24


def test_what_is_no_picture_at_all(tmp_path):
    root = class_folders(tmp_path / "d")
    (root / "cat/empty.png").write_bytes(b"")
    (root / "cat/text.png").write_text("not a picture")
    (root / "cat/notes.txt").write_text("left out, as its name says")
    refused("2 of 26", "empty.png", "text.png", source=root)
    assert len(Data.image(root, skip_bad=True)) == 24


def test_nothing_can_be_read(tmp_path):
    root = class_folders(tmp_path / "d", n=2)
    for f in root.rglob("*.png"):
        f.write_bytes(b"")
    refused("none of the 4 pictures", source=root, skip_bad=True)


# ---------------------------------------------------------------- tables that do not fit


def test_missing_column(tmp_path):
    path = table(tmp_path, colour=lambda i: "ab"[i % 2])
    refused(
        "no column 'colur'",
        "file, colour",
        "did you mean 'colour'?",
        source=path,
        folder=tmp_path / "pictures",
        label="colur",
    )
    refused("no column called label", "file, colour", source=path, folder=tmp_path / "pictures")
    refused(
        "no column 'patient'",
        source=path,
        folder=tmp_path / "pictures",
        label="colour",
        group="patient",
    )


def test_named_pictures_that_are_not_there(tmp_path):
    path = table(tmp_path, label=lambda i: "ab"[i % 2])
    (tmp_path / "pictures/p003.png").unlink()
    refused(
        "1 of 24 rows name no picture",
        "'p003.png'",
        "p000.png",
        source=path,
        folder=tmp_path / "pictures",
    )


def test_a_picture_of_the_same_name_in_another_folder_is_another_picture(tmp_path):
    class_folders(tmp_path, n=3)
    for f in (tmp_path / "dog").iterdir():
        f.rename(f.with_name(f.name.replace("dog", "cat")))  # cat/cat0.png and dog/cat0.png
    (tmp_path / "dog/cat1.png").unlink()
    pd.DataFrame(
        [{"path": f"{c}/cat{i}.png", "label": c} for c in ("cat", "dog") for i in range(3)]
    ).to_csv(tmp_path / "t.csv", index=False)
    refused("1 of 6 rows name no picture", "dog/cat1.png", source=tmp_path / "t.csv")


def test_rows_without_a_label(tmp_path):
    path = table(tmp_path, label=lambda i: "" if i in (5, 9) else "ab"[i % 2])
    refused("2 of 24 rows have no label", "first: row 6", source=path, folder=tmp_path / "pictures")


@pytest.mark.parametrize("dtype", ["object", "float64", "Int64", "string"])
def test_missing_labels_of_a_data_frame(tmp_path, dtype):
    table(tmp_path, n=12)
    known = ["0", "1"] * 6 if dtype == "string" else [0, 1] * 6
    frame = pd.DataFrame(
        {
            "file": sorted(os.listdir(tmp_path / "pictures")),
            "label": pd.Series([None, *known[1:]], dtype=dtype),
        }
    )
    refused("1 of 12 rows have no label", "row 1", source=frame, folder=tmp_path / "pictures")


@pytest.mark.parametrize("write", ["csv", "parquet"])
def test_true_and_false_columns_are_several_labels(tmp_path, write):
    table(tmp_path, n=12)
    frame = pd.DataFrame(
        {
            "file": sorted(os.listdir(tmp_path / "pictures")),
            "red": [i % 2 == 0 for i in range(12)],
            "wet": [i < 6 for i in range(12)],
        }
    )
    path = tmp_path / f"t.{write}"
    getattr(frame, f"to_{write}")(path, index=False)
    data = Data.image(path, folder=tmp_path / "pictures", label=["red", "wet"])
    assert data.task.kind == "multi_label" and data.labels.tolist() == [
        [float(i % 2 == 0), float(i < 6)] for i in range(12)
    ]


def test_words_in_label_columns_are_refused(tmp_path):
    refused(
        "red",
        "scarlet",
        source=table(tmp_path, red=lambda i: "scarlet", wet=lambda i: 1),
        folder=tmp_path / "pictures",
        label=["red", "wet"],
    )


def test_shares_that_leave_nothing(tmp_path):
    refused("together less than 1", source=class_folders(tmp_path / "d"), valid=0.5, test=0.5)


def test_unknown_part_names(tmp_path):
    path = table(
        tmp_path, label=lambda i: "ab"[i % 2], part=lambda i: "holdout" if i == 3 else "train"
    )
    refused(
        "'holdout'",
        "train, valid and test",
        source=path,
        folder=tmp_path / "pictures",
        split="part",
    )


# ---------------------------------------------------------------- every mode of picture, through to
# the pixels

LEFT, RIGHT = (200, 40, 40), (20, 60, 180)  # two halves, so that a wrong rotation shows


def halves(mode="RGB", size=(32, 16)):
    image = Image.new("RGB", size, LEFT)
    image.paste(RIGHT, (size[0] // 2, 0, *size))
    return image.convert(mode)


def save_rotated(path):
    "Lying on its side, as a telephone saves it; the EXIF entry says how it should stand."
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it
    halves().rotate(90, expand=True).save(path, exif=exif, quality=95, subsampling=0)


def save_transparent(path):
    image = halves("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 16, 16))  # black, but not to be seen: the background shows
    image.save(path)


def save_palette_transparent(path):
    image = halves().quantize(4, dither=Image.Dither.NONE)
    image.save(path, transparency=image.getpixel((2, 2)))


def save_16_bit(path):
    a = np.full((16, 32), 200 * 257, np.uint16)
    a[:, 16:] = 20 * 257
    Image.fromarray(a).save(path)


def save_palette(path):
    halves().quantize(4, dither=Image.Dither.NONE).save(path)


def save_bilevel(path):
    halves("L").point(lambda v: 255 * (v > 80)).convert("1").save(path)


def save_as(mode, **options):
    def save(path):
        halves(mode).save(path, **options)

    return save


GREY = tuple(
    (np.array([halves("L").getpixel((x, 3)) for x in (2, 30)])[:, None] * np.ones(3))
    .astype(int)
    .tolist()
)
WHITE = (255,) * 3
PICTURES = {  # name: (suffix, write, colour on the left, colour on the right, tolerance)
    "rgb": (".png", save_as("RGB"), LEFT, RIGHT, 0),
    "jpeg": (".jpg", save_as("RGB", quality=95, subsampling=0), LEFT, RIGHT, 4),
    "webp": (".webp", save_as("RGB", lossless=True), LEFT, RIGHT, 0),
    "gif": (".gif", save_as("RGB"), LEFT, RIGHT, 4),
    "bmp": (".bmp", save_as("RGB"), LEFT, RIGHT, 0),
    "transparent": (".png", save_transparent, WHITE, RIGHT, 0),
    "palette": (".png", save_palette, LEFT, RIGHT, 4),
    "palette-transparent": (".png", save_palette_transparent, WHITE, RIGHT, 4),
    "16-bit": (".png", save_16_bit, (200,) * 3, (20,) * 3, 0),
    "16-bit-tiff": (".tif", save_16_bit, (200,) * 3, (20,) * 3, 0),
    "grey": (".png", save_as("L"), *GREY, 0),
    "grey-alpha": (".png", save_as("LA"), *GREY, 0),
    "bilevel": (".png", save_bilevel, WHITE, (0,) * 3, 0),
    "cmyk": (".jpg", save_as("CMYK", quality=95), LEFT, RIGHT, 4),
    "cmyk-tiff": (".tif", save_as("CMYK"), LEFT, RIGHT, 1),
    "rotated": (".jpg", save_rotated, LEFT, RIGHT, 4),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_every_mode_comes_out_right(tmp_path, kind):
    suffix, write, left, right, tolerance = PICTURES[kind]
    for name in ("a", "b"):
        (tmp_path / "d" / name).mkdir(parents=True)
        write(tmp_path / "d" / name / f"x{suffix}")
    data = Data.image(tmp_path / "d", valid=0, test=0)
    got = data.pixels(32)[0].astype(int)
    assert (got[:, :8] == 255).all() and (got[:, 24:] == 255).all(), (
        "a wide picture lies in the middle, with white above and below"
    )
    for x, colour in ((2, left), (18, right)):
        assert abs(got[:, 10:22, x : x + 12] - np.array(colour)[:, None, None]).max() <= tolerance


def test_large_jpegs_decode_small_and_upright(tmp_path):
    "Reduced eightfold while decoding, with its EXIF entry."
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        exif = Image.Exif()
        exif[0x0112] = 6
        halves(size=(512, 256)).rotate(90, expand=True).save(
            tmp_path / name / "x.jpg", exif=exif, quality=95
        )
    got = Data.image(tmp_path, valid=0, test=0).pixels(32)[1].astype(int)
    assert (
        abs(got[:, 10:22, 2:13] - np.array(LEFT)[:, None, None]).max() < 8
        and abs(got[:, 10:22, 19:30] - np.array(RIGHT)[:, None, None]).max() < 8
    )


def test_float_tiffs_are_not_black(tmp_path):
    for c in "ab":
        (tmp_path / c).mkdir()
        Image.fromarray(np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)).save(
            tmp_path / c / "x.tif"
        )
    assert Data.image(tmp_path, valid=0, test=0).pixels(16)[0].max() == 255


def test_arrays_of_every_shape_and_type():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    colour = np.stack([grey] * 3, -1)
    for x in (
        grey,
        grey[..., None],
        colour,
        colour.transpose(2, 0, 1),
        grey / 255.0,
        grey.astype(np.uint16) * 257,
        grey.astype(np.int64),
    ):
        got = Data.image((np.stack([x] * 4), ["a", "b"] * 2), valid=0, test=0).pixels(8)
        assert (got == grey).all(), (x.shape, x.dtype)


# ---------------------------------------------------------------- where rows come from


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_every_table_gives_the_same_data(tmp_path, suffix):
    path = table(tmp_path, label=lambda i: ["001", "NA", "ü,;\tß"][i % 3])
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    new = tmp_path / f"t.{suffix}"
    if suffix == "jsonl":
        frame.to_json(new, orient="records", lines=True)
    elif suffix == "parquet":
        frame.to_parquet(new)
    else:
        frame.to_csv(new, index=False, sep="\t" if suffix == "tsv" else ",")
    data = Data.image(new, folder=tmp_path / "pictures")
    same = Data.image(frame, folder=tmp_path / "pictures")
    assert data.task.classes == ("001", "NA", "ü,; ß")  # white space is one blank
    assert (data.fingerprint, data.split_fingerprint) == (
        same.fingerprint,
        same.split_fingerprint,
    ) and len(data) == 24


@pytest.mark.parametrize("packed", [False, True])
def test_idx(tmp_path, packed):
    x = np.random.default_rng(0).integers(0, 256, (20, 9, 7), np.uint8)
    y = np.arange(20, dtype=np.uint8) % 4
    for what, a in (("images-idx3", x), ("labels-idx1", y)):
        body = b"\0\0\x08" + bytes([a.ndim]) + struct.pack(f">{a.ndim}I", *a.shape) + a.tobytes()
        (tmp_path / f"train-{what}-ubyte{'.gz' if packed else ''}").write_bytes(
            gzip.compress(body) if packed else body
        )
    images = tmp_path / f"train-images-idx3-ubyte{'.gz' if packed else ''}"
    data = Data.image(images, test=0, valid=0)
    assert (
        data.task.classes == ("0", "1", "2", "3")
        and (data.labels == y).all()
        and data.pixels(9).shape == (20, 3, 9, 9)
    )
    (tmp_path / f"train-labels-idx1-ubyte{'.gz' if packed else ''}").unlink()
    refused("its labels are expected in train-labels-idx1-ubyte", source=images)


def test_idx_that_is_cut_off(tmp_path):
    (tmp_path / "a-images-idx3-ubyte").write_bytes(
        b"\0\0\x08\x03" + struct.pack(">3I", 5, 4, 4) + bytes(60)
    )
    (tmp_path / "a-labels-idx1-ubyte").write_bytes(
        b"\0\0\x08\x01" + struct.pack(">I", 5) + bytes(5)
    )
    refused("is cut off", source=tmp_path / "a-images-idx3-ubyte")


def test_npz(tmp_path):
    x, y = np.random.default_rng(1).integers(0, 256, (12, 8, 8, 3), np.uint8), np.arange(12) % 3
    np.savez(tmp_path / "a.npz", x=x, y=y)
    data = Data.image(tmp_path / "a.npz")
    assert (
        data.task.classes == ("0", "1", "2") and (data.pixels(8) == x.transpose(0, 3, 1, 2)).all()
    )
    assert data.fingerprint == Data.image((x, y)).fingerprint
    np.savez(tmp_path / "b.npz", pixels=x)
    refused("holds pixels", "x (pictures) and y (labels)", source=tmp_path / "b.npz")


@pytest.mark.parametrize("n", [9, 15])
def test_as_many_labels_as_pictures(n):
    refused("12", str(n), source=(np.zeros((12, 8, 8), np.uint8), np.arange(n) % 2))


@pytest.mark.parametrize(
    "name", ["a.npz", "train-images-idx3-ubyte.gz", "a.parquet", "a.jsonl", "a.csv"]
)
def test_files_that_are_not_what_their_name_says(tmp_path, name):
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(b"no such thing")
    (tmp_path / name).write_bytes(b"\xff\xfe no such thing \x00")
    refused(name, source=tmp_path / name)


def test_no_code_is_loaded_with_arrays(tmp_path):
    np.savez(
        tmp_path / "a.npz", x=np.array([{"an": "object"}] * 4, dtype=object), y=np.arange(4) % 2
    )
    refused("a.npz", source=tmp_path / "a.npz")


def test_several_labels(tmp_path):
    path = table(
        tmp_path,
        tags=lambda i: ["red|wet", "red", "dry | red", "wet"][i % 4],
        red=lambda i: int(i % 4 != 3),
        wet=lambda i: int(i % 4 in (0, 3)),
    )
    data = Data.image(
        path, folder=tmp_path / "pictures", label="tags", separator="|", kind="multi_label"
    )
    assert data.task.classes == ("dry", "red", "wet") and data.labels[:4].tolist() == [
        [0, 1, 1],
        [0, 1, 0],
        [1, 1, 0],
        [0, 0, 1],
    ]
    data = Data.image(path, folder=tmp_path / "pictures", label=["red", "wet"])
    assert (
        data.task.kind == "multi_label"
        and data.task.classes == ("red", "wet")
        and data.labels[:4].tolist() == [[1, 1], [1, 0], [1, 0], [0, 1]]
    )


def test_numbers(tmp_path):
    path = table(tmp_path, price=lambda i: 1.25 * i + 0.1, stars=lambda i: i % 5)
    data = Data.image(path, folder=tmp_path / "pictures", label="price")
    assert (
        data.task.kind == "regression"
        and data.task.n_outputs == 1
        and np.allclose(data.labels, 1.25 * np.arange(24) + 0.1)
    )
    assert Data.image(path, folder=tmp_path / "pictures", label="stars").task.classes == tuple(
        "01234"
    )
    assert (
        Data.image(
            path, folder=tmp_path / "pictures", label="stars", kind="regression"
        ).labels.dtype
        == np.float32
    )
    refused(
        "24 values of file are no numbers",
        source=path,
        folder=tmp_path / "pictures",
        label="file",
        kind="regression",
    )


def test_names_with_spaces_quotes_and_letters_of_all_countries(tmp_path):
    odd = [
        "a b.png",
        "it's.png",
        'say "x".png',
        "ü é 漢字 😀.png",
        "a,b;c.png",
        "100%.png",
        "[x]{y}.png",
        "$HOME.png",
        "-p.png",
        "#1.png",
    ]
    classes = ["it's", "naïve 漢"]
    for c in classes:
        for i, f in enumerate(odd):
            picture(tmp_path / "d" / c / f, seed=i)
    data = Data.image(tmp_path / "d")
    assert (
        len(data) == 20
        and sorted(data.task.classes) == sorted(classes)
        and data.pixels(8).shape == (20, 3, 8, 8)
    )
    assert all(
        data.label_text(i) == os.path.basename(os.path.dirname(f)) for i, f in enumerate(data.items)
    )
    pd.DataFrame({"file": odd, "label": ["x", "y"] * 5}).to_csv(tmp_path / "t.csv", index=False)
    assert len(Data.image(tmp_path / "t.csv", folder=tmp_path / "d" / classes[0])) == 10


@pytest.mark.skipif(sys.platform != "linux", reason="only here may a file's name be any bytes")
def test_names_that_are_no_unicode(tmp_path):
    root = class_folders(tmp_path / "d", n=2)
    os.rename(root / "cat/cat0.png", os.fsencode(root / "cat") + b"/caf\xe9.png")
    data = Data.image(root)
    assert len(data) == 4 and data.pixels(8).shape == (4, 3, 8, 8)


# ---------------------------------------------------------------- the split


def test_several_pictures_an_item_stay_together(tmp_path):
    for i in range(30):
        for view in ("front", "back", "2"):
            picture(tmp_path / "pictures" / f"item{i}_{view}.jpg", seed=i)
    pd.DataFrame({"id": [f"item{i}" for i in range(30)], "label": ["a", "b", "c"] * 10}).to_csv(
        tmp_path / "t.csv", index=False
    )
    data = Data.image(tmp_path / "t.csv", folder=tmp_path / "pictures")
    assert len(data) == 90 and len(set(data.groups)) == 30
    for g in set(data.groups):
        ids = np.flatnonzero(data.groups == g)
        assert (
            len(ids) == 3
            and len(set(data.parts[ids])) == 1
            and len({os.path.basename(data.items[i]).split("_")[0] for i in ids}) == 1
        )
    assert {"train", "valid", "test"} == set(data.parts)


def test_a_group_column_keeps_groups_in_one_part(tmp_path):
    path = table(tmp_path, n=60, label=lambda i: "ab"[i % 2], patient=lambda i: f"P{i // 4}")
    data = Data.image(path, folder=tmp_path / "pictures", group="patient")
    assert all(len(set(data.parts[data.groups == g])) == 1 for g in set(data.groups)) and {
        "train",
        "valid",
        "test",
    } == set(data.parts)
    assert 4 <= len(data.test) <= 16 and 4 <= len(data.valid) <= 16
    for fold in data.folds(5):
        assert all(len(set(fold.parts[fold.groups == g])) == 1 for g in set(fold.groups))


def test_a_split_column_is_kept(tmp_path):
    def said(i):
        return ["Train", "training", "VAL", "test", "validation", "train "][i % 6]

    data = Data.image(
        table(tmp_path, label=lambda i: "ab"[i // 2 % 2], part=said),
        folder=tmp_path / "pictures",
        split="part",
        seed=3,
    )
    assert data.parts.tolist() == ["train", "train", "valid", "test", "valid", "train"] * 4


def test_a_split_column_without_validation_gets_some_from_training(tmp_path):
    data = Data.image(
        table(tmp_path, label=lambda i: "ab"[i % 2], part=lambda i: "test" if i < 6 else "train"),
        folder=tmp_path / "pictures",
        split="part",
    )
    assert names(data.test) == [f"p{i:03}.png" for i in range(6)] and 0 < len(data.valid) < 6


def test_part_folders_are_kept(tmp_path):
    for part, n in (("train", 8), ("val", 3), ("test", 4)):
        class_folders(tmp_path / part, n=n)
    data = Data.image(tmp_path)
    assert data.counts() == {
        "train": {"cat": 8, "dog": 8},
        "valid": {"cat": 3, "dog": 3},
        "test": {"cat": 4, "dog": 4},
    }


@pytest.mark.parametrize("when", ["dates", "numbers"])
def test_the_latest_rows_are_the_test(tmp_path, when):
    # 90 … 129: as text, 100 would come before 90
    at = {"dates": lambda i: f"2026-{1 + i // 20:02}-{1 + i % 20:02}", "numbers": lambda i: 90 + i}[
        when
    ]
    path = table(tmp_path, n=40, label=lambda i: "ab"[i % 2], time=at)
    data = Data.image(path, folder=tmp_path / "pictures", time="time", valid=0.1, test=0.2)
    assert names(data.test) == [f"p{i:03}.png" for i in range(32, 40)] and names(data.valid) == [
        f"p{i:03}.png" for i in range(28, 32)
    ]


def test_a_second_source_is_the_test(tmp_path):
    a, b = class_folders(tmp_path / "a"), class_folders(tmp_path / "b", n=5)
    data = Data.image(a, test_source=b)
    assert (
        len(data.test) == 10
        and all(
            os.path.basename(os.path.dirname(os.path.dirname(data.items[i]))) == "b"
            for i in data.test.ids
        )
        and len(data.valid) > 0
    )
    refused("no such file or folder", source=a, test_source=tmp_path / "nowhere")


def test_a_split_depends_on_the_seed_alone(tmp_path):
    root = class_folders(tmp_path / "d", n=40)
    parts = [Data.image(root, seed=s).parts.tolist() for s in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


def test_the_same_content_elsewhere_has_the_same_fingerprint(tmp_path):
    a = Data.image(class_folders(tmp_path / "a"))
    for i, f in enumerate(
        sorted(class_folders(tmp_path / "else where").rglob("*.png"), reverse=True)
    ):
        f.rename(f.with_name(f"renamed {i}.png"))
    b = Data.image(tmp_path / "else where")
    assert a.fingerprint == b.fingerprint
    picture(tmp_path / "else where" / "cat" / "renamed 23.png", seed=999)
    assert Data.image(tmp_path / "else where").fingerprint != a.fingerprint
    (tmp_path / "else where" / "cat").rename(tmp_path / "else where" / "lynx")
    assert Data.image(tmp_path / "else where").fingerprint not in (a.fingerprint, b.fingerprint)


# ---------------------------------------------------------------- the cache that processes share

WRITER = textwrap.dedent("""
    import hashlib, json, os, sys, time
    from pathlib import Path
    import ftkit.core
    from ftkit.reading import pictures
    sources, together, mode = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    gate, real, calls = Path(sys.argv[4]), pictures.open_picture, [0]

    def open_picture(*args, **kwargs):
        calls[0] += 1
        if calls[0] == 5:                       # in the middle of writing
            (gate / str(os.getpid())).touch()
            while mode == "hang" or mode == "wait" and not (gate / "go").exists(): time.sleep(.01)
            late = time.time() + 30             # go on when all are here
            while len(os.listdir(gate)) < together and time.time() < late: time.sleep(.01)
        return real(*args, **kwargs)

    pictures.open_picture = open_picture
    if mode == "unlocked": ftkit.core._locked = lambda path: None  # a file system without locks
    out = pictures.pixels(sources, [f"hash of {s}" for s in sources], 16)
    print(json.dumps([hashlib.sha256(out.tobytes()).hexdigest(), calls[0]]))
""")


def writers(n, sources, tmp_path, mode="write", **env):
    "n processes that write one cache entry, each known to be in the middle of it when all are."
    gate = tmp_path / f"gate {n} {mode}"
    gate.mkdir()
    command = [
        sys.executable,
        "-c",
        WRITER,
        json.dumps(list(map(str, sources))),
        str(n),
        mode,
        str(gate),
    ]
    return gate, [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | env
        )
        for _ in range(n)
    ]


@pytest.mark.parametrize("n", [2, 4])
def test_processes_that_write_one_entry_at_once(tmp_path, fresh_cache, n):
    sources = [picture(tmp_path / "p" / f"{i}.png", seed=i) for i in range(12)]
    gate, started = writers(n, sources, tmp_path, "unlocked")
    said = [p.communicate(timeout=60) for p in started]
    assert [p.returncode for p in started] == [0] * n, said
    told = [json.loads(out) for out, _ in said]
    assert len(os.listdir(gate)) == n and all(calls == 12 for _, calls in told), (
        "all were in the middle at once"
    )
    assert (
        len({sha for sha, _ in told}) == 1
        and not list(fresh_cache.rglob("*.part"))
        and len(list(fresh_cache.rglob("pixels.npy"))) == 1
    )
    _, (again,) = writers(1, sources, tmp_path, "again")
    assert json.loads(again.communicate(timeout=60)[0]) == [
        told[0][0],
        0,
    ], "the next one reads what is there"


def test_of_processes_that_need_one_entry_one_makes_it(tmp_path, fresh_cache):
    sources = [picture(tmp_path / "p" / f"{i}.png", seed=i) for i in range(12)]
    gate, (first,) = writers(1, sources, tmp_path, "wait")
    wait_for(gate, first)
    others = [writers(1, sources, tmp_path, f"other {i}")[1][0] for i in range(2)]
    for other in others:
        assert "waiting for it" in other.stderr.readline()
    (gate / "go").touch()
    assert [json.loads(p.communicate(timeout=60)[0])[1] for p in (first, *others)] == [12, 0, 0]


def test_a_full_cache_spares_what_another_process_is_writing(tmp_path, fresh_cache, monkeypatch):
    "Every entry is larger than this limit, so each that is finished sends the others away."
    monkeypatch.setenv("FTKIT_CACHE_LIMIT_GB", "0.000000001")
    slow, quick = (
        [picture(tmp_path / name / f"{i}.png", seed=i) for i in range(12)]
        for name in ("slow", "quick")
    )
    gate, (process,) = writers(1, slow, tmp_path, mode="wait")
    try:
        wait_for(gate, process)
        assert pixels(list(map(str, quick)), [f"hash of {s}" for s in quick], 16).shape == (
            12,
            3,
            16,
            16,
        )
        (gate / "go").touch()
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert json.loads(out)[1] == 12


def wait_for(gate, process):
    "Until the process is in the middle of writing."
    late = time.time() + 30
    while not os.listdir(gate):
        assert process.poll() is None and time.time() < late, process.stderr.read()
        time.sleep(0.01)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_process_killed_in_the_middle_leaves_the_cache_usable(tmp_path, fresh_cache):
    sources = [picture(tmp_path / "p" / f"{i}.png", seed=i) for i in range(12)]
    gate, (process,) = writers(1, sources, tmp_path, mode="hang")
    wait_for(gate, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and not list(
        fresh_cache.rglob("pixels/[!.]*/pixels.npy")
    ), "half an entry must not look like a whole one"
    got = pixels(list(map(str, sources)), [f"hash of {s}" for s in sources], 16)
    assert (
        got.shape == (12, 3, 16, 16)
        and (got == pixels(list(map(str, sources)), ["other"] * 12, 16)).all()
    )
    assert len(list(fresh_cache.glob("pixels/[!.]*/pixels.npy"))) == 2


def test_the_second_time_nothing_is_decoded(tmp_path, fresh_cache, monkeypatch):
    root = class_folders(tmp_path / "d")
    first = np.array(Data.image(root).pixels(16))
    monkeypatch.setattr(
        "ftkit.reading.pictures.open_picture", lambda *a, **k: pytest.fail("decoded again")
    )
    again = Data.image(root, seed=5).pixels(16)
    assert (again == first).all() and not again.flags.writeable


def test_processes_that_look_at_one_folder_at_once(tmp_path, fresh_cache):
    root = class_folders(tmp_path / "d", n=60)
    code = (
        "import sys, time; from ftkit import Data; time.sleep(max(0, float(sys.argv[2]) -"
        " time.time())); d = Data.image(sys.argv[1]); print(d.fingerprint, len(d.pixels(8)))"
    )
    at = str(time.time() + 2)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(root), at],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    said = [p.communicate(timeout=60) for p in started]
    assert [p.returncode for p in started] == [0] * 4, said
    assert {out for out, _ in said} == {f"{Data.image(root).fingerprint} 120\n"}
