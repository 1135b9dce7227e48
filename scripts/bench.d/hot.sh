# shellcheck shell=bash disable=SC2034,SC2154
# Hot GETs: the answers are in gridshell's cache, and in open files of nginx.

bench_hot() {
    local folder=$work/hot small large
    # The documents carry some 640 bytes besides the data in base64: 1.3 KB and 75 KB.
    start_gridshell hot
    mkdir -p "$folder/www/assets" "$folder/www/data"
    small=$(python3 "$parts/assets.py" post "$gridshell" 496)
    large=$(python3 "$parts/assets.py" post "$gridshell" 57344)
    python3 "$parts/assets.py" get "$gridshell/assets/$small" "$folder/www/assets/$small"
    python3 "$parts/assets.py" get "$gridshell/assets/$large" "$folder/www/assets/$large"
    python3 "$parts/assets.py" get "$gridshell/assets/$large/data" "$folder/www/data/$large"
    start_nginx "$folder"
    table_head
    hot_rows ", 20 requests a connection" "$nginx"
    stop "$gridshell_pid"
    start_gridshell hot MaxRequestsPerConnection=0
    hot_rows ", connections without limit" "$nginx_unlimited"
    stop "$gridshell_pid"
    stop "$nginx_pid"
}

# hot_rows LABEL NGINX_URL
hot_rows() {
    compare "asset, 1.3 KB$1" "0.9" "$gridshell/assets/$small" "$2/assets/$small"
    compare "asset, 75 KB$1" "0.9" "$gridshell/assets/$large" "$2/assets/$large"
    compare "data, 56 KB$1" "0.9" "$gridshell/assets/$large/data" "$2/data/$large"
}
