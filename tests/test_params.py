"""Properties of the parameters cell: whatever `check` accepts survives the cell, text and JSON;
nothing but ParamError ever comes out."""

import dataclasses
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftkit.core import nearest
from ftkit.params import (
    Param,
    ParamError,
    check_params,
    help_table,
    json_schema,
    params_from_text,
    params_from_yaml,
    parse_params,
    read_params,
    to_source,
)

ROOT = pathlib.Path(__file__).resolve().parents[1]
CELL = """# what to train on
data: str = "sample:digits"     # a folder, a table # or sample:NAME
epochs: int = 3                 # passes over the training data [1..1000]
learning_rate: float = 3e-3     # peak step size of the head (0..1]
loss: str = "cross_entropy"     # what training minimises {cross_entropy, focal, mse}
layers: list[int] = [
    64,                         # inside
    32,
]                               # sizes of the head's layers [1..4096]
names: list[str] = ["a", "b#"]  # {a, b#, c}
flip: bool = True               # mirrored pictures are still the same thing
extra: dict = {"a": [1, {"b": None}], "c": -1.5}  # anything {x}
limit: int = None               # use at most this many rows [1..]
"""
PARAMS = parse_params(CELL)
fast = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "'''",
        '"""',
        "\\",
        "\\\n",
        "\r\n",
        "# [1..2]",
        "{b}",
        "\0",
        "\u2028",
        "\ufeff",
        "😀",
        "none",
        "no",
        "1e-3",
        "'; import os #",
        "%cd /",
        "a, b",
    ]
)
floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [5e-324, -0.0, 1.7976931348623157e308, 0.1, 1e16]
)
ints = st.integers() | st.sampled_from([10**3000, -(10**400), 2**63, 0, -1])
trees = st.recursive(
    st.none() | st.booleans() | ints | floats | text,
    lambda v: st.lists(v, max_size=4) | st.dictionaries(text, v, max_size=4),
    max_leaves=12,
)
VALUES = {
    "bool": st.booleans(),
    "int": ints,
    "float": floats,
    "str": text,
    "list": st.lists(trees, max_size=4),
    "dict": st.dictionaries(text, trees, max_size=4),
    "list[bool]": st.lists(st.booleans(), max_size=4),
    "list[int]": st.lists(ints, max_size=4),
    "list[float]": st.lists(floats, max_size=4),
    "list[str]": st.lists(text, max_size=4),
}
typed = st.sampled_from(list(VALUES)).flatmap(
    lambda t: st.tuples(st.just(t), VALUES[t], st.booleans())
)


def same(a, b) -> bool:
    "Equal in value and exact type all the way down; -0.0 is not 0.0."
    if type(a) is not type(b):
        return False
    if type(a) is list:
        return len(a) == len(b) and all(map(same, a, b))
    if type(a) is dict:
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return a == b and (type(a) is not float or math.copysign(1, a) == math.copysign(1, b))


@fast
@given(typed, st.text(max_size=20))
def test_any_accepted_value_survives_the_cell(case, help):
    kind, value, optional = case
    p = Param(
        "x",
        kind,
        None if optional else value,
        help=help.translate(dict.fromkeys(map(ord, "[](){}#\0")))
        .encode("utf-8", "ignore")
        .decode(),
    )
    for v in (value, *([None] if optional else [])):
        assert same(p.check(v), v)
        (back,) = parse_params(to_source([p], {"x": v}))
        assert same(back.default, v) and (back.name, back.type, back.help) == ("x", kind, p.help)


@fast
@given(st.lists(typed, min_size=1, max_size=5))
def test_whole_cells_survive_and_are_a_fixed_point(cases):
    params = [Param(f"p{i}", kind, value) for i, (kind, value, _) in enumerate(cases)]
    source = to_source(params, {})
    assert parse_params(source) == params
    assert to_source(parse_params(source), {}) == source
    scope = {}
    exec(compile(source, "cell", "exec"), scope)  # what the notebook's kernel sees
    assert all(same(scope[p.name], p.default) for p in params)


