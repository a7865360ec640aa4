# The few things that people do with this project, each as one word.
.DEFAULT_GOAL := help
.PHONY: help build test bench chaos fuzz soak mutants demo clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build target/release/gtctl
	@scripts/prepare cargo
	cargo build --release --locked

test: ## Install what the tests need, then check the format, the lints and all tests
	@scripts/prepare cargo tmux rustfmt clippy python
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	scripts/test

bench: ## Print what gtctl takes on this machine, beside what gt's daemon does (BENCH_FULL=1: all sizes, ten idle minutes)
	@scripts/prepare cargo tmux
	cargo bench --locked --bench functions --bench recording
	cargo bench --locked --bench table

chaos: ## Hurt a town on a real tmux for ten minutes, and check its promises (GTCTL_SEED, GTCTL_CHAOS_SECONDS)
	@scripts/prepare cargo tmux
	GTCTL_CHAOS_SECONDS=$${GTCTL_CHAOS_SECONDS:-600} cargo test --locked --test chaos -- --nocapture

fuzz: ## Fuzz every parser, guided by coverage, for FUZZ_SECONDS each (60)
	@scripts/prepare cargo cxx
	@scripts/fuzz

soak: ## Run a million simulated worlds, explore all small ones, hold the simulated tmux against the real one for 100,000 steps, make 10,000 passes
	@scripts/prepare cargo tmux
	GTCTL_RUNS=$${GTCTL_RUNS:-1000000} GTCTL_STEPS=$${GTCTL_STEPS:-100000} \
		cargo test --profile soak --locked --test simulation --test crash_points --test conformance -- --nocapture
	GTCTL_PASSES=$${GTCTL_PASSES:-10000} cargo test --profile soak --locked --test cost s113 -- --nocapture
	# One space at a time: each takes up to 14 GB.
	GTCTL_STATES=$${GTCTL_STATES:-430000} \
		cargo test --profile soak --locked --test exhaustive -- --nocapture --test-threads=1

mutants: ## Plant each deliberate bug and see that its test catches it
	@scripts/prepare cargo tmux python
	@scripts/mutants

demo: ## Show gtctl at work on a throw-away town (needs no Gas Town and no agents)
	@scripts/prepare cargo tmux
	cargo build --locked
	@demo/run.sh

clean: ## Remove what was built
	cargo clean
