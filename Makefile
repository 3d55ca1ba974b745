# One command each to run, test, check and measure. Needs make and Python 3.11 or newer, nothing
# else: the first use makes .venv, and a change of pyproject.toml or constraints.txt renews it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for python in python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --constraint constraints.txt
MODEL := smollm2
EMBEDDER := minilm

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: help demo test peers check bench fuzz wheel constraints clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/memory.stamp ## a real model on this machine, streamed by supervised actors
	@$(BIN)/runtime pull $(MODEL)
	@$(BIN)/runtime pull $(EMBEDDER)
	@$(BIN)/runtime demo

test: $(VENV)/development.stamp ## all tests, in two processes, with the models on this machine
	@$(BIN)/runtime pull $(MODEL)
	@$(BIN)/runtime pull $(EMBEDDER)
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

peers: $(VENV)/peers.stamp ## the official clients of the providers against our fakes of them
	@$(BIN)/python -m pytest tests/actors/test_fake_official_clients.py $(ARGS)

check: $(VENV)/development.stamp ## ruff, mypy and pyright (both strict), and the architecture
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/pyright
	@$(BIN)/python -m pytest --quiet tests/test_architecture.py

bench: $(VENV)/core.stamp ## measure; every figure beside its floor (ARGS="..." is passed on)
	@$(BIN)/runtime bench $(ARGS)

fuzz: $(VENV)/fuzz.stamp ## make up answers that break a codec: a minute each (ARGS="--seconds 600 gemini")
	@nice $(BIN)/python tests/fuzz/fuzz_codecs.py $(ARGS)

wheel: $(VENV)/development.stamp ## build what we ship and try it in an empty environment
	@.ci/wheel $(BIN)/python

constraints: $(VENV)/development.stamp $(VENV)/peers.stamp ## write down the versions that are in .venv
	@echo "# The versions that this is tested with; written by 'make constraints'." > .venv/frozen
	@$(BIN)/python -m pip freeze --exclude-editable --exclude pip >> .venv/frozen
	@! grep --line-number ' @ ' .venv/frozen || { echo "a version, not an address, please" >&2; exit 1; }
	@mv .venv/frozen constraints.txt && touch $(VENV)/{core,memory,development,peers}.stamp

clean: ## remove everything that was made here, .venv and all
	@rm -rf $(VENV) .build .fuzz dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find runtime actors tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/core.stamp: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed, and neither python3.11" \
		"nor python3 is that; say which one with: make PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Installing the runtime into $(VENV) with $(PYTHON) (once, some 20 seconds) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/memory.stamp: $(VENV)/core.stamp
	@echo "Installing Chroma, in which agents remember, with its libraries (once, some 60 seconds) ..."
	@$(INSTALL) --editable '.[memory]'
	@touch $@

$(VENV)/development.stamp: $(VENV)/core.stamp
	@echo "Installing what tests and checks need (once, some 40 seconds) ..."
	@$(INSTALL) --editable '.[test,check]'
	@touch $@

$(VENV)/fuzz.stamp: $(VENV)/core.stamp
	@$(INSTALL) --editable '.[fuzz]'
	@touch $@

$(VENV)/peers.stamp: $(VENV)/development.stamp
	@echo "Installing the official clients, 126 MB (once, some 20 seconds) ..."
	@$(INSTALL) --editable '.[peers]'
	@touch $@