@fast
@given(typed)
def test_any_accepted_value_survives_text(case):
    kind, value, optional = case
    p = Param("x", kind, None if optional else value)
    if optional and kind == "str" and value.lower() in ("none", "null"):
        return
    said = value if kind == "str" else json.dumps(value)
    assert same(p.from_text(said), value)
    if kind in ("list", "dict") or kind.startswith("list["):
        assert same(p.from_text(repr(value)), value)
    assert same(p.from_text(help_table([Param("x", kind, value)])[0][2]), value)


@fast
@given(typed)
def test_any_accepted_value_survives_a_json_file(tmp_path_factory, case):
    kind, value, _ = case
    path = tmp_path_factory.mktemp("j") / "p.json"
    path.write_text(json.dumps({"x": value}), encoding="utf-8")
    assert same(params_from_yaml([Param("x", kind, value)], path)["x"], value)


@fast
@given(typed)
def test_schema_accepts_what_check_accepts(case):
    jsonschema = pytest.importorskip("jsonschema")
    kind, value, optional = case
    schema = json.loads(json.dumps(json_schema([Param("x", kind, None if optional else value)])))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate({"x": value})
    assert not jsonschema.Draft202012Validator(schema).is_valid({"y": value})


@fast
@given(
    st.sampled_from(["int", "float"]),
    st.integers(-5, 5),
    st.integers(0, 6),
    st.booleans(),
    st.booleans(),
    st.integers(-12, 12),
)
def test_intervals_agree_with_the_schema_and_the_cell(kind, low, width, low_open, high_open, value):
    jsonschema = pytest.importorskip("jsonschema")
    if width == 0 and (low_open or high_open):
        return
    bracket = f"{'(' if low_open else '['}{low}..{low + width}{')' if high_open else ']'}"
    (p,) = parse_params(f"x: {kind} = None  # help {bracket} (a remark)")
    inside = (value > low if low_open else value >= low) and (
        value < low + width if high_open else value <= low + width
    )
    assert jsonschema.Draft202012Validator(json_schema([p])).is_valid({"x": value}) == inside
    if inside:
        assert p.check(value) == value
    else:
        with pytest.raises(ParamError, match=r"x was given .* in .*; choose one in that range"):
            p.check(value)
    assert parse_params(to_source([p], {})) == [p] and bracket in to_source([p], {})
    (many,) = parse_params(f"x: list[{kind}] = []  # {bracket}")
    if inside:
        assert many.check([value]) == [value]
    else:
        with pytest.raises(ParamError):
            many.check([value])


class Loud(str):
    def __repr__(self):
        raise SystemExit("ran")

    __str__ = __format__ = __repr__


class Object:
    def __repr__(self):
        raise SystemExit("ran")

    __str__ = __format__ = __eq__ = __hash__ = __len__ = __repr__


FOREIGN = [
    pathlib.Path("'; import os #"),
    Object(),
    Loud("x"),
    np.float64(1.0),
    np.int64(1),
    np.bool_(True),
    np.str_("x"),
    np.zeros(2),
    (1, 2),
    {1},
    b"x",
    1j,
    range(2),
    Ellipsis,
    type,
    float("nan"),
    float("inf"),
    "\ud800",
    10**5000,
]


@pytest.mark.parametrize("kind", list(VALUES))
@pytest.mark.parametrize("value", FOREIGN, ids=lambda v: type(v).__name__)
def test_foreign_values_are_refused_and_never_shown_by_their_own_code(kind, value):
    p = Param("x", kind, None)
    for v in (value, [value], {"k": value}, [[value]]):
        with pytest.raises(ParamError) as e:
            p.check(v)
        assert len(str(e.value)) < 400 and str(e.value).encode()
    with pytest.raises(ParamError):
        check_params([p], {"x": value})
    with pytest.raises(ParamError):
        Param("x", kind, value)


