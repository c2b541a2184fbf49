import os
import shutil

import pytest

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "CI installs Chromium (see .ci/run), and it is not there"
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield b
        b.close()


@pytest.fixture
def lab(browser, tmp_path, monkeypatch):
    "A JupyterLab of its own."
    from lab import start_lab

    monkeypatch.setenv("FTKIT_RUNS", "")  # given back after the test
    monkeypatch.chdir(tmp_path)
    server = start_lab(tmp_path / "root")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def own_cache(tmp_path_factory):
    """A cache folder that the whole session shares and nothing else uses. Tests without it use the
    person's own, which may hold fetched samples."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def session_cache(own_cache, monkeypatch):
    "For tests that fetch nothing."
    monkeypatch.setenv("FTKIT_CACHE", str(own_cache))
    return own_cache


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    "For tests of caching: empty at the start."
    monkeypatch.setenv("FTKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory):
    "Keys, secrets and settings of the tests are not those of the person who starts them."
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    os.environ["FTKIT_SETTINGS"] = str(tmp_path_factory.mktemp("settings") / "settings.ini")


@pytest.fixture(autouse=True)
def outside_a_run(monkeypatch):
    monkeypatch.delenv("FTKIT_RUN_DIR", raising=False)


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture
def own_folders(tmp_path, monkeypatch):
    "Runs, and what a test's notebooks write, in a folder of the test."
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SAID", str(tmp_path / "said.txt"))
    # runs get nothing of the environment that is not named
    monkeypatch.setenv("FTKIT_ENVIRONMENT", "SAID")
