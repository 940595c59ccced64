PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: install demo test check format lock clean

install: .venv/installed

# Everything from the lock file with its hashes, then the project itself without resolving anything.
.venv/installed: requirements/development.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/development.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: install
	$(BIN)/nima-pretrain train --overwrite

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Writes the lock files anew from the ranges in pyproject.toml.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
lock:
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) --extra gpu pyproject.toml -c requirements/runtime.txt -o requirements/gpu.txt
	$(COMPILE) --extra development pyproject.toml -c requirements/runtime.txt -o requirements/development.txt

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
