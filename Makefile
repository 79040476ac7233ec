.DEFAULT_GOAL := help
.PHONY: help setup try demo drill simulate soak attack test-fast test prove check bench run wheel guide client reference docs new-carrier lint lock coverage audit audit-code sbom release image clean

PYTHON ?= python3
VENV   := .venv
TOOLS  := build/tools
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
# What pip-audit has found; it writes nothing where it finds nothing, or gets no answer.
FOUND  := build/weaknesses.txt
N      ?= 30000
# Each worker imports and collects everything; one more than cores uses the time in which tests wait.
WORKERS ?= $(shell expr 1 + $$(getconf _NPROCESSORS_ONLN))
PYTEST := -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
TESTS  := --ignore tests/prove -m "not prove"
# The first level: what starts no process and takes no second.
FAST   := --ignore tests/long --ignore tests/faults --ignore tests/e2e --ignore tests/prove -m "not postgresql and not prove and not longer"
CARRIERS ?= smpp
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
SEED   ?= 7
SEEDS  ?= 1000
FIRST  ?= 1
# Where `make check` begins: with seeds that this commit alone has, so that no history is tried for ever.
SEEN   ?= commit
FAULTS ?= 30
ENGINE ?= sqlite
PLAN   ?= short
MINUTES ?= 5
RATE   ?= 1000

# Tests start hundreds of processes: none is to compile again what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

help:            ## show this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 19

# The lock is whole, so nothing is looked up: a pip that does would take a newer release for `coverage[toml]`
# than the one locked as `coverage`, and end for want of its hash. uv takes a tenth of pip's time; where there is
# none for a machine, or it does not reach what pip's settings name, pip installs the same.
LOCKED := --quiet --require-hashes --no-deps -r requirements.lock
# What a command imports is compiled now: an account that can't write beside it would compile it at every start.
COMPILE := compileall -q -j 0
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Loa needs Python 3.11 or newer; name it with: make PYTHON=python3.12"; exit 1; }
	@echo "Setting up the environment in $(VENV), which takes about a minute ..."
	@$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock >$(VENV)/uv.lock
	@$(PIP) install --quiet --require-hashes --no-deps -r $(VENV)/uv.lock 2>/dev/null || echo "no uv here: pip does its work, in a minute"
	@$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python $(LOCKED) 2>/dev/null || $(PIP) install $(LOCKED)
	@PYTHONWARNINGS=ignore $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m $(COMPILE) app carriers loa_client messages migrations
	@touch $@

setup: $(VENV)/.ready  ## make the virtual environment

try: $(VENV)/.ready  ## look around in a browser: invented campaigns, four people to sign in as (N=20000)
	$(BIN)/loa try $(if $(filter command%,$(origin N)),--subscribers $(N))

demo: $(VENV)/.ready  ## one campaign over simulated carriers, from file to report (N=30000, CARRIERS=smpp or http)
	$(BIN)/loa demo --subscribers $(N) --carriers $(CARRIERS)

drill: $(VENV)/.ready  ## kill, cut and flood Loa by a plan, and count copies and losses (N, SEED, FAULTS, ENGINE, PLAN)
	$(BIN)/python -m tests.drill --messages $(N) --seed $(SEED) --faults $(FAULTS) --engine $(ENGINE) --plan $(PLAN)

simulate: $(VENV)/.ready  ## simulated days under faults by seed: no copy, no loss, virtual time (SEEDS, FIRST; SEED: one alone)
	$(BIN)/python -m tests.simulate $(if $(filter command line,$(origin SEED)),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST))

soak: $(VENV)/.ready  ## work for MINUTES at RATE messages a second, and see that no process of Loa grows (ENGINE)
	$(BIN)/python -m tests.drill.soak_command --minutes $(MINUTES) --rate $(RATE) --engine $(ENGINE)

attack: $(VENV)/.ready  ## attack a running Loa from outside; a table, and 1 where an attacker succeeds (SHORT=1, PART="forged")
	$(BIN)/python -m tests.attack $(if $(SHORT),--short) $(PART)

test-fast: $(VENV)/.ready  ## seconds: rules, states, text, codecs, routes, on SQLite, no process started
	$(BIN)/python $(PYTEST) $(FAST)

