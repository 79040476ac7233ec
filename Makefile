.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench run lint lock clean

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
N      ?= 30000

help:            ## show this list
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Loa needs Python 3.11 or newer; name it with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

setup: $(VENV)/.ready  ## make the virtual environment

demo: $(VENV)/.ready  ## one campaign over three simulated carriers, from file to report (N=30000)
	$(BIN)/loa demo --subscribers $(N)

test: $(VENV)/.ready  ## the tests, on SQLite and on the server that LOA_TEST_DATABASE_URL names
	$(BIN)/python -m pytest -n auto --dist loadgroup

lint: $(VENV)/.ready  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint  ## all that CI runs: lint, tests, coverage
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -n auto --dist loadgroup --cov --cov-report=
	$(BIN)/coverage report --fail-under=95

bench: $(VENV)/.ready  ## speed, each figure beside its limit in the same run
	$(BIN)/python -m tests.bench

run: $(VENV)/.ready  ## run Loa in one process on SQLite, in ./data
	$(BIN)/loa up

lock: $(VENV)/.ready  ## renew requirements.lock from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements.lock

clean:  ## remove what the build made
	rm -rf $(VENV) build data *.egg-info
