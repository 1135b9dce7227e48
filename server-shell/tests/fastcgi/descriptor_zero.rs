//! The shell on descriptor 0, as web servers' process managers and systemd start it.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::client;
use super::common::{PATIENCE, SQLITE, asset_document, free_port, try_get};
use super::nginx::Nginx;
use super::{ID, send, site};

/// The program with this descriptor 0, and standard output and standard error in files of their own.
struct Passed {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Drop for Passed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(folder: TempDir, stdin: impl Into<Stdio>) -> Passed {
    let (port, admin) = (free_port(), free_port());
    let ini = format!("{SQLITE}\n[FastCGI]\nListeners = \"{port}/fd:0\"\nOnlyPorts = {port}\n");
    let ini = ini.replace("${port}", &port.to_string()).replace("${admin}", &admin.to_string());
    fs::write(folder.path().join("Robust.ini"), ini).unwrap();
    let file = |name: &str| File::create(folder.path().join(name)).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_gridshell"))
        .args(["-inifile=Robust.ini"])
        .current_dir(folder.path())
        .stdin(stdin)
        .stdout(file("stdout.txt"))
        .stderr(file("stderr.txt"))
        .spawn()
        .unwrap();
    let mut passed = Passed { child, folder, port };
    let deadline = Instant::now() + PATIENCE;
    while passed.child.try_wait().unwrap().is_none() && !try_get(admin, "/readyz").is_ok_and(|answer| answer.status == 200) {
        assert!(Instant::now() < deadline, "gridshell is not ready; its output:\n{}", passed.read("stderr.txt"));
        thread::sleep(Duration::from_millis(20));
    }
    passed
}

impl Passed {
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// Tells it to stop, and waits for its end.
    fn stop(&mut self) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.read("stderr.txt"));
    }

    /// Nothing was printed to standard output; what the console says went to standard error.
    fn was_quiet(&self) {
        assert_eq!(self.read("stdout.txt"), "");
        let said = self.read("stderr.txt");
        assert!(said.contains("[SERVER]: FastCGI on fd:0 serves AssetServiceConnector"), "{said}");
    }
}

fn descriptor(socket: impl Into<OwnedFd>) -> Stdio {
    Stdio::from(socket.into())
}

#[test]
fn a_unix_socket_on_descriptor_0() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("passed.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut shell = start(folder, descriptor(listener.try_clone().unwrap()));
    let mut stream = UnixStream::connect(&path).unwrap();
    let stored = client::exchange(&mut stream, "POST", "/assets/", asset_document(ID, "aGVsbG8=").as_bytes()).unwrap();
    assert!(stored.starts_with("Status: 200 OK\r\n") && stored.contains(ID), "{stored}");
    let read = client::exchange(&mut stream, "GET", &format!("/assets/{ID}/data"), b"").unwrap();
    assert!(read.ends_with("\r\n\r\nhello"), "{read}");
    assert!(TcpStream::connect(("127.0.0.1", shell.port)).is_err(), "there is no HTTP listener");
    if let Some(nginx) = Nginx::start(&[site(&format!("unix:{}", path.display()))]) {
        assert_eq!(send(nginx.ports[0], "GET", &format!("/assets/{ID}/data"), "", b"").text(), "hello");
    }
    shell.stop();
    shell.was_quiet();
    assert!(path.exists(), "it belongs to whoever opened it");
    // It still listens: the process manager starts the next program on it.
    UnixStream::connect(&path).unwrap();
}

#[test]
fn a_tcp_socket_on_descriptor_0() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut shell = start(TempDir::new().unwrap(), descriptor(listener.try_clone().unwrap()));
    let mut stream = TcpStream::connect(address).unwrap();
    let answer = client::exchange(&mut stream, "GET", "/assets/nothing", b"").unwrap();
    assert!(answer.starts_with("Status: 404 Not Found\r\nContent-Type: text/plain\r\nDate: "), "{answer}");
    if let Some(nginx) = Nginx::start(&[site(&address.to_string())]) {
        assert_eq!(send(nginx.ports[0], "GET", "/assets/nothing", "", b"").status, 404);
    }
    shell.stop();
    shell.was_quiet();
}

#[test]
fn descriptor_0_that_is_no_listening_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    for (name, stdin, reason) in [
        ("/dev/null", Stdio::null(), "and no socket at all"),
        (
            "a file",
            Stdio::from(File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap()),
            "and no socket at all",
        ),
        ("a connection", descriptor(connected), "but one that does not listen"),
        ("a UDP socket", descriptor(UdpSocket::bind("127.0.0.1:0").unwrap()), "but one that does not listen"),
        ("a datagram socket", descriptor(UnixDatagram::unbound().unwrap()), "but one that does not listen"),
    ] {
        let mut shell = start(TempDir::new().unwrap(), stdin);
        assert_eq!(shell.child.wait().unwrap().code(), Some(2), "{name}");
        let said = shell.read("stderr.txt");
        let last = said.lines().last().unwrap_or_default();
        let expected =
            format!("gridshell: [FastCGI] Listeners: descriptor 0 (standard input) is no listening socket, {reason}. ");
        assert!(last.starts_with(&expected), "{name}: {said}");
        assert_eq!(shell.read("stdout.txt"), "", "{name}");
        assert!(shell.read("Robust.log").contains(&expected["gridshell: ".len()..]), "{name}: it is in the log, too");
    }
}
