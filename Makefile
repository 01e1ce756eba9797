# Every command sets up what it needs: a Python of at least 3.11 and make are enough. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CODE := workflow_engine tests docs $(wildcard graphs bench)

# No tool may depend on a writable HOME: a build machine often has none.
export MYPY_CACHE_DIR := .cache/mypy
export RUFF_CACHE_DIR := .cache/ruff
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: help
help:  ## list the commands
	@sed -n 's/^\([a-z][a-z]*\):.*##/\1/p' Makefile

# ---------------------------------------------------------------------------------------------------- set-up

.PHONY: install
install: $(INSTALLED)  ## create .venv with the pinned versions

# A pyenv shim is found by `command -v` and still fails, so a Python counts only once it has run.
FITS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

$(INSTALLED): pyproject.toml constraints.txt
	@if ! $(BIN)/python -c '$(FITS)' >/dev/null 2>&1; then \
	    for candidate in $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python); do \
	        if "$$candidate" -c '$(FITS)' >/dev/null 2>&1; then found="$$candidate"; break; fi; \
	    done; \
	    if [ -z "$$found" ]; then \
	        echo "No Python of at least 3.11 with venv was found (tried: $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python))." >&2; \
	        echo "Install one (on Debian and Ubuntu also python3-venv), or name it: make $(or $(MAKECMDGOALS),install) PYTHON=/path/to/python3.11" >&2; \
	        exit 1; \
	    fi; \
	    echo "Creating $(VENV) with $$("$$found" --version). The first time takes a minute or two."; \
	    "$$found" -m venv --clear $(VENV); \
	fi
	@$(BIN)/python -m pip install -qq --constraint constraints.txt hatchling editables
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@
