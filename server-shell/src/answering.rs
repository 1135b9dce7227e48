//! From a request to its answer, however it came in: what the listeners of all kinds share.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gridshell_connectors::http::{
    HeaderMap, HeaderName, HeaderValue, PassRoute, PassingRequest, Request, Response, Router, StatusCode, header,
};

use crate::passing::PassingBody;
use crate::request_log::RequestLog;

/// What bounds a client; the defaults are the original's (transport.md section 1).
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Largest request body in bytes.
    pub body: usize,
    /// Longest request target in bytes.
    pub target: usize,
    /// Longest header name in bytes.
    pub header_name: usize,
    /// Longest header value in bytes.
    pub header_value: usize,
    /// Requests served on one connection; 0 is no limit.
    pub requests_per_connection: u32,
    /// Connections that wait to be accepted.
    pub backlog: u32,
    /// Open connections for each worker.
    pub connections_per_worker: usize,
    /// Time from the connection to the end of the first request's head.
    pub head_time: Duration,
    /// Time for a complete request after its head.
    pub request_time: Duration,
    /// Time until the answer must be there, and within which a client must take some of it.
    pub response_time: Duration,
    /// Time that a connection may be idle.
    pub idle_time: Duration,
    /// Time that requests under way get when the program stops.
    pub stop_time: Duration,
}

/// Answers the requests that come in at one listener, within limits, and logs and counts them.
pub struct Answerer {
    /// The port whose connectors answer.
    pub port: u16,
    /// What bounds a client.
    pub limits: Limits,
    router: Arc<Router>,
    trusted_proxies: Vec<IpAddr>,
    served: Arc<AtomicU64>,
    log: Arc<RequestLog>,
}

/// Why a request is not even looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// The reason, for the log.
    pub reason: &'static str,
}

/// A refusal with status 400.
pub const fn bad(reason: &'static str) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, reason }
}

impl Answerer {
    /// Answers with the connectors of `router`. `trusted_proxies` are those whose `X-Forwarded-For` is believed (transport.md
    /// section 1.5).
    pub fn new(port: u16, router: Arc<Router>, limits: Limits, trusted_proxies: Vec<IpAddr>, log: Arc<RequestLog>) -> Self {
        Self { port, limits, router, trusted_proxies, served: Arc::default(), log }
    }

    /// The same listener with other connectors and limits.
    fn changed(&self, port: u16, router: Arc<Router>, limits: Limits, trusted_proxies: Vec<IpAddr>) -> Self {
        Self { port, limits, router, trusted_proxies, served: self.served.clone(), log: self.log.clone() }
    }

    /// Answers a request, or says that it is refused. `peer` is for the log. Never fails, and never takes longer than the time for
    /// an answer.
    pub async fn answer(&self, request: Result<Request, Refusal>, peer: impl fmt::Debug) -> Response {
        self.served.fetch_add(1, Ordering::Relaxed);
        let request = match request {
            Ok(request) => request,
            Err(refusal) => {
                tracing::warn!(port = self.port, client = ?peer, reason = refusal.reason, "refused a request");
                return Response::empty(refusal.status, "text/plain");
            }
        };
        let entry = self.log.request(self.port, &request);
        let answer = tokio::time::timeout(self.limits.response_time, self.router.dispatch(request)).await;
        let response = answer.unwrap_or_else(|_| {
            tracing::error!(port = self.port, "a request was not answered in time; answered 503");
            Response::empty(StatusCode::SERVICE_UNAVAILABLE, "text/plain")
        });
        entry.answered(&response);
        response
    }

    /// The route of a request that passes, whose body is not read yet; `None` for those that are answered whole.
    pub fn passing(&self, request: &Request) -> Option<&PassRoute> {
        self.router.passing(request)
    }

