# make run: the quick suite and its leaderboard.   make test: the tests.   Both set up .venv once.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-long chaos soak fuzz lint lock clean

run: .venv/ready
	$(BIN)/python -m benchmark run quick

# In two processes at once: the tests of the rooms beside those of whole runs and commands, which mostly wait for processes and Ray. One room
# stands with the latter, so that both take as long.
RUNS := tests/search tests/speed tests/tracking tests/fuzzing tests/data $(wildcard tests/test_*.py)
ROOMS := $(filter-out $(RUNS) tests/__pycache__, $(patsubst %/,%,$(wildcard tests/*/)))

test: .venv/ready
	@mkdir -p .cache
	@$(BIN)/python -m pytest -m "not long" $(ROOMS) > .cache/tests-of-rooms.log 2>&1 & rooms=$$!; \
	$(BIN)/python -m pytest -m "not long" $(RUNS); runs=$$?; \
	wait $$rooms; failed=$$?; cat .cache/tests-of-rooms.log; exit $$((runs | failed))

# The few that take a minute each: workers killed under Ray, examples pasted into a checkout, the numbers of presets. CI runs both.
test-long: .venv/ready
	$(BIN)/python -m pytest -m long

# Kills whatever a run consists of, starts it again, and counts what came of it: some ten minutes.
chaos: .venv/ready
	$(BIN)/python tests/search/chaos.py

# How busy three nodes are kept, and what a thousand trainings in one run leave behind: some twenty minutes.
soak: .venv/ready
	$(BIN)/python tests/search/soak.py

# A million inputs that nobody would think of, or N=…: suite files, records, tables, command lines. Half an hour.
fuzz: .venv/ready
	POLARS_MAX_THREADS=1 $(BIN)/python tests/fuzzing/fuzz.py $(N)

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy benchmark methods datasets tests

.venv/ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "This project needs Python 3.11 or newer; name one with: make PYTHON=python3.12")'
	@echo "Setting up .venv: downloads and installs the packages of requirements.lock, one to three minutes."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[dev]'
	@touch $@

# Resolves anew, from pyproject.toml alone, and writes the exact versions.
# A local version (torch's "+cpu") is cut off, so that the lock also holds where pip finds the GPU build.
# --all: without it pip leaves setuptools out, which the test of the wheel builds with.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --editable '.[dev]'
	.venv-lock/bin/python -m pip freeze --all --exclude pip --exclude-editable | sed 's/+[a-z0-9.]*$$//' > requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv .cache
