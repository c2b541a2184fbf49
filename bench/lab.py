"""What the panel in JupyterLab costs: python bench/lab.py [RUNS]

A folder of RUNS (default 2,000) finished runs; JupyterLab with the built extension, headless
Chromium. Time from the click on the panel's icon to the first row, the page's JavaScript memory
before and after, the time until an event of a running run is shown (20 of them), and the CPU
time that the open panel takes in the server and in the page while nothing happens (30 s), beside
the same with the panel closed.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from conftest import CHROMIUM, FLAGS
from lab import Page, start_lab
from test_batch import until

from ftkit.core import read_json, write_json
from ftkit.runfolder import append_event
from ftkit.runs.launch import create_run

many, home = int(sys.argv[1]) if len(sys.argv) > 1 else 2000, Path(tempfile.mkdtemp())
root = home / "root"
server = start_lab(root)
for k in range(many):
    folder = create_run("work/steps.ipynb", {"n": 1 + k % 1000})
    write_json(
        folder / "run.json",
        read_json(folder / "run.json")
        | {
            "status": "completed",
            "started": 1.0,
            "ended": 2.0,
            "result": {"metric": "score", "value": {"value": k / many}},
        },
    )


def spent(page, cdp, seconds=30):
    "CPU seconds a second of the server and of the page's main thread, and their memory."
    process = psutil.Process(server.process.pid)

    def metrics():
        return {m["name"]: m["value"] for m in cdp.send("Performance.getMetrics")["metrics"]}

    cpu, task = sum(process.cpu_times()[:2]), metrics()["TaskDuration"]
    page.page.wait_for_timeout(seconds * 1000)
    return (
        (sum(process.cpu_times()[:2]) - cpu) / seconds,
        (metrics()["TaskDuration"] - task) / seconds,
        process.memory_info().rss / 1e6,
    )


def heap(cdp):
    cdp.send("HeapProfiler.collectGarbage")
    return (
        next(
            m["value"]
            for m in cdp.send("Performance.getMetrics")["metrics"]
            if m["name"] == "JSHeapUsedSize"
        )
        / 1e6
    )


with sync_playwright() as p:
    browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    page = Page(browser, server)
    cdp = page.context.new_cdp_session(page.page)
    cdp.send("Performance.enable")
    page.page.wait_for_timeout(5000)
    before, closed = heap(cdp), spent(page, cdp)
    began = time.perf_counter()
    page.panel()
    page.page.locator(".ftkit-row").first.wait_for()
    first = time.perf_counter() - began
    page.page.wait_for_timeout(3000)
    print(
        f"{many} runs: first row {first * 1000:.0f} ms after the click;"
        f" {page.page.locator('.ftkit-row').count()} rows in the page; JavaScript holds"
        f" {before:.1f} MB before, {heap(cdp):.1f} MB after"
    )
    page.page.locator(".ftkit-list").evaluate("e => e.scrollTop = e.scrollHeight / 2")
    page.page.wait_for_timeout(2000)
    print(
        f"in the middle: {page.page.locator('.ftkit-row').count()} rows in the page,"
        f" {heap(cdp):.1f} MB"
    )
    page.page.locator(".ftkit-list").evaluate("e => e.scrollTop = 0")
    opened = spent(page, cdp)
    for name, c, o in zip(
        ("server, CPU seconds a second", "page, main thread", "server, MB"), closed, opened
    ):
        print(f"idle: {name}: panel closed {c:.3f}, open {o:.3f}")
    status, told = server.post(
        "runs", {"template": "work/steps.ipynb", "parameters": {"n": 1000, "wait": 99}}
    )
    run = root / "runs" / told["id"]
    until(lambda: (server.get(f"runs/{run.name}")[1]["progress"] or {}).get("stage") == "tune")
    waited = []
    for step in range(500, 520):
        append_event(run, "tune", step=step, of=1000, loss=0.5)
        began = time.perf_counter()
        page.page.locator(
            f"[data-run='{run.name}'] progress[aria-label^='tune {step} / 1000']"
        ).wait_for(timeout=10_000)
        waited.append(time.perf_counter() - began)
    print(
        f"an event is shown after {statistics.median(waited):.2f} s (median of {len(waited)};"
        f" slowest {max(waited):.2f} s)"
    )
    server.post(f"runs/{run.name}/stop")
    page.close()
    browser.close()
server.stop()
