"""Data, folders and requests of strangers: nothing of theirs is executed or connected to, and one
bad record hides no other. FTKIT_FUZZ multiplies the counts: 10 gives 10^4 records."""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest
from test_batch import notebook
from test_server import TOKEN, Server

from ftkit.core import UsageError, settings
from ftkit.runfolder import NotOwn, read_run
from ftkit.runs.launch import create_run, launch
from ftkit.runs.listing import list_runs
from ftkit.runs.resume import requeue_run

TIMES = int(os.environ.get("FTKIT_FUZZ", 1))
PLAIN = ("n: int = 1  # a number [1..9]", "print(n)", "{'n': n}")


def ftkit(*words, cwd=None, **env):
    return subprocess.run(
        [sys.executable, "-P", "-m", "ftkit", *map(str, words)],
        cwd=cwd,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTKIT_RUNS", str(tmp_path / "runs"))
    return tmp_path


def plant(runs: Path, mark: Path, number: int, **record) -> Path:
    "A run of somebody else that would write `mark`."
    run = runs / f"20260101T00{number:04}Z-planted-{number:06x}"
    run.mkdir(parents=True)
    notebook(
        run / "input.ipynb",
        "n: int = 1",
        f"import urllib.request; open({str(mark)!r}, 'w').write('executed')",
    )
    import hashlib

    made = {
        "schema": 1,
        "status": "queued",
        "queue": True,
        "template": {
            "name": "planted",
            "path": str(run / "input.ipynb"),
            "sha256": hashlib.sha256((run / "input.ipynb").read_bytes()).hexdigest(),
        },
        "parameters": {"n": 1},
        "options": {"keep": "best"},
        "settings": {},
        "working_folder": str(runs.parent),
        "code": {},
        "created": 1.0,
        "heartbeat": 1.0,
        "process": {"host": "elsewhere", "boot_id": "x", "pid": 1, "process_start": "1"},
    }
    (run / "run.json").write_text(json.dumps(made | record))
    os.utime(run / "run.json", (1e9, 1e9))
    return run


def test_a_server_starts_no_run_that_came_with_a_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("FTKIT_RUNS", raising=False)
    root, mark = tmp_path / "root", tmp_path / "executed"
    own = create_own(root, monkeypatch)
    planted = [
        plant(root / "runs", mark, i, **r)
        for i, r in enumerate(
            [
                {},
                {"status": "lost"},
                {"status": "running"},
                {"force": True},
                {"seal": read_run(own)["seal"]},
                {"seal": "0" * 64},
                {"seal": None},
                {"seal": 5},
            ]
        )
    ]
    # a sealed run, copied under another name and changed
    copied = root / "runs" / "20260101T000099Z-planted-0000ff"
    copied.mkdir()
    (copied / "input.ipynb").write_bytes((planted[0] / "input.ipynb").read_bytes())
    (copied / "run.json").write_text((own / "run.json").read_text())
    (root / "settings.ini").write_text(
        "[ftkit]\ncluster = tcp://127.0.0.1:9\ncache = elsewhere\non_failure = touch"
        " executed\nwebhook = http://127.0.0.1:9\njobs = 4\n"
    )
    server = Server(root).start()
    try:
        until = time.monotonic() + 60
        while (
            server.get(f"runs/{own.name}")[1]["status"] != "completed" and time.monotonic() < until
        ):
            time.sleep(0.3)
        rows = {r["id"]: r["status"] for r in server.get("runs?limit=100")[1]["rows"]}
        assert rows.pop(own.name) == "completed"
        assert set(rows) == {p.name for p in [*planted, copied]} and set(rows.values()) == {"lost"}
        assert not mark.exists() and not (root / "elsewhere").exists()
        code, answer = server.post(f"runs/{planted[0].name}/resume")
        assert (
            code == 409
            and answer["confirm"] == "trust"
            and "was not started by you" in answer["message"]
        )
        code, _ = server.post(f"runs/{planted[0].name}/resume", {"trust": True})
        until = time.monotonic() + 60
        while not mark.exists() and time.monotonic() < until:
            time.sleep(0.2)
        assert code == 200 and mark.exists()
    finally:
        server.stop()


def create_own(root: Path, monkeypatch) -> Path:
    "A run that the user queued, whose server is gone."
    from ftkit.batch.queue import RunQueue

    (root / "work").mkdir(parents=True)
    notebook(root / "work" / "own.ipynb", *PLAIN)
    monkeypatch.setenv("FTKIT_RUNS", str(root / "runs"))
    code = (
        "from ftkit.batch.queue import RunQueue; q = RunQueue(jobs=1); q.turn = lambda: None;"
        f" print(q.add({str(root / 'work' / 'own.ipynb')!r}))"
    )
    made = Path(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
        ).stdout.strip()
    )
    monkeypatch.delenv("FTKIT_RUNS")
    assert RunQueue
    return made


