# One command for each thing; every one makes what it needs. Python 3.11 or newer and make are all that must be there.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Where tests are that count for the coverage of the pure rooms; which of them do is said in tests/support/plugin.py.
MEASURED := tests/states tests/audit tests/load tests/engine/test_replay.py
# Asynchronous hosts, whose code runs in greenlets.
GREENLETS := tests/engine/test_asynchronous.py tests/examples/test_embedding.py tests/ports/test_joined_store.py

.PHONY: demo serve test core coverage fmt lint bench docs build clean
.DEFAULT_GOAL := demo

# pip installs the exact versions of constraints.txt; a stamp per extra set keeps later runs fast.
$(VENV)/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.web: $(VENV)/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[web]'
	@touch $@

# The pages are tested in a real browser: Debian's chromium where it can be installed, Playwright's own elsewhere.
$(VENV)/.testing: $(VENV)/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[testing,web,postgres]'
	$(BIN)/python -m tests.support.browser
	@touch $@

demo: $(VENV)/.base  ## the whole CPMS journey, in a few seconds
	$(BIN)/workflow demo

serve: $(VENV)/.web  ## all pages with sample requests, at http://127.0.0.1:8080
	$(BIN)/workflow serve

# No test runs twice: those of the pure rooms run beside the linters, measured, and must reach every branch; the others come after.
test: $(VENV)/.testing  ## lint, types, architecture and every test
	$(MAKE) --no-print-directory --jobs 2 lint core
	$(BIN)/python -m pytest -m "not measured" -n 3 --dist worksteal

core: $(VENV)/.testing  ## the tests of the pure rooms: every branch of `states` and `audit`
	$(BIN)/python -m pytest -q -m measured $(MEASURED) --cov=workflow/states --cov=workflow/audit --cov-fail-under=100 --cov-report=term-missing:skip-covered

coverage: $(VENV)/.testing  ## every test, measured, with a goal for each room: about twice as long
	$(BIN)/python -m pytest -n 3 --dist worksteal --cov --cov-report=
	MEASURED_CONCURRENCY=greenlet $(BIN)/python -m pytest -q $(GREENLETS) --cov --cov-append --cov-report=
	$(BIN)/python -m tests.support.rooms

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
