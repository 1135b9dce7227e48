# shellcheck shell=bash disable=SC2034,SC2154
# The programs that are measured, and the store of assets that they are measured with. Sourced by scripts/bench, which sets $work,
# $binary and $parts.

# start_gridshell NAME [KEY=VALUE]...: starts it on SQLite, in the folder NAME of the work folder, which keeps the database from one
# start to the next. Keys: CacheMegabytes, MaxRequestsPerConnection; without them it runs as it comes. With Upstream=URL it opens no
# database and asks the shell there, and DiskCache=FOLDER is where it then keeps assets. Sets $gridshell (its URL), $admin (that of the
# admin listener) and $gridshell_pid.
start_gridshell() {
    local folder=$work/$1 setting network='' assets='' upstream='' port_admin attempt
    shift
    for setting in "$@"; do
        case $setting in
        MaxRequestsPerConnection=*) network+="${setting/=/ = }"$'\n' ;;
        CacheMegabytes=* | DiskCache=*) assets+="${setting/=/ = }"$'\n' ;;
        Upstream=*) upstream=${setting#*=} ;;
        *) fail "start_gridshell: unknown setting $setting" ;;
        esac
    done
    mkdir -p "$folder"
    for attempt in 1 2 3; do
        free_port
        port_admin=$port
        free_port
        gridshell=http://127.0.0.1:$port
        admin=http://127.0.0.1:$port_admin
        cat >"$folder/gridshell.ini" <<INI
[Startup]
[Network]
port = $port
$network
[Admin]
Port = $port_admin
$(if [[ -n $upstream ]]; then front_sections; else store_sections; fi)
INI
        start "$folder/log" env -C "$folder" "$binary" "-inifile=$folder/gridshell.ini" -console=none
        gridshell_pid=$pid
        wait_until "gridshell on port $port" 60 "$pid" "$folder/log" listens "$port" && return
        say "attempt $attempt to start gridshell failed"
        stop "$pid"
    done
    fail "could not start gridshell"
}

# The sections of a shell with a database, in $folder. $assets are its settings for assets.
store_sections() {
    cat <<INI
[ServiceList]
AssetServiceConnector = "$port/OpenSim.Server.Handlers.dll:AssetServiceConnector"
InventoryInConnector = "$port/OpenSim.Server.Handlers.dll:XInventoryInConnector"
[DatabaseService]
StorageProvider = "OpenSim.Data.SQLite.dll"
ConnectionString = "URI=file:$folder/gridshell.db"
[AssetService]
LocalServiceModule = "OpenSim.Services.AssetService.dll:AssetService"
$assets
[InventoryService]
LocalServiceModule = "OpenSim.Services.InventoryService.dll:XInventoryService"
INI
}

# The sections of a shell that asks the one at $upstream.
front_sections() {
    cat <<INI
[ServiceList]
AssetServiceConnector = "$port/OpenSim.Server.Handlers.dll:AssetServiceConnector"
[AssetService]
LocalServiceModule = "OpenSim.Services.Connectors.dll:AssetServicesConnector"
AssetServerURI = "$upstream"
$assets
INI
}

# start_nginx FOLDER [LOCATION [UPSTREAMS]]: answers by LOCATION, in nginx's words; without it, serves the files of FOLDER/www, as text/xml under
# /assets/ and as application/octet-stream under /data/; what is not there is answered with the file `any`. UPSTREAMS is what LOCATION
# needs beside the servers. Two listeners: $nginx closes a connection after 20 requests, as gridshell does unless told
# otherwise, $nginx_unlimited does not.
start_nginx() {
    local folder=$1 limited unlimited user=''
    [[ $(id -u) != 0 ]] || user='user root;'
    free_port
    limited=$port
    free_port
    unlimited=$port
    nginx=http://127.0.0.1:$limited
    nginx_unlimited=http://127.0.0.1:$unlimited
    cat >"$folder/nginx.conf" <<CONF
$user
daemon off;
worker_processes $(nproc);
pid $folder/nginx.pid;
error_log $folder/nginx.log warn;
events { worker_connections 4096; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=1000 inactive=600s;
    open_file_cache_valid 600s;
    client_body_temp_path $folder/temp;
    proxy_temp_path $folder/temp;
    fastcgi_temp_path $folder/temp;
    uwsgi_temp_path $folder/temp;
    scgi_temp_path $folder/temp;
    root $folder/www;
    ${3-}
    server {
        listen 127.0.0.1:$limited backlog=4096;
        keepalive_requests 20;
        include $folder/locations;
    }
    server {
        listen 127.0.0.1:$unlimited backlog=4096;
        keepalive_requests 100000000;
        include $folder/locations;
    }
}
CONF
    cat >"$folder/locations" <<CONF
${2-    location /assets/ { default_type text/xml; try_files \$uri /any; \}
        location /data/ { default_type application/octet-stream; \}
        location = /any { default_type text/xml; \}}
CONF
    mkdir -p "$folder/temp"
    start "$folder/nginx.out" "$(find_command nginx)" -c "$folder/nginx.conf" -e "$folder/nginx.log"
    wait_until "nginx on port $limited" 20 "$pid" "$folder/nginx.out" listens "$limited" || fail "could not start nginx"
    nginx_pid=$pid
}

# full_store: makes the folder `full`, a store of 100,000 assets of 2 KB that gridshell itself has created, once in a run. $full_ids is a
# file with their ids, one a line.
full_store() {
    full_ids=$work/ids
    [[ ! -e $full_ids ]] || return 0
    say "filling a store with 100,000 assets of 2 KB"
    start_gridshell full
    stop "$gridshell_pid"
    run python3 "$parts/fill.py" "$work/full/gridshell.db" 100000 2048 "$full_ids"
}

# resident: the resident memory of gridshell in MB.
resident() {
    awk '$1 == "VmRSS:" { printf "%.1f", $2 / 1024 }' "/proc/$gridshell_pid/status"
}
