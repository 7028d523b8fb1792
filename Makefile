# Every target installs its dependencies into .venv.
.DEFAULT_GOAL := help
.PHONY: help install demo demo-learn teach opengl test test-fast check bench model docs clean
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin
PIP := $(RUN)/python -m pip --quiet --disable-pip-version-check install --constraint constraints.txt
CHECK_ROS := $(RUN)/python -c 'from dbp_ros.ros_support import require_wheels; require_wheels()'
ARGS ?=
TASK ?= transport
SEED ?= 0
ALL_EXTRAS := ros,sim,panel,rerun,learn,learner,data,metaworld,ray,bench,test
EXTRAS ?= $(ALL_EXTRAS)
# Commands of `make model`: INITIAL drives until the expert takes over, and its weights are trained.
STEPS ?= 7000
TAKEOVERS ?= 400
# Further scenes, of which those are recorded that INITIAL does not solve.
HARD ?= 0
INITIAL ?= build/models/$(TASK)_expert
COLLECT = $(RUN)/dbp collect --task $(TASK) --randomisation 1 --out data/$(TASK)
TRAIN = OMP_WAIT_POLICY=passive $(RUN)/dbp train --data data/$(TASK) --out build/train/$(1) --bfloat16 --num-steps $(STEPS) \
  $(if $(wildcard build/train/$(1)/checkpoint.safetensors),--resume)
EXPORT = $(RUN)/dbp export --run build/train/$(1) --data data/$(TASK) --out build/models/$(2) --name $(2)
# No PyTorch, no DDS.
FAST := $(addprefix test/,bundle data diagnosis hotswap motion nodes policy runtime sensing settings sim \
  stack telemetry test_architecture.py test_files.py)

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(RUN)/python ## install into .venv; without PyTorch: make install EXTRAS=ros,sim
	$(PIP) --editable '.[$(EXTRAS)]'
	$(if $(findstring metaworld,$(EXTRAS)),$(PIP) --no-deps metaworld==3.1.1)

demo: opengl ## run a policy in the simulated cell and measure it; TASK=lift|can|transport|all, ARGS="--panel" for a page in the browser
	@$(RUN)/dbp demo --task $(TASK) $(ARGS)

demo-learn: $(VENV)/.all opengl ## improve a policy online on the running stack, SEED=n: about 40 minutes
	@$(RUN)/dbp demo-learn --seed $(SEED) $(ARGS)

teach: $(VENV)/.all opengl ## teach the simulated robot in the browser; TASK=lift, ARGS="--help"
	@$(RUN)/dbp teach $(if $(filter command line environment,$(origin TASK)),--task $(TASK)) $(ARGS)

# First the tests that can share the machine, one per core; then, one at a time, those that measure
# time or use DDS. ARGS may deselect all tests of one group (status 5), not of both.
test: $(VENV)/.all ## run every test: about 30 minutes on two cores
	@OMP_NUM_THREADS=1 $(RUN)/python -m pytest -n auto --maxprocesses 4 -m "not alone" $(ARGS); \
	shared=$$?; $(RUN)/python -m pytest -m alone $(ARGS); \
	case $$shared$$? in 00|05|50) ;; *) exit 1;; esac

test-fast: $(VENV)/.fast ## run the tests without PyTorch and DDS: under a minute
	@$(RUN)/python -m pytest -n auto --maxprocesses 4 -m "not alone" $(FAST) $(ARGS)

check: $(VENV)/.all ## lint, format, types, package.xml
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/python -c 'from catkin_pkg.package import parse_package; parse_package(".").validate()'

docs: $(VENV)/.docs ## build the documentation into build/docs
	$(RUN)/python -m sphinx -W --keep-going -q -E -b html docs build/docs

bench: $(VENV)/.all ## measure this machine: short benchmarks, about 15 minutes
	$(RUN)/dbp bench infer --parts backbones --backbones small,unet_64 --runtimes onnxruntime,torch --seconds 5
	$(RUN)/dbp bench scale --seconds 2
	$(RUN)/dbp bench rate --duration-s 15 $(ARGS)