def test_resuming_what_came_with_a_folder_needs_a_word(folder):
    mark = folder / "executed"
    run = plant(folder / "runs", mark, 1, status="failed", queue=False)
    with pytest.raises(NotOwn, match="add --trust"):
        requeue_run(run)
    for words in (
        ("resume", run.name),
        ("verify", run.name),
        ("fork", run.name, "--at", 1),
        ("resume", run.name, "--force"),
    ):
        done = ftkit(*words)
        assert done.returncode == 2 and "--trust" in done.stderr, (words, done.stderr)
    assert not mark.exists()
    done = ftkit("resume", run.name, "--trust", "--force")
    assert mark.exists(), done.stderr


def test_settings_beside_data_name_no_place(folder, monkeypatch):
    (folder / "settings.ini").write_text(
        "[ftkit]\ncluster = tcp://127.0.0.1:9\ncache = /nowhere/at/all\ncache_limit_gb ="
        " 0\nenvironment = *\non_failure = touch executed\nwebhook = http://127.0.0.1:9\nlog ="
        " json\n"
    )
    found = settings()
    assert [n for n, s in found.items() if s.ignored] == [
        "cache",
        "cache_limit_gb",
        "cluster",
        "environment",
        "on_failure",
        "webhook",
    ] and found["log"].value == "json"
    monkeypatch.setenv("FTKIT_SETTINGS", str(folder / "settings.ini"))
    assert settings()["cluster"].value == "tcp://127.0.0.1:9"  # it is the user's own then


OPTIONAL = (
    "pynvml",
    "pydot",
    "winreg",
    "opt_einsum",
    "gmpy2",
    "cupy",
    "tensorflow",
    "jax",
    "flax",
    "apex",
    "deepspeed",
    "numexpr",
    "bottleneck",
    "xformers",
    "bitsandbytes",
    "polars",
    "dask_expr",
    "openai",
    "wandb",
    "comet_ml",
)
BESIDE = (
    "random",
    "papermill",
    "nbformat",
    "json",
    "runpy",
    "pathlib",
    "sitecustomize",
    "usercustomize",
    "ipykernel_launcher",
    "ftkit",
    "IPython",
    "numpy",
    "zmq",
    "ipython_config",
    "ipython_kernel_config",
    "jupyter_config",
    "matplotlib",
    "torch",
    "conftest",
)


def test_the_working_folder_is_no_library(folder):
    mark = folder / "executed"
    for name in BESIDE:
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r} + ' ')\n")
    (folder / "matplotlibrc").write_text("backend: module://mine\n")
    (folder / "mine.py").write_text("value = 3\n")
    (folder / "helper").mkdir()
    (folder / "helper" / "tool.py").write_text("import beside; print(beside.value)")
    (folder / "helper" / "beside.py").write_text("value = 'found'")
    notebook(
        folder / "a.ipynb",
        "n: int = 1",
        "import random, json, numpy, mine, sys, subprocess\nfrom matplotlib import pyplot\nassert"
        " mine.value == 3 and random.random() < 1\nprint(subprocess.run([sys.executable,"
        " 'helper/tool.py'], capture_output=True, text=True).stdout)",
    )
    done = ftkit("run", "a.ipynb")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not mark.exists(), mark.read_text()
    # a script still finds what lies beside it
    assert "found" in next((folder / "runs").glob("*/notebook.ipynb")).read_text()
    done = ftkit("batch", "a.ipynb", "-g", "n", "1,2")
    assert done.returncode == 0 and not mark.exists(), done.stderr


