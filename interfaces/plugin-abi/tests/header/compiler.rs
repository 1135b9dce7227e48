//! The compilers, as a plugin's author would call them.

use std::path::Path;
use std::process::{Command, Output};

pub const INCLUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/include");

/// Runs `command`, which must succeed and say nothing on stderr.
pub fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| panic!("{program} cannot be started ({error}); this test needs it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{command:?} ends with {}:\n{said}", output.status);
    output
}

/// The C compiler with all warnings, which are errors.
pub fn c99() -> Command {
    let mut command = Command::new("cc");
    command.args(["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I", INCLUDE]);
    command
}

/// The C++ compiler with all warnings, which are errors.
pub fn cxx11() -> Command {
    let mut command = Command::new("c++");
    command.args(["-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I", INCLUDE]);
    command
}

/// Builds a shared library.
pub fn library(mut compiler: Command, source: &Path, library: &Path) {
    run(compiler.args(["-O2", "-shared", "-fPIC", "-o"]).arg(library).arg(source));
}
