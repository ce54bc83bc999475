# Everything happens in .venv, whatever environment is active. Needs Python 3.11 or
# newer; Node.js 20 or newer with npm for the tests with JavaScript peers.

PORT ?= 8080
# More arguments for `twistd engineio` (make run), or for pytest (make test): with some,
# it runs the tests that they select and measures no coverage.
ARGS ?=
# How many processes share all the tests; much of their time is waiting.
JOBS ?= 3
# Which Python makes .venv; empty: the first one that is new enough. Another one beside it:
# make test PYTHON=python3.13 VENV=build/python3.13
PYTHON ?=

MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PEERS := tests/interop
CROSSBAR := tests/interop/crossbar
CANARIES := build/canaries
OLDEST := build/oldest
SOCKETIO_OLDEST := build/socketio-oldest
HTTP2 := build/http2
# What touches Twisted, Autobahn or treq, without the tests that take long.
OLDEST_TESTS := tests/net tests/websocket tests/session tests/server tests/client tests/observing \
	tests/twistd tests/testing

.PHONY: run test lint format behaviours docs bench crossbar soak soak-cluster soak-workers load fuzz canaries oldest socketio-oldest http2 changelog clean

# No pid file, so that two can run side by side.
run: $(VENV)/.installed
	$(BIN)/twistd -n --pidfile= engineio --port $(PORT) $(ARGS)

# Static checks come first, and the report on protocol/ is silent when all is well, so
# that the closing line is the one of pytest.
test: lint $(PEERS)/node_modules/.installed
ifeq ($(ARGS),)
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile --cov --cov-report=term
	@report=$$($(BIN)/coverage report --include='txengineio/protocol/*' --fail-under=100) \
		|| { echo "$$report"; exit 1; }
else
	$(BIN)/python -m pytest $(ARGS)
endif

lint: $(VENV)/.installed-test
	@test -z "$(PYTHON)" || test "$$($(PYTHON) -V)" = "$$($(BIN)/python -V)" || { \
		echo "$(VENV) was made by $$($(BIN)/python -V); for another one add" \
			"VENV=build/$(notdir $(PYTHON))" >&2; exit 1; }
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Which tests cover which line of the behaviour checklist.
behaviours: $(VENV)/.installed-test
	@mkdir -p docs
	@report=$$($(BIN)/python -m pytest --collect-only --quiet --behaviours=docs/behaviours.md) \
		|| { echo "$$report"; exit 1; }
	@echo "wrote docs/behaviours.md"

# The documentation site, as build/docs/index.html: the guide, and the reference of what is
# public. The reference of everything, as build/api/index.html, is for those who change it;
# a docstring that refers to nothing is an error. And the diagrams of the guide.
docs: $(VENV)/.installed-docs
	$(BIN)/python docs/draw_states.py
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env docs build/docs
	@echo "wrote build/docs/index.html"
	$(BIN)/pydoctor --quiet --warnings-as-errors --docformat=google \
		--project-name=txengineio --html-output=build/api txengineio
	@echo "wrote build/api/index.html"

# Processor time for each operation, beside the peers'. Wants two idle processors. With
# make bench PYTHON=/usr/bin/python3.11, that Python is measured, and runs the peers, too.
BENCHED := $(if $(PYTHON),build/bench/$(subst /,_,$(PYTHON)),$(VENV))
bench: $(BENCHED)/.installed-bench
	$(BENCHED)/bin/python -m benchmarks run $(ARGS)

# Thousands of sessions under random faults; then nothing may be left of them.
SECONDS ?= 300
soak: $(VENV)/.installed-test
	$(BIN)/python -m tests.soak.run $(SECONDS)

# The same of `--workers 3`, whose workers are killed, stopped and replaced at random. The
# seed is printed; again with: make soak-workers ARGS="--seed 123"
soak-workers: $(VENV)/.installed-test
	$(BIN)/python -m tests.soak.workers $(SECONDS) $(ARGS)

# The same of three nodes on Redis, behind HAProxy, where Redis is killed now and then.
soak-cluster: $(VENV)/.installed-test
	$(BIN)/python -m tests.soak.cluster $(SECONDS) $(ARGS)

# Ten thousand sessions at once: how long messages take, and what all that costs.
load: $(VENV)/.installed-test
	$(BIN)/python -m tests.soak.load $(ARGS)

# Coverage-guided, for so many seconds each; atheris is not a package for every platform.
TARGETS ?= codecs query frames websocket http
fuzz: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	@for target in $(TARGETS); do \
		$(BIN)/python -m tests.fuzz.launch $$target -max_total_time=$(SECONDS) || exit 1; \
	done

