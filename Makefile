PYTHON ?= python3.11
BIN := .venv/bin
# Files in the order of tests/conftest.py, those with slow tests first, not by their number of tests.
PYTEST := -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: install install-keras3 demo test test-keras3 test-keras3-short test-contrib test-all fuzz check docs format lock release-check clean

install: .venv/installed
install-keras3: .venv-keras3/installed

# Everything from a lock file with its hashes, then the project itself without resolving anything.
define INSTALL
@echo "1/3  Making an environment in $(@D) with $(PYTHON)"
@$(PYTHON) -m venv $(@D)
@echo "2/3  Installing $$(grep -c '^[a-z].*==' $<) locked packages, TensorFlow among them: about 1 GB, one to five minutes"
@$(@D)/bin/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r $<
@echo "3/3  Installing nima-pretrain itself"
@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
@touch $@
@echo "Done. $(@D)/bin/nima-pretrain --help lists the commands."
endef

.venv/installed: requirements/development.txt pyproject.toml
	$(INSTALL)

.venv-keras3/installed: requirements/keras3.txt pyproject.toml
	$(INSTALL)

demo: install
	@echo "Scoring sample photos with the bundled weights, then training on them with synthetic ratings: three to five minutes on two cores"
	$(BIN)/nima-pretrain train --overwrite

test: install
	$(BIN)/python $(PYTEST)

# The same tests with today's TensorFlow and Keras 3, which Python 3.12 and later get anyway.
test-keras3: install install-keras3
	.venv-keras3/bin/python $(PYTEST)

# Where the two differ: what computes with TensorFlow, Keras or NumPy 2, without the slow tests, and
# that killed trainings resume to the same weights. `make test-keras3` runs the rest.
OF_KERAS := $(addprefix tests/,networks pretext training weights distillation exporting distortions data \
	test_losses.py test_metrics.py prediction/test_engines.py prediction/test_scoring.py prediction/test_mirrored.py)
test-keras3-short: install install-keras3
	.venv-keras3/bin/python $(PYTEST) -m "not slow" $(OF_KERAS)
	.venv-keras3/bin/python $(PYTEST) -m slow tests/training/test_checkpoint.py tests/training/test_finetune_resume.py

# Hours on two cores: everything that there is to test.
test-all: test test-keras3 test-contrib

# The folders of contrib/: each has an environment of its own, Ray's tests run in two.
define INSTALL_CONTRIB
$(PYTHON) -m venv $(@D)
$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
touch $@
endef

contrib/%/.venv/installed: contrib/%/requirements.txt
	$(INSTALL_CONTRIB)

contrib/ray/.venv-grid/installed: contrib/ray/grid.txt
	$(INSTALL_CONTRIB)

test-contrib: install $(patsubst %,contrib/%/installed,darktable/.venv photos/.venv ray/.venv ray/.venv-grid)
	$(BIN)/python -m pytest contrib/darktable/tests
	$(BIN)/python -m pytest contrib/photos/tests
	$(BIN)/python -m pytest contrib/serving/tests
	PYTHONPATH=src contrib/ray/.venv/bin/python -m pytest contrib/ray/tests/test_score.py
	PYTHONPATH=src contrib/ray/.venv-grid/bin/python -m pytest contrib/ray/tests/test_grid.py

# 100,000 mutated ratings files and 20,000 of each other kind, read in processes of their own.
fuzz: install
	$(BIN)/python -m tests.fuzz --inputs 100000

check: install docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation as a site, in site/; open site/index.html. Broken links are errors.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Writes the lock files anew from the ranges in pyproject.toml, for every Python that fits.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header -c requirements/constraints.txt
lock:
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) --extra gpu pyproject.toml -c requirements/runtime.txt -o requirements/gpu.txt
	$(COMPILE) --extra development pyproject.toml -c requirements/runtime.txt -o requirements/development.txt
	$(COMPILE) --extra development pyproject.toml --override requirements/keras3-overrides.txt -o requirements/keras3.txt

# Everything that is to be true before a version is tagged; CONTRIBUTING.md has the steps.
release-check: install
	.ci/release-check

clean:
	rm -rf .venv .venv-keras3 .mypy_cache .pytest_cache .ruff_cache dist site
