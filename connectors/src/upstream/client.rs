//! HTTP/1.1 to one address.
//!
//! Connections have no task of their own: whoever awaits an exchange drives its connection, so an exchange never changes threads and
//! needs no wake-up but the socket's; and dropping the exchange drops the connection, which is how the other side learns of it. Idle
//! connections are driven by nobody. What happened to one meanwhile is seen when it is taken out again.
//!
//! A peer may close an idle connection at the moment that a request goes out on it. That is no failure: when nothing of an answer has
//! come, a request that is safe to repeat is sent again on a new connection. Another is so only if not a byte of it was written, since
//! nobody can tell a peer that had closed from one that died over the request; to make that rare it only goes out on a connection
//! that was used a moment ago, or on a new one.

mod connection;
mod dial;
mod failure;
mod pool;
mod stream;
mod trust;
mod upload;

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use hyper::body::{Body, Incoming};
use tokio::runtime;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

pub(super) use self::connection::{Connection, Stillness, Waiting};
pub(super) use self::failure::{Failure, What};
pub(super) use self::pool::KeepAlive;
use self::pool::Pool;
pub use self::trust::Trust;
use self::upload::Outward;
pub(super) use self::upload::Upload;
use super::{Address, CheckOptions, GroupOptions};
use crate::transport::{Answer, Outgoing, Repeat};

/// How long a connection may have been idle to carry a request that must not be sent twice.
const FRESH: Duration = Duration::from_secs(2);

/// Headers that concern the connection, and so are not the request's to say.
static OF_THE_CONNECTION: [HeaderName; 10] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Verbs that usually carry something, and say so when they do not, as the original's client does.
static CARRYING: [Method; 3] = [Method::POST, Method::PUT, Method::PATCH];

/// A request that passes from somebody else.
pub(super) struct Passing {
    pub(super) method: Method,
    pub(super) target: String,
    /// Its headers, without those of the connection.
    pub(super) headers: HeaderMap,
    /// What the Host header says; `None` for the upstream's own.
    pub(super) host: Option<HeaderValue>,
    pub(super) body: PassingBody,
    pub(super) repeat: Repeat,
}

/// What it carries.
pub(super) enum PassingBody {
    /// Nothing, not even a length.
    None,
    Whole(Bytes),
    Streamed(Upload),
}

/// An answer that has begun, on its connection.
pub(super) struct Begun {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) keep_alive: KeepAlive,
    pub(super) body: Incoming,
    /// The length of what follows the head, if that was said; where nothing follows, 0.
    pub(super) length: Option<u64>,
    pub(super) connection: Connection,
}

/// The way to one address, with its idle connections.
pub(super) struct Client {
    address: Address,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
    tls: Option<TlsConnector>,
    pool: Pool,
    connect_time: Duration,
    idle_time: Duration,
    answer_size: usize,
}

