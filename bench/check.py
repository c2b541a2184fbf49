"""What `ftkit check` costs on 100,000 texts and 20,000 pictures: python bench/check.py [texts
pictures] [--rows N] [--fast-only]

Texts: halves of two sentences of `movie` with the same label, a third of their words replaced;
one in twenty is a small change of another. Pictures: `stamps` turned, cut, stretched and covered
with noise, JPEG files of 96 to 320 pixels; one in twenty is another saved again. Each check runs
in a process of its own, with an empty cache but for the samples; with features it runs behind
--fast, whose near-copies and decoded pictures it finds in the cache. Wall and CPU seconds and
the largest memory are the process's; "own" memory is without the pages of mapped files (decoded
pictures), which the system takes back when it needs them.
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

SIZES = {"texts": 100_000, "pictures": 20_000}


def texts(folder: Path, n: int) -> Path:
    from ftkit.data.dataset import Data

    data, rng = Data.text("sample:movie", near="as_is"), np.random.default_rng(0)
    of = {
        c: [data.items[i].split() for i in np.flatnonzero(data.labels == c)]
        for c in range(len(data.task.classes))
    }
    words, rows = np.array([w for some in of.values() for t in some for w in t]), []
    for k in range(n):
        if k and rng.random() < 0.05:
            words_, label = rows[int(rng.integers(k))][0].split(), None
        else:
            label = int(data.labels[rng.integers(len(data))])
            a, b = (of[label][int(rng.integers(len(of[label])))] for _ in "ab")
            words_ = a[: len(a) // 2] + b[len(b) // 2 :]
        change = rng.random(len(words_)) < (0.05 if label is None else 0.33)
        words_ = [str(rng.choice(words)) if c else w for w, c in zip(words_, change)] or ["film"]
        rows.append(
            (
                " ".join(words_),
                data.task.classes[label if label is not None else int(rng.integers(len(of)))],
            )
        )
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(folder / "texts.csv", index=False)
    return folder / "texts.csv"


def pictures(folder: Path, n: int) -> Path:
    from ftkit.data.dataset import Data
    from ftkit.reading.pictures import open_picture

    data, rng, rows = Data.image("sample:stamps", near="as_is"), np.random.default_rng(0), []
    own = [open_picture(i) for i in data.items]
    for k in range(n):
        if k and rng.random() < 0.05:
            image, (_, label) = Image.open(folder / rows[j := int(rng.integers(k))][0]), rows[j]
        else:
            i = int(rng.integers(len(data)))
            image = own[i].rotate(
                float(rng.uniform(0, 360)),
                expand=True,
                fillcolor=tuple(rng.integers(0, 256, 3).tolist()),
            )
            label = data.task.classes[data.labels[i]]
            w, h = image.size
            left, top = rng.uniform(0, 0.3, 2) * (w, h)
            image = image.crop((left, top, left + 0.7 * w, top + 0.7 * h)).resize(
                tuple(rng.integers(96, 321, 2).tolist())
            )
            a = np.asarray(image, np.float32)
            image = Image.fromarray(
                (a + rng.normal(0, rng.uniform(2, 30), a.shape)).clip(0, 255).astype(np.uint8)
            )
        image.save(folder / f"{k:06}.jpg", quality=int(rng.integers(60, 96)))
        rows.append((f"{k:06}.jpg", label))
    pd.DataFrame(rows, columns=["path", "label"]).to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


def measured(table: Path, cache: Path, fast: bool) -> dict:
    "One check in a process of its own."
    at, out, own = time.perf_counter(), table.parent / "found.json", 0
    with open(out, "wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", "ftkit", "check", str(table), "--json", *["--fast"] * fast],
            stdout=file,
            env=os.environ | {"FTKIT_CACHE": str(cache)},
        )
        while not (ended := os.wait4(child.pid, os.WNOHANG))[0]:
            with contextlib.suppress(OSError, TypeError):
                own = max(
                    own,
                    int(
                        re.search(
                            r"RssAnon:\s+(\d+)", Path(f"/proc/{child.pid}/status").read_text()
                        )[1]
                    ),
                )
            time.sleep(0.2)
    _, status, used = ended
    assert not status, f"ftkit check failed: {status}"
    found = json.loads(out.read_text())
    return {
        "rows": found["rows"],
        "findings": len(found["findings"]),
        "wall s": round(time.perf_counter() - at),
        "CPU s": round(used.ru_utime + used.ru_stime),
        "GB": round(used.ru_maxrss / 2**20, 2),
        "own GB": round(own / 2**20, 2),
    }


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("kinds", nargs="*", default=list(SIZES))
    ask.add_argument(
        "--rows", type=int, help="of each, instead of 100,000 texts and 20,000 pictures"
    )
    ask.add_argument("--fast-only", action="store_true")
    args = ask.parse_args()
    from ftkit.core import cache_folder

    for kind in args.kinds:
        with tempfile.TemporaryDirectory() as d:
            folder, cache = Path(d, "data"), Path(d, "cache")
            folder.mkdir()
            cache.mkdir()
            (cache / "samples").symlink_to(cache_folder("samples"))
            table = {"texts": texts, "pictures": pictures}[kind](folder, args.rows or SIZES[kind])
            for fast in (True, False)[: 1 if args.fast_only else 2]:
                print(
                    kind,
                    "--fast" if fast else "with features",
                    measured(table, cache, fast),
                    flush=True,
                )
