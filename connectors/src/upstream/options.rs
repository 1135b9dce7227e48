//! What an operator can choose for a group.

use std::fmt;
use std::time::Duration;

use super::{Policy, Trust};

/// The options of a group; `default()` is what the comments say.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupOptions {
    /// How a member is chosen. Default: least busy.
    pub policy: Policy,
    /// What proves to the members who asks, unless a request carries an Authorization header itself. Default: none.
    pub credentials: Option<Credentials>,
    /// Which certificates are believed. Default: those that the system believes.
    pub trust: Trust,
    /// Time to connect, from the look-up of the name to the end of the TLS handshake. Default: 4 s.
    pub connect_time: Duration,
    /// How long nothing may come of an answer, neither beginning nor more, before a request that is safe to repeat is taken to another
    /// healthy member, when there is one. Default: 5 s.
    pub patience: Duration,
    /// How long nothing may come at all. For both, a request's body counts for 1 ms more each KiB. Default: 30 s, as the original
    /// (transport.md section 13.1).
    pub answer_time: Duration,
    /// Time for everything: all attempts, and the whole answer. Default: 60 s.
    pub total_time: Duration,
    /// Largest body of an answer in bytes. Default: 80 MiB.
    pub answer_size: usize,
    /// Requests under way in the whole group; one more is refused at once. Default: 1024.
    pub in_flight: u32,
    /// Idle connections that are kept for each member and each runtime that asks (a listener has one for each worker). Default: 32.
    pub idle_connections: usize,
    /// How long a connection may be idle before it is used no more. Default: 25 s; the original closes after 60 s (transport.md
    /// section 1.1). A member that announces less in its Keep-Alive header is believed.
    pub idle_time: Duration,
    /// When a request is sent again.
    pub retry: RetryOptions,
    /// When a member is left alone.
    pub ejection: EjectionOptions,
    /// Asking members whether they are there. Default: on; `None` is off.
    pub checks: Option<CheckOptions>,
}

/// User name and password for Basic authentication (transport.md section 11.4). Both may be empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
}

/// How often requests may be sent again. Repetitions after failures that cost a member nothing (no connection) are bounded by the
/// attempts alone; others take from a budget, so that a group under too much load is not given more.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryOptions {
    /// Attempts for a request, each on another member. Default: 4.
    pub attempts: u32,
    /// What each request adds to the budget. Default: 0.2, so that in the long run one request in five may be repeated.
    pub share: f64,
    /// What each second adds to the budget. Default: 10.
    pub per_second: f64,
    /// How much the budget holds; it begins full. Default: 500, so that what was under way at a member that dies can go elsewhere.
    pub burst: f64,
}

/// When a member that fails is left alone, and how long.
#[derive(Clone, Debug, PartialEq)]
pub struct EjectionOptions {
    /// Failures in a row until it is. Default: 3.
    pub failures: u32,
    /// How long the first time. Each time that follows is twice as long. Default: 2 s.
    pub first: Duration,
    /// The longest. A member that was well for so long begins anew. Default: 30 s.
    pub longest: Duration,
}

/// How members are asked whether they are there.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckOptions {
    /// What is asked for, beginning with a slash. Default: `/`.
    pub path: String,
    /// Time between checks, more or less by up to a fifth. Default: 5 s.
    pub interval: Duration,
    /// Time that a check may take. Default: 2 s.
    pub time: Duration,
    /// Failing checks in a row until a member counts as away. Default: 2.
    pub failures: u32,
    /// Passing checks in a row until it counts as back. Default: 1.
    pub successes: u32,
    /// Whether only an answer with a 2xx status passes. Default: no; any HTTP answer does, since the original answers 404 at `/`.
    pub success_only: bool,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self {
            policy: Policy::LeastBusy,
            credentials: None,
            trust: Trust::default(),
            connect_time: Duration::from_secs(4),
            patience: Duration::from_secs(5),
            answer_time: Duration::from_secs(30),
            total_time: Duration::from_secs(60),
            answer_size: 80 * 1024 * 1024,
            in_flight: 1024,
            idle_connections: 32,
            idle_time: Duration::from_secs(25),
            retry: RetryOptions::default(),
            ejection: EjectionOptions::default(),
            checks: Some(CheckOptions::default()),
        }
    }
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self { attempts: 4, share: 0.2, per_second: 10.0, burst: 500.0 }
    }
}

impl Default for EjectionOptions {
    fn default() -> Self {
        Self { failures: 3, first: Duration::from_secs(2), longest: Duration::from_secs(30) }
    }
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            interval: Duration::from_secs(5),
            time: Duration::from_secs(2),
            failures: 2,
            successes: 1,
            success_only: false,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl GroupOptions {
    /// What cannot work, in words for the operator.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        let CheckOptions { path, interval, time, .. } = self.checks.clone().unwrap_or_default();
        let times = [self.connect_time, self.patience, self.answer_time, self.total_time, interval, time];
        let budget = [self.retry.share, self.retry.per_second, self.retry.burst];
        if times.contains(&Duration::ZERO) {
            Some("a time of 0 lets nothing happen")
        } else if self.in_flight == 0 {
            Some("with 0 requests under way nothing is ever sent")
        } else if self.retry.attempts == 0 {
            Some("with 0 attempts nothing is ever sent")
        } else if budget.iter().any(|value| !value.is_finite() || *value < 0.0) {
            Some("a retry budget is a number from 0 on")
        } else if !path.starts_with('/') || path.parse::<http::uri::PathAndQuery>().is_err() {
            Some("the path of a check begins with / and has no blanks")
        } else {
            None
        }
    }
}
