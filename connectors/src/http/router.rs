//! Finds the connector for a request (transport.md section 2): the verb and the longest textual prefix decide, not segments.

use std::any::Any;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Method, StatusCode, header};
use metrics::{Counter, Histogram};

use super::{HTML, PassHandler, PassRoute, Request, Response, ServiceAuthentication, TEXT};
use crate::wire::{json_rpc, xml_rpc};

/// Requests that take longer are logged (transport.md section 2.3).
const SLOW: Duration = Duration::from_secs(3);

/// An IN connector: answers requests by calling its service.
#[async_trait]
pub trait Handler: Send + Sync {
    /// The connector's name in logs and metrics.
    fn name(&self) -> &'static str;

    /// All values that [`Response::operation`] takes in its answers.
    fn operations(&self) -> &'static [&'static str];

    /// Whether its answers may take long without anything being slow, as those that wait for events do.
    fn may_be_slow(&self) -> bool {
        false
    }

    /// Answers one request. Never fails: whatever goes wrong becomes an answer in the connector's own form.
    async fn handle(&self, request: &Request) -> Response;
}

/// All connectors of one listener.
pub struct Router {
    streams: Vec<Route>,
    variable: Vec<Route>,
    legacy: Vec<Route>,
    fallback: Option<Route>,
    /// Longest first.
    passing: Vec<PassRoute>,
    not_found_page: Bytes,
}

struct Route {
    /// The verb, of stream handlers only.
    method: Option<Method>,
    path: String,
    protection: Option<Arc<ServiceAuthentication>>,
    handler: Arc<dyn Handler>,
    metrics: Vec<OperationMetrics>,
}

impl Router {
    /// A router without connectors. `not_found_page` is the HTML body of 404 answers (transport.md section 2.2).
    pub fn new(not_found_page: Bytes) -> Self {
        let (streams, variable, legacy, passing) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { streams, variable, legacy, fallback: None, passing, not_found_page }
    }

    /// Registers a stream handler: this verb, and paths that begin with `path`. The first registration of a path wins.
    pub fn stream(
        &mut self,
        method: Method,
        path: &str,
        protection: Option<Arc<ServiceAuthentication>>,
        handler: Arc<dyn Handler>,
    ) {
        if !self.streams.iter().any(|route| route.method.as_ref() == Some(&method) && route.path == path) {
            self.streams.push(Route::new(Some(method), path, protection, handler));
            // Longest first, so that the first match is the longest.
            self.streams.sort_by_key(|route| std::cmp::Reverse(route.path.len()));
        }
    }

    /// Registers a simple handler with a variable path: any verb, paths whose first segment is `path` and that go on after it.
    pub fn variable(&mut self, path: &str, protection: Option<Arc<ServiceAuthentication>>, handler: Arc<dyn Handler>) {
        if !self.variable.iter().any(|route| route.path == path) {
            self.variable.push(Route::new(None, path, protection, handler));
        }
    }

    /// Registers a legacy handler: any verb, paths that begin with `path` in any letter case, after all other kinds.
    pub fn legacy(&mut self, path: &str, handler: Arc<dyn Handler>) {
        if !self.legacy.iter().any(|route| route.path.eq_ignore_ascii_case(path)) {
            self.legacy.push(Route::new(None, path, None, handler));
            self.legacy.sort_by_key(|route| std::cmp::Reverse(route.path.len()));
        }
    }

    /// Registers the handler of everything that no other connector of the port answers, in place of the answers at `/`, to `OPTIONS`
    /// and to unknown paths. The first registration wins. [`Request::rest`] gives it the whole path.
    pub fn fallback(&mut self, handler: Arc<dyn Handler>) {
        self.fallback.get_or_insert_with(|| Route::new(None, "", None, handler));
    }

    /// Registers a connector whose requests pass: any verb, paths that begin with `path`, `/` being everything that no other connector
    /// answers. Of all routes, connectors' too, the longest prefix wins, and among equals the connector that answers itself. The first
    /// registration of a path wins.
    pub fn pass(&mut self, path: &str, handler: Arc<dyn PassHandler>) {
        let path = path.trim_end_matches('/');
        if !self.passing.iter().any(|route| route.path == path) {
            self.passing.push(PassRoute::new(path, handler));
            self.passing.sort_by_key(|route| std::cmp::Reverse(route.path.len()));
        }
    }

    /// Whether requests of any path pass.
    pub fn has_passing(&self) -> bool {
        !self.passing.is_empty()
    }

    /// The route of a request that passes, whose body need not have been read; `None` for those that are dispatched.
    pub fn passing(&self, request: &Request) -> Option<&PassRoute> {
        let route = self.passing.iter().find(|route| route.path.is_empty() || route.is_prefix_of(&request.path))?;
        let found = self.find(request).map(|(found, _)| found).or(self.fallback.as_ref()).map(|found| found.path.len());
        found.is_none_or(|length| route.path.len() > length).then_some(route)
    }