    /// Passes a request that came as `target` from `peer`, and whose body is `body` instead of its own. Never fails. The answer begins
    /// within the time for an answer after the body is in; how long that takes is up to who puts it in.
    pub async fn pass(&self, route: &PassRoute, request: Request, target: String, peer: IpAddr, body: PassingBody) -> Response {
        self.served.fetch_add(1, Ordering::Relaxed);
        let entry = self.log.request(self.port, &request);
        let (body, arrival) = body.into_parts();
        let Request { method, headers, client, .. } = request;
        let answer = route.pass(PassingRequest { method, target, headers, body, client, peer });
        let too_late = async {
            arrival.is_over().await;
            tokio::time::sleep(self.limits.response_time).await;
        };
        let response = tokio::select! {
            biased;
            response = answer => response,
            () = too_late => {
                tracing::error!(port = self.port, "a request that passes was not answered in time; answered 504");
                Response::empty(StatusCode::GATEWAY_TIMEOUT, "text/plain")
            }
        };
        // What was wrong with the body, says more than that it could not be passed.
        let response = match arrival.refusal().filter(|_| !response.verbatim) {
            Some(refusal) => {
                tracing::warn!(port = self.port, %client, reason = refusal.reason, "refused a request");
                Response::empty(refusal.status, "text/plain")
            }
            None => response,
        };
        entry.answered(&response);
        response
    }

    /// The client's address. The original believes anybody's `X-Forwarded-For` (transport.md section 1.5), which lets anybody pass
    /// for anybody; here it counts only from the proxies that the operator lists.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusted_proxies.contains(&peer) {
            return peer;
        }
        let forwarded = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
        forwarded.and_then(|list| list.split(',').next()?.trim().parse().ok()).unwrap_or(peer)
    }

    /// Requests served since the start.
    pub fn requests_served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// The registered handlers, for the console.
    pub fn handlers(&self) -> String {
        self.router.handlers()
    }
}

/// What answers at a listener now. When the configuration changes, requests that begin afterwards have another answerer; those under
/// way keep theirs.
pub struct Current(RwLock<Arc<Answerer>>);

impl Current {
    /// Begins with this answerer.
    pub fn new(answerer: Answerer) -> Self {
        Self(RwLock::new(Arc::new(answerer)))
    }

    /// The answerer for a request that begins now.
    pub fn answerer(&self) -> Arc<Answerer> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers with these connectors, of this port, and limits from now on.
    pub fn change(&self, port: u16, router: Arc<Router>, limits: Limits, trusted_proxies: Vec<IpAddr>) {
        let changed = Arc::new(self.answerer().changed(port, router, limits, trusted_proxies));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = changed;
    }
}

impl Limits {
    /// A header within the limits of transport.md section 1.2.
    ///
    /// # Errors
    /// It is too long or malformed.
    pub fn header(&self, name: &[u8], value: &[u8]) -> Result<(HeaderName, HeaderValue), Refusal> {
        if name.len() > self.header_name {
            return Err(bad("a header's name is too long"));
        }
        if value.len() > self.header_value {
            return Err(bad("a header's value is too long"));
        }
        let name = HeaderName::from_bytes(name).map_err(|_| bad("a header's name is malformed"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| bad("a header's value is malformed"))?;
        Ok((name, value))
    }

    /// The body that these headers announce.
    ///
    /// # Errors
    /// The length is no number, or over the limit.
    pub fn body(&self, headers: &HeaderMap) -> Result<IncomingBody, Refusal> {
        let declared = declared_length(headers)?.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if declared.is_some_and(|length| length > self.body) {
            return Err(bad("the body is too long"));
        }
        Ok(IncomingBody { declared, limit: self.body, first: Bytes::new(), all: BytesMut::new() })
    }
}

/// The length of the body that these headers announce.
///
/// # Errors
/// It is no number.
pub fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or(bad("the Content-Length is no number"))
}

/// A request's body as it arrives. One that comes in one piece is not copied.
#[derive(Debug)]
pub struct IncomingBody {
    declared: Option<usize>,
    limit: usize,
    /// The only piece so far.
    first: Bytes,
    /// All pieces, once there are several.
    all: BytesMut,
}

impl IncomingBody {
    /// What is allocated on the mere word of a client.
    const TRUSTED: usize = 1024 * 1024;

    /// Takes the next piece.
    ///
    /// # Errors
    /// The body is over the limit, or longer than it was announced.
    pub fn add(&mut self, piece: Bytes) -> Result<(), Refusal> {
        let length = self.length() + piece.len();
        if length > self.limit {
            return Err(bad("the body is too long"));
        }
        if self.declared.is_some_and(|declared| length > declared) {
            return Err(bad("the body is longer than its Content-Length"));
        }
        if self.length() == 0 {
            self.first = piece;
            return Ok(());
        }
        if self.all.is_empty() {
            self.all.reserve(self.declared.unwrap_or(0).min(Self::TRUSTED));
            self.all.extend_from_slice(&self.first);
            self.first = Bytes::new();
        }
        self.all.extend_from_slice(&piece);
        Ok(())
    }

