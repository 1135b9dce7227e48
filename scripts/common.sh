# shellcheck shell=bash
# What scripts/test and scripts/bench share: processes that are ended with the script, free ports, waiting, packages.
# It is sourced; the script that does so has set -euo pipefail.

# The folder of the project, and the folder that cargo builds into.
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # for those who source it
built=${CARGO_TARGET_DIR:-$project/target}

# A line about what is going on. Standard error, so that it comes in order with what cargo says.
say() {
    printf '== %s\n' "$*" >&2
}

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# --- Processes. Each becomes a process group of its own: what it starts is ended with it, and Ctrl-C reaches only this script,
# which then ends them in order.

started=()

# start LOG COMMAND...: starts it in the background with its output in the file LOG; its id is in $pid.
start() {
    local log=$1
    shift
    set -m
    "$@" </dev/null >"$log" 2>&1 &
    pid=$!
    set +m
    started+=("$pid")
}

# run COMMAND...: starts it like the others, with our output, waits, and gives its exit status. Unlike a plain call, it does not
# keep this script from ending when it is told to.
run() {
    local status=0
    set -m
    "$@" </dev/null &
    pid=$!
    set +m
    started+=("$pid")
    wait "$pid" || status=$?
    forget "$pid"
    return "$status"
}

forget() {
    local kept=() one
    for one in "${started[@]}"; do
        [[ $one == "$1" ]] || kept+=("$one")
    done
    started=("${kept[@]}")
}

# stop PID [SIGNAL]: asks the group of a started process to end (TERM), insists after 15 s, and returns when the process is gone.
stop() {
    local tries=0
    kill "-${2:-TERM}" -- "-$1" 2>/dev/null || true
    while kill -0 "$1" 2>/dev/null; do
        if ((++tries > 150)); then
            kill -KILL -- "-$1" 2>/dev/null || true
            break
        fi
        sleep 0.1
    done
    wait "$1" 2>/dev/null || true
    # What the process itself left behind.
    kill -KILL -- "-$1" 2>/dev/null || true
    forget "$1"
}

stop_all() {
    local index
    for ((index = ${#started[@]} - 1; index >= 0; index--)); do
        stop "${started[index]}"
    done
}

# --- Ports and waiting

listens() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# free_port: sets $port to one on which nothing listens. It is below those that the system gives to outgoing connections. Somebody
# else may be quicker: what is started on it may fail, and is then started again on another.
free_port() {
    while true; do
        port=$((20000 + RANDOM % 12000))
        listens "$port" || return 0
    done
}

# wait_until WHAT SECONDS PID LOG COMMAND...: polls until COMMAND succeeds. Fails, and says what was waited for, when the process PID
# has ended or the time is over.
wait_until() {
    local what=$1 seconds=$2 process=$3 log=$4 deadline
    shift 4
    deadline=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        if ! kill -0 "$process" 2>/dev/null; then
            say "waited for $what, but process $process has ended; the end of its log:"
        elif ((SECONDS >= deadline)); then
            say "waited $seconds s for $what in vain; the end of its log:"
        else
            sleep 0.05
            continue
        fi
        tail -n 30 "$log" >&2
        return 1
    done
    # Somebody else may have answered.
    kill -0 "$process" 2>/dev/null
}

# --- Packages

# need PACKAGE COMMAND [PACKAGE COMMAND]...: installs the Debian packages whose command is not there, if it may. What the package
# brings is looked for where Debian puts it, too, if that is not in the path.
need() {
    local missing=()
    while (($# > 0)); do
        find_command "$2" >/dev/null || missing+=("$1")
        shift 2
    done
    ((${#missing[@]} > 0)) || return 0
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        say "missing: ${missing[*]}. Install with:  apt-get install --no-install-recommends ${missing[*]}"
        exit 2
    fi
    say "installing ${missing[*]}"
    local apt=(apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3) output
    export DEBIAN_FRONTEND=noninteractive
    output=$("${apt[@]}" update 2>&1 && "${apt[@]}" install -y --no-install-recommends "${missing[@]}" 2>&1) ||
        fail "apt-get failed: $output"
}

# find_command NAME: prints its path.
find_command() {
    local place
    command -v "$1" && return
    for place in /usr/sbin /usr/lib/postgresql/*/bin; do
        if [[ -x $place/$1 ]]; then
            printf '%s\n' "$place/$1"
            return
        fi
    done
    return 1
}

# find_cargo: rustup's installer puts cargo where a shell started before does not look.
find_cargo() {
    command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    command -v cargo >/dev/null || {
        say "cargo is missing: install Rust 1.94 or newer by rustup"
        exit 2
    }
}
