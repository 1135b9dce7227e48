//! A plugin in use: its library, its section of the configuration, and the instance that answers now.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use gridshell_plugin_abi::{NOT_SUPPORTED, OK, PANIC};
use tokio::sync::oneshot;

use super::border::{BorrowedCall, CallError, Reply};
use super::context::{Route, Texts};
use super::instance::{Instance, Slot};
use super::load::{Permission, PluginLibrary};
use super::metrics::Ending;
use super::own_services::OwnServices;
use super::process::{NotAsked, ProcessLimits};
use super::refusal::Refusal;
use super::threads::{lock, run_beside};
use crate::settings::OnPanic;

/// So many panics within this time, and the plugin is disabled.
const PANICS: usize = 3;
const PANIC_TIME: Duration = Duration::from_secs(60);

/// A new instance is made no more often, however many panics there are.
const RECREATE_PAUSE: Duration = Duration::from_secs(1);

/// How long the plugin may think about its health, and about another configuration.
const HEALTH_TIME: Duration = Duration::from_secs(5);

/// The log says no more often that there is no room for more requests.
const BUSY_PAUSE: Duration = Duration::from_secs(60);

/// What the configuration says of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginPlan {
    /// The plugin's name.
    pub name: String,
    /// The name of its file.
    pub file: String,
    /// What the operator permits.
    pub permission: Permission,
    /// The hash that the file must have, when the operator has said it.
    pub sha256: Option<String>,
    /// Where copies for reloads are kept.
    pub copies: PathBuf,
    /// The program does not start without it.
    pub is_required: bool,
    /// Its library is loaded by a process of its own first.
    pub is_probed: bool,
    /// It runs in processes of its own, which are bounded so.
    pub process: Option<ProcessLimits>,
    /// How it is bounded.
    pub limits: Limits,
    /// What it may read.
    pub texts: Arc<Texts>,
}

/// How a plugin is bounded, and what becomes of it when it panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests at the same time.
    pub most_requests: usize,
    /// For a request.
    pub request_time: Duration,
    /// For `create`.
    pub start_time: Duration,
    /// What becomes of it when it panics.
    pub on_panic: OnPanic,
}

/// A plugin in use.
pub struct Plugin {
    /// Its library.
    pub library: Arc<PluginLibrary>,
    /// The paths of its IN connectors.
    pub routes: Vec<Route>,
    shell: Arc<OwnServices>,
    plan: RwLock<Arc<PluginPlan>>,
    standing: RwLock<Standing>,
    trouble: Mutex<Trouble>,
}

/// Whether there is an instance.
enum Standing {
    /// This one answers.
    Up(Arc<Instance>),
    /// A new one is being made.
    Restarting,
    /// None, because of its panics, or since none could be made after one.
    Disabled,
    /// None, because nobody wants it any more.
    Ended,
}

impl Standing {
    fn instance(&self) -> Option<&Arc<Instance>> {
        match self {
            Self::Up(instance) => Some(instance),
            Self::Restarting | Self::Disabled | Self::Ended => None,
        }
    }
}

#[derive(Default)]
struct Trouble {
    panics: VecDeque<Instant>,
    recreated: Option<Instant>,
    said_busy: Option<Instant>,
}

/// A request that an instance has, with its place. Whoever waits for the answer may go before; the instance and the plugin may, when what
/// has the request is another process.
struct Handed {
    plugin: Weak<Plugin>,
    instance: Weak<Instance>,
    slot: Slot,
    answer: oneshot::Sender<Result<Reply, Failure>>,
}

impl Handed {
    /// Somebody still waits for the answer.
    fn is_awaited(&self) -> bool {
        !self.answer.is_closed()
    }

    /// This has come of it.
    fn end(self, outcome: Result<Reply, CallError>) {
        let Self { plugin, instance, slot, answer } = self;
        if let (Some(plugin), Some(instance)) = (plugin.upgrade(), instance.upgrade()) {
            let outcome = plugin.finish(&instance, outcome);
            drop(slot);
            // When nobody waits, the response is given back here.
            drop(answer.send(outcome));
        }
    }
}