def test_a_template_imports_nothing_beside_the_data(folder):
    "Also not what a library tries to import and is not installed."
    from PIL import Image

    mark = folder / "executed"
    for name in OPTIONAL:
        (folder / f"{name}.py").write_text(
            f"open({str(mark)!r}, 'a').write({name!r} + ' ')\nraise ImportError('no')\n"
        )
    for label in "ab":
        (folder / "pictures" / label).mkdir(parents=True)
        for i in range(12):
            Image.new("RGB", (16, 16), (i * 20, 200 if label == "a" else 20, 0)).save(
                folder / "pictures" / label / f"{i}.png"
            )
    done = ftkit(
        "run",
        "image",
        "-p",
        "data",
        "pictures",
        "-p",
        "backbone",
        "small:cnn",
        "-p",
        "epochs",
        1,
        "-p",
        "head_epochs",
        1,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not mark.exists(), mark.read_text()


def test_a_runs_environment_and_its_secrets(folder, monkeypatch):
    for name in (
        "DATABASE_URL",
        "PRIVATE_KEY",
        "GH_PAT",
        "AWS_SECRET_ACCESS_KEY",
        "MY_FOLDER",
        "JUPYTER_TOKEN",
    ):
        monkeypatch.setenv(name, f"hush-{name}")
    monkeypatch.setenv("FTKIT_ENVIRONMENT", "MY_*")
    notebook(
        folder / "a.ipynb",
        "api_key: str = ''  # of a service\ndata: str = ''",
        "import os\nprint(sorted(v for v in os.environ.values() if"
        " v.startswith('hush-')))\nprint(api_key, repr(api_key), {'k': api_key}, len(api_key))",
        "raise ValueError(f'{api_key} was refused') if data == 'x' else None",
    )
    run = create_run("a.ipynb", {"api_key": 's3cr"et\\value', "data": "x"})
    assert launch(run).wait() == 1
    texts = {p.name: p.read_text(errors="replace") for p in run.rglob("*") if p.is_file()}
    assert "hush-MY_FOLDER" in texts["notebook.ipynb"] and " 13\n" in texts["log.txt"]
    for name, text in texts.items():
        assert "s3cr" not in text, name
        for secret in ("DATABASE_URL", "PRIVATE_KEY", "GH_PAT", "AWS", "JUPYTER_TOKEN"):
            assert f"hush-{secret}" not in text, name
    assert (
        "was refused" in str(read_run(run)["error"]["message"])
        and read_run(run)["error"]["line"] == 1
    )
    # the value is still there for another attempt
    assert launch(requeue_run(run)).wait() == 1 and texts["log.txt"].count("attempt") == 1
    assert (run / "log.txt").read_text().count("ValueError: ********") == 2
    missed = create_run(
        str(notebook(folder / "b.ipynb", "n: int = 1", "import os; os.environ['DATABASE_URL']")), {}
    )
    launch(missed).wait()
    assert "FTKIT_ENVIRONMENT=DATABASE_URL" in read_run(missed)["error"]["message"]


def test_children_with_a_session_of_their_own_end_with_the_run(folder):
    code = (
        "import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', 'import time;"
        " time.sleep(300)'], start_new_session=True)\nsubprocess.run(['sh', '-c', 'nohup sleep 301"
        " >/dev/null 2>&1 &'])\nopen('pid', 'w').write(str(p.pid))"
    )
    for end, words in (
        (0, ""),
        (1, "\nraise ValueError"),
        (-9, "\nimport os, signal; os.kill(os.getppid(), 9); import time; time.sleep(60)"),
    ):
        notebook(folder / "a.ipynb", "n: int = 1", code + words)
        process = launch(create_run("a.ipynb"))
        assert process.wait(60) == end
        until = time.monotonic() + 15
        while (
            left := subprocess.run(
                ["pgrep", "-f", "sleep.(300|301)"], capture_output=True, text=True
            ).stdout.split()
        ) and time.monotonic() < until:
            time.sleep(0.2)
        assert not left, (end, left)


def test_a_cell_that_prints_too_much(folder):
    notebook(
        folder / "a.ipynb",
        "n: int = 1",
        "print('x' * 30_000_000)\nfor i in range(200_000): print(i)",
        "from IPython.display import HTML, display\nfor i in range(3): display(HTML('y' *"
        " 30_000_000))",
        "import sys\nfor i in range(30_000): sys.stdout.write(f'\\r{i}')",
        "from IPython.display import HTML, clear_output, display\nhandle = display(HTML('0'),"
        " display_id=True)\nfor i in range(4): handle.update(HTML('z' * 20_000_000))\nfor i in"
        " range(4): clear_output(wait=True); display(HTML(str(i) * 20_000_000))",
    )
    run = create_run("a.ipynb")
    assert launch(run).wait() == 0
    assert (run / "notebook.ipynb").stat().st_size < 60e6
    cells = [
        c
        for c in json.loads((run / "notebook.ipynb").read_text())["cells"]
        if c["cell_type"] == "code"
    ]
    texts = ["".join("".join(o.get("text", "")) for o in c["outputs"]) for c in cells]
    assert "characters of one text are left out here" in texts[2] and texts[2].endswith("199999\n")
    assert "may have 50 MB" in texts[3] and texts[4] == "29999"
    # drawn again and again, it takes its own room
    assert (
        cells[5]["outputs"][0]["data"]["text/html"][0].startswith("333")
        and len(cells[5]["outputs"]) == 1
    )


# ---- requests


def test_odd_requests_are_wrong_use(tmp_path, monkeypatch):
    monkeypatch.delenv("FTKIT_RUNS", raising=False)
    root = tmp_path / "root"
    own = create_own(root, monkeypatch)
    server = Server(root).start()
    try:
        odd = ["-1", "1e9", "9" * 400, "٣", "", "nan", "%00", "0x10", " 1", "1;2", "[1]"]
        answers = [
            (f"runs/{own.name}/events?{k}={v}", server.get(f"runs/{own.name}/events?{k}={v}")[0])
            for k in ("offset", "wait")
            for v in map(quote, odd)
        ]
        answers += [
            (f"runs?{k}={v}", server.get(f"runs?{k}={v}")[0])
            for k in ("limit", "offset", "words")
            for v in map(quote, odd)
        ]
        answers += [
            (p, server.get(p)[0])
            for p in (
                "runs/%2e%2e",
                "runs/..%2f..%2fetc",
                "runs/20260101T000000Z-%00",
                "runs/%ff",
                "schema",
                "schema?template=%00",
                "schema?template=" + "a" * 5000,
                "compare",
                "compare?runs=,",
                "compare?runs=x",
                "batches/..",
                "templates/%2e%2e",
                f"runs/{own.name}/model",
                f"runs/{own.name}/report",
            )
        ]
        bodies = [
            [],
            "x",
            5,
            None,
            {"template": ["image"]},
            {"template": 5},
            {"template": "image", "parameters": []},
            {"template": "image", "parameters": {"epochs": [1]}},
            {"template": "image", "parameters": {"epochs": {"a": {}}}},
            {"template": "image", "options": "x"},
            {"template": "image", "options": {"threads": "many"}},
            {"template": "image", "grid": {"epochs": 5}, "name": "x"},
            {"template": "image", "grid": {"epochs": [[1]]}, "start": True},
            {"template": "image", "name": "../x"},
            {"template": "image", "parameters": {"data": "\ud800"}},
            {"template": "image", "parameters": {"a" * 10000: 1}},
            {"runs": "../.."},
            {"jobs": -1},
            {"jobs": 1e400},
            {"template": "work/own.ipynb", "parameters": {"n": 10**400}},
            {"template": "image", "jobs": [1]},
        ]
        for path in (
            "runs",
            "validate",
            "notebook",
            "batches",
            "settings",
            f"runs/{own.name}/resume",
            f"runs/{own.name}/stop",
        ):
            answers += [((path, str(b)[:60]), server.post(path, b)[0]) for b in bodies]
        for raw in (
            b"[" * 200_000,
            b'{"template": ' * 3000,
            b"\xff\xfe",
            b"x" * 6_000_000,
            b'{"a": 1' + b"0" * 100_000 + b"}",
        ):
            answers.append((raw[:20], raw_post(server, "runs", raw)))
        wrong = [a for a in answers if a[1] >= 500 or a[1] == 0]
        assert not wrong, wrong
        assert server.get("runs")[0] == 200
    finally:
        server.stop()


def raw_post(server, path, body):
    request = urllib.request.Request(
        f"{server.url}ftkit/{path}",
        body,
        {"Content-Type": "application/json", "Authorization": f"token {TOKEN}"},
        method="POST",
    )
    try:
        return urllib.request.urlopen(request, timeout=40).status
    except urllib.error.HTTPError as e:
        return e.code
    except (urllib.error.URLError, ConnectionError):
        return 413


# ---- records


def test_one_bad_record_hides_no_other(folder):
    from ftkit.batch.queue import RunIndex
    from ftkit.cli.main import main

    notebook(folder / "a.ipynb", *PLAIN)
    good = create_run("a.ipynb")
    bad = [
        "[" * 200_000,
        "",
        "null",
        "[]",
        '{"status": 5}',
        '{"status": "completed", "result": ' + '{"a":' * 99 + "1" + "}" * 99 + "}",
        '{"status": "completed", "created": 1e999, "bytes": "x", "process": [], "parameters": 3,'
        ' "result": {"value": {"value": 1' + "0" * 5000 + "}}}",
        '{"status": "failed", "error": {"message": "\\ud800\\u001b[2J"}}',
        "\xff",
    ]
    for i, text in enumerate(bad):
        run = folder / "runs" / f"20260101T0000{i:02}Z-bad-00000{i}"
        run.mkdir()
        (run / "run.json").write_bytes(text.encode("latin-1"))
    assert len(list_runs()) == len(RunIndex().all()) == len(bad) + 1
    for words in (
        ("runs",),
        ("runs", "--json"),
        *(("show", f"bad-00000{i}") for i in range(len(bad))),
    ):
        said = io.StringIO()
        with (
            contextlib.redirect_stdout(said),
            contextlib.suppress(SystemExit),
            pytest.MonkeyPatch.context() as m,
        ):
            m.setattr(sys, "argv", ["ftkit", *words])
            main()
        assert said.getvalue() and not set(said.getvalue()) & set(
            map(chr, [*range(9), *range(11, 32), *range(127, 160)])
        ), words
        if words == ("runs",):
            assert good.name in said.getvalue()
    assert launch(good).wait() == 0


def test_random_records(folder):
    "In a process of its own, which must survive; the same in tests/records.py with a count."
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("records.py"), folder, str(150 * TIMES)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert UsageError


def test_files_of_runs_stay_in_their_folders(folder):
    from ftkit.runs.chain import with_paths

    notebook(folder / "a.ipynb", *PLAIN)
    run = create_run("a.ipynb")
    (folder / "outside.csv").write_text("a\n1\n")
    (run / "table.csv").write_text("a\n1\n")
    (run / "link.csv").symlink_to(folder / "outside.csv")
    (run / "sub").mkdir()
    (run / "sub" / "link.csv").symlink_to(folder / "outside.csv")
    assert with_paths({"data": f"run:{run.name}/table.csv"})["data"] == str(run / "table.csv")
    for wrong in (
        f"run:{run.name}/../../outside.csv",
        f"run:{run.name}/link.csv",
        f"run:{run.name}/sub",
        "run:../outside.csv",
        f"run:..\\{run.name}/table.csv",
        f"run:{run.name}/{folder}/outside.csv",
        f"run:{run.name}//etc/passwd",
    ):
        with pytest.raises(UsageError):
            with_paths({"data": wrong})


def test_a_shared_report_names_no_place(folder):
    import socket

    notebook(folder / "a.ipynb", "n: int = 1", "import numpy\nnumpy.ones(3) @ numpy.ones(2)")
    run = create_run("a.ipynb")
    launch(run).wait()
    done = ftkit("report", "last", "--share")
    own, shared = (run / "report.html").read_text(), Path(done.stdout.strip()).read_text()
    for place in (str(folder), sys.prefix, f"<td>{socket.gethostname()}<", str(Path.home()) + "/"):
        assert place not in shared, place
    assert str(folder) in own and "matmul" in shared and "report-shared" in done.stdout


class Ear:
    "An address of this machine that counts who connects."

    def __init__(self):
        import socketserver
        import threading

        self.heard = []
        ear = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                ear.heard.append(self.request.recv(200))

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_jupyterlab_in_a_folder_of_somebody_else(browser, tmp_path, monkeypatch):
    """Ten planted runs, settings and libraries: all are shown, nothing is executed, nobody is
    called, and a click asks first."""
    from lab import Page, start_lab

    monkeypatch.setenv("FTKIT_RUNS", "")
    monkeypatch.chdir(tmp_path)
    root, mark, ear = tmp_path / "root", tmp_path / "executed", Ear()
    runs = [
        plant(root / "runs", mark, i, **r)
        for i, r in enumerate(
            [
                {},
                {"status": "running"},
                {"status": "lost"},
                {"status": "failed", "queue": False},
                {"force": True},
                {"seal": "0" * 64},
                {"template": "x"},
                {"process": {}},
                {"parameters": {"n": "<img src=x onerror=alert(1)>"}},
                {"working_folder": "/"},
            ]
        )
    ]
    (root / "settings.ini").write_text(
        f"[ftkit]\ncluster = tcp://{ear.address}\nwebhook = http://{ear.address}\non_failure ="
        f" touch {mark}\ncache = {tmp_path / 'cache'}\nenvironment = *\n"
    )
    for name in BESIDE:
        (root / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r})\n")
    (root / "jupyter_config.json").write_text("{}")
    server = start_lab(root)
    try:
        page = Page(browser, server)
        page.panel()
        for run in runs:
            page.page.locator(f"[data-run='{run.name}']").wait_for(timeout=30_000)
        time.sleep(4)
        assert not mark.exists() and not ear.heard, (
            mark.read_text() if mark.exists() else "",
            ear.heard,
        )
        page.page.locator(f"[data-run='{runs[0].name}'] button").first.click()
        page.button("Resume").click()
        dialog = page.page.locator(".jp-Dialog")
        dialog.get_by_text("was not started by you").wait_for(timeout=10_000)
        page.page.screenshot(path=str(tmp_path / "dialog.png"))
        dialog.get_by_role("button", name="Cancel").click()
        time.sleep(3)
        assert not mark.exists() and read_run(runs[0])["status"] == "lost"
        page.button("Resume").click()
        dialog.get_by_role("button", name="Execute it").click()
        until = time.monotonic() + 60
        while not mark.exists() and time.monotonic() < until:
            time.sleep(0.2)
        assert mark.read_text() == "executed" and not ear.heard
        page.close()
    finally:
        server.stop()
        ear.close()


