//! Applying a changed configuration to the running program.
//!
//! The new configuration is read, checked and built beside the running one, which serves meanwhile. Only when all of it has succeeded do
//! new requests go to the new connectors, in one step for each listener. Whatever is wrong, nothing has changed; but what was not loaded
//! before either, and still cannot be, is no reason to refuse the rest.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use gridshell_config::{Configuration, Problem};

use crate::console::{ConfigSection, Shell};
use crate::logging::Levels;
use crate::program::{Running, log_problems};
use crate::wiring::{self, FailedConnector, FailedEntry, Plan};

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
    /// The configuration has mistakes, a connector that was loaded or is new cannot be loaded, or an address is taken. The old one stays in
    /// force, whole.
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
        let (source, not_loaded) = (self.source.clone(), self.not_loaded());
        // A configuration can be at an address, and then takes its time.
        let (configuration, plan) = tokio::task::spawn_blocking(move || read(&*source, &not_loaded)).await??;
        let levels = Levels::read(&plan.logging.levels)?;
        let before = self.ports();
        self.apply(Arc::new(plan), None).await.context("the configuration cannot be applied; the old one stays")?;
        self.log.set_levels(levels)?;
        let old = self.view.configuration();
        self.view.show_configuration(configuration);
        let mut lines = report(&before, &self.ports(), &at_next_start(&old, &self.view.configuration()));
        let still = self.plan.failed.iter().map(|entry| (&entry.text, entry.reason()));
        let still = still.chain(self.modules.failed().iter().map(|connector| (&connector.text, connector.reason.clone())));
        lines.extend(still.map(|(text, reason)| format!("still not loaded: {text}: {reason}")));
        Ok(lines)
    }

    /// The entries of the list in force that could not be loaded.
    fn not_loaded(&self) -> Vec<String> {
        let planned = self.plan.failed.iter().map(|entry| entry.text.clone());
        planned.chain(self.modules.failed().iter().map(|connector| connector.text.clone())).collect()
    }

    /// Builds what a plan wants and is not there, with the plugin `anew` from its file again, and puts it in place of what is there.
    async fn apply(&mut self, plan: Arc<Plan>, anew: Option<&str>) -> Result<()> {
        let built = self.modules.build(&plan, &self.page, anew).await;
        let obstacles = match anew.and_then(|plugin| self.modules.plugins().refusal(plugin)) {
            Some(refusal) => vec![refusal.to_owned()],
            None => obstacles(&plan.failed, &built.failed, &built.missing_required, &self.not_loaded()),
        };
        let prepared = match obstacles.as_slice() {
            [] => self.prepare(&plan, built, None),
            obstacles => Err(anyhow!("{}", obstacles.join("; "))),
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
        if !self.modules.plugins().has(name) {
            bail!("there is no plugin {name} in use; what was refused, `config reload` tries again");
        }
        self.apply(self.plan.clone(), Some(name)).await.context("the plugin cannot be replaced; the old one goes on")?;
        let versions = self.modules.plugins().versions(name).map(|versions| format!("; {versions}")).unwrap_or_default();
        Ok(vec![format!("the plugin {name} was loaded again and answers{versions}")])
    }

    fn ports(&self) -> Vec<String> {
        let http = self.listeners.http.iter().map(|listener| format!("port {}", listener.port));
        http.chain(self.listeners.fastcgi.iter().map(|listener| format!("FastCGI on {}", listener.address))).collect()
    }
}

/// Why a configuration cannot be applied, though it was planned and built: what could not be loaded of it, unless that was `not_loaded` before
/// either.
fn obstacles(planned: &[FailedEntry], built: &[FailedConnector], missing: &[String], not_loaded: &[String]) -> Vec<String> {
    let planned = planned.iter().map(|entry| (entry.text.as_str(), entry.reason()));
    let built = built.iter().map(|connector| (connector.text.as_str(), connector.reason.clone()));
    let failed = newly_failed(planned.chain(built), not_loaded, |(text, _)| text);
    let failed = failed.into_iter().map(|(text, reason)| format!("{text} cannot be loaded: {reason}"));
    failed.chain(missing.iter().cloned()).collect()
}

/// Those of the entries that cannot be loaded which were not among these before. An entry is the same when it is written in the same way,
/// wherever it stands; of one that is there twice, as many as before.
fn newly_failed<T>(failed: impl Iterator<Item = T>, not_loaded: &[String], text: impl Fn(&T) -> &str) -> Vec<T> {
    let mut known: Vec<&String> = not_loaded.iter().collect();
    let is_new = |entry: &T| match known.iter().position(|known| *known == text(entry)) {
        Some(at) => {
            known.swap_remove(at);
            false
        }
        None => true,
    };
    failed.filter(is_new).collect()
}

/// The configuration and its plan. Mistakes in entries of the list that were `not_loaded` before either are no reason to refuse it.
///
/// # Errors
/// It has other mistakes; all of them are in the message.
fn read(
    source: &(dyn Fn() -> Result<Configuration, Vec<Problem>> + Send + Sync),
    not_loaded: &[String],
) -> Result<(Configuration, Plan)> {
    let (outcome, problems) = match source() {
        Ok(configuration) => {
            let (plan, problems) = wiring::plan(&configuration);
            (plan.map(|plan| (configuration, plan)), problems)
        }
        Err(problems) => (None, problems),
    };
    log_problems(&problems);
    let failed = outcome.as_ref().map_or(&[][..], |(_, plan)| &plan.failed);
    let is_of_an_entry = |problem: &Problem| failed.iter().any(|entry| entry.problems.contains(problem));
    let mistakes: Vec<&Problem> = problems.iter().filter(|problem| problem.is_error()).collect();
    let are_elsewhere = mistakes.iter().any(|problem| !is_of_an_entry(problem));
    if are_elsewhere || !newly_failed(failed.iter(), not_loaded, |entry| &entry.text).is_empty() {
        let mistakes: Vec<String> = mistakes.into_iter().map(Problem::to_string).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_was_not_loaded_before_either_is_none_that_has_failed_now() {
        let not_loaded = ["asset", "8003/libx.so:test", "asset"].map(str::to_owned);
        let newly = |failed: &[&'static str]| newly_failed(failed.iter().copied(), &not_loaded, |text| text);
        assert!(newly(&[]).is_empty());
        assert!(newly(&["8003/libx.so:test", "asset", "asset"]).is_empty(), "in any order");
        assert_eq!(newly(&["asset", "asset", "asset"]), ["asset"], "one of them was loaded");
        assert_eq!(newly(&["8004/libx.so:test", "asset", "8003/libx.so:test"]), ["8004/libx.so:test"]);
    }
}
