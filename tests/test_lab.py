"""JupyterLab with the extension, in a browser: what a person does from the launcher to the
comparison, and that nothing is lost."""

import json
import re
import subprocess
import sys

import pytest
from lab import ROOT, RUN_BUTTON, STEPS, Page, new_run
from test_batch import notebook, until
from test_server import TOKEN

import ftkit
from ftkit.core import read_json
from ftkit.params import read_params
from ftkit.runfolder import append_event, read_run
from ftkit.runs.launch import list_templates


def test_launcher_form_run_reload_close_report_again_compare(browser, lab):
    page = Page(browser, lab)
    page.page.locator(".jp-LauncherCard[title*='Choose a template']").click()
    page.view().get_by_label("Template or notebook").select_option("image")
    page.set("epochs", "many")
    assert (
        "[1..1000]" in page.field("epochs").get_by_role("alert").inner_text()
        and page.button("Run in background").is_disabled()
    )
    page.field("epochs").get_by_role("button", name="Reset epochs").click()
    for name, value in {
        "limit": "600",
        "size": "64",
        "freeze": "backbone",
        "head_epochs": "10",
        "precision": "float32",
        "baselines": "false",
    }.items():
        page.set(name, value)
    page.page.wait_for_function(
        "() => ![...document.querySelectorAll('.ftkit button')].find(b => b.textContent === 'Run in"
        " background').disabled"
    )
    page.button("Run in background").click()
    page.status("running", 30)
    (first,) = (lab.root / "runs").glob("2*-image-*")
    page.view().locator("progress").wait_for(timeout=60_000)
    seen = {page.view().locator("progress").get_attribute("aria-label")}
    until(
        lambda: (
            seen.add(page.view().locator("progress").first.get_attribute("aria-label"))
            or len(seen) > 2
        )
    )
    page.page.reload()
    page.page.wait_for_selector(".lm-DockPanel .ftkit:visible h1", timeout=60_000)
    assert first.name in page.view().inner_text()
    page.close()
    until(lambda: read_run(first)["status"] == "completed")
    page = Page(browser, lab)
    page.panel()
    page.page.locator(f"[data-run='{first.name}'] button").click()
    page.status("completed")
    assert (
        "accuracy" in page.view().inner_text() and page.view().locator("svg polyline").count() > 0
    )
    page.button("Open report").click()
    frame = page.page.frame_locator("iframe[src*='report']")
    frame.get_by_role("heading", name="Figures").wait_for(timeout=20_000)
    page.page.locator(f"[data-run='{first.name}'] button").click()
    page.button("Run again with changes").click()
    assert page.field("head_epochs").locator("input").input_value() == "10"
    page.set("head_epochs", "3")
    page.page.wait_for_timeout(800)
    page.button("Run in background").click()
    page.status("completed", 120)
    for box in page.page.locator(".ftkit-panel .ftkit-row input").all()[:2]:
        box.check()
    page.page.locator(".ftkit-panel").get_by_role("button", name="Compare (2)").click()
    page.view().get_by_role("rowheader", name="head epochs").wait_for()
    row = page.view().locator("tr", has=page.page.get_by_role("rowheader", name="head epochs"))
    assert row.locator("td").all_inner_texts() == ["3", "10"]
    assert (
        page.view().locator("tr", has=page.page.get_by_role("rowheader", name="freeze")).count()
        == 0
    ), "what is the same is not shown"
    page.close()


@pytest.mark.slow  # three fits; test_runs has the same of the command line
def test_stopped_and_resumed_in_the_panel_it_ends_equal(browser, lab):
    values = {
        "limit": 200,
        "size": 64,
        "epochs": 2,
        "head_epochs": 3,
        "precision": "float32",
        "baselines": False,
    }
    whole = new_run(lab, "image", **values)
    until(lambda: lab.get(f"runs/{whole}")[1]["status"] == "completed")
    page = Page(browser, lab)
    page.panel()
    name = new_run(lab, "image", **values)
    page.page.locator(f"[data-run='{name}'] button").click(timeout=10_000)
    until(lambda: (lab.get(f"runs/{name}")[1]["progress"] or {}).get("stage") == "tune")
    page.button("Stop").click()
    page.status("stopped")
    page.button("Resume").click()
    page.status("completed", 120)
    assert (
        lab.get(f"runs/{name}")[1]["facts"]["weights"]
        == lab.get(f"runs/{whole}")[1]["facts"]["weights"]
    )
    page.close()