test: $(VENV)/.ready  ## minutes: all that shows a change right, also on the server of LOA_TEST_DATABASE_URL
	$(BIN)/python $(PYTEST) $(TESTS)

prove: $(VENV)/.ready  ## hours: soaks, drills, histories, millions, figures, every Python, coverage of processes (PART="suite drill")
	$(BIN)/python -m tests.prove $(PART)

guide: $(VENV)/.ready  ## take the pictures of docs/guide.vi.md, of README and of reports anew, by Chromium and pdftoppm
	LOA_GUIDE=1 $(BIN)/python -m pytest -n 0 tests/e2e/test_life.py tests/e2e/test_readme_pictures.py tests/prove/test_all_pages.py -k "live or sign-in or unknown or readme"
	$(BIN)/python -m tests.long.app.reports.first_pages

client: $(VENV)/.ready  ## write loa_client/api anew from the API's description
	$(BIN)/python -m tests.loa_client.generator

reference: $(VENV)/.ready  ## write docs/reference from the code: commands, settings, API, errors, metrics, audit
	$(BIN)/python -m tests.reference

# Of copies in their places, so that a link from one file of the repository to another is one between two pages.
PAGES := build/docs-source
build/docs-tools/.ready: docs/site/requirements.txt
	$(PYTHON) -m venv build/docs-tools
	build/docs-tools/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

docs: build/docs-tools/.ready reference  ## build docs as a site, in build/docs; a dead link is an error
	@rm -rf $(PAGES) build/doctrees && mkdir -p $(PAGES)
	@git ls-files --cached --others --exclude-standard | tar -cf - -T - docs/reference | tar -xf - -C $(PAGES)
	build/docs-tools/bin/sphinx-build --quiet --fail-on-warning --keep-going -d build/doctrees -c docs/site $(PAGES) build/docs
	@echo '<!doctype html><title>Loa</title><meta http-equiv="refresh" content="0; url=docs/README.html">' >build/docs/index.html
	@echo "build/docs/index.html"

new-carrier: $(VENV)/.ready  ## write the adapter, simulator, tests and page of a carrier over HTTP (NAME)
	@test -n "$(NAME)" || { echo "Name it: make new-carrier NAME=vinafone"; exit 2; }
	$(BIN)/python -m tests.new_carrier "$(NAME)"

