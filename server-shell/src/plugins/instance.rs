//! One instance of a plugin: made, asked, ended. What it is asked for is bounded in number and time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use gridshell_plugin_abi::{OK, PANIC};

use super::border::{self, BorrowedCall, CallError, Code, HostTable, RawInstance, Reply};
use super::context::{Context, Route, Texts};
use super::load::{Home, PluginLibrary};
use super::own_services::OwnServices;
use super::process::{Remote, RemoteControls};
use super::refusal::{Refusal, Step};
use super::threads::{Pool, lock, run_within};

/// An instance of a plugin. When the last who has it lets go, and the last byte of its answers was given back, it is destroyed, in a
/// thread of its own.
pub struct Instance {
    body: Body,
    /// The paths that it has registered.
    pub routes: Vec<Route>,
    /// The threads that its requests run in, when they do in this process.
    pub pool: Pool,
    /// Requests under way.
    places: Arc<Places>,
    /// For one request at a time in threads that are not the pool's.
    pub turn: Mutex<()>,
    /// It has panicked, or broken its promise not to wait.
    is_suspect: AtomicBool,
    /// Held for `reconfigure`, `health` and `command`, which never overlap.
    pub control: Arc<tokio::sync::Mutex<()>>,
    /// Closed when it was destroyed.
    end: Arc<Mutex<Receiver<()>>>,
}

/// Where the instance is.
enum Body {
    Here(Arc<Kept>),
    Apart(Remote),
}

/// The functions for the operator, which never overlap: `control` of the instance has to be held. They wait.
pub enum Controls {
    /// In this process.
    Here(Arc<Kept>),
    /// In another.
    Apart(RemoteControls),
}

/// The instance itself; responses have it too.
pub struct Kept {
    /// Only the end takes it.
    raw: Option<RawInstance>,
    library: Arc<PluginLibrary>,
    ends: Sender<()>,
}

impl AsRef<RawInstance> for Kept {
    fn as_ref(&self) -> &RawInstance {
        // There until it is dropped, when nobody can ask any more.
        self.raw.as_ref().expect("an instance that lives")
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let (raw, library, ends) = (self.raw.take(), self.library.clone(), self.ends.clone());
        let end = move || {
            drop(raw);
            drop(ends);
            library.living.fetch_sub(1, Ordering::AcqRel);
            tracing::debug!("[PLUGINS]: an instance of {} has ended", library.name);
        };
        // `destroy` waits for the instance's threads, which whoever let go of it last should not.
        if let Err(error) = thread::Builder::new().name(format!("{} ends", self.library.name)).spawn(end) {
            tracing::error!(%error, "[PLUGINS]: no thread to end an instance of {} in", self.library.name);
        }
    }
}

/// The places of an instance's requests.
#[derive(Default)]
struct Places(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    /// When each was taken; one that is free has none.
    since: Vec<Option<Instant>>,
    count: usize,
}

/// A place among the requests of an instance.
pub struct Slot {
    places: Arc<Places>,
    index: usize,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.places.0);
        taken.since[self.index] = None;
        taken.count -= 1;
    }
}

/// Tells when an instance was destroyed.
pub struct End(Arc<Mutex<Receiver<()>>>);

impl End {
    /// Waits until it was, but not longer than `time`. Whether it was.
    pub fn wait(&self, time: Duration) -> bool {
        // Nothing is ever sent.
        lock(&self.0).recv_timeout(time) == Err(RecvTimeoutError::Disconnected)
    }
}

impl Instance {
    /// Step 10: makes an instance. Waits for it as long as `time`.
    ///
    /// # Errors
    /// The plugin refuses, or takes too long. An instance that it makes later is ended at once.
    pub fn create(
        library: &Arc<PluginLibrary>,
        texts: &Arc<Texts>,
        time: Duration,
        shell: &Arc<OwnServices>,
    ) -> Result<Self, Refusal> {
        let (ends, end) = mpsc::channel();
        let (body, routes) = match &library.home {
            Home::Here(code) => {
                let kept = Self::create_here(library, *code, texts, time, shell, ends)?;
                let routes = (*kept).as_ref().host().context().routes();
                (Body::Here(kept), routes)
            }
            Home::Apart(remains) => {
                let remote = Remote::start(library, remains, texts, time, shell, ends)?;
                let routes = remote.routes.clone();
                (Body::Apart(remote), routes)
            }
        };
        Ok(Self {
            body,
            routes,
            pool: Pool::new(library.name),
            places: Arc::default(),
            turn: Mutex::new(()),
            is_suspect: AtomicBool::new(false),
            control: Arc::default(),
            end: Arc::new(Mutex::new(end)),
        })
    }