def test_pipes_and_devices_in_place_of_files_hold_nobody_up(folder):
    notebook(folder / "a.ipynb", *PLAIN)
    good = create_run("a.ipynb")
    launch(good).wait()
    (folder / "secret.png").write_bytes(b"private")
    import shutil

    for i, name in enumerate(
        (
            "run.json",
            "events.jsonl",
            "metrics.json",
            "notebook.ipynb",
            "input.ipynb",
            "predictions.csv",
            "log.txt",
            "figures/a.png",
        )
    ):
        for j, kind in enumerate(("pipe", "device", "outside")):
            run = folder / "runs" / f"20260101T00{i:02}{j:02}Z-odd-{i:03}{j:03}"
            shutil.copytree(good, run)
            (run / "figures").mkdir(exist_ok=True)
            (run / name).unlink(missing_ok=True)
            if kind == "pipe":
                os.mkfifo(run / name)
            else:
                (run / name).symlink_to("/dev/zero" if kind == "device" else folder / "secret.png")
        odd = [f"odd-{i:03}{j:03}" for j in range(3)]
        for words in (
            ("report", odd[i % 2]),
            ("report", odd[2]),
            ("log", odd[0]) if name == "log.txt" else ("show", odd[0]),
            ("compare", good.name, odd[i % 2]),
        ):
            done = ftkit(*words)
            assert "Traceback" not in done.stderr and done.returncode in (0, 1, 2), (
                name,
                words,
                done.stderr,
            )
        for report in (folder / "runs").glob("*odd*/report.html"):
            assert "cHJpdmF0ZQ" not in report.read_text()
    assert len(list_runs()) == 25 and ftkit("runs", "--limit", 0).stdout.count("20260101T") >= 24


