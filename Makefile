# Everything a person or CI runs. Needs Python >= 3.11, make and git; nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links --no-header

# The tests start the program often: compiling it each time costs more than running it.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test flood check lint again bench lock sbom audit fmt clean

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-7s %s\n", $$1, $$2}'

# Rebuilt from nothing when the lock or the project file is newer than the last install.
# After: only pinned and hashed files are installed, and the project itself as an editable.
$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "pagersync needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP) ## Watch alerts come in and a team being paged (ONCE=1 ends by itself)
	@$(BIN)/pagersync demo $(if $(ONCE),--once)

test: $(STAMP) ## Run the tests but the long ones (ARGS="-k inbox" to choose, "-m flood")
	$(BIN)/python -m pytest -m "not long and not flood" $(ARGS)

flood: $(STAMP) ## Kill and flood a real service in 40 rounds (ROUNDS=5)
	PAGERSYNC_FLOOD_ROUNDS=$(or $(ROUNDS),40) $(BIN)/python -m pytest -n 0 -s -q tests/flood/test_rounds.py

check: lint ## Everything CI runs: format, lint, types, layers, tests
	$(BIN)/python -m pytest

lint: $(STAMP) ## Format, lint, types, layers, licences
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m supply.licences

# After `check` failed. A test that passes alone waits for something that is late on a busy machine:
# it is named here, to be mended, and does not fail CI.
again: $(STAMP) ## Run the tests that failed once more, alone (3 at most)
	@$(BIN)/python -c 'import json, pathlib, sys; \
		failed = list(json.loads(pathlib.Path(".pytest_cache/v/cache/lastfailed").read_text())); \
		print("failed beside others (at most 3 are run once more, alone):", *failed, sep="\n  "); \
		sys.exit(not 0 < len(failed) <= 3)'
	$(BIN)/python -m pytest -n 0 --last-failed --last-failed-no-failures none

bench: $(STAMP) ## Measure against references in the same run (ARGS="--quick")
	$(BIN)/python -m bench $(ARGS)

fmt: $(STAMP) ## Format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What is shipped is tested in the same versions: the development lock is made first.
lock: $(STAMP) ## Resolve and pin the dependencies anew
	$(UV_COMPILE) --upgrade --group dev pyproject.toml -o requirements-dev.lock
	$(UV_COMPILE) --upgrade -c requirements-dev.lock pyproject.toml -o requirements.lock
	$(UV_COMPILE) --upgrade -c requirements-dev.lock --group build -o requirements-build.lock

# Without a time and a random name in it: the same lock makes the same file.
sbom: $(STAMP) ## List what an installation holds, as CycloneDX: dist/pagersync.cdx.json
	@mkdir -p dist
	$(BIN)/python -W ignore::UserWarning -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml \
		--output-reproducible --spec-version 1.6 --output-file dist/pagersync.cdx.json

audit: $(STAMP) ## Ask a database for known vulnerabilities of the lock, if it can be reached
	$(BIN)/python -m supply.audit

clean: ## Remove the virtual environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
