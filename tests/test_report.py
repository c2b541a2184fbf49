"""The report in a browser: no request beyond the file, no console error, readable wide and narrow,
and by those who do not see it."""

import shutil
import subprocess
import tarfile

import pytest

from ftkit.core import write_json
from ftkit.runs.report import write_report


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    "A run folder full of names that would like to be code."
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder = tmp_path_factory.mktemp("runs") / "20261123T000000Z-image-abcdef"
    evil = "<script>alert(1)</script>"
    f = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50}
    write_json(
        folder / "run.json",
        {
            "status": "failed",
            "created": 0,
            "template": {"name": evil},
            "parameters": {"data": f'it\'s "{evil}"'},
            "error": {"message": evil, "usage": False},
        },
    )
    write_json(
        folder / "metrics.json",
        {
            "headline": "accuracy",
            "rows": 50,
            "figures": {"test": {"accuracy": f}},
            "baselines": {"majority": {"accuracy": f}},
            "notes": [evil],
            "worst": [
                {"title": evil, "pieces": [["这部电影", 0.9], [evil, -0.8]]},
                {"title": "ok", "pieces": [[evil, 0.7]]},
            ],
            "examples": [{"said": evil, "text": "x" * 300}],
            "per_class": [{"class": evil, "support": 5, "precision": f, "recall": f, "f1": f}],
        },
    )
    (folder / "figures").mkdir()
    fig, ax = plt.subplots()
    fig.savefig(folder / "figures" / "a'quote\"d.png")

    def cell(**kw):
        return {"metadata": {"papermill": {"status": "failed"}}, "id": "x"} | kw

    write_json(
        folder / "notebook.ipynb",
        {
            "cells": [
                cell(
                    cell_type="markdown",
                    source=f"# {evil}\n\n[click](javascript:alert(1)) <img src=x onerror=alert(1)>",
                ),
                cell(
                    cell_type="code",
                    source=f"print('{evil}')",
                    outputs=[
                        {"output_type": "stream", "name": "stdout", "text": evil + "x" * 2_000_000},
                        {
                            "output_type": "error",
                            "ename": "E",
                            "evalue": evil * 1000,
                            "traceback": [],
                        },
                        {
                            "output_type": "display_data",
                            "data": {
                                "text/html": "<script src='http://127.0.0.1:9/x.js'></script>",
                                "text/plain": evil,
                            },
                            "metadata": {},
                        },
                    ],
                ),
            ]
        },
    )
    return write_report(folder)


@pytest.mark.parametrize("width", [1280, 390])
def test_no_request_no_error_no_script_no_sideways_scroll(browser, report, width, tmp_path):
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page, requests, errors = context.new_page(), [], []
    page.on("request", lambda r: requests.append(r.url) if not r.url.startswith("data:") else None)
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.on("dialog", lambda d: (errors.append("dialog " + d.message), d.dismiss()))
    page.goto(report.as_uri())
    assert requests == [report.as_uri()] and errors == []
    assert page.locator("script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (
        page.locator("h1").inner_text()
        == "<script>alert(1)</script>: 20261123T000000Z-image-abcdef"
    )
    assert page.locator("img").evaluate_all("e => e.every(i => i.naturalWidth > 0 && i.alt)")
    levels = page.locator("h1,h2,h3,h4,h5,h6").evaluate_all("e => e.map(h => +h.tagName[1])")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:]))
    page.screenshot(path=tmp_path / f"{width}.png", full_page=True)
    context.close()


def test_a_huge_output_is_cut(report):
    assert report.stat().st_size < 200_000


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    "The accessibility checks of axe-core, from the npm registry."
    if shutil.which("npm") is None:
        pytest.skip("no npm on this machine to fetch axe-core with")
    folder = tmp_path_factory.mktemp("axe")
    if subprocess.run(
        ["npm", "pack", "--silent", "axe-core@4"], cwd=folder, capture_output=True, timeout=120
    ).returncode:
        pytest.skip("axe-core cannot be fetched from the npm registry")
    with tarfile.open(next(folder.glob("*.tgz"))) as t:
        return t.extractfile("package/axe.min.js").read().decode()


def test_no_serious_accessibility_finding(browser, report, axe):
    # the page's own policy would refuse the checker
    context = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.goto(report.as_uri())
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 15
    assert [
        (v["id"], v["impact"], v["nodes"][0]["html"])
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ] == []
    context.close()