# ---- what a red team found


def test_a_batch_of_another_folder_or_module_is_another_batch(folder):
    for name, value in (("x", 0.2), ("y", 0.7)):
        (folder / name).mkdir()
        (folder / name / "d.csv").write_text(str(value))
        (folder / name / "helper.py").write_text(f"V = {value}")
        notebook(folder / name / "run.ipynb", "n: int = 1", "import helper", "{'v': helper.V}")
    notebook(
        folder / "data.ipynb",
        "n: int = 1\ndata: str = ''",
        "pass",
        "{'v': float(open(data).read())}",
    )

    def value(*words, cwd):
        done = ftkit("batch", *words, "--json", cwd=cwd)
        return json.loads(done.stdout)["rows"][0]["v"] if done.returncode == 0 else done.stderr

    assert [
        value("../data.ipynb", "-g", "n", "1", "-p", "data", "d.csv", cwd=folder / n) for n in "xy"
    ] == [0.2, 0.7]
    assert [value(f"{n}/run.ipynb", "-g", "n", "1", cwd=folder) for n in "xy"] == [0.2, 0.7]
    assert (
        value(
            "../data.ipynb",
            "-g",
            "n",
            "1",
            "-p",
            "data",
            "d.csv",
            "--name",
            "same",
            cwd=folder / "x",
        )
        == 0.2
    )
    assert "is another file than here" in value(
        "../data.ipynb", "-g", "n", "1", "-p", "data", "d.csv", "--name", "same", cwd=folder / "y"
    )
    (folder / "x" / "helper.py").write_text("V = 0.5")
    assert "module helper" in value("x/run.ipynb", "-g", "n", "1", cwd=folder)


