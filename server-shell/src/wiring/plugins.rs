//! The plugins that exist: loading them, reloading them, and handing changed configurations to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use gridshell_connectors::http::Router;
use gridshell_connectors::transport::Transport;

use super::ConnectorPlan;
use super::plugin::PluginService;
use super::plugin_copies::copy;
use crate::plugins::{
    CheckedFile, LIBRARY_PATH, OwnServices, Plugin, PluginConnector, PluginLibrary, PluginPlan, PluginTransport, ProcessLimits,
    Refusal, Residents, Route, ServiceRouters, Step, Texts, check_file, run_beside,
};

/// How many versions of a plugin's code can be in the process: old code stays, and a plugin can be loaded anew 16 times (plugins.md section
/// 5.7).
const MOST_VERSIONS: usize = 1 + 16;

/// How long instances get to end when the program does.
const END_TIME: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// All plugins.
pub struct Plugins {
    residents: Residents,
    /// In force, by name.
    current: BTreeMap<String, Arc<Plugin>>,
    /// Why others of the configuration in force are not there, by name.
    refused: BTreeMap<String, String>,
    /// What the configuration that is being built has, with its plans.
    next: BTreeMap<String, Next>,
    shell: Arc<OwnServices>,
    /// The operator has been told of [`LIBRARY_PATH`].
    has_warned: bool,
}

/// A plugin of the configuration that is being built.
struct Next {
    plan: PluginPlan,
    outcome: Result<Arc<Plugin>, String>,
    /// What it was handed over has to be taken back when the configuration is given up.
    before: Option<Arc<Texts>>,
}

/// Plugins as the console shows them.
#[derive(Clone, Default)]
pub struct PluginsView {
    /// In force.
    pub current: Vec<Arc<Plugin>>,
    /// All code that is in the process, the oldest first.
    pub libraries: Vec<Arc<PluginLibrary>>,
    /// How many versions of their code are in the process, where it is more than one.
    pub versions: Vec<String>,
    /// Why others are not there.
    pub refused: Vec<String>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            residents: Residents::default(),
            current: BTreeMap::new(),
            refused: BTreeMap::new(),
            next: BTreeMap::new(),
            shell: Arc::new(OwnServices::none()),
            has_warned: false,
        }
    }
}

impl Plugins {
    /// Loads what a plan names and is not there yet, and hands changed sections over; or, for the plan that is in force, loads `anew` from its
    /// file again, and lets all others be. Gives the names of those that are others than before. What cannot be loaded is said, and left
    /// out.
    pub async fn build(&mut self, plans: &[PluginPlan], anew: Option<&str>) -> BTreeSet<String> {
        self.next.clear();
        let mut replaced = BTreeSet::new();
        for plan in plans {
            let mut before = None;
            let is_left_alone = anew.is_some_and(|anew| anew != plan.name);
            let outcome = match self.in_force(&plan.name).filter(|_| is_left_alone) {
                Some(outcome) => outcome,
                None => self.build_one(plan, anew == Some(plan.name.as_str()), &mut before).await.map_err(|error| {
                    tracing::error!("[PLUGINS]: {error:#}");
                    format!("{error:#}")
                }),
            };
            let is_same = |new: &Arc<Plugin>| self.current.get(&plan.name).is_some_and(|old| Arc::ptr_eq(old, new));
            if !outcome.as_ref().is_ok_and(is_same) {
                replaced.insert(plan.name.clone());
            }
            self.next.insert(plan.name.clone(), Next { plan: plan.clone(), outcome, before });
        }
        replaced
    }

    /// What became of a plugin of the configuration in force.
    fn in_force(&self, name: &str) -> Option<Result<Arc<Plugin>, String>> {
        let refused = || self.refused.get(name).cloned().map(Err);
        self.current.get(name).cloned().map(Ok).or_else(refused)
    }

