# The commands of this repository; `make` lists them. They need Rust, a C compiler and Python 3 with pip, nothing else: tools are
# installed by `make tools`, in pinned versions. Chromium is the system's; root on Debian gets that, too.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Artefacts and tools lie outside of the clone, where the next clone finds them.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cognito-triggers
export CARGO_TARGET_DIR ?= $(CACHE)/target
export TRIGGERS_TOOLS ?= $(CACHE)/tools

# What is tested has the services of AWS and of this machine side by side; what is deployed has not, see `deployable`. Counting
# instructions takes a tool that is a program's worth of code: it is only looked at, not built.
FEATURES := --workspace --features embedded,aws_lambda_events,contract
EVERYTHING := $(FEATURES),instructions
LEDGERS := cognito-triggers cognito-triggers-aws cognito-triggers-embedded
FUNCTIONS := access-code admin-notice courier domain-allow-list links maintenance password-age pool s3-provisioning \
    session-limit session-release sign-in-alert sign-in-count templated-message unique-nickname user-events welcome-email win-back
CARGO := cargo
TOOL = $(shell tools/install --path $(1))
# What functions are measured against over TLS: a workspace of its own, with artefacts of its own.
REFERENCE = $(CARGO_TARGET_DIR)/reference

# How often `make soak` repeats what happens at once, how many users it confirms under faults, and how long `make fuzz` tries each target.
ROUNDS ?= 1000
CONFIRMATIONS ?= 10000
SECONDS_EACH ?= 60
TARGET ?= event config email nickname

.PHONY: help tools tools-test tools-lint build deployable test pictures soak bench lint fmt docs deny schema fuzz ci clean-pool clean

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z][a-z-]*:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

tools: tools-test tools-lint ## Install the pinned tools that are missing (also done by the targets that need them)

tools-test:
	@tools/install ministack cargo-lambda aws-sam-cli cognito-local cdk playwright chromium

tools-lint:
	@tools/install cargo-deny

build: ## Build everything for tests: all programs with the services of AWS and of this machine
	$(CARGO) build --locked $(FEATURES) --bins

deployable: ## Build the functions as they are deployed, unoptimised: without the services of this machine
	$(CARGO) build --locked $(addprefix --package ,$(FUNCTIONS)) --bins

# As they are deployed, functions are only checked: built, they would take the place of the programs that tests run.
test: tools-test ## Run all tests, with everything they need set up
	$(CARGO) check --locked $(addprefix --package ,$(FUNCTIONS)) --bins
	@$(MAKE) build
	@"$(CARGO_TARGET_DIR)/debug/local" schema | diff docs/triggers.schema.json - >/dev/null || \
	    { echo "docs/triggers.schema.json is out of date: run 'make schema'"; exit 1; }
	@"$(CARGO_TARGET_DIR)/debug/local" grants | diff infra/grants.json - >/dev/null || \
	    { echo "infra/grants.json is out of date: run 'make schema'"; exit 1; }
	CONTRACT_ROUNDS=5 $(CARGO) test --locked $(FEATURES)
	infra/cdk/test/run

pictures: ## Take the pictures in docs/pictures anew
	@tools/install playwright chromium fonts
	$(CARGO) build --locked --package cognito-triggers-local --bin local
	$(call TOOL,playwright)/python tests/browser/pictures.py "$(CARGO_TARGET_DIR)/debug/local" docs/pictures

soak: tools-test ## Run what happens at once ROUNDS (1000) times over, and CONFIRMATIONS (10000) under faults
	CONTRACT_ROUNDS=$(ROUNDS) $(CARGO) test --locked --features contract --tests contract $(addprefix --package ,$(LEDGERS))
	@$(MAKE) build
	TRIGGERS_ROUNDS=$(ROUNDS) $(CARGO) test --locked $(FEATURES) --test end_to_end races::
	TRIGGERS_CONFIRMATIONS=$(CONFIRMATIONS) $(CARGO) test --locked $(FEATURES) --test end_to_end never_lost:: -- --nocapture

