# The newcomer's road: `make demo`, `make test`, `make check` on a machine with Python 3.11 to 3.13, git and a compiler.

PYTHON ?= python3
PHOTOS ?=
MINUTES ?= 10
VM ?= tests/vm

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# What some tests run, by the Debian package that brings it; where it can't be had those tests say why they skip.
DEBIAN_PACKAGES := acl attr bindfs faketime fuse3 pngcheck rsync strace
# What the virtual machine runs, and what it mounts there.
VM_PACKAGES := busybox-static cifs-utils dmsetup e2fsprogs iproute2 linux-image-amd64 nfs-common nfs-kernel-server \
  qemu-system-x86 samba smbclient
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: $(INSTALLED)  ## run the daemon on a few portraits; make demo PHOTOS=DIR takes your own
	@$(BIN)/python -m tests.demo $(if $(PHOTOS),--photos "$(PHOTOS)")

.PHONY: test
test: $(INSTALLED) debian  ## every test but the soak and the virtual machine
	@$(BIN)/pytest --numprocesses auto --maxprocesses 4 -m "not soak and not vm" --contracts

.PHONY: check
check: $(INSTALLED)  ## style, types, layers, sizes and the quick tests
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { $(BIN)/ruff format --diff --quiet; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python tests/check_sizes.py
	@$(BIN)/pytest --numprocesses auto --maxprocesses 4 -m "not e2e and not slow and not soak and not vm"

.PHONY: faults
faults: $(INSTALLED) debian  ## prove the contracts under faults: one line a contract, with counts
	@$(BIN)/pytest -m "contract and not soak and not vm" --contracts

.PHONY: vm
vm: $(INSTALLED) debian machine  ## real shares and real power cuts, in a virtual machine
	@$(BIN)/pytest -m vm --contracts $(VM)

.PHONY: soak
soak: $(INSTALLED) debian  ## random drops, faults, kills and reloads; make soak MINUTES=120 for the long one
	@BSHM_WATCHD_SOAK_MINUTES=$(MINUTES) BSHM_WATCHD_SOAK_EXAMPLES=$$((20 * $(MINUTES))) $(BIN)/pytest -m soak -s --contracts

.PHONY: mutants
mutants: $(INSTALLED) debian  ## break each contract on purpose and see its test fail
	@$(BIN)/python -m tests.mutants

.PHONY: quality
quality: $(INSTALLED)  ## the table of mattes against rembg; PACK=DIR has photos, mattes, backgrounds
	@$(BIN)/python -m tests.quality $(PACK)

.PHONY: compare
compare: $(INSTALLED)  ## photos a second against rembg with the same weights, in interleaved pairs
	@$(BIN)/python -m tests.compare

.PHONY: lock
lock:  ## renew .ci/requirements.lock with the newest versions that fit
	@rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	@$(VENV)-lock/bin/pip install -qq --editable '.[dev]'
	@{ sed -n '/^#/p' .ci/requirements.lock; $(VENV)-lock/bin/pip freeze --exclude-editable; } > $(VENV)-lock/new
	@mv $(VENV)-lock/new .ci/requirements.lock && rm -rf $(VENV)-lock
	@git diff --stat .ci/requirements.lock

.PHONY: clean
clean:  ## remove the environment, the demo and what tools left behind
	@rm -rf $(VENV) $(VENV)-lock demo compare build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find bshm_watchd tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, made again when what it is made from changes.
$(INSTALLED): pyproject.toml .ci/requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { \
	  echo "Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1 || true)."; \
	  echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) can't make an environment; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing into $(VENV) (a minute or two the first time)"
	@$(BIN)/pip install -qq --constraint .ci/requirements.lock --editable '.[dev]'
	@touch $@

.PHONY: debian
debian:
	@bash .ci/debian-packages $(DEBIAN_PACKAGES)

.PHONY: machine
machine:
	@bash .ci/debian-packages $(VM_PACKAGES)
