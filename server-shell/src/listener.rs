//! HTTP listeners: one server per port, which reads requests within limits, whole unless they pass, and hands them to the port's router.
//!
//! What a client sees of the connection itself is decided here (transport.md section 1): limits, time-outs, keep-alive, and that
//! every answer of known length carries it and none of those is chunked.

use std::borrow::Cow;
use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Extensions, ServerHandle};
use actix_web::http::header as actix_header;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures_util::StreamExt;
use gridshell_connectors::http::{Body, HeaderMap, Method, PassRoute, Request, Response, Router, StatusCode, header};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::task::JoinHandle;

use crate::answering::{Answerer, Current, IncomingBody, Limits, Refusal, bad, declared_length};
use crate::passing::{Intake, PassingBody, passing_body};
use crate::request_log::RequestLog;

/// Where a listener listens and how.
#[derive(Clone)]
pub struct ListenerOptions {
    /// The addresses, each with the listener's port.
    pub addresses: Vec<IpAddr>,
    /// The TCP port.
    pub port: u16,
    /// The certificate, when the listener speaks TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Threads that serve requests.
    pub workers: usize,
    /// What bounds a client.
    pub limits: Limits,
    /// Proxies whose `X-Forwarded-For` is believed (transport.md section 1.5).
    pub trusted_proxies: Vec<IpAddr>,
    /// Requests pass here: a client that closes its side of a connection is gone, and so is whoever works for it.
    pub passes: bool,
}

/// A running listener.
pub struct Listener {
    /// The first of its addresses.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    options: ListenerOptions,
    /// The server has copies of these. They stay open here for a listener that takes this one's place, until this one stops.
    sockets: Mutex<Vec<Listening>>,
    service: Arc<Service>,
    handle: ServerHandle,
    stopped: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

/// An address and the socket that listens there.
type Listening = (IpAddr, std::net::TcpListener);

/// What the workers of a listener have.
struct Service {
    current: Arc<Current>,
    /// Connections are closed after the request under way.
    closing: AtomicBool,
}

/// What is known of one connection.
struct Connection {
    requests_left: Cell<u32>,
}

/// How long a worker may take until it has begun to serve what was accepted for it. It begins at once; to be on the safe side.
const ACCEPTED: Duration = Duration::from_secs(5);

impl Listener {
    /// Binds the sockets and serves. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A port that is taken or not permitted; the message names the address.
    pub fn start(options: ListenerOptions, router: Arc<Router>, log: Arc<RequestLog>) -> io::Result<Self> {
        Self::begin(options, router, log, &[])
    }

    /// A listener that takes this one's place: on the same sockets where the addresses are the same, and until [`Listener::change`]
    /// with the same connectors. Both serve until this one is stopped, so nobody is refused meanwhile.
    ///
    /// # Errors
    /// As [`Listener::start`].
    pub fn successor(&self, options: ListenerOptions) -> io::Result<Self> {
        Self::serve(options, self.service.current.clone(), &self.sockets())
    }

    /// A listener on the sockets of this one, which is being retired.
    ///
    /// # Errors
    /// As [`Listener::start`].
    pub fn restart(&self, options: ListenerOptions, router: Arc<Router>, log: Arc<RequestLog>) -> io::Result<Self> {
        Self::begin(options, router, log, &self.sockets())
    }

    /// A listener with connectors of its own, on those of the `open` sockets that its addresses have.
    fn begin(options: ListenerOptions, router: Arc<Router>, log: Arc<RequestLog>, open: &[Listening]) -> io::Result<Self> {
        let answerer = Answerer::new(options.port, router, options.limits.clone(), options.trusted_proxies.clone(), log);
        Self::serve(options, Arc::new(Current::new(answerer)), open)
    }

    /// Whether [`Listener::change`] is enough for these options. A certificate is read anew at each change, so that it can be renewed.
    pub fn can_change_to(&self, options: &ListenerOptions) -> bool {
        let of_the_server = |options: &ListenerOptions| {
            let Limits { backlog, connections_per_worker, head_time, response_time, idle_time, stop_time, .. } = options.limits;
            let limits = (backlog, connections_per_worker, head_time, response_time, idle_time, stop_time);
            (options.addresses.clone(), options.port, options.workers, options.passes, limits)
        };
        self.options.tls.is_none() && options.tls.is_none() && of_the_server(&self.options) == of_the_server(options)
    }

    /// Answers the requests that begin from now on with other connectors and limits.
    pub fn change(&self, router: Arc<Router>, limits: Limits, trusted_proxies: Vec<IpAddr>) {
        self.service.current.change(self.port, router, limits, trusted_proxies);
    }

