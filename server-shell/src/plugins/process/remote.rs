//! An instance of a plugin in a process of its own, which is started anew when it ends.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use gridshell_connectors::http::{Method, StatusCode};
use gridshell_plugin_abi::{FAILED, INVALID, OK, PANIC, UNAVAILABLE};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::connection::{Backing, Connection, NotAsked, Output};
use super::frame::Frame;
use super::launch::{NotStarted, Process, Remains, Started, in_words};
use super::message::{Message, Request, Section, Texts as FrameTexts, header_map, pairs_of};
use crate::plugins::border::{BorrowedCall, CallError, PEER_BYTES, Reply};
use crate::plugins::context::{Context, Route, Texts};
use crate::plugins::load::PluginLibrary;
use crate::plugins::own_services::OwnServices;
use crate::plugins::refusal::{Refusal, Step};
use crate::plugins::threads::lock;

/// How long it takes until a process is started anew: at first, and at most. It doubles each time, until one has run for a while.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const STEADY: Duration = Duration::from_secs(60);

/// How long an instance gets to end before its process is ended.
const END_TIME: Duration = Duration::from_secs(8);
/// How long after its process the rest of what it has sent is read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// An instance in a process of its own. It ends when this is dropped.
pub struct Remote {
    shared: Arc<Shared>,
    /// The paths that the first process has registered.
    pub routes: Vec<Route>,
    /// Closed at the end, for the thread that waits before it starts another process.
    _ends: Sender<()>,
}

/// What the thread that looks after the process has too.
struct Shared {
    library: Arc<PluginLibrary>,
    remains: Arc<Remains>,
    /// How long a process gets to begin.
    start_time: RwLock<Duration>,
    /// What the plugin may read. Locked while a process is started with them or told of others, so that all have the same.
    texts: Mutex<Arc<Texts>>,
    backing: Arc<Backing>,
    runtime: Handle,
    /// `None` while there is no process that answers.
    connection: RwLock<Option<Arc<Connection>>>,
    process: Mutex<Option<Alive>>,
    is_over: AtomicBool,
}

/// A process that was not waited for yet.
struct Alive {
    pid: Pid,
    is_killed: bool,
}

