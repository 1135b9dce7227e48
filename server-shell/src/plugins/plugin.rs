//! A plugin in use: its library, its section of the configuration, and the instance that answers now.

mod panics;
mod requests;
mod sections;

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use gridshell_plugin_abi::{NOT_SUPPORTED, OK, PANIC};

use super::context::{Route, Texts};
use super::instance::Instance;
use super::load::{Permission, PluginLibrary};
use super::own_services::OwnServices;
use super::process::ProcessLimits;
use super::refusal::Refusal;
use super::threads::{lock, run_beside};
use crate::settings::OnPanic;

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