    fn create_here(
        library: &Arc<PluginLibrary>,
        code: Code,
        texts: &Arc<Texts>,
        time: Duration,
        shell: &Arc<OwnServices>,
        ends: Sender<()>,
    ) -> Result<Arc<Kept>, Refusal> {
        let host = HostTable::new(Arc::new(Context::new(library.client(shell.clone()), texts.clone())));
        let (texts, maker) = (texts.clone(), library.clone());
        let create = move || {
            let raw = code.create(host, &texts)?;
            maker.living.fetch_add(1, Ordering::AcqRel);
            Ok(Kept { raw: Some(raw), library: maker, ends })
        };
        let built_with = if library.properties.build.is_empty() { "it does not say" } else { &library.properties.build };
        let refusal = |found: String| {
            Refusal::new(&library.file, Step::Create, "create", "status 0", format_args!("{found}; built with: {built_with}"))
        };
        match run_within(&format!("{} begins", library.name), time, create) {
            Ok(Ok(kept)) => Ok(Arc::new(kept)),
            Ok(Err(PANIC)) => Err(refusal("a panic (status 255)".to_owned())),
            Ok(Err(status)) => Err(refusal(format!("status {status}"))),
            Err(error) => Err(refusal(error.to_string())),
        }
    }

    /// A place for a request that has begun then, unless `most` are taken.
    pub fn slot(&self, most: usize, begun: Instant) -> Option<Slot> {
        let mut taken = lock(&self.places.0);
        if taken.count >= most {
            return None;
        }
        taken.count += 1;
        let index = taken.since.iter().position(Option::is_none).unwrap_or(taken.since.len());
        match taken.since.get_mut(index) {
            Some(place) => *place = Some(begun),
            None => taken.since.push(Some(begun)),
        }
        Some(Slot { places: self.places.clone(), index })
    }

    /// How many places are taken.
    pub fn busy(&self) -> usize {
        lock(&self.places.0).count
    }

    /// How many places are taken, and how many of them were longer ago than that.
    pub fn overdue(&self, time: Duration) -> (usize, usize) {
        let taken = lock(&self.places.0);
        (taken.count, taken.since.iter().flatten().filter(|since| since.elapsed() >= time).count())
    }

    /// Tells when this instance was destroyed, without keeping it from that.
    pub fn end(&self) -> End {
        End(self.end.clone())
    }

    /// The process that it is in, when that is not this one.
    pub fn remote(&self) -> Option<&Remote> {
        match &self.body {
            Body::Here(_) => None,
            Body::Apart(remote) => Some(remote),
        }
    }

    /// Lets the plugin answer, in this thread.
    ///
    /// # Errors
    /// The plugin fails, or is in another process.
    pub fn handle(&self, call: &BorrowedCall<'_>) -> Result<Reply, CallError> {
        match &self.body {
            Body::Here(kept) => border::handle(kept, call),
            Body::Apart(_) => Err(CallError::Malformed("it is in another process".to_owned())),
        }
    }

    /// The same, one at a time.
    ///
    /// # Errors
    /// As [`Instance::handle`].
    pub fn handle_in_turn(&self, call: &BorrowedCall<'_>) -> Result<Reply, CallError> {
        let _turn = lock(&self.turn);
        self.handle(call)
    }

    /// The functions for the operator.
    pub fn controls(&self) -> Controls {
        match &self.body {
            Body::Here(kept) => Controls::Here(kept.clone()),
            Body::Apart(remote) => Controls::Apart(remote.controls()),
        }
    }

    /// It has done what it must not.
    pub fn suspect(&self) {
        self.is_suspect.store(true, Ordering::Relaxed);
    }

    /// Whether it has done what it must not.
    pub fn is_suspect(&self) -> bool {
        self.is_suspect.load(Ordering::Relaxed)
    }
}

impl Controls {
    /// Whether the plugin has commands for the console.
    pub fn has_commands(&self) -> bool {
        match self {
            Self::Here(kept) => (**kept).as_ref().has_commands(),
            Self::Apart(remote) => remote.has_commands(),
        }
    }

    /// Hands a changed configuration over; the status of that.
    pub fn reconfigure(&self, texts: &Arc<Texts>) -> i32 {
        match self {
            Self::Here(kept) => reconfigure((**kept).as_ref(), texts),
            Self::Apart(remote) => remote.reconfigure(texts),
        }
    }

    /// Asks how the instance is: a status and a text for people.
    pub fn health(&self) -> (i32, String) {
        match self {
            Self::Here(kept) => (**kept).as_ref().health(),
            Self::Apart(remote) => remote.health(),
        }
    }

    /// Does a line of the console; `write` gets what it says. The status of that.
    pub fn command(&self, line: &str, write: impl FnMut(&str) + Send + 'static) -> i32 {
        match self {
            Self::Here(kept) => (**kept).as_ref().command(line, write),
            Self::Apart(remote) => remote.command(line, write),
        }
    }
}

/// Hands a changed configuration over to an instance of this process; the status of that.
pub fn reconfigure(raw: &RawInstance, texts: &Arc<Texts>) -> i32 {
    let context = raw.host().context();
    // It may read other sections while it takes the change over.
    context.change_texts(texts.clone());
    let status = raw.reconfigure(texts);
    if status != OK {
        context.change_texts_back();
    }
    status
}
