//! The running shell: start in the original's order (shell.md section 1), serve, stop in good order (section 12).

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use gridshell_config::{Configuration, Problem};
use gridshell_connectors::http::Router;
use gridshell_connectors::upstream::UpstreamGroup;
use gridshell_services::database::Database;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::admin::{self, Admin};
use crate::answering::Limits;
use crate::console::commands::{
    AssetCommandOptions, register_asset_commands, register_baked_texture_commands, register_inventory_commands,
    register_library_commands, register_name2key_commands, register_shell_commands, register_upstream_commands,
};
use crate::console::{Console, ConsoleKind, ConsoleOptions, HistoryOptions, RestOptions, RestTimes, Shell};
use crate::fastcgi::{Address, DescriptorZero, FastCgiListener, FastCgiOptions, NoSocket};
use crate::listener::{Listener, ListenerOptions};
use crate::logging::Log;
use crate::process::PidFile;
use crate::request_log::RequestLog;
use crate::settings::NetworkOptions;
use crate::shell_view::{Listeners, RestConsoleConnector, ShellView};
use crate::tls;
use crate::wiring::{self, Built, ConnectorKind, Plan};

/// The page of 404 answers when there is no file http_404.html (transport.md section 2.2).
const NOT_FOUND_PAGE: &str = "<HTML><HEAD><TITLE>404 Page not found</TITLE><BODY><BR /><H1>Ooops!</H1><P>The page you requested has \
                              been obsconded with by knomes. Find hippos quick!</P></BODY></HTML>";

