//! What concerns the listeners themselves: their addresses, threads, times and certificates.

use std::fs;
use std::net::TcpStream;

use crate::common::{SQLITE, Shell, connect, free_port, request, try_get};
use crate::load::Load;
use crate::{edit, reload, store};

#[test]
fn nothing_is_lost_while_threads_and_times_change() {
    let shell = Shell::start(&SQLITE.replace("[ServiceList]", "    Workers = 2\n    IdleTimeout = 60\n[ServiceList]"));
    let path = store(&shell, 11);
    let load = Load::start(shell.port, &path);
    for (from, to) in [("Workers = 2", "Workers = 1"), ("IdleTimeout = 60", "IdleTimeout = 30"), ("Workers = 1", "Workers = 3")] {
        load.go_on(100);
        edit(&shell, from, to);
        reload(&shell);
        load.go_on(100);
    }
    load.end();
}

#[test]
fn from_one_address_to_all_and_back() {
    let shell = Shell::start(SQLITE);
    let path = store(&shell, 12);
    let load = Load::start(shell.port, &path);
    for (from, to) in [("\"127.0.0.1\"", "\"0.0.0.0\""), ("\"0.0.0.0\"", "\"127.0.0.1, ::1\"")] {
        load.go_on(50);
        edit(&shell, from, to);
        reload(&shell);
        load.go_on(50);
    }
    load.end();
    let mut stream = TcpStream::connect(("::1", shell.port)).unwrap();
    assert_eq!(request(&mut stream, "GET", &path, "", b"").unwrap().status, 200);
}

#[test]
fn a_request_that_is_half_sent_is_answered_by_those_who_have_gone() {
    use std::io::Write;
    let shell = Shell::start(SQLITE);
    let path = store(&shell, 13);
    let mut stream = shell.connect();
    // A connection that merely waits to be accepted might be the successor's.
    assert_eq!(request(&mut stream, "GET", &path, "", b"").unwrap().status, 200);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n").unwrap();
    edit(&shell, "[ServiceList]", "    Workers = 1\n[ServiceList]");
    reload(&shell);
    stream.write_all(b"\r\n").unwrap();
    let answer = crate::common::read_answer(&mut stream).unwrap();
    assert_eq!((answer.status, answer.header("Connection")), (200, Some("close")), "{}", answer.head);
}

#[test]
fn the_admin_listener_moves() {
    let shell = Shell::start(SQLITE);
    let other = free_port();
    edit(&shell, &format!("Port = {}", shell.admin_port), &format!("Port = {other}"));
    reload(&shell);
    assert_eq!(try_get(other, "/readyz").unwrap().status, 200);
    while connect(shell.admin_port).is_ok() {}
}

#[test]
fn a_fastcgi_socket_appears_and_goes() {
    let shell = Shell::start(SQLITE);
    let socket = shell.folder.path().join("shell.sock");
    let section = "[FastCGI]\n    Listeners = \"unix:shell.sock\"\n[Admin]";
    edit(&shell, "[Admin]", section);
    reload(&shell);
    assert!(socket.exists());
    reload(&shell);
    assert!(socket.exists());
    edit(&shell, section, "[Admin]");
    reload(&shell);
    while socket.exists() {}
}

#[test]
fn the_file_of_the_log_stays_open() {
    let shell = Shell::start(&format!("[Startup]\n    logfile = \"shell.log\"\n{SQLITE}"));
    reload(&shell);
    let log = shell.folder.path().join("shell.log");
    while !fs::read_to_string(&log).unwrap().contains("is in force") {}
}
