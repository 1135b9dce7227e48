//! A plugin in use: its library, its section of the configuration, and the instance that answers now.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use gridshell_plugin_abi::{NOT_SUPPORTED, OK, PANIC};
use tokio::sync::oneshot;

use super::border::{BorrowedCall, CallError, Reply};
use super::context::{Route, Texts};
use super::instance::Instance;
use super::load::{Permission, PluginLibrary};
use super::metrics::Ending;
use super::own_services::OwnServices;
use super::process::{Lost, ProcessLimits};
use super::refusal::Refusal;
use super::threads::run_beside;
use crate::settings::OnPanic;

/// So many panics within this time, and the plugin is disabled.
const PANICS: usize = 3;
const PANIC_TIME: Duration = Duration::from_secs(60);

/// A new instance is made no more often, however many panics there are.
const RECREATE_PAUSE: Duration = Duration::from_secs(1);

/// How long the plugin may think about its health, and about another configuration.
const HEALTH_TIME: Duration = Duration::from_secs(5);

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
    /// `None` when it is disabled, or has ended.
    instance: RwLock<Option<Arc<Instance>>>,
    trouble: Mutex<Trouble>,
}

#[derive(Default)]
struct Trouble {
    panics: VecDeque<Instant>,
    recreated: Option<Instant>,
    is_disabled: bool,
}

