//! Reads here, writes there.

use std::collections::HashSet;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use metrics::Counter;
use tokio::time::Instant;

use crate::transport::{Answer, Kind, Outgoing, Transport, TransportError};

/// Of how many things the writes are remembered one by one. When more are written within the time, all reads go to where writes go until
/// it is over, so that memory is bounded and no write is overlooked.
const MAX_REMEMBERED: usize = 65_536;

/// Sends reads to one transport and writes to another, except that who reads what was just written finds it: for a time after a write
/// reads with the same affinity follow it. A read that has none, or follows a write without one, may miss it.
#[derive(Debug)]
pub struct SplitTransport {
    reads: Arc<dyn Transport>,
    writes: Arc<dyn Transport>,
    read_your_writes: Duration,
    recent: Mutex<Recent>,
    followed: Counter,
}

/// What was written lately, in two halves: the younger becomes the older when the time has passed, so each write is remembered for one to
/// two times the time.
#[derive(Debug)]
struct Recent {
    began: Instant,
    younger: Half,
    older: Half,
}

#[derive(Debug, Default)]
struct Half {
    written: HashSet<u64>,
    overflowed: bool,
}

impl SplitTransport {
    /// Reads go to `reads`; writes, and for at least `read_your_writes` after a write the reads of the same thing, to `writes`. No time
    /// means that reads never follow.
    pub fn new(reads: Arc<dyn Transport>, writes: Arc<dyn Transport>, read_your_writes: Duration) -> Self {
        let recent = Recent { began: Instant::now(), younger: Half::default(), older: Half::default() };
        let followed = metrics::counter!("gridshell_upstream_reads_after_write_total");
        Self { reads, writes, read_your_writes, recent: Mutex::new(recent), followed }
    }

    fn remember(&self, thing: u64) {
        self.with_recent(|recent| {
            let Half { written, overflowed } = &mut recent.younger;
            if written.len() < MAX_REMEMBERED || written.contains(&thing) {
                written.insert(thing);
            } else {
                *overflowed = true;
            }
        });
    }

    fn is_fresh(&self, thing: u64) -> bool {
        self.with_recent(|recent| {
            [&recent.younger, &recent.older].iter().any(|half| half.overflowed || half.written.contains(&thing))
        })
    }

    fn with_recent<T>(&self, work: impl FnOnce(&mut Recent) -> T) -> T {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let age = now.saturating_duration_since(recent.began);
        if age >= self.read_your_writes {
            let younger = mem::take(&mut recent.younger);
            recent.older = if age < 2 * self.read_your_writes { younger } else { Half::default() };
            recent.began = now;
        }
        work(&mut recent)
    }
}

#[async_trait]
impl Transport for SplitTransport {
    async fn send(&self, request: Outgoing) -> Result<Answer, TransportError> {
        let thing = request.affinity.filter(|_| !self.read_your_writes.is_zero());
        match (request.kind, thing) {
            (Kind::Write, Some(thing)) => {
                // Remembered from the start, for reads meanwhile, and again at the end, whatever the end: a write that has failed
                // may have been carried out.
                self.remember(thing);
                let outcome = self.writes.send(request).await;
                self.remember(thing);
                outcome
            }
            (Kind::Write, None) => self.writes.send(request).await,
            (Kind::Read, Some(thing)) if self.is_fresh(thing) => {
                self.followed.increment(1);
                self.writes.send(request).await
            }
            (Kind::Read, _) => self.reads.send(request).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method, StatusCode};
    use tokio::time::advance;

    use super::*;
    use crate::transport::Repeat;

    const TIME: Duration = Duration::from_secs(10);

    /// Answers with its name.
    #[derive(Debug)]
    struct Named(&'static str);

    #[async_trait]
    impl Transport for Named {
        async fn send(&self, _: Outgoing) -> Result<Answer, TransportError> {
            let body = Bytes::from_static(self.0.as_bytes());
            Ok(Answer { status: StatusCode::OK, headers: HeaderMap::new(), body })
        }
    }

    fn split(time: Duration) -> SplitTransport {
        SplitTransport::new(Arc::new(Named("reads")), Arc::new(Named("writes")), time)
    }

    async fn send(split: &SplitTransport, kind: Kind, affinity: Option<u64>) -> Bytes {
        let request = Outgoing {
            method: Method::POST,
            target: "/xinventory".to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            kind,
            repeat: Repeat::Safe,
            affinity,
            check: None,
        };
        split.send(request).await.unwrap().body
    }

    #[tokio::test(start_paused = true)]
    async fn reads_follow_a_write_of_the_same_thing_for_the_time() {
        let split = split(TIME);
        assert_eq!(send(&split, Kind::Read, Some(1)).await, "reads");
        assert_eq!(send(&split, Kind::Write, Some(1)).await, "writes");
        assert_eq!(send(&split, Kind::Read, Some(1)).await, "writes");
        assert_eq!(send(&split, Kind::Read, Some(2)).await, "reads");
        assert_eq!(send(&split, Kind::Read, None).await, "reads");
        advance(TIME - Duration::from_millis(1)).await;
        assert_eq!(send(&split, Kind::Read, Some(1)).await, "writes");
        advance(TIME + Duration::from_millis(1)).await;
        assert_eq!(send(&split, Kind::Read, Some(1)).await, "reads");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_time_reads_never_follow() {
        let split = split(Duration::ZERO);
        assert_eq!(send(&split, Kind::Write, Some(1)).await, "writes");
        assert_eq!(send(&split, Kind::Read, Some(1)).await, "reads");
    }

    #[tokio::test(start_paused = true)]
    async fn with_too_many_writes_all_reads_follow() {
        let split = split(TIME);
        for thing in 0..=MAX_REMEMBERED as u64 {
            split.remember(thing);
        }
        assert_eq!(split.with_recent(|recent| recent.younger.written.len()), MAX_REMEMBERED);
        assert_eq!(send(&split, Kind::Read, Some(u64::MAX)).await, "writes");
        advance(2 * TIME).await;
        assert_eq!(send(&split, Kind::Read, Some(u64::MAX)).await, "reads");
        assert_eq!(split.with_recent(|recent| recent.older.written.len()), 0);
    }
}
