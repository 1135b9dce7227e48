//! Why an exchange has failed, as far as it decides what may be done next.

use crate::transport::Repeat;

/// A failed exchange.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Failure {
    pub(in crate::upstream) what: What,
    /// For the operator; does not name the upstream.
    pub(in crate::upstream) message: String,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum What {
    /// The request cannot be sent to anybody; no upstream was asked.
    Unsendable,
    /// Not a byte of the request was sent: it surely was not carried out.
    NotSent,
    /// The connection broke before a byte of the answer came. The request may have been carried out.
    Silent,
    /// The connection broke within the answer.
    CutShort,
    /// The answer did not come, or not whole, in time.
    TimedOut,
    /// What came is no HTTP answer, or not one to this request.
    Malformed,
    /// The answer is larger than what is taken; nobody else's would be smaller.
    TooLarge,
    /// The request's own body ended before it was whole.
    Cancelled,
}

impl Failure {
    pub(super) fn unsendable(message: impl Into<String>) -> Self {
        Self { what: What::Unsendable, message: message.into() }
    }

    pub(super) fn not_sent(message: impl Into<String>) -> Self {
        Self { what: What::NotSent, message: message.into() }
    }

    pub(super) fn timed_out(message: impl Into<String>) -> Self {
        Self { what: What::TimedOut, message: message.into() }
    }

    pub(in crate::upstream) fn malformed(message: impl Into<String>) -> Self {
        Self { what: What::Malformed, message: message.into() }
    }

    /// Whether a reused connection has failed in a way that says nothing of the shell, and the request can go out again.
    pub(super) fn is_stale_connection(&self, repeat: Repeat) -> bool {
        self.what == What::NotSent || (self.what == What::Silent && repeat == Repeat::Safe)
    }

    /// Whether it says something of the upstream, rather than of the request or what was asked for.
    pub(in crate::upstream) fn is_the_upstreams(&self) -> bool {
        !matches!(self.what, What::Unsendable | What::TooLarge | What::Cancelled)
    }

    /// The word for metrics.
    pub(in crate::upstream) fn label(&self) -> &'static str {
        match self.what {
            What::NotSent => "unreachable",
            What::Silent | What::CutShort => "lost",
            What::TimedOut => "timed_out",
            What::Malformed | What::TooLarge => "malformed",
            What::Unsendable => "unsendable",
            What::Cancelled => "cancelled",
        }
    }
}
