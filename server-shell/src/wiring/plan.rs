//! The planning step: reads and checks the configuration, and collects what is wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gridshell_config::{Configuration, ConnectorEntry, ModuleName, Problem, Reader, Severity, WrongEntry, connector_entries};
use gridshell_connectors::http::ServiceAuthentication;
use gridshell_services::library::LibraryOptions;

use super::asset::{AssetConnectorPlan, AssetServicePlan};
use super::asset_keeping::KnownAssetKeeping;
use super::baked_texture::BakedTextureServicePlan;
use super::fastcgi::{FastCgiPlan, plan_fastcgi};
use super::forward::ForwardPlan;
use super::inventory::InventoryServicePlan;
use super::name2key::Name2KeyConnectorPlan;
use super::plugin::{NamedPlugins, PluginService, is_plugin, plan_plugin_connector};
use crate::plugins::PluginPlan;
use crate::registry::{self, Build, Module, Role};
use crate::settings::{
    AdminOptions, AuthenticationOptions, CertificateOptions, LibraryServiceOptions, LoggingOptions, MonitoringOptions,
    NetworkOptions, StartupOptions,
};

/// What the program will do: everything read, nothing opened.
pub struct Plan {
    /// `[Startup]`.
    pub startup: StartupOptions,
    /// `[Network]`.
    pub network: NetworkOptions,
    /// `[FastCGI]`.
    pub fastcgi: FastCgiPlan,
    /// `[Logging]`.
    pub logging: LoggingOptions,
    /// `[Admin]`.
    pub admin: AdminOptions,
    /// Whether the operator chose the admin port, so that it has to be free.
    pub admin_port_is_chosen: bool,
    /// `[Monitoring]`.
    pub monitoring: MonitoringOptions,
    /// `[LibraryService]`, where there is such a section.
    pub library: Option<LibraryOptions>,
    /// The connectors, in the order of the list.
    pub connectors: Vec<ConnectorPlan>,
    /// Entries of the list that cannot be loaded.
    pub failed: Vec<FailedEntry>,
    /// The plugins that are named and can be used.
    pub plugins: Vec<PluginPlan>,
    /// Why other plugins cannot.
    pub refused_plugins: Vec<String>,
}

/// An entry of the list that cannot be loaded.
pub struct FailedEntry {
    /// The entry as it is written in the list.
    pub text: String,
    /// What is wrong with it, as far as no earlier entry has the same mistakes.
    pub problems: Vec<Problem>,
}

impl FailedEntry {
    /// What is wrong with it, for people.
    pub fn reason(&self) -> String {
        let problems: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        if problems.is_empty() { "for a reason that another entry has too".to_owned() } else { problems.join("; ") }
    }
}

/// One IN connector.
pub struct ConnectorPlan {
    /// Its name in the log: the class or, without one, the library (shell.md section 6.2).
    pub name: String,
    /// The entry as it is written in the list.
    pub text: String,
    /// The port it listens on.
    pub port: u16,
    /// What it checks before anything else.
    pub protection: Arc<ServiceAuthentication>,
    /// What it is.
    pub kind: ConnectorKind,
}

/// What an IN connector is, with all it needs.
pub enum ConnectorKind {
    /// `/assets`.
    Asset(AssetConnectorPlan),
    /// `/bakes`.
    BakedTexture(BakedTextureServicePlan),
    /// Paths that are passed on.
    Forward(ForwardPlan),
    /// `/xinventory`.
    Inventory(InventoryServicePlan),
    /// `/xname2key`, `/name2key` or a face on everything.
    Name2Key(Name2KeyConnectorPlan),
    /// The paths of a plugin.
    Plugin(PluginService),
}

impl ConnectorKind {
    /// What it answers on its port; empty for everything that no other connector answers.
    pub fn paths(&self) -> Vec<&str> {
        match self {
            Self::Asset(_) => vec!["/assets", "/get_assets_exist"],
            Self::BakedTexture(_) => vec!["/bakes"],
            Self::Forward(plan) => plan.paths(),
            Self::Inventory(_) => vec!["/xinventory"],
            Self::Name2Key(plan) => vec![plan.path()],
            // They are known when it runs.
            Self::Plugin(_) => Vec::new(),
        }
    }

    /// Whether it stands on a plugin.
    pub fn uses(&self, plugin: &str) -> bool {
        match self {
            Self::Asset(plan) => plan.plugin() == Some(plugin),
            Self::BakedTexture(_) | Self::Forward(_) => false,
            Self::Inventory(plan) => plan.plugin() == Some(plugin),
            Self::Name2Key(plan) => plan.plugins().any(|used| used == plugin),
            Self::Plugin(service) => service.plugin == plugin,
        }
    }
}

