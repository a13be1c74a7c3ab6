# make demo: install, fly over rendered towns, train, measure.   make test: install, run all tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-unit lint install airflow clean

demo: $(INSTALLED)
	$(BIN)/kedro run --env=demo --pipelines=demo

test: $(INSTALLED)
	$(BIN)/python -m pytest

test-unit: $(INSTALLED)
	$(BIN)/python -m pytest -m "not slow"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell src tests benchmarks conf docs README.md
	$(BIN)/lint-imports
	$(BIN)/mypy

install: $(INSTALLED)

# What the packages take and what pip unpacks on the way, in kilobytes.
NEEDED := 11000000

$(INSTALLED): pyproject.toml
	@free=$$(df -Pk . | awk 'NR == 2 {print $$4}'); if [ ! -d $(VENV) ] && [ "$$free" -lt $(NEEDED) ]; then echo "Installing needs about 11 GB of free disk; $$(pwd) has $$((free / 1000000)) GB. Free some, or set NEEDED=0 to try all the same." >&2; exit 1; fi
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

# Airflow in an environment of its own: it dictates versions of packages that the project uses too (docs/service.md).
airflow: .venv-airflow/.installed

.venv-airflow/.installed:
	$(PYTHON) -m venv .venv-airflow
	.venv-airflow/bin/python -m pip install --quiet "apache-airflow>=3.3,<4"
	touch $@

clean:
	rm -rf $(VENV) .venv-airflow data/.work
