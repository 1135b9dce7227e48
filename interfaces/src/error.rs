//! What can go wrong in a service: a small closed set of kinds.
//!
//! IN connectors turn a kind into the failure form of their wire dialect, OUT connectors turn that form back into the kind, so a
//! kind survives any number of hops. "Not found" is no error: look-ups answer `Option`.

use std::fmt;

/// The result of a service call.
pub type Result<T> = std::result::Result<T, ServiceError>;

/// What kind of failure it is; decides what the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request makes no sense (a malformed value). Repeating it cannot help.
    Invalid,
    /// The request makes sense, but this store will not take it (a value that does not fit a column, a forbidden type).
    Refused,
    /// What the service stands on (database, disk, upstream) cannot be reached or is overloaded. Repeating may help.
    Unavailable,
    /// Anything else: a defect of ours, or data that cannot be understood.
    Internal,
}

/// A failed service call: its kind, and a message for the log. The message is never sent to a client.
#[derive(Clone, Debug)]
pub struct ServiceError {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What happened, for the operator: names the thing and, where there is something to do, what to do.
    pub message: String,
}

impl ServiceError {
    /// The request makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Invalid, message: message.into() }
    }

    /// The store will not take it.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Refused, message: message.into() }
    }

    /// The database, disk or upstream behind the service fails.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Unavailable, message: message.into() }
    }

    /// A defect, or data that cannot be understood.
    pub fn internal(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Internal, message: message.into() }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ServiceError {}
