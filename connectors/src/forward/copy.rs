//! Copies of bodies, made while they go by.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};

use crate::http::Body;

/// What there is of a body when it has gone by.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// All of it.
    Whole(Bytes),
    /// It was longer than what is kept.
    TooLong,
    /// It did not come to its end, or nobody wanted it to.
    CutOff,
}

/// The same body; `done` is told what it was once it has gone by, of which at most `limit` bytes are kept.
pub(super) fn copied(body: Body, limit: usize, done: impl FnOnce(Copied) + Send + 'static) -> Body {
    match body {
        Body::Whole(bytes) => {
            done(if bytes.len() <= limit { Copied::Whole(bytes.clone()) } else { Copied::TooLong });
            Body::Whole(bytes)
        }
        Body::Stream { length, pieces } => {
            let kept = length.is_none_or(|length| length <= limit as u64).then(BytesMut::new);
            let done = Some(Box::new(done) as Box<dyn FnOnce(Copied) + Send>);
            Body::Stream { length, pieces: Copying { pieces, left: length, kept, limit, done }.boxed() }
        }
    }
}

struct Copying {
    pieces: BoxStream<'static, io::Result<Bytes>>,
    /// What has to come yet, where a length was said: then nobody may ask for more than the last piece.
    left: Option<u64>,
    /// `None` once it is too long.
    kept: Option<BytesMut>,
    limit: usize,
    done: Option<Box<dyn FnOnce(Copied) + Send>>,
}

impl Copying {
    fn end(&mut self) {
        let copied = self.kept.take().map_or(Copied::TooLong, |kept| Copied::Whole(kept.freeze()));
        self.tell(copied);
    }

    fn tell(&mut self, copied: Copied) {
        if let Some(done) = self.done.take() {
            done(copied);
        }
    }
}

impl Stream for Copying {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Poll::Ready(next) = self.pieces.poll_next_unpin(cx) else { return Poll::Pending };
        let limit = self.limit;
        match &next {
            Some(Ok(piece)) => {
                match &mut self.kept {
                    Some(kept) if kept.len() + piece.len() <= limit => kept.extend_from_slice(piece),
                    _ => self.kept = None,
                }
                self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
                if self.left == Some(0) {
                    self.end();
                }
            }
            Some(Err(_)) => self.tell(Copied::CutOff),
            None => self.end(),
        }
        Poll::Ready(next)
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        self.tell(Copied::CutOff);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::stream;

    use super::*;

    fn pieces(pieces: Vec<io::Result<&'static str>>) -> Body {
        of_length(None, pieces)
    }

    fn of_length(length: Option<u64>, pieces: Vec<io::Result<&'static str>>) -> Body {
        let pieces = stream::iter(pieces.into_iter().map(|piece| piece.map(Bytes::from)));
        Body::Stream { length, pieces: pieces.boxed() }
    }

    async fn copy_of(body: Body, read: usize) -> Copied {
        let (sender, receiver) = mpsc::channel();
        match copied(body, 5, move |copied| sender.send(copied).unwrap()) {
            Body::Whole(_) => {}
            Body::Stream { mut pieces, .. } => {
                for _ in 0..read {
                    pieces.next().await;
                }
            }
        }
        receiver.recv().unwrap()
    }

    #[tokio::test]
    async fn what_went_by() {
        assert_eq!(copy_of(Body::from("hello"), 0).await, Copied::Whole(Bytes::from("hello")));
        assert_eq!(copy_of(Body::from("hello!"), 0).await, Copied::TooLong);
        assert_eq!(copy_of(pieces(vec![Ok("he"), Ok("llo")]), 3).await, Copied::Whole(Bytes::from("hello")));
        assert_eq!(copy_of(pieces(vec![Ok("he"), Ok("llo"), Ok("!")]), 4).await, Copied::TooLong);
        assert_eq!(copy_of(pieces(vec![Ok("he"), Ok("llo")]), 2).await, Copied::CutOff, "nobody has seen its end");
        assert_eq!(copy_of(of_length(Some(5), vec![Ok("he"), Ok("llo")]), 2).await, Copied::Whole(Bytes::from("hello")));
        assert_eq!(copy_of(of_length(Some(5), vec![Ok("he"), Ok("llo")]), 1).await, Copied::CutOff);
        assert_eq!(copy_of(of_length(Some(6), vec![Ok("hello!")]), 1).await, Copied::TooLong);
        assert_eq!(copy_of(pieces(vec![Ok("he"), Err(io::Error::other("gone"))]), 3).await, Copied::CutOff);
    }
}