impl Remote {
    /// Step 10: starts a process and makes the instance in it. Waits for both as long as `time`. `ended` is closed when the last process
    /// has ended.
    ///
    /// # Errors
    /// The process does not start, or the plugin refuses.
    pub fn start(
        library: &Arc<PluginLibrary>,
        remains: &Arc<Remains>,
        texts: &Arc<Texts>,
        time: Duration,
        shell: &Arc<OwnServices>,
        ended: Sender<()>,
    ) -> Result<Self, Refusal> {
        let refusal = |found: String| Refusal::new(&library.file, Step::Create, "a process", "one that runs", found);
        let runtime = shell.runtime().cloned().ok_or_else(|| refusal("no runtime".to_owned()))?;
        let backing =
            Backing { context: Context::of_entry(library.name), counters: library.counters.clone(), shell: shell.clone() };
        let shared = Arc::new(Shared {
            library: library.clone(),
            remains: remains.clone(),
            start_time: RwLock::new(time),
            texts: Mutex::new(texts.clone()),
            backing: Arc::new(backing),
            runtime,
            connection: RwLock::default(),
            process: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let (first, outcome) = mpsc::sync_channel(1);
        let (ends, end) = mpsc::channel();
        let own = shared.clone();
        // The processes end with the thread that has started them, so it is one that stays.
        let keeper = thread::Builder::new().name(format!("{} keeper", library.name)).spawn(move || {
            own.keep(&end, &first);
            drop(ended);
        });
        keeper.map_err(|error| refusal(error.to_string()))?;
        let routes = outcome.recv().unwrap_or_else(|_| Err(refusal("a panic".to_owned())))?;
        Ok(Self { shared, routes, _ends: ends })
    }

    /// Lets the plugin answer a request. `answer` gets what comes of it, however long that takes, or is dropped when the process ends
    /// before.
    ///
    /// # Errors
    /// It cannot be asked; then `answer` was dropped.
    pub fn handle(
        &self,
        call: &BorrowedCall<'_>,
        answer: impl FnOnce(Result<Reply, CallError>) + Send + 'static,
    ) -> Result<(), NotAsked> {
        let mut buffer = [0; PEER_BYTES];
        let message = Message::Handle(Request {
            service: call.service,
            method: call.method,
            path: call.path,
            matched: call.matched.try_into().unwrap_or(u32::MAX),
            query: call.query,
            peer: call.peer_text(&mut buffer),
            headers: pairs_of(call.headers),
            body: call.body,
        });
        let connection = self.shared.connection().ok_or(NotAsked::Over)?;
        connection.ask_for(&message, call.body.clone(), None, move |frame| answer(read_answer(&frame)))
    }

    /// The functions for the operator.
    pub fn controls(&self) -> RemoteControls {
        RemoteControls(self.shared.clone())
    }

    /// Further processes get so long to begin.
    pub fn change_start_time(&self, time: Duration) {
        *self.shared.start_time.write().unwrap_or_else(PoisonError::into_inner) = time;
    }

    /// Whether there is a process that answers.
    pub fn is_running(&self) -> bool {
        self.shared.connection().is_some()
    }

    /// Ends the process, at once; another is started. Whether this is what ends it.
    pub fn kill(&self) -> bool {
        self.shared.kill()
    }
}

/// The functions for the operator, which wait. They do not keep the instance: it can end while one of them hangs.
#[derive(Clone)]
pub struct RemoteControls(Arc<Shared>);

impl RemoteControls {
    /// Hands a changed configuration over; the status of that. While there is no process, the next one is started with it. Waits.
    pub fn reconfigure(&self, texts: &Arc<Texts>) -> i32 {
        let mut current = lock(&self.0.texts);
        let status = if self.0.connection().is_some() {
            let done = self.ask(&Message::Reconfigure(frame_texts(texts)), None);
            done.map_or(UNAVAILABLE, |frame| status_of(&frame))
        } else {
            OK
        };
        if status == OK {
            *current = texts.clone();
        }
        status
    }

    /// Asks how the instance is: a status and a text for people. Waits.
    pub fn health(&self) -> (i32, String) {
        let Some(frame) = self.ask(&Message::Health, None) else {
            return (UNAVAILABLE, "its process is not running".to_owned());
        };
        match frame.message() {
            Ok(Message::Text { status, text }) => (status, text.to_owned()),
            _ => (FAILED, String::new()),
        }
    }

    /// Does a line of the console; `write` gets what it says. The status of that. Waits.
    pub fn command(&self, line: &str, write: impl FnMut(&str) + Send + 'static) -> i32 {
        let done = self.ask(&Message::Command(line), Some(Box::new(write)));
        done.map_or(UNAVAILABLE, |frame| status_of(&frame))
    }

    /// Whether the plugin has commands for the console.
    pub fn has_commands(&self) -> bool {
        self.0.remains.has_commands
    }

    fn ask(&self, message: &Message<'_>, output: Option<Output>) -> Option<Frame> {
        let answered = self.0.connection()?.ask(message, output).ok()?;
        answered.blocking_recv().ok()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.is_over.store(true, Ordering::Release);
        if let Some(connection) = shared.connection() {
            shared.end(&connection);
        }
    }
}

impl Shared {
    /// Starts processes, one after the other, until the end. `first` gets what came of the first.
    fn keep(self: &Arc<Self>, end: &Receiver<()>, first: &SyncSender<Result<Vec<Route>, Refusal>>) {
        let name = self.library.name;
        let mut pause = FIRST_PAUSE;
        let mut routes: Option<Vec<Route>> = None;
        loop {
            let begun = Instant::now();
            match self.begin() {
                Ok(running) => {
                    match &routes {
                        None => {
                            self.library.living.fetch_add(1, Ordering::AcqRel);
                            routes = Some(running.routes.clone());
                            // Who has asked waits for it.
                            let _ = first.send(Ok(running.routes.clone()));
                        }
                        Some(known) => {
                            tracing::info!("[PLUGINS]: {name} runs again, in a new process");
                            if *known != running.routes {
                                tracing::warn!("[PLUGINS]: the new process of {name} has other paths; those of the first stay");
                            }
                        }
                    }
                    let how = self.wait(running);
                    if self.is_over.load(Ordering::Acquire) {
                        tracing::debug!("[PLUGINS]: the process of {name} has ended: {how}");
                        break;
                    }
                    if begun.elapsed() >= STEADY {
                        pause = FIRST_PAUSE;
                    }
                    tracing::error!("[PLUGINS]: the process of {name} has ended: {how}; it is started again in {pause:?}");
                }
                Err(refusal) if routes.is_none() => {
                    let _ = first.send(Err(refusal));
                    return;
                }
                Err(refusal) => tracing::error!("[PLUGINS]: {refusal}; it is tried again in {pause:?}"),
            }
            if self.pause(end, pause).is_break() {
                break;
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        self.library.living.fetch_sub(1, Ordering::AcqRel);
    }

    fn pause(&self, end: &Receiver<()>, pause: Duration) -> ControlFlow<()> {
        match end.recv_timeout(pause) {
            Err(RecvTimeoutError::Disconnected) => ControlFlow::Break(()),
            Ok(()) | Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(()),
        }
    }

    /// Starts a process and makes an instance in it.
    fn begin(self: &Arc<Self>) -> Result<Running, Refusal> {
        let texts = lock(&self.texts);
        let start_time = *self.start_time.read().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + start_time;
        let refusal = |found: String| Refusal::new(&self.library.file, Step::Create, "create", "status 0", found);
        let Started { process, socket, .. } = self.remains.launch(until).map_err(|error| match error {
            NotStarted::Refused(refusal) => refusal,
            NotStarted::Ended(how) => refusal(format!("that its process has ended: {how}")),
            NotStarted::System(error) => refusal(format!("no process: {error}")),
        })?;
        let _inside = self.runtime.enter();
        let connection = Connection::new(socket).map_err(|error| refusal(error.to_string()))?;
        let pid = i32::try_from(process.id()).map_err(|error| refusal(error.to_string()))?;
        let pid = Pid::from_raw(pid);
        *lock(&self.process) = Some(Alive { pid, is_killed: false });
        let (end, run) = (KillAtEnd { shared: self.clone(), pid }, connection.clone().run(self.backing.clone()));
        let reader = self.runtime.spawn(async move {
            if let Some(wrong) = run.await {
                tracing::error!("[PLUGINS]: the process of {} says what nobody understands: {wrong}", end.shared.library.name);
            }
            drop(end);
        });
        let mut running = Running { process, reader, routes: Vec::new() };
        let created = connection.ask(&Message::Create(frame_texts(&texts)), None);
        let created = match created {
            Ok(created) => self.runtime.block_on(async {
                let in_time = tokio::time::timeout_at(until.into(), created).await;
                in_time.map_err(|_| format!("nothing after {} s", start_time.as_secs_f64()))
            }),
            Err(error) => Err(format!("{error:?}")),
        };
        let created = match created {
            Ok(Ok(frame)) => read_created(&frame),
            Ok(Err(_)) => Err(format!("that its process has ended: {}", self.wait_in_words(&mut running))),
            Err(how) => Err(how),
        };
        match created {
            Ok(routes) => running.routes = routes,
            Err(found) => {
                self.kill();
                self.wait(running);
                return Err(refusal(found));
            }
        }
        *self.connection.write().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
        if self.is_over.load(Ordering::Acquire) {
            self.end(&connection);
        }
        Ok(running)
    }

    /// Waits for the end of a process; how it has ended.
    fn wait(&self, mut running: Running) -> String {
        let how = self.wait_in_words(&mut running);
        // What it has sent before is still in the socket, unless somebody else has the other end too.
        let _ = self.runtime.block_on(async { tokio::time::timeout(LAST_WORDS, &mut running.reader).await });
        running.reader.abort();
        let connection = self.connection.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(connection) = connection {
            connection.close();
        }
        how
    }

    fn wait_in_words(&self, running: &mut Running) -> String {
        let pid = lock(&self.process).as_ref().map(|alive| alive.pid);
        if let Some(pid) = pid {
            // Not taken from the system yet, so that `kill` never finds another process with this number.
            while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(nix::Error::EINTR) {}
        }
        lock(&self.process).take();
        running.process.wait().map_or_else(|error| error.to_string(), in_words)
    }

    /// Has the instance ended, and after a while the process.
    fn end(self: &Arc<Self>, connection: &Connection) {
        connection.tell(&Message::Destroy);
        let shared = self.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(END_TIME).await;
            shared.kill();
        });
    }

    /// Ends the process. Whether this is what ends it.
    fn kill(&self) -> bool {
        self.kill_if(|_| true)
    }

    /// The same, if it is the one that is meant.
    fn kill_if(&self, is_meant: impl FnOnce(Pid) -> bool) -> bool {
        match &mut *lock(&self.process) {
            Some(alive) if !alive.is_killed && is_meant(alive.pid) => {
                alive.is_killed = true;
                // It may have ended by itself.
                let _ = kill(alive.pid, Signal::SIGKILL);
                true
            }
            _ => false,
        }
    }

    fn connection(&self) -> Option<Arc<Connection>> {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Ends the process when nobody reads what it says any more: without that it is of no use, if it is there still.
struct KillAtEnd {
    shared: Arc<Shared>,
    pid: Pid,
}

impl Drop for KillAtEnd {
    fn drop(&mut self) {
        // Another may have been started meanwhile.
        self.shared.kill_if(|pid| pid == self.pid);
    }
}

/// A process with an instance.
struct Running {
    process: Process,
    reader: JoinHandle<()>,
    routes: Vec<Route>,
}

fn read_answer(frame: &Frame) -> Result<Reply, CallError> {
    match frame.message() {
        Ok(Message::Served { status: OK, response }) => {
            let status = StatusCode::from_u16(response.status).map_err(|error| CallError::Malformed(error.to_string()))?;
            let headers = header_map(&response.headers);
            let headers = headers.ok_or_else(|| CallError::Malformed("more headers than there can be".to_owned()))?;
            Ok(Reply { status, headers, body: frame.body() })
        }
        Ok(Message::Served { status, .. }) => Err(CallError::Status(status)),
        Ok(Message::Broken(what)) => Err(CallError::Malformed(what.to_owned())),
        Ok(_) | Err(_) => Err(CallError::Malformed("no answer to a request".to_owned())),
    }
}

fn read_created(frame: &Frame) -> Result<Vec<Route>, String> {
    match frame.message() {
        Ok(Message::Created { status: OK, routes }) => {
            let routes = routes.iter().map(|route| {
                let method = Method::from_bytes(route.method.as_bytes()).map_err(|error| error.to_string())?;
                Ok(Route { service: route.service.to_owned(), method, prefix: route.prefix.to_owned() })
            });
            routes.collect()
        }
        Ok(Message::Created { status: PANIC, .. }) => Err("a panic (status 255)".to_owned()),
        Ok(Message::Created { status, .. }) => Err(format!("status {status}")),
        Ok(_) | Err(_) => Err("another answer".to_owned()),
    }
}

fn status_of(frame: &Frame) -> i32 {
    match frame.message() {
        Ok(Message::Done(status)) => status,
        _ => INVALID,
    }
}

fn frame_texts(texts: &Texts) -> FrameTexts<'_> {
    fn section<'a>(name: &'a str, entries: &'a [(String, String)]) -> Section<'a> {
        Section { name, entries: entries.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect() }
    }
    FrameTexts {
        own: section(&texts.section, &texts.entries),
        others: texts.others.iter().map(|(name, entries)| section(name, entries)).collect(),
    }
}
