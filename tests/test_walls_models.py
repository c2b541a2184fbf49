"""Models of others: never code, pinned to a revision, checked field by field; damaged ones end in
one kind of error."""

import json
import os
import pty
import random
import resource
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ftkit.core import UsageError


def small_bert(folder: Path, seed: int = 0, **config) -> Path:
    "A BERT of a few thousand weights, as transformers saves it."
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    words = {
        w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film"])
    }
    net = BertModel(
        BertConfig(
            vocab_size=16,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            max_position_embeddings=64,
        )
    )
    net.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    ).save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


CODE = """
import pathlib
pathlib.Path({mark!r}).write_text("executed")
from transformers import BertConfig, BertModel
class Config(BertConfig): model_type = {kind!r}
class Model(BertModel): config_class = Config
"""


def planted(folder: Path, kind: str, mark: Path) -> Path:
    "A model that brings code."
    where = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model", "AutoTokenizer": "evil.Model"}
    small_bert(folder, model_type=kind, auto_map=where)
    (folder / "evil.py").write_text(CODE.format(mark=str(mark), kind=kind))
    return folder


@pytest.mark.parametrize("kind", ["bert", "unheard_of"])
def test_a_model_that_asks_for_code_is_refused_with_the_reason(tmp_path, kind):
    from ftkit.models.backbone import load_backbone

    folder = planted(tmp_path / "m", kind, tmp_path / "EXECUTED")
    with pytest.raises(UsageError, match="asks to execute code"):
        load_backbone(str(folder))
    with pytest.raises(UsageError, match="asks to execute code"):
        load_backbone(f"hf:{folder}")
    assert not (tmp_path / "EXECUTED").exists()


@pytest.mark.parametrize(
    "name", ["tokenizer_config.json", "preprocessor_config.json", "generation_config.json"]
)
def test_the_other_configs_are_looked_at_too(tmp_path, name):
    from ftkit.models.backbone import load_backbone

    folder = small_bert(tmp_path / "m")
    path = folder / name
    held = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(held | {"auto_map": {"AutoTokenizer": ["evil.T", None]}}))
    (folder / "evil.py").write_text(CODE.format(mark=str(tmp_path / "EXECUTED"), kind="x"))
    with pytest.raises(UsageError, match=f"auto_map in {name}"):
        load_backbone(str(folder))
    assert not (tmp_path / "EXECUTED").exists()


def test_a_terminal_is_not_asked_either(tmp_path):
    "transformers asks `Do you wish to run the custom code? [y/N]` there; the answer would be yes."
    folder = planted(tmp_path / "m", "unheard_of", tmp_path / "EXECUTED")
    main, end = pty.openpty()
    os.write(main, b"y\ny\ny\n")
    code = f"from ftkit.models.backbone import load_backbone; load_backbone({str(folder)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=end,
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    os.close(main), os.close(end)
    assert (
        done.returncode
        and "asks to execute code" in done.stderr
        and "Do you wish" not in done.stdout + done.stderr
    )
    assert not (tmp_path / "EXECUTED").exists()


def test_every_loader_says_so():
    """Each call of a transformers loader in the package gives trust_remote_code=False, or the
    options that hold it."""
    import ast

    import ftkit

    loaders, seen = ("from_pretrained", "from_config", "get_config_dict"), 0
    for path in sorted(Path(ftkit.__file__).parent.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or getattr(call.func, "attr", "") not in loaders:
                continue
            seen += 1
            given = [ast.unparse(k) for k in call.keywords] + list(map(ast.unparse, call.args))
            assert any("options" in g or g == "trust_remote_code=False" for g in given), (
                f"{path.name}:{call.lineno} {ast.unparse(call)}"
            )
    assert seen > 10


def in_hub_cache(home: Path, commit: str, seed: int) -> None:
    "A snapshot as huggingface_hub keeps it; main points to it."
    at = home / "hub" / "models--owner--small"
    small_bert(at / "snapshots" / commit, seed)
    (at / "refs").mkdir(exist_ok=True)
    (at / "refs" / "main").write_text(commit)


def test_a_hub_model_stays_at_the_revision_that_was_used(tmp_path):
    first, second = "a1" * 20, "b2" * 20
    home, run = tmp_path / "hf", tmp_path / "run"
    run.mkdir()
    code = (
        "from ftkit.models.backbone import load_backbone; b = load_backbone({!r});"
        " print(b.revision, b.weights_hash())"
    )
    env = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}

    def load(name="owner/small", **more):
        done = subprocess.run(
            [sys.executable, "-c", code.format(name)],
            capture_output=True,
            text=True,
            env=env | more,
            timeout=100,
        )
        assert not done.returncode, done.stderr
        return done.stdout.split()

    in_hub_cache(home, first, 0)
    began = load(FTKIT_RUN_DIR=str(run))
    assert began[0] == f"owner/small@{first}"
    in_hub_cache(home, second, 1)  # somebody pushed
    assert load(FTKIT_RUN_DIR=str(run)) == began  # resumed
    other = load(FTKIT_RUN_DIR="")
    assert other[0] == f"owner/small@{second}" and other[1] != began[1]
    assert load(f"owner/small@{first}") == began
    from ftkit.runfolder import noted

    assert noted(run)["hub"] == {"owner/small": first}