@pytest.mark.parametrize(
    "kind, wrong",
    [
        ("int", [3.0, True, "3", None]),
        ("float", [True, "0.1", None, 10**400]),
        ("bool", [1, 0, "true", None]),
        ("str", [1, True, None]),
        ("list[int]", [[1.0], [True], [None], 1, {}]),
        ("list[float]", [[True], ["1"]]),
        ("list[str]", ["a", [1]]),
        ("dict", [[], {1: 2}, {None: 1}]),
    ],
)
def test_builtin_values_of_another_type_are_refused(kind, wrong):
    good = {
        "int": 1,
        "float": 1,
        "bool": True,
        "str": "",
        "list[int]": [],
        "list[float]": [1],
        "list[str]": [],
        "dict": {},
    }[kind]
    p = Param("x", kind, good)
    for value in wrong:
        with pytest.raises(ParamError, match="^x was given .*; allowed is .*; "):
            p.check(value)


@pytest.mark.parametrize(
    "kind, said, value",
    [
        ("float", "3e-3", 0.003),
        ("float", " 1 ", 1.0),
        ("int", "010", 10),
        ("int", "-1", -1),
        ("str", "no", "no"),
        ("str", " 1e-3 ", " 1e-3 "),
        ("str", "", ""),
        *[("bool", w, True) for w in ("true", "True", "YES", "1")],
        *[("bool", w, False) for w in ("false", "no", "0")],
        ("list[int]", "1, 2", [1, 2]),
        ("list[str]", "a b,c", ["a b", "c"]),
        ("list[float]", "1e-3", [0.001]),
        ("list[str]", "", []),
        ("list[str]", "['a, b']", ["a, b"]),
        ("list[bool]", "[true, false]", [True, False]),
        ("list", "1,a,true", [1, "a", True]),
        ("dict", "{'a': None}", {"a": None}),
        ("dict", '{"a": [true]}', {"a": [True]}),
    ],
)
def test_text_is_read_by_the_type(kind, said, value):
    assert same(Param("x", kind, value).from_text(said), value)


@pytest.mark.parametrize(
    "kind, said",
    [
        ("int", "3.0"),
        ("int", "1e3"),
        ("int", "oops"),
        ("int", ""),
        pytest.param("int", "9" * 5000, id="long"),
        ("float", "oops"),
        ("float", "nan"),
        ("float", "-inf"),
        ("float", "1e999"),
        ("bool", "maybe"),
        ("bool", ""),
        ("str", "\udcff"),
        ("list[int]", "1,x"),
        ("list[int]", "[1"),
        ("list", "[__import__('os')]"),
        ("list", "[" * 60 + "]" * 60),
        pytest.param("list", "[" * 100_000, id="deep"),
        ("dict", "a"),
        ("dict", "{[]: 1}"),
        ("dict", ""),
        ("dict", "{1: 2}"),
    ],
)
def test_unreadable_text_is_refused(kind, said):
    default = {
        "int": 1,
        "float": 1,
        "bool": True,
        "list[int]": [],
        "dict": {},
        "list": [],
        "str": "",
    }[kind]
    with pytest.raises(ParamError, match="^x was given "):
        Param("x", kind, default).from_text(said)


def test_none_only_for_the_optional():
    for kind in VALUES:
        p = Param("x", kind, None)
        assert (
            p.optional
            and p.check(None) is None
            and p.from_text("none") is None
            and p.from_text("NULL") is None
        )
        assert p.from_text("") is None or kind == "str" and p.from_text("") == ""
    assert Param("x", "str", "a").from_text("none") == "none"
    with pytest.raises(ParamError):
        Param("x", "int", 1).from_text("none")
    p = Param("x", "int", 1, optional=True)
    assert p.check(None) is None and parse_params(to_source([p], {"x": None}))[0].optional


