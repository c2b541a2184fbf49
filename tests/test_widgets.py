"""Widgets where people use them: in JupyterLab's notebook, with keys; and where nobody is there to
click."""

import json
import re
import subprocess
import sys

import pytest
from lab import Page, new_run
from test_batch import notebook, until

from ftkit.core import read_json
from ftkit.reading.decisions import read_decisions
from ftkit.runfolder import read_run
from ftkit.runs.launch import create_run, launch, settle


class Notebook(Page):
    "A notebook in JupyterLab, whose cells can be run."

    def __init__(self, browser, lab, name, *sources):
        notebook(lab.root / name, "n: int = 1", *sources)
        super().__init__(browser, lab, path=f"lab/tree/{name}")
        self.page.wait_for_selector(".jp-NotebookPanel:visible .jp-Cell", timeout=60_000)
        self.idle()
        self.all()

    def idle(self):
        self.page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=60_000)

    def all(self, menu="Run All Cells"):
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name=menu, exact=True).click()

    def again(self):
        "Restart the kernel and run all cells."
        self.page.get_by_role("menuitem", name="Kernel", exact=True).click()
        self.page.get_by_role("menuitem", name="Restart Kernel and Run All Cells…").click()
        self.page.get_by_role("button", name="Confirm Kernel Restart").click()


def test_review_marks_survive_and_the_next_run_applies_them(browser, lab):
    values = {
        "limit": 400,
        "freeze": "backbone",
        "size": 64,
        "head_epochs": 3,
        "precision": "float32",
        "baselines": False,
    }
    first = new_run(lab, "image", **values)
    until(lambda: lab.get(f"runs/{first}")[1]["status"] == "completed")
    cases = read_json(lab.root / "runs" / first / "cases.json")["cases"]
    assert {c["part"] for c in cases} == {"train", "valid", "test"} and len(
        json.dumps(cases)
    ) < 300_000
    page = Notebook(
        browser, lab, "look.ipynb", f"from ftkit.lab.widgets import review\nreview({first!r})"
    )
    box = page.page.locator(".ftkit-review")
    box.wait_for(timeout=60_000)
    assert box.locator("img").evaluate("e => e.complete && e.naturalWidth > 0")
    box.focus()
    path = lab.root / "runs" / first / "decisions.csv"
    for key, said in (("d", "drop"), ("7", "relabel"), ("k", "keep")):
        before = len(read_decisions(path)) if path.exists() else 0
        page.page.keyboard.press(key)
        until(lambda before=before: path.exists() and len(read_decisions(path)) == before + 1)
        box.get_by_role("status").get_by_text(said).wait_for()
    page.again()
    page.page.locator(".ftkit-review").get_by_text(
        f"1 of {len(cases)}; 3 of {len(cases)} decided"
    ).wait_for(timeout=60_000)
    assert "decided: drop" in page.page.locator(".ftkit-review").inner_text()
    page.close()
    second = new_run(lab, "image", **values, decisions=f"run:{first}/decisions.csv")
    until(lambda: lab.get(f"runs/{second}")[1]["status"] in ("completed", "failed"))
    assert (
        "decisions.csv: 1 rows relabelled, 1 dropped"
        in (lab.root / "runs" / second / "report.html").read_text()
    )
    parts = [
        len(read_json(lab.root / "runs" / r / "metrics.json")["figures"]["train"])
        for r in (first, second)
    ]
    assert parts[0] == parts[1]


def test_every_control_of_the_form_has_a_name_and_runs_what_the_command_line_runs(browser, lab):
    page = Notebook(
        browser,
        lab,
        "form.ipynb",
        "from ftkit.lab.widgets import param_form\nform = param_form('work/steps.ipynb')\nform",
        "wide = param_form('image')\nwide.children[0].selected_index = None\nfrom ipywidgets import"
        " VBox\nVBox([x for g in wide.children[0].children for x in g.children])",
    )
    page.page.locator(".jp-OutputArea .widget-button", has_text="Run in background").first.wait_for(
        timeout=60_000
    )
    page.page.get_by_role("textbox", name="label_separator").wait_for(timeout=20_000)
    seen = "\n".join(
        o.aria_snapshot()
        for o in page.page.locator(".jp-NotebookPanel .jp-OutputArea-output").all()
    )
    controls = re.findall(
        r"^\s*- (textbox|slider|combobox|checkbox|button|spinbutton|listbox)(.*)$", seen, re.M
    )
    assert len(controls) > 40, seen
    assert not [c for c in controls if not c[1].strip().startswith('"')], [
        c for c in controls if not c[1].strip().startswith('"')
    ]
    page.page.get_by_role("textbox", name="note").fill('it\'s "quoted"')
    page.page.get_by_role("textbox", name="wait").fill("x")
    page.page.get_by_role("textbox", name="wait").press("Tab")
    page.page.get_by_role("alert").filter(has_text="wait was given").first.wait_for()
    page.page.get_by_role("textbox", name="wait").fill("0.01")
    page.page.get_by_role("textbox", name="wait").press("Tab")
    page.page.locator(".jp-OutputArea .widget-button", has_text="Run in background").first.click()
    found = until(
        lambda: [
            p
            for p in (lab.root / "runs").glob("2*-steps-*")
            if read_run(p)["status"] == "completed"
        ]
    )
    page.page.locator(".jp-OutputArea").get_by_text("completed").first.wait_for(timeout=10_000)
    mine = read_run(found[0])["parameters"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ftkit",
            "run",
            "work/steps.ipynb",
            "-p",
            "note",
            'it\'s "quoted"',
            "-p",
            "wait",
            "0.01",
            "--json",
        ],
        cwd=lab.root,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["parameters"] == mine
    page.close()


