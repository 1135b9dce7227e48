//! Why a request or an answer could not be understood.

use gridshell_interfaces::ErrorKind;

use crate::wire::WireError;

/// What is wrong with a request, or with an answer. The text is for the log; on the wire it is the failure document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The encoding is broken, a value is malformed, or there is too much of something.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A required name is absent, or is a list where a text belongs, or a text where a list belongs.
    #[error("{0} is missing or of the wrong form")]
    Missing(&'static str),
    /// There are more or fewer answers than were asked for.
    #[error("{found} answers instead of {expected}")]
    Count {
        /// How many there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The other side answered with the failure document.
    #[error("the other side failed: {0:?}")]
    Failure(ErrorKind),
}
