# shellcheck shell=bash disable=SC2034,SC2154
# Inventory: a long answer of many items, one of many folders, and items that are added. nginx serves the bytes of the two answers,
# as files that are got.

bench_inventory() {
    local folder=$work/inventory
    mkdir -p "$folder/www" "$work/added"
    # The program itself creates the tables.
    start_gridshell inventory
    stop "$gridshell_pid"
    run python3 "$parts/inventory.py" fill "$folder/gridshell.db" "$folder"
    start_gridshell inventory
    start_nginx "$folder"
    printf '| Case | gridshell, requests/s | Aim | nginx, requests/s | Ratio |\n|---|---:|---:|---:|---:|\n'
    inventory_row "GETFOLDERCONTENT, 500 items" 1500 "$(cat "$folder/content")" 500 item_
    inventory_row "GETINVENTORYSKELETON, 2,000 folders" 200 "$(cat "$folder/skeleton")" 2000 folder_
    stop "$nginx_pid"
    added_row
}

# inventory_row LABEL AIM FORM COUNT PREFIX: a row for a request whose answer has COUNT elements that begin with PREFIX.
inventory_row() {
    local label=$1 aim=$2 form=$3 round=0 ours=() theirs=()
    python3 "$parts/inventory.py" ask "$gridshell" "$form" "$4" "$5" "$work/inventory/www/any"
    load 32 1 "$gridshell/xinventory" "$parts/form.lua" "$form"
    load 32 1 "$nginx/any"
    while ((++round <= rounds)); do
        load 32 "$seconds" "$gridshell/xinventory" "$parts/form.lua" "$form"
        ours+=("$rate")
        load 32 "$seconds" "$nginx/any"
        theirs+=("$rate")
        say "$label, round $round: gridshell ${ours[-1]}, nginx ${theirs[-1]} requests/s"
    done
    awk -v label="$label ($(stat -c %s "$work/inventory/www/any") bytes)" -v aim="$aim" \
        -v ours="$(printf '%s\n' "${ours[@]}" | median)" -v theirs="$(printf '%s\n' "${theirs[@]}" | median)" \
        'BEGIN { printf "| %s | %.0f | %s | %.0f | %.2f |\n", label, ours, aim, theirs, ours / theirs }'
}

# A row for ADDITEM. An item is answered when it is on disk: the program is killed after the last round, and then as many must be there.
added_row() {
    local round=0 rates=()
    while ((++round <= rounds)); do
        load 16 "$seconds" "$gridshell/xinventory" "$parts/add_item.lua" "$work/inventory/users" "$work/added/$round" "$round"
        rates+=("$rate")
        say "ADDITEM, round $round: $rate a second; $(grep refused "$work/wrk.out" || true)"
    done
    # Else the shell would say that it was killed.
    stop "$gridshell_pid" KILL 2>/dev/null
    say "$(cat "$work"/added/* | python3 "$parts/inventory.py" count "$work/inventory/gridshell.db")"
    printf '| ADDITEM, 16 clients, SQLite, on disk before the answer | %.0f | 1500 | | |\n' "$(printf '%s\n' "${rates[@]}" | median)"
}
