# Start with `make run` and `make test`. You need Python 3.11 or newer, nothing else.

PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
IS_NEW_ENOUGH := -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
BIN := .venv/bin
export UV_LINK_MODE ?= copy
# tests start many short processes, each of which would compile the project anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run setup venv test test-vllm test-vllm-kills test-vllm-ray test-servers test-ray check format bench dictionary reference lock clean

run: setup ## Set up and run the main job: both small models on 200 puzzles
	$(BIN)/a2r run quickstart

setup: .venv/.installed ## Install only

venv: # The environment, with the first of PYTHON that is new enough; one with an old Python is replaced
	@$(BIN)/python $(IS_NEW_ENOUGH) || { \
	  for python in $(PYTHON); do \
	    if $$python $(IS_NEW_ENOUGH); then exec $$python -m venv --clear .venv; fi; \
	  done; \
	  echo "A2R needs Python 3.11 or newer with venv; tried: $(PYTHON). Install one (apt install python3.11 python3.11-venv)" \
	    "or name it: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	}

.venv/.installed: requirements.lock pyproject.toml
	@$(MAKE) --no-print-directory venv PYTHON="$(PYTHON)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

# Two processes more than the smallest machine has cores: a third of the tests' time is waiting, for servers and clocks.
test: setup ## Run all tests, the long files first
	$(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

test-vllm: ## Compare onnx, vLLM in process and vLLM servers on one experiment, in a separate environment (.venv-vllm)
	tests/vllm/run.sh

test-vllm-kills: setup ## Kill runs, guards, servers and replicas on the real vLLM, and change a chat template
	tests/vllm/run.sh kills

test-vllm-ray: setup ## The real vLLM as two replicas on Ray, which is added to .venv-vllm
	tests/vllm/run.sh ray

test-servers: setup ## Ask transformers serve and the LiteLLM proxy, each in a separate environment
	tests/servers/run.sh

test-ray: setup ## Replicas on real Ray nodes, killed, frozen and joined, in a separate environment (.venv-ray)
	tests/ray/run.sh

check: setup ## Check format, lint, types, architecture, SQL, data dictionary, reference of settings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --disable-progress-bar warehouse/sql
	$(BIN)/python -m warehouse.dictionary --check
	$(BIN)/python -m configs.reference --check

format: setup ## Format Python and SQL
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/sqlfluff fix warehouse/sql

bench: setup ## Measure the catalog at a million samples, grading, the pipeline against a plain client, a large report, the cost of a shard and of starting, the viewer over a million traces, every command as a root grows
	$(BIN)/python tests/bench/catalog.py
	$(BIN)/python tests/bench/grading.py
	$(BIN)/python tests/bench/pipeline.py
	$(BIN)/python tests/bench/report.py
	$(BIN)/python tests/bench/scale.py
	$(BIN)/python tests/bench/shards.py
	$(BIN)/python tests/bench/start.py
	$(BIN)/python tests/bench/view.py

dictionary: setup ## Write docs/data-dictionary.md from the catalog's comments
	$(BIN)/python -m warehouse.dictionary

COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-header --no-annotate --quiet --upgrade

reference: setup ## Write docs/settings.md from the configuration's docstrings
	$(BIN)/python -m configs.reference

lock: setup ## Re-resolve the four locks: the default, Ray beside it, with vLLM, with vLLM's CPU build (torch left to pip)
	$(COMPILE) --extra dev -o requirements.lock
	$(COMPILE) --extra ray --constraints requirements.lock -o requirements-ray.lock
	$(COMPILE) --extra vllm -o requirements-vllm.lock
	$(COMPILE) tests/vllm/requirements.in --excludes tests/vllm/excludes.txt --overrides tests/vllm/overrides.txt -o tests/vllm/requirements.lock

clean: ## Remove the environment and caches, never results
	rm -rf .venv .venv-vllm .venv-ray .ruff_cache .pytest_cache .import_linter_cache
