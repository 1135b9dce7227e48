//! What all OUT connectors do alike: put requests together, and turn an answer that is none back into the kind of its failure.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gridshell_interfaces::{ErrorKind, Result, ServiceError};
use uuid::Uuid;

use crate::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use crate::transport::{Answer, Check, Kind, Outgoing, Repeat, Transport};

/// The content type of forms (transport.md section 4).
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// What a request does at the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Read,
    /// A change that is the same when it is made twice.
    Write,
    /// A change that must not be made twice.
    WriteOnce,
}

/// A request without a body. `subject` is whom or what it is about: what is asked of one subject can stay on one upstream.
pub(crate) fn plain(method: Method, target: String, effect: Effect, subject: Option<Uuid>) -> Outgoing {
    let (kind, repeat) = match effect {
        Effect::Read => (Kind::Read, Repeat::Safe),
        Effect::Write => (Kind::Write, Repeat::Safe),
        Effect::WriteOnce => (Kind::Write, Repeat::Unsafe),
    };
    let affinity = subject.map(|id| id.as_u64_pair().0 ^ id.as_u64_pair().1);
    Outgoing { method, target, headers: HeaderMap::new(), body: Bytes::new(), kind, repeat, affinity, check: None }
}

/// A POST.
pub(crate) fn post(
    target: impl Into<String>,
    content_type: &'static str,
    body: Bytes,
    effect: Effect,
    subject: Option<Uuid>,
) -> Outgoing {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    Outgoing { headers, body, ..plain(Method::POST, target.into(), effect, subject) }
}

/// Sends a request whose answer has a status of success, whatever is asked for, and reads its body. `asked` is what stands for the
/// request in messages.
///
/// # Errors
/// As [`ask_for`]; and of the kind that [`failure`] says, when the answer has another status.
pub(crate) async fn ask<T, R>(transport: &dyn Transport, request: Outgoing, asked: &str, read: R) -> Result<T>
where
    T: Send + 'static,
    R: Fn(&Bytes) -> Result<T> + Send + Sync + 'static,
{
    match ask_for(transport, request, move |answer| read(&answer.body)).await? {
        Asked::Read(found) => Ok(found),
        Asked::Other(answer) => Err(failure(&answer, asked)),
    }
}

/// What was answered.
pub(crate) enum Asked<T> {
    /// With success, and this.
    Read(T),
    /// With another status.
    Other(Answer),
}

/// Sends a request, and reads an answer of success.
///
/// An answer that cannot be read, or says no more than that the shell there cannot do its work, is no answer: as long as that is safe,
/// another shell is asked.
///
/// # Errors
/// Nobody answers; or what `read` finds.
pub(crate) async fn ask_for<T, R>(transport: &dyn Transport, mut request: Outgoing, read: R) -> Result<Asked<T>>
where
    T: Send + 'static,
    R: Fn(&Answer) -> Result<T> + Send + Sync + 'static,
{
    let read = Arc::new(read);
    // What is read while the answer is checked is not read again.
    let found = Arc::new(Mutex::new(None));
    let (reader, place) = (read.clone(), found.clone());
    request.check = Some(Check::new(move |answer| match reader(answer) {
        Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Internal) => Err(error.message),
        outcome => {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            Ok(())
        }
    }));
    let answer = transport.send(request).await?;
    if !answer.status.is_success() {
        return Ok(Asked::Other(answer));
    }
    let found = found.lock().unwrap_or_else(PoisonError::into_inner).take();
    // A transport to one place alone has no use for checks.
    found.unwrap_or_else(|| read(&answer)).map(Asked::Read)
}

/// The failure that a status stands for. IN connectors say 503 for what cannot be reached and 500 for what is broken, and so does
/// ROBUST, but for 400, its word for a body that it cannot read or that is too large (transport.md section 1.2). The other gateway
/// statuses come from what may stand between us and the upstream.
pub(crate) fn failure(answer: &Answer, asked: &str) -> ServiceError {
    let (kind, hint) = match answer.status {
        StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::BAD_GATEWAY
        | StatusCode::GATEWAY_TIMEOUT
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS => (ErrorKind::Unavailable, String::new()),
        StatusCode::BAD_REQUEST => (ErrorKind::Invalid, String::new()),
        StatusCode::PAYLOAD_TOO_LARGE => (ErrorKind::Refused, String::new()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            (ErrorKind::Internal, ": check the user name and password of the upstream".to_owned())
        }
        StatusCode::NOT_FOUND => (ErrorKind::Internal, ": it has no such connector on this port".to_owned()),
        status if status.is_redirection() => {
            let location = answer.headers.get(header::LOCATION).map(|location| String::from_utf8_lossy(location.as_bytes()));
            (ErrorKind::Internal, format!(": it sends us on to {:?}", location.unwrap_or_default()))
        }
        _ => (ErrorKind::Internal, String::new()),
    };
    ServiceError { kind, message: format!("{asked}: the upstream answered {}{hint}", answer.status) }
}

/// The failure of an answer that cannot be understood, or is about something else.
pub(crate) fn unreadable(asked: &str, body: &[u8], error: impl std::fmt::Display) -> ServiceError {
    // What ROBUST answers to a POST without a connector for it (transport.md section 2.1).
    let hint = if body.is_empty() { ": it is empty, as of a shell without this connector on this port" } else { "" };
    ServiceError::internal(format!("{asked}: the answer of the upstream cannot be used: {error}{hint}"))
}
