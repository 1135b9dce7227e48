//! Clients that go on asking while the program changes.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crate::common::{Answer, connect, read_head, request, write_request};

/// Clients of one port: one that keeps its connection, one with a connection for each request, and one whose answers are read late. Every
/// request has to be answered with the same bytes.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(port: u16, path: &str) -> Self {
        let expected = request(&mut connect(port).unwrap(), "GET", path, "", b"").unwrap();
        assert_eq!(expected.status, 200);
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |ask: fn(&mut Option<TcpStream>, u16, &str) -> io::Result<Answer>| {
            let (stop, answered, path, body) = (stop.clone(), answered.clone(), path.to_owned(), expected.body.clone());
            thread::spawn(move || {
                let mut connection = None;
                while !stop.load(Ordering::Relaxed) {
                    let answer =
                        ask(&mut connection, port, &path).unwrap_or_else(|error| panic!("a request was dropped: {error}"));
                    assert_eq!((answer.status, &answer.body), (200, &body), "{}", answer.head);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let clients = vec![client(on_one_connection), client(on_a_new_connection), client(in_two_pieces)];
        Self { stop, answered, clients }
    }

    /// Waits until so many more requests were answered.
    pub fn go_on(&self, requests: u64) {
        let goal = self.answered.load(Ordering::Relaxed) + requests;
        while self.answered.load(Ordering::Relaxed) < goal {
            assert!(!self.clients.iter().any(JoinHandle::is_finished), "a client has ended");
            thread::yield_now();
        }
    }

    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
    }
}

/// Keeps the connection until it is told that it ends. One that ends without a word while it is idle may be used at that moment: such a
/// request, of which nothing was answered, is repeated on a new connection, as every client of HTTP does.
fn on_one_connection(kept: &mut Option<TcpStream>, port: u16, path: &str) -> io::Result<Answer> {
    let mut is_new = kept.is_none();
    loop {
        let mut stream = kept.take().map_or_else(|| connect(port), Ok)?;
        let answer = match request(&mut stream, "GET", path, "", b"") {
            Err(_) if !is_new => {
                is_new = true;
                continue;
            }
            outcome => outcome?,
        };
        if !answer.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            *kept = Some(stream);
        }
        return Ok(answer);
    }
}

fn on_a_new_connection(_: &mut Option<TcpStream>, port: u16, path: &str) -> io::Result<Answer> {
    request(&mut connect(port)?, "GET", path, "", b"")
}

/// A HEAD and a GET in one go, so that the second waits in the connection while the first is answered.
fn in_two_pieces(_: &mut Option<TcpStream>, port: u16, path: &str) -> io::Result<Answer> {
    let mut stream = connect(port)?;
    write_request(&mut stream, "HEAD", path, "", b"")?;
    let head = read_head(&mut stream)?;
    if head.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
        return on_a_new_connection(&mut None, port, path);
    }
    match request(&mut stream, "GET", path, "", b"") {
        Ok(answer) => Ok(answer),
        Err(_) => on_a_new_connection(&mut None, port, path),
    }
}
