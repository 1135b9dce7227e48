//! Idle connections.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::runtime;
use tokio::time::Instant;

use super::connection::Connection;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// The idle connections to one address.
///
/// A socket lives on the I/O driver of the runtime that opened it. Used from another it would cost a wake-up across threads each time,
/// and fail when its own runtime ends; so each runtime has its own connections. The last used is taken first, so that what is too much
/// grows old and is closed.
#[derive(Debug)]
pub(super) struct Pool {
    /// For each runtime.
    capacity: usize,
    idle: Mutex<HashMap<runtime::Id, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
    /// How long the peer keeps it, where it has said so.
    announced: Option<Duration>,
}

impl Pool {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, idle: Mutex::default() }
    }

    /// A connection of the runtime `home` that was idle for at most `rested`.
    pub(super) fn take(&self, home: runtime::Id, rested: Duration) -> Option<Connection> {
        let now = Instant::now();
        // The last is the one that was idle for the shortest time; what is too old is left to the sweep.
        let idle = self.lock().get_mut(&home)?.pop_if(|idle| idle.is_good(now, rested))?;
        Some(idle.connection)
    }

    /// Keeps a connection that has just brought an answer with this announcement, if it is open and there is room.
    pub(super) fn put(&self, connection: Connection, keep_alive: KeepAlive) {
        if !connection.is_reusable() || keep_alive.requests_left == Some(0) || keep_alive.time == Some(Duration::ZERO) {
            return;
        }
        let home = connection.home();
        let idle = Idle { connection, since: Instant::now(), announced: keep_alive.time };
        // Closing a socket is I/O, so what there is no room for is dropped after the lock.
        let superfluous = {
            let mut all = self.lock();
            let of_this = all.entry(home).or_default();
            if of_this.len() < self.capacity {
                of_this.push(idle);
                None
            } else {
                Some(idle)
            }
        };
        drop(superfluous);
    }

    /// Closes what was idle for longer than `rested`.
    pub(super) fn sweep(&self, rested: Duration) {
        let now = Instant::now();
        let mut old = Vec::new();
        self.lock().retain(|_, of_one| {
            old.extend(of_one.extract_if(.., |idle| !idle.is_good(now, rested)));
            !of_one.is_empty()
        });
        drop(old);
    }

    pub(super) fn count(&self) -> usize {
        self.lock().values().map(Vec::len).sum()
    }

    // The map is whole whenever the lock is free, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, HashMap<runtime::Id, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_good(&self, now: Instant, rested: Duration) -> bool {
        now.saturating_duration_since(self.since) < self.announced.map_or(rested, |announced| rested.min(announced))
    }
}

/// What an answer's `Keep-Alive: timeout=60, max=19` says (transport.md section 1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::upstream) struct KeepAlive {
    /// Half of the announced time: the peer's clock began earlier than ours.
    time: Option<Duration>,
    requests_left: Option<u32>,
}

impl KeepAlive {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        let Some(value) = headers.get(KEEP_ALIVE).and_then(|value| value.to_str().ok()) else { return found };
        for (name, value) in value.split(',').filter_map(|part| part.trim().split_once('=')) {
            let Ok(number) = value.trim().parse::<u32>() else { continue };
            match name.trim().to_ascii_lowercase().as_str() {
                "timeout" => found.time = Some(Duration::from_secs(u64::from(number)) / 2),
                "max" => found.requests_left = Some(number),
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn announcements_are_understood() {
        let of = |value: &'static str| KeepAlive::of(&HeaderMap::from_iter([(KEEP_ALIVE, HeaderValue::from_static(value))]));
        let announced = |time: Option<u64>, requests_left| KeepAlive { time: time.map(Duration::from_millis), requests_left };
        assert_eq!(of("timeout=60, max=19"), announced(Some(30_000), Some(19)));
        assert_eq!(of("Timeout = 5"), announced(Some(2500), None));
        assert_eq!(of("max=0"), announced(None, Some(0)));
        assert_eq!(of("timeout=-1, max=, x, =3"), announced(None, None));
        assert_eq!(KeepAlive::of(&HeaderMap::new()), announced(None, None));
    }
}
