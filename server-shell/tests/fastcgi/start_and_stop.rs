//! FastCGI listeners at start and stop.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::client;
use super::common::{PATIENCE, Shell, asset_document, free_port, run};
use super::{ID, connect_unix, with_fastcgi};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_socket_file_lasts_as_long_as_the_program() {
    let mut shell = Shell::start(&with_fastcgi("Listeners = unix:fastcgi.sock"));
    let path = shell.folder.path().join("fastcgi.sock");
    assert_eq!(mode(&path), 0o660);
    shell.signal(Signal::SIGTERM);
    assert_eq!(shell.wait().code(), Some(0));
    assert!(!path.exists(), "removed in good order");

    shell.restart();
    shell.signal(Signal::SIGKILL);
    shell.wait();
    assert!(path.exists(), "left by a kill");
    shell.restart();
    assert!(client::exchange(&mut connect_unix(&shell), "GET", "/assets/", b"").unwrap().starts_with("Status: 200 OK"));

    let shell = Shell::start(&with_fastcgi("Listeners = unix:fastcgi.sock\nSocketMode = 0606"));
    assert_eq!(mode(&shell.folder.path().join("fastcgi.sock")), 0o606);
}

#[test]
fn a_stop_finishes_the_request_under_way() {
    // Longer than a test may take, so that a stop that waits for the idle connection is noticed.
    let ini = with_fastcgi("Listeners = unix:fastcgi.sock")
        .replace("[ServiceList]", "StopTimeout = 300\nIdleTimeout = 300\n[ServiceList]");
    let mut shell = Shell::start(&ini);
    let mut idle = connect_unix(&shell);
    assert!(client::exchange(&mut idle, "GET", "/assets/", b"").unwrap().starts_with("Status: 200 OK"));

    let body = asset_document(ID, "aGVsbG8=");
    let (first, second) = body.as_bytes().split_at(body.len() / 2);
    let mut under_way = connect_unix(&shell);
    // The answer to a question for values shows that what came before it has been read.
    let question = b"\x01\x09\x00\x00\x00\x00\x00\x00";
    under_way.write_all(&[&client::head("POST", "/assets/"), &client::record(5, first), &question[..]].concat()).unwrap();
    let mut values = [0; 8];
    std::io::Read::read_exact(&mut under_way, &mut values).unwrap();
    assert_eq!(values, *b"\x01\x0a\x00\x00\x00\x00\x00\x00");

    shell.signal(Signal::SIGTERM);
    shell.wait_for_output("[CONSOLE] Quitting");
    let path = shell.folder.path().join("fastcgi.sock");
    let deadline = Instant::now() + PATIENCE;
    while UnixStream::connect(&path).is_ok() {
        assert!(Instant::now() < deadline, "new connections are still accepted");
        thread::sleep(Duration::from_millis(10));
    }
    under_way.write_all(&[client::record(5, second), client::record(5, b"")].concat()).unwrap();
    let answer = client::read_answer(&mut under_way).unwrap();
    assert!(answer.contains(&format!("<string>{ID}</string>")), "{answer}");
    assert_eq!(shell.wait().code(), Some(0));
    shell.restart();
    assert_eq!(shell.get(&format!("/assets/{ID}/data")).text(), "hello");
}

#[test]
fn requests_that_do_not_end_are_given_up_at_last() {
    let ini = with_fastcgi("Listeners = unix:fastcgi.sock").replace("[ServiceList]", "StopTimeout = 1\n[ServiceList]");
    let mut shell = Shell::start(&ini);
    let mut endless = connect_unix(&shell);
    endless.write_all(&[client::head("POST", "/assets/"), b"\x01\x09\x00\x00\x00\x00\x00\x00".to_vec()].concat()).unwrap();
    std::io::Read::read_exact(&mut endless, &mut [0; 8]).unwrap();
    shell.signal(Signal::SIGTERM);
    assert_eq!(shell.wait().code(), Some(0));
    assert!(shell.output().contains("requests over FastCGI did not end in time; they are given up"), "{}", shell.output());
}

