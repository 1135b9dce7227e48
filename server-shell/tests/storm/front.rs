//! An upstream that misbehaves while a test wants it to. It stands in front of a storage shell and has every request done there, also while
//! it misbehaves: what then becomes of the answer is the fault. So a change whose answer is lost has been made, and whoever sends it
//! again makes it twice.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::common::{PATIENCE, free_port};

/// What becomes of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// They are passed on.
    Well,
    /// Nobody listens any more, and all connections are cut.
    Dead,
    /// They never come.
    Hung,
    /// They come after so long, in two halves.
    Slow(Duration),
    /// Bytes that are not HTTP come instead.
    Garbage,
    /// A page of another server comes instead.
    Page,
    /// Half of the body comes, and then the end of the connection.
    CutMidBody,
    /// Content-Length tells of bytes that never come.
    Overstated,
    /// More bytes come than Content-Length tells of.
    Understated,
}

/// How often each marked request has arrived, at all fronts together. The mark is the id of what is added to an inventory.
pub type Arrivals = Arc<Mutex<HashMap<String, u32>>>;

pub struct Front {
    pub port: u16,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

struct Shared {
    storage: u16,
    manner: watch::Sender<Manner>,
    arrivals: Arrivals,
    /// Connections since the start.
    connections: AtomicUsize,
    /// Requests other than checks that were answered well.
    answered: AtomicUsize,
}

impl Front {
    /// Stands in front of the shell at the port `storage`.
    pub fn start(runtime: &Runtime, storage: u16, arrivals: Arrivals) -> Self {
        let port = free_port();
        let (manner, connections, answered) = (watch::Sender::new(Manner::Well), AtomicUsize::new(0), AtomicUsize::new(0));
        let shared = Arc::new(Shared { storage, manner, arrivals, connections, answered });
        let accepting = runtime.spawn(accept(shared.clone(), port)).abort_handle();
        Self { port, shared, accepting }
    }

    /// What becomes of answers from now on. Those that are held back are given up, and their connections closed.
    pub fn behave(&self, manner: Manner) {
        self.shared.manner.send_replace(manner);
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::SeqCst)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(shared: Arc<Shared>, port: u16) {
    let mut manner = shared.manner.subscribe();
    loop {
        let _ = manner.wait_for(|manner| *manner != Manner::Dead).await;
        let listener = bind(port).await;
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Ok((stream, _)) = listener.accept() => {
                    shared.connections.fetch_add(1, Ordering::SeqCst);
                    connections.spawn(converse(shared.clone(), stream));
                    while connections.try_join_next().is_some() {}
                }
                _ = manner.wait_for(|manner| *manner == Manner::Dead) => break,
            }
        }
    }
}

/// The listener that was there before may still be on its way out.
async fn bind(port: u16) -> TcpListener {
    let attempts = async {
        loop {
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, attempts).await.unwrap_or_else(|_| panic!("port {port} cannot be bound"))
}

/// The requests of one connection, until somebody closes it.
async fn converse(shared: Arc<Shared>, stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = Message::read(&mut stream).await?;
        if let Some(mark) = request.mark() {
            *shared.arrivals.lock().unwrap().entry(mark).or_default() += 1;
        }
        let mut storage = TcpStream::connect(("127.0.0.1", shared.storage)).await?;
        request.write(&mut storage).await?;
        let answer = Message::read(&mut BufReader::new(storage)).await?;
        let manner = *shared.manner.borrow();
        let (length, half) = (answer.body.len(), answer.body.len() / 2);
        match manner {
            Manner::Well => {
                answer.write(&mut stream).await?;
                if !request.head.starts_with("GET / ") {
                    shared.answered.fetch_add(1, Ordering::SeqCst);
                }
            }
            Manner::Slow(time) => {
                tokio::time::sleep(time).await;
                stream.write_all(answer.head.as_bytes()).await?;
                stream.write_all(&answer.body[..half]).await?;
                tokio::time::sleep(time).await;
                stream.write_all(&answer.body[half..]).await?;
            }
            Manner::Dead => return Ok(()),
            Manner::Hung => return shared.hold_back(manner).await,
            Manner::Garbage => {
                stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").await?;
                return stream.shutdown().await;
            }
            Manner::Page => {
                let page = "<!DOCTYPE html><html><body><h1>It works!</h1></body></html>";
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", page.len());
                stream.write_all(&[head.as_bytes(), page.as_bytes()].concat()).await?;
            }
            Manner::CutMidBody => {
                let cut = [answer.head.as_bytes(), &answer.body[..half]].concat();
                stream.write_all(&cut).await?;
                return stream.shutdown().await;
            }
            Manner::Overstated => {
                answer.announcing(length + 10).write(&mut stream).await?;
                return shared.hold_back(manner).await;
            }
            Manner::Understated => answer.announcing(length.saturating_sub(10)).write(&mut stream).await?,
        }
    }
}

impl Shared {
    /// Waits until it shall behave otherwise.
    async fn hold_back(&self, manner: Manner) -> io::Result<()> {
        let _ = self.manner.subscribe().wait_for(|now| *now != manner).await;
        Ok(())
    }
}

/// A request or an answer. The head is everything up to the body.
struct Message {
    head: String,
    body: Vec<u8>,
}

impl Message {
    async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Self> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let length = head.lines().find_map(|line| length_of(line)?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        Ok(Self { head, body })
    }

    async fn write(&self, stream: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<()> {
        stream.write_all(&[self.head.as_bytes(), &self.body].concat()).await
    }

    /// The same, said to be of another length.
    fn announcing(self, length: usize) -> Self {
        let lines = self.head.lines().map(|line| match length_of(line) {
            Some(_) => format!("Content-Length: {length}\r\n"),
            None => format!("{line}\r\n"),
        });
        Self { head: lines.collect(), body: self.body }
    }

    /// The id of what a request adds to an inventory.
    fn mark(&self) -> Option<String> {
        let form = std::str::from_utf8(&self.body).ok()?;
        let value = |key: &str| form.split('&').find_map(|pair| pair.strip_prefix(key));
        ["ADDITEM", "ADDFOLDER"].contains(&value("METHOD=")?).then(|| value("ID=").map(str::to_owned))?
    }
}

/// The value of a line that is the header Content-Length.
fn length_of(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(':')?;
    name.eq_ignore_ascii_case("content-length").then(|| value.trim())
}
