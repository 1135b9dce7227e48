//! The real program over FastCGI: behind a real nginx, and with a web server's bytes sent by the tests.

mod client;
#[path = "../common/mod.rs"]
mod common;
mod descriptor_zero;
mod nginx;
mod start_and_stop;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;

use common::rest_console::{NEXT_PROMPT, command, open_session, read_until};
use common::{Answer, PATIENCE, SQLITE, Shell, asset_document, connect, free_port, noise, read_answer, request, write_request};
use nginx::{Nginx, Site};

const ID: &str = "a55e7000-0000-4000-8000-0000000000fc";

/// The configuration of [`SQLITE`] with `[FastCGI]`; `keys` are its keys.
fn with_fastcgi(keys: &str) -> String {
    format!("{SQLITE}\n[FastCGI]\n{keys}\n")
}

/// A shell that listens on a Unix and a TCP socket, with their addresses.
fn start(keys: &str) -> (Shell, String, String) {
    let tcp = format!("127.0.0.1:{}", free_port());
    let shell = Shell::start(&with_fastcgi(&format!("Listeners = \"unix:fastcgi.sock, {tcp}\"\n{keys}")));
    let unix = format!("unix:{}", shell.folder.path().join("fastcgi.sock").display());
    (shell, unix, tcp)
}

fn site(address: &str) -> Site<'_> {
    Site { address, kept: false, unbuffered: false }
}

/// A Unix and a TCP socket, each with and without what nginx can do with them.
fn sites<'a>(unix: &'a str, tcp: &'a str) -> [Site<'a>; 4] {
    [
        site(unix),
        Site { kept: true, ..site(tcp) },
        Site { kept: true, unbuffered: true, ..site(unix) },
        Site { unbuffered: true, ..site(tcp) },
    ]
}

