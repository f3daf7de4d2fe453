# Every target works in the virtual environment VENV, which `make install` makes.
VENV ?= .venv
BIN := $(VENV)/bin
MEMBERS := core plugins/processing plugins/adf_validation plugins/export plugins/cleanup

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast lint format types contracts check docs bench chaos chaos-export proof

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: ## Install everything for development, members editable
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet '.[test]'
	$(BIN)/pip install --quiet --no-deps $(MEMBERS:%=-e %)
	$(BIN)/pre-commit install

demo: ## Run the main job on the sample specification
	$(BIN)/ticketgen demo

test: ## Run all tests, on real servers that the suite starts itself
	$(BIN)/python -m pytest -n 4

test-fast: ## Run the tests that need no server, in well under a minute
	$(BIN)/python -m pytest -n 4 -m 'not services'

lint: ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: ## Format, and mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: ## Check types, strictly
	$(BIN)/mypy

contracts: ## Check who may import whom
	$(BIN)/lint-imports

docs: ## Write the reference pages anew from the code
	$(BIN)/python docs/reference/build.py

bench: ## Measure what a start costs, with 0, 4 and 54 plugins
	$(BIN)/python -m benchmarks.startup

proof: ## Prove ADF on 25 times as many random texts and documents as the tests do
	TICKETGEN_ADF_PROOF=25 TICKETGEN_ADF_MUTANTS=120000 $(BIN)/python -m pytest -n 2 --timeout 3600 \
		$(addprefix tests/plugins/adf_validation/,test_proof.py test_checking.py \
		test_conversion_proof.py test_round_trips.py)

chaos: ## Break everything around the host for minutes, and count what is lost
	$(BIN)/python -m benchmarks.chaos --seed 1

chaos-export: ## Export to a stand-in for Jira while everything breaks, and count its issues
	$(BIN)/python -m benchmarks.chaos_export --seed 1

check: test lint types contracts ## What CI runs, in the same order
