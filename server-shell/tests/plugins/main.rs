//! Plugins in the real program: loading and its refusals, answers, faults, load, reload, and the services of the example plugins
//! (plugins.md section 5.9).

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../services/tests/common/mod.rs"]
mod databases;

mod answers;
mod check;
mod configuration;
mod examples;
mod faults;
mod guide;
mod load;
mod probe;
mod process;
mod refused;
mod relay;
mod reload;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Answer, PATIENCE, Shell, request, rest_console, workspace};
use tempfile::TempDir;

/// A shell with assets on SQLite, and plugins. `${plugins}` is their folder, `${allow}` the list, `${entries}` what the list of connectors
/// has besides, `${sections}` what follows.
const INI: &str = r#"
[Network]
    port = ${port}
    BindAddresses = "127.0.0.1"
    MaxRequestsPerConnection = 0
    ConsoleUser = Test
    ConsolePass = "se cret"
[ServiceList]
    AssetServiceConnector = "asset"
    ${entries}
[DatabaseService]
    StorageProvider = "sqlite"
    ConnectionString = "URI=file:test.db"
[AssetService]
    LocalServiceModule = "asset"
    CacheMegabytes = 0
[Admin]
    Port = ${admin}
[Plugins]
    Directory = "${plugins}"
    Allow = "${allow}"
${sections}
"#;

/// A folder with plugins, before a shell is started in it.
struct Plugins {
    folder: TempDir,
    files: Vec<String>,
}

impl Plugins {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("plugins")).unwrap();
        fs::set_permissions(folder.path().join("plugins"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, files: Vec::new() }
    }

    fn directory(&self) -> PathBuf {
        self.folder.path().join("plugins")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory().join(format!("lib{name}.so"))
    }

    /// The test plugin with these switches, such as `SERIAL` or `CREATE_STATUS=7`.
    fn with(mut self, name: &str, switches: &[&str]) -> Self {
        compile(&self.directory(), name, switches);
        self.files.push(format!("lib{name}.so"));
        self
    }

    /// A plugin that was built already, or anything else.
    fn with_file(mut self, name: &str, from: &Path) -> Self {
        let file = self.path(name);
        fs::copy(from, &file).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        self.files.push(format!("lib{name}.so"));
        self
    }

    /// The configuration; all plugins are on the list, and connectors.
    fn ini(&self, sections: &str) -> String {
        let entries: Vec<String> = self.files.iter().map(|file| format!("{file} = \"{file}\"")).collect();
        self.ini_with(&entries.join("\n    "), sections)
    }

    /// The configuration; all plugins are on the list.
    fn ini_with(&self, entries: &str, sections: &str) -> String {
        INI.replace("${plugins}", self.directory().to_str().unwrap())
            .replace("${allow}", &self.files.join(", "))
            .replace("${entries}", entries)
            .replace("${sections}", sections)
    }

    /// Starts a shell with all of them as connectors.
    fn start(self, sections: &str) -> Shell {
        let ini = self.ini(sections);
        self.start_with(&ini)
    }

    /// Starts a shell with this configuration and a console over HTTP.
    fn start_with(self, ini: &str) -> Shell {
        // A shell with a connector that was refused is never ready, but serves what it has.
        let shell = Shell::launch_in(self.folder, ini, &["-console=rest"], Stdio::null());
        shell.wait_for_output("[SERVER]: ready after");
        shell.wait_for_output("R.O.B.U.S.T.# ");
        shell
    }
}

/// Compiles the test plugin into a folder.
fn compile(directory: &Path, name: &str, switches: &[&str]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins/plugin.c");
    let mut switches: Vec<String> = switches.iter().map(|switch| format!("-D{switch}")).collect();
    switches.push(format!("-DNAME=\"{name}\""));
    switches.push("-Wno-unused-function".to_owned());
    compile_c(&source, &directory.join(format!("lib{name}.so")), &switches);
}