bench: ## Measure, beside the reference each figure is compared with; counts instructions too if valgrind is there
	$(CARGO) bench --locked --package cognito-triggers-bench --features instructions --bench handling -- --check 3
	@if command -v valgrind >/dev/null; then \
	    tools/install gungraun-runner; \
	    PATH=$(call TOOL,gungraun-runner):$$PATH $(CARGO) bench --locked --package cognito-triggers-bench --features instructions --bench instructions; \
	else \
	    echo "valgrind is not installed, so instructions are not counted (e.g. apt-get install valgrind)"; \
	fi
	$(CARGO) build --locked --release --package domain-allow-list --package templated-message
	$(CARGO) build --locked --release --package cognito-triggers-bench --bins
	printf '[domain-allow-list]\nallow = ["example.com"]\n[templated-message]\n' > "$(CARGO_TARGET_DIR)/bench.toml"
	"$(CARGO_TARGET_DIR)/release/cold-start" "$(CARGO_TARGET_DIR)/release/domain-allow-list" \
	    --env "TRIGGERS_CONFIG=$(CARGO_TARGET_DIR)/bench.toml" --event tests/events/PreSignUp_SignUp.json \
	    --rounds 300 --check 1.15 --check-memory 4096
	"$(CARGO_TARGET_DIR)/release/cold-start" "$(CARGO_TARGET_DIR)/release/templated-message" \
	    --env "TRIGGERS_CONFIG=$(CARGO_TARGET_DIR)/bench.toml" --event tests/events/CustomMessage_SignUp.json --rounds 300
	$(CARGO) build --locked --release --package sign-in-count
	for package in blocking sdk-defaults certificates; do \
	    $(CARGO) build --locked --release --manifest-path bench/reference/Cargo.toml --target-dir "$(REFERENCE)" --package $$package; \
	done
	"$(REFERENCE)/release/certificates" "$(CARGO_TARGET_DIR)/tls"
	printf '[sign-in-count]\n' > "$(CARGO_TARGET_DIR)/bench-tls.toml"
	"$(CARGO_TARGET_DIR)/release/cold-start" "$(CARGO_TARGET_DIR)/release/sign-in-count" --tls "$(CARGO_TARGET_DIR)/tls" \
	    --reference "$(REFERENCE)/release/blocking" --defaults "$(REFERENCE)/release/sdk-defaults" \
	    --env "TRIGGERS_CONFIG=$(CARGO_TARGET_DIR)/bench-tls.toml" --env TRIGGERS_LEDGER=dynamodb:cognito-triggers \
	    --event tests/events/PostAuthentication_Authentication.json --rounds 300 --check 1.6 --check-defaults 6
	@tools/install cargo-lambda
	for function in $(FUNCTIONS); do \
	    PATH=$(call TOOL,cargo-lambda):$$PATH $(CARGO) lambda build --locked --release --output-format zip \
	        --package $$function --bin $$function; \
	done
	bench/zips "$(CARGO_TARGET_DIR)/lambda"

lint: ## Check formatting and run clippy, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) fmt --all --check --manifest-path bench/reference/Cargo.toml
	$(CARGO) clippy --locked $(EVERYTHING) --all-targets -- --deny warnings

fmt: ## Format the code
	$(CARGO) fmt --all
	$(CARGO) fmt --all --manifest-path bench/reference/Cargo.toml

docs: ## Build the documentation of all crates, warnings denied
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --locked $(EVERYTHING) --no-deps

deny: tools-lint ## Check the dependencies: bans, licences, sources
	PATH=$(call TOOL,cargo-deny):$$PATH $(CARGO) deny --locked check --hide-inclusion-graph bans licenses sources

schema: ## Write the JSON Schema of triggers.toml to docs/triggers.schema.json, and what functions need of AWS to infra/grants.json
	$(CARGO) run --locked --quiet --package cognito-triggers-local --bin local -- schema > docs/triggers.schema.json.new
	mv docs/triggers.schema.json.new docs/triggers.schema.json
	$(CARGO) run --locked --quiet --package cognito-triggers-local --bin local -- grants > infra/grants.json.new
	mv infra/grants.json.new infra/grants.json
	infra/cdk/test/run generate

fuzz: ## Fuzz TARGET (all) for SECONDS_EACH (60): needs a nightly Rust and a C++ compiler
	@rustup run nightly rustc --version >/dev/null 2>&1 || \
	    { echo "fuzzing needs a nightly Rust: rustup toolchain install nightly --profile minimal"; exit 1; }
	@command -v c++ >/dev/null || { echo "fuzzing needs a C++ compiler, e.g. apt-get install g++"; exit 1; }
	@tools/install cargo-fuzz
	cd fuzz && for target in $(TARGET); do \
	    mkdir -p corpus/$$target; \
	    PATH=$(call TOOL,cargo-fuzz):$$PATH $(CARGO) +nightly fuzz run --target-dir "$(CARGO_TARGET_DIR)-fuzz" $$target \
	        corpus/$$target $$(if [ $$target = event ]; then echo ../tests/events; fi) -- \
	        -max_total_time=$(SECONDS_EACH) -max_len=8192 -timeout=10; \
	done

ci: ## Run everything a change has to pass
	.ci/run

clean-pool: ## Forget the local pool (.pool)
	rm -rf .pool

clean: clean-pool ## Remove the local pool and all artefacts, but not the tools
	$(CARGO) clean
	rm -rf "$(CARGO_TARGET_DIR)-fuzz"
