# shellcheck shell=bash disable=SC2034,SC2154
# Resident memory: idle, then in the course of a million requests for one cached asset.

bench_memory() {
    full_store
    start_gridshell full
    wait_until "/readyz" 60 "$gridshell_pid" "$work/full/log" python3 "$parts/assets.py" get "$admin/readyz" /dev/null
    printf '| After | Resident memory, MB | Aim |\n|---|---:|---:|\n'
    printf '| the start, idle, 100,000 assets in SQLite | %s | < 40 |\n' "$(resident)"
    a_million "for one cached asset" "$gridshell/assets/$(head -n 1 "$full_ids")"
    stop "$gridshell_pid"
}
