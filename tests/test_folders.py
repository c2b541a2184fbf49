"""Folders, tables that name files, and hidden labels: nothing is read wrongly, or left out, without
a word."""

import importlib.util
import os
import random
import shutil
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from ftkit.data.dataset import Data
from ftkit.reading.folders import (
    PICTURES,
    RECORDINGS,
    TEXTS,
    _rows_of,
    read_class_folders,
    read_picture_table,
    scan,
)
from ftkit.reading.roles import split_of
from ftkit.reading.rows import DataError


def made(root: Path, *names: str) -> Path:
    "Files, empty: the layout is read before the pictures are. `cats*3` stands for three in cats."
    for name in names:
        folder, _, n = name.partition("*")
        if n:
            for i in range(int(n)):
                made(root, f"{folder}/{i}.png")
            continue
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def layout(root, kind=PICTURES) -> tuple[dict, list[str]]:
    """How many rows each class has in each part; the notes. Every file is a row or is left out by
    name."""
    notes = []
    found = scan(root, kind)
    rows = _rows_of(found, notes)
    files = sum(len(names) for _, _, names in os.walk(root))
    assert files == len(rows.items) + sum(map(len, found.left.values()))
    assert len(set(rows.items)) == len(rows.items) == len(rows.labels)
    parts = rows.columns.get("split", ["-"] * len(rows.items))
    return dict(Counter(zip(parts, rows.labels))), notes


def refused(root, *parts, kind=PICTURES):
    with pytest.raises(DataError) as e:
        layout(root, kind)
    assert all(part in str(e.value) for part in parts) and "\n" not in str(e.value), e.value


TWO = {("train", "cats"): 4, ("train", "dogs"): 4, ("test", "cats"): 2, ("test", "dogs"): 2}


@pytest.mark.parametrize(
    "train, test",
    [
        ("train", "test"),
        ("Train", "TEST"),
        ("training_set", "test_set"),
        ("train_data", "test-data"),
        ("trainset", "testset"),
        ("seg_train", "seg_test"),
        ("cars_train", "cars_test"),
        ("训练集", "测试集"),
        ("train/train", "test/test"),
        ("training_set/training_set", "test_set/test_set"),
        ("set/train/train", "set/test"),
        ("a/b/train/images", "a/b/test/images"),
        ("alphabet_train/alphabet_train", "alphabet_test/alphabet_test"),
    ],
)
def test_folders_called_like_parts_are_parts(tmp_path, train, test):
    made(tmp_path, f"{train}/cats*4", f"{train}/dogs*4", f"{test}/cats*2", f"{test}/dogs*2")
    assert layout(tmp_path) == (TWO, [])


@pytest.mark.parametrize(
    "name", ["val", "valid", "Validation", "dev", "eval", "val2017", "validation-set"]
)
def test_validation_has_many_names(tmp_path, name):
    made(tmp_path, "train/a*2", "train/b*2", f"{name}/a*1", f"{name}/b*1")
    assert layout(tmp_path)[0][("valid", "a")] == 1


@pytest.mark.parametrize(
    "name", ["test_tube", "training_shoes", "bullet_train", "device", "trained", "values"]
)
def test_words_with_train_and_test_in_them_are_classes(tmp_path, name):
    assert split_of(name) is None
    made(tmp_path, f"{name}*3", "boots*3", "cups*3")
    assert layout(tmp_path) == ({("-", name): 3, ("-", "boots"): 3, ("-", "cups"): 3}, [])


def test_a_train_among_vehicles_is_a_class_and_is_told(tmp_path):
    counts, notes = layout(made(tmp_path, "bus*3", "car*3", "train*3"))
    assert counts == {("-", "bus"): 3, ("-", "car"): 3, ("-", "train"): 3}
    assert "train is taken as a class" in notes[0]


def test_a_part_among_classes_is_refused_with_both_readings(tmp_path):
    refused(
        made(tmp_path, "control*3", "test*3"),
        "a part of the split or a class",
        "mv test test_class",
    )


def test_what_lies_beside_the_parts_is_told(tmp_path):
    made(
        tmp_path,
        "train/cats*4",
        "train/dogs*4",
        "test/cats*2",
        "test/dogs*2",
        "samples*3",
        "test/7.png",
    )
    counts, notes = layout(tmp_path)
    assert counts == TWO
    assert any("3 pictures lie beside test, train" in note for note in notes)
    assert any("1 pictures have no class folder" in note and "test/7.png" in note for note in notes)


