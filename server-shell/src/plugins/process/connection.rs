//! The server's end of the socket to a plugin's process: questions there, answers back, and what the plugin asks meanwhile.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, IoSlice};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes, BytesMut};
use gridshell_connectors::http::Method;
use gridshell_plugin_abi::{INVALID, OK, UNAVAILABLE};
use tokio::net::UnixStream;
use tokio::sync::{Notify, oneshot};

use super::frame::{Frame, NO_ID, TooLarge};
use super::message::{Message, Request, Response, header_map};
use crate::plugins::context::{Context, Counters, Level};
use crate::plugins::own_services::{OwnServices, ServiceRequest};
use crate::plugins::threads::lock;

/// Room for what arrives.
const ROOM: usize = 64 * 1024;
/// Services that a plugin asks at the same time.
const MOST_CALLS: usize = 256;

/// Gets what a command says.
pub type Output = Box<dyn FnMut(&str) + Send>;
/// Gets an answer; dropped without it when the connection ends before.
type Answer = Box<dyn FnOnce(Frame) + Send>;

/// The server's end of the socket.
pub struct Connection {
    socket: UnixStream,
    /// What could not be sent at once.
    outgoing: Mutex<VecDeque<Bytes>>,
    /// There is something in it.
    more: Notify,
    questions: Mutex<Questions>,
    calls: AtomicUsize,
}

/// What the plugin's process works with in the server.
pub struct Backing {
    /// For its log.
    pub context: Context,
    /// Its counters.
    pub counters: Arc<Counters>,
    /// The services of the shell.
    pub shell: Arc<OwnServices>,
}

#[derive(Default)]
struct Questions {
    last: u32,
    open: HashMap<u32, Question>,
    is_over: bool,
}

/// A question that was sent and not answered yet.
struct Question {
    answer: Answer,
    output: Option<Output>,
}

/// A question cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// The connection has ended.
    Over,
    /// It is larger than a frame.
    TooLarge,
}

impl From<TooLarge> for NotAsked {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

impl Connection {
    /// The connection over this socket. Has to be called within a runtime; [`Connection::run`] has to run in it.
    ///
    /// # Errors
    /// The runtime does not take the socket.
    pub fn new(socket: std::os::unix::net::UnixStream) -> io::Result<Arc<Self>> {
        socket.set_nonblocking(true)?;
        Ok(Arc::new(Self {
            socket: UnixStream::from_std(socket)?,
            outgoing: Mutex::default(),
            more: Notify::new(),
            questions: Mutex::default(),
            calls: AtomicUsize::new(0),
        }))
    }

    /// Asks. The answer comes through the channel, which is closed when the connection ends before. `output` gets what a command says.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn ask(&self, message: &Message<'_>, output: Option<Output>) -> Result<oneshot::Receiver<Frame>, NotAsked> {
        let (answer, answered) = oneshot::channel();
        // Who has asked may be gone.
        self.ask_for(message, Bytes::new(), output, move |frame| drop(answer.send(frame)))?;
        Ok(answered)
    }

    /// Asks. `answer` gets the answer, in the task of [`Connection::run`], or is dropped when the connection ends before. `body` is the
    /// body of the message.
    ///
    /// # Errors
    /// It cannot be asked; then all was dropped.
    pub fn ask_for(
        &self,
        message: &Message<'_>,
        body: Bytes,
        output: Option<Output>,
        answer: impl FnOnce(Frame) + Send + 'static,
    ) -> Result<(), NotAsked> {
        let question = Question { answer: Box::new(answer), output };
        let mut questions = lock(&self.questions);
        if questions.is_over {
            return Err(NotAsked::Over);
        }
        let mut id = questions.last;
        loop {
            id = id.wrapping_add(1);
            if id != NO_ID && !questions.open.contains_key(&id) {
                break;
            }
        }
        let head = message.encode(id)?;
        questions.last = id;
        questions.open.insert(id, question);
        drop(questions);
        self.send(Bytes::from(head), body);
        Ok(())
    }

    /// Tells something that is not answered.
    pub fn tell(&self, message: &Message<'_>) {
        if let Ok(head) = message.encode(NO_ID) {
            self.send(Bytes::from(head), Bytes::new());
        }
    }

    /// Sends what the socket takes now; [`Connection::write`] sends the rest.
    fn send(&self, head: Bytes, body: Bytes) {
        let mut outgoing = lock(&self.outgoing);
        let is_first = outgoing.is_empty();
        outgoing.extend([head, body].into_iter().filter(|piece| !piece.is_empty()));
        // When it fails, the reading side notices.
        if is_first && !self.send_waiting(&mut outgoing).unwrap_or(true) {
            self.more.notify_one();
        }
    }

