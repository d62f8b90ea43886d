# `make` shows what there is. Every target that needs the virtual environment makes it first.
.DEFAULT_GOAL := help
.PHONY: help setup kernels demo test check chaos soak fuzz docs peers batch-demo batch-test pipelines-test against quality ci clean

# Hundreds of processes start in a test run: they read bytecode, wherever the shell says not to write it.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
READY := $(VENV)/.ready

# Logs for the tests marked `data` and for the benches; without the folder they say so and skip.
ifneq ($(wildcard ../shared/data),)
export STREAM_REC_DATA ?= $(abspath ../shared/data)
endif

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with pinned dependencies (Python 3.11 or 3.12)

$(READY): pyproject.toml constraints.txt scripts/setup.sh
	@sh scripts/setup.sh $(VENV)
	@touch $@

kernels: $(READY) ## compile the engine (two minutes, only when it has changed)
	@echo "kernels: compiling what has changed (two minutes at the first time, else seconds)"
	@$(VENV)/bin/python -m stream_rec.consumers.warm_up

demo: kernels ## start everything embedded and watch MovieLens 100K stream through (3 minutes the first time)
	@$(VENV)/bin/stream-rec demo $(ARGS)

test: kernels ## run the tests on real servers, five files at once; ARGS="-k lag -x -n 0" goes to pytest
	@$(VENV)/bin/python -m pytest -n 5 --dist loadfile $(ARGS)

check: $(READY) ## ruff, mypy strict and the import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

chaos: $(READY) ## 100 faults on Apache Kafka under traffic, into chaos.json (45 minutes); ARGS="--seed 7"
	@$(VENV)/bin/stream-rec bench chaos --faults 100 --json chaos.json $(ARGS)

soak: $(READY) ## one worker under 300 events/s for an hour, into soak.json and soak.png; ARGS="--minutes 20"
	@$(VENV)/bin/stream-rec bench soak --json soak.json --plot soak.png $(ARGS)

fuzz: $(READY) ## schemathesis, all checks, on every route of a live server, into fuzz.json; ARGS="--requests 100000"
	@$(VENV)/bin/python -m bench.fuzz --json fuzz.json $(ARGS)

docs: $(READY) ## renew what is generated in docs/
	@$(VENV)/bin/python scripts/settings_doc.py
	@$(VENV)/bin/python scripts/http_doc.py
	@$(VENV)/bin/python scripts/shapes_doc.py
	@$(VENV)/bin/python scripts/sdk_doc.py
	@$(VENV)/bin/python scripts/sink_doc.py

peers: $(READY) ## other recommenders beside ours on the same events (docs/peers.md); ARGS="--data NAME --events N"
	@sh scripts/setup_peers.sh $(VENV)
	@$(VENV)/bin/python -m bench.peers $(or $(ARGS),--data movielens-100k --exclude-seen)

batch-demo: kernels ## sink, Spark's ALS, MLflow, a vector space and a shadow arm; makes .venv-batch (500 MB) the first time
	@sh scripts/setup_batch.sh $(VENV)
	@.venv-batch/bin/python -m bench.batch_demo

batch-test: $(READY) ## the tests that need Spark and MLflow, in .venv-batch
	@sh scripts/setup_batch.sh $(VENV)
	@.venv-batch/bin/python -m pytest tests/batch $(ARGS)

pipelines-test: $(READY) ## the pipeline on Kubeflow's subprocess runner and as an Airflow DAG, in .venv-pipelines (2.5 GB)
	@sh scripts/setup_pipelines.sh $(VENV)
	@.venv-pipelines/bin/python -m pytest tests/pipelines $(ARGS)

against: $(READY) ## engine and pipeline beside those of an earlier revision: make against REV=v0.1.0 (half an hour)
	@$(VENV)/bin/python -m bench.against $(REV) $(ARGS)

quality: $(READY) ## ranking on all logs at hand beside the committed table (bench/quality.json); ARGS="--write" renews it
	@$(VENV)/bin/python -m bench.quality $(ARGS)

ci: ## what CI runs: check, then test, with nothing skipped
	@bash .ci/run

clean: ## remove .venv, .venv-peers and every cache
	rm -rf $(VENV) .venv-peers .venv-batch .venv-pipelines .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