def test_a_folder_with_masks(tmp_path):
    made(
        tmp_path,
        "bottle/train/good*4",
        "bottle/test/good*2",
        "bottle/test/broken*2",
        "bottle/ground_truth/broken*2",
    )
    counts, notes = layout(tmp_path)
    assert counts == {("train", "good"): 4, ("test", "good"): 2, ("test", "broken"): 2}
    assert "2 pictures lie beside" in notes[0] and "ground_truth" in notes[0]
    refused(
        made(
            tmp_path / "all",
            "cable/train/good*2",
            "cable/test/cut*2",
            "pill/train/good*2",
            "pill/test/bad*2",
        ),
        "may be classes, or sets with their own",
    )


def test_masks_in_class_folders_are_told(tmp_path):
    made(
        tmp_path, "ill/images*3", "ill/masks*3", "well/images*2", "well/masks*2", "ill/masks/deep*1"
    )
    counts, notes = layout(tmp_path)
    assert counts == {("-", "ill"): 3, ("-", "well"): 2}
    assert any("6 pictures lie in folders of masks" in note for note in notes)


def test_pictures_without_class_folders_are_refused_with_their_table(tmp_path):
    refused(
        made(tmp_path / "a", "train*3", "test*3", "train.csv", "sample_submission.csv"),
        "has no class folders",
        "train.csv'",
    )
    refused(made(tmp_path / "b", "images*3", "masks*3"), "has no class folders")
    refused(
        made(tmp_path / "c", "trainA*2", "trainB*2", "testA*2", "testB*2"), "has no class folders"
    )
    refused(
        made(tmp_path / "d", "images/great_dane_1.png", "images/pug_2.png"),
        "has no class folders",
        "a table",
    )


@pytest.mark.parametrize(
    "names, classes",
    [
        (("cats/2019*2", "cats/2020*2", "dogs/2019*2", "dogs/2020*2"), {"cats", "dogs"}),
        (("cats/persian*2", "cats/siam*2", "dogs/pug*2", "dogs/beagle*2"), {"cats", "dogs"}),
        (("cats/images*2", "dogs/images*2"), {"cats", "dogs"}),
        (("fold1/cats*2", "fold1/dogs*2", "fold2/cats*2", "fold2/dogs*2"), {"cats", "dogs"}),
        (
            ("p01/images/ill*2", "p01/images/well*2", "p02/images/ill*2", "p02/images/well*2"),
            {"ill", "well"},
        ),
    ],
)
def test_folders_in_class_folders_are_told(tmp_path, names, classes):
    counts, notes = layout(made(tmp_path, *names))
    assert {label for _, label in counts} == classes and len(notes) == (
        0 if "cats/images*2" in names else 1
    )


def test_two_levels_that_may_both_be_the_class_are_refused(tmp_path):
    refused(
        made(tmp_path / "a", "art/mug*2", "art/pen*2", "photo/mug*2", "photo/pen*2"),
        "art, photo",
        "mug, pen",
    )
    refused(
        made(tmp_path / "b", "fold1/0*2", "fold1/1*2", "fold2/0*2", "fold2/1*2"),
        "the outer folder",
        "the inner one",
    )


def test_forms_of_a_name(tmp_path):
    cafe = "café"
    made(
        tmp_path,
        f"train/{cafe}*2",
        "train/tea*2",
        f"val/{unicodedata.normalize('NFD', cafe)}*2",
        "val/Tea *2",
    )
    counts, notes = layout(tmp_path)
    assert set(counts) == {("train", cafe), ("train", "tea"), ("valid", cafe), ("valid", "tea")}
    assert len(notes) == 1 and "tea and Tea" in notes[0]
    counts, notes = layout(made(tmp_path / "side", "Cats*2", "cats*2"))
    assert (
        set(counts) == {("-", "Cats"), ("-", "cats")}
        and "differ only in capital letters" in notes[0]
    )


def test_folders_of_the_system_are_not_the_users(tmp_path):
    made(
        tmp_path,
        "cats*3",
        "dogs*3",
        "cats/@eaDir*3",
        "__MACOSX/cats/._0.png",
        ".ipynb_checkpoints/a.png",
        "cats/Thumbs.db",
        ".DS_Store",
    )
    counts, notes = layout(tmp_path)
    assert counts == {("-", "cats"): 3, ("-", "dogs"): 3}
    assert len(notes) == 1 and "4 pictures are hidden, or in folders of the system" in notes[0]


