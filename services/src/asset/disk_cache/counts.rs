//! What happened, for the console and for /metrics, and how often the log tells of it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge};

/// A number that only grows, which can also be read.
pub(super) struct Count {
    value: AtomicU64,
    metric: Counter,
}

impl Count {
    fn new(metric: Counter) -> Self {
        Self { value: AtomicU64::new(0), metric }
    }

    pub(super) fn add(&self) {
        self.value.fetch_add(1, Ordering::Relaxed);
        self.metric.increment(1);
    }

    pub(super) fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// All that is counted of a cache.
pub(super) struct Counts {
    pub(super) hits: Count,
    pub(super) misses: Count,
    pub(super) stale: Count,
    pub(super) damaged: Count,
    pub(super) evicted: Count,
    pub(super) not_kept: Count,
    pub(super) read_errors: Count,
    pub(super) write_errors: Count,
    pub(super) bytes: Gauge,
    pub(super) entries: Gauge,
}

impl Counts {
    /// The metrics of the cache in a folder.
    pub(super) fn of(folder: &Path) -> Self {
        let folder = folder.display().to_string();
        let requests = |result: &'static str| {
            let labels = [("folder", folder.clone()), ("result", result.to_owned())];
            Count::new(metrics::counter!("gridshell_asset_disk_cache_requests_total", &labels))
        };
        let count = |name: &'static str| Count::new(metrics::counter!(name, "folder" => folder.clone()));
        Self {
            hits: requests("hit"),
            misses: requests("miss"),
            stale: requests("stale"),
            damaged: count("gridshell_asset_disk_cache_damaged_total"),
            evicted: count("gridshell_asset_disk_cache_evicted_total"),
            not_kept: count("gridshell_asset_disk_cache_not_kept_total"),
            read_errors: count("gridshell_asset_disk_cache_read_errors_total"),
            write_errors: count("gridshell_asset_disk_cache_write_errors_total"),
            bytes: metrics::gauge!("gridshell_asset_disk_cache_bytes", "folder" => folder.clone()),
            entries: metrics::gauge!("gridshell_asset_disk_cache_entries", "folder" => folder.clone()),
        }
    }
}

/// Lets the log tell of something at most once a minute.
#[derive(Default)]
pub(super) struct Rarely {
    last: Mutex<Option<(Instant, u64)>>,
}

impl Rarely {
    /// `None` when it has to be left out, else how many were left out since the last time.
    pub(super) fn tell(&self) -> Option<u64> {
        self.tell_at(Instant::now())
    }

    fn tell_at(&self, now: Instant) -> Option<u64> {
        const INTERVAL: Duration = Duration::from_secs(60);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *last {
            Some((time, left_out)) if now.duration_since(*time) < INTERVAL => {
                *left_out += 1;
                None
            }
            last => Some(last.replace((now, 0)).map_or(0, |(_, left_out)| left_out)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_once_a_minute() {
        let (rarely, start) = (Rarely::default(), Instant::now());
        let told = [0, 1, 59, 60, 61, 200].map(|seconds| rarely.tell_at(start + Duration::from_secs(seconds)));
        assert_eq!(told, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
