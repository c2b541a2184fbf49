"""JupyterLab with the extension as a person has it: a server of its own, and a browser's page in
which things are looked for as they are called on the screen."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from test_batch import notebook
from test_server import TOKEN, Server

ROOT = Path(__file__).resolve().parents[1]
RUN_BUTTON = (
    ".jp-NotebookPanel:visible [data-jp-item-name='ftkit-run'] jp-button, .jp-NotebookPanel:visible"
    " [data-jp-item-name='ftkit-run'] button"
)
BUILT = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "ftkit" / "package.json"
STEPS = (
    (
        "n: int = 20  # steps [1..1000]\nwait: float = 0.2  # seconds a step [0..100]\nnote: str ="
        " ''  # any words"
    ),
    (
        "from ftkit.runfolder import emit\nimport time\nfor i in range(n): emit('tune', step=i + 1,"
        " of=n, loss=1 / (i + 1)); time.sleep(wait)"
    ),
    "{'score': n / 1000}",
)


class Page:
    "A browser's page with JupyterLab in it; errors of scripts fail the test."

    def __init__(self, browser, lab, width=1280, path="lab"):
        self.context = browser.new_context(viewport={"width": width, "height": 900})
        self.lab = lab
        self.errors = []
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.goto(f"{lab.url}{path}?token={TOKEN}")
        self.page.wait_for_selector("#jp-main-dock-panel", timeout=60_000)
        self.page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60_000)

    def close(self):
        assert not self.errors, self.errors
        self.context.close()

    def panel(self):
        if not self.page.locator(".ftkit-panel").is_visible():
            self.page.locator(".jp-SideBar [data-id='ftkit-runs']").click()
        self.page.wait_for_selector(".ftkit-panel")

    def view(self):
        return self.page.locator(".lm-DockPanel .ftkit:visible").last

    def field(self, name):
        return self.view().locator(f"[data-parameter='{name}']")

    def set(self, name, text):
        self.field(name).wait_for(state="attached")
        group = self.view().locator("details", has=self.page.locator(f"[data-parameter='{name}']"))
        if group.count() and group.get_attribute("open") is None:
            group.locator("summary").click()
        box = self.field(name).locator("input, select").first
        if box.evaluate("e => e.tagName") == "SELECT":
            box.select_option(label=text)
        elif box.get_attribute("type") == "checkbox":
            box.set_checked(text == "true")
        else:
            box.fill(text)

    def button(self, name):
        return self.view().get_by_role("button", name=name, exact=True)

    def status(self, status, seconds=90):
        self.view().locator(f"h1 .ftkit-{status}").wait_for(timeout=seconds * 1000)


def start_lab(root):
    "JupyterLab in a new folder with one notebook, its settings and layouts beside that."
    if not BUILT.is_file():
        assert not shutil.which("npm"), (
            "Node is there, and the extension is not built: make labextension"
        )
        pytest.skip("the JupyterLab extension is not built, which needs Node")
    os.environ.pop("FTKIT_RUNS", None)
    (root / "work").mkdir(parents=True)
    notebook(root / "work" / "steps.ipynb", *STEPS)
    os.chdir(root)
    settings = (
        root.parent / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    )
    settings.mkdir(parents=True)
    # nothing is asked of the network
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    return Server(root, "jupyterlab").start()


def new_run(lab, template, **parameters):
    status, told = lab.post("runs", {"template": template, "parameters": parameters})
    assert status == 200, told
    return told["id"]
