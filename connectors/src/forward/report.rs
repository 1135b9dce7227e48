//! The log of differences, which does not grow with the traffic.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For so long so many are logged; the rest is counted.
const TIME: Duration = Duration::from_secs(60);
const MOST: u32 = 10;

/// Says which differences are logged.
#[derive(Debug)]
pub(super) struct Report(Mutex<State>);

#[derive(Debug)]
struct State {
    began: Instant,
    logged: u32,
    left_out: u64,
}

impl Report {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { began: Instant::now(), logged: 0, left_out: 0 }))
    }

    /// Whether the next is logged, and how many were not since the last that was; `None` when it is not.
    pub(super) fn next(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.saturating_duration_since(state.began) >= TIME {
            (state.began, state.logged) = (now, 0);
        }
        if state.logged == MOST {
            state.left_out += 1;
            return None;
        }
        state.logged += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_a_minute_are_logged_and_the_rest_is_counted() {
        let report = Report::new();
        let logged: Vec<_> = (0..15).filter_map(|_| report.next()).collect();
        assert_eq!(logged, [0; 10]);
        tokio::time::advance(TIME).await;
        assert_eq!([report.next(), report.next()], [Some(5), Some(0)]);
    }
}