/// A changed configuration that a plugin is to take over.
enum Handover {
    UnderWay,
    Done(i32),
    /// It took too long; the old one is in force.
    GivenUp,
}

/// There is no answer of the plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It has panicked too often, or nobody wants it any more.
    #[error("is disabled")]
    Disabled,
    /// It has as many requests as it may have.
    #[error("has too many requests under way")]
    Busy,
    /// It takes too long.
    #[error("has not answered within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// It has failed.
    #[error("has failed")]
    Failed,
    /// It has panicked.
    #[error("has panicked")]
    Panicked,
    /// Its process has ended meanwhile.
    #[error("has ended while it worked on the request")]
    Ended,
    /// Its process, or its instance, is being started.
    #[error("is being started again")]
    NotRunning,
}

impl Plugin {
    /// Makes the plugin's first instance; step 10. Waits for it.
    ///
    /// # Errors
    /// The plugin refuses, or takes too long.
    pub fn start(library: Arc<PluginLibrary>, plan: PluginPlan, shell: Arc<OwnServices>) -> Result<Self, Refusal> {
        let instance = Instance::create(&library, &plan.texts, plan.limits.start_time, &shell)?;
        if let Some(known) = &library.properties.config_keys {
            let own = crate::settings::keys_of_plugin_sections();
            let is_known = |key: &str| own.contains(&key) || known.iter().any(|known| known == key);
            for (key, _) in plan.texts.entries.iter().filter(|(key, _)| !is_known(key)) {
                tracing::warn!("[PLUGINS]: {} does not read the key {key} of its section [{}]", library.name, plan.texts.section);
            }
        }
        Ok(Self {
            routes: instance.routes.clone(),
            library,
            shell,
            plan: RwLock::new(Arc::new(plan)),
            standing: RwLock::new(Standing::Up(Arc::new(instance))),
            trouble: Mutex::default(),
        })
    }

    /// What the configuration says of it.
    pub fn plan(&self) -> Arc<PluginPlan> {
        self.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn limits(&self) -> Limits {
        self.plan.read().unwrap_or_else(PoisonError::into_inner).limits
    }

    /// The configuration says this of it from now on.
    pub fn change_plan(&self, plan: PluginPlan) {
        if let Some(remote) = self.instance().as_ref().and_then(|instance| instance.remote()) {
            remote.change_start_time(plan.limits.start_time);
        }
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    }

    /// Lets it answer a request. Never waits longer than the time for a request.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn answer(self: &Arc<Self>, call: BorrowedCall<'_>) -> Result<Reply, Failure> {
        let begun = Instant::now();
        let counted = self.library.tally.begin(begun);
        let outcome = self.ask(call, begun).await;
        counted.end(match &outcome {
            Ok(reply) if reply.status.is_server_error() => Ending::Error,
            Ok(_) => Ending::Answered,
            Err(Failure::Failed) => Ending::Failed,
            Err(Failure::Panicked) => Ending::Panic,
            Err(Failure::TimedOut(_)) => Ending::TimedOut,
            Err(Failure::Busy) => Ending::Busy,
            Err(Failure::Disabled) => Ending::Disabled,
            Err(Failure::Ended | Failure::NotRunning) => Ending::Lost,
        });
        outcome
    }

