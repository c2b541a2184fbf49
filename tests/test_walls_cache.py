"""Damaged entries of the cache are noticed, dropped and made anew: the result is as without damage."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def everything(home: Path) -> dict:
    """Results that lean on every kind of entry: samples, first looks, pixels, features, tokens,
    near-duplicates, sounds, checks, folds."""
    import wave

    from PIL import Image

    from ftkit import Data
    from ftkit.evaluation.comparison import compare_models
    from ftkit.models.backbone import load_backbone
    from ftkit.models.features import features
    from ftkit.models.speech import frame_features
    from ftkit.quality.gate import check
    from ftkit.samples.catalogue import fetch_sample

    r, out = np.random.default_rng(0), {}
    if not (home / "p").exists():
        for kind in "ab":
            (home / "p" / kind).mkdir(parents=True)
            (home / "s" / kind).mkdir(parents=True)
            (home / "t" / kind).mkdir(parents=True)
            for i in range(8):
                Image.fromarray(r.integers(0, 255, (12, 12), np.uint8)).save(
                    home / "p" / kind / f"{i}.png"
                )
                (home / "t" / kind / f"{i}.txt").write_text(
                    f"{'good' if kind == 'a' else 'bad'} film number {i}"
                )
                with wave.open(str(home / "s" / kind / f"{i}.wav"), "wb") as f:
                    f.setparams((1, 2, 8000, 0, "NONE", ""))
                    f.writeframes(r.integers(-9000, 9000, 3000, np.int16).tobytes())

    def digest(a):
        return __import__("hashlib").sha256(np.ascontiguousarray(a).tobytes()).hexdigest()[:16]

    out["sample"] = digest(np.load(fetch_sample("digits") / "images.npz")["x"])
    pictures, texts, sounds = Data.image(home / "p"), Data.text(home / "t"), Data.speech(home / "s")
    out["hashes"] = [*pictures.hashes, *sounds.hashes, *map(str, sounds.seconds)]
    out["parts"] = pictures.parts.tolist() + texts.parts.tolist() + sounds.parts.tolist()
    net = load_backbone("small:cnn:8", False)
    for i, p in enumerate(net.body.parameters()):
        p.data.copy_(__import__("torch").linspace(-1, 1, p.numel()).reshape(p.shape) * (i + 1) / 9)
    out["pixels"], out["features"] = (
        digest(pictures.pixels(64)),
        digest(features(net.eval(), pictures)),
    )
    out["waves"] = digest(sounds.waves(16000)[0])
    out["frames"] = digest(frame_features(load_backbone("log_mel"), sounds).held)
    sys.path.insert(0, str(Path(__file__).parent))
    from test_walls_models import small_bert

    if not (home / "bert").exists():
        small_bert(home / "bert")
    body = load_backbone(str(home / "bert"))
    out["tokens"] = digest(body.inputs(texts).ids)
    found = check(pictures, deep=False)
    out["quality"] = [(f.what, f.rows, f.told) for f in found.findings]
    table = Data.tabular(
        {"a": list(range(40)), "b": [i % 7 for i in range(40)], "label": ["x", "y"] * 20},
        label="label",
    )
    out["folds"] = [
        (row["model"], row["score"])
        for row in compare_models(table, models=("dummy", "ridge"), k=2).rows
    ]
    return json.loads(json.dumps(out, default=str))


def entries(cache: Path) -> list[Path]:
    return sorted(f for f in cache.rglob("*") if f.is_file() and not f.name.endswith(".lock"))


def damage(r, path: Path, others: list[Path]) -> str:
    "One damage that a disk, a crash or a person does."
    data = path.read_bytes()
    kind = r.choice(["flip", "flip", "flip", "cut", "empty", "foreign", "swap", "garbage", "gone"])
    if kind == "flip" and data:
        at = r.randrange(len(data))
        data = data[:at] + bytes([data[at] ^ 1 << r.randrange(8)]) + data[at + 1 :]
    elif kind == "cut":
        data = data[: r.randrange(len(data) + 1)]
    elif kind == "empty":
        data = b""
    elif kind == "foreign":
        at = r.randrange(len(data) + 1)
        data = data[:at] + r.randbytes(7) + data[at + 7 :]
    elif kind == "swap":
        data = r.choice(others).read_bytes()
    elif kind == "garbage":
        data = r.choice(
            [
                b"{}",
                b"null",
                b"[" * 9999,
                b'{"value": 1}',
                b'{"files": {}}',
                b"\xff\xfe",
                b'{"value": {}, "check": 1}',
            ]
        )
    if kind == "gone":
        path.unlink()
    else:
        path.write_bytes(data)
    return kind


def fuzz(home: str, times: int, seed: int) -> None:
    home, r = Path(home), random.Random(seed)
    cache = Path(os.environ["FTKIT_CACHE"])
    from ftkit.samples import cache as cached

    right, counts = everything(home), {}
    assert everything(home) == right
    kept = home / "kept"
    shutil.copytree(cache, kept)
    for case in range(times):
        shutil.rmtree(cache)
        shutil.copytree(kept, cache)
        cached._seen.clear()
        files = entries(cache)
        path = r.choice(files)
        kind = damage(r, path, files)
        where = path.relative_to(cache).parts[0]
        print(case, kind, path.relative_to(cache), file=sys.stderr, flush=True)
        found = everything(home)
        assert found == right, (
            case,
            kind,
            path,
            {k: (right[k], found[k]) for k in right if found[k] != right[k]},
        )
        counts[f"{where} {kind}"] = counts.get(f"{where} {kind}", 0) + 1
    print(json.dumps(counts))


def fuzz_in_a_child(tmp_path, times, seed):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_walls_cache"
        f" as t; t.fuzz({str(tmp_path)!r}, {times}, {seed})"
    )
    env = os.environ | {"HF_HUB_OFFLINE": "1", "FTKIT_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_damages_of_every_kind_of_entry(tmp_path):
    found = fuzz_in_a_child(tmp_path, 25, 0)
    print(found)
    assert sum(found.values()) == 25


@pytest.mark.slow
def test_a_thousand_damages(tmp_path):
    found = fuzz_in_a_child(tmp_path, 1000, 1)
    print(found)
    assert sum(found.values()) == 1000