    /// Who answers the requests that begin now.
    pub fn answerer(&self) -> Arc<Answerer> {
        self.service.current.answerer()
    }

    fn serve(options: ListenerOptions, current: Arc<Current>, open: &[Listening]) -> io::Result<Self> {
        let ListenerOptions { addresses, port, tls, workers, limits, passes, .. } = options.clone();
        let listed = addresses.iter().copied();
        // The system gives a connection to the socket of its very address before that of all addresses, and those that a socket has not
        // given out yet end with it. So where all addresses take the place of one, both sockets are used.
        let is_covered = |one: &IpAddr| !addresses.contains(one) && addresses.contains(&all_addresses_as(*one));
        let covered = open.iter().map(|(address, _)| *address).filter(is_covered);
        let sockets = listed.chain(covered).map(|address| Ok((address, listen(address, port, &limits, open)?)));
        let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
        let service = Arc::new(Service { current: current.clone(), closing: AtomicBool::new(false) });
        let application = {
            let service = service.clone();
            move || App::new().app_data(web::Data::from(service.clone())).default_service(web::to(serve))
        };
        let mut server = HttpServer::new(application)
            .workers(workers)
            .disable_signals()
            .max_connections(limits.connections_per_worker)
            .keep_alive(limits.idle_time)
            .client_request_timeout(limits.head_time)
            .tls_handshake_timeout(limits.head_time)
            .shutdown_timeout(limits.stop_time.as_secs())
            .h1_allow_half_closed(!passes)
            .tcp_nodelay(true)
            .on_connect(move |_, extensions: &mut Extensions| {
                let requests_left = current.answerer().limits.requests_per_connection;
                extensions.insert(Connection { requests_left: Cell::new(requests_left) });
            });
        for (_, socket) in &sockets {
            let socket = socket.try_clone()?;
            server = match &tls {
                Some(tls) => server.listen_rustls_0_23(socket, rustls::ServerConfig::clone(tls))?,
                None => server.listen(socket)?,
            };
        }
        let server = server.run();
        let handle = server.handle();
        let address = addresses.first().copied().unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let stopped = Mutex::new(Some(tokio::spawn(server)));
        let sockets = Mutex::new(sockets);
        Ok(Self { address, port, options, sockets, service, handle, stopped })
    }

    /// From now on each of its connections ends with the request that is answered next.
    pub fn close_connections(&self) {
        self.service.closing.store(true, Ordering::Relaxed);
    }

    /// Leaves the sockets to its successor, serves what it has accepted, and returns.
    pub async fn retire(&self) {
        self.close_connections();
        // The end of a server drops connections that its workers have not looked at yet.
        self.handle.pause().await;
        tokio::time::sleep(ACCEPTED).await;
        self.stop().await;
    }

    fn sockets(&self) -> MutexGuard<'_, Vec<Listening>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts no more connections, finishes the requests under way, and returns.
    pub async fn stop(&self) {
        // The system accepts for as long as anybody has the socket.
        self.sockets().clear();
        self.handle.stop(true).await;
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stopped) = stopped
            && let Ok(Err(error)) = stopped.await
        {
            tracing::warn!(port = self.port, %error, "a listener ended with an error");
        }
    }
}

