//! Why a request or an answer could not be understood.

use crate::wire::WireError;

/// What is wrong with a request, or with an answer. The text is for the log; on the wire all of it is the failure document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The encoding is broken, a value is malformed, or there is too much of something.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A required name is absent, or is a list where a text belongs, or a text where a list belongs.
    #[error("{0} is missing or of the wrong form")]
    Missing(&'static str),
    /// Two things that belong together differ in their number.
    #[error("{found} {what} instead of {expected}")]
    Count {
        /// What was counted, in the plural.
        what: &'static str,
        /// How many there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The other side answered with the failure document where something was looked up.
    #[error("the answer is the failure document")]
    Failure,
}