def test_a_run_is_stopped_and_resumed_in_the_panel(browser, lab):
    name = new_run(lab, "work/steps.ipynb", n=20)
    page = Page(browser, lab)
    page.panel()
    page.page.locator(f"[data-run='{name}'] button").click(timeout=10_000)
    until(lambda: (lab.get(f"runs/{name}")[1]["progress"] or {}).get("stage") == "tune")
    page.button("Stop").click()
    page.status("stopped")
    page.button("Resume").click()
    page.status("completed", 60)
    page.close()


def test_the_server_is_killed_and_the_run_goes_on_and_shows(browser, lab):
    name = new_run(lab, "work/steps.ipynb", n=40)
    until(lambda: lab.get(f"runs/{name}")[1]["status"] == "running")
    lab.stop()
    lab.start()
    page = Page(browser, lab)
    page.panel()
    page.page.locator(f"[data-run='{name}'] .ftkit-running").wait_for(timeout=10_000)
    page.page.locator(f"[data-run='{name}'] .ftkit-completed").wait_for(timeout=60_000)
    page.close()


def test_events_show_in_the_panel(browser, lab):
    name = new_run(lab, "work/steps.ipynb", n=1000, wait=99)
    until(lambda: (lab.get(f"runs/{name}")[1]["progress"] or {}).get("stage") == "tune")
    page = Page(browser, lab)
    page.panel()
    for step in range(500, 504):  # how soon is measured by bench/lab.py
        append_event(lab.root / "runs" / name, "tune", step=step, of=1000, loss=0.5)
        page.page.locator(
            f"[data-run='{name}'] progress[aria-label^='tune {step} / 1000']"
        ).wait_for(timeout=20_000)
    assert lab.post(f"runs/{name}/stop")[0] == 200
    until(lambda: lab.get(f"runs/{name}")[1]["status"] == "stopped")
    page.close()


def test_toolbar_of_a_foreign_notebook_and_tagging_of_one_without_a_cell(browser, lab):
    notebook(lab.root / "plain.ipynb", "n: int = 3  # how many [1..9]", "print(n)", "{'n': n}")
    raw = read_json(lab.root / "plain.ipynb")
    raw["cells"][0]["metadata"] = {}
    (lab.root / "plain.ipynb").write_text(json.dumps(raw))
    page = Page(browser, lab, path="lab/tree/work/steps.ipynb")
    page.page.locator(RUN_BUTTON).first.click()
    page.field("n").wait_for()
    page.set("n", "3")
    evil = "<img src=x onerror=alert(1)> '; import os #"
    page.set("note", evil)
    page.page.wait_for_timeout(600)
    page.button("Run in background").click()
    page.status("completed", 60)
    (run,) = (lab.root / "runs").glob("2*-steps-*")
    assert (
        read_run(run)["parameters"] == {"n": 3, "wait": 0.2, "note": evil}
        and evil in page.view().inner_text()
    )
    page.page.goto(f"{lab.url}lab/tree/plain.ipynb?token={TOKEN}")
    page.page.wait_for_selector(".jp-NotebookPanel:visible", timeout=60_000)
    page.page.locator(RUN_BUTTON).first.click()
    page.page.get_by_role("button", name="Tag the cell").click(timeout=10_000)
    page.field("n").wait_for()
    until(
        lambda: (
            read_json(lab.root / "plain.ipynb")["cells"][0]["metadata"].get("tags")
            == ["parameters"]
        )
    )
    page.close()


