# The two commands of the README are `make demo` and `make test`; both set up what they need.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO := cargo

.PHONY: help setup setup-browser build stack stack-down dashboard demo test fuzz bench format lint clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## install or name missing system packages
	@scripts/setup

setup-browser:
	@scripts/setup --with-browser

build: setup ## build the one binary, target/release/tapewire
	$(CARGO) build --release --locked -p tapewire-cli

stack: setup ## start Kafka and ClickHouse on this machine, without Docker; TAPEWIRE_STACK_REGISTRY=1 also a schema registry
	@python3 -m stack up

stack-down: ## stop them; the data stay
	@python3 dashboards/superset.py down
	@python3 -m stack down

dashboard: stack ## start Superset and import the dashboard
	@python3 dashboards/superset.py up

demo: setup-browser ## a simulated market through the whole pipeline, and a dashboard to look at
	@scripts/demo

test: setup-browser ## every check; prints what it runs and a summary
	@python3 scripts/test.py

fuzz: setup ## every fuzz target for 20 seconds; ARGS="--inputs 10000000" for more
	@python3 scripts/fuzz.py $(ARGS)

bench: setup ## our inference engine beside its peers; ARGS=--quick for a glance
	@python3 -m bench $(ARGS)

format: ## format Rust and Python in place
	@$(CARGO) fmt --all
	@python3 scripts/tools.py ruff format

lint: setup ## no tests: formats, clippy, links in the documentation, Python, dependencies
	@python3 scripts/test.py --only format boundaries words lint docs python deny

clean: stack-down ## stop the servers and remove their data and the build
	rm -rf .stack target