# Whether the private names of Twisted, Autobahn and python-socketio that we use are still
# there in the newest releases, or in what comes next: make canaries PRE=--pre
PRE ?=
canaries: | $(BIN)/python
	@test -x $(CANARIES)/bin/python || $(BIN)/python -m venv $(CANARIES)
	$(CANARIES)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade $(PRE) \
		'twisted[tls]' autobahn python-socketio --editable '.[test]'
	@$(CANARIES)/bin/python -m pip list --disable-pip-version-check \
		| grep -iE '^(twisted|autobahn|python-socketio) '
	$(CANARIES)/bin/python -m pytest $$(find tests -name 'test_*_names.py')

# Tests with the oldest releases that setup.py allows of what we stand on. Twisted's leave
# sockets that cannot listen to the garbage collector, and its reactors in memory look names
# up for real.
oldest: | $(BIN)/python
	@test -x $(OLDEST)/bin/python || $(BIN)/python -m venv $(OLDEST)
	@mkdir -p build
	@sed -nE 's/^ {8}"(twisted|autobahn|treq)(\[tls\])?>=([0-9.]+)",/\1==\3/p' setup.py > build/oldest.txt
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint build/oldest.txt --editable '.[test]'
	@cat build/oldest.txt
	$(OLDEST)/bin/python -m pytest --numprocesses=$(JOBS) --dist=loadfile \
		$(or $(ARGS),$(OLDEST_TESTS)) -W default::DeprecationWarning \
		-W default::pytest.PytestUnraisableExceptionWarning \
		--ignore=tests/client/http/test_endpoints.py

# The tests of Socket.IO with the oldest python-socketio that we support.
socketio-oldest: | $(BIN)/python
	@test -x $(SOCKETIO_OLDEST)/bin/python || $(BIN)/python -m venv $(SOCKETIO_OLDEST)
	$(SOCKETIO_OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check \
		--editable '.[test]' 'python-socketio==5.13.0'
	$(SOCKETIO_OLDEST)/bin/python -m pytest --numprocesses=$(JOBS) --dist=loadfile \
		tests/integrations/socketio $$(find tests/interop tests/test_* -name 'test_socketio*.py')

# What is served over TLS where h2 is installed, with which Twisted offers HTTP/2. Who
# installs txengineio has it only by some other package, so the other tests go without.
http2: | $(BIN)/python
	@test -x $(HTTP2)/bin/python || $(BIN)/python -m venv $(HTTP2)
	$(HTTP2)/bin/python -m pip install --quiet --disable-pip-version-check \
		--editable '.[test]' 'twisted[http2]'
	$(HTTP2)/bin/python -m pytest tests/server/web/test_http2.py tests/interop/test_tls.py \
		tests/interop/test_client_tls.py

# What the tests with Crossbar.io need; they are skipped without. 375 MB, in an
# environment of its own. It takes the same Twisted and Autobahn, and all tests passed in
# one environment with it; but there idna would be of 2017, h2 would be installed, with
# which Twisted offers HTTP/2 over TLS, and every program that imports Autobahn's WAMP
# would print a traceback (bjdata was compiled for NumPy 1; for Python 3.13 there is only
# NumPy 2). That is not what those who install txengineio have. It is no slower, as it is
# installed beside the static checks.
crossbar: $(CROSSBAR)/.venv/.installed

# For a release: moves what the fragments say into CHANGELOG.md, below the version that
# txengineio/__init__.py tells. To look at it: make changelog ARGS=--draft
changelog: $(VENV)/.installed-test
	$(BIN)/towncrier build --yes $(ARGS)

clean:
	rm -rf $(VENV) $(PEERS)/node_modules $(CROSSBAR)/.venv benchmarks/.peers benchmarks/.results build dist *.egg-info htmlcov .coverage .coverage.* \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache twisted/plugins/dropin.cache
	find setup.py benchmarks tests twisted txengineio -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		"$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
			echo "$$python cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }; \
		echo "making $(VENV) with $$("$$python" --version)"; \
		"$$python" -m venv --clear $(VENV); exit; \
	done; \
	echo "Python 3.11 or newer is needed and was not found; name one with: make PYTHON=/path/to/python" >&2; exit 1

# Editable, so that it always runs what is here.
$(VENV)/.installed: setup.py pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-test: setup.py pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-bench: setup.py pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[redis,socketio]'
	@touch $(VENV)/.installed $@

build/bench/%/.installed-bench: setup.py pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[redis,socketio]'
	@touch $@

$(VENV)/.installed-docs: setup.py pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $(VENV)/.installed $@

$(CROSSBAR)/.venv/.installed: $(CROSSBAR)/requirements.txt | $(BIN)/python
	$(BIN)/python -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	@touch $@

$(PEERS)/node_modules/.installed: $(PEERS)/package.json $(PEERS)/package-lock.json
	@if command -v npm >/dev/null; then \
		test -w "$$HOME" || export npm_config_cache="$$PWD/build/npm"; \
		cd $(PEERS) && npm ci --no-progress && touch node_modules/.installed; \
	elif [ "$$CI" = true ]; then \
		echo "npm was not found: install Node.js 20 or newer with npm" >&2; exit 1; \
	else \
		echo "npm was not found: tests with JavaScript peers will be skipped"; \
	fi
