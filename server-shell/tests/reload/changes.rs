//! What a reload changes: connectors, services, limits, log levels.

use std::process::Stdio;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::common::rest_console::{self, command, open_session, read_until};
use crate::common::{SQLITE, Shell, asset_document, free_port, request, try_get};
use crate::load::Load;
use crate::{DONE, edit, hang_up_and_wait_for, reload, store};

const ID: &str = "a55e7000-0000-4000-8000-000000000091";

/// A number of the metrics.
fn metric(shell: &Shell, line: &str) -> f64 {
    let text = try_get(shell.admin_port, "/metrics").unwrap();
    let value = text.text().lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {line} in {}", text.text()))
}

#[test]
fn nothing_is_lost_while_connectors_come_and_go() {
    let shell = Shell::start(SQLITE);
    let path = store(&shell, 1);
    let load = Load::start(shell.port, &path);
    let other = free_port();
    for round in 0..5 {
        let line = format!("    Other{round} = \"{other}/asset\"\n[DatabaseService]");
        edit(&shell, "[DatabaseService]", &line);
        load.go_on(50);
        reload(&shell);
        load.go_on(50);
        assert_eq!(try_get(other, &path).unwrap().status, 200);
        edit(&shell, &line, "[DatabaseService]");
        hang_up_and_wait_for(&shell, &format!("[RELOAD]: listening no more: port {other}"));
        load.go_on(50);
    }
    load.end();
    // The connection is refused, now or when the last that was accepted is closed.
    while try_get(other, &path).is_ok() {}
}

#[test]
fn caches_and_databases_that_are_still_wanted_stay() {
    let shell = Shell::start(SQLITE);
    let path = store(&shell, 2);
    assert_eq!(shell.get(&path).status, 200);
    const HITS: &str = "gridshell_asset_cache_requests_total{result=\"hit\"}";
    let before = metric(&shell, HITS);
    reload(&shell);
    assert_eq!(shell.get(&path).status, 200);
    assert_eq!(metric(&shell, HITS), before + 1.0);
    assert_eq!(try_get(shell.admin_port, "/readyz").unwrap().status, 200);
}

#[test]
fn another_database_is_another_world() {
    let shell = Shell::start(SQLITE);
    let path = store(&shell, 3);
    edit(&shell, "URI=file:test.db", "URI=file:other.db");
    reload(&shell);
    assert_eq!(shell.get(&path).status, 404);
    edit(&shell, "URI=file:other.db", "URI=file:test.db");
    reload(&shell);
    assert_eq!(shell.get(&path).status, 200);
    let ready = try_get(shell.admin_port, "/readyz").unwrap();
    assert!(ready.text().contains("test.db: ok") && !ready.text().contains("other.db"), "{}", ready.text());
}

#[test]
fn limits_change_on_connections_that_are_open() {
    let shell = Shell::start(SQLITE);
    let mut stream = shell.connect();
    let document = asset_document(ID, &"QUJD".repeat(1000));
    let store = |stream: &mut _| request(stream, "POST", "/assets/", "Content-Type: text/xml\r\n", document.as_bytes()).unwrap();
    assert_eq!(store(&mut stream).status, 200);
    edit(&shell, "[ServiceList]", "    MaxBodyBytes = 1000\n[ServiceList]");
    reload(&shell);
    assert_eq!(store(&mut stream).status, 400);
}

#[test]
fn the_console_reloads_too_and_says_what_only_the_next_start_changes() {
    let shell = rest_console::start_with(SQLITE, rest_console::KEYS);
    let session = open_session(&shell);
    read_until(&shell, &session, "R.O.B.U.S.T.# ");
    edit(&shell, "[AssetService]", "[Logging]\n    Rotation = hourly\n    Levels = \"info,gridshell=debug\"\n[AssetService]");
    command(&shell, &session, "config+reload");
    let said = read_until(&shell, &session, "only the next start of the program changes: [Logging] Rotation");
    assert!(said.contains("the configuration was read again and is in force"), "{said}");
    command(&shell, &session, "config+show+Logging");
    read_until(&shell, &session, "Rotation = hourly");
    // Commands of services are still there, once.
    command(&shell, &session, "show+upstreams");
    read_until(&shell, &session, "This shell asks no other shells");
}

#[test]
fn log_levels_change() {
    let shell = Shell::start(SQLITE);
    shell.get("/assets/no-uuid");
    shell.wait_for_output("asked for an asset whose id is no UUID");
    edit(&shell, "[ServiceList]", "[Logging]\n    Levels = \"info,gridshell_connectors=error\"\n[ServiceList]");
    reload(&shell);
    let before = shell.output().matches("whose id is no UUID").count();
    shell.get("/assets/no-uuid");
    edit(&shell, "gridshell_connectors=error", "gridshell_connectors=info");
    reload(&shell);
    shell.get("/assets/another");
    shell.wait_for_output("another");
    assert_eq!(shell.output().matches("whose id is no UUID").count(), before + 1);
}

