# The commands of Isojoule. `make help` lists them.
#
# Each makes .venv and fills it with the exact versions of requirements/, once: a stamp in .venv
# remembers it until the pins change. Another Python: make run PYTHON=python3.13

PYTHON ?= python3
SCENARIO ?= rural
ARGS ?=
ON_ALL_CORES := -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.PHONY: help run test check bench pictures format clean
.DEFAULT_GOAL := help

help:  ## list these commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 10

run: $(VENV)/run.stamp  ## run a scenario and write its report (SCENARIO=rural ARGS="--days 1")
	@$(BIN)/isojoule run $(SCENARIO) $(ARGS)

# All of them in a process for each core, a file's tests in one. Some of them in this process, at once.
test: $(VENV)/dev.stamp  ## run all tests, or some (ARGS="-k curve")
	@$(BIN)/python -m pytest -q -rs $(or $(ARGS),$(ON_ALL_CORES))

check: $(VENV)/dev.stamp  ## format, lint, strict types, import layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy -n auto
	@$(BIN)/lint-imports --no-logo

bench: $(VENV)/bench.stamp  ## measure, beside others, and write docs/performance.md (ARGS="--quick")
	@$(BIN)/python -m benchmarks $(ARGS)

pictures: $(VENV)/dev.stamp  ## run the examples and draw their pictures again
	@for script in examples/[a-z]*.py; do $(BIN)/python $$script docs/img/examples || exit; done

format: $(VENV)/dev.stamp  ## put the code into the one format, and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:  ## remove the environment and all caches, but no runs
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks tools examples -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment ---------------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Isojoule needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 2; }

# The project itself comes last, editable, without asking for anything that is not pinned.
$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing Isojoule into $(VENV) (once) ..."
	@$(PIP) install -q -r requirements/run.txt
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo "Installing what tests and checks need (once) ..."
	@$(PIP) install -q -r requirements/run.txt -r requirements/dev.txt
	@touch $@

$(VENV)/bench.stamp: requirements/bench.txt $(VENV)/dev.stamp
	@echo "Installing what the benchmarks compare with (once) ..."
	@$(PIP) install -q -r requirements/run.txt -r requirements/dev.txt -r requirements/bench.txt
	@touch $@
