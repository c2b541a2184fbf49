"""The rules of this repository; each message says what to do."""

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
BY_HAND = {"__init__.py", "__main__.py"}
NOTEBOOKS = sorted((ROOT / "nbs").rglob("[0-9]*.ipynb"))
TEMPLATES = sorted((ROOT / "templates").glob("*.ipynb"))
SOURCES = sorted(
    path
    for path in (ROOT / "ftkit").rglob("*.py")
    if not {"labextension", "templates", "_modidx.py"} & set(path.relative_to(ROOT).parts)
)
MODULES = [p for p in SOURCES if p.name not in BY_HAND]
LARGEST, LARGEST_LOCK = 300_000, 500_000  # bytes


def name(p):
    return p.name


def cells(notebook: Path, kind: str | None = "code") -> list[dict]:
    return [
        c
        for c in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        if kind in (None, c["cell_type"])
    ]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def plain(text: str) -> str:
    "A cell's Python: magics and shell lines left out."
    return (
        ""
        if text.lstrip().startswith("%%")
        else re.sub(r"^(\s*)[%!].*$", r"\1pass", text, flags=re.M)
    )


def is_export(cell: dict) -> bool:
    return bool(re.search(r"^#\s?\|\s?export[is]?\b", source(cell), re.M))


# the ladder of packages: none imports one above it (ARCHITECTURE.md)
LADDER = (
    *("core", "runfolder", "params", "_moved", "samples", "reading", "data", "metrics", "augment"),
    *("inputs", "models", "training", "quality", "evaluation", "runs", "batch", "lab", "cli"),
)


def place(notebook: Path) -> tuple[int, int]:
    "nbs/reading/02_pictures.ipynb -> its package's place on the ladder, and its number there."
    found = re.fullmatch(r"(\d\d)_(\w+)", notebook.stem)
    assert found, f"{notebook.name}: name it NN_module.ipynb"
    package = notebook.parent.name if notebook.parent.name != "nbs" else module_of(notebook)
    assert package in LADDER, f"{notebook.name}: {package} is no room; they are {', '.join(LADDER)}"
    return LADDER.index(package), int(found[1])


def module_of(notebook: Path) -> str:
    "What a notebook exports, such as reading.pictures."
    text = "\n".join(map(source, cells(notebook)))
    found = re.search(r"^#\s?\|\s?default_exp\s+([\w.]+)", text, re.M)
    assert found, f"{notebook.name}: its second cell must say `#| default_exp PACKAGE.NAME`"
    return found[1]


def order() -> dict[str, tuple[int, int]]:
    "Module -> the place of the notebook that exports it."
    found = {}
    for notebook in NOTEBOOKS:
        module = module_of(notebook)
        assert module not in found, f"{notebook.name}: another notebook exports {module} too"
        found[module] = place(notebook)
    return found


def name_of(path: Path) -> str:
    "ftkit/reading/pictures.py -> reading.pictures; ftkit/reading/__init__.py -> reading."
    parts = path.relative_to(ROOT / "ftkit").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def imported_by(node: ast.AST, path: Path) -> list[str]:
    "Full names of the modules that one statement or call imports."
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.Call):
        if ast.unparse(node.func).split(".")[-1] not in ("import_module", "__import__"):
            return []
        return [str(a.value) for a in node.args[:1] if isinstance(a, ast.Constant)]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:  # from . import a, from ..core import b
        package = path.relative_to(ROOT).parent.parts
        base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
    lazy = importlib.import_module("ftkit")._LAZY if base == "ftkit" else {}
    names = []
    for alias in node.names:
        below = f"{base}.{lazy.get(alias.name, alias.name)}"
        names.append(below if is_module(below) else base)
    return names


def imports(path: Path) -> list[tuple[str, bool, int]]:
    "(module, whether at module level, line) of every import of a file."
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    inner = {id(n) for f in ast.walk(tree) if isinstance(f, functions) for n in ast.walk(f)}
    return [
        (module, id(node) not in inner, getattr(node, "lineno", 0))
        for node in ast.walk(tree)
        for module in imported_by(node, path)
    ]


