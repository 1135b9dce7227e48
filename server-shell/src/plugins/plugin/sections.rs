//! Handing a changed section of the configuration to a plugin that runs.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use gridshell_plugin_abi::{NOT_SUPPORTED, OK, PANIC};

use super::{HEALTH_TIME, Plugin, PluginPlan};
use crate::plugins::context::Texts;
use crate::plugins::threads::{lock, run_beside};

/// A changed configuration that a plugin is to take over.
enum Handover {
    UnderWay,
    Done(i32),
    /// It took too long; the old one is in force.
    GivenUp,
}

impl Plugin {
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
}
