# Everything a checkout can do. `make help` lists the verbs.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

.PHONY: help sandbox sandbox-down sandbox-test demo test check check-unit check-types check-contract check-style soak setup setup-dev peers clean

help:
	@echo 'make demo    set everything up, read a few studies and show where the reports lie'
	@echo '             (ARGS=--exit ends afterwards; ARGS="--dicom PATH" reads your own files)'
	@echo 'make test    set up what the tests need, Debian packages included, and run them all'
	@echo '             (ARGS=... is handed to pytest)'
	@echo 'make check   formatting, lint, types, import contracts, unit and contract tests'
	@echo 'make sandbox       a hospital in containers: PACS, node, worker, modality, viewer'
	@echo '                   (make sandbox-down ends it and deletes its data)'
	@echo 'make sandbox-test  build it, send a burst, kill parts of it, check from outside, remove it'
	@echo 'make soak    send 2000 studies while everything is killed at random, then an account'
	@echo '             (ARGS="--studies 200 --minutes 3 --seed 7" for a shorter one)'
	@echo 'make clean   remove what the others made'
	@echo 'PIP_ARGS=... is handed to every pip install; PYTHON=... names another interpreter'

demo: setup
	@$(BIN)/cxr-node demo $(ARGS)

# Files go to two processes in their order: most of the time is waiting for real programs.
test: setup-dev peers
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder $(ARGS)

# Two at a time, the longest first.
check: setup-dev
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target \
		check-unit check-types check-contract check-style

check-unit:
	@$(BIN)/pytest -q tests/unit

check-types:
	@$(BIN)/mypy

check-contract:
	@$(BIN)/pytest -q tests/contract

check-style:
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/lint-imports

sandbox:
	@.ci/sandbox.sh up

sandbox-down:
	@.ci/sandbox.sh down

sandbox-test: setup-dev peers
	@ARGS='$(ARGS)' .ci/sandbox.sh test

soak: setup-dev peers
	@$(BIN)/python -m tests.faults.soak $(ARGS)

setup:
	@PYTHON='$(PYTHON)' .ci/setup.sh model

setup-dev:
	@PYTHON='$(PYTHON)' .ci/setup.sh model,train,celery,evaluate,dev

peers:
	@.ci/install-peers.sh

clean:
	rm -rf .venv build dist *.egg-info demo-out .coverage* .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
