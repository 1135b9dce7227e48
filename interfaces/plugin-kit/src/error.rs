//! What the server answers when it does not do what it is asked.

use std::error::Error;
use std::fmt;

use crate::abi;

/// Why the server did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostError {
    /// This server cannot do that at all.
    NotSupported,
    /// It has no such key or service.
    Unknown,
    /// Not permitted: the capability is not declared, the section is not readable, or it is too late to register a route.
    Refused,
    /// An argument is malformed.
    Invalid,
    /// Not possible now.
    Unavailable,
    /// It failed, with this status.
    Failed(i32),
    /// What came back cannot be understood.
    Malformed,
    /// The instance has ended.
    Ended,
}

/// The result of a function of the server.
pub(crate) fn check(status: i32) -> Result<(), HostError> {
    match status {
        abi::OK => Ok(()),
        abi::NOT_SUPPORTED => Err(HostError::NotSupported),
        abi::UNKNOWN => Err(HostError::Unknown),
        abi::REFUSED => Err(HostError::Refused),
        abi::INVALID => Err(HostError::Invalid),
        abi::UNAVAILABLE => Err(HostError::Unavailable),
        status => Err(HostError::Failed(status)),
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSupported => f.write_str("the server cannot do that"),
            Self::Unknown => f.write_str("the server has nothing of this name"),
            Self::Refused => f.write_str("the server does not permit that"),
            Self::Invalid => f.write_str("the server cannot use an argument"),
            Self::Unavailable => f.write_str("the server cannot do that now"),
            Self::Failed(status) => write!(f, "the server failed with status {status}"),
            Self::Malformed => f.write_str("the server's answer cannot be understood"),
            Self::Ended => f.write_str("the instance has ended"),
        }
    }
}

impl Error for HostError {}