/// The state of planning, and what planning functions of modules use.
pub struct Planner<'a> {
    configuration: &'a Configuration,
    problems: Vec<Problem>,
    /// Set when what a connector needs exists in OpenSimulator but not here yet; said once, as a warning.
    not_yet: bool,
    /// The sizes of caches of assets in memory, in megabytes, each with the first section that has it and whose assets they are.
    pub(super) asset_caches: Vec<(String, AssetServicePlan, u64)>,
    /// What is kept of the assets of other shells, by whom.
    pub(super) asset_keeping: KnownAssetKeeping,
    /// What is known of the plugins that were named.
    pub(super) plugins: NamedPlugins,
}

/// Reads and checks the whole configuration. The plan is there unless the program cannot start at all; the problems are all there
/// are, errors and warnings, in the order of the configuration's reading.
pub fn plan(configuration: &Configuration) -> (Option<Plan>, Vec<Problem>) {
    let mut planner = Planner::new(configuration);
    let plan = planner.plan();
    planner.warn_of_unread_keys();
    (plan, planner.problems)
}

impl<'a> Planner<'a> {
    /// Nothing is planned yet.
    pub(super) fn new(configuration: &'a Configuration) -> Self {
        Planner {
            configuration,
            problems: configuration.warnings().to_vec(),
            not_yet: false,
            asset_caches: Vec::new(),
            asset_keeping: KnownAssetKeeping::default(),
            plugins: NamedPlugins::default(),
        }
    }