impl Client {
    /// `tls` is needed for https alone. `None` when a header cannot be written, which addresses that were parsed do not do.
    pub(super) fn new(address: Address, tls: Option<TlsConnector>, options: &GroupOptions) -> Option<Self> {
        let host = HeaderValue::try_from(address.authority()).ok()?;
        let authorization = match &options.credentials {
            Some(credentials) => {
                let pair = format!("{}:{}", credentials.user, credentials.password);
                let header = format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair));
                let mut header = HeaderValue::try_from(header).ok()?;
                header.set_sensitive(true);
                Some(header)
            }
            None => None,
        };
        Some(Self {
            address,
            host,
            authorization,
            tls,
            pool: Pool::new(options.idle_connections),
            connect_time: options.connect_time,
            idle_time: options.idle_time,
            answer_size: options.answer_size,
        })
    }

    /// One exchange. Dropping it cancels the request.
    pub(super) async fn exchange(&self, outgoing: &Outgoing, waiting: &Waiting<'_>) -> Result<Answer, Failure> {
        let target = self.target(&outgoing.target)?;
        if let Some(connection) = self.idle(outgoing.repeat).await {
            match self.exchange_on(connection, &target, outgoing, waiting).await {
                Err(failure) if failure.is_stale_connection(outgoing.repeat) => {}
                outcome => return outcome,
            }
        }
        let connection = self.connect(waiting.until.min(Instant::now() + self.connect_time)).await?;
        self.exchange_on(connection, &target, outgoing, waiting).await
    }

    /// Sends a request that passes and reads the head of its answer. Dropping the outcome cancels the request.
    pub(super) async fn begin(&self, passing: &Passing, waiting: &Waiting<'_>) -> Result<Begun, Failure> {
        let target = self.target(&passing.target)?;
        // What is on its way here can be taken once, so it goes out on nothing that may be stale.
        let is_here = !matches!(passing.body, PassingBody::Streamed(_));
        if is_here && let Some(connection) = self.idle(passing.repeat).await {
            match self.begin_on(connection, &target, passing, waiting).await {
                Err(failure) if failure.is_stale_connection(passing.repeat) => {}
                outcome => return outcome,
            }
        }
        let connection = self.connect(waiting.until.min(Instant::now() + self.connect_time)).await?;
        self.begin_on(connection, &target, passing, waiting).await
    }

    /// Keeps the connection of an answer that was read to its end for later requests.
    pub(super) fn keep(&self, connection: Connection, keep_alive: KeepAlive) {
        self.pool.put(connection, keep_alive);
    }

    /// Asks on a connection of its own whether the shell is there.
    pub(super) async fn check(&self, options: &CheckOptions) -> Result<(), Failure> {
        let until = Instant::now() + options.time;
        let target = self.target(&options.path)?;
        let request = self.request(&Method::GET, target, &HeaderMap::new(), Bytes::new(), "close");
        let status = self.connect(until).await?.head(request, &Waiting::until(until)).await?.status();
        if options.success_only && !status.is_success() {
            return Err(Failure::malformed(format!("the check was answered with {status}")));
        }
        Ok(())
    }

    /// Closes connections that were idle for too long.
    pub(super) fn sweep(&self) {
        self.pool.sweep(self.idle_time);
    }

    /// Connections that are open and idle.
    pub(super) fn idle_connections(&self) -> usize {
        self.pool.count()
    }

    async fn exchange_on(
        &self,
        mut connection: Connection,
        target: &Uri,
        outgoing: &Outgoing,
        waiting: &Waiting<'_>,
    ) -> Result<Answer, Failure> {
        let Outgoing { method, headers, body, .. } = outgoing;
        let request = self.request(method, target.clone(), headers, body.clone(), "keep-alive");
        let answer = connection.exchange(request, waiting, self.answer_size).await?;
        self.pool.put(connection, KeepAlive::of(&answer.headers));
        Ok(answer)
    }

    async fn begin_on(
        &self,
        mut connection: Connection,
        target: &Uri,
        passing: &Passing,
        waiting: &Waiting<'_>,
    ) -> Result<Begun, Failure> {
        let request = self.passing_request(passing, target.clone());
        let answer = match &passing.body {
            PassingBody::None | PassingBody::Whole(_) => connection.head(request, waiting).await?,
            PassingBody::Streamed(upload) => {
                let stillness = Stillness { longest: waiting.answer_time, upload: Some(upload.clone()) };
                connection.head_meanwhile(request, &stillness).await.map_err(|failure| match failure.what {
                    _ if upload.is_broken() => Failure { what: What::Cancelled, ..failure },
                    // What was taken cannot be sent again.
                    What::NotSent if upload.has_begun() => Failure { what: What::Silent, ..failure },
                    _ => failure,
                })?
            }
        };
        let (head, body) = answer.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::malformed("it changes the protocol, and nobody has asked for that"));
        }
        let keep_alive = KeepAlive::of(&head.headers);
        let length = body.size_hint().exact();
        Ok(Begun { status: head.status, headers: head.headers, keep_alive, body, length, connection })
    }

    async fn connect(&self, until: Instant) -> Result<Connection, Failure> {
        let (stream, home) = dial::connect(&self.address, self.tls.as_ref(), until).await?;
        Connection::start(stream, home).await
    }

    /// An idle connection that is open, as far as can be known.
    async fn idle(&self, repeat: Repeat) -> Option<Connection> {
        let home = runtime::Handle::current().id();
        let rested = match repeat {
            Repeat::Safe => self.idle_time,
            Repeat::Unsafe => self.idle_time.min(FRESH),
        };
        while let Some(mut connection) = self.pool.take(home, rested) {
            if connection.is_open().await {
                return Some(connection);
            }
        }
        None
    }

    fn target(&self, path: &str) -> Result<Uri, Failure> {
        let target = self.address.target(path);
        match PathAndQuery::try_from(target.as_str()) {
            Ok(valid) if target.starts_with('/') => Ok(valid.into()),
            _ => Err(Failure::unsendable(format!("{path:?} is no target that can be asked for"))),
        }
    }

    fn request(
        &self,
        method: &Method,
        target: Uri,
        headers: &HeaderMap,
        body: Bytes,
        connection: &'static str,
    ) -> connection::Request {
        let mut all = HeaderMap::with_capacity(headers.len() + 5);
        all.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        for name in &OF_THE_CONNECTION {
            all.remove(name);
        }
        all.insert(header::HOST, self.host.clone());
        all.insert(header::CONNECTION, HeaderValue::from_static(connection));
        if !body.is_empty() || CARRYING.contains(method) {
            all.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if !all.contains_key(header::USER_AGENT) {
            all.insert(header::USER_AGENT, HeaderValue::from_static(concat!("gridshell/", env!("CARGO_PKG_VERSION"))));
        }
        self.put_together(method, target, all, Outward::whole(body))
    }

    /// A request with its own headers and those of this connection.
    fn passing_request(&self, passing: &Passing, target: Uri) -> connection::Request {
        let Passing { method, headers, host, body, .. } = passing;
        let mut all = headers.clone();
        all.insert(header::HOST, host.clone().unwrap_or_else(|| self.host.clone()));
        all.insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
        let body = match body {
            PassingBody::None => {
                if CARRYING.contains(method) {
                    all.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
                }
                Outward::whole(Bytes::new())
            }
            PassingBody::Whole(bytes) => {
                all.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                Outward::whole(bytes.clone())
            }
            PassingBody::Streamed(upload) => {
                match upload.length() {
                    Some(length) => all.insert(header::CONTENT_LENGTH, HeaderValue::from(length)),
                    None => all.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
                };
                Outward::streamed(upload.clone())
            }
        };
        self.put_together(method, target, all, body)
    }

    fn put_together(&self, method: &Method, target: Uri, mut headers: HeaderMap, body: Outward) -> connection::Request {
        if let (Some(authorization), false) = (&self.authorization, headers.contains_key(header::AUTHORIZATION)) {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let mut request = http::Request::new(body);
        *request.method_mut() = method.clone();
        *request.uri_mut() = target;
        *request.headers_mut() = headers;
        request
    }
}

/// The headers of a message that goes on: all but those that concern the connection it came on (RFC 9110 section 7.6.1), in their order.
pub(crate) fn without_those_of_the_connection(headers: &HeaderMap) -> HeaderMap {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = named.flat_map(|value| value.split(',')).map(str::trim).collect();
    let concerns_it = |name: &HeaderName| {
        OF_THE_CONNECTION.contains(name) || named.iter().any(|named| named.eq_ignore_ascii_case(name.as_str()))
    };
    let mut passing = HeaderMap::with_capacity(headers.len() + 5);
    passing.extend(headers.iter().filter(|(name, _)| !concerns_it(name)).map(|(name, value)| (name.clone(), value.clone())));
    passing
}
