"""Where things are: one home a class, moved names, public names, formatting, examples."""

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_rules import (
    BIN,
    MODULES,
    NOTEBOOKS,
    ROOT,
    TEMPLATES,
    cells,
    is_export,
    module_of,
    name_of,
    source,
)

PUBLIC = {
    module: names.split()
    for module, names in re.findall(
        r"^\| `([\w.]+)` \| ([\w ]+) \|$", (ROOT / "dev" / "public.md").read_text(), re.M
    )
}


def has(module: str, name: str) -> bool:
    found = importlib.import_module(module)
    if not hasattr(found, name):  # a module of a package
        importlib.import_module(f"{module}.{name}")
    return hasattr(found, name)


def test_public_names_are_there_and_are_what_people_import():
    import ftkit

    assert sorted(ftkit.__all__) == PUBLIC["ftkit"]
    for module, names in PUBLIC.items():
        missing = [name for name in names if not has(module, name)]
        assert not missing, f"{module} has no {', '.join(missing)}, which dev/public.md promises"
    texts = {path.name: "\n".join(map(source, cells(path))) for path in TEMPLATES}
    texts["README.md"] = (ROOT / "README.md").read_text(encoding="utf-8")
    for where, text in texts.items():
        for module, names in re.findall(r"\bfrom (ftkit[\w.]*) import ([\w, ]+)", text):
            for name in names.replace(",", " ").split():
                assert name in PUBLIC.get(module, ()), (
                    f"{where} imports {name} from {module}; name it in dev/public.md, or import it"
                    " from where that says"
                )


