//! The body of an answer: whole, or as it comes.

use std::fmt;
use std::io;

use bytes::Bytes;
use futures_util::stream::BoxStream;

/// The body of an answer.
pub enum Body {
    /// All of it, in memory.
    Whole(Bytes),
    /// Piece by piece, for what is too long to be held in memory. When a piece is an error, the connection is cut, so that the client
    /// does not take the beginning for the whole.
    Stream {
        /// The length in bytes, when it is known; when not, the answer is sent chunked.
        length: Option<u64>,
        /// The pieces.
        pieces: BoxStream<'static, io::Result<Bytes>>,
    },
}

impl Body {
    /// The bytes of a whole body; of a stream, nothing.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Stream { .. } => &[],
        }
    }

    /// The length in bytes, when it is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Stream { length, .. } => *length,
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Whole(bytes.into())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => bytes.fmt(f),
            Self::Stream { length, .. } => write!(f, "a stream of {length:?} bytes"),
        }
    }
}
