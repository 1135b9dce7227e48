//! One connection of a web server: requests one after the other, each read (whole, unless it passes), answered and ended.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use gridshell_connectors::http::{Body, Method, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::cgi::{self, Head};
use super::record::{self, Begin, EndStatus, LONGEST_CONTENT, Malformed, RESPONDER, Record, kind};
use super::socket::Stream;
use crate::answering::{Answerer, Current, Refusal, bad, declared_length};
use crate::passing::{Intake, passing_body};

/// Room for the parameters of one request in bytes: twice what the HTTP listeners take as a head, since web servers add their own.
const MAX_PARAMETERS: usize = 256 * 1024;

/// Room for what arrives while nothing is expected.
const READ_AHEAD: usize = 8 * 1024;

/// What is written at once.
const WRITE_AT: usize = 64 * 1024;

/// A connection.
pub struct Connection {
    stream: Box<dyn Stream>,
    input: BytesMut,
    /// Whole records that are not written yet.
    output: BytesMut,
    current: Arc<Current>,
    /// Who answers the request under way.
    answerer: Arc<Answerer>,
    max_connections: usize,
    stopping: watch::Receiver<bool>,
    /// The body of a request that passes, as long as it comes.
    upload: Option<Upload>,
}

/// A body that goes on as it comes in.
struct Upload {
    /// `None` when nobody wants it any more, and it is read to be thrown away.
    intake: Option<Intake>,
    /// When the next piece has to be here, once there is room for it.
    until: Option<Instant>,
}

