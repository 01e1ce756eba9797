# Every command sets up what it needs: a Python of at least 3.11 and make are enough. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CODE := workflow_engine tests docs $(wildcard graphs examples bench)
RUN ?= graphs/ship.py --model offline -i @graphs/ship.json --picture run.png
PYTEST := $(BIN)/python -m pytest

# No command may need a writable HOME, or leave its cache anywhere but here.
export HYPOTHESIS_STORAGE_DIRECTORY := .cache/hypothesis
export MYPY_CACHE_DIR := .cache/mypy
export RUFF_CACHE_DIR := .cache/ruff
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
# A machine may forbid it: then each of the many processes that the tests start would compile all of this anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

.PHONY: run
run: $(INSTALLED) ## run the ready workflow graphs/ship.py with the offline playbook
	@$(BIN)/workflow run $(RUN)
	@for each in releases/*/current; do if [ -e "$$each" ]; then echo "  the release: $$each"; fi; done >&2

.PHONY: test
test: $(INSTALLED) ## run the tests and the examples in docstrings
	@$(PYTEST) -n 2 --dist loadfile

.PHONY: check
check: lint types arch test ## everything a change must pass

# ------------------------------------------------------------------------------------------------ set-up

# A pyenv shim is found by `command -v` and still fails, so a Python counts only once it has run.
FITS := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python)

.PHONY: install
install: $(INSTALLED) ## create .venv with the pinned versions (PYTHON=... names the Python to use)

$(INSTALLED): pyproject.toml constraints.txt
	@if ! $(BIN)/python -c '$(FITS)' >/dev/null 2>&1; then \
	    found=; \
	    for python in $(PYTHONS); do \
	        if "$$python" -c '$(FITS)' >/dev/null 2>&1; then found=$$python; break; fi; \
	    done; \
	    if [ -z "$$found" ]; then \
	        echo "No Python of at least 3.11 with venv and pip was found (tried: $(PYTHONS))." >&2; \
	        echo "Install one (Debian and Ubuntu: python3 and python3-venv) or name it: make install PYTHON=/path/to/python3" >&2; \
	        exit 1; \
	    fi; \
	    echo "Creating $(VENV) with $$("$$found" --version). The first time takes a minute or two." >&2; \
	    "$$found" -m venv --clear $(VENV) || exit 1; \
	else \
	    echo "Bringing $(VENV) up to date." >&2; \
	fi
# The build back end first, pinned, so that the project itself is built by it and not by whatever is newest.
	@$(BIN)/python -m pip install -qq --constraint constraints.txt hatchling editables
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

.PHONY: pins
pins: ## write constraints.txt anew with the newest versions that pyproject.toml allows
	@rm -rf .cache/pins && $(or $(PYTHON),python3) -m venv .cache/pins
	@.cache/pins/bin/python -m pip install -qq editables --editable '.[dev]'
	@.cache/pins/bin/python -m pip freeze --exclude-editable | LC_ALL=C sort -f > constraints.txt
	@rm -rf .cache/pins

# ------------------------------------------------------------------------------------------------ habits

.PHONY: format
format: $(INSTALLED) ## put the code into the one format
	@$(BIN)/ruff check --quiet --fix-only --select I $(CODE)
	@$(BIN)/ruff format $(CODE)

.PHONY: lint
lint: $(INSTALLED) ## check format and habits
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)

.PHONY: types
types: $(INSTALLED) ## check types with mypy and pyright
	@$(BIN)/mypy $(CODE)
	@$(BIN)/pyright $(CODE)

.PHONY: arch
arch: $(INSTALLED) ## check that imports go only downward
	@$(BIN)/lint-imports --no-logo --cache-dir .cache/import_linter

.PHONY: crash
crash: $(INSTALLED) ## kill real processes at every write, many times
	@$(PYTEST) -n 2 --dist loadfile -m crash

.PHONY: bench
bench: $(INSTALLED) ## measure us and our peers side by side, and write bench/RESULTS.md (ARGS=--quick for a short look)
	@$(BIN)/python -m bench $(ARGS)

.PHONY: docs
docs: $(INSTALLED) ## run every block of docs/, write docs/architecture.md anew, and build the site into build/site
	@$(BIN)/python docs/make_architecture.py
	@$(PYTEST) -n 2 --dist loadfile -q tests/docs
	@$(BIN)/python -m docs.site

.PHONY: clean
clean: ## remove .venv, caches and builds; runs in checkpoints/ stay
	@rm -rf $(VENV) .cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