def tracked() -> list[Path]:
    "Files git has or would take; without git, all but what .gitignore's folders hold."
    done = (
        subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if shutil.which("git")
        else None
    )
    names = done.stdout.split("\0") if done and done.returncode == 0 else []
    if "pyproject.toml" in names:
        return [ROOT / n for n in names if n and (ROOT / n).is_file()]
    hidden = {
        line.strip("/")
        for line in (ROOT / ".gitignore").read_text().split()
        if line.endswith("/") and "*" not in line
    } | {".git"}
    found = []
    for folder, folders, files in os.walk(ROOT):
        seen = [
            Path(folder, f)
            for f in folders
            if f not in hidden and not Path(folder, f, "pyvenv.cfg").exists()
        ]
        folders[:] = [p.name for p in seen if p.relative_to(ROOT).as_posix() not in hidden]
        found += [Path(folder, f) for f in files]
    return found


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    "The tree without its generated modules, exported and cleaned anew."
    new = tmp_path_factory.mktemp("tree")
    for part in ("nbs", "templates"):
        shutil.copytree(
            ROOT / part, new / part, ignore=shutil.ignore_patterns(".ipynb_checkpoints")
        )
    by_hand = [path for path in SOURCES if path.name in BY_HAND]
    for f in [*by_hand, ROOT / "pyproject.toml", ROOT / "settings.ini"]:
        target = new / f.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(f, target)
    env = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    for command in (["nbdev-export"], ["nbdev-clean"], ["nbdev-clean", "--fname", "templates"]):
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]], cwd=new, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{' '.join(command)} fails:\n{done.stdout}{done.stderr}"
    return new


def test_generated_files_are_what_the_notebooks_export(copy):
    assert NOTEBOOKS and MODULES
    for p in MODULES:
        assert "AUTOGENERATED" in p.read_text(encoding="utf-8"), (
            f"{p.relative_to(ROOT)} is written by hand; write a notebook in nbs/ that exports it"
        )
    here = {p.relative_to(ROOT / "ftkit"): p for p in SOURCES}
    new = {p.relative_to(copy / "ftkit"): p for p in (copy / "ftkit").rglob("*.py")}
    new.pop(Path("_modidx.py"))  # nbdev's own index, which is not in git
    here, new = (
        {path.as_posix(): file.read_text(encoding="utf-8") for path, file in found.items()}
        for found in (here, new)
    )
    assert not set(here) - set(new), (
        f"no notebook exports ftkit/{', '.join(sorted(set(here) - set(new)))}; delete the file, or"
        " name it in a #| default_exp"
    )
    differ = sorted(n for n in new if here.get(n) != new[n])
    assert not differ, (
        f"nbdev-export makes other files of nbs/ than ftkit/{', '.join(differ)}; run make check"
    )


@pytest.mark.parametrize("folder", ["nbs", "templates"])
def test_clean_changes_nothing_and_keeps_tags(copy, folder):
    found = sorted((ROOT / folder).rglob("*.ipynb"))
    assert found, f"{folder}/ has no notebook"
    for nb in found:
        new = copy / nb.relative_to(ROOT)
        tags = [[c["metadata"].get("tags") for c in cells(p, None)] for p in (nb, new)]
        assert tags[0] == tags[1], (
            f"nbdev-clean takes tags from {nb.name}; set allowed_cell_metadata_keys = ['tags',"
            " 'nbgrader'] in [tool.nbdev]"
        )
        assert nb.read_text(encoding="utf-8") == new.read_text(encoding="utf-8"), (
            f"{folder}/{nb.name} is not clean; run make check"
        )


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_below(path):
    places, own = order(), name_of(path)
    assert own in places, f"{path.name} has no notebook in nbs/"
    for module, _, line in imports(path):
        if not module.startswith("ftkit."):
            continue
        other = module.removeprefix("ftkit.")
        package = (LADDER.index(other), 99) if other in LADDER else None
        assert other in places or package, (
            f"{own}:{line} imports {module}, which no notebook exports"
        )
        assert places.get(other, package) < places[own], (
            f"{own}:{line} imports {other}, which does not stand below it on the ladder"
            f" {' '.join(LADDER)}; move down what is shared"
        )


