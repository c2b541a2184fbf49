"""Faults planted on purpose in a sample, so that what the gate finds can be counted:
`plant("stamps", folder, seed)`; python tests/planted.py stamps digits movie --seeds 0 1 2"""

import argparse
import dataclasses
import hashlib
import io
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from PIL import Image, ImageEnhance

from ftkit.data.dataset import Data
from ftkit.reading.near_duplicates import alike, groups_of
from ftkit.reading.pictures import open_picture
from ftkit.reading.sounds import open_sound
from ftkit.samples.catalogue import SAMPLES

SHARES = {
    "exact": 0.05,
    "near": 0.05,
    "across": 0.03,
    "flipped": 0.08,
    "broken": 0.02,
    "outlier": 0.02,
    "personal": 0.02,
}


def near_picture(image: Image.Image, rng) -> Image.Image:
    kind = rng.choice(["jpeg", "resize", "crop", "brightness"])
    if kind == "jpeg":
        image.save(b := io.BytesIO(), "JPEG", quality=int(rng.integers(30, 96)))
        return Image.open(b).convert("RGB")
    if kind == "resize":
        s = float(np.exp(rng.uniform(np.log(0.5), np.log(2))))
        return image.resize(
            (max(2, round(image.width * s)), max(2, round(image.height * s))),
            rng.choice([Image.BILINEAR, Image.BICUBIC, Image.LANCZOS]),
        )
    if kind == "crop":
        # up to a tenth of each side
        left, top, right, bottom = rng.uniform(0, 0.05, 4) * [
            image.width,
            image.height,
            image.width,
            image.height,
        ]
        return image.crop(
            (
                round(left),
                round(top),
                max(round(left) + 1, round(image.width - right)),
                max(round(top) + 1, round(image.height - bottom)),
            )
        )
    return ImageEnhance.Brightness(image).enhance(
        1 + float(rng.choice([-1, 1]) * rng.uniform(0.03, 0.2))
    )


def near_sound(path: str, rng) -> tuple[np.ndarray, int, str]:
    "Samples, how many a second, and the format to write them in."
    wave = open_sound(path, 16000)
    rate = 16000
    kind = rng.choice(["gain", "flac", "ogg", "rate", "trim"])
    if kind == "gain":
        gain = 10 ** (float(rng.choice([-1, 1]) * rng.uniform(1, 6)) / 20)
        wave = (wave * gain).clip(-1, 1)
    if kind == "rate":
        wave, rate = open_sound(path, 8000), 8000  # read again, it is brought to 16,000
    if kind == "trim":
        cut = int(rng.uniform(0.005, 0.05) * rate)
        wave = wave[cut:] if rng.integers(2) else wave[:-cut]
    return wave, rate, kind if kind in ("flac", "ogg") else "wav"


def near_text(text: str, words: list[str], rng) -> str:
    kind = rng.choice(["letters", "word", "case", "punctuation", "spaces"])
    if kind == "letters":
        letters = list(text)
        for _ in range(max(1, int(len(letters) * rng.uniform(0, 0.1)))):
            at, how = int(rng.integers(len(letters))), rng.integers(3)
            if how == 0:
                letters[at] = rng.choice(list("abcdefghijklmnopqrstuvwxyz"))
            elif how == 1:
                letters.insert(at, rng.choice(list("abcdefghijklmnopqrstuvwxyz")))
            elif len(letters) > 1:
                del letters[at]
        return "".join(letters)
    if kind == "word":
        parts = text.split(" ")
        parts[int(rng.integers(len(parts)))] = str(rng.choice(words))
        return " ".join(parts)
    if kind == "case":
        return text.upper() if rng.integers(2) else text.lower()
    if kind == "punctuation":
        return text.replace(",", " -").replace(".", "!") + " ..."
    return "  ".join(text.split(" ")) + " "


def luhn(digits: str) -> str:
    total = sum(
        n - 9 * (n > 9) for n in (int(d) * (2 - k % 2) for k, d in enumerate(reversed(digits)))
    )
    return digits + str(-total % 10)


