//! Requests that pass: their connector hands them to somebody else as they are, while their bodies are still on the way.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http::{HeaderMap, Method, StatusCode};
use metrics::Counter;

use super::router::{OperationMetrics, panic_message};
use super::{Body, HTML, Response};

/// A request whose head has been read.
#[derive(Debug)]
pub struct PassingRequest {
    /// The verb.
    pub method: Method,
    /// Path and query string as they were sent, nothing decoded or resolved.
    pub target: String,
    /// All headers, those of the connection too.
    pub headers: HeaderMap,
    /// The body. A piece that is an error says that there will be no whole one.
    pub body: Body,
    /// Who asks: the TCP peer, or what a trusted proxy says (transport.md section 1.5).
    pub client: IpAddr,
    /// Who is at the other end of the connection; unspecified when nobody knows.
    pub peer: IpAddr,
}

/// An IN connector that passes requests on. Its answers are [`Response::verbatim`] where they are somebody else's.
#[async_trait]
pub trait PassHandler: Send + Sync {
    /// The connector's name in logs and metrics.
    fn name(&self) -> &'static str;

    /// What [`Response::operation`] is in its answers.
    fn operation(&self) -> &'static str;

    /// The largest body that it takes, in bytes.
    fn largest_body(&self) -> u64;

    /// Passes one request. Never fails. What the answer's body is made of may still be on its way; dropping it gives the request up.
    async fn pass(&self, request: PassingRequest) -> Response;
}

/// A path whose requests pass.
pub struct PassRoute {
    /// The prefix; empty for everything that no other connector answers.
    pub(super) path: String,
    pub(super) handler: Arc<dyn PassHandler>,
    metrics: OperationMetrics,
    panics: OperationMetrics,
}

impl PassRoute {
    pub(super) fn new(path: &str, handler: Arc<dyn PassHandler>) -> Self {
        let metrics = OperationMetrics::new(handler.name(), handler.operation());
        let panics = OperationMetrics::new(handler.name(), "panic");
        Self { path: path.to_owned(), handler, metrics, panics }
    }

    /// Whether a path begins with its prefix. .NET takes a backslash for a slash, so that such a path may lead elsewhere.
    pub(super) fn is_prefix_of(&self, path: &str) -> bool {
        path.starts_with(&self.path) && !path.contains('\\')
    }

    /// The largest body that it takes, in bytes.
    pub fn largest_body(&self) -> u64 {
        self.handler.largest_body()
    }

    /// Passes a request. Never fails, and never panics: a panic of the connector is a 500.
    pub async fn pass(&self, mut request: PassingRequest) -> Response {
        let started = Instant::now();
        let (method, target) = (request.method.clone(), request.target.clone());
        request.body = counted(request.body, &self.metrics.received);
        let answer = AssertUnwindSafe(self.handler.pass(request)).catch_unwind().await;
        match answer {
            Ok(mut response) => {
                self.metrics.count(&response, started.elapsed());
                response.body = counted(response.body, &self.metrics.sent);
                response
            }
            Err(panic) => {
                let (connector, reason) = (self.handler.name(), panic_message(&*panic));
                tracing::error!(connector, %method, target, reason, "a connector panicked; answered 500");
                let response = Response::empty(StatusCode::INTERNAL_SERVER_ERROR, HTML);
                self.panics.count(&response, started.elapsed());
                response
            }
        }
    }
}

/// A body whose bytes are counted as they go.
fn counted(body: Body, counter: &Counter) -> Body {
    match body {
        Body::Whole(bytes) => {
            counter.increment(bytes.len() as u64);
            Body::Whole(bytes)
        }
        Body::Stream { length, pieces } => {
            let counter = counter.clone();
            let count = move |piece: &std::io::Result<Bytes>| counter.increment(piece.as_ref().map_or(0, |it| it.len() as u64));
            Body::Stream { length, pieces: pieces.inspect(count).boxed() }
        }
    }
}
