//! Requests that pass through a group with bodies of any length, there and back, piece by piece.
//!
//! They go the way of all requests until an answer begins. From then on its body is read when whoever has it asks for more, so that neither
//! side is ahead of the other by more than a few pieces; dropping it closes the connection, by which the upstream learns that nobody
//! wants the rest. A member's `TotalTimeout` bounds the time until an answer begins, and not that where a body is on its way; the rest is
//! bounded by how long nothing may move.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::body::{Body as _, Incoming};

use super::UpstreamGroup;
use super::client::{
    Begun, Connection, Failure, KeepAlive, Passing, PassingBody, Stillness, Upload, What, without_those_of_the_connection,
};
use super::course::{Attempt, Course, Nobody};
use super::group::{Place, is_refusal};
use super::member::{Member, Verdict, Visit};
use crate::http::Body;
use crate::transport::Repeat;

/// A request that passes.
#[derive(Debug)]
pub struct Passage {
    /// The verb.
    pub method: Method,
    /// Path and query string, as they are to be asked for. What the address of the upstream has of a path goes before it.
    pub target: String,
    /// Its headers. Those of the connection (Host, Content-Length, Connection) are the group's.
    pub headers: HeaderMap,
    /// The Host header; `None` for the upstream's own name.
    pub host: Option<HeaderValue>,
    /// What it carries; `None` for nothing, not even a length.
    pub body: Option<Body>,
    /// What may be done when an attempt fails. A body that is a stream goes out once, unless nobody has begun to take it.
    pub repeat: Repeat,
    /// As in [`Outgoing`](crate::transport::Outgoing).
    pub affinity: Option<u64>,
}

/// Its answer, whose body may still be on its way.
#[derive(Debug)]
pub struct Passed {
    /// Status code.
    pub status: StatusCode,
    /// All headers but those of the connection.
    pub headers: HeaderMap,
    /// The body. Where the head alone is the answer, as on HEAD, the length is what the head says.
    pub body: Body,
}

/// There is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PassError {
    /// Nobody can be reached, or all who can are busy: the request was surely not carried out. Names the addresses.
    #[error("{0}")]
    Unavailable(String),
    /// Nobody has answered in time.
    #[error("{0}")]
    TimedOut(String),
    /// What came back is no HTTP answer, or nothing.
    #[error("{0}")]
    Broken(String),
    /// The request's own body ended before it was whole.
    #[error("{0}")]
    Cancelled(String),
}

impl From<Nobody> for PassError {
    fn from(nobody: Nobody) -> Self {
        let kind = match () {
            () if nobody.is_cancelled() => Self::Cancelled,
            () if nobody.was_not_reached() => Self::Unavailable,
            () if nobody.is_late() => Self::TimedOut,
            () => Self::Broken,
        };
        kind(nobody.message)
    }
}

impl UpstreamGroup {
    /// Passes a request, and gives the answer when its head is there.
    ///
    /// # Errors
    /// Nobody has answered.
    pub async fn pass(&self, passage: Passage) -> Result<Passed, PassError> {
        let place = self.place().map_err(|error| PassError::Unavailable(error.to_string()))?;
        let Passage { method, target, headers, host, body, repeat, affinity } = passage;
        let body = match body {
            None => PassingBody::None,
            Some(Body::Whole(bytes)) => PassingBody::Whole(bytes),
            Some(Body::Stream { length, pieces }) => PassingBody::Streamed(Upload::new(length, pieces)),
        };
        let is_head = method == Method::HEAD;
        let request = Passing { method, target, headers, host, body, repeat };
        let mut course = Course::new(self, repeat, affinity);
        let mut answer = None;
        while let Some(member) = course.next_member() {
            let visit = member.visit();
            let outcome = {
                let give_up = || course.gives_up();
                member.client.begin(&request, &course.waiting(&give_up)).await
            };
            let attempt = match outcome {
                Ok(begun) if is_refusal(begun.status) => {
                    visit.ended(&Verdict::Refused(begun.status));
                    Attempt::Refusal((begun, member, None))
                }
                Ok(begun) => Attempt::Answer((begun, member, Some(visit))),
                Err(failure) => self.failed(visit, failure),
            };
            answer = course.take(attempt);
            if answer.is_some() {
                break;
            }
        }
        let (begun, member, visit) = match answer {
            Some(answer) => answer,
            None => course.end()?,
        };
        let upload = match request.body {
            PassingBody::Streamed(upload) => Some(upload),
            PassingBody::None | PassingBody::Whole(_) => None,
        };
        let stillness = Stillness { longest: self.answer_time, upload };
        passed(begun, Asked { member, visit, _place: place }, stillness, is_head).await
    }
}

