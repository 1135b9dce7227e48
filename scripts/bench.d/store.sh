# shellcheck shell=bash disable=SC2034,SC2154
# Stores: a store is answered when it is on disk. Reading a sample back after a restart shows that what was answered is there.

bench_store() {
    local rates=() round=0
    mkdir "$work/sample"
    python3 "$parts/assets.py" template 2048 >"$work/template.xml"
    start_gridshell store
    while ((++round <= rounds)); do
        load 16 "$seconds" "$gridshell" "$parts/store.lua" "$work/template.xml" "$work/sample/$round" "$round"
        rates+=("$rate")
        say "stores, round $round: $rate a second; $(grep refused "$work/wrk.out" || true)"
    done
    stop "$gridshell_pid"
    start_gridshell store
    say "$(cat "$work"/sample/* | python3 "$parts/assets.py" verify "$gridshell" 2048)"
    stop "$gridshell_pid"
    printf '| Case | gridshell, stores/s | Aim |\n|---|---:|---:|\n'
    printf '| asset of 2 KB, 16 clients, SQLite, on disk before the answer | %.0f | 2000 |\n' "$(printf '%s\n' "${rates[@]}" | median)"
}
