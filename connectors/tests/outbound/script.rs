//! A transport that gives the answers that a test has written, and keeps what was sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_connectors::http::{HeaderMap, Method, StatusCode};
use gridshell_connectors::transport::{Answer, Kind, Outgoing, Repeat, Transport, TransportError};

#[derive(Debug)]
pub struct Script {
    answers: Mutex<VecDeque<Result<Answer, TransportError>>>,
    sent: Mutex<Vec<Outgoing>>,
}

impl Script {
    /// Answers with each of these in turn. A request more than that fails the test.
    pub fn new(answers: impl IntoIterator<Item = Result<Answer, TransportError>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), sent: Mutex::default() })
    }

    /// Answers one request.
    pub fn answering(status: u16, body: impl Into<Bytes>) -> Arc<Self> {
        Self::new([Ok(answer(status, body))])
    }

    /// Answers no request.
    pub fn silent() -> Arc<Self> {
        Self::new([])
    }

    /// What was sent, and that all answers were asked for.
    pub fn sent(&self) -> Vec<Outgoing> {
        assert_eq!(self.answers.lock().unwrap().len(), 0, "answers that nobody has asked for");
        self.sent.lock().unwrap().clone()
    }

    /// The one request that was sent.
    pub fn request(&self) -> Outgoing {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "requests");
        sent.remove(0)
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Outgoing) -> Result<Answer, TransportError> {
        self.sent.lock().unwrap().push(request.clone());
        self.answers.lock().unwrap().pop_front().unwrap_or_else(|| panic!("nobody expects {request:?}"))
    }
}

pub fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Answer { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body: body.into() }
}

/// Method, target, content type and body of a request, which must have no other headers.
pub fn on_the_wire(request: &Outgoing) -> (String, String) {
    let content_type = request.headers.get("content-type").map(|value| value.to_str().unwrap());
    assert_eq!(request.headers.len(), usize::from(content_type.is_some()), "{:?}", request.headers);
    assert_eq!(content_type.is_some(), request.method == Method::POST);
    let head = format!("{} {} {}", request.method, request.target, content_type.unwrap_or_default());
    (head.trim_end().to_owned(), String::from_utf8(request.body.to_vec()).unwrap())
}

pub const READ: (Kind, Repeat) = (Kind::Read, Repeat::Safe);
pub const WRITE: (Kind, Repeat) = (Kind::Write, Repeat::Safe);
pub const WRITE_ONCE: (Kind, Repeat) = (Kind::Write, Repeat::Unsafe);