def test_all_errors_at_once_with_the_nearest_name():
    with pytest.raises(ParamError) as e:
        params_from_text(
            PARAMS,
            {
                "learning_rat": "0.1",
                "epochs": "0",
                "learning_rate": "oops",
                "loss": "vocal",
                "zzz": "",
            },
        )
    unknown, zzz, epochs, rate, loss = str(e.value).split("\n")
    assert "perhaps learning_rate was meant" in unknown and all(p.name in unknown for p in PARAMS)
    assert "zzz" in zzz and "was meant" not in zzz
    assert (
        epochs
        == "epochs was given 0; allowed is a whole number in [1..1000]; choose one in that range"
    )
    assert "(0..1]" in rate and "did you mean focal?" in loss
    for bad in (1, None, ("a",), Loud("x")):
        with pytest.raises(ParamError, match="is not a parameter"):
            check_params(PARAMS, {bad: 1})


def test_values_are_complete_ordered_and_copied():
    values = check_params(PARAMS, {"limit": 5, "data": "x"})
    assert (
        list(values) == [p.name for p in PARAMS] and values["limit"] == 5 and values["epochs"] == 3
    )
    values["layers"].append(1)
    values["extra"]["a"][1]["b"] = 9
    assert check_params(PARAMS, {})["layers"] == [64, 32] and check_params(PARAMS, {})["extra"][
        "a"
    ] == [1, {"b": None}]
    given = {"extra": {"k": []}}
    check_params(PARAMS, given)["extra"]["k"].append(1)
    assert given == {"extra": {"k": []}}


def yaml_values(tmp_path, source, params=PARAMS, name="p.yaml"):
    path = tmp_path / name
    path.write_bytes(source if type(source) is bytes else source.encode())
    return params_from_yaml(params, path)


def test_yaml_scalars_come_from_their_own_text(tmp_path):
    v = yaml_values(tmp_path, "learning_rate: 1e-3\nepochs: 010\ndata: no\nflip: no\n")
    assert same(
        v, check_params(PARAMS, {"learning_rate": 0.001, "epochs": 10, "data": "no", "flip": False})
    )
    for said in (
        "2024-01-01",
        "1:30",
        "0x10",
        "~",
        "yes",
        "null",
        "1_000",
        ".inf",
        "=",
        "''",
        "' x '",
    ):
        assert yaml_values(tmp_path, f"data: {said}")["data"] == (
            said if said[0] != "'" else said[1:-1]
        )
    assert yaml_values(tmp_path, "data: |\n  two\n  lines\n")["data"] == "two\nlines\n"
    assert yaml_values(tmp_path, 'epochs: "5"')["epochs"] == 5
    assert yaml_values(tmp_path, "layers:\n- 1\n- 020\nnames: [a, c]") | {} == check_params(
        PARAMS, {"layers": [1, 20], "names": ["a", "c"]}
    )
    tree = yaml_values(
        tmp_path,
        "extra: {a: 1, b: 1e-3, c: no, d: true, e: null, f: '1', g: [010, -2, {h: ~}], 7: x, i: }",
    )["extra"]
    assert same(
        tree,
        {
            "a": 1,
            "b": 0.001,
            "c": "no",
            "d": True,
            "e": None,
            "f": "1",
            "g": ["010", -2, {"h": None}],
            "7": "x",
            "i": None,
        },
    )
    for none in ("", "~", "null", "None", "none"):
        assert yaml_values(tmp_path, f"limit: {none}")["limit"] is None
    name = [Param("x", "str", None)]
    assert yaml_values(tmp_path, "x: null", name) == {"x": None} and yaml_values(
        tmp_path, "x: 'null'", name
    ) == {"x": "null"}
    for nothing in ("", "# only a comment", "---\n", "{}"):
        assert yaml_values(tmp_path, nothing) == check_params(PARAMS, {})
    assert yaml_values(tmp_path, b"\xef\xbb\xbfepochs: 4")["epochs"] == 4
    assert (
        yaml_values(tmp_path, '{"epochs": 4, "data": "\\ud83d\\ude00"}', name="p.json")["data"]
        == "😀"
    )


