//! Finds out what the plugin is built with, which the server shows in its messages.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(&compiler).arg("--version").output().ok().filter(|output| output.status.success());
    let version = version.map_or_else(|| "rustc".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=GRIDSHELL_PLUGIN_BUILD={version} {target}");
}