def test_a_short_secret_and_an_innocent_name(folder):
    notebook(
        folder / "a.ipynb",
        "token: str = ''\nauth_column: str = 'x'",
        "print('11 steps', auth_column)",
        "{'accuracy': 0.5}",
    )
    for text in ("1", "e", "completed"):
        done = ftkit("run", "a.ipynb", "-p", "token", text, "-p", "auth_column", "steps")
        run = sorted((folder / "runs").glob("2*"))[-1]
        record = read_run(run)
        assert (
            done.returncode == 0
            and record["status"] == "completed"
            and record["parameters"] == {"token": "********", "auth_column": "steps"}
        )
        assert "11 steps steps" in (run / "log.txt").read_text() and record["result"]["value"] == {
            "value": 0.5
        }
        cells = json.loads((run / "notebook.ipynb").read_text())
        assert (
            'token = "********"' in json.dumps(cells).replace('\\"', '"')
            and cells["metadata"]["papermill"]["parameters"]["token"] == "********"
        )
    assert ftkit("rm", "", "-y").returncode == 2 and ftkit("rm", "2", "-y").returncode == 2


def test_a_picture_that_is_a_program_is_none(folder):
    from ftkit.reading.pictures import PictureError, open_picture

    (folder / "bin").mkdir()
    for name in ("gs", "gswin64c"):
        (folder / "bin" / name).write_text(f"#!/bin/sh\necho $0 >> {folder / 'executed'}\n")
        (folder / "bin" / name).chmod(0o755)
    (folder / "a.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\nshowpage\n%%EOF\n"
    )
    with pytest.MonkeyPatch.context() as m:
        m.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
        with pytest.raises(PictureError):
            open_picture(folder / "a.png")
    assert not (folder / "executed").exists()
