# The development tasks of this project. `make help` lists them.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Toolforge's command line, as it is published: it needs older packages than this project.
TOOLFORGE := $(VENV)/toolforge
IMAGE ?= components-api:0.1.0
CLUSTER_ARGS ?=
CHAOS_ARGS ?= --minutes 10
SOAK_ARGS ?= --minutes 60
BENCH_ARGS ?=
PYTEST_ARGS ?= -n 3 --dist worksteal

# `make test COVERAGE=` measures none, and is quicker.
COVERAGE := --cov --cov-report= --cov-fail-under=0
# Modules that only `make test-cluster` covers; `make coverage` includes them.
IN_CLUSTER := backends/kube/connection.py,backends/kube/pod_logs.py,backends/stores/kubernetes.py,backends/builders/tekton/builder.py,backends/builders/tekton/logs.py,backends/runners/kubernetes/*
# An API server is built unless KUBEBUILDER_ASSETS or a whole cluster is given.
ASSETS := [ -n "$$KUBEBUILDER_ASSETS" ] || [ "$$COMPONENTS_TEST_CLUSTER" = 1 ] || \
  KUBEBUILDER_ASSETS=$$($(BIN)/python -m tests.cluster.assets) || exit 1; export KUBEBUILDER_ASSETS

.DEFAULT_GOAL := help
.PHONY: help install toolforge-cli run demo test cluster-assets test-cluster chaos soak bench bench-check coverage lint format openapi chart image pictures lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Create .venv with all dependencies, if it is not up to date

$(STAMP): requirements-dev.lock setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.13 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@# The lock file is complete: without --no-deps, pip looks for newer versions than the pinned ones.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  --requirement requirements-dev.lock
	@rm -rf *.egg-info  # an old one would hide new entry points
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --no-build-isolation --editable .
	@touch $@

toolforge-cli: $(TOOLFORGE)/.installed ## Install Toolforge's published command line, for the tests

$(TOOLFORGE)/.installed: requirements-toolforge.lock $(STAMP)
	$(BIN)/python -m venv $(TOOLFORGE)
	$(TOOLFORGE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --require-hashes --requirement requirements-toolforge.lock
	@touch $@

run: install ## Run the service on 127.0.0.1:8000 (COMPONENTS_PORT): memory store, simulated builds
	COMPONENTS_STORE=memory COMPONENTS_BUILDER=simulated $(BIN)/components serve

demo: install ## Deploy a sample and follow it; builds images if an engine works here
	@$(BIN)/python -m examples.demo

test: install toolforge-cli ## Run all tests that need no cluster, with coverage
	$(BIN)/python -m pytest $(PYTEST_ARGS) --ignore=tests/cluster $(COVERAGE)
	$(if $(COVERAGE),$(BIN)/coverage report --omit='$(IN_CLUSTER)')

cluster-assets: install ## Build etcd and Kubernetes for the tests, once, and print their directory
	@$(BIN)/python -m tests.cluster.assets

test-cluster: install toolforge-cli ## Run the tests on a real API server (KUBEBUILDER_ASSETS, or built once)
	@$(ASSETS); set -x; $(BIN)/python -m pytest tests/cluster $(CLUSTER_ARGS) $(COVERAGE) --cov-append

chaos: install ## Inject faults while 50 tools deploy, on the same API server (CHAOS_ARGS)
	@$(ASSETS); set -x; $(BIN)/python -m tests.chaos $(CHAOS_ARGS)

soak: install ## Deploy for an hour, and check that memory does not grow (SOAK_ARGS)
	$(BIN)/python -m tests.chaos.soak $(SOAK_ARGS)

bench: install ## Measure the service against the limits of this machine (BENCH_ARGS)
	@$(BIN)/python -m bench $(BENCH_ARGS)

bench-check: install ## Check that what does not depend on the machine has not become worse
	@$(BIN)/python -m bench.check

coverage: ## Report the combined coverage of `make test` and a later `make test-cluster`
	$(BIN)/coverage report

chart: install ## Check the chart with Helm's library, and write its README
	$(BIN)/python helm/check.py

lint: install ## Check format, style, types, import directions and CI files
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.gitlab-ci \
	  .gitlab-ci.yml examples/ci/gitlab.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows \
	  .github/workflows/ci.yml examples/ci/github.yml

format: install ## Format the code, and apply automatic fixes
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

openapi: install ## Print the OpenAPI document
	@$(BIN)/python -m components.http

image: ## Build the container image with podman, buildah or docker
	@engine=; for each in podman buildah docker; do \
	  if $$each info >/dev/null 2>&1; then engine=$$each; break; fi; \
	done; \
	[ -n "$$engine" ] || { echo "podman, buildah or docker is needed, and none works here" >&2; exit 1; }; \
	set -x; $$engine build --file Containerfile --tag $(IMAGE) .

pictures: install ## Recreate the picture of a deployment in docs/
	$(BIN)/python -m examples.pictures

lock: install ## Update the lock files from setup.py
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-header --extra dev --output-file requirements-dev.lock setup.py
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-header --constraint requirements-dev.lock --output-file requirements.lock setup.py
	echo setuptools | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-header --constraint requirements-dev.lock \
	  --output-file requirements-build.lock -
	echo toolforge-components-cli | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --upgrade --no-header --output-file requirements-toolforge.lock -

clean: ## Remove the files that other targets create
	rm -rf $(VENV) build dist *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache \
	  .ruff_cache .import_linter_cache
