# `make` lists what there is. Cargo decides what is stale; nothing here is a file that make builds.
.DEFAULT_GOAL := help
PROFILE ?= release
# Recorded CPU series; none are in this repository.
TRACES ?= ../shared/traces
# The predecessor's model with what it answers; not in this repository either.
SEED ?= ../shared/seed
.PHONY: help run test test-seed test-compose test-monitoring measure evaluate closed-loop bench properties lint prerequisites

help: ## Lists these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: prerequisites ## Shows the whole loop on a simulated fleet; ARGS="--days 2" goes to `autoscaler demo`
	cargo run --locked --package autoscaler --no-default-features -- demo $(ARGS)

test: prerequisites ## Runs all tests; ARGS="-p decision" goes to cargo nextest
	.ci/tools nextest
	.ci/test-servers
	.ci/browser
	cargo nextest run --locked --workspace $(ARGS)

test-seed: prerequisites ## Sees that the predecessor's model in SEED gives what it gave there
	@test -f $(SEED)/golden.csv || { echo "there is no golden.csv in $(SEED); name the folder that holds it: make test-seed SEED=DIR"; exit 1; }
	.ci/tools nextest
	AUTOSCALER_SEED=$(abspath $(SEED)) cargo nextest run --locked --workspace --test it --run-ignored only -E 'test(/^seed::/)'

test-compose: ## Builds the images and sees a resize happen in docker compose (installs Docker where there is none)
	.ci/compose-test

test-monitoring: ## Runs deploy/setup-monitoring.sh in Debian roots made with debootstrap, and what it enabled (needs root)
	.ci/monitoring-test

measure: prerequisites ## Prints cold start, memory and tick time of the services; PROFILE=dev measures the build of `make test`
	.ci/tools nextest
	.ci/test-servers
	cargo nextest run --locked --cargo-profile $(PROFILE) --workspace --test it --run-ignored only --no-capture \
		-E 'test(print_the_figures)'

evaluate: ## Scores the embedded model on TRACES against the reference; ARGS="--html page.html" goes to `trainer evaluate`
	@test -d $(TRACES)/public_test_series || { echo "there are no recorded series in $(TRACES); name a folder that holds public_test_series and public_test_source: make evaluate TRACES=DIR"; exit 1; }
	@$(MAKE) --no-print-directory prerequisites
	cargo run --locked --profile $(PROFILE) --package trainer -- evaluate --data $(TRACES)/public_test_series \
		--data $(TRACES)/public_test_source --reference artifacts/reference.json --peer flair --peer seasonal $(ARGS)

closed-loop: ## Plays recorded CPU in TRACES through ways of choosing sizes and an oracle; ARGS="--json FILE" writes every rung
	@test -d $(TRACES) || { echo "there is no folder $(TRACES); name one with files of columns series,timestamp,cpu: make closed-loop TRACES=DIR"; exit 1; }
	@$(MAKE) --no-print-directory prerequisites
	cargo run --locked --profile $(PROFILE) --package simulator --bin closed-loop -- $(TRACES) $(ARGS)

properties: prerequisites ## Looks at 10,000 cases of each property of a decision
	.ci/tools nextest
	PROPTEST_CASES=10000 cargo nextest run --locked --package decision --lib \
		-E 'test(/^decide::walk::tests::(guarding|properties|rules::more)/)'

bench: prerequisites ## Prints what a forecast costs beside XGBoost's own predict, through gRPC, and from start to ready
	cargo bench --locked --package predictor --bench forecast

lint: prerequisites ## Formatting, clippy, protos, licences, scripts
	.ci/lint

prerequisites:
	@.ci/prerequisites
