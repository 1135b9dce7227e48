//! The admin listener, for whoever watches the program: `/healthz`, `/readyz` and Prometheus `/metrics`. It is on loopback unless
//! the operator says otherwise, and none of the original's ports knows these paths.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result};
use gridshell_connectors::upstream::{GroupState, Standing, UpstreamGroup};
use gridshell_services::database::Database;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::plugins::Plugin;

/// Upper bounds of the latency histograms, in seconds.
const BUCKETS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Recorded samples are folded into the histograms this often, so that they do not pile up when nobody asks for them.
const UPKEEP: Duration = Duration::from_secs(1);

/// Makes the process's metrics recorder. To be called once, before anything registers a metric.
///
/// # Errors
/// Another recorder is installed already.
pub fn install_metrics() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder().context("cannot install the metrics")?;
    let build = metrics::gauge!("gridshell_build_info", "version" => env!("CARGO_PKG_VERSION"));
    build.set(1.0);
    Ok(handle)
}

/// A running admin listener, and the upkeep of the metrics.
pub struct Admin {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    server: ServerHandle,
    state: Arc<State>,
}

struct State {
    metrics: PrometheusHandle,
    watched: RwLock<Arc<Watched>>,
}

/// What the program needs to do its work.
#[derive(Default)]
pub struct Watched {
    /// All of them have to answer. Their names appear in what is told.
    pub databases: Vec<(String, Database)>,
    /// Of each at least one member must be usable.
    pub upstreams: Vec<Arc<UpstreamGroup>>,
    /// All of them have to be usable. Their requests under way are measured when somebody asks for the metrics.
    pub plugins: Vec<Arc<Plugin>>,
    /// Connectors that could not be loaded: with one of them the program is never ready.
    pub failed: Vec<String>,
}

impl State {
    fn watched(&self) -> Arc<Watched> {
        self.watched.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Admin {
    /// Binds and serves. What makes the program ready, [`Admin::watch`] tells.
    ///
    /// # Errors
    /// An address is taken or not permitted.
    pub fn start(addresses: &[SocketAddr], metrics: PrometheusHandle) -> io::Result<Self> {
        let state = Arc::new(State { metrics, watched: RwLock::default() });
        let data = web::Data::from(state.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route("/healthz", web::get().to(healthz))
                .route("/readyz", web::get().to(readyz))
                .route("/metrics", web::get().to(render))
        });
        let server = server.workers(1).disable_signals().shutdown_timeout(1).bind(addresses)?.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { addresses: addresses.to_vec(), server: handle, state })
    }

    /// From now on the program is ready when these are well.
    pub fn watch(&self, watched: Watched) {
        *self.state.watched.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(watched);
    }

    /// Stops listening.
    pub async fn stop(self) {
        self.server.stop(true).await;
    }
}

/// Folds samples into histograms for as long as the program runs.
pub async fn keep_up(metrics: PrometheusHandle) {
    let mut interval = tokio::time::interval(UPKEEP);
    loop {
        interval.tick().await;
        metrics.run_upkeep();
    }
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok\n")
}

async fn readyz(state: web::Data<State>) -> HttpResponse {
    let mut report = String::new();
    let mut ready = true;
    let watched = state.watched();
    for (name, database) in &watched.databases {
        match database.ping().await {
            Ok(()) => report.push_str(&format!("{name}: ok\n")),
            Err(error) => {
                ready = false;
                tracing::warn!(database = name, %error, "not ready: a database does not answer");
                report.push_str(&format!("{name}: does not answer\n"));
            }
        }
    }
    for group in watched.upstreams.iter().map(|group| group.state()) {
        let name = &group.name;
        if is_usable(&group) {
            report.push_str(&format!("upstreams of {name}: ok\n"));
        } else {
            ready = false;
            tracing::warn!(group = name, "not ready: no upstream of a group can be used");
            report.push_str(&format!("upstreams of {name}: none can be used\n"));
        }
    }
    for plugin in &watched.plugins {
        let (name, state) = (plugin.name(), plugin.state());
        if plugin.is_usable() {
            report.push_str(&format!("plugin {name}: ok\n"));
        } else {
            ready = false;
            tracing::warn!(plugin = name, state, "not ready: a plugin cannot be used");
            report.push_str(&format!("plugin {name}: {state}\n"));
        }
    }
    for connector in &watched.failed {
        ready = false;
        report.push_str(&format!("{connector}: could not be loaded\n"));
    }
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.content_type("text/plain").body(if ready { format!("ready\n{report}") } else { report })
}

/// Whether a request has somewhere to go.
fn is_usable(group: &GroupState) -> bool {
    group.members.iter().any(|member| matches!(member.standing, Standing::Healthy | Standing::Trial))
}

async fn render(state: web::Data<State>) -> HttpResponse {
    let watched = state.watched();
    for plugin in &watched.plugins {
        plugin.measure();
    }
    for (name, database) in &watched.databases {
        let pool = database.pool_state();
        for (state, connections) in [("in_use", pool.in_use), ("idle", pool.idle)] {
            metrics::gauge!("gridshell_database_connections", "database" => name.clone(), "state" => state)
                .set(connections as f64);
        }
    }
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(state.metrics.render())
}