@pytest.mark.parametrize(
    "source, why",
    [
        ("data: !!python/object/apply:os.system ['touch hacked']", "remove the tag"),
        ("!!python/object:os.x {}", "remove the tag"),
        ("data: !!binary aGk=", "remove the tag"),
        ("epochs: !!int 3", "remove the tag"),
        ("data: &a x\nloss: *a", "line 2 has the alias"),
        ("extra: &a {b: *a}", "alias"),
        ("epochs: 1\nepochs: 2", "stands twice"),
        ("extra: {a: 1, a: 2}", "stands twice"),
        ("? [a]\n: 1", "stands as a key"),
        ("- epochs", "holds a sequence"),
        ("epochs", "holds a scalar"),
        ("a: [", "is not YAML"),
        ("a: 1\n---\na: 2", "is not YAML"),
        ('data: "\\UFFFFFFFF"', "is not YAML"),
        ("\tepochs: 1", "is not YAML"),
        ('data: "\\ud800"', "surrogates"),
        (b"\xff\xfe\xfa", "cannot be read"),
        pytest.param("extra: " + "{a: " * 60 + "1" + "}" * 60, "flatten", id="60"),
        pytest.param("extra: " + "{a: " * 51 + "1" + "}" * 51, "flatten", id="51"),
        pytest.param("extra: " + "[" * 30_000, "nested too deeply", id="deep"),
        ("epochs: {a: 1}", "epochs was given a value of type dict"),
        ("epochs: 3.0", "epochs was given '3.0'"),
        ("epochs: [1]", "epochs was given"),
        ("layers: [a]", "layers was given 'a'"),
        ("epoch: 1", "perhaps epochs was meant"),
        ("epochs:", "epochs was given ''"),
    ],
)
def test_yaml_traps(tmp_path, source, why, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamError, match="^p.yaml: |^p.yaml ") as e:
        yaml_values(tmp_path, source)
    assert why in str(e.value) and [f.name for f in tmp_path.iterdir()] == ["p.yaml"]


@pytest.mark.parametrize(
    "source",
    [
        "[1]",
        "{",
        "null",
        '{"epochs": NaN}',
        '{"epochs": 1, "epochs": 2}',
        '{"epochs": true}',
        '{"data": 5}',
        '{"data": "\\ud800"}',
        '{"learning_rate": 1e999}',
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"epochs": ' + "9" * 5000 + "}", id="long"),
    ],
)
def test_json_traps(tmp_path, source):
    with pytest.raises(ParamError, match="p.json"):
        yaml_values(tmp_path, source, name="p.json")


def test_missing_files_are_told(tmp_path):
    for path in (tmp_path / "no.yaml", tmp_path, str(tmp_path / "no.json")):
        with pytest.raises(ParamError, match="cannot be read"):
            params_from_yaml(PARAMS, path)
    for path in (tmp_path / "no.ipynb", tmp_path):
        with pytest.raises(ParamError, match="cannot be read"):
            read_params(path)


def code(source, *tags, **more):
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source, **more}


