//! Storms: many reads and changes at a shell in front of three others, of which one or two misbehave. No read and no repeatable change may
//! fail while one of them is well, no other change may be made twice, who is well again gets requests again without a restart, and the
//! memory does not grow.

#[path = "../common/mod.rs"]
mod common;

mod front;
mod load;
mod names;

use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use common::{Shell, try_get};
use front::{Arrivals, Front, Manner};
use load::Load;

/// All three have the same data.
const STORAGE: &str = r#"
[Network]
    port = ${port}
    BindAddresses = "127.0.0.1"
[ServiceList]
    AssetServiceConnector = "asset"
    InventoryConnector = "inventory"
[DatabaseService]
    StorageProvider = "sqlite"
    ConnectionString = "URI=file:${database}"
[AssetService]
    LocalServiceModule = "asset"
    CacheMegabytes = 0
[InventoryService]
    LocalServiceModule = "inventory"
[Admin]
    Port = ${admin}
"#;

/// Nothing is kept, and a member that is hung is left for another and tried again soon.
const EDGE: &str = r#"
[Network]
    port = ${port}
    BindAddresses = "127.0.0.1"
    MaxRequestsPerConnection = 0
[ServiceList]
    AssetServiceConnector = "asset"
    InventoryConnector = "inventory"
[AssetService]
    LocalServiceModule = "remote_asset"
    AssetServerURI = "${upstreams}"
    CacheMegabytes = 0
    ${keys}
[InventoryService]
    LocalServiceModule = "remote_inventory"
    InventoryServerURI = "${upstreams}"
    ${keys}
[Admin]
    Port = ${admin}
"#;
/// Who is well answers within the patience, on any machine: a read that has left all three has failed. It costs time where one is hung.
const KEYS: &str = "Patience = 3\n    HealthCheckInterval = 0.2\n    EjectTime = 0.2\n    MaxEjectTime = 0.5";

/// Reads that have to pass while a fault lasts.
const READS: usize = 120;

/// Three storage shells on one database, each behind a front.
struct Stage {
    storages: Vec<Shell>,
    fronts: Vec<Front>,
    arrivals: Arrivals,
    _runtime: Runtime,
    _folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let ini = STORAGE.replace("${database}", folder.path().join("shared.db").to_str().unwrap());
        let storages: Vec<Shell> = (0..3).map(|_| Shell::start(&ini)).collect();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let arrivals = Arrivals::default();
        let fronts = storages.iter().map(|shell| Front::start(&runtime, shell.port, arrivals.clone())).collect();
        Self { storages, fronts, arrivals, _runtime: runtime, _folder: folder }
    }

    /// The configuration of a shell in front of the three. `hosts` are their names.
    fn edge(&self, hosts: [&str; 3]) -> String {
        let addresses: Vec<String> =
            hosts.iter().zip(&self.fronts).map(|(host, front)| format!("http://{host}:{}", front.port)).collect();
        EDGE.replace("${upstreams}", &addresses.join(", ")).replace("${keys}", KEYS)
    }

    /// These fronts misbehave for a while, and are then well again.
    fn fault(&self, load: &Load, manner: Manner, misbehaving: &[Front]) {
        let when = format!("{} of 3 {manner:?}", misbehaving.len());
        misbehaving.iter().for_each(|front| front.behave(manner));
        load.go_on(READS, &when);
        misbehaving.iter().for_each(|front| front.behave(Manner::Well));
        recovered(load, misbehaving, &when);
    }
}

/// Waits until these fronts get requests again.
fn recovered(load: &Load, fronts: &[Front], after: &str) {
    let before: Vec<usize> = fronts.iter().map(Front::answered).collect();
    load.wait_until(&format!("recovery after: {after}"), || {
        fronts.iter().zip(&before).all(|(front, before)| front.answered() >= before + 3)
    });
}

fn all_are_healthy(edge: &Shell) -> bool {
    let metrics = try_get(edge.admin_port, "/metrics").unwrap();
    metrics.text().lines().filter(|line| line.starts_with("gridshell_upstream_healthy{") && line.ends_with(" 1")).count() == 3
}

#[test]
fn faults_under_load_lose_nothing_double_nothing_and_pass() {
    let mut stage = Stage::new();
    let load = Load::prepare(&stage.storages[0]);
    let edge = Shell::start(&stage.edge(["127.0.0.1"; 3]));
    let mut resident = Vec::new();
    load.run(&edge, || {
        load.go_on(READS, "at first");
        for manner in [
            Manner::Hung,
            Manner::Slow(Duration::from_millis(60)),
            Manner::Garbage,
            Manner::CutMidBody,
            Manner::Overstated,
            Manner::Understated,
            Manner::Dead,
            Manner::Page,
        ] {
            stage.fault(&load, manner, &stage.fronts[..1]);
            stage.fault(&load, manner, &stage.fronts[1..]);
            resident.push(edge.resident_bytes());
        }
        // The program behind dies in the midst of its work, and its machine with it.
        let killed = &mut stage.storages[2];
        killed.signal(Signal::SIGKILL);
        stage.fronts[2].behave(Manner::Dead);
        load.go_on(READS, "one of 3 killed");
        killed.restart();
        stage.fronts[2].behave(Manner::Well);
        recovered(&load, &stage.fronts[2..], "one of 3 killed");
        load.wait_until("all are healthy", || all_are_healthy(&edge));
        resident.push(edge.resident_bytes());
    });
    load.check(&stage.storages[0], &stage.arrivals);
    let (first, last) = (resident[0], *resident.last().unwrap());
    assert!(last <= first + first / 2 + 16 * 1024 * 1024, "resident memory after each fault: {resident:?}");
}
