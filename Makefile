# One command for each thing; every one makes what it needs. Python 3.11 or newer and make are all that must be there.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test coverage fmt lint bench docs build clean
.DEFAULT_GOAL := demo

# pip installs the exact versions of constraints.txt; a stamp per extra set keeps later runs fast.
$(VENV)/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.testing: $(VENV)/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[testing,postgres]'
	@touch $@

demo: $(VENV)/.base  ## the whole CPMS journey, in a few seconds
	$(BIN)/workflow demo

test: $(VENV)/.testing  ## lint, types, architecture and every test
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n 3 --dist worksteal

coverage: $(VENV)/.testing  ## the same tests, measured: about twice as long
	$(BIN)/python -m pytest -n 3 --dist worksteal --cov --cov-report=term:skip-covered

fmt: $(VENV)/.testing
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --quiet .

lint: $(VENV)/.testing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate --quiet workflow store

bench: $(VENV)/.testing  ## figures of docs/performance, as ratios to a floor measured in the same run
	$(BIN)/python -m benchmarks

docs: $(VENV)/.testing  ## everything that is generated from the code: schema, diagram, command reference
	$(BIN)/python -m tests.support.generate

build: $(VENV)/.testing
	$(BIN)/python -m pip wheel --quiet --no-deps -w dist .

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
