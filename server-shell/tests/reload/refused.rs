//! A configuration that is wrong, or cannot be applied, changes nothing.

use std::net::TcpListener;
use std::process::Stdio;

use tempfile::TempDir;

use crate::common::{SQLITE, Shell, free_port, try_get};
use crate::load::Load;
use crate::{DONE, count, edit, hang_up_and_wait_for, reload, store};

const REFUSED: &str = "[RELOAD]: the configuration";

#[test]
fn all_mistakes_are_said_and_nothing_changes() {
    let shell = Shell::start(SQLITE);
    let path = store(&shell, 21);
    let load = Load::start(shell.port, &path);
    let other = free_port();
    edit(&shell, "[DatabaseService]", &format!("    Other = \"{other}/asset\"\n[DatabaseService]"));
    edit(&shell, "MaxRequestsPerConnection = 0", "MaxRequestsPerConnection = none");
    edit(&shell, "BaseDirectory", "BaseDirectori");
    hang_up_and_wait_for(&shell, REFUSED);
    load.go_on(50);
    let output = shell.output();
    let line = output.lines().find(|line| line.contains(REFUSED)).unwrap();
    for mistake in ["Robust.ini", "MaxRequestsPerConnection", "BaseDirectory", "the old one stays"] {
        assert!(line.contains(mistake), "{mistake} is missing in {line}");
    }
    assert!(try_get(other, &path).is_err(), "the right half of a wrong file was applied");
    edit(&shell, "MaxRequestsPerConnection = none", "MaxRequestsPerConnection = 0");
    edit(&shell, "BaseDirectori", "BaseDirectory");
    reload(&shell);
    assert_eq!(try_get(other, &path).unwrap().status, 200);
    load.end();
}

#[test]
fn a_port_that_is_taken() {
    let shell = Shell::start(SQLITE);
    let path = store(&shell, 22);
    let (free, taken_port) = (free_port(), free_port());
    let taken = TcpListener::bind(("127.0.0.1", taken_port)).unwrap();
    let lines = format!("    A = \"{free}/asset\"\n    B = \"{taken_port}/asset\"\n[DatabaseService]");
    edit(&shell, "[DatabaseService]", &lines);
    hang_up_and_wait_for(&shell, &format!("port {taken_port} cannot be used"));
    assert_eq!(shell.get(&path).status, 200);
    while try_get(free, &path).is_ok() {}
    drop(taken);
    reload(&shell);
    assert_eq!(try_get(taken_port, &path).unwrap().status, 200);
    assert_eq!(try_get(free, &path).unwrap().status, 200);
}

#[test]
fn a_database_that_cannot_be_opened() {
    let shell = Shell::start(SQLITE);
    let path = store(&shell, 23);
    std::fs::write(shell.folder.path().join("broken.db"), "this is no database, however often it is opened".repeat(100)).unwrap();
    edit(&shell, "URI=file:test.db", "URI=file:broken.db");
    hang_up_and_wait_for(&shell, "[RELOAD]: the configuration cannot be applied");
    assert_eq!(shell.get(&path).status, 200);
    assert_eq!(try_get(shell.admin_port, "/readyz").unwrap().status, 200);
    edit(&shell, "URI=file:broken.db", "URI=file:test.db");
    reload(&shell);
    assert_eq!(shell.get(&path).status, 200);
}

#[test]
fn a_file_that_is_gone() {
    let shell = Shell::start(SQLITE);
    let path = store(&shell, 24);
    let file = shell.folder.path().join("Robust.ini");
    let ini = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    hang_up_and_wait_for(&shell, REFUSED);
    assert_eq!(shell.get(&path).status, 200);
    std::fs::write(&file, ini).unwrap();
    reload(&shell);
    assert_eq!(count(&shell, DONE), 1);
}

#[test]
fn a_connector_that_was_not_loaded_is_503_and_comes_with_a_reload() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("test.db");
    std::fs::write(&file, "this is no database, however often it is opened".repeat(100)).unwrap();
    let shell = Shell::launch_in(folder, SQLITE, &["-console=none"], Stdio::null());
    shell.wait_for_output("[SERVER]: ready after");
    let path = "/assets/a55e7000-0000-4000-8000-000000000025";
    assert_eq!(shell.get(path).status, 503, "not 404: the asset may be there");
    assert_eq!(shell.post("/get_assets_exist", b"<ArrayOfString />").status, 503);
    assert_ne!(shell.get("/bakes/a55e7000-0000-4000-8000-000000000025").status, 503, "what has loaded answers");
    let ready = try_get(shell.admin_port, "/readyz").unwrap();
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("OpenSim.Server.Handlers.dll:AssetServiceConnector: could not be loaded"), "{}", ready.text());
    std::fs::remove_file(&file).unwrap();
    reload(&shell);
    assert_eq!(shell.get(path).status, 404);
    assert_eq!(try_get(shell.admin_port, "/readyz").unwrap().status, 200);
}
