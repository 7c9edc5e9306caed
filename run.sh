#!/bin/sh
# Builds what a command needs, and runs it: ./run.sh alone says which commands there
# are. Needs cargo and a C linker, and nothing else. Paths given to it are taken from
# this folder.
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

# What there is to know without building anything: the list of commands, or of one
# command its own lines of that. Fails if there is no such command.
list() {
    show=$([ "$1" ] || echo yes) found=
    while IFS= read -r line; do
        case $line in
        "  $1 "*) [ -z "$1" ] || show=yes found=yes ;;
        "   "*) ;;
        *) [ -z "$1" ] || show= ;;
        esac
        [ -z "$show" ] || printf '%s\n' "$line"
    done <src/bin/testbed/cli/usage.txt
    [ "$show$found" ]
}
command=${1:---help}
case $command in
-h | --help | help)
    list ''
    exit
    ;;
*' '* | '') found=no ;;
*) list "$command" >/dev/null && found=yes || found=no ;;
esac
if [ $found = no ]; then
    echo "run.sh: there is no command '$command'; ./run.sh alone lists all" >&2
    exit 2
fi
# Some commands are tests of their own, and take no options. Two take a part of a name.
case $command in
mutants | ablation | lesson | test-page)
    case $command:${2-} in
    *:-h | *:--help)
        list "$command"
        exit
        ;;
    *:-* | lesson:* | test-page:*) wrong=${2-} ;;
    *) wrong=${3-} ;;
    esac
    if [ "$wrong" ]; then
        echo "run.sh: $command takes no options, not '$wrong'" >&2
        exit 2
    fi
    ;;
esac

if ! command -v cargo >/dev/null; then
    echo "run.sh: cargo is missing, which builds hubcast; https://rustup.rs installs it" >&2
    exit 127
fi
# Wherever cargo is set to build on this machine, here it builds in target.
unset CARGO_BUILD_TARGET
test() {
    exec cargo test --quiet --target-dir target --test "$1" -- --ignored --nocapture
}
case $command in
test)
    shift
    # Maelstrom's `test -w NAME` is no command of cargo's.
    case ${1-} in
    -w | --workload)
        echo "run.sh: test is cargo test; Maelstrom's 'test -w $2' is here" \
            "'./run.sh workload $2'" >&2
        exit 2
        ;;
    esac
    # Most of the tests that take long wait for processes.
    export RUST_TEST_THREADS="${RUST_TEST_THREADS-8}"
    exec cargo test "$@"
    ;;
mutants | ablation)
    export MISTAKE="${2-}"
    test "$command"
    ;;
lesson) test lesson ;;
test-page) test page_in_browser ;;
esac

# On a terminal cargo shows how far it is, if there is something to build.
build() {
    built=target/$1 quiet=--quiet
    if [ ! -e "$built" ]; then
        echo "run.sh: building, once, about $2" >&2
    fi
    if [ -t 2 ] && { [ ! -e "$built" ] || [ "$(find src Cargo.toml -newer "$built")" ]; }; then
        quiet=
    fi
    shift 2
    cargo build $quiet --target-dir target "$@"
}
# Nodes in memory are part of the testbed. Real ones are run as they are shipped, and
# only `bench` takes the time of the testbed itself.
needs=node
case $command in
trace | torture | frontier | scale) needs= ;;
bench) needs=all ;;
esac
for argument; do
    case $argument in
    --) break ;;
    --virtual | -h | --help) needs= ;;
    esac
done
case $needs in
all)
    build release/testbed 'two minutes' --release --bins
    exec cargo run --release --quiet --target-dir target --bin testbed -- "$@"
    ;;
node) build release/hubcast 'half a minute' --release --bin hubcast --bin flood ;;
esac
build debug/testbed 'a minute' --bin testbed
# Cargo runs what it has built: a config file may put it in another folder than
# target/debug. The testbed finds the node beside itself.
NODE_PROFILE=release exec cargo run --quiet --target-dir target --bin testbed -- "$@"
