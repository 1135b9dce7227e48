//! The process of a plugin: loads its library, makes an instance, and answers what the server asks.
//!
//! All threads are alike: one waits for the next frame, and when it has one, another takes its place, so that a request is answered by the
//! thread that has read it. There are as many as there are requests at the same time, which the server bounds, and one more. A plugin
//! that does not block is called by the one thread that reads.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use anyhow::{Context as _, Result, bail};
use gridshell_plugin_abi::{INVALID, OK, property};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};

use super::forward::forward_to;
use super::frame::Frame;
use super::message::{Load, Message, Request, Response, Route, Section, Texts as FrameTexts, header_map, pairs_of};
use super::stream::{read_frame, write_frame};
use super::to_server::ToServer;
use crate::plugins::border::{self, BorrowedCall, CallError, HostTable, RawInstance};
use crate::plugins::context::{Context, Entries, Texts};
use crate::plugins::instance::reconfigure;
use crate::plugins::load::{CheckedFile, Home, PluginLibrary};
use crate::plugins::refusal::Refusal;
use crate::plugins::threads::lock;

/// The hidden commands of the program that come here.
pub const HOST_SWITCH: &str = "--plugin-host";
/// As [`HOST_SWITCH`], to look whether a library can be loaded.
pub const PROBE_SWITCH: &str = "--probe-plugin";

/// The status of a process that has not come as far as loading the library.
pub const CANNOT_BEGIN: u8 = 75;

/// All that is asked of a plugin about itself.
const PROPERTIES: [&str; 12] = [
    property::NAME,
    property::VERSION,
    property::AUTHOR,
    property::LICENSE,
    property::SERVICES,
    property::CAPABILITIES,
    property::THREADING,
    property::PANIC,
    property::BUILD,
    property::SUPPORTS_UNLOAD,
    property::CONFIG_KEYS,
    property::BLOCKING,
];

/// What a process of a plugin does, from its start to its end.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // That nobody reads it is no reason to fail differently.
            let _ = writeln!(io::stderr(), "gridshell: a plugin's process: {error:#}");
            ExitCode::from(CANNOT_BEGIN)
        }
    }
}

fn run() -> Result<()> {
    // The end of the socket tells too that the server has ended, but only to who reads.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    // Whatever tells the server to stop or to reload may reach this process too; the server says what becomes of it.
    SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT]).thread_block()?;
    let (mut socket, file) = inherited()?;
    let first = read_frame(&mut socket)?.context("the server says nothing")?;
    let Message::Load(load) = first.message()? else { bail!("the server does not say what to load") };
    limit(&load)?;
    let server = ToServer::new(socket.try_clone()?)?;
    let checked = match CheckedFile::inherited(file, load.file, load.allow_unmarked, load.sha256) {
        Ok(checked) => checked,
        Err(refusal) => return refused(&mut socket, first.id(), &refusal),
    };
    forward_to(&server, &checked.name)?;
    let library = match PluginLibrary::load(checked) {
        Ok(library) => library,
        Err(refusal) => return refused(&mut socket, first.id(), &refusal),
    };
    let Home::Here(code) = library.home else { bail!("a library that was loaded elsewhere") };
    let properties: Vec<_> =
        PROPERTIES.into_iter().filter_map(|name| Some((name, code.property(name).ok().flatten()?))).collect();
    let properties = properties.iter().map(|(name, value)| (*name, value.as_str())).collect();
    server.send(first.id(), &Message::Loaded { properties, has_commands: code.has_commands() });
    let is_direct = !library.properties.is_blocking;
    let worker = Worker {
        reader: Mutex::new(BufReader::with_capacity(64 * 1024, socket)),
        readers: AtomicUsize::new(0),
        server,
        library,
        is_direct,
        turn: Mutex::default(),
        instance: Mutex::default(),
        ended: Mutex::default(),
    };
    Arc::new(worker).work()
}

/// The socket and the plugin's file. What the plugin reads and prints goes elsewhere from now on.
fn inherited() -> Result<(UnixStream, File)> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.peer_addr().context("this command is for the server itself, which starts it with a socket as standard input")?;
    let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    nix::unistd::dup2_stdout(io::stderr())?;
    Ok((socket, file))
}

/// Bounds what the process may have. Memory is what it can write to: data, heap, stacks.
fn limit(load: &Load<'_>) -> Result<()> {
    for (resource, limit) in [(Resource::RLIMIT_DATA, load.memory), (Resource::RLIMIT_NOFILE, load.open_files)] {
        if limit > 0 {
            let limit = limit.min(getrlimit(resource)?.1);
            setrlimit(resource, limit, limit)?;
        }
    }
    Ok(())
}

fn refused(socket: &mut UnixStream, id: u32, refusal: &Refusal) -> Result<()> {
    let Refusal { step, what, expected, found, .. } = refusal;
    write_frame(socket, &[], id, &Message::Refused { code: step.code(), what, expected, found })?;
    Ok(())
}

struct Worker {
    reader: Mutex<BufReader<UnixStream>>,
    /// Threads that read, or wait for their turn to read.
    readers: AtomicUsize,
    server: Arc<ToServer>,
    library: PluginLibrary,
    /// Requests are answered by the thread that reads, before it reads the next.
    is_direct: bool,
    /// For one request at a time.
    turn: Mutex<()>,
    instance: Mutex<Option<Arc<Holder>>>,
    /// Closed when the instance has ended.
    ended: Mutex<Option<mpsc::Receiver<()>>>,
}

/// The instance. The order of the fields is that of their ends.
struct Holder {
    raw: RawInstance,
    _ends: mpsc::Sender<()>,
}

impl AsRef<RawInstance> for Holder {
    fn as_ref(&self) -> &RawInstance {
        &self.raw
    }
}