#[test]
fn upstreams_and_their_weights_change_under_load() {
    let (first, second) = (Shell::start(SQLITE), Shell::start(&SQLITE.replace("test.db", "second.db")));
    let path = store(&first, 4);
    assert_eq!(store(&second, 4), path);
    let edge = SQLITE.replace(
        "LocalServiceModule = \"OpenSim.Services.AssetService.dll:AssetService\"",
        &format!(
            "LocalServiceModule = \"remote_asset\"\n    CacheMegabytes = 0\n    AssetServerURI = \"http://127.0.0.1:{}\"",
            first.port
        ),
    );
    let edge = Shell::start(&edge);
    let load = Load::start(edge.port, &path);
    let (alone, both) = (
        format!("\"http://127.0.0.1:{}\"", first.port),
        format!("\"http://127.0.0.1:{}, http://127.0.0.1:{}*3\"", first.port, second.port),
    );
    for _ in 0..3 {
        load.go_on(50);
        edit(&edge, &alone, &both);
        reload(&edge);
        let asked = |shell: &Shell| metric(shell, "gridshell_requests_total{connector=\"asset\",method=\"get\",result=\"ok\"}");
        let before = asked(&second);
        load.go_on(100);
        assert!(asked(&second) > before, "the second shell is asked now");
        edit(&edge, &both, &alone);
        reload(&edge);
    }
    load.end();
}

#[test]
fn a_command_line_counts_again() {
    let mut shell = Shell::launch_in(TempDir::new().unwrap(), SQLITE, &["-console=none", "-prompt=x"], Stdio::null());
    shell.wait_until_ready();
    hang_up_and_wait_for(&shell, DONE);
    assert!(!shell.output().contains("only the next start"), "{}", shell.output());
}

#[test]
fn what_an_edge_keeps_outlives_a_change_of_its_options() {
    let mut storage = Shell::start(SQLITE);
    let path = store(&storage, 5);
    let remote = format!(
        "LocalServiceModule = \"remote_asset\"\n    AssetServerURI = \"http://127.0.0.1:{}\"\n    DiskCache = \"kept\"\n    \
         DiskCacheMegabytes = 100\n    CacheMegabytes = 10",
        storage.port
    );
    let edge = Shell::start(&SQLITE.replace("LocalServiceModule = \"OpenSim.Services.AssetService.dll:AssetService\"", &remote));
    assert_eq!(edge.get(&path).status, 200);
    let file = edge.folder.path().join("kept/v1/a5").join(path.rsplit('/').next().unwrap());
    while !file.exists() {}
    storage.signal(Signal::SIGKILL);
    storage.wait();
    // From memory, though its options and those of the disk have changed; then from the disk, since memory keeps nothing any more.
    for (from, to) in [
        ("    CacheMegabytes = 10", "    CacheMegabytes = 20"),
        ("DiskCacheMegabytes = 100", "DiskCacheMegabytes = 50"),
        ("    CacheMegabytes = 20", "    CacheMegabytes = 0"),
    ] {
        edit(&edge, from, to);
        reload(&edge);
        assert_eq!(edge.get(&path).status, 200, "{to}");
    }
}

/// A database that cannot be opened.
const BROKEN: &str = "this is no database, however often it is opened";

#[test]
fn what_was_not_loaded_before_either_holds_up_nothing() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("test.db"), BROKEN.repeat(100)).unwrap();
    let ini = SQLITE.replace("[Admin]", "[Wrong]\n    LocalServiceModule = \"nonsense\"\n[Admin]");
    let ini = ini.replace("[DatabaseService]", "    Wrong = \"Wrong@8999/asset\"\n    Odd = \"99999/asset\"\n[DatabaseService]");
    let shell = Shell::launch_in(folder, &ini, &["-console=none"], Stdio::null());
    shell.wait_for_output("[SERVER]: ready after");
    let path = "/assets/a55e7000-0000-4000-8000-000000000093";
    let bakes = "/bakes/a55e7000-0000-4000-8000-000000000093";
    let other = free_port();
    assert_eq!(shell.get(path).status, 503);

    // The rest of a changed configuration is applied; the log says what is missing still.
    let entry = format!("    Other = \"{other}/OpenSim.Server.Handlers.dll:XBakesConnector\"\n[DatabaseService]");
    edit(&shell, "[DatabaseService]", &entry);
    reload(&shell);
    assert_eq!(try_get(other, bakes).unwrap().status, shell.get(bakes).status);
    let still = "[RELOAD]: still not loaded: ";
    for missing in [
        "OpenSim.Server.Handlers.dll:AssetServiceConnector: cannot open the database",
        "Wrong@8999/asset: Robust.ini:",
        "99999/asset: Robust.ini:",
    ] {
        shell.wait_for_output(&format!("{still}{missing}"));
    }
    assert_eq!(shell.get(path).status, 503, "not 404: the asset may be there");
    assert_eq!(try_get(shell.admin_port, "/readyz").unwrap().status, 503);

    // A new one that cannot be loaded, and one that is wrong anew, change nothing.
    for (entry, message) in [
        ("    Third = \"8998/asset\"\n[DatabaseService]", "8998/asset cannot be loaded: cannot open the database"),
        ("    Third = \"Wrong@8998/asset\"\n[DatabaseService]", "the configuration has mistakes, so the old one stays"),
        ("    Third = \"Wrong@8999/asset\"\n[DatabaseService]", "the configuration has mistakes, so the old one stays"),
    ] {
        edit(&shell, "[DatabaseService]", entry);
        hang_up_and_wait_for(&shell, message);
        edit(&shell, entry, "[DatabaseService]");
    }
    assert_eq!(shell.output().matches(DONE).count(), 1);
    assert_eq!(try_get(other, bakes).unwrap().status, shell.get(bakes).status);

    // What works at last must work from then on.
    let file = shell.folder.path().join("test.db");
    std::fs::remove_file(&file).unwrap();
    reload(&shell);
    assert_eq!(shell.get(path).status, 404);
    std::fs::write(shell.folder.path().join("broken.db"), BROKEN.repeat(100)).unwrap();
    edit(&shell, "URI=file:test.db", "URI=file:broken.db");
    hang_up_and_wait_for(&shell, "[RELOAD]: the configuration cannot be applied");
    assert_eq!(shell.get(path).status, 404);
}