/// There is no answer of the plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It has panicked too often, or the program ends.
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
    /// Its process has ended meanwhile.
    #[error("has ended while it worked on the request")]
    Ended,
    /// Its process is being started.
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
            instance: RwLock::new(Some(Arc::new(instance))),
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
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    }

    /// Lets it answer a request. Never waits longer than the time for a request.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn answer(self: &Arc<Self>, call: BorrowedCall<'_>) -> Result<Reply, Failure> {
        let limits = self.limits();
        let begun = Instant::now();
        let tally = &self.library.tally;
        let Some(instance) = self.instance() else {
            tally.ended(Ending::Disabled, begun.elapsed());
            return Err(Failure::Disabled);
        };
        let Some(slot) = instance.slot(limits.most_requests) else {
            tally.ended(Ending::Busy, begun.elapsed());
            return Err(Failure::Busy);
        };
        if let Some(remote) = instance.remote() {
            let late = {
                let (plugin, instance) = (self.clone(), instance.clone());
                move |outcome| drop(plugin.finish(&instance, outcome, None))
            };
            let outcome = remote.handle(&call, slot, limits.request_time, limits.most_requests, late).await;
            return self.finish_apart(&instance, outcome, begun, limits.request_time);
        }
        let is_serial = self.library.properties.is_serial;
        if !self.library.properties.is_blocking {
            let outcome = if is_serial { instance.handle_in_turn(&call) } else { instance.handle(&call) };
            drop(slot);
            let elapsed = begun.elapsed();
            if elapsed > limits.request_time {
                let elapsed_ms = elapsed.as_millis() as u64;
                tracing::error!(elapsed_ms, "[PLUGINS]: {} has waited, though it says that it is not blocking", self.name());
                instance.suspect();
            }
            return self.finish(&instance, outcome, Some(elapsed));
        }
        let (answer, answered) = oneshot::channel();
        let job = {
            let (plugin, instance, call) = (self.clone(), instance.clone(), call.to_owned());
            move || {
                // Nobody waits any more: it is not begun.
                if !answer.is_closed() {
                    let outcome = instance.handle(&call.borrow());
                    let waited = (!answer.is_closed()).then(|| begun.elapsed());
                    let outcome = plugin.finish(&instance, outcome, waited);
                    drop(slot);
                    // Who has asked may be gone; then the response is given back here.
                    drop(answer.send(outcome));
                }
            }
        };
        if let Err(error) = instance.pool.run(Box::new(job), if is_serial { 1 } else { limits.most_requests }) {
            tracing::error!(%error, "[PLUGINS]: no thread for a request to {}", self.name());
            tally.ended(Ending::Busy, begun.elapsed());
            return Err(Failure::Busy);
        }
        match tokio::time::timeout(limits.request_time, answered).await {
            Ok(outcome) => outcome.unwrap_or(Err(Failure::Failed)),
            Err(_) => Err(self.timed_out(begun, limits.request_time)),
        }
    }

    fn timed_out(&self, begun: Instant, time: Duration) -> Failure {
        tracing::error!("[PLUGINS]: {} has not answered a request within {time:?}", self.name());
        self.library.tally.ended(Ending::TimedOut, begun.elapsed());
        Failure::TimedOut(time)
    }

    /// Counts what came of a request to another process, and sees to panics.
    fn finish_apart(
        self: &Arc<Self>,
        instance: &Arc<Instance>,
        outcome: Result<Result<Reply, CallError>, Lost>,
        begun: Instant,
        time: Duration,
    ) -> Result<Reply, Failure> {
        let failure = match outcome {
            Ok(outcome) => return self.finish(instance, outcome, Some(begun.elapsed())),
            Err(Lost::TimedOut) => return Err(self.timed_out(begun, time)),
            Err(Lost::Ended) => Failure::Ended,
            Err(Lost::NotRunning) => Failure::NotRunning,
        };
        self.library.tally.ended(Ending::Lost, begun.elapsed());
        Err(failure)
    }

    /// Counts what came of a request, if somebody has `waited` for it until now, and sees to panics.
    fn finish(
        self: &Arc<Self>,
        instance: &Arc<Instance>,
        outcome: Result<Reply, CallError>,
        waited: Option<Duration>,
    ) -> Result<Reply, Failure> {
        let ending = match &outcome {
            Ok(reply) if reply.status.is_server_error() => Ending::Error,
            Ok(_) => Ending::Answered,
            Err(CallError::Status(PANIC)) => Ending::Panic,
            Err(_) => Ending::Failed,
        };
        if let Some(waited) = waited {
            self.library.tally.ended(ending, waited);
        }
        match &outcome {
            Ok(_) => {}
            Err(CallError::Status(PANIC)) => self.panicked(instance),
            Err(CallError::Status(status)) => {
                tracing::error!("[PLUGINS]: {} has failed with status {status} at a request; answered 500", self.name());
            }
            Err(CallError::Malformed(what)) => {
                tracing::error!("[PLUGINS]: a response of {} cannot be used: {what}; answered 500", self.name());
            }
        }
        outcome.map_err(|_| Failure::Failed)
    }

    fn panicked(self: &Arc<Self>, instance: &Arc<Instance>) {
        self.library.tally.panicked();
        instance.suspect();
        tracing::error!("[PLUGINS]: {} has panicked at a request; answered 500", self.name());
        let is_current = self.instance().is_some_and(|current| Arc::ptr_eq(&current, instance));
        match self.limits().on_panic {
            OnPanic::Abort if let Some(remote) = instance.remote() => remote.kill(),
            OnPanic::Abort => {
                // The log may not get as far. In one piece, since the log writes to the same place.
                let message = format!("gridshell: the plugin {} has panicked, and OnPanic = abort\n", self.name());
                let _ = std::io::stderr().write_all(message.as_bytes());
                std::process::abort();
            }
            OnPanic::Disable if is_current => self.disable_after_too_many(),
            OnPanic::Recreate if is_current => self.recreate(instance.clone()),
            OnPanic::Disable | OnPanic::Recreate => {}
        }
    }

    fn disable_after_too_many(&self) {
        let now = Instant::now();
        let mut trouble = self.trouble();
        trouble.panics.push_back(now);
        while trouble.panics.front().is_some_and(|first| now.duration_since(*first) > PANIC_TIME) {
            trouble.panics.pop_front();
        }
        if trouble.panics.len() >= PANICS && !trouble.is_disabled {
            trouble.is_disabled = true;
            drop(trouble);
            tracing::error!(
                "[PLUGINS]: {} has panicked {PANICS} times within {} s and is disabled; `plugin reload {}` begins anew",
                self.name(),
                PANIC_TIME.as_secs(),
                self.name()
            );
            self.end();
        }
    }

    /// Puts a new instance in the place of a suspect one, which answers meanwhile.
    fn recreate(self: &Arc<Self>, suspect: Arc<Instance>) {
        let mut trouble = self.trouble();
        if trouble.recreated.is_some_and(|at| at.elapsed() < RECREATE_PAUSE) {
            return;
        }
        trouble.recreated = Some(Instant::now());
        drop(trouble);
        let plugin = self.clone();
        let recreate = move || {
            let plan = plugin.plan();
            match Instance::create(&plugin.library, &plan.texts, plan.limits.start_time, &plugin.shell) {
                Ok(instance) => plugin.replace(&suspect, instance),
                Err(refusal) => tracing::error!("[PLUGINS]: no new instance, the suspect one goes on: {refusal}"),
            }
        };
        if let Err(error) = std::thread::Builder::new().name(format!("{} begins", self.name())).spawn(recreate) {
            tracing::error!(%error, "[PLUGINS]: no thread to make a new instance of {} in", self.name());
        }
    }

    fn replace(&self, suspect: &Arc<Instance>, instance: Instance) {
        if instance.routes != self.routes {
            tracing::warn!("[PLUGINS]: the new instance of {} has other paths; those of the first stay", self.name());
        }
        let mut current = self.instance.write().unwrap_or_else(PoisonError::into_inner);
        // It may have been disabled, or the program may end.
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, suspect)) {
            *current = Some(Arc::new(instance));
            drop(current);
            tracing::info!("[PLUGINS]: a new instance of {} has taken the place of one that panicked", self.name());
        }
    }

    /// Answers nothing any more; the instance ends with its last request.
    pub fn end(&self) {
        let ended = self.instance.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(ended);
    }

    /// Hands a changed configuration over. False when the plugin does not support that.
    ///
    /// # Errors
    /// The plugin cannot use it, and goes on with the old one.
    pub async fn reconfigure(&self, texts: &Arc<Texts>) -> Result<bool> {
        let Some(instance) = self.instance() else { return Ok(false) };
        let control = instance.control.clone().lock_owned();
        let control = tokio::time::timeout(HEALTH_TIME, control).await;
        let control = control.with_context(|| format!("{} is busy with a command", self.name()))?;
        let (controls, texts) = (instance.controls(), texts.clone());
        let reconfigure = move || {
            let _control = control;
            controls.reconfigure(&texts)
        };
        match run_beside(self.name(), self.limits().start_time, reconfigure).await {
            Ok(OK) => Ok(true),
            Ok(NOT_SUPPORTED) => Ok(false),
            Ok(status) => bail!("{} cannot use its changed section: status {status}", self.name()),
            Err(error) => bail!("{} does not take its changed section over: {error}", self.name()),
        }
    }

    /// What it says of itself, for people; `None` when it does not tell.
    pub async fn health(&self) -> Option<String> {
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
            Ok((status, text)) => Some(format!("not well (status {status}): {text}")),
            Err(error) => Some(format!("does not tell: {error}")),
        }
    }

    /// Does a line of the console; `write` gets what it says.
    ///
    /// # Errors
    /// It has no commands, is busy, or fails.
    pub async fn command(&self, line: &str, write: impl FnMut(&str) + Send + 'static) -> Result<()> {
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
            Ok(PANIC) => bail!("{} has panicked", self.name()),
            Ok(status) => bail!("{} has failed with status {status}", self.name()),
            Err(error) => bail!("{} goes on with the command: {error}", self.name()),
        }
    }

    /// How it is, in a word.
    pub fn state(&self) -> &'static str {
        match self.instance() {
            _ if self.trouble().is_disabled => "disabled",
            None => "ended",
            Some(instance) if instance.remote().is_some_and(|remote| !remote.is_running()) => "restarting",
            Some(instance) if instance.is_suspect() => "suspect",
            Some(_) => "running",
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
        self.instance.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
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
