# Every target makes what it needs: there is nothing to install or to activate beforehand.
.DEFAULT_GOAL := help
.PHONY: help demo demo-learn pictures test check bench model clean
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin
PIP := $(RUN)/python -m pip --quiet --disable-pip-version-check install --constraint constraints.txt
ARGS ?=

help: ## say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: pictures ## watch a policy in the simulated cell; options: make demo ARGS="--help"
	@$(RUN)/dbp demo $(ARGS)

demo-learn: $(VENV)/.all pictures ## watch a policy learn while it works: about forty minutes
	@$(RUN)/dbp demo-learn $(ARGS)

# First what can share the machine, one test a core; then what keeps time or speaks DDS, alone. ARGS
# may leave nothing of one part (5), not of both.
test: $(VENV)/.all ## run every test
	@OMP_NUM_THREADS=1 $(RUN)/python -m pytest -n auto --maxprocesses 4 -m "not alone" $(ARGS); \
	shared=$$?; $(RUN)/python -m pytest -m alone $(ARGS); \
	case $$shared$$? in 00|05|50) ;; *) exit 1;; esac

check: $(VENV)/.all ## lint, format, types, package.xml
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/python -c 'from catkin_pkg.package import parse_package; parse_package(".").validate()'

bench: $(VENV)/.all ## measure this machine: a short form of docs/performance.md, a quarter of an hour
	$(RUN)/dbp bench infer --backbones small,unet_64 --runtimes onnxruntime,torch --seconds 5
	$(RUN)/dbp bench scale --seconds 2
	$(RUN)/dbp bench rate --duration-s 15 $(ARGS)

model: $(VENV)/.all ## make models/ anew: record, train, export, quantize; about an hour on two cores
	$(RUN)/dbp collect --task lift --episodes 300 --out data/lift
	OMP_WAIT_POLICY=passive $(RUN)/dbp train --data data/lift --out build/train/lift --bfloat16
	$(RUN)/dbp export --run build/train/lift --data data/lift --out models/lift --name lift
	$(RUN)/dbp collect --task lift --episodes 8 --seed 200000 --out data/unseen
	$(RUN)/dbp quantize --model lift --precision int8_all --data data/unseen --out models/lift_int8 --name lift_int8

pictures: $(VENV)/.demo
	@$(RUN)/python -c 'import dbp_ros.sim.gl as gl; exit(gl.CHOSEN == "disable")' || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing libegl1 libgl1, for pictures"; \
	    { apt-get -qq update && apt-get -qq install -y --no-install-recommends libegl1 libgl1; } \
	      >/dev/null 2>&1; \
	  fi; \
	  $(RUN)/python -c 'import dbp_ros.sim.gl as gl; exit(gl.CHOSEN == "disable")' \
	    || echo "no OpenGL here: pictures are cast ray by ray; for better ones: apt-get install libegl1 libgl1"; }

clean: ## remove what the other targets made
	rm -rf $(VENV) build install log dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.demo: setup.py | $(RUN)/python
	$(PIP) --editable '.[ros,sim]'
	@touch $@

$(VENV)/.all: setup.py constraints.txt | $(RUN)/python
	$(PIP) --editable '.[ros,sim,learn,learner,data,metaworld,ray,test]'
	$(PIP) --no-deps metaworld==3.1.1
	@touch $@ $(VENV)/.demo

$(RUN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; exit(sys.version_info < (3, 10))' \
	  || { echo "Python 3.10 or later is needed, $(PYTHON) is $$($(PYTHON) -V): make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing python3-venv"; \
	    { apt-get -qq update && apt-get -qq install -y python3-venv; } >/dev/null 2>&1; fi; \
	  $(PYTHON) -c 'import ensurepip' 2>/dev/null \
	    || { echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv"; exit 1; }; }
	$(PYTHON) -m venv $(VENV)
