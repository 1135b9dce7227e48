//! Bodies of requests that pass: from the listener, where pieces arrive, to the connector, which sends them on. Neither is ahead of the
//! other by more than a piece.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gridshell_connectors::http::{Body, StatusCode};
use tokio::sync::{Notify, mpsc};

use crate::answering::{Refusal, bad};

/// A body whose length is over the connector's limit.
const TOO_LONG: Refusal = Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, reason: "the body is too long to be passed on" };

/// The connector's end of a body.
pub struct PassingBody {
    body: Body,
    arrival: Arrival,
}

/// The listener's end of a body.
pub struct Intake {
    sender: mpsc::Sender<Part>,
    declared: Option<u64>,
    limit: u64,
    taken: u64,
    state: Arc<State>,
}

/// Whether a body is still on its way, and what was wrong with it.
#[derive(Clone)]
pub struct Arrival(Arc<State>);

#[derive(Default)]
struct State {
    over: Notify,
    refusal: OnceLock<Refusal>,
}

enum Part {
    Piece(Bytes),
    /// The body is whole.
    End,
}

/// A body with its listener's end; `declared` is the length that was announced.
///
/// # Errors
/// That is over `limit`.
pub fn passing_body(declared: Option<u64>, limit: u64) -> Result<(PassingBody, Intake), Refusal> {
    if declared.is_some_and(|declared| declared > limit) {
        return Err(TOO_LONG);
    }
    let (sender, parts) = mpsc::channel(1);
    let state = Arc::<State>::default();
    let pieces = stream::unfold(Some(Outlet { parts, state: state.clone() }), async |outlet| {
        let mut outlet = outlet?;
        match outlet.parts.recv().await {
            Some(Part::Piece(piece)) => Some((Ok(piece), Some(outlet))),
            Some(Part::End) => None,
            None => {
                let reason = outlet.state.refusal.get().map_or("the client went away", |refusal| refusal.reason);
                Some((Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason)), None))
            }
        }
    });
    let body = Body::Stream { length: declared, pieces: pieces.boxed() };
    let arrival = Arrival(state.clone());
    Ok((PassingBody { body, arrival }, Intake { sender, declared, limit, taken: 0, state }))
}

impl PassingBody {
    /// No body at all.
    pub fn none() -> Self {
        let arrival = Arrival(Arc::default());
        arrival.0.over.notify_one();
        Self { body: Bytes::new().into(), arrival }
    }

    /// The body, and a look at its arrival.
    pub fn into_parts(self) -> (Body, Arrival) {
        (self.body, self.arrival)
    }
}

impl Arrival {
    /// Waits until nothing more of the body comes, or is wanted.
    pub async fn is_over(&self) {
        self.0.over.notified().await;
    }

    /// What was wrong with the body.
    pub fn refusal(&self) -> Option<Refusal> {
        self.0.refusal.get().copied()
    }
}

impl Intake {
    /// Waits until there is room for a piece; `false` when nobody wants one any more.
    pub async fn has_room(&self) -> bool {
        self.sender.reserve().await.is_ok()
    }

    /// Waits until nobody wants any more of the body.
    pub async fn is_unwanted(&self) {
        self.sender.closed().await;
    }

    /// Puts in the next piece, for which there is room.
    ///
    /// # Errors
    /// The body is longer than what was announced, or what is taken.
    pub fn add(&mut self, piece: Bytes) -> Result<(), Refusal> {
        self.taken += piece.len() as u64;
        if self.taken > self.limit {
            return Err(TOO_LONG);
        }
        if self.declared.is_some_and(|declared| self.taken > declared) {
            return Err(bad("the body is longer than its Content-Length"));
        }
        if !piece.is_empty() {
            // Where there is no room, nobody wants it.
            let _ = self.sender.try_send(Part::Piece(piece));
        }
        Ok(())
    }

    /// The body is at its end, for which there is room.
    ///
    /// # Errors
    /// It is shorter than what was announced.
    pub fn finish(self) -> Result<(), Refusal> {
        if self.declared.is_some_and(|declared| self.taken != declared) {
            let refusal = bad("the body ended before its Content-Length");
            self.refuse(refusal);
            return Err(refusal);
        }
        let _ = self.sender.try_send(Part::End);
        Ok(())
    }

    /// Ends the body before it is whole.
    pub fn refuse(self, refusal: Refusal) {
        // The first is the reason.
        let _ = self.state.refusal.set(refusal);
    }
}

/// What the connector reads from.
struct Outlet {
    parts: mpsc::Receiver<Part>,
    state: Arc<State>,
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.state.over.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn text(next: Option<io::Result<Bytes>>) -> String {
        match next {
            Some(Ok(piece)) => String::from_utf8(piece.to_vec()).unwrap(),
            Some(Err(error)) => format!("error: {error}"),
            None => "end".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_body_goes_through_piece_by_piece() {
        let (body, mut intake) = passing_body(Some(5), 5).unwrap();
        let (Body::Stream { length: Some(5), mut pieces }, arrival) = body.into_parts() else { panic!() };
        intake.add(Bytes::from("he")).unwrap();
        assert!(intake.has_room().now_or_never().is_none(), "the first is not taken yet");
        assert_eq!(text(pieces.next().await), "he");
        assert!(intake.has_room().await);
        intake.add(Bytes::from("llo")).unwrap();
        assert_eq!(text(pieces.next().await), "llo");
        assert!(arrival.is_over().now_or_never().is_none());
        intake.finish().unwrap();
        assert_eq!(text(pieces.next().await), "end");
        arrival.is_over().await;
        assert_eq!(arrival.refusal(), None);
    }

    #[tokio::test]
    async fn what_is_not_whole_ends_with_an_error() {
        for (declared, sent, refusal) in [
            (None, "hello, world", TOO_LONG),
            (Some(3), "hello", bad("the body is longer than its Content-Length")),
            (Some(9), "hello", bad("the body ended before its Content-Length")),
        ] {
            let (body, mut intake) = passing_body(declared, 9).unwrap();
            let (Body::Stream { mut pieces, .. }, arrival) = body.into_parts() else { panic!() };
            match intake.add(Bytes::from(sent)) {
                Err(refusal) => intake.refuse(refusal),
                Ok(()) => {
                    assert_eq!(text(pieces.next().await), sent);
                    intake.finish().unwrap_err();
                }
            }
            assert_eq!(text(pieces.next().await), format!("error: {}", refusal.reason));
            assert_eq!(arrival.refusal(), Some(refusal));
        }
        assert_eq!(passing_body(Some(10), 9).err(), Some(TOO_LONG));
        let (body, intake) = passing_body(None, 9).unwrap();
        drop(intake);
        let (Body::Stream { mut pieces, .. }, _) = body.into_parts() else { panic!() };
        assert_eq!(text(pieces.next().await), "error: the client went away");
    }

    #[tokio::test]
    async fn a_body_that_nobody_wants_is_over() {
        let (body, intake) = passing_body(None, 9).unwrap();
        let (body, arrival) = body.into_parts();
        drop(body);
        arrival.is_over().await;
        intake.is_unwanted().await;
        assert!(!intake.has_room().await);
        PassingBody::none().into_parts().1.is_over().await;
    }
}
