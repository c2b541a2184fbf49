import pytest


@pytest.fixture(scope="session")
def own_cache(tmp_path_factory):
    "A cache folder that the whole session shares and nothing else uses. Tests without it use the person's own, which may hold fetched samples."
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


@pytest.fixture(autouse=True)
def outside_a_run(monkeypatch):
    monkeypatch.delenv("FTKIT_RUN_DIR", raising=False)


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu"):
        import torch
        if not torch.cuda.is_available(): pytest.skip("needs a CUDA device")
