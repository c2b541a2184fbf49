"""What ftkit tells a person to type, collected from its messages, notebooks and pages.

python tests/remedies.py        # each remedy with where it stands, and what is wrong with it
"""

import ast
import importlib
import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from test_rules import MODULES, ROOT, name_of

# pages of HTML, and messages about parameters themselves
PAGES = (
    *("params", "lab.server", "lab.widgets", "quality.gate", "evaluation.explain"),
    *("metrics.transcripts", "runs.report", "batch.batch"),
)
MODALITIES = {"image": "image", "text": "text", "speech": "speech", "table": "tabular"}
# modules whose messages reach one template only; all others can reach any
OF_TEMPLATE = {
    "data.images": "image",
    "reading.pictures": "image",
    "data.texts": "text",
    "inputs.texts": "text",
    "augment.texts": "text",
    "data.speech": "speech",
    "reading.sounds": "speech",
    "inputs.sounds": "speech",
    "models.speech": "speech",
    "models.decoder": "speech",
    "augment.sounds": "speech",
    "evaluation.listening": "speech",
    "samples.speech": "speech",
    "data.tables": "tabular",
    "models.tables": "tabular",
    "reading.cells": "tabular",
    "reading.columns": "tabular",
    "quality.tables": "tabular",
    "evaluation.tables": "tabular",
}


@dataclass(frozen=True)
class Remedy:
    "Something to type."

    where: str  # file:line
    module: str  # of ftkit; "" for a page
    text: str  # as it stands there; {…} is filled in when it is told

    def __str__(self):
        return f"{self.where}: {self.text}"


def _plain(node) -> str | None:
    "The text of a string or f-string; what is filled in stands in braces."
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            v.value if isinstance(v, ast.Constant) else "{" + ast.unparse(v.value) + "}"
            for v in node.values
        )
    return None


def _messages(path: Path):
    "Line and text of every string of a module that is no docstring."
    tree = ast.parse(path.read_text())
    inside, docs = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(v) for v in ast.walk(node) if v is not node}
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            docs.add(id(body[0].value))
    for node in ast.walk(tree):
        if id(node) not in inside | docs and (text := _plain(node)):
            yield node.lineno, text


_NO_VERB = "and|are|has|import|is|keeps|needs|on|or|part|reads|the"
_COMMAND = re.compile(rf"(?:^|[\s:(`])(ftkit (?!(?:{_NO_VERB})\b)[a-z]+(?: [^;`\n|,()]*)?)")
_PARAMETER = re.compile(r"-p (?!and\b)(\{?[A-Za-z_][\w.]*\}?) ((?:'[^']*')|\{[^}]*\}|[^\s;,):`]+)")
_INSTALL = re.compile(r"pip install ([^\s;`,]+)")
_OLD = re.compile(  # ways to name a choice that nobody can type
    r"\bset (\w+) to\b|\bset (skip_bad)\b|\bfreeze to\b|\b(\w+)=(?:'|\{[^}]*!r\})|\bin the"
    r" template\b"
)


def collected() -> list[Remedy]:
    "Every remedy of the package's messages, of the templates and of README.md."
    found = []
    for path in MODULES:
        for line, text in _messages(path):
            for pattern in (_COMMAND, _PARAMETER, _INSTALL):
                for hit in pattern.finditer(text):
                    where = f"{path.relative_to(ROOT)}:{line}"
                    found.append(Remedy(where, name_of(path), hit[0].strip(" :(`")))
    for path in [ROOT / "README.md", *sorted((ROOT / "templates").glob("*.ipynb"))]:
        for line, text in enumerate(path.read_text().splitlines(), 1):
            quoted = re.findall(r"`((?:torchrun [^`]*)?ftkit [a-z][^`]*)`", text)
            whole = (
                [text.partition("  #")[0]]
                if re.match(r"(?:torchrun .*-m )?ftkit [a-z]", text)
                else []
            )
            for command in (c for w in quoted + whole for c in w.split("; ")):
                found.append(Remedy(f"{path.name}:{line}", "", command.strip()))
    return list(dict.fromkeys(found))