    async fn ask(self: &Arc<Self>, call: BorrowedCall<'_>, begun: Instant) -> Result<Reply, Failure> {
        let limits = self.limits();
        let instance = match &*self.standing() {
            Standing::Up(instance) => instance.clone(),
            Standing::Restarting => return Err(Failure::NotRunning),
            Standing::Disabled | Standing::Ended => return Err(Failure::Disabled),
        };
        let Some(slot) = instance.slot(limits.most_requests, begun) else {
            self.say_busy(&instance, &limits);
            return Err(Failure::Busy);
        };
        let library = &self.library.properties;
        if instance.remote().is_none() && !library.is_blocking {
            return self.ask_here(&instance, &call, slot, begun, limits.request_time);
        }
        let (answer, answered) = oneshot::channel();
        let handed = Handed { plugin: Arc::downgrade(self), instance: Arc::downgrade(&instance), slot, answer };
        match instance.remote() {
            Some(remote) => match remote.handle(&call, move |outcome| handed.end(outcome)) {
                Ok(()) => {}
                Err(NotAsked::Over) => return Err(Failure::NotRunning),
                Err(NotAsked::TooLarge) => {
                    tracing::error!("[PLUGINS]: a request to {} does not fit into a frame; answered 500", self.name());
                    return Err(Failure::Failed);
                }
            },
            None => {
                let (asked, call) = (instance.clone(), call.to_owned());
                let job = move || {
                    // Else it is not begun.
                    if handed.is_awaited() {
                        handed.end(asked.handle(&call.borrow()));
                    }
                };
                let most_threads = if library.is_serial { 1 } else { limits.most_requests };
                if let Err(error) = instance.pool.run(Box::new(job), most_threads) {
                    tracing::error!(%error, "[PLUGINS]: no thread for a request to {}", self.name());
                    return Err(Failure::Busy);
                }
            }
        }
        match tokio::time::timeout_at((begun + limits.request_time).into(), answered).await {
            Ok(Ok(outcome)) => outcome,
            // It was dropped: its process has ended, or there was no thread for it.
            Ok(Err(_)) => Err(if instance.remote().is_some() { Failure::Ended } else { Failure::Busy }),
            Err(_) => {
                tracing::error!("[PLUGINS]: {} has not answered a request within {:?}", self.name(), limits.request_time);
                self.end_if_stuck(&instance, &limits);
                Err(Failure::TimedOut(limits.request_time))
            }
        }
    }

    /// Asks in this thread, since the plugin says that it does not wait.
    fn ask_here(
        self: &Arc<Self>,
        instance: &Arc<Instance>,
        call: &BorrowedCall<'_>,
        slot: Slot,
        begun: Instant,
        time: Duration,
    ) -> Result<Reply, Failure> {
        let outcome = if self.library.properties.is_serial { instance.handle_in_turn(call) } else { instance.handle(call) };
        drop(slot);
        let elapsed = begun.elapsed();
        if elapsed > time {
            let elapsed_ms = elapsed.as_millis() as u64;
            tracing::error!(elapsed_ms, "[PLUGINS]: {} has waited, though it says that it is not blocking", self.name());
            instance.suspect();
        }
        self.finish(instance, outcome)
    }

    /// All places are taken. Says so, unless that changes at once.
    fn say_busy(&self, instance: &Instance, limits: &Limits) {
        if self.end_if_stuck(instance, limits) {
            return;
        }
        let mut trouble = self.trouble();
        if trouble.said_busy.is_some_and(|said| said.elapsed() < BUSY_PAUSE) {
            return;
        }
        trouble.said_busy = Some(Instant::now());
        drop(trouble);
        let (busy, overdue) = instance.overdue(limits.request_time);
        tracing::warn!(
            "[PLUGINS]: {} has {busy} requests under way, as many as it may have (MaxConcurrent), {overdue} of them for more than {:?} \
             (RequestTimeout); more are answered 503",
            self.name(),
            limits.request_time
        );
    }

    /// Ends the process of an instance that answers none of the requests that it has, so that another can begin (plugins.md section 5.5).
    /// Some of those who have asked may have gone before it was too late. Whether it was ended.
    fn end_if_stuck(&self, instance: &Instance, limits: &Limits) -> bool {
        let Some(remote) = instance.remote() else { return false };
        let (busy, overdue) = instance.overdue(limits.request_time);
        let is_ended = busy >= limits.most_requests && overdue == busy && remote.kill();
        if is_ended {
            tracing::error!("[PLUGINS]: {} answers none of the {busy} requests that it has; its process is ended", self.name());
        }
        is_ended
    }