#[test]
fn addresses_that_cannot_be_used_end_the_program() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let busy_unix = UnixListener::bind(at("busy.sock")).unwrap();
    let busy_tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy_address = busy_tcp.local_addr().unwrap().to_string();
    fs::write(at("file"), "kept").unwrap();
    fs::create_dir(at("folder")).unwrap();
    for (name, address, reason) in [
        ("a busy Unix socket", "unix:busy.sock".to_owned(), "another program listens on it"),
        ("a busy TCP port", busy_address, "Address already in use (os error 98)"),
        ("a file", "unix:file".to_owned(), "there is something at this path that is no socket"),
        ("a folder", "unix:folder".to_owned(), "there is something at this path that is no socket"),
        ("no such folder", "unix:no/x.sock".to_owned(), "No such file or directory (os error 2)"),
        ("an address of another machine", "192.0.2.1:9000".to_owned(), "Cannot assign requested address (os error 99)"),
        ("the first is good, the second is not", "unix:good.sock, unix:busy.sock".to_owned(), "another program listens on it"),
        // Root may not either; the system has more than one word for it.
        ("no permission", "unix:/sys/x.sock".to_owned(), ""),
    ] {
        let ini = with_fastcgi(&format!("Listeners = \"{address}\"")).replace("${port}", &free_port().to_string());
        fs::write(at("Robust.ini"), ini.replace("${admin}", "0")).unwrap();
        let (code, output) = run(folder.path(), &["-console=none"]);
        assert_eq!(code, Some(1), "{name}: {output}");
        let last = output.lines().last().unwrap_or_default();
        let address = address.split(", ").last().unwrap();
        let expected = format!("gridshell: [FastCGI] Listeners: cannot listen on {address}: {reason}");
        assert!(last.starts_with(&expected) && (reason.is_empty() || last == expected), "{name}: {last}");
    }
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "kept");
    UnixStream::connect(at("busy.sock")).unwrap();
    drop(busy_unix);
}

#[test]
fn mistakes_in_the_configuration_are_said_all_at_once() {
    let folder = TempDir::new().unwrap();
    let check = |keys: &str| {
        let ini = with_fastcgi(keys).replace("${port}", "8003").replace("${admin}", "0");
        let line = ini.lines().position(|line| line == "[FastCGI]").unwrap() + 1;
        fs::write(folder.path().join("Robust.ini"), ini).unwrap();
        let (code, output) = run(folder.path(), &["check", "-inifile=Robust.ini"]);
        let output = output.lines().filter(|line| line.contains("FastCGI")).map(|text| {
            // Lines are counted from the section's head.
            let (before, rest) = text.split_once("Robust.ini:").unwrap();
            let (number, rest) = rest.split_once(':').unwrap();
            format!("{before}{}:{rest}", number.parse::<usize>().unwrap() - line)
        });
        (code, output.collect::<Vec<_>>())
    };
    let good =
        "Listeners = \"unix:/run/x.sock, 8003/127.0.0.1:9000, 0/fd:0\"\nOnlyPorts = 8003\nSocketMode = 600\nMaxConnections = 5";
    assert_eq!(check(good), (Some(0), vec![]));
    assert_eq!(check(""), (Some(0), vec![]));
    let meant = "[port/]unix:PATH, [port/]ADDRESS:PORT or [port/]fd:0 is meant";
    for (value, message) in [
        ("localhost:9000", format!("localhost:9000 is no address; {meant}")),
        ("99999/fd:0", format!("99999/fd:0 has a port that is not 0 to 65535; {meant}")),
        ("8003/fd:3", "8003/fd:3 names a descriptor other than 0, which is the only one that is passed on".to_owned()),
        ("unix:", "unix: has a path that is not 1 to 107 bytes long".to_owned()),
    ] {
        let (code, said) = check(&format!("Listeners = \"unix:x, {value}\"\nSocketMode = 888\nMaxConnections = x"));
        assert_eq!(code, Some(1));
        assert_eq!(
            said,
            [
                format!("error: 1: FastCGI/Listeners: \"unix:x, {value}\": {message}"),
                "error: 2: FastCGI/SocketMode: \"888\": is no mode such as 660: octal digits, at most 777".to_owned(),
                "error: 3: FastCGI/MaxConnections: \"x\" is not a whole number from 0 to 18446744073709551615".to_owned(),
            ],
            "{value}"
        );
    }
    assert_eq!(
        check("Listeners = \"unix:x, 8003/unix:x, 8004/unix:y\"\nOnlyPorts = \"8003, 8005\"\nMaxConnections = 0"),
        (
            Some(1),
            vec![
                "error: 1: FastCGI/Listeners: unix:x is there twice".to_owned(),
                "error: 2: FastCGI/OnlyPorts: nothing would serve port 8005: no entry of Listeners is for it".to_owned(),
                "error: 3: FastCGI/MaxConnections: 0 would let nobody connect".to_owned(),
            ]
        )
    );
    let warning = "warning: 1: FastCGI/Listeners: unix:y serves port 8004, which no connector is on".to_owned();
    assert_eq!(check("Listeners = 8004/unix:y"), (Some(0), vec![warning]));
}
