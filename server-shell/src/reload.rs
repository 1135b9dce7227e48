//! Applying a changed configuration to the running program.
//!
//! The new configuration is read, checked and built beside the running one, which serves meanwhile. Only when all of it has succeeded do
//! new requests go to the new connectors, in one step for each listener. Whatever is wrong, nothing has changed.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use gridshell_config::{Configuration, Problem};

use crate::console::{ConfigSection, Shell};
use crate::logging::Levels;
use crate::program::{Running, log_problems};
use crate::wiring::{self, Plan};

/// Sections, and keys of others, that are read at the start alone. Of a section, except these keys.
const AT_START: [(&str, Keys); 5] = [
    ("Startup", Keys::AllBut(&["NoVerifyCertChain", "NoVerifyCertHostname"])),
    ("Logging", Keys::AllBut(&["Levels"])),
    ("Monitoring", Keys::AllBut(&[])),
    ("Network", Keys::Only(&["ConsoleUser", "ConsolePass", "ConsoleAllowedOrigin"])),
    ("FastCGI", Keys::Only(&["SocketMode", "MaxConnections"])),
];

enum Keys {
    AllBut(&'static [&'static str]),
    Only(&'static [&'static str]),
}

impl Keys {
    fn contain(&self, key: &str) -> bool {
        match self {
            Self::AllBut(others) => !others.contains(&key),
            Self::Only(keys) => keys.contains(&key),
        }
    }
}

impl Running {
    /// Reads the configuration again and applies it. Gives what was done, for people; the log has it too.
    ///
    /// # Errors
    /// The configuration has mistakes, a connector cannot be loaded, or an address is taken. The old one stays in force, whole.
    pub async fn reload(&mut self) -> Result<Vec<String>> {
        tracing::info!("[RELOAD]: reading the configuration again");
        let outcome = self.try_to_reload().await;
        match &outcome {
            Ok(done) => done.iter().for_each(|line| tracing::info!("[RELOAD]: {line}")),
            Err(error) => tracing::error!("[RELOAD]: {error:#}"),
        }
        outcome
    }

    async fn try_to_reload(&mut self) -> Result<Vec<String>> {
        let source = self.source.clone();
        // A configuration can be at an address, and then takes its time.
        let (configuration, plan) = tokio::task::spawn_blocking(move || read(&*source)).await??;
        let levels = Levels::read(&plan.logging.levels)?;
        let before = self.ports();
        self.apply(Arc::new(plan), None).await.context("the configuration cannot be applied; the old one stays")?;
        self.log.set_levels(levels)?;
        let old = self.view.configuration();
        self.view.show_configuration(configuration);
        Ok(report(&before, &self.ports(), &at_next_start(&old, &self.view.configuration())))
    }

    /// Builds what a plan wants and is not there, with the plugin `anew` from its file again, and puts it in place of what is there.
    async fn apply(&mut self, plan: Arc<Plan>, anew: Option<&str>) -> Result<()> {
        let built = self.modules.build(&plan, &self.page, anew).await;
        let prepared = match built.failed.as_slice() {
            [] => self.prepare(&plan, built, None),
            failed => {
                let failed = failed.iter().map(|connector| format!("{} cannot be loaded: {}", connector.text, connector.reason));
                Err(anyhow!("{}", failed.collect::<Vec<_>>().join("; ")))
            }
        };
        match prepared {
            Ok(prepared) => {
                self.put_in_place(prepared);
                self.plan = plan;
                Ok(())
            }
            Err(error) => {
                for database in self.modules.reject().await {
                    database.close().await;
                }
                Err(error)
            }
        }
    }

    /// Loads a plugin from its file again (plugins.md section 5.7), and lets the new instance answer what the old one did. The
    /// configuration that is in force stays so.
    ///
    /// # Errors
    /// There is no such plugin, or the new one is refused. The old one goes on.
    pub async fn reload_plugin(&mut self, name: &str) -> Result<Vec<String>> {
        tracing::info!("[RELOAD]: loading the plugin {name} again");
        let outcome = self.try_to_reload_plugin(name).await;
        match &outcome {
            Ok(done) => done.iter().for_each(|line| tracing::info!("[RELOAD]: {line}")),
            Err(error) => tracing::error!("[RELOAD]: {error:#}"),
        }
        outcome
    }

    async fn try_to_reload_plugin(&mut self, name: &str) -> Result<Vec<String>> {
        if !self.modules.has_plugin(name) {
            bail!("there is no plugin {name} in use; what was refused, `config reload` tries again");
        }
        self.apply(self.plan.clone(), Some(name)).await.context("the plugin cannot be replaced; the old one goes on")?;
        Ok(vec![format!("the plugin {name} was loaded again and answers")])
    }

    fn ports(&self) -> Vec<String> {
        let http = self.listeners.http.iter().map(|listener| format!("port {}", listener.port));
        http.chain(self.listeners.fastcgi.iter().map(|listener| format!("FastCGI on {}", listener.address))).collect()
    }
}

/// The configuration and its plan.
///
/// # Errors
/// It has mistakes; all of them are in the message.
fn read(source: &(dyn Fn() -> Result<Configuration, Vec<Problem>> + Send + Sync)) -> Result<(Configuration, Plan)> {
    let (outcome, problems) = match source() {
        Ok(configuration) => {
            let (plan, problems) = wiring::plan(&configuration);
            (plan.map(|plan| (configuration, plan)), problems)
        }
        Err(problems) => (None, problems),
    };
    log_problems(&problems);
    let mistakes: Vec<String> = problems.iter().filter(|problem| problem.is_error()).map(Problem::to_string).collect();
    if !mistakes.is_empty() {
        bail!("the configuration has mistakes, so the old one stays: {}", mistakes.join("; "));
    }
    outcome.context("the configuration cannot be used; the old one stays")
}

/// Keys with another value, which only the next start of the program reads.
fn at_next_start(old: &[ConfigSection], new: &[ConfigSection]) -> Vec<String> {
    let mut changed = Vec::new();
    for (name, keys) in &AT_START {
        let entries = |sections: &[ConfigSection]| -> Vec<(String, String)> {
            let section = sections.iter().find(|(section, _)| section == name);
            section.into_iter().flat_map(|(_, entries)| entries).filter(|(key, _)| keys.contain(key)).cloned().collect()
        };
        let (old, new) = (entries(old), entries(new));
        let differing = new.iter().filter(|entry| !old.contains(entry)).map(|(key, _)| key);
        let removed = old.iter().filter(|(key, _)| !new.iter().any(|(other, _)| other == key)).map(|(key, _)| key);
        changed.extend(differing.chain(removed).map(|key| format!("[{name}] {key}")));
    }
    changed
}

fn report(before: &[String], now: &[String], at_next_start: &[String]) -> Vec<String> {
    let mut lines = vec!["the configuration was read again and is in force".to_owned()];
    let missing = |from: &[String], in_: &[String]| -> Vec<String> {
        from.iter().filter(|listener| !in_.contains(listener)).cloned().collect()
    };
    let (opened, closed) = (missing(now, before), missing(before, now));
    if !opened.is_empty() {
        lines.push(format!("listening now also: {}", opened.join(", ")));
    }
    if !closed.is_empty() {
        lines.push(format!("listening no more: {}", closed.join(", ")));
    }
    if !at_next_start.is_empty() {
        lines.push(format!("only the next start of the program changes: {}", at_next_start.join(", ")));
    }
    lines
}
