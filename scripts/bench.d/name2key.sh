# shellcheck shell=bash disable=SC2034,SC2154
# name2key: the import of a whole export, and look-ups in it. The references: bzcat on the same file, and nginx that answers each
# request with `return 200`.

bench_name2key() {
    local folder=$work/name2key round times=()
    need bzip2 bzcat
    mkdir -p "$folder"
    say "making $names names"
    run python3 "$parts/make_names.py" "$names" "$folder/names.csv.bz2" || fail "could not make the names"
    name2key_ini "$folder"
    printf '| Case | gridshell | reference | Ratio | Aim |\n|---|---:|---:|---:|---:|\n'
    import_rows "$folder" "import of $names rows"
    import_rows "$folder" "the same file again"
    run python3 "$parts/name2key.py" targets "$folder/names.csv.bz2" 50000 "$folder/by_name" "$folder/by_key"
    start_name2key "$folder"
    start_nginx "$folder" 'location / { return 200 "a27b84f0-2757-4176-9579-43a181d4a5a0"; }'
    look_up_row "look-up by name" "$folder/by_name"
    look_up_row "look-up by key" "$folder/by_key"
    printf '| resident memory after the look-ups, MB | %s | | | < 280 |\n' "$(resident)"
    stop "$gridshell_pid"
    stop "$nginx_pid"
    for round in 1 2 3; do
        times+=("$(python3 "$parts/time_to_ready.py" "$admin/readyz" "$folder" "$binary" "-inifile=$folder/name2key.ini" -console=none)")
    done
    printf '| start to ready, ms | %.0f | | | < 300 |\n' "$(printf '%s\n' "${times[@]}" | median)"
    printf '| the store, MB | %s | | | |\n' "$(du -m "$folder/name2key.db" | cut -f1)"
}

# name2key_ini FOLDER: writes its configuration. Sets $gridshell and $admin.
name2key_ini() {
    local port_admin
    free_port
    port_admin=$port
    free_port
    gridshell=http://127.0.0.1:$port
    admin=http://127.0.0.1:$port_admin
    cat >"$1/name2key.ini" <<INI
[Startup]
[Network]
port = $port
MaxRequestsPerConnection = 0
[ServiceList]
Name2KeyWeb = "name2key_web"
[DatabaseService]
StorageProvider = "sqlite"
ConnectionString = "URI=file:$1/name2key.db"
[Name2KeyService]
LocalServiceModule = "name2key"
[Admin]
Port = $port_admin
INI
}

start_name2key() {
    start "$1/log" env -C "$1" "$binary" "-inifile=$1/name2key.ini" -console=none
    gridshell_pid=$pid
    wait_until "gridshell at $gridshell" 60 "$pid" "$1/log" listens "${gridshell##*:}" || fail "could not start gridshell"
}

# import_rows FOLDER LABEL: bzcat and the import, one after the other, and how much memory the import had.
import_rows() {
    local theirs ours memory
    read -r theirs _ < <(python3 "$parts/name2key.py" time bzcat "$1/names.csv.bz2") || fail "bzcat failed"
    read -r ours memory < <(python3 "$parts/name2key.py" time "$binary" name2key import "-inifile=$1/name2key.ini" "$1/names.csv.bz2") ||
        fail "the import failed"
    say "$2: $ours s, bzcat $theirs s; at most $memory MB resident"
    awk -v label="$2" -v ours="$ours" -v theirs="$theirs" -v memory="$memory" 'BEGIN {
        printf "| %s, seconds (reference: bzcat) | %.1f | %.1f | %.2f | 1.5 |\n", label, ours, theirs, ours / theirs
        printf "| %s, most resident memory, MB | %d | | | < 280 |\n", label, memory }'
}

# look_up_row LABEL TARGETS: random look-ups by 16 clients, turn about with nginx.
look_up_row() {
    local label=$1 targets=$2 round=0 ours=() theirs=() slowest=() reference=()
    load 16 2 "$gridshell" "$parts/random_get.lua" "$targets"
    while ((++round <= rounds)); do
        load 16 "$seconds" "$gridshell" "$parts/random_get.lua" "$targets"
        ours+=("$rate")
        slowest+=("$(awk '$1 == "p99" { print $2 }' "$work/wrk.out")")
        load 16 "$seconds" "$nginx_unlimited" "$parts/random_get.lua" "$targets"
        theirs+=("$rate")
        reference+=("$(awk '$1 == "p99" { print $2 }' "$work/wrk.out")")
        say "$label, round $round: gridshell ${ours[-1]} (p99 ${slowest[-1]} ms), nginx ${theirs[-1]} requests/s (${reference[-1]} ms)"
    done
    row "$label, requests/s (reference: nginx)" "0.5" "$(printf '%s\n' "${ours[@]}" | median)" "$(printf '%s\n' "${theirs[@]}" | median)"
    printf '| %s, p99 with 16 clients, ms (reference: nginx) | %.2f | %.2f | | < 2 |\n' "$label" \
        "$(printf '%s\n' "${slowest[@]}" | median)" "$(printf '%s\n' "${reference[@]}" | median)"
}
