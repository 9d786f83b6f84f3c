# Two commands for a newcomer: `make demo` (the whole story, one minute) and `make sandbox` (stays up to play with).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8800
DATA ?= var
CLOCK ?= 2025-03-03T08:00:00+08:00
STORE ?=
COUNT ?= 0

.PHONY: demo sandbox test lint types imports unit soak bench clean
.DEFAULT_GOAL := demo

$(VENV)/.run: requirements/run.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

demo: $(VENV)/.run  ## the whole story on loopback, balanced to the fen; exit 1 names the records that differ
	$(BIN)/python -m simulators demo --port $(PORT) --data $(DATA)/demo $(if $(STORE),--store $(STORE))

sandbox: $(VENV)/.run  ## gateway and simulators, up until Ctrl-C
	$(BIN)/python -m simulators sandbox --port $(PORT) --data $(DATA) --clock $(CLOCK) $(if $(STORE),--store $(STORE))

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

unit: $(VENV)/.dev
	$(BIN)/pytest -q tests/unit

test: $(VENV)/.dev lint types imports  ## everything that proves a change, at most 15 minutes on two cores
	$(BIN)/python -m tests.run

soak: $(VENV)/.dev  ## the long versions; COUNT=n bounds the crash points (0: all)
	$(BIN)/python -m tests.run --soak --count $(COUNT)

bench: $(VENV)/.run  ## the relay against the platform called directly, and nginx where it is installed: table, JSON and chart
	$(BIN)/python -m ops.bench.relay --data $(DATA)/bench

clean:
	rm -rf $(VENV) var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