/// Whom an answer comes from, until its end.
struct Asked {
    member: Arc<Member>,
    /// `None` when the member has its verdict already.
    visit: Option<Visit>,
    _place: Place,
}

impl Asked {
    fn ended(self, verdict: &Verdict<'_>) {
        if let Some(visit) = self.visit {
            visit.ended(verdict);
        }
    }
}

/// The answer as its reader gets it.
async fn passed(begun: Begun, mut asked: Asked, stillness: Stillness, is_head: bool) -> Result<Passed, PassError> {
    if let Some(visit) = &mut asked.visit {
        visit.is_answered();
    }
    let Begun { status, headers, keep_alive, body, length, connection } = begun;
    // Here and there something is said of a body that does not follow.
    let is_alone = is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let said = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let headers = without_those_of_the_connection(&headers);
    let is_empty = body.is_end_stream();
    let mut download = Download { connection, body, stillness, keep_alive, length, received: 0, asked };
    if !is_empty {
        return Ok(Passed {
            status,
            headers,
            body: Body::Stream { length, pieces: stream::unfold(Some(download), next_piece).boxed() },
        });
    }
    match download.connection.settled().await {
        Err(failure) if !is_head => return Err(PassError::Broken(download.fail(failure).to_string())),
        // Some send the body that they were not asked for; its head is right all the same.
        _ => download.end(),
    }
    let body = if is_alone { Body::Stream { length: said, pieces: stream::empty().boxed() } } else { Bytes::new().into() };
    Ok(Passed { status, headers, body })
}

/// The body of an answer on its way.
struct Download {
    connection: Connection,
    body: Incoming,
    stillness: Stillness,
    keep_alive: KeepAlive,
    length: Option<u64>,
    received: u64,
    asked: Asked,
}

async fn next_piece(download: Option<Download>) -> Option<(io::Result<Bytes>, Option<Download>)> {
    let mut download = download?;
    let Download { connection, body, stillness, length, received, .. } = &mut download;
    match connection.piece(body, stillness, *received, *length).await {
        Ok(Some(piece)) => {
            download.received += piece.len() as u64;
            Some((Ok(piece), Some(download)))
        }
        Ok(None) => {
            // What follows the end of chunks is seen now; the answer was whole before it.
            let _ = download.connection.settled().await;
            download.end();
            None
        }
        Err(failure) => Some((Err(download.fail(failure)), None)),
    }
}

impl Download {
    fn end(self) {
        let Self { connection, keep_alive, asked, .. } = self;
        asked.member.client.keep(connection, keep_alive);
        asked.ended(&Verdict::Well);
    }

    fn fail(self, failure: Failure) -> io::Error {
        let is_cancelled = self.stillness.upload.as_ref().is_some_and(Upload::is_broken);
        let kind = if failure.what == What::TimedOut { io::ErrorKind::TimedOut } else { io::ErrorKind::UnexpectedEof };
        let error = io::Error::new(kind, failure.message.clone());
        if !is_cancelled {
            self.asked.ended(&Verdict::Failed(&failure));
        }
        error
    }
}