def test_what_is_not_read_is_named(tmp_path):
    made(
        tmp_path,
        "cats*3",
        "dogs*3",
        "cats/a.mov",
        "cats/b.mov",
        "dogs/c",
        "dogs/d.xml",
        "e.png",
        "README.md",
    )
    (tmp_path / "birds/empty").mkdir(parents=True)
    _, notes = layout(tmp_path)
    assert any(
        "4 files in class folders are no pictures" in note and ".mov 2" in note for note in notes
    )
    assert any("1 pictures have no class folder" in note and "e.png" in note for note in notes)
    assert any("2 folders hold no pictures (first: birds)" in note for note in notes)
    assert len(notes) == 3


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_are_followed_outside_and_told_inside(tmp_path):
    made(tmp_path / "data", "cats*3", "dogs*3")
    made(tmp_path / "more", "1.png", "2.png")
    os.symlink(tmp_path / "more", tmp_path / "data/birds")
    os.symlink(tmp_path / "data/cats", tmp_path / "data/dogs/again")
    os.symlink(tmp_path / "data", tmp_path / "more/up")
    os.symlink(tmp_path / "gone.png", tmp_path / "data/cats/gone.png")
    rows = read_class_folders(tmp_path / "data", PICTURES, notes := [])
    assert Counter(rows.labels) == {"cats": 3, "dogs": 3, "birds": 2}
    assert any("2 links to folders are not followed" in note for note in notes)
    assert any("1 links lead to no file" in note for note in notes)


def noise(path: Path, seed: int, form: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, form)
    return path


def test_pictures_are_known_by_what_is_in_them(tmp_path):
    for i in range(12):
        noise(tmp_path / f"cats/{i}.{('jpg', 'jfif', 'heic')[i % 3]}", i, "JPEG")
        noise(tmp_path / f"dogs/{i}", 50 + i, "PNG")
    (tmp_path / "dogs/notes").write_text("no picture")
    (tmp_path / "dogs/raw.dng").write_bytes(noise(tmp_path / "x.tif", 1, "TIFF").read_bytes())
    (tmp_path / "x.tif").unlink()
    data = Data.image(tmp_path)
    assert len(data) == 24
    assert any(
        "16 files are read as pictures" in n and "no suffix 12" in n and ".heic 4" in n
        for n in data.notes
    )
    assert any(
        "2 files in class folders are no pictures" in n and ".dng 1" in n for n in data.notes
    )


def test_pictures_of_telephones_need_an_extra(tmp_path):
    if importlib.util.find_spec("pi_heif"):
        pytest.skip("the extra heic is installed")
    else:
        made(tmp_path, "cats*3", "dogs*3")
        for i in range(3):
            (tmp_path / f"cats/{i}.heic").write_bytes(b"\0\0\0\x1cftypheic")
        _, notes = layout(tmp_path)
        assert any('3 of them end in .heic: pip install "pi-heif' in note for note in notes)
        shutil.rmtree(tmp_path / "dogs")
        for f in (tmp_path / "cats").glob("*.png"):
            f.unlink()
        refused(tmp_path, "has no class folders", 'pip install "pi-heif')


def test_recordings_are_known_by_what_is_in_them(tmp_path):
    for c, name in enumerate(("low", "high")):
        (tmp_path / name).mkdir()
        for i in range(9):
            wave = np.sin(np.arange(4000) * (0.05 + 0.2 * c + 0.01 * i)).astype(np.float32)
            suffix = ("wav", "caf", "dat")[i % 3]
            soundfile.write(
                tmp_path / name / f"{i}.{suffix}",
                0.5 * wave,
                16000,
                format="CAF" if suffix == "caf" else "WAV",
            )
        (tmp_path / name / "text.dat").write_text("none")
    data = Data.speech(tmp_path)
    assert len(data) == 18
    assert any("6 files are read as recordings" in note for note in data.notes)
    assert any("2 files in class folders are no recordings" in note for note in data.notes)


