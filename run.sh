#!/bin/sh
# Builds hubcast and its testbed, and runs a command of the testbed. Without a
# command it says which there are. Needs cargo, and nothing else.
set -eu
cd "$(dirname "$0")"
if [ "${1:-}" = test ]; then
    shift
    exec cargo test "$@"
fi
cargo build --release --quiet
exec target/release/testbed "$@"
