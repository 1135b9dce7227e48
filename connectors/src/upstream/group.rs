//! A group of shells that do the same work, as one transport.
//!
//! A request takes a place in the group, then goes to the member that the policy chooses among those that are usable. When all are away
//! or ejected it goes to the least bad one rather than nowhere: the group may have lost sight of members that are back. What fails is
//! tried on a member that was not asked yet:
//! - any request, when it surely was not carried out, because no connection came about;
//! - a request that is safe to repeat, after any other failure, and after an answer 502, 503 or 504, out of the retry budget. When
//!   nobody answers better, such an answer is given back, so that its meaning survives the hop. An answer that does not pass the
//!   request's check is such a failure too.
//!
//! A member from which nothing of an answer comes for a while (`patience`) loses a request that is safe to repeat to another, if a
//! usable one is left. Redirects are not followed: the original's services give none.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use metrics::Counter;
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

use super::balance::Balance;
use super::client::{Failure, Waiting, What};
use super::course::{Attempt, Course};
use super::member::{Member, Verdict, Visit};
use super::retry::RetryBudget;
use super::{CheckOptions, GroupOptions, GroupState, Policy, WeightedAddress};
use crate::transport::TransportError::{Malformed, Unavailable};
use crate::transport::{Answer, Outgoing, Transport, TransportError};

/// The most members of a group.
const MAX_MEMBERS: usize = 64;

/// One or several shells that do the same work.
pub struct UpstreamGroup {
    pub(super) name: Arc<str>,
    pub(super) members: Vec<Arc<Member>>,
    pub(super) balance: Balance,
    pub(super) budget: RetryBudget,
    in_flight: Arc<AtomicU32>,
    refused: AtomicU64,
    pub(super) retries: AtomicU64,
    refused_total: Counter,
    pub(super) retries_total: Counter,
    policy: Policy,
    in_flight_limit: u32,
    pub(super) attempts: u32,
    pub(super) patience: Duration,
    pub(super) answer_time: Duration,
    pub(super) total_time: Duration,
    /// What looks after the members; ends with the group.
    keepers: Vec<AbortHandle>,
}

/// A group cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("upstream group {group}: {reason}")]
pub struct GroupError {
    group: String,
    reason: String,
}

impl UpstreamGroup {
    /// A group, whose checks start at once. Must be called within a tokio runtime, which does the checks; requests may be sent from any
    /// other. `name` stands in messages and metrics.
    ///
    /// # Errors
    /// No members, more than 64 or one twice; options that cannot work; https without root certificates.
    pub fn start(name: &str, upstreams: Vec<WeightedAddress>, options: GroupOptions) -> Result<Self, GroupError> {
        Self::check(name, &upstreams, &options)?;
        let error = |reason: &str| GroupError { group: name.to_owned(), reason: reason.to_owned() };
        let tls = if upstreams.iter().any(|upstream| upstream.address.is_https()) {
            let config = options.trust.client_config().map_err(|reason| error(&reason))?;
            Some(TlsConnector::from(Arc::new(config)))
        } else {
            None
        };
        let balance = Balance::new(options.policy, &upstreams);
        let group: Arc<str> = name.into();
        let member = |upstream: WeightedAddress| Member::new(&group, upstream, tls.clone(), &options).map(Arc::new);
        let members: Option<Vec<Arc<Member>>> = upstreams.into_iter().map(member).collect();
        let members = members.ok_or_else(|| error("an address or the credentials fit in no header"))?;
        let GroupOptions { policy, in_flight, retry, patience, answer_time, total_time, .. } = options;
        Ok(Self {
            keepers: keepers(&members, options.checks, options.idle_time),
            members,
            balance,
            attempts: retry.attempts,
            budget: RetryBudget::new(retry),
            in_flight: Arc::default(),
            refused: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            refused_total: metrics::counter!("gridshell_upstream_refused_total", "group" => group.to_string()),
            retries_total: metrics::counter!("gridshell_upstream_retries_total", "group" => group.to_string()),
            name: group,
            policy,
            in_flight_limit: in_flight,
            patience,
            answer_time,
            total_time,
        })
    }

    /// Looks for what would keep a group from being started, as far as that can be seen without the system's certificates.
    ///
    /// # Errors
    /// As [`UpstreamGroup::start`].
    pub fn check(name: &str, upstreams: &[WeightedAddress], options: &GroupOptions) -> Result<(), GroupError> {
        let error = |reason: String| GroupError { group: name.to_owned(), reason };
        if upstreams.is_empty() || upstreams.len() > MAX_MEMBERS {
            return Err(error(format!("it needs 1 to {MAX_MEMBERS} addresses")));
        }
        if let Some(mistake) = options.mistake() {
            return Err(error(mistake.to_owned()));
        }
        for (place, upstream) in upstreams.iter().enumerate() {
            if upstreams[..place].iter().any(|other| other.address == upstream.address) {
                return Err(error(format!("it lists {} twice", upstream.address)));
            }
        }
        Ok(())
    }

