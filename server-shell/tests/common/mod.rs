//! Runs the real binary in a folder of its own, on ports of its own, and speaks HTTP with it over plain sockets.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

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

impl Shell {
    /// Starts a shell and waits until it is ready.
    pub fn start(ini: &str) -> Self {
        Self::start_in(TempDir::new().unwrap(), ini)
    }

    /// Starts a shell in a folder that holds something already.
    pub fn start_in(folder: TempDir, ini: &str) -> Self {
        let (port, admin_port) = (free_port(), free_port());
        let ini = ini.replace("${port}", &port.to_string()).replace("${admin}", &admin_port.to_string());
        fs::write(folder.path().join("Robust.ini"), &ini).unwrap();
        let child = spawn(folder.path());
        let mut shell = Self { child, folder, port, admin_port, ini };
        shell.wait_until_ready();
        shell
    }

    /// Starts the same shell again, after it has ended.
    pub fn restart(&mut self) {
        self.child.wait().unwrap();
        self.child = spawn(self.folder.path());
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
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

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// Waits for the end of the program.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "gridshell does not end; its output:\n{}", self.output());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
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

fn spawn(folder: &Path) -> Child {
    let output = fs::File::options().create(true).append(true).open(folder.join("output.txt")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_gridshell"))
        .args(["-inifile=Robust.ini", "-console=none"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap()
}

/// Runs the program to its end; gives its status and what it printed.
pub fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gridshell")).args(arguments).current_dir(folder).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
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

/// One request on an open connection. `headers` are lines with their ends.
pub fn request(stream: &mut (impl Read + Write), method: &str, path: &str, headers: &str, body: &[u8]) -> io::Result<Answer> {
    let length = body.len();
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes)?;
    if method == "HEAD" { read_head(stream) } else { read_answer(stream) }
}

/// Reads one answer, which must have a Content-Length: nothing is ever sent in chunks.
pub fn read_answer(stream: &mut impl Read) -> io::Result<Answer> {
    let mut answer = read_head(stream)?;
    let length = answer.header("Content-Length").ok_or_else(|| io::Error::other(format!("no Content-Length: {}", answer.head)))?;
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
