# Everything a person or a CI machine starts.  `make help` lists it.

BIN := .venv/bin
PYTHON_FILES := intercom firmware_sim tests bench
BENCHES = $(filter-out %_house.py %_apps.py %_property.py bench/soak.py bench/admin_service.py,$(shell grep -l '__main__' bench/*.py 2>/dev/null))

CORES := $(shell nproc)
WAITING := $(shell echo $$(($$(nproc) + 1)))  # most of their time is waiting

FAST := not e2e and not interop
# pytest's 5 says that ARGS leave no test of a kind
some_tests = status=0; some() { echo "== pytest: $$1"; shift; \
  $(BIN)/pytest -rs "$$@" $(ARGS) || [ $$? -eq 5 ] || status=1; }

need_venv = @test -x $(BIN)/pytest || { echo 'Run `make setup` first.' >&2; exit 1; }

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test check unit bench soak fuzz docs states fix clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install everything for work on this repository (Debian packages too, as root or by sudo)
	@deploy/setup.sh test

demo: ## ring, talk and open a door on this machine alone; ARGS="--once" ends after the two calls
	@deploy/setup.sh demo
	@$(BIN)/intercom demo $(ARGS)

test: setup check ## what CI runs: all checks and all tests, with strangers and a browser
	@$(some_tests); \
	some 'the fast tests' -m '$(FAST) and not alone' -n $(CORES) --dist loadfile; \
	some 'strangers and a browser' -m 'not ($(FAST)) and not alone' -n $(WAITING) --dist loadgroup; \
	some 'what measures time' -m alone; \
	exit $$status

check: ## lint, types and imports; says how to mend what it finds
	$(need_venv)
	@echo '== ruff: lint and format'
	@$(BIN)/ruff check --quiet --output-format concise $(PYTHON_FILES) \
	  && $(BIN)/ruff format --quiet --check $(PYTHON_FILES) \
	  || { echo '   `make fix` mends what can be mended by itself;' \
	            '`ruff rule CODE` explains a rule.' >&2; exit 1; }
	@echo '== mypy: types'
	@$(BIN)/mypy --no-error-summary \
	  || { echo '   A `type: ignore[code]` needs a reason beside it.' >&2; exit 1; }
	@echo '== lint-imports: layers and purity'
	@$(BIN)/lint-imports > .lint-imports.log \
	  && rm .lint-imports.log \
	  || { sed -n '/^Broken contracts/,$$p' .lint-imports.log; rm .lint-imports.log; \
	       echo '   The contracts stand in pyproject.toml, their reasons in ARCHITECTURE.md.' >&2; \
	       exit 1; }

unit: ## the fast tests alone
	$(need_venv)
	@$(some_tests); \
	some 'the fast tests' -m '$(FAST) and not alone' -n $(CORES) --dist loadfile; \
	some 'what measures time' -m '$(FAST) and alone'; \
	exit $$status

bench: ## every benchmark, one after the other
	@deploy/setup.sh bench
	@set -e; for file in $(BENCHES); do echo "== $$file"; $(BIN)/python $$file; done

soak: ## 50 calls at a time for half an hour, then judge memory, tasks, ports and lag; ARGS="--minutes 5"
	@deploy/setup.sh test
	@$(BIN)/python bench/soak.py $(ARGS)

fuzz: ## a million inputs each into SIP, SDP and the media's ports, guided by coverage; ARGS="--runs N sip"
	$(need_venv)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install --quiet -e '.[fuzz]'
	@$(BIN)/python -m tests.fuzz.run $(ARGS)

docs: states ## write what is generated from the code: docs/settings.md, the table of a call's states
	$(need_venv)
	@$(BIN)/intercom settings --markdown > docs/settings.md

states: ## write the table of a call's states into ARCHITECTURE.md
	$(need_venv)
	@$(BIN)/python -m tests.routing.state_table --write

fix: ## format, and mend what ruff can mend
	$(need_venv)
	@$(BIN)/ruff check --quiet --fix $(PYTHON_FILES) || true
	@$(BIN)/ruff format $(PYTHON_FILES)

clean: ## remove what was made, .venv too
	@rm -rf .venv build var *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@rm -rf .import_linter_cache .lint-imports.log
	@find $(PYTHON_FILES) -type d -name __pycache__ -prune -exec rm -rf {} +
