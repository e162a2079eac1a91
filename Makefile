# Two commands do all the set-up: `make run` and `make test`. They make .venv with the versions in constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Bytecode is kept: without it each process compiles all that it imports anew, some seconds with Dagster.
unexport PYTHONDONTWRITEBYTECODE

# $(call install,WHAT): by uv, which takes a tenth of pip's time, or by pip where uv cannot be had. Both read constraints.txt.
install = { $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv \
	&& $(BIN)/python -m uv pip install --quiet --python $(BIN)/python $(1); } \
	|| { echo "uv did not do it; pip takes over."; $(BIN)/python -m pip install --quiet --disable-pip-version-check $(1); }

# What asks little of DuckDB, or the same again over many worlds.
SPARED := $(addprefix --ignore tests/,assets/api assets/test_walk.py assets/test_records.py \
	warehouse/test_forecast_backtest.py warehouse/test_forecast_coverage.py)
SOAK ?= tests/faults tests/assets tests/warehouse
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.bench
SPARK_READY := $(VENV)/.spark

.DEFAULT_GOAL := help
.PHONY: run test proofs postgres older spark s3 ui check pictures bench soak help clean commands month flatten many steady marts names scale --quick --keep

run: $(READY) ## set up and run everything once against the sandbox API; prints what it made and where
	@$(BIN)/python -m pipelines.launch pipelines.trial

older: $(READY) ## the core of the tests with DuckDB 1.5
	@test -d .older || $(BIN)/python -m pip install --quiet --no-deps --target .older "duckdb==1.5.6"
	@PYTHONPATH=$(CURDIR)/.older $(BIN)/python -c "import duckdb; assert duckdb.__version__.startswith('1.5'), duckdb.__version__"
	@PYTHONPATH=$(CURDIR)/.older $(BIN)/python -m pytest -n 2 --dist loadfile $(SPARED) tests/warehouse tests/assets tests/pipelines/test_definitions.py

test: $(READY) ## set up and run all tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

proofs: $(READY) ## what make test leaves out: whole courses of runs, the browser, random courses (MART_COURSES), all seeds, all kills
	@$(BIN)/python -m pytest -n 3 --dist loadfile -m proof  # some of them wait for minutes

postgres: $(READY) ## Dagster on Postgres, on a server of Debian's package postgresql
	@$(BIN)/python -m pytest -m postgres -p no:xdist tests/pipelines

spark: $(SPARK_READY) ## the tables and marts on Spark, equal to DuckDB's, also over a long history (SPARK_JOBS); needs Java 17
	@$(BIN)/python -m pytest -m spark tests/spark

ui: $(READY) ## Dagster UI and daemon on 127.0.0.1:3000, with a lasting DAGSTER_HOME
	@$(BIN)/python -m pipelines.ui

check: $(READY) ## format, lint, types and what Dagster loads
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright --project pyproject.toml
	@$(BIN)/dg check defs --no-check-yaml

bench: $(BENCH_READY) ## the benchmarks, beside what a reader knows; make bench -- --quick holds a tenth to kept ratios
	@$(BIN)/python -m tests.bench $(filter-out bench,$(MAKECMDGOALS))

commands month flatten many steady marts names scale --quick --keep: # what `make bench` is given
	@:

s3: $(READY) ## publishes in object storage: 8 readers, 200 killed pushes, two pushers, a random course (S3_READERS, S3_PUSHES, S3_KILLS, S3_RACES, S3_RUNS)
	@test -d .delta || $(BIN)/python -m pip install --quiet --no-deps --target .delta "duckdb==1.5.5" "duckdb-extension-delta==1.5.5"
	@$(BIN)/python -m pytest -m s3 -n 2 --dist worksteal -rP tests/faults/test_buckets.py tests/warehouse/test_delta_by_duckdb.py

soak: $(READY) ## 1,000 seeded syncs (SOAK_SYNCS) against a misbehaving server, 20 at once (SOAK_AT_ONCE), 2,000 random histories (SOAK_HISTORIES), marts of a million jobs 12 times (SOAK_TIMES), more worlds; a part of them by SOAK
	@$(BIN)/python -m pytest -m soak -n 2 --dist worksteal -rP $(SOAK)

pictures: $(READY) ## take the pictures of the README anew, with Chromium
	@UI_SCREENSHOTS=docs/images $(BIN)/python -m pytest -q -p no:xdist -m picture tests/assets/test_report_in_a_browser.py tests/pipelines/test_dagster_ui.py

clean: ## remove .venv and caches, never data
	@rm -rf $(VENV) .older .delta .pytest_cache .ruff_cache .hypothesis

help: ## all of these
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):[^#]*## /make \1\t/' | expand -t 14

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "jobledger needs Python 3.11 or newer; set PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned versions into $(VENV) ..."
	@$(call install,-c constraints.txt -e '.[dev]')
	@touch $@

$(SPARK_READY): $(READY)
	@$(call install,-c constraints.txt -e '.[spark]')
	@touch $@

$(BENCH_READY): $(READY) tests/bench/constraints-dlt.txt
	@$(call install,-c constraints.txt -c tests/bench/constraints-dlt.txt -e '.[bench]')
	@touch $@
