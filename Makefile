# The few commands of this project. Each one installs what it needs first.
.PHONY: build demo test bench setup

build:
	cargo build --release

# An operating system linked out of container images, booted, asked for its web page and switched off.
demo: setup
	cargo build --release
	cargo xtask demo

# Everything that CI runs.
test: setup
	scripts/test.sh

# Measurements, with what they are measured against.
bench: setup
	cargo build --release
	cargo xtask bench

setup:
	scripts/setup.sh