impl Worker {
    /// What each thread does until the process ends.
    fn work(self: Arc<Self>) -> ! {
        self.readers.fetch_add(1, Ordering::AcqRel);
        loop {
            let mut reader = lock(&self.reader);
            let frame = match read_frame(&mut *reader) {
                Ok(Some(frame)) => frame,
                // The server has ended, or wants this process to.
                Ok(None) => std::process::exit(0),
                Err(error) => fail(&format!("the connection to the server is broken: {error}")),
            };
            let message =
                frame.message().unwrap_or_else(|error| fail(&format!("the server says what nobody understands: {error}")));
            match message {
                Message::Served { .. } => self.server.answered(frame),
                Message::Handle(request) if self.is_direct => self.handle(&frame, &request),
                message => {
                    drop(reader);
                    if self.readers.fetch_sub(1, Ordering::AcqRel) == 1 {
                        self.another_reader();
                    }
                    self.answer(&frame, message);
                    self.readers.fetch_add(1, Ordering::AcqRel);
                }
            }
        }
    }

    fn another_reader(self: &Arc<Self>) {
        let worker = self.clone();
        if let Err(error) = thread::Builder::new().name(self.library.name.to_owned()).spawn(move || worker.work()) {
            // This thread reads on when it has answered.
            tracing::warn!("no thread for the next request: {error}");
        }
    }

    fn answer(&self, frame: &Frame, message: Message<'_>) {
        let id = frame.id();
        let done = |status| self.server.send(id, &Message::Done(status));
        match message {
            Message::Handle(request) => self.handle(frame, &request),
            Message::Create(texts) => self.create(id, own_texts(&texts)),
            Message::Reconfigure(texts) => {
                done(self.instance().map_or(INVALID, |holder| reconfigure(&holder.raw, &own_texts(&texts))));
            }
            Message::Health => {
                let (status, text) = self.instance().map_or((INVALID, String::new()), |holder| holder.raw.health());
                self.server.send(id, &Message::Text { status, text: &text });
            }
            Message::Command(line) => {
                let write = |text: &str| {
                    self.server.send(id, &Message::Output(text));
                };
                done(self.instance().map_or(INVALID, |holder| holder.raw.command(line, write)));
            }
            Message::Destroy => self.end(),
            other => fail(&format!("the server says what it should not: {other:?}")),
        }
    }

    fn create(&self, id: u32, texts: Arc<Texts>) {
        let Home::Here(code) = self.library.home else { fail("a library that was loaded elsewhere") };
        let host = HostTable::new(Arc::new(Context::new(self.library.client(self.server.clone()), texts.clone())));
        let raw = match code.create(host, &texts) {
            Ok(raw) => raw,
            Err(status) => {
                self.server.send(id, &Message::Created { status, routes: Vec::new() });
                return;
            }
        };
        let routes = raw.host().context().routes();
        let routes =
            routes.iter().map(|route| Route { service: &route.service, method: route.method.as_str(), prefix: &route.prefix });
        let created = Message::Created { status: OK, routes: routes.collect() };
        let (ends, ended) = mpsc::channel();
        *lock(&self.ended) = Some(ended);
        *lock(&self.instance) = Some(Arc::new(Holder { raw, _ends: ends }));
        self.server.send(id, &created);
    }

    fn handle(&self, frame: &Frame, request: &Request<'_>) {
        let _turn = self.library.properties.is_serial.then(|| lock(&self.turn));
        let outcome = match (self.instance(), header_map(&request.headers)) {
            (Some(holder), Some(headers)) => {
                let Request { service, method, path, matched, query, peer, headers: _, body: _ } = request;
                let body = frame.body();
                border::handle(
                    &holder,
                    &BorrowedCall {
                        service,
                        method,
                        path,
                        matched: usize::try_from(*matched).unwrap_or(usize::MAX),
                        query,
                        headers: &headers,
                        body: &body,
                        peer: peer.parse().ok(),
                    },
                )
            }
            _ => Err(CallError::Status(INVALID)),
        };
        let is_sent = match &outcome {
            Ok(reply) => {
                let response = Response { status: reply.status.as_u16(), headers: pairs_of(&reply.headers), body: &reply.body };
                // From where the plugin has it; given back when that is done.
                self.server.send(frame.id(), &Message::Served { status: OK, response })
            }
            Err(CallError::Status(status)) => {
                self.server.send(frame.id(), &Message::Served { status: *status, response: Response::default() })
            }
            Err(CallError::Malformed(what)) => self.server.send(frame.id(), &Message::Broken(what)),
        };
        if !is_sent {
            self.server.send(frame.id(), &Message::Broken("more than fits into a frame"));
        }
    }

    /// Ends the instance when nothing of it is running any more, and then the process.
    fn end(&self) -> ! {
        let instance = lock(&self.instance).take();
        drop(instance);
        if let Some(ended) = lock(&self.ended).take() {
            // Nothing is ever sent: it is closed when the last who had the instance has let go, and `destroy` has returned.
            let _ = ended.recv();
        }
        self.server.flush();
        std::process::exit(0)
    }

    fn instance(&self) -> Option<Arc<Holder>> {
        lock(&self.instance).clone()
    }
}

fn own_texts(texts: &FrameTexts<'_>) -> Arc<Texts> {
    let entries = |section: &Section<'_>| -> Entries {
        section.entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Arc::new(Texts {
        section: texts.own.name.to_owned(),
        entries: entries(&texts.own),
        others: texts.others.iter().map(|section| (section.name.to_owned(), entries(section))).collect(),
    })
}

/// Ends the process: it cannot be of use any more. The server starts another.
fn fail(message: &str) -> ! {
    let _ = writeln!(io::stderr(), "gridshell: a plugin's process: {message}");
    std::process::exit(1)
}
