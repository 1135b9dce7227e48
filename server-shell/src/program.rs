//! The running shell: start in the original's order (shell.md section 1), serve, stop in good order (section 12).

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use gridshell_config::{Configuration, Problem};
use gridshell_connectors::http::Router;
use gridshell_services::database::Database;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::admin::{self, Admin, Watched};
use crate::console::commands::{
    AssetCommandOptions, register_asset_cache_commands, register_asset_commands, register_baked_texture_commands,
    register_inventory_commands, register_library_commands, register_name2key_commands, register_plugin_commands,
    register_shell_commands, register_upstream_commands,
};
use crate::console::{Commands, Console, ConsoleKind, ConsoleOptions, HistoryOptions, RestOptions, RestTimes, Shell};
use crate::fastcgi::{Address, DescriptorZero};
use crate::listening::{Listeners, Opened};
use crate::logging::Log;
use crate::process::PidFile;
use crate::request_log::RequestLog;
use crate::shell_view::{ReloadRequest, RestConsoleConnector, ShellView};
use crate::wiring::{self, Built, ConnectorKind, Modules, Plan};

/// The page of 404 answers when there is no file http_404.html (transport.md section 2.2).
const NOT_FOUND_PAGE: &str = "<HTML><HEAD><TITLE>404 Page not found</TITLE><BODY><BR /><H1>Ooops!</H1><P>The page you requested has \
                              been obsconded with by knomes. Find hippos quick!</P></BODY></HTML>";

/// Reads the configuration, again at each call.
pub type Source = Arc<dyn Fn() -> Result<Configuration, Vec<Problem>> + Send + Sync>;

