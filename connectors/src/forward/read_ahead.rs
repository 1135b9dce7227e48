//! Short bodies are read before they are sent on: they can be sent again, and have a length, without which ROBUST takes a body for an empty
//! one (transport.md section 1.2).

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use crate::http::Body;

/// What is short, in bytes.
const SHORT: usize = 64 * 1024;

/// The same body, whole when it is short.
///
/// # Errors
/// It ends before it is whole.
pub(super) async fn read_ahead(body: Body) -> io::Result<Body> {
    let (length, mut pieces) = match body {
        Body::Stream { length, pieces } if length.is_none_or(|length| length <= SHORT as u64) => (length, pieces),
        other => return Ok(other),
    };
    let mut read = BytesMut::new();
    loop {
        match pieces.next().await.transpose()? {
            None if length.is_none_or(|length| length == read.len() as u64) => return Ok(Body::Whole(read.freeze())),
            None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the body ended before its Content-Length")),
            // A piece may be long; it stays one.
            Some(piece) if read.len() + piece.len() > SHORT => {
                let begun = stream::iter([Ok(read.freeze()), Ok(piece)].into_iter().filter(is_something));
                return Ok(Body::Stream { length, pieces: begun.chain(pieces).boxed() });
            }
            Some(piece) => read.extend_from_slice(&piece),
        }
    }
}

fn is_something(piece: &io::Result<Bytes>) -> bool {
    piece.as_ref().is_ok_and(|piece| !piece.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(length: Option<u64>, pieces: &[usize]) -> Body {
        let pieces: Vec<_> = pieces.iter().map(|length| Ok(Bytes::from(vec![b'x'; *length]))).collect();
        Body::Stream { length, pieces: stream::iter(pieces).boxed() }
    }

    async fn whole(body: Body) -> usize {
        match body {
            Body::Whole(bytes) => bytes.len(),
            Body::Stream { pieces, .. } => pieces.map(|piece| piece.unwrap().len()).fold(0, async |sum, it| sum + it).await,
        }
    }

    #[tokio::test]
    async fn short_bodies_become_whole_and_long_ones_stay_as_long() {
        for (length, pieces, is_whole) in [
            (None, vec![], true),
            (None, vec![SHORT], true),
            (None, vec![1, SHORT - 1], true),
            (None, vec![1, SHORT], false),
            (None, vec![SHORT + 1], false),
            (Some(7), vec![3, 4], true),
            (Some(SHORT as u64 + 1), vec![SHORT, 1], false),
        ] {
            let read = read_ahead(body(length, &pieces)).await.unwrap();
            assert_eq!(matches!(read, Body::Whole(_)), is_whole, "{length:?} {pieces:?}");
            assert_eq!(whole(read).await, pieces.iter().sum::<usize>(), "{length:?} {pieces:?}");
        }
    }

    #[tokio::test]
    async fn what_breaks_off_is_not_whole() {
        assert!(read_ahead(body(Some(8), &[3, 4])).await.is_err());
        let pieces = stream::iter([Ok(Bytes::from("x")), Err(io::Error::other("gone"))]).boxed();
        assert!(read_ahead(Body::Stream { length: None, pieces }).await.is_err());
    }
}
