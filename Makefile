# `make` alone lists the targets. VENV=path uses another virtual environment.
VENV ?= .venv
PYTHON ?= python3
QUICKSTART_EPOCHS ?= 10
STUDY ?= .

VENV_BIN := $(if $(filter /%,$(VENV)),$(VENV),$(CURDIR)/$(VENV))/bin
INSTALLED = $(VENV)/.tinyres-$(shell cat requirements.lock pyproject.toml | cksum | cut -d' ' -f1)
LOCKED = --quiet --no-deps -r requirements.lock --editable .
export PATH := $(VENV_BIN):$(PATH)
export DVC_NO_ANALYTICS = 1
export MLFLOW_DISABLE_TELEMETRY = true
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# Each file's tests in one process, since they share what is set up for them; files in the order of tests/conftest.py.
PYTEST = python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup quickstart repro test test-all lint experiments ui bench

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(INSTALLED)  ## create .venv and install the locked packages (6 GB, 1 to 5 minutes)

# Named by the contents of the two files, not by their times. uv installs in a minute what pip installs in four, but does
# not read pip's configuration: where it fails, as it does where only pip was told about a mirror, pip installs the rest.
$(INSTALLED):
	@test -x "$(VENV_BIN)/python" || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) (6 GB, 1 to 5 minutes) ..."
	@rm -f $(VENV)/.tinyres-*
	@{ python -m pip install --quiet "$$(grep ^uv== requirements.lock)" \
		&& python -m uv pip install --python "$(VENV_BIN)/python" --compile-bytecode $(LOCKED) \
		|| { echo "uv could not install them; pip does, which takes a few minutes more ..." \
			&& python -m pip install $(LOCKED); }; } 2> $(VENV)/install.log || { cat $(VENV)/install.log; exit 1; }
	@PYTHONPATH=src python -m tinyres.convolutions
	@touch $@

# One network at a time has the cores to itself, so its threads had better spin for a moment before they sleep
# (benchmarks/README.md#waiting). On a GPU this does not matter.
quickstart repro: export GOMP_SPINCOUNT ?= 3000

quickstart: setup  ## the whole pipeline on handwritten digits, in an experiment of its own (about 3 minutes)
	@PYTHONPATH=src python -m tinyres.cli.dvc exp run --temp --force --name quickstart \
		--set-param data.source=digits --set-param epochs=$(QUICKSTART_EPOCHS) \
		--set-param augment.online.crop_padding=1 --set-param augment.online.flip=0 \
		--set-param tracking.experiment=quickstart
	@echo
	@PYTHONPATH=src python -m tinyres table --experiment quickstart
	@echo
	@echo "These are handwritten digits, to try the pipeline. Its runs, curves and figures:"
	@echo "  make ui                      compare the two runs in the MLflow UI"
	@echo "  make experiments             the experiment beside the workspace"
	@echo "  dvc exp apply quickstart     its files: metrics/, plots/, models/ (git stash -u brings yours back)"

repro: setup  ## the paper's study on all of CIFAR-100 (a GPU: minutes; two CPU cores: about 6 hours)
	@dvc repro

test: setup  ## the tests, on real DVC and MLflow, but for the slowest (about 10 minutes)
	@$(PYTEST) -m 'not slow'

test-all: setup  ## all tests, as CI runs them (about 25 minutes)
	@$(PYTEST)

lint: setup  ## ruff and mypy
	@ruff check . && ruff format --check . && mypy

ui: setup  ## the MLflow UI on this repository's runs, at http://127.0.0.1:5000
	@uri=$$(PYTHONPATH=src python -c 'from tinyres.tracking import store; store.connect(); print(store.tracking_uri())') \
		&& mlflow ui --backend-store-uri "$$uri" --host 127.0.0.1 --port 5000

experiments: setup  ## the experiments of a study (STUDY=studies/…): what sets them apart, and their metrics
	@PYTHONPATH=src python -m tinyres experiments "$(STUDY)"

bench: setup  ## the benchmarks, side by side; writes benchmarks/results.json
	@PYTHONPATH=src python -m benchmarks
