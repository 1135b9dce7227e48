//! What becomes of a plugin that panics (plugins.md section 5.5).

use std::fmt;
use std::io::Write;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::{Plugin, Standing};
use crate::plugins::instance::Instance;
use crate::settings::OnPanic;

/// So many panics within this time, and the plugin is disabled.
const PANICS: usize = 3;
const PANIC_TIME: Duration = Duration::from_secs(60);

/// A new instance is made no more often, however many panics there are.
const RECREATE_PAUSE: Duration = Duration::from_secs(1);

impl Plugin {
    /// An instance has panicked then.
    pub(super) fn panicked(self: &Arc<Self>, instance: &Arc<Instance>, when: &str) {
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
}