JUPYTER = re.compile(
    r"(papermill|jupyter\w*|jupyterlab|nbclient|nbconvert|nbformat|ipywidgets|ipykernel|IPython|notebook|traitlets)(\.|$)"
)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_that_train_need_no_jupyter(path):
    own = name_of(path)
    if order()[own][0] >= LADDER.index("runs"):
        return
    for module, _, line in imports(path):
        if (own, module) == ("runfolder", "IPython.display"):
            continue  # Progress draws with it where a kernel has loaded it anyway
        assert not JUPYTER.match(module), (
            f"{own}:{line} imports {module}; what stands below runs/ must work without jupyter: move"
            " this to runs/ or above"
        )


@pytest.mark.parametrize("module", ["core", "runfolder", "params"])
def test_core_and_params_are_standard_library(module):
    inner = {"core": set(), "runfolder": {"IPython"}, "params": {"yaml"}}[module]
    for other, top, line in imports(ROOT / "ftkit" / f"{module}.py"):
        first = other.split(".")[0]
        ok = first in sys.stdlib_module_names or first == "ftkit" or (not top and first in inner)
        assert ok, (
            f"ftkit/{module}.py:{line} imports {other}; it is standard library only, so that `ftkit"
            " --help` starts at once: use that in a later module"
        )


def test_there_is_a_template():
    assert TEMPLATES, "templates/ has no notebook; ftkit cannot run anything"


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_templates_hold_choices_and_results(path):
    from ftkit.params import read_params

    assert len(cells(path, None)) <= 25, (
        f"{path.name} has {len(cells(path, None))} cells; allowed are 25: move work into a module"
    )
    for c in cells(path):
        defined = [
            n
            for n in ast.walk(ast.parse(source(c)))
            if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        ]
        assert not defined, (
            f"{path.name} defines {defined[0].name}; templates define nothing: move it into a module"
        )
    tagged = [
        c["cell_type"] for c in cells(path, None) if "parameters" in c["metadata"].get("tags", [])
    ]
    assert tagged == ["code"], (
        f"{path.name} has {len(tagged)} cells tagged parameters; exactly one code cell must have"
        " the tag"
    )
    assert read_params(path), f"{path.name} has an empty parameters cell"
    for p in read_params(path):
        assert p.help, f"{path.name}: {p.name} has no help; say in the line's comment what it means"


def test_files_are_small():
    for p in tracked():
        limit = LARGEST_LOCK if p.name == "requirements.lock" else LARGEST
        kilobytes = p.stat().st_size / 1000
        assert kilobytes <= limit / 1000, (
            f"{p.relative_to(ROOT)} has {kilobytes:.0f} kB, allowed are {limit // 1000}; make"
            " figures smaller, outputs fewer"
        )


def test_settings_and_version():
    import configparser

    from packaging.version import Version

    import ftkit
    from ftkit.core import OWN_SETTINGS, settings

    ini = configparser.ConfigParser(interpolation=None)
    ini.read(ROOT / "settings.ini", encoding="utf-8")
    # those count in the user's own file only
    there, known = (set(ini["ftkit"]), set(settings(ROOT)) - set(OWN_SETTINGS))
    assert there == known, (
        f"settings.ini and ftkit.core differ in {', '.join(sorted(there ^ known))}; every setting"
        " stands in both"
    )
    assert (ROOT / "settings.ini").read_text(encoding="utf-8").startswith("#"), (
        "the first line of settings.ini says that nbdev reads pyproject.toml"
    )
    assert str(Version(ftkit.__version__)) == ftkit.__version__, (
        f"{ftkit.__version__!r} is not a version as PEP 440 writes it"
    )


