# shellcheck shell=bash disable=SC2034,SC2154
# Load by wrk, and tables of what it did. Sourced by scripts/bench, which sets $work, $seconds and $rounds.

# load CONNECTIONS SECONDS URL [SCRIPT ARGUMENT...]: one round; the output of wrk is in $work/wrk.out, $rate is requests per second.
# Wrong answers are said, since they are cheaper to give than right ones.
load() {
    local connections=$1 length=$2 url=$3 script=()
    shift 3
    if (($# > 0)); then
        script=(-s "$1")
        shift
    fi
    run wrk "-t$((connections > 1 ? 2 : 1))" "-c$connections" "-d${length}s" --timeout 10s "${script[@]}" "$url" -- "$@" >"$work/wrk.out" ||
        fail "wrk failed: $(cat "$work/wrk.out")"
    rate=$(awk '$1 == "Requests/sec:" { print $2 }' "$work/wrk.out")
    if grep -E 'Non-2xx|Socket errors' "$work/wrk.out" >&2; then
        say "$url: not all answers are right, this round says nothing"
    fi
}

# median: of the numbers on standard input.
median() {
    sort -g | awk '{ value[NR] = $1 } END { print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'
}

table_head() {
    printf '| Case | gridshell, requests/s | nginx, requests/s | Ratio | Aim |\n|---|---:|---:|---:|---:|\n'
}

# compare LABEL AIM GRIDSHELL_URL NGINX_URL [SCRIPT ARGUMENT...]: a row of the table. Both take turns, so that what disturbs the machine
# disturbs both. Who they are is in $compared, if not gridshell and nginx.
compare() {
    local label=$1 aim=$2 ours=$3 theirs=$4 round=0 one=() other=()
    shift 4
    load 32 1 "$ours" "$@"
    load 32 1 "$theirs" "$@"
    while ((++round <= rounds)); do
        load 32 "$seconds" "$ours" "$@"
        one+=("$rate")
        load 32 "$seconds" "$theirs" "$@"
        other+=("$rate")
        say "$label, round $round: ${compared[0]:-gridshell} ${one[-1]}, ${compared[1]:-nginx} ${other[-1]} requests/s"
    done
    row "$label" "$aim" "$(printf '%s\n' "${one[@]}" | median)" "$(printf '%s\n' "${other[@]}" | median)"
}

# a_million WHAT URL: rows with gridshell's resident memory in the course of a million requests, and how much it has grown. It may settle, it
# must not grow.
a_million() {
    local what=$1 url=$2 total=0 mark first='' last
    for mark in 100000 250000 500000 1000000; do
        while ((total < mark)); do
            load 32 2 "$url"
            ((total += $(awk '$2 == "requests" { print $1 }' "$work/wrk.out")))
        done
        last=$(resident)
        first=${first:-$last}
        say "memory after $total requests $what: $last MB"
        printf '| %d requests %s | %s | |\n' "$total" "$what" "$last"
    done
    awk -v first="$first" -v last="$last" 'BEGIN { printf "| growth from the first of these to the last | %.1f | flat |\n", last - first }'
}

# row LABEL AIM OURS THEIRS
row() {
    awk -v label="$1" -v aim="$2" -v ours="$3" -v theirs="$4" \
        'BEGIN { printf "| %s | %.0f | %.0f | %.2f | %s |\n", label, ours, theirs, ours / theirs, aim }'
}