# Train on demonstrations, then also on episodes in which the expert takes over from that policy. The
# same command resumes an interrupted one. With INITIAL=models/$(TASK) it goes on from the shipped model.
model: $(VENV)/.all $(INITIAL)/manifest.yaml ## train the model of TASK for models/: one to three hours on two cores
	$(COLLECT) --episodes 400 || [ $$? = 1 ]
	$(COLLECT) --episodes $(TAKEOVERS) --first 400 --policy $(INITIAL) || [ $$? = 1 ]
	$(if $(filter-out 0,$(HARD)),$(COLLECT) --episodes $(HARD) --first 10000 --policy $(INITIAL) --hard || [ $$? = 1 ])
	$(call TRAIN,$(TASK)) --initial-model $(INITIAL) --learning-rate 5e-4
	$(call EXPORT,$(TASK),$(TASK)_float32)
	$(RUN)/dbp collect --task $(TASK) --episodes 8 --seed 200000 --out data/$(TASK)_unseen
	$(RUN)/dbp quantize --model build/models/$(TASK)_float32 --precision int8 --data data/$(TASK)_unseen \
	  --out models/$(TASK) --name $(TASK)

build/models/$(TASK)_expert/manifest.yaml: | $(VENV)/.all
	@! ls data/$(TASK)/episode_0004* >/dev/null 2>&1 || { \
	  echo "data/$(TASK) holds takeovers from an earlier policy: remove it"; exit 1; }
	$(COLLECT) --episodes 400 || [ $$? = 1 ]
	$(call TRAIN,$(TASK)_expert)
	$(call EXPORT,$(TASK)_expert,$(TASK)_expert)

opengl: $(VENV)/.demo
	@$(RUN)/python -c 'import dbp_ros.sim.gl as gl; exit(gl.BACKEND == "disable")' || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing libegl1 libgl1, to render images"; \
	    { apt-get -qq update && apt-get -qq install -y --no-install-recommends libegl1 libgl1; } \
	      >/dev/null 2>&1; \
	  fi; \
	  $(RUN)/python -c 'import dbp_ros.sim.gl as gl; exit(gl.BACKEND == "disable")' \
	    || echo "OpenGL is missing: images are ray-traced; for better images: apt-get install libegl1 libgl1"; }

clean: ## remove the files that the other targets wrote
	rm -rf $(VENV) build install log dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.demo: setup.py | $(RUN)/python
	@$(CHECK_ROS)
	$(PIP) --editable '.[ros,sim,panel]'
	@touch $@

$(VENV)/.fast: setup.py constraints.txt | $(RUN)/python
	@$(CHECK_ROS)
	$(PIP) --editable '.[ros,sim,panel,data,test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.docs: setup.py constraints.txt | $(RUN)/python
	@$(CHECK_ROS)
	$(PIP) --editable '.[ros,sim,panel,learn,learner,data,metaworld,bench,docs]'
	$(PIP) --no-deps metaworld==3.1.1
	@touch $@ $(VENV)/.demo

$(VENV)/.all: setup.py constraints.txt | $(RUN)/python
	@$(CHECK_ROS)
	$(PIP) --editable '.[$(ALL_EXTRAS)]'
	$(PIP) --no-deps metaworld==3.1.1
	@touch $@ $(VENV)/.fast $(VENV)/.docs $(VENV)/.demo

$(RUN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; exit(sys.version_info < (3, 10))' \
	  || { echo "Python 3.10 or later is needed, $(PYTHON) is $$($(PYTHON) -V): make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing python3-venv"; \
	    { apt-get -qq update && apt-get -qq install -y python3-venv; } >/dev/null 2>&1; fi; \
	  $(PYTHON) -c 'import ensurepip' 2>/dev/null \
	    || { echo "$(PYTHON) cannot create virtual environments: apt-get install python3-venv"; exit 1; }; }
	$(PYTHON) -m venv $(VENV)
