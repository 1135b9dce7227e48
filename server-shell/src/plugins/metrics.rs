//! What plugins do, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use metrics::{Counter, Gauge, Histogram};

/// How a request to a plugin has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an answer.
    Answered,
    /// With an answer whose status is 500 or more.
    Error,
    /// With a status of the plugin, or a response that breaks the rules.
    Failed,
    /// With a panic.
    Panic,
    /// It took too long.
    TimedOut,
    /// There was no room for it.
    Busy,
    /// The plugin was disabled.
    Disabled,
    /// Its process has ended, or an instance is being started.
    Lost,
    /// Who has asked has gone before.
    Abandoned,
}

impl Ending {
    const ALL: [Self; 9] = [
        Self::Answered,
        Self::Error,
        Self::Failed,
        Self::Panic,
        Self::TimedOut,
        Self::Busy,
        Self::Disabled,
        Self::Lost,
        Self::Abandoned,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::Error => "error",
            Self::Failed => "failed",
            Self::Panic => "panic",
            Self::TimedOut => "timeout",
            Self::Busy => "busy",
            Self::Disabled => "disabled",
            Self::Lost => "lost",
            Self::Abandoned => "abandoned",
        }
    }
}

/// A request that has begun.
pub struct Begun<'a> {
    tally: &'a Tally,
    begun: Instant,
    ending: Ending,
}

impl Begun<'_> {
    /// It has ended.
    pub fn end(mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let Self { tally, begun, ending } = self;
        tally.requests.fetch_add(1, Ordering::Relaxed);
        if *ending != Ending::Answered {
            tally.failures.fetch_add(1, Ordering::Relaxed);
        }
        tally.endings[*ending as usize].increment(1);
        tally.seconds.record(begun.elapsed().as_secs_f64());
    }
}

/// The numbers of one library.
pub struct Tally {
    requests: AtomicU64,
    failures: AtomicU64,
    endings: [Counter; 9],
    panics: Counter,
    seconds: Histogram,
    in_flight: Gauge,
}

impl Tally {
    /// Nothing yet.
    pub fn new(plugin: &'static str) -> Self {
        let ending =
            |ending: Ending| metrics::counter!("gridshell_plugin_requests_total", "plugin" => plugin, "result" => ending.label());
        Self {
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            endings: Ending::ALL.map(ending),
            panics: metrics::counter!("gridshell_plugin_panics_total", "plugin" => plugin),
            seconds: metrics::histogram!("gridshell_plugin_request_seconds", "plugin" => plugin),
            in_flight: metrics::gauge!("gridshell_plugin_in_flight", "plugin" => plugin),
        }
    }

    /// A request has begun. It is counted once, when it ends or whoever waits for it goes.
    pub fn begin(&self, begun: Instant) -> Begun<'_> {
        Begun { tally: self, begun, ending: Ending::Abandoned }
    }

    /// The plugin has panicked, whether or not somebody waited.
    pub fn panicked(&self) {
        self.panics.increment(1);
    }

    /// So many requests are under way. For whoever asks, since counting them twice would cost every request.
    pub fn under_way(&self, requests: usize) {
        self.in_flight.set(requests as f64);
    }

    /// Requests and failures since the start.
    pub fn numbers(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed))
    }
}
