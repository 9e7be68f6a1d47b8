#!/bin/sh
# Everything that CI runs: form, lints, licences, tests. Ends at the first failure.
set -eu
cd "$(dirname "$0")/.."

step() { echo "── $*" >&2; "$@"; }

DENY_VERSION=0.20.2
tools=${CARGO_TARGET_DIR:-target}/tools
if ! [ -x "$tools/bin/cargo-deny" ]; then
	# Unoptimised: it runs for a second, and compiling it well would take minutes.
	step cargo install --quiet --locked --debug --root "$tools" --version "$DENY_VERSION" cargo-deny
fi

step cargo fmt --all --check
step cargo xtask tidy
# Also the crates of other systems, which cargo-deny looks at and no build fetches.
step cargo fetch --quiet --locked
# Advisories need a database that is not at hand offline; they are looked at when dependencies change.
step "$tools/bin/cargo-deny" --offline check bans licenses sources
step cargo clippy --quiet --workspace --all-targets -- -D warnings
step cargo test --quiet --workspace --no-fail-fast
