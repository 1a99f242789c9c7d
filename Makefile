# Everything a newcomer needs: `make demo`, then `make test`. Each does its own set-up.

# Build output is outside the checkout, so that fresh clones of one user share it.
CARGO_TARGET_DIR ?= $(HOME)/.cache/ovenbird/target
export CARGO_TARGET_DIR

.PHONY: demo test test-full lint fuzz fmt bench setup

FUZZ_SECONDS ?= 60

## Bakes the example, boots the finished images fresh, and fetches the page from them.
demo:
	scripts/demo.sh

## All tests. Long series (the moments of a kill) run as a seeded sample.
test:
	scripts/setup.sh test
	cargo test --locked --no-fail-fast

## All tests, the long series whole.
test-full:
	scripts/setup.sh test
	OVENBIRD_KILL_POINTS=100 OVENBIRD_BROKEN_IMAGES=each cargo test --locked --no-fail-fast

lint:
	scripts/setup.sh lint
	cargo fmt --check
	shellcheck .ci/run scripts/*.sh benches/*.sh
	cargo clippy --locked --all-targets -- -D warnings
	cargo deny --locked check bans licenses sources

## Feeds the readers with what nobody would write, a minute each. Another length: `make fuzz FUZZ_SECONDS=600`.
fuzz:
	scripts/setup.sh fuzz
	scripts/fuzz.sh $(FUZZ_SECONDS)

fmt:
	cargo fmt

## The same small build by Packer, by a bare script, and by us; how long planning takes; and what tests cost beyond the boot.
bench:
	benches/plan.sh
	benches/compare.sh
	benches/tests.sh

setup:
	scripts/setup.sh run test lint
