//! What a request carries: a body in memory, or one that is still on its way here.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

/// A body on its way here, as long as nobody has begun to take it. Clones are the same body.
#[derive(Clone)]
pub(in crate::upstream) struct Upload(Arc<Shared>);

struct Shared {
    length: Option<u64>,
    pieces: Mutex<Option<BoxStream<'static, io::Result<Bytes>>>>,
    begun: AtomicBool,
    /// The last that was asked for is not here yet, through no fault of who asks.
    is_late: AtomicBool,
    broken: AtomicBool,
}

impl Upload {
    pub(in crate::upstream) fn new(length: Option<u64>, pieces: BoxStream<'static, io::Result<Bytes>>) -> Self {
        Self(Arc::new(Shared {
            length,
            pieces: Mutex::new(Some(pieces)),
            begun: AtomicBool::new(false),
            is_late: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        }))
    }

    /// Its length in bytes, if that was said.
    pub(super) fn length(&self) -> Option<u64> {
        self.0.length
    }

    /// Whether a piece was taken, so that it cannot be sent whole again.
    pub(in crate::upstream) fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// Whether who sends it is waited for.
    pub(super) fn is_late(&self) -> bool {
        self.0.is_late.load(Ordering::Relaxed)
    }

    /// Whether it has ended before it was whole.
    pub(in crate::upstream) fn is_broken(&self) -> bool {
        self.0.broken.load(Ordering::Relaxed)
    }

    fn pieces(&self) -> MutexGuard<'_, Option<BoxStream<'static, io::Result<Bytes>>>> {
        self.0.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let next = match self.pieces().as_mut() {
            Some(pieces) => pieces.poll_next_unpin(cx),
            None => Poll::Ready(None),
        };
        self.0.is_late.store(next.is_pending(), Ordering::Relaxed);
        if next.is_ready() {
            self.0.begun.store(true, Ordering::Relaxed);
        }
        next
    }

    fn broken(&self, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
        self.0.broken.store(true, Ordering::Relaxed);
        io::Error::other(reason)
    }
}

/// The body of a request on a connection.
pub(super) enum Outward {
    Whole(Full<Bytes>),
    /// `left` is what has to come yet, where a length was said.
    Streamed {
        upload: Upload,
        left: Option<u64>,
    },
}

impl Outward {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }

    pub(super) fn streamed(upload: Upload) -> Self {
        Self::Streamed { left: upload.length(), upload }
    }
}

impl Body for Outward {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let (upload, left) = match &mut *self {
            Self::Whole(whole) => return Pin::new(whole).poll_frame(cx).map_err(|never| match never {}),
            Self::Streamed { upload, left } => (upload, left),
        };
        let Poll::Ready(piece) = upload.poll_next(cx) else { return Poll::Pending };
        Poll::Ready(match (piece, left) {
            (Some(Err(error)), _) => Some(Err(upload.broken(error))),
            (None, Some(1..)) => Some(Err(upload.broken("the body ended before its Content-Length"))),
            (None, _) => None,
            (Some(Ok(piece)), Some(left)) if piece.len() as u64 > *left => {
                Some(Err(upload.broken("the body is longer than its Content-Length")))
            }
            (Some(Ok(piece)), left) => {
                if let Some(left) = left {
                    *left -= piece.len() as u64;
                }
                Some(Ok(Frame::data(piece)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Streamed { left, .. } => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Streamed { left: Some(left), .. } => SizeHint::with_exact(*left),
            Self::Streamed { left: None, .. } => SizeHint::default(),
        }
    }
}

impl Drop for Outward {
    /// What nobody will take any more is not kept waiting.
    fn drop(&mut self) {
        if let Self::Streamed { upload, .. } = self
            && upload.has_begun()
        {
            upload.0.is_late.store(false, Ordering::Relaxed);
            let rest = upload.pieces().take();
            drop(rest);
        }
    }
}