def test_live_reattaches_after_a_kernel_restart_and_stops(browser, lab):
    name = new_run(lab, "work/steps.ipynb", n=1000, wait=0.1)
    until(lambda: (lab.get(f"runs/{name}")[1]["progress"] or {}).get("stage") == "tune")
    page = Notebook(
        browser, lab, "live.ipynb", f"from ftkit.lab.widgets import live\nlive({name!r})"
    )
    output = page.page.locator(".jp-NotebookPanel .jp-OutputArea")
    output.get_by_text("of 1000").first.wait_for(timeout=60_000)
    page.again()
    page.page.wait_for_timeout(1500)
    output.get_by_text("of 1000").first.wait_for(timeout=60_000)
    output.get_by_role("button", name="Stop").click()
    output.get_by_text("stopped").first.wait_for(timeout=60_000)
    assert lab.get(f"runs/{name}")[1]["status"] == "stopped"
    page.close()


def test_live_over_three_thousand_steps_leaves_a_small_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("FTKIT_RUNS", str(tmp_path / "runs"))
    notebook(
        tmp_path / "long.ipynb",
        "n: int = 3000",
        "from ftkit.runfolder import emit\nimport time\nfor i in range(n): emit('tune', step=i + 1,"
        " of=n, seconds=i * .001, loss=1000 / (i + 1)); time.sleep(.001)",
        "{'score': 1.0}",
    )
    notebook(
        tmp_path / "watch.ipynb",
        "n: int = 3000",
        "from ftkit.runs.launch import create_run, launch\nfrom ftkit.lab.widgets import"
        " live\nfolder ="
        f" create_run({str(tmp_path / 'long.ipynb')!r})\nlaunch(folder)\nlive(folder, every=.1)",
        "{'seen': 1}",
    )
    folder = create_run(str(tmp_path / "watch.ipynb"))
    assert settle(folder, launch(folder)) == 0
    made = folder / "notebook.ipynb"
    outputs = read_json(made)["cells"][-2]["outputs"]
    assert made.stat().st_size < 100_000 and len(outputs) <= 2
    html = "".join(outputs[-1]["data"]["text/html"])
    assert "<b>completed</b>" in html and "polyline" in html and "<script" not in html


@pytest.mark.parametrize(
    "call", ["param_form('image')", "review(RUN)", "predict_box(RUN)", "run_table()"]
)
def test_where_nobody_can_click_there_is_a_static_picture(call, tmp_path, monkeypatch):
    monkeypatch.setenv("FTKIT_RUNS", str(tmp_path / "runs"))
    notebook(tmp_path / "small.ipynb", "n: int = 1", "1", "{'score': 1.0}")
    small = create_run(str(tmp_path / "small.ipynb"))
    assert settle(small, launch(small)) == 0
    (small / "cases.json").write_text(
        json.dumps(
            {
                "kind": "single_label",
                "modality": "text",
                "classes": ["a", "b"],
                "cases": [
                    {
                        "example": "ab" * 8,
                        "row": 1,
                        "part": "test",
                        "label": "<b>a",
                        "predicted": [["b", 0.9]],
                        "text": "<script>",
                    },
                    # as runs of earlier versions have it
                    {
                        "example": "cd" * 8,
                        "row": 2,
                        "part": "test",
                        "label": "a",
                        "said": [["b", 0.8]],
                        "text": "old",
                    },
                ],
            }
        )
    )
    notebook(
        tmp_path / "view.ipynb",
        "n: int = 1",
        f"from ftkit.lab.widgets import *\n{call.replace('RUN', repr(small.name))}",
        "{'seen': 1}",
    )
    folder = create_run(str(tmp_path / "view.ipynb"))
    assert settle(folder, launch(folder)) == 0
    (output,) = read_json(folder / "notebook.ipynb")["cells"][-2]["outputs"]
    assert (
        "text/html" in output["data"]
        and "application/vnd.jupyter.widget-view+json" not in output["data"]
        and "<script>" not in "".join(output["data"]["text/html"])
    )
