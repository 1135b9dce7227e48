//! Shells in front of shells, with real binaries: a line of the .ini, the OUT connector that it names, a group of upstreams, another shell,
//! its database.

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../services/tests/common/mod.rs"]
mod databases;

mod batteries;
mod certificates;
mod configuration;
mod credentials;
mod disk_cache;
mod faults;
mod operator;
mod ready_made;
mod split;

use std::thread;
use std::time::{Duration, Instant};

use common::{PATIENCE, Shell, try_get};

/// A shell that keeps everything in a database. `${provider}` and `${database}` have to be replaced.
const STORAGE: &str = r#"
[Network]
    port = ${port}
    BindAddresses = "127.0.0.1"
[ServiceList]
    AssetServiceConnector = "asset"
    InventoryInConnector = "inventory"
    Name2Key = "name2key"
    Name2KeyWeb = "name2key_web"
[DatabaseService]
    StorageProvider = "${provider}"
    ConnectionString = "${database}"
[AssetService]
    LocalServiceModule = "asset"
    AllowRemoteDelete = true
    AllowRemoteDeleteAllTypes = true
    CacheMegabytes = 0
[InventoryService]
    LocalServiceModule = "inventory"
[Name2KeyService]
    LocalServiceModule = "name2key"
[Admin]
    Port = ${admin}
"#;

/// A shell that keeps nothing. `${upstreams}` are those it asks, `${keys}` go into the sections of all services.
const EDGE: &str = r#"
[Network]
    port = ${port}
    BindAddresses = "127.0.0.1"
    MaxRequestsPerConnection = 0
[ServiceList]
    AssetServiceConnector = "OpenSim.Server.Handlers.dll:AssetServiceConnector"
    InventoryInConnector = "OpenSim.Server.Handlers.dll:XInventoryInConnector"
    Name2Key = "name2key"
    Name2KeyWeb = "name2key_web"
[AssetService]
    LocalServiceModule = "OpenSim.Services.Connectors.dll:AssetServicesConnector"
    AssetServerURI = "${upstreams}"
    AllowRemoteDelete = true
    AllowRemoteDeleteAllTypes = true
    ${keys}
[InventoryService]
    LocalServiceModule = "OpenSim.Services.Connectors.dll:XInventoryServicesConnector"
    InventoryServerURI = "${upstreams}"
    ${keys}
[Name2KeyService]
    LocalServiceModule = "remote_name2key"
    Name2KeyServerURI = "${upstreams}"
    ${keys}
[Admin]
    Port = ${admin}
"#;

/// Answers are not kept, and who fails or comes back is noticed at once.
const QUICK: &str = "CacheMegabytes = 0\n    HealthCheckInterval = 0.2\n    EjectTime = 0.2\n    MaxEjectTime = 0.5";

/// Keys that the other services do not know are left to the assets.
fn without_cache_keys(ini: &str) -> String {
    let (assets, rest) = ini.split_once("[InventoryService]").unwrap();
    format!("{assets}[InventoryService]{}", rest.replace("CacheMegabytes = 0\n    ", ""))
}

/// The configuration of a storage shell on SQLite, in its folder or wherever the path says.
fn storage_on(file: &str) -> String {
    STORAGE.replace("${provider}", "sqlite").replace("${database}", &format!("URI=file:{file}"))
}

/// A storage shell on SQLite.
fn storage() -> Shell {
    Shell::start(&storage_on("test.db"))
}

/// The configuration of an edge in front of these shells.
fn edge_of(upstreams: &[&Shell], keys: &str) -> String {
    let addresses: Vec<String> = upstreams.iter().map(|shell| address_of(shell)).collect();
    without_cache_keys(&EDGE.replace("${upstreams}", &addresses.join(", ")).replace("${keys}", keys))
}

fn address_of(shell: &Shell) -> String {
    format!("http://127.0.0.1:{}", shell.port)
}

/// Waits until something is so.
fn wait_until(what: &str, shell: &Shell, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} does not come about; the output:\n{}", shell.output());
        thread::sleep(Duration::from_millis(20));
    }
}

/// The status and text of `/readyz`.
fn readiness(shell: &Shell) -> (u16, String) {
    let answer = try_get(shell.admin_port, "/readyz").unwrap();
    (answer.status, answer.text().to_owned())
}
