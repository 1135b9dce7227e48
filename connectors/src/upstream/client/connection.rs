//! One connection, and an exchange on it.

use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::runtime;
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{Failure, What};
use super::stream::{Counted, Stream, Traffic};
use super::upload::{Outward, Upload};
use crate::transport::Answer;

/// What is allocated on the mere word of a peer.
const TRUSTED: usize = 1024 * 1024;

pub(super) type Request = http::Request<Outward>;

/// How long an answer is waited for.
pub(in crate::upstream) struct Waiting<'a> {
    /// Until the answer has to be there, whole.
    pub(in crate::upstream) until: Instant,
    /// How long it may take to begin, or to go on.
    pub(in crate::upstream) answer_time: Duration,
    /// Whenever so much of that time has passed, `give_up` is asked.
    pub(in crate::upstream) patience: Duration,
    /// Whether the request is better taken to somebody else now.
    pub(in crate::upstream) give_up: &'a (dyn Fn() -> bool + Send + Sync),
}

impl Waiting<'static> {
    /// Waiting until a moment, and nothing else.
    pub(super) fn until(until: Instant) -> Self {
        Self { until, answer_time: Duration::MAX, patience: Duration::MAX, give_up: &|| false }
    }
}

impl Waiting<'_> {
    /// Awaits the next sign of an answer. `allowance` is time that is not the peer's fault.
    async fn patiently<F: Future>(&self, sign: F, allowance: Duration) -> Result<F::Output, Failure> {
        let begun = Instant::now();
        let later = |time: Duration| begun.checked_add(time.saturating_add(allowance)).unwrap_or(self.until);
        let end = later(self.answer_time).min(self.until);
        let mut patience = self.patience;
        let mut sign = pin!(sign);
        loop {
            let until = later(patience).min(end);
            match timeout_at(until, sign.as_mut()).await {
                Ok(sign) => return Ok(sign),
                Err(_) if until >= self.until => return Err(Failure::timed_out("there was no whole answer in time")),
                Err(_) if until >= end || (self.give_up)() => {
                    return Err(Failure::timed_out(format!("nothing came for {:.1?}", begun.elapsed())));
                }
                Err(_) => patience = patience.saturating_add(self.patience),
            }
        }
    }
}

/// How long nothing may move on a connection.
#[derive(Clone)]
pub(in crate::upstream) struct Stillness {
    /// The longest time; it may be twice that until it is noticed.
    pub(in crate::upstream) longest: Duration,
    /// What is on its way to the peer. While it is late, the peer is not to blame.
    pub(in crate::upstream) upload: Option<Upload>,
}

impl Stillness {
    /// Awaits the next sign of an answer for as long as anything moves.
    async fn bear<F: Future>(&self, sign: F, traffic: &Traffic) -> Result<F::Output, Failure> {
        let mut sign = pin!(sign);
        loop {
            let before = traffic.so_far();
            if let Ok(sign) = timeout(self.longest, sign.as_mut()).await {
                return Ok(sign);
            }
            let is_late = self.upload.as_ref().is_some_and(Upload::is_late);
            if !is_late && traffic.so_far() == before {
                return Err(Failure::timed_out(format!("nothing moved for {:.1?}", self.longest)));
            }
        }
    }
}

/// An open connection. Nothing drives it but its own methods.
#[derive(Debug)]
pub(in crate::upstream) struct Connection {
    sender: http1::SendRequest<Outward>,
    driver: http1::Connection<TokioIo<Counted>, Outward>,
    traffic: Arc<Traffic>,
    home: runtime::Id,
    /// How it ended, once it has; it must not be driven further.
    ended: Option<Result<(), String>>,
}

impl Connection {
    /// A connection over a stream, which lives on the runtime `home`.
    pub(super) async fn start(stream: Stream, home: runtime::Id) -> Result<Self, Failure> {
        let (stream, traffic) = Counted::new(stream);
        // Names as the original writes them; the case means nothing, but not every server knows that.
        let handshake = http1::Builder::new().title_case_headers(true).handshake(TokioIo::new(stream)).await;
        let (sender, driver) = handshake.map_err(|error| Failure::not_sent(describe(&error)))?;
        Ok(Self { sender, driver, traffic, home, ended: None })
    }

    /// The runtime on whose I/O driver it lives.
    pub(super) fn home(&self) -> runtime::Id {
        self.home
    }

    /// Whether it can take a request, as far as was seen when it was last driven.
    pub(super) fn is_reusable(&self) -> bool {
        self.ended.is_none() && self.sender.is_ready()
    }

    /// Looks whether the peer has closed it, or said something out of turn.
    pub(super) async fn is_open(&mut self) -> bool {
        self.settle().await;
        self.is_reusable()
    }