def test_notebooks(tmp_path):
    path = tmp_path / "n.ipynb"
    words = {"cell_type": "markdown", "metadata": {"tags": ["parameters"]}, "source": ""}
    path.write_text(
        json.dumps({"cells": [code("x = 1"), words, code(CELL, "parameters", "b")]}),
        encoding="utf-8",
    )
    assert (
        read_params(path)
        == read_params(str(path))
        == read_params(json.loads(path.read_text(encoding="utf-8")))
        == PARAMS
    )
    assert (
        read_params({"cells": [code(["a: int = 1\n", "b: int = 2"], "parameters")]})[1].name == "b"
    )
    twice = read_params({"cells": [code(CELL, "parameters"), code("other: int = 1", "parameters")]})
    # the first one, as papermill has it
    assert (list(twice), twice.cells, twice.is_free) == (PARAMS, 2, False)
    mixed = read_params({"cells": [code("a: int = 1\nimport os", "parameters")]})
    assert (
        [p.name for p in mixed] == ["a"]
        and [(u.name, u.line) for u in mixed.untyped] == [("os", 2)]
        and mixed.is_free
    )
    for untagged in (
        {"cells": [code(CELL)]},
        *(
            {"cells": [{"cell_type": "code", "metadata": m}]}
            for m in (None, {}, {"tags": 5}, {"tags": None})
        ),
    ):
        assert (
            list(read_params(untagged)),
            read_params(untagged).cells,
            read_params(untagged).is_free,
        ) == ([], 0, True)
    for bad in (
        {},
        {"cells": 1},
        {"cells": [1]},
        {"worksheets": []},
        {"worksheets": [5]},
        {"cells": [code(5, "parameters")]},
        {"cells": [code([5], "parameters")]},
    ):
        with pytest.raises(ParamError):
            read_params(bad)
    for bad in (b"", b"{", b"[]", b"5", b"\xff", b"[" * 100_000, b'"\\ud800"'):
        path.write_bytes(bad)
        with pytest.raises(ParamError, match="^n.ipynb "):
            read_params(path)


@pytest.mark.parametrize(
    "line",
    [
        "%matplotlib inline",
        "!ls",
        "x?",
        "%%time",
        "import os",
        "if True: x: int = 1",
        "for i in []: pass",
        "'docstring'",
        "pass",
        "x: int = 1; y: int = 2",
        "x = None",
        "x = (1,)",
        "x = y = 3",
        "x: int",
        "x: int = y",
        "x: int = 1 + 1",
        "x: int = int(3)",
        "x: str = f'{1}'",
        "x: int = 1 if 1 else 2",
        "x, y = 1, 2",
        "x.y: int = 1",
        "x[0]: int = 1",
        "(x): int = 1",
        "_x: int = 1",
        "class: int = 1",
        "None: int = 1",
        "x: int = 1\nx: int = 1",
        "x: int | str = 3",
        "x: Literal['a'] = 'a'",
        "x: List[int] = []",
        "x: list[list] = []",
        "x: 'int' = 1",
        "x: tuple = (1,)",
        "x: list = (1,)",
        "x: list = {1}",
        "x: str = b'a'",
        "x: float = 1j",
        "x: int = 1.0",
        "x: int = True",
        "x: bool = 1",
        "x: float = 1e999",
        "x: float = -1e999",
        "x: dict = {1: 2}",
        "x: dict = {[]: 1}",
        "x: int = 0  # [1..]",
        "x: float = 0  # (0..1]",
        "x: list[int] = [1, 0]  # [1..]",
        "x: list[str] = ['a', 'z']  # {a, b}",
        "x: str = 'a'  # {b, c}",
        "x: int = 1  # {1, b}",
        "x: int = 1  # [0..1.5]",
        "x: int = 1  # [2..1]",
        "x: int = 1  # [1..1)",
        "x: str = 'a'  # [1..2]",
        "x: bool = True  # [0..1]",
        "x: int = 1 \\",
        "x: str = '",
        "x: int = " + "(" * 150 + "1" + ")" * 150 + "+",
    ],
)
def test_what_is_not_a_parameter_is_refused_with_its_line(line):
    with pytest.raises(ParamError, match=r"^line [23]: .*allowed") as e:
        parse_params("ok: int = 1\n" + line)
    assert len(str(e.value)) < 500