def personal(rng) -> str:
    def d(n):
        return "".join(map(str, rng.integers(0, 10, n)))

    kind = rng.integers(5)
    if kind == 0:
        return (
            f"write to {rng.choice(['anna', 'li.wei', 'j_smith', 'o.petrov'])}{d(2)}"
            f"@{rng.choice(['mail', 'post', 'firma'])}.{rng.choice(['com', 'org', 'co.uk', 'cn'])}"
        )
    if kind == 1:
        return f"call {rng.choice(['+49 30 ', '+1 415 555 ', '+86 138 '])}{d(4)} {d(4)}"
    if kind == 2:
        return f"phone {rng.choice(['138', '159', '186'])}{d(8)}"
    if kind == 3:
        card = luhn("4" + d(14))
        return f"card {' '.join(card[i : i + 4] for i in range(0, 16, 4))}"
    place, year = rng.choice(["110105", "310101", "440305"]), rng.integers(50, 99)
    first = f"{place}19{year}{rng.integers(1, 13):02}{rng.integers(1, 28):02}{d(3)}"
    return (
        "number "
        + first
        + "10X98765432"[sum(int(c) * (2 ** (17 - k) % 11) for k, c in enumerate(first)) % 11]
    )


def _copied(row: dict, fault: str, change, parts: list[str], rng) -> dict:
    "A copy of a row: the same, nearly so, or in another part."
    new = dict(row)
    if fault == "near" or (fault == "across" and rng.integers(2)):
        new["item"] = change(row["item"])
    if fault == "across":
        new["split"] = str(rng.choice([p for p in parts if p != row["split"]]))
    return new


