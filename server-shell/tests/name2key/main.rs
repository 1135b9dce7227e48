//! name2key, end to end, with the real program: its faces through sockets, the command line, and the place of gosl-basics
//! (name2key.md).

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../services/tests/common/mod.rs"]
mod databases;

mod command;
mod configuration;
mod faces;
mod interrupted;
mod serve;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::PATIENCE;

/// The file of the test vectors (name2key.md section 13).
const NAMES: &str = "00000000-0000-0000-0000-000000000001,Fake01 Resident\n\
                         a27b84f0-2757-4176-9579-43a181d4a5a0,Masakazu Kojima\n\
                         3d6181b0-6a4b-97ef-18d8-722652995cf1,Governor Linden\n";

/// The same, sorted by key, as an export has it.
const SORTED: &str = "00000000-0000-0000-0000-000000000001,Fake01 Resident\n\
                          3d6181b0-6a4b-97ef-18d8-722652995cf1,Governor Linden\n\
                          a27b84f0-2757-4176-9579-43a181d4a5a0,Masakazu Kojima\n";

/// A shell with all three faces on SQLite; `${gosl}` is the port of the gosl face.
const FACES: &str = r#"
[Network]
    port = ${port}
    BindAddresses = "127.0.0.1"
    MaxRequestsPerConnection = 0
[ServiceList]
    Name2Key = "name2key"
    Name2KeyWeb = "name2key_web"
    Name2KeyGosl = "${gosl}/name2key_gosl"
[DatabaseService]
    StorageProvider = "sqlite"
    ConnectionString = "URI=file:test.db"
[Name2KeyService]
    LocalServiceModule = "name2key"
    RegionAddresses = "127.0.0.1"
[Admin]
    Port = ${admin}
"#;

/// A run of the program that has ended.
#[derive(Debug)]
struct Ended {
    status: Option<i32>,
    output: String,
    errors: String,
}

/// A run of the program that goes on.
struct Running {
    child: Child,
    output: File,
    errors: File,
}

impl Running {
    /// Starts the program in a folder that is its home, too.
    fn start(folder: &Path, arguments: &[&str], input: Stdio) -> Self {
        let (output, errors) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_gridshell"))
            .args(arguments)
            .current_dir(folder)
            .env("HOME", folder)
            .stdin(input)
            .stdout(output.try_clone().unwrap())
            .stderr(errors.try_clone().unwrap())
            .spawn()
            .unwrap();
        Self { child, output, errors }
    }

    /// Waits for its end. One that does not end is killed, and its status is none.
    fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => self.child.kill().unwrap(),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        Ended { status: status.code(), output: text(&mut self.output), errors: text(&mut self.errors) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All that a file holds by now. The position is shared with the program that writes, which appends all the same: nobody writes when
/// this is called.
fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// Runs `gridshell name2key ...` to its end.
fn name2key(folder: &Path, arguments: &[&str]) -> Ended {
    Running::start(folder, &[&["name2key"], arguments].concat(), Stdio::null()).end()
}

/// The same, with lines to read.
fn name2key_typed(folder: &Path, arguments: &[&str], lines: &str) -> Ended {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    input.rewind().unwrap();
    Running::start(folder, &[&["name2key"], arguments].concat(), input.into()).end()
}

/// Runs it, and it must succeed; gives its output.
fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let ended = name2key(folder, arguments);
    assert_eq!(ended.status, Some(0), "{arguments:?}: {ended:?}");
    ended.output
}

/// Many rows with different names and keys; `last_name` tells sets of them apart.
fn many_names(rows: u32, last_name: &str) -> String {
    let key = |number: u32| uuid::Uuid::from_u128(u128::from(number) << 64 | 0xabcd);
    (1..=rows).map(|number| format!("{},Many{number} {last_name}\n", key(number))).collect()
}
