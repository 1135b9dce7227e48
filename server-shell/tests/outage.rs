//! The database goes away and comes back: never a wrong "not found", never a wrong "stored", and no restart.

mod common;
#[path = "../../services/tests/common/mod.rs"]
mod databases;

use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use common::{PATIENCE, Shell, asset_document, connect, request, try_get};
use databases::TestDatabase;
use databases::proxy::Proxy;
use tempfile::TempDir;

const KEPT: &str = "a55e7000-0000-4000-8000-0000000000b1";
const LATE: &str = "a55e7000-0000-4000-8000-0000000000b2";
const UNKNOWN: &str = "a55e7000-0000-4000-8000-0000000000b3";

/// The program over a proxy, over a database.
struct Stage {
    test: TestDatabase,
    proxy: Proxy,
    ini: String,
}

impl Stage {
    async fn new(test: TestDatabase) -> Self {
        let value = |key: &str| {
            let pair =
                test.connection_string.split(';').filter_map(|pair| pair.split_once('=')).find(|pair| pair.0.trim() == key);
            pair.unwrap_or_else(|| panic!("the connection string of the tests has no {key}=")).1.to_owned()
        };
        let proxy = Proxy::start(&format!("{}:{}", value("Server"), value("Port"))).await;
        let limits = "Connection Timeout=8;Default Command Timeout=8;Max Pool Size=4";
        let behind = format!("{};Host=127.0.0.1;Port={};{limits}", test.connection_string, proxy.port());
        // Without cached answers every request is for the database.
        let ini = common::on_database(test.backend, &behind).replace("[AssetService]\n", "[AssetService]\nCacheMegabytes = 0\n");
        Self { test, proxy, ini }
    }
}

/// Method, path, body, and the status when all is well.
fn requests() -> Vec<(&'static str, String, String, u16)> {
    vec![
        ("GET", format!("/assets/{KEPT}"), String::new(), 200),
        ("GET", format!("/assets/{KEPT}/data"), String::new(), 200),
        ("GET", format!("/assets/{KEPT}/metadata"), String::new(), 200),
        ("GET", format!("/assets/{UNKNOWN}"), String::new(), 404),
        ("POST", "/get_assets_exist".to_owned(), format!("<ArrayOfString><string>{KEPT}</string></ArrayOfString>"), 200),
        ("POST", "/assets/".to_owned(), asset_document(LATE, "bGF0ZQ=="), 200),
        ("DELETE", format!("/assets/{LATE}"), String::new(), 200),
    ]
}

fn status(shell: &Shell, method: &str, path: &str, body: &str) -> u16 {
    request(&mut connect(shell.port).unwrap(), method, path, "", body.as_bytes()).unwrap().status
}

/// Every request is answered 503, and so is /readyz. The log says why, and that it took the time of the connection string.
fn all_is_down(shell: &Shell, how: &str) {
    thread::scope(|scope| {
        for (method, path, body, _) in requests() {
            scope.spawn(move || {
                let answer = request(&mut connect(shell.port).unwrap(), method, &path, "", body.as_bytes()).unwrap();
                assert_eq!((answer.status, answer.body.len()), (503, 0), "{how}: {method} {path}");
            });
        }
    });
    shell.wait_for_output(
        "no connection to the database within 8s (Connection Timeout): it cannot be reached, or all 4 connections",
    );
    let ready = try_get(shell.admin_port, "/readyz").unwrap();
    assert!(ready.status == 503 && ready.text().contains(": does not answer"), "{how}: {} {}", ready.status, ready.text());
    assert!(!ready.text().contains("ready"), "{how}: {}", ready.text());
    assert_eq!(try_get(shell.admin_port, "/healthz").unwrap().status, 200, "{how}: the program itself is well");
    assert_eq!(status(shell, "GET", "/assets/", ""), 200, "{how}: what needs no database works");
}

/// Everything works, after a while.
fn all_is_well_again(shell: &Shell, how: &str) {
    let deadline = Instant::now() + PATIENCE;
    while status(shell, "GET", &format!("/assets/{KEPT}"), "") != 200 {
        assert!(Instant::now() < deadline, "{how}: it does not heal; the output:\n{}", shell.output());
    }
    // What was answered 503 has not been done.
    assert_eq!(status(shell, "GET", &format!("/assets/{LATE}"), ""), 404, "{how}");
    for (method, path, body, expected) in requests() {
        assert_eq!(status(shell, method, &path, &body), expected, "{how}: {method} {path}");
    }
    assert_eq!(shell.get(&format!("/assets/{KEPT}/data")).text(), "hello", "{how}");
    assert_eq!(try_get(shell.admin_port, "/readyz").unwrap().status, 200, "{how}");
}

/// Listens at a port where nobody does any more: a process that another test is about to start may have a copy of the socket that did.
fn listen(port: u16) -> TcpListener {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < deadline, "port {port}: {error}"),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

async fn the_database_goes_and_comes_back(test: TestDatabase) {
    let mut stage = Stage::new(test).await;
    let shell = Shell::start(&stage.ini);
    assert_eq!(shell.post("/assets/", asset_document(KEPT, "aGVsbG8=").as_bytes()).status, 200);
    all_is_well_again(&shell, "at first");

    // Every connection is cut, and the database is there: nobody notices.
    for _ in 0..3 {
        stage.proxy.cut_connections().await;
        for (method, path, body, expected) in requests() {
            assert_eq!(status(&shell, method, &path, &body), expected, "connections cut: {method} {path}");
        }
    }

    stage.proxy.go_down().await;
    all_is_down(&shell, "connections are refused");
    // It accepts connections and says nothing, as a machine does that has lost its disk.
    let silent = listen(stage.proxy.port());
    all_is_down(&shell, "the database is silent");
    drop(silent);
    stage.proxy.come_back().await;
    all_is_well_again(&shell, "after the outage");
    drop(shell);
    stage.test.remove().await;
}

async fn the_program_waits_for_its_database(test: TestDatabase) {
    let mut stage = Stage::new(test).await;
    stage.proxy.go_down().await;
    let mut shell = Shell::launch_in(TempDir::new().unwrap(), &stage.ini, &["-console=none"], Stdio::null());
    shell.wait_for_output("the database does not answer yet; trying again");
    stage.proxy.come_back().await;
    shell.wait_until_ready();
    assert!(!shell.output().contains("Failed to load"), "{}", shell.output());
    assert_eq!(shell.post("/assets/", asset_document(KEPT, "aGVsbG8=").as_bytes()).status, 200);
    assert_eq!(shell.get(&format!("/assets/{KEPT}/data")).text(), "hello");
    drop(shell);
    stage.test.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn mysql_goes_and_comes_back() {
    if let Some(test) = TestDatabase::mysql().await {
        the_database_goes_and_comes_back(test).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn postgres_goes_and_comes_back() {
    if let Some(test) = TestDatabase::postgres().await {
        the_database_goes_and_comes_back(test).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn mysql_comes_later_than_the_program() {
    if let Some(test) = TestDatabase::mysql().await {
        the_program_waits_for_its_database(test).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn postgres_comes_later_than_the_program() {
    if let Some(test) = TestDatabase::postgres().await {
        the_program_waits_for_its_database(test).await;
    }
}
