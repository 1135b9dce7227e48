//! The rules of the house that can be read from the manifests: which crate may depend on which, and which stay free of I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Our own crates, and those of ours that each may depend on. Only the program knows all.
const MAY_DEPEND_ON: [(&str, &[&str]); 9] = [
    ("gridshell-config", &[]),
    ("gridshell-interfaces", &[]),
    // The configuration crate also reads the XML lists of the default assets.
    ("gridshell-services", &["gridshell-config", "gridshell-interfaces"]),
    ("gridshell-connectors", &["gridshell-interfaces"]),
    (
        "gridshell-server-shell",
        &["gridshell-config", "gridshell-interfaces", "gridshell-plugin-abi", "gridshell-services", "gridshell-connectors"],
    ),
    ("gridshell-plugin-abi", &[]),
    // What plugins in Rust are made with; plugins know nothing else of ours.
    ("gridshell-plugin", &["gridshell-plugin-abi"]),
    ("greeting", &["gridshell-plugin"]),
    ("name2key_csv", &["gridshell-plugin"]),
];

/// Crates from outside that a crate of ours must not depend on, by what they do.
const HTTP: [&str; 9] = ["actix-http", "actix-rt", "actix-web", "axum", "awc", "http", "hyper", "reqwest", "tower-http"];
const SQL: [&str; 7] = ["libsqlite3-sys", "mysql_async", "rusqlite", "sqlx", "sqlx-core", "tokio-postgres", "diesel"];
const RUNTIME: [&str; 8] = ["async-std", "futures-executor", "libc", "mio", "rustix", "smol", "socket2", "tokio"];

/// The names of the crates that each package of the workspace needs to run or to build. What only its tests need is left out: a test may
/// join what the program keeps apart.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON");
    let list = |value: &serde_json::Value, key: &str| value[key].as_array().expect(key).clone();
    let name = |value: &serde_json::Value| value["name"].as_str().expect("a name").to_owned();
    list(&metadata, "packages")
        .iter()
        .map(|package| {
            let needed = list(package, "dependencies").iter().filter(|it| it["kind"] != "dev").map(name).collect();
            (name(package), needed)
        })
        .collect()
}

fn assert_free_of(package: &str, forbidden: &[&[&str]]) {
    let all = dependencies();
    let found: Vec<&str> =
        forbidden.iter().flat_map(|group| group.iter().copied()).filter(|name| all[package].contains(*name)).collect();
    assert!(found.is_empty(), "{package} must not depend on {found:?}");
}

#[test]
fn our_crates_depend_on_each_other_in_one_direction_only() {
    let ours: BTreeMap<&str, &[&str]> = MAY_DEPEND_ON.into_iter().collect();
    for (package, needed) in dependencies() {
        let Some(allowed) = ours.get(package.as_str()) else {
            panic!("{package} is new in the workspace: say here which of our crates it may depend on");
        };
        for name in needed.iter().filter(|name| ours.contains_key(name.as_str())) {
            assert!(allowed.contains(&name.as_str()), "{package} must not depend on {name}");
        }
    }
}

#[test]
fn interfaces_does_no_io() {
    assert_free_of("gridshell-interfaces", &[&HTTP, &SQL, &RUNTIME]);
}

#[test]
fn services_know_no_http() {
    assert_free_of("gridshell-services", &[&HTTP]);
}

#[test]
fn connectors_know_no_database_and_no_http_server() {
    // `http` and a client are their trade; which server listens is the program's choice.
    assert_free_of("gridshell-connectors", &[&SQL, &["actix-http", "actix-rt", "actix-web", "axum"]]);
}
