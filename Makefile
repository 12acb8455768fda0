# One command per chore. `make help` lists them. Needs Python >= 3.11 and git; uv is used when it is there.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
READY := .venv/.ready
READY_DEV := .venv/.ready-dev
UV := $(shell command -v uv 2>/dev/null)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate

ifdef UV
INSTALL = $(UV) pip install --quiet --compile-bytecode --python $(BIN)/python
else
INSTALL = $(BIN)/python -m pip install -qq
endif

.PHONY: demo test lint types format bench lock clean help

demo: $(READY) ## a living sample community on this machine; ARGS="--speed 1440 --seconds 60"
	@$(BIN)/qunxing demo $(ARGS)

test: $(READY_DEV) ## the default test suite; ARGS="tests/rules -x"
	@$(BIN)/pytest -n auto --dist worksteal $(ARGS)

lint: $(READY_DEV) ## formatter, linter and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache

types: $(READY_DEV) ## strict types
	@$(BIN)/mypy

format: $(READY_DEV) ## put the code into its usual form
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: $(READY_DEV) ## the benchmarks, each beside its floor; ARGS="intake"
	@$(BIN)/python -m bench $(ARGS)

lock: $(READY_DEV) ## choose versions anew; ARGS="--upgrade"
	@$(COMPILE) $(ARGS) --all-extras --group build -o requirements.lock pyproject.toml
	@$(COMPILE) $(ARGS) --group dev -c requirements.lock -o requirements-dev.lock

clean: ## remove what the other commands made; your config.toml and data stay
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- the environment: made once, and again when a lock changes

.venv/bin/python:
	@python=; for name in "$(PYTHON)" python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  [ -n "$$name" ] || continue; \
	  "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { python="$$name"; break; }; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Qunxing needs Python 3.11 or newer, and none was found. Install one, or name it: make PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	echo "Making .venv with $$("$$python" --version 2>&1) ..."; \
	if [ -n "$(UV)" ]; then "$(UV)" venv --quiet --no-python-downloads --python "$$python" .venv; \
	else "$$python" -m venv .venv; fi || { \
	  rm -rf .venv; \
	  echo "This Python cannot make an environment. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	  exit 1; \
	}

$(READY): requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing what Qunxing runs on (once, half a minute) ..."
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(READY_DEV): requirements-dev.lock $(READY)
	@echo "Installing the test tools (once, half a minute) ..."
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@
