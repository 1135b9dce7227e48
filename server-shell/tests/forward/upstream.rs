//! A server that does what a test wants, on threads of its own.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::PATIENCE;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub head: String,
    pub body: Vec<u8>,
}

impl Received {
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// All values of a header.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }
}

/// A connection to the server, whose request's head has been read.
pub struct Connection {
    pub request: Received,
    stream: BufReader<TcpStream>,
    /// Where the request is noted before anything is answered, or else at its end.
    notes: Option<Arc<Mutex<Vec<Received>>>>,
}

impl Connection {
    fn next(stream: BufReader<TcpStream>) -> Option<Self> {
        let mut connection = Self { request: Received::default(), stream, notes: None };
        loop {
            let mut line = String::new();
            if connection.stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                return Some(connection);
            }
            connection.request.head.push_str(&line);
        }
    }

    /// Reads some of the body, however it is sent; `None` at its end.
    pub fn piece(&mut self, left: &mut Option<usize>) -> io::Result<Option<Vec<u8>>> {
        let length = match self.request.header("Content-Length") {
            Some(length) => {
                let left = left.get_or_insert(length.parse().unwrap());
                let now = (*left).min(64 * 1024);
                *left -= now;
                now
            }
            None if self.request.header("Transfer-Encoding") == Some("chunked") => {
                let mut line = String::new();
                self.stream.read_line(&mut line)?;
                usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?
            }
            None => 0,
        };
        let is_chunked = self.request.header("Content-Length").is_none() && self.request.header("Transfer-Encoding").is_some();
        let mut piece = vec![0; length + if is_chunked { 2 } else { 0 }];
        self.stream.read_exact(&mut piece)?;
        piece.truncate(length);
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }

    /// Reads the whole body.
    pub fn read_body(&mut self) -> io::Result<()> {
        let mut left = None;
        while let Some(piece) = self.piece(&mut left)? {
            self.request.body.extend(piece);
        }
        Ok(())
    }

    fn note(&mut self) {
        if let Some(notes) = self.notes.take() {
            notes.lock().unwrap().push(self.request.clone());
        }
    }

    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.note();
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    pub fn socket(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }

    /// Waits until the other side is gone.
    pub fn wait_for_the_end(&mut self) {
        let mut rest = [0; 65536];
        while self.stream.read(&mut rest).is_ok_and(|read| read > 0) {}
    }
}

/// The server. It listens until the test ends.
pub struct Upstream {
    pub port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    closed: Arc<AtomicUsize>,
}

impl Upstream {
    /// Does `work` with each request, and reads the next one of the connection when that says `true`.
    pub fn start(work: impl Fn(&mut Connection) -> io::Result<bool> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (received, closed, work) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicUsize>::default(), Arc::new(work));
        let upstream = Self { port, received: received.clone(), closed: closed.clone() };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (received, closed, work) = (received.clone(), closed.clone(), work.clone());
                stream.set_read_timeout(Some(2 * PATIENCE)).unwrap();
                thread::spawn(move || {
                    let mut next = Connection::next(BufReader::new(stream));
                    while let Some(mut connection) = next {
                        // What only health checks ask for.
                        let is_check = connection.request.header("Connection") == Some("close");
                        connection.notes = Some(received.clone()).filter(|_| !is_check);
                        let goes_on = if is_check { Ok(false) } else { work(&mut connection) };
                        connection.note();
                        next = if goes_on.unwrap_or(false) { Connection::next(connection.stream) } else { None };
                    }
                    closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        upstream
    }

    /// Reads bodies and answers with this.
    pub fn says(answer: &str) -> Self {
        let answer = answer.to_owned();
        Self::start(move |connection| {
            connection.read_body()?;
            connection.write(&answer)?;
            Ok(true)
        })
    }

    /// Reads bodies and writes this, and closes.
    pub fn says_and_closes(answer: &str) -> Self {
        let answer = answer.to_owned();
        Self::start(move |connection| {
            connection.read_body()?;
            connection.write(&answer)?;
            // Not at once, since closing with unread bytes would reset the connection.
            connection.socket().shutdown(Shutdown::Write)?;
            connection.wait_for_the_end();
            Ok(false)
        })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All requests that were answered, or have ended.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Connections that have ended.
    pub fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}