/// What stands for all addresses of the same family.
fn all_addresses_as(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// The listening socket for an address: the one that is open already, or a new one. IPv6 sockets take IPv6 only, so that both families
/// can be listed independently.
fn listen(address: IpAddr, port: u16, limits: &Limits, open: &[Listening]) -> io::Result<std::net::TcpListener> {
    let socket_of = |share: bool| -> io::Result<Socket> {
        let socket = match open.iter().find(|(known, _)| *known == address) {
            Some((_, known)) => Socket::from(known.try_clone()?),
            None => {
                let socket = Socket::new(Domain::for_address(SocketAddr::new(address, port)), Type::STREAM, Some(Protocol::TCP))?;
                if address.is_ipv6() {
                    socket.set_only_v6(true)?;
                }
                socket.set_reuse_address(true)?;
                socket.set_reuse_port(share)?;
                socket.bind(&SocketAddr::new(address, port).into())?;
                socket
            }
        };
        // Accepted connections inherit it: a client that takes none of its answer for so long is cut off.
        socket.set_tcp_user_timeout(Some(limits.response_time))?;
        socket.set_nonblocking(true)?;
        socket.listen(i32::try_from(limits.backlog).unwrap_or(i32::MAX))?;
        Ok(socket)
    };
    let socket = match socket_of(false) {
        // From one address to all, or back: the old socket is in the way, unless both share the port for a moment. Other programs never
        // can, so that a port that is taken stays an error.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !open.is_empty() => {
            let share = |share| open.iter().try_for_each(|(_, socket)| SockRef::from(socket).set_reuse_port(share));
            share(true)?;
            let socket = socket_of(true);
            share(false)?;
            socket.and_then(|socket| socket.set_reuse_port(false).map(|()| socket))
        }
        outcome => outcome,
    };
    socket.map(Into::into).map_err(|error| {
        let address = SocketAddr::new(address, port);
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

async fn serve(request: HttpRequest, payload: web::Payload, service: web::Data<Service>) -> HttpResponse<OutgoingBody> {
    let answerer = service.current.answerer();
    let left = requests_left(&request);
    let keep = if service.closing.load(Ordering::Relaxed) { Some(0) } else { left };
    let is_head = request.method() == actix_web::http::Method::HEAD;
    let head = read_head(&request, &answerer);
    let response = match head.as_ref().ok().and_then(|head| answerer.passing(head)) {
        Some(route) => pass(&request, head, payload, &answerer, route).await,
        None => {
            let incoming = read(head, payload, &answerer.limits).await;
            answerer.answer(incoming, request.peer_addr()).await
        }
    };
    write(response, keep, &answerer.limits, is_head)
}

/// Passes a request, whose body is read while it is passed.
async fn pass(
    request: &HttpRequest,
    head: Result<Request, Refusal>,
    payload: web::Payload,
    answerer: &Answerer,
    route: &PassRoute,
) -> Response {
    let passing = head.and_then(|head| {
        let declared = declared_length(&head.headers)?;
        if declared.unwrap_or(0) == 0 && !head.headers.contains_key(header::TRANSFER_ENCODING) {
            return Ok((head, PassingBody::none()));
        }
        let (body, intake) = passing_body(declared, route.largest_body())?;
        actix_web::rt::spawn(take_in(payload, intake, answerer.limits.request_time));
        Ok((head, body))
    });
    match passing {
        Ok((head, body)) => answerer.pass(route, head, target(request).to_owned(), peer(request), body).await,
        Err(refusal) => answerer.answer(Err(refusal), request.peer_addr()).await,
    }
}

/// Reads a body as far as it is wanted. Each piece has to come within the time.
async fn take_in(mut payload: web::Payload, mut intake: Intake, time: Duration) {
    while intake.has_room().await {
        let piece = tokio::select! {
            biased;
            () = intake.is_unwanted() => return,
            piece = tokio::time::timeout(time, payload.next()) => piece,
        };
        let added = match piece {
            Ok(Some(Ok(piece))) => intake.add(piece),
            Ok(Some(Err(_))) => Err(bad("the body broke off")),
            Ok(None) => {
                // What is wrong with it, the answer says.
                let _ = intake.finish();
                return;
            }
            Err(_) => Err(Refusal { status: StatusCode::REQUEST_TIMEOUT, reason: "the body did not arrive in time" }),
        };
        if let Err(refusal) = added {
            return intake.refuse(refusal);
        }
    }
}

/// How many requests the connection may carry after this one; `None` is no limit.
fn requests_left(request: &HttpRequest) -> Option<u32> {
    let connection = request.conn_data::<Connection>()?;
    let left = connection.requests_left.get();
    if left == 0 {
        return None;
    }
    // 1 stays 1: a connection that does not close though it was told to goes on being told.
    connection.requests_left.set((left - 1).max(1));
    Some(left - 1)
}

/// The request target as it was sent, without scheme and host.
fn target(request: &HttpRequest) -> &str {
    request.uri().path_and_query().map_or("/", |target| target.as_str())
}

/// Who is at the other end; unspecified when nobody knows.
fn peer(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip())
}

/// The request without its body, within the limits of transport.md section 1.2.
fn read_head(request: &HttpRequest, answerer: &Answerer) -> Result<Request, Refusal> {
    let limits = &answerer.limits;
    let target = target(request);
    if target.len() > limits.target {
        return Err(bad("the request target is too long"));
    }
    if !request.headers().contains_key(actix_header::HOST) && request.uri().host().is_none() {
        return Err(bad("there is no Host header"));
    }
    let headers = copy_headers(request, limits)?;
    let method = Method::from_bytes(request.method().as_str().as_bytes()).map_err(|_| bad("the verb is malformed"))?;
    let client = answerer.client(peer(request), &headers);
    Ok(Request::new(method, target, headers, Bytes::new(), client))
}

/// The request with its body, within the limits of transport.md section 1.2.
async fn read(head: Result<Request, Refusal>, payload: web::Payload, limits: &Limits) -> Result<Request, Refusal> {
    let mut request = head?;
    // The original takes a chunked body for an empty one (transport.md section 1.2); we read it, within the same limits.
    let body = tokio::time::timeout(limits.request_time, read_body(payload, limits.body(&request.headers)?)).await;
    let too_late = Refusal { status: StatusCode::REQUEST_TIMEOUT, reason: "the body did not arrive in time" };
    request.body = body.map_err(|_| too_late)??;
    Ok(request)
}

/// The headers in the connectors' vocabulary. (actix has an older version of the same types.)
fn copy_headers(request: &HttpRequest, limits: &Limits) -> Result<HeaderMap, Refusal> {
    let mut headers = HeaderMap::with_capacity(request.headers().len());
    for (name, value) in request.headers() {
        let (name, value) = limits.header(name.as_str().as_bytes(), value.as_bytes())?;
        headers.append(name, value);
    }
    Ok(headers)
}

async fn read_body(mut payload: web::Payload, mut body: IncomingBody) -> Result<Bytes, Refusal> {
    while !body.is_complete()
        && let Some(piece) = payload.next().await
    {
        body.add(piece.map_err(|_| bad("the body ended before its Content-Length"))?)?;
    }
    body.finish()
}

/// Puts an answer on the connection. `left` is how many requests may follow on it, when that is limited.
fn write(response: Response, left: Option<u32>, limits: &Limits, is_head: bool) -> HttpResponse<OutgoingBody> {
    let status = actix_web::http::StatusCode::from_u16(response.status.as_u16());
    let bare = is_head || response.has_no_body();
    let size = match (response.verbatim && bare, response.body.length()) {
        // Nothing is said of a body that was not spoken of, and of none but HEAD's by the listener.
        (true, None) => BodySize::None,
        (true, Some(_)) if !is_head => BodySize::None,
        (_, None) => BodySize::Stream,
        (_, Some(length)) => BodySize::Sized(length),
    };
    let said = response.body.length().filter(|_| response.verbatim && response.status == StatusCode::NOT_MODIFIED);
    let mut answer = HttpResponse::with_body(
        status.unwrap_or(actix_web::http::StatusCode::INTERNAL_SERVER_ERROR),
        OutgoingBody { body: response.body, size, bare },
    );
    // All error answers close the connection (transport.md section 1.3), as do connectors that ask for it.
    let asked_to_close =
        response.headers.get(header::CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
    let close = asked_to_close || response.status.as_u16() >= 400 || left == Some(0);
    answer.head_mut().set_camel_case_headers(true);
    if close {
        answer.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    }
    let headers = answer.headers_mut();
    if let (false, Some(left)) = (close, left) {
        let keep_alive = format!("timeout={}, max={left}", limits.idle_time.as_secs());
        if let Ok(keep_alive) = actix_header::HeaderValue::try_from(keep_alive) {
            headers.insert(actix_header::HeaderName::from_static("keep-alive"), keep_alive);
        }
    }
    if !response.verbatim {
        let content_type = match response.content_type {
            Cow::Borrowed(content_type) => Ok(actix_header::HeaderValue::from_static(content_type)),
            Cow::Owned(content_type) => actix_header::HeaderValue::try_from(content_type),
        };
        if let Ok(content_type) = content_type {
            headers.insert(actix_header::CONTENT_TYPE, content_type);
        }
        headers.insert(actix_header::SERVER, actix_header::HeaderValue::from_static("OSWebServer"));
    }
    if let Some(length) = said {
        headers.insert(actix_header::CONTENT_LENGTH, actix_header::HeaderValue::from(length));
    }
    for (name, value) in &response.headers {
        let name = actix_header::HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, actix_header::HeaderValue::from_bytes(value.as_bytes())) {
            headers.append(name, value);
        }
    }
    answer
}

/// A body on its way to the client. A whole one goes in slices, so that it is not copied whole into the connection's buffer. What has
/// a known length is never chunked (transport.md section 13.3).
struct OutgoingBody {
    body: Body,
    size: BodySize,
    /// The head is all.
    bare: bool,
}

impl OutgoingBody {
    const SLICE: usize = 128 * 1024;
}

impl MessageBody for OutgoingBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.bare {
            return Poll::Ready(None);
        }
        match &mut self.body {
            Body::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Whole(bytes) => {
                let length = bytes.len().min(Self::SLICE);
                Poll::Ready(Some(Ok(bytes.split_to(length))))
            }
            Body::Stream { pieces, .. } => pieces.as_mut().poll_next(context),
        }
    }
}