    /// The connector that has this verb and beginning of a path, so that a stream handler for it would never be asked: one with the same,
    /// or one with a variable path around it.
    pub fn owner(&self, method: &Method, path: &str) -> Option<&'static str> {
        let is_around = |around: &str| path.strip_prefix(around).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let variable = self.variable.iter().find(|route| is_around(&route.path));
        let same = || self.streams.iter().find(|route| route.method.as_ref() == Some(method) && route.path == path);
        variable.or_else(same).map(|route| route.handler.name())
    }

    /// Names of the private connectors that answer whoever reaches the port (transport.md section 11.3).
    pub fn unprotected(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self
            .streams
            .iter()
            .chain(&self.variable)
            .filter(|route| route.protection.as_ref().is_some_and(|protection| protection.is_open()))
            .map(|route| route.handler.name())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Finds the connector and lets it answer. Never fails, and never panics: a panic of a connector is a 500.
    pub async fn dispatch(&self, mut request: Request) -> Response {
        let (route, content_type) = match (self.find(&request), &self.fallback) {
            (None, Some(fallback)) => (fallback, TEXT),
            _ if request.method == Method::OPTIONS => return preflight(),
            (None, None) if request.path == "/" => return at_root(&request),
            (None, None) => return self.not_found(&request),
            (Some(found), _) => found,
        };
        request.matched = route.path.len();
        if let Some(refusal) = route.protection.as_ref().and_then(|protection| protection.refuse(&request, content_type)) {
            tracing::debug!(connector = route.handler.name(), client = %request.client, status = refusal.status.as_u16(), "request refused");
            route.count("refused", &refusal, Duration::ZERO, 0);
            return refusal;
        }
        route.answer(&request, &self.not_found_page).await
    }

    fn find(&self, request: &Request) -> Option<(&Route, &'static str)> {
        let path = request.path.as_str();
        if let Some(second_slash) = path[1..].find('/').map(|at| at + 1)
            && second_slash + 1 < path.len()
            && let Some(route) = self.variable.iter().find(|route| route.path == path[..second_slash])
        {
            return Some((route, HTML));
        }
        if let Some(route) =
            self.streams.iter().find(|route| route.method.as_ref() == Some(&request.method) && path.starts_with(&route.path))
        {
            return Some((route, TEXT));
        }
        let legacy = self
            .legacy
            .iter()
            .find(|route| path.get(..route.path.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(&route.path)));
        legacy.filter(|_| !is_llsd(content_type(request))).map(|route| (route, HTML))
    }

    /// The fallback of transport.md section 2.1: what looks like a page is "not found", what looks like a service request gets 200
    /// and no body, which clients take for "no result".
    fn not_found(&self, request: &Request) -> Response {
        match content_type(request) {
            "" | "text/html" => not_found_page(&self.not_found_page),
            other if is_llsd(other) => Response::empty(StatusCode::NOT_FOUND, HTML),
            _ => Response::empty(StatusCode::OK, HTML),
        }
    }

    /// The registered handlers as the console's `show http-handlers` prints them (shell.md section 8.3), without the first line.
    pub fn handlers(&self) -> String {
        let mut text = String::new();
        let mut list = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                let _ = writeln!(text, "* {title} ({}):", lines.len());
                for line in lines {
                    let _ = writeln!(text, "\t{line}");
                }
            }
        };
        list("HTTP", self.legacy.iter().map(|route| route.path.clone()).collect());
        let streams = self.streams.iter().map(|route| match &route.method {
            Some(method) => format!("{method}:{}", route.path),
            None => route.path.clone(),
        });
        list("StreamHandlers", streams.collect());
        list("SimpleStreamHandlers", self.variable.iter().map(|route| format!("***:{}", route.path)).collect());
        let passing = self.passing.iter().map(|route| format!("***:{}/* {}", route.path, route.handler.name()));
        list("Passing", passing.collect());
        list("Fallback", self.fallback.iter().map(|route| route.handler.name().to_owned()).collect());
        text
    }
}

impl Route {
    fn new(
        method: Option<Method>,
        path: &str,
        protection: Option<Arc<ServiceAuthentication>>,
        handler: Arc<dyn Handler>,
    ) -> Self {
        let operations = handler.operations().iter().chain(&["refused", "panic"]);
        let metrics = operations.map(|operation| OperationMetrics::new(handler.name(), operation)).collect();
        Self { method, path: path.to_owned(), protection, handler, metrics }
    }