@cache
def _parameters() -> dict[str, dict]:
    "Template: name: parameter."
    from ftkit.params import read_params
    from ftkit.runs.launch import list_templates

    return {n: {p.name: p for p in read_params(path)} for n, path in list_templates().items()}


@cache
def _verbs() -> dict:
    "Verb: its command."
    from typer.main import get_command

    app = importlib.import_module("ftkit.cli.main").app  # with all verbs

    return get_command(app).commands


def _wrong_parameter(name: str, value: str, templates: list[str]) -> str:
    "What is wrong with `-p NAME VALUE`; empty if a template takes it."
    from ftkit.params import ParamError

    if "{" in name:
        return ""
    holders = [t for t in templates if name in _parameters()[t]]
    if not holders:
        return f"no parameter of {', '.join(templates)} is called {name}"
    value = value.strip("'\"")
    if "{" in value or value.isupper() or not value:
        return ""
    problems = []
    for t in holders:
        try:
            _parameters()[t][name].from_text(value)
            return ""
        except ParamError as e:
            problems.append(str(e))
    return problems[0]


def wrong(remedy: Remedy) -> str:
    "Why nobody can type a remedy; empty if it can be typed."
    text = remedy.text
    own = OF_TEMPLATE.get(remedy.module)
    templates = [own] if own else list(_parameters())
    if found := _INSTALL.search(text):
        return "ftkit is on no package index" if found[1].strip("\"'").startswith("ftkit") else ""
    if text.startswith("-p "):
        name, value = _PARAMETER.match(text).groups()
        return _wrong_parameter(name, value, templates)
    return _wrong_command(text[text.index("ftkit ") + 6 :])


def _wrong_command(text: str) -> str:
    "What ftkit's own command line says to it, before anything is done."
    from ftkit.cli.main import _join_parameters
    from ftkit.core import UsageError

    text = re.sub(r"\{[^{}]*\}(?=\s|$)", "1", text.removesuffix(" {values}"))
    try:
        verb, *words = _join_parameters(shlex.split(text.rstrip(" .…")))
    except (ValueError, UsageError) as e:
        return str(e)
    if verb not in _verbs():
        return f"there is no verb {verb}"
    try:
        _verbs()[verb].make_context(verb, list(words))
    except Exception as e:  # typer has its own copy of click, and no public name for its errors
        if type(e).__name__ in ("MissingParameter", "NoArgsIsHelpError"):
            return ""  # a mention: `ftkit check` says more
        return f"{type(e).__name__}: {e}"
    if verb == "run" and words and words[0] in _parameters():
        for name, value in _PARAMETER.findall(text):
            if problem := _wrong_parameter(name, value, [words[0]]):
                return problem
    return ""


def unwritten() -> list[str]:
    "Choices of a template that a message names in a way that nobody can type."
    names = set().union(*_parameters().values()) | {"item", "text", "label", "group"}
    found = []
    for path in MODULES:
        if name_of(path) in PAGES:
            continue
        for line, text in _messages(path):
            for hit in _OLD.finditer(text):
                name = next((g for g in hit.groups() if g), None)
                if name is None or name in names:
                    found.append(f"{path.relative_to(ROOT)}:{line}: {hit[0]} … in {text[:160]!r}")
    return found


if __name__ == "__main__":
    remedies = collected()
    bad = [(r, w) for r in remedies if (w := wrong(r))]
    for r in remedies:
        print(r, f"   WRONG: {w}" if (w := wrong(r)) else "")
    print(*unwritten(), sep="\n")
    print(
        f"{len(remedies)} remedies, {len(bad)} wrong; {len(unwritten())} named in a way nobody can"
        " type"
    )
