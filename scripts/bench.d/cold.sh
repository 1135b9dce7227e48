# shellcheck shell=bash disable=SC2034,SC2154
# Cold GETs: every request is a query. nginx serves one document of the same length for every id.

bench_cold() {
    local folder=$work/full
    full_store
    start_gridshell full CacheMegabytes=0
    mkdir -p "$folder/www"
    python3 "$parts/assets.py" get "$gridshell/assets/$(head -n 1 "$full_ids")" "$folder/www/any"
    start_nginx "$folder"
    table_head
    compare "random asset of 2 KB out of 100,000, cache off, 20 requests a connection" "0.35" "$gridshell" "$nginx" \
        "$parts/random_get.lua" "$full_ids" /assets/
    stop "$gridshell_pid"
    start_gridshell full CacheMegabytes=0 MaxRequestsPerConnection=0
    compare "random asset of 2 KB out of 100,000, cache off, connections without limit" "0.35" "$gridshell" "$nginx_unlimited" \
        "$parts/random_get.lua" "$full_ids" /assets/
    stop "$gridshell_pid"
    stop "$nginx_pid"
}
