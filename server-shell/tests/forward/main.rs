//! Shells that pass requests on, with real binaries and upstreams that behave and that do not.

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../services/tests/common/mod.rs"]
mod databases;
// A part of it is used.
#[allow(dead_code)]
#[path = "../fastcgi/client.rs"]
mod fastcgi_client;

mod batteries;
mod configuration;
mod fastcgi;
mod faults;
mod heads;
mod ready_made;
mod shadow;
mod streams;
mod upstream;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use common::{Answer, PATIENCE, Shell, connect, read_head};

/// A shell that forwards everything. `${upstreams}` are those it asks, `${keys}` go into its section.
const FORWARD: &str = r#"
[Network]
    port = ${port}
    BindAddresses = "127.0.0.1"
    MaxRequestsPerConnection = 0
[ServiceList]
    Everything = "forward"
[Forward]
    URI = "${upstreams}"
    ${keys}
[Admin]
    Port = ${admin}
"#;

/// No checks, and nobody is left alone.
const PLAIN: &str = "HealthCheck = false\n    EjectAfter = 1000";

/// The configuration of a shell in front of these.
fn forward_to(upstreams: &[String], keys: &str) -> String {
    FORWARD.replace("${upstreams}", &upstreams.join(", ")).replace("${keys}", keys)
}

/// Waits until something is so.
fn wait_until(what: &str, shell: &Shell, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} does not come about; the output:\n{}", shell.output());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends bytes as they are and reads the answer to its end, which has to be a whole one.
fn exchange(shell: &Shell, request: impl AsRef<[u8]>) -> io::Result<Answer> {
    let mut stream = connect(shell.port)?;
    stream.write_all(request.as_ref())?;
    let bare = request.as_ref().starts_with(b"HEAD ");
    let mut answer = read_head(&mut stream)?;
    if !bare && !matches!(answer.status, 204 | 304) {
        answer.body = read_body(&mut stream, &answer)?;
    }
    Ok(answer)
}

/// The body that follows a head; an error when it is not whole.
fn read_body(stream: &mut TcpStream, head: &Answer) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if let Some(length) = head.header("Content-Length") {
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body)?;
        return Ok(body);
    }
    assert_eq!(head.header("Transfer-Encoding"), Some("chunked"), "{}", head.head);
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        let length = usize::from_str_radix(str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        let mut piece = vec![0; length + 2];
        stream.read_exact(&mut piece)?;
        if length == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&piece[..length]);
    }
}

/// The sum of all counters whose lines begin so.
fn counted(shell: &Shell, beginning: &str) -> u64 {
    let metrics = common::try_get(shell.admin_port, "/metrics").unwrap();
    let lines = metrics.text().lines().filter(|line| line.starts_with(beginning));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}