def test_comments():
    def one(line):
        return parse_params(line)[0]

    assert one("x: int = 1#[1..3]#").low == 1 and one("x: str = 'a#b'  # c # d").help == "c # d"
    assert one("x: float = 1  # rate [0.. 1e1 ] (log scale)").help == "rate (log scale)"
    assert one("x: str = 'a b'  # { a b , c }").choices == ("a b", "c")
    assert one("x: bool = True  # {true, false}").choices == (True, False)
    assert one("x: float = 1  # {1, 2.5}").choices == (1.0, 2.5)
    for comment in (
        "see [docs]",
        "as [a..b]",
        "[]",
        "{}",
        "[..]",
        "(1, 2)",
        "[1...5]",
        "{a, b} [see docs]",
        "1..5",
    ):
        p = one(f"x: int = 7  # {comment}")
        assert (p.help, p.choices, p.low, p.high) == (comment, None, None, None) and parse_params(
            to_source([p], {})
        ) == [p]
    assert one("x: dict = {}  # such as {a, b}").help == "such as {a, b}"
    assert [p.help for p in PARAMS][4] == "sizes of the head's layers"
    for params in (
        PARAMS,
        parse_params(
            "naïve: str = 'é'  # Größe {é, ü}\nmatch: list = [1, 2]  # [..2]\ntype: list = ['a']  #"
            " {a, 1}"
        ),
    ):
        assert parse_params(to_source(params, {})) == params


def test_a_hand_made_param_cannot_smuggle_code_or_limits_into_a_cell():
    assert to_source([Param("x", "int", 1, help="a\nimport os")], {}) == "x: int = 1  # a import os"
    for p in (
        Param("x", "str", "a", help="{a, b}"),
        Param("x", "int", 1, help="[1..2]"),
        Param("x", "str", "a,b", choices=("a,b",)),
        Param("x", "str", " a", choices=(" a", "b")),
        Param("x", "str", "a\nb", choices=("a\nb",)),
        Param("x", "int", 1, choices=(1, 2), low=1),
        Param("x", "int", 1, help="a\0"),
    ):
        with pytest.raises(ParamError, match="a cell cannot hold"):
            to_source([p], {})
    for name in ("x: int = 1\nimport os\ny", "class", "_x", "", "a b", None, 5, Loud("x")):
        with pytest.raises(ParamError, match="as a parameter's name"):
            Param(name, "int", 1)
    with pytest.raises(ParamError, match="was given the type"):
        Param("x", "object", 1)


def mutate(rng: random.Random, source: str) -> str:
    """A few random edits: characters and lines deleted, doubled, swapped, replaced by what Python
    or the grammar finds special."""
    special = list("\"'#\\\n\t:;=()[]{},.-+*%!?$0159eExj_ \0\r\f\ufeff\u2028é\ud800") + [
        "'''",
        "..",
        "[1..",
        "..)",
        "{a,",
        "lambda:",
        "await ",
        "if 1:",
        "def f():\n ",
        "b'",
        "f'{",
        "None",
        "list[",
        "= ",
        ": int = ",
        "[" * 250,
        "-" * 9000,
        "9" * 5000,
        "1e999",
        "{[]:1}",
        "# [1..0]",
        "\n    ",
        "async ",
        "match x:\n case 1:",
        "*",
        "->",
        "@",
        ":=",
        "type X = int\n",
        "x: int = 1\n",
    ]
    for _ in range(rng.randint(1, 6)):
        i, j = sorted(rng.randrange(len(source) + 1) for _ in range(2))
        j = min(j, i + rng.choice((0, 1, 3, 40)))
        source = (
            source[:i]
            + rng.choice(("", rng.choice(special), source[i:j] * 2, source[i:j][::-1]))
            + source[j:]
        )
    return source


@pytest.mark.filterwarnings("ignore")
def test_mutated_cells_raise_nothing_but_param_error():
    rng, read = random.Random(0), 0
    for _ in range(2000):
        source = mutate(rng, CELL)
        try:
            params = parse_params(source)
        except ParamError as e:
            assert str(e).startswith("line ") and str(e).encode() and "\n" not in str(e)
            continue
        read += 1
        values = check_params(params, {})
        assert parse_params(to_source(params, values)) == params, source
        assert (
            json.loads(json.dumps(json_schema(params)))
            and params_from_text(params, {row[0]: row[2] for row in help_table(params) if row[2]})
            == values
        )
    assert 200 < read < 1800  # both ways were tried


