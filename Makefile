# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Jupyter asks root to say so.
ROOT_FLAG := $(if $(filter 0,$(shell id -u)),--allow-root)
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD = 1
# Another environment that is active in the shell is none of the tests: IPython warns of it.
unexport VIRTUAL_ENV

.PHONY: demo lab test test-slow screenshot perf lint fetch clean

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'agentnb needs Python 3.11 or newer; try: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[demo]"
	touch $@

$(VENV)/.lab: pyproject.toml | $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[lab]"
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

fetch: $(VENV)/.demo
	$(BIN)/python -m agentnb fetch

demo: fetch
	$(BIN)/python -m agentnb demo

lab: $(VENV)/.lab fetch
	$(BIN)/jupyter lab $(ROOT_FLAG) notebooks/00-first-team.ipynb

# Two halves side by side; `$(BIN)/python -m pytest` alone is the same, one after the other.
test: $(VENV)/.dev fetch
	$(BIN)/python -m tests.halves

test-slow: $(VENV)/.dev fetch
	$(BIN)/python -m pytest -m slow --timeout 900

# The README's picture, as the browser test sees it.
screenshot: $(VENV)/.dev fetch
	$(BIN)/python -m pytest -m weights tests/browser -k first_notebook
	cp test-artifacts/first-team.png docs/first-team.png

# `make perf PEER=path/to/python` measures AutoGen beside it, if that Python's environment holds autogen-agentchat.
perf: $(VENV)/.dev
	$(BIN)/python -m tests.perf $(if $(PEER),--peer $(PEER))

lint: $(VENV)/.dev
	$(BIN)/ruff check agentnb tests
	$(BIN)/ruff format --check agentnb tests
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) .venvs .demo build dist