lint: $(VENV)/.ready  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Beside the tests, which wait for part of their time: lint, a short drill on each engine (the second has a cluster of its own,
# from the programs of a server), and simulated days and random histories at a low priority. A line with $(MAKE) in it is run
# by `make -n` as well, so lint is called by its plain name.
DRILL  := $(BIN)/python -m tests.drill --messages 300 --seed 32 --faults 7 --engine
INITDB := $(wildcard /usr/lib/postgresql/*/bin/initdb)
check: $(VENV)/.ready  ## `make test`, beside it lint, simulated days, random histories and short drills
	@.ci/beside '$(BIN)/python $(PYTEST) $(TESTS)' \
		'make --no-print-directory lint && $(DRILL) sqlite $(if $(INITDB),&& $(DRILL) postgresql) && \
		nice -n 5 $(BIN)/python -m tests.simulate --seeds 300 --first $(SEEN) && \
		nice -n 5 $(BIN)/python -m tests.ledger_life --seeds 200 --first $(SEEN)'

# In two steps: with --fail-under SlipCover reads what forked children have left a second time, and fails.
coverage: $(VENV)/.ready  ## branch coverage of `make test`, in one process, since what xdist's workers see gets lost
	@mkdir -p build
	$(BIN)/python -m slipcover --json --out build/coverage.json -m pytest -n 0 --timeout 120 $(TESTS)
	$(BIN)/python -m slipcover --skip-covered --fail-under 94 --out build/coverage.json --merge build/coverage.json

bench: $(VENV)/.ready  ## speed, each figure beside its limit (SIZE=full: with millions; PART="path pace"; PEER=kannel; BASE=88bd714: that commit beside it)
	$(BIN)/python -m tests.bench $(if $(SIZE),--size $(SIZE)) $(if $(PART),--part $(PART)) \
		$(if $(PEER),--peer $(PEER) --build build/bench-$(PEER).json) $(if $(BASE),--base $(BASE) --build build/bench-base.json)

wheel: $(VENV)/.ready  ## build the package and what a host needs beside it (locks, unit, proxy, example), in build/wheel
	@rm -rf build/lib build/wheel
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 0) $(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .
	@cp app/data/loa.lock app/data/loa-sign.lock loa.example.toml docs/deploy/loa@.service docs/deploy/nginx.conf build/wheel/
	@ls build/wheel/*

image:           ## build the image `loa` with docker, podman or buildah (BASE: what it is built on)
	@BASE='$(BASE)' .ci/image

run: $(VENV)/.ready  ## run Loa in one process on SQLite, in ./data
	$(BIN)/loa up

# Three: all that developers have, and of it what an installation has, without and with the check of signatures.
RESOLVE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: $(VENV)/.ready  ## renew requirements.lock and, of it, what is shipped, from pyproject.toml (UPGRADE=1: with the newest releases)
	$(RESOLVE) $(if $(UPGRADE),--upgrade) --extra dev pyproject.toml -o requirements.lock
	$(RESOLVE) --no-annotate --constraint requirements.lock pyproject.toml -o app/data/loa.lock
	$(RESOLVE) --no-annotate --constraint requirements.lock --extra sign pyproject.toml -o app/data/loa-sign.lock

$(TOOLS)/.ready: Makefile
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.7' 'cyclonedx-bom>=5' 'bandit>=1.8'
	@touch $@

audit-code: $(TOOLS)/.ready  ## bandit's look at the code: the part of `make audit` that asks nobody
	$(TOOLS)/bin/bandit --quiet --recursive app carriers loa_client -ll --skip B608

audit: $(VENV)/.ready audit-code  ## known weaknesses of what is locked, and bandit's look at the code
	@mkdir -p $(dir $(FOUND)) && rm -f $(FOUND)
	$(TOOLS)/bin/pip-audit --requirement requirements.lock --disable-pip --require-hashes --strict --output $(FOUND) || \
		if [ -e $(FOUND) ]; then cat $(FOUND); exit 1; else $(BIN)/python .ci/weaknesses.py requirements.lock loa; fi

# Of an environment with the wheel alone: tools and tests are no part of what is shipped.
sbom: wheel $(TOOLS)/.ready  ## what is shipped, with licences, as CycloneDX, in build/sbom.json
	@rm -rf build/shipped && $(PYTHON) -m venv --without-pip build/shipped
	@$(PIP) --python build/shipped/bin/python install --quiet --require-hashes --no-deps --requirement app/data/loa.lock
	@$(PIP) --python build/shipped/bin/python install --quiet --no-deps --no-index build/wheel/loa-*.whl
	$(TOOLS)/bin/cyclonedx-py environment build/shipped/bin/python --pyproject pyproject.toml --output-reproducible --output-file build/sbom.json
	@echo "build/sbom.json"

# Where no program can build an image, the release has none, and says so: .ci/image ends with 3.
release: check audit sbom docs  ## everything that a release has: checks, wheel, locks, source, SBOM, documents, image; it publishes nothing
	@grep -q "^## \[$(VERSION)\]" CHANGELOG.md || { echo "CHANGELOG.md has no section [$(VERSION)]"; exit 1; }
	@BASE='$(BASE)' .ci/image || { [ $$? -eq 3 ] && echo "This release has no image: build it where one of them is, with \`make image\`."; }
	@rm -rf build/release && mkdir -p build/release && cp build/wheel/* build/sbom.json build/release/
	git archive --format=tar.gz --prefix=loa-$(VERSION)/ --output build/release/loa-$(VERSION).tar.gz HEAD
	tar -czf build/release/loa-$(VERSION)-docs.tar.gz -C build docs
	@cd build/release && sha256sum * | tee SHA256SUMS
	@echo "Next, by a maintainer: git tag -s v$(VERSION), then publish build/release."

clean:  ## remove what the build made
	rm -rf $(VENV) build data *.egg-info