    /// Sends from the queue until it is empty, which is true, or the socket takes no more.
    fn send_waiting(&self, outgoing: &mut VecDeque<Bytes>) -> io::Result<bool> {
        while !outgoing.is_empty() {
            let slices: Vec<IoSlice<'_>> = outgoing.iter().take(16).map(|piece| IoSlice::new(piece)).collect();
            let mut written = match self.socket.try_write_vectored(&slices) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    outgoing.clear();
                    return Err(error);
                }
            };
            while let Some(first) = outgoing.front_mut() {
                let now = written.min(first.len());
                first.advance(now);
                written -= now;
                if !first.is_empty() {
                    break;
                }
                outgoing.pop_front();
            }
        }
        Ok(true)
    }

    /// Works until the connection ends; then all questions have ended too. Why, when what arrived was wrong.
    pub async fn run(self: Arc<Self>, backing: Arc<Backing>) -> Option<String> {
        let outcome = tokio::select! {
            outcome = self.read(&backing) => outcome,
            error = self.write() => Err(error),
        };
        self.close();
        match outcome {
            Err(error) if error.kind() == ErrorKind::InvalidData => Some(error.to_string()),
            // The end of the process, in one form or another.
            _ => None,
        }
    }

    /// Ends all questions, and takes no more.
    pub fn close(&self) {
        let mut questions = lock(&self.questions);
        questions.is_over = true;
        let open = std::mem::take(&mut questions.open);
        drop(questions);
        // Outside of the lock: what they keep may ask.
        drop(open);
    }

    async fn write(&self) -> io::Error {
        loop {
            self.more.notified().await;
            loop {
                if let Err(error) = self.socket.writable().await {
                    return error;
                }
                match self.send_waiting(&mut lock(&self.outgoing)) {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(error) => return error,
                }
            }
        }
    }

    async fn read(self: &Arc<Self>, backing: &Arc<Backing>) -> io::Result<()> {
        let mut arrived = BytesMut::with_capacity(ROOM);
        let invalid = |error| io::Error::new(ErrorKind::InvalidData, error);
        loop {
            self.socket.readable().await?;
            arrived.reserve(ROOM / 4);
            match self.socket.try_read_buf(&mut arrived) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
                Err(error) => return Err(error),
            }
            while let Some(frame) = Frame::take(&mut arrived).map_err(invalid)? {
                self.arrived(frame, backing).map_err(invalid)?;
            }
        }
    }

    fn arrived(self: &Arc<Self>, frame: Frame, backing: &Arc<Backing>) -> Result<(), super::frame::Malformed> {
        match frame.message()? {
            Message::Log { level, text } => backing.context.log(Level::of_code(level), text),
            Message::MetricAdd { name, amount } => {
                // The process has checked the name; one that is wrong all the same counts nothing.
                let _status = backing.counters.add(name, amount);
            }
            Message::Output(text) => {
                if let Some(output) =
                    lock(&self.questions).open.get_mut(&frame.id()).and_then(|question| question.output.as_mut())
                {
                    output(text);
                }
            }
            Message::CallService(request) => self.call_service(frame.id(), &request, frame.body(), backing),
            _ => {
                let question = lock(&self.questions).open.remove(&frame.id());
                if let Some(question) = question {
                    (question.answer)(frame);
                }
            }
        }
        Ok(())
    }

    fn call_service(self: &Arc<Self>, id: u32, request: &Request<'_>, body: Bytes, backing: &Arc<Backing>) {
        let Ok(method) = Method::from_bytes(request.method.as_bytes()) else { return self.refuse(id, INVALID) };
        let Some(headers) = header_map(&request.headers) else { return self.refuse(id, INVALID) };
        if self.calls.fetch_add(1, Ordering::AcqRel) >= MOST_CALLS {
            self.calls.fetch_sub(1, Ordering::AcqRel);
            return self.refuse(id, UNAVAILABLE);
        }
        let service = request.service.to_owned();
        let request = ServiceRequest { method, target: request.path.to_owned(), headers, body };
        let (connection, backing) = (self.clone(), backing.clone());
        tokio::spawn(async move {
            match backing.shell.ask(&service, request).await {
                Ok(answer) => {
                    let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                    let response = Response { status: answer.status, headers, body: &answer.body };
                    match (Message::Served { status: OK, response }).encode(id) {
                        Ok(head) => connection.send(Bytes::from(head), answer.body.clone()),
                        Err(TooLarge) => connection.refuse(id, UNAVAILABLE),
                    }
                }
                Err(status) => connection.refuse(id, status),
            }
            connection.calls.fetch_sub(1, Ordering::AcqRel);
        });
    }

    fn refuse(&self, id: u32, status: i32) {
        if let Ok(head) = (Message::Served { status, response: Response::default() }).encode(id) {
            self.send(Bytes::from(head), Bytes::new());
        }
    }
}