    async fn answer(&self, request: &Request, not_found: &Bytes) -> Response {
        let started = Instant::now();
        let (method, path) = (&request.method, &request.path);
        let answer = AssertUnwindSafe(self.handler.handle(request)).catch_unwind().await;
        let mut response = answer.unwrap_or_else(|panic| {
            let reason = panic_message(&*panic);
            tracing::error!(connector = self.handler.name(), %method, path, reason, "a connector panicked; answered 500");
            Response::empty(StatusCode::INTERNAL_SERVER_ERROR, HTML).for_operation("panic")
        });
        if response.status == StatusCode::NOT_FOUND && response.content_type == NOT_FOUND_PAGE {
            response = not_found_page(not_found).for_operation(response.operation);
        }
        let elapsed = started.elapsed();
        self.count(response.operation, &response, elapsed, request.body.len());
        if elapsed > SLOW && !self.handler.may_be_slow() {
            let elapsed_ms = elapsed.as_millis() as u64;
            tracing::warn!(connector = self.handler.name(), %method, path, elapsed_ms, "[BASE HTTP SERVER]: slow request");
        }
        response
    }

    fn count(&self, operation: &str, response: &Response, elapsed: Duration, received: usize) {
        if let Some(metrics) = self.metrics.iter().find(|metrics| metrics.operation == operation) {
            metrics.record(response, elapsed, received);
        }
    }
}

/// What a panic said.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied())
}

/// The handles of one operation's metrics, made once so that a request only adds to them.
pub(super) struct OperationMetrics {
    operation: &'static str,
    ok: Counter,
    client_error: Counter,
    server_error: Counter,
    seconds: Histogram,
    pub(super) received: Counter,
    pub(super) sent: Counter,
}

impl OperationMetrics {
    pub(super) fn new(connector: &'static str, operation: &'static str) -> Self {
        let requests = |result: &'static str| metrics::counter!("gridshell_requests_total", "connector" => connector, "method" => operation, "result" => result);
        Self {
            operation,
            ok: requests("ok"),
            client_error: requests("client_error"),
            server_error: requests("server_error"),
            seconds: metrics::histogram!("gridshell_request_seconds", "connector" => connector, "method" => operation),
            received: metrics::counter!("gridshell_received_bytes_total", "connector" => connector, "method" => operation),
            sent: metrics::counter!("gridshell_sent_bytes_total", "connector" => connector, "method" => operation),
        }
    }

    fn record(&self, response: &Response, elapsed: Duration, received: usize) {
        self.count(response, elapsed);
        if received > 0 {
            self.received.increment(received as u64);
        }
        self.sent.increment(response.body.length().unwrap_or(0));
    }

    /// Counts an answer, but no bytes.
    pub(super) fn count(&self, response: &Response, elapsed: Duration) {
        let result = match response.status.as_u16() {
            _ if response.failed => &self.server_error,
            500.. => &self.server_error,
            400.. => &self.client_error,
            _ => &self.ok,
        };
        result.increment(1);
        self.seconds.record(elapsed.as_secs_f64());
    }
}

/// Content type of the 404 page. A connector that answers 404 with this type gets the page as its body.
const NOT_FOUND_PAGE: &str = "text/html";

impl Response {
    /// The 404 page, for a path that does not exist though its beginning does (transport.md section 2.2).
    pub fn not_found_page() -> Self {
        Self::empty(StatusCode::NOT_FOUND, NOT_FOUND_PAGE)
    }
}

fn not_found_page(page: &Bytes) -> Response {
    Response { body: page.clone().into(), ..Response::not_found_page() }
}

fn content_type(request: &Request) -> &str {
    let text = request.header(header::CONTENT_TYPE).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

fn is_llsd(content_type: &str) -> bool {
    matches!(content_type, "application/llsd+xml" | "application/xml+llsd" | "application/llsd+json")
}

/// `OPTIONS` on any path (transport.md section 2.1).
fn preflight() -> Response {
    Response::empty(StatusCode::OK, HTML)
        .with_header(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))
        .with_header(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE, PUT, OPTIONS"))
        .with_header(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"))
}

/// The path `/`: JSON-RPC and LLSD by their exact content types, all else is XML-RPC (transport.md section 2.1). No connector
/// registers methods here yet, so every call is for an unknown one.
fn at_root(request: &Request) -> Response {
    match request.header(header::CONTENT_TYPE).unwrap_or_default() {
        "application/json-rpc" => match json_rpc::answer_unknown_method(&request.body) {
            Ok(body) => Response::ok(HTML, body),
            Err(_) => Response::empty(StatusCode::INTERNAL_SERVER_ERROR, HTML),
        },
        "application/llsd+xml" => Response::empty(StatusCode::OK, HTML),
        _ => match xml_rpc::method_name(&request.body) {
            Ok(name) => Response::ok("text/xml", xml_rpc::fault(-32601, &format!("Requested method [{name}] not found")))
                .with_header(header::CONNECTION, HeaderValue::from_static("close")),
            Err(_) => Response::empty(StatusCode::NOT_FOUND, HTML),
        },
    }
}
