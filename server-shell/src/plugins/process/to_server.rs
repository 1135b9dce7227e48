//! The process's end of the socket: what a plugin asks of the server, and answers.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use gridshell_plugin_abi::{FAILED, INVALID, OK, UNAVAILABLE};

use super::frame::{Frame, NO_ID};
use super::message::{Message, Request, pairs_of};
use super::stream::{is_too_large, write_frame};
use crate::plugins::own_services::{ServiceAnswer, ServiceRequest, ShellServices};
use crate::plugins::threads::lock;

/// What waits for the next frame is sent after this time, or when it is that long.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: usize = 16 * 1024;

/// The way to the server.
pub struct ToServer {
    writer: Mutex<Writer>,
    questions: Mutex<Questions>,
}

struct Writer {
    socket: UnixStream,
    /// Frames that go with the next one.
    waiting: Vec<u8>,
}

#[derive(Default)]
struct Questions {
    last: u32,
    open: HashMap<u32, SyncSender<Frame>>,
}

impl ToServer {
    /// The way over this socket.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn new(socket: UnixStream) -> io::Result<Arc<Self>> {
        let writer = Mutex::new(Writer { socket, waiting: Vec::new() });
        let server = Arc::new(Self { writer, questions: Mutex::default() });
        let own = server.clone();
        // Until the process ends.
        thread::Builder::new().name("counters".to_owned()).spawn(move || {
            loop {
                thread::sleep(PAUSE);
                own.flush();
            }
        })?;
        Ok(server)
    }

    /// Sends a message. False when it is too long. That the server is gone need not be told: the end of the connection ends the process.
    pub fn send(&self, id: u32, message: &Message<'_>) -> bool {
        let mut writer = lock(&self.writer);
        let Writer { socket, waiting } = &mut *writer;
        match write_frame(socket, waiting, id, message) {
            Ok(()) => {
                waiting.clear();
                true
            }
            Err(error) => !is_too_large(&error),
        }
    }

    /// Sends a message with the next one, which is not far.
    pub fn send_later(&self, message: &Message<'_>) {
        let Ok(frame) = message.encode(NO_ID) else { return };
        let mut writer = lock(&self.writer);
        writer.waiting.extend_from_slice(&frame);
        let is_much = writer.waiting.len() >= LONGEST;
        drop(writer);
        if is_much {
            self.flush();
        }
    }

    /// Sends what waits for the next message.
    pub fn flush(&self) {
        let mut writer = lock(&self.writer);
        let Writer { socket, waiting } = &mut *writer;
        // As in `send`: who has gone has gone.
        let _ = io::Write::write_all(socket, waiting);
        waiting.clear();
    }

    /// The server has answered a question.
    pub fn answered(&self, frame: Frame) {
        let asker = lock(&self.questions).open.remove(&frame.id());
        if let Some(asker) = asker {
            // There is room for one answer, and no more come.
            let _ = asker.try_send(frame);
        }
    }
}

impl ShellServices for ToServer {
    fn call(&self, service: &str, request: ServiceRequest) -> Result<ServiceAnswer, i32> {
        let (asker, answer) = mpsc::sync_channel(1);
        let id = {
            let mut questions = lock(&self.questions);
            questions.last = questions.last.wrapping_add(1).max(1);
            let id = questions.last;
            questions.open.insert(id, asker);
            id
        };
        let message = Message::CallService(Request {
            service,
            method: request.method.as_str(),
            path: &request.target,
            headers: pairs_of(&request.headers),
            body: &request.body,
            ..Request::default()
        });
        if !self.send(id, &message) {
            lock(&self.questions).open.remove(&id);
            return Err(INVALID);
        }
        // The server bounds the time.
        let frame = answer.recv().map_err(|_| UNAVAILABLE)?;
        match frame.message() {
            Ok(Message::Served { status: OK, response }) => {
                let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
                let headers = response.headers.iter().map(owned).collect();
                Ok(ServiceAnswer { status: response.status, headers, body: frame.body() })
            }
            Ok(Message::Served { status, .. }) => Err(status),
            _ => Err(FAILED),
        }
    }
}
