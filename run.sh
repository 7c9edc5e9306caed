#!/bin/sh
# Builds hubcast and its testbed, and runs a command of the testbed. Without a
# command it says which there are. Needs cargo, and nothing else. Paths given to
# it are taken from this folder.
set -eu
cd "$(dirname "$0")"
if [ "${1:-}" = test ]; then
    shift
    exec cargo test "$@"
fi
# Wherever this machine's cargo is set to build, we build here.
unset CARGO_BUILD_TARGET
cargo build --release --quiet --target-dir target
exec target/release/testbed "$@"
