//! Requests and responses as connectors see them. Requests are whole, in memory, bounded by the listener.

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;
use gridshell_interfaces::{ErrorKind, ServiceError};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::Body;

/// Content type of the plain service answers (transport.md section 1.3, stream handlers).
pub const XML: &str = "application/xml";
/// Content type of refusals and of "not found" (transport.md section 1.3).
pub const TEXT: &str = "text/plain";
/// Content type of simple handlers and of answers without one (transport.md section 1.3).
pub const HTML: &str = "text/html;charset=UTF-8";

/// A request, read completely.
#[derive(Clone, Debug)]
pub struct Request {
    /// The verb.
    pub method: Method,
    /// The absolute path as [`super::path::normalise`] gives it, without query string and without one trailing slash.
    pub path: String,
    /// The query string, still encoded; empty when there is none.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body; the listener bounds its size.
    pub body: Bytes,
    /// Who asks: the TCP peer, or what a trusted proxy says (transport.md section 1.5).
    pub client: IpAddr,
    /// How much of `path` the route has matched.
    pub(super) matched: usize,
}

impl Request {
    /// A request for `path`, which is normalised here; a query string may follow.
    pub fn new(method: Method, target: &str, headers: HeaderMap, body: Bytes, client: IpAddr) -> Self {
        let (path, query) = super::path::normalise(target);
        Self { method, path, query: query.to_owned(), headers, body, client, matched: 0 }
    }

    /// What follows the path that the connector is registered under. Matching is textual, so this need not begin with a slash
    /// (transport.md section 2.1).
    pub fn rest(&self) -> &str {
        &self.path[self.matched..]
    }

    /// A header's value, when it is text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An answer. The listener adds Content-Length, Date and what concerns the connection.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: StatusCode,
    /// Content type; always sent, also with an empty body, unless the answer is `verbatim`.
    pub content_type: Cow<'static, str>,
    /// Further headers.
    pub headers: HeaderMap,
    /// The body. On HEAD only its length is sent.
    pub body: Body,
    /// What was asked for, in the connector's words: the label of the request in metrics.
    pub operation: &'static str,
    /// The service failed, whatever the status says: some wires have only 200.
    pub failed: bool,
    /// The answer is somebody else's: `headers` are all that it has, and none is added but those of the connection. The length of a body
    /// that is a stream is what was said of it, also where none follows, as on HEAD.
    pub verbatim: bool,
}

impl Response {
    /// Status 200 with a body.
    pub fn ok(content_type: impl Into<Cow<'static, str>>, body: impl Into<Body>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: content_type.into(),
            headers: HeaderMap::new(),
            body: body.into(),
            operation: "",
            failed: false,
            verbatim: false,
        }
    }

    /// A status without a body.
    pub fn empty(status: StatusCode, content_type: impl Into<Cow<'static, str>>) -> Self {
        Self { status, ..Self::ok(content_type, Bytes::new()) }
    }

    /// The status for a failed service call, without a body: what cannot be reached is 503, anything else 500. The original
    /// answers 404 or 500 to a fault of its database; 503 tells a client that the asset is not lost but out of reach.
    pub fn failure(error: &ServiceError, content_type: impl Into<Cow<'static, str>>) -> Self {
        let status = match error.kind {
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Invalid | ErrorKind::Refused | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::empty(status, content_type)
    }

    /// The same answer with a header.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same answer, counted in metrics as a failure of the server.
    pub fn counted_as_failure(mut self) -> Self {
        self.failed = true;
        self
    }

    /// Whether the status alone says that no body follows (RFC 9110 section 6.4.1).
    pub fn has_no_body(&self) -> bool {
        matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }

    /// The same answer, labelled for metrics.
    pub fn for_operation(mut self, operation: &'static str) -> Self {
        self.operation = operation;
        self
    }
}
