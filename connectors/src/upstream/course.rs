//! A request's way through a group: whom it goes to next, and when it has been to enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::UpstreamGroup;
use super::client::{Failure, Waiting, What};
use super::member::Member;
use crate::transport::Repeat;

/// What an attempt has brought.
pub(super) enum Attempt<A> {
    Answer(A),
    /// The member answers that it cannot do its work.
    Refusal(A),
    Failure(Failure),
}

/// Nobody has answered.
pub(super) struct Nobody {
    /// What happened at each member, for the operator.
    pub(super) message: String,
    failures: Vec<What>,
}

/// One request's way. Attempts are made by its owner, one after the other.
pub(super) struct Course<'a, A> {
    group: &'a UpstreamGroup,
    repeat: Repeat,
    affinity: Option<u64>,
    until: Instant,
    asked: Asked,
    attempts: u32,
    /// Whether leaving the member for another has been paid for.
    paid: AtomicBool,
    is_over: bool,
    refusal: Option<A>,
    failures: Vec<(usize, Failure)>,
    at: usize,
}

impl<'a, A> Course<'a, A> {
    pub(super) fn new(group: &'a UpstreamGroup, repeat: Repeat, affinity: Option<u64>) -> Self {
        group.budget.request();
        Self {
            group,
            repeat,
            affinity,
            until: Instant::now() + group.total_time,
            asked: Asked::default(),
            attempts: 0,
            paid: AtomicBool::new(false),
            is_over: false,
            refusal: None,
            failures: Vec::new(),
            at: 0,
        }
    }

    /// Whom to send to now; `None` when the request has been to enough.
    pub(super) fn next_member(&mut self) -> Option<Arc<Member>> {
        if self.is_over {
            return None;
        }
        self.at = self.choose()?;
        self.asked.insert(self.at);
        self.attempts += 1;
        if self.attempts > 1 {
            self.group.retries.fetch_add(1, Ordering::Relaxed);
            self.group.retries_total.increment(1);
        }
        self.paid = AtomicBool::new(false);
        Some(self.group.members[self.at].clone())
    }

    /// How long the attempt under way waits; `give_up` is [`Course::gives_up`].
    pub(super) fn waiting<'b>(&self, give_up: &'b (dyn Fn() -> bool + Send + Sync)) -> Waiting<'b> {
        let UpstreamGroup { answer_time, patience, .. } = *self.group;
        Waiting { until: self.until, answer_time, patience, give_up }
    }

    /// Whether a member from which nothing comes is left for another. It costs a repetition, which is paid when it is decided.
    pub(super) fn gives_up(&self) -> bool {
        let elsewhere = self.is_safe() && self.attempts < self.group.attempts && self.has_another() && self.group.budget.take();
        self.paid.fetch_or(elsewhere, Ordering::Relaxed);
        elsewhere
    }

    /// Takes what the attempt has brought; gives back the answer if that is one to be content with.
    pub(super) fn take(&mut self, attempt: Attempt<A>) -> Option<A> {
        let free = match attempt {
            Attempt::Answer(answer) => return Some(answer),
            Attempt::Refusal(answer) if !self.is_safe() => return Some(answer),
            Attempt::Refusal(answer) => {
                self.refusal = Some(answer);
                false
            }
            Attempt::Failure(failure) => {
                let not_sent = failure.what == What::NotSent;
                let may_go_on = failure.is_the_upstreams() && (self.is_safe() || not_sent);
                self.failures.push((self.at, failure));
                if !may_go_on {
                    self.is_over = true;
                    return None;
                }
                not_sent
            }
        };
        let all = self.asked.count() == self.group.members.len();
        let last = self.attempts == self.group.attempts || all || Instant::now() >= self.until;
        let paid = *self.paid.get_mut();
        self.is_over = last || !(free || paid || self.group.budget.take());
        None
    }

    /// What there is when no attempt has brought an answer to be content with: a refusal, so that its meaning survives the hop.
    ///
    /// # Errors
    /// There is not even that.
    pub(super) fn end(self) -> Result<A, Nobody> {
        self.refusal.ok_or_else(|| {
            let name = |member: usize| &self.group.members[member].name;
            let reasons: Vec<String> =
                self.failures.iter().map(|(member, failure)| format!("{}: {}", name(*member), failure.message)).collect();
            let message = format!("upstream group {} gives no answer; {}", self.group.name, reasons.join("; "));
            Nobody { message, failures: self.failures.iter().map(|(_, failure)| failure.what).collect() }
        })
    }

    fn is_safe(&self) -> bool {
        self.repeat == Repeat::Safe
    }

    /// The next member, if there is one that the request was not sent to yet.
    fn choose(&self) -> Option<usize> {
        let now = Instant::now();
        let UpstreamGroup { members, balance, .. } = self.group;
        let choose = |usable: &dyn Fn(&Member) -> bool| {
            let usable = |member: usize| !self.asked.contains(member) && usable(&members[member]);
            balance.choose(self.affinity, usable, |member| members[member].in_flight())
        };
        // A request that can be lost is no trial, unless nobody healthy is left for it.
        let healthy = if self.is_safe() { None } else { choose(&|member| member.health.is_healthy()) };
        healthy.or_else(|| choose(&|member| member.health.is_usable(now))).or_else(|| {
            let others = (0..members.len()).filter(|member| !self.asked.contains(*member));
            others.min_by_key(|member| members[*member].health.badness(now))
        })
    }

    /// Whether there is a usable member that the request was not sent to yet.
    fn has_another(&self) -> bool {
        let now = Instant::now();
        (0..).zip(&self.group.members).any(|(number, member)| !self.asked.contains(number) && member.health.is_usable(now))
    }
}

impl Nobody {
    /// Whether all that came was no answer, or the request could not be sent to anybody.
    pub(super) fn is_malformed(&self) -> bool {
        let is_malformed = |what: &What| matches!(what, What::Malformed | What::TooLarge | What::Unsendable);
        !self.failures.is_empty() && self.failures.iter().all(is_malformed)
    }

    /// Whether the request went out to nobody.
    pub(super) fn was_not_reached(&self) -> bool {
        self.failures.iter().all(|what| *what == What::NotSent)
    }

    /// Whether the last that was asked took too long.
    pub(super) fn is_late(&self) -> bool {
        self.failures.last() == Some(&What::TimedOut)
    }

    /// Whether the request's own body broke off.
    pub(super) fn is_cancelled(&self) -> bool {
        self.failures.last() == Some(&What::Cancelled)
    }
}

/// The members that a request was sent to.
#[derive(Clone, Copy, Default)]
struct Asked(u64);

impl Asked {
    fn insert(&mut self, member: usize) {
        self.0 |= 1 << member;
    }

    fn contains(self, member: usize) -> bool {
        self.0 & (1 << member) != 0
    }

    fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}
