# The commands of Revoada. `make` or `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first Python ≥ 3.11 that is found. PYTHON=… chooses another Python.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# A version in a lock file stays as it is if pyproject.toml allows it.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make lock' pyproject.toml --group build
READY := $(VENV)/.ready

.PHONY: help install demo up smoke-meta test test-api test-clocks test-brokers test-deploy test-office test-metrics \
	test-pgbouncer test-browser nightly check golden messages dist bench chaos chaos-hosts pictures format lock

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## make .venv with the locked versions

$(READY): pyproject.toml requirements-dev.lock
	@test -n "$(PYTHON)" || { echo "make: no Python >= 3.11 found; set PYTHON=/path/to/python3" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@rm -rf revoada.egg-info  # an old one would hide the entry points of the new installation
	$(PIP) --require-hashes --requirement requirements-dev.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## three campaigns at once against the simulator, in this terminal
	$(BIN)/revoada demo $(ARGS)

up: install ## the same roles against the real API (settings from .env)
	$(BIN)/revoada up $(ARGS)

smoke-meta: install ## send one template from a real number to a phone of yours (docs/smoke-meta.md)
	$(BIN)/python -m benchmarks.smoke

test: install ## all tests, with embedded Postgres and Valkey (ARGS=… goes to pytest)
	$(BIN)/pytest -n 3 --dist worksteal -m 'not nightly' $(ARGS)

test-api: install ## requests of all kinds, which schemathesis makes from the description of the API (SECONDS=… for each operation)
	timeout $(if $(SECONDS),7200,600) $(BIN)/pytest -q -n 2 --dist worksteal $(ARGS) tests/api/fuzz

test-clocks: install ## roles with wrong clocks send as before (needs Debian's package faketime)
	$(BIN)/pytest -n 2 --dist worksteal -m 'not nightly' $(ARGS) tests/clocks

test-brokers: install ## the throttle, the filter and flows on Debian's Redis (needs its package redis-server)
	$(BIN)/pytest -n 2 --dist worksteal --redis-server /usr/bin/redis-server $(ARGS) tests/throttle tests/broker \
		tests/flows/test_flow_together.py tests/faults/test_fault_sentinel.py

test-deploy: install ## the files of deploy/, backups, and the wheel in an empty environment (needs Debian's packages systemd and jq)
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS) tests/deploy

test-office: install ## workbooks that LibreOffice shows and saves (needs Debian's package libreoffice-calc-nogui)
	timeout 600 $(BIN)/pytest -q $(ARGS) tests/office

test-metrics: install ## alert rules and the board, as Prometheus reads them (needs Debian's package prometheus)
	timeout 120 $(BIN)/pytest -q $(ARGS) tests/promtool

test-pgbouncer: install ## Revoada through pgbouncer in transaction mode (needs Debian's package pgbouncer)
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS) tests/pgbouncer

test-browser: install ## the console in a real browser (needs Debian's package chromium)
	timeout 900 $(BIN)/pytest -q -n 2 --dist worksteal $(ARGS) tests/browser

nightly: install ## new inputs for properties and the API, each wrong clock, an old version, failovers, a quarter of an hour of chaos
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS) -m 'hypothesis and not nightly' --hypothesis-profile search
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS) tests/clocks tests/upgrade \
		tests/faults/test_fault_failover.py tests/faults/test_fault_single_messages.py
	SEED=$$(date +%j) $(MAKE) test-api SECONDS=15
	HOOK_EVENTS=1000000 $(BIN)/pytest $(ARGS) tests/faults/test_fault_hooks.py
	$(MAKE) chaos SECONDS=900

check: install ## lint, types, import contracts, migrations build exactly schema.sql, each text has a translation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/store/test_migrations.py tests/project/test_translations.py

golden: install ## write the golden files anew: help, options, JSON keys, log events, settings, statements, tasks, plans, codes, the API
	WRITE_GOLDEN=1 $(BIN)/pytest -q tests/golden tests/store/test_plans.py tests/api/test_api_spec.py

messages: install ## write new texts into the catalogues of campaigns/locale, and compile the catalogues
	$(BIN)/python -m tests.project.messages
	$(BIN)/python -m tests.console.messages

dist: install ## the wheel and the source of this version in dist/, with SHA256SUMS; twine checks them
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/uv build --quiet --no-build-isolation --offline --python $(BIN)/python
	rm -rf build revoada.egg-info
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	cd dist && sha256sum *.whl *.tar.gz > SHA256SUMS

bench: install ## how fast it is on this machine (ARGS='sending growth' runs some, ARGS=--list names all)
	$(BIN)/python -m benchmarks $(ARGS)

chaos: install ## kill, freeze and cut everything for SECONDS=60 by SEED=…; fails on any duplicate or loss
	$(if $(SECONDS),SECONDS=$(SECONDS)) $(if $(SEED),SEED=$(SEED)) $(BIN)/python -m benchmarks.chaos

chaos-hosts: install ## the same on three hosts (network namespaces) whose links fail; needs root and Debian's package iptables
	$(if $(SECONDS),SECONDS=$(SECONDS)) $(if $(SEED),SEED=$(SEED)) $(BIN)/python -m benchmarks.chaos.hosts

pictures: install ## draw the pictures of the documents anew (ARGS=readme: 2 minutes; ARGS=console: Debian's chromium)
	$(BIN)/python -m benchmarks.pictures $(ARGS)

format: install ## let ruff format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: install ## write the locks anew for the dependencies in pyproject.toml (ARGS=--upgrade: with their newest versions)
	$(LOCK) --output-file requirements.lock $(ARGS)
	$(LOCK) --extra demo --group dev --constraint requirements.lock --output-file requirements-dev.lock $(ARGS)
