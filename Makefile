# The few things that people do with this project, each as one word.
.DEFAULT_GOAL := help
.PHONY: help build test demo clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build target/release/gtctl
	@scripts/prepare cargo
	cargo build --release --locked

test: ## Install what the tests need, then check the format, the lints and all tests
	@scripts/prepare cargo tmux rustfmt clippy
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	cargo test --locked

demo: ## Show gtctl at work on a throw-away town (needs no Gas Town and no agents)
	@scripts/prepare cargo tmux
	cargo build --locked
	@demo/run.sh

clean: ## Remove what was built
	cargo clean
