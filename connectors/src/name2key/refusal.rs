//! Why a request of a script gets no answer, and what it gets instead: a status and a sentence for each reason.

use std::time::Duration;

use gridshell_interfaces::ServiceError;

use super::face::plain;
use crate::http::{HeaderValue, Response, StatusCode, header};

/// How much of what was sent is sent back.
const SHOWN_CHARACTERS: usize = 64;

/// The reason.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The parameters say nothing, or cannot be read; the sentence depends on the face (name2key.md section 2.3).
    Nothing(&'static str),
    /// A name that nobody can have, and why.
    Name(String),
    /// A key that nobody can have.
    Key(String),
    /// A grid that is too long or has control characters.
    Grid,
    /// A `max` that is no number.
    Max(String),
    /// A registration that is not permitted (name2key.md section 12.1).
    NotAllowed,
    /// The address does `what` too often, and may again after a while.
    TooMany {
        /// In the plural.
        what: &'static str,
        /// How long it has to wait.
        wait: Duration,
    },
    /// A request that W-Hat's server does not take, with its words for it (name2key.md section 7.3).
    Web(&'static str),
    /// The service fails.
    Service(ServiceError),
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl Refusal {
    /// The answer. Nothing that a script could take for a key.
    pub(super) fn response(self) -> Response {
        match self {
            Self::Nothing(text) => sentence(StatusCode::NOT_FOUND, text),
            Self::Name(reason) => sentence(StatusCode::BAD_REQUEST, &format!("invalid name: {reason}")),
            Self::Key(key) => sentence(StatusCode::BAD_REQUEST, &format!("invalid key {:?}", beginning(&key))),
            Self::Grid => sentence(StatusCode::BAD_REQUEST, "invalid grid"),
            Self::Max(max) => sentence(StatusCode::BAD_REQUEST, &format!("invalid max {:?}", beginning(&max))),
            Self::NotAllowed => sentence(StatusCode::FORBIDDEN, "registration not allowed"),
            Self::TooMany { what, wait } => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                sentence(StatusCode::TOO_MANY_REQUESTS, &format!("too many {what}, try again later"))
                    .with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
            }
            Self::Web(text) => plain(StatusCode::BAD_REQUEST, text),
            Self::Service(error) => {
                tracing::error!(kind = ?error.kind, %error, "the name2key service failed");
                sentence(StatusCode::SERVICE_UNAVAILABLE, "name2key is not available")
            }
        }
    }
}

/// A sentence ends its line, and a header keeps browsers from guessing its type (name2key.md section 2.3).
fn sentence(status: StatusCode, text: &str) -> Response {
    plain(status, format!("{text}\n")).with_header(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
}

fn beginning(text: &str) -> &str {
    text.char_indices().nth(SHOWN_CHARACTERS).map_or(text, |(end, _)| &text[..end])
}
