//! What the console sees of the program, and how the console is reached over HTTP.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use async_trait::async_trait;
use gridshell_config::Configuration;
use gridshell_connectors::http::{Handler, HeaderName, HeaderValue, Request, Response, Router, StatusCode};
use jiff::Zoned;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::console::{ConfigSection, HttpDirection, LogLevel, RestConsole, RestReply, Shell, Statistic};
use crate::listening::Listeners;
use crate::logging::Log;
use crate::process;
use crate::request_log::RequestLog;

/// What somebody wants to be read again.
pub struct ReloadRequest {
    /// This plugin; none is the configuration.
    pub plugin: Option<String>,
    /// Where the answer is waited for.
    pub answer: oneshot::Sender<Result<Vec<String>>>,
}

/// The running program, as the console's commands see it.
pub struct ShellView {
    configuration: Mutex<Configuration>,
    log: Arc<Log>,
    request_log: Arc<RequestLog>,
    server_stats: bool,
    started_at: Zoned,
    stop: Arc<Notify>,
    reload: mpsc::Sender<ReloadRequest>,
    listeners: Mutex<Listeners>,
}

impl ShellView {
    /// A view; `stop` is notified when the console asks for the end of the program, `reload` gets its requests for a reload.
    pub fn new(
        configuration: Configuration,
        log: Arc<Log>,
        request_log: Arc<RequestLog>,
        server_stats: bool,
        stop: Arc<Notify>,
        reload: mpsc::Sender<ReloadRequest>,
    ) -> Self {
        Self {
            configuration: Mutex::new(configuration),
            log,
            request_log,
            server_stats,
            started_at: Zoned::now(),
            stop,
            reload,
            listeners: Mutex::default(),
        }
    }

    /// Shows these listeners from now on.
    pub fn show_listeners(&self, listeners: Listeners) {
        *self.listeners.lock().unwrap_or_else(PoisonError::into_inner) = listeners;
    }

    /// Shows this configuration from now on.
    pub fn show_configuration(&self, configuration: Configuration) {
        *self.configuration.lock().unwrap_or_else(PoisonError::into_inner) = configuration;
    }

    async fn ask_for_reload(&self, plugin: Option<String>) -> Result<Vec<String>> {
        const STOPPING: &str = "the program is stopping";
        let (answer, answered) = oneshot::channel();
        // The sender's error has the request in it, which says nothing to people.
        self.reload.send(ReloadRequest { plugin, answer }).await.ok().context(STOPPING)?;
        answered.await.context(STOPPING)?
    }

    fn listeners(&self) -> Listeners {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Shell for ShellView {
    fn version(&self) -> String {
        format!("gridshell {}", env!("CARGO_PKG_VERSION"))
    }

    fn now(&self) -> Zoned {
        Zoned::now()
    }

    fn started_at(&self) -> Zoned {
        self.started_at.clone()
    }

    fn log_level(&self) -> LogLevel {
        self.log.console_level()
    }

    fn set_log_level(&self, level: LogLevel) -> Result<()> {
        self.log.set_console_level(level)
    }

    fn configuration(&self) -> Vec<ConfigSection> {
        let configuration = self.configuration.lock().unwrap_or_else(PoisonError::into_inner);
        let sections = configuration.sections().map(|section| {
            let entries = section.entries().map(|entry| (entry.key.clone(), entry.value.clone()));
            (section.name.clone(), entries.collect())
        });
        sections.collect()
    }

    fn config_set(&self, section: &str, key: &str, value: &str) {
        self.configuration.lock().unwrap_or_else(PoisonError::into_inner).set(section, key, value);
    }

    fn config_save(&self, path: &Path) -> Result<()> {
        let (text, problems) = self.configuration.lock().unwrap_or_else(PoisonError::into_inner).to_ini();
        for problem in problems {
            tracing::warn!("[CONFIG]: {problem}");
        }
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    async fn reload(&self) -> Result<Vec<String>> {
        self.ask_for_reload(None).await
    }

    async fn reload_plugin(&self, plugin: &str) -> Result<Vec<String>> {
        self.ask_for_reload(Some(plugin.to_owned())).await
    }

    fn http_handlers(&self) -> String {
        let mut text = String::new();
        let listeners = self.listeners();
        for listener in &listeners.http {
            text.push_str(&format!("Registered HTTP Handlers for server at {}:{}\n", listener.address, listener.port));
            text.push_str(&listener.answerer().handlers());
        }
        for listener in &listeners.fastcgi {
            let (address, answerer) = (&listener.address, listener.answerer());
            text.push_str(&format!("Registered HTTP Handlers for FastCGI at {address} (port {})\n", answerer.port));
            text.push_str(&answerer.handlers());
        }
        text
    }

    fn statistics(&self) -> Vec<Statistic> {
        let listeners = self.listeners();
        let http = listeners.http.iter().map(|listener| Statistic {
            category: "httpserver".to_owned(),
            container: listener.port.to_string(),
            name: "HTTPRequestsServed".to_owned(),
            value: listener.answerer().requests_served() as f64,
            unit: String::new(),
        });
        let fastcgi = listeners.fastcgi.iter().map(|listener| Statistic {
            category: "fastcgi".to_owned(),
            container: listener.address.to_string(),
            name: "FastCGIRequestsServed".to_owned(),
            value: listener.answerer().requests_served() as f64,
            unit: String::new(),
        });
        let process = if self.server_stats { process::statistics() } else { Vec::new() };
        http.chain(fastcgi).chain(process).collect()
    }

    fn http_debug_level(&self, direction: HttpDirection) -> u8 {
        self.request_log.level(direction)
    }

    fn set_http_debug_level(&self, direction: HttpDirection, level: u8) {
        self.request_log.set_level(direction, level);
    }

    fn request_stop(&self) {
        self.stop.notify_one();
    }
}

/// The REST console as a connector (shell.md section 9).
pub struct RestConsoleConnector {
    console: Arc<RestConsole>,
}

impl RestConsoleConnector {
    /// Registers the console's paths.
    pub fn register(console: Arc<RestConsole>, router: &mut Router) {
        let connector = Arc::new(Self { console });
        for path in ["/StartSession", "/ReadResponses", "/SessionCommand", "/CloseSession"] {
            router.legacy(path, connector.clone());
        }
    }
}

#[async_trait]
impl Handler for RestConsoleConnector {
    fn name(&self) -> &'static str {
        "console"
    }

    fn operations(&self) -> &'static [&'static str] {
        &["request"]
    }

    fn may_be_slow(&self) -> bool {
        // Polls are held for 25 seconds when there is nothing to say.
        true
    }

    async fn handle(&self, request: &Request) -> Response {
        let response = match self.console.handle(&request.path, &request.body).await {
            RestReply::NotFoundPage => Response::not_found_page(),
            RestReply::Answer(answer) => {
                let mut response = Response::ok(answer.content_type, answer.body);
                response.status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                for (name, value) in answer.headers {
                    match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                        (Ok(name), Ok(value)) => {
                            response.headers.insert(name, value);
                        }
                        _ => tracing::warn!(header = name, "[Network] ConsoleAllowedOrigin cannot be sent as a header"),
                    }
                }
                response
            }
        };
        response.for_operation("request")
    }
}
