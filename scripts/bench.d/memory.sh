# shellcheck shell=bash disable=SC2034,SC2154
# Resident memory: idle, then in the course of a million requests for one cached asset. It may settle, it must not grow.

bench_memory() {
    local asset total=0 mark first='' last
    full_store
    start_gridshell full
    wait_until "/readyz" 60 "$gridshell_pid" "$work/full/log" python3 "$parts/assets.py" get "$admin/readyz" /dev/null
    printf '| After | Resident memory, MB | Aim |\n|---|---:|---:|\n'
    printf '| the start, idle, 100,000 assets in SQLite | %s | < 40 |\n' "$(resident)"
    asset=$gridshell/assets/$(head -n 1 "$full_ids")
    for mark in 100000 250000 500000 1000000; do
        while ((total < mark)); do
            load 32 2 "$asset"
            ((total += $(awk '$2 == "requests" { print $1 }' "$work/wrk.out")))
        done
        last=$(resident)
        first=${first:-$last}
        say "memory after $total requests: $last MB"
        printf '| %d requests for one cached asset | %s | |\n' "$total" "$last"
    done
    awk -v first="$first" -v last="$last" 'BEGIN { printf "| growth from the first of these to the last | %.1f | flat |\n", last - first }'
    stop "$gridshell_pid"
}
