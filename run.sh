#!/bin/sh
# Builds hubcast and its testbed, and runs a command of the testbed. Without a
# command it says which there are. Needs cargo, and nothing else. Paths given to
# it are taken from this folder.
set -eu
cd "$(dirname "$0")"
# Wherever cargo is set to build on this machine, here it builds in target.
unset CARGO_BUILD_TARGET
if [ "${1:-}" = test ]; then
    shift
    exec cargo test "$@"
fi
if [ "${1:-}" = mutants ]; then
    exec cargo test --release --quiet --test mutants -- --ignored --nocapture
fi
if [ "${1:-}" = test-page ] && [ $# = 1 ]; then
    exec cargo test --release --quiet --test page_in_browser -- --ignored --nocapture
fi
cargo build --release --quiet --target-dir target
exec target/release/testbed "$@"