def test_paths_count_from_the_notebook_a_group_stays_open_and_a_batch_takes_the_values_along(
    browser, lab
):
    (lab.root / "sub ö").mkdir()
    (lab.root / "sub ö" / "near.txt").write_text("x")
    notebook(
        lab.root / "sub ö" / "deep.ipynb",
        "# first\nn = 3  # [1..9]\n# second\nrate: float = 0.1  # (0..1]\nown_file = 'none'  # a"
        " file\nbig = 9007199254740995",
        "open(own_file).read()",
        "{'n': n}",
    )
    page = Page(browser, lab, path="lab/tree/sub ö/deep.ipynb")
    page.page.locator(RUN_BUTTON).first.click()
    page.set("rate", "abc")
    page.field("rate").get_by_role("alert").wait_for()
    page.field("rate").locator("input").fill("0.01")
    page.field("rate").get_by_role("alert").wait_for(state="detached")
    assert page.field("rate").is_visible() and page.field("rate").locator("input").evaluate(
        "e => e === document.activeElement"
    )
    page.page.get_by_role("button", name="Choose a file or folder for own_file").click()
    page.page.locator(".jp-Dialog .jp-DirListing-item", has_text="near.txt").click(timeout=10_000)
    page.page.locator(".jp-Dialog .jp-mod-accept").click()
    assert page.field("own_file").locator("input").input_value() == "near.txt"
    page.button("Run in background").dblclick()
    page.status("completed", 60)
    (run,) = (lab.root / "runs").glob("2*-deep-*")
    page.button("Run again with changes").click()
    page.field("big").wait_for(state="attached")
    assert (
        read_run(run)["parameters"]["big"] == 9007199254740995
        and page.field("big").locator("input").input_value() == "9007199254740995"
    )
    page.button("Batch…").click()
    page.view().get_by_text("rate = 0.01").wait_for()
    page.view().get_by_label("Add a parameter").select_option("n")
    page.field("n").locator("input").fill("1,2")
    page.view().get_by_role("button", name="Start 2 runs").click()
    page.view().get_by_text("2 completed").wait_for(timeout=60_000)
    assert page.view().get_by_role("alert").count() == 0 and {
        json.loads((r / "run.json").read_text())["parameters"]["rate"]
        for r in (lab.root / "runs").glob("2*-deep-*")
    } == {0.01}
    page.close()


def test_a_name_with_html_shows_as_text(browser, lab):
    name = "<img src=x onerror=alert(1)><b>bold"
    notebook(lab.root / f"{name}.ipynb", *STEPS)
    page = Page(browser, lab)
    asked = []
    page.page.on("dialog", lambda d: (asked.append(d.message), d.dismiss()))
    run = new_run(lab, f"{name}.ipynb", n=2)
    page.panel()
    row = page.page.locator(f"[data-run='{run}']")
    row.get_by_text(name).wait_for()
    row.get_by_role("button").first.click()
    page.status("completed", 60)
    assert (
        name in page.view().inner_text()
        and page.page.locator(".ftkit-panel img, .lm-DockPanel .ftkit img").count() == 0
        and not asked
    )
    page.close()


def test_a_parameter_that_is_added_to_the_cell_is_everywhere(browser, lab):
    path = lab.root / "work" / "steps.ipynb"
    raw = read_json(path)
    raw["cells"][0]["source"] = (
        "".join(raw["cells"][0]["source"])
        + "\n# colours\nshade: str = 'dark'  # of the picture {dark, light}"
    )
    path.write_text(json.dumps(raw))
    page = Page(browser, lab, path="lab/tree/work/steps.ipynb")
    page.page.locator(RUN_BUTTON).first.click()
    page.field("shade").wait_for(state="attached")
    assert (
        page.field("shade").locator("option").all_text_contents() == ["dark", "light"]
        and "of the picture" in page.field("shade").text_content()
    )
    assert page.view().locator("summary", has_text="colours").count() == 1
    page.close()
    told = subprocess.run(
        [sys.executable, "-m", "ftkit", "params", "work/steps.ipynb"],
        cwd=lab.root,
        capture_output=True,
        text=True,
    ).stdout
    assert "shade" in told and "{dark, light}" in told
    from ftkit.lab.widgets import ParamForm

    assert ParamForm(path).fields["shade"].options == (("dark", "dark"), ("light", "light"))


def test_no_parameter_is_named_in_typescript():
    names = {p.name for path in list_templates().values() for p in read_params(path)}
    text = " ".join(
        p.read_text(encoding="utf-8") for p in (ROOT / "labextension" / "src").glob("*.ts*")
    ).replace('type="text"', "")
    named = {n for n in names if re.search(rf"['\"`]{n}['\"`]", text)} | {
        n for n in names if "_" in n and re.search(rf"\b{n}\b", text)
    }
    assert len(names) > 60 and not named, f"{named} stand in TypeScript; forms are made of schemas"
    assert read_json(ROOT / "labextension" / "package.json")["version"] == ftkit.__version__
