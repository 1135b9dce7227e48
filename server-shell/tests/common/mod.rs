//! Runs the real binary in a folder of its own, on ports of its own, and speaks HTTP with it over plain sockets.

// Each test binary uses a part of this.
#![allow(dead_code)]

pub mod client;
pub mod rest_console;

use std::fs;
use std::io::{self, Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gridshell_services::database::Backend;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long anything may take before a test gives up; far beyond what it takes, so that a slow machine fails nothing.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running gridshell. It is killed when this is dropped.
pub struct Shell {
    child: Child,
    pub folder: TempDir,
    pub port: u16,
    pub admin_port: u16,
    ini: String,
    switches: Vec<String>,
    /// Program and arguments that run the shell, where it is not started directly.
    launcher: Vec<String>,
}

/// The configuration of a shell with assets and baked textures on SQLite. `${port}` and `${admin}` are replaced at start.
pub const SQLITE: &str = r#"
[Network]
    port = ${port}
    BindAddresses = "127.0.0.1"
    ; the tests send many requests on one connection
    MaxRequestsPerConnection = 0
[ServiceList]
    AssetServiceConnector = "OpenSim.Server.Handlers.dll:AssetServiceConnector"
    BakedTextureService = "OpenSim.Server.Handlers.dll:XBakesConnector"
[DatabaseService]
    StorageProvider = "OpenSim.Data.SQLite.dll"
    ConnectionString = "URI=file:test.db"
[AssetService]
    LocalServiceModule = "OpenSim.Services.AssetService.dll:AssetService"
    AllowRemoteDelete = true
    AllowRemoteDeleteAllTypes = true
[BakedTextureService]
    LocalServiceModule = "OpenSim.Server.Handlers.dll:XBakes"
    BaseDirectory = "bakes"
[Admin]
    Port = ${admin}
"#;

/// A section with which a shell prints the level of each message.
pub const LEVELS: &str = "\n[Logging]\n    ConsoleFormat = json\n";

/// The configuration of [`SQLITE`], on another database.
pub fn on_database(backend: Backend, connection_string: &str) -> String {
    let provider = match backend {
        Backend::Sqlite => "OpenSim.Data.SQLite.dll",
        Backend::MySql => "OpenSim.Data.MySQL.dll",
        Backend::Postgres => "OpenSim.Data.PGSQL.dll",
    };
    SQLITE.replace("OpenSim.Data.SQLite.dll", provider).replace("URI=file:test.db", connection_string)
}

impl Shell {
    /// Starts a shell and waits until it is ready.
    pub fn start(ini: &str) -> Self {
        Self::start_in(TempDir::new().unwrap(), ini)
    }

    /// Starts a shell in a folder that holds something already.
    pub fn start_in(folder: TempDir, ini: &str) -> Self {
        let mut shell = Self::launch_in(folder, ini, &["-console=none"], Stdio::null());
        shell.wait_until_ready();
        shell
    }

    /// Starts a shell with these switches and this input, and does not wait until it is ready.
    pub fn launch_in(folder: TempDir, ini: &str, switches: &[&str], input: Stdio) -> Self {
        Self::launch_by(&[], folder, ini, switches, input)
    }

    /// The same, by a program that gets the shell's command line as its last arguments.
    pub fn launch_by(launcher: &[&str], folder: TempDir, ini: &str, switches: &[&str], input: Stdio) -> Self {
        let (port, admin_port) = (free_port(), free_port());
        let ini = ini.replace("${port}", &port.to_string()).replace("${admin}", &admin_port.to_string());
        fs::write(folder.path().join("Robust.ini"), &ini).unwrap();
        let [launcher, switches] =
            [launcher, switches].map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let child = spawn(&launcher, folder.path(), &switches, input);
        Self { child, folder, port, admin_port, ini, switches, launcher }
    }

    /// Starts the same shell again, after it has ended.
    pub fn restart(&mut self) {
        self.relaunch();
        self.wait_until_ready();
    }

    /// The same, and does not wait until it is ready, but until it listens.
    pub fn restart_unready(&mut self) {
        self.relaunch();
        let deadline = Instant::now() + PATIENCE;
        while connect(self.port).is_err() {
            assert!(Instant::now() < deadline, "gridshell does not listen after {PATIENCE:?}; its output:\n{}", self.output());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn relaunch(&mut self) {
        self.child.wait().unwrap();
        self.child = spawn(&self.launcher, self.folder.path(), &self.switches, Stdio::null());
    }

    /// Waits until all databases answer.
    pub fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("gridshell ended with {status}; its output:\n{}\nits configuration:\n{}", self.output(), self.ini);
            }
            if try_get(self.admin_port, "/readyz").is_ok_and(|answer| answer.status == 200) {
                return;
            }
            assert!(Instant::now() < deadline, "gridshell is not ready after {PATIENCE:?}; its output:\n{}", self.output());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the program has printed.
    pub fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("output.txt")).unwrap_or_default()
    }

    /// Waits until a text appears in what the program prints.
    pub fn wait_for_output(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.output().contains(text) {
            assert!(Instant::now() < deadline, "{text:?} does not appear in the output:\n{}", self.output());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Nothing was printed that an operator would have to think about, by a shell with [`LEVELS`]. That a request took long is nothing of
    /// the kind: so it may on a slow machine.
    pub fn has_no_complaints(&self) {
        let output = self.output();
        assert!(output.contains("\"level\":\"INFO\""), "levels are not printed:\n{output}");
        let is_complaint = |line: &&str| ["warn", "WARN", "ERROR"].iter().any(|word| line.contains(word));
        let complaints = output.lines().filter(is_complaint).filter(|line| !line.contains("[BASE HTTP SERVER]: slow request"));
        assert_eq!(complaints.collect::<Vec<_>>(), [""; 0]);
    }

    /// What the shell reads from; there when it was launched with a pipe.
    pub fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// Waits for the end of the program.
    pub fn wait(&mut self) -> ExitStatus {
        end_of(&mut self.child).unwrap_or_else(|| panic!("gridshell does not end; its output:\n{}", self.output()))
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Waits until resident memory is at most so many bytes: who has written an answer gives up its memory after the last byte.
    pub fn wait_until_resident(&self, most: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.resident_bytes() > most {
            assert!(Instant::now() < deadline, "{} bytes are resident, not {most} or less", self.resident_bytes());
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        try_get(self.port, path).unwrap()
    }

    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        try_post(self.port, path, body).unwrap()
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.port).unwrap()
    }

    /// Sends bytes as they are and reads the answer.
    pub fn exchange(&self, request: &[u8]) -> io::Result<Answer> {
        let mut stream = self.connect();
        // A server that refuses early may close before everything is sent; what counts is its answer.
        let _ = stream.write_all(request);
        read_answer(&mut stream)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(launcher: &[String], folder: &Path, switches: &[String], input: Stdio) -> Child {
    let output = fs::File::options().create(true).append(true).open(folder.join("output.txt")).unwrap();
    let line: Vec<&str> = launcher.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_gridshell")]).collect();
    Command::new(line[0])
        .args(&line[1..])
        .arg("-inifile=Robust.ini")
        .args(switches)
        .current_dir(folder)
        .stdin(input)
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap()
}

/// Replaces a text of the configuration, which the shell does not read before it is told to.
pub fn edit(shell: &Shell, text: &str, replacement: &str) {
    let file = shell.folder.path().join("Robust.ini");
    let ini = fs::read_to_string(&file).unwrap();
    assert!(ini.contains(text), "{text:?} is not in {ini}");
    fs::write(&file, ini.replace(text, replacement)).unwrap();
}

/// Runs the program to its end; gives its status and what it printed.
pub fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    // A file, since a pipe that nobody empties would stop a program that prints much.
    let mut output = tempfile::tempfile().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_gridshell"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output.try_clone().unwrap())
        .spawn()
        .unwrap();
    let status = end_of(&mut child);
    let mut text = String::new();
    output.rewind().unwrap();
    output.read_to_string(&mut text).unwrap();
    (status.unwrap_or_else(|| panic!("gridshell {arguments:?} does not end; its output:\n{text}")).code(), text)
}

/// Waits for the end of a program; one that does not end is killed.
fn end_of(child: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// A port that nobody listens on. It is below those that the system gives to outgoing connections, so that none of the many
/// connections of the tests takes it before the program does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 8_000;
    loop {
        // Test programs that run at the same time begin at different places.
        let number = std::process::id().wrapping_mul(101).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + number % COUNT).unwrap();
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// Bytes that look random; the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value; names in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

pub fn try_get(port: u16, path: &str) -> io::Result<Answer> {
    request(&mut connect(port)?, "GET", path, "", b"")
}

pub fn try_post(port: u16, path: &str, body: &[u8]) -> io::Result<Answer> {
    request(&mut connect(port)?, "POST", path, "Content-Type: text/xml\r\n", body)
}

/// Sends a form.
pub fn post_form(shell: &Shell, path: &str, form: &str) -> Answer {
    request(&mut shell.connect(), "POST", path, "Content-Type: application/x-www-form-urlencoded\r\n", form.as_bytes()).unwrap()
}

/// One request on an open connection. `headers` are lines with their ends.
pub fn request(stream: &mut (impl Read + Write), method: &str, path: &str, headers: &str, body: &[u8]) -> io::Result<Answer> {
    write_request(stream, method, path, headers, body)?;
    if method == "HEAD" { read_head(stream) } else { read_answer(stream) }
}

/// Sends one request and does not wait for its answer.
pub fn write_request(stream: &mut impl Write, method: &str, path: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let mut bytes =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes)
}

/// Reads one answer, which must have a Content-Length: nothing is ever sent in chunks.
pub fn read_answer(stream: &mut impl Read) -> io::Result<Answer> {
    let mut answer = read_head(stream)?;
    let length =
        answer.header("Content-Length").ok_or_else(|| io::Error::other(format!("no Content-Length: {}", answer.head)))?;
    answer.body = vec![0; length.parse().map_err(io::Error::other)?];
    stream.read_exact(&mut answer.body)?;
    Ok(answer)
}

/// Reads the head of an answer.
pub fn read_head(stream: &mut impl Read) -> io::Result<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status: {head}")))?;
    Ok(Answer { status, head, body: Vec::new() })
}

/// An AssetBase document.
pub fn asset_document(id: &str, data_base64: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><AssetBase><Data>{data_base64}</Data><FullID><Guid>{id}</Guid></FullID><ID>{id}</ID>\
         <Name>test</Name><Description /><Type>7</Type><Local>false</Local><Temporary>false</Temporary><CreatorID /><Flags>Normal</Flags>\
         </AssetBase>"
    )
}

/// The path of a file in the workspace.
pub fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}
