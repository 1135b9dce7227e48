# shellcheck shell=bash disable=SC2034,SC2154
# Start: the time until the program says that it can serve.

bench_start() {
    local times=() round
    full_store
    start_gridshell full
    stop "$gridshell_pid"
    for round in 1 2 3 4 5; do
        times+=("$(python3 "$parts/time_to_ready.py" "$admin/readyz" "$work/full" "$binary" "-inifile=$work/full/gridshell.ini" -console=none)")
        say "start, round $round: ${times[-1]} ms"
    done
    printf '| Case | gridshell, ms | Aim |\n|---|---:|---:|\n'
    printf '| start to ready, 100,000 assets in SQLite | %.0f | < 300 |\n' "$(printf '%s\n' "${times[@]}" | median)"
}
