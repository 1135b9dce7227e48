//! A server that does what a test wants, on plain TCP.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Answers 200 with the target as body.
    Good,
    /// As `Good`, after a while.
    Slow(Duration),
    /// As `Good`, and closes after so many requests on a connection without having said so.
    ClosesAfter(usize),
    /// As `Good` for the first request of each connection; reads the next one and closes.
    ClosesWhenAskedAgain,
    /// Writes these bytes and closes.
    Says(Vec<u8>),
    /// Writes these bytes and keeps the connection open.
    SaysAndStays(Vec<u8>),
    /// Begins an answer and adds a byte now and then, for ever.
    Drips,
    /// Never answers.
    Hangs,
    /// Answers as soon as it has read a head, and keeps the connection open.
    AnswersHeads,
}

pub fn says(text: &str) -> Manner {
    Manner::Says(text.as_bytes().to_vec())
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub head: String,
    pub body: Vec<u8>,
}

impl Received {
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

pub struct Server {
    pub address: SocketAddr,
    /// Keeps the port while nobody listens there: else it might be given to somebody else.
    _port: TcpSocket,
    shared: Arc<Shared>,
    accepting: Option<AbortHandle>,
}

struct Shared {
    manner: Mutex<Manner>,
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    /// Connections that the client has closed.
    closed: AtomicUsize,
}

impl Server {
    pub async fn start(manner: Manner) -> Self {
        let port = TcpSocket::new_v4().unwrap();
        port.set_reuseaddr(true).unwrap();
        port.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let shared = Shared {
            manner: Mutex::new(manner),
            received: Mutex::default(),
            connections: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
        };
        let address = port.local_addr().unwrap();
        let mut server = Self { address, _port: port, shared: Arc::new(shared), accepting: None };
        server.revive().await;
        server
    }

    /// Listener and all connections are gone at once.
    pub fn kill(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
    }

    /// Listens at its address again, if it does not.
    pub async fn revive(&mut self) {
        if self.accepting.is_some() {
            return;
        }
        // The killed listener may still be on its way out, or a copy of it in a process that another test is about to start.
        for _ in 0..6000 {
            if let Ok(listener) = TcpListener::bind(self.address).await {
                return self.accept(listener);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} cannot be bound again", self.address);
    }

    pub fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Targets of all requests, in their order.
    pub fn targets(&self) -> Vec<String> {
        self.received().iter().map(|request| request.target().to_owned()).collect()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub fn closed(&self) -> usize {
        self.shared.closed.load(Ordering::SeqCst)
    }

    fn accept(&mut self, listener: TcpListener) {
        let shared = self.shared.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                connections.spawn(converse(shared.clone(), stream));
                while connections.try_join_next().is_some() {}
            }
        });
        self.accepting = Some(accepting.abort_handle());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn converse(shared: Arc<Shared>, mut stream: TcpStream) {
    let mut buffer = Vec::new();
    if matches!(*shared.manner.lock().unwrap(), Manner::AnswersHeads) {
        return answer_heads(stream).await;
    }
    for number in 1.. {
        let Some(request) = next_request(&mut stream, &mut buffer).await else {
            shared.closed.fetch_add(1, Ordering::SeqCst);
            return;
        };
        let manner = shared.manner.lock().unwrap().clone();
        let good = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", request.target().len(), request.target());
        shared.received.lock().unwrap().push(request);
        let (answer, stays) = match manner {
            Manner::Good => (good.into_bytes(), true),
            Manner::Slow(time) => {
                tokio::time::sleep(time).await;
                (good.into_bytes(), true)
            }
            Manner::ClosesAfter(most) => (good.into_bytes(), number < most),
            Manner::ClosesWhenAskedAgain if number > 1 => return,
            Manner::ClosesWhenAskedAgain => (good.into_bytes(), true),
            Manner::Says(bytes) => (bytes, false),
            Manner::SaysAndStays(bytes) => (bytes, true),
            Manner::Drips => return drip(stream).await,
            Manner::Hangs | Manner::AnswersHeads => (Vec::new(), true),
        };
        if stream.write_all(&answer).await.is_err() || !stays {
            // Not at once, since closing with unread bytes resets the connection and may take the answer with it.
            let _ = stream.shutdown().await;
            return;
        }
    }
}

async fn drip(mut stream: TcpStream) {
    let mut piece: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    while stream.write_all(piece).await.is_ok() {
        piece = b"x";
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn answer_heads(mut stream: TcpStream) {
    let mut read = Vec::new();
    while !read.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut read).await.unwrap() == 0 {
            return;
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly").await.unwrap();
    while stream.read_buf(&mut read).await.is_ok_and(|read| read > 0) {}
}

async fn next_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Received> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |n| n.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let mut whole: Vec<u8> = buffer.drain(..end + 4 + length).collect();
                return Some(Received { head, body: whole.split_off(end + 4) });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
