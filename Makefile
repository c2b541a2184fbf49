PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# named by content, not by time: nbdev-export writes pyproject.toml anew each time, without a change
READY := $(VENV)/.installed-$(shell cat requirements.lock pyproject.toml | cksum | cut -d ' ' -f 1)
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet

# nbdev and jupyter call their own sub-commands by name
export PATH := $(abspath $(VENV))/bin:$(PATH)
# processes of notebooks and tests; a test file stays in one, with what it has started
WORKERS ?= 2
# threads that wait must not burn the core another process needs
export OMP_WAIT_POLICY := PASSIVE
export GOMP_SPINCOUNT := 0

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check lock lab labextension bench wheel clean

help:       ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(READY)  ## an environment in .venv with the exact versions of requirements.lock
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ftkit needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
$(READY): | $(BIN)/python
	@echo "installing about 7 GB into $(VENV); this takes a few minutes the first time"
	@rm -f $(VENV)/.installed-*
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $(READY)

# the JupyterLab extension, which needs Node; without it everything else works
LAB := ftkit/labextension/package.json
$(LAB): $(shell find labextension -type f ! -path '*/node_modules/*' ! -path '*/lib/*') | setup
	cd labextension && npm install --no-audit --no-fund --silent && npm run --silent build
	$(PIP) install --no-deps --no-build-isolation -e .

labextension: $(LAB)  ## build the JupyterLab extension

demo: setup  ## train the image template on its sample; prints the paths of notebook, report and model
	$(BIN)/ftkit run image
	@echo "next: . $(VENV)/bin/activate, then: ftkit show last"

test: check $(if $(shell command -v npm),$(LAB))  ## everything but what takes minutes or needs a GPU: check, ruff, the notebooks, pytest
	$(BIN)/ruff check --no-cache .
	$(BIN)/nbdev-test --n-workers $(WORKERS)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not gpu"

test-slow: setup  ## what takes minutes
	$(BIN)/nbdev-test --n-workers $(WORKERS) --flags slow
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m slow

# of every file export and clean may write; compared with itself, not with HEAD, so that uncommitted edits are no failure
SUMS = find ftkit nbs templates -type f ! -name _modidx.py ! -path '*/__pycache__/*' ! -path '*/.ipynb_checkpoints/*' -exec cksum {} + | sort -k 3

check: setup  ## export and clean the notebooks; fails when that changes a file
	@$(SUMS) > $(VENV)/before
	$(BIN)/nbdev-export
	$(BIN)/nbdev-clean
	$(BIN)/nbdev-clean --fname templates
	@$(SUMS) > $(VENV)/after
	@cmp -s $(VENV)/before $(VENV)/after || { \
	  echo "make check: export and clean rewrote these files; look at them and commit them (code is edited in nbs/, never in ftkit/):"; \
	  diff $(VENV)/before $(VENV)/after | sed -n 's/^[<>] [0-9]* [0-9]* /  /p' | sort -u; exit 1; }

# needs no more than uv, so that a lock that cannot be installed can be mended
lock: | $(BIN)/python  ## write requirements.lock anew from pyproject.toml; versions stay where they fit
	@test -x $(BIN)/uv || $(PIP) install uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url --no-header --extra dev --extra hub pyproject.toml -o requirements.lock

lab: setup $(if $(shell command -v npm),$(LAB))  ## JupyterLab in this folder, with the panel where Node is there to build it
	$(BIN)/jupyter lab

bench: setup  ## the comparisons of bench/, one after the other; hours on a laptop
	@for f in bench/*.py; do echo "== $$f"; $(BIN)/python "$$f" || exit 1; done

wheel: setup  ## dist/ftkit-VERSION-py3-none-any.whl
	$(BIN)/python -m build --wheel --no-isolation --outdir dist

clean:      ## remove what was built; the environment, runs and the cache stay
	rm -rf dist build .ruff_cache .hypothesis .benchmarks .pytest_cache _proc
	find . -name __pycache__ -type d ! -path './$(VENV)/*' -prune -exec rm -rf {} +