def test_mutated_yaml_raises_nothing_but_param_error(tmp_path):
    base = "data: 'x'\nepochs: 5\nlayers: [1, 2]\nextra: {a: 1, b: [c, {d: 1e-3}]}\nlimit: ~\n"
    rng, path, read = random.Random(1), tmp_path / "p.yaml", 0
    for _ in range(400):
        path.write_bytes(mutate(rng, base).encode("utf-8", "replace"))
        try:
            values = params_from_yaml(PARAMS, path)
        except ParamError as e:
            assert str(e).startswith("p.yaml")
        else:
            read += 1
            assert same(check_params(PARAMS, values), values)
    assert read > 20


@pytest.mark.parametrize(
    "source",
    [
        "x: float = " + "+".join("1" * 100_000),
        "x: int = " + "-" * 200_000 + "1",
        "x: list = " + "[" * 200 + "]" * 200,
        "x: int = " + "(" * 100_000,
        "x: int = a" + ".a" * 100_000,
        "x: " + "list[" * 150 + "int" + "]" * 150 + " = 1",
        "x: str = " + "f'{" * 50,
        "x: int = " + "9" * 100_000,
        "\0",
        "x: str = 'a'" + " 'a'" * 20_000 + " + b''",
        "if 1:\n" * 101,
        "x: int = 1\n" * 20_000,
    ],
    ids=range(12),
)
def test_absurd_sources(source):
    with pytest.raises(ParamError):
        parse_params(source)


def test_large_values_are_fine():
    p = Param("x", "list", [])
    value = ["é\n" * 200_000, list(range(20_000)), {str(i): i / 7 for i in range(5000)}]
    assert same(parse_params(to_source([p], {"x": value}))[0].default, value)


def test_nearest():
    assert nearest("learning-rate", ["data", "learning_rate"]) == "learning_rate"
    assert (
        nearest("EPOCHS", ["epochs"]) == "epochs"
        and nearest("x", []) is None
        and nearest("", ["a"]) is None
    )


def test_import_is_light():
    script = textwrap.dedent("""
        import sys
        import ftkit.params as p
        p.params_from_text(p.parse_params("a: int = 1"), {"a": "2"})
        heavy = {"torch", "pandas", "nbformat", "papermill", "numpy", "yaml", "fastcore", "nbdev", "IPython",
        "jupyter_core"} & {m.split(".")[0] for m in sys.modules}
        assert not heavy, heavy
        light = ("ftkit", "ftkit.core", "ftkit.params", "ftkit._moved")
        other = {m for m in sys.modules if m.startswith("ftkit") and m not in light}
        assert not other, other""")
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("template", ["image", "text", "speech", "tabular"])
def test_a_template_and_the_training_agree(template):
    "Defaults, ranges and choices of parameters that are fields of TrainConfig."
    from ftkit import TrainConfig
    from ftkit.core import UsageError
    from ftkit.training.config import RECIPES

    fields = {field.name: field.default for field in dataclasses.fields(TrainConfig)}

    def is_taken(**chosen):
        try:
            TrainConfig(**{"batch_size": 4096} | chosen)
        except UsageError:
            return False
        return True

    seen = 0
    for param in read_params(ROOT / "templates" / f"{template}.ipynb"):
        if param.name not in fields:
            continue
        seen += 1
        expected = RECIPES[template].get(param.name, fields[param.name])
        assert param.default in (None, expected), f"{param.name}: the default is {expected}"
        for end, is_open in ((param.low, param.low_open), (param.high, param.high_open)):
            if end is not None:
                assert is_taken(**{param.name: end}) != is_open, f"{param.name}: {end}"
        for choice in param.choices or ():
            assert is_taken(**{param.name: choice}), f"{param.name}: {choice}"
    assert seen > 15
