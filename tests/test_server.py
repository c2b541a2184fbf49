"""The server extension as a browser meets it: a real Jupyter server, its token, its XSRF cookie,
its root folder."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from test_batch import notebook, until

from ftkit.params import parse_params
from ftkit.runfolder import read_run

TOKEN = "let-me-in"
HELD = (
    "go: str = ''  # a file to wait for\nn: int = 1  # how many [1..9]",
    "import os, time\nwhile go and not os.path.exists(go): time.sleep(0.05)",
    "{'n': n}",
)


class Server:
    "A Jupyter server of its own in a folder."

    def __init__(self, root, app="jupyter_server"):
        self.root, self.app, self.process = root, app, None

    def start(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")} | {
            "FTKIT_JOBS": "1",
            "JUPYTER_RUNTIME_DIR": str(self.root.parent / "runtime"),
            "JUPYTER_CONFIG_DIR": str(self.root.parent / "config"),
        }
        options = {
            "ServerApp.token": TOKEN,
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": 0,
            "ServerApp.open_browser": False,
            "ServerApp.root_dir": self.root,
            "ServerApp.allow_root": True,
            "ServerApp.jpserver_extensions": "{'ftkit': True}",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", self.app, *(f"--{k}={v}" for k, v in options.items())],
            cwd=self.root,
            env=env,
            stderr=open(self.root.parent / "server.log", "ab"),
        )
        try:
            found = until(
                lambda: [
                    p
                    for p in (self.root.parent / "runtime").glob(
                        f"jpserver-{self.process.pid}.json"
                    )
                    if p.stat().st_size
                ],
                self.process,
            )
            self.url = json.loads(found[0].read_text())["url"]
            until(lambda: self.get("templates")[0] == 200, self.process)
        except BaseException:
            self.stop()
            raise
        return self

    def ask(self, method, path, body=None, **headers):
        request = urllib.request.Request(
            f"{self.url}ftkit/{path}",
            json.dumps(body).encode() if body is not None else None,
            {"Content-Type": "application/json"} | headers,
            method=method,
        )
        try:
            answer = urllib.request.urlopen(request, timeout=40)
        except urllib.error.HTTPError as e:
            answer = e
        except (urllib.error.URLError, ConnectionError):
            return 0, None
        text = answer.read()
        return answer.status, json.loads(text) if "json" in answer.headers["Content-Type"] else text

    def get(self, path):
        return self.ask("GET", path, Authorization=f"token {TOKEN}")

    def post(self, path, body=None):
        return self.ask("POST", path, body or {}, Authorization=f"token {TOKEN}")

    def stop(self):
        self.process.kill()
        self.process.wait(timeout=20)


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.delenv("FTKIT_RUNS", raising=False)
    root = tmp_path / "root"
    (root / "work").mkdir(parents=True)
    notebook(root / "work" / "held.ipynb", *HELD)
    monkeypatch.chdir(root)
    server = Server(root).start()
    yield server
    server.stop()


def begin(server, **parameters):
    status, told = server.post("runs", {"template": "work/held.ipynb", "parameters": parameters})
    assert status == 200, told
    return told["id"]


def test_a_run_outlives_the_server_and_the_next_one_sees_to_the_queue(server, tmp_path):
    go = tmp_path / "go"
    first, second = begin(server, go=str(go), n=2), begin(server, n=3)
    until(lambda: server.get(f"runs/{first}")[1]["status"] == "running")
    rows = server.get("runs")[1]
    assert (rows["total"], rows["running"], rows["queued"]) == (2, 1, 1) and [
        r["id"] for r in rows["rows"] if r["status"] == "queued"
    ] == [second]
    assert read_run(server.root / "runs" / first)["working_folder"] == str(server.root / "work")
    server.stop()
    time.sleep(1)
    assert read_run(server.root / "runs" / first)["status"] == "running"
    server.start()
    assert server.get(f"runs/{first}")[1]["status"] == "running"
    go.touch()
    until(lambda: server.get(f"runs/{second}")[1]["status"] == "completed")
    told = server.get(f"runs/{first}")[1]
    assert (
        told["status"] == "completed"
        and told["figures"] == {"n": 2}
        and told["chosen"] == {"go": str(go), "n": 2}
        and {c["status"] for c in told["cells"]} == {"completed"}
    )
    assert b"<html" in server.get(f"runs/{first}/report")[1]


def test_events_come_within_two_seconds_and_can_be_gone_on_with(server, tmp_path):
    name = begin(server, go=str(tmp_path / "go"))
    until(lambda: server.get(f"runs/{name}")[1]["status"] == "running")
    seen = server.get(f"runs/{name}/events")[1]
    until(
        lambda: any(
            e["stage"] == "cell" and e["step"] == 3
            for e in server.get(f"runs/{name}/events?offset=0")[1]["events"]
        )
    )
    seen = server.get(f"runs/{name}/events?offset={seen['offset']}")[1]
    import threading

    from ftkit.runfolder import append_event

    threading.Timer(
        1, lambda: append_event(server.root / "runs" / name, "tune", step=1, of=9, loss=0.5)
    ).start()
    began = time.time()
    new = server.get(f"runs/{name}/events?offset={seen['offset']}&wait=20&status=running")[1]
    assert [e["stage"] for e in new["events"]] == ["tune"] and 0.5 < time.time() - began < 3
    assert server.post(f"runs/{name}/stop")[0] == 200
    until(lambda: server.get(f"runs/{name}")[1]["status"] == "stopped")
    (tmp_path / "go").touch()
    assert server.post(f"runs/{name}/resume")[0] == 200
    until(lambda: server.get(f"runs/{name}")[1]["status"] == "completed")
    status, told = server.post(f"runs/{name}/stop")
    assert status == 400 and "nothing to stop" in told["message"]


ROUTES = (
    [
        ("GET", r)
        for r in (
            "templates",
            "templates/image",
            "schema?template=image",
            "runs",
            "runs/RUN",
            "runs/RUN/events",
            "runs/RUN/report",
            "runs/RUN/model",
            "compare?runs=RUN,RUN",
            "batches",
            "batches/b",
        )
    ]
    + [
        ("POST", r)
        for r in (
            "validate",
            "runs",
            "runs/RUN/stop",
            "runs/RUN/resume",
            "batches",
            "notebook",
            "settings",
        )
    ]
    + [("DELETE", "batches/b")]
)


def test_nobody_enters_without_a_token_or_writes_without_xsrf(server):
    """With the login cookie alone, as a page of somebody else would have it sent, nothing is
    changed."""
    import http.cookiejar

    from ftkit.lab.server import ROUTES as all_of_them

    name = begin(server)
    until(lambda: server.get(f"runs/{name}")[1]["status"] == "completed")
    assert len(all_of_them) == len({r.split("?")[0] for _, r in ROUTES} - {"runs/RUN/resume"}), (
        "a new route needs its line here"
    )
    for method, path in ROUTES:
        assert (
            server.ask(method, path.replace("RUN", name), {} if method == "POST" else None)[0]
            == 403
        ), path
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    opener.open(f"{server.url}?token={TOKEN}")
    assert opener.open(f"{server.url}ftkit/templates").status == 200
    for method, path in ROUTES:
        if method == "GET":
            continue
        request = urllib.request.Request(
            f"{server.url}ftkit/{path.replace('RUN', name)}",
            b"{}",
            {"Content-Type": "application/json"},
            method=method,
        )
        with pytest.raises(urllib.error.HTTPError) as e:
            opener.open(request)
        assert e.value.code == 403 and "xsrf" in e.value.read().decode().lower(), path
    assert server.get("runs")[1]["total"] == 1


def test_what_is_outside_the_root_is_not_there(server, tmp_path):
    notebook(tmp_path / "outside.ipynb", *HELD)
    os.symlink(tmp_path / "outside.ipynb", server.root / "link.ipynb")
    for template in (
        "../outside.ipynb",
        str(tmp_path / "outside.ipynb"),
        "link.ipynb",
        "work/../../outside.ipynb",
        "work",
        "",
        "no.ipynb",
        "work/\0/held.ipynb",
    ):
        for status, told in (
            server.post("runs", {"template": template}),
            server.get("schema?" + urllib.parse.urlencode({"template": template})),
            server.post("batches", {"template": template, "start": True}),
        ):
            assert status == 400 and "message" in told, (template, told)
    for path in (
        "runs/..%2f..%2froot",
        "runs/.",
        "runs/..",
        "runs/%2e%2e/events",
        "runs/20260101T000000Z-held-000000",
        "batches/..",
        "templates/..%2fimage",
    ):
        assert server.get(path)[0] in (400, 404), path
    assert server.get("runs")[1]["total"] == 0


def test_values_stay_values(server, tmp_path):
    """A value with quotes and code, wrong values by name, and a form's schema with nothing but what
    the cell says."""
    evil = (
        "'; open('"
        + str(tmp_path / "pwned")
        + "', 'w').write('x') #\"\"\"\n{{ }} <script>alert(1)</script>"
    )
    go = begin(server, go="", n=1)
    name = server.post("runs", {"template": "work/held.ipynb", "parameters": {"go": evil}})[1]["id"]
    until(
        lambda: (
            server.get(f"runs/{go}")[1]["status"] == "completed"
            and server.get(f"runs/{name}")[1]["status"] == "running"
        )
    )
    assert (
        server.get(f"runs/{name}")[1]["parameters"]["go"] == evil
        and not (tmp_path / "pwned").exists()
    )
    server.post(f"runs/{name}/stop")
    wrong = server.post(
        "validate", {"template": "work/held.ipynb", "parameters": {"n": 12, "m": 1, "go": 3}}
    )[1]["wrong"]
    assert set(wrong) == {"n", "m", "go"} and "[1..9]" in wrong["n"]
    status, told = server.post("runs", {"template": "work/held.ipynb", "parameters": {"n": "x"}})
    assert status == 400 and told["message"].startswith("n: ")
    schema = server.get("schema?template=work/held.ipynb")[1]
    assert (
        list(schema["options"]["properties"])[0] == "threads"
        and schema["folder"] == "work"
        and schema["schema"]["properties"]["n"]["maximum"] == 9
        and schema["schema"]["properties"]["go"]["description"] == "a file to wait for"
    )
    assert server.post("runs", [1])[0] == 400
    made = server.post("notebook", {"template": "work/held.ipynb", "parameters": {"go": evil}})[1]
    assert parse_params("".join(made["cells"][0]["source"]))[0].default == evil
    assert (
        "threads"
        in server.post("validate", {"template": "work/held.ipynb", "options": {"threads": 0}})[1][
            "wrong"
        ]
    )
    until(lambda: server.get(f"runs/{name}")[1]["status"] == "stopped")


def test_settings_of_the_panel(server):
    assert server.post("settings", {"jobs": 3, "runs": "kept"})[1] == {
        "jobs": 3,
        "runs": str(server.root / "kept"),
    }
    name = begin(server)
    assert (server.root / "kept" / name / "run.json").exists()
    for wrong in ({"jobs": 0}, {"runs": "../elsewhere"}, {"color": "red"}):
        assert server.post("settings", wrong)[0] == 400, wrong
    assert server.post("settings", {})[1]["runs"] == str(server.root / "runs")


def test_a_batch_is_planned_begun_and_watched(server):
    plan = {"template": "work/held.ipynb", "grid": {"n": "1,2,3"}, "name": "three"}
    assert server.post("batches", plan)[1]["runs"] == 3 and not server.get("batches")[1]
    assert "[1..9]" in server.post("batches", plan | {"grid": {"n": "1,12"}})[1]["wrong"]["n"]
    status, told = server.post("batches", plan | {"grid": {"n": "1,12"}, "start": True})
    assert status == 400 and "[1..9]" in told["message"]
    assert server.post("batches", plan | {"start": True, "jobs": 2})[0] == 200
    until(
        lambda: (
            server.get("batches")[1]
            and server.get("batches/three")[1].get("counts") == {"completed": 3}
        )
    )
    assert sorted(r["n"] for r in server.get("batches/three")[1]["results"]) == [1, 2, 3]
    ids = ",".join(r["run"] for r in server.get("batches/three")[1]["results"])
    assert server.get(f"compare?runs={ids}")[1]["parameters"]["n"]
