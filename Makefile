# The verbs of this house; `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WAREHOUSES := .venv-warehouses

# The simulated shop of `make run`: its history ends at the turn of the year, whatever today is.
SHOP_PROFILES ?= 4000
SHOP_DAYS ?= 400
SHOP_SEED ?= 7
SHOP_AS_OF := 2026-01-01T00:00:00Z

EMAIL_EVENTS ?= 10000000

PORT ?= 3000
PAGES_PORT ?= 3001

export DAGSTER_HOME ?= $(CURDIR)/data/dagster
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow test-warehouses lint bench format ui docs lock clean

help: ## list these verbs
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mailmart needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "this Python has no venv module; on Debian: apt install python3-venv"; exit 1; }
	@echo "Making the environment in $(VENV); this takes a minute or two, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(READY) ## make the environment in .venv

data/landing: | $(READY)
	@$(BIN)/mailmart simulate --profiles $(SHOP_PROFILES) --days $(SHOP_DAYS) --seed $(SHOP_SEED) --out data

run: $(READY) data/landing ## run the main job on a simulated shop
	@$(BIN)/mailmart run --as-of $(SHOP_AS_OF)

test: $(READY) ## run all tests that need nothing but this machine
	@$(BIN)/python -m pytest -m "not slow" --numprocesses auto --maxprocesses 4 --dist loadfile

test-slow: $(READY) ## run the long tests: random worlds, kills, real processes (up to an hour)
	@$(BIN)/python -m pytest -m slow --timeout 1200 --numprocesses auto --maxprocesses 2 --dist loadfile --no-loadscope-reorder

$(WAREHOUSES)/.ready: requirements-warehouses.lock
	@test -x $(WAREHOUSES)/bin/python || $(PYTHON) -m venv $(WAREHOUSES)
	@$(WAREHOUSES)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-warehouses.lock
	@touch $@

test-warehouses: $(WAREHOUSES)/.ready ## compile with the adapters of Snowflake, BigQuery and Databricks (900 MB)
	@$(WAREHOUSES)/bin/python -m pytest tests/dbt_project/test_adapters.py

lint: $(READY) ## check style, types, docs, dead code, yml against columns, who knows whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/vulture
	@MAILMART_WAREHOUSE=target/lint.duckdb $(BIN)/sqlfluff lint --disable-progress-bar dbt_project/models dbt_project/tests
	@$(BIN)/python -m pytest -q tests/test_house_rules.py tests/dbt_project/test_columns.py

bench: $(READY) ## measure speed as ratios into benchmarks/RESULTS.md (smaller: EMAIL_EVENTS=100000)
	@$(BIN)/python -m benchmarks --email-events $(EMAIL_EVENTS) --measured-on "$$(date -u +%F)"

format: $(READY) ## write Python as ruff wants it
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

ui: $(READY) ## open Dagster on http://127.0.0.1:3000 (other ports: make ui PORT=4000 PAGES_PORT=4001)
	@$(BIN)/python -c 'from orchestration.history import settle_home; settle_home()'
	@mkdir -p data/reports; $(BIN)/python -m http.server --bind 127.0.0.1 --directory data/reports $(PAGES_PORT) > /dev/null 2>&1 & \
	pages=$$!; trap 'kill $$pages 2> /dev/null' EXIT; trap 'exit 130' INT TERM; \
	sleep 1; kill -0 $$pages 2> /dev/null || echo "port $(PAGES_PORT) is taken: links to reports lead nowhere (make ui PAGES_PORT=...)"; \
	MAILMART_PAGES_URL=$${MAILMART_PAGES_URL:-http://127.0.0.1:$(PAGES_PORT)} $(BIN)/dagster dev --module-name orchestration.definitions --host 127.0.0.1 --port $(PORT)

docs: $(READY) ## build dbt's page of all models, one file that needs no server
	@$(BIN)/dbt docs generate --static --quiet && echo "open target/static_index.html"

lock: ## resolve the requirements anew into their locks (needs uv)
	for name in requirements requirements-warehouses; do \
	uv pip compile --universal --generate-hashes --no-strip-extras --python-version 3.11 --no-header --no-emit-index-url --upgrade -q $$name.in -o $$name.lock || exit 1; done

clean: ## remove what runs leave behind, but not the data
	rm -rf target logs .pytest_cache .mypy_cache .ruff_cache .hypothesis