    /// All that was reported.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    fn plan(&mut self) -> Option<Plan> {
        let startup = self.read("Startup", StartupOptions::read);
        let logging = self.read("Logging", LoggingOptions::read);
        let admin = self.read("Admin", AdminOptions::read);
        let monitoring = self.read("Monitoring", MonitoringOptions::read);
        let library = self
            .configuration
            .section("LibraryService")
            .is_some()
            .then(|| self.read("LibraryService", LibraryServiceOptions::read));
        let network = self.plan_network();
        self.warn_of_certificates();
        let main_port = network.as_ref().map_or(0, |network| network.port);
        let (connectors, failed) = self.plan_connectors(main_port);
        let network = network?;
        if self.plugins.misses_required {
            return None;
        }
        let mut plugins = std::mem::take(&mut self.plugins);
        let fastcgi = plan_fastcgi(self, &network, &connectors);
        Some(Plan {
            startup: startup?,
            network,
            fastcgi: fastcgi?,
            logging: logging?,
            admin: admin?,
            admin_port_is_chosen: self.configuration.get("Admin", "Port").is_some(),
            monitoring: monitoring?,
            library: library
                .flatten()
                .map(|options| LibraryOptions { name: options.name, control_file: options.control_file.into() }),
            connectors,
            failed,
            refused_plugins: std::mem::take(&mut plugins.refused),
            plugins: plugins.into_plans(),
        })
    }

    fn plan_network(&mut self) -> Option<NetworkOptions> {
        if self.configuration.section("Network").is_none() {
            self.report(Problem::error("Section [Network] not found, server can't start; it needs at least a port"));
            return None;
        }
        let network = self.read("Network", |reader| {
            let network = NetworkOptions::read(reader)?;
            if network.port == 0 {
                reader.error("port", "No 'port' entry found in [Network], or it is 0. Server can't start");
            }
            if (network.https_main || network.https_listener && !network.https_external) && network.cert_path.is_empty() {
                reader.error("cert_path", "Path to X509 certificate is missing, server can't start");
            }
            if network.https_listener && network.https_port == network.port {
                reader.error(
                    "https_port",
                    format!("HTTP server for port {} already exists; https_port must be another", network.port),
                );
            }
            if network.addresses.0.is_empty() {
                reader.error("BindAddresses", "names no address to listen on, such as 0.0.0.0");
            }
            Some(network)
        });
        // Options of connectors that [Network] and [Startup] hold for all of them are checked even when no connector reads them.
        self.read("Network", AuthenticationOptions::read);
        self.read("Startup", CertificateOptions::read);
        network
    }

    /// The original can make a certificate that signs itself, at every start (shell.md section 7.4). Here certificates are made by
    /// the operator's tools; who has asked for one should know.
    fn warn_of_certificates(&mut self) {
        const KEY: &str = "EnableRobustSelfsignedCertSupport";
        if let Some(entry) = self.configuration.get("Startup", KEY)
            && entry.value.eq_ignore_ascii_case("true")
        {
            let message = "gridshell makes no certificates; make one with openssl, or get one from a CA, and name it in [Network] cert_path";
            let problem = Problem::warning(message).at(entry.origin.clone());
            self.report(problem.in_section("Startup").on_key(KEY));
        }
    }

    fn plan_connectors(&mut self, main_port: u16) -> (Vec<ConnectorPlan>, Vec<FailedEntry>) {
        let (entries, wrong) = connector_entries(self.configuration);
        self.problems.extend(wrong.iter().map(|wrong| wrong.problem.clone()));
        let wrong = wrong.into_iter().map(|WrongEntry { text, problem }| FailedEntry { text, problems: vec![problem] });
        let (mut connectors, mut failed) = (Vec::new(), wrong.collect::<Vec<_>>());
        for entry in entries {
            let before = self.problems.len();
            self.not_yet = false;
            let connector = self.plan_connector(&entry, main_port);
            let problems: Vec<Problem> = self.problems[before..].iter().filter(|problem| problem.is_error()).cloned().collect();
            match connector {
                Some(connector) if problems.is_empty() => connectors.push(connector),
                _ if self.not_yet && problems.is_empty() => {}
                _ => failed.push(FailedEntry { text: entry.text, problems }),
            }
        }
        self.warn_of_shared_paths(&connectors);
        (connectors, failed)
    }

    fn plan_connector(&mut self, entry: &ConnectorEntry, main_port: u16) -> Option<ConnectorPlan> {
        let (kind, section) = self.plan_kind(entry)?;
        let protection = self.plan_protection(&section);
        Some(ConnectorPlan {
            name: entry.friendly_name().to_owned(),
            text: entry.text.clone(),
            port: entry.port.unwrap_or(main_port),
            protection: protection?,
            kind: kind?,
        })
    }

    /// What the connector is, unless something is wrong with it, and the section that it reads.
    fn plan_kind(&mut self, entry: &ConnectorEntry) -> Option<(Option<ConnectorKind>, String)> {
        if is_plugin(&entry.library) {
            return plan_plugin_connector(self, entry).map(|(kind, section)| (Some(kind), section));
        }
        let module = match registry::find_connector(entry) {
            Ok(module) => module,
            Err(unknown) => {
                self.report(entry.problem(unknown_name("IN connector", &entry.text, unknown.nearest)));
                return None;
            }
        };
        let Build::InConnector(plan) = module.build else {
            let message = format!("{} does not exist in gridshell yet; the entry is skipped", entry.text);
            self.report(Problem { severity: Severity::Warning, ..entry.problem(message) });
            self.not_yet = true;
            return None;
        };
        let section = entry.config_name.clone().unwrap_or_else(|| module.sections[0].to_owned());
        if self.configuration.section(&section).is_none() {
            self.report(entry.problem(format!("{} reads the section [{section}], which is not there", entry.text)));
            return None;
        }
        Some((plan(self, &section), section))
    }

    /// The keys of transport.md section 11.1.
    fn plan_protection(&mut self, section: &str) -> Option<Arc<ServiceAuthentication>> {
        let options = self.read_authentication(section)?;
        let protection = if options.is_basic() {
            ServiceAuthentication::basic(options.allow_scripts, &options.user, options.password.expose())
        } else {
            ServiceAuthentication::none(options.allow_scripts)
        };
        // A public copy of a private connector says so in its own section (transport.md section 11.1).
        let public = self.configuration.get(section, "AuthType").is_some_and(|entry| entry.value == "None");
        let protection = if public { protection.on_purpose() } else { protection };
        Some(Arc::new(protection))
    }

    /// The keys of authentication, which IN connectors ask for and OUT connectors send (transport.md sections 11.1 and 11.4).
    pub fn read_authentication(&mut self, section: &str) -> Option<AuthenticationOptions> {
        let mut reader = Reader::new(self.configuration, section).with_fallback("Network");
        let options = AuthenticationOptions::read(&mut reader);
        self.finish(reader);
        let options = options?;
        if !options.is_basic() && !matches!(options.auth_type.as_str(), "None" | "") {
            let other = &options.auth_type;
            let message = format!("{other:?} is taken for None; the other one there is, is BasicHttpAuthentication");
            self.report(Problem::warning(message).in_section(section).on_key("AuthType"));
        }
        Some(options)
    }

    /// Reads options of a section; `None` when something is wrong with them, which is collected.
    pub fn read<T>(&mut self, section: &str, read: impl FnOnce(&mut Reader<'a>) -> Option<T>) -> Option<T> {
        let mut reader = Reader::new(self.configuration, section);
        let options = read(&mut reader);
        self.finish(reader).then_some(options).flatten()
    }

    /// The configuration itself, for a reader with fallbacks; to be ended by [`Planner::finish`].
    pub fn configuration(&self) -> &'a Configuration {
        self.configuration
    }

    /// Collects a reader's problems; true when there was none.
    pub fn finish(&mut self, reader: Reader<'a>) -> bool {
        match reader.finish() {
            Ok(()) => true,
            Err(problems) => {
                problems.into_iter().for_each(|problem| self.report(problem));
                false
            }
        }
    }

    /// A mistake in the value of a key.
    pub fn error(&mut self, section: &str, key: &str, message: String) {
        let mut reader = Reader::new(self.configuration, section);
        reader.error(key, message);
        self.finish(reader);
    }

    /// Something about a key that is worth a look and stops nothing.
    pub fn warn(&mut self, section: &str, key: &str, message: String) {
        let problem = Problem::warning(message).in_section(section).on_key(key);
        let origin = self.configuration.get(section, key).map(|entry| entry.origin.clone());
        self.report(if let Some(origin) = origin { problem.at(origin) } else { problem });
    }

    /// The module that an option names; `None` with a problem collected when there is none, or none yet.
    pub fn module(&mut self, role: Role, section: &str, key: &str, name: &ModuleName) -> Option<&'static Module> {
        match registry::find(role, name) {
            Ok(module) if matches!(module.build, Build::NotYet) => {
                self.warn(section, key, format!("{name} does not exist in gridshell yet; what needs it is skipped"));
                self.not_yet = true;
                None
            }
            Ok(module) => Some(module),
            Err(unknown) => {
                let what = match role {
                    Role::InConnector => "IN connector",
                    Role::Service => "service",
                    Role::StorageProvider => "storage provider",
                    Role::AssetLoader => "asset loader",
                };
                self.error(section, key, unknown_name(what, &name.to_string(), unknown.nearest));
                None
            }
        }
    }

    /// The section that a module reads: its argument (shell.md section 6.4), else that of who names it.
    pub fn section_of(&mut self, section: &str, key: &str, name: &ModuleName) -> Option<String> {
        let message = match name.arguments.as_slice() {
            [] => return Some(section.to_owned()),
            [own] if self.configuration.section(own).is_some() => return Some(own.clone()),
            [own] => format!("{name} reads the section [{own}], which is not there"),
            _ => format!("{name} has more arguments than the one section that it reads"),
        };
        self.error(section, key, message);
        None
    }

    /// Collects a problem, once.
    pub(super) fn report(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Two connectors with the same paths on one port: only the first answers (transport.md section 3.1), and those that pass requests on
    /// come last.
    fn warn_of_shared_paths(&mut self, connectors: &[ConnectorPlan]) {
        let mut seen: BTreeMap<(u16, &str), &ConnectorPlan> = BTreeMap::new();
        let passes = |connector: &ConnectorPlan| matches!(connector.kind, ConnectorKind::Forward(_));
        let (last, first): (Vec<_>, Vec<_>) = connectors.iter().partition(|connector| passes(connector));
        for connector in first.into_iter().chain(last) {
            for path in connector.kind.paths() {
                let Some(first) = seen.get(&(connector.port, path)) else {
                    seen.insert((connector.port, path), connector);
                    continue;
                };
                let why = if passes(connector) && !passes(first) { "answers it itself" } else { "is listed before it" };
                self.problems.push(Problem::warning(format!(
                    "{} answers nothing: on port {}, {} belongs to {}, which {why}",
                    connector.text,
                    connector.port,
                    if path.is_empty() { "/ (everything else)" } else { path },
                    first.text
                )));
            }
        }
    }

    /// A key that nobody reads does not stop anything, since real files are full of other programs' keys.
    fn warn_of_unread_keys(&mut self) {
        for problem in self.configuration.unread() {
            let section = problem.section.as_deref().unwrap_or_default();
            if !registry::accepts(section, problem.key.as_deref().unwrap_or_default()) {
                self.problems.push(problem);
            }
        }
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or(String::new(), |name| format!("; is {name} meant?"))
}

fn unknown_name(what: &str, text: &str, nearest: Option<&str>) -> String {
    format!("there is no {what} {text}{}", suggestion(nearest))
}
