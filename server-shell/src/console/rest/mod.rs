//! The REST console: the console over HTTP (shell.md section 9).
//!
//! It knows no web server: [`RestConsole::handle`] takes a path and a body and gives an answer, whoever carries them.

mod scrollback;
mod sessions;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gridshell_connectors::wire::form::Form;
use gridshell_interfaces::ids::parse_uuid;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use self::scrollback::{LineKind, Scrollback};
use self::sessions::Sessions;
use super::command::Commands;
use super::printer::Printer;
use super::terminal::{Input, Level, MAX_INPUT_BYTES, Prompt, Terminal};
use super::xml::escape_text;

/// Commands and answers that may wait until the console asks for them.
const MAX_WAITING_INPUT: usize = 1000;

const OK_DOCUMENT: &str = "<?xml version=\"1.0\"?><ConsoleSession><Result>OK</Result></ConsoleSession>";
const EMPTY_DOCUMENT: &str = "<?xml version=\"1.0\"?><ConsoleSession />";

/// Who may log in, and what the answers carry.
#[derive(Clone, Debug, Default)]
pub struct RestOptions {
    /// `ConsoleUser`; empty lets nobody in.
    pub user: String,
    /// `ConsolePass`.
    pub pass: String,
    /// `ConsoleAllowedOrigin`; empty sends no such header.
    pub allowed_origin: String,
}

/// The times of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct RestTimes {
    /// How long a poll is held when there is nothing to say.
    pub poll: Duration,
    /// How long a held poll gathers lines after the first one, so that lines that belong together travel together.
    pub gather: Duration,
    /// How long a session lives after it was last read.
    pub expiry: Duration,
}

impl Default for RestTimes {
    /// The original's times (shell.md sections 9.2 and 9.5).
    fn default() -> Self {
        Self { poll: Duration::from_secs(25), gather: Duration::from_millis(100), expiry: Duration::from_secs(500) }
    }
}