/// Compiles a plugin in C.
fn compile_c(source: &Path, file: &Path, switches: &[String]) {
    let compiled = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-pthread"])
        .args(switches)
        .arg("-I")
        .arg(workspace("interfaces/plugin-abi/include"))
        .arg("-o")
        .arg(file)
        .arg(source)
        .output()
        .expect("the tests of plugins need a C compiler that is called cc");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A plugin in Rust, which cargo has built beside the program.
fn rust_plugin(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_gridshell"));
    program.parent().unwrap().join("deps").join(format!("lib{name}.so"))
}

/// The status and text that a path is answered with.
fn ask(shell: &Shell, path: &str) -> (u16, String) {
    let answer = shell.get(path);
    (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
}

/// The text of a path, whose status has to be 200.
fn text(shell: &Shell, path: &str) -> String {
    let (status, text) = ask(shell, path);
    assert_eq!(status, 200, "{path}: {text}; the output:\n{}", shell.output());
    text
}

fn ask_with(shell: &Shell, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    request(&mut shell.connect(), method, path, headers, body).unwrap()
}

/// What a command prints at the console, and the log meanwhile.
fn console(shell: &Shell, line: &str) -> String {
    static COMMANDS: AtomicU32 = AtomicU32::new(0);
    // Two commands of which it is known what they print stand around it, since a session is shown older lines, too.
    let number = COMMANDS.fetch_add(2, Ordering::Relaxed);
    let marks = [number, number + 1].map(|number| format!("Mark{number}."));
    let session = rest_console::open_session(shell);
    for line in [&format!("config get {}", marks[0]), line, &format!("config get {}", marks[1])] {
        rest_console::command(shell, &session, &line.replace(' ', "+"));
    }
    let ends = marks.map(|mark| format!("{mark}\" does not exist"));
    let all = rest_console::read_until(shell, &session, &ends[1]);
    rest_console::between(&all, &ends[0], &ends[1]).to_owned()
}

/// The path of a request that takes until there is the file `end`; one that begins with `!` makes it panic then.
fn until(name: &str, end: &Path) -> String {
    format!("/{name}/until?{}", end.display())
}

/// Writes a file that is there with all that is in it.
fn write_at_once(file: &Path, text: &str) {
    let unfinished = file.with_extension("unfinished");
    fs::write(&unfinished, text).unwrap();
    fs::rename(unfinished, file).unwrap();
}

/// How many requests that take until there is this file the plugin has begun with.
fn begun(end: &Path) -> u64 {
    fs::metadata(end.with_extension("begun")).map_or(0, |metadata| metadata.len())
}

/// Asks for what takes until there is the file `end`, and goes when the plugin has begun with that: the connection is reset.
fn ask_and_go(shell: &Shell, name: &str, end: &Path) {
    let before = begun(end);
    let mut stream = shell.connect();
    common::write_request(&mut stream, "GET", &until(name, end), "", b"").unwrap();
    wait_until("that it is begun", shell, || begun(end) > before);
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Replaces a text of the configuration and has it read again. Gives what the console says.
fn edit_and_reload(shell: &Shell, text: &str, replacement: &str) -> String {
    common::edit(shell, text, replacement);
    console(shell, "config reload")
}

/// Whether the metrics have this line.
fn counts(shell: &Shell, line: &str) -> bool {
    common::try_get(shell.admin_port, "/metrics").unwrap().text().lines().any(|found| found == line)
}

/// Waits until something is so.
fn wait_until(what: &str, shell: &Shell, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} does not come about; the output:\n{}", shell.output());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Stores an asset and reads it back: what is beside a plugin goes on.
fn assets_are_well(shell: &Shell) {
    let id = "a55e7000-0000-4000-8000-000000000001";
    assert_eq!(shell.post("/assets/", common::asset_document(id, "aGVsbG8=").as_bytes()).status, 200);
    assert_eq!(text(shell, &format!("/assets/{id}/data")), "hello");
}