/// Runs the shell until it is told to stop.
///
/// # Errors
/// The program cannot start at all: `[Network]` or `[Startup]` are unusable, or a port is taken. A connector that cannot be loaded
/// is no such reason.
pub fn run(configuration: Configuration) -> Result<()> {
    let (plan, problems) = wiring::plan(&configuration);
    let Some(plan) = plan else {
        crate::report(&problems);
        bail!("cannot start with this configuration; the errors are above");
    };
    // Services keep their connections and timers on this runtime; each listener's workers have their own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("services").enable_all().build()?;
    let outcome = runtime.block_on(start(configuration, plan, problems));
    // A console thread that waits for a key must not keep the program.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// Starts the log and the console, and runs everything else with them: what goes wrong from then on is in the log too.
async fn start(configuration: Configuration, plan: Plan, problems: Vec<Problem>) -> Result<()> {
    let metrics = admin::install_metrics()?;
    let log = Arc::new(Log::start(&plan.logging, &plan.startup.log_file, &plan.startup.stats_log_file)?);
    // Before the console, which must not read from a listening socket.
    let is_given = plan.fastcgi.listeners.iter().any(|(_, address)| *address == Address::DescriptorZero);
    let given = is_given.then(DescriptorZero::take).transpose();
    let console = Console::open(console_options(&plan, &configuration)?).context("cannot open the console")?;
    let handle = console.handle();
    log.show_on(handle.clone());
    let outcome = serve(configuration, plan, problems, metrics, log.clone(), console, given).await;
    if let Err(error) = &outcome {
        tracing::error!("[SERVER]: {error:#}");
    }
    handle.flush().await;
    outcome
}

async fn serve(
    configuration: Configuration,
    plan: Plan,
    problems: Vec<Problem>,
    metrics: PrometheusHandle,
    log: Arc<Log>,
    console: Console,
    given: Result<Option<DescriptorZero>, NoSocket>,
) -> Result<()> {
    let started = Instant::now();
    let given = given?;
    tracing::info!("[SERVER BASE]: Starting in {}", std::env::current_dir().unwrap_or_default().display());
    tracing::info!("[SERVER BASE]: gridshell version: {}", env!("CARGO_PKG_VERSION"));
    for problem in &problems {
        if problem.is_error() {
            tracing::error!("[CONFIG]: {problem}");
        } else {
            tracing::warn!("[CONFIG]: {problem}");
        }
    }
    let pid_file = plan.startup.pid_file.as_deref().filter(|path| !path.is_empty()).and_then(PidFile::write);
    let stop = Arc::new(Notify::new());
    let mut stop_request = StopRequest::listen(stop.clone())?;
    let request_log = Arc::new(RequestLog::default());
    let server_stats = plan.monitoring.server_stats;
    let view = Arc::new(ShellView::new(configuration, log.clone(), request_log.clone(), server_stats, stop.clone()));
    register_shell_commands(console.commands(), &(view.clone() as Arc<dyn Shell>));

    let page = fs::read("http_404.html").unwrap_or_else(|_| NOT_FOUND_PAGE.into());
    let page: Bytes = page.into();
    let mut built = tokio::select! {
        built = wiring::build(&plan, &page) => built,
        // A database that does not answer yet is waited for, which must not make the program deaf.
        () = stop_request.received() => {
            tracing::info!("[CONSOLE] Quitting");
            return Ok(());
        }
    };
    if let Some(rest) = console.rest() {
        let port = Some(plan.network.console_port).filter(|port| *port != 0).unwrap_or(plan.network.port);
        let router = built.routers.entry(port).or_insert_with(|| Router::new(page.clone()));
        RestConsoleConnector::register(rest.clone(), router);
    }
    register_service_commands(&console, &mut built);
    let Built { routers, databases, needed_upstreams, .. } = built;
    let listeners = Arc::new(listen(&plan, routers, &page, &request_log, given)?);
    view.show_listeners(listeners.clone());
    let admin = start_admin(&plan, metrics.clone(), &databases, needed_upstreams)?;
    let upkeep = tokio::spawn(admin::keep_up(metrics));
    say_ready(&plan, &listeners, started);

    let handle = console.handle();
    let console = tokio::spawn(async move { console.run(view.as_ref()).await });
    stop_request.received().await;

    tracing::info!("[CONSOLE] Quitting");
    // Polls of the REST console are held for long; they are answered now so that their listener can stop.
    handle.stop();
    let http = futures_util::future::join_all(listeners.http.iter().map(Listener::stop));
    let fastcgi = futures_util::future::join_all(listeners.fastcgi.iter().map(FastCgiListener::stop));
    futures_util::future::join(http, fastcgi).await;
    if let Some(admin) = admin {
        admin.stop().await;
    }
    for (_, database) in databases {
        database.close().await;
    }
    upkeep.abort();
    drop(pid_file);
    // The console ends by itself at its next prompt; a command that is running is given up with the program.
    console.abort();
    Ok(())
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

fn register_service_commands(console: &Console, built: &mut Built) {
    register_upstream_commands(console.commands(), built.upstreams.clone());
    for assets in &built.assets {
        let cache = assets.cache.clone();
        let options = AssetCommandOptions {
            service: assets.service.clone(),
            deleted: Arc::new(move |id| cache.forget(id)),
            dump_folder: ".".into(),
        };
        register_asset_commands(console.commands(), options);
    }
    for service in &built.baked_textures {
        register_baked_texture_commands(console.commands(), service.clone());
    }
    for service in built.inventories.drain(..) {
        register_inventory_commands(console.commands(), service);
    }
    for service in &built.name2keys {
        register_name2key_commands(console.commands(), service.clone());
    }
    if let Some(library) = &built.library {
        register_library_commands(console.commands(), library.clone());
    }
}

/// Starts all listeners: over HTTP one for each port that a connector names, the main one, and the one of `https_listener`; over
/// FastCGI those of `[FastCGI]`. `given` is the socket that was descriptor 0.
fn listen(
    plan: &Plan,
    mut routers: BTreeMap<u16, Router>,
    not_found_page: &Bytes,
    request_log: &Arc<RequestLog>,
    given: Option<DescriptorZero>,
) -> Result<Listeners> {
    let fastcgi_ports = plan.fastcgi.listeners.iter().map(|(port, _)| *port);
    for port in fastcgi_ports.chain(plan.network.https_listener.then_some(plan.network.https_port)) {
        routers.entry(port).or_insert_with(|| Router::new(not_found_page.clone()));
    }
    let routers: BTreeMap<u16, Arc<Router>> = routers.into_iter().map(|(port, router)| (port, Arc::new(router))).collect();
    let http_routers = routers.iter().filter(|(port, _)| !plan.fastcgi.only_ports.contains(port));
    let http = listen_http(&plan.network, http_routers.map(|(port, router)| (*port, router.clone())).collect(), request_log)?;
    let fastcgi = listen_fastcgi(plan, &routers, request_log, given)?;
    Ok(Listeners { http, fastcgi })
}

fn listen_http(
    network: &NetworkOptions,
    routers: BTreeMap<u16, Arc<Router>>,
    request_log: &Arc<RequestLog>,
) -> Result<Vec<Listener>> {
    let additional = network.https_listener.then_some(network.https_port);
    let speaks_tls =
        |port: u16| network.https_main && port == network.port || additional == Some(port) && !network.https_external;
    let tls = match routers.keys().any(|port| speaks_tls(*port)) {
        true => Some(tls::server_config(&network.cert_path, network.cert_pass.expose())?),
        false => None,
    };
    let mut listeners = Vec::new();
    for (port, router) in routers {
        warn_if_open(network, port, &router);
        let options = ListenerOptions {
            addresses: network.addresses.0.clone(),
            port,
            tls: tls.clone().filter(|_| speaks_tls(port)),
            workers: workers(network),
            limits: limits(network),
            trusted_proxies: network.trusted_proxies.0.clone(),
        };
        tracing::info!("[BASE HTTP SERVER]: Starting HTTP server on port {port}");
        let listener = Listener::start(options, router, request_log.clone()).with_context(|| {
            format!("[BASE HTTP SERVER]: port {port} cannot be used. Is another program on it, or does it need more permission?")
        })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn listen_fastcgi(
    plan: &Plan,
    routers: &BTreeMap<u16, Arc<Router>>,
    request_log: &Arc<RequestLog>,
    mut given: Option<DescriptorZero>,
) -> Result<Vec<FastCgiListener>> {
    let mut listeners = Vec::new();
    for (port, address) in &plan.fastcgi.listeners {
        if let Address::Tcp(address) = address
            && !address.ip().is_loopback()
        {
            tracing::warn!(
                "[SECURITY]: WHOEVER REACHES {address} speaks FastCGI with port {port} and can pass for any client. Keep all but the web \
                 server away by a firewall, or use a Unix socket"
            );
        }
        let router = routers.get(port).with_context(|| format!("[FastCGI] Listeners: there is no port {port}"))?;
        let options = FastCgiOptions {
            port: *port,
            address: address.clone(),
            mode: plan.fastcgi.mode,
            max_connections: plan.fastcgi.max_connections,
            workers: workers(&plan.network),
            limits: limits(&plan.network),
            trusted_proxies: plan.network.trusted_proxies.0.clone(),
        };
        tracing::info!("[FASTCGI]: Starting FastCGI on {address} for port {port}");
        let given = if *address == Address::DescriptorZero { given.take() } else { None };
        let listener = FastCgiListener::start(options, router.clone(), request_log.clone(), given)
            .with_context(|| format!("[FastCGI] Listeners: cannot listen on {address}"))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Private connectors have no protection of their own (shell.md section 13); where more than this machine reaches one, the operator
/// should know.
fn warn_if_open(network: &NetworkOptions, port: u16, router: &Router) {
    let reachable = network.addresses.0.iter().any(|address| !address.is_loopback());
    let unprotected = router.unprotected();
    if reachable && !unprotected.is_empty() {
        tracing::warn!(
            "[SECURITY]: WHOEVER REACHES PORT {port} can read and store everything: {} asks for no credentials and the port is open to \
             other machines. Keep others away by a firewall, by [Network] BindAddresses, or by AuthType = BasicHttpAuthentication",
            unprotected.join(", ")
        );
    }
}

fn workers(network: &NetworkOptions) -> usize {
    match network.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

fn limits(network: &NetworkOptions) -> Limits {
    Limits {
        body: network.max_body,
        target: network.max_target,
        header_name: network.max_header_name,
        header_value: network.max_header_value,
        requests_per_connection: network.max_requests_per_connection,
        backlog: network.backlog,
        connections_per_worker: network.max_connections_per_worker,
        head_time: Duration::from_secs(network.head_timeout),
        request_time: Duration::from_secs(network.request_timeout),
        response_time: Duration::from_secs(network.response_timeout),
        idle_time: Duration::from_secs(network.idle_timeout),
        stop_time: Duration::from_secs(network.stop_timeout),
    }
}

/// The admin listener. A port that the operator did not choose may be taken by another shell on the machine; that is no reason to
/// stop.
fn start_admin(
    plan: &Plan,
    metrics: PrometheusHandle,
    databases: &[(String, Database)],
    upstreams: Vec<Arc<UpstreamGroup>>,
) -> Result<Option<Admin>> {
    if plan.admin.port == 0 {
        return Ok(None);
    }
    let addresses: Vec<_> = plan.admin.addresses.0.iter().map(|address| SocketAddr::new(*address, plan.admin.port)).collect();
    match Admin::start(&addresses, metrics, databases.to_vec(), upstreams) {
        Ok(admin) => {
            tracing::info!("[ADMIN]: /healthz, /readyz and /metrics on port {}", plan.admin.port);
            Ok(Some(admin))
        }
        Err(error) if plan.admin_port_is_chosen => {
            Err(error).with_context(|| format!("[Admin] Port: cannot listen on {addresses:?}"))
        }
        Err(error) => {
            tracing::warn!(%error, "[ADMIN]: no /metrics: port {} cannot be used; [Admin] Port chooses another", plan.admin.port);
            Ok(None)
        }
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
        tracing::info!("[SERVER]: FastCGI on {} serves {}", listener.address, names(listener.port));
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