/// What the web server is to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestReply {
    /// This answer.
    Answer(RestAnswer),
    /// The page for paths that do not exist (transport.md section 2.2).
    NotFoundPage,
}

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestAnswer {
    /// The status code.
    pub status: u16,
    /// The content type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// Further headers; `Connection: close` asks the server to close the connection after the answer.
    pub headers: Vec<(&'static str, String)>,
}

/// The console over HTTP.
pub struct RestConsole {
    options: RestOptions,
    times: RestTimes,
    prompt: String,
    commands: Arc<Commands>,
    printer: Printer,
    state: Mutex<State>,
    /// The number of the last line, for the polls that wait for the next.
    grown: watch::Sender<u64>,
    stopped: watch::Sender<bool>,
    input: mpsc::Sender<String>,
    waiting_input: tokio::sync::Mutex<mpsc::Receiver<String>>,
    /// True once the main prompt was shown.
    prompted: AtomicBool,
}

struct State {
    scrollback: Scrollback,
    sessions: Sessions,
}

impl RestConsole {
    /// A console with this prompt (without the `# `), which also prints everything through `printer`.
    pub(super) fn new(options: RestOptions, times: RestTimes, prompt: String, commands: Arc<Commands>, printer: Printer) -> Self {
        let (input, waiting_input) = mpsc::channel(MAX_WAITING_INPUT);
        let state = State { scrollback: Scrollback::default(), sessions: Sessions::new(times.expiry) };
        Self {
            options,
            times,
            prompt,
            commands,
            printer,
            state: Mutex::new(state),
            grown: watch::Sender::new(0),
            stopped: watch::Sender::new(false),
            input,
            waiting_input: tokio::sync::Mutex::new(waiting_input),
            prompted: AtomicBool::new(false),
        }
    }

    /// Answers a request. The verb plays no part; the path is matched by its beginning, in any case, but for `/ReadResponses/<id>`,
    /// which is exact (transport.md section 2.4). Any other path has no such page.
    pub async fn handle(&self, path: &str, body: &[u8]) -> RestReply {
        if body.len() > MAX_INPUT_BYTES {
            return failure(413);
        }
        let Ok(form) = Form::decode(body) else { return failure(400) };
        if let Some(id) = path.strip_prefix("/ReadResponses/") {
            return match parse_uuid(id.strip_suffix('/').unwrap_or(id)) {
                Some(id) => self.read_responses(id).await,
                None => RestReply::NotFoundPage,
            };
        }
        let lower = path.to_ascii_lowercase();
        if lower.starts_with("/startsession") {
            self.start_session(&form)
        } else if lower.starts_with("/sessioncommand") {
            self.session_command(&form)
        } else if lower.starts_with("/closesession") {
            self.close_session(&form)
        } else {
            RestReply::NotFoundPage
        }
    }

    fn start_session(&self, form: &Form<'_>) -> RestReply {
        let (Some(user), Some(pass)) = (form.get("USER"), form.get("PASS")) else { return failure(401) };
        let right = same(user, &self.options.user) & same(pass, &self.options.pass);
        if self.options.user.is_empty() || !right {
            return failure(401);
        }
        let id = self.state().sessions.open();
        let end = if self.prompted.load(Ordering::Relaxed) { "# " } else { "" };
        let (prompt, help_tree) = (escape_text(&self.prompt), self.commands.help_tree());
        self.success(
            "text/xml",
            format!(
                "<?xml version=\"1.0\"?><ConsoleSession><SessionID>{id}</SessionID><Prompt>{prompt}{end}</Prompt>{help_tree}\
                 </ConsoleSession>"
            ),
        )
    }

    async fn read_responses(&self, id: Uuid) -> RestReply {
        // Subscribed before looking, so that no line can come unnoticed in between.
        let mut grown = self.grown.subscribe();
        let mut stopped = self.stopped.subscribe();
        if !self.state().sessions.hold(id) {
            return RestReply::NotFoundPage;
        }
        let _held = HeldPoll { console: self, id };
        let deadline = Instant::now() + self.times.poll;
        let reply = loop {
            match self.new_lines(id) {
                None => break RestReply::NotFoundPage,
                Some(Some(document)) => break self.success("application/xml", document),
                Some(None) => {}
            }
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => break failure(503),
                grew = timeout_at(deadline, grown.changed()) => {
                    if grew.is_err() {
                        break self.success("text/xml", EMPTY_DOCUMENT.to_owned());
                    }
                }
            }
            sleep(self.times.gather).await;
        };
        close_after(reply)
    }

    /// The lines that the session has not got yet; outer `None` when it was closed, inner `None` when there are none.
    fn new_lines(&self, id: Uuid) -> Option<Option<String>> {
        let State { scrollback, sessions } = &mut *self.state();
        let session = sessions.get(id)?;
        let document = scrollback.document(session.seen, session.first_read);
        if document.is_some() {
            (session.seen, session.first_read) = (scrollback.last_number(), false);
        }
        Some(document)
    }

    fn session_command(&self, form: &Form<'_>) -> RestReply {
        let (Some(id), Some(command)) = (session_id(form), form.get("COMMAND")) else { return failure(404) };
        if self.state().sessions.get(id).is_none() {
            return failure(404);
        }
        // A line end in the text would forge lines of the console.
        let command = command.replace(|c: char| c.is_control(), " ");
        match self.input.try_send(command) {
            Ok(()) => self.success("text/xml", OK_DOCUMENT.to_owned()),
            Err(_) => failure(503),
        }
    }

    fn close_session(&self, form: &Form<'_>) -> RestReply {
        let Some(id) = session_id(form) else { return failure(404) };
        self.state().sessions.close(id);
        // Lets a held poll find out.
        self.grown.send_modify(|_| {});
        self.success("text/xml", OK_DOCUMENT.to_owned())
    }

    fn success(&self, content_type: &'static str, body: String) -> RestReply {
        let origin = &self.options.allowed_origin;
        let headers = if origin.is_empty() { Vec::new() } else { vec![("Access-Control-Allow-Origin", origin.clone())] };
        RestReply::Answer(RestAnswer { status: 200, content_type, body, headers })
    }

    fn push(&self, level: Level, kind: LineKind, text: &str) {
        self.printer.line(level, text);
        let number = self.state().scrollback.push(level, kind, text);
        self.grown.send_replace(number);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Terminal for RestConsole {
    fn print(&self, level: Level, line: &str) {
        self.push(level, LineKind::Message, line);
    }

    async fn read(&self, prompt: Prompt<'_>) -> Input {
        if prompt.is_command() {
            self.prompted.store(true, Ordering::Relaxed);
            self.push(Level::Plain, LineKind::CommandPrompt, prompt.text());
        } else {
            self.push(Level::Plain, LineKind::Question, prompt.text());
        }
        let Some(line) = self.waiting_input.lock().await.recv().await else { return Input::Closed };
        self.push(Level::Plain, LineKind::Echo, &line);
        Input::Line(line)
    }

    fn close(&self) {
        self.stopped.send_replace(true);
    }

    async fn flush(&self) {
        self.printer.flush().await;
    }
}

/// A poll that is held; released also when the client goes away.
struct HeldPoll<'a> {
    console: &'a RestConsole,
    id: Uuid,
}

impl Drop for HeldPoll<'_> {
    fn drop(&mut self) {
        self.console.state().sessions.release(self.id);
    }
}

fn failure(status: u16) -> RestReply {
    RestReply::Answer(RestAnswer { status, content_type: "text/plain", body: String::new(), headers: Vec::new() })
}

/// The poll path closes its connection after each answer.
fn close_after(mut reply: RestReply) -> RestReply {
    if let RestReply::Answer(answer) = &mut reply {
        answer.headers.push(("Connection", "close".to_owned()));
    }
    reply
}

fn session_id(form: &Form<'_>) -> Option<Uuid> {
    parse_uuid(form.get("ID")?)
}

/// Compares digests, so that the time tells nothing about how much of the text was right.
fn same(given: &str, wanted: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(wanted)
}

#[cfg(test)]
mod tests;
