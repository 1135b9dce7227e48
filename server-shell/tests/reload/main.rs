//! A changed configuration is applied to the running program: nothing is refused or dropped, and a wrong one changes nothing.

#[path = "../common/mod.rs"]
mod common;

mod changes;
mod listeners;
mod load;
mod refused;

use std::thread;
use std::time::{Duration, Instant};

use common::{PATIENCE, Shell, asset_document, edit};
use nix::sys::signal::Signal;

const DONE: &str = "[RELOAD]: the configuration was read again and is in force";

/// How often a text was printed.
fn count(shell: &Shell, text: &str) -> usize {
    shell.output().matches(text).count()
}

/// Sends SIGHUP and waits until a line with this text was printed.
fn hang_up_and_wait_for(shell: &Shell, text: &str) {
    let before = count(shell, text);
    shell.signal(Signal::SIGHUP);
    let deadline = Instant::now() + PATIENCE;
    while count(shell, text) == before {
        assert!(Instant::now() < deadline, "{text:?} does not appear; the output:\n{}", shell.output());
        thread::sleep(Duration::from_millis(10));
    }
}

/// Reloads; the configuration has to be right.
fn reload(shell: &Shell) {
    hang_up_and_wait_for(shell, DONE);
}

/// Stores an asset under a number; gives its path.
fn store(shell: &Shell, number: u32) -> String {
    let id = format!("a55e7000-0000-4000-8000-{number:012}");
    assert_eq!(shell.post("/assets/", asset_document(&id, "aGVsbG8=").as_bytes()).status, 200);
    format!("/assets/{id}")
}