    async fn build_one(&mut self, plan: &PluginPlan, anew: bool, before: &mut Option<Arc<Texts>>) -> Result<Arc<Plugin>> {
        if let Some(current) = self.current.get(&plan.name).cloned()
            && !anew
            && plan.file == current.plan().file
            && plan.sha256.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(&current.library.sha256))
        {
            let old = current.plan();
            if old.process != plan.process {
                let library = self.library(plan).await?;
                return self.start(library, plan).await;
            }
            if old.texts == plan.texts {
                return Ok(current);
            }
            if current.reconfigure(&plan.texts).await? {
                *before = Some(old.texts.clone());
                tracing::info!("[PLUGINS]: {} has taken its changed section over", plan.name);
                return Ok(current);
            }
            let library = current.library.clone();
            return self.start(library, plan).await;
        }
        let library = self.library(plan).await?;
        self.start(library, plan).await
    }

    async fn start(&self, library: Arc<PluginLibrary>, plan: &PluginPlan) -> Result<Arc<Plugin>> {
        let (plan, shell) = (plan.clone(), self.shell.clone());
        let plugin = tokio::task::spawn_blocking(move || Plugin::start(library, plan, shell)).await??;
        let Plugin { library, .. } = &plugin;
        let properties = &library.properties;
        let (version, services, hash) = (&properties.version, properties.services.join(", "), &library.sha256);
        tracing::info!("[PLUGINS]: {} {version} ({services}) runs; SHA-256 {hash}", library.file);
        Ok(Arc::new(plugin))
    }

    /// The plugin's code, as its file is now: what is in the process already, or loaded.
    async fn library(&mut self, plan: &PluginPlan) -> Result<Arc<PluginLibrary>> {
        let checked = {
            let plan = plan.clone();
            tokio::task::spawn_blocking(move || check_file(&plan.file, &plan.permission, plan.sha256.as_deref())).await??
        };
        self.residents.forget_ended();
        if let Some(limits) = plan.process {
            return self.library_apart(checked, limits, plan).await;
        }
        let here = || self.residents.of(&plan.name).filter(|library| !library.is_apart());
        if let Some(library) = here().find(|library| library.sha256 == checked.sha256) {
            return Ok(library.clone());
        }
        self.residents.check_history(&checked)?;
        self.warn_of_library_path();
        let checked = match self.residents.count(&plan.name) {
            0 => checked,
            count if count < MOST_VERSIONS => {
                let plan = plan.clone();
                tokio::task::spawn_blocking(move || copy(&checked, &plan)).await??
            }
            count => bail!(
                "{} was loaded {} times anew, and all that code is in memory still: restart the program",
                plan.file,
                count - 1
            ),
        };
        self.residents.check(&checked)?;
        let checked = if plan.is_probed { self.probe(checked).await? } else { checked };
        let (sha256, file) = (checked.sha256.clone(), plan.file.clone());
        let loaded = run_beside(&plan.name, plan.limits.start_time, move || PluginLibrary::load(checked)).await;
        let loaded = loaded.unwrap_or_else(|error| {
            // Its code may be in the process and still be doing something.
            Err(Refusal::new(&file, Step::Symbols, "loading", "that it ends", error))
        });
        Ok(self.residents.remember(sha256, loaded)?)
    }

    /// Step 6.
    async fn probe(&mut self, checked: CheckedFile) -> Result<CheckedFile> {
        self.residents.check_blocked(&checked, ProcessLimits::default())?;
        let probe = tokio::task::spawn_blocking(move || (PluginLibrary::probe(&checked), checked));
        let (outcome, checked) = probe.await?;
        if let Err(failure) = &outcome {
            self.residents.block(&checked.file, &checked.sha256, ProcessLimits::default(), failure);
        }
        outcome.map_err(|failure| failure.refusal)?;
        Ok(checked)
    }

    /// The system has read it when the program began. What was checked without it, in a process of its own, may find other libraries here.
    fn warn_of_library_path(&mut self) {
        if !self.has_warned && std::env::var_os(LIBRARY_PATH).is_some_and(|path| !path.is_empty()) {
            self.has_warned = true;
            tracing::warn!(
                "[PLUGINS]: {LIBRARY_PATH} is set, so plugins in the server's process may find libraries there; start the server without it"
            );
        }
    }

    /// The plugin's code in processes of its own: nothing of it stays in this one, so it can be loaded as often as it is changed.
    async fn library_apart(
        &mut self,
        checked: CheckedFile,
        limits: ProcessLimits,
        plan: &PluginPlan,
    ) -> Result<Arc<PluginLibrary>> {
        let is_same =
            |library: &&Arc<PluginLibrary>| library.sha256 == checked.sha256 && library.process_limits() == Some(limits);
        if let Some(library) = self.residents.of(&plan.name).find(is_same) {
            return Ok(library.clone());
        }
        self.residents.check_blocked(&checked, limits)?;
        let (file, sha256) = (checked.file.clone(), checked.sha256.clone());
        let load = tokio::task::spawn_blocking(move || PluginLibrary::load_apart(checked, limits));
        match load.await? {
            Ok(library) => Ok(self.residents.add_apart(library)),
            Err(failure) => {
                self.residents.block(&file, &sha256, limits, &failure);
                Err(failure.refusal.into())
            }
        }
    }

    /// A way to a service of a plugin. `fitting` is the service that is asked for where none is named.
    ///
    /// # Errors
    /// The plugin is not there, or has no such service.
    pub fn transport(&self, wanted: &PluginService, fitting: &str) -> Result<Arc<dyn Transport>> {
        let plugin = self.get(&wanted.plugin)?;
        let service = wanted.service.as_deref().unwrap_or(fitting).to_owned();
        check_service(&plugin, &service)?;
        Ok(Arc::new(PluginTransport::new(plugin, service)))
    }

    /// Registers the routes of a service that a plugin listens for. Gives the plugin's name and the routes.
    ///
    /// # Errors
    /// The plugin is not there, or has no such service, or no routes for it, or another connector has one of them.
    pub fn connect(
        &self,
        wanted: &PluginService,
        connector: &ConnectorPlan,
        router: &mut Router,
    ) -> Result<(&'static str, Vec<Route>)> {
        let plugin = self.get(&wanted.plugin)?;
        let service = match (&wanted.service, plugin.library.properties.services.as_slice()) {
            (Some(service), _) => service.clone(),
            (None, [only]) => only.clone(),
            (None, several) => {
                bail!("{} has several services; write {}:{}, or another", connector.text, connector.text, several[0])
            }
        };
        check_service(&plugin, &service)?;
        let name = plugin.name();
        Ok((name, PluginConnector::register(plugin, service, &connector.protection, connector.port, router)?))
    }

    fn get(&self, name: &str) -> Result<Arc<Plugin>> {
        let next = self.next.get(name).with_context(|| format!("the plugin {name} was not planned"))?;
        next.outcome.clone().map_err(|error| anyhow!(error))
    }

    /// The plugins that the program must not go on without, and cannot have.
    pub fn missing_required(&self) -> Vec<String> {
        let missing = self.next.values().filter(|next| next.plan.is_required);
        missing.filter_map(|next| next.outcome.as_ref().err()).cloned().collect()
    }

    /// Why a plugin of the configuration that was built is not there.
    pub fn refusal(&self, name: &str) -> Option<&str> {
        self.next.get(name)?.outcome.as_ref().err().map(String::as_str)
    }

    /// How many versions of a plugin's code are in the server's process, and how many may be, for people; `None` for a plugin that is not
    /// there.
    pub fn versions(&self, name: &str) -> Option<String> {
        self.current.get(name).and_then(|plugin| self.versions_of(plugin))
    }

    fn versions_of(&self, plugin: &Plugin) -> Option<String> {
        let count = self.residents.count(plugin.name());
        let are = if count == 1 { "is" } else { "are" };
        let text = || format!("{count} of at most {MOST_VERSIONS} versions of its code {are} in memory");
        (!plugin.library.is_apart()).then(text)
    }

    /// What the console shows, of the configuration that was built.
    pub fn view(&self, refused: &[String]) -> PluginsView {
        let outcomes = || self.next.values().map(|next| &next.outcome);
        let current: Vec<_> = outcomes().filter_map(|outcome| outcome.as_ref().ok()).cloned().collect();
        let several = current.iter().filter(|plugin| self.residents.count(plugin.name()) > 1);
        let versions = several.filter_map(|plugin| Some(format!("{}: {}", plugin.name(), self.versions_of(plugin)?)));
        PluginsView {
            versions: versions.collect(),
            current,
            libraries: self.residents.libraries.clone(),
            refused: refused.iter().chain(outcomes().filter_map(|outcome| outcome.as_ref().err())).cloned().collect(),
        }
    }

    /// Whether a plugin is in force.
    pub fn has(&self, name: &str) -> bool {
        self.current.contains_key(name)
    }

    /// What was built is in force. Plugins ask these services of the shell from now on.
    pub fn accept(&mut self, services: ServiceRouters) {
        let before = std::mem::take(&mut self.current);
        self.refused.clear();
        for (name, next) in std::mem::take(&mut self.next) {
            match next.outcome {
                Ok(plugin) => {
                    plugin.change_plan(next.plan);
                    self.current.insert(name, plugin);
                }
                Err(reason) => {
                    self.refused.insert(name, reason);
                }
            }
        }
        let is_old = |(name, old): &(String, Arc<Plugin>)| self.current.get(name).is_none_or(|new| !Arc::ptr_eq(old, new));
        before.into_iter().filter(is_old).for_each(|(_, old)| old.retire());
        self.shell.change(Some(services));
    }

    /// What was built is given up.
    pub async fn reject(&mut self) {
        for next in std::mem::take(&mut self.next).into_values() {
            let (Ok(plugin), Some(before)) = (next.outcome, next.before) else { continue };
            plugin.take_back(&before).await;
        }
    }

    /// Ends all plugins, and waits for that, but not for ever.
    pub async fn stop(&mut self) {
        self.shell.change(None);
        // A configuration that was being built.
        self.next.clear();
        self.current.values().for_each(|plugin| plugin.end());
        let deadline = Instant::now() + END_TIME;
        let lives = |library: &&Arc<PluginLibrary>| library.living.load(Ordering::Acquire) > 0;
        while self.residents.libraries.iter().any(|library| lives(&library)) {
            if Instant::now() > deadline {
                let names: Vec<_> = self.residents.libraries.iter().filter(lives).map(|library| library.name).collect();
                tracing::error!("[PLUGINS]: {} has not ended within {} s", names.join(", "), END_TIME.as_secs());
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn check_service(plugin: &Plugin, service: &str) -> Result<()> {
    let services = &plugin.library.properties.services;
    if !services.iter().any(|known| known == service) {
        bail!("the plugin {} has no service {service}; it has {}", plugin.name(), services.join(", "));
    }
    Ok(())
}