    fn length(&self) -> usize {
        self.first.len() + self.all.len()
    }

    /// Whether all has arrived that was announced; never, when nothing was.
    pub fn is_complete(&self) -> bool {
        self.declared == Some(self.length())
    }

    /// The whole body.
    ///
    /// # Errors
    /// It is shorter than it was announced.
    pub fn finish(self) -> Result<Bytes, Refusal> {
        if self.declared.is_some_and(|declared| declared != self.length()) {
            return Err(bad("the body ended before its Content-Length"));
        }
        Ok(if self.all.is_empty() { self.first } else { self.all.freeze() })
    }
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// Limits that differ from each other, and times that no test reaches.
    pub fn limits() -> Limits {
        let long = Duration::from_secs(3600);
        Limits {
            body: 1000,
            target: 100,
            header_name: 20,
            header_value: 30,
            requests_per_connection: 0,
            backlog: 64,
            connections_per_worker: 100,
            head_time: long,
            request_time: long,
            response_time: long,
            idle_time: long,
            stop_time: long,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(declared: Option<&'static str>) -> Result<IncomingBody, Refusal> {
        let length = declared.map(|length| (header::CONTENT_LENGTH, HeaderValue::from_static(length)));
        testing::limits().body(&length.into_iter().collect())
    }

    fn piece(length: usize) -> Bytes {
        Bytes::from(vec![b'x'; length])
    }

    #[test]
    fn a_body_in_one_piece_is_not_copied() {
        let mut incoming = body(Some("5")).unwrap();
        assert!(!incoming.is_complete());
        let sent = piece(5);
        incoming.add(sent.clone()).unwrap();
        assert!(incoming.is_complete());
        assert_eq!(incoming.finish().unwrap().as_ptr(), sent.as_ptr());
    }

    #[test]
    fn a_body_in_pieces() {
        let mut incoming = body(None).unwrap();
        for text in ["", "one ", "", "two ", "three"] {
            incoming.add(Bytes::from(text)).unwrap();
        }
        assert!(!incoming.is_complete(), "nobody said how long it is");
        assert_eq!(incoming.finish().unwrap(), "one two three");
    }

    #[test]
    fn lengths_that_are_wrong() {
        assert_eq!(body(Some("x")).unwrap_err(), bad("the Content-Length is no number"));
        assert_eq!(body(Some("-1")).unwrap_err(), bad("the Content-Length is no number"));
        assert_eq!(body(Some("1001")).unwrap_err(), bad("the body is too long"));
        let mut endless = body(None).unwrap();
        endless.add(piece(1000)).unwrap();
        assert_eq!(endless.add(piece(1)).unwrap_err(), bad("the body is too long"));
        let mut short = body(Some("3")).unwrap();
        short.add(piece(2)).unwrap();
        assert_eq!(short.add(piece(2)).unwrap_err(), bad("the body is longer than its Content-Length"));
        assert_eq!(short.finish().unwrap_err(), bad("the body ended before its Content-Length"));
    }

    #[test]
    fn headers_within_limits() {
        let limits = testing::limits();
        let (name, value) = limits.header(b"X-SecondLife-Shard", "Grün".as_bytes()).unwrap();
        assert_eq!((name.as_str(), value.as_bytes()), ("x-secondlife-shard", "Grün".as_bytes()));
        assert_eq!(limits.header(&[b'x'; 21], b"").unwrap_err(), bad("a header's name is too long"));
        assert_eq!(limits.header(b"x", &[b'x'; 31]).unwrap_err(), bad("a header's value is too long"));
        assert_eq!(limits.header(b"x y", b"").unwrap_err(), bad("a header's name is malformed"));
        assert_eq!(limits.header(b"", b"").unwrap_err(), bad("a header's name is malformed"));
        assert_eq!(limits.header(b"x", b"a\nb").unwrap_err(), bad("a header's value is malformed"));
    }
}
