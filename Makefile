# Every target sets up what it needs by itself: a .venv with a pinned uv inside it. The second time it is instant.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.8
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
STUDIO_ENV := LANGGRAPH_CLI_NO_ANALYTICS=1 LANGGRAPH_NO_VERSION_CHECK=true LANGSMITH_TRACING=false

.PHONY: help demo run test test-kill test-models test-conformance scenarios lint bench bench-model test-replay bench-cluster bench-repair bench-repair-real soak soak-short schema access control-plane test-control-plane prove notebooks test-studio studio lock wheel clean

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 22

demo: $(RUNTIME) ## break workloads on an embedded cluster and watch them being repaired
	$(BIN)/k8s-auto-fixer demo

run: $(RUNTIME) ## run the daemon on the cluster of your current context (mode suggest)
	$(BIN)/k8s-auto-fixer run

test: $(DEV) ## the fast tests: Python and loopback only
	$(BIN)/pytest -n 3 --dist loadgroup

test-conformance: $(DEV) ## facts of the Kubernetes API on the embedded cluster
	$(BIN)/pytest -n 2 --dist loadgroup -m conformance tests/conformance tests/simulator

scenarios: $(DEV) ## every scenario, in words drawn by its seed, by the real program on the embedded cluster
	$(BIN)/python -m benchmarks.repair --repetitions 1 --fresh --again

test-kill: $(DEV) ## kill the daemon at every request and every commit of an incident
	$(BIN)/pytest -n 2 -m kill tests/kill tests/cli

test-models: $(DEV) ## the whole program against a model on loopback that misbehaves in every way
	$(BIN)/pytest -n 2 -m models tests/models_end_to_end tests/tools

lint: $(DEV) ## formatting, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV) ## measure the daemon against its targets, side by side in one run; results in benchmarks/results
	$(BIN)/python benchmarks/bench.py

bench-model: $(DEV) ## what an incident costs at a model, beside the simplest supervisor; no key, nothing leaves the machine
	$(BIN)/python -m benchmarks.model

test-replay: $(DEV) ## every scenario on the embedded cluster, exported as a case and decided again from the file
	$(BIN)/pytest -m replay tests/cases
	$(BIN)/python -m tests.cases

bench-cluster: $(DEV) ## measure the embedded cluster, 5,000 pods included
	$(BIN)/python benchmarks/embedded_cluster.py

bench-repair: $(DEV) ## repair and harm: every scenario in other words, five times; REPAIR="--set second" holds other words
	$(BIN)/python -m benchmarks.repair $(REPAIR)

bench-repair-real: control-plane ## the same, once, on a real control plane
	$(BIN)/python -m benchmarks.repair --real $(REPAIR)

soak: $(DEV) ## 10,000 dropped watches, 100 restarts, 5,000 incidents; about an hour; results in benchmarks/results
	$(BIN)/python benchmarks/soak.py

soak-short: $(DEV) ## the same in about a minute
	$(BIN)/python benchmarks/soak.py --short

control-plane: $(DEV) ## build etcd, kube-apiserver, controller-manager, scheduler and kubectl from their Go modules
	$(BIN)/python -m tests.control_plane.build

test-control-plane: control-plane ## harness, conformance, and a scenario of each family on a real control plane
	$(BIN)/pytest -m control_plane tests/control_plane tests/conformance

access: control-plane ## take the first roles of a cluster from the real API server again
	$(BIN)/python -m tests.control_plane.access

prove: control-plane ## every scenario, and the daemon killed everywhere, on both clusters; goes on where it stopped; writes docs/proof.*, docs/repair.*
	$(BIN)/python -m tests.prove

schema: control-plane ## take the facts about fields from the real API server again
	$(BIN)/python -m tests.control_plane.schema

notebooks: $(DEV) ## run the notebooks in fresh kernels, on the embedded cluster and without keys
	$(BIN)/pytest -n 2 -m notebooks tests/notebooks

test-studio: $(DEV) ## start LangGraph's development server and drive it through its client
	$(BIN)/pytest -m studio tests/studio tests/graph

studio: $(DEV) ## LangGraph Studio's server on an embedded cluster with a few things broken in it
	env -u K8S_AUTO_FIXER_KUBECONFIG $(STUDIO_ENV) $(BIN)/langgraph dev --no-browser --no-reload

wheel: $(RUNTIME) ## build the wheel into dist/
	rm -rf dist
	$(BIN)/uv build --wheel --quiet --out-dir dist .

lock: $(BIN)/uv ## resolve the dependencies again
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --quiet --custom-compile-command "make lock" --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra studio --constraint requirements.lock \
	  --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --quiet --custom-compile-command "make lock" --output-file requirements-dev.lock

clean: ## remove what the targets made (the control plane's binaries stay in their cache)
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .langgraph_api

$(BIN)/uv:
	@echo "setting up $(VENV) with uv $(UV_VERSION)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=python3.12, say"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/uv
	@echo "installing what the program needs"
	@$(BIN)/uv pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "installing what the tests need"
	@$(BIN)/uv pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@
