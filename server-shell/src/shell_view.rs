//! What the console sees of the program, and how the console is reached over HTTP.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result};
use async_trait::async_trait;
use gridshell_config::Configuration;
use gridshell_connectors::http::{Handler, HeaderName, HeaderValue, Request, Response, Router, StatusCode};
use jiff::Zoned;
use tokio::sync::Notify;

use crate::console::{ConfigSection, HttpDirection, LogLevel, RestConsole, RestReply, Shell, Statistic};
use crate::fastcgi::FastCgiListener;
use crate::listener::Listener;
use crate::logging::Log;
use crate::process;
use crate::request_log::RequestLog;

/// All running listeners.
#[derive(Default)]
pub struct Listeners {
    /// Over HTTP.
    pub http: Vec<Listener>,
    /// Over FastCGI.
    pub fastcgi: Vec<FastCgiListener>,
}

/// The running program, as the console's commands see it.
pub struct ShellView {
    configuration: Mutex<Configuration>,
    log: Arc<Log>,
    request_log: Arc<RequestLog>,
    server_stats: bool,
    started_at: Zoned,
    stop: Arc<Notify>,
    /// Set once all listeners run.
    listeners: OnceLock<Arc<Listeners>>,
}

impl ShellView {
    /// A view; `stop` is notified when the console asks for the end of the program.
    pub fn new(
        configuration: Configuration,
        log: Arc<Log>,
        request_log: Arc<RequestLog>,
        server_stats: bool,
        stop: Arc<Notify>,
    ) -> Self {
        Self {
            configuration: Mutex::new(configuration),
            log,
            request_log,
            server_stats,
            started_at: Zoned::now(),
            stop,
            listeners: OnceLock::new(),
        }
    }

    /// Shows the listeners from now on.
    pub fn show_listeners(&self, listeners: Arc<Listeners>) {
        // Set once, at start.
        let _ = self.listeners.set(listeners);
    }

    fn http(&self) -> &[Listener] {
        self.listeners.get().map_or(&[], |listeners| &listeners.http)
    }

    fn fastcgi(&self) -> &[FastCgiListener] {
        self.listeners.get().map_or(&[], |listeners| &listeners.fastcgi)
    }
}

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

    fn http_handlers(&self) -> String {
        let mut text = String::new();
        for listener in self.http() {
            text.push_str(&format!("Registered HTTP Handlers for server at {}:{}\n", listener.address, listener.port));
            text.push_str(&listener.handlers());
        }
        for listener in self.fastcgi() {
            text.push_str(&format!("Registered HTTP Handlers for FastCGI at {} (port {})\n", listener.address, listener.port));
            text.push_str(&listener.handlers());
        }
        text
    }

    fn statistics(&self) -> Vec<Statistic> {
        let http = self.http().iter().map(|listener| Statistic {
            category: "httpserver".to_owned(),
            container: listener.port.to_string(),
            name: "HTTPRequestsServed".to_owned(),
            value: listener.requests_served() as f64,
            unit: String::new(),
        });
        let fastcgi = self.fastcgi().iter().map(|listener| Statistic {
            category: "fastcgi".to_owned(),
            container: listener.address.to_string(),
            name: "FastCGIRequestsServed".to_owned(),
            value: listener.requests_served() as f64,
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
