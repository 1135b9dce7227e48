//! Ways to whoever answers a request: bytes there, bytes back. An OUT connector is a service's codec over one of them, and does not know
//! which.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_interfaces::ServiceError;

use crate::http::{Body, HeaderMap, Method, Request, Router, StatusCode};

/// A request to another shell.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The verb.
    pub method: Method,
    /// Path and query string, beginning with a slash. What the address of the other shell has of a path goes before it.
    pub target: String,
    /// Headers of the service's wire. Those of the connection (Host, Content-Length, Connection) are the transport's.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// Whether it changes anything.
    pub kind: Kind,
    /// What may be done when an attempt fails.
    pub repeat: Repeat,
    /// A number for what the request is about (an asset, a user's inventory). Where the operator has chosen that, requests with the
    /// same number go to the same upstream; and a read with the number of a fresh write goes where the write went.
    pub affinity: Option<u64>,
    /// Looks at an answer with a status of success. One that does not pass is no answer: where another shell can be asked, it is.
    pub check: Option<Check>,
}

/// What an answer has to pass; the error says what is wrong with it.
#[derive(Clone)]
pub struct Check(Arc<CheckFunction>);

type CheckFunction = dyn Fn(&Answer) -> Result<(), String> + Send + Sync;

impl Check {
    /// A check by this function, which is called at most once for each answer.
    pub fn new(check: impl Fn(&Answer) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// Looks at an answer.
    ///
    /// # Errors
    /// It does not pass.
    pub fn pass(&self, answer: &Answer) -> Result<(), String> {
        (self.0)(answer)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check")
    }
}

/// Whether a request changes anything: reads and writes may go to different shells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It changes nothing.
    Read,
    /// It changes something, or may.
    Write,
}

/// Whether a request may be sent again when nobody knows if the first attempt was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It reads, or doing it twice is the same as doing it once.
    Safe,
    /// Only when the first attempt surely did not reach a shell.
    Unsafe,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
}

/// There is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransportError {
    /// Nobody can be reached, or all who can are busy; names the addresses.
    #[error("{0}")]
    Unavailable(String),
    /// What came back is no HTTP answer, does not pass the check, or is larger than what is taken; or what was to be sent is no HTTP
    /// request.
    #[error("{0}")]
    Malformed(String),
}

impl From<TransportError> for ServiceError {
    /// In both cases the service cannot be used now, and that says nothing of what was asked for.
    fn from(error: TransportError) -> Self {
        Self::unavailable(error.to_string())
    }
}

/// Sends a request and brings the answer.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// One exchange. An answer with an error status is an answer.
    ///
    /// # Errors
    /// Nobody has answered.
    async fn send(&self, request: Outgoing) -> Result<Answer, TransportError>;
}

/// The connectors of a router in the same process.
pub struct InProcess {
    router: Arc<Router>,
}

impl InProcess {
    /// A way to the connectors of `router`.
    pub fn new(router: Arc<Router>) -> Self {
        Self { router }
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Outgoing) -> Result<Answer, TransportError> {
        let Outgoing { method, target, headers, body, .. } = request;
        let request = Request::new(method, &target, headers, body, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let response = self.router.dispatch(request).await;
        match response.body {
            Body::Whole(body) => Ok(Answer { status: response.status, headers: response.headers, body }),
            Body::Stream { .. } => Err(TransportError::Malformed(format!("{target} answers with a stream"))),
        }
    }
}
