//! A plugin that is built with `panic = "abort"` could not catch its panics, so it is not built unless its author insists (plugins.md
//! section 5.5). Needs cargo, without a network.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

const SOURCE: &str = r#"
use gridshell_plugin::{Config, Host, Plugin, Request, Response, plugin};

struct Least;

impl Plugin for Least {
    const SERVICES: &'static [&'static str] = &["least"];

    fn create(_: Host, _: &Config<'_>) -> Result<Self, String> {
        Ok(Self)
    }

    fn handle(&self, _: &Request<'_>) -> Response {
        Response::new(204)
    }
}

plugin!(Least);
"#;

/// Builds the plugin, and gives what the compiler says if it cannot be.
fn build(panic: &str, features: &str) -> Result<(), String> {
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path();
    let kit = env!("CARGO_MANIFEST_DIR");
    let manifest = format!(
        "[package]\nname = \"least\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"cdylib\"]\n\
         [dependencies]\ngridshell-plugin = {{ path = {kit:?}, features = [{features}] }}\n\
         [profile.dev]\npanic = {panic:?}\n\
         [workspace]\n"
    );
    fs::create_dir_all(folder.join("src")).expect("a folder");
    fs::write(folder.join("Cargo.toml"), manifest).expect("written");
    fs::write(folder.join("src/lib.rs"), SOURCE).expect("written");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--offline"])
        .current_dir(folder)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_BUILD_TARGET_DIR")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo can be started");
    assert_eq!(built.status.success(), folder.join("target/debug/libleast.so").exists());
    if built.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&built.stderr).into_owned()) }
}

#[test]
fn panics_that_end_the_server_have_to_be_asked_for() {
    let said = build("abort", "").expect_err("the kit refuses");
    for part in ["with panic=\"abort\" a panic of the plugin ends the whole server", "turn on the feature `panic-abort`"] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    assert_eq!(build("abort", "\"panic-abort\""), Ok(()));
    assert_eq!(build("unwind", ""), Ok(()));
}
