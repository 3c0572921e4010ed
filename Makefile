# The commands of Revoada. `make` or `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first Python ≥ 3.11 there is; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help install demo up test test-clocks nightly check golden bench chaos format

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## make .venv with the pinned versions

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: no Python >= 3.11 found; set PYTHON=/path/to/python3" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install ## three campaigns at once against the simulator, in this terminal
	$(BIN)/revoada demo $(ARGS)

up: install ## the same roles against the real API (settings from .env)
	$(BIN)/revoada up $(ARGS)

test: install ## all tests, with embedded Postgres and Valkey (ARGS=… goes to pytest)
	$(BIN)/pytest -n 3 --dist worksteal $(ARGS)

test-clocks: install ## roles with wrong clocks send as before (needs Debian's package faketime)
	$(BIN)/pytest -n 2 --dist worksteal -m 'not nightly' $(ARGS) tests/clocks

nightly: install ## each wrong clock on each role, and a quarter of an hour of chaos
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS) tests/clocks
	$(MAKE) chaos SECONDS=900

check: install ## lint, types, import contracts, migrations build exactly schema.sql
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/store/test_migrations.py

golden: install ## write the golden files anew: help, options, JSON keys, log events, settings, tasks, plans
	WRITE_GOLDEN=1 $(BIN)/pytest -q tests/golden tests/store/test_plans.py

bench: install ## how fast it is on this machine (ARGS='sending growth' runs some, ARGS=--list names all)
	$(BIN)/python -m benchmarks $(ARGS)

chaos: install ## kill, freeze and cut everything for SECONDS=60 by SEED=…; fails on any duplicate or loss
	$(if $(SECONDS),SECONDS=$(SECONDS)) $(if $(SEED),SEED=$(SEED)) $(BIN)/python -m benchmarks.chaos

format: install ## let ruff format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