/// Runs the shell until it is told to stop. `configuration` is what `source` has given.
///
/// # Errors
/// The program cannot start at all: `[Network]` or `[Startup]` are unusable, or a port is taken. A connector that cannot be loaded
/// is no such reason.
pub fn run(configuration: Configuration, source: Source) -> Result<()> {
    let (plan, problems) = wiring::plan(&configuration);
    let Some(plan) = plan else {
        crate::report(&problems);
        bail!("cannot start with this configuration; the errors are above");
    };
    // Services keep their connections and timers on this runtime; each listener's workers have their own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("services").enable_all().build()?;
    let outcome = runtime.block_on(start(configuration, source, plan, problems));
    // A console thread that waits for a key must not keep the program.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// Starts the log and the console, and runs everything else with them: what goes wrong from then on is in the log too.
async fn start(configuration: Configuration, source: Source, plan: Plan, problems: Vec<Problem>) -> Result<()> {
    let metrics = admin::install_metrics()?;
    let log = Arc::new(Log::start(&plan.logging, &plan.startup.log_file, &plan.startup.stats_log_file)?);
    // Before the console, which must not read from a listening socket.
    let is_given = plan.fastcgi.listeners.iter().any(|(_, address)| *address == Address::DescriptorZero);
    let given = is_given.then(DescriptorZero::take).transpose();
    let console = Console::open(console_options(&plan, &configuration)?).context("cannot open the console")?;
    let handle = console.handle();
    log.show_on(handle.clone());
    let outcome = match given {
        Ok(given) => serve(configuration, source, plan, problems, metrics, log.clone(), console, given).await,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = &outcome {
        tracing::error!("[SERVER]: {error:#}");
    }
    handle.flush().await;
    outcome
}

#[expect(clippy::too_many_arguments, reason = "what was made before the log began, each thing once")]
async fn serve(
    configuration: Configuration,
    source: Source,
    plan: Plan,
    problems: Vec<Problem>,
    metrics: PrometheusHandle,
    log: Arc<Log>,
    console: Console,
    given: Option<DescriptorZero>,
) -> Result<()> {
    let started = Instant::now();
    tracing::info!("[SERVER BASE]: Starting in {}", std::env::current_dir().unwrap_or_default().display());
    tracing::info!("[SERVER BASE]: gridshell version: {}", env!("CARGO_PKG_VERSION"));
    log_problems(&problems);
    let pid_file = plan.startup.pid_file.as_deref().filter(|path| !path.is_empty()).and_then(PidFile::write);
    let stop = Arc::new(Notify::new());
    let mut stop_request = StopRequest::listen(stop.clone())?;
    let (ask_for_reload, mut reload_asked) = mpsc::channel(1);
    let mut hang_up = HangUp::listen()?;
    let request_log = Arc::new(RequestLog::default());
    let server_stats = plan.monitoring.server_stats;
    let view =
        Arc::new(ShellView::new(configuration, log.clone(), request_log.clone(), server_stats, stop.clone(), ask_for_reload));
    register_shell_commands(console.commands(), &(view.clone() as Arc<dyn Shell>));
    let console = Arc::new(console);

    let page = fs::read("http_404.html").unwrap_or_else(|_| NOT_FOUND_PAGE.into());
    let mut running = Running {
        source,
        page: page.into(),
        metrics: metrics.clone(),
        log,
        request_log,
        view: view.clone(),
        console: console.clone(),
        modules: Modules::default(),
        plan: Arc::new(plan),
        databases: Vec::new(),
        listeners: Listeners::default(),
        admin: None,
        retiring: JoinSet::new(),
    };
    tokio::select! {
        begun = running.begin(given) => begun?,
        // A database that does not answer yet is waited for, which must not make the program deaf.
        () = stop_request.received() => {
            tracing::info!("[CONSOLE] Quitting");
            running.modules.stop().await;
            return Ok(());
        }
    }
    let upkeep = tokio::spawn(admin::keep_up(metrics));
    say_ready(&running.plan, &running.listeners, started);

    let handle = console.handle();
    let console = tokio::spawn(async move { console.run(view.as_ref()).await });
    loop {
        let asked = tokio::select! {
            () = stop_request.received() => break,
            () = hang_up.received() => None,
            Some(asked) = reload_asked.recv() => Some(asked),
        };
        tokio::select! {
            () = running.reload_for(asked) => {}
            () = stop_request.received() => break,
        }
    }

    tracing::info!("[CONSOLE] Quitting");
    // Polls of the REST console are held for long; they are answered now so that their listener can stop.
    handle.stop();
    running.stop().await;
    upkeep.abort();
    drop(pid_file);
    // The console ends by itself at its next prompt; a command that is running is given up with the program.
    console.abort();
    Ok(())
}

/// The program while it serves.
pub struct Running {
    pub(crate) source: Source,
    pub(crate) page: Bytes,
    pub(crate) log: Arc<Log>,
    pub(crate) view: Arc<ShellView>,
    pub(crate) modules: Modules,
    /// What is in force.
    pub(crate) plan: Arc<Plan>,
    pub(crate) listeners: Listeners,
    metrics: PrometheusHandle,
    request_log: Arc<RequestLog>,
    console: Arc<Console>,
    databases: Vec<(String, Database)>,
    admin: Option<Admin>,
    /// What a changed configuration does not want any more, while requests under way are answered.
    retiring: JoinSet<()>,
}

/// Everything that can fail has been done for this configuration.
pub struct Prepared {
    built: Built,
    opened: Opened,
    admin: PreparedAdmin,
}

/// The admin listener of a configuration.
enum PreparedAdmin {
    /// It stays.
    Same,
    /// Another one, or none.
    Other(Option<Admin>),
}

impl Running {
    async fn begin(&mut self, given: Option<DescriptorZero>) -> Result<()> {
        let plan = self.plan.clone();
        wiring::remove_old_copies(&plan).await;
        let built = self.modules.build(&plan, &self.page, None).await;
        if !built.missing_required.is_empty() {
            bail!("cannot start without a plugin whose section has Required = true: {}", built.missing_required.join("; "));
        }
        let prepared = self.prepare(&plan, built, given)?;
        self.put_in_place(prepared);
        Ok(())
    }

    /// Opens the listeners of a plan, beside those that there are.
    ///
    /// # Errors
    /// An address is taken or not permitted. Nothing has changed then.
    pub fn prepare(&mut self, plan: &Plan, mut built: Built, given: Option<DescriptorZero>) -> Result<Prepared> {
        if let Some(rest) = self.console.rest() {
            let port = Some(plan.network.console_port).filter(|port| *port != 0).unwrap_or(plan.network.port);
            let router = built.routers.entry(port).or_insert_with(|| Router::new(self.page.clone()));
            RestConsoleConnector::register(rest.clone(), router);
        }
        let routers = std::mem::take(&mut built.routers);
        let opened = Opened::open(plan, routers, &self.page, &self.request_log, given, &self.listeners)?;
        match self.prepare_admin(plan) {
            Ok(admin) => Ok(Prepared { built, opened, admin }),
            Err(error) => {
                opened.give_up(&self.listeners);
                Err(error)
            }
        }
    }

    /// From now on the program is what was prepared. What it does not want any more ends when the last request that has it is answered.
    pub fn put_in_place(&mut self, prepared: Prepared) {
        let Prepared { mut built, opened, admin } = prepared;
        let (listeners, replaced) = opened.switch(&self.listeners);
        self.listeners = listeners;
        self.view.show_listeners(self.listeners.clone());
        let old_databases = self.modules.accept(std::mem::take(&mut built.services), built.failed.clone());
        self.databases = built.databases.clone();
        let old_admin = match admin {
            PreparedAdmin::Same => None,
            PreparedAdmin::Other(admin) => std::mem::replace(&mut self.admin, admin),
        };
        if let Some(admin) = &self.admin {
            let (databases, upstreams) = (built.databases.clone(), built.needed_upstreams.clone());
            let failed = built.failed.iter().map(|connector| connector.text.clone()).collect();
            let plugins = built.plugins.current.clone();
            admin.watch(Watched { databases, upstreams, plugins, failed });
        }
        self.console.commands().replace_services(|commands| register_service_commands(commands, built, &self.view));
        self.retiring.spawn(async move {
            if let Some(admin) = old_admin {
                admin.stop().await;
            }
            replaced.end().await;
            for database in old_databases {
                database.close().await;
            }
        });
    }

    /// The admin listener. A port that the operator did not choose may be taken by another shell on the machine; that is no reason to
    /// stop.
    fn prepare_admin(&self, plan: &Plan) -> Result<PreparedAdmin> {
        let addresses = plan.admin.socket_addresses();
        match &self.admin {
            Some(admin) if admin.addresses == addresses => return Ok(PreparedAdmin::Same),
            _ if addresses.is_empty() => return Ok(PreparedAdmin::Other(None)),
            _ => {}
        }
        match Admin::start(&addresses, self.metrics.clone()) {
            Ok(admin) => {
                tracing::info!("[ADMIN]: /healthz, /readyz and /metrics on port {}", plan.admin.port);
                Ok(PreparedAdmin::Other(Some(admin)))
            }
            Err(error) if plan.admin_port_is_chosen => {
                Err(error).with_context(|| format!("[Admin] Port: cannot listen on {addresses:?}"))
            }
            Err(error) => {
                tracing::warn!(%error, "[ADMIN]: no /metrics: port {} cannot be used; [Admin] Port chooses another", plan.admin.port);
                Ok(PreparedAdmin::Other(None))
            }
        }
    }

    /// Reloads, and tells who has asked for it, when somebody waits for the answer.
    async fn reload_for(&mut self, asked: Option<ReloadRequest>) {
        let outcome = match asked.as_ref().and_then(|asked| asked.plugin.as_deref()) {
            Some(plugin) => self.reload_plugin(plugin).await,
            None => self.reload().await,
        };
        if let Some(asked) = asked {
            // Whoever has asked may be gone; the log has it too.
            let _ = asked.answer.send(outcome);
        }
    }

    async fn stop(mut self) {
        self.listeners.stop().await;
        if let Some(admin) = self.admin {
            admin.stop().await;
        }
        while self.retiring.join_next().await.is_some() {}
        self.modules.stop().await;
        for (_, database) in self.databases {
            database.close().await;
        }
    }
}

/// Says what is wrong with a configuration.
pub fn log_problems(problems: &[Problem]) {
    for problem in problems {
        if problem.is_error() {
            tracing::error!("[CONFIG]: {problem}");
        } else {
            tracing::warn!("[CONFIG]: {problem}");
        }
    }
}

fn console_options(plan: &Plan, configuration: &Configuration) -> Result<ConsoleOptions> {
    let startup = &plan.startup;
    let Some(kind) = ConsoleKind::from_name(&startup.console) else {
        bail!("[Startup] console: there is no kind {:?}; there are local, basic, rest and none", startup.console);
    };
    let history = startup.history_enabled.then(|| HistoryOptions {
        path: startup.history_file.clone().into(),
        lines: startup.history_lines,
        time_stamps: startup.history_time_stamp,
    });
    let rest = RestOptions {
        user: plan.network.console_user.clone(),
        pass: plan.network.console_pass.expose().to_owned(),
        allowed_origin: plan.network.console_allowed_origin.clone(),
    };
    // The command line's prompt is a key of its own, and weaker than the file's (shell.md section 2).
    let prompt = match (configuration.get("Startup", "Prompt"), configuration.get("Startup", "prompt")) {
        (None, Some(entry)) => entry.value.clone(),
        _ => startup.prompt.clone(),
    };
    Ok(ConsoleOptions { kind, prompt, history, rest, rest_times: RestTimes::default() })
}

fn register_service_commands(commands: &Commands, built: Built, view: &Arc<ShellView>) {
    register_upstream_commands(commands, built.upstreams);
    register_asset_cache_commands(commands, &built.assets);
    register_plugin_commands(commands, built.plugins, view.clone());
    for assets in built.assets {
        let cache = assets.cache;
        let options = AssetCommandOptions {
            service: assets.service,
            deleted: Arc::new(move |id| cache.forget(id)),
            dump_folder: ".".into(),
        };
        register_asset_commands(commands, options);
    }
    for service in built.baked_textures {
        register_baked_texture_commands(commands, service);
    }
    for service in built.inventories {
        register_inventory_commands(commands, service);
    }
    for service in built.name2keys {
        register_name2key_commands(commands, service);
    }
    if let Some(library) = built.library {
        register_library_commands(commands, library);
    }
}

/// Says what listens where and how to try it.
fn say_ready(plan: &Plan, listeners: &Listeners, started: Instant) {
    let host = match plan.network.addresses.0.first() {
        Some(address) if !address.is_unspecified() => address.to_string(),
        _ => "127.0.0.1".to_owned(),
    };
    let names = |port: u16| {
        let on_port = plan.connectors.iter().filter(|connector| connector.port == port);
        let names: Vec<_> = on_port.map(|connector| connector.name.as_str()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    for listener in &listeners.http {
        tracing::info!("[SERVER]: port {} serves {}", listener.port, names(listener.port));
    }
    for listener in &listeners.fastcgi {
        tracing::info!("[SERVER]: FastCGI on {} serves {}", listener.address, names(listener.answerer().port));
    }
    let asset_port = plan.connectors.iter().find(|connector| matches!(connector.kind, ConnectorKind::Asset(_))).map(|it| it.port);
    if let Some(port) = asset_port.filter(|port| !plan.fastcgi.only_ports.contains(port)) {
        tracing::info!(
            "[SERVER]: try it: curl -i http://{host}:{port}/assets/11111111-2222-3333-4444-555555555555 (404 until an asset of this id \
             is stored; README.md shows how)"
        );
    }
    tracing::info!("[SERVER]: ready after {} ms", started.elapsed().as_millis());
}

/// What ends the program: SIGTERM, SIGINT or the console's `quit`.
struct StopRequest {
    terminated: Signal,
    interrupted: Signal,
    console: Arc<Notify>,
}

impl StopRequest {
    /// From now on the signals no longer end the process by themselves.
    fn listen(console: Arc<Notify>) -> Result<Self> {
        let terminated = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let interrupted = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        Ok(Self { terminated, interrupted, console })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminated.recv() => {}
            _ = self.interrupted.recv() => {}
            () = self.console.notified() => {}
        }
    }
}

/// SIGHUP, which asks for a reload.
struct HangUp(Signal);

impl HangUp {
    /// From now on the signal no longer ends the process.
    fn listen() -> Result<Self> {
        Ok(Self(signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?))
    }

    async fn received(&mut self) {
        self.0.recv().await;
    }
}
