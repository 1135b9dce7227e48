# shellcheck shell=bash disable=SC2034,SC2154
# A shell in front of a storage shell, which has the assets in its memory. The references: nginx as a proxy in front of the same storage
# shell where every request is passed on, nginx with the bytes in a file where they are kept. Connections are without limit.

bench_proxy() {
    local folder=$work/proxy storage storage_pid small large
    # Their documents carry some 640 bytes besides the data in base64: 1.3 KB and 75 KB.
    start_gridshell storage
    stop "$gridshell_pid"
    python3 "$parts/fill.py" "$work/storage/gridshell.db" 500 496 "$work/small.ids" 1
    python3 "$parts/fill.py" "$work/storage/gridshell.db" 500 57344 "$work/large.ids" 2
    start_gridshell storage MaxRequestsPerConnection=0 CacheMegabytes=128
    storage=$gridshell
    storage_pid=$gridshell_pid
    mkdir -p "$folder/www/assets" "$folder/disk"
    small=$(head -n 1 "$work/small.ids")
    large=$(head -n 1 "$work/large.ids")
    printf '| Case | gridshell | nginx | Ratio | Aim |\n|---|---:|---:|---:|---:|\n'

    start_front CacheMegabytes=0
    start_nginx "$folder" "$(proxy_location)" "$(proxy_upstream "$storage")"
    gets_what_storage_has "$nginx_unlimited"
    # Many assets, since a shell asks only once for what several clients want at the same time.
    compare "one of 500 assets, 1.3 KB, passed on, requests/s (reference: proxy_pass)" 0.7 "$gridshell" "$nginx_unlimited" \
        "$parts/random_get.lua" "$work/small.ids" /assets/
    compare "one of 500 assets, 75 KB, passed on, requests/s (reference: proxy_pass)" 0.7 "$gridshell" "$nginx_unlimited" \
        "$parts/random_get.lua" "$work/large.ids" /assets/
    latency_row "1.3 KB" "$small"
    latency_row "75 KB" "$large"
    stop "$gridshell_pid"
    stop "$nginx_pid"

    python3 "$parts/assets.py" get "$storage/assets/$small" "$folder/www/assets/$small"
    python3 "$parts/assets.py" get "$storage/assets/$large" "$folder/www/assets/$large"
    start_nginx "$folder"
    start_front
    kept_rows "from memory, requests/s (reference: a file)" 0.9
    stop "$gridshell_pid"

    start_front CacheMegabytes=0 "DiskCache=$folder/disk"
    # From here on only what is kept can be answered.
    if wait_until "both assets on the disk of the shell in front" 10 "$gridshell_pid" "$work/front/log" both_are_in "$folder/disk"; then
        stop "$storage_pid"
        gets_what_storage_has "$gridshell"
        kept_rows "from disk, requests/s (reference: a file)" 0.5
    else
        stop "$storage_pid"
        say "NOT MEASURED: reads from disk. The program keeps nothing in the folder of [AssetService] DiskCache: does it know the option?"
        printf '| asset, from disk: not measured, the program keeps nothing in DiskCache | | | | 0.5 |\n'
    fi
    stop "$gridshell_pid"
    stop "$nginx_pid"
}

# start_front [KEY=VALUE]...: a shell in front of $storage, which has been asked for both assets.
start_front() {
    start_gridshell front MaxRequestsPerConnection=0 "Upstream=$storage" "$@"
    python3 "$parts/assets.py" get "$storage/assets/$small" "$work/small"
    python3 "$parts/assets.py" get "$storage/assets/$large" "$work/large"
    gets_what_storage_has "$gridshell"
}

# gets_what_storage_has URL: fails unless both assets are answered there as by the storage shell.
gets_what_storage_has() {
    local one
    for one in small large; do
        python3 "$parts/assets.py" get "$1/assets/${!one}" "$work/answer" || fail "$1 does not answer the $one asset"
        cmp "$work/$one" "$work/answer" >&2 || fail "$1 answers other bytes than $storage"
    done
}

# both_are_in FOLDER: whether a file for each asset is there.
both_are_in() {
    [[ -n $(find "$1" -type f -name "*$small*") && -n $(find "$1" -type f -name "*$large*") ]]
}

proxy_location() {
    cat <<'CONF'
location / {
    proxy_pass http://storage;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    # The whole answer fits, so that nothing of it goes to a file.
    proxy_buffer_size 16k;
    proxy_buffers 8 32k;
    proxy_busy_buffers_size 64k;
    proxy_max_temp_file_size 0;
}
CONF
}

# proxy_upstream URL
proxy_upstream() {
    printf 'upstream storage { server %s; keepalive 64; keepalive_requests 100000000; }' "${1#http://}"
}

# kept_rows LABEL AIM: both assets by $gridshell and nginx.
kept_rows() {
    compare "asset, 1.3 KB, $1" "$2" "$gridshell/assets/$small" "$nginx_unlimited/assets/$small"
    compare "asset, 75 KB, $1" "$2" "$gridshell/assets/$large" "$nginx_unlimited/assets/$large"
}

# latency_row SIZE ID: what the way through a proxy adds to the answer in the middle, with one connection.
latency_row() {
    local place round=0 target=/assets/$2
    local -A middle=() url=([direct]=$storage [front]=$gridshell [nginx]=$nginx_unlimited)
    while ((++round <= rounds)); do
        for place in direct front nginx; do
            load 1 "$seconds" "${url[$place]}$target" "$parts/latency.lua"
            middle[$place]+="$(awk '$1 == "p50" { print $2 }' "$work/wrk.out")"$'\n'
        done
    done
    for place in direct front nginx; do
        middle[$place]=$(printf '%s' "${middle[$place]}" | median)
    done
    say "latency, $1: p50 ${middle[direct]} ms directly, ${middle[front]} ms through gridshell, ${middle[nginx]} ms through nginx"
    awk -v size="$1" -v direct="${middle[direct]}" -v front="${middle[front]}" -v nginx="${middle[nginx]}" 'BEGIN {
        printf "| asset, %s, passed on: latency added at one connection, p50, ms | %.3f | %.3f | | < 0.3 |\n", size, front - direct, nginx - direct }'
}
