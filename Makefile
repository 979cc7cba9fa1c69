.DEFAULT_GOAL := help
PYTHON ?= python3
RUNS ?= 3
VENV := .venv
BIN := $(VENV)/bin
# no cache: nothing is written outside this folder
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps
DBT := DBT_PROFILES_DIR=transform $(BIN)/dbt
COMPILE := $(VENV)-lock/bin/uv pip compile pyproject.toml --quiet --upgrade --universal \
	--generate-hashes --no-header
LINT_TARGET := target/lint

ENGINES := postgres ducklake spark

# two test workers; tests of one server or browser stay on one of them
PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadgroup

.PHONY: help elt dashboard docs check sandbox install $(ENGINES) dev test test-fast test-slow lint \
	lint-python lint-sql lint-dbt types pytest test-ducklake test-spark soak bench format lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z -]+:.*## / {sub(": .*", "", $$1); printf "  %-26s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

elt: $(VENV)/run ## extract, load, build, test and publish what changed
	@$(BIN)/elt run

dashboard: $(VENV)/dashboard ## draw the dashboard; from then on, each run does
	@$(BIN)/elt dashboard

docs: $(VENV)/run ## write dbt's documentation of the last run's warehouse as one page
	@test -e transform/target/last_run/warehouse.duckdb || (echo "Nothing is loaded yet: make elt does it." && exit 1)
	@cd transform && ../$(BIN)/dbt --quiet docs generate --static
	@echo "docs: transform/target/static_index.html"

check: $(VENV)/run ## try settings, key, API and warehouse
	@$(BIN)/elt check

sandbox: $(VENV)/run ## serve the bundled API for curl
	@$(BIN)/elt sandbox

install: $(VENV)/run ## install what running needs

postgres ducklake spark: %: $(VENV)/% ## install what [elt] destination of this name needs

dev: $(VENV)/dev ## install what developing needs

test: $(VENV)/dev ## run every check, in less than 12 minutes
	@$(MAKE) --no-print-directory --jobs 2 lint-sql types lint-python lint-dbt
	@$(MAKE) --no-print-directory pytest

test-fast: $(VENV)/dev ## run the unit tests, in less than 90 seconds
	@$(PYTEST) tests/unit

test-slow: $(VENV)/dev ## try kills, faults and random histories, in less than 20 minutes
	@$(PYTEST) --durations 15 tests/slow

lint: lint-python lint-sql lint-dbt ## check style and rules of Python, SQL and the dbt project

lint-python: $(VENV)/dev
	@echo "lint: Python"
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .

# sqlfluff's processes leave a semaphore behind, of which Python warns
lint-sql: $(VENV)/dev
	@echo "lint: SQL"
	@PYTHONWARNINGS=ignore::UserWarning $(BIN)/sqlfluff lint --processes 2 \
		--disable-progress-bar transform publish

lint-dbt: $(VENV)/dev
	@echo "lint: dbt project"
	@$(DBT) --quiet parse --project-dir transform --target-path $(LINT_TARGET) --log-path transform/$(LINT_TARGET) --no-partial-parse --warn-error
	@$(BIN)/dbt-bouncer run --output-only-failures

types: $(VENV)/dev ## check types
	@echo "types:"
	@$(BIN)/mypy

pytest: $(VENV)/dev ## run all tests but the long variants
	@$(PYTEST) --durations 15 tests/e2e tests/integration tests/unit

test-ducklake: PACKAGES := ducklake
test-spark: PACKAGES := cluster
test-ducklake test-spark: test-%: ## test the engine of this name, in an environment of its own
	@$(MAKE) --no-print-directory VENV=.venv-$* .venv-$*/dev
	@$(MAKE) --no-print-directory VENV=.venv-$* .venv-$*/$(PACKAGES)
	@.venv-$*/bin/pytest -m $* tests/slow/test_$*.py

soak: $(VENV)/dev ## try new random histories of faults and kills, for SOAK_MINUTES (60)
	@$(BIN)/pytest -m soak tests/slow

bench: $(VENV)/dev ## measure beside plain dlt and a hand-written loader: SCENARIOS (all), RUNS (3)
	@$(BIN)/python -m benchmarks --runs $(RUNS) $(SCENARIOS)

format: $(VENV)/dev ## format Python and SQL
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/sqlfluff fix --disable-progress-bar transform publish

lock: ## resolve the dependencies anew into the lock files
	@$(PYTHON) -m venv $(VENV)-lock
	@$(VENV)-lock/bin/pip install --quiet uv
	@$(COMPILE) --extra dev --extra dashboard --extra postgres --output-file requirements-dev.lock
	@$(COMPILE) --constraint requirements-dev.lock --output-file requirements.lock
	@for extra in dashboard postgres spark; do $(COMPILE) --constraint requirements-dev.lock \
		--extra $$extra --output-file requirements-$$extra.lock; done
	@$(COMPILE) --extra ducklake --output-file requirements-ducklake.lock # with another DuckDB
	@$(COMPILE) --constraint requirements-dev.lock --extra spark --extra cluster \
		--output-file requirements-cluster.lock
	@rm -rf $(VENV)-lock

clean: ## remove the virtual environment and caches, never data
	@rm -rf $(VENV) .*_cache build *.egg-info transform/target transform/logs

# The stamps are newer than what they were installed from, or the packages are installed anew.
$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| (echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." && exit 1)
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run: $(VENV)/python requirements.lock pyproject.toml
	@echo "installing what running needs into $(VENV)"
	@$(INSTALL) --require-hashes --requirement requirements.lock
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/dashboard: $(VENV)/run requirements-dashboard.lock
	@echo "installing what the dashboard needs into $(VENV)"
	@rm -f $(VENV)/ducklake
	@$(INSTALL) --require-hashes --requirement requirements-dashboard.lock
	@touch $@

$(addprefix $(VENV)/,$(ENGINES) cluster): $(VENV)/%: $(VENV)/run requirements-%.lock
	@echo "installing what $* needs into $(VENV)"
	@rm -f $(VENV)/ducklake # whose DuckDB is another
	@$(INSTALL) --require-hashes --requirement requirements-$*.lock
	@touch $@

$(VENV)/dev: $(VENV)/run requirements-dev.lock
	@echo "installing what developing needs into $(VENV)"
	@rm -f $(VENV)/ducklake
	@$(INSTALL) --require-hashes --requirement requirements-dev.lock
	@touch $@
