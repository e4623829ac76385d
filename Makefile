# make install  everything into .venv          make demo   the main job, from nothing to an answer
# make check    format, lint, types, contracts  make test   the whole suite
# make bench    benchmarks, ratios in one run   make lock   new pins; make schemas: generated files
# make bench-servers, bench-memory, bench-soak: beside other servers, memory, an hour of traffic
PYTHON ?= python3
BIN := .venv/bin
LOCKS := config/lock/all.txt config/lock/llama-cpp.txt config/lock/build.txt

# Compiled modules are kept, whatever the machine says: every command would compile lmctl anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test check bench bench-servers bench-soak bench-memory lock schemas clean

install: .venv/installed

.venv/installed: $(LOCKS) config/build/llama-cpp.cmake pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "lmctl needs Python 3.11 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r config/lock/all.txt
	@wheel=$$(config/build/llama-cpp-wheel.sh $(BIN)/python) && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --force-reinstall "$$wheel"
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo.sh

# Tests of whole boxes wait for half of their time, so three of them share two cores.
test: install
	$(BIN)/python -m pytest -n $$(( ($$(getconf _NPROCESSORS_ONLN) * 3 + 1) / 2 )) --dist worksteal

check: install
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python tests/bench/run.py
	$(BIN)/python tests/bench/engine_path.py
	$(BIN)/python tests/bench/engine_threads.py
	$(BIN)/python tests/bench/structured_bench.py
	$(BIN)/python tests/bench/overhead_bench.py

bench-servers: install
	$(BIN)/python tests/bench/servers_bench.py

bench-soak: install
	$(BIN)/python tests/bench/soak.py

bench-memory: install
	$(BIN)/python tests/bench/memory_bench.py
	$(BIN)/python tests/bench/unload_bench.py

schemas: install
	$(BIN)/python -c "from lmctl.adapters.schema_files import write; write()"

lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-package llama-cpp-python --no-header --no-annotate -q -o config/lock/all.txt
	uv pip compile config/lock/build.in --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate -q -o config/lock/build.txt

clean:
	rm -rf .venv build
