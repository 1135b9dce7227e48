//! Imports that do not come to their end.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::common::PATIENCE;
use crate::{NAMES, Running, many_names, succeed};

/// A folder with a store, and a larger file that changes much of it.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("names.csv"), format!("{NAMES}{}", many_names(500, "Old"))).unwrap();
    succeed(folder.path(), &["import", "names.csv"]);
    fs::write(folder.path().join("many.csv"), many_names(40_000, "New")).unwrap();
    folder
}

fn everything(folder: &Path) -> String {
    succeed(folder, &["export", "--all"])
}

fn import(folder: &Path) -> Running {
    Running::start(folder, &["name2key", "import", "many.csv"], Stdio::null())
}

/// An import of a pipe that nobody writes to any more: it waits for the rest of its rows.
fn endless_import(folder: &Path) -> (Running, fs::File) {
    let pipe = folder.join("pipe.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let running = Running::start(folder, &["name2key", "import", "pipe.csv"], Stdio::null());
    // Opening waits until the other side reads.
    let mut writer = fs::File::options().write(true).open(&pipe).unwrap();
    writer.write_all(many_names(1000, "New").as_bytes()).unwrap();
    (running, writer)
}

fn pid(import: &Running) -> Pid {
    Pid::from_raw(import.child.id().try_into().unwrap())
}

#[test]
fn a_killed_import_leaves_the_store_as_it_was() {
    let folder = folder();
    let before = everything(folder.path());
    let (running, writer) = endless_import(folder.path());
    kill(pid(&running), Signal::SIGKILL).unwrap();
    assert_eq!(running.end().status, None);
    drop(writer);
    assert_eq!(everything(folder.path()), before);
    // Later and later, until one comes to its end before it is killed. How far each of them comes does not matter.
    let mut moment = Duration::from_millis(1);
    loop {
        let running = import(folder.path());
        thread::sleep(moment);
        kill(pid(&running), Signal::SIGKILL).unwrap();
        let ended = running.end();
        let now = everything(folder.path());
        if now != before {
            assert_eq!(
                now.lines().filter(|line| line.contains(" New,")).count(),
                40_000,
                "all of it or nothing: {:?}",
                ended.status
            );
            assert!(!now.contains(" Old,"), "all of it or nothing");
            break;
        }
        assert_ne!(ended.status, Some(0), "what has succeeded is there");
        moment = moment * 3 / 2;
    }
}

#[test]
fn ctrl_c_ends_an_import_and_keeps_nothing() {
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let folder = folder();
        let before = everything(folder.path());
        let (running, writer) = endless_import(folder.path());
        wait_until_caught(&running, signal);
        kill(pid(&running), signal).unwrap();
        let ended = running.end();
        assert_eq!(ended.status, Some(status), "{ended:?}");
        assert_eq!(ended.errors, "gridshell: stopped; nothing of pipe.csv was stored\n");
        drop(writer);
        assert_eq!(everything(folder.path()), before);
    }
}

/// Waits until the program has taken a signal from the system.
fn wait_until_caught(running: &Running, signal: Signal) {
    let deadline = Instant::now() + PATIENCE;
    let is_caught = || {
        let status = fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal as u64 - 1) & 1 == 1
    };
    while !is_caught() {
        assert!(Instant::now() < deadline, "it does not listen for {signal}");
        thread::sleep(Duration::from_millis(5));
    }
}