UNSAFE_IMPORTS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal"}
UNSAFE_CALLS = {
    "joblib.dump",
    "joblib.load",
    "pickle.load",
    "read_pickle",
    "to_pickle",
    "yaml.load",
    "yaml.unsafe_load",
    "eval",
    "exec",
}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_loads_code(path):
    for module, _, line in imports(path):
        assert module.split(".")[0] not in UNSAFE_IMPORTS, (
            f"{path.relative_to(ROOT)}:{line} imports {module}; write JSON, safetensors or skops"
        )
    for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        at = f"{path.relative_to(ROOT)}:{getattr(n, 'lineno', 0)}"
        if isinstance(n, ast.Constant):
            assert n.value != "trust_remote_code", (
                f"{at} names trust_remote_code; only code of installed packages may run"
            )
        if isinstance(n, ast.ImportFrom):
            taken = {f"{n.module}.{a.name}" for a in n.names} & (UNSAFE_CALLS | {"torch.load"})
            assert not taken, (
                f"{at} imports {taken.pop()} by name; write JSON, safetensors or skops"
            )
        if not isinstance(n, ast.Call):
            continue
        called = ast.unparse(n.func)
        given = {
            k.arg: k.value.value if isinstance(k.value, ast.Constant) else ... for k in n.keywords
        }
        bad = called in UNSAFE_CALLS or called.split(".")[-1] in UNSAFE_CALLS & {
            "read_pickle",
            "to_pickle",
        }
        assert not bad, (
            f"{at} calls {called}; write JSON, safetensors or skops, and read YAML by ftkit.params"
        )
        assert given.get("trust_remote_code", False) is False, (
            f"{at} sets trust_remote_code; only code of installed packages may run"
        )
        assert given.get("weights_only", True) is True, (
            f"{at} sets weights_only={given['weights_only']}; it must be True"
        )
        assert given.get("allow_pickle", False) is False, (
            f"{at} sets allow_pickle; it must be False"
        )
        assert called != "torch.load" or "weights_only" in given, (
            f"{at} calls torch.load without weights_only=True; say it, and only for pinned samples"
        )


def test_no_star_imports():
    "Python files, and every code cell."
    texts = {
        p.relative_to(ROOT): [p.read_text(encoding="utf-8")] for p in tracked() if p.suffix == ".py"
    }
    texts |= {
        p.relative_to(ROOT): [plain(source(c)) for c in cells(p)]
        for p in tracked()
        if p.suffix == ".ipynb"
    }
    for path, parts in texts.items():
        for n in (n for part in parts for n in ast.walk(ast.parse(part, str(path)))):
            if not isinstance(n, ast.ImportFrom) or n.level or n.module.split(".")[0] == "ftkit":
                continue
            assert n.names[0].name != "*", (
                f"{path} has `from {n.module} import *`; import the names it uses"
            )


# in pieces, so that this file does not hold what it looks for
MACHINE = re.compile(
    r"(?<![\w.~$}-])/(?:"
    + "|".join((r"work\b", r"root\b", "tmp/", r"home/\w+/", r"Users/\w+/"))
    + ")"
)
HOSTS = re.compile(
    r"(?i)\b(?:[\w-]+\.)*(?:"
    + "|".join(
        (
            "pypi" + r"\.org",
            "python" + r"hosted\.org",
            "npm" + r"js\.(?:org|com)",
            "yarn" + r"pkg\.com",
            "ana" + r"conda\.org",
            "deb" + r"ian\.org/debian",
        )
    )
    + r")|\b(?:extra-)?index-url\s*=?\s*https?:"
)
WRONG = {
    MACHINE: "a path of one machine; write it relative, or make it with tempfile",
    HOSTS: "the host of a registry; pip, npm and apt know theirs from their own settings",
}


def test_no_machine_paths_and_no_registries():
    for p in tracked():
        try:
            text = p.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for pattern, what in WRONG.items():
            found = pattern.search(text)
            assert not found, (
                f"{p.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1} holds"
                f" {found[0]!r}, {what}"
            )


def test_names_of_other_libraries_stand_beside_fields_that_exist():
    from ftkit.training.config import TrainConfig

    rows = [
        line.split("|")[1]
        for line in (
            (ROOT / "dev" / "names.md")
            .read_text(encoding="utf-8")
            .partition("| to do |")[0]
            .splitlines()
        )
        if line.startswith("| `")
    ]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert len(named) > 30 and not named - set(TrainConfig.__dataclass_fields__)