def model_folders(home: Path) -> dict:
    "A small model of each kind: kind -> (folder, inputs)."
    import pandas as pd
    import torch
    from PIL import Image

    from ftkit.data.dataset import Data
    from ftkit.models.classical import Classical
    from ftkit.models.model import Model
    from ftkit.models.table_backbones import table_backbone

    torch.manual_seed(0)
    r, out = np.random.default_rng(0), {}
    for name, level in (("dark", 40), ("light", 200)):
        for i in range(30):
            (home / "pictures" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(r.integers(level - 40, level + 40, (16, 16), np.uint8)).save(
                home / "pictures" / name / f"{i}.png"
            )
    pictures = Data.image(home / "pictures")
    Model("small:cnn:8", pictures.task, size=16).bind(pictures).save(home / "image")
    out["image"] = home / "image", [home / "pictures/dark/0.png", home / "pictures/light/3.png"]
    pd.DataFrame(
        {
            "text": [f"{w} film {i}" for i in range(30) for w in ("good", "bad")],
            "label": ["p", "n"] * 30,
        }
    ).to_csv(home / "texts.csv", index=False)
    texts = Data.text(home / "texts.csv")
    Model(str(small_bert(home / "bert")), texts.task, head="mlp", width=8).bind(texts).save(
        home / "bert_text"
    )
    out["bert_text"] = home / "bert_text", ["good film", "bad film"]
    Model(f"static:{home / 'bert'}", texts.task).bind(texts).save(home / "static_text")
    out["static_text"] = home / "static_text", ["good film", "bad film"]
    town = r.choice(["Rome", "Oslo", "Bern"], 120)
    table = pd.DataFrame({"age": r.normal(size=120), "height": r.normal(size=120), "town": town})
    table["label"] = np.where(table.age + (town == "Rome") > 0, "yes", "no")
    table.to_csv(home / "table.csv", index=False)
    rows = Data.tabular(home / "table.csv", label="label")
    for method in (
        "linear",
        "random_forest",
        "gradient_boosting",
        "nearest_neighbours",
        "decision_tree",
    ):
        Classical(method, rows.task).fit(rows).save(home / method)
        out[method] = home / method, table.drop(columns="label").head(5).to_dict("records")
    Model(table_backbone("mlp", rows, width=8), rows.task).bind(rows).save(home / "mlp")
    out["mlp"] = home / "mlp", table.drop(columns="label").head(5).to_dict("records")
    return out


VALUES = [
    None,
    0,
    1,
    -1,
    2,
    7,
    10**9,
    2**63,
    -(10**30),
    1e308,
    -0.5,
    0.3,
    "",
    "x",
    "$$",
    "../../etc/passwd",
    "hf:evil/model",
    "static:9999999x9999999",
    "/dev/zero",
    [],
    {},
    [1],
    [[[]]],
    {"a": 1},
    True,
    False,
    "9" * 5000,
    [0] * 5000,
    "a" * 300,
    "\ud800",
    "nan",
    float("nan"),
    float("inf"),
    "numpy.random",
    "os",
    "system",
]


def change_json(r, text: str) -> str:
    "One field somewhere replaced, removed, doubled, or nested without end."
    if r.random() < 0.03:
        return "[" * 100_000
    root = parent = json.loads(text)
    while isinstance(parent, (dict, list)) and parent:
        key = r.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
        if not isinstance(parent[key], (dict, list)) or not parent[key] or r.random() < 0.15:
            how = r.random()
            if how < 0.1:
                del parent[key]
            elif how < 0.2 and isinstance(parent[key], (int, float)):
                parent[key] = parent[key] * r.choice([-1, 2, 1000, 10**6]) + r.choice([-1, 0, 1])
            else:
                parent[key] = r.choice(VALUES)
            break
        parent = parent[key]
    return json.dumps(root)


def change_bytes(r, data: bytes) -> bytes:
    if not data:
        return r.randbytes(5)
    at = r.randrange(len(data))
    kind = r.randrange(5)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data + r.randbytes(9)
    if kind == 2:
        return b""
    out = bytearray(data)
    for _ in range(r.choice([1, 1, 3, 20])):
        out[r.randrange(len(out))] = r.randrange(256)
    return bytes(out)


def change_skops(r, path: Path) -> None:
    "A field of the schema, or numbers in an array, inside of the archive."
    with zipfile.ZipFile(path) as z:
        held = {n: z.read(n) for n in z.namelist()}
    name = "schema.json" if r.random() < 0.6 else r.choice(sorted(held))
    if name == "schema.json":
        held[name] = change_json(r, held[name].decode()).encode()
    else:  # 8 bytes of an array become a small, large or negative number
        data = bytearray(held[name])
        at = 128 + 8 * r.randrange(max(1, (len(data) - 128) // 8))
        data[at : at + 8] = r.choice([0, 1, 5, 10**6, 2**40, 2**62, -2, -(10**9)]).to_bytes(
            8, "little", signed=True
        )
        held[name] = bytes(data) if r.random() < 0.8 else change_bytes(r, held[name])
    with zipfile.ZipFile(path, "w") as z:
        for n, data in held.items():
            z.writestr(n, data)


def change_safetensors(r, path: Path) -> None:
    "A field of the head."
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    head = change_json(r, data[8 : 8 + n].decode()).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + data[8 + n :])


def mutate(r, folder: Path, other: Path) -> bool:
    """One change somebody or something could make; returns whether the hashes were made right
    afterwards."""
    files = sorted(f for f in folder.iterdir() if f.name not in ("manifest.json", "README.md"))
    weights = [
        1 if f.name in ("labels.json", "familiar.safetensors") else 6 if f.suffix == ".skops" else 3
        for f in files
    ]
    path, kind = r.choices(files, weights)[0], r.random()
    if kind < 0.12:
        path = r.choice([path, folder / "manifest.json"])
        path.write_bytes(change_bytes(r, path.read_bytes()))
    elif kind < 0.15:
        path.unlink()
    elif kind < 0.2:
        name = r.choice(
            [
                "adapter_config.json",
                "model.skops",
                "pytorch_model.bin",
                "evil.py",
                "words.json",
                "familiar.safetensors",
                "tokenizer.json",
                "chat_template.jinja",
            ]
        )
        (folder / name).write_bytes(r.choice([b"{}", b"[]", r.randbytes(50)]))
    elif kind < 0.23 and (other / path.name).is_file():
        shutil.copy(other / path.name, path)
    elif path.suffix == ".json":
        path.write_text(change_json(r, path.read_text()))
    elif path.suffix == ".skops":
        change_skops(r, path)
    else:
        (
            change_safetensors(r, path)
            if r.random() < 0.6
            else path.write_bytes(change_bytes(r, path.read_bytes()))
        )
    repaired = r.random() < 0.85
    if repaired:
        from ftkit.core import file_sha256

        hashes = {
            f.name: file_sha256(f) for f in sorted(folder.iterdir()) if f.name != "manifest.json"
        }
        (folder / "manifest.json").write_text(json.dumps(hashes))
    return repaired


def fuzz(home: str, times: int, seed: int, kinds: str = "") -> None:
    """Run in a process of its own: whatever is not an ArtifactError or a prediction ends it. Prints
    counts as JSON."""
    import warnings

    from ftkit.models.artifact import Predictor
    from ftkit.models.manifest import ArtifactError

    warnings.simplefilter("ignore")
    home, r = Path(home), random.Random(seed)
    folders = {k: v for k, v in model_folders(home).items() if not kinds or k in kinds.split()}

    def probabilities(folder, inputs):
        return [list(p.probabilities.values()) for p in Predictor(folder)(inputs, strict=False)]

    right = {k: probabilities(*v) for k, v in folders.items()}
    names, counts, slowest = sorted(folders), {}, 0.0
    chosen = [n for n in names for _ in range(1 if n in ("random_forest",) else 4)]

    def too_long(*_):
        raise SystemExit(f"hung: {kind}, {case}")

    signal.signal(signal.SIGALRM, too_long)
    import time

    for case in range(times):
        kind = r.choice(chosen)
        copy = home / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folders[kind][0], copy)
        repaired = mutate(r, copy, folders[r.choice(names)][0])
        print(case, kind, file=sys.stderr, flush=True)
        signal.alarm(30)
        began = time.monotonic()
        try:
            said = probabilities(copy, folders[kind][1])
        except ArtifactError as e:
            what = "refused"
            assert "\n" not in str(e) and len(str(e)) < 2000, str(e)
        else:
            what = "equal" if said == right[kind] else "another model"
            assert what == "equal" or repaired, (case, kind)
        signal.alarm(0)
        slowest = max(slowest, time.monotonic() - began)
        counts.setdefault(kind, {}).setdefault(what, 0)
        counts[kind][what] += 1
    print(
        json.dumps(
            {
                "counts": counts,
                "slowest": round(slowest, 2),
                "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


def fuzz_in_a_child(tmp_path, times: int, seed: int) -> dict:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_walls_models"
        f" as t; t.fuzz({str(tmp_path)!r}, {times}, {seed})"
    )
    env = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "FTKIT_CACHE": str(tmp_path / "cache"),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code],
        capture_output=True,
        text=True,
        env=env,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def totals(found: dict) -> dict:
    return {
        what: sum(of.get(what, 0) for of in found["counts"].values())
        for what in ("refused", "equal", "another model")
    }


def test_mutated_model_folders(tmp_path):
    found = fuzz_in_a_child(tmp_path, 300, 0)
    print(found, totals(found))
    assert (
        sum(totals(found).values()) == 300 and totals(found)["refused"] > 100 and found["mb"] < 2500
    )


@pytest.mark.slow
def test_ten_thousand_mutated_model_folders(tmp_path):
    found = fuzz_in_a_child(tmp_path, 10_000, 1)
    print(found, totals(found))
    assert sum(totals(found).values()) == 10_000 and found["mb"] < 4000


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    old = os.environ.get("FTKIT_CACHE")
    os.environ["FTKIT_CACHE"] = str(home / "cache")
    yield model_folders(home)
    os.environ.pop("FTKIT_CACHE") if old is None else os.environ.update(FTKIT_CACHE=old)


def edited(folder: Path, to: Path, name: str, *where, value) -> Path:
    "A copy with one field changed, and the hashes made right."
    from ftkit.core import file_sha256

    shutil.copytree(folder, to)
    root = at = json.loads((to / name).read_text())
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    (to / name).write_text(json.dumps(root))
    (to / "manifest.json").write_text(
        json.dumps(
            {f.name: file_sha256(f) for f in sorted(to.iterdir()) if f.name != "manifest.json"}
        )
    )
    return to


EDITS = [
    ("image", "config.json", "ftkit", "threads", 10**9),
    ("image", "config.json", "ftkit", "threads", 0),
    ("image", "config.json", "ftkit", "chunk", 10**9),
    ("image", "config.json", "ftkit", "schema", 2),
    ("image", "config.json", "ftkit", "schema", "1"),
    ("image", "config.json", "ftkit", "architecture", "small:cnn:9999"),
    ("image", "config.json", "ftkit", "architecture", "folder:/etc"),
    ("image", "config.json", "ftkit", "architecture", "timm:hf-hub:owner/evil"),
    ("image", "config.json", "ftkit", "architecture", "timm:vit_giant_patch14_dinov2"),
    ("image", "config.json", "ftkit", "architecture", "hf:owner/evil"),
    ("image", "config.json", "ftkit", "architecture", "static:99999999x9999999"),
    ("image", "config.json", "ftkit", "head", "width", 10**9),
    ("image", "config.json", "ftkit", "head", "layers", 10**9),
    ("image", "config.json", "ftkit", "head", "name", "os.system"),
    ("image", "config.json", "ftkit", "task", "classes", ["a"] * 10),
    ("image", "config.json", "ftkit", "task", "kind", "poetry"),
    ("image", "config.json", "ftkit", "threshold", ["dark", float("nan")]),
    ("image", "preprocess.json", "size", 10**6),
    ("image", "preprocess.json", "std", [0, 0, 0]),
    ("image", "preprocess.json", "mean", [1, 2]),
    ("image", "labels.json", 0, "cat"),
    ("bert_text", "config.json", "vocab_size", 2**31 - 1),
    ("bert_text", "config.json", "num_hidden_layers", 10**9),
    ("bert_text", "config.json", "num_hidden_layers", 1900),
    ("bert_text", "config.json", "hidden_size", 10**6),
    ("bert_text", "config.json", "auto_map", {"AutoModel": "evil.Model"}),
    ("bert_text", "config.json", "attn_implementation", "evil/kernel"),
    ("bert_text", "preprocess.json", "windows", 10**6),
    ("static_text", "config.json", "ftkit", "architecture", "static:all-MiniLM-L6-v2"),
    (
        "mlp",
        "config.json",
        "ftkit",
        "architecture",
        'table:mlp:{"numbers": 2, "sizes": [5], "width": 8, "layers": 1000000000, "dropout": 0}',
    ),
    (
        "mlp",
        "config.json",
        "ftkit",
        "architecture",
        'table:mlp:{"numbers": 200000, "sizes": [5], "width": 99999, "layers": 3, "dropout": 0}',
    ),
    ("linear", "config.json", "ftkit", "method", "os.system"),
    ("linear", "preprocess.json", "features", 0, "spread", 0),
    ("linear", "preprocess.json", "features", 0, "kind", "spell"),
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda e: " ".join(map(str, e))[:70])
def test_fields_are_checked_although_the_hashes_are_right(folders, tmp_path, edit):
    import time

    from ftkit.models.artifact import load_model
    from ftkit.models.manifest import ArtifactError

    kind, name, *where, value = edit
    to = edited(folders[kind][0], tmp_path / "m", name, *where, value=value)
    began = time.monotonic()
    with pytest.raises(ArtifactError) as e:
        load_model(to)
    assert "\n" not in str(e.value) and time.monotonic() - began < 10


def test_files_that_are_not_listed_or_not_there(folders, tmp_path):
    from ftkit.models.artifact import load_model
    from ftkit.models.manifest import ArtifactError

    for name in (
        "adapter_config.json",
        "pytorch_model.bin",
        "1_Pooling/config.json",
        "evil.py",
        "generation_config.json",
    ):
        to = shutil.copytree(folders["bert_text"][0], tmp_path / name.replace("/", "-"))
        (to / name).parent.mkdir(exist_ok=True)
        (to / name).write_text("{}")
        with pytest.raises(ArtifactError, match="does not list"):
            load_model(to)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        to = shutil.copytree(folders["bert_text"][0], tmp_path / f"no-{name}")
        (to / name).unlink()
        with pytest.raises(ArtifactError, match="is missing"):
            load_model(to)
    to = shutil.copytree(folders["image"][0], tmp_path / "zero")
    (to / "model.safetensors").unlink()
    (to / "model.safetensors").symlink_to("/dev/zero")
    with pytest.raises(ArtifactError, match="is missing"):
        load_model(to)


def test_a_tree_that_leads_outside_of_memory(folders, tmp_path):
    "Before, scikit-learn read there, and the process died."
    code = (
        "import sys; from ftkit.models.artifact import ArtifactError, Predictor\ntry:"
        " Predictor(sys.argv[1])([{'age': 1.0, 'height': 2.0, 'town': 'Rome'}])\nexcept"
        " ArtifactError as e: print('refused', e)"
    )
    for kind in ("decision_tree", "random_forest"):
        to = shutil.copytree(folders[kind][0], tmp_path / kind)
        with zipfile.ZipFile(to / "model.skops") as z:
            held = {n: z.read(n) for n in z.namelist()}
        for name, data in held.items():
            if name.endswith(".npy") and b"left_child" in data[:400]:
                at = data.index(b"\n", 10) + 1
                held[name] = data[:at] + (2**40).to_bytes(8, "little") * 2 + data[at + 16 :]
        with zipfile.ZipFile(to / "model.skops", "w") as z:
            for n, data in held.items():
                z.writestr(n, data)
        edited(
            to,
            tmp_path / f"{kind}2",
            "labels.json",
            0,
            value=json.loads((to / "labels.json").read_text())[0],
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / f"{kind}2")], capture_output=True, text=True
        )
        assert (
            done.returncode == 0 and "refused" in done.stdout and "no later node" in done.stdout
        ), (done.returncode, done.stderr[-300:])