/// Why a request, and mostly the connection, ends before its time.
#[derive(Debug, thiserror::Error)]
pub enum Interruption {
    /// The web server has lost interest; the connection goes on.
    #[error("the web server aborted a request")]
    Aborted,
    /// The connection was closed in the middle of a request or record.
    #[error("the web server closed it during a request")]
    Closed,
    /// A request did not arrive, or an answer was not taken, in time.
    #[error("the web server was too slow")]
    TooSlow,
    /// What arrived makes no sense.
    #[error("the web server sent {0}")]
    Malformed(#[from] Malformed),
    /// The connection failed.
    #[error(transparent)]
    Failed(#[from] io::Error),
    /// An answer has begun and cannot be brought to its end. The web server must not take the beginning for the whole.
    #[error("an answer could not be completed: {0}")]
    CutOff(io::Error),
}

impl Connection {
    /// A new connection; once `stopping` is true it ends with the request under way.
    pub fn new(stream: Box<dyn Stream>, current: Arc<Current>, max_connections: usize, stopping: watch::Receiver<bool>) -> Self {
        let answerer = current.answerer();
        let (input, output) = (BytesMut::new(), BytesMut::new());
        Self { stream, input, output, current, answerer, max_connections, stopping, upload: None }
    }

    /// Serves requests until the web server, the idle time or the stop of the program ends the connection.
    ///
    /// # Errors
    /// Whatever else ended it. Nobody but this connection's request is hurt.
    pub async fn serve(mut self) -> Result<(), Interruption> {
        while let Some((id, begin)) = self.next_request().await? {
            self.answerer = self.current.answerer();
            match begin.role {
                RESPONDER => self.request(id).await?,
                _ => self.end(id, EndStatus::UnknownRole).await?,
            }
            if !begin.keep || *self.stopping.borrow() {
                break;
            }
        }
        Ok(self.stream.shutdown().await?)
    }

    /// Waits for a request to begin.
    async fn next_request(&mut self) -> Result<Option<(u16, Begin)>, Interruption> {
        let idle_until = Instant::now() + self.answerer.limits.idle_time;
        let mut stopping = self.stopping.clone();
        let mut stopped = pin!(async move {
            // That the other end is gone means the same.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        });
        loop {
            let record = tokio::select! {
                biased;
                () = sleep_until(idle_until) => return Ok(None),
                record = self.receive() => record?,
                () = &mut stopped => return Ok(None),
            };
            let Some(record) = record else { return Ok(None) };
            match record.kind {
                _ if record.id == 0 => self.manage(&record).await?,
                kind::BEGIN_REQUEST => return Ok(Some((record.id, Begin::read(&record.content)?))),
                // The rest of a request that has ended already.
                kind::ABORT_REQUEST | kind::PARAMS | kind::STDIN => {}
                _ => return Err(Malformed("a record that no web server sends").into()),
            }
        }
    }

    /// Serves one request that has begun.
    async fn request(&mut self, id: u16) -> Result<(), Interruption> {
        let mut is_read = false;
        let outcome = self.exchange(id, &mut is_read).await;
        // What is left of a body that passed, comes before the next request.
        self.upload = None;
        match outcome {
            Err(Interruption::Aborted) => self.end(id, EndStatus::Complete).await,
            Err(Interruption::TooSlow) if !is_read => {
                let refusal = Refusal { status: StatusCode::REQUEST_TIMEOUT, reason: "the request did not arrive in time" };
                let response = self.answerer.answer(Err(refusal), None::<IpAddr>).await;
                self.send(id, response, false).await?;
                // What comes next on the connection is the rest of this request.
                Err(Interruption::TooSlow)
            }
            outcome => outcome,
        }
    }

    /// Reads a request and answers it. One that is refused is read to its end too, so that the web server takes the answer and the
    /// connection can go on; `is_read` says that this has been done, or is not waited for.
    async fn exchange(&mut self, id: u16, is_read: &mut bool) -> Result<(), Interruption> {
        let answerer = self.answerer.clone();
        let head_until = Instant::now() + answerer.limits.head_time;
        let mut parameters = Ok(BytesMut::new());
        loop {
            match self.receive_of(id, head_until).await? {
                (kind::PARAMS, piece) if piece.is_empty() => break,
                (kind::PARAMS, piece) => {
                    parameters = parameters.and_then(|mut parameters| {
                        if parameters.len() + piece.len() > MAX_PARAMETERS {
                            return Err(bad("the parameters are too long"));
                        }
                        parameters.extend_from_slice(&piece);
                        Ok(parameters)
                    });
                }
                _ => return Err(Malformed("a record out of order").into()),
            }
        }
        let head = match parameters {
            Ok(parameters) => cgi::read(&parameters, &answerer)?,
            Err(refusal) => Err(refusal),
        };
        let is_head = head.as_ref().is_ok_and(|head| head.request.method == Method::HEAD);
        let client = head.as_ref().ok().map(|head| head.request.client);
        if let Some(route) = head.as_ref().ok().and_then(|head| answerer.passing(&head.request)) {
            let begun = head.and_then(|head| {
                let (body, intake) = passing_body(declared_length(&head.request.headers)?, route.largest_body())?;
                Ok((head, body, intake))
            });
            *is_read = true;
            let response = match begun {
                Ok((Head { request, target, peer }, body, intake)) => {
                    self.upload = Some(Upload { intake: Some(intake), until: None });
                    self.watching(id, answerer.pass(route, request, target, peer, body)).await?
                }
                // What comes next on the connection is the rest of this request, of whatever length.
                Err(refusal) => answerer.answer(Err(refusal), client).await,
            };
            return self.send(id, response, is_head).await;
        }
        let mut incoming = head.and_then(|head| Ok((answerer.limits.body(&head.request.headers)?, head.request)));
        let body_until = Instant::now() + answerer.limits.request_time;
        loop {
            match self.receive_of(id, body_until).await? {
                (kind::STDIN, piece) if piece.is_empty() => break,
                (kind::STDIN, piece) => {
                    incoming = incoming.and_then(|(mut body, request)| body.add(piece).map(|()| (body, request)));
                }
                _ => return Err(Malformed("a record out of order").into()),
            }
        }
        *is_read = true;
        let request = incoming.and_then(|(body, mut request)| {
            request.body = body.finish()?;
            Ok(request)
        });
        let response = self.watching(id, answerer.answer(request, client)).await?;
        self.send(id, response, is_head).await
    }

    /// Does something while the request is under way, and gives it up when the web server gives up the request. Takes in the body of a
    /// request that passes meanwhile.
    async fn watching<T>(&mut self, id: u16, work: impl Future<Output = T>) -> Result<T, Interruption> {
        let mut work = pin!(work);
        loop {
            let record = tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                record = self.receive_wanted() => record?,
            };
            // A body that nobody waits for any more.
            let Some(record) = record else { continue };
            match (self.of_request(record, id).await?, &mut self.upload) {
                (None, _) => {}
                (Some((kind::STDIN, piece)), Some(_)) => self.take_in(piece),
                (Some(_), _) => return Err(Malformed("a record after the end of its request").into()),
            }
        }
    }

    /// The next record, when there is room for what it may carry; `None` when that is not wanted any more, or does not come in time.
    async fn receive_wanted(&mut self) -> Result<Option<Record>, Interruption> {
        let received = match &mut self.upload {
            Some(Upload { intake: Some(intake), until }) => {
                if !intake.has_room().await {
                    self.upload = Some(Upload { intake: None, until: None });
                    return Ok(None);
                }
                let until = *until.get_or_insert_with(|| Instant::now() + self.answerer.limits.request_time);
                timeout_at(until, self.receive()).await
            }
            _ => Ok(self.receive().await),
        };
        match received {
            Ok(record) => Ok(Some(record?.ok_or(Interruption::Closed)?)),
            Err(_) => {
                let refusal = Refusal { status: StatusCode::REQUEST_TIMEOUT, reason: "the body did not arrive in time" };
                self.refuse_upload(refusal);
                Ok(None)
            }
        }
    }

    /// Takes a piece of the body, for which there is room; an empty one is its end.
    fn take_in(&mut self, piece: Bytes) {
        let Some(upload) = &mut self.upload else { return };
        if piece.is_empty() {
            if let Some(Upload { intake: Some(intake), .. }) = self.upload.take() {
                // The client has its answer from what is wrong with it.
                let _ = intake.finish();
            }
            return;
        }
        upload.until = None;
        if let Some(Err(refusal)) = upload.intake.as_mut().map(|intake| intake.add(piece)) {
            self.refuse_upload(refusal);
        }
    }

    fn refuse_upload(&mut self, refusal: Refusal) {
        if let Some(intake) = self.upload.as_mut().and_then(|upload| upload.intake.take()) {
            intake.refuse(refusal);
        }
    }

    /// The type and content of the next record of the request under way.
    async fn receive_of(&mut self, id: u16, until: Instant) -> Result<(u8, Bytes), Interruption> {
        loop {
            let received = timeout_at(until, self.receive()).await.map_err(|_| Interruption::TooSlow)?;
            // What is there at once is never waited for, however long that goes on.
            if Instant::now() > until {
                return Err(Interruption::TooSlow);
            }
            let record = received?.ok_or(Interruption::Closed)?;
            if let Some(piece) = self.of_request(record, id).await? {
                return Ok(piece);
            }
        }
    }

    /// The type and content of a record of the request under way; others are dealt with.
    async fn of_request(&mut self, record: Record, id: u16) -> Result<Option<(u8, Bytes)>, Interruption> {
        match record.kind {
            _ if record.id == 0 => self.manage(&record).await?,
            kind::BEGIN_REQUEST if record.id != id => self.end(record.id, EndStatus::CannotMultiplex).await?,
            // The rest of a request that was refused just so.
            _ if record.id != id => {}
            kind::ABORT_REQUEST => return Err(Interruption::Aborted),
            kind => return Ok(Some((kind, record.content))),
        }
        Ok(None)
    }

    /// Answers a record that concerns the connection.
    async fn manage(&mut self, record: &Record) -> Result<(), Interruption> {
        match record.kind {
            kind::GET_VALUES => record::put_values(&mut self.output, &record.content, self.max_connections)?,
            unknown => record::put_unknown_type(&mut self.output, unknown),
        }
        self.flush().await
    }

    /// The next record; `None` when the connection ends before one. Nothing that has arrived is lost when this is given up.
    async fn receive(&mut self) -> Result<Option<Record>, Interruption> {
        loop {
            if let Some(record) = Record::take(&mut self.input)? {
                return Ok(Some(record));
            }
            self.input.reserve(READ_AHEAD);
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return if self.input.is_empty() { Ok(None) } else { Err(Interruption::Closed) };
            }
        }
    }

    async fn send(&mut self, id: u16, response: Response, is_head: bool) -> Result<(), Interruption> {
        let cut_off = |reason| Interruption::CutOff(io::Error::other(reason));
        self.put(id, &cgi::header_block(&response)).await?;
        let is_bare = is_head || response.verbatim && response.has_no_body();
        match response.body {
            _ if is_bare => {}
            Body::Whole(bytes) => self.put(id, &bytes).await?,
            Body::Stream { length, mut pieces } => {
                let time = self.answerer.limits.response_time;
                let mut sent = 0;
                // The head of an answer that takes its time is there before the rest.
                self.flush().await?;
                loop {
                    let piece = self.watching(id, timeout(time, pieces.next())).await?;
                    let Some(piece) = piece.map_err(|_| cut_off("its next piece did not come in time"))? else { break };
                    let piece = piece.map_err(Interruption::CutOff)?;
                    sent += piece.len() as u64;
                    if length.is_some_and(|length| sent > length) {
                        return Err(cut_off("it is longer than announced"));
                    }
                    self.put(id, &piece).await?;
                }
                if length.is_some_and(|length| sent != length) {
                    return Err(cut_off("it is shorter than announced"));
                }
            }
        }
        record::put(&mut self.output, kind::STDOUT, id, b"");
        self.end(id, EndStatus::Complete).await
    }

    /// Puts a part of the answer on its way.
    async fn put(&mut self, id: u16, bytes: &[u8]) -> Result<(), Interruption> {
        for piece in bytes.chunks(LONGEST_CONTENT) {
            record::put(&mut self.output, kind::STDOUT, id, piece);
            if self.output.len() >= WRITE_AT {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn end(&mut self, id: u16, status: EndStatus) -> Result<(), Interruption> {
        record::put_end(&mut self.output, id, status);
        self.flush().await
    }

    /// Writes what waits. The web server has to take some of it within the time for an answer.
    async fn flush(&mut self) -> Result<(), Interruption> {
        let time = self.answerer.limits.response_time;
        while !self.output.is_empty() {
            let written = timeout(time, self.stream.write_buf(&mut self.output)).await;
            if written.map_err(|_| Interruption::TooSlow)?? == 0 {
                return Err(Interruption::Closed);
            }
        }
        Ok(())
    }
}