    /// Sees to panics, and says what is wrong, whether or not somebody waits for the answer.
    fn finish(self: &Arc<Self>, instance: &Arc<Instance>, outcome: Result<Reply, CallError>) -> Result<Reply, Failure> {
        match outcome {
            Ok(reply) => Ok(reply),
            Err(CallError::Status(PANIC)) => {
                self.panicked(instance, "at a request; answered 500");
                Err(Failure::Panicked)
            }
            Err(CallError::Status(status)) => {
                tracing::error!("[PLUGINS]: {} has failed with status {status} at a request; answered 500", self.name());
                Err(Failure::Failed)
            }
            Err(CallError::Malformed(what)) => {
                tracing::error!("[PLUGINS]: a response of {} cannot be used: {what}; answered 500", self.name());
                Err(Failure::Failed)
            }
        }
    }

    fn panicked(self: &Arc<Self>, instance: &Arc<Instance>, when: &str) {
        self.library.tally.panicked();
        tracing::error!("[PLUGINS]: {} has panicked {when}", self.name());
        match self.limits().on_panic {
            OnPanic::Abort if let Some(remote) = instance.remote() => {
                remote.kill();
            }
            OnPanic::Abort => {
                // The log may not get as far. In one piece, since the log writes to the same place.
                let message = format!("gridshell: the plugin {} has panicked, and OnPanic = abort\n", self.name());
                let _ = std::io::stderr().write_all(message.as_bytes());
                std::process::abort();
            }
            OnPanic::Disable => {
                instance.suspect();
                self.disable_after_too_many(instance);
            }
            OnPanic::Recreate => {
                instance.suspect();
                self.recreate(instance);
            }
        }
    }

    fn disable_after_too_many(&self, instance: &Arc<Instance>) {
        let now = Instant::now();
        let mut trouble = self.trouble();
        trouble.panics.push_back(now);
        while trouble.panics.front().is_some_and(|first| now.duration_since(*first) > PANIC_TIME) {
            trouble.panics.pop_front();
        }
        if trouble.panics.len() >= PANICS && self.take(instance, Standing::Disabled) {
            drop(trouble);
            tracing::error!(
                "[PLUGINS]: {} has panicked {PANICS} times within {} s and is disabled; `plugin reload {}` begins anew",
                self.name(),
                PANIC_TIME.as_secs(),
                self.name()
            );
        }
    }

    /// Ends a suspect instance and makes a new one: in this order, since both may want what only one can have (plugins.md section 5.5).
    /// Requests are answered 503 meanwhile.
    fn recreate(self: &Arc<Self>, suspect: &Arc<Instance>) {
        let mut trouble = self.trouble();
        if trouble.recreated.is_some_and(|at| at.elapsed() < RECREATE_PAUSE) {
            return;
        }
        let end = suspect.end();
        if !self.take(suspect, Standing::Restarting) {
            return;
        }
        trouble.recreated = Some(Instant::now());
        drop(trouble);
        let (plugin, name, time) = (Arc::downgrade(self), self.name(), self.limits().start_time);
        let recreate = move || {
            if !end.wait(time) {
                // As when a request hangs, or has not given its response back.
                tracing::warn!("[PLUGINS]: the suspect instance of {name} has not ended yet; the new one begins beside it");
            }
            // Else the program ends, or the plugin was replaced.
            if let Some(plugin) = plugin.upgrade()
                && matches!(*plugin.standing(), Standing::Restarting)
            {
                plugin.begin_again();
            }
        };
        if let Err(error) = std::thread::Builder::new().name(format!("{} begins", self.name())).spawn(recreate) {
            self.not_restarted(&error);
        }
    }