    /// The group at this moment.
    pub fn state(&self) -> GroupState {
        GroupState {
            name: self.name.to_string(),
            policy: self.policy,
            in_flight: self.in_flight.load(Ordering::Relaxed),
            in_flight_limit: self.in_flight_limit,
            refused: self.refused.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            members: self.members.iter().map(|member| member.state()).collect(),
        }
    }

    /// A place among the requests under way.
    pub(super) fn place(&self) -> Result<Place, TransportError> {
        let place = Place(self.in_flight.clone());
        if self.in_flight.fetch_add(1, Ordering::Relaxed) < self.in_flight_limit {
            return Ok(place);
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.refused_total.increment(1);
        let (name, limit) = (&self.name, self.in_flight_limit);
        Err(TransportError::Unavailable(format!("upstream group {name} has {limit} requests under way and takes no more")))
    }

    /// One attempt at a member, which is told how it did.
    async fn attempt(&self, member: &Arc<Member>, request: &Outgoing, waiting: &Waiting<'_>) -> Attempt<Answer> {
        let visit = member.visit();
        match member.client.exchange(request, waiting).await {
            Ok(answer) if is_refusal(answer.status) => {
                visit.ended(&Verdict::Refused(answer.status));
                Attempt::Refusal(answer)
            }
            Ok(answer) => match unfit(request, &answer) {
                None => {
                    visit.ended(&Verdict::Well);
                    Attempt::Answer(answer)
                }
                Some(failure) => {
                    visit.ended(&Verdict::Failed(&failure));
                    Attempt::Failure(failure)
                }
            },
            Err(failure) => self.failed(visit, failure),
        }
    }

    /// A failed attempt, of which the member is told what is its fault.
    pub(super) fn failed<A>(&self, visit: Visit, failure: Failure) -> Attempt<A> {
        // What earlier attempts have left of the time may be too little for any member: then it says nothing of this one.
        let fair = self.patience.min(self.answer_time).min(self.total_time);
        if failure.what != What::Cancelled && (failure.what != What::TimedOut || visit.lasted() >= fair) {
            visit.ended(&Verdict::Failed(&failure));
        }
        Attempt::Failure(failure)
    }
}

#[async_trait]
impl Transport for UpstreamGroup {
    async fn send(&self, request: Outgoing) -> Result<Answer, TransportError> {
        let _place = self.place()?;
        let mut course = Course::new(self, request.repeat, request.affinity);
        while let Some(member) = course.next_member() {
            let outcome = {
                let give_up = || course.gives_up();
                self.attempt(&member, &request, &course.waiting(&give_up)).await
            };
            if let Some(answer) = course.take(outcome) {
                return Ok(answer);
            }
        }
        course.end().map_err(|nobody| if nobody.is_malformed() { Malformed(nobody.message) } else { Unavailable(nobody.message) })
    }
}

impl Drop for UpstreamGroup {
    fn drop(&mut self) {
        self.keepers.iter().for_each(AbortHandle::abort);
    }
}

impl fmt::Debug for UpstreamGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<&str> = self.members.iter().map(|member| member.name.as_str()).collect();
        f.debug_struct("UpstreamGroup").field("name", &self.name).field("members", &members).finish_non_exhaustive()
    }
}

/// Why an answer of success is none for this request.
fn unfit(request: &Outgoing, answer: &Answer) -> Option<Failure> {
    let check = request.check.as_ref().filter(|_| answer.status.is_success())?;
    check.pass(answer).err().map(Failure::malformed)
}

/// A member that answers so has nobody behind it, or is overloaded.
pub(super) fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// A place among the requests under way; free again when it is dropped.
pub(super) struct Place(Arc<AtomicU32>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts what looks after members: a task for each that asks whether it is there, and one that closes old connections.
fn keepers(members: &[Arc<Member>], checks: Option<CheckOptions>, idle_time: Duration) -> Vec<AbortHandle> {
    let mut keepers = Vec::new();
    for member in members.iter().filter(|_| checks.is_some()).cloned() {
        let options = checks.clone().unwrap_or_default();
        keepers.push(tokio::spawn(check_for_ever(member, options)).abort_handle());
    }
    let members = members.to_vec();
    let sweeper = async move {
        loop {
            sleep((idle_time / 2).max(Duration::from_secs(1))).await;
            members.iter().for_each(|member| member.client.sweep());
        }
    };
    keepers.push(tokio::spawn(sweeper).abort_handle());
    keepers
}

async fn check_for_ever(member: Arc<Member>, options: CheckOptions) {
    // Checks are spread out from the start, and by jitter stay so.
    sleep(options.interval.mul_f64(random_share())).await;
    loop {
        member.check(&options).await;
        sleep(options.interval.mul_f64(0.8 + 0.4 * random_share())).await;
    }
}

/// A number from 0 to 1, of no quality.
fn random_share() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}