def test_texts_are_known_by_what_is_in_them(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i, suffix in enumerate((".txt", ".TXT", ".text", ".log", "", ".html", ".eml", ".txt")):
            (tmp_path / name / f"{i}{suffix}").write_text(
                f"text {i} of class {name} with some words"
            )
        (tmp_path / name / "table.csv").write_text("x,y\n")
        (tmp_path / name / "bytes").write_bytes(bytes(range(256)))
    (tmp_path / "README.md").write_text("about")
    data = Data.text(tmp_path)
    assert len(data) == 16
    assert any("6 files are read as texts" in note for note in data.notes)
    assert any("4 files in class folders are no texts" in note for note in data.notes)


def test_lists_beside_the_classes_are_the_split(tmp_path):
    for name in ("bed", "bird", "_background_noise_"):
        for i in range(4):
            made(tmp_path, f"{name}/{i}.wav")
    (tmp_path / "testing_list.txt").write_text("bed/0.wav\nbird/3.wav\n")
    (tmp_path / "validation_list.txt").write_text("bed/1.wav\n")
    counts, notes = layout(tmp_path, RECORDINGS)
    assert counts == {
        ("train", "bed"): 2,
        ("train", "bird"): 3,
        ("test", "bed"): 1,
        ("test", "bird"): 1,
        ("valid", "bed"): 1,
    }
    assert any("testing_list.txt and validation_list.txt" in note for note in notes)
    assert any("_background_noise_" in note for note in notes)


# ---------------------------------------------------------------- layouts at random


def test_random_layouts_are_right_told_or_refused(tmp_path):
    "Names of parts and classes, wrappers, files of other kinds: every file is accounted for."
    draw = random.Random(7)
    parts = {
        "train": ("train", "Train", "training_set", "train_data", "x_train", "trainset"),
        "test": ("test", "TEST", "test_set", "test_data", "x_test", "testset"),
        "valid": ("val", "validation", "valid_set", "val_data", "dev", "x_val"),
    }
    results = Counter()
    for n in range(300):
        root = tmp_path / str(n)
        wrapper = draw.choice(["", "", "data/", "my-pictures/", "a/b/"])
        used = draw.choice(
            [(), ("train",), ("train", "test"), ("train", "valid"), ("train", "valid", "test")]
        )
        # x_train alone is a wrapper
        style = draw.choice([0, 1, 2, 3, 5] if used == ("train",) else range(6))
        classes = draw.choice([("cats", "dogs"), ("0", "1", "2"), ("ü", "漢"), ("Cat A", "cat-b")])
        expected = {}
        for part in used or ("-",):
            folder = (
                ""
                if part == "-"
                else parts[part][style] + "/" + draw.choice(["", "", parts[part][style] + "/"])
            )
            for name in classes:
                k = draw.randint(1, 3)
                made(root, f"{wrapper}{folder}{name}*{k}")
                expected[part, name] = k
        extra = {
            ".DS_Store": None,
            "readme.txt": None,
            "x.png": "no class folder",
            "__MACOSX/a/._0.png": None,
            "loose/deep/9.png": "beside" if used else "class",
        }
        add = draw.choice([*extra, None, None])
        if add:
            made(root, wrapper + add)
        told = None if add is None else extra[add]
        if add == "loose/deep/9.png" and not used:
            expected["-", "loose"] = 1
            told = "folders inside class folders"
        try:
            counts, notes = layout(root)
        except DataError:
            results["refused"] += 1
            continue
        assert counts == expected, (n, counts, expected, notes)
        assert (told is None and not notes) or any(told in note for note in notes), (n, told, notes)
        results["right"] += 1
    assert results["refused"] == 0 and results["right"] == 300, results


# ---------------------------------------------------------------- tables that name files


def table(root, files, **columns):
    "Rows of a table beside empty files: the names of the files found, in order, and notes."
    made(root, *files)
    rows = read_picture_table(pd.DataFrame(columns), root, None, None, {}, "t.csv", notes := [])
    return [os.path.relpath(item, root) for item in rows.items], rows, notes


def not_found(root, files, *parts, **columns):
    with pytest.raises(DataError) as e:
        table(root, files, **columns)
    assert all(part in str(e.value) for part in parts), e.value


JPGS = [f"{i}.jpg" for i in range(12)]
HALF = ["a", "b"] * 6


@pytest.mark.parametrize(
    "write",
    [
        str,
        lambda f: f" {f} ",
        lambda f: f"img\\{f}",
        lambda f: f"D:\\data\\img\\{f}",
        lambda f: f"/disk/me/{f}",
        lambda f: f"./{f}",
        lambda f: f"https://example.org/i/{f}?x=1",
        lambda f: f[:-4],
    ],
    ids=range(8),
)
def test_a_cell_names_a_file_in_many_ways(tmp_path, write):
    found, _, notes = table(tmp_path, JPGS, path=[write(f) for f in JPGS[::-1]], label=HALF)
    assert found == JPGS[::-1] and notes == []


@pytest.mark.parametrize(
    "values, told",
    [
        ([f"{i}.JPG" for i in range(12)], "capital letters"),
        ([f"{i}.dcm" for i in range(12)], "another ending"),
        ([f"{i:03}" for i in range(12)], "leading zeros"),
    ],
)
def test_other_forms_are_told(tmp_path, values, told):
    found, _, notes = table(tmp_path, JPGS, path=values, label=HALF)
    assert found == JPGS and len(notes) == 1 and told in notes[0]


def test_numbers_name_files(tmp_path):
    for n, values in enumerate(
        (list(range(12)), [float(i) for i in range(12)], [f"{i}.0" for i in range(12)])
    ):
        assert table(tmp_path / str(n), JPGS, id=values, label=HALF)[0] == JPGS


@pytest.mark.parametrize(
    "other, name",
    [("id", "image_name"), ("name", "picture"), ("file", "photo"), ("Unnamed: 0", "fname")],
)
def test_the_column_whose_cells_are_files_is_taken(tmp_path, other, name):
    shuffled = random.Random(1).sample(JPGS, 12)
    found, _, notes = table(
        tmp_path, JPGS, **{other: range(12), name: shuffled, "age": [3] * 12, "target": HALF}
    )
    assert found == shuffled and notes == []


def test_two_columns_that_fit(tmp_path):
    turned = JPGS[::-1]
    not_found(
        tmp_path / "a",
        JPGS,
        "'first' and 'second' both name pictures",
        "-p item_column first",
        first=JPGS,
        second=turned,
        label=HALF,
    )
    found, _, notes = table(tmp_path / "b", JPGS, other=turned, image=JPGS, label=HALF)
    assert found == JPGS and "-p item_column other" in notes[0]
    assert table(tmp_path / "c", JPGS, first=JPGS, second=JPGS, label=HALF)[2] == []


def test_an_id_that_fits_two_files_is_refused(tmp_path):
    both = [
        f"{folder}/{i}.{end}"
        for i in range(4)
        for folder, end in (("images", "jpg"), ("masks", "png"))
    ]
    not_found(
        tmp_path / "a",
        both,
        "'0' fits 2 pictures",
        "-p folder '",
        id=["0", "1", "2", "3"],
        label=HALF[:4],
    )
    parts = [f"{part}/{i}.jpg" for part in ("train", "test") for i in range(4)]
    not_found(
        tmp_path / "b",
        parts,
        "'0.jpg' fits 2 pictures",
        file=[f"{i}.jpg" for i in range(4)],
        label=HALF[:4],
    )


def test_no_row_is_given_the_file_of_another(tmp_path):
    ids = [f"ISIC_{i}" for i in range(6)] + ["ISIC_2_small"]
    files = [f"{i}.jpg" for i in ids if i != "ISIC_2"]
    not_found(
        tmp_path / "a", files, "1 of 7 rows name no picture", "ISIC_2", image_id=ids, label=HALF[:7]
    )
    not_found(
        tmp_path / "b",
        ["1_2_a.jpg", "1_b.jpg"],
        "may belong to '1' or to '1_2'",
        id=["1", "1_2"],
        label=["a", "b"],
    )
    not_found(
        tmp_path / "c", ["10.jpg", "11.jpg"], "1 of 3 rows", id=["1", "10", "11"], label=list("aba")
    )
    not_found(tmp_path / "d", ["dog/1.jpg"], "1 of 1 rows", path=["cat/1.jpg"], label=["a"])


def test_a_row_may_stand_for_several_files(tmp_path):
    files = [f"item{i}_{view}.jpg" for i in range(6) for view in ("back", "front")]
    found, rows, notes = table(tmp_path, files, id=[f"item{i}" for i in range(6)], label=HALF[:6])
    assert found == files and len(set(rows.columns["group"])) == 6
    assert "6 rows stand for 12 pictures" in notes[0]


@pytest.mark.parametrize("nothing", [None, float("nan"), "", " ", pd.NA])
def test_a_cell_without_a_name_is_named(tmp_path, nothing):
    not_found(
        tmp_path,
        JPGS,
        "1 of 12 rows name no picture",
        "from row 12 on",
        path=[*JPGS[:-1], nothing],
        label=HALF,
    )


def test_forms_of_unicode_in_tables(tmp_path):
    files = [unicodedata.normalize("NFD", f"café_{i}.jpg") for i in range(4)]
    found, _, notes = table(
        tmp_path, files, path=[f"café_{i}.jpg" for i in range(4)], label=HALF[:4]
    )
    assert found == files and notes == []


def test_a_file_with_two_labels_is_told(tmp_path):
    _, _, notes = table(tmp_path, JPGS[:2], path=["0.jpg", "1.jpg", "1.jpg"], label=["a", "b", "a"])
    assert "1 pictures are in several rows with different labels (first: 1.jpg: a, b)" in notes[0]


def test_files_in_another_folder_are_found_for_the_message(tmp_path):
    made(tmp_path, "audio/1.jpg", "meta/x")
    frame = pd.DataFrame({"filename": ["1.jpg"], "label": ["a"]})
    with pytest.raises(DataError, match=r"audio beside it holds 1.jpg: -p folder "):
        read_picture_table(frame, tmp_path / "meta", None, None, {}, "t.csv")


def test_recordings_of_a_table_lie_in_a_folder_below(tmp_path):
    (tmp_path / "clips").mkdir()
    for i in range(12):
        wave = 0.5 * np.sin(np.arange(4000) * (0.05 + 0.03 * i))
        soundfile.write(tmp_path / f"clips/common_{i}.wav", wave, 16000)
    frame = pd.DataFrame(
        {"client_id": range(12), "path": [f"common_{i}.wav" for i in range(12)], "label": HALF}
    )
    frame.to_csv(tmp_path / "train.tsv", sep="\t", index=False)
    data = Data.speech(tmp_path / "train.tsv")
    assert len(data) == 12 and all("clips" in item for item in data.items)


# ---------------------------------------------------------------- hidden labels


def pictures(n, seed=0):
    "n arrays of noise."
    return np.random.default_rng(seed).integers(0, 255, (n, 8, 8, 3), dtype=np.uint8)


def test_hidden_labels_of_arrays_and_torch_sets():
    import torch

    class Pairs(torch.utils.data.Dataset):
        classes = ["cat", "dog"]

        def __init__(self, labels):
            self.labels, self.pixels = labels, pictures(len(labels))

        def __len__(self):
            return len(self.labels)

        def __getitem__(self, i):
            return self.pixels[i], self.labels[i]

    half = [i % 2 for i in range(30)]
    for hidden in (-1, 2, 99):
        data = Data.image(Pairs(half + [hidden] * 5))
        assert len(data) == 30 and data.task.classes == ("cat", "dog")
        assert any(
            f"5 rows have a hidden label ({hidden} is no class)" in note for note in data.notes
        )
    subset = torch.utils.data.Subset(Pairs(half), range(20))
    assert Data.image(subset).task.classes == ("cat", "dog") and len(Data.image(subset)) == 20
    with pytest.raises(DataError, match="all 30 labels are hidden"):
        Data.image(Pairs([-1] * 30))
    assert len(Data.image((pictures(40), [-1] * 4 + [i % 3 for i in range(36)]))) == 36
    data = Data.image((pictures(30), [i % 3 - 1 for i in range(30)]))
    assert data.task.classes == ("-1", "0", "1") and any(
        "-1, which is taken as a class" in n for n in data.notes
    )
    assert Data.image((pictures(30), [1 if i % 2 else -1 for i in range(30)])).task.classes == (
        "-1",
        "1",
    )


def test_torch_sets_whose_labels_are_no_numbers_of_classes():
    import torch

    class Pairs(torch.utils.data.Dataset):
        classes = ["cat", "dog", "owl"]

        def __init__(self, labels):
            self.labels, self.pixels = labels, pictures(len(labels))

        def __len__(self):
            return len(self.labels)

        def __getitem__(self, i):
            return self.pixels[i], self.labels[i]

    several = torch.tensor([[1, i % 2, i // 15] for i in range(30)])
    data = Data.image(Pairs(several))
    assert data.task.kind == "multi_label" and data.task.classes == ("cat", "dog", "owl")
    texts = Data.image(Pairs(["cat", "dog"] * 15))
    assert texts.task.classes == ("cat", "dog")
    assert Data.image(Pairs([i / 7 for i in range(30)])).task.kind == "regression"


def test_labels_as_columns_of_zero_and_one():
    one_hot = Data.image((pictures(30), np.eye(3)[np.arange(30) % 3]))
    assert one_hot.task.kind == "single_label" and one_hot.task.classes == ("0", "1", "2")
    several = Data.image((pictures(30), np.array([[1, i % 2, i // 15] for i in range(30)])))
    assert several.task.kind == "multi_label" and several.labels[1].tolist() == [1, 1, 0]
    assert Data.image((pictures(30), (np.arange(30) % 2)[:, None])).task.classes == ("0", "1")


def test_data_sets_of_the_hub():
    datasets = pytest.importorskip("datasets", reason="the extra hub is not installed")
    names = datasets.ClassLabel(names=["cat", "dog"])
    features = datasets.Features({"picture": datasets.Image(), "label": names})

    def part(labels, seed):
        images = [Image.fromarray(p) for p in pictures(len(labels), seed)]
        return datasets.Dataset.from_dict({"picture": images, "label": labels}, features=features)

    train = part([i % 2 for i in range(20)], 0)
    data = Data.image(train)
    assert len(data) == 20 and data.task.classes == ("cat", "dog")
    data = Data.image(
        datasets.DatasetDict(train=train, test=part([-1] * 6, 1), validation=part([0, 1], 2))
    )
    assert len(data) == 22 and len(data.valid) == 2
    assert any(
        "6 rows have a hidden label (-1 is no class; test 6 of 6)" in note for note in data.notes
    )
    data = Data.image(
        datasets.DatasetDict(train=train, test=part([1, 0], 1), unsupervised=part([-1] * 4, 3))
    )
    assert len(data.test) == 2 and any(
        "the part unsupervised (4 rows)" in note for note in data.notes
    )
    with pytest.raises(DataError, match="none is called train"):
        Data.image(datasets.DatasetDict(a=train, b=train))
    both = train.add_column("coarse", [i // 10 for i in range(20)]).cast_column(
        "coarse", datasets.ClassLabel(names=["x", "y"])
    )
    both = both.rename_column("label", "fine")
    with pytest.raises(
        DataError, match="fine and coarse can both be the label; choose one: label='fine'"
    ):
        Data.image(both)
    assert Data.image(both, label="coarse").task.classes == ("x", "y")


def test_texts_of_the_hub_keep_their_class_names():
    datasets = pytest.importorskip("datasets", reason="the extra hub is not installed")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )

    def part(labels, word):
        texts = [f"{word} {i * 7919 % 1000} says {i}" for i in range(len(labels))]
        return datasets.Dataset.from_dict({"text": texts, "label": labels}, features=features)

    train = part([i % 2 for i in range(20)], "one")
    assert Data.text(train).task.classes == ("bad", "good")
    data = Data.text(datasets.DatasetDict(train=train, test=part([-1] * 6, "two")))
    assert len(data) == 20 and any("6 rows have a hidden label" in note for note in data.notes)


def test_readme_and_tables_beside_texts_are_ordinary(tmp_path):
    made(tmp_path, "a/1.txt", "a/2.txt", "b/1.txt", "README.md", "LICENSE", "labels.csv")
    assert layout(tmp_path, TEXTS) == ({("-", "a"): 2, ("-", "b"): 1}, [])


def test_a_table_may_name_text_files(tmp_path):
    for i in range(12):
        path = tmp_path / f"notes/{i}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"text number {i * 7919 % 997} of the patient {i}")
    frame = pd.DataFrame({"file": [f"{i}.txt" for i in range(12)], "label": HALF})
    frame.to_csv(tmp_path / "a.csv", index=False)
    data = Data.text(tmp_path / "a.csv")
    assert len(data) == 12 and data.items[0].startswith("text number")
    assert any("names of files (first: 0.txt)" in note for note in data.notes)
    frame.rename(columns={"file": "text"}).to_csv(tmp_path / "b.csv", index=False)
    assert Data.text(tmp_path / "b.csv").items == data.items


@pytest.mark.parametrize("read", [Data.image, Data.text, Data.speech])
def test_what_is_no_data_is_refused_in_a_sentence(read):
    for source in ([1, 2, 3], {"a": 1}, iter([1]), 7):
        with pytest.raises(DataError):
            read(source)
