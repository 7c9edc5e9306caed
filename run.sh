#!/bin/sh
# Builds hubcast and its testbed, and runs a command of the testbed. Without a
# command it says which there are. Needs cargo, and nothing else. Paths given to
# it are taken from this folder.
set -eu

# This folder, also when called through symbolic links, of which each may be
# relative to the folder it lies in. (macOS has no `readlink -f`.)
script=$0
while [ -h "$script" ]; do
    link=$(readlink "$script")
    case $link in
    /*) script=$link ;;
    *) script=$(dirname "$script")/$link ;;
    esac
done
# With CDPATH set, cd looks for relative folders elsewhere first.
unset CDPATH
cd -P "$(dirname "$script")"

# Three commands are tests of their own, and take no options.
case ${1:-} in
mutants)
    about='Makes one mistake at a time in a copy of the sources (target/mutants), builds it and
counts the torture runs until the mistake is caught. Takes no options, and minutes.' ;;
lesson)
    about='Runs every command of the lesson (src/lesson.rs, and the README in virtual time) and
compares what it prints with what stands there. Takes no options; REFRESH=1 in the environment
puts new figures in the place of the old ones.' ;;
test-page)
    about='Opens fresh report pages in a headless Chromium and tries everything on them. Takes no
options; needs a browser (Debian'"'"'s package chromium, or CHROMIUM=/path/to/it).' ;;
*) about= ;;
esac
if [ "$about" ] && [ $# -gt 1 ]; then
    case $2 in
    -h | --help)
        printf 'usage: ./run.sh %s\n%s\n' "$1" "$about"
        exit 0
        ;;
    *)
        echo "run.sh: $1 takes no options, not '$2'" >&2
        printf 'usage: ./run.sh %s\n%s\n' "$1" "$about" >&2
        exit 2
        ;;
    esac
fi

if ! command -v cargo >/dev/null; then
    echo "run.sh: cargo is missing, which builds hubcast; https://rustup.rs installs it" >&2
    exit 127
fi
# Wherever cargo is set to build on this machine, here it builds in target.
unset CARGO_BUILD_TARGET
case ${1:-} in
test)
    shift
    exec cargo test "$@"
    ;;
mutants)
    exec cargo test --release --quiet --test mutants -- --ignored --nocapture
    ;;
lesson)
    # Its commands run what is in target/release.
    cargo build --release --quiet --target-dir target --bins
    exec cargo test --quiet --target-dir target --test lesson -- --ignored --nocapture
    ;;
test-page)
    exec cargo test --release --quiet --test page_in_browser -- --ignored --nocapture
    ;;
esac
# Cargo runs what it has built: a config file may put it in another folder than
# target/release. The testbed finds the node next to itself.
cargo build --release --quiet --target-dir target --bins
exec cargo run --release --quiet --target-dir target --bin testbed -- "$@"