fn send(port: u16, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    request(&mut connect(port).unwrap(), method, path, headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

fn connect_unix(shell: &Shell) -> UnixStream {
    let stream = UnixStream::connect(shell.folder.path().join("fastcgi.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// An AssetBase document with that many bytes of data.
fn document(id: &str, length: usize) -> Vec<u8> {
    // Each byte of base64 alphabet; a multiple of four has no padding.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let length = (length * 4 / 3).next_multiple_of(4);
    let data: String = noise(7, length).iter().map(|byte| alphabet[usize::from(byte % 64)] as char).collect();
    asset_document(id, &data).into_bytes()
}

#[test]
fn answers_are_those_of_http() {
    let (shell, unix, tcp) = start("");
    let Some(nginx) = Nginx::start(&sites(&unix, &tcp)) else { return };
    assert_eq!(shell.post("/assets/", asset_document(ID, "aGVsbG8gd29ybGQ=").as_bytes()).status, 200);
    for port in &nginx.ports {
        for (method, path, headers, body) in [
            ("GET", format!("/assets/{ID}"), "", ""),
            ("GET", format!("/assets/{ID}/data"), "", ""),
            ("GET", format!("/assets/{ID}/metadata?x=%20"), "", ""),
            ("GET", format!("/%61ssets/{ID}/data"), "", ""),
            ("HEAD", format!("/assets/{ID}/data"), "", ""),
            ("GET", "/assets/nothing".to_owned(), "", ""),
            ("GET", format!("/assets/{ID}/other"), "", ""),
            ("POST", "/assets/".to_owned(), "", "no XML"),
            (
                "POST",
                "/get_assets_exist".to_owned(),
                "Content-Type: text/xml\r\n",
                "<ArrayOfString><string>x</string></ArrayOfString>",
            ),
            ("GET", "/nowhere".to_owned(), "", ""),
            ("POST", "/nowhere".to_owned(), "Content-Type: application/llsd+xml\r\n", "<llsd />"),
            ("OPTIONS", "/anything".to_owned(), "", ""),
            ("GET", format!("/assets/{ID}/data"), "X-SecondLife-Shard: Testing\r\n", ""),
        ] {
            let direct = send(shell.port, method, &path, headers, body.as_bytes());
            let behind = send(*port, method, &path, headers, body.as_bytes());
            let name = format!("{method} {path} {headers}");
            assert_eq!((behind.status, &behind.body), (direct.status, &direct.body), "{name}");
            for header in ["Content-Type", "Content-Length", "ETag", "Cache-Control", "Allow", "WWW-Authenticate"] {
                assert_eq!(behind.header(header), direct.header(header), "{name}: {header}");
            }
            let date = behind.header("Date").unwrap();
            assert!(date.ends_with(" GMT") && behind.head.matches("Date:").count() == 1, "{name}: {}", behind.head);
            assert_eq!(behind.header("Status"), None, "{name}: {}", behind.head);
        }
    }
    let log = nginx.log();
    assert!(!log.contains("[error]") && !log.contains("[crit]"), "{log}");
}

#[test]
fn assets_of_some_megabytes() {
    let (shell, unix, tcp) = start("");
    let Some(nginx) = Nginx::start(&sites(&unix, &tcp)) else { return };
    for (number, port) in nginx.ports.iter().enumerate() {
        let id = format!("a55e7000-0000-4000-8000-0000000001{number:02}");
        let sent = document(&id, 5_000_000);
        assert_eq!(send(*port, "POST", "/assets/", "Content-Type: text/xml\r\n", &sent).status, 200);
        let direct = shell.get(&format!("/assets/{id}/data"));
        assert_eq!((direct.status, direct.body.len()), (200, 5_000_001));
        for form in ["", "/data"] {
            let path = format!("/assets/{id}{form}");
            assert!(send(*port, "GET", &path, "", b"").body == shell.get(&path).body, "{path}");
        }
    }
}

#[test]
fn chunked_bodies() {
    let (shell, unix, tcp) = start("");
    let Some(nginx) = Nginx::start(&sites(&unix, &tcp)) else { return };
    for (number, port) in nginx.ports.iter().enumerate() {
        let id = format!("a55e7000-0000-4000-8000-0000000002{number:02}");
        let mut stream = connect(*port).unwrap();
        stream.write_all(b"POST /assets/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        for piece in document(&id, 300_000).chunks(33_333) {
            write!(stream, "{:x}\r\n", piece.len()).unwrap();
            stream.write_all(piece).unwrap();
            stream.write_all(b"\r\n").unwrap();
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
        let answer = read_answer(&mut stream).unwrap();
        assert_eq!(answer.status, 200, "site {number}: {}", answer.head);
        assert_eq!(shell.get(&format!("/assets/{id}/data")).body.len(), 300_000);
    }
}

#[test]
fn bodies_over_the_limit_are_refused_whole() {
    let tcp = format!("127.0.0.1:{}", free_port());
    let ini = with_fastcgi(&format!("Listeners = \"unix:fastcgi.sock, {tcp}\""));
    let shell = Shell::start(&ini.replace("[ServiceList]", "MaxBodyBytes = 100000\n[ServiceList]"));
    let unix = format!("unix:{}", shell.folder.path().join("fastcgi.sock").display());
    let Some(nginx) = Nginx::start(&sites(&unix, &tcp)) else { return };
    for port in &nginx.ports {
        assert_eq!(send(*port, "POST", "/assets/", "", &document(ID, 3_000_000)).status, 400);
        assert_eq!(shell.get(&format!("/assets/{ID}")).status, 404);
        assert_eq!(send(*port, "POST", "/get_assets_exist", "", b"<ArrayOfString />").status, 200);
    }
    let log = nginx.log();
    assert!(!log.contains("[error]"), "{log}");
}

#[test]
fn private_services_ask_for_credentials() {
    let (_shell, unix, tcp) = {
        let tcp = format!("127.0.0.1:{}", free_port());
        let ini = with_fastcgi(&format!("Listeners = \"unix:fastcgi.sock, {tcp}\""));
        let keys = "AuthType = BasicHttpAuthentication\nHttpAuthUsername = region\nHttpAuthPassword = \"se cret\"\n";
        let shell = Shell::start(&ini.replace("[ServiceList]", &format!("{keys}[ServiceList]")));
        let unix = format!("unix:{}", shell.folder.path().join("fastcgi.sock").display());
        (shell, unix, tcp)
    };
    let Some(nginx) = Nginx::start(&[site(&unix), site(&tcp)]) else { return };
    for port in &nginx.ports {
        let path = "/assets/nothing";
        assert_eq!(send(*port, "GET", path, "", b"").status, 401);
        assert_eq!(send(*port, "GET", path, "Authorization: Basic cmVnaW9uOnNlIGNyZXQ=\r\n", b"").status, 404);
    }
}

#[test]
fn many_requests_at_the_same_time() {
    // Fewer connections than clients, so that some wait.
    let (shell, unix, tcp) = start("MaxConnections = 20");
    let Some(nginx) = Nginx::start(&sites(&unix, &tcp)[..2]) else { return };
    let asset = document(ID, 100_000);
    assert_eq!(shell.post("/assets/", &asset).status, 200);
    let expected = shell.get(&format!("/assets/{ID}")).body;
    let ports = &nginx.ports;
    let expected = &expected;
    thread::scope(|scope| {
        for client in 0..32 {
            scope.spawn(move || {
                let mut stream = connect(ports[client % ports.len()]).unwrap();
                for round in 0..50 {
                    let id = format!("a55e7000-0000-4000-8000-{client:06}{round:06}");
                    if round % 10 == 0 {
                        let small = asset_document(&id, "aGVsbG8=");
                        let stored = request(&mut stream, "POST", "/assets/", "", small.as_bytes()).unwrap();
                        assert!(stored.text().contains(&id), "{}", stored.head);
                        let read = request(&mut stream, "GET", &format!("/assets/{id}/data"), "", b"").unwrap();
                        assert_eq!(read.text(), "hello");
                    }
                    let answer = request(&mut stream, "GET", &format!("/assets/{ID}"), "", b"").unwrap();
                    assert!(answer.status == 200 && answer.body == *expected, "{}", answer.head);
                }
            });
        }
    });
}

#[test]
fn clients_that_go_away_hurt_nobody() {
    let (shell, unix, tcp) = start("");
    let Some(nginx) = Nginx::start(&sites(&unix, &tcp)) else { return };
    let asset = document(ID, 1_000_000);
    for round in 0..25 {
        for port in &nginx.ports {
            let mut half = connect(*port).unwrap();
            let head = format!("POST /assets/ HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", asset.len());
            half.write_all(head.as_bytes()).unwrap();
            half.write_all(&asset[..asset.len() / 2]).unwrap();
            drop(half);
            let mut impatient = connect(*port).unwrap();
            write_request(&mut impatient, "GET", "/assets/nothing", "", b"").unwrap();
            drop(impatient);
            assert_eq!(send(*port, "GET", "/assets/", "", b"").status, 200, "round {round}");
        }
    }
    assert_eq!(shell.get(&format!("/assets/{ID}")).status, 404, "half of an asset was stored");
}

/// What a web server would never send, in many connections at once.
fn storm(connection: usize, mut stream: impl Read + Write) {
    // What begins like a record would be waited for.
    let noise = |length| [b"\0", &noise(connection as u64, length)[..]].concat();
    let bytes = match connection % 5 {
        0 => noise(2000),
        1 => b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        2 => [client::head("GET", "/assets/"), noise(2000)].concat(),
        // Lengths of 4 GB in the parameters.
        3 => [client::record(1, &[0, 1, 1, 0, 0, 0, 0, 0]), client::record(4, &[0xff; 100]), client::record(4, b"")].concat(),
        _ => client::record(6, &noise(60_000)),
    };
    // It may be closed before everything is sent.
    let _ = stream.write_all(&bytes);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(rest, b"", "connection {connection}");
}

#[test]
fn a_storm_of_malformed_records() {
    let (shell, _, tcp) = start("");
    let before = shell.resident_bytes();
    thread::scope(|scope| {
        for thread in 0..4 {
            let (shell, tcp) = (&shell, &tcp);
            scope.spawn(move || {
                for number in 0..150 {
                    let connection = thread * 150 + number;
                    if thread % 2 == 0 {
                        storm(connection, connect_unix(shell));
                    } else {
                        storm(connection, TcpStream::connect(tcp).unwrap());
                    }
                }
            });
        }
        // Others are served meanwhile, on a connection that is kept.
        let mut stream = connect_unix(&shell);
        for _ in 0..200 {
            let answer = client::exchange(&mut stream, "POST", "/get_assets_exist", b"<ArrayOfString />").unwrap();
            assert!(answer.starts_with("Status: 200 OK\r\nContent-Type: application/xml\r\nDate: "), "{answer}");
        }
    });
    let grown = shell.resident_bytes().saturating_sub(before);
    assert!(grown < 100_000_000, "{grown} bytes more are in use after the storm");
}

#[test]
fn each_listener_has_the_connectors_of_its_port() {
    let (other, third) = (free_port(), free_port());
    let ini = with_fastcgi(&format!("Listeners = \"unix:fastcgi.sock, {other}/unix:other.sock\"\nOnlyPorts = {other}"));
    let ini = ini.replace(
        "[ServiceList]",
        &format!(
            "ConsoleUser = Test\nConsolePass = \"se cret\"\n[ServiceList]\nOther = \"{other}/asset\"\nThird = \"{third}/asset\""
        ),
    );
    // The baked textures are on the main port alone.
    let mut shell = Shell::launch_in(tempfile::TempDir::new().unwrap(), &ini, &["-console=rest"], std::process::Stdio::null());
    shell.wait_until_ready();
    shell.wait_for_output("R.O.B.U.S.T.# ");
    let output = shell.output();
    let main = shell.port;
    for line in [
        format!("[FASTCGI]: Starting FastCGI on unix:fastcgi.sock for port {main}\n"),
        format!("[FASTCGI]: Starting FastCGI on unix:other.sock for port {other}\n"),
        "[SERVER]: FastCGI on unix:fastcgi.sock serves AssetServiceConnector, XBakesConnector\n".to_owned(),
        "[SERVER]: FastCGI on unix:other.sock serves asset\n".to_owned(),
    ] {
        assert!(output.contains(&line), "{line:?} is missing:\n{output}");
    }
    assert!(connect(other).is_err(), "OnlyPorts has no HTTP listener");
    assert!(connect(third).is_ok());

    let session = open_session(&shell);
    read_until(&shell, &session, NEXT_PROMPT);
    let mut stream = UnixStream::connect(shell.folder.path().join("other.sock")).unwrap();
    let stored = client::exchange(&mut stream, "POST", "/assets/", asset_document(ID, "aGVsbG8=").as_bytes()).unwrap();
    assert!(stored.contains(ID), "{stored}");
    assert_eq!(shell.get(&format!("/assets/{ID}/data")).text(), "hello");
    let bakes = |mut stream: UnixStream| client::exchange(&mut stream, "GET", "/bakes/x/y", b"").unwrap();
    let on_main = bakes(connect_unix(&shell));
    let on_other = bakes(stream);
    assert!(!on_main.contains("knomes"), "{on_main}");
    assert!(on_other.starts_with("Status: 404 Not Found\r\n") && on_other.contains("knomes"), "{on_other}");

    command(&shell, &session, "show http-handlers");
    let shown = read_until(&shell, &session, NEXT_PROMPT);
    assert!(shown.contains(&format!("Registered HTTP Handlers for FastCGI at unix:other.sock (port {other})")), "{shown}");
    command(&shell, &session, "show stats fastcgi");
    let shown = read_until(&shell, &session, NEXT_PROMPT);
    assert!(shown.contains(">fastcgi.unix:other.sock.FastCGIRequestsServed : 2</Line>"), "{shown}");
    assert!(shown.contains(">fastcgi.unix:fastcgi.sock.FastCGIRequestsServed : 1</Line>"), "{shown}");
}
