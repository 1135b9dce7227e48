//! One upstream of a group, and a request's time there.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::client::{Client, Failure};
use super::health::{Change, Health};
use super::{CheckOptions, GroupOptions, MemberState, Standing, WeightedAddress};

/// An upstream.
pub(super) struct Member {
    group: Arc<str>,
    /// Its address, for people.
    pub(super) name: String,
    weight: u32,
    pub(super) client: Client,
    pub(super) health: Health,
    in_flight: AtomicU32,
    requests: AtomicU64,
    failures: AtomicU64,
    ejections: AtomicU64,
    last_failure: Mutex<Option<String>>,
    metrics: Metrics,
}

/// Requests are counted by how they ended.
struct Metrics {
    answered: Counter,
    refused: Counter,
    failed: [(&'static str, Counter); 5],
    cancelled: Counter,
    seconds: Histogram,
    in_flight: Gauge,
    healthy: Gauge,
    ejections: Counter,
}

/// The outcome of an attempt, as far as it says something of the member.
pub(super) enum Verdict<'a> {
    /// It does its work.
    Well,
    /// It answers that it cannot do its work: 502, 503 or 504.
    Refused(http::StatusCode),
    /// It does not.
    Failed(&'a Failure),
}

/// A request at a member. Dropped without a verdict it was cancelled, which says nothing of the member.
pub(super) struct Visit {
    member: Arc<Member>,
    begun: Instant,
    trial: bool,
    ended: bool,
}

impl Member {
    /// `None` as [`Client::new`].
    pub(super) fn new(
        group: &Arc<str>,
        upstream: WeightedAddress,
        tls: Option<TlsConnector>,
        options: &GroupOptions,
    ) -> Option<Self> {
        let WeightedAddress { address, weight } = upstream;
        let name = address.to_string();
        let metrics = Metrics::new(group, &name);
        metrics.healthy.set(1.0);
        Some(Self {
            group: group.clone(),
            client: Client::new(address, tls, options)?,
            name,
            weight,
            health: Health::new(options.ejection.clone(), options.checks.as_ref()),
            in_flight: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
            last_failure: Mutex::default(),
            metrics,
        })
    }

    /// Requests under way.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// A request begins.
    pub(super) fn visit(self: &Arc<Self>) -> Visit {
        let begun = Instant::now();
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.metrics.in_flight.increment(1.0);
        Visit { member: self.clone(), begun, trial: self.health.take_trial(begun), ended: false }
    }

    /// Asks it once whether it is there.
    pub(super) async fn check(&self, options: &CheckOptions) {
        let outcome = self.client.check(options).await;
        let change = self.health.checked(outcome.is_ok(), Instant::now());
        self.announce(change, outcome.err().map(|failure| failure.message).as_deref().unwrap_or_default());
    }

    /// What an operator sees.
    pub(super) fn state(&self) -> MemberState {
        MemberState {
            address: self.name.clone(),
            weight: self.weight,
            standing: self.health.standing(Instant::now()),
            in_flight: self.in_flight(),
            idle_connections: self.client.idle_connections(),
            requests: self.requests.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            ejections: self.ejections.load(Ordering::Relaxed),
            last_failure: self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn failed(&self, reason: String, trial: bool) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let change = self.health.failed(Instant::now(), trial);
        self.announce(change, &reason);
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    fn announce(&self, change: Change, reason: &str) {
        let (group, upstream) = (&*self.group, &*self.name);
        match change {
            Change::None => return,
            Change::Ejected(time) => {
                self.ejections.fetch_add(1, Ordering::Relaxed);
                self.metrics.ejections.increment(1);
                let seconds = time.as_secs_f64();
                tracing::warn!(group, upstream, seconds, reason, "an upstream fails and is left alone for a while");
            }
            Change::Away => tracing::warn!(group, upstream, reason, "checks say that an upstream is not there"),
            Change::Recovered => tracing::info!(group, upstream, "an upstream has recovered"),
            Change::Back => tracing::info!(group, upstream, "checks say that an upstream is back"),
        }
        let healthy = self.health.standing(Instant::now()) == Standing::Healthy;
        self.metrics.healthy.set(if healthy { 1.0 } else { 0.0 });
    }
}

impl Visit {
    /// How long it has lasted.
    pub(super) fn lasted(&self) -> Duration {
        self.begun.elapsed()
    }

    /// An answer has begun. A trial has succeeded with that, since the rest may take long.
    pub(super) fn is_answered(&mut self) {
        if std::mem::take(&mut self.trial) {
            let change = self.member.health.succeeded(Instant::now());
            self.member.announce(change, "");
        }
    }

    /// It has ended, with this verdict.
    pub(super) fn ended(mut self, verdict: &Verdict<'_>) {
        self.ended = true;
        let (member, metrics) = (&self.member, &self.member.metrics);
        match verdict {
            Verdict::Well => {
                let change = member.health.succeeded(Instant::now());
                member.announce(change, "");
            }
            Verdict::Refused(status) => member.failed(format!("it answers {status}"), self.trial),
            Verdict::Failed(failure) if failure.is_the_upstreams() => member.failed(failure.message.clone(), self.trial),
            Verdict::Failed(_) if self.trial => member.health.return_trial(),
            Verdict::Failed(_) => {}
        }
        match verdict {
            Verdict::Well => metrics.answered.increment(1),
            Verdict::Refused(_) => metrics.refused.increment(1),
            Verdict::Failed(failure) => {
                let label = failure.label();
                metrics.failed.iter().filter(|(name, _)| *name == label).for_each(|(_, counter)| counter.increment(1));
            }
        }
        metrics.seconds.record(self.begun.elapsed());
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !self.ended {
            self.member.metrics.cancelled.increment(1);
            if self.trial {
                self.member.health.return_trial();
            }
        }
        // Who sees that it is under way no longer also sees how it has ended.
        self.member.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.member.metrics.in_flight.decrement(1.0);
    }
}

impl Metrics {
    fn new(group: &str, upstream: &str) -> Self {
        let labels = [("group", group.to_owned()), ("upstream", upstream.to_owned())];
        let requests = |result: &'static str| {
            let [group, upstream] = labels.clone();
            metrics::counter!("gridshell_upstream_requests_total", &[group, upstream, ("result", result.to_owned())])
        };
        Self {
            answered: requests("answered"),
            refused: requests("refused"),
            failed: ["unreachable", "lost", "timed_out", "malformed", "unsendable"].map(|result| (result, requests(result))),
            cancelled: requests("cancelled"),
            seconds: metrics::histogram!("gridshell_upstream_request_seconds", &labels),
            in_flight: metrics::gauge!("gridshell_upstream_in_flight", &labels),
            healthy: metrics::gauge!("gridshell_upstream_healthy", &labels),
            ejections: metrics::counter!("gridshell_upstream_ejections_total", &labels),
        }
    }
}