    /// Sends a request and reads its answer, whose body has at most `largest` bytes.
    pub(super) async fn exchange(&mut self, request: Request, waiting: &Waiting<'_>, largest: usize) -> Result<Answer, Failure> {
        let (head, body) = self.head(request, waiting).await?.into_parts();
        let body = self.body(body, waiting, largest).await?;
        self.settled().await?;
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// Sends a request and reads the head of its answer. Unless the body is read, the connection cannot be used again.
    pub(super) async fn head(&mut self, request: Request, waiting: &Waiting<'_>) -> Result<http::Response<Incoming>, Failure> {
        let before = self.traffic.so_far();
        let allowance = Duration::from_millis(request.body().size_hint().exact().unwrap_or(0) / 1024);
        let response = self.sender.send_request(request);
        let head = match waiting.patiently(self.drive(response), allowance).await {
            Ok(Some(head)) => head.map_err(|error| failure(&error)),
            Ok(None) => Err(cut_short()),
            Err(failure) => Err(failure),
        };
        head.map_err(|failure| self.judge(failure, before))
    }

    /// As [`Connection::head`], for a request whose body is on its way here, and which is waited for as long as anything moves.
    pub(super) async fn head_meanwhile(
        &mut self,
        request: Request,
        stillness: &Stillness,
    ) -> Result<http::Response<Incoming>, Failure> {
        let before = self.traffic.so_far();
        let traffic = self.traffic.clone();
        let response = self.sender.send_request(request);
        let head = match stillness.bear(self.drive(response), &traffic).await {
            Ok(Some(head)) => head.map_err(|error| failure(&error)),
            Ok(None) => Err(cut_short()),
            Err(failure) => Err(failure),
        };
        head.map_err(|failure| self.judge(failure, before))
    }

    /// The next piece of an answer's body; `None` at its end. `received` is what has come before, of `declared` bytes if that was said.
    /// The last piece is not given out before it is sure that nothing follows it.
    pub(in crate::upstream) async fn piece(
        &mut self,
        body: &mut Incoming,
        stillness: &Stillness,
        received: u64,
        declared: Option<u64>,
    ) -> Result<Option<Bytes>, Failure> {
        let traffic = self.traffic.clone();
        while let Some(frame) = stillness.bear(self.drive(body.frame()), &traffic).await?.ok_or_else(cut_short)? {
            let Ok(piece) = frame.map_err(|error| failure(&error))?.into_data() else { continue };
            if declared == Some(received + piece.len() as u64) {
                self.settled().await?;
            }
            return Ok(Some(piece));
        }
        match declared {
            Some(declared) if declared != received => Err(cut_short()),
            _ => Ok(None),
        }
    }

    /// After a whole answer: looks for more than it.
    pub(in crate::upstream) async fn settled(&mut self) -> Result<(), Failure> {
        self.settle().await;
        match &self.ended {
            Some(Err(error)) if error.contains(UNEXPECTED) => Err(Failure::malformed("the answer is longer than it says")),
            // What else happens to a connection after a whole answer does not matter to the answer.
            _ => Ok(()),
        }
    }

    async fn body(&mut self, mut body: Incoming, waiting: &Waiting<'_>, largest: usize) -> Result<Bytes, Failure> {
        let too_large = || Failure { what: What::TooLarge, message: format!("the answer has more than {largest} bytes") };
        let declared = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if declared.is_some_and(|declared| declared > largest) {
            return Err(too_large());
        }
        let mut whole = BytesMut::new();
        while let Some(frame) = waiting.patiently(self.drive(body.frame()), Duration::ZERO).await?.ok_or_else(cut_short)? {
            let Ok(piece) = frame.map_err(|error| failure(&error))?.into_data() else { continue };
            if whole.is_empty() && declared == Some(piece.len()) {
                return Ok(piece);
            }
            if piece.len() > largest - whole.len() {
                return Err(too_large());
            }
            if whole.is_empty() {
                whole.reserve(declared.unwrap_or(0).min(TRUSTED));
            }
            whole.extend_from_slice(&piece);
        }
        if declared.is_some_and(|declared| declared != whole.len()) {
            return Err(cut_short());
        }
        Ok(whole.freeze())
    }

    /// Awaits `work`, which this connection does, while driving it. `None` when the connection has ended and left the work undone.
    async fn drive<F: Future>(&mut self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            self.turn(cx);
            match work.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if self.ended.is_some() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Lets the connection do what it can do at once.
    async fn settle(&mut self) {
        poll_fn(|cx| {
            self.turn(cx);
            Poll::Ready(())
        })
        .await;
    }

    fn turn(&mut self, cx: &mut Context<'_>) {
        if self.ended.is_none()
            && let Poll::Ready(end) = Pin::new(&mut self.driver).poll(cx)
        {
            self.ended = Some(end.map_err(|error| describe(&error)));
        }
    }

    /// A failure of the head, by what has passed over the wire for it.
    fn judge(&self, failure: Failure, before: (u64, u64)) -> Failure {
        let (read, written) = self.traffic.so_far();
        match failure.what {
            What::TimedOut | What::Malformed => failure,
            _ if written == before.1 => Failure { what: What::NotSent, ..failure },
            _ if read == before.0 => Failure { what: What::Silent, ..failure },
            _ => failure,
        }
    }
}

/// What hyper says when bytes come that belong to no answer. It has no other sign for it; a test holds it to these words.
const UNEXPECTED: &str = "unexpected message";

fn cut_short() -> Failure {
    Failure { what: What::CutShort, message: "the answer ended before it was whole".to_owned() }
}

fn failure(error: &hyper::Error) -> Failure {
    let what = if error.is_parse() { What::Malformed } else { What::CutShort };
    Failure { what, message: describe(error) }
}

/// The error and its causes.
fn describe(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