def plant(
    sample: str, folder: Path, seed: int, limit: int | None = None, rows_of=None
) -> tuple[Path, dict]:
    """A table in the folder, and for each fault the rows (numbers in the table) or pairs of rows
    that have it; of `rows_of`, a Data, or else of the sample dealt anew."""
    kind = SAMPLES[sample].kind
    # recordings: the families of prompts
    data = rows_of or getattr(Data, kind)(f"sample:{sample}", limit=limit, near="as_is")
    rng, n, classes = np.random.default_rng([seed, 11]), len(data), data.task.classes
    order = rng.permutation(n)
    # what the sample has of its own is counted apart
    natural = groups_of(alike(kind, data.items, data.hashes, data.sizes)[0], n)
    ends = [0, *np.cumsum([int(s * n) for s in SHARES.values()])]
    take = {name: order[ends[i] : ends[i + 1]] for i, name in enumerate(SHARES)}
    rows = [
        {
            "item": data.items[i],
            "label": data.label_text(i),
            "split": (
                str(data.parts[i])
                if rows_of
                else str(rng.choice(["train", "valid", "test"], p=[0.7, 0.15, 0.15]))
            ),
        }
        for i in range(n)
    ]
    parts = [p for p in ("train", "valid", "test") if not rows_of or p in data.parts]
    truth = {k: [] for k in SHARES} | {"natural": natural.tolist()}
    words = [w for t in (data.items[:500] if kind == "text" else ()) for w in t.split(" ")]
    change = {
        "text": lambda v: near_text(v, words, rng),
        "speech": lambda v: near_sound(v, rng),
        "image": lambda v: near_picture(open_picture(v), rng),
    }[kind]
    strange = {
        "text": lambda: "".join(
            rng.choice(list("bcdfghjklmnpqrstvwxz "), int(rng.integers(30, 90)))
        ),
        "speech": lambda: (
            rng.normal(0, 0.1, int(rng.integers(8000, 32000))).astype(np.float32),
            16000,
            "wav",
        ),
        "image": lambda: Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)),
    }[kind]
    for fault in ("exact", "near", "across"):
        for i in take[fault]:
            truth[fault].append((int(i), len(rows)))
            rows.append(_copied(rows[i], fault, change, parts, rng))
    for i in take["flipped"]:
        rows[i]["label"] = str(rng.choice([c for c in classes if c != rows[i]["label"]]))
        truth["flipped"].append(int(i))
    for i in take["outlier"]:
        rows[i]["item"] = strange()
        truth["outlier"].append(int(i))
    if kind == "text":
        for i in take["personal"]:
            rows[i]["item"] += " " + personal(rng)
            truth["personal"].append(int(i))
        table = folder / "texts.csv"
        pd.DataFrame(
            [{"text": r["item"], "label": r["label"], "split": r["split"]} for r in rows]
        ).to_csv(table, index=False)
        return table, truth
    for k, r in enumerate(rows):
        picture = open_picture(r["item"]) if kind == "image" else None
        r["path"] = (
            f"{k:05}.{'jpg' if k % 3 == 0 and min(picture.size) > 32 else 'png'}"
            if picture
            else (
                f"{k:05}.{r['item'][2] if isinstance(r['item'], tuple) else Path(r['item']).suffix[1:]}"
            )
        )
        same = next(
            (
                rows[i]["path"]
                for i, j in truth["exact"] + truth["across"]
                if j == k and rows[i]["item"] is r["item"]
            ),
            None,
        )
        if same:
            r["path"] = f"{k:05}{Path(same).suffix}"
            (folder / r["path"]).write_bytes((folder / same).read_bytes())
        elif picture:
            picture.save(folder / r["path"])
        elif isinstance(r["item"], tuple):
            soundfile.write(folder / r["path"], *r["item"][:2])
        else:
            shutil.copyfile(r["item"], folder / r["path"])
    for k, i in enumerate(take["broken"]):
        f = folder / rows[i]["path"]
        f.write_bytes(
            f.read_bytes()[: max(20, f.stat().st_size // 3)]
            if k % 2
            else b"this is no picture and no sound"
        )
        truth["broken"].append(int(i))
    table = folder / "labels.csv"
    pd.DataFrame(
        [{"path": r["path"], "label": r["label"], "split": r["split"]} for r in rows]
    ).to_csv(table, index=False)
    return table, truth


def counted(found, truth: dict, table: Path) -> dict[str, tuple[float, float, int]]:
    "Recall, precision and number planted, of each fault."
    from itertools import combinations

    data = found.data
    rows = pd.read_csv(table, keep_default_na=False)
    number = (
        {r["path"] if "path" in r else None: k for k, r in rows.iterrows()}
        if "path" in rows
        else {}
    )
    kept = [number[Path(str(i)).name] for i in data.items] if number else None
    if kept is None:  # texts: what is left out is left out in order
        kept, at = [], 0
        for item in data.items:
            while rows["text"][at] != item:
                at += 1
            kept.append(at)
            at += 1

    def pairs(*names):
        return {
            (kept[a], kept[b])
            for f in found.findings
            if f.what in names
            for a, b in combinations(sorted(f.rows), 2)
        }

    def of(what):
        return {kept[f.rows[0]] for f in found.findings if f.what == what}

    def rate(planted, seen, among=None):
        planted, seen = set(planted), set(seen)
        return (
            round(len(planted & seen) / max(1, len(planted)), 3),
            round(len(seen & (among or planted)) / max(1, len(seen)), 3),
            len(planted),
        )

    def content(k):
        return (
            hashlib.sha256((table.parent / rows["path"][k]).read_bytes()).hexdigest()
            if number
            else rows["text"][k]
        )

    broken = set(truth["broken"])
    origin = {j: i for f in ("exact", "near", "across") for i, j in truth[f]}

    def root(k):
        return (
            truth["natural"][origin.get(k, k)]
            if truth["natural"][origin.get(k, k)] >= 0
            else -2 - origin.get(k, k)
        )

    def own(found):
        # without those that are alike in the sample itself, and copies of one row among themselves
        return {p for p in found if p in planted_pairs or root(p[0]) != root(p[1])}

    planted_pairs = {p for f in ("exact", "near", "across") for p in truth[f]}
    copies = [
        p
        for f in ("exact", "near", "across")
        for p in truth[f]
        if p[0] not in broken and p[1] not in broken
    ]
    same = [p for p in copies if content(p[0]) == content(p[1])]
    close = [p for p in copies if content(p[0]) != content(p[1])]
    out = {
        "exact": rate(
            same,
            {
                p
                for p in pairs("exact copies", "copies that disagree", "near-duplicates")
                if content(p[0]) == content(p[1])
            },
        ),
        "near": rate(
            close,
            own(
                {
                    p
                    for p in pairs("near-duplicates", "copies that disagree")
                    if content(p[0]) != content(p[1])
                }
            ),
        ),
        "across": rate(truth["across"], own(pairs("copies across parts")), set(copies)),
        "flipped": rate(truth["flipped"], of("suspected label")),
        "outlier": rate(truth["outlier"], of("outlier")),
    }
    if truth["broken"]:
        out["broken"] = rate(
            truth["broken"],
            {
                number[Path(f.told.partition(": ")[0]).name]
                for f in found.findings
                if f.what == "unreadable"
            },
        )
    if truth["personal"]:
        out["personal"] = rate(truth["personal"], of("personal data"))
    return out


def measured(sample: str, seed: int, limit: int | None = None, deep: bool = True) -> dict:
    from ftkit.quality.gate import check

    with tempfile.TemporaryDirectory() as d:
        table, truth = plant(sample, Path(d), seed, limit)
        data = getattr(Data, SAMPLES[sample].kind)(
            table, split="split", skip_bad=True, near="as_is"
        )
        return counted(check(data, deep), truth, table)


def some(data, ids):
    "Some rows of a Data."
    ids = np.asarray(ids)
    return dataclasses.replace(
        data,
        items=[data.items[i] for i in ids],
        hashes=[data.hashes[i] for i in ids],
        labels=data.labels[ids],
        parts=data.parts[ids],
        near=None,
        groups=None,
        skipped=(),
        sizes=None if data.sizes is None else data.sizes[ids],
    )


def effect(sample: str, seed: int, limit: int | None = None) -> dict[str, float]:
    """Accuracy on the same clean test rows, which the gate never sees, of a linear model on a
    frozen backbone: learned from planted, cleaned and original rows."""
    from ftkit.evaluation.baselines import linear_baseline
    from ftkit.quality.checks import Seen
    from ftkit.quality.gate import check

    def read(source, **more):
        return getattr(Data, SAMPLES[sample].kind)(source, seed=seed, **more)

    whole = read(f"sample:{sample}", limit=limit, test=0.3)
    known = dict(zip(whole.hashes, Seen(whole).features()))
    with tempfile.TemporaryDirectory() as d:
        table, _ = plant(
            sample, Path(d), seed, rows_of=some(whole, np.flatnonzero(whole.parts != "test"))
        )
        planted = read(table, split="split", skip_bad=True, near="as_is", test=0)
        found = check(planted)
        made = found.clean(Path(d) / "clean", ("drop", "keep_one", "relabel", "scrub"))
        cleaned = read(made / table.name, split="split", near="as_is", test=0)
        out = {"changed": len(pd.read_csv(made / "changes.csv"))}
        for name, data in {
            "planted": planted,
            "cleaned": cleaned,
            "original": some(whole, np.flatnonzero(whole.parts != "test")),
        }.items():
            if new := [i for i, h in enumerate(data.hashes) if h not in known]:
                known |= dict(zip([data.hashes[i] for i in new], Seen(some(data, new)).features()))
            assert data.task.classes == whole.task.classes
            both = dataclasses.replace(
                data,
                items=data.items + [whole.items[i] for i in whole.test.ids],
                hashes=data.hashes + [whole.hashes[i] for i in whole.test.ids],
                labels=np.concatenate([data.labels, whole.test.labels]),
                parts=np.concatenate([data.parts, whole.parts[whole.test.ids]]),
                near=None,
                sizes=None,
            )
            p = linear_baseline(np.stack([known[h] for h in both.hashes]), both, both.test.ids)
            out |= {
                name: round(float((p.argmax(1) == whole.test.labels).mean()), 4),
                f"{name} rows": len(data),
            }
    return out


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("samples", nargs="*", default=["stamps", "digits", "movie"])
    ask.add_argument(
        "--seeds", type=int, nargs="*", default=[random.randrange(10**6) for _ in range(3)]
    )
    ask.add_argument("--limit", type=int)
    ask.add_argument(
        "--effect",
        action="store_true",
        help="what the faults and their cleaning do to accuracy, instead of what is found",
    )
    args = ask.parse_args()
    for sample in args.samples:
        for seed in args.seeds:
            print(
                sample,
                seed,
                json.dumps((effect if args.effect else measured)(sample, seed, args.limit)),
                file=sys.stdout,
                flush=True,
            )