    fn begin_again(&self) {
        let plan = self.plan();
        let instance = match Instance::create(&self.library, &plan.texts, plan.limits.start_time, &self.shell) {
            Ok(instance) => instance,
            Err(refusal) => return self.not_restarted(&refusal),
        };
        if instance.routes != self.routes {
            tracing::warn!("[PLUGINS]: the new instance of {} has other paths; those of the first stay", self.name());
        }
        let mut standing = self.standing.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*standing, Standing::Restarting) {
            *standing = Standing::Up(Arc::new(instance));
            drop(standing);
            tracing::info!("[PLUGINS]: a new instance of {} has taken the place of one that panicked", self.name());
        }
    }

    fn not_restarted(&self, why: &dyn fmt::Display) {
        let mut standing = self.standing.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*standing, Standing::Restarting) {
            *standing = Standing::Disabled;
        }
        drop(standing);
        let name = self.name();
        tracing::error!("[PLUGINS]: no new instance of {name}, which is disabled; `plugin reload {name}` begins anew: {why}");
    }

    /// Takes an instance out of its place, if it is there: it ends with its last request. Whether it was.
    fn take(&self, instance: &Arc<Instance>, then: Standing) -> bool {
        let mut standing = self.standing.write().unwrap_or_else(PoisonError::into_inner);
        if !standing.instance().is_some_and(|current| Arc::ptr_eq(current, instance)) {
            return false;
        }
        let taken = std::mem::replace(&mut *standing, then);
        drop(standing);
        drop(taken);
        true
    }

    /// Another is in its place. It answers what is still asked of it, but does not begin again.
    pub fn retire(&self) {
        let mut standing = self.standing.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*standing, Standing::Restarting) {
            *standing = Standing::Ended;
        }
    }

    /// Answers nothing any more; the instance ends with its last request.
    pub fn end(&self) {
        let mut standing = self.standing.write().unwrap_or_else(PoisonError::into_inner);
        let ended = std::mem::replace(&mut *standing, Standing::Ended);
        drop(standing);
        drop(ended);
    }

    /// Hands a changed configuration over. False when the plugin does not support that.
    ///
    /// # Errors
    /// The plugin cannot use it, and goes on with the old one.
    pub async fn reconfigure(self: &Arc<Self>, texts: &Arc<Texts>) -> Result<bool> {
        let Some(instance) = self.instance() else { return Ok(false) };
        let control = instance.control.clone().lock_owned();
        let control = tokio::time::timeout(HEALTH_TIME, control).await;
        let control = control.with_context(|| format!("{} is busy with a command", self.name()))?;
        let handover = Arc::new(Mutex::new(Handover::UnderWay));
        let work = {
            let (controls, texts, old, handover) =
                (instance.controls(), texts.clone(), self.plan().texts.clone(), handover.clone());
            let name = self.name();
            move || {
                let _control = control;
                let status = controls.reconfigure(&texts);
                let mut state = lock(&handover);
                if !matches!(*state, Handover::GivenUp) {
                    *state = Handover::Done(status);
                    return;
                }
                drop(state);
                if status == OK && controls.reconfigure(&old) != OK {
                    tracing::error!(
                        "[PLUGINS]: {name} has taken its changed section over too late, and does not take the old one back"
                    );
                }
            }
        };
        let waited = run_beside(self.name(), self.limits().start_time, work).await;
        let Handover::Done(status) = std::mem::replace(&mut *lock(&handover), Handover::GivenUp) else {
            let why = waited.err().map_or_else(|| "a panic".to_owned(), |error| error.to_string());
            bail!("{} does not take its changed section over: {why}", self.name());
        };
        match status {
            OK => {
                // Also for an instance that is made before all of the configuration is in force.
                self.change_texts(texts);
                Ok(true)
            }
            NOT_SUPPORTED => Ok(false),
            status => {
                if status == PANIC {
                    self.panicked(&instance, "at its changed section");
                }
                bail!("{} cannot use its changed section: status {status}", self.name())
            }
        }
    }

    /// Takes back what [`Plugin::reconfigure`] has handed over: this is in force again.
    pub async fn take_back(self: &Arc<Self>, texts: &Arc<Texts>) {
        match self.reconfigure(texts).await {
            Ok(true) => {}
            // The next instance is made with it.
            Ok(false) if self.instance().is_none() => self.change_texts(texts),
            Ok(false) => tracing::error!("[PLUGINS]: {} does not take its old section back", self.name()),
            Err(error) => tracing::error!("[PLUGINS]: {} does not take its old section back: {error:#}", self.name()),
        }
    }

    fn change_texts(&self, texts: &Arc<Texts>) {
        let mut plan = self.plan.write().unwrap_or_else(PoisonError::into_inner);
        *plan = Arc::new(PluginPlan { texts: texts.clone(), ..PluginPlan::clone(&plan) });
    }

    /// What it says of itself, for people; `None` when it does not tell.
    pub async fn health(self: &Arc<Self>) -> Option<String> {
        let instance = self.instance()?;
        let Ok(control) = instance.control.clone().try_lock_owned() else {
            return Some("busy with a command".to_owned());
        };
        let controls = instance.controls();
        let ask = move || {
            let _control = control;
            controls.health()
        };
        match run_beside(self.name(), HEALTH_TIME, ask).await {
            Ok((NOT_SUPPORTED, _)) => None,
            Ok((OK, text)) => Some(if text.is_empty() { "well".to_owned() } else { text }),
            Ok((status, text)) => {
                if status == PANIC {
                    self.panicked(&instance, "when it was asked how it is");
                }
                Some(format!("not well (status {status}): {text}"))
            }
            Err(error) => Some(format!("does not tell: {error}")),
        }
    }

    /// Does a line of the console; `write` gets what it says.
    ///
    /// # Errors
    /// It has no commands, is busy, or fails.
    pub async fn command(self: &Arc<Self>, line: &str, write: impl FnMut(&str) + Send + 'static) -> Result<()> {
        let Some(instance) = self.instance() else { bail!("{} {}", self.name(), Failure::Disabled) };
        let controls = instance.controls();
        if !self.library.properties.capabilities.console || !controls.has_commands() {
            bail!("{} has no commands", self.name());
        }
        let Ok(control) = instance.control.clone().try_lock_owned() else {
            bail!("{} is busy with another command", self.name())
        };
        let line = line.to_owned();
        let run = move || {
            let _control = control;
            controls.command(&line, write)
        };
        match run_beside(self.name(), self.limits().request_time, run).await {
            Ok(OK) => Ok(()),
            Ok(NOT_SUPPORTED) => bail!("{} has no such command", self.name()),
            Ok(PANIC) => {
                self.panicked(&instance, "at a command");
                bail!("{} has panicked", self.name())
            }
            Ok(status) => bail!("{} has failed with status {status}", self.name()),
            Err(error) => bail!("{} goes on with the command: {error}", self.name()),
        }
    }

    /// How it is, in a word.
    pub fn state(&self) -> &'static str {
        match &*self.standing() {
            Standing::Disabled => "disabled",
            Standing::Ended => "ended",
            Standing::Restarting => "restarting",
            Standing::Up(instance) if instance.remote().is_some_and(|remote| !remote.is_running()) => "restarting",
            Standing::Up(instance) if instance.is_suspect() => "suspect",
            Standing::Up(_) => "running",
        }
    }

    /// Whether it can be asked: not disabled, and its process runs.
    pub fn is_usable(&self) -> bool {
        self.instance().is_some_and(|instance| instance.remote().is_none_or(|remote| remote.is_running()))
    }

    /// Brings the metric of its requests under way up to date.
    pub fn measure(&self) {
        self.library.tally.under_way(self.instance().map_or(0, |instance| instance.busy()));
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.library.name
    }

    fn instance(&self) -> Option<Arc<Instance>> {
        self.standing().instance().cloned()
    }

    fn standing(&self) -> RwLockReadGuard<'_, Standing> {
        self.standing.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        lock(&self.trouble)
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // A plugin in its place is measured anew.
        self.library.tally.under_way(0);
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin {}", self.name())
    }
}
