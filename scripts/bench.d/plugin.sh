# shellcheck shell=bash disable=SC2034,SC2154
# Plugins against what is built in, in the same process and turn about: a text of 27 bytes, a GET of an asset without cache; both again with
# the plugins in processes of their own. Then a million requests: memory must not grow, and what was handed out must be given back.

bench_plugin() {
    local folder=$work/plugin compared=(plugin "built in")
    need gcc cc libc6-dev cc
    install -d -m 755 "$folder/plugins"
    say "building the plugins"
    run cargo build --release --locked --package greeting || fail "the plugin greeting does not build"
    install -m 755 "$built/release/libgreeting.so" "$folder/plugins"
    compile_plugin "$folder/plugins/libasset_files.so" "$project/examples/plugins/asset-files-c/asset_files.c"
    compile_plugin "$folder/plugins/libcounting.so" "$project/server-shell/tests/plugins/plugin.c" '-DNAME="counting"'
    printf '| Case | plugin, requests/s | built in, requests/s | Ratio | Aim |\n|---|---:|---:|---:|---:|\n'
    start_with_plugins "$folder" none
    compare_plugins "" 0.9 0.7
    stop "$gridshell_pid"
    start_with_plugins "$folder" process
    compare_plugins ", plugin in a process of its own" 0.3 0.3
    stop "$gridshell_pid"
    printf '\n| After | Resident memory, MB | Aim |\n|---|---:|---:|\n'
    start_with_plugins "$folder" none
    many_requests
    stop "$gridshell_pid"
}

# compile_plugin FILE SOURCE [SWITCH]...
compile_plugin() {
    local file=$1 source=$2
    shift 2
    run cc -std=c99 -O2 -shared -fPIC -pthread "$@" -I "$project/interfaces/plugin-abi/include" -o "$file" "$source" ||
        fail "$source does not compile"
    chmod 755 "$file"
}

# start_with_plugins FOLDER ISOLATION: starts gridshell with assets on SQLite, without cache, and the plugins: `greeting` and `counting`
# beside them, `asset_files` as the service of a second port, at $plugin_assets, and other assets on SQLite with a cache, at
# $cached_assets.
start_with_plugins() {
    local folder=$1 isolation=$2 port_admin port_assets port_cached
    free_port
    port_admin=$port
    free_port
    port_assets=$port
    free_port
    port_cached=$port
    free_port
    gridshell=http://127.0.0.1:$port
    plugin_assets=http://127.0.0.1:$port_assets
    cached_assets=http://127.0.0.1:$port_cached
    mkdir -p "$folder/assets"
    cat >"$folder/gridshell.ini" <<INI
[Startup]
[Network]
port = $port
MaxRequestsPerConnection = 0
[ServiceList]
Assets = "asset"
PluginAssets = "PluginAssets@$port_assets/asset"
CachedAssets = "CachedAssets@$port_cached/asset"
Greeting = "libgreeting.so"
Counting = "libcounting.so"
[DatabaseService]
StorageProvider = "sqlite"
ConnectionString = "URI=file:$folder/gridshell.db"
[AssetService]
LocalServiceModule = "asset"
CacheMegabytes = 0
[CachedAssets]
LocalServiceModule = "asset"
ConnectionString = "URI=file:$folder/cached.db"
[PluginAssets]
LocalServiceModule = "libasset_files.so:asset"
CacheMegabytes = 0
[Plugins]
Directory = "$folder/plugins"
Allow = "libgreeting.so, libasset_files.so, libcounting.so"
[Plugin:greeting]
MaxConcurrent = 64
Isolation = $isolation
[Plugin:asset_files]
MaxConcurrent = 64
Isolation = $isolation
Directory = "$folder/assets"
[Plugin:counting]
MaxConcurrent = 64
Isolation = $isolation
[Admin]
Port = $port_admin
INI
    start "$folder/log" env -C "$folder" "$binary" "-inifile=$folder/gridshell.ini" -console=none
    gridshell_pid=$pid
    wait_until "gridshell on port $port" 60 "$pid" "$folder/log" listens "$port" || fail "could not start gridshell: $(cat "$folder/log")"
}

# compare_plugins LABEL AIM_OF_GREETING AIM_OF_ASSETS: what is built in and answers as many bytes as the greeting is the data of an asset, from
# the cache. The cheapest answer that is built in, 200 and no body to `GET /assets/`, shows what an answer costs at least.
compare_plugins() {
    local ours theirs
    theirs=$(python3 "$parts/assets.py" post "$cached_assets" 27)
    compare "greeting of 27 bytes$1 (built in: data of an asset from the cache)" "$2" "$gridshell/greeting/whoever-is-greeted" \
        "$cached_assets/assets/$theirs/data"
    compare "the same$1 (built in: GET /assets/, no body)" "" "$gridshell/greeting/whoever-is-greeted" "$gridshell/assets/"
    ours=$(python3 "$parts/assets.py" post "$plugin_assets" 2048)
    theirs=$(python3 "$parts/assets.py" post "$gridshell" 2048)
    compare "asset of 2 KB from the plugin in C$1 (built in: SQLite), no cache" "$3" "$plugin_assets/assets/$ours" \
        "$gridshell/assets/$theirs"
}

# many_requests: a million to the plugin `counting`, which counts how often it was asked and how often its answers were given back.
many_requests() {
    local counts
    a_million "to a plugin" "$gridshell/counting"
    python3 "$parts/assets.py" get "$gridshell/counting/counts" "$work/counts"
    counts=$(cat "$work/counts")
    say "the plugin says: $counts"
    awk '{ printf "\nOf %d requests that the plugin has answered it got %d answers back.\n", $2, $4 }' <<<"$counts"
}
