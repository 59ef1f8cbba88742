# `make app` and `make test` each set up all they need; the only thing they expect is Python 3.11 or newer.

VENV ?= .venv
HOST ?= localhost
PORT ?= 8501
JOBS ?= 2

# Left empty, the Python to build the environment with is looked for.
PYTHON ?=
# On Linux the public index gives a PyTorch for NVIDIA cards, gigabytes of it. Where there is no card, the CPU
# build comes from this index, if it answers. `make TORCH_INDEX=` never asks; another address replaces it.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup app test lint screenshots notebook clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.test-ready ## Create the environment with everything the checks need

app: $(VENV)/.app-ready ## Serve the app (PORT=8501, HOST=localhost)
	$(BIN)/fame app --host $(HOST) --port $(PORT)

test: lint ## Lint, check types, run the tests (JOBS=2 at a time)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

lint: $(VENV)/.test-ready ## Lint and check types
	$(BIN)/ruff check
	$(BIN)/mypy

screenshots: $(VENV)/.test-ready ## Take the pictures in docs/ anew
	$(BIN)/python docs/screenshots.py

notebook: $(VENV)/.test-ready ## Run docs/read_a_trace.ipynb anew
	$(BIN)/python docs/notebook.py

clean: ## Remove the environment, caches and build outputs
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: each is as new as the last installation of its requirements.
$(VENV)/.app-ready: requirements.txt pyproject.toml
	@$(find-python); $(find-torch); \
	"$(BIN)/python" -c '$(new-enough)' 2>/dev/null || "$$python" -m venv --clear "$(VENV)" && \
	echo "Installing what the app needs into $(VENV) (once, some minutes) ..." && \
	$(PIP) $$torch -r requirements.txt
	@touch $@

$(VENV)/.test-ready: $(VENV)/.app-ready requirements-dev.txt
	@echo "Installing what the checks need into $(VENV) ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@

new-enough := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

# Sets $python to the first Python that is new enough and can make environments.
define find-python
python=; for name in $(or $(PYTHON),python3.11 python3.12 python3.13 python3 python); do \
	if "$$name" -c '$(new-enough)' >/dev/null 2>&1; then python=$$name; break; fi; \
done; \
if [ -z "$$python" ]; then \
	echo "Found no Python 3.11 or newer with its venv module (tried: $(or $(PYTHON),python3.11 python3.12 python3.13 python3 python);" \
		"python3 is $$(python3 --version 2>&1 | head -n 1)). Install one (on Debian: apt install python3-venv)" \
		"or name one: make PYTHON=/path/to/python3.11" >&2; \
	exit 1; \
fi
endef

# Sets $torch to the option that adds the CPU index, where that is wanted and the index answers within five seconds.
ask-index := import sys, urllib.request; urllib.request.urlopen(sys.argv[1] + "/torch/", timeout=4)
define find-torch
torch=; if [ -n "$(TORCH_INDEX)" ] && [ "$$(uname)" = Linux ] && ! command -v nvidia-smi >/dev/null && \
	timeout 5 "$$python" -c '$(ask-index)' "$(TORCH_INDEX)" >/dev/null 2>&1; then \
	torch="--extra-index-url $(TORCH_INDEX)"; \
fi
endef