# Each module is imported alone, in a process of its own, which is forked from one that holds the
# large libraries. A class that comes with it must be whole, and so must a registry.
ALONE = """
import json, os, sys
import numpy, pandas, sklearn, torch, torchvision, transformers, timm, matplotlib.pyplot

def state():
    found = {}
    for module in [m for name, m in sys.modules.items() if name.startswith("ftkit")]:
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == module.__name__:
                found[f"{module.__name__}.{name}"] = sorted(vars(value))
            elif isinstance(value, dict) and name.isupper() and not name.startswith("_"):
                found[f"{module.__name__}.{name}"] = sorted(map(str, value))
    return found

for names in json.load(sys.stdin):
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            for name in names:
                __import__(name)
            result = state()
        except BaseException as error:
            result = {"error": repr(error)}
        with os.fdopen(write, "w") as file:
            json.dump(result, file)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        print(file.read(), flush=True)
    os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_each_module_alone_gives_whole_classes_and_registries():
    names = [f"ftkit.{name_of(path)}" for path in MODULES]
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        input=json.dumps([names, *([name] for name in names)]),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    whole, *alone = map(json.loads, done.stdout.splitlines())
    assert "error" not in whole and len(alone) == len(names), whole
    for name, found in zip(names, alone):
        assert "error" not in found, f"import {name} fails: {found['error']}"
        for what, members in found.items():
            missing = sorted(set(whole[what]) - set(members))
            assert not missing, (
                f"import {name} gives {what} without {', '.join(missing)}; the package's __init__"
                " imports what completes it"
            )


def test_a_name_is_imported_from_its_home():
    "Not from a module that only imports it too."
    defined = {}
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                imported |= {alias.asname or alias.name: node for alias in node.names}
        defined[name_of(path)] = imported
    for path in MODULES:
        package = path.relative_to(ROOT).parent.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            base = node.module or ""
            if node.level:
                base = ".".join([*package[: len(package) - node.level + 1], node.module or ""])
            home = base.removeprefix("ftkit.")
            for alias in node.names:
                assert alias.name not in defined.get(home, ()), (
                    f"{name_of(path)}:{node.lineno} imports {alias.name} from {home}, which only"
                    " imports it too; import it from its home"
                )


def test_old_names_still_import_and_say_the_new_one():
    from ftkit._moved import MOVED

    code = (
        "import json, sys, warnings, importlib\n"
        "seen = {}\n"
        "for old, names in json.load(sys.stdin).items():\n"
        "    module = importlib.import_module(f'ftkit.{old}')\n"
        "    for name in names:\n"
        "        with warnings.catch_warnings(record=True) as caught:\n"
        "            warnings.simplefilter('always')\n"
        "            try: getattr(module, name)\n"
        "            except AttributeError as e: seen[f'{old}.{name}'] = repr(e); continue\n"
        "        if name not in vars(module) and not any(\n"
        "            'from ftkit.' in str(w.message) for w in caught\n"
        "        ):\n"
        "            seen[f'{old}.{name}'] = 'no warning'\n"
        "print(json.dumps(seen))\n"
    )
    old = json.loads((ROOT / "tests" / "old_names.json").read_text())
    assert set(old) == set(MOVED), set(old) ^ set(MOVED)
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(old), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}


def test_an_old_name_warns_in_the_line_that_imports_it(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from ftkit.trainer import Trainer\nprint(Trainer.__name__)\n"
    )
    done = subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "Trainer\n" and "mine.py:1: DeprecationWarning" in done.stderr
    assert "from ftkit.training.trainer import Trainer" in done.stderr


def test_nothing_here_uses_an_old_name():
    from ftkit._moved import MOVED

    packages = {path.name for path in (ROOT / "ftkit").iterdir() if path.is_dir()}
    old = re.compile(rf"\bftkit\.({'|'.join(sorted(set(MOVED) - packages))})\b(?!\.ipynb)")
    files = [*ROOT.glob("*.md"), *ROOT.glob("dev/names.md"), *ROOT.glob("bench/*.py"), *TEMPLATES]
    files += [path for path in [*ROOT.glob("tests/*.py"), *NOTEBOOKS] if "_moved" not in path.name]
    for path in files:
        if path.name in ("CHANGELOG.md", "test_rooms.py", "03_moved.ipynb"):
            continue
        found = old.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path.name} names {found[0]}, which is {MOVED[found[1]]} now"


def test_notebooks_and_tests_are_formatted():
    done = subprocess.run(
        [str(BIN / "ruff"), "format", "--no-cache", "--check", "nbs", "tests", "bench"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\nruff format nbs tests bench mends it"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_cells_of_templates_are_formatted(path):
    "All but the parameters, whose help stands in a column."
    for cell in cells(path):
        tags = cell["metadata"].get("tags", [])
        if {"parameters", "parameters-more"} & set(tags):
            continue
        done = subprocess.run(
            [str(BIN / "ruff"), "format", "--no-cache", "--stdin-filename", "a.py", "-"],
            input=source(cell),
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert done.stdout.strip() == source(cell).strip(), f"ruff would write:\n{done.stdout}"


def exported(cell) -> list[ast.stmt]:
    return ast.parse(source(cell)).body if is_export(cell) else []


def stretches(notebook) -> list[tuple[int, str]]:
    "Formatted lines of code between one example and the next, and where each stretch starts."
    found, lines, first = [], 0, ""
    for cell in cells(notebook):
        if is_export(cell):
            body = [n for n in exported(cell) if not isinstance(n, (ast.Import, ast.ImportFrom))]
            if body:
                first = first or ast.unparse(body[0]).split("\n")[0]
                lines += body[-1].end_lineno - body[0].lineno + 1
        elif not re.match(r"#\s?\|\s?default_exp", source(cell)) and lines:
            if not all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in _parsed(cell)):
                found.append((lines, first))
                lines, first = 0, ""
    return [*found, (lines, first)] if lines else found


def _parsed(cell) -> list[ast.stmt]:
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source(cell), flags=re.M)).body


# what a reader of a textbook would not find there: the words of the field are used instead
DIALECT = re.compile(
    r"\b(step size|g(?:o|oes|one|oing) on with|no number|of one's own|as (?:it|they) comes?"
    r"|as it came|what was said|in truth|(?<!own )bod(?:y|ies)|nearly the same)\b",
    re.I,
)


def help_texts() -> dict[str, str]:
    "Help of each parameter of the templates, and of each verb and option of the command line."
    from typer.main import get_command

    from ftkit.params import read_params

    texts = {}
    for path in TEMPLATES:
        for param in read_params(path):
            texts[f"{path.stem} -p {param.name}"] = param.help
    for verb, command in get_command(
        importlib.import_module("ftkit.cli.main").app
    ).commands.items():
        texts[f"ftkit {verb}"] = command.help or ""
        for option in command.params:
            texts[f"ftkit {verb} {option.name}"] = getattr(option, "help", "") or ""
    return texts


def test_help_speaks_the_words_of_the_field():
    wrong = {name: text for name, text in help_texts().items() if DIALECT.search(text)}
    assert not wrong, "\n".join(f"{name}: {text}" for name, text in wrong.items())


# the same words where they mean what every reader expects: the body of a request or of a page, a
# cell without a number, a grey that is the same everywhere, the attribute `backbone.body`
ORDINARY = re.compile(
    r"\bthe body (?:must|has|is|: )|\bThe body: |basefont blockquote body|[\n}]body\{"
    r"|nearly the same grey|backbone\.body\.state_dict|\bno number (?:from|of|; allowed)"
    r"|holds no number|a sign for no number|^as it came$",  # the last one seeds a draw
    re.I,
)


def texts_of(path: Path) -> list[tuple[int, str]]:
    "Messages, labels of axes, column names and docstrings of a module: all its strings of words."
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is str]
    return [(n.lineno, n.value) for n in strings if " " in n.value]


def test_messages_labels_and_docstrings_speak_them_too():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {text.strip()[:100]}"
        for path in sorted((ROOT / "ftkit").rglob("*.py"))
        if path.name != "_modidx.py"
        for line, text in texts_of(path)
        if DIALECT.search(ORDINARY.sub(" ", text))
    ]
    assert not wrong, "\n".join(wrong)


LONGEST = 90  # formatted lines of code between one example and the next: a screen and a half


def test_nobody_scrolls_far_without_an_example():
    long = [
        f"{notebook.name} shows nothing for {lines} lines: {first}"
        for notebook in NOTEBOOKS
        for lines, first in stretches(notebook)
        if lines > LONGEST
    ]
    assert not long, "\n".join(long)


def shown(notebook) -> list[tuple[str, bool]]:
    "Public functions and classes, and whether one of the next three cells is an example."
    found, code = [], cells(notebook)
    for i, cell in enumerate(code):
        names = [
            n.name
            for n in exported(cell)
            if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            and not n.name.startswith("_")
        ]
        examples = any(not is_export(c) for c in code[i + 1 : i + 4])
        found += [(f"{notebook.name} {name}", examples) for name in names]
    return found


def test_what_is_exported_is_shown():
    all_ = [row for notebook in NOTEBOOKS for row in shown(notebook)]
    without = [name for name, examples in all_ if not examples]
    assert len(without) <= 0.08 * len(all_), f"{len(without)} of {len(all_)}: {without}"


def defined(cell) -> list[str]:
    "Names that a cell exports; methods that it gives to a class of another cell are none."
    names = []
    for n in exported(cell):
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if not any(ast.unparse(d).startswith("patch") for d in n.decorator_list):
                names.append(n.name)
        elif isinstance(n, ast.Assign):
            names += [t.id for t in n.targets if isinstance(t, ast.Name)]
        elif isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name):
            names.append(n.target.id)
    return names


def homes() -> dict[str, set[str]]:
    "Public name -> the modules that define it."
    found = {}
    for module, names in PUBLIC.items():
        for name in names:
            value = getattr(importlib.import_module(module), name, None)
            found.setdefault(name, set()).add(getattr(value, "__module__", module))
    return found


def test_internals_are_exported_as_such():
    "`#| export` puts a name into `__all__`: that is for public names, `#| exporti` for the rest."
    home, wrong = homes(), []
    for notebook in NOTEBOOKS:
        module = f"ftkit.{module_of(notebook)}"
        for cell in cells(notebook):
            names = defined(cell)
            public = [name for name in names if module in home.get(name, ())]
            internal = re.search(r"^#\s?\|\s?exporti\b", source(cell), re.M)
            if names and bool(public) == bool(internal):
                wanted = "export" if public else "exporti"
                wrong.append(f"{notebook.name}: `#| {wanted}` for {', '.join(names)}")
    assert not wrong, "\n".join(wrong)
