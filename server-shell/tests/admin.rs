//! The admin listener: health, readiness and metrics.

mod common;

use std::time::Instant;

use common::{Answer, PATIENCE, SQLITE, Shell, asset_document, connect, request, try_get};

const ID: &str = "a55e7000-0000-4000-8000-000000000091";

fn admin(shell: &Shell, path: &str) -> Answer {
    try_get(shell.admin_port, path).unwrap()
}

/// The value of a metric; 0 when nothing was counted yet.
fn metric(shell: &Shell, name: &str) -> f64 {
    let answer = admin(shell, "/metrics");
    assert_eq!(answer.status, 200);
    let value = answer.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_default()
}

/// Waits until a metric has a value: histograms are brought up to date once in a while.
fn wait_for_metric(shell: &Shell, name: &str, value: f64) {
    let deadline = Instant::now() + PATIENCE;
    while metric(shell, name) != value {
        assert!(
            Instant::now() < deadline,
            "{name} is {}, not {value}:\n{}",
            metric(shell, name),
            admin(shell, "/metrics").text()
        );
    }
}

#[test]
fn health_and_readiness() {
    let shell = Shell::start(SQLITE);
    let health = admin(&shell, "/healthz");
    assert_eq!((health.status, health.text()), (200, "ok\n"));
    let ready = admin(&shell, "/readyz");
    assert_eq!(ready.status, 200);
    assert!(
        ready.text().starts_with("ready\n") && ready.text().contains("test.db") && ready.text().ends_with(": ok\n"),
        "{}",
        ready.text()
    );
    assert_eq!(admin(&shell, "/assets/").status, 404, "nothing else is there");
    assert_eq!(shell.get("/metrics").status, 404, "and none of this on the other ports");
    assert_eq!(shell.get("/readyz").status, 404);
}

#[test]
fn requests_are_counted_by_connector_and_method() {
    let shell = Shell::start(SQLITE);
    let requests = |method: &str, result: &str| {
        format!("gridshell_requests_total{{connector=\"asset\",method=\"{method}\",result=\"{result}\"}}")
    };
    assert_eq!(metric(&shell, &requests("get", "ok")), 0.0);
    let body = asset_document(ID, "aGVsbG8=");
    let mut stream = shell.connect();
    let mut send = |method, path: &str, body: &str| request(&mut stream, method, path, "", body.as_bytes()).unwrap();
    send("POST", "/assets/", &body);
    for _ in 0..3 {
        send("GET", &format!("/assets/{ID}"), "");
    }
    send("GET", &format!("/assets/{ID}/data"), "");
    send("GET", &format!("/assets/{ID}/metadata"), "");
    send("POST", &format!("/assets/{ID}"), &body);
    send("POST", "/get_assets_exist", "<ArrayOfString />");
    send("DELETE", &format!("/assets/{ID}"), "");
    send("GET", "/assets/nothing", "");
    let mut script = connect(shell.port).unwrap();
    request(&mut script, "GET", "/assets/", "X-SecondLife-Shard: x\r\n", b"").unwrap();
    request(&mut shell.connect(), "GET", "/bakes/11111111-2222-3333-4444-555555555555", "", b"").unwrap();
    for (method, result, count) in [
        ("store", "ok", 1.0),
        ("get", "ok", 3.0),
        ("get", "client_error", 1.0),
        ("get_data", "ok", 1.0),
        ("get_metadata", "ok", 1.0),
        ("update", "ok", 1.0),
        ("exist", "ok", 1.0),
        ("delete", "ok", 1.0),
        ("refused", "client_error", 1.0),
        ("get", "server_error", 0.0),
    ] {
        wait_for_metric(&shell, &requests(method, result), count);
    }
    wait_for_metric(&shell, "gridshell_requests_total{connector=\"baked_texture\",method=\"get\",result=\"ok\"}", 1.0);
    wait_for_metric(&shell, "gridshell_request_seconds_count{connector=\"asset\",method=\"get\"}", 4.0);
    wait_for_metric(&shell, "gridshell_received_bytes_total{connector=\"asset\",method=\"store\"}", body.len() as f64);
    wait_for_metric(&shell, "gridshell_sent_bytes_total{connector=\"asset\",method=\"get_data\"}", 5.0);
    wait_for_metric(&shell, "gridshell_asset_cache_requests_total{result=\"hit\"}", 2.0);
    wait_for_metric(&shell, &format!("gridshell_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0);
    let text = admin(&shell, "/metrics");
    assert_eq!(text.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(
        text.text().contains("gridshell_database_connections{database=") && text.text().contains("state=\"in_use\""),
        "{}",
        text.text()
    );
}

#[test]
fn port_0_is_no_admin_listener() {
    let shell = Shell::start(SQLITE);
    let free = common::free_port();
    let mut other = Shell::launch_in(
        tempfile::TempDir::new().unwrap(),
        &SQLITE.replace("Port = ${admin}", "Port = 0").replace("${port}", &free.to_string()),
        &["-console=none"],
        std::process::Stdio::null(),
    );
    other.wait_for_output("[SERVER]: ready after ");
    assert_eq!(try_get(free, "/assets/").unwrap().status, 200);
    assert!(!other.output().contains("[ADMIN]"), "{}", other.output());
    shell.wait_for_output(&format!("[ADMIN]: /healthz, /readyz and /metrics on port {}", shell.admin_port));
    other.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(other.wait().code(), Some(0));
}
